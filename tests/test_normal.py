"""`==` of functions: forms that are equal although they look different, and forms that are not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tensorjac as tj
from evaluate import evaluate
from functions import CASES, named
from generators import (
    COEFFICIENTS,
    SIZE_OF,
    Einsum,
    arrays,
    einsums,
    function,
    nestings,
    sums_of_einsums,
)
from oracles import assert_close, distinct_sizes, random_inputs
from tensorjac import rewrites
from tensorjac.function import Function
from tensorjac.normal import LIMIT, TooLarge, normal
from tensorjac.normal.values import Point, finite_point
from tensorjac.terms import Input, constant

VALUES = arrays()


def softmax(X):
    E = np.exp(X)
    return E / E.sum(axis=1, keepdims=True)


def softmax_shifted(X):
    E = np.exp(X - X.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def softmax_by_sigmoids(X):
    return 1 / np.exp(X[:, None, :] - X[:, :, None]).sum(axis=2)


# name: the forms, the shapes, the domain
EQUAL = {
    "softmax with and without its shift": ([softmax, softmax_shifted], {"X": "b n"}),
    "softmax, shifted by anything": (
        [softmax, lambda X: softmax(X - 3), lambda X: softmax(X + X[:, :1])],
        {"X": "b n"},
    ),
    "sigmoid": (
        [
            lambda x: 1 / (1 + np.exp(-x)),
            lambda x: np.exp(x) / (1 + np.exp(x)),
            lambda x: np.exp(x) / (np.exp(x) + 1),
            lambda x: 1 - 1 / (1 + np.exp(x)),
        ],
        {"x": "n"},
    ),
    "σ(-u) is 1 - σ(u)": (
        [
            lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
            lambda x: np.exp(x) / (1 + np.exp(x)) ** 2,
            lambda x: 1 / (1 + np.exp(-x)) * (1 - 1 / (1 + np.exp(-x))),
            lambda x: 1 / (1 + np.exp(-x)) / (1 + np.exp(x)),
        ],
        {"x": "n"},
    ),
    "powers of e": (
        [
            lambda x, y: np.exp(2 * x - y),
            lambda x, y: np.exp(x) ** 2 / np.exp(y),
            lambda x, y: np.exp(x + x) * np.exp(-y),
        ],
        {"x": "n", "y": "n"},
    ),
    "a polynomial multiplied out": (
        [
            lambda x, y: (x + y) * (x - y) * (x + 2),
            lambda x, y: x**3 + 2 * x**2 - x * y**2 - 2 * y**2,
            lambda x, y: (x**2 - y**2) * x + 2 * (x**2 - y**2),
            lambda x, y: x * (x * (x + 2)) - y * y * (x + 2),
        ],
        {"x": "n", "y": "n"},
    ),
    "a square": ([lambda x: (x + 1) ** 2, lambda x: x**2 + 2 * x + 1, lambda x: 1 + x * (2 + x)], {"x": "n"}),
    "numbers": ([lambda x: 0.5 * x, lambda x: x / 2, lambda x: x - x / 2, lambda x: 3 * x / 6], {"x": "n"}),
    "a transposed product": ([lambda A, B: (A @ B).T, lambda A, B: B.T @ A.T], {"A": "m n", "B": "n k"}),
    "bracketing": (
        [lambda A, B, C: (A @ B) @ C, lambda A, B, C: A @ (B @ C), lambda A, B, C: (C.T @ B.T @ A.T).T],
        {"A": "m n", "B": "n k", "C": "k l"},
    ),
    "a distributed product": (
        [lambda A, B, C: A @ (B + C), lambda A, B, C: A @ B + A @ C, lambda A, B, C: -(A @ (-B - C))],
        {"A": "m n", "B": "n k", "C": "n k"},
    ),
    "the trace of a cycle": (
        [
            lambda A, B, C: np.trace(A @ B @ C),
            lambda A, B, C: np.trace(B @ C @ A),
            lambda A, B, C: np.trace(C @ A @ B),
            lambda A, B, C: np.sum(A.T * (B @ C)),
            lambda A, B, C: np.einsum("ij,jk,ki->", A, B, C),
        ],
        {"A": "m n", "B": "n k", "C": "k m"},
    ),
    "the trace of a transpose": ([lambda A: np.trace(A), lambda A: np.trace(A.T)], {"A": "n n"}),
    "solve and inverse": (
        [
            lambda A, b: np.linalg.solve(A, b),
            lambda A, b: np.linalg.inv(A) @ b,
            lambda A, b: b @ np.linalg.inv(A.T),
            lambda A, b: np.linalg.inv(A.T).T @ b,
        ],
        {"A": "n n", "b": "n"},
        {"A": "invertible"},
    ),
    "an inverse undone": (
        [lambda A, b: np.linalg.inv(A) @ (A @ b), lambda A, b: A @ np.linalg.solve(A, b), lambda A, b: b],
        {"A": "n n", "b": "n"},
        {"A": "invertible"},
    ),
    "determinants": (
        [
            lambda A: np.log(np.abs(np.linalg.det(A))),
            lambda A: np.linalg.slogdet(A)[1],
            lambda A: np.linalg.slogdet(A.T)[1],
        ],
        {"A": "n n"},
        "invertible",
    ),
    "norms": (
        [
            lambda x: np.linalg.norm(x),
            lambda x: np.sqrt(np.sum(x**2)),
            lambda x: (x @ x) ** 0.5,
            lambda x: np.sqrt(np.sum(x * x)),
            lambda x: np.einsum("i,i->", x, x) ** 0.5,
        ],
        {"x": "n"},
    ),
    "the square of a norm": (
        [
            lambda X: np.linalg.norm(X) ** 2,
            lambda X: np.sum(X**2),
            lambda X: np.trace(X.T @ X),
            lambda X: np.vdot(X, X),
        ],
        {"X": "m n"},
    ),
    "a squared distance": (
        [
            lambda x, y: np.sum((x - y) ** 2),
            lambda x, y: x @ x - 2 * (x @ y) + y @ y,
            lambda x, y: (y - x) @ (y - x),
            lambda x, y: np.linalg.norm(x - y) ** 2,
        ],
        {"x": "n", "y": "n"},
    ),
    "a variance": (
        [
            lambda x: np.var(x),
            lambda x: np.mean(x**2) - np.mean(x) ** 2,
            lambda x: np.mean((x - x.mean()) ** 2),
            lambda x: np.mean(x * (x - x.mean())),
            lambda x: x @ (x - x.mean()) / x.shape[0],
        ],
        {"x": "n"},
    ),
    "a mean": ([lambda X: X.mean(axis=0), lambda X: X.sum(axis=0) / X.shape[0]], {"X": "b n"}),
    "what is centred sums to nothing": (
        [lambda X: (X - X.mean(axis=0)).sum(axis=0), lambda X: 0 * X[0]],
        {"X": "b n"},
    ),
    "odd and even": (
        [lambda x: np.tanh(-x) * np.cos(-x), lambda x: -np.tanh(x) * np.cos(x), lambda x: np.tanh(x) * -np.cos(x)],
        {"x": "n"},
    ),
    "symmetric in two places": (
        [lambda X: np.exp(X @ X.T), lambda X: np.exp(X @ X.T).T],
        {"X": "b n"},
    ),
    "logarithms": (
        [
            lambda X: np.log(softmax(X)),
            lambda X: X - np.log(np.exp(X).sum(axis=1, keepdims=True)),
        ],
        {"X": "b n"},
    ),
    "even powers of absolute values": (
        [lambda x: x**2, lambda x: np.abs(x) ** 2, lambda x: np.abs(x) * np.abs(-x), lambda x: np.abs(x**2)],
        {"x": "n"},
    ),
    "odd powers of absolute values": (
        [lambda x, y: np.abs(x * y) ** 3, lambda x, y: x**2 * np.abs(x) * np.abs(y) * y**2],
        {"x": "n", "y": "n"},
    ),
    "absolute values and signs": (
        [lambda x: 2 * np.abs(x), lambda x: x * np.sign(x) - x * np.sign(-x), lambda x: np.abs(-2 * x)],
        {"x": "n"},
    ),
    "arguments that change places": (
        [
            lambda x, y: np.maximum(x, y) * np.minimum(x, y) + np.logaddexp(x, y),
            lambda x, y: np.maximum(y, x) * np.minimum(y, x) + np.logaddexp(y, x),
        ],
        {"x": "n", "y": "n"},
    ),
    "the larger and the smaller": (
        [lambda x, y: np.minimum(x, y), lambda x, y: -np.maximum(-x, -y)],
        {"x": "n", "y": "n"},
    ),
    "a maximum of a matrix and its transpose": (
        [lambda X: np.maximum(X, X.T), lambda X: np.maximum(X, X.T).T],
        {"X": "n n"},
    ),
    "softplus": (
        [
            lambda x: np.log(1 + np.exp(x)),
            lambda x: np.log1p(np.exp(x)),
            lambda x: np.logaddexp(x, 0),
            lambda x: np.logaddexp(0, -x) + x,
        ],
        {"x": "n"},
    ),
    "a shifted logaddexp": (
        [lambda x, y: np.logaddexp(x, y), lambda x, y: np.logaddexp(x - 1, y - 1) + 1],
        {"x": "n", "y": "n"},
    ),
    "logarithms and exponentials of small arguments": (
        [lambda x: np.log1p(x) * np.expm1(x), lambda x: np.log(1 + x) * (np.exp(x) - 1)],
        {"x": "n"},
        "positive",
    ),
    "hyperbolic functions": (
        [lambda x: np.cosh(x) * np.sinh(x), lambda x: (np.exp(2 * x) - np.exp(-2 * x)) / 4],
        {"x": "n"},
    ),
    "tanh by exponentials": (
        [
            lambda x: np.tanh(x),
            lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
            lambda x: 1 - 2 / (np.exp(2 * x) + 1),
            lambda x: np.sinh(x) / np.cosh(x),
        ],
        {"x": "n"},
    ),
    "sine and cosine": (
        [
            lambda x: np.sin(x) ** 2 + np.cos(x) ** 2 + np.tan(x),
            lambda x: 1 + np.sin(x) / np.cos(x),
        ],
        {"x": "n"},
        "unit",
    ),
    "an inverse of a multiple": (
        [lambda A, c: np.linalg.inv(3 * c * A), lambda A, c: np.linalg.inv(A) / c / 3],
        {"A": "n n", "c": ""},
        {"A": "invertible", "c": "positive"},
    ),
    "quotients": (
        [
            lambda x: 1 / (1 + x**2) + 1 / (2 + x**2),
            lambda x: (3 + 2 * x**2) / ((1 + x**2) * (2 + x**2)),
            lambda x: (3 + 2 * x**2) / (2 + 3 * x**2 + x**4),
        ],
        {"x": "n"},
    ),
    "quotients of quotients": (
        [lambda x: x / (1 + x), lambda x: 1 / (1 + 1 / x), lambda x: 1 - 1 / (1 + x)],
        {"x": "n"},
        "positive",
    ),
    "an inverse of an inverse": (
        [lambda X: X, lambda X: np.linalg.inv(np.linalg.inv(X)), lambda X: np.linalg.inv(np.linalg.inv(X.T)).T],
        {"X": "n n"},
        "invertible",
    ),
    "sums that run backward": (
        [
            lambda x, y: np.sum(np.exp(x) * y[::-1]),
            lambda x, y: np.sum(np.exp(x[::-1]) * y),
            lambda x, y: np.sum(np.exp(x)[::-1] * y),
        ],
        {"x": "n", "y": "n"},
    ),
    "sums of what turns its sign": (
        [
            lambda x, y: (x[:, None] - x) ** 3 @ y,
            lambda x, y: -((x - x[:, None]) ** 3) @ y,
            lambda x, y: -y @ (x[:, None] - x) ** 3,
            lambda x, y: (x[:, None] - x) ** 3 @ y + y @ (x[:, None] - x) ** 3 @ y,
        ],
        {"x": "n", "y": "n"},
    ),
    "counts that run either way": (
        [
            lambda x, y: y @ np.cumsum(np.cumsum(x[::-1])),
            lambda x, y: np.cumsum(np.cumsum(y[::-1])) @ x,
            lambda x, y: np.cumsum(np.cumsum(y[::-1]))[::-1] @ x[::-1],
        ],
        {"x": "n", "y": "n"},
    ),
    "flattened, read backward and split again": (
        [lambda X: X.reshape(-1)[::-1].reshape(X.shape), lambda X: X[::-1, ::-1]],
        {"X": "m n"},
    ),
    "roots of multiples": (
        [
            lambda x, y: np.sqrt(8 * (x + y)),
            lambda x, y: 2 * np.sqrt(2 * x + 2 * y),
            lambda x, y: 4 * np.sqrt((x + y) / 2),
        ],
        {"x": "n", "y": "n"},
        "positive",
    ),
    "a float within a function": (
        [lambda x, y: np.sin(0.1 * x + 0.2 * x + y), lambda x, y: np.sin(0.3 * x + y)],
        {"x": "n", "y": "n"},
    ),
    "slices put together": (
        [lambda x: x, lambda x: x[::-1][::-1], lambda x: np.flip(np.flip(x))],
        {"x": "n"},
    ),
}

PAIRS = [
    pytest.param(first, second, EQUAL[name][1], id=f"{name} {k}")
    for name in EQUAL
    for k, (first, second) in enumerate(zip(EQUAL[name][0], EQUAL[name][0][1:], strict=False))
]


@pytest.mark.parametrize(("first", "second", "shapes"), PAIRS)
def test_equal(first, second, shapes):
    F, H = tj.trace(first, **shapes), tj.trace(second, **shapes)
    assert F == H
    assert H == F
    assert not F.__ne__(H)
    assert hash(F) == hash(H)


def windows(x):
    return np.lib.stride_tricks.sliding_window_view(x, 2)


WINDOWS = [
    (lambda x: np.exp(windows(x)).sum(-1), lambda x: windows(np.exp(x)).sum(-1)),
    (lambda x: np.exp(windows(x)).max(-1), lambda x: windows(np.exp(x)).max(-1)),
    (lambda x: np.tanh(windows(x + x**2)).max(-1), lambda x: windows(np.tanh(x + x**2)).max(-1)),
    (lambda x: np.sin(x[:-1]).prod() * np.sin(x[0]), lambda x: np.sin(x)[:-1].prod() * np.sin(x)[0]),
]


@pytest.mark.parametrize(("first", "second"), WINDOWS)
def test_functions_of_windows_are_windows_of_functions(first, second):
    F, H = tj.trace(first, x="n"), tj.trace(second, x="n")
    assert F == H
    assert H == F
    assert tj.trace(lambda x: 2 * first(x), x="n") != H
    x = np.random.default_rng(0).normal(size=5)
    assert_close(first(x), second(x), 1e-13)


BESIDE_DELTA = [
    (
        "Y[] = x[m] x[l] δ[m = l + 1] y[m+1]",
        "Y[] = x[m] x[l] δ[m = l + 1] y[l+2]",
        "Y[] = x[m] x[l] δ[m = l + 1] y[l+1]",
    ),
    (
        "Y[i:n, j:n] = exp(x[i]) δ[i = n - 1 - j]",
        "Y[i:n, j:n] = exp(x[n-1-j]) δ[i = n - 1 - j]",
        "Y[i:n, j:n] = exp(x[j]) δ[i = n - 1 - j]",
    ),
    (
        "Y[i:2, j:n, k:n+2] = exp(y[i+j]) δ[k = i + j] y[k]",
        "Y[i:2, j:n, k:n+2] = exp(y[k]) δ[k = i + j] y[k]",
        "Y[i:2, j:n, k:n+2] = exp(y[j]) δ[k = i + j] y[k]",
    ),
    (
        "Y[i:n, j:n, k:n] = δ[i = j + 1] δ[k = j + 1] x[i]",
        "Y[i:n, j:n, k:n] = δ[i = j + 1] δ[ik] x[k]",
        "Y[i:n, j:n, k:n] = δ[i = j + 1] δ[ik] x[j]",
    ),
]


@pytest.mark.parametrize(("first", "second", "other"), BESIDE_DELTA)
def test_what_is_read_beside_a_delta(first, second, other):
    """A δ says which slots are the same, and which are not."""
    F, H, D = (tj.parse(text, x="n", y="n+2") for text in (first, second, other))
    assert F == H
    assert F != D
    assert H != D


@pytest.mark.parametrize("name", EQUAL)
def test_equal_forms_have_equal_values(name):
    """What the table calls equal is equal in NumPy, or the tests above would prove nothing."""
    forms, shapes, *domain = EQUAL[name]
    args = random_inputs(shapes, distinct_sizes(shapes), np.random.default_rng(0), *domain)
    for form in forms[1:]:
        assert_close(form(**args), forms[0](**args), 1e-12, roundings=2048)


@pytest.mark.parametrize("name", EQUAL)
def test_equal_forms_have_equal_gradients(name):
    """In value, and as expressions."""
    forms, shapes, *domain = EQUAL[name]
    args = random_inputs(shapes, distinct_sizes(shapes), np.random.default_rng(0), *domain)
    cotangent = np.asarray(np.random.default_rng(1).normal(size=np.shape(forms[0](**args))))
    first, *others = (tj.trace(form, **shapes).vjp() for form in forms)
    desired = named(first(**args, G=cotangent))
    for V in others:
        for key, value in named(V(**args, G=cotangent)).items():
            assert_close(value, desired[key], 1e-11, roundings=4096)
        assert first == V


DIFFERENT = [
    (lambda x: x, lambda x: -x, {"x": "n"}),
    (lambda x: x, lambda x: x[::-1], {"x": "n"}),
    (lambda x: x, lambda x: 2 * x, {"x": "n"}),
    (lambda x: x / 3, lambda x: 0.33333 * x, {"x": "n"}),
    (lambda x: x + 1, lambda x: x, {"x": "n"}),
    (lambda x: x**2, lambda x: x**3, {"x": "n"}),
    (lambda x: np.abs(x), lambda x: x, {"x": "n"}),
    (lambda x: (x**2) ** 0.5, lambda x: x, {"x": "n"}),
    (lambda x: np.cbrt(x**3 + 1), lambda x: (x**3 + 1) ** (1 / 3), {"x": "n"}),
    (lambda x: np.exp(x), lambda x: np.expm1(x), {"x": "n"}),
    (lambda x: np.sin(x), lambda x: np.cos(x), {"x": "n"}),
    (lambda A, B: A @ B, lambda A, B: B @ A, {"A": "n n", "B": "n n"}),
    (lambda A: A, lambda A: A.T, {"A": "n n"}),
    (lambda A: A @ A.T, lambda A: A.T @ A, {"A": "n n"}),
    (lambda A: np.linalg.inv(A), lambda A: np.linalg.inv(A).T, {"A": "n n"}),
    (lambda A: np.trace(A @ A), lambda A: np.trace(A @ A.T), {"A": "n n"}),
    (lambda A, B: np.trace(A @ B @ A), lambda A, B: np.trace(A @ B.T @ A), {"A": "n n", "B": "n n"}),
    (lambda X: X.sum(axis=0), lambda X: X.mean(axis=0), {"X": "b n"}),
    (lambda X: X.sum(axis=0), lambda X: X.sum(axis=1), {"X": "n n"}),
    (lambda X: X.var(axis=0), lambda X: X.var(axis=0, ddof=1), {"X": "b n"}),
    (softmax, lambda X: softmax(2 * X), {"X": "b n"}),
    (softmax, lambda X: np.exp(X) / np.exp(X).sum(), {"X": "b n"}),
    (softmax, lambda X: softmax(X.T).T, {"X": "n n"}),
    (lambda x, y: np.sum(x * y), lambda x, y: np.sum(x) * np.sum(y), {"x": "n", "y": "n"}),
    (lambda x, y: x - y, lambda x, y: y - x, {"x": "n", "y": "n"}),
    (lambda x, y: np.maximum(x, y), lambda x, y: np.minimum(x, y), {"x": "n", "y": "n"}),
    (lambda x, y: x > y, lambda x, y: x >= y, {"x": "n", "y": "n"}),
    (lambda x: np.abs(x) ** 3, lambda x: x**3, {"x": "n"}),
    (lambda x: np.sign(x) ** 2 * x.sum(), lambda x: x.sum() + 0 * x, {"x": "n"}),
    (lambda x: np.heaviside(x, 0.5), lambda x: x > 0, {"x": "n"}),
    (lambda x, y: np.maximum(x, y), lambda x, y: x, {"x": "n", "y": "n"}),
    (lambda x: np.logaddexp(x, 0), lambda x: np.logaddexp(-x, 0), {"x": "n"}),
    (lambda x: 1 / (1 + x), lambda x: 1 / (2 + x), {"x": "n"}),
    (lambda x, y: x @ y[::-1], lambda x, y: x @ y, {"x": "n", "y": "n"}),
    (lambda x: x[1:], lambda x: x[:-1], {"x": "n"}),
    (lambda x: np.pad(x, (1, 0)), lambda x: np.pad(x, (0, 1)), {"x": "n"}),
    (lambda x: np.roll(x, 1), lambda x: np.roll(x, -1), {"x": "n"}),
    (lambda X: X.reshape(-1), lambda X: X.T.reshape(-1), {"X": "n n"}),
    (lambda x: np.sqrt(8 * x), lambda x: 2 * np.sqrt(x), {"x": "n"}),
    (lambda x: np.sqrt(x / 2), lambda x: np.sqrt(2 * x), {"x": "n"}),
    (lambda x: np.sin(0.3 * x), lambda x: np.sin(0.3000001 * x), {"x": "n"}),
    (
        lambda x, y: np.heaviside(0.3 * x - 0.9 * y, 0.5),
        lambda x, y: np.heaviside(0.1 * x - 0.9 * y, 0.5),
        {"x": "n", "y": "n"},
    ),
]


@pytest.mark.parametrize(("first", "second", "shapes"), DIFFERENT)
def test_different(first, second, shapes):
    F, H = tj.trace(first, **shapes), tj.trace(second, **shapes)
    assert F != H
    assert H != F
    assert F.__eq__(H) is False


@pytest.mark.parametrize(("first", "second", "shapes"), DIFFERENT)
def test_values_prove_nothing(first, second, shapes, monkeypatch):
    """Where all values agree, what is different is different still."""

    def ones(self, tensor):
        return np.ones([axis.dim.evaluate(self.sizes) for axis in tensor.axes])

    monkeypatch.setattr(Point, "of", ones)
    F, H = tj.trace(first, **shapes), tj.trace(second, **shapes)
    assert F != H


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_at_a_point(case):
    """Those by which equal parts are found, against an evaluator that is simple and slow."""
    outputs = tj.trace(case.fun, **case.shapes)._parts.outputs
    point = finite_point([body for _, body in outputs.values()])
    assert point is not None
    given = {t.name: point.of(t) for t in point.known if isinstance(t, Input)}
    for axes, body in outputs.values():
        assert_close(point.of_sum(body, axes), evaluate(body, axes, given, point.sizes), 1e-12, roundings=4096)


def test_long_expressions():
    """A Hessian times a tangent over a page long: it is itself, and with one coefficient changed it is not."""

    def fun(X, A):
        squared = X @ A @ A
        diagonal = squared + np.einsum("ii->i", squared.T @ squared)
        return np.linalg.norm(1 + (diagonal / (1 + np.linalg.norm(diagonal))) ** 2)

    F = tj.trace(fun, X="b n", A="n n").hvp("X")
    text = str(F)
    assert len(text) > 800
    assert tj.parse(text, **F.inputs) == F
    place = text.rindex(" 2 ")
    assert tj.parse(f"{text[:place]} 3 {text[place + 3 :]}", **F.inputs) != F


def test_logaddexp_written_out():
    F = tj.trace(lambda x, y: np.logaddexp(x, y), x="n", y="n")
    assert tj.trace(lambda x, y: np.log(np.exp(x) + np.exp(y)), x="n", y="n") == F
    assert tj.trace(lambda x, y: x + np.log1p(np.exp(y - x)), x="n", y="n") == F


def test_shapes_are_compared():
    """Equal expressions over axes of other sizes, or in another order, are other functions."""
    outer = tj.trace(lambda x, y: np.outer(x, y), x="n", y="m")
    assert outer != tj.trace(lambda x, y: np.outer(y, x), x="n", y="m")
    assert outer == tj.trace(lambda x, y: np.outer(y, x).T, x="n", y="m")
    assert tj.trace(lambda x: 0 * x, x="n") != tj.trace(lambda x: 0 * x, x="m")
    assert tj.trace(lambda x: 0 * x, x="n") == tj.trace(lambda x: x - x, x="n")
    assert tj.trace(lambda x: x, x="n") != tj.trace(lambda x: (x, x), x="n")
    assert tj.trace(lambda x: x, x="n") != tj.trace(lambda y: y, y="n")
    assert (tj.trace(lambda x: x, x="n") == "Y[i] = x[i]") is False


def test_names_of_outputs_play_no_part():
    text = [tj.parse(f"{name}[i] = 2 x[i]", x="n") for name in ("Y", "Z")]
    assert text[0] == text[1]
    named = tj.trace(lambda x: {"a": x, "b": 2 * x}, x="n")
    assert named == tj.trace(lambda x: (x, 2 * x), x="n")
    assert named != tj.trace(lambda x: (2 * x, x), x="n")


def test_letters_play_no_part():
    assert tj.parse("Y[ab] = A[ac] B[cb]", A="m n", B="n k") == tj.parse("Y[ij] = B[kj] A[ik]", A="m n", B="n k")


# Random pairs -------------------------------------------------------------------------------------


def finished(einsum):
    indices = einsum.indices()
    return function(einsum.axes(indices), rewrites.contracted(einsum.term(indices)))


@given(einsums(ties=2, powers=(1, 2), least=1), st.sampled_from(COEFFICIENTS))
def test_another_coefficient_is_another_function(einsum, other):
    changed = Einsum(other, *list(vars(einsum).values())[1:])
    if other == einsum.coefficient:
        assert finished(changed) == finished(einsum)
    else:
        assert finished(changed) != finished(einsum)


@given(einsums(powers=(1, 2), least=1), st.data())
def test_another_index_is_another_function(einsum, data):
    """One letter replaced by another of the same size: equal exactly if the values are, at random arrays."""
    places = [(k, p) for k, (_, letters, _) in enumerate(einsum.factors) for p in range(len(letters))]
    assume(places)
    k, p = data.draw(st.sampled_from(places))
    name, letters, power = einsum.factors[k]
    choices = [x for x in (*einsum.out, *einsum.summed) if SIZE_OF[x] == SIZE_OF[letters[p]]]
    letter = data.draw(st.sampled_from(choices))
    factors = list(einsum.factors)
    factors[k] = (name, letters[:p] + letter + letters[p + 1 :], power)
    changed = Einsum(einsum.coefficient, tuple(factors), einsum.ties, einsum.out, einsum.summed)
    generic = [
        {name: np.random.default_rng(seed).normal(size=x.shape) for name, x in VALUES.items()} for seed in (0, 1)
    ]
    alike = all(np.allclose(einsum.dense(v), changed.dense(v), rtol=1e-9, atol=1e-9) for v in generic)
    assert (finished(einsum) == finished(changed)) is alike


@given(sums_of_einsums(ties=1, powers=(1, 2)), st.data())
def test_one_term_more_or_less(parts, data):
    """A sum with one of its terms changed: equal exactly if the values are."""
    indices = parts[0].indices()

    def total(parts):
        bodies = []
        for part in parts:
            own = {**part.indices(), **{letter: indices[letter] for letter in parts[0].out}}
            bodies.append(rewrites.contracted(part.term(own)))
        return function(parts[0].axes(indices), rewrites.add(*bodies))

    k = data.draw(st.integers(0, len(parts) - 1))
    other = data.draw(st.sampled_from(COEFFICIENTS))
    changed = list(parts)
    changed[k] = Einsum(other, *list(vars(parts[k]).values())[1:])
    generic = {name: np.random.default_rng(0).normal(size=x.shape) for name, x in VALUES.items()}
    alike = np.allclose(
        sum(part.dense(generic) for part in parts), sum(part.dense(generic) for part in changed), 1e-9, 1e-9
    )
    assert (total(parts) == total(changed)) is bool(alike)
    assert total(parts) == total(parts[::-1])


@given(nestings(), nestings())
def test_products_of_sums_multiplied_out(first, second):
    """a (b + c) = a b + a c for anything, and the normal form is a form: that of itself."""
    left, right = (rewrites.contract(rewrites.contracted(term), axes) for axes, term in (first, second))
    square = rewrites.power(rewrites.add(left, right), 2)
    opened = rewrites.add(
        rewrites.multiply(left, left),
        rewrites.multiply(left, right),
        rewrites.multiply(right, left),
        rewrites.multiply(right, right),
    )
    assert function((), square) == function((), opened)
    (once,) = normal([square])
    (twice,) = normal([once])
    assert once == twice


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_function_is_itself_and_nothing_else(case):
    """Traced twice: equal. With one output scaled: not equal."""
    F, again = tj.trace(case.fun, **case.shapes), tj.trace(case.fun, **case.shapes)
    assert again == F
    parts = F._parts
    name, (axes, body) = next(iter(parts.outputs.items()))
    assert body.terms
    scaled = rewrites.multiply(body, constant(1 + 2**-10))
    other = Function(replace(parts, outputs={**parts.outputs, name: (axes, scaled)}))
    assert other != F


def test_large_expressions_are_not_multiplied_out():
    """(a + b)(c + d)… with more than the limit of terms is compared as it is, in a moment."""
    names = "abcdefghijklmnop"
    shapes = dict.fromkeys(names, "n")
    text = " * ".join(f"({one} + {other})**2" for one, other in zip(names[::2], names[1::2], strict=True))
    F, again, other = (tj.parse(f"Y = {line}", **shapes) for line in (text, text, f"2 * {text}"))
    assert again == F
    assert other != F
    ((_, body),) = F._parts.outputs.values()
    with pytest.raises(TooLarge):
        normal([body])
    assert 3 ** (len(names) // 2) > LIMIT


def test_what_is_too_long_to_multiply_out_is_not_called_equal(monkeypatch):
    shapes = {"x": "n", "y": "n"}
    cube = tj.parse("Y = (x + y)**3", **shapes)
    opened = tj.parse("Y = x**3 + 3*x**2*y + 3*x*y**2 + y**3", **shapes)
    assert cube == opened
    monkeypatch.setattr("tensorjac.normal.expanding.FACTORS", 5)
    monkeypatch.setattr("tensorjac.normal.sweeping.STEPS", 0)
    assert cube != opened
