"""Jacobians of networks, composed layer by layer: every form against the product of dense ones, and what is kept."""

import time

import numpy as np
import pytest
from scipy import special

import tensorjac as tj
from oracles import assert_close

SIZES = {"b": 4, "m": 5, "n": 6, "k": 3, "s": 4, "d": 6, "t": 7, "t-2": 5, "2*c": 4, "c": 2, "2*e": 6}


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def softmax(Z):
    E = np.exp(Z - Z.max(-1, keepdims=True))
    return E / E.sum(-1, keepdims=True)


def normalised(X):
    D = X - X.mean(-1, keepdims=True)
    return D / np.sqrt((D * D).mean(-1, keepdims=True) + 1e-5)


def root_mean_square(X):
    return X / np.sqrt((X * X).mean(-1, keepdims=True) + 1e-6)


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def step(H, X, W, U):
    return np.tanh(H @ W + X @ U)


STEP = {"X": "b m", "W": "n n", "U": "m n"}
ROWS, DENSE, DIAGONAL = "block-diagonal over i", "", "diagonal"

# What the structure begins with, and the layers in the order in which they are applied; the first input of each is
# what the one before gives.
NETWORKS = {
    "layer norm and GELU": (
        ROWS,
        (lambda X, W, a: X @ W + a, {"X": "b m", "W": "m n", "a": "n"}),
        (lambda H, g, c: normalised(H) * g + c, {"H": "b n", "g": "n", "c": "n"}),
        (lambda A: A * (1 + special.erf(A / np.sqrt(2))) / 2, {"A": "b n"}),
        (lambda Z, V: Z @ V, {"Z": "b n", "V": "n k"}),
    ),
    "residuals before a softmax": (
        ROWS,
        (lambda X, g: X + np.tanh(root_mean_square(X) * g), {"X": "b m", "g": "m"}),
        (lambda H, W: H + np.maximum(H @ W, 0) @ W.T, {"H": "b m", "W": "m n"}),
        (softmax, {"Z": "b m"}),
    ),
    "gated unit": (
        ROWS,
        (lambda X, g: root_mean_square(X) * g, {"X": "b m", "g": "m"}),
        (lambda H, W, U: (H @ W) * sigmoid(H @ W) * (H @ U), {"H": "b m", "W": "m n", "U": "m n"}),
        (lambda Z, V: Z @ V, {"Z": "b n", "V": "n m"}),
        (lambda P: P - np.log(np.exp(P).sum(1, keepdims=True)), {"P": "b m"}),
    ),
    "cosine similarity": (
        ROWS,
        (unit, {"X": "b m"}),
        (lambda U, C: U @ unit(C).T, {"U": "b m", "C": "k m"}),
        (lambda T: np.exp(5 * T), {"T": "b k"}),
        (lambda Z: Z / Z.sum(1, keepdims=True), {"Z": "b k"}),
    ),
    "recurrent steps": (
        ROWS,
        (lambda H0, X, W, U: step(H0, X, W, U), {"H0": "b n", **STEP}),
        (lambda H1, X, W, U: step(H1, X, W, U), {"H1": "b n", **STEP}),
        (lambda H2, V: H2 @ V, {"H2": "b n", "V": "n k"}),
    ),
    "pooled, and summed up backwards": (
        ROWS,
        (lambda X: X.reshape(X.shape[0], -1, 2).max(-1), {"X": "b 2*c"}),
        (lambda H, W: np.tanh(H @ W), {"H": "b c", "W": "c n"}),
        (lambda Z: Z[:, ::-1].cumsum(1), {"Z": "b n"}),
    ),
    "elementwise": (
        DIAGONAL,
        (lambda X: np.exp(-(X**2)), {"X": "b m"}),
        (lambda A: np.log1p(A), {"A": "b m"}),
        (lambda Z, s: Z * s, {"Z": "b m", "s": "m"}),
    ),
    "attention and a residual": (
        DENSE,
        (
            lambda X, Q, K, V: X + softmax((X @ Q) @ (X @ K).T / np.sqrt(Q.shape[1])) @ (X @ V),
            {"X": "s d", "Q": "d n", "K": "d n", "V": "d d"},
        ),
        (lambda H, g: normalised(H) * g, {"H": "s d", "g": "d"}),
        (lambda Z, W: np.maximum(Z @ W, 0), {"Z": "s d", "W": "d k"}),
    ),
    "heads of attention": (
        DENSE,
        (lambda X, W: (X @ W).reshape(X.shape[0], 2, -1).transpose(1, 0, 2), {"X": "s d", "W": "d 2*e"}),
        (lambda H: softmax(H @ H.mT) @ H, {"H": "2 s k"}),
        (lambda Z: Z.transpose(1, 0, 2).reshape(Z.shape[1], -1), {"Z": "2 s k"}),
    ),
    "convolution, rectified and averaged": (
        DENSE,
        (lambda X, w: np.stack([np.convolve(row, w, "valid") for row in X]), {"X": "2 t", "w": "3"}),
        (lambda H: np.maximum(H, 0), {"H": "2 t-2"}),
        (lambda A: A.mean(1), {"A": "2 t-2"}),
    ),
    "batch norm": (
        DENSE,
        (lambda X, W: X @ W, {"X": "b m", "W": "m n"}),
        (lambda H: (H - H.mean(0)) / np.sqrt(H.var(0) + 1e-5), {"H": "b n"}),
        (lambda A: np.maximum(A, 0), {"A": "b n"}),
    ),
}


def composed(layers):
    """The Jacobian of the network, its arguments, and the product of the dense Jacobians of the layers."""
    rng = np.random.default_rng(0)
    whole, dense, args, flow = None, None, {}, None
    for fun, shapes in layers:
        first = next(iter(shapes))
        for name, text in shapes.items():
            shape = [SIZES.get(size) or int(size) for size in text.split()]
            args[name] = flow if name == first and flow is not None else args.get(name, rng.normal(size=shape) / 2)
        F = tj.trace(fun, **shapes)
        own = {name: args[name] for name in shapes}
        J = F.jacobian(first)
        block = J.dense(**own)
        dense = block if dense is None else np.tensordot(block, dense, own[first].ndim)
        whole = J if whole is None else J.compose(whole)
        flow = F(**own)
    return whole, {name: args[name] for name in whole.inputs}, dense.reshape(flow.size, -1)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network(name):
    begins, *layers = NETWORKS[name]
    J, args, wanted = composed(layers)
    rows, columns = wanted.shape
    found = J.dense(**args)
    assert_close(found.reshape(wanted.shape), wanted, 1e-12)
    assert_close(J.sparse(**args).toarray(), wanted, 1e-12)
    operator = J.operator(**args)
    assert_close(operator @ np.eye(columns), wanted, 1e-12)
    assert_close(operator.rmatmat(np.eye(rows)), wanted.T, 1e-12)
    assert_close(J.matrix()(**args), wanted, 1e-12)
    assert_close(J.svdvals(**args), np.linalg.svd(wanted, compute_uv=False), 1e-12)
    assert str(J.structure).startswith(begins)


@pytest.mark.parametrize("name", [name for name, (begins, *_) in NETWORKS.items() if begins is ROWS])
def test_block_diagonal_stays_block_diagonal(name):
    """Through the whole network: nothing is stored for two different rows."""
    J, args, wanted = composed(NETWORKS[name][1:])
    rows = next(array.shape[0] for array in args.values())
    assert J.sparse(**args).nnz == wanted.size // rows
    assert all(array.size <= wanted.size // rows for _, array in J.core(**args))


def test_the_structure_of_a_deep_network_is_known_at_once():
    """Opened and multiplied out, each layer would make it seven times as long."""
    J = tj.trace(lambda H, W: np.tanh(H @ W), H="b n", W="n n").jacobian("H")
    layer, whole = J, J
    for _ in range(8):
        whole = layer.compose(whole)
    before = time.process_time()
    assert str(whole.structure) == "block-diagonal over i"
    assert time.process_time() - before < 5
