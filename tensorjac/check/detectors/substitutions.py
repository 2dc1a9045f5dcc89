"""Gradients that are right for another value of an input: a scale of 1, a transposed weight, no penalty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..trials import Trial


@detector("jacobian-transposed", "scale-parameter", "option", "penalty", "exponent", stage="structure")
def substituted(case: Case) -> Iterator[Hypothesis]:
    """U is T at another value of one input."""
    if case.question.kind not in ("vjp", "grad"):
        return
    trial = case.trials[0]
    for name in case.question.shapes:
        array = trial.args[name]
        if array.dtype.kind != "f":
            continue
        for cause, what, change in _changes(name, array):
            yield Hypothesis(
                cause,
                f"{case.label} is right only {what}{case.instead}.",
                partial(_changed, case, name, change),
                exact=cause != "jacobian-transposed",
            )


def _changes(name: str, array: Array) -> Iterator[tuple[str, str, Callable[[Array], Array]]]:
    if array.ndim >= 2 and array.shape[-1] == array.shape[-2]:
        yield "jacobian-transposed", f"for {name} transposed: it uses {name} where it needs {name}.T", _transposed
    scale = "scale-parameter" if array.ndim else "option"
    yield scale, f"where {name} is 1: {name} is dropped", np.ones_like
    yield "penalty" if not array.ndim else "option", f"where {name} is 0: what depends on it is missing", np.zeros_like
    yield scale, f"with {name}² in the place of {name}", np.square
    yield "exponent", f"with 1/{name} in the place of {name}", np.reciprocal
    yield "exponent", f"with √{name} in the place of {name}", np.sqrt
    yield "sign", f"for -{name} in the place of {name}", np.negative
    if not array.ndim:
        for number in (2.0, 0.5, 0.1, 0.01, 0.9, 0.99, 0.001, 1e-5):
            yield "option", f"where {name} is {number:g}, its default perhaps: {name} is not used", _filled(number)


def _transposed(array: Array) -> Array:
    return np.asarray(array.mT)


def _filled(number: float) -> Callable[[Array], Array]:
    return partial(np.full_like, fill_value=number)


def _changed(case: Case, name: str, change: Callable[[Array], Array], trial: Trial) -> Array | None:
    if name not in trial.args:
        return None
    value = case.true_at({**trial.args, name: np.asarray(change(trial.args[name]))})
    return None if case.same(value, case.true(trial)) else value


@detector("penalty", stage="structure")
def along_a_parameter(case: Case) -> Iterator[Hypothesis]:
    """U - T lies along one of the inputs, such as a penalty that the function does not have."""
    for name in case.question.shapes:
        if case.trials[0].args[name].shape == case.true(case.trials[0]).shape:
            own = (name,) == case.target.wrt
            what = "as a penalty on it would give" if own else "which belongs to another input"
            yield Hypothesis(
                "penalty",
                f"{case.label} has a term along {name} that the function does not have, {what}{case.instead}.",
                partial(_with_penalty, case, name),
                exact=True,
            )


def _with_penalty(case: Case, name: str, trial: Trial) -> Array | None:
    """The claim where what it has too much is a multiple of the input."""
    rest = case.claimed(trial) - case.true(trial)
    ratio = case.ratio(rest, trial.args[name].astype(float))
    # where the gradient itself lies along the input, it is a factor that is wrong
    along = case.ratio(case.true(trial), trial.args[name].astype(float)) is not None
    return None if ratio is None or along else case.claimed(trial)
