"""The rates of this machine, measured in about a second and kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial
from hashlib import sha256
from itertools import product
from time import get_clock_info, perf_counter, process_time
from typing import Any

import numpy as np

from .machine import cache_folder, machine, threads
from .model import SIZES, Curve, Model

# Changes with what is measured: rates that were kept by an older version are measured again.
FORM = 5
# What one thread does is timed by the processor's clock, which other processes do not disturb; products have several.
CLOCK = process_time if get_clock_info("process_time").resolution < 1e-6 else perf_counter
PRODUCTS = CLOCK if threads() == 1 else perf_counter
LAYOUTS = ("NN", "NT", "TN", "TT")
ROUNDS = 2


@cache
def model() -> Model:
    """The model of this machine: what was kept of an earlier measurement, else measured now."""
    name = sha256(repr((FORM, sorted(machine().items()))).encode()).hexdigest()[:16]
    path = cache_folder() / f"rates-{name}.json"
    try:
        return _read(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        measured = calibrated()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(measured)))
    except OSError:
        pass  # measured again next time
    return measured


def _read(kept: dict[str, Any]) -> Model:
    moved, fresh = (tuple((float(a), float(b)) for a, b in kept[name]) for name in ("moved", "fresh"))
    return Model(dict(kept["calls"]), dict(kept["product"]), moved, fresh, dict(kept["work"]))


def calibrated() -> Model:
    """Measure: calls on tiny arrays, products of many shapes, additions that fit into a cache and that do not."""
    rng = np.random.default_rng(0)
    tiny, matrix = rng.random(4), rng.random((4, 4))
    stack = rng.random((256, 4, 4))
    call = {
        "elementwise": _seconds(lambda: tiny + tiny),
        "slow": _seconds(lambda: np.exp(tiny)),
        "copy": _seconds(lambda: tiny.copy()),
        "zeros": _seconds(lambda: np.zeros(4)),
        "sum": _seconds(lambda: tiny.sum(axis=0)),
        "product": _seconds(lambda: matrix @ matrix),
        "dot": _seconds(lambda: matrix.dot(matrix)),
        "view": _seconds(lambda: matrix.T),
        "inner": _seconds(lambda: np.vecdot(tiny, tiny)),
        "einsum": _seconds(lambda: np.einsum("i,i->i", tiny, tiny)),
        "linalg": _seconds(lambda: np.linalg.inv(matrix)),
    }
    call["batch"] = max(_seconds(lambda: stack @ stack) - call["product"], 0.0) / 255
    return Model(call, _products(rng, call["dot"]), *_memory(rng, call), _work(rng, call))


def _products(rng: np.random.Generator, call: float) -> dict[str, list[float]]:
    """By the layout of the operands, seconds per operation of products of all shapes."""
    rates: dict[str, list[float]] = {}
    for layout in LAYOUTS:
        # one after the other, so that what disturbs one round does not disturb the next
        rounds = [[_product(rng, call, layout, *shape) for shape in product(SIZES, repeat=3)] for _ in range(ROUNDS)]
        rates[layout] = list(map(min, *rounds))
    # of small ones little is left beside the call, and no small one is faster than a large one
    least = min(found[-1] for found in rates.values())
    return {layout: [max(rate, least) for rate in found] for layout, found in rates.items()}


def _product(rng: np.random.Generator, call: float, layout: str, rows: int, columns: int, summed: int) -> float:
    a, b = rng.random((rows, summed)), rng.random((summed, columns))
    a, b = (np.asfortranarray(x) if lies == "T" else x for x, lies in zip((a, b), layout, strict=True))
    return (_seconds(partial(a.dot, b), PRODUCTS, 4e-4) - call) / (2 * rows * columns * summed)


def _memory(rng: np.random.Generator, call: dict[str, float]) -> tuple[Curve, Curve]:
    """Seconds per byte of an addition in place, and what new memory adds to that."""
    moved, fresh = [], []
    # memory of more than 32 MiB always comes from the system, where C's allocator is glibc's
    for size in (2**11, 2**15, 2**18, 2**21, 2**24, 5 * 2**23):
        a, b = rng.random(size // 8), rng.random(size // 8)
        inside = max(_seconds(partial(np.add, a, b, out=a)) - call["elementwise"], 1e-10)
        anew = max(_seconds(partial(np.add, a, b)) - call["elementwise"], 1e-10)
        moved.append((3.0 * size, inside / (3 * size)))
        fresh.append((float(size), max(anew - inside, 0.0) / size))
    return tuple(moved), tuple(fresh)


def _work(rng: np.random.Generator, call: dict[str, float]) -> dict[str, float]:
    """Seconds per operation of what is neither a matrix product nor limited by memory."""
    x, square = rng.random(4096), rng.random((96, 96)) + 96 * np.eye(96)
    a, b = rng.random((24, 24)), rng.random((24, 24))
    rows = x.reshape(64, 64)
    timed: dict[str, tuple[Callable[[], Any], float]] = {
        "slow": (lambda: np.exp(x), x.size),
        "sum": (lambda: rows.sum(axis=0), x.size),
        "inner": (lambda: np.vecdot(rows, rows), 2 * x.size),
        "einsum": (lambda: np.einsum("ik,kj,jk->i", a, b, a), 3 * 24**3),
        "linalg": (lambda: np.linalg.inv(square), 2 * 96**3),
    }
    return {kind: max(_seconds(run) - call[kind], 1e-10) / flops for kind, (run, flops) in timed.items()}


def _seconds(run: Callable[[], Any], clock: Callable[[], float] = CLOCK, budget: float = 0.008) -> float:
    """The shortest time of a call, over about this many seconds."""
    run()
    start = clock()
    run()
    once = max(clock() - start, 1e-8)
    inside = max(1, int(budget / 8 / once))
    best = once
    for _ in range(8 if once < budget else 1):
        start = clock()
        for _ in range(inside):
            run()
        best = min(best, (clock() - start) / inside)
    return best
