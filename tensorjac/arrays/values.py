"""What an array operation is: its kind, its operands, its shape; and where assignments write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..dims import Dim
from ..terms import ONE

Shape = tuple[Dim, ...]

# The place of what depends on no argument, after all arguments; and how many places of arguments a value knows.
LAST = (1 << 30,)
KNOWN = 3

# How tightly the text of an operation binds, as in Python.
COMPARING, ADDITIVE, MULTIPLICATIVE, UNARY, POWER, ATOM = range(6)

# Views and scalars: written again wherever they are used, because naming them would say nothing.
FREE = frozenset({"name", "scalar", "transpose", "expand", "select"})


class Value:
    """An operation: its kind, its operands, and what else it needs to be written down."""

    __slots__ = ("args", "detail", "first", "hint", "kind", "mask", "shape", "weak")

    kind: str
    args: tuple[Value, ...]
    detail: Any
    shape: tuple[Dim, ...]  # 1 where an axis is there for broadcasting only
    mask: bool  # boolean in NumPy: must meet a float before it is scaled or added
    hint: str  # what a person would call it
    first: tuple[int, ...]  # which arguments of the function are the first that it depends on
    weak: bool  # a Python number, which takes on the dtype of what it meets

    def __init__(
        self, kind: str, args: tuple[Value, ...], detail: Any, shape: Shape, mask: bool = False, hint: str = ""
    ) -> None:
        self.kind = kind
        self.args = args
        self.detail = detail
        self.shape = shape
        self.hint = hint
        self.first = _first([arg.first for arg in args])
        self.weak = kind == "scalar" or (not shape and bool(args) and all(arg.weak for arg in args))
        self.mask = mask and not self.weak

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"{self.kind}{self.detail or ''}{self.args!r}"


def _first(places: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The first arguments of those that several values depend on."""
    if all(each is places[0] for each in places):
        return places[0] if places else LAST
    return tuple(sorted(set().union(*places))[:KNOWN])


@dataclass(frozen=True)
class Walk:
    """Steps at which an assignment is repeated: loops, each a variable and its size, and what is read at each step.

    A cut is where an axis is read at a step, the extent of an index that is added to this, and the size of the axis:
    the index runs only from ``{first}`` to ``{last}``, where the sum is in range.
    """

    loops: tuple[tuple[str, str], ...]
    cuts: tuple[tuple[str, str, str], ...]
    reads: str


@dataclass(frozen=True)
class Write:
    """One assignment into an array being filled: where, what, whether it adds, and at which steps it is repeated.

    ``diagonal``: for each axis of a view of the whole array, along which axes of that it runs at once.
    """

    target: str
    adds: bool
    walk: Walk | None = None
    diagonal: tuple[tuple[int, ...], ...] | None = None


def broadcast_shape(values: Iterable[Value], *shapes: Shape) -> Shape:
    """The shape of an elementwise operation: axes count from the last, and 1 gives way."""
    found: list[Dim] = []
    for shape in [*(value.shape for value in values), *shapes]:
        front = len(shape) - len(found)
        if front > 0:
            found[:0] = shape[:front]
        for k, dim in enumerate(shape[max(front, 0) :], start=abs(front)):
            if found[k] is ONE:
                found[k] = dim
    return tuple(found)


def negative(value: Value) -> bool:
    """Whether the text of the value begins with a minus sign that could go."""
    return value.kind in ("scale", "scalar") and value.detail.value < 0
