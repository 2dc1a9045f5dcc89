"""A Jacobian as a linear map: products with many vectors, determinant, singular values, systems of equations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from . import calculus, interop, rewrites
from .calls import Compiled, Expression, free_name, owned_axes, shape_text
from .dims import Dim
from .errors import ShapeError
from .interop.arguments import numpy_arrays
from .structure.blocks import Blocks, blocks, undivided
from .structure.linear import Factored
from .structure.sparse import numbers
from .structured import Structured
from .terms import DELTA, Apply, Index, Input, Sum, Tensor, of_factor, topological

Array = np.ndarray[Any, Any]


class LinearMap(Structured):
    """A structured expression that takes what its last axes hold to what its first ones do."""

    # the maps that it is the composition of, in the order in which they are applied
    _chain: Sequence[LinearMap] = ()

    def operator(self, *args: Any, **kwargs: Any) -> Any:
        """A ``scipy.sparse.linalg.LinearOperator`` between flat vectors: matvec is the JVP, rmatvec the VJP.

        Its ``in_shape`` and ``out_shape`` are the shapes before flattening. Vectors may be complex.

        >>> import numpy as np, tensorjac as tj
        >>> op = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A").operator(np.eye(2, 3), np.ones((3, 4)))
        >>> op.shape, op.out_shape, op.in_shape, op.matvec(np.arange(12.0))
        ((8, 12), (2, 4), (3, 4), array([0., 1., 2., 3., 4., 5., 6., 7.]))
        """
        J, arrays, sizes = self._at(args, kwargs)
        shape = numbers(J._dims, sizes)
        out, into = shape[: J._rank], shape[J._rank :]
        saved, products = J._linearised
        # whoever writes into the arguments afterwards does not move the point
        arrays = [array.copy() for array in arrays]
        fixed = [*arrays, *(saved(*arrays) if saved is not None else ())]

        def times(function: Compiled, taken: tuple[int, ...], made: tuple[int, ...]) -> Callable[[Array], Array]:
            def applied(vectors: Array) -> Array:
                if 0 in taken:
                    return np.zeros((prod(made), *vectors.shape[1:]), vectors.dtype)
                if vectors.dtype.kind == "c":
                    return applied(vectors.real) + 1j * applied(vectors.imag)
                many = vectors.shape[1:]
                return np.asarray(function(*fixed, vectors.reshape((*taken, *many)))).reshape((prod(made), *many))

            return applied

        matvec, matmat, rmatvec, rmatmat = (
            times(function, *shapes)
            for function, shapes in zip(products, [(into, out)] * 2 + [(out, into)] * 2, strict=True)
        )
        operator = interop.linear_operator(
            J._flat_shape(sizes),
            matvec=lambda vector: matvec(vector.ravel()),
            rmatvec=lambda vector: rmatvec(vector.ravel()),
            matmat=matmat,
            rmatmat=rmatmat,
            dtype=J._dtype(arrays),
        )
        operator.out_shape, operator.in_shape = out, into
        return operator

    def slogdet(self, *args: Any, **kwargs: Any) -> tuple[float, float]:
        """Sign and logarithm of the absolute value of the determinant, as ``np.linalg.slogdet`` returns them.

        Blocks, Kronecker factors, diagonals and triangles are used where the Jacobian has them.
        ShapeError where it has not as many output as input entries.

        >>> import numpy as np, tensorjac as tj
        >>> J = tj.trace(lambda A, X, B: A @ X @ B, A="m m", X="m n", B="n n").jacobian("X")
        >>> sign, log = J.slogdet(2 * np.eye(2), np.ones((2, 3)), 5 * np.eye(3))
        >>> print(sign, round(np.exp(log)) == (2**2) ** 3 * (5**3) ** 2)
        1.0 True
        """
        return self._factored(True, args, kwargs, "a determinant").slogdet()

    def svdvals(self, *args: Any, **kwargs: Any) -> Array:
        """The singular values of the flattened Jacobian, the largest first, as ``scipy.linalg.svdvals`` returns them.

        >>> import numpy as np, tensorjac as tj
        >>> J = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A")
        >>> J.svdvals(np.diag([3.0, 4.0]), np.ones((2, 3)))
        array([4., 4., 4., 3., 3., 3.])
        """
        return self._factored(False, args, kwargs).svdvals()

    def solve(self, right: Any, /, *args: Any, **kwargs: Any) -> Array:
        """x with J x = ``right``, x of the input's shape and ``right`` of the output's; the inputs follow.

        A Newton step costs what its core costs: (δ ⊗ core) x = b is solved with the core alone.
        ShapeError where the Jacobian has not as many output as input entries, ``numpy.linalg.LinAlgError`` where it is
        singular.

        >>> import numpy as np, tensorjac as tj
        >>> H = tj.trace(lambda T, U, V: ((T - U @ V.T) ** 2).sum(), T="m n", U="m k", V="n k").hessian("U")
        >>> H.solve(np.full((2, 1), 8.0), T=np.ones((2, 4)), U=np.ones((2, 1)), V=np.ones((4, 1)))
        array([[1.],
               [1.]])
        """
        found = self._factored(False, args, kwargs, "a system of equations")
        (array,) = numpy_arrays({"the right side": right})
        shape = found.shape[: self._rank]
        if array.shape != shape:
            raise ShapeError(
                f"the right side has the shape of the output, {shape}, and the one given has shape {array.shape}:\n"
                f"  {self}\npass an array of shape {shape_text(self._dims[: self._rank])}."
            )
        return found.solve(array)

    def _factored(self, triangles: bool, args: tuple[Any, ...], kwargs: dict[str, Any], what: str = "") -> Factored:
        """The blocks with their arrays, of ``triangles`` the diagonal only; ``what`` needs a square Jacobian."""
        J, arrays, sizes = self._at(args, kwargs)
        rows, columns = J._flat_shape(sizes)
        shape = numbers(J._dims, sizes)
        if what and rows != columns:
            raise ShapeError(
                f"{what} needs as many output as input entries, and there are {rows} and {columns}:\n"
                f"  {self}\nthe output has shape {shape[: self._rank]} and the input {shape[self._rank :]}: "
                "use svdvals, or an operator in scipy.sparse.linalg.lsqr."
            )
        found, compiled = J._determinant if triangles else J._blocks
        scale, *pieces = compiled(*arrays)
        if not np.isfinite(scale).all():
            # what ∞ times 0 is depends on where one divides: as in the dense array
            found, scale, pieces = undivided(*J._expression, J._rank), np.ones(()), [J.dense(*arrays)]
        return Factored.of(found, shape, J._rank, (scale, *pieces))

    @cached_property
    def _blocks(self) -> tuple[Blocks, Compiled]:
        return self._as_blocks(triangles=False)

    @cached_property
    def _determinant(self) -> tuple[Blocks, Compiled]:
        """The blocks, of triangular ones the diagonal only."""
        return self._as_blocks(triangles=True)

    def _as_blocks(self, triangles: bool) -> tuple[Blocks, Compiled]:
        """The blocks, and the function of their scale and pieces."""
        with rewrites.assuming(self._parts.requirements):
            found = blocks(*self._expression, self._terms, self._rank, triangles)
        pieces = {f"block{k}": piece.expression for k, piece in enumerate(found.pieces, start=1)}
        return found, self._with({"scale": found.scale, **pieces}, whole=True)

    @cached_property
    def _linearised(self) -> tuple[Compiled | None, list[Compiled]]:
        """What of the products depends on the point alone, and the four products, to which this is an input, too.

        These are the values of functions, such as the activations of a network, that need no vector.
        """
        products = [self._product(over, many) for over in (True, False) for many in (False, True)]
        found = dict.fromkeys(each for _, body, vector in products for each in _fixed(body, vector))
        saved: dict[Tensor, Input] = {}
        taken = {name for dims in self._parts.inputs.values() for dim in dims for name in dim.names}
        taken |= {*self._parts.inputs, *(vector.name for _, _, vector in products)}
        for k, tensor in enumerate(found, start=1):
            saved[tensor] = Input(free_name(f"fixed{k}", taken), tensor.shape)
        values = {each.name: (tensor.axes, of_factor(tensor(*tensor.axes))) for tensor, each in saved.items()}
        replaced = {tensor: of_factor(each(*tensor.axes)) for tensor, each in saved.items()}
        with rewrites.assuming(self._parts.requirements):
            bodies = rewrites.rebuild([body for _, body, _ in products], replaced)
        return self._with(values, whole=True) if values else None, [
            self._with({"Y": (axes, body)}, {each.name: each.shape for each in (*saved.values(), vector)})
            for (axes, _, vector), body in zip(products, bodies, strict=True)
        ]

    def _product(self, forward: bool, many: bool) -> tuple[tuple[Index, ...], Sum, Input]:
        """The product with a vector over the input axes, or the output axes; with many of them, side by side."""
        axes, _ = self._expression
        over = axes[self._rank :] if forward else axes[: self._rank]
        sizes = {name for dims in self._parts.inputs.values() for dim in dims for name in dim.names}
        side = (Index.fresh(Dim.of(free_name("columns", sizes))),) if many else ()
        vector = Input(free_name("V", {*self._parts.inputs, *sizes}), tuple(axis.dim for axis in (*over, *side)))
        with rewrites.assuming(self._parts.requirements):
            kept, taken = self._applied(over, of_factor(vector(*over, *side)), forward)
        return (*kept, *side), taken, vector

    def _applied(self, at: Sequence[Index], vector: Sum, forward: bool) -> Expression:
        """What becomes of a vector, an expression over the axes ``at``, by the JVP or VJP where one is known."""
        return (None if self._chain else self._moved(at, vector, forward)) or self._chained(at, vector, forward)

    def _chained(self, at: Sequence[Index], vector: Sum, forward: bool) -> Expression:
        """What becomes of a vector: contracted with the expression, in a composition with one map after the other."""
        for each in self._chain if forward else reversed(self._chain):
            at, vector = each._applied(at, vector, forward)
        if self._chain:
            return tuple(at), vector
        axes, body = owned_axes(*self._expression)
        over, kept = axes[self._rank :], axes[: self._rank]
        if not forward:
            over, kept = kept, over
        return kept, rewrites.contract(rewrites.multiply(body, _renamed(vector, at, over)), over)

    def _moved(self, at: Sequence[Index], vector: Sum, forward: bool) -> Expression | None:
        """The JVP or VJP of the function that was differentiated, which costs what that does; None where unknown."""
        origin = self._parts.origin
        if origin is None or not origin.of:
            return None
        axes, body = origin.function._parts.outputs[origin.of]
        (wrt,) = origin.wrt
        target = Input(wrt, origin.function._parts.inputs[wrt])
        if forward:
            axes, body = owned_axes(axes, body)
            (moved,) = calculus.pushforward([body], {target: _renamed(vector, at, target.axes)})
            return axes, moved
        return target.axes, calculus.pullback([(axes, body, _renamed(vector, at, axes))], [target])[target]


def _renamed(body: Sum, axes: Sequence[Index], to: Sequence[Index]) -> Sum:
    return body.substitute(dict(zip(axes, to, strict=True)))


def _fixed(body: Sum, vector: Input) -> list[Tensor]:
    """The largest function values in an expression that do not depend on a vector."""
    moving: set[Tensor] = set()
    for tensor in topological(body.tensors):
        if tensor is vector or moving.intersection(tensor.parts):
            moving.add(tensor)
    found: dict[Tensor, None] = {}
    waiting, seen = [*body.tensors], set[Tensor]()
    while waiting:
        tensor = waiting.pop()
        if tensor in seen or tensor is DELTA:
            continue
        seen.add(tensor)
        if isinstance(tensor, Apply) and tensor not in moving:
            found[tensor] = None
        else:
            waiting.extend(tensor.parts)
    return list(found)
