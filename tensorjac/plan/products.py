"""Products of many operands: put in the cheapest order found, and built pair by pair."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from ..arrays import Scalar, Value, Values
from ..dims import Dim
from ..terms import Index, magnitude
from .contracting import Roles, contraction
from .costs import Costs
from .labelled import Labelled, Lookup, Operand, Triangle, aligned, arranged, broadcast, sizes
from .lookups import read_or_added
from .paths import path
from .triangles import compared

# From this many elements on, sums of rows are matrix products, and divisions by few numbers are multiplications.
LARGE = 4096
FEW = 8
# Longer sums are left to `sum`, which rounds less.
ROUNDED = 4096


@dataclass(frozen=True)
class _Part:
    """A part of a product: what it is, over which indices, and how it takes part."""

    value: Value
    labels: tuple[Index, ...]
    divides: bool = False
    tests: bool = False
    triangle: Triangle | None = None
    lookup: Lookup | None = None

    @property
    def array(self) -> Labelled:
        return self.value, self.labels


@dataclass(frozen=True)
class Products:
    """``places`` says where each size first occurs in the arguments."""

    values: Values
    costs: Costs
    places: Mapping[Dim, int]

    def joined(
        self, operands: Sequence[Operand], want: Sequence[Index] | None, summed: Sequence[Index] = ()
    ) -> Labelled:
        """The product of the operands, summed over ``summed``; the axes as wanted where that costs nothing."""
        parts: list[_Part] = []
        scalar = self.values.scalar(Scalar())
        hidden = set(summed)
        for operand in self._as_square(operands, hidden):
            value, labels, exponent = operand.value, operand.labels, operand.power
            test = _Part(value, labels, tests=True, triangle=operand.triangle)
            if operand.tests and (len(operands) > 1 or self._clears_large(test, set(labels), want)):
                parts.append(test)
            elif value.kind == "scalar":
                scalar = self.values.multiply(scalar, self.values.power(value, exponent))
            elif exponent == 2 and hidden.intersection(labels):
                # a sum of squares is the product of the array with itself
                parts += [_Part(value, labels)] * 2
            else:
                raised = self.values.power(value, magnitude(exponent))
                parts.append(_Part(raised, labels, exponent < 0, lookup=operand.lookup))
        if not parts:
            return scalar, ()
        out = {label for part in parts for label in part.labels} - hidden
        parts = [self._presummed(part, k, parts, hidden) for k, part in enumerate(parts)]
        if len(parts) < 3:
            # of more parts, two may be a product that is computed anyway
            small = min(range(len(parts)), key=lambda k: self.costs.volume(parts[k].labels))
            scalar = self._scaled_early(parts, small, out, scalar)
        return self._ordered(parts, out, want, scalar)

    def _as_square(self, operands: Sequence[Operand], hidden: set[Index]) -> Sequence[Operand]:
        """Σ_b d[b] X[bi] X[bj] as Σ_b Z[bi] Z[bj], Z = √d X, where d is not negative: BLAS computes half of that."""
        for one, other in combinations(operands, 2):
            if one.value is not other.value or not (one.power == other.power == 1) or not self._is_large(one.labels):
                continue
            moved = {a: b for a, b in zip(one.labels, other.labels, strict=True) if a is not b}
            shared = hidden.intersection(one.labels).difference(moved)
            weights = [each for each in operands if each is not one and each is not other and each.labels]
            if len(moved) != 1 or len(shared) != len(one.labels) - 1 or not weights:
                continue
            if all(each.nonnegative and not each.tests and shared.issuperset(each.labels) for each in weights):
                weight, labels = self.joined(weights, None)
                root = Operand(self.values.power(weight, Fraction(1, 2)), labels)
                value, labels = self.joined([one, root], one.labels)
                turned = tuple(moved.get(label, label) for label in labels)
                scalars = [each for each in operands if not each.labels]
                return [Operand(value, labels), Operand(value, turned), *scalars]
        return operands

    def _ordered(self, parts: list[_Part], out: set[Index], want: Sequence[Index] | None, scalar: Value) -> Labelled:
        """All parts joined pair by pair over the indices ``out``, scaled where least has to be multiplied."""
        last = [part for part in parts if self._clears(part, out, want)]
        if last and want is not None:
            parts = [part for part in parts if part not in last]
            whole = self._ordered(parts, out.intersection(x for part in parts for x in part.labels), want, scalar)
            return self._cleared(whole, last, want)
        for a, b in path([frozenset(part.labels) for part in parts], frozenset(out), self.costs):
            first, second = parts[a], parts[b]
            rest = [part for k, part in enumerate(parts) if k not in (a, b)]
            needed = out | {label for part in rest for label in part.labels}
            parts = [*rest, self._pair(first, second, needed, want if not rest else None)]
            scalar = self._scaled_early(parts, len(parts) - 1, out, scalar)
        if not parts:
            return scalar, ()
        (only,) = parts
        only = self._upright(only)
        only = self._summed(only, [k for k, label in enumerate(only.labels) if label not in out])
        return self.values.multiply(only.value, scalar), only.labels

    def _scaled_early(self, parts: list[_Part], place: int, out: set[Index], scalar: Value) -> Value:
        """Scale the part at ``place`` if it is smaller than the result; the scalar that is still to be applied."""
        part, one = parts[place], self.values.scalar(Scalar())
        if scalar is one or part.divides or part.tests or self.costs.volume(part.labels) >= self.costs.volume(out):
            return scalar
        parts[place] = _Part(self.values.multiply(part.value, scalar), part.labels)
        return one

    def _presummed(self, part: _Part, place: int, parts: Sequence[_Part], hidden: set[Index]) -> _Part:
        """The part summed over the indices that nothing else carries."""
        elsewhere = {label for k, other in enumerate(parts) if k != place for label in other.labels}
        if part.lookup is not None and hidden.intersection(elsewhere, part.labels):
            # first read or added up, then summed: the positions are few, and what they count is not
            return part
        lone = [k for k, label in enumerate(part.labels) if label in hidden and label not in elsewhere]
        return self._summed(self._upright(part), lone) if lone else part

    def _summed(self, part: _Part, places: Sequence[int]) -> _Part:
        if not places:
            return part
        kept = tuple(label for k, label in enumerate(part.labels) if k not in places)
        if len(part.labels) == 2 and len(places) == 1:
            summed = part.labels[places[0]]
            if self._is_large(part.labels) and self.costs.extent(summed) <= ROUNDED:
                ones = self.values.call(f"np.ones({summed.dim}, dtype=dtype)", (), (summed.dim,), hint="ones")
                value = self.values.floating(part.value)
                pair = (ones, value) if places[0] == 0 else (value, ones)
                return _Part(self.values.matmul(*pair), kept)
        return _Part(self.values.total(part.value, places), kept)

    def _is_large(self, labels: Sequence[Index]) -> bool:
        """Whether an array is so large that speed comes before the usual way of writing."""
        return self.costs.tuned and self.costs.volume(labels) >= LARGE

    # Two parts

    def _pair(self, a: _Part, b: _Part, needed: Container[Index], want: Sequence[Index] | None) -> _Part:
        """Two parts joined: chosen by a test, multiplied or divided elementwise, or contracted."""
        if a.tests or b.tests:
            return self._where(a, b, needed)
        roles = Roles.of(a.labels, b.labels, needed)
        if not roles.contracted:
            if a.divides is b.divides:
                return _Part(*self._multiplied(a, b, want), divides=a.divides)
            return self._quotient(b, a, want) if a.divides else self._quotient(a, b, want)
        a, b = self._upright(a), self._upright(b)
        for one, other in ((a, b), (b, a)):
            if one.lookup is None:
                continue
            found = read_or_added(self.values, other.array, one.lookup, needed, self.costs.functional)
            if found is not None:
                return self._summed(_Part(*found), [k for k, label in enumerate(found[1]) if label not in needed])
        if (
            roles.left
            and roles.right
            and self._awkwardness(b, a, roles.turned, want) < self._awkwardness(a, b, roles, want)
        ):
            a, b, roles = b, a, roles.turned
        return _Part(*contraction(self.values, self.costs, a.array, b.array, roles))

    def _awkwardness(self, a: _Part, b: _Part, roles: Roles, want: Sequence[Index] | None) -> tuple[int, ...]:
        """How a product reads in this order: not as wanted, with transposes, against the order of the arguments."""
        left, right = roles.left[0], roles.right[0]
        unwanted = want is not None and left in want and right in want and want.index(left) > want.index(right)
        transposes = (a.labels[-1] not in roles.contracted) + (b.labels[-1] in roles.contracted)
        last = len(self.places)
        backward = self.places.get(left.dim, last) - self.places.get(right.dim, last)
        return unwanted, transposes, backward > 0, backward == 0 and a.value.first > b.value.first

    def _where(self, a: _Part, b: _Part, needed: Container[Index]) -> _Part:
        """A part where a condition holds, 0 elsewhere: not their product, which is nan where 0 meets infinity."""
        if a.tests and b.tests:
            return _Part(*self._multiplied(a, b, None), tests=True)
        test, part = (a, b) if a.tests else (b, a)
        part = self._upright(part)
        if test.triangle is not None:
            found = compared(self.values, part.array, test.triangle, needed)
            if found is not None:
                return _Part(*found)
        order = tuple(dict.fromkeys([*part.labels, *test.labels]))
        condition, chosen = (aligned(self.values, *p.array, order) for p in (test, part))
        # a Python number between two arrays would be one of double precision
        args = (condition, broadcast(self.values, self.values.floating(chosen), (), ()))
        masked = _Part(self.values.call("np.where({0}, {1}, 0)", args, sizes(order), hint="masked"), order)
        return self._summed(masked, [k for k, label in enumerate(order) if label not in needed])

    def _multiplied(self, a: _Part, b: _Part, want: Sequence[Index] | None) -> Labelled:
        if len(b.labels) > len(a.labels):
            a, b = b, a
        order = arranged([*a.labels, *b.labels], want)
        first, second = (aligned(self.values, *part.array, order) for part in (a, b))
        return self.values.multiply(first, second), order

    def _quotient(self, above: _Part, below: _Part, want: Sequence[Index] | None) -> _Part:
        if self._is_large(above.labels) and self.costs.volume(below.labels) * FEW <= self.costs.volume(above.labels):
            # one division for each row, and a multiplication for each entry
            return _Part(*self._multiplied(above, self._upright(below), want))
        order = arranged([*above.labels, *below.labels], want)
        top, bottom = (aligned(self.values, *part.array, order) for part in (above, below))
        return _Part(self.values.divide(top, bottom), order)

    def _clears(self, part: _Part, out: set[Index], want: Sequence[Index] | None) -> bool:
        """Whether a triangle is of the result itself, which is then made whole and cleared."""
        return part.triangle is not None and want is not None and out.issuperset(part.labels) and out == set(want)

    def _clears_large(self, part: _Part, out: set[Index], want: Sequence[Index] | None) -> bool:
        """The same, where the result is large."""
        return self._clears(part, out, want) and self._is_large(part.labels)

    def _cleared(self, whole: Labelled, tests: Sequence[_Part], want: Sequence[Index]) -> Labelled:
        """A whole result with zeros where triangles say so: of a large one, no mask and no second array is made."""
        if not self._is_large(want):
            part = _Part(*whole)
            for test in tests:
                part = self._where(part, test, want)
            return part.array
        value = self.values.floating(aligned(self.values, *whole, want))
        value = broadcast(self.values, value, whole[1], want)
        for test in tests:
            if test.triangle is not None:
                value = self.values.cleared(value, *test.triangle.cleared(want))
        return value, tuple(want)

    def _upright(self, part: _Part) -> _Part:
        """The part as a factor: a divisor becomes a reciprocal."""
        if not part.divides:
            return part
        return _Part(self.values.divide(self.values.scalar(Scalar()), part.value), part.labels)
