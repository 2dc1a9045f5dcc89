"""Sums in products written out among the terms that stand beside them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import combinations

from ..terms import DELTA, Contraction, Factor, Index, Shared, Slot, Sum, Tensor, Term, product, scaled, shared
from .bodies import Bodies
from .choices import Choice, Choices


def multiplied_out(bodies: Bodies, choices: Choices) -> Bodies:
    """a (b + c) + d becomes a b + a c + d, where b + c stands nowhere else or a term merges with another: what all
    terms have in common, and what is computed anyway, may be another factor than a.

    A difference of arguments stays as it is: it is exact where they are nearly equal, and that of their products is
    not.
    """
    uses = bodies.uses()
    inner = dict(bodies.inner)

    def written(body: Sum) -> Sum:
        if len(body.terms) < 2:
            return body
        pieces = [_opened(term, body.terms, inner, uses) for term in body.terms]
        if all(len(each) == 1 for each in pieces) or not choices.takes(Choice.MULTIPLIED_OUT):
            return body
        return Sum(piece for each in pieces for piece in each)

    # what sums consist of comes first, and so is written out already where they are
    for tensor in bodies.inner:
        inner[tensor] = [written(body) for body in inner[tensor]]
    return Bodies([written(root) for root in bodies.roots], inner).pruned()


def distributed(bodies: Bodies, choices: Choices) -> Bodies:
    """a (b c + d) becomes (a b) c + a d, where a b is computed anyway and b c + d stands nowhere else."""
    uses = bodies.uses()
    made = {tensor for tensor, group in bodies.inner.items() if _is_pair(tensor, group)}

    def written(body: Sum) -> Sum:
        if len(body.terms) != 1 or body.terms[0].summed:
            return body
        (term,) = body.terms
        apart = [factor for factor in term.factors if factor.tensor in made and uses[factor.tensor] == 1]
        for factor in apart:
            (term,) = _pieces(term, factor, bodies.inner)
        others = made.difference(factor.tensor for factor in apart)
        for factor in term.factors:
            if _is_sum(factor) and uses[factor.tensor] == 1:
                pieces = _pieces(term, factor, bodies.inner)
                paired = [_with_pair(piece, others) for piece in pieces]
                if paired != pieces and choices.takes(Choice.DISTRIBUTED):
                    return Sum(paired)
        return body

    return bodies.mapped(written).pruned()


def _is_pair(tensor: Tensor, group: Sequence[Sum]) -> bool:
    """Whether a tensor is a product of two others, made an array of its own because several products have it."""
    if not isinstance(tensor, Shared) or len(group[0].terms) != 1:
        return False
    (term,) = group[0].terms
    return len(term.factors) == 2 and not term.summed and all(factor.power == 1 for factor in term.factors)


def _with_pair(term: Term, made: Container[Tensor]) -> Term:
    """The term with two factors as the array that their product is anyway, where there is one."""
    for a, b in combinations(term.factors, 2):
        if a.power == b.power == 1 and DELTA not in (a.tensor, b.tensor):
            pair = shared(Sum((product(1, (a, b)),)))
            if pair.tensor in made:
                rest = [factor for factor in term.factors if factor not in (a, b)]
                return product(term.coefficient, [*rest, pair], term.summed)
    return term


def _opened(
    term: Term, beside: Iterable[Term], inner: Mapping[Tensor, Sequence[Sum]], uses: Mapping[Tensor, int]
) -> Sequence[Term]:
    """The products of which a term consists when a sum among its factors is written out; itself where none is."""
    sums = [factor for factor in term.factors if _is_sum(factor)]
    alone = [factor for factor in sums if uses[factor.tensor] == 1]
    if not term.summed and len(alone) == 1:
        return _pieces(term, alone[0], inner)
    for factor in () if term.summed else sums:
        pieces = _pieces(term, factor, inner)
        if any(piece.factors == other.factors for piece in pieces for other in beside):
            return pieces
    return (term,)


def _is_sum(factor: Factor) -> bool:
    """Whether a factor is a sum of which at most one term is not rounded already."""
    if not isinstance(factor.tensor, Shared) or factor.power != 1 or len(factor.tensor.body.terms) < 2:
        return False
    return sum(map(may_be_exact, factor.tensor.body.terms)) < 2


def may_be_exact(term: Term) -> bool:
    """Whether a term is a number, an argument, or a function, which may be one that picks entries."""
    alone = len(term.factors) < 2 and all(factor.power == 1 for factor in term.factors)
    return alone and not any(isinstance(factor.tensor, Contraction | Shared) for factor in term.factors)


def _pieces(term: Term, factor: Factor, inner: Mapping[Tensor, Sequence[Sum]]) -> Sequence[Term]:
    rest = [other for other in term.factors if other is not factor]
    axes: dict[Index, Slot] = dict(zip(factor.tensor.axes, factor.slots, strict=True))
    (body,) = inner[factor.tensor]
    pieces = []
    for each in body.terms:
        moved = each.substitute(axes)
        coefficient = scaled(term.coefficient, moved.coefficient)
        if coefficient is None:
            return (term,)
        pieces.append(product(coefficient, [*rest, *moved.factors], moved.summed))
    return pieces
