"""Convolutions and windows: written one diagonal after the other, cut where the output or the input ends."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import tensorjac as tj
from oracles import assert_close, finite_difference_jacobian

VECTORS = {"x": "n", "c": "c"}
IMAGE = {"X": "n m", "C": "2 3"}

CASES = {
    "same": (lambda x, c: np.convolve(x, c, "same"), VECTORS),
    "full": (lambda x, c: np.convolve(x * x, c), VECTORS),
    "valid": (lambda x, c: np.convolve(x, c, "valid"), VECTORS),
    "correlation": (lambda x, c: np.correlate(x, np.exp(c), "same"), VECTORS),
    "full correlation": (lambda x, c: np.correlate(x, c, "full"), VECTORS),
    "a layer": (lambda x, c: np.tanh(np.convolve(x, c, "same")) * x, VECTORS),
    "itself": (lambda x, c: np.convolve(x, x, "same") * x + np.sum(c), VECTORS),
    "strided": (lambda x, w: np.einsum("ik,k->i", sliding_window_view(x, 3)[::2], w), {"x": "n", "w": "3"}),
    "padded and strided": (lambda x, w: np.convolve(np.pad(x, 1)[::2], w, "same"), {"x": "n", "w": "3"}),
    "dilated": (lambda x, w: w[0] * x[4:] + w[1] * x[2:-2] + w[2] * x[:-4], {"x": "n", "w": "3"}),
    "repeated and reversed": (lambda x, c: np.repeat(x[1:][::-1], 2) * np.sum(c), VECTORS),
    "every other one reversed": (lambda X, C: np.repeat(np.sin(X[::2])[::-1, 1:], 3, axis=1) * np.sum(C), IMAGE),
    "an image": (lambda X, C: np.einsum("ijkl,kl->ij", sliding_window_view(X, (2, 3)), C), IMAGE),
}
# the window shorter than, as long as and longer than what it slides over, both parities
SIZES = [(9, 4, 7), (8, 5, 8), (5, 5, 6), (4, 9, 5), (6, 20, 5), (40, 5, 31)]


@pytest.mark.parametrize("name", CASES)
def test_dense_is_sparse_and_the_differences(name):
    fun, shapes = CASES[name]
    F = tj.trace(fun, **shapes)
    jacobians = {wrt: F.jacobian(wrt) for wrt in shapes}
    tried = 0
    for n, c, m in SIZES:
        sizes = {"n": n, "c": c, "m": m}
        rng = np.random.default_rng(0)
        args = {k: rng.normal(size=[sizes.get(s) or int(s) for s in v.split()]) for k, v in shapes.items()}
        try:
            fun(**args)
        except ValueError:  # slices of two windows that do not fit
            with pytest.raises(tj.ShapeError):
                F(**args)
            continue
        np.testing.assert_allclose(F(**args), fun(**args), rtol=1e-12, atol=1e-12)
        tried += 1
        for wrt, J in jacobians.items():
            dense = J.dense(**args)
            assert np.allclose(dense, J.sparse(**args).toarray().reshape(dense.shape), rtol=1e-13)
            assert_close(dense, *finite_difference_jacobian(fun, args, wrt))
    assert tried >= 2


def test_a_window_is_walked_along():
    J = tj.trace(lambda x, c: np.convolve(x, c, "same"), x="n", c="c").jacobian("x")
    assert J.source() == (
        "def dY_dx(x, c_):\n"
        "    n = x.shape[0]\n"
        "    c = c_.shape[0]\n"
        "    dtype = np.result_type(x, c_)\n"
        "    out = np.zeros((n, n), dtype=dtype)\n"
        "    for k in range(c):\n"
        "        start = -((c - 1)//2) + k\n"
        "        first = max(-start, 0)\n"
        "        last = max(first, min(n, n - start))\n"
        '        np.einsum("ii->i", out[start + first:start + last, first:last])[...] += c_[k]\n'
        "    return out\n"
    )
