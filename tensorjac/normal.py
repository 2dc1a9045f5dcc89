"""One form for equal expressions: everything multiplied out and flattened, for ``==`` and for proofs.

The form is not for computing: products of sums are opened even where that costs digits or time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import isfinite

from .primitives import PRIMITIVES, Primitive
from .rewrites import add, apply, finished, multiply, power, reread, substitute, whole
from .terms import (
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
    constant,
    constant_slot,
    contraction,
    magnitude,
    number,
    of_factor,
    product,
    topological,
)

# An expression that multiplies out to more terms than this is left as it is.
LIMIT = 4000


class TooLarge(Exception):
    """The expression multiplies out to too many terms."""


def equal(first: Sequence[tuple[Sequence[Index], Sum]], second: Sequence[tuple[Sequence[Index], Sum]]) -> bool:
    """Whether expressions, given with their axes in order, are equal up to names of indices and order."""
    if [[axis.dim for axis in axes] for axes, _ in first] != [[axis.dim for axis in axes] for axes, _ in second]:
        return False
    placed_first = [_placed(axes, body) for axes, body in first]
    placed_second = [_placed(axes, body) for axes, body in second]
    if placed_first == placed_second:
        return True
    try:
        return all(
            not normal([add(a, multiply(constant(-1), b))])[0].terms
            for a, b in zip(placed_first, placed_second, strict=True)
        )
    except TooLarge:
        return False


def _placed(axes: Sequence[Index], body: Sum) -> Sum:
    """The expression over canonical axes; an axis of size 1 is read at 0, as one writes it where it was sliced."""
    return substitute(
        body, {axis: constant_slot(0) if axis.dim is ONE else Index.at(k, axis.dim) for k, axis in enumerate(axes)}
    )


def normal(bodies: Sequence[Sum]) -> list[Sum]:
    """The sums multiplied out, contractions flattened, arguments of primitives likewise."""
    opened: dict[Tensor, Sum] = {}
    for tensor in topological(t for body in bodies for t in body.tensors):
        opened[tensor] = _opened(tensor, opened)
    return [_opened_sum(body.terms, opened) for body in bodies]


def _opened(tensor: Tensor, opened: dict[Tensor, Sum]) -> Sum:
    axes = tensor.axes
    if isinstance(tensor, Contraction):
        return _opened_sum((tensor.term(axes),), opened)
    if isinstance(tensor, Shared):
        return _opened_sum(tensor.body.terms, opened)
    if isinstance(tensor, Apply):
        assert isinstance(tensor.operation, Primitive)
        args = [_opened_sum(arg.terms, opened) for arg in tensor.args]
        cores = tensor.cores if any(tensor.cores) else ()
        if tensor.operation.name == "exp":
            return _exponential(args[0])
        if tensor.operation.name == "sigmoid":
            return _sigmoid(args[0])
        return apply(tensor.operation, args, cores, axes[tensor.batch :], tensor.shape[tensor.batch :])
    return of_factor(tensor(*axes))


def _exponential(argument: Sum) -> Sum:
    """exp(2a - b) as exp(a)² exp(b)⁻¹."""
    parts = []
    for term in map(_exact, argument.terms):
        c = term.coefficient
        times = abs(c) if isinstance(c, int) else 1
        rest: Number = 1 if isinstance(c, int) else magnitude(c)
        base = apply(PRIMITIVES["exp"], (Sum((Term(rest, term.factors),)),))
        parts.append(power(base, times if c > 0 else -times))
    return multiply(*parts) if parts else constant(1)


def _sigmoid(argument: Sum) -> Sum:
    """σ(-u) as 1 - σ(u), so that only one of the two occurs."""
    lead = whole(argument)
    if lead.terms and lead.terms[0].coefficient < 0:
        mirrored = apply(PRIMITIVES["sigmoid"], (multiply(constant(-1), argument),))
        return add(constant(1), multiply(constant(-1), mirrored))
    return apply(PRIMITIVES["sigmoid"], (argument,))


def _opened_sum(terms: Iterable[Term], opened: dict[Tensor, Sum]) -> Sum:
    total: list[Term] = []
    for term in terms:
        total.extend(_opened_term(term, opened))
        if len(total) > LIMIT:
            raise TooLarge
    return Sum(_exact(term) for term in total)


def _exact(term: Term) -> Term:
    """Floats that are small binary fractions count as those, so that 0.5 x and x/2 are equal."""
    c = term.coefficient
    if isinstance(c, float) and isfinite(c) and c * 2**20 == int(c * 2**20):
        return Term(number(Fraction(c)), term.factors, term.summed)
    return term


def _opened_term(term: Term, opened: dict[Tensor, Sum]) -> list[Term]:
    """The term multiplied out: a list of products, unconnected sums closed into flat contractions."""
    products: list[tuple[Number, list[Factor], tuple[Index, ...]]] = [(term.coefficient, [], term.summed)]
    for factor in term.factors:
        if factor.tensor is DELTA:
            choices: list[tuple[Number, list[Factor], tuple[Index, ...]]] = [(1, [factor], ())]
        else:
            choices = _choices(factor, opened, bool(term.summed))
        products = [
            (number(c * d), [*have, *more], (*sums, *others))
            for c, have, sums in products
            for d, more, others in choices
        ]
        if len(products) > LIMIT:
            raise TooLarge
    result: list[Term] = []
    for c, factors, summed in products:
        result.extend(_flat(product(c, factors, summed)).terms)
    return result


def _choices(
    factor: Factor, opened: dict[Tensor, Sum], summed: bool
) -> list[tuple[Number, list[Factor], tuple[Index, ...]]]:
    """The products that a factor opens into; to a power that is not a small whole number it stays one factor."""
    tensor, slots, exponent = factor
    body = opened[tensor]
    mapping: dict[Index, Slot] = dict(zip(tensor.axes, slots, strict=True))
    if isinstance(exponent, int) and 1 <= exponent <= 4 and (exponent == 1 or len(body.terms) > 1 or summed):
        choices: list[tuple[Number, list[Factor], tuple[Index, ...]]] = [(1, [], ())]
        for _ in range(exponent):
            moved = body.substitute(mapping)
            ready = [_loosened(term) for term in moved.terms]
            choices = [
                (number(c * t.coefficient), [*have, *t.factors], (*sums, *t.summed))
                for c, have, sums in choices
                for t in ready
            ]
        return choices
    raised = power(body.substitute(mapping), exponent)
    return [(t.coefficient, list(t.factors), t.summed) for t in raised.terms]


def _loosened(term: Term) -> Term:
    """The term with its flat contractions opened, so that they can join the sum around it."""
    factors: list[Factor] = []
    summed = list(term.summed)
    for factor in term.factors:
        tensor, slots, exponent = factor
        if isinstance(tensor, Contraction) and isinstance(exponent, int) and 1 <= exponent <= 4:
            for _ in range(exponent):
                inner = tensor.term(slots)
                factors.extend(inner.factors)
                summed.extend(inner.summed)
        else:
            factors.append(factor)
    return product(term.coefficient, factors, tuple(summed))


def _flat(term: Term) -> Sum:
    """δ eliminated and unconnected sums closed; what the rewrites open again is opened here too."""
    zeros: dict[Index, Slot] = {index: constant_slot(0) for index in term.summed if index.dim is ONE}
    moved = product(term.coefficient, [f.substitute(zeros) for f in term.factors], term.summed)
    result = finished(reread(moved) if zeros else Sum((term,)))
    terms: list[Term] = []
    for piece in result.terms:
        if any(
            (isinstance(f.tensor, Shared) and f.power == 1)
            or (
                isinstance(f.tensor, Contraction)
                and any(isinstance(g.tensor, Contraction | Shared) and g.power == 1 for g in f.tensor.factors)
            )
            for f in piece.factors
        ):
            opened: dict[Tensor, Sum] = {}
            for tensor in topological(f.tensor for f in piece.factors):
                opened[tensor] = _opened(tensor, opened)
            terms.extend(_opened_term(piece, opened))
        else:
            terms.append(_reclosed(piece))
    return Sum(terms)


def _reclosed(term: Term) -> Term:
    """Powers of contractions as one factor each, the rest closed."""
    if not term.summed:
        return term
    return product(term.coefficient, [contraction(term.factors, term.summed)])
