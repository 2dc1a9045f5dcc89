"""δ eliminated, and all left to one call: to the library's own plan, or to NumPy."""

from __future__ import annotations

from ..problem import Problem, Routine
from ..registry import strategy
from ..writing import einsum_of, written


@strategy("compiled", "the vector-Jacobian product as the library compiles it")
def compiled(problem: Problem) -> Routine:
    arguments = ", ".join(problem.variables.values())
    call = f"vjp({arguments})"
    if problem.inputs[problem.wrt]:
        call = f"np.ascontiguousarray({call})"
    return problem.routine(
        f"{problem.source(problem.vjp, 'vjp')}\n\ndef contraction({arguments}):\n    return {call}\n"
    )


@strategy("einsum", "δ eliminated; one call of np.einsum for each term, without a path")
def einsum(problem: Problem) -> Routine:
    return written(problem, problem.eliminated, einsum_of)
