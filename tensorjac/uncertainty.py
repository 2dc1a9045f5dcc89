"""How uncertain outputs are, given how uncertain inputs are: J Σ Jᵀ, contracted without J."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import rewrites
from .calls import Compiled, Expression, Parts, free_name, owned_axes
from .errors import ShapeError, TraceError
from .function import Function, Jacobian
from .interop.arguments import numpy_arrays
from .rewrites import add, contract, multiply
from .terms import Index, Input, Sum, of_factor


def propagate(
    function: Function, covariances: Mapping[str, Any], /, *args: Any, of: str | None = None, **kwargs: Any
) -> np.ndarray[Any, Any]:
    """The covariance J Σ Jᵀ of an output, of shape output + output, at the inputs that follow.

    ``covariances`` holds the covariance of each uncertain input, of shape input + input; different inputs are taken
    to be independent, the others to be exact. The result is exact for linear functions, and of first order for others.
    ShapeError where a covariance has another shape.

    >>> import numpy as np, tensorjac as tj
    >>> F = tj.trace(lambda A, x: A @ x, A="m n", x="n")
    >>> tj.propagate(F, {"x": np.diag([1.0, 4.0])}, A=np.array([[1.0, 1.0], [0.0, 2.0]]), x=np.zeros(2))
    array([[ 5.,  8.],
           [ 8., 16.]])
    """
    if not isinstance(function, Function):
        raise TraceError(
            f"uncertainty is propagated through a Function, and here through a value of type "
            f"{type(function).__name__}: pass tj.trace(…) of it."
        )
    if not isinstance(covariances, Mapping):
        raise TraceError(
            "covariances are given by the names of inputs, and these are of type "
            f'{type(covariances).__name__}: pass {{"{next(iter(function.inputs), "x")}": …}}.'
        )
    arrays = function._bound(args, kwargs)
    function, sizes = function._fitting(arrays)
    jacobians = [function.jacobian(name, of=of) for name in covariances]
    shapes = dict(zip(function.inputs, (array.shape for array in arrays), strict=True))
    matrices = numpy_arrays({f"the covariance of {name}": matrix for name, matrix in covariances.items()})
    for name, matrix in zip(covariances, matrices, strict=True):
        if matrix.shape != 2 * shapes[name]:
            raise ShapeError(
                f"the covariance of an input has its shape twice: {name} has shape {shapes[name]}, and its covariance "
                f"shape {matrix.shape}: pass an array of shape {2 * shapes[name]}."
            )
    if 0 in sizes.values():
        # of no entries: what ∞ times 0 is depends on where one divides, and what has none has no uncertainty
        return _summed(jacobians, arrays, matrices)
    taken = {*function.inputs, *(str(size) for shape in function.inputs.values() for size in shape)}
    names = [free_name(f"S{k}", taken) for k in range(1, len(jacobians) + 1)]
    _, (axes, _) = function._single(of, "propagate")
    return np.asarray(_covariance(function._parts, axes, jacobians, names)(*arrays, *matrices))


def _summed(jacobians: Sequence[Jacobian], arrays: Sequence[Any], matrices: Sequence[Any]) -> np.ndarray[Any, Any]:
    """J Σ Jᵀ of dense Jacobians, the sum of all."""
    total: Any = 0.0
    for jacobian, matrix in zip(jacobians, matrices, strict=True):
        dense, rank = jacobian.dense(*arrays), matrix.ndim // 2
        columns = range(-rank, 0)
        total = total + np.tensordot(np.tensordot(dense, matrix, rank), dense, (columns, columns))
    return np.asarray(total)


def _covariance(parts: Parts, axes: Sequence[Index], jacobians: Sequence[Jacobian], names: Sequence[str]) -> Compiled:
    """The function of the inputs and of covariances by these names, for an output with these axes."""
    inputs = dict(parts.inputs)
    shares: list[Sum] = []
    with rewrites.assuming(parts.requirements):
        rows = [tuple(Index.fresh(axis.dim) for axis in axes) for _ in range(2)]
        for name, jacobian in zip(names, jacobians, strict=True):
            (left, columns), (right, others) = (_at(jacobian, axes) for axes in rows)
            inputs[name] = tuple(axis.dim for axis in (*columns, *others))
            weight = of_factor(Input(name, inputs[name])(*columns, *others))
            shares.append(contract(multiply(left, weight, right), (*columns, *others)))
    outputs: dict[str, Expression] = {"covariance": ((*rows[0], *rows[1]), add(*shares))}
    return Compiled(replace(parts, inputs=inputs, outputs=outputs, nesting="single", origin=None))


def _at(jacobian: Jacobian, rows: Sequence[Index]) -> tuple[Sum, tuple[Index, ...]]:
    """The expression of a Jacobian over these output axes, and input axes of its own."""
    axes, body = owned_axes(*jacobian._expression)
    return body.substitute(dict(zip(axes, rows, strict=False))), axes[len(rows) :]
