"""Scalings that every use of an array carries, taken into the array, so that they are applied once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from ..rewrites.patterns import is_applied, is_complement
from ..terms import (
    DELTA,
    Contraction,
    Factor,
    Index,
    Number,
    Shared,
    Sum,
    Tensor,
    Term,
    magnitude,
    number,
    product,
    scaled,
)
from .bodies import Bodies
from .costs import NOMINAL, Costs
from .triangles import is_indicator


class Use(NamedTuple):
    """Where a tensor stands: in which sum, in which of its terms, and as which factor."""

    body: Sequence[Term]
    term: Term
    factor: Factor


def gathered(bodies: Bodies, costs: Costs, kinds: tuple[type[Tensor], ...]) -> Bodies:
    """A R / z and B R / z become A S and B S with S = R / z, where that costs no more.

    A contraction takes in what has fewer axes than it, since that may scale one of its factors, too; the elementwise
    products and sums among the ``kinds`` take in numbers only. What is compared stays as it is: parts of what has a
    maximum would be rounded in another way than the whole, and might never be equal to it. So does 1 less a mask, which
    is not multiplied but tells a choice between two values.
    """
    sides = [body for tensor, group in bodies.inner.items() if is_applied(tensor, "equal") for body in group]
    left = set(Bodies(sides, bodies.inner).needed())
    places = _Places(bodies)
    # users first: what they have taken in, they hand down
    for tensor in reversed(bodies.needed()):
        chooses = isinstance(tensor, Shared) and is_complement(tensor.body)
        if isinstance(tensor, kinds) and not (tensor in left or is_indicator(tensor) or chooses):
            for scaling in _common(tensor, places.uses(tensor)):
                if _saves(tensor, scaling, places.uses(tensor), places.of(tensor), costs):
                    places.move(tensor, scaling)
    return places.bodies()


class _Places:
    """The expressions of the outputs and those inside tensors, and in which of their terms each tensor stands."""

    def __init__(self, bodies: Bodies) -> None:
        self.sums = [list(body.terms) for body in bodies.roots]
        self.own: dict[Tensor, slice] = {}
        self.where: dict[Tensor, set[tuple[int, int]]] = {}
        for tensor, group in bodies.inner.items():
            self.own[tensor] = slice(len(self.sums), len(self.sums) + len(group))
            self.sums.extend(list(body.terms) for body in group)
        self.outputs = len(bodies.roots)
        for place in range(len(self.sums)):
            self._note(place)

    def _note(self, place: int) -> None:
        for at, term in enumerate(self.sums[place]):
            for factor in term.factors:
                self.where.setdefault(factor.tensor, set()).add((place, at))

    def bodies(self) -> Bodies:
        sums = list(map(Sum, self.sums))
        return Bodies(sums[: self.outputs], {tensor: sums[place] for tensor, place in self.own.items()})

    def of(self, tensor: Tensor) -> list[Term]:
        """The terms of the expression that a tensor is."""
        (terms,) = self.sums[self.own[tensor]]
        return terms

    def uses(self, tensor: Tensor) -> list[Use]:
        terms = [(self.sums[place], self.sums[place][at]) for place, at in sorted(self.where[tensor])]
        return [Use(body, term, f) for body, term in terms for f in term.factors if f.tensor is tensor]

    def move(self, tensor: Tensor, scaling: Term) -> None:
        """Take a scaling away from all uses of a tensor, and into it."""
        for place, at in self.where[tensor]:
            self.sums[place][at] = _without(self.sums[place][at], tensor, scaling)
        place = self.own[tensor].start
        self.sums[place] = [_times(term, scaling) for term in self.sums[place]]
        self._note(place)


def _common(tensor: Tensor, uses: Sequence[Use]) -> Iterator[Term]:
    """What all uses of a tensor are scaled by, over its axes: numbers together, other factors one by one."""
    if len(uses) < 2 or len({id(use.term) for use in uses}) < len(uses):
        return
    found: list[set[Factor]] = []
    for _, term, mine in uses:
        axes = _axes(tensor, mine)
        if mine.power != 1 or len(axes) < tensor.rank:
            return
        beside = (factor for factor in term.factors if factor is not mine and _scales(factor, tensor, mine))
        found.append({factor.substitute(axes) for factor in beside})
    common = set.intersection(*found)
    if tensor.sign:
        common = {factor for factor in common if factor.sign}
    yield product(_coefficient(uses), [factor for factor in common if not factor.labels])
    yield from (
        product(1, [factor]) for factor in sorted(common, key=lambda factor: factor.tensor.key) if factor.labels
    )


def _axes(tensor: Tensor, mine: Factor) -> dict[Index, Index]:
    """The axes of a tensor by the indices at which it is read, where these run over them whole."""
    slots = zip(mine.slots, tensor.axes, strict=True)
    return {slot: axis for slot, axis in slots if isinstance(slot, Index) and slot.dim is axis.dim}


def _scales(factor: Factor, tensor: Tensor, mine: Factor) -> bool:
    """Whether a factor is a number, or has some axes of a contraction and not all."""
    labels = set(factor.labels)
    if not labels:
        return factor.tensor is not DELTA
    fixed = bool(tensor.symmetries or tensor.antisymmetries)
    return isinstance(tensor, Contraction) and not fixed and factor.tensor is not DELTA and labels < set(mine.slots)


def _coefficient(uses: Sequence[Use]) -> Number:
    """The number that all uses have in common, but for its sign."""
    numbers = {magnitude(use.term.coefficient) for use in uses}
    return numbers.pop() if len(numbers) == 1 else 1


def _saves(tensor: Tensor, scaling: Term, uses: Sequence[Use], body: Sequence[Term], costs: Costs) -> bool:
    """Whether a scaling within a tensor is less operations than where the tensor is used, and no more work."""
    if scaling == product(1, []) or any(scaled(each.coefficient, scaling.coefficient) is None for each in body):
        return False
    inside = _cost(body[0], scaling.labels, costs) if len(body) == 1 else costs.volume(tensor.axes)
    outside = [_cost_of_use(use, tensor, scaling, costs) for use in uses]
    # while sizes are nominal, an axis more says less than an operation more
    worth = 1 if costs.sizes else NOMINAL
    return sum(map(bool, outside)) > bool(inside) and worth * sum(outside) >= inside


def _cost_of_use(use: Use, tensor: Tensor, scaling: Term, costs: Costs) -> float:
    """How many elements a scaling multiplies where a tensor is used: none of its own where it scales a whole sum."""
    back = {axis: slot for slot, axis in _axes(tensor, use.factor).items()}
    here = scaling.substitute(back)
    if len(use.body) > 1 and all(_has(term, here) for term in use.body):
        return 0.0
    return _cost(_times(use.term, here, -1), here.labels, costs)


def _has(term: Term, scaling: Term) -> bool:
    return set(term.factors).issuperset(scaling.factors) and scaling.coefficient in (1, magnitude(term.coefficient))


def _without(term: Term, tensor: Tensor, scaling: Term) -> Term:
    """A term without the scaling of the tensor in it."""
    for mine in term.factors:
        if mine.tensor is tensor:
            back = {axis: slot for slot, axis in _axes(tensor, mine).items()}
            return _times(term, scaling.substitute(back), -1)
    return term


def _cost(term: Term, labels: Collection[Index], costs: Costs) -> float:
    """How many elements a scaling over these indices multiplies in a product that it is put into."""
    if not labels and (magnitude(term.coefficient) != 1 or not all(factor.labels for factor in term.factors)):
        # one number more
        return 0.0
    arrays = [set(factor.labels) for factor in term.factors if factor.labels]
    # a number is left to the end of a long product, in which others may share what it scales
    arrays = [array for array in arrays if array.issuperset(labels)] if labels or len(arrays) < 3 else []
    return min(map(costs.volume, [*arrays, *([term.free] if term.free.issuperset(labels) else [])]), default=0.0)


def _times(term: Term, scaling: Term, power: int = 1) -> Term:
    """The term times a scaling, or divided by it."""
    factors = [Factor(tensor, slots, number(power * exponent)) for tensor, slots, exponent in scaling.factors]
    coefficient = scaled(term.coefficient, scaling.coefficient, power)
    assert coefficient is not None
    return product(coefficient, [*term.factors, *factors], term.summed)
