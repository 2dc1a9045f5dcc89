"""Sums that run backward: Σ_i x[n-1-i] y[i] is Σ_i x[i] y[n-1-i], and of the two one form is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product as choices

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
    slot_parts,
    topological,
)

AXES = 4  # the directions of more summed indices than these are left as they are
MINUS = Dim.of(-1)


def forward(term: Term) -> Term:
    """The term with its summed indices running in the directions in which fewest slots subtract an index."""
    if not subtractions(term) or len(term.summed) > AXES:
        return term
    return min(_directions(term), key=lambda one: (subtractions(one), contraction(one.factors, one.summed).tensor.key))


def _directions(term: Term) -> Iterator[Term]:
    yield term
    for turned in choices((False, True), repeat=len(term.summed)):
        mapping: dict[Index, Slot] = {
            index: combine(((MINUS, index),), index.dim - 1)
            for index, backward in zip(term.summed, turned, strict=True)
            if backward
        }
        factors = [factor.substitute(mapping) for factor in term.factors]
        found = reread(product(term.coefficient, factors, term.summed)).terms
        if len(found) == 1 and found[0].coefficient == term.coefficient:
            yield found[0]


def subtractions(term: Term) -> int:
    """How many slots subtract an index, in the term and in all that it is made of; a δ has no sign."""
    inside = [factor for tensor in topological(f.tensor for f in term.factors) for factor in _held(tensor)]
    return sum(
        c.monomials[0][0] < 0
        for tensor, slots, _ in (*term.factors, *inside)
        if tensor is not DELTA
        for slot in slots
        for _, c in slot_parts(slot)[1]
    )


def _held(tensor: Tensor) -> Iterable[Factor]:
    if isinstance(tensor, Contraction):
        return tensor.factors
    bodies = (tensor.body,) if isinstance(tensor, Shared) else tensor.args if isinstance(tensor, Apply) else ()
    return [factor for body in bodies for term in body.terms for factor in term.factors]
