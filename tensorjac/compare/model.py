"""Predicted times: what each operation costs on a machine, from rates that were measured there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import exp, log

from .meter import Cost, Operation

# Rates by size: (size, seconds per unit), interpolated on a logarithmic scale.
Curve = tuple[tuple[float, float], ...]

# Rows, columns and summed sizes of the products whose rates are measured.
SIZES = (1, 4, 16, 64, 256)


@dataclass(frozen=True)
class Model:
    """Seconds per call, per floating-point operation and per byte.

    ``product`` has by the layout of both operands the rates of all shapes of ``SIZES``, the summed size varying
    fastest; ``moved`` goes by the bytes of an operation, ``fresh`` by the bytes of new memory.
    """

    calls: Mapping[str, float]
    product: Mapping[str, Sequence[float]]
    moved: Curve
    fresh: Curve
    work: Mapping[str, float]

    def roof(self, intensity: float) -> float:
        """The most operations in a second at so many operations for each byte."""
        return min(1, intensity / self.ridge) / self._fastest

    @property
    def ridge(self) -> float:
        """From how many operations for each byte on memory does not limit the speed."""
        return min(rate for _, rate in self.moved) / self._fastest

    @property
    def _fastest(self) -> float:
        return min(min(rates) for rates in self.product.values())

    def seconds(self, cost: Cost, itemsize: int = 8) -> float:
        """The time of a routine."""
        return sum(operation.times * self.operation(operation, itemsize) for operation in cost.operations)

    def operation(self, operation: Operation, itemsize: int = 8) -> float:
        """The time of one operation: of computing or of moving, whichever takes longer, and of its call."""
        size = operation.read + operation.written
        moving = size * interpolated(self.moved, size) + operation.fresh * interpolated(self.fresh, operation.fresh)
        total = self.calls.get(operation.kind, self.calls["elementwise"])
        if operation.matrices is not None:
            batch, *shape = operation.matrices
            computing = operation.flops * between(self.product[operation.layout], shape) * itemsize / 8
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


def between(rates: Sequence[float], shape: Sequence[int]) -> float:
    """The rate of a shape between those of ``SIZES``, on logarithmic scales, constant beyond them.

    >>> rates = [rows * columns * summed for rows in SIZES for columns in SIZES for summed in SIZES]
    >>> round(between(rates, (32, 4, 1))), round(between(rates, (32, 4, 512)))
    (128, 32768)
    """
    corners = []
    for size in shape:
        place = min(log(max(size, 1), SIZES[1]), len(SIZES) - 1)
        low = min(int(place), len(SIZES) - 2)
        corners.append(((low, low + 1 - place), (low + 1, place - low)))
    total = 0.0
    for (i, a), (j, b), (k, c) in product(*corners):
        total += a * b * c * log(rates[(i * len(SIZES) + j) * len(SIZES) + k])
    return exp(total)
