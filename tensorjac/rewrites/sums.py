"""Sums: like terms merged, short sums spliced, and what all terms share taken out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import isfinite

from ..terms import (
    DELTA,
    Apply,
    Contraction,
    Factor,
    Index,
    Input,
    Number,
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    Term,
    is_tie,
    magnitude,
    number,
    product,
    shared,
    signature,
    tied_classes,
)
from .logistic import with_softplus
from .merging import SPLICED, cancel, held_sum, merge, opened_sum
from .patterns import is_complement
from .registry import is_on, name_identity

Key = tuple[Tensor, tuple[Slot, ...]]


def add(*sums: Sum) -> Sum:
    """The sum of sums: sums inside sums are spliced, like terms merged, also those that differ only in nesting."""
    terms = [term for body in sums for term in (_kept(body, sums) if len(body.terms) > 1 else body.terms)]
    nested = [k for k, term in enumerate(terms) if held_sum(term) is not None]
    if nested and len(terms) > 1:
        terms = _spliced(terms, nested)
    total = opened(Sum(terms))
    if len(total.terms) > 1 and is_on("like terms"):
        total = merge(total)
    if len(total.terms) > 1 and is_on("terms cancel"):
        total = cancel(total)
    if len(total.terms) > 1 and is_on("softplus of both signs"):
        total = with_softplus(total)
    return total


def opened(body: Sum) -> Sum:
    """A sum that stands alone as its terms; multiplied by a number it stays whole, as in any product."""
    return Sum(opened_sum(body.terms[0])) if len(body.terms) == 1 and _alone(body.terms[0]) else body


def _alone(term: Term) -> Shared | None:
    """The sum that a term consists of, but for its sign."""
    return held_sum(term) if magnitude(term.coefficient) == 1 else None


def compact(body: Sum) -> Sum:
    """The same value, a long product closed into one factor: scalings would otherwise pile up from layer to layer.

    δ stay outside, where they still rename what is summed.
    """
    if len(body.terms) != 1:
        return body
    (term,) = body.terms
    scalings = [factor for factor in term.factors if factor.tensor is not DELTA]
    if len(scalings) <= SPLICED:
        return body
    ties = [factor for factor in term.factors if factor.tensor is DELTA]
    return Sum((product(1, [*ties, shared(Sum((product(term.coefficient, scalings),)))]),))


def _kept(body: Sum, sums: Sequence[Sum]) -> tuple[Term, ...]:
    """The terms of a sum, or the sum as one shared term: where it is unlike what it is added to, and is long, or 1 less
    a mask, which chooses; and where that holds it as a factor already, as in x + x³ for x = a + b."""
    others = [term for other in sums if other is not body for term in other.terms]
    if not others:
        return body.terms
    if _meets(body.terms, _entered(others)):
        return body.terms
    if len(body.terms) > SPLICED or is_complement(body):
        return whole(body).terms
    held = _held_below(term.factors for term in others)
    if any(isinstance(t, Shared) and len(t.body.terms) == len(body.terms) for t in held):
        closed = whole(body)
        if any(f.tensor in held for term in closed.terms for f in term.factors):
            return closed.terms
    return body.terms


# The coefficients of the terms of each signature.
Coefficients = dict[object, set[Number]]


def _entered(terms: Sequence[Term], present: Coefficients | None = None) -> Coefficients:
    """The coefficients of these terms, with those of others that are given."""
    coefficients = {} if present is None else present
    for term in terms:
        coefficients.setdefault(signature(term), set()).add(term.coefficient)
    return coefficients


def _meets(inner: Sequence[Term], others: Coefficients) -> bool:
    """Whether terms of a sum merge with terms beside it: those of a long one, only where they vanish.

    A long sum is needed as a whole as a rule: opened by each of a network's layers, it would grow with every one.
    """
    if len(inner) <= SPLICED:
        return any(signature(term) in others for term in inner)
    return any(-term.coefficient in others.get(signature(term), ()) for term in inner)


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


def _spliced(terms: list[Term], nested: list[int]) -> list[Term]:
    """The terms with the sums among them written out that share a term with the rest, or are short and stand alone."""
    result = [term for k, term in enumerate(terms) if k not in set(nested)]
    present = _entered(result)
    below = _held_below(term.factors for term in result)
    for k in nested:
        inner = list(opened_sum(terms[k]))
        lone = _alone(terms[k])
        short = lone is not None and len(inner) <= SPLICED and lone not in below and not is_complement(lone.body)
        if short or _meets(inner, present):
            result.extend(inner)
            _entered(inner, present)
        else:
            result.append(terms[k])
    return result


def whole(body: Sum) -> Sum:
    """The same value as a single term: common factors, times one shared sum of what is left."""
    if len(body.terms) <= 1:
        return body
    coefficient, common = _content(body) if is_on("common factors") else (1, [])
    if coefficient == 1 and not common:
        return _closed(body)
    rest = _divided(body, coefficient, common)
    # a sum that was a factor may be a term now
    opened = add(rest) if any(map(held_sum, rest.terms)) else rest
    (term,) = (whole(opened) if opened.terms and opened != rest else _closed(rest)).terms
    return Sum((product(coefficient * term.coefficient, [*common, *term.factors]),))


def _divided(body: Sum, coefficient: Number, common: Sequence[Factor]) -> Sum:
    """The sum divided by what all its terms have in common."""
    inverse = [Factor(f.tensor, f.slots, number(-f.power)) for f in common if f.tensor is not DELTA]
    ties = {f for f in common if f.tensor is DELTA}
    return Sum(
        product(_quotient(term.coefficient, coefficient), [*(f for f in term.factors if f not in ties), *inverse])
        for term in body.terms
    )


def _closed(body: Sum) -> Sum:
    """The sum as one factor, or the negative of it, by the sign that it is written with."""
    if len(body.terms) == 1:
        return body
    turned = _leading_negative(body)
    return Sum((product(-1 if turned else 1, [shared(_negated(body) if turned else body)]),))


name_identity(
    "common factors",
    """a b + a c = a (b + c): what all terms of a shared sum have in common stands before it. Removes factors.""",
)


def _quotient(value: Number, by: Number) -> Number:
    if isinstance(value, float) or isinstance(by, float):
        return value if by == 1 else -value if by == -1 else number(value / by)
    return number(Fraction(value) / by)


def _content(body: Sum) -> tuple[Number, list[Factor]]:
    """The coefficient and the factors that all terms share, each to the lowest power that it has."""
    shared_powers: dict[Key, Number] | None = None
    # terms with fewer δ first: a term in which i and j are tied has f[i] for what may be f[j] in the others
    for term in sorted(body.terms, key=_ties):
        tied: dict[Index, Slot] = {index: members[0] for index, members in tied_classes(term.factors, ()).items()}
        powers = {(f.tensor, f.slots): f.power for f in term.factors}
        shared_powers = powers if shared_powers is None else _in_both(shared_powers, powers, tied)
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
    elif len({magnitude(c) for c in coefficients}) == 1 and isfinite(coefficients[0]):
        scale = magnitude(coefficients[0])
    return number(scale), common


def _ties(term: Term) -> int:
    return sum(is_tie(factor, ()) for factor in term.factors)


def _in_both(
    shared_powers: Mapping[Key, Number], powers: Mapping[Key, Number], tied: Mapping[Index, Slot]
) -> dict[Key, Number]:
    """What of some powers a term holds, in which indices are tied."""
    left = dict(powers)
    found: dict[Key, Number] = {}
    for key, p in shared_powers.items():
        here = _read_at(key, tied)
        held = left.get(here, 0)
        if held and (p > 0) == (held > 0):
            found[key] = _nearer_zero(p, held)
            # f[i] f[j] is in f[i] δ[ij] only once
            left[here] = number(held - found[key])
    return found


def _read_at(key: Key, tied: Mapping[Index, Slot]) -> Key:
    """A tensor and its slots with tied indices written as the first of them."""
    tensor, slots = key
    if tensor is DELTA or not tied:
        return key
    moved = Factor(tensor, slots, 1).substitute(tied)
    return moved.tensor, moved.slots


def _nearer_zero(a: Number, b: Number) -> Number:
    return a if magnitude(a) <= magnitude(b) else b


def _leading_negative(body: Sum) -> bool:
    """Whether the sum is written with its sign turned: decided by the terms alone, not by their order or their letters.

    A sum that swapping two letters turns, as in x[i] - x[j], stays as it is: its negative is itself, read otherwise.
    """
    negative = sum(term.coefficient < 0 for term in body.terms)
    if 2 * negative != len(body.terms):
        return 2 * negative > len(body.terms)
    ranks = [_lead_rank(term) for term in body.terms]
    signs = {term.coefficient < 0 for term, rank in zip(body.terms, ranks, strict=True) if rank == min(ranks)}
    if len(signs) == 1:
        return signs.pop()
    return shared(_negated(body)).tensor.key < shared(body).tensor.key


def _lead_rank(term: Term) -> tuple[object, ...]:
    arrays = [f for f in term.factors if not isinstance(f.tensor, Size)]
    return (
        len(arrays),
        # n - 1, and 1 - x
        not term.factors,
        # z before what is made of it, as in z - mean(z)
        sorted((_rank(f.tensor), _name(f.tensor), f.tensor.height, f.tensor.key, str(f.power)) for f in arrays),
    )


def _name(tensor: Tensor) -> str:
    """The name of an input: x - y keeps its sign, and y - x does not."""
    return tensor.name if isinstance(tensor, Input) else ""


def _negated(body: Sum) -> Sum:
    return Sum(Term(number(-term.coefficient), term.factors) for term in body.terms)


def _rank(tensor: Tensor) -> int:
    """Products and arguments come before functions of them, as in XA - T and x - max(x)."""
    if isinstance(tensor, Contraction):
        return 0 if len(tensor.factors) > 1 else 2
    return 2 if isinstance(tensor, Apply | Shared) else 1


def _gcd(a: Number, b: Number) -> Fraction:
    a, b = Fraction(a), Fraction(b)
    while b:
        a, b = b, a % b
    return a
