"""Indexing by numbers, slices, new axes, and arrays of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..dims import Dim
from ..errors import ShapeError, TraceError, UnsupportedError
from ..primitives import PRIMITIVES
from ..rewrites import add, apply, contract, multiply, substitute
from ..terms import (
    ONE,
    ZERO,
    Index,
    Position,
    Size,
    Slot,
    Sum,
    combine,
    constant_slot,
    of_factor,
    of_size,
    slot_parts,
    substitute_slot,
)
from .operands import aligned, axis_number, lift
from .record import at_least, counted, fail, require, spelled
from .registry import implements
from .sizes import SizeNumber, dim_of, is_whole
from .symbolic import described
from .tracer import Tracer, renaming


@implements("getitem")
def getitem(a: Any, key: Any) -> Tracer:
    array = lift(a)
    items = _items(array, key)
    axes: list[Index] = []
    slots: dict[Index, Slot] = {}
    lookups: list[Lookup] = []
    place: int | None = None
    apart = False
    own = iter(array.axes)
    arrays = any(map(_is_lookup, items))
    for item in items:
        if item is None:
            axes.append(Index.fresh(ONE))
            continue
        label = next(own)
        if isinstance(item, slice):
            _slice(item, label, axes, slots)
        elif is_whole(item) and not arrays:
            slots[label] = constant_slot(_entry(item, label.dim))
        else:
            # all positions together make new axes: where the first stands, or in front if they stand apart
            apart = apart or (place is not None and place != len(axes))
            place = len(axes) if place is None else place
            lookups.append(_lookup(item, label))
    body = substitute(array.body, slots)
    if lookups:
        axes, body = _looked_up(axes, body, lookups, 0 if apart else place or 0)
        return Tracer(axes, body, array.kind)
    if not axes and not any(item is Ellipsis for item in _tuple(key)):
        return Tracer((), body, array.kind)
    return array.alias(axes, body)


def _tuple(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _is_lookup(item: Any) -> bool:
    return isinstance(item, np.ndarray | list | Tracer)


def _items(array: Tracer, key: Any) -> list[Any]:
    """One item per axis, and None for new axes: the ellipsis written out, masks as positions."""
    items = [_item(item) for item in _tuple(key)]
    used = sum(_covers(item) for item in items)
    if used > array.ndim:
        fail(
            ShapeError,
            f"{described(array)} has {counted(array.ndim, 'axis', 'axes')}, and the index names {used}",
            "name at most one position or slice for each axis.",
        )
    places = [k for k, item in enumerate(items) if item is Ellipsis]
    if len(places) > 1:
        fail(TraceError, "an index has at most one ...", "write the other axes as colons.")
    at = places[0] if places else len(items)
    items[at : at + 1] = [slice(None)] * (array.ndim - used)
    complete: list[Any] = []
    axis = 0
    for item in items:
        complete.extend(_true_entries(array, item, axis) if _is_mask(item) else [item])
        axis += _covers(item)
    return complete


def _item(item: Any) -> Any:
    """A part of an index, lists as arrays, and arrays without axes as numbers."""
    if isinstance(item, list):
        item = np.asarray(item) if item else np.zeros(0, int)
    if isinstance(item, np.ndarray) and item.dtype.kind in "iu" and item.ndim == 0:
        return int(item)
    known = item is None or item is Ellipsis or isinstance(item, slice | Tracer) or is_whole(item)
    if known or (isinstance(item, np.ndarray) and item.ndim and item.dtype.kind in "biu"):
        return item
    if isinstance(item, np.ndarray):
        item = item[(0,) * item.ndim] if item.size else None
    fail(
        TraceError,
        f"a value of type {type(item).__name__} is no index",
        "index with whole numbers, sizes, slices, None, ..., or arrays of whole numbers.",
    )


def _is_mask(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.dtype == bool


def _covers(item: Any) -> int:
    """How many axes an item takes."""
    return item.ndim if _is_mask(item) else int(item is not None and item is not Ellipsis)


def _true_entries(array: Tracer, mask: np.ndarray[Any, Any], first: int) -> Sequence[np.ndarray[Any, Any]]:
    covered = array.dims[first : first + mask.ndim]
    if tuple(dim.value for dim in covered) != mask.shape:
        fail(
            ShapeError,
            f"a mask has the shape of the axes that it picks from: it has shape {mask.shape}, and the axes "
            f"of {described(array)} have shape {spelled(covered)}",
            "pick with a mask along axes of fixed size, or multiply by the mask.",
        )
    return mask.nonzero()


# Numbers and slices -----------------------------------------------------------------------------------------


def _entry(item: Any, dim: Dim) -> Dim:
    """The position that a number means, negative ones counted from the end."""
    position = dim_of(item)
    place = position + dim if at_least(-position, 1) else position
    reason = f"index {item} of an axis of size {dim}"
    advice = f"index from {-dim} to {dim - 1}." if dim.value is not None else "index within the axis."
    if dim.value is not None and position.value is not None and not -dim.value <= position.value < dim.value:
        fail(ShapeError, f"index {item} is out of range for an axis of size {dim}", advice)
    require(place, ">=", reason, advice)
    require(dim - 1 - place, ">=", reason, advice)
    return place


def _slice(item: slice, label: Index, axes: list[Index], slots: dict[Index, Slot]) -> None:
    start, step, length = _bounds(item, label.dim)
    if length is label.dim and step == 1 and start is ZERO:
        axes.append(label)
        return
    axes.append(Index.fresh(length))
    slots[label] = constant_slot(start) if length is ONE else combine([(Dim.of(step), axes[-1])], start)


def _bounds(item: slice, dim: Dim) -> tuple[Dim, int, Dim]:
    """Where a slice starts, its step, and how many entries it takes."""
    step = 1 if item.step is None else item.step
    if isinstance(step, SizeNumber) or not is_whole(step) or step == 0:
        fail(TraceError, f"the step of a slice is a whole number other than 0, not {step}", "pass a number.")
    step = int(step)
    for bound in (item.start, item.stop):
        if bound is not None and not is_whole(bound):
            fail(
                TraceError,
                f"the bounds of a slice are whole numbers, and one is of type {type(bound).__name__}",
                "pass numbers or sizes; divide sizes by //.",
            )
    if dim.value is not None and not any(isinstance(bound, SizeNumber) for bound in (item.start, item.stop)):
        taken = range(dim.value)[slice(item.start, item.stop, step)]
        return Dim.of(taken.start), step, Dim.of(len(taken))
    text = f"[{_shown(item.start)}:{_shown(item.stop)}{f':{step}' if step != 1 else ''}]"
    reason = f"the slice {text} of an axis of size {dim}"
    if step > 0:
        start = ZERO if item.start is None else _bound(item.start, dim, ZERO, dim, reason)
        stop = dim if item.stop is None else _bound(item.stop, dim, ZERO, dim, reason)
        span = stop - start
    else:
        last = dim - 1
        start = last if item.start is None else _bound(item.start, dim, -ONE, last, reason)
        stop = -ONE if item.stop is None else _bound(item.stop, dim, -ONE, last, reason)
        span = start - stop
    if at_least(-span):
        return start, step, ZERO
    require(span, ">=", reason, "let the slice end behind its start.")
    return start, step, (span + abs(step) - 1) // abs(step)


def _shown(bound: Any) -> str:
    return "" if bound is None else str(bound)


def _bound(bound: Any, dim: Dim, low: Dim, high: Dim, reason: str) -> Dim:
    """A bound counted from the front: cut to the axis where that is certain, else required to fit."""
    place = dim_of(bound)
    if at_least(-place, 1):
        place = place + dim
    if at_least(low - place):
        return low
    if at_least(place - high):
        return high
    require(place - low, ">=", reason, "slice within the axis.")
    require(high - place, ">=", reason, "slice within the axis.")
    return place


# Arrays of positions ----------------------------------------------------------------------------------------


class Lookup(NamedTuple):
    """Positions to be read along an axis: affine in the indices of an array, or the entries of one."""

    label: Index
    axes: tuple[Index, ...]
    slot: Slot | None
    entries: Sum


def _lookup(item: Any, label: Index) -> Lookup:
    if isinstance(item, Tracer):
        slot = _affine(item.current())
        if slot is None:
            fail(
                UnsupportedError,
                f"there is no rule for an index that is calculated, and {described(item)} is",
                "index with arrays of whole numbers from outside the function, or with tj.arange; "
                "a gradient of it can be checked as it is, with tj.opaque.",
            )
        _require_range(*_extremes(slot), label.dim)
        return Lookup(label, item.axes, slot, Sum())
    if is_whole(item):
        return Lookup(label, (), constant_slot(_entry(item, label.dim)), Sum())
    axes = tuple(Index.fresh(Dim.of(size)) for size in item.shape)
    if not item.size:
        return Lookup(label, axes, constant_slot(0), Sum())
    least, most = int(item.min()), int(item.max())
    _require_range(Dim.of(least) + (label.dim if least < 0 else 0), Dim.of(most), label.dim)
    if label.dim.value is not None:
        item = np.where(item < 0, item + label.dim.value, item)
    slot = _progression(item, axes, label.dim)
    return Lookup(label, axes, slot, Sum() if slot is not None else _entries(item, axes, label.dim))


def _require_range(least: Dim, most: Dim, dim: Dim) -> None:
    reason = f"an array of positions along an axis of size {dim}"
    advice = "let positions be less than the size of the axis, negative ones at least minus it."
    require(least, ">=", reason, advice)
    require(dim - 1 - most, ">=", reason, advice)


def _progression(item: np.ndarray[Any, Any], axes: Sequence[Index], dim: Dim) -> Slot | None:
    """The positions as ``start + step·i``, if they are so."""
    steps = np.diff(item) if item.ndim == 1 else np.empty(0)
    if item.ndim != 1 or np.any(steps != steps[:1]) or item.min() < 0 <= item.max():
        return None
    start = Dim.of(int(item[0])) + (dim if item[0] < 0 else 0)
    return combine([(Dim.of(int(step)), axes[0]) for step in steps[:1]], start)


def _entries(item: np.ndarray[Any, Any], axes: Sequence[Index], dim: Dim) -> Sum:
    """The positions as a captured array, negative ones counted from the end."""
    body = lift(item).over(axes)
    if item.min() >= 0:
        return body
    return add(body, multiply(lift((item < 0).astype(int)).over(axes), of_size(dim)))


def _affine(array: Tracer) -> Slot | None:
    """A traced array of whole numbers as an affine form of its indices: `tj.arange` and sums of it."""
    weighted: list[tuple[Dim, Slot]] = []
    for term in array.body.terms:
        if not isinstance(term.coefficient, int) or len(term.factors) > 1:
            return None
        slot: Slot = constant_slot(1)
        for factor in term.factors:
            if isinstance(factor.tensor, Size) and factor.power == 1:
                slot = constant_slot(factor.tensor.dim)
            elif isinstance(factor.tensor, Position) and factor.power == 1:
                slot = factor.slots[0]
            else:
                return None
        weighted.append((Dim.of(term.coefficient), slot))
    return combine(weighted)


def _extremes(slot: Slot) -> tuple[Dim, Dim]:
    """The least and the greatest value of an affine form whose coefficients are numbers."""
    least, parts = slot_parts(slot)
    most = least
    for label, coefficient in parts:
        extent = coefficient * (label.dim - 1)
        least, most = (least, most + extent) if at_least(coefficient) else (least + extent, most)
    return least, most


def _looked_up(axes: Sequence[Index], body: Sum, lookups: Sequence[Lookup], place: int) -> tuple[list[Index], Sum]:
    """``E[t, …]`` with positions t: affine ones are slots, for others Σ_p E[p, …] [p = t]."""
    picked, _ = aligned(*(Tracer(lookup.axes, Sum()) for lookup in lookups))
    made = [Index.fresh(label.dim) for label in picked]
    for label, own, slot, entries in lookups:
        mapping = renaming(own, made[len(made) - len(own) :])
        if slot is not None:
            body = substitute(body, {label: substitute_slot(slot, mapping)})
            continue
        read = Index.fresh(label.dim)
        here = apply(PRIMITIVES["equal"], [substitute(entries, mapping), of_factor(Position(read.dim)(read))])
        body = contract(multiply(substitute(body, {label: read}), here), [read])
    return [*axes[:place], *made, *axes[place:]], body


@implements("take")
def take(a: Any, indices: Any, axis: Any = None) -> Tracer:
    array = lift(a).ravel() if axis is None else lift(a)
    along = axis_number(0 if axis is None else axis, array.ndim)
    positions = indices if is_whole(indices) or isinstance(indices, Tracer) else np.asarray(indices)
    result = array[(*[slice(None)] * along, positions)]
    return result.copy()  # type: ignore[no-any-return]
