"""Sums that run backward: Σ_i x[n-1-i] y[i] is Σ_i x[i] y[n-1-i], and of the two one form is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from ..dims import Dim
from ..rewrites import reread
from ..terms import (
    DELTA,
    Apply,
    Contraction,
    Factor,
    Index,
    Shared,
    Slot,
    Tensor,
    Term,
    combine,
    contraction,
    product,
    slot_labels,
    slot_parts,
    topological,
)
from ..terms.labelling import Piece, canonical_order

AXES = 3  # indices of which either direction is as good: more are left as they are
MINUS = Dim.of(-1)


def forward(term: Term, by_tensors: bool = True) -> Term:
    """The term with its summed indices running in the directions in which fewest slots subtract an index.

    Those of tensors decide before those of δ, or beside them: neither finds one form for all that are equal.
    """
    term = _with_gaps_forward(term)
    undecided: list[Index] = []
    for index in _turning(term):
        other = _turned(term, (index,))
        if other is None:
            continue
        before, after = (_backward(one)[: 1 if by_tensors else 2] for one in (term, other))
        if after < before:
            term = other
        elif after == before:
            undecided.append(index)
    term, undecided = _opposed(term, undecided)
    if not undecided or len(undecided) > AXES:
        return term
    ways = [chosen for count in range(1, len(undecided) + 1) for chosen in combinations(undecided, count)]
    directions = [term, *(other for other in (_turned(term, way) for way in ways) if other is not None)]
    return min(directions, key=lambda one: (_backward(one), contraction(one.factors, one.summed).tensor.key))


def _opposed(term: Term, undecided: Sequence[Index]) -> tuple[Term, list[Index]]:
    """The term with indices that only δ tell from their opposites turned so that they are opposed to others there.

    In i + j = k for a k that is settled, i and j are opposed to k. Which is taken first depends on no direction.
    """
    left = set(undecided)
    conditions = _conditions(term)
    while True:
        pairs = (_opposable(labels, left) for labels in conditions)
        pair = next((pair for pair in pairs if pair is not None), None)
        if pair is None:
            return term, [index for index in undecided if index in left]
        settled, index = pair
        left.remove(index)
        forms = [dict(slot_parts(f.slots[0])[1]) for f in term.factors if f.tensor is DELTA]
        signs = next((form[settled], form[index]) for form in forms if settled in form and index in form)
        other = _turned(term, (index,)) if len({c.monomials[0][0] > 0 for c in signs}) == 1 else None
        term = term if other is None else other


def _opposable(labels: Sequence[Index], left: set[Index]) -> tuple[Index, Index] | None:
    settled = [index for index in labels if index not in left]
    waiting = [index for index in labels if index in left]
    return (settled[0], waiting[0]) if settled and waiting else None


def _conditions(term: Term) -> list[list[Index]]:
    """The indices of each δ but for gaps, in an order that their directions play no part in."""
    plain = [Factor(tensor, tuple(map(_unsigned, slots)), power) for tensor, slots, power in term.factors]
    roles = {**dict.fromkeys(term.labels, 0), **dict.fromkeys(term.summed, 1)}
    order, _ = canonical_order([Piece("", tuple(plain))], roles)
    rank = {index: k for k, index in enumerate(order)}
    gaps = _gaps(term)
    found = [
        sorted({label for label in factor.labels if label not in gaps}, key=rank.__getitem__)
        for factor in term.factors
        if factor.tensor is DELTA
    ]
    return sorted(found, key=lambda labels: [rank[label] for label in labels])


def _unsigned(slot: Slot) -> Slot:
    if isinstance(slot, Index):
        return slot
    return combine((c if c.monomials[0][0] > 0 else -c, index) for index, c in slot_parts(slot)[1])


def _turning(term: Term) -> list[Index]:
    """The summed indices that do not stand alone in all slots, or where something inside might run the other way."""
    told: set[Index] = set()
    for factor in term.factors:
        inside = isinstance(factor.tensor, Apply | Shared) and any(_backward(Term(1, (factor,))))
        for slot in factor.slots:
            if inside or factor.tensor is DELTA or not isinstance(slot, Index):
                told.update(slot_labels(slot))
    return [index for index in term.summed if index in told.difference(_gaps(term))]


def _turned(term: Term, turning: Sequence[Index]) -> Term | None:
    """The term with some indices running the other way; None where it becomes several."""
    mapping: dict[Index, Slot] = {index: combine(((MINUS, index),), index.dim - 1) for index in turning}
    factors = [factor.substitute(mapping) for factor in term.factors]
    found = reread(product(term.coefficient, factors, term.summed)).terms
    single = len(found) == 1 and found[0].coefficient == term.coefficient
    return _with_gaps_forward(found[0]) if single else None


def _gaps(term: Term) -> dict[Index, Factor]:
    """The summed indices that stand in one δ and nowhere else, which then says only that something is in range."""
    users: dict[Index, list[Factor]] = {}
    for factor in term.factors:
        for label in dict.fromkeys(factor.labels):
            users.setdefault(label, []).append(factor)
    alone = {index: users[index][0] for index in term.summed if len(users.get(index, ())) == 1}
    return {index: factor for index, factor in alone.items() if factor.tensor is DELTA}


def _with_gaps_forward(term: Term) -> Term:
    """i = j + 1 + k for some k is j = i - n + k for some k: of the two, the one with the simpler constant."""
    mapping: dict[Index, Slot] = {}
    for gap, factor in _gaps(term).items():
        constant, parts = slot_parts(factor.slots[0])
        weight = dict(parts)[gap]
        if weight.value not in (1, -1):
            continue
        # the gap is this number plus a form of the other indices, or it is what is left of its range
        number = -weight * constant
        if _plainness(gap.dim - 1 - number) < _plainness(number):
            mapping[gap] = combine(((MINUS, gap),), gap.dim - 1)
    return product(term.coefficient, [f.substitute(mapping) for f in term.factors], term.summed) if mapping else term


def _plainness(dim: Dim) -> tuple[int, str]:
    return len(str(dim)), str(dim)


def _backward(term: Term) -> tuple[int, int]:
    """How many slots subtract an index, and how many indices stand opposed in a δ of several, which has no sign of its
    own; in the term and in all that it is made of."""
    inside = [factor for tensor in topological(f.tensor for f in term.factors) for factor in _held(tensor)]
    subtracted = opposed = 0
    for tensor, slots, _ in (*term.factors, *inside):
        for slot in slots:
            negative = [c.monomials[0][0] < 0 for _, c in slot_parts(slot)[1]]
            if tensor is DELTA and len(negative) > 2:
                opposed += min(negative.count(True), negative.count(False))
            elif tensor is not DELTA:
                subtracted += negative.count(True)
    return subtracted, opposed


def _held(tensor: Tensor) -> Iterable[Factor]:
    if isinstance(tensor, Contraction):
        return tensor.factors
    bodies = (tensor.body,) if isinstance(tensor, Shared) else tensor.args if isinstance(tensor, Apply) else ()
    return [factor for body in bodies for term in body.terms for factor in term.factors]
