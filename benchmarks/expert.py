"""What an expert writes by hand in NumPy: temporaries reused, one pass over memory where one is enough."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def product_vjp(X, A, G):
    return G @ A.T, X.T @ G


def product_value_and_vjp(X, A, G):
    return X @ A, G @ A.T, X.T @ G


def linear(X, W, c, G):
    Y = X @ W
    Y += c
    return Y, G @ W.T, X.T @ G, np.ones(len(X), G.dtype) @ G


def softmax(X, G):
    S = X - X.max(axis=1, keepdims=True)
    np.exp(S, out=S)
    S *= (1 / (S @ np.ones(X.shape[1], X.dtype)))[:, None]
    D = G - np.vecdot(G, S)[:, None]
    D *= S
    return S, D


def cross_entropy(X, T):
    """The value, and the gradient by X for the cotangent 1."""
    b, n = X.shape
    ones = np.ones(n, X.dtype)
    Z = X - X.max(axis=1, keepdims=True)
    E = np.exp(Z)
    z, t = E @ ones, T @ ones
    loss = (np.dot(t, np.log(z)) - np.vdot(T, Z)) / b
    E *= (t / (b * z))[:, None]
    T = T * (1 / b)
    E -= T
    return loss, E


def layer_norm(X, gamma, beta, G):
    b, n = X.shape
    average = np.full(n, 1 / n, X.dtype)
    D = X - (X @ average)[:, None]
    v = np.vecdot(D, D)
    v /= n
    v += 1e-5
    r = 1 / np.sqrt(v)
    D *= r[:, None]
    Y = D * gamma
    Y += beta
    dgamma, dbeta = np.vecdot(G, D, axis=0), np.ones(b, G.dtype) @ G
    H = G * gamma
    dot = np.vecdot(H, D)
    dot /= n
    D *= dot[:, None]
    H -= (H @ average)[:, None]
    H -= D
    H *= r[:, None]
    return Y, H, dgamma, dbeta


def attention(Q, K, V, G):
    scale = 1 / math.sqrt(Q.shape[1])
    P = Q @ K.T
    P *= scale
    P -= P.max(axis=1, keepdims=True)
    np.exp(P, out=P)
    P *= (1 / (P @ np.ones(P.shape[1], P.dtype)))[:, None]
    Y = P @ V
    dV = P.T @ G
    D = G @ V.T
    D -= np.vecdot(G, Y)[:, None]
    P *= scale
    D *= P
    return Y, D @ K, D.T @ Q, dV


def gelu_mlp(X, W, U, G):
    Z = X @ W
    S = Z * Z
    T = S * 0.044715
    T += 1
    T *= Z
    T *= 0.7978845608028654
    np.tanh(T, out=T)
    D = T + 1  # twice the factor of Z in the value
    H = D * Z
    H *= 0.5
    T *= T
    np.subtract(1, T, out=T)
    T *= Z
    S *= 3 * 0.044715
    S += 1
    S *= 0.7978845608028654
    T *= S
    D += T
    D *= 0.5
    Y = H @ U
    dU = H.T @ G
    D *= G @ U.T
    return Y, D @ W.T, X.T @ D, dU


def product_jacobian(X, A):
    b, m = X.shape
    n = A.shape[1]
    out = np.zeros((b, n, m, n), X.dtype)
    np.einsum("bjmj->jbm", out)[...] = X
    return out


def logistic_hessian(w, X, y):
    z = y * (X @ w)
    np.exp(-np.abs(z), out=z)
    z /= (1 + z) ** 2
    z *= y * y
    Z = X * np.sqrt(z)[:, None]
    return Z.T @ Z


def factorisation_core(U, V, T):
    return 2 * (V.T @ V)


def factorisation_hessian(U, V, T):
    n, k = U.shape
    out = np.zeros((n, k, n, k), U.dtype)
    np.einsum("ijil->ijl", out)[...] = 2 * (V.T @ V)
    return out


def relu_net_slopes(W1, X, T, *rest):
    """Per row of X: the derivatives of the output by the first layer's output, the probabilities, and the weight."""
    H, masks = X @ W1, []
    for W in rest:
        masks.append(H > 0)
        H = (H * masks[-1]) @ W
    n = len(rest[0])
    J = masks[0][:, :, None] * rest[0]
    for mask, W in zip(masks[1:], rest[1:], strict=True):
        J *= mask[:, None, :]
        J = (J.reshape(-1, n) @ W).reshape(len(X), n, n)
    E = np.exp(H - H.max(axis=1, keepdims=True))
    return J, E / E.sum(axis=1, keepdims=True), T.sum(axis=1) / len(X)


def relu_net_factors(W1, X, T, *rest):
    """The Hessian by the first layer's weights as a product that is not carried out."""
    J, P, weight = relu_net_slopes(W1, X, T, *rest)
    Z = J - J @ P[:, :, None]
    Z *= (P * weight[:, None])[:, None, :]
    return "bi,bjc,bk,blc->ijkl", (X, Z, X, J)


def relu_net_core(W1, X, T, *rest):
    """B[b], the Hessian of the loss of row b by its first layer's output: all in all it is Σ_b X[b] ⊗ B[b] ⊗ X[b]."""
    J, P, weight = relu_net_slopes(W1, X, T, *rest)
    Z = J * np.sqrt(P * weight[:, None])[:, None, :]
    v = (J @ P[:, :, None])[:, :, 0] * np.sqrt(weight)[:, None]
    return Z @ Z.mT - v[:, :, None] * v[:, None, :]


def relu_net_hessian(W1, X, T, *rest):
    b, m = X.shape
    B = relu_net_core(W1, X, T, *rest)
    n = B.shape[1]
    pairs = (X[:, :, None] * X[:, None, :]).reshape(b, m * m)
    full = (pairs.T @ B.reshape(b, n * n)).reshape(m, m, n, n)
    return np.ascontiguousarray(full.transpose(0, 2, 1, 3))


def two_layers_core(X, W1, W2):
    D = np.tanh(X @ W1)
    D *= D
    np.subtract(1, D, out=D)
    b, h = D.shape
    return ((D[:, None, :] * W2.T).reshape(-1, h) @ W1.T).reshape(b, W2.shape[1], -1)


def two_layers_jacobian(X, W1, W2):
    b, m = X.shape
    n = W2.shape[1]
    out = np.zeros((b, n, b, m), X.dtype)
    np.einsum("bjbm->bjm", out)[...] = two_layers_core(X, W1, W2)
    return out
