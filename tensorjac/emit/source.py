"""The source of a function: sizes read from arguments, statements, and the results returned in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Value, dim_text
from ..dims import Dim
from ..plan import Costs, Program
from .portable import Portable, converted
from .statements import Statements
from .texts import is_view, owner

# Floats with fewer digits than arguments may have.
SINGLE = (np.float16, np.float32)

_LIBRARY = re.compile(r"\bxp\.")
_WORD = re.compile(r"[A-Za-z_]\w*")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*+(?!=)")


@dataclass(frozen=True)
class Source:
    """Generated source: the text of the function, its name, and whether all its results are always in C order.

    ``library`` is what the text calls the library of the arrays where that may be another than NumPy.
    """

    text: str
    name: str
    ordered: bool
    library: str


RESERVED = frozenset({"np", "math", "dtype", "float", "erf", "xlogy"})
# Also taken where the arrays are another library's.
PORTABLE = RESERVED | {"xp", "device"}


def variables(inputs: Mapping[str, tuple[Dim, ...]], portable: bool = False) -> dict[str, str]:
    """The names of parameters: those of the inputs, with ``_`` where a size or a module is called so."""
    sizes = {size for shape in inputs.values() for dim in shape for size in dim.names}
    taken = sizes | (PORTABLE if portable else RESERVED)
    names: dict[str, str] = {}
    for name in inputs:
        variable = name
        while variable in taken or (variable != name and variable in inputs):
            variable += "_"
        names[name] = variable
    return names


def source(
    program: Program,
    name: str,
    inputs: Mapping[str, tuple[Dim, ...]],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    bare: bool = True,
) -> Source:
    """The function's source: sizes read from arguments, named intermediates, and the results returned in order.

    A single result is returned as it is where ``bare``, else as a tuple, like several ones, or none.
    """
    constants = constants or {}
    names = {size for shape in inputs.values() for dim in shape for size in dim.names}
    taken = {*inputs, *constants, *names, *outputs, *RESERVED, name}
    functional = program.costs.functional
    whole = frozenset(c for c, array in constants.items() if array.dtype.kind in "iu")
    writer = Portable(program, {*taken, *PORTABLE}, whole) if functional else Statements(program, set(taken))
    results = _owned(writer, program.outputs)
    lines = writer.lines
    if len(outputs) > 1:
        lines, results = _renamed(lines, results, outputs, taken)
    library, device = "xp", list[str]()
    if functional:
        lines = [*converted(lines + results, constants), *lines]
        lines, results, library, device = _apart(lines, results, taken, next(iter(inputs)))
    head = [*_head(lines + results, inputs, constants, program.costs), *device]
    parameters = ", ".join([*inputs, *(f"{c}={c}" for c in constants)])
    returned = _returned(results, outputs, bare)
    body = "\n".join(f"    {line}" for line in [*head, *lines, *returned])
    in_order = all(id(value) in writer.in_order for value in program.outputs)
    return Source(f"def {name}({parameters}):\n{body}\n", name, in_order, library)


def _apart(
    lines: Sequence[str], results: Sequence[str], taken: Container[str], first: str
) -> tuple[list[str], list[str], str, list[str]]:
    """The lines with names of their own for the library and its device, where sizes are called so; and how to ask it.

    ``first`` is an array of the library.
    """
    library, device = (_free(name, taken) for name in ("xp", "device"))
    lines, results = (
        [_LIBRARY.sub(f"{library}.", text.replace("device=device", f"device={device}")) for text in texts]
        for texts in (lines, results)
    )
    asked = any("device=" in text for text in [*lines, *results])
    return lines, results, library, [f"{device} = {library}.device({first})"] if asked else []


def _free(name: str, taken: Container[str]) -> str:
    return name if name not in taken else _free(f"{name}_", taken)


def _renamed(
    lines: Sequence[str], results: Sequence[str], outputs: Sequence[str], taken: Container[str]
) -> tuple[list[str], list[str]]:
    """Intermediates that are returned, called what the results are called."""
    called: dict[str, str] = {}
    for name, text in zip(outputs, results, strict=True):
        if text.isidentifier() and text not in taken:
            called.setdefault(text, name)

    def renamed(text: str) -> str:
        # every other part is a string, such as the equation of an einsum; a keyword of a call has no space behind it
        parts = text.split('"')
        parts[::2] = [_NAME.sub(lambda found: called.get(found[0], found[0]), part) for part in parts[::2]]
        return '"'.join(parts)

    return [renamed(line) for line in lines], [renamed(text) for text in results]


def _returned(results: Sequence[str], outputs: Sequence[str], bare: bool) -> list[str]:
    if len(results) > 1:
        lines = [f"{name} = {text}" for name, text in zip(outputs, results, strict=True) if text != name]
        return [*lines, f"return {', '.join(outputs)}"]
    if bare:
        return [f"return {results[0]}"]
    return [f"return ({results[0]},)" if results else "return ()"]


def _owned(writer: Statements, outputs: Sequence[Value]) -> list[str]:
    """The texts of the results: C-contiguous, and never views of an argument or of one another."""
    results: list[str] = []
    seen: set[int] = set()
    for value in outputs:
        text, _ = writer.texts[id(value)]
        base = owner(value)
        stored = writer.result(value)
        if stored is not None:
            text = stored
        elif value.rank and (base.kind == "name" or id(base) in seen):
            text = writer.copied(text)
        elif value.rank and base is not value and not is_view(value):
            # a reshape is in order as it is
            text = writer.ordered(text)
        seen.add(id(base))
        results.append(text)
    return results


def _head(
    lines: Sequence[str], inputs: Mapping[str, tuple[Dim, ...]], constants: Mapping[str, Any], costs: Costs
) -> list[str]:
    """The dtype and the sizes that the lines mention."""
    words = {word for line in lines for word in _WORD.findall(line)}
    head = []
    sizes: dict[str, str] = {}
    for name, shape in inputs.items():
        for axis, dim in enumerate(shape):
            if dim.name is not None and dim.name in words and dim.name not in sizes:
                sizes[dim.name] = f"{name}.shape[{axis}]"
    for name, shape in inputs.items():
        mine = [dim.name or "" for dim in shape]
        whole = len(mine) > 1 and len(set(mine)) == len(mine)
        if whole and all(sizes.get(size, "").startswith(f"{name}.shape") for size in mine):
            head.append(f"{', '.join(mine)} = {name}.shape")
            for size in mine:
                sizes.pop(size)
    head += [f"{size} = {text}" for size, text in sizes.items()]
    known = {dim.name for shape in inputs.values() for dim in shape}
    for name, shape in inputs.items():
        for axis, dim in enumerate(shape):
            for size in sorted((dim.names & words) - known):
                solved = _solved_for(size, dim, f"{name}.shape[{axis}]", known)
                if solved is not None:
                    known.add(size)
                    head.append(f"{size} = {solved}")
    if "dtype" in words:
        # whole numbers and masks among the constants say nothing about precision
        arrays = [*inputs, *(name for name, array in constants.items() if array.dtype.kind == "f")]
        common = f"{arrays[0]}.dtype" if costs.tuned and arrays else f"np.result_type({', '.join(arrays) or 'float'})"
        # arrays of another library have been made alike
        head.append(f"dtype = {next(iter(inputs))}.dtype" if costs.functional else f"dtype = {common}")
    if not costs.tuned and not costs.functional:
        # what is computed of a constant alone would else have its digits only
        for name in (c for c, array in constants.items() if c in words and array.dtype in SINGLE):
            head.append(f"{name} = {name}.astype(np.result_type({', '.join([*inputs, name])}), copy=False)")
    return head


def _solved_for(size: str, dim: Dim, actual: str, known: set[str | None]) -> str | None:
    """The size as text, where ``dim`` is a multiple of it plus sizes that are known."""
    rest, step = (dim.substitute({size: Dim.of(k)}) for k in (0, 1))
    factor = step - rest
    if dim is not factor * Dim.of(size) + rest or not (factor.names | rest.names) <= known:
        return None
    text = actual if rest.value == 0 else f"({actual} - {dim_text(rest)})"
    return text if factor.value == 1 else f"{text} // {dim_text(factor)}"


def compiled(generated: Source, scope: Mapping[str, Any]) -> Callable[..., Any]:
    """The function that the source defines."""
    names: dict[str, Any] = dict(scope)
    exec(compile(generated.text, f"<tensorjac {generated.name}>", "exec"), names)
    return names[generated.name]  # type: ignore[no-any-return]


def in_c_order(code: Callable[..., Any]) -> Callable[..., Any]:
    """The function with results in C order, which NumPy leaves to the order of the operands."""
    return lambda *arrays: _contiguous(code(*arrays))


def _contiguous(result: Any) -> Any:
    if result.__class__ is tuple:
        for each in result:
            if not each.flags.c_contiguous:
                return tuple(map(_contiguous, result))
        return result
    return result if result.flags.c_contiguous else np.ascontiguousarray(result)
