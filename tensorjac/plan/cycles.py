"""All gradients of a chain of products at once, in the order that costs least for all of them together.

A chain closed by its cotangent is a cycle of matrices, and the gradient of each is the product of all the others. Cut
into triangles, the polygon with these sides shows which products they share: a chord is the product on either side of
it, and a triangle multiplies two of its sides for the third. Forward and reverse order are fans of triangles. The
cheapest triangulation is found by dynamic programming, as that of a polygon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from ..terms import Contraction, Factor, Index, Number, Slot, Sum, Tensor, Term, contraction, product, scaled
from .bodies import Bodies
from .costs import MOVED, Costs
from .paths import CHAIN
from .reordering import WORTH, cost_in, is_product

# An axis of a tensor, by its position.
Leg = tuple[Tensor, int]
# Two factors, and the indices that are summed between them.
Product = tuple[list[Factor], tuple[Index, ...]]


class _Flat(NamedTuple):
    """An output as one product of arrays, and the contractions that were opened for that."""

    term: Term
    opened: list[Tensor]


def shared_between_gradients(bodies: Bodies, costs: Costs) -> Bodies:
    """The gradients ⟨G, B, C⟩, ⟨A, G, C⟩, ⟨A, B, G⟩ of a chain with the products that are cheapest for all of them."""
    if not costs.sizes or not 2 <= len(bodies.roots) <= CHAIN:
        return bodies
    flats = {k: flat for k, root in enumerate(bodies.roots) if (flat := _flat(bodies, root)) is not None}
    if len(flats) < 2 or not _stand_alone(bodies, flats):
        return bodies
    cycle = _cycle([flat.term for flat in flats.values()], costs)
    if cycle is None:
        return bodies
    opened = {tensor for flat in flats.values() for tensor in flat.opened}
    before = sum(cost_in(bodies, tensor, costs) for tensor in opened)
    before += sum(cost_in(bodies, bodies.roots[k], costs) for k in flats)
    if cycle.cost(0, cycle.last) >= WORTH * before:
        return bodies
    roots = list(bodies.roots)
    for k, flat in flats.items():
        roots[k] = Sum((cycle.gradient(flat.term),))
    inner = Bodies.below(roots).inner
    return Bodies(roots, {tensor: bodies.inner.get(tensor, group) for tensor, group in inner.items()})


def _flat(bodies: Bodies, root: Sum) -> _Flat | None:
    if len(root.terms) != 1 or not is_product(root.terms[0]):
        return None
    (term,) = root.terms
    coefficient: Number = term.coefficient
    opened: list[Tensor] = []
    waiting, factors, summed = [*term.factors], list[Factor](), [*term.summed]
    while waiting:
        factor = waiting.pop()
        if not isinstance(factor.tensor, Contraction) or factor.tensor not in bodies.inner:
            factors.append(factor)
            continue
        inside = bodies.opened(factor)
        times = scaled(coefficient, inside.coefficient)
        if times is None or not is_product(inside) or len(factors) + len(waiting) > CHAIN:
            return None
        coefficient = times
        waiting += inside.factors
        summed += inside.summed
        opened.append(factor.tensor)
    return _Flat(product(coefficient, factors, tuple(summed)), opened)


def _stand_alone(bodies: Bodies, flats: Mapping[int, _Flat]) -> bool:
    """Whether nothing else uses the contractions that these outputs consist of."""
    opened = {tensor for flat in flats.values() for tensor in flat.opened}
    own = Counter(tensor for k in flats for tensor in bodies.roots[k].tensors)
    own.update(t for tensor in opened for body in bodies.inner[tensor] for t in body.tensors)
    uses = bodies.uses()
    return all(own[tensor] == uses[tensor] for tensor in opened)


def _cycle(terms: Sequence[Term], costs: Costs) -> _Cycle | None:
    """The cycle of all factors, each of which is missing in one of the products at most."""
    links: dict[Leg, Leg] = {}
    tensors: dict[Tensor, None] = {}
    for term in terms:
        held: dict[Slot, list[Leg]] = {}
        for factor in term.factors:
            for place, slot in enumerate(factor.slots):
                held.setdefault(slot, []).append((factor.tensor, place))
        if len({factor.tensor for factor in term.factors}) < len(term.factors):
            return None
        tensors.update(dict.fromkeys(factor.tensor for factor in term.factors))
        for label, legs in held.items():
            if len(legs) != (2 if label in term.summed else 1):
                return None
            if len(legs) == 2:
                links.update(zip(legs, reversed(legs), strict=True))
    lacking = [[tensor for tensor in tensors if all(f.tensor is not tensor for f in term.factors)] for term in terms]
    legs = [(tensor, place) for tensor in tensors for place in range(tensor.rank)]
    if any(len(each) != 1 for each in lacking) or any(links.get(links.get(leg, leg)) != leg for leg in legs):
        return None
    order = _walked(list(tensors), links)
    if len(order) != len(tensors) or len(order) < 4:
        return None
    labels: dict[Leg, Index] = {}
    for leg in legs:
        labels[leg] = labels.get(links[leg]) or Index.fresh(leg[0].shape[leg[1]])
    factors = [tensor(*(labels[tensor, place] for place in range(tensor.rank))) for tensor in order]
    return _Cycle(costs, factors, {tensor for (tensor,) in lacking})


def _walked(tensors: Sequence[Tensor], links: Mapping[Leg, Leg]) -> list[Tensor]:
    """The tensors in the order of the cycle; fewer of them where they do not stand in one."""
    beside = {
        tensor: list(dict.fromkeys(links[tensor, place][0] for place in range(tensor.rank))) for tensor in tensors
    }
    order = [tensors[0]]
    if any(len(each) != 2 for each in beside.values()):
        return order
    while (after := next((each for each in beside[order[-1]] if each not in order), None)) is not None:
        order.append(after)
    return order if order[0] in beside[order[-1]] else order[:1]


@dataclass(frozen=True)
class _Cycle:
    """Factors in a cycle; a run of them goes from one place up to, but not including, another."""

    costs: Costs
    factors: Sequence[Factor]
    wanted: set[Tensor]
    known: dict[tuple[int, int], tuple[float, int]] = field(default_factory=dict)
    products: dict[tuple[int, int, bool], Factor] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return len(self.factors) - 1

    @cached_property
    def corners(self) -> list[tuple[Index, ...]]:
        """The indices that each factor shares with the one before it."""
        pairs = ((factor, set(self.factors[k - 1].labels)) for k, factor in enumerate(self.factors))
        return [tuple(label for label in factor.labels if label in before) for factor, before in pairs]

    @cached_property
    def extents(self) -> list[float]:
        return [self.costs.volume(corner) for corner in self.corners]

    @cached_property
    def _wanted_before(self) -> list[int]:
        """How many of the factors before each place have a gradient that is wanted."""
        return [0, *accumulate(factor.tensor in self.wanted for factor in self.factors)]

    def _wants(self, first: int, end: int, inside: bool = True) -> bool:
        """Whether the gradient by a factor of a run is wanted, or by one outside."""
        count = self._wanted_before[end] - self._wanted_before[first]
        return count > 0 if inside else count < len(self.wanted)

    def cost(self, first: int, end: int) -> float:
        """What all products in a run cost, those that come from outside it and those that leave it."""
        if end - first < 2:
            return 0.0
        if (first, end) not in self.known:
            self.known[first, end] = min((self._triangle(first, k, end), k) for k in range(first + 1, end))
        return self.known[first, end][0]

    def _triangle(self, first: int, k: int, end: int) -> float:
        a, b, c = (self.extents[place] for place in (first, k, end))
        wanted = ((self._wants(first, k), a * b), (self._wants(k, end), b * c), (self._wants(first, end, False), a * c))
        own = sum(2 * a * b * c + MOVED * size for wants, size in wanted if wants)
        return own + self.cost(first, k) + self.cost(k, end)

    def _split(self, first: int, end: int) -> int:
        self.cost(first, end)
        return self.known[first, end][1]

    def _inside(self, first: int, end: int) -> Product:
        """A run as the product of its two halves."""
        k = self._split(first, end)
        return [self._closed(first, k), self._closed(k, end)], self.corners[k]

    def _closed(self, first: int, end: int, inside: bool = True) -> Factor:
        """A run as one factor, or what is outside it."""
        if inside and end - first == 1:
            return self.factors[first]
        if not inside and (first, end) == (0, self.last):
            return self.factors[self.last]
        key = (first, end, inside)
        if key not in self.products:
            self.products[key] = contraction(*(self._inside if inside else self._outside)(first, end))
        return self.products[key]

    def _outside(self, first: int, end: int) -> Product:
        """What is outside a run: its neighbour in the run that was cut into both, and what is outside that."""
        above, below = 0, self.last
        while (first, end) not in ((above, k := self._split(above, below)), (k, below)):
            above, below = (above, k) if end <= k else (k, below)
        around = self._closed(above, below, inside=False)
        if end == k:
            return [around, self._closed(k, below)], self.corners[below]
        return [around, self._closed(above, k)], self.corners[above]

    def gradient(self, term: Term) -> Term:
        """The term, which lacks one factor, as a product of two."""
        held = {factor.tensor: factor.slots for factor in term.factors}
        (place,) = (k for k, factor in enumerate(self.factors) if factor.tensor not in held)
        pairs = [pair for f in self.factors if f.tensor in held for pair in zip(f.labels, held[f.tensor], strict=True)]
        named: dict[Index, Slot] = {label: slot for label, slot in pairs if slot in term.free}
        factors, summed = self._inside(0, place) if place == self.last else self._outside(place, place + 1)
        return product(term.coefficient, [factor.substitute(named) for factor in factors], summed)
