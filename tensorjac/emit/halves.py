"""A program in two parts: what its first outputs need, and the rest, which reads what the first part has computed."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from itertools import count

from ..arrays import Value, Values
from ..dims import Dim
from ..plan import Program, computed
from .texts import owns_memory


@dataclass(frozen=True)
class Halves:
    """The first part returns its outputs, then what is ``kept``: arrays that the second part reads by these names."""

    first: Program
    kept: dict[str, tuple[Dim, ...]]
    second: Program

    @property
    def read(self) -> set[str]:
        """The names that the second part reads."""
        return {value.detail for value in computed(self.second.outputs) if value.kind == "name"}


def halved(program: Program, outputs: int, taken: Container[str]) -> Halves:
    """The program cut behind its first outputs, so many: nothing is computed twice but views and numbers."""
    early = {id(value) for value in computed(program.outputs[:outputs])}
    passed = {id(value) for value in computed(program.outputs) if _passes(value)} & early
    names = (name for k in count(1) if (name := f"R{k}") not in taken)
    values, kept, done = Values(), dict[str, Value](), dict[int, Value]()
    for value in computed(program.outputs[outputs:], passed):
        if id(value) in passed:
            name = next(names)
            kept[name] = value
            done[id(value)] = values.name(name, value.shape, value.mask)
            continue
        args = [done[id(arg)] for arg in value.args]
        moved = values.make(value.kind, args, value.detail, value.shape, value.mask, value.hint)
        moved.first = value.first
        done[id(value)] = moved
    return Halves(
        Program([*program.outputs[:outputs], *kept.values()], program.costs),
        {name: value.shape for name, value in kept.items()},
        Program([done[id(value)] for value in program.outputs[outputs:]], program.costs),
    )


def _passes(value: Value) -> bool:
    """Whether a value is computed once: a view costs nothing, and a number of Python's own has no dtype to keep."""
    return owns_memory(value) and not value.weak
