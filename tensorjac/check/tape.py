"""The backward pass of a traced function in numbers, step by step, so that any step can be done wrongly on purpose.

Reverse accumulation over the expression: every intermediate has a value and an adjoint, and every factor of every term
passes its share of the adjoint on. A mistake in one line of a backward pass is another share at one step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from .. import rewrites
from ..calls import Parts
from ..function import Function
from ..primitives import Primitive
from ..terms import (
    DELTA,
    Apply,
    Constant,
    Input,
    Position,
    Size,
    Tensor,
    Term,
    of_factor,
    topological,
)
from .boxes import Body, Box, Product, Reading, bodies_of, present, shape_of

Array = np.ndarray[Any, Any]

MOST_POINTS = 50_000
"""Terms over more points than this are not taken apart."""

MOST_TENSORS = 400


class Step(NamedTuple):
    """One factor of one term of one expression: there the adjoint passes from an intermediate to a part of it."""

    owner: Tensor | str
    argument: int
    term: int
    factor: int
    part: Tensor


Share = Callable[["Tape", Step, Array], Array]
Slope = Callable[["Tape", Apply, int], Array]


@dataclass(frozen=True)
class Mistake:
    """What is done wrongly in a backward pass; nothing at all is the right one.

    ``scaled``: adjoints that are multiplied by a number; ``steps``: shares that are passed on otherwise, in the shape
    of the part; ``slopes``: other derivatives of elementwise functions.
    """

    scaled: Mapping[Tensor, float] = field(default_factory=dict)
    steps: Mapping[Step, Share] = field(default_factory=dict)
    slopes: Mapping[tuple[Tensor, int], Slope] = field(default_factory=dict)


RIGHT = Mistake()


class Tape:
    """The values of all intermediates of a function at one point, and its backward pass for given cotangents."""

    def __init__(
        self, function: Function, sizes: Mapping[str, int], args: Mapping[str, Array], cotangents: Sequence[Array]
    ) -> None:
        self.function, self.sizes, self.args, self.cotangents = function, sizes, args, cotangents
        self.values: dict[Tensor, Array] = {}
        self.products: dict[tuple[Tensor | str, int], list[Product]] = {}
        self.arguments: dict[Tensor, list[Array]] = {}  # of primitives
        outputs = function._parts.outputs.items()
        self.outputs = [Body(name, 0, tuple(axes), body.terms) for name, (axes, body) in outputs]
        self.tensors = topological(tensor for _, (_, body) in outputs for tensor in body.tensors)

    @staticmethod
    def of(
        function: Function, sizes: Mapping[str, int], args: Mapping[str, Array], cotangents: Sequence[Array]
    ) -> Tape | None:
        """The tape with its values; None where the function is too large to be taken apart."""
        tape = Tape(function, sizes, args, cotangents)
        if len(tape.tensors) > MOST_TENSORS or any(tape._points(body) > MOST_POINTS for body in tape.bodies):
            return None
        with np.errstate(all="ignore"):
            for tensor in tape.tensors:
                tape.values[tensor] = tape._value(tensor)
            for body in tape.outputs:
                tape._opened(body)
        return tape

    # What there is

    @property
    def bodies(self) -> Iterator[Body]:
        """Every expression, that of an intermediate before those that use it."""
        for tensor in self.tensors:
            yield from bodies_of(tensor)
        yield from self.outputs

    @cached_property
    def steps(self) -> list[Step]:
        """All steps at which adjoints are passed on to something that depends on an input."""
        return [
            Step(body.owner, body.argument, k, n, factor.tensor)
            for body in self.bodies
            for k, term in enumerate(body.terms)
            for n, factor in enumerate(present(term.factors))
            if factor.tensor.inputs
        ]

    def product(self, step: Step) -> Product:
        """The term that a step belongs to."""
        return self.products[step.owner, step.argument][step.term]

    def _points(self, body: Body) -> int:
        return max((math.prod(shape_of((*body.axes, *term.summed), self.sizes)) for term in body.terms), default=0)

    # Values

    def _value(self, tensor: Tensor) -> Array:
        if isinstance(tensor, Input):
            return np.asarray(self.args[tensor.name], dtype=float)
        if isinstance(tensor, Constant):
            return np.asarray(tensor.array, dtype=float)
        if isinstance(tensor, Size):
            return np.asarray(float(tensor.dim.evaluate(self.sizes)))
        if isinstance(tensor, Position):
            return np.arange(float(tensor.shape[0].evaluate(self.sizes)))
        arrays = [self._opened(body) for body in bodies_of(tensor)]
        if not isinstance(tensor, Apply):
            return arrays[0]
        self.arguments[tensor] = arrays
        assert isinstance(tensor.operation, Primitive)
        elementwise = tensor.operation.elementwise
        value = tensor.operation.value(*arrays) if elementwise else _alone(self.function, tensor)(*arrays)
        return np.asarray(value, dtype=float)

    def _opened(self, body: Body) -> Array:
        """The value of an expression; its terms are remembered as products over their boxes."""
        products = [self._product(body, term) for term in body.terms]
        self.products[body.owner, body.argument] = products
        return sum((self.total(product) for product in products), np.zeros(shape_of(body.axes, self.sizes)))

    def total(self, product: Product) -> Array:
        """The value of a term."""
        return np.asarray(self.others(product).sum(axis=tuple(range(product.rank, len(product.shape)))))

    def _product(self, body: Body, term: Term) -> Product:
        box = Box((*body.axes, *term.summed), self.sizes)
        holds = [box.at(factor.slots[0]) == 0 for factor in term.factors if factor.tensor is DELTA]
        readings = []
        for factor in present(term.factors):
            shape = self.values[factor.tensor].shape
            positions = [box.at(slot) for slot in factor.slots]
            places = np.ravel_multi_index(positions, shape) if shape else np.zeros(box.shape, dtype=int)
            readings.append(Reading(factor.tensor, np.asarray(places), float(factor.power)))
        mask = np.logical_and.reduce(holds) if holds else None
        return Product(float(term.coefficient), box.shape, len(body.axes), mask, tuple(readings))

    def read(self, reading: Reading) -> Array:
        """The values of a part over the box, without its power."""
        return np.asarray(self.values[reading.part].ravel()[reading.places])

    def powered(self, reading: Reading) -> Array:
        """The same with its power."""
        return self.read(reading) if reading.power == 1 else np.asarray(self.read(reading) ** reading.power)

    def others(self, product: Product, *but: int) -> Array:
        """The coefficient times all readings but some, over the box; 0 where a δ fails."""
        whole = np.full(product.shape, product.coefficient)
        for k, reading in enumerate(product.readings):
            if k not in but:
                whole = whole * self.powered(reading)
        return whole if product.holds is None else np.where(product.holds, whole, 0.0)

    # Primitives

    def through(self, tensor: Apply, argument: int, adjoint: Array, at: Sequence[Array] | None = None) -> Array:
        """The adjoint of one argument of a primitive, here or at other values of the arguments."""
        arrays = self.arguments[tensor] if at is None else at
        return np.asarray(_pullback(self.function, tensor, argument)(*arrays, adjoint))

    def slope(self, tensor: Apply, argument: int, at: Sequence[Array] | None = None) -> Array:
        """The derivative of an elementwise function by one argument."""
        return self.through(tensor, argument, np.ones(self.values[tensor].shape), at)

    # The backward pass

    @cached_property
    def right(self) -> dict[Tensor, Array]:
        """The adjoints of a backward pass without a mistake."""
        return self.adjoints(RIGHT)

    def gradients(self, mistake: Mistake = RIGHT) -> dict[str, Array]:
        """The gradients by all inputs."""
        adjoints = self.adjoints(mistake)
        found = {tensor.name: adjoint for tensor, adjoint in adjoints.items() if isinstance(tensor, Input)}
        return {name: found.get(name, np.zeros(np.shape(self.args[name]))) for name in self.function.inputs}

    def adjoints(self, mistake: Mistake) -> dict[Tensor, Array]:
        """The gradients by all intermediates and inputs that the outputs depend on."""
        adjoints: dict[Tensor, Array] = {}
        with np.errstate(all="ignore"):
            for body, cotangent in zip(self.outputs, self.cotangents, strict=True):
                self._pass_on(body, np.asarray(cotangent, dtype=float), adjoints, mistake)
            for tensor in reversed(self.tensors):
                adjoint = adjoints.get(tensor)
                if adjoint is None:
                    continue
                if tensor in mistake.scaled:
                    adjoint = adjoints[tensor] = adjoint * mistake.scaled[tensor]
                for body in bodies_of(tensor):
                    if any(factor.tensor.inputs for term in body.terms for factor in term.factors):
                        self._pass_on(body, self._of_argument(tensor, body, adjoint, mistake), adjoints, mistake)
        return adjoints

    def _of_argument(self, tensor: Tensor, body: Body, adjoint: Array, mistake: Mistake) -> Array:
        if not isinstance(tensor, Apply):
            return adjoint
        other = mistake.slopes.get((tensor, body.argument))
        if other is not None:
            return np.asarray(adjoint * other(self, tensor, body.argument))
        return self.through(tensor, body.argument, adjoint)

    def _pass_on(self, body: Body, adjoint: Array, adjoints: dict[Tensor, Array], mistake: Mistake) -> None:
        for k, product in enumerate(self.products[body.owner, body.argument]):
            for n, reading in enumerate(product.readings):
                if reading.part.inputs:
                    step = Step(body.owner, body.argument, k, n, reading.part)
                    other = mistake.steps.get(step)
                    share = self.share(product, n, adjoint) if other is None else other(self, step, adjoint)
                    known = adjoints.get(reading.part)
                    adjoints[reading.part] = share if known is None else known + share

    def share(self, product: Product, n: int, adjoint: Array) -> Array:
        """What one reading of a term gets of an adjoint."""
        if n not in product.known:
            product.known[n] = self.others(product, n) * self.derivative(product.readings[n])
        return self.gathered(product.readings[n], product.over_box(adjoint) * product.known[n])

    def derivative(self, reading: Reading) -> Array | float:
        """The derivative of a reading's power."""
        return 1.0 if reading.power == 1 else reading.power * self.read(reading) ** (reading.power - 1)

    def share_without(self, product: Product, n: int, adjoint: Array, other: int, power: float | None = None) -> Array:
        """The same with another reading of the term left out, and perhaps another power of its own."""
        reading = product.readings[n]
        own = self.derivative(reading) if power is None else reading.power * self.read(reading) ** power
        return self.gathered(reading, product.over_box(adjoint) * self.others(product, n, other) * own)

    def share_with(self, product: Product, n: int, adjoint: Array, other: int, values: Array) -> Array:
        """The same with other values in the place of another reading's."""
        reading = product.readings[other]
        factor = self.others(product, n, other) * values.ravel()[reading.places] ** reading.power
        return self.gathered(
            product.readings[n], product.over_box(adjoint) * factor * self.derivative(product.readings[n])
        )

    def share_to(self, product: Product, n: int, adjoint: Array, power: float) -> Array:
        """The same with another power of the reading in the place of its derivative."""
        reading = product.readings[n]
        factor = self.others(product, n) * reading.power * self.read(reading) ** power
        return self.gathered(reading, product.over_box(adjoint) * factor)

    def adjoint_of(self, owner: Tensor | str) -> Array | None:
        """The adjoint of an intermediate, or the cotangent of an output."""
        if isinstance(owner, Tensor):
            return self.right.get(owner)
        return next(g for body, g in zip(self.outputs, self.cotangents, strict=True) if body.owner == owner)

    def gathered(self, reading: Reading, share: Array) -> Array:
        """A share over the box in the shape of the part."""
        return self.summed_at(reading.places, share, self.values[reading.part].shape)

    def summed_at(self, places: Array, share: Array, shape: tuple[int, ...]) -> Array:
        """An array with shares at these places: at places that are read several times they add up."""
        return np.asarray(np.bincount(places.ravel(), share.ravel(), math.prod(shape)).reshape(shape))


def nothing(tape: Tape, step: Step, adjoint: Array) -> Array:
    """A step that passes nothing on."""
    return np.zeros(tape.values[step.part].shape)


# Primitives alone -------------------------------------------------------------------------------------------------


@lru_cache(512)
def _alone(function: Function, tensor: Apply) -> Function:
    """A primitive as a function of its arguments."""
    batch = tensor.axes[: tensor.batch]
    inputs = {f"z{k}": (*batch, *core) for k, core in enumerate(tensor.cores)}
    shapes = {name: tuple(index.dim for index in axes) for name, axes in inputs.items()}
    args = [of_factor(Input(name, shapes[name])(*axes)) for name, axes in inputs.items()]
    cores = tensor.cores if any(tensor.cores) else ()
    names = {name for dims in shapes.values() for dim in dims for name in dim.names}
    requirements = tuple(one for one in function._parts.requirements if names.issuperset(one.dim.names))
    assert isinstance(tensor.operation, Primitive)
    with rewrites.assuming(requirements):
        body = rewrites.apply(tensor.operation, args, cores, tensor.axes[tensor.batch :], tensor.shape[tensor.batch :])
    return Function(Parts(shapes, {"h": (tensor.axes, body)}, requirements=requirements))


@lru_cache(512)
def _pullback(function: Function, tensor: Apply, argument: int) -> Function:
    return _alone(function, tensor).vjp(f"z{argument}")
