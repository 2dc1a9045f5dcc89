"""Jacobians as objects: every form of every Jacobian in the tables is the same array."""

import sys
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

import tensorjac as tj
from identities import IDENTITIES
from oracles import assert_close, distinct_sizes, random_inputs
from tensorjac import structured
from tensorjac.dims import Dim
from tensorjac.structure import sparse
from tensorjac.structure.counting import count
from tensorjac.structure.pattern import Pattern
from tensorjac.structure.picture import Picture
from tensorjac.structure.sparse import triplets
from tensorjac.terms import Index, affine, slot_parts


@cache
def jacobian(row):
    F = tj.trace(row.fun, **row.shapes)
    return F.jacobian(row.wrt) if F.outputs["Y"] else F.hessian(row.wrt)


def point(row):
    return random_inputs(row.shapes, distinct_sizes(row.shapes, row.sizes), np.random.default_rng(0), row.domain)


def flat(J, dense):
    count = int(np.prod(dense.shape[: J._rank]))
    return dense.reshape(count, -1)


def entries(J, sizes):
    """Of each part the places that it has, with the values of its labels there."""
    for part in J._terms:
        labels = part.pattern.labels
        for values in np.ndindex(*(label.dim.evaluate(sizes) for label in labels)):
            at = dict(zip(labels, values, strict=True))
            if all(0 <= value(form, at, sizes) < dim.evaluate(sizes) for form, dim in part.pattern.guards):
                yield part, tuple(value(slot, at, sizes) for slot in part.pattern.slots), at


def expanded(J, args):
    """The array that the parts and their cores stand for, built entry by entry."""
    _, arrays, sizes = J._at((), args)
    cores = dict(zip(J._terms, J._core_arrays(arrays), strict=True))
    dense = np.zeros([dim.evaluate(sizes) for dim in J._dims])
    for part, place, at in entries(J, sizes):
        dense[place] += cores[part][tuple(at[label] for label in part.labels)]
    return dense


def value(slot, at, sizes):
    offset, held = slot_parts(slot)
    return offset.evaluate(sizes) + sum(c.evaluate(sizes) * at[label] for label, c in held)


rows = pytest.mark.parametrize("row", IDENTITIES, ids=str)


@rows
def test_all_forms_are_one_array(row):
    J, args = jacobian(row), point(row)
    dense = J.dense(**args)
    assert_close(expanded(J, args), dense)
    assert_close(J.sparse(**args).toarray(), flat(J, dense))
    operator = J.operator(**args)
    assert operator.shape == flat(J, dense).shape
    assert operator.out_shape + operator.in_shape == dense.shape
    assert_close(operator.matmat(np.eye(operator.shape[1])), flat(J, dense))
    assert_close(operator.rmatmat(np.eye(operator.shape[0])), flat(J, dense).T)


@rows
def test_structural_nonzeros(row):
    J, args = jacobian(row), point(row)
    _, _, sizes = J._at((), args)
    places = np.zeros([dim.evaluate(sizes) for dim in J._dims], dtype=bool)
    for _, place, _ in entries(J, sizes):
        places[place] = True
    assert not J.dense(**args)[~places].any()
    assert J.nnz.evaluate(sizes) == J.sparse(**args).nnz == np.count_nonzero(places)
    assert J.density.evaluate(sizes) == Fraction(np.count_nonzero(places), places.size)


@rows
def test_adjoint(row):
    J, args = jacobian(row), point(row)
    operator, rng = J.operator(**args), np.random.default_rng(1)
    u, v = rng.normal(size=operator.shape[1]), rng.normal(size=operator.shape[0])
    assert_close(operator.matvec(u) @ v, u @ operator.rmatvec(v), 1e-13 * np.linalg.norm(J.dense(**args)) * 100)


def softmax(X):
    E = np.exp(X)
    return E / E.sum(axis=-1, keepdims=True)


WORDS = {
    "Kronecker product X ⊗ I": (lambda X, A: X @ A, {"X": "b m", "A": "m n"}, "A"),
    "Kronecker product A ⊗ Bᵀ": (lambda A, X, B: A @ X @ B, {"A": "p m", "X": "m n", "B": "n q"}, "X"),
    "block-diagonal over i": (lambda X, W, V: np.tanh(X @ W) @ V, {"X": "b m", "W": "m h", "V": "h n"}, "X"),
    "block-diagonal over i, each block diagonal plus rank 1": (softmax, {"X": "b n"}, "X"),
    "diagonal plus rank 1": (lambda x: x * (x @ x), {"x": "n"}, "x"),
    "diagonal": (np.sin, {"X": "b n"}, "X"),
    "identity": (lambda X, Y: X + Y, {"X": "b n", "Y": "b n"}, "X"),
    "multiple of the identity": (lambda X: 3 * X, {"X": "b n"}, "X"),
    "permutation": (lambda X: X.T, {"X": "b n"}, "X"),
    "multiple of a permutation": (lambda x: 2 * x[::-1], {"x": "n"}, "x"),
    "permuted diagonal": (lambda X: np.sin(X).T, {"X": "b n"}, "X"),
    "selection": (lambda x: np.repeat(x, 3), {"x": "n"}, "x"),
    "scaled selection": (lambda x: np.exp(x[1:]), {"x": "n"}, "x"),
    "lower triangular, of ones": (lambda x: np.cumsum(x), {"x": "n"}, "x"),
    "upper triangular, of ones": (lambda x: np.cumsum(x[::-1])[::-1], {"x": "n"}, "x"),
    "lower triangular": (lambda W, x: np.tril(W) @ x, {"W": "n n", "x": "n"}, "x"),
    "diagonal, a part of it zero": (lambda X: np.triu(X), {"X": "n n"}, "X"),
    "banded Toeplitz (-1 ≤ j − i ≤ 1)": (lambda x, w: np.convolve(x, w, "same"), {"x": "n", "w": "3"}, "x"),
    "banded Toeplitz (0 ≤ j − i ≤ k - 1)": (lambda x, w: np.convolve(x, w, "valid"), {"x": "n", "w": "k"}, "x"),
    "dense, Toeplitz": (lambda x, w: np.convolve(x, w, "valid"), {"x": "n", "w": "2"}, "w"),
    "banded (0 ≤ j − i ≤ 1)": (lambda x: x[1:] * x[:-1], {"x": "n"}, "x"),
    "banded (0 ≤ j − 2*i ≤ 1)": (lambda x: x.reshape(-1, 2).max(1), {"x": "12"}, "x"),
    "banded (0 ≤ j − 2*i ≤ 2)": (
        lambda x, w: np.lib.stride_tricks.sliding_window_view(x, 3)[::2] @ w,
        {"x": "9", "w": "3"},
        "x",
    ),
    "block-diagonal, blocks of 2 × 3": (
        lambda x, W: np.einsum("gi,gio->go", x.reshape(-1, 3), W).ravel(),
        {"x": "12", "W": "4 3 2"},
        "x",
    ),
    "block-diagonal over i, each block a row": (lambda X: X.max(1), {"X": "b n"}, "X"),
    "Kronecker product with the identity over j, each block a selection": (
        lambda E: E[np.array([2, 0, 2])],
        {"E": "5 d"},
        "E",
    ),
    "sparse, zero but where δ[ij]": (lambda A: np.trace(A), {"A": "n n"}, "A"),
    "rank 1": (lambda a, x: a * x.sum(), {"a": "m", "x": "n"}, "x"),
    "a sum: dense; identity": (lambda x, W: x + np.tanh(W @ x), {"x": "n", "W": "n n"}, "x"),
    "zero": (lambda x, y: 2 * y, {"x": "n", "y": "m"}, "x"),
    "dense": (lambda A, x: A @ x, {"A": "m n", "x": "n"}, "x"),
}


@pytest.mark.parametrize("words", WORDS)
def test_structure_in_words(words):
    fun, shapes, wrt = WORDS[words]
    assert str(tj.trace(fun, **shapes).jacobian(wrt).structure) == words


def test_structure_term_by_term():
    shown = tj.trace(softmax, X="b n").jacobian("X").structure.terms
    assert [(term.ties, term.pattern, term.axes) for term in shown] == [
        ((("i", "k"),), "δ[ik]", "ijl"),
        ((("i", "k"), ("j", "l")), "δ[ik] δ[jl]", "ij"),
    ]


def test_dense_says_how_large_it_would_be(monkeypatch):
    J = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A")
    X, A = np.ones((2, 3)), np.ones((3, 4))
    assert J.dense(X, A, limit=8 * 96).shape == (2, 4, 3, 4)
    with pytest.raises(MemoryError) as caught:
        J.dense(X, A, limit=8 * 96 - 1)
    assert str(caught.value) == (
        "a dense array takes no more than the limit, 7.1e-07 GiB, and this one would take 7.2e-07 GiB:\n"
        "  ∂Y[ij]/∂A[kl] = X[ik] δ[jl]\n"
        "b × n × m × n = 2 × 4 × 3 × 4 numbers, from X of shape (2, 3), A of shape (3, 4). "
        "Use core, sparse or operator, which keep the structure, or dense(limit=…) with more bytes."
    )
    monkeypatch.setattr(structured, "free_memory", lambda: 2**31)
    X, A = np.empty((2048, 2048)), np.empty((2048, 2048))
    for run in (J, J.dense):
        with pytest.raises(MemoryError) as caught:
            run(X, A)
        assert str(caught.value).startswith(
            "a dense array takes no more than half of the free memory, 1.0 GiB, and this one would take 131072 GiB:\n"
            "  ∂Y[ij]/∂A[kl] = X[ik] δ[jl]\n"
        )
    monkeypatch.setattr(structured, "free_memory", lambda: None)
    assert J(np.ones((40, 40)), np.ones((40, 40))).shape == (40,) * 4


@pytest.mark.parametrize("limit", ["1 GiB", -1, np.nan])
def test_a_limit_is_a_number_of_bytes(limit):
    J = tj.trace(lambda x: x * x, x="n").jacobian("x")
    with pytest.raises(tj.TraceError) as caught:
        J.dense(np.ones(2), limit=limit)
    assert str(caught.value).replace(repr(limit), "'1 GiB'") == (
        "a limit is a number of bytes, and this one is '1 GiB': pass 2**30 for one GiB, or nothing for half of "
        "the free memory."
    )


def test_an_input_called_limit_is_that_input():
    J = tj.trace(lambda limit: limit * limit, limit="").jacobian("limit")
    assert J.dense(limit=3.0) == 6


def test_uncounted():
    J = tj.trace(lambda x, w: np.convolve(np.pad(x, 1)[::2], w, "same"), x="n", w="3").jacobian("x")
    with pytest.raises(tj.UnsupportedError) as caught:
        J.nnz  # noqa: B018
    assert str(caught.value) == (
        "the structural nonzeros of this Jacobian overlap or end in a way for which no formula is known: "
        "count them at given sizes, J.sparse(...).nnz."
    )


@pytest.mark.parametrize("n", [4, 5, 9, 40])
def test_at_fixed_sizes_places_are_counted_where_no_formula_is_known(n, monkeypatch):
    J = tj.trace(lambda x, w: np.convolve(np.pad(x, 1)[::2], w, "same"), x=str(n), w="3").jacobian("x")
    places = np.count_nonzero(J.dense(np.ones(n), np.arange(1.0, 4)))
    assert J.nnz.value == places == J.sparse(np.ones(n), np.ones(3)).nnz
    assert J.density.evaluate({}) == Fraction(places, J.dense(np.ones(n), np.ones(3)).size)
    del J.nnz
    monkeypatch.setattr(sparse, "COUNTED", 1)
    with pytest.raises(tj.UnsupportedError, match=r"no formula is known: count them at given sizes, J\.sparse"):
        J.nnz  # noqa: B018


N, M = Dim.of("n"), Dim.of("m")
I, J = Index.fresh(N), Index.fresh(M)


def form(offset=0, **coefficients):
    """An affine form of I and J."""
    parts = {{"i": I, "j": J}[name]: Dim.of(c) for name, c in coefficients.items()}
    return affine(Dim.of(offset), parts)


UNCOUNTED = {
    "too many": [Pattern((N, N), (I, form(shift, i=1))) for shift in range(11)],
    "an axis that does not show its labels": [Pattern((N,), (form(i=1, j=1),))],
    "two guards on one label": [Pattern((N,), (I,), ((form(i=2), N), (form(i=3), N)))],
    "a coefficient of unknown sign": [Pattern((N,), (I,), ((form(i=N - M), N),))],
    "two coefficients": [Pattern((N, M), (I, J), ((form(i=2, j=3), N),))],
}


@pytest.mark.parametrize("patterns", UNCOUNTED.values(), ids=UNCOUNTED)
def test_patterns_without_a_formula(patterns):
    with pytest.raises(tj.UnsupportedError) as caught:
        count(patterns)
    assert str(caught.value) == (
        "the structural nonzeros of this Jacobian overlap or end in a way for which no formula is known: "
        "count them at given sizes, J.sparse(...).nnz."
    )


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("sparse", "sparse arrays are SciPy's, and SciPy is not installed: pip install 'tensorjac[scipy]'."),
        ("operator", "a linear operator is SciPy's, and SciPy is not installed: pip install 'tensorjac[scipy]'."),
    ],
)
def test_without_scipy(form, message, monkeypatch):
    for name in ("scipy.sparse", "scipy.sparse.linalg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(tj.UnsupportedError) as caught:
        getattr(tj.trace(np.sin, x="n").jacobian("x"), form)(np.ones(2))
    assert str(caught.value) == message


def test_composition_is_the_chain_rule():
    inner = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
    outer = tj.trace(lambda Y, B: np.tanh(Y) @ B, Y="b n", B="n k")
    J = outer.jacobian("Y").compose(inner.jacobian("X"))
    assert list(J.inputs) == ["Y", "B", "X", "A"]
    assert str(J.structure) == "block-diagonal over i"
    rng = np.random.default_rng(0)
    X, A, B = (rng.normal(size=shape) for shape in ((2, 3), (3, 4), (4, 5)))
    assert_close(J.dense(Y=X @ A, B=B, X=X, A=A), outer.after(Y=inner).jacobian("X").dense(X, A, B))


def test_composition_calls_sizes_what_the_inner_jacobian_calls_them():
    J = tj.trace(lambda H: np.tanh(H), H="p q").jacobian("H")
    K = tj.trace(lambda X, A: X @ A, X="b m", A="m k").jacobian("X")
    assert J.compose(K).shape == ("b", "k", "b", "m")
    assert J.compose(K).inputs == {"H": ("b", "k"), "X": ("b", "m"), "A": ("m", "k")}


def test_composition_names_both_shapes():
    J = tj.trace(lambda S: np.linalg.inv(S), S="n n").jacobian("S")
    with pytest.raises(tj.ShapeError) as caught:
        J.compose(tj.trace(lambda X, A: X @ A, X="b m", A="m k").jacobian("X"))
    assert str(caught.value) == (
        "the output Y has shape (b, k) and the input S has shape (n, n): give the input a shape that this one fits, "
        "or name equal sizes alike."
    )


def test_block_diagonal_through_a_whole_network():
    def network(X, W1, W2, W3):
        return softmax(np.tanh(np.maximum(X @ W1, 0) @ W2) @ W3)

    J = tj.trace(network, X="b n", W1="n m", W2="m k", W3="k c").jacobian("X")
    assert J.structure.kind == "block-diagonal"
    assert str(J.density) == "1/b"


def test_picture(tmp_path):
    J = tj.trace(softmax, X="b n").jacobian("X")
    J.spy(tmp_path / "jacobian.png", X=np.ones((3, 4)))
    assert (tmp_path / "jacobian.png").read_bytes()[:4] == b"\x89PNG"
    tj.trace(lambda x, y: y, x="n", y="").jacobian("x").spy(tmp_path / "zero.png", np.ones(0), 1.0)


def test_picture_adds_up_what_stands_at_one_place():
    J = tj.trace(lambda x: x * x - x * x.sum(), x="n").jacobian("x")
    args = {"x": np.array([1.0, 2.0, 4.0])}
    _, arrays, sizes = J._at((), args)
    picture = Picture.of(triplets(J._terms, J._core_arrays(arrays), 1, sizes), (3, 3), 1)
    dense = np.abs(J.dense(**args))
    assert_close(picture.image, 0.2 + 0.8 * dense / dense.max())


def test_pictures_need_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(tj.UnsupportedError) as caught:
        tj.trace(lambda x: 2 * x, x="n").jacobian("x").spy("nowhere.png", np.ones(2))
    assert str(caught.value) == (
        "pictures are drawn by Matplotlib, and Matplotlib is not installed: pip install 'tensorjac[plot]'."
    )


def test_propagated_covariance():
    F = tj.trace(lambda X, W, b: np.tanh(X @ W + b), X="b m", W="m n", b="n")
    rng = np.random.default_rng(0)
    args = {"X": rng.normal(size=(2, 3)), "W": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    covariances, expected = {}, np.zeros((8, 8))
    for name in ("W", "X"):
        root = rng.normal(size=(args[name].size,) * 2)
        covariances[name] = (root @ root.T).reshape(2 * args[name].shape)
        slope = F.jacobian(name).dense(**args).reshape(8, -1)
        expected += slope @ root @ root.T @ slope.T
    assert_close(tj.propagate(F, covariances, **args), expected.reshape(2, 4, 2, 4))
    assert not tj.propagate(F, {}, **args).any()
    with pytest.raises(tj.ShapeError) as caught:
        tj.propagate(F, {"b": np.ones(4)}, **args)
    assert str(caught.value) == (
        "the covariance of an input has its shape twice: b has shape (4,), and its covariance shape (4,): "
        "pass an array of shape (4, 4)."
    )


REFUSED = {
    "what is no function": (
        lambda F: tj.propagate(np.tanh, {"x": np.eye(2)}, np.ones(2)),
        "uncertainty is propagated through a Function, and here through a value of type ufunc: pass tj.trace(…) of it.",
    ),
    "a covariance without a name": (
        lambda F: tj.propagate(F, np.eye(2), np.ones(2)),
        'covariances are given by the names of inputs, and these are of type ndarray: pass {"x": …}.',
    ),
    "rows of different lengths": (
        lambda F: tj.propagate(F, {"x": [[1], [2, 3]]}, np.ones(2)),
        "the covariance of x must be an array, and the rows that were given differ in length: pass rows of one length.",
    ),
    "a complex right side": (
        lambda F: F.jacobian("x").solve(np.ones(2) + 1j, np.ones(2)),
        "the right side must hold real numbers, and its dtype is complex128: pass an array of floats.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_at_the_door(name):
    run, message = REFUSED[name]
    with pytest.raises(tj.TensorjacError) as caught:
        run(tj.trace(lambda x: x * x, x="n"))
    assert str(caught.value) == message


def test_propagated_covariance_against_samples():
    F = tj.trace(lambda r, t: np.stack([r * np.cos(t), r * np.sin(t)]), r="", t="")
    rng = np.random.default_rng(0)
    r, t = 2 + 0.01 * rng.normal(size=20000), 1 + 0.005 * rng.normal(size=20000)
    found = tj.propagate(F, {"r": 0.01**2, "t": 0.005**2}, 2.0, 1.0)
    # 20000 samples know a variance to about 1/100
    assert np.allclose(found, np.cov(r * np.cos(t), r * np.sin(t)), atol=0.05 * 1e-4)


@rows
def test_factors_multiply_to_the_cores(row):
    J, args = jacobian(row), point(row)
    for (pattern, equation, arrays), (same, array) in zip(J.factors(**args), J.core(**args), strict=True):
        assert pattern == same
        assert_close(np.einsum(equation, *arrays, optimize=True), array)


def test_hessian_of_a_network_in_factors():
    """X and the slopes of each sample: what a person would keep, and no array of two of the weights' axes each."""

    def network(X, T, W1, W2, W3):
        Z = np.maximum(np.maximum(X @ W1, 0) @ W2, 0) @ W3
        return -(T * np.log(softmax(Z))).sum()

    shapes = {"X": "b n", "T": "b c", "W1": "n h", "W2": "h m", "W3": "m c"}
    H = tj.trace(network, **shapes).hessian("W1")
    sizes = {"b": 5, "n": 4, "h": 3, "m": 6, "c": 2}
    rng = np.random.default_rng(0)
    args = {name: rng.normal(size=[sizes[size] for size in shape.split()]) for name, shape in shapes.items()}
    ((_, equation, arrays),) = H.factors(**args)
    assert sorted(array.ndim for array in arrays) == [2, 2, 3, 3]
    assert_close(np.einsum(equation, *arrays), H.dense(**args))
    source = H._products[1].source(sizes)
    # three products forward, and one chain for the slopes that both sides hold
    assert sum(source.count(word) for word in ("@", ".dot(", "tensordot")) == 3 + 1, source


def test_factors_of_a_deep_network():
    """One look at each layer: were all choices of slopes multiplied out, there would be 2²⁴ of them."""

    def network(W, x):
        for layer in W:
            x = np.tanh(layer @ x)
        return x

    F = tj.trace(lambda x, **W: network(W.values(), x), x="n", **{f"W{k}": "n n" for k in range(24)})
    rng = np.random.default_rng(0)
    args = {name: rng.normal(size=[3] * len(shape)) for name, shape in F.inputs.items()}
    for wrt in ("x", "W0"):
        J = F.jacobian(wrt)
        for (_, equation, arrays), (_, core) in zip(J.factors(**args), J.core(**args), strict=True):
            assert_close(np.einsum(equation, *arrays), core)


def test_long_products_of_sums():
    """Each factor of a product is tried once to be multiplied out, not in all combinations with others."""
    names = [f"A{k}" for k in range(14)]
    letters = "abcdefghijklmno"
    equation = ",".join(letters[k : k + 2] for k in range(14)) + "->ao"
    F = tj.trace(lambda **A: np.einsum(equation, *(1 - a**2 for a in A.values())), **dict.fromkeys(names, "n n"))
    rng = np.random.default_rng(0)
    args = [rng.normal(size=(2, 2)) for _ in names]
    assert_close(F(*args), np.linalg.multi_dot([1 - a**2 for a in args]))
