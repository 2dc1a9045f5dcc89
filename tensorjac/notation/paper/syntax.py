"""What paper notation is made of, beside the nodes that it shares with the other two: see `paper`."""

from __future__ import annotations

from dataclasses import dataclass

from ..syntax import Node


@dataclass(frozen=True)
class Product(Node):
    """Factors side by side: ``operators`` are "" (the matrix product), "·" and "/", applied left to right."""

    operands: tuple[Node, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Entrywise(Node):
    """``X ∘ Y``, ``X ⊘ Y``: entry by entry; ``operators`` are "∘" and "⊘"."""

    operands: tuple[Node, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Kronecker(Node):
    """``A ⊗ B``"""

    operands: tuple[Node, ...]


@dataclass(frozen=True)
class Transposed(Node):
    """``Xᵀ``"""

    of: Node


@dataclass(frozen=True)
class Raised(Node):
    """``X⁻¹``, ``x²``, ``s^(1/2)``"""

    base: Node
    exponent: Node


@dataclass(frozen=True)
class Ones(Node):
    """``𝟏`` or ``𝟏_n``: the column of ones; ``size`` is "" where it follows from what stands around it."""

    size: str = ""


@dataclass(frozen=True)
class Identity(Node):
    """``I`` or ``I_n``"""

    size: str = ""


@dataclass(frozen=True)
class Function(Node):
    """``tr(X)``, ``log det X``, ``σ(z)``"""

    name: str
    argument: Node


@dataclass(frozen=True)
class Norm(Node):
    """``‖X‖``: the square root of the sum of the squares of the entries."""

    of: Node


@dataclass(frozen=True)
class Bars(Node):
    """``|x|``: the absolute value of a scalar, the determinant of a matrix."""

    of: Node


@dataclass(frozen=True)
class Inner(Node):
    """``⟨A, B⟩``: the sum of the products of the entries."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Differential(Node):
    """``dX``, ``d(X⁻¹)``"""

    of: Node


@dataclass(frozen=True)
class Derivative(Node):
    """``∂L/∂A``, ``∂(aᵀ x)/∂x``, ``∇_w L``; two names in ``wrt`` for second derivatives.

    A ``gradient`` of a scalar has the shape of what it is taken by, as ``∂L/∂A`` has.
    """

    of: Node
    wrt: tuple[str, ...]


@dataclass(frozen=True)
class Entry(Node):
    """``X_ij``, ``(X w)_i``: one entry, a scalar, at letters that a sum or a left side introduces."""

    of: Node
    letters: tuple[str, ...]


@dataclass(frozen=True)
class Summed(Node):
    """``Σ_i x_i y_i``: the sum over the letters of all that follows in this term."""

    letters: tuple[str, ...]
    body: Node
