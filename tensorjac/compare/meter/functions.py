"""The other functions of NumPy that generated source calls, and NumPy itself with arrays that are counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .arrays import FUNCTIONS, Counted, layout
from .ledger import Ledger

Shape = int | Sequence[int]


class CountedNumpy:
    """NumPy, with new arrays that have no elements."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Shape, dtype: Any = float) -> Counted:
        return Counted.new(self._ledger, (shape,) if isinstance(shape, int) else shape, dtype)

    def zeros(self, shape: Shape, dtype: Any = float) -> Counted:
        return self._filled(self.empty(shape, dtype))

    def ones(self, shape: Shape, dtype: Any = float) -> Counted:
        return self._filled(self.empty(shape, dtype))

    def full(self, shape: Shape, value: Any, dtype: Any = None) -> Counted:
        return self._filled(self.empty(shape, dtype or np.result_type(value)))

    def eye(self, size: int, dtype: Any = float) -> Counted:
        return self._filled(self.empty((size, size), dtype))

    def arange(self, size: int, dtype: Any = int) -> Counted:
        return self._filled(self.empty((size,), dtype))

    def broadcast_to(self, array: Any, shape: Shape) -> Counted:
        if isinstance(array, Counted):
            return array.view(np.broadcast_to(array.shadow, shape))
        number = Counted.given(self._ledger, np.shape(array), np.result_type(array))
        return number.view(np.broadcast_to(number.shadow, shape))

    def ndarray(self, shape: Sequence[int], _: Any, buffer: Counted, start: int, strides: Sequence[int]) -> Counted:
        """A view with strides of its own."""
        return buffer.view(as_strided(buffer.shadow, shape, strides))

    def ascontiguousarray(self, array: Counted) -> Counted:
        return array if array.flags.c_contiguous else array.copy()

    def _filled(self, array: Counted) -> Counted:
        array.note("zeros", 0, 0, array.bytes, array.bytes)
        return array


def _where(ledger: Ledger, condition: Any, a: Any, b: Any) -> Counted:
    parts = (condition, a, b)
    shape = np.broadcast_shapes(*map(np.shape, parts))
    result = Counted.new(ledger, shape, np.result_type(*map(_kind, (a, b))), layout(parts, shape))
    read = sum(x.bytes for x in parts if isinstance(x, Counted))
    result.note("elementwise", result.size, read, result.bytes, result.bytes)
    return result


def _kind(x: Any) -> Any:
    """What counts for the dtype of a result: numbers of Python's own take on that of what they meet."""
    return x.dtype if isinstance(x, Counted) else x


def _result_type(ledger: Ledger, *arrays: Any) -> np.dtype[Any]:
    return np.result_type(*map(_kind, arrays))


def _concatenate(ledger: Ledger, arrays: Sequence[Counted], axis: int = 0) -> Counted:
    shape = list(arrays[0].shape)
    shape[axis] = sum(array.shape[axis] for array in arrays)
    result = Counted.new(ledger, shape, np.result_type(*map(_kind, arrays)))
    result.note("copy", 0, sum(array.bytes for array in arrays), result.bytes, result.bytes)
    return result


def _view(function: Callable[..., Any]) -> Callable[..., Counted]:
    return lambda ledger, array, *args, **kwargs: array.view(function(array.shadow, *args, **kwargs))


def _matrices(flops: Callable[[int], float], kept: int, results: int = 1) -> Callable[..., Any]:
    """A function of square matrices in the last two axes, of which ``kept`` remain in each result."""

    def count(ledger: Ledger, array: Counted) -> Any:
        n = array.shape[-1]
        found = [Counted.new(ledger, array.shape[: array.ndim - 2 + kept], array.dtype) for _ in range(results)]
        written = sum(result.bytes for result in found)
        found[0].note("linalg", prod(array.shape[:-2]) * flops(n), array.bytes, written, written)
        return found[0] if results == 1 else tuple(found)

    return count


def _solve(ledger: Ledger, matrix: Counted, right: Counted) -> Counted:
    n, batch = matrix.shape[-1], prod(matrix.shape[:-2])
    columns = right.shape[-1] if right.ndim > 1 else 1
    result = Counted.new(ledger, right.shape, np.result_type(matrix.dtype, right.dtype))
    flops = batch * (2 * n**3 / 3 + 2 * n**2 * columns)
    result.note("linalg", flops, matrix.bytes + right.bytes, result.bytes, result.bytes)
    return result


def _pseudo_inverse(ledger: Ledger, array: Counted) -> Counted:
    """By the singular value decomposition, whose operations are counted as Golub and Van Loan do."""
    *batch, m, n = array.shape
    result = Counted.new(ledger, (*batch, n, m), array.dtype)
    short, long = sorted((m, n))
    flops = prod(batch) * (6 * long * short**2 + 20 * short**3)
    result.note("linalg", flops, array.bytes, result.bytes, result.bytes)
    return result


class _Svd(NamedTuple):
    U: Counted
    S: Counted
    Vh: Counted


def _svd(ledger: Ledger, array: Counted) -> _Svd:
    *batch, m, n = array.shape
    found = [Counted.new(ledger, (*batch, *shape), array.dtype) for shape in ((m, m), (min(m, n),), (n, n))]
    short, long = sorted((m, n))
    written = sum(result.bytes for result in found)
    found[0].note("linalg", prod(batch) * (6 * long * short**2 + 20 * short**3), array.bytes, written, written)
    return _Svd(*found)


def _passed(ledger: Ledger, array: Counted, *args: Any, **kwargs: Any) -> Counted:
    """A function that goes once over an array, and whose result is as large."""
    result = Counted.new(ledger, array.shape, array.dtype)
    result.note("elementwise", array.size, array.bytes, result.bytes, result.bytes)
    return result


def _reduction(ledger: Ledger, array: Counted, axis: Any = None, keepdims: bool = False) -> Counted:
    return array.reduced(axis, keepdims)


FUNCTIONS.update(
    {
        np.where: _where,
        np.result_type: _result_type,
        np.concatenate: _concatenate,
        np.trace: lambda ledger, array: FUNCTIONS[np.diagonal](ledger, array).reduced(None, False),
        np.linalg.solve: _solve,
        np.linalg.inv: _matrices(lambda n: 2 * n**3, 2),
        np.linalg.det: _matrices(lambda n: 2 * n**3 / 3, 0),
        np.linalg.slogdet: _matrices(lambda n: 2 * n**3 / 3, 0, 2),
        np.linalg.cholesky: _matrices(lambda n: n**3 / 3, 2),
        np.linalg.pinv: _pseudo_inverse,
        np.linalg.svd: _svd,
        **dict.fromkeys((np.cumsum, np.tril, np.triu), _passed),
        np.shape: lambda ledger, array: array.shape,
        np.ndim: lambda ledger, array: array.ndim,
        **dict.fromkeys((np.sum, np.max, np.min, np.mean, np.prod, np.any, np.all), _reduction),
        **{f: _view(f) for f in (np.transpose, np.swapaxes, np.moveaxis, np.broadcast_to, np.expand_dims, np.squeeze)},
        **{f: _view(f) for f in (np.flip, np.diagonal, np.matrix_transpose, np.lib.stride_tricks.sliding_window_view)},
    }
)
