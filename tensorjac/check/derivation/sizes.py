"""Sizes of rows and columns, known or not yet, and what makes them equal."""

from __future__ import annotations

from typing import NoReturn

from ...dims import Dim
from ...errors import NotationError, TensorjacError, caret
from ...notation.syntax import Node


class Unknown:
    """A size that follows from what stands around it."""


Size = Dim | Unknown
Shape = tuple[Size | None, Size | None]  # rows and columns, None for the direction in which there is one entry
SCALAR: Shape = (None, None)


class Sizes:
    """Which sizes of a formula are equal, and how its parts and their shapes are shown in messages."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._equal: dict[Unknown, Size] = {}

    def settled(self, size: Size | None) -> Size | None:
        while isinstance(size, Unknown) and size in self._equal:
            size = self._equal[size]
        return size

    def dim(self, size: Size | None, node: Node) -> Dim:
        """A size that must be known by now."""
        settled = self.settled(size)
        if not isinstance(settled, Dim):
            rule = "the size of 𝟏 and I follows from what stands around it, and here from nothing"
            self.fail(NotationError, rule, node, 'write it out, as in "𝟏_n" or "I_n"')
        return settled

    def same(self, left: Size, right: Size) -> bool:
        """Whether two sizes are equal, or can be made so."""
        first, second = self.settled(left), self.settled(right)
        if first is second:
            return True
        if isinstance(first, Unknown):
            assert second is not None
            self._equal[first] = second
            return True
        if isinstance(second, Unknown):
            assert first is not None
            self._equal[second] = first
            return True
        return False

    def is_same(self, left: Size | None, right: Size | None) -> bool:
        return left is not None and right is not None and self.same(left, right)

    def broadcasts(self, shape: Shape, lead: Shape) -> bool:
        """Whether what has the first shape may stand beside what has the second, entry by entry."""
        rows, cols = shape
        if rows is None and cols is None:
            return True
        if None not in lead and None in shape:
            axis = rows if rows is not None else cols
            first, last = map(self.settled, lead)
            assert axis is not None and first is not None and last is not None
            axis = self.settled(axis)
            return first is not last and (axis is first or axis is last)
        return all(
            (one is None) == (other is None) and (one is None or other is None or self.same(one, other))
            for one, other in zip(shape, lead, strict=True)
        )

    def fail(self, kind: type[TensorjacError], rule: str, node: Node, advice: str) -> NoReturn:
        raise kind(f"{rule}:\n{caret(self.text, *node.span)}\n{advice}.")

    def shown(self, node: Node) -> str:
        """A part as it is written, for a message."""
        text = self.text[slice(*node.span)]
        return text if len(text) <= 30 else "it"

    def described(self, shape: Shape) -> str:
        """``a column of size n``"""
        rows, cols = (size if isinstance(self.settled(size), Unknown) else self.settled(size) for size in shape)
        texts = ["?" if isinstance(size, Unknown) else str(size) for size in (rows, cols)]
        if rows is None and cols is None:
            return "a scalar"
        if cols is None:
            return f"a column of size {texts[0]}"
        return f"a row of size {texts[1]}" if rows is None else f"{texts[0]} × {texts[1]}"
