"""How an error that nothing explains changes with the sizes, and along which term of the gradient it lies."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import TensorjacError
from ..function import Function
from .cases import Case
from .expressions import additive
from .trials import Setting, Trial

SIZES = (6, 12, 24)
DRAWS = 3
SECONDS = 1.0
"""How long errors are measured at further sizes, in seconds of CPU time."""

CLEAN = 0.2
"""How far from a multiple of 1/2 a measured exponent may lie: arrays are random, and few."""

ALONG = 0.9
"""From which correlation on an error lies along a term."""

Measured = tuple[float, float]


def scaling(case: Case, setting: Setting) -> Iterator[str]:
    """How the ratio of the claim to the truth, and the relative error, grow or fall with each size."""
    until = time.process_time() + SECONDS
    laws: dict[str, list[str]] = {"the ratio of what you return to the true value": [], "the relative error": []}
    tried = []
    for name in case.trials[0].sizes:
        measured = [] if name in setting.sizes else list(_measured(case, setting, name, until))
        if len(measured) == len(SIZES):
            tried.append(name)
            for texts, values in zip(laws.values(), zip(*measured, strict=True), strict=True):
                texts += _law(name, values)
    where = f"measured at {' and '.join(tried)} = {', '.join(map(str, SIZES))}"
    found = [f"{what} {' and '.join(texts)} ({where})" for what, texts in laws.items() if texts]
    if tried:
        yield from found or [f"neither the relative error nor the ratio to the true value follows a size ({where})"]


def _measured(case: Case, setting: Setting, name: str, until: float) -> Iterator[Measured]:
    """The ratio and the relative error at each size, over several draws; the other sizes stay."""
    for size in SIZES:
        found = []
        for draw in range(DRAWS):
            if time.process_time() > until:
                return
            try:
                trial = setting.trial_of({**case.trials[0].sizes, name: size}, 60 + draw)
            except TensorjacError:  # sizes that the function does not take
                return
            found += [] if trial is None else _at(case, trial)
        if not found:
            return
        ratio, error = np.exp(np.mean(np.log(found), axis=0))
        yield float(ratio), float(error)


def _at(case: Case, trial: Trial) -> list[Measured]:
    value, true = case.claimed_at(trial.args), case.true(trial)
    if not isinstance(value, np.ndarray) or value.shape != true.shape or not np.all(np.isfinite(value)):
        return []
    whole = float(np.linalg.norm(true))
    sizes = (float(np.linalg.norm(value)) / whole, float(np.linalg.norm(value - true)) / whole) if whole else (0.0, 0.0)
    return [sizes] if min(sizes) > 0 else []


def _law(name: str, values: Sequence[float]) -> list[str]:
    """grows like b, or falls like 1/√b; nothing where there is no clean power."""
    exponent = float(np.polyfit(np.log(SIZES), np.log(values), 1)[0])
    twice = round(2 * exponent)
    if not twice or abs(exponent - twice / 2) > CLEAN:
        return []
    power = {1: f"√{name}", 2: name, 4: f"{name}²"}.get(abs(twice), f"{name}^{abs(twice) / 2:g}")
    return [f"grows like {power}" if twice > 0 else f"falls like 1/{power}"]


def along_a_term(case: Case) -> Iterator[str]:
    """The term of the derived gradient along which the error lies, if one does at every point."""
    parts = [] if case.derivative is None else additive(case.derivative, case.question.cotangents)
    if len(parts) < 2:
        return
    for part in parts:
        angles = [abs(_correlation(case, part, trial)) for trial in case.trials]
        text = str(part).partition(" = ")[2]
        if min(angles) > ALONG and "\n" not in text and len(text) < 90:
            yield f"the error lies along the term `{text}` (correlation {min(angles):.2f})"


def _correlation(case: Case, part: Function, trial: Trial) -> float:
    value = np.asarray(part(**{name: trial.args[name] for name in part.inputs}))
    error = case.claimed(trial) - case.true(trial)
    norms = float(np.linalg.norm(error) * np.linalg.norm(value))
    return float(np.vdot(error, value)) / norms if norms else 0.0
