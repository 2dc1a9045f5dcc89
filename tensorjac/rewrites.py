"""The named identities, and the constructors that apply them while expressions are built.

Expressions are built bottom-up, and every constructor leaves a finished expression: there is no loop over finished
ones. A sum that is multiplied or raised to a power stays whole; it is opened only where terms merge or vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import NamedTuple

import numpy as np

from .dims import Dim, Requirement, divide, nonnegative
from .errors import UnsupportedError
from .primitives import PRIMITIVES, Primitive
from .terms import (
    DELTA,
    ONE,
    ZERO,
    Apply,
    Contraction,
    Factor,
    Index,
    Number,
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    Term,
    affine,
    canonical,
    combine,
    constant,
    contraction,
    flattened,
    magnitude,
    nested,
    number,
    of_factor,
    of_size,
    product,
    shared,
    signature,
    slot_labels,
    slot_parts,
    sum_key,
    topological,
    zero_of,
)
from .terms import apply as raw_apply

Rule = Callable[[Term], Sum | None]
FunctionRule = Callable[[Primitive, tuple[Sum, ...]], Sum | None]


@dataclass(frozen=True)
class Rewrite:
    """A named identity: what it says, and why applying it ends."""

    name: str
    identity: str


class Step(NamedTuple):
    """One application of a rewrite, for ``explain``."""

    name: str
    before: Term
    after: Sum


REWRITES: dict[str, Rewrite] = {}
_disabled: ContextVar[frozenset[str]] = ContextVar("disabled", default=frozenset())
_assumed: ContextVar[tuple[Requirement, ...]] = ContextVar("assumed", default=())
_steps: ContextVar[list[Step] | None] = ContextVar("steps", default=None)

_TERM_RULES: list[tuple[str, Rule]] = []
_FUNCTION_RULES: dict[str, list[tuple[str, FunctionRule]]] = {}


def _named(name: str, identity: str | None) -> None:
    REWRITES[name] = Rewrite(name, " ".join((identity or "").split()))


def term_rewrite(name: str) -> Callable[[Rule], Rule]:
    """Register an identity about a product under a sum: a term to the sum that it equals, or None."""

    def register(rule: Rule) -> Rule:
        _named(name, rule.__doc__)
        _TERM_RULES.append((name, rule))
        return rule

    return register


def function_rewrite(name: str, *primitives: str) -> Callable[[FunctionRule], FunctionRule]:
    """Register an identity about a primitive applied to arguments."""

    def register(rule: FunctionRule) -> FunctionRule:
        _named(name, rule.__doc__)
        for primitive in primitives:
            _FUNCTION_RULES.setdefault(primitive, []).append((name, rule))
        return rule

    return register


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Build expressions with these rewrites switched off."""
    unknown = set(names) - REWRITES.keys()
    if unknown:
        raise KeyError(f"no rewrite is called {sorted(unknown)}; there are {sorted(REWRITES)}")
    token = _disabled.set(_disabled.get() | set(names))
    try:
        yield
    finally:
        _disabled.reset(token)


@contextmanager
def assuming(requirements: Iterable[Requirement]) -> Iterator[None]:
    """Let proofs about ranges use these facts about sizes."""
    token = _assumed.set((*_assumed.get(), *requirements))
    try:
        yield
    finally:
        _assumed.reset(token)


@contextmanager
def recording() -> Iterator[list[Step]]:
    """Collect every application of a term rewrite, in order."""
    steps: list[Step] = []
    token = _steps.set(steps)
    try:
        yield steps
    finally:
        _steps.reset(token)


def term_rules() -> Iterator[tuple[str, Rule]]:
    """The rewrites of products under a sum that are switched on, in the order in which they are tried."""
    yield from ((name, rule) for name, rule in _TERM_RULES if _on(name))


def _on(name: str) -> bool:
    return name not in _disabled.get()


# Constructors ----------------------------------------------------------------------------------------------------


def add(*sums: Sum) -> Sum:
    """The sum of sums: sums inside sums are spliced, like terms merged, also those that differ only in nesting."""
    terms = [term for body in sums for term in (_kept(body, sums) if len(body.terms) > 1 else body.terms)]
    nested = [k for k, term in enumerate(terms) if _held(term) is not None]
    if nested and len(terms) > 1:
        terms = _spliced(terms, nested)
    elif nested:
        terms = list(_opened(terms[0]))
    total = Sum(terms)
    return _merged(total) if len(total.terms) > 1 and _on("like terms") else total


# Sums inside sums with more terms than this stay whole unless something in them merges: a residual network would
# otherwise be written out once per layer.
SPLICED = 6


def compact(body: Sum) -> Sum:
    """The same value, a long product closed into one factor: scalings would otherwise pile up from layer to layer."""
    if len(body.terms) != 1 or len(body.terms[0].factors) <= SPLICED:
        return body
    return of_factor(shared(body))


def _kept(body: Sum, sums: Sequence[Sum]) -> tuple[Term, ...]:
    """The terms of a sum, or the sum as one shared term: where it is long and unlike what it is added to, and where
    that holds it as a factor already, as in x + x³ for x = a + b."""
    others = [term for other in sums if other is not body for term in other.terms]
    if not others:
        return body.terms
    alike = {signature(term) for term in others}
    if any(signature(term) in alike for term in body.terms):
        return body.terms
    if len(body.terms) > SPLICED:
        return whole(body).terms
    held = _held_below(term.factors for term in others)
    if any(isinstance(t, Shared) and len(t.body.terms) == len(body.terms) for t in held):
        closed = whole(body)
        if any(f.tensor in held for term in closed.terms for f in term.factors):
            return closed.terms
    return body.terms


def _held_below(products: Iterable[Sequence[Factor]]) -> set[Tensor]:
    """The shared sums among these factors and in what they are made of, a few levels down."""
    level: set[Tensor] = {factor.tensor for factors in products for factor in factors}
    found: set[Tensor] = set()
    for _ in range(_LEVELS):
        found |= {tensor for tensor in level if isinstance(tensor, Shared)}
        level = {part for tensor in level for part in tensor.parts}
        if not level or len(level) > 16:
            break
    return found


_LEVELS = 5


def _held(term: Term) -> Shared | None:
    """The sum that a term consists of, but for a number."""
    if len(term.factors) != 1:
        return None
    tensor, _, exponent = term.factors[0]
    if not isinstance(tensor, Shared) or exponent != 1:
        return None
    return None if len(tensor.body.terms) == 1 and len(tensor.body.terms[0].factors) > SPLICED else tensor


def _opened(term: Term) -> Iterator[Term]:
    tensor, slots, _ = term.factors[0]
    assert isinstance(tensor, Shared)
    for inner in tensor.expression(slots).terms:
        yield Term(number(term.coefficient * inner.coefficient), inner.factors)


def _spliced(terms: list[Term], nested: list[int]) -> list[Term]:
    """The terms with the sums among them written out, where these are short or share a term with the rest."""
    result = [term for k, term in enumerate(terms) if k not in set(nested)]
    present = {signature(term) for term in result}
    below = _held_below(term.factors for term in result)
    for k in nested:
        inner = list(_opened(terms[k]))
        short = len(inner) <= SPLICED and _held(terms[k]) not in below
        if short or any(signature(term) in present for term in inner):
            result.extend(inner)
            present.update(signature(term) for term in inner)
        else:
            result.append(terms[k])
    return result


_named(
    "like terms",
    """Σ_j a[j] (Σ_k b[jk] c[k]) and Σ_k (Σ_j a[j] b[jk]) c[k] are the same term: coefficients add. Removes a term.""",
)


def _merged(total: Sum) -> Sum:
    alike: dict[object, list[Term]] = {}
    for term in total.terms:
        alike.setdefault(signature(term), []).append(term)
    if len(alike) == len(total.terms):
        return total
    kept: list[Term] = []
    for group in alike.values():
        if len(group) == 1:
            kept.extend(group)
            continue
        forms: dict[object, Term] = {}
        for term in group:
            flat = canonical(flattened(term))
            like = (flat.factors, flat.summed)
            known = forms.get(like)
            forms[like] = term if known is None else _heavier(known, term)
        kept.extend(forms.values())
    return Sum(kept)


def _heavier(kept: Term, like: Term) -> Term:
    """``kept`` with the coefficient of a like term added; of the two nestings the smaller one stays."""
    total = number(kept.coefficient + like.coefficient)
    simplest = min(kept, like, key=lambda term: (len(term.factors), [f.tensor.key for f in term.factors]))
    return Term(total, simplest.factors)


def multiply(*sums: Sum) -> Sum:
    """The product of sums; a sum of several terms enters it as one shared factor."""
    coefficient: Number = 1
    factors: list[Factor] = []
    for body in sums:
        if not body.terms:
            return Sum()
        (term,) = whole(body).terms
        coefficient = number(coefficient * term.coefficient)
        factors.extend(term.factors)
    return settled(product(coefficient, factors))


def settled(term: Term) -> Sum:
    """A term that sums nothing, its δ and its masks put in order."""
    factors: list[Factor] = []
    for factor in term.factors:
        replaced = _replaced(factor)
        if replaced is None:
            return Sum()
        factors.extend(replaced)
    if tuple(factors) != term.factors:
        term = product(term.coefficient, factors)
    if len(term.factors) > 1 and _on("sigmoid"):
        term = _with_sigmoid(term)
    # indices that a δ ties are written alike, and so may read a diagonal now
    tied = len(term.factors) > 1 and any(factor.tensor is DELTA for factor in term.factors)
    if tied and _on("read what is needed") and any(_pushable(factor) for factor in term.factors):
        return _reread(term)
    if len(term.factors) > 1 and _on("distribute"):
        opened = _opened_beside(term)
        if opened is not None:
            return opened
    return Sum((term,))


def _opened_beside(term: Term) -> Sum | None:
    """The term with a contraction of a sum multiplied out, where a sum that separates then cancels a divisor.

    (Σ_k e[k] (u[k] - c)) / z with z = Σ_k e[k] is Σ_k e[k] u[k] / z - c.
    """
    divisors = {f.tensor for f in term.factors if f.power < 0 and isinstance(f.tensor, Contraction)}
    if not divisors:
        return None
    for factor in term.factors:
        tensor, slots, exponent = factor
        if exponent != 1 or not isinstance(tensor, Contraction):
            continue
        for held in tensor.factors:
            if not isinstance(held.tensor, Shared) or held.power != 1 or len(tensor.factors) < 2:
                continue
            if any(part in divisors for part in _separated(tensor, held)):
                opened = _multiplied_out(tensor, slots, held)
                rest = Sum((product(term.coefficient, [f for f in term.factors if f is not factor]),))
                return add(*(multiply(rest, Sum((part,))) for part in opened.terms))
    return None


def _separated(tensor: Contraction, held: Factor) -> Iterator[Tensor]:
    """The contractions that stand alone in some term when a sum in this contraction is multiplied out."""
    assert isinstance(held.tensor, Shared)
    others = [f for f in tensor.factors if f is not held]
    touched = set(held.labels).intersection(tensor.summed)
    for inner in held.tensor.expression(held.slots).terms:
        if touched <= inner.labels:
            continue
        _, groups = _components(Term(1, (*others, *inner.factors), tensor.summed))
        for factors, summed in groups:
            if all(f in others for f in factors):
                yield contraction(factors, summed).tensor


def _multiplied_out(tensor: Contraction, slots: Sequence[Slot], held: Factor) -> Sum:
    """A contraction with one sum among its factors multiplied out."""
    assert isinstance(held.tensor, Shared)
    body = held.tensor.expression(held.slots)
    others = [f for f in tensor.factors if f is not held]
    moved: dict[Index, Slot] = dict(zip(tensor.axes, slots, strict=True))
    moved.update((index, Index.fresh(index.dim)) for index in tensor.summed)
    summed = tuple(moved[index] for index in tensor.summed)
    return finished(
        Sum(
            product(
                inner.coefficient,
                [f.substitute(moved) for f in (*others, *inner.factors)],
                tuple(index for index in summed if isinstance(index, Index)),
            )
            for inner in body.terms
        )
    )


def _replaced(factor: Factor) -> Sequence[Factor] | None:
    """What stands for a factor by itself: a decided δ goes, a mask keeps no power; None where it makes the term 0."""
    tensor, slots, exponent = factor
    if tensor is DELTA:
        decided = _decided(slots[0])
        return (factor,) if decided is None else () if decided else None
    if isinstance(tensor, Shared):
        if exponent < 0 and _on("sigmoid") and _exponential(tensor.body) is not None:
            return _sigmoids(tensor.expression(slots), -exponent)
    elif exponent != 1 and exponent > 0 and _boolean(tensor) and _on("masks are idempotent"):
        return (Factor(tensor, slots, 1),)
    return (factor,)


def _sigmoids(body: Sum, exponent: Number) -> Sequence[Factor]:
    """(1 + exp(u))^-p as σ(-u)^p."""
    u = _exponential(body)
    assert u is not None
    (term,) = apply(PRIMITIVES["sigmoid"], (multiply(constant(-1), u),)).terms
    return [Factor(f.tensor, f.slots, number(f.power * exponent)) for f in term.factors]


_named("masks are idempotent", "A mask times itself is the mask: 0·0 = 0 and 1·1 = 1. Removes a factor.")


def _with_sigmoid(term: Term) -> Term:
    """The term with exp(u) σ(-u) written as σ(u), which does not overflow."""
    for k, slope in enumerate(term.factors):
        if not _is(slope.tensor, "sigmoid") or slope.power < 1 or not isinstance(slope.power, int):
            continue
        for m, growth in enumerate(term.factors):
            if not _is(growth.tensor, "exp") or not isinstance(growth.power, int):
                continue
            sign = 1 if growth.power > 0 else -1
            (u,) = _arguments(growth)
            if _arguments(slope)[0] != multiply(constant(-sign), u):
                continue
            count = min(slope.power, abs(growth.power))
            rest = [f for n, f in enumerate(term.factors) if n not in (k, m)]
            (merged,) = apply(PRIMITIVES["sigmoid"], (multiply(constant(sign), u),)).terms
            left = [
                Factor(slope.tensor, slope.slots, slope.power - count),
                Factor(growth.tensor, growth.slots, growth.power - sign * count),
                *(Factor(f.tensor, f.slots, number(f.power * count)) for f in merged.factors),
            ]
            return _with_sigmoid(product(term.coefficient, [*rest, *(f for f in left if f.power != 0)]))
    return term


def _is(tensor: Tensor, name: str) -> bool:
    return isinstance(tensor, Apply) and tensor.operation.name == name


def _arguments(factor: Factor) -> tuple[Sum, ...]:
    assert isinstance(factor.tensor, Apply)
    return factor.tensor.arguments(factor.slots)


def _boolean(tensor: Tensor) -> bool:
    return isinstance(tensor, Apply) and isinstance(tensor.operation, Primitive) and tensor.operation.boolean


def _decided(form: Slot) -> bool | None:
    """Whether a δ's condition always holds (True), never holds (False), or depends (None)."""
    offset, parts = slot_parts(form)
    if not parts:
        return True if offset is ZERO else False if _never_zero(offset) else None
    low, high = _bounds(form)
    facts = _assumed.get()
    if (low is not None and nonnegative(low - 1, facts)) or (high is not None and nonnegative(-high - 1, facts)):
        return False
    return None


def _never_zero(offset: Dim) -> bool:
    facts = _assumed.get()
    return nonnegative(offset - 1, facts) or nonnegative(-offset - 1, facts)


def whole(body: Sum) -> Sum:
    """The same value as a single term: common factors, times one shared sum of what is left."""
    if len(body.terms) <= 1:
        return body
    coefficient, common = _content(body) if _on("common factors") else (1, [])
    if coefficient != 1 or common:
        inverse = [Factor(f.tensor, f.slots, number(-f.power)) for f in common if f.tensor is not DELTA]
        ties = {f for f in common if f.tensor is DELTA}
        rest = []
        for term in body.terms:
            kept = [f for f in term.factors if f not in ties]
            rest.append(product(_quotient(term.coefficient, coefficient), [*kept, *inverse]))
        body = Sum(rest)
    if len(body.terms) > 1 and _leading_negative(body):
        coefficient = number(-coefficient)
        body = Sum(Term(number(-term.coefficient), term.factors) for term in body.terms)
    if len(body.terms) == 1:
        (only,) = body.terms
        return settled(product(coefficient * only.coefficient, [*common, *only.factors]))
    return Sum((product(coefficient, [*common, shared(body)]),))


_named(
    "common factors",
    """a b + a c = a (b + c): what all terms of a shared sum have in common stands before it. Removes factors.""",
)


def _quotient(value: Number, by: Number) -> Number:
    if isinstance(value, float) or isinstance(by, float):
        return value if by == 1 else -value if by == -1 else number(value / by)
    return number(Fraction(value) / by)


def _content(body: Sum) -> tuple[Number, list[Factor]]:
    """The coefficient and the factors that all terms share, each to the lowest power that it has."""
    shared_powers: dict[tuple[Tensor, tuple[Slot, ...]], Number] | None = None
    for term in body.terms:
        powers = {(f.tensor, f.slots): f.power for f in term.factors}
        if shared_powers is None:
            shared_powers = powers
        else:
            shared_powers = {
                key: _nearer_zero(p, powers[key])
                for key, p in shared_powers.items()
                if key in powers and (p > 0) == (powers[key] > 0)
            }
        if not shared_powers:
            break
    common = [Factor(tensor, slots, p) for (tensor, slots), p in (shared_powers or {}).items()]
    coefficients = [term.coefficient for term in body.terms]
    scale: Number = 1
    if not any(isinstance(c, float) for c in coefficients):
        fractions = [Fraction(c) for c in coefficients]
        scale = abs(fractions[0])
        for f in fractions[1:]:
            scale = _gcd(scale, abs(f))
    elif len({magnitude(c) for c in coefficients}) == 1:
        scale = magnitude(coefficients[0])
    return number(scale), common


def _nearer_zero(a: Number, b: Number) -> Number:
    return a if magnitude(a) <= magnitude(b) else b


def _leading_negative(body: Sum) -> bool:
    """Whether the sum is written with its sign turned: decided by the terms alone, not by their order."""
    negative = sum(term.coefficient < 0 for term in body.terms)
    if 2 * negative != len(body.terms):
        return 2 * negative > len(body.terms)
    lead = min(
        body.terms,
        key=lambda term: (
            sum(not isinstance(f.tensor, Size) for f in term.factors),
            sorted((_rank(f.tensor), f.tensor.key, str(f.power)) for f in term.factors),
        ),
    )
    return lead.coefficient < 0


def _rank(tensor: Tensor) -> int:
    """Products and arguments come before functions of them, as in XA - T and x - max(x)."""
    if isinstance(tensor, Contraction):
        return 0 if len(tensor.factors) > 1 else 2
    return 2 if isinstance(tensor, Apply | Shared | Size) else 1


def _gcd(a: Number, b: Number) -> Fraction:
    a, b = Fraction(a), Fraction(b)
    while b:
        a, b = b, a % b
    return a


def power(base: Sum, exponent: Number) -> Sum:
    """``base`` to a constant power; what is not known to be nonnegative keeps a fractional power to itself."""
    exponent = number(exponent)
    if isinstance(exponent, float) and isfinite(exponent) and exponent * 64 == int(exponent * 64):
        exponent = number(Fraction(exponent))
    if exponent == 0:
        return constant(1)
    if exponent == 1:
        return base
    if not base.terms:
        if exponent > 0:
            return base
        raise UnsupportedError(
            "an expression that is 0 everywhere is raised to a negative power:\n"
            f"  0^{exponent}\nthere is no value to divide by; take the division out of the function."
        )
    if exponent < 0 and _on("sigmoid"):
        u = _exponential(base)
        if u is not None:
            return power(apply(PRIMITIVES["sigmoid"], (multiply(constant(-1), u),)), -exponent)
    (term,) = whole(base).terms
    coefficient, outside, inside = _powered(term, exponent)
    if inside is not None:
        held = inside if len(inside.factors) == 1 and inside.coefficient == 1 else None
        simple = held is not None and held.factors[0].power == 1
        body = held.factors[0] if held is not None and simple else shared(Sum((inside,)))
        outside.append(Factor(body.tensor, body.slots, exponent))
    return settled(product(coefficient, outside))


def _powered(term: Term, exponent: Number) -> tuple[Number, list[Factor], Term | None]:
    """The part of ``term ** exponent`` that can be written factor by factor, and the rest, still to be raised."""
    if isinstance(exponent, int):
        coefficient = number(
            Fraction(term.coefficient) ** exponent
            if not isinstance(term.coefficient, float)
            else term.coefficient**exponent
        )
        return coefficient, [_raised(factor, exponent) for factor in term.factors], None
    root = _root(term.coefficient, exponent)
    outside, inside = [], []
    for factor in term.factors:
        if factor.tensor is DELTA or factor.tensor.sign:
            outside.append(_raised(factor, exponent))
        else:
            inside.append(factor)
    if root is None:
        root, left = 1, term.coefficient
    else:
        left = 1
    if not inside and left == 1:
        return root, outside, None
    return root, outside, product(left, inside)


def _raised(factor: Factor, exponent: Number) -> Factor:
    if factor.tensor is DELTA:
        return factor
    return Factor(factor.tensor, factor.slots, number(factor.power * exponent))


_named("sigmoid", "1/(1 + exp(u)) = σ(-u), whose derivative σ(u) σ(-u) does not overflow. Removes a sum.")


def _root(value: Number, exponent: Number) -> Number | None:
    """``value ** exponent`` where it is exact (or a float to begin with), else None."""
    if value == 1:
        return 1
    if value < 0:
        return None
    if isinstance(value, float) or isinstance(exponent, float):
        return number(float(value) ** float(exponent)) if isinstance(value, float) else None
    fraction, power_ = Fraction(value), Fraction(exponent)
    roots = [round(part ** (1 / power_.denominator)) for part in (fraction.numerator, fraction.denominator)]
    if Fraction(*[root**power_.denominator for root in roots]) != fraction:
        return None
    return number(Fraction(*roots) ** power_.numerator)


def contract(body: Sum, labels: Iterable[Index]) -> Sum:
    """``body`` summed over ``labels``; a label that a term does not mention contributes its size."""
    summed = tuple(labels)
    if not summed:
        return body
    # a sum of several terms is opened only where that makes terms vanish: x.sum() - y.sum() loses digits of (x - y).sum()
    return add(*(contracted(Term(term.coefficient, term.factors, summed)) for term in whole(body).terms))


def contracted(term: Term) -> Sum:
    """The finished form of a term: every rewrite applied that applies, and what is still summed closed."""
    if not term.summed:
        return settled(term)
    disabled = _disabled.get()
    steps = _steps.get()
    for name, rule in _TERM_RULES:
        if name in disabled:
            continue
        if steps is None:
            result = rule(term)
        else:
            place = len(steps)
            result = rule(term)
            if result is not None:
                steps.insert(place, Step(name, term, result))
        if result is not None:
            return finished(result)
    return settled(nested(term))


def finished(body: Sum) -> Sum:
    """The same sum with what is still summed in its terms contracted."""
    return add(*(contracted(term) for term in body.terms))


def apply(
    primitive: Primitive,
    args: Sequence[Sum],
    cores: Sequence[Sequence[Index]] = (),
    result: Sequence[Slot] = (),
    core_shape: Sequence[Dim] = (),
) -> Sum:
    """``primitive`` applied to expressions; ``cores`` are the bound axes of each, ``result`` the slots of its own."""
    if not cores:
        folded = _folded(primitive, args) if _on("constants") else None
        if folded is not None:
            return folded
        disabled = _disabled.get()
        for name, rule in _FUNCTION_RULES.get(primitive.name, ()):
            if name not in disabled:
                simpler = rule(primitive, tuple(args))
                if simpler is not None:
                    return simpler
    arguments = [whole(arg) for arg in args]
    bound = cores or [()] * len(arguments)
    if primitive.name in _TRANSPOSABLE and _on("transpose"):
        arguments, result = _upright(arguments, bound, result)
    return read(raw_apply(primitive, arguments, bound, result, core_shape))


_TRANSPOSABLE = frozenset({"inv", "pinv", "det", "logabsdet", "signdet"})
_named(
    "transpose",
    """inv(Xᵀ)[ij] = inv(X)[ji] and det(Xᵀ) = det(X): of a matrix and its transpose one form is kept. Ends because the
    form that is kept is the smaller one.""",
)


def _upright(
    arguments: list[Sum], cores: Sequence[Sequence[Index]], result: Sequence[Slot]
) -> tuple[list[Sum], Sequence[Slot]]:
    """The argument or its transpose, whichever comes first in a fixed order, and the result's slots to match."""
    (arg,), ((row, column),) = arguments, cores
    if row.dim is not column.dim:
        return arguments, result
    swapped = arg.substitute({row: column, column: row})
    first, second = Index.at(0, row.dim), Index.at(1, row.dim)
    forms = [sum_key(body.substitute({row: first, column: second})) for body in (arg, swapped)]
    if forms[1] < forms[0]:
        return [swapped], tuple(result)[::-1]
    return arguments, result


_named("constants", "A function of numbers is a number. Removes a function.")


def _folded(primitive: Primitive, args: Sequence[Sum]) -> Sum | None:
    """The value where all arguments are numbers and it is finite."""
    numbers: list[float] = []
    for arg in args:
        if len(arg.terms) > 1 or (arg.terms and arg.terms[0].factors):
            return None
        numbers.append(float(arg.terms[0].coefficient) if arg.terms else 0.0)
    with np.errstate(all="ignore"):
        value = float(primitive.value(*map(np.float64, numbers)))
    return constant(value) if isfinite(value) else None


def read(factor: Factor) -> Sum:
    """A factor as an expression; slots that pick part of a computed tensor are passed on to what it reads."""
    pushed = _pushed(factor) if _on("read what is needed") else None
    return of_factor(factor) if pushed is None else pushed


_named(
    "read what is needed",
    """(Σ_k A[ik] B[kj]) read at i = j is Σ_k A[ik] B[ki]: a computed tensor of which only a diagonal or a slice is
    read computes only that. Ends because the slots move one level down.""",
)


def _pushed(factor: Factor) -> Sum | None:
    if not _pushable(factor):
        return None
    tensor, slots, exponent = factor
    batch = slots[: tensor.batch] if isinstance(tensor, Apply) else slots
    if isinstance(tensor, Contraction):
        inner = contracted(tensor.term(slots))
    elif isinstance(tensor, Shared):
        inner = substitute(tensor.body, dict(zip(tensor.axes, slots, strict=True)))
    else:
        mapping = dict(zip(tensor.axes, batch, strict=False))
        args = [substitute(arg, mapping) for arg in tensor.args]
        assert isinstance(tensor.operation, Primitive)
        inner = apply(
            tensor.operation,
            args,
            tensor.cores if any(tensor.cores) else (),
            slots[tensor.batch :],
            tensor.shape[tensor.batch :],
        )
    return power(inner, exponent)


def _pushable(factor: Factor) -> bool:
    """Whether a computed tensor is read at slots that are more than its axes by other names."""
    tensor, slots, _ = factor
    if not isinstance(tensor, Contraction | Shared | Apply):
        return False
    batch = slots[: tensor.batch] if isinstance(tensor, Apply) else slots
    if all(isinstance(slot, Index) for slot in batch) and len(set(batch)) == len(batch):
        return False
    # overlapping windows would compute the same entries many times
    return all(_reads_once(slot, axis.dim) for slot, axis in zip(batch, tensor.axes, strict=False))


def _reads_once(slot: Slot, dim: Dim) -> bool:
    """Whether no entry of an axis is read twice: one index at the most, or the digits of a reshape."""
    _, parts = slot_parts(slot)
    if len(parts) <= 1:
        return True
    weight = ONE
    left = list(parts)
    while left:
        found = next((part for part in left if part[1] is weight), None)
        if found is None:
            return False
        left.remove(found)
        weight = weight * found[0].dim
    return True


def substitute(body: Sum, mapping: Mapping[Index, Slot]) -> Sum:
    """``body`` with free labels replaced by slots, and simplified where that makes something simpler."""
    if not mapping:
        return body
    terms = []
    for term in body.terms:
        moved = term.substitute(mapping)
        terms.append(_reread(moved))
    return add(*terms)


def _reread(term: Term) -> Sum:
    """A term whose slots have changed: parts that are read in a new way are pushed down."""
    if not _on("read what is needed"):
        return settled(term) if not term.summed else Sum((term,))
    pieces: list[Sum] = []
    kept: list[Factor] = []
    for factor in term.factors:
        pushed = _pushed(factor)
        if pushed is None:
            kept.append(factor)
        else:
            pieces.append(pushed)
    if not pieces:
        return settled(term) if not term.summed else Sum((term,))
    coefficient = term.coefficient
    for piece in pieces:
        if not piece.terms:
            return Sum()
        (inner,) = whole(piece).terms
        coefficient = number(coefficient * inner.coefficient)
        kept.extend(inner.factors)
    rebuilt = product(coefficient, kept, term.summed)
    return settled(rebuilt) if not term.summed else Sum((rebuilt,))


# Rewrites of a product under a sum -------------------------------------------------------------------------------


def _bounds(form: Slot) -> tuple[Dim | None, Dim | None]:
    """The least and the greatest value of an affine form over the box of its labels, where signs are provable."""
    facts = _assumed.get()
    low: Dim | None
    high: Dim | None
    low, parts = slot_parts(form)
    high = low
    for index, c in parts:
        extent = c * (index.dim - 1)
        if nonnegative(c, facts):
            high = None if high is None else high + extent
        elif nonnegative(-c, facts):
            low = None if low is None else low + extent
        else:
            return None, None
    return low, high


def in_range(form: Slot, dim: Dim) -> bool:
    """Whether 0 ≤ form < dim is provable for all values of its labels."""
    if isinstance(form, Index) and form.dim is dim:
        return True
    low, high = _bounds(form)
    facts = _assumed.get()
    return low is not None and high is not None and nonnegative(low, facts) and nonnegative(dim - 1 - high, facts)


def _solved(form: Slot, index: Index) -> Slot | None:
    """The slot that ``index`` must be where ``form`` is 0, if its coefficient is ±1."""
    _, parts = slot_parts(form)
    c = dict(parts).get(index)
    if c is None or c.value not in (1, -1):
        return None
    rest = combine(((ONE, form), (Dim.of(-1) * c, index)))
    return combine(((Dim.of(-1) * c, rest),))


@term_rewrite("δ decided")
def _drop_decided(term: Term) -> Sum | None:
    """δ[ii] = 1, and a δ that cannot be met makes the term 0. Removes a factor or the term."""
    for factor in term.factors:
        if factor.tensor is DELTA:
            decided = _decided(factor.slots[0])
            if decided is not None:
                rest = [f for f in term.factors if f is not factor]
                return Sum((product(term.coefficient, rest, term.summed),)) if decided else Sum()
    return None


@term_rewrite("δ renames")
def _rename(term: Term) -> Sum | None:
    """δ[ij] with j summed renames j to i. Removes a factor and an index."""
    hidden = set(term.summed)
    choices: list[tuple[int, Index, Slot, Factor]] = []
    for factor in term.factors:
        if factor.tensor is not DELTA:
            continue
        form = factor.slots[0]
        for index in slot_labels(form):
            if index in hidden:
                value = _solved(form, index)
                if value is not None and in_range(value, index.dim):
                    weight = 0 if isinstance(value, Index) else 1
                    choices.append((weight, index, value, factor))
                    if weight == 0:
                        break
        if choices and choices[-1][0] == 0:
            break
    if not choices:
        return None
    _, index, value, used = min(choices, key=lambda choice: choice[0])
    mapping: dict[Index, Slot] = {index: value}
    factors = [f.substitute(mapping) for f in term.factors if f is not used]
    summed = tuple(i for i in term.summed if i is not index)
    return _reread(product(term.coefficient, factors, summed))


@term_rewrite("digits")
def _digits(term: Term) -> Sum | None:
    """n·u + v = 0 with |v| < n holds only for u = 0 and v = 0: a matched reshape falls into two δ."""
    for factor in term.factors:
        if factor.tensor is not DELTA:
            continue
        split = _split_digits(factor.slots[0])
        if split is not None:
            rest = [f for f in term.factors if f is not factor]
            return Sum((product(term.coefficient, [*rest, *map(zero_of, split)], term.summed),))
    return None


def _split_digits(form: Slot) -> tuple[Slot, Slot] | None:
    offset, parts = slot_parts(form)
    if len(parts) < 2:
        return None
    facts = _assumed.get()
    for _, radix in parts:
        if radix.value in (1, -1):
            continue
        unit = radix if nonnegative(radix, facts) else -radix
        high: dict[Index, Dim] = {}
        low: dict[Index, Dim] = {}
        for index, c in parts:
            quotient = divide(c, unit)
            if quotient is not None and _whole_number(quotient):
                high[index] = quotient
            else:
                low[index] = c
        share = divide(offset, unit)
        if not high or not low:
            continue
        carry, left = (share, ZERO) if share is not None and _whole_number(share) else (ZERO, offset)
        small = affine(left, low)
        least, most = _bounds(small)
        if least is None or most is None:
            continue
        if nonnegative(unit - 1 - most, facts) and nonnegative(unit - 1 + least, facts):
            return affine(carry, high), small
    return None


def _whole_number(dim: Dim) -> bool:
    return all(c.denominator == 1 for c, _ in dim.monomials)


@term_rewrite("unused index")
def _count_unused(term: Term) -> Sum | None:
    """Σ_j 1 = n: a summed index that no factor carries is a factor n. Removes an index."""
    used = term.labels
    unused = [index for index in term.summed if index not in used]
    if not unused:
        return None
    rest = product(term.coefficient, term.factors, tuple(i for i in term.summed if i in used))
    return multiply(contracted(rest), *(of_size(index.dim) for index in unused))


@term_rewrite("inverse")
def _cancel_inverse(term: Term) -> Sum | None:
    """Σ_k inv(S)[ik] S[kj] = δ[ij]. Removes two factors."""
    held = [f.tensor for f in term.factors] + [
        inner.tensor for f in term.factors if isinstance(f.tensor, Contraction) for inner in f.tensor.factors
    ]
    if not any(isinstance(t, Apply) and t.operation.name == "inv" for t in held):
        return None
    for opened in (term, flattened(term)):
        found = _inverse_pair(opened)
        if found is not None:
            return found
    return None


def _inverse_pair(term: Term) -> Sum | None:
    hidden = set(term.summed)
    for factor in term.factors:
        tensor, slots, exponent = factor
        if not (isinstance(tensor, Apply) and tensor.operation.name == "inv" and exponent == 1):
            continue
        (argument,) = tensor.arguments(slots)
        if len(argument.terms) != 1 or len(argument.terms[0].factors) != 1:
            continue
        (inner,) = argument.terms[0].factors
        if inner.power != 1 or argument.terms[0].coefficient != 1:
            continue
        row, column = tensor.cores[0]
        for summed, other, (near, far) in (
            (slots[-1], slots[-2], (row, column)),
            (slots[-2], slots[-1], (column, row)),
        ):
            if not isinstance(summed, Index) or summed not in hidden or summed in slot_labels(other):
                continue
            users = [f for f in term.factors if f is not factor and summed in f.labels]
            if len(users) != 1 or users[0].tensor is not inner.tensor or users[0].power != 1:
                continue
            for end in dict.fromkeys(users[0].labels):
                if end is not summed and inner.substitute({near: summed, far: end}) == users[0]:
                    rest = [f for f in term.factors if f is not factor and f is not users[0]]
                    tie = zero_of(combine(((ONE, other), (Dim.of(-1), end))))
                    summed_left = tuple(i for i in term.summed if i is not summed)
                    return Sum((product(term.coefficient, [*rest, tie], summed_left),))
    return None


def _components(term: Term) -> tuple[list[Factor], list[tuple[list[Factor], list[Index]]]]:
    """The factors that carry no summed index, and the groups of factors that summed indices connect."""
    hidden = set(term.summed)
    free: list[Factor] = []
    groups: list[tuple[list[Factor], set[Index]]] = []
    for factor in term.factors:
        mine = {label for label in factor.labels if label in hidden}
        if not mine:
            free.append(factor)
            continue
        joined, members = [factor], set(mine)
        apart = []
        for group in groups:
            if group[1] & members:
                joined = group[0] + joined
                members |= group[1]
            else:
                apart.append(group)
        groups = [*apart, (joined, members)]
    return free, [(factors, [i for i in term.summed if i in members]) for factors, members in groups]


@term_rewrite("separate sums")
def _separate(term: Term) -> Sum | None:
    """Σ_jk a b[j] c[k] = a (Σ_j b[j]) (Σ_k c[k]): what a sum does not touch leaves it. Splits the term."""
    free, groups = _components(term)
    if (not free and len(groups) == 1 and term.coefficient == 1) or not term.labels.issuperset(term.summed):
        return None
    parts = [contracted(product(1, factors, tuple(summed))) for factors, summed in groups]
    return multiply(Sum((product(term.coefficient, free),)), *parts)


@term_rewrite("sums of sums")
def _flatten_lone(term: Term) -> Sum | None:
    """Σ_i (Σ_j a[ij]) = Σ_ij a[ij]. Removes a level."""
    if len(term.factors) != 1:
        return None
    tensor, slots, exponent = term.factors[0]
    if not isinstance(tensor, Contraction) or exponent != 1:
        return None
    inner = tensor.term(slots)
    return Sum((product(term.coefficient, inner.factors, (*term.summed, *inner.summed)),))


@term_rewrite("distribute")
def _distribute(term: Term) -> Sum | None:
    """Σ_j a[j] (b[j] + c) = Σ_j a[j] b[j] + c Σ_j a[j], only where terms then vanish or merge."""
    hidden = set(term.summed)
    for factor in term.factors:
        tensor, slots, exponent = factor
        if not isinstance(tensor, Shared) or exponent != 1:
            continue
        touched = {label for label in factor.labels if label in hidden}
        alone = len(term.factors) == 1
        body = tensor.expression(slots)
        rest = [f for f in term.factors if f is not factor]
        opened = [
            product(term.coefficient * inner.coefficient, [*rest, *inner.factors], term.summed) for inner in body.terms
        ]
        lacking = [piece for inner, piece in zip(body.terms, opened, strict=True) if touched - inner.labels]
        if not alone and not any(_merges(piece) for piece in lacking):
            continue
        total = finished(Sum(opened))
        if len(total.terms) < len(opened) + (not alone):
            return total
    return None


def _merges(term: Term) -> bool:
    """Whether factors cancel once the term's unconnected sums are separated."""
    free, groups = _components(term)
    used = term.labels
    unused = [index for index in term.summed if index not in used]
    parts = [Sum((product(term.coefficient, free),)), *(of_size(index.dim) for index in unused)]
    for factors, summed in groups:
        parts.append(contracted(product(1, factors, tuple(summed))))
    if any(len(part.terms) != 1 for part in parts):
        return False
    joined = multiply(*parts)
    return not joined.terms or _weight(joined.terms[0]) < sum(_weight(part.terms[0]) for part in parts)


def _weight(term: Term) -> Number:
    """How many factors a term has, powers counted: it falls only where factors cancel."""
    return number(sum((magnitude(factor.power) for factor in term.factors), 0))


# Rewrites of functions -------------------------------------------------------------------------------------------


def _only(body: Sum) -> tuple[Number, Apply, Factor] | None:
    """The coefficient and the applied primitive, where the expression is just that."""
    if len(body.terms) != 1 or len(body.terms[0].factors) != 1:
        return None
    factor = body.terms[0].factors[0]
    if not isinstance(factor.tensor, Apply) or factor.power != 1:
        return None
    return body.terms[0].coefficient, factor.tensor, factor


@function_rewrite("log of exp", "log")
def _log_exp(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log(exp(x)) = x. Removes two functions."""
    found = _only(args[0])
    if found is None or found[0] != 1 or found[1].operation.name != "exp":
        return None
    return found[1].arguments(found[2].slots)[0]


@function_rewrite("exp of log", "exp")
def _exp_log(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """exp(log(x)) = x where the logarithm is defined. Removes two functions."""
    found = _only(args[0])
    if found is None or found[0] != 1 or found[1].operation.name != "log":
        return None
    return found[1].arguments(found[2].slots)[0]


@function_rewrite("log1p of expm1", "log1p")
def _log1p_expm1(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log1p(expm1(x)) = x. Removes two functions."""
    found = _only(args[0])
    if found is None or found[0] != 1 or found[1].operation.name != "expm1":
        return None
    return found[1].arguments(found[2].slots)[0]


@function_rewrite("values at zero", "exp", "expm1", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs")
def _at_zero(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """exp(0) = cos(0) = cosh(0) = 1; expm1, log1p, sin, tan, sinh, tanh and abs are 0 at 0."""
    if args[0].terms:
        return None
    return constant(1) if primitive.name in ("exp", "cos", "cosh") else Sum()


_ODD = ("sin", "tan", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "erf", "cbrt", "sign")
_EVEN = ("cos", "cosh", "abs")


@function_rewrite("parity", *_ODD, *_EVEN)
def _parity(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """sin(-x) = -sin(x) and cos(-x) = cos(x), for odd and even functions. Moves a sign outward."""
    body = whole(args[0])
    if len(body.terms) != 1 or body.terms[0].coefficient >= 0:
        return None
    mirrored = apply(primitive, (multiply(constant(-1), body),))
    return mirrored if primitive.name in _EVEN else multiply(constant(-1), mirrored)


@function_rewrite("log of a product", "log")
def _log_product(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log(exp(x)/z) = x - log(z) for positive z, which neither overflows nor underflows. Removes a function."""
    if len(args[0].terms) != 1:
        return None
    (term,) = args[0].terms
    if len(term.factors) < 2 or term.coefficient <= 0 or any(f.tensor.sign != 2 for f in term.factors):
        return None
    if not any(_is(f.tensor, "exp") for f in term.factors):
        return None
    parts = [
        multiply(constant(f.power), apply(primitive, (of_factor(Factor(f.tensor, f.slots, 1)),))) for f in term.factors
    ]
    return add(apply(primitive, (constant(term.coefficient),)), *parts)


@function_rewrite("log of abs of det", "log")
def _log_abs_det(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log(|det(X)|) = logabsdet(X), which neither overflows nor underflows. Removes two functions."""
    found = _only(args[0])
    if found is None or found[0] != 1 or found[1].operation.name != "abs":
        return None
    inner = _only(found[1].arguments(found[2].slots)[0])
    if inner is None or inner[0] != 1 or inner[1].operation.name != "det":
        return None
    return apply(PRIMITIVES["logabsdet"], inner[1].arguments(inner[2].slots), inner[1].cores)


@function_rewrite("mask of a mask", "mask")
def _mask_mask(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """A mask is already 0 or 1. Removes a function."""
    body = args[0]
    if len(body.terms) == 1 and body.terms[0].coefficient == 1:
        factors = body.terms[0].factors
        if factors and all(_boolean(f.tensor) and f.power == 1 for f in factors):
            return body
    return None


@function_rewrite("where of equals", "where")
def _where_same(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """where(c, x, x) = x. Removes a function."""
    return args[1] if args[1] == args[2] else None


def _exponential(body: Sum) -> Sum | None:
    """u, where the expression is 1 + exp(u)."""
    if len(body.terms) != 2:
        return None
    one = next((t for t in body.terms if not t.factors), None)
    other = next((t for t in body.terms if t.factors), None)
    if one is None or other is None or one.coefficient != 1 or other.coefficient != 1:
        return None
    found = _only(Sum((other,)))
    if found is None or found[1].operation.name != "exp":
        return None
    return found[1].arguments(found[2].slots)[0]


@function_rewrite("softplus", "log")
def _softplus(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log(1 + exp(u)) = softplus(u), which neither overflows nor loses digits."""
    u = _exponential(args[0])
    return None if u is None else apply(PRIMITIVES["softplus"], (u,))


@function_rewrite("softplus of log1p", "log1p")
def _softplus_log1p(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log1p(exp(u)) = softplus(u), which does not overflow."""
    found = _only(args[0])
    if found is None or found[0] != 1 or found[1].operation.name != "exp":
        return None
    return apply(PRIMITIVES["softplus"], (found[1].arguments(found[2].slots)[0],))


# Rebuilding ------------------------------------------------------------------------------------------------------


def rebuild(roots: Sequence[Sum], replaced: Mapping[Tensor, Sum] | None = None) -> list[Sum]:
    """The sums built again from the ground by the constructors above, with some tensors replaced.

    ``replaced`` maps a tensor to an expression over the tensor's axes.
    """
    built: dict[Tensor, Sum] = dict(replaced or {})
    for tensor in topological(t for root in roots for t in root.tensors):
        if tensor not in built:
            built[tensor] = _rebuilt(tensor, built)
    return [rebuilt_sum(root, built) for root in roots]


def rebuilt_sum(body: Sum, built: Mapping[Tensor, Sum]) -> Sum:
    return add(*(_rebuilt_term(term, built) for term in body.terms))


def _rebuilt_term(term: Term, built: Mapping[Tensor, Sum]) -> Sum:
    pieces: list[Sum] = [constant(term.coefficient)]
    for factor in term.factors:
        if factor.tensor is DELTA:
            pieces.append(of_factor(factor))
        else:
            inner = built[factor.tensor]
            mapping = dict(zip(factor.tensor.axes, factor.slots, strict=True))
            pieces.append(power(_instance(inner, factor, mapping), factor.power))
    joined = multiply(*pieces)
    return contract(joined, term.summed)


def _instance(inner: Sum, factor: Factor, mapping: Mapping[Index, Slot]) -> Sum:
    if len(inner.terms) == 1 and inner.terms[0] == Term(1, (factor.tensor(*factor.tensor.axes),)):
        return read(Factor(factor.tensor, factor.slots, 1))
    return substitute(inner, mapping)


def _rebuilt(tensor: Tensor, built: Mapping[Tensor, Sum]) -> Sum:
    axes = tensor.axes
    if isinstance(tensor, Contraction):
        return rebuilt_sum(Sum((tensor.term(axes),)), built)
    if isinstance(tensor, Shared):
        return rebuilt_sum(tensor.body, built)
    if isinstance(tensor, Apply):
        assert isinstance(tensor.operation, Primitive)
        args = [rebuilt_sum(arg, built) for arg in tensor.args]
        cores = tensor.cores if any(tensor.cores) else ()
        return apply(tensor.operation, args, cores, axes[tensor.batch :], tensor.shape[tensor.batch :])
    return of_factor(tensor(*axes))
