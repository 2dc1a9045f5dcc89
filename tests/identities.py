"""The table of identities that the library must reproduce, and of claims that it must refuse.

A row is a function in plain NumPy, the argument `wrt`, and its derivatives in closed form: `gradient` texts
(of the VJP with cotangent `G` where the output is a tensor, of the gradient where it is a scalar), all of
them equal, in NumPy or in index notation; the Jacobian and the Hessian as the right side of index notation,
whose left letters are i, j, k, … with the output's axes first, or as a callable. `test_tables.py` proves
every entry against finite differences without the library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit


@dataclass(frozen=True, eq=False)
class Identity:
    """One function and one of its arguments; `row_major`, `column_major`: its Jacobian as matrices."""

    name: str
    fun: Callable
    shapes: Mapping[str, str]
    wrt: str
    gradient: tuple[str, ...] = ()
    closed: Callable | None = None
    jacobian: str | None = None
    hessian: str | None = None
    hessian_values: Callable | None = None
    row_major: Callable | None = None
    column_major: Callable | None = None
    domain: Mapping[str, str] | str = "any"
    sizes: Mapping[str, int] = field(default_factory=dict)

    def __str__(self):
        return f"{self.name} by {self.wrt}"


@dataclass(frozen=True, eq=False)
class Wrong:
    """A claim that looks right and is not; `fits` is False where even its shape is wrong."""

    name: str
    fun: Callable
    shapes: Mapping[str, str]
    wrt: str
    claim: str
    right: str
    symmetric: tuple[str, ...] = ()
    fits: bool = True
    domain: Mapping[str, str] | str = "any"
    sizes: Mapping[str, int] = field(default_factory=dict)

    def __str__(self):
        return self.name


# Forward functions that several rows share --------------------------------------------------------


def squared_distance(M, x, y):
    return np.sum((M @ x - y) ** 2)


def logistic_loss(X, w, y):
    return np.sum(np.log(1 + np.exp(-y * (X @ w))))


def quadratic_form(X, b, c, D):
    return (X @ b + c) @ D @ (X @ b + c)


def masked_factorisation(W, T, U, V):
    return np.sum((W * (T - U @ V.T)) ** 2)


def softmax(X):
    E = np.exp(X)
    return E / np.sum(E, axis=1, keepdims=True)


def shifted_softmax(X):
    E = np.exp(X - np.max(X, axis=1, keepdims=True))
    return E / np.sum(E, axis=1, keepdims=True)


def cross_entropy(X, T):
    return -np.sum(T * np.log(softmax(X))) / X.shape[0]


ONE_HOT = np.eye(4)[[2, 0, 1]]
"""Labels of three samples in four classes: rows that sum to 1."""


def one_hot_cross_entropy(X):
    return -np.sum(ONE_HOT * np.log(softmax(X))) / X.shape[0]


def normalised(X):
    centred = X - np.mean(X, axis=1, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True))


def layer_norm(X):
    return (X - X.mean(axis=-1, keepdims=True)) / X.std(axis=-1, keepdims=True)


def layer_norm_eps(X):
    return (X - X.mean(axis=-1, keepdims=True)) / np.sqrt(X.var(axis=-1, keepdims=True) + 1e-5)


def attention_weights(Q, K):
    return softmax(Q @ K.T / np.sqrt(Q.shape[-1]))


def attention(Q, K, V):
    return attention_weights(Q, K) @ V


# The same closed forms as callables, where an expert writes them in several lines -----------------


def softmax_vjp(X, G):
    S = softmax(X)
    return S * (G - np.sum(G * S, axis=1, keepdims=True))


def layer_norm_vjp(X, G, eps=0.0):
    sigma = np.sqrt(X.var(axis=1, keepdims=True) + eps)
    scaled = (X - X.mean(axis=1, keepdims=True)) / sigma
    return (G - G.mean(axis=1, keepdims=True) - scaled * (G * scaled).mean(axis=1, keepdims=True)) / sigma


def scores_cotangent(Q, K, V, G):
    P = attention_weights(Q, K)
    dP = G @ V.T
    return P * (dP - np.sum(dP * P, axis=1, keepdims=True))


def softmax_jacobian_of(p):
    return np.diag(p) - np.outer(p, p)


# Texts that several rows share --------------------------------------------------------------------

ROW_SOFTMAX = "np.exp(X) / np.sum(np.exp(X), axis=1, keepdims=True)"
ROW_SOFTMAX_WHERE = "z[i] = Σ_j exp(X[ij]), S[ij] = exp(X[ij]) / z[i]"
SOFTMAX_VJP = f"({ROW_SOFTMAX}) * (G - np.sum(G * ({ROW_SOFTMAX}), axis=1, keepdims=True))"

SIGMA = "np.sqrt(np.var(X, axis=1, keepdims=True))"
XHAT = f"((X - np.mean(X, axis=1, keepdims=True)) / {SIGMA})"
LAYER_NORM_VJP = (
    f"(G - np.mean(G, axis=1, keepdims=True) - {XHAT} * np.mean(G * {XHAT}, axis=1, keepdims=True)) / {SIGMA}"
)
SIGMA_EPS = "np.sqrt(np.var(X, axis=1, keepdims=True) + 1e-5)"

SCORES = "np.exp(Q @ K.T / np.sqrt(Q.shape[-1]))"
WEIGHTS = f"({SCORES} / np.sum({SCORES}, axis=1, keepdims=True))"
SCORES_COTANGENT = f"({WEIGHTS} * (G @ V.T - np.sum((G @ V.T) * {WEIGHTS}, axis=1, keepdims=True)))"


def by_vector():
    """Scalar functions of a vector."""
    yield Identity(
        "a·x",
        lambda a, x: a @ x,
        {"a": "n", "x": "n"},
        "x",
        ("a", "dx[i] = a[i]"),
        lambda a, x: a,
        jacobian="a[i]",
        hessian="0",
        hessian_values=lambda a, x: np.zeros((a.size, a.size)),
    )
    shapes = {"A": "n n", "x": "n"}
    yield Identity(
        "x·Ax",
        lambda A, x: x @ A @ x,
        shapes,
        "x",
        ("(A + A.T) @ x", "A @ x + A.T @ x", "dx[i] = A[ij] x[j] + A[ji] x[j]"),
        lambda A, x: (A + A.T) @ x,
        jacobian="A[ij] x[j] + A[ji] x[j]",
        hessian="A[ij] + A[ji]",
        hessian_values=lambda A, x: A + A.T,
    )
    yield Identity(
        "x·Ax",
        lambda A, x: x @ A @ x,
        shapes,
        "A",
        ("np.outer(x, x)", "x[:, None] * x[None, :]", "dA[ij] = x[i] x[j]"),
        lambda A, x: np.outer(x, x),
        jacobian="x[i] x[j]",
        hessian="0",
    )
    shapes = {"M": "m n", "x": "n", "y": "m"}
    yield Identity(
        "|Mx-y|²",
        squared_distance,
        shapes,
        "x",
        ("2 * M.T @ (M @ x - y)", "2 * M.T @ M @ x - 2 * M.T @ y"),
        lambda M, x, y: 2 * M.T @ (M @ x - y),
        hessian="2 M[ki] M[kj]",
        hessian_values=lambda M, x, y: 2 * M.T @ M,
    )
    yield Identity(
        "|Mx-y|²",
        squared_distance,
        shapes,
        "y",
        ("-2 * (M @ x - y)", "2 * (y - M @ x)"),
        lambda M, x, y: -2 * (M @ x - y),
        hessian="2 δ[ij]",
    )
    yield Identity(
        "|Mx-y|²",
        squared_distance,
        shapes,
        "M",
        ("2 * np.outer(M @ x - y, x)",),
        lambda M, x, y: 2 * np.outer(M @ x - y, x),
        hessian="2 δ[ik] x[j] x[l]",
    )
    norm_forms = ("x / np.linalg.norm(x)", "x / np.sqrt(np.sum(x**2))")
    for name, fun in {"norm": lambda x: np.linalg.norm(x), "sqrt(x·x)": lambda x: np.sqrt(x @ x)}.items():
        yield Identity(
            name,
            fun,
            {"x": "n"},
            "x",
            norm_forms,
            lambda x: x / np.linalg.norm(x),
            hessian="δ[ij] / r[] - x[i] x[j] / r[]^3 where r[] = sqrt(Σ_k x[k]^2)",
            hessian_values=lambda x: (np.eye(x.size) - np.outer(x, x) / (x @ x)) / np.sqrt(x @ x),
        )
    yield from logistic()
    yield from log_sum_exp()


def logistic():
    """The logistic loss, written in three ways."""
    losses = {
        "Σ log(1+exp(-y∘Xw))": logistic_loss,
        "Σ log1p(exp(-y∘Xw))": lambda X, w, y: np.sum(np.log1p(np.exp(-y * (X @ w)))),
        "Σ logaddexp(0, -y∘Xw)": lambda X, w, y: np.sum(np.logaddexp(0, -y * (X @ w))),
    }
    for name, fun in losses.items():
        yield Identity(
            name,
            fun,
            {"X": "b n", "w": "n", "y": "b"},
            "w",
            (
                "-X.T @ (y / (1 + np.exp(y * (X @ w))))",
                "-X.T @ (y * np.exp(-y * (X @ w)) / (1 + np.exp(-y * (X @ w))))",
            ),
            lambda X, w, y: -X.T @ (y * expit(-y * (X @ w))),
            hessian="X[ki] X[kj] y[k]^2 s[k] (1 - s[k]) where s[k] = 1 / (1 + exp(y[k] Σ_l X[kl] w[l]))",
            hessian_values=lambda X, w, y: X.T @ np.diag(y**2 * expit(y * (X @ w)) * expit(-y * (X @ w))) @ X,
        )


def log_sum_exp():
    """log Σ exp, with and without the shift by the maximum."""

    def shifted(x):
        top = np.max(x)
        return top + np.log(np.sum(np.exp(x - top)))

    for name, fun in {"logsumexp": lambda x: np.log(np.sum(np.exp(x))), "shifted logsumexp": shifted}.items():
        exponential = "np.exp(x - np.max(x))" if fun is shifted else "np.exp(x)"
        yield Identity(
            name,
            fun,
            {"x": "n"},
            "x",
            (f"{exponential} / np.sum({exponential})", f"{exponential} / {exponential}.sum()"),
            lambda x: np.exp(x) / np.sum(np.exp(x)),
            hessian=None
            if fun is shifted
            else "p[i] δ[ij] - p[i] p[j] where z[] = Σ_k exp(x[k]), p[i] = exp(x[i]) / z[]",
            hessian_values=lambda x: softmax_jacobian_of(np.exp(x) / np.sum(np.exp(x))),
        )


def by_matrix():
    """Scalar functions of a matrix."""
    yield Identity(
        "a·Xb",
        lambda a, X, b: a @ X @ b,
        {"a": "m", "X": "m n", "b": "n"},
        "X",
        ("np.outer(a, b)", "a[:, None] * b", "dX[ij] = a[i] b[j]"),
        lambda a, X, b: np.outer(a, b),
        jacobian="a[i] b[j]",
        hessian="0",
    )
    yield Identity(
        "b·XᵀXc",
        lambda X, b, c: b @ X.T @ X @ c,
        {"X": "m n", "b": "n", "c": "n"},
        "X",
        ("X @ (np.outer(b, c) + np.outer(c, b))", "np.outer(X @ c, b) + np.outer(X @ b, c)"),
        lambda X, b, c: X @ (np.outer(b, c) + np.outer(c, b)),
        hessian="δ[ik] b[j] c[l] + δ[ik] c[j] b[l]",
    )
    yield Identity(
        "(Xb+c)·D(Xb+c)",
        quadratic_form,
        {"X": "m n", "b": "n", "c": "m", "D": "m m"},
        "X",
        ("np.outer((D + D.T) @ (X @ b + c), b)",),
        lambda X, b, c, D: np.outer((D + D.T) @ (X @ b + c), b),
        hessian="D[ik] b[j] b[l] + D[ki] b[j] b[l]",
    )
    yield Identity(
        "tr X",
        lambda X: np.trace(X),
        {"X": "n n"},
        "X",
        ("dX[i:n, j:n] = δ[ij]",),
        lambda X: np.eye(X.shape[0]),
        jacobian="δ[ij]",
        hessian="0",
    )
    yield Identity(
        "tr AXB",
        lambda A, X, B: np.trace(A @ X @ B),
        {"A": "p m", "X": "m n", "B": "n p"},
        "X",
        ("A.T @ B.T", "(B @ A).T"),
        lambda A, X, B: A.T @ B.T,
        jacobian="A[mi] B[jm]",
        hessian="0",
    )
    yield from traces_of_powers()
    yield Identity(
        "tr AXBXᵀC",
        lambda A, X, B, C: np.trace(A @ X @ B @ X.T @ C),
        {"A": "p m", "X": "m n", "B": "n n", "C": "m p"},
        "X",
        ("A.T @ C.T @ X @ B.T + C @ A @ X @ B",),
        lambda A, X, B, C: A.T @ C.T @ X @ B.T + C @ A @ X @ B,
        hessian="C[km] A[mi] B[jl] + C[im] A[mk] B[lj]",
    )
    yield Identity(
        "|AXB+C|²",
        lambda A, X, B, C: np.sum((A @ X @ B + C) ** 2),
        {"A": "p m", "X": "m n", "B": "n q", "C": "p q"},
        "X",
        ("2 * A.T @ (A @ X @ B + C) @ B.T",),
        lambda A, X, B, C: 2 * A.T @ (A @ X @ B + C) @ B.T,
        hessian="2 A[pi] A[pk] B[jq] B[lq]",
        hessian_values=lambda A, X, B, C: 2 * np.einsum("ik,jl->ijkl", A.T @ A, B @ B.T),
    )
    yield Identity(
        "|AXB+C|² by norm",
        lambda A, X, B, C: np.linalg.norm(A @ X @ B + C, "fro") ** 2,
        {"A": "p m", "X": "m n", "B": "n q", "C": "p q"},
        "X",
        ("2 * A.T @ (A @ X @ B + C) @ B.T",),
        lambda A, X, B, C: 2 * A.T @ (A @ X @ B + C) @ B.T,
        hessian="2 A[pi] A[pk] B[jq] B[lq]",
    )
    yield Identity(
        "|X|",
        lambda X: np.linalg.norm(X),
        {"X": "m n"},
        "X",
        ("X / np.linalg.norm(X)", "X / np.sqrt(np.sum(X * X))"),
        lambda X: X / np.linalg.norm(X),
        hessian="δ[ik] δ[jl] / r[] - X[ij] X[kl] / r[]^3 where r[] = sqrt(Σ_m Σ_n X[mn]^2)",
    )
    yield from determinants()
    yield Identity(
        "a·sin(AXB)b",
        lambda a, A, X, B, b: a @ np.sin(A @ X @ B) @ b,
        {"a": "p", "A": "p m", "X": "m n", "B": "n q", "b": "q"},
        "X",
        ("A.T @ (np.outer(a, b) * np.cos(A @ X @ B)) @ B.T",),
        lambda a, A, X, B, b: A.T @ (np.outer(a, b) * np.cos(A @ X @ B)) @ B.T,
        hessian="- a[p] b[q] A[pi] B[jq] A[pk] B[lq] sin(Z[pq]) where Z[pq] = A[pm] X[mn] B[nq]",
    )
    shapes = {"W": "m n", "T": "m n", "U": "m r", "V": "n r"}
    yield Identity(
        "|W∘(T-UVᵀ)|²",
        masked_factorisation,
        shapes,
        "U",
        ("-2 * (W * W * (T - U @ V.T)) @ V", "-2 * (W**2 * (T - U @ V.T)) @ V"),
        lambda W, T, U, V: -2 * (W * W * (T - U @ V.T)) @ V,
        hessian="2 W[im]^2 V[mj] V[ml] δ[ik]",
        hessian_values=lambda W, T, U, V: 2 * np.einsum("im,mj,ml,ik->ijkl", W**2, V, V, np.eye(len(U))),
    )
    yield Identity(
        "|W∘(T-UVᵀ)|²",
        masked_factorisation,
        shapes,
        "V",
        ("-2 * (W * W * (T - U @ V.T)).T @ U",),
        lambda W, T, U, V: -2 * (W * W * (T - U @ V.T)).T @ U,
        hessian="2 W[mi]^2 U[mj] U[ml] δ[ik]",
    )
    yield from cross_entropies()


def traces_of_powers():
    """tr Xᵏ, by products and by `matrix_power`."""
    forms = {
        2: (lambda X: np.trace(X @ X), "2 * X.T", "2 δ[il] δ[jk]"),
        3: (lambda X: np.trace(X @ X @ X), "3 * (X @ X).T", "3 X[jk] δ[il] + 3 δ[jk] X[li]"),
        4: (lambda X: np.trace(np.linalg.matrix_power(X, 4)), "4 * (X @ X @ X).T", None),
        5: (
            lambda X: np.trace(np.linalg.matrix_power(X, 5)),
            "5 * np.linalg.matrix_power(X, 4).T",
            None,
        ),
    }
    for power, (fun, gradient, hessian) in forms.items():
        yield Identity(
            f"tr X^{power}",
            fun,
            {"X": "n n"},
            "X",
            (gradient,),
            lambda X, power=power: power * np.linalg.matrix_power(X, power - 1).T,
            hessian=hessian,
        )


def determinants():
    """det, log |det| and the bilinear form of an inverse."""
    invertible = {"X": "invertible"}
    inverse = np.linalg.inv
    yield Identity(
        "det X",
        lambda X: np.linalg.det(X),
        {"X": "n n"},
        "X",
        ("np.linalg.det(X) * np.linalg.inv(X).T", "np.linalg.det(X) * np.linalg.inv(X.T)"),
        lambda X: np.linalg.det(X) * inverse(X).T,
        jacobian="det(X)[] inv(X)[ji]",
        hessian="minors(X)[ijkl]",
        domain=invertible,
    )
    for name, fun in {
        "log|det X|": lambda X: np.linalg.slogdet(X)[1],
        "log|det X| by attribute": lambda X: np.linalg.slogdet(X).logabsdet,
        "log abs det X": lambda X: np.log(np.abs(np.linalg.det(X))),
    }.items():
        yield Identity(
            name,
            fun,
            {"X": "n n"},
            "X",
            ("np.linalg.inv(X).T", "np.linalg.inv(X.T)"),
            lambda X: inverse(X).T,
            jacobian="inv(X)[ji]",
            hessian="- inv(X)[jk] inv(X)[li]",
            hessian_values=lambda X: -np.einsum("jk,li->ijkl", inverse(X), inverse(X)),
            domain=invertible,
        )
    for name, fun in {
        "a·X⁻¹b": lambda a, X, b: a @ np.linalg.inv(X) @ b,
        "a·solve(X, b)": lambda a, X, b: a @ np.linalg.solve(X, b),
    }.items():
        yield Identity(
            name,
            fun,
            {"a": "n", "X": "n n", "b": "n"},
            "X",
            (
                "-np.linalg.inv(X).T @ np.outer(a, b) @ np.linalg.inv(X).T",
                "-np.outer(np.linalg.solve(X.T, a), np.linalg.solve(X, b))",
            ),
            lambda a, X, b: -inverse(X).T @ np.outer(a, b) @ inverse(X).T,
            jacobian="- a[m] inv(X)[mi] inv(X)[jn] b[n]",
            domain=invertible,
        )


def cross_entropies():
    """The mean cross-entropy of row softmax; the rows of T need not sum to 1."""
    shapes = {"X": "N m", "T": "N m"}
    row_sums = "np.sum(T, axis=1, keepdims=True)"
    weights = {"T": "positive"}
    by_logits = Identity(
        "mean cross-entropy",
        cross_entropy,
        shapes,
        "X",
        (f"(({ROW_SOFTMAX}) * {row_sums} - T) / X.shape[0]",),
        lambda X, T: (softmax(X) * T.sum(1, keepdims=True) - T) / len(X),
        hessian=f"t[i] S[ij] δ[ik] δ[jl] / N - t[i] S[ij] S[il] δ[ik] / N where t[i] = Σ_j T[ij], {ROW_SOFTMAX_WHERE}",
        domain=weights,
    )
    yield by_logits

    def by_log_sum_exp(X, T):
        return np.mean(np.sum(T, axis=1) * np.log(np.sum(np.exp(X), axis=1)) - np.sum(T * X, axis=1))

    yield Identity(
        "mean cross-entropy by logsumexp",
        by_log_sum_exp,
        shapes,
        "X",
        by_logits.gradient,
        by_logits.closed,
        domain=weights,
    )
    yield Identity(
        "mean cross-entropy",
        cross_entropy,
        shapes,
        "T",
        (f"-np.log({ROW_SOFTMAX}) / X.shape[0]",),
        lambda X, T: -np.log(softmax(X)) / len(X),
        hessian="0",
        domain=weights,
    )
    yield Identity(
        "mean cross-entropy of one-hot labels",
        one_hot_cross_entropy,
        {"X": "3 4"},
        "X",
        closed=lambda X: (softmax(X) - ONE_HOT) / len(X),
    )


def by_tensor():
    """Tensor functions of tensors."""
    shapes = {"A": "m n", "x": "n"}
    yield Identity(
        "Ax",
        lambda A, x: A @ x,
        shapes,
        "A",
        ("np.outer(G, x)", "G[:, None] * x", "dA[ij] = G[i] x[j]"),
        lambda A, x, G: np.outer(G, x),
        jacobian="δ[ij] x[k]",
    )
    yield Identity(
        "Ax",
        lambda A, x: A @ x,
        shapes,
        "x",
        ("A.T @ G", "G @ A", "dx[i] = A[ji] G[j]"),
        lambda A, x, G: A.T @ G,
        jacobian="A[ij]",
    )
    shapes = {"X": "b m", "A": "m n"}
    yield Identity(
        "XA",
        lambda X, A: X @ A,
        shapes,
        "A",
        ("X.T @ G", "(G.T @ X).T", "np.einsum('ik,ij->kj', X, G)", "dA[ij] = X[ki] G[kj]"),
        lambda X, A, G: X.T @ G,
        jacobian="X[ik] δ[jl]",
        row_major=lambda X, A: np.kron(X, np.eye(A.shape[1])),
        column_major=lambda X, A: np.kron(np.eye(A.shape[1]), X),
    )
    yield Identity(
        "XA",
        lambda X, A: X @ A,
        shapes,
        "X",
        ("G @ A.T", "dX[ij] = G[ik] A[jk]"),
        lambda X, A, G: G @ A.T,
        jacobian="δ[ik] A[lj]",
        row_major=lambda X, A: np.kron(np.eye(X.shape[0]), A.T),
        column_major=lambda X, A: np.kron(A.T, np.eye(X.shape[0])),
    )
    yield Identity(
        "AXB",
        lambda A, X, B: A @ X @ B,
        {"A": "p m", "X": "m n", "B": "n q"},
        "X",
        ("A.T @ G @ B.T",),
        lambda A, X, B, G: A.T @ G @ B.T,
        jacobian="A[ik] B[lj]",
        row_major=lambda A, X, B: np.kron(A, B.T),
        column_major=lambda A, X, B: np.kron(B.T, A),
    )
    yield Identity(
        "Xᵀ",
        lambda X: X.T,
        {"X": "m n"},
        "X",
        ("G.T", "dX[ij] = G[ji]"),
        lambda X, G: G.T,
        jacobian="δ[il] δ[jk]",
    )
    yield Identity(
        "XᵀX",
        lambda X: X.T @ X,
        {"X": "m n"},
        "X",
        ("X @ (G + G.T)", "X @ G + X @ G.T"),
        lambda X, G: X @ (G + G.T),
        jacobian="δ[il] X[kj] + X[ki] δ[jl]",
    )
    for name, fun in {
        "XX": lambda X: X @ X,
        "X² by matrix_power": lambda X: np.linalg.matrix_power(X, 2),
    }.items():
        yield Identity(
            name,
            fun,
            {"X": "n n"},
            "X",
            ("G @ X.T + X.T @ G",),
            lambda X, G: G @ X.T + X.T @ G,
            jacobian="δ[ik] X[lj] + X[ik] δ[jl]",
        )
    yield Identity(
        "X⁻¹",
        lambda X: np.linalg.inv(X),
        {"X": "n n"},
        "X",
        ("-np.linalg.inv(X).T @ G @ np.linalg.inv(X).T",),
        lambda X, G: -np.linalg.inv(X).T @ G @ np.linalg.inv(X).T,
        jacobian="- inv(X)[ik] inv(X)[lj]",
        row_major=lambda X: -np.kron(np.linalg.inv(X), np.linalg.inv(X).T),
        column_major=lambda X: -np.kron(np.linalg.inv(X).T, np.linalg.inv(X)),
        domain={"X": "invertible"},
    )
    yield from elementwise()
    yield from diagonals()
    yield from softmaxes()
    yield Identity(
        "XW+1bᵀ",
        lambda X, W, b: X @ W + b,
        {"X": "N m", "W": "m n", "b": "n"},
        "b",
        ("np.sum(G, axis=0)", "G.sum(0)", "db[i] = Σ_j G[ji]"),
        lambda X, W, b, G: G.T @ np.ones(len(X)),
        jacobian="δ[jk]",
    )
    yield Identity(
        "x xᵀx",
        lambda x: x * (x @ x),
        {"x": "n"},
        "x",
        ("(x @ x) * G + 2 * x * (x @ G)", "np.sum(x**2) * G + 2 * x * np.sum(x * G)"),
        lambda x, G: (x @ x) * G + 2 * x * (x @ G),
        jacobian="x[k]^2 δ[ij] + 2 x[i] x[j]",
        row_major=lambda x: (x @ x) * np.eye(x.size) + 2 * np.outer(x, x),
    )
    yield from layer_norms()
    yield from attentions()


def elementwise():
    """f(X) → f'(X) where f is applied to each entry."""
    table = {
        "sin": (lambda X: np.sin(X), "np.cos(X)", "cos(X[ij])", "any"),
        "exp": (lambda X: np.exp(X), "np.exp(X)", "exp(X[ij])", "any"),
        "tanh": (lambda X: np.tanh(X), "(1 - np.tanh(X)**2)", "(1 - tanh(X[ij])^2)", "any"),
        "log": (lambda X: np.log(X), "(1 / X)", "X[ij]^-1", "positive"),
        "cube": (lambda X: X**3, "3 * X**2", "3 X[ij]^2", "any"),
        "reciprocal": (lambda X: 1 / X, "(-1 / X**2)", "- X[ij]^-2", "any"),
    }
    for name, (fun, derivative, notation, domain) in table.items():
        values = eval(f"lambda X, G: G * {derivative}", {"np": np})
        yield Identity(
            f"{name}(X)",
            fun,
            {"X": "m n"},
            "X",
            (f"G * {derivative}",),
            values,
            jacobian=f"{notation} δ[ik] δ[jl]",
            domain=domain,
        )


def diagonals():
    """The diagonal taken out of a matrix, and a diagonal matrix made from a vector."""
    for name, fun in {"diag(X)": lambda X: np.diag(X), "diagonal(X)": lambda X: np.diagonal(X)}.items():
        yield Identity(
            name,
            fun,
            {"X": "n n"},
            "X",
            ("np.diag(G)", "dX[ij] = G[i] δ[ij]"),
            lambda X, G: np.diag(G),
            jacobian="δ[ij] δ[ik]",
        )
    yield Identity(
        "diag(x)",
        lambda x: np.diag(x),
        {"x": "n"},
        "x",
        ("np.diag(G)", "np.diagonal(G)", "dx[i] = G[ii]"),
        lambda x, G: np.diag(G),
        jacobian="δ[ij] δ[ik]",
    )


def softmaxes():
    """Row softmax, with and without the shift by the row maximum."""
    yield Identity(
        "row softmax",
        softmax,
        {"X": "b n"},
        "X",
        (SOFTMAX_VJP,),
        softmax_vjp,
        jacobian=f"S[ij] δ[ik] (δ[jl] - S[il]) where {ROW_SOFTMAX_WHERE}",
    )
    shift = "np.exp(X - np.max(X, axis=1, keepdims=True))"
    weights = f"({shift} / np.sum({shift}, axis=1, keepdims=True))"
    yield Identity(
        "shifted row softmax",
        shifted_softmax,
        {"X": "b n"},
        "X",
        (f"{weights} * (G - np.sum(G * {weights}, axis=1, keepdims=True))",),
        softmax_vjp,
    )


def layer_norms():
    """Layer norm without and with ε, from three ways to write it."""
    for name, fun in {"layer norm by mean of squares": normalised, "layer norm by std": layer_norm}.items():
        yield Identity(name, fun, {"X": "b n"}, "X", (LAYER_NORM_VJP,), layer_norm_vjp, sizes={"n": 5})
    yield Identity(
        "layer norm with ε",
        layer_norm_eps,
        {"X": "b n"},
        "X",
        (LAYER_NORM_VJP.replace(SIGMA, SIGMA_EPS),),
        lambda X, G: layer_norm_vjp(X, G, 1e-5),
        sizes={"n": 5},
    )


def attentions():
    """softmax(QKᵀ/√d) V by each of its three arguments."""
    shapes = {"Q": "s d", "K": "t d", "V": "t e"}
    closed = {
        "V": (f"{WEIGHTS}.T @ G", lambda Q, K, V, G: attention_weights(Q, K).T @ G),
        "Q": (
            f"{SCORES_COTANGENT} @ K / np.sqrt(Q.shape[-1])",
            lambda Q, K, V, G: scores_cotangent(Q, K, V, G) @ K / np.sqrt(Q.shape[-1]),
        ),
        "K": (
            f"{SCORES_COTANGENT}.T @ Q / np.sqrt(Q.shape[-1])",
            lambda Q, K, V, G: scores_cotangent(Q, K, V, G).T @ Q / np.sqrt(Q.shape[-1]),
        ),
    }
    for wrt, (text, values) in closed.items():
        yield Identity("attention", attention, shapes, wrt, (text,), values)


# More of the kind, as The Matrix Cookbook (Petersen and Pedersen) and its users have them ---------------------------


def of_texts(name, fun, shapes, wrt, *texts, **options):
    """A row whose first text, in NumPy, is the closed form of its values, too."""
    return Identity(name, fun, shapes, wrt, texts, lambda **args: eval(texts[0], {"np": np, **args}), **options)


SQUARE, INVERTIBLE = {"X": "n n"}, {"X": "invertible"}
SCATTER = "np.linalg.inv(X.T @ X)"
INVERSE = "np.linalg.inv(X)"


def of_determinants():
    """Determinants of products, powers, inverses and Gram matrices."""
    yield of_texts(
        "det AXB",
        lambda A, X, B: np.linalg.det(A @ X @ B),
        {"A": "n n", "X": "n n", "B": "n n"},
        "X",
        f"np.linalg.det(A @ X @ B) * {INVERSE}.T",
        "A.T @ (np.linalg.det(A @ X @ B) * np.linalg.inv(A @ X @ B).T) @ B.T",
        domain=dict.fromkeys("AXB", "invertible"),
    )
    yield of_texts(
        "det X³",
        lambda X: np.linalg.det(np.linalg.matrix_power(X, 3)),
        SQUARE,
        "X",
        f"3 * np.linalg.det(X) ** 3 * {INVERSE}.T",
        domain=INVERTIBLE,
    )
    yield of_texts(
        "det X⁻¹",
        lambda X: np.linalg.det(np.linalg.inv(X)),
        SQUARE,
        "X",
        f"-{INVERSE}.T / np.linalg.det(X)",
        f"-np.linalg.det({INVERSE}) * {INVERSE}.T",
        domain=INVERTIBLE,
    )
    yield of_texts(
        "log|det AX|",
        lambda A, X: np.linalg.slogdet(A @ X)[1],
        {"A": "n n", "X": "n n"},
        "X",
        f"{INVERSE}.T",
        "A.T @ np.linalg.inv(A @ X).T",
        domain=dict.fromkeys("AX", "invertible"),
    )
    yield of_texts(
        "log det XᵀX",
        lambda X: np.log(np.linalg.det(X.T @ X)),
        {"X": "m n"},
        "X",
        f"2 * X @ {SCATTER}",
        f"2 * ({SCATTER} @ X.T).T",
    )
    yield of_texts(
        "det XᵀAX",
        lambda A, X: np.linalg.det(X.T @ A @ X),
        {"X": "m n", "A": "m m"},
        "X",
        "np.linalg.det(X.T @ A @ X) * (A @ X @ np.linalg.inv(X.T @ A @ X) + A.T @ X @ np.linalg.inv(X.T @ A.T @ X))",
        domain={"A": "positive definite"},
    )
    yield of_texts(
        "det(A + xB)",
        lambda x, A, B: np.linalg.det(A + x * B),
        {"x": "", "A": "n n", "B": "n n"},
        "x",
        "np.linalg.det(A + x * B) * np.trace(np.linalg.inv(A + x * B) @ B)",
        domain={"A": "positive definite", "x": "positive"},
    )


def of_inverses():
    """Traces, forms and products with inverses, and solutions of systems."""
    yield of_texts(
        "tr AX⁻¹B",
        lambda A, X, B: np.trace(A @ np.linalg.inv(X) @ B),
        {"A": "p n", "X": "n n", "B": "n p"},
        "X",
        f"-({INVERSE} @ B @ A @ {INVERSE}).T",
        domain=INVERTIBLE,
    )
    yield of_texts(
        "tr X⁻¹",
        lambda X: np.trace(np.linalg.inv(X)),
        SQUARE,
        "X",
        "-np.linalg.matrix_power(X, -2).T",
        f"-({INVERSE} @ {INVERSE}).T",
        domain=INVERTIBLE,
    )
    inner = "np.linalg.inv(X.T @ C @ X)"
    yield of_texts(
        "tr (XᵀCX)⁻¹A",
        lambda X, C, A: np.trace(np.linalg.inv(X.T @ C @ X) @ A),
        {"X": "m n", "C": "m m", "A": "n n"},
        "X",
        f"-C @ X @ {inner} @ A @ {inner} - C.T @ X @ {inner}.T @ A.T @ {inner}.T",
        domain={"C": "positive definite"},
    )
    yield of_texts(
        "AX⁻¹B",
        lambda A, X, B: A @ np.linalg.inv(X) @ B,
        {"A": "p n", "X": "n n", "B": "n q"},
        "X",
        f"-{INVERSE}.T @ A.T @ G @ B.T @ {INVERSE}.T",
        domain=INVERTIBLE,
    )
    yield of_texts(
        "X⁻²",
        lambda X: np.linalg.matrix_power(X, -2),
        SQUARE,
        "X",
        f"-{INVERSE}.T @ G @ np.linalg.matrix_power(X, -2).T - np.linalg.matrix_power(X, -2).T @ G @ {INVERSE}.T",
        domain=INVERTIBLE,
    )
    yield of_texts(
        "solve(X, b)",
        lambda X, b: np.linalg.solve(X, b),
        {"X": "n n", "b": "n"},
        "X",
        "-np.outer(np.linalg.solve(X.T, G), np.linalg.solve(X, b))",
        domain=INVERTIBLE,
    )
    hat = f"X @ {SCATTER}"
    yield of_texts(
        "X(XᵀX)⁻¹Xᵀ",
        lambda X: X @ np.linalg.inv(X.T @ X) @ X.T,
        {"X": "m n"},
        "X",
        f"(G + G.T) @ {hat} - {hat} @ X.T @ (G + G.T) @ {hat}",
        sizes={"m": 6},
    )
    yield of_texts(
        "log likelihood",
        lambda X, S: np.trace(np.linalg.inv(S) @ X.T @ X) / 2 + X.shape[0] * np.linalg.slogdet(S)[1] / 2,
        {"X": "b n", "S": "n n"},
        "S",
        "X.shape[0] * np.linalg.inv(S).T / 2 - np.linalg.inv(S).T @ X.T @ X @ np.linalg.inv(S).T / 2",
        domain={"S": "positive definite"},
    )


def of_quadratic_forms():
    """Quadratic forms, their quotients and roots, products with themselves."""
    weighted = (lambda x, A, s, W: (x - A @ s).T @ W @ (x - A @ s), {"x": "m", "A": "m n", "s": "n", "W": "m m"})
    yield of_texts("|x-As|²_W", *weighted, "s", "-A.T @ (W + W.T) @ (x - A @ s)")
    yield of_texts("|x-As|²_W", *weighted, "A", "-np.outer((W + W.T) @ (x - A @ s), s)")
    yield of_texts("|x-As|²_W", *weighted, "W", "np.outer(x - A @ s, x - A @ s)")
    yield of_texts(
        "x·Ax / x·Bx",
        lambda A, B, x: (x @ A @ x) / (x @ B @ x),
        {"A": "n n", "B": "n n", "x": "n"},
        "x",
        "((A + A.T) @ x) / (x @ B @ x) - (x @ A @ x) / (x @ B @ x) ** 2 * ((B + B.T) @ x)",
        domain={"B": "positive definite"},
    )
    yield of_texts(
        "x-a over its norm",
        lambda x, a: (x - a) / np.linalg.norm(x - a),
        {"x": "n", "a": "n"},
        "x",
        "G / np.linalg.norm(x - a) - (x - a) * ((x - a) @ G) / np.linalg.norm(x - a) ** 3",
    )
    yield of_texts("|XXᵀ|²", lambda X: np.sum((X @ X.T) ** 2), {"X": "m n"}, "X", "4 * X @ X.T @ X")
    yield of_texts(
        "a·X³b",
        lambda a, X, b: a @ np.linalg.matrix_power(X, 3) @ b,
        {"a": "n", "X": "n n", "b": "n"},
        "X",
        "np.outer(a, X @ X @ b) + np.outer(X.T @ a, X @ b) + np.outer(X.T @ X.T @ a, b)",
    )
    yield of_texts("XPXᵀ", lambda X, P: X @ P @ X.T, {"X": "m n", "P": "n n"}, "X", "G @ X @ P.T + G.T @ X @ P")
    yield of_texts("AX-XA", lambda A, X: A @ X - X @ A, {"A": "n n", "X": "n n"}, "X", "A.T @ G - G @ A.T")
    yield of_texts(
        "diag(x)A diag(x)",
        lambda x, A: np.diag(x) @ A @ np.diag(x),
        {"x": "n", "A": "n n"},
        "x",
        "np.sum(G * A * x, axis=1) + np.sum(G * A * x[:, None], axis=0)",
    )
    yield of_texts(
        "tr X⊗X", lambda X: np.trace(np.kron(X, X)), SQUARE, "X", "2 * np.trace(X) * np.diag(np.ones(X.shape[0]))"
    )
    yield of_texts("std", lambda x: np.std(x), {"x": "n"}, "x", "(x - np.mean(x)) / (x.shape[0] * np.std(x))")
    yield of_texts(
        "cross-entropy of probabilities",
        lambda z, t: -np.sum(t * np.log(1 / (1 + np.exp(-z))) + (1 - t) * np.log(1 - 1 / (1 + np.exp(-z)))),
        {"z": "b", "t": "b"},
        "z",
        "1 / (1 + np.exp(-z)) - t",
    )


IDENTITIES = [
    *(*by_vector(), *by_matrix(), *by_tensor()),
    *(*of_determinants(), *of_inverses(), *of_quadratic_forms()),
]


def wrong_claims():
    """Claims that must be refused, each with the right one beside it."""
    yield Wrong(
        "det without the transpose",
        lambda X: np.linalg.det(X),
        {"X": "n n"},
        "X",
        "np.linalg.det(X) * np.linalg.inv(X)",
        "np.linalg.det(X) * np.linalg.inv(X).T",
        domain={"X": "invertible"},
    )
    yield Wrong(
        "log det without the transpose",
        lambda X: np.linalg.slogdet(X)[1],
        {"X": "n n"},
        "X",
        "np.linalg.inv(X)",
        "np.linalg.inv(X).T",
        domain={"X": "invertible"},
    )
    yield Wrong(
        "softmax with only S(1-S)",
        softmax,
        {"X": "b n"},
        "X",
        f"({ROW_SOFTMAX}) * (1 - {ROW_SOFTMAX}) * G",
        SOFTMAX_VJP,
        sizes={"n": 5},
    )
    bias = {"X": "N m", "W": "m n", "b": "n"}
    yield Wrong(
        "bias gradient not summed",
        lambda X, W, b: X @ W + b,
        bias,
        "b",
        "G",
        "np.sum(G, axis=0)",
        fits=False,
    )
    yield Wrong(
        "bias gradient averaged",
        lambda X, W, b: X @ W + b,
        bias,
        "b",
        "np.mean(G, axis=0)",
        "np.sum(G, axis=0)",
    )
    yield Wrong(
        "symmetric matrix with the off-diagonal doubled",
        lambda a, S, b: a @ S @ b,
        {"a": "n", "S": "n n", "b": "n"},
        "S",
        "np.outer(a, b) + np.outer(b, a) - np.diag(a * b)",
        "(np.outer(a, b) + np.outer(b, a)) / 2",
        symmetric=("S",),
        domain={"S": "symmetric"},
    )
    yield Wrong(
        "cross-entropy as S-T where the rows of T do not sum to 1",
        cross_entropy,
        {"X": "N m", "T": "N m"},
        "X",
        f"({ROW_SOFTMAX} - T) / X.shape[0]",
        f"(({ROW_SOFTMAX}) * np.sum(T, axis=1, keepdims=True) - T) / X.shape[0]",
        domain={"T": "positive"},
    )
    yield Wrong(
        "product gradient transposed",
        lambda X: X @ X,
        {"X": "n n"},
        "X",
        "G @ X + X @ G",
        "G @ X.T + X.T @ G",
    )
    yield Wrong(
        "square with the product rule forgotten",
        lambda X: X @ X,
        {"X": "n n"},
        "X",
        "2 * X.T @ G",
        "G @ X.T + X.T @ G",
    )
    yield Wrong(
        "quadratic form as for a symmetric A",
        lambda A, x: x @ A @ x,
        {"A": "n n", "x": "n"},
        "x",
        "2 * A @ x",
        "(A + A.T) @ x",
    )
    yield Wrong(
        "inverse without transposes",
        lambda X: np.linalg.inv(X),
        {"X": "n n"},
        "X",
        "-np.linalg.inv(X) @ G @ np.linalg.inv(X)",
        "-np.linalg.inv(X).T @ G @ np.linalg.inv(X).T",
        domain={"X": "invertible"},
    )
    yield Wrong(
        "layer norm without the path through the variance",
        normalised,
        {"X": "b n"},
        "X",
        f"(G - np.mean(G, axis=1, keepdims=True)) / {SIGMA}",
        LAYER_NORM_VJP,
        sizes={"n": 5},
    )
    yield Wrong(
        "attention without 1/√d",
        attention,
        {"Q": "s d", "K": "t d", "V": "t e"},
        "Q",
        f"{SCORES_COTANGENT} @ K",
        f"{SCORES_COTANGENT} @ K / np.sqrt(Q.shape[-1])",
    )


WRONG = list(wrong_claims())
