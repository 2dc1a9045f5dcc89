"""Sums whose sign is turned where two axes change places: of x[i] - x[j] and x[j] - x[i], one is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..terms import Factor, Index, Slot, Term, contraction, factor_key, product
from ..terms.indices import substitute_slot
from ..terms.labelling import Piece, canonical_order, images


def upright(term: Term) -> Term:
    """The term with the axes of such sums in the order of the indices there; 0 where both orders are as good.

    Σ_j (x[j] - x[i]) y[j] is -Σ_j (x[i] - x[j]) y[j], and Σ_ij (x[i] - x[j]) y[i] y[j] is 0.
    """
    if not any(map(_turns, term.factors)):
        return term
    blind = [Factor(f.tensor, f.slots, 2 * f.power) if _turns(f) else f for f in term.factors]
    roles = {index: k for k, index in enumerate(sorted(term.free, key=lambda index: index.number))}
    roles.update(dict.fromkeys(term.summed, len(roles)))
    order, renamings = canonical_order([Piece("", product(1, blind).factors)], roles)
    ways = [_in_order(term, one) for one in images(order, renamings)]
    keys = [reading(way) for way in ways]
    best = [way for way, found in zip(ways, keys, strict=True) if found == min(keys)]
    return best[0] if len({way.coefficient for way in best}) == 1 else Term(0, ())


def _turns(factor: Factor) -> bool:
    return bool(factor.tensor.antisymmetries) and isinstance(factor.power, int) and factor.power % 2 == 1


def _in_order(term: Term, order: Sequence[Index]) -> Term:
    mapping: dict[Index, Slot] = {index: Index.at(k, index.dim) for k, index in enumerate(order)}
    coefficient, factors = term.coefficient, list(term.factors)
    for k, factor in enumerate(term.factors):
        if _turns(factor):
            turned = [tuple(factor.slots[p] for p in swap) for swap in factor.tensor.antisymmetries]
            first = min(turned, key=lambda slots: _places(slots, mapping))
            if _places(first, mapping) < _places(factor.slots, mapping):
                coefficient = -coefficient
                factors[k] = Factor(factor.tensor, first, factor.power)
    return product(coefficient, factors, term.summed)


def _places(slots: Sequence[Slot], mapping: Mapping[Index, Slot]) -> list[tuple[str, tuple[int, ...]]]:
    return [substitute_slot(slot, mapping).key for slot in slots]


def reading(term: Term) -> tuple[object, ...]:
    """What tells a product from others, whatever its indices are called.

    What is in it decides before how it is read, so that f[i] f[j] is found, which is symmetric, and not f[i] g[j] for
    a g that is f read otherwise; and of the ways to read the same, what is most symmetric comes first.
    """
    closed = contraction(term.factors, term.summed)
    return [factor.tensor.key for factor in term.factors], -len(closed.tensor.symmetries), factor_key(closed)
