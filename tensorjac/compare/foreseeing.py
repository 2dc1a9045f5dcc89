"""How long what another library computes will take: nobody counts its operations, and it is not run to find out."""

from __future__ import annotations

from math import ceil, sqrt
from time import perf_counter

import numpy as np

from ..errors import UnsupportedError
from .calibration import model
from .measuring import arguments
from .meter import Operation
from .problem import Problem, Routine
from .registry import STRATEGIES, Foreign, Strategy

# A call that may take this share of the time limit is tried at a smaller size first, one of the second share.
DOUBTFUL, TRIED = 1 / 50, 1 / 1000


def foreseen(strategy: Strategy, problem: Problem, way: Foreign, limit: float) -> float:
    """Seconds of a call: as predicted, or as a call at a smaller size lets expect where the limit could matter."""
    expected = predicted(problem, way)
    if expected < DOUBTFUL * limit or expected > limit or not problem.sizes:
        return expected
    largest = max(problem.sizes, key=problem.sizes.__getitem__)
    # a Jacobian grows at least with the square of a size of its function's result
    size = problem.sizes[largest] // ceil(sqrt(expected / (TRIED * limit)))
    smaller = problem.at(**{largest: max(size, 1)})
    trial = strategy.make(smaller)
    assert isinstance(trial, Foreign)
    try:
        return max(expected, expected / predicted(smaller, trial) * _seconds(smaller, trial))
    except UnsupportedError:
        return expected  # the derivative is finite at the arguments of a person alone


def predicted(problem: Problem, way: Foreign) -> float:
    """Seconds of moving what is needed, or of compiled vector-Jacobian products, whichever are more."""
    moving = model().operation(Operation("copy", 0, way.needs, way.needs, way.needs), problem.itemsize)
    compiled = STRATEGIES["compiled"].make(problem)
    assert isinstance(compiled, Routine)
    try:
        return max(moving, way.pullbacks * model().seconds(problem.cost(compiled), problem.itemsize))
    except UnsupportedError:
        return moving


def _seconds(problem: Problem, way: Foreign) -> float:
    """The second call: in the first the library may have compiled the function."""
    compiled = STRATEGIES["compiled"].make(problem)
    assert isinstance(compiled, Routine)
    values = list(arguments(problem, {}, 0, compiled.compiled()).values())
    with np.errstate(all="ignore"):
        way(*values)
        start = perf_counter()
        way(*values)
        return perf_counter() - start
