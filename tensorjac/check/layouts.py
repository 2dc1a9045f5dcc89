"""Jacobians in other layouts: input axes first, or both groups of axes merged, by rows or by columns."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .cases import Array, Case

OURS = "this package puts output axes first"


def other_layout(case: Case) -> str | None:
    """The layout in which the claim is right, where it is not this package's own."""
    if case.question.kind not in ("jacobian", "hessian"):
        return None
    values = [case.claimed(trial) for trial in case.trials]
    into = case.question.layout(case.target.wrt)
    layouts = [dict(_layouts(case.true(trial), into)) for trial in case.trials]
    for name in layouts[0]:
        if all(case.same(value, known[name]) for value, known in zip(values, layouts, strict=True)):
            return name
    return None


def _layouts(true: Array, into: int) -> Iterator[tuple[str, Array]]:
    """The same Jacobian in each layout, by a name for people."""
    rank = true.ndim - into
    rows, columns = tuple(range(rank)), tuple(range(rank, true.ndim))
    height, width = math.prod(true.shape[:rank]), math.prod(true.shape[rank:])
    by_rows = true.reshape(height, width)
    by_columns = true.transpose((*reversed(rows), *reversed(columns))).reshape(height, width)
    yield "the denominator layout (input axes first)", true.transpose((*columns, *rows))
    yield "the matrix layout, out × in, both flattened by rows", by_rows
    yield "the matrix layout, out × in, both flattened by columns (vec)", by_columns
    yield "the denominator layout as a matrix, in × out, both flattened by rows", by_rows.T
    yield "the denominator layout as a matrix, in × out, both flattened by columns (vec)", by_columns.T
