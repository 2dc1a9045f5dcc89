"""What other libraries make of the same contraction, where they are installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import interop
from ...errors import UnsupportedError
from ..columns import size
from ..machine import available_memory
from ..orders import numbered
from ..problem import Problem, Routine
from ..registry import strategy
from ..writing import ordered

# JAX tells only afterwards what memory it took: larger Jacobians are not asked of it.
DENSE = 2**27
# Bytes that a sparse array takes for each entry while it is built: number, row and column, twice.
STORED = 48


@strategy("sparse", "the sparse Jacobian, transposed, times the cotangent, by SciPy")
def sparse(problem: Problem) -> Callable[..., Any]:
    interop.sparse()
    jacobian = problem.jacobian
    needed = STORED * jacobian.nnz.evaluate(problem.sizes)
    if needed > available_memory() / 2:
        raise UnsupportedError(
            f"its structure leaves entries that take {size(needed)}, more than half of the free memory."
        )
    shape = problem.inputs[problem.wrt]
    split = len(problem.function.inputs)

    def run(*values: Any) -> Any:
        matrix = jacobian.sparse(*values[:split])
        return (matrix.T @ np.ravel(values[split])).reshape(shape)

    return run


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


def _in_jax(problem: Problem) -> tuple[Any, Callable[..., Any]]:
    """JAX, and the function as one of JAX's arrays; UnsupportedError where NumPy's source does not run there."""
    jax = interop.jax()
    routine = problem.routine(problem.source(problem.function, "forward"))
    forward = routine.compiled(jax.numpy)
    arrays = [jax.ShapeDtypeStruct(problem.inputs[name], np.float64) for name in problem.function.inputs]
    try:
        with interop.double_precision():
            jax.eval_shape(forward, *arrays)
    except Exception as error:  # JAX has errors of its own for each thing that it cannot do
        raise UnsupportedError(f"JAX does not run the function's NumPy source: {type(error).__name__}.") from None
    return jax, forward


def _transformed(problem: Problem, make: Callable[[Any, Callable[..., Any]], Callable[..., Any]]) -> Callable[..., Any]:
    jax, forward = _in_jax(problem)
    compiled = jax.jit(make(jax, forward))

    def run(*values: Any) -> Any:
        with interop.double_precision():
            return compiled(*values).block_until_ready()

    return run


@strategy("jax_vjp", "jax.vjp of the function, under jit")
def jax_vjp(problem: Problem) -> Callable[..., Any]:
    place = list(problem.function.inputs).index(problem.wrt)

    def make(jax: Any, forward: Callable[..., Any]) -> Callable[..., Any]:
        def vjp(*values: Any) -> Any:
            inputs, cotangent = list(values[:-1]), values[-1]
            _, pullback = jax.vjp(lambda x: forward(*inputs[:place], x, *inputs[place + 1 :]), inputs[place])
            return pullback(cotangent)[0]

        return vjp

    return _transformed(problem, make)


@strategy("jax_jacrev", "jax.jacrev of the function, then contracted, under jit")
def jax_jacrev(problem: Problem) -> Callable[..., Any]:
    place = list(problem.function.inputs).index(problem.wrt)
    rank = len(problem.inputs[problem.cotangent])
    dense = np.prod(problem.inputs[problem.cotangent]) * np.prod(problem.inputs[problem.wrt])
    if dense > DENSE:
        raise UnsupportedError(f"jacrev forms the dense Jacobian, and {dense:.0f} numbers are more than it is given.")

    def make(jax: Any, forward: Callable[..., Any]) -> Callable[..., Any]:
        jacobian = jax.jacrev(forward, argnums=place)
        return lambda *values: jax.numpy.tensordot(values[-1], jacobian(*values[:-1]), axes=rank)

    return _transformed(problem, make)
