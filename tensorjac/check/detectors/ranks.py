"""What remains to be said about a Jacobian: which entries it mixes, and of what rank the difference is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from ..cases import Array, Case
from ..causes import Hypothesis, detector
from .jacobians import jacobians, observed, smallest


@detector("option", stage="structure")
def ignored(case: Case) -> Iterator[Hypothesis]:
    """U does not depend on an input on which T depends."""
    if not case.question.exact and case.claim.text is not None:
        return
    for name in case.question.shapes:
        trial = case.trials[0]
        array = trial.args[name]
        if array.dtype.kind != "f" or (name,) == case.target.wrt:
            continue
        moved = {**trial.args, name: array * 1.25 + 0.01}
        value = case.claimed_at(moved)
        blind = isinstance(value, np.ndarray) and case.same(value, case.claimed(trial))
        if blind and not case.same(case.true_at(moved), case.true(trial)):
            message = f"{case.label} does not depend on {name}, and the true one does{case.instead}."
            yield Hypothesis("option", message, case.claimed, exact=True)


@detector("wrong-axis", stage="structure")
def leaks(case: Case) -> Iterator[Hypothesis]:
    """J_U is not zero where J_T is, for an axis of the output and one of the input: samples leak into each other."""
    both = jacobians(case)
    if both is None:
        return
    true, claimed = both
    trial = smallest(case)
    into = case.true(trial).ndim
    out = true.ndim - into
    scale = case.tolerance * float(np.max(np.abs(claimed), initial=0.0))
    for axis, other in itertools.product(range(out), range(out, true.ndim)):
        if true.shape[axis] != true.shape[other] or true.shape[axis] < 2:
            continue
        apart = _off_diagonal(true, axis, other)
        if not np.any(true[apart]) and np.any(np.abs(claimed[apart]) > scale):
            name = case.axes(trial)[other - out]
            yield observed(
                case,
                "wrong-axis",
                f"{case.label} mixes entries along axis {other - out} ({name}) that do not depend on each other: "
                f"a sum or a mean runs over that axis, and should run over another one{case.instead}.",
                f"one-hot cotangents reach other positions along {name}, where the true Jacobian is 0",
            )


def _off_diagonal(array: Array, axis: int, other: int) -> Array:
    size = array.shape[axis]
    apart = ~np.eye(size, dtype=bool)
    shape = [1] * array.ndim
    shape[axis], shape[other] = size, size
    return np.broadcast_to(apart.reshape(shape), array.shape)


@detector("rank-one-vector", stage="structure")
def low_rank(case: Case) -> Iterator[Hypothesis]:
    """J_U - J_T, or U - T itself for a matrix, is an outer product."""
    both = jacobians(case)
    if both is not None:
        true, claimed = both
        rank = true.ndim - case.true(smallest(case)).ndim
        rest = (claimed - true).reshape(math.prod(true.shape[:rank]), -1)
        if min(rest.shape) > 2 and _rank(case, rest) == 1 and _rank(case, true.reshape(rest.shape)) > 1:
            yield observed(case, "rank-one-vector", _rank_message(case), "the Jacobians differ by a matrix of rank 1")
    elif case.question.kind in ("grad", "hessian", "jacobian"):
        trial = smallest(case)
        rest = case.claimed(trial) - case.true(trial)
        if rest.ndim == 2 and min(rest.shape) > 2 and _rank(case, rest) == 1:
            yield observed(case, "rank-one-vector", _rank_message(case), "it differs by a matrix of rank 1")


def _rank(case: Case, matrix: Array) -> int:
    if not np.all(np.isfinite(matrix)):
        return 0
    singular = np.linalg.svd(matrix, compute_uv=False)
    return int(np.sum(singular > 16 * case.tolerance * singular[0])) if singular[0] else 0


def _rank_message(case: Case) -> str:
    return f"{case.label} differs by an outer product: one of its terms u vᵀ holds a wrong vector{case.instead}."
