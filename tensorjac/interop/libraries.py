"""The array libraries besides NumPy, each as a namespace in the names of the array API standard.

JAX has these names itself, array-api-compat gives them to PyTorch, CuPy and Dask. What generated source needs beyond
the standard is added here, by the library's own functions.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from . import special

SVD = namedtuple("SVD", ["U", "S", "Vh"])


@dataclass(frozen=True, eq=False)
class Namespace:
    """A module, what it lacks and what is better than what it has; UnsupportedError for a function of neither.

    ``mixes`` says that the library takes NumPy's arrays beside its own, ``compiling`` whether it is reading Python
    as source at present, and ``prepare`` gives a function the attribute ``in_graph``, a call that it takes over unread.
    """

    library: str
    module: Any
    beyond: Mapping[str, Any]
    mixes: bool = False
    prefix: str = ""
    compiling: Callable[[], bool] | None = None
    prepare: Callable[[Any], bool] | None = None

    def __getattr__(self, name: str) -> Any:
        found = self.beyond.get(name)
        if found is None:
            found = getattr(self.module, name, None)
        if found is None:
            raise UnsupportedError(
                f"this function needs {self.prefix}{name}, and {self.library} has no such function: "
                "pass NumPy arrays, or arrays of another library."
            )
        return found

    def run(self, function: Any, values: Sequence[Any]) -> Any:
        """The results of a function for these arguments, among them arrays of this library."""
        if self.compiling is not None and self.prepare is not None and self.compiling():
            self.prepare(function)
            return function.in_graph(*values)
        return function.ported(self, values)


def _common(module: Any, where: Callable[[Any], Any]) -> dict[str, Any]:
    """What is the same in all libraries: reading at positions that NumPy computed, and steps."""

    def index(x: Any, positions: Any) -> Any:
        return module.asarray(np.ascontiguousarray(positions), device=where(x))

    def at(x: Any, *items: Any) -> Any:
        return x[tuple(index(x, item) if isinstance(item, np.ndarray) else item for item in items)]

    def take(x: Any, positions: Any, axis: int) -> Any:
        if not x.shape[axis]:
            # what is read there is 0 whatever it is: no position is in range
            shape = (*x.shape[:axis], len(positions), *x.shape[axis + 1 :])
            return module.zeros(shape, dtype=x.dtype, device=where(x))
        return module.take(x, index(x, positions), axis=axis)

    def heaviside(x: Any, half: float) -> Any:
        return half * (1 + module.sign(x))

    # a captured array cannot be written into, and not every library can share the memory of such
    captured = partial(module.asarray, copy=True)
    own = {"captured": captured, "positions": captured, "device": where}
    return {"at": at, "take": take, "heaviside": heaviside, **own}


def _nowhere(x: Any) -> None:
    """New arrays are where the library puts them."""


def _own(x: Any) -> Any:
    return x.device


def _as_it_is(x: Any) -> Any:
    """Arrays that nobody can write into need no copies."""
    return x


@cache
def jax_arrays() -> Namespace:
    import jax
    import jax.numpy as jnp
    import jax.scipy.special as functions

    def add_at(shape: tuple[int, ...], positions: Any, values: Any) -> Any:
        return jnp.zeros(shape, values.dtype).at[positions].add(values)

    beyond = {
        **_common(jnp, _nowhere),
        "add_at": add_at,
        "copy": _as_it_is,
        "erf": functions.erf,
        "sigmoid": jax.nn.sigmoid,
        "xlogy": functions.xlogy,
    }
    return Namespace("JAX", jnp, beyond, mixes=True)


@cache
def torch_arrays() -> Namespace:
    import torch

    compiler: Any = torch.compiler
    module = _standard("torch")

    def add_at(shape: tuple[int, ...], positions: Any, values: Any) -> Any:
        empty = torch.zeros(shape, dtype=values.dtype, device=values.device)
        return torch.index_put(empty, (positions,), values, accumulate=True)

    def copy(x: Any) -> Any:
        return x.clone(memory_format=torch.contiguous_format)

    def cbrt(x: Any) -> Any:
        return torch.sign(x) * torch.abs(x) ** (1 / 3)

    beyond = {
        **_common(module, _own),
        "add_at": add_at,
        "cbrt": cbrt,
        "copy": copy,
        "einsum": lambda equation, *arrays, optimize=True: torch.einsum(equation, *arrays),
        "erf": torch.special.erf,
        "sigmoid": torch.sigmoid,
        "vecdot": torch.linalg.vecdot,
        "xlogy": torch.special.xlogy,
    }

    def prepare(function: Any) -> bool:
        function.in_graph = compiler.allow_in_graph(lambda *values: function.ported(library, values))
        return True

    unread(prepare)
    library = Namespace("PyTorch", module, beyond, compiling=compiler.is_compiling, prepare=prepare)
    return library


@cache
def cupy_arrays() -> Namespace:
    import cupy
    import cupyx
    import cupyx.scipy.special as functions

    def add_at(shape: tuple[int, ...], positions: Any, values: Any) -> Any:
        out = cupy.zeros(shape, values.dtype)
        cupyx.scatter_add(out, positions, values)
        return out

    module = _standard("cupy")
    beyond = {
        **_common(module, _own),
        "add_at": add_at,
        "cbrt": cupy.cbrt,
        "copy": lambda x: cupy.array(x, order="C"),
        "einsum": cupy.einsum,
        "erf": functions.erf,
        "sigmoid": functions.expit,
        "xlogy": functions.xlogy,
    }
    return Namespace("CuPy", module, beyond)


@cache
def dask_arrays() -> Namespace:
    import dask.array

    da: Any = dask.array

    def stacked(name: str, signature: str) -> Callable[..., Any]:
        """A function of matrices, applied to each block of a stack of them; a matrix is not cut."""

        def apply(*arrays: Any) -> Any:
            dtypes = [arrays[0].dtype] * (signature.split("->")[1].count("("))
            made = da.apply_gufunc(
                getattr(np.linalg, name), signature, *arrays, output_dtypes=dtypes if dtypes[1:] else dtypes[0]
            )
            return SVD(*made) if name == "svd" else made

        return apply

    def solve(matrix: Any, other: Any) -> Any:
        form = "(n,n),(n)->(n)" if other.ndim < matrix.ndim else "(n,n),(n,k)->(n,k)"
        return stacked("solve", form)(matrix, other)

    def at(x: Any, *items: Any) -> Any:
        """Read at positions: along the first axes, or along one axis, the last that is named."""
        if len(items) > 1 and not isinstance(items[0], slice):
            return x.vindex[items]
        axis = len(items) - 1
        read = x[(slice(None),) * axis + (np.ravel(items[axis]),)]
        return read.reshape((*x.shape[:axis], *np.shape(items[axis]), *x.shape[axis + 1 :]))

    def add_at(shape: tuple[int, ...], positions: Any, values: Any) -> Any:
        """Added up block by block, then over the blocks."""
        over = tuple(range(positions.ndim))
        rest = tuple(range(len(over), values.ndim))
        where = da.from_array(positions, chunks=values.chunks[: len(over)])

        def added(places: Any, block: Any) -> Any:
            out = np.zeros((shape[0], *block.shape[len(over) :]), block.dtype)
            np.add.at(out, places, block)
            return out[(None,) * len(over)]

        sums = da.blockwise(
            added, (*over, -1, *rest), where, over, values, (*over, *rest), dtype=values.dtype,
            new_axes={-1: shape[0]}, adjust_chunks=dict.fromkeys(over, 1), concatenate=True, align_arrays=False,
        )  # fmt: skip
        return sums.sum(axis=over)

    def special_function(name: str) -> Callable[..., Any]:
        return lambda *arrays: getattr(special(), name)(*arrays)

    module = _standard("dask.array")
    matrices = {
        "cholesky": stacked("cholesky", "(n,n)->(n,n)"),
        "det": stacked("det", "(n,n)->()"),
        "inv": stacked("inv", "(n,n)->(n,n)"),
        "pinv": stacked("pinv", "(m,n)->(n,m)"),
        "slogdet": stacked("slogdet", "(n,n)->(),()"),
        "solve": solve,
        "svd": stacked("svd", "(n,n)->(n,n),(n),(n,n)"),
    }
    beyond = {
        **_common(module, _nowhere),
        "add_at": add_at,
        "at": at,
        "positions": lambda array, device: array,
        "take": lambda x, positions, axis: x[(slice(None),) * axis + (positions,)],
        "copy": _as_it_is,
        "erf": special_function("erf"),
        "linalg": Namespace("Dask", None, matrices, prefix="linalg."),
        "sigmoid": special_function("expit"),
        "xlogy": special_function("xlogy"),
    }
    return Namespace("Dask", module, beyond, mixes=True)


def _standard(name: str) -> Any:
    """array-api-compat's namespace for a library; UnsupportedError where it is not installed."""
    try:
        return import_module(f"array_api_compat.{name}")
    except ImportError:
        library = name.split(".")[0]
        raise UnsupportedError(
            f"arrays of {library} are called by the names of array-api-compat, which is not installed: "
            f"pip install 'tensorjac[{library}]'."
        ) from None


# By the package that a class of arrays is defined in.
MAKERS: dict[str, Callable[[], Namespace]] = {
    "jax": jax_arrays,
    "jaxlib": jax_arrays,
    "torch": torch_arrays,
    "cupy": cupy_arrays,
    "dask": dask_arrays,
}
# The library of each class that has been met; None for classes of no library's arrays.
_met: dict[type, Namespace | None] = {}


def _meet(kinds: tuple[type, ...]) -> bool:
    """Find out once what classes of arrays these are."""
    for kind in kinds:
        if kind not in _met:
            packages = [base.__module__.partition(".")[0] for base in kind.__mro__]
            package = next((package for package in packages if package in MAKERS), None)
            is_array = hasattr(kind, "dtype") and hasattr(kind, "shape")
            _met[kind] = MAKERS[package]() if package is not None and is_array else None
    return True


def libraries_of(values: Sequence[Any]) -> list[Namespace | None]:
    """The library of each array; None for NumPy's, and for what is no array."""
    _meet(tuple([type(value) for value in values]))
    return [_met[type(value)] for value in values]


def unread(function: Callable[..., bool]) -> None:
    """Let torch.compile run a function instead of reading it, which is for what it does besides.

    This is what torch.compiler.assume_constant_result does, which would import the whole compiler first.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]


unread(_meet)
