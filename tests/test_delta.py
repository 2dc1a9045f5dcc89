"""δ elimination in its four cases, and affine δ, against identities written out.

The expected values are `np.einsum` with `np.eye` and `np.ones`, or NumPy's own views. All arrays hold powers
of two, so every comparison is exact.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tensorjac as tj
from evaluate import evaluate
from generators import (
    SIZES,
    Einsum,
    arrays,
    chained,
    chains,
    conditioned,
    einsums,
    function,
    sums_of_einsums,
)
from tensorjac import rewrites
from tensorjac.terms import DELTA, Contraction, Index, Shared, Sum, topological

VALUES = arrays()


def eliminated(einsum):
    """The axes and the finished expression."""
    indices = einsum.indices()
    return einsum.axes(indices), rewrites.contracted(einsum.term(indices))


def ties_in(body):
    """How many δ stand in the terms of a sum."""
    return sum(factor.tensor is DELTA for term in body.terms for factor in term.factors)


def hidden_ties(body):
    """The tensors below a sum that hold a δ."""
    found = []
    for tensor in topological(body.tensors):
        if isinstance(tensor, Contraction):
            found += [tensor for factor in tensor.factors if factor.tensor is DELTA]
        elif isinstance(tensor, Shared):
            found += [tensor] * ties_in(tensor.body)
    return found


def assert_exact(actual, desired):
    """Equal bit by bit, and neither a view nor another dtype."""
    actual = np.asarray(actual)
    assert actual.dtype == desired.dtype
    np.testing.assert_array_equal(actual, desired)


# The four cases -----------------------------------------------------------------------------------

CASES = {
    # a class that an operand carries: rename
    "rename": (Einsum(1, (("u", "i", 1),), ("ij",), "j", "i"), 0, ["u"]),
    "rename a chain": (Einsum(1, (("u", "i", 1),), ("ij", "jk", "kl"), "l", "ijk"), 0, ["u"]),
    "rename to a trace": (Einsum(1, (("B", "ij", 1),), ("ij",), "", "ij"), 0, ["B"]),
    "rename to a diagonal": (Einsum(1, (("B", "ij", 1),), ("ij",), "i", "j"), 0, ["B"]),
    "rename both ends": (Einsum(1, (("B", "ij", 1),), ("ik", "jl"), "kl", "ij"), 0, ["B"]),
    "rename in a product": (Einsum(1, (("A", "ia", 1), ("A", "jb", 1)), ("ab",), "ij", "ab"), 0, ["A", "A"]),
    "rename in a hyperedge": (
        Einsum(1, (("u", "i", 1), ("A", "ja", 1), ("B", "kl", 1)), ("ij", "jk"), "al", "ijk"),
        0,
        ["u", "A", "B"],
    ),
    # two output indices in one class: exactly one δ stays between them
    "kept": (Einsum(1, (), ("ij",), "ij", ""), 1, []),
    "kept by way of a summed index": (Einsum(1, (), ("ik", "kj"), "ij", "k"), 1, []),
    "kept once, though given twice": (Einsum(1, (), ("ij", "ji", "ij"), "ij", ""), 1, []),
    "kept beside a carrier": (Einsum(1, (("u", "k", 1),), ("ik", "jk"), "ij", "k"), 1, ["u"]),
    "kept among three": (Einsum(1, (("u", "i", 1),), ("ij", "jk", "ki"), "kij", ""), 2, ["u"]),
    "kept twice": (Einsum(1, (("B", "ij", 1),), ("ik", "jl"), "lkij", ""), 2, ["B"]),
    # a class that is summed and that no operand carries: a factor n
    "size": (Einsum(1, (), ("ij",), "", "ij"), 0, ["n"]),
    "size of a ring": (Einsum(1, (), ("ij", "jk", "ki"), "", "ijk"), 0, ["n"]),
    "size of an index that nothing mentions": (Einsum(1, (("v", "a", 1),), (), "a", "i"), 0, ["n", "v"]),
    "size twice": (Einsum(1, (), ("ij", "kl"), "", "ijkl"), 0, ["n", "n"]),
    "sizes of different axes": (Einsum(1, (), ("ij", "ab"), "", "ijab"), 0, ["m", "n"]),
    "size beside a sum": (Einsum(1, (("A", "ia", 1),), ("jk",), "a", "ijk"), 0, ["A", "n"]),
    # an output index that no operand carries: ones
    "ones": (Einsum(1, (), (), "i", ""), 0, []),
    "ones tied to a summed index": (Einsum(1, (), ("ij",), "i", "j"), 0, []),
    "ones beside a vector": (Einsum(1, (("v", "a", 1),), (), "ax", ""), 0, ["v"]),
    "ones over several axes": (Einsum(-3, (), (), "xai", ""), 0, []),
    # all of them at once
    "all four": (
        Einsum(2, (("u", "l", 1),), ("li", "ab", "xy"), "iabc", "lxy"),
        1,
        ["p", "u"],
    ),
}


def carried(body):
    """The names of the inputs and sizes in a product, contractions opened, each as often as its power."""
    names = []
    waiting = [factor for term in body.terms for factor in term.factors]
    while waiting:
        tensor, _, power = waiting.pop()
        if isinstance(tensor, Contraction):
            waiting += tensor.factors
        elif tensor is not DELTA:
            names += [getattr(tensor, "name", None) or str(tensor.dim)] * power
    return sorted(names)


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    """The value, what is left of the δ, and that nothing else appears."""
    einsum, ties, left = CASES[name]
    axes, body = eliminated(einsum)
    desired = einsum.dense(VALUES)
    assert_exact(evaluate(body, axes, VALUES, SIZES), desired)
    assert_exact(function(axes, body)(**VALUES), desired)
    assert ties_in(body) == ties
    assert hidden_ties(body) == []
    assert carried(body) == sorted(left)


def ties_wanted(einsum):
    """One δ fewer than output letters, in each class."""
    return sum(max(len(part & set(einsum.out)) - 1, 0) for part in einsum.classes())


@given(einsums(ties=4, powers=(1, 1, 2, -1)))
def test_any_einsum(einsum):
    axes, body = eliminated(einsum)
    desired = einsum.dense(VALUES)
    assert_exact(evaluate(body, axes, VALUES, SIZES), desired)
    assert_exact(function(axes, body)(**VALUES), desired)
    assert ties_in(body) == ties_wanted(einsum)
    assert hidden_ties(body) == []


@given(einsums(ties=3, powers=(1, 1, 2, -1)))
def test_the_reader_knows_einsums(einsum):
    """`evaluate` on the product as it stands: the two oracles agree before the library has its say."""
    indices = einsum.indices()
    raw = Sum([einsum.term(indices)])
    assert_exact(evaluate(raw, einsum.axes(indices), VALUES, SIZES), einsum.dense(VALUES))


@given(sums_of_einsums(ties=2))
def test_sums_of_einsums(parts):
    """Terms of one sum that tie different axes, and lack different ones."""
    indices = parts[0].indices()
    axes = parts[0].axes(indices)
    bodies = []
    for part in parts:
        own = part.indices()
        own.update({letter: indices[letter] for letter in part.out})
        bodies.append(rewrites.contracted(part.term(own)))
    body = rewrites.add(*bodies)
    desired = sum(part.dense(VALUES) for part in parts)
    assert_exact(evaluate(body, axes, VALUES, SIZES), desired)
    assert_exact(function(axes, body)(**VALUES), desired)


@given(einsums(ties=3), st.integers(0, 2**32))
def test_the_order_of_summation_does_not_matter(einsum, seed):
    """Summed at once, or one index after the other, in any order: the same expression."""
    indices = einsum.indices()
    rng = np.random.default_rng(seed)
    at_once = rewrites.contracted(einsum.term(indices))
    one_by_one = rewrites.settled(einsum.term(indices)._replace(summed=()))
    for letter in rng.permutation(list(einsum.summed)):
        one_by_one = rewrites.contract(one_by_one, [indices[str(letter)]])
    axes = einsum.axes(indices)
    assert function(axes, one_by_one) == function(axes, at_once)
    assert_exact(evaluate(one_by_one, axes, VALUES, SIZES), einsum.dense(VALUES))


@given(einsums(ties=3))
def test_printed_and_read_again(einsum):
    axes, body = eliminated(einsum)
    F = function(axes, body)
    again = tj.parse(str(F), **F.inputs)
    assert again == F
    assert_exact(again(**VALUES), einsum.dense(VALUES))


@given(einsums(ties=2, powers=(1, 2), least=1), st.data())
def test_derivative_of_any_einsum(einsum, data):
    """By each input that occurs at most twice: the central difference of a quadratic is exact."""
    name = data.draw(st.sampled_from(sorted({name for name, _, _ in einsum.factors})))
    assume(sum(power for other, _, power in einsum.factors if other == name) <= 2)
    axes, body = eliminated(einsum)
    dense = function(axes, body).jacobian(name).dense(**VALUES)
    for position in np.ndindex(VALUES[name].shape):
        step = np.zeros_like(VALUES[name])
        step[position] = 1
        above, below = (einsum.dense({**VALUES, name: VALUES[name] + s}) for s in (step, -step))
        np.testing.assert_array_equal(dense[(..., *position)], (above - below) / 2)


# Affine δ -----------------------------------------------------------------------------------------


@given(conditioned())
def test_affine_conditions(drawn):
    """Any δ of any affine forms: as it stands, finished, and as it is run."""
    axes, term = drawn
    desired = evaluate(Sum([term]), axes, VALUES, SIZES)
    body = rewrites.contracted(term)
    assert_exact(evaluate(body, axes, VALUES, SIZES), desired)
    assert_exact(function(axes, body)(**VALUES), desired)


@pytest.mark.parametrize(
    "text",
    [
        "Y[i:n] = -u[i] δ[2*i, 0]",
        "Y[i, j:n] = -w[i] δ[i = 1 - j]",
        "Y[i, j:n] = 2 w[i] δ[i + j, 3]",
        "Y[i, j:n] = w[i] δ[i + j, 3] - u[j]",
        "Y[i:n] = -Σ_k w[k] δ[i + k, 3]",
        "Y[i:n, j:n] = -3 δ[i + j, 2]",
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_conditions_that_no_axis_solves(text, dtype):
    """Masks: scaled, negated, added; in the dtype of the inputs."""
    F = tj.parse(text, w="p", u="n")
    values = {name: VALUES[name].astype(dtype) for name in "wu"}
    ((axes, body),) = F._parts.outputs.values()
    assert_exact(F(**values), evaluate(body, axes, values, SIZES).astype(dtype))


def test_a_condition_that_fails_gives_zero_whatever_stands_beside_it():
    """δ is a condition, not a number: where it fails there is 0, and not 0·∞."""
    w = np.array([np.inf, 1.0, -np.inf, 2.0, np.nan])
    F = tj.parse("Y[i, j:n] = w[i] δ[i = 1 - j]", w="p", u="n")
    result = F(w, np.ones(3))
    assert_exact(result, np.where(np.arange(5)[:, None] == 1 - np.arange(3), w[:, None], 0.0))


def basis(fun, shape):
    """The matrix of a linear function, column by column."""
    size = int(np.prod(shape))
    columns = [fun(unit.reshape(shape)) for unit in np.eye(size)]
    return np.stack(columns, axis=-1).reshape(*columns[0].shape, *shape)


SHAPES = {"a": (6,), "a b": (6, 5), "6 4": (6, 4), "a 4": (6, 4), "6 b": (6, 5), "a b 2": (4, 3, 2)}
MEASURES = {"a": {"a": 6}, "a b": {"a": 6, "b": 5}, "a 4": {"a": 6}, "6 b": {"b": 5}, "a b 2": {"a": 4, "b": 3}}


def check_chain(names, text):
    """Value, Jacobian, VJP and JVP of a chain of views, against NumPy and against the reader of expressions."""
    fun, shape = chained(names), SHAPES[text]
    sizes = MEASURES.get(text, {})
    X = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    desired = fun(X)
    F = tj.trace(fun, X=text)
    assert_exact(F(X), desired)
    ((axes, body),) = F._parts.outputs.values()
    assert_exact(evaluate(body, axes, {"X": X}, sizes), desired)
    dense = basis(fun, shape)
    J = F.jacobian("X")
    assert_exact(J.dense(X), dense)
    ((axes, body),) = J._parts.outputs.values()
    if dense.size < 20000:
        assert_exact(evaluate(body, axes, {"X": X}, sizes), dense)
    G = np.arange(1.0, 1.0 + desired.size).reshape(desired.shape)
    assert_exact(F.vjp()(X, G), np.tensordot(G, dense, G.ndim))
    assert_exact(F.jvp()(X, X), desired)


@given(chains(), st.sampled_from(list(SHAPES)))
def test_chains_of_views(names, text):
    shape = SHAPES[text]
    try:
        desired = chained(names)(np.ones(shape))
    except ValueError:
        assume(False)
    assume(0 < desired.size <= 1000)
    try:
        tj.trace(chained(names), X=text)(np.ones(shape))
    except tj.ShapeError:
        assume(False)  # a slice longer than the axis, which is refused where sizes are symbolic
    check_chain(names, text)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("X[::2]",), "a b"),
        (("X[1::2]",), "a b"),
        (("X[::-1]", "X[1::2]"), "a b"),
        (("X[::-1]", "X[::2]"), "6 b"),
        (("X[::-1]", "X[1::2]"), "6 b"),
        (("X[..., ::3]", "X[::-1]"), "a b"),
        (("X[..., :0:-1]", "transpose", "X[1:]"), "a b"),
        (("pad", "X[1:]", "flip"), "a b"),
        (("pad", "pad first", "X[..., ::3]"), "a b"),
        (("roll", "roll", "windows"), "a b"),
        (("merge",), "a b"),
        (("merge", "X[::-1]"), "a b"),
        (("merge first", "transpose", "merge"), "a b 2"),
        (("X[1:]", "merge"), "a b"),
        (("X[::2]", "repeat"), "6 4"),
        (("X[..., -2:]", "tile"), "6 4"),
        (("windows", "merge"), "a b"),
        (("tile", "X[::-1]"), "a b"),
        (("tile", "flip"), "a"),
        (("tile", "concatenate"), "a 4"),
        (("X[::2]", "outer", "merge"), "a b"),
        (("roll", "merge"), "a 4"),
        (("sum", "roll", "X[::2]", "windows"), "a b"),
        (("two and a rest", "X[::-1]", "merge first"), "a b"),
        (("concatenate", "merge", "X[::2]"), "a 4"),
        (("repeat", "X[1::2]", "cumulative"), "6 4"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_chain_of_views(names, text):
    check_chain(names, text)


@pytest.mark.parametrize("stop", [None, 0, 1, -1, -2])
@pytest.mark.parametrize("start", [None, 0, 1, -1, -2])
@pytest.mark.parametrize("step", [1, 2, 3, -1, -2, -3])
def test_every_slice(start, stop, step):
    """One trace for all sizes: what NumPy does, or a refusal that names the sizes, and never other numbers.

    Only where the ends meet at small sizes, or the slice is empty at large ones, may it be refused.
    """
    cut = slice(start, stop, step)
    F = tj.trace(lambda x: x[cut] * 2, x="n")
    J = F.jacobian("x")
    answered = 0
    for size in range(1, 9):
        x = np.arange(1.0, size + 1)
        try:
            actual = F(x)
        except tj.ShapeError:
            assert size <= 3 or not x[cut].size or not np.arange(8)[cut].size, size
            continue
        answered += 1
        assert_exact(actual, x[cut] * 2)
        assert_exact(J.dense(x), basis(lambda x: x[cut] * 2, (size,)))
    assert answered


@pytest.mark.parametrize(("a", "b"), [(3, 4), (4, 3), (1, 5), (5, 1), (2, 2)])
def test_splits_and_merges_cancel(a, b):
    """A reshape and its inverse leave nothing: no δ, and the very input."""

    def there_and_back(X):
        return X.reshape(-1).reshape(X.shape) + 0 * X

    F = tj.trace(there_and_back, X="a b")
    X = np.arange(1.0, a * b + 1).reshape(a, b)
    assert_exact(F(X), X)
    assert str(F) == "Y[ij] = X[ij]"
    assert str(F.jacobian("X")) == "∂Y[ij]/∂X[kl] = δ[ik] δ[jl]"


def test_summed_letters_do_not_capture():
    """A contraction with itself over its own free letters: their summed letters stay apart."""
    axes, body = eliminated(Einsum(1, (("B", "ij", 1), ("B", "jk", 1)), (), "ik", "j"))
    middle = Index.fresh(axes[0].dim)
    left, right = rewrites.substitute(body, {axes[1]: middle}), rewrites.substitute(body, {axes[0]: middle})
    squared = rewrites.contract(rewrites.multiply(left, right), [middle])
    B = VALUES["B"]
    assert_exact(evaluate(squared, axes, VALUES, SIZES), B @ B @ B @ B)
    assert_exact(function(axes, squared)(**VALUES), B @ B @ B @ B)
