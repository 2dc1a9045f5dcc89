"""Choices that no rule makes well for every program: they are made both ways, and the cheaper program is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import prod, sqrt
from typing import TypeVar

from ..arrays import FREE, Scalar, Value, Write
from .costs import MOVED, Costs
from .solving import computed

Made = TypeVar("Made")


class Choice(Enum):
    """What may be done, in the order in which it is tried."""

    MULTIPLIED_OUT = "a (b + c) + d is a b + a c + d, in which other factors are common, where b + c stands once"
    OPENED = "a product of matrices that is computed anyway is opened, where another one is found in it"
    READ_OFF = "what is on the diagonal of a product of matrices that is computed anyway is read there"
    TAKEN_OUT = "what several terms of a sum have in common counts once, since it is taken out of them"
    NUMBERS = "numbers that several products have in common are multiplied once"
    DISTRIBUTED = "a (b c + d) is (a b) c + a d, where a b is computed anyway"


@dataclass(frozen=True)
class Choices:
    """What is done in one program, and what has come up in it."""

    made: frozenset[Choice] = frozenset()
    met: set[Choice] = field(default_factory=set)

    def takes(self, choice: Choice) -> bool:
        """Whether something is done, asked where that makes a difference."""
        self.met.add(choice)
        return choice in self.made


def cheapest(make: Callable[[Choices], Made], cost: Callable[[Made], tuple[float, ...]]) -> Made:
    """What costs least of what is made without choices and with one after the other that came up and paid."""
    choices = Choices()
    best = make(choices)
    least = cost(best)
    for choice in Choice:
        if choice not in choices.met:
            continue
        others = Choices(choices.made | {choice})
        other = make(others)
        if (found := cost(other)) < least:
            choices, best, least = others, other, found
    return best


# A call of NumPy takes about as long as this many multiplications and additions.
CALL = 4000.0
# What is read off a diagonal.
_DIAGONAL = re.compile(r'np\.diagonal\(|np\.einsum\("(\w)\1->\1"')
# An einsum of two arrays takes about as long as this many products of its entries, all indices written out.
EINSUM = 3


def work(outputs: Sequence[Value], costs: Costs) -> tuple[float, ...]:
    """What array operations cost: while sizes are nominal, how many there are says more than how large they are."""
    operations = [value for value in computed(outputs) if value.kind not in FREE and not value.weak]
    calls = [_calls(value, costs.tuned) for value in operations]
    taken = sum(count * _taken(value, costs) for count, value in zip(calls, operations, strict=True))
    return (CALL * sum(calls) + taken,) if costs.sizes else (sum(calls), taken)


def _calls(value: Value, tuned: bool) -> int:
    """How many operations on arrays a value is written with."""
    if value.kind == "scale" and not tuned:
        scalar: Scalar = value.detail
        return sum(map(bool, scalar.halves())) + (scalar.value < 0)
    if value.kind == "filled":
        writes: tuple[Write, ...] = value.detail[2]
        return sum(1 + write.adds for write in writes)
    return 1


def _taken(value: Value, costs: Costs) -> float:
    """How long an operation takes, in multiplications and additions."""
    sizes = [costs.elements(each.shape) for each in (value, *value.args)]
    text = str(value.detail[0]) if value.kind == "call" else ""
    if len(sizes) == 3 and text.startswith("np.einsum"):
        axes, _, _ = text.split('"')[1].partition("->")
        extents = [dim for arg in value.args for dim in arg.shape]
        return MOVED * EINSUM * costs.elements(dict(zip(axes.replace(",", ""), extents, strict=True)).values())
    if value.kind == "matmul":
        return MOVED * max(sizes) + 2 * sizes[0] * costs.elements(value.args[0].shape[-1:])
    if len(sizes) == 2 and _DIAGONAL.match(text):
        return MOVED * sizes[0]
    if text.startswith("np.tensordot"):
        # each index stands in two of the three arrays
        return MOVED * max(sizes) + 2 * sqrt(prod(sizes))
    return MOVED * max(sizes)
