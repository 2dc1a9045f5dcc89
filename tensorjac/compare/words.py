"""Contractions and their orders, for people."""

from __future__ import annotations

from collections.abc import Sequence

from ..calls import listed
from ..einsum import LETTERS
from .contraction import Product
from .orders import Order
from .problem import Problem

# A factor with a longer formula than this is called by a letter and a number.
FORMULA = 16


def equation(problem: Problem) -> str:
    """The contraction after δ elimination, as ``einsum`` is told; terms are joined by a plus sign."""
    return " + ".join(map(_equation, problem.eliminated)) or "0"


def _equation(product: Product) -> str:
    letters = dict(zip(product.labels, LETTERS, strict=False))
    above = ",".join("".join(letters.get(label, "?") for label in operand.labels) for operand in product.operands)
    return f"{above}->{''.join(letters.get(label, '?') for label in product.axes)}"


def told(problem: Problem, product: Product, order: Order) -> str:
    """An order in words, and what those factors are that it calls by a letter and a number."""
    formulas = [problem.vjp._operand_name(operand.factor) for operand in product.operands]
    names = [_called(text, k) for k, text in enumerate(formulas, start=1)]
    meant = {name: text for name, text in zip(names, formulas, strict=True) if name != text}
    where = f", where {listed([f'{name} is {text}' for name, text in meant.items()])}" if meant else ""
    return spoken(names, order, list(problem.inputs)) + where


def _called(formula: str, number: int) -> str:
    """What a factor is called: by its name, or by its formula where that is short."""
    return formula if len(formula) <= FORMULA and " " not in formula else f"F{number}"


def spoken(names: Sequence[str], order: Order, arguments: Sequence[str] = ()) -> str:
    """An order in words, two ``arguments`` named in their own order.

    >>> spoken(["X", "G", "B", "C"], ((0, 1), (4, 3), (5, 2)))
    'contract X and G first, then the result and C, then the result and B'
    >>> spoken(["A", "B", "C", "D"], ((0, 1), (2, 3), (4, 5)))
    'contract A and B first, then C and D, then the result and A B'
    """
    texts = list(names)
    ranks = {name: k for k, name in enumerate(arguments)}
    steps = []
    for number, pair in enumerate(order):
        last = len(names) + number - 1 if number else -1
        place = {k: -1 if k == last else ranks.get(texts[k], len(ranks)) for k in pair}
        a, b = sorted(pair, key=place.__getitem__)
        steps.append(" and ".join("the result" if k == last else texts[k] for k in (a, b)))
        texts.append(f"{texts[a]} {texts[b]}")
    if not steps:
        return "nothing to contract"
    return ", then ".join([f"contract {steps[0]} first", *steps[1:]])
