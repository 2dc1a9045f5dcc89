"""What a Jacobian can do because its structure is known: say what it is, count, and be an array of many kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import prod
from numbers import Real
from os import PathLike
from typing import Any, Self

import numpy as np

from . import emit, interop, rewrites
from .calls import PLANS, Compiled, Expression, Nesting, Parts
from .dims import Dim
from .errors import TraceError
from .plan import Program
from .sparing import Sparing
from .structure import Entries, Letters, Part, Ratio, Structure, count, opened, parts
from .structure.factors import Product, factored
from .structure.memory import free_memory, gibibytes
from .structure.picture import Picture
from .structure.sparse import numbers, triplets
from .terms import ONE, Sum

Array = np.ndarray[Any, Any]

# Dense arrays below this many numbers are made without a look at the free memory.
SMALL = 2**21
# More terms than these, all of them dense, stay as they are nested.
RENAMED = 8


class Structured(Compiled):
    """An expression whose axes are split, output axes first: what there is to it besides its formula."""

    def __init__(self, parts: Parts, rank: int) -> None:
        super().__init__(parts)
        self._rank = rank
        # of arguments at which nothing is broken that this relies on
        self._fitting_shapes: set[tuple[Any, ...]] = set()

    @property
    def _expression(self) -> Expression:
        return next(iter(self._parts.outputs.values()))

    @property
    def _dims(self) -> tuple[Dim, ...]:
        return tuple(axis.dim for axis in self._expression[0])

    @cached_property
    def _terms(self) -> tuple[Part, ...]:
        """The patterns of the expression, each with what stands in its places."""
        axes, body = self._expression
        with rewrites.assuming(self._parts.requirements):
            return parts(body, axes)

    # What it is

    @cached_property
    def structure(self) -> Structure:
        """What the Jacobian is, in words, and per term which axes are tied by δ and which factors carry the rest.

        >>> import numpy as np, tensorjac as tj
        >>> def softmax(X):
        ...     E = np.exp(X)
        ...     return E / E.sum(axis=1, keepdims=True)
        >>> print(tj.trace(softmax, X="b n").jacobian("X").structure)
        block-diagonal over i, each block diagonal plus rank 1
        """
        axes, body = self._expression
        letters = Letters(axes, self._rank, self._parts.inputs, self._parts.names)
        with rewrites.assuming(self._parts.requirements):
            return letters.structure(self._terms, body)

    @cached_property
    def nnz(self) -> Dim:
        """How many entries the structure leaves: zeros that happen to be among the values count.

        UnsupportedError where patterns overlap or end in a way for which no formula is known; fixed sizes are counted.

        >>> import tensorjac as tj
        >>> J = tj.trace(lambda X: X.T @ X, X="b n").jacobian("X")
        >>> print(J.nnz, J.nnz.evaluate({"b": 2, "n": 3}))
        2*b*n**2 - b*n 30
        """
        with rewrites.assuming(self._parts.requirements):
            return count([part.pattern for part in self._terms])

    @cached_property
    def density(self) -> Ratio:
        """The share of all entries that the structure leaves.

        >>> import tensorjac as tj
        >>> J = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A")
        >>> print(J.density, J.density.evaluate({"n": 4}))
        1/n 1/4
        """
        return Ratio.of(self.nnz, prod(self._dims, start=ONE))

    # As arrays

    def dense(self, *args: Any, limit: float | None = None, **kwargs: Any) -> Array:
        """The Jacobian as one array, of shape output + input.

        Beside the arguments and the result it takes a tenth of their memory at most, if need be in more time than a
        call. MemoryError where the array would take more than ``limit`` bytes, which are half of the free memory unless
        given. An input that is called ``limit`` is that input.

        >>> import numpy as np, tensorjac as tj
        >>> J = tj.trace(lambda x: x * x, x="n").jacobian("x")
        >>> J.dense(x=np.array([1.0, 2.0]))
        array([[2., 0.],
               [0., 4.]])
        """
        if limit is None or "limit" in self._parts.inputs:
            if limit is not None:
                kwargs["limit"] = limit
            return np.asarray(self._sparing._at_arrays(args, kwargs))
        if not isinstance(limit, Real) or not limit >= 0:
            raise TraceError(
                f"a limit is a number of bytes, and this one is {limit!r}: pass 2**30 for one GiB, or nothing for half "
                "of the free memory."
            )
        J, arrays, sizes = self._at(args, kwargs)
        J._within(limit, "the limit", arrays, sizes)
        return np.asarray(J._sparing.unlimited(sizes, J._alike(arrays))(*arrays))

    def core(self, *args: Any, **kwargs: Any) -> list[tuple[Entries, Array]]:
        """The compressed form: for each pattern of δ the array of what stands there, over the axes that it names.

        >>> import numpy as np, tensorjac as tj
        >>> H = tj.trace(lambda T, U, V: ((T - U @ V.T) ** 2).sum(), T="m n", U="m k", V="n k").hessian("U")
        >>> ((pattern, array),) = H.core(np.ones((4, 3)), np.ones((4, 2)), np.ones((3, 2)))
        >>> print(pattern)
        δ[ik]: 2 V[mj] V[ml]
        >>> pattern.axes, array
        ('jl', array([[6., 6.],
               [6., 6.]]))
        """
        J = self._fitted(args, kwargs) if self._parts.requirements else self
        if J._lone_core is not None:
            entries, at_arrays = J._lone_core
            return [(entries, at_arrays(args, kwargs))]
        return list(zip(J.structure.terms, J._core_arrays(self._bound(args, kwargs)), strict=True))

    @cached_property
    def _lone_core(self) -> tuple[Entries, Callable[..., Any]] | None:
        """The pattern of the only core and what computes it; None where there are several."""
        entries = self.structure.terms
        return (entries[0], self._cores._at_arrays) if len(entries) == 1 else None

    def factors(self, *args: Any, **kwargs: Any) -> list[tuple[Entries, str, tuple[Array, ...]]]:
        """The cores as products that are not carried out: for each pattern an einsum equation and its operands.

        >>> import numpy as np, tensorjac as tj
        >>> J = tj.trace(lambda A, X, B: A @ X @ B, A="p m", X="m n", B="n q").jacobian("X")
        >>> ((pattern, equation, arrays),) = J.factors(np.ones((2, 3)), np.ones((3, 4)), np.ones((4, 5)))
        >>> equation, [array.shape for array in arrays]
        ('ij,kl->ikjl', [(2, 3), (5, 4)])
        """
        J = self._fitted(args, kwargs) if self._parts.requirements else self
        found, compiled = J._products
        if not found:
            return []
        arrays = iter(compiled(*args, **kwargs))
        return [
            (entries, product.equation, tuple(next(arrays) for _ in product.groups))
            for entries, product in zip(J.structure.terms, found, strict=True)
        ]

    def sparse(self, *args: Any, **kwargs: Any) -> Any:
        """A ``scipy.sparse.csr_array``, row-major over the output axes and over the input axes.

        It is built from the structure, and stores every structural nonzero, be its value 0.

        >>> import numpy as np, tensorjac as tj
        >>> J = tj.trace(lambda x: x[1:] - x[:-1], x="n").jacobian("x")
        >>> J.sparse(np.zeros(3)).toarray()
        array([[-1.,  1.,  0.],
               [ 0., -1.,  1.]])
        """
        J, arrays, sizes = self._at(args, kwargs)
        data, rows, columns = triplets(J._terms, J._core_arrays(arrays), J._rank, sizes)
        # SciPy has no sparse arrays of half precision
        data = data.astype(np.promote_types(J._dtype(arrays), np.float32), copy=False)
        return interop.sparse().coo_array((data, (rows, columns)), J._flat_shape(sizes)).tocsr()

    def spy(self, path: str | PathLike[str], /, *args: Any, **kwargs: Any) -> None:
        """Save a picture of the flattened Jacobian: where its entries stand, the darker the larger they are.

        Axes are labelled in the letters of the printed formula; lines divide it along the first axis of each side.

        >>> import numpy as np, tensorjac as tj
        >>> J = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("X")
        >>> J.spy("jacobian.png", np.ones((4, 3)), np.eye(3, 2))
        """
        J, arrays, sizes = self._at(args, kwargs)
        found = triplets(J._terms, J._core_arrays(arrays), J._rank, sizes)
        picture = Picture.of(found, numbers(J._dims, sizes), J._rank)
        figure = interop.figure(picture.inches)
        picture.draw(figure, str(J.structure))
        figure.savefig(path, dpi=200)

    # What these are made of

    @cached_property
    def _sparing(self) -> _Limited:
        return _Limited(self)

    def _planned(self) -> list[Expression]:
        """Terms that δ put in place stand apart, so that each is written where it belongs; so do those they rename."""
        axes, body = self._expression
        with rewrites.assuming(self._parts.requirements):
            terms = opened(body, axes)
            dense = all(part.pattern.plain and len(part.pattern.labels) == len(axes) for part in self._terms)
            if dense and not len(body.terms) < len(terms) <= RENAMED:
                return [(axes, body)]
            return [(axes, rewrites.finished(Sum(terms)))]

    def _program(self, sizes: Mapping[str, int], tuned: bool, functional: bool = False) -> Program:
        return emit.in_blocks(super()._program(sizes, tuned, functional))

    def _code(self, sizes: Mapping[str, int], tuned: bool) -> Any:
        return self.limited(super()._code(sizes, tuned), sizes)

    def limited(self, code: Any, sizes: Mapping[str, int]) -> Any:
        """Code that begins with a look at the free memory, where its result may be large."""
        if prod(numbers(self._dims, sizes)) <= SMALL:
            return code

        def careful(*arrays: Any) -> Any:
            free = free_memory()
            if free is not None:
                self._within(free / 2, "half of the free memory", arrays, sizes)
            return code(*arrays)

        return careful

    def _within(self, limit: float, what: str, arrays: Sequence[Any], sizes: Mapping[str, int]) -> None:
        """MemoryError where the dense array is larger than the limit."""
        shape = numbers(self._dims, sizes)
        needed = prod(shape) * self._dtype(arrays).itemsize
        if needed > limit:
            symbols, values = " × ".join(map(str, self._dims)), " × ".join(map(str, shape))
            owners = ", ".join(
                f"{name} of shape {array.shape}" for name, array in zip(self._parts.inputs, arrays, strict=True)
            )
            raise MemoryError(
                f"a dense array takes no more than {what}, {gibibytes(int(limit))}, and this one would take "
                f"{gibibytes(needed)}:\n  {self}\n{symbols} = {values} numbers, from {owners}. "
                "Use core, sparse or operator, which keep the structure, or dense(limit=…) with more bytes."
            )

    def _fitted(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        """The expression for arguments of these sizes; arrays of shapes at which it was this one are looked up."""
        known = not kwargs and len(args) == len(self._names)
        shapes = tuple([getattr(args[k], "shape", None) for k in self._relied_on]) if known else ()
        if known and shapes in self._fitting_shapes:
            return self
        J, _, _ = self._at(args, kwargs)
        if J is self and known and None not in shapes:
            if len(self._fitting_shapes) >= PLANS:
                self._fitting_shapes.clear()
            self._fitting_shapes.add(shapes)
        return J

    @cached_property
    def _relied_on(self) -> list[int]:
        """The places of arguments whose shapes tell the sizes of which something is required."""
        names = {name for fact in self._parts.requirements for name in fact.dim.names}
        places = []
        for place, dims in enumerate(self._parts.inputs.values()):
            told = {name for dim in dims for name in dim.names}
            if told & names:
                places.append(place)
                names -= told
        return places

    def _at(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Self, list[Any], dict[str, int]]:
        """The expression for arguments of these sizes, the arguments as arrays in order, and the sizes."""
        arrays = self._bound(args, kwargs)
        fitting, sizes = self._fitting(arrays)
        return fitting, arrays, sizes

    def _dtype(self, arrays: Sequence[Any]) -> np.dtype[Any]:
        return np.result_type(*arrays, *self._parts.constants.values())

    def _flat_shape(self, sizes: Mapping[str, int]) -> tuple[int, int]:
        shape = numbers(self._dims, sizes)
        return prod(shape[: self._rank]), prod(shape[self._rank :])

    @cached_property
    def _cores(self) -> Compiled:
        """The function of the cores: one array where there is one pattern, else a tuple."""
        cores = {f"core{k}": (part.labels, part.core) for k, part in enumerate(self._terms, start=1)}
        return self._with(cores, whole=len(cores) != 1)

    def _core_arrays(self, arrays: Sequence[Any]) -> tuple[Array, ...]:
        """The cores at these arguments, one for each pattern."""
        if len(self._terms) == 1:
            return (self._cores(*arrays),)
        return tuple(self._cores(*arrays)) if self._terms else ()

    @cached_property
    def _products(self) -> tuple[list[Product], Compiled]:
        """The cores as products, and the function of all operands."""
        with rewrites.assuming(self._parts.requirements):
            found = [factored(part, self._rank) for part in self._terms]
        groups = [group for product in found for group in product.groups]
        outputs = {f"factor{k}": (group.labels, group.body) for k, group in enumerate(groups, start=1)}
        return found, self._with(outputs, whole=True)

    def _with(
        self, outputs: Mapping[str, Expression], more: Mapping[str, tuple[Dim, ...]] | None = None, whole: bool = False
    ) -> Compiled:
        """Other expressions of the same inputs, and of ``more``; a tuple where ``whole``, else the only one bare."""
        inputs = {**self._parts.inputs, **(more or {})}
        nesting: Nesting = "tuple" if whole else "single"
        return Compiled(replace(self._parts, inputs=inputs, outputs=outputs, nesting=nesting, origin=None))


class _Limited(Sparing):
    """A structured expression in little memory, and in no more than there is."""

    _whole: Structured

    def _code(self, sizes: Mapping[str, int], tuned: bool) -> Any:
        return self._whole.limited(self.unlimited(sizes, tuned), sizes)

    def unlimited(self, sizes: Mapping[str, int], tuned: bool) -> Any:
        """The function for arrays of these sizes, however large its result is."""
        return super()._code(sizes, tuned)
