"""Code as it stands in repositories: cells, losses, windows in loops, methods; right ones, and slips in them."""

import inspect
import linecache

import numpy as np
import pytest

import tensorjac as tj
from tensorjac.testing import with_cache


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_cell(x, h, c, W, U):
    n = h.shape[1]
    a = x @ W + h @ U
    keep, enter, show, new = (
        sigmoid(a[:, :n]),
        sigmoid(a[:, n : 2 * n]),
        sigmoid(a[:, 2 * n : 3 * n]),
        np.tanh(a[:, 3 * n :]),
    )
    cell = keep * c + enter * new
    return show * np.tanh(cell), cell, (x, h, c, W, U, keep, enter, show, new, cell)


def lstm_cell_backward(dout, dcell, cache):
    x, h, c, W, U, keep, enter, show, new, cell = cache
    t = np.tanh(cell)
    total = dcell + dout * show * (1 - t**2)
    dkeep = total * c * keep * (1 - keep)
    denter = total * new * enter * (1 - enter)
    dshow = dout * t * show * (1 - show)
    dnew = total * enter * (1 - new**2)
    da = np.concatenate([dkeep, denter, dshow, dnew], axis=1)
    return da @ W.T, da @ U.T, total * keep, x.T @ da, h.T @ da


def gated_cell(x, h, W, R, V):
    z = sigmoid(x @ W)
    r = sigmoid(h @ R)
    s = np.tanh((r * h) @ V)
    return (1 - z) * h + z * s, (x, h, W, R, V, z, r, s)


def gated_cell_backward(dout, cache):
    x, h, W, R, V, z, r, s = cache
    dz = dout * (s - h) * z * (1 - z)
    ds = dout * z * (1 - s**2)
    drh = ds @ V.T
    dr = drh * h * r * (1 - r)
    dh = dout * (1 - z)
    dh += r * drh
    dh += dr @ R.T
    dV = (r * h).T @ ds
    return dz @ W.T, dh, x.T @ dz, h.T @ dr, dV


def heads(x, W):
    b, t, d = x.shape
    q = (x @ W).reshape(b, t, 2, d // 2).transpose(0, 2, 1, 3)
    scores = np.where(np.tril(np.ones((t, t), dtype=bool)), q @ q.swapaxes(-1, -2), -np.inf)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return (p @ q).transpose(0, 2, 1, 3).reshape(b, t, d), (x, W, q, p)


def heads_backward(dout, cache):
    x, W, q, p = cache
    b, t, d = x.shape
    g = dout.reshape(b, t, 2, d // 2).transpose(0, 2, 1, 3)
    dp = g @ q.swapaxes(-1, -2)
    ds = p * (dp - np.sum(dp * p, axis=-1, keepdims=True))
    dq = p.swapaxes(-1, -2) @ g + ds @ q + ds.swapaxes(-1, -2) @ q
    flat = dq.transpose(0, 2, 1, 3).reshape(b * t, d)
    return (flat @ W.T).reshape(x.shape), x.reshape(b * t, d).T @ flat


def turned_pairs(x, c, s):
    even, odd = x[:, 0::2], x[:, 1::2]
    return np.stack([even * c - odd * s, even * s + odd * c], axis=2).reshape(x.shape), (c, s)


def turned_pairs_backward(dout, cache):
    c, s = cache
    dx = np.zeros_like(dout)
    dx[:, 0::2] = dout[:, 0::2] * c + dout[:, 1::2] * s
    dx[:, 1::2] = dout[:, 1::2] * c - dout[:, 0::2] * s
    return dx, None, None


def running_state(x, w):
    state, states = np.zeros_like(x[0]), []
    for t in range(4):
        state = np.tanh(x[t] + state @ w)
        states.append(state)
    return np.stack(states), (x, w, states)


def running_state_backward(dout, cache):
    x, w, states = cache
    dx, dw, later = np.zeros_like(x), np.zeros_like(w), np.zeros_like(x[0])
    for t in reversed(range(4)):
        dx[t] = (dout[t] + later) * (1 - states[t] ** 2)
        later = dx[t] @ w.T
        if t > 0:
            dw += states[t - 1].T @ dx[t]
    return dx, dw


def normalised(x):
    total = np.sum(np.exp(x), axis=1, keepdims=True)
    return np.exp(x) / total, (x, total)


def normalised_backward(dout, cache):
    x, total = cache
    s = np.exp(x) / total
    return s * (dout - (dout * s).sum(axis=1, keepdims=True))


def windows(x):
    padded = np.pad(x, ((0, 0), (1, 1)))
    return np.stack([padded[:, k : k + x.shape[1]] for k in range(3)], axis=2)


def filtered(x, w):
    return windows(x) @ w, (x, w)


def filtered_backward(dout, cache):
    x, w = cache
    dx = windows(dout) @ w[::-1]
    return dx, np.einsum("ni,nik->k", dout, windows(x))


def largest_in_blocks(x):
    rows, columns = x.shape[0] // 2, x.shape[1] // 2
    out = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            out[i, j] = np.max(x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
    return out, x


def largest_in_blocks_backward(dout, x):
    dx = np.zeros_like(x)
    for i in range(dout.shape[0]):
        for j in range(dout.shape[1]):
            block = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            dx[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = (block == block.max()) * dout[i, j]
    return dx


PASSES = {
    "lstm": (lstm_cell, lstm_cell_backward, {"x": "N D", "h": "N H", "c": "N H", "W": "D 4*H", "U": "H 4*H"}),
    "gated": (gated_cell, gated_cell_backward, {"x": "N D", "h": "N H", "W": "D H", "R": "H H", "V": "H H"}),
    "heads": (heads, heads_backward, {"x": "2 3 4", "W": "4 4"}),
    "pairs": (turned_pairs, turned_pairs_backward, {"x": "T 2*n", "c": "T n", "s": "T n"}),
    "state": (running_state, running_state_backward, {"x": "4 N D", "w": "D D"}),
    "softmax": (normalised, normalised_backward, {"x": "N D"}),
    "filter": (filtered, filtered_backward, {"x": "N T", "w": "3"}),
    "blocks": (largest_in_blocks, largest_in_blocks_backward, {"x": "12 14"}),
}

FIRST = "np.concatenate([dkeep, denter, dshow, dnew], axis=1)"
SLIPS = [
    ("lstm", FIRST, "np.concatenate([denter, dkeep, dshow, dnew], axis=1)", {"wrong-operand"}),
    ("gated", "dh += r * drh", "dh += drh", {"exponent"}),
    ("gated", "(r * h).T", "h.T", {"exponent", "wrong-operand"}),
    ("gated", "dh += dr @ R.T", "dh = dr @ R.T", {"shared-weight"}),
    ("heads", "ds.swapaxes(-1, -2) @ q", "ds @ q", {"product-order", "missing-term"}),
    ("heads", "dq = p.swapaxes(-1, -2) @ g", "dq = p @ g", {"product-order"}),
    ("pairs", "* c - dout[:, 0::2]", "* c + dout[:, 0::2]", {"term-sign"}),
    ("state", "reversed(range(4))", "range(4)", {"recurrent-path"}),
    ("state", "later = dx[t] @ w.T", "later = dx[t] @ w", {"product-order", "jacobian-transposed"}),
    ("softmax", ".sum(axis=1, keepdims=True)", ".sum()", {"wrong-axis"}),
    ("softmax", "s * (dout - ", "s * (-dout + ", {"sign", "term-sign"}),
    ("filter", "w[::-1]", "w", {"time-shift", "jacobian-transposed"}),
    ("filter", "windows(x)", "windows(x)[:, :, ::-1]", {"time-shift"}),
    ("blocks", "(block == block.max()) *", "", {"mask", "pooling"}),
]


def changed(fun, old, new):
    """A function with one piece of its source replaced; its source can be read, as that of a file can."""
    source = inspect.getsource(fun)
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {fun.__name__}"
    source = source.replace(old, new)
    place = f"<{fun.__name__} with {new}>"
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    scope = {}
    exec(compile(source, place, "exec"), globals(), scope)
    return scope[fun.__name__]


def report(name, backward):
    forward, _, shapes = PASSES[name]
    pair = with_cache(forward, backward)
    try:
        F = tj.trace(pair.forward, **shapes)
    except tj.TraceError:
        F = tj.opaque(pair.forward, **shapes)
    return tj.check_vjp(F, pair.backward)


@pytest.mark.parametrize("name", PASSES)
def test_right(name):
    assert report(name, PASSES[name][1])


@pytest.mark.parametrize(("name", "old", "new", "causes"), SLIPS, ids=[f"{s[0]}: {s[2] or s[1]}" for s in SLIPS])
def test_slips(name, old, new, causes):
    said = report(name, changed(PASSES[name][1], old, new))
    assert said.verdict == "wrong"
    assert {finding.cause for finding in said.findings if finding.verdict == "wrong"} <= causes, said


def test_changing_the_cotangent_of_a_cell_is_all_that_is_wrong():
    """The second call with the same cache gets arguments of its own."""
    source = "total = dcell + dout * show * (1 - t**2)"
    said = report("lstm", changed(lstm_cell_backward, source, "dcell += dout * show * (1 - t**2)\n    total = dcell"))
    verdicts = {finding.argument: (finding.verdict, finding.cause) for finding in said.findings}
    assert verdicts.pop("G2") == ("wrong", "in-place")
    assert set(verdicts.values()) == {("right", None)}


def test_claims_nothing_about_the_first_input():
    F = tj.trace(lambda V, W, H: 0.5 * np.sum((V - W @ H) ** 2), V="m n", W="m k", H="k n")
    assert tj.check_grad(F, lambda V, W, H: (None, (W @ H - V) @ H.T, W.T @ (W @ H - V)))


class Squares:
    def __init__(self, scale):
        self.scale = scale

    def backward(self, x, G):
        return G * self.scale * x


def test_methods_are_changed_like_functions():
    F = tj.trace(lambda x: np.sin(x**2), x="n")
    (finding,) = tj.check_vjp(F, Squares(2).backward).findings
    assert finding.verdict == "wrong"
    G = tj.trace(lambda x: 3 * x**2, x="n")
    (finding,) = tj.check_vjp(G, Squares(2).backward).findings
    assert finding.cause == "factor"


# What is left to the person ---------------------------------------------------------------------------------------


def cross_entropy(x, t):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return -np.sum(t * np.log(e / e.sum(axis=1, keepdims=True))) / x.shape[0]


def cross_entropy_kept_finite(x, t):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return -np.sum(t * np.log(e / e.sum(axis=1, keepdims=True) + 1e-7)) / x.shape[0]


def textbook(x, t):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True) - t) / x.shape[0], None


LABELS = {"x": "N C", "t": "N C"}


@pytest.mark.parametrize("make", [tj.trace, tj.opaque])
def test_rows_that_sum_to_one(make):
    F = make(cross_entropy, **LABELS)
    (finding,) = tj.check_grad(F, textbook).findings
    assert (finding.verdict, finding.cause) == ("undecided", "row-sum")
    assert finding.message.startswith(
        "dx is right where the rows of t sum to 1, as one-hot labels and probabilities do, and wrong elsewhere. "
        'If they do, say so: domain={"t": "one-hot"} or "probabilities"'
    )
    for domain in ("one-hot", "probabilities"):
        assert tj.check_grad(F, textbook, domain={"t": domain})


def test_rows_that_are_declared_otherwise():
    (finding,) = tj.check_grad(tj.trace(cross_entropy, **LABELS), textbook, domain={"t": "positive"}).findings
    assert (finding.verdict, finding.cause) == ("wrong", "row-sum")


def test_rows_are_not_blamed_for_a_mask():
    """Where every row is active, leaving out the mask does not show: that is no convention."""
    F = tj.trace(lambda a, p: np.mean(np.maximum(np.sum(a * p, axis=1), 0)), a="b d", p="b d")
    report = tj.check_grad(F, {"a": "p / p.shape[0]"})
    assert report.verdict == "wrong"


def test_a_constant_that_keeps_the_logarithm_finite():
    F = tj.trace(cross_entropy_kept_finite, **LABELS)
    (finding,) = tj.check_grad(F, textbook, domain={"t": "one-hot"}).findings
    assert (finding.verdict, finding.cause) == ("undecided", "stabiliser")
    assert finding.message.startswith("dx is the gradient of the function without its 1e-07; they differ by up to ")


def test_a_constant_left_out_in_one_place_only():
    F = tj.trace(lambda x: x / np.sqrt(np.mean(x**2) + 1e-5), x="n")

    def backward(x, G):
        r = np.sqrt(np.mean(x**2) + 1e-5)
        return G / r - x * np.sum(G * x) / (x.size * np.mean(x**2) ** 1.5)

    (finding,) = tj.check_vjp(F, backward).findings
    assert (finding.verdict, finding.cause) == ("wrong", "stabiliser")
    assert finding.message.startswith("dx leaves out the 1e-05 of the function somewhere; they differ by up to ")


def test_a_mask_of_ones_and_zeros_is_no_index():
    """Constants of whole numbers that are no integers name no rows."""
    mask = np.tril(np.ones((3, 3)))
    F = tj.trace(lambda x: np.tanh(x) @ mask, x="b 3")
    (finding,) = tj.check_vjp(F, lambda x, G: (G @ mask.T) * (1 - np.tanh(x) ** 2) * np.array([1.0, 2.0, 1.0])).findings
    assert finding.verdict == "wrong" and finding.cause != "repeated-index"


def test_what_has_no_effect_is_not_called_zero():
    """The maximum that a softmax subtracts, and a constant that float32 does not see, are no zeros."""

    def backward(x, G):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        s = e / e.sum(axis=1, keepdims=True)
        return s * (G - (G * s).sum(axis=1, keepdims=True))

    (finding,) = tj.check_vjp(tj.trace(lambda x: normalised(x)[0], x="b n"), backward).findings
    assert (finding.verdict, finding.cause) == ("right", None)

    def single(x, G):
        x, G = x.astype(np.float32), G.astype(np.float32)
        return G / np.sqrt(x + np.float32(1e-12))

    F = tj.trace(lambda x: 2 * np.sqrt(x), x="n")
    (finding,) = tj.check_vjp(F, single, domain={"x": "positive"}).findings
    assert (finding.verdict, finding.cause) == ("right", None)


def test_numeric_truth_beside_kinks():
    """Two entries of one block lie close together: a wide step reaches over the kink, a narrow one does not."""
    x = np.arange(12.0).reshape(4, 3)
    x[1, 1] = x[1, 0] + 2e-3
    box = tj.opaque(lambda x: np.array([row.max() for row in x]), x="r c")
    assert tj.check_vjp(box, lambda x, G: G[:, None] * (x == x.max(axis=1, keepdims=True)), at={"x": x})
