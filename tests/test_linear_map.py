"""Jacobians as linear maps: inside SciPy's solvers, and determinants, singular values and systems against dense."""

import numpy as np
import pytest
import scipy.sparse.linalg

import tensorjac as tj
from identities import IDENTITIES
from oracles import assert_close
from test_jacobian import WORDS, flat, jacobian, point

SIZES = [
    {"m": 2, "n": 3, "p": 4, "b": 2, "h": 5, "q": 2, "d": 4, "k": 2},
    {"m": 5, "n": 4, "p": 2, "b": 3, "h": 2, "q": 5, "d": 3, "k": 3},
]

MAPS = {
    "Kronecker product": (lambda A, X, B: A @ X @ B, {"A": "m m", "X": "m n", "B": "n n"}, "X"),
    "turned Kronecker product": (lambda X, A: (X @ A).T, {"X": "m m", "A": "m n"}, "A"),
    "lower triangular": (lambda W, x: np.tril(W) @ np.tanh(x), {"W": "n n", "x": "n"}, "x"),
    "two lower triangles": (lambda x: np.cumsum(np.exp(x)) + x**2, {"x": "n"}, "x"),
    "permuted diagonal": (lambda X: np.sin(X).T, {"X": "m n"}, "X"),
    "negative permutation": (lambda X: -X.T, {"X": "m n"}, "X"),
    "three axes turned": (lambda X: np.tanh(X).transpose(2, 0, 1), {"X": "m n p"}, "X"),
    "different blocks": (lambda W, X: np.tanh(W @ X), {"W": "b m m", "X": "b m n"}, "X"),
    "turned blocks": (lambda W, X: np.einsum("bij,bjk->kbi", W, X), {"W": "b m m", "X": "b m n"}, "X"),
    "flipped": (lambda x: 2 * x[::-1], {"x": "n"}, "x"),
    "diagonal plus rank 1": (lambda x, y: np.exp(x) + x.sum() * y, {"x": "n", "y": "n"}, "x"),
    "coupling layer": (lambda x, s: np.concatenate([x[:2], x[2:] * np.exp(s @ x[:2])]), {"x": "5", "s": "3 2"}, "x"),
    "vanishing": (lambda x, y: 2 * y, {"x": "n", "y": "n"}, "x"),
    **WORDS,
}


def at(name, sizes):
    fun, shapes, wrt = MAPS[name]
    rng = np.random.default_rng(3)
    args = {
        key: rng.normal(size=[int(size) if size.isdigit() else sizes[size] for size in shape.split()])
        for key, shape in shapes.items()
    }
    return tj.trace(fun, **shapes).jacobian(wrt), args


def check(J, args):
    dense = flat(J, J.dense(**args))
    expected = np.linalg.svd(dense, compute_uv=False)
    assert_close(J.svdvals(**args), expected, 1e-12 * expected.max(initial=0))
    if dense.shape[0] != dense.shape[1]:
        return
    sign, log = J.slogdet(**args)
    # a determinant that is zero but for rounding is not compared
    if expected.min(initial=1) > 1e-8 * expected.max(initial=0):
        assert_close((sign, log), np.linalg.slogdet(dense), 1e-10)
        right = np.random.default_rng(5).normal(size=J.dense(**args).shape[: J._rank])
        assert_close(dense @ J.solve(right, **args).ravel(), right.ravel(), 1e-11 * np.linalg.cond(dense))
    else:
        assert np.exp(log) <= 1e-6 * expected.max(initial=0) ** len(expected)


@pytest.mark.parametrize("sizes", SIZES, ids=["wide", "tall"])
@pytest.mark.parametrize("name", MAPS)
def test_as_dense(name, sizes):
    check(*at(name, sizes))


@pytest.mark.parametrize("row", IDENTITIES, ids=str)
def test_as_dense_identities(row):
    check(jacobian(row), point(row))


def test_newton_step_costs_what_the_core_costs():
    H = tj.trace(lambda T, U, V: ((T - U @ V.T) ** 2).sum(), T="m n", U="m k", V="n k").hessian("U")
    rng = np.random.default_rng(0)
    T, U, V = (rng.normal(size=shape) for shape in ((3000, 20), (3000, 4), (20, 4)))
    # dense it would have (3000 · 4)² entries, more than a gigabyte
    gradient = 2 * (U @ V.T - T) @ V
    assert_close(U - H.solve(gradient, T, U, V), np.linalg.lstsq(V, T.T)[0].T, 1e-12)


def test_no_sign_of_an_even_number_is_lost():
    J = tj.trace(lambda a, X: -a * X, a="", X="m n").jacobian("X")
    assert J.slogdet(a=1.0, X=np.ones((3, 3))) == (-1.0, 0.0)
    assert J.slogdet(a=1.0, X=np.ones((2, 3))) == (1.0, 0.0)
    assert J.slogdet(a=0.0, X=np.ones((2, 3))) == (0.0, -np.inf)
    assert J.slogdet(a=1.0, X=np.ones((0, 3))) == (1.0, 0.0)


def test_inside_the_solvers_of_scipy():
    rng = np.random.default_rng(0)
    J = tj.trace(lambda X, A: np.tanh(X @ A), X="b m", A="m n").jacobian("A")
    X, A = rng.normal(size=(7, 3)), rng.normal(size=(3, 2)) / 5
    operator, dense = J.operator(X, A), flat(J, J.dense(X, A))
    right = rng.normal(size=14)
    found = scipy.sparse.linalg.lsqr(operator, right, atol=1e-14, btol=1e-14)[0]
    assert_close(found, np.linalg.lstsq(dense, right)[0], 1e-9)
    values = scipy.sparse.linalg.svds(operator, k=3, return_singular_vectors=False)
    assert_close(np.sort(values)[::-1], np.linalg.svd(dense, compute_uv=False)[:3], 1e-9)
    H = tj.trace(lambda X, y, w: np.log(1 + np.exp(-y * (X @ w))).sum() + w @ w, X="b m", y="b", w="m").hessian("w")
    args = (rng.normal(size=(9, 4)), np.sign(rng.normal(size=9)), rng.normal(size=4))
    right = rng.normal(size=4)
    found, failed = scipy.sparse.linalg.cg(H.operator(*args), right, rtol=1e-12)
    assert not failed
    assert_close(found, np.linalg.solve(H.dense(*args), right), 1e-9)
    assert_close(H.solve(right, *args), np.linalg.solve(H.dense(*args), right), 1e-9)


def newton(n=12):
    """Jacobian and Hessian as operators and as arrays, both well conditioned, and a right side."""
    rng = np.random.default_rng(0)
    at = rng.normal(size=n), rng.normal(size=(n, n)) / 4
    J = tj.trace(lambda x, A: np.tanh(A @ x) + 3 * x, x="n", A="n n").jacobian("x")
    H = tj.trace(lambda x, A: np.log(np.cosh(A @ x)).sum() + x @ x, x="n", A="n n").hessian("x")
    return *((K.operator(*at), K.dense(*at)) for K in (J, H)), rng.normal(size=n)


SOLVERS = {
    "gmres": lambda S, J, H, b: S.gmres(J, b, rtol=1e-12)[0],
    "bicgstab": lambda S, J, H, b: S.bicgstab(J, b, rtol=1e-12)[0],
    "bicg": lambda S, J, H, b: S.bicg(J, b, rtol=1e-12)[0],
    "qmr": lambda S, J, H, b: S.qmr(J, b, rtol=1e-12)[0],
    "lsmr": lambda S, J, H, b: S.lsmr(J, b, atol=1e-14, btol=1e-14)[0],
    "minres": lambda S, J, H, b: S.minres(H, b, rtol=1e-12)[0],
    "eigsh": lambda S, J, H, b: S.eigsh(H, k=3, return_eigenvectors=False),
    "eigs": lambda S, J, H, b: np.sort(abs(S.eigs(J, k=3, return_eigenvectors=False))),
    "lobpcg": lambda S, J, H, b: np.sort(S.lobpcg(H, np.eye(len(b), 2), tol=1e-11, maxiter=200)[0]),
    "svds with PROPACK": lambda S, J, H, b: np.sort(S.svds(J, k=3, solver="propack", return_singular_vectors=False)),
    "expm_multiply": lambda S, J, H, b: S.expm_multiply(H, b, traceA=1.0),
    "a Schrödinger equation": lambda S, J, H, b: S.expm_multiply(-1j * H, b + 1j * b[::-1], traceA=1.0),
    "normal equations": lambda S, J, H, b: S.cg(J.T @ J, J.T @ b, rtol=1e-14)[0],
    "sums and products of operators": lambda S, J, H, b: (2 * J.H @ H - J**2) @ b,
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", SOLVERS)
def test_as_an_array_inside_the_solvers_of_scipy(name):
    (J, dense), (H, symmetric), b = newton()
    solver = SOLVERS[name]
    wrapped = [scipy.sparse.linalg.aslinearoperator(array) for array in (dense, symmetric)]
    # eigenvalues to the square root of what residuals are reduced to, all others to the residual
    found, wanted = (solver(scipy.sparse.linalg, *maps, b) for maps in ((J, H), wrapped))
    np.testing.assert_allclose(found, wanted, 1e-8, 1e-8)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("name", SOLVERS)
def test_matrices_in_single_precision_inside_the_solvers_of_scipy(name):
    """Flat vectors of float32 stand for arrays of three axes."""
    if name == "bicg" and np.lib.NumpyVersion(scipy.__version__) < "1.16.0":
        pytest.skip("before SciPy 1.16, bicg returns a function where it breaks down (scipy/scipy#22064)")
    rng = np.random.default_rng(0)
    X, A = rng.normal(size=(2, 3, 2)).astype(np.float32), rng.normal(size=(2, 2)).astype(np.float32) / 4
    J = tj.trace(lambda X, A: np.tanh(X @ A) + 3 * X, X="b m n", A="n n").jacobian("X")
    H = tj.trace(lambda X, A: np.log(np.cosh(X @ A)).sum() + (X * X).sum(), X="b m n", A="n n").hessian("X")
    b = rng.normal(size=12).astype(np.float32)
    solver, pairs = SOLVERS[name], [(K.operator(X, A), flat(K, K.dense(X, A))) for K in (J, H)]
    assert all(operator.dtype == np.float32 for operator, _ in pairs)
    found = solver(scipy.sparse.linalg, *(operator for operator, _ in pairs), b)
    # in double precision the solvers come to their end
    wrapped = [scipy.sparse.linalg.aslinearoperator(dense.astype(float)) for _, dense in pairs]
    np.testing.assert_allclose(found, solver(scipy.sparse.linalg, *wrapped, b.astype(float)), 1e-3, 1e-4)


def test_vectors_may_be_complex():
    (J, dense), _, b = newton()
    v = b + 1j * b[::-1]
    for found, wanted in ((J.matvec(v), dense @ v), (J.rmatvec(v), dense.T @ v), (J @ v[:, None], dense @ v[:, None])):
        np.testing.assert_allclose(found, wanted, 1e-13, 1e-13)


def test_products_of_a_composition_are_taken_one_after_the_other():
    """A B C v is A (B (C v)): no Jacobian is multiplied with another."""
    layers = [
        tj.trace(lambda X, A: np.tanh(X @ A), X="b m", A="m n").jacobian("X"),
        tj.trace(lambda Y, B: np.exp(Y @ B), Y="p q", B="q k").jacobian("Y"),
        tj.trace(lambda Z: (np.sin(Z) @ Z.T, Z.sum()), Z="p k").jacobian("Z", of="Y1"),
    ]
    J = layers[2].compose(layers[1]).compose(layers[0])
    K = layers[2].compose(layers[1].compose(layers[0]))
    rng = np.random.default_rng(0)
    X, A, B = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(4, 5)) / 3
    Y = np.tanh(X @ A)
    args = {"X": X, "A": A, "Y": Y, "B": B, "Z": np.exp(Y @ B)}
    for each in (J, K):
        dense, operator = flat(each, each.dense(**args)), each.operator(**args)
        assert_close(operator.matmat(np.eye(6)), dense, 1e-12)
        assert_close(operator.rmatmat(np.eye(4)), dense.T, 1e-12)
        assert_close(each.pullback("G")(**args, G=np.ones((2, 2))).ravel(), dense.sum(0), 1e-12)
        assert_close(each.pushforward("dX")(**args, dX=np.ones((2, 3))).ravel(), dense.sum(1), 1e-12)
        sizes = dict.fromkeys("bmnk", 64)
        _, products = each._linearised
        for text in (products[0].source(sizes), products[2].source(sizes)):
            assert text.count(".dot(") == 4
            assert "einsum" not in text
            assert "tensordot" not in text


def test_of_several_outputs_one_is_a_map():
    F = tj.trace(lambda X, A: {"s": np.tanh(X @ A), "t": (X @ A).sum(0)}, X="b m", A="m n")
    rng = np.random.default_rng(0)
    args = rng.normal(size=(2, 3)), rng.normal(size=(3, 4))
    for of in ("s", "t"):
        J = F.jacobian("A", of=of)
        operator = J.operator(*args)
        assert_close(operator.matmat(np.eye(12)), flat(J, J.dense(*args)), 1e-13)
        assert_close(operator.rmatmat(np.eye(operator.shape[0])), flat(J, J.dense(*args)).T, 1e-13)


def test_operator_takes_columns_and_keeps_the_dtype():
    J = tj.trace(lambda x: np.sin(x), x="n").jacobian("x")
    x = np.linspace(0, 1, 3, dtype=np.float32)
    operator = J.operator(x)
    assert operator.dtype == np.float32
    assert operator.matvec(np.ones((3, 1), np.float32)).shape == (3, 1)
    assert operator.matmat(np.ones((3, 2), np.float32)).dtype == np.float32
    assert J.sparse(x).dtype == np.float32


def test_operator_of_nothing():
    J = tj.trace(lambda x, y: x * y, x="n", y="").jacobian("x")
    operator = J.operator(np.ones(0), 2.0)
    assert operator.shape == (0, 0)
    assert operator.matmat(np.ones((0, 3))).shape == (0, 3)
    assert J.operator(np.ones(1), 2.0).matvec(np.ones(1)) == 2


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (1, 1)])
def test_linear_algebra_of_nothing(shape):
    J = tj.trace(lambda X: X * np.exp(X.sum(1))[:, None], X="b n").jacobian("X")
    X = np.zeros(shape)
    assert J.svdvals(X).tolist() == [1.0] * X.size
    assert J.solve(X, X).shape == shape
    assert J.slogdet(X) == (1.0, 0.0)


SQUARE = {
    "slogdet": (
        "a determinant needs as many output as input entries, and there are 8 and 12:\n"
        "  ∂Y[ij]/∂A[kl] = X[ik] δ[jl]\n"
        "the output has shape (2, 4) and the input (3, 4): use svdvals, or an operator in scipy.sparse.linalg.lsqr."
    ),
    "solve": (
        "a system of equations needs as many output as input entries, and there are 8 and 12:\n"
        "  ∂Y[ij]/∂A[kl] = X[ik] δ[jl]\n"
        "the output has shape (2, 4) and the input (3, 4): use svdvals, or an operator in scipy.sparse.linalg.lsqr."
    ),
}


@pytest.mark.parametrize("name", SQUARE)
def test_what_needs_a_square_jacobian(name):
    J = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A")
    call = getattr(J, name)
    args = (np.ones((2, 3)), np.ones((3, 4)))
    with pytest.raises(tj.ShapeError) as caught:
        call(*(() if name == "slogdet" else (np.ones((2, 4)),)), *args)
    assert str(caught.value) == SQUARE[name]


def test_the_right_side_has_the_shape_of_the_output():
    J = tj.trace(lambda X: X.T, X="b n").jacobian("X")
    with pytest.raises(tj.ShapeError) as caught:
        J.solve(np.ones((2, 3)), np.ones((2, 3)))
    assert str(caught.value) == (
        "the right side has the shape of the output, (3, 2), and the one given has shape (2, 3):\n"
        "  ∂Y[ij]/∂X[kl] = δ[il] δ[jk]\npass an array of shape (n, b)."
    )


def test_a_square_product_of_others_is_singular():
    J = tj.trace(lambda a, X: a * X.sum(), a="m", X="m").jacobian("X")
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        J.solve(np.ones(3), np.ones(3), np.ones(3))
    assert J.slogdet(np.ones(3), np.ones(3)) == (0.0, -np.inf)


def test_a_zero_on_the_diagonal_is_singular():
    J = tj.trace(lambda x: x * x, x="n").jacobian("x")
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        J.solve(np.ones(3), np.array([1.0, 0.0, 2.0]))


def test_products_do_not_repeat_the_forward_pass():
    """What depends on the point alone is computed once for an operator, and products cost what a JVP or a VJP does."""

    def attention(X, Q, K):
        E = np.exp((X @ Q) @ (X @ K).T)
        return E / E.sum(axis=1, keepdims=True) @ np.tanh(X)

    saved, products = tj.trace(attention, X="s d", Q="d d", K="d d").jacobian("X")._linearised
    assert all(name in saved.source() for name in ("np.exp", "np.tanh"))
    assert len(products) == 4
    assert not any(name in product.source() for product in products for name in ("np.exp", "np.tanh"))
