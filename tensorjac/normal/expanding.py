"""Products of sums multiplied out, contractions flattened, arguments of functions likewise."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, prod

from ..primitives import Primitive
from ..rewrites import apply, elsewhere, finished, multiply, pushed, reread, whole
from ..terms import (
    DELTA,
    ONE,
    Apply,
    Contraction,
    Factor,
    Index,
    Number,
    Shared,
    Slot,
    Sum,
    Tensor,
    Term,
    constant_slot,
    nested,
    number,
    of_factor,
    product,
    topological,
)
from .functions import added, by_fewer, exact, of_step, root, unsigned, without_multiple
from .matrices import by_parts
from .offsets import plainest
from .orders import Forward
from .signs import upright

# An expression that multiplies out to more terms than this is left as it is.
LIMIT = 4000
# Nor are more factors than this brought into order, all terms together: it takes seconds.
FACTORS = 6000
# Nor is what the rewrites close again and again opened more often.
AGAIN = 6
# To a higher power, a sum is one factor.
POWER = 4


class TooLarge(Exception):
    """The expression multiplies out to too many terms."""


# A product: its coefficient, its factors, and what is summed.
Opened = tuple[Number, list[Factor], tuple[Index, ...]]


class Normal:
    """The normal forms of tensors found so far; sums in products are multiplied out only if ``opening``.

    What stands beside a δ is written in the plainest of several ways only if ``plain``: neither finds all.
    """

    def __init__(self, opening: bool, plain: bool, forward: Forward | None = None) -> None:
        self.opening = opening
        self.plain = plain
        self.forward = Forward(self._pushed, plain, forward)
        self.left = FACTORS if opening else inf
        self.known: dict[Tensor, Sum] = {}
        # what normal forms are made of
        self.settled: set[Tensor] = set()
        self.again = 0

    def of(self, body: Sum) -> Sum:
        self._prepare(body.tensors)
        return self._sum(body.terms)

    def _prepare(self, tensors: Iterable[Tensor]) -> None:
        for tensor in topological(tensors):
            if tensor not in self.known:
                self.known[tensor] = found = self._tensor(tensor)
                self.settled.update(part for term in found.terms for part in _read_by(term))

    def _tensor(self, tensor: Tensor) -> Sum:
        axes = tensor.axes
        if isinstance(tensor, Contraction):
            return self._sum((tensor.term(axes),))
        if isinstance(tensor, Shared):
            body = self._sum(tensor.body.terms)
            return body if self.opening else whole(body)
        if isinstance(tensor, Apply):
            assert isinstance(tensor.operation, Primitive)
            args = [self._sum(arg.terms) for arg in tensor.args]
            cores = tensor.cores if any(tensor.cores) else ()
            simpler = by_fewer(tensor.operation, args)
            if simpler is not None:
                simpler = self.of(simpler) if self._opens_any(simpler) else simpler
                return simpler if self.opening else whole(simpler)
            own = axes[tensor.batch :]
            simpler = by_parts(tensor.operation, args[0], tensor.cores[0], own) if len(args) == 1 else None
            simpler = of_step(tensor.operation, args[0]) if simpler is None else simpler
            if simpler is not None:
                return self.of(simpler) if self.opening else whole(self.of(simpler))
            outside = without_multiple(tensor.operation, args[0], tensor.cores[0])
            if outside is not None:
                args = [outside[1]]
            applied = apply(tensor.operation, args, cores, own, tensor.shape[tensor.batch :])
            return applied if outside is None else multiply(outside[0], applied)
        return of_factor(tensor(*axes))

    def _sum(self, terms: Iterable[Term]) -> Sum:
        total: list[Term] = []
        for term in terms:
            total.extend(self._term(term))
            if len(total) > LIMIT:
                raise TooLarge
        return added([exact(term) for term in total])

    def _term(self, term: Term) -> list[Term]:
        """The term multiplied out: a list of products, unconnected sums closed into flat contractions."""
        products: list[Opened] = [(term.coefficient, [], term.summed)]
        for factor in term.factors:
            choices: list[Opened] = [(1, [factor], ())]
            if factor.tensor is not DELTA:
                choices = self._choices(factor, bool(term.summed))
            products = [
                (number(c * d), [*have, *more], (*sums, *others))
                for c, have, sums in products
                for d, more, others in choices
            ]
            if len(products) > LIMIT:
                raise TooLarge
        result: list[Term] = []
        for c, factors, summed in products:
            joined = product(c, factors, summed)
            simpler = unsigned(joined)
            if simpler is None:
                result.extend(self._flat(joined))
            else:
                self._prepare(factor.tensor for factor in simpler.factors)
                result.extend(self._term(simpler))
        return result

    def _choices(self, factor: Factor, summed: bool) -> list[Opened]:
        """The products that a factor opens into; to a power that is not a small whole number it stays one factor."""
        exponent = factor.power
        body = self._read(factor)
        if isinstance(exponent, int) and 1 <= exponent <= POWER and (exponent == 1 or len(body.terms) > 1 or summed):
            choices: list[Opened] = [(1, [], ())]
            for _ in range(exponent):
                ready = [one for term in body.terms for one in self._in_place(loosened(term))]
                choices = [
                    (number(c * t.coefficient), [*have, *t.factors], (*sums, *t.summed))
                    for c, have, sums in choices
                    for t in ready
                ]
            return choices
        raised = root(body, exponent)
        return [(t.coefficient, list(t.factors), t.summed) for t in raised.terms]

    def _read(self, factor: Factor) -> Sum:
        """The normal form of what is read, computed of what is there: exp(x)[i+k] is exp(x[i+k])."""
        tensor, slots, exponent = factor
        if elsewhere(factor) and not (isinstance(tensor, Contraction) and exponent == 1):
            return self._pushed(factor)
        return self.known[tensor].substitute(dict(zip(tensor.axes, slots, strict=True)))

    def _pushed(self, factor: Factor) -> Sum:
        """The normal form of a computed tensor at these slots, its power left out."""
        return self.of(pushed(Factor(factor.tensor, factor.slots, 1)))

    def _in_place(self, term: Term) -> list[Term]:
        """The same for all that a term reads, its contractions opened."""
        if not any(isinstance(factor.tensor, Apply | Shared) and elsewhere(factor) for factor in term.factors):
            return [term]
        self._prepare(factor.tensor for factor in term.factors)
        return [loosened(one) for one in self._term(term)]

    def _flat(self, term: Term) -> list[Term]:
        """δ eliminated and unconnected sums closed; what the rewrites open again, or read elsewhere, is done again."""
        self.left -= len(term.factors)
        if self.left < 0:
            raise TooLarge
        zeros: dict[Index, Slot] = {index: constant_slot(0) for index in term.summed if index.dim is ONE}
        moved = product(term.coefficient, [f.substitute(zeros) for f in term.factors], term.summed)
        result = finished(reread(moved) if zeros else Sum((term,)))
        held = {factor.tensor for factor in term.factors}
        terms: list[Term] = []
        for piece in result.terms:
            made = any(isinstance(t, Apply) and t not in held and t not in self.settled for t in _read_by(piece))
            if (made or self._opens_any(Sum((piece,)))) and self.again < AGAIN:
                terms.extend(self._once_more(piece))
            else:
                terms.extend(self._closed(piece))
        return terms

    def _once_more(self, term: Term) -> list[Term]:
        self.again += 1
        try:
            self._prepare(factor.tensor for factor in term.factors)
            return self._term(term)
        finally:
            self.again -= 1

    def _closed(self, term: Term) -> list[Term]:
        """What is still summed closed, and running forward; where this changes what is summed, that in normal form."""
        closed = nested(term)
        turned = self._turned(closed)
        held = {part for factor in closed.factors for part in factor.tensor.parts}
        changed = any(not held.issuperset(factor.tensor.parts) for factor in turned.factors)
        return self._once_more(turned) if changed and self.again < AGAIN else [turned]

    def _turned(self, term: Term) -> Term:
        """A term that sums nothing itself, with its contractions running forward, and what they turn in sign."""
        parts = [self._forward(factor) for factor in (plainest(term, self._pushed) if self.plain else term).factors]
        coefficient = number(prod((part.coefficient for part in parts), start=term.coefficient))
        return upright(product(coefficient, [factor for part in parts for factor in part.factors]))

    def _forward(self, factor: Factor) -> Term:
        tensor, slots, exponent = factor
        if isinstance(tensor, Contraction):
            one = self.forward.of(tensor).substitute(dict(zip(tensor.axes, slots, strict=True)))
            # a root of what is turned in sign has no value to stand alone
            if one.coefficient == 1 or (isinstance(exponent, int) and exponent > 0):
                sign = 1 if one.coefficient == 1 else one.coefficient**exponent
                return Term(sign, tuple(Factor(f.tensor, f.slots, exponent) for f in one.factors))
        return Term(1, (factor,))

    def _opens_any(self, body: Sum) -> bool:
        return any(self._opens(factor) for term in body.terms for factor in term.factors)

    def _opens(self, factor: Factor) -> bool:
        """Whether a factor that the rewrites have left is not in normal form."""
        tensor, _, exponent = factor
        if isinstance(tensor, Shared):
            return self.opening and exponent == 1
        kinds = Contraction | Shared if self.opening else Contraction
        return isinstance(tensor, Contraction) and any(
            isinstance(f.tensor, kinds) and f.power == 1 for f in tensor.factors
        )


def _read_by(term: Term) -> set[Tensor]:
    """The tensors of a term, its contractions opened."""
    return {
        part
        for factor in term.factors
        for part in (factor.tensor.parts if isinstance(factor.tensor, Contraction) else (factor.tensor,))
    }


def opens(factor: Factor) -> bool:
    """Whether a factor is a sum that can be multiplied out."""
    return isinstance(factor.tensor, Shared) and isinstance(factor.power, int) and 1 <= factor.power <= POWER


def loosened(term: Term) -> Term:
    """The term with its flat contractions opened, so that they can join the sum around it."""
    factors: list[Factor] = []
    summed = list(term.summed)
    for factor in term.factors:
        tensor, slots, exponent = factor
        if isinstance(tensor, Contraction) and isinstance(exponent, int) and 1 <= exponent <= POWER:
            for _ in range(exponent):
                inner = tensor.term(slots)
                factors.extend(inner.factors)
                summed.extend(inner.summed)
        else:
            factors.append(factor)
    return product(term.coefficient, factors, tuple(summed))
