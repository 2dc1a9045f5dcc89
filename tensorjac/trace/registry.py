"""The table of functions that work on traced arrays, by dotted name: "exp", "linalg.inv", "special.expit"."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

import numpy as np

from ..errors import TraceError, UnsupportedError
from ..terms import constant
from .record import fail, running

Function = Callable[..., Any]
_F = TypeVar("_F", bound=Function)

_MODULES = ("linalg", "lib.stride_tricks")
_RULES: dict[str, tuple[Function, inspect.Signature]] = {}
_NAMESPACE: dict[str, Function] = {}

numpy_namespace: Mapping[str, Function] = MappingProxyType(_NAMESPACE)


def implements(*names: str) -> Callable[[_F], _F]:
    """Register a function as what these names of NumPy mean for traced arrays; its parameters are NumPy's."""

    def register(function: _F) -> _F:
        for name in names:
            _RULES[name] = function, inspect.signature(function)
            _NAMESPACE[name] = partial(call, name)
        return function

    return register


def spelled_name(name: str) -> str:
    """How a person writes the name: np.linalg.inv, scipy.special.erf."""
    return f"scipy.{name}" if name.startswith("special.") else f"np.{name}"


def function_name(function: Function) -> str:
    """The dotted name of one of NumPy's functions."""
    module = function.__module__.removeprefix("numpy").removeprefix(".")
    return f"{module}.{function.__name__}" if module in _MODULES else function.__name__


def ufunc_name(ufunc: np.ufunc) -> str:
    """The name of a ufunc in the table; what NumPy does not have is taken to be SciPy's."""
    name = ufunc.__name__
    return name if name in _RULES or hasattr(np, name) else f"special.{name}"


def call(name: str, *args: Any, **kwargs: Any) -> Any:
    """The function of this name on these arguments; what has no rule is an `UnsupportedError`."""
    if name not in _RULES:
        unsupported(spelled_name(name), name)
    function, signature = _RULES[name]
    for keyword, value in tuple(kwargs.items()):
        if keyword not in signature.parameters:
            if not (keyword in _HARMLESS and _HARMLESS[keyword](value)):
                _refuse(name, keyword)
            del kwargs[keyword]
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        taken = ", ".join(signature.parameters)
        fail(
            TraceError,
            f"these arguments do not fit {spelled_name(name)}, {error}",
            f"while tracing it takes: {taken}.",
        )
    record = running()
    if record is None or record.symbolic:
        return function(*args, **kwargs)
    record.symbolic = True
    try:
        result = function(*args, **kwargs)
    finally:
        record.symbolic = False
    return known_if_empty(result)


def known_if_empty(result: Any) -> Any:
    """Arrays without entries as NumPy's own, as nothing about them is unknown: NumPy says what becomes of them.

    Where a size is a name, there is no such array; an expression that is 0 takes its place.
    """
    record = running()
    if record is None or record.symbolic:
        return result
    if type(result) in (tuple, list):
        return type(result)(map(known_if_empty, result))
    shape = [dim.value for dim in getattr(result, "dims", ())]
    if 0 not in shape:
        return result
    if None in shape:
        return type(result)(result.axes, constant(0), result.kind)
    record.emptied = True
    return np.zeros(shape, result.dtype)


def is_double(dtype: object) -> bool:
    """Whether a dtype argument asks for what is computed anyway."""
    try:
        return np.dtype(dtype) == np.float64  # type: ignore[call-overload,no-any-return]
    except TypeError:
        return False


# What may be passed to any function without changing its result.
_HARMLESS: Mapping[str, Callable[[Any], bool]] = {
    "out": lambda value: value is None or (isinstance(value, tuple) and all(each is None for each in value)),
    "where": lambda value: value is True or value is np._NoValue,
    "initial": lambda value: value is np._NoValue,
    "dtype": is_double,  # None, too, is a way to say float64
    "casting": lambda value: value in ("same_kind", "safe", "unsafe"),
    "subok": lambda value: isinstance(value, bool),
    "order": lambda value: value in ("K", "C", "A"),
    "optimize": lambda value: True,
    "like": lambda value: value is None,
    "device": lambda value: value is None,
}


def _refuse(name: str, keyword: str) -> NoReturn:
    if keyword == "out":
        fail(
            TraceError,
            f"out= of {spelled_name(name)} writes into an array, and while tracing nothing is written into",
            "take the result as a new array: y = y + x, not np.add(y, x, out=y), nor y += x where y is an "
            "array of numbers.",
        )
    instead = ", such as np.where(mask, x, 0).sum()" if keyword == "where" else ""
    fail(
        UnsupportedError,
        f"there is no rule for {keyword}= of {spelled_name(name)}",
        f"leave the argument out, or write what it does as a step of its own{instead}.",
    )


def unsupported(shown: str, name: str, advice: str = "") -> NoReturn:
    """Raise: there is no rule for this, and what comes nearest."""
    nearest = get_close_matches(name, _RULES.keys() - {"getitem"}, n=3, cutoff=0.0)
    listed = ", ".join(map(spelled_name, nearest))
    fail(
        UnsupportedError,
        f"there is no rule for {shown}",
        advice or f"the nearest supported ones are {listed}.",
    )
