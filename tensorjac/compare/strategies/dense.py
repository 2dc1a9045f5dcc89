"""The Jacobian as one array, then contracted with the cotangent."""

from __future__ import annotations

from ...errors import UnsupportedError
from ..problem import Problem, Routine
from ..registry import strategy
from ..writing import contracted_jacobian, einsum_of, written


@strategy("dense_identity", "the dense Jacobian built by einsum with explicit identities, then contracted")
def dense_identity(problem: Problem) -> Routine:
    if not problem.explicit:
        raise UnsupportedError("the derivative vanishes, and no identity is left to build it from: see dense_writes.")
    jacobian = written(problem, problem.explicit, einsum_of, name="jacobian")
    return contracted_jacobian(problem, jacobian.text, list(problem.variables.values()))


@strategy("dense_writes", "the dense Jacobian built by strided writes, then contracted")
def dense_writes(problem: Problem) -> Routine:
    names = [problem.variables[name] for name in problem.function.inputs]
    return contracted_jacobian(problem, problem.source(problem.jacobian, "jacobian"), names)
