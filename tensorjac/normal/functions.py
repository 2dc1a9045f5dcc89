"""Functions written with fewer functions, so that log(1 + exp(x)) and logaddexp(x, 0) are one expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import isfinite

from ..primitives import PRIMITIVES, Primitive
from ..rewrites import add, apply, multiply, power, whole
from ..rewrites.patterns import arguments_of, is_applied
from ..terms import (
    DELTA,
    Apply,
    Factor,
    Index,
    Number,
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    Term,
    constant,
    magnitude,
    number,
    of_factor,
    product,
)
from ..terms import apply as unsimplified

MINUS = constant(-1)
ROUNDING = 1e-13  # of a float that is a product or a sum of others, relative to it


def _called(name: str, *args: Sum) -> Sum:
    return apply(PRIMITIVES[name], args)


def exponential(argument: Sum) -> Sum:
    """exp(2a - b) as exp(a)² exp(b)⁻¹."""
    parts = []
    for term in map(exact, argument.terms):
        c = term.coefficient
        times = abs(c) if isinstance(c, int) else 1
        rest: Number = 1 if isinstance(c, int) else magnitude(c)
        base = _called("exp", Sum((Term(rest, term.factors),)))
        parts.append(power(base, times if c > 0 else -times))
    return multiply(*parts) if parts else constant(1)


PRIMES = (2, 3, 5, 7, 11, 13)  # of numbers under a root, multiples of powers of these are written before it


def root(base: Sum, exponent: Number) -> Sum:
    """A power, with what has a rational root taken out: sqrt(8 x) as 2 sqrt(2 x), and sqrt(x/2) as sqrt(2 x)/2."""
    raised = power(base, exponent)
    if not isinstance(exponent, Fraction) or len(raised.terms) != 1:
        return raised
    (term,) = whole(base).terms
    if isinstance(term.coefficient, float):
        return raised
    outside = _rational_root(Fraction(magnitude(term.coefficient)), exponent.denominator)
    if outside == 1:
        return raised
    inside = Sum((Term(number(term.coefficient / outside**exponent.denominator), term.factors),))
    return multiply(constant(number(outside**exponent.numerator)), power(inside, exponent))


def _rational_root(value: Fraction, degree: int) -> Fraction:
    """The largest number of which a power of this degree divides a rational number to a whole one."""
    found = Fraction(1, value.denominator)
    left = value / found**degree
    for prime in PRIMES:
        while left.numerator % prime**degree == 0:
            left /= prime**degree
            found *= prime
    return found


def _sigmoid(argument: Sum) -> Sum:
    """σ(-u) as 1 - σ(u), so that only one of the two occurs."""
    lead = whole(argument)
    if lead.terms and lead.terms[0].coefficient < 0:
        mirrored = _called("sigmoid", multiply(MINUS, argument))
        return add(constant(1), multiply(MINUS, mirrored))
    return _called("sigmoid", argument)


def _logarithm(argument: Sum) -> Sum:
    """log(exp(a) + exp(-b)) as log(exp(a) exp(b) + 1) - b, and log(σ(u) z²) as 2 log(z) - log(1 + exp(-u))."""
    outside, inside = _cleared(argument)
    lead = whole(inside)
    if not lead.terms:
        return _called("log", argument)
    (term,) = lead.terms
    factors = [*outside, *term.factors]
    if term.coefficient <= 0 or any(factor.tensor.sign != 2 for factor in factors):
        return _called("log", argument)
    parts = [multiply(constant(factor.power), _lone_logarithm(factor)) for factor in factors]
    return add(_constant_logarithm(term.coefficient), *parts)


def _constant_logarithm(value: Number) -> Sum:
    """The logarithm of a number, kept as such: as a float it would round in each order of summation differently."""
    if value == 1 or isinstance(value, float):
        return _called("log", constant(value))
    return of_factor(unsimplified(PRIMITIVES["log"], [constant(value)], [()]))


def _lone_logarithm(factor: Factor) -> Sum:
    """The logarithm of a factor without its power."""
    if is_applied(factor.tensor, "sigmoid"):
        return multiply(MINUS, _logarithm(add(constant(1), exponential(multiply(MINUS, *arguments_of(factor))))))
    return _called("log", of_factor(Factor(factor.tensor, factor.slots, 1)))


def _cleared(body: Sum) -> tuple[list[Factor], Sum]:
    """exp(a) + exp(-b) as the factor exp(b)⁻¹ and the sum exp(a) exp(b) + 1: no exponential divides."""
    lowest: dict[tuple[Tensor, tuple[Slot, ...]], int] = {}
    for term in body.terms:
        for tensor, slots, exponent in term.factors:
            if is_applied(tensor, "exp") and isinstance(exponent, int) and exponent < 0:
                lowest[tensor, slots] = min(lowest.get((tensor, slots), 0), exponent)
    outside = [Factor(tensor, slots, exponent) for (tensor, slots), exponent in lowest.items()]
    inverse = [Factor(tensor, slots, -exponent) for tensor, slots, exponent in outside]
    return outside, Sum(product(term.coefficient, [*term.factors, *inverse], term.summed) for term in body.terms)


def _by_factors(name: str, argument: Sum) -> Sum:
    """|-2xy| as 2|x||y|, and so for sign."""
    lead = whole(argument)
    if not lead.terms:
        return lead
    (term,) = lead.terms
    size = magnitude(term.coefficient)
    scale: Number = size if name == "abs" else 1
    if name == "sign" and term.coefficient < 0:
        scale = -1
    parts = [constant(scale)]
    for tensor, slots, exponent in term.factors:
        factor = Factor(tensor, slots, 1)
        base = of_factor(factor)
        if tensor is DELTA or (name == "abs" and factor.sign):
            parts.append(power(base, exponent))
        elif factor.sign == 2:
            continue
        elif not isinstance(exponent, int):
            parts.append(_called(name, of_factor(Factor(tensor, slots, exponent))))
        elif name == "abs" and exponent % 2 == 0:
            parts.append(power(base, exponent))
        else:
            parts.append(power(_called(name, base), exponent if name == "abs" else magnitude(exponent)))
    return multiply(*parts)


FEWER: dict[str, Callable[..., Sum]] = {
    "exp": exponential,
    "expm1": lambda x: add(exponential(x), MINUS),
    "log": _logarithm,
    "log1p": lambda x: _logarithm(add(constant(1), x)),
    "log2": lambda x: multiply(constant(1.4426950408889634), _logarithm(x)),
    "log10": lambda x: multiply(constant(0.4342944819032518), _logarithm(x)),
    "logaddexp": lambda x, y: _logarithm(add(exponential(x), exponential(y))),
    "softplus": lambda x: _logarithm(add(constant(1), exponential(x))),
    "sigmoid": _sigmoid,
    "cosh": lambda x: multiply(constant(Fraction(1, 2)), add(exponential(x), exponential(multiply(MINUS, x)))),
    "sinh": lambda x: multiply(
        constant(Fraction(1, 2)), add(exponential(x), multiply(MINUS, exponential(multiply(MINUS, x))))
    ),
    "minimum": lambda x, y: multiply(MINUS, _called("maximum", multiply(MINUS, x), multiply(MINUS, y))),
    "abs": lambda x: _by_factors("abs", x),
    "sign": lambda x: _by_factors("sign", x),
}


def by_fewer(primitive: Primitive, args: list[Sum]) -> Sum | None:
    """The function of these arguments by fewer functions, where it is one that has such a form."""
    rule = FEWER.get(primitive.name)
    return None if rule is None else rule(*args)


def without_multiple(primitive: Primitive, arg: Sum, core: Sequence[Index]) -> tuple[Sum, Sum] | None:
    """1/c and X for inv(c X), where c does not depend on the axes of the matrix; None where there is none."""
    lead = whole(arg)
    if primitive.name != "inv" or len(lead.terms) != 1:
        return None
    (term,) = lead.terms
    inside = [f for f in term.factors if f.tensor is DELTA or not set(core).isdisjoint(f.labels)]
    outside = product(term.coefficient, [f for f in term.factors if f not in inside])
    if not inside or (outside.coefficient == 1 and not outside.factors):
        return None
    return power(Sum((outside,)), -1), Sum((product(1, inside),))


def of_step(primitive: Primitive, arg: Sum) -> Sum | None:
    """heaviside of a sum, by that of the sum without what it is multiplied by: a number, sizes; None for others."""
    if primitive.name != "heaviside" or len(arg.terms) < 2:
        return None
    (term,) = whole(arg).terms
    others = [f for f in term.factors if not isinstance(f.tensor, Size) or f.tensor.dim.name is None]
    if len(others) != 1 or others[0].power != 1 or not isinstance(others[0].tensor, Shared):
        return None
    body = others[0].tensor.expression(others[0].slots)
    size = _largest_float(body)
    if size == 1 and term == product(1, others):
        return None
    step = apply(primitive, (Sum(Term(number(t.coefficient / size), t.factors) for t in body.terms),))
    return step if term.coefficient > 0 else add(constant(1), multiply(MINUS, step))


def _largest_float(body: Sum) -> Number:
    """The largest coefficient, by which a sum of floats is divided: others have no greatest common divisor."""
    sizes = [magnitude(term.coefficient) for term in body.terms]
    return max(sizes) if any(isinstance(size, float) for size in sizes) else 1


def _sigmoid_by_exponentials(argument: Sum) -> Sum:
    return power(add(constant(1), exponential(multiply(MINUS, argument))), -1)


# Quotients and squares of other functions: these are written so where nothing else shows two expressions to be equal.
OTHERS: dict[str, tuple[int, Callable[[Sum], Sum]]] = {
    "sigmoid": (1, _sigmoid_by_exponentials),
    "tanh": (
        1,
        lambda x: add(multiply(constant(2), _sigmoid_by_exponentials(multiply(constant(2), x))), MINUS),
    ),
    "tan": (1, lambda x: multiply(_called("sin", x), power(_called("cos", x), -1))),
    "sin": (2, lambda x: add(constant(1), multiply(MINUS, power(_called("cos", x), 2)))),
}


def by_others(term: Term) -> list[Term]:
    """The terms of a product with its functions written by others: tanh and tan as quotients, sin² as 1 - cos²."""
    products = [Term(term.coefficient, (), term.summed)]
    for factor in term.factors:
        tensor, slots, exponent = factor
        step, rule = OTHERS.get(tensor.operation.name, (0, None)) if isinstance(tensor, Apply) else (0, None)
        if rule is None or not isinstance(exponent, int) or abs(exponent) < step:
            replaced = Sum((product(1, (factor,)),))
        else:
            assert isinstance(tensor, Apply)
            times, left = divmod(abs(exponent), step)
            sign = 1 if exponent > 0 else -1
            rest = Sum((product(1, (Factor(tensor, slots, sign * left),)),))
            replaced = multiply(rest, power(rule(*tensor.arguments(slots)), sign * times))
        products = [
            product(have.coefficient * one.coefficient, [*have.factors, *one.factors], have.summed)
            for have in products
            for one in replaced.terms
        ]
    return products


def unsigned(term: Term) -> Term | None:
    """The term with |x|² as x², sign(x)³ as sign(x), and x sign(x) as |x|; None where there is nothing of the kind."""
    held = {(tensor, slots): exponent for tensor, slots, exponent in term.factors}
    for tensor, slots, exponent in term.factors:
        if not isinstance(tensor, Apply) or not isinstance(exponent, int) or exponent < 1:
            continue
        more: list[Factor] = []
        if tensor.operation.name == "abs" and exponent > 1:
            even = exponent - exponent % 2
            more = [Factor(tensor, slots, -even), *(Factor(f.tensor, f.slots, even) for f in _argument(tensor, slots))]
        elif tensor.operation.name == "sign" and exponent > 2:
            more = [Factor(tensor, slots, -2)]
        elif tensor.operation.name == "sign":
            (inner,) = _argument(tensor, slots)
            (size,) = _called("abs", of_factor(inner)).terms[0].factors
            if held.get((size.tensor, size.slots), 0) == 1:
                more = [Factor(tensor, slots, -1), Factor(size.tensor, size.slots, -1), inner]
            elif held.get((inner.tensor, inner.slots), 0) >= 1 and inner.power == 1:
                more = [Factor(tensor, slots, -1), Factor(inner.tensor, inner.slots, -1), size]
        if more:
            return product(term.coefficient, [*term.factors, *more], term.summed)
    return None


def _argument(tensor: Apply, slots: Sequence[Slot]) -> tuple[Factor, ...]:
    """The factor whose absolute value or sign is taken: of a product, each factor has its own."""
    (argument,) = tensor.arguments(slots)
    return argument.terms[0].factors


def exact(term: Term) -> Term:
    """Floats that are small binary fractions count as those, so that 0.5 x and x/2 are equal."""
    c = term.coefficient
    if isinstance(c, float) and isfinite(c) and (c * 2**20).is_integer():
        return Term(number(Fraction(c)), term.factors, term.summed)
    return term


def added(terms: Sequence[Term]) -> Sum:
    """The sum of terms, without what is left of floats that cancel but for rounding."""
    total = Sum(terms)
    largest: dict[tuple[object, ...], Number] = {}
    for term in terms:
        if isinstance(term.coefficient, float):
            like = (term.factors, term.summed)
            largest[like] = max(largest.get(like, 0), magnitude(term.coefficient))
    if not largest:
        return total
    least = {like: ROUNDING * size for like, size in largest.items()}
    return Sum(t for t in total.terms if magnitude(t.coefficient) > least.get((t.factors, t.summed), 0))


def alike(one: Sum, other: Sum) -> bool:
    """Whether rounding alone tells the floats of two sums apart."""
    return not added(
        [*add(one).terms, *(Term(number(-t.coefficient), t.factors, t.summed) for t in add(other).terms)]
    ).terms
