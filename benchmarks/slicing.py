"""What slices cost: the time in slices that a memory limit demands ÷ the time in one piece, which it forbids.

    python -m benchmarks.slicing

prints for each case and share of the memory of one piece the number of slices, and the overhead as it was predicted
and as it is measured: medians of 15 rounds, in which slices and one piece take turns.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import tensorjac as tj
from benchmarks import functions
from tensorjac.compare import STRATEGIES
from tensorjac.compare.calibration import model
from tensorjac.compare.problem import Problem, Routine
from tensorjac.compare.slicing import Sliced, fitted

CASES = {
    "two layers by X": (functions.two_layers, {"X": "b m", "W1": "m n", "W2": "n k"}, "X", "compiled"),
    "two layers by W1": (functions.two_layers, {"X": "b m", "W1": "m n", "W2": "n k"}, "W1", "compiled"),
    "a norm by W1": (functions.norm_of_two_layers, {"X": "b m", "W1": "m n", "W2": "n k"}, "W1", "compiled"),
    "attention by K": (functions.attention, {"Q": "b m", "K": "n m", "V": "n m"}, "K", "compiled"),
    "dense Jacobian of a product": (functions.product, {"X": "k m", "A": "m n"}, "A", "dense_writes"),
}
SIZES = {"b": 20000, "m": 64, "n": 128, "k": 32}
SHARES = (0.5, 0.2, 0.05)
ROUNDS = 15


def timed(run: Any, values: list[Any]) -> float:
    start = perf_counter()
    run(*values)
    return perf_counter() - start


def row(name: str, share: float) -> str:
    """A row of the Markdown table; slices and one piece are proved equal first."""
    make, shapes, wrt, strategy = CASES[name]
    traced = tj.trace(make(np), **shapes)
    used = {size for shape in shapes.values() for size in shape.split()}
    problem = Problem.of(traced, wrt, {size: SIZES[size] for size in used})
    whole = STRATEGIES[strategy].make(problem)
    assert isinstance(whole, Routine)
    sliced = fitted(problem, STRATEGIES[strategy].make, share * problem.cost(whole).peak)
    if sliced is None:
        return f"| {name} | {share:.0%} | the gradient alone is larger | | |"
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(shape) for shape in problem.inputs.values()]
    runs = [sliced.compiled(), whole.compiled()]
    np.testing.assert_allclose(*(run(*values) for run in runs), rtol=1e-8, atol=1e-8)
    times = [[timed(run, values) for run in runs] for _ in range(ROUNDS)]
    measured = median(slices / piece for slices, piece in times) - 1
    predicted = model().seconds(problem.cost(sliced)) / model().seconds(problem.cost(whole)) - 1
    parts = f"of {sliced.cut.index.dim}" if isinstance(sliced, Sliced) else "in passes"
    return f"| {name} | {share:.0%} | {sliced.slices} {parts} | {predicted:+.0%} | {measured:+.0%} |"


if __name__ == "__main__":
    print("| gradient | memory | slices | overhead, predicted | measured |")
    print("|---|---:|---:|---:|---:|")
    for case in CASES:
        for share in SHARES:
            print(row(case, share))
