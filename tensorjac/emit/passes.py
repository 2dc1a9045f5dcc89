"""Sums over large temporaries computed in passes along one axis, block by block, so that these are never there whole.

What several sums read is computed once in a pass for all of them; what a later pass needs again, once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..arrays import FREE, Value
from ..dims import Dim
from ..plan import Costs, Program, computed
from ..terms import ONE
from .axes import Places, places, repeated, summed
from .texts import owner

# A block has so many rows, even if arrays that are made for it then have more elements, if that is so small a share.
ROWS, SHARE = 128, 8
# Passes may compute so many times as much as the plain program: what is needed again is computed again.
AGAIN = 3
# More sums than these are left as they are: which go into one pass is found by comparing all.
MANY = 100


@dataclass(frozen=True)
class Cut:
    """One way to compute a sum in blocks: the operations repeated for each, and the axis along which all are cut."""

    value: Value
    axis: int | None  # that of the value itself; None where blocks are added up
    dim: Dim
    parts: Mapping[int, tuple[Value, Places]]
    axes: Mapping[int, int]  # that of each large array

    def agrees(self, axes: Mapping[int, int], dim: Dim) -> bool:
        """Whether some array is cut as it is for others, and none in another way."""
        shared = [key for key in self.axes if key in axes]
        return self.dim is dim and bool(shared) and all(axes[key] == self.axes[key] for key in shared)


@dataclass(eq=False)
class Pass:
    """Sums computed together, and the operations repeated for each block, operands first.

    ``axes`` are those along which arrays are cut, the sums that are not added up among them; ``reads`` are the other
    values that are read, as they were before, each in the place of what it has become.
    """

    dim: Dim
    step: int = 1
    sums: list[tuple[Value, int | None]] = field(default_factory=list)
    parts: dict[int, tuple[Value, Places]] = field(default_factory=dict)
    axes: dict[int, int] = field(default_factory=dict)
    reads: list[Value] = field(default_factory=list)

    def lacking(self, cut: Cut) -> list[Value]:
        """What a sum reads that is not made in the blocks of this pass."""
        read = ((arg, at) for value, below in cut.parts.values() for arg, at in zip(value.args, below, strict=True))
        found = {id(arg): arg for arg, at in read if arg.kind != "scalar" and self.axes.get(id(arg), -1) != at}
        return [value for key, value in found.items() if key not in cut.axes]

    def add(self, cut: Cut) -> None:
        known = set(map(id, self.reads))
        self.reads += [value for value in self.lacking(cut) if id(value) not in known]
        self.sums.append((cut.value, cut.axis))
        self.parts |= cut.parts
        self.axes |= cut.axes
        if cut.axis is not None:
            self.axes[id(cut.value)] = cut.axis

    def blocks(self, texts: Mapping[int, str], rows: str) -> list[Value]:
        """What one block gives to each of the sums."""
        done = repeated(self.parts, texts, rows)
        return [done[id(value)] for value, _ in self.sums]


def in_passes(program: Program, least: float, block: float) -> Program:
    """The same program, sums over arrays of more elements than ``least`` computed in passes by blocks of this size."""
    order = computed(program.outputs)
    found = _Passes(program.costs, least, block, {id(value) for value in program.outputs})
    ways = {id(value): cuts for value in order if (cuts := list(found.cuts(value)))}
    if not 0 < len(ways) <= MANY:
        return program
    made = found.rebuilt(order, ways)
    outputs = [made[id(value)] for value in program.outputs]
    return Program(outputs, program.costs) if found.work(computed(outputs)) <= AGAIN * found.work(order) else program


@dataclass(frozen=True)
class _Passes:
    """How sums are cut; ``kept`` are the results, which are there as a whole."""

    costs: Costs
    least: float
    block: float
    kept: set[int]
    begun: list[Value] = field(default_factory=list)

    def _is_large(self, value: Value) -> bool:
        made = owner(value).kind not in FREE and id(value) not in self.kept
        return made and self.costs.elements(value.shape) > self.least

    def cuts(self, value: Value) -> Iterator[Cut]:
        """The ways to compute a small value of large ones in blocks; to add up blocks takes a second array."""
        if value.kind in FREE or self._is_large(value) or not any(map(self._is_large, value.args)):
            return
        for axis in range(value.rank):
            below = places(value, axis) if value.shape[axis] is not ONE else None
            if below is not None:
                yield from self._cut(value, axis, below)
        if self.costs.elements(value.shape) <= self.least:
            for below in summed(value):
                yield from self._cut(value, None, below)

    def _cut(self, value: Value, axis: int | None, below: Places) -> Iterator[Cut]:
        """The operations below a value that are cut; none where something large would be read as a whole."""
        parts, axes = {id(value): (value, below)}, dict[int, int]()
        waiting = list(zip(value.args, below, strict=True))
        while waiting:
            arg, at = waiting.pop()
            if not self._is_large(arg) or axes.get(id(arg), -1) == at:
                continue
            inner = places(arg, at) if at is not None and id(arg) not in axes else None
            if at is None or inner is None:
                return
            axes[id(arg)] = at
            parts[id(arg)] = (arg, inner)
            waiting.extend(zip(arg.args, inner, strict=True))
        yield Cut(value, axis, _extent(value, below), parts, axes)

    def rebuilt(self, order: Sequence[Value], ways: Mapping[int, list[Cut]]) -> dict[int, Value]:
        """Every value as it becomes where sums are computed in passes."""
        made: dict[int, Value] = {}
        for value in order:
            if id(value) in ways:
                made[id(value)] = self._summed(ways[id(value)], made, ways)
                continue
            args = tuple(made[id(arg)] for arg in value.args)
            same = all(one is other for one, other in zip(args, value.args, strict=True))
            made[id(value)] = value if same else remade(value, args)
        positions = {id(value): k for k, value in enumerate(order)}
        for begun in self.begun:
            each: Pass = begun.detail
            each.parts = dict(sorted(each.parts.items(), key=lambda item: positions[item[0]]))
            each.step = self._step(each)
        return made

    def _summed(self, cuts: Sequence[Cut], made: Mapping[int, Value], ways: Mapping[int, list[Cut]]) -> Value:
        """A sum as a result of a pass that has been begun, or of a new one."""
        fitting = ((each, cut) for each in self.begun for cut in cuts if self._joins(each, cut, made))
        found = next(fitting, None)
        if found is None:
            cut = max(cuts, key=lambda cut: self._rating(cut, ways))
            self.begun.append(Value("pass", (), Pass(cut.dim), ()))
            found = self.begun[-1], cut
        each, cut = found
        into: Pass = each.detail
        into.add(cut)
        each.args = tuple(made[id(value)] for value in into.reads)
        return Value("passed", (each,), len(into.sums) - 1, cut.value.shape, hint=cut.value.hint)

    def _joins(self, begun: Value, cut: Cut, made: Mapping[int, Value]) -> bool:
        """Whether a sum can be computed in a pass: nothing that it reads comes out of that only in the end."""
        into: Pass = begun.detail
        if not cut.agrees(into.axes, into.dim):
            return False
        return begun not in computed([made[id(value)] for value in into.lacking(cut)])

    def _rating(self, cut: Cut, ways: Mapping[int, list[Cut]]) -> tuple[int, int, bool]:
        """How many other sums could go into the same pass; then rows go before columns, and what is added up last."""
        others = sum(any(way.agrees(cut.axes, cut.dim) for way in cuts) for cuts in ways.values())
        return others, -sum(cut.axes.values()), cut.axis is not None

    def _step(self, each: Pass) -> int:
        """How much of the axis a block holds."""
        extent = self.costs.elements((each.dim,))
        made = [value for key, (value, _) in each.parts.items() if key in each.axes]
        most = max(self.costs.elements(value.shape) for value in made) / extent
        return max(int(self.block / most), min(ROWS, int(self.least / SHARE / most)), 1)

    def work(self, values: Sequence[Value]) -> float:
        """How many elements operations write, those of sums as often as something is added."""
        total = 0.0
        for value in values:
            if value.kind == "pass":
                total += self.work([part for part, _ in value.detail.parts.values()])
            elif value.kind not in FREE:
                along = [_extent(value, below) for below in summed(value)]
                total += self.costs.elements((*value.shape, *along))
        return total


def _extent(value: Value, below: Places) -> Dim:
    """The size of the operands' axes at these places."""
    return next(arg.shape[at] for arg, at in zip(value.args, below, strict=True) if at is not None)


def remade(value: Value, args: tuple[Value, ...]) -> Value:
    """The same operation on other operands."""
    made = Value(value.kind, args, value.detail, value.shape, value.mask, value.hint)
    made.first = value.first
    return made
