"""Terms with δ as values written into arrays: at which slots of the output, and what stands there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..arrays import Value, Values, Write
from ..dims import Dim, nonnegative
from ..rewrites.ranges import in_range, truth_of
from ..rewrites.registry import assumptions
from ..terms import DELTA, ONE, Factor, Index, Slot, Sum, Term, combine, product, slot_labels, slot_parts
from .labelled import Labelled, aligned, broadcast, sizes
from .slots import digits, target


def needs_write(term: Term, want: Sequence[Index]) -> bool:
    """Whether a δ of the term puts values in some places of an array over ``want`` only."""
    places = set(want)
    return any(factor.tensor is DELTA and places.intersection(factor.labels) for factor in term.factors)


@dataclass(frozen=True)
class Placed:
    """A term with δ as a term without, and the slot of each output axis at which that is written."""

    axes: tuple[Index, ...]
    slots: tuple[Slot, ...]
    rest: Term

    @property
    def dims(self) -> list[Dim]:
        return [axis.dim for axis in self.axes]

    @property
    def labels(self) -> tuple[Index, ...]:
        """The indices over which the term is written."""
        return tuple(dict.fromkeys(label for slot in self.slots for label in slot_labels(slot)))

    @property
    def direct(self) -> bool:
        """Whether no δ is left, and a view of the output has the axes at which the term is written."""
        if any(factor.tensor is DELTA for factor in self.rest.factors):
            return False
        return not target(self.slots, self.dims, self.labels).startswith("{add}")

    @property
    def digits(self) -> tuple[Index, ...] | None:
        """The indices of which the axes are reshaped, where the δ say no more than that."""
        found = [digits(slot, dim) for slot, dim in zip(self.slots, self.dims, strict=True)]
        labels = [label for split in found for label in split or ()]
        if None in found or len(set(labels)) != len(labels) or any(f.tensor is DELTA for f in self.rest.factors):
            return None
        return tuple(labels)


def placed(term: Term, want: tuple[Index, ...]) -> Placed | None:
    """Each output axis that a δ determines becomes a slot, and the δ goes; None where the δ contradict each other."""
    slots: dict[Index, Slot] = {label: label for label in want}
    factors = list(term.factors)
    summed = list(term.summed)
    kept: set[Factor] = set()
    while True:
        factor = next((f for f in factors if f.tensor is DELTA and f not in kept), None)
        if factor is None:
            break
        found = _determined(factor.slots[0], slots, want)
        if found is None:
            kept.add(factor)
            continue
        label, value = found
        mapping: dict[Index, Slot] = {label: value}
        factors = [f.substitute(mapping) for f in factors if f is not factor]
        decided = {f: truth_of(f.slots[0]) for f in factors if f.tensor is DELTA}
        if False in decided.values():
            return None
        factors = [f for f in factors if not decided.get(f)]
        slots = {axis: _replaced(slot, label, value) for axis, slot in slots.items()}
        summed = [index for index in summed if index not in set(slot_labels(value))]
    return Placed(want, tuple(slots.values()), product(term.coefficient, factors, tuple(summed)))


def _determined(form: Slot, slots: Mapping[Index, Slot], want: Sequence[Index]) -> tuple[Index, Slot] | None:
    """An output index that a δ determines, and the slot that it must be."""
    _, parts = slot_parts(form)
    for axis in reversed(want):
        if slots[axis] is not axis:
            continue
        c = dict(parts).get(axis)
        if c is None or c.value not in (1, -1):
            continue
        rest = combine(((ONE, form), (Dim.of(-1) * c, axis)))
        value = combine(((Dim.of(-1) * c, rest),))
        if in_range(value, axis.dim):
            return axis, value
    return None


def _replaced(slot: Slot, label: Index, value: Slot) -> Slot:
    offset, parts = slot_parts(slot)
    pieces: list[tuple[Dim, Slot]] = [(c, value if index is label else index) for index, c in parts]
    return combine(pieces, offset)


def together(places: Sequence[Placed]) -> tuple[Placed, Sum] | None:
    """What is written at the same places, as one sum; None where the places differ or where other δ are left."""
    first, *others = places
    rests = [first.rest]
    for place in others:
        mapping = _matched(place.slots, first.slots)
        if mapping is None:
            return None
        rests.append(place.rest.substitute(mapping))
    if any(factor.tensor is DELTA for rest in rests for factor in rest.factors):
        return None
    return first, Sum(rests)


def grouped_alike(places: Sequence[Placed]) -> list[tuple[Placed, Sum]]:
    """Terms that are written at the same places as one sum, in the order of the first of them."""
    groups: list[list[Placed]] = []
    for place in places:
        group = next((group for group in groups if together([group[0], place])), None)
        groups.append([place]) if group is None else group.append(place)
    return [together(group) or (group[0], Sum((group[0].rest,))) for group in groups]


def _matched(slots: Sequence[Slot], to: Sequence[Slot]) -> dict[Index, Slot] | None:
    """The indices that turn some slots into others, each known by its coefficient."""
    mapping: dict[Index, Slot] = {}
    for slot, other in zip(slots, to, strict=True):
        (offset, parts), (wanted, sought) = slot_parts(slot), slot_parts(other)
        places = {c: index for index, c in sought}
        if offset is not wanted or len(parts) != len(sought) or len(places) != len(sought):
            return None
        for index, c in parts:
            found = places.get(c)
            if found is None or found.dim is not index.dim or mapping.setdefault(index, found) is not found:
                return None
    return mapping if len(set(mapping.values())) == len(mapping) else None


def disjoint(one: Placed, other: Placed) -> bool:
    """Whether two terms are known to be written at places of which none is the same: an axis keeps them apart."""
    return any(_apart(*pair) or _apart(*pair[::-1]) for pair in zip(one.slots, other.slots, strict=True))


def _apart(one: Slot, other: Slot) -> bool:
    """Whether one slot ends before the other begins, or both run in steps and never meet."""
    (low, parts), (high, others) = slot_parts(one), slot_parts(other)
    steps = {weight.value for _, weight in (*parts, *others)}
    if len(parts) > 1 or len(others) > 1 or not steps:
        return low.value is not None and high.value is not None and low.value < high.value and not steps
    if steps == {1}:
        end = low + parts[0][0].dim if parts else low + 1
        return nonnegative(high - end, assumptions.get())
    (step, *more) = steps
    between = (high - low).value
    return not more and step is not None and between is not None and between % step != 0


def merged(values: Values, place: Placed, order: Sequence[Index], inner: Labelled) -> Value | None:
    """What is written, over the digits ``order`` of the axes, as a reshape; None where it lacks some of them."""
    if set(inner[1]) != set(order) or inner[0].weak:
        return None
    value = values.floating(aligned(values, *inner, order))
    shape = ", ".join(map(str, place.dims))
    return values.call(f"{{0.}}.reshape({shape})", (value,), sizes(place.axes), hint=value.hint)


def written(values: Values, place: Placed, inner: Labelled, adds: bool) -> tuple[Write, Value]:
    """The assignment of what a term without its δ has become."""
    labels = place.labels
    if sum(len(list(slot_labels(slot))) for slot in place.slots) > len(labels):
        # a view with a diagonal has its axes in any order: what is written broadcasts over those in front
        labels = (*(label for label in labels if label not in inner[1]), *inner[1])
    value = values.floating(aligned(values, *inner, labels))
    text = target(place.slots, place.dims, labels)
    if text.startswith("{add}"):
        # add.at does not broadcast reliably
        value = broadcast(values, value, inner[1], labels)
    return Write(text, adds, diagonal=_diagonal(place, labels)), value


def _diagonal(place: Placed, labels: Sequence[Index]) -> tuple[tuple[int, ...], ...] | None:
    """Along which axes each index runs, where every axis is read at one, and some at the same."""
    whole = all(isinstance(slot, Index) and slot.dim is dim for slot, dim in zip(place.slots, place.dims, strict=True))
    if not whole or len(labels) == len(place.slots):
        return None
    return tuple(tuple(k for k, slot in enumerate(place.slots) if slot is label) for label in labels)
