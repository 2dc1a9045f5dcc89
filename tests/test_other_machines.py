"""Larger than memory and on several machines: Dask's workers and JAX's devices, of which only partial sums travel."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import tensorjac as tj
from libraries import each

ROOT = Path(__file__).parent.parent
ROWS, M, N, BLOCKS = 8_000_000, 4, 3, 16


def rows(width, seed):
    """Blocks of rows that are made where they are used, X and G of one block in one task."""
    import dask.array as da

    def make(block_info=None):
        (first, last), _ = block_info[None]["array-location"]
        return np.random.default_rng((seed, first)).standard_normal((last - first, width))

    sizes = (ROWS // BLOCKS,) * BLOCKS
    return da.map_blocks(make, chunks=(sizes, (width,)), dtype=float, meta=np.ones((0, 0)))


def gradient():
    V = tj.parse("Y = X @ A", X="b m", A="m n").vjp("A")
    return V(rows(M, 0), np.ones((M, N)), rows(N, 1))


@each("dask")
def test_blocks_are_contracted_where_they_are(library):
    """One task for each block, whatever there was to load, transpose and multiply, and a tree of sums above."""
    import dask

    (plan,) = dask.optimize(gradient())
    assert plan.chunks == ((M,), (N,))
    assert BLOCKS < len(plan.__dask_graph__()) < 2 * BLOCKS


@pytest.mark.skipif(not find_spec("distributed") or not find_spec("array_api_compat"), reason="needs distributed")
def test_two_workers():
    """Of 448 MB nothing travels but sums of m × n numbers, one for a block at the most."""
    from dask.distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(**options, memory_limit="1GB") as cluster, Client(cluster) as client:
        found = gradient().compute()
        logs = client.run(lambda dask_worker: [dict(each) for each in dask_worker.transfer_outgoing_log])
    expected = np.zeros((M, N))
    for first in range(0, ROWS, ROWS // BLOCKS):
        X, G = (
            np.random.default_rng((seed, first)).standard_normal((ROWS // BLOCKS, width))
            for width, seed in ((M, 0), (N, 1))
        )
        expected += X.T @ G
    assert np.allclose(found, expected, rtol=1e-9)
    assert len(logs) == 2
    for sent in logs.values():
        pieces = [len(each["keys"]) for each in sent]
        assert [each["total"] for each in sent] == [count * M * N * 8 for count in pieces]
        # and the one that has the whole sum sends that to who asked for it
        assert sum(pieces) <= BLOCKS + 1


SHARDED = """
import re
import jax
import numpy as np
import tensorjac as tj
from jax.sharding import Mesh, NamedSharding, PartitionSpec

mesh = Mesh(np.array(jax.devices()), ("rows",))
rows, everywhere = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("rows",), ()))

def loss(X, A, T):
    Z = X @ A
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return -(T * np.log(E / E.sum(axis=1, keepdims=True))).sum(axis=1).mean()

F = tj.trace(loss, X="b m", A="m n", T="b n")
rng = np.random.default_rng(0)
X, A = rng.normal(size=(64, 4)).astype("f4"), rng.normal(size=(4, 3)).astype("f4")
T = np.eye(3, dtype="f4")[rng.integers(3, size=64)]
args = [jax.device_put(X, rows), jax.device_put(A, everywhere), jax.device_put(T, rows)]
for V in (F, F.grad("A"), F.hessian("A"), F.grad("X")):
    compiled = jax.jit(lambda *args: V(*args)).lower(*args).compile()
    out = compiled(*args)
    error = np.max(np.abs(np.asarray(out) - V(X, A, T)))
    moved = re.findall(r"= .*?(all-[a-z]+|reduce-scatter|collective-permute)\\(", compiled.as_text())
    print(len(jax.devices()), out.sharding.spec == rows.spec, *moved, "right" if error < 1e-5 else error)
"""


@each("jax")
def test_two_devices(library):
    """Rows on two devices: what is summed over the rows is added up once, what has rows stays where it is."""
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SHARDED]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "2 False all-reduce right",
        "2 False all-reduce right",
        "2 False all-reduce right",
        "2 True right",
    ]
