"""Claims that are right under a convention that nobody declared: small constants left out, rows that sum to 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .cases import Array, Case
from .expressions import without_stabilisers
from .report import Finding
from .trials import Trial

SMALL = 100
"""A stabiliser that is left out moves a gradient by less than so many times itself, in parts of the largest entry."""


def undeclared(case: Case, domain: Mapping[str, str]) -> Finding | None:
    """What a claim leaves out that may be left out, or not: the person has to say."""
    return _stabiliser(case) or _row_sum(case, domain)


def _stabiliser(case: Case) -> Finding | None:
    if case.question.kind == "hessian" or case.derivative is None or case.function is None:
        return None
    difference = max(_difference(case, trial) for trial in case.trials)
    if not difference < 1e-2:
        return None
    memory = case.question.memory
    if "stabilisers" not in memory:
        memory["stabilisers"] = without_stabilisers(case.function)
    plain, constants = memory["stabilisers"]
    if not constants or difference > SMALL * max(constants):
        return None
    derivative = case.question.derive(plain, case.target.wrt)
    values = [np.asarray(derivative(**{n: trial.args[n] for n in derivative.inputs})) for trial in case.trials]
    listed = " and ".join(f"{constant:g}" for constant in constants)
    much = f"they differ by up to {difference:.1g} of the largest entry"
    if all(case.same(case.claimed(trial), value) for trial, value in zip(case.trials, values, strict=True)):
        message = (
            f"{case.label} is the gradient of the function without its {listed}; {much}. If that is what you want, "
            f"leave it out of the function that you check; else put it into the gradient{case.instead}."
        )
        return Finding(case.target.argument, "undecided", message, "stabiliser")
    message = f"{case.label} leaves out the {listed} of the function somewhere; {much}{case.instead}."
    return Finding(case.target.argument, "wrong", message, "stabiliser")


def _difference(case: Case, trial: Trial) -> float:
    """The largest difference, in parts of the largest entry."""
    true = case.true(trial)
    largest = float(np.max(np.abs(true), initial=0.0)) or 1.0
    return float(np.max(np.abs(case.claimed(trial).astype(float) - true), initial=0.0)) / largest


def _row_sum(case: Case, domain: Mapping[str, str]) -> Finding | None:
    if case.question.kind not in ("vjp", "grad"):
        return None
    for name, dims in case.question.shapes.items():
        whole = case.trials[0].args[name].dtype.kind != "f"
        if not dims or name in case.target.wrt or whole:
            continue
        inside = all(_right_at(case, _moved(trial, name, 1.0)) for trial in case.trials)
        if inside and not any(_right_at(case, _moved(case.trials[0], name, total)) for total in (0.95, 1.05)):
            said = f"{case.label} is right where the rows of {name} sum to 1, as one-hot labels and probabilities do"
            if domain.get(name, "mask") != "mask":
                return Finding(case.target.argument, "wrong", f"{said}, and wrong elsewhere{case.instead}.", "row-sum")
            say = f'domain={{"{name}": "one-hot"}} or "probabilities"'
            message = f"{said}, and wrong elsewhere. If they do, say so: {say}{case.instead}."
            return Finding(case.target.argument, "undecided", message, "row-sum")
    return None


def _moved(trial: Trial, name: str, total: float) -> Trial:
    """The trial at which the rows of one input are positive, and sum to a number."""
    array: Array = np.abs(trial.args[name]) + 0.1
    rows = total * array / np.sum(array, axis=-1, keepdims=True)
    return replace(trial, args={**trial.args, name: rows}, truths={})


def _right_at(case: Case, trial: Trial) -> bool:
    try:
        value, true = case.claimed_at(trial.args), trial.truth(case.target.wrt)
    except np.linalg.LinAlgError:
        return False
    return isinstance(value, np.ndarray) and bool(np.all(np.isfinite(true))) and case.same(value.astype(float), true)
