"""The table of primitives, row by row: a new row is tested by standing there.

Each row becomes a function of batched arguments. Its value is compared with NumPy or SciPy, its derivatives
with finite differences of that value, and it must be caught when its rule is changed.
"""

import itertools
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import special

import tensorjac as tj
from evaluate import core_ranks, evaluate
from oracles import assert_close, draw, finite_difference_jacobian, orthogonal
from tensorjac import rewrites
from tensorjac.calls import Parts
from tensorjac.dims import Dim
from tensorjac.function import Function
from tensorjac.primitives import PRIMITIVES, core_shape
from tensorjac.terms import Index, Input, of_factor

every_row = pytest.mark.parametrize("row", PRIMITIVES.values(), ids=PRIMITIVES)
every_argument = pytest.mark.parametrize(
    ("row", "arg"),
    [(row, arg) for row in PRIMITIVES.values() for arg in range(row.arity)],
    ids=[f"{row.name}-{arg + 1}" for row in PRIMITIVES.values() for arg in range(row.arity)],
)

SIZES = {"b": 2, "n": 3, "m": 4}

REFERENCES = {
    "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(x, 0),
    "heaviside": lambda x: np.heaviside(x, 0.5),
    "where": lambda c, x, y: np.where(c != 0, x, y),
    "mask": lambda x: x != 0,
    "max": lambda x: x.max(axis=-1),
    "min": lambda x: x.min(axis=-1),
    "prod": lambda x: x.prod(axis=-1),
    "logabsdet": lambda x: np.log(np.abs(np.linalg.det(x))),
    "signdet": lambda x: np.sign(np.linalg.det(x)),
    "cholesky": lambda x: np.linalg.cholesky(symmetrised(x)),
}


def symmetrised(x):
    return (x + np.swapaxes(x, -1, -2)) / 2


def reference(row):
    """NumPy's or SciPy's function of that name, or the row's own value; of floats, giving floats."""
    places = [getattr(module, row.name, None) for module in (np, np.linalg, special)]
    function = REFERENCES.get(row.name) or next((place for place in places if place is not None), row.value)
    names = argument_names(row)

    def fun(**args):
        return np.asarray(function(*(np.asarray(args[name]) for name in names)), dtype=float)

    return fun


def argument_names(row):
    return [f"X{k + 1}" for k in range(row.arity)]


def shapes(row):
    """A batch axis and an axis of its own; of several elementwise arguments every second one broadcasts."""
    if row.elementwise:
        return [("n",) if k % 2 else ("b", "n") for k in range(row.arity)]
    return [("b", *row.core(k)) for k in range(row.arity)]


@cache
def function(row):
    """The row applied to inputs, as a function of them."""
    batch = {"b": Index.fresh(Dim.of("b")), "n": Index.fresh(Dim.of("n"))}
    inputs, args, cores = {}, [], []
    for k, (name, shape) in enumerate(zip(argument_names(row), shapes(row), strict=True)):
        inputs[name] = tuple(Dim.of(size) for size in shape)
        core = tuple(Index.fresh(Dim.of(size)) for size in row.core(k))
        outer = [batch[size] for size in shape[: len(shape) - len(core)]]
        args.append(of_factor(Input(name, inputs[name])(*outer, *core)))
        cores.append(core)
    if row.elementwise:
        axes = tuple(batch[size] for size in max(shapes(row), key=len))
        return Function(Parts(inputs, {"Y": (axes, rewrites.apply(row, args))}))
    sizes = core_shape(row, tuple(cores))
    out = tuple(Index.fresh(size) for size in sizes)
    body = rewrites.apply(row, args, cores, out, sizes)
    return Function(Parts(inputs, {"Y": ((batch["b"], *out), body)}))


@cache
def arguments(row, wide=False):
    """Arrays in the row's domain, no two entries close to each other or to a kink."""
    rng = np.random.default_rng(0)
    result = {}
    for part, (name, shape) in enumerate(zip(argument_names(row), shapes(row), strict=True)):
        extent = tuple(SIZES[size] for size in shape)
        if row.domain == "full rank":
            spectrum = np.linspace(0.8, 2.0, extent[-1])
            left = orthogonal((*extent[:-2], extent[-2], extent[-2]), rng)[..., : extent[-1]]
            tall = left * spectrum @ orthogonal((*extent[:-2], extent[-1], extent[-1]), rng)
            result[name] = np.swapaxes(tall, -1, -2) if wide else tall
        else:
            result[name] = draw(extent, rng, "any" if row.domain == "nonzero" else row.domain, part, row.arity)
    # conditions that hold in some places only; their value is the same just above 0 as just below
    if row.name in ("where", "mask"):
        result["X1"] = np.where(result["X1"] > 0.5, result["X1"], 0.0)
    if row.name == "equal":
        result["X1"][0, :2] = result["X2"][:2]
    return result


def points(row):
    """The arguments; where a matrix may be tall or wide, both."""
    return [arguments(row), arguments(row, wide=True)] if row.domain == "full rank" else [arguments(row)]


def cotangent(row, args):
    shape = reference(row)(**args).shape
    return np.random.default_rng(1).normal(size=shape)


@cache
def differences(row, arg):
    """The Jacobian by finite differences, and its error, at each of the points."""
    name = argument_names(row)[arg]
    return [finite_difference_jacobian(reference(row), args, name) for args in points(row)]


# Each row -----------------------------------------------------------------------------------------


@every_row
def test_value(row):
    """The row's own function, the source that is run, and the reader of expressions: all are the reference."""
    for args in points(row):
        desired = reference(row)(**args)
        assert_close(np.asarray(row.value(*args.values()), dtype=float), desired)
        actual = function(row)(**args)
        assert actual.dtype == np.float64
        assert_close(actual, desired)
        ((axes, body),) = function(row)._parts.outputs.values()
        sizes = {name: size for shape, x in zip(shapes(row), args.values(), strict=True)
                 for name, size in zip(shape, x.shape, strict=True)}  # fmt: skip
        assert_close(evaluate(body, axes, args, sizes), desired)


@every_row
def test_the_row_is_complete(row):
    text = "".join((row.source, *(step for _, step in row.steps)))
    places = {int(place) for place in re.findall(r"\{(\d)\.?\}", text)}
    assert places == set(range(row.arity + len(row.steps)))
    assert row.arity >= 1
    assert row.name.isidentifier()
    if row.signature:
        assert len(core_ranks(row.signature)) == row.arity
    assert row.boolean <= (row.value(*arguments(row).values()).dtype == bool)


def assert_slope(row, arg, twin):
    """The Jacobian of `twin` is the one that finite differences give for `row`."""
    name = argument_names(row)[arg]
    J = function(twin).jacobian(name)
    for args, (expected, error) in zip(points(row), differences(row, arg), strict=True):
        assert_close(J.dense(**args), expected, error)


@every_argument
def test_jacobian(row, arg):
    assert_slope(row, arg, row)


@every_argument
def test_forward_and_reverse_give_one_expression(row, arg):
    """From the cotangent δ backward, and from the tangent δ forward: not only equal numbers."""
    name = argument_names(row)[arg]
    backward, forward = function(row).jacobian(name), function(row)._forward_jacobian(name)
    assert backward == forward
    assert_close(forward.dense(**arguments(row)), backward.dense(**arguments(row)))


@every_argument
def test_second_derivative(row, arg):
    """The Jacobian of the VJP, by every argument, against differences of the VJP."""
    V = function(row).vjp(argument_names(row)[arg])

    def of_symmetric(**args):
        return V(**{name: symmetrised(x) if name == "X1" else x for name, x in args.items()})

    fun = of_symmetric if row.domain == "positive definite" else V
    for args in points(row):
        given = {**args, "G": cotangent(row, args)}
        for other in argument_names(row):
            expected, error = finite_difference_jacobian(fun, given, other)
            assert_close(V.jacobian(other).dense(**given), expected, error)


@every_argument
def test_second_derivatives_give_one_expression(row, arg):
    if row.name == "minors":
        pytest.skip("rows that are replaced one inside the other stand in the order of differentiation")
    V = function(row).vjp(argument_names(row)[arg])
    for other in argument_names(row):
        backward, forward = V.jacobian(other), V._forward_jacobian(other)
        assert backward == forward


@every_row
def test_single_precision(row):
    args = {name: value.astype(np.float32) for name, value in arguments(row).items()}
    G = cotangent(row, arguments(row))
    value = function(row)(**args)
    assert value.dtype == np.float32
    assert_close(value, reference(row)(**arguments(row)), 1e-5, roundings=2000, dtype=np.float32)
    for name in args:
        pulled = function(row).vjp(name)(**args, G=G.astype(np.float32))
        assert pulled.dtype == np.float32
        exact = function(row).vjp(name)(**arguments(row), G=G)
        assert_close(pulled, exact, 1e-5, roundings=2000, dtype=np.float32)


# Wide, but not so wide that a positive result is too small for a float.
POSITIVE = (1e-3, 0.3, 1.0, 2.5, 40.0)
SAMPLES = {2: POSITIVE, 1: (0.0, *POSITIVE), 0: (*(-x for x in POSITIVE), 0.0, *POSITIVE)}


@every_row
def test_signs_are_true(row):
    """For all that may be known of the arguments: what the row claims of its value holds on samples."""
    if not row.elementwise and not row.reduces:
        assert row.sign((0,) * row.arity) == row.sign((2,) * row.arity) == 0
        return
    for signs in itertools.product((0, 1, 2), repeat=row.arity):
        columns = [SAMPLES[signs[0]]] * 3 if row.reduces else [SAMPLES[sign] for sign in signs]
        points = np.array(list(itertools.product(*columns)))
        with np.errstate(all="ignore"):
            values = row.value(points) if row.reduces else row.value(*points.T)
        values = np.asarray(values, dtype=float)
        values = values[~np.isnan(values)]
        assert values.size
        claim = row.sign(signs)
        assert claim == 0 or np.all(values > 0 if claim == 2 else values >= 0), (signs, claim)


@pytest.mark.parametrize("row", [row for row in PRIMITIVES.values() if row.keeps_symmetry], ids=lambda row: row.name)
def test_symmetry_is_true(row):
    """A row that says that it keeps symmetry does."""
    value = row.value(draw((2, 3, 3), np.random.default_rng(0), "positive definite"))
    assert_close(np.swapaxes(value, -1, -2), value)


@every_row
def test_batches_are_independent(row):
    """A row of the batch by itself gives the same as in the batch."""
    args = arguments(row)
    whole = reference(row)(**args)
    for k in range(SIZES["b"]):
        one = {
            name: value[k : k + 1] if shape[0] == "b" else value
            for (name, value), shape in zip(args.items(), shapes(row), strict=True)
        }
        assert_close(function(row)(**one), whole[k : k + 1])


# Every row can be caught lying --------------------------------------------------------------------


def sides(rule):
    """What stands before and after the equals sign; elementwise rules have a right side only."""
    left, equals, right = rule.rpartition(" = ")
    return left + equals, right


def top_level_terms(text):
    """The terms of a sum, each with its sign.

    >>> top_level_terms("-Y (1 - Y) + X^2 - 1")
    ['-Y (1 - Y)', '+ X^2', '- 1']
    """
    depth, terms, start = 0, [], 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if depth == 0 and letter in "+-" and text[:place].strip() and text[place - 1] == " ":
            terms.append(text[start:place].strip())
            start = place
    return [*terms, text[start:].strip()]


def sign_flipped(row, rule):
    left, right = sides(rule)
    return left + (right[1:] if right.startswith("-") else f"-{right}")


def doubled(row, rule):
    left, right = sides(rule)
    first, *rest = top_level_terms(right)
    return " ".join([f"{left}{first}", *rest, "+" if not first.startswith("-") else "", first])


def term_dropped(row, rule):
    left, right = sides(rule)
    terms = top_level_terms(right)
    return left + " ".join(terms[1:]).removeprefix("+ ") if len(terms) > 1 else None


def last_term_dropped(row, rule):
    left, right = sides(rule)
    terms = top_level_terms(right)
    return left + " ".join(terms[:-1]) if len(terms) > 1 else None


def indices_swapped(row, rule):
    left, right = sides(rule)
    if row.elementwise and row.arity > 1:
        swapped = re.sub(r"X([12])", lambda found: f"X{3 - int(found[1])}", right)
    elif "[kl]" in left:
        exchanged = {"k": "l", "l": "k"}
        swapped = re.sub(r"\[\w+\]", lambda found: "".join(exchanged.get(letter, letter) for letter in found[0]), right)
    else:
        return None
    return left + swapped if swapped != right else None


def value_for_nothing(row, rule):
    """A slope where there is none."""
    left, right = sides(rule)
    if right != "0":
        return None
    return left + ("δ[kl]" if left else "1")


LIES = [sign_flipped, doubled, term_dropped, last_term_dropped, indices_swapped, value_for_nothing]

# Changes of a rule that leave it the same rule, and why.
TRUE_ALL_THE_SAME = {
    ("cholesky", indices_swapped): "the rule is symmetric in the axes of X",
}


def lies():
    for row in PRIMITIVES.values():
        for arg, rule in enumerate(row.rules):
            for change in LIES:
                changed = change(row, rule)
                if changed is None or (sides(rule)[1] == "0" and change is not value_for_nothing):
                    continue
                reason = TRUE_ALL_THE_SAME.get((row.name, change))
                marks = [pytest.mark.skip(reason=reason)] if reason else []
                yield pytest.param(row, arg, changed, marks=marks, id=f"{row.name}-{arg + 1}-{change.__name__}")


_numbers = itertools.count()


def lying(row, arg, rule):
    """The row with another rule, under a name of its own: a name stands for one function."""
    rules = tuple(rule if k == arg else other for k, other in enumerate(row.rules))
    return replace(row, name=f"{row.name}_{next(_numbers)}", rules=rules)


@pytest.mark.parametrize(("row", "arg", "rule"), list(lies()))
def test_a_changed_rule_is_caught(row, arg, rule):
    """The very check that passes for the row fails for the changed one; or its shapes do not even fit."""
    with pytest.raises((AssertionError, tj.ShapeError)):
        assert_slope(row, arg, lying(row, arg, rule))


@every_argument
def test_an_unchanged_rule_passes_under_another_name(row, arg):
    """The lies are caught for what they say, and not for the name they go by."""
    assert_slope(row, arg, lying(row, arg, row.rules[arg]))


@every_row
def test_each_row_has_a_lie(row):
    rows = [parameter.values[0] for parameter in lies() if not parameter.marks]
    assert row in rows


# Conventions at kinks, and values at the edges ----------------------------------------------------


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("np.abs(x)", [0.0, -2.0, 3.0], [0.0, -1.0, 1.0]),
        ("np.sign(x)", [0.0, -2.0, 3.0], [0.0, 0.0, 0.0]),
        ("np.maximum(x, 0)", [0.0, -2.0, 3.0], [0.5, 0.0, 1.0]),
        ("np.minimum(x, 0)", [0.0, -2.0, 3.0], [0.5, 1.0, 0.0]),
        ("np.maximum(x, x)", [0.0, -2.0, 3.0], [1.0, 1.0, 1.0]),
        ("x.max() + 0 * x", [1.0, 4.0, 4.0], [0.0, 1.5, 1.5]),
        ("x.min() + 0 * x", [1.0, 1.0, 4.0], [1.5, 1.5, 0.0]),
        ("np.where(x > 0, x, -x)", [0.0, -2.0, 3.0], [-1.0, -1.0, 1.0]),
    ],
)
def test_conventions_at_kinks(text, at, expected):
    """As in JAX: ties share equally, and the derivative of abs at 0 is 0."""
    F = tj.parse(f"Y = {text}", x="n")
    actual = F.vjp()(np.array(at), np.ones(3))
    np.testing.assert_array_equal(actual, expected)
    pushed = [F.jvp()(np.array(at), unit).sum() for unit in np.eye(3)]
    np.testing.assert_array_equal(pushed, expected)


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_products_are_exact_at_zeros(zeros):
    """Every derivative up to the third of x₁x₂x₃x₄, also where factors are 0."""
    x = np.array([2.0, -3.0, 0.5, 4.0])
    x[:zeros] = 0.0
    F = tj.trace(lambda x: np.prod(x), x="n")
    gradient, hessian = F.grad("x"), F.hessian("x")

    def without(*places):
        return 0.0 if len(set(places)) < len(places) else np.prod(np.delete(x, list(places)))

    np.testing.assert_array_equal(gradient(x), [without(i) for i in range(4)])
    np.testing.assert_array_equal(hessian.dense(x), [[without(i, j) for j in range(4)] for i in range(4)])
    third = gradient.jacobian("x").jacobian("x").dense(x)
    wanted = [[[without(i, j, k) for k in range(4)] for j in range(4)] for i in range(4)]
    np.testing.assert_array_equal(third, wanted)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "logaddexp", "tanh", "erf", "arctan", "xlogy"])
def test_no_overflow_at_the_edges(name):
    """Values and slopes at ±1000 are finite and right."""
    row = PRIMITIVES[name]
    edge = np.array([[0.0, 1000.0, 700.0]] * 2 if name == "xlogy" else [[-1000.0, 1000.0, 0.0]] * 2)
    args = {
        key: edge if len(shape) == 2 else np.array([1.0, 2.0, 3.0])
        for key, shape in zip(argument_names(row), shapes(row), strict=True)
    }
    with np.errstate(all="ignore"):
        value = function(row)(**args)
        slopes = [function(row).vjp(key)(**args, G=np.ones((2, 3))) for key in args]
    assert_close(value, reference(row)(**args))
    assert all(np.all(np.isfinite(slope)) for slope in slopes[(name == "xlogy") :])


def test_cholesky_is_symmetrised():
    """The Jacobian by a symmetric input: both triangles share."""
    F = function(PRIMITIVES["cholesky"])
    dense = F.jacobian("X1").dense(**arguments(PRIMITIVES["cholesky"]))
    assert_close(np.swapaxes(dense, -1, -2), dense)
    args = arguments(PRIMITIVES["cholesky"])
    V = F.vjp("X1")(**args, G=cotangent(PRIMITIVES["cholesky"], args))
    assert_close(np.swapaxes(V, -1, -2), V)
