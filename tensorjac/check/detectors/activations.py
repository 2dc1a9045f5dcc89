"""Elementwise functions whose derivative is missing, taken elsewhere, or confused with the function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np

from ...function import Function
from ...primitives import PRIMITIVES
from ...reading import parse
from ...terms import Apply
from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..expressions import cut, nodes, value_of, with_outputs
from ..trials import Trial
from .paths import described, detached, exact

Elementwise = Callable[[Array], Array]


@cache
def slope(name: str) -> Elementwise:
    """The derivative of an elementwise primitive, as a function of arrays."""
    derivative = parse(f"y[i] = {name}(x[i])", x="n").vjp("x")

    def at(array: Array) -> Array:
        flat = np.asarray(array, dtype=float).reshape(-1)
        return np.asarray(derivative(flat, np.ones_like(flat))).reshape(np.shape(array))

    return at


@detector("activation", "post-activation", "function-for-derivative", stage="structure")
def activations(case: Case) -> Iterator[Hypothesis]:
    """U is T with f' at one elementwise function replaced: by 1, f'(f(z)), f(z), f'² or f'^-1."""
    function = exact(case)
    if function is None:
        return
    for tensor in nodes(function, case.target.wrt):
        if not isinstance(tensor, Apply) or len(tensor.args) != 1 or any(tensor.cores):
            continue
        operation = PRIMITIVES.get(tensor.operation.name)
        if operation is None or operation.boolean or not operation.elementwise:
            continue
        change = _Change(case, function, tensor)
        name, where = operation.name, described(function, tensor)
        for cause, what, other in _others(name, operation.value):
            yield Hypothesis(cause, f"{case.label}: at {where} {what}{case.instead}.", partial(change.value, other))


def _others(name: str, f: Elementwise) -> Iterator[tuple[str, str, Elementwise]]:
    """What stands for f'(z) in the person's gradient, as a function of z."""
    df = slope(name)
    yield "activation", f"the derivative of {name} is missing", np.ones_like
    yield "post-activation", f"the derivative of {name} is taken at its output, not at its input", lambda z: df(f(z))
    yield "function-for-derivative", f"{name} stands where its derivative should stand", lambda z: np.asarray(f(z))
    yield "activation", f"the derivative of {name} stands twice", lambda z: df(z) ** 2
    yield "activation", f"the gradient is divided by the derivative of {name}", lambda z: 1 / df(z)
    yield "function-for-derivative", f"1 - {name} stands where its derivative should", lambda z: 1 - np.asarray(f(z))
    yield "exponent", f"the derivative of {name} lacks a square", lambda z: 1 - np.asarray(f(z))


class _Change:
    """The gradient with another local derivative at one elementwise function."""

    def __init__(self, case: Case, function: Function, tensor: Apply) -> None:
        self.case = case
        wrt = case.target.wrt
        self.without = detached(case, function, [tensor])
        moved, names = cut(function, [tensor])
        (self.name,) = names
        self.outer = case.question.derive(moved, (self.name,))
        self.value_at = value_of(function, tensor)
        inner = with_outputs(function, {"z": (tensor.axes, tensor.args[0])})
        self.inner_value = inner
        self.inner = inner.vjp(*wrt)
        self.cotangent = next(name for name in self.inner.inputs if name not in function.inputs)

    def value(self, other: Elementwise, trial: Trial) -> Array:
        args = dict(trial.args)
        args[self.name] = np.asarray(_call(self.value_at, args))
        z = np.asarray(_call(self.inner_value, args))
        upstream = np.asarray(_call(self.outer, args))
        args[self.cotangent] = upstream * other(z)
        return np.asarray(self.without(trial) + _call(self.inner, args))


def _call(function: Function, args: dict[str, Array]) -> Array:
    return np.asarray(function(**{name: args[name] for name in function.inputs}))
