"""The equations of a text in index notation, each lowered after those whose targets it uses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from ...errors import NotationError
from ...terms import Tensor
from ..syntax import Apply, Call, Delta, Equation, Indexed, IndexText, Name, Node, Span, SumOver, Whole
from .equation import Lowered, Lowering
from .named import Builder, Defined, Named, Numpy, P, Read
from .slots import below, fail, looked_up, slots_of


def lower_text(
    parsed: IndexText,
    text: str,
    tensors: Mapping[str, Tensor],
    functions: Mapping[str, P],
    build: Builder[P],
    numpy: Numpy | None = None,
) -> tuple[Lowered, ...]:
    """The equations of a text, in order, the definitions behind ``where`` put in.

    ``tensors`` are the inputs and constants by name. Equations may use the targets of others, in any order.
    """
    inputs = {name: Read(tensor, build) for name, tensor in tensors.items()}
    sizes = {size for tensor in tensors.values() for dim in tensor.shape for size in dim.names}
    names: dict[str, Named] = dict(inputs)
    done: dict[int, Lowered] = {}
    for equation in _ordered(parsed, _targets(parsed, inputs, text), text):
        reading = Lowering(text, sizes, names, functions, numpy, build=build)
        lowered = reading.equation(equation)
        done[id(equation)] = lowered
        if not equation.wrt and equation.target.name not in inputs:
            names[equation.target.name] = Defined(lowered.axes, lowered.body, build)
    requirements = tuple(dict.fromkeys(r for lowered in done.values() for r in lowered.requirements))
    return tuple(replace(done[id(equation)], requirements=requirements) for equation in parsed.equations)


def _targets(parsed: IndexText, inputs: Collection[str], text: str) -> dict[str, Equation]:
    """The equations and definitions by the names that they give."""
    targets: dict[str, Equation] = {}
    for definition in parsed.definitions:
        name = definition.target.name
        if name in inputs:
            found = f"behind where stand new names, and {name} is an input"
            fail(NotationError, text, definition.target.span, found, "use another name")
        targets[name] = definition
    for equation in parsed.equations:
        name = equation.target.name
        if equation.wrt or name in inputs:
            continue
        if name in targets:
            found = f"a name is defined once, and {name} is defined twice"
            fail(NotationError, text, equation.target.span, found, "use two names")
        targets[name] = equation
    return targets


def _ordered(parsed: IndexText, targets: Mapping[str, Equation], text: str) -> list[Equation]:
    """The equations and definitions, each after those whose targets it uses."""
    order: list[Equation] = []
    state: dict[int, bool] = {}  # False while the equations that this one uses are being put in order
    for root in (*parsed.definitions, *parsed.equations):
        stack = [root]
        while stack:
            equation = stack[-1]
            if id(equation) in state:
                stack.pop()
                if not state[id(equation)]:
                    state[id(equation)] = True
                    order.append(equation)
                continue
            state[id(equation)] = False
            for name, span in _used(equation.right):
                user = targets.get(name)
                if user is None or state.get(id(user)):
                    continue
                if id(user) in state:
                    found = f"no equation defines a name by itself, and {name} is needed to find {name}"
                    fail(NotationError, text, span, found, "take it out, or use another name")
                stack.append(user)
    return order


def _used(node: Node) -> Iterator[tuple[str, Span]]:
    """The names in a node that may be those of tensors: letters are none."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Indexed | Name):
            yield node.name, node.span
        if isinstance(node, Call):
            waiting.extend((*node.arguments, *node.keywords))
        elif isinstance(node, Whole):
            waiting.append(node.call)
        elif isinstance(node, Apply | Delta | Indexed | SumOver):
            waiting.extend(child for child, _ in below(node, frozenset()))
        else:
            waiting.extend(node.children)
        # a slot may hold a tensor, as in E[t[i], k]
        waiting.extend(inner for slot in slots_of(node) for inner in looked_up(slot))
