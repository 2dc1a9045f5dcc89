"""Elementwise pairs that several products contain, made tensors of their own where that costs no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from ..terms import DELTA, Factor, Shared, Size, Sum, Tensor, Term, number, product, shared
from .bodies import Bodies
from .costs import Costs


def paired(bodies: Bodies, costs: Costs) -> Bodies:
    """Share the pair that saves most, until none saves anything."""
    pairs = _Pairs(costs)
    while (best := pairs.best(bodies)) is not None:
        bodies = pairs.shared_in(bodies, best)
    return bodies


@dataclass(frozen=True)
class _Pair:
    """An elementwise product of two factors in a term, and what it costs to compute it first, or not."""

    tensor: Shared
    cost: float
    otherwise: float  # the least cost of applying the smaller factor elsewhere


class _Pairs:
    def __init__(self, costs: Costs) -> None:
        self.costs = costs
        # by identity, the term being kept alive
        self.known: dict[int, tuple[Term, list[_Pair]]] = {}

    def best(self, bodies: Bodies) -> Shared | None:
        """The pair whose sharing saves most, then that which stands in the most places."""
        otherwise: dict[Shared, list[float]] = {}
        cost: dict[Shared, float] = {}
        for body in bodies:
            for term in body.terms:
                for pair in self.of(term):
                    otherwise.setdefault(pair.tensor, []).append(pair.otherwise)
                    cost[pair.tensor] = pair.cost
        gains = {tensor: (sum(found) - cost[tensor], len(found)) for tensor, found in otherwise.items()}
        worthwhile = [tensor for tensor, (saved, places) in gains.items() if places > 1 and saved >= 0]
        return max(worthwhile, key=gains.__getitem__, default=None)

    def shared_in(self, bodies: Bodies, pair: Shared) -> Bodies:
        """The expressions with the pair as one factor wherever it stands."""

        def has(term: Term) -> bool:
            return any(found.tensor is pair for found in self.of(term))

        def changed(body: Sum) -> Sum:
            if not any(map(has, body.terms)):
                return body
            return Sum(_with_pair(term, pair) if has(term) else term for term in body.terms)

        bodies = bodies.mapped(changed)
        bodies.inner[pair] = [pair.body]
        # its own two factors are what the pair is: they are not looked at again
        (inner,) = pair.body.terms
        self.known[id(inner)] = (inner, [])
        return bodies

    def of(self, term: Term) -> list[_Pair]:
        found = self.known.get(id(term))
        if found is None:
            found = self.known[id(term)] = (term, list(self._found(term)))
        return found[1]

    def _found(self, term: Term) -> Iterator[_Pair]:
        units = _units(term)
        hidden = set(term.summed)
        out = term.labels - hidden
        seen: set[Tensor] = set()
        for larger, smaller in _nested(units):
            tensor = _product(larger, smaller)
            if tensor in seen:
                continue
            seen.add(tensor)
            labels = set(smaller.labels)
            others = [set(f.labels) for f in units if f is not larger and f is not smaller]
            places = [self.costs.volume(other) for other in others if other >= labels]
            if labels <= out and (hidden or places):
                places.append(self.costs.volume(out))
            size = self.costs.volume(set(larger.labels))
            yield _Pair(tensor, size, min([size, *places]))


def _units(term: Term) -> list[Factor]:
    return [unit for unit in map(_unit, term.factors) if unit is not None]


def _unit(factor: Factor) -> Factor | None:
    """One copy of a factor: to the power ±1, or ±1/2 for odd halves."""
    if factor.tensor is DELTA or isinstance(factor.tensor, Size) or not factor.slots:
        return None
    if isinstance(factor.power, int):
        return Factor(factor.tensor, factor.slots, 1 if factor.power > 0 else -1)
    if number(2 * factor.power) == int(2 * factor.power):
        half = Fraction(1, 2) if factor.power > 0 else Fraction(-1, 2)
        return Factor(factor.tensor, factor.slots, half)
    return None


def _nested(units: list[Factor]) -> Iterator[tuple[Factor, Factor]]:
    """The pairs of which one factor carries all indices of the other, and some, that one first."""
    for a, b in combinations(units, 2):
        la, lb = set(a.labels), set(b.labels)
        if la >= lb and lb:
            yield a, b
        elif lb >= la and la:
            yield b, a


def _product(a: Factor, b: Factor) -> Shared:
    """The product of two factors as a tensor."""
    tensor = shared(Sum((product(1, (a, b)),))).tensor
    assert isinstance(tensor, Shared)
    return tensor


def _with_pair(term: Term, pair: Shared) -> Term:
    """The term with the pair as one factor, in place of one copy of each of its two."""
    (inner,) = pair.body.terms
    wanted = {(f.tensor, f.power) for f in inner.factors}
    units = [unit for unit in _units(term) if (unit.tensor, unit.power) in wanted]
    for a, b in _nested(units):
        found = shared(Sum((product(1, (a, b)),)))
        if found.tensor is pair:
            taken = [Factor(f.tensor, f.slots, number(-f.power)) for f in (a, b)]
            return product(term.coefficient, [*term.factors, *taken, found], term.summed)
    return term
