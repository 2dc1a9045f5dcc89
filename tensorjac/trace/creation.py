"""Arrays from nothing: `eye`, `ones`, `zeros`, `full`, `arange` of symbolic sizes; NumPy's `ones_like`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import TraceError
from ..rewrites import add, multiply, read
from ..terms import ONE, ZERO, Index, Position, Sum, combine, constant, delta, of_factor, of_size
from .axes import broadcast_to, shape_of
from .operands import lift
from .record import fail, require, running
from .registry import implements, is_double
from .sizes import dim_of, is_whole
from .tracer import Kind, Tracer

PLAIN = "leave dtype= out, or use float."


def _kind(dtype: Any, default: Kind = "f") -> Kind:
    if dtype is None:
        return default
    if is_double(dtype):
        return "f"
    kind = np.dtype(dtype).kind
    if kind == "b":
        return "b"
    if kind in "iu":
        return "i"
    fail(TraceError, f"there is no rule for arrays of dtype {np.dtype(dtype)}", PLAIN)


@implements("eye")
def eye(N: Any, M: Any = None, k: Any = 0, dtype: Any = None) -> Any:
    """``np.eye``, also for symbolic sizes while tracing.

    >>> eye(2, 3, 1)
    array([[0., 1., 0.],
           [0., 0., 1.]])
    """
    if running() is None:
        return np.eye(N, M, k, dtype or float)
    row, column = Index.fresh(dim_of(N)), Index.fresh(dim_of(N if M is None else M))
    tie = delta(column, combine([(ONE, row)], dim_of(k, "the offset of a diagonal")))
    return Tracer((row, column), multiply(of_factor(tie)), _kind(dtype))


@implements("identity")
def identity(n: Any, dtype: Any = None) -> Any:
    return eye(n, dtype=dtype)


@implements("full")
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """``np.full``, also for symbolic sizes while tracing.

    >>> full((2, 3), 7)
    array([[7, 7, 7],
           [7, 7, 7]])
    """
    if running() is None:
        return np.full(shape, fill_value, dtype)
    value = lift(fill_value)
    spread = broadcast_to(value, tuple(shape) if isinstance(shape, tuple | list) else (shape,))
    return Tracer(spread.axes, spread.body, _kind(dtype, value.kind))


@implements("ones")
def ones(shape: Any, dtype: Any = None) -> Any:
    """``np.ones``, also for symbolic sizes while tracing.

    >>> ones((2, 3))
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    return np.ones(shape, dtype) if running() is None else _filled(shape, constant(1), _kind(dtype))


@implements("zeros")
def zeros(shape: Any, dtype: Any = None) -> Any:
    """``np.zeros``, also for symbolic sizes while tracing.

    >>> zeros((2, 3))
    array([[0., 0., 0.],
           [0., 0., 0.]])
    """
    return np.zeros(shape, dtype or float) if running() is None else _filled(shape, Sum(), _kind(dtype))


def _filled(shape: Any, body: Sum, kind: Kind) -> Tracer:
    return Tracer(tuple(map(Index.fresh, shape_of(shape))), body, kind)


@implements("arange")
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """``np.arange``, also for symbolic sizes while tracing.

    >>> arange(3)
    array([0, 1, 2])
    """
    if running() is None:
        return np.arange(start, dtype=dtype) if stop is None else np.arange(start, stop, step, dtype)  # type: ignore[call-overload]
    if stop is None:
        start, stop = 0, start
    if not all(map(is_whole, (start, stop, step))):
        fail(
            TraceError,
            "tj.arange counts in whole numbers while tracing",
            "scale the result, as in 0.5 * tj.arange(n).",
        )
    first, by = dim_of(start), dim_of(step)
    span = dim_of(stop) - first
    if by.value is None or by.value == 0:
        fail(TraceError, f"the step of tj.arange is a number other than 0, not {by}", "pass a number.")
    if by.value < 0:
        span = -span
    length = (span + abs(by.value) - 1) // abs(by.value)
    if length.value is not None and length.value < 0:
        length = ZERO
    require(length, ">=", f"tj.arange({start}, {stop}, {step})", "let it end behind its start.")
    label = Index.fresh(length)
    body = add(of_size(first), multiply(constant(by.value), read(Position(length)(label))))
    return Tracer((label,), body, _kind(dtype, "i"))


@implements("ones_like")
def ones_like(a: Any, dtype: Any = None, *, shape: Any = None) -> Tracer:
    return _like(a, constant(1), dtype, shape)


@implements("zeros_like")
def zeros_like(a: Any, dtype: Any = None, *, shape: Any = None) -> Tracer:
    return _like(a, Sum(), dtype, shape)


@implements("full_like")
def full_like(a: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None) -> Tracer:
    array = lift(a)
    spread = broadcast_to(fill_value, array.shape if shape is None else shape)
    return Tracer(spread.axes, spread.body, _kind(dtype, array.kind))


def _like(a: Any, body: Sum, dtype: Any, shape: Any) -> Tracer:
    array = lift(a)
    axes = array.axes if shape is None else tuple(map(Index.fresh, shape_of(shape)))
    return Tracer(axes, body, _kind(dtype, array.kind))
