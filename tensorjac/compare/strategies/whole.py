"""δ eliminated, and all left to one call: to the library's own plan, or to NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...calls import Compiled
from ...sparing import Sparing
from ..problem import Problem, Routine
from ..registry import strategy
from ..writing import einsum_of, written


@strategy("compiled", "the vector-Jacobian product as the library compiles it")
def compiled(problem: Problem) -> Routine:
    whole = _called(problem, problem.vjp)
    return InOne(whole.text, whole.scope, problem=problem)


@dataclass(frozen=True)
class InOne(Routine):
    """The vector-Jacobian product in one piece, which can be computed in blocks as well."""

    problem: Problem = field(kw_only=True)

    def within(self, room: float) -> Routine | None:
        sparing = Sparing(self.problem.vjp, room / self.problem.itemsize)
        blocks = sparing.blocks(self.problem.sizes)
        if blocks == 1:
            return None
        found = _called(self.problem, sparing)
        return InBlocks(found.text, found.scope, blocks=blocks)


@dataclass(frozen=True)
class InBlocks(Routine):
    """The vector-Jacobian product in passes over its arguments, so many blocks in all."""

    blocks: int = field(kw_only=True)

    @property
    def slices(self) -> int:
        return self.blocks


def _called(problem: Problem, vjp: Compiled) -> Routine:
    """The source of a vector-Jacobian product, its result in C order."""
    arguments = ", ".join(problem.variables.values())
    call = f"vjp({arguments})"
    if problem.inputs[problem.wrt]:
        call = f"np.ascontiguousarray({call})"
    return problem.routine(f"{problem.source(vjp, 'vjp')}\n\ndef contraction({arguments}):\n    return {call}\n")


@strategy("einsum", "δ eliminated; one call of np.einsum for each term, without a path")
def einsum(problem: Problem) -> Routine:
    return written(problem, problem.eliminated, einsum_of)
