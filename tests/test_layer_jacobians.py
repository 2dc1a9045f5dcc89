"""Jacobians of layers as people write them: every form against differences, their structure in words, and counts."""

import numpy as np
import pytest

import tensorjac as tj
from oracles import assert_close, distinct_sizes, finite_difference_jacobian, random_inputs
from test_jacobian import flat, softmax


def sigmoid(X):
    return 1 / (1 + np.exp(-X))


def centred(X, axis):
    D = X - X.mean(axis, keepdims=True)
    return D / np.sqrt((D * D).mean(axis, keepdims=True) + 1e-2)


def gru(X, H, Wz, Uz, Wr, Ur, Wc, Uc):
    z, r = sigmoid(X @ Wz + H @ Uz), sigmoid(X @ Wr + H @ Ur)
    return (1 - z) * H + z * np.tanh(X @ Wc + (r * H) @ Uc)


GRU = {"X": "b m", "H": "b n"} | {f"{kind}{gate}": f"{'mn'[kind == 'U']} n" for gate in "zrc" for kind in "WU"}


def grouped_convolution(X, W):
    groups = X.reshape(X.shape[0], 2, 2, 6)
    return sum(np.einsum("bgct,goc->bgot", groups[..., k : k + 4], W[..., k]) for k in range(3))


def heads(X, W, U, V):
    Q, K, Z = ((X @ M).reshape(4, 2, 3).transpose(1, 0, 2) for M in (W, U, V))
    masked = np.where(np.tril(np.ones((4, 4))) == 0, -1e9, Q @ K.mT)
    return (softmax(masked) @ Z).transpose(1, 0, 2).reshape(4, 6)


def contrastive(A, B):
    a, b = (M / np.linalg.norm(M, axis=1)[:, None] for M in (A, B))
    S = 2 * a @ b.T
    return np.log(np.exp(S).sum(1)) - np.einsum("ii->i", S)


def forward_step(alpha, T, e):
    M = alpha[:, :, None] + T
    return np.log(np.exp(M - M.max(1)[:, None]).sum(1)) + M.max(1) + e


def kalman_update(x, P, H, R, z):
    return x + P @ H.T @ np.linalg.solve(H @ P @ H.T + R, z - H @ x)


def transport_step(C, v):
    K = np.exp(-C)
    u = 1 / (K @ v)
    return u[:, None] * K / (K.T @ u)


def exponential(A, X):
    total = X
    for k in (3, 2, 1):
        total = X + A @ total / k
    return total


def small_inverse(X):
    a, b, c, d = X[:, 0, 0], X[:, 0, 1], X[:, 1, 0], X[:, 1, 1]
    return np.stack([np.stack([d, -b], 1), np.stack([-c, a], 1)], 1) / (a * d - b * c)[:, None, None]


def linear_attention(X, W):
    Q = np.exp(X @ W)
    return np.einsum("sd,sde->se", Q, np.cumsum(Q[:, :, None] * X[:, None, :], axis=0))


def merged_pairs(X):
    return (X[:, :, None] * X[:, None, :]).reshape(X.shape[0], X.shape[1] ** 2)


# What it is, and how many entries it has: what, of what shapes, by which argument.
LAYERS = {
    "gated recurrent unit": (gru, GRU, "H", "block-diagonal over i, each block a sum: dense; diagonal", "b*n**2"),
    "gated recurrent unit by its reset": (gru, GRU, "Wr", "dense", "b*m*n**2"),
    "grouped convolution": (
        grouped_convolution,
        {"X": "b 4 6", "W": "2 2 2 3"},
        "X",
        "Kronecker product with the identity over i, each block a sum of 3, each sparse",
        "96*b",
    ),
    "masked heads": (
        heads,
        {"X": "4 6", "W": "6 6", "U": "6 6", "V": "6 6"},
        "X",
        "a sum: dense; block-diagonal over i",
        "576",
    ),
    "bilinear": (
        lambda X, Y, W: np.einsum("bm,omn,bn->bo", X, W, Y),
        {"X": "b m", "Y": "b n", "W": "o m n"},
        "W",
        "Kronecker product with the identity over j",
        "b*m*n*o",
    ),
    "radial basis": (
        lambda X, C: np.exp(-((X[:, None, :] - C) ** 2).sum(-1)),
        {"X": "b d", "C": "k d"},
        "C",
        "block-diagonal over j",
        "b*d*k",
    ),
    "batch norm": (
        lambda X, g: centred(X, 0) * g,
        {"X": "b n", "g": "n"},
        "X",
        "block-diagonal over j, each block diagonal plus rank 2",
        "b**2*n",
    ),
    "group norm": (
        lambda X: centred(X.reshape(X.shape[0], 2, 3, X.shape[2]), (2, 3)).reshape(X.shape),
        {"X": "b 6 n"},
        "X",
        None,
        "18*b*n**2",
    ),
    "contrastive": (
        contrastive,
        {"A": "b d", "B": "b d"},
        "B",
        "a sum: dense; block-diagonal over i, each block a row",
        "b**2*d",
    ),
    "forward algorithm": (
        forward_step,
        {"alpha": "b k", "T": "k k", "e": "b k"},
        "T",
        "block-diagonal over j",
        "b*k**2",
    ),
    "Kalman update": (
        kalman_update,
        {"x": "n", "P": "n n", "H": "m n", "R": "m m", "z": "m"},
        "P",
        "a sum: Kronecker product of ij and k; Kronecker product with the identity over i",
        "n**3",
    ),
    "optimal transport": (transport_step, {"C": "m n", "v": "n"}, "C", None, "m**2*n**2"),
    "matrix exponential": (
        exponential,
        {"A": "n n", "X": "n k"},
        "X",
        "Kronecker product with the identity over j, each block a sum: dense; identity",
        "k*n**2",
    ),
    "low-rank adapter": (
        lambda X, A, B: (X @ A) @ B,
        {"X": "b m", "A": "m r", "B": "r n"},
        "A",
        "Kronecker product X ⊗ Bᵀ",
        "b*m*n*r",
    ),
    "mixture of experts": (
        lambda X, G, W: np.einsum("be,bm,emn->bn", softmax(X @ G), X, W),
        {"X": "b m", "G": "m e", "W": "e m n"},
        "X",
        "block-diagonal over i",
        "b*m*n",
    ),
    "squeeze and excite": (
        lambda X, W: X * sigmoid(X.mean((2, 3)) @ W)[:, :, None, None],
        {"X": "b c h w", "W": "c c"},
        "X",
        None,
        "b*c**2*h**2*w**2",
    ),
    "planar flow": (
        lambda X, w, u: X + u * np.tanh(X @ w)[:, None],
        {"X": "b n", "w": "n", "u": "n"},
        "X",
        "block-diagonal over i, each block diagonal plus rank 1",
        "b*n**2",
    ),
    "polynomial features": (merged_pairs, {"X": "b n"}, "X", None, "2*b*n**2 - b*n"),
    "inverses of 2 × 2 matrices": (small_inverse, {"X": "b 2 2"}, "X", None, "16*b"),
    "causal linear attention": (linear_attention, {"X": "s d", "W": "d d"}, "W", "dense", "d**3*s"),
    "residuals of Rosenbrock": (
        lambda x: np.concatenate([10 * (x[1:] - x[:-1] ** 2), 1 - x[:-1]]),
        {"x": "n"},
        "x",
        "a sum: multiple of a selection; scaled selection",
        "3*n - 3",
    ),
    "five-point stencil": (
        lambda X: X[2:, 1:-1] + X[:-2, 1:-1] + X[1:-1, 2:] + X[1:-1, :-2] - 4 * X[1:-1, 1:-1],
        {"X": "h w"},
        "X",
        "banded Toeplitz (0 ≤ k − i ≤ 2, 0 ≤ l − j ≤ 2)",
        "5*h*w - 10*h - 10*w + 20",
    ),
    "Tucker core": (
        lambda G, U, V, W: np.einsum("rst,ir,js,kt->ijk", G, U, V, W),
        {"G": "r s t", "U": "i r", "V": "j s", "W": "k t"},
        "G",
        "Kronecker product U ⊗ V ⊗ W",
        "i*j*k*r*s*t",
    ),
    "Cholesky factor of a Gram matrix": (
        lambda A: np.linalg.cholesky(A @ A.T),
        {"A": "n n"},
        "A",
        "dense",
        "n**4",
    ),
}
# small, so that differences are quick, and large enough for every slice
FIXED = {"b": 2, "h": 4, "w": 3, "c": 2}

rows = pytest.mark.parametrize("name", LAYERS)


def at(name):
    fun, shapes, wrt, _, _ = LAYERS[name]
    names = {name for text in shapes.values() for name in text.split()}
    sizes = distinct_sizes(shapes, {name: size for name, size in FIXED.items() if name in names})
    domain = {"P": "positive definite", "R": "positive definite", "A": "invertible" if "Chol" in name else "any"}
    args = random_inputs(shapes, sizes, np.random.default_rng(0), {k: v for k, v in domain.items() if k in shapes})
    return tj.trace(fun, **shapes), wrt, args, sizes


@rows
def test_every_form(name):
    F, wrt, args, _ = at(name)
    J = F.jacobian(wrt)
    dense = J.dense(**args)
    assert_close(dense, *finite_difference_jacobian(LAYERS[name][0], args, wrt))
    whole = flat(J, dense)
    error = 1e-12 * max(1, np.abs(whole).max())
    assert_close(J.sparse(**args).toarray(), whole, error)
    operator = J.operator(**args)
    assert_close(operator.matmat(np.eye(whole.shape[1])), whole, error)
    assert_close(operator.rmatmat(np.eye(whole.shape[0])), whole.T, error)
    turned = dense.transpose(*reversed(range(J._rank)), *reversed(range(J._rank, dense.ndim))).reshape(whole.shape)
    assert_close(J.matrix()(**args), whole, error)
    assert_close(J.matrix(order="F", layout="denominator")(**args), turned.T, error)
    for (_, core), (_, equation, factors) in zip(J.core(**args), J.factors(**args), strict=True):
        assert_close(np.einsum(equation, *factors), core, error)
    values = np.linalg.svd(whole, compute_uv=False)
    assert_close(J.svdvals(**args), values, error * whole.shape[1])
    covariance = np.cov(np.random.default_rng(1).normal(size=(whole.shape[1], 2 * whole.shape[1])))
    found = tj.propagate(F, {wrt: covariance.reshape(args[wrt].shape * 2)}, **args)
    assert_close(found.reshape([len(whole)] * 2), whole @ covariance @ whole.T, error * whole.shape[1] * values[0])
    if whole.shape[0] == whole.shape[1] and values[-1] > 1e-8 * values[0]:
        assert_close(J.slogdet(**args), np.linalg.slogdet(whole), 1e-10)
        right = np.ones(dense.shape[: J._rank])
        assert_close(whole @ J.solve(right, **args).ravel(), right.ravel(), 1e-11 * values[0] / values[-1])


@rows
def test_words_and_counts(name):
    F, wrt, args, sizes = at(name)
    J = F.jacobian(wrt)
    _, _, _, words, count = LAYERS[name]
    assert words is None or str(J.structure) == words
    assert str(J.nnz) == count
    assert J.nnz.evaluate(sizes) == J.sparse(**args).nnz >= np.count_nonzero(J.dense(**args))
