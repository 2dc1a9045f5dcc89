"""Expressions in numbers: every term over the box of all values of its indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..terms import DELTA, Apply, Contraction, Factor, Index, Shared, Slot, Tensor, Term, slot_parts

Array = np.ndarray[Any, Any]


class Body(NamedTuple):
    """One expression of a function: an output, what stands in an intermediate, or an argument of a primitive."""

    owner: Tensor | str
    argument: int
    axes: tuple[Index, ...]
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Reading:
    """A factor as it is read over the box of all indices of its term."""

    part: Tensor
    places: Array  # in the flattened values of the part, one for each point of the box
    power: float


@dataclass(frozen=True)
class Product:
    """A term over its box: free indices first, summed ones after them."""

    coefficient: float
    shape: tuple[int, ...]
    rank: int
    holds: Array | None
    readings: tuple[Reading, ...]
    known: dict[int, Array] = field(default_factory=dict)  # what each reading's share of an adjoint is multiplied by

    def along(self, n: int) -> frozenset[int]:
        """The axes of the box along which a reading varies."""
        places = self.readings[n].places
        ends = [(np.take(places, [0], axis), np.take(places, [-1], axis)) for axis in range(places.ndim)]
        return frozenset(axis for axis, (first, last) in enumerate(ends) if not np.array_equal(first, last))

    def over_box(self, adjoint: Array) -> Array:
        """An adjoint of the expression, repeated along the summed indices."""
        return adjoint.reshape(self.shape[: self.rank] + (1,) * (len(self.shape) - self.rank))


def bodies_of(tensor: Tensor) -> list[Body]:
    """The expressions that a tensor is made of."""
    if isinstance(tensor, Contraction):
        return [Body(tensor, 0, tensor.axes, (Term(1, tensor.factors, tensor.summed),))]
    if isinstance(tensor, Shared):
        return [Body(tensor, 0, tensor.axes, tensor.body.terms)]
    if isinstance(tensor, Apply):
        batch = tensor.axes[: tensor.batch]
        pairs = zip(tensor.args, tensor.cores, strict=True)
        return [Body(tensor, k, (*batch, *core), arg.terms) for k, (arg, core) in enumerate(pairs)]
    return []


def present(factors: Sequence[Factor]) -> list[Factor]:
    """What is read: a δ is a condition."""
    return [factor for factor in factors if factor.tensor is not DELTA]


def shape_of(indices: Sequence[Index], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """How many values each index has."""
    return tuple(index.dim.evaluate(sizes) for index in indices)


class Box:
    """All values of some indices at once."""

    def __init__(self, indices: Sequence[Index], sizes: Mapping[str, int]) -> None:
        self.shape, self.sizes = shape_of(indices, sizes), sizes
        ranges = np.indices(self.shape, sparse=True) if indices else ()
        self.ranges = dict(zip(indices, ranges, strict=True))

    def at(self, slot: Slot) -> Array:
        """The value of an affine form at every point of the box."""
        constant, parts = slot_parts(slot)
        total: Array = np.full(self.shape, constant.evaluate(self.sizes))
        for index, weight in parts:
            total = total + weight.evaluate(self.sizes) * self.ranges[index]
        return total
