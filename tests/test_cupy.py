"""Functions called with CuPy's arrays: on a GPU where there is one, and else with CuPy played by NumPy."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

import cupy_stand_in
import tensorjac as tj
from functions import CASES
from libraries import Library
from tensorjac.interop import libraries
from test_functions import cotangents, traced
from test_other_arrays import LAYERS, assert_same, layer
from test_primitives import argument_names, arguments, cotangent, every_row, function
from test_windows import CASES as WINDOWS

pytestmark = pytest.mark.skipif(not find_spec("array_api_compat"), reason="needs array_api_compat")


class OnDevice(Library):
    """The arrays of CuPy, or of what plays it."""

    def back(self, array):
        return array.get()


@pytest.fixture(params=["stand-in", "gpu"], scope="module")
def cupy(request):
    """CuPy as it is installed, or what plays it, in the place of the other."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "stand-in":
            for name, module in cupy_stand_in.modules().items():
                patch.setitem(sys.modules, name, module)
        elif not find_spec("cupy") or not __import__("cupy").cuda.is_available():
            pytest.skip("needs CuPy and a GPU")
        for name in [name for name in sys.modules if name.startswith("array_api_compat.cupy")]:
            patch.delitem(sys.modules, name)
        patch.setattr(libraries, "_met", {})
        libraries.cupy_arrays.cache_clear()
        yield sys.modules["cupy"]
        for name in [name for name in sys.modules if name.startswith("array_api_compat.cupy")]:
            del sys.modules[name]
        libraries.cupy_arrays.cache_clear()


@pytest.fixture(scope="module")
def library(cupy):
    return OnDevice("cupy", cupy.asarray, lambda function, given: function(**given))


@every_row
def test_primitives(library, row):
    F, args = function(row), {**arguments(row), "G": cotangent(row, arguments(row))}
    assert_same(library, [F, F.vjp(), *(F.jacobian(name) for name in argument_names(row))], args)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_functions(library, case):
    F, args = traced(case), case.inputs()
    jacobians = [F.jacobian(wrt, of=of) for of in F.outputs for wrt in list(F.inputs)[:1]]
    assert_same(library, [F, F.vjp(), *jacobians], {**args, **cotangents(case, args)})


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(library, name):
    fun, shapes = WINDOWS[name]
    F = tj.trace(fun, **shapes)
    sizes = {"n": 9, "c": 4, "m": 7}
    rng = np.random.default_rng(0)
    args = {k: rng.normal(size=[sizes.get(s) or int(s) for s in v.split()]) for k, v in shapes.items()}
    assert_same(library, [F.jacobian(wrt) for wrt in shapes], args)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(library, name, dtype):
    F, V, args = layer(name, dtype)
    assert_same(library, [F, V], args)


def test_transforms(cupy):
    x = np.linspace(0.5, 2, 6).reshape(2, 3)
    for transform in (tj.grad, tj.hessian):
        found = transform(lambda x: (np.tanh(x) * x**2).sum())(cupy.asarray(x))
        assert type(found) is cupy.ndarray
        np.testing.assert_allclose(found.get(), transform(lambda x: (np.tanh(x) * x**2).sum())(x), rtol=1e-12)


def test_nothing_is_transferred_unasked(cupy):
    X, A = np.ones((2, 3)), np.ones((3, 5))
    F = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
    with pytest.raises(tj.TraceError) as caught:
        F(cupy.asarray(X), A)
    assert str(caught.value) == (
        "the arrays of one call are of one library, and A is of type ndarray beside arrays of CuPy: convert it, to the "
        "device of the others."
    )
    with pytest.raises(TypeError, match="Unsupported type"):
        cupy.add(cupy.asarray(X), X)
    with pytest.raises(TypeError, match="Implicit conversion to a NumPy array"):
        np.asarray(cupy.asarray(X))


def test_a_sum_over_everything_stays_an_array(cupy):
    F = tj.trace(lambda X: np.exp(X).sum(), X="b m")
    value = F(cupy.ones((2, 3)))
    assert (type(value), value.shape, value.device) == (cupy.ndarray, (), cupy.ones(2).device)


@pytest.mark.skipif(not find_spec("cupy"), reason="needs CuPy, though no GPU")
def test_the_stand_in_has_no_name_that_cupy_lacks():
    import cupy
    import cupyx.scipy.special

    for line in cupy_stand_in.NAMES:
        module, _, name = line.partition("(")[0].rpartition(".")
        assert hasattr(cupy.linalg if module else cupy, name), line
    own = cupy_stand_in.modules()
    assert all(hasattr(cupyx.scipy.special, name) for name in ("erf", "expit", "xlogy"))
    assert all(hasattr(cupy.ndarray, name) for name in vars(own["cupy"].ndarray) if not name.startswith("_"))
