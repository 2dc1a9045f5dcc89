"""From what a person writes to a ``Function``: a traced NumPy function, NumPy text, or index notation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from . import rewrites
from .calls import Nesting, Parts
from .dims import Dim, parse_shape
from .emit import RESERVED
from .errors import NotationError, ShapeError, TraceError
from .function import Function, Jacobian
from .notation import is_index_notation, parse_index, parse_numpy
from .notation.lowering import lower_text
from .primitives import PRIMITIVES
from .terms import Constant, Input, Tensor, topological
from .trace import Traced, numpy_reader, trace_text
from .trace import trace as run_traced
from .trace.operands import constant_of


def trace(fun: Callable[..., Any], /, **shapes: Any) -> Function:
    """The ``Function`` that a plain NumPy function computes, its inputs shaped as given.

    >>> import numpy as np, tensorjac as tj
    >>> F = tj.trace(lambda X, A: np.tanh(X @ A), X="b m", A="m n")
    >>> print(F)
    Y[ij] = tanh(Σ_k X[ik] A[kj])
    """
    if not callable(fun):
        raise TraceError(
            f"what is traced is a function, and this is of type {type(fun).__name__}: pass the function itself, "
            "and the shapes of its arguments by their names."
        )
    dims = _dims(shapes)
    made = _function(run_traced(fun, dims))

    def again(sizes: Mapping[str, Dim]) -> Function:
        if _function(run_traced(fun, dims)) != made:
            raise TraceError(
                "at sizes that break its requirements a function is traced again, and what this one reads from "
                "outside has changed since it was traced: pass what changes as an argument, or trace it again."
            )
        return trace(fun, **_substituted(dims, sizes))

    made._again = again
    return made


def parse(text: str, /, **shapes: Any) -> Function:
    """The ``Function`` that a text describes, in NumPy's words or in index notation; the text is never evaluated.

    An array in place of a shape is a constant of that name.

    >>> import tensorjac as tj
    >>> tj.parse("Y = X @ A", X="b m", A="m n") == tj.parse("Y[ij] = X[ik] A[kj]", X="b m", A="m n")
    True
    """
    if not isinstance(text, str):
        raise NotationError(
            f"what is parsed is a text, and this is of type {type(text).__name__}: pass an expression such as "
            '"Y = X @ A", or a function to tj.trace.'
        )
    arrays = {name: value for name, value in shapes.items() if isinstance(value, np.ndarray)}
    dims = _dims({name: shape for name, shape in shapes.items() if name not in arrays}, arrays)
    if not is_index_notation(text):
        made = _function(trace_text(parse_numpy(text), text, dims, arrays))
        known = {**arrays, **made.constants}
        made._again = lambda sizes: parse(text, **_substituted(dims, sizes), **known)
        return made
    constants = {name: constant_of(array) for name, array in arrays.items()}
    tensors: dict[str, Tensor] = {name: Input(name, shape) for name, shape in dims.items()}
    tensors.update(constants)
    lowered = lower_text(
        parse_index(text, tuple(PRIMITIVES), tensors), text, tensors, PRIMITIVES, rewrites, numpy_reader(text, tensors)
    )
    requirements = lowered[0].requirements
    names: dict[Tensor, str] = {tensor: name for name, tensor in constants.items()}
    if len(lowered) == 1 and lowered[0].wrt:
        (equation,) = lowered
        first = equation.axes if len(equation.wrt) == 1 else equation.wrt[0][1]
        axes = (*equation.axes, *(axis for _, own in equation.wrt for axis in own))
        by = tuple(name for name, _ in equation.wrt)
        label = "_d".join((f"d{equation.name}", *by))
        parts = Parts(dims, {label: (axes, equation.body)}, "single", arrays, names, requirements)
        return Jacobian(parts, equation.name, by, len(first))
    outputs = {equation.name: (equation.axes, equation.body) for equation in lowered}
    nesting: Nesting = "single" if len(outputs) == 1 else "tuple"
    return Function(Parts(dims, outputs, nesting, arrays, names, requirements))


def _dims(shapes: Mapping[str, Any], arrays: Collection[str] = ()) -> dict[str, tuple[Dim, ...]]:
    for name in (*shapes, *arrays):
        if name == "δ":
            raise NotationError(
                "an input may not be called δ, which is Kronecker's in index notation: rename it, to delta for example."
            )
        if isinstance(shapes.get(name), np.ndarray):
            raise NotationError(
                f"a shape is names and numbers, and for {name} an array is given: pass {name}={shapes[name].shape} or "
                "names of sizes, and the array when the function is called."
            )
    dims = {name: parse_shape(shape, name) for name, shape in shapes.items()}
    sizes = {size: name for name, shape in dims.items() for dim in shape for size in dim.names}
    for size, name in sizes.items():
        if size in RESERVED or size in arrays:
            raise ShapeError(
                f"a size may not be called {size}, which has another meaning in the source of the function: "
                f"rename it in the shape of {name}."
            )
    for name, shape in dims.items():
        if not shape and name in sizes:
            raise ShapeError(
                f"a scalar input may not share its name with a size: {name} is a scalar, and a size in the shape of "
                f"{sizes[name]}; rename one of the two."
            )
    return dims


def _substituted(dims: Mapping[str, tuple[Dim, ...]], sizes: Mapping[str, Dim]) -> dict[str, tuple[Dim, ...]]:
    """Shapes with other sizes in the place of names."""
    return {name: tuple(dim.substitute(sizes) for dim in own) for name, own in dims.items()}


def _function(traced: Traced) -> Function:
    names: dict[Tensor, str] = {
        tensor: name
        for tensor in topological(t for _, body in traced.outputs.values() for t in body.tensors)
        for name, array in traced.constants.items()
        if isinstance(tensor, Constant) and tensor.array is array
    }
    return Function(Parts(traced.inputs, traced.outputs, traced.nesting, traced.constants, names, traced.requirements))
