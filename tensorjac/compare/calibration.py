"""The rates of this machine: most measured in about a second and kept, those of products when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from hashlib import sha256
from math import prod
from mmap import mmap
from time import get_clock_info, perf_counter, process_time
from typing import Any

import numpy as np

from .machine import cache_folder, machine, threads
from .model import Curve, Model, Product

# Changes with what is measured: rates that were kept by an older version are measured again.
FORM = 11
# What one thread does is timed by the processor's clock, which other processes do not disturb; products have several.
CLOCK = process_time if get_clock_info("process_time").resolution < 1e-6 else perf_counter
PRODUCTS = CLOCK if threads() == 1 else perf_counter
LAYOUTS = ("NN", "NT", "TN", "TT")
# A side of this length is long: one beyond is timed at a length that leaves as many over beside blocks, this or what
# makes so many multiplications, more than those products have for which a BLAS has kernels of its own, in matrices of
# so many numbers at most.
LONG, BLOCK, MANY, LARGE = 256, 64, 2**21, 2**18
# So many samples are taken at most, for so many seconds.
PATIENCE, LONGEST = 24, 0.1
# Numbers in a matrix of a stack that is timed; there are two matrices at least.
STACKED = 2**16


@cache
def model() -> Model:
    """The model of this machine: what was kept of an earlier measurement, else measured now."""
    name = sha256(repr((FORM, sorted(machine().items()))).encode()).hexdigest()[:16]
    path = cache_folder() / f"rates-{name}.json"
    try:
        return _with(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        measured = calibrated()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(measured))
    except OSError:
        pass  # measured again next time
    return _with(measured)


def _with(rates: Mapping[str, Any]) -> Model:
    """A model with the rates that ``calibrated`` has measured, and with those of products as they are asked for."""
    calls = dict(rates["calls"])
    curves = {name: tuple((float(a), float(b)) for a, b in rates[name]) for name in ("moved", "across", "fresh")}
    product = cache(partial(product_rate, calls))
    return Model(
        calls,
        dict(rates["loops"]),
        **curves,
        work=dict(rates["work"]),
        fastest=float(rates["fastest"]),
        product=product,
    )


def calibrated() -> dict[str, Any]:
    """Measure: calls on tiny arrays, large products, additions that fit into a cache and that do not."""
    rng = np.random.default_rng(0)
    tiny, matrix = rng.random(4), rng.random((4, 4))
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
    turned = _seconds(lambda: np.tensordot(matrix, matrix, axes=(1, 0)))
    call["tensordot"] = max(turned - call["dot"] - 5 * call["view"], 0.0)
    large = [("product", (1, n, n, n), layout, 8) for n in (64, 128, 256) for layout in LAYOUTS]
    fastest = min(product_rate(call, product) for product in large)
    loops, work = _loops(rng, call), _work(rng, call)
    return {"calls": call, "loops": loops, **_memory(rng, call), "work": work, "fastest": fastest}


def product_rate(calls: Mapping[str, float], product: Product) -> float:
    """Seconds per operation of a product of matrices, its call not counted: of one that is no longer than ``LONG``.

    No formula says which sizes suit a BLAS: by how many rows are left over beside its blocks, by how the operands lie
    and by which of its kernels it takes for small matrices, neighbours differ by a factor of two.
    """
    kind, (batch, *sides), layout, itemsize = product
    rows, columns, summed = _shortened(sides)
    count = min(batch, max(2, STACKED // max(rows * columns, rows * summed, summed * columns)))
    dtype = np.dtype(f"f{itemsize}")
    a, b = (
        _matrices(count, *shape, lies, dtype)
        for shape, lies in zip(((rows, summed), (summed, columns)), layout, strict=True)
    )
    out = _matrices(count, rows, columns, "N", dtype)
    if kind == "dot":
        run = partial(a[0].dot, b[0], out[0])
    else:
        run = partial(np.matmul, a if count > 1 else a[0], b if count > 1 else b[0], out if count > 1 else out[0])
    return max(_seconds(run, PRODUCTS, 1e-3) - calls[kind], 0.0) / (2 * count * rows * columns * summed)


def _shortened(sides: Sequence[int]) -> list[int]:
    """The sides of a product that takes as long for each operation, and not long.

    >>> _shortened([7, 200, 255]), _shortened([1000, 2000, 3000]), _shortened([100_003, 225, 9])
    ([7, 200, 255], [296, 272, 312], [1059, 225, 9])
    """
    found = list(sides)
    for place in sorted(range(len(found)), key=found.__getitem__, reverse=True):
        others = found[:place] + found[place + 1 :]
        enough = max(LONG, min(MANY // prod(others), LARGE // max(others)))
        if found[place] > enough + BLOCK:
            found[place] = enough // BLOCK * BLOCK + found[place] % BLOCK
    return found


def _matrices(count: int, rows: int, columns: int, lies: str, dtype: Any) -> np.ndarray[Any, Any]:
    """A stack of matrices whose rows or whose columns lie in one piece, in memory that is given back at once."""
    shape = (count, rows, columns) if lies == "N" else (count, columns, rows)
    array = np.frombuffer(mmap(-1, prod(shape) * dtype.itemsize), dtype).reshape(shape)
    array[...] = 0.5
    return array if lies == "N" else array.swapaxes(1, 2)


def _memory(rng: np.random.Generator, call: dict[str, float]) -> dict[str, Curve]:
    """Seconds per byte of an addition in place, of one of a transposed array, and what new memory adds to the first."""
    moved, across, fresh = [], [], []
    # memory of more than 32 MiB always comes from the system, where C's allocator is glibc's
    for size in (2**11, 2**15, 2**18, 2**21, 2**24, 5 * 2**23):
        a, b = rng.random(size // 8), rng.random(size // 8)
        inside = max(_seconds(partial(np.add, a, b, out=a)) - call["elementwise"], 1e-10)
        anew = max(_seconds(partial(np.add, a, b)) - call["elementwise"], 1e-10)
        moved.append((3.0 * size, inside / (3 * size)))
        fresh.append((float(size), max(anew - inside, 0.0) / size))
    for side in (16, 60, 250, 1000):  # no powers of two, at which columns get into each other's way
        square, other = rng.random((side, side)), rng.random((side, side)).T
        turned = max(_seconds(partial(np.add, square, other, out=square)) - call["elementwise"], 1e-10)
        across.append((24.0 * side**2, turned / (24 * side**2)))
    return {"moved": tuple(moved), "across": tuple(across), "fresh": tuple(fresh)}


def _loops(rng: np.random.Generator, call: dict[str, float]) -> dict[str, float]:
    """Seconds for each row of few entries, which NumPy goes through in a loop of its own."""
    rows, column, many = rng.random((1024, 4)), rng.random((1024, 1)), rng.random(1024)
    timed: dict[str, Callable[[], Any]] = {
        "elementwise": lambda: np.subtract(rows, column, out=rows),
        "sum": lambda: rows.sum(axis=1),
        "inner": lambda: np.vecdot(rows, rows),
        "einsum": lambda: np.einsum("i,i->i", many, many),
    }
    return {kind: max(_seconds(run) - call[kind], 1e-10) / len(rows) for kind, run in timed.items()}


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
    """The shortest time of a call, over about this many seconds, or longer until nothing else disturbs it."""
    run()
    start = clock()
    run()
    once = max(clock() - start, 1e-8)
    inside = max(1, int(budget / 8 / once))
    samples = [once]
    end = perf_counter() + LONGEST
    while len(samples) < 3 or (perf_counter() < end and _doubtful(samples)):
        start = clock()
        for _ in range(inside):
            run()
        samples.append((clock() - start) / inside)
    return min(samples)


def _doubtful(samples: list[float]) -> bool:
    """Whether something may have disturbed all samples: they are few, or no other is about as short as the shortest."""
    return len(samples) < 8 or (len(samples) < PATIENCE and sorted(samples)[1] > 1.05 * min(samples))
