"""Mistakes that are repeated at every step of a recurrent function: a lost path, a state of another step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from functools import partial

from ...function import Function
from ...terms import Apply, Input
from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..slips import Slip, by_weight, hypotheses, slip, where, with_operand
from ..tape import Mistake, Step, Tape, nothing
from .paths import recurrent


@detector("recurrent-path", "term-sign", "doubled-term", "time-shift", stage="structure")
def recurrences(case: Case) -> Iterator[Hypothesis]:
    """U is what is left when nothing comes back from later steps, or when every step takes another one's state."""
    yield from hypotheses(case, _slips)


def _slips(function: Function, tape: Tape) -> Iterator[Slip]:
    for group in _between_states(tape):
        yield from _lost(function, group)
    for group in by_weight(tape):
        yield from _shifted(tape, group)


def _between_states(tape: Tape) -> list[tuple[Step, ...]]:
    """Steps from one application of a function back to an earlier one, with the same weight."""
    groups: dict[Hashable, list[Step]] = defaultdict(list)
    for group in by_weight(tape):
        for step in group:
            if isinstance(step.part, Apply):
                groups[step.part.operation.name, group[0]].append(step)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _lost(function: Function, group: tuple[Step, ...]) -> Iterator[Slip]:
    """What comes back from later steps left out, turned or doubled."""
    cause = "recurrent-path" if recurrent(function) else "missing-term"

    def said(what: str) -> str:
        return f"{what} what comes back from later steps, {where(function, group[0])}, and so at every step"

    yield slip(cause, partial(said, "lacks"), group, nothing)
    yield slip("term-sign", partial(said, "has the wrong sign on"), group, partial(_scaled, -1.0))
    yield slip("doubled-term", partial(said, "counts twice"), group, partial(_scaled, 2.0))


def _scaled(by: float, tape: Tape, step: Step, adjoint: Array) -> Array:
    return by * tape.share(tape.product(step), step.factor, adjoint)


def _shifted(tape: Tape, group: tuple[Step, ...]) -> Iterator[Slip]:
    """Each step to a weight takes the state of the next step, or of the one before."""
    if not isinstance(group[0].part, Input) or any(len(tape.product(step).readings) != 2 for step in group):
        return
    states = [tape.product(step).readings[1 - step.factor].part for step in group]
    kinds = {state.operation.name for state in states if isinstance(state, Apply)}
    last = [t for t in tape.tensors if isinstance(t, Apply) and t.operation.name in kinds and t not in states]
    if len(kinds) != 1 or len(last) != 1:
        return
    chain = [*states, *last]
    for what, first, by in (("after", 0, 1), ("after", 1, 1), ("before", 1, -1)):
        taken = {step: partial(with_operand, 1 - step.factor, chain[k + by]) for k, step in enumerate(group)}
        mistake = Mistake(steps={step: share for k, (step, share) in enumerate(taken.items()) if k >= first})
        yield Slip("time-shift", partial(_said_of_shift, what), group, mistake)


def _said_of_shift(what: str) -> str:
    return f"takes, at every step, the state {what} the one that it needs"
