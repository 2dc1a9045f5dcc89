"""Sums, means, products, extremes and norms along axes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from ..dims import Dim
from ..errors import TraceError, UnsupportedError
from ..primitives import PRIMITIVES
from ..rewrites import add, apply, contract, multiply, power, substitute
from ..terms import ONE, ZERO, Index, Sum, combine, constant, of_factor, of_size, zero_of
from .elementwise import minus, over, plus, raised, root, times
from .operands import axis_number, axis_numbers, elementwise, is_number, lift, wider
from .record import at_least, fail, require
from .registry import implements
from .sizes import dim_of, is_whole, product_of
from .tracer import Kind, Tracer

NONE = np._NoValue


def left_over(array: Tracer, reduced: Sequence[int], keepdims: Any) -> tuple[Index, ...]:
    """The axes that stay; with ``keepdims`` the others stay with size 1."""
    if keepdims is NONE or not keepdims:
        return tuple(axis for k, axis in enumerate(array.axes) if k not in reduced)
    return tuple(Index.fresh(ONE) if k in reduced else axis for k, axis in enumerate(array.axes))


def reduced_labels(array: Tracer, axis: Any) -> tuple[tuple[int, ...], list[Index]]:
    # of scalars NumPy lets axis 0 pass
    numbers = () if array.ndim == 0 and axis in (0, -1) else axis_numbers(axis, array.ndim)
    return numbers, [array.axes[k] for k in numbers]


@implements("sum")
def total(a: Any, axis: Any = None, *, keepdims: Any = NONE, initial: Any = NONE) -> Tracer:
    array = lift(a)
    numbers, labels = reduced_labels(array, axis)
    result = Tracer(left_over(array, numbers, keepdims), contract(array.body, labels), wider(array.kind, "i"))
    return result if initial is NONE else plus(result, initial)


@implements("mean")
def mean(a: Any, axis: Any = None, *, keepdims: Any = NONE) -> Tracer:
    array = lift(a)
    numbers, labels = reduced_labels(array, axis)
    count = product_of(label.dim for label in labels)
    return Tracer(left_over(array, numbers, keepdims), shared_among(contract(array.body, labels), count))


def shared_among(total: Sum, count: Dim) -> Sum:
    """A total divided by a size: by 0 it is infinite, and of nothing, nan with a warning, as in NumPy."""
    if count is not ZERO:
        return multiply(total, power(of_size(count), -1))
    if total.terms:
        return multiply(total, constant(np.inf))
    warnings.warn("a mean of no entries is nan", RuntimeWarning, stacklevel=2)
    return constant(np.nan)


@implements("average")
def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = NONE
) -> Tracer | tuple[Tracer, Tracer]:
    array = lift(a)
    if weights is None:
        weights = np.ones(())
    weight = lift(weights)
    if weight.ndim == 1 and array.ndim > 1 and is_whole(axis):
        position = axis_number(axis, array.ndim)
        weight = weight[(slice(None), *[None] * (array.ndim - 1 - position))]
    weight = times(weight, Tracer(array.axes, constant(1), "i"))
    scale = total(weight, axis, keepdims=keepdims)
    result = over(total(times(array, weight), axis, keepdims=keepdims), scale)
    return (result, scale) if returned else result


@implements("var")
def variance(
    a: Any, axis: Any = None, *, ddof: Any = 0, correction: Any = NONE, keepdims: Any = NONE, mean: Any = NONE
) -> Tracer:
    array = lift(a)
    numbers, labels = reduced_labels(array, axis)
    centre = _mean(array, axis, keepdims=True) if mean is NONE else lift(mean)
    centred = minus(array, centre)
    squares = contract(power(centred.body, 2), [centred.axes[k] for k in numbers])
    count = product_of(label.dim for label in labels)
    lost = ddof if correction is NONE else correction
    if not is_whole(lost) and not is_number(lost):
        fail(TraceError, "ddof is a number", "pass ddof=1 for the unbiased variance.")
    whole = is_whole(lost)
    # of fewer entries NumPy divides by 0, too, and not by the negative number
    few = count.value is not None and (at_least(dim_of(lost) - count) if whole else count.value <= lost)
    least = dim_of(lost if whole else math.ceil(lost))
    if not few:
        require(count - least, ">=", f"a variance of {count} entries with ddof={lost}", "give it more entries.")
    if few or whole:
        body = shared_among(squares, ZERO if few else count - least)
    else:
        body = multiply(squares, power(add(of_size(count), constant(-float(lost))), -1))
    return Tracer(left_over(centred, numbers, keepdims), body)


_mean = mean


@implements("std")
def deviation(
    a: Any, axis: Any = None, *, ddof: Any = 0, correction: Any = NONE, keepdims: Any = NONE, mean: Any = NONE
) -> Tracer:
    return root(variance(a, axis, ddof=ddof, correction=correction, keepdims=keepdims, mean=mean))


def reduced(name: str, a: Any, axis: Any, keepdims: Any, kind: Kind | None = None) -> Tracer:
    """A primitive that takes some axes at once."""
    array = lift(a)
    numbers, labels = reduced_labels(array, axis)
    used = labels if name == "prod" else [label for label in labels if label in array.body.labels]
    body = apply(PRIMITIVES[name], [array.body], [used]) if used else array.body
    return Tracer(left_over(array, numbers, keepdims), body, kind or array.kind)


@implements("max", "amax")
def maximum(a: Any, axis: Any = None, *, keepdims: Any = NONE) -> Tracer:
    return _extreme("max", a, axis, keepdims)


@implements("min", "amin")
def minimum(a: Any, axis: Any = None, *, keepdims: Any = NONE) -> Tracer:
    return _extreme("min", a, axis, keepdims)


def _extreme(name: Literal["max", "min"], a: Any, axis: Any, keepdims: Any) -> Tracer:
    """The largest or smallest entry, of which there must be one."""
    for label in reduced_labels(lift(a), axis)[1]:
        require(label.dim - 1, ">=", f"np.{name} over an axis of size {label.dim}", "give it an entry.")
    return reduced(name, a, axis, keepdims)


@implements("prod")
def product(a: Any, axis: Any = None, *, keepdims: Any = NONE, initial: Any = NONE) -> Tracer:
    result = reduced("prod", a, axis, keepdims, wider(lift(a).kind, "i"))
    return result if initial is NONE else times(result, initial)


@implements("ptp")
def spread(a: Any, axis: Any = None, *, keepdims: Any = NONE) -> Tracer:
    return minus(maximum(a, axis, keepdims=keepdims), minimum(a, axis, keepdims=keepdims))


@implements("count_nonzero")
def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = NONE) -> Tracer:
    array = lift(a)
    return total(array if array.kind == "b" else elementwise("mask", array, kind="b"), axis, keepdims=keepdims)


@implements("cumsum")
def cumulative_sum(a: Any, axis: Any = None) -> Tracer:
    array = lift(a)
    if axis is None or array.ndim == 0:
        array = array.ravel()
        axis = 0
    label = array.axes[axis_number(axis, array.ndim)]
    summed, distance = Index.fresh(label.dim), Index.fresh(label.dim)
    # 1 where summed ≤ label, for then their distance is one of 0, 1, …
    reached = zero_of(combine(((ONE, label), (-ONE, summed), (-ONE, distance))))
    body = multiply(substitute(array.body, {label: summed}), of_factor(reached))
    return Tracer(array.axes, contract(body, [summed, distance]), wider(array.kind, "i"))


# Norms ------------------------------------------------------------------------------------------------------


@implements("linalg.norm")
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tracer:
    array = lift(x)
    if axis is None and ord is None:
        return vector_norm(array, axis=None, keepdims=keepdims)
    numbers = axis_numbers(axis, array.ndim)
    if len(numbers) == 1:
        return vector_norm(array, axis=numbers[0], keepdims=keepdims, ord=2 if ord is None else ord)
    if len(numbers) == 2:
        return matrix_norm(array, numbers, keepdims, "fro" if ord is None else ord)
    fail(
        TraceError,
        f"np.linalg.norm takes one axis or two, and here are {len(numbers)}",
        "pass axis=, or leave ord= out for the norm of all entries.",
    )


@implements("linalg.vector_norm")
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tracer:
    array = lift(x)
    if ord in (None, 2):
        return root(total(Tracer(array.axes, power(array.body, 2)), axis, keepdims=keepdims))
    sizes = elementwise("abs", array)
    if ord == np.inf:
        return _largest(sizes, axis, keepdims)
    if ord == -np.inf:
        return minimum(sizes, axis, keepdims=keepdims)
    if ord == 1:
        return total(sizes, axis, keepdims=keepdims)
    if is_number(ord) and ord != 0:
        exponent = Fraction(1, ord) if isinstance(ord, int) else 1 / ord
        return raised_to(total(raised(sizes, ord), axis, keepdims=keepdims), exponent)
    fail(
        UnsupportedError,
        f"there is no rule for the vector norm with ord={ord}",
        "pass a number other than 0.",
    )


def _largest(sizes: Tracer, axis: Any, keepdims: Any) -> Tracer:
    """The largest of what is at least 0; of no entries NumPy takes it to be 0."""
    empty = any(label.dim is ZERO for label in reduced_labels(sizes, axis)[1])
    return (total if empty else maximum)(sizes, axis, keepdims=keepdims)


def raised_to(array: Tracer, exponent: Fraction | float) -> Tracer:
    return Tracer(array.axes, power(array.body, exponent))


@implements("linalg.matrix_norm")
def _matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Tracer:
    array = lift(x)
    return matrix_norm(array, axis_numbers((-2, -1), array.ndim), keepdims, ord)


def matrix_norm(array: Tracer, axes: Sequence[int], keepdims: bool, ord: Any) -> Tracer:
    row, column = axes
    if ord == "fro":
        return vector_norm(array, axis=(row, column), keepdims=keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        summed, compared = (row, column) if abs(ord) == 1 else (column, row)
        sums = total(elementwise("abs", array), summed, keepdims=True)
        extreme = _largest(sums, compared, True) if ord > 0 else minimum(sums, compared, keepdims=True)
        return extreme if keepdims else extreme.squeeze((row, column))
    fail(
        UnsupportedError,
        f"there is no rule for the matrix norm with ord={ord!r}: it needs singular values",
        "use the Frobenius norm, ord='fro', or ord=1 or np.inf.",
    )


@implements("special.logsumexp")
def log_sum_exp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Tracer:
    array = lift(a)
    highest = maximum(array, axis, keepdims=True)
    exponentials = elementwise("exp", minus(array, highest))
    if b is not None:
        exponentials = times(exponentials, b)
    result = plus(elementwise("log", total(exponentials, axis, keepdims=True)), highest)
    return result if keepdims else result.squeeze(axis_numbers(axis, array.ndim))


@implements("special.softmax")
def softmax(x: Any, axis: Any = None) -> Tracer:
    exponentials = elementwise("exp", minus(x, maximum(x, axis, keepdims=True)))
    return over(exponentials, total(exponentials, axis, keepdims=True))


@implements("special.log_softmax")
def log_softmax(x: Any, axis: Any = None) -> Tracer:
    return minus(x, log_sum_exp(x, axis, keepdims=True))
