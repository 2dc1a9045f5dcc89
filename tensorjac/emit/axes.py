"""Operations cut into blocks: which axes of its operands one axis of a value comes from, or a sum of it runs along."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Iterator, Mapping, Sequence

from ..arrays import Value
from ..terms import ONE
from .texts import is_elementwise

# For each operand the axis that is cut; None for those that are read whole.
Places = tuple[int | None, ...]

_CONDITION = re.compile(r"np\.where\(\{0\}, .*\)|\(\{0\} (>|>=|==|!=|&) (\{1\}|0)\)")
_EINSUM = re.compile(r'np\.einsum\("([a-zA-Z,]+)->([a-zA-Z]*)", [^"]*\)')
_TENSORDOT = re.compile(r"np\.tensordot\(\{0\}, \{1\}, axes=(.*)\)")
_CUMSUM = re.compile(r"np\.cumsum\(\{0\}, axis=(\d+)\)")
_EXTREME = re.compile(r"\{0\.\}\.(?:max|min)\(axis=(.*)\)")


def places(value: Value, axis: int) -> Places | None:
    """For each operand the axis that this axis of the value comes from; None where it cannot be cut along that."""
    if value.kind in ("multiply", "add", "subtract", "divide", "scale", "power", "floating"):
        return _aligned(value, axis)
    if value.kind == "transpose":
        return (value.detail[axis],)
    if value.kind == "expand":
        return (sum(value.detail[:axis]),) if value.detail[axis] else None
    if value.kind == "matmul":
        return _of_matmul(value, axis)
    if value.kind == "sum":
        return (_kept(value.args[0], value.detail)[axis],)
    return _of_call(value, axis) if value.kind == "call" else None


def _aligned(value: Value, axis: int) -> Places:
    return _broadcast(value.args, [axis - value.rank + arg.rank for arg in value.args])


def _of_matmul(value: Value, axis: int) -> Places:
    a, b = value.args
    rows, columns = a.rank > 1, b.rank > 1
    behind = axis - value.rank
    if columns and behind == -1:
        return None, b.rank - 1
    if rows and behind == -1 - columns:
        return a.rank - 2, None
    # a stack: its axes count from the matrices
    place = behind + rows + columns
    return _broadcast((a, b), [arg.rank - 2 + place if arg.rank > 1 else -1 for arg in (a, b)])


def _broadcast(values: Sequence[Value], axes: Sequence[int]) -> Places:
    """The axes, but for those that values do not have, or only for broadcasting."""
    return tuple(
        axis if axis >= 0 and value.shape[axis] is not ONE else None for value, axis in zip(values, axes, strict=True)
    )


def _of_call(value: Value, axis: int) -> Places | None:
    template: str = value.detail[0]
    if is_elementwise(value) or _CONDITION.fullmatch(template):
        return _aligned(value, axis)
    if template == "np.vecdot({0}, {1})":
        return tuple(axis if arg.shape[axis] is not ONE else None for arg in value.args)
    found = _CUMSUM.fullmatch(template)
    if found:
        return None if int(found[1]) == axis else (axis,)
    found = _EXTREME.fullmatch(template)
    if found:
        return (_kept(value.args[0], _listed(literal_eval(found[1])))[axis],)
    if template.startswith("np.tensordot("):
        return _of_tensordot(value, axis)
    found = _EINSUM.fullmatch(template)
    if found:
        letters = found[1].split(",")
        letter = found[2][axis]
        if any(text.count(letter) > 1 for text in letters):
            return None
        return tuple(text.index(letter) if letter in text else None for text in letters)
    return None


def _of_tensordot(value: Value, axis: int) -> Places:
    left, right = (_kept(arg, summed) for arg, summed in zip(value.args, dotted(value), strict=True))
    return (left[axis], None) if axis < len(left) else (None, right[axis - len(left)])


def dotted(value: Value) -> list[list[int]]:
    """The axes of both operands that ``np.tensordot`` sums over; none for another operation."""
    found = _TENSORDOT.fullmatch(value.detail[0]) if value.kind == "call" else None
    return [_listed(axes) for axes in literal_eval(found[1])] if found else []


def _listed(axes: int | Sequence[int]) -> list[int]:
    """Axes of which one may be written without brackets."""
    return [axes] if isinstance(axes, int) else list(axes)


def _kept(value: Value, summed: Sequence[int]) -> list[int]:
    return [k for k in range(value.rank) if k not in summed]


def summed(value: Value) -> Iterator[Places]:
    """The axes of the operands along each index that the operation sums over: blocks of these add up to the value."""
    if value.kind == "sum":
        yield from ((axis,) for axis in value.detail)
    if value.kind == "matmul":
        a, b = value.args
        yield a.rank - 1, max(b.rank - 2, 0)
    if value.kind != "call":
        return
    template: str = value.detail[0]
    yield from zip(*dotted(value), strict=True)
    if template == "np.vdot({0}, {1})":
        yield from ((axis, axis) for axis in range(value.args[0].rank))
    if template == "np.vecdot({0}, {1})":
        yield value.rank, value.rank
    found = _EINSUM.fullmatch(template)
    if found:
        letters = found[1].split(",")
        for letter in sorted({*found[1]} - {*found[2], ","}):
            if all(text.count(letter) <= 1 for text in letters):
                yield tuple(text.index(letter) if letter in text else None for text in letters)


def repeated(cut: Mapping[int, tuple[Value, Places]], texts: Mapping[int, str], rows: str) -> dict[int, Value]:
    """The operations on one block, operands first: ``texts`` is what else they read, ``rows`` the slice."""
    done: dict[int, Value] = {}
    for key, (value, below) in cut.items():
        args = []
        for arg, place in zip(value.args, below, strict=True):
            known = arg if arg.kind == "scalar" else done.get(id(arg))
            args.append(known or _read(arg, texts[id(arg)], place, rows))
        done[key] = Value(value.kind, tuple(args), value.detail, value.shape, value.mask, value.hint)
    return done


def _read(value: Value, text: str, axis: int | None, rows: str) -> Value:
    """A part of what has been computed, by its name."""
    whole = Value("name", (), text, value.shape, value.mask)
    whole.weak = value.weak
    if axis is None:
        return whole
    return Value("select", (whole,), (*[":"] * axis, rows), value.shape, value.mask)
