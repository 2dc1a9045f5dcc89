"""Mistakes that are repeated at every step of a recurrent function: a lost path, a state of another step."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator
from functools import partial

import numpy as np

from ...function import Function
from ...terms import Apply, Input
from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..intermediates import exact
from ..slips import Slip, by_weight, hypotheses, slip, where, with_operand
from ..tape import Mistake, Step, Tape, nothing
from .jacobians import jacobians, observed
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


# Black boxes ------------------------------------------------------------------------------------------------------


@detector("recurrent-path", stage="structure")
def forgotten(case: Case) -> Iterator[Hypothesis]:
    """J_U holds what every output gets from its own step, and nothing from earlier ones; seen without a derivation."""
    axis = _time_axis(case)
    if axis is None or exact(case) is not None:
        return
    if _is_forgotten(case, axis) or (_starts_right(case, axis) and _another_is_forgotten(case, axis)):
        yield observed(
            case,
            "recurrent-path",
            f"{case.label} is right for one step, and lacks what comes back from later steps: along axis {axis} of the "
            "output every entry depends on what came before it; add the gradient that the following step passes on.",
            "one-hot cotangents at a later step do not reach earlier ones",
        )


def _time_axis(case: Case) -> int | None:
    """An axis of the output along which entries depend on some input at their own and at earlier positions only."""
    for name in case.question.shapes:
        both = _of_input(case, name)
        if both is None:
            continue
        rank = both[0].ndim - case.trials[0].args[name].ndim
        for axis, other in itertools.product(range(rank), range(rank, both[0].ndim)):
            blocks = _blocks(both[0], axis, other)
            if len(blocks) > 2 and not np.any(np.triu(blocks, 1)) and np.all(blocks[np.tril_indices(len(blocks))]):
                return axis
    return None


def _of_input(case: Case, name: str) -> tuple[Array, Array] | None:
    """J_T and J_U by another input of the same claim."""
    if (name,) == case.target.wrt:
        return jacobians(case)
    target = next((target for target in case.claim.targets if target.wrt == (name,)), None)
    if target is None or case.trials[0].args[name].dtype.kind != "f":
        return None
    known = case.question.memory.setdefault("by input", {})
    if (name, case.claim) not in known:
        other = Case(case.question, target, case.claim, case.trials)
        values = [other.claimed_at(trial.args) for trial in case.trials]
        known[name, case.claim] = None if any(not isinstance(v, np.ndarray) for v in values) else jacobians(other)
    found: tuple[Array, Array] | None = known[name, case.claim]
    return found


def _blocks(jacobian: Array, axis: int, other: int) -> Array:
    """Whether anything depends on anything, by position along an axis of the output and one of the input."""
    if jacobian.shape[axis] != jacobian.shape[other]:
        return np.zeros((0, 0), dtype=bool)
    moved = np.moveaxis(jacobian, (axis, other), (0, 1))
    return np.asarray(np.any(moved.reshape(*moved.shape[:2], -1), axis=2))


def _is_forgotten(case: Case, axis: int, name: str | None = None) -> bool:
    """Whether J_U is J_T where the positions agree, or at the first one, and 0 elsewhere."""
    name = name or case.target.wrt[0]
    both = _of_input(case, name)
    if both is None:
        return False
    true, claimed = (np.moveaxis(one, axis, 0) for one in both)
    rank = true.ndim - case.trials[0].args[name].ndim
    kept = np.zeros(true.shape)
    kept[0] = true[0]
    wanted = [kept]
    for other in range(rank, true.ndim):
        if true.shape[other] == len(true):
            shape = [len(true) if k in (0, other) else 1 for k in range(true.ndim)]
            wanted.append(true * np.eye(len(true)).reshape(shape))
    return any(case.same(claimed, one) and not case.same(one, true) for one in wanted)


def _starts_right(case: Case, axis: int) -> bool:
    """Whether the gradient is right for cotangents at the first step, and for no later one."""
    both = jacobians(case)
    if both is None:
        return False
    true, claimed = (np.moveaxis(one, axis, 0) for one in both)
    right = [case.same(one, two) for one, two in zip(true, claimed, strict=True)]
    return right[0] and not any(right[1:])


def _another_is_forgotten(case: Case, axis: int) -> bool:
    return any(_is_forgotten(case, axis, name) for name in case.question.shapes if (name,) != case.target.wrt)
