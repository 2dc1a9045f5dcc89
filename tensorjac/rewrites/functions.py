"""Identities of functions."""

from __future__ import annotations

from ..primitives import PRIMITIVES, Primitive
from ..terms import Factor, Sum, Term, constant, of_factor
from .building import apply, multiply
from .merging import held_sum
from .patterns import is_applied, is_mask, logistic_argument, only_function
from .registry import function_rewrite
from .sums import add, whole


@function_rewrite("log of exp", "log")
def _log_exp(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log(exp(x)) = x. Removes two functions."""
    found = only_function(args[0])
    if found is None or found[0] != 1 or found[1].operation.name != "exp":
        return None
    return found[1].arguments(found[2].slots)[0]


@function_rewrite("exp of log", "exp")
def _exp_log(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """exp(log(x)) = x where the logarithm is defined. Removes two functions."""
    found = only_function(args[0])
    if found is None or found[0] != 1 or found[1].operation.name != "log":
        return None
    return found[1].arguments(found[2].slots)[0]


@function_rewrite("log1p of expm1", "log1p")
def _log1p_expm1(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log1p(expm1(x)) = x. Removes two functions."""
    found = only_function(args[0])
    if found is None or found[0] != 1 or found[1].operation.name != "expm1":
        return None
    return found[1].arguments(found[2].slots)[0]


@function_rewrite("values at zero", "exp", "expm1", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs")
def _at_zero(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """exp(0) = cos(0) = cosh(0) = 1; expm1, log1p, sin, tan, sinh, tanh and abs are 0 at 0."""
    if args[0].terms:
        return None
    return constant(1) if primitive.name in ("exp", "cos", "cosh") else Sum()


_ODD = ("sin", "tan", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "erf", "cbrt", "sign")


_EVEN = ("cos", "cosh", "abs")


@function_rewrite("parity", *_ODD, *_EVEN)
def _parity(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """sin(-x) = -sin(x) and cos(-x) = cos(x), for odd and even functions. Moves a sign outward."""
    body = whole(args[0])
    if len(body.terms) != 1 or body.terms[0].coefficient >= 0:
        return None
    mirrored = apply(primitive, (multiply(constant(-1), body),))
    return mirrored if primitive.name in _EVEN else multiply(constant(-1), mirrored)


@function_rewrite("step of a multiple", "heaviside")
def _step_of_multiple(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """heaviside(2 x) = heaviside(x), and heaviside(-x) = 1 - heaviside(x), being 1/2 at 0. Removes a number."""
    if not args[0].terms:
        return None
    (term,) = whole(args[0]).terms
    # y - x is as good as x - y, whose step may be of no use
    sign = -1 if term.coefficient < 0 and held_sum(term) else 1
    if term.coefficient == sign or not term.factors:
        return None
    step = apply(primitive, (Sum((Term(sign, term.factors),)),))
    return step if sign * term.coefficient > 0 else add(constant(1), multiply(constant(-1), step))


@function_rewrite("log of a product", "log")
def _log_product(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log(exp(x)/z) = x - log(z) for positive z, which neither overflows nor underflows. Removes a function."""
    if len(args[0].terms) != 1:
        return None
    (term,) = args[0].terms
    if len(term.factors) < 2 or term.coefficient <= 0 or any(f.tensor.sign != 2 for f in term.factors):
        return None
    if not any(is_applied(f.tensor, "exp") for f in term.factors):
        return None
    parts = [
        multiply(constant(f.power), apply(primitive, (of_factor(Factor(f.tensor, f.slots, 1)),))) for f in term.factors
    ]
    return add(apply(primitive, (constant(term.coefficient),)), *parts)


@function_rewrite("log of abs of det", "log")
def _log_abs_det(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log(|det(X)|) = logabsdet(X), which neither overflows nor underflows. Removes two functions."""
    found = only_function(args[0])
    if found is None or found[0] != 1 or found[1].operation.name != "abs":
        return None
    inner = only_function(found[1].arguments(found[2].slots)[0])
    if inner is None or inner[0] != 1 or inner[1].operation.name != "det":
        return None
    return apply(PRIMITIVES["logabsdet"], inner[1].arguments(inner[2].slots), inner[1].cores_at(inner[2].slots))


@function_rewrite("mask of a mask", "mask")
def _mask_mask(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """A mask is already 0 or 1. Removes a function."""
    body = args[0]
    if len(body.terms) == 1 and body.terms[0].coefficient == 1:
        factors = body.terms[0].factors
        if factors and all(is_mask(f.tensor) and f.power == 1 for f in factors):
            return body
    return None


@function_rewrite("where of equals", "where")
def _where_same(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """where(c, x, x) = x. Removes a function."""
    return args[1] if args[1] == args[2] else None


@function_rewrite("equal arguments", "maximum", "minimum")
def _larger_of_equals(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """maximum(x, x) = minimum(x, x) = x. Removes a function."""
    return args[0] if args[0] == args[1] else None


@function_rewrite("softplus", "log")
def _softplus(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log(1 + exp(u)) = softplus(u), which neither overflows nor loses digits."""
    u = logistic_argument(args[0])
    return None if u is None else apply(PRIMITIVES["softplus"], (u,))


@function_rewrite("softplus of log1p", "log1p")
def _softplus_log1p(primitive: Primitive, args: tuple[Sum, ...]) -> Sum | None:
    """log1p(exp(u)) = softplus(u), which does not overflow."""
    found = only_function(args[0])
    if found is None or found[0] != 1 or found[1].operation.name != "exp":
        return None
    return apply(PRIMITIVES["softplus"], (found[1].arguments(found[2].slots)[0],))
