"""Memory limits held: routines that go through the parts of a problem, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import log, prod
from textwrap import indent
from typing import Any

import numpy as np

from ..calls import free_name
from ..errors import UnsupportedError
from .calibration import model
from .cutting import Axes, Cut, cuts
from .meter import Cost, Operation, Shape, Within
from .problem import Problem, Routine

# What a strategy makes of a problem, here always a routine; UnsupportedError where it makes none.
Make = Callable[[Problem], Any]
Fit = Callable[[Cut, Make, float], "Sliced | None"]

# How often the size of a part is corrected by what the part before would need.
TRIALS = 6


@dataclass(frozen=True)
class Sliced(Routine):
    """A routine that is called for part after part of a problem, and another for what may be left over."""

    cut: Cut = field(kw_only=True)
    each: tuple[int, Routine] = field(kw_only=True)
    rest: tuple[int, Routine] | None = field(kw_only=True)

    @classmethod
    def of(cls, cut: Cut, size: int, make: Make) -> Sliced:
        """Parts of at most this size, all alike but perhaps the last."""
        size = -(-cut.size // -(-cut.size // size))
        left = cut.size % size
        each = size, make(cut.at(size))
        rest = (left, make(cut.at(left))) if left else None
        scope = {**each[1].scope, **(rest[1].scope if rest else {})}
        order = each[1].order
        return cls(_text(cut, each, rest), scope, order, cut=cut, each=each, rest=rest)

    @property
    def slices(self) -> int:
        """How many parts there are, parts of parts counted for themselves."""
        return sum(count * (part.slices if isinstance(part, Sliced) else 1) for count, _, part in self._parts())

    def _parts(self) -> Iterator[tuple[int, int, Routine]]:
        """How often there is a part, its size, and its routine."""
        size, routine = self.each
        yield self.cut.size // size, size, routine
        if self.rest:
            yield 1, *self.rest

    def cost(self, shapes: Sequence[Shape], dtype: Any = np.float64) -> Cost:
        """What every part costs, and what it costs to put their gradients together."""
        cut = self.cut
        entries = prod(cut.problem.inputs[cut.problem.wrt])
        held = float(entries * np.dtype(dtype).itemsize)
        operations = [] if self.cut.fills else [Operation("zeros", 0, 0, held, held)]
        largest, peak = held, 0.0
        for count, size, routine in self._parts():
            cost = routine.cost(self._shapes(shapes, size), dtype)
            operations += [replace(each, times=count * each.times) for each in cost.operations]
            operations.append(self._joining(held, size, count, entries))
            largest, peak = max(largest, cost.largest), max(peak, cost.peak)
        return Cost(tuple(operations), largest, held + peak)

    def _joining(self, held: float, size: int, count: int, entries: int) -> Operation:
        """A part of the gradient written where it stands, or added to all."""
        if not self.cut.into:
            return Operation("elementwise", entries, 2 * held, held, times=count)
        part = held * (size / self.cut.size) ** len(self.cut.into)
        return Operation("copy", 0, part, part, times=count)

    def _shapes(self, shapes: Sequence[Shape], size: int) -> list[Shape]:
        """The shapes of a part's arguments."""
        cut = self.cut
        constants = {name: np.shape(array) for name, array in cut.problem.function.constants.items()}
        known: dict[str, Shape] = {**constants, **dict(zip(cut.problem.inputs, shapes, strict=True))}
        return [_within(known[source], axes, size) for source, axes in cut.reads]


def _within(shape: Shape, axes: Axes, size: int) -> Shape:
    if not axes:
        return shape
    whole, given = (shape.whole, shape.shape) if isinstance(shape, Within) else (tuple(shape), shape)
    return Within(tuple(size if k in axes else n for k, n in enumerate(given)), whole)


def _text(cut: Cut, each: tuple[int, Routine], rest: tuple[int, Routine] | None) -> str:
    """The source that goes through the parts: ``each``, and ``rest`` at the end."""
    variables = list(cut.problem.variables.values())
    taken = {*variables, *cut.problem.function.constants, "np", "math"}
    gradient, part, start, first, last = (
        free_name(name, taken) for name in ("gradient", "part", "start", "of_part", "of_rest")
    )
    assign = "=" if cut.into else "+="
    target, arguments = cut.target(gradient, part), ", ".join(cut.arguments(part))
    size, routine = each
    end = cut.size - cut.size % size
    shape = cut.problem.inputs[cut.problem.wrt]
    lines = [
        f"{gradient} = np.{'empty' if cut.fills else 'zeros'}({shape}, dtype=np.result_type({', '.join(variables)}))",
        f"for {start} in range(0, {end}, {size}):",
        f"    {part} = slice({start}, {start} + {size})",
        f"    {target} {assign} {first}({arguments})",
    ]
    texts = [_nested(routine, first)]
    if rest:
        texts.append(_nested(rest[1], last))
        lines += [f"{part} = slice({end}, {cut.size})", f"{target} {assign} {last}({arguments})"]
    body = indent("\n".join([*lines, f"return {gradient}"]), "    ")
    return "\n\n".join([*texts, f"def contraction({', '.join(variables)}):\n{body}\n"])


def _nested(routine: Routine, name: str) -> str:
    """The source of a routine inside a function of this name, so that it keeps its names to itself."""
    arguments = routine.text.rpartition(f"def {routine.name}(")[2].partition(")")[0]
    call = f"return {routine.name}({arguments})"
    return f"def {name}({arguments}):\n{indent(routine.text.rstrip(), '    ')}\n\n    {call}\n"


# Which index, and how many parts


def fitted(problem: Problem, make: Make, room: float) -> Sliced | None:
    """The problem in slices that need at most ``room`` bytes besides the arguments; None where none are small enough.

    Of all indices that can be cut the one whose slices are predicted to be fastest; where one index is not enough, its
    slices of size 1 are cut in turn.
    """
    room -= problem.bytes(problem.wrt)
    for fit in (_once, _twice):
        found = [sliced for cut in cuts(problem) if room > 0 and (sliced := _applied(fit, cut, make, room)) is not None]
        if found:
            return min(found, key=lambda sliced: model().seconds(problem.cost(sliced), problem.itemsize))
    return None


def _applied(fit: Fit, cut: Cut, make: Make, room: float) -> Sliced | None:
    try:
        return fit(cut, make, room)
    except UnsupportedError:
        return None  # the strategy does not apply to a part


def _once(cut: Cut, make: Make, room: float) -> Sliced | None:
    size = _largest(cut, make, room)
    return Sliced.of(cut, size, make) if size else None


def _twice(cut: Cut, make: Make, room: float) -> Sliced | None:
    """Parts of size 1, each in slices."""
    inner = fitted(cut.at(1), make, room)
    return None if inner is None else Sliced.of(cut, 1, lambda problem: inner)


def _largest(cut: Cut, make: Make, room: float) -> int:
    """About the largest size of a part that needs no more than ``room``; 0 where not even 1 is small enough.

    What a part needs is taken for a power of its size: the first power, until two sizes have shown which.
    """
    fits, least, size, power = 0, cut.size, cut.size, 1.0
    before: tuple[int, float] | None = None
    for left in reversed(range(TRIALS)):
        problem = cut.at(size)
        needed = max(problem.cost(make(problem)).peak, 1)
        fits, least = (size, least) if needed <= room and size < cut.size else (fits, size)
        if before is not None and needed != before[1]:
            power = max(log(needed / before[1]) / log(size / before[0]), 0.25)
        before = size, needed
        size = min(max(int(size * (room / needed) ** (1 / power)), fits + 1), least - 1)
        if size <= 1.1 * fits:
            break
        if left == 1 and not fits:
            size = 1
    return fits
