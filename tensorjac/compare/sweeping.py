"""Comparisons at one set of sizes or at several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..calls import listed
from ..errors import ShapeError, UnsupportedError
from ..function import Function
from .comparing import Limits, Point, Progress
from .memory import memory_of
from .problem import Problem
from .registry import STRATEGIES
from .table import Table

Sizes = Mapping[str, int | Sequence[int]]


def compare(
    function: Function,
    /,
    wrt: str,
    *,
    sizes: Sizes | None = None,
    of: str | None = None,
    at: Mapping[str, Any] | None = None,
    strategies: Sequence[str] | None = None,
    memory_limit: int | str | None = None,
    time_limit: float = 10.0,
    seconds: float = 0.5,
    seed: int = 0,
    dtype: Any = np.float64,
    progress: Progress | None = None,
) -> Table:
    """What every strategy costs that computes ∂L/∂Y · ∂Y/∂A: counted, predicted, proved equal, and timed.

    ``sizes`` gives a number for each named size; lists of numbers, all of one length, make a sweep. ``at`` holds
    arrays to use in place of random ones. A strategy that needs more than ``memory_limit`` (bytes, or a text such as
    "512MB"; half of the free memory where not given; arguments and a result to compare with included) is cut into
    slices along an index, one after the other; where that does not suffice, or where a call would take more than
    ``time_limit`` seconds, it is not run, and its row says so. ``seconds`` is how long each strategy is timed.
    ShapeError where a size has no number; UnsupportedError where the derivative is finite at no random inputs.

    >>> import tensorjac as tj
    >>> F = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
    >>> table = tj.compare(F, wrt="A", sizes={"b": 7, "m": 5, "n": 3}, seconds=0, strategies=["reverse", "einsum"])
    >>> [(row["strategy"], row["equation"], row["flops"]) for row in table.rows]
    [('reverse', 'ki,kj->ij', 210), ('einsum', 'ki,kj->ij', 210)]
    """
    names = _chosen(strategies)
    limits = Limits(memory_of(memory_limit), time_limit, seconds)
    points = spread(sizes or {})
    table = Table(str(function), wrt)
    try:
        for done, numbers in enumerate(points):
            problem = Problem.of(function, wrt, numbers, of, dtype)
            point = Point(problem, limits, at or {}, seed, skipped=table.skipped)
            try:
                point.run(names, _part(progress, done, len(points)))
            finally:
                table.rows += point.rows
    except KeyboardInterrupt:
        table.interrupted = True
    return table


def _chosen(names: Sequence[str] | None) -> list[str]:
    for name in names or ():
        if name not in STRATEGIES:
            raise UnsupportedError(f"there is no strategy {name}: choose from {listed(list(STRATEGIES))}.")
    return list(STRATEGIES if names is None else names)


def _part(progress: Progress | None, done: int, count: int) -> Progress:
    """Progress of one point as progress of all."""

    def report(share: float, what: str) -> None:
        if progress is not None:
            progress((done + share) / count, what)

    return report


def spread(sizes: Sizes) -> list[dict[str, int]]:
    """The points of a sweep: lists go along together, numbers stay.

    >>> spread({"b": [1, 2], "m": 3})
    [{'b': 1, 'm': 3}, {'b': 2, 'm': 3}]
    """
    lists: dict[str, Sequence[Any]] = {
        name: value for name, value in sizes.items() if not isinstance(value, int | np.integer)
    }
    lengths = {name: len(value) for name, value in lists.items()}
    if len(set(lengths.values())) > 1:
        told = listed([f"{name} has {count} sizes" for name, count in lengths.items()])
        raise ShapeError(f"the lists of a sweep go along together, and {told}: make them equally long.")
    count = next(iter(lengths.values()), 1)
    numbers: dict[str, Sequence[Any]] = {name: lists.get(name, [value] * count) for name, value in sizes.items()}
    for name, given in numbers.items():
        for number in given:
            if not isinstance(number, int | np.integer) or number < 1:
                raise ShapeError(
                    f"the size {name} is {number!r}: pass a whole number of at least 1, or a list of them."
                )
    return [{name: int(given[k]) for name, given in numbers.items()} for k in range(count)]
