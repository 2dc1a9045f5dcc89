"""What has been done so far, and how much memory is held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

# How an operation goes through memory, and so what its time depends on.
Kind = Literal[
    "elementwise", "slow", "copy", "zeros", "sum", "product", "dot", "inner", "tensordot", "einsum", "linalg", "view"
]


@dataclass(frozen=True)
class Operation:
    """One array operation: what it computes, how many bytes it reads and writes, how many of these are new memory.

    ``matrices`` are for products how many there are, rows, columns, and what is summed over, ``layout`` is N or T for
    each operand, whether its rows or its columns lie in one piece; ``across`` is whether some array is gone through
    across its memory; ``loops`` is how many stretches of memory are gone through, each in one loop; ``times`` is how
    often it is done.
    """

    kind: Kind
    flops: float
    read: float
    written: float
    fresh: float = 0
    matrices: tuple[int, int, int, int] | None = None
    layout: str = "NN"
    across: bool = False
    loops: float = 1
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

    def blocks(self, starts: range) -> Iterator[int]:
        """The first step of a loop over blocks, which counts for all that are as large, and the last, which may not be.

        >>> ledger = Ledger()
        >>> for k in ledger.blocks(range(0, 1000, 3)):
        ...     ledger.operations.append(Operation("sum", min(3, 1000 - k), 0, 0))
        >>> sum(operation.flops * operation.times for operation in ledger.operations)
        1000
        """
        before = len(self.operations)
        if len(starts) > 1:
            yield starts[0]
            alike = [replace(each, times=each.times * (len(starts) - 1)) for each in self.operations[before:]]
            self.operations[before:] = alike
        yield from starts[-1:]


class Buffer:
    """Memory that would have been taken, given back when no array refers to it any more."""

    __slots__ = ("_ledger", "_size")

    def __init__(self, ledger: Ledger, size: float) -> None:
        self._ledger = ledger
        self._size = size
        ledger.hold(size)

    def __del__(self) -> None:
        self._ledger.live -= self._size
