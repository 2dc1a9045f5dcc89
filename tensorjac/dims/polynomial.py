"""Polynomials over atoms, as plain dictionaries and tuples: order, products, and whole values."""

import itertools
from collections.abc import Iterable
from typing import TypeAlias

from .atoms import Atom, Monomial, Number, Terms, atom_key

Polynomial: TypeAlias = dict[Monomial, Number]


def canonical(polynomial: Polynomial) -> Terms:
    """The terms that are not 0 in their order, which is the same for equal polynomials."""
    terms = [(m, c.numerator if c.denominator == 1 else c) for m, c in polynomial.items() if c]
    if len(terms) > 1:
        terms.sort(key=lambda term: _rank(term[0]))
    return tuple(terms)


def _rank(monomial: Monomial) -> tuple[int, tuple[tuple[str, int], ...]]:
    """Sorts by degree, then lexicographically: an order that products respect, as exact division needs."""
    return -sum(p for _, p in monomial), tuple((atom_key(a), -p) for a, p in monomial)


def product(a: Polynomial, b: Iterable[tuple[Monomial, Number]]) -> Polynomial:
    total: Polynomial = {}
    for right, d in b:
        for left, c in a.items():
            monomial = _join(left, right)
            total[monomial] = total.get(monomial, 0) + c * d
    return total


def _join(a: Monomial, b: Monomial) -> Monomial:
    if not a or not b:
        return a or b
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: atom_key(item[0])))


def part(a: Monomial, b: Monomial) -> Monomial | None:
    """The monomial a / b, where there is one."""
    powers = dict(a)
    for atom, power in b:
        left = powers.get(atom, 0) - power
        if left < 0:
            return None
        if left:
            powers[atom] = left
        else:
            del powers[atom]
    return tuple(powers.items())


def is_whole(terms: Terms) -> bool:
    """Whether the polynomial is a whole number wherever its atoms are.

    A polynomial of degree d in a variable is so if it is at 0, 1, …, d (Pólya 1915).
    """
    if all(isinstance(c, int) for _, c in terms):
        return True
    degrees: dict[Atom, int] = {}
    for monomial, _ in terms:
        for atom, power in monomial:
            degrees[atom] = max(power, degrees.get(atom, 0))
    points = 1
    for degree in degrees.values():
        points *= degree + 1
    if points > 256:
        return False
    for point in itertools.product(*(range(d + 1) for d in degrees.values())):
        at = dict(zip(degrees, point, strict=True))
        total: Number = 0
        for monomial, coefficient in terms:
            for atom, power in monomial:
                coefficient = coefficient * at[atom] ** power
            total = total + coefficient
        if total.denominator != 1:
            return False
    return True
