"""Sizes of 0 and of 1, differences of sizes that are 0, sizes that are rounded: as in NumPy, or refused in words."""

import re
from math import prod

import numpy as np
import pytest

import tensorjac as tj
from functions import CASES, named
from oracles import distinct_sizes, random_inputs

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

# NumPy drops every axis of size 1 there, and the function that is traced none that has a name.
SQUEEZED = "expanded_and_squeezed"
# Of no classes, the sum of the probabilities is taken to be 1.
IMPROBABLE = "divergence_of_logits"
REFUSED = re.compile(r"the sizes must satisfy .* [>=]= 0 \(.*\), and .* is -?\d+:\n")


def small_sizes(case):
    """All sizes 0, all 1, the first 0 and the last 1."""
    usual = distinct_sizes(case.shapes, case.sizes)
    free = [name for name in usual if name not in case.sizes]
    if len(free) > 1:
        yield {**usual, free[0]: 0}
        yield {**usual, free[-1]: 1}
    if free:
        yield {**usual, **dict.fromkeys(free, 0)}
        yield {**usual, **dict.fromkeys(free, 1)}


def outcome(case, args):
    """What NumPy gives; nothing where it refuses."""
    try:
        return case.results(args)
    except (ValueError, IndexError):
        return None


@pytest.mark.parametrize("case", [case for case in CASES if case.name != SQUEEZED], ids=str)
def test_small_sizes(case):
    """The values that NumPy gives, and one Jacobian at every door, or else a word about the sizes."""
    F = tj.trace(case.fun, **case.shapes)
    name, wrt = next(iter(F.outputs)), next(iter(F.inputs))
    J = F.jacobian(wrt, of=name)
    for sizes in small_sizes(case):
        args = random_inputs(case.shapes, sizes, np.random.default_rng(0), case.domain)
        if case.prepare and min(sizes.values()):
            case.prepare(args)
        wanted = outcome(case, args)
        try:
            found = named(F(**args))
        except tj.ShapeError as error:
            assert REFUSED.match(str(error))
            continue
        if wanted is None:
            continue
        for key, value in wanted.items():
            if case.name != IMPROBABLE:
                np.testing.assert_allclose(found[key], value, rtol=1e-5, atol=1e-6)
        doors(F, J, args, (name, wrt), np.shape(wanted[name]))


def doors(F, J, args, names, shape):
    """One Jacobian, whatever it is asked for."""
    name, wrt = names
    at = np.shape(args[wrt])
    D = J.dense(**args)
    assert D.shape == (*shape, *at)
    M = D.reshape(prod(shape), prod(at))
    np.testing.assert_allclose(J.sparse(**args).toarray(), M, rtol=1e-5, atol=1e-6)
    if not np.isfinite(M).all():
        return
    operator = J.operator(**args)
    np.testing.assert_allclose(operator @ np.eye(len(M.T)), M, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(operator.rmatmat(np.eye(len(M))), M.T, rtol=1e-5, atol=1e-5)
    covariance = tj.propagate(F, {wrt: np.eye(len(M.T)).reshape(at + at)}, of=name, **args)
    np.testing.assert_allclose(covariance, (M @ M.T).reshape(shape + shape), rtol=1e-4, atol=1e-4)


# Sizes that are 0 below a fraction bar, or less than 0 under a root, where n is 0, 1 or 2.
VANISHING = {
    "variance": lambda x: x[:, None].var(1) + x.shape[0] * x.mean() / (x.shape[0] - 1),
    "difference": lambda x: x / (x.shape[0] - 2),
    "scalar": lambda x: x.sum() / (x.shape[0] - 2),
    "square": lambda x: x.sum() / (x.shape[0] - 1) ** 2,
    "product": lambda x: x / ((x.shape[0] - 1) * (x.shape[0] - 2)),
    "alone": lambda x: np.exp(x) + np.divide(1.0, 2 * x.shape[0] - 4),
    "root": lambda x: x * np.sqrt(x.shape[0] - 2),
    "below a root": lambda x: x.sum() / np.sqrt(x.shape[0] - 2),
    "logarithm": lambda x: x / np.log(x.shape[0] - 1),
    "half": lambda x: x / (x.shape[0] // 2),
    "quarter alone": lambda x: np.exp(x) + np.divide(1.0, x.shape[0] // 4),
}


@pytest.mark.parametrize("name", VANISHING)
def test_sizes_that_vanish(name):
    """NumPy's numbers divide by 0 where Python's do not; and sizes that are alike share their source."""
    fun = VANISHING[name]
    F = tj.trace(fun, x="n")
    J = F.jacobian("x")
    with np.errstate(all="ignore"):
        for n in (5, 3, 2, 1, 0):
            x = np.linspace(1, 2, n)
            np.testing.assert_allclose(F(x), fun(x), rtol=1e-12)
            if n:
                np.testing.assert_allclose(F.jvp()(x, x), J.dense(x) @ x, rtol=1e-12)
            np.testing.assert_array_equal(J.sparse(x).toarray(), np.atleast_2d(J.dense(x)))
            assert F(x.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("name", ["difference", "scalar", "below a root", "alone", "logarithm"])
@pytest.mark.parametrize("library", ["jax.numpy", "torch"])
def test_sizes_that_vanish_in_other_libraries(name, library):
    module = pytest.importorskip(library)
    F = tj.trace(VANISHING[name], x="n")
    with np.errstate(all="ignore"):
        for n in (3, 2, 1):
            x = np.linspace(1, 2, n, dtype=np.float32)
            np.testing.assert_allclose(np.asarray(F(module.asarray(x))), F(x), rtol=1e-6)


@pytest.mark.parametrize("ddof", [1, 2])
def test_a_variance_has_entries(ddof):
    """With fewer than are lost, NumPy divides by 0, too; by a negative number, the variance would be one."""
    F = tj.trace(lambda x: x.var(ddof=ddof), x="n")
    with pytest.raises(tj.ShapeError) as caught:
        F(np.ones(ddof - 1))
    assert str(caught.value) == (
        f"the sizes must satisfy n - {ddof} >= 0 (a variance of n entries with ddof={ddof}), and n - {ddof} is -1:\n"
        f"  n - {ddof} >= 0\n  ^^^^^\nn is {ddof - 1} in x (axis 0 of 'n'); "
        f"give arrays whose sizes satisfy it, or fix n at {ddof - 1} in the shapes, if NumPy takes such arrays."
    )


def test_nothing_has_no_uncertainty():
    """J Σ Jᵀ is a sum over nothing, also where it is divided by the number of entries; other inputs keep theirs."""
    F = tj.trace(lambda X, y: X.mean(0) + 2 * y, X="b n", y="n")
    covariances = {"X": np.zeros((0, 3, 0, 3)), "y": np.eye(3)}
    args = np.ones((0, 3)), np.ones(3)
    np.testing.assert_array_equal(tj.propagate(F, {"X": covariances["X"]}, *args), np.zeros((3, 3)))
    np.testing.assert_array_equal(tj.propagate(F, covariances, *args), 4 * np.eye(3))


# Halves that are the same where n is even, and what NumPy makes of them then.


def rotary(X):
    """Pairs of neighbours turned by angles that grow with the row, and the more slowly the later the pair."""
    b, n = X.shape
    angles = tj.arange(b)[:, None] * 100.0 ** (-tj.arange(0, n, 2) / n)
    even, odd = X[:, ::2], X[:, 1::2]
    turned = [even * np.cos(angles) - odd * np.sin(angles), even * np.sin(angles) + odd * np.cos(angles)]
    return np.stack(turned, -1).reshape(X.shape)


ROUNDED = {
    "rotary embedding": rotary,
    "quarter turns": lambda X: np.stack([-X[:, 1::2], X[:, ::2]], -1).reshape(X.shape),
    "both halves": lambda X: X[:, : X.shape[1] // 2] * X[:, X.shape[1] // 2 :],
    "where": lambda X: np.where(X[:, ::2] > 0, X[:, ::2], X[:, 1::2]),
    "product": lambda X: X[:, ::2] @ X[:, 1::2].T,
    "einsum": lambda X: np.einsum("ij,kj->ik", X[:, 1::2], X[:, ::2]),
    "joined": lambda X: np.concatenate([X[:, ::2], X[:, 1::2], X[:, ::2]]),
    "sum of both": lambda X: (X[:, ::2] + X[:, 1::2] ** 2).sum(1),
    "outer": lambda X: X[:, ::2, None] * X[:, None, 1::2] + X[:, 1::2, None] * X[:, None, ::2],
}


@pytest.mark.parametrize("name", ROUNDED)
def test_halves_of_an_even_size(name):
    fun = ROUNDED[name]
    F, fixed = tj.trace(fun, X="b n"), tj.trace(fun, X="b 6")
    assert tj.parse(str(F), **F.inputs) == F
    X = np.random.default_rng(0).normal(size=(3, 6))
    np.testing.assert_allclose(F(X), fun(X), atol=1e-12)
    J, K = F.jacobian("X"), fixed.jacobian("X")
    D = K.dense(X)
    np.testing.assert_allclose(J.dense(X), D, atol=1e-12)
    rows = D.size // X.size
    np.testing.assert_allclose(J.sparse(X).toarray(), D.reshape(rows, -1), atol=1e-12)
    np.testing.assert_allclose(J.operator(X) @ X.ravel(), D.reshape(rows, -1) @ X.ravel(), atol=1e-12)
    np.testing.assert_allclose(F.vjp()(X, fun(X)), np.tensordot(fun(X), D, fun(X).ndim), atol=1e-12)
    with pytest.raises(tj.ShapeError, match=r"the sizes must satisfy .*//2.* == 0 \("):
        F(np.ones((3, 5)))


def test_a_rotary_embedding_is_banded():
    J = tj.trace(rotary, X="b n").jacobian("X")
    assert str(J.structure) == "block-diagonal over i, each block banded (-2 ≤ 2*l − 2*j ≤ 2)"
    assert abs(J.slogdet(np.ones((3, 6)))[1]) < 1e-14


@pytest.mark.parametrize("shapes", [{"X": "b 2*h", "c": "h"}, {"X": "b 6", "c": "3"}], ids=["named", "fixed"])
def test_the_ways_out_work(shapes):
    """What is advised where a half meets another name."""

    def fun(X, c):
        return X[:, ::2] * c

    F = tj.trace(fun, **shapes)
    X, c = np.arange(12.0).reshape(2, 6), np.arange(3.0)
    np.testing.assert_array_equal(F(X, c), fun(X, c))
