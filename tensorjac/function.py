"""``Function`` and ``Jacobian``: what users hold, call, print and differentiate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import calculus, explain, latex, normal, rewrites
from .calls import (
    Compiled,
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
from .dims import Dim
from .einsum import Einsum, einsums
from .errors import ShapeError, TraceError
from .notation import printing
from .structured import Structured
from .terms import DELTA, Factor, Index, Input, Sum, Tensor, constant, of_factor, product


class Function(Compiled):
    """Named, shaped inputs and one or more tensor outputs, as exact expressions.

    >>> import tensorjac as tj
    >>> F = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
    >>> print(F)
    Y[ij] = X[ik] A[kj]
    >>> F.inputs, F.outputs
    ({'X': ('b', 'm'), 'A': ('m', 'n')}, {'Y': ('b', 'n')})
    """

    # Looking at it

    @property
    def inputs(self) -> dict[str, Shape]:
        """The shape of each argument, in order."""
        return {name: _shape(dims) for name, dims in self._parts.inputs.items()}

    @property
    def outputs(self) -> dict[str, Shape]:
        """The shape of each result, in order."""
        return {name: _shape([axis.dim for axis in axes]) for name, (axes, _) in self._parts.outputs.items()}

    @property
    def constants(self) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays that were captured from outside, by the names that they are printed under."""
        return dict(self._parts.constants)

    def __str__(self) -> str:
        return printing.text(self._parts.outputs, self._parts.inputs, self._parts.names)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {' '.join(map(str, shape)) or 'scalar'}" for name, shape in self.inputs.items())
        return f"<{type(self).__name__} of ({shapes}): {self}>"

    def __eq__(self, other: object) -> bool:
        """Whether both compute the same, by their simplified forms; names of outputs play no part."""
        if not isinstance(other, Function):
            return NotImplemented
        return normal.equal(list(self._parts.outputs.values()), list(other._parts.outputs.values()))

    def __hash__(self) -> int:
        return hash(tuple(self.outputs.values()))

    def latex(self) -> str:
        """LaTeX: matrix notation where the expression has one, else index notation.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda X, A: X @ A, X="b m", A="m n").latex())
        Y = X A
        """
        return latex.latex(self._parts.outputs, self._parts.inputs, self._parts.names)

    def einsum(self) -> dict[str, tuple[Einsum, ...]]:
        """Per output, one einsum per term: the equation and its operands, δ and numbers among them.

        >>> import tensorjac as tj
        >>> tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A").einsum()
        {'dY_dA': (Einsum(equation='ik,jl->ijkl', operands=('X', 'δ')),)}
        """
        return {name: einsums(axes, body, self._operand_name) for name, (axes, body) in self._parts.outputs.items()}

    def _operand_name(self, factor: Factor) -> str:
        if factor.tensor is DELTA:
            return "δ"
        if isinstance(factor.tensor, Input) and factor.power == 1:
            return factor.tensor.name
        if factor.tensor in self._parts.names and factor.power == 1:
            return self._parts.names[factor.tensor]
        axes = factor.tensor.axes
        own = Sum((product(1, [Factor(factor.tensor, axes, factor.power)]),))
        text = printing.text({"Y": (axes, own)}, self._parts.inputs, self._parts.names)
        return text.partition(" = ")[2]

    def explain(self) -> str:
        """The derivation, step by step, each step with the name of the identity used.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda X, A: X @ A, X="b m", A="m n").vjp("A").explain())
          Y[ij] = X[ik] A[kj]   definition
        <BLANKLINE>
        ∂Y/∂A
          ∂Y[ij]/∂A[kl] = X[im] ∂A[mj]/∂A[kl]   product rule
                        = X[im] δ[km] δ[jl]     ∂A/∂A is a product of δ
                        = X[ik] δ[jl]           δ renames
        <BLANKLINE>
        dA = ∂L/∂A, for a loss L with G[ij] = ∂L/∂Y[ij]: contract ∂Y/∂A with G over the axes of Y
          dA[ij] = X[ki] G[kl] δ[jl]   chain rule
                 = X[ki] G[kj]         δ renames
        """
        origin = self._parts.origin
        if origin is None:
            origin = Origin(self, tuple(self._parts.inputs), True)
        parts = origin.function._parts
        with rewrites.assuming(parts.requirements):
            return explain.explain(parts.inputs, parts.outputs, origin.wrt, parts.names, origin.contracted)

    # Differentiating it

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
        for target in targets:
            name = free_name(f"d{target.name}", {**inputs, **outputs})
            outputs[name] = owned_axes(target.axes, found[target])
        return self._derived(inputs, outputs, Origin(self, tuple(wrt), True))

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
            Origin(self, (wrt,), False),
        )
        return Jacobian(parts, name, (wrt,), len(out))

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
        """The Hessian of a scalar output times a tangent, without the Hessian."""
        (wrt,) = self._wrt((wrt,))
        return self.grad(wrt, of=of).jvp(wrt)

    def after(self, **functions: Function) -> Function:
        """The composition: the output of another function in place of the input of that name.

        >>> import tensorjac as tj
        >>> layer = tj.trace(lambda Y, B: Y @ B, Y="b n", B="n k")
        >>> print(layer.after(Y=tj.trace(lambda X, A: X @ A, X="b m", A="m n")))
        Y[ij] = X[ik] A[kl] B[lj]
        """
        inputs: dict[str, tuple[Dim, ...]] = {}
        replaced: dict[Tensor, Sum] = {}
        constants, names = dict(self._parts.constants), dict(self._parts.names)
        requirements = self._parts.requirements
        for name in functions:
            self._wrt((name,))
        for name, dims in self._parts.inputs.items():
            inner = functions.get(name)
            if inner is None:
                self._joined_input(inputs, name, dims)
                continue
            output, (axes, body) = inner._single(None, "after")
            if tuple(axis.dim for axis in axes) != dims:
                raise ShapeError(
                    f"the output {output} has shape {shape_text([a.dim for a in axes])} and the input {name} has "
                    f"shape {shape_text(dims)}: name equal sizes alike in both functions."
                )
            for other, shape in inner._parts.inputs.items():
                self._joined_input(inputs, other, shape)
            target = Input(name, dims)
            replaced[target] = body.substitute(dict(zip(axes, target.axes, strict=True)))
            for tensor, label in inner._parts.names.items():
                if tensor not in names:
                    names[tensor] = free_name(label, {**constants, **inputs})
                    constants[names[tensor]] = inner._parts.constants[label]
            requirements = tuple(dict.fromkeys((*requirements, *inner._parts.requirements)))
        with rewrites.assuming(requirements):
            bodies = rewrites.rebuild([body for _, body in self._parts.outputs.values()], replaced)
        outputs = {
            name: (axes, body) for (name, (axes, _)), body in zip(self._parts.outputs.items(), bodies, strict=True)
        }
        return Function(Parts(inputs, outputs, self._parts.nesting, constants, names, requirements))

    @staticmethod
    def _joined_input(inputs: dict[str, tuple[Dim, ...]], name: str, dims: tuple[Dim, ...]) -> None:
        known = inputs.setdefault(name, dims)
        if known != dims:
            raise ShapeError(
                f"the input {name} has shape {shape_text(known)} in one function and {shape_text(dims)} in the "
                "other: give two different arrays different names."
            )

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
            if name not in self._parts.inputs:
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


class Jacobian(Structured, Function):
    """A function with one output whose axes are split: output axes first, input axes last.

    >>> import tensorjac as tj
    >>> J = tj.trace(lambda A, x: A @ x, A="m n", x="n").jacobian("A")
    >>> print(J)
    ∂Y[i]/∂A[jk] = δ[ij] x[k]
    >>> J.shape
    ('m', 'm', 'n')
    """

    def __init__(self, parts: Parts, of: str, wrt: tuple[str, ...], rank: int) -> None:
        super().__init__(parts, rank)
        self._of = of
        self._by = wrt

    @property
    def shape(self) -> Shape:
        """The sizes of the output's axes, then of the input's."""
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
        """The Jacobian in LaTeX, in index notation."""
        of, wrt = self._targets()
        return latex.latex_derivative(of, wrt, self._expression[1], self._parts.inputs, self._parts.names)

    def pullback(self, cotangent: str) -> Function:
        """The Jacobian contracted with a cotangent of this name over the output axes, without forming it.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A").pullback("G"))
        dA[ij] = X[ki] G[kj]
        """
        axes, _ = self._expression
        return self._contracted(cotangent, axes[: self._rank], axes[self._rank :], f"d{self._by[-1]}")

    def pushforward(self, tangent: str) -> Function:
        """The Jacobian contracted with a tangent of this name over the input axes, without forming it.

        >>> import tensorjac as tj
        >>> print(tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A").pushforward("dA"))
        dY[ij] = X[ik] dA[kj]
        """
        axes, _ = self._expression
        name = f"d{self._of}" if len(self._by) == 1 else f"d{self._by[0]}"
        return self._contracted(tangent, axes[self._rank :], axes[: self._rank], name)

    def _contracted(self, vector: str, over: Sequence[Index], kept: Sequence[Index], output: str) -> Function:
        inputs = dict(self._parts.inputs)
        if vector in inputs:
            raise TraceError(f"{vector} is already an input of shape {shape_text(inputs[vector])}: choose a new name.")
        inputs[vector] = tuple(axis.dim for axis in over)
        weight = of_factor(Input(vector, inputs[vector])(*over))
        with rewrites.assuming(self._parts.requirements):
            body = rewrites.contract(rewrites.multiply(self._expression[1], weight), over)
        return self._derived(inputs, {free_name(output, inputs): owned_axes(kept, body)})


def _shape(dims: Sequence[Dim]) -> Shape:
    return tuple(dim.value if dim.value is not None else str(dim) for dim in dims)
