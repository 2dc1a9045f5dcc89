"""``plan``: the strategy that the calibrated model predicts to be fastest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from ..errors import ShapeError, UnsupportedError
from ..function import Function
from .calibration import model
from .columns import size
from .memory import memory_of
from .meter import Cost
from .problem import Problem, Routine
from .registry import STRATEGIES


@dataclass(frozen=True)
class Plan:
    """A strategy that was chosen, what it is predicted to cost, and the function itself.

    It is called with the function's inputs and the cotangent, at the sizes that it was made for.
    """

    strategy: str
    predicted: float
    cost: Cost
    order: str
    source: str
    _inputs: Mapping[str, tuple[int, ...]]
    _run: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values = dict(zip(self._inputs, args, strict=False)) | kwargs
        for name, shape in self._inputs.items():
            if name not in values:
                raise ShapeError(f"the plan needs {name} of shape {shape}: pass {', '.join(self._inputs)}.")
            if values[name].shape != shape:
                raise ShapeError(
                    f"the plan was made for {name} of shape {shape}, and it has shape {values[name].shape}: "
                    "make a plan for these sizes."
                )
        return self._run(*(values[name] for name in self._inputs))


def plan(
    function: Function,
    /,
    wrt: str,
    *,
    sizes: Mapping[str, int],
    of: str | None = None,
    memory_limit: int | str | None = None,
) -> Plan:
    """The strategy for ∂L/∂Y · ∂Y/∂A that is predicted to be fastest at these sizes, within a memory limit.

    UnsupportedError where every strategy would need more memory.

    >>> import numpy as np, tensorjac as tj
    >>> F = tj.trace(lambda X, A, B: X @ A @ B, X="b m", A="m m", B="m m")
    >>> found = tj.plan(F, wrt="A", sizes={"b": 2000, "m": 8})
    >>> found.order
    'contract X and G first, then the result and B'
    """
    problem = Problem.of(function, wrt, sizes, of)
    limit = memory_of(memory_limit)
    held = 8.0 * sum(prod(shape) for shape in problem.inputs.values())
    best: tuple[float, str, Cost, Routine] | None = None
    least = float("inf")
    for name, strategy in STRATEGIES.items():
        try:
            way = strategy.make(problem)
            cost = way.cost(list(problem.inputs.values())) if isinstance(way, Routine) else None
        except UnsupportedError:
            continue
        if cost is None or not isinstance(way, Routine):
            continue
        least = min(least, held + cost.peak)
        predicted = model().seconds(cost)
        if held + cost.peak <= limit and (best is None or predicted < best[0]):
            best = predicted, name, cost, way
    if best is None:
        raise UnsupportedError(
            f"every strategy needs more memory than {size(limit)}: the least is {size(least)}; raise memory_limit."
        )
    predicted, name, cost, routine = best
    return Plan(name, predicted, cost, routine.order, routine.text, problem.inputs, routine.compiled())
