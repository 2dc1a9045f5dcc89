"""In which order the axes of a product are wanted: that of an array which stands beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..terms import DELTA, Apply, Contraction, Factor, Index, Shared, Tensor, Term
from .bodies import Bodies
from .labelled import Labelled

# How many elementwise operations are looked through for the array whose layout the result has.
DEPTH = 4


class Layouts:
    """The products of a program with the terms in which they stand; ``arrays`` are those that are there already."""

    def __init__(self, bodies: Bodies, arrays: Mapping[Tensor, Labelled]) -> None:
        self.bodies = bodies
        self.arrays = arrays
        self.terms: dict[Tensor, list[Term]] = {}
        for body in bodies:
            for term in body.terms:
                for factor in term.factors:
                    if factor.tensor.rank > 1 and self._is_product(factor.tensor):
                        self.terms.setdefault(factor.tensor, []).append(term)

    def _is_product(self, tensor: Tensor) -> bool:
        """Whether a tensor is a product, or one to which something smaller is added."""
        if not isinstance(tensor, Contraction | Shared):
            return False
        # what stands only in expressions that joining products has left unused is not there
        group = self.bodies.inner.get(tensor, ())
        whole = [term for body in group for term in body.terms if len(term.free) == tensor.rank]
        return len(whole) == 1 and bool(whole[0].summed)

    def wanted(self, tensor: Tensor) -> tuple[Index, ...] | None:
        """The axes of a product in the order of the first array of the same axes that stands beside it."""
        for term in self.terms.get(tensor, ()):
            mine = next(factor for factor in term.factors if factor.tensor is tensor)
            axes = dict(zip(mine.slots, tensor.axes, strict=True))
            for factor in term.factors:
                if factor.tensor is not tensor:
                    found = [axes[label] for label in self._labels(factor, DEPTH) if label in axes]
                    if len(found) == tensor.rank:
                        return tuple(found)
        return None

    def _labels(self, factor: Factor, depth: int) -> Sequence[Index]:
        """The indices of a factor in the order of its array, as far as that is known."""
        tensor = factor.tensor
        if tensor in self.arrays:
            order: Sequence[Index] = self.arrays[tensor][1]
        elif isinstance(tensor, Shared | Apply) and tensor in self.bodies.inner and depth:
            parts = [f for body in self.bodies.inner[tensor] for term in body.terms for f in term.factors]
            found = (self._labels(part, depth - 1) for part in parts if part.tensor is not DELTA)
            order = next((labels for labels in found if set(labels) >= set(tensor.axes)), ())
        else:
            return ()
        slots = dict(zip(tensor.axes, factor.slots, strict=True))
        return [slot for axis in order if isinstance(slot := slots.get(axis), Index)]
