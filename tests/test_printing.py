"""Expressions to index notation: the order of factors and letters, names for what is shared, sizes; and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tensorjac as tj
from evaluate import evaluate
from tensorjac import normal, rewrites
from tensorjac.dims import Dim, nonnegative, parse_shape
from tensorjac.errors import UnsupportedError
from tensorjac.notation import parse_index, printing
from tensorjac.notation.lowering import Lowered, lower_text
from tensorjac.notation.printing.writing import write_equation
from tensorjac.primitives import PRIMITIVES
from tensorjac.rewrites import add, apply, contract, multiply, power
from tensorjac.terms import (
    Constant,
    Index,
    Input,
    Position,
    Slot,
    Sum,
    Tensor,
    combine,
    constant,
    delta,
    of_factor,
    of_size,
)

SHAPES = {
    "X": "m n",
    "A": "n p",
    "G": "m p",
    "Q": "n n",
    "K": "n n",
    "x": "n",
    "y": "n",
    "u": "m",
    "t": "m",
    "s": "",
}
INPUTS = {name: parse_shape(shape, name) for name, shape in SHAPES.items()}
SIZES = {"m": 2, "n": 3, "p": 4}


def lowered(text: str, tensors: dict[str, Tensor] | None = None) -> tuple[Lowered, ...]:
    tensors = tensors or {name: Input(name, shape) for name, shape in INPUTS.items()}
    return lower_text(parse_index(text, tuple(PRIMITIVES)), text, tensors, PRIMITIVES, rewrites)


def printed(*equations: Lowered) -> str:
    if equations[0].wrt:
        (one,) = equations
        return printing.derivative((one.name, one.axes), one.wrt, one.body, INPUTS)
    return printing.text({one.name: (one.axes, one.body) for one in equations}, INPUTS)


def axes_of(one: Lowered) -> tuple[Index, ...]:
    return (*one.axes, *(axis for _, axes in one.wrt for axis in axes))


# What is printed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the order of factors, and letters
        ("Y[ac] = A[bc] X[ab]", "Y[ij] = X[ik] A[kj]"),
        ("∂Y[ac]/∂A[de] = δ[ce] X[ad]", "∂Y[ij]/∂A[kl] = X[ik] δ[jl]"),
        ("∂Y[ac]/∂X[de] = A[ec] δ[ad]", "∂Y[ij]/∂X[kl] = δ[ik] A[lj]"),
        ("dA[bc] = G[ac] X[ab]", "dA[ij] = X[ki] G[kj]"),
        ("dX[ab] = A[bc] G[ac]", "dX[ij] = G[ik] A[jk]"),
        ("∂y[a]/∂Q[bc] = x[c] δ[ab]", "∂y[i]/∂Q[jk] = δ[ij] x[k]"),
        ("dx[a] = Q[ba] x[b] + x[b] Q[ab]", "dx[i] = Q[ij] x[j] + Q[ji] x[j]"),
        ("∂²L[]/∂x[a]∂x[b] = Q[ba] + Q[ab]", "∂²L[]/∂x[i]∂x[j] = Q[ij] + Q[ji]"),
        ("∂Y[ab]/∂Q[cd] = Q[ac] δ[bd] + δ[ac] Q[db]", "∂Y[ij]/∂Q[kl] = δ[ik] Q[lj] + Q[ik] δ[jl]"),
        ("∂Y[ab]/∂X[cd] = X[ca] δ[bd] + δ[ad] X[cb]", "∂Y[ij]/∂X[kl] = δ[il] X[kj] + X[ki] δ[jl]"),
        ("∂Y[ab]/∂Q[cd] = -inv(Q)[db] inv(Q)[ac]", "∂Y[ij]/∂Q[kl] = -inv(Q)[ik] inv(Q)[lj]"),
        ("∂Y[ab]/∂X[cd] = δ[bd] δ[ac] cos(X[ab])", "∂Y[ij]/∂X[kl] = cos(X[ij]) δ[ik] δ[jl]"),
        ("∂y[a]/∂x[b] = (Σ_c x[c]^2) δ[ab] + 2 x[b] x[a]", None),
        ("H[abcd] = 2 Q[am]^2 K[mb] K[md] δ[ac]", "H[ijkl] = 2 Q[im]^2 K[mj] K[ml] δ[ik]"),
        ("∂L[]/∂Q[ab] = inv(Q)[ba] det(Q)", "∂L[]/∂Q[ij] = adj(Q)[ji]"),
        ("Y[ij] = X[ik] Q[kl] K[lm] A[mj]", "Y[ij] = X[ik] Q[kl] K[lm] A[mj]"),
        ("L[] = K[ba] Q[ab]", "L[] = Q[ij] K[ji]"),
        # sums
        ("Y[ij] = X[ik] A[kj] + G[ij]", "Y[ij] = X[ik] A[kj] + G[ij]"),
        ("dx[i] = Q[ji]", "dx[i] = Q[ji]"),
        ("Y[i] = 1 - x[i]^2", "Y[i] = 1 - x[i]^2"),
        ("Y[i] = -x[i] + y[i]", "Y[i] = y[i] - x[i]"),
        ("Y[i] = -x[i] - y[i]", "Y[i] = -x[i] - y[i]"),
        ("Y[i] = x[i]^2 + 1e-5", "Y[i] = x[i]^2 + 1e-05"),
        ("Y[i] = x[i] - 1", "Y[i] = x[i] - 1"),
        ("Y[ij] = X[ij] - 1/n X[ik]", "Y[ij] = X[ij] - X[ik] / n"),
        ("Y[i] = tanh(Σ_k X[ik] x[k] + u[i])", "Y[i] = tanh(Σ_j X[ij] x[j] + u[i])"),
        ("Y[i] = exp(-(x[i] - y[i]))", "Y[i] = exp(y[i] - x[i])"),
        ("Y[i] = -2 (x[i] - y[i]) y[i]", "Y[i] = 2 y[i] (y[i] - x[i])"),
        ("Y[i] = -x[i] (1 - x[i])", "Y[i] = -x[i] (1 - x[i])"),
        ("Y[i] = exp(-(1 - x[i]))", "Y[i] = exp(x[i] - 1)"),
        ("L[] = (x[i] - y[i])^2", "L[] = (x[i] - y[i])^2"),
        ("L[] = (Σ_i x[i] - s)^2", "L[] = (Σ_i x[i] - s[])^2"),
        # numbers, sizes, powers
        ("Y[i] = x[i] / 2 * x[i]", "Y[i] = 1/2 x[i]^2"),
        ("Y[i] = -0.25 x[i]", "Y[i] = -0.25 x[i]"),
        ("Y[ij] = X[ij] / (m n)", "Y[ij] = X[ij] / (m n)"),
        ("Y[ij] = n^2 X[ij] / m^(1/2)", "Y[ij] = n^2 X[ij] / sqrt(m)"),
        ("Y[i] = 1 / (2 n x[i])", "Y[i] = 1 / (2 n x[i])"),
        ("Y[i] = 2 / x[i]^2", "Y[i] = 2 / x[i]^2"),
        ("Y[i] = 2 / 3 / x[i]^3", "Y[i] = 2 / (3 x[i]^3)"),
        ("L[] = sqrt(x[i]^2)", None),
        ("L[] = sqrt(Σ_i x[i]^2)", "L[] = sqrt(Σ_i x[i]^2)"),
        ("Y[i] = x[i]^(3/2) + x[i]^-0.3", "Y[i] = x[i]^(3/2) + 1 / x[i]^0.3"),
        ("Y[i] = x[i]^y[i] + 2^x[i]", "Y[i] = x[i]^y[i] + 2^x[i]"),
        ("Y[i] = x[i]^s + x[i]^(n - 1)", "Y[i] = x[i]^s[] + x[i]^(n - 1)"),
        ("Y[i] = (n//2) x[i] + max(n - 3, 0) y[i]", "Y[i] = (n//2) x[i] + max(n - 3, 0) y[i]"),
        # slots that are no letters
        ("Y[i] = x[n-1-i] + x[0]", "Y[i] = x[0] + x[n-1-i]"),
        ("Y[i:n-2] = x[i+2] - 2 x[i+1] + x[i]", "Y[i:n-2] = x[i] - 2 x[i+1] + x[i+2]"),
        ("Y[i] = X[i, 0] + X[i, n-1]", "Y[i] = X[i, 0] + X[i, n-1]"),
        ("Y[i] = x[2*i+1]", "Y[i] = x[2*i+1]"),
        ("Y[i:n+1] = δ[i = j + 1] x[j]", "Y[i:n+1] = δ[i = j + 1] x[j]"),
        ("Y[i:n+1, j] = δ[i = n + 0] u[j]", "Y[i:n+1, j] = δ[i = n + 0] u[j]"),
        ("Y[(ab)] = X[ab]", "Y[(ij)] = X[ij]"),
        ("Y[(ac)(bd)] = X[ab] A[cd]", "Y[(ij)(kl)] = X[ik] A[jl]"),
        ("∂Y[(ac)(bd)]/∂X[ef] = δ[ae] A[cd] δ[bf]", "∂Y[(ij)(kl)]/∂X[oq] = δ[io] A[jl] δ[kq]"),
        ("Y[ij] = Q[t[i], j]", "Y[ij] = Q[t[i], j]"),
        ("Y[ij] = tril[ij] Q[ij]", "Y[ij] = Q[ij] tril[ij]"),
        ("Y[i:n] = tril[ij] x[j]", "Y[i:n] = tril[ij] x[j]"),
        ("Y[i:n] = Σ_{k:n} δ[i = j + k] x[j]", "Y[i:n] = tril[ij] x[j]"),
        ("Y[i] = tril[ji] y[i] x[j]", "Y[i] = y[i] tril[ji] x[j]"),
        ("Y[ij] = Q[ij] arange(n)[j]", "Y[ij] = Q[ij] arange(n)[j]"),
        # sizes that nothing shows
        ("dX[i:m, j:n] = 0", "dX[i:m, j:n] = 0"),
        ("dX[i:m, j:n] = s", "dX[i:m, j:n] = s[]"),
        ("dX[i, j:n] = u[i]", "dX[i, j:n] = u[i]"),
        ("∂Y[i:m, j:p]/∂X[kl] = 0", "∂Y[i:m, j:p]/∂X[kl] = 0"),
        ("Y[i:n, j:n] = δ[ij]", "Y[i:n, j] = δ[ij]"),
        ("Y[i:n-1] = x[i]", "Y[i:n-1] = x[i]"),
        ("Y[i:2] = x[i]", "Y[i:2] = x[i]"),
        ("Y[i:m] = x[i+0]", "Y[i:m] = x[i+0]"),
        ("L[] = Σ_{i:n-1} x[i] y[i+1]", "L[] = Σ_{i:n-1} x[i] y[i+1]"),
        ("Y[i:n, j:m] = δ[i = j + 0]", "Y[i:n, j:m] = δ[i = j + 0]"),
        ("Y[i:n, j:2] = δ[ij]", "Y[i:n, j:2] = δ[ij]"),
        ("∂Y[i:n-2]/∂x[j] = δ[i = j - 2] + δ[ij]", "∂Y[i:n-2]/∂x[j] = δ[ij] + δ[j = i + 2]"),
        ("Y[i:n, j:m, k:p] = δ[j = i - 2*k - 1]", "Y[i:n, j:m, k:p] = δ[i = 2*k + j + 1]"),
        ("Y[i:n, j:m] = δ[2*i = 3*j + 1]", "Y[i:n, j:m] = δ[2*i = 3*j + 1]"),
        # functions of whole axes
        ("Y[i] = max_k(X[ik])", "Y[i] = max_j(X[ij])"),
        ("L[] = prod_kl(X[kl])", "L[] = prod_ij(X[ij])"),
        ("Y[ij] = inv_kl(Q[kl])[ij]", "Y[ij] = inv(Q)[ij]"),
        ("Y[ij] = inv_kl(Q[lk])[ij]", "Y[ij] = inv(Q)[ji]"),
        ("Y[ij] = inv_kl(Σ_q X[qk] X[ql])[ij]", "Y[ij] = inv(M)[ij] where M[ij] = X[ki] X[kj]"),
        ("L[] = det_kl(Q[kl] + δ[kl])", "L[] = det(M) where M[ij] = δ[ij] + Q[ij]"),
        # what is shared
        (
            "Y[ij] = exp(X[ij]) / (Σ_k exp(X[ik]))",
            "Y[ij] = E[ij] / z[i] where E[ij] = exp(X[ij]), z[i] = Σ_k E[ik]",
        ),
        ("Y[i] = x[i] / (Σ_j x[j])", "Y[i] = x[i] / z[] where z[] = Σ_j x[j]"),
        ("Y[i] = (1 - x[i]) exp(1 - x[i])", "Y[i] = exp(1 - x[i]) (1 - x[i])"),
        (
            "Y[i] = sin(Σ_k Q[ik] x[k]) cos(Σ_k Q[ik] x[k])",
            "Y[i] = cos(v[i]) sin(v[i]) where v[i] = Q[ij] x[j]",
        ),
        ("L[] = x[i] Q[ij] x[j] + y[i] Q[ij] x[j]", "L[] = Q[ij] x[i] x[j] + Q[ij] x[j] y[i]"),
    ],
)
def test_printed(text: str, expected: str | None) -> None:
    (one,) = lowered(text)
    shown = printed(one)
    if expected is not None:
        assert shown == expected
    assert_same(one, lowered(shown))


def assert_same(one: Lowered, back: tuple[Lowered, ...]) -> None:
    (other,) = back
    assert [(name, len(axes)) for name, axes in one.wrt] == [(name, len(axes)) for name, axes in other.wrt]
    assert normal.equal([(axes_of(one), one.body)], [(axes_of(other), other.body)])


def test_several_outputs_share_definitions() -> None:
    text = "Y[i] = exp(x[i]) y[i]\nZ[i] = exp(x[i]) + 1"
    assert printed(*lowered(text)) == "Y[i] = e[i] y[i]\nZ[i] = 1 + e[i] where e[i] = exp(x[i])"


def test_a_long_text_has_its_definitions_on_lines_of_their_own() -> None:
    text = "Y[ij] = E[ij] / z[i] + log(z[i]) tanh(Σ_k E[ik] x[k])"
    text += " where E[ij] = exp(X[ij] - max_k(X[ik])), z[i] = Σ_k E[ik]"
    shown = printed(*lowered(text))
    assert shown == (
        "Y[ij] = E[ij] / z[i] + log(z[i]) tanh(Σ_k E[ik] x[k])\n"
        "  where E[ij] = exp(X[ij] - max_k(X[ik])),\n"
        "        z[i] = Σ_k E[ik]"
    )
    assert_same(*lowered(text), lowered(shown))


def test_names_of_definitions_are_free() -> None:
    shapes = {"E": (Dim.of("e"), Dim.of("u"))}
    tensors: dict[str, Tensor] = {name: Input(name, shape) for name, shape in shapes.items()}
    (one,) = lowered("z[] = P[ij]^2 E[ij] P[ij] + P[ij] where P[ij] = exp(E[ij]) + 1", tensors)
    shown = printing.text({"z": (one.axes, rewrites.power(one.body, 2))}, shapes)
    assert shown == "z[] = (Σ_ij E[ij] P[ij]^3 + Σ_ij P[ij])^2 where P[ij] = 1 + exp(E[ij])"


def test_constants_have_the_names_that_are_given() -> None:
    captured = Constant(np.ones(3), b"ones", (Dim.of(3),))
    i = Index.fresh(Dim.of(3))
    body = multiply(of_factor(captured(i)), of_factor(Input("s", ())()))
    assert printing.text({"Y": ((i,), body)}, {"s": ()}, {captured: "C1"}) == "Y[i] = s[] C1[i]"


def test_more_indices_than_letters() -> None:
    n = Dim.of("n")
    labels = tuple(Index.fresh(n) for _ in range(90))
    body = multiply(*(of_factor(Input(f"x{k}", (n,))(label)) for k, label in enumerate(labels)))
    inputs = {f"x{k}": (n,) for k in range(90)}
    shown = printing.text({"Y": (labels, body)}, inputs)
    assert shown.startswith("Y[ijklmnopqrstuvwxyzabcdefghαβγεζηθικλμνξπρστυφχψωABC")
    (back,) = lowered(shown, {name: Input(name, shape) for name, shape in inputs.items()})
    assert normal.equal([(labels, body)], [(back.axes, back.body)])


def test_letters_are_not_sizes_where_slots_are_more_than_letters() -> None:
    n, k = Dim.of("i"), Dim.of("k")
    tensor = Input("x", (n, k, n))
    labels = [Index.fresh(n), Index.fresh(k), Index.fresh(n)]
    turned = combine(((Dim.of(-1), labels[0]),), n - 1)
    body = of_factor(tensor(turned, labels[1], labels[2]))
    assert printing.text({"Y": (labels, body)}, {"x": tensor.shape}) == "Y[jlm] = x[i-1-j, l, m]"
    body = of_factor(tensor(*labels))
    assert printing.text({"Y": (labels, body)}, {"x": tensor.shape}) == "Y[ijk] = x[ijk]"


@pytest.mark.parametrize("layers", [1, 3, 4, 40, 300])
def test_deep_chains(layers: int) -> None:
    """A depth that is hard to read gets names, so that brackets never go deeper than a reader of the text can."""
    n = Dim.of("n")
    i = Index.fresh(n)
    body = of_factor(Input("x", (n,))(i))
    for _ in range(layers):
        j = Index.fresh(n)
        body = multiply(of_factor(Input("Q", (n, n))(i, j)), rewrites.substitute(body, {i: j}))
        body = apply(PRIMITIVES["tanh"], (contract(body, (j,)),))
    shown = printing.text({"Y": ((i,), body)}, INPUTS)
    assert ("where" in shown) == (layers > 3)
    (back,) = lowered(shown)
    assert normal.equal([((i,), body)], [(back.axes, back.body)])


def test_printing_does_not_depend_on_what_was_built_before() -> None:
    text = "Y[ij] = exp(X[ij]) / (Σ_k exp(X[ik])) + X[ik] Q[kl] A[lj] G[mo] G[mo] X[ij]"
    text = text.replace("A[lj] ", "").replace("Q[kl]", "Q[kj]").replace(" X[ij]", "")
    first = printed(*lowered(text))
    for _ in range(3):
        Index.fresh(Dim.of("q"))
        lowered("Z[ji] = exp(X[ij]) x[j]")
        assert printed(*lowered(text)) == first


# Texts written from nodes


@pytest.mark.parametrize(
    "text",
    [
        "∂Y[ij]/∂A[kl] = 1/2 X[ik]^2 δ[jl] / (1 + exp(-x[2*i+1]))",
        "Y[i:n-1, (j, k:b*n)] = -Σ_{l:b n, m} a[l] b[m, 0] / (n z[i]) + max_k(X[ik])^(1/2) (Σ_k x[k]) (n - 1)",
        "∂²L[]/∂A[i]∂B[j] = inv(S)[ij] δ[i = 2*j + 1] - n * (a[i] + b[j])^-2 arange(n)[i] inv_kl(S[kl])[ij]",
        "Y[i] = -(a[i] - b[i]) / (c[i] / d[i]) + (-a[i])^2 - a[i]^b[i] x[-i+n-1] |i| max_{k:n}(a[k])",
        "Y[i] = 2 * 3 - n//2 (a[i] b[i])^-1 * 2 + (Σ_k a[k]) b[i]",
    ],
)
def test_written_and_read(text: str) -> None:
    """The nodes of the text that is written from nodes mean the same, and are written the same again."""
    (equation,) = parse_index(text).equations
    shown = write_equation(equation)
    (again,) = parse_index(shown).equations
    assert write_equation(again) == shown


# Round trips of derivatives


@pytest.mark.parametrize(
    ("fun", "shapes"),
    [
        (lambda X: X.reshape(4, 3).T.reshape(2, 6), {"X": "2 6"}),
        (lambda X: X.reshape(-1), {"X": "m n"}),
        (lambda A, B: np.kron(A, B), {"A": "2 3", "B": "4 5"}),
        (lambda A, B: np.kron(A, B), {"A": "m n", "B": "k l"}),
        # the definition of the maximum is called m, and so is the letter over which it is taken
        (lambda X: np.flip(X, 0).max(0, keepdims=True), {"X": "b b"}),
    ],
)
def test_jacobians_read_the_same(fun: Callable[..., Any], shapes: dict[str, str]) -> None:
    F = tj.trace(fun, **shapes)
    for name in F.inputs:
        J = F.jacobian(name)
        assert tj.parse(str(J), **J.inputs) == J
        assert J.latex()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_numbers_without_digits(value: float) -> None:
    F = tj.trace(lambda x: x * value, x="n")
    assert str(F) == f"Y[i] = {value} x[i]"
    back = tj.parse(str(F), x="n")
    assert str(back) == str(F)
    np.testing.assert_array_equal(back(np.ones(3)), F(np.ones(3)))


# Round trips of anything

DIMS = {size: Dim.of(size) for size in "mnp"}
TENSORS = {name: Input(name, shape) for name, shape in INPUTS.items()}


@st.composite
def slots(draw: st.DrawFn, dim: Dim, labels: tuple[Index, ...]) -> Slot:
    """Something that stands at an axis: a letter, the letter from the end, or the first entry."""
    fitting = [label for label in labels if label.dim is dim]
    if not fitting:
        return combine((), Dim.of(0))
    label = draw(st.sampled_from(fitting))
    return draw(st.sampled_from([label] * 6 + [combine(((Dim.of(-1), label),), dim - 1), combine((), dim - 1)]))


@st.composite
def expressions(draw: st.DrawFn, labels: tuple[Index, ...], depth: int, ties: bool = True) -> Sum:
    """An expression over some of the labels; with δ, but not within functions."""
    kinds = ["leaf"] * 3 + ["number", "size", "position"] + ["δ"] * ties
    if depth:
        kinds += ["product"] * 4 + ["sum"] * 4 + ["contraction"] * 4 + ["power"] * 2 + ["function"] * 3
        kinds += ["max", "inv", "pair"]
    kind = draw(st.sampled_from(kinds))
    inner = expressions(labels, depth - 1, ties and kind in ("product", "sum"))
    if kind == "leaf":
        tensor = draw(st.sampled_from(sorted(TENSORS.values(), key=lambda tensor: tensor.name)))
        return rewrites.read(tensor(*(draw(slots(dim, labels)) for dim in tensor.shape)))
    if kind == "number":
        return constant(draw(st.sampled_from([1, 2, -1, -3, 0.5, 1e-05])))
    if kind == "size":
        return of_size(draw(st.sampled_from([DIMS["n"], DIMS["m"] * DIMS["n"], DIMS["n"] - 1, DIMS["n"] // 2])))
    if kind == "δ":
        pairs = [(a, b) for a in labels for b in labels if a is not b and a.dim is b.dim]
        if not pairs:
            return constant(1)
        a, b = draw(st.sampled_from(pairs))
        right = draw(st.sampled_from([b, b, combine(((Dim.of(1), b),), Dim.of(1)), combine(((Dim.of(2), b),))]))
        return multiply(of_factor(delta(a, right)))
    if kind == "position":
        return of_factor(Position(labels[0].dim)(labels[0])) if labels else constant(1)
    if kind == "product":
        return multiply(draw(inner), draw(inner))
    if kind == "sum":
        return add(draw(inner), multiply(constant(draw(st.sampled_from([1, -1, 2]))), draw(inner)))
    if kind == "power":
        return power(draw(inner), draw(st.sampled_from([2, 3, -1, -2, 0.5, -0.5])))
    if kind == "function":
        name = draw(st.sampled_from(["exp", "tanh", "sin", "maximum", "heaviside", "where", "power"]))
        primitive = PRIMITIVES[name]
        return apply(primitive, [draw(inner) for _ in range(primitive.arity)])
    if kind == "pair":
        same = apply(PRIMITIVES["exp"], (draw(inner),))
        return multiply(same, add(constant(1), same))
    if kind == "inv":
        core = Index.fresh(DIMS["n"]), Index.fresh(DIMS["n"])
        body = add(draw(expressions((*labels, *core), depth - 1, False)), of_factor(TENSORS["Q"](*core)))
        result = tuple(draw(slots(DIMS["n"], labels)) for _ in core)
        return apply(PRIMITIVES["inv"], (body,), (core,), result, (DIMS["n"], DIMS["n"]))
    label = Index.fresh(draw(st.sampled_from(list(DIMS.values()))))
    body = draw(expressions((*labels, label), depth - 1, ties and kind != "max"))
    if kind == "max":
        return apply(PRIMITIVES["max"], (body,), ((label,),))
    return contract(body, (label,))


@st.composite
def formulas(draw: st.DrawFn) -> tuple[tuple[Index, ...], Sum]:
    axes = tuple(Index.fresh(DIMS[size]) for size in draw(st.text("mnp", max_size=3)))
    try:
        return axes, draw(expressions(axes, 4))
    except UnsupportedError:  # a division by what is 0 everywhere
        assume(False)
        raise


@given(formulas())
def test_what_is_printed_reads_the_same(formula: tuple[tuple[Index, ...], Sum]) -> None:
    axes, body = formula
    shown = printing.text({"Y": formula}, INPUTS)
    (back,) = lowered(shown)
    assert [axis.dim for axis in back.axes] == [axis.dim for axis in axes]
    # of sizes that are at least 1, nothing is required
    assert all(nonnegative(fact.dim) for fact in back.requirements)
    rng = np.random.default_rng(1)
    arrays = {name: rng.normal(size=[dim.evaluate(SIZES) for dim in shape]) for name, shape in INPUTS.items()}
    with np.errstate(all="ignore"):
        try:
            expected = evaluate(body, axes, arrays, SIZES)
        except np.linalg.LinAlgError:
            return
        actual = evaluate(back.body, back.axes, arrays, SIZES)
    scale = np.max(np.abs(expected), initial=1, where=np.isfinite(expected))
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6 * scale)


@given(formulas())
def test_what_is_read_equals_what_was_printed(formula: tuple[tuple[Index, ...], Sum]) -> None:
    shown = printing.text({"Y": formula}, INPUTS)
    # a δ that a substitution decides within a function stays there, and is 1 or 0 when it is read
    assume(not re.search(r"δ\[-?\d+ = -?\d+\]", shown))
    (back,) = lowered(shown)
    assert normal.equal([formula], [(back.axes, back.body)])


@given(formulas())
def test_every_text_is_written_and_read(formula: tuple[tuple[Index, ...], Sum]) -> None:
    shown = printing.text({"Y": formula}, INPUTS)
    parsed = parse_index(shown, tuple(PRIMITIVES))
    for equation in (*parsed.equations, *parsed.definitions):
        assert write_equation(equation) in shown
