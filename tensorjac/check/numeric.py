"""Derivatives of black boxes: the complex step where it agrees with finite differences, else those, with their error.

Complex step: Im f(x + ih)/h has no cancellation (Squire and Trapp, 1998). Finite differences: central, at h, h/2 and
h/4, extrapolated twice (Richardson).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Named = Callable[[Mapping[str, Array]], Array]

EPS = float(np.finfo(np.float64).eps)

STEPS = (2.0**-7, 2.0**-13, 2.0**-19)
"""The widest step: truncation falls as its sixth power and rounding rises as its inverse; they meet near eps^(1/7).
Narrower ones are for points beside a kink, which a wide step reaches over."""

SMALL = 1e-7
"""An error below this part of the derivative needs no narrower step."""

ROUNDING = 16
"""How many roundings of its largest entry a function's value may carry."""

TINY = 1e-100


def jacobian(fun: Named, args: Mapping[str, Array], wrt: str) -> tuple[Array, Array]:
    """∂fun/∂wrt of shape output + input, and a bound on the error of each entry.

    >>> value, error = jacobian(lambda args: args["x"] ** 2, {"x": np.array([3.0])}, "x")
    >>> float(value[0, 0]), bool(error[0, 0] < 1e-9)
    (6.0, True)
    """
    differences, error = finite_differences(fun, args, wrt)
    complex_step = _complex_step(fun, args, wrt, differences.shape)
    if complex_step is not None and np.all(np.abs(complex_step - differences) <= 4 * error):
        scale = np.max(np.abs(complex_step), initial=0.0)
        return complex_step, np.full(differences.shape, ROUNDING * EPS * scale)
    return differences, error


def _changed(args: Mapping[str, Array], wrt: str, at: tuple[int, ...], value: complex) -> dict[str, Array]:
    array = np.array(args[wrt], dtype=np.result_type(args[wrt], type(value)))
    array[at] = value
    return {**args, wrt: array}


def finite_differences(fun: Named, args: Mapping[str, Array], wrt: str) -> tuple[Array, Array]:
    """Extrapolated central differences; the error is the last change by extrapolation plus the rounding of ``fun``."""
    point = np.asarray(args[wrt], dtype=float)
    out = np.shape(fun(args))
    value, error = np.empty(out + point.shape), np.empty(out + point.shape)
    for at in np.ndindex(point.shape):
        best, bound = _extrapolated(fun, args, wrt, at, STEPS[0])
        for step in STEPS[1:]:
            if np.max(bound, initial=0.0) <= SMALL * max(1.0, np.max(np.abs(best), initial=0.0)):
                break
            other, narrower = _extrapolated(fun, args, wrt, at, step)
            best, bound = np.where(narrower < bound, other, best), np.minimum(narrower, bound)
        value[(..., *at)], error[(..., *at)] = best, bound
    return value, error


def _extrapolated(
    fun: Named, args: Mapping[str, Array], wrt: str, at: tuple[int, ...], step: float
) -> tuple[Array, Array]:
    """The derivative by one entry, and its error, from differences at three widths."""
    entry = float(np.asarray(args[wrt])[at])
    width = step * max(1.0, abs(entry))
    levels, scale = [], 0.0
    for k in range(3):
        above, below = entry + width / 2**k, entry - width / 2**k
        high, low = (np.asarray(fun(_changed(args, wrt, at, x)), dtype=float) for x in (above, below))
        scale = max(scale, np.max(np.abs(high), initial=0.0), np.max(np.abs(low), initial=0.0))
        levels.append((high - low) / (above - below))
    wide, narrow = (4 * levels[1] - levels[0]) / 3, (4 * levels[2] - levels[1]) / 3
    twice = (16 * narrow - wide) / 15
    return twice, np.abs(twice - narrow) + ROUNDING * EPS * scale / (width / 4)


def _complex_step(fun: Named, args: Mapping[str, Array], wrt: str, shape: tuple[int, ...]) -> Array | None:
    """The complex step, or None where the function does not take complex numbers."""
    value = np.empty(shape)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for at in np.ndindex(args[wrt].shape):
                moved = fun(_changed(args, wrt, at, complex(args[wrt][at], TINY)))
                value[(..., *at)] = np.imag(moved) / TINY
    except Exception:  # whatever a black box does with complex numbers, finite differences remain
        return None
    return value if np.all(np.isfinite(value)) else None
