"""What SciPy and cotengra make of the same contraction, where they are installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import interop
from ..orders import numbered
from ..problem import Problem, Routine
from ..registry import Foreign, strategy
from ..writing import ordered

# Bytes that a sparse array takes for each entry while it is built: number, row and column, twice.
STORED = 48


@strategy("sparse", "the sparse Jacobian, transposed, times the cotangent, by SciPy", "scipy")
def sparse(problem: Problem) -> Foreign:
    interop.sparse()
    jacobian = problem.jacobian
    shape = problem.inputs[problem.wrt]
    split = len(problem.function.inputs)

    def run(*values: Any) -> Any:
        matrix = jacobian.sparse(*values[:split])
        return (matrix.T @ np.ravel(values[split])).reshape(shape)

    return Foreign(run, float(STORED * jacobian.nnz.evaluate(problem.sizes)), 0)


@strategy("cotengra", "δ eliminated; in the order that cotengra finds")
def cotengra(problem: Problem) -> Routine:
    library = interop.cotengra()

    def order(product: Any) -> tuple[tuple[int, int], ...]:
        names = {label: f"i{k}" for k, label in enumerate(product.labels)}
        inputs = [[names[label] for label in operand.labels] for operand in product.operands]
        carried = {name for part in inputs for name in part}
        out = [names[label] for label in product.axes if names[label] in carried]
        sizes = {names[label]: label.dim.evaluate(problem.sizes) for label in product.labels}
        if len(inputs) < 2:
            return ()
        tree = library.array_contract_tree(inputs, out, sizes, optimize="greedy")
        return numbered(len(inputs), tree.get_path())

    return ordered(problem, problem.eliminated, order)
