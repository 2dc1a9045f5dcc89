"""Source for given sizes: memory that is reused, and cheaper ways to calculate the same."""

import math
import re
import tracemalloc
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

import tensorjac as tj
from benchmarks import cases
from functions import CASES, named
from oracles import assert_close, finite_difference_jacobian
from tensorjac import emit
from tensorjac.calls import Compiled
from tensorjac.emit import blocks, passes, statements
from tensorjac.plan import products

every_case = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.fixture
def eager(monkeypatch):
    """Every array counts as large, and functions are computed in blocks as Jacobians are."""
    program = Compiled._program
    monkeypatch.setattr(Compiled, "_program", lambda self, *given: emit.in_blocks(program(self, *given)))
    monkeypatch.setattr(statements, "IN_PLACE", 0)
    monkeypatch.setattr(products, "LARGE", 0)
    monkeypatch.setattr(products, "FEW", 0)
    monkeypatch.setattr(blocks, "LARGE", 0)
    monkeypatch.setattr(blocks, "BLOCK", 7)
    monkeypatch.setattr(blocks, "SHARE", 2)
    monkeypatch.setattr(blocks, "WORTH", math.inf)
    monkeypatch.setattr(blocks, "ROWS", 2)
    monkeypatch.setattr(passes, "ROWS", 1)


def arguments(F, case):
    """Arguments of one dtype: that of the captured arrays where there are any, which is what reuse asks for."""
    dtype = next((array.dtype for array in F.constants.values() if array.dtype.kind == "f"), np.dtype(float))
    given = {name: np.asarray(value, dtype) for name, value in case.inputs().items()}
    sizes = {}
    for name, value in given.items():
        sizes.update(zip(F._parts.inputs[name], value.shape, strict=True))
    named_sizes = {dim.name: size for dim, size in sizes.items() if dim.name is not None}
    rng = np.random.default_rng(1)
    for name, dims in F._parts.inputs.items():
        if name not in given:
            given[name] = np.asarray(rng.normal(size=[dim.evaluate(named_sizes) for dim in dims]), dtype)
    return given


def plain(F, args):
    """The results of the source that is printed where no sizes are given."""
    scope = {"np": np, "math": math, "erf": special.erf, "xlogy": special.xlogy, **F.constants}
    generated = F._source({}, False)
    result = emit.compiled(generated, scope)(*args.values())
    return result if len(F.outputs) > 1 else [result]


@every_case
def test_reused_memory_changes_nothing(case, eager):
    """What runs at these sizes gives what the plain source gives, and leaves its arguments alone."""
    F = tj.trace(case.fun, **case.shapes)
    for each in (F, F.vjp()):
        args = arguments(each, case)
        before = {name: value.copy() for name, value in args.items()}
        found = named(each(**args))
        for name, value in args.items():
            np.testing.assert_array_equal(value, before[name])
        dtype = next(iter(args.values())).dtype if args else np.dtype(float)
        for one, other in zip(found.values(), plain(each, args), strict=True):
            assert_close(one, other, roundings=4096, dtype=dtype)


def logistic_loss(w, X, y):
    return np.sum(np.log(1 + np.exp(-y * (X @ w))))


def test_a_weighted_square_is_a_product_of_one_array_with_itself():
    """Σ_b d[b] X[bi] X[bj] with d = σ (1 - σ) y² goes to BLAS as Zᵀ Z, of which it computes one half."""
    H = tj.trace(logistic_loss, w="n", X="b n", y="b").hessian("w")
    assert H.source({"b": 200, "n": 100}).endswith(
        "    P = X * np.sqrt(S * (1 - S) * y ** 2)[:, None]\n    return P.T @ P\n"
    )
    rng = np.random.default_rng(0)
    w, X, y = rng.normal(size=100), rng.normal(size=(200, 100)), np.sign(rng.normal(size=200))
    s = 1 / (1 + np.exp(-y * (X @ w)))
    assert_close(H(w, X, y), (X * (s * (1 - s))[:, None]).T @ X)


def test_a_symmetric_matrix_is_not_transposed():
    F = tj.trace(lambda X: np.linalg.slogdet(X.T @ X)[1], X="b n")
    assert F.vjp().source() == "def dX(X, G):\n    return 2 * np.linalg.solve(X.T @ X, X.T).T * G\n"
    F = tj.trace(lambda X: np.sum(np.tanh(X @ X.T)), X="b n")
    assert ".T)" not in F.vjp().source().replace("X @ X.T)", "")


def test_a_weight_that_may_be_negative_has_no_root():
    F = tj.trace(lambda X, d: (X * d[:, None]).T @ X, X="b n", d="b")
    assert "sqrt" not in F.source({"b": 200, "n": 100})
    assert "np.sqrt(np.exp(d))" in tj.trace(lambda X, d: (X * np.exp(d)[:, None]).T @ X, X="b n", d="b").source(
        {"b": 200, "n": 100}
    )


def test_a_deep_net_gives_the_hessian_as_an_expert_writes_it():
    """Every layer is multiplied once, forward and backward: the first layer's input stays out of the sums."""
    contest = next(cases.relu_net([10]))
    contest.prove()
    H = contest.contestants["ours"].__self__
    source = H.source({"n": 10, "b": 16})
    # ten products forward, at most nine for the derivatives of the output, one beside the loss, one with the input
    assert sum(source.count(word) for word in ("@", ".dot(", "tensordot")) <= 10 + 9 + 2, source


CHAIN = tj.trace(lambda X, A, B, C: X @ A @ B @ C, X="b k", A="k l", B="l m", C="m n")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        # many rows are summed first, few of them last, as in reverse
        ({"b": 1024, "k": 8, "l": 8, "m": 8, "n": 8}, "X.T.dot(G).dot(C.T).dot(B.T)"),
        ({"b": 2, "k": 64, "l": 64, "m": 64, "n": 64}, "X.T.dot(G.dot(C.T).dot(B.T))"),
        ({}, "X.T @ (G @ C.T @ B.T)"),
    ],
)
def test_the_gradient_of_a_chain_is_multiplied_in_the_cheapest_order(sizes, expected):
    gradient = CHAIN.vjp("A")
    source = gradient.source(sizes) if sizes else gradient.source()
    assert source == f"def dA(X, A, B, C, G):\n    return {expected}\n"


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        # of many rows, two products: one for all weights, one for X
        ({"b": 5000, "m": 40, "n": 50, "p": 60}, ["M = X.T @ G", "G @ A.dot(B).T", "M.dot(B.T)", "A.T.dot(M)"]),
        # of few rows, as in reverse
        ({"b": 2, "m": 40, "n": 50, "p": 60}, ["M = G.dot(B.T)", "M.dot(A.T)", "X.T.dot(M)", "X.dot(A).T.dot(G)"]),
    ],
)
def test_all_gradients_of_a_chain_share_the_cheapest_products(sizes, expected):
    shared, *gradients = expected
    dX, dA, dB = gradients
    assert tj.trace(lambda X, A, B: X @ A @ B, X="b m", A="m n", B="n p").vjp().source(sizes) == (
        f"def vjp(X, A, B, G):\n    {shared}\n    dX = {dX}\n    dA = {dA}\n    dB = {dB}\n    return dX, dA, dB\n"
    )


def chain(sizes):
    """Arguments of the VJP of X A B C, and its gradients in closed form."""
    rng = np.random.default_rng(0)
    args = [rng.normal(size=[sizes[name] for name in shape]) for shape in ("bk", "kl", "lm", "mn", "bn")]
    X, A, B, C, G = args
    expected = {"X": G @ C.T @ B.T @ A.T, "A": X.T @ G @ C.T @ B.T, "B": A.T @ X.T @ G @ C.T, "C": B.T @ A.T @ X.T @ G}
    return args, expected


@pytest.mark.parametrize(
    "wrt", [("X", "A", "B", "C"), ("A", "C"), ("C", "X")], ids=lambda wrt: "".join(wrt) if wrt else ""
)
@given(sizes=st.fixed_dictionaries({size: st.sampled_from([1, 2, 7, 40]) for size in "bklmn"}))
def test_all_gradients_of_a_chain(wrt, sizes):
    args, expected = chain(sizes)
    for name, found in zip(wrt, CHAIN.vjp(*wrt)(*args), strict=True):
        np.testing.assert_allclose(found, expected[name], rtol=1e-9, atol=1e-9)


@given(sizes=st.fixed_dictionaries({size: st.sampled_from([2, 3, 20]) for size in "bskrno"}))
def test_all_gradients_of_products_that_are_no_plain_chain(sizes):
    """Two axes between neighbours, a transposed factor, a number before all of them, and the value beside."""

    def adapter(X, A, B, C):
        return 0.5 * np.einsum("bsk,rk,rn->bsn", X, A, B) @ C.T

    F = tj.trace(adapter, X="b s k", A="r k", B="r n", C="o n")
    rng = np.random.default_rng(0)
    X, A, B, C, G = args = [rng.normal(size=[sizes[x] for x in shape]) for shape in ("bsk", "rk", "rn", "on", "bso")]
    inner = np.einsum("bsk,bso,on->kn", X, G, C) / 2
    expected = [
        np.einsum("bso,on,rn,rk->bsk", G, C, B, A, optimize=True) / 2,
        np.einsum("kn,rn->rk", inner, B),
        np.einsum("kn,rk->rn", inner, A),
        np.einsum("bsk,rk,rn,bso->on", X, A, B, G, optimize=True) / 2,
    ]
    for found, wanted in zip(F.vjp()(*args), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("wrt", ["X", "A", "B", "C"])
@given(sizes=st.fixed_dictionaries({size: st.sampled_from([1, 2, 7, 40]) for size in "bklmn"}))
def test_every_order_of_a_chain_gives_the_same(wrt, sizes):
    args, expected = chain(sizes)
    # sums of at most 40⁴ products of four numbers
    np.testing.assert_allclose(CHAIN.vjp(wrt)(*args), expected[wrt], rtol=1e-9, atol=1e-9)


def test_what_is_computed_anyway_stays_as_it_is():
    """A gradient reads X @ A @ B, which the value is made from, however few its columns are."""

    def both(X, A, B, C, G):
        value, pullback = tj.vjp(lambda C: X @ A @ B @ C, C)
        return value, *pullback(G)

    F = tj.trace(both, X="b k", A="k l", B="l m", C="m n", G="b n")
    source = F.source({"b": 1024, "k": 8, "l": 8, "m": 8, "n": 8})
    assert source.count("@") + source.count(".dot(") == 4


def test_what_is_looked_up_is_no_product():
    """Rows are read where they stand; the order of the matrices is another matter."""
    t = np.array([3, 1, 0])
    gradient = tj.trace(lambda E, W, V: E[t] @ W @ V, E="4 n", W="n m", V="m k").vjp("V")
    assert "return W.T.dot(E[C1].T.dot(G))" in gradient.source({"n": 200, "m": 300, "k": 2})


def test_a_diagonal_of_a_small_array_is_written_through_its_strides():
    J = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A")
    assert J.source({"b": 4, "m": 3, "n": 2}).endswith(
        "    out = np.zeros((b, n, m, n), dtype=dtype)\n"
        "    s, s2, s3, s4 = out.strides\n"
        "    np.ndarray((n, b, m), dtype, out, 0, (s2 + s4, s, s3))[...] = X\n"
        "    return out\n"
    )
    assert "einsum" in J.source() and "einsum" in J.source({"b": 40, "m": 30, "n": 20})


@pytest.mark.parametrize("sizes", list(product((0, 1, 2), repeat=3)))
def test_diagonals_of_empty_arrays_are_written(sizes):
    b, m, n = sizes
    X, A = np.arange(1.0, b * m + 1).reshape(b, m), np.ones((m, n))
    J = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A")
    np.testing.assert_array_equal(J.dense(X, A), np.einsum("ik,jl->ijkl", X, np.eye(n)), strict=True)


def test_a_gate_leaves_no_delta_behind():
    """A product of more factors than are kept apart is closed without the δ that still rename its indices."""

    def gru(X, H, Wz, Uz, Wr, Ur, Wc, Uc):
        z, r = 1 / (1 + np.exp(-X @ Wz - H @ Uz)), 1 / (1 + np.exp(-X @ Wr - H @ Ur))
        return (1 - z) * H + z * np.tanh(X @ Wc + (r * H) @ Uc)

    weights = {f"{kind}{gate}": f"{size} n" for gate in "zrc" for kind, size in (("W", "m"), ("U", "n"))}
    source = tj.trace(gru, X="b m", H="b n", **weights).jacobian("Wr").source({"b": 40, "m": 40, "n": 40})
    assert "np.zeros" not in source
    assert source.endswith('    return np.multiply(P3.mT[:, :, None, :], X[:, None, :, None], order="C")\n')


def test_what_delta_renames_in_a_sum_stands_apart():
    """Σ_j A[ij] (δ[ij] x[k] + y[jk]) is two small products, not one of an array with as many zeros."""
    J = tj.trace(lambda C, v: np.exp(C) / (np.exp(C).T @ (1 / (np.exp(C) @ v))), C="m n", v="n").jacobian("v")
    assert "np.zeros" not in J.source({"m": 100, "n": 100})


def test_large_sums_are_added_up_in_blocks():
    J = tj.trace(lambda A: np.linalg.inv(A @ A + A), A="n n").jacobian("A")
    assert J.source({"n": 40}) == (
        "def dY_dA(A):\n"
        "    n = A.shape[0]\n"
        "    dtype = A.dtype\n"
        "    z = A.dot(A)\n"
        "    z += A\n"
        "    inverse = np.linalg.inv(z)\n"
        "    z2 = inverse.T.dot(A.T)\n"
        "    z2 += inverse.T\n"
        "    M = inverse.dot(A)\n"
        "    out = np.empty((n, n, n, n), dtype=dtype)\n"
        "    for k in range(n):\n"
        "        z3 = inverse[k:k + 1][:, None, :, None] * z2[:, None, :]\n"
        "        z3 += inverse.T[:, None, :] * M[k:k + 1][:, None, :, None]\n"
        "        np.negative(z3, out=z3)\n"
        "        out[k:k + 1] = z3\n"
        "    return out\n"
    )
    assert "for " not in J.source({"n": 10})


def test_sums_over_large_temporaries_are_added_up_in_passes():
    """The array of all pairs is never there as a whole."""
    J = tj.trace(lambda x, y: np.exp(-((x[:, None] - y) ** 2)).sum(1).mean(), x="m", y="n").jacobian("y")
    assert J.source({"m": 600, "n": 600}) == (
        "def dY_dy(x, y):\n"
        "    m = x.shape[0]\n"
        "    n = y.shape[0]\n"
        "    dtype = x.dtype\n"
        "    M = np.zeros(n, dtype=dtype)\n"
        "    for k in range(0, m, 54):\n"
        "        D = x[:, None][k:k + 54] - y\n"
        "        D2 = D ** 2\n"
        "        np.negative(D2, out=D2)\n"
        "        np.exp(D2, out=D2)\n"
        '        M += np.einsum("ij,ij->j", D, D2)\n'
        "    M *= 2 / m\n"
        "    return M\n"
    )
    assert "for " not in J.source({"m": 60, "n": 60})


def test_what_several_sums_read_is_computed_in_one_pass():
    J = tj.trace(lambda X: np.exp(-((X[:, None] - X) ** 2).sum(-1)).sum(), X="n 3").jacobian("X")
    assert J.source({"n": 600}).count("for ") == 1
    K = tj.trace(lambda x, y: np.exp(-((x[:, None] - y) ** 2)).sum(0).std(), x="m", y="n").jacobian("y")
    source = K.source({"m": 600, "n": 600})
    assert source.count("for ") == 1
    assert source.count("np.exp") == 1


def test_passes_are_not_made_where_they_would_calculate_too_much():
    """Each layer's mean is needed before the next: passes would begin from the first one every time."""

    def normalised(X, W):
        for _ in range(8):
            X = np.tanh(X @ W)
            X = X / (X * X).mean(0)
        return (X * X).mean()

    J = tj.trace(normalised, X="b m", W="m m").jacobian("W")
    assert "for " not in J.source({"b": 30_000, "m": 20})


def test_positions_leave_the_precision_alone():
    """What is read at captured positions is of the dtype of the arguments, and computed as fast."""
    F = tj.trace(lambda E: np.tanh(E[np.array([2, 0, 2])]), E="n d")
    E = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)
    assert F._alike([E])
    assert F.vjp()(E, np.ones((3, 3), np.float32)).dtype == np.float32
    assert not tj.trace(lambda E: E * np.array([2, 0, 2]), E="n 3")._alike([E])


def test_captured_numbers_have_the_digits_of_the_arguments():
    """What a derivative computes of numbers captured in single precision is computed in that of the arguments."""
    scale = np.array([[0.7, 1.3]], dtype=np.float32)
    F = tj.trace(lambda X: X * scale / 3, X="n 2")
    X = np.ones((3, 2))
    wanted = scale.astype(float) / 3
    np.testing.assert_allclose(F.vjp()(X, X), np.broadcast_to(wanted, (3, 2)), rtol=1e-15)
    J = F.jacobian("X")
    np.testing.assert_allclose(np.einsum("ijij->ij", J.dense(X)), np.broadcast_to(wanted, (3, 2)), rtol=1e-15)
    single = X.astype(np.float32)
    assert F(single).dtype == F.vjp()(single, single).dtype == J.dense(single).dtype == np.float32


def test_what_has_fewer_axes_is_added_up_first():
    F = tj.trace(lambda X, a, c: X * X - a * a - c * c, X="b n", a="n", c="n")
    assert F.source() == "def Y(X, a, c):\n    return X ** 2 - (a ** 2 + c ** 2)\n"


def test_what_may_be_exact_is_added_as_it_is_written():
    """x - max(x) is exact where it is small, and max(x) + log(z) is not."""
    F = tj.trace(lambda X, a, c: X - a - np.log(c), X="b n", a="n", c="n")
    assert F.source() == "def Y(X, a, c):\n    return X - a - np.log(c)\n"


def test_integer_powers_are_products():
    F = tj.trace(lambda X: X**3 + X**5, X="b n")
    assert F.source() == "def Y(X):\n    t = X ** 2\n    return X * t * (t + 1)\n"


TRIANGLES = {
    "lower": lambda W, x: np.tril(W) * x,
    "below the diagonal": lambda W, x: np.tril(W, -2) * x,
    "above the diagonal": lambda W, x: np.triu(W, 3) * x,
    "more than upper": lambda W, x: np.triu(W, -2) * np.exp(x),
    "a band": lambda W, x: np.triu(np.tril(W, 2), -1) * x,
    "transposed": lambda W, x: (np.tril(W, 1) * x).T,
    "of products": lambda W, x: np.triu(np.outer(W[:, 0], x), 1) * 2,
    "beside the whole": lambda W, x: (W * x, np.tril(W * x)),
    "numbers": lambda W, x: np.tril(np.ones_like(W)) - np.exp(W) * x,
}


@pytest.mark.parametrize("fun", TRIANGLES.values(), ids=TRIANGLES)
@pytest.mark.parametrize("shape", [(70, 70), (65, 80), (80, 65), (9, 7)])
def test_triangles_of_large_results_are_cleared_in_place(fun, shape):
    rng = np.random.default_rng(0)
    W, x = rng.normal(size=shape), rng.normal(size=shape[1])
    W[0, -1] = W[-1, 0] = np.inf
    kept = W.copy()
    found, wanted = tj.trace(fun, W="m n", x="n")(W, x), fun(W, x)
    np.testing.assert_allclose(found, wanted, rtol=1e-14, atol=1e-14)
    assert np.array_equal(W, kept)


def softplus(X, y, w):
    return np.log(1 + np.exp(-y * (X @ w))).sum()


LOSSES = {
    "logistic": softplus,
    "mean and penalty": lambda X, y, w: np.sin(X @ w).mean() + 0.1 * (w @ w) + y.sum(),
    "three weights": lambda X, y, w: (y * (X @ w) ** 3).sum() / 7,
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("columns", [1, 2, 3, 7])
def test_a_weighted_square_is_computed_by_halves(eager, monkeypatch, name, columns):
    """Whatever is left over in the last block, and for arguments in any order, the weights of either sign."""
    monkeypatch.setattr(blocks, "ROWS", columns)
    monkeypatch.setattr(blocks, "BESIDE", 1)
    H = tj.trace(LOSSES[name], X="b n", y="b", w="n").hessian("w")
    assert f"out[k:k + {columns}, k + {columns}:].T" in H.source({"b": 9, "n": 7})
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(9, 7)), rng.normal(size=9), rng.normal(size=7)
    z = X @ w
    weights = {
        "logistic": y**2 * special.expit(z * y) * special.expit(-z * y),
        "mean and penalty": -np.sin(z) / 9,
        "three weights": 6 * y * z / 7,
    }
    penalty = 0.2 * np.eye(7) if name == "mean and penalty" else 0
    wanted = X.T @ (X * weights[name][:, None]) + penalty
    for layout in (np.ascontiguousarray, np.asfortranarray, lambda X: X[::-1].copy()[::-1]):
        np.testing.assert_allclose(H(layout(X), y, w), wanted, atol=1e-12)


def test_large_weighted_squares_have_no_weighted_copy():
    H = tj.trace(softplus, X="b n", y="b", w="n").hessian("w")
    assert H.source({"b": 5000, "n": 2500}).endswith(
        "    out = np.empty((n, n), dtype=dtype)\n"
        "    for k in range(0, n, 256):\n"
        "        np.matmul((X[:, k:k + 256] * S[:, None]).T, X[:, k:], out=out[k:k + 256, k:])\n"
        "        out[k + 256:, k:k + 256] = out[k:k + 256, k + 256:].T\n"
        "    return out\n"
    )
    assert "for " not in H.source({"b": 2000, "n": 1000})


def test_dense_has_none_of_narrower_ones_either():
    H = tj.trace(softplus, X="b n", y="b", w="n").hessian("w")
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(2100, 131)), rng.normal(size=2100), rng.normal(size=131)
    np.testing.assert_allclose(H.dense(X, y, w), H(X, y, w), rtol=0, atol=1e-12 * 2100)
    tracemalloc.start()
    try:
        H.dense(X, y, w)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 131**2 * 8 + X.nbytes / 5


def test_what_is_largest_is_found_where_it_is_read_backwards():
    """Entries calculated anew, in another order, might all differ from the largest by a rounding."""

    def fun(X):
        T = np.tanh(X[::-1] @ X.T @ X[:, ::-1] / 10)
        return np.exp(T - T.max())

    J = tj.trace(fun, X="b n").jacobian("X")
    assert len(re.findall("==", J.source({"b": 4, "n": 3}))) == 1
    for seed in range(20):
        X = np.random.default_rng(seed).normal(size=(4, 3))
        wanted, error = finite_difference_jacobian(fun, {"X": X}, "X", 2.0**-12)
        assert_close(J.dense(X), wanted, error + 1e-9)
        assert_close((J.operator(X) @ np.eye(12)).reshape(wanted.shape), wanted, error + 1e-9)


def log_likelihood(shifted):
    def f(X, T):
        D = X - X.max(axis=-1, keepdims=True) if shifted else X
        return (T * (D - np.log(np.exp(D).sum(axis=-1, keepdims=True)))).sum()

    return f


@pytest.mark.parametrize("shape", ["b n", "a b n"])
def test_a_log_softmax_is_summed_in_two_parts(shape):
    """Where the gradient has the sums of the rows of T anyway, and neither part is larger than the whole."""
    sizes = {"a": 3, "b": 100, "n": 200}
    sizes = {name: sizes[name] for name in shape.split()}
    rng = np.random.default_rng(1)
    X, T = 1e3 * rng.normal(size=tuple(sizes.values())), rng.random(tuple(sizes.values()))
    for shifted in (True, False):
        both = tj.value_and_grad(log_likelihood(shifted))
        F = tj.trace(lambda X, T, both=both: both(X, T), X=shape, T=shape)
        assert ("np.vdot(T, D)" in F.source(sizes)) is shifted
    shifted = tj.trace(lambda X, T: tj.value_and_grad(log_likelihood(True))(X, T), X=shape, T=shape)
    value, gradient = shifted(X, T)
    expected = -np.sum(T * (special.logsumexp(X, axis=-1, keepdims=True) - X))
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(
        gradient, T - special.softmax(X, axis=-1) * T.sum(-1, keepdims=True), atol=1e-12, rtol=1e-12
    )


def test_conditions_that_exclude_each_other_are_written():
    F = tj.parse("Y[i] = x[i] δ[i = 1] δ[i = 0]", x="n")
    np.testing.assert_array_equal(F(np.ones(3)), np.zeros(3), strict=True)


def test_layers_are_written_alike():
    """The sign of what a layer starts from does not change from one to the next."""

    def network(x, W):
        for _ in range(4):
            z = x - x.mean(-1, keepdims=True)
            x = x + np.tanh(z / np.sqrt((z * z).mean(-1, keepdims=True) + 1e-5) @ W)
        return x

    lines = tj.trace(network, x="b n", W="n n").source().splitlines()
    assert lines[2] == "    D = x - (x.sum(axis=1) / n)[:, None]"
    layers = ["".join(c for c in line if not c.isdigit()).replace("x", "z") for line in lines[2:8]]
    assert layers[0::2] == [layers[0]] * 3
    assert layers[1::2] == [layers[1]] * 3


def test_what_is_there_is_subtracted():
    """Steps against a gradient: none is computed with both signs."""

    def descent(x, W, g):
        for _ in range(3):
            x = x - 0.1 * (x @ W - g)
        return x

    source = tj.trace(descent, x="b n", W="n n", g="n").vjp("W").source()
    assert source.count("x @ W") == source.count("x @ W - g") == 1
    assert "g - " not in source
