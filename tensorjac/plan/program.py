"""Programs: array operations for some outputs, and how they are planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..arrays import Value, Values
from ..dims import Dim
from ..terms import Index, Sum, Tensor, name_bits
from .bodies import Bodies
from .choices import Choices, cheapest, work
from .costs import Costs
from .layouts import Layouts
from .products import Products
from .reading import Operands
from .sharing import prepared
from .solving import solved
from .sums import Sums
from .tensors import Tensors
from .tidying import tidied


@dataclass
class Program:
    """Array operations for some outputs: the values to return, in order."""

    outputs: list[Value]
    costs: Costs


def plan(
    outputs: Sequence[tuple[Sequence[Index], Sum]],
    constants: Mapping[Tensor, str],
    sizes: Mapping[str, int] | None = None,
    order: Sequence[Dim] = (),
    variables: Mapping[str, str] | None = None,
    tuned: bool = False,
    functional: bool = False,
) -> Program:
    """The operations that compute ``outputs``, given as (axes, expression), ordered for these sizes.

    ``order`` are the sizes as they first occur in the arguments: a batch axis that stands first there stands first in
    products, too. ``variables`` are the names that inputs have in the source, where these differ from their own.
    ``tuned`` is for arrays of one dtype, ``functional`` for arrays that cannot be written into.
    """
    costs = Costs(sizes or {}, tuned, functional)
    roots = [body for _, body in outputs]

    def program(choices: Choices) -> Program:
        return _program(outputs, prepared(roots, costs, choices), constants, costs, order, variables or {})

    return cheapest(program, lambda each: work(each.outputs, costs))


def _program(
    outputs: Sequence[tuple[Sequence[Index], Sum]],
    bodies: Bodies,
    constants: Mapping[Tensor, str],
    costs: Costs,
    order: Sequence[Dim],
    variables: Mapping[str, str],
) -> Program:
    """The operations that compute ``outputs`` by expressions that are ready."""
    values = Values()
    operands = Operands(values, costs.functional)
    places = {dim: k for k, dim in reversed(list(enumerate(order)))}
    sums = Sums(values, costs, operands, Products(values, costs, places))
    layouts = Layouts(bodies, operands.arrays)
    tensors = Tensors(values, sums, bodies.inner, constants, variables, layouts)
    uses = bodies.uses()
    # what the last argument, a cotangent, takes no part in is there first: so the rest is laid out like it
    for tensor in bodies.needed(late=name_bits(list(variables)[-1:])):
        operands.arrays[tensor] = tensors.array(tensor)
        if uses[tensor] > 1:
            values.pinned.add(id(operands.arrays[tensor][0]))
    results = [sums.full(root, tuple(axes)) for (axes, _), root in zip(outputs, bodies.roots, strict=True)]
    return Program(tidied(values, solved(values, results), costs.tuned), costs)
