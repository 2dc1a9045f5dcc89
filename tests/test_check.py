"""The checker: verdicts on right and wrong claims, and the causes that it names."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given

import tensorjac as tj
from tensorjac.testing import gradient_test, points, with_cache

SHAPES = {"X": "b m", "A": "m n"}


def matmul(X, A):
    return X @ A


def causes(report):
    return [finding.cause for finding in report.findings]


@pytest.mark.parametrize("make", [tj.trace, tj.opaque])
@pytest.mark.parametrize(
    "claim",
    [
        {"A": "X.T @ G"},
        {"A": "dA = (G.T @ X).T"},
        {"X": "dX[ij] = G[ik] A[jk]", "A": None},
        lambda X, A, G: (G @ A.T, X.T @ G),
        lambda x, a, dout: (dout @ a.T, x.T @ dout),
        lambda p, q, r: (r @ q.T, p.T @ r),
        lambda G, A, X: (G @ A.T, X.T @ G),
        lambda X, A, G: {"X": G @ A.T, "dA": X.T @ G},
        lambda X, A, G: (None, X.T @ G),
        {"A": lambda X, A, G: X.T @ G},
        lambda *args: (args[2] @ args[1].T, args[0].T @ args[2]),
        lambda X, A, G: ((G @ A.T).astype(np.float32), X.astype(np.float32).T @ G.astype(np.float32)),
    ],
)
def test_right_claims(make, claim):
    report = tj.check_vjp(make(matmul, **SHAPES), claim)
    assert report, report
    report.raise_if_wrong()


@pytest.mark.parametrize("make", [tj.trace, tj.opaque])
@pytest.mark.parametrize(
    ("claim", "cause"),
    [
        ({"A": "G.T @ X"}, ["transposed"]),
        ({"A": "-X.T @ G"}, ["sign"]),
        ({"A": "X.T @ G / X.shape[0]"}, ["size-factor"]),
        ({"A": "2 * X.T @ G"}, ["factor-two"]),
        ({"A": "G.T @ X / X.shape[0]"}, ["transposed", "size-factor"]),
        ({"X": "X.T @ G"}, ["copied"]),
        ({"A": "np.zeros_like(A)"}, ["zero"]),
        ({"A": "(X.T @ G).reshape(-1)"}, ["shape"]),
        ({"X": "G.sum(axis=1)"}, ["shape"]),
        (lambda X, A, G: (None, np.outer(X, G)[: A.size]), ["shape"]),
        (lambda X, A, G: (X @ G, None), ["raises"]),
    ],
)
def test_causes(make, claim, cause):
    report = tj.check_vjp(make(matmul, **SHAPES), claim)
    assert report.verdict == "wrong"
    assert causes(report) == cause
    with pytest.raises(tj.DerivationError) as error:
        report.raise_if_wrong()
    assert str(error.value) == str(report)


def test_a_report_in_plain_values():
    report = tj.check_vjp(tj.trace(matmul, **SHAPES), {"A": "-X.T @ G"})
    assert json.loads(json.dumps(report.as_dict()))["findings"][0]["cause"] == "sign"


# Points -----------------------------------------------------------------------------------------------------------


def relu(X, G):
    return G * (X > 0)


def test_a_kink_does_not_decide():
    F = tj.trace(lambda X: np.maximum(X, 0), X="b n")
    report = tj.check_vjp(F, relu, at={"X": np.array([[0.0, 1.0, -2.0]])})
    assert (report.verdict, causes(report)) == ("undecided", ["kink"])
    report.raise_if_wrong()


def test_ties_do_not_decide():
    F = tj.trace(lambda X: X.max(axis=1), X="b n")
    first = lambda X, G: np.eye(X.shape[1])[X.argmax(axis=1)] * G[:, None]  # noqa: E731
    assert tj.check_vjp(F, first)
    assert tj.check_vjp(F, first, at={"X": np.array([[1.0, 1.0, 0.0]])}).verdict == "undecided"


def test_division_at_zero():
    F = tj.trace(lambda x: np.prod(x), x="n")
    report = tj.check_grad(F, lambda x: np.prod(x) / x)
    assert report
    assert "division-at-zero" in report.notes[0]
    report = tj.check_grad(F, lambda x: np.prod(x) / x, at={"x": np.array([1.0, 0.0, 2.0])})
    assert (report.verdict, causes(report)) == ("wrong", ["division-at-zero"])


def test_a_claim_that_is_not_finite():
    F = tj.trace(lambda x: x**2, x="n")
    report = tj.check_vjp(F, lambda x, G: 2 * x * G / (x > 0.5), at={"x": np.array([1.0, 0.2])})
    assert report.verdict == "wrong"


def test_float32_over_ten_orders_is_never_wrong():
    rng = np.random.default_rng(0)
    X, A, G = (
        (10.0 ** rng.uniform(-5, 5, shape) * rng.choice([-1, 1], shape)).astype(np.float32)
        for shape in ((4, 3), (3, 2), (4, 2))
    )

    def claim(X, A, G):
        X, A, G = (np.asarray(one, dtype=np.float32) for one in (X, A, G))
        return G @ A.T, X.T @ G

    report = tj.check_vjp(tj.trace(matmul, **SHAPES), claim, at={"X": X, "A": A, "G": G})
    assert report.verdict != "wrong"


def test_an_unstable_form_in_float32_is_undecided():
    """The variance as a difference of squares is exact in theory, and noise in float32 far from 0."""

    def forward(X):
        return (X - X.mean(axis=1, keepdims=True)) / np.sqrt(X.var(axis=1, keepdims=True) + 1e-5)

    def backward(X, G):
        X, G = np.asarray(X, dtype=np.float32), np.asarray(G, dtype=np.float32)
        mean = X.mean(axis=1, keepdims=True)
        variance = np.maximum((X**2).mean(axis=1, keepdims=True) - mean**2, 0)
        deviation = np.sqrt(variance + np.float32(1e-5))
        scaled = (X - mean) / deviation
        both = G.mean(axis=1, keepdims=True) + scaled * (G * scaled).mean(axis=1, keepdims=True)
        return (G - both) / deviation

    F = tj.trace(forward, X="b n")
    assert tj.check_vjp(F, backward).verdict == "right"
    X = np.random.default_rng(0).normal(size=(4, 6)) + 300
    assert tj.check_vjp(F, backward, at={"X": X}).verdict == "undecided"


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (
            {"sizes": {"b": 1}},
            "b is 1 in the given sizes: a sum over one entry, or an average, does not show.",
        ),
        (
            {"sizes": {"b": 4, "m": 4}},
            "b and m are equal in the given sizes: a transpose does not show in the shape.",
        ),
        (
            {"at": {"G": np.ones((2, 3)), "X": np.ones((2, 4)), "A": np.zeros((4, 3))}},
            "G is 1 in every entry of the given point: a missing factor the cotangent does not show there.",
        ),
    ],
)
def test_vacuous_points_are_noted(options, note):
    report = tj.check_vjp(tj.trace(matmul, **SHAPES), {"A": "X.T @ G"}, **options)
    assert report
    assert note in report.notes
    assert note in " ".join(str(report).split())


def test_a_gradient_that_is_zero_is_noted():
    F = tj.trace(lambda X: np.sign(X), X="n")
    report = tj.check_vjp(F, {"X": "0 * G"})
    assert report.notes[0].startswith("the true dX is 0 at every point")


# Forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "layout"),
    [
        ("np.kron(X, np.eye(A.shape[1]))", "the matrix layout, out × in, both flattened by rows"),
        ("np.kron(np.eye(A.shape[1]), X)", "the matrix layout, out × in, both flattened by columns (vec)"),
        (
            "np.kron(X, np.eye(A.shape[1])).T",
            "the denominator layout as a matrix, in × out, both flattened by rows",
        ),
        (
            "np.kron(np.eye(A.shape[1]), X).T",
            "the denominator layout as a matrix, in × out, both flattened by columns (vec)",
        ),
        (
            "np.einsum('bm,nk->mkbn', X, np.eye(A.shape[1]))",
            "the denominator layout (input axes first)",
        ),
    ],
)
def test_layouts_of_jacobians(claim, layout):
    F = tj.trace(matmul, **SHAPES)
    finding = tj.check_jacobian(F, lambda X, A: (None, eval(claim, {"np": np, "X": X, "A": A}))).findings[0]
    assert (finding.verdict, finding.cause) == ("right", "layout")
    assert finding.message == f"∂Y/∂A is right in {layout}; this package puts output axes first."


def test_hessians():
    F = tj.trace(lambda x, A, y: np.sum((np.sin(A @ x) - y) ** 2), x="n", A="m n", y="m")
    second = "2 * A.T @ np.diag(np.cos(A @ x)**2 - np.sin(A @ x) * (np.sin(A @ x) - y)) @ A"
    assert tj.check_hessian(F, {("x", "x"): second})
    report = tj.check_hessian(F, {"x": "2 * A.T @ np.diag(np.cos(A @ x)**2) @ A"})
    assert causes(report) == ["second-order-path"]
    opaque = tj.opaque(lambda x, A, y: np.sum((np.sin(A @ x) - y) ** 2), x="n", A="m n", y="m")
    assert tj.check_hessian(opaque, lambda x, A, y: (eval(second, {"np": np, "x": x, "A": A, "y": y}), None, None))


def test_a_term_that_is_zero_is_reassured():
    F = tj.trace(lambda X: X @ X, X="n n")
    finding = tj.check_vjp(F, {"X": "G @ X.T + X.T @ G + (X - X)"}).findings[0]
    assert (finding.verdict, finding.cause) == ("right", "zero-term")


def wrong_number(X, G):
    return G * 3 * X**3


def test_a_wrong_number_and_the_line():
    F = tj.trace(lambda X: X**3, X="n")
    finding = tj.check_vjp(F, wrong_number).findings[0]
    assert finding.cause in {"wrong-number", "exponent"}
    report = tj.check_vjp(tj.trace(lambda X: np.exp(X) + X, X="n"), with_a_term)
    assert causes(report) == ["extra-term"]
    assert "line " in report.findings[0].message


def with_a_term(X, G):
    E = np.exp(X)
    return G * (E + 1 + np.cos(X))


def test_a_claimed_function():
    F = tj.trace(matmul, **SHAPES)
    assert tj.check_vjp(F, F.vjp())
    assert tj.check_vjp(F, {"A": F.vjp("A")})
    assert causes(tj.check_vjp(F, tj.parse("dA[ij] = G[kj] X[ki] / 2", X="b m", A="m n", G="b n"))) == ["factor-two"]


def test_several_outputs():
    F = tj.trace(lambda x, y: (x * y, np.sin(x)), x="n", y="n")
    assert tj.check_vjp(F, lambda x, y, G1, G2: (G1 * y + G2 * np.cos(x), G1 * x))
    assert tj.check_vjp(F, {"x": "G1 * y + G2 * np.cos(x)"})
    box = tj.opaque(lambda x, y: (x * y, np.sin(x)), x="n", y="n")
    assert tj.check_vjp(box, lambda x, y, d1, d2: (d1 * y + d2 * np.cos(x), d1 * x))


# Adapters ---------------------------------------------------------------------------------------------------------


def lstm_forward(x, h, c, W, b):
    z = np.tanh(x @ W + h + b)
    new = c * 0.5 + z
    return np.tanh(new), new, (x, z, new, W)


def lstm_backward(dh, dc, cache):
    x, z, new, W = cache
    dc = dc + dh * (1 - np.tanh(new) ** 2)
    dz = dc * (1 - z**2)
    return dz @ W.T, dz, dc * 0.5, x.T @ dz, dz.sum(axis=0)


def test_a_cache_with_several_outputs():
    pair = with_cache(lstm_forward, lstm_backward)
    F = tj.trace(pair.forward, x="N D", h="N H", c="N H", W="D H", b="H")
    assert tj.check_vjp(F, pair.backward)


def test_a_cache_that_is_changed():
    def forward(x):
        return x**2, {"x": np.array(x)}

    def backward(dout, cache):
        cache["x"] *= 2
        return cache["x"] * dout

    pair = with_cache(forward, backward)
    assert causes(tj.check_vjp(tj.opaque(pair.forward, x="n"), pair.backward))[0] == "in-place"


def test_random_numbers_in_the_forward_function():
    rng = np.random.default_rng(0)

    def forward(x):
        mask = rng.random(x.shape) < 0.5
        return x * mask, mask

    pair = with_cache(forward, lambda dout, mask: dout * mask)
    report = tj.check_vjp(tj.trace(lambda x: x, x="n"), pair.backward)
    assert (report.verdict, causes(report)) == ("undecided", ["not-repeatable"])


def test_kinks_beside_a_point_are_avoided_for_black_boxes():
    box = tj.opaque(lambda X, A: np.maximum(X @ A, 0) @ A.T, X="b m", A="m n")
    for seed in range(8):
        report = tj.check_vjp(box, {"X": "((X @ A > 0) * (G @ A)) @ A.T"}, seed=seed)
        assert report.verdict == "right", report


def test_options_of_a_forward_function():
    pair = with_cache(lambda x, scale: (scale * x, scale), lambda dout, scale: scale * dout, scale=3.0)
    assert tj.check_vjp(tj.trace(pair.forward, x="n"), pair.backward)


def test_property_tests():
    gradient_test(matmul, lambda X, A, G: (G @ A.T, X.T @ G), **SHAPES)()
    with pytest.raises(tj.DerivationError):
        gradient_test(matmul, lambda X, A, G: (G @ A.T, 2 * X.T @ G), **SHAPES)()


@given(points(X="b 3", A="3 n", domain={"X": "positive"}))
def test_drawn_points(point):
    assert point["X"].shape[1] == point["A"].shape[0] == 3
    assert np.all(point["X"] > 0)


# Errors -----------------------------------------------------------------------------------------------------------


def product_of(X, Q, W, Z, R):
    return X


ERRORS = [
    (
        lambda F: tj.check_vjp(matmul, {"X": "G"}),
        tj.TraceError,
        "a check needs a function that was traced, and function is none: make it with tj.trace, tj.parse or tj.opaque.",
    ),
    (
        lambda F: tj.check_vjp(F, {"X": "G @ A.T"}, symmetric=("X",)),
        tj.ShapeError,
        "a symmetric input is a square matrix, and X is none: symmetric= names inputs among X, A whose last two sizes "
        "are the same.",
    ),
    (
        lambda F: tj.check_vjp(F, {"Z": "G"}),
        tj.TraceError,
        "a claim is about an input of the function, and Z is none: choose from X, A.",
    ),
    (
        lambda F: tj.check_vjp(F, 3),
        tj.TraceError,
        "a claim is a callable, a text, or a dict from inputs to these, and int is none: "
        'write {"A": "X.T @ G"} for example.',
    ),
    (
        lambda F: tj.check_jacobian(F, {("X", "A"): "X"}),
        tj.TraceError,
        "a jacobian is by one input, and the claim is about X, A.",
    ),
    (
        lambda F: tj.check_vjp(F, {"A": 3}),
        tj.TraceError,
        "the claim about A is a text, a callable or None, and int is none: write it as text, such as 'X.T @ G', "
        "or as a function of the inputs.",
    ),
    (
        lambda F: tj.check_vjp(F, "X.T @ G"),
        tj.NotationError,
        "a text says which input it is about, and 'X.T @ G' does not: write dX or dA = … .",
    ),
    (
        lambda F: tj.check_vjp(F, F),
        tj.TraceError,
        "the outputs of a claimed function are named dX, dA, and these are Y: name them so, "
        "or claim one input at a time.",
    ),
    (
        lambda F: tj.check_vjp(F, product_of),
        tj.TraceError,
        "product_of takes (X, Q, W, Z, R), and the check passes (X, A, G): name parameters so, "
        "or take all in this order.",
    ),
    (
        lambda F: tj.check_vjp(F, lambda X, A, G: (1, 2, 3)),
        tj.TraceError,
        "a backward function returns one gradient per input, and lambda returns 3 for (X, A): "
        "return None for an input that you claim nothing about.",
    ),
    (
        lambda F: tj.check_vjp(F, lambda X, A, G: G),
        tj.TraceError,
        "a backward function returns one gradient per input, and lambda returns one ndarray for (X, A): "
        "return a tuple, or a dict by name.",
    ),
    (
        lambda F: tj.check_vjp(F, lambda X, A, G: {"Z": G}),
        tj.TraceError,
        "a dict of gradients has the names of inputs as keys, and lambda returns 'Z': use X, A.",
    ),
    (
        lambda F: tj.check_vjp(F, {"A": "X.T @ G"}, at={"Z": 1}),
        tj.TraceError,
        "at= names inputs, and Z is none: choose from X, A.",
    ),
    (
        lambda F: tj.check_vjp(F, {"A": "X.T @ G"}, sizes={"q": 1}),
        tj.ShapeError,
        "sizes= gives numbers to sizes, and q is none: choose from b, m, n.",
    ),
    (
        lambda F: tj.check_vjp(F, {"A": "X.T @ G"}, domain={"A": "odd"}),
        tj.ShapeError,
        "an input is drawn from a domain, and 'odd' is none: choose from 'any', 'positive', 'unit', "
        "'between -1 and 1', 'above 1', 'symmetric', 'positive definite', 'invertible', 'mask', "
        "'one-hot', 'probabilities', or 'index n' for whole numbers below a size n.",
    ),
    (
        lambda F: tj.check_vjp(F, {"A": "X.T @ G"}, domain={"A": "index q"}),
        tj.ShapeError,
        "the domain 'index q' draws whole numbers below a size, and there is no size 'q': choose from b, m, n, "
        "or give a number.",
    ),
    (
        lambda F: tj.opaque(matmul, X="b m"),
        tj.TraceError,
        "each parameter of matmul without a default gets a shape, and A has none: write A='b m' or the like.",
    ),
    (
        lambda F: tj.opaque(relu, X="b m", G="b m", A="m"),
        tj.TraceError,
        "each shape belongs to a parameter of relu, and A is none: its parameters are X, G.",
    ),
    (
        lambda F: tj.opaque(matmul, **SHAPES).vjp("X"),
        tj.UnsupportedError,
        "matmul is a black box, which can be checked but not derived: make it with tj.trace or tj.parse to derive it.",
    ),
    (
        lambda F: tj.check_vjp(tj.opaque(lambda X: X.shape[9], X="b m"), {"X": "G"}),
        tj.ShapeError,
        "a check runs the function at its own points, and found none at which it is finite "
        "(IndexError: tuple index out of range): give sizes= and domain=, "
        'for example sizes={"n": 4}, domain={"x": "positive"}.',
    ),
    (
        lambda F: tj.check_vjp(tj.opaque(lambda X: X * np.random.random(), X="b m"), {"X": "G"}),
        tj.TraceError,
        "a black box gives the same values for the same arguments, and this one does not: "
        "draw random numbers outside, and pass them in as an input.",
    ),
    (
        lambda F: tj.check_vjp(tj.parse("y = x[8:]", x="n"), {"x": "G"}, sizes={"n": 3}),
        tj.ShapeError,
        "a check draws sizes that satisfy what the function requires, and found none: give numbers for n with sizes=.",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[message[:40] for _, _, message in ERRORS])
def test_errors(call, kind, message):
    with pytest.raises(kind) as error:
        call(tj.trace(matmul, **SHAPES))
    assert str(error.value) == message


def test_hypothesis_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(tj.UnsupportedError) as error:
        points(X="n")
    assert str(error.value) == (
        "property tests need Hypothesis, and it is not installed: pip install 'tensorjac[testing]'."
    )
