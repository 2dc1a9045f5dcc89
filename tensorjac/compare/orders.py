"""In which order the operands of a product are joined: as a derivation nested them, or as a path optimiser says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import UnsupportedError
from ..plan.costs import Costs
from ..plan.paths import optimised, path
from ..terms import Index
from .contraction import Product

# Pairs of positions: operand k is at k, and what the pairs give follows in order.
Order = tuple[tuple[int, int], ...]
Labels = frozenset[Index]

# Above this many operands an exhaustive search takes seconds.
LARGEST = {"optimal": 9, "dp": 20}


def numbered(count: int, pairs: Sequence[tuple[int, ...]]) -> Order:
    """A path over a shrinking list, results at its end, with every array numbered once and for all.

    >>> numbered(3, [(0, 1), (0, 1)])
    ((0, 1), (2, 3))
    """
    present, fresh, order = list(range(count)), count, []
    for places in pairs:
        first, *others = (present[place] for place in places)
        present = [k for k in present if k != first and k not in others]
        for other in others:
            order.append((first, other))
            first, fresh = fresh, fresh + 1
        present.append(first)
    return tuple(order)


@dataclass
class Joining:
    """The arrays that are still to be joined, by their numbers, and the pairs joined so far."""

    count: int
    axes: Labels
    waiting: dict[int, Labels]
    order: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, product: Product) -> Joining:
        labels = [frozenset(operand.labels) for operand in product.operands]
        return cls(len(labels), frozenset(product.axes), dict(enumerate(labels)))

    def outside(self, inside: Iterable[int]) -> Labels:
        """The indices that the result or an array that is not ``inside`` has."""
        apart = set(inside)
        return self.axes.union(*(labels for k, labels in self.waiting.items() if k not in apart))

    def join(self, a: int, b: int) -> int:
        """Join two arrays; the number of the result."""
        needed = self.outside((a, b))
        number = self.count + len(self.order)
        self.waiting[number] = (self.waiting.pop(a) | self.waiting.pop(b)) & needed
        self.order.append((a, b))
        return number


def backward(product: Product, sizes: Mapping[str, int]) -> Order:
    """As a pullback nests its sums: what the cotangent meets first is joined first.

    What stands in one sum together is joined in the cheapest order.
    """
    return _nested(product, Costs(sizes), None)


def forward(product: Product, sizes: Mapping[str, int], cotangent: str) -> Order:
    """As a pushforward nests its sums, from the input on; the cotangent meets what has become of them."""
    places = (k for k, operand in enumerate(product.operands) if operand.input == cotangent)
    return _nested(product, Costs(sizes), next(places, None))


def _nested(product: Product, costs: Costs, last: int | None) -> Order:
    joining = Joining.of(product)
    results = list(range(joining.count))
    for group in product.groups:
        arrays = [results[k] for k in group]
        inner = next((k for k in arrays if k >= joining.count), None)
        if last is not None and last in arrays and inner is not None and len(arrays) > 2:
            arrays = [k for k in arrays if k not in (last, inner)]
            arrays.append(joining.join(inner, last))
        labels = [joining.waiting[k] for k in arrays]
        for a, b in numbered(len(arrays), path(labels, joining.outside(arrays), costs)):
            arrays.append(joining.join(arrays[a], arrays[b]))
        results.append(arrays[-1])
    return tuple(joining.order)


def found(product: Product, sizes: Mapping[str, int], method: str) -> Order:
    """As a path optimiser says: ``greedy``, ``dp`` or ``optimal``."""
    count = len(product.operands)
    if count > LARGEST.get(method, count):
        raise UnsupportedError(
            f"{method} searches all orders, which takes too long for {count} operands: "
            f"it is used up to {LARGEST[method]}."
        )
    labels = [frozenset(operand.labels) for operand in product.operands]
    return numbered(count, optimised(method, labels, frozenset(product.axes), Costs(sizes)))
