"""Sizes of 0 and of 1, differences of sizes that are 0, sizes that are rounded: as in NumPy, or refused in words."""

import functools
import itertools
import re
from math import prod

import numpy as np
import pytest

import tensorjac as tj
from functions import CASES, named
from oracles import distinct_sizes, random_inputs

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

REFUSED = re.compile(r"the sizes must satisfy .* [>=]= 0 \(.*\), and .* is -?\d+:\n")


def small_sizes(case):
    """Each size in turn 0 and 1, and all of them."""
    usual = distinct_sizes(case.shapes, case.sizes)
    free = [name for name in usual if name not in case.sizes]
    for few in (0, 1):
        yield from ({**usual, name: few} for name in free)
        if len(free) > 1:
            yield {**usual, **dict.fromkeys(free, few)}


def outcome(case, args):
    """What NumPy gives; nothing where it refuses."""
    try:
        return case.results(args)
    except (ValueError, IndexError):
        return None


@pytest.mark.parametrize("case", CASES, ids=str)
def test_small_sizes(case):
    """The values that NumPy gives, and one Jacobian at every door; where NumPy refuses, a word about the sizes."""
    F = tj.trace(case.fun, **case.shapes)
    name, wrt = next(iter(F.outputs)), next(iter(F.inputs))
    J, V = F.jacobian(wrt, of=name), F.vjp(wrt)
    for sizes in small_sizes(case):
        args = random_inputs(case.shapes, sizes, np.random.default_rng(0), case.domain)
        if case.prepare and min(sizes.values()) > 1:
            case.prepare(args)
        wanted = outcome(case, args)
        try:
            found = named(F(**args))
        except tj.ShapeError as error:
            assert REFUSED.match(str(error)) and wanted is None
            continue
        if wanted is None:
            continue
        for key, value in wanted.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-5, atol=1e-6)
        doors(F, J, args, (name, wrt), np.shape(wanted[name]))
        cotangents = [np.ones(np.shape(value)) for value in wanted.values()]
        assert np.shape(V(*args.values(), *cotangents)) == np.shape(args[wrt])


def doors(F, J, args, names, shape):
    """One Jacobian, whatever it is asked for."""
    name, wrt = names
    at = np.shape(args[wrt])
    D = J.dense(**args)
    assert D.shape == (*shape, *at)
    M = D.reshape(prod(shape), prod(at))
    np.testing.assert_allclose(J.sparse(**args).toarray(), M, rtol=1e-5, atol=1e-6)
    assert_same_values(lambda: J.svdvals(**args), lambda: np.linalg.svd(M, compute_uv=False) if M.size else [])
    # 0/0 has no derivative, and what is found for it depends on the order
    if not np.isfinite(M).all() or not np.isfinite(F(**args) if len(F.outputs) == 1 else 0.0).all():
        return
    operator = J.operator(**args)
    np.testing.assert_allclose(operator @ np.eye(len(M.T)), M, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(operator.rmatmat(np.eye(len(M))), M.T, rtol=1e-5, atol=1e-5)
    covariance = tj.propagate(F, {wrt: np.eye(len(M.T)).reshape(at + at)}, of=name, **args)
    np.testing.assert_allclose(covariance, (M @ M.T).reshape(shape + shape), rtol=1e-4, atol=1e-4)


def assert_same_values(found, wanted):
    """The same singular values, or both none, where they are of what is not finite."""
    results = []
    for values in (found, wanted):
        try:
            results.append(np.asarray(values()))
        except np.linalg.LinAlgError:
            results.append(np.array([np.nan]))
    if not all(np.isnan(one).any() for one in results):
        np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-5)


def softmax(x):
    E = np.exp(x)
    return E / E.sum(axis=-1, keepdims=True)


# What arrays without entries become where the algebra would have it otherwise: sums of nothing are 0, whatever factor
# could be taken out of them; means of nothing are nan, whatever is 0 beside them.
EMPTY = {
    "probabilities": (lambda x: softmax(x).sum(), {"x": "n"}),
    "probabilities of a part": (lambda x: softmax(x[:, 1:]).sum(1), {"x": "b n"}),
    "probabilities of the end": (lambda x: softmax(x[2:]).sum(), {"x": "n"}),
    "sum of means": (lambda x: x.mean(0).sum(), {"x": "b n"}),
    "mean of parts": (lambda x: 2 * x[:, 1:].mean(1), {"x": "b n"}),
    "loss and weights": (lambda x, A: ((x @ A) ** 2).sum() + (A**2).sum(), {"x": "b n", "A": "n m"}),
    "mean beside weights": (lambda x, A: np.tanh(x @ A).mean(0) * A.sum(), {"x": "b n", "A": "n m"}),
    "rectified": (lambda x, A: np.maximum(x @ A, 0).var(0) + A.sum(0), {"x": "b n", "A": "n m"}),
    "entropy": (lambda x: (softmax(x) * np.log(softmax(x))).sum(-1).mean(), {"x": "b n"}),
    "log-sum-exp": (lambda x, y: np.log(np.exp(x).sum(-1)) * y.sum(), {"x": "b n", "y": "b"}),
    "unit vector": (lambda x: x / np.linalg.norm(x), {"x": "b n"}),
    "product": (lambda x, y: x.prod() * y.sum(), {"x": "n", "y": "m"}),
    "joined": (lambda x, y: np.concatenate([x, y]).sum() * np.concatenate([x, y]) ** 2, {"x": "n", "y": "m"}),
    "stacked": (lambda x, y: np.stack([x, x * 2]).sum(1) + y.sum(), {"x": "n", "y": "m"}),
    "determinant": (lambda x, y: np.linalg.det(x) * y, {"x": "n n", "y": "m"}),
    "in place": (lambda x, y: add_in_place(x.copy(), y), {"x": "n", "y": ""}),
    "method": (lambda x, y: x.dot(y), {"x": "b n", "y": "n m"}),
}


def add_in_place(x, y):
    x += y
    return x


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", EMPTY)
def test_arrays_without_entries(name, dtype):
    """What NumPy gives, by functions and by transforms, and gradients that are the same from both."""
    fun, shapes = EMPTY[name]
    F = tj.trace(fun, **shapes)
    names = sorted({size for shape in shapes.values() for size in shape.split()})
    rng = np.random.default_rng(0)
    for numbers in itertools.product((0, 1, 2, 3), repeat=len(names)):
        sizes = dict(zip(names, numbers, strict=True))
        args = [
            rng.uniform(0.5, 1.5, [sizes[size] for size in shape.split()]).astype(dtype) for shape in shapes.values()
        ]
        wanted, found = np.asarray(fun(*args)), np.asarray(F(*args))
        assert found.dtype == wanted.dtype == dtype
        close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
        close(found, wanted)
        value, pullback = tj.vjp(fun, *args)
        close(value, wanted)
        gradients = pullback(np.ones_like(wanted))
        for wrt, arg, gradient in zip(shapes, args, gradients, strict=True):
            assert gradient.shape == arg.shape
            assert gradient.dtype == dtype
            close(F.vjp(wrt)(*args, np.ones_like(wanted)), gradient)
            assert F.jacobian(wrt).dense(*args).shape == wanted.shape + arg.shape


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


@pytest.mark.parametrize("ddof", [1, 2, 1.5, 2.0])
def test_a_variance_of_few_entries(ddof):
    """With fewer than are lost, NumPy divides by 0, too; by a negative number, the variance would be one."""
    fun = lambda x: x.var(0, ddof=ddof)  # noqa: E731
    F = tj.trace(fun, x="b n")
    for b in range(4):
        x = np.linspace(1, 2, 3 * b).reshape(b, 3)
        for made in (F, tj.trace(fun, x=f"{b} n"), tj.trace(fun, x=f"b {3}")):
            np.testing.assert_allclose(made(x), fun(x), rtol=1e-12)
            assert made.jacobian("x").dense(x).shape == (3, b, 3)


@pytest.mark.parametrize("shape", ["0 n", "b 0", "0 0", "0 3"])
@pytest.mark.parametrize("fun", [np.mean, np.var, np.std], ids=lambda fun: fun.__name__)
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_what_nothing_is_on_average(fun, axis, shape):
    """nan with a warning, as in NumPy; and the empty derivatives of it."""
    F = tj.trace(lambda x: fun(x, axis=axis), x=shape)
    assert tj.parse(str(F), **F.inputs) == F
    x = np.ones([int(size) if size.isdecimal() else 2 for size in shape.split()])
    np.testing.assert_array_equal(F(x), fun(x, axis=axis))
    assert F.jacobian("x").dense(x).shape == (*np.shape(F(x)), *x.shape)
    assert F.vjp()(x, F(x)).shape == x.shape


def test_a_mean_of_nothing_warns():
    with pytest.warns(RuntimeWarning, match="^a mean of no entries is nan$"):
        F = tj.trace(lambda x: (x - x).mean(0), x="0 n")
    assert str(F) == "Y[i:n] = nan"


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


# What reads less of an axis than there is, at sizes where it reads nothing, or more than there is.
READS = {
    "all but the first": lambda x: x[1:],
    "all but the last": lambda x: 2 * x[:-1],
    "a few": lambda x: x[1:3] ** 2,
    "the last few": lambda x: np.exp(x[-3:]),
    "differences": lambda x: np.diff(x) ** 2,
    "second differences": lambda x: np.diff(x, n=2),
    "rolled": lambda x: np.roll(x, 1) * x,
    "rolled back": lambda x: np.roll(x, -3) + np.tanh(x),
    "neighbours": lambda x: x[1:] * x[:-1],
    "halves": lambda x: x[::2] * x[1::2],
    "cut and joined": lambda x: np.concatenate([x[2:], x[:2]]) * x,
    "the sum of squares": lambda x: (np.diff(x) ** 2).sum(),
    "a diagonal": lambda x: np.trace(x[:, None] * x, 2),
    "one axis less": lambda x: np.squeeze(x[:, None] * x),
}


@pytest.mark.parametrize("fun", READS.values(), ids=READS)
def test_functions_are_made_again_at_few_entries(fun):
    """At every door, whatever was derived first: as of the function that is traced at this size."""
    F = tj.trace(fun, x="n")
    text, source = str(F), F.source()
    J = F.jacobian("x")
    inner = tj.trace(lambda z: 3 * z, z="m")
    same = functools.partial(np.testing.assert_allclose, atol=1e-12)
    composed, chained = F.after(x=inner), J.compose(inner.jacobian("z"))
    for n in range(6):
        x = np.array([1.5, -0.5, 2.0, 0.25, -1.0])[:n]
        try:
            value = np.asarray(fun(x))
        except ValueError:
            assert fun is READS["halves"]
            with pytest.raises(tj.ShapeError, match=REFUSED.pattern):
                F(x)
            continue
        K = tj.trace(fun, x=(n,)).jacobian("x")
        D = K.dense(x)
        M = D.reshape(value.size, n)
        same(F(x), value)
        same(composed(x / 3), value)
        same(chained.dense(z=x / 3, x=x), 3 * D)
        same(J.dense(x), D)
        same(J.dense(x, limit=2**20), D)
        same(J.sparse(x).toarray(), M)
        same(J.matrix()(x), M)
        same(J.operator(x) @ x, M @ x)
        same(J.svdvals(x), K.svdvals(x))
        same(F.jvp()(x, x), D @ x)
        same(J.pushforward("v")(x, x), D @ x)
        same(F.vjp()(x, value), np.tensordot(value, D, value.ndim))
        same(J.pullback("v")(x, value), np.tensordot(value, D, value.ndim))
        same(tj.propagate(F, {"x": np.eye(n)}, x), np.tensordot(D, D, (-1, -1)))
        if J._fitting([x])[0] is not J:
            assert [pattern for pattern, _ in J.core(x)] == [pattern for pattern, _ in K.core(x)]
        assert len(J.factors(x)) == len(J.core(x))
    assert (str(F), F.source()) == (text, source)


def test_derivatives_of_scalars_are_made_again():
    fun = lambda x: (np.diff(x) ** 3).sum()  # noqa: E731
    F, x = tj.trace(fun, x="n"), np.zeros(0)
    assert F.grad("x")(x).shape == F.hvp("x")(x, x).shape == (0,)
    assert F.hessian("x").dense(x).shape == F._forward_jacobian("x").jacobian("x").dense(x).shape == (0, 0)
    assert F.hessian("x").solve(x, x).shape == (0,) and F.hessian("x").slogdet(x) == (1.0, 0.0)
    assert str(F.hessian("x")._fitting([x])[0]) == "∂²Y[]/∂x[i]∂x[j] = 0"


def test_parsed_functions_are_made_again():
    """NumPy's text is read again; in index notation, a size of an index may not be less than 0."""
    C = np.array([2.0, 3.0])
    F = tj.parse("Y = x[1:, None] * C", x="n", C=C)
    C[:] = 0
    assert F(np.ones(0)).shape == (0, 2) and F(np.ones(2)).tolist() == [[2, 3]]
    with pytest.raises(tj.ShapeError) as caught:
        tj.parse("Y[i:n-1] = x[i+1] x[i]", x="n")(np.ones(0))
    assert str(caught.value) == (
        "the sizes must satisfy n - 1 >= 0 (index i has size n - 1), and n - 1 is -1:\n"
        "  n - 1 >= 0\n  ^^^^^\nn is 0 in x (axis 0 of 'n'); give arrays whose sizes satisfy it, or fix n at 0 in the "
        "shapes, if NumPy takes such arrays."
    )


def test_what_has_changed_is_not_traced_again():
    """A function that reads something else now than when it was traced is not the one that is called."""
    weights = [2.0]
    F = tj.trace(lambda x: weights[0] * x[1:], x="n")
    assert F(np.ones(0)).shape == (0,)
    weights[0] = 3.0
    G = F.vjp()
    assert F(np.ones(2)).tolist() == [2.0] and G(np.ones(0), np.ones(0)).shape == (0,)
    F = tj.trace(lambda x: weights[0] * x[1:], x="n")
    weights[0] = 4.0
    with pytest.raises(tj.ShapeError) as caught:
        F(np.ones(0))
    assert str(caught.value) == (
        "the sizes must satisfy n - 1 >= 0 (the slice [1:] of an axis of size n), and n - 1 is -1:\n"
        "  n - 1 >= 0\n  ^^^^^\nn is 0 in x (axis 0 of 'n'); give arrays whose sizes satisfy it."
    )
    assert str(caught.value.__cause__) == (
        "at sizes that break its requirements a function is traced again, and what this one reads from outside has "
        "changed since it was traced: pass what changes as an argument, or trace it again."
    )


@pytest.mark.parametrize("library", ["jax.numpy", "torch"])
def test_other_libraries_at_few_entries(library):
    module = pytest.importorskip(library)
    for fun in (READS["neighbours"], READS["rolled back"], READS["a few"]):
        F = tj.trace(fun, x="n")
        for n in range(4):
            x = np.linspace(1, 2, n, dtype=np.float32)
            np.testing.assert_allclose(np.asarray(F(module.asarray(x))), fun(x), rtol=1e-6)
