"""The constructors of array operations, which fold what costs nothing to fold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..primitives import PRIMITIVES
from ..terms import ONE, Number, number, scaled
from .scalars import Scalar
from .values import LAST, Shape, Value, Write, broadcast_shape, negative


@dataclass
class Values:
    """The table in which equal values are one object."""

    known: dict[tuple[Any, ...], Value] = field(default_factory=dict)
    # values that are used in several places, and so are not turned round in one of them
    pinned: set[int] = field(default_factory=set)

    def make(
        self,
        kind: str,
        args: Sequence[Value],
        detail: Any,
        shape: Shape | None = None,
        mask: bool = False,
        hint: str = "",
    ) -> Value:
        """The operation on these values; elementwise where no shape is given."""
        if shape is None:
            shape = broadcast_shape(args)
        key = (kind, tuple(map(id, args)), detail, shape)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = Value(kind, tuple(args), detail, shape, mask, hint)
        return found

    # Leaves

    def name(self, text: str, shape: Shape, mask: bool = False, place: tuple[int, ...] = LAST) -> Value:
        """An argument, by its place, or a constant."""
        found = self.make("name", (), text, shape, mask)
        found.first = place
        return found

    def scalar(self, scalar: Scalar) -> Value:
        return self.make("scalar", (), scalar)

    # Views

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        """The axes of ``value`` in the order ``order``."""
        order = tuple(order)
        if value.kind == "transpose":
            order = tuple(value.detail[k] for k in order)
            value = value.args[0]
        if order == tuple(range(value.rank)) or (order == (1, 0) and _is_symmetric(value)):
            return value
        if self._opens(value):
            return self._scaled(self.transpose(value.args[0], order), value.detail)
        return self.make("transpose", (value,), order, tuple(value.shape[k] for k in order), value.mask)

    def expand(self, value: Value, places: Sequence[bool]) -> Value:
        """``value`` with axes of size 1 where ``places`` is False; those in front need not be written."""
        places = tuple(places)
        while places and not places[0]:
            places = places[1:]
        if all(places):
            return value
        if value.kind == "scale" and value.detail.value < 0:
            return self.negated(self.expand(self.negated(value), places))
        own = iter(value.shape)
        return self.make("expand", (value,), places, tuple(next(own) if place else ONE for place in places), value.mask)

    def select(self, value: Value, items: Sequence[str], shape: Shape) -> Value:
        """Basic indexing: one text per axis, an integer where the axis goes."""
        items = tuple(items)
        while items and items[-1] == ":":
            items = items[:-1]
        if not items:
            return value
        return self.make("select", (value,), items, shape, value.mask)

    # Arithmetic

    def multiply(self, a: Value, b: Value) -> Value:
        if a.kind == "scalar" and b.kind == "scalar":
            return self.scalar(a.detail.times(b.detail))
        for one, other in ((a, b), (b, a)):
            if one.kind == "scalar":
                return self._scaled(other, one.detail)
        if self._opens(a):
            return self._scaled(self.multiply(a.args[0], b), a.detail)
        if self._opens(b):
            return self._scaled(self.multiply(a, b.args[0]), b.detail)
        if "expand" in (a.kind, b.kind) and a.kind != b.kind and (b if a.kind == "expand" else a).rank == 0:
            a, b = (a, b) if b.kind == "expand" else (b, a)
            return self.expand(self.multiply(b.args[0], a), b.detail)
        # a mask times a Python number would be an array of whole numbers or of double precision
        if a.weak or b.weak:
            a, b = self.floating(a), self.floating(b)
        return self.make("multiply", (a, b), None, mask=a.mask and b.mask, hint="prod")

    def _opens(self, value: Value) -> bool:
        """Whether a number by which an array is scaled goes on to what is made of it: not where several need both."""
        return value.kind == "scale" and (id(value) not in self.pinned or value.detail.value < 0)

    def _scaled(self, value: Value, by: Scalar) -> Value:
        # what is there already is subtracted, and not scaled anew with the other sign
        opens = by != Scalar(-1) or self._opens(value)
        if value.kind == "scale" and opens and scaled(by.value, value.detail.value) is not None:
            by = by.times(value.detail)
            value = value.args[0]
        if by.is_one:
            return value
        if value.kind == "scalar":
            return self.scalar(value.detail.times(by))
        if value.kind in ("cleared", "full"):
            inner = self._scaled(value.args[0], by)
            return self.make(value.kind, (inner,), value.detail, value.shape, hint=value.hint)
        if value.mask:
            value = self.floating(value)
        if by.value < 0:
            flipped = self._flipped(value)
            if flipped is not None:
                return self._scaled(flipped, by.negated)
        return self.make("scale", (value,), by, hint=value.hint)

    def _flipped(self, value: Value, depth: int = 4) -> Value | None:
        """The negated value where that costs nothing, because a difference near by can be turned round."""
        if not depth or id(value) in self.pinned:
            return None
        if value.kind == "subtract":
            return self.make("subtract", value.args[::-1], None, hint="diff")
        if value.kind in ("multiply", "divide", "matmul", "expand", "transpose", "sum"):
            for k, arg in enumerate(value.args):
                flipped = self._flipped(arg, depth - 1)
                if flipped is not None:
                    args = [flipped if n == k else other for n, other in enumerate(value.args)]
                    return self.make(value.kind, args, value.detail, value.shape, hint=value.hint)
        return None

    def floating(self, value: Value) -> Value:
        """A mask as numbers of the inputs' dtype."""
        return self.make("floating", (value,), None) if value.mask else value

    def divide(self, a: Value, b: Value) -> Value:
        if b.kind == "scalar":
            inverse = b.detail
            value = Fraction(1) / Fraction(inverse.value) if not isinstance(inverse.value, float) else 1 / inverse.value
            return self.multiply(
                a, self.scalar(Scalar(number(value), tuple((d, number(-p)) for d, p in inverse.sizes)))
            )
        if self._opens(b):
            return self.divide(self.divide(a, self.scalar(b.detail)), b.args[0])
        if self._opens(a):
            return self._scaled(self.divide(a.args[0], b), a.detail)
        if a.mask:
            a = self.floating(a)
        hint = "softmax" if a.hint == "exp" else "ratio"
        return self.make("divide", (a, b), None, hint=hint)

    def add(self, a: Value, b: Value) -> Value:
        """a + b, or a − (−b) where b is written with a minus sign."""
        a, b = self.floating(a), self.floating(b)
        if negative(a) and not negative(b):
            a, b = b, a
        if negative(b):
            return self.make("subtract", (a, self.negated(b)), None, hint="diff")
        return self.make("add", (a, b), None, hint="total")

    def negated(self, value: Value) -> Value:
        return self.multiply(value, self.scalar(Scalar(-1)))

    def power(self, value: Value, exponent: Number) -> Value:
        if value.kind == "scalar":
            scalar = value.detail
            if isinstance(exponent, int) and not scalar.sizes and scalar.value != 0:
                raised = (
                    Fraction(scalar.value) ** exponent
                    if not isinstance(scalar.value, float)
                    else scalar.value**exponent
                )
                return self.scalar(Scalar(number(raised)))
            if scalar.value == 1:
                return self.scalar(Scalar(1, tuple((d, number(p * exponent)) for d, p in scalar.sizes)))
        if exponent == 1:
            return value
        value = self.floating(value)
        if exponent == Fraction(1, 2):
            return self.call("np.sqrt({0})", (value,), hint="root")
        if value.rank and isinstance(exponent, int) and exponent > 2:
            # squaring is a multiplication in NumPy; other powers are logarithms and exponentials
            half = self.power(value, exponent // 2)
            return self.multiply(value, self.power(value, exponent - 1)) if exponent % 2 else self.power(half, 2)
        return self.make("power", (value,), exponent, hint=value.hint)

    # Everything else

    def call(
        self,
        template: str,
        args: Sequence[Value],
        shape: Shape | None = None,
        mask: bool = False,
        hint: str = "",
        names: Iterable[str] = (),
    ) -> Value:
        """A text with places for the arguments; a place that is a method call's object is marked ``{0.}``."""
        return self.make("call", args, (template, tuple(names)), shape, mask, hint)

    def matmul(self, a: Value, b: Value) -> Value:
        if self._opens(a):
            return self._scaled(self.matmul(a.args[0], b), a.detail)
        if self._opens(b):
            return self._scaled(self.matmul(a, b.args[0]), b.detail)
        a, b = self.floating(a), self.floating(b)
        stacked = broadcast_shape((), a.shape[:-2], b.shape[:-2])
        return self.make("matmul", (a, b), None, (*stacked, *a.shape[-2:-1], *b.shape[-1:][: b.rank - 1]), hint="M")

    def total(self, value: Value, axes: Sequence[int]) -> Value:
        """The sum over some axes."""
        if self._opens(value):
            return self._scaled(self.total(value.args[0], axes), value.detail)
        value = self.floating(value)
        kept = tuple(dim for k, dim in enumerate(value.shape) if k not in axes)
        return self.make("sum", (value,), tuple(sorted(axes)), kept, hint="total")

    def filled(self, shape: Shape, base: str, writes: Sequence[tuple[Write, Value]], hint: str = "") -> Value:
        """A new array of this shape, all ``base``, into which values are written."""
        values = [value for _, value in writes]
        return self.make("filled", values, (shape, base, tuple(w for w, _ in writes)), shape, hint=hint)

    def cleared(self, value: Value, along: int, axis: int, part: str) -> Value:
        """The array with zeros in a part of one axis, a slice that depends on the step ``{k}`` along another axis."""
        return self.make("cleared", (value,), (along, axis, part), value.shape, hint=value.hint)


# Functions of which a symmetric matrix makes a symmetric one.
SYMMETRIC = {row.source for row in PRIMITIVES.values() if row.elementwise or row.keeps_symmetry} | {"np.sqrt({0})"}
ENTRYWISE = frozenset({"add", "subtract", "multiply", "divide", "power", "scale", "floating"})


def _is_symmetric(value: Value, depth: int = 8) -> bool:
    """Whether a matrix equals its transpose by how it is made: from A @ A.T or A + A.T, entry by entry, by inverses."""
    if not value.rank:
        return True
    if value.rank != 2 or not depth:
        return False
    if value.kind in ("matmul", "add"):
        a, b = value.args
        if any(one.kind == "transpose" and one.args[0] is other for one, other in ((a, b), (b, a))):
            return True
    if value.kind in ENTRYWISE or (value.kind == "call" and value.detail[0] in SYMMETRIC):
        return all(_is_symmetric(arg, depth - 1) for arg in value.args)
    return False
