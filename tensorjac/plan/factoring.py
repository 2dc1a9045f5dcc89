"""Common factors of the terms of a sum, taken out so that they are multiplied once."""

from __future__ import annotations

from collections.abc import Sequence

from ..rewrites import add, whole
from ..rewrites.patterns import is_mask
from ..terms import (
    DELTA,
    Factor,
    Number,
    Slot,
    Sum,
    Tensor,
    Term,
    constant,
    magnitude,
    number,
    product,
)
from .costs import Costs

Key = tuple[Tensor, tuple[Slot, ...]]


def common_factors(body: Sum) -> list[Factor]:
    """The factors that all terms share, δ and factors that are summed over left alone."""
    hidden = {label for term in body.terms for label in term.summed}
    common: dict[Key, Number] | None = None
    for term in body.terms:
        powers = {
            (f.tensor, f.slots): f.power
            for f in term.factors
            if f.tensor is not DELTA and not hidden.intersection(f.labels)
        }
        if common is None:
            common = powers
        else:
            common = {
                key: min(p, powers[key], key=magnitude)
                for key, p in common.items()
                if key in powers and (p > 0) == (powers[key] > 0)
            }
    return [Factor(tensor, slots, p) for (tensor, slots), p in (common or {}).items()]


def divided(body: Sum, by: Sequence[Factor]) -> Sum:
    inverse = [Factor(f.tensor, f.slots, number(-f.power)) for f in by]
    return Sum(product(term.coefficient, [*term.factors, *inverse], term.summed) for term in body.terms)


def grouped(body: Sum, costs: Costs) -> tuple[Factor, Sum, Sum] | None:
    """The largest factor that several terms share, those terms, and the others."""
    carriers: dict[Key, list[Term]] = {}
    for term in body.terms:
        for factor in term.factors:
            free = factor.tensor is not DELTA and not set(term.summed).intersection(factor.labels)
            if free and any(True for _ in factor.labels):
                carriers.setdefault((factor.tensor, factor.slots), []).append(term)
    best: tuple[float, Factor, list[Term]] | None = None
    for (tensor, slots), terms in carriers.items():
        if len(terms) < 2:
            continue
        powers = [f.power for t in terms for f in t.factors if f.tensor is tensor and f.slots == slots]
        if min(powers) < 0 < max(powers):
            continue
        factor = Factor(tensor, slots, min(powers, key=magnitude))
        size = costs.volume(factor.labels)
        if best is None or size > best[0]:
            best = (size, factor, terms)
    if best is None:
        return None
    inside = [t for t in body.terms if t in best[2]]
    outside = [t for t in body.terms if t not in best[2]]
    return best[1], Sum(inside), Sum(outside)


def chosen(body: Sum) -> tuple[Factor, Sum, Sum] | None:
    """t, a and b where the sum is t a + (1 - t) b for a mask t, or t (a - b) + b, and none of the three is 0."""
    for mask in dict.fromkeys(f for term in body.terms for f in term.factors if f.power == 1 and is_mask(f.tensor)):
        (other,) = whole(add(constant(1), Sum((Term(-1, (mask,)),)))).terms
        ((complement,), sign) = other.factors, other.coefficient
        if any(set(term.summed).intersection(mask.labels) for term in body.terms):
            continue
        inside = [term for term in body.terms if mask in term.factors and complement not in term.factors]
        outside = [term for term in body.terms if complement in term.factors and mask not in term.factors]
        if inside and outside and len(inside) + len(outside) == len(body.terms):
            otherwise = [Term(number(sign * term.coefficient), *term[1:]) for term in outside]
            return mask, divided(Sum(inside), [mask]), divided(Sum(otherwise), [complement])
        if inside and not outside and len(inside) < len(body.terms):
            apart = [term for term in body.terms if term not in inside]
            together = Sum([*divided(Sum(inside), [mask]).terms, *apart])
            if together.terms and len(together.terms) < len(inside):
                return mask, together, Sum(apart)
    return None
