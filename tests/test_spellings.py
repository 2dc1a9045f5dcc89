"""No false alarms: every spelling of a backward pass is right, of a traced function and of a black box."""

import numpy as np
import pytest

import tensorjac as tj
from mistakes_in_source import tried
from spellings import LAYERS
from tensorjac.testing import derivable, with_cache

SPELLINGS = [(layer, backward) for layer in LAYERS for backward in layer.backwards]


def check(layer, backward, make):
    pair = with_cache(layer.forward, backward)
    return tj.check_vjp(make(pair.forward, **layer.shapes), pair.backward, domain=layer.domain, sizes=layer.sizes)


@pytest.mark.parametrize("make", [derivable, tj.opaque])
@pytest.mark.parametrize(("layer", "backward"), SPELLINGS, ids=[backward.__name__ for _, backward in SPELLINGS])
def test_right(layer, backward, make):
    report = check(layer, backward, make)
    assert report, report


@pytest.mark.parametrize(("layer", "backward"), SPELLINGS, ids=[backward.__name__ for _, backward in SPELLINGS])
def test_float32_is_never_wrong(layer, backward):
    def lower(arrays):
        return [np.asarray(one, np.float32) if np.asarray(one).dtype.kind == "f" else one for one in arrays]

    def rounded(*cotangents_and_cache):
        *cotangents, args = cotangents_and_cache
        cache = layer.forward(*lower(args))[-1]
        found = backward(*lower(cotangents), cache)
        return found if found is None or isinstance(found, np.ndarray | tuple) else np.asarray(found)

    def forward(*args):
        return (*tuple(layer.forward(*args))[:-1], args)

    names = list(layer.shapes)
    pair = with_cache(layer.forward, backward)
    claim = lambda *given: rounded(*given[len(names) :], given[: len(names)])  # noqa: E731
    report = tj.check_vjp(derivable(pair.forward, **layer.shapes), claim, domain=layer.domain, sizes=layer.sizes)
    assert report.verdict != "wrong", report


# Mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "known"), [("softmax", True), ("softmax", False), ("RNN step", False)])
def test_mistakes_in_the_source(name, known):
    """All are refused, and nearly all are named, with the source and without it."""
    (layer,) = (layer for layer in LAYERS if layer.name == name)
    outcomes = list(tried(layer, known))
    assert [one for one in outcomes if not one.refused] == []
    missed = [one for one in outcomes if not one.named]
    assert len(missed) <= 2, missed


def finding_of(function, claim, **shapes):
    return next(f for f in tj.check_vjp(function, claim).findings if f.verdict == "wrong")


def test_a_black_box_that_calls_len_is_traced_at_fixed_sizes():
    def forward(z, t):
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return -np.sum(t * np.log(p)) / len(z)

    def backward(z, t, G):
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return -G * (t + p * t.sum(axis=1, keepdims=True)) / len(z), None

    with pytest.raises(tj.TraceError):
        tj.trace(forward, z="b n", t="b n")
    found = finding_of(tj.opaque(forward, z="b n", t="b n"), backward)
    assert found.cause == "term-sign"


def fill(x, h0, wx, wh):
    states = np.zeros((*x.shape[:2], wh.shape[0]), dtype=np.result_type(x, h0, wx, wh))
    h = h0
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ wx + h @ wh)
        states[:, t] = h
    return states


def unroll(x, h0, wx, wh, G, passed_on):
    states = fill(x, h0, wx, wh)
    dx, dwx, dwh, back = np.zeros_like(x), np.zeros_like(wx), np.zeros_like(wh), np.zeros_like(h0)
    for t in reversed(range(x.shape[1])):
        da = (G[:, t] + passed_on * back) * (1 - states[:, t] ** 2)
        dx[:, t] = da @ wx.T
        dwx += x[:, t].T @ da
        dwh += (states[:, t - 1] if t else h0).T @ da
        back = da @ wh.T
    return dx, back, dwx, dwh


def test_the_path_through_earlier_steps_of_a_black_box():
    box = tj.opaque(fill, x="b t d", h0="b m", wx="d m", wh="m m")
    assert tj.check_vjp(box, lambda x, h0, wx, wh, G: unroll(x, h0, wx, wh, G, 1))
    report = tj.check_vjp(box, lambda x, h0, wx, wh, G: unroll(x, h0, wx, wh, G, 0))
    assert {finding.cause for finding in report.findings} == {"recurrent-path"}
    assert report.findings[0].message == (
        "dx is right for one step, and lacks what comes back from later steps: along axis 1 of the output every entry "
        "depends on what came before it; add the gradient that the following step passes on."
    )


def without_source(text):
    return eval(text, {"np": np})


def test_what_is_said_where_nothing_fits():
    F = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
    found = finding_of(F, without_source("lambda X, A, G: (X.shape[0] * (G @ A.T) * np.cos(X), None)"))
    assert found.cause is None
    assert found.evidence[0].startswith("the largest difference is at [ij] where i = ")
    assert "the ratio of what you return to the true value grows like b (measured at b and m and n = 6, 12, 24)" in (
        found.evidence
    )


def test_a_term_along_which_an_error_lies():
    F = tj.trace(lambda X, A: np.sin(X @ A) + X @ A, X="b m", A="m n")
    claim = "lambda X, A, G: (None, X.T @ (G * np.cos(X @ A)) + X.T @ G * (1.6 + 0.01 * np.sin(A)))"
    found = finding_of(F, without_source(claim))
    assert "the error lies along the term `X[ki] G[kj]` (correlation 1.00)" in found.evidence
