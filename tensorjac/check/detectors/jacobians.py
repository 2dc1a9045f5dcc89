"""Causes that show in the Jacobian that a person's function stands for, which one-hot cotangents reveal."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..trials import Trial

MOST = 400
"""How many one-hot cotangents are tried."""


def jacobians(case: Case) -> tuple[Array, Array] | None:
    """J_T and J_U at the smallest trial, of shape output + input; None where they are not to be had."""
    if "jacobians" not in case.memory:
        case.memory["jacobians"] = _jacobians(case)
    found: tuple[Array, Array] | None = case.memory["jacobians"]
    return found


def _jacobians(case: Case) -> tuple[Array, Array] | None:
    if case.question.kind != "vjp" or len(case.question.cotangents) != 1:
        return None
    trial = smallest(case)
    (name,) = case.question.cotangents
    shape = trial.args[name].shape
    if math.prod(shape) > MOST or not shape:
        return None
    true, claimed = [], []
    for at in np.ndindex(shape):
        hot = np.zeros(shape)
        hot[at] = 1.0
        args = {**trial.args, name: hot}
        value = case.claimed_at(args)
        if not isinstance(value, np.ndarray) or value.shape != case.true(trial).shape:
            return None
        claimed.append(value.astype(float))
        true.append(_row(case, trial, hot))
    into = case.true(trial).shape
    return np.reshape(true, shape + into), np.reshape(claimed, shape + into)


def _row(case: Case, trial: Trial, hot: Array) -> Array:
    """One row of J_T; of a black box all rows come from one Jacobian."""
    if case.question.exact:
        return case.true_at({**trial.args, case.question.cotangents[0]: hot})
    if "rows" not in case.memory:
        case.memory["rows"] = case.question.numeric_jacobian(case.target.wrt, trial.args)
    return np.tensordot(hot, case.memory["rows"], hot.ndim)


def smallest(case: Case) -> Trial:
    """The trial with the fewest numbers."""
    return min(case.trials, key=lambda trial: sum(array.size for array in trial.args.values()))


def _at_smallest(case: Case, wanted: Array) -> bool:
    both = jacobians(case)
    return both is not None and case.same(both[1], wanted)


def observed(case: Case, cause: str, message: str, *evidence: str) -> Hypothesis:
    """A statement about the Jacobians at one point, which needs no further confirmation."""
    return Hypothesis(cause, message, case.claimed, evidence, exact=True)


@detector("jacobian-transposed", "elementwise-jacobian", stage="structure")
def transposed_or_diagonal(case: Case) -> Iterator[Hypothesis]:
    """J_U = J_Tᵀ, or J_U is the diagonal of J_T."""
    both = jacobians(case)
    if both is None or both[0].ndim % 2 or both[0].shape[: both[0].ndim // 2] != both[0].shape[both[0].ndim // 2 :]:
        return
    true, rank = both[0], both[0].ndim // 2
    order = (*range(rank, 2 * rank), *range(rank))
    if not case.same(true, true.transpose(order)) and _at_smallest(case, true.transpose(order)):
        yield observed(
            case,
            "jacobian-transposed",
            f"{case.label} uses the Jacobian transposed: it is J G where it should be Jᵀ G{case.instead}.",
        )
    width = math.prod(true.shape[:rank])
    flat = true.reshape(width, width)
    diagonal = (flat * np.eye(width)).reshape(true.shape)
    if not case.same(true, diagonal) and _at_smallest(case, diagonal):
        yield observed(
            case,
            "elementwise-jacobian",
            f"{case.label} uses only the diagonal of the Jacobian, as if each output depended on one input alone; "
            f"every output depends on several{case.instead}.",
            "one-hot cotangents give the diagonal of the true Jacobian",
        )
