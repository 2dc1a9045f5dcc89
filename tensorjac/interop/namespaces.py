"""Namespaces in the names of the array API standard, and what generated source needs beyond it in every library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import UnsupportedError


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


def common(module: Any, where: Callable[[Any], Any]) -> dict[str, Any]:
    """What is the same in all libraries: reading at positions that NumPy computed, and steps."""

    def index(x: Any, positions: Any) -> Any:
        if isinstance(positions, np.ndarray):
            return module.asarray(np.ascontiguousarray(positions), device=where(x))
        return positions

    def take(x: Any, positions: Any, axis: int) -> Any:
        if not x.shape[axis]:
            # what is read there is 0 whatever it is: no position is in range
            shape = (*x.shape[:axis], *positions.shape, *x.shape[axis + 1 :])
            return module.zeros(shape, dtype=x.dtype, device=where(x))
        return module.take(x, index(x, positions), axis=axis)

    def at(x: Any, *items: Any) -> Any:
        """Read at positions: along the first axes, or along one axis, the last that is named."""
        if not isinstance(items[0], slice) and len(items) > 1:
            rest = () if len(items) == x.ndim else (...,)
            return x[(*(index(x, item) for item in items), *rest)]
        axis, positions = len(items) - 1, index(x, items[-1])
        read = take(x, module.reshape(positions, (-1,)), axis)
        return module.reshape(read, (*x.shape[:axis], *positions.shape, *x.shape[axis + 1 :]))

    def heaviside(x: Any, half: float) -> Any:
        return half * (1 + module.sign(x))

    # a captured array cannot be written into, and not every library can share the memory of such
    captured = partial(module.asarray, copy=True)
    own = {"captured": captured, "positions": captured, "device": where}
    return {"at": at, "take": take, "heaviside": heaviside, **own}


def nowhere(x: Any) -> None:
    """New arrays are where the library puts them."""


def own_device(x: Any) -> Any:
    return x.device


def as_it_is(x: Any) -> Any:
    """Arrays that nobody can write into need no copies."""
    return x


def standard(name: str) -> Any:
    """array-api-compat's namespace for a library; UnsupportedError where it is not installed."""
    try:
        return import_module(f"array_api_compat.{name}")
    except ImportError:
        library = name.split(".")[0]
        raise UnsupportedError(
            f"arrays of {library} are called by the names of array-api-compat, which is not installed: "
            f"pip install 'tensorjac[{library}]'."
        ) from None
