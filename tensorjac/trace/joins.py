"""Joining arrays, and splitting them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..dims import Dim
from ..errors import ShapeError, TraceError
from ..rewrites import add, contract, multiply
from ..terms import ONE, ZERO, Index, Sum, combine, constant_slot, delta, of_factor
from .axes import atleast_1d, atleast_2d, atleast_3d
from .elementwise import same
from .operands import EVEN, axis_number, lift, wider
from .record import common_size, fail, require
from .registry import implements
from .reshapes import ravel
from .sizes import is_whole, size_number
from .symbolic import described
from .tracer import Tracer


def _each(arrays: Any, what: str) -> list[Tracer]:
    """The arrays to be joined; a traced array counts as the sequence of its rows."""
    found = [lift(each) for each in arrays]
    if not found:
        fail(ShapeError, f"{what} needs at least one array", "pass a list of arrays.")
    return found


# Joining ----------------------------------------------------------------------------------------------------


@implements("concatenate", "concat")
def concatenate(arrays: Any, axis: Any = 0) -> Tracer:
    pieces = _each(arrays, "np.concatenate")
    if axis is None:
        return concatenate([ravel(piece) for piece in pieces])
    if pieces[0].ndim == 0:
        fail(ShapeError, "scalars cannot be concatenated, they have no axis", "use np.stack.")
    along = axis_number(axis, pieces[0].ndim)
    axes = _other_axes(pieces, along)
    size = sum((piece.axes[along].dim for piece in pieces), start=ZERO)
    label = Index.fresh(size)
    offset, bodies = ZERO, []
    for piece in pieces:
        own = Index.fresh(piece.axes[along].dim)
        body = piece.over([own if k == along else each for k, each in enumerate(axes)])
        bodies.append(placed(body, own, label, offset))
        offset = offset + own.dim
    axes[along] = label
    return Tracer(axes, add(*bodies), wider(*(piece.kind for piece in pieces)))


def placed(body: Sum, own: Index, label: Index, offset: Dim) -> Sum:
    """The expression written from ``offset`` on along a longer axis, and 0 elsewhere."""
    tie = of_factor(delta(label, combine([(ONE, own)], offset)))
    return contract(multiply(body, tie), [own])


def _other_axes(pieces: Sequence[Tracer], along: int) -> list[Index]:
    """The axes that the arrays have in common: those of the first, and in place of ``along`` its own."""
    advice = "join arrays whose other axes agree."
    axes = list(pieces[0].axes)
    for piece in pieces:
        if piece.ndim != len(axes):
            fail(
                ShapeError,
                f"arrays that are joined have the same number of axes: {described(pieces[0])}, {described(piece)}",
                advice,
            )
        for k, (mine, theirs) in enumerate(zip(axes, piece.dims, strict=True)):
            if k == along or mine.dim is theirs:
                continue
            sizes = f"axis {k} has size {mine.dim} in {described(pieces[0])} and size {theirs} in {described(piece)}"
            common = common_size(mine.dim, theirs, f"arrays that are joined, of which {sizes}", EVEN)
            if common is None:
                rule = f"arrays that are joined along axis {along} agree in the others: {sizes}"
                fail(ShapeError, rule, advice)
            axes[k] = mine if common is mine.dim else Index.fresh(common)
    return axes


@implements("stack")
def stack(arrays: Any, axis: Any = 0) -> Tracer:
    pieces = _each(arrays, "np.stack")
    others = _other_axes(pieces, -1)
    place = axis_number(axis, len(others) + 1)
    label = Index.fresh(Dim.of(len(pieces)))
    bodies = [multiply(piece.over(others), of_factor(delta(label, constant_slot(k)))) for k, piece in enumerate(pieces)]
    axes = [*others[:place], label, *others[place:]]
    if len(pieces) == 1:
        bodies = [pieces[0].body]
    return Tracer(axes, add(*bodies), wider(*(piece.kind for piece in pieces)))


@implements("vstack")
def vstack(tup: Any) -> Tracer:
    return concatenate([atleast_2d(each) for each in _each(tup, "np.vstack")], 0)


@implements("hstack")
def hstack(tup: Any) -> Tracer:
    pieces = [atleast_1d(each) for each in _each(tup, "np.hstack")]
    return concatenate(pieces, 0 if lift(pieces[0]).ndim == 1 else 1)


@implements("dstack")
def dstack(tup: Any) -> Tracer:
    return concatenate([atleast_3d(each) for each in _each(tup, "np.dstack")], 2)


@implements("column_stack")
def column_stack(tup: Any) -> Tracer:
    pieces = _each(tup, "np.column_stack")
    return concatenate([piece if piece.ndim > 1 else atleast_2d(piece).T for piece in pieces], 1)  # type: ignore[union-attr]


@implements("append")
def append(arr: Any, values: Any, axis: Any = None) -> Tracer:
    return concatenate([lift(arr), lift(values)], axis)


@implements("block")
def block(arrays: Any) -> Tracer:
    if not isinstance(arrays, list):
        return same(arrays)
    depth = _depth(arrays)
    rank = max(depth, _highest(arrays))
    return _block(arrays, depth, rank)


def _depth(arrays: Any) -> int:
    return 1 + max(map(_depth, arrays)) if isinstance(arrays, list) and arrays else 0


def _highest(arrays: Any) -> int:
    return max(map(_highest, arrays)) if isinstance(arrays, list) else lift(arrays).ndim


def _block(arrays: Any, depth: int, rank: int) -> Tracer:
    if not isinstance(arrays, list):
        array = lift(arrays)
        return array[(*[None] * (rank - array.ndim), ...)]  # type: ignore[no-any-return]
    return concatenate([_block(each, depth - 1, rank) for each in arrays], -depth)


# Splitting --------------------------------------------------------------------------------------------------


def along_axis(array: Tracer, axis: int, key: Any) -> Tracer:
    """``array[…, key, …]`` with the key on this axis."""
    return array[(*[slice(None)] * axis, key)]  # type: ignore[no-any-return]


@implements("split")
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Tracer]:
    array = lift(ary)
    along = axis_number(axis, array.ndim)
    dim = array.axes[along].dim
    if not is_whole(indices_or_sections):
        cuts = [0, *indices_or_sections, size_number(dim)]
        return [along_axis(array, along, slice(*ends)) for ends in pairwise(cuts)]
    if not isinstance(indices_or_sections, int | np.integer):
        fail(
            TraceError,
            f"the number of parts, {indices_or_sections}, is symbolic, and a list needs a number of entries",
            "split into a fixed number of parts, or use reshape.",
        )
    count = int(indices_or_sections)
    part = dim // count
    require(
        part * count - dim,
        "==",
        f"np.split into {count} parts of an axis of size {dim}",
        f"split into equal parts: a number that divides {dim}, or a list of positions.",
    )
    step = size_number(part)
    return [along_axis(array, along, slice(k * step, (k + 1) * step)) for k in range(count)]


@implements("hsplit")
def hsplit(ary: Any, indices_or_sections: Any) -> list[Tracer]:
    return split(ary, indices_or_sections, 1 if lift(ary).ndim > 1 else 0)


@implements("vsplit")
def vsplit(ary: Any, indices_or_sections: Any) -> list[Tracer]:
    return split(ary, indices_or_sections, 0)


@implements("unstack")
def unstack(x: Any, /, *, axis: Any = 0) -> tuple[Tracer, ...]:
    array = lift(x)
    along = axis_number(axis, array.ndim)
    return tuple(along_axis(array, along, k) for k in range(len(array.swapaxes(0, along))))
