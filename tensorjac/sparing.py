"""Functions compiled for little memory: sums in passes over their largest arrays, results block by block."""

from __future__ import annotations

from collections.abc import Mapping

from . import emit
from .calls import Compiled, Expression
from .plan import Program


class Sparing(Compiled):
    """What a function computes, in as little memory as is known, also where that takes longer.

    ``room`` is how many numbers the arrays in between should take at most; a share of arguments and results where not
    given.
    """

    def __init__(self, whole: Compiled, room: float | None = None) -> None:
        super().__init__(whole._parts)
        self._whole = whole
        self._room = room
        if whole._again is not None:
            self._again = lambda sizes: type(self)(whole._made_again(sizes), room)

    def _planned(self) -> list[Expression]:
        return self._whole._planned()

    def _program(self, sizes: Mapping[str, int], tuned: bool, functional: bool = False) -> Program:
        return emit.in_blocks(super()._program(sizes, tuned, functional), sparing=True, room=self._room)

    def blocks(self, sizes: Mapping[str, int]) -> int:
        """How many blocks are computed at these sizes; 1 where all is computed at once."""
        return emit.blocks_of(self._program(sizes, True))
