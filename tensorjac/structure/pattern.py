"""Patterns: where the entries of a Jacobian stand, and what stands there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..dims import Dim, nonnegative
from ..rewrites import add, contracted, in_range
from ..rewrites.ranges import bounds_of, solved_for
from ..rewrites.registry import assumptions
from ..terms import (
    DELTA,
    ONE,
    ZERO,
    Factor,
    Index,
    Slot,
    Sum,
    Term,
    combine,
    delta,
    product,
    slot_labels,
    slot_parts,
    substitute_slot,
)
from ..terms.indices import FRESH_FROM
from .opening import opened


@dataclass(frozen=True)
class Pattern:
    """The places of a term's entries: one slot per axis, output axes first, over labels that run independently.

    An entry stands wherever every guard, a form and a size, holds: 0 ≤ form < size.
    """

    axes: tuple[Dim, ...]
    slots: tuple[Slot, ...]
    guards: tuple[tuple[Slot, Dim], ...] = ()

    @cached_property
    def labels(self) -> tuple[Index, ...]:
        """The independent labels, in the order in which the slots show them."""
        forms = (*self.slots, *(form for form, _ in self.guards))
        return tuple(dict.fromkeys(label for slot in forms for label in slot_labels(slot)))

    @property
    def plain(self) -> bool:
        """Whether every axis is a label, and every place of the labels has an entry."""
        return not self.guards and all(map(_covers, self.slots, self.axes))

    @property
    def canonical(self) -> Pattern:
        """The same places, labels numbered in their order and guards sorted: what is equal is the same."""
        return _renamed(self, _numbered(self))

    def ties(self, rank: int) -> tuple[tuple[int, int], ...]:
        """The pairs of an output and an input axis that are one label, which no other axis shows; by position."""
        shown: list[Slot] = [label for slot in self.slots for label in slot_labels(slot)]
        guarded = {label for form, _ in self.guards for label in slot_labels(form)}
        return tuple(
            (row, column)
            for row, slot in enumerate(self.slots[:rank])
            for column in range(rank, len(self.slots))
            if self.slots[column] is slot and shown.count(slot) == 2 and slot not in guarded
            if _covers(slot, self.axes[row]) and _covers(slot, self.axes[column])
        )

    def substituted(self, mapping: Mapping[Index, Slot]) -> Pattern:
        """The places over other labels."""
        slots = tuple(substitute_slot(slot, mapping) for slot in self.slots)
        return Pattern(self.axes, slots, tuple((substitute_slot(form, mapping), dim) for form, dim in self.guards))

    def term(self, axes: Sequence[Index]) -> Term:
        """The pattern as an expression over ``axes``: a product of δ, which sums what the axes leave open."""
        mapping: dict[Index, Slot] = {}
        for axis, slot in zip(axes, self.slots, strict=True):
            if isinstance(slot, Index) and slot.dim is axis.dim:
                mapping.setdefault(slot, axis)
        mapping.update((label, Index.fresh(label.dim)) for label in self.labels if label not in mapping)
        forms = [substitute_slot(slot, mapping) for slot in self.slots]
        ties = [delta(axis, form) for axis, form in zip(axes, forms, strict=True) if form is not axis]
        ties += [delta(substitute_slot(form, mapping), Index.fresh(dim)) for form, dim in self.guards]
        hidden = dict.fromkeys(label for tie in ties for label in tie.labels if label not in axes)
        return product(1, ties, tuple(hidden))


def _covers(slot: Slot, dim: Dim) -> bool:
    return isinstance(slot, Index) and slot.dim is dim


def readable(slots: Iterable[Slot]) -> set[Index]:
    """The labels that can be read off the values of slots, one after the other.

    >>> from tensorjac.terms import affine
    >>> i, j = (Index.fresh(Dim.of(3)) for _ in range(2))
    >>> zero, three = Dim.of(0), Dim.of(3)
    >>> len(readable([affine(zero, {i: ONE, j: ONE})])), len(readable([affine(zero, {i: ONE, j: three})]))
    (0, 2)
    """
    known: set[Index] = set()
    while True:
        fresh = {label for slot in slots for label in _digits(slot, known)} - known
        if not fresh:
            return known
        known |= fresh


def _digits(slot: Slot, known: set[Index]) -> list[Index]:
    """The labels of a slot n·i + j with j < n, besides known ones; a single one can always be read."""
    left = [(label, c) for label, c in slot_parts(slot)[1] if label not in known]
    if len(left) == 1:
        return [left[0][0]]
    weight, found = ONE, []
    while left:
        lowest = next(((label, c) for label, c in left if c is weight), None)
        if lowest is None:
            return []
        left.remove(lowest)
        found.append(lowest[0])
        weight = weight * lowest[0].dim
    return found


@dataclass(frozen=True)
class Part:
    """A pattern and the expression that stands in its places, over its labels: one term of a Jacobian."""

    pattern: Pattern
    core: Sum

    @property
    def labels(self) -> tuple[Index, ...]:
        """The labels on which the core depends."""
        needed = self.core.labels
        return tuple(label for label in self.pattern.labels if label in needed)


def parts(body: Sum, axes: Sequence[Index]) -> tuple[Part, ...]:
    """The expression as patterns with their cores, terms of one pattern added.

    >>> i, j, k = (Index.fresh(Dim.of(size)) for size in ("m", "m", "n"))
    >>> from tensorjac.terms import Input
    >>> x = Input("x", (Dim.of("n"),))
    >>> (part,) = parts(Sum([product(1, [delta(i, j), x(k)])]), (i, j, k))
    >>> part.pattern.ties(1), len(part.pattern.labels), len(part.labels)
    (((0, 1),), 2, 1)
    """
    found: dict[Pattern, list[Sum]] = {}
    for term in opened(body, axes):
        place = placed(term, axes)
        if place is not None:
            pattern, core = place
            found.setdefault(pattern, []).append(contracted(core))
    cores = {pattern: add(*cores) for pattern, cores in found.items()}
    return tuple(Part(pattern, core) for pattern, core in cores.items() if core.terms)


def placed(term: Term, axes: Sequence[Index]) -> tuple[Pattern, Term] | None:
    """The pattern of a term, and the term without the δ that it consists of; None where no entry stands anywhere."""
    slots: dict[Index, Slot] = {axis: axis for axis in axes}
    guards: list[tuple[Slot, Dim]] = []
    rest = term
    while (found := _determined(rest, slots)) is not None:
        tie, label, value, safe = found
        mapping: dict[Index, Slot] = {label: value}
        if not safe:
            guards.append((value, label.dim))
        slots = {axis: substitute_slot(slot, mapping) for axis, slot in slots.items()}
        guards = [(substitute_slot(form, mapping), dim) for form, dim in guards]
        factors = [f.substitute(mapping) for f in rest.factors if f is not tie]
        rest = product(rest.coefficient, factors, tuple(i for i in rest.summed if i is not label))
    guards += [(f.slots[0], ONE) for f in rest.factors if f.tensor is DELTA]
    shown = {label for slot in slots.values() for label in slot_labels(slot)}
    inner = [guard for guard in guards if _hidden(guard, guards, shown)]
    guards = [_projected(guard, shown) if guard in inner else guard for guard in guards]
    guards = [(form, dim) for form, dim in guards if not in_range(form, dim)]
    if any(never(form, dim) for form, dim in guards):
        return None
    pattern = Pattern(tuple(axis.dim for axis in axes), tuple(slots.values()), tuple(guards))
    own = _numbered(pattern)
    return _renamed(pattern, own), _core(rest, inner, own)


def _numbered(pattern: Pattern) -> dict[Index, Slot]:
    return {label: Index.at(FRESH_FROM // 4 + k, label.dim) for k, label in enumerate(pattern.labels)}


Guard = tuple[Slot, Dim]


def _hidden(guard: Guard, guards: Sequence[Guard], shown: set[Index]) -> bool:
    """Whether a guard is about indices that no axis and no other guard shows, so that one of their sums is enough."""
    held = [(label, c) for label, c in slot_parts(guard[0])[1] if label not in shown]
    others = {label for each in guards if each is not guard for label in slot_labels(each[0])}
    return bool(held) and all(c.value in (1, -1) and label not in others for label, c in held)


def _projected(guard: Guard, shown: set[Index]) -> Guard:
    """The guard on what is shown: 0 ≤ f + m < n for some m, 0 ≤ m < k, says that 0 ≤ f + k - 1 < n + k - 1."""
    form, dim = guard
    for label, c in slot_parts(form)[1]:
        if label not in shown:
            most = label.dim - 1
            form = combine(((ONE, form), (-c, label)), most if c is ONE else ZERO)
            dim = dim + most
    return form, dim


def _core(rest: Term, guards: Sequence[Guard], own: Mapping[Index, Slot]) -> Term:
    """What stands at a place: a guard on what no axis shows says what is summed there."""
    gaps = [Index.fresh(dim) for _, dim in guards]
    ties = [delta(form, gap) for (form, _), gap in zip(guards, gaps, strict=True)]
    factors = [f for f in rest.factors if f.tensor is not DELTA]
    hidden = dict.fromkeys([*rest.summed, *(label for tie in ties for label in tie.labels)])
    summed = tuple(label for label in hidden if label not in own)
    return product(rest.coefficient, [f.substitute(own) for f in (*factors, *ties)], summed)


def never(form: Slot, dim: Dim) -> bool:
    """Whether a form is outside 0 … dim − 1 for all values of its labels."""
    low, high = bounds_of(form)
    facts = assumptions.get()
    return (high is not None and nonnegative(-1 - high, facts)) or (low is not None and nonnegative(low - dim, facts))


def _renamed(pattern: Pattern, own: Mapping[Index, Slot]) -> Pattern:
    moved = pattern.substituted(own)
    return Pattern(moved.axes, moved.slots, tuple(sorted(set(moved.guards), key=repr)))


def _determined(term: Term, slots: dict[Index, Slot]) -> tuple[Factor, Index, Slot, bool] | None:
    """A δ, a label that it determines, the value of that, and whether the value is always in range.

    A value that may leave the range can stand for a label that nothing else reads.
    """
    ties = [factor for factor in term.factors if factor.tensor is DELTA]
    free = [axis for axis in reversed(slots) if slots[axis] is axis]
    for tie in ties:
        for axis in free:
            value = solved_for(tie.slots[0], axis)
            if value is not None and in_range(value, axis.dim):
                return tie, axis, value, True
    for tie in ties:
        read = _read(factor for factor in term.factors if factor is not tie)
        for label in (*term.summed, *free):
            value = solved_for(tie.slots[0], label)
            shown = any(label in slot_labels(slot) for axis, slot in slots.items() if axis is not label)
            if value is not None and label not in read and not shown:
                return tie, label, value, False
    return None


def _read(factors: Iterable[Factor]) -> set[Index]:
    return {label for factor in factors for label in factor.labels}
