"""The products that an expression consists of: contractions opened, what sums have in common taken out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from .. import rewrites
from ..terms import (
    Apply,
    Contraction,
    Factor,
    Number,
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    Term,
    contraction,
    number,
    product,
)
from .pairs import with_pairs

# No product is opened beyond this many factors.
LONGEST = 24


class Opening:
    """Opens contractions, but for those that are ``named``; ``pairs`` are written as one factor."""

    def __init__(self, named: Collection[Tensor], pairs: Collection[Tensor]) -> None:
        self.named = named
        self.pairs = frozenset(pairs)
        self.joint: dict[Sum, Sequence[Term]] = {}

    def products(self, bodies: Iterable[Sum]) -> list[Term]:
        """The products of factors that the outputs consist of, each once."""
        waiting = list(bodies)
        done: set[Tensor] = set()
        found: list[Term] = []
        while waiting:
            opened = [self.opened(term) for term in self.terms(waiting.pop())]
            found += opened
            for tensor in (factor.tensor for term in opened for factor in term.factors):
                if tensor not in done:
                    done.add(tensor)
                    waiting += inside(tensor)
        return found

    def terms(self, body: Sum) -> Sequence[Term]:
        """The terms, or the product of what they have in common and the rest."""
        if len(body.terms) < 2:
            return body.terms
        found = self.joint.get(body)
        if found is None:
            lifted = Sum(map(self._lifted, body.terms))
            roots = _common_roots(lifted)
            inverse = [root._replace(power=-root.power) for root in roots]
            rest = Sum(product(c, [*factors, *inverse]) for c, factors, _ in lifted.terms)
            (joint,) = rewrites.whole(rest).terms
            joint = product(joint.coefficient, [*joint.factors, *roots])
            found = (joint,) if len(joint.factors) > 1 or abs(joint.coefficient) != 1 else body.terms
            self.joint[body] = found
        return found

    def _lifted(self, term: Term) -> Term:
        """The term with what its sum does not touch beside it."""
        opened = self.opened(term)
        hidden = set(opened.summed)
        free = [factor for factor in opened.factors if hidden.isdisjoint(factor.labels)]
        rest = [factor for factor in opened.factors if factor not in free]
        used = {label for factor in rest for label in factor.labels}
        free += [Size(label.dim)() for label in opened.summed if label not in used]
        summed = [label for label in opened.summed if label in used]
        return product(opened.coefficient, [*free, contraction(rest, summed)] if rest else free)

    def product_of(self, tensor: Tensor, slots: Sequence[Slot] | None = None) -> Term | None:
        """The product that a tensor is, read at these slots."""
        slots = tensor.axes if slots is None else slots
        if isinstance(tensor, Contraction):
            return tensor.term(slots)
        if isinstance(tensor, Shared):
            terms = self.terms(tensor.body)
            return terms[0].substitute(dict(zip(tensor.axes, slots, strict=True))) if len(terms) == 1 else None
        return None

    def opened(self, term: Term, within: Tensor | None = None) -> Term:
        """The term with the contractions in it opened, but for those that have names; pairs that have one as one."""
        factors: list[Factor] = []
        summed = list(term.summed)
        waiting = list(reversed(term.factors))
        coefficient = term.coefficient
        while waiting:
            factor = waiting.pop()
            tensor = factor.tensor
            closed = tensor in self.named or factor.power != 1 or len(factors) + len(waiting) > LONGEST
            inner = None if closed else self.product_of(tensor, factor.slots)
            if inner is None:
                factors.append(factor)
            else:
                coefficient = number(coefficient * inner.coefficient)
                waiting.extend(inner.factors)
                summed.extend(inner.summed)
        opened = product(coefficient, factors, tuple(summed))
        return with_pairs(opened, self.pairs - {within}) if self.pairs else opened


def inside(tensor: Tensor) -> Sequence[Sum]:
    """The expressions that a tensor is made of."""
    if isinstance(tensor, Contraction):
        return (Sum((Term(1, tensor.factors, tensor.summed),)),)
    if isinstance(tensor, Shared):
        return (tensor.body,)
    return tensor.args if isinstance(tensor, Apply) else ()


def _common_roots(body: Sum) -> list[Factor]:
    """√n where all terms have odd powers of it: √n a - b/√n is √n (a - b/n)."""
    powers: dict[Tensor, list[Number]] = {}
    for term in body.terms:
        for factor in term.factors:
            if isinstance(factor.tensor, Size) and not isinstance(factor.power, int):
                powers.setdefault(factor.tensor, []).append(factor.power)
    return [tensor(power=max(found)) for tensor, found in powers.items() if len(found) == len(body.terms)]
