"""Points that are not generic: one that a person gives, and one at which an input is 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .cases import Case
from .naming import diagnose, unexplained, wrong
from .report import Finding
from .trials import Trial
from .verdicts import judge

Array = np.ndarray[Any, Any]


def at_point(case: Case, trial: Trial) -> list[Finding]:
    """What is to be said about a claim that is right at random points, at one that a person gave."""
    here = Case(case.question, case.target, case.claim, [trial])
    name = case.target.argument
    true = here.true_at if case.question.exact else None
    judgement = judge(here.claimed_near, true, trial.args, here.true(trial), trial.error(case.target.wrt))
    if judgement.verdict == "right":
        return []
    if judgement.verdict == "undecided":
        cause = "kink" if "kink" in judgement.reason else None
        message = f"{case.label} is right at random points, and the given point does not decide: {judgement.reason}."
        return [Finding(name, "undecided", message, cause)]
    if not np.all(np.isfinite(here.claimed(trial))):
        return [_division(here, trial)]
    found = [f for f in diagnose(here) if f.cause in ("repeated-index", "kink")] or [unexplained(here)]
    said = f"{case.label} is right at random points and wrong at the given one: {found[0].message}"
    return [wrong(case, found[0].cause, said, found[0].evidence)]


def _division(case: Case, trial: Trial) -> Finding:
    zeros = [name for name in case.question.shapes if np.any(trial.args[name] == 0)]
    if zeros:
        return wrong(
            case,
            "division-at-zero",
            f"{case.label} is not finite where {' or '.join(zeros)} is 0, and the true gradient is: "
            f"do not divide by it{case.instead}.",
        )
    return wrong(case, "not-finite", f"{case.label} is not finite at the given point, and the true one is.")


def at_zero(case: Case) -> str | None:
    """A warning where a claim that is right divides by an input: it is not finite where an entry of that is 0."""
    for name, array in case.trials[0].args.items():
        if array.dtype.kind != "f" or not array.size or name in case.question.cotangents:
            continue
        moved = array.copy()
        moved.flat[0] = 0.0
        args = {**case.trials[0].args, name: moved}
        with np.errstate(all="ignore"):
            value = case.claimed_at(args)
        finite = not isinstance(value, np.ndarray) or np.all(np.isfinite(value))
        if not finite and np.all(np.isfinite(case.true_at(args))):
            return (
                f"{case.label} divides by {name}: it is not finite where an entry of {name} is 0, "
                "and the true gradient is (division-at-zero)."
            )
    return None


def vacuous(case: Case, sizes: Mapping[str, int]) -> Iterator[str]:
    """Warnings about what the trials cannot tell."""
    label = case.label
    if not any(np.any(np.abs(case.true(trial)) > 1e-12) for trial in case.trials):
        yield f"the true {label} is 0 at every point that was tried, so that a factor or a sign would not show."
    ones = [name for name, size in sizes.items() if size == 1]
    if ones:
        yield f"{', '.join(ones)} is 1 in the given sizes: a sum over one entry, or an average, does not show."
    numbers = list(sizes.values())
    equal = [name for name, size in sizes.items() if numbers.count(size) > 1]
    if equal:
        yield f"{' and '.join(equal)} are equal in the given sizes: a transpose does not show in the shape."


def plain_point(trial: Trial, given: Mapping[str, Array]) -> Iterator[str]:
    """Warnings about a given point at which mistakes hide."""
    for name, array in given.items():
        if array.dtype.kind != "f" or not array.size:
            continue
        if np.all(array == 1):
            what = "the cotangent" if name not in trial.question.shapes else name
            yield f"{name} is 1 in every entry of the given point: a missing factor {what} does not show there."
        elif np.all(array == 0):
            yield f"{name} is 0 in every entry of the given point, where many terms vanish."
