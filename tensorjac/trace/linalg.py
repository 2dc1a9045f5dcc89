"""np.linalg: inverses, determinants, factorisations, powers of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError, TraceError
from ..primitives import PRIMITIVES
from ..rewrites import apply
from ..terms import Index
from .axes import matrix_transpose
from .creation import eye
from .operands import lift
from .products import matmul
from .record import counted, fail
from .registry import implements
from .sizes import size_number
from .symbolic import described
from .tracer import Tracer


class SlogdetResult(NamedTuple):
    """Sign and logarithm of the absolute value of a determinant, as `np.linalg.slogdet` returns them."""

    sign: Tracer
    logabsdet: Tracer


def _matrix(value: Any, name: str, square: bool = True) -> Tracer:
    array = lift(value)
    if array.ndim < 2:
        fail(
            ShapeError,
            f"{name} takes matrices, and {described(array)} has {counted(array.ndim, 'axis', 'axes')}",
            "pass an array with at least two axes.",
        )
    if square and array.dims[-1] is not array.dims[-2]:
        fail(
            ShapeError,
            f"{name} takes a square matrix, and the last two axes of {described(array)} have sizes "
            f"{array.dims[-2]} and {array.dims[-1]}",
            "pass a matrix whose last two sizes are one.",
        )
    return array


def _matrices(name: str, array: Tracer, transposed: bool = False) -> Tracer:
    """A primitive from matrices to matrices."""
    row, column = array.axes[-2:]
    made = [Index.fresh(axis.dim) for axis in ((column, row) if transposed else (row, column))]
    body = apply(PRIMITIVES[name], [array.body], [(row, column)], made, [axis.dim for axis in made])
    return Tracer((*array.axes[:-2], *made), body)


def _numbers(name: str, array: Tracer) -> Tracer:
    """A primitive from matrices to numbers."""
    return Tracer(array.axes[:-2], apply(PRIMITIVES[name], [array.body], [array.axes[-2:]]))


@implements("linalg.inv")
def inv(a: Any) -> Tracer:
    return _matrices("inv", _matrix(a, "np.linalg.inv"))


@implements("linalg.pinv")
def pinv(a: Any) -> Tracer:
    return _matrices("pinv", _matrix(a, "np.linalg.pinv", square=False), transposed=True)


@implements("linalg.cholesky")
def cholesky(a: Any, /, *, upper: bool = False) -> Tracer:
    factor = _matrices("cholesky", _matrix(a, "np.linalg.cholesky"))
    return matrix_transpose(factor) if upper else factor


@implements("linalg.det")
def det(a: Any) -> Tracer:
    return _numbers("det", _matrix(a, "np.linalg.det"))


@implements("linalg.slogdet")
def slogdet(a: Any) -> SlogdetResult:
    array = _matrix(a, "np.linalg.slogdet")
    return SlogdetResult(_numbers("signdet", array), _numbers("logabsdet", array))


@implements("linalg.solve")
def solve(a: Any, b: Any) -> Tracer:
    inverse, right = inv(_matrix(a, "np.linalg.solve")), lift(b)
    if right.ndim == 0:
        fail(
            ShapeError,
            "np.linalg.solve takes a vector or matrices on the right, not a scalar",
            "pass a vector.",
        )
    # since NumPy 2, only an array with one axis is a vector
    return matmul(inverse, right)


@implements("linalg.matrix_power")
def matrix_power(a: Any, n: Any) -> Tracer:
    array = _matrix(a, "np.linalg.matrix_power")
    if not isinstance(n, int | np.integer):
        fail(
            TraceError,
            f"the power of a matrix is a whole number, and this one is of type {type(n).__name__}",
            "pass a number such as 3 or -1.",
        )
    if n < 0:
        return matrix_power(inv(array), -n)
    if n == 0:
        identity = eye(size_number(array.dims[-1]))
        return Tracer((*array.axes[:-2], *identity.axes), identity.body)
    result, square, left = array, array, int(n) - 1
    while left:
        if left % 2:
            result = matmul(result, square)
        square, left = (matmul(square, square) if left > 1 else square), left // 2
    return result


@implements("linalg.multi_dot")
def multi_dot(arrays: Sequence[Any]) -> Tracer:
    factors = [lift(each) for each in arrays]
    if len(factors) < 2:
        fail(TraceError, "np.linalg.multi_dot takes at least two arrays", "pass a list of arrays.")
    return reduce(matmul, factors)
