"""The array libraries besides NumPy: JAX, PyTorch, CuPy and Dask, and which of them an array is of.

JAX has the names of the array API standard itself, array-api-compat gives them to the others. What generated source
needs beyond the standard is added by the library's own functions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from .blocks import dask_arrays
from .namespaces import Namespace, as_it_is, common, nowhere, own_device, standard


def unread(function: Callable[..., bool | str]) -> None:
    """Let torch.compile run a function instead of reading it, which is for what it does besides.

    This is what torch.compiler.assume_constant_result does, which would import the whole compiler first.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]


def reading() -> bool:
    """Whether torch.compile reads what is running at present, as far as this has to do with PyTorch's arrays at all."""
    return _compiler is not None and _compiler.is_compiling()


def look_for_torch() -> bool:
    """Let ``reading`` know of PyTorch where somebody has imported it."""
    global _compiler
    if _compiler is None and "torch" in sys.modules:
        _compiler = sys.modules["torch"].compiler
    return _compiler is not None


def taken_over(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one that torch.compile does not read, and of whose calls it sees only what they compute."""
    assert _compiler is not None
    return _compiler.allow_in_graph(function)  # type: ignore[no-any-return]


_compiler: Any = None
unread(look_for_torch)


@cache
def jax_arrays() -> Namespace:
    import jax
    import jax.numpy as jnp
    import jax.scipy.special as functions

    def add_at(shape: tuple[int, ...], positions: Any, values: Any) -> Any:
        return jnp.zeros(shape, values.dtype).at[positions].add(values)

    beyond = {
        **common(jnp, nowhere),
        "add_at": add_at,
        "copy": as_it_is,
        "erf": functions.erf,
        "sigmoid": jax.nn.sigmoid,
        "xlogy": functions.xlogy,
    }
    return Namespace("JAX", jnp, beyond, mixes=True)


@cache
def torch_arrays() -> Namespace:
    import torch

    compiler: Any = torch.compiler
    module = standard("torch")

    def add_at(shape: tuple[int, ...], positions: Any, values: Any) -> Any:
        empty = torch.zeros(shape, dtype=values.dtype, device=values.device)
        return torch.index_put(empty, (positions,), values, accumulate=True)

    def copy(x: Any) -> Any:
        return x.clone(memory_format=torch.contiguous_format)

    def cbrt(x: Any) -> Any:
        return torch.sign(x) * torch.abs(x) ** (1 / 3)

    beyond = {
        **common(module, own_device),
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

    module = standard("cupy")
    beyond = {
        **common(module, own_device),
        "add_at": add_at,
        "cbrt": cupy.cbrt,
        "copy": lambda x: cupy.array(x, order="C"),
        "einsum": cupy.einsum,
        "erf": functions.erf,
        "sigmoid": functions.expit,
        "xlogy": functions.xlogy,
    }
    return Namespace("CuPy", module, beyond)


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


unread(_meet)
