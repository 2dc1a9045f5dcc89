"""Transforms of plain functions: values, nesting, and that no call is answered from a trace that does not fit."""

from __future__ import annotations

import functools
import importlib
import math
import random
import sys
import threading
import types
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

import tensorjac as tj
from functions import CASES
from tensorjac import emit
from tensorjac.transforms import bytecode, calls, environment, programs
from tensorjac.transforms.environment import Environment, Unreadable
from tensorjac.transforms.trees import flatten, unflatten

x3 = np.array([0.5, -1.0, 2.0])
X23 = np.linspace(-1, 1, 6).reshape(2, 3)
A35 = np.cos(np.arange(15.0)).reshape(3, 5)
Pair = namedtuple("Pair", "u v")


@pytest.fixture(autouse=True)
def forgotten():
    """Each test begins without traces."""
    calls._ready.clear()
    calls._expressions.clear()


@pytest.fixture
def traces(monkeypatch):
    """A list that grows by one with each trace."""
    seen = []

    def counted(body, shapes):
        seen.append(shapes)
        return original(body, shapes)

    original = programs.run_traced
    monkeypatch.setattr(programs, "run_traced", counted)
    return seen


def close(found, expected):
    """Equal nesting, shapes and dtypes, and equal numbers to rounding."""
    if isinstance(expected, tuple | list | dict):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        if isinstance(expected, dict):
            assert list(found) == list(expected)
            found, expected = found.values(), expected.values()
        for a, b in zip(found, expected, strict=True):
            close(a, b)
    elif expected is None or isinstance(expected, str):
        assert found == expected
    else:
        assert isinstance(found, np.ndarray | np.generic)
        assert np.shape(found) == np.shape(expected)
        assert isinstance(found, np.ndarray) == bool(np.shape(expected))
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def leaves_of(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [leaf for each in value for leaf in leaves_of(each)]
    return [] if value is None else [value]


def moved(value, place, step, counter=None):
    """The nested value with one entry (counted through all leaves) moved by a step."""
    counter = [0] if counter is None else counter
    if isinstance(value, dict):
        return {key: moved(each, place, step, counter) for key, each in value.items()}
    if isinstance(value, tuple | list):
        parts = [moved(each, place, step, counter) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if value is None:
        return None
    array = np.array(value, dtype=float, order="C")
    first = counter[0]
    counter[0] += array.size
    if first <= place < counter[0]:
        array.reshape(-1)[place - first] += step
    return array[()] if not array.ndim else array


def differences(fun, args):
    """The gradient by all entries of all arguments, flat, by central differences."""
    step = 1e-6
    size = sum(np.size(leaf) for leaf in leaves_of(args))
    slopes = [
        (float(fun(*moved(args, k, step))) - float(fun(*moved(args, k, -step)))) / (2 * step) for k in range(size)
    ]
    return np.array(slopes)


# Values ------------------------------------------------------------------------------------------------------------


def mlp(params, X):
    for layer in params:
        X = np.tanh(X @ layer["w"] + layer["b"])
    return (X**2).mean()


def attention(X, W):
    S = X @ W @ X.T / np.sqrt(X.shape[-1])
    E = np.exp(S - S.max(axis=-1, keepdims=True))
    return ((E / E.sum(axis=-1, keepdims=True)) @ X).sum()


def pair(p):
    return (p.u * np.sin(p.v)).sum() / (1 + p.u @ p.u)


def recurrent(h, W):
    for _ in range(3):
        h = np.tanh(W @ h)
    return h @ h


def rows(X):
    total = 0.0
    for k, row in enumerate(X):
        total = total + k * np.exp(row).sum()
    return total


LAYERS = [{"w": A35, "b": np.linspace(0, 1, 5)}, {"w": A35[:2].T / 3, "b": np.array([0.3, -0.2])}]
SCALARS = {
    "mlp": (mlp, (LAYERS, X23)),
    "attention": (attention, (X23, A35[:, :3])),
    "named tuple": (pair, (Pair(x3, x3 + 1),)),
    "recurrent": (recurrent, (x3, A35[:, :3])),
    "rows": (rows, (X23,)),
    "scalars": (lambda a, b: a * np.exp(-b) + b**2, (0.5, -0.25)),
    "ordered dict": (lambda p: p["a"] * p["b"] ** 2, (OrderedDict(b=2.0, a=3.0),)),
    "None in a tuple": (lambda p: p[0] @ p[0] if p[1] is None else 0.0, ((x3, None),)),
    "linear algebra": (lambda S: np.linalg.inv(S @ S.T + 2 * np.eye(2)).sum(), (X23,)),
    "scipy": (lambda x: special.expit(x).sum() + special.erf(x).prod(), (x3,)),
    "slices": (lambda x: (x[1:] * x[:-1]).sum() + x[::2].prod(), (x3,)),
}


@pytest.mark.parametrize("name", SCALARS)
def test_gradients_are_those_of_finite_differences(name):
    fun, args = SCALARS[name]
    numbers = tuple(range(len(args)))
    slopes = tj.grad(fun, numbers)(*args)
    assert type(slopes) is tuple
    flat = np.concatenate([np.ravel(leaf) for leaf in leaves_of(slopes)])
    # truncation step² and rounding eps/step are both below this
    np.testing.assert_allclose(flat, differences(fun, args), atol=2e-8)
    assert [np.shape(leaf) for leaf in leaves_of(slopes)] == [np.shape(leaf) for leaf in leaves_of(args)]

    value, again = tj.value_and_grad(fun, numbers)(*args)
    np.testing.assert_allclose(value, fun(*args), rtol=1e-13)
    close(again, slopes)
    value, pullback = tj.vjp(fun, *args)
    np.testing.assert_allclose(value, fun(*args), rtol=1e-13)
    close(pullback(1.0), slopes)
    close(tj.jacobian(fun, numbers)(*args), slopes)
    value, change = tj.jvp(fun, args, args)
    np.testing.assert_allclose(value, fun(*args), rtol=1e-13)
    point = np.concatenate([np.ravel(leaf) for leaf in leaves_of(args)])
    np.testing.assert_allclose(change, flat @ point, rtol=1e-9)


@pytest.mark.parametrize("name", SCALARS)
def test_second_derivatives_are_those_of_first_ones(name):
    fun, args = SCALARS[name]
    numbers = tuple(range(len(args)))
    slope = tj.grad(fun, numbers)
    step = 1e-6
    ahead, behind = (slope(*[moved_all(arg, sign * step) for arg in args]) for sign in (1, -1))
    product = tj.hvp(fun, args, args)
    product = (product,) if len(args) == 1 else product
    for a, b, p in zip(leaves_of(ahead), leaves_of(behind), leaves_of(product), strict=True):
        np.testing.assert_allclose(p, (a - b) / (2 * step), atol=1e-7)
    sizes = [np.size(leaf) for leaf in leaves_of(args)]
    blocks = leaves_of(tj.hessian(fun, numbers)(*args))
    matrix = np.block(
        [
            [np.reshape(blocks[i * len(sizes) + j], (sizes[i], sizes[j])) for j in range(len(sizes))]
            for i in range(len(sizes))
        ]
    )
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    point = np.concatenate([np.ravel(leaf) for leaf in leaves_of(args)])
    flat = np.concatenate([np.ravel(leaf) for leaf in leaves_of(product)])
    np.testing.assert_allclose(matrix @ point, flat, atol=1e-10)


def moved_all(value, share):
    """Every leaf, multiplied by 1 + share."""
    if isinstance(value, dict):
        return type(value)((key, moved_all(each, share)) for key, each in value.items())
    if isinstance(value, tuple | list):
        parts = [moved_all(each, share) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value if value is None else value * (1 + share)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_pullbacks_are_those_of_the_function_as_an_expression(case):
    F = tj.trace(case.fun, **case.shapes)
    inputs = case.inputs()
    args = [inputs[name] for name in F.inputs]
    value, pullback = tj.vjp(case.fun, *args)
    outputs, tree = flatten(value)
    expected = F(*args)
    expected = leaves_of(expected) if isinstance(expected, tuple | dict) else [expected]
    generator = np.random.default_rng(1)
    cotangents = [generator.normal(size=np.shape(each)) for each in expected]
    slopes = pullback(unflatten(tree, cotangents))
    for found, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    wanted = F.vjp()(*args, *cotangents)
    for found, each in zip(slopes, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        np.testing.assert_allclose(found, each, rtol=1e-9, atol=1e-11)
    _, changes = tj.jvp(case.fun, args, args)
    forward = sum((c * d).sum() for c, d in zip(cotangents, flatten(changes)[0], strict=True))
    np.testing.assert_allclose(
        forward, sum((g * x).sum() for g, x in zip(slopes, args, strict=True)), rtol=1e-7, atol=1e-9
    )


# Nesting -----------------------------------------------------------------------------------------------------------


def test_argnums():
    def fun(x, y, z):
        return x * y**2 * z

    close(tj.grad(fun)(2.0, 3.0, 5.0), 45.0)
    close(tj.grad(fun, 1)(2.0, 3.0, 5.0), 60.0)
    close(tj.grad(fun, -1)(2.0, 3.0, 5.0), 18.0)
    close(tj.grad(fun, (1,))(2.0, 3.0, 5.0), (60.0,))
    close(tj.grad(fun, [2, 0])(2.0, 3.0, 5.0), (18.0, 45.0))
    close(tj.grad(fun, (0, 0))(2.0, 3.0, 5.0), (45.0, 45.0))
    close(tj.grad(fun, np.int64(1))(2.0, 3.0, 5.0), 60.0)


def test_arguments_by_keyword_are_not_differentiated():
    close(tj.grad(lambda x, *, scale=1.0, power=2: scale * x**power)(3.0, scale=5.0, power=3), 135.0)


def test_has_aux():
    def fun(x):
        return x @ x, {
            "double": 2 * x,
            "mask": x > 0,
            "count": (x > 0).sum(),
            "rows": x.shape[0],
            "name": "x",
            "no": None,
        }

    aux = {"double": 2 * x3, "mask": x3 > 0, "count": np.int64(2), "rows": 3, "name": "x", "no": None}
    for _ in range(2):
        slope, found = tj.grad(fun, has_aux=True)(x3)
        close(slope, 2 * x3)
        assert list(found) == list(aux)
        close(found["double"], aux["double"])
        assert found["mask"].dtype == bool
        assert found["mask"].tolist() == [True, False, True]
        assert found["count"] == 2
        assert found["count"].dtype == np.int64
        assert (found["rows"], type(found["rows"]), found["name"], found["no"]) == (3, int, "x", None)
    (value, found), slope = tj.value_and_grad(fun, has_aux=True)(x3)
    close(value, x3 @ x3)
    close(slope, 2 * x3)
    rows, found = tj.jacobian(fun, (0,), has_aux=True)(x3)
    close(rows, (2 * x3,))
    close(found["double"], 2 * x3)
    curvature, found = tj.hessian(fun, has_aux=True)(x3)
    close(curvature, 2 * np.eye(3))
    assert found["name"] == "x"
    close(tj.grad(lambda x: [x @ x, 1], has_aux=True)(x3)[0], 2 * x3)


def test_has_aux_along_vectors():
    """As in JAX: (value, pullback, aux) and (value, change, aux), of arrays and inside a trace, with any nesting."""

    def fun(x, y):
        return {"s": x * y, "t": (x @ y,)}, {"mask": x > 0, "n": 3, "y": 2 * y}

    for _ in range(2):
        value, pullback, aux = tj.vjp(fun, x3, 2 * x3, has_aux=True)
        close(value["s"], 2 * x3**2)
        assert aux["n"] == 3 and aux["mask"].tolist() == [True, False, True]
        close(aux["y"], 4 * x3)
        close(pullback({"t": (1.0,), "s": x3})[0], 2 * x3 + 2 * x3**2)
        value, change, aux = tj.jvp(fun, (x3, 2 * x3), (x3, 0 * x3), has_aux=True)
        close(change["t"][0], 2 * x3 @ x3)
        close(aux["y"], 4 * x3)

    def inner(x):
        _, pullback, aux = tj.vjp(lambda z: (z**3, z.sum()), x, has_aux=True)
        _, change, more = tj.jvp(lambda z: (z**2, 2 * z), (x,), (x,), has_aux=True)
        return (pullback(x)[0] * change * aux + more).sum()

    x = np.array([1.0, 2.0])
    # of 6 Σx Σx⁵ + 2 Σx
    close(tj.grad(inner)(x), 6 * (x**5).sum() + 30 * x.sum() * x**4 + 2)
    seed, pullback, _ = tj.vjp(lambda z: (z**3, z), x, has_aux=True)
    close(tj.jacobian(lambda g: pullback(g)[0])(seed), np.diag(3 * x**2))


def test_aux_arrays_are_new_in_each_call():
    def fun(x):
        return x @ x, np.array([1.0, 2.0])

    _, first = tj.grad(fun, has_aux=True)(x3)
    first[:] = 0
    _, second = tj.grad(fun, has_aux=True)(x3)
    assert second.tolist() == [1, 2]


def test_jacobians_nest_as_output_then_argument():
    def fun(p, y):
        return {"sum": p["a"].sum() + y, "outer": p["a"][:, None] * np.stack([y, y**2])}

    a, y = np.array([2.0, 3.0, 5.0]), np.array(7.0)
    eye = np.eye(3)
    outer_a = eye[:, None, :] * np.array([7.0, 49.0])[:, None]
    outer_y = a[:, None] * np.array([1.0, 14.0])
    close(
        tj.jacobian(fun, (0, 1))({"a": a}, y),
        {"sum": ({"a": np.ones(3)}, 1.0), "outer": ({"a": outer_a}, outer_y)},
    )
    close(tj.jacobian(fun, 0)({"a": a}, y), {"sum": {"a": np.ones(3)}, "outer": {"a": outer_a}})
    close(tj.jacobian(lambda x: (x, [2 * x]))(a), (eye, [2 * eye]))
    close(tj.jacobian(lambda x: [x[0], x])(a), [eye[0], eye])


def test_hessians_nest_as_argument_then_argument():
    def fun(x, p):
        return (x * p["y"] ** 2).sum()

    x, y = np.array([2.0, 3.0]), np.array([5.0, 7.0])
    zero, two_y, two_x = np.zeros((2, 2)), np.diag(2 * y), np.diag(2 * x)
    close(tj.hessian(fun)(x, {"y": y}), zero)
    close(tj.hessian(fun, 1)(x, {"y": y}), {"y": {"y": two_x}})
    close(
        tj.hessian(fun, (0, 1))(x, {"y": y}),
        ((zero, {"y": two_y}), {"y": (two_y, {"y": two_x})}),
    )
    # of vectors, as JAX's: output, argument, argument
    close(tj.hessian(lambda x: x**2)(x), 2 * np.eye(2)[:, :, None] * np.eye(2)[None])


def test_vjp_and_jvp_nest_as_the_function_does():
    def fun(p, x):
        return {"a": p[0] * x, "b": [x.sum()]}

    args = ((2.0, x3), x3)
    value, pullback = tj.vjp(fun, *args)
    close(value, {"a": 2 * x3, "b": [x3.sum()]})
    slopes = pullback({"b": [10.0], "a": np.ones(3)})
    close(slopes, ((x3.sum(), np.zeros(3)), np.full(3, 12.0)))
    value, change = tj.jvp(fun, args, ((1.0, x3), np.ones(3)))
    close(change, {"a": x3 + 2, "b": [3.0]})


def test_nothing_in_and_nothing_out():
    value, pullback = tj.vjp(lambda: 3.0)
    close((value, pullback(1.0)), (3.0, ()))
    value, pullback = tj.vjp(lambda x: (), x3)
    close((value, pullback(())), ((), (np.zeros(3),)))
    close(tj.jvp(lambda: (3.0, {}), (), ()), ((3.0, {}), (0.0, {})))
    close(tj.grad(lambda p: 3.0)({}), {})
    close(tj.jacobian(lambda x: {"a": None})(x3), {"a": None})


def test_names_of_parameters_do_not_matter():
    close(
        tj.grad(lambda nothing, len, np, out0, s0, *f: nothing * len * np * out0 * s0 * f[0], 5)(*range(1, 6), 6.0),
        120.0,
    )
    close(tj.grad(lambda s0, G1: (s0 * G1).sum(), (0, 1))(x3, x3), (x3, x3))
    close(tj.vjp(lambda G1, R1: np.exp(G1) * R1, x3, x3)[1](np.ones(3)), (np.exp(x3) * x3, np.exp(x3)))


def test_hvp_of_one_argument_is_bare_and_of_several_a_tuple():
    close(tj.hvp(lambda x: (x**3).sum(), (x3,), (np.ones(3),)), 6 * x3)
    close(tj.hvp(lambda x, y: (x * y**2).sum(), (x3, x3), (np.ones(3), np.zeros(3))), (np.zeros(3), 2 * x3))
    close(
        tj.hvp(lambda p: p["a"] * p["b"] ** 2, ({"a": 2.0, "b": 3.0},), ({"a": 1.0, "b": 0.0},)), {"a": 0.0, "b": 6.0}
    )


def test_transforms_nest():
    def cube(x):
        return x**3

    close(tj.grad(tj.grad(cube))(2.0), 12.0)
    close(tj.grad(tj.grad(tj.grad(cube)))(2.0), 6.0)
    close(tj.jacobian(tj.grad(lambda x: (x**3).sum()))(x3), np.diag(6 * x3))
    # what is captured from outside is not what is differentiated inside
    close(tj.grad(lambda x: x * tj.grad(lambda y: x * y**2)(x))(3.0), 54.0)
    close(tj.grad(lambda x: tj.grad(lambda x: tj.grad(lambda y: x * y**2)(x))(x))(3.0), 4.0)
    close(tj.grad(lambda x: tj.vjp(lambda y: x * y, x)[1](x)[0])(3.0), 6.0)
    close(tj.grad(lambda x: tj.jvp(lambda y: y**2, (x,), (x,))[1])(3.0), 12.0)
    close(tj.grad(lambda x: tj.hvp(lambda y: y**3, (x,), (1.0,)))(3.0), 6.0)
    close(tj.grad(lambda x: tj.value_and_grad(cube)(x)[0])(2.0), 12.0)
    close(tj.grad(lambda x: tj.grad(lambda y: (y**2, x * y), has_aux=True)(x)[1])(3.0), 6.0)
    assert str(tj.trace(lambda x: tj.grad(lambda y: (y**3).sum())(x), x="n")) == "Y[i] = 3 x[i]^2"


def test_a_pullback_reads_what_the_value_was_calculated_from(monkeypatch):
    """Nothing is calculated twice, and what is kept may be read any number of times."""
    texts, compiled = [], emit.compiled
    monkeypatch.setattr(emit, "compiled", lambda source, scope: texts.append(source.text) or compiled(source, scope))

    def softmax(X):
        E = np.exp(X - 0.125)
        return E / E.sum(axis=1, keepdims=True)

    X, G = np.arange(6.0).reshape(2, 3) / 7, np.arange(6.0).reshape(2, 3) ** 2
    value, pullback = tj.vjp(softmax, X)
    first, second = texts
    assert "exp" in first and "sum" in first
    assert not any(word in second for word in ("exp", "sum(", "X -"))
    expected = tj.trace(softmax, X="b n").vjp()(X, G)
    X[:], value[:] = 0, 0
    for _ in range(2):
        close(pullback(G), (expected,))


@pytest.mark.parametrize("order", ["C", "F"])
def test_values_and_gradients_are_in_order(order):
    def fun(X, A):
        return np.exp(X) * A, np.tanh(X.T @ A)

    X, A = (np.array(array, order=order) for array in np.random.default_rng(0).normal(size=(2, 19, 17)))
    values, pullback = tj.vjp(fun, X, A)
    for one in (*values, *pullback(tuple(np.array(value, order=order) for value in values))):
        assert one.flags.c_contiguous


def test_nothing_to_pull_back():
    value, pullback = tj.vjp(lambda X: (), np.ones(2))
    assert value == ()
    close(pullback(()), (np.zeros(2),))
    value, pullback = tj.vjp(lambda: np.ones(2))
    close(value, np.ones(2))
    assert pullback(np.ones(2)) == ()
    value, pullback = tj.vjp(lambda: ())
    assert value == pullback(()) == ()


def test_pullbacks_of_one_run_do_not_mix():
    def fun(x):
        _, pull = tj.vjp(lambda y: y**2, x)
        return tj.grad(lambda y: pull(y)[0])(x)  # 2 x: linear in y

    close(tj.grad(fun)(3.0), 2.0)


def test_a_pullback_inside_a_trace():
    _, pullback = tj.vjp(lambda x: np.tanh(x), x3)
    close(tj.jacobian(pullback)(x3), (np.diag(1 - np.tanh(x3) ** 2),))
    weights = np.array(A35.T)
    _, pullback = tj.vjp(lambda x: (weights @ np.sin(x), x), x3)
    first, second = tj.jacobian(lambda g: pullback((g, np.zeros(3))))(np.ones(5)), weights.T * np.cos(x3)[:, None]
    close(first, (second,))


factor = 2.0


def test_a_pullback_inside_a_trace_after_a_change(monkeypatch):
    _, pullback = tj.vjp(lambda x: factor * x, 3.0)
    close(tj.jacobian(pullback)(1.0), (2.0,))
    monkeypatch.setitem(globals(), "factor", 5.0)
    close(pullback(1.0), (2.0,))
    refused(
        tj.TraceError,
        "the pullback of a function is traced from the function, and <lambda> reads values that have changed since "
        "tj.vjp was called.\ncall tj.vjp again.",
        lambda: tj.jacobian(pullback)(1.0),
    )


def test_against_jax():
    jax = pytest.importorskip("jax")
    jnp = pytest.importorskip("jax.numpy")
    jax.config.update("jax_enable_x64", True)

    def plain(tree):
        return jax.tree_util.tree_map(np.asarray, tree)

    def fun(p, y, module):
        return {"s": module.tanh(p["a"] @ y), "t": (p["b"] * y, p["b"] ** 2)}

    p, y = {"a": X23, "b": np.array(3.0)}, x3
    ours, theirs = functools.partial(fun, module=np), functools.partial(fun, module=jnp)
    for numbers in (0, 1, (0,), (0, 1), (1, 0)):
        found, expected = tj.jacobian(ours, numbers)(p, y), plain(jax.jacobian(theirs, numbers)(p, y))
        assert jax.tree_util.tree_structure(found) == jax.tree_util.tree_structure(expected)
        jax.tree_util.tree_map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), found, expected)
        found, expected = tj.hessian(ours, numbers)(p, y), plain(jax.hessian(theirs, numbers)(p, y))
        assert jax.tree_util.tree_structure(found) == jax.tree_util.tree_structure(expected)
        jax.tree_util.tree_map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15), found, expected)


# Dtypes and memory -------------------------------------------------------------------------------------------------


def test_dtypes_are_those_of_the_arguments():
    single = x3.astype(np.float32)
    value, (dx, da) = tj.value_and_grad(lambda x, a: (np.tanh(x) * a).sum(), (0, 1))(single, 0.5)
    assert (value.dtype, dx.dtype, da.dtype) == (np.float32, np.float32, np.float64)
    dx, dy = tj.grad(lambda x, y: (x * y).sum(), (0, 1))(single, x3)
    assert (dx.dtype, dy.dtype) == (np.float32, np.float64)
    assert tj.hessian(lambda x: (x**3).sum())(single).dtype == np.float32
    value, pullback = tj.vjp(lambda x: 2 * x, single)
    assert (value.dtype, pullback(np.ones(3))[0].dtype) == (np.float32, np.float32)
    assert [each.dtype for each in tj.jvp(lambda x, a: a * x, (single, 2.0), (single, 1))] == [np.float32] * 2
    assert tj.grad(lambda x: x.sum())(x3.astype(np.float16)).dtype == np.float16
    swapped = x3.astype(">f8")
    close(tj.grad(lambda x: x @ x)(swapped), 2 * x3)


def test_scalars_come_back_as_numpy_scalars():
    for x in (3.0, np.float64(3), np.array(3.0)):
        value, slope = tj.value_and_grad(lambda x: x**2)(x)
        assert type(value) is np.float64
        assert type(slope) is np.float64
        assert (value, slope) == (9, 6)
    assert type(tj.value_and_grad(lambda x: 3.0)(x3)[0]) is np.float64


def test_results_share_no_memory():
    x, y = x3.copy(), x3.copy()
    dx, dy = tj.grad(lambda x, y: np.tanh(x + y).sum(), (0, 1))(x, y)
    assert not np.shares_memory(dx, dy)
    value, pullback = tj.vjp(lambda x: x, x)
    assert not np.shares_memory(value, x)
    cotangent = np.ones(3)
    assert not np.shares_memory(pullback(cotangent)[0], cotangent)
    column = np.ones((3, 1))
    first, second = tj.jvp(lambda X: np.exp(X).T, (column,), (column,))
    assert not np.shares_memory(first, second)
    # writing into what was returned, or into the arguments, leaves the pullback as it was
    value, pullback = tj.vjp(lambda x: np.exp(x), x)
    value[:] = 0
    x[:] = 0
    close(pullback(np.ones(3)), (np.exp(x3),))
    first = pullback(np.ones(3))[0]
    first[:] = 0
    close(pullback(np.ones(3)), (np.exp(x3),))


def test_orders_and_strides_of_arguments():
    whole = np.arange(24.0).reshape(4, 6)

    def fun(X):
        return np.sin(X).sum(axis=0) @ np.arange(3.0)

    for X in (np.asfortranarray(whole[:, :3]), whole[:, ::2], whole[:, 2::-1]):
        slope = tj.grad(fun)(X)
        close(slope, np.cos(X) * np.arange(3.0))
        assert slope.flags.c_contiguous


def test_integer_arguments_beside_the_differentiated_ones():
    def loss(W, X, labels):
        Z = X @ W
        Z = Z - Z.max(axis=1, keepdims=True)
        logs = Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))
        return -logs[np.arange(labels.shape[0]), labels].mean()

    W, X = A35, X23
    for labels in (np.array([0, 4]), np.array([3, 3])):
        E = np.exp(X @ W)
        expected = X.T @ (E / E.sum(axis=1, keepdims=True) - np.eye(5)[labels]) / 2
        close(tj.grad(loss)(W, X, labels), expected)
        close(tj.grad(loss, (0,))(W, X, labels), (expected,))


def test_empty_arrays_and_sizes_of_one():
    def fun(X, b):
        return (np.tanh(X) * b).sum()

    for shape, other in (((0, 3), (3,)), ((1, 3), (3,)), ((2, 1), (2, 1)), ((2, 3), (1, 1)), ((1, 1), (4, 1))):
        X, b = np.ones(shape), np.full(other, 2.0)
        slope = tj.grad(fun)(X, b)
        full = np.broadcast_to((1 - np.tanh(X) ** 2) * b, np.broadcast_shapes(shape, other))
        axes = tuple(k for k in range(2) if shape[k] == 1 and full.shape[k] != 1)
        close(slope, full.sum(axis=axes, keepdims=True) if axes else full)


# What is kept ------------------------------------------------------------------------------------------------------


def test_new_sizes_do_not_trace_again(traces):
    slope = tj.grad(lambda X, A: np.tanh(X @ A).sum(), (0, 1))
    for b, m, n in ((2, 3, 4), (5, 7, 9), (3, 4, 2), (5, 7, 9)):
        X, A = np.ones((b, m)), np.ones((m, n))
        dX, dA = slope(X, A)
        H = 1 - np.tanh(X @ A) ** 2
        close((dX, dA), (H @ A.T, X.T @ H))
    assert len(traces) == 1
    slope(np.ones((3, 3)), np.ones((3, 2)))  # two sizes are equal: another pattern
    slope(np.ones((1, 3)), np.ones((3, 2)))
    slope(np.ones((4, 4)), np.ones((4, 2)))
    assert len(traces) == 3


def test_a_new_lambda_with_the_same_code_does_not_trace_again(traces):
    for k in range(3):
        close(tj.grad(lambda x: (x**3).sum())(x3 + k), 3 * (x3 + k) ** 2)
        tj.vjp(lambda x: (x**3).sum(), x3)
    assert len(traces) == 2


def test_functions_that_ask_for_the_number_of_a_size_are_traced_at_each_size(traces):
    def loop(x):
        total = 0.0
        for k in range(x.shape[0]):
            total = total + (k + 1) * x[k] ** 2
        return total

    def by_length(x):
        return (x**2).sum() / len(x)

    def compared(X):
        return X.sum() if X.shape[0] > X.shape[1] else (X**2).sum()

    def halves(x):
        middle = int(x.shape[0]) // 2
        return x[:middle].sum() - x[middle:].sum() ** 2

    for n in (3, 4, 3, 5):
        x = np.arange(1.0, n + 1)
        close(tj.grad(loop)(x), 2 * np.arange(1, n + 1) * x)
        close(tj.grad(by_length)(x), 2 * x / n)
        X = np.ones((n, 4))
        close(tj.grad(compared)(X), X if n > 4 else 2 * X)
        rest = np.where(np.arange(n) < n // 2, 1, -2 * x[n // 2 :].sum())
        close(tj.grad(halves)(x), rest)
    count = len(traces)
    tj.grad(loop)(np.ones(4))
    tj.grad(halves)(np.ones(5))
    assert len(traces) == count


def test_slices_that_some_sizes_do_not_fill():
    def head(x):
        return (x[:5] ** 2).sum()

    for n in (7, 3, 8, 1, 6, 5):
        x = np.arange(1.0, n + 1)
        close(tj.grad(head)(x), np.where(np.arange(n) < 5, 2 * x, 0))


def test_sizes_that_meet_by_chance():
    # the same shapes twice, with other equalities between them
    def fun(X, y):
        return (X * y).sum() ** 2

    for shape, other in (
        ((3, 3), (3,)),
        ((2, 3), (3,)),
        ((3, 2), (1,)),
        ((3, 2), (2,)),
        ((2, 2), (2,)),
        ((2, 3), (2, 1)),
    ):
        X, y = np.arange(1.0, 1 + math.prod(shape)).reshape(shape), np.arange(1.0, 1 + math.prod(other)).reshape(other)
        close(tj.grad(fun)(X, y), 2 * (X * y).sum() * np.broadcast_to(y, shape))
    with pytest.raises(tj.ShapeError):
        tj.grad(fun)(np.ones((3, 2)), np.ones(3))


def test_symbolic_sizes_pass_for_nothing_else():
    table = {3: 0.5}

    def looked_up(x):
        return x.sum() * {3: 0.5, 4: 0.25}.get(x.shape[0], 1.0)

    def in_a_set(x):
        return x.sum() * (2.0 if x.shape[0] in {3, 7} else 1.0)

    def typed(x):
        return x.sum() * (2.0 if isinstance(x.shape[0], int) else 1.0)

    def spelled(x):
        return x.sum() * len(f"{x.shape[0]}")

    def percent(x):
        return x.sum() * len("%s" % x.shape[0])  # noqa: UP031

    def tried(x):
        try:
            return x.sum() * int(x.shape[0])
        except TypeError:
            return x.sum()

    def captured(x):
        return x.sum() * table.get(x.shape[0], 1.0)

    def given(x, scales):
        return x.sum() * scales.get(x.shape[0], 1.0)

    def matched(x):
        match x.shape[0]:
            case int():
                return x.sum() * 3
        return x.sum()

    for n in (3, 12, 4, 3):
        x = np.ones(n)
        close(tj.grad(looked_up)(x), np.full(n, {3: 0.5, 4: 0.25}.get(n, 1.0)))
        close(tj.grad(in_a_set)(x), np.full(n, 2.0 if n == 3 else 1.0))
        close(tj.grad(typed)(x), np.full(n, 2.0))
        close(tj.grad(spelled)(x), np.full(n, float(len(str(n)))))
        close(tj.grad(percent)(x), np.full(n, float(len(str(n)))))
        close(tj.grad(tried)(x), np.full(n, float(n)))
        close(tj.grad(captured)(x), np.full(n, table.get(n, 1.0)))
        close(tj.grad(given)(x, {3: 0.5}), np.full(n, table.get(n, 1.0)))
        close(tj.grad(matched)(x), np.full(n, 3.0))


def test_control_flow_on_what_is_not_differentiated(traces):
    def power(x, p, mode="plain"):
        if p == 2.0:
            return (x**2).sum()
        return (x**p).sum() if mode == "plain" else 2 * (x**p).sum()

    x = np.array([1.0, 2.0])
    for p in (2.0, 3.0, 2.0, 3.0, 2.5):
        close(tj.grad(power)(x, p), p * x ** (p - 1))
        close(tj.grad(power)(x, p, mode="other"), (1 if p == 2 else 2) * p * x ** (p - 1))
        close(tj.grad(power)(x, np.float64(p)), p * x ** (p - 1))
    count = len(traces)
    tj.grad(power)(x, 2.5)
    assert len(traces) == count


scale = 2.0
flags = (1, 2.0)
shadow = 1.0


def doubled(x):
    return scale * x


def helper(x):
    return doubled(np.sin(x))


def through_helpers(x):
    return helper(x).sum()


def test_a_changed_global_is_noticed(monkeypatch, traces):
    for value in (2.0, 3.0, 2, -0.0, 0.0, True, np.float32(2)):
        monkeypatch.setitem(globals(), "scale", value)
        close(tj.grad(through_helpers)(x3), value * np.cos(x3))
    count = len(traces)
    monkeypatch.setitem(globals(), "scale", 3.0)
    tj.grad(through_helpers)(x3)
    assert len(traces) == count


def test_a_changed_helper_is_noticed(monkeypatch):
    close(tj.grad(through_helpers)(x3), scale * np.cos(x3))
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "doubled", lambda x: 7 * x)
        close(tj.grad(through_helpers)(x3), 7 * np.cos(x3))
    close(tj.grad(through_helpers)(x3), scale * np.cos(x3))
    with monkeypatch.context() as patch:
        patch.setattr(np, "sin", np.cos)
        close(tj.grad(through_helpers)(x3), -scale * np.sin(x3))
    with monkeypatch.context() as patch:
        patch.setattr(doubled, "__code__", (lambda x: 5 * x).__code__)
        close(tj.grad(through_helpers)(x3), 5 * np.cos(x3))
    close(tj.grad(through_helpers)(x3), scale * np.cos(x3))


def test_a_changed_builtin_is_noticed(monkeypatch):
    def fun(x):
        return max(shadow, 3.0) * x

    close(tj.grad(fun)(1.0), 3.0)
    monkeypatch.setitem(globals(), "max", min)
    close(tj.grad(fun)(1.0), 1.0)


def test_a_changed_closure_is_noticed():
    def make():
        a = 2.0

        def change(value):
            nonlocal a
            a = value

        return (lambda x: a * x**2), change

    fun, change = make()
    slope = tj.grad(fun)
    close(slope(3.0), 12.0)
    change(5.0)
    close(slope(3.0), 30.0)
    change(np.array(7.0))
    close(slope(3.0), 42.0)
    close([tj.grad(lambda x, k=k: k * x)(1.0) for k in range(1, 4)], [1.0, 2.0, 3.0])
    close([tj.grad(lambda x: k * x)(1.0) for k in range(1, 4)], [1.0, 2.0, 3.0])  # noqa: B023


def test_changed_defaults_are_noticed():
    def fun(x, a=2.0, *, b=3.0):
        return a * b * x

    close(tj.grad(fun)(1.0), 6.0)
    fun.__defaults__ = (5.0,)
    close(tj.grad(fun)(1.0), 15.0)
    fun.__kwdefaults__["b"] = 7.0
    close(tj.grad(fun)(1.0), 35.0)


def test_a_changed_array_is_noticed(traces):
    weights = np.ones(3)
    data = {"w": 2.0}
    items = [1.0]

    class Model:
        rate = 3.0

        def __call__(self, x):
            return self.rate * x.sum()

        def loss(self, x):
            return self.rate * x.sum()

    model = Model()
    for k in range(1, 4):
        weights[:], data["w"], items[0], model.rate = k, k, k, k
        for fun in (
            lambda x: weights @ x,
            lambda x: data["w"] * x.sum(),
            lambda x: items[0] * x.sum(),
            lambda x: model.rate * x.sum(),
            model,
            model.loss,
            functools.partial(lambda w, x: w @ x, weights),
            lambda x, w=weights: w @ x,
        ):
            close(tj.grad(fun)(x3), np.full(3, float(k)))
    assert len(traces) == 24
    (slope,) = {str(tj.grad(lambda x: weights @ x)(x3)) for _ in range(2)}
    assert slope == "[3. 3. 3.]"


def test_changing_labels_are_noticed():
    labels = np.array([0, 1, 2])

    def pick(x, k):
        return (x[k] * np.arange(1.0, 4.0)).sum()

    close(tj.grad(pick)(x3, labels), [1.0, 2.0, 3.0] * np.ones(3))
    labels[:] = [2, 1, 0]
    close(tj.grad(pick)(x3, labels), [3.0, 2.0, 1.0] * np.ones(3))
    large = np.arange(2000) % 3
    close(tj.grad(lambda x, k: x[k].sum())(x3, large), np.bincount(large).astype(float))
    large[:] = 0
    close(tj.grad(lambda x, k: x[k].sum())(x3, large), np.array([2000.0, 0, 0]))


def test_state_is_noticed():
    count = 0

    def counting(x):
        nonlocal count
        count += 1
        return count * x

    close([tj.grad(counting)(1.0) for _ in range(3)], [1.0, 2.0, 3.0])

    def drawn(x):
        return np.random.default_rng().normal() * x + np.random.uniform() * x

    assert len({float(tj.grad(drawn)(1.0)) for _ in range(3)}) == 3
    generator = random.Random(0)
    assert len({float(tj.grad(lambda x: generator.random() * x)(1.0)) for _ in range(3)}) == 3
    assert len({float(tj.grad(lambda x: random.random() * x)(1.0)) for _ in range(3)}) == 3

    def stamped(x):
        stamped.calls = getattr(stamped, "calls", 0) + 1
        return stamped.calls * x

    close([tj.grad(stamped)(1.0) for _ in range(3)], [1.0, 2.0, 3.0])

    def imported(x):
        from math import tau

        return tau * x

    close(tj.grad(imported)(1.0), math.tau)


def test_modules_are_read_by_the_attributes_that_are_named(traces):
    module = types.ModuleType("layers")
    module.rate = 2.0
    exec("def scaled(x):\n    return rate * x", module.__dict__)

    def fun(x):
        return module.scaled(x) + module.rate * x

    close(tj.grad(fun)(1.0), 4.0)
    close(tj.grad(fun)(2.0), 4.0)
    assert len(traces) == 1
    module.rate = 3.0
    close(tj.grad(fun)(1.0), 6.0)
    module.scaled = lambda x: 10 * x
    close(tj.grad(fun)(1.0), 13.0)
    module.unrelated = []
    tj.grad(fun)(1.0)
    assert len(traces) == 3


KEPT = {
    "numpy": lambda x: np.tanh(x).sum() + np.linalg.norm(x) + np.pi,
    "scipy": lambda x: special.expit(x).sum() + special.xlogy(2, x + 3).sum(),
    "math": lambda x: x.sum() * math.exp(math.pi),
    "builtins": lambda x: sum(x[k] for k in range(2)) + max(1, 2) + abs(-3.0),
    "tuple": lambda x: x.sum() * flags[1],
    "tensorjac": lambda x: (x * tj.ones(x.shape)).sum(),
    "a transform": lambda x: tj.grad(lambda y: (y**2).sum())(x).sum(),
    "recursion": lambda x: recursive(x, 3).sum(),
    "error state": lambda x: quiet(x).sum(),
    "a transform of a helper": lambda x: slope_of_helper(x).sum(),
    "partial": functools.partial(lambda a, x: a * x.sum(), 2.0),
    "dtype and slices": lambda x: x[slice(0, 2)].astype(np.float64).sum(),
}


def recursive(x, n):
    return x if n == 0 else np.sin(recursive(x, n - 1))


def quiet(x):
    with np.errstate(all="ignore"):
        return np.exp(x)


slope_of_helper = tj.jacobian(doubled)


@pytest.mark.parametrize("name", KEPT)
def test_what_is_traced_once(name, traces):
    fun = KEPT[name]
    first = tj.grad(fun)(x3)
    count = len(traces)
    close(tj.grad(fun)(x3), first)
    assert len(traces) == count


LISTS = [1.0]
COUNTER = iter(range(100))

TRACED_EACH_TIME = {
    "a list": lambda x: LISTS[0] * x,
    "a dict": lambda x: SCALARS and x,
    "an iterator": lambda x: x * (next(COUNTER) >= 0),
    "randomness": lambda x: x * np.random.default_rng(0).random(),
    "memory without contents": lambda x: x + 0 * np.empty(2).shape[0],
    "print": lambda x: print(end="") or x,
    "open": lambda x: x if callable(open) else -x,
    "globals": lambda x: x * globals()["flags"][0],
    "getattr": lambda x: getattr(x, "T") * 1.0,  # noqa: B009
    "an object": lambda x: x * Environment.__doc__.count("x"),
    "an attribute of a function": lambda x: x * doubled.__defaults__ if doubled.__defaults__ else x,
    "an import": lambda x: x * importlib.import_module("math").pi,
    "an array": lambda x: (x3 * x).sum(),
}


@pytest.mark.parametrize("name", TRACED_EACH_TIME)
def test_what_is_traced_each_time(name, traces):
    fun = TRACED_EACH_TIME[name]
    tj.grad(fun)(2.0)
    count = len(traces)
    tj.grad(fun)(2.0)
    assert len(traces) == 2 * count


def test_keys_tell_values_apart():
    values = [0.0, -0.0, 0, False, None, "", b"", 1, 1.0, True, np.float32(1), np.float64(1), (1,), ((1,),), (1.0,)]
    values += [
        1j,
        complex(0.0, -1.0),
        ...,
        slice(1),
        range(1),
        slice(0, 1),
        np.sin,
        np.cos,
        math,
        np,
        float,
        np.float32,
    ]
    values += [np.dtype(float), np.dtype("f4"), functools.partial(helper), functools.partial(helper, 1), helper]
    keys = [Environment().key(value) for value in values]
    assert len(set(keys)) == len(values)
    assert keys == [Environment().key(value) for value in values]
    for value in ([], {}, set(), np.ones(2), object(), lambda: LISTS, iter(()), np.random, random.random, type, print):
        if value is not type:
            with pytest.raises(Unreadable):
                Environment().key(value)


def test_a_function_that_is_not_there_yet():
    def fun(x):
        return later(x)  # noqa: F821

    with pytest.raises(NameError):
        tj.grad(fun)(1.0)
    namespace = fun.__globals__
    try:
        namespace["later"] = lambda x: 2 * x
        close(tj.grad(fun)(1.0), 2.0)
        namespace["later"] = lambda x: 3 * x
        close(tj.grad(fun)(1.0), 3.0)
    finally:
        del namespace["later"]
    with pytest.raises(NameError):
        tj.grad(fun)(1.0)


def test_what_code_reads():
    def fun(x, *, k=1):
        def inner(y):
            return np.sin(y) * scale

        return [inner(x[k]) for _ in range(3)]

    reads = bytecode.Reads(fun.__code__)
    assert set(reads.globals) == {"np", "scale", "range"}
    assert reads.attributes == ("sin",)
    assert reads.closed
    assert not reads.tells

    def writes(x):
        global shadow
        shadow = x

    assert not bytecode.Reads(writes.__code__).closed
    assert not bytecode.Reads((lambda x: x.__class__).__code__).closed
    assert not bytecode.Reads((lambda f: f.gi_frame).__code__).closed
    assert not bytecode.Reads(TRACED_EACH_TIME["an object"].__code__).closed
    for telling in (lambda x: f"{x}", lambda x: {x}, lambda x: {x: 1}, lambda x: x in {1, 2}, lambda x: "{}".format(x)):  # noqa: UP032
        assert bytecode.Reads(telling.__code__).tells
    for plain in (lambda x: x in (1, 2), lambda x: [y for y in x], lambda x: sum(y for y in x)):  # noqa: C416
        assert not bytecode.Reads(plain.__code__).tells
    if sys.version_info < (3, 14):  # whose instructions do not show the keys
        assert not bytecode.Reads((lambda x: {"a": x, "b": x}).__code__).tells


def test_recent_forgets_what_nobody_asks_for():
    kept = calls.Recent(4)
    for k in range(6):
        kept.put(k, str(k))
        assert kept.get(0) == "0"
    assert kept.get(1) is None
    assert kept.get(5) == "5"
    assert len(kept) <= 4


def test_caches_are_bounded():
    for k in range(1, 1500):
        found = tj.grad(lambda x: x * 2.0)(np.float64(k), **{})
        assert found == 2
    for k in range(300):
        tj.grad(lambda x, k: x * k)(1.0, k)
    assert len(calls._expressions) <= 256
    assert len(calls._ready) <= 1024


# Sequences of calls ------------------------------------------------------------------------------------------------

STATE = {"gain": 1.0, "bias": 0.0, "shift": None}
gain, bias, shift = 1.0, 0.0, np.sin


def linear(X, A):
    return gain * (X @ A) + bias


def shifted(X, A):
    return shift(X) @ A * gain


def ragged(X, A):
    total = bias
    for k in range(X.shape[1]):
        total = total + shift(X[:, k, None]) * A[k]
    return total


def broadcast(X, A):
    return (X[:, :, None] * A).sum(axis=1) if X.shape[0] != 1 else X @ A * gain


def cut(X, A):
    return X[:, :2] @ A[:2] + gain


def nested(X, A):
    return tj.grad(lambda B: shift(X @ B).sum())(A) * bias + gain


FUNCTIONS = (linear, shifted, ragged, broadcast, cut, nested)
SHAPES = [(b, m, n) for b in (1, 2, 3) for m in (1, 2) for n in (1, 2)]
SETTINGS = {"gain": (1.0, 3), "bias": (0.0, 1.5), "shift": (np.sin, lambda x: x * gain)}
TRANSFORMS = (
    lambda fun, X, A: tj.grad(lambda X, A: fun(X, A).sum(), (0, 1))(X, A),
    lambda fun, X, A: tj.value_and_grad(lambda X, A: (fun(X, A) ** 2).sum(), 1)(X, A),
    lambda fun, X, A: tj.jacobian(fun, 1)(X, A),
    lambda fun, X, A: tj.jvp(fun, (X, A), (X, A)),
    lambda fun, X, A: (lambda value, pull: (value, pull(value)))(*tj.vjp(fun, X, A)),
)
uncached = {}
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("set"),
            st.sampled_from([(name, k) for name, values in SETTINGS.items() for k in range(len(values))]),
        ),
        st.tuples(
            st.just("call"),
            st.tuples(
                st.sampled_from(range(len(FUNCTIONS))), st.sampled_from(SHAPES), st.sampled_from(range(len(TRANSFORMS)))
            ),
        ),
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=max(300, settings.default.max_examples))
@given(steps)
def test_sequences_of_calls_are_answered_as_without_memory(sequence):
    here = globals()
    before = {name: here[name] for name in SETTINGS}
    state = dict.fromkeys(SETTINGS, 0)
    try:
        for name, k in state.items():
            here[name] = SETTINGS[name][k]
        for verb, detail in sequence:
            if verb == "set":
                name, k = detail
                here[name], state[name] = SETTINGS[name][k], k
                continue
            number, (b, m, n), which = detail
            X, A = np.linspace(-1, 1, b * m).reshape(b, m), np.linspace(0.5, 2, m * n).reshape(m, n)
            found = TRANSFORMS[which](FUNCTIONS[number], X, A)
            key = (detail, tuple(state.values()))
            if key not in uncached:
                uncached[key] = without_memory(lambda: TRANSFORMS[which](FUNCTIONS[number], X, A))  # noqa: B023
            close(found, uncached[key])
    finally:
        here.update(before)


def without_memory(call):
    original = calls._key, calls.alone
    calls._key, calls.alone = (lambda *_: (None, True)), (lambda _: None)
    try:
        return call()
    finally:
        calls._key, calls.alone = original


def test_threads():
    slope = tj.grad(lambda X, A: np.tanh(X @ A).sum(), (0, 1))
    faults = []

    def work(seed):
        generator = random.Random(seed)
        try:
            for _ in range(60):
                b, m, n = (generator.choice((1, 2, 3, 5)) for _ in range(3))
                X, A = np.full((b, m), 0.1 * seed), np.full((m, n), 0.3)
                H = 1 - np.tanh(X @ A) ** 2
                close(slope(X, A), (H @ A.T, X.T @ H))
                value, pull = tj.vjp(lambda X, A: X @ A, X, A)
                close((value, *pull(value)), (X @ A, value @ A.T, X.T @ value))
                close(tj.grad(lambda x: seed * x.sum())(X), np.full((b, m), float(seed)))
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults[0]


def test_a_change_during_the_trace_is_not_kept(monkeypatch):
    # as another thread might make it
    def fun(x):
        return scale * x

    original = programs.run_traced

    def changing(body, shapes):
        found = original(body, shapes)
        globals()["scale"] = 5.0
        return found

    monkeypatch.setitem(globals(), "scale", 2.0)
    with monkeypatch.context() as patch:
        patch.setattr(programs, "run_traced", changing)
        tj.grad(fun)(1.0)
    close(tj.grad(fun)(1.0), 5.0)
    monkeypatch.setitem(globals(), "scale", 2.0)
    close(tj.grad(fun)(1.0), 2.0)


# What is said ------------------------------------------------------------------------------------------------------


def refused(kind, message, call):
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value) == message


def square(x):
    return x**2


class Masked(np.ndarray):
    """A kind of array whose operators may mean something else."""


NOT_REAL = (
    "derivatives are with respect to real numbers, and {0} is of {1}.\n"
    "pass floats, such as np.asarray({0}, float) or 3.0 instead of 3, or leave the argument out of argnums."
)
REFUSED = {
    "int": (
        TypeError,
        "derivatives are with respect to real numbers, and x is of type int.\n"
        "pass floats, such as np.asarray(x, float) or 3.0 instead of 3, or leave the argument out of argnums.",
        lambda: tj.grad(square)(3),
    ),
    "bool": (TypeError, NOT_REAL.format("x", "type bool"), lambda: tj.grad(square)(True)),
    "int64": (TypeError, NOT_REAL.format("x", "dtype int64"), lambda: tj.grad(square)(np.int64(3))),
    "int array": (TypeError, NOT_REAL.format("x", "dtype int64"), lambda: tj.jacobian(square)(np.arange(3))),
    "int in vjp": (TypeError, NOT_REAL.format("x", "dtype int64"), lambda: tj.vjp(square, np.arange(3))),
    "int in jvp": (TypeError, NOT_REAL.format("x", "type int"), lambda: tj.jvp(square, (3,), (1.0,))),
    "int in hvp": (TypeError, NOT_REAL.format("x", "type int"), lambda: tj.hvp(square, (3,), (1.0,))),
    "complex": (TypeError, NOT_REAL.format("x", "type complex"), lambda: tj.grad(square)(1j)),
    "complex array": (TypeError, NOT_REAL.format("x", "dtype complex128"), lambda: tj.grad(square)(x3 + 1j)),
    "matrix": (TypeError, NOT_REAL.format("x", "type Masked"), lambda: tj.grad(square)(x3.view(Masked))),
    "text": (TypeError, NOT_REAL.format("x", "type str"), lambda: tj.grad(square)("x")),
    "int in a dict": (
        TypeError,
        NOT_REAL.format("p['w'][1]", "type int"),
        lambda: tj.grad(lambda p: p["w"][0])({"w": (1.0, 2)}),
    ),
    "int inside": (
        TypeError,
        "derivatives are with respect to real numbers, and x is a whole number.\n"
        "pass floats, such as np.asarray(x, float) or 3.0 instead of 3, or leave the argument out of argnums.",
        lambda: tj.grad(lambda x: x * tj.grad(square)(3))(1.0),
    ),
    "mask inside": (
        TypeError,
        "derivatives are with respect to real numbers, and x is a truth value.\n"
        "pass floats, such as np.asarray(x, float) or 3.0 instead of 3, or leave the argument out of argnums.",
        lambda: tj.grad(lambda x: x * tj.grad(square)(x > 0))(1.0),
    ),
    "array output": (
        TypeError,
        "a gradient is that of one scalar, and square returned an array of shape (3,).\n"
        "sum it to a scalar, or use tj.jacobian, or tj.vjp with a cotangent.",
        lambda: tj.grad(square)(x3),
    ),
    "two outputs": (
        TypeError,
        "a gradient is that of one scalar, and <lambda> returned (*, *).\n"
        "sum it to a scalar, or use tj.jacobian, or tj.vjp with a cotangent.",
        lambda: tj.value_and_grad(lambda x: (x, x))(1.0),
    ),
    "no output": (
        TypeError,
        "a gradient is that of one scalar, and <lambda> returned None.\n"
        "sum it to a scalar, or use tj.jacobian, or tj.vjp with a cotangent.",
        lambda: tj.grad(lambda x: None)(1.0),
    ),
    "whole output": (
        TypeError,
        "derivatives are of real numbers, and <lambda> returned whole numbers.\n"
        "return what they are calculated from; counts and masks can be returned beside it, with has_aux=True.",
        lambda: tj.grad(lambda x: (x > 0).sum())(x3),
    ),
    "mask output": (
        TypeError,
        "derivatives are of real numbers, and <lambda> returned truth values.\n"
        "return what they are calculated from; counts and masks can be returned beside it, with has_aux=True.",
        lambda: tj.jacobian(lambda x: x > 0)(x3),
    ),
    "text output": (
        TypeError,
        "a function to differentiate returns arrays, alone or in tuples, lists and dicts, and <lambda> returned a "
        "value of type str.\nreturn it beside the output, with has_aux=True, or not at all.",
        lambda: tj.jacobian(lambda x: (x, "x"))(x3),
    ),
    "no pair": (
        TypeError,
        "with has_aux=True a function returns a pair, the output and what else there is, and square returned an "
        "array of shape (3,).\nreturn output, aux, or leave has_aux out.",
        lambda: tj.grad(square, has_aux=True)(x3),
    ),
    "argnums out of range": (
        TypeError,
        "argnums names arguments that are passed by position: argnums=(0, 2), and square was called with 1 of them.\n"
        "pass argument 2 by position, or name another.",
        lambda: tj.grad(square, (0, 2))(1.0),
    ),
    "argnums of a wrong type": (
        TypeError,
        "argnums is the position of an argument, counted from 0, or a tuple of such, and this is 'x'.\n"
        "pass argnums=0 or argnums=(0, 1), for example.",
        lambda: tj.grad(square, "x"),
    ),
    "no function": (
        TypeError,
        "what is differentiated is a function, and this is of type float.\n"
        "pass the function itself, and the arguments afterwards: tj.grad(f)(x).",
        lambda: tj.grad(3.0),
    ),
    "no function in vjp": (
        TypeError,
        "what is differentiated is a function, and this is of type float.\n"
        "pass the function itself, and the arguments afterwards: tj.grad(f)(x).",
        lambda: tj.vjp(3.0, 1.0),
    ),
    "bare arguments": (
        TypeError,
        "args of tj.jvp has one entry for each argument of square, in a tuple, and here it is of type ndarray.\n"
        "with one argument, write tj.jvp(square, (x,), (v,)).",
        lambda: tj.jvp(square, x3, x3),
    ),
    "nesting of tangents": (
        TypeError,
        "tangents is nested as args is:\n  args: (*,)\n  tangents: (*, *)\n"
        "give tangents the same tuples, lists and keys, with an array wherever args has one.",
        lambda: tj.jvp(square, (1.0,), (1.0, 2.0)),
    ),
    "shape of a tangent": (
        ValueError,
        "tangents[0] has the shape of its argument, and here it has shape () and its argument has shape (3,).\n"
        "give it that shape, with np.broadcast_to if it is meant to be repeated.",
        lambda: tj.jvp(square, (x3,), (1.0,)),
    ),
    "shape of a tangent inside": (
        ValueError,
        "tangents[0] has the shape of its argument, and here it has shape () and its argument has shape (3,).\n"
        "give it that shape, with np.broadcast_to if it is meant to be repeated.",
        lambda: tj.grad(lambda x: tj.jvp(square, (x,), (1.0,))[1].sum())(x3),
    ),
    "nesting of a cotangent": (
        ValueError,
        "the cotangent is nested as the output is:\n  the output: {'a': *, 'b': [*]}\n  the cotangent: *\n"
        "give the cotangent the same tuples, lists and keys, with an array wherever the output has one.",
        lambda: tj.vjp(lambda x: {"a": x, "b": [x]}, x3)[1](x3),
    ),
    "shape of a cotangent": (
        ValueError,
        "the cotangent['b'][0] has the shape of its output, and here it has shape (2,) and its output has shape (3,).\n"
        "give it that shape, with np.broadcast_to if it is meant to be repeated.",
        lambda: tj.vjp(lambda x: {"a": x, "b": [x]}, x3)[1]({"a": x3, "b": [x3[:2]]}),
    ),
    "shape of a cotangent inside": (
        ValueError,
        "the cotangent has the shape of its output, and here it has shape () and its output has shape (3,).\n"
        "give it that shape, with np.broadcast_to if it is meant to be repeated.",
        lambda: tj.grad(lambda x: tj.vjp(square, x)[1](1.0)[0].sum())(x3),
    ),
    "dtype of a cotangent": (
        TypeError,
        "the cotangent holds real numbers, and here it is of dtype complex128.\n"
        "pass floats, in the shape of its output, (3,).",
        lambda: tj.vjp(square, x3)[1](1j * x3),
    ),
    "masked cotangent": (
        TypeError,
        "the cotangent holds real numbers, and here it is a masked array.\n"
        "pass its .filled(0), in the shape of its output, (3,).",
        lambda: tj.vjp(square, x3)[1](np.ma.masked_less(x3, 2)),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    kind, message, call = REFUSED[name]
    refused(tj.TraceError if kind is TypeError else tj.ShapeError, message, call)


def test_control_flow_on_what_is_differentiated_is_refused():
    with pytest.raises(tj.TraceError, match="control flow cannot depend on"):
        tj.grad(lambda x: x if x > 0 else -x)(1.0)


def test_errors_of_the_function_show_numbers():
    with pytest.raises(tj.ShapeError, match=r"size 3 .* size 4") as caught:
        tj.grad(lambda X, y: (X * y).sum())(X23, np.ones(4))
    assert "s0" not in str(caught.value)


def test_errors_name_the_argument_at_every_order():
    """Second derivatives have inputs of their own inside a trace: what is said is about the person's argument."""
    for derivative in (tj.hessian, lambda fun: tj.jacobian(tj.grad(fun)), lambda fun: tj.grad(tj.grad(fun))):
        with pytest.raises(tj.ShapeError, match="axis 0 of x of shape \\(3,\\) has size 3, and axis 0 of an array"):
            derivative(lambda x: x @ np.ones(4))(np.ones(3))


def test_names_of_functions():
    slope = tj.grad(square)
    assert (slope.__name__, slope.__wrapped__) == ("square", square)


def test_bytes_of_constants_in_a_key():
    assert np.arange(2000).nbytes > environment.BYTES
