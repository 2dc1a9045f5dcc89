"""Common factors of the terms of a sum, taken out so that they are multiplied once."""

from __future__ import annotations

from collections.abc import Sequence

from ..terms import DELTA, Factor, Number, Slot, Sum, Tensor, Term, magnitude, number, product
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
            if factor.tensor is not DELTA and not term.summed and any(True for _ in factor.labels):
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
