"""Arrays at every door: layouts, dtypes, sizes 0 and 1, values that are not finite, and what is refused."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorjac as tj

SHAPES = {"X": "b m", "A": "m n", "v": "n"}


def layer(X, A, v):
    return np.tanh(X @ A + v)


FUNCTIONS = {
    "layer": tj.trace(layer, **SHAPES),
    "gradient": tj.trace(lambda X, A, v: layer(X, A, v).sum(), **SHAPES).grad(),
    "hessian": tj.trace(lambda X, A, v: layer(X, A, v).sum(), **SHAPES).hessian("v"),
    "jacobian": tj.trace(layer, **SHAPES).jacobian("A"),
    "views": tj.trace(lambda X, A, v: (X.T, A[::-1], v[1:], X, A.reshape(-1), X[:, None]), **SHAPES),
    "linear": tj.trace(lambda X, A, v: X @ A - 2 * v, **SHAPES),
    "elementwise": tj.trace(lambda X, A, v: (2 * X, np.exp(X) * (X + 1), np.tanh(A) * v), **SHAPES),
    "stacks": tj.trace(lambda X, A, v: (X[:, None] + A.T) @ A, **SHAPES),
}


def arguments(b, m, n, dtype=float, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in ((b, m), (m, n), (n,))]


def results(found):
    return found if isinstance(found, tuple) else (found,)


def spread(array):
    """The same numbers, in every second place of a larger array."""
    large = np.zeros([2 * size for size in array.shape], array.dtype)
    view = large[tuple(slice(1, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def backwards(array):
    """The same numbers, stored in reverse order."""
    reverse = (slice(None, None, -1),) * array.ndim
    return array[reverse].copy()[reverse]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "spread": spread,
    "backwards": backwards,
    "Fortran": np.asfortranarray,
    "read-only": read_only,
    "unaligned": lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
    "swapped bytes": lambda a: a.astype(a.dtype.newbyteorder()),
}
sizes = st.integers(0, 4)


def laid_out(door, plain, layout, **tolerance):
    """The results for arguments in a layout: as for contiguous copies, in memory of their own, arguments left alone."""
    given_ = [layout(array) for array in plain]
    expected, found = results(door(*plain)), results(door(*given_))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **tolerance)
        assert one.flags.c_contiguous and one.flags.writeable
        assert not any(np.shares_memory(one, array) for array in given_)
    for one, other in zip(given_, plain, strict=True):
        np.testing.assert_array_equal(one, other)
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
@given(b=sizes, m=sizes, n=st.integers(1, 4), layout=st.sampled_from(sorted(LAYOUTS)))
def test_layouts_do_not_matter(name, b, m, n, layout):
    """Several results share no memory with each other, either."""
    found = laid_out(FUNCTIONS[name], arguments(b, m, n), LAYOUTS[layout], rtol=1e-13, atol=1e-13)
    for k, one in enumerate(found):
        assert not any(np.shares_memory(one, other) for other in found[:k])


F, J = FUNCTIONS["layer"], FUNCTIONS["jacobian"]
H = tj.trace(lambda X, A, v: np.tanh(v * v).sum() + (X @ A @ v).sum() ** 2, **SHAPES).hessian("v")


def identity(*shape):
    return np.eye(int(np.prod(shape))).reshape(*shape, *shape)


# Other doors than a call: what arrays come out of each, and what it gives where the dense Jacobian is known.
DOORS = {
    "vjp": (lambda X, A, v: F.vjp()(X, A, v, np.ones((len(X), len(v)))), None),
    "jvp": (lambda X, A, v: F.jvp("A")(X, A, v, np.ones(A.shape)), None),
    "sparse": (lambda *args: J.sparse(*args).toarray(), lambda M: M),
    "operator": (lambda *args: J.operator(*args) @ np.eye(args[1].size), lambda M: M),
    "adjoint": (lambda *args: J.operator(*args).rmatmat(np.eye(len(args[0]) * len(args[2]))), lambda M: M.T),
    "matrix": (lambda *args: J.matrix()(*args), lambda M: M),
    "core": (lambda *args: tuple(array for _, array in J.core(*args)), None),
    "factors": (lambda *args: tuple(array for _, _, arrays in J.factors(*args) for array in arrays), None),
    "svdvals": (
        lambda *args: J.svdvals(*args),
        lambda M: np.linalg.svd(M, compute_uv=False) if M.size else np.zeros(0),
    ),
    "propagate": (
        lambda X, A, v: tj.propagate(F, {"A": identity(*A.shape)}, X, A, v).reshape(2 * (len(X) * len(v),)),
        lambda M: M @ M.T,
    ),
    "solve": (lambda X, A, v: H.solve(np.ones(len(v)), X, A, v), None),
    "slogdet": (lambda *args: np.array(H.slogdet(*args)), None),
}


@pytest.mark.parametrize("name", DOORS)
@given(b=sizes, m=sizes, n=sizes, layout=st.sampled_from(sorted(LAYOUTS)))
def test_layouts_and_sizes_at_every_door(name, b, m, n, layout):
    """Sizes 0 and 1 among them: what comes out has the right shape and values, and memory of its own."""
    door, known = DOORS[name]
    plain = arguments(b, m, n)
    found = laid_out(door, plain, LAYOUTS[layout], rtol=1e-9, atol=1e-12)
    if known is not None:
        wanted = known(J.dense(*plain).reshape(b * n, m * n))
        assert found[0].shape == wanted.shape
        np.testing.assert_allclose(found[0], wanted, atol=1e-12)


def test_an_operator_stays_at_its_point():
    X, A, v = arguments(2, 3, 4)
    operator = J.operator(X, A, v)
    before = operator @ np.ones(12)
    for array in (X, A, v):
        array[...] = 7
    np.testing.assert_array_equal(operator @ np.ones(12), before)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_precisions_that_linear_algebra_lacks(dtype):
    args = arguments(2, 3, 4)
    rounded = [array.astype(dtype) for array in args]
    tolerance = 64 * float(np.finfo(dtype).eps) if dtype is np.float16 else 1e-13
    np.testing.assert_allclose(J.svdvals(*rounded), J.svdvals(*args), atol=4 * tolerance)
    np.testing.assert_allclose(J.sparse(*rounded).toarray(), J.sparse(*args).toarray(), atol=tolerance)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_large_results_are_in_order_too(name, layout):
    """Where temporaries are taken over, the order of what was in them would stay."""
    for one in results(FUNCTIONS[name](*[LAYOUTS[layout](array) for array in arguments(20, 17, 19)])):
        assert one.flags.c_contiguous


@pytest.mark.parametrize("name", FUNCTIONS)
@given(b=sizes, m=sizes, n=st.integers(1, 4))
def test_single_precision_stays_single(name, b, m, n):
    plain = arguments(b, m, n)
    found = results(FUNCTIONS[name](*[array.astype(np.float32) for array in plain]))
    for one, other in zip(found, results(FUNCTIONS[name](*plain)), strict=True):
        assert one.dtype == np.float32
        # products of at most four factors near 1, summed over at most four places
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_results_have_the_dtype_of_the_arguments(dtype):
    for F in FUNCTIONS.values():
        assert {one.dtype for one in results(F(*arguments(2, 3, 4, dtype)))} == {np.dtype(dtype)}


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64])
def test_whole_numbers_are_taken_as_floats(dtype):
    whole = [np.abs(3 * array).astype(dtype) for array in arguments(2, 3, 4)]
    for F in FUNCTIONS.values():
        floats = results(F(*[array.astype(float) for array in whole]))
        for one, other in zip(results(F(*whole)), floats, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("number", [2, 2.5, True])
def test_a_python_number_takes_on_the_dtype_of_what_it_meets(number):
    F = tj.trace(lambda x, a: x * a, x="n", a="")
    x = np.arange(3.0, dtype=np.float32)
    np.testing.assert_array_equal(F(x, number), x * np.float32(number), strict=True)
    np.testing.assert_array_equal(F(x, a=number), x * np.float32(number), strict=True)
    assert F(x, np.float64(number)).dtype == float
    assert F([1, 2], number).dtype == float
    assert tj.trace(lambda a: a * a, a="")(number).dtype == float


MEANS = {
    "mean": lambda X: X.mean(0),
    "scaled": lambda X: X.T - 2 / X.shape[0],
    "of a product": lambda X: (X.T @ X + 1) / X.shape[0],
    "root": lambda X: X.sum(0) / np.sqrt(X.shape[0]),
}


@pytest.mark.parametrize("fun", MEANS.values(), ids=MEANS)
@pytest.mark.parametrize(("b", "n"), [(0, 3), (0, 500), (1, 3), (1, 500), (2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_size_by_which_is_divided_may_be_0(fun, b, n, dtype):
    """As in NumPy: what is divided is infinite, or nothing at all."""
    X = np.full((b, n), 1.5, dtype)
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        found = tj.trace(fun, X="b n")(X)
        expected = fun(X) if fun is not MEANS["scaled"] else np.full((n, b), 1.5 - 2 / max(b, 1))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6)


EMPTY = {
    "an entry": (lambda x: x[0], "index 0 of an axis of size n"),
    "the largest": (lambda x: x.max(), "np.max over an axis of size n"),
    "the smallest": (lambda x: np.exp(x - np.min(x)), "np.min over an axis of size n"),
}


@pytest.mark.parametrize(("fun", "reason"), EMPTY.values(), ids=EMPTY)
def test_where_an_axis_needs_an_entry(fun, reason):
    F = tj.trace(fun, x="n")
    for door in (F, F.jacobian("x").dense, F.jacobian("x").sparse, F.jacobian("x").operator):
        assert door(np.ones(1)) is not None
        with pytest.raises(tj.ShapeError) as caught:
            door(np.ones(0))
        assert str(caught.value) == (
            f"the sizes must satisfy n - 1 >= 0 ({reason}), and n - 1 is -1:\n  n - 1 >= 0\n  ^^^^^\n"
            "n is 0 in x (axis 0 of 'n'); give arrays whose sizes satisfy it."
        )


@given(st.lists(st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.5, 1e308]), min_size=3, max_size=3))
def test_what_is_not_finite_passes_through(values):
    """As in NumPy, entry by entry, where the function does what it says."""
    x = np.array(values)
    with np.errstate(all="ignore"):
        for fun in (np.exp, np.tanh, np.negative, lambda x: x + 1, lambda x: np.maximum(x, 0), lambda x: x / 2):
            np.testing.assert_array_equal(tj.trace(lambda x, fun=fun: fun(x), x="n")(x), fun(x))


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("make", [np.matrix, np.asarray, lambda a: a.tolist(), lambda a: a.astype(np.longdouble)])
def test_what_is_converted(make):
    X, A, v = arguments(2, 3, 4)
    np.testing.assert_allclose(FUNCTIONS["layer"](make(X), make(A), v), layer(X, A, v), rtol=1e-14)
    assert type(FUNCTIONS["layer"](make(X), make(A), v)) is np.ndarray


WRONG = [
    ("x", "x must hold real numbers, and its dtype is <U1: pass an array of floats."),
    ([None, 1.0], "x must hold real numbers, and its dtype is object: pass an array of floats."),
    ([1j], "x must hold real numbers, and its dtype is complex128: pass an array of floats."),
    (b"x", "x must hold real numbers, and its dtype is |S1: pass an array of floats."),
    (np.array(["2020"], "M8[Y]"), "x must hold real numbers, and its dtype is datetime64[Y]: pass an array of floats."),
    ([[1], [1, 2]], "x must be an array, and the rows that were given differ in length: pass rows of one length."),
    (1.0, "x has 0 axes, its shape 'n' has 1:\n  x: n\n     ^\nx.shape is (); give an array with 1 axis."),
    ([[1.0]], "x has 2 axes, its shape 'n' has 1:\n  x: n\n     ^\nx.shape is (1, 1); give an array with 1 axis."),
]


@pytest.mark.parametrize(("value", "message"), WRONG, ids=range(len(WRONG)))
@pytest.mark.parametrize(
    "door",
    [
        tj.trace(lambda x: 2 * x, x="n"),
        tj.trace(lambda x: np.sin(x), x="n").jacobian("x").dense,
        tj.trace(lambda x: (x * x).sum(), x="n").hessian("x"),
    ],
    ids=["function", "dense", "hessian"],
)
def test_what_is_refused(door, value, message):
    door(np.ones(3))  # what a door has seen before changes nothing
    with pytest.raises(tj.TensorjacError) as caught:
        door(value)
    assert str(caught.value) == message
    with pytest.raises(tj.TensorjacError) as caught:
        door(x=value)
    assert str(caught.value) == message


@given(st.tuples(sizes, sizes), st.tuples(sizes, sizes), st.tuples(sizes))
def test_shapes_fit_or_are_refused(x, a, v):
    arrays = [np.ones(shape) for shape in (x, a, v)]
    if x[1] == a[0] and a[1] == v[0]:
        assert FUNCTIONS["linear"](*arrays).shape == (x[0], v[0])
    else:
        with pytest.raises(tj.ShapeError) as caught:
            FUNCTIONS["linear"](*arrays)
        # each number beside its owner
        wrong = [("X", x[1]), ("A", a[0])] if x[1] != a[0] else [("A", a[1]), ("v", v[0])]
        assert all(f"{number} in {name}" in str(caught.value) for name, number in wrong)


OVER = {
    "overflow": lambda x: x * 1e200 * 1e200,
    "underflow": lambda x: x * 1e-200 * 1e-200,
    "power": lambda x: (1e200 * x) ** 2,
    "small power": lambda x: (1e-200 * x) ** -2,
    "exact power": lambda x: (3 * x) ** 1000,
    "whole numbers": lambda x: x / 10**200 / 10**200,
}


@pytest.mark.parametrize("name", OVER)
def test_constants_that_leave_the_floats_stay_apart(name):
    """As in NumPy: 1e200 (1e200 x) is 0 where x is 0, and 1e-200 (1e-200 x) is not where x is large."""
    x = np.array([0.0, 1.5, 1e250, -1e-250, 1e150])
    F = tj.trace(OVER[name], x="n")
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(F(x), OVER[name](x), rtol=1e-9)
        assert tj.parse(str(F), x="n") == F
