"""Every function of `functions.py`, traced: value, first and second derivatives, against plain NumPy."""

from functools import cache

import numpy as np
import pytest

import tensorjac as tj
from functions import CASES, named
from oracles import STEP, assert_close, finite_difference_jacobian, random_inputs, shape_names

every_case = pytest.mark.parametrize("case", CASES, ids=str)

SINGLE = np.finfo(np.float32).eps


@cache
def traced(case):
    return tj.trace(case.fun, **case.shapes)


def of(case, name):
    """The keyword that picks an output, where there are several."""
    return {"of": name} if len(traced(case).outputs) > 1 else {}


def cotangents(case, args, seed=1):
    """Cotangents by the names that `vjp` gives them."""
    rng = np.random.default_rng(seed)
    values = {name: rng.normal(size=np.shape(value)) for name, value in case.results(args).items()}
    if len(values) == 1:
        return {"G": next(iter(values.values()))}
    return {f"G{number}": value for number, value in enumerate(values.values(), 1)}


@cache
def jacobians(case):
    """Finite differences for each output and input: the Jacobian and its error."""
    args = case.inputs()
    return {
        (name, wrt): finite_difference_jacobian(case.output(name), args, wrt)
        for name in case.results(args)
        for wrt in args
    }


@every_case
def test_value(case):
    args = case.inputs()
    expected = case.fun(**args)
    result = traced(case)(**args)
    assert type(result) is type(expected)
    assert list(traced(case).outputs) == list(named(expected))
    for name, value in named(expected).items():
        actual = named(result)[name]
        assert actual.dtype == np.float64
        assert len(traced(case).outputs[name]) == np.ndim(value)
        assert_close(actual, value)


@every_case
def test_value_at_other_sizes(case):
    """One trace serves all sizes: here each name gets a size that is larger by two."""
    sizes = {name: size + 2 for name, size in case_sizes(case).items()}
    args = random_inputs(case.shapes, sizes, np.random.default_rng(5), case.domain)
    for name, value in case.results(args).items():
        assert_close(named(traced(case)(**args))[name], value)


def case_sizes(case):
    """Each size name of a case with its number."""
    args = case.inputs()
    numbers = {}
    for wrt, text in case.shapes.items():
        numbers.update(zip(shape_names(text), args[wrt].shape, strict=True))
    return {name: number for name, number in numbers.items() if not name.isdigit()}


@every_case
def test_arguments_stay_as_they_are(case):
    args = case.inputs()
    before = {name: value.copy() for name, value in args.items()}
    given = cotangents(case, args)
    traced(case)(**args)
    traced(case).vjp()(**args, **given)
    assert all(np.array_equal(args[name], before[name]) for name in args)
    again = cotangents(case, args)
    assert all(np.array_equal(given[name], again[name]) for name in given)


@every_case
def test_jacobian(case):
    args = case.inputs()
    for (name, wrt), (expected, error) in jacobians(case).items():
        J = traced(case).jacobian(wrt, **of(case, name))
        assert_close(J.dense(**args), expected, error)


@every_case
def test_vjp(case):
    """One input at a time and all at once, against the Jacobians."""
    args = case.inputs()
    given = cotangents(case, args)
    together = list(named(traced(case).vjp()(**args, **given)).values())
    for number, wrt in enumerate(args):
        expected, error = 0.0, 0.0
        for name, cotangent in zip(case.results(args), given.values(), strict=True):
            jacobian, bound = jacobians(case)[name, wrt]
            expected = expected + np.tensordot(cotangent, jacobian, cotangent.ndim)
            error = error + np.tensordot(np.abs(cotangent), bound, cotangent.ndim)
        V = traced(case).vjp(wrt)
        assert list(V.outputs) == [f"d{wrt}"]
        result = V(**args, **given)
        assert_close(result, expected, error)
        assert_close(together[number], result)


@every_case
def test_jvp(case):
    args = case.inputs()
    rng = np.random.default_rng(2)
    for wrt in args:
        tangent = rng.normal(size=args[wrt].shape)
        pushed = named(traced(case).jvp(wrt)(**args, **{f"d{wrt}": tangent})).values()
        for name, result in zip(case.results(args), pushed, strict=True):
            jacobian, bound = jacobians(case)[name, wrt]
            expected = np.tensordot(jacobian, tangent, tangent.ndim)
            error = np.tensordot(bound, np.abs(tangent), tangent.ndim)
            assert_close(result, expected, error)


@every_case
def test_vjp_and_jvp_are_adjoint(case):
    """⟨G, J dX⟩ = ⟨Jᵀ G, dX⟩, to rounding: no finite differences are in between."""
    args = case.inputs()
    given = cotangents(case, args)
    rng = np.random.default_rng(4)
    for wrt in args:
        tangent = rng.normal(size=args[wrt].shape)
        pushed = named(traced(case).jvp(wrt)(**args, **{f"d{wrt}": tangent})).values()
        pulled = traced(case).vjp(wrt)(**args, **given)
        forward = sum(np.sum(G * dY) for G, dY in zip(given.values(), pushed, strict=True))
        scale = sum(np.sum(np.abs(G * dY)) for G, dY in zip(given.values(), pushed, strict=True))
        scale += np.sum(np.abs(pulled * tangent))
        assert abs(forward - np.sum(pulled * tangent)) <= 1e-11 * scale


@every_case
def test_second_derivative(case):
    """The Jacobian of each VJP, by its own input and by the next one, against differences of that VJP."""
    args = case.inputs()
    given = cotangents(case, args)
    names = list(args)
    for number, wrt in enumerate(names):
        V = traced(case).vjp(wrt)
        for other in {wrt, names[(number + 1) % len(names)]}:
            expected, error = finite_difference_jacobian(V, {**args, **given}, other)
            assert_close(V.jacobian(other).dense(**args, **given), expected, error)


@every_case
def test_single_precision(case):
    """float32 in, float32 out, and right to single precision: for the value and for every VJP."""
    args = case.inputs()
    given = cotangents(case, args)
    single = {name: value.astype(np.float32) for name, value in (args | given).items()}
    own = {name: single[name] for name in args}
    for name, value in case.results(args).items():
        actual = named(traced(case)(**own))[name]
        assert actual.dtype == np.float32, name
        assert_close(actual, value, roundings=2000, dtype=np.float32)
    for wrt in args:
        actual = traced(case).vjp(wrt)(**single)
        expected = traced(case).vjp(wrt)(**args, **given)
        assert actual.dtype == np.float32, wrt
        floor = 100 * SINGLE * max(1.0, max(np.max(np.abs(value)) for value in given.values()))
        assert_close(actual, expected, floor, roundings=5000, dtype=np.float32)


# Functions that need the library's own names, for symbolic sizes ----------------------------------


def centring(X):
    n = X.shape[0]
    return (tj.eye(n) - tj.ones((n, n)) / n) @ X


def weighted_positions(X):
    return X * tj.arange(X.shape[1]) + tj.zeros(X.shape)


def regularised_inverse(X):
    return np.linalg.inv(X.T @ X + 0.5 * tj.eye(X.shape[1]))


@pytest.mark.parametrize("fun", [centring, weighted_positions, regularised_inverse])
def test_symbolic_constructors(fun):
    """`tj.eye` and its kin take symbolic sizes inside a trace and are NumPy's outside of one."""
    args = random_inputs({"X": "b n"}, {"b": 5, "n": 3}, np.random.default_rng(0))
    F = tj.trace(fun, X="b n")
    assert_close(F(**args), fun(**args))
    expected, error = finite_difference_jacobian(fun, args, "X", STEP)
    assert_close(F.jacobian("X").dense(**args), expected, error)
