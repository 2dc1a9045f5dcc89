"""NumPy's and SciPy's elementwise functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ..errors import TraceError, UnsupportedError
from ..rewrites import add, compact, multiply, power
from ..terms import ZERO, Number, Sum, constant
from .masks import MINUS_ONE, either, equal, greater, not_for_masks
from .operands import aligned, elementwise, lift, literal, wider
from .record import fail
from .registry import implements
from .tracer import Tracer

# Arithmetic -------------------------------------------------------------------------------------------------


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
        not_for_masks("-", "use ^ for masks, or multiply one of them by 1.")
    axes, (first, second) = aligned(left, right)
    return Tracer(axes, add(first, multiply(MINUS_ONE, second)), wider(left.kind, right.kind))


@implements("multiply")
def times(x1: Any, x2: Any) -> Tracer:
    left, right = lift(x1), lift(x2)
    axes, bodies = aligned(left, right)
    return Tracer(axes, compact(multiply(*bodies)), wider(left.kind, right.kind))


@implements("divide", "true_divide")
def over(x1: Any, x2: Any) -> Tracer:
    left, right = lift(x1), lift(x2)
    axes, (first, second) = aligned(left, right)
    if any(axis.dim is ZERO for axis in axes):
        return Tracer(axes, constant(0))
    return Tracer(axes, multiply(first, _power(second, -1)))


@implements("negative")
def negated(x: Any) -> Tracer:
    array = lift(x)
    if array.kind == "b":
        not_for_masks("-", "use ~ for the opposite mask.")
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


# Functions of one and two arguments -------------------------------------------------------------------------

# NumPy's name → the primitive's
_UNARY = {
    **{name: name for name in ("exp", "expm1", "log", "log1p", "log2", "log10", "cbrt")},
    **{name: name for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{name: name for name in ("arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh")},
    **{name.replace("arc", "a"): name for name in ("arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh")},
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
    return scaled(elementwise("logaddexp", *(scaled(lift(x), math.log(2)) for x in (x1, x2))), 1 / math.log(2))


@implements("heaviside")
def step(x1: Any, x2: Any) -> Tracer:
    return plus(greater(x1, 0), times(x2, equal(x1, 0))) if lift(x2).kind != "b" else either(greater(x1, 0), x2)


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
