"""Random small programs in NumPy: values, slopes in every form, single precision, and text that reads back."""

import inspect

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tensorjac as tj
from functions import CASES, named
from generators import LAST, NUMBERED, PROGRAM, SEVERAL, program, programs
from identities import IDENTITIES
from oracles import STEP, finite_difference_jacobian, nudged, orthogonal

seeds = st.integers(0, 2**32)


def point(seed):
    """Generic arrays; A is well conditioned."""
    rng = np.random.default_rng(seed)
    A = orthogonal((3, 3), rng) * np.array([0.7, 1.0, 1.4]) @ orthogonal((3, 3), rng)
    return {"X": rng.normal(size=(4, 3)), "A": A, "Z": rng.normal(size=(4, 3))}


def moderate(steps, args):
    """The value in plain NumPy, where it is finite and not large, and not decided by rounding.

    So left out is the determinant of a large matrix of rank 1, which is 0 or anything else, and so are its slopes.
    """
    with np.errstate(all="ignore"):
        value = np.asarray(program(steps)(**args))
        other = np.asarray(program(steps)(**{name: nudged(array) for name, array in args.items()}))
    assume(np.all(np.isfinite(value)) and np.max(np.abs(value)) < 1e4)
    assume(np.max(np.abs(value - other)) < 1e-6 * max(1, np.max(np.abs(value))))
    return value


def assert_near(actual, desired, tolerance=1e-7):
    """Relative to the largest entry, or to 1 where all are small."""
    actual, desired = np.asarray(actual), np.asarray(desired)
    assert actual.shape == desired.shape
    assert np.all(np.isfinite(actual))
    np.testing.assert_allclose(actual, desired, rtol=0, atol=tolerance * max(1, np.max(np.abs(desired), initial=0)))


def assert_slope(actual, fun, args, wrt, weight=None):
    """Against finite differences (contracted with `weight`), unless a kink is near, which these tell by their error.

    A kink that is nearer than all their steps they do not tell: then shorter ones decide.
    """
    jacobian, error = _differences(fun, args, wrt, weight, STEP)
    scale = max(1, np.max(np.abs(jacobian), initial=0))
    if np.max(error, initial=0) < 1e-7 * scale:
        if np.max(np.abs(actual - jacobian), initial=0) > 1e-6 * scale:
            jacobian, _ = _differences(fun, args, wrt, weight, STEP / 256)
        assert_near(actual, jacobian, 1e-6)


def _differences(fun, args, wrt, weight, step):
    found = finite_difference_jacobian(fun, args, wrt, step)
    if weight is None:
        return found
    return np.tensordot(weight, found[0], weight.ndim), np.tensordot(np.abs(weight), found[1], weight.ndim)


@given(programs(), seeds)
def test_values_and_slopes(steps, seed):
    """Value, VJP by every input against differences, and each JVP against the VJP."""
    args = point(seed)
    value = moderate(steps, args)
    fun = program(steps)
    F = tj.trace(fun, **PROGRAM)
    assert_near(F(**args), value)
    rng = np.random.default_rng(seed)
    G = np.asarray(rng.normal(size=value.shape))
    for wrt, slope in zip(args, F.vjp()(**args, G=G), strict=True):
        assert_slope(slope, fun, args, wrt, G)
        tangent = rng.normal(size=args[wrt].shape)
        pushed = F.jvp(wrt)(**args, **{f"d{wrt}": tangent})
        scale = 1 + np.sum(np.abs(pushed * G)) + np.sum(np.abs(slope * tangent))
        assert abs(np.sum(pushed * G) - np.sum(slope * tangent)) < 1e-9 * scale


@given(programs(), seeds)
def test_single_precision_and_ownership(steps, seed):
    """float32 in and out, own contiguous arrays out, arguments as they were."""
    args = point(seed)
    value = moderate(steps, args)
    F = tj.trace(program(steps), **PROGRAM)
    G = np.ones(value.shape, dtype=np.float32)
    single = {name: array.astype(np.float32) for name, array in args.items()}
    before = {name: array.copy() for name, array in single.items()}
    with np.errstate(all="ignore"):
        results = [F(**single), *F.vjp()(**single, G=G)]
    for result in results:
        assert result.dtype == np.float32
        assert np.asarray(result).flags.c_contiguous
        assert not any(np.shares_memory(result, array) for array in single.values())
    for name, array in single.items():
        np.testing.assert_array_equal(array, before[name])


@given(programs(), st.data())
def test_forward_and_reverse_agree(steps, data):
    wrt = data.draw(st.sampled_from(list(PROGRAM)))
    F = tj.trace(program(steps), **PROGRAM)
    backward, forward = F.jacobian(wrt), F._forward_jacobian(wrt)
    args = point(0)
    moderate(steps, args)
    assert_near(forward.dense(**args), backward.dense(**args), 1e-9)


@settings(max_examples=settings.default.max_examples // 2)
@given(programs(last=("sum", "norm")), seeds)
def test_hessians_are_symmetric_and_right(steps, seed):
    args = point(seed)
    moderate(steps, args)
    F = tj.trace(program(steps), **PROGRAM)
    H = F.hessian("X").dense(**args)
    assume(np.max(np.abs(H)) < 1e6)
    assert_near(H.transpose(2, 3, 0, 1), H, 1e-9)
    assert_slope(H, F.grad("X"), args, "X")
    tangent = np.random.default_rng(seed).normal(size=args["X"].shape)
    assert_near(F.hvp("X")(**args, dX=tangent), np.tensordot(H, tangent, 2), 1e-9)


# Text that reads back ------------------------------------------------------------------------------


def assert_reads_back(F):
    """What is printed, parsed again with the same inputs and constants, is the same function."""
    assert tj.parse(str(F), **F.inputs, **F.constants) == F


@given(programs(last=(*LAST, *SEVERAL)), st.data())
def test_text_reads_back(steps, data):
    """The value, all slopes by VJP and JVP, one Jacobian, and of a scalar the Hessian, whole and times a tangent."""
    F = tj.trace(program(steps), **data.draw(st.sampled_from((PROGRAM, NUMBERED))))
    wrt = data.draw(st.sampled_from(list(PROGRAM)))
    name = data.draw(st.sampled_from(list(F.outputs)))
    assert_reads_back(F)
    assert_reads_back(F.vjp())
    assert_reads_back(F.jvp())
    assert_reads_back(F.jacobian(wrt, of=name))
    if F.outputs[name] == ():
        assert_reads_back(F.hvp(wrt, of=name))
        assert_reads_back(F.hessian(wrt, of=name))


@pytest.mark.parametrize("row", [*CASES, *IDENTITIES], ids=str)
def test_text_of_row_reads_back(row):
    """The same for every function of `functions.py` and `identities.py`, and for its derivatives."""
    F = tj.trace(row.fun, **row.shapes)
    for function in (F, F.vjp(), F.jvp()):
        assert_reads_back(function)
    for name in F.outputs:
        for wrt in F.inputs:
            assert_reads_back(F.jacobian(wrt, of=name))


def named_delta(delta, A):
    return np.where(delta > 0, delta, np.exp(delta)) @ A


def named_where(where, A):
    return np.where(where > 0, where, np.exp(where)) @ A


def named_sum(sum, A):
    return np.where(sum > 0, sum, np.exp(sum)) @ A


def named_like_a_function(exp, tril):
    return np.tril(exp @ tril, 1) + np.exp(exp @ tril)


@pytest.mark.parametrize(
    "fun", [named_delta, named_where, named_sum, named_like_a_function], ids=lambda fun: fun.__name__
)
def test_names_that_mean_something_else(fun):
    """Names of inputs that index notation knows in another meaning."""
    first, second = inspect.signature(fun).parameters
    F = tj.trace(fun, **{first: "b m", second: "m n"})
    for function in (F, F.vjp(), F.jacobian(first), F.jvp()):
        assert_reads_back(function)


def test_only_the_kronecker_delta_is_called_δ():
    message = "an input may not be called δ, which is Kronecker's in index notation: rename it, to delta for example."
    with pytest.raises(tj.NotationError) as caught:
        tj.trace(lambda δ: 2 * δ, δ="n")
    assert str(caught.value) == message
    with pytest.raises(tj.NotationError) as caught:
        tj.parse("Y[i] = 2 δ[i]", δ=np.ones(3))
    assert str(caught.value) == message


# Found by the tests above -------------------------------------------------------------------------


def gram(X):
    return X @ X.T @ X


def softmax(X):
    E = np.exp(X)
    return E / E.sum(axis=1, keepdims=True)


def normed(X):
    return X / np.sqrt(1 + (X**2).sum(axis=1, keepdims=True))


def largest_in_windows(X):
    Y = X / X.var(ddof=1)
    windows = np.lib.stride_tricks.sliding_window_view(np.maximum(Y, Y[::-1]), 2, axis=0)
    return (windows.max(axis=-1) ** 2).sum(axis=-1)


def by_its_determinant(X):
    inverse = np.linalg.inv(X @ X.T + tj.eye(3)) @ X
    power = np.linalg.matrix_power(inverse @ inverse.T, 3) @ inverse
    return (power * np.linalg.slogdet(power.T @ power)[1]).reshape(-1)


FOUND = {
    "steps of means": largest_in_windows,
    "a product used whole and summed": lambda X: gram(X) + gram(X).sum(),
    "a product times its sum": lambda X: gram(X) * gram(X).sum(),
    "a product rolled": lambda X: np.roll(gram(X), 1, axis=0),
    "a mask that is scaled": lambda X: np.log1p(X**2).max(axis=-1),
    "a row of softmax": lambda X: softmax(X)[0],
    "a row of a function of two": lambda X: np.arctan2(np.logaddexp(X, X)[0], 1 + np.logaddexp(X, X)[0] ** 2),
    "a reversed softmax": lambda X: softmax(X[::-1]) * softmax(X),
    "a leaky slope in two terms": lambda X: np.tanh(normed(np.tanh(np.where(X > 0, X, 0.1 * X)))),
    "a product of a reshape and its sum": lambda X: gram(X.T.reshape(X.shape)) + gram(X.T.reshape(X.shape)).sum(),
    "a rotated sum of exponentials": lambda X: np.log(np.exp(np.concatenate([X[1:], X[:1]])).sum(axis=-1)),
}


@pytest.mark.parametrize("name", FOUND)
def test_found(name):
    fun = FOUND[name]
    X = np.random.default_rng(0).normal(size=(4, 3))
    F = tj.trace(fun, X="b n")
    assert_near(F(X), fun(X), 1e-12)
    G = np.asarray(np.random.default_rng(1).normal(size=np.shape(fun(X))))
    assert_slope(F.vjp()(X, G), fun, {"X": X}, "X", G)
    assert_slope(F.jacobian("X").dense(X), fun, {"X": X}, "X")
    for function in (F, F.vjp()):
        args = {"X": X, "G": G} if function is not F else {"X": X}
        single = function(**{key: value.astype(np.float32) for key, value in args.items()})
        assert all(result.dtype == np.float32 for result in named(single).values())
        assert_reads_back(function)


def test_inverses_of_products_whose_factors_have_inverses_in_several_terms():
    assert_reads_back(tj.trace(by_its_determinant, X="3 3").vjp())


READ_BACK = (
    (
        "F",
        (("relu", 1, 1), ("larger of two rows", 2, 0), ("stacked and summed", 3, 1), ("lagged gram", 4, 1)),
        (("relu", 5, 2), "norm"),
    ),
    (
        "F",
        (("lagged gram", 0, 0), ("lower triangle of a gram", 2, 2), ("lower triangle of a gram", 3, 0)),
        (("rolled", 4, 0), "norm"),
    ),
    (
        "vjp",
        (("cumulative from the end", 1, 0), ("transposed and reshaped", 2, 1), ("transposed and reshaped", 3, 3)),
        (("cumulative from the end", 4, 1), "determinant"),
    ),
    (
        "vjp",
        (("cumulative from the end", 1, 1), ("attended", 1, 2), ("symmetric", 3, 3), ("determinant", 4, 3)),
        ("outer",),
    ),
    (
        "vjp",
        (("third", 1, 1), ("larger of two rows", 2, 0), ("cumulative from the end", 3, 0), ("plus its sum", 4, 2)),
        ("log-sum-exp",),
    ),
    (
        "vjp",
        (("lagged gram", 1, 1), ("by its determinant", 2, 2), ("shifted", 3, 0), ("triangle", 2, 3)),
        ("product",),
    ),
    ("jacobian X", (("positive part", 1, 0), ("traces", 2, 0)), ("all",)),
    ("jacobian X", (("rolled", 1, 0), ("read backward", 2, 0)), ("flat",)),
    (
        "jacobian X",
        (("hypot", 1, 0), ("times its norm", 2, 0), ("gram", 3, 1), ("symmetric", 4, 3)),
        ("determinant",),
    ),
    ("jvp X", (("tanh", 1, 0), ("larger of two rows", 2, 0)), ("all",)),
    (
        "jvp",
        (("gram", 1, 1), ("normed", 2, 2), ("log-determinant", 3, 1), ("captured", 4, 4)),
        ("log-sum-exp",),
    ),
    ("hvp Z", (("normed", 0, 1), ("columns reversed", 2, 2)), ("determinant",)),
    ("hvp X", (("squared distances", 1, 1),), ("norm",)),
    ("hessian A", (("minimum", 0, 0), ("quadratic", 2, 0), ("columns reversed", 3, 0)), ("determinant",)),
    ("hessian A", (("arctan2", 1, 1), ("symmetric", 2, 1), ("cumulative from the end", 3, 2)), ("sum",)),
    ("hessian X", (("first of the other", 0, 1), ("read backward", 2, 0)), ("determinant",)),
    (
        "hessian X",
        (("logaddexp", 1, 0), ("by its diagonal", 2, 1), ("stacked and summed", 3, 1)),
        ("determinant",),
    ),
    (
        "hessian X",
        (("plus its variance", 1, 0), ("symmetric", 2, 0), ("plus its variance", 3, 1), ("plus its variance", 4, 0)),
        (("cumulative from the end", 5, 4), "norm"),
    ),
    (
        "hessian X",
        (("signed root", 1, 1), ("/", 2, 1), ("by its determinant", 3, 1), ("times its norm", 4, 0)),
        ("determinant",),
    ),
)
"""The derivative that was another function when its text was read back, or could not be compared, and the program."""


@pytest.mark.parametrize("shapes", (PROGRAM, NUMBERED), ids=("named", "numbered"))
@pytest.mark.parametrize(("derivative", "steps", "last"), READ_BACK)
def test_found_reads_back(derivative, steps, last, shapes):
    F = tj.trace(program((*steps, *last)), **shapes)
    name, *wrt = derivative.split()
    assert_reads_back(F if name == "F" else getattr(F, name)(*wrt))


def largest_of_windows(X, Z):
    Y = np.concatenate([X[1:], Z[:1]]) * X
    windows = np.lib.stride_tricks.sliding_window_view(Y.reshape(-1)[::-1].reshape(X.shape), 2, axis=0)
    return np.tanh(windows.max(axis=-1)).prod(axis=1)


OTHERS = {
    "squares looked up": (lambda X: (np.take(X**2, [2, 0, 2], axis=0) ** 2).sum(), {"X": "b n"}),
    "roots and inverses looked up": (lambda X: np.sqrt(X)[[2, 0]] * (1 / X)[[1, 2]] * X[[0, 1]], {"X": "b n"}),
    "looked up among the entries of a square": (lambda X: X[::-1, ::-1].reshape(-1, 1)[[2, 0]], {"X": "n n"}),
    "a determinant of tiles": (lambda X: np.linalg.det(np.tile(X, 2).T @ np.tile(X, 2)), {"X": "4 3"}),
    "maxima of windows": (largest_of_windows, {"X": "b n", "Z": "b n"}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_others_read_back(name):
    """What no random program does."""
    fun, shapes = OTHERS[name]
    F = tj.trace(fun, **shapes)
    for function in (F, F.vjp(), F.jvp(), F.jvp().vjp(), F.jacobian("X")):
        assert_reads_back(function)


def cosines(X):
    squares = (X**2).sum(1)
    return (X @ X.T) / np.sqrt(squares[:, None] * squares)


def squares_of_distances(X, Z):
    Y = X * ((X[:, None] - X[None]) ** 2).sum(axis=-1).mean(axis=1)[:, None]
    Y = np.einsum("ij,ij,kj->kj", Y, Y, Y) / 3
    return ((np.tril(Y @ Y.T, -1) @ X / 5) ** 2).sum(axis=-1)


def cubed(X):
    return np.linalg.matrix_power(X @ X.T, 3) @ X


def causal_squares(X, Z):
    Y = np.tril(X @ X.T) / 3
    Y = Y[::-1, 1:] * Y[:, :-1]
    Y = np.einsum("ij,ij,kj->kj", Y, Y, Y) / 3
    return Y[1:] * Y[:-1]


def of_inverses(X, Z):
    Y = np.tril(X @ X.T, -1) @ Z / 5
    Y = np.flip(Y) + Y
    return (np.linalg.inv(Y @ Y.T + tj.eye(Y.shape[0])) @ Y).max(axis=-1)


def below_the_mean(X, Z):
    Y = np.log2(2 + np.cos(np.rot90(Z)))
    return (np.minimum(Y, Y.mean()) ** 2).sum(axis=-1)


def repeated_and_normed(X, Z):
    Y = gram(np.repeat(X, 2, axis=0)) / 10
    return (Y / (1 + np.linalg.norm(Y))).T


def windows_of_attention(X, Z):
    Y = np.exp(X @ Z.T / 9) @ X / np.exp(X @ Z.T / 9).sum(axis=1, keepdims=True)
    return np.lib.stride_tricks.sliding_window_view(Y, 2, axis=0).sum(-1)


def largest_of_repeated(X, Z):
    Y = np.repeat(X, 2, axis=0)
    Y = np.exp(Y @ Y.T / 9) @ Y / np.exp(Y @ Y.T / 9).sum(axis=1, keepdims=True)
    Y = Y.max(axis=0) - Y
    return np.linalg.det(Y.T @ Y)


def below_the_mean_of_a_power(X, Z):
    Y = np.linalg.matrix_power(Z @ Z.T, 3) @ Z
    Y = Y * np.linalg.slogdet(Y.T @ Y)[1]
    return np.minimum(Y, Y.mean())[:, ::-2]


def product_below_the_diagonal(X, Z):
    Y = np.tril(np.pad(X, ((2, 1), (0, 0))) @ Z.T) @ Z / 4
    return (Y * Y.prod(axis=0))[:, ::-2]


def standardised_exponentials(X, Z):
    Y = X @ X.T @ X / 10
    Y = np.exp(Y - Y.max())
    return np.tanh(((Y - Y.mean(axis=0)) / Y.std(axis=0))[1:])


def squared_of_least(X, Z):
    Y = 3 * np.repeat(X, 2, axis=0)
    return (0.04 * (np.minimum(Y @ Y.T, (Y @ Y.T).T + 0.1) @ Y) ** 2).sum()


UNPROVED = {
    "cosines of least rows": (
        lambda X, Z: np.tanh(cosines(X * X.min(axis=1, keepdims=True))).prod(axis=1),
        "n n",
        "jvp jvp",
    ),
    "powers of a repeated gram": (
        lambda X, Z: np.tanh(cubed(3 * np.repeat(X, 2, axis=0))).prod(axis=1),
        "3 3",
        "vjp",
    ),
    "squares of distances": (squares_of_distances, "n n", "jvp"),
    "neighbours of padded rows": (
        lambda X, Z: gram(np.pad(X, ((2, 1), (0, 0))))[1:] * gram(np.pad(X, ((2, 1), (0, 0))))[:-1],
        "b n",
        "vjp",
    ),
    "largest of inverses": (of_inverses, "b 3", "vjp"),
    "below the mean": (below_the_mean, "3 3", "vjp vjp"),
    "largest of tiles": (
        lambda X, Z: np.kron(np.tile(X, 2)[:2, :2], np.tile(X, 2))[:, ::-1].max(axis=-1),
        "b n",
        "vjp",
    ),
    "a pseudoinverse of some rows": (
        lambda X, Z: (np.concatenate([np.linalg.pinv(X[:-1]).T[1:], X[:1]]) * np.linalg.pinv(X[:-1]).T).mean(axis=0),
        "4 3",
        "",
    ),
    "repeated and normed": (repeated_and_normed, "b n", "vjp"),
    "causal squares": (causal_squares, "4 3", "vjp"),
    "windows of attention": (windows_of_attention, "3 3", "jacobian/X jacobian/Z"),
    "largest of repeated rows": (largest_of_repeated, "3 3", "vjp"),
    "below the mean of a power": (below_the_mean_of_a_power, "b 3", "vjp vjp"),
    "a product below the diagonal": (product_below_the_diagonal, "3 3", "vjp vjp"),
    "standardised exponentials": (standardised_exponentials, "b n", "jacobian/X"),
    "squares of the lesser of two": (squared_of_least, "b 3", "hvp/X"),
}
"""Programs whose derivative was not known to be itself when its text was read back, and how it was derived."""


@pytest.mark.parametrize("name", UNPROVED)
def test_unproved_reads_back(name):
    fun, shape, derivatives = UNPROVED[name]
    F = tj.trace(fun, X=shape, Z=shape)
    for derivative, _, wrt in (one.partition("/") for one in derivatives.split()):
        F = getattr(F, derivative)(*filter(None, (wrt,)))
    assert_reads_back(F)
