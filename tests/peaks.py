"""Peak memory of dense Jacobians and Hessians, as the kernel sees it: run as a program, prints those of a table.

Each line is a name, the bytes of inputs and of the Jacobian, and by how much its process grew while it was computed.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import tensorjac as tj

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def softmax(X):
    E = np.exp(X)
    return E / E.sum(axis=-1, keepdims=True)


def layer_norm(X, gamma):
    D = X - X.mean(-1, keepdims=True)
    return D / np.sqrt((D * D).mean(-1, keepdims=True) + 1e-5) * gamma


def gated(X, h, W, U):
    r = 1 / (1 + np.exp(-X @ W))
    return np.tanh((r * h) @ U) * h


def batch_norm(X, W):
    D = X @ W - (X @ W).mean(0)
    return np.tanh(D / np.sqrt((D * D).mean(0) + 1e-5)).mean(0)


def transported(C):
    K = np.exp(-C)
    v = 1 / (K.T @ (1 / K.sum(1)))
    return ((1 / (K @ v))[:, None] * K * v * C).sum()


# Inputs or results of 10 to 30 MB: what stays of the noise of a process is less than the tenth that is allowed.
SIZES = {
    "b": 48,
    "m": 40,
    "n": 40,
    "p": 40,
    "q": 36,
    "h": 44,
    "s": 36,
    "d": 36,
    "N": 1500,
    "M": 120_000,
    "f": 20,
    "g": 24,
    "B": 1600,
    "D": 1000,
    "E": 2000,
}

CASES = {
    "linear by its weights": (lambda X, A: X @ A, {"X": "b m", "A": "m n"}, "A"),
    "linear by its input": (lambda X, A: X @ A, {"X": "b m", "A": "m n"}, "X"),
    "softmax": (softmax, {"X": "b n"}, "X"),
    "softmax of one row": (softmax, {"X": "N"}, "X"),
    "layer norm": (layer_norm, {"X": "b n", "gamma": "n"}, "X"),
    "two layers": (lambda X, W, V: np.tanh(X @ W) @ V, {"X": "b m", "W": "m h", "V": "h q"}, "X"),
    "two layers by the weights": (lambda X, W, V: np.tanh(X @ W) @ V, {"X": "b m", "W": "m h", "V": "h q"}, "W"),
    "rows of length one": (lambda X, W: X @ W / np.linalg.norm(X @ W, axis=1)[:, None], {"X": "b m", "W": "m n"}, "W"),
    "recurrent gate": (gated, {"X": "b m", "h": "b n", "W": "m n", "U": "n n"}, "W"),
    "broadcast": (lambda P, W: np.exp(P @ W).reshape(50, 128, 16), {"P": "50 2", "W": "2 2048"}, "P"),
    "Gram matrix": (lambda X: X.T @ X, {"X": "b n"}, "X"),
    "covariance": (lambda X: (X - X.mean(0)).T @ (X - X.mean(0)), {"X": "b n"}, "X"),
    "inverse": (lambda X: np.linalg.inv(X), {"X": "n n"}, "X"),
    "inverse of a sum of products": (lambda A: np.linalg.inv(A @ A + A), {"A": "n n"}, "A"),
    "Cholesky factor": (lambda A: np.linalg.cholesky(A @ A.T), {"A": "n n"}, "A"),
    "A X B": (lambda A, X, B: A @ X @ B, {"A": "p m", "X": "m n", "B": "n q"}, "X"),
    "powers of a matrix": (lambda A, X: A @ (A @ (A @ X)), {"A": "n n", "X": "n q"}, "A"),
    "optimal transport": (
        lambda C, u: np.exp(C) * u / (np.exp(C) * u).sum(0) / u.sum(),
        {"C": "m n", "u": "n"},
        "C",
    ),
    "scaled by its norm": (lambda x: x * (x @ x), {"x": "N"}, "x"),
    "differences": (lambda x: np.diff(x * x), {"x": "N"}, "x"),
    "self-attention": (lambda X: softmax(X @ X.mT) @ X, {"X": "s d"}, "X"),
    "running sums": (lambda x: np.cumsum(x), {"x": "N"}, "x"),
    "running sums of squares": (lambda x: np.cumsum(x * x), {"x": "N"}, "x"),
    "autoregressive": (lambda W, x: np.tril(W) @ np.tanh(x), {"W": "N N", "x": "N"}, "x"),
    "convolution": (lambda x, w: np.convolve(x, w, "same"), {"x": "N", "w": "5"}, "x"),
    "convolution by its kernel": (lambda w, x: np.convolve(np.tanh(x), w), {"w": "16", "x": "M"}, "w"),
    "reversed": (lambda x: x[::-1] * x, {"x": "N"}, "x"),
    # temporaries larger than the result
    "coupled oscillators": (lambda t, K: (K * np.sin(t - t[:, None])).mean(1), {"t": "N", "K": "N N"}, "t"),
    "kernel sums": (lambda x, y: np.exp(-((x[:, None] - y) ** 2)).sum(1), {"x": "N", "y": "N"}, "x"),
    "kernel averages": (lambda x, y, v: np.exp(-((x[:, None] - y) ** 2)) @ v, {"x": "N", "y": "N", "v": "N"}, "y"),
    "transport cost": (transported, {"C": "N N"}, "C"),
    "mean over a batch": (lambda X, W: np.tanh(X @ W).mean(0), {"X": "M f", "W": "f g"}, "W"),
    "mean over a normalised batch": (batch_norm, {"X": "M f", "W": "f g"}, "W"),
    "pooled by attention": (lambda X, w: softmax(X @ w) @ np.tanh(X), {"X": "M f", "w": "f"}, "w"),
    # Hessians
    "logistic loss of twice as many rows": (
        lambda X, y, w: np.log(1 + np.exp(-y * (X @ w))).sum(),
        {"X": "E D", "y": "E", "w": "D"},
        "w w",
    ),
    "logistic loss": (lambda X, y, w: np.log(1 + np.exp(-y * (X @ w))).sum(), {"X": "B B", "y": "B", "w": "B"}, "w w"),
    "mean of sines, and a penalty": (
        lambda X, w: np.sin(X @ w).mean() + 0.1 * (w @ w),
        {"X": "B B", "w": "B"},
        "w w",
    ),
}


def status(line):
    """A figure of the process in bytes: VmRSS is what is resident, VmHWM the most that was."""
    return next(int(each.split()[1]) for each in STATUS.read_text().splitlines() if each.startswith(line)) * 1024


def grown(name):
    """The sizes of inputs and of the dense Jacobian, and how much memory was taken at most while it was made."""
    fun, shapes, wrt = CASES[name]
    rng = np.random.default_rng(0)
    args = [rng.normal(size=[SIZES.get(size) or int(size) for size in text.split()]) for text in shapes.values()]
    F, names = tj.trace(fun, **shapes), wrt.split()
    J = F.hessian(*names) if len(names) > 1 else F.jacobian(wrt)
    J.dense(*args)
    CLEAR.write_text("5")
    before = status("VmRSS")
    size = J.dense(*args).nbytes
    return sum(each.nbytes for each in args), size, status("VmHWM") - before


def measured():
    """The peaks of a process of its own, in which every large array is given back at once."""
    settings = {"MALLOC_MMAP_THRESHOLD_": "65536", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = [sys.executable, __file__]
    found = subprocess.run(run, env={**os.environ, **settings}, check=True, capture_output=True, text=True)
    rows = (line.split("\t") for line in found.stdout.splitlines())
    return {name: tuple(map(int, figures)) for name, *figures in rows}


if __name__ == "__main__":
    for each in CASES:
        print(each, *grown(each), sep="\t", flush=True)
