"""Tracing: each row is a NumPy expression, calculated by NumPy and by evaluating what its trace is."""

from __future__ import annotations

import inspect
import linecache
import math
import re
from pathlib import Path

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from evaluate import evaluate
from oracles import draw
from refused import refused
from tensorjac.dims import Dim, bind_sizes, parse_shape
from tensorjac.errors import ShapeError, TensorjacError
from tensorjac.notation import parse_numpy
from tensorjac.terms import Index, Input, constant
from tensorjac.trace import Tracer, numpy_namespace, numpy_reader, trace, trace_text
from tensorjac.trace import creation as tj

SIZES = {"b": 2, "n": 5, "k": 3, "m": 4}
SHAPES = {
    **{"X": "b n", "Z": "b n", "A": "n k", "B": "k m", "S": "n n", "T": "b n k", "U": "b n n", "V": "b k n"},
    **{"x": "n", "y": "n", "u": "b", "v": "k", "a": "", "c": "", "w": "b n", "R": "1 n", "Q": "b 1", "D": "n b n"},
    **{"F": "3 4", "f": "6", "g": "4", "H": "2 6", "E": "7 2", "O": "3 3", "K": "b 12", "L": "2*n k", "I": "n n"},
}
DOMAINS = {"w": "positive", "a": "positive", "I": "invertible", "g": "positive", "U": "any"}
FIXED = np.array([[1.0, -2.0, 0.5, 3.0], [0.25, 4.0, -1.0, 2.0], [1.5, 0.0, 2.5, -0.5]])
NAMESPACE = {"np": np, "tj": tj, "math": math, "special": special, "FIXED": FIXED, "ROWS": np.array([2, 0, 2, 1])}
NAMESPACE |= {
    "NEGATIVE": np.array([-1, 0, 1]),
    "PICK": np.array([True, False, True]),
    "GRID": np.array([[0, 2], [1, 1]]),
    "MASKED": np.ma.masked_less([1.0, 2.0, 3.0], 2),
}

HERE = Path(__file__).parent


def rows(text):
    """What stands between semicolons and line breaks; lines that begin with # are comments."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [row.strip() for line in lines for row in line.split(";") if row.strip()]


# What older releases of NumPy and SciPy lack is not tested with them.
LATER = ("np.matvec", "np.vecmat", "np.unstack", "special.softplus")
ABSENT = [name for name in LATER if not hasattr(NAMESPACE[name.partition(".")[0]], name.partition(".")[2])]
if "min" not in inspect.signature(np.clip).parameters:
    ABSENT.append("min=")


def installed(text):
    """Whether the installed libraries have all that the row calls."""
    return not any(name in text for name in ABSENT)


EXPRESSIONS = list(filter(installed, rows((HERE / "expressions.txt").read_text(encoding="utf-8"))))


class OutsideATrace:
    """What `tj` is to NumPy in the rows above: NumPy's own functions."""

    eye, ones, zeros, full, arange = map(staticmethod, (np.eye, np.ones, np.zeros, np.full, np.arange))
    identity = staticmethod(np.identity)


def names_in(text):
    """The arguments that a row uses, in order of the table."""
    words = set(re.findall(r"(?<![.\w\"'])[A-Za-z]\w*", re.sub(r"\"[^\"]*\"", "", text)))
    return [name for name in SHAPES if name in words]


def inputs(names, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {name: parse_shape(SHAPES[name], name) for name in names}
    arrays = {}
    for part, (name, dims) in enumerate(shapes.items()):
        shape = tuple(dim.evaluate(SIZES) for dim in dims)
        arrays[name] = draw(shape, rng, DOMAINS.get(name, "any"), part, len(shapes))
    return shapes, arrays


def assert_same(traced, arrays, expected):
    sizes = bind_sizes(traced.inputs, {name: np.shape(array) for name, array in arrays.items()}, traced.requirements)
    (axes, body), *rest = traced.outputs.values()
    assert not rest
    actual = evaluate(body, axes, arrays, sizes)
    assert actual.shape == np.shape(expected)
    np.testing.assert_allclose(actual, np.asarray(expected, dtype=float), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expression(text):
    """The trace of the expression, evaluated, is what NumPy calculates; so is what its text means."""
    names = names_in(text)
    shapes, arrays = inputs(names)
    source = f"lambda {', '.join(names)}: {text}"
    expected = eval(source, {**NAMESPACE, "tj": OutsideATrace})(**arrays)
    assert_same(trace(eval(source, NAMESPACE), shapes), arrays, expected)


NOT_IN_TEXT = re.compile(
    r"\*[A-Z]|%|\^|np\.(u?int|float|array|bool|True|prod\(X)|dtype=|astype|FIXED|, int\)|ROWS|NEGATIVE|PICK|GRID"
    r"|\.reduce|\.accumulate|\.outer\(|list\(|shape=|lib\.|np\.(ndim|size|shape)\(|np\.zeros\(\(2"
)


@pytest.mark.parametrize("text", [text for text in EXPRESSIONS if not NOT_IN_TEXT.search(text)])
def test_text(text):
    """A row as NumPy text means what it means to Python."""
    names = names_in(text)
    shapes, arrays = inputs(names)
    expected = eval(f"lambda {', '.join(names)}: {text}", {**NAMESPACE, "tj": OutsideATrace})(**arrays)
    assert_same(trace_text(parse_numpy(text), text, shapes), arrays, expected)


# SciPy has these as functions of its own, which ask for the entries of an array.
IN_TEXT = """
special.logsumexp(X)
special.logsumexp(X, axis=1)
special.logsumexp(X, 1, w, True)
special.softmax(X, axis=1)
special.softmax(X)
special.log_softmax(X, axis=0)
linalg.inv(I)
inv(I) @ x
exp(X) * pi
numpy.exp(X)
norm(x)
softplus(X)
x / n
X.sum() / (b * n)
Y = X @ A; Y
P = X @ A; P.T
P, q = X @ A, x; P * q[0]
t = x; t = t + y; t
p, q, r = F; p * q + r
s, d = np.linalg.slogdet(I); s * d
-X**2 + +X
np.where((X > 0) & ~(Z > 0), X, -1e3)
scipy.special.erf(X) + np.e
np.inf > X
x[n - 1] * x[-n]
""".strip().splitlines()


@pytest.mark.parametrize("text", IN_TEXT)
def test_text_of_its_own(text):
    shapes, arrays = inputs(names_in(text))
    spoken = {
        "linalg": np.linalg,
        "inv": np.linalg.inv,
        "norm": np.linalg.norm,
        "exp": np.exp,
        "numpy": np,
        "scipy": scipy,
    }
    spoken |= {"softplus": lambda x: np.logaddexp(x, 0), "pi": np.pi, **SIZES, **NAMESPACE, **arrays}
    *statements, last = text.split("; ")
    for statement in statements:
        exec(statement, spoken)
    assert_same(trace_text(parse_numpy(text), text, shapes), arrays, eval(last.removeprefix("Y = "), spoken))


@pytest.mark.parametrize(
    ("text", "names", "nesting"),
    [
        ("X @ A", ["Y"], "single"),
        ("loss = X.sum()", ["loss"], "single"),
        ("S = X @ X.T; Y = S @ X; loss = S.sum()", ["Y", "loss"], "tuple"),
        ("X, X @ A", ["Y1", "Y2"], "tuple"),
        ("X; X @ A", ["Y1", "Y2"], "tuple"),
        ("P, q = X, A", ["P", "q"], "tuple"),
        ("P = X; X @ A", ["P", "Y"], "tuple"),
        ("P = X; P = P + 1", ["P"], "single"),
        ("slogdet(X @ X.T)", ["Y1", "Y2"], "tuple"),
    ],
)
def test_outputs_of_a_text(text, names, nesting):
    traced = trace_text(parse_numpy(text), text, shapes_of(X="b n", A="n k"))
    assert (list(traced.outputs), traced.nesting) == (names, nesting)


# What is refused ---------------------------------------------------------------------------------------------------


def function(body, names, **captured):
    """A function with this body; its last line is returned if it is an expression."""
    lines = body.splitlines()
    if not re.match(r"\s|return|raise|pass|del ", lines[-1]):
        lines[-1] = f"return {lines[-1]}"
    source = f"def f({', '.join(names)}):\n" + "".join(f"    {line}\n" for line in lines)
    linecache.cache["row.py"] = (len(source), None, source.splitlines(keepends=True), "row.py")
    namespace = {**NAMESPACE, **captured, "__name__": "row"}
    exec(compile(source, "row.py", "exec"), namespace)
    return namespace["f"]


def refusal(body):
    """What tracing says to the body of a function."""
    names = names_in(body)
    return said(lambda: trace(function(body, names), inputs(names)[0]))


def said(action):
    """The error of an action, by type and whole message."""
    try:
        action()
    except TensorjacError as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("nothing was refused")


REFUSALS = [row for row in refused("refusals.txt") if installed(row[1])]


@pytest.mark.parametrize(("kind", "body", "message"), REFUSALS)
def test_refusal(kind, body, message):
    if kind == "text":
        shapes, _ = inputs(names_in(body))
        assert said(lambda: trace_text(parse_numpy(body), body, shapes)) == message
    else:
        assert refusal(body) == message


def shapes_of(**shapes):
    return {name: parse_shape(shape, name) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("fun", "shapes", "message"),
    [
        (
            lambda X, A: X @ A,
            {"X": "b m"},
            "TraceError: each parameter of the function gets a shape: A has no shape:\n"
            "  <lambda>(X, A)\n  ^^^^^^^^^^^^^^\n"
            "give a shape to each parameter by its own name.",
        ),
        (
            lambda inputs, A, c: inputs,
            {"input": "b m", "W": "m"},
            "TraceError: each parameter of the function gets a shape: inputs, A and c have no shape and input and W "
            "are no parameter:\n  <lambda>(inputs, A, c)\n  ^^^^^^^^^^^^^^^^^^^^^^\n"
            "did you mean inputs?",
        ),
        (
            lambda x: x,
            {"x": "n", "z": "n"},
            "TraceError: each parameter of the function gets a shape: z is no parameter:\n"
            "  <lambda>(x)\n  ^^^^^^^^^^^\n"
            "give a shape to each parameter by its own name.",
        ),
        (
            lambda b, X: X * b,
            {"b": "", "X": "b n"},
            "ShapeError: a scalar and a size have different names, and b is a scalar argument and a size of X "
            "(axis 0):\n"
            "  X: b n\n     ^\n"
            "rename one of the two.",
        ),
    ],
)
def test_wrong_parameters(fun, shapes, message):
    assert said(lambda: trace(fun, shapes_of(**shapes))) == message


def test_an_array_of_another_run_is_refused():
    kept = []
    trace(lambda x: kept.append(x) or x, shapes_of(x="n"))
    assert said(lambda: trace(function("kept[0] + x", ["x"], kept=kept), shapes_of(x="n"))) == (
        "TraceError: x of shape (n,) belongs to another run of a traced function (line 2 of row.py):\n"
        "  return kept[0] + x\n         ^^^^^^^^^^^\n"
        "pass it to the function as an argument; keep no arrays from one run for the next."
    )


def test_places_that_are_hard_to_show():
    """Of an expression on several lines the first is shown; without source the line number has to do."""
    message = refusal("é = X; Y = (é @\n    é)\nY")
    assert message.splitlines()[1:3] == ["  é = X; Y = (é @", "              ^^^"]
    hidden = eval(compile("lambda X: X @ X", "nowhere.py", "eval"), {"__name__": "nowhere"})
    assert said(lambda: trace(hidden, shapes_of(X="b n"))) == (
        "ShapeError: these shapes do not fit: axis 1 of X of shape (b, n) has size n, and axis 0 of X of shape (b, n) "
        "has size b (line 1 of nowhere.py).\n"
        "the axes that are multiplied and summed have one size: compare the shapes, a transpose may be missing."
    )


def test_what_numpy_hides_is_revealed():
    """NumPy answers some conversions that fail with words of its own; an error of the function's own stays."""
    message = refusal("np.empty((X.shape[0], 2))")
    assert message.startswith(
        "TraceError: the size b is symbolic, and a whole number is demanded of it (line 2 of row.py):"
    )
    with pytest.raises(TypeError, match=r"^mine$"):
        trace(
            function("try:\n    int(X.shape[0])\nexcept TypeError:\n    pass\nraise TypeError('mine')", ["X"]),
            shapes_of(X="n"),
        )


def test_an_unknown_attribute_is_none():
    """`hasattr` must work, as libraries ask it of whatever they are given."""
    assert (
        trace(lambda x: x if hasattr(x, "no_such_thing") else 2 * x, shapes_of(x="n"))
        .outputs["Y"][1]
        .terms[0]
        .coefficient
        == 2
    )
    assert trace(lambda x: x * (not hasattr(x, "__array_interface__")), shapes_of(x="n"))
    with pytest.raises(AttributeError) as caught:
        trace(lambda x: x.no_such_thing, shapes_of(x="n"))
    assert str(caught.value) == "a traced array has no attribute 'no_such_thing'"


# Statements, in place and views -------------------------------------------------------------------------------------

BODIES = """
Y = X * 2
Y += x
Y *= Y
Y -= Y.mean(axis=0)
Y /= 3
Y **= 2
Y

Y = X @ A
Z = Y
Y += 1
Z

a += 1
b = a
b *= 2
a + b

s = X.sum()
t = s
s += 1
s * t

Y = (X @ A).T
Y += 1
Y

Y = (X @ A).reshape(-1)
Y *= 2
Y

Y = X.copy()
Y += Y[0]
Y -= Y[::-1]
Y

Y = X.flatten()
Y += 1
Y

Y = X * 1
Y @= S
Y

Y = X > 0
Y &= Z > 0
Y |= X > 1
Y ^= X > 2
Y * X

r = x[0]
r += 1
r * x

H = X
for k in range(3):
    H = H + k
    H += Z
H

n = X.shape[0]
n += 1
n *= 2
n * x

total = 0
for row in F:
    total = total + row**2
total

p, q, r = F
p * q - r

Y = np.roll(x, 0)
Y += 1
Y * x

Y = X.astype(float)
Y += 1
Y * X

Y = X + 0
d = np.einsum("ij->ji", Y)
Y = Y * 2
d

Y = X * 2
V = np.atleast_2d(Y.real).conj()
V += 1
Y

Y = X * 2
V = np.real(Y.astype(float, copy=False))
Y += 1
V

def g(u, scale=2.0):
    return scale * u
g(X) + g(Z, scale=3)

from functools import reduce
reduce(lambda p, q: p * q, [X, Z, X])

sum(F[k] for k in range(3)) + max(3, 2)

[X * k for k in range(3)][2]

W = {"p": X, "q": Z}
W["p"] * W["q"]

Y = x
Y = Y if Y.shape[0] >= 1 else -Y
Y if X.shape[0] is not None and x.ndim == 1 and x.shape == y.shape else None
"""


@pytest.mark.parametrize("body", [body.strip("\n") for body in BODIES.split("\n\n")])
def test_statements(body):
    names = names_in(body)
    shapes, arrays = inputs(names)
    fun = function(body, names)
    copies = {name: array.copy() if array.ndim else float(array) for name, array in arrays.items()}
    assert_same(trace(fun, shapes), arrays, fun(**copies))


VIEWS = """
Y.T; Y.mT; Y[0]; Y[:, ::2]; Y[None]; Y[...]; Y[..., 0]; Y.reshape(-1); Y.ravel(); Y.swapaxes(0, 1);
np.moveaxis(Y, 0, 1); np.transpose(Y); np.matrix_transpose(Y); np.rollaxis(Y, 1); np.flip(Y); np.fliplr(Y);
np.rot90(Y); np.expand_dims(Y, 0); np.squeeze(Y); np.squeeze(Y[:1]); np.atleast_3d(Y); np.split(Y, [1])[1];
np.hsplit(Y, [1])[0]; np.unstack(Y)[0]; np.einsum("ij->ji", Y); np.einsum("...->...", Y);
np.einsum("ii->i", Y[:, :3]); np.broadcast_to(Y, (2, 3, 4)); np.diagonal(Y);
np.lib.stride_tricks.sliding_window_view(Y, 2, axis=0)
"""


@pytest.mark.parametrize("view", list(filter(installed, rows(VIEWS))))
def test_writes_that_another_array_sees_are_refused(view):
    """What shares memory in NumPy shares it here: neither of the two is changed without the other."""
    array = np.ones((3, 4))
    assert np.may_share_memory(array, eval(view, {"np": np, "Y": array}))
    assert refusal(f"Y = F * 2\nV = {view}\nV += 1\nY").startswith("TraceError: an operation in place would write ")
    assert "shares memory with an array that was changed in place" in refusal(f"Y = F * 2\nV = {view}\nY += 1\nV * 1")
    assert refusal(f"V = {view.replace('Y', 'F')}\nV += 1\nF") != "TraceError: an operation in place would write "


# Inputs and outputs ------------------------------------------------------------------------------------------------


def test_names_and_nesting_of_outputs():
    shapes = shapes_of(X="b n")
    alone, several, listed = (trace(fun, shapes) for fun in (lambda X: X, lambda X: (X, 1.0), lambda X: [X, X.sum()]))
    assert (list(alone.outputs), alone.nesting) == (["Y"], "single")
    assert (list(several.outputs), several.nesting) == (["Y1", "Y2"], "tuple")
    assert (list(listed.outputs), listed.nesting) == (["Y1", "Y2"], "tuple")
    assert trace(lambda X: (X,), shapes).nesting == "tuple"
    by_name = trace(lambda X: {"loss": X.sum(), "X": X}, shapes)
    assert (list(by_name.outputs), by_name.nesting) == (["loss", "X"], "dict")
    both = trace(lambda X: np.linalg.slogdet(X @ X.T), shapes)
    assert (list(both.outputs), both.nesting) == (["Y1", "Y2"], "tuple")


def test_parameters():
    def fun(A, /, X, *, scale=2.0, c=1.0):
        return scale * (X @ A) + c

    traced = trace(fun, shapes_of(c="n", X="b m", A="m n"))
    assert list(traced.inputs) == ["A", "X", "c"]
    rng = np.random.default_rng(0)
    arrays = {"A": rng.normal(size=(3, 2)), "X": rng.normal(size=(4, 3)), "c": rng.normal(size=2)}
    assert_same(traced, arrays, 2 * arrays["X"] @ arrays["A"] + arrays["c"])
    assert list(trace(lambda **arrays: arrays["p"] + arrays["q"], shapes_of(p="n", q="n")).inputs) == ["p", "q"]
    assert list(trace(np.exp, shapes_of(x="n")).inputs) == ["x"]
    assert list(trace(special.erf, shapes_of(x="n")).inputs) == ["x"]
    without_signature = type("Odd", (), {"__signature__": 3, "__call__": lambda self, x, y: x * y})()
    assert list(trace(without_signature, shapes_of(q="n", p="n")).inputs) == ["q", "p"]


def test_constants_are_copied_and_named():
    weights, mask = np.array([1.0, 2.0]), np.array([True, False])

    def fun(X, C1):
        return X * weights + C1, X[mask[0] * 1], np.where(mask, X, weights), X * np.array([1.0, 2.0])

    traced = trace(fun, shapes_of(X="b 2", C1="2"))
    assert list(traced.constants) == ["C1_", "C2"]
    weights[0] = 7.0
    assert traced.constants["C1_"].tolist() == [1.0, 2.0]
    assert traced.constants["C2"].tolist() == [1.0, 0.0]
    assert not traced.constants["C1_"].flags.writeable
    assert trace(lambda x: (np.ones(3) * 2, x)[1], shapes_of(x="n")).constants == {}
    assert trace(lambda x: (x * np.ones(1), x)[1], shapes_of(x="n")).constants == {}


def test_constants_of_a_text_keep_their_names():
    text = "X * weights + weights"
    traced = trace_text(parse_numpy(text), text, shapes_of(X="b 2"), {"weights": np.array([1.0, 2.0])})
    assert list(traced.constants) == ["weights"]
    assert list(traced.inputs) == ["X"]


@pytest.mark.parametrize(
    ("fun", "requirements"),
    [
        (lambda x: x[:3], ["n - 3 >= 0 (the slice [:3] of an axis of size n)"]),
        (lambda x: x[-3:], ["n - 3 >= 0 (the slice [-3:] of an axis of size n)"]),
        (lambda x: x[2], ["n - 3 >= 0 (index 2 of an axis of size n)"]),
        (lambda x: x[-2], ["n - 2 >= 0 (index -2 of an axis of size n)"]),
        (lambda x: x[0] + x[-1] + x[::-1][0], ["n - 1 >= 0 (index 0 of an axis of size n)"]),
        (lambda x: x[1:] - x[:-1], ["n - 1 >= 0 (the slice [1:] of an axis of size n)"]),
        (lambda x: x[::-1] - x[:0].sum(), []),
        (lambda x: x - x.max(), ["n - 1 >= 0 (np.max over an axis of size n)"]),
        (lambda x: x[2] + x[:3] + x[1], ["n - 3 >= 0 (index 2 of an axis of size n)"]),
        (lambda x: x.reshape(-1, 4), ["n - 4*(n//4) == 0 (the reshape from (n,) to (-1, 4))"]),
        (lambda x: x.reshape(4, x.shape[0] // 4), ["n - 4*(n//4) == 0 (the reshape from (n,) to (4, n//4))"]),
        (lambda x: np.split(x, 2)[0], ["2*(n//2) - n == 0 (np.split into 2 parts of an axis of size n)"]),
        (lambda x: x[[0, 4, 1]], ["n - 5 >= 0 (an array of positions along an axis of size n)"]),
        (lambda x: np.diagonal(x[:, None] * x, 2), ["n - 2 >= 0 (diagonal 2 of an array of shape (n, n))"]),
        (lambda x: np.roll(x, 2), ["n - 2 >= 0 (np.roll by 2 along an axis of size n)"]),
        (lambda x: np.roll(x, -3), ["n - 3 >= 0 (np.roll by -3 along an axis of size n)"]),
        (lambda x: np.convolve(x, [1.0, 2.0]), ["n - 1 >= 0 (np.convolve of x of shape (n,))"]),
        (lambda x: x.var(ddof=2), ["n - 2 >= 0 (a variance of n entries with ddof=2)"]),
        (
            lambda x: x[::2] * x[1::2],
            [
                "n - 1 >= 0 (the slice [1::2] of an axis of size n)",
                "(n + 1)//2 - n//2 == 0 (axis -1 of size (n + 1)//2 in an array of shape ((n + 1)//2,) "
                "and size n//2 in an array of shape (n//2,))",
            ],
        ),
        (
            lambda x: x[: x.shape[0] // 2] @ x[x.shape[0] // 2 :],
            [
                "2*(n//2) - n == 0 (a product where axis 0 of an array of shape (n//2,) has size n//2, and axis 0 of "
                "an array of shape (n - n//2,) has size n - n//2)"
            ],
        ),
        (
            lambda x: np.stack([x[: x.shape[0] // 2], x[x.shape[0] // 2 :]]),
            [
                "2*(n//2) - n == 0 (arrays that are joined, of which axis 0 has size n//2 in an array of shape "
                "(n//2,) and size n - n//2 in an array of shape (n - n//2,))"
            ],
        ),
        (
            lambda x: np.lib.stride_tricks.sliding_window_view(x, 3),
            ["n - 3 >= 0 (windows of width 3 along an axis of size n)"],
        ),
        (
            lambda x: np.convolve(x, [1.0, 2.0], "valid"),
            ["n - 2 >= 0 (np.convolve of x of shape (n,) with the longer an array of shape (2,))"],
        ),
        (lambda x: tj.arange(3, x.shape[0]), ["n - 3 >= 0 (tj.arange(3, n, 1))"]),
    ],
)
def test_requirements(fun, requirements):
    found = [f"{dim} {relation} 0 ({reason})" for dim, relation, reason in trace(fun, shapes_of(x="n")).requirements]
    assert found == requirements


def test_a_split_axis_under_a_requirement():
    traced = trace(lambda X: X.reshape(X.shape[0], 2, -1).transpose(1, 0, 2), shapes_of(X="b n"))
    X = np.arange(24.0).reshape(4, 6)
    assert_same(traced, {"X": X}, X.reshape(4, 2, 3).transpose(1, 0, 2))


def test_attributes():
    def fun(X, F):
        assert (str(X.shape), X.ndim, str(X.size), X.dtype) == ("(b, n)", 2, "b*n", np.float64)
        assert (F.shape, F.size, len(F), (F > 0).dtype, tj.arange(3).dtype) == ((3, 4), 12, 3, np.bool_, np.int64)
        assert repr(X) == "Tracer(shape=(b, n))" and repr(X.shape[0]) == "b"
        return X.sum()

    trace(fun, shapes_of(X="b n", F="3 4"))


def test_size_arithmetic():
    def fun(X):
        b, n = X.shape
        assert str((b + 1, 2 * b - 1, n // 2, b * n, -b + n, b**2, divmod(n, 2)[0])) == (
            "(b + 1, 2*b - 1, n//2, b*n, n - b, b**2, n//2)"
        )
        same = X.shape[0]
        assert b == same and (b != same) is False
        assert b > 0 and b >= 1 and not b < 1 and not b <= 0 and b + 1 > b and b > 0.5 and not b < 0.5 and b != 0 and b
        assert b != 0.5 and b != "b" and b < math.inf and not b > math.inf and not b < math.nan
        assert 2 * b // 2 == b and (b * n) // n == b and 7 - b == 7 - b and round(b) == b and abs(b) == b and +b == b
        assert np.square(b) == b * b and np.add(b, 1) == b + 1 and np.negative(b) == -b
        assert 7 // X.shape[0] == 7 // b and 7 % b == 7 - b * (7 // b) and divmod(7, b)[0] == 7 // b
        assert X.shape == X.shape and X.shape[0] in X.shape
        return X

    trace(fun, shapes_of(X="b n"))


def test_numpy_text_inside_index_notation():
    text = "inv(X.T @ X + n * np.eye(n))[ij]"
    shapes = shapes_of(X="b n")
    (node,) = (statement.value for statement in parse_numpy(text[:-4]).statements)
    value = numpy_reader(text, {"X": Input("X", shapes["X"])})(node)
    n = shapes["X"][1]
    i, j = Index.fresh(n), Index.fresh(n)
    assert (value.shape, value.requirements) == ((n, n), ())
    X = np.random.default_rng(0).normal(size=(4, 3))
    expected = np.linalg.inv(X.T @ X + 3 * np.eye(3))
    np.testing.assert_allclose(evaluate(value.read((j, i)), (i, j), {"X": X}, {"b": 4, "n": 3}), expected.T)


def test_arrays_without_a_trace_can_be_shown():
    assert repr(Tracer((Index.fresh(Dim.of("n")),), constant(1))) == "Tracer(shape=(n,))"
    assert said(lambda: np.sort(Tracer((Index.fresh(Dim.of("n")),), constant(1)))).startswith("UnsupportedError: ")


def test_constructors_are_numpys_outside_a_trace():
    assert np.array_equal(tj.eye(2, 3, 1), np.eye(2, 3, 1)) and tj.eye(2).dtype == float
    assert np.array_equal(tj.ones((2, 3)), np.ones((2, 3))) and np.array_equal(tj.zeros(2), np.zeros(2))
    assert np.array_equal(tj.arange(1, 7, 2), np.arange(1, 7, 2)) and np.array_equal(tj.arange(3), np.arange(3))
    assert np.array_equal(tj.full((2,), 3), np.full((2,), 3)) and np.array_equal(tj.identity(2), np.eye(2))


def test_every_function_has_a_row():
    """A function that is registered is tested by some row above, under its own name or as an operator."""
    operators = (
        "add subtract multiply divide negative positive power matmul absolute getitem greater greater_equal less"
    )
    operators += " less_equal equal not_equal invert bitwise_and bitwise_or bitwise_xor copy astype"
    aliases = "bitwise_not bitwise_invert conjugate"
    rows = " ".join([*EXPRESSIONS, *IN_TEXT, BODIES])
    known = {*operators.split(), *aliases.split()}
    names = [name for name in numpy_namespace if not any(f".{absent}".endswith(f".{name}") for absent in ABSENT)]
    assert [name for name in names if name not in known and f"{name}(" not in rows] == []


# Random chains -----------------------------------------------------------------------------------------------------

STEPS = """
v.T; v[::-1]; v[1:]; v[:-1]; v[..., ::2]; v[..., 1::2]; v[..., ::-2]; v[0]; v[..., -1]; v[None]; v[..., None];
np.flip(v); v[-2::-1]; np.roll(v, 1, axis=0); np.roll(v, -1, axis=-1); v.reshape(-1); v.reshape(v.shape[0], -1);
v.reshape(-1, v.shape[-1]); v.reshape(v.shape[::-1]); v.reshape(v.shape[1], -1); v.sum(axis=0);
v.sum(axis=-1, keepdims=True); v.mean(axis=0, keepdims=True); np.stack([v, 2 * v], axis=-1);
np.stack([v, v * v]); np.concatenate([v, v * v], axis=0); np.concatenate([2 * v, v], axis=-1); np.pad(v, 1);
np.pad(v, (0, 2)); np.repeat(v, 2, axis=0); np.repeat(v, 2, axis=-1); np.tile(v, 2); np.diag(v, 1); np.diag(v);
np.diagonal(v, 0, -2, -1); np.diagonal(v, -1, -2, -1); np.tril(v); np.triu(v, 1); np.cumsum(v, 0); v * v;
v - v[::-1]; v[:, None] * v; v @ v.mT; v.mT @ v; v[[1, 0, 1]]; v[..., [0, 1, -1, 0]]; v.max(axis=0);
np.where(v > 0.1, v, 0.5); np.einsum("...ii->...i", v); np.einsum("...ii->...", v); np.swapaxes(v, 0, -1);
np.exp(-v * v); np.lib.stride_tricks.sliding_window_view(v, 2, axis=-1)
"""


@given(
    st.sampled_from(["n", "b n", "n n", "b n k", "2 3", "4", "3 3", "2 3 4", "1 n", "b 1", "2*n", "n b n"]),
    st.lists(st.sampled_from(rows(STEPS)), min_size=1, max_size=8),
)
def test_chains(shape, steps):
    """Any steps in a row: those that NumPy refuses are left out; what tracing refuses is a fact about sizes."""
    dims = parse_shape(shape, "X")
    array = np.random.default_rng(0).normal(size=tuple(dim.evaluate(SIZES) for dim in dims))
    value, kept = array, []
    for step in steps:
        try:
            following = eval(step, {"np": np, "v": value})
        except (ValueError, IndexError, TypeError, AttributeError):
            continue
        if 0 < following.size <= 2000 and np.max(np.abs(following)) < 1e6:
            value = following
            kept.append(step)

    def fun(X):
        v = X
        for step in kept:
            v = eval(step, {"np": np, "v": v})
        return v

    try:
        traced = trace(fun, {"X": dims})
        bind_sizes(traced.inputs, {"X": array.shape}, traced.requirements)
    except ShapeError as error:
        assert re.search("depends on the sizes|has size", str(error)), error
        return
    assert_same(traced, {"X": array}, value)
