"""Arrays that have a shape, strides and a dtype, and no elements."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from math import prod
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.lib.stride_tricks import as_strided

from ...errors import UnsupportedError
from .ledger import Buffer, Kind, Ledger, Operation

# How functions and ufuncs of NumPy are counted, by the function; filled by the modules beside this one.
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
UFUNCS: dict[str, Callable[..., Any]] = {}


class Counted(NDArrayOperatorsMixin):
    """An array without elements. ``shadow`` is an ndarray of its shape and strides over the memory of one element."""

    __slots__ = ("buffer", "ledger", "owns", "shadow", "temporary")

    shadow: np.ndarray[Any, Any]

    def __init__(self, ledger: Ledger, shadow: np.ndarray[Any, Any], buffer: Buffer, owns: bool) -> None:
        self.ledger = ledger
        self.shadow = shadow
        self.buffer = buffer
        self.owns = owns
        self.temporary = False

    @classmethod
    def new(cls, ledger: Ledger, shape: Sequence[int], dtype: Any, order: Sequence[int] | None = None) -> Counted:
        """A new array; ``order`` are its axes, that of the widest stride first."""
        dtype = np.dtype(dtype)
        step, strides = dtype.itemsize, [0] * len(shape)
        for axis in reversed(order if order is not None else range(len(shape))):
            strides[axis] = step
            step *= max(shape[axis], 1)
        shadow = as_strided(np.zeros(1, dtype), tuple(shape), strides)
        return cls(ledger, shadow, Buffer(ledger, prod(shape) * dtype.itemsize), True)

    @classmethod
    def given(cls, ledger: Ledger, shape: Sequence[int], dtype: Any) -> Counted:
        """An argument: its memory is not the routine's."""
        array = cls.new(Ledger(), shape, dtype)
        array.ledger = ledger
        return array

    def view(self, shadow: np.ndarray[Any, Any]) -> Counted:
        self.note("view", 0, 0, 0)
        return Counted(self.ledger, shadow, self.buffer, False)

    def note(self, kind: Kind, flops: float, read: float, written: float, fresh: float = 0, **more: Any) -> None:
        self.ledger.operations.append(Operation(kind, flops, read, written, fresh, **more))

    # What NumPy asks for

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        kind = method if method != "__call__" else "gufunc" if ufunc.signature else "elementwise"
        if kind not in UFUNCS:
            raise UnsupportedError(
                f"np.{ufunc.__name__}.{method} is not counted: the columns that need counts stay empty."
            )
        return UFUNCS[kind](self.ledger, ufunc, *inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in FUNCTIONS:
            raise UnsupportedError(f"np.{function.__name__} is not counted: the columns that need counts stay empty.")
        return FUNCTIONS[function](self.ledger, *args, **kwargs)

    # What an ndarray has

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.shadow.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        kind: np.dtype[Any] = self.shadow.dtype
        return kind

    @property
    def ndim(self) -> int:
        return self.shadow.ndim

    @property
    def size(self) -> int:
        return self.shadow.size

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(self.shadow.strides)

    @property
    def flags(self) -> Any:
        return self.shadow.flags

    @property
    def T(self) -> Counted:
        return self.view(self.shadow.T)

    @property
    def mT(self) -> Counted:
        return self.view(self.shadow.mT)

    @property
    def bytes(self) -> int:
        """How many bytes of memory its elements lie in: those of a broadcast axis are one and the same."""
        steps = zip(self.shape, self.shadow.strides, strict=True)
        return prod(size for size, stride in steps if stride) * self.dtype.itemsize if self.size else 0

    def transpose(self, *order: Any) -> Counted:
        return self.view(self.shadow.transpose(*order))

    def swapaxes(self, a: int, b: int) -> Counted:
        return self.view(self.shadow.swapaxes(a, b))

    def reshape(self, *shape: Any) -> Counted:
        """A view where the strides allow it, else a copy."""
        given = shape[0] if len(shape) == 1 else shape
        wanted = [given] if isinstance(given, int) else list(given)
        if -1 in wanted:
            wanted[wanted.index(-1)] = self.size // max(-prod(wanted), 1)
        # NumPy is not asked: where the strides do not allow it, it would copy elements that are not there
        return self.view(self.shadow.reshape(wanted)) if is_view(self.shadow, wanted) else self.copy().reshape(wanted)

    def ravel(self) -> Counted:
        return self.reshape(-1)

    def copy(self) -> Counted:
        return self._copied(self.dtype, None)

    def astype(self, dtype: Any) -> Counted:
        return self._copied(dtype, layout([self], self.shape))

    def _copied(self, dtype: Any, order: Sequence[int] | None) -> Counted:
        result = Counted.new(self.ledger, self.shape, dtype, order)
        self.note("copy", 0, self.bytes, result.bytes, result.bytes, across=across([self, result], self.shape))
        return result

    def dot(self, other: Any, out: Any = None) -> Any:
        return FUNCTIONS[np.dot](self.ledger, self, other, out)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Counted:
        return self.reduced(axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Counted:
        return self.reduced(axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Counted:
        return self.reduced(axis, keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Counted:
        return self.reduced(axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Counted:
        return self.reduced(axis, keepdims)

    def reduced(self, axis: Any, keepdims: bool = False, dtype: Any = None) -> Counted:
        """One operation for each element, along axes that go."""
        given = range(self.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        gone = {place % self.ndim for place in given}
        shape = [1 if k in gone else n for k, n in enumerate(self.shape) if keepdims or k not in gone]
        kind = dtype or (np.dtype(np.intp) if self.dtype.kind == "b" else self.dtype)
        result = Counted.new(self.ledger, shape, kind)
        loops = stretches([self], self.shape, gone)
        self.note("sum", self.size, self.bytes, result.bytes, result.bytes, loops=loops)
        return result

    def __getattr__(self, name: str) -> NoReturn:
        raise UnsupportedError(f"{name} of an array is not counted: the columns that need counts stay empty.")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, items: Any) -> Counted:
        if not _advanced(items):
            # Ellipsis keeps a single element an array
            parts = items if isinstance(items, tuple) else (items,)
            return self.view(self.shadow[parts if Ellipsis in parts else (*parts, ...)])
        result = Counted.new(self.ledger, positions(self, items), self.dtype)
        self.note("copy", 0, result.bytes, result.bytes, result.bytes)
        return result

    def __setitem__(self, items: Any, value: Any) -> None:
        region = self.view(self.shadow[...]) if items is Ellipsis else self[items]
        read = value.bytes if isinstance(value, Counted) else 0
        if not (isinstance(value, Counted) and value.buffer is self.buffer):
            turned = across([value, region], region.shape) if isinstance(value, Counted) else False
            self.note("copy", 0, read, region.size * self.dtype.itemsize, across=turned)


def layout(inputs: Sequence[Any], shape: Sequence[int]) -> list[int]:
    """The axes of a new array, that of the widest stride first, as NumPy sorts them: as in the operands.

    Where these do not agree, an axis in front of another is the wider one.
    """
    strides = [np.broadcast_to(x.shadow, shape).strides for x in inputs if isinstance(x, Counted)]
    inner: list[int] = []  # that of the smallest stride first
    for axis in reversed(range(len(shape))):
        place = len(inner)
        for k in reversed(range(len(inner))):
            compared = [(abs(s[inner[k]]), abs(s[axis])) for s in strides if s[axis] and s[inner[k]]]
            if any(before <= own for before, own in compared):
                break
            place = k if compared else place
        inner.insert(place, axis)
    return inner[::-1]


def across(arrays: Sequence[Any], shape: Sequence[int]) -> bool:
    """Whether matrices that are gone through together lie differently: what is next in one is far away in another."""
    inner = set()
    for strides in (np.broadcast_to(x.shadow, shape).strides for x in arrays if isinstance(x, Counted)):
        moving = [(abs(stride), axis) for axis, stride in enumerate(strides) if stride and shape[axis] > 1]
        if len(moving) > 1:
            inner.add(min(moving)[1])
    return len(inner) > 1


def stretches(arrays: Sequence[Any], shape: Sequence[int], apart: Container[int] = ()) -> float:
    """In how many loops arrays are gone through together: axes are one where each array's are, and both are ``apart``.

    >>> ledger = Ledger()
    >>> whole, part = (Counted.given(ledger, (50, 8), float)[:, :width] for width in (8, 4))
    >>> stretches([whole], (50, 8)), stretches([part, part], (50, 4)), stretches([whole], (50, 8), {1})
    (1.0, 50.0, 50.0)
    """
    held = [x for x in arrays if isinstance(x, Counted)]
    strides = [np.broadcast_to(x.shadow, shape).strides for x in held]
    long = [axis for axis in layout(held, shape) if shape[axis] > 1]
    run = shape[long[-1]] if long else 1
    for outer, inner in zip(long[-2::-1], long[:0:-1], strict=True):
        joined = all(s[outer] == s[inner] * shape[inner] for s in strides)
        if not joined or (outer in apart) is not (inner in apart):
            break
        run *= shape[outer]
    return prod(shape) / run


def positions(array: Counted, items: Any) -> tuple[int, ...]:
    """The shape of what is read at positions."""
    return tuple(np.broadcast_to(np.False_, array.shape)[_places(items)].shape)


def _advanced(items: Any) -> bool:
    parts = items if isinstance(items, tuple) else (items,)
    return any(isinstance(part, Counted | np.ndarray | list) for part in parts)


def _places(items: Any) -> tuple[Any, ...]:
    """The same index, arrays of positions without elements all zero."""
    parts = items if isinstance(items, tuple) else (items,)
    return tuple(np.broadcast_to(np.intp(0), p.shape) if isinstance(p, Counted) else p for p in parts)


def is_view(array: np.ndarray[Any, Any], shape: Sequence[int]) -> bool:
    """Whether an array can be read in another shape, of as many elements, without a copy.

    >>> is_view(np.zeros((2, 3)), (6,)), is_view(np.zeros((2, 3)).T, (6,)), is_view(np.zeros((2, 3)).T, (3, 1, 2))
    (True, False, True)
    """
    runs: list[tuple[int, int]] = []  # axes that are one with those after them: how many elements, how far apart
    for size, stride in zip(array.shape, array.strides, strict=True):
        if size == 1:
            continue
        joins = bool(runs) and runs[-1][1] == size * stride
        runs.append((runs.pop()[0] * size if joins else size, stride))
    left = list(shape)
    for length, _ in runs if array.size else ():
        while length > 1:
            size = left.pop(0)
            if length % size:
                return False
            length //= size
    return True
