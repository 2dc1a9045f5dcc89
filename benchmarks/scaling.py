"""One gradient ∂L/∂A over more rows than fit into memory, by one worker and by two: Dask's processes, JAX's devices.

    python -m benchmarks.scaling [ROWS]

prints, for each, the rows per second and the speed-up (of the shortest of five rounds, in turn), and what travelled. A
worker has one thread, a device one core. Dask's workers draw the rows that they contract; JAX's have theirs already.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any

import numpy as np

import tensorjac as tj

M, N = 64, 32
BLOCK = 2**18
ROUNDS = 5
DEVICES = 2**20  # rows on JAX's devices


def rows(count: int, width: int, seed: int) -> Any:
    """Random rows in blocks, each of which is made in the task that uses it."""
    import dask.array as da

    def make(block_info: Any = None) -> Any:
        (first, last), _ = block_info[None]["array-location"]
        return np.random.default_rng((seed, first)).random((last - first, width), dtype=np.float32)

    sizes = (BLOCK,) * (count // BLOCK)
    return da.map_blocks(make, chunks=(sizes, (width,)), dtype=np.float32, meta=np.ones((0, 0), np.float32))


def by_dask(count: int) -> list[tuple[float, str]]:
    """For one worker and for two: the shortest time, and what they sent."""
    from dask.distributed import Client, LocalCluster

    V = tj.parse("Y = X @ A", X="b m", A="m n").vjp("A")
    gradient = V(rows(count, M, 0), np.ones((M, N), np.float32), rows(count, N, 1))
    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    times: dict[int, list[float]] = {1: [], 2: []}
    with ExitStack() as stack:
        clusters = {k: stack.enter_context(LocalCluster(n_workers=k, **options)) for k in times}
        clients = {k: stack.enter_context(Client(cluster, set_as_default=False)) for k, cluster in clusters.items()}
        for _ in range(ROUNDS):
            for workers, client in clients.items():
                start = time.perf_counter()
                client.compute(gradient).result()
                times[workers].append(time.perf_counter() - start)
        logs = {k: client.run(_sent) for k, client in clients.items()}
    return [(min(times[k]), _travelled([each for own in logs[k].values() for each in own])) for k in times]


def _sent(dask_worker: Any) -> list[int]:
    return [each["total"] for each in dask_worker.transfer_outgoing_log]


def _travelled(sent: list[int]) -> str:
    size = M * N * 4
    return f"{sum(sent) / size / ROUNDS:.0f} arrays of {M} × {N}, at most {max(sent) / size:.0f} in a message"


DEVICE = """
import os, sys, time

devices = int(sys.argv[1])
if hasattr(os, "sched_setaffinity"):  # else one device computes with all cores
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:devices])
import jax, numpy as np, tensorjac as tj
from jax.sharding import Mesh, NamedSharding, PartitionSpec

rounds, b, m, n = map(int, sys.argv[2:])
mesh = Mesh(np.array(jax.devices()), ("rows",))
over = NamedSharding(mesh, PartitionSpec("rows"))
V = tj.parse("Y = X @ A", X="b m", A="m n").vjp("A")
rng = np.random.default_rng(0)
X, G = (jax.device_put(rng.random((b, width), dtype="f4"), over) for width in (m, n))
A = jax.device_put(np.ones((m, n), "f4"), NamedSharding(mesh, PartitionSpec()))
compiled = jax.jit(lambda *args: V(*args)).lower(X, A, G).compile()
times = []
for _ in range(rounds + 1):
    start = time.perf_counter()
    compiled(X, A, G).block_until_ready()
    times.append(time.perf_counter() - start)
print(min(times[1:]), compiled.as_text().count(" all-reduce("))
"""


def by_jax() -> list[tuple[float, str]]:
    """For one device and for two: the shortest time, and what they exchanged."""
    times: dict[int, list[float]] = {1: [], 2: []}
    exchanged = {}
    for _ in range(ROUNDS):
        for devices in times:
            flags = f"--xla_force_host_platform_device_count={devices}"
            command = [sys.executable, "-c", DEVICE, *map(str, (devices, 10, DEVICES, M, N))]
            environment = {**os.environ, "XLA_FLAGS": flags}
            run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            seconds, reductions = run.stdout.split()
            times[devices].append(float(seconds))
            exchanged[devices] = f"{reductions} all-reduce of {M} × {N}"
    return [(min(times[k]), exchanged[k]) for k in times]


def main(count: int) -> None:
    for name, total, found in (("Dask, workers", count, by_dask(count)), ("JAX, devices", DEVICES, by_jax())):
        print(f"| {name} | million rows/s | speed-up | what travels |\n|---|---|---|---|")
        for workers, (seconds, travelled) in enumerate(found, 1):
            speed, gain = total / seconds / 1e6, found[0][0] / seconds
            print(f"| {workers} | {speed:.1f} | {gain:.2f} | {travelled} |")
        print()


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main(int(float(sys.argv[1])) if sys.argv[1:] else 2**24)
