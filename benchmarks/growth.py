"""How cost grows: time against size, with the fitted exponent beside the predicted one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from time import perf_counter

import numpy as np

import tensorjac as tj
from benchmarks import functions
from benchmarks.cases import WORKLOADS
from benchmarks.timing import Contest

LAYERS = ("linear", "tanh", "residual", "softmax", "gated", "pre-norm")
WIDTH = 4
_run = count()


@dataclass(frozen=True)
class Growth:
    """Seconds at sizes, and the power of the size that theory predicts for large ones."""

    name: str
    sizes: Sequence[int]
    seconds: Sequence[float]
    predicted: str

    @property
    def exponent(self) -> float:
        """The slope between the sizes, on logarithmic scales, of the upper half of them."""
        half = len(self.sizes) // 2 if len(self.sizes) > 3 else 0
        slope, _ = np.polyfit(np.log(self.sizes[half:]), np.log(self.seconds[half:]), 1)
        return float(slope)


def of_contests(name: str, sizes: Sequence[int], contests: Iterable[Contest], predicted: str) -> Growth:
    """How the time of our contestant grows."""
    seconds = []
    for contest in contests:
        ours = contest.alone("ours")
        ours.measure(rounds=7, seconds=5)
        seconds.append(ours.times["ours"])
    return Growth(name, sizes, seconds, predicted)


def chained(layer: str, depth: int) -> tuple[float, float]:
    """Seconds to trace a chain of layers, derive its VJP and compile that, and seconds of a call after that.

    Each time of functions never seen before.
    """
    # other names each time, so that nothing is known of them, and one width, so that caches of memory count alike
    run = next(_run)
    names = [f"W{run}of{k}" for k in range(depth)]
    scope = {"f": functions.chain(np, layer)}
    exec(f"def chain(X, {', '.join(names)}): return f(X, {', '.join(names)})", scope)
    chain: Callable[..., object] = scope["chain"]  # type: ignore[assignment]
    square = np.eye(WIDTH)
    # rows of entries that differ: those that are alike have no variance to divide by, and gradients overflow
    X = np.linspace(-1, 1, 3 * WIDTH).reshape(3, WIDTH)
    start = perf_counter()
    F = tj.trace(chain, X=f"b {WIDTH}", **dict.fromkeys(names, f"{WIDTH} {WIDTH}")).vjp()
    args = X, *[square] * depth, X
    F(*args)
    made = perf_counter() - start
    calls = []
    for _ in range(5):
        start = perf_counter()
        F(*args)
        calls.append(perf_counter() - start)
    return made, min(calls)


def growth(quick: bool) -> list[Growth]:
    """All tables of growth."""
    # the libraries that took part before leave objects by the million, which the collector would go through again and
    # again while a long chain is compiled
    gc.collect()
    gc.freeze()
    sizes = [128, 256, 512] if quick else [128, 256, 512, 1024, 2048]
    tables = [
        of_contests("V3", sizes, WORKLOADS["V3"].contests([(n, n, n) for n in sizes]), "3"),
        of_contests("H1", sizes[:-1], WORKLOADS["H1"].contests(sizes[:-1]), "3"),
    ]
    sizes = [50, 100, 200] if quick else [50, 100, 200, 500]
    tables += [
        of_contests("H2 dense", sizes, list(WORKLOADS["H2"].contests(sizes))[::2], "2"),
        of_contests("H2 core", sizes, list(WORKLOADS["H2"].contests(sizes))[1::2], "1"),
        of_contests("B1 structured", sizes, list(WORKLOADS["B1"].contests(sizes))[1::2], "1"),
    ]
    depths = [1, 10, 100] if quick else [1, 10, 100, 300, 1000]
    for layer in LAYERS:
        runs = [[chained(layer, depth) for _ in range(3 if depth < 100 else 1)] for depth in depths]
        made, called = zip(*([min(times) for times in zip(*each, strict=True)] for each in runs), strict=True)
        tables.append(Growth(f"trace, VJP, compile: chain of {layer} layers", depths, made, "1 (times log n)"))
        tables.append(Growth(f"call of the VJP: chain of {layer} layers", depths, called, "1"))
    return tables
