"""Numbers in the place of expressions: what differs at a point is not equal, and what agrees there is worth a proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from math import prod
from typing import Any

import numpy as np

from ..dims import Dim
from ..errors import ShapeError, TensorjacError
from ..primitives import Primitive
from ..rewrites import assumptions
from ..terms import (
    DELTA,
    Apply,
    Constant,
    Contraction,
    Factor,
    Index,
    Input,
    Position,
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    Term,
    number,
    slot_parts,
    topological,
)

Array = np.ndarray[Any, Any]

# An array, and the indices of its axes.
Operand = tuple[tuple[Index, ...], Array]

BOX = 1 << 20  # entries of a product over all of its indices; larger ones are not computed
# Where arguments are drawn until values are finite; and what is added to diagonals, so that matrices have inverses: to
# those of tall and wide ones, too, where products and powers of matrices would be nearly singular otherwise.
RANGES = ((-0.8, 0.8, 1), (0.3, 0.9, 1), (1.2, 2.0, 1), (-0.3, 0.3, 2))
LARGEST = 1e100
TRIES = 100  # of sizes
POINTS = 3  # of those at which all assumptions hold: a wide matrix has no inverse of XᵀX, and a tall one none of XXᵀ
WORST = 1e4  # condition of a matrix that is inverted: of a singular one, rounding is all that there is
INVERTING = frozenset({"inv", "pinv", "logabsdet", "signdet"})
AGREE = 1e-9  # of values of one tensor, relative to the largest entry
DIFFER = 1e-8  # of values, relative to the largest of all parts: beside nearly singular matrices, rounding is large


class Point:
    """Numbers for sizes and inputs, and the values of tensors there; None for what has no finite value."""

    def __init__(self, sizes: Mapping[str, int], bounds: tuple[float, float, int]) -> None:
        self.sizes = sizes
        self.bounds = bounds
        self.known: dict[Tensor, Array | None] = {}

    def of(self, tensor: Tensor) -> Array | None:
        """The value of a tensor, one axis for each of its own."""
        for part in topological((tensor,)) if tensor not in self.known else ():
            if part not in self.known:
                self.known[part] = self._finite(self._value, part)
        return self.known[tensor]

    def of_sum(self, body: Sum, axes: Sequence[Index]) -> Array | None:
        """The value of an expression over these axes."""
        return self._finite(self._total, body, axes)

    def where(self, values: Mapping[Tensor, Array]) -> Point:
        """The same point, but for the values of some tensors; what is made of them keeps its own."""
        other = Point(self.sizes, self.bounds)
        other.known = {**self.known, **values}
        return other

    def is_zero(self, tensor: Tensor) -> bool:
        """Whether a sum is 0 here, as far as rounding lets one say so."""
        if isinstance(tensor, Contraction):
            return self.cancel([tensor.term(tensor.axes)])
        return isinstance(tensor, Shared) and self.cancel(tensor.body.terms)

    def cancel(self, terms: Sequence[Term]) -> bool:
        """Whether products add up to 0 here, as far as rounding lets one say so: beside their sizes."""
        axes = sorted({label for term in terms for label in term.free}, key=lambda index: index.number)
        value = self._finite(self._total, Sum(terms), axes)
        size = self._finite(self._total, Sum(terms), axes, np.abs)
        return value is not None and size is not None and bool(np.max(np.abs(value)) <= AGREE * np.max(size))

    def _finite(self, function: Callable[..., Array | None], *args: object) -> Array | None:
        try:
            with np.errstate(all="ignore"):
                value = function(*args)
        except (TensorjacError, ArithmeticError, ValueError):  # a singular matrix among them
            return None
        return value if value is not None and np.all(np.abs(value) < LARGEST) else None

    def _value(self, tensor: Tensor) -> Array | None:
        if isinstance(tensor, Input):
            return self._drawn(tensor)
        if isinstance(tensor, Constant):
            return np.asarray(tensor.array, dtype=float)
        if isinstance(tensor, Size):
            return np.asarray(float(tensor.dim.evaluate(self.sizes)))
        if isinstance(tensor, Position):
            return np.arange(float(tensor.shape[0].evaluate(self.sizes)))
        if isinstance(tensor, Contraction):
            return self._total(Sum((tensor.term(tensor.axes),)), tensor.axes)
        if isinstance(tensor, Shared):
            return self._total(tensor.body, tensor.axes)
        assert isinstance(tensor, Apply) and isinstance(tensor.operation, Primitive)
        batch = tensor.axes[: tensor.batch]
        args: list[Array] = []
        for arg, core in zip(tensor.args, tensor.cores, strict=True):
            value = self._total(arg, (*batch, *core))
            if value is None:
                return None
            if tensor.operation.name in INVERTING and np.max(np.linalg.cond(value), initial=0) > WORST:
                return None
            args.append(value.reshape(*value.shape[: len(batch)], -1) if tensor.operation.reduces else value)
        if tensor.operation.name == "equal":
            # the largest entry, calculated otherwise, is still the largest
            return np.asarray(np.isclose(args[0], args[1], rtol=AGREE, atol=AGREE), dtype=float)
        return np.asarray(tensor.operation.value(*args), dtype=float)

    def _drawn(self, tensor: Input) -> Array | None:
        """Numbers that depend on the name and the shape alone; of matrices, such as have an inverse.

        None where they would be too many.
        """
        shape = self._shape(tensor.axes)
        if prod(shape) > BOX:
            return None
        rng = np.random.default_rng([*tensor.name.encode(), *shape])
        low, high, diagonal = self.bounds
        drawn = np.asarray(rng.uniform(low, high, shape))
        if len(shape) < 2 or (diagonal == 1 and shape[-1] != shape[-2]):
            return drawn
        return drawn + diagonal * np.eye(shape[-2], shape[-1])

    def _shape(self, axes: Sequence[Index]) -> tuple[int, ...]:
        return tuple(axis.dim.evaluate(self.sizes) for axis in axes)

    def _total(self, body: Sum, axes: Sequence[Index], of_each: Callable[[Array], Array] = np.asarray) -> Array | None:
        total = np.zeros(self._shape(axes))
        for term in body.terms:
            value = self._product(term, axes, of_each)
            if value is None:
                return None
            total = total + value
        return total

    def _product(self, term: Term, axes: Sequence[Index], of_each: Callable[[Array], Array]) -> Array | None:
        """The value of a term over these axes: its indices are summed one by one, the cheapest first."""
        operands: list[Operand] = [((), of_each(np.asarray(float(term.coefficient))))]
        operands += [((label,), np.ones(label.dim.evaluate(self.sizes))) for label in (*axes, *term.summed)]
        for factor in term.factors:
            read = self._read(factor)
            if read is None:
                return None
            operands.append((tuple(dict.fromkeys(factor.labels)), of_each(read)))
        left = set(term.summed)
        while left:
            label = min(left, key=lambda one: (prod(self._shape(_beside(one, operands))), one.number))
            left.remove(label)
            users = [operand for operand in operands if label in operand[0]]
            kept = [one for one in _beside(label, operands) if one is not label]
            joined = self._joined(users, kept)
            if joined is None:
                return None
            operands = [(tuple(kept), joined), *(operand for operand in operands if label not in operand[0])]
        return self._joined(operands, axes)

    def _joined(self, operands: Sequence[Operand], axes: Sequence[Index]) -> Array | None:
        """The product of arrays, summed over all indices but these; None where it is too large."""
        labels = list(dict.fromkeys(label for held, _ in operands for label in held))
        if prod(self._shape(labels)) > BOX:
            return None
        places = {label: k for k, label in enumerate(labels)}
        named: list[Any] = []
        for held, array in operands:
            named += [array, [places[label] for label in held]]
        return np.asarray(np.einsum(*named, [places[axis] for axis in axes]))

    def _read(self, factor: Factor) -> Array | None:
        """A factor over the box of its own indices."""
        tensor, slots, exponent = factor
        own = list(dict.fromkeys(factor.labels))
        places = [self._places(slot, own) for slot in slots]
        if tensor is DELTA:
            return np.broadcast_to(np.where(places[0] == 0, 1.0, 0.0), self._shape(own))
        value = self.of(tensor)
        if value is None:
            return None
        if any(np.any((p < 0) | (p >= size)) for p, size in zip(places, value.shape, strict=True)):
            return None
        read = value[tuple(places)]
        return np.broadcast_to(read if exponent == 1 else read ** float(exponent), self._shape(own))

    def _places(self, slot: Slot, own: Sequence[Index]) -> Array:
        """The value of an affine form at every point of a box."""
        constant, parts = slot_parts(slot)
        total = np.full((1,) * len(own), constant.evaluate(self.sizes))
        for label, weight in parts:
            along = [-1 if index is label else 1 for index in own]
            total = total + weight.evaluate(self.sizes) * np.arange(label.dim.evaluate(self.sizes)).reshape(along)
        return total


def _beside(label: Index, operands: Sequence[Operand]) -> list[Index]:
    """The indices of the arrays that have this one."""
    return list(dict.fromkeys(other for held, _ in operands if label in held for other in held))


def finite_point(bodies: Sequence[Sum]) -> Point | None:
    """A point at which these expressions have values, or else some of their parts; None where no sizes are found."""
    tensors = topological(tensor for body in bodies for tensor in body.tensors)
    dims = [dim for tensor in tensors for dim in tensor.shape]
    dims += [tensor.dim for tensor in tensors if isinstance(tensor, Size)]
    dims += [label.dim for body in bodies for label in body.labels]
    points = [Point(sizes, bounds) for sizes in islice(_sizes(list(dict.fromkeys(dims))), POINTS) for bounds in RANGES]
    finite = (point for point in points if all(point.of_sum(body, list(body.labels)) is not None for body in bodies))
    return next(finite, points[0] if points else None)


def _sizes(dims: Sequence[Dim]) -> Iterator[dict[str, int]]:
    """Small numbers for sizes at which all assumptions about them hold."""
    names = sorted({name for dim in dims for name in dim.names})
    rng = np.random.default_rng(0)
    for trial in range(TRIES):
        # all differ, where there are few
        row = rng.integers(2, 10, len(names)).tolist()
        if trial < 2:
            row = [3 + k % 4 for k in range(len(names))][:: -1 if trial else 1]
        sizes = dict(zip(names, row, strict=True))
        try:
            positive = all(dim.evaluate(sizes) >= 1 for dim in dims)
            facts = [(fact.dim.evaluate(sizes), fact.relation) for fact in assumptions.get()]
        except (KeyError, ShapeError):
            continue
        if positive and all(number == 0 or (number > 0 and relation == ">=") for number, relation in facts):
            yield sizes


def differ(point: Point, first: Sum, second: Sum) -> bool:
    """Whether two expressions have values that rounding does not explain: nowhere where a function jumps."""
    tensors = topological((*first.tensors, *second.tensors))
    if any(isinstance(t, Apply) and isinstance(t.operation, Primitive) and _jumps(t.operation) for t in tensors):
        return False
    axes = sorted({*first.labels, *second.labels}, key=lambda index: index.number)
    gap = point.of_sum(Sum((*first.terms, *(Term(number(-t.coefficient), t.factors) for t in second.terms))), axes)
    values = [point.of(tensor) for tensor in tensors]
    if gap is None:
        return False
    largest = max((float(np.max(np.abs(value), initial=0)) for value in values if value is not None), default=0.0)
    return float(np.max(np.abs(gap), initial=0)) > DIFFER * max(1.0, largest)


def _jumps(primitive: Primitive) -> bool:
    """Whether the slope is 0 wherever there is one."""
    return all(rule.rpartition("= ")[2] == "0" for rule in primitive.rules)
