"""The property at the heart: for Y = XA and y = Ax, the Jacobian with its δ, and the shortcut that is left
without it.

Rounding is bounded entry by entry. A sum of n products, in whatever order, is off by at most γ_n Σ|x||y|
with γ_n = nu/(1 - nu) and u half the machine epsilon (Higham, Accuracy and Stability of Numerical
Algorithms, section 3.1).
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tensorjac as tj
from oracles import central_difference, entries

Y = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
y = tj.trace(lambda A, x: A @ x, A="m n", x="n")

PRODUCT = {"X": "b m", "A": "m n"}
WITH_COTANGENT = {**PRODUCT, "G": "b n"}

J_A, J_X = Y.jacobian("A"), Y.jacobian("X")
V_A, V_X = Y.vjp("A"), Y.vjp("X")

sizes = st.one_of(
    st.tuples(*[st.integers(1, 8)] * 3),
    st.integers(1, 8).map(lambda size: (size, size, size)),
    st.permutations([1, 3, 5]).map(tuple),
    st.permutations([1, 1, 4]).map(tuple),
)
dtypes = st.sampled_from([np.float64, np.float32])
numbers = st.one_of(
    st.just(0.0),
    st.builds(
        lambda sign, digits, power: sign * digits * 10.0**power,
        st.sampled_from([-1, 1]),
        st.floats(1, 9.5, width=16),
        st.integers(-8, 7),
    ),
)


def gamma(count, dtype):
    """γ_n."""
    unit = np.finfo(dtype).eps / 2
    return count * unit / (1 - count * unit)


@st.composite
def arrays(draw, *letters):
    """Arrays whose shapes are given by letters of b, m, n; some have repeated rows. All of one dtype."""
    extent = dict(zip("bmn", draw(sizes), strict=True))
    dtype = draw(dtypes)
    result = []
    for names in letters:
        shape = tuple(extent[name] for name in names)
        array = draw(hnp.arrays(np.float64, shape, elements=numbers)).astype(dtype)
        if draw(st.booleans()):
            array = array[draw(st.lists(st.integers(0, shape[0] - 1), min_size=shape[0], max_size=shape[0]))]
        result.append(array)
    return result


def product_jacobians(X, A):
    """∂Y/∂A = X[ik] δ[jl] and ∂Y/∂X = δ[ik] A[lj], identities written out. Exact: x·1 and x·0 are."""
    by_a = np.einsum("ik,jl->ijkl", X, np.eye(A.shape[1], dtype=A.dtype))
    by_x = np.einsum("ik,lj->ijkl", np.eye(X.shape[0], dtype=X.dtype), A)
    return by_a, by_x


def assert_within(actual, desired, bound):
    """Entry by entry; `bound` holds one number for each."""
    actual, desired = np.asarray(actual), np.asarray(desired)
    assert actual.shape == desired.shape
    excess = np.abs(actual.astype(np.float64) - desired) - bound
    assert np.all(excess <= 0), np.unravel_index(np.argmax(excess), excess.shape)


@given(arrays("bm", "mn"))
def test_dense_jacobians_are_the_identities_exactly(pair):
    X, A = pair
    by_a, by_x = product_jacobians(X, A)
    for J, expected in ((J_A, by_a), (J_X, by_x)):
        dense = J.dense(X=X, A=A)
        assert dense.dtype == X.dtype
        assert dense.shape == expected.shape
        assert np.array_equal(dense, expected)


@given(arrays("bm", "mn"))
def test_entry_by_entry(pair):
    """∂Y[ij]/∂A[kl] is X[ik] if j = l, else 0; ∂Y[ij]/∂X[kl] is A[lj] if i = k, else 0."""
    X, A = pair
    dense_a, dense_x = J_A.dense(X=X, A=A), J_X.dense(X=X, A=A)
    for i, j, k, l in entries(dense_a):
        assert dense_a[i, j, k, l] == (X[i, k] if j == l else 0)
    for i, j, k, l in entries(dense_x):
        assert dense_x[i, j, k, l] == (A[l, j] if i == k else 0)


@settings(deadline=None)
@given(arrays("bm", "mn"))
def test_dense_jacobians_are_finite_differences(pair):
    """Y is linear in each argument, so a central difference has rounding errors only, and these are
    bounded.

    Each of two values carries γ_m Σ_k |X[ik]||A[kj]|, their difference one more rounding, the division
    another.
    """
    args = {"X": pair[0].astype(np.float64), "A": pair[1].astype(np.float64)}
    count = args["A"].shape[0]
    for wrt, J in (("A", J_A), ("X", J_X)):
        dense = J.dense(**args)
        step = 2.0 ** np.ceil(np.log2(max(1.0, np.max(np.abs(args[wrt])))))
        moved = {name: np.abs(value) + (step if name == wrt else 0) for name, value in args.items()}
        bound = 2 * gamma(count + 3, np.float64) * (moved["X"] @ moved["A"]) / step
        for position in entries(args[wrt]):
            slope, _ = central_difference(lambda X, A: X @ A, args, wrt, position, step)
            assert_within(slope, dense[(..., *position)], bound)


@given(arrays("bm", "mn", "bn"))
def test_contraction_is_the_shortcut(triple):
    """Σ_ij G[ij] ∂Y[ij]/∂A[kl] is X.T @ G, and by X it is G @ A.T; so is the VJP, without the 4-D array."""
    X, A, G = triple
    by_a, by_x = product_jacobians(X, A)
    exact = [array.astype(np.float64) for array in (X, A, G)]
    (b, n), m = G.shape, X.shape[1]
    bound_a = 2 * gamma(b * n + 2, X.dtype) * (np.abs(exact[0]).T @ np.abs(exact[2]))
    bound_x = 2 * gamma(b * n + 2, X.dtype) * (np.abs(exact[2]) @ np.abs(exact[1]).T)
    shortcut_a, shortcut_x = X.T @ G, G @ A.T
    assert shortcut_a.shape == (m, n)
    assert shortcut_x.shape == (b, m)
    assert_within(np.tensordot(G, by_a, 2), shortcut_a, bound_a)
    assert_within(np.tensordot(G, by_x, 2), shortcut_x, bound_x)
    for V, pullback, shortcut, bound in (
        (V_A, J_A.pullback("G"), shortcut_a, bound_a),
        (V_X, J_X.pullback("G"), shortcut_x, bound_x),
    ):
        result = V(X, A, G)
        assert result.dtype == X.dtype
        assert_within(result, shortcut, bound)
        assert_within(pullback(X=X, A=A, G=G), shortcut, bound)


@given(arrays("bm", "mn", "bn"))
def test_both_at_once(triple):
    together = Y.vjp()(*triple)
    assert np.array_equal(together[0], V_X(*triple))
    assert np.array_equal(together[1], V_A(*triple))


@given(arrays("mn", "n", "m"))
def test_matrix_times_vector(triple):
    """∂y[i]/∂A[jk] is 0 for i ≠ j and x[k] for i = j; contracted with g it is g xᵀ, by x it is Aᵀg."""
    A, x, g = triple
    dense = y.jacobian("A").dense(A=A, x=x)
    assert dense.shape == (A.shape[0], *A.shape)
    assert dense.dtype == A.dtype
    assert np.array_equal(dense, np.einsum("ij,k->ijk", np.eye(len(A), dtype=A.dtype), x))
    for i, j, k in entries(dense):
        assert dense[i, j, k] == (x[k] if i == j else 0)
    assert np.array_equal(y.jacobian("x").dense(A=A, x=x), A)
    magnitude = [np.abs(array.astype(np.float64)) for array in triple]
    tiny = 2 * gamma(A.shape[0] + 2, A.dtype)
    assert_within(np.tensordot(g, dense, 1), np.outer(g, x), tiny * np.outer(magnitude[2], magnitude[1]))
    assert_within(y.vjp("A")(A, x, g), np.outer(g, x), tiny * np.outer(magnitude[2], magnitude[1]))
    assert_within(y.vjp("x")(A, x, g), A.T @ g, tiny * (magnitude[0].T @ magnitude[2]))


def test_matrix_times_vector_by_finite_differences():
    args = {"A": np.arange(6.0).reshape(2, 3) - 2, "x": np.array([0.5, -1.0, 4.0])}
    dense = y.jacobian("A").dense(**args)
    for position in entries(args["A"]):
        slope, _ = central_difference(lambda A, x: A @ x, args, "A", position, 1.0)
        assert np.array_equal(slope, dense[(..., *position)])


# The same as expressions, for all sizes at once ---------------------------------------------------


@pytest.mark.parametrize(
    ("F", "text"),
    [
        (J_A, "∂Y[ij]/∂A[kl] = X[ik] δ[jl]"),
        (J_X, "∂Y[ij]/∂X[kl] = δ[ik] A[lj]"),
        (V_A, "dA[ij] = X[ki] G[kj]"),
        (V_X, "dX[ij] = G[ik] A[jk]"),
        (Y, "Y[ij] = X[ik] A[kj]"),
        (y.jacobian("A"), "∂Y[i]/∂A[jk] = δ[ij] x[k]"),
        (y.jacobian("x"), "∂Y[i:m]/∂x[j] = A[ij]"),
    ],
)
def test_notation(F, text):
    """Printed so, where no size needs to be shown, and equal to what the text is read as."""
    assert str(F) == text.replace("i:m", "i")
    assert tj.parse(text, **F.inputs) == F


@pytest.mark.parametrize(
    ("wrt", "texts"),
    [
        ("A", ["dA = X.T @ G", "dA = (G.T @ X).T", "dA[kl] = G[il] X[ik]", "dA[kl] = G[ij] X[ik] δ[jl]"]),
        ("X", ["dX = G @ A.T", "dX = (A @ G.T).T", "dX[kl] = A[lj] G[kj]", "dX[kl] = G[ij] δ[ik] A[lj]"]),
    ],
)
def test_the_shortcut_falls_out(wrt, texts):
    """Contracting the Jacobian with a cotangent leaves the shortcut, the VJP, however it is written."""
    pulled = Y.jacobian(wrt).pullback("G")
    assert pulled == Y.vjp(wrt)
    for text in texts:
        assert tj.parse(text, **WITH_COTANGENT) == pulled
    assert tj.parse("dA = X @ G", X="m b", A="m n", G="b n") != V_A


def test_no_delta_is_left():
    for F in (V_A, V_X, J_A.pullback("G"), J_X.pullback("G"), J_A.pushforward("dA")):
        assert "δ" not in str(F)
    assert J_A.pushforward("dA") == Y.jvp("A")
    assert tj.parse("dY = X @ dA", **PRODUCT, dA="m n") == Y.jvp("A")
    assert tj.parse("dY = dX @ A", **PRODUCT, dX="b m") == Y.jvp("X")


def test_shapes():
    assert J_A.shape == ("b", "n", "m", "n")
    assert J_X.shape == ("b", "n", "b", "m")
    assert y.jacobian("A").shape == ("m", "m", "n")
    assert dict(V_A.inputs) == {"X": ("b", "m"), "A": ("m", "n"), "G": ("b", "n")}
    assert dict(V_A.outputs) == {"dA": ("m", "n")}


def test_matrix_times_vector_as_expressions():

    shapes = {"A": "m n", "x": "n", "G": "m"}
    assert y.jacobian("A").pullback("G") == y.vjp("A") == tj.parse("dA = np.outer(G, x)", **shapes)
    assert y.jacobian("x").pullback("G") == y.vjp("x") == tj.parse("dx = A.T @ G", **shapes)
