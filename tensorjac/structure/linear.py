"""Determinants, singular values and linear systems, block by block and factor by factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, prod
from typing import Any, NamedTuple

import numpy as np

from .blocks import Blocks

Array = np.ndarray[Any, Any]


class Matrices(NamedTuple):
    """A piece at given sizes: matrices, or the diagonals of triangular ones, with the ties as leading axes."""

    array: Array
    rows: int
    columns: int
    triangular: bool


@dataclass(frozen=True)
class Factored:
    """Blocks with their arrays: the sizes of all axes, and for each piece its matrices along the tied axes."""

    blocks: Blocks
    shape: tuple[int, ...]
    rank: int
    scale: Array
    pieces: tuple[Matrices, ...]

    @classmethod
    def of(cls, blocks: Blocks, shape: tuple[int, ...], rank: int, arrays: Sequence[Array]) -> Factored:
        """``arrays`` are those of the scale and of the pieces."""
        scale, *others = map(_factorable, arrays)
        tied = [shape[row] for row, _ in blocks.ties]
        pieces = []
        for piece, array in zip(blocks.pieces, others, strict=True):
            rows, columns = (prod(shape[k] for k in part) for part in (piece.rows, piece.columns))
            batch = [size if used else 1 for size, used in zip(tied, piece.depends, strict=True)]
            own = (rows,) if piece.triangular else (rows, columns)
            pieces.append(Matrices(array.reshape(*batch, *own), rows, columns, piece.triangular))
        batch = [size if used else 1 for size, used in zip(tied, blocks.depends, strict=True)]
        return cls(blocks, shape, rank, scale.reshape(batch), tuple(pieces))

    @property
    def tied(self) -> tuple[int, ...]:
        return tuple(self.shape[row] for row, _ in self.blocks.ties)

    def slogdet(self) -> tuple[float, float]:
        """Sign and logarithm of the absolute determinant: det(A ⊗ B) = det(A)ⁿ det(B)ᵐ in each block."""
        if 0 in self.shape:
            return 1.0, 0.0
        order = prod(piece.rows for piece in self.pieces)
        signs, logs = np.sign(self.scale) ** (order % 2 or 2), order * _log(self.scale)
        for piece in self.pieces:
            if piece.rows != piece.columns:
                return 0.0, -np.inf
            sign, log = _slogdet(piece)
            times = order // piece.rows
            signs, logs = signs * sign ** (times % 2 or 2), logs + times * log
        signs, logs = np.broadcast_to(signs, self.tied), np.broadcast_to(logs, self.tied)
        sign = np.prod(signs) * self._parity()
        return float(sign), float(np.sum(logs)) if sign else -np.inf

    def _parity(self) -> int:
        """The sign by which the order of the tied axes and the pieces' rows and columns differ."""
        ties, pieces = self.blocks.ties, self.blocks.pieces
        rows = [row for row, _ in ties] + [k for piece in pieces for k in piece.rows]
        columns = [column for _, column in ties] + [k for piece in pieces for k in piece.columns]
        return parity(rows, self.shape) * parity(columns, self.shape)

    def svdvals(self) -> Array:
        """The singular values, the largest first: those of all blocks, which are products of those of their pieces."""
        values = np.abs(self.scale)[..., None]
        for piece in self.pieces:
            own = np.linalg.svd(piece.array, compute_uv=False)
            batch, number = np.broadcast_shapes(values.shape[:-1], own.shape[:-1]), values.shape[-1] * own.shape[-1]
            values = (values[..., :, None] * own[..., None, :]).reshape(*batch, number)
        found = np.sort(np.broadcast_to(values, (*self.tied, values.shape[-1])).ravel())[::-1]
        count = min(prod(self.shape[: self.rank]), prod(self.shape[self.rank :]))
        return np.concatenate([found, np.zeros(count - found.size, found.dtype)])

    def solve(self, right: Array) -> Array:
        """x with J x = right, over the input axes; LinAlgError where there is not just one."""
        if 0 in self.shape:
            return np.zeros(self.shape[self.rank :], right.dtype)
        if any(piece.rows != piece.columns for piece in self.pieces) or not np.all(self.scale):
            raise np.linalg.LinAlgError("Singular matrix")
        ties, pieces = self.blocks.ties, self.blocks.pieces
        order = [row for row, _ in ties] + [k for piece in pieces for k in piece.rows]
        value = right.transpose(order).reshape((*self.tied, *(piece.rows for piece in self.pieces)))
        value = value / self.scale.reshape((*self.scale.shape, *(1 for _ in self.pieces)))
        for k, piece in enumerate(self.pieces):
            place = len(ties) + k
            moved = np.moveaxis(value, place, len(ties))
            flat = moved.reshape(*self.tied, piece.rows, prod(moved.shape[len(ties) + 1 :]))
            solved = np.linalg.solve(piece.array, flat)
            value = np.moveaxis(solved.reshape(moved.shape), len(ties), place)
        columns = [column for _, column in ties] + [k for piece in pieces for k in piece.columns]
        value = value.reshape([self.shape[k] for k in columns])
        return np.ascontiguousarray(value.transpose(np.argsort([k - self.rank for k in columns])))


def _factorable(array: Array) -> Array:
    """The array in single or double precision, which is what linear algebra is written for."""
    return array if array.dtype.char in "fd" else array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)


def _log(values: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(np.abs(values))


def _slogdet(piece: Matrices) -> tuple[Array, Array]:
    if piece.triangular:
        return np.prod(np.sign(piece.array), axis=-1), np.sum(_log(piece.array), axis=-1)
    sign, log = np.linalg.slogdet(piece.array)
    return sign, log


def parity(order: Sequence[int], shape: Sequence[int]) -> int:
    """The sign of the permutation of entries that transposes axes into increasing order.

    Swapping neighbouring axes of m and n entries turns round C(m, 2) C(n, 2) pairs for each entry of the other axes.

    >>> parity([1, 0], [2, 3]), parity([1, 0], [2, 2]), parity([1, 0, 2], [2, 2, 2])
    (-1, -1, 1)
    """
    axes, odd = list(order), 0
    total = prod(shape[k] for k in axes)
    for end in range(len(axes) - 1, 0, -1):
        for k in range(end):
            a, b = axes[k], axes[k + 1]
            if a > b:
                axes[k], axes[k + 1] = b, a
                if total:
                    odd += comb(shape[a], 2) * comb(shape[b], 2) * (total // (shape[a] * shape[b]))
    return -1 if odd % 2 else 1
