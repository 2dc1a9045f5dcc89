"""Measuring: arguments drawn, results proved equal, then times taken round by round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import ShapeError, UnsupportedError
from .problem import Problem

Array = np.ndarray[Any, Any]

# Half of the digits: rounding does not cost as many at ordinary inputs, and a wrong formula costs more.
AGREEMENT = 0.5
# How many entries are compared at once: as much memory is needed besides the results.
BLOCK = 2**16
# A sample is at least this long: the clock and the loop around a call then cost less than a hundredth.
SAMPLE = 1e-4
# Calls of less than this would be timed with what other contestants have left in the caches: one comes before.
SHORT = 1e-3
ROUNDS = 25


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape)


def _positive(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.uniform(0.5, 1.5, shape)


def _definite(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    if len(shape) < 2 or shape[-1] != shape[-2]:
        return _positive(rng, shape)
    root = rng.standard_normal(shape)
    definite: Array = root @ root.mT + shape[-1] * np.eye(shape[-1])
    return definite


def arguments(problem: Problem, at: Mapping[str, Any], seed: int, run: Callable[..., Any]) -> dict[str, Array]:
    """Arrays for all inputs and the cotangent: those given, the others drawn so that the derivative is finite.

    ``run`` computes the derivative.
    """
    for name in at:
        if name not in problem.inputs:
            raise ShapeError(f"at= names {name}, which is no input: choose from {', '.join(problem.inputs)}.")
    for draw in (_normal, _positive, _definite):
        rng = np.random.default_rng(seed)
        drawn = {
            name: np.asarray(at[name] if name in at else draw(rng, shape), problem.dtype)
            for name, shape in problem.inputs.items()
        }
        with np.errstate(all="ignore"):
            try:
                if np.isfinite(np.asarray(run(*drawn.values()))).all():
                    return drawn
            except np.linalg.LinAlgError:
                continue
    raise UnsupportedError(
        "the derivative is not finite at random inputs, be they of both signs, positive or positive definite: "
        "pass arrays at which it is, at={...}."
    )


def deviation(result: Any, expected: Array) -> float:
    """The largest difference, relative to the largest entry; infinite where shapes differ or a number is missing."""
    found = np.asarray(result)
    if found.shape != expected.shape:
        return float("inf")
    scale = gap = np.float64(0)
    mine, others = found.reshape(-1), expected.reshape(-1)
    for start in range(0, expected.size, BLOCK):
        a, b = mine[start : start + BLOCK], others[start : start + BLOCK]
        # np.maximum keeps NaN
        scale, gap = np.maximum(scale, np.abs(b).max()), np.maximum(gap, np.abs(a - b).max())
    if gap == 0:
        return 0.0
    return float(gap / scale) if scale > 0 and np.isfinite(gap) else float("inf")


def agrees(error: float, dtype: Any) -> bool:
    """Whether results that differ by so much are equal up to rounding."""
    return bool(error <= float(np.finfo(dtype).eps) ** AGREEMENT)


@dataclass
class Contestant:
    """A function that is timed: what a call of it gives, and the seconds of its first call and of each sample."""

    run: Callable[[], Any]
    once: float
    samples: list[float] = field(default_factory=list)

    @property
    def inside(self) -> int:
        """How many calls make one sample."""
        return max(1, int(SAMPLE / max(min([self.once, *self.samples]), 1e-9)))

    def sample(self) -> None:
        run, count = self.run, self.inside
        if self.once < SHORT:
            run()
        start = perf_counter()
        for _ in range(count):
            run()
        self.samples.append((perf_counter() - start) / count)

    @property
    def summary(self) -> dict[str, float | None]:
        """The columns that say how long a call takes; one sample does not scatter."""
        spread = None
        if len(self.samples) > 1:
            low, _, high = quantiles(self.samples, n=4)
            spread = high - low
        return {"median": median(self.samples), "min": min(self.samples), "iqr": spread}


def interleaved(contestants: Sequence[Contestant], seconds: float, finished: Callable[[], None]) -> None:
    """Sample all contestants round by round, so that what slows the machine down slows all of them.

    Each is sampled up to ``ROUNDS`` times, and for ``seconds``; where the first call took longer, that is its sample.
    """
    for _ in range(ROUNDS):
        for contestant in contestants:
            if not contestant.samples and contestant.once > seconds:
                contestant.samples.append(contestant.once)
            elif sum(contestant.samples) * contestant.inside <= seconds:
                contestant.sample()
        finished()
