"""Layers with their backward passes in several equal spellings, as textbooks, courses and repositories have them.

Nothing here knows the library. Every spelling of a layer is right; none may be called wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# Softmax and its losses -------------------------------------------------------------------------------------------


def softmax_forward(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    s = e / e.sum(axis=-1, keepdims=True)
    return s, s


def softmax_by_projection(dout, s):
    total = np.sum(dout * s, axis=-1, keepdims=True)
    dx = s * (dout - total)
    return dx


def softmax_by_two_products(dout, s):
    dx = dout * s
    dx -= s * dx.sum(axis=-1, keepdims=True)
    return dx


def softmax_by_jacobians(dout, s):
    dx = np.zeros_like(s)
    for i in range(len(s)):
        jacobian = np.diag(s[i]) - np.outer(s[i], s[i])
        dx[i] = jacobian.T @ dout[i]
    return dx


def softmax_by_einsum(dout, s):
    jacobian = np.einsum("bi,ij->bij", s, np.eye(s.shape[1])) - np.einsum("bi,bj->bij", s, s)
    return np.einsum("bij,bi->bj", jacobian, dout)


def log_softmax_forward(x):
    shifted = x - x.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logp, logp


def log_softmax_by_p(dout, logp):
    p = np.exp(logp)
    dx = dout - p * dout.sum(axis=1, keepdims=True)
    return dx


def log_softmax_by_jacobian(dout, logp):
    p = np.exp(logp)
    n = p.shape[1]
    return np.stack([(np.eye(n) - p[i]).T @ dout[i] for i in range(len(p))])


def cross_entropy_forward(z, t):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.sum(t * np.log(p)) / len(z)
    return loss, (p, t)


def cross_entropy_through_log(dout, cache):
    p, t = cache
    dp = -dout * t / p / len(p)
    dz = p * (dp - np.sum(dp * p, axis=1, keepdims=True))
    return dz, None


def cross_entropy_in_one(dout, cache):
    p, t = cache
    weight = t.sum(axis=1, keepdims=True)
    dz = (p * weight - t) / p.shape[0]
    return dout * dz, None


# Recurrent layers -------------------------------------------------------------------------------------------------


def rnn_step_forward(x, h, wx, wh, b):
    a = x @ wx + h @ wh + b
    out = np.tanh(a)
    return out, (x, h, wx, wh, a, out)


def rnn_step_by_output(dout, cache):
    x, h, wx, wh, _, out = cache
    da = dout * (1 - out**2)
    dx = da @ wx.T
    dh = da @ wh.T
    dwx = x.T @ da
    dwh = h.T @ da
    db = da.sum(axis=0)
    return dx, dh, dwx, dwh, db


def rnn_step_by_cosh(dout, cache):
    x, h, wx, wh, a, _ = cache
    da = dout / np.cosh(a) ** 2
    return da.dot(wx.T), da.dot(wh.T), np.dot(x.T, da), np.dot(h.T, da), np.ones(len(x)) @ da


def rnn_forward(x, h0, wx, wh, b):
    h, states = h0, []
    for t in range(4):
        h = np.tanh(x[:, t] @ wx + h @ wh + b)
        states.append(h)
    return np.stack(states, axis=1), (x, h0, wx, wh, states)


def rnn_through_time(dout, cache):
    x, h0, wx, wh, states = cache
    dx = np.zeros_like(x)
    dwx, dwh, db = np.zeros_like(wx), np.zeros_like(wh), np.zeros(wh.shape[0])
    dnext = np.zeros_like(h0)
    for t in reversed(range(4)):
        dh = dout[:, t] + dnext
        da = dh * (1 - states[t] ** 2)
        before = states[t - 1] if t > 0 else h0
        dx[:, t] = da @ wx.T
        dnext = da @ wh.T
        dwx += x[:, t].T @ da
        dwh += before.T @ da
        db += da.sum(axis=0)
    return dx, dnext, dwx, dwh, db


def rnn_stacked(dout, cache):
    x, h0, wx, wh, states = cache
    das, carried = [], 0.0
    for t in (3, 2, 1, 0):
        das.insert(0, (dout[:, t] + carried) * (1 - states[t] * states[t]))
        carried = das[0].dot(wh.T)
    da = np.stack(das, axis=1)
    before = np.stack([h0, *states[:-1]], axis=1)
    dwx = np.einsum("btd,bth->dh", x, da)
    dwh = np.einsum("btg,bth->gh", before, da)
    return da @ wx.T, carried, dwx, dwh, da.sum(axis=(0, 1))


def gru_forward(x, h, wz, wr, wn, uz, ur, un):
    z = sigmoid(x @ wz + h @ uz)
    r = sigmoid(x @ wr + h @ ur)
    n = np.tanh(x @ wn + (r * h) @ un)
    return (1 - z) * h + z * n, (x, h, wz, wr, wn, uz, ur, un, z, r, n)


def gru_step_by_step(dout, cache):
    x, h, wz, wr, wn, uz, ur, un, z, r, n = cache
    dz = dout * (n - h)
    dn = dout * z
    dh = dout * (1 - z)
    dan = dn * (1 - n**2)
    drh = dan @ un.T
    dr = drh * h
    dh += drh * r
    daz = dz * z * (1 - z)
    dar = dr * r * (1 - r)
    dh += daz @ uz.T
    dh += dar @ ur.T
    dx = daz @ wz.T + dar @ wr.T + dan @ wn.T
    dwz, dwr, dwn = x.T @ daz, x.T @ dar, x.T @ dan
    duz, dur, dun = h.T @ daz, h.T @ dar, (r * h).T @ dan
    return dx, dh, dwz, dwr, dwn, duz, dur, dun


def gru_joined(dout, cache):
    x, h, wz, wr, wn, uz, ur, un, z, r, n = cache
    dn = z * dout * (1 - n) * (1 + n)
    gated = dn @ un.T
    gates = np.concatenate([(n - h) * dout * (z - z**2), gated * h * (r - r**2), dn], axis=1)
    hidden = h.shape[1]
    dw = x.T @ gates
    du = h.T @ gates[:, : 2 * hidden]
    dx = gates @ np.concatenate([wz, wr, wn], axis=1).T
    dh = gates[:, : 2 * hidden] @ np.concatenate([uz, ur], axis=1).T + gated * r + dout - z * dout
    dwz, dwr, dwn = np.split(dw, 3, axis=1)
    return dx, dh, dwz, dwr, dwn, du[:, :hidden], du[:, hidden:], (h * r).T @ dn


def lstm_forward(x, h, c, wx, wh, b):
    a = x @ wx + h @ wh + b
    m = h.shape[1]
    i, f, o = sigmoid(a[:, :m]), sigmoid(a[:, m : 2 * m]), sigmoid(a[:, 2 * m : 3 * m])
    g = np.tanh(a[:, 3 * m :])
    new = f * c + i * g
    tanh = np.tanh(new)
    return o * tanh, new, (x, h, c, wx, wh, i, f, o, g, tanh)


def lstm_step_by_step(dh, dnew, cache):
    x, h, c, wx, wh, i, f, o, g, tanh = cache
    do = dh * tanh
    dc = dnew + dh * o * (1 - tanh**2)
    df = dc * c
    di = dc * g
    dg = dc * i
    dc = dc * f
    dai = di * i * (1 - i)
    daf = df * f * (1 - f)
    dao = do * o * (1 - o)
    dag = dg * (1 - g**2)
    da = np.hstack([dai, daf, dao, dag])
    dx = da @ wx.T
    dwx = x.T @ da
    dprevious = da @ wh.T
    dwh = h.T @ da
    db = da.sum(axis=0)
    return dx, dprevious, dc, dwx, dwh, db


# Normalisations ---------------------------------------------------------------------------------------------------


def batch_norm_forward(x, gamma, beta):
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    inv = 1 / np.sqrt(var + 1e-5)
    xhat = (x - mu) * inv
    return gamma * xhat + beta, (x, gamma, mu, inv, xhat)


def batch_norm_staged(dout, cache):
    x, gamma, mu, inv, xhat = cache
    n = x.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dinv = np.sum(dxhat * (x - mu), axis=0)
    dxmu1 = dxhat * inv
    dvar = -0.5 * inv**3 * dinv
    dsq = dvar * np.ones(x.shape) / n
    dxmu2 = 2 * (x - mu) * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -np.sum(dx1, axis=0)
    dx2 = dmu * np.ones(x.shape) / n
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def batch_norm_simplified(dout, cache):
    _, gamma, _, inv, xhat = cache
    n = len(dout)
    dbeta = dout.sum(axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dx = gamma * inv / n * (n * dout - dbeta - xhat * dgamma)
    return dx, dgamma, dbeta


def batch_norm_of_the_paper(dout, cache):
    x, gamma, mu, inv, xhat = cache
    n = x.shape[0]
    dxhat = dout * gamma
    dvar = np.sum(dxhat * (x - mu) * -0.5 * inv**3, axis=0)
    dmu = np.sum(dxhat * -inv, axis=0) + dvar * np.mean(-2 * (x - mu), axis=0)
    dx = dxhat * inv + dvar * 2 * (x - mu) / n + dmu / n
    return dx, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)


def batch_norm_by_means(dout, cache):
    x, gamma, _, inv, xhat = cache
    centred = dout - dout.mean(axis=0)
    dx = gamma * inv * (centred - xhat * (xhat * dout).mean(axis=0))
    return dx, np.einsum("ij,ij->j", dout, xhat), np.ones(len(x)) @ dout


def rms_norm_forward(x, g):
    r = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)
    return x / r * g, (x, g, r)


def rms_norm_direct(dout, cache):
    x, g, r = cache
    n = x.shape[-1]
    dg = np.sum(dout * x / r, axis=0)
    dy = dout * g
    dx = dy / r - x * np.sum(dy * x, axis=-1, keepdims=True) / (n * r**3)
    return dx, dg


def rms_norm_normalised(dout, cache):
    x, g, r = cache
    xhat = x / r
    dy = g * dout
    projection = xhat * (dy * xhat).mean(axis=-1, keepdims=True)
    return (dy - projection) / r, (dout * xhat).sum(axis=0)


def group_norm_forward(x, gamma, beta):
    b, c = x.shape[0], x.shape[1]
    groups = x.reshape(b, 2, c // 2, x.shape[2])
    mu = groups.mean(axis=(2, 3), keepdims=True)
    var = groups.var(axis=(2, 3), keepdims=True)
    inv = 1 / np.sqrt(var + 1e-5)
    xhat = ((groups - mu) * inv).reshape(x.shape)
    return gamma[:, None] * xhat + beta[:, None], (gamma, inv, xhat)


def group_norm_by_means(dout, cache):
    gamma, inv, xhat = cache
    b, c, n = dout.shape
    dbeta = dout.sum(axis=(0, 2))
    dgamma = (dout * xhat).sum(axis=(0, 2))
    g = (dout * gamma[:, None]).reshape(b, 2, c // 2, n)
    h = xhat.reshape(b, 2, c // 2, n)
    first = g.mean(axis=(2, 3), keepdims=True)
    second = h * (g * h).mean(axis=(2, 3), keepdims=True)
    dx = inv * (g - first - second)
    return dx.reshape(b, c, n), dgamma, dbeta


def group_norm_by_sums(dout, cache):
    gamma, inv, xhat = cache
    b, c, n = dout.shape
    m = c // 2 * n
    g = (gamma[None, :, None] * dout).reshape(b * 2, m)
    h = xhat.reshape(b * 2, m)
    dx = m * g - g.sum(axis=1, keepdims=True) - h * np.sum(g * h, axis=1, keepdims=True)
    dx = inv.reshape(b * 2, 1) / m * dx
    return dx.reshape(dout.shape), np.einsum("bcn,bcn->c", dout, xhat), np.einsum("bcn->c", dout)


# Convolution, pooling, lookup, dropout ----------------------------------------------------------------------------


def conv1d_forward(x, w, b):
    length = x.shape[2] - 2
    out = sum(np.einsum("bcl,fc->bfl", x[:, :, k : k + length], w[:, :, k]) for k in range(3))
    return out + b[:, None], (x, w)


def conv1d_by_taps(dout, cache):
    x, w = cache
    length = dout.shape[2]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    db = dout.sum(axis=(0, 2))
    for k in range(3):
        window = x[:, :, k : k + length]
        dw[:, :, k] = np.einsum("bfl,bcl->fc", dout, window)
        dx[:, :, k : k + length] += np.einsum("bfl,fc->bcl", dout, w[:, :, k])
    return dx, dw, db


def conv1d_by_positions(dout, cache):
    x, w = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for t in range(dout.shape[2]):
        dw += np.tensordot(dout[:, :, t], x[:, :, t : t + 3], axes=([0], [0]))
        dx[:, :, t : t + 3] += np.tensordot(dout[:, :, t], w, axes=([1], [0]))
    return dx, dw, np.sum(dout, axis=(0, 2))


def conv1d_by_full_correlation(dout, cache):
    x, w = cache
    padded = np.pad(dout, ((0, 0), (0, 0), (2, 2)))
    flipped = w[:, :, ::-1]
    n = x.shape[2]
    dx = sum(np.einsum("bfl,fc->bcl", padded[:, :, k : k + n], flipped[:, :, k]) for k in range(3))
    length = dout.shape[2]
    dw = np.stack([np.einsum("bfl,bcl->fc", dout, x[:, :, k : k + length]) for k in range(3)], axis=2)
    return dx, dw, dout.sum(axis=2).sum(axis=0)


def embedding_forward(w, idx):
    return w[idx], (w.shape, idx)


def embedding_add_at(dout, cache):
    shape, idx = cache
    dw = np.zeros(shape)
    np.add.at(dw, idx, dout)
    return dw, None


def embedding_one_hot(dout, cache):
    shape, idx = cache
    hot = np.eye(shape[0])[idx.ravel()]
    return hot.T @ dout.reshape(-1, shape[1]), None


def embedding_loop(dout, cache):
    shape, idx = cache
    dw = np.zeros(shape)
    for i in range(idx.shape[0]):
        for j in range(idx.shape[1]):
            dw[idx[i, j]] += dout[i, j]
    return dw, None


def dropout_forward(x, mask):
    keep = 0.8
    return x * mask / keep, (mask, keep)


def dropout_by_mask(dout, cache):
    mask, keep = cache
    dx = dout * mask / keep
    return dx, None


def dropout_where(dout, cache):
    mask, keep = cache
    return np.where(mask > 0, dout / keep, 0.0), None


def max_pool_forward(x):
    b, h, w = x.shape
    blocks = x.reshape(b, h // 2, 2, w // 2, 2)
    out = blocks.max(axis=4).max(axis=2)
    return out, (x, out)


def max_pool_by_mask(dout, cache):
    x, out = cache
    b, h, w = x.shape
    blocks = x.reshape(b, h // 2, 2, w // 2, 2)
    mask = blocks == out[:, :, None, :, None]
    dx = mask * dout[:, :, None, :, None]
    return dx.reshape(x.shape)


def max_pool_by_windows(dout, cache):
    x, out = cache
    dx = np.zeros_like(x)
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            window = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            mask = window == out[:, i : i + 1, j : j + 1]
            dx[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = mask * dout[:, i : i + 1, j : j + 1]
    return dx


def max_pool_repeated(dout, cache):
    x, out = cache
    wide = out.repeat(2, axis=1).repeat(2, axis=2)
    return (x == wide) * dout.repeat(2, axis=1).repeat(2, axis=2)


def average_pool_forward(x):
    b, n = x.shape
    return x.reshape(b, n // 2, 2).mean(axis=2), None


def average_pool_repeated(dout, cache):
    dx = np.repeat(dout, 2, axis=1) / 2
    return dx


def average_pool_interleaved(dout, cache):
    dx = np.empty((dout.shape[0], 2 * dout.shape[1]))
    dx[:, 0::2] = 0.5 * dout
    dx[:, 1::2] = 0.5 * dout
    return dx


# Networks of two layers -------------------------------------------------------------------------------------------


def mlp_forward(x, w1, b1, w2, b2):
    a = x @ w1 + b1
    h = np.maximum(a, 0)
    return h @ w2 + b2, (x, a, h, w1, w2)


def mlp_backward(dout, cache):
    x, a, h, w1, w2 = cache
    db2 = dout.sum(axis=0)
    dw2 = h.T @ dout
    dh = dout @ w2.T
    da = dh * (a > 0)
    db1 = da.sum(axis=0)
    dw1 = x.T @ da
    dx = da @ w1.T
    return dx, dw1, db1, dw2, db2


def mlp_masked_in_place(dout, cache):
    x, _, h, w1, w2 = cache
    da = np.dot(dout, w2.T)
    da[h <= 0] = 0
    return da.dot(w1.T), x.T.dot(da), np.sum(da, axis=0), h.T.dot(dout), np.sum(dout, axis=0)


def attention_forward(q, k, v):
    s = q @ k.T / np.sqrt(q.shape[1])
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    out = p @ v
    return out, (q, k, v, p, out)


def attention_by_p(dout, cache):
    q, k, v, p, _ = cache
    d = q.shape[1]
    dv = p.T @ dout
    dp = dout @ v.T
    ds = p * (dp - np.sum(p * dp, axis=1, keepdims=True))
    dq = ds @ k / np.sqrt(d)
    dk = ds.T @ q / np.sqrt(d)
    return dq, dk, dv


def attention_by_rows_of_output(dout, cache):
    q, k, v, p, out = cache
    scale = 1.0 / np.sqrt(q.shape[-1])
    delta = np.sum(dout * out, axis=1, keepdims=True)
    ds = p * (dout @ v.T - delta) * scale
    return ds @ k, ds.T @ q, p.T @ dout


@dataclass(frozen=True, eq=False)
class Layer:
    """A forward pass and its backward pass in one spelling or more."""

    name: str
    forward: Callable
    backwards: tuple[Callable, ...]
    shapes: Mapping[str, str]
    domain: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)

    def __str__(self):
        return self.name


XGB = {"x": "b n", "gamma": "n", "beta": "n"}
LSTM = {"x": "b d", "h": "b m", "c": "b m", "wx": "d 4*m", "wh": "m 4*m", "b": "4*m"}
GRU = {"x": "b d", "h": "b m", "wz": "d m", "wr": "d m", "wn": "d m", "uz": "m m", "ur": "m m", "un": "m m"}
RNN = {"wx": "d m", "wh": "m m", "b": "m"}
LAYERS = (
    Layer(
        "softmax",
        softmax_forward,
        (softmax_by_projection, softmax_by_two_products, softmax_by_jacobians, softmax_by_einsum),
        {"x": "b n"},
    ),
    Layer("log-softmax", log_softmax_forward, (log_softmax_by_p, log_softmax_by_jacobian), {"x": "b n"}),
    Layer(
        "cross entropy",
        cross_entropy_forward,
        (cross_entropy_through_log, cross_entropy_in_one),
        {"z": "b n", "t": "b n"},
    ),
    Layer("RNN step", rnn_step_forward, (rnn_step_by_output, rnn_step_by_cosh), {"x": "s d", "h": "s m", **RNN}),
    Layer("RNN", rnn_forward, (rnn_through_time, rnn_stacked), {"x": "s 4 d", "h0": "s m", **RNN}),
    Layer("GRU", gru_forward, (gru_step_by_step, gru_joined), GRU),
    Layer("LSTM", lstm_forward, (lstm_step_by_step,), LSTM),
    Layer(
        "batch norm",
        batch_norm_forward,
        (batch_norm_staged, batch_norm_simplified, batch_norm_of_the_paper, batch_norm_by_means),
        XGB,
    ),
    Layer("RMS norm", rms_norm_forward, (rms_norm_direct, rms_norm_normalised), {"x": "b n", "g": "n"}),
    Layer(
        "group norm",
        group_norm_forward,
        (group_norm_by_means, group_norm_by_sums),
        {"x": "b 2*c n", "gamma": "2*c", "beta": "2*c"},
    ),
    Layer(
        "convolution",
        conv1d_forward,
        (conv1d_by_taps, conv1d_by_positions, conv1d_by_full_correlation),
        {"x": "s c n", "w": "f c 3", "b": "f"},
    ),
    Layer(
        "embedding",
        embedding_forward,
        (embedding_add_at, embedding_one_hot, embedding_loop),
        {"w": "v d", "idx": "b t"},
        {"idx": "index v"},
    ),
    Layer("dropout", dropout_forward, (dropout_by_mask, dropout_where), {"x": "b n", "mask": "b n"}, {"mask": "mask"}),
    Layer(
        "max pooling", max_pool_forward, (max_pool_by_mask, max_pool_by_windows, max_pool_repeated), {"x": "b 2*h 2*w"}
    ),
    Layer("average pooling", average_pool_forward, (average_pool_repeated, average_pool_interleaved), {"x": "b 2*n"}),
    Layer(
        "MLP",
        mlp_forward,
        (mlp_backward, mlp_masked_in_place),
        {"x": "s d", "w1": "d m", "b1": "m", "w2": "m n", "b2": "n"},
    ),
    Layer(
        "attention",
        attention_forward,
        (attention_by_p, attention_by_rows_of_output),
        {"q": "s d", "k": "t d", "v": "t e"},
    ),
)
