"""Functions put together: one in place of an input of another, and two with the inputs of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from . import rewrites
from .calls import Expression, Parts, free_name, shape_text
from .dims import Dim
from .errors import ShapeError
from .terms import Input, Sum, Tensor

Shapes = dict[str, tuple[Dim, ...]]


def substituted(outer: Parts, inner: Mapping[str, tuple[Parts, str, Expression]]) -> Parts:
    """The parts of ``outer`` with expressions in place of some inputs; each comes with its function and its name."""
    inputs: Shapes = {}
    replaced: dict[Tensor, Sum] = {}
    whole = outer
    for name, dims in outer.inputs.items():
        if name not in inner:
            join_input(inputs, name, dims)
            continue
        parts, output, (axes, body) = inner[name]
        if tuple(axis.dim for axis in axes) != dims:
            raise ShapeError(
                f"the output {output} has shape {shape_text([a.dim for a in axes])} and the input {name} has "
                f"shape {shape_text(dims)}: name equal sizes alike in both functions."
            )
        for other, shape in parts.inputs.items():
            join_input(inputs, other, shape)
        target = Input(name, dims)
        replaced[target] = body.substitute(dict(zip(axes, target.axes, strict=True)))
        whole = _sharing(whole, parts, inputs)
    with rewrites.assuming(whole.requirements):
        bodies = rewrites.rebuild([body for _, body in outer.outputs.values()], replaced)
    outputs = {name: (axes, body) for (name, (axes, _)), body in zip(outer.outputs.items(), bodies, strict=True)}
    return replace(whole, inputs=inputs, outputs=outputs, origin=None)


def joined(first: Parts, second: Parts) -> Parts:
    """The parts of ``first`` with the inputs, constants and requirements of both, those of ``second`` last."""
    inputs: Shapes = dict(first.inputs)
    for name, dims in second.inputs.items():
        join_input(inputs, name, dims)
    return replace(_sharing(first, second, inputs), inputs=inputs)


def _sharing(parts: Parts, other: Parts, inputs: Shapes) -> Parts:
    """The parts with the constants and the requirements of ``other`` besides their own."""
    constants, names = dict(parts.constants), dict(parts.names)
    for tensor, label in other.names.items():
        if tensor not in names:
            names[tensor] = free_name(label, {*constants, *inputs})
            constants[names[tensor]] = other.constants[label]
    requirements = tuple(dict.fromkeys((*parts.requirements, *other.requirements)))
    return replace(parts, constants=constants, names=names, requirements=requirements)


def join_input(inputs: Shapes, name: str, dims: tuple[Dim, ...]) -> None:
    """Enter an input among others; ShapeError where one of its name has another shape."""
    known = inputs.setdefault(name, dims)
    if known != dims:
        raise ShapeError(
            f"the input {name} has shape {shape_text(known)} in one function and {shape_text(dims)} in the "
            "other: give two different arrays different names."
        )
