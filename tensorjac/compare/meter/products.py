"""Matrix products, inner products and einsums."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...errors import UnsupportedError
from .arrays import FUNCTIONS, UFUNCS, Counted
from .elementwise import result_dtype
from .ledger import Kind, Ledger


def matmul(ledger: Ledger, a: Counted, b: Counted, out: Any = None, kind: Kind = "product") -> Counted:
    """A product of matrices, or one for each element of the axes in front."""
    rows = a.shape[-2:-1] if a.ndim > 1 else ()
    columns = b.shape[-1:] if b.ndim > 1 else ()
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    inner = a.shape[-1]
    matrices = prod(batch), prod(rows), prod(columns), inner
    shape = (*batch, *rows, *columns)
    result: Counted = out[0] if out else Counted.new(ledger, shape, np.result_type(a.dtype, b.dtype))
    fresh = 0 if out else result.bytes
    more = {"matrices": matrices, "layout": _lies(a) + _lies(b)}
    result.note(kind, 2 * prod(matrices), a.bytes + b.bytes, result.bytes, fresh, **more)
    return result


def _lies(array: Counted) -> str:
    """T where the columns of a matrix lie in one piece, and not its rows."""
    return "T" if array.ndim > 1 and array.strides[-2] < array.strides[-1] else "N"


def inner(ledger: Ledger, ufunc: np.ufunc, a: Counted, b: Counted, out: Any = None) -> Counted:
    """The products of vectors along the last axis."""
    shape = np.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    result: Counted = out[0] if out else Counted.new(ledger, shape, result_dtype(ufunc, (a, b)))
    fresh = 0 if out else result.bytes
    result.note("inner", 2 * prod(shape) * a.shape[-1], a.bytes + b.bytes, result.bytes, fresh, loops=prod(shape))
    return result


def gufunc(ledger: Ledger, ufunc: np.ufunc, a: Counted, b: Counted, out: Any = None, **_: Any) -> Counted:
    if ufunc is np.matmul:
        return matmul(ledger, a, b, out)
    if ufunc is np.vecdot:
        return inner(ledger, ufunc, a, b, out)
    raise UnsupportedError(f"np.{ufunc.__name__} is not counted: the columns that need counts stay empty.")


def vdot(ledger: Ledger, a: Counted, b: Counted) -> Counted:
    return inner(ledger, np.vecdot, a.reshape(-1), b.reshape(-1))


def dot(ledger: Ledger, a: Counted, b: Counted, out: Any = None) -> Counted:
    target = None if out is None else (out,)
    if a.ndim > 2 or b.ndim > 2:
        return tensordot(ledger, a, b, (a.ndim - 1, max(b.ndim - 2, 0)))
    return matmul(ledger, a, b, target, "dot") if a.ndim + b.ndim > 2 else inner(ledger, np.vecdot, a, b, target)


def tensordot(ledger: Ledger, a: Counted, b: Counted, axes: Any = 2) -> Counted:
    """As NumPy does it: both arrays turned round and reshaped to matrices, which may copy them.

    Finding out how takes longer than a small product.
    """
    a.note("tensordot", 0, 0, 0)
    if isinstance(axes, int):
        axes = (list(range(a.ndim - axes, a.ndim)), list(range(axes)))
    over_a, over_b = ([x % array.ndim for x in np.atleast_1d(side)] for side, array in zip(axes, (a, b), strict=True))
    kept_a, kept_b = ([k for k in range(x.ndim) if k not in over] for x, over in ((a, over_a), (b, over_b)))
    summed = prod(a.shape[k] for k in over_a)
    shape = [a.shape[k] for k in kept_a] + [b.shape[k] for k in kept_b]
    left = a.transpose([*kept_a, *over_a]).reshape(prod(a.shape[k] for k in kept_a), summed)
    right = b.transpose([*over_b, *kept_b]).reshape(summed, prod(b.shape[k] for k in kept_b))
    return matmul(ledger, left, right, kind="dot").reshape(shape)


def einsum(ledger: Ledger, equation: str, *operands: Any, order: str = "K") -> Counted:
    """As NumPy does it without a path: all operands multiplied at every point, and summed."""
    subscripts, _, result = equation.replace(" ", "").partition("->")
    parts = subscripts.split(",")
    if len(parts) == 1 and set(parts[0]) == set(result):
        (only,) = operands
        seen: Counted = only.view(np.einsum(equation, only.shadow))
        return seen
    sizes = {
        x: n for part, array in zip(parts, operands, strict=True) for x, n in zip(part, np.shape(array), strict=True)
    }
    summed = set(sizes) - set(result)
    flops = prod(sizes.values()) * (len(parts) - 1 + bool(summed))
    found = Counted.new(ledger, [sizes[x] for x in result], np.result_type(*operands))
    read = sum(array.bytes for array in operands if isinstance(array, Counted))
    # each entry is summed in a loop of its own, also where there is only one product to be summed
    found.note("einsum", flops, read, found.bytes, found.bytes, loops=found.size)
    return found


UFUNCS["gufunc"] = gufunc
FUNCTIONS.update({np.vdot: vdot, np.dot: dot, np.tensordot: tensordot, np.einsum: einsum})
