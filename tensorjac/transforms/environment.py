"""What a function reads from outside, as a key: a trace is used again only where the key is the same.

A function is read through its code: the globals and closures that it names, its defaults, the attributes of modules
that it asks for, and the same of every function that it reaches. All of these must be immutable scalars, functions of
the same kind, or what NumPy, SciPy and `math` have that is known to depend on nothing else. Whatever is not known to be
so is `Unreadable`: then each call traces again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from types import EllipsisType, FunctionType, ModuleType, NoneType
from typing import Any

import numpy as np

from .bytecode import Reads, reads_of
from .pure import MODULES, PURE, TELLING, is_special
from .rules import Transform

# What the arrays of whole numbers among the arguments, which are traced as constants, may take in a key.
BYTES = 4096


class Unreadable(Exception):
    """The function reads something that may change unnoticed."""


class Environment:
    """Collects the key of what functions and values read.

    ``tells``: sizes have to be numbers, as something may tell a symbolic one from a number.
    """

    __slots__ = ("_attributes", "_functions", "_modules", "tells")

    def __init__(self) -> None:
        self.tells = False
        self._functions: dict[FunctionType, int] = {}
        self._modules: dict[ModuleType, None] = {}
        self._attributes: dict[str, None] = {}

    def key(self, value: Any) -> Hashable:
        """What stands for a value; whoever asks for the last one asks for the `rest`, too."""
        if id(value) in PURE:
            self.tells = self.tells or id(value) in TELLING
            return value  # type: ignore[no-any-return]
        reader = _READERS.get(ModuleType if isinstance(value, ModuleType) else type(value))
        if reader is not None:
            return reader(self, value)
        if isinstance(value, np.number | np.bool_) and type(value).__module__ == "numpy":
            return type(value), value.tobytes()
        if isinstance(value, np.dtype) and value.kind in "biufc":
            return np.dtype, value.str
        if is_special(value):
            return value  # type: ignore[no-any-return]
        raise Unreadable

    def function(self, fun: FunctionType) -> Hashable:
        """The code of a function with all that it reads by name."""
        if fun in self._functions:
            return "function", self._functions[fun]
        self._functions[fun] = len(self._functions)
        reads = reads_of(fun.__code__)
        # __wrapped__ could only be read as an attribute with underscores, which no closed code does
        if not reads.closed or (fun.__dict__ and fun.__dict__.keys() != {"__wrapped__"}):
            raise Unreadable
        if reads.tells:
            self.tells = True
        parts: list[Hashable] = [reads]
        if fun.__defaults__:
            parts += map(self.key, fun.__defaults__)
        if fun.__kwdefaults__:
            parts += [(name, self.key(value)) for name, value in fun.__kwdefaults__.items()]
        if fun.__closure__:
            parts += [self.key(_content(cell)) for cell in fun.__closure__]
        if reads.globals:
            own, outer = fun.__globals__, getattr(fun, _BUILTINS)
            for name in reads.globals:
                value = own.get(name, _ABSENT)
                parts.append(self.key(outer.get(name, _ABSENT) if value is _ABSENT else value))
        if reads.attributes:
            self._attributes.update(dict.fromkeys(reads.attributes))
        return tuple(parts)

    def transform(self, wish: Transform) -> Hashable:
        """A transform of a function reads what the function reads."""
        kind, fun, argnums, has_aux = wish
        own = self.function(fun) if fun.__class__ is FunctionType and id(fun) not in PURE else self.key(fun)
        return Transform, kind, own, argnums, has_aux

    def module(self, module: ModuleType) -> Hashable:
        """A module stands for itself: what is read of it is in the `rest`."""
        name = module.__name__
        if name.partition(".")[0] in ("numpy", "scipy") and name not in MODULES:
            raise Unreadable
        if name not in MODULES and _is_lazy(module):
            raise Unreadable
        self._modules[module] = None
        return module

    def rest(self) -> Hashable:
        """The attributes, by the names that occur, of all modules that were met."""
        parts: tuple[Hashable, ...] = ()
        if not self._modules:
            return parts
        met = None
        while met != (met := (len(self._modules), len(self._attributes))):
            parts = tuple([self._attribute(m, name) for m in tuple(self._modules) for name in tuple(self._attributes)])
        return parts

    def _attribute(self, module: ModuleType, name: str) -> Hashable:
        value = vars(module).get(name, _ABSENT)
        if value is _ABSENT:
            if name not in _later(module):
                return None
            value = getattr(module, name)
        # None is the key of no value, so that it can say that there is none
        return self.key(value)


# read by name: type checkers do not agree on whether functions have it
_BUILTINS = "__builtins__"
_ABSENT = object()


def alone(fun: Any) -> Reads | None:
    """The code of a function that reads nothing but its arguments, which is all of its key."""
    if fun.__class__ is not FunctionType or fun.__closure__ or fun.__defaults__ or fun.__kwdefaults__ or fun.__dict__:
        return None
    reads = reads_of(fun.__code__)
    return reads if reads.alone else None


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        raise Unreadable from None


def _is_lazy(module: ModuleType) -> bool:
    """Whether a module may have more attributes than it has so far."""
    return "__getattr__" in vars(module) or type(module) is not ModuleType


@functools.lru_cache(maxsize=64)
def _later(module: ModuleType) -> frozenset[str]:
    """The attributes that a library loads when they are first asked for."""
    return frozenset(dir(module)) - vars(module).keys() if _is_lazy(module) else frozenset()


def _scalar(_: Environment, value: Any) -> Hashable:
    return type(value), value


def _text(environment: Environment, value: str) -> Hashable:
    environment.tells = environment.tells or "%" in value
    return str, value


def _float(_: Environment, value: float) -> Hashable:
    return float, value.hex()  # 0.0 == -0.0


def _complex(_: Environment, value: complex) -> Hashable:
    return complex, value.real.hex(), value.imag.hex()


def _tuple(environment: Environment, value: tuple[Any, ...]) -> Hashable:
    return tuple, tuple(map(environment.key, value))


def _slice(environment: Environment, value: Any) -> Hashable:
    return type(value), *map(environment.key, (value.start, value.stop, value.step))


def _partial(environment: Environment, value: functools.partial[Any]) -> Hashable:
    if value.__dict__:
        raise Unreadable
    keywords = [(name, environment.key(each)) for name, each in value.keywords.items()]
    return functools.partial, environment.key(value.func), *map(environment.key, value.args), *keywords


def array_key(array: np.ndarray[Any, Any]) -> Hashable:
    """A small array of numbers, by its bytes."""
    if array.dtype.kind not in "biuf" or array.nbytes > BYTES:
        raise Unreadable
    return array.dtype.str, array.shape, array.tobytes()


_READERS: Mapping[type, Callable[[Environment, Any], Hashable]] = {
    **dict.fromkeys((int, bool, NoneType, EllipsisType, bytes), _scalar),
    **{str: _text, float: _float, complex: _complex, tuple: _tuple, slice: _slice, range: _slice},
    **{FunctionType: Environment.function, ModuleType: Environment.module},
    **{functools.partial: _partial, Transform: Environment.transform},
}
