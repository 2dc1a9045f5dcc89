"""Tensors divided by sums of themselves, E[ij] / z[i], that stand in several products: people give those one letter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction

from ..terms import (
    Apply,
    Contraction,
    Factor,
    Index,
    Number,
    Shared,
    Sum,
    Tensor,
    Term,
    number,
    product,
    shared,
)

HALF = Fraction(-1, 2)


def repeated_pairs(terms: Sequence[Term]) -> set[Tensor]:
    """The pairs that stand in the terms at least twice, none of which shares a factor with a better one."""
    halves = {f.tensor for term in terms for f in term.factors if f.power < 0 and not isinstance(f.power, int)}
    count: Counter[Tensor] = Counter()
    for term in terms:
        for pair, _, _, copies in _pairs(term, halves):
            count[pair.tensor] += copies
    found: set[Tensor] = set()
    taken: set[Tensor] = set()
    for tensor, copies in sorted(count.items(), key=lambda one: (-one[1], one[0].key)):
        if copies > 1 and taken.isdisjoint(tensor.parts):
            found.add(tensor)
            taken.add(_numerator(tensor))
    return found


def _numerator(pair: Tensor) -> Tensor:
    assert isinstance(pair, Shared)
    return next(factor.tensor for factor in pair.body.terms[0].factors if factor.power == 1)


def with_pairs(term: Term, pairs: Collection[Tensor]) -> Term:
    """The term with each of the pairs as one factor."""
    halves = {f.tensor for pair in pairs if isinstance(pair, Shared) for f in pair.body.terms[0].factors}
    halves = {tensor for tensor in halves if any(_has_half(pair, tensor) for pair in pairs)}
    again = True
    while again:
        again = False
        for pair, above, below, copies in _pairs(term, halves):
            if pair.tensor in pairs:
                less = [
                    Factor(above.tensor, above.slots, -copies),
                    Factor(below.tensor, below.slots, number(-below.power * copies)),
                ]
                more = Factor(pair.tensor, pair.slots, copies)
                term = product(term.coefficient, [*term.factors, *less, more], term.summed)
                again = True
                break
    return term


def _has_half(pair: Tensor, tensor: Tensor) -> bool:
    assert isinstance(pair, Shared)
    return any(f.tensor is tensor and f.power == HALF for f in pair.body.terms[0].factors)


def _pairs(term: Term, halves: Collection[Tensor]) -> Iterator[tuple[Factor, Factor, Factor, int]]:
    """Each pair in the term: itself, its two factors (the second to the power of one copy), and how many copies."""
    for above in term.factors:
        labels = _bare(above)
        if not labels or not isinstance(above.power, int) or above.power < 1 or len(labels) > 2:
            continue
        for below in term.factors:
            unit: Number = HALF if below.tensor in halves else -1
            copies = min(above.power, int(below.power / unit)) if below.power < 0 else 0
            inside = _bare(below)
            if copies < 1 or inside is None or not isinstance(below.tensor, Contraction | Shared | Apply):
                continue
            if set(inside) < set(labels) and _within(above.tensor, below.tensor):
                one = Factor(below.tensor, below.slots, unit)
                yield shared(Sum((product(1, (Factor(*above[:2], 1), one)),))), above, one, copies


def _within(part: Tensor, tensor: Tensor, levels: int = 4) -> bool:
    """Whether a tensor is made of another one, not many levels below."""
    return part in tensor.parts or (levels > 1 and any(_within(part, one, levels - 1) for one in tensor.parts))


def _bare(factor: Factor) -> Sequence[Index] | None:
    """The indices of a factor, if they are all different and nothing else."""
    labels = [slot for slot in factor.slots if isinstance(slot, Index)]
    return labels if len(set(labels)) == len(factor.slots) else None
