"""Functions called with the arrays of JAX, PyTorch and Dask: the values of NumPy, computed there."""

import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from scipy import special

import tensorjac as tj
from benchmarks import cases
from functions import CASES
from generators import PROGRAM, program, programs
from libraries import Library, each, listed, rows_of_two
from oracles import assert_close
from tensorjac import interop
from tensorjac.interop import libraries, namespaces
from tensorjac.interop.blocks import check_whole
from test_functions import cotangents, traced
from test_primitives import argument_names, arguments, cotangent, every_row, function
from test_programs import moderate, point, seeds
from test_windows import CASES as WINDOWS

LAYERS = {name: (make(np), shapes) for name, (make, _, shapes, _) in cases.LAYERS.items()}
LAYERS["cross-entropy"] = (cases.functions.cross_entropy(np), {"X": "b n", "T": "b n"})
SIZES = {"b": 5, "m": 3, "n": 4, "h": 2, "s": 5, "t": 3, "d": 2, "e": 4}


def assert_same(library, functions, args, roundings=256):
    """The library's values are NumPy's, in shape and dtype, too; an entry is a few roundings of the largest away."""
    args = {name: np.asarray(value) for name, value in args.items()}
    known = [{name: args[name] for name in V.inputs} for V in functions]
    desired = [output for V, own in zip(functions, known, strict=True) for output in listed(V(**own))]
    for actual, wanted in zip(library.called(functions, args), desired, strict=True):
        assert actual.dtype == wanted.dtype
        # what is exactly 0 here may be a rounding there
        assert_close(actual, wanted, np.finfo(wanted.dtype).eps, roundings, wanted.dtype)


def layer(name, dtype=float):
    """The value and all gradients of a layer as one function, and arguments for it."""
    fun, shapes = LAYERS[name]
    F = tj.trace(fun, **shapes)
    rng = np.random.default_rng(0)
    V = F.vjp()
    args = {k: rng.normal(size=[SIZES[size] for size in shape]).astype(dtype) for k, shape in V.inputs.items()}
    return F, V, args


# The table of primitives, the functions, the layers ---------------------------------------------------------------


@each()
@every_row
def test_primitives(library, row):
    """The value and both kinds of derivatives, by every argument."""
    F, args = function(row), {**arguments(row), "G": cotangent(row, arguments(row))}
    assert_same(library, [F, F.vjp(), *(F.jacobian(name) for name in argument_names(row))], args)


@each("torch", "dask")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_functions(library, case):
    """Of Dask's arrays in blocks of two rows, unless a matrix has to be in one block."""
    F, args = traced(case), case.inputs()
    if library.name == "dask" and "linalg" not in F.vjp().source():
        library = replace(library, to=rows_of_two)
    assert_same(library, [F, F.vjp()], {**args, **cotangents(case, args)})


@each("torch")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_dense_jacobians(library, case):
    """Everything that NumPy's source writes into an array, read where others cannot be written into."""
    F = traced(case)
    assert_same(library, [F.jacobian(wrt, of=of) for of in F.outputs for wrt in list(F.inputs)[:2]], case.inputs())


@each("torch")
@pytest.mark.parametrize("name", WINDOWS)
def test_windows(library, name):
    fun, shapes = WINDOWS[name]
    F = tj.trace(fun, **shapes)
    for n in (9, 6):
        sizes = {"n": n, "c": 4, "m": 7}
        rng = np.random.default_rng(0)
        args = {k: rng.normal(size=[sizes.get(s) or int(s) for s in v.split()]) for k, v in shapes.items()}
        assert_same(library, [F.jacobian(wrt) for wrt in shapes], args)


@each()
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(library, name, dtype):
    F, V, args = layer(name, dtype)
    assert_same(library, [F, V], args)


@each("torch")
@given(steps=programs(), seed=seeds)
def test_programs(library, steps, seed):
    args = point(seed)
    value = moderate(steps, args)
    F = tj.trace(program(steps), **PROGRAM)
    G = np.random.default_rng(seed).normal(size=value.shape)
    assert_same(library, [F, F.vjp()], {**args, "G": G}, 1e6)


# A library that is always there: NumPy in disguise --------------------------------------------------------------


class Disguised(np.ndarray):
    """NumPy's arrays as those of a library in which an array cannot be written into."""

    __module__ = "torch"

    def __setitem__(self, key, value):
        raise AssertionError("written into")


def disguised(array):
    return np.asarray(array).view(Disguised)


@pytest.fixture
def library(monkeypatch):
    """PyTorch played by NumPy, in the names of the standard and without functions of matrices."""
    monkeypatch.setattr(libraries, "_met", {})
    beyond = {**namespaces.common(np, lambda x: None), "copy": np.copy, "erf": special.erf, "xlogy": special.xlogy}
    names = {"einsum": np.einsum, "sigmoid": special.expit, "add_at": add_at, "cbrt": np.cbrt, "linalg": np.linalg}
    names["cumulative_sum"] = np.cumsum  # NumPy 2.0 does not know it by the name of the standard
    found = namespaces.Namespace("PyTorch", np, {**beyond, **names})
    monkeypatch.setitem(libraries.MAKERS, "torch", lambda: found)
    return found


def test_a_plan_is_for_arrays_of_numpy(library):
    chosen = tj.plan(tj.trace(lambda X, A: X @ A, X="b m", A="m n"), "A", sizes={"b": 2, "m": 3, "n": 5})
    with pytest.raises(tj.UnsupportedError) as caught:
        chosen(disguised(np.ones((2, 3))), np.ones((3, 5)), np.ones((2, 5)))
    assert str(caught.value) == (
        "a plan runs on NumPy arrays, and these are PyTorch's: call the function's vjp with them, which runs there."
    )


def add_at(shape, positions, values):
    out = np.zeros(shape)
    np.add.at(out, positions, values)
    return out


@cache
def derived(case):
    """The function, its VJP and its Jacobians by the first argument."""
    F = traced(case)
    return F, F.vjp(), *(F.jacobian(wrt, of=of) for of in F.outputs for wrt in list(F.inputs)[:1])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_is_written_into(library, case):
    args = {**case.inputs(), **cotangents(case, case.inputs())}
    for V in derived(case):
        own = {name: args[name] for name in V.inputs}
        found = V(**{name: disguised(value) for name, value in own.items()})
        for actual, desired in zip(listed(found), listed(V(**own)), strict=True):
            assert_close(actual, desired, np.finfo(float).eps)


@pytest.mark.skipif(not find_spec("array_api_strict"), reason="needs array_api_strict")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_standard_is_enough(monkeypatch, case):
    """In a library that has what the standard asks for and refuses all else, as far as it is not named beyond it."""
    xp = import_module("array_api_strict")

    def by_numpy(function):
        return lambda *args, **options: xp.asarray(
            function(*(arg if isinstance(arg, str | tuple) else np.asarray(arg) for arg in args), **options)
        )

    named = {"einsum": np.einsum, "erf": special.erf, "xlogy": special.xlogy, "sigmoid": special.expit}
    own = {name: by_numpy(fun) for name, fun in {**named, "add_at": add_at, "cbrt": np.cbrt, "copy": np.copy}.items()}
    strict = namespaces.Namespace("strict", xp, {**namespaces.common(xp, lambda x: None), **own})
    monkeypatch.setattr(libraries, "_met", {})
    monkeypatch.setitem(libraries.MAKERS, "array_api_strict", lambda: strict)
    library = Library("strict", xp.asarray, lambda function, given: function(**given))
    args = case.inputs()
    assert_same(library, derived(case), {**args, **cotangents(case, args)})


def test_names_of_the_source_stay_free(library):
    F = tj.parse("Y = (device - xp) * np + slice", xp="n", device="n", np="n", slice="")
    args = [np.array([1.0, 2.0]), np.array([5.0, 7.0]), np.array([2.0, 3.0]), np.array(1.0)]
    assert F(*map(disguised, args)).tolist() == F(*args).tolist() == [9.0, 16.0]


@pytest.mark.parametrize("sizes", [("device", "n"), ("xp", "n"), ("device", "xp"), ("slice", "device_")])
def test_sizes_may_be_called_what_the_source_calls_the_library(library, sizes):
    b, n = sizes
    weights = np.arange(3.0)

    def fun(X, Y):
        return (np.tanh(X) * weights).mean(axis=0) @ np.eye(3) + tj.ones((X.shape[0], 3)) @ Y + X[[2, 0]].mean()

    F = tj.trace(lambda X, Y: fun(X, Y @ Y.T), X=f"{b} 3", Y=f"3 {n}")
    X, Y, G = (np.random.default_rng(k).normal(size=shape) for k, shape in enumerate([(4, 3), (3, 5), (4, 3)]))
    assert_close(F(*map(disguised, (X, Y))), F(X, Y))
    for actual, desired in zip(F.vjp()(*map(disguised, (X, Y, G))), F.vjp()(X, Y, G), strict=True):
        assert_close(actual, desired)
    J = F.jacobian("X")
    assert_close(J(*map(disguised, (X, Y))), J(X, Y))


def test_numbers_take_on_the_dtype_of_the_arrays(library):
    F = tj.trace(lambda X, s: X * s, X="n", s="")
    assert F(disguised(np.ones(2, np.float32)), 2.5).dtype == np.float32
    assert F(disguised(np.ones(2, np.float32)), disguised(np.ones(()))).dtype == np.float64
    assert F(disguised(np.ones(2, int)), True).dtype == np.float64


def test_sizes_of_zero(library):
    for fun in (lambda x: x[1:] - x[:-1], lambda x: np.pad(x, 1), lambda x: x[::2]):
        J = tj.trace(fun, x="n").jacobian("x")
        assert J(disguised(np.ones(1))).tolist() == J(np.ones(1)).tolist()


class Unknown:
    """An array of Dask's of which nobody has counted the rows."""

    __module__ = "dask.array"
    dtype = np.dtype(float)
    shape = (np.nan, 3)


X, A = np.ones((2, 3)), np.ones((3, 2))
REFUSED = [
    (
        {"X": X, "A": disguised(A)},
        tj.TraceError,
        "the arrays of one call are of one library, and X is of type ndarray beside arrays of PyTorch: convert it, to "
        "the device of the others.",
    ),
    (
        {"X": disguised(X), "A": Unknown()},
        tj.TraceError,
        "the arrays of one call are of one library, and X is PyTorch's and A is Dask's: convert one of them.",
    ),
    (
        {"X": disguised(X), "A": disguised(np.ones((4, 2)))},
        tj.ShapeError,
        """size m is 3 in X (axis 1 of 'b m') and 4 in A (axis 0 of 'm n'):
  X: b m
       ^
  A: m n
     ^
X.shape is (2, 3), A.shape is (4, 2); give arrays whose sizes agree, or name the two sizes differently.""",
    ),
    (
        {"X": disguised(X + 0j), "A": disguised(A)},
        tj.UnsupportedError,
        "X must hold real numbers, and its dtype is complex128: pass an array of floats.",
    ),
    (
        {"X": Unknown(), "A": A},
        tj.ShapeError,
        "X must have a shape, and its shape is (nan, 3): call X.compute_chunk_sizes() first.",
    ),
]


@pytest.mark.parametrize(("args", "kind", "message"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_refusals(library, monkeypatch, args, kind, message):
    monkeypatch.setitem(libraries.MAKERS, "dask", lambda: namespaces.Namespace("Dask", np, {}, mixes=True))
    F = tj.parse("Y = X @ A", X="b m", A="m n")
    with pytest.raises(kind) as caught:
        F(**args)
    assert str(caught.value) == message


def test_what_a_library_lacks(monkeypatch):
    monkeypatch.setattr(libraries, "_met", {})
    poor = namespaces.Namespace("PyTorch", object(), {"device": np.ndim})
    monkeypatch.setitem(libraries.MAKERS, "torch", lambda: poor)
    with pytest.raises(tj.UnsupportedError) as caught:
        tj.trace(np.cbrt, x="n")(disguised(np.ones(2)))
    assert str(caught.value) == (
        "this function needs cbrt, and PyTorch has no such function: pass NumPy arrays, or arrays of another library."
    )


@pytest.mark.parametrize(
    ("name", "shape", "blocks", "core", "message"),
    [
        ("inv", (9, 6, 6), (3, 2, 1), 2,
         "linalg.inv needs all of a matrix in one block, and an array of shape (9, 6, 6) is in 3 by 2 by 1 blocks: "
         "rechunk the arguments that it is computed of, A.rechunk({-2: -1, -1: -1}) for example."),
        ("solve", (6,), (3,), 1,
         "linalg.solve needs all of a vector in one block, and an array of shape (6,) is in 3 blocks: "
         "rechunk the arguments that it is computed of, b.rechunk({-1: -1}) for example."),
    ],
)  # fmt: skip
def test_a_matrix_that_is_cut(name, shape, blocks, core, message):
    with pytest.raises(tj.UnsupportedError) as caught:
        check_whole(name, SimpleNamespace(shape=shape, numblocks=blocks), core)
    assert str(caught.value) == message


@each("dask")
@pytest.mark.parametrize(
    "fun", [np.linalg.inv, np.linalg.det, np.linalg.cholesky, np.linalg.pinv], ids=lambda f: f.__name__
)
def test_matrices_of_a_stack_are_in_one_block(library, fun):
    F = tj.trace(lambda A: fun(A), A="b n n")
    A = np.eye(2) + np.arange(16.0).reshape(4, 2, 2) / 16
    A = A @ A.mT
    assert_close(F(rows_of_two(A)).compute(), F(A))
    with pytest.raises(tj.UnsupportedError, match=f"^linalg.{fun.__name__} needs all of a matrix in one block"):
        F(rows_of_two(A).rechunk({2: 1}))


def test_the_names_of_the_standard_are_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "array_api_compat.torch", None)
    with pytest.raises(tj.UnsupportedError) as caught:
        namespaces.standard("torch")
    assert str(caught.value) == (
        "arrays of torch are called by the names of array-api-compat, which is not installed: "
        "pip install 'tensorjac[torch]'."
    )


# Compiled and differentiated there ------------------------------------------------------------------------------


@each("jax")
@pytest.mark.parametrize("name", LAYERS)
def test_differentiated_by_jax(library, name):
    """The gradient of a VJP is our own second derivative; a batch of functions is what each of them is."""
    jax = interop.jax()
    _, V, args = layer(name)
    with interop.double_precision():
        arrays = [library.to(value) for value in args.values()]

        def total(*arrays):
            return sum((gradient * gradient).sum() / 2 for gradient in listed(V(*arrays)))

        second = jax.jit(jax.grad(total, tuple(range(len(arrays)))))(*arrays)
        stacked = jax.jit(jax.vmap(V))(*(jax.numpy.stack([array, 2 * array]) for array in arrays))
    assert_second_derivative(V, args, second)
    assert_stacked(V, args, stacked)


@each("torch")
@pytest.mark.parametrize("name", LAYERS)
def test_differentiated_by_torch(library, name):
    import torch

    _, V, args = layer(name)
    arrays = [library.to(value).requires_grad_() for value in args.values()]
    total = sum((gradient * gradient).sum() / 2 for gradient in listed(V(*arrays)))
    assert_second_derivative(V, args, torch.autograd.grad(total, arrays, materialize_grads=True))
    stacked = torch.func.vmap(V)(*(torch.stack([array, 2 * array]).detach() for array in arrays))
    assert_stacked(V, args, stacked)


def assert_stacked(V, args, found):
    """The values at the arguments, and at twice the arguments."""
    both = V(*args.values()), V(*(2 * x for x in args.values()))
    for actual, *desired in zip(listed(found), *map(listed, both), strict=True):
        assert_close(actual, np.stack(desired))


def assert_second_derivative(V, args, found):
    """The gradient of Σ V² / 2 is the VJP of V at V."""
    values = listed(V(**args))
    W = V.vjp()
    cotangents = dict(zip([name for name in W.inputs if name not in V.inputs], values, strict=True))
    for actual, desired in zip(found, listed(W(**args, **cotangents)), strict=True):
        assert_close(actual, desired)


@each("torch")
@pytest.mark.parametrize("name", LAYERS)
def test_compiled_by_torch(library, name):
    """In one graph, and differentiable; the functions have never been called before."""
    import torch

    F, V, args = layer(name)
    torch.compiler.reset()
    arrays = {name: library.to(value) for name, value in args.items()}
    compiled = torch.compile(lambda **given: V(**given), fullgraph=True, backend="aot_eager")
    for actual, desired in zip(listed(compiled(**arrays)), listed(V(**args)), strict=True):
        assert_close(actual, desired)
    inputs = [library.to(args[name]).requires_grad_() for name in F.inputs]
    value = torch.compile(F, fullgraph=True, backend="aot_eager")(*inputs)
    G = library.to(args["G"])
    gradients = torch.autograd.grad((value * G).sum(), inputs)
    for actual, desired in zip(gradients, listed(V(**args)), strict=True):
        assert_close(actual, desired)


@each("torch")
def test_one_compiled_graph_for_all_sizes(library):
    import torch

    V = layer("softmax")[1]
    torch.compiler.reset()
    compiled = torch.compile(V, fullgraph=True, backend="aot_eager", dynamic=True)
    for b in (3, 6, 11):
        X, G = (np.random.default_rng(k).normal(size=(b, 4)) for k in (0, 1))
        assert_close(compiled(library.to(X), library.to(G)), V(X, G))


@each("jax", "dask")
def test_numpy_arrays_beside(library):
    X, A = np.random.default_rng(0).normal(size=(2, 5, 5))
    F = tj.parse("Y = X @ A", X="b m", A="m n")
    with interop.double_precision():
        for found in (F(library.to(X), A), F(X, library.to(A))):
            assert type(found) is type(library.to(X))
            assert_close(library.back(found), X @ A)


@each("torch")
def test_parameters_of_a_network(library):
    import torch

    X, A = torch.ones(2, 3), torch.nn.Parameter(torch.ones(3, 2))
    Y = tj.parse("Y = X @ A", X="b m", A="m n")(X, A)
    Y.sum().backward()
    assert Y.dtype == torch.float32 and A.grad.tolist() == [[2, 2]] * 3


@each("torch")
def test_results_never_share_memory(library):
    X = library.to(np.ones((2, 3)))
    for fun in (lambda X: X, lambda X: X.T, lambda X: X[1:]):
        Y = tj.trace(fun, X="b n")(X)
        Y += 1
        assert X.sum() == 6


# Transforms of plain functions ----------------------------------------------------------------------------------


def scores(p, x):
    return np.tanh(x @ p["A"] + p["c"]) * x.mean(axis=0)[:2]


def total(p, x):
    return (scores(p, x) ** 2).sum()


TRANSFORMS = {
    "grad": lambda p, x: tj.grad(total)(p, x),
    "value and grad": lambda p, x: tj.value_and_grad(total, argnums=(0, 1))(p, x),
    "jacobian": lambda p, x: tj.jacobian(scores, argnums=1)(p, x),
    "hessian": lambda p, x: tj.hessian(total, argnums=1)(p, x),
    "vjp": lambda p, x: (lambda value, pullback: (value, pullback(value)))(*tj.vjp(scores, p, x)),
    "vjp with more": lambda p, x: (lambda value, pullback, more: (value, pullback(value), more))(
        *tj.vjp(lambda p, x: (scores(p, x), 2 * x), p, x, has_aux=True)
    ),
    "jvp": lambda p, x: tj.jvp(scores, (p, x), (p, x)),
    "hvp": lambda p, x: tj.hvp(total, (p, x), (p, x)),
}


def leaves(tree):
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    return [leaf for value in tree for leaf in leaves(value)] if isinstance(tree, tuple) else [tree]


@each()
@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(library, name):
    """Twice: traced, and as it was kept."""
    A, c, x = (np.random.default_rng(k).normal(size=shape) for k, shape in enumerate([(3, 2), (2,), (4, 3)]))
    desired = leaves(TRANSFORMS[name]({"A": A, "c": c}, x))
    with interop.double_precision():
        for _ in range(2):
            found = TRANSFORMS[name]({"A": library.to(A), "c": library.to(c)}, library.to(x))
            for actual, wanted in zip(leaves(found), desired, strict=True):
                assert type(actual) is type(library.to(x))
                assert_close(library.back(actual), wanted)


@each("jax")
def test_transforms_inside_jit(library):
    jax = interop.jax()
    x = np.linspace(0, 1, 4, dtype=np.float32)
    fun = tj.grad(lambda x: (np.sin(x) ** 2).sum())
    assert_close(jax.jit(fun)(x), fun(x), dtype=np.float32)
    assert_close(jax.jit(jax.grad(lambda x: fun(x).sum()))(x), 2 * np.cos(2 * x), dtype=np.float32)


@each("jax")
@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_compiled_by_jax(library, name):
    with interop.double_precision():
        assert_transformed(library, name, interop.jax().jit(TRANSFORMS[name]))


# What does not return a dict or a function.
IN_ONE_GRAPH = {
    **{name: TRANSFORMS[name] for name in ("jacobian", "hessian", "jvp")},
    "grad": lambda p, x: tj.grad(total, argnums=1)(p, x),
    "value and grad": lambda p, x: tj.value_and_grad(lambda x, A: (np.tanh(x @ A) ** 2).sum(), (0, 1))(x, p["A"]),
    "hvp": lambda p, x: tj.hvp(lambda x, A: (np.tanh(x @ A) ** 2).sum(), (x, p["A"]), (x, p["A"])),
}


@each("torch")
@pytest.mark.parametrize("name", IN_ONE_GRAPH)
def test_transforms_in_one_graph_of_torch(library, name):
    """Two of them, which do not get into each other's way."""
    import torch

    torch.compiler.reset()
    transforms = IN_ONE_GRAPH[name], IN_ONE_GRAPH["grad"]
    both = torch.compile(lambda p, x: tuple([each(p, x) for each in transforms]), fullgraph=True, backend="eager")
    A, c, x = (np.random.default_rng(k).normal(size=shape) for k, shape in enumerate([(3, 2), (2,), (4, 3)]))
    found = leaves(both({"A": library.to(A), "c": library.to(c)}, library.to(x)))
    desired = leaves(tuple(each({"A": A, "c": c}, x) for each in transforms))
    for actual, wanted in zip(found, desired, strict=True):
        assert_close(library.back(actual), wanted)


def test_torch_is_found_by_the_transform_that_comes_first():
    """Inside a graph, in a process in which no function has met arrays of PyTorch."""
    pytest.importorskip("torch")
    pytest.importorskip("array_api_compat")
    script = (
        "import tensorjac as tj, numpy as np, torch\n"
        "compiled = torch.compile(lambda x: tj.{}, fullgraph=True, backend='eager')\n"
        "print(compiled(torch.tensor([1.0, 2.0])))"
    )
    for text, printed in (("grad(lambda x: (x**3).sum())(x)", "tensor([ 3., 12.])"),
                          ("jvp(lambda x: x**3, (x,), (x,))[1]", "tensor([ 3., 24.])")):  # fmt: skip
        command = [sys.executable, "-c", script.format(text)]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{printed}\n"


@each("torch")
def test_transforms_between_graphs_of_torch(library):
    import torch

    torch.compiler.reset()
    assert_transformed(library, "vjp", torch.compile(TRANSFORMS["vjp"], backend="aot_eager"))


def assert_transformed(library, name, compiled):
    A, c, x = (np.random.default_rng(k).normal(size=shape) for k, shape in enumerate([(3, 2), (2,), (4, 3)]))
    found = leaves(compiled({"A": library.to(A), "c": library.to(c)}, library.to(x)))
    desired = leaves(TRANSFORMS[name]({"A": A, "c": c}, x))
    for actual, wanted in zip(found, desired, strict=True):
        assert_close(library.back(actual), wanted)


@each("torch")
def test_gradients_have_the_dtype_of_their_arguments(library):
    import torch

    x, y = torch.ones(3), torch.ones(3, dtype=torch.float64)
    dx, dy = tj.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(x, y)
    assert (dx.dtype, dy.dtype) == (torch.float32, torch.float64)
    half = torch.ones(3, dtype=torch.bfloat16)
    assert tj.grad(lambda x: (x * x).sum())(half).dtype == torch.bfloat16


def test_whole_numbers_of_a_library_are_not_traced(library):
    with pytest.raises(tj.TraceError) as caught:
        tj.grad(lambda x, t: x[t].sum())(disguised(np.ones(3)), disguised(np.array([0, 1])))
    assert str(caught.value) == (
        "a function is traced at real numbers, and array 2 among its arguments is PyTorch's and of dtype int64.\n"
        "pass floats, or whole numbers as an array of NumPy's."
    )
