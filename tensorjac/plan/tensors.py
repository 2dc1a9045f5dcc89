"""Tensors as arrays: arguments, constants, sizes, sums that stay whole, and primitives applied to expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..arrays import LAST, Scalar, Value, Values
from ..primitives import Primitive
from ..terms import DELTA, Apply, Constant, Contraction, Index, Input, Position, Size, Sum, Tensor
from .labelled import Labelled, Lookup, aligned, broadcast, sizes, united
from .layouts import Layouts
from .lookups import looked_up
from .sums import Sums
from .triangles import indicator, is_indicator

# Primitives whose source calls a function that is not NumPy's, by the name of that function.
SPECIAL = ("erf", "xlogy")


@dataclass(frozen=True)
class Tensors:
    """``bodies`` are the expressions inside each tensor; constants and inputs are called by the names given."""

    values: Values
    sums: Sums
    bodies: Mapping[Tensor, Sequence[Sum]]
    constants: Mapping[Tensor, str]
    variables: Mapping[str, str]
    layouts: Layouts

    @cached_property
    def _places(self) -> Mapping[str, tuple[int, ...]]:
        return {name: (k,) for k, name in enumerate(self.variables)}

    def array(self, tensor: Tensor) -> Labelled:
        """The whole tensor, its axes in any order."""
        axes = tensor.axes
        if isinstance(tensor, Input):
            variable = self.variables.get(tensor.name, tensor.name)
            return self.values.name(variable, tensor.shape, place=self._places.get(tensor.name, LAST)), axes
        if isinstance(tensor, Constant):
            array: Any = tensor.array
            return self.values.name(self.constants[tensor], tensor.shape, array.dtype.kind == "b"), axes
        if isinstance(tensor, Size):
            return self.values.scalar(Scalar(1, ((tensor.dim, 1),))), ()
        if isinstance(tensor, Position):
            return self.values.call(
                f"np.arange({tensor.shape[0]}, dtype=dtype)", (), tensor.shape, hint="position"
            ), axes
        if isinstance(tensor, Apply):
            primitive = tensor.operation
            assert isinstance(primitive, Primitive)
            if primitive.elementwise:
                self._note_lookup(tensor)
                return self._elementwise(primitive, self.bodies[tensor], tensor.axes)
            return self._reduced(tensor, primitive) if primitive.reduces else (self._applied(tensor, primitive), axes)
        if isinstance(tensor, Contraction) and is_indicator(tensor):
            return indicator(self.values, tensor)
        (body,) = self.bodies[tensor]
        return self.sums.value(body, axes if _has_delta(body) else self.layouts.wanted(tensor))

    def _note_lookup(self, tensor: Apply) -> None:
        found = looked_up(tensor)
        if found is not None:
            positions, place = found
            self.sums.operands.lookups[tensor] = Lookup(place, self.sums.value(positions, None))

    def _applied(self, tensor: Apply, primitive: Primitive) -> Value:
        """A primitive of the last axes of its argument."""
        (body,), (core,) = self.bodies[tensor], tensor.cores
        want = (*tensor.axes[: tensor.batch], *core)
        made = [self.sums.full(body, want)]
        for name, text in primitive.steps:
            made.append(self.values.call(text, made, (), hint=name))
        return self.values.call(primitive.source, made, tensor.shape, hint=primitive.name)

    def _reduced(self, tensor: Apply, primitive: Primitive) -> Labelled:
        """A primitive that has one number for its axes, of an argument laid out as it is."""
        (body,), (core,) = self.bodies[tensor], tensor.cores
        want = (*tensor.axes[: tensor.batch], *core)
        value, labels = self.sums.value(body, want if _has_delta(body) else None)
        if set(labels) != set(want):
            value, labels = broadcast(self.values, aligned(self.values, value, labels, want), labels, want), want
        places = tuple(k for k, label in enumerate(labels) if label in core)
        text = "" if len(places) == len(labels) else f"axis={places[0] if len(places) == 1 else places}"
        kept = tuple(label for label in labels if label not in core)
        source = primitive.source.replace("{axes}", text).replace("{0}", "{0.}")
        return self.values.call(source, (self.values.floating(value),), sizes(kept), hint=primitive.name), kept

    def _elementwise(self, primitive: Primitive, bodies: Sequence[Sum], axes: Sequence[Index]) -> Labelled:
        parts = [self.sums.value(body, tuple(axes) if _has_delta(body) else None) for body in bodies]
        order = tuple(united(parts))
        args = [aligned(self.values, *part, order) for part in parts]
        conditions = 1 if primitive.name in ("mask", "where") else 0
        args = [*args[:conditions], *map(self.values.floating, args[conditions:])]
        if primitive.name == "where" and all(arg.weak for arg in args[1:]):
            # two Python numbers would be an array of double precision
            args[1] = broadcast(self.values, args[1], (), ())
        if primitive.boolean:
            args = [self._whole(arg) for arg in args]
        source = primitive.source
        if primitive.name == "sigmoid" and self.sums.costs.functional:
            # where it is differentiated again, infinity over infinity must not arise
            source = "xp.sigmoid({0})"
        elif primitive.name == "sigmoid":
            # the sign goes where it may cancel another
            source, args = "1 / (1 + np.exp({0}))", [self.values.negated(args[0])]
        names = tuple(name for name in SPECIAL if name == primitive.name)
        return self.values.call(source, args, sizes(order), primitive.boolean, primitive.name, names), order

    def _whole(self, value: Value) -> Value:
        """Positions as whole numbers: in a comparison they are exact, however many there are."""
        if value.kind == "expand":
            return self.values.expand(self._whole(value.args[0]), value.detail)
        if value.kind == "call" and value.detail[0].startswith("np.arange("):
            return self.values.call(value.detail[0].replace(", dtype=dtype", ""), (), value.shape, hint=value.hint)
        return value


def _has_delta(body: Sum) -> bool:
    return any(factor.tensor is DELTA for term in body.terms for factor in term.factors)
