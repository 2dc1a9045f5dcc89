"""``compare``: every strategy that applies, proved equal to the others, timed, and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from . import strategies
from .calibration import model
from .columns import COLUMNS, size, time
from .foreseeing import foreseen
from .machine import machine
from .measuring import Array, Contestant, agrees, arguments, interleaved
from .meter import Cost
from .problem import Problem, Routine
from .proving import Proof
from .registry import STRATEGIES, Foreign, Strategy
from .rows import Row
from .slicing import fitted
from .words import equation

Progress = Callable[[float, str], None]

__all__ = ["Limits", "Point", "Row", "strategies"]


@dataclass(frozen=True)
class Limits:
    """What a strategy may take: bytes, arguments included; seconds of a call; seconds of all calls that are timed."""

    memory: float
    call: float
    timing: float


@dataclass
class Point:
    """One problem at one set of sizes: the rows of its strategies, as far as they are finished."""

    problem: Problem
    limits: Limits
    at: Mapping[str, Any]
    seed: int
    rows: list[Row] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    contestants: list[tuple[Row, Contestant]] = field(default_factory=list)

    @cached_property
    def proof(self) -> Proof:
        return Proof.of(self.problem, self.limits.memory - self.problem.held)

    @property
    def held(self) -> float:
        """Bytes that are taken whichever strategy runs."""
        return self.problem.held + self.proof.kept

    def run(self, names: Sequence[str], progress: Progress) -> None:
        """Fill in the rows; what is finished stays when this is interrupted."""
        entered = [found for name in names if (found := self._entered(STRATEGIES[name])) is not None]
        values = self._values(entered)
        for done, (row, run) in enumerate(entered):
            progress(done / (2 * len(entered)), row["strategy"])
            if row["note"] or values is None:
                self.rows.append(row)
            else:
                self._proved(row, run, list(values.values()))
        rounds = [0]

        def finished() -> None:
            rounds[0] += 1
            progress(0.5 + rounds[0] / 50, "timing")
            self._summarise()

        interleaved([contestant for _, contestant in self.contestants], self.limits.timing, finished)

    # One strategy

    def _entered(self, strategy: Strategy) -> tuple[Row, Callable[..., Any]] | None:
        """The row of a strategy as far as it is known without running it, and the function to run."""
        row: Row = {**dict.fromkeys(COLUMNS), **machine(), "strategy": strategy.name, "note": ""}
        row["sizes"] = dict(self.problem.sizes)
        start = perf_counter()
        try:
            way = strategy.make(self.problem)
        except UnsupportedError as error:
            self.skipped[strategy.name] = str(error)
            return None
        if isinstance(way, Routine):
            way = self._counted(row, strategy, way)
        run = way.compiled() if isinstance(way, Routine) else way
        row["planning"] = perf_counter() - start
        if isinstance(way, Foreign):
            row["peak"] = way.needs
            if not self._limited(row, 0.0):
                self._limited(row, foreseen(strategy, self.problem, way, self.limits.call))
        row["equation"] = equation(self.problem)
        row["reference"] = self.proof.said
        return row, run

    def _counted(self, row: Row, strategy: Strategy, routine: Routine) -> Routine:
        """The routine, in slices where the memory limit demands them, with its costs in the row."""
        row["order"] = routine.order
        try:
            whole = self.problem.cost(routine)
        except UnsupportedError:
            return routine  # a function that the meter does not know: the columns stay empty
        self._priced(row, whole)
        if not self._limited(row, row["predicted"]):
            return routine
        sliced = fitted(self.problem, strategy.make, self.limits.memory - self.held)
        if sliced is None:
            return routine
        before = row["predicted"]
        self._priced(row, self.problem.cost(sliced))
        row.update(note="", order=sliced.order, slices=sliced.slices, overhead=row["predicted"] / before - 1)
        self._limited(row, row["predicted"])
        return sliced

    def _priced(self, row: Row, cost: Cost) -> None:
        row.update(counted(cost), predicted=model().seconds(cost, self.problem.itemsize))

    def _limited(self, row: Row, seconds: float) -> bool:
        """Whether a strategy needs more memory than there is; the row says that, or that it takes too long."""
        needed = self.held + row["peak"]
        if needed > self.limits.memory:
            row["note"] = f"needs {size(needed)} of memory, and the limit is {size(self.limits.memory)}"
            return True
        if seconds > self.limits.call:
            row["note"] = f"would take about {time(seconds)}, and the limit is {time(self.limits.call)}"
        return False

    def _values(self, entered: Sequence[tuple[Row, Callable[..., Any]]]) -> dict[str, Array] | None:
        """The arguments; None where nothing is to be run on them."""
        runnable = [(row["predicted"] or float("inf"), run) for row, run in entered if not row["note"]]
        if not runnable:
            return None
        _, fastest = min(runnable, key=lambda pair: pair[0])
        values = arguments(self.problem, self.at, self.seed, fastest)
        self.proof.prepare(values)
        return values

    def _proved(self, row: Row, run: Callable[..., Any], values: Sequence[Array]) -> None:
        """The first call: it is timed, and its result must equal the others'."""
        with np.errstate(all="ignore"):
            start = perf_counter()
            result = np.asarray(run(*values))
            row["first"] = perf_counter() - start
            if row["flops"] is None and row["first"] < self.limits.call:
                # another library may have compiled the function in its first call
                start = perf_counter()
                run(*values)
            once = perf_counter() - start
        row["error"], gap = self.proof.errors(result)
        row["reference"] = self.proof.said
        if agrees(gap, self.problem.dtype):
            contestant = Contestant(lambda: run(*values), once)
            self.contestants.append((row, contestant))
        else:
            row["note"] = f"differs from the others by {gap:.1e} of the largest entry: not timed"
            self.rows.append(row)

    def _summarise(self) -> None:
        """The rows with the times known so far, in the order in which the strategies are registered."""
        for row, contestant in self.contestants:
            row.update(contestant.summary)
            if not any(row is other for other in self.rows):
                self.rows.append(row)
        order = list(STRATEGIES)
        self.rows.sort(key=lambda row: order.index(row["strategy"]))
        best = min((row["median"] for row in self.rows if row["median"]), default=None)
        for row in self.rows:
            row["ratio"] = row["median"] / best if row["median"] and best else None
            if row["median"] and row["overhead"] is not None:
                row["paid"] = (1 + row["overhead"]) * row["median"] / row["predicted"] - 1


def counted(cost: Cost) -> dict[str, Any]:
    """The columns that are counted."""
    return {
        "flops": cost.flops,
        "bytes": cost.bytes,
        "largest": cost.largest,
        "peak": cost.peak,
        "intensity": cost.intensity,
        "products": cost.count("product", "dot", "inner"),
        "fallbacks": cost.count("einsum"),
    }
