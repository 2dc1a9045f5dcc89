"""Dask's arrays: what is computed block by block, and where blocks meet."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from . import special
from .namespaces import Namespace, as_it_is, common, nowhere, standard

SVD = namedtuple("SVD", ["U", "S", "Vh"])


@cache
def _dask() -> Any:
    import dask.array

    return dask.array


def _stacked(name: str, signature: str) -> Callable[..., Any]:
    """A function of matrices, applied to each block of a stack of them; a matrix is not cut."""

    cores = [core.count(",") + 1 for core in signature.partition("->")[0][1:-1].split("),(")]

    def apply(*arrays: Any) -> Any:
        for array, core in zip(arrays, cores, strict=True):
            check_whole(name, array, core)
        dtypes = [arrays[0].dtype] * (signature.split("->")[1].count("("))
        made = _dask().apply_gufunc(
            getattr(np.linalg, name), signature, *arrays, output_dtypes=dtypes if dtypes[1:] else dtypes[0]
        )
        return SVD(*made) if name == "svd" else made

    return apply


def check_whole(name: str, array: Any, core: int) -> None:
    """UnsupportedError where an array is cut along one of its last ``core`` axes."""
    if max(array.numblocks[-core:]) > 1:
        blocks = " by ".join(map(str, array.numblocks))
        advice = "A.rechunk({-2: -1, -1: -1})" if core == 2 else "b.rechunk({-1: -1})"
        raise UnsupportedError(
            f"linalg.{name} needs all of a {'matrix' if core == 2 else 'vector'} in one block, and an array of shape "
            f"{array.shape} is in {blocks} blocks: rechunk the arguments that it is computed of, {advice} for example."
        )


def _solve(matrix: Any, other: Any) -> Any:
    form = "(n,n),(n)->(n)" if other.ndim < matrix.ndim else "(n,n),(n,k)->(n,k)"
    return _stacked("solve", form)(matrix, other)


def _einsum(equation: str, *arrays: Any, optimize: bool = True) -> Any:
    """A diagonal is taken of blocks that are cut alike."""
    given = []
    for labels, array in zip(equation.split("->")[0].split(","), arrays, strict=True):
        alike = {k: array.chunks[labels.index(c)] for k, c in enumerate(labels) if c.isalpha() and c in labels[:k]}
        given.append(array.rechunk(alike) if alike else array)
    return _dask().einsum(equation, *given, optimize=optimize)


def _take(x: Any, positions: Any, axis: int) -> Any:
    return x[(slice(None),) * axis + (positions,)]


def _at(x: Any, *items: Any) -> Any:
    if not isinstance(items[0], slice) and len(items) > 1:
        return x.vindex[items]
    axis = len(items) - 1
    read = _take(x, np.ravel(items[axis]), axis)
    return read.reshape((*x.shape[:axis], *np.shape(items[axis]), *x.shape[axis + 1 :]))


def _add_at(shape: tuple[int, ...], positions: Any, values: Any) -> Any:
    """Added up block by block, then over the blocks."""
    over = tuple(range(positions.ndim))
    rest = tuple(range(len(over), values.ndim))
    where = _dask().from_array(positions, chunks=values.chunks[: len(over)])

    def added(places: Any, block: Any) -> Any:
        out = np.zeros((shape[0], *block.shape[len(over) :]), block.dtype)
        np.add.at(out, places, block)
        return out[(None,) * len(over)]

    sums = _dask().blockwise(
        added, (*over, -1, *rest), where, over, values, (*over, *rest), dtype=values.dtype,
        new_axes={-1: shape[0]}, adjust_chunks=dict.fromkeys(over, 1), concatenate=True, align_arrays=False,
    )  # fmt: skip
    return sums.sum(axis=over)


def _special(name: str, *arrays: Any) -> Any:
    return getattr(special(), name)(*arrays)


@cache
def dask_arrays() -> Namespace:
    module = standard("dask.array")
    matrices = {
        "cholesky": _stacked("cholesky", "(n,n)->(n,n)"),
        "det": _stacked("det", "(n,n)->()"),
        "inv": _stacked("inv", "(n,n)->(n,n)"),
        "pinv": _stacked("pinv", "(m,n)->(n,m)"),
        "slogdet": _stacked("slogdet", "(n,n)->(),()"),
        "solve": _solve,
        "svd": _stacked("svd", "(n,n)->(n,n),(n),(n,n)"),
    }
    beyond = {
        **common(module, nowhere),
        "add_at": _add_at,
        "at": _at,
        "positions": lambda array, device: array,
        "einsum": _einsum,
        "take": _take,
        "copy": as_it_is,
        "erf": partial(_special, "erf"),
        "linalg": Namespace("Dask", None, matrices, prefix="linalg."),
        "sigmoid": partial(_special, "expit"),
        "xlogy": partial(_special, "xlogy"),
    }
    return Namespace("Dask", module, beyond, mixes=True)
