"""Contestants timed side by side: interleaved round by round in one process, after their results are proved equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

ROUNDS = 15
# A contestant is repeated within a round until that takes this long, in seconds: the clock and the loop cost nothing.
LEAST = 2e-3


@dataclass
class Contest:
    """One workload at one size: who takes part, each a function of the same arguments.

    ``hand`` is the expert's NumPy, to which all ratios refer, and ``ours`` this library. ``compared`` makes arrays of
    results that may be written in several ways.
    """

    workload: str
    size: str
    args: Sequence[Any]
    contestants: Mapping[str, Callable[..., Any]]
    goal: float
    tolerance: float = 1e-9
    compared: Callable[[Any], Any] = lambda result: result
    times: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)

    def prove(self) -> None:
        """Fail unless every contestant's result is the expert's."""
        expected = arrays(self.compared(self.contestants["hand"](*self.args)))
        for name, run in self.contestants.items():
            found = arrays(self.compared(run(*self.args)))
            assert len(found) == len(expected), f"{self.workload} {self.size}: {name} returns {len(found)} arrays"
            for one, other in zip(found, expected, strict=True):
                assert one.shape == other.shape, f"{self.workload} {self.size}: {name} has shape {one.shape}"
                scale = np.abs(other).max(initial=0) or 1.0
                gap = np.abs(one - other).max(initial=0) / scale
                assert gap <= self.tolerance, f"{self.workload} {self.size}: {name} is off by {gap:.1e} of {scale:.1e}"

    def alone(self, name: str) -> Contest:
        """The contest with one contestant only, who is then the measure of himself."""
        run = self.contestants[name]
        return replace(self, contestants={"hand": run, name: run}, times={}, ratios={})

    def measure(self, rounds: int = ROUNDS, seconds: float = 60.0) -> None:
        """Times, and ratios to the expert: medians of the rounds that ``seconds`` allow, three at least."""
        names = list(self.contestants)
        repeats = {name: self._repeats(name) for name in names}
        found: dict[str, list[float]] = {name: [] for name in names}
        start = perf_counter()
        for k in range(rounds):
            # nobody always runs after the same other one
            for name in names[k % len(names) :] + names[: k % len(names)]:
                found[name].append(self._timed(name, repeats[name]))
            if k >= 2 and perf_counter() - start > seconds:
                break
        self.times = {name: median(times) for name, times in found.items()}
        hand = found["hand"]
        self.ratios = {
            name: median(mine / theirs for mine, theirs in zip(times, hand, strict=True))
            for name, times in found.items()
        }

    def _repeats(self, name: str) -> int:
        once = self._timed(name, 1)
        if once > 10 * LEAST:
            return 1
        return max(1, round(LEAST / max(min(once, self._timed(name, 1)), 1e-7)))

    def _timed(self, name: str, repeats: int) -> float:
        run, args = self.contestants[name], self.args
        start = perf_counter()
        for _ in range(repeats):
            run(*args)
        return (perf_counter() - start) / repeats


def arrays(result: Any) -> list[np.ndarray[Any, Any]]:
    """The arrays of a result, whatever library they are of."""
    if isinstance(result, tuple | list):
        return [array for part in result for array in arrays(part)]
    if hasattr(result, "detach"):
        result = result.detach()
    # what comes with an array to say what it is, such as a pattern of δ, is none
    return [np.asarray(result)] if hasattr(result, "__array__") else []
