"""Values whose axes are known by their indices: how these are laid out for one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..arrays import Value, Values
from ..dims import Dim, nonnegative
from ..rewrites.registry import assumptions
from ..terms import ZERO, Index, Number, Slot

Labelled = tuple[Value, tuple[Index, ...]]


def sizes(labels: Iterable[Index]) -> tuple[Dim, ...]:
    """The shape of an array over these indices."""
    return tuple(label.dim for label in labels)


@dataclass(frozen=True)
class Triangle:
    """The condition ``low <= high + shift``."""

    low: Index
    high: Index
    shift: Dim

    def at(self, slots: Mapping[Index, Slot]) -> Triangle | None:
        """The same with its indices read at slots, where these are whole axes."""
        low, high = slots[self.low], slots[self.high]
        if not (isinstance(low, Index) and isinstance(high, Index)) or low is high:
            return None
        if low.dim is not self.low.dim or high.dim is not self.high.dim:
            return None
        return Triangle(low, high, self.shift)

    def cleared(self, axes: Sequence[Index]) -> tuple[int, int, str]:
        """The axis to be walked along, the axis that is 0 in part, and the slice that is, at each step ``{k}``."""
        low, high = axes.index(self.low), axes.index(self.high)
        if high < low:
            return high, low, f"{_from_zero('{k}', self.shift + 1)}:"
        return low, high, f":{_from_zero('{k}', -self.shift)}"


def _from_zero(step: str, offset: Dim) -> str:
    """The sum of a step and an offset, 0 where it is negative."""
    text = step if offset is ZERO else f"{step} + {offset}"
    return text if nonnegative(offset, assumptions.get()) else f"max({text}, 0)"


@dataclass(frozen=True)
class Lookup:
    """The condition ``positions == place``."""

    place: Index
    positions: Labelled

    def at(self, slots: Mapping[Index, Slot]) -> Lookup | None:
        """The same with its indices read at slots, where these are whole axes."""
        value, labels = self.positions
        moved = [slots[label] for label in (self.place, *labels)]
        found = [slot for slot in moved if isinstance(slot, Index)]
        whole = all(slot.dim is label.dim for slot, label in zip(found, (self.place, *labels), strict=False))
        if len(set(found)) < len(moved) or not whole:
            return None
        return Lookup(found[0], (value, tuple(found[1:])))


@dataclass(frozen=True)
class Operand:
    """What a product consists of: an array over indices, to a power."""

    value: Value
    labels: tuple[Index, ...]
    power: Number = 1
    nonnegative: bool = False
    tests: bool = False  # a δ as a mask: what stands beside it counts only where it holds, be it infinite elsewhere
    triangle: Triangle | None = None  # what the mask compares, where that is one index with another
    lookup: Lookup | None = None  # what the mask looks up, where it compares positions with an index


def aligned(values: Values, value: Value, labels: Sequence[Index], order: Sequence[Index]) -> Value:
    """The value with its axes in this order, and axes of size 1 for the labels that it lacks."""
    if not labels:
        return value
    place = {label: k for k, label in enumerate(labels)}
    value = values.transpose(value, [place[label] for label in order if label in place])
    return values.expand(value, [label in place for label in order])


def broadcast(values: Values, value: Value, labels: Sequence[Index], axes: Sequence[Index]) -> Value:
    """The value with every axis at its full size."""
    if set(labels) >= set(axes) and not value.weak:
        return value
    return values.make("full", (value,), sizes(axes), sizes(axes))


def arranged(labels: Iterable[Index], want: Sequence[Index] | None) -> tuple[Index, ...]:
    """The labels as they are wanted, those that are not wanted behind."""
    present = dict.fromkeys(labels)
    return tuple(dict.fromkeys([*(label for label in want or () if label in present), *present]))


def united(arrays: Iterable[Labelled], first: Iterable[Index] = ()) -> list[Index]:
    """All labels of some arrays: ``first``, then those of the longest, then others where they stand in theirs."""
    order = list(dict.fromkeys(first))
    for _, labels in sorted(arrays, key=lambda array: -len(array[1])):
        place = len(order)
        for label in reversed(labels):
            if label in order:
                place = order.index(label)
            else:
                order.insert(place, label)
    return order
