"""Peak memory of dense Jacobians: inputs, output and a tenth."""

import tracemalloc

import numpy as np
import pytest

import tensorjac as tj
from test_jacobian import softmax

SIZES = {"b": 40, "m": 30, "n": 32, "p": 20, "q": 16, "h": 24, "s": 24, "d": 16, "N": 700}

CASES = {
    "linear by its weights": (lambda X, A: X @ A, {"X": "b m", "A": "m n"}, "A"),
    "linear by its input": (lambda X, A: X @ A, {"X": "b m", "A": "m n"}, "X"),
    "softmax": (softmax, {"X": "b n"}, "X"),
    "layer norm": (
        lambda X: (X - X.mean(-1, keepdims=True)) / X.std(-1, keepdims=True),
        {"X": "b n"},
        "X",
    ),
    "layer": (lambda X, W, V: np.tanh(X @ W) @ V, {"X": "b m", "W": "m h", "V": "h q"}, "X"),
    "Gram matrix": (lambda X: X.T @ X, {"X": "b n"}, "X"),
    "inverse": (lambda X: np.linalg.inv(X), {"X": "n n"}, "X"),
    "A X B": (lambda A, X, B: A @ X @ B, {"A": "p m", "X": "m n", "B": "n q"}, "X"),
    "scaled by its norm": (lambda x: x * (x @ x), {"x": "N"}, "x"),
    "differences": (lambda x: np.diff(x * x), {"x": "N"}, "x"),
    "self-attention": (lambda X: softmax(X @ X.mT) @ X, {"X": "q s d"}, "X"),
    "running sums": (lambda x: np.cumsum(x), {"x": "N"}, "x"),
    "running sums of squares": (lambda x: np.cumsum(x * x), {"x": "N"}, "x"),
    "autoregressive": (lambda W, x: np.tril(W) @ np.tanh(x), {"W": "N N", "x": "N"}, "x"),
    "convolution": (lambda x, w: np.convolve(x, w, "same"), {"x": "N", "w": "5"}, "x"),
    "convolution by its kernel": (lambda w, x: np.convolve(np.tanh(x), w), {"w": "5", "x": "N"}, "w"),
    "reversed": (lambda x: x[::-1] * x, {"x": "N"}, "x"),
}


@pytest.mark.parametrize("name", CASES)
def test_dense_takes_what_it_returns_and_a_tenth(name):
    fun, shapes, wrt = CASES[name]
    rng = np.random.default_rng(0)
    args = [rng.normal(size=[SIZES.get(size) or int(size) for size in shape.split()]) for shape in shapes.values()]
    J = tj.trace(fun, **shapes).jacobian(wrt)
    J.dense(*args)
    tracemalloc.start()
    try:
        dense = J.dense(*args)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 200 kB for the buffers in which NumPy's loops work
    assert peak <= 1.1 * dense.nbytes + sum(array.nbytes for array in args) + 200_000


def test_core_of_what_would_not_fit():
    """Of a dense form of 2 GiB, and of what nobody could store, the core is as large as it is."""
    J = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A")
    X, A = np.ones((512, 512)), np.ones((512, 512))
    tracemalloc.start()
    try:
        ((_, core),) = J.core(X, A)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert core.shape == (512, 512)
    assert peak < 2 * core.nbytes
