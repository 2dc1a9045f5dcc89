"""NumPy's and SciPy's elementwise functions, comparisons and masks."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import TraceError, UnsupportedError
from ..primitives import PRIMITIVES
from ..rewrites import add, apply, multiply, power
from ..terms import Number, Sum, constant
from .record import fail
from .registry import implements, is_double
from .tracer import Kind, Tracer, aligned, described, lift, literal

MINUS_ONE = constant(-1)


def wider(*kinds: Kind) -> Kind:
    return max(kinds, key="bif".index)


def elementwise(name: str, *operands: Any, kind: Kind = "f") -> Tracer:
    """A primitive on operands that broadcast."""
    axes, bodies = aligned(*map(lift, operands))
    return Tracer(axes, apply(PRIMITIVES[name], bodies), kind)


# Arithmetic -------------------------------------------------------------------------------------------------------


@implements("add")
def plus(x1: Any, x2: Any) -> Tracer:
    left, right = lift(x1), lift(x2)
    if left.kind == right.kind == "b":
        return either(left, right)
    axes, bodies = aligned(left, right)
    return Tracer(axes, add(*bodies), wider(left.kind, right.kind))


@implements("subtract")
def minus(x1: Any, x2: Any) -> Tracer:
    left, right = lift(x1), lift(x2)
    if left.kind == right.kind == "b":
        _not_for_masks("-", "use ^ for masks, or multiply one of them by 1.")
    axes, (first, second) = aligned(left, right)
    return Tracer(axes, add(first, multiply(MINUS_ONE, second)), wider(left.kind, right.kind))


@implements("multiply")
def times(x1: Any, x2: Any) -> Tracer:
    left, right = lift(x1), lift(x2)
    axes, bodies = aligned(left, right)
    return Tracer(axes, multiply(*bodies), wider(left.kind, right.kind))


@implements("divide", "true_divide")
def over(x1: Any, x2: Any) -> Tracer:
    left, right = lift(x1), lift(x2)
    axes, (first, second) = aligned(left, right)
    return Tracer(axes, multiply(first, _power(second, -1)))


@implements("negative")
def negated(x: Any) -> Tracer:
    array = lift(x)
    if array.kind == "b":
        _not_for_masks("-", "use ~ for the opposite mask.")
    return scaled(array, -1)


def scaled(array: Tracer, factor: Number) -> Tracer:
    """The array times a number."""
    kind = wider(array.kind, "i" if isinstance(factor, int) else "f")
    return Tracer(array.axes, multiply(constant(factor), array.body), kind)


@implements("real")
def real(x: Any) -> Tracer:
    return lift(x)


@implements("positive", "conjugate", "conj", "copy")
def same(x: Any) -> Tracer:
    """A copy, with memory of its own."""
    array = lift(x)
    return Tracer(array.axes, array.body, array.kind)


@implements("power", "pow", "float_power")
def raised(x1: Any, x2: Any) -> Tracer:
    base, exponent = lift(x1), lift(x2)
    kind = wider(base.kind, exponent.kind, "i")
    number = literal(exponent)
    if number is not None:
        return Tracer(base.axes, _power(base.body, number), kind if number >= 0 else "f")
    return elementwise("power", base, exponent, kind=kind)


def _power(base: Sum, exponent: Number) -> Sum:
    if exponent < 0 and not base.terms:
        fail(
            UnsupportedError,
            "this divides by an expression that is 0 everywhere",
            "take the division out of the function: it has no value anywhere.",
        )
    return power(base, exponent)


@implements("square")
def squared(x: Any) -> Tracer:
    array = lift(x)
    return Tracer(array.axes, power(array.body, 2), array.kind)


@implements("sqrt")
def root(x: Any) -> Tracer:
    array = lift(x)
    return Tracer(array.axes, power(array.body, Fraction(1, 2)))


@implements("reciprocal")
def inverted(x: Any) -> Tracer:
    array = lift(x)
    if array.kind != "f":
        fail(TraceError, "np.reciprocal of whole numbers drops the fraction", "write 1 / x.")
    return Tracer(array.axes, _power(array.body, -1))


@implements("hypot")
def hypotenuse(x1: Any, x2: Any) -> Tracer:
    return root(plus(squared(x1), squared(x2)))


# Functions of one and two arguments -------------------------------------------------------------------------------

# NumPy's name → the primitive's
_UNARY = {
    **{name: name for name in ("exp", "expm1", "log", "log1p", "log2", "log10", "cbrt")},
    **{name: name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{name: name for name in ("arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh")},
    **{
        name.replace("arc", "a"): name
        for name in ("arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh")
    },
    "special.expit": "sigmoid",
    "special.erf": "erf",
    "special.expm1": "expm1",
    "special.log1p": "log1p",
    "special.cbrt": "cbrt",
    "special.softplus": "softplus",
}
_BINARY = {"logaddexp": "logaddexp", "arctan2": "arctan2", "atan2": "arctan2", "special.xlogy": "xlogy"}
_CHOICES = {"maximum": "maximum", "minimum": "minimum", "fmax": "maximum", "fmin": "minimum"}
_KEPT = {"absolute": "abs", "abs": "abs", "fabs": "abs", "sign": "sign"}


def _unary(primitive: str) -> Callable[[Any], Tracer]:
    return lambda x: elementwise(primitive, x)


def _binary(primitive: str) -> Callable[[Any, Any], Tracer]:
    return lambda x1, x2: elementwise(primitive, x1, x2)


def _kept(primitive: str) -> Callable[[Any], Tracer]:
    return lambda x: elementwise(primitive, x, kind=lift(x).kind)


def _choice(primitive: str) -> Callable[[Any, Any], Tracer]:
    return lambda x1, x2: elementwise(primitive, x1, x2, kind=wider(lift(x1).kind, lift(x2).kind))


for _rows, _made in ((_UNARY, _unary), (_BINARY, _binary), (_KEPT, _kept), (_CHOICES, _choice)):
    for _name, _primitive in _rows.items():
        implements(_name)(_made(_primitive))


@implements("exp2", "special.exp2")
def power_of_two(x: Any) -> Tracer:
    return raised(2, x)


@implements("special.exp10")
def power_of_ten(x: Any) -> Tracer:
    return raised(10, x)


@implements("deg2rad", "radians")
def in_radians(x: Any) -> Tracer:
    return scaled(lift(x), math.pi / 180)


@implements("rad2deg", "degrees")
def in_degrees(x: Any) -> Tracer:
    return scaled(lift(x), 180 / math.pi)


@implements("logaddexp2")
def log_add_exp2(x1: Any, x2: Any) -> Tracer:
    return scaled(
        elementwise("logaddexp", *(scaled(lift(x), math.log(2)) for x in (x1, x2))), 1 / math.log(2)
    )


@implements("heaviside")
def step(x1: Any, x2: Any) -> Tracer:
    return (
        plus(greater(x1, 0), times(x2, equal(x1, 0))) if lift(x2).kind != "b" else either(greater(x1, 0), x2)
    )


@implements("special.erfc")
def erfc(x: Any) -> Tracer:
    return minus(1, elementwise("erf", x))


@implements("special.ndtr")
def ndtr(x: Any) -> Tracer:
    return scaled(plus(1, elementwise("erf", scaled(lift(x), math.sqrt(0.5)))), Fraction(1, 2))


@implements("special.log_expit")
def log_expit(x: Any) -> Tracer:
    return negated(elementwise("softplus", negated(x)))


@implements("special.logit")
def logit(x: Any) -> Tracer:
    return minus(elementwise("log", x), elementwise("log1p", negated(x)))


@implements("special.xlog1py")
def xlog1py(x1: Any, x2: Any) -> Tracer:
    return elementwise("xlogy", x1, plus(1, x2))


@implements("special.entr")
def entropy(x: Any) -> Tracer:
    return negated(elementwise("xlogy", x, x))


@implements("special.rel_entr")
def relative_entropy(x1: Any, x2: Any) -> Tracer:
    return minus(elementwise("xlogy", x1, x1), elementwise("xlogy", x1, x2))


@implements("special.kl_div")
def divergence(x1: Any, x2: Any) -> Tracer:
    return plus(minus(relative_entropy(x1, x2), x1), x2)


# Comparisons and masks --------------------------------------------------------------------------------------------


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
    return times(mask(x1), mask(x2))


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


def _not_for_masks(sign: str, advice: str) -> None:
    fail(TraceError, f"NumPy has no {sign} for masks, arrays of True and False", advice)


@implements("where")
def where(condition: Any, x: Any = None, y: Any = None) -> Tracer:
    if x is None or y is None:
        fail(
            TraceError,
            "np.where with a condition alone gives as many positions as there are True entries, which is not known "
            "while tracing",
            "write np.where(condition, x, y).",
        )
    chosen, other = lift(x), lift(y)
    axes, bodies = aligned(lift(condition), chosen, other)
    return Tracer(axes, apply(PRIMITIVES["where"], bodies), wider(chosen.kind, other.kind))


@implements("select")
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Tracer:
    if not (isinstance(condlist, list | tuple) and isinstance(choicelist, list | tuple)) or len(
        condlist
    ) != len(choicelist):
        fail(
            TraceError,
            "np.select takes as many conditions as choices, in lists",
            "pass two lists of one length.",
        )
    result = lift(default)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    return result


@implements("clip")
def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Tracer:
    low = min if a_min is None else a_min
    high = max if a_max is None else a_max
    result = same(a)
    if low is not None:
        result = _choice("maximum")(result, low)
    if high is not None:
        result = _choice("minimum")(result, high)
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
        "leave it out: a Function calculates in the precision of its arguments. Masks become numbers by * 1.0.",
    )
