"""Arithmetic as it is written: numbers, sums, products, quotients and powers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ...terms import Number as Value
from ..syntax import Apply, Chain, Node, Number, Power, Unary


def number_node(value: Value) -> Node:
    """A number that is not negative."""
    if isinstance(value, Fraction):
        return Chain((Number(value.numerator), Number(value.denominator)), ("/",))
    return Number(value)


def raised(base: Node, power: Value) -> Node:
    """``base^power``, or a root."""
    if power == 1:
        return base
    if power == Fraction(1, 2):
        return Apply("sqrt", (), (base,))
    return Power(base, number_node(power))


def times(factors: Sequence[Node]) -> Node:
    """``a b c``"""
    return factors[0] if len(factors) == 1 else Chain(tuple(factors), ("*",) * (len(factors) - 1))


def signed_sum(terms: Sequence[tuple[bool, Node]]) -> Node:
    """``a - b + c`` from terms and whether they are positive."""
    if not terms:
        return Number(0)
    (positive, first), *rest = terms
    first = first if positive else Unary("-", first)
    if not rest:
        return first
    return Chain((first, *(node for _, node in rest)), tuple("+" if sign else "-" for sign, _ in rest))


def quotient(coefficient: Value, up: list[Node], down: list[Node]) -> Node:
    """``1/2 a b / (c d)``"""
    if not up:
        if isinstance(coefficient, Fraction) and down:
            up, down = [Number(coefficient.numerator)], [Number(coefficient.denominator), *down]
        else:
            up = [number_node(coefficient)]
    elif coefficient != 1:
        up = [number_node(coefficient), *up]
    if not down:
        return times(up)
    return Chain((*up, times(down)), (*("*",) * (len(up) - 1), "/"))
