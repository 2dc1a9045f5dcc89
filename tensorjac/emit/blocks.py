"""Large results computed in blocks along one axis, so that no temporary is as large as they are.

What is added up to a result, or goes through several arrays of its size, would need its memory several times over. In
blocks, temporaries are as small as these, and stay in the cache besides.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..arrays import FREE, Value, Write
from ..plan import Costs, Program, computed
from ..terms import ONE
from .texts import is_elementwise, is_storable, owns_memory

# From this many elements on, a result is computed in blocks, each of so many elements at most.
LARGE, BLOCK = 2**18, 2**15
# A product of matrices loses where one of them is cut into pieces of fewer rows than these, but more than so many.
ROWS, PIECES = 128, 12
# Temporaries of less than this share of the result do not count.
SHARE = 16

_CONDITION = re.compile(r"np\.where\(\{0\}, .*\)|\(\{0\} (>|>=|==|!=|&) (\{1\}|0)\)")
_EINSUM = re.compile(r'np\.einsum\("([a-zA-Z,]+)->([a-zA-Z]*)", [^"]*\)')
_TENSORDOT = re.compile(r"np\.tensordot\(\{0\}, \{1\}, axes=(.*)\)")
_CUMSUM = re.compile(r"np\.cumsum\(\{0\}, axis=(\d+)\)")
_RESHAPE = "{0.}.reshape("


@dataclass(frozen=True, eq=False)
class Blocks:
    """A value to be computed in blocks of ``step`` along one axis: ``cut`` are the operations repeated for each.

    Each of these comes after its operands, with the axis that is cut; what else they read is computed before.
    """

    value: Value
    axis: int
    step: int
    cut: Mapping[int, tuple[Value, int]]

    def block(self, texts: Mapping[int, str], rows: str) -> Value:
        """The value of one block, ``texts`` being what is read, and ``rows`` the slice."""
        done: dict[int, Value] = {}
        for key, (value, axis) in self.cut.items():
            args = []
            for arg, place in zip(value.args, _places(value, axis) or (), strict=True):
                if id(arg) in done:
                    args.append(done[id(arg)])
                    continue
                args.append(_read(arg, texts[id(arg)], place, rows) if arg.kind != "scalar" else arg)
            done[key] = Value(value.kind, tuple(args), value.detail, value.shape, value.mask, value.hint)
        return done[id(self.value)]


def _read(value: Value, text: str, axis: int | None, rows: str) -> Value:
    """A part of what has been computed, by its name."""
    whole = Value("name", (), text, value.shape, value.mask)
    whole.weak = value.weak
    if axis is None:
        return whole
    return Value("select", (whole,), (*[":"] * axis, rows), value.shape, value.mask)


def in_blocks(program: Program) -> Program:
    """The same program, with large results computed in blocks where that saves memory."""
    if not program.costs.tuned or not any(program.costs.elements(v.shape) >= LARGE for v in program.outputs):
        return program
    users = Counter(map(id, program.outputs))
    users.update(id(arg) for value in computed(program.outputs) for arg in value.args)
    found = _Cutting(program.costs, users)
    return Program([found.result(value) for value in program.outputs], program.costs)


@dataclass(frozen=True)
class _Cutting:
    """How results are cut into blocks; ``users`` counts where each value is read."""

    costs: Costs
    users: Counter[int]

    def result(self, value: Value) -> Value:
        """A result, or what it is a reshape of, written block by block where one array is not enough for it."""
        if self.costs.elements(value.shape) < LARGE or self.users[id(value)] > 1:
            return value
        if value.kind == "call" and value.detail[0].startswith(_RESHAPE):
            (inner,) = value.args
            cut = self.result(inner)
            return value if cut is inner else _with_args(value, (cut,))
        if value.kind == "filled":
            return self._filled(value)
        blocks = self._blocks(value, value, spare=1)
        if blocks is None:
            return value
        write = (Write("{out}[...]", False),)
        return Value("filled", (blocks,), (value.shape, "empty", write), value.shape, hint=value.hint)

    def _filled(self, value: Value) -> Value:
        """Written values in blocks; what is stored where it belongs needs no memory of its own."""
        dims, base, writes = value.detail
        args = []
        for write, arg in zip(writes, value.args, strict=True):
            plain = write.walk is None and not write.target.startswith("{add}") and self.users[id(arg)] == 1
            spare = int(not write.adds and is_storable(arg, self.costs))
            args.append((self._blocks(arg, value, spare) if plain else None) or arg)
        if args[0].kind == "blocks" and writes[0] == Write("{out}[...]", False) and args[0].rank == len(dims):
            base = "empty"
        return Value("filled", tuple(args), (dims, base, writes), value.shape, hint=value.hint)

    def _blocks(self, value: Value, result: Value, spare: int) -> Value | None:
        """The value in blocks; None where it takes no more than ``spare`` arrays that count beside the result."""
        least = self.costs.elements(result.shape) / SHARE
        whole, best = self._arrays(value, least), None
        turned = value is result and self._is_turned(value, least)
        if len(whole) <= spare and not (whole and turned):
            return None
        most = sum(whole)
        for axis in sorted(range(value.rank), key=lambda k: -self._extent(value, k)):
            cut = self._cut(value, axis, least)
            inside = [each for each, _ in cut.values() if owns_memory(each)]
            left = sum(self._arrays(value, least, set(cut)))
            if len(inside) > spare and left < most:
                most, best = left, (axis, cut)
        if best is None:
            return None
        axis, cut = best
        read = {id(arg): arg for each, _ in cut.values() for arg in each.args if id(arg) not in cut}
        blocks = Blocks(value, axis, self._step(value, axis, cut), cut)
        leaves = [arg for arg in read.values() if arg.kind != "scalar"]
        return Value("blocks", tuple(leaves), blocks, value.shape, hint=value.hint)

    def _step(self, value: Value, axis: int, cut: Mapping[int, tuple[Value, int]]) -> int:
        """How much of the axis a block holds: so little that all arrays made for it take a share of the result."""
        size, extent = self.costs.elements(value.shape), self._extent(value, axis)
        made = sum(owns_memory(each) for each, _ in cut.values())
        rows = max((ROWS / self._others(each, place) for each, place in cut.values()), default=0)
        return max(int(extent * min(BLOCK / size, 2 / SHARE / (made + 1))), int(min(rows, extent / PIECES)), 1)

    def _extent(self, value: Value, axis: int) -> float:
        return self.costs.elements(value.shape[axis : axis + 1])

    def _others(self, value: Value, axis: int) -> float:
        """How many rows of a matrix in a product belong to one place of the axis that is cut; many in other values."""
        if value.kind == "matmul":
            a, b = value.args
            return 1 if axis >= value.rank - (a.rank > 1) - (b.rank > 1) else ROWS
        found = _TENSORDOT.fullmatch(value.detail[0]) if value.kind == "call" else None
        if found is None:
            return ROWS
        left = value.args[0].rank - len(_both(found[1])[0])
        side = value.shape[:left] if axis < left else value.shape[left:]
        return self.costs.elements(side) / self._extent(value, axis)

    def _arrays(self, value: Value, least: float, cut: set[int] | None = None) -> list[float]:
        """The sizes of the arrays that count and are made for a value; ``cut`` are those that are made in blocks.

        An elementwise operation takes over the memory of an operand.
        """
        found: dict[int, float] = {}
        waiting, seen = [value], set[int]()
        while waiting:
            each = waiting.pop()
            if id(each) in seen or (each.kind not in FREE and self.costs.elements(each.shape) < least):
                continue
            seen.add(id(each))
            waiting.extend(each.args)
            if not owns_memory(each) or (cut and id(each) in cut):
                continue
            if not (is_elementwise(each) and any(self._taken(arg, each) for arg in each.args)):
                found[id(each)] = self.costs.elements(each.shape)
        return list(found.values())

    def _taken(self, value: Value, by: Value) -> bool:
        return owns_memory(value) and not value.mask and value.shape == by.shape and self.users[id(value)] == 1

    def _is_turned(self, value: Value, least: float) -> bool:
        """Whether the array would not lie in C order, because one that it is made of is read with its axes turned."""
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if self.costs.elements(each.shape) < least:
                continue
            if each.kind == "transpose":
                return True
            if is_elementwise(each) or each.kind in FREE:
                waiting.extend(each.args)
        return False

    def _cut(self, value: Value, axis: int, least: float) -> dict[int, tuple[Value, int]]:
        """The operations below a value that can be cut along an axis of it, each with its own axis, operands first.

        One that is read elsewhere, or along another axis, too, is computed whole.
        """
        if value.shape[axis] is ONE:
            return {}
        asked: dict[int, list[int | None]] = {id(value): [axis]}
        found: dict[int, tuple[Value, int]] = {}
        for each in reversed(computed([value])):
            places = asked.get(id(each), [])
            if not places or len(places) < self.users[id(each)] or len(set(places)) > 1 or places[0] is None:
                continue
            small = self.costs.elements(each.shape) * SHARE < least and each.kind not in FREE
            below = None if small else _places(each, places[0])
            if below is None:
                continue
            found[id(each)] = (each, places[0])
            for arg, place in zip(each.args, below, strict=True):
                asked.setdefault(id(arg), []).append(place)
        return dict(reversed(found.items()))


def _with_args(value: Value, args: tuple[Value, ...]) -> Value:
    return Value(value.kind, args, value.detail, value.shape, value.mask, value.hint)


# Which axis of each operand is the one that is cut; None for those that are read whole -----------------------------


def _places(value: Value, axis: int) -> tuple[int | None, ...] | None:
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
        (arg,) = value.args
        return ([k for k in range(arg.rank) if k not in value.detail][axis],)
    return _of_call(value, axis) if value.kind == "call" else None


def _aligned(value: Value, axis: int) -> tuple[int | None, ...]:
    places = [axis - value.rank + arg.rank for arg in value.args]
    return tuple(
        place if place >= 0 and arg.shape[place] is not ONE else None
        for place, arg in zip(places, value.args, strict=True)
    )


def _of_matmul(value: Value, axis: int) -> tuple[int | None, ...]:
    a, b = value.args
    rows, columns = a.rank > 1, b.rank > 1
    behind = axis - value.rank
    if columns and behind == -1:
        return None, b.rank - 1
    if rows and behind == -1 - columns:
        return a.rank - 2, None
    # a stack: its axes count from the matrices
    place = behind + rows + columns
    places = [arg.rank - 2 + place if arg.rank > 1 else -1 for arg in (a, b)]
    return tuple(
        place if place >= 0 and arg.shape[place] is not ONE else None for place, arg in zip(places, (a, b), strict=True)
    )


def _of_call(value: Value, axis: int) -> tuple[int | None, ...] | None:
    template: str = value.detail[0]
    if is_elementwise(value) or _CONDITION.fullmatch(template):
        return _aligned(value, axis)
    if template == "np.vecdot({0}, {1})":
        return tuple(axis if arg.shape[axis] is not ONE else None for arg in value.args)
    found = _CUMSUM.fullmatch(template)
    if found:
        return None if int(found[1]) == axis else (axis,)
    found = _TENSORDOT.fullmatch(template)
    if found:
        return _of_tensordot(value, axis, _both(found[1]))
    found = _EINSUM.fullmatch(template)
    if found:
        letters = found[1].split(",")
        letter = found[2][axis]
        if any(text.count(letter) > 1 for text in letters):
            return None
        return tuple(text.index(letter) if letter in text else None for text in letters)
    return None


def _both(axes: str) -> list[list[int]]:
    """The axes of both operands that a product sums over, one of each written without brackets."""
    return [[each] if isinstance(each, int) else each for each in literal_eval(axes)]


def _of_tensordot(value: Value, axis: int, summed: Sequence[Sequence[int]]) -> tuple[int | None, ...]:
    left, right = ([k for k in range(arg.rank) if k not in s] for arg, s in zip(value.args, summed, strict=True))
    return (left[axis], None) if axis < len(left) else (None, right[axis - len(left)])
