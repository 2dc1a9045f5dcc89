"""δ eliminated, then joined pair by pair: forward, in reverse, or as a path optimiser says."""

from __future__ import annotations

from ..orders import backward, found
from ..orders import forward as forward_order
from ..problem import Problem, Routine
from ..registry import strategy
from ..writing import ordered


@strategy("forward", "δ eliminated; from the input on, the cotangent last")
def forward(problem: Problem) -> Routine:
    products = problem.eliminated_forward
    return ordered(problem, products, lambda product: forward_order(product, problem.sizes, problem.cotangent))


@strategy("reverse", "δ eliminated; from the cotangent back")
def reverse(problem: Problem) -> Routine:
    return ordered(problem, problem.eliminated, lambda product: backward(product, problem.sizes))


def _optimised(problem: Problem, method: str) -> Routine:
    return ordered(problem, problem.eliminated, lambda product: found(product, problem.sizes, method))


@strategy("greedy", "δ eliminated; in the order that the greedy path optimiser finds")
def greedy(problem: Problem) -> Routine:
    return _optimised(problem, "greedy")


@strategy("dp", "δ eliminated; in the order that dynamic programming finds")
def dp(problem: Problem) -> Routine:
    return _optimised(problem, "dp")


@strategy("optimal", "δ eliminated; in the order that an exhaustive search finds")
def optimal(problem: Problem) -> Routine:
    return _optimised(problem, "optimal")
