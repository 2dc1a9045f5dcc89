"""δ eliminated, in the best order found by any means; and the best bracketing of a chain."""

from __future__ import annotations

from dataclasses import replace

from ...errors import UnsupportedError
from ...plan.costs import Costs
from ...plan.paths import bracketed
from ..calibration import model
from ..contraction import Product
from ..orders import numbered
from ..problem import Problem, Routine
from ..registry import STRATEGIES, strategy
from ..writing import ordered

# Those whose orders the best is chosen from, the pure modes among them.
ORDERS = ("forward", "reverse", "greedy", "dp", "optimal", "brackets")


def is_chain(product: Product) -> bool:
    """Whether the operands are matrices in a line, each index shared by two of them or by one and the result."""
    carried = [label for operand in product.operands for label in operand.labels] + list(product.axes)
    slim = all(len(operand.labels) <= 2 for operand in product.operands)
    return slim and all(carried.count(label) == 2 for label in carried)


@strategy("brackets", "δ eliminated; a chain of matrices, its brackets the best of all by dynamic programming")
def brackets(problem: Problem) -> Routine:
    for product in problem.eliminated:
        if not is_chain(product):
            raise UnsupportedError("dynamic programming over brackets needs a chain of matrices, and this is none.")
    costs = Costs(problem.sizes)

    def order(product: Product) -> tuple[tuple[int, int], ...]:
        labels = [frozenset(operand.labels) for operand in product.operands]
        pairs = bracketed(labels, frozenset(product.axes), costs) if len(labels) > 1 else []
        return numbered(len(labels), pairs)

    return ordered(problem, problem.eliminated, order)


@strategy("mixed", "δ eliminated; the order predicted to be fastest, forward and reverse among the candidates")
def mixed(problem: Problem) -> Routine:
    candidates: list[tuple[float, str, Routine]] = []
    for name in ORDERS:
        try:
            routine = STRATEGIES[name].make(problem)
            assert isinstance(routine, Routine)
            candidates.append((model().seconds(problem.cost(routine), problem.itemsize), name, routine))
        except UnsupportedError:
            continue
    if not candidates:
        raise UnsupportedError("no order of this contraction can be counted, and so none is known to be the best.")
    return replace(min(candidates, key=lambda candidate: candidate[0])[2])
