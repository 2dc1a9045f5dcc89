"""Canonical forms: equal expressions are one object, different ones are not, and nothing depends on history."""

import subprocess
import sys
import textwrap
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tensorjac as tj
from evaluate import evaluate
from generators import SIZE_OF, SIZES, TENSORS, Einsum, arrays, dims, einsums, shuffled, sums_of_einsums
from tensorjac import calculus
from tensorjac.dims import Dim
from tensorjac.primitives import PRIMITIVES
from tensorjac.terms import (
    DELTA,
    Affine,
    Contraction,
    Index,
    Input,
    Sum,
    Term,
    affine,
    apply,
    canonical,
    combine,
    constant,
    contraction,
    delta,
    flattened,
    nested,
    number,
    of_factor,
    of_size,
    product,
    shared,
    signature,
    topological,
    zero_of,
)

VALUES = arrays()
seeds = st.integers(0, 2**32)

n, m = Dim.of("n"), Dim.of("m")
B = Input("B", (n, n))
A = Input("A", (n, m))
u = Input("u", (n,))


def fresh(*sizes):
    return [Index.fresh(size) for size in sizes]


def renamed(einsum, seed):
    """The letters as fresh indices, made in an order that depends on the seed."""
    letters = shuffled(einsum.out + einsum.summed, seed)
    return {letter: Index.fresh(Dim.of(SIZE_OF[letter])) for letter in letters}


def orders(einsum, seed):
    return shuffled(range(len(einsum.factors) + len(einsum.ties)), seed)


# Contractions, sums and applications are one object -----------------------------------------------


@given(einsums(ties=2, powers=(1, 1, 2, -1), least=1), seeds)
def test_contraction_up_to_names_and_order(einsum, seed):
    """Other names for the indices, another order of factors: the same object, its slots moved along."""
    used = {letter for _, letters, _ in einsum.factors for letter in letters} | set("".join(einsum.ties))
    summed = [letter for letter in einsum.summed if letter in used]
    first, second = einsum.indices(), renamed(einsum, seed)
    one = contraction(einsum.term(first).factors, [first[x] for x in summed])
    order = shuffled(summed, seed)
    other = contraction(einsum.term(second, orders(einsum, seed)).factors, [second[x] for x in order])
    assert other.tensor is one.tensor
    back = {second[letter]: first[letter] for letter in first}
    assert other.substitute(back) == one


@given(einsums(ties=2, powers=(1, 1, 2, -1), least=1))
def test_contraction_keeps_the_value(einsum):
    used = {letter for _, letters, _ in einsum.factors for letter in letters} | set("".join(einsum.ties))
    assume(used >= set(einsum.summed))
    indices = einsum.indices()
    factor = contraction(einsum.term(indices).factors, [indices[x] for x in einsum.summed])
    body = Sum([Term(number(einsum.coefficient), (factor,))])
    np.testing.assert_array_equal(evaluate(body, einsum.axes(indices), VALUES, SIZES), einsum.dense(VALUES))


@given(einsums(powers=(1, 2), least=1), einsums(powers=(1, 2), least=1))
def test_different_contractions_are_different(first, second):
    """One object means one value: also for pairs drawn at random."""
    values = [arrays(seed) for seed in (1, 2)]
    closed = []
    for einsum in (first, second):
        indices = einsum.indices()
        used = {letter for _, letters, _ in einsum.factors for letter in letters}
        summed = [indices[x] for x in einsum.summed if x in used]
        closed.append(contraction(einsum.term(indices).factors, summed).tensor)
    if closed[0] is closed[1]:
        one, two = ([evaluate(of_factor(t(*t.axes)), t.axes, v, SIZES) for v in values] for t in closed)
        np.testing.assert_array_equal(one, two)
    for tensor, einsum in zip(closed, (first, second), strict=True):
        assert set(tensor.inputs) == {name for name, _, _ in einsum.factors}


@given(sums_of_einsums(ties=1, powers=(1, 2)), seeds)
def test_shared_sum_up_to_names_and_order(parts, seed):
    """A sum that stays whole: whichever order its terms and factors came in, whatever the names."""
    first, second = parts[0].indices(), renamed(parts[0], seed)

    def body(indices, seed):
        terms = []
        for part in parts:
            own = {**renamed(part, seed), **{x: indices[x] for x in part.out}}
            terms.append(nested_term(part, own, orders(part, seed)))
        return Sum(shuffled(terms, seed))

    one_body, other_body = body(first, 0), body(second, seed)
    assume(len(one_body.terms) > 1)
    one, other = shared(one_body), shared(other_body)
    assert other.tensor is one.tensor
    back = {second[letter]: first[letter] for letter in parts[0].out}
    assert other.substitute(back) == one
    assert signature(Term(1, (one,))) == signature(Term(1, (other,)))
    present = [first[x] for x in parts[0].out if first[x] in one_body.labels]
    np.testing.assert_array_equal(
        evaluate(of_factor(one), present, VALUES, SIZES), evaluate(one_body, present, VALUES, SIZES)
    )


def nested_term(einsum, indices, order):
    """The product with its sum closed; a summed letter that nothing carries is left out."""
    term = einsum.term(indices, order)
    return nested(term._replace(summed=tuple(i for i in term.summed if i in term.labels)))


@given(einsums(powers=(1, 2), least=1), seeds, st.sampled_from(["exp", "logaddexp"]))
def test_application_up_to_names_and_order(einsum, seed, name):
    primitive = PRIMITIVES[name]
    factors = []
    for indices, order in ((einsum.indices(), None), (renamed(einsum, seed), orders(einsum, seed))):
        body = Sum([nested_term(einsum, indices, order)])
        args = [body, of_factor(u(u.axes[0]))][: primitive.arity]
        factors.append((apply(primitive, args, [()] * primitive.arity), indices))
    (one, first), (other, second) = factors
    assert other.tensor is one.tensor
    assert other.substitute({second[letter]: first[letter] for letter in first}) == one


@given(einsums(ties=2, powers=(1, 2)), seeds)
def test_canonical_terms(einsum, seed):
    """Terms that sum differ in the names of summed indices only: `canonical` makes them equal."""
    first = einsum.indices()
    second = {**renamed(einsum, seed), **{letter: first[letter] for letter in einsum.out}}
    one = canonical(einsum.term(first))
    other = canonical(einsum.term(second, orders(einsum, seed)))
    if set(einsum.summed) <= {x for part in (*(f[1] for f in einsum.factors), *einsum.ties) for x in part}:
        assert one == other
        assert len(Sum([one, other]).terms) == 1
    axes = einsum.axes(first)
    np.testing.assert_array_equal(evaluate(Sum([one]), axes, VALUES, SIZES), einsum.dense(VALUES))


@given(einsums(powers=(1, 2), least=2), seeds)
def test_nesting_can_be_undone(einsum, seed):
    """Any part of a product closed on its own, then opened again: the same term, and the same signature."""
    indices = einsum.indices()
    term = einsum.term(indices)
    assume(set(term.summed) <= term.labels)
    inside = [factor for k, factor in enumerate(shuffled(term.factors, seed)) if k % 2 == 0]
    outside = [factor for factor in term.factors if factor not in inside]
    elsewhere = {label for factor in outside for label in factor.labels}
    own = {label for factor in inside for label in factor.labels} & set(term.summed) - elsewhere
    part = contraction(inside, [label for label in term.summed if label in own])
    left = tuple(label for label in term.summed if label not in own)
    closed = product(term.coefficient, [*outside, part], left)
    assert canonical(flattened(closed)) == canonical(flattened(term))
    assert signature(closed) == signature(term)


# Powers, like terms, coefficients -----------------------------------------------------------------


def test_powers_of_one_factor_are_added():
    i, j = fresh(n, n)
    assert product(1, [u(i), u(i, power=2), u(i, power=-4)]).factors == (u(i, power=-1),)
    assert product(1, [u(i, power=Fraction(1, 2)), u(i, power=Fraction(-1, 2))]).factors == ()
    assert product(1, [u(i, power=Fraction(1, 2)), u(i, power=Fraction(3, 2))]).factors == (u(i, power=2),)
    assert type(product(1, [u(i, power=Fraction(1, 2))] * 2).factors[0].power) is int
    # of one tensor at different slots they are not
    assert len(product(1, [u(i), u(j)]).factors) == 2
    assert len(product(1, [B(i, j), B(j, i)]).factors) == 2


def test_a_tie_is_its_own_square():
    i, j, k = fresh(n, n, n)
    assert product(1, [delta(i, j), delta(j, i), delta(i, j)]).factors == (delta(i, j),)
    assert delta(i, j) == delta(j, i)
    assert zero_of(combine([(Dim.of(2), i), (Dim.of(-3), j)])) == zero_of(combine([(Dim.of(3), j), (Dim.of(-2), i)]))
    assert len(product(1, [delta(i, j), delta(j, k)]).factors) == 2


def test_like_terms_are_merged():
    i, j = fresh(n, n)
    x, y = Term(2, (u(i),)), Term(3, (u(j),))
    assert Sum([x, y, x, y]).terms == Sum([Term(4, (u(i),)), Term(6, (u(j),))]).terms
    assert Sum([x, Term(-2, (u(i),))]).terms == ()
    assert not Sum([x, Term(-2, (u(i),))])
    assert Sum([x, y]) == Sum([y, x])
    assert hash(Sum([x, y])) == hash(Sum([y, x]))


@given(st.lists(st.fractions(max_denominator=30), min_size=1, max_size=8))
def test_rational_coefficients_are_exact(numbers):
    (i,) = fresh(n)
    total = Sum(Term(number(value), (u(i),)) for value in numbers)
    exact = sum(numbers)
    assert [term.coefficient for term in total.terms] == ([exact] if exact else [])
    for term in total.terms:
        assert type(term.coefficient) is (int if exact.denominator == 1 else Fraction)


def test_thirds_add_up_to_one():
    F = tj.trace(lambda x: x / 3 + x / 3 + x / 3, x="n")
    assert str(F) == "Y[i] = x[i]"
    assert str(tj.trace(lambda x: x / 10 * 3 - 3 * x / 10 + x, x="n")) == "Y[i] = x[i]"


def test_a_half_and_a_decimal_are_kept_apart():
    """1/2 and 0.5 are equal numbers, and neither may be printed as the other."""
    (i,) = fresh(n)
    half, decimal = Sum([Term(Fraction(1, 2), (u(i),))]), Sum([Term(0.5, (u(i),))])
    assert half != decimal
    assert len({half, decimal}) == 2
    assert shared(Sum([*half.terms, Term(1, ())])).tensor is not shared(Sum([*decimal.terms, Term(1, ())])).tensor
    exp = PRIMITIVES["exp"]
    assert apply(exp, [half], [()]).tensor is not apply(exp, [decimal], [()]).tensor
    halved, floating = tj.trace(lambda x: np.exp(x / 2), x="n"), tj.trace(lambda x: np.exp(0.5 * x), x="n")
    assert str(halved) == "Y[i] = exp(1/2 x[i])"
    assert str(floating) == "Y[i] = exp(0.5 x[i])"
    # numbers that differ only in their type, inside a larger expression that is otherwise the same
    for fun, text in ((lambda x: 1 + x / 2, "1/2"), (lambda x: 1 + 0.5 * x, "0.5")):
        assert text in str(tj.trace(fun, x="n"))


def test_numbers_have_one_form():
    assert [number(value) for value in (2.0, Fraction(4, 2), Fraction(1, 2), 0.5)] == [2, 2, Fraction(1, 2), 0.5]
    kinds = [type(number(value)) for value in (2.0, Fraction(4, 2), Fraction(1, 2), 0.5, 1e300, -0.0)]
    assert kinds == [int, int, Fraction, float, float, int]


def test_sizes_are_factors_that_cancel():
    assert of_size(n * m).terms[0].factors != of_size(n).terms[0].factors
    (over,) = of_size(n).terms
    inverse = Term(1, tuple(factor._replace(power=-1) for factor in over.factors))
    assert product(1, [*over.factors, *inverse.factors]) == Term(1, ())
    assert str(tj.trace(lambda x: x * x.shape[0] / x.shape[0], x="n")) == "Y[i] = x[i]"
    assert len(of_size((n + 1) * (n - 1)).terms) == 2


# Slots --------------------------------------------------------------------------------------------


def test_a_bare_index_stays_bare():
    i, j = fresh(n, n)
    assert affine(Dim.of(0), {i: Dim.of(1)}) is i
    assert combine([(Dim.of(2), i), (Dim.of(-1), i)]) is i
    assert combine([(Dim.of(1), i), (Dim.of(1), j), (Dim.of(-1), j)]) is i
    assert isinstance(combine([(Dim.of(1), i)], Dim.of(1)), Affine)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3)), max_size=6), st.integers(-5, 5), seeds)
def test_affine_forms_up_to_order(parts, offset, seed):
    indices = fresh(n, m, n, m)
    weighted = [(Dim.of(weight), indices[k]) for weight, k in parts]
    one, other = combine(weighted, Dim.of(offset)), combine(shuffled(weighted, seed), Dim.of(offset))
    assert one == other
    assert hash(one) == hash(other)
    minus = combine([(Dim.of(-1), one)])
    assert zero_of(one) == zero_of(minus)


# Symmetries ---------------------------------------------------------------------------------------


def test_gram_matrices_are_symmetric():
    """X.T @ X read at ij and at ji is the same factor."""
    i, j, k = fresh(n, n, m)
    gram = contraction([A(i, k), A(j, k)], [k])
    assert gram.tensor.symmetries == ((1, 0),)
    assert gram.tensor(i, j) == gram.tensor(j, i)
    other = contraction([A(i, k), B(j, i)], [i])
    assert other.tensor.symmetries == ()
    assert other.tensor(*other.slots[::-1]) != other


def test_symmetries_of_three_axes():
    """Σ_k A[ak] A[bk] A[ck] does not change under any of the six orders, u[i] u[j] A[k·] under two."""
    a, b, c, k = fresh(n, n, n, m)
    cube = contraction([A(a, k), A(b, k), A(c, k)], [k]).tensor
    assert len(cube.symmetries) == 5
    pair = contraction([u(a), u(b), A(c, k)], [k]).tensor
    assert len(pair.symmetries) == 1
    exponential = apply(PRIMITIVES["exp"], [of_factor(contraction([A(a, k), A(b, k)], [k]))], [()])
    assert exponential.tensor.symmetries == ((1, 0),)


GRAPHS = {
    "cycle": ([(k, (k + 1) % 7) for k in range(7)], 14),
    "two triangles": ([(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)], 72),
    "complete bipartite": ([(i, j) for i in range(3) for j in range(3, 6)], 72),
    "Petersen": ([(k, j) for i in range(5) for k, j in ((i, (i + 1) % 5), (i, i + 5), (i + 5, (i + 2) % 5 + 5))], 120),
    "Frucht": (
        [(k, (k + 1) % 7) for k in range(7)]
        + [(0, 7), (1, 7), (2, 8), (3, 9), (4, 9), (5, 10), (6, 10), (7, 11), (8, 11), (8, 9), (10, 11)],
        1,
    ),
    "Shrikhande": (
        [
            (4 * x + y, 4 * ((x + a) % 4) + (y + b) % 4)
            for x in range(4)
            for y in range(4)
            for a, b in ((0, 1), (1, 0), (1, 1))
        ],
        192,
    ),
    "cube of four axes": ([(i, i ^ bit) for i in range(16) for bit in (1, 2, 4, 8) if i < i ^ bit], 384),
    "complete": (list(combinations(range(6), 2)), 720),
}
"""Pairs of vertices, and how many renamings of the vertices keep them (Godsil and Royle, Algebraic Graph Theory)."""


@pytest.mark.parametrize(("pairs", "count"), GRAPHS.values(), ids=GRAPHS)
def test_symmetries_of_a_product_over_the_pairs_of_a_graph(pairs, count):
    """All renamings are found, and the names of the vertices do not matter."""
    found = set()
    for seed in range(3):
        vertices = shuffled([Index.fresh(n) for _ in range(max(map(max, pairs)) + 1)], seed)
        factors = []
        for i, j in pairs:
            k = Index.fresh(m)
            factors.append(contraction([A(vertices[i], k), A(vertices[j], k)], [k]))
        found.add(shared(Sum([product(1, shuffled(factors, seed)), product(1, [])])).tensor)
    (tensor,) = found
    assert len(tensor.symmetries) == count - 1


def test_more_symmetries_than_are_looked_at_one_by_one():
    """Of the 10! orders of equal factors, few are needed to know that all are alike."""
    indices = [Index.fresh(n) for _ in range(10)]
    found = set()
    for seed in range(3):
        k = Index.fresh(m)
        factors = [A(i, k) for i in shuffled(indices, seed)]
        found.add(contraction(factors, [k]).tensor)
        found.add(contraction([*factors, *(u(i) for i in indices)], [k, *indices]).tensor)
    assert len(found) == 2


SQUARE = Input("S", (n, n))


def differences(hub, i, j, k):
    """(S[ik] - S[jk])² is symmetric in i and j, not in j and k."""
    tensor, slots, _ = shared(Sum([product(1, [SQUARE(i, k)]), product(-1, [SQUARE(j, k)])]))
    return [tensor(*slots, power=2), SQUARE(hub, i)]


def neighbours(hub, i, j, k):
    return [zero_of(combine([(Dim.of(1), i), (Dim.of(-1), j)], Dim.of(-1))), SQUARE(i, k), SQUARE(j, k), SQUARE(hub, k)]


@pytest.mark.parametrize("like", (differences, neighbours))
def test_many_like_factors(like):
    """Where refinement tells labels apart that play different parts, a few orders are looked at, and not 2^12."""
    found = set()
    for seed in range(3):
        hub = Index.fresh(n)
        labels = [tuple(Index.fresh(n) for _ in range(3)) for _ in range(12)]
        factors = [factor for own in labels for factor in like(hub, *own)]
        summed = [hub, *(label for own in labels for label in own)]
        found.add(contraction(shuffled(factors, seed), shuffled(summed, seed)).tensor)
    assert len(found) == 1


@given(einsums(powers=(1, 2), least=2, letters=4))
def test_symmetries_are_true(einsum):
    """Swapping the axes as a tensor says it may be swapped changes no value."""
    indices = einsum.indices()
    used = {letter for _, letters, _ in einsum.factors for letter in letters}
    tensor = contraction(einsum.term(indices).factors, [indices[x] for x in einsum.summed if x in used]).tensor
    value = evaluate(of_factor(tensor(*tensor.axes)), tensor.axes, VALUES, SIZES)
    for order in tensor.symmetries:
        np.testing.assert_array_equal(np.transpose(value, order), value)


def test_symmetric_functions_of_symmetric_arguments():
    F = tj.trace(lambda X: np.linalg.inv(X.T @ X) - np.linalg.inv(X.T @ X).T, X="b n")
    assert str(F) == "Y[i:n, j:n] = 0"
    F = tj.trace(lambda X: np.linalg.inv(X) - np.linalg.inv(X).T, X="n n")
    assert "0" not in str(F).partition(" = ")[2]
    F = tj.trace(lambda X: np.exp(X @ X.T) - np.exp(X @ X.T).T, X="b n")
    assert str(F) == "Y[i:b, j:b] = 0"


# What is known of signs ---------------------------------------------------------------------------


def test_signs():
    i, k = fresh(n, m)
    positive = apply(PRIMITIVES["exp"], [of_factor(u(i))], [()])
    assert positive.sign == 2
    assert u(i).sign == 0
    assert u(i, power=2).sign == 1
    assert Sum([Term(1, (positive,)), Term(1, ())]).sign == 2
    assert Sum([Term(1, (positive,)), Term(-1, ())]).sign == 0
    assert Sum([Term(1, (u(i, power=2),))]).sign == 1
    assert contraction([A(i, k, power=2)], [k]).sign == 1
    assert contraction([positive], [i]).sign == 2
    assert of_size(n).sign == 2
    assert constant(-1).sign == 0


# Nothing depends on what was made before ----------------------------------------------------------

FILLER = """
import numpy as np, tensorjac as tj
from tensorjac.terms import Index
from tensorjac.dims import Dim
for k in range(7):
    Index.fresh(Dim.of("n"))
F = tj.trace(lambda Z, X, A: np.tanh(Z @ X) * np.exp(A).sum() - X.sum(axis=0), Z="k b", X="b n", A="m n")
F.vjp().source(); F.jacobian("A").source()
tj.trace(lambda A, X: A @ X.T @ X, A="m n", X="b n").vjp().source()
"""

SUBJECTS = """
import sys
sys.path[:0] = PATH
import numpy as np, tensorjac as tj
from functions import CASES
chosen = CASES[::6] + [case for case in CASES if case.name in LAYERS]
for case in chosen[::ORDER]:
    F = tj.trace(case.fun, **case.shapes)
    sources[case.name] = F.source() + F.vjp().source() + str(F.vjp())
for name in sorted(sources):
    print(name, sources[name])
"""

LAYERS = {"softmax_shifted", "layer_norm", "attention", "tanh_mlp", "gru_cell", "contrastive", "cross_entropy"}


def printed(before, order, seed):
    """Sources and texts of many functions, from a fresh process with its own hashes and its own history."""
    tests = Path(__file__).parent
    path = [str(tests), str(Path(tj.__file__).parent.parent)]
    script = SUBJECTS.replace("PATH", repr(path)).replace("LAYERS", repr(LAYERS)).replace("ORDER", str(order))
    first, rest = script.split("from functions", 1)
    text = first + before + "sources = {}\nfrom functions" + rest
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, env={"PYTHONHASHSEED": seed, "PATH": ""}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_depends_on_history():
    """Other expressions first, other hashes, the functions in the other order: the same text to the letter."""
    plain = printed("", 1, "1")
    assert "def dX" in plain
    assert printed(FILLER, -1, "2") == plain


def test_the_key_is_not_an_address():
    """Keys are made of what an expression is: the same in every process."""
    script = textwrap.dedent(
        f"""
        import sys
        sys.path[:0] = {[str(Path(tj.__file__).parent.parent)]!r}
        import numpy as np, tensorjac as tj
        from tensorjac.terms import topological
        F = tj.trace(lambda X, A: np.exp(X @ A) / np.exp(X @ A).sum(axis=1, keepdims=True), X="b n", A="n m")
        ((_, body),) = F._parts.outputs.values()
        print([tensor.key.hex() for tensor in topological(body.tensors)])
        """
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, env={"PYTHONHASHSEED": seed, "PATH": ""}
        )
        for seed, text in (("1", script), ("2", script.replace("F =", FILLER.strip() + "\nF =")))
    ]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr + runs[1].stderr
    assert runs[0].stdout == runs[1].stdout
    assert len(runs[0].stdout) > 100


# Nothing recurses over the depth ------------------------------------------------------------------


def chain(depth, between):
    """X A A … A as nested contractions, `between` applied after each, read at (i, j)."""
    i, j = fresh(m, n)
    X = Input("X", (m, n))
    body = of_factor(X(i, j))
    for _ in range(depth):
        k = Index.fresh(n)
        moved = body.substitute({j: k})
        body = between(Sum([product(1, [contraction([*moved.terms[0].factors, B(k, j)], [k])])]))
    return X, (i, j), body


def test_a_chain_of_fifteen_hundred_products():
    """Built, keyed, differentiated and flattened: no recursion over its depth."""
    depth = 1500
    assert depth > sys.getrecursionlimit()
    X, axes, body = chain(depth, lambda body: body)
    assert len(list(topological(body.tensors))) == depth + 2
    assert len({tensor.key for tensor in topological(body.tensors)}) == depth + 2
    k, l = Index.fresh(B.shape[0]), Index.fresh(B.shape[1])
    assert signature(body.terms[0]) == signature(Term(1, (X(*axes), B(k, l, power=depth))))
    out = [Index.fresh(axis.dim) for axis in axes]
    jacobian = calculus.pullback([(axes, body, calculus.identity(axes, out))], [X])[X]
    assert sum(factor.tensor is DELTA for factor in jacobian.terms[0].factors) == 1
    (tangent,) = calculus.pushforward([body], {X: of_factor(Input("dX", X.shape)(*X.axes))})
    assert signature(tangent.terms[0]) == signature(Term(1, (Input("dX", X.shape)(*axes), B(k, l, power=depth))))
    assert len(flattened(body.terms[0], limit=depth + 2).factors) == depth + 1


def test_a_deep_chain_of_functions():
    """A thousand layers that are no products: traced, differentiated, written and run."""
    depth = 1200

    def deep(x, a):
        for _ in range(depth):
            x = np.sin(a * x)
        return x

    F = tj.trace(deep, x="n", a="")
    x = np.array([0.3, -0.2])
    np.testing.assert_allclose(F(x, 0.9), deep(x, 0.9), rtol=1e-12)
    slope = F.vjp("x")(x, 0.9, np.ones(2))
    step = 1e-6
    difference = (deep(x + step, 0.9) - deep(x - step, 0.9)) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-5, atol=1e-9 * max(abs(slope)))


@pytest.mark.parametrize("name", TENSORS)
def test_inputs_are_interned(name):
    assert Input(name, dims(TENSORS[name])) is Input(name, dims(TENSORS[name]))
    assert Input(name, dims(TENSORS[name])) is not Input(name, dims(TENSORS[name] + "n"))
    assert Input(name, dims(TENSORS[name])) is not Input(name + "_", dims(TENSORS[name]))


def test_einsum_strategy_is_not_trivial():
    """The drawn products do contain what the tests above claim to cover."""
    einsum = Einsum(1, (("B", "ij", 1), ("B", "jk", 1)), (), "ik", "j")
    indices = einsum.indices()
    factor = contraction(einsum.term(indices).factors, [indices["j"]])
    assert isinstance(factor.tensor, Contraction)
    np.testing.assert_array_equal(
        evaluate(of_factor(factor), einsum.axes(indices), VALUES, SIZES), VALUES["B"] @ VALUES["B"]
    )
