"""Sums of products as array operations: factored, added up, or written term by term where δ say where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from ..arrays import Scalar, Value, Values, Write
from ..terms import Factor, Index, Number, Sum, Term, magnitude, number, slot_parts
from .costs import Costs
from .factoring import chosen, common_factors, divided, grouped
from .labelled import Labelled, Operand, aligned, arranged, broadcast, sizes, united
from .multiplying import may_be_exact
from .products import Products
from .reading import Operands
from .spreading import spread
from .windows import window
from .writing import Placed, disjoint, grouped_alike, merged, needs_write, placed, together, written

Axes = tuple[Index, ...]


@dataclass(frozen=True)
class Sums:
    """The values of expressions, given the arrays that the tensors in them have become."""

    values: Values
    costs: Costs
    operands: Operands
    products: Products

    def full(self, body: Sum, axes: Axes) -> Value:
        """The array over exactly these axes, each at its full size."""
        value, labels = self.value(body, axes)
        value = self.values.floating(aligned(self.values, value, labels, axes))
        return broadcast(self.values, value, labels, axes)

    def value(self, body: Sum, want: Axes | None) -> Labelled:
        """The value of a sum, laid out as ``want`` where given."""
        if not body.terms:
            return self.values.scalar(Scalar(0)), ()
        writes = [term for term in body.terms if needs_write(term, want)] if want is not None else []
        if want is not None and writes:
            return self._written(body, writes, want), want
        if len(body.terms) == 1:
            return self.term(body.terms[0], want)
        scales = {magnitude(term.coefficient) for term in body.terms}
        scale = scales.pop() if len(scales) == 1 else 1
        if all(term.coefficient < 0 for term in body.terms):
            scale = -scale
        if scale != 1:
            inner, labels = self.value(Sum(_scaled(term, scale) for term in body.terms), want)
            return self.values.multiply(inner, self.values.scalar(Scalar(scale))), labels
        common = common_factors(body)
        choice = self._chosen(body, common, want)
        if choice is not None:
            return choice
        if common:
            return self._times(common, divided(body, common), want)
        group = grouped(body, self.costs)
        if group is not None:
            factor, inside, outside = group
            first = self._times([factor], divided(inside, [factor]), want)
            return self._added([first, self.value(outside, want)], want)
        small = _smaller(body)
        if small.terms:
            large = Sum(term for term in body.terms if term not in small.terms)
            return self._added([self.value(large, want), self.value(small, None)], want)
        terms = [(term, self.term(term, want)) for term in body.terms]
        terms.sort(key=lambda each: self._order(*each))
        return self._added([part for _, part in terms], want)

    def _order(self, term: Term, part: Labelled) -> tuple[object, ...]:
        """Where a term stands in a sum: what is subtracted last, large arrays first, x before what is made of it."""
        heights = [factor.tensor.height for factor in term.factors]
        return term.coefficient < 0, -self.costs.volume(term.free), part[0].first, max(heights, default=0)

    def term(self, term: Term, want: Axes | None, *more: Operand) -> Labelled:
        """The value of one product, of ``more`` operands besides, summed over its summed indices."""
        operands = [*map(self.operands.of, term.factors), *more]
        value, labels = self.products.joined(operands, want, term.summed)
        carried = term.labels
        scale = Scalar(term.coefficient)
        for index in term.summed:
            if index not in carried:
                scale = scale.times(Scalar(1, ((index.dim, 1),)))
        return self.values.multiply(value, self.values.scalar(scale)), labels

    def _chosen(self, body: Sum, common: Sequence[Factor], want: Axes | None) -> Labelled | None:
        """t a + (1 - t) b as one choice: of two numbers, with a factor that both are multiplied by; None without t."""
        found = chosen(body)
        if found is None:
            return None
        mask, *parts = found
        numbers = all(not term.factors for part in parts for term in divided(part, common).terms)
        if numbers is not bool(common):
            return None
        condition = self.operands.of(mask)
        held = [(condition.value, condition.labels), *(self.value(part, None) for part in parts)]
        if all(value.weak for value, _ in held[1:]):
            return None
        order = arranged(united(held), want)
        args = [aligned(self.values, *part, order) for part in held]
        args[1:] = map(self.values.floating, args[1:])
        return self.values.call("np.where({0}, {1}, {2})", args, sizes(order), hint="chosen"), order

    def _times(self, factors: Sequence[Factor], rest: Sum, want: Axes | None) -> Labelled:
        inner = Operand(*self.value(rest, want))
        return self.products.joined([*map(self.operands.of, factors), inner], want)

    def _added(self, parts: Sequence[Labelled], want: Axes | None) -> Labelled:
        present = {label for _, labels in parts for label in labels}
        order = tuple(label for label in united(parts, want or ()) if label in present)
        first, *others = (aligned(self.values, *part, order) for part in parts)
        total = first
        for value in others:
            total = self.values.add(total, value)
        return total, order

    def _rank(self, place: Placed) -> tuple[float, ...]:
        """How few entries are written, how few are computed for that, and where the first of them stands."""
        starts = [self.costs.value(slot_parts(slot)[0]) for slot in place.slots]
        return -self.costs.volume(place.labels), -self.costs.volume(place.rest.free), *starts

    def _written(self, body: Sum, terms: Sequence[Term], want: Axes) -> Value:
        """A new array into which ``terms`` are written where their δ hold, and the others everywhere."""
        places = [place for term in terms if (place := placed(term, want)) is not None]
        if not self.costs.tuned and not self.costs.functional and places and all(map(_is_identity, places)):
            return self._with_identity(Sum(term for term in body.terms if term not in terms), places, want)
        one = together(places) if places and len(terms) == len(body.terms) else None
        if one is not None and not self.costs.functional:
            return self._written_once(*one)
        plain = Sum(term for term in body.terms if term not in terms)
        if self.costs.functional:
            return self._spread(plain, [one] if one else [(place, Sum((place.rest,))) for place in places], want)
        writes: list[tuple[Write, Value]] = []
        if plain.terms:
            value = aligned(self.values, *self.value(plain, want), want)
            writes.append((Write("{out}[...]", False), self.values.floating(value)))
        # the largest first: it is stored, what follows is added and needs an array of its own
        places.sort(key=self._rank)
        groups = grouped_alike(places)
        for k, (place, rest) in enumerate(groups):
            adds = bool(plain.terms) or not all(disjoint(place, other) for other, _ in groups[:k])
            writes.append(self._write(place, rest, adds))
        return self.values.filled(sizes(want), "zeros", writes)

    def _with_identity(self, plain: Sum, places: Sequence[Placed], want: Axes) -> Value:
        """The sum of ``plain`` and of multiples of the identity, as a person writes it: ``X.T @ X + l * np.eye(n)``."""
        eye = self.values.call(f"np.eye({want[0].dim}, dtype=dtype)", (), sizes(want), hint="eye")
        if len(places) == 1:
            multiple, _ = self.term(places[0].rest, want, Operand(eye, want))
        else:
            scale, _ = self.value(Sum(place.rest for place in places), ())
            multiple = self.values.multiply(scale, eye)
        return self.values.add(self.full(plain, want), multiple) if plain.terms else multiple

    def _spread(self, plain: Sum, places: Sequence[tuple[Placed, Sum]], want: Axes) -> Value:
        """The sum of ``plain`` and of arrays that are 0 but at their places, none of them written into."""
        parts = [self.full(plain, want)] if plain.terms or not places else []
        for place, rest in places:
            # a single term may have δ left, which are masks
            one = len(rest.terms) == 1
            inner = self.term(rest.terms[0], place.labels) if one else self.value(rest, place.labels)
            parts.append(spread(self.values, self.costs, place, inner))
        return reduce(self.values.add, parts)

    def _written_once(self, place: Placed, rest: Sum) -> Value:
        """The sum of what is written at one place: as a reshape, where that is all that its δ say."""
        digits = place.digits
        if digits is not None:
            whole = merged(self.values, place, digits, self.value(rest, digits))
            if whole is not None:
                return whole
        return self.values.filled(sizes(place.axes), "zeros", [self._write(place, rest, adds=False)])

    def _write(self, place: Placed, rest: Sum, adds: bool) -> tuple[Write, Value]:
        """What is written at one place, at once or, where its slots add up indices, diagonal by diagonal."""
        if len(rest.terms) != 1:
            return written(self.values, place, self.value(rest, place.labels), adds)
        found = None if place.direct else window(replace(place, rest=rest.terms[0]), self.costs)
        if found is None:
            return written(self.values, place, self.term(rest.terms[0], place.labels), adds)
        return found.written(self.values, self.term(found.place.rest, found.place.labels))


def _smaller(body: Sum) -> Sum:
    """The terms that together have fewer axes than the sum, so that they are added at once; none where that may round
    what is exact."""
    labels = body.labels
    small = Sum(term for term in body.terms if len(term.free) < len(labels))
    together = 1 < len(small.terms) < len(body.terms) and len(small.labels) < len(labels)
    return small if together and sum(map(may_be_exact, body.terms)) < 2 else Sum()


def _is_identity(place: Placed) -> bool:
    """Whether a number, which may be calculated, is written along the diagonal of a square matrix."""
    return (
        len(place.axes) == 2
        and place.axes[0].dim is place.axes[1].dim
        and place.slots[0] is place.slots[1]
        and place.slots[0] in place.axes
        and not place.rest.free
        and place.direct
    )


def _scaled(term: Term, scale: Number) -> Term:
    """The term divided by a number that is its coefficient, or -1."""
    coefficient = 1 if term.coefficient == scale else -1 if term.coefficient == -scale else -term.coefficient
    return Term(number(coefficient), term.factors, term.summed)
