"""Mistakes in one step of the backward pass: a factor left out, a term of a factor miscounted, another operand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from ...function import Function
from ...terms import Contraction, Input, Shared, Size, Tensor
from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..intermediates import described
from ..slips import Slip, by_weight, hypotheses, order_of, slip, twins, where, with_operand
from ..tape import Mistake, Share, Step, Tape, nothing

MOST_OPERANDS = 40
"""How many intermediates are tried in the place of another one."""

MOST_TERMS = 4
"""Of how many terms a factor may be, of which one is left out."""


@detector("exponent", "wrong-operand", "missing-term", "term-sign", "doubled-term", stage="structure")
def steps(case: Case) -> Iterator[Hypothesis]:
    """U is what the backward pass gives with one step done otherwise, or all steps of one kind."""
    yield from hypotheses(case, _slips)


def _slips(function: Function, tape: Tape) -> Iterator[Slip]:
    singles = [(step,) for step in tape.steps]
    several = [*by_weight(tape), *twins(tape)]
    for group in [*several, *singles]:
        yield from _left_out(function, tape, group)
    for group in [*twins(tape), *singles]:
        yield from _miscounted(function, tape, group)
        yield from _exchanged(function, tape, group)
    for tensor in tape.tensors:
        yield from _passed_by(function, tape, tensor)


# A factor ---------------------------------------------------------------------------------------------------------


def _left_out(function: Function, tape: Tape, steps: Sequence[Step]) -> Iterator[Slip]:
    """A factor beside the one that is differentiated, or the derivative of its power."""
    step, readings = steps[0], tape.product(steps[0]).readings

    def said(what: str, part: Tensor) -> str:
        return what.format(described(function, part)) + f", {where(function, step)}"

    for k, reading in enumerate(readings):
        if k != step.factor and not isinstance(reading.part, Size):
            told = partial(said, "lacks the factor {}", reading.part)
            yield slip("exponent", told, steps, partial(_without, k, None))
            if readings[step.factor].power < 0:
                told = partial(said, f"lacks the factor {{}} / {described(function, step.part)}", reading.part)
                yield slip("exponent", told, steps, partial(_without, k, readings[step.factor].power))
    power = readings[step.factor].power
    if power != 1:
        for other in dict.fromkeys((power, power - 2, power - 0.5, power - 1.5, power + 0.5, power + 1, 0.0)):
            if other != power - 1:
                what = f"has {{}} to the power {other:g}, not {power - 1:g}"
                yield slip("exponent", partial(said, what, step.part), steps, partial(_to_the, other))


def _without(other: int, power: float | None, tape: Tape, step: Step, adjoint: Array) -> Array:
    return tape.share_without(tape.product(step), step.factor, adjoint, other, power)


def _to_the(power: float, tape: Tape, step: Step, adjoint: Array) -> Array:
    return tape.share_to(tape.product(step), step.factor, adjoint, power)


def _miscounted(function: Function, tape: Tape, steps: Sequence[Step]) -> Iterator[Slip]:
    """One term of a factor that is a sum left out, turned or doubled."""
    step = steps[0]
    for k, reading in enumerate(tape.product(step).readings):
        sum_ = reading.part
        if k == step.factor or not isinstance(sum_, Shared) or len(sum_.body.terms) > MOST_TERMS:
            continue
        for term, (cause, by, what) in itertools.product(range(len(sum_.body.terms)), CHANGES):

            def said(sum_: Tensor = sum_, what: str = what) -> str:
                return f"{what} in the factor {described(function, sum_)}, {where(function, step)}"

            yield slip(cause, said, steps, partial(_of_terms, k, term, by))


CHANGES = (
    ("missing-term", 0.0, "lacks one term"),
    ("term-sign", -1.0, "has the wrong sign on one term"),
    ("doubled-term", 2.0, "counts one term twice"),
)


def _of_terms(k: int, term: int, by: float, tape: Tape, step: Step, adjoint: Array) -> Array:
    product = tape.product(step)
    values = sum(
        (by if n == term else 1.0) * tape.total(one) for n, one in enumerate(tape.products[product.readings[k].part, 0])
    )
    return tape.share_with(product, step.factor, adjoint, k, np.asarray(values))


# Another operand --------------------------------------------------------------------------------------------------


def _exchanged(function: Function, tape: Tape, steps: Sequence[Step]) -> Iterator[Slip]:
    """Another intermediate in the place of a factor, or the gradient by another one in the place of the adjoint."""
    step = steps[0]
    shaped = [tensor for tensor in tape.tensors if tensor.shape and tensor.inputs]
    if len(shaped) > MOST_OPERANDS:
        return

    def said(what: str, other: Tensor, right: Tensor) -> str:
        return what.format(described(function, other), described(function, right)) + f", {where(function, step)}"

    for k, reading in enumerate(tape.product(step).readings):
        for other in shaped:
            if k != step.factor and other is not reading.part and order_of(other, reading.part) is not None:
                told = partial(said, "uses {} where it needs {}", other, reading.part)
                yield slip("wrong-operand", told, steps, partial(with_operand, k, other))
    if isinstance(step.owner, Contraction | Shared):
        for other in shaped:
            if other is not step.owner and order_of(other, step.owner) is not None:
                told = partial(said, "uses the gradient by {} where it needs that by {}", other, step.owner)
                yield slip("wrong-operand", told, [step], partial(_from, other))


def _from(other: Tensor, tape: Tape, step: Step, adjoint: Array) -> Array:
    assert isinstance(step.owner, Tensor)
    order, found = order_of(other, step.owner), tape.right.get(other)
    if order is None or found is None:
        return np.full(tape.values[step.part].shape, np.nan)
    return tape.share(tape.product(step), step.factor, found.transpose(order))


def _passed_by(function: Function, tape: Tape, tensor: Tensor) -> Iterator[Slip]:
    """The gradient by an intermediate is taken to be that by what it enters: the factor between them is missing."""
    steps = tuple(step for step in tape.steps if step.part is tensor)
    if isinstance(tensor, Input) or len(steps) < 2:
        return
    owners = list(dict.fromkeys(step.owner for step in steps))
    for owner in owners:
        if tape.adjoint_of(owner) is not None:
            said = partial(_said_of_passing, function, tensor, owner)
            share: Share = partial(_all_of, owner)
            mistake: dict[Step, Share] = {**dict.fromkeys(steps, nothing), steps[-1]: share}
            yield Slip("exponent", said, steps, Mistake(steps=mistake))


def _said_of_passing(function: Function, tensor: Tensor, owner: Tensor | str) -> str:
    whole = owner if isinstance(owner, str) else described(function, owner)
    part = described(function, tensor)
    return f"takes the gradient by {part} to be that by {whole}: the derivative of {whole} by {part} is missing"


def _all_of(owner: Tensor | str, tape: Tape, step: Step, adjoint: Array) -> Array:
    """The adjoint of the whole, where it has the shape of the part."""
    shape = tape.values[step.part].shape
    found = tape.adjoint_of(owner)
    if found is None or sorted(found.shape) != sorted(shape):
        return np.full(shape, np.nan)
    return found if found.shape == shape else found.T
