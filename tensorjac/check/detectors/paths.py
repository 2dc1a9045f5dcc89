"""Paths of the chain rule that are missing, doubled or turned: through intermediates, or uses of an input."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from ...function import Function
from ...terms import Apply, Contraction, Factor, Input, Shared, Tensor, topological
from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..expressions import additive, intermediates
from ..fitting import Fit, Value, fit
from ..intermediates import backward, described, detached, exact, lost, steps_of
from ..tape import Step
from ..trials import Trial

PAIRS_OF = 5
"""Of how many intermediates, the last ones, two are left out at once."""

MOST_USES = 12
"""How many uses of an input are told apart."""


@detector("softmax-projection", "normalisation-path", "recurrent-path", "penalty", "wrong-count", stage="structure")
def known_paths(case: Case) -> Iterator[Hypothesis]:
    """U = T + c P, where P is what reaches the input through one intermediate, or two, of a known role."""
    yield from (hypothesis for hypothesis in _paths(case) if hypothesis.cause not in GENERIC)


GENERIC = ("missing-term", "doubled-term", "term-sign")


def _paths(case: Case) -> Iterator[Hypothesis]:
    function = exact(case)
    if function is None:
        return
    found: list[Tensor] = []
    every = intermediates(function, case.target.wrt)
    shifts = [t for t in every if isinstance(t, Apply) and t.operation.name in ("max", "min")]
    for tensor in every:
        # a shift by the maximum cancels only as long as all paths are there
        without = detached(case, function, [tensor, *(t for t in shifts if t is not tensor)])
        if _matters(case, without):
            found.append(tensor)
            yield from _weighed(case, function, described(function, tensor), cause_of(function, tensor), without)
    for pair in itertools.combinations(found[-PAIRS_OF:], 2):
        yield Hypothesis(
            cause_of(function, pair[-1]),
            partial(_of_pair, case, function, pair),
            detached(case, function, [*pair, *shifts]),
        )
    for step in _branches(case, function):
        without = backward(case, function, lost(case, step))
        if _matters(case, without):
            yield from _weighed(case, function, _between(function, step), cause_of(function, step.part), without)


def _branches(case: Case, function: Function) -> Iterator[Step]:
    """Steps to an intermediate that is used several times: each of its uses is a path."""
    steps = steps_of(case, function)
    uses = Counter(step.part for step in steps)
    for step in steps:
        if uses[step.part] > 1 and step.part.parts and step.part.inputs.intersection(case.target.wrt):
            yield step


def _between(function: Function, step: Step) -> str:
    whole = step.owner if isinstance(step.owner, str) else described(function, step.owner)
    return f"{described(function, step.part)} in {whole}"


def _weighed(case: Case, function: Function, name: str, cause: str, without: Value) -> Iterator[Hypothesis]:
    """U = T + c P with a recognised c, where P is what one path contributes."""
    result = fit(case, [without, partial(_through, case, without)])
    if result is not None and result.coefficients[0].text == "1":
        yield _of_path(case, name, cause, result)


def _through(case: Case, without: Value, trial: Trial) -> Array:
    return np.asarray(case.true(trial) - without(trial))


def _matters(case: Case, without: Value) -> bool:
    """Whether a path is neither everything nor nothing."""
    trial = case.trials[0]
    value = without(trial)
    return bool(np.any(value)) and not case.same(value, case.true(trial))


def _of_pair(case: Case, function: Function, pair: Sequence[Tensor]) -> str:
    names = " and ".join(described(function, tensor) for tensor in pair)
    return f"{case.label} lacks the paths through {names}: both depend on {case.target.argument}, too{case.instead}."


def _of_path(case: Case, name: str, cause: str, result: Fit) -> Hypothesis:
    coefficient = result.coefficients[1]
    message, named = f"{case.label} counts the path through {name} {coefficient.text} times", "doubled-term"
    if coefficient.text == "0":
        message, named = f"{case.label} lacks the path through {name}", cause
    elif coefficient.text == "1/2":
        message, named = f"in {case.label} the path through {name} is off by the factor 1/2", "factor-two"
    elif coefficient.text == "-1":
        message, named = f"in {case.label} the path through {name} has the wrong sign", "term-sign"
    elif coefficient.cause in ("size-factor", "wrong-count", "inner-scale"):
        message, named = f"in {case.label} the path through {name} is off by {coefficient.text}", "wrong-count"
    evidence = f"fitted coefficients on the rest and on this path are {result.text}"
    return Hypothesis(named, f"{message}{case.instead}.", case.claimed, (evidence,), True)


def cause_of(function: Function, tensor: Tensor) -> str:
    """What a missing path through this intermediate is called."""
    role = _role(tensor)
    if role == "moment" and not _divides(function, tensor):
        return "penalty" if _is_penalty(tensor) else "missing-term"
    if not role and recurrent(function):
        return "recurrent-path"
    return {"normaliser": "softmax-projection", "moment": "normalisation-path"}.get(role, "missing-term")


def _role(tensor: Tensor) -> str:
    """A sum of exponentials normalises a softmax; a sum or a sum of squares is a moment."""
    if isinstance(tensor, Contraction) and len(tensor.factors) == 1:
        inner = tensor.factors[0].tensor
        return "normaliser" if isinstance(inner, Apply) and inner.operation.name == "exp" else "moment"
    if isinstance(tensor, Shared):
        held = {_role(factor.tensor) for term in tensor.body.terms for factor in term.factors}
        return "moment" if "moment" in held else ""
    if isinstance(tensor, Apply) and tensor.operation.name in ("sqrt", "log"):
        held = {_role(t) for arg in tensor.args for t in arg.tensors}
        return next((role for role in ("normaliser", "moment") if role in held), "")
    return ""


def _divides(function: Function, tensor: Tensor) -> bool:
    """Whether something is divided by what holds this tensor."""
    roots = [t for _, body in function._parts.outputs.values() for t in body.tensors]
    for one in topological(roots):
        for factor in _factors(one):
            if factor.power < 0 and tensor in topological([factor.tensor]):
                return True
    bodies = [term for _, body in function._parts.outputs.values() for term in body.terms]
    return any(f.power < 0 and tensor in topological([f.tensor]) for term in bodies for f in term.factors)


def _factors(tensor: Tensor) -> Sequence[Factor]:
    if isinstance(tensor, Contraction):
        return tensor.factors
    if isinstance(tensor, Shared):
        return [factor for term in tensor.body.terms for factor in term.factors]
    if isinstance(tensor, Apply):
        return [factor for arg in tensor.args for term in arg.terms for factor in term.factors]
    return ()


def _is_penalty(tensor: Tensor) -> bool:
    """A sum of squares of an input itself."""
    return isinstance(tensor, Contraction) and isinstance(tensor.factors[0].tensor, Input) and not tensor.axes


def recurrent(function: Function) -> bool:
    """Whether one function is applied again to its own result with the same weights, as in a recurrent network."""
    applied = [t for t in intermediates(function, function.inputs) if isinstance(t, Apply) and not any(t.cores)]
    for later in applied:
        below = set(topological(later.parts))
        for earlier in applied:
            alike = earlier.operation.name == later.operation.name and earlier is not later and earlier in below
            if alike and _weights(earlier) & _weights(later):
                return True
    return False


def _weights(tensor: Tensor) -> set[Tensor]:
    """The matrices that enter an applied function directly, not through another one."""
    found: set[Tensor] = set()
    waiting = list(tensor.parts)
    while waiting:
        part = waiting.pop()
        if isinstance(part, Input) and part.rank > 1:
            found.add(part)
        elif not isinstance(part, Apply):
            waiting.extend(part.parts)
    return found


# Uses and terms ---------------------------------------------------------------------------------------------------


@detector("shared-weight", "recurrent-path", "term-sign", stage="structure")
def uses(case: Case) -> Iterator[Hypothesis]:
    """Coefficients other than 1 on the uses of an input that stands in several places."""
    function = exact(case)
    if function is None:
        return
    name = case.target.wrt[0]
    steps = [step for step in steps_of(case, function) if isinstance(step.part, Input) and step.part.name == name]
    if not 2 <= len(steps) <= MOST_USES:
        return
    parts = [backward(case, function, lost(case, *(step for step in steps if step is not own))) for own in steps]
    result = fit(case, parts)
    if result is None or any(factor.cause in SIZES for factor in result.coefficients):
        return
    cause, kept = _counted([factor.text for factor in result.coefficients])
    yield Hypothesis(
        cause,
        f"{name} is used {len(steps)} times, and in {case.label} {kept}: add up the gradients of all its uses"
        f"{case.instead}.",
        case.claimed,
        (f"fitted coefficients on the uses are {result.text}",),
        True,
    )


SIZES = frozenset({"size-factor", "wrong-count", "inner-scale"})


def _counted(weights: Sequence[str]) -> tuple[str, str]:
    """How the uses of an input are counted, from their coefficients."""
    for weight, cause, what in (("0", "shared-weight", "missing"), ("-1", "term-sign", "turned in sign")):
        odd = [str(k + 1) for k, text in enumerate(weights) if text == weight]
        if odd:
            return (
                cause,
                f"use{'' if len(odd) == 1 else 's'} {', '.join(odd)} {'is' if len(odd) == 1 else 'are'} {what}",
            )
    return "shared-weight", "one of them is counted otherwise"


@detector(*GENERIC, stage="structure")
def other_paths(case: Case) -> Iterator[Hypothesis]:
    """The same for intermediates of no known role."""
    yield from (hypothesis for hypothesis in _paths(case) if hypothesis.cause in GENERIC)


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
        if not second and exact(case) is not None and case.function is not None and recurrent(case.function):
            return "recurrent-path", "is missing: the path through an earlier step is lost"
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
