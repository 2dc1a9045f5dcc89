"""Exact quotients, `//` and `max(e, 0)`, simplified by what is certain about sizes."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm

from ..errors import ShapeError, caret
from .atoms import FloorDiv, Monomial, Number, Positive, floor_atom, positive_atom, wrap
from .polynomial import part
from .prover import Requirement, nonnegative
from .size import MAKERS, Dim, Size


def divide(dim: Size, by: Size) -> Dim | None:
    """The exact quotient, where it is a polynomial that is whole at all sizes; else None.

    >>> b, n = Dim.of("b"), Dim.of("n")
    >>> print(divide(2 * b * n + 4 * b, 2 * b), divide(n * n - 1, n + 1), divide(n, 2), divide(n * n + n, 2))
    n + 2 n - 1 None (n**2 + n)//2
    """
    return _divide(Dim.of(dim), Dim.of(by))


@lru_cache(maxsize=1 << 14)
def _divide(dim: Dim, by: Dim) -> Dim | None:
    if not by.terms:
        return None
    if dim is by or not dim.terms:
        return Dim.of(1 if dim.terms else 0)
    (lead, scale), quotient, rest = by.terms[0], Dim.of(0), dim
    while rest.terms:
        monomial = part(rest.terms[0][0], lead)
        if monomial is None:
            return None
        step = Dim.polynomial({monomial: Fraction(rest.terms[0][1]) / scale})
        quotient, rest = quotient + step, rest - step * by
    return quotient if quotient.whole else None


@lru_cache(maxsize=1 << 14)
def _floor_divide(dim: Dim, by: Dim) -> Dim:
    if not by.terms:
        text = f"{wrap(dim.terms, dim.key)}//0"
        raise ShapeError(
            f"a size cannot be divided by 0:\n{caret(text, len(text) - 1)}\ndivide by a size of at least 1."
        )
    exact = _divide(dim, by)
    if exact is not None:
        return exact
    common = lcm(*(c.denominator for _, c in dim.terms + by.terms)) * (-1 if by.terms[0][1] < 0 else 1)
    dim, by = dim * common, by * common
    quotient, rest = divide_with_rest(dim, by)
    rest, by = _reduced(rest, by)
    if nonnegative(rest) and nonnegative(by - 1 - rest):
        return quotient
    if nonnegative(rest + by) and nonnegative(-1 - rest):
        return quotient - 1
    lone = rest.terms[0][0] if rest.terms else ()
    if by.value is not None and len(lone) == 1 and rest.terms[0][1] == lone[0][1] == 1:
        # ⌊(⌊e/a⌋ + c)/b⌋ = ⌊(e + a·c)/(a·b)⌋ for whole a, b > 0.
        inner, offset = lone[0][0], rest - Dim.polynomial({lone: 1})
        if isinstance(inner, FloorDiv) and (inner.divisor.value or 0) > 0 and offset.value is not None:
            return quotient + _floor_divide(inner.dividend + inner.divisor * offset, inner.divisor * by)
    return quotient + floor_atom(rest, by).dim


def divide_with_rest(dim: Dim, by: Dim) -> tuple[Dim, Dim]:
    """Quotient and rest of division by the leading term: 2*n + 5 is 2*(n + 2) + 1."""
    (lead, scale), quotient, rest, left = by.terms[0], Dim.of(0), Dim.of(0), dim
    while left.terms:
        head, coefficient = left.terms[0]
        monomial = part(head, lead)
        step = Dim.polynomial({monomial: coefficient // scale}) if monomial is not None else Dim.of(0)
        quotient, left = quotient + step, left - step * by
        if left.terms and left.terms[0][0] == head:
            kept = Dim.polynomial(dict(left.terms[:1]))
            rest, left = rest + kept, left - kept
    return quotient, rest


def _reduced(rest: Dim, by: Dim) -> tuple[Dim, Dim]:
    """The same floor quotient without common factors: 2*n // 4 is n // 2, and so is (2*n + 1) // 4."""
    constant = dict(rest.terms).get((), 0) if nonnegative(by - 1) else 0  # rounding down needs a sign
    assert isinstance(constant, int)
    moving = rest - constant
    shared = gcd(*(c.numerator for _, c in moving.terms + by.terms))
    if shared > 1:
        rest = moving * Fraction(1, shared) + constant // shared
        by = by * Fraction(1, shared)
    factor = _common_names(rest.terms + by.terms)
    if factor:
        rest = Dim.polynomial({_require(part(m, factor)): c for m, c in rest.terms})
        by = Dim.polynomial({_require(part(m, factor)): c for m, c in by.terms})
    return rest, by


def _require(monomial: Monomial | None) -> Monomial:
    assert monomial is not None
    return monomial


def _common_names(terms: Sequence[tuple[Monomial, Number]]) -> Monomial:
    """The product of names that divides every term; names alone are surely positive."""
    powers = {atom: power for atom, power in terms[0][0] if isinstance(atom, str)} if terms else {}
    for monomial, _ in terms[1:]:
        other = dict(monomial)
        powers = {atom: min(power, other[atom]) for atom, power in powers.items() if atom in other}
    return tuple(powers.items())


def positive(dim: Size, requirements: tuple[Requirement, ...] = ()) -> Dim:
    """max(dim, 0), and simply `dim` or 0 where the sign is certain.

    >>> n = Dim.of("n")
    >>> print(positive(n - 1), positive(-n), positive(2 * n - 6), positive(3 - n))
    n - 1 0 2*max(n - 3, 0) max(n - 3, 0) - n + 3
    """
    dim = Dim.of(dim)
    if nonnegative(dim, requirements):
        return dim
    if dim.terms[0][1] < 0:
        # One sign for each, so that max(n - 3, 0) - max(3 - n, 0) is n - 3.
        return positive(-dim, requirements) + dim
    factor: Monomial = ()
    content, inner = 1, dim
    if all(isinstance(c, int) for _, c in dim.terms):
        factor, content = _common_names(dim.terms), gcd(*(c.numerator for _, c in dim.terms))
        inner = Dim.polynomial({_require(part(m, factor)): c // content for m, c in dim.terms})
    if nonnegative(inner, requirements):
        return dim
    if nonnegative(-inner, requirements):
        return Dim.of(0)
    return Dim.polynomial({factor: content}) * positive_atom(inner).dim


MAKERS.update({FloorDiv: _floor_divide, Positive: positive})
