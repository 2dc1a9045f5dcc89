"""Sums in products written out among the terms that stand beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..terms import Contraction, Factor, Index, Shared, Slot, Sum, Tensor, Term, product, scaled
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
