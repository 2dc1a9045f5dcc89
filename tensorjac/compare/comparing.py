"""``compare``: every strategy that applies, proved equal to the others, timed, and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from . import strategies
from .calibration import model
from .columns import COLUMNS, size, time
from .machine import machine
from .measuring import Array, Contestant, agrees, arguments, deviation, interleaved, reference
from .meter import Cost
from .problem import Problem, Routine
from .registry import STRATEGIES, Strategy
from .words import equation

Row = dict[str, Any]
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
    dtype: Any
    rows: list[Row] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    contestants: list[tuple[Row, Contestant]] = field(default_factory=list)
    truth: Array | None = None
    exact: bool = False

    @property
    def held(self) -> float:
        """Bytes of the arguments."""
        return sum(prod(shape) for shape in self.problem.inputs.values()) * float(np.dtype(self.dtype).itemsize)

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
        run = way.compiled() if isinstance(way, Routine) else way
        row["planning"] = perf_counter() - start
        row["equation"] = equation(self.problem)
        if isinstance(way, Routine):
            row["order"] = way.order
            self._count(row, way)
        return row, run

    def _count(self, row: Row, routine: Routine) -> None:
        try:
            cost = routine.cost(list(self.problem.inputs.values()), self.dtype)
        except UnsupportedError:
            return  # a function that the meter does not know: the columns stay empty
        row.update(counted(cost), predicted=model().seconds(cost, np.dtype(self.dtype).itemsize))
        if self.held + cost.peak > self.limits.memory:
            row["note"] = f"needs {size(self.held + cost.peak)} of memory, and the limit is {size(self.limits.memory)}"
        elif row["predicted"] > self.limits.call:
            row["note"] = f"would take about {time(row['predicted'])}, and the limit is {time(self.limits.call)}"

    def _values(self, entered: Sequence[tuple[Row, Any]]) -> dict[str, Array] | None:
        """The arguments; None where nothing is to be run on them."""
        runnable = [row for row, _ in entered if not row["note"]]
        if not runnable or self.held > self.limits.memory:
            return None
        values = arguments(self.problem, self.at, self.seed, self.dtype)
        flops = min((row["flops"] for row in runnable if row["flops"] is not None), default=0)
        self.truth = reference(self.problem, values, flops)
        self.exact = self.truth is not None
        return values

    def _proved(self, row: Row, run: Callable[..., Any], values: Sequence[Array]) -> None:
        """The first call: it is timed, and its result must equal the others'."""
        with np.errstate(all="ignore"):
            start = perf_counter()
            result = np.asarray(run(*values))
            row["first"] = perf_counter() - start
            if row["flops"] is None:
                # another library may have compiled the function in its first call
                start = perf_counter()
                run(*values)
            once = perf_counter() - start
        if self.truth is None:
            self.truth = result
        error = deviation(result, self.truth)
        row["error"] = error if self.exact else None
        if agrees(error, self.dtype):
            contestant = Contestant(lambda: run(*values), once)
            self.contestants.append((row, contestant))
        else:
            row["note"] = f"differs from the others by {error:.1e} of the largest entry: not timed"
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


def counted(cost: Cost) -> dict[str, Any]:
    """The columns that are counted."""
    return {
        "flops": cost.flops,
        "bytes": cost.bytes,
        "largest": cost.largest,
        "peak": cost.peak,
        "intensity": cost.intensity,
        "products": cost.count("product", "inner"),
        "fallbacks": cost.count("einsum"),
    }
