"""Elementwise functions whose derivative is missing, taken elsewhere, or confused with the function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial

import numpy as np

from ... import rewrites
from ...function import Function
from ...primitives import Primitive
from ...terms import Apply, Input, of_factor
from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..expressions import cut, nodes, value_of, with_outputs
from ..fitting import Value
from ..intermediates import call, described, detached, exact, real_inputs
from ..trials import Trial

Local = Callable[["_Change", Trial], Array]


@detector("activation", "post-activation", "function-for-derivative", stage="structure")
def activations(case: Case) -> Iterator[Hypothesis]:
    """U is T with f' at one elementwise function replaced: by 1, f'(f(z)), f(z), z, f'² or 1/f'."""
    function = exact(case)
    if function is None:
        return
    for tensor in nodes(function, case.target.wrt):
        if not isinstance(tensor, Apply) or any(tensor.cores) or tensor.operation.name in LINEAR:
            continue
        depends = [
            k for k, arg in enumerate(tensor.args) if any(t.inputs.intersection(case.target.wrt) for t in arg.tensors)
        ]
        if len(depends) == 1:
            key = ("change", tensor, depends[0])
            change = case.question.memory.setdefault(key, _Change(case, function, tensor, depends[0]))
            for cause, what, local in _others(tensor.operation.name):
                yield Hypothesis(
                    cause,
                    partial(_said, case, function, tensor, what),
                    partial(change.value, case, local, detached(case, function, [tensor])),
                )
            yield Hypothesis(
                "inner-scale",
                partial(_said, case, function, tensor, "the derivative of what stands inside is missing"),
                partial(change.unchained, detached(case, function, [tensor])),
            )


def _said(case: Case, function: Function, tensor: Apply, what: str) -> str:
    return f"{case.label}: at {described(function, tensor)} {what}{case.instead}."


LINEAR = frozenset({"where", "max", "min", "sign", "floor", "ceil"})


def _others(name: str) -> Iterator[tuple[str, str, Local]]:
    """What stands for f'(z) in the person's gradient."""
    yield "activation", f"the derivative of {name} is missing", lambda c, t: np.ones_like(c.z(t))
    if name != "exp":
        yield (
            "post-activation",
            f"the derivative of {name} is taken at its output, not at its input",
            lambda c, t: c.slope(t, c.f(t)),
        )
        yield "function-for-derivative", f"{name} stands where its derivative should stand", lambda c, t: c.f(t)
    yield "function-for-derivative", f"the argument of {name} stands where its derivative should", lambda c, t: c.z(t)
    yield "activation", f"the derivative of {name} stands twice", lambda c, t: c.slope(t, c.z(t)) ** 2
    yield "activation", f"the gradient is divided by the derivative of {name}", lambda c, t: 1 / c.slope(t, c.z(t))
    yield "function-for-derivative", f"1 - {name} stands where its derivative should", lambda c, t: 1 - c.f(t)


class _Change:
    """The gradient with another local derivative at one elementwise function; derived when it is asked for."""

    def __init__(self, case: Case, function: Function, tensor: Apply, arg: int) -> None:
        self.question, self.inputs = case.question, real_inputs(case)
        self.function, self.tensor, self.arg = function, tensor, arg
        self.known: dict[tuple[str, int], tuple[Trial, Array]] = {}

    @cached_property
    def _outer(self) -> Function:
        moved, _ = cut(self.function, [self.tensor])
        return self.question.derive(moved, ("cut0_",))

    @cached_property
    def _value(self) -> Function:
        return value_of(self.function, self.tensor)

    @cached_property
    def _argument(self) -> Function:
        return with_outputs(self.function, {"z": (self.tensor.axes, self.tensor.args[self.arg])})

    @cached_property
    def _inner(self) -> Function:
        return self._argument.vjp(*self.inputs)

    @cached_property
    def _slope(self) -> Function:
        """f'(z) with z as an input of its own."""
        axes = self.tensor.axes
        z = of_factor(Input("z_", self.tensor.shape)(*axes))
        args = [z if k == self.arg else body for k, body in enumerate(self.tensor.args)]
        operation = self.tensor.operation
        assert isinstance(operation, Primitive)
        body = rewrites.apply(operation, args)
        return with_outputs(self.function, {"h": (axes, body)}, {"z_": self.tensor.shape}).vjp("z_")

    def f(self, trial: Trial) -> Array:
        return self._at("f", self._value, trial, trial.args)

    def z(self, trial: Trial) -> Array:
        return self._at("z", self._argument, trial, trial.args)

    def slope(self, trial: Trial, at: Array) -> Array:
        name = next(name for name in self._slope.inputs if name not in self.function.inputs and name != "z_")
        return call(self._slope, {**trial.args, "z_": at, name: np.ones_like(at)})

    def value(self, case: Case, local: Local, without: Value, trial: Trial) -> Array:
        upstream = self._at("outer", self._outer, trial, {**trial.args, "cut0_": self.f(trial)})
        name = next(name for name in self._inner.inputs if name not in self.function.inputs)
        args = {**trial.args, name: upstream * local(self, trial)}
        result = self._inner(**{own: args[own] for own in self._inner.inputs})
        gradients = dict(zip(self.inputs, result if isinstance(result, tuple) else (result,), strict=True))
        return np.asarray(without(trial) + gradients[case.target.wrt[0]])

    def unchained(self, without: Value, trial: Trial) -> Array | None:
        """f'(z) in the place of f'(z) z', where both have one shape."""
        upstream = self._at("outer", self._outer, trial, {**trial.args, "cut0_": self.f(trial)})
        value = upstream * self.slope(trial, self.z(trial))
        rest = without(trial)
        # the axes of an intermediate come in an order of their own
        value = value if value.shape == rest.shape else value.T
        return np.asarray(rest + value) if value.shape == rest.shape else None

    def _at(self, what: str, function: Function, trial: Trial, args: Mapping[str, Array]) -> Array:
        if (what, id(trial)) not in self.known:
            self.known[what, id(trial)] = trial, call(function, args)
        return self.known[what, id(trial)][1]
