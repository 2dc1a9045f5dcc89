"""Bands: output and input axes that are tied up to a few steps, and entries that are the same along diagonals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..dims import Dim, nonnegative
from ..rewrites.ranges import bounds_of
from ..rewrites.registry import assumptions
from ..terms import DELTA, ONE, Slot, Term, combine, flattened, slot_labels, slot_parts
from .pattern import Part, Pattern


@dataclass(frozen=True)
class Band:
    """The places with low ≤ forward · column − backward · row ≤ high."""

    row: int
    column: int
    backward: Dim
    forward: Dim
    low: Dim
    high: Dim

    def text(self, letters: str) -> str:
        """The band in the letters of the axes."""
        row, column = _times(self.backward, letters[self.row]), _times(self.forward, letters[self.column])
        if self.low is self.high:
            return f"{column} − {row} = {self.low}"
        return f"{self.low} ≤ {column} − {row} ≤ {self.high}"

    def joined(self, other: Band) -> Band | None:
        """The band that holds both; None where which of them reaches further depends on sizes."""
        low, high = _lower(self.low, other.low), _lower(-self.high, -other.high)
        alike = self.backward is other.backward and self.forward is other.forward
        if low is None or high is None or not alike:
            return None
        return Band(self.row, self.column, self.backward, self.forward, low, -high)


def _times(factor: Dim, letter: str) -> str:
    return letter if factor.value == 1 else f"{factor}*{letter}"


def _lower(one: Dim, other: Dim) -> Dim | None:
    facts = assumptions.get()
    return one if nonnegative(other - one, facts) else other if nonnegative(one - other, facts) else None


def bands(parts: Sequence[Part], rank: int, axes: Collection[int]) -> list[Band] | None:
    """The band of each output axis and the input axis in its place; None where some entry is in none."""
    rows, columns = ([k for k in sorted(axes) if (k < rank) is first] for first in (True, False))
    if len(rows) != len(columns):
        return None
    found = []
    for row, column in zip(rows, columns, strict=True):
        whole = _band(parts[0].pattern, row, column)
        for part in parts[1:]:
            band = _band(part.pattern, row, column)
            whole = whole.joined(band) if whole is not None and band is not None else None
        if whole is None or _is_wide(whole, parts[0].pattern.axes[column]):
            return None
        found.append(whole)
    return found


def _is_wide(band: Band, columns: Dim) -> bool:
    """Whether a band grows with the axis."""
    width = band.high - band.low
    return bool(width.names) and nonnegative(width - columns + 1, assumptions.get())


def _band(pattern: Pattern, row: int, column: int) -> Band | None:
    """How far a column is from a row that it shares labels with."""
    (_, above), (_, below) = slot_parts(pattern.slots[row]), slot_parts(pattern.slots[column])
    shared = {label: (c, dict(below)[label]) for label, c in above if label in dict(below)}
    if len(set(shared.values())) != 1:
        return None
    ((own, other),) = set(shared.values())
    if own.value is None or other.value is None or own.value < 1 or other.value < 1:
        return None
    gap = combine(((own, pattern.slots[column]), (-other, pattern.slots[row])))
    others = {label for k, slot in enumerate(pattern.slots) if k not in (row, column) for label in slot_labels(slot)}
    low, high = bounds_of(gap)
    if low is None or high is None or others.intersection(slot_labels(gap)) or others.intersection(shared):
        return None
    return Band(row, column, other, own, low, high)


def toeplitz(parts: Sequence[Part], found: Sequence[Band]) -> bool:
    """Whether entries are the same along the diagonals of bands: they depend on the distance only."""
    if any(band.forward.value != 1 or band.backward.value != 1 for band in found):
        return False
    for part in parts:
        slots = part.pattern.slots
        along = {x for band in found for x in {*slot_labels(slots[band.row])} & {*slot_labels(slots[band.column])}}
        if along.intersection(part.labels):
            return False
    return True


def block_size(pattern: Pattern, row: int, column: int) -> tuple[Dim, Dim] | None:
    """The size of the blocks on the diagonal, where both axes are merged of the same index and others behind it."""
    digits = [sorted(slot_parts(pattern.slots[k])[1], key=lambda part: part[1] is ONE) for k in (row, column)]
    if any(len(parts) != 2 for parts in digits) or pattern.guards:
        return None
    ((first, height), (inner, one)), ((second, width), (other, unit)) = digits
    if first is not second or inner is other or (one, unit) != (ONE, ONE):
        return None
    return (height, width) if (height, width) == (inner.dim, other.dim) else None


def shifted(part: Part, row: int, column: int) -> str | None:
    """What a matrix is called whose entries depend on the difference, or the sum, of the two letters alone."""
    pair = (part.pattern.slots[row], part.pattern.slots[column])
    slots = [slot for term in part.core.terms for slot in _slots(flattened(term)) if {*pair}.intersection(_in(slot))]
    for name, sign in (("Toeplitz", -1), ("Hankel", 1)):
        if slots and all(_ratio(slot, *pair) == sign for slot in slots):
            return name
    return None


def _slots(term: Term) -> list[Slot]:
    return [slot for factor in term.factors if factor.tensor is not DELTA for slot in factor.slots]


def _in(slot: Slot) -> set[Slot]:
    return set(slot_labels(slot))


def _ratio(slot: Slot, row: Slot, column: Slot) -> int:
    """1 or -1 where a slot holds both letters alike, or with opposite signs; 0 for any other."""
    held: dict[Slot, Dim] = dict[Slot, Dim](slot_parts(slot)[1])
    first, second = held.get(row), held.get(column)
    if first is None or second is None:
        return 0
    return 1 if first is second else -1 if first is -second else 0
