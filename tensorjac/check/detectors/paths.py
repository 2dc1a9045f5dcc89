"""Paths of the chain rule that are missing, doubled or turned: through intermediates, or uses of an input."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from ...function import Function
from ...terms import Apply, Contraction, Shared, Tensor
from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..expressions import additive, cut, nodes, occurrences, value_of
from ..fitting import Fit, Value, fit
from ..trials import Trial

PAIRS_OF = 8


def exact(case: Case) -> Function | None:
    """The function where it was traced and its gradient is asked for."""
    function = case.question.function
    wanted = isinstance(function, Function) and case.question.kind in ("vjp", "grad")
    return function if wanted and isinstance(function, Function) else None


@detector("softmax-projection", "normalisation-path", "missing-term", "doubled-term", "term-sign", stage="structure")
def through_intermediates(case: Case) -> Iterator[Hypothesis]:
    """U = T + c P, where P is what reaches the input through one intermediate; then two of them left out."""
    function = exact(case)
    if function is None:
        return
    found = []
    for tensor in nodes(function, case.target.wrt):
        without = detached(case, function, [tensor])
        if not _matters(case, without):
            continue
        found.append(tensor)
        result = fit(case, [without, partial(_through, case, without)])
        if result is not None and result.coefficients[0].text == "1":
            yield _of_path(case, function, [tensor], result)
    for pair in itertools.combinations(found[-PAIRS_OF:], 2):
        names = " and ".join(described(function, tensor) for tensor in pair)
        yield Hypothesis(
            cause_of(pair[-1]),
            f"{case.label} lacks the paths through {names}: both depend on {case.target.argument}, too{case.instead}.",
            detached(case, function, pair),
        )


def detached(case: Case, function: Function, held: Sequence[Tensor]) -> Value:
    """The gradient with some intermediates held fixed, as if they did not depend on the inputs."""
    key = ("detached", tuple(held))
    if key not in case.memory:
        moved, names = cut(function, held)
        derivative = case.question.derive(moved, case.target.wrt)
        values = {name: value_of(function, tensor) for name, tensor in names.items()}
        case.memory[key] = (derivative, values)
    return partial(_detached, case, key)


def _detached(case: Case, key: object, trial: Trial) -> Array:
    derivative, values = case.memory[key]
    known = case.memory.setdefault((key, id(trial)), None)
    if known is None:
        args = dict(trial.args)
        for name, function in values.items():
            args[name] = function(**{own: trial.args[own] for own in function.inputs})
        known = np.asarray(derivative(**{name: args[name] for name in derivative.inputs}))
        case.memory[key, id(trial)] = known
    return np.asarray(known)


def _through(case: Case, without: Value, trial: Trial) -> Array:
    return case.true(trial) - without(trial)


def _matters(case: Case, without: Value) -> bool:
    """Whether a path is neither everything nor nothing."""
    trial = case.trials[0]
    value = without(trial)
    return bool(np.any(value)) and not case.same(value, case.true(trial))


def _of_path(case: Case, function: Function, held: Sequence[Tensor], result: Fit) -> Hypothesis:
    name = described(function, held[0])
    coefficient = result.coefficients[1]
    message, cause = f"{case.label} counts the path through {name} {coefficient.text} times", "doubled-term"
    if coefficient.text == "0":
        message, cause = f"{case.label} lacks the path through {name}", cause_of(held[0])
    elif coefficient.text == "-1":
        message, cause = f"in {case.label} the path through {name} has the wrong sign", "term-sign"
    elif coefficient.cause in ("size-factor", "wrong-count", "inner-scale"):
        message, cause = f"in {case.label} the path through {name} is off by {coefficient.text}", "wrong-count"
    evidence = f"fitted coefficients on the rest and on this path are {result.text}"
    return Hypothesis(cause, f"{message}{case.instead}.", case.claimed, (evidence,), True)


def cause_of(tensor: Tensor) -> str:
    """What a missing path through this intermediate is called."""
    role = _role(tensor)
    return {"normaliser": "softmax-projection", "moment": "normalisation-path"}.get(role, "missing-term")


def _role(tensor: Tensor) -> str:
    if isinstance(tensor, Contraction) and len(tensor.factors) == 1:
        (factor,) = tensor.factors
        inner = factor.tensor
        if isinstance(inner, Apply) and inner.operation.name == "exp":
            return "normaliser"
        return "moment"
    if isinstance(tensor, Shared):
        held = {_role(factor.tensor) for term in tensor.body.terms for factor in term.factors}
        return "moment" if held & {"moment"} else ""
    if isinstance(tensor, Apply) and tensor.operation.name in ("sqrt", "log"):
        held = {_role(t) for arg in tensor.args for t in arg.tensors}
        return next(iter(held & {"moment", "normaliser"}), "")
    return ""


def described(function: Function, tensor: Tensor) -> str:
    """An intermediate in index notation, without its name: `Σ_k X[ik] / n`."""
    text = str(value_of(function, tensor)).partition(" = ")[2]
    return f"`{text}`" if "\n" not in text and len(text) < 80 else "an intermediate"


# Uses and terms ---------------------------------------------------------------------------------------------------


@detector("shared-weight", "recurrent-path", stage="structure")
def uses(case: Case) -> Iterator[Hypothesis]:
    """Coefficients other than 1 on the uses of an input that stands in several places."""
    function = exact(case)
    if function is None:
        return
    name = case.target.wrt[0]
    split, names = occurrences(function, name)
    if not 2 <= len(names) <= 8:
        return
    parts = [partial(_use, case, case.question.derive(split, (own,)), names) for own in names]
    result = fit(case, parts)
    if result is not None:
        texts = [factor.text for factor in result.coefficients]
        kept = "one of them is counted otherwise"
        if "0" in texts:
            missing = ", ".join(str(k + 1) for k, text in enumerate(texts) if text == "0")
            kept = f"use {missing} is missing" if texts.count("0") == 1 else f"uses {missing} are missing"
        yield Hypothesis(
            "shared-weight",
            f"{name} is used {len(names)} times, and in {case.label} {kept}: add up the gradients of all its uses"
            f"{case.instead}.",
            case.claimed,
            (f"fitted coefficients on the uses are {result.text}",),
            True,
        )


def _use(case: Case, derivative: Function, names: Sequence[str], trial: Trial) -> Array:
    args = {**trial.args, **dict.fromkeys(names, trial.args[case.target.wrt[0]])}
    return np.asarray(derivative(**{name: args[name] for name in derivative.inputs}))


@detector("missing-term", "doubled-term", "term-sign", "wrong-count", "second-order-path", stage="structure")
def terms(case: Case) -> Iterator[Hypothesis]:
    """Coefficients other than 1 on the terms of the derived gradient."""
    if case.derivative is None:
        return
    parts = additive(case.derivative, case.question.cotangents)
    if len(parts) < 2:
        return
    result = fit(case, [partial(_term, part) for part in parts])
    if result is None:
        return
    texts = [factor.text for factor in result.coefficients]
    odd = next(k for k, text in enumerate(texts) if text != "1")
    cause, what = _term_cause(case, result)
    yield Hypothesis(
        cause,
        f"{case.label}: {_right_side(parts[odd])} {what}{case.instead}.",
        case.claimed,
        (f"fitted coefficients on the derived terms are {result.text}",),
        True,
    )


def _term(part: Function, trial: Trial) -> Array:
    return np.asarray(part(**{name: trial.args[name] for name in part.inputs}))


def _term_cause(case: Case, result: Fit) -> tuple[str, str]:
    texts = [factor.text for factor in result.coefficients]
    if "0" in texts:
        second = case.question.kind == "hessian"
        return ("second-order-path" if second else "missing-term"), "is missing"
    if "-1" in texts:
        return "term-sign", "has the wrong sign"
    if "2" in texts:
        return "doubled-term", "is counted twice"
    odd = next(factor for factor in result.coefficients if factor.text != "1")
    return ("wrong-count" if odd.cause != "factor-two" else "factor-two"), f"is off by the factor {odd.text}"


def _right_side(part: Function) -> str:
    text = str(part).partition(" = ")[2]
    return f"the term `{text}`" if "\n" not in text and len(text) < 90 else "one term"
