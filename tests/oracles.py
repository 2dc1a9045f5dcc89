"""Derivatives, inputs and tolerances obtained without the library, in plain NumPy.

Every function here takes a plain function of named arrays, `fun(**args)`, and the name `wrt` of one of
them. Derivatives have the shape `out.shape + in.shape`.
"""

from __future__ import annotations

import itertools
import re

import numpy as np

EPS = np.finfo(np.float64).eps

SIZES = (3, 2, 5, 7, 4, 6)
"""Sizes for the names of a signature, in order of appearance. All differ: no transpose can hide."""

STEP = 2.0**-7
"""The widest step. With three levels of extrapolation the truncation falls as step^6 and the rounding rises
as eps/step; they meet near eps^(1/7), which is about 2^-7. A power of two adds no rounding of its own."""

ROUNDING = 16
"""How many roundings of the largest output a value of a test function may carry."""


def entries(array):
    """All positions of an array, row-major.

    >>> list(entries(np.zeros((1, 2))))
    [(0, 0), (0, 1)]
    """
    return itertools.product(*(range(size) for size in np.shape(array)))


def with_entry(args, wrt, position, value):
    """A copy of `args` in which one entry of one array is replaced."""
    changed = np.array(args[wrt])
    changed[position] = value
    return {**args, wrt: changed}


def central_difference(fun, args, wrt, position, step):
    """(f(x + h) - f(x - h)) / 2h for one entry, and the largest |f| met on the way.

    The divisor is the difference of the two points that were really used, not 2h.
    """
    point = np.asarray(args[wrt], dtype=float)[position]
    above, below = point + step, point - step
    high = np.asarray(fun(**with_entry(args, wrt, position, above)))
    low = np.asarray(fun(**with_entry(args, wrt, position, below)))
    scale = max(np.max(np.abs(high), initial=0.0), np.max(np.abs(low), initial=0.0))
    return (high - low) / (above - below), scale


def finite_difference_jacobian(fun, args, wrt, step=STEP):
    """Central differences at h, h/2 and h/4, extrapolated twice (Richardson): the Jacobian and a bound on
    its error.

    D(h) = f' + a h² + b h⁴ + …, so (4 D(h/2) - D(h))/3 loses a, and the same with 16 and 15 loses b. The
    error is the sum of the truncation, for which the change made by the last extrapolation stands, and of
    the rounding of f divided by the smallest step. The step is relative where |x| > 1.
    """
    args = {name: np.asarray(value, dtype=np.float64) for name, value in args.items()}
    out = np.shape(fun(**args))
    jacobian = np.empty(out + args[wrt].shape)
    error = np.empty_like(jacobian)
    for position in entries(args[wrt]):
        width = step * max(1.0, abs(args[wrt][position]))
        wide, middle, narrow = (central_difference(fun, args, wrt, position, width / 2**k) for k in range(3))
        scale = max(wide[1], middle[1], narrow[1])
        once_wide = (4 * middle[0] - wide[0]) / 3
        once_narrow = (4 * narrow[0] - middle[0]) / 3
        twice = (16 * once_narrow - once_wide) / 15
        jacobian[(..., *position)] = twice
        error[(..., *position)] = np.abs(twice - once_narrow) + ROUNDING * EPS * scale / (width / 4)
    return jacobian, error


def complex_step_jacobian(fun, args, wrt, step=1e-100):
    """Im f(x + ih) / h, exact to rounding, for functions that NumPy evaluates analytically at complex
    arguments.

    Not for `abs`, `norm`, `vdot`, comparisons, `max` and `min`, nor where a function takes real arguments
    only.
    """
    args = {name: np.asarray(value) for name, value in args.items()}
    point = {**args, wrt: args[wrt].astype(complex)}
    jacobian = np.empty(np.shape(fun(**args)) + args[wrt].shape)
    for position in entries(args[wrt]):
        value = fun(**with_entry(point, wrt, position, point[wrt][position] + 1j * step))
        jacobian[(..., *position)] = np.imag(value) / step
    return jacobian


def finite_difference_hessian(gradient, args, wrt, step=STEP):
    """The Hessian as the extrapolated central difference of a *given* gradient, and a bound on its error.

    `gradient(**args)` has the shape of the argument that it belongs to; `wrt` names the second argument,
    which may be another one (a mixed Hessian).
    """
    return finite_difference_jacobian(gradient, args, wrt, step)


class Nudged(np.ndarray):
    """An array whose arithmetic is as if done with ten digits: every result is off by 1e-10 of it, one way or another.

    What this does to a value is a million times what rounding does (Vignes, A stochastic arithmetic for reliable
    scientific computation, 1993). What is only chosen among others or turned in sign stays exact, as it does in floats.
    """

    EXACT = frozenset({np.maximum, np.minimum, np.absolute, np.negative, np.sign})

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **kwargs):
        plain = [x.view(np.ndarray) if isinstance(x, Nudged) else x for x in inputs]
        result = np.asarray(getattr(ufunc, method)(*plain, **kwargs))
        result = nudged(result) if result.dtype == float and ufunc not in self.EXACT else result.view(Nudged)
        for array in out:
            array[...] = result
        return result

    def __array_function__(self, func, types, args, kwargs):
        result = super().__array_function__(func, types, args, kwargs)
        return result.view(Nudged) if isinstance(result, np.ndarray) else result


def nudged(array):
    """The array with each entry off by up to 1e-10 of it, as is all that is calculated from it.

    >>> x = nudged(np.array([1.0, 1.0]))
    >>> float(x[0]) - 1 > 9e-11, float(x[0] - x[1]) > 4e-11, float(x.max() - x[0])
    (True, True, 0.0)
    """
    return (array * (1 + 1e-10 * np.cos(np.arange(array.size)).reshape(array.shape))).view(Nudged)


def shape_names(text):
    """The axes of a shape text.

    >>> shape_names("b, 3 m")
    ['b', '3', 'm']
    """
    return re.findall(r"\w+", text)


def distinct_sizes(shapes, sizes=None):
    """A number for each size name, all different; `sizes` fixes some of them.

    >>> distinct_sizes({"X": "b m", "A": "m n"})
    {'b': 3, 'm': 2, 'n': 5}
    """
    fixed = dict(sizes or {})
    names = [name for text in shapes.values() for name in shape_names(text) if not name.isdigit()]
    free = iter(size for size in SIZES if size not in fixed.values())
    for name in names:
        if name not in fixed:
            fixed[name] = next(free)
    return fixed


def shape_numbers(text, sizes):
    """A shape in numbers.

    >>> shape_numbers("b 4", {"b": 3})
    (3, 4)
    """
    return tuple(int(name) if name.isdigit() else sizes[name] for name in shape_names(text))


def spread(shape, rng, part, parts):
    """Numbers in (0, 1), shuffled, no two of which are close; nor are those of the other parts of the same
    shape.

    One is drawn from the middle fifth of each cell of an even grid, and `parts` such grids interleave. So
    maxima, orders and signs are clear of ties by more than a step of finite differences.
    """
    count = int(np.prod(shape))
    jitter = rng.uniform(-0.1, 0.1, count)
    points = (np.arange(count) + (part + 0.5 + jitter) / parts) / max(count, 1)
    return rng.permutation(points).reshape(shape)


def orthogonal(shape, rng):
    """Random orthogonal matrices on the last two axes."""
    return np.linalg.qr(rng.normal(size=shape))[0]


def draw(shape, rng, domain, part=0, parts=1):
    """A generic array of one domain. "any" has both signs and stays away from 0, where functions kink."""
    unit = spread(shape, rng, part, parts)
    signed = 2 * unit - 1
    match domain:
        case "any":
            return np.sign(signed) * (0.3 + np.abs(signed))
        case "positive":
            return 0.4 + 1.4 * unit
        case "unit":
            return 0.15 + 0.7 * unit
        case "between -1 and 1":
            return 0.7 * signed
        case "above 1":
            return 1.3 + unit
        case "symmetric":
            return (signed + np.swapaxes(signed, -1, -2)) / 2
        case "positive definite" | "invertible":
            left = orthogonal(shape, rng)
            spectrum = np.linspace(0.8, 2.0, shape[-1])
    match domain:
        case "positive definite":
            product = left * spectrum @ np.swapaxes(left, -1, -2)
            return (product + np.swapaxes(product, -1, -2)) / 2
        case "invertible":
            return left * spectrum @ orthogonal(shape, rng)
    raise ValueError(f"unknown domain {domain!r}")


def random_inputs(shapes, sizes, rng, domain=None):
    """Generic float64 arrays for the shapes (name → text).

    `domain` is one domain for all, or name → domain: "any", "positive", "unit", "between -1 and 1", "above
    1", "symmetric", "positive definite" or "invertible"; condition numbers stay below 3.
    """
    if domain is None or isinstance(domain, str):
        domain = dict.fromkeys(shapes, domain or "any")
    return {
        name: draw(shape_numbers(text, sizes), rng, domain.get(name, "any"), part, len(shapes))
        for part, (name, text) in enumerate(shapes.items())
    }


def assert_close(actual, desired, error=0.0, roundings=256, dtype=np.float64):
    """Fail, naming the worst entry and both numbers, unless |actual - desired| is explained by `error` and
    rounding.

    `error` (of `desired`; a number or an array) counts twice, because it is an estimate. The rounding is
    that of both sides: a few hundred roundings of `dtype`, relative to the largest entry, since an entry is
    the result of sums over entries of that size, and may itself cancel to zero.
    """
    actual, desired = np.asarray(actual), np.asarray(desired)
    assert actual.shape == desired.shape, f"shape {actual.shape}, expected {desired.shape}"
    assert np.all(np.isfinite(actual)), "the result is not finite"
    if desired.size == 0:
        return
    allowed = 2 * np.asarray(error) + roundings * np.finfo(dtype).eps * np.max(np.abs(desired))
    difference = np.abs(actual.astype(np.float64) - desired)
    excess = difference - allowed
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    assert excess[worst] <= 0, (
        f"entry {tuple(map(int, worst))} is {actual[worst]}, expected {desired[worst]}: "
        f"difference {difference[worst]:.3g}, allowed {np.broadcast_to(allowed, excess.shape)[worst]:.3g}"
    )


def differ(left, right):
    """Whether two arrays differ by far more than any error: by a thousandth of the largest entry."""
    scale = max(np.max(np.abs(left)), np.max(np.abs(right)))
    return bool(np.max(np.abs(left - right)) > 1e-3 * scale)
