"""Gradients of a neighbour of the loss: with respect to logits in place of probabilities, or the other way round."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..trials import Trial

Chain = Callable[[Array, Array], Array]


def _by_softmax(p: Array, t: Array) -> Array:
    return np.asarray(p * (t - np.sum(p * t, axis=-1, keepdims=True)))


def _by_sigmoid(p: Array, t: Array) -> Array:
    return np.asarray(p * (1 - p) * t)


def _by_log(p: Array, t: Array) -> Array:
    return p * t


def _by_tanh(p: Array, t: Array) -> Array:
    return (1 - p * p) * t


NEIGHBOURS: dict[str, Chain] = {
    "softmax": _by_softmax,
    "sigmoid": _by_sigmoid,
    "exp": _by_log,
    "tanh": _by_tanh,
}


def _softmax(x: Array) -> Array:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return np.asarray(e / np.sum(e, axis=-1, keepdims=True))


VALUES: dict[str, Callable[[Array], Array]] = {
    "softmax": _softmax,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "exp": np.exp,
    "tanh": np.tanh,
}


@detector("another-loss", stage="structure")
def another_loss(case: Case) -> Iterator[Hypothesis]:
    """U is the gradient by what the input is a softmax (sigmoid, …) of, or T is that of U."""
    name = case.target.wrt[0]
    if case.question.kind not in ("vjp", "grad") or not case.true(case.trials[0]).ndim:
        return
    for kind, chain in NEIGHBOURS.items():
        yield Hypothesis(
            "another-loss",
            f"{case.label} is the gradient by the logits: {name} is what comes out of a {kind}, and the gradient is "
            f"carried through that {kind}, too{case.instead}.",
            partial(_before, case, name, chain),
        )
        yield Hypothesis(
            "another-loss",
            f"{case.label} stops at the {kind} of {name}: carry it through the derivative of the {kind}{case.instead}.",
            partial(_after, case, name, chain, VALUES[kind]),
            exact=True,
        )


def _before(case: Case, name: str, chain: Chain, trial: Trial) -> Array:
    return chain(trial.args[name], case.true(trial))


def _after(case: Case, name: str, chain: Chain, value: Callable[[Array], Array], trial: Trial) -> Array | None:
    claimed, true = case.claimed(trial), case.true(trial)
    return claimed if case.same(chain(value(trial.args[name]), claimed), true) else None
