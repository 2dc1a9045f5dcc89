"""A Jacobian as a linear map: products with many vectors, determinant, singular values, systems of equations."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from . import interop, rewrites
from .calls import Compiled, free_name, shape_text
from .dims import Dim
from .errors import ShapeError
from .structure.blocks import Blocks, blocks
from .structure.linear import Factored
from .structure.sparse import numbers
from .structured import Structured
from .terms import Index, Input, of_factor

Array = np.ndarray[Any, Any]


class LinearMap(Structured):
    """A structured expression that takes what its last axes hold to what its first ones do."""

    def operator(self, *args: Any, **kwargs: Any) -> Any:
        """A ``scipy.sparse.linalg.LinearOperator`` between flat vectors: matvec is the JVP, rmatvec the VJP.

        Its ``in_shape`` and ``out_shape`` are the shapes before flattening.

        >>> import numpy as np, tensorjac as tj
        >>> op = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A").operator(np.eye(2, 3), np.ones((3, 4)))
        >>> op.shape, op.out_shape, op.in_shape, op.matvec(np.arange(12.0))
        ((8, 12), (2, 4), (3, 4), array([0., 1., 2., 3., 4., 5., 6., 7.]))
        """
        arrays, sizes = self._at(args, kwargs)
        shape = numbers(self._dims, sizes)
        out, into = shape[: self._rank], shape[self._rank :]
        products = [self._product(over, many) for over in (True, False) for many in (False, True)]

        def times(function: Compiled, taken: tuple[int, ...], made: tuple[int, ...]) -> Callable[[Array], Array]:
            def applied(vectors: Array) -> Array:
                many = vectors.shape[1:]
                return np.asarray(function(*arrays, vectors.reshape((*taken, *many)))).reshape((prod(made), *many))

            return applied

        matvec, matmat, rmatvec, rmatmat = (
            times(function, *shapes)
            for function, shapes in zip(products, [(into, out)] * 2 + [(out, into)] * 2, strict=True)
        )
        operator = interop.linear_operator(
            self._flat_shape(sizes),
            matvec=lambda vector: matvec(vector.ravel()),
            rmatvec=lambda vector: rmatvec(vector.ravel()),
            matmat=matmat,
            rmatmat=rmatmat,
            dtype=self._dtype(arrays),
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
        return self._factored(self._determinant, args, kwargs, "a determinant").slogdet()

    def svdvals(self, *args: Any, **kwargs: Any) -> Array:
        """The singular values of the flattened Jacobian, the largest first, as ``scipy.linalg.svdvals`` returns them.

        >>> import numpy as np, tensorjac as tj
        >>> J = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A")
        >>> J.svdvals(np.diag([3.0, 4.0]), np.ones((2, 3)))
        array([4., 4., 4., 3., 3., 3.])
        """
        return self._factored(self._blocks, args, kwargs).svdvals()

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
        found = self._factored(self._blocks, args, kwargs, "a system of equations")
        array = np.asarray(right)
        shape = found.shape[: self._rank]
        if array.shape != shape:
            raise ShapeError(
                f"the right side has the shape of the output, {shape}, and the one given has shape {array.shape}:\n"
                f"  {self}\npass an array of shape {shape_text(self._dims[: self._rank])}."
            )
        if any(piece.rows != piece.columns for piece in found.pieces):
            raise np.linalg.LinAlgError("Singular matrix")
        return found.solve(array)

    def _factored(
        self, of: tuple[Blocks, Compiled], args: tuple[Any, ...], kwargs: dict[str, Any], what: str = ""
    ) -> Factored:
        """The blocks with their arrays; ``what`` needs a square Jacobian."""
        arrays, sizes = self._at(args, kwargs)
        rows, columns = self._flat_shape(sizes)
        shape = numbers(self._dims, sizes)
        if what and rows != columns:
            raise ShapeError(
                f"{what} needs as many output as input entries, and there are {rows} and {columns}:\n"
                f"  {self}\nthe output has shape {shape[: self._rank]} and the input {shape[self._rank :]}: "
                "use svdvals, or an operator in scipy.sparse.linalg.lsqr."
            )
        found, compiled = of
        return Factored.of(found, shape, self._rank, compiled(*arrays))

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

    def _product(self, over_columns: bool, many: bool) -> Compiled:
        """The product with a vector over the input axes, or the output axes; with many of them, side by side."""
        axes, body = self._expression
        rows, columns = axes[: self._rank], axes[self._rank :]
        over, kept = (columns, rows) if over_columns else (rows, columns)
        sizes = {name for dims in self._parts.inputs.values() for dim in dims for name in dim.names}
        side = (Index.fresh(Dim.of(free_name("columns", sizes))),) if many else ()
        vector = Input(free_name("V", {*self._parts.inputs, *sizes}), tuple(axis.dim for axis in (*over, *side)))
        with rewrites.assuming(self._parts.requirements):
            taken = rewrites.contract(rewrites.multiply(body, of_factor(vector(*over, *side))), over)
        return self._with({"Y": ((*kept, *side), taken)}, {vector.name: vector.shape})
