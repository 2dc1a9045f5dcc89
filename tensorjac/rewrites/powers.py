"""Constant powers of products: which factors are raised one by one, and which only together."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..terms import DELTA, Factor, Number, Term, number, product, scaled


def powered(term: Term, exponent: Number) -> tuple[Number, list[Factor], Term | None]:
    """The part of ``term ** exponent`` that can be written factor by factor, and the rest, still to be raised."""
    if isinstance(exponent, int):
        coefficient = scaled(1, term.coefficient, exponent)
        if coefficient is None and term.factors:
            return 1, [], term
        if coefficient is None:
            with np.errstate(all="ignore"):
                return float(np.float64(term.coefficient) ** exponent), [], None
        return coefficient, [_raised(factor, exponent) for factor in term.factors], None
    root = _root(term.coefficient, exponent)
    outside, inside = [], []
    for factor in term.factors:
        # the root of a negative number has no value to stand alone
        if factor.tensor is DELTA or (factor.tensor.sign and term.coefficient > 0):
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
