"""Steps of a backward pass that are done wrongly: derived once for a function, and tried on every input's gradient."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ..function import Function
from ..terms import Contraction, Input, Tensor
from .cases import Array, Case
from .causes import Hypothesis
from .intermediates import backward, described, exact, tape
from .tape import Mistake, Share, Step, Tape


class Slip(NamedTuple):
    """Something done wrongly at one step or at several: the cause, what is said, and the backward pass."""

    cause: str
    said: Callable[[], str]
    steps: tuple[Step, ...]
    mistake: Mistake


def slip(cause: str, said: Callable[[], str], steps: Sequence[Step], share: Share) -> Slip:
    """The same other share at all these steps."""
    return Slip(cause, said, tuple(steps), Mistake(steps=dict.fromkeys(steps, share)))


def hypotheses(case: Case, make: Callable[[Function, Tape], Iterator[Slip]]) -> Iterator[Hypothesis]:
    """The gradients with each slip that touches the input; what was made is kept for the other inputs."""
    function = exact(case)
    made = None if function is None else tape(case, function, case.trials[0])
    if function is None or made is None:
        return
    known = case.question.memory.setdefault("slips", {})
    if (make, function) not in known:
        known[make, function] = _Remembered(make(function, made))
    for one in known[make, function]:
        if any(step.part.inputs.intersection(case.target.wrt) for step in one.steps):
            said = partial(_message, case, one)
            yield Hypothesis(one.cause, said, backward(case, function, one.mistake), exact=True)


def _message(case: Case, one: Slip) -> str:
    return f"{case.label} {one.said()}{case.instead}."


class _Remembered:
    """What an iterator gave, for the next one who asks."""

    def __init__(self, source: Iterator[Slip]) -> None:
        self.source, self.known = source, list[Slip]()

    def __iter__(self) -> Iterator[Slip]:
        for k in itertools.count():
            if k == len(self.known):
                following = next(self.source, None)
                if following is None:
                    return
                self.known.append(following)
            yield self.known[k]


def where(function: Function, step: Step) -> str:
    """The place of a step in words."""
    whole = step.owner if isinstance(step.owner, str) else described(function, step.owner)
    return f"on the way from {whole} back to {described(function, step.part)}"


# Steps of one kind ------------------------------------------------------------------------------------------------


def by_weight(tape: Tape) -> list[tuple[Step, ...]]:
    """Steps of products with the same weight, and steps to one weight, where there are several."""
    groups: dict[Hashable, list[Step]] = defaultdict(list)
    for step in tape.steps:
        readings = tape.product(step).readings
        if isinstance(step.owner, Contraction):
            for k, reading in enumerate(readings):
                if k != step.factor and isinstance(reading.part, Input) and reading.part.rank > 1:
                    groups["by", reading.part].append(step)
            if isinstance(step.part, Input) and step.part.rank > 1:
                groups["to", step.part].append(step)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def twins(tape: Tape) -> list[tuple[Step, ...]]:
    """Steps to one part beside the same other factors, in several sums: a product that was written once."""
    groups: dict[Hashable, list[Step]] = defaultdict(list)
    for step in tape.steps:
        readings = tape.product(step).readings
        others = frozenset((one.part, one.power) for k, one in enumerate(readings) if k != step.factor)
        if others:
            groups[step.part, others].append(step)
    return [tuple(group) for group in groups.values() if len(group) > 1]


# Another operand --------------------------------------------------------------------------------------------------


def order_of(other: Tensor, part: Tensor) -> tuple[int, ...] | None:
    """The order of the axes of one tensor in which they are those of another one."""
    if sorted(map(str, other.shape)) != sorted(map(str, part.shape)):
        return None
    if len(set(part.shape)) < len(part.shape):
        return tuple(range(len(part.shape))) if other.shape == part.shape else None
    return tuple(other.shape.index(dim) for dim in part.shape)


def with_operand(k: int, other: Tensor, tape: Tape, step: Step, adjoint: Array) -> Array:
    """A step with another intermediate in the place of a reading; NaN where their axes differ."""
    product = tape.product(step)
    order = order_of(other, product.readings[k].part)
    if order is None:
        return np.full(tape.values[step.part].shape, np.nan)
    return tape.share_with(product, step.factor, adjoint, k, tape.values[other].transpose(order))
