"""Gradients whose ratio to the true one is a function of one array: an exponent, or a weight along another axis."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ...function import Function
from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..expressions import intermediates, value_of
from ..intermediates import described
from ..trials import Trial

POWERS = (1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 1.5, -1.5)


@detector("exponent", "scale-parameter", stage="structure")
def ratios(case: Case) -> Iterator[Hypothesis]:
    """U = T ∘ c^p for one input or intermediate c along some axes."""
    trial = case.trials[0]
    true, claimed = case.true(trial), case.claimed(trial)
    quotient = np.where(true != 0, claimed / np.where(true == 0, 1, true), np.nan)
    if not np.all(np.isfinite(quotient)) or not np.all(quotient):
        return
    for name, known in _candidates(case):
        array = known(trial)
        if not array.size or not np.all(array):
            continue
        for axes in itertools.permutations(range(true.ndim), array.ndim):
            if tuple(true.shape[k] for k in axes) != array.shape:
                continue
            for power in POWERS:
                yield _hypothesis(case, name, partial(_times, case, known, axes, power), power)


def _hypothesis(case: Case, name: str, value: Callable[[Trial], Array | None], power: float) -> Hypothesis:
    much = name if power == 1 else f"{name}^{power:g}"
    cause = "scale-parameter" if name in case.question.shapes and abs(power) == 1 else "exponent"
    return Hypothesis(cause, f"{case.label} is the true gradient times {much}, entry by entry{case.instead}.", value)


def _times(
    case: Case, known: Callable[[Trial], Array], axes: tuple[int, ...], power: float, trial: Trial
) -> Array | None:
    array = known(trial)
    true = case.true(trial)
    if array.ndim != len(axes) or tuple(true.shape[k] for k in axes) != array.shape:
        return None
    ordered = array.transpose(np.argsort(axes))
    shape = [true.shape[k] if k in axes else 1 for k in range(true.ndim)]
    return np.asarray(true * ordered.reshape(shape) ** power)


def _candidates(case: Case) -> Iterator[tuple[str, Callable[[Trial], Array]]]:
    """Inputs and intermediates, by name, as functions of a trial."""
    for name, array in case.trials[0].args.items():
        if array.dtype.kind == "f" and array.ndim:
            yield name, partial(_argument, name)
    function = case.function
    if function is not None:
        for tensor in intermediates(function, function.inputs):
            yield described(function, tensor), partial(_evaluated, case, value_of(function, tensor))


def _argument(name: str, trial: Trial) -> Array:
    return trial.args[name]


def _evaluated(case: Case, function: Function, trial: Trial) -> Array:
    key = ("node", id(function), id(trial))
    if key not in case.memory:
        case.memory[key] = np.asarray(function(**{name: trial.args[name] for name in function.inputs}))
    return np.asarray(case.memory[key])
