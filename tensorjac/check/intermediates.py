"""Gradients with some intermediates held fixed: what is left when paths of the chain rule are cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from ..function import Function
from ..terms import Tensor
from .cases import Array, Case
from .expressions import cut, value_of
from .fitting import Value
from .trials import Trial


def exact(case: Case) -> Function | None:
    """The function where it was traced and its gradient is asked for."""
    return case.function if case.question.kind in ("vjp", "grad") else None


def detached(case: Case, function: Function, held: Sequence[Tensor]) -> Value:
    """The gradient with some intermediates held fixed, as if they did not depend on the inputs."""
    return partial(_detached, case, function, tuple(held))


def _detached(case: Case, function: Function, held: tuple[Tensor, ...], trial: Trial) -> Array:
    memory = case.question.memory
    key = ("detached", frozenset(held))
    if key not in memory:
        moved, names = cut(function, held)
        derivative = case.question.derive(moved, real_inputs(case))
        memory[key] = derivative, {name: value_of(function, tensor) for name, tensor in names.items()}
    at = (*key, id(trial))
    if at not in memory:
        derivative, values = memory[key]
        args = {**trial.args, **{name: call(value, trial.args) for name, value in values.items()}}
        result = derivative(**{name: args[name] for name in derivative.inputs})
        # the trial is kept, so that no other one gets its id
        memory[at] = (
            trial,
            dict(zip(real_inputs(case), result if isinstance(result, tuple) else (result,), strict=True)),
        )
    return np.asarray(memory[at][1][case.target.wrt[0]])


def real_inputs(case: Case) -> tuple[str, ...]:
    """The inputs by which the function is differentiated: those that hold no whole numbers."""
    args = case.trials[0].args
    return tuple(name for name in case.question.shapes if args[name].dtype.kind == "f")


def call(function: Function, args: Mapping[str, Array]) -> Array:
    """The value of a function at those of the arguments that it takes."""
    return np.asarray(function(**{name: args[name] for name in function.inputs}))


def described(function: Function, tensor: Tensor) -> str:
    """An intermediate in index notation, without its name: `Σ_k X[ik] / n`."""
    text = str(value_of(function, tensor)).partition(" = ")[2]
    return f"`{text}`" if "\n" not in text and len(text) < 80 else "an intermediate"
