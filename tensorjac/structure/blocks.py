"""Jacobians as independent blocks: identical or different ones along tied axes, each a Kronecker product of pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..rewrites import finished, substitute
from ..terms import Index, Slot, Sum, constant
from .kronecker import common_ties, components
from .opening import opened
from .pattern import Part
from .words import triangle

Expression = tuple[tuple[Index, ...], Sum]


class Piece(NamedTuple):
    """One factor of every block: its output and input axes, by position, and its expression.

    The expression has an axis for each tie on which it depends, in order, then the output and the input axes; only
    the output axis where ``triangular``: the diagonal is then all that its determinant needs.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    depends: tuple[bool, ...]
    expression: Expression
    triangular: bool = False


@dataclass(frozen=True)
class Blocks:
    """A Jacobian as δ over ``ties`` times a scale times the Kronecker product of ``pieces``.

    The scale is an expression over the ties on which it depends.
    """

    ties: tuple[tuple[int, int], ...]
    pieces: tuple[Piece, ...]
    scale: Expression
    depends: tuple[bool, ...]


def blocks(axes: Sequence[Index], body: Sum, parts: Sequence[Part], rank: int, triangles: bool = False) -> Blocks:
    """The finest blocks that the parts show; without structure there is one, the whole.

    Where ``triangles``, of a triangular block the diagonal alone.

    >>> from tensorjac.dims import Dim
    >>> from tensorjac.terms import Input, delta, product
    >>> from tensorjac.structure import parts
    >>> i, j, k, l = (Index.fresh(Dim.of(name)) for name in "bnmn")
    >>> body = Sum([product(1, [Input("X", (Dim.of("b"), Dim.of("m")))(i, k), delta(j, l)])])
    >>> found = blocks((i, j, k, l), body, parts(body, (i, j, k, l)), 2)
    >>> found.ties, [(piece.rows, piece.columns) for piece in found.pieces]
    (((1, 3),), [((0,), (2,))])
    """
    ties = common_ties(parts, rank)
    single = _pieces(parts[0], ties, rank) if len(parts) == 1 else None
    if single is not None:
        return single
    return _whole(axes, body, parts, ties, rank, triangles)


def undivided(axes: Sequence[Index], body: Sum, rank: int) -> Blocks:
    """The whole as one block, whatever its structure."""
    piece = Piece(tuple(range(rank)), tuple(range(rank, len(axes))), (), (tuple(axes), body))
    return Blocks((), (piece,), ((), constant(1)), ())


def _pieces(part: Part, ties: tuple[tuple[int, int], ...], rank: int) -> Blocks | None:
    """The independent factors of a single part."""
    slots = part.pattern.slots
    tied = [slots[row] for row, _ in ties]
    found = components(part, rank, tied)
    if found is None:
        return None
    scale, factors = found
    pieces = []
    for factor in factors:
        shown = [slots[k] for k in (*factor.rows, *factor.columns)]
        if len(set(shown)) < len(shown):
            return None
        pieces.append(Piece(factor.rows, factor.columns, *_over(tied, shown, factor.core)))
    depends, expression = _over(tied, (), scale)
    return Blocks(ties, tuple(pieces), expression, depends)


def _over(tied: Sequence[Slot], shown: Sequence[Slot], core: Sum) -> tuple[tuple[bool, ...], Expression]:
    """On which ties an expression depends, and it with these and what it shows as axes."""
    needed = core.labels
    depends = tuple(label in needed for label in tied)
    labels = [label for label, used in zip(tied, depends, strict=True) if used]
    return depends, (tuple(label for label in (*labels, *shown) if isinstance(label, Index)), core)


def _whole(
    axes: Sequence[Index],
    body: Sum,
    parts: Sequence[Part],
    ties: tuple[tuple[int, int], ...],
    rank: int,
    triangles: bool,
) -> Blocks:
    """One piece with all axes that are not tied."""
    left = [k for k in range(len(axes)) if not any(k in tie for tie in ties)]
    rows = tuple(k for k in left if k < rank)
    columns = tuple(k for k in left if k >= rank)
    joined: dict[Index, Slot] = {axes[column]: axes[row] for row, column in ties}
    triangular = triangles and len(rows) == len(columns) == 1 and _one_sided(parts, rows[0], columns[0])
    if triangular:
        joined[axes[columns[0]]] = axes[rows[0]]
    inner = substitute(finished(Sum(opened(body, axes))), joined)
    tied = [axes[row] for row, _ in ties]
    shown = [axes[k] for k in (rows if triangular else (*rows, *columns))]
    depends, expression = _over(tied, shown, inner)
    if not left:
        return Blocks(ties, (), expression, depends)
    return Blocks(
        ties, (Piece(rows, columns, depends, expression, triangular),), ((), constant(1)), (False,) * len(ties)
    )


def _one_sided(parts: Sequence[Part], row: int, column: int) -> bool:
    """Whether all parts lie on the same side of the diagonal of a square."""
    sides = {triangle(part.pattern, row, column) for part in parts}
    return len(sides) == 1 and None not in sides and all(p.pattern.axes[row] is p.pattern.axes[column] for p in parts)
