"""From expressions to array operations: which products to share, in which order to contract, how to call NumPy.

The planner sees all outputs at once. It opens contractions that are used once, shares the elementwise pairs that
several products need, takes common factors out of sums, orders each product by cost, and classifies every step as a
matrix product, an elementwise product, or, where nothing better fits, an ``einsum``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import opt_einsum

from .arrays import Scalar, Value, Values, Write, dim_text
from .dims import Dim, nonnegative
from .primitives import Primitive
from .rewrites import add, in_range, whole
from .terms import (
    DELTA,
    ONE,
    ZERO,
    Affine,
    Apply,
    Constant,
    Contraction,
    Factor,
    Index,
    Input,
    Number,
    Position,
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    Term,
    combine,
    magnitude,
    number,
    product,
    shared,
    slot_labels,
    slot_parts,
    topological,
)

# Sizes by which orders are compared while none are given: what matters is that they are large and alike.
NOMINAL = 64
# One element moved costs about as much as this many multiplications and additions.
MOVED = 4.0
# Above this many factors, subsets are too many and the path optimiser's greedy order is used.
EXHAUSTIVE = 6

Labelled = tuple[Value, tuple[Index, ...]]


@dataclass
class Program:
    """Array operations for some outputs: the values to return, in order."""

    values: Values
    outputs: list[Value]
    shapes: list[tuple[Dim, ...]]


def plan(
    outputs: Sequence[tuple[Sequence[Index], Sum]],
    constants: Mapping[Tensor, str],
    sizes: Mapping[str, int] | None = None,
    order: Sequence[Dim] = (),
    variables: Mapping[str, str] | None = None,
) -> Program:
    """The operations that compute ``outputs``, given as (axes, expression), ordered for these sizes.

    ``order`` are the sizes as they first occur in the arguments: a batch axis that stands first there stands first in
    products, too. ``variables`` are the names that inputs have in the source, where these differ from their own.
    """
    planner = _Planner(constants, sizes or {}, order, variables or {})
    values = planner.run([(tuple(axes), body) for axes, body in outputs])
    values = _solved(planner.values, values)
    return Program(planner.values, values, [tuple(axis.dim for axis in axes) for axes, _ in outputs])


@dataclass(frozen=True)
class _Part:
    """An operand of a product: what it is, over which indices, and how it takes part."""

    value: Value
    labels: tuple[Index, ...]
    divides: bool = False
    tests: bool = False  # a δ as a mask: what stands beside it counts only where it holds, be it infinite elsewhere


class _Planner:
    def __init__(
        self,
        constants: Mapping[Tensor, str],
        sizes: Mapping[str, int],
        order: Sequence[Dim],
        variables: Mapping[str, str],
    ) -> None:
        self.variables = variables
        self.order = {dim: k for k, dim in reversed(list(enumerate(order)))}
        self.values = Values()
        self.constants = constants
        self.sizes = sizes
        self.bodies: dict[Tensor, list[Sum]] = {}
        self.done: dict[Tensor, Labelled] = {}
        self._cost: dict[Dim, float] = {}

    # Sizes

    def extent(self, index: Index) -> float:
        found = self._cost.get(index.dim)
        if found is None:
            env = {name: self.sizes.get(name, NOMINAL) for name in index.dim.names}
            found = self._cost[index.dim] = float(max(index.dim.evaluate(env), 1))
        return found

    def volume(self, labels: Iterable[Index]) -> float:
        total = 1.0
        for label in labels:
            total *= self.extent(label)
        return total

    # The whole program

    def run(self, outputs: list[tuple[tuple[Index, ...], Sum]]) -> list[Value]:
        """Plan all outputs: gather the bodies, open and share, then compile from the ground up."""
        bodies = _gathered([body for _, body in outputs])
        roots = [body for _, body in outputs]
        roots, bodies = _opened(roots, bodies)
        roots = [_joined_products(root) for root in roots]
        bodies = {tensor: [_joined_products(body) for body in group] for tensor, group in bodies.items()}
        waiting = [*roots, *(body for group in bodies.values() for body in group)]
        while waiting:
            for tensor in waiting.pop().tensors:
                if isinstance(tensor, Shared) and tensor not in bodies:
                    bodies[tensor] = [tensor.body]
                    waiting.append(tensor.body)
        roots, bodies = self._paired(roots, bodies)
        self.bodies = bodies
        uses = _uses([*roots, *(body for group in bodies.values() for body in group)])
        for tensor in topological_bodies(roots, bodies):
            self.done[tensor] = self._tensor(tensor)
            if uses[tensor] > 1:
                self.values.pinned.add(id(self.done[tensor][0]))
        return [self._output(axes, body) for (axes, _), body in zip(outputs, roots, strict=True)]

    def _output(self, axes: tuple[Index, ...], body: Sum) -> Value:
        value, labels = self.expression(body, axes)
        value = self.values.floating(self.aligned((value, labels), axes))
        return self.broadcast(value, labels, axes)

    def broadcast(self, value: Value, labels: Sequence[Index], axes: Sequence[Index]) -> Value:
        """The value with every axis at its full size."""
        if set(labels) >= set(axes) and not value.weak:
            return value
        shape = tuple(axis.dim for axis in axes)
        return self.values.make("full", (value,), shape, len(axes))

    # Sharing of elementwise pairs

    def _paired(self, roots: list[Sum], bodies: dict[Tensor, list[Sum]]) -> tuple[list[Sum], dict[Tensor, list[Sum]]]:
        """Make products that several terms contain tensors of their own, where that costs no more than leaving them."""
        known: dict[int, tuple[Term, list[tuple[Shared, float, float]]]] = {}

        def pairs(term: Term) -> list[tuple[Shared, float, float]]:
            found = known.get(id(term))
            if found is None:
                found = known[id(term)] = (term, list(self._pairs(term)))
            return found[1]

        def shared_in(body: Sum, pair: Shared) -> Sum:
            if not any(tensor is pair for term in body.terms for tensor, _, _ in pairs(term)):
                return body
            return Sum(
                _term_with_pair(term, pair) if any(t is pair for t, _, _ in pairs(term)) else term
                for term in body.terms
            )

        while True:
            found: dict[Shared, list[float]] = {}
            cost: dict[Shared, float] = {}
            for body in [*roots, *(body for group in bodies.values() for body in group)]:
                for term in body.terms:
                    for pair, size, otherwise in pairs(term):
                        found.setdefault(pair, []).append(otherwise)
                        cost[pair] = size
            best: tuple[float, int, Shared] | None = None
            for pair, alternatives in found.items():
                saved = sum(alternatives) - cost[pair]
                if len(alternatives) > 1 and saved >= 0 and (best is None or (saved, len(alternatives)) > best[:2]):
                    best = (saved, len(alternatives), pair)
            if best is None:
                return roots, bodies
            chosen = best[2]
            roots = [shared_in(root, chosen) for root in roots]
            bodies = {tensor: [shared_in(body, chosen) for body in group] for tensor, group in bodies.items()}
            (inner,) = chosen.body.terms
            # its own two factors are what the pair is: they are not looked at again
            known[id(inner)] = (inner, [])
            bodies[chosen] = [chosen.body]

    def _pairs(self, term: Term) -> Iterator[tuple[Shared, float, float]]:
        """Elementwise pairs in a term: the pair, its cost, and the least cost of applying the smaller one elsewhere."""
        units = [f for f in (_unit(factor) for factor in term.factors) if f is not None]
        hidden = set(term.summed)
        out = term.labels - hidden
        seen: set[Tensor] = set()
        for a, b in combinations(units, 2):
            la, lb = set(a.labels), set(b.labels)
            if not la >= lb:
                a, b, la, lb = b, a, lb, la
            if not la >= lb or not lb:
                continue
            pair = shared(Sum((product(1, (a, b)),))).tensor
            assert isinstance(pair, Shared)
            if pair in seen:
                continue
            seen.add(pair)
            others = [set(f.labels) for f in units if f is not a and f is not b]
            places = [self.volume(labels) for labels in others if labels >= lb]
            if lb <= out and (hidden or places):
                places.append(self.volume(out))
            size = self.volume(la)
            yield pair, size, min([size, *places])

    # Tensors

    def _tensor(self, tensor: Tensor) -> Labelled:
        axes = tensor.axes
        if isinstance(tensor, Input):
            return self.values.name(self.variables.get(tensor.name, tensor.name), tensor.rank), axes
        if isinstance(tensor, Constant):
            array: Any = tensor.array
            return self.values.name(self.constants[tensor], tensor.rank, array.dtype.kind == "b"), axes
        if isinstance(tensor, Size):
            return self.values.scalar(Scalar(1, ((tensor.dim, 1),))), ()
        if isinstance(tensor, Position):
            return self.values.call(f"np.arange({tensor.shape[0]}, dtype=dtype)", (), 1, hint="position"), axes
        if isinstance(tensor, Apply):
            return self._apply(tensor)
        (body,) = self.bodies[tensor]
        value, labels = self.expression(body, axes if _has_delta(body) else None)
        return value, labels

    def _apply(self, tensor: Apply) -> Labelled:
        primitive = tensor.operation
        assert isinstance(primitive, Primitive)
        bodies = self.bodies[tensor]
        batch = tensor.axes[: tensor.batch]
        if primitive.elementwise:
            return self._elementwise(tensor, primitive, bodies, batch)
        (body,), (core,) = bodies, tensor.cores
        want = (*batch, *core)
        value, labels = self.expression(body, want)
        value = self.values.floating(self.aligned((value, labels), want))
        value = self.broadcast(value, labels, want)
        hint = primitive.name
        if primitive.reduces:
            axes = tuple(range(len(batch), len(want)))
            text = "" if len(axes) == len(want) else f"axis={axes[0] if len(axes) == 1 else axes}"
            result = self.values.call(
                primitive.source.replace("{axes}", text).replace("{0}", "{0.}"), (value,), len(batch), hint=hint
            )
        else:
            result = self.values.call(primitive.source, (value,), tensor.rank, hint=hint)
        return result, tensor.axes

    def _elementwise(
        self, tensor: Apply, primitive: Primitive, bodies: Sequence[Sum], batch: tuple[Index, ...]
    ) -> Labelled:
        parts = [self.expression(body, None) for body in bodies]
        order: list[Index] = []
        for _, labels in sorted(parts, key=lambda part: -len(part[1])):
            order.extend(label for label in labels if label not in order)
        args = [self.aligned(part, order) for part in parts]
        args = [arg if primitive.name == "mask" else self.values.floating(arg) for arg in args]
        names = ("erf",) if primitive.name == "erf" else ("xlogy",) if primitive.name == "xlogy" else ()
        source = primitive.source
        if primitive.boolean:
            args = [self._whole(arg) for arg in args]
        if primitive.name == "sigmoid":
            # the sign goes where it may cancel another
            source, args = "1 / (1 + np.exp({0}))", [self.values.negated(args[0])]
        value = self.values.call(source, args, len(order), primitive.boolean, primitive.name, names)
        return value, tuple(order)

    def _whole(self, value: Value) -> Value:
        """Positions as whole numbers: in a comparison they are exact, however many there are."""
        if value.kind == "expand":
            return self.values.expand(self._whole(value.args[0]), value.detail)
        if value.kind == "call" and value.detail[0].startswith("np.arange("):
            return self.values.call(value.detail[0].replace(", dtype=dtype", ""), (), 1, hint=value.hint)
        return value

    # Expressions

    def expression(self, body: Sum, want: tuple[Index, ...] | None) -> Labelled:
        """The value of a sum, laid out as ``want`` where given."""
        if not body.terms:
            return self.values.scalar(Scalar(0)), ()
        if len(body.terms) == 1:
            return self._single(body.terms[0], want)
        if want is not None:
            written = [term for term in body.terms if _needs_write(term, want)]
            if written:
                return self._written(body, written, want)
        common = _common_factors(body)
        if common:
            rest = _divided(body, common)
            return self._times(common, rest, want)
        group = self._grouped(body)
        if group is not None:
            factor, inside, outside = group
            first = self._times([factor], _divided(inside, [factor]), want)
            return self._added([first, self.expression(outside, want)], want)
        ordered = sorted(body.terms, key=lambda term: (term.coefficient < 0, -self.volume(term.free)))
        return self._added([self.term(term, want) for term in ordered], want)

    def _added(self, parts: Sequence[Labelled], want: tuple[Index, ...] | None) -> Labelled:
        order = list(want) if want is not None else []
        for _, labels in sorted(parts, key=lambda part: -len(part[1])):
            order.extend(label for label in labels if label not in order)
        present = {label for _, labels in parts for label in labels}
        kept = tuple(label for label in order if label in present)
        total: Value | None = None
        for part in parts:
            value = self.aligned(part, kept)
            total = value if total is None else self.values.add(total, value)
        assert total is not None
        return total, kept

    def _times(self, common: Sequence[Factor], rest: Sum, want: tuple[Index, ...] | None) -> Labelled:
        inner = self.expression(rest, want)
        return self._joined([*map(self.operand, common), inner], [f.power for f in common] + [1], want)

    def _grouped(self, body: Sum) -> tuple[Factor, Sum, Sum] | None:
        """The largest factor that several terms share, those terms, and the others."""
        count: dict[tuple[Tensor, tuple[Slot, ...]], list[Term]] = {}
        for term in body.terms:
            for factor in term.factors:
                if factor.tensor is not DELTA and not term.summed and any(True for _ in factor.labels):
                    count.setdefault((factor.tensor, factor.slots), []).append(term)
        best: tuple[float, Factor, list[Term]] | None = None
        for (tensor, slots), terms in count.items():
            if len(terms) < 2:
                continue
            powers = [f.power for t in terms for f in t.factors if f.tensor is tensor and f.slots == slots]
            if min(powers) < 0 < max(powers):
                continue
            factor = Factor(tensor, slots, min(powers, key=magnitude))
            size = self.volume(factor.labels)
            if best is None or size > best[0]:
                best = (size, factor, terms)
        if best is None:
            return None
        inside = [t for t in body.terms if t in best[2]]
        outside = [t for t in body.terms if t not in best[2]]
        return best[1], Sum(inside), Sum(outside)

    def _single(self, term: Term, want: tuple[Index, ...] | None) -> Labelled:
        if want is not None and _needs_write(term, want):
            return self._written(Sum((term,)), [term], want)
        return self.term(term, want)

    def term(self, term: Term, want: tuple[Index, ...] | None) -> Labelled:
        """The value of one product, summed over its summed indices."""
        operands = [self.operand(factor) for factor in term.factors]
        powers = [factor.power for factor in term.factors]
        tests = [factor.tensor is DELTA for factor in term.factors]
        value, labels = self._joined(operands, powers, want, term.summed, tests)
        used = term.labels
        counts = tuple((index.dim, 1) for index in term.summed if index not in used)
        scale = Scalar(term.coefficient)
        for dim, power in counts:
            scale = scale.times(Scalar(1, ((dim, power),)))
        return self.values.multiply(value, self.values.scalar(scale)), labels

    # Products

    def _joined(
        self,
        operands: Sequence[Labelled],
        powers: Sequence[Number],
        want: Sequence[Index] | None,
        summed: Sequence[Index] = (),
        tests: Sequence[bool] = (),
    ) -> Labelled:
        """The product of operands raised to powers, summed over ``summed``: ordered by cost and built pair by pair."""
        parts: list[_Part] = []
        scalar = self.values.scalar(Scalar())
        hidden = set(summed)
        for k, ((value, labels), exponent) in enumerate(zip(operands, powers, strict=True)):
            if tests and tests[k] and len(operands) > 1:
                parts.append(_Part(value, labels, tests=True))
            elif value.kind == "scalar":
                scalar = self.values.multiply(scalar, self.values.power(value, exponent))
            elif exponent == 2 and hidden.intersection(labels):
                # a sum of squares is the product of the array with itself
                parts += [_Part(value, labels)] * 2
            else:
                parts.append(_Part(self.values.power(value, magnitude(exponent)), labels, exponent < 0))
        if not parts:
            return scalar, ()
        return self._ordered(parts, hidden, want, scalar)

    def _quotient(self, above: _Part, below: _Part, want: Sequence[Index] | None) -> _Part:
        labels = dict.fromkeys([*above.labels, *below.labels])
        order = [label for label in want if label in labels] if want is not None else []
        order += [label for label in labels if label not in order]
        top, bottom = (self.aligned((part.value, part.labels), order) for part in (above, below))
        return _Part(self.values.divide(top, bottom), tuple(order))

    def _upright(self, part: _Part) -> _Part:
        """The part as a factor: a divisor becomes a reciprocal."""
        if not part.divides:
            return part
        return _Part(self.values.divide(self.values.scalar(Scalar()), part.value), part.labels)

    def _ordered(self, parts: list[_Part], hidden: set[Index], want: Sequence[Index] | None, scalar: Value) -> Labelled:
        """All parts joined pair by pair in the cheapest order found, scaled where least has to be multiplied."""
        out = {label for part in parts for label in part.labels} - hidden
        remaining = [self._presummed(part, k, parts, hidden) for k, part in enumerate(parts)]
        one = self.values.scalar(Scalar())
        if scalar is not one:
            small = min(range(len(remaining)), key=lambda k: self.volume(remaining[k].labels))
            scalar = self._scaled_early(remaining, small, out, scalar)
        for a, b in self._path(remaining, out):
            first, second = remaining[a], remaining[b]
            rest = [part for k, part in enumerate(remaining) if k not in (a, b)]
            needed = out | {label for part in rest for label in part.labels}
            remaining = [*rest, self._pair(first, second, needed, want if not rest else None)]
            if scalar is not one:
                scalar = self._scaled_early(remaining, len(remaining) - 1, out, scalar)
        (only,) = remaining
        only = self._presummed(self._upright(only), 0, remaining, hidden)
        return self.values.multiply(only.value, scalar), only.labels

    def _scaled_early(self, parts: list[_Part], place: int, out: set[Index], scalar: Value) -> Value:
        """Scale the part at ``place`` if it is smaller than the result; the scalar that is still to be applied."""
        part = parts[place]
        if part.divides or self.volume(part.labels) >= self.volume(out):
            return scalar
        parts[place] = _Part(self.values.multiply(part.value, scalar), part.labels)
        return self.values.scalar(Scalar())

    def _presummed(self, part: _Part, place: int, parts: Sequence[_Part], hidden: set[Index]) -> _Part:
        """The part summed over the indices that nothing else carries."""
        elsewhere = {label for k, other in enumerate(parts) if k != place for label in other.labels}
        lone = [k for k, label in enumerate(part.labels) if label in hidden and label not in elsewhere]
        if not lone:
            return part
        part = self._upright(part)
        kept = tuple(label for k, label in enumerate(part.labels) if k not in lone)
        return _Part(self.values.total(part.value, lone), kept)

    def _path(self, parts: Sequence[_Part], out: set[Index]) -> list[tuple[int, int]]:
        """Pairs of positions, the result of each going to the end of the list."""
        if len(parts) <= 1:
            return []
        if len(parts) == 2:
            return [(0, 1)]
        sets = [frozenset(part.labels) for part in parts]
        if len(parts) <= EXHAUSTIVE:
            return self._exhaustive(sets, frozenset(out))
        names = {label: opt_einsum.get_symbol(k) for k, label in enumerate(dict.fromkeys(x for s in sets for x in s))}
        sized = {names[label]: int(self.extent(label)) for label in names}
        path = opt_einsum.paths.greedy(
            [frozenset(names[x] for x in s) for s in sets], frozenset(names[x] for x in out), sized
        )
        return [(pair[0], pair[1]) if len(pair) == 2 else (pair[0], pair[0]) for pair in path]

    def _exhaustive(self, sets: Sequence[frozenset[Index]], out: frozenset[Index]) -> list[tuple[int, int]]:
        """The cheapest bracketing, by dynamic programming over subsets."""
        count = len(sets)
        full = (1 << count) - 1
        carried: dict[int, frozenset[Index]] = {}
        for mask in range(1, full + 1):
            inside = frozenset().union(*(sets[k] for k in range(count) if mask >> k & 1))
            outside = frozenset().union(out, *(sets[k] for k in range(count) if not mask >> k & 1))
            carried[mask] = inside & outside if mask & (mask - 1) else sets[mask.bit_length() - 1]
        best: dict[int, tuple[float, int]] = {1 << k: (0.0, 0) for k in range(count)}
        for mask in range(1, full + 1):
            if mask in best:
                continue
            part = (mask - 1) & mask
            while part:
                other = mask ^ part
                if part > other:
                    union = carried[part] | carried[other]
                    flops = self.volume(union) * (2 if union - carried[mask] else 1)
                    cost = best[part][0] + best[other][0] + flops + MOVED * self.volume(carried[mask])
                    if mask not in best or cost < best[mask][0]:
                        best[mask] = (cost, part)
                part = (part - 1) & mask
        order: list[int] = [1 << k for k in range(count)]
        path: list[tuple[int, int]] = []
        waiting, splits = [full], []
        while waiting:
            mask = waiting.pop()
            if mask & (mask - 1):
                splits.append(mask)
                part = best[mask][1]
                waiting += [part, mask ^ part]
        for mask in reversed(splits):
            part = best[mask][1]
            a, b = sorted((order.index(part), order.index(mask ^ part)))
            path.append((a, b))
            order = [m for k, m in enumerate(order) if k not in (a, b)] + [mask]
        return path

    def _pair(self, a: _Part, b: _Part, needed: set[Index], want: Sequence[Index] | None) -> _Part:
        """Two parts joined: an elementwise product or quotient, a matrix product, or an einsum."""
        both = [label for label in a.labels if label in b.labels]
        contracted = [label for label in both if label not in needed]
        if a.tests or b.tests:
            return self._where(a, b, needed)
        if not contracted:
            if a.divides is b.divides:
                value, labels = self._elementwise_product((a.value, a.labels), (b.value, b.labels), want)
                return _Part(value, labels, a.divides)
            return self._quotient(b, a, want) if a.divides else self._quotient(a, b, want)
        a, b = self._upright(a), self._upright(b)
        value, labels = self._product((a.value, a.labels), (b.value, b.labels), needed, want, both, contracted)
        return _Part(value, labels)

    def _where(self, a: _Part, b: _Part, needed: set[Index]) -> _Part:
        """A part where a condition holds, 0 elsewhere: not their product, which is nan where 0 meets infinity."""
        if a.tests and b.tests:
            value, labels = self._elementwise_product((a.value, a.labels), (b.value, b.labels), None)
            return _Part(value, labels, tests=True)
        test, part = (a, b) if a.tests else (b, a)
        part = self._upright(part)
        order = tuple(dict.fromkeys([*part.labels, *test.labels]))
        args = [self.aligned((p.value, p.labels), order) for p in (test, part)]
        args[1] = self.values.floating(args[1])
        chosen = self.values.call("np.where({0}, {1}, 0)", args, len(order), hint="masked")
        lone = [k for k, label in enumerate(order) if label not in needed]
        total = self.values.total(chosen, lone) if lone else chosen
        return _Part(total, tuple(label for k, label in enumerate(order) if k not in lone))

    def _product(
        self,
        a: Labelled,
        b: Labelled,
        needed: set[Index],
        want: Sequence[Index] | None,
        both: list[Index],
        contracted: list[Index],
    ) -> Labelled:
        (va, la), (vb, lb) = a, b
        batch = [label for label in both if label in needed]
        left = [label for label in la if label not in lb]
        right = [label for label in lb if label not in la]
        if left and right and self._turned(left[0], right[0], want):
            return self._contracted(vb, lb, va, la, batch, right, left, contracted)
        return self._contracted(va, la, vb, lb, batch, left, right, contracted)

    def _turned(self, left: Index, right: Index, want: Sequence[Index] | None) -> bool:
        """Whether a product reads better turned round: as it is wanted, else as sizes follow in the arguments."""
        if want is not None and left in want and right in want:
            return list(want).index(left) > list(want).index(right)
        last = len(self.order)
        return self.order.get(left.dim, last) > self.order.get(right.dim, last)

    def _contracted(
        self,
        va: Value,
        la: Sequence[Index],
        vb: Value,
        lb: Sequence[Index],
        batch: list[Index],
        left: list[Index],
        right: list[Index],
        contracted: list[Index],
    ) -> Labelled:
        values = self.values
        single = len(contracted) == 1 and len(left) <= 1 and len(right) <= 1
        if single and (not batch or (left and right)):
            first = self.aligned((va, tuple(la)), [*batch, *left, *contracted])
            second = self.aligned((vb, tuple(lb)), [*batch, *contracted, *right])
            return values.matmul(first, second), (*batch, *left, *right)
        if not left and not right:
            if not batch and len(contracted) > 1:
                second = self.aligned((vb, tuple(lb)), la)
                return values.call("np.vdot({0}, {1})", (va, second), 0, hint="total"), ()
            if len(contracted) == 1 and la[-1] is contracted[0] and lb[-1] is contracted[0] and batch == list(la[:-1]):
                second = self.aligned((vb, tuple(lb)), la)
                first = values.floating(va)
                return values.call(
                    "np.vecdot({0}, {1})", (first, values.floating(second)), len(batch), hint="dot"
                ), tuple(batch)
        if not batch and not single:
            axes = ([la.index(x) for x in contracted], [lb.index(x) for x in contracted])
            text = (
                f"np.tensordot({{0}}, {{1}}, axes={axes})"
                if len(contracted) > 1
                else (f"np.tensordot({{0}}, {{1}}, axes=({axes[0][0]}, {axes[1][0]}))")
            )
            parts = (values.floating(va), values.floating(vb))
            return values.call(text, parts, len(left) + len(right), hint="M"), (*left, *right)
        names = {label: chr(ord("i") + k) for k, label in enumerate(dict.fromkeys([*la, *lb]))}
        result = [*batch, *left, *right]
        text = ",".join("".join(names[x] for x in part) for part in (la, lb))
        spec = f"{text}->{''.join(names[x] for x in result)}"
        parts = (values.floating(va), values.floating(vb))
        return values.call(f'np.einsum("{spec}", {{0}}, {{1}})', parts, len(result), hint="M"), tuple(result)

    def _elementwise_product(self, a: Labelled, b: Labelled, want: Sequence[Index] | None) -> Labelled:
        if len(b[1]) > len(a[1]):
            a, b = b, a
        labels = dict.fromkeys([*a[1], *b[1]])
        order = [label for label in want if label in labels] if want is not None else []
        order += [label for label in labels if label not in order]
        return self.values.multiply(self.aligned(a, order), self.aligned(b, order)), tuple(order)

    def aligned(self, part: Labelled, order: Sequence[Index]) -> Value:
        """The value with its axes in this order, and axes of size 1 for the labels that it lacks."""
        value, labels = part
        if not labels:
            return value
        place = {label: k for k, label in enumerate(labels)}
        value = self.values.transpose(value, [place[label] for label in order if label in place])
        return self.values.expand(value, [label in place for label in order])

    # Factors

    def operand(self, factor: Factor) -> Labelled:
        """A factor's tensor read at its slots; the power is left to the caller."""
        if factor.tensor is DELTA:
            return self._mask(factor.slots[0])
        value, axes = self.done[factor.tensor]
        by_axis = dict(zip(factor.tensor.axes, factor.slots, strict=True))
        return self._read(value, [by_axis[axis] for axis in axes], [axis.dim for axis in axes])

    def _read(self, value: Value, slots: Sequence[Slot], dims: Sequence[Dim]) -> Labelled:
        if all(isinstance(s, Index) and s.dim is d for s, d in zip(slots, dims, strict=True)) and len(
            set(slots)
        ) == len(slots):
            return value, tuple(s for s in slots if isinstance(s, Index))
        kept: list[Slot] = []
        kept_dims: list[Dim] = []
        for slot, dim in zip(slots, dims, strict=True):
            labels = list(slot_labels(slot))
            if len(labels) == 1:
                kept.append(labels[0])
                kept_dims.append(labels[0].dim)
            elif labels:
                kept.append(slot)
                kept_dims.append(dim)
        for items in _selected(slots, dims):
            value = self.values.select(value, items)
        if any(isinstance(slot, Affine) for slot in kept):
            value, labels_now = self._spread(value, kept, kept_dims)
        else:
            labels_now = tuple(slot for slot in kept if isinstance(slot, Index))
        return self._undiagonal(value, labels_now)

    def _spread(self, value: Value, slots: Sequence[Slot], dims: Sequence[Dim]) -> Labelled:
        """Axes read at several indices at once: the digits of a reshape, or windows."""
        order: list[Index] = []
        shape: list[str] = []
        digits = True
        for slot, dim in zip(slots, dims, strict=True):
            if isinstance(slot, Index):
                order.append(slot)
                shape.append(str(slot.dim))
                continue
            split = _radix(slot, dim)
            if split is None:
                digits = False
                break
            order.extend(split)
            shape.extend(str(index.dim) for index in split)
        if digits:
            text = ", ".join(shape)
            return self.values.call(f"{{0.}}.reshape({text})", (value,), len(order), value.mask, value.hint), tuple(
                order
            )
        labels = tuple(dict.fromkeys(label for slot in slots for label in slot_labels(slot)))
        items = ", ".join(_positions(slot, labels) for slot in slots)
        return self.values.call(f"{{0.}}[{items}]", (value,), len(labels), value.mask, value.hint), labels

    def _undiagonal(self, value: Value, labels: tuple[Index, ...]) -> Labelled:
        if len(set(labels)) == len(labels):
            return value, labels
        kept = tuple(dict.fromkeys(labels))
        names = {label: chr(ord("i") + k) for k, label in enumerate(kept)}
        spec = f"{''.join(names[x] for x in labels)}->{''.join(names[x] for x in kept)}"
        return self.values.call(f'np.einsum("{spec}", {{0}})', (value,), len(kept), value.mask, value.hint), kept

    def _mask(self, form: Slot) -> Labelled:
        """A δ as an array of zeros and ones, where nothing else is possible."""
        offset, parts = slot_parts(form)
        if len(parts) == 2 and offset is ZERO:
            (a, p), (b, q) = parts
            if p is ONE and (p + q) is ZERO:
                sizes = str(a.dim) if a.dim is b.dim else f"{a.dim}, {b.dim}"
                return self.values.call(f"np.eye({sizes}, dtype=bool)", (), 2, True, hint="eye"), (a, b)
        labels = tuple(index for index, _ in parts)
        text = f"({_positions(form, labels)} == 0)"
        return self.values.call(text, (), len(labels), True, hint="mask"), labels

    # Writing into arrays

    def _written(self, body: Sum, written: Sequence[Term], want: tuple[Index, ...]) -> Labelled:
        """A new array into which the terms with δ are written where their δ holds."""
        plain = Sum(term for term in body.terms if term not in written)
        if len(body.terms) == 1:
            merged = self._merged(body.terms[0], want)
            if merged is not None:
                return merged, want
        writes: list[tuple[Write, Value]] = []
        if plain.terms:
            part = self.expression(plain, want)
            writes.append((Write("{out}[...]", False), self.values.floating(self.aligned(part, want))))
        for term in written:
            writes.append(self._write(term, want, bool(writes)))
        return self.values.filled([label.dim for label in want], "zeros", writes), want

    def _merged(self, term: Term, want: tuple[Index, ...]) -> Value | None:
        """The term as a reshape, where its δ only write merged axes as the digits that they consist of."""
        slots, rest = self._placed(term, want)
        labels: list[Index] = []
        for axis in want:
            digits = _radix(slots[axis], axis.dim)
            if digits is None:
                return None
            labels.extend(digits)
        if len(set(labels)) != len(labels) or any(f.tensor is DELTA for f in rest.factors):
            return None
        value, carried = self.term(rest, tuple(labels))
        if set(carried) != set(labels):
            return None
        value = self.values.floating(self.aligned((value, carried), labels))
        shape = ", ".join(str(axis.dim) for axis in want)
        return self.values.call(f"{{0.}}.reshape({shape})", (value,), len(want), hint=value.hint)

    def _write(self, term: Term, want: tuple[Index, ...], adds: bool) -> tuple[Write, Value]:
        """Where a term with δ goes in an array over ``want``, and what is written there."""
        slots, rest = self._placed(term, want)
        labels = tuple(dict.fromkeys(x for axis in want for x in slot_labels(slots[axis])))
        inner = self.term(rest, labels)
        value = self.values.floating(self.aligned(inner, labels))
        target = _target([slots[axis] for axis in want], [axis.dim for axis in want], labels)
        if target.startswith("{add}"):
            # add.at does not broadcast reliably
            value = self.broadcast(value, inner[1], labels)
        return Write(target, adds), value

    def _placed(self, term: Term, want: tuple[Index, ...]) -> tuple[dict[Index, Slot], Term]:
        """The slots of the output at which a term with δ is written, and the term without those δ."""
        slots: dict[Index, Slot] = {label: label for label in want}
        factors = list(term.factors)
        summed = list(term.summed)
        kept: set[Factor] = set()
        while True:
            factor = next((f for f in factors if f.tensor is DELTA and f not in kept), None)
            if factor is None:
                break
            target = _determined(factor.slots[0], slots, want)
            if target is None:
                kept.add(factor)
                continue
            label, value = target
            mapping: dict[Index, Slot] = {label: value}
            factors = [f.substitute(mapping) for f in factors if f is not factor]
            slots = {axis: _replace(slot, label, value) for axis, slot in slots.items()}
            summed = [i for i in summed if i not in set(slot_labels(value))]
        return slots, product(term.coefficient, factors, tuple(summed))


# Preparing a program ---------------------------------------------------------------------------------------------


def _gathered(roots: Sequence[Sum]) -> dict[Tensor, list[Sum]]:
    """The expressions inside every tensor below the roots."""
    bodies: dict[Tensor, list[Sum]] = {}
    for tensor in topological(t for root in roots for t in root.tensors):
        if isinstance(tensor, Contraction):
            bodies[tensor] = [Sum((tensor.term(tensor.axes),))]
        elif isinstance(tensor, Shared):
            bodies[tensor] = [tensor.body]
        elif isinstance(tensor, Apply):
            bodies[tensor] = list(tensor.args)
    return bodies


def topological_bodies(roots: Sequence[Sum], bodies: Mapping[Tensor, Sequence[Sum]]) -> list[Tensor]:
    """The tensors that the roots need, each after what its body needs."""
    done: dict[Tensor, None] = {}
    stack = [(tensor, False) for root in reversed(roots) for tensor in reversed(list(root.tensors))]
    while stack:
        tensor, ready = stack.pop()
        if tensor in done or tensor is DELTA:
            continue
        if ready:
            done[tensor] = None
            continue
        stack.append((tensor, True))
        inner = [t for body in bodies.get(tensor, ()) for t in body.tensors]
        stack.extend((part, False) for part in reversed(inner) if part not in done)
    return list(done)


def _opened(roots: list[Sum], bodies: dict[Tensor, list[Sum]]) -> tuple[list[Sum], dict[Tensor, list[Sum]]]:
    """Contractions that stand once in a product without sums are opened there, so that scalings can move into them."""
    uses = _uses([*roots, *(b for group in bodies.values() for b in group)])

    def opened(body: Sum) -> Sum:
        terms = []
        for term in body.terms:
            once = [
                f
                for f in term.factors
                if isinstance(f.tensor, Contraction) and f.power == 1 and uses[f.tensor] == 1 and not term.summed
            ]
            if len(once) == 1:
                inner = bodies[once[0].tensor][0].terms[0] if once[0].tensor in bodies else None
                if inner is not None:
                    inside = once[0].tensor.term(once[0].slots) if isinstance(once[0].tensor, Contraction) else inner
                    rest = [f for f in term.factors if f is not once[0]]
                    term = product(term.coefficient, [*rest, *inside.factors], inside.summed)
            terms.append(term)
        return Sum(terms)

    roots = [opened(root) for root in roots]
    bodies = {tensor: [opened(body) for body in group] for tensor, group in bodies.items()}
    needed = set(topological_bodies(roots, bodies))
    return roots, {tensor: group for tensor, group in bodies.items() if tensor in needed}


def _joined_products(body: Sum) -> Sum:
    """A B + C B as (A + C) B: one product less for a sum that costs no more."""
    waiting = list(body.terms)
    terms: list[Term] = []
    while waiting:
        term = waiting.pop(0)
        for k, other in enumerate(waiting):
            joined = _joined(term, other)
            if joined is not None:
                del waiting[k]
                waiting.insert(0, joined)
                break
        else:
            terms.append(term)
    return Sum(terms) if len(terms) < len(body.terms) else body


def _joined(a: Term, b: Term) -> Term | None:
    """Two products of two factors that share one of them, as one product; None where they do not."""
    if not a.summed or len(a.factors) != 2 or len(b.factors) != 2 or len(a.summed) != len(b.summed):
        return None
    for first in a.factors:
        for second in b.factors:
            if first.tensor is not second.tensor or first.power != second.power or first.tensor is DELTA:
                continue
            mapping: dict[Index, Slot] = {
                other: mine
                for mine, other in zip(first.slots, second.slots, strict=True)
                if isinstance(other, Index) and other in b.summed
            }
            if set(mapping.values()) != set(a.summed) or len(mapping) != len(b.summed):
                continue
            moved = product(b.coefficient, [f.substitute(mapping) for f in b.factors])
            rest = [Term(term.coefficient, tuple(f for f in term.factors if f != first)) for term in (a, moved)]
            if all(len(term.factors) == 1 for term in rest) and rest[0].labels == rest[1].labels:
                (total,) = whole(add(*(Sum((term,)) for term in rest))).terms
                return product(total.coefficient, [first, *total.factors], a.summed)
    return None


def _uses(bodies: Iterable[Sum]) -> dict[Tensor, int]:
    """In how many places each tensor stands."""
    uses: dict[Tensor, int] = {}
    for body in bodies:
        for tensor in body.tensors:
            uses[tensor] = uses.get(tensor, 0) + 1
    return uses


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


def _term_with_pair(term: Term, pair: Shared) -> Term:
    (inner,) = pair.body.terms
    wanted = {(f.tensor, f.power) for f in inner.factors}
    units = [u for u in map(_unit, term.factors) if u is not None and (u.tensor, u.power) in wanted]
    for a, b in combinations(units, 2):
        la, lb = set(a.labels), set(b.labels)
        if not (la >= lb or lb >= la) or not la or not lb:
            continue
        found = shared(Sum((product(1, (a, b)),)))
        if found.tensor is pair:
            taken = [Factor(f.tensor, f.slots, number(-f.power)) for f in (a, b)]
            return product(term.coefficient, [*term.factors, *taken, found], term.summed)
    return term


def _common_factors(body: Sum) -> list[Factor]:
    """The factors that all terms share, δ and summed terms left alone."""
    if any(term.summed for term in body.terms):
        hidden = {label for term in body.terms for label in term.summed}
    else:
        hidden = set()
    common: dict[tuple[Tensor, tuple[Slot, ...]], Number] | None = None
    for term in body.terms:
        powers = {
            (f.tensor, f.slots): f.power
            for f in term.factors
            if f.tensor is not DELTA and not hidden.intersection(f.labels)
        }
        if common is None:
            common = powers
        else:
            common = {
                key: min(p, powers[key], key=magnitude)
                for key, p in common.items()
                if key in powers and (p > 0) == (powers[key] > 0)
            }
    return [Factor(tensor, slots, p) for (tensor, slots), p in (common or {}).items()]


def _divided(body: Sum, by: Sequence[Factor]) -> Sum:
    inverse = [Factor(f.tensor, f.slots, number(-f.power)) for f in by]
    return Sum(product(term.coefficient, [*term.factors, *inverse], term.summed) for term in body.terms)


def _has_delta(body: Sum) -> bool:
    return any(factor.tensor is DELTA for term in body.terms for factor in term.factors)


def _needs_write(term: Term, want: Sequence[Index]) -> bool:
    """Whether a δ of the term puts values in some places of an array over ``want`` only."""
    places = set(want)
    return any(factor.tensor is DELTA and places.intersection(factor.labels) for factor in term.factors)


def _determined(form: Slot, slots: Mapping[Index, Slot], want: Sequence[Index]) -> tuple[Index, Slot] | None:
    """An output index that a δ determines, and the slot that it must be."""
    _, parts = slot_parts(form)
    for axis in reversed(want):
        if slots[axis] is not axis:
            continue
        c = dict(parts).get(axis)
        if c is None or c.value not in (1, -1):
            continue
        rest = combine(((ONE, form), (Dim.of(-1) * c, axis)))
        value = combine(((Dim.of(-1) * c, rest),))
        if in_range(value, axis.dim):
            return axis, value
    return None


def _replace(slot: Slot, label: Index, value: Slot) -> Slot:
    offset, parts = slot_parts(slot)
    pieces: list[tuple[Dim, Slot]] = [(c, value if index is label else index) for index, c in parts]
    return combine(pieces, offset)


# Inverses --------------------------------------------------------------------------------------------------------


def _solved(values: Values, outputs: Sequence[Value]) -> list[Value]:
    """The same outputs with inverses that are only multiplied written as solutions of linear systems."""
    order = computed(outputs)
    inverses = {id(v): v for v in order if v.kind == "call" and v.detail[0] == "np.linalg.inv({0})"}
    if not inverses:
        return list(outputs)
    users: dict[int, list[Value]] = {}
    for value in [*order]:
        for arg in value.args:
            base = _untransposed(arg)
            if id(base) in inverses and value.kind != "transpose":
                users.setdefault(id(base), []).append(value)
    for value in outputs:
        users.setdefault(id(_untransposed(value)), []).append(value)
    # more than two systems with one matrix cost more than its inverse
    chosen = {
        key for key in inverses if 1 <= len(users.get(key, [])) <= 2 and all(_solvable(u, key) for u in users[key])
    }
    done: dict[int, Value] = {}
    for value in order:
        args = [done[id(arg)] for arg in value.args]
        kept = (
            value
            if args == list(value.args)
            else values.make(value.kind, args, value.detail, value.rank, value.mask, value.hint)
        )
        if value.kind == "matmul":
            for place in (0, 1):
                base = _untransposed(value.args[place])
                if id(base) in chosen:
                    matrix = done[id(base.args[0])]
                    kept = _system(values, matrix, base is not value.args[place], args[1 - place], place == 0)
                    break
        done[id(value)] = kept
    return [done[id(value)] for value in outputs]


def _untransposed(value: Value) -> Value:
    rank = value.rank
    if value.kind == "transpose" and value.detail == (*range(rank - 2), rank - 1, rank - 2):
        return value.args[0]
    return value


def _solvable(user: Value, inverse: int) -> bool:
    """Whether a product can be a system: one operand the inverse, the other of the same rank or a single vector."""
    if user.kind != "matmul":
        return False
    sides = [id(_untransposed(arg)) == inverse for arg in user.args]
    if sum(sides) != 1:
        return False
    matrix, other = (user.args[0], user.args[1]) if sides[0] else (user.args[1], user.args[0])
    return other.rank == matrix.rank or (matrix.rank == 2 and other.rank == 1)


def _system(values: Values, matrix: Value, transposed: bool, other: Value, left: bool) -> Value:
    """inv(matrix) @ other, or other @ inv(matrix) where the inverse stands right, the inverse maybe transposed."""
    rank = matrix.rank
    turned = (*range(rank - 2), rank - 1, rank - 2)
    if transposed == left:
        matrix = values.transpose(matrix, turned)
    if not left and other.rank > 1:
        other = values.transpose(other, turned)
    result = values.call("np.linalg.solve({0}, {1})", (matrix, other), other.rank, hint="solution")
    return values.transpose(result, turned) if not left and other.rank > 1 else result


def computed(outputs: Sequence[Value]) -> list[Value]:
    """The values below the outputs, each after its operands."""
    done: dict[int, Value] = {}
    stack = [(value, False) for value in reversed(outputs)]
    while stack:
        value, ready = stack.pop()
        if id(value) in done:
            continue
        if ready:
            done[id(value)] = value
            continue
        stack.append((value, True))
        stack.extend((arg, False) for arg in reversed(value.args))
    return list(done.values())


# Slots as text ---------------------------------------------------------------------------------------------------


def _item(slot: Slot, dim: Dim) -> tuple[str, bool]:
    """The index or slice that reads an axis of size ``dim`` at a slot of at most one index, and whether to reverse it.

    A slice that runs backward is taken forward and reversed, unless it runs through to the start: a stop of -1 would
    count from the end. The texts hold for empty axes, too.
    """
    offset, parts = slot_parts(slot)
    if not parts:
        return str(offset), False
    ((index, c),) = parts
    if index.dim is ZERO:
        return "0:0", False
    if c.value is not None and c.value < 0:
        last = offset + c * (index.dim - 1)
        if nonnegative(-last - c - 1) and (offset is dim - 1 or nonnegative(offset)):
            return f"{'' if offset is dim - 1 else offset}::{c}", False
        return f"{last}:{offset + 1}" + ("" if c.value == -1 else f":{-c}"), True
    start = "" if offset is ZERO else str(offset)
    beyond = offset + c * index.dim
    stop = "" if nonnegative(beyond - dim) else str(beyond)
    return f"{start}:{stop}" if c is ONE else f"{start}:{stop}:{c}", False


def _selected(slots: Sequence[Slot], dims: Sequence[Dim]) -> tuple[list[str], list[str]]:
    """The items that read each axis, and those that then reverse axes; slots of several indices are left whole."""
    items: list[str] = []
    turns: list[str] = []
    for slot, dim in zip(slots, dims, strict=True):
        labels = list(slot_labels(slot))
        text, turned = _item(slot, dim) if len(labels) <= 1 else (":", False)
        items.append(text)
        if labels:
            turns.append("::-1" if turned else ":")
    return items, turns


def _radix(slot: Slot, dim: Dim) -> tuple[Index, ...] | None:
    """The indices of a mixed-radix number that runs through its whole axis, the most significant first."""
    if isinstance(slot, Index):
        return (slot,) if slot.dim is dim else None
    offset, parts = slot_parts(slot)
    if offset is not ZERO:
        return None
    left = list(parts)
    weight = ONE
    order: list[Index] = []
    while left:
        found = next((part for part in left if part[1] is weight), None)
        if found is None:
            return None
        left.remove(found)
        order.append(found[0])
        weight = weight * found[0].dim
    return tuple(reversed(order)) if weight is dim else None


def _positions(slot: Slot, labels: Sequence[Index]) -> str:
    """The values of an affine form over the box of ``labels``, as text."""
    offset, parts = slot_parts(slot)
    pieces = [] if offset is ZERO and parts else [dim_text(offset)]
    for index, c in parts:
        after = len(labels) - 1 - list(labels).index(index)
        view = f"np.arange({index.dim})" + (f"[:{', None' * after}]" if after else "")
        pieces.append(view if c is ONE else f"{dim_text(c)} * {view}")
    return " + ".join(pieces)


def _target(slots: Sequence[Slot], dims: Sequence[Dim], labels: Sequence[Index]) -> str:
    """The view of an array, ``{out}``, whose axes are read at ``slots``, with the axes ``labels``."""
    items, turns = _selected(slots, dims)
    whole = all(item == ":" for item in items)
    kept: list[Index] = []
    reshaped = False
    for slot, dim in zip(slots, dims, strict=True):
        own = list(slot_labels(slot))
        if len(own) <= 1:
            kept.extend(own)
            continue
        digits = _radix(slot, dim)
        if digits is None or not whole:
            # a reshape of a part would be a copy, and what is written into it lost
            return "{add}" + f"({', '.join(_positions(s, labels) for s in slots)})"
        reshaped = True
        kept.extend(digits)
    text = "{out}"
    if reshaped:
        text = f"{{out}}.reshape({', '.join(str(index.dim) for index in kept)})"
    elif not whole:
        text = f"{{out}}[{', '.join(items)}]"
    if "::-1" in turns:
        text = f"{text}[{', '.join(turns)}]"
    if len(set(kept)) != len(kept) or kept != list(labels):
        names = {label: chr(ord("i") + k) for k, label in enumerate(dict.fromkeys(kept))}
        spec = f"{''.join(names[x] for x in kept)}->{''.join(names[x] for x in labels)}"
        return f'np.einsum("{spec}", {text})[...]'
    return f"{text}[...]" if text.endswith(")") or text == "{out}" else text
