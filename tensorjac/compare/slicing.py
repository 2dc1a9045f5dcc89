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
from .cutting import Axes, Cut, cuts, groups
from .meter import Cost, Operation, Shape, Within
from .problem import Problem, Routine

# What a strategy makes of a problem, here always a routine; UnsupportedError where it makes none.
Make = Callable[[Problem], Any]
Fit = Callable[[Cut, Make, float], "Sliced | None"]

# How often the size of a part is corrected by what the part before would need.
TRIALS = 6


# A size, and the routines of a part of this size, one for each target.
Part = tuple[int, list[Routine]]


@dataclass(frozen=True)
class Sliced(Routine):
    """A routine that is called for part after part of a problem, and another for what may be left over."""

    cut: Cut = field(kw_only=True)
    each: Part = field(kw_only=True)
    rest: Part | None = field(kw_only=True)

    @classmethod
    def of(cls, cut: Cut, size: int, make: Make) -> Sliced:
        """Parts of at most this size, all alike but perhaps the last."""
        size = -(-cut.size // -(-cut.size // size))
        left = cut.size % size
        each = size, [make(problem) for problem in cut.at(size)]
        rest = (left, [make(problem) for problem in cut.at(left)]) if left else None
        routines = [*each[1], *(rest[1] if rest else ())]
        scope = {name: value for routine in routines for name, value in routine.scope.items()}
        order = "; ".join(routine.order for routine in each[1] if routine.order)
        return cls(_text(cut, each, rest), scope, order, cut=cut, each=each, rest=rest)

    @property
    def slices(self) -> int:
        """How many parts there are, parts of parts counted for themselves."""
        return sum(count * max(routine.slices for routine in routines) for count, _, routines in self._parts())

    def _parts(self) -> Iterator[tuple[int, int, list[Routine]]]:
        """How often there is a part, its size, and its routines."""
        size, routines = self.each
        yield self.cut.size // size, size, routines
        if self.rest:
            yield 1, *self.rest

    def cost(self, shapes: Sequence[Shape], dtype: Any = np.float64) -> Cost:
        """What every part costs, and what it costs to put their gradients together."""
        cut = self.cut
        entries = prod(cut.problem.inputs[cut.problem.wrt])
        held = float(entries * np.dtype(dtype).itemsize)
        operations = [] if self.cut.fills else [Operation("zeros", 0, 0, held, held)]
        largest, peak = held, 0.0
        for count, size, routines in self._parts():
            for routine, (_, into) in zip(routines, self.cut.targets, strict=True):
                cost = routine.cost(self._shapes(shapes, size), dtype)
                share = (size / self.cut.size) ** len(into)
                joining = self._joining(held * share, entries * share)
                made = self._converted(shapes, size, dtype)
                operations += [replace(each, times=count * each.times) for each in (*made, *cost.operations, joining)]
                largest, peak = max(largest, cost.largest), max(peak, cost.peak + sum(each.fresh for each in made))
        return Cost(tuple(operations), largest, held + peak)

    def _converted(self, shapes: Sequence[Shape], size: int, dtype: Any) -> list[Operation]:
        """Captured arrays of another dtype: a part of them is converted before each call."""
        constants, own = self.cut.problem.function.constants, np.dtype(dtype).itemsize
        found = []
        arguments = zip(self.cut.reads, self._shapes(shapes, size), self.cut.converted, strict=True)
        for (source, _), shape, converted in arguments:
            if converted:
                numbers = prod(shape.shape if isinstance(shape, Within) else shape)
                found.append(Operation("copy", 0, numbers * constants[source].itemsize, numbers * own, numbers * own))
        return found

    def _joining(self, part: float, entries: float) -> Operation:
        """A part of the gradient added where it stands, or written there."""
        return Operation("elementwise", entries, 2 * part, part) if self.cut.adds else Operation("copy", 0, part, part)

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


def _text(cut: Cut, each: Part, rest: Part | None) -> str:
    """The source that goes through the parts: ``each``, and ``rest`` at the end."""
    variables = list(cut.problem.variables.values())
    taken = {*variables, *cut.problem.function.constants, "np", "math"}
    gradient, part, start = (free_name(name, taken) for name in ("gradient", "part", "start"))
    numbers = range(1, len(cut.targets) + 1)
    names = [[free_name(f"of_{of}{k}" if k > 1 else f"of_{of}", taken) for k in numbers] for of in ("part", "rest")]
    assign, arguments = "+=" if cut.adds else "=", ", ".join(cut.arguments(part, gradient))
    first, last = (
        [
            f"{target} {assign} {name}({arguments})"
            for target, name in zip(cut.written(gradient, part), own, strict=True)
        ]
        for own in names
    )
    size, routines = each
    end = cut.size - cut.size % size
    shape = cut.problem.inputs[cut.problem.wrt]
    lines = [
        f"{gradient} = np.{'empty' if cut.fills else 'zeros'}({shape}, dtype=np.result_type({', '.join(variables)}))",
        f"for {start} in range(0, {end}, {size}):",
        f"    {part} = slice({start}, {start} + {size})",
        *(f"    {line}" for line in first),
    ]
    texts = list(map(_nested, routines, names[0]))
    if rest:
        texts += map(_nested, rest[1], names[1])
        lines += [f"{part} = slice({end}, {cut.size})", *last]
    body = indent("\n".join([*lines, f"return {gradient}"]), "    ")
    return "\n\n".join([*texts, f"def contraction({', '.join(variables)}):\n{body}\n"])


def _nested(routine: Routine, name: str) -> str:
    """The source of a routine inside a function of this name, so that it keeps its names to itself."""
    arguments = routine.text.rpartition(f"def {routine.name}(")[2].partition(")")[0]
    call = f"return {routine.name}({arguments})"
    return f"def {name}({arguments}):\n{indent(routine.text.rstrip(), '    ')}\n\n    {call}\n"


@dataclass(frozen=True)
class Apart(Routine):
    """Routines whose gradients are added up, one after the other."""

    problem: Problem = field(kw_only=True)
    routines: tuple[Routine, ...] = field(kw_only=True)

    @classmethod
    def of(cls, problem: Problem, routines: Sequence[Routine]) -> Apart:
        variables = list(problem.variables.values())
        taken = {*variables, *problem.function.constants, "np", "math"}
        gradient = free_name("gradient", taken)
        names = [free_name(f"of_terms{k}", taken) for k in range(1, len(routines) + 1)]
        calls = [f"{name}({', '.join(variables)})" for name in names]
        lines = [f"{gradient} = {calls[0]}", *(f"{gradient} += {call}" for call in calls[1:]), f"return {gradient}"]
        body = indent("\n".join(lines), "    ")
        head = f"def contraction({', '.join(variables)}):"
        text = "\n\n".join([*map(_nested, routines, names), f"{head}\n{body}\n"])
        scope = {name: value for routine in routines for name, value in routine.scope.items()}
        order = "; ".join(routine.order for routine in routines if routine.order)
        return cls(text, scope, order, problem=problem, routines=tuple(routines))

    @property
    def slices(self) -> int:
        return sum(routine.slices for routine in self.routines)

    def cost(self, shapes: Sequence[Shape], dtype: Any = np.float64) -> Cost:
        """What all routines cost, and what it costs to add up their gradients."""
        entries = prod(self.problem.inputs[self.problem.wrt])
        held = float(entries * np.dtype(dtype).itemsize)
        costs = [routine.cost(shapes, dtype) for routine in self.routines]
        joined = Operation("elementwise", entries, 2 * held, held, times=len(costs) - 1)
        operations = [operation for cost in costs for operation in cost.operations]
        peak = max(costs[0].peak, *(held + cost.peak for cost in costs[1:]))
        return Cost((*operations, joined), max(cost.largest for cost in costs), peak)


# Which index, and how many parts


def fitted(problem: Problem, make: Make, room: float) -> Routine | None:
    """The problem in slices that need at most ``room`` bytes besides the arguments; None where none are small enough.

    Either parts of the problem, one after the other, or the routine's own way to keep within a limit: what is predicted
    to be faster.
    """
    beside = room - problem.bytes(problem.wrt)
    if beside <= 0:
        return None
    found: list[Routine] = [sliced for sliced in (_sliced(problem, make, beside),) if sliced is not None]
    own = make(problem).within(beside)
    if own is not None and problem.cost(own).peak <= room:
        found.append(own)
    return min(found, key=lambda routine: model().seconds(problem.cost(routine), problem.itemsize), default=None)


def _sliced(problem: Problem, make: Make, room: float) -> Sliced | Apart | None:
    """Slices that need at most ``room`` bytes besides arguments and gradient.

    Of all indices that can be cut the one whose slices are predicted to be fastest, one by which the input is read in
    parts and whole only where there is no other. Where there is none that is enough, terms that have no index in
    common are taken one after the other; where there are no such, slices of size 1 are cut in turn.
    """
    return _by(_once, problem, make, room) or _apart(problem, make, room) or _by(_twice, problem, make, room)


def _by(fit: Fit, problem: Problem, make: Make, room: float) -> Sliced | None:
    """The slices by one index that are predicted to be fastest."""
    for several in (False, True):
        own = [cut for cut in cuts(problem) if (len(cut.targets) > 1) is several]
        found = [sliced for cut in own if (sliced := _applied(fit, cut, make, room)) is not None]
        if found:
            return min(found, key=lambda sliced: model().seconds(problem.cost(sliced), problem.itemsize))
    return None


def _apart(problem: Problem, make: Make, room: float) -> Apart | None:
    """Some terms after the other, each group whole where it is small enough, else in slices."""
    found: list[Routine] = []
    own = groups(problem)
    for group in own if len(own) > 1 else ():
        try:
            whole = make(group)
            fits = group.cost(whole).peak <= room
        except UnsupportedError:
            return None  # the strategy does not apply to some of the terms
        routine = whole if fits else fitted(group, make, room)
        if routine is None:
            return None
        found.append(routine)
    return Apart.of(problem, found) if found else None


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
    inner = [fitted(problem, make, room) for problem in cut.at(1)]
    found = iter(inner)
    return None if None in inner else Sliced.of(cut, 1, lambda problem: next(found))


def _largest(cut: Cut, make: Make, room: float) -> int:
    """About the largest size of a part that needs no more than ``room``; 0 where not even 1 is small enough.

    What a part needs is taken for a power of its size: the first power, until two sizes have shown which.
    """
    fits, least, size, power = 0, cut.size, cut.size, 1.0
    before: tuple[int, float] | None = None
    for left in reversed(range(TRIALS)):
        needed = max(1, *(problem.cost(make(problem)).peak for problem in cut.at(size)))
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
