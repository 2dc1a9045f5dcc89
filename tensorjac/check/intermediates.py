"""Backward passes with a mistake in them, at the trials of a case."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ..function import Function
from ..terms import Tensor
from .cases import Array, Case
from .expressions import value_of
from .fitting import Value
from .tape import Mistake, Step, Tape, nothing
from .trials import Trial


def exact(case: Case) -> Function | None:
    """The function where it was traced, its gradient is asked for, and its backward pass can be taken apart."""
    function = case.function if case.question.kind in ("vjp", "grad") else None
    small = function is not None and all(tape(case, function, trial) is not None for trial in case.trials)
    return function if small else None


def tape(case: Case, function: Function, trial: Trial) -> Tape | None:
    """The backward pass of the function at a trial."""
    known = case.question.memory.setdefault("tapes", {})
    if id(trial) not in known:
        # the trial is kept, so that no other one gets its id
        cotangents = [trial.args[name] for name in case.question.cotangents] or [np.ones(())]
        known[id(trial)] = trial, Tape.of(function, trial.sizes, trial.args, cotangents)
    found: Tape | None = known[id(trial)][1]
    return found


def backward(case: Case, function: Function, mistake: Mistake) -> Value:
    """The gradient that a backward pass with this mistake gives."""
    return partial(_backward, case, function, mistake)


def _backward(case: Case, function: Function, mistake: Mistake, trial: Trial) -> Array:
    known = case.question.memory.setdefault("backward", {})
    key = (id(mistake), id(trial))
    if key not in known:
        made = tape(case, function, trial)
        assert made is not None
        known[key] = mistake, made.gradients(mistake)
    return np.asarray(known[key][1][case.target.wrt[0]])


def detached(case: Case, function: Function, held: Sequence[Tensor]) -> Value:
    """The gradient with some intermediates held fixed, as if they did not depend on the inputs."""
    known = case.question.memory.setdefault("detached", {})
    mistake = known.setdefault(frozenset(held), Mistake(scaled=dict.fromkeys(held, 0.0)))
    return backward(case, function, mistake)


def steps_of(case: Case, function: Function) -> list[Step]:
    """The steps of the backward pass."""
    made = tape(case, function, case.trials[0])
    return [] if made is None else made.steps


def lost(case: Case, *steps: Step) -> Mistake:
    """A backward pass in which some steps pass nothing on."""
    known = case.question.memory.setdefault("lost", {})
    found: Mistake = known.setdefault(steps, Mistake(steps=dict.fromkeys(steps, nothing)))
    return found


def described(function: Function, tensor: Tensor) -> str:
    """An intermediate in index notation, without its name: `Σ_k X[ik] / n`."""
    text = str(value_of(function, tensor)).partition(" = ")[2]
    return f"`{text}`" if "\n" not in text and len(text) < 80 else "an intermediate"
