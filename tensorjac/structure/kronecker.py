"""Parts that fall into independent factors: Kronecker products, and the blocks along axes that all parts tie."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..rewrites import contracted, multiply
from ..terms import Factor, Index, Slot, Sum, flattened, product
from .pattern import Part


@dataclass(frozen=True)
class Component:
    """An independent factor of a part: the axes that it ties or spans, by position, and what stands there."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    core: Sum

    @property
    def tied(self) -> bool:
        """Whether it is a δ alone: the identity matrix."""
        return len(self.rows) == len(self.columns) == 1 and not self.core.labels


def common_ties(parts: Sequence[Part], rank: int) -> tuple[tuple[int, int], ...]:
    """The pairs of an output and an input axis that every part ties.

    >>> common_ties((), 1)
    ()
    """
    found = [part.pattern.ties(rank) for part in parts]
    return tuple(tie for tie in found[0] if all(tie in ties for ties in found)) if found else ()


def components(part: Part, rank: int, apart: Collection[Slot] = ()) -> tuple[Sum, tuple[Component, ...]] | None:
    """The scalar of a part and its independent factors, by the first axis that each has.

    Labels in ``apart`` connect nothing: along them, factors stand side by side. None where the core is a sum of several
    terms, or where slots are more than labels.
    """
    slots = part.pattern.slots
    if not part.pattern.plain or len(part.core.terms) != 1:
        return None
    (whole,) = part.core.terms
    term = flattened(whole)
    groups: list[tuple[set[Index], list[Factor]]] = [({slot}, []) for slot in dict.fromkeys(_labels(slots))]
    lone: list[Factor] = []
    for factor in term.factors:
        labels = set(factor.labels).difference(apart)
        if not labels:
            lone.append(factor)
            continue
        joined = [group for group in groups if group[0] & labels]
        groups = [group for group in groups if not group[0] & labels]
        members = labels.union(*(known for known, _ in joined))
        groups.append((members, [*(f for _, factors in joined for f in factors), factor]))
    if not lone and sum(bool(factors) for _, factors in groups) == 1:
        # all in one, nested as it is: opened, a chain of many layers would be multiplied out in every way
        groups, term = [(members, list(whole.factors if factors else ())) for members, factors in groups], whole
    found = []
    scale = Sum((product(term.coefficient, lone),))
    for members, factors in groups:
        summed = tuple(index for index in term.summed if index in members)
        core = contracted(product(1, factors, summed))
        places = [k for k, slot in enumerate(slots) if slot in members and slot not in apart]
        if places:
            found.append(Component(_before(places, rank), _from(places, rank), core))
        else:
            scale = multiply(scale, core)
    return scale, tuple(sorted(found, key=lambda component: (*component.rows, *component.columns)))


def _labels(slots: Sequence[Slot]) -> list[Index]:
    return [slot for slot in slots if isinstance(slot, Index)]


def _before(places: Sequence[int], rank: int) -> tuple[int, ...]:
    return tuple(place for place in places if place < rank)


def _from(places: Sequence[int], rank: int) -> tuple[int, ...]:
    return tuple(place for place in places if place >= rank)


def in_order(found: Sequence[Component], reverse: bool = False) -> tuple[Component, ...] | None:
    """The components in the order in which their Kronecker product has the axes in theirs; None where there is none."""
    for order in (found, sorted(found, key=lambda component: (component.columns, component.rows))):
        rows = [row for component in order for row in component.rows]
        columns = [column for component in order for column in component.columns]
        if rows == sorted(rows) and columns == sorted(columns):
            return tuple(reversed(order)) if reverse else tuple(order)
    return None
