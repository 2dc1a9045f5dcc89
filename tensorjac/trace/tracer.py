"""The traced array: NumPy's protocols, operators, methods and attributes, recorded as an expression."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NoReturn
from weakref import ref

import numpy as np

from ..errors import TraceError
from ..rewrites import substitute
from ..terms import ONE, Index, Slot, Sum, constant_slot
from .record import Record, fail, running, spelled
from .registry import call, function_name, numpy_namespace, spelled_name, ufunc_name, unsupported
from .symbolic import Symbolic, described

Kind = Literal["b", "i", "f"]  # masks, whole numbers, and everything else

_DTYPES: dict[Kind, type] = {"b": np.bool_, "i": np.int64, "f": np.float64}


class Memory:
    """What arrays that share memory share: who owns it, and what happened to it."""

    __slots__ = ("changed", "owner", "record", "source", "version")

    def __init__(self, record: Record | None, source: str | None = None) -> None:
        self.record = record
        self.source = source  # the input that this memory belongs to
        self.owner: ref[Tracer] | None = None
        self.version = 0
        self.changed = ""


class Tracer(Symbolic):
    """An array whose entries are not known: named axes and an expression over them.

    An axis whose index the expression does not mention is a broadcast one. ``memory`` is that of the array
    that this one is a view of.
    """

    __slots__ = ("__weakref__", "_memory", "_seen", "_writable", "kind")

    kind: Kind

    def __init__(
        self,
        axes: Sequence[Index],
        body: Sum,
        kind: Kind = "f",
        memory: Memory | None = None,
        writable: bool = True,
    ) -> None:
        self.axes = tuple(axes)
        self.body = body
        self.kind = kind
        self._writable = writable
        if memory is None:
            memory = Memory(running())
            memory.owner = ref(self)
        self._memory = memory
        self._seen = memory.version

    def alias(self, axes: Sequence[Index], body: Sum, writable: bool = True) -> Tracer:
        """Another array with the same memory."""
        self.current()
        return Tracer(axes, body, self.kind, self._memory, writable and self._writable)

    def current(self) -> Tracer:
        """This array, if it still holds what its expression says."""
        if self._memory.record is not running():
            fail(
                TraceError,
                f"{described(self)} belongs to another run of a traced function",
                "pass it to the function as an argument; keep no arrays from one run for the next.",
            )
        if self._seen != self._memory.version:
            fail(
                TraceError,
                f"{described(self)} shares memory with an array that was changed in place"
                f"{self._memory.changed}, and so has changed, too",
                "write y = y + x instead of y += x, or take the view as a .copy() before.",
            )
        return self

    def over(self, axes: Sequence[Index]) -> Sum:
        """The expression over other axes."""
        mapping = renaming(self.axes, axes)
        return substitute(self.body, mapping) if mapping else self.body

    def __repr__(self) -> str:
        return f"Tracer(shape={spelled(self.shape)})"

    # Attributes

    @property
    def dtype(self) -> np.dtype[Any]:
        """Whether there are floats, whole numbers or truth values; the precision is that of the arguments of a call."""
        return np.dtype(_DTYPES[self.kind])

    @property
    def T(self) -> Tracer:
        return self.alias(self.axes[::-1], self.body)

    @property
    def mT(self) -> Any:
        return call("matrix_transpose", self)

    @property
    def real(self) -> Any:
        return self

    def __getattr__(self, name: str) -> NoReturn:
        if not name.startswith("_") and hasattr(np.ndarray, name):
            unsupported(f"the attribute .{name} of a traced array", name)
        raise AttributeError(f"a traced array has no attribute {name!r}")

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc_name(ufunc)
        if method == "__call__":
            return call(name, *inputs, **kwargs)
        if method == "reduce" and name in _REDUCTIONS:
            return call(_REDUCTIONS[name], *inputs, **{"axis": 0, **kwargs} if len(inputs) < 2 else kwargs)
        if method == "accumulate" and name == "add":
            return call("cumsum", *inputs, **{"axis": 0, **kwargs} if len(inputs) < 2 else kwargs)
        if method == "outer" and name in numpy_namespace:
            left, right = (call("positive", value) for value in inputs)
            return call(name, left[(..., *[None] * right.ndim)], right, **kwargs)
        unsupported(f"{spelled_name(name)}.{method}", name)

    def __array_function__(
        self,
        function: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        return call(function_name(function), *args, **kwargs)

    # Operators

    def __getitem__(self, key: Any) -> Any:
        return call("getitem", self, key)

    def __pos__(self) -> Any:
        return call("positive", self)

    def __neg__(self) -> Any:
        return call("negative", self)

    def __abs__(self) -> Any:
        return call("absolute", self)

    def __invert__(self) -> Any:
        return call("invert", self)

    def __round__(self, digits: int = 0) -> Any:
        return call("round", self)

    def conj(self) -> Tracer:
        return self

    conjugate = conj

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        return call("astype", self, dtype, copy=copy)

    def transpose(self, *axes: Any) -> Any:
        return call("transpose", self, _bare(axes))

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        return call("reshape", self, _bare(shape), order=order)

    def copy(self, order: str = "C") -> Any:
        return call("copy", self)

    def flatten(self, order: str = "C") -> Any:
        return call("copy", call("ravel", self, order=order))

    __hash__ = None  # type: ignore[assignment]


_REDUCTIONS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}


def _bare(values: tuple[Any, ...]) -> Any:
    """What a method with ``*values`` means: ``f((a, b))`` is ``f(a, b)``, and ``f()`` passes nothing."""
    return values[0] if len(values) == 1 else values or None


def renaming(own: Sequence[Index], target: Sequence[Index]) -> dict[Index, Slot]:
    """The substitution that reads an array at other axes; an axis of size 1 is read at its only entry."""
    return {
        mine: constant_slot(0) if mine.dim is ONE and theirs.dim is not ONE else theirs
        for mine, theirs in zip(own, target, strict=True)
        if mine is not theirs
    }
