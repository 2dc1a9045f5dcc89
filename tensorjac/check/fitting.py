"""Regression of a claim on parts of the true gradient: missing, doubled and turned parts show as coefficients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .cases import Array, Case
from .factors import Factor, recognise
from .trials import Trial

Value = Callable[[Trial], Array]

INDEPENDENT = 1e-7
"""Parts whose smallest singular value is below this part of the largest do not determine coefficients."""

ZERO = Factor("0", "0", "missing-term", 0.0)


@dataclass(frozen=True)
class Fit:
    """The coefficients of a claim on parts, recognised at every trial."""

    coefficients: tuple[Factor, ...]

    @property
    def text(self) -> str:
        return f"({', '.join(factor.text for factor in self.coefficients)})"


def fit(case: Case, parts: Sequence[Value]) -> Fit | None:
    """The claim as a combination of parts, with recognised coefficients that are not all the same."""
    points = [(case.claimed(t), [np.asarray(part(t), dtype=float) for part in parts]) for t in case.trials]
    if any(value.size <= len(parts) for value, _ in points):
        # too few entries at one point: numbers that are the same at all points
        points = [_joined(points)] * len(points)
    solutions = []
    for value, arrays in points:
        solution = _solve(case, value.astype(float), arrays)
        if solution is None:
            return None
        solutions.append(solution)
    factors = []
    for column in zip(*solutions, strict=True):
        close = 1e-6 if case.tolerance < 1e-6 else 16 * case.tolerance
        small = all(abs(c) <= close for c in column)
        factor = ZERO if small else recognise(column, case.trials, max(close, 1e-6), case.fixed)
        if factor is None or (factor.cause == "factor" and abs(factor.number) not in (3.0, 4.0, 1.0)):
            return None
        factors.append(factor)
    return Fit(tuple(factors)) if len({factor.text for factor in factors}) > 1 else None


def _joined(points: Sequence[tuple[Array, Sequence[Array]]]) -> tuple[Array, list[Array]]:
    """The entries at all points, scaled so that every point counts."""
    scales = [float(np.max(np.abs(value), initial=0.0)) or 1.0 for value, _ in points]
    values = np.concatenate([value.ravel() / scale for (value, _), scale in zip(points, scales, strict=True)])
    columns = zip(*(arrays for _, arrays in points), strict=True)
    return values, [
        np.concatenate([part.ravel() / scale for part, scale in zip(column, scales, strict=True)]) for column in columns
    ]


def _solve(case: Case, value: Array, parts: Sequence[Array]) -> Array | None:
    if any(part.shape != value.shape or not np.all(np.isfinite(part)) for part in parts):
        return None
    matrix = np.stack([part.ravel() for part in parts], axis=1)
    norms = np.linalg.norm(matrix, axis=0)
    if np.any(norms == 0) or len(matrix) <= len(parts):
        return None
    left, singular, right = np.linalg.svd(matrix / norms, full_matrices=False)
    if singular[-1] < INDEPENDENT * singular[0]:
        return None
    solution = (right.T @ ((left.T @ value.ravel()) / singular)) / norms
    return solution if case.same((matrix @ solution).reshape(value.shape), value) else None
