"""Predicted times: what each operation costs on a machine, from rates that were measured there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import log

from .meter import Cost, Operation

# Rates by size: (size, seconds per unit), interpolated on a logarithmic scale.
Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Model:
    """Seconds per call, per floating-point operation and per byte.

    ``product`` goes by the geometric mean of rows, columns and what is summed over; ``moved`` by the bytes of an
    operation; ``fresh`` by the bytes of new memory.
    """

    calls: Mapping[str, float]
    product: Curve
    moved: Curve
    fresh: Curve
    work: Mapping[str, float]

    def roof(self, intensity: float) -> float:
        """The most operations in a second at so many operations for each byte."""
        return min(1, intensity / self.ridge) / min(rate for _, rate in self.product)

    @property
    def ridge(self) -> float:
        """From how many operations for each byte on memory does not limit the speed."""
        return min(rate for _, rate in self.moved) / min(rate for _, rate in self.product)

    def seconds(self, cost: Cost, itemsize: int = 8) -> float:
        """The time of a routine."""
        return sum(operation.times * self.operation(operation, itemsize) for operation in cost.operations)

    def operation(self, operation: Operation, itemsize: int = 8) -> float:
        """The time of one operation: of computing or of moving, whichever takes longer, and of its call."""
        size = operation.read + operation.written
        moving = size * interpolated(self.moved, size) + operation.fresh * interpolated(self.fresh, operation.fresh)
        total = self.calls.get(operation.kind, self.calls["elementwise"])
        if operation.matrices is not None:
            batch, rows, columns, summed = operation.matrices
            mean = max(rows * columns * summed, 1) ** (1 / 3)
            computing = operation.flops * interpolated(self.product, mean) * itemsize / 8
            total += max(batch - 1, 0) * self.calls["batch"]
        else:
            computing = operation.flops * self.work.get(operation.kind, 0.0)
        return total + max(computing, moving)


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
