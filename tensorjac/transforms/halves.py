"""Values now and gradients later, as one program in two parts: what both need is calculated once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .. import emit
from ..calls import Compiled, Parts
from ..dims import bind_sizes


class Codes(NamedTuple):
    """The two parts as functions, and which arguments the second one reads.

    The second takes the arguments of the first, then what that returns besides the values, then its own.
    """

    values: Callable[..., tuple[Any, ...]]
    gradients: Callable[..., tuple[Any, ...]]
    read: frozenset[int]


class Halves(Compiled):
    """A function of which the first ``count`` outputs are wanted before the last ``later`` inputs are there."""

    def __init__(self, parts: Parts, count: int, later: int) -> None:
        super().__init__(parts)
        self.count, self.later = count, later
        self._early = dict(list(parts.inputs.items())[: len(parts.inputs) - later])

    def codes(self, arguments: Sequence[Any]) -> Codes:
        """The functions for arguments like these; ShapeError where their shapes are not what they rely on."""
        shapes = {name: array.shape for name, array in zip(self._early, arguments, strict=True)}
        sizes = bind_sizes(self._early, shapes, self._parts.requirements)
        return self._code(sizes, self._alike(arguments))  # type: ignore[no-any-return]

    def _made(self, sizes: Mapping[str, int], tuned: bool) -> Codes:
        parts, inputs, outputs = self._parts, self._variables[False], list(self._parts.outputs)
        early = {name: inputs[name] for name, _ in zip(inputs, self._early, strict=False)}
        later = {name: dims for name, dims in inputs.items() if name not in early}
        taken = {*inputs, *outputs, *parts.constants, *sizes}
        halves = emit.halved(self._program(sizes, tuned), self.count, taken)
        first = emit.source(
            halves.first, "f", early, [*outputs[: self.count], *halves.kept], parts.constants, bare=False
        )
        second = emit.source(
            halves.second, "f", {**early, **halves.kept, **later}, outputs[self.count :], parts.constants, bare=False
        )
        read = frozenset(k for k, name in enumerate(early) if name in halves.read)
        return Codes(self._run(first), self._run(second), read)
