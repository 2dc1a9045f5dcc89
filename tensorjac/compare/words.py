"""Contractions and their orders, for people."""

from __future__ import annotations

from collections.abc import Sequence

from ..einsum import LETTERS
from .contraction import Operand, Product
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


def called(problem: Problem, operands: Sequence[Operand]) -> list[str]:
    """What operands are called: by their names, or by their formulas where these are short."""
    names = []
    for k, operand in enumerate(operands, start=1):
        text = problem.vjp._operand_name(operand.factor)
        names.append(text if len(text) <= FORMULA and " " not in text else f"F{k}")
    return names


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
