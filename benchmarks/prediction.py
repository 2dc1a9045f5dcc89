"""How well predicted times rank, and what the planner's choice costs: a few hundred random chains and layers.

    python -m benchmarks.prediction [CASES]

prints the rank correlation of predicted and measured times over all strategies of each case (the median, and that over
all rows at once), and the regret of the planner: the time of its choice ÷ the shortest time measured.
"""

from __future__ import annotations

import sys
from statistics import median, quantiles

import numpy as np

import tensorjac as tj

# The planner chooses from these; what takes seconds is left out.
NAMES = ["forward", "reverse", "greedy", "dp", "optimal", "brackets", "compiled", "einsum", "identity_greedy"]


def random_case(rng: np.random.Generator) -> tuple[tj.Function, str, dict[str, int]]:
    """A chain of matrices of random sizes, an activation behind some of them."""
    length = int(rng.integers(2, 6))
    names = [f"A{k}" for k in range(1, length + 1)]
    active = rng.random(length) < 0.3

    def fun(X, **weights):
        for name, apply in zip(names, active, strict=True):
            X = X @ weights[name]
            X = np.tanh(X) if apply else X
        return X

    shapes = {"X": "s0 s1"} | {name: f"s{k} s{k + 1}" for k, name in enumerate(names, start=1)}
    parameters = ", ".join(shapes)
    scope = {"fun": fun}
    traced = eval(f"lambda {parameters}: fun({', '.join(f'{name}={name}' for name in shapes)})", scope)
    sizes = {f"s{k}": int(2 ** rng.uniform(2, 9)) for k in range(length + 2)}
    return tj.trace(traced, **shapes), str(rng.choice(["X", *names])), sizes


def ranks(values: list[float]) -> np.ndarray:
    """The ranks of values; those of ties are averaged."""
    array = np.asarray(values)
    return np.asarray([(array < value).sum() + ((array == value).sum() - 1) / 2 for value in array])


def correlation(first: list[float], second: list[float]) -> float:
    """Spearman's: the correlation of ranks."""
    a, b = ranks(first), ranks(second)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 1.0


def main(count: int) -> None:
    rng = np.random.default_rng(0)
    each, predicted, measured, regrets = [], [], [], []
    for _ in range(count):
        function, wrt, sizes = random_case(rng)
        table = tj.compare(function, wrt, sizes=sizes, strategies=NAMES, seconds=0.01, time_limit=0.05)
        rows = [row for row in table.rows if row["min"] and row["predicted"]]
        mine, theirs = [row["predicted"] for row in rows], [row["min"] for row in rows]
        each.append(correlation(mine, theirs))
        predicted += mine
        measured += theirs
        chosen = min(rows, key=lambda row: float(row["predicted"]))
        regrets.append(chosen["min"] / min(theirs))
    print(f"{count} cases, {len(measured)} rows")
    print(f"rank correlation over all rows: {correlation(predicted, measured):.3f}")
    print(f"rank correlation within a case, median: {median(each):.3f}")
    print(f"regret: median {median(regrets):.2f}, 95th percentile {quantiles(regrets, n=20)[-1]:.2f}, ", end="")
    print(f"largest {max(regrets):.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
