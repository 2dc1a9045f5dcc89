"""Sizes as numbers: what `X.shape[0]` is while its value is not known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from ..dims import Dim
from ..errors import TraceError
from .record import at_least, demanded, fail
from .registry import call, function_name, spelled_name

WAYS_OUT = (
    "use tj.eye, tj.ones, tj.zeros or tj.arange, which take symbolic sizes, np.sqrt instead of math.sqrt, "
    "or trace with a fixed size."
)


def size_number(dim: Dim) -> int | SizeNumber:
    """The size as a plain number where it is fixed."""
    return dim.value if dim.value is not None else SizeNumber(dim)


def is_whole(value: object) -> bool:
    """Whether a value can serve as a size or a position."""
    return isinstance(value, SizeNumber | int | np.integer) and not isinstance(value, bool)


def dim_of(value: Any, what: str = "a size") -> Dim:
    """The size that a number stands for."""
    if isinstance(value, SizeNumber):
        return value.dim
    if is_whole(value):
        return Dim.of(int(value))
    fail(
        TraceError,
        f"{what} is a whole number, and this one is of type {type(value).__name__}",
        "divide sizes by // instead of /, and pass whole numbers.",
    )


def product_of(dims: Iterable[Dim]) -> Dim:
    """The product of sizes."""
    return math.prod(dims, start=Dim.of(1))


class SizeNumber:
    """A symbolic size. Arithmetic that leaves the whole numbers gives a traced scalar.

    >>> n = SizeNumber(Dim.of("n"))
    >>> n + 1, 2 * n // 2 == n, n > 0
    (n + 1, True, True)
    """

    __slots__ = ("dim",)

    def __init__(self, dim: Dim) -> None:
        self.dim = dim

    def __repr__(self) -> str:
        return str(self.dim)

    # Arithmetic

    def __add__(self, other: Any) -> Any:
        return self._join(other, lambda a, b: a + b, "add")

    def __radd__(self, other: Any) -> Any:
        return self._join(other, lambda a, b: b + a, "add", swapped=True)

    def __sub__(self, other: Any) -> Any:
        return self._join(other, lambda a, b: a - b, "subtract")

    def __rsub__(self, other: Any) -> Any:
        return self._join(other, lambda a, b: b - a, "subtract", swapped=True)

    def __mul__(self, other: Any) -> Any:
        return self._join(other, lambda a, b: a * b, "multiply")

    def __rmul__(self, other: Any) -> Any:
        return self._join(other, lambda a, b: b * a, "multiply", swapped=True)

    def __floordiv__(self, other: Any) -> Any:
        return self._join(other, lambda a, b: a // b, "floor_divide")

    def __rfloordiv__(self, other: Any) -> Any:
        return self._join(other, lambda a, b: b // a, "floor_divide", swapped=True)

    def __mod__(self, other: Any) -> Any:
        return self._join(other, lambda a, b: a - b * (a // b), "remainder")

    def __rmod__(self, other: Any) -> Any:
        return self._join(other, lambda a, b: b - a * (b // a), "remainder", swapped=True)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __truediv__(self, other: Any) -> Any:
        return _calculated("divide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _calculated("divide", other, self)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int | np.integer) and other >= 0:
            return size_number(self.dim ** int(other))
        return _calculated("power", self, other)

    def __rpow__(self, other: Any) -> Any:
        return _calculated("power", other, self)

    def __neg__(self) -> Any:
        return size_number(-self.dim)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __round__(self, digits: int = 0) -> Any:
        return self

    def _join(self, other: Any, operation: Callable[[Dim, Dim], Dim], name: str, swapped: bool = False) -> Any:
        if is_whole(other):
            return size_number(operation(self.dim, dim_of(other)))
        return _calculated(name, other, self) if swapped else _calculated(name, self, other)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            name = spelled_name(ufunc.__name__)
            fail(TraceError, f"{name}.{method} takes an array, and a size is none", f"use {name} itself.")
        name = ufunc.__name__
        if name in _WHOLE and not kwargs and all(map(is_whole, inputs)):
            return size_number(_WHOLE[name](*map(dim_of, inputs)))
        return call(name, *inputs, **kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        return call(function_name(function), *args, **kwargs)

    # Comparisons

    def __eq__(self, other: object) -> Any:
        if not (is_whole(other) or isinstance(other, float)):
            return call("equal", self, other) if _is_array(other) else NotImplemented
        if isinstance(other, float):
            if not other.is_integer():
                return False
            other = int(other)
        difference = self.dim - dim_of(other)
        if difference.value is not None:
            return difference.value == 0
        if at_least(difference) and at_least(-difference):
            return True
        if at_least(difference, 1) or at_least(-difference, 1):
            return False
        _undecided(self, "==", other)

    def __ne__(self, other: object) -> Any:
        if _is_array(other):
            return call("not_equal", self, other)
        same = self.__eq__(other)
        return same if same is NotImplemented else not same

    def __lt__(self, other: Any) -> Any:
        return self._ordered(other, "less", "<")

    def __le__(self, other: Any) -> Any:
        return self._ordered(other, "less_equal", "<=")

    def __gt__(self, other: Any) -> Any:
        return self._ordered(other, "greater", ">")

    def __ge__(self, other: Any) -> Any:
        return self._ordered(other, "greater_equal", ">=")

    def _ordered(self, other: Any, name: str, sign: str) -> Any:
        if _is_array(other):
            return call(name, self, other)
        if isinstance(other, float):
            if math.isnan(other):
                return False
            if math.isinf(other):
                return (other > 0) == (sign in ("<", "<="))
            # of whole numbers, n > 2.5 is n > 2, and n < 2.5 is n < 3
            bound = math.floor(other) if sign in (">", "<=") else math.ceil(other)
        elif is_whole(other):
            bound = other
        else:
            return NotImplemented
        difference = self.dim - dim_of(bound)
        strict = int(sign in ("<", ">"))
        if sign in ("<", "<="):
            difference = -difference
        if at_least(difference, strict):
            return True
        if at_least(-difference, 1 - strict):
            return False
        _undecided(self, sign, other)

    def __bool__(self) -> bool:
        return bool(self != 0)

    # What would need the number itself

    def __index__(self) -> int:
        return self._demanded("a whole number")

    def __int__(self) -> int:
        return self._demanded("an int")

    def __float__(self) -> float:
        return self._demanded("a float")

    def __complex__(self) -> complex:
        return self._demanded("a complex number")

    def __hash__(self) -> int:
        demanded(
            f"the size {self} is symbolic, and a dict, a set or a cache looks for its number",
            "calculate with the size, or trace with a fixed one.",
        )

    def _demanded(self, kind: str) -> NoReturn:
        demanded(f"the size {self} is symbolic, and {kind} is demanded of it", WAYS_OUT)


_WHOLE: dict[str, Callable[..., Dim]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "floor_divide": lambda a, b: a // b,
    "negative": lambda a: -a,
    "square": lambda a: a * a,
}


def _is_array(value: object) -> bool:
    # a list is none: a list times a number is the list repeated
    return hasattr(value, "__array_ufunc__") and not isinstance(value, SizeNumber | np.generic)


def _calculated(name: str, left: Any, right: Any) -> Any:
    numbers = SizeNumber | int | float | Fraction | np.generic
    if all(isinstance(value, numbers) or _is_array(value) for value in (left, right)):
        return call(name, left, right)
    return NotImplemented


def _undecided(left: SizeNumber, sign: str, right: Any) -> NoReturn:
    fail(
        TraceError,
        f"whether {left} {sign} {right} is not known while sizes are symbolic",
        "give both axes one name if their sizes are the same, or trace with fixed sizes."
        if isinstance(right, SizeNumber)
        else "write the function for all sizes, or trace with a fixed size.",
    )
