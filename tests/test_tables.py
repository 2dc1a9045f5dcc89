"""The tables and oracles of the tests are themselves right; nothing here uses the library."""

import doctest

import numpy as np
import pytest

import functions
import identities
import index_notation
import oracles
from identities import IDENTITIES, WRONG
from oracles import (
    assert_close,
    complex_step_jacobian,
    differ,
    distinct_sizes,
    finite_difference_hessian,
    finite_difference_jacobian,
    random_inputs,
)


def point(row, seed=0):
    """Sizes and inputs of a row, and a cotangent."""
    sizes = distinct_sizes(row.shapes, row.sizes)
    args = random_inputs(row.shapes, sizes, np.random.default_rng(seed), row.domain)
    return sizes, args, np.random.default_rng(seed + 1).normal(size=np.shape(row.fun(**args)))


def read(text, args, sizes, cotangent):
    """The value of a text in either notation."""
    names = {**args, "G": cotangent}
    if "] = " in text:
        return index_notation.evaluate(text, names, sizes)
    return eval(text, {"np": np}, names)


def contracted(cotangent, jacobian):
    """Σ over the output axes."""
    return np.tensordot(cotangent, jacobian, cotangent.ndim)


@pytest.mark.parametrize("module", [oracles, index_notation])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0


@pytest.mark.parametrize("row", IDENTITIES, ids=str)
def test_closed_forms(row):
    """Every closed form of the gradient, text and callable, equals the contracted finite differences."""
    sizes, args, cotangent = point(row)
    jacobian, error = finite_difference_jacobian(row.fun, args, row.wrt)
    expected, error = contracted(cotangent, jacobian), contracted(np.abs(cotangent), error)
    claims = [read(text, args, sizes, cotangent) for text in row.gradient]
    if not np.ndim(cotangent):
        claims = [cotangent * claim for claim in claims]
        claims.append(cotangent * row.closed(**args))
    else:
        claims.append(row.closed(**args, G=cotangent))
    for claim in claims:
        assert_close(claim, expected, error)


@pytest.mark.parametrize("row", [row for row in IDENTITIES if row.jacobian], ids=str)
def test_jacobians(row):
    sizes, args, _ = point(row)
    jacobian, error = finite_difference_jacobian(row.fun, args, row.wrt)
    assert_close(index_notation.evaluate(left_of(jacobian) + row.jacobian, args, sizes), jacobian, error)


def left_of(array):
    """A left side that shows every size.

    >>> left_of(np.zeros((2, 3)))
    'H[i:2, j:3] = '
    """
    axes = [f"{letter}:{size}" for letter, size in zip("ijkl", array.shape, strict=False)]
    return f"H[{', '.join(axes)}] = "


@pytest.mark.parametrize("row", [row for row in IDENTITIES if row.row_major or row.column_major], ids=str)
def test_matrices(row):
    _, args, _ = point(row)
    jacobian, error = finite_difference_jacobian(row.fun, args, row.wrt)
    outer = np.ndim(row.fun(**args))
    rows, columns = int(np.prod(jacobian.shape[:outer])), int(np.prod(jacobian.shape[outer:]))
    assert_close(row.row_major(**args), jacobian.reshape(rows, columns), error.reshape(rows, columns))
    if row.column_major:
        order = [*reversed(range(outer)), *reversed(range(outer, jacobian.ndim))]
        flat = jacobian.transpose(order).reshape(rows, columns)
        assert_close(row.column_major(**args), flat, error.transpose(order).reshape(rows, columns))


@pytest.mark.parametrize("row", [row for row in IDENTITIES if row.hessian or row.hessian_values], ids=str)
def test_hessians(row):
    sizes, args, _ = point(row)
    hessian, error = finite_difference_hessian(row.closed, args, row.wrt)
    if row.hessian:
        assert_close(index_notation.evaluate(left_of(hessian) + row.hessian, args, sizes), hessian, error)
    if row.hessian_values:
        assert_close(row.hessian_values(**args), hessian, error)


@pytest.mark.parametrize("row", WRONG, ids=str)
def test_wrong_claims(row):
    """The claim differs from finite differences and the right form does not."""
    sizes, args, cotangent = point(row)
    jacobian, error = finite_difference_jacobian(row.fun, args, row.wrt)
    expected, error = contracted(cotangent, jacobian), contracted(np.abs(cotangent), error)
    if row.symmetric:
        expected, error = (expected + expected.T) / 2, (error + error.T) / 2
    factor = cotangent if not np.ndim(cotangent) else 1.0
    assert_close(factor * read(row.right, args, sizes, cotangent), expected, error)
    claim = factor * read(row.claim, args, sizes, cotangent)
    if row.fits:
        assert differ(claim, expected)
    else:
        assert claim.shape != expected.shape


def test_every_size_differs():
    """Only rows with a square matrix or a fixed size may repeat a size."""
    for row in IDENTITIES:
        sizes = distinct_sizes(row.shapes, row.sizes)
        assert len(set(sizes.values())) == len(sizes), row


@pytest.mark.parametrize(
    "fun",
    [
        lambda X: np.exp(X) / np.sum(np.exp(X), axis=1, keepdims=True),
        lambda X: np.linalg.inv(X.T @ X),
        lambda X: np.sin(X[:, ::-1]) ** 3 / X.shape[0],
    ],
)
def test_the_two_oracles_agree(fun):
    args = random_inputs({"X": "b n"}, {"b": 5, "n": 3}, np.random.default_rng(2))
    jacobian, error = finite_difference_jacobian(fun, args, "X")
    assert_close(complex_step_jacobian(fun, args, "X"), jacobian, error)
    assert np.max(error) < 1e-8 * np.max(np.abs(jacobian))


def test_the_error_estimate_covers_the_error():
    """Against exact derivatives, also where the step is far too wide or far too narrow."""
    args = {"x": np.array([0.5, 1.5, -2.5])}
    for step in (2.0**-2, 2.0**-7, 2.0**-20):
        jacobian, error = finite_difference_jacobian(lambda x: np.sin(x), args, "x", step)
        assert np.all(np.abs(jacobian - np.diag(np.cos(args["x"]))) <= 2 * error)


@pytest.mark.parametrize("domain", ["any", "positive", "unit", "between -1 and 1", "above 1"])
def test_entries_are_apart(domain):
    """No two entries, and no entry and its negative, are within a step of finite differences."""
    x = random_inputs({"x": "n m"}, {"n": 3, "m": 7}, np.random.default_rng(0), domain)["x"].ravel()
    gaps = np.abs(x[:, None] - x) + np.eye(x.size)
    assert gaps.min() > 2 * oracles.STEP
    assert domain == "between -1 and 1" or np.abs(x).min() > 0.1


def test_matrix_domains():
    sizes, rng = {"b": 2, "n": 3}, np.random.default_rng(0)
    shapes = {"S": "b n n", "P": "b n n", "X": "b n n"}
    args = random_inputs(shapes, sizes, rng, {"S": "symmetric", "P": "positive definite", "X": "invertible"})
    assert np.array_equal(args["S"], args["S"].mT)
    assert np.array_equal(args["P"], args["P"].mT)
    assert np.all(np.linalg.eigvalsh(args["P"]) > 0.7)
    assert np.all(np.linalg.cond(args["X"]) < 3)
    with pytest.raises(ValueError, match="unknown domain 'odd'"):
        random_inputs({"X": "n"}, sizes, rng, "odd")


def test_assert_close_names_the_worst_entry():
    actual, desired = np.array([[1.0, 2.0], [3.0, 4.5]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(AssertionError, match=r"entry \(1, 1\) is 4.5, expected 4.0: difference 0.5, allowed"):
        assert_close(actual, desired)
    with pytest.raises(AssertionError, match=r"shape \(2, 2\), expected \(2,\)"):
        assert_close(actual, desired[0])


@pytest.mark.parametrize("case", functions.CASES, ids=str)
def test_cases_are_differentiable_where_they_are_tested(case):
    """Finite differences are sure of themselves at these points: no kink, pole or cancellation is near."""
    args = case.inputs()
    for name, value in case.results(args).items():
        assert np.all(np.isfinite(value)), name
        assert np.asarray(value).dtype == np.float64
        for wrt in args:
            jacobian, error = finite_difference_jacobian(case.output(name), args, wrt)
            largest = max(1.0, np.max(np.abs(jacobian), initial=0.0))
            assert np.max(error, initial=0.0) < 1e-6 * largest


def test_names_are_distinct():
    for table in (IDENTITIES, WRONG, functions.CASES):
        names = [str(row) for row in table]
        assert len(set(names)) == len(names)
    assert identities.ONE_HOT.sum(axis=1).tolist() == [1, 1, 1]
