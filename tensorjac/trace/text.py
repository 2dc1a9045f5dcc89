"""NumPy text as a whole: statements, their names and results; and the NumPy text within index notation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dims import Dim, Requirement
from ..notation import syntax
from ..notation.syntax import Node, walk
from ..rewrites import substitute
from ..terms import Slot, Sum, Tensor, of_factor
from .evaluation import array_of, evaluate_numpy, fail_at
from .operands import axis_labels, constant_of, lift, of_input
from .record import reading, recording
from .sizes import size_number
from .tracer import Tracer
from .tracing import Traced, finished, named_outputs, output_names


def trace_text(
    parsed: syntax.NumpyText,
    text: str,
    shapes: Mapping[str, tuple[Dim, ...]],
    arrays: Mapping[str, np.ndarray[Any, Any]] | None = None,
) -> Traced:
    """What a text calculates from arguments of these shapes, and constants with these names.

    Outputs are the values that no later statement uses.

    >>> from tensorjac.dims import parse_shape
    >>> from tensorjac.notation import parse_numpy
    >>> text = "S = X @ X.T; Y = S @ X; loss = S.sum()"
    >>> list(trace_text(parse_numpy(text), text, {"X": parse_shape("b m", "X")}).outputs)
    ['Y', 'loss']
    """
    with recording(text) as record:
        env = with_sizes({name: of_input(name, dims) for name, dims in shapes.items()})
        for name, array in (arrays or {}).items():
            env[name] = lift(array)
            record.constants[constant_of(array)] = name
        loose = _run(parsed, env, (*shapes, *(arrays or {})))
        kept = {name: env[name] for name in _kept(parsed)}
        if len(parsed.statements) == 1 and loose:
            values, nesting = named_outputs(loose[0], "the text")
            return finished(shapes, values, nesting, record)
        values = {**kept, **dict(zip(output_names(len(loose)), loose, strict=True))}
        return finished(shapes, values, "single" if len(values) == 1 else "tuple", record)


def with_sizes(names: Mapping[str, Tracer]) -> dict[str, Any]:
    """What a text may name: these arrays, and the sizes of their axes."""
    sizes = sorted({size for array in names.values() for dim in array.dims for size in dim.names})
    return {**names, **{size: size_number(Dim.of(size)) for size in sizes if size not in names}}


def _run(parsed: syntax.NumpyText, env: dict[str, Any], given: Sequence[str]) -> list[Any]:
    """Run the statements, and hand back the values that get no name."""
    loose = []
    for statement in parsed.statements:
        value = evaluate_numpy(statement.value, env)
        several = isinstance(value, tuple | list) or (statement.unpacks and _unpacks(value))
        parts = list(value) if several else [value]
        for part in parts:
            array_of(part, statement.value, "result")
        for target in statement.targets:
            if target.name in given:
                fail_at(
                    target, f"{target.name} is given, and so it cannot be assigned", "use another name for the result"
                )
        if statement.unpacks and len(parts) != len(statement.targets):
            found = f"here are {len(parts)}" if several else "this is one value"
            rule = f"{len(statement.targets)} names take as many values: {found}"
            fail_at(statement.value, rule, "name each value once")
        if not statement.targets:
            loose.append(value)
        elif statement.unpacks:
            env.update((target.name, part) for target, part in zip(statement.targets, parts, strict=True))
        else:
            env[statement.targets[0].name] = value
    return loose


def _unpacks(value: Any) -> bool:
    return isinstance(value, Tracer) and bool(value.axes) and value.dims[0].value is not None


def _kept(parsed: syntax.NumpyText) -> list[str]:
    """The names that are assigned and not used afterwards."""
    assigned: dict[str, int] = {}
    used: dict[str, int] = {}
    for k, statement in enumerate(parsed.statements):
        used.update((node.name, k) for node in walk(statement.value) if isinstance(node, syntax.Name))
        for target in statement.targets:
            assigned.pop(target.name, None)
            assigned[target.name] = k
    return [name for name, k in assigned.items() if used.get(name, -1) <= k]


@dataclass(frozen=True)
class Evaluated:
    """A value of NumPy text that index notation reads at slots: the inside of ``inv(X.T @ X)[ij]``."""

    array: Tracer
    requirements: tuple[Requirement, ...]

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.array.dims

    def read(self, slots: Sequence[Slot]) -> Sum:
        return substitute(self.array.body, dict(zip(self.array.axes, slots, strict=True)))


def numpy_reader(text: str, tensors: Mapping[str, Tensor]) -> Callable[[Node], Evaluated]:
    """How index notation reads the NumPy text within it."""

    def read(node: Node) -> Evaluated:
        with recording(text) as record:
            names = {}
            for name, tensor in tensors.items():
                axes = axis_labels(tensor.shape)
                names[name] = Tracer(axes, of_factor(tensor(*axes)))
            value = evaluate_numpy(node, with_sizes(names))
            with reading(node.span):
                return Evaluated(lift(array_of(value, node)), record.requirements)

    return read
