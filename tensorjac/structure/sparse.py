"""Parts as coordinates: the flat row and column of every entry, computed from the slots alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from ..dims import Dim
from ..terms import Index, Slot, slot_parts
from .pattern import Part, Pattern

Array = np.ndarray[Any, Any]

# More places than these are not counted one by one.
COUNTED = 2**24


def numbers(dims: Sequence[Dim], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape at given sizes."""
    return tuple(dim.evaluate(sizes) for dim in dims)


def coordinates(pattern: Pattern, rank: int, sizes: Mapping[str, int]) -> tuple[Array, Array, Array | None]:
    """The row-major positions of output and input entries, and which places have one where guards leave some out.

    All three broadcast over the labels of the pattern.
    """
    ranges = _ranges(pattern.labels, sizes)
    shape = numbers(pattern.axes, sizes)
    rows, columns = (
        _flat(pattern.slots[part], shape[part], ranges, sizes) for part in (slice(None, rank), slice(rank, None))
    )
    kept: Array | None = None
    for form, dim in pattern.guards:
        value = _value(form, ranges, sizes)
        holds = (value >= 0) & (value < dim.evaluate(sizes))
        kept = holds if kept is None else kept & holds
    return rows, columns, kept


def distinct(patterns: Sequence[Pattern]) -> int | None:
    """The number of places at which an entry of these patterns stands, place by place.

    None where sizes are no numbers, or where there are more than ``COUNTED`` places to look at.
    """
    found: list[Array] = [np.empty(0, np.intp)]
    dims = [dim for p in patterns for dim in (*p.axes, *(x.dim for x in p.labels), *(size for _, size in p.guards))]
    known = all(dim.value is not None for dim in dims)
    if not known or sum(prod(numbers([x.dim for x in p.labels], {})) for p in patterns) > COUNTED:
        return None
    for pattern in patterns:
        places, _, kept = coordinates(pattern, len(pattern.axes), {})
        whole = np.broadcast_to(places, numbers([label.dim for label in pattern.labels], {}))
        found.append(whole.ravel() if kept is None else whole[np.broadcast_to(kept, whole.shape)])
    return len(np.unique(np.concatenate(found)))


def triplets(parts: Sequence[Part], cores: Sequence[Array], rank: int, sizes: Mapping[str, int]) -> list[Array]:
    """Values, rows and columns of all entries; those at one place are to be added."""
    found: list[list[Array]] = [[], [], []]
    for part, core in zip(parts, cores, strict=True):
        labels = part.pattern.labels
        own = part.labels
        core = core.reshape([label.dim.evaluate(sizes) if label in own else 1 for label in labels])
        rows, columns, kept = coordinates(part.pattern, rank, sizes)
        box = numbers([label.dim for label in labels], sizes)
        if kept is not None:
            kept = np.broadcast_to(kept, box)
        for values, array in zip(found, (core, rows, columns), strict=True):
            whole = np.broadcast_to(array, box)
            values.append(whole.ravel() if kept is None else whole[kept])
    dtypes = (np.float64, np.intp, np.intp)
    return [np.concatenate(v) if v else np.empty(0, dtype) for v, dtype in zip(found, dtypes, strict=True)]


def _ranges(labels: Sequence[Index], sizes: Mapping[str, int]) -> dict[Index, Array]:
    """The values of each label, along an axis of its own."""
    count = len(labels)
    return {
        label: np.arange(label.dim.evaluate(sizes)).reshape([-1 if k == place else 1 for k in range(count)])
        for place, label in enumerate(labels)
    }


def _flat(
    slots: Sequence[Slot], shape: Sequence[int], ranges: Mapping[Index, Array], sizes: Mapping[str, int]
) -> Array:
    total: Array = np.zeros((1,) * len(ranges), np.intp)
    for k, slot in enumerate(slots):
        total = total + prod(shape[k + 1 :]) * _value(slot, ranges, sizes)
    return total


def _value(slot: Slot, ranges: Mapping[Index, Array], sizes: Mapping[str, int]) -> Array:
    offset, held = slot_parts(slot)
    total: Array = np.full((1,) * len(ranges), offset.evaluate(sizes), np.intp)
    for label, c in held:
        total = total + c.evaluate(sizes) * ranges[label]
    return total
