"""One example for each cause that a check can name, and the tables of right and of wrong gradients."""

import numpy as np
import pytest

import tensorjac as tj
from identities import IDENTITIES, WRONG
from mistakes import checked, problems, right_forms, tried
from tensorjac.check.causes import DETECTORS

calls = iter(range(10**6))


def changing(X, G):
    G[X < 0] = 0
    return G


def softmax(X):
    E = np.exp(X - X.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def layer_norm(X, gamma):
    centred = X - X.mean(axis=1, keepdims=True)
    return gamma * centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)


def statistics(X):
    centred = X - X.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return centred / deviation, deviation


def mean(X):
    return X.mean(axis=1, keepdims=True)


def without_variance(X, gamma, G):
    _, deviation = statistics(X)
    return (gamma * G - mean(gamma * G)) / deviation, None


def without_scale(X, gamma, G):
    scaled, deviation = statistics(X)
    return (G - mean(G) - scaled * mean(G * scaled)) / deviation, None


def sums_for_means(X, gamma, G):
    scaled, deviation = statistics(X)
    g = gamma * G
    return (g - g.sum(1, keepdims=True) - scaled * (g * scaled).sum(1, keepdims=True)) / deviation, None


def turned_term(X, gamma, G):
    scaled, deviation = statistics(X)
    g = gamma * G
    return (g - mean(g) + scaled * mean(g * scaled)) / deviation, None


def recurrent(x, h, W):
    for _ in range(3):
        h = np.tanh(h @ W + x)
    return h


def last_step_only(x, h, W, G):
    for _ in range(2):
        h = np.tanh(h @ W + x)
    return None, None, h.T @ (G * (1 - np.tanh(h @ W + x) ** 2))


def lookup(W, t):
    return W[t]


def overwriting(W, t, G):
    dW = np.zeros_like(W)
    dW[t] = G
    return dW


def penalised(w, X, lam):
    return np.sum(np.tanh(X @ w)) + lam * (w @ w)


def slope(X, w):
    return X.T @ (1 - np.tanh(X @ w) ** 2)


def wrong_array(X, A, G):
    S, C = np.sin(X), np.cos(X)
    return (G @ A.T) * C, C.T @ G - 0 * S.T @ G


def half(x):
    return x.reshape(-1, 2).sum(axis=1)


X2 = {"X": "b n"}
NORM = {"X": "b n", "gamma": "n"}
XA = {"X": "b m", "A": "m n"}


def product(X, A):
    return X @ A


# cause → (function, shapes, claim, options)
EXAMPLES = {
    "upstream": (product, XA, lambda X, A, G: (None, X.T @ np.ones_like(G)), {}),
    "in-place": (lambda X: np.maximum(X, 0), X2, changing, {}),
    "not-repeatable": (lambda X: 2 * X, X2, lambda X, G: 2 * G + next(calls), {}),
    "raises": (product, XA, lambda X, A, G: (None, np.linalg.inv(X[:1]) @ G), {}),
    "shape": (product, XA, {"A": "(X.T @ G).reshape(-1)"}, {}),
    "not-summed": (lambda X, c: X + c, {"X": "b n", "c": "n"}, {"c": "G"}, {}),
    "over-summed": (lambda X: np.tanh(X), X2, {"X": "(G * (1 - np.tanh(X)**2)).sum(axis=0)"}, {}),
    "padding": (lambda x: np.pad(x, 1), {"x": "n"}, {"x": "G"}, {}),
    "zero": (product, XA, {"A": "0 * A"}, {}),
    "sign": (product, XA, {"A": "-X.T @ G"}, {}),
    "factor-two": (product, XA, {"A": "X.T @ G / 2"}, {}),
    "size-factor": (product, XA, {"A": "X.T @ G / X.shape[0]"}, {}),
    "inner-scale": (lambda X, s: np.tanh(X / s), {"X": "b n", "s": ""}, {"X": "G * (1 - np.tanh(X / s)**2)"}, {}),
    "wrong-count": (layer_norm, NORM, sums_for_means, {}),
    "factor": (product, XA, {"A": "1.7 * X.T @ G"}, {}),
    "clipped": (
        lambda X: X**2,
        X2,
        lambda X, G: 2 * X * G / np.linalg.norm(2 * X * G),
        {},
    ),
    "transposed": (product, XA, {"A": "G.T @ X"}, {}),
    "copied": (lambda X, Z: X * np.sin(Z), {"X": "b n", "Z": "b n"}, {"Z": "G * np.sin(Z)"}, {}),
    "time-shift": (lambda X: np.tanh(X), X2, lambda X, G: np.roll(G * (1 - np.tanh(X) ** 2), 1, axis=1), {}),
    "symmetric-convention": (
        lambda a, S: a @ S @ np.sin(a),
        {"a": "n", "S": "n n"},
        {"S": "np.tril(np.outer(a, np.sin(a)))"},
        {},
    ),
    "dtype": (lambda X: np.tanh(X), X2, lambda X, G: G * X > 0, {}),
    "jacobian-transposed": (product, {"X": "b n", "A": "n n"}, {"X": "G @ A"}, {}),
    "product-order": (
        lambda X, A: np.tanh(X @ A),
        {"X": "n n", "A": "n n"},
        {"A": "X @ (G * (1 - np.tanh(X @ A)**2))"},
        {},
    ),
    "wrong-axis": (
        softmax,
        X2,
        lambda X, G: softmax(X) * (G - (G * softmax(X)).sum(axis=0, keepdims=True)),
        {},
    ),
    "term-sign": (layer_norm, NORM, turned_term, {}),
    "missing-term": (lambda X, A: (X @ A) * np.sin(X @ A), XA, {"A": "X.T @ (G * np.sin(X @ A))"}, {}),
    "doubled-term": (
        lambda X, A: np.exp(X @ A) + np.sin(X @ A),
        XA,
        {"A": "X.T @ (G * np.exp(X @ A) + 2 * G * np.cos(X @ A))"},
        {},
    ),
    "penalty": (penalised, {"w": "n", "X": "b n", "lam": ""}, lambda w, X, lam: (slope(X, w), None, None), {}),
    "elementwise-jacobian": (softmax, X2, lambda X, G: G * softmax(X) * (1 - softmax(X)), {}),
    "softmax-projection": (softmax, X2, lambda X, G: G * softmax(X), {}),
    "normalisation-path": (layer_norm, NORM, without_variance, {}),
    "scale-parameter": (layer_norm, NORM, without_scale, {}),
    "post-activation": (
        lambda X, A: np.tanh(X @ A),
        XA,
        {"A": "X.T @ (G * (1 - np.tanh(np.tanh(X @ A))**2))"},
        {},
    ),
    "function-for-derivative": (lambda X, A: np.tanh(X @ A), XA, {"A": "X.T @ (G * np.tanh(X @ A))"}, {}),
    "activation": (lambda X, A: np.tanh(X @ A), XA, {"A": "X.T @ G"}, {}),
    "recurrent-path": (recurrent, {"x": "b n", "h": "b n", "W": "n n"}, last_step_only, {}),
    "repeated-index": (lookup, {"W": "v d", "t": "n"}, overwriting, {"domain": {"t": "index v"}}),
    "shared-weight": (lambda X, W: X @ W @ W, {"X": "b n", "W": "n n"}, {"W": "(X @ W).T @ G"}, {}),
    "pooling": (half, {"x": "2*n"}, lambda x, G: np.stack([G, 0 * G], axis=1).ravel(), {}),
    "mask": (
        lambda X, M: X * M,
        {"X": "b n", "M": "b n"},
        lambda X, M, G: (G, None),
        {"domain": {"M": "mask"}},
    ),
    "another-loss": (
        lambda p, T: -np.sum(T * np.log(p)),
        {"p": "b n", "T": "b n"},
        {"p": "p * T.sum(axis=1, keepdims=True) - T"},
        {"domain": {"p": "unit", "T": "positive"}},
    ),
    "exponent": (lambda x: np.sqrt(np.sin(x) + 2), {"x": "n"}, {"x": "G * np.cos(x) / (2 * (np.sin(x) + 2))"}, {}),
    "rank-one-vector": (
        lambda x, A: np.sin(x) @ A @ np.cos(x),
        {"x": "n", "A": "n n"},
        lambda x, A: (None, np.outer(np.sin(x), np.cos(x) ** 3 + x)),
        {},
    ),
    "option": (
        lambda X, s: np.where(X > 0, X, s * X),
        {"X": "b n", "s": ""},
        lambda X, s, G: (np.where(X > 0, G, 0.01 * G), None),
        {},
    ),
    "wrong-operand": (lambda X, A: np.sin(X) @ A, XA, wrong_array, {}),
}


def run(fun, shapes, claim, options):
    try:
        F = tj.trace(fun, **shapes)
    except tj.TensorjacError:
        F = tj.opaque(fun, **shapes)
    scalar = isinstance(F, tj.Function) and not any(F.outputs.values())
    return (tj.check_grad if scalar else tj.check_vjp)(F, claim, **options)


@pytest.mark.parametrize("cause", EXAMPLES)
def test_the_cause_is_named(cause):
    report = run(*EXAMPLES[cause])
    assert report.verdict == "wrong"
    assert cause in [finding.cause for finding in report.findings], report


IN_TEST_CHECK = {
    "not-finite",
    "division-at-zero",
    "layout",
    "kink",
    "zero-term",
    "second-order-path",
    "wrong-number",
    "extra-term",
}


def test_every_cause_has_an_example():
    """Those of derivations line by line are tested in test_steps.py."""
    named = {cause for one in DETECTORS for cause in one.causes}
    assert named <= set(EXAMPLES) | IN_TEST_CHECK
    assert set(EXAMPLES) | IN_TEST_CHECK <= set(tj.CAUSES)


# Planted mistakes -------------------------------------------------------------------------------------------------


ROWS = {str(problem): problem for problem in problems()}


def sampled(config):
    """Every problem under --long, else some of those whose texts are mutated most."""
    names = ["XA by A", "Ax by x", "XX by X", "row softmax by X", "|Mx-y|² by x", "a·sin(AXB)b by X"]
    return list(ROWS) if config.getoption("--long") else names


def pytest_generate_tests(metafunc):
    if "problem" in metafunc.fixturenames:
        metafunc.parametrize("problem", [ROWS[name] for name in sampled(metafunc.config)], ids=str)


def test_planted_mistakes(problem):
    """All are refused, and of those that change the value at most one in twenty is named otherwise, or not."""
    outcomes = list(tried(problem))
    assert [o for o in outcomes if not o.refused] == []
    missed = [o for o in outcomes if not o.named]
    assert len(missed) <= max(2, len(outcomes) // 20), missed


# Tables of right and wrong gradients ------------------------------------------------------------------------------


def options(row):
    domain = {row.wrt: row.domain} if isinstance(row.domain, str) else dict(row.domain)
    return {name: what for name, what in domain.items() if what != "any"}


@pytest.mark.parametrize("row", IDENTITIES, ids=str)
def test_right_forms_are_right(row):
    """Texts in both notations, the closed form as a callable, the same in float32, and the Jacobian."""
    for claim in right_forms(row):
        report = checked(row, claim)
        assert report, report
    F = tj.trace(row.fun, **row.shapes)
    if row.jacobian:
        letters = "ijkl"[: len(F.jacobian(row.wrt).shape)]
        out = len(F.outputs["Y"])
        left = ", ".join(f"{letter}:{size}" for letter, size in zip(letters[:out], F.outputs["Y"], strict=True))
        claim = f"∂Y[{left}]/∂{row.wrt}[{letters[out:]}] = {row.jacobian}"
        assert tj.check_jacobian(F, {row.wrt: claim}, domain=options(row))


CAUSES_OF_WRONG = {
    "det without the transpose": "transposed",
    "log det without the transpose": "transposed",
    "softmax with only S(1-S)": "elementwise-jacobian",
    "bias gradient not summed": "not-summed",
    "bias gradient averaged": "size-factor",
    "symmetric matrix with the off-diagonal doubled": "symmetric-convention",
    "cross-entropy as S-T where the rows of T do not sum to 1": "row-sum",
    "product gradient transposed": "jacobian-transposed",
    "square with the product rule forgotten": "shared-weight",
    "quadratic form as for a symmetric A": "shared-weight",
    "inverse without transposes": "jacobian-transposed",
    "layer norm without the path through the variance": "normalisation-path",
    "attention without 1/√d": "inner-scale",
}


@pytest.mark.parametrize("row", WRONG, ids=str)
def test_wrong_claims_are_refused_and_named(row):
    F = tj.trace(row.fun, **row.shapes)
    check = tj.check_vjp if F.outputs["Y"] else tj.check_grad
    report = check(F, {row.wrt: row.claim}, domain=options(row), symmetric=row.symmetric)
    assert report.verdict == "wrong"
    assert report.findings[0].cause == CAUSES_OF_WRONG[str(row)], report
    assert check(F, {row.wrt: row.right}, domain=options(row), symmetric=row.symmetric)
