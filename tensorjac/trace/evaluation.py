"""The expressions of NumPy text: what names, operators and calls mean. Python runs none of it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

from ..errors import NotationError, TensorjacError
from ..notation import syntax
from ..notation.syntax import Node
from .linalg import SlogdetResult
from .methods import ATTRIBUTES
from .operands import is_number, lift
from .record import fail, reading
from .registry import numpy_namespace, unsupported
from .sizes import SizeNumber
from .tracer import Tracer

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "@": operator.matmul,
    "&": operator.and_,
    "|": operator.or_,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_SIGNS: Mapping[str, Callable[[Any], Any]] = {"-": operator.neg, "+": operator.pos, "~": operator.invert}
_CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "newaxis": None}
_LARGEST_EXPONENT = 1000


@dataclass(frozen=True)
class Module:
    """What ``np`` and ``np.linalg`` stand for: the functions whose dotted names begin so."""

    name: str
    prefix: str


_MODULES = {
    "np": Module("np", ""),
    "numpy": Module("np", ""),
    "tj": Module("tj", ""),
    "math": Module("math", ""),
    "scipy": Module("scipy", "scipy."),
    "linalg": Module("np.linalg", "linalg."),
    "special": Module("scipy.special", "special."),
}


def evaluate_numpy(node: Node, env: Mapping[str, Any]) -> Any:
    """The value of an expression: a traced array, a number, a size, or a tuple or list of these."""
    with reading(node.span):
        match node:
            case syntax.Number(value) | syntax.String(value) | syntax.Constant(value):
                return value
            case syntax.Sequence(items, kind):
                values = [evaluate_numpy(item, env) for item in items]
                return tuple(values) if kind == "tuple" else values
            case syntax.Name(name):
                return _named(name, node, env)
            case syntax.Unary(sign, operand):
                return _calculated(node, _SIGNS[sign], array_of(evaluate_numpy(operand, env), operand))
            case syntax.Chain():
                return _chain(node, env)
            case syntax.Compare(sign, left, right):
                sides = [array_of(evaluate_numpy(side, env), side) for side in (left, right)]
                return _calculated(node, _OPERATORS[sign], *sides)
            case syntax.Power(base, exponent):
                return _power(node, *(array_of(evaluate_numpy(side, env), side) for side in (base, exponent)))
            case syntax.Attribute(value, name):
                return _attribute(evaluate_numpy(value, env), name, node)
            case syntax.Subscript(value, items):
                return _subscript(evaluate_numpy(value, env), items, node, env)
            case syntax.Slice(start, stop, step):
                return slice(*(part and evaluate_numpy(part, env) for part in (start, stop, step)))
            case _:
                assert isinstance(node, syntax.Call)
                return _call(node, env)


def _call(node: syntax.Call, env: Mapping[str, Any]) -> Any:
    called = evaluate_numpy(node.function, env)
    if not callable(called) or isinstance(called, Tracer):
        fail_at(node.function, "only a function is called, and this is none", "write an operator, such as *")
    given = [evaluate_numpy(each, env) for each in node.arguments]
    named = {each.name: evaluate_numpy(each.value, env) for each in node.keywords}
    return _calculated(node, called, *given, **named)


def _chain(node: syntax.Chain, env: Mapping[str, Any]) -> Any:
    first, *others = node.operands
    value = array_of(evaluate_numpy(first, env), first)
    for sign, operand in zip(node.operators, others, strict=True):
        right = array_of(evaluate_numpy(operand, env), operand)
        so_far = syntax.Chain((), (), span=(first.span[0], operand.span[1]))
        value = _calculated(so_far, _OPERATORS[sign], value, right)
    return value


def _power(node: Node, base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and abs(exponent) > _LARGEST_EXPONENT:
        fail_at(node, f"the power of a number is at most {_LARGEST_EXPONENT}", "write the number as a float")
    return _calculated(node, operator.pow, base, exponent)


def _calculated(node: Node, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with reading(node.span):
        try:
            return function(*args, **kwargs)
        except TensorjacError:
            raise
        except (TypeError, ValueError, ArithmeticError, IndexError, KeyError) as error:
            fail_at(node, f"this cannot be calculated: {error}", "check the arguments")


def array_of(value: Any, node: Node, role: str = "operand") -> Any:
    """A traced array, number or size; lists of numbers become arrays."""
    if isinstance(value, Tracer | SizeNumber | int | float) or is_number(value):
        return value
    if isinstance(value, list | tuple):
        with reading(node.span):
            return lift(value)
    fail_at(node, f"{_kind(value)} is no {role}", "write an array or a number")


def _kind(value: Any) -> str:
    if isinstance(value, Module):
        return f"the module {value.name}"
    if value is None or value is ...:
        return "None" if value is None else "..."
    if isinstance(value, str):
        return "a string"
    return "a function" if callable(value) else f"a {type(value).__name__}"


# Names ------------------------------------------------------------------------------------------------------


def _named(name: str, node: Node, env: Mapping[str, Any]) -> Any:
    if name in env:
        return env[name]
    if name in _MODULES:
        return _MODULES[name]
    for prefix in ("", "linalg.", "special."):
        if prefix + name in numpy_namespace:
            return numpy_namespace[prefix + name]
    if name in _CONSTANTS and name != "e":
        return _CONSTANTS[name]
    functions = [function.rpartition(".")[2] for function in numpy_namespace]
    near = get_close_matches(name, [*env, *functions], 3, 0.6)
    advice = f"use {', '.join([*env, 'NumPy functions'])}"
    if near:
        advice = f"did you mean {' or '.join(near)}?"
    fail_at(node, f"{name} is neither given nor a NumPy function", advice)


def _attribute(value: Any, name: str, node: Node) -> Any:
    if isinstance(value, Module):
        return _of_module(value, name, node)
    if isinstance(value, SlogdetResult) and name in value._fields:
        return getattr(value, name)
    if isinstance(value, Tracer) and name in ATTRIBUTES:
        return getattr(value, name)
    if isinstance(value, Tracer):
        unsupported(f"the attribute .{name} of an array", name)
    fail_at(node, f"{_kind(value)} has no attribute .{name}", "take it out")


def _of_module(module: Module, name: str, node: Node) -> Any:
    if module.prefix + name in numpy_namespace:
        return numpy_namespace[module.prefix + name]
    if module.name in ("np", "scipy") and name in ("linalg", "special") and (module.name == "np") == (name == "linalg"):
        return _MODULES[name]
    if not module.prefix and name in _CONSTANTS:
        return _CONSTANTS[name]
    shown = f"{module.name}.{name}"
    unsupported(shown, module.prefix + name)


def _subscript(value: Any, items: Sequence[Node], node: Node, env: Mapping[str, Any]) -> Any:
    keys = [evaluate_numpy(item, env) for item in items]
    key = keys[0] if len(keys) == 1 else tuple(keys)
    if not isinstance(value, Tracer | tuple | list):
        fail_at(node, f"{_kind(value)} is not indexed", "take the brackets out")
    return _calculated(node, operator.getitem, value, key)


def fail_at(node: Node, rule: str, advice: str) -> NoReturn:
    with reading(node.span):
        fail(NotationError, rule, advice if advice.endswith("?") else f"{advice}.")
