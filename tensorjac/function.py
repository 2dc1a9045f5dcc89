"""``Function`` and ``Jacobian``: what users hold, call, print and differentiate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from keyword import iskeyword

from . import calculus, latex, rewrites
from .calls import (
    Expression,
    Nesting,
    Origin,
    Parts,
    Shape,
    free_name,
    listed,
    owned_axes,
    shape_text,
)
from .composition import called, joined, resized, substituted, unified
from .dims import Dim
from .errors import ShapeError, TraceError
from .linear_map import LinearMap
from .notation import printing
from .remaking import combined, remade
from .structure.merging import Convention, Form, Layout, Order, merged
from .terms import Index, Input, Sum, constant, of_factor
from .written import Written


class Function(Written):
    """Named, shaped inputs and one or more tensor outputs, as exact expressions.

    >>> import tensorjac as tj
    >>> F = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
    >>> print(F)
    Y[ij] = X[ik] A[kj]
    >>> F.inputs, F.outputs
    ({'X': ('b', 'm'), 'A': ('m', 'n')}, {'Y': ('b', 'n')})
    """

    @remade
    def vjp(self, *wrt: str) -> Function:
        """The gradients ∂L/∂input for cotangents ``G`` (``G1``, ``G2``, …) of the outputs, as a function.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda X, A: X @ A, X="b m", A="m n").vjp())
        dX[ij] = G[ik] A[jk]
        dA[ij] = X[ki] G[kj]
        """
        names = self._wrt(wrt)
        inputs = dict(self._parts.inputs)
        seeds = []
        many = len(self._parts.outputs) > 1
        for k, (axes, body) in enumerate(self._parts.outputs.values(), start=1):
            name = free_name(f"G{k}" if many else "G", inputs)
            inputs[name] = tuple(axis.dim for axis in axes)
            seeds.append((axes, body, of_factor(Input(name, inputs[name])(*axes))))
        return self._gradients(seeds, names, inputs)

    @remade
    def grad(self, *wrt: str, of: str | None = None) -> Function:
        """The gradient of a scalar output: the VJP with the cotangent 1.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda x: x @ x, x="n").grad("x"))
        dx[i] = 2 x[i]
        """
        name, (axes, body) = self._single(of, "grad")
        if axes:
            raise ShapeError(
                f"grad needs a scalar output, and {name} has shape {shape_text([a.dim for a in axes])}: "
                "sum it to a scalar first, or use vjp or jacobian."
            )
        return self._gradients([((), body, constant(1))], self._wrt(wrt), dict(self._parts.inputs))

    def _gradients(
        self, seeds: Sequence[tuple[Sequence[Index], Sum, Sum]], wrt: Sequence[str], inputs: dict[str, tuple[Dim, ...]]
    ) -> Function:
        targets = [Input(name, inputs[name]) for name in wrt]
        with rewrites.assuming(self._parts.requirements):
            found = calculus.pullback(seeds, targets)
        outputs: dict[str, Expression] = {}
        taken = {*inputs}
        for target in targets:
            name = free_name(f"d{target.name}", taken)
            taken.add(name)
            outputs[name] = owned_axes(target.axes, found[target])
        return self._derived(inputs, outputs, Origin(self, tuple(wrt), True))

    @remade
    def jvp(self, *wrt: str) -> Function:
        """The tangents of the outputs, for tangents ``dX`` of inputs, as a function.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda X, A: X @ A, X="b m", A="m n").jvp("A"))
        dY[ij] = X[ik] dA[kj]
        """
        names = self._wrt(wrt)
        inputs = dict(self._parts.inputs)
        tangents: dict[Input, Sum] = {}
        for name in names:
            tangent = free_name(f"d{name}", inputs)
            inputs[tangent] = inputs[name]
            target = Input(name, inputs[name])
            tangents[target] = of_factor(Input(tangent, inputs[name])(*target.axes))
        with rewrites.assuming(self._parts.requirements):
            moved = [owned_axes(axes, body) for axes, body in self._parts.outputs.values()]
            changes = calculus.pushforward([body for _, body in moved], tangents)
        outputs = {
            free_name(f"d{name}", inputs): (axes, change)
            for name, (axes, _), change in zip(self._parts.outputs, moved, changes, strict=True)
        }
        return self._derived(inputs, outputs)

    @remade
    def jacobian(self, wrt: str, of: str | None = None) -> Jacobian:
        """∂output/∂input: output axes first, input axes last.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A"))
        ∂Y[ij]/∂A[kl] = X[ik] δ[jl]
        """
        (wrt,) = self._wrt((wrt,))
        name, (axes, body) = self._single(of, "jacobian")
        target = Input(wrt, self._parts.inputs[wrt])
        out = [Index.fresh(axis.dim) for axis in axes]
        with rewrites.assuming(self._parts.requirements):
            found = calculus.pullback([(axes, body, calculus.identity(axes, out))], [target])[target]
        return self._jacobian(name, out, wrt, target.axes, found)

    @remade
    def _forward_jacobian(self, wrt: str, of: str | None = None) -> Jacobian:
        """The same Jacobian from one forward pass, its tangent a product of δ."""
        name, (axes, body) = self._single(of, "jacobian")
        target = Input(wrt, self._parts.inputs[wrt])
        into = [Index.fresh(dim) for dim in target.shape]
        out, moved = owned_axes(axes, body)
        with rewrites.assuming(self._parts.requirements):
            (found,) = calculus.pushforward([moved], {target: calculus.identity(target.axes, into)})
        return self._jacobian(name, out, wrt, into, found)

    def _jacobian(self, name: str, out: Sequence[Index], wrt: str, into: Sequence[Index], body: Sum) -> Jacobian:
        axes, body = owned_axes((*out, *into), body)
        parts = Parts(
            self._parts.inputs,
            {f"d{name}_d{wrt}": (axes, body)},
            "single",
            self._parts.constants,
            self._parts.names,
            self._parts.requirements,
            Origin(self, (wrt,), False, name),
        )
        return Jacobian(parts, name, (wrt,), len(out))

    @remade
    def hessian(self, wrt: str, other: str | None = None, of: str | None = None) -> Jacobian:
        """The Jacobian of the gradient of a scalar output; with two names the mixed one.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda x, A: x @ A @ x, x="n", A="n n").hessian("x"))
        ∂²Y[]/∂x[i]∂x[j] = A[ij] + A[ji]
        """
        ((first,), (second,)) = self._wrt((wrt,)), self._wrt((other or wrt,))
        name, _ = self._single(of, "hessian")
        slope = self.grad(first, of=of).jacobian(second)
        return Jacobian(slope._parts, name, (first, second), slope._rank)

    def hvp(self, wrt: str, of: str | None = None) -> Function:
        """The Hessian of a scalar output times a tangent, without the Hessian.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda x, A: x @ A @ x, x="n", A="n n").hvp("x"))
        ddx[i] = A[ij] dx[j] + A[ji] dx[j]
        """
        (wrt,) = self._wrt((wrt,))
        return self.grad(wrt, of=of).jvp(wrt)

    def after(self, **functions: Function) -> Function:
        """The composition: the output of another function in place of the input of that name.

        >>> import tensorjac as tj
        >>> layer = tj.trace(lambda Y, B: Y @ B, Y="b n", B="n k")
        >>> print(layer.after(Y=tj.trace(lambda X, A: X @ A, X="b m", A="m n")))
        Y[ij] = X[ik] A[kl] B[lj]
        """
        for name, function in functions.items():
            self._wrt((name,))
            if not isinstance(function, Function):
                raise TraceError(
                    f"an input is replaced by the output of a Function, and {name} is given a value of type "
                    f"{type(function).__name__}: pass tj.trace(…) of what computes {name}."
                )
        inner = {name: (function._parts, *function._single(None, "after")) for name, function in functions.items()}
        sizes = called(self._parts, inner)
        made = Function(substituted(self._parts, inner, sizes))

        def afterwards(outer: Function, *each: Function) -> Function:
            return outer.after(**dict(zip(functions, each, strict=True)))

        made._again = combined(self, list(functions.values()), sizes, afterwards)
        return made

    def _derived(
        self,
        inputs: Mapping[str, tuple[Dim, ...]],
        outputs: Mapping[str, Expression],
        origin: Origin | None = None,
    ) -> Function:
        parts = self._parts
        nesting: Nesting = "single" if len(outputs) == 1 else "tuple"
        return Function(Parts(inputs, outputs, nesting, parts.constants, parts.names, parts.requirements, origin))

    def _wrt(self, wrt: Sequence[str]) -> list[str]:
        for name in wrt:
            if not isinstance(name, str) or name not in self._parts.inputs:
                raise TraceError(
                    f"{self._signature()} has no input {name} to differentiate by: "
                    f"choose from {listed(list(self._parts.inputs))}."
                )
        return list(dict.fromkeys(wrt)) or list(self._parts.inputs)

    def _single(self, of: str | None, verb: str) -> tuple[str, Expression]:
        outputs = self._parts.outputs
        if of is None:
            if len(outputs) > 1:
                raise TraceError(
                    f"{verb} differentiates one output, and there are {len(outputs)}: "
                    f'say which, of="{next(iter(outputs))}" for example.'
                )
            return next(iter(outputs.items()))
        if of not in outputs:
            raise TraceError(f"there is no output {of}: choose from {listed(list(outputs))}.")
        return of, outputs[of]


class Jacobian(LinearMap, Function):
    """A function with one output whose axes are split: output axes first, input axes last.

    >>> import tensorjac as tj
    >>> J = tj.trace(lambda A, x: A @ x, A="m n", x="n").jacobian("A")
    >>> print(J)
    ∂Y[i]/∂A[jk] = δ[ij] x[k]
    >>> J.shape
    ('m', 'm', 'n')
    """

    _chain: Sequence[Jacobian] = ()

    def __init__(self, parts: Parts, of: str, wrt: tuple[str, ...], rank: int, chain: Sequence[Jacobian] = ()) -> None:
        super().__init__(parts, rank)
        self._chain = chain
        self._of = of
        self._by = wrt

    @property
    def shape(self) -> Shape:
        """The sizes of the output's axes, then of the input's.

        >>> import tensorjac as tj
        >>> tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A").shape
        ('b', 'n', 'm', 'n')
        """
        return next(iter(self.outputs.values()))

    def _targets(self) -> tuple[tuple[str, tuple[Index, ...]], list[tuple[str, tuple[Index, ...]]]]:
        """What is differentiated and by what, each with its axes."""
        axes, _ = self._expression
        rows, columns = axes[: self._rank], axes[self._rank :]
        if len(self._by) == 1:
            return (self._of, rows), [(self._by[0], columns)]
        return (self._of, ()), [(self._by[0], rows), (self._by[1], columns)]

    def __str__(self) -> str:
        of, wrt = self._targets()
        return printing.derivative(of, wrt, self._expression[1], self._parts.inputs, self._parts.names)

    def latex(self) -> str:
        r"""The Jacobian in LaTeX, in index notation.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A").latex())
        \frac{\partial Y_{ij}}{\partial A_{kl}} = X_{ik}\,\delta_{jl}
        """
        of, wrt = self._targets()
        return latex.latex_derivative(of, wrt, self._expression[1], self._parts.inputs, self._parts.names)

    def pullback(self, cotangent: str) -> Function:
        """The Jacobian contracted with a cotangent of this name over the output axes, without forming it.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A").pullback("G"))
        dA[ij] = X[ki] G[kj]
        """
        return self._contracted(cotangent, f"d{self._by[-1]}", forward=False)

    def pushforward(self, tangent: str) -> Function:
        """The Jacobian contracted with a tangent of this name over the input axes, without forming it.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A").pushforward("dA"))
        dY[ij] = X[ik] dA[kj]
        """
        return self._contracted(tangent, f"d{self._of if len(self._by) == 1 else self._by[0]}", forward=True)

    def compose(self, inner: Jacobian) -> Jacobian:
        """The chain rule ∂Z/∂Y ∂Y/∂X: contracted over the axes of Y, which stays an input by its name where it was one.

        Sizes are called what the other Jacobian calls them. ShapeError where the shapes of Y contradict each other.

        >>> import numpy as np, tensorjac as tj
        >>> J = tj.trace(lambda H: np.tanh(H), H="b m").jacobian("H")
        >>> K = tj.trace(lambda X, A: X @ A, X="b k", A="k m").jacobian("X")
        >>> print(J.compose(K))
        ∂Y[ij]/∂X[kl] = δ[ik] (1 - tanh(H[ij])^2) A[lj]
        """
        if not isinstance(inner, Jacobian):
            raise TraceError(
                f"a Jacobian is composed with a Jacobian, and here with a value of type {type(inner).__name__}: "
                "pass F.jacobian(…) of the inner function."
            )
        others, other = owned_axes(*inner._expression)
        rows = others[: inner._rank]
        sizes = unified(self._by[-1], self._dims[self._rank :], inner._of, tuple(axis.dim for axis in rows), {})
        outer = self._resized(sizes)
        parts = joined(outer._parts, inner._parts)
        axes, body = next(iter(parts.outputs.values()))
        over = axes[self._rank :]
        with rewrites.assuming(parts.requirements):
            moved = other.substitute(dict(zip(rows, over, strict=True)))
            chained = rewrites.contract(rewrites.multiply(body, moved), over)
        wrt = (*self._by[:-1], inner._by[-1])
        whole = owned_axes((*axes[: self._rank], *others[inner._rank :]), chained)
        outputs = {f"d{self._of}_{''.join(f'd{name}' for name in wrt)}": whole}
        chain = (*(inner._chain or (inner,)), *(outer._chain or (outer,)))
        made = Jacobian(replace(parts, outputs=outputs, origin=None), self._of, wrt, self._rank, chain)
        made._again = combined(self, [inner], sizes, Jacobian.compose)
        return made

    def _resized(self, sizes: Mapping[str, Dim]) -> Jacobian:
        """The same with other sizes in the place of names."""
        if not sizes:
            return self
        chain = [each._resized(sizes) for each in self._chain]
        return Jacobian(resized(self._parts, sizes), self._of, self._by, self._rank, chain)

    @remade
    def matrix(self, order: Order = "C", layout: Layout = "numerator") -> Matrix:
        """The Jacobian of vec(output) by vec(input), a function of two axes, with its Kronecker form where it has one.

        ``order`` is "C" for the row-major vec, "F" for the column-major one, ``layout`` "numerator" for
        output × input, "denominator" for its transpose.

        >>> import tensorjac as tj
        >>> J = tj.trace(lambda A, X, B: A @ X @ B, A="p m", X="m n", B="n q").jacobian("X")
        >>> print(J.matrix())
        J[(ij)(kl)] = A[ik] B[lj]  # A ⊗ Bᵀ: row-major vec, numerator layout (output × input)
        >>> J.matrix(order="F").outputs, J.matrix(order="F").kronecker
        ({'J': ('p*q', 'm*n')}, 'Bᵀ ⊗ A')
        """
        convention = Convention(order, layout)
        axes, body = self._expression
        with rewrites.assuming(self._parts.requirements):
            whole = merged(axes, body, self._rank, convention)
            names = (self._parts.inputs, self._parts.names)
            form = Form.of(axes, body, self._terms, self._rank, convention, names)
        return Matrix(replace(self._parts, outputs={free_name("J", self._parts.inputs): whole}, origin=None), form)

    @remade
    def _contracted(self, vector: str, output: str, forward: bool) -> Function:
        inputs = dict(self._parts.inputs)
        if not isinstance(vector, str) or not vector.isidentifier() or iskeyword(vector):
            raise TraceError(
                f'a vector is called by a name, and {vector!r} is none: pass a name such as "G", and its array when '
                "the function is called."
            )
        if vector in inputs:
            raise TraceError(f"{vector} is already an input of shape {shape_text(inputs[vector])}: choose a new name.")
        axes, _ = self._expression
        over = axes[self._rank :] if forward else axes[: self._rank]
        inputs[vector] = tuple(axis.dim for axis in over)
        with rewrites.assuming(self._parts.requirements):
            found = self._chained(over, of_factor(Input(vector, inputs[vector])(*over)), forward)
        return self._derived(inputs, {free_name(output, inputs): owned_axes(*found)})


class Matrix(Function):
    """A Jacobian as a matrix, its output axes merged and its input axes merged; it says by which convention.

    >>> import tensorjac as tj
    >>> M = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A").matrix()
    >>> print(M)
    J[(i, j:n), (kl)] = X[ik] δ[jl]  # X ⊗ I: row-major vec, numerator layout (output × input)
    """

    def __init__(self, parts: Parts, form: Form) -> None:
        super().__init__(parts)
        self._form = form

    @property
    def convention(self) -> Convention:
        """How the axes are merged, and which of them are rows."""
        return self._form.convention

    @property
    def kronecker(self) -> str | None:
        """The matrix in Kronecker products, such as X ⊗ I, or None; K is the matrix with K vec(A) = vec(Aᵀ).

        It is called K_ where an input is called K.
        """
        return self._form.plain

    def __str__(self) -> str:
        said = f"{self.kronecker}: {self.convention}" if self.kronecker else str(self.convention)
        return f"{super().__str__()}  # {said}"

    def latex(self) -> str:
        """LaTeX: the Kronecker form where there is one, else index notation."""
        return f"{next(iter(self.outputs))} = {self._form.latex}" if self._form.latex else super().latex()
