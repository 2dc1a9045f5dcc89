"""Naming the cause: hypotheses in order, each confirmed at every trial, alone or up to a recognised factor."""

from __future__ import annotations

import string
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .cases import Case
from .causes import DETECTORS, Hypothesis, Stage
from .factors import Factor, recognise
from .repairs import SECONDS, mended_before, repair, told
from .report import Finding

# Causes that rest on what is seen, not on what was done: a change of the code that mends it says more.
WEAK = frozenset({"rank-one-vector", "option"})

# Causes that read the same indices in different ways: the code itself tells which one it is.
INDICES = frozenset({"wrong-axis", "product-order"})

PATIENCE = 6.0
"""How long hypotheses are tried in one check, in seconds of CPU time; most cases take a tenth of one."""

BRIEF = 0.5
"""How long changes are tried where the cause is known already, in seconds."""


def diagnose(case: Case) -> list[Finding]:
    """The findings about a wrong claim: one cause, two where they are independent, or what is known without one."""
    if any(case.claimed(trial).shape != case.true(trial).shape for trial in case.trials):
        return _explained(case, "shape") or [_wrong_shape(case)]
    if not any(np.any(case.claimed(trial)) for trial in case.trials):
        return [wrong(case, "zero", f"{case.label} is zero everywhere, and the true one is not{case.instead}.")]
    plain = _off_by_a_factor(case)
    if plain is not None and plain.cause != "factor":
        return [plain]
    again = _same_place(case)
    if again is not None:
        return [again]
    found = _explained(case, "value") or _explained(case, "structure")
    found = _with_repair(case, found or ([plain] if plain is not None else []))
    return found or [unexplained(case)]


def _with_repair(case: Case, found: list[Finding]) -> list[Finding]:
    """What was found, and one small change of the person's own code that makes it right, if there is one."""
    named = bool(found) and found[0].cause not in WEAK
    if named and case.claim.source is None and found[0].cause not in INDICES:
        return found
    mended = repair(case, BRIEF if named else SECONDS)
    if mended is None:
        return found
    if found and found[0].cause not in WEAK:
        cause = mended.cause if found[0].cause in INDICES else found[0].cause
        told(case, mended, cause or mended.cause)
        return [replace(found[0], cause=cause, evidence=(mended.said, *found[0].evidence)), *found[1:]]
    told(case, mended, mended.cause)
    return [
        wrong(case, mended.cause, f"{case.label} is wrong, and one change mends it: {mended.said}.", (_seen(case),))
    ]


def _same_place(case: Case) -> Finding | None:
    """What is said where a change that mends another gradient of the same function mends this one, too."""
    mended = mended_before(case)
    if mended is None:
        return None
    found, cause = mended
    message = f"{case.label} is wrong for the same reason: {found.said}{case.instead}."
    return wrong(case, cause, message, (_seen(case),))


def wrong(case: Case, cause: str | None, message: str, evidence: tuple[str, ...] = ()) -> Finding:
    """A finding that something is wrong with the claim of a case."""
    return Finding(case.target.argument, "wrong", message, cause, evidence)


def _explained(case: Case, stage: Stage) -> list[Finding]:
    """The first hypothesis that gives the claim exactly, else the first that does up to a recognised factor."""
    second: list[Finding] = []
    memory, start = case.question.memory, time.process_time()
    until = start + max(BRIEF, PATIENCE - memory.get("spent", 0.0))
    for hypothesis in _hypotheses(case, stage):
        now = time.process_time()
        memory["spent"], start = memory.get("spent", 0.0) + now - start, now
        if now > until:
            break
        ratios = _ratios(case, hypothesis)
        if ratios is None:
            continue
        if all(abs(ratio - 1) <= 8 * case.tolerance for ratio in ratios):
            return [wrong(case, hypothesis.cause, hypothesis.said, (*hypothesis.evidence, _seen(case)))]
        factor = None if hypothesis.exact or second else recognise(ratios, case.trials, case.tolerance, case.fixed)
        if factor is not None and factor.cause != "factor":
            second = [
                wrong(case, hypothesis.cause, hypothesis.said, hypothesis.evidence),
                wrong(case, factor.cause, f"besides, {_factor_message(case, factor)}", (_seen(case),)),
            ]
    return second


def _hypotheses(case: Case, stage: Stage) -> Iterator[Hypothesis]:
    for detector in DETECTORS:
        if detector.stage == stage:
            yield from detector.find(case)


def _ratios(case: Case, hypothesis: Hypothesis) -> list[float] | None:
    """The factor between the claim and the hypothesis at each trial, or None where it is refuted."""
    ratios = []
    for trial in case.trials:
        with np.errstate(all="ignore"):
            value = hypothesis.value(trial)
        ratio = None if value is None else case.ratio(case.claimed(trial), np.asarray(value, dtype=float))
        if ratio is None:
            return None
        ratios.append(ratio)
    return ratios


def _off_by_a_factor(case: Case) -> Finding | None:
    ratios = _ratios(case, Hypothesis("factor", "", case.true))
    factor = None if ratios is None else recognise(ratios, case.trials, case.tolerance, case.fixed)
    if factor is None:
        return None
    return wrong(case, factor.cause, _factor_message(case, factor), (_seen(case),))


def _factor_message(case: Case, factor: Factor) -> str:
    if factor.text == "-1":
        return f"{case.label} has the wrong sign: it is minus the true one{case.instead}."
    hint = f"divide by {factor.text}" if "/" not in factor.text else f"multiply by {factor.inverse}"
    return f"{case.label} is off by the factor {factor.text}: {hint}{case.instead}."


def _seen(case: Case) -> str:
    """At how many points, of which sizes."""
    sizes = [", ".join(f"{name}={size}" for name, size in trial.sizes.items()) for trial in case.trials]
    distinct = list(dict.fromkeys(filter(None, sizes)))
    return f"seen at {len(case.trials)} random points" + (f" ({'; '.join(distinct)})" if distinct else "")


def _wrong_shape(case: Case) -> Finding:
    trial = case.trials[0]
    yours, true = case.claimed(trial).shape, case.true(trial).shape
    names = ", ".join(case.axes(trial))
    said = f"{case.label} has shape {yours}, and the input {true}, which is ({names})"
    return wrong(case, "shape", f"{said}{case.instead}.", (f"at {_sizes(trial.sizes)}",))


def _sizes(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items()) or "fixed sizes"


def unexplained(case: Case) -> Finding:
    """What is known where no cause fits: how large the difference is, and where it lies."""
    trial = case.trials[0]
    value, true = case.claimed(trial), case.true(trial)
    difference = np.abs(value - true)
    worst = np.unravel_index(int(np.argmax(difference)), difference.shape)
    letters = string.ascii_lowercase[8:]
    places = zip(letters, worst, case.axes(trial), strict=False)
    place = ", ".join(f"{letter} = {int(k)} of {size}" for letter, k, size in places)
    where = f"at [{letters[: len(worst)]}] where {place}" if place else "there"
    evidence = [f"the largest difference is {where}: {value[worst]:.6g} instead of {true[worst]:.6g}"]
    evidence += _concentrated(case, difference > case.tolerance * max(1e-300, float(np.max(np.abs(true)))))
    return wrong(
        case, None, f"{case.label} is wrong, and no known mistake explains it{case.instead}.", (*evidence, _seen(case))
    )


def _concentrated(case: Case, differs: np.ndarray) -> Iterator[str]:
    """Whether the error lies in one row, or only in some, along an axis."""
    yield f"{int(differs.sum())} of {differs.size} entries are wrong"
    for axis, name in enumerate(case.axes(case.trials[0])):
        others = tuple(k for k in range(differs.ndim) if k != axis)
        hit = np.flatnonzero(differs.any(axis=others))
        if 0 < len(hit) < differs.shape[axis]:
            yield f"along axis {axis} ({name}) only {', '.join(map(str, hit))} of {differs.shape[axis]} are wrong"
