"""Large results computed in blocks along one axis, so that no temporary is as large as they are.

What is added up to a result, or goes through several arrays of its size, would need its memory several times over. In
blocks, temporaries are as small as these, and stay in the cache besides.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ..arrays import FREE, Value, Write
from ..dims import Dim
from ..plan import Costs, Program, computed
from ..terms import ONE
from .axes import dotted, places, repeated
from .passes import in_passes, remade
from .peaks import peak
from .squares import Square, weighted
from .texts import is_elementwise, is_storable, owns_memory

# From this many elements on, a result is computed in blocks, arrays made for each of so many elements at most.
LARGE, BLOCK = 2**18, 2**15
# A product of matrices loses where one of them is cut into pieces of fewer rows than these, but four at least.
ROWS, PIECES = 256, 4
# Where memory counts more than time, a block of a product of an array with itself is this share of the columns, if
# there are so many.
TENTH, FEWEST = 10, 2**7
# What a block takes beside inputs and result is less than this share of both.
BESIDE = 12
# Not more arrays than these are made for a block and needed at once, as a rule.
ALIVE = 8
# Temporaries of less than this share of the result do not count.
SHARE = 16
# Passes over large temporaries must bring the memory down to less than this.
WORTH = 0.8

# What is written into all of a result.
WHOLE = Write("{out}[...]", False)

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
        cut = {key: (value, places(value, axis) or ()) for key, (value, axis) in self.cut.items()}
        return repeated(cut, texts, rows)[id(self.value)]


def in_blocks(program: Program, sparing: bool = False, room: float | None = None) -> Program:
    """The same program, with large arrays computed in blocks where that saves memory; ``sparing`` may cost time.

    ``room`` is how many elements arrays should take beside the results; without it, a share of arguments and results.
    """
    costs = program.costs
    arrays = [value for value in computed(program.outputs) if value.kind != "scalar"]
    large, block = (LARGE, BLOCK) if room is None else (min(LARGE, room / PIECES), min(BLOCK, room / ALIVE))
    if not costs.tuned or not any(costs.elements(value.shape) >= large for value in arrays):
        return program
    found = _cut(program, sparing, large, block)
    results = sum(costs.elements(value.shape) for value in program.outputs)
    least = large
    if room is None:
        inputs = sum(costs.elements(value.shape) for value in arrays if value.kind == "name")
        least = room = max((results + inputs) / SHARE, LARGE - results)
    most = peak(found)
    if most <= results + room:
        return found
    other = _cut(in_passes(program, least, block), sparing, large, block)
    return other if peak(other) < WORTH * most else found


def blocks_of(program: Program) -> int:
    """How many blocks a program computes one after the other; 1 where it does everything at once."""
    found = 0
    for value in computed(program.outputs):
        each = value.detail
        if value.kind == "pass":
            found += math.ceil(program.costs.elements((each.dim,)) / each.step)
        elif value.kind == "blocks":
            axis, step = (0, each.columns) if isinstance(each, Square) else (each.axis, Dim.of(each.step))
            found += math.ceil(program.costs.elements(value.shape[axis : axis + 1]) / program.costs.elements((step,)))
    return max(found, 1)


def _cut(program: Program, sparing: bool, large: float, block: float) -> Program:
    """The same program, with large results computed in blocks."""
    costs, order = program.costs, computed(program.outputs)
    users = Counter(map(id, program.outputs))
    users.update(id(arg) for value in order for arg in value.args)
    inputs = sum(costs.elements(value.shape) for value in order if value.kind == "name")
    found = _Cutting(costs, users, inputs, sparing, large, block)
    return Program([found.result(value) for value in program.outputs], program.costs)


@dataclass(frozen=True)
class _Cutting:
    """How results are cut into blocks; ``users`` counts where each value is read, ``inputs`` what is given.

    Results of ``large`` elements are, so that arrays made for a block have about ``block`` elements each.
    """

    costs: Costs
    users: Counter[int]
    inputs: float
    sparing: bool
    large: float
    block: float

    def result(self, value: Value) -> Value:
        """A result, or what it is a reshape of, written block by block where one array is not enough for it."""
        if self.users[id(value)] > 1 or not (self.sparing or self.costs.elements(value.shape) >= self.large):
            return value
        if value.kind == "call" and value.detail[0].startswith(_RESHAPE):
            (inner,) = value.args
            cut = self.result(inner)
            return value if cut is inner else remade(value, (cut,))
        large = self.costs.elements(value.shape) >= self.large
        if value.kind == "filled":
            return self._filled(value) if large else value
        blocks = self._square(value) or (self._blocks(value, value, spare=1) if large else None)
        if blocks is None:
            return value
        return Value("filled", (blocks,), (value.shape, "empty", (WHOLE,)), value.shape, hint=value.hint)

    def _filled(self, value: Value) -> Value:
        """Written values in blocks; what is stored where it belongs needs no memory of its own."""
        dims, base, writes = value.detail
        args = []
        for write, arg in zip(writes, value.args, strict=True):
            plain = write.walk is None and not write.target.startswith("{add}") and self.users[id(arg)] == 1
            spare = int(not write.adds and is_storable(arg, self.costs))
            square = self._square(arg) if plain and write == WHOLE and arg.rank == len(dims) else None
            args.append(square or (self._blocks(arg, value, spare) if plain else None) or arg)
        if args[0].kind == "blocks" and writes[0] == WHOLE and args[0].rank == len(dims):
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

    def _square(self, value: Value) -> Value | None:
        """A product of an array with itself, weighted, half of it in blocks; None where these would take too long."""
        found = weighted(value)
        if found is None:
            return None
        (array, _), size = found, self.costs.elements(value.shape)
        columns = None
        if size >= self.large and (self.inputs + size) / BESIDE >= ROWS * self._extent(array, 0):
            columns = Dim.of(ROWS)
        elif self.sparing and self.costs.elements(array.shape) >= self.large and self._extent(array, 1) >= FEWEST:
            columns = array.shape[1] // TENTH
        return Value("blocks", found, Square(columns), value.shape, hint=value.hint) if columns else None

    def _step(self, value: Value, axis: int, cut: Mapping[int, tuple[Value, int]]) -> int:
        """How much of the axis a block holds: so little that all arrays made for it take a share of the result."""
        size, extent = self.costs.elements(value.shape), self._extent(value, axis)
        made = sum(owns_memory(each) for each, _ in cut.values())
        rows = max((ROWS / self._others(each, place) for each, place in cut.values()), default=0)
        # a product is written where it belongs
        beside = max(made - (value.kind == "matmul"), 1)
        share = min((self.inputs / size + 1) / BESIDE / beside, 1 / PIECES)
        return max(int(extent * min(self.block / size, 2 / SHARE / (made + 1))), int(min(rows, extent * share)), 1)

    def _extent(self, value: Value, axis: int) -> float:
        return self.costs.elements(value.shape[axis : axis + 1])

    def _others(self, value: Value, axis: int) -> float:
        """How many rows of a matrix in a product belong to one place of the axis that is cut; many in other values."""
        if value.kind == "matmul":
            a, b = value.args
            return 1 if axis >= value.rank - (a.rank > 1) - (b.rank > 1) else ROWS
        sides = dotted(value)
        if not sides:
            return ROWS
        left = value.args[0].rank - len(sides[0])
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
            wanted = asked.get(id(each), [])
            if not wanted or len(wanted) < self.users[id(each)] or len(set(wanted)) > 1 or wanted[0] is None:
                continue
            small = self.costs.elements(each.shape) * SHARE < least and each.kind not in FREE
            below = None if small else places(each, wanted[0])
            if below is None:
                continue
            found[id(each)] = (each, wanted[0])
            for arg, place in zip(each.args, below, strict=True):
                asked.setdefault(id(arg), []).append(place)
        return dict(reversed(found.items()))
