"""Comparisons, masks, and choices by masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..errors import TraceError, UnsupportedError
from ..primitives import PRIMITIVES
from ..rewrites import add, apply, multiply
from ..terms import constant
from .operands import aligned, elementwise, lift, wider
from .record import fail
from .registry import implements, is_double
from .symbolic import described
from .tracer import Tracer

MINUS_ONE = constant(-1)


@implements("greater")
def greater(x1: Any, x2: Any) -> Tracer:
    return elementwise("greater", x1, x2, kind="b")


@implements("greater_equal")
def greater_equal(x1: Any, x2: Any) -> Tracer:
    return elementwise("greater_equal", x1, x2, kind="b")


@implements("less")
def less(x1: Any, x2: Any) -> Tracer:
    return elementwise("greater", x2, x1, kind="b")


@implements("less_equal")
def less_equal(x1: Any, x2: Any) -> Tracer:
    return elementwise("greater_equal", x2, x1, kind="b")


@implements("equal")
def equal(x1: Any, x2: Any) -> Tracer:
    return elementwise("equal", x1, x2, kind="b")


@implements("not_equal")
def not_equal(x1: Any, x2: Any) -> Tracer:
    return opposite(equal(x1, x2))


def mask(x: Any) -> Tracer:
    """Where an array is not zero."""
    array = lift(x)
    return array if array.kind == "b" else elementwise("mask", array, kind="b")


@implements("logical_not")
def opposite(x: Any) -> Tracer:
    array = mask(x)
    return Tracer(array.axes, add(constant(1), multiply(MINUS_ONE, array.body)), "b")


@implements("logical_and")
def both(x1: Any, x2: Any) -> Tracer:
    axes, bodies = aligned(mask(x1), mask(x2))
    return Tracer(axes, multiply(*bodies), "b")


@implements("logical_or")
def either(x1: Any, x2: Any) -> Tracer:
    axes, (first, second) = aligned(mask(x1), mask(x2))
    return Tracer(axes, add(first, second, multiply(MINUS_ONE, first, second)), "b")


@implements("logical_xor")
def one_of(x1: Any, x2: Any) -> Tracer:
    axes, (first, second) = aligned(mask(x1), mask(x2))
    return Tracer(axes, add(first, second, multiply(constant(-2), first, second)), "b")


def _of_masks(sign: str, function: Callable[..., Tracer]) -> Callable[..., Tracer]:
    def bitwise(*operands: Any) -> Tracer:
        for array in map(lift, operands):
            if array.kind != "b":
                fail(
                    TraceError,
                    f"{sign} combines masks, and {described(array)} is none",
                    "compare first, with brackets, as in (x > 0) & (x < 1).",
                )
        return function(*operands)

    return bitwise


@implements("invert", "bitwise_invert", "bitwise_not")
def bitwise_not(x: Any) -> Tracer:
    return _of_masks("~", opposite)(x)


@implements("bitwise_and")
def bitwise_and(x1: Any, x2: Any) -> Tracer:
    return _of_masks("&", both)(x1, x2)


@implements("bitwise_or")
def bitwise_or(x1: Any, x2: Any) -> Tracer:
    return _of_masks("|", either)(x1, x2)


@implements("bitwise_xor")
def bitwise_xor(x1: Any, x2: Any) -> Tracer:
    return _of_masks("^", one_of)(x1, x2)


def not_for_masks(sign: str, advice: str) -> NoReturn:
    fail(TraceError, f"NumPy has no {sign} for masks, arrays of True and False", advice)


@implements("where")
def where(condition: Any, x: Any = None, y: Any = None) -> Tracer:
    if x is None or y is None:
        fail(
            TraceError,
            "np.where with a condition alone gives as many positions as there are True entries, and how many "
            "these are is not known while tracing",
            "write np.where(condition, x, y).",
        )
    chosen, other = lift(x), lift(y)
    axes, bodies = aligned(lift(condition), chosen, other)
    return Tracer(axes, apply(PRIMITIVES["where"], bodies), wider(chosen.kind, other.kind))


@implements("select")
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Tracer:
    if not (isinstance(condlist, list | tuple) and isinstance(choicelist, list | tuple)) or len(condlist) != len(
        choicelist
    ):
        fail(
            TraceError,
            "np.select takes as many conditions as choices, in lists",
            "pass two lists of one length.",
        )
    result = lift(default)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    return result


@implements("astype")
def as_type(x: Any, dtype: Any, /, *, copy: bool = True) -> Tracer:
    array = lift(x)
    if not copy and np.dtype(dtype) == array.dtype:
        return array
    if is_double(dtype):
        return Tracer(array.axes, array.body, "f")
    wanted = np.dtype(dtype)
    if wanted == np.bool_:
        chosen = mask(array)
        return Tracer(chosen.axes, chosen.body, "b")
    if wanted.kind in "iu" and array.kind != "f":
        return Tracer(array.axes, array.body, "i")
    fail(
        UnsupportedError,
        f"there is no rule for a conversion to {wanted}",
        "leave it out: a Function calculates in the precision of its arguments.",
    )
