"""What orders are compared by: the extents of indices and the numbers of elements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

from ..dims import Dim
from ..terms import Index

# The size that a name has while none is given: what matters is that sizes are large and alike.
NOMINAL = 64
# One element moved costs about as much as this many multiplications and additions.
MOVED = 4.0


@dataclass(frozen=True)
class Costs:
    """Extents at the given sizes, and at a nominal one where none is given.

    ``tuned`` says that code is for these sizes and for arrays of one dtype, and may trade its looks for speed;
    ``functional`` that arrays cannot be written into.

    >>> i, j = Index.fresh(Dim.of("m")), Index.fresh(Dim.of("n"))
    >>> Costs({"m": 3}).volume([i, j])
    192.0
    """

    sizes: Mapping[str, int]
    tuned: bool = False
    functional: bool = False
    _known: dict[Dim, float] = field(default_factory=dict)

    def extent(self, index: Index) -> float:
        return self._extent(index.dim)

    def _extent(self, dim: Dim) -> float:
        found = self._known.get(dim)
        if found is None:
            found = self._known[dim] = max(self.value(dim), 1.0)
        return found

    def value(self, dim: Dim) -> float:
        """What a size, or a difference of sizes, is."""
        return float(dim.evaluate({name: self.sizes.get(name, NOMINAL) for name in dim.names}))

    def elements(self, shape: Iterable[Dim]) -> float:
        """How many elements an array of this shape has."""
        return prod(map(self._extent, shape))

    def volume(self, labels: Iterable[Index]) -> float:
        """How many elements an array over these indices has."""
        known, total = self._known, 1.0
        for label in labels:
            total *= known.get(label.dim) or self._extent(label.dim)
        return total
