"""Jacobians as pictures: squares where entries stand, blocks divided by lines, axes named by their letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from textwrap import fill
from typing import Any

import numpy as np

from .summary import LETTERS

Array = np.ndarray[Any, Any]

# More cells than these along a side are drawn as one.
CELLS = 400
# A side with more blocks than these has no lines between them, and no numbers.
BLOCKS = 24
# The lightest grey of an entry, so that a small one is seen on paper, too.
LIGHTEST = 0.2


@dataclass(frozen=True)
class Side:
    """Output or input axes: their letters, their sizes, and how many cells show them."""

    letters: str
    sizes: tuple[int, ...]

    @property
    def length(self) -> int:
        return prod(self.sizes)

    @property
    def cells(self) -> int:
        return max(min(self.length, CELLS), 1)

    @property
    def blocks(self) -> list[float]:
        """Where the values of the first axis begin, and the end, in cells; empty where that is not shown."""
        if not self.sizes or not 1 < self.sizes[0] <= BLOCKS or len(self.sizes) < 2:
            return []
        return [k * self.cells / self.sizes[0] for k in range(self.sizes[0] + 1)]


@dataclass(frozen=True)
class Picture:
    """The largest magnitude in each cell, between 0 and 1; nan where no entry stands."""

    image: Array
    rows: Side
    columns: Side

    @classmethod
    def of(cls, triplets: Sequence[Array], shape: Sequence[int], rank: int) -> Picture:
        """The picture of values at flat rows and columns."""
        rows = Side(LETTERS[:rank], tuple(shape[:rank]))
        columns = Side(LETTERS[rank : len(shape)], tuple(shape[rank:]))
        values, at, across = triplets
        # entries of several parts at one place are one entry, their sum
        where, which = np.unique(at * max(columns.length, 1) + across, return_inverse=True)
        values = np.bincount(which.ravel(), values.astype(float), where.size)
        at, across = np.divmod(where, max(columns.length, 1))
        place = (at * rows.cells // max(rows.length, 1), across * columns.cells // max(columns.length, 1))
        image = np.full((rows.cells, columns.cells), -1.0)
        np.maximum.at(image, place, np.abs(values))
        image[image < 0] = np.nan
        top = np.nanmax(image, initial=0.0)
        return cls(LIGHTEST + (1 - LIGHTEST) * image / top if top else image + LIGHTEST, rows, columns)

    @property
    def inches(self) -> tuple[float, float]:
        """A slide's third, wider or higher as the matrix is."""
        ratio = self.columns.cells / self.rows.cells
        return (4.0 * min(max(ratio, 1.0), 2.5) + 0.6, 4.0 * min(max(1 / ratio, 1.0), 2.0) + 0.6)

    def draw(self, figure: Any, title: str) -> None:
        """Fill a Matplotlib figure."""
        axes = figure.add_subplot()
        extent = (0, self.columns.cells, self.rows.cells, 0)
        axes.imshow(self.image, cmap="gray_r", vmin=0, vmax=1, extent=extent, interpolation="nearest", aspect="auto")
        if max(self.rows.cells, self.columns.cells) <= 40:
            for k in range(1, self.rows.cells):
                axes.axhline(k, color="0.85", linewidth=0.4)
            for k in range(1, self.columns.cells):
                axes.axvline(k, color="0.85", linewidth=0.4)
        for end in self.rows.blocks[1:-1]:
            axes.axhline(end, color="0.35", linewidth=1)
        for end in self.columns.blocks[1:-1]:
            axes.axvline(end, color="0.35", linewidth=1)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        _label(axes.set_xticks, axes.set_xlabel, self.columns)
        _label(axes.set_yticks, axes.set_ylabel, self.rows)
        axes.tick_params(length=0, labelsize=9)
        figure.supxlabel(fill(title, round(12 * self.inches[0]), break_on_hyphens=False), fontsize=11)


def _label(ticks: Any, label: Any, side: Side) -> None:
    """The value of the first axis at each block, and the letters with their sizes."""
    ends = side.blocks
    middles = [(a + b) / 2 for a, b in pairwise(ends)]
    ticks(middles, [f"{side.letters[0]} = {k}" if len(middles) <= 8 else str(k) for k in range(len(middles))])
    pairs = zip(side.letters, side.sizes, strict=True)
    label(",  ".join(f"{letter} < {size}" for letter, size in pairs) or "scalar", fontsize=11)
