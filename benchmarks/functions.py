"""The functions that are differentiated, written once for every library that has NumPy's names.

``np`` is NumPy, or ``jax.numpy``, ``autograd.numpy``, ``torch``.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

Function = Callable[..., Any]


def product(np: ModuleType) -> Function:
    def f(X, A):
        return X @ A

    return f


def linear(np: ModuleType) -> Function:
    def f(X, W, c):
        return X @ W + c

    return f


def softmax(np: ModuleType) -> Function:
    def f(X):
        E = np.exp(X - np.amax(X, axis=1, keepdims=True))
        return E / np.sum(E, axis=1, keepdims=True)

    return f


def cross_entropy(np: ModuleType) -> Function:
    def f(X, T):
        Z = X - np.amax(X, axis=1, keepdims=True)
        return -np.sum(T * (Z - np.log(np.sum(np.exp(Z), axis=1, keepdims=True)))) / X.shape[0]

    return f


def layer_norm(np: ModuleType) -> Function:
    def f(X, gamma, beta):
        D = X - np.mean(X, axis=1, keepdims=True)
        return gamma * D / np.sqrt(np.mean(D**2, axis=1, keepdims=True) + 1e-5) + beta

    return f


def attention(np: ModuleType) -> Function:
    def f(Q, K, V):
        return softmax(np)(Q @ K.T / Q.shape[1] ** 0.5) @ V

    return f


def gelu_mlp(np: ModuleType) -> Function:
    def f(X, W, U):
        Z = X @ W
        return (0.5 * Z * (1 + np.tanh(0.7978845608028654 * (Z + 0.044715 * Z**3)))) @ U

    return f


def logistic(np: ModuleType) -> Function:
    def f(w, X, y):
        return np.sum(np.log(1 + np.exp(-y * (X @ w))))

    return f


def factorisation(np: ModuleType) -> Function:
    def f(U, V, T):
        return np.sum((T - U @ V.T) ** 2)

    return f


def relu_net(np: ModuleType) -> Function:
    def f(W1, X, T, *rest):
        H = X @ W1
        for W in rest:
            H = (H * (H > 0)) @ W
        return cross_entropy(np)(H, T)

    return f


def two_layers(np: ModuleType) -> Function:
    def f(X, W1, W2):
        return np.tanh(X @ W1) @ W2

    return f


def norm_of_two_layers(np: ModuleType) -> Function:
    def f(X, W1, W2):
        return np.sqrt(np.sum((np.tanh(X @ W1) @ W2) ** 2))

    return f


def chain(np: ModuleType, layer: str) -> Function:
    """As many layers as there are matrices: linear, tanh, residual, softmax, gated or pre-norm."""

    def normalised(X):
        C = X - X.mean(axis=-1, keepdims=True)
        return C / np.sqrt((C * C).mean(axis=-1, keepdims=True) + 1e-5)

    def step(X, W):
        if layer == "pre-norm":
            return X + np.tanh(normalised(X) @ W)
        Z = X @ W
        if layer == "gated":
            return X + np.tanh(Z) * X
        if layer == "linear":
            return Z
        if layer == "softmax":
            return softmax(np)(Z)
        return X + np.tanh(Z) if layer == "residual" else np.tanh(Z)

    def f(X, *matrices):
        for W in matrices:
            X = step(X, W)
        return X

    return f
