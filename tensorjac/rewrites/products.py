"""Identities about products that sum nothing, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..primitives import PRIMITIVES
from ..terms import (
    DELTA,
    Contraction,
    Factor,
    Index,
    Shared,
    Slot,
    Sum,
    Tensor,
    Term,
    constant,
    contraction,
    number,
    product,
)
from .building import apply, contracted, finished, multiply, power, pushable, reread, settled
from .determinants import with_adjugates
from .merging import SPLICED
from .patterns import arguments_of, connected, is_applied, weight
from .registry import name_identity, product_rewrite
from .sums import add, whole

name_identity("sigmoid", "1/(1 + exp(u)) = σ(-u), whose derivative σ(u) σ(-u) does not overflow. Removes a sum.")


@product_rewrite("sigmoid")
def _join_sigmoid(term: Term) -> Sum | None:
    """exp(u) σ(-u) = σ(u), which does not overflow."""
    for k, slope in enumerate(term.factors):
        if not is_applied(slope.tensor, "sigmoid") or slope.power < 1 or not isinstance(slope.power, int):
            continue
        for m, growth in enumerate(term.factors):
            if not is_applied(growth.tensor, "exp") or not isinstance(growth.power, int):
                continue
            sign = 1 if growth.power > 0 else -1
            (u,) = arguments_of(growth)
            if arguments_of(slope)[0] != whole(multiply(constant(-sign), u)):
                continue
            count = min(slope.power, abs(growth.power))
            rest = [f for n, f in enumerate(term.factors) if n not in (k, m)]
            (merged,) = apply(PRIMITIVES["sigmoid"], (multiply(constant(sign), u),)).terms
            left = [
                Factor(slope.tensor, slope.slots, slope.power - count),
                Factor(growth.tensor, growth.slots, growth.power - sign * count),
                *(Factor(f.tensor, f.slots, number(f.power * count)) for f in merged.factors),
            ]
            return settled(product(term.coefficient, [*rest, *(f for f in left if f.power != 0)]))
    return None


name_identity("sizes and signs", "|x| sign(x) = x, and |x|² = x². Removes a function.")


@product_rewrite("sizes and signs")
def _unsigned(term: Term) -> Sum | None:
    """A size beside its sign, or to an even power."""
    for factor in term.factors:
        if not is_applied(factor.tensor, "abs") or not isinstance(factor.power, int):
            continue
        args = arguments_of(factor)
        signs = [f for f in term.factors if is_applied(f.tensor, "sign") and f.power == 1 and arguments_of(f) == args]
        if not (signs or factor.power % 2 == 0) or (signs and factor.power < 0):
            continue
        taken = 1 if signs else factor.power
        left = Factor(factor.tensor, factor.slots, factor.power - taken)
        rest = [f for f in term.factors if f is not factor and f not in signs]
        kept = product(term.coefficient, [*rest, left] if left.power != 0 else rest)
        return multiply(Sum((kept,)), power(args[0], taken))
    return None


@product_rewrite("adjugate")
def _exchange_adjugates(term: Term) -> Sum | None:
    """det(X) inv(X)[ij] = adj(X)[ij], as far as the determinants go, and inside contractions, too."""
    if not any(is_applied(factor.tensor, "det") for factor in term.factors):
        return None
    holding = [
        (factor, factor.tensor.term(factor.slots))
        for factor in term.factors
        if isinstance(factor.tensor, Contraction) and factor.power == 1 and _holds_inverses(factor.tensor)
    ]
    exchanged = with_adjugates(term.factors, [f for _, inner in holding for f in inner.factors])
    if exchanged is not None:
        return settled(product(term.coefficient, exchanged))
    for factor, inner in holding:
        rest = [f for f in term.factors if f is not factor]
        beside = [f for other, held in holding if other is not factor for f in held.factors]
        exchanged = with_adjugates([*rest, *inner.factors], beside)
        if exchanged is not None:
            return contracted(product(term.coefficient, exchanged, inner.summed))
    return None


def _holds_inverses(tensor: Contraction) -> bool:
    return any(is_applied(held.tensor, name) for held in tensor.factors for name in ("inv", "adj"))


@product_rewrite("read what is needed")
def _read_tied(term: Term) -> Sum | None:
    """Indices that a δ ties are written alike, and so may read a diagonal now, which is passed on to what it reads."""
    tied = any(factor.tensor is DELTA for factor in term.factors)
    return reread(term) if tied and any(pushable(factor) for factor in term.factors) else None


@product_rewrite("distribute")
def _distribute_over_divisor(term: Term) -> Sum | None:
    """(Σ_k e[k] (u[k] - c)) / z = Σ_k e[k] u[k] / z - c for z = Σ_k e[k]: only where a divisor cancels."""
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


@product_rewrite("distribute")
def _distribute_over_powers(term: Term) -> Sum | None:
    """a b (c/a + d/b) = b c + a d: only where the product has fewer factors then."""
    for factor in term.factors:
        tensor, slots, exponent = factor
        if exponent != 1 or not isinstance(tensor, Shared) or len(tensor.body.terms) > SPLICED:
            continue
        rest = [f for f in term.factors if f is not factor]
        held = {(f.tensor, f.slots) for f in rest if f.power > 0}
        inner = tensor.expression(slots).terms
        if not all(any(f.power < 0 and (f.tensor, f.slots) in held for f in piece.factors) for piece in inner):
            continue
        opened = [product(term.coefficient * piece.coefficient, [*rest, *piece.factors]) for piece in inner]
        if sum(map(weight, opened)) < weight(Term(1, tuple(rest))) + sum(map(weight, inner)):
            return add(*map(settled, opened))
    return None


def _separated(tensor: Contraction, held: Factor) -> Iterator[Tensor]:
    """The contractions that stand alone in some term when a sum in this contraction is multiplied out."""
    assert isinstance(held.tensor, Shared)
    others = [f for f in tensor.factors if f is not held]
    touched = set(held.labels).intersection(tensor.summed)
    for inner in held.tensor.expression(held.slots).terms:
        if touched <= inner.labels:
            continue
        _, groups = connected(Term(1, (*others, *inner.factors), tensor.summed))
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
