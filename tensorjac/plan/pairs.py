"""Elementwise pairs that several products contain, made tensors of their own where that costs no more."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from itertools import combinations, count

from ..terms import DELTA, Factor, Index, Shared, Size, Slot, Sum, Tensor, Term, number, product, shared
from .bodies import Bodies
from .choices import Choice, Choices
from .costs import Costs


def paired(bodies: Bodies, costs: Costs, choices: Choices) -> Bodies:
    """Share the pair that saves most, until none saves anything."""
    pairs = _Pairs(bodies, costs, choices)
    while (best := pairs.best()) is not None:
        pairs.share(best)
    return pairs.bodies()


@dataclass(frozen=True)
class _Pair:
    """An elementwise product of two factors in a term, and what it costs to compute it first, or not."""

    key: Hashable
    factors: tuple[Factor, Factor]
    cost: float
    otherwise: float  # the least cost of applying the smaller factor elsewhere
    summed: bool  # whether the product is summed over an index of the larger one


# An expression, and a term of it.
Place = tuple[int, int]


class _Pairs:
    """The pairs of all expressions, kept up to date while pairs are shared.

    A term is known by its place: its expression, first those of the outputs, then those inside tensors, and its number
    there. A gradient may have a term for each layer of a network: only those that change are looked at again.
    """

    def __init__(self, bodies: Bodies, costs: Costs, choices: Choices) -> None:
        self.costs = costs
        self.choices = choices
        # by identity, the term being kept alive
        self.known: dict[int, tuple[Term, list[_Pair]]] = {}
        self.sums: list[list[Term]] = []
        self.owners: list[Tensor | None] = []
        self.place_of: dict[Tensor, int] = {}
        # whether the terms of a sum have a δ
        self.tied: list[bool] = []
        # for each pair, by place: its rank among the pairs there, and the pair as it stands there
        self.found: dict[Hashable, dict[Place, tuple[int, _Pair]]] = {}
        self.first: dict[Hashable, _Pair] = {}
        self.queue: list[tuple[float, int, Place, int, int, Hashable]] = []
        self.entered: dict[Hashable, int] = {}
        self.count = count()
        for root in bodies.roots:
            self._add(root, None)
        for tensor, group in bodies.inner.items():
            for body in group:
                self._add(body, tensor)
        for key in self.found:
            self._enter(key)

    def bodies(self) -> Bodies:
        roots: list[Sum] = []
        inner: dict[Tensor, list[Sum]] = {}
        for terms, owner in zip(self.sums, self.owners, strict=True):
            (roots if owner is None else inner.setdefault(owner, [])).append(Sum(terms))
        return Bodies(roots, inner)

    def best(self) -> Hashable | None:
        """The pair whose sharing saves most, then that which stands in the most places, then the first."""
        while self.queue:
            *_, entry, key = heappop(self.queue)
            if self.entered.get(key) == entry:
                return key
        return None

    def share(self, key: Hashable) -> None:
        """Write the pair as one factor wherever it stands."""
        changed: set[Hashable] = set()
        pair = _product(*self.first[key].factors)
        for place in sorted(self.found[key]):
            changed.update(self._forget(place))
            expression, at = place
            self.sums[expression][at] = _with_pair(self.sums[expression][at], pair)
            changed.update(self._note(place))
        own = self.place_of.get(pair)
        if own is not None:
            for at in range(len(self.sums[own])):
                changed.update(self._forget((own, at)))
        # its own two factors are what the pair is: they are not looked at again
        (inner,) = pair.body.terms
        self.known[id(inner)] = (inner, [])
        if own is None:
            self._add(pair.body, pair)
        else:
            self.sums[own] = [inner]
        for other in changed:
            self._enter(other)

    def _add(self, body: Sum, owner: Tensor | None) -> None:
        expression = len(self.sums)
        if owner is not None:
            self.place_of[owner] = expression
        self.sums.append(list(body.terms))
        self.owners.append(owner)
        self.tied.append(any(factor.tensor is DELTA for term in body.terms for factor in term.factors))
        for at in range(len(body.terms)):
            self._note((expression, at))

    def _note(self, place: Place) -> list[Hashable]:
        """Enter the pairs of the term at a place."""
        noted = self._at(place)
        for rank, pair in enumerate(noted):
            self.found.setdefault(pair.key, {})[place] = (rank, pair)
            self.first.setdefault(pair.key, pair)
        return [pair.key for pair in noted]

    def _forget(self, place: Place) -> list[Hashable]:
        noted = [pair.key for pair in self._at(place)]
        for key in noted:
            del self.found[key][place]
        return noted

    def _at(self, place: Place) -> list[_Pair]:
        expression, at = place
        return self.of(self.sums[expression][at])

    def _enter(self, key: Hashable) -> None:
        """Put a pair in the queue by what it saves now, if it saves something."""
        self.entered.pop(key, None)
        places = self.found[key]
        otherwise: list[float] = []
        seen: set[int] = set()
        for expression, at in sorted(places):
            _, pair = places[expression, at]
            if not (expression in seen and self._is_taken_out(pair, expression)):
                otherwise.append(pair.otherwise)
            seen.add(expression)
        saved = sum(otherwise) - self.first[key].cost
        if len(otherwise) > 1 and saved >= 0 and self._is_wanted(self.first[key]):
            first = min(places)
            entry = self.entered[key] = next(self.count)
            rank, _ = places[first]
            heappush(self.queue, (-saved, -len(otherwise), first, rank, entry, key))

    def _is_taken_out(self, pair: _Pair, expression: int) -> bool:
        """Whether a pair that another term of the sum has, too, is multiplied once for both."""
        return not pair.summed and not self.tied[expression] and self.choices.takes(Choice.TAKEN_OUT)

    def _is_wanted(self, pair: _Pair) -> bool:
        """Whether a pair is to be an array of its own: two numbers are only where that is chosen."""
        return any(set(factor.labels) for factor in pair.factors) or self.choices.takes(Choice.NUMBERS)

    def of(self, term: Term) -> list[_Pair]:
        found = self.known.get(id(term))
        if found is None:
            found = self.known[id(term)] = (term, list(self._found(term)))
        return found[1]

    def _found(self, term: Term) -> Iterator[_Pair]:
        units = _units(term)
        if len(units) < 2:
            return
        hidden = set(term.summed)
        out = term.labels - hidden
        whole = self.costs.volume(out)
        volumes = [self.costs.volume(labels) for _, labels in units]
        seen: set[Hashable] = set()
        for big, small in _nested(units):
            (larger, _), (smaller, labels) = units[big], units[small]
            key = _key(larger, smaller)
            if key in seen:
                continue
            seen.add(key)
            others = [
                k
                for k, (unit, other) in enumerate(units)
                if k not in (big, small) and other >= labels and not _is_number(unit)
            ]
            least = min([volumes[k] for k in (big, *others)])
            if labels <= out and (hidden or others):
                least = min(least, whole)
            yield _Pair(key, (larger, smaller), volumes[big], least, not hidden.isdisjoint(larger.labels))


# A factor and its indices.
Unit = tuple[Factor, set[Index]]


def _units(term: Term) -> list[Unit]:
    return [(unit, set(unit.labels)) for unit in map(_unit, term.factors) if unit is not None]


def _unit(factor: Factor) -> Factor | None:
    """One copy of a factor: to the power ±1, or ±1/2 for odd halves."""
    if factor.tensor is DELTA:
        return None
    if isinstance(factor.power, int):
        return Factor(factor.tensor, factor.slots, 1 if factor.power > 0 else -1)
    if number(2 * factor.power) == int(2 * factor.power):
        half = Fraction(1, 2) if factor.power > 0 else Fraction(-1, 2)
        return Factor(factor.tensor, factor.slots, half)
    return None


def _nested(units: Sequence[Unit]) -> Iterator[tuple[int, int]]:
    """The places of the pairs of which one factor carries all indices of the other, that one first.

    Of numbers beside an array, only divisors are looked at: what is divided by its sum is an array that people name.
    """
    for (m, (a, la)), (n, (b, lb)) in combinations(enumerate(units), 2):
        if la > lb and not _is_number(b):
            yield m, n
        elif lb > la and not _is_number(a):
            yield n, m
        elif la == lb and (la or not (isinstance(a.tensor, Size) and isinstance(b.tensor, Size))):
            yield (m, n) if a.tensor.key <= b.tensor.key else (n, m)


def _is_number(unit: Factor) -> bool:
    return isinstance(unit.tensor, Size) or (not unit.slots and unit.power > 0)


def _key(a: Factor, b: Factor) -> Hashable:
    """Equal for products that are equal up to the names of indices; most stand once, and never become tensors."""
    if a.tensor is b.tensor or any(f.tensor.symmetries or f.tensor.antisymmetries for f in (a, b)):
        return _product(a, b)
    numbers: dict[Slot, int] = {}
    slots = []
    for slot in (*a.slots, *b.slots):
        if not isinstance(slot, Index):
            return _product(a, b)
        slots.append((numbers.setdefault(slot, len(numbers)), slot.dim))
    return a.tensor, a.power, b.tensor, b.power, tuple(slots)


def _product(a: Factor, b: Factor) -> Shared:
    """The product of two factors as a tensor."""
    tensor = shared(Sum((product(1, (a, b)),))).tensor
    assert isinstance(tensor, Shared)
    return tensor


def _with_pair(term: Term, pair: Shared) -> Term:
    """The term with the pair as one factor, in place of one copy of each of its two, as often as it has these."""
    (inner,) = pair.body.terms
    wanted = {(f.tensor, f.power) for f in inner.factors}
    units = [(unit, labels) for unit, labels in _units(term) if (unit.tensor, unit.power) in wanted]
    for m, n in _nested(units):
        a, b = units[m][0], units[n][0]
        found = shared(Sum((product(1, (a, b)),)))
        if found.tensor is pair:
            taken = [Factor(f.tensor, f.slots, number(-f.power)) for f in (a, b)]
            return _with_pair(product(term.coefficient, [*term.factors, *taken, found], term.summed), pair)
    return term
