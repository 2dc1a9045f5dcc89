"""Matrix notation: every tree says what its expression says, and there is one where there can be one."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tensorjac as tj
from evaluate import evaluate
from functions import CASES
from identities import IDENTITIES
from matrix_values import column, value
from oracles import assert_close, distinct_sizes, random_inputs
from tensorjac import rewrites
from tensorjac.dims import Dim
from tensorjac.matrix import matrix_forms
from tensorjac.matrix.building import multiply, plus, scaled, transpose
from tensorjac.matrix.network import Network, NoForm
from tensorjac.matrix.plain import plain
from tensorjac.matrix.tree import (
    Diagonal,
    Hadamard,
    Name,
    Number,
    Plus,
    Power,
    Product,
    Repeated,
    Scaled,
    Transpose,
    Zero,
)
from tensorjac.primitives import PRIMITIVES
from tensorjac.terms import Index, Input, Sum, constant, delta, of_factor

A, B, C = (Name(2, name, (k,)) for k, name in enumerate("ABC"))
x, y = (Name(1, name, (k,)) for k, name in enumerate("xy", start=3))


def forms_of(F):
    return matrix_forms(F._parts.outputs, F._parts.inputs, F._parts.names)


def values(forms, arrays, sizes):
    """The outputs, the definitions computed from the last to the first: each uses later ones only."""
    known = dict(arrays)
    pending = dict(forms.definitions)
    while pending:
        for name, node in list(pending.items()):
            try:
                known[name] = value(node, known, sizes)
            except KeyError:
                continue
            del pending[name]
    return {name: value(node, known, sizes) for name, node in forms.outputs.items()}


def assert_says_the_same(outputs, forms, arrays, sizes):
    for name, found in values(forms, arrays, sizes).items():
        axes, body = outputs[name]
        expected = column(evaluate(body, axes, arrays, sizes))
        found = np.broadcast_to(found, expected.shape) if isinstance(forms.outputs[name], Zero) else found
        assert_close(found, expected, roundings=2**14)


# Expressions of functions -------------------------------------------------------------------------


@pytest.mark.parametrize("case", [*CASES, *IDENTITIES], ids=str)
def test_functions_and_gradients(case):
    sizes = distinct_sizes(case.shapes, case.sizes)
    args = random_inputs(case.shapes, sizes, np.random.default_rng(0), case.domain)
    if getattr(case, "prepare", None):
        case.prepare(args)
    F = tj.trace(case.fun, **case.shapes)
    for G in (F, *(F.vjp(name) for name in F.inputs)):
        forms = forms_of(G)
        if forms is not None:
            rng = np.random.default_rng(1)
            for name, shape in G._parts.inputs.items():
                args.setdefault(name, rng.normal(size=[dim.evaluate(sizes) for dim in shape]))
            with np.errstate(all="ignore"):
                assert_says_the_same(G._parts.outputs, forms, {**args, **G.constants}, sizes)


@pytest.mark.parametrize("row", IDENTITIES, ids=str)
def test_every_identity_has_matrix_notation(row):
    F = tj.trace(row.fun, **row.shapes)
    assert forms_of(F) is not None
    assert forms_of(F.vjp(row.wrt)) is not None


# a constant is no input, and G I might be NumPy text with an error in it
UNREAD = {"tr X by X", "tr X⊗X by X", "mean cross-entropy of one-hot labels by X"}


@pytest.mark.parametrize("row", [row for row in IDENTITIES if str(row) not in UNREAD], ids=str)
def test_plain_text_is_paper_notation(row):
    """The checker reads a gradient that is written in one line, and finds it right."""
    F = tj.trace(row.fun, **row.shapes)
    forms = forms_of(F.vjp(row.wrt))
    if not forms.definitions:
        (node,) = forms.outputs.values()
        assert tj.check_vjp(F, {row.wrt: plain(node)})


def test_powers_of_all_entries_are_no_powers_of_the_matrix():
    assert plain(Power(A, 2)) == "A ∘ A"
    assert plain(Repeated(A, 2)) == "A²"
    assert plain(Hadamard((Power(A, 2), B), (Power(A, 3),))) == "A ∘ A ∘ B ⊘ (A ∘ A ∘ A)"
    assert plain(Power(A, -2)) == "1 ⊘ (A ∘ A)"
    assert plain(Power(x, 2)) == "x²"
    assert plain(Power(x, Fraction(-1, 2))) == "1 ⊘ √x"


# Random products ----------------------------------------------------------------------------------

SIZES = {"b": 3, "m": 2, "n": 5}
FUNCTIONS = ("tanh", "exp", "sin")


class Maker:
    """Random expressions over up to five indices: products of products, of functions and of powers of them."""

    def __init__(self, random):
        self.random = random
        dims = [Dim.of(name) for name in SIZES]
        self.labels = [Index.fresh(random.choice(dims)) for _ in range(random.randint(1, 5))]
        self.inputs = {}

    def tensor(self, shape):
        known = [tensor for tensor in self.inputs.values() if tensor.shape == shape]
        if known and self.random.random() < 0.5:
            return self.random.choice(known)
        name = f"X{len(self.inputs)}"
        self.inputs[name] = Input(name, shape)
        return self.inputs[name]

    def factor(self, depth):
        random = self.random
        if depth and random.random() < 0.4:
            inner, _ = self.sum(depth - 1)
            if inner.terms and len(inner.labels) <= 2:
                return self.changed(inner)
        if random.random() < 0.1:
            pairs = [(i, j) for i in self.labels for j in self.labels if i is not j and i.dim is j.dim]
            if pairs:
                return of_factor(delta(*random.choice(pairs)))
        labels = [random.choice(self.labels) for _ in range(random.choice([0, 1, 1, 2, 2, 2, 2]))]
        found = of_factor(self.tensor(tuple(label.dim for label in labels))(*labels))
        return rewrites.power(found, 2) if random.random() < 0.15 else found

    def changed(self, inner):
        """The sum itself, its square, a function of it, or a power of something positive."""
        kind = self.random.choice(["function", "square", "power", "itself"])
        if kind == "function":
            return rewrites.apply(PRIMITIVES[self.random.choice(FUNCTIONS)], (inner,))
        if kind == "power":
            positive = rewrites.apply(PRIMITIVES["exp"], (inner,))
            return rewrites.power(positive, self.random.choice([-1, -2, Fraction(-1, 2)]))
        return rewrites.power(inner, 2) if kind == "square" else inner

    def sum(self, depth):
        """One to three products, summed over all but at most two indices."""
        random = self.random
        free = None
        terms = []
        for _ in range(random.choice([1, 1, 2, 2, 3])):
            factors = [self.factor(depth) for _ in range(random.randint(1, 4))]
            body = rewrites.multiply(constant(random.choice([1, 1, 2, -1, Fraction(1, 2), -3])), *factors)
            if free is None:
                labels = sorted(body.labels, key=lambda label: label.number)
                random.shuffle(labels)
                free = labels[: random.randint(0, 2)]
            terms.append(rewrites.contract(body, [label for label in body.labels if label not in free]))
        return rewrites.add(*terms), free

    def expression(self):
        body, free = self.sum(2)
        rest = [label for label in self.labels if label not in free]
        if rest and len(free) < 2 and self.random.random() < 0.3:
            free = [*free, self.random.choice(rest)]
        self.random.shuffle(free)
        return tuple(free), body


@given(st.randoms(use_true_random=False), st.integers(0, 2**16))
def test_random_products(random, seed):
    maker = Maker(random)
    axes, body = maker.expression()
    shapes = {name: tensor.shape for name, tensor in maker.inputs.items()}
    forms = matrix_forms({"Y": (axes, body)}, shapes, {})
    assume(forms is not None)
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(size=[d.evaluate(SIZES) for d in shape]) / 2 for name, shape in shapes.items()}
    with np.errstate(all="ignore"):
        expected = evaluate(body, axes, arrays, SIZES)
        assume(np.all(np.isfinite(expected)) and np.max(np.abs(expected), initial=0) < 1e6)
        # the sine of a large number is decided by its last digits
        nudged = {name: np.nextafter(array, np.inf) for name, array in arrays.items()}
        assume(np.allclose(evaluate(body, axes, nudged, SIZES), expected, rtol=1e-9, atol=1e-9))
        found = values(forms, arrays, SIZES)["Y"]
    found = np.broadcast_to(found, column(expected).shape) if isinstance(forms.outputs["Y"], Zero) else found
    np.testing.assert_allclose(found, column(expected), rtol=1e-8, atol=1e-8)


# What has no matrix notation ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fun", "shapes"),
    [
        (lambda X, A: X @ A, {"X": "b m n", "A": "n p"}),
        (lambda X, A: (X @ A).sum(0), {"X": "b m n", "A": "n p"}),
        (lambda X: X[:, 0], {"X": "m n"}),
        (lambda X: X[1:], {"X": "5 n"}),
        (lambda X: X.reshape(-1), {"X": "m n"}),
        (lambda x, y: np.concatenate([x, y]), {"x": "m", "y": "n"}),
        (lambda X: np.linalg.inv(X)[0], {"X": "b n n"}),
    ],
)
def test_none(fun, shapes):
    assert forms_of(tj.trace(fun, **shapes)) is None


def test_four_indices_all_tied_to_each_other_have_none():
    """K4, the smallest network that products, traces and Hadamard products cannot build."""
    F = tj.trace(
        lambda A, B, C, D, E, X: np.einsum("ij,ik,il,jk,jl,kl", A, B, C, D, E, X),
        **dict.fromkeys("ABCDEX", "n n"),
    )
    assert forms_of(F) is None
    G = tj.trace(lambda A, B, C, D, E: np.einsum("ij,ik,il,jk,jl", A, B, C, D, E), **dict.fromkeys("ABCDE", "n n"))
    assert forms_of(G) is not None


def test_a_network_says_so():
    i, j, k, l = (Index.fresh(Dim.of("n")) for _ in range(4))
    network = Network(1)
    for node, ends in zip("ABCDEF", [(i, j), (i, k), (i, l), (j, k), (j, l), (k, l)], strict=True):
        network.add(Name(2, node), ends)
    with pytest.raises(NoForm):
        network.contract([i, j, k, l])


# Building -----------------------------------------------------------------------------------------


def test_transposes_go_where_they_are_few():
    assert transpose(transpose(A)) == A
    assert transpose(multiply(A, transpose(B))) == Product((B, Transpose(A)))
    assert transpose(Hadamard((A, B))) == Transpose(Hadamard((A, B)))
    assert transpose(Hadamard((transpose(A), transpose(B)))) == Hadamard((A, B))
    assert transpose(Diagonal(x)) == Diagonal(x)
    assert transpose(multiply(A, x)) == Product((Transpose(x), Transpose(A)))


def test_products_are_counted():
    assert multiply(A, A, B) == Product((Repeated(A, 2), B))
    assert multiply(multiply(A, A), A) == Repeated(A, 3)
    assert multiply(transpose(A), transpose(A)) == Transpose(Repeated(A, 2))
    assert transpose(transpose(multiply(A, A))) == Repeated(A, 2)


def test_scalars_go_to_the_front():
    s = Name(0, "s")
    assert multiply(scaled(2, (), (), A), scaled(3, (s,), (), B)) == Scaled(6, (s,), (), Product((A, B)))
    assert scaled(2, (scaled(Fraction(1, 2), (s,), ()),), ()) == s
    assert scaled(2, (Number(3),), ()) == Number(6)


def test_what_terms_share_is_taken_out():
    assert plus([multiply(A, B), multiply(A, C)]) == Product((A, Plus((B, C))))
    assert plus([multiply(B, A), multiply(C, A)]) == Product((Plus((B, C)), A))
    assert plus([multiply(A, B), A]) == Plus((A, Product((A, B))))
    assert plus([A, B, A]) == Plus((scaled(2, (), (), A), B))
    assert plus([A, scaled(-1, (), (), A)]) == Zero(2)
    assert plus([transpose(x), transpose(y)]) == Transpose(Plus((x, y)))


def test_a_minus_is_used_where_there_is_a_difference():
    assert scaled(-2, (), (), plus([A, scaled(-1, (), (), B)])) == Scaled(2, (), (), Plus((B, scaled(-1, (), (), A))))
    assert scaled(-1, (), (), plus([A, B])) == Scaled(-1, (), (), Plus((A, B)))


def test_names_are_free():
    """Neither inputs nor sizes nor outputs are taken for definitions."""

    def fun(P, E, Z):
        exponentials = np.exp(P @ E + Z)
        return exponentials / exponentials.sum(axis=1, keepdims=True) * exponentials

    forms = forms_of(tj.trace(fun, P="Q R", E="R S", Z="Q S"))
    assert not set(forms.definitions) & set("PEZQRSY")
    assert forms.definitions


def test_a_matrix_of_products_is_one_matrix():
    """Chains multiply out whatever their nesting."""
    chain = reduce(multiply, [A, B, C, transpose(B)])
    assert chain == multiply(multiply(A, B), multiply(C, transpose(B)))


@pytest.mark.parametrize("name", rewrites.REWRITES)
def test_without_a_rewrite(name):
    """What is left undone is still read for what it says."""
    i, j, k = (Index.fresh(Dim.of(name)) for name in "bmb")
    X, v = Input("X", (i.dim, j.dim)), Input("v", (i.dim,))
    with rewrites.without(name):
        body = rewrites.multiply(of_factor(X(i, j)), of_factor(v(k)), of_factor(delta(i, k)))
        body = rewrites.add(rewrites.contract(body, [i, k]), rewrites.contract(of_factor(X(i, j)), [i, k]))
        forms = matrix_forms({"Y": ((j,), body)}, {"X": X.shape, "v": v.shape}, {})
    rng = np.random.default_rng(0)
    arrays = {"X": rng.normal(size=(3, 2)), "v": rng.normal(size=3)}
    assert_close(values(forms, arrays, SIZES)["Y"], column(evaluate(body, (j,), arrays, SIZES)))


def test_zero():
    n = Dim.of("n")
    assert matrix_forms({"Y": ((Index.fresh(n),), Sum())}, {"x": (n,)}, {}).outputs == {"Y": Zero(1)}
