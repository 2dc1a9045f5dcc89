"""How well predicted times rank, and what the planner's choice costs: layers, and random chains of matrices.

    python -m benchmarks.prediction [CASES [SEED]]

prints the rank correlation of predicted and measured times over all strategies of each case (the median, and that over
all rows at once), and the regret of the planner: the time of its choice ÷ the shortest time measured. A case with a
regret beyond 1.3 is measured again, for longer, as another process may have disturbed it; every shortest time counts.
With OPENBLAS_NUM_THREADS=1 the processor's clock is read, which makes other processes matter less.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any

import numpy as np

import tensorjac as tj
from benchmarks import functions
from tensorjac.compare import STRATEGIES
from tensorjac.compare.calibration import model
from tensorjac.compare.machine import threads
from tensorjac.compare.problem import Problem, Routine

# The planner chooses from these; what takes seconds is left out.
NAMES = ["forward", "reverse", "greedy", "dp", "optimal", "brackets", "compiled", "einsum", "identity_greedy"]
GOAL = 1.3
# Seconds of a call.
LONGEST = 0.05
# One thread is timed by the processor's clock, which other processes do not disturb.
CLOCK = process_time if threads() == 1 else perf_counter

LAYERS = {
    "product": (functions.product, {"X": "b m", "A": "m n"}),
    "linear": (functions.linear, {"X": "b m", "W": "m n", "c": "n"}),
    "softmax": (functions.softmax, {"X": "b n"}),
    "cross-entropy": (functions.cross_entropy, {"X": "b n", "T": "b n"}),
    "layer norm": (functions.layer_norm, {"X": "b n", "gamma": "n", "beta": "n"}),
    "attention": (functions.attention, {"Q": "b m", "K": "n m", "V": "n m"}),
    "GELU": (functions.gelu_mlp, {"X": "b m", "W": "m n", "U": "n m"}),
    "two layers": (functions.two_layers, {"X": "b m", "W1": "m n", "W2": "n k"}),
}
SIZES = (
    {"b": 6, "m": 5, "n": 4, "k": 3},
    {"b": 64, "m": 64, "n": 64, "k": 64},
    {"b": 1024, "m": 64, "n": 96, "k": 32},
    {"b": 256, "m": 256, "n": 512, "k": 128},
)


@dataclass
class Case:
    """A function, the input it is differentiated by, and sizes; the time predicted and the shortest one measured.

    Strategies that come to the same source are one program, and one row.
    """

    function: tj.Function
    wrt: str
    sizes: dict[str, int]
    name: str
    predicted: dict[str, float] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)

    def measure(self, seconds: float) -> None:
        """Each strategy for so many seconds, after it was proved equal; what is predicted to take long is left out."""
        problem = Problem.of(self.function, self.wrt, self.sizes)
        rng = np.random.default_rng(0)
        values = [rng.standard_normal(shape) for shape in problem.inputs.values()]
        expected = problem.vjp(*values)
        scale = np.max(np.abs(expected), initial=1e-300)
        texts: dict[str, str] = {}
        for name in NAMES:
            try:
                routine = STRATEGIES[name].make(problem)
            except tj.UnsupportedError:
                continue
            assert isinstance(routine, Routine)
            seen = texts.setdefault(routine.text, name)
            predicted = model().seconds(problem.cost(routine))
            if seen == name and predicted < LONGEST:
                run = routine.compiled()
                np.testing.assert_allclose(run(*values) / scale, expected / scale, rtol=0, atol=1e-8, err_msg=name)
                self.predicted[name] = predicted
                self.measured[name] = min(shortest(run, values, seconds), self.measured.get(name, float("inf")))

    @property
    def chosen(self) -> str:
        return min(self.predicted, key=self.predicted.__getitem__)

    @property
    def best(self) -> str:
        return min(self.measured, key=self.measured.__getitem__)

    @property
    def regret(self) -> float:
        return self.measured[self.chosen] / self.measured[self.best]

    @property
    def correlation(self) -> float:
        return correlation(list(self.predicted.values()), [self.measured[name] for name in self.predicted])


def shortest(run: Callable[..., Any], values: list[Any], seconds: float) -> float:
    """The shortest time of a call, over at least three samples and so many seconds."""
    start = CLOCK()
    run(*values)
    inside = max(1, int(2e-4 / max(CLOCK() - start, 1e-7)))
    samples: list[float] = []
    while len(samples) < 3 or sum(samples) * inside < seconds:
        start = CLOCK()
        for _ in range(inside):
            run(*values)
        samples.append((CLOCK() - start) / inside)
    return min(samples)


def layers() -> Iterator[Case]:
    """Every layer by each of its inputs, at small and large sizes."""
    for name, (make, shapes) in LAYERS.items():
        traced = tj.trace(make(np), **shapes)
        used = {size for shape in shapes.values() for size in shape.split()}
        for sizes in SIZES:
            for wrt in shapes:
                yield Case(traced, wrt, {size: n for size, n in sizes.items() if size in used}, name)


def chains(count: int, seed: int = 0) -> Iterator[Case]:
    """Chains of matrices of random sizes, an activation behind some of them."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        length = int(rng.integers(2, 6))
        names = [f"A{k}" for k in range(1, length + 1)]
        active = rng.random(length) < 0.3
        shapes = {"X": "s0 s1"} | {name: f"s{k} s{k + 1}" for k, name in enumerate(names, start=1)}
        sizes = {f"s{k}": int(2 ** rng.uniform(2, 9)) for k in range(length + 2)}
        function = tj.parse(_chain(names, active), **shapes)
        yield Case(function, str(rng.choice(["X", *names])), sizes, f"chain of {length}")


def _chain(names: list[str], active: Any) -> str:
    text = "X"
    for name, apply in zip(names, active, strict=True):
        text = f"tanh({text} @ {name})" if apply else f"{text} @ {name}"
    return text


def ranks(values: list[float]) -> np.ndarray:
    """The ranks of values; those of ties are averaged."""
    array = np.asarray(values)
    return np.asarray([(array < value).sum() + ((array == value).sum() - 1) / 2 for value in array])


def correlation(first: list[float], second: list[float]) -> float:
    """Spearman's: the correlation of ranks."""
    a, b = ranks(first), ranks(second)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 1.0


def report(title: str, cases: list[Case]) -> None:
    """Measure the cases, and print how well they were predicted."""
    for case in cases:
        case.measure(0.02)
        if case.measured and case.regret > GOAL:
            case.measure(0.2)
    cases = [case for case in cases if case.measured]
    rows = [(case.predicted[name], case.measured[name]) for case in cases for name in case.predicted]
    regrets = [case.regret for case in cases]
    print(f"{title}: {len(cases)} cases, {len(rows)} rows")
    print(f"rank correlation over all rows: {correlation(*map(list, zip(*rows, strict=True))):.3f}")
    print(f"rank correlation within a case, median: {median(case.correlation for case in cases):.3f}")
    print(f"regret: median {median(regrets):.2f}, 95th percentile {quantiles(regrets, n=20)[-1]:.2f}, ", end="")
    print(f"largest {max(regrets):.2f}")
    for case in sorted(cases, key=lambda case: -case.regret):
        if case.regret > GOAL:
            times = (
                f"{name}: predicted {case.predicted[name]:.2g} s, took {case.measured[name]:.2g} s"
                for name in (case.chosen, case.best)
            )
            print(f"  {case.name} by {case.wrt} at {case.sizes}: {'; '.join(times)}")


if __name__ == "__main__":
    report("layers", list(layers()))
    report("chains", list(chains(*map(int, sys.argv[1:] or ["300"]))))
