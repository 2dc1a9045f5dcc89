"""Jacobians as matrices: output axes merged into rows, input axes into columns, and Kronecker products spelled out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from ..dims import Dim
from ..errors import TraceError
from ..latex.matrices import expression
from ..matrix import matrix_forms
from ..matrix.network import NoForm
from ..matrix.plain import FACTORS, SUM, added, plain
from ..matrix.tree import Identity, Node, Transpose
from ..rewrites import contract, multiply
from ..terms import ONE, ZERO, Index, Slot, Sum, Tensor, affine, delta, product
from .kronecker import Component, components
from .pattern import Part

Order = Literal["C", "F"]
Layout = Literal["numerator", "denominator"]
Names = tuple[Mapping[str, Sequence[Dim]], Mapping[Tensor, str]]
Write = Callable[[Node, bool], str]


@dataclass(frozen=True)
class Convention:
    """How axes are merged: row-major ("C") or column-major ("F"), and whether rows belong to the output."""

    order: Order
    layout: Layout

    def __post_init__(self) -> None:
        if self.order not in ("C", "F"):
            raise TraceError(
                f'the order of a vec is "C" or "F", and {self.order!r} is neither: pass "C" for the row-major vec, '
                '"F" for the column-major one.'
            )
        if self.layout not in ("numerator", "denominator"):
            raise TraceError(
                f'a layout is "numerator" or "denominator", and {self.layout!r} is neither: pass "numerator" for '
                'output × input, "denominator" for its transpose.'
            )

    def __str__(self) -> str:
        sides = "output × input" if self.layout == "numerator" else "input × output"
        return f"{'row' if self.order == 'C' else 'column'}-major vec, {self.layout} layout ({sides})"


def merged(axes: Sequence[Index], body: Sum, rank: int, convention: Convention) -> tuple[tuple[Index, Index], Sum]:
    """The expression over two axes, in which those of the output and of the input are merged."""
    rows, columns = (_merged(part, convention.order) for part in (axes[:rank], axes[rank:]))
    ties = product(1, [delta(whole, slot) for whole, slot in (rows, columns)])
    matrix = contract(multiply(body, Sum((ties,))), axes)
    whole = (rows[0], columns[0])
    return (whole if convention.layout == "numerator" else whole[::-1]), matrix


def _merged(axes: Sequence[Index], order: Order) -> tuple[Index, Slot]:
    """An index for all axes, and the slot that it is in terms of them."""
    weight, parts = ONE, dict[Index, Dim]()
    for axis in reversed(axes) if order == "C" else axes:
        parts[axis] = weight
        weight = weight * axis.dim
    return Index.fresh(prod((axis.dim for axis in axes), start=ONE)), affine(ZERO, parts)


@dataclass(frozen=True)
class Form:
    """The Kronecker form of a matrix in plain text and in LaTeX, None where it has none, and the convention."""

    convention: Convention
    plain: str | None
    latex: str | None

    @classmethod
    def of(
        cls, axes: Sequence[Index], body: Sum, parts: Sequence[Part], rank: int, convention: Convention, names: Names
    ) -> Form:
        """The form of an expression with its parts; ``names`` are its inputs and its constants."""
        known = {*names[0], *names[1].values()}
        writers: list[tuple[Write, str]] = [
            (lambda node, factor: plain(node, FACTORS if factor else SUM), " ⊗ "),
            (lambda node, factor: expression(node, known, factor), r" \otimes "),
        ]
        texts = [_Kronecker(rank, convention, names, *writer).text(parts, axes, body) for writer in writers]
        return cls(convention, *texts)


@dataclass(frozen=True)
class _Kronecker:
    """Writes parts as sums of Kronecker products; ``write`` puts a node into text, as a factor of a product or not."""

    rank: int
    convention: Convention
    names: Names
    write: Write
    times: str

    def text(self, parts: Sequence[Part], axes: Sequence[Index], body: Sum) -> str | None:
        """The sum of Kronecker products; None where there is none."""
        try:
            if len(axes) == 2 and self.rank == 1:
                turned = self.convention.layout == "denominator"
                return self.write(self._node(axes[::-1] if turned else axes, body), False)
            return added([self._part(part) for part in parts]) if parts else None
        except NoForm:
            return None

    def _part(self, part: Part) -> str:
        if len(part.pattern.ties(self.rank)) * 2 == len(part.pattern.axes) and part.labels:
            return self._diagonal(part)
        found = components(part, self.rank)
        if found is None or (len(found[1]) < 2 and len(part.pattern.axes) > 2):
            raise NoForm
        scale, pieces = found
        columns = [column for piece in pieces for column in piece.columns]
        swapped = columns != sorted(columns)
        if swapped and (len(columns) != 2 or any(len(piece.columns) != 1 for piece in pieces)):
            raise NoForm
        factors = [self._factor(part, piece) for piece in pieces]
        if self.convention.order == "F":
            factors.reverse()
        text = self.times.join(self.write(factor, True) for factor in factors)
        if swapped:
            text = self._commuted(text, all(isinstance(factor, Identity) for factor in factors))
        (term,) = scale.terms
        if not term.factors and abs(term.coefficient) == 1:
            return text if term.coefficient == 1 else f"-{text}"
        if self.times in text and not swapped:
            text = f"({text})"
        return f"{self.write(self._node((), scale), True)} {text}"

    def _diagonal(self, part: Part) -> str:
        """The diagonal matrix of the vec of what stands there."""
        ties = part.pattern.ties(self.rank)
        if [column - self.rank for _, column in ties] != list(range(self.rank)):
            raise NoForm
        node = self._node([slot for slot in part.pattern.slots[: self.rank] if isinstance(slot, Index)], part.core)
        inner = self.write(node, False)
        return (
            f"diag(vec({inner}))" if self.times == " ⊗ " else rf"\operatorname{{diag}}(\operatorname{{vec}}({inner}))"
        )

    def _commuted(self, text: str, bare: bool) -> str:
        """K vec(A) = vec(Aᵀ) swaps the axes of the input before they meet the product."""
        transposed = self.convention.layout == "denominator"
        name = "K_" if "K" in {*self.names[0], *self.names[1].values()} else "K"
        mark = "ᵀ" if self.times == " ⊗ " else r"^{\top}"
        swap = f"{name}{mark}" if transposed else name
        return swap if bare else f"{swap} ({text})" if transposed else f"({text}) {swap}"

    def _factor(self, part: Part, piece: Component) -> Node:
        """One factor of the product as a matrix; rows alone are a column, columns alone a row."""
        labels = [part.pattern.slots[k] for k in (*piece.rows, *piece.columns)]
        if len(piece.rows) > 1 or len(piece.columns) > 1:
            raise NoForm
        if piece.tied:
            return Identity(part.pattern.axes[piece.rows[0]])
        own = [label for label in labels if isinstance(label, Index)]
        turned = self.convention.layout == "denominator"
        if len(own) == 1:
            node = self._node(own, piece.core)
            return node if bool(piece.rows) != turned else Transpose(node)
        if own[0] is own[1]:
            own[1] = Index.fresh(own[0].dim)
            core = multiply(piece.core, Sum((product(1, [delta(*own)]),)))
            return self._node(own, core)
        return self._node(own[::-1] if turned else own, piece.core)

    def _node(self, axes: Sequence[Index], body: Sum) -> Node:
        forms = matrix_forms({"Y": (tuple(axes), body)}, *self.names)
        if forms is None or forms.definitions:
            raise NoForm
        return forms.outputs["Y"]
