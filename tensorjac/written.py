"""Functions as they are looked at: shapes, index notation, LaTeX, einsums, and how they were derived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import latex, normal, rewrites
from .calls import Compiled, Origin, Shape
from .dims import Dim
from .einsum import Einsum, einsums
from .explain import explain
from .notation import printing
from .terms import DELTA, Factor, Input, Sum, product


class Written(Compiled):
    """Parts that are written down."""

    @property
    def inputs(self) -> dict[str, Shape]:
        """The shape of each argument, in order.

        >>> import tensorjac as tj
        >>> tj.parse("Y = X @ A", X="b m", A="m n").inputs
        {'X': ('b', 'm'), 'A': ('m', 'n')}
        """
        return {name: _shape(dims) for name, dims in self._parts.inputs.items()}

    @property
    def outputs(self) -> dict[str, Shape]:
        """The shape of each result, in order.

        >>> import tensorjac as tj
        >>> tj.trace(lambda X: {"total": X.sum(), "means": X.mean(axis=0)}, X="b m").outputs
        {'total': (), 'means': ('m',)}
        """
        return {name: _shape([axis.dim for axis in axes]) for name, (axes, _) in self._parts.outputs.items()}

    @property
    def constants(self) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays that were captured from outside, by the names that they are printed under.

        >>> import tensorjac as tj
        >>> weights = np.array([1.0, 2.0])
        >>> F = tj.trace(lambda X: X @ weights, X="b 2")
        >>> print(F, F.constants)
        Y[i] = X[ij] C1[j] {'C1': array([1., 2.])}
        """
        return dict(self._parts.constants)

    def __str__(self) -> str:
        return printing.text(self._parts.outputs, self._parts.inputs, self._parts.names)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {' '.join(map(str, shape)) or 'scalar'}" for name, shape in self.inputs.items())
        return f"<{type(self).__name__} of ({shapes}): {self}>"

    def __eq__(self, other: object) -> bool:
        """Whether both compute the same, by their simplified forms; names of outputs play no part."""
        if not isinstance(other, Written):
            return NotImplemented
        with rewrites.assuming((*self._parts.requirements, *other._parts.requirements)):
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
        return " ".join(text.partition(" = ")[2].split())

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
            return explain(parts.inputs, parts.outputs, origin.wrt, parts.names, origin.contracted)


def _shape(dims: Sequence[Dim]) -> Shape:
    return tuple(dim.value if dim.value is not None else str(dim) for dim in dims)
