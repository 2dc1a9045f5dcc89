"""Index notation: nodes to text, so that reading the text gives nodes of the same meaning.

>>> from ..indextext import parse_index
>>> text = "∂Y[ij]/∂A[kl] = 1/2 X[ik]^2 δ[jl] / (1 + exp(-x[2*i+1]))"
>>> write_equation(parse_index(text).equations[0]) == text
True
"""

from __future__ import annotations

from collections.abc import Sequence

from ..syntax import (
    Apply,
    Axis,
    Bound,
    Call,
    Chain,
    Delta,
    Equation,
    Indexed,
    Name,
    Node,
    Number,
    Power,
    SizeOf,
    SumOver,
    Target,
    Unary,
    Whole,
)

# How tightly a node binds.
SUM, PRODUCT, POWER, ATOM = range(4)

# Products are written by juxtaposition in expressions, with * in δ, and without spaces in slots and sizes; in calls
# such as arange(n**2) everything is as in NumPy.
FACTORS, SPACED, DENSE, NUMPY = range(4)


def write_equation(equation: Equation) -> str:
    """``Y[ij] = X[ik] A[kj]``"""
    left = _target(equation.target)
    if equation.wrt:
        below = "".join(f"∂{_target(one)}" for one in equation.wrt)
        left = f"∂{'²' if len(equation.wrt) == 2 else ''}{left}/{below}"
    return f"{left} = {write(equation.right)}"


def _target(target: Target) -> str:
    annotated = any(bound.size for axis in target.axes for bound in axis.letters)
    return f"{target.name}[{(', ' if annotated else '').join(map(_axis, target.axes))}]"


def _axis(axis: Axis) -> str:
    return _bounds(axis.letters) if len(axis.letters) == 1 else f"({_bounds(axis.letters)})"


def _bounds(bound: Sequence[Bound]) -> str:
    texts = [one.letter + (f":{write(one.size, SUM, DENSE)}" if one.size else "") for one in bound]
    return (", " if any(one.size for one in bound) else "").join(texts)


def _binder(bound: Sequence[Bound]) -> str:
    letters = _bounds(bound)
    return f"_{{{letters}}}" if any(one.size for one in bound) else f"_{letters}"


def write(node: Node, binding: int = SUM, style: int = FACTORS) -> str:
    """The text of an expression, in brackets where it binds less tightly than ``binding``."""
    own, text = _written(node, style)
    return f"({text})" if own < binding else text


def _written(node: Node, style: int) -> tuple[int, str]:
    match node:
        case Number(value):
            return ATOM, repr(value)
        case Name(name):
            return ATOM, name
        case Indexed(name, slots):
            return ATOM, name + write_slots(slots)
        case Delta(Name(left), Name(right)):
            return ATOM, f"δ[{left}{right}]"
        case Delta(left, right):
            return ATOM, f"δ[{write(left, SUM, SPACED)} = {write(right, SUM, SPACED)}]"
        case SizeOf(letter):
            return ATOM, f"|{letter}|"
        case Unary(_, operand):
            return SUM, f"-{write(operand, POWER if _floors(operand) else PRODUCT, style)}"
        case Chain(_, operators) if operators[0] in "+-":
            return SUM, _sum(node, style)
        case Chain():
            return PRODUCT, _product(node, style)
        case Power(base, exponent):
            return POWER, f"{write(base, ATOM, style)}{'**' if style == NUMPY else '^'}{write(exponent, ATOM)}"
        case SumOver(bound, body):
            return PRODUCT, f"Σ{_binder(bound)} {write(body, PRODUCT)}"
        case Apply(name, bound, arguments, slots):
            binder = _binder(bound) if bound else ""
            inner = ", ".join(write(argument, SUM, style) for argument in arguments)
            return ATOM, f"{name}{binder}({inner}){write_slots(slots) if slots else ''}"
        case _:
            assert isinstance(node, Whole)
            return ATOM, _call(node.call) + write_slots(node.slots)


def _call(call: Call) -> str:
    return f"{write(call.function)}({', '.join(write(one, SUM, NUMPY) for one in call.arguments)})"


def write_slots(slots: Sequence[Node]) -> str:
    """``[ij]`` or ``[2*i+1, k]``"""
    bare = all(isinstance(slot, Name) and len(slot.name) == 1 for slot in slots)
    return f"[{('' if bare else ', ').join(write(slot, SUM, DENSE) for slot in slots)}]"


def _sum(node: Chain, style: int) -> str:
    first, *rest = node.operands
    gap = "" if style >= DENSE else " "
    # only the first term may have a sign of its own
    parts = [write(first, SUM if isinstance(first, Unary) else PRODUCT, style)]
    for operator, operand in zip(node.operators, rest, strict=True):
        parts.append(f"{gap}{operator}{gap}{write(operand, PRODUCT, style)}")
    return "".join(parts)


def _product(node: Chain, style: int) -> str:
    first, *rest = node.operands
    tight = isinstance(first, SumOver) or (_floors(first) and style == FACTORS)
    parts = [write(first, SUM if isinstance(first, Unary) else POWER if tight else PRODUCT, style)]
    before: Node = first
    for place, (operator, operand) in enumerate(zip(node.operators, rest, strict=True), start=1):
        last = place == len(rest) and operator == "*"
        text = write(operand, PRODUCT if last and isinstance(operand, SumOver) else POWER, style)
        parts.append(_joint(operator, before, operand, style, text) + text)
        before = operand
    return "".join(parts)


def _floors(node: Node) -> bool:
    return isinstance(node, Chain) and "//" in node.operators


def _joint(operator: str, before: Node, operand: Node, style: int, text: str) -> str:
    """What stands between two factors."""
    if operator == "//" or style >= DENSE:
        return operator
    name = before.operand if isinstance(before, Unary) else before
    if operator == "/":
        return "/" if isinstance(name, Number) and isinstance(operand, Number) else " / "
    if style == SPACED:
        return "*"
    # "max (x + y)" would be that function
    called = isinstance(name, Name) and len(name.name) > 1 and text.startswith("(")
    return " * " if called or isinstance(operand, Number) else " "
