"""Generated source: no more operations than an expert writes, and arrays that can be relied on.

Beside each layer stands its textbook formula in NumPy. Both are counted in the same way: every operator and
every call that works on arrays, views and sizes left out.
"""

import ast
import inspect
import math
import re
import textwrap
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from scipy import special

import tensorjac as tj
from functions import CASES, named
from oracles import assert_close, distinct_sizes, random_inputs
from tensorjac.dims import bind_sizes

every_case = pytest.mark.parametrize("case", CASES, ids=str)

VIEWS = {
    "sliding_window_view",
    "reshape",
    "transpose",
    "swapaxes",
    "broadcast_to",
    "expand_dims",
    "moveaxis",
    "diagonal",
    "copy",
    "item",
}
FREE = {*VIEWS, "result_type", "zeros", "empty", "ascontiguousarray", "errstate"}


class Counter(ast.NodeVisitor):
    """Counts the operators and calls of a function that work on arrays."""

    def __init__(self):
        self.scalars = set()
        self.found = []

    def scalar(self, part):
        """Whether an expression is made of numbers and sizes only."""
        match part:
            case ast.Constant():
                return True
            case ast.Name(id=name):
                return name in self.scalars
            case ast.BinOp(left=left, right=right):
                return self.scalar(left) and self.scalar(right)
            case ast.UnaryOp(operand=operand):
                return self.scalar(operand)
            case ast.Attribute(attr="shape"):
                return True
            case ast.Subscript(value=value):
                return self.scalar(value)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="math"))) | ast.Call(func=ast.Name(id="float" | "len")):
                return True
        return False

    def visit_Assign(self, node):
        if self.scalar(node.value):
            names = [part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)]
            self.scalars.update(names)
        self.visit(node.value)

    def visit_AugAssign(self, node):
        self.found.append(node)
        self.visit(node.value)

    def visit_BinOp(self, node):
        if not self.scalar(node):
            self.found.append(node)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.USub) and not self.scalar(node):
            self.found.append(node)
        self.generic_visit(node)

    def visit_Compare(self, node):
        self.found.append(node)
        self.generic_visit(node)

    def visit_Subscript(self, node):
        self.visit(node.value)

    def visit_Call(self, node):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        if not self.scalar(node) and name not in FREE:
            # a mean is a sum and a division
            self.found += [node] * (2 if name == "mean" else 1)
        if isinstance(node.func, ast.Attribute):
            self.visit(node.func.value)
        for arg in node.args:
            self.visit(arg)


def operations(source):
    """How many operations on arrays a function's source holds.

    >>> operations("def f(X, G):\\n    b, n = X.shape\\n    return (X.T @ G).sum(axis=0) / (b * n)")
    3
    """
    counter = Counter()
    counter.visit(ast.parse(textwrap.dedent(source)))
    return len(counter.found)


# Textbook formulas --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Layer:
    """A function, what is derived from it, and the formula for that as an expert writes it."""

    fun: object
    shapes: dict
    derive: object
    expert: object
    domain: object = "any"

    def derived(self):
        return self.derive(tj.trace(self.fun, **self.shapes))


def value(F):
    return F


def vjp(F):
    return F.vjp()


def softmax(X):
    E = np.exp(X)
    return E / E.sum(axis=1, keepdims=True)


def softmax_vjp(X, G):
    E = np.exp(X)
    S = E / E.sum(axis=1, keepdims=True)
    return S * (G - (G * S).sum(axis=1, keepdims=True))


def softmax_jacobian(X):
    b, n = X.shape
    E = np.exp(X)
    S = E / E.sum(axis=1, keepdims=True)
    out = np.zeros((b, n, b, n), dtype=X.dtype)
    np.einsum("ijik->ijk", out)[...] = -S[:, :, None] * S[:, None, :]
    np.einsum("ijij->ij", out)[...] += S
    return out


def softmax_shifted(X):
    E = np.exp(X - X.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def softmax_shifted_vjp(X, G):
    E = np.exp(X - X.max(axis=1, keepdims=True))
    S = E / E.sum(axis=1, keepdims=True)
    return S * (G - (G * S).sum(axis=1, keepdims=True))


def log_softmax(X):
    Z = X - X.max(axis=1, keepdims=True)
    return Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))


def log_softmax_vjp(X, G):
    E = np.exp(X - X.max(axis=1, keepdims=True))
    return G - E * (G.sum(axis=1, keepdims=True) / E.sum(axis=1, keepdims=True))


def cross_entropy(X, T):
    return -np.mean(np.sum(T * log_softmax(X), axis=1))


def cross_entropy_gradient(X, T):
    b = X.shape[0]
    E = np.exp(X - X.max(axis=1, keepdims=True))
    return (E * (T.sum(axis=1, keepdims=True) / E.sum(axis=1, keepdims=True)) - T) / b


def cross_entropy_of_labels(X):
    Z = X - X.max(axis=1, keepdims=True)
    return -np.mean((Z - np.log(np.exp(Z).sum(axis=1, keepdims=True)))[np.arange(3), ONCE])


def cross_entropy_of_labels_gradient(X):
    E = np.exp(X - X.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True) / 3 - (ONCE[:, None] == np.arange(X.shape[1])) / 3


def layer_norm(X, gamma, beta):
    mean = X.mean(axis=1, keepdims=True)
    return gamma * (X - mean) / np.sqrt(X.var(axis=1, keepdims=True) + 1e-5) + beta


def layer_norm_value(X, gamma, beta):
    D = X - X.mean(axis=1, keepdims=True)
    return gamma * D / np.sqrt((D * D).mean(axis=1, keepdims=True) + 1e-5) + beta


def layer_norm_vjp(X, gamma, beta, G):
    D = X - X.mean(axis=1, keepdims=True)
    r = 1 / np.sqrt((D * D).mean(axis=1, keepdims=True) + 1e-5)
    N = D * r
    H = G * gamma
    dX = r * (H - H.mean(axis=1, keepdims=True) - N * (H * N).mean(axis=1, keepdims=True))
    dgamma = (G * N).sum(axis=0)
    dbeta = G.sum(axis=0)
    return dX, dgamma, dbeta


def rms_norm(X, gamma):
    return X / np.sqrt(np.mean(X**2, axis=1, keepdims=True) + 1e-6) * gamma


def rms_norm_value(X, gamma):
    return X / np.sqrt((X * X).mean(axis=1, keepdims=True) + 1e-6) * gamma


def rms_norm_vjp(X, gamma, G):
    r = 1 / np.sqrt((X * X).mean(axis=1, keepdims=True) + 1e-6)
    N = X * r
    H = G * gamma
    dX = r * (H - N * (H * N).mean(axis=1, keepdims=True))
    dgamma = (G * N).sum(axis=0)
    return dX, dgamma


def attention(Q, K, V):
    return softmax_shifted(Q @ K.T / np.sqrt(Q.shape[1])) @ V


def attention_value(Q, K, V):
    M = Q @ K.T / math.sqrt(Q.shape[1])
    E = np.exp(M - M.max(axis=1, keepdims=True))
    return (E / E.sum(axis=1, keepdims=True)) @ V


def attention_vjp(Q, K, V, G):
    d = Q.shape[1]
    M = Q @ K.T / math.sqrt(d)
    E = np.exp(M - M.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    dV = P.T @ G
    H = G @ V.T
    D = P * (H - (P * H).sum(axis=1, keepdims=True)) / math.sqrt(d)
    dQ = D @ K
    dK = D.T @ Q
    return dQ, dK, dV


def batched_attention(Q, K, V):
    M = Q @ K.mT / np.sqrt(Q.shape[-1])
    E = np.exp(M - M.max(axis=-1, keepdims=True))
    return (E / E.sum(axis=-1, keepdims=True)) @ V


def batched_attention_vjp(Q, K, V, G):
    M = Q @ K.mT / math.sqrt(Q.shape[2])
    E = np.exp(M - M.max(axis=-1, keepdims=True))
    P = E / E.sum(axis=-1, keepdims=True)
    H = G @ V.mT
    D = P * (H - np.vecdot(P, H)[:, :, None]) / math.sqrt(Q.shape[2])
    return D @ K, D.mT @ Q, P.mT @ G


def self_attention(X, A, B, C, U):
    return attention(X @ A, X @ B, X @ C) @ U


def self_attention_vjp(X, A, B, C, U, G):
    Q, K, V = X @ A, X @ B, X @ C
    M = Q @ K.T / math.sqrt(Q.shape[1])
    E = np.exp(M - M.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    R = P @ V
    H = G @ U.T
    D = P * (H @ V.T - np.vecdot(H, R)[:, None]) / math.sqrt(Q.shape[1])
    dQ = D @ K
    dK = D.T @ Q
    dV = P.T @ H
    dX = dQ @ A.T + dK @ B.T + dV @ C.T
    return dX, X.T @ dQ, X.T @ dK, X.T @ dV, R.T @ G


def split_attention(X, A, B, C, U):
    Q, K, V = (np.einsum("bnd,dhk->bhnk", X, W) for W in (A, B, C))
    return np.einsum("bhnk,hkd->bnd", batched_attention(Q, K, V), U)


def split_attention_vjp(X, A, B, C, U, G):
    Q, K, V = (np.einsum("bnd,dhk->bhnk", X, A), np.einsum("bnd,dhk->bhnk", X, B), np.einsum("bnd,dhk->bhnk", X, C))
    M = Q @ K.mT / math.sqrt(Q.shape[3])
    E = np.exp(M - M.max(axis=-1, keepdims=True))
    P = E / E.sum(axis=-1, keepdims=True)
    R = P @ V
    H = np.einsum("bnd,hkd->bhnk", G, U)
    D = P * (H @ V.mT - np.vecdot(H, R)[:, :, :, None]) / math.sqrt(Q.shape[3])
    dQ = D @ K
    dK = D.mT @ Q
    dV = P.mT @ H
    dX = np.einsum("bhnk,dhk->bnd", dQ, A) + np.einsum("bhnk,dhk->bnd", dK, B) + np.einsum("bhnk,dhk->bnd", dV, C)
    dA = np.einsum("bnd,bhnk->dhk", X, dQ)
    dB = np.einsum("bnd,bhnk->dhk", X, dK)
    dC = np.einsum("bnd,bhnk->dhk", X, dV)
    dU = np.einsum("bhnk,bnd->hkd", R, G)
    return dX, dA, dB, dC, dU


def squared_error(X, A, T):
    return np.sum((X @ A - T) ** 2)


def squared_error_gradient(X, A, T):
    R = X @ A - T
    dX = 2 * R @ A.T
    dA = 2 * X.T @ R
    return dX, dA


def log_det(S):
    return np.linalg.slogdet(S)[1]


def log_det_gradient(S):
    return np.linalg.inv(S).T


def solved(S, B):
    return np.linalg.solve(S, B)


def solved_vjp(S, B, G):
    dB = np.linalg.solve(S.T, G)
    dS = -dB @ np.linalg.solve(S, B).T
    return dS, dB


def mahalanobis(x, S):
    return x @ np.linalg.inv(S) @ x


def mahalanobis_gradient(x, S):
    return np.linalg.solve(S, x) + np.linalg.solve(S.T, x)


def linear(X, W, c):
    return X @ W + c


def linear_vjp(X, W, c, G):
    dX = G @ W.T
    dW = X.T @ G
    dc = G.sum(axis=0)
    return dX, dW, dc


def tanh_mlp(X, W, c, U):
    return np.tanh(X @ W + c) @ U


def tanh_mlp_vjp(X, W, c, U, G):
    T = np.tanh(X @ W + c)
    P = (G @ U.T) * (1 - T**2)
    dX = P @ W.T
    dW = X.T @ P
    dc = P.sum(axis=0)
    dU = T.T @ G
    return dX, dW, dc, dU


def gelu(X):
    return 0.5 * X * (1 + special.erf(X / math.sqrt(2)))


def gelu_vjp(X, G):
    return G * (0.5 * (1 + special.erf(X / math.sqrt(2))) + X * np.exp(-0.5 * X**2) / math.sqrt(2 * math.pi))


def gelu_mlp(X, W, U):
    return gelu(X @ W) @ U


def gelu_mlp_vjp(X, W, U, G):
    Z = X @ W
    F = 0.5 * (1 + special.erf(Z / math.sqrt(2)))
    P = (G @ U.T) * (F + Z * np.exp(-0.5 * Z**2) / math.sqrt(2 * math.pi))
    dX = P @ W.T
    dW = X.T @ P
    dU = (Z * F).T @ G
    return dX, dW, dU


def logistic(X, w, y):
    return np.sum(np.log(1 + np.exp(-y * (X @ w))))


def logistic_gradient(X, w, y):
    s = 1 / (1 + np.exp(y * (X @ w)))
    return -X.T @ (y * s)


def logistic_hessian(X, w, y):
    s = 1 / (1 + np.exp(y * (X @ w)))
    return X.T @ ((s * (1 - s) * y**2)[:, None] * X)


def binary_cross_entropy(X, w, t):
    z = X @ w
    return np.sum(np.logaddexp(z, 0) - t * z)


def binary_cross_entropy_gradient(X, w, t):
    s = 1 / (1 + np.exp(-(X @ w)))
    return X.T @ (s - t)


def least_squares_hessian(X, A, T):
    m = A.shape[1]
    H = 2 * X.T @ X
    out = np.zeros((A.shape[0], m, A.shape[0], m), dtype=X.dtype)
    np.einsum("ijkj->ikj", out)[...] = H[:, :, None]
    return out


def log_sum_exp(X, W):
    Z = X @ W
    top = Z.max(axis=1)
    return np.sum(top + np.log(np.exp(Z - top[:, None]).sum(axis=1)))


def log_sum_exp_hvp(X, W, dW):
    Z = X @ W
    E = np.exp(Z - Z.max(axis=1)[:, None])
    S = E / E.sum(axis=1)[:, None]
    D = X @ dW
    return X.T @ (S * (D - np.vecdot(S, D)[:, None]))


def normaliser(x):
    return np.log(np.sum(np.exp(x)))


def normaliser_hessian(x):
    E = np.exp(x)
    S = E / E.sum()
    out = np.zeros((x.size, x.size), dtype=x.dtype)
    out[...] = -S[:, None] * S
    np.einsum("ii->i", out)[...] += S
    return out


def leaky_relu(X):
    return np.where(X > 0, X, 0.01 * X)


def leaky_relu_vjp(X, G):
    return np.where(X > 0, G, 0.01 * G)


def elu(X):
    return np.where(X > 0, X, np.expm1(X))


def elu_vjp(X, G):
    return G * np.where(X > 0, 1, np.exp(X))


def huber(x, y):
    r = x - y
    return np.sum(np.where(np.abs(r) < 1, 0.5 * r**2, np.abs(r) - 0.5))


def huber_gradient(x, y):
    r = x - y
    return np.where(np.abs(r) < 1, r, np.sign(r))


def cross_entropy_of_probabilities(z, t):
    p = 1 / (1 + np.exp(-z))
    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))


def cross_entropy_of_probabilities_gradient(z, t):
    return (1 / (1 + np.exp(-z)) - t) / z.shape[0]


def cross_entropy_of_logits(X, w, t):
    z = X @ w
    return np.mean(np.maximum(z, 0) - t * z + np.log1p(np.exp(-np.abs(z))))


def cross_entropy_of_logits_gradient(X, w, t):
    s = 1 / (1 + np.exp(-(X @ w)))
    return X.T @ ((s - t) / X.shape[0])


def rotary(X, c, s):
    a, b = X[:, ::2], X[:, 1::2]
    return np.stack([a * c - b * s, a * s + b * c], axis=2).reshape(X.shape)


def rotary_gradient(X, c, s, G):
    out = np.zeros(X.shape, dtype=X.dtype)
    out[:, ::2] = c * G[:, ::2] + s * G[:, 1::2]
    out[:, 1::2] = c * G[:, 1::2] - s * G[:, ::2]
    return out


def lstm_gates(a, c):
    i, f, g, o = a[:, :5], a[:, 5:10], a[:, 10:15], a[:, 15:]
    return np.tanh(c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))) / (1 + np.exp(-o))


def lstm_gates_vjp(a, c, G):
    i, f, o = (1 / (1 + np.exp(-a[:, :5])), 1 / (1 + np.exp(-a[:, 5:10])), 1 / (1 + np.exp(-a[:, 15:])))
    g = np.tanh(a[:, 10:15])
    kept = f * c
    t = np.tanh(kept + i * g)
    back = G * o
    state = back * (1 - t**2)
    new = i * state
    da = np.zeros(a.shape, dtype=a.dtype)
    da[:, :5] = new * g * (1 - i)
    da[:, 5:10] = state * kept * (1 - f)
    da[:, 10:15] = new * (1 - g**2)
    da[:, 15:] = back * t * (1 - o)
    return da, state * f


def normal_equations(X, y):
    return np.linalg.solve(X.T @ X, X.T @ y)


def normal_equations_vjp(X, y, G):
    A = X.T @ X
    w = np.linalg.solve(A, X.T @ y)
    u = np.linalg.solve(A, G)
    dy = X @ u
    dX = (y - X @ w)[:, None] * u - dy[:, None] * w
    return dX, dy


def distance(x, y, S):
    return np.sqrt((x - y) @ np.linalg.solve(S, x - y))


def distance_gradients(x, y, S):
    r = x - y
    u, v = np.linalg.solve(S, r), np.linalg.solve(S.T, r)
    length = np.sqrt(r @ u)
    dx = (u + v) / length / 2
    dS = -(v[:, None] * u) / length / 2
    return dx, dS


def classifier(X, W, a, U, c, T):
    return cross_entropy(np.maximum(X @ W + a, 0) @ U + c, T)


def classifier_gradients(X, W, a, U, c, T):
    Z = X @ W + a
    H = np.maximum(Z, 0)
    logits = H @ U + c
    E = np.exp(logits - logits.max(axis=1)[:, None])
    D = E * (T.sum(axis=1) / E.sum(axis=1))[:, None] - T
    dW = X.T @ ((Z > 0) * (D @ U.T)) / X.shape[0]
    dU = H.T @ D / X.shape[0]
    return dW, dU


def filtered(x, P, H, R, z):
    return x + P @ H.T @ np.linalg.solve(H @ P @ H.T + R, z - H @ x)


def filtered_vjp(x, P, H, R, z, G):
    HP = H @ P
    S = HP @ H.T + R
    r = np.linalg.solve(S, z - H @ x)
    back = P.T @ G
    dz = np.linalg.solve(S.T, H @ back)
    u = H.T @ r
    dx = G - H.T @ dz
    dP = dx[:, None] * u
    dH = r[:, None] * (back - dz @ HP) - dz[:, None] * (x + P @ u)
    dR = -dz[:, None] * r
    return dx, dP, dH, dR, dz


NORM = {"X": "b n", "gamma": "n", "beta": "n"}
HEADS = {"Q": "s d", "K": "t d", "V": "t e"}
REGRESSION = {"X": "b m", "A": "m n", "T": "b n"}
LOGISTIC = {"X": "b m", "w": "m", "y": "b"}

LAYERS = {
    "softmax": Layer(softmax, {"X": "b n"}, value, softmax),
    "softmax, VJP": Layer(softmax, {"X": "b n"}, vjp, softmax_vjp),
    "softmax, Jacobian": Layer(softmax, {"X": "b n"}, lambda F: F.jacobian("X"), softmax_jacobian),
    "softmax with shift": Layer(softmax_shifted, {"X": "b n"}, value, softmax_shifted),
    "softmax with shift, VJP": Layer(softmax_shifted, {"X": "b n"}, vjp, softmax_shifted_vjp),
    "log-softmax": Layer(log_softmax, {"X": "b n"}, value, log_softmax),
    "log-softmax, VJP": Layer(log_softmax, {"X": "b n"}, vjp, log_softmax_vjp),
    "cross-entropy, gradient": Layer(
        cross_entropy, {"X": "b n", "T": "b n"}, lambda F: F.grad("X"), cross_entropy_gradient
    ),
    "cross-entropy of labels, gradient": Layer(
        cross_entropy_of_labels, {"X": "3 4"}, lambda F: F.grad("X"), cross_entropy_of_labels_gradient
    ),
    "layer norm": Layer(layer_norm, NORM, value, layer_norm_value),
    "layer norm, VJP": Layer(layer_norm, NORM, vjp, layer_norm_vjp),
    "RMS norm": Layer(rms_norm, {"X": "b n", "gamma": "n"}, value, rms_norm_value),
    "RMS norm, VJP": Layer(rms_norm, {"X": "b n", "gamma": "n"}, vjp, rms_norm_vjp),
    "attention": Layer(attention, HEADS, value, attention_value),
    "attention, VJP": Layer(attention, HEADS, vjp, attention_vjp),
    "batched attention, VJP": Layer(
        batched_attention, {"Q": "b s d", "K": "b t d", "V": "b t e"}, vjp, batched_attention_vjp
    ),
    "self-attention, VJP": Layer(
        self_attention, {"X": "s m", "A": "m d", "B": "m d", "C": "m e", "U": "e n"}, vjp, self_attention_vjp
    ),
    "multi-head attention, VJP": Layer(
        split_attention,
        {"X": "b s m", "A": "m h k", "B": "m h k", "C": "m h k", "U": "h k m"},
        vjp,
        split_attention_vjp,
    ),
    "squared error, gradient": Layer(squared_error, REGRESSION, lambda F: F.grad("X", "A"), squared_error_gradient),
    "squared error, Hessian": Layer(squared_error, REGRESSION, lambda F: F.hessian("A"), least_squares_hessian),
    "log-determinant, gradient": Layer(log_det, {"S": "n n"}, lambda F: F.grad("S"), log_det_gradient, "invertible"),
    "solve, VJP": Layer(solved, {"S": "n n", "B": "n k"}, vjp, solved_vjp, {"S": "invertible"}),
    "Mahalanobis, gradient": Layer(
        mahalanobis, {"x": "n", "S": "n n"}, lambda F: F.grad("x"), mahalanobis_gradient, {"S": "invertible"}
    ),
    "linear": Layer(linear, {"X": "b m", "W": "m n", "c": "n"}, value, linear),
    "linear, VJP": Layer(linear, {"X": "b m", "W": "m n", "c": "n"}, vjp, linear_vjp),
    "tanh MLP, VJP": Layer(tanh_mlp, {"X": "b m", "W": "m h", "c": "h", "U": "h n"}, vjp, tanh_mlp_vjp),
    "GELU, VJP": Layer(gelu, {"X": "b n"}, vjp, gelu_vjp),
    "GELU MLP, VJP": Layer(gelu_mlp, {"X": "b m", "W": "m h", "U": "h n"}, vjp, gelu_mlp_vjp),
    "logistic loss, gradient": Layer(logistic, LOGISTIC, lambda F: F.grad("w"), logistic_gradient),
    "logistic loss, Hessian": Layer(logistic, LOGISTIC, lambda F: F.hessian("w"), logistic_hessian),
    "log-sum-exp with shift, Hessian-vector product": Layer(
        log_sum_exp, {"X": "b m", "W": "m n"}, lambda F: F.hvp("W"), log_sum_exp_hvp
    ),
    "log-sum-exp, Hessian": Layer(normaliser, {"x": "n"}, lambda F: F.hessian("x"), normaliser_hessian),
    "leaky ReLU, VJP": Layer(leaky_relu, {"X": "b n"}, vjp, leaky_relu_vjp),
    "ELU, VJP": Layer(elu, {"X": "b n"}, vjp, elu_vjp),
    "Huber loss, gradient": Layer(huber, {"x": "n", "y": "n"}, lambda F: F.grad("x"), huber_gradient),
    "cross-entropy of probabilities, gradient": Layer(
        cross_entropy_of_probabilities,
        {"z": "b", "t": "b"},
        lambda F: F.grad("z"),
        cross_entropy_of_probabilities_gradient,
    ),
    "cross-entropy of logits, gradient": Layer(
        cross_entropy_of_logits,
        {"X": "b m", "w": "m", "t": "b"},
        lambda F: F.grad("w"),
        cross_entropy_of_logits_gradient,
    ),
    "rotary embedding, VJP": Layer(rotary, {"X": "n 6", "c": "n 3", "s": "n 3"}, lambda F: F.vjp("X"), rotary_gradient),
    "LSTM gates, VJP": Layer(lstm_gates, {"a": "b 20", "c": "b 5"}, vjp, lstm_gates_vjp),
    "normal equations, VJP": Layer(normal_equations, {"X": "b m", "y": "b"}, vjp, normal_equations_vjp),
    "distance, gradients": Layer(
        distance,
        {"x": "n", "y": "n", "S": "n n"},
        lambda F: F.grad("x", "S"),
        distance_gradients,
        {"S": "positive definite"},
    ),
    "classifier, gradients": Layer(
        classifier,
        {"X": "b m", "W": "m h", "a": "h", "U": "h n", "c": "n", "T": "b n"},
        lambda F: F.grad("W", "U"),
        classifier_gradients,
    ),
    "Kalman mean, VJP": Layer(
        filtered,
        {"x": "n", "P": "n n", "H": "m n", "R": "m m", "z": "m"},
        vjp,
        filtered_vjp,
        {"P": "positive definite", "R": "positive definite"},
    ),
    "binary cross-entropy, gradient": Layer(
        binary_cross_entropy, {"X": "b m", "w": "m", "t": "b"}, lambda F: F.grad("w"), binary_cross_entropy_gradient
    ),
}

every_layer = pytest.mark.parametrize("name", LAYERS)


def inputs(F, domain="any", seed=0):
    shapes = {name: " ".join(map(str, shape)) for name, shape in F.inputs.items()}
    return random_inputs(shapes, distinct_sizes(shapes), np.random.default_rng(seed), domain)


@every_layer
def test_no_more_operations_than_an_expert(name):
    layer = LAYERS[name]
    source = layer.derived().source()
    ours, theirs = operations(source), operations(inspect.getsource(layer.expert))
    assert ours <= theirs, source


NOISE = {
    "a sign before brackets around a name": r"-\(\w+\)",
    "brackets around a product on the left of @": r"(?<!\w)\((\w|\.)+ @ (\w|\.)+\) @",
    "a transposed product of which an operand is transposed": r"\(((\w|\.)+\.T @ (\w|\.)+|(\w|\.)+ @ (\w|\.)+\.T)\)\.T",
    "a condition as numbers": r"np\.where\([^,]*\.astype",
    "a transposed array in an elementwise product": r"(?<!@ )\b\w+\.m?T \* |\* [\w.]+\.m?T\b(?! @)",
    "brackets around a comparison": r"= \([^()]* [<>]=? [^()]*\)$",
}


@every_layer
@pytest.mark.parametrize("noise", NOISE)
def test_there_is_no_noise(name, noise):
    source = LAYERS[name].derived().source()
    assert not re.search(NOISE[noise], source, re.MULTILINE), source


@pytest.mark.parametrize(
    ("fun", "shapes", "body"),
    [
        (lambda x, A: x @ A.T, {"x": "n", "A": "m n"}, "return A @ x"),
        (lambda A, B, C: A @ B @ C, {"A": "n n", "B": "n n", "C": "n n"}, "return A @ B @ C"),
        (lambda x: np.where(np.abs(x) < 1, x, 2), {"x": "n"}, "return np.where(np.abs(x) < 1, x, 2)"),
        (lambda X: np.trace(np.linalg.inv(X)), {"X": "n n"}, "return np.trace(np.linalg.inv(X))"),
        (lambda X: np.log(np.diagonal(X)).sum(), {"X": "n n"}, "return np.log(np.diagonal(X)).sum()"),
        (lambda X: np.diagonal(X), {"X": "n n"}, "return np.diagonal(X).copy()"),
        (lambda X: X.T @ X / (X.shape[0] - 1), {"X": "b n"}, "return X.T @ X / (b - 1)"),
        (lambda X, G: X @ (G + G.T).T, {"X": "b n", "G": "n n"}, "return X @ (G + G.T)"),
        (lambda x, A: x @ A @ x, {"x": "n", "A": "n n"}, "return x @ A @ x"),
        (
            lambda X, y, c: np.linalg.solve(X.T @ X + c * tj.eye(X.shape[1]), X.T @ y),
            {"X": "b n", "y": "b", "c": ""},
            "return np.linalg.solve(X.T @ X + np.eye(n, dtype=dtype) * c, y @ X)",
        ),
        (
            lambda v: tj.eye(v.shape[0]) - 2 * np.outer(v, v) / (v @ v),
            {"v": "n"},
            "return np.eye(n, dtype=dtype) - 2 * v[:, None] * (v / (v @ v))",
        ),
        (
            lambda A, X: np.trace(A) * tj.eye(3) - X,
            {"A": "n n", "X": "3 3"},
            "return np.eye(3, dtype=dtype) * np.trace(A) - X",
        ),
        (lambda x: np.where(x == 0, x, 2), {"x": "n"}, "return np.where(x == 0, x, 2)"),
        (lambda x: np.where(x > 1, 2.0, 0.5), {"x": "n"}, "return np.where(x > 1, dtype.type(2), 0.5)"),
    ],
)
def test_expressions_are_written_as_people_do(fun, shapes, body):
    assert tj.trace(fun, **shapes).source().endswith(f"    {body}\n")


def test_what_is_written_first_is_the_array_for_the_rest():
    """A product is not copied into zeros, and what others read is left as it is."""
    ridge = tj.trace(lambda X: X.T @ X + tj.eye(X.shape[1]), X="b n")
    X = np.random.default_rng(0).normal(size=(5, 4))
    for sizes in ({"b": 5, "n": 4}, {"b": 500, "n": 400}):
        assert re.search(r"^    out = X\.T(\.dot\(X\)| @ X)$", ridge.source(sizes), re.MULTILINE)
    np.testing.assert_array_equal(ridge(X), X.T @ X + np.eye(4))
    both = tj.trace(lambda X: (X.T @ X + tj.eye(X.shape[1]), X.T @ X), X="b n")
    for found, wanted in zip(both(X), (X.T @ X + np.eye(4), X.T @ X), strict=True):
        np.testing.assert_array_equal(found, wanted)


@every_layer
def test_the_expert_is_right(name):
    """The formula beside the layer is what the library computes, or the comparison would mean nothing."""
    layer = LAYERS[name]
    F = layer.derived()
    args = inputs(F, layer.domain)
    expected = layer.expert(**args)
    for one, other in zip(named(F(**args)).values(), named(expected).values(), strict=True):
        assert_close(one, other, 1e-12, roundings=2048)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("def f(X):\n    with np.errstate(over='ignore'):\n        return X.mean(axis=0)", 2),
        ("def f(X):\n    return X", 0),
        ("def f(X):\n    return X.T.reshape(2, -1)[1:, None].copy()", 0),
        ("def f(X):\n    b, n = X.shape\n    return X * (b * n)", 1),
        ("def f(X):\n    n = X.shape[0]\n    m = n + 1\n    return X / math.sqrt(m)", 1),
        ("def f(X):\n    return np.exp(-X) + 1", 3),
        ("def f(X, A):\n    return (X @ A).sum(axis=0)", 2),
        ("def f(X):\n    X = X * 2\n    X += 1\n    return X > 0", 3),
        ("def f(X):\n    return X[1 : 2 + 3, X.shape[0] - 1]", 0),
    ],
)
def test_the_counting(source, count):
    assert operations(source) == count


# Reads and writes, not products with zeros and ones -----------------------------------------------


def heads(X):
    split = X.reshape(X.shape[0], X.shape[1], 2, X.shape[2] // 2).transpose(0, 2, 1, 3)
    return np.exp(split).transpose(0, 2, 1, 3).reshape(X.shape)


VIEWED = {
    "split into heads": (heads, "b s d"),
    "split into heads of fixed size": (heads, "b s 4"),
    "split into groups": (lambda X: np.exp(X.reshape(X.shape[0], 2, X.shape[1] // 2, X.shape[2])), "b c h"),
    "flattened": (lambda X: np.exp(X.reshape(-1)), "a b"),
    "flattened and back": (lambda X: np.exp(X.reshape(-1)).reshape(X.shape), "a b"),
    "flattened, read backward and back": (lambda X: np.exp(X.reshape(-1)[::-1]).reshape(X.shape), "a b"),
    "flattened and contracted": (lambda X: X.reshape(-1) @ (X**2).reshape(-1), "a b"),
    "merged and split": (lambda X: X.reshape(X.shape[0], -1).reshape(X.shape), "a b c"),
    "split and merged": (lambda X: X.reshape(X.shape[0], 2, 3).reshape(X.shape[0], 6) ** 2, "a 6"),
    "padded": (lambda X: np.tanh(np.pad(X, 1)), "a"),
    "joined": (lambda X: np.tanh(np.concatenate([X, 2 * X])), "a"),
    "stacked": (lambda X: np.exp(np.stack([X, X**2])), "a"),
    "rolled": (lambda X: np.exp(np.roll(X, 1)), "a"),
    "cut": (lambda X: np.exp(X[::2, ::-1]), "a b"),
    "diagonal": (lambda X: np.exp(np.diagonal(X)), "a a"),
}


@pytest.mark.parametrize("name", VIEWED)
def test_views_are_read_and_written(name):
    """No δ becomes an array where a cut, a strided write or a reshape does: not in the value, not in the VJP."""
    fun, shape = VIEWED[name]
    F = tj.trace(fun, X=shape)
    for source in (F.source(), F.vjp().source()):
        assert not any(word in source for word in ("arange", "np.eye", "== 0")), source


def running_sum(X):
    return np.cumsum(X, axis=1)


def causal_sums(X, A):
    return np.tril(A) @ np.exp(X)


TRIANGLES = {
    "running sums": (running_sum, {"X": "b n"}, "np.cumsum(X, axis=1)", "np.cumsum(G[:, ::-1], axis=1)[:, ::-1]"),
    "running sums of rows": (
        lambda X: np.cumsum(X, axis=0),
        {"X": "b n"},
        "np.cumsum(X, axis=0)",
        "np.cumsum(G[::-1], axis=0)[::-1]",
    ),
    "running sums of all": (lambda X: np.cumsum(X), {"X": "b n"}, "np.cumsum(X.reshape(b*n))", ""),
    "lower triangle": (lambda X: np.tril(X), {"X": "m n"}, "return np.tril(X)", "return np.tril(G)"),
    "upper triangle": (lambda X: np.triu(X, 2), {"X": "m n"}, "return np.triu(X, 2)", "return np.triu(G, 2)"),
    "lower triangle, shifted": (lambda X: np.tril(X, -1), {"X": "m n"}, "return np.tril(X, -1)", "np.tril(G, -1)"),
    "triangle in a product": (causal_sums, {"X": "n d", "A": "n n"}, "np.tril(A) @ np.exp(X)", "np.tril("),
}


@pytest.mark.parametrize("name", TRIANGLES)
def test_triangles_and_running_sums(name):
    """A δ that only compares is no array: it cuts a matrix or is a running sum."""
    fun, shapes, forward, backward = TRIANGLES[name]
    F = tj.trace(fun, **shapes)
    assert forward in F.source()
    assert backward in F.vjp().source()
    assert "np.zeros" not in F.vjp().source()
    args = inputs(F)
    assert_close(F(**args), fun(**args))


ONCE = np.array([2, 0, 1])
OFTEN = np.array([[1, 0, 1], [3, 1, 0]])

LOOKUPS = {
    "rows": (lambda E: E[ONCE], "v d", "return E[C1]", "np.add.at(out, C1, G)"),
    "columns": (lambda E: E[:, ONCE], "b v", "return E[:, C1]", "np.add.at(out, C1, G.T)"),
    "bags": (lambda E: E[OFTEN].sum(axis=1), "v d", "return E[C1].sum(axis=1)", "np.add.at(out, C1, "),
    "one of each row": (lambda X: X[np.arange(3), ONCE], "3 v", "return X[np.arange(3), C1]", "np.arange(v)"),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_lookups_read_and_add_up(name):
    """Positions index an array, and what comes back is added up at them: no product with ones and zeros."""
    fun, shape, forward, backward = LOOKUPS[name]
    F = tj.trace(fun, E=shape) if name != "one of each row" else tj.trace(fun, X=shape)
    assert forward in F.source()
    assert backward in F.vjp().source()
    assert "@" not in F.vjp().source()


# What can be relied on ----------------------------------------------------------------------------


@cache
def traced(case):
    return tj.trace(case.fun, **case.shapes)


def cotangents(case, args):
    rng = np.random.default_rng(1)
    given = [np.asarray(rng.normal(size=np.shape(x))) for x in case.results(args).values()]
    return {"G": given[0]} if len(given) == 1 else {f"G{k}": x for k, x in enumerate(given, 1)}


def derived(case):
    """The function, its VJP and, of the first output, a Jacobian by each input."""
    F = traced(case)
    of = {"of": next(iter(F.outputs))} if len(F.outputs) > 1 else {}
    return [F, F.vjp(), F.jvp(), *(F.jacobian(wrt, **of) for wrt in F.inputs)]


def full(F, args):
    """Arguments for a derivative: those of the function, and random arrays for those that it adds; and the sizes."""
    given = {name: np.asarray(value) for name, value in args.items()}
    sizes = bind_sizes({name: F._parts.inputs[name] for name in given}, {name: x.shape for name, x in given.items()})
    for seed, (name, dims) in enumerate(F._parts.inputs.items()):
        if name not in given:
            shape = [dim.evaluate(sizes) for dim in dims]
            given[name] = np.asarray(np.random.default_rng(seed).normal(size=shape))
    return given, sizes


@every_case
def test_results_are_arrays_of_their_own(case):
    """C-contiguous, writable, no part of an argument or of each other; and the arguments stay as they are."""
    for F in derived(case):
        args, _ = full(F, case.inputs())
        before = {name: value.copy() for name, value in args.items()}
        results = [np.asarray(value) for value in named(F(**args)).values()]
        for value in results:
            assert value.flags.c_contiguous
            assert value.flags.writeable or value.ndim == 0
            for given in (*args.values(), *F.constants.values()):
                assert not np.shares_memory(value, given)
        for k, value in enumerate(results):
            assert not any(np.shares_memory(value, other) for other in results[k + 1 :])
            value.fill(0) if value.ndim else None
        for name, value in args.items():
            np.testing.assert_array_equal(value, before[name])


@every_case
def test_shapes_and_dtypes_are_those_promised(case):
    """Every result has its shape, and single precision stays single precision, in Jacobians, too."""
    for F in derived(case):
        args, sizes = full(F, case.inputs())
        args = {name: np.asarray(value, dtype=np.float32) for name, value in args.items()}
        with np.errstate(all="ignore"):
            results = named(F(**args)).values()
        for value, (axes, _) in zip(results, F._parts.outputs.values(), strict=True):
            assert value.dtype == np.float32
            assert value.shape == tuple(axis.dim.evaluate(sizes) for axis in axes)


@every_case
def test_any_layout_and_read_only_arguments(case):
    """Fortran order, strides, and arrays that may not be written."""
    for F in derived(case)[:2]:
        args, _ = full(F, case.inputs())
        expected = named(F(**args))
        others = {}
        for name, value in args.items():
            if value.ndim:
                wide = np.zeros((*value.shape[:-1], 2 * value.shape[-1]))
                wide[..., ::2] = value
                others[name] = np.asfortranarray(value) if value.ndim > 1 else wide[::2]
            else:
                others[name] = np.array(value)
            others[name].flags.writeable = False
        for name, value in named(F(**others)).items():
            assert_close(value, expected[name], 1e-13)


@every_case
def test_source_is_a_function_of_the_function(case):
    """The same text every time: traced again, derived again, asked again."""
    again = tj.trace(case.fun, **case.shapes)
    for one, other in ((traced(case), again), (traced(case).vjp(), again.vjp())):
        assert one.source() == other.source() == one.source()
        assert str(one) == str(other)


def statements(source):
    """The names that are assigned in a function, each with how often it is read afterwards."""
    words = [part for part in ast.walk(ast.parse(source)) if isinstance(part, ast.Name)]
    reads = [word.id for word in words if isinstance(word.ctx, ast.Load)]
    return {word.id: reads.count(word.id) for word in words if isinstance(word.ctx, ast.Store)}


@every_case
def test_nothing_is_computed_for_nothing(case):
    """Every assigned name is used, and every name that is used is there."""
    for F in derived(case):
        source = F.source()
        args, _ = full(F, case.inputs())
        unused = [name for name, count in statements(source).items() if not count]
        # of the sizes that are read together some may not be needed
        sizes = {size for shape in F.inputs.values() for size in shape}
        assert [name for name in unused if name not in sizes] == [], source
        scope = {"np": np, "math": math, "erf": special.erf, "xlogy": special.xlogy, **F.constants}
        exec(source, scope)
        (name,) = [part.name for part in ast.parse(source).body]
        for one, other in zip(named(scope[name](**args)).values(), named(F(**args)).values(), strict=True):
            assert_close(one, other, 1e-12)


@every_case
def test_source_is_laid_out(case):
    """No line is too long to read, no blanks at line ends, one newline at the end."""
    for F in derived(case)[:3]:
        source = F.source()
        assert source.endswith("\n")
        assert not source.endswith("\n\n")
        for line in source.splitlines():
            assert line == line.rstrip()
            assert len(line) <= 170


def test_parts_of_what_has_a_maximum_are_rounded_as_the_whole_is():
    """A scaling that is applied once to the whole would be applied to the parts in another order."""

    def fun(X):
        Y = np.sin(np.kron(np.roll(X, 1, axis=0)[:, :1] / 3, np.roll(X, 1, axis=0)[:1] / 3))
        return Y.max(axis=0) - Y

    F = tj.trace(fun, X="b n")
    for seed in range(5):
        X = np.random.default_rng(seed).normal(size=(4, 3))
        step = 1e-6 * np.eye(12).reshape(12, 4, 3)
        slopes = np.stack([(fun(X + h) - fun(X - h)) / 2e-6 for h in step], axis=-1)
        np.testing.assert_allclose(F.jacobian("X")(X).reshape(slopes.shape), slopes, atol=1e-7)
