"""The arguments of one call as arrays of one library: of which, and made alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ShapeError, TraceError, UnsupportedError
from .libraries import libraries_of
from .namespaces import Namespace


def common_library(given: Mapping[str, Any]) -> Namespace | None:
    """The library that some of the arguments are arrays of; None where all are NumPy's."""
    found: Namespace | None = None
    first = ""
    for name, library in zip(given, libraries_of(list(given.values())), strict=True):
        if found is None:
            found, first = library, name
        elif library is not None and library is not found:
            raise TraceError(
                f"the arrays of one call are of one library, and {first} is {found.library}'s and {name} is "
                f"{library.library}'s: convert one of them."
            )
    return found


def arrays_of(library: Namespace, given: Mapping[str, Any]) -> list[Any]:
    """The arguments as arrays of the library, all of one dtype: Python's numbers take on that of the arrays."""
    arrays = {name: _array(library, name, value) for name, value in given.items() if not _is_number(value)}
    dtypes = [array.dtype for array in arrays.values()]
    dtype = dtypes[0] if len(set(dtypes)) == 1 else library.result_type(*dtypes)
    arrays = {name: array if array.dtype == dtype else library.astype(array, dtype) for name, array in arrays.items()}
    device = library.device(next(iter(arrays.values())))
    numbers = {name: library.asarray(value, dtype=dtype, device=device)
               for name, value in given.items() if _is_number(value)}  # fmt: skip
    return [arrays[name] if name in arrays else numbers[name] for name in given]


def _is_number(value: Any) -> bool:
    return type(value) in (bool, int, float)


def _array(library: Namespace, name: str, value: Any) -> Any:
    """An argument as an array of floats of the library."""
    if libraries_of([value]) == [None]:
        if not library.mixes:
            raise TraceError(
                f"the arrays of one call are of one library, and {name} is of type {type(value).__name__} beside "
                f"arrays of {library.library}: convert it, to the device of the others."
            )
        value = library.asarray(np.asarray(value))
    kind = str(value.dtype)
    if "complex" in kind:
        raise UnsupportedError(
            f"{name} must hold real numbers, and its dtype is {value.dtype}: pass an array of floats."
        )
    if any(size != size for size in value.shape):
        raise ShapeError(
            f"{name} must have a shape, and its shape is {tuple(value.shape)}: call {name}.compute_chunk_sizes() first."
        )
    return value if "float" in kind else library.astype(value, library.asarray(0.0).dtype)


def numpy_arrays(given: Mapping[str, Any]) -> list[Any]:
    """The arguments as NumPy arrays of floats."""
    arrays = {name: _numpy_array(name, value) for name, value in given.items()}
    weak = [name for name, value in given.items() if type(value) in (bool, int, float)]
    others = [array for name, array in arrays.items() if name not in weak]
    if weak and others:
        # as in NumPy, a Python number takes on the dtype of what it meets
        dtype = np.result_type(*others)
        arrays.update((name, arrays[name].astype(dtype)) for name in weak)
    return list(arrays.values())


def _numpy_array(name: str, value: Any) -> Any:
    if isinstance(value, np.ma.MaskedArray):
        raise UnsupportedError(
            f"{name} must hold real numbers, and it is a masked array: pass {name}.filled(0) and the mask as arguments."
        )
    try:
        array = np.asarray(value)
    except ValueError:
        raise ShapeError(
            f"{name} must be an array, and the rows that were given differ in length: pass rows of one length."
        ) from None
    kind = array.dtype.kind
    if kind == "f":
        return array
    if kind in "biu":
        return array.astype(float)
    raise UnsupportedError(f"{name} must hold real numbers, and its dtype is {array.dtype}: pass an array of floats.")
