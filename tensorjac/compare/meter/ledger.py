"""What has been done so far, and how much memory is held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

# How an operation goes through memory, and so what its time depends on.
Kind = Literal["elementwise", "slow", "copy", "zeros", "sum", "product", "dot", "inner", "einsum", "linalg", "view"]


@dataclass(frozen=True)
class Operation:
    """One array operation: what it computes, how many bytes it reads and writes, how many of these are new memory.

    ``matrices`` are for products how many there are, rows, columns, and what is summed over, ``layout`` is N or T for
    each operand, whether its rows or its columns lie in one piece; ``times`` is how often it is done.
    """

    kind: Kind
    flops: float
    read: float
    written: float
    fresh: float = 0
    matrices: tuple[int, int, int, int] | None = None
    layout: str = "NN"
    times: int = 1


@dataclass
class Ledger:
    """Operations in order, and the memory of the arrays that are alive."""

    operations: list[Operation] = field(default_factory=list)
    live: float = 0
    peak: float = 0
    largest: float = 0

    def hold(self, size: float) -> None:
        self.live += size
        self.peak = max(self.peak, self.live)
        self.largest = max(self.largest, size)


class Buffer:
    """Memory that would have been taken, given back when no array refers to it any more."""

    __slots__ = ("_ledger", "_size")

    def __init__(self, ledger: Ledger, size: float) -> None:
        self._ledger = ledger
        self._size = size
        ledger.hold(size)

    def __del__(self) -> None:
        self._ledger.live -= self._size
