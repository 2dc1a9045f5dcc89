"""Whether a claimed value is the true one, to rounding: right, wrong, or not to be decided at this point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .report import Verdict

Array = np.ndarray[Any, Any]
At = Callable[[Mapping[str, Array]], Array]

ROUNDINGS = 256
"""How many roundings of its largest entry a right value may carry without being looked at twice."""

PERTURBATIONS = 6
SAFETY = 32
"""The spread over a few perturbed points estimates the error of a value; its largest of six, times this, bounds it."""

DECISIVE = 1e-3
"""A bound above this part of the largest entry decides nothing."""


class Judgement(NamedTuple):
    """The verdict at one point, the largest difference, and what it was compared with."""

    verdict: Verdict
    difference: float
    allowed: float
    reason: str = ""


def precision(value: Array) -> float:
    """The relative rounding of an array's dtype; whole numbers count as float64."""
    return float(np.finfo(value.dtype if value.dtype.kind == "f" else np.float64).eps)


def judge(
    claimed: At, true: At | None, args: Mapping[str, Array], truth: Array, error: Array | float = 0.0
) -> Judgement:
    """Compare a function with the true value at a point, given the error of that.

    What a difference may be is not a constant: where it exceeds some roundings of the largest entry, both functions
    are evaluated at points a few roundings away, and the spread of their values says what rounding does to them. The
    true function is left out where its value is numeric: the error says enough.
    """
    value, truth = np.asarray(claimed(args)), np.asarray(truth, dtype=float)
    eps = precision(value)
    value = value.astype(float)
    if not np.all(np.isfinite(value)):
        return _not_finite(value, truth)
    difference = np.abs(value - truth)
    scale = _scale(truth, args)
    allowed = ROUNDINGS * eps * scale + 8 * np.asarray(error)
    if np.all(difference <= allowed):
        return _within(difference, allowed, scale, "the error of the numeric derivative")
    spread, jump = _spread(claimed, true, args, value, truth, eps)
    if jump > DECISIVE * scale:
        reason = "the derivative jumps here: the point lies on a kink, or two arguments tie"
        return Judgement("undecided", _largest(difference), jump, reason)
    wide = allowed + SAFETY * spread
    if np.all(difference <= wide):
        return _within(difference, wide, scale, f"rounding (relative precision {eps:.1g})")
    noise = _noise(claimed, args, value, scale) if np.all(difference <= DECISIVE * scale) else 0.0
    if _largest(difference) <= SAFETY * noise:
        return _within(difference, np.maximum(wide, SAFETY * noise), scale, "rounding to float32 on the way")
    if np.any(difference > 4 * wide):
        return Judgement("wrong", _largest(difference), _largest(wide))
    return Judgement("undecided", _largest(difference), _largest(wide), "the difference is of the size of rounding")


def _not_finite(value: Array, truth: Array) -> Judgement:
    if np.all(np.isfinite(truth)):
        return Judgement("wrong", np.inf, 0.0, "the claim is not finite where the true gradient is")
    return Judgement("undecided", np.inf, 0.0, "neither the claim nor the true gradient is finite here")


def _within(difference: Array, allowed: Array, scale: float, what: str) -> Judgement:
    if np.max(allowed, initial=0.0) > DECISIVE * scale:
        return Judgement("undecided", _largest(difference), _largest(allowed), f"{what} hides differences of this size")
    return Judgement("right", _largest(difference), _largest(allowed))


def _largest(array: Array) -> float:
    return float(np.max(array, initial=0.0))


def _scale(truth: Array, args: Mapping[str, Array]) -> float:
    """The largest entry, or a part of the inputs where that is next to nothing: it may be a difference of those."""
    inputs = max((_largest(np.abs(array.astype(float))) for array in args.values()), default=1.0)
    return max(_largest(np.abs(truth)), 1e-3 * inputs)


def _spread(
    claimed: At, true: At | None, args: Mapping[str, Array], value: Array, truth: Array, eps: float
) -> tuple[Array, float]:
    """By how much both values change over points a few roundings away, per entry, and the jump of the true one."""
    rng = np.random.default_rng(0)
    spread, jump = np.zeros(truth.shape), 0.0
    for _ in range(PERTURBATIONS):
        near = moved(args, rng, eps)
        with np.errstate(all="ignore"):
            other = np.asarray(claimed(near), dtype=float)
            nearby = truth if true is None else np.asarray(true(near), dtype=float)
        change = np.abs(other - value) + np.abs(nearby - truth)
        spread = np.maximum(spread, np.where(np.isnan(change), 0.0, change))
        jump = max(jump, _largest(np.abs(nearby - truth)))
    return spread, jump


def _noise(claimed: At, args: Mapping[str, Array], value: Array, scale: float) -> float:
    """What a claim that computes in float32, and returns float64, adds to its values.

    Over three points in a row, a few roundings of float32 apart, a smooth function is a straight line.
    """
    eps, noise = float(np.finfo(np.float32).eps), 0.0
    rng = np.random.default_rng(1)
    for _ in range(PERTURBATIONS):
        above = moved(args, rng, eps)
        below = {name: 2 * array - above[name] for name, array in args.items()}
        with np.errstate(all="ignore"):
            ends = np.asarray(claimed(above), dtype=float) + np.asarray(claimed(below), dtype=float)
        noise = max(noise, _largest(np.abs(ends - 2 * value)))
    return noise if np.isfinite(noise) and noise > eps * scale / 16 else 0.0


def moved(args: Mapping[str, Array], rng: np.random.Generator, eps: float) -> dict[str, Array]:
    """A point a few roundings away."""
    return {name: _moved(array, rng, eps) for name, array in args.items()}


def _moved(array: Array, rng: np.random.Generator, eps: float) -> Array:
    if array.dtype.kind != "f":
        return array
    size = 4 * eps * (np.abs(array) + np.max(np.abs(array), initial=0.0))
    return np.asarray(array + size * rng.uniform(-1, 1, array.shape))
