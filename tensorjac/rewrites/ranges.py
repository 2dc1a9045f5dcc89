"""What is provable about the values of affine forms: bounds, ranges, and whether a δ can hold."""

from __future__ import annotations

from functools import lru_cache

from ..dims import Dim, Requirement, nonnegative
from ..terms import ONE, ZERO, Index, Slot, combine, slot_parts
from .registry import assumptions

# What of a form is known without its letters: by how much each index counts, and its size.
Parts = tuple[tuple[Dim, Dim], ...]


def truth_of(form: Slot) -> bool | None:
    """Whether a δ's condition always holds (True), never holds (False), or depends (None)."""
    offset, parts = slot_parts(form)
    return _truth(offset, tuple([(c, index.dim) for index, c in parts]), assumptions.get())


@lru_cache(maxsize=4096)
def _truth(offset: Dim, parts: Parts, facts: tuple[Requirement, ...]) -> bool | None:
    if not parts and offset is ZERO:
        return True
    low, high = _bounds(offset, parts, facts)
    if (low is not None and nonnegative(low - 1, facts)) or (high is not None and nonnegative(-high - 1, facts)):
        return False
    return None


def bounds_of(form: Slot) -> tuple[Dim | None, Dim | None]:
    """The least and the greatest value of an affine form over the box of its labels, where signs are provable."""
    offset, parts = slot_parts(form)
    return _bounds(offset, tuple([(c, index.dim) for index, c in parts]), assumptions.get())


@lru_cache(maxsize=4096)
def _bounds(offset: Dim, parts: Parts, facts: tuple[Requirement, ...]) -> tuple[Dim | None, Dim | None]:
    low: Dim | None
    high: Dim | None
    low = high = offset
    for c, dim in parts:
        extent = c * (dim - 1)
        if nonnegative(c, facts):
            high = None if high is None else high + extent
        elif nonnegative(-c, facts):
            low = None if low is None else low + extent
        else:
            return None, None
    return low, high


def in_range(form: Slot, dim: Dim) -> bool:
    """Whether 0 ≤ form < dim is provable for all values of its labels."""
    if isinstance(form, Index) and form.dim is dim:
        return True
    low, high = bounds_of(form)
    facts = assumptions.get()
    return low is not None and high is not None and nonnegative(low, facts) and nonnegative(dim - 1 - high, facts)


def solved_for(form: Slot, index: Index) -> Slot | None:
    """The slot that ``index`` must be where ``form`` is 0, if its coefficient is ±1."""
    offset, parts = slot_parts(form)
    c = dict(parts).get(index)
    if c is None or c.value not in (1, -1):
        return None
    if offset is ZERO and len(parts) == 2 and (parts[0][1] + parts[1][1]) is ZERO:
        return parts[parts[0][0] is index][0]
    rest = combine(((ONE, form), (Dim.of(-1) * c, index)))
    return combine(((Dim.of(-1) * c, rest),))


def reads_once(slot: Slot, dim: Dim) -> bool:
    """Whether no entry of an axis is read twice: one index at the most, or the digits of a reshape."""
    _, parts = slot_parts(slot)
    if len(parts) <= 1:
        return True
    weight = ONE
    left = list(parts)
    while left:
        found = next((part for part in left if part[1] is weight), None)
        if found is None:
            return False
        left.remove(found)
        weight = weight * found[0].dim
    return True
