"""Functions put together: one in place of an input of another, and two with the inputs of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from . import rewrites
from .calls import Compiled, Expression, Parts, free_name, shape_text
from .dims import Dim
from .errors import ShapeError
from .terms import Input, Sum, Tensor

Shapes = dict[str, tuple[Dim, ...]]


# Expressions in place of inputs, by the names of these: each comes with its function and its name.
Inner = Mapping[str, tuple[Parts, str, Expression]]


def called(outer: Parts, inner: Inner) -> dict[str, Dim]:
    """What the expressions call the sizes of ``outer``."""
    sizes: dict[str, Dim] = {}
    for name, (_, output, (axes, _)) in inner.items():
        sizes.update(unified(name, outer.inputs[name], output, tuple(axis.dim for axis in axes), sizes))
    return sizes


def substituted(outer: Parts, inner: Inner, sizes: Mapping[str, Dim]) -> Parts:
    """The parts of ``outer`` with expressions in place of some inputs, and these sizes in place of names."""
    outer = replace(outer, origin=None)
    whole = outer = resized(outer, sizes) if sizes else outer
    inputs: Shapes = {}
    replaced: dict[Tensor, Sum] = {}
    for name, dims in outer.inputs.items():
        if name not in inner:
            join_input(inputs, name, dims)
            continue
        parts, _, (axes, body) = inner[name]
        for other, shape in parts.inputs.items():
            join_input(inputs, other, shape)
        target = Input(name, dims)
        replaced[target] = body.substitute(dict(zip(axes, target.axes, strict=True)))
        whole = _sharing(whole, parts, inputs)
    with rewrites.assuming(whole.requirements):
        bodies = rewrites.rebuild([body for _, body in outer.outputs.values()], replaced)
    outputs = {name: (axes, body) for (name, (axes, _)), body in zip(outer.outputs.items(), bodies, strict=True)}
    return replace(whole, inputs=inputs, outputs=outputs, origin=None)


def unified(
    name: str, dims: tuple[Dim, ...], output: str, actual: tuple[Dim, ...], known: Mapping[str, Dim]
) -> dict[str, Dim]:
    """What the names in ``dims`` stand for where ``actual`` is passed; ShapeError where they contradict each other."""
    sizes = dict(known)
    fits = len(dims) == len(actual)
    for dim, given in zip(dims, actual, strict=False):
        if dim.substitute(sizes) is given:
            continue
        if dim.name is None or dim.name in sizes:
            fits = False
            break
        sizes[dim.name] = given
    if not fits:
        raise ShapeError(
            f"the output {output} has shape {shape_text(actual)} and the input {name} has "
            f"shape {shape_text(dims)}: give the input a shape that this one fits, or name equal sizes alike."
        )
    return sizes


def resized(parts: Parts, sizes: Mapping[str, Dim]) -> Parts:
    """The parts with other sizes in the place of names, and what they were derived from likewise."""
    origin = parts.origin
    if origin is not None:
        origin = replace(origin, function=Compiled(resized(origin.function._parts, sizes)))
    inputs = {name: tuple(dim.substitute(sizes) for dim in dims) for name, dims in parts.inputs.items()}
    facts = tuple(fact._replace(dim=fact.dim.substitute(sizes)) for fact in parts.requirements)
    with rewrites.assuming(facts):
        outputs = rewrites.resized(list(parts.outputs.values()), sizes)
    renamed = dict(zip(parts.outputs, outputs, strict=True))
    return replace(parts, inputs=inputs, outputs=renamed, requirements=facts, origin=origin)


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
