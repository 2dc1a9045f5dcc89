"""The letters of a text that is being written: where each is introduced, and which are free."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from ...terms import Index, Tensor
from ..syntax import Bound, Node
from .slots import dim_node

LETTERS = "ijklmnopqrstuvwxyzabcdefghαβγεζηθικλμνξπρστυφχψωABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(eq=False)
class Place:
    """Where a letter is introduced: by a node, or (None) on the left side."""

    number: int
    letter: str
    index: Index
    node: Node | None = None


@dataclass
class Frame:
    """One equation while it is written: its places in order, and those that show their sizes."""

    shown: Collection[int] = ()
    avoid: frozenset[str] = frozenset()
    opening: Tensor | None = None
    shared: bool = False
    left: frozenset[str] = frozenset()
    places: list[Place] = field(default_factory=list)
    short: set[int] = field(default_factory=set)  # run over a part of an axis only: must show their sizes

    def introduce(self, index: Index, scope: Scope) -> Place:
        """The next letter that is free, for this index."""
        used = {place.letter for place in scope.values()} | self.avoid
        return self.place(index, next(letter for letter in _alphabet() if letter not in used))

    def place(self, index: Index, letter: str) -> Place:
        place = Place(len(self.places), letter, index)
        self.places.append(place)
        return place

    def bound(self, place: Place) -> Bound:
        return Bound(place.letter, dim_node(place.index.dim) if place.number in self.shown else None)


Scope = dict[Index, Place]


def _alphabet() -> Iterator[str]:
    """Latin and Greek letters, and more than enough behind them."""
    yield from LETTERS
    yield from map(chr, range(0x4E00, 0x9FA6))
