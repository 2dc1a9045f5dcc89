"""Running a function once on traced arrays, and what comes out."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np

from ..dims import Dim, Requirement
from ..errors import ShapeError, TensorjacError, TraceError, caret
from ..terms import Constant, Index, Sum, topological
from .operands import is_number, lift, of_input
from .record import Record, recording
from .registry import known_if_empty
from .sizes import SizeNumber
from .tracer import Tracer

Nesting = Literal["single", "tuple", "dict"]
Output = tuple[tuple[Index, ...], Sum]


@dataclass(frozen=True)
class Traced:
    """The inputs and outputs of a function as expressions.

    Each output is its axes and an expression over them; ``constants`` are the arrays that the function
    captured, ``requirements`` the facts about sizes that it relies on.
    """

    inputs: dict[str, tuple[Dim, ...]]
    outputs: dict[str, Output]
    nesting: Nesting
    constants: dict[str, np.ndarray[Any, Any]]
    requirements: tuple[Requirement, ...]


def trace(fun: Callable[..., Any], shapes: Mapping[str, tuple[Dim, ...]]) -> Traced:
    """Run ``fun`` on traced arrays of these shapes, passed to the parameters of these names.

    >>> from tensorjac.dims import parse_shape
    >>> shapes = {"X": parse_shape("b m", "X"), "A": parse_shape("m n", "A")}
    >>> traced = trace(lambda X, A: X @ A, shapes)
    >>> [axis.dim for axis in traced.outputs["Y"][0]]
    [b, n]
    """
    check_names(shapes)
    by_position, by_name = _parameters(fun, shapes)
    inputs = {name: shapes[name] for name in (*by_position, *by_name)}

    def run(symbolic: bool) -> Traced:
        with recording(symbolic=symbolic) as record:
            given = {name: known_if_empty(of_input(name, dims)) for name, dims in inputs.items()}
            try:
                result = fun(*[given[name] for name in by_position], **{name: given[name] for name in by_name})
                values, nesting = named_outputs(result, _where(fun))
            except Exception as error:  # NumPy may have turned what was said into any other error
                if record.emptied:
                    # what NumPy's own arrays do not take: x.dot(y), x += y where y is traced
                    return run(True)
                _reveal(error, record)
                raise
            record.leaving = f"returned by {_where(fun)}"
            return finished(inputs, values, nesting, record)

    return run(False)


def finished(
    inputs: Mapping[str, tuple[Dim, ...]], values: Mapping[str, Any], nesting: Nesting, record: Record
) -> Traced:
    """What was traced, from the values that came out."""
    outputs = {
        name: (lifted.axes, lifted.body) for name, lifted in zip(values, map(lift, values.values()), strict=True)
    }
    return Traced(dict(inputs), outputs, nesting, _named_constants(inputs, outputs, record), record.requirements)


def check_names(shapes: Mapping[str, tuple[Dim, ...]]) -> None:
    """A scalar has a name of its own, as generated code gives sizes theirs."""
    scalars = [name for name, dims in shapes.items() if not dims]
    for name in scalars:
        for owner, other in shapes.items():
            for axis, dim in enumerate(other):
                if name in dim.names:
                    text = f"{owner}: {' '.join(map(str, other))}"
                    start = len(owner) + 2 + sum(len(str(each)) + 1 for each in other[:axis])
                    raise ShapeError(
                        f"a scalar and a size have different names, and {name} is a scalar argument and "
                        f"a size of {owner} (axis {axis}):\n{caret(text, start, start + len(str(dim)))}\n"
                        f"rename one of the two."
                    )


# Parameters -------------------------------------------------------------------------------------------------


def _parameters(fun: Callable[..., Any], shapes: Mapping[str, tuple[Dim, ...]]) -> tuple[list[str], list[str]]:
    """The names to be passed by position, and those to be passed by name, in the order of the function."""
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    if isinstance(fun, np.ufunc) or (not parameters and shapes):
        return list(shapes), []  # its parameters have no names that are known
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    taken = [p.name for p in named]
    missing = [p.name for p in named if p.name not in shapes and p.default is p.empty]
    extra = [name for name in shapes if name not in taken]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        extra, taken = [], [*taken, *extra]
    if missing or extra:
        raise TraceError(_mismatch(fun, named, missing, extra))
    positional = [p.name for p in named if p.kind is p.POSITIONAL_ONLY and p.name in shapes]
    return positional, [name for name in taken if name in shapes and name not in positional]


def _mismatch(
    fun: Callable[..., Any], named: Sequence[inspect.Parameter], missing: Sequence[str], extra: Sequence[str]
) -> str:
    faults = [f"{_listed(missing)} {'has' if len(missing) == 1 else 'have'} no shape"] if missing else []
    if extra:
        faults.append(f"{_listed(extra)} {'is' if len(extra) == 1 else 'are'} no parameter")
    near = [match for name in extra for match in get_close_matches(name, missing, 1, 0.6)]
    call = f"{_name(fun)}({', '.join(p.name for p in named)})"
    advice = f"did you mean {near[0]}?" if near else "give a shape to each parameter by its own name."
    rule = f"each parameter of the function gets a shape: {' and '.join(faults)}"
    return f"{rule}:\n{caret(call, 0, len(call))}\n{advice}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _name(fun: Callable[..., Any]) -> str:
    return str(getattr(fun, "__name__", type(fun).__name__))


def _where(fun: Callable[..., Any]) -> str:
    code = getattr(fun, "__code__", None)
    place = f", line {code.co_firstlineno} of {os.path.basename(code.co_filename)}" if code else ""
    return f"{_name(fun)}{place}"


def _reveal(error: Exception, record: Record) -> None:
    """Raise what a traced array or a size said, where NumPy replaced it by words of its own."""
    if isinstance(error, TensorjacError) or record.demanded is None:
        return
    said, place = record.demanded
    lines = set()
    trail = error.__traceback__
    while trail is not None:
        lines.add((trail.tb_frame.f_code.co_filename, trail.tb_lineno))
        trail = trail.tb_next
    if place in lines:
        raise said from None


# Outputs ----------------------------------------------------------------------------------------------------


def named_outputs(result: Any, where: str) -> tuple[dict[str, Any], Nesting]:
    """The outputs by name, and whether they came alone, in a tuple or list, or in a dict."""
    if isinstance(result, dict):
        for name in result:
            if not isinstance(name, str) or not name.isidentifier():
                raise TraceError(
                    f"a returned dict names the outputs, and {name!r} is no name (returned by {where}).\n"
                    "use names such as 'loss' as keys."
                )
        values = dict(result)
    elif isinstance(result, tuple | list):
        values = dict(zip(output_names(len(result)), result, strict=True))
    else:
        values = {"Y": result}
    if not values:
        raise TraceError(f"a traced function returns at least one array (returned by {where}: none).\nreturn an array.")
    for name, value in values.items():
        if not isinstance(value, Tracer | SizeNumber | np.ndarray) and not is_number(value):
            what = "None" if value is None else f"a value of type {type(value).__name__}"
            part = "" if result is value else f" as {name}"
            raise TraceError(
                f"a traced function returns arrays, not {what}{part} (returned by {where}).\n"
                + ("is a return missing?" if value is None else "return an array, or a tuple, list or dict of them.")
            )
    return values, "dict" if isinstance(result, dict) else "tuple" if isinstance(result, tuple | list) else "single"


def output_names(count: int) -> list[str]:
    """Y, or Y1, Y2, …

    >>> output_names(1), output_names(2)
    (['Y'], ['Y1', 'Y2'])
    """
    return ["Y"] if count == 1 else [f"Y{k}" for k in range(1, count + 1)]


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name, with as many underscores as it takes."""
    used = set(taken)
    while name in used:
        name += "_"
    return name


def _named_constants(
    inputs: Mapping[str, tuple[Dim, ...]], outputs: Mapping[str, Output], record: Record
) -> dict[str, np.ndarray[Any, Any]]:
    """The captured arrays that the outputs use, in the order in which they were captured."""
    tensors = topological(tensor for _, body in outputs.values() for tensor in body.tensors)
    used = {tensor for tensor in tensors if isinstance(tensor, Constant)}
    sizes = {size for dims in inputs.values() for dim in dims for size in dim.names}
    constants: dict[str, np.ndarray[Any, Any]] = {}
    for tensor, given in record.constants.items():
        if tensor in used and isinstance(tensor.array, np.ndarray):
            name = given or free_name(f"C{len(constants) + 1}", (*inputs, *outputs, *sizes))
            constants[name] = tensor.array
    return constants
