"""Forward and backward passes as people write them by hand, right ones, and lines in which they go wrong.

Nothing here knows the library. A wrong pass is a right one with one line replaced.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


def affine_forward(x, w, b):
    return x.dot(w) + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, _ = cache
    dx = dout.dot(w.T)
    dw = x.T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    x = cache
    dx = dout * (x > 0)
    return dx


def batchnorm_forward(x, gamma, beta):
    mu = x.mean(axis=0)
    xmu = x - mu
    var = np.mean(xmu**2, axis=0)
    ivar = 1.0 / np.sqrt(var + 1e-5)
    xhat = xmu * ivar
    return gamma * xhat + beta, (xhat, gamma, xmu, ivar)


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar = cache
    N = dout.shape[0]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    dvar = np.sum(dxhat * xmu * -0.5 * ivar**3, axis=0)
    dmu = np.sum(-dxhat * ivar, axis=0)
    dx = dxhat * ivar + dvar * 2 * xmu / N + dmu / N
    return dx, dgamma, dbeta


def layernorm_forward(x, gamma, beta):
    mu = x.mean(axis=1, keepdims=True)
    std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    xhat = (x - mu) / std
    return gamma * xhat + beta, (xhat, std, gamma)


def layernorm_backward(dout, cache):
    xhat, std, gamma = cache
    D = xhat.shape[1]
    dgamma = np.sum(dout * xhat, axis=0)
    dbeta = np.sum(dout, axis=0)
    dxhat = dout * gamma
    mean1 = np.sum(dxhat, axis=1, keepdims=True) / D
    mean2 = np.sum(dxhat * xhat, axis=1, keepdims=True) / D
    dx = (dxhat - mean1 - xhat * mean2) / std
    return dx, dgamma, dbeta


def attention_forward(Q, K, V):
    S = Q @ K.T / np.sqrt(Q.shape[1])
    E = np.exp(S - S.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    return P @ V, (Q, K, V, P)


def attention_backward(dout, cache):
    Q, K, V, P = cache
    scale = np.sqrt(Q.shape[1])
    dV = P.T @ dout
    dP = dout @ V.T
    dS = P * (dP - np.sum(dP * P, axis=1, keepdims=True))
    dQ = dS @ K / scale
    dK = dS.T @ Q / scale
    return dQ, dK, dV


def rnn_forward(x, h0, Wx, Wh):
    h, states = h0, [h0]
    for t in range(3):
        h = np.tanh(x[:, t] @ Wx + h @ Wh)
        states.append(h)
    return np.stack(states[1:], axis=1), (x, states, Wx, Wh)


def rnn_backward(dout, cache):
    x, states, Wx, Wh = cache
    dx, dnext = np.zeros_like(x), np.zeros_like(states[0])
    dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
    for t in reversed(range(3)):
        dh = dout[:, t] + dnext
        da = dh * (1 - states[t + 1] ** 2)
        dx[:, t] = da @ Wx.T
        dWx += x[:, t].T @ da
        dWh += states[t].T @ da
        dnext = da @ Wh.T
    return dx, dnext, dWx, dWh


def rmsnorm_forward(x, g):
    r = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)
    return g * x / r, (x, g, r)


def rmsnorm_backward(dout, cache):
    x, g, r = cache
    xhat = x / r
    dg = (dout * xhat).sum(axis=0)
    dxhat = dout * g
    dx = (dxhat - xhat * np.mean(dxhat * xhat, axis=-1, keepdims=True)) / r
    return dx, dg


def gelu_forward(x):
    t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    return 0.5 * x * (1 + t), (x, t)


def gelu_backward(dout, cache):
    x, t = cache
    inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
    dx = dout * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * inner)
    return dx


def dropout_forward(x, mask):
    return x * mask / 0.6, mask


def dropout_backward(dout, cache):
    mask = cache
    dx = dout * mask / 0.6
    return dx, None


def embedding_forward(W, idx):
    return W[idx], (W, idx)


def embedding_backward(dout, cache):
    W, idx = cache
    dW = np.zeros_like(W)
    np.add.at(dW, idx, dout)
    return dW, None


def conv_forward(x, w, b):
    N, _, H, W = x.shape
    out = np.zeros((N, w.shape[0], H, W), dtype=np.result_type(x, w, b))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for i in range(H):
        for j in range(W):
            window = padded[:, :, i : i + 3, j : j + 3]
            out[:, :, i, j] = np.tensordot(window, w, axes=([1, 2, 3], [1, 2, 3])) + b
    return out, (padded, w)


def conv_backward(dout, cache):
    padded, w = cache
    dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
    db = dout.sum(axis=(0, 2, 3))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = padded[:, :, i : i + 3, j : j + 3]
            dw += np.tensordot(dout[:, :, i, j], window, axes=([0], [0]))
            dpadded[:, :, i : i + 3, j : j + 3] += np.tensordot(dout[:, :, i, j], w, axes=([1], [0]))
    dx = dpadded[:, :, 1:-1, 1:-1]
    return dx, dw, db


@dataclass(frozen=True, eq=False)
class Layer:
    """A pair of passes; `opaque` where the forward pass fills an array, which cannot be traced."""

    name: str
    forward: Callable
    backward: Callable
    shapes: Mapping[str, str]
    domain: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    opaque: bool = False

    def __str__(self):
        return self.name


NORM = {"x": "N D", "gamma": "D", "beta": "D"}
LAYERS = {
    layer.name: layer
    for layer in (
        Layer("affine", affine_forward, affine_backward, {"x": "N D", "w": "D M", "b": "M"}),
        Layer("relu", relu_forward, relu_backward, {"x": "N D"}),
        Layer("batchnorm", batchnorm_forward, batchnorm_backward, NORM),
        Layer("layernorm", layernorm_forward, layernorm_backward, NORM),
        Layer("attention", attention_forward, attention_backward, {"Q": "s d", "K": "t d", "V": "t e"}),
        Layer("rnn", rnn_forward, rnn_backward, {"x": "N 3 D", "h0": "N H", "Wx": "D H", "Wh": "H H"}),
        Layer("rmsnorm", rmsnorm_forward, rmsnorm_backward, {"x": "N D", "g": "D"}),
        Layer("gelu", gelu_forward, gelu_backward, {"x": "N D"}),
        Layer("dropout", dropout_forward, dropout_backward, {"x": "N D", "mask": "N D"}, {"mask": "mask"}),
        Layer(
            "embedding", embedding_forward, embedding_backward, {"W": "V D", "idx": "N T"}, {"idx": "index V"}, {}, True
        ),
        Layer(
            "conv",
            conv_forward,
            conv_backward,
            {"x": "N C H W", "w": "F C 3 3", "b": "F"},
            {},
            {"N": 2, "C": 2, "H": 3, "W": 4, "F": 3},
            True,
        ),
    )
}

# layer, the line as it is, the line as people write it, the causes that name it
PATHS = {"normalisation-path", "missing-term"}
SLIPS = [
    ("affine", "np.sum(dout, axis=0)", "dout", {"not-summed"}),
    ("affine", "np.sum(dout, axis=0)", "np.mean(dout, axis=0)", {"size-factor"}),
    ("affine", "np.sum(dout, axis=0)", "np.sum(dout, axis=0, keepdims=True)", {"shape", "not-summed"}),
    ("affine", "x.T.dot(dout)", "dout.T.dot(x)", {"transposed"}),
    ("affine", "x.T.dot(dout)", "x.T.dot(dout) + 0.1 * w", {"penalty"}),
    ("affine", "x.T.dot(dout)", "x.T.dot(np.ones_like(dout))", {"upstream"}),
    ("relu", "dout * (x > 0)", "dout * x", {"function-for-derivative"}),
    ("relu", "dout * (x > 0)", "dout * x > 0", {"dtype"}),
    ("relu", "dout * (x > 0)", "1.0 * (x > 0)", {"upstream"}),
    ("relu", "dout * (x > 0)", "dout", {"activation", "mask"}),
    ("relu", "dx = dout * (x > 0)", "dx = dout; dx[x < 0] = 0", {"in-place"}),
    ("relu", "dout * (x > 0)", "dout * (dout > 0)", {"upstream"}),
    ("batchnorm", "+ dvar * 2 * xmu / N", "", PATHS),
    ("batchnorm", "+ dmu / N", "", PATHS),
    ("batchnorm", "dxhat = dout * gamma", "dxhat = dout", {"scale-parameter"}),
    ("batchnorm", "-0.5 * ivar**3", "0.5 * ivar**3", {"term-sign"}),
    ("batchnorm", "dvar * 2 * xmu / N", "dvar * xmu / N", {"factor-two", "wrong-count", "normalisation-path"}),
    ("batchnorm", "dvar * 2 * xmu / N", "dvar * 2 * xmu", {"wrong-count"}),
    ("batchnorm", "dout * xhat, axis=0", "dout * xmu, axis=0", {"exponent"}),
    ("layernorm", "- mean1", "", PATHS),
    ("layernorm", "- xhat * mean2", "", PATHS),
    ("layernorm", "- xhat * mean2", "+ xhat * mean2", {"term-sign"}),
    ("layernorm", ") / std\n", ")\n", {"exponent"}),
    ("layernorm", "np.sum(dxhat, axis=1, keepdims=True) / D", "np.sum(dxhat, axis=0) / len(x)", {"raises"}),
    ("layernorm", "np.sum(dxhat, axis=1, keepdims=True) / D", "np.mean(dxhat, axis=0)", {"wrong-axis"}),
    ("attention", "(dP - np.sum(dP * P, axis=1, keepdims=True))", "dP", {"softmax-projection"}),
    (
        "attention",
        "(dP - np.sum(dP * P, axis=1, keepdims=True))",
        "(1 - P) * dP",
        {"elementwise-jacobian", "activation"},
    ),
    ("attention", "dS @ K / scale", "dS @ K", {"inner-scale"}),
    ("attention", "dS @ K / scale", "dS @ K / scale**2", {"inner-scale"}),
    ("attention", "np.sum(dP * P, axis=1, keepdims=True)", "np.sum(dP * P, axis=0, keepdims=True)", {"wrong-axis"}),
    ("rnn", "dout[:, t] + dnext", "dout[:, t]", {"recurrent-path"}),
    ("rnn", "dWx += x[:, t].T @ da", "dWx = x[:, t].T @ da", {"shared-weight"}),
    ("rmsnorm", " - xhat * np.mean(dxhat * xhat, axis=-1, keepdims=True)", "", PATHS),
    ("rmsnorm", "np.mean(dxhat", "np.sum(dxhat", {"wrong-count"}),
    ("gelu", " * inner", "", {"inner-scale"}),
    ("gelu", "0.5 * x * (1 - t**2) * inner", "0", {"shared-weight", "missing-term"}),
    ("gelu", "(1 - t**2)", "(1 - t)", {"exponent", "function-for-derivative"}),
    ("dropout", "dout * mask / 0.6", "dout / 0.6", {"mask"}),
    ("dropout", "dout * mask / 0.6", "dout * mask", {"factor"}),
    ("dropout", "dout * mask / 0.6", "dout * (np.random.rand(*dout.shape) < 0.6) / 0.6", {"not-repeatable"}),
    ("embedding", "np.add.at(dW, idx, dout)", "dW[idx] += dout", {"repeated-index"}),
    ("conv", "dx = dpadded[:, :, 1:-1, 1:-1]", "dx = dpadded", {"padding"}),
    ("conv", "dx = dpadded[:, :, 1:-1, 1:-1]", "dx = dpadded[:, :, 2:, 2:]", {"time-shift"}),
    ("conv", "axis=(0, 2, 3)", "axis=(0, 2)", {"not-summed"}),
    ("conv", "return dx, dw, db", "return dx, dw[:, :, ::-1, ::-1], db", {"time-shift"}),
]


def wrong_backward(layer: Layer, old: str, new: str) -> Callable:
    """The backward pass with one piece of its source replaced."""
    source = inspect.getsource(layer.backward)
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {layer.backward.__name__}"
    scope = {"np": np}
    exec(source.replace(old, new), scope)
    return scope[layer.backward.__name__]
