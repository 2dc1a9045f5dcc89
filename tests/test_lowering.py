"""Index notation to expressions: what a text means, how large each index is, and what is said of faults."""

from __future__ import annotations

import re

import numpy as np
import pytest

import index_notation
import tensorjac as tj
from evaluate import evaluate
from tensorjac import rewrites
from tensorjac.dims import Dim, parse_shape
from tensorjac.errors import NotationError, ShapeError
from tensorjac.notation import parse_index
from tensorjac.notation.lowering import Lowered, Read, lower, lower_text
from tensorjac.primitives import PRIMITIVES
from tensorjac.terms import Index, Input, Sum

SHAPES = {
    "X": "m n",
    "A": "n p",
    "B": "3 4",
    "Q": "n n",
    "T": "b n n",
    "x": "n",
    "y": "m",
    "t": "b",
    "w": "k",
    "s": "",
}
SIZES = {"m": 2, "n": 3, "p": 5, "b": 4, "k": 2}


def lowered(text: str, shapes: dict[str, str] = SHAPES) -> tuple[Lowered, ...]:
    tensors = {name: Input(name, parse_shape(shape, name)) for name, shape in shapes.items()}
    return lower_text(parse_index(text, tuple(PRIMITIVES)), text, tensors, PRIMITIVES, rewrites)


def only(text: str) -> Lowered:
    (found,) = lowered(text)
    return found


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = {name: parse_shape(shape, name) for name, shape in SHAPES.items()}
    drawn = {name: rng.uniform(0.5, 2, [dim.evaluate(SIZES) for dim in shape]) for name, shape in shapes.items()}
    drawn["Q"] += 3 * np.eye(3)
    drawn["T"] += 3 * np.eye(3)
    drawn["t"] = np.array([2.0, 0.0, 1.0, 2.0])
    return drawn


def values(text: str) -> np.ndarray:
    found = only(text)
    axes = (*found.axes, *(axis for _, own in found.wrt for axis in own))
    return evaluate(found.body, axes, arrays(), SIZES)


# What texts mean


@pytest.mark.parametrize(
    "text",
    [
        "Y[ij] = X[ik] A[kj]",
        "Y[ij] = 2 X[ik] A[kj] - 1/2 X[ik] x[k] A[kj] / n",
        "L[] = X[ij]",
        "L[] = X[ij]^2 x[j] + y[i]",
        "Y[i] = X[ij] / (Σ_k exp(x[k]))",
        "Y[i] = y[i] (Σ_j x[j] - Σ_j x[j]^2) Σ_j x[j]",
        "Y[i] = y[i] + Σ_j X[ij] - 3",
        "Y[i] = -(X[ij] + y[i])^2",
        "Y[i] = y[i]^-1 + sqrt(y[i]) - y[i]^(3/2) + 2^y[i]",
        "Y[i:n, j:n] = δ[ij]",
        "Y[ij] = X[ij] δ[ik]",
        "Y[ij] = Q[ij] δ[ij]",
        "∂Y[ij]/∂A[kl] = X[ik] δ[jl]",
        "∂Y[i:m, j:n]/∂A[kl] = 0",
        "dX[i:m, j:n] = s[]",
        "dX[i:m, j:n] = s[]^2 + 1",
        "Y[ij] = E[ij] / z[i] where E[ij] = exp(X[ij]), z[i] = Σ_k E[ik]",
        "Y[ij] = inv(Q)[ij] + inv(Q)[ki] Q[kj]",
        "L[] = det(Q)[] s[]",
        "Y[i] = (m + n)/p x[i] * 2 - n^2 x[i]",
    ],
)
def test_meaning_by_an_independent_reader(text: str) -> None:
    np.testing.assert_allclose(values(text), index_notation.evaluate(text, arrays(), SIZES), rtol=1e-12)


X, A, B, Q, T, x, y, t, s = (arrays()[name] for name in ("X", "A", "B", "Q", "T", "x", "y", "t", "s"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Y[i] = x[n-1-i]", x[::-1]),
        ("Y[i:n-1] = x[i+1] - x[i]", np.diff(x)),
        ("Y[i] = x[2*i]", x[::2]),
        ("Y[i] = x[|i| - 1 - i] x[i] y[j]", x[::-1] * x * y.sum()),
        ("Y[ij] = B[1, i] x[0] X[j, n-1]", np.multiply.outer(B[1] * x[0], X[:, 2])),
        ("Y[i] = Σ_k x[i+k] X[k, 0]", np.convolve(x, X[::-1, 0], "valid")),
        ("Y[(ij)] = X[ij]", X.ravel()),
        ("Y[(ik)(jl)] = X[ij] A[kl]", np.kron(X, A)),
        ("Y[(ij)] = Σ_{k:2} X[ij]", 2 * X.ravel()),
        ("Y[i:2, j] = B[ij]", B[:2]),
        ("Y[i:n-1] = x[i]", x[:-1]),
        ("Y[i:2] = x[i]", x[:2]),
        ("Y[i] = max_k(X[ik])", X.max(axis=1)),
        ("Y[] = max_kl(X[kl])", X.max()),
        ("Y[] = max(X)[]", X.max()),
        ("Y[] = prod(x)", x.prod()),
        ("Y[i] = det(T)[i]", np.linalg.det(T)),
        ("Y[kij] = inv(T)[kij]", np.linalg.inv(T)),
        ("Y[ij] = inv_kl(Q[lk] + 2 δ[kl])[ij]", np.linalg.inv(Q.T + 2 * np.eye(3))),
        ("Y[bij] = inv_kl(T[blk])[ij]", np.linalg.inv(T.mT)),
        ("Y[ij] = exp(X)[ij]", np.exp(X)),
        ("Y[ij] = X[ij] arange(n)[j]", X * np.arange(3)),
        ("Y[ij] = tril[ij] Q[ij]", np.tril(Q)),
        ("Y[ij] = A[t[i], j]", A[t.astype(int)]),
        ("Y[i] = x[2 - t[i]]", x[2 - t.astype(int)]),
        (
            "Y[i] = less(x[i], 1) + 2 less_equal(x[i], 1) + 4 not_equal(x[i], x[0])",
            1.0 * (x < 1) + 2 * (x <= 1) + 4 * (x != x[0]),
        ),
        ("Y[i] = square(x[i]) + reciprocal(x[i])", x**2 + 1 / x),
        ("Y[i] = where(greater(x[i], 1), x[i], 0)", np.where(x > 1, x, 0)),
        ("Y[i] = x[i] (n//2) max(n - 5, 0) + x[i] ((n + 1)//2)", 2 * x),
        ("Y[i:n] = δ[i = 2*j] x[j]", np.array([x[0], 0, x[1]])),
        ("Y[n] = x[n]", x),
        ("Y[i] = |j| X[ij] + |i|", 3 * X.sum(axis=1) + 2),
        ("Y[i] = E[i] + Z[i] where Z[i] = 2 E[n-1-i], E[i] = x[i]^2", x**2 + 2 * x[::-1] ** 2),
    ],
)
def test_values(text: str, expected: np.ndarray) -> None:
    np.testing.assert_allclose(values(text), expected, rtol=1e-12)


def test_a_sum_in_brackets_is_one_term() -> None:
    np.testing.assert_allclose(values("L[] = (x[i] + y[j])"), 2 * x.sum() + 3 * y.sum())
    np.testing.assert_allclose(values("L[] = x[i] + y[j]"), x.sum() + y.sum())


def test_numbers_are_exact_unless_they_are_floats() -> None:
    for text, shown in [
        ("1/2 s", "Fraction(1, 2)"),
        ("0.5 s", "0.5"),
        ("2.0 s", "2"),
        ("2^-2 s", "Fraction(1, 4)"),
    ]:
        (term,) = only(f"L[] = {text}").body.terms
        assert repr(term.coefficient) == shown
    assert only("L[] = s^(-1/2)").body == rewrites.power(only("L[] = s").body, -0.5)


def test_several_equations_share_definitions() -> None:
    first, second = lowered("Y[i] = E[i]; Z[i] = 2 Y[i] + E[i] where E[i] = exp(x[i])")
    assert (first.name, second.name) == ("Y", "Z")
    np.testing.assert_allclose(evaluate(second.body, second.axes, arrays(), SIZES), 3 * np.exp(x))


@pytest.mark.parametrize(
    "text",
    [
        "y[j] = v[j] where v[j] = max_v(X[vj])",
        "y[j] = m[j] where m[j] = max_m(X[1-m, j])",
        "y[i] = v[i] where v[l:2] = X[mv] δ[l = m + v]",
        "y[i] = v[i] where v[l] = δ[vl] X[lv]",
        "y[i] = v[i] where v[l] = Σ_{v:2} X[vl]",
        "y[ij] = v[ij] where v[ij] = inv_kv(X[kv])[ij]",
    ],
)
def test_a_letter_is_no_name(text: str) -> None:
    """A definition may be called like an index, and be used where that is used."""
    assert tj.parse(text, X="2 2") == tj.parse(re.sub(r"\bv(?=\[)|\bm(?=\[)", "w", text), X="2 2")


def test_a_name_in_a_slot_is_needed() -> None:
    text = "y[i] = E[t[i] + 0, 0] where t[i] = u[i], u[i] = t[i]"
    with pytest.raises(NotationError, match="no equation defines a name by itself"):
        tj.parse(text, E="2 2")


def test_inf_is_an_input_where_there_is_one() -> None:
    assert tj.parse("y[i] = inf[] x[i]", x="n", inf="") == tj.parse("y[i] = inf x[i]", x="n", inf="")


def test_derivatives_say_what_they_are_by() -> None:
    found = only("∂Y[ij]/∂A[kl] = X[ik] δ[jl]")
    assert found.name == "Y"
    assert [(name, [axis.dim for axis in axes]) for name, axes in found.wrt] == [("A", [Dim.of("n"), Dim.of("p")])]
    assert [axis.dim for axis in found.axes] == [Dim.of("m"), Dim.of("p")]
    found = only("∂²L[]/∂x[i]∂A[jk] = 0")
    assert [name for name, _ in found.wrt] == ["x", "A"] and not found.axes and not found.body


def test_the_target_of_a_derivative_may_be_called_like_an_input() -> None:
    found = only("∂x[i:m, j]/∂x[k] = X[ij] x[k]")
    assert [axis.dim for axis in found.axes] == [Dim.of("m"), Dim.of("n")]


def test_what_only_a_call_can_tell_is_required() -> None:
    (requirement,) = only("Y[i:2] = x[i]").requirements
    assert requirement == (Dim.of("n") - 2, ">=", "an index of size 2 stands at an axis of size n")
    (requirement,) = only("Y[i:m] = x[i+0]").requirements
    assert requirement == (Dim.of("n") - Dim.of("m"), ">=", "i+0 stands at an axis of size n")
    (requirement,) = only("Y[i] = x[i+1]").requirements
    assert requirement == (Dim.of("n") - 1, ">=", "index i has size n - 1")
    assert not only("Y[i] = x[n-1-i]").requirements


def test_a_function_of_whole_tensors_may_be_read_by_others() -> None:
    class Twice:
        shape = (Dim.of("n"),)

        def read(self, slots):
            return rewrites.multiply(rewrites.read(Input("x", self.shape)(*slots)), only("L[] = 2").body)

    text = "Y[i] = double(x + x)[i]"
    tensors = {"x": Input("x", (Dim.of("n"),))}
    calls = []

    def reader(call):
        calls.append(call.function.name)
        return Twice()

    (found,) = lower_text(parse_index(text, PRIMITIVES), text, tensors, PRIMITIVES, rewrites, reader)
    np.testing.assert_allclose(evaluate(found.body, found.axes, arrays(), SIZES), 2 * x)
    assert calls == ["double"]


def test_a_hundred_levels_of_brackets() -> None:
    text = "L[] = " + "tanh(1 + " * 95 + "s" + ")" * 95
    value = s
    for _ in range(95):
        value = np.tanh(1 + value)
    np.testing.assert_allclose(values(text), value)


def test_a_thousand_definitions() -> None:
    chain = ", ".join(f"x{k}[i] = x{k + 1}[i] + 1" for k in range(1000))
    text = f"Y[i] = x0[i] where {chain}, x1000[i] = x[i]"
    np.testing.assert_allclose(values(text), x + 1000)


# Derivative rules


@pytest.mark.parametrize(("name", "arg"), [(name, arg) for name, one in PRIMITIVES.items() for arg in range(one.arity)])
def test_every_rule_of_the_table_is_an_expression(name: str, arg: int) -> None:
    """Over the letters on its left side, in X and Y."""
    primitive = PRIMITIVES[name]
    text = primitive.rules[arg]
    text = f"Y[] = {text}" if primitive.elementwise else text
    (equation,) = parse_index(text, tuple(PRIMITIVES)).equations
    sizes = {"m": Dim.of("m"), "n": Dim.of("n")}
    shape = tuple(sizes[letter] for letter in primitive.core(arg))
    result = tuple(sizes[letter] for letter in primitive.core_out)
    inputs = ["X"] if primitive.arity == 1 else [f"X{k + 1}" for k in range(primitive.arity)]
    names = {one: Read(Input(one, shape), rewrites) for one in inputs}
    names["Y"] = Read(Input("Y", result), rewrites)
    bound = [bound.letter for side in (equation.target, *equation.wrt) for axis in side.axes for bound in axis.letters]
    letters = {letter: Index.fresh(dim) for letter, dim in zip(bound, (*result, *shape), strict=bool(shape))}
    body = lower(equation.right, letters, names, PRIMITIVES, rewrites, text)
    assert isinstance(body, Sum)
    assert body.labels <= set(letters.values())


# What goes wrong


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        # sizes of indices
        (
            "Y[ij] = B[ij] x[j]",
            ShapeError,
            """an index has one size, and index j has size 4 in B[ij] and size n in x[j]:
  Y[ij] = B[ij] x[j]
                ^^^^
use another letter in one of them, or change a shape.""",
        ),
        (
            "Y[i:m] = x[i]",
            ShapeError,
            """an index has one size, and index i has size m in i:m and size n in x[i]:
  Y[i:m] = x[i]
           ^^^^
use another letter in one of them, or change a shape.""",
        ),
        (
            "Y[i:n] = B[i, 0] x[i]",
            ShapeError,
            """an index has one size, and index i has size n in i:n and size 3 in B[i, 0]:
  Y[i:n] = B[i, 0] x[i]
           ^^^^^^^
use another letter in one of them, or change a shape.""",
        ),
        (
            "Y[i:5, j] = B[ij]",
            ShapeError,
            """an index has one size, and index i has size 5 in i:5 and size 3 in B[ij]:
  Y[i:5, j] = B[ij]
              ^^^^^
use another letter in one of them, or change a shape.""",
        ),
        (
            "Y[ij] = x[i] y[j] δ[ij]",
            ShapeError,
            """δ compares two indices of one size, and index i has size n in x[i] and index j has size m in y[j]:
  Y[ij] = x[i] y[j] δ[ij]
                    ^^^^^
make the sizes equal, or write "δ[i = j + 0]".""",
        ),
        (
            "Y[i, j] = x[i]",
            NotationError,
            """every index has a size, and nothing shows that of index j:
  Y[i, j] = x[i]
       ^
write it out, as in "j:b".""",
        ),
        (
            "Y[i] = x[i] δ[jk]",
            NotationError,
            """every index has a size, and nothing shows that of index j:
  Y[i] = x[i] δ[jk]
              ^^^^^
sum over it with its size, as in "Σ_{j:b}".""",
        ),
        (
            "Y[i] = x[i] |j|",
            NotationError,
            """every index has a size, and nothing shows that of index j:
  Y[i] = x[i] |j|
              ^^^
sum over it with its size, as in "Σ_{j:b}".""",
        ),
        (
            "Y[i:n] = x[i+1]",
            ShapeError,
            """a slot stays within its axis, and i+1 runs from 1 to n, and the axis of x[i+1] has size n:
  Y[i:n] = x[i+1]
             ^^^
change the slot, or the size of an index in it.""",
        ),
        (
            "Y[i] = B[3, i]",
            ShapeError,
            """a slot stays within its axis, and here stands 3, and the axis of B[3, i] has size 3:
  Y[i] = B[3, i]
           ^
change the slot, or the size of an index in it.""",
        ),
        (
            "Y[ij] = inv_kl(X[kl])[ij]",
            ShapeError,
            """inv takes a square matrix, and index k has size m and index l size n:
  Y[ij] = inv_kl(X[kl])[ij]
          ^^^^^^^^^^^^^^^^^
give it a matrix with two equal sizes.""",
        ),
        # sizes and slots
        (
            "Y[i:q] = 1",
            NotationError,
            """a size consists of whole numbers and the names of sizes, and this does not:
  Y[i:q] = 1
      ^
the known sizes are b, k, m, n, p.""",
        ),
        (
            "Y[i:3-4] = 1",
            NotationError,
            """a size is at least 0, and this one is -1:
  Y[i:3-4] = 1
      ^^^
write a size of at least 0.""",
        ),
        (
            "Y[i] = x[2*i+foo]",
            NotationError,
            """a slot consists of letters and sizes, and "foo" is neither:
  Y[i] = x[2*i+foo]
               ^^^
use one letter per index; the known sizes are b, k, m, n, p.""",
        ),
        (
            "Y[i] = x[i*i]",
            NotationError,
            """a slot is a sum of letters, times whole numbers, and a whole number, and this is none:
  Y[i] = x[i*i]
           ^^^
write a slot such as "2*i + 1".""",
        ),
        (
            "Y[i] = x[exp(i)]",
            NotationError,
            """a slot is a sum of letters, times whole numbers, and a whole number, and this is none:
  Y[i] = x[exp(i)]
           ^^^^^^
write a slot such as "2*i + 1".""",
        ),
        (
            "Y[i] = δ[x[i] = 2]",
            NotationError,
            """δ compares letters, and here stands a tensor:
  Y[i] = δ[x[i] = 2]
           ^^^^
write "equal(…, …)".""",
        ),
        # names and the number of slots
        (
            "Y[i] = X[i]",
            ShapeError,
            """there is one slot per axis; X has 2 axes, and here stands 1 slot:
  Y[i] = X[i]
         ^^^^
write 2 slots, as in X[ij].""",
        ),
        (
            "Y[ij] = s[ij]",
            ShapeError,
            """there is one slot per axis; s has no axes, and here stand 2 slots:
  Y[ij] = s[ij]
          ^^^^^
write no slots, as in s[].""",
        ),
        (
            "Y[ij] = inv_kl(Q[kl])",
            ShapeError,
            """there is one slot per axis; inv_kl(…) has 2 axes, and here stand no slots:
  Y[ij] = inv_kl(Q[kl])
          ^^^^^^^^^^^^^
write 2 slots, as in inv_kl(…)[ij].""",
        ),
        (
            "Y[i] = W[i]",
            NotationError,
            """brackets follow the name of a tensor, and W is none:
  Y[i] = W[i]
         ^^^^
use one of A, B, Q, T, X, s, t, w, x, y, or define W behind where.""",
        ),
        (
            "Y[i] = X x[i]",
            NotationError,
            """a tensor is written with its slots, and X has 2 axes:
  Y[i] = X x[i]
         ^
write "X[ij]", or another choice of letters.""",
        ),
        (
            "Y[i] = q x[i]",
            NotationError,
            """a name without brackets is a size or a scalar, and "q" is neither:
  Y[i] = q x[i]
         ^
the known ones are b, k, m, n, p, s.""",
        ),
        (
            "∂Y[i]/∂W[j] = x[i] δ[ij]",
            NotationError,
            """a derivative is taken by an input, and W is none:
  ∂Y[i]/∂W[j] = x[i] δ[ij]
         ^^^^
use one of A, B, Q, T, X, s, t, w, x, y.""",
        ),
        (
            "∂Y[i]/∂X[(jk)] = x[i] δ[ij]",
            NotationError,
            """a tensor in a derivative has one letter per axis, and here several are in brackets:
  ∂Y[i]/∂X[(jk)] = x[i] δ[ij]
         ^^^^^^^
take the inner brackets out.""",
        ),
        (
            "Y[i] = E[i] where E[i] = F[i], F[i] = E[i]",
            NotationError,
            """no equation defines a name by itself, and E is needed to find E:
  Y[i] = E[i] where E[i] = F[i], F[i] = E[i]
                                        ^^^^
take it out, or use another name.""",
        ),
        (
            "Y[i] = x[i] where x[i] = y[i]",
            NotationError,
            """behind where stand new names, and x is an input:
  Y[i] = x[i] where x[i] = y[i]
                    ^^^^
use another name.""",
        ),
        (
            "Y[i] = Z[i]; Y[i] = 2 Z[i] where Z[i] = x[i]",
            NotationError,
            """a name is defined once, and Y is defined twice:
  Y[i] = Z[i]; Y[i] = 2 Z[i] where Z[i] = x[i]
               ^^^^
use two names.""",
        ),
        # functions
        (
            "Y[i] = tanhh(x[i])",
            NotationError,
            """a bracket follows the name of a function, and tanhh is none:
  Y[i] = tanhh(x[i])
         ^^^^^^^^^^^
put a space before the bracket to multiply, or use a function such as tanh, tan, arctanh.""",
        ),
        (
            "Y[i] = exp(x[i], x[i])",
            NotationError,
            """exp takes 1 argument, and here are 2:
  Y[i] = exp(x[i], x[i])
         ^^^^^^^^^^^^^^^
write 1 argument.""",
        ),
        (
            "Y[i] = less(x[i])",
            NotationError,
            """less takes 2 arguments, and here is 1:
  Y[i] = less(x[i])
         ^^^^^^^^^^
write 2 arguments, separated by commas.""",
        ),
        (
            "Y[i] = exp_k(x[k])",
            NotationError,
            """an elementwise function has no axes of its own, and here are letters behind _:
  Y[i] = exp_k(x[k])
         ^^^^^^^^^^^
write "exp(…)", with the letters inside.""",
        ),
        (
            "Y[i] = inv_k(X[ik])",
            NotationError,
            """inv works on 2 axes, and behind _ stands 1 letter:
  Y[i] = inv_k(X[ik])
         ^^^^^^^^^^^^
write "inv_kl(…)".""",
        ),
        (
            "Y[ij] = inv(Q)",
            NotationError,
            """inv(Q) has 2 axes, and here are no brackets:
  Y[ij] = inv(Q)
          ^^^^^^
write "inv(Q)[ij]".""",
        ),
        (
            "Y[] = det(Q[ij])",
            NotationError,
            """a function of whole axes names them, and det does not:
  Y[] = det(Q[ij])
        ^^^^^^^^^^
write the letters behind _, as in "det_kl(X[kl])".""",
        ),
        (
            "Y[ij] = inv(x)[ij]",
            ShapeError,
            """inv works on 2 axes, and the argument in inv(x)[ij] has 1:
  Y[ij] = inv(x)[ij]
          ^^^^^^^^^^
give it an argument with more axes.""",
        ),
        (
            "Y[ij] = inv(X)[ij]",
            ShapeError,
            """inv takes a square matrix, and the argument in inv(X)[ij] has sizes m and n:
  Y[ij] = inv(X)[ij]
          ^^^^^^^^^^
give it a matrix with two equal sizes.""",
        ),
        (
            "Y[ij] = inv(Q @ Q)[ij]",
            NotationError,
            """a function of whole tensors takes the name of a tensor here, and this is an expression:
  Y[ij] = inv(Q @ Q)[ij]
          ^^^^^^^^^^
give the inner expression a name behind where.""",
        ),
        (
            "Y[i:n, j:n] = tril[0, j]",
            NotationError,
            """the first slot of tril is a letter, and this is none:
  Y[i:n, j:n] = tril[0, j]
                     ^
write "tril[ij]".""",
        ),
        # numbers
        (
            "Y[i] = x[i] // n",
            NotationError,
            """"//" divides sizes, and on one side of it stands something else:
  Y[i] = x[i] // n
         ^^^^^^^^^
write "/".""",
        ),
        (
            "Y[] = 1 / (s - s)",
            NotationError,
            """nothing is divided by 0, and this is 0 everywhere:
  Y[] = 1 / (s - s)
            ^^^^^^^
take the division out.""",
        ),
        (
            "Y[] = 3^100000",
            NotationError,
            """a number is raised to a power of at most 1000, and this one is 100000:
  Y[] = 3^100000
        ^^^^^^^^
write a smaller exponent.""",
        ),
        (
            "Y[] = 1e200^100",
            NotationError,
            """a float is at most 1.8e308, and this one is larger:
  Y[] = 1e200^100
        ^^^^^^^^^
write a smaller exponent.""",
        ),
    ],
)
def test_message(text: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        lowered(text)
    assert str(caught.value) == message


def test_a_function_that_a_spelling_needs_is_known() -> None:
    text = "Y[i] = x[i]^x[i]"
    with pytest.raises(NotationError) as caught:
        lower_text(parse_index(text), text, {"x": Input("x", (Dim.of("n"),))}, {}, rewrites)
    assert str(caught.value) == (
        "x[i]^x[i] is written with the function power, which is not known:\n"
        "  Y[i] = x[i]^x[i]\n         ^^^^^^^^^\nwrite it without."
    )
