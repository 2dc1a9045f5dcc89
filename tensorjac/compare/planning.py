"""``plan``: the strategy that the calibrated model predicts to be fastest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..calls import given_by_name, listed
from ..errors import ShapeError, UnsupportedError
from ..function import Function
from ..interop.arguments import common_library, numpy_arrays
from .calibration import model
from .columns import size
from .cutting import cuts
from .memory import memory_of
from .meter import Cost
from .problem import Problem, Routine
from .registry import STRATEGIES
from .slicing import fitted


@dataclass(frozen=True)
class Plan:
    """A strategy that was chosen, what it is predicted to cost, and the function itself.

    It is called with the function's inputs and the cotangent, NumPy arrays of the sizes that it was made for.
    ``slices`` is into how many parts the work is cut, so that the memory limit holds.
    """

    strategy: str
    predicted: float
    cost: Cost
    order: str
    slices: int
    source: str
    _inputs: Mapping[str, tuple[int, ...]]
    _run: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = given_by_name("the plan", self._inputs, args, kwargs)
        library = common_library(given)
        if library is not None:
            raise UnsupportedError(
                f"a plan runs on NumPy arrays, and these are {library.library}'s: call the function's vjp with them, "
                "which runs there."
            )
        arrays = numpy_arrays(given)
        for (name, shape), array in zip(self._inputs.items(), arrays, strict=True):
            if array.shape != shape:
                raise ShapeError(
                    f"the plan was made for {name} of shape {shape}, and it has shape {array.shape}: "
                    "make a plan for these sizes."
                )
        return self._run(*arrays)


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

    ``memory_limit`` is for arguments, gradient and all arrays in between: bytes, or a text such as "512MB"; half of the
    free memory where not given. What needs more is cut along an index into ``slices``, or computed in passes, block
    after block; UnsupportedError where that does not suffice.

    >>> import numpy as np, tensorjac as tj
    >>> F = tj.trace(lambda X, A, B: X @ A @ B, X="b m", A="m m", B="m m")
    >>> found = tj.plan(F, wrt="A", sizes={"b": 2000, "m": 8})
    >>> found.order
    'contract X and G first, then the result and B'
    """
    problem = Problem.of(function, wrt, sizes, of)
    limit = memory_of(memory_limit)
    counted = _counted(problem)
    found = [choice for choice in counted if problem.held + choice.cost.peak <= limit]
    best = min(found, key=_predicted, default=None)
    # slices may be faster than what fits in one piece, but hardly faster than the one piece of which they are slices
    for choice in sorted(counted, key=_predicted):
        if choice not in found and (best is None or choice.predicted < best.predicted):
            sliced = fitted(problem, STRATEGIES[choice.strategy].make, limit - problem.held)
            if sliced is not None:
                found.append(_Choice.of(choice.strategy, problem, sliced))
                best = min(found, key=_predicted)
    if best is None:
        raise _refused(problem, limit, min((choice.cost.peak for choice in counted), default=float("inf")))
    strategy, routine, cost, predicted = best
    inputs, run = problem.inputs, routine.compiled()
    return Plan(strategy, predicted, cost, routine.order, routine.slices, routine.text, inputs, run)


class _Choice(NamedTuple):
    """A strategy, its routine, and what that costs."""

    strategy: str
    routine: Routine
    cost: Cost
    predicted: float

    @classmethod
    def of(cls, strategy: str, problem: Problem, routine: Routine) -> _Choice:
        cost = problem.cost(routine)
        return cls(strategy, routine, cost, model().seconds(cost, problem.itemsize))


def _predicted(choice: _Choice) -> float:
    return choice.predicted


def _counted(problem: Problem) -> list[_Choice]:
    """The strategies that apply and whose costs can be counted."""
    found = []
    for name, strategy in STRATEGIES.items():
        if strategy.library:
            continue  # which would be imported in vain
        try:
            way = strategy.make(problem)
            if isinstance(way, Routine):
                found.append(_Choice.of(name, problem, way))
        except UnsupportedError:
            continue
    return found


def _refused(problem: Problem, limit: float, least: float) -> UnsupportedError:
    alone = problem.held + problem.bytes(problem.wrt)
    if alone > limit:
        return UnsupportedError(
            f"the arguments take {size(problem.held)} and the gradient {size(problem.bytes(problem.wrt))}, "
            f"and the memory limit is {size(limit)}: raise memory_limit."
        )
    along = list(dict.fromkeys(str(cut.index.dim) for cut in cuts(problem)))
    why = f"a part of it along {listed(along)} needs more, too" if along else "it has no index that can be cut"
    return UnsupportedError(
        f"every strategy needs more memory than the limit, and {why}:\n  {problem.function}\n"
        f"in one piece it takes {size(problem.held + least)} at least, and the memory limit is {size(limit)}: "
        "raise memory_limit."
    )
