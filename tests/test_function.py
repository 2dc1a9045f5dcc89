"""``Function`` and ``Jacobian`` as objects: calling, naming, composing, and what is said to wrong calls."""

import re
import sys

import numpy as np
import pytest

import tensorjac as tj
from functions import CASES, named
from oracles import assert_close
from tensorjac import rewrites
from tensorjac.composition import resized
from tensorjac.dims import Dim
from tensorjac.terms import Sum

linear = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
pair = tj.trace(lambda x: (x @ x, 2 * x), x="n")
X23 = np.arange(6.0).reshape(2, 3)
A34 = np.arange(12.0).reshape(3, 4)


def said(kind, message, call):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == message


WRONG = {
    "too many": (
        tj.TraceError,
        "the function of (X, A) takes 2 arguments, and 3 were given: pass X and A.",
        lambda: linear(X23, A34, 1),
    ),
    "unknown": (
        tj.TraceError,
        "the function of (X, A) has no argument B: pass X and A.",
        lambda: linear(X23, B=A34),
    ),
    "twice": (
        tj.TraceError,
        "the function of (X, A) got X twice, by position and by keyword: pass it once.",
        lambda: linear(X23, X=X23),
    ),
    "missing": (
        tj.TraceError,
        "the function of (X, A) is missing A: pass A of shape (m, n).",
        lambda: linear(X23),
    ),
    "complex": (
        tj.UnsupportedError,
        "X must hold real numbers, and its dtype is complex128: pass an array of floats.",
        lambda: linear(X23.astype(complex), A34),
    ),
    "contradiction": (
        tj.ShapeError,
        "size m is 3 in X (axis 1 of 'b m') and 4 in A (axis 0 of 'm n'):\n"
        "  X: b m\n       ^\n  A: m n\n     ^\n"
        "X.shape is (2, 3), A.shape is (4, 3); give arrays whose sizes agree, or name the two sizes differently.",
        lambda: linear(X23, A34.T),
    ),
    "no such input": (
        tj.TraceError,
        "the function of (X, A) has no input Z to differentiate by: choose from X and A.",
        lambda: linear.vjp("Z"),
    ),
    "grad of a matrix": (
        tj.ShapeError,
        "grad needs a scalar output, and Y has shape (b, n): sum it to a scalar first, or use vjp or jacobian.",
        lambda: linear.grad("A"),
    ),
    "which output": (
        tj.TraceError,
        'jacobian differentiates one output, and there are 2: say which, of="Y1" for example.',
        lambda: pair.jacobian("x"),
    ),
    "no such output": (
        tj.TraceError,
        "there is no output Z: choose from Y1 and Y2.",
        lambda: pair.jacobian("x", of="Z"),
    ),
    "taken name": (
        tj.TraceError,
        "X is already an input of shape (b, m): choose a new name.",
        lambda: linear.jacobian("A").pullback("X"),
    ),
    "source at no sizes": (
        tj.TraceError,
        'sizes are given as a dict of names and numbers, and 3 is of type int: pass {"b": 64, "m": 64, "n": 64}.',
        lambda: linear.source(3),
    ),
    "source at a size that is none": (
        tj.ShapeError,
        "the function of (X, A) has no size q: choose from b, m and n.",
        lambda: linear.source({"q": 1}),
    ),
    "source at a negative size": (
        tj.ShapeError,
        'a size is a whole number of at least 0, and b is -1: pass {"b": 64, "m": 64, "n": 64}.',
        lambda: linear.source({"b": -1}),
    ),
    "composed shapes": (
        tj.ShapeError,
        "the output Y has shape (b, n) and the input S has shape (k, k): give the input a shape that this one fits, "
        "or name equal sizes alike.",
        lambda: tj.trace(lambda S: np.linalg.inv(S), S="k k").after(S=linear),
    ),
    "composed inputs": (
        tj.ShapeError,
        "the input A has shape (k, m) in one function and (m, n) in the other: give two different arrays "
        "different names.",
        lambda: linear.after(X=tj.trace(lambda Z, A: Z @ A, Z="b k", A="k m")),
    ),
    "scalar named like a size": (
        tj.ShapeError,
        "a scalar input may not share its name with a size: b is a scalar, and a size in the shape of X; "
        "rename one of the two.",
        lambda: tj.trace(lambda X, b: X * b, X="b", b=""),
    ),
    "size with a meaning of its own": (
        tj.ShapeError,
        "a size may not be called dtype, which has another meaning in the source of the function: rename it in the "
        "shape of X.",
        lambda: tj.trace(lambda X: X, X="dtype"),
    ),
    "ragged": (
        tj.ShapeError,
        "X must be an array, and the rows that were given differ in length: pass rows of one length.",
        lambda: linear([[1, 2], [3]], A34),
    ),
    "masked": (
        tj.UnsupportedError,
        "X must hold real numbers, and it is a masked array: pass X.filled(0) and the mask as arguments.",
        lambda: linear(np.ma.masked_less(X23, 2), A34),
    ),
    "no function": (
        tj.TraceError,
        "what is traced is a function, and this is of type int: pass the function itself, and the shapes of its "
        "arguments by their names.",
        lambda: tj.trace(3, X="b"),
    ),
    "no text": (
        tj.NotationError,
        'what is parsed is a text, and this is of type bytes: pass an expression such as "Y = X @ A", or a function '
        "to tj.trace.",
        lambda: tj.parse(b"Y = X", X="b"),
    ),
    "array for a shape": (
        tj.NotationError,
        "a shape is names and numbers, and for X an array is given: pass X=(2, 3) or names of sizes, and the array "
        "when the function is called.",
        lambda: tj.trace(lambda X: X, X=X23),
    ),
    "list of inputs": (
        tj.TraceError,
        "the function of (X, A) has no input ['X'] to differentiate by: choose from X and A.",
        lambda: linear.jacobian(["X"]),
    ),
    "composed with a number": (
        tj.TraceError,
        "an input is replaced by the output of a Function, and X is given a value of type int: pass tj.trace(…) of "
        "what computes X.",
        lambda: linear.after(X=3),
    ),
    "Jacobian composed with a function": (
        tj.TraceError,
        "a Jacobian is composed with a Jacobian, and here with a value of type Function: pass F.jacobian(…) of the "
        "inner function.",
        lambda: linear.jacobian("X").compose(linear),
    ),
    "vector that is no name": (
        tj.TraceError,
        "a vector is called by a name, and 'a b' is none: pass a name such as \"G\", and its array when the function "
        "is called.",
        lambda: linear.jacobian("X").pullback("a b"),
    ),
    "vector that is a keyword": (
        tj.TraceError,
        "a vector is called by a name, and 'for' is none: pass a name such as \"G\", and its array when the function "
        "is called.",
        lambda: linear.jacobian("X").pushforward("for"),
    ),
    "order": (
        tj.TraceError,
        'the order of a vec is "C" or "F", and \'row\' is neither: pass "C" for the row-major vec, "F" for the '
        "column-major one.",
        lambda: linear.jacobian("X").matrix(order="row"),
    ),
    "layout": (
        tj.TraceError,
        'a layout is "numerator" or "denominator", and 3 is neither: pass "numerator" for output × input, '
        '"denominator" for its transpose.',
        lambda: linear.jacobian("X").matrix(layout=3),
    ),
    "einsum of a slice": (
        tj.UnsupportedError,
        "an einsum has one letter per axis, and this expression reads slices, windows or padding: use source(), "
        "which shows how they are read.",
        lambda: tj.trace(lambda x: x[1:] - x[:-1], x="n").einsum(),
    ),
    "power of nothing": (
        tj.UnsupportedError,
        "an expression that is 0 everywhere is raised to a negative power:\n  0^-1\n"
        "there is no value to divide by; take the division out of the function.",
        lambda: rewrites.power(Sum(), -1),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_said(name):
    said(*WRONG[name])


def test_constants_that_no_float_holds():
    J = tj.trace(lambda x: x * 10**200 * 10**200, x="n").jacobian("x")
    assert np.array_equal(J.dense(x=np.ones(2)), [[np.inf, 0], [0, np.inf]])


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    message = (
        "this function needs SciPy's special functions, and SciPy is not installed: pip install 'tensorjac[scipy]'."
    )
    said(tj.UnsupportedError, message, lambda: tj.parse("scipy.special.erf(x)", x="n")(np.ones(2)))


def test_names_of_derivatives():
    assert list(linear.vjp().inputs) == ["X", "A", "G"]
    assert list(linear.vjp().outputs) == ["dX", "dA"]
    assert list(pair.vjp().inputs) == ["x", "G1", "G2"]
    assert list(linear.jvp("A").inputs) == ["X", "A", "dA"]
    assert list(linear.jvp("A").outputs) == ["dY"]
    taken = tj.trace(lambda G, x: G * x, G="n", x="n")
    assert list(taken.vjp("x").inputs) == ["G", "x", "G_"]
    assert linear.inputs == {"X": ("b", "m"), "A": ("m", "n")}
    assert tj.trace(lambda x: x[2:], x="n").outputs == {"Y": ("n - 2",)}
    assert tj.trace(lambda x: x.sum(), x="3 n").outputs == {"Y": ()}


def test_nesting():
    one, many, named = (
        tj.trace(fun, x="n") for fun in (lambda x: x, lambda x: (x, 2 * x), lambda x: {"u": x, "v": 3 * x})
    )
    x = np.array([1.0, 2.0])
    assert np.array_equal(one(x), x)
    assert isinstance(many(x), tuple)
    assert np.array_equal(many(x)[1], 2 * x)
    assert list(named(x)) == ["u", "v"]
    assert np.array_equal(named(x)["v"], 3 * x)
    (single,) = tj.trace(lambda x: (x,), x="n")(x)
    assert np.array_equal(single, x)
    for _ in range(2):  # the second call takes the checked path
        assert list(tj.trace(lambda x: {"u": x}, x="n")(x)) == ["u"]


def test_vanishing_derivatives_keep_their_shape():
    F = tj.trace(lambda X, A: X.sum(), X="b m", A="m n")
    assert str(F.grad("A")) == "dA[i:m, j:n] = 0"
    assert np.array_equal(F.grad("A")(X23, A34), np.zeros((3, 4)))
    assert F.hessian("X").dense(X23, A34).shape == (2, 3, 2, 3)
    assert F.grad("A")(X23.astype(np.float32), A34.astype(np.float32)).dtype == np.float32


def test_whole_numbers_are_taken_as_floats():
    assert linear([[1, 2]], [[1], [3]]) == [[7.0]]
    assert linear(np.ones((2, 3), dtype=int), A34).dtype == float


def test_after():
    hidden = tj.trace(lambda Y, B: np.tanh(Y) @ B, Y="b n", B="n k")
    whole = hidden.after(Y=linear)
    assert list(whole.inputs) == ["X", "A", "B"]
    B = np.linspace(-1, 1, 8).reshape(4, 2)
    assert np.allclose(whole(X23, A34 / 20, B), np.tanh(X23 @ A34 / 20) @ B, rtol=1e-14)
    assert whole == tj.trace(lambda X, A, B: np.tanh(X @ A) @ B, X="b m", A="m n", B="n k")


def test_after_calls_sizes_what_the_inner_function_calls_them():
    layer = tj.trace(lambda H, B, v: np.tanh(H / H.shape[1]) @ B + v[1:], H="p q", B="q r", v="r+1")
    whole = layer.after(H=linear)
    assert whole.inputs == {"X": ("b", "m"), "A": ("m", "n"), "B": ("n", "r"), "v": ("r + 1",)}
    B, v = np.linspace(-1, 1, 8).reshape(4, 2), np.arange(3.0)
    assert np.allclose(whole(X23, A34, B, v), np.tanh(X23 @ A34 / 4) @ B + v[1:], rtol=1e-14)
    fixed = tj.trace(lambda H: H.sum(), H="p 4")
    assert fixed.after(H=tj.trace(lambda x: 2 * x, x="n 4"))(np.ones((3, 4))) == 24


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sizes_by_other_names(case):
    """Every function with all its sizes renamed is the same function of numbers."""
    F, args = tj.trace(case.fun, **case.shapes), case.inputs()
    sizes = {name: Dim.of(f"{name}_") for dims in F._parts.inputs.values() for dim in dims for name in dim.names}
    renamed = tj.Function(resized(F._parts, sizes))
    assert not {str(size) for shape in renamed.inputs.values() for size in shape}.intersection(sizes)
    expected = named(F(**args))
    for name, value in named(renamed(**args)).items():
        assert_close(value, expected[name], 1e-13 * np.max(np.abs(expected[name]), initial=0))


def test_captured_constants_are_named_and_copied():
    weights = np.array([1.0, 2.0, 3.0])
    F = tj.trace(lambda x: weights @ x, x="3")
    weights[:] = 0
    assert str(F) == "Y[] = x[i] C1[i]"
    assert np.array_equal(F.constants["C1"], [1, 2, 3])
    assert F(np.ones(3)) == 6
    assert F.source() == "def Y(x, C1=C1):\n    return x @ C1\n"
    assert tj.parse(str(F), **F.inputs, **F.constants) == F


def test_six_dimensional_jacobian_of_self_attention():
    def attention(X):
        S = X @ X.mT / np.sqrt(X.shape[-1])
        E = np.exp(S - S.max(axis=-1, keepdims=True))
        return E / E.sum(axis=-1, keepdims=True) @ X

    J = tj.trace(attention, X="b s d").jacobian("X")
    assert J.shape == ("b", "s", "d", "b", "s", "d")
    X = np.random.default_rng(0).normal(size=(2, 3, 5))
    dense = J.dense(X)
    assert not dense[0, :, :, 1].any()
    step = 1e-5
    for place in np.ndindex(*X.shape):
        change = np.zeros_like(X)
        change[place] = step
        difference = (attention(X + change) - attention(X - change)) / (2 * step)
        # truncation step²·|f‴| and rounding eps/step are both far below this
        assert np.allclose(dense[(..., *place)], difference, atol=1e-8)


def test_repr_shows_shapes_and_formula():
    assert repr(linear) == "<Function of (X: b m, A: m n): Y[ij] = X[ik] A[kj]>"


def test_equality_with_other_things():
    assert linear != 3
    assert hash(linear) == hash(tj.trace(lambda X, A: X @ A, X="b m", A="m n"))
    assert re.match("∂", str(linear.jacobian("A")))


def test_the_root_of_a_negative_number_is_not_a_number():
    F = tj.trace(lambda x: np.sqrt(-1 - x * x), x="n")
    with np.errstate(invalid="ignore"):
        assert np.all(np.isnan(F(np.array([0.0, 2.0]))))
