"""Predicted times: what each operation costs on a machine, from rates that were measured there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import log

from .meter import Cost, Operation

# Rates by size: (size, seconds per unit), interpolated on a logarithmic scale.
Curve = tuple[tuple[float, float], ...]

# What multiplies; how many matrices, and rows, columns and summed size of each; how they lie; the bytes of a number.
Product = tuple[str, tuple[int, int, int, int], str, int]


@dataclass(frozen=True)
class Model:
    """Seconds per call, per loop over memory in one piece, per floating-point operation and per byte.

    ``moved`` goes by the bytes of an operation, ``across`` by those of one whose arrays lie differently, ``fresh`` by
    the bytes of new memory; ``fastest`` is the rate of the
    products that are large in every direction, ``product`` gives that of any.
    """

    calls: Mapping[str, float]
    loops: Mapping[str, float]
    moved: Curve
    across: Curve
    fresh: Curve
    work: Mapping[str, float]
    fastest: float
    product: Callable[[Product], float]

    def roof(self, intensity: float) -> float:
        """The most operations in a second at so many operations for each byte."""
        return min(1, intensity / self.ridge) / self.fastest

    @property
    def ridge(self) -> float:
        """From how many operations for each byte on memory does not limit the speed."""
        return min(rate for _, rate in self.moved) / self.fastest

    def seconds(self, cost: Cost, itemsize: int = 8) -> float:
        """The time of a routine."""
        return sum(operation.times * self.operation(operation, itemsize) for operation in cost.operations)

    def operation(self, operation: Operation, itemsize: int = 8) -> float:
        """The time of one operation: of computing or of moving, whichever takes longer, and of its call."""
        size = operation.read + operation.written
        moving = size * interpolated(self.across if operation.across else self.moved, size)
        moving += operation.fresh * interpolated(self.fresh, operation.fresh)
        total = self.calls.get(operation.kind, self.calls["elementwise"])
        if operation.matrices is None:
            rate = self.work.get(operation.kind, 0.0)
        elif operation.flops:
            rate = self.product((operation.kind, operation.matrices, operation.layout, itemsize))
        else:
            rate = 0.0
        total += (operation.loops - 1) * self.loops.get(operation.kind, self.loops["elementwise"])
        return total + max(operation.flops * rate, moving)


def interpolated(curve: Curve, at: float) -> float:
    """The value of a curve, constant beyond its ends.

    >>> interpolated(((1, 8.0), (100, 2.0)), 10), interpolated(((1, 8.0), (100, 2.0)), 1000)
    (5.0, 2.0)
    """
    if at <= curve[0][0]:
        return curve[0][1]
    for (low, first), (high, second) in pairwise(curve):
        if at <= high:
            return first + (second - first) * log(at / low) / log(high / low)
    return curve[-1][1]
