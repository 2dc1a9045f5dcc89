"""Deep networks: the work of tracing, differentiating and planning grows with the layers, and with nothing more."""

from cProfile import Profile

import numpy as np
import pytest

import tensorjac as tj
from oracles import assert_close


def softmax(Z):
    e = np.exp(Z - Z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def pre_norm(X, W):
    C = X - X.mean(-1, keepdims=True)
    return X + np.tanh(C / np.sqrt((C * C).mean(-1, keepdims=True) + 1e-5) @ W)


LAYERS = {
    "residual": lambda X, W: X + np.tanh(X @ W),
    "step": lambda X, W: X - 0.1 * (X @ W),
    "gate": lambda X, W: np.tanh(X @ W) * X,
    "gated residual": lambda X, W: X + np.tanh(X @ W) * X,
    "pre-norm": pre_norm,
    "attention": lambda X, W: X + softmax(X @ W @ X.T) @ X,
}
ENDS = {
    "all": lambda X: X,
    "first row": lambda X: X[0],
    "last column": lambda X: X[:, -1],
}


def network(layer, end, depth):
    def f(X, W):
        for _ in range(depth):
            X = LAYERS[layer](X, W)
        return ENDS[end](X)

    return f


def calls(action):
    """How many functions an action calls: what it costs, by another measure than a clock."""
    profile = Profile()
    result = profile.runcall(action)
    return sum(entry.callcount for entry in profile.getstats()), result


# Of twice as many layers, twice the work, and at most a logarithm's part more; what is quadratic makes it 4.
TWICE = 2.5


@pytest.mark.parametrize(
    ("layer", "end"),
    [
        *((layer, "all") for layer in LAYERS),
        ("residual", "first row"),
        ("gate", "first row"),
        ("step", "last column"),
    ],
)
def test_work_is_linear_in_the_layers(layer, end):
    traced, derived, planned = [], [], []
    # few at first, since what is exponential would never end; at last so many that programs are planned once
    for depth in (8, 16, 56, 112):
        count, F = calls(lambda depth=depth: tj.trace(network(layer, end, depth), X="b n", W="n n"))
        traced.append(count)
        if depth == 16:
            assert traced[1] <= 2 * TWICE * traced[0]
        if depth >= 56:
            count, V = calls(lambda F=F: F.vjp("W"))
            derived.append(count)
            planned.append(calls(V.source)[0])
    for few, many in (traced[2:], derived, planned):
        assert many <= TWICE * few


@pytest.mark.parametrize(("layer", "end"), [("residual", "first row"), ("step", "last column"), ("pre-norm", "all")])
def test_hundreds_of_layers(layer, end):
    """No recursion goes down through the layers, and what comes out is right."""
    f = network(layer, end, 250)
    F = tj.trace(f, X="b n", W="n n")
    rng = np.random.default_rng(250)
    X, W = rng.normal(size=(3, 4)), 0.01 * rng.normal(size=(4, 4))
    value = f(X, W)
    assert_close(F(X, W), value, roundings=4096)
    G, V = rng.normal(size=value.shape), rng.normal(size=W.shape)
    # a complex step is exact but for rounding, of which each layer adds some
    slope = (f(X, W + 1e-30j * V).imag * G).sum() / 1e-30
    assert_close((F.vjp("W")(X, W, G) * V).sum(), slope, roundings=250 * 256)
