"""LaTeX: what is written for known expressions, that it can be set, and that it says what the function computes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import special

import tensorjac as tj
from functions import CASES
from identities import IDENTITIES, softmax, squared_distance
from latex_notation import block, faults, indices, matrices
from oracles import assert_close, distinct_sizes, finite_difference_jacobian, random_inputs
from tensorjac.dims import parse_shape
from tensorjac.latex.symbols import extent, numeral, symbol


@cache
def traced(row):
    return tj.trace(row.fun, **row.shapes)


@cache
def derived(row):
    F = traced(row)
    return F.vjp(row.wrt) if F.outputs["Y"] else F.grad(row.wrt)


def point(row):
    """Inputs of the row, and of its derivative; and the sizes."""
    sizes = distinct_sizes(row.shapes, row.sizes)
    args = random_inputs(row.shapes, sizes, np.random.default_rng(0), row.domain)
    cotangent = np.random.default_rng(1).normal(size=np.shape(row.fun(**args)))
    return args, {**args, "G": cotangent} if cotangent.ndim else args, sizes


def in_matrices(text):
    return "_{i" not in block(text).equations[0][0]


def rows(where=lambda row: True):
    return pytest.mark.parametrize("row", [row for row in IDENTITIES if where(row)], ids=str)


def assert_matrix(values, expected):
    """Equal where the text says how large it is; a block of ones is as large as it must be."""
    expected = np.asarray(expected, dtype=float)
    expected = expected if expected.ndim == 2 else expected.reshape(-1, 1)
    assert all(have in (1, want) for have, want in zip(values.shape, expected.shape, strict=True)), values.shape
    assert_close(np.broadcast_to(values, expected.shape), expected)


# What it says


@rows()
def test_the_value_is_what_the_function_computes(row):
    args, _, sizes = point(row)
    expected = row.fun(**args)
    text = traced(row).latex()
    (value,) = read(text, {**args, **traced(row).constants}, sizes, expected)
    assert_same(text, value, expected)


@rows()
def test_the_gradient_is_the_closed_form(row):
    _, with_cotangent, sizes = point(row)
    expected = row.closed(**with_cotangent)
    text = derived(row).latex()
    (value,) = read(text, {**with_cotangent, **traced(row).constants}, sizes, expected)
    assert_same(text, value, expected)


@rows(lambda row: "max" not in traced(row).jacobian(row.wrt).latex())
def test_the_jacobian_is_that_of_finite_differences(row):
    args, _, sizes = point(row)
    expected, error = finite_difference_jacobian(row.fun, args, row.wrt)
    text = traced(row).jacobian(row.wrt).latex()
    assert text.startswith((r"\frac{\partial Y", "\\begin{aligned}\n\\frac{\\partial Y"))
    (value,) = indices(text, {**args, **traced(row).constants}, sizes, [expected.shape])
    assert_close(value, expected, error)


def read(text, arrays, sizes, expected):
    if in_matrices(text):
        identity = np.eye(np.shape(expected)[0]) if np.ndim(expected) == 2 else np.eye(1)
        return matrices(text, {**arrays, "I": identity}, sizes)
    return indices(text, arrays, sizes, [np.shape(expected)])


def assert_same(text, value, expected):
    if in_matrices(text):
        assert_matrix(value, expected)
    else:
        assert_close(value, expected)


@rows()
def test_every_identity_has_matrix_notation(row):
    assert in_matrices(traced(row).latex())
    assert in_matrices(derived(row).latex())


# That it can be set


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_formula_can_be_set(case):
    F = tj.trace(case.fun, **case.shapes)
    texts = [F.latex(), F.vjp().latex()]
    texts += [F.jacobian(name, of=output).latex() for name in F.inputs for output in F.outputs]
    for text in texts:
        assert not faults(text), text
        block(text)


@rows(lambda row: not np.ndim(row.fun(**point(row)[0])))
def test_every_hessian_can_be_set(row):
    text = traced(row).hessian(row.wrt).latex()
    assert not faults(text), text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (r"Y = (X", "( stays open"),
        (r"Y = X)", ") closes nothing"),
        (r"Y = \left(X)", r"\left and \right differ"),
        (r"Y = \foo{X}", r"\foo is not expected"),
        (r"Y = X^{\top}^{2}", "^ stands twice"),
        (r"Y = X^2", "a script without braces"),
        ("Y = σ", "no ASCII"),
    ],
)
def test_a_fault_is_found(text, fault):
    assert fault in faults(text)


# What is written


FORMULAS = {
    "Y = X A": (lambda X, A: X @ A, {"X": "b m", "A": "m n"}),
    "Y = X W + \\mathbf{1} c^{\\top}": (lambda X, W, c: X @ W + c, {"X": "b m", "W": "m n", "c": "n"}),
    "Y = X + z \\mathbf{1}^{\\top}": (lambda X, z: X + z[:, None], {"X": "b m", "z": "b"}),
    "Y = X A \\mathbf{1}": (lambda X, A: (X @ A).sum(1), {"X": "b m", "A": "m n"}),
    "Y = \\frac{1}{b} X^{\\top} \\mathbf{1}": (lambda X: X.mean(0), {"X": "b m"}),
    "Y = \\mathbf{1}^{\\top} x": (lambda x: x.sum(), {"x": "n"}),
    "Y = \\mathbf{1}^{\\top} X \\mathbf{1}": (lambda X: X.sum(), {"X": "m n"}),
    "Y = x^{\\top} A x": (lambda x, A: x @ A @ x, {"x": "n", "A": "n n"}),
    "Y = a b^{\\top}": (lambda a, b: np.outer(a, b), {"a": "m", "b": "n"}),
    "Y = \\operatorname{diag}(x) A": (lambda x, A: x[:, None] * A, {"x": "m", "A": "m n"}),
    "Y = \\operatorname{diag}(x)": (lambda x: np.diag(x), {"x": "n"}),
    "Y = \\operatorname{diag}(A B)": (lambda A, B: np.diag(A @ B), {"A": "m n", "B": "n m"}),
    "Y = (A \\circ B) \\mathbf{1}": (lambda A, B: (A * B).sum(1), {"A": "m n", "B": "m n"}),
    "Y = (A \\circ B)^{\\top} \\mathbf{1}": (lambda A, B: (A * B).sum(0), {"A": "m n", "B": "m n"}),
    "Y = \\operatorname{tr}(A^{\\top} B)": (lambda A, B: (A * B).sum(), {"A": "m n", "B": "m n"}),
    "Y = \\operatorname{tr}(A B)": (lambda A, B: np.trace(A @ B), {"A": "m n", "B": "n m"}),
    "Y = \\left\\| X \\right\\|_F^{2}": (lambda X: (X**2).sum(), {"X": "m n"}),
    "Y = x^{\\top} x": (lambda x: x @ x, {"x": "n"}),
    "Y = \\left\\| M x - y \\right\\|^{2}": (
        lambda M, x, y: ((M @ x - y) ** 2).sum(),
        {"M": "m n", "x": "n", "y": "m"},
    ),
    "Y = X \\circ Z \\oslash (V \\circ W)": (
        lambda X, Z, V, W: X * Z / (V * W),
        {"X": "m n", "Z": "m n", "V": "m n", "W": "m n"},
    ),
    "Y = \\operatorname{diag}(z)^{-1} E": (lambda E, z: E / z[:, None], {"E": "m n", "z": "m"}),
    "Y = A^{-1} b": (lambda A, b: np.linalg.solve(A, b), {"A": "n n", "b": "n"}),
    "Y = A^{-\\top} b": (lambda A, b: np.linalg.solve(A.T, b), {"A": "n n", "b": "n"}),
    "Y = \\log\\left|\\det(A B)\\right|": (
        lambda A, B: np.linalg.slogdet(A @ B).logabsdet,
        {"A": "m n", "B": "n m"},
    ),
    "Y = \\exp(X W) \\circ \\sin(Z)": (
        lambda X, W, Z: np.exp(X @ W) * np.sin(Z),
        {"X": "b m", "W": "m n", "Z": "b n"},
    ),
    "Y = \\frac{2 s x}{3 t}": (lambda s, t, x: 2 * s * x / (3 * t), {"s": "", "t": "", "x": "n"}),
    "Y = \\max(X, 0)": (lambda X: np.maximum(X, 0), {"X": "m n"}),
    "Y = \\operatorname{rowmax}(X)": (lambda X: X.max(1), {"X": "m n"}),
    "Y = X \\circ [X > 0]": (lambda X: (X > 0) * X, {"X": "m n"}),
    "Y = \\sqrt{s}": (lambda s: np.sqrt(s), {"s": ""}),
    "Y = X^{\\circ 1/2}": (lambda X: np.sqrt(X), {"X": "m n"}),
    "Y = \\tilde{G} x": (lambda G_, x: G_ @ x, {"G_": "m n", "x": "n"}),
    "Y = \\mathrm{left}\\,W_{1}^{\\top}": (lambda left, W1: left @ W1.T, {"left": "m n", "W1": "p n"}),
    "Y_{ijk} = \\sum_{l} X_{ijl} A_{lk}": (lambda X, A: X @ A, {"X": "b m n", "A": "n p"}),
    "Y_{i} = \\sum_{jk} X_{jik}^{2}": (lambda X: (X**2).sum((0, 2)), {"X": "b m n"}),
    "Y_{ij} = X_{i, 2 j + 1}": (lambda X: X[:, 1::2], {"X": "b 6"}),
    "Y_{ij} = X_{ij} [i \\geq j]": (lambda X: np.tril(X), {"X": "n n"}),
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_value(formula):
    fun, shapes = FORMULAS[formula]
    assert tj.trace(fun, **shapes).latex() == formula


def layer_norm(X):
    centred = X - X.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)


GRADIENTS = {
    "dA = X^{\\top} G": (lambda X, A: X @ A, {"X": "b m", "A": "m n"}, "A"),
    "dx = 2 M^{\\top} (M x - y)": (squared_distance, {"M": "m n", "x": "n", "y": "m"}, "x"),
    "dx = (A + A^{\\top}) x": (lambda x, A: x @ A @ x, {"x": "n", "A": "n n"}, "x"),
    "dx = \\frac{x}{\\left\\| x \\right\\|}": (lambda x: np.linalg.norm(x), {"x": "n"}, "x"),
    "dX = -X^{-\\top} G X^{-\\top}": (lambda X: np.linalg.inv(X), {"X": "n n"}, "X"),
    "dX = \\operatorname{adj}(X)^{\\top}": (lambda X: np.linalg.det(X), {"X": "n n"}, "X"),
    "dX = 4 (X^{3})^{\\top}": (lambda X: np.trace(X @ X @ X @ X), {"X": "n n"}, "X"),
    "dX = X (G + G^{\\top})": (lambda X: X.T @ X, {"X": "m n"}, "X"),
    "dX = I": (lambda X: np.trace(X), {"X": "n n"}, "X"),
    "dX = G \\operatorname{diag}(y)^{-1}": (lambda X, y: X / y, {"X": "m n", "y": "n"}, "X"),
    "dX = P \\circ (G - (P \\circ G) \\mathbf{1} \\mathbf{1}^{\\top}) \\quad\\text{where}\\quad "
    "P = \\operatorname{diag}(E \\mathbf{1})^{-1} E,\\; E = \\exp(X)": (softmax, {"X": "b n"}, "X"),
    "\\begin{aligned}\n"
    "dX &= \\operatorname{diag}(u)^{-1/2} \\left(G - \\frac{1}{n} \\operatorname{diag}((Q \\circ G) \\mathbf{1}) Q"
    " - \\frac{1}{n} G \\mathbf{1} \\mathbf{1}^{\\top}\\right) \\\\\n"
    "\\text{where}\\quad u &= 10^{-5} \\mathbf{1} + \\frac{1}{n} P^{\\circ 2} \\mathbf{1}, \\\\\n"
    "Q &= \\operatorname{diag}(u)^{-1/2} P, \\\\\n"
    "P &= X - \\frac{1}{n} X \\mathbf{1} \\mathbf{1}^{\\top}\n"
    "\\end{aligned}": (layer_norm, {"X": "b n"}, "X"),
}


@pytest.mark.parametrize("formula", GRADIENTS)
def test_gradient(formula):
    fun, shapes, wrt = GRADIENTS[formula]
    F = tj.trace(fun, **shapes)
    assert (F.vjp(wrt) if F.outputs["Y"] else F.grad(wrt)).latex() == formula


JACOBIANS = {
    r"\frac{\partial Y_{ij}}{\partial A_{kl}} = X_{ik}\,\delta_{jl}": (
        lambda X, A: X @ A,
        {"X": "b m", "A": "m n"},
        "A",
    ),
    r"\frac{\partial Y_{i}}{\partial x_{j}} = A_{ij}": (lambda A, x: A @ x, {"A": "m n", "x": "n"}, "x"),
    r"\frac{\partial Y_{ij}}{\partial X_{kl}} = -(X^{-1})_{ik} (X^{-1})_{lj}": (
        lambda X: np.linalg.inv(X),
        {"X": "n n"},
        "X",
    ),
    r"\frac{\partial Y_{ij}}{\partial X_{kl}} = \frac{E_{il}\,\delta_{ik}}{z_{i}} \left(\delta_{jl} - "
    r"\frac{E_{ij}}{z_{i}}\right) \quad\text{where}\quad E_{il} = \exp(X_{il}),\; z_{i} = \sum_{m} E_{im}": (
        softmax,
        {"X": "b n"},
        "X",
    ),
}


@pytest.mark.parametrize("formula", JACOBIANS)
def test_jacobian(formula):
    fun, shapes, wrt = JACOBIANS[formula]
    assert tj.trace(fun, **shapes).jacobian(wrt).latex() == formula


def test_hessian():
    H = tj.trace(lambda x, A: x @ A @ x, x="n", A="n n").hessian("x")
    assert H.latex() == r"\frac{\partial^{2} Y}{\partial x_{i}\,\partial x_{j}} = A_{ij} + A_{ji}"


def test_several_outputs_are_aligned():
    F = tj.trace(lambda X, A: X @ A, X="b m", A="m n").vjp()
    assert F.latex() == "\\begin{aligned}\ndX &= G A^{\\top} \\\\\ndA &= X^{\\top} G\n\\end{aligned}"


def test_a_derivative_that_vanishes():
    F = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
    assert F.jacobian("X").pushforward("dX").jacobian("X").latex() == r"\frac{\partial dY_{ij}}{\partial X_{kl}} = 0"
    assert tj.trace(lambda x, y: x + 0 * y, x="n", y="n").vjp("y").latex() == "dy = 0"


def test_all_outputs_are_in_one_notation():
    F = tj.trace(lambda X, y: (X * y, X.sum(0), y), X="b m n", y="n")
    assert [left for left, _ in block(F.latex()).equations] == ["(Y_{1})_{ijk}", "(Y_{2})_{ij}", "(Y_{3})_{i}"]


def test_a_function_and_a_name_differ():
    """The letter of the logistic function is left to an input that has it."""
    assert tj.trace(lambda x: special.expit(x), x="n").latex() == r"Y = \sigma(x)"
    assert tj.trace(lambda sigma: special.expit(sigma), sigma="n").latex() == r"Y = \operatorname{sigmoid}(\sigma)"
    assert tj.trace(lambda I, A: np.trace(A) + I, I="", A="n n").vjp("A").latex() == r"dA = G \mathbf{I}"


def test_a_deep_chain():
    """Neither the tree nor the text of a thousand layers is deep."""

    def deep(X, W):
        for _ in range(300):
            X = np.tanh(X @ W)
        return X

    text = tj.trace(deep, X="b n", W="n n").latex()
    assert not faults(text)
    assert in_matrices(text)
    assert max(len(line) for line in text.splitlines()) < 1000


@pytest.mark.parametrize(
    ("name", "text"),
    {
        "X": "X",
        "dX": "dX",
        "dW1": "dW_{1}",
        "Y2": "Y_{2}",
        "x_1": "x_{1}",
        "gamma": r"\gamma",
        "dgamma": r"d\gamma",
        "Sigma": r"\Sigma",
        "λ": r"\lambda",
        "Ω": r"\Omega",
        "data": r"\mathrm{data}",
        "low_rank": r"\mathrm{low\_rank}",
        "G_": r"\tilde{G}",
        "G__": r"\tilde{\tilde{G}}",
        "delta": r"\delta",
    }.items(),
)
def test_symbol(name, text):
    assert symbol(name) == text


def test_numbers():
    values = [3, 0.5, 1e-05, 2.5e20, float("inf")]
    assert [numeral(v).text for v in values] == ["3", "0.5", "10^{-5}", r"2.5 \cdot 10^{20}", r"\infty"]


@pytest.mark.parametrize(
    ("size", "text"),
    {
        "n": "n",
        "3": "3",
        "batch": r"\mathrm{batch}",
        "2*n": "2 n",
        "n*m": "m n",
        "n**2-1": "n^{2} - 1",
        "n//2": r"\lfloor n / 2 \rfloor",
        "(n+1)//2": r"\lfloor (n + 1) / 2 \rfloor",
    }.items(),
)
def test_size(size, text):
    (dim,) = parse_shape(size, "x")
    assert extent(dim).text == text
