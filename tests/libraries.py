"""The array libraries that are installed: how an array gets there and back, and how a function is compiled there."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pytest

from tensorjac import interop


@dataclass(frozen=True)
class Library:
    """`to` converts a NumPy array, `runs` calls a function on such arrays as the library's users do."""

    name: str
    to: Callable
    runs: Callable

    def back(self, array):
        if self.name == "dask":
            return array.compute(scheduler="synchronous")
        return array.detach().numpy() if self.name == "torch" else np.asarray(array)

    def called(self, functions, arguments):
        """The outputs of functions of some of these arguments as NumPy arrays; the library's own came out."""
        given = {name: self.to(np.asarray(value)) for name, value in arguments.items()}

        def outputs(**given):
            each = [listed(function(**{name: given[name] for name in function.inputs})) for function in functions]
            return [array for one in each for array in one]

        found = self.runs(outputs, given)
        assert {type(output) for output in found} == {type(value) for value in given.values()}
        return [self.back(output) for output in found]


def listed(result):
    """The outputs of a function in order."""
    if isinstance(result, dict):
        return list(result.values())
    return list(result) if isinstance(result, tuple) else [result]


def jax_run(function, given):
    """One compilation for the whole function, in double precision."""
    jax = interop.jax()
    with interop.double_precision():
        names = list(given)
        arrays = [jax.numpy.asarray(value) for value in given.values()]
        fast = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
        compiled = jax.jit(lambda *values: function(**dict(zip(names, values, strict=True))), compiler_options=fast)
        return compiled(*arrays)


def torch_array(array):
    import torch

    return torch.tensor(array)


def jax_array(array):
    with interop.double_precision():
        return interop.jax().numpy.asarray(array)


def rows_of_two(array):
    """One of Dask's arrays, cut along the first axis."""
    import dask.array as da

    return da.from_array(array, chunks=(2, *array.shape[1:]) if array.ndim else -1)


def whole(array):
    """One of Dask's arrays in one block."""
    import dask.array as da

    return da.from_array(array, chunks=-1)


LIBRARIES = {
    "jax": Library("jax", jax_array, jax_run),
    "torch": Library("torch", torch_array, lambda function, given: function(**given)),
    "dask": Library("dask", whole, lambda function, given: function(**given)),
}
NEEDED = {"torch": ("torch", "array_api_compat"), "dask": ("dask", "array_api_compat"), "jax": ("jax",)}


def each(*names):
    """The test once for each of these libraries, skipped where one is not installed."""
    return pytest.mark.parametrize("library", [
        pytest.param(LIBRARIES[name], id=name, marks=pytest.mark.skipif(
            not all(map(find_spec, NEEDED[name])), reason=f"needs {' and '.join(NEEDED[name])}"))
        for name in names or LIBRARIES
    ])  # fmt: skip
