"""What the checker says where a question or a claim makes no sense: whole messages."""

from types import SimpleNamespace

import numpy as np
import pytest

import tensorjac as tj
from tensorjac.check import Finding, Report
from tensorjac.check.derivation.paper import Lowering
from tensorjac.check.derivation.shapes import Shapes
from tensorjac.check.derivation.text import LONGEST
from tensorjac.matrix.plain import plain
from tensorjac.notation.syntax import Node

SHAPES = {"X": "b m", "A": "m n"}


def matmul(X, A):
    return X @ A


F = tj.trace(matmul, **SHAPES)
SPLIT = tj.trace(lambda X, A, G: {"u": X.T @ G, "v": G @ A.T}, **SHAPES, G="b n")
WRONG = Report((Finding("A", "wrong", "dA has the wrong sign.", "sign"),), "the VJP of matmul")

REFUSED = [
    (
        lambda: tj.check_steps("X: b m"),
        tj.NotationError,
        "line 1: a derivation has at least one =, and here is none: write one.",
    ),
    (lambda: plain(None), TypeError, "NoneType is no node of matrix notation"),
    (lambda: Shapes("", SimpleNamespace(letters={})).of(Node()), TypeError, "Node is no node of paper notation"),
    (lambda: Lowering(None, None, {}).of(Node()), TypeError, "Node is no node of paper notation"),
    (
        lambda: tj.check_steps("x" * (LONGEST + 1)),
        tj.NotationError,
        "a derivation has at most 20000 characters, and this one has 20001: split it.",
    ),
    (
        lambda: tj.check_vjp(matmul, {"A": "X.T @ G"}),
        tj.TraceError,
        (
            "a check needs a function that was traced, and function is none: make it with tj.trace, tj.parse "
            "or tj.opaque."
        ),
    ),
    (
        lambda: tj.check_vjp(F, {"A": "X.T @ G"}, at={"Z": 1}),
        tj.TraceError,
        "at= names inputs, and Z is none: choose from X, A.",
    ),
    (
        lambda: tj.check_vjp(F, {"A": "X.T @ G"}, symmetric=("X",)),
        tj.ShapeError,
        (
            "a symmetric input is a square matrix, and X is none: symmetric= names inputs among X, A whose "
            "last two sizes are the same."
        ),
    ),
    (
        lambda: tj.check_vjp(F, {"A": "X.T @ G"}, domain={"X": "odd"}),
        tj.ShapeError,
        (
            "an input is drawn from a domain, and 'odd' is none: choose from 'any', 'positive', 'unit', "
            "'between -1 and 1', 'above 1', 'symmetric', 'positive definite', 'invertible', 'mask', "
            "'one-hot', 'probabilities', or 'index n' for whole numbers below a size n."
        ),
    ),
    (
        lambda: tj.check_vjp(F, {"A": "X.T @ G"}, domain={"X": "index q"}),
        tj.ShapeError,
        (
            "the domain 'index q' draws whole numbers below a size, and there is no size 'q': choose from b, "
            "m, n, or give a number."
        ),
    ),
    (
        lambda: tj.check_vjp(F, {"W": "X.T @ G"}),
        tj.TraceError,
        "a claim is about an input of the function, and W is none: choose from X, A.",
    ),
    (
        lambda: tj.check_vjp(F, {("X", "A"): "X"}),
        tj.TraceError,
        "a vjp is by one input, and the claim is about X, A.",
    ),
    (
        lambda: tj.check_vjp(F, {"A": 3}),
        tj.TraceError,
        (
            "the claim about A is a text, a callable or None, and int is none: write it as text, such as 'X.T"
            " @ G', or as a function of the inputs."
        ),
    ),
    (
        lambda: tj.check_vjp(F, 3),
        tj.TraceError,
        (
            'a claim is a callable, a text, or a dict from inputs to these, and int is none: write {"A": "X.T'
            ' @ G"} for example.'
        ),
    ),
    (
        lambda: tj.check_vjp(F, "X.T @ G"),
        tj.NotationError,
        "a text says which input it is about, and 'X.T @ G' does not: write dX or dA = … .",
    ),
    (
        lambda: tj.check_vjp(F, SPLIT),
        tj.TraceError,
        (
            "the outputs of a claimed function are named dX, dA, and these are u, v: name them so, or claim "
            "one input at a time."
        ),
    ),
    (
        lambda: tj.check_vjp(F, lambda X, u, v, w: u),
        tj.TraceError,
        ("lambda takes (X, u, v, w), and the check passes (X, A, G): name parameters so, or take all in this order."),
    ),
    (
        lambda: tj.check_vjp(F, lambda X, A, G: (G @ A.T, X.T @ G, 1)),
        tj.TraceError,
        (
            "a backward function returns one gradient per input, and lambda returns 3 for (X, A): return None"
            " for an input that you claim nothing about."
        ),
    ),
    (
        lambda: tj.check_vjp(F, lambda X, A, G: X.T @ G),
        tj.TraceError,
        (
            "a backward function returns one gradient per input, and lambda returns one ndarray for (X, A): "
            "return a tuple, or a dict by name."
        ),
    ),
    (
        lambda: tj.check_vjp(F, lambda X, A, G: {"W": X.T @ G}),
        tj.TraceError,
        "a dict of gradients has the names of inputs as keys, and lambda returns 'W': use X, A.",
    ),
    (
        lambda: tj.check_vjp(tj.trace(lambda x: x[50000:].sum(), x="n"), {"x": "x"}),
        tj.ShapeError,
        (
            "a check draws sizes that satisfy what the function requires, and found none: give numbers for n "
            "with sizes=."
        ),
    ),
    (
        lambda: tj.check_grad(tj.trace(lambda x: np.log(-np.exp(x)).sum(), x="n"), {"x": "x"}),
        tj.ShapeError,
        (
            "a check runs the function at its own points, and found none at which it is finite (it is not "
            'finite at x: above 1): give sizes= and domain=, for example sizes={"n": 4}, domain={"x": '
            '"positive"}.'
        ),
    ),
    (
        lambda: tj.opaque(matmul, **SHAPES).vjp(),
        tj.UnsupportedError,
        (
            "matmul is a black box, which can be checked but not derived: make it with tj.trace or tj.parse "
            "to derive it."
        ),
    ),
    (
        lambda: tj.opaque(matmul, X="b m"),
        tj.TraceError,
        ("each parameter of matmul without a default gets a shape, and A has none: write A='b m' or the like."),
    ),
    (
        lambda: tj.opaque(matmul, **SHAPES, W="n"),
        tj.TraceError,
        "each shape belongs to a parameter of matmul, and W is none: its parameters are X, A.",
    ),
    (
        lambda: WRONG.raise_if_wrong(),
        tj.DerivationError,
        ("wrong: the VJP of matmul\n\nA  wrong (sign)\n   dA has the wrong sign."),
    ),
]


@pytest.mark.parametrize(("action", "kind", "message"), REFUSED)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_refused(action, kind, message):
    with pytest.raises(kind) as caught:
        action()
    assert str(caught.value) == message
