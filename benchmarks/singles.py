"""Workloads of which only one thing is measured: memory, import time, time to compile, the order of contraction."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from time import perf_counter

import numpy as np

from tensorjac.dims import Dim
from tensorjac.plan import Costs
from tensorjac.plan.paths import cost_of, path
from tensorjac.terms import Index


@dataclass(frozen=True)
class Single:
    workload: str
    measure: str
    goal: str
    found: str


def singles(quick: bool) -> Iterator[Single]:
    yield from memory(quick)
    yield from import_time(7 if quick else 15)
    yield from compile_time(3 if quick else 5)
    yield chains(50 if quick else 500)


# Memory ----------------------------------------------------------------------------------------------------------

_BEGIN = "import numpy as np, tensorjac as tj\n"
_PRODUCT = (
    _BEGIN + "J = tj.trace(lambda X, A: X @ A, X='b m', A='m n').jacobian('A')\n"
    "X, A = np.ones(({n}, {n})), np.ones(({n}, {n}))\nJ.dense(X[:2, :2].copy(), A[:2, :2].copy())\n{step}\n"
)
_BROADCAST = (
    _BEGIN + "def f(P): return np.exp(P @ np.ones((2, 128 * 16))).reshape(10, 128, 16)\n"
    "J = tj.trace(f, P='10 2').jacobian('P')\nP = np.zeros((10, 2))\nJ.core(P)\n{step}\n"
)


def memory(quick: bool) -> Iterator[Single]:
    """Peak memory, seen from outside the process, beyond what it takes without the Jacobian."""
    n = 64 if quick else 128
    dense = 8 * n**4
    used = _peak(_PRODUCT.format(n=n, step="J.dense(X, A)")) - _peak(_PRODUCT.format(n=n, step=""))
    measure = f"peak memory of the dense ∂Y/∂A at ({n},{n},{n}), {dense / 2**20:.0f} MiB, ÷ its size"
    yield Single("M1", measure, "1.1", f"{used / dense:.3f}")
    # where the kernel puts what a process loads makes a fifth of a MiB of difference
    steps = "for _ in range(3): J.core(P)", ""
    often, once = (median(_peak(_BROADCAST.format(step=step)) for _ in range(7)) for step in steps)
    used = often - once
    size = 10 * 128 * 16 * 2 * 8
    measure = f"peak memory of the core of a (10,128,16,10,2) Jacobian, {size / 2**10:.0f} KiB, above that of one call"
    yield Single("M1", measure, "0.1 MiB", f"{max(used, 0) / 2**20:.2f} MiB")


# A process begins with the peak of the one that started it: so a small one stands between.
_WATCH = """import os, sys
process = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", sys.argv[1]])
_, status, usage = os.wait4(process, 0)
print(status, usage.ru_maxrss)"""


def _peak(script: str) -> int:
    """The largest resident memory of a process that runs the script, in bytes."""
    watched = subprocess.run([sys.executable, "-c", _WATCH, script], check=True, capture_output=True, text=True)
    status, peak = map(int, watched.stdout.split())
    assert status == 0, script
    return peak * (1 if sys.platform == "darwin" else 1024)


# Import and compilation ------------------------------------------------------------------------------------------


def import_time(rounds: int) -> Iterator[Single]:
    times: dict[str, list[float]] = {"numpy": [], "tensorjac": []}
    for _ in range(rounds):
        for name, found in times.items():
            start = perf_counter()
            subprocess.run([sys.executable, "-c", f"import numpy, {name}"], check=True)
            found.append(perf_counter() - start)
    extra = median(ours - numpy for ours, numpy in zip(times["tensorjac"], times["numpy"], strict=True))
    yield Single("P1", "`import tensorjac` beyond `import numpy`", "40 ms", f"{round(extra * 1e3)} ms")


_NEW = (
    "import numpy as np, tensorjac as tj\nfrom time import perf_counter\nfrom benchmarks import functions\n"
    "tj.trace(lambda X, A: X @ A, X='b m', A='m n').vjp()(*[np.ones((2, 2))] * 3)\n"
    "args = [{args}]\nstart = perf_counter()\n"
    "tj.trace(functions.{name}(np), {shapes}).vjp()(*args)\nprint(perf_counter() - start)"
)
_COMPILED = (
    ("linear", 'X="b m", W="m n", c="n"', ((3, 4), (4, 5), (5,), (3, 5)), "10 ms"),
    ("attention", 'Q="s d", K="t d", V="t e"', ((3, 4), (5, 4), (5, 2), (3, 2)), "100 ms"),
)


def compile_time(rounds: int) -> Iterator[Single]:
    """In a process that has derived a product of matrices before, and so has loaded what it needs."""
    for name, shapes, sizes, goal in _COMPILED:
        args = ", ".join(f"np.ones({size})" for size in sizes)
        script = _NEW.format(name=name, shapes=shapes, args=args)
        runs = [subprocess.run([sys.executable, "-c", script], check=True, capture_output=True) for _ in range(rounds)]
        first = median(float(run.stdout) for run in runs)
        yield Single(
            "P2", f"`trace`, `vjp` and compilation of {name}, once, call included", goal, f"{first * 1e3:.1f} ms"
        )


# The order of contraction ----------------------------------------------------------------------------------------


def chains(number: int) -> Single:
    """Products of random chains of matrices, as they stand in Jacobians: our order against forward and reverse."""
    rng = np.random.default_rng(0)
    worst = 0.0
    gains = []
    for _ in range(number):
        sizes = {f"n{k}": int(2 ** rng.uniform(0, 10)) for k in range(int(rng.integers(4, 30)))}
        costs = Costs(sizes)
        labels = [Index.fresh(Dim.of(name)) for name in sizes]
        parts = [frozenset(pair) for pair in pairwise(labels)]
        out = frozenset((labels[0], labels[-1]))
        ours = cost_of(path(parts, out, costs), parts, out, costs)
        count = len(parts)
        forward = [(0, 1), *((0, count - 1 - k) for k in range(1, count - 1))]
        reverse = [(count - 2, count - 1), *((count - 2 - k, count - 1 - k) for k in range(1, count - 1))]
        pure = min(cost_of(order, parts, out, costs) for order in (forward, reverse))
        worst = max(worst, ours / pure)
        gains.append(pure / ours)
    measure = f"our order ÷ the better of forward and reverse: worst of {number} random chains"
    measure += f" (median gain {median(gains):.1f})"
    return Single("C1", measure, "1", f"{worst:.2f}")
