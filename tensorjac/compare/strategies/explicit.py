"""Every δ an identity matrix, and a path optimiser left to deal with it."""

from __future__ import annotations

from dataclasses import replace

from ...terms import Input
from ..contraction import Operand, Product
from ..orders import found
from ..problem import Problem, Routine
from ..registry import strategy
from ..writing import ordered


def with_cotangent(problem: Problem) -> list[Product]:
    """The terms of the Jacobian times the cotangent, no δ eliminated."""
    dims = problem.vjp._parts.inputs[problem.cotangent]
    products = []
    for term in problem.explicit:
        over, kept = term.axes[: len(dims)], term.axes[len(dims) :]
        cotangent = Operand.of(Input(problem.cotangent, dims)(*over))
        operands = (*term.operands, cotangent)
        products.append(replace(term, operands=operands, axes=kept, groups=(tuple(range(len(operands))),)))
    return products


def _identities(problem: Problem, method: str) -> Routine:
    return ordered(problem, with_cotangent(problem), lambda product: found(product, problem.sizes, method))


@strategy("identity_greedy", "every δ an identity, in the order that the greedy path optimiser finds")
def greedy(problem: Problem) -> Routine:
    return _identities(problem, "greedy")


@strategy("identity_dp", "every δ an identity, in the order that dynamic programming finds")
def dp(problem: Problem) -> Routine:
    return _identities(problem, "dp")


@strategy("identity_optimal", "every δ an identity, in the order that an exhaustive search finds")
def optimal(problem: Problem) -> Routine:
    return _identities(problem, "optimal")
