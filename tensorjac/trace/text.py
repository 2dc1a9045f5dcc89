"""NumPy text: what the names, operators and calls of a parsed text mean. Python runs none of it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

import numpy as np

from ..dims import Dim, Requirement
from ..errors import NotationError, TensorjacError
from ..notation import syntax
from ..notation.syntax import Node
from ..rewrites import substitute
from ..terms import Slot, Sum, Tensor, of_factor
from .linalg import SlogdetResult
from .methods import ATTRIBUTES
from .operands import axis_labels, constant_of, is_number, lift, of_input
from .record import fail, reading, recording
from .registry import numpy_namespace, unsupported
from .sizes import SizeNumber, size_number
from .tracer import Tracer
from .tracing import Traced, finished, named_outputs, output_names

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


# A text as a whole ------------------------------------------------------------------------------------------


def trace_text(
    parsed: syntax.NumpyText,
    text: str,
    shapes: Mapping[str, tuple[Dim, ...]],
    arrays: Mapping[str, np.ndarray[Any, Any]] | None = None,
) -> Traced:
    """What a text calculates from arguments of these shapes, and constants with these names.

    Outputs are the values that no later statement uses.

    >>> from tensorjac.dims import parse_shape
    >>> from tensorjac.notation import parse_numpy
    >>> text = "S = X @ X.T; Y = S @ X; loss = S.sum()"
    >>> list(trace_text(parse_numpy(text), text, {"X": parse_shape("b m", "X")}).outputs)
    ['Y', 'loss']
    """
    with recording(text) as record:
        env = with_sizes({name: of_input(name, dims) for name, dims in shapes.items()})
        for name, array in (arrays or {}).items():
            env[name] = lift(array)
            record.constants[constant_of(array)] = name
        loose = _run(parsed, env, (*shapes, *(arrays or {})))
        kept = {name: env[name] for name in _kept(parsed)}
        if len(parsed.statements) == 1 and loose:
            values, nesting = named_outputs(loose[0], "the text")
            return finished(shapes, values, nesting, record)
        values = {**kept, **dict(zip(output_names(len(loose)), loose, strict=True))}
        return finished(shapes, values, "single" if len(values) == 1 else "tuple", record)


def with_sizes(names: Mapping[str, Tracer]) -> dict[str, Any]:
    """What a text may name: these arrays, and the sizes of their axes."""
    sizes = sorted({size for array in names.values() for dim in array.dims for size in dim.names})
    return {**names, **{size: size_number(Dim.of(size)) for size in sizes if size not in names}}


def _run(parsed: syntax.NumpyText, env: dict[str, Any], given: Sequence[str]) -> list[Any]:
    """Run the statements, and hand back the values that get no name."""
    loose = []
    for statement in parsed.statements:
        value = evaluate_numpy(statement.value, env)
        several = isinstance(value, tuple | list) or (statement.unpacks and _unpacks(value))
        parts = list(value) if several else [value]
        for part in parts:
            _array(part, statement.value, "result")
        for target in statement.targets:
            if target.name in given:
                _fail(
                    target, f"{target.name} is given, and so it cannot be assigned", "use another name for the result"
                )
        if statement.unpacks and len(parts) != len(statement.targets):
            found = f"here are {len(parts)}" if several else "this is one value"
            rule = f"{len(statement.targets)} names take as many values: {found}"
            _fail(statement.value, rule, "name each value once")
        if not statement.targets:
            loose.append(value)
        elif statement.unpacks:
            env.update((target.name, part) for target, part in zip(statement.targets, parts, strict=True))
        else:
            env[statement.targets[0].name] = value
    return loose


def _unpacks(value: Any) -> bool:
    return isinstance(value, Tracer) and bool(value.axes) and value.dims[0].value is not None


def _kept(parsed: syntax.NumpyText) -> list[str]:
    """The names that are assigned and not used afterwards."""
    assigned: dict[str, int] = {}
    used: dict[str, int] = {}
    for k, statement in enumerate(parsed.statements):
        used.update((node.name, k) for node in _walk(statement.value) if isinstance(node, syntax.Name))
        for target in statement.targets:
            assigned.pop(target.name, None)
            assigned[target.name] = k
    return [name for name, k in assigned.items() if used.get(name, -1) <= k]


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


# Inside index notation --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluated:
    """A value of NumPy text that index notation reads at slots: the inside of ``inv(X.T @ X)[ij]``."""

    array: Tracer
    requirements: tuple[Requirement, ...]

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.array.dims

    def read(self, slots: Sequence[Slot]) -> Sum:
        return substitute(self.array.body, dict(zip(self.array.axes, slots, strict=True)))


def numpy_reader(text: str, tensors: Mapping[str, Tensor]) -> Callable[[Node], Evaluated]:
    """How index notation reads the NumPy text within it."""

    def read(node: Node) -> Evaluated:
        with recording(text) as record:
            names = {}
            for name, tensor in tensors.items():
                axes = axis_labels(tensor.shape)
                names[name] = Tracer(axes, of_factor(tensor(*axes)))
            value = evaluate_numpy(node, with_sizes(names))
            with reading(node.span):
                return Evaluated(lift(_array(value, node)), record.requirements)

    return read


# Nodes ------------------------------------------------------------------------------------------------------


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
                return _calculated(node, _SIGNS[sign], _array(evaluate_numpy(operand, env), operand))
            case syntax.Chain():
                return _chain(node, env)
            case syntax.Compare(sign, left, right):
                sides = [_array(evaluate_numpy(side, env), side) for side in (left, right)]
                return _calculated(node, _OPERATORS[sign], *sides)
            case syntax.Power(base, exponent):
                return _power(node, *(_array(evaluate_numpy(side, env), side) for side in (base, exponent)))
            case syntax.Attribute(value, name):
                return _attribute(evaluate_numpy(value, env), name, node)
            case syntax.Subscript(value, items):
                return _subscript(evaluate_numpy(value, env), items, node, env)
            case syntax.Slice(start, stop, step):
                return slice(*(part and evaluate_numpy(part, env) for part in (start, stop, step)))
            case _:
                assert isinstance(node, syntax.Call)
                called = evaluate_numpy(node.function, env)
                if not callable(called) or isinstance(called, Tracer):
                    _fail(node.function, "only a function is called, and this is none", "write an operator, such as *")
                given = [evaluate_numpy(each, env) for each in node.arguments]
                named = {each.name: evaluate_numpy(each.value, env) for each in node.keywords}
                return _calculated(node, called, *given, **named)


def _chain(node: syntax.Chain, env: Mapping[str, Any]) -> Any:
    first, *others = node.operands
    value = _array(evaluate_numpy(first, env), first)
    for sign, operand in zip(node.operators, others, strict=True):
        right = _array(evaluate_numpy(operand, env), operand)
        so_far = syntax.Chain((), (), span=(first.span[0], operand.span[1]))
        value = _calculated(so_far, _OPERATORS[sign], value, right)
    return value


def _power(node: Node, base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and abs(exponent) > _LARGEST_EXPONENT:
        _fail(node, f"the power of a number is at most {_LARGEST_EXPONENT}", "write the number as a float")
    return _calculated(node, operator.pow, base, exponent)


def _calculated(node: Node, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with reading(node.span):
        try:
            return function(*args, **kwargs)
        except TensorjacError:
            raise
        except (TypeError, ValueError, ArithmeticError, IndexError, KeyError) as error:
            _fail(node, f"this cannot be calculated: {error}", "check the arguments")


def _array(value: Any, node: Node, role: str = "operand") -> Any:
    """A traced array, number or size; lists of numbers become arrays."""
    if isinstance(value, Tracer | SizeNumber | int | float) or is_number(value):
        return value
    if isinstance(value, list | tuple):
        with reading(node.span):
            return lift(value)
    _fail(node, f"{_kind(value)} is no {role}", "write an array or a number")


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
    _fail(node, f"{name} is neither given nor a NumPy function", advice)


def _attribute(value: Any, name: str, node: Node) -> Any:
    if isinstance(value, Module):
        return _of_module(value, name, node)
    if isinstance(value, SlogdetResult) and name in value._fields:
        return getattr(value, name)
    if isinstance(value, Tracer) and name in ATTRIBUTES:
        return getattr(value, name)
    if isinstance(value, Tracer):
        unsupported(f"the attribute .{name} of an array", name)
    _fail(node, f"{_kind(value)} has no attribute .{name}", "take it out")


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
        _fail(node, f"{_kind(value)} is not indexed", "take the brackets out")
    return _calculated(node, operator.getitem, value, key)


def _fail(node: Node, rule: str, advice: str) -> NoReturn:
    with reading(node.span):
        fail(NotationError, rule, advice if advice.endswith("?") else f"{advice}.")
