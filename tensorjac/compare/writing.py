"""Routines: operands evaluated first, then whatever a strategy makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .contraction import Operand, Product
from .orders import Order
from .problem import Problem, Routine
from .steps import Array, Steps
from .words import told

Body = Callable[[Steps, Product, Sequence[Array]], Array]


def ordered(problem: Problem, products: Sequence[Product], order: Callable[[Product], Order]) -> Routine:
    """Each product joined pair by pair in an order, and the products added up."""
    orders = {product: order(product) for product in products}
    routine = written(problem, products, lambda steps, product, arrays: steps.product(product, arrays, orders[product]))
    words = dict.fromkeys(told(problem, product, orders[product]) for product in products)
    return replace(routine, order="; ".join(words))


def einsum_of(steps: Steps, product: Product, arrays: Sequence[Array]) -> Array:
    """The product in one call of ``np.einsum``."""
    return steps.einsum(product, arrays)


def contracted_jacobian(problem: Problem, jacobian: str, arguments: Sequence[str]) -> Routine:
    """The cotangent times what the source ``jacobian`` computes of these arguments."""
    cotangent = problem.variables[problem.cotangent]
    rank = len(problem.inputs[problem.cotangent])
    call = f"np.tensordot({cotangent}, jacobian({', '.join(arguments)}), axes={rank})"
    head = f"def contraction({', '.join(problem.variables.values())}):"
    return problem.routine(f"{jacobian}\n\n{head}\n    return {call}\n")


def written(problem: Problem, products: Sequence[Product], body: Body, name: str = "contraction") -> Routine:
    """Source that evaluates the operands of the products, then adds up what ``body`` makes of each product."""
    arguments = ", ".join(problem.variables.values())
    steps = Steps(problem.sizes, {*problem.variables.values(), *problem.function.constants, "np", "math"})
    distinct = dict.fromkeys(op for product in products for op in product.operands)
    arrays, head = _operands(problem, list(distinct), steps)
    total: Array | None = None
    for product in products:
        part = body(steps, product, [arrays[op] for op in product.operands])
        if total is None:
            total = part
        else:
            steps.lines += [f"{total.name} += {part.name}", f"del {part.name}"]
    if total is None:
        # the derivative vanishes
        shape = problem.inputs[problem.wrt]
        total = steps.fresh((), f"np.zeros({shape}, dtype=np.result_type({arguments}))")
    # elementwise steps keep the order of axes in memory that their operands have
    result = f"np.ascontiguousarray({total.name})" if len(problem.inputs[problem.wrt]) > 1 else total.name
    lines = "\n".join(f"    {line}" for line in [*steps.lines, f"return {result}"])
    return problem.routine(f"{head}def {name}({arguments}):\n{lines}\n")


def _operands(problem: Problem, operands: Sequence[Operand], steps: Steps) -> tuple[dict[Operand, Array], str]:
    """A variable for each operand, and the source of the function that computes those that are no inputs."""
    arrays: dict[Operand, Array] = {}
    computed: list[Operand] = []
    for operand in operands:
        if operand.input is not None:
            arrays[operand] = Array(problem.variables[operand.input], operand.labels)
        elif operand.identity:
            size = steps.extent(operand.labels[:1])
            arguments = ", ".join(problem.variables.values())
            eye = steps.fresh(operand.labels, f"np.eye({size}, dtype=np.result_type({arguments}))")
            arrays[operand] = Array(eye.name, eye.labels)
        else:
            computed.append(operand)
    if not computed:
        return arrays, ""
    names: list[str] = []
    for operand in computed:
        name = f"F{len(names) + 1}"
        while name in steps.taken:
            name += "_"
        names.append(name)
        steps.taken.add(name)
        arrays[operand] = Array(name, operand.labels)
    function = problem.evaluated(computed, names)
    steps.lines.insert(0, f"{', '.join(names)} = operands({', '.join(problem.variables.values())})")
    return arrays, problem.source(function, "operands") + "\n\n"
