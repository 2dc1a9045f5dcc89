"""Every rewrite by itself: that it changes no value, that it ends, that it is needed, and that it costs nothing.

Expressions are simplified as they are built, so a rewrite is switched off while the same NumPy function is
traced and differentiated again.
"""

import random
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorjac as tj
from evaluate import evaluate
from functions import CASES, named
from generators import SIZES, arrays, conditioned, function, nestings
from oracles import assert_close, distinct_sizes, random_inputs
from tensorjac import rewrites
from tensorjac.function import Function
from tensorjac.normal import normal
from tensorjac.plan.choices import CALL, work
from tensorjac.rewrites import merging, registry
from tensorjac.terms import Shared, Sum, product, topological

ARRAYS = arrays()

LAYERS = [
    "linear",
    "softmax",
    "softmax_shifted",
    "log_softmax",
    "cross_entropy",
    "cross_entropy_of_labels",
    "layer_norm",
    "rms_norm",
    "batch_norm",
    "attention",
    "attention_causal",
    "attention_multi_head",
    "gelu",
    "gelu_by_tanh",
    "tanh_mlp",
    "gated_mlp",
    "gru_cell",
    "low_rank_bilinear",
    "contrastive",
    "gaussian_log_likelihood",
    "mahalanobis",
    "ridge_regression",
    "conv1d",
    "recurrent",
    "factorisation_loss",
    "classifier",
]

BY_NAME = {case.name: case for case in CASES}

# Those that simplification changes, a spread of all others, and every layer.
CHANGED = [
    *("variance", "standard_deviation_unbiased", "trace", "several_outputs", "stable_pair", "in_place"),
    *("where_of_comparison", "where_with_scalar", "cholesky_of_gram", "elementary exp2", "powers"),
    *("reshape_splitting", "reshape_adding_and_dropping", "ravelled", "rolled", "padded", "lower_triangle"),
]
CHOSEN = list(dict.fromkeys([*LAYERS, *CHANGED, *(case.name for case in CASES[::16])]))

# Enough of them for comparing costs in a short run.
COUNTED = [
    *("softmax_shifted", "cross_entropy", "layer_norm", "rms_norm", "attention", "gelu_by_tanh"),
    *("gated_mlp", "contrastive", "gaussian_log_likelihood", "mahalanobis", "factorisation_loss", "ridge_regression"),
]


@dataclass(frozen=True)
class Witness:
    """A function that one rewrite changes, with its shapes (or its text), and where it is evaluated."""

    fun: object
    shapes: dict
    domain: object = "any"
    beside: tuple = ()  # rewrites that would do the same, and are off in both

    def traced(self):
        with rewrites.without(*self.beside):
            if isinstance(self.fun, str):
                return tj.parse(self.fun, **self.shapes)
            return tj.trace(self.fun, **self.shapes)

    def printed(self):
        """The text and the source of the function and of its VJP."""
        with rewrites.without(*self.beside):
            F = self.traced()
            return "\n".join([str(F), F.source(), str(F.vjp()), F.vjp().source()])


def of_case(name, beside=()):
    case = BY_NAME[name]
    return Witness(case.fun, case.shapes, case.domain, beside)


def softmax(X):
    E = np.exp(X)
    return E / E.sum(axis=1, keepdims=True)


WITNESSES = {
    "like terms": of_case("attention", beside=("terms cancel",)),
    "terms cancel": Witness(lambda x, y: np.exp(x) * (x - np.sin(y)) + np.exp(x) * np.sin(y), {"x": "n", "y": "n"}),
    "masks are idempotent": Witness(lambda X: np.einsum("ii->", (X * (X > 0)).T @ (X * (X > 0))), {"X": "b n"}),
    "common factors": Witness(lambda x: np.exp(x * x - 2 * x), {"x": "n"}),
    "sigmoid": Witness(lambda x: x / (1 + np.exp(-x)), {"x": "n"}),
    "adjugate": Witness(lambda X: np.linalg.det(X) * np.linalg.inv(X), {"X": "n n"}, "invertible"),
    "transpose": Witness(
        lambda X: np.linalg.inv(X.T).T @ X.sum(axis=0) + np.linalg.inv(X) @ X.sum(axis=0),
        {"X": "n n"},
        "invertible",
    ),
    "inverse of an inverse": Witness(lambda X: np.linalg.inv(np.linalg.inv(X)), {"X": "n n"}, "invertible"),
    "one entry": Witness("Y[i] = max_k(X[ik])", {"X": "b 1"}),
    "equal arguments": Witness(lambda x: np.maximum(x, x) + np.minimum(x, x), {"x": "n"}),
    "constants": Witness(lambda x: 2**x, {"x": "n"}),
    "read what is needed": Witness(lambda X, A: np.diagonal(np.exp(X @ A)), {"X": "n m", "A": "m n"}),
    "δ decided": Witness(lambda x, y: np.concatenate([x, y])[0] * x, {"x": "n", "y": "m"}),
    "δ renames": Witness(lambda X, A: X @ A, {"X": "b m", "A": "m n"}),
    "digits": Witness("Y[] = X[ij] Z[lm] δ[b*i + j, b*l + m]", {"X": "a b", "Z": "a b"}),
    "digits of a number": Witness(lambda X: X.T.reshape(X.shape).reshape(-1), {"X": "b n"}),
    "unused index": Witness(lambda X: np.var(X, axis=0), {"X": "b n"}),
    "inverse": Witness(lambda S, x: np.linalg.inv(S) @ (S @ x), {"S": "n n", "x": "n"}, {"S": "invertible"}),
    "every position once": of_case("cross_entropy_of_labels"),
    "single index": Witness(lambda X: X[-1:] ** 2, {"X": "b n"}),
    "separate sums": Witness(lambda X: softmax(X).sum(axis=1), {"X": "b n"}),
    "sums of sums": Witness(lambda A, B: np.trace(A @ B), {"A": "m n", "B": "n m"}),
    "distribute": of_case("layer_norm"),
    "log of exp": Witness(lambda x: np.log(np.exp(x)), {"x": "n"}),
    "exp of log": Witness(lambda x: np.exp(np.log(x)), {"x": "n"}, "positive"),
    "log1p of expm1": Witness(lambda x: np.log1p(np.expm1(x)), {"x": "n"}),
    "values at zero": Witness(lambda x: np.exp(x - x) * x, {"x": "n"}, beside=("constants",)),
    "parity": Witness(lambda x: np.sin(-x) + np.sin(x) + np.cos(-x), {"x": "n"}),
    "log of a product": Witness(lambda X: np.log(softmax(X)), {"X": "b n"}),
    "log of abs of det": Witness(lambda X: np.log(np.abs(np.linalg.det(X))), {"X": "n n"}, "invertible"),
    "sizes and signs": Witness(lambda x: np.abs(x) * np.sign(x) + np.abs(x) ** 2, {"x": "n"}),
    "step of a multiple": Witness(lambda x: np.maximum(x, 0.25 * x), {"x": "n"}),
    "mask of a mask": Witness(lambda x: np.where(x > 0, x, -x), {"x": "n"}),
    "where of equals": Witness(lambda x, y: np.where(x > 0, y, y), {"x": "n", "y": "n"}),
    "softplus": Witness(lambda x: np.log(1 + np.exp(x)), {"x": "n"}),
    "softplus of log1p": Witness(lambda x: np.log1p(np.exp(x)), {"x": "n"}),
    "softplus of both signs": Witness(lambda x: np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x))), {"x": "n"}),
}

every_rewrite = pytest.mark.parametrize("name", rewrites.REWRITES)


def chosen(config, few=CHOSEN, all_of_them=tuple(BY_NAME)):
    """All cases in a long run, else those that matter."""
    return [BY_NAME[name] for name in (all_of_them if config.getoption("--long") else few)]


def cotangents(outputs, seed=1):
    """Cotangents by the names that `vjp` gives them."""
    rng = np.random.default_rng(seed)
    values = [np.asarray(rng.normal(size=np.shape(value))) for value in outputs]
    return {"G": values[0]} if len(values) == 1 else {f"G{k}": value for k, value in enumerate(values, 1)}


def results(F, args):
    """The values of a function and of its VJP."""
    outputs = list(named(F(**args)).values())
    pulled = named(F.vjp()(**args, **cotangents(outputs))).values()
    return [np.asarray(value) for value in (*outputs, *pulled)]


@cache
def traced(case):
    return tj.trace(case.fun, **case.shapes)


@cache
def expected(case):
    return results(traced(case), case.inputs())


def assert_equal_where_finite(actual, desired):
    """Where the unsimplified value is finite, it is the simplified one, to rounding; inputs are of the order of 1."""
    for one, other in zip(actual, desired, strict=True):
        assert one.shape == other.shape
        finite = np.isfinite(one)
        assert_close(np.where(finite, one, 0.0), np.where(finite, other, 0.0), 1e-12, roundings=4096)


# Each rewrite switched off ------------------------------------------------------------------------


@every_rewrite
def test_values_stay_without_it(name, request):
    """All functions again, without this rewrite: values and gradients, each failure by its name."""
    failures = {}
    for case in chosen(request.config):
        try:
            with rewrites.without(name):
                actual = results(tj.trace(case.fun, **case.shapes), case.inputs())
            assert_equal_where_finite(actual, expected(case))
        except Exception as error:  # each is told at the end, beside the name of its function
            failures[case.name] = f"{type(error).__name__}: {error}"
    assert failures == {}


@every_rewrite
def test_witness_stays_without_it(name):
    witness = WITNESSES[name]
    F = witness.traced()
    shapes = {key: " ".join(map(str, shape)) for key, shape in F.inputs.items()}
    args = random_inputs(shapes, distinct_sizes(shapes), np.random.default_rng(0), witness.domain)
    with rewrites.without(name):
        actual = results(witness.traced(), args)
    assert_equal_where_finite(actual, results(F, args))
    if not isinstance(witness.fun, str):
        assert_close(F(**args), witness.fun(**args))


@every_rewrite
def test_it_is_needed(name):
    """Without it something comes out otherwise: a rewrite that never fires is not tested by the others."""
    with rewrites.without(name):
        without = WITNESSES[name].printed()
    assert WITNESSES[name].printed() != without


@every_rewrite
def test_it_says_what_it_is(name):
    """A docstring with an identity, as a sentence."""
    rewrite = rewrites.REWRITES[name]
    assert rewrite.name == name
    assert rewrite.identity.endswith(".")
    assert len(rewrite.identity.split()) > 5


def test_every_rewrite_is_a_row():
    assert set(WITNESSES) == set(rewrites.REWRITES)
    registered = {name for name, _ in (*registry.TERM_RULES, *registry.PRODUCT_RULES)}
    registered |= {name for rules in registry.FUNCTION_RULES.values() for name, _ in rules}
    assert registered <= set(rewrites.REWRITES)


TERM_RULES = [name for name, _ in registry.TERM_RULES]


@pytest.mark.parametrize("name", TERM_RULES)
def test_term_rewrites_are_recorded(name):
    """What `explain` shows: the rewrite fires on its witness, and the step it records is an equation that holds."""
    with rewrites.recording() as steps:
        WITNESSES[name].traced().vjp()
    fired = [step for step in steps if step.name == name]
    assert fired
    for step in fired:
        assert step.before.summed
        assert step.after.labels <= step.before.free


@pytest.mark.parametrize("name", TERM_RULES)
@given(drawn=st.one_of(nestings(), conditioned()))
def test_each_term_rewrite_is_an_equation(name, drawn):
    """On any term, whatever ran before it: what it returns has the value of what it was given, bit by bit."""
    axes, term = drawn
    after = dict(registry.TERM_RULES)[name](term)
    if after is not None:
        desired = evaluate(Sum([term]), axes, ARRAYS, SIZES)
        np.testing.assert_array_equal(evaluate(after, axes, ARRAYS, SIZES), desired)


@given(st.one_of(nestings(), conditioned()))
def test_each_step_is_an_equation(drawn):
    """The steps as they are recorded, one after the other."""
    with rewrites.recording() as steps:
        rewrites.contracted(drawn[1])
    for step in steps:
        axes = tuple(sorted(step.before.free | step.after.labels, key=lambda index: index.number))
        np.testing.assert_array_equal(
            evaluate(step.after, axes, ARRAYS, SIZES), evaluate(Sum([step.before]), axes, ARRAYS, SIZES)
        )


@given(nestings())
def test_nested_products_keep_their_value(drawn):
    axes, term = drawn
    desired = evaluate(Sum([term]), axes, ARRAYS, SIZES)
    body = rewrites.contracted(term)
    np.testing.assert_array_equal(evaluate(body, axes, ARRAYS, SIZES), desired)
    np.testing.assert_array_equal(function(axes, body)(**ARRAYS), desired)
    (normal_form,) = normal([body])
    np.testing.assert_array_equal(evaluate(normal_form, axes, ARRAYS, SIZES), desired)


def test_recording_without_a_rewrite_does_not_show_it():
    with rewrites.without("δ renames"), rewrites.recording() as steps:
        WITNESSES["δ renames"].traced().vjp()
    assert "δ renames" not in {step.name for step in steps}


def test_unknown_names_are_refused():
    with pytest.raises(KeyError) as caught, rewrites.without("δ"):
        pass
    assert caught.value.args == (f"no rewrite is called ['δ']; there are {sorted(rewrites.REWRITES)}",)


def test_switching_off_ends_with_the_block():
    before = WITNESSES["sigmoid"].printed()
    with rewrites.without("sigmoid"):
        with rewrites.without("like terms"):
            assert WITNESSES["sigmoid"].printed() != before
        assert WITNESSES["sigmoid"].printed() != before
    assert WITNESSES["sigmoid"].printed() == before


@pytest.mark.parametrize("case", [BY_NAME[name] for name in LAYERS], ids=str)
def test_values_stay_without_all_functional_rewrites(case):
    """Every rewrite of functions switched off at once, and the merging of terms and factors with them."""
    off = [name for name in rewrites.REWRITES if name not in TERM_RULES]
    with rewrites.without(*off):
        actual = results(tj.trace(case.fun, **case.shapes), case.inputs())
    assert_equal_where_finite(actual, expected(case))


@pytest.mark.parametrize("case", [BY_NAME[name] for name in LAYERS], ids=str)
def test_values_stay_without_any_rewrite(case):
    with rewrites.without(*rewrites.REWRITES):
        actual = results(tj.trace(case.fun, **case.shapes), case.inputs())
    assert_equal_where_finite(actual, expected(case))


# Idempotent ---------------------------------------------------------------------------------------


def rebuilt(F):
    """The function with its expressions built again from the ground."""
    parts = F._parts
    with rewrites.assuming(parts.requirements):
        bodies = rewrites.rebuild([body for _, body in parts.outputs.values()])
    outputs = {name: (axes, body) for (name, (axes, _)), body in zip(parts.outputs.items(), bodies, strict=True)}
    return Function(replace(parts, outputs=outputs))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rebuilding_a_finished_expression_changes_nothing(case):
    """Not only an equal expression: the same terms, with the same factors."""
    for F in (traced(case), traced(case).vjp()):
        assert bodies(rebuilt(F)) == bodies(F)


def bodies(F):
    return [body for _, body in F._parts.outputs.values()]


# Independent of order -----------------------------------------------------------------------------


def permuted(rules, seed):
    rules = list(rules)
    if seed == 0:
        return rules[::-1]
    random.Random(seed).shuffle(rules)
    return rules


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_the_rules_does_not_matter(seed, request, monkeypatch):
    """Rewrites of sums and of products tried in another order: equal expressions, value and VJP."""
    cases = chosen(request.config)
    plain = [(traced(case), traced(case).vjp()) for case in cases]
    for rules in ("TERM_RULES", "PRODUCT_RULES"):
        monkeypatch.setattr(registry, rules, permuted(getattr(registry, rules), seed))
    failures = []
    for case, (F, V) in zip(cases, plain, strict=True):
        other = tj.trace(case.fun, **case.shapes)
        if not (other == F and other.vjp() == V):
            failures.append(case.name)
    assert failures == []


# Never costlier -----------------------------------------------------------------------------------


def predicted(F):
    """How long the planner expects a call to take at sizes of a layer, in multiplications and additions.

    What a call of NumPy takes is in it. Where arrays have a few entries only, it is all that there is: there a rewrite
    that saves products by one call more does cost something.
    """
    names = dict.fromkeys(name for shape in F._parts.inputs.values() for dim in shape for name in sorted(dim.names))
    program = F._program({name: 64 + 8 * k for k, name in enumerate(names)}, tuned=True)
    *calls, taken = work(program.outputs, program.costs)
    return CALL * sum(calls) + taken


# How long a call takes, and an element, is known less exactly than this: a smaller difference says nothing.
EXACT = 1.01


@every_rewrite
def test_it_is_never_costlier(name, request):
    """Over the layers, value and VJP: what it takes to compute them is no more than without the rewrite."""
    dearer = {}
    for case in chosen(request.config, COUNTED, LAYERS):
        F = traced(case)
        with rewrites.without(name):
            other = tj.trace(case.fun, **case.shapes)
            plain = (other, other.vjp())
        on, off = ([predicted(each) for each in pair] for pair in ((F, F.vjp()), plain))
        if any(mine > EXACT * others for mine, others in zip(on, off, strict=True)):
            dearer[case.name] = on, off
    assert dearer == {}


# What a rewrite is for ----------------------------------------------------------------------------

STABLE = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "softplus of log1p": lambda x: np.log1p(np.exp(x)),
    "log of exp": lambda x: np.log(np.exp(x)),
    "log of a product": lambda x: np.log(np.exp(x - x.max()) / np.exp(x - x.max()).sum()),
}


@pytest.mark.parametrize("name", STABLE)
def test_it_keeps_values_finite(name):
    """At ±1000, where the function as written overflows or takes the logarithm of 0."""
    x = np.array([-1000.0, -1.0, 0.0, 2.0, 1000.0])
    F = tj.trace(STABLE[name], x="n")
    with np.errstate(all="ignore"):
        for result in (F(x), F.vjp()(x, np.ones(5)), F.jacobian("x").dense(x)):
            assert np.all(np.isfinite(result))
        assert not all(np.all(np.isfinite(value)) for value in unsimplified(STABLE[name], x))
    np.testing.assert_allclose(F(x[1:4]), STABLE[name](x[1:4]), rtol=1e-13)


def test_what_is_infinite_is_no_common_factor():
    F = tj.trace(lambda x, y: (np.inf * x * y + np.inf * x * (x + y)) * y, x="n", y="n")
    np.testing.assert_array_equal(F(np.ones(3), np.ones(3)), np.full(3, np.inf))


def test_the_step_of_a_sum_has_no_number():
    F = tj.trace(lambda x, y: np.maximum(2 * x, 2 * y), x="n", y="n")
    assert "heaviside(x[i] - y[i])" in str(F.vjp("x"))
    assert "heaviside(y[i] - x[i])" in str(F.vjp("y"))


def unsimplified(fun, x):
    with rewrites.without(*rewrites.REWRITES):
        return results(tj.trace(fun, x="n"), {"x": x})


def test_products_of_many_sums_are_not_multiplied_out(monkeypatch):
    """Each layer that multiplies by 1 + t would double the terms that are tried."""
    tried = []
    monkeypatch.setattr(merging, "product", lambda *args: tried.append(1) or product(*args))

    def network(layers):
        def fun(x, W):
            for _ in range(layers):
                x = x + np.tanh(x @ W) * x
            return x

        return fun

    F = tj.trace(network(24), x="b n", W="n n")
    assert len(tried) < 24 * 24 * 64
    x, W = np.random.default_rng(0).normal(size=(3, 4)) / 4, np.eye(4) / 2
    np.testing.assert_allclose(F(x, W), network(24)(x, W), rtol=1e-12)


@pytest.mark.parametrize(
    "layer", [lambda x, W: np.tanh(x @ W) * x, lambda x, W: x + np.tanh(x @ W) * x], ids=["gated", "residual"]
)
def test_gates_of_many_layers_do_not_pile_up(layer):
    """A layer that multiplies by a gate adds some factors, not as many as there are layers below it."""

    def factors(layers):
        def fun(x, W):
            for _ in range(layers):
                x = layer(x, W)
            return x

        F = tj.trace(fun, x="b n", W="n n")
        bodies = [body for G in (F, F.vjp("W")) for _, body in G._parts.outputs.values()]
        held = topological(tensor for body in bodies for tensor in body.tensors)
        inside = [each.body for each in held if isinstance(each, Shared)]
        return sum(len(term.factors) for body in (*bodies, *inside) for term in body.terms)

    assert factors(40) < 2.2 * factors(20)
