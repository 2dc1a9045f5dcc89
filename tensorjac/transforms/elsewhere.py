"""Transforms at arrays of other libraries: traced at arrays of their shapes, computed by the library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..calls import Compiled
from ..errors import TraceError
from ..interop.libraries import libraries_of
from ..interop.namespaces import Namespace
from .halves import Halves
from .programs import Program
from .ready import pulled_back
from .rules import Transform
from .trees import leaves_like


def stand_ins(leaves: Sequence[Any]) -> list[Any]:
    """NumPy arrays of the same shapes and dtypes, of which only these are asked; TraceError for whole numbers."""
    found = []
    for number, (leaf, library) in enumerate(zip(leaves, libraries_of(leaves), strict=True), 1):
        if library is None:
            found.append(leaf)
            continue
        name = str(leaf.dtype).rpartition(".")[2]
        if "float" not in name:
            raise TraceError(
                f"a function is traced at real numbers, and array {number} among its arguments is {library.library}'s "
                f"and of dtype {leaf.dtype}.\npass floats, or whole numbers as an array of NumPy's."
            )
        # NumPy has no bfloat16, and tracing asks for no more than that these are floats
        dtype = np.dtype(name if name in ("float16", "float64") else "float32")
        found.append(np.broadcast_to(np.zeros((), dtype), tuple(leaf.shape)))
    return found


class Elsewhere:
    """A traced program, computed by a library."""

    def __init__(self, library: Namespace, program: Program) -> None:
        self.library, self.program = library, program
        parts = program.function._parts
        outputs = list(parts.outputs.items())
        self._split = program.function.count if isinstance(program.function, Halves) else len(outputs)
        early = list(parts.inputs.items())[: len(program.positions)]
        self._values = Compiled(
            replace(parts, inputs=dict(early), outputs=dict(outputs[: self._split]), nesting="tuple")
        )
        self._gradients = Compiled(replace(parts, outputs=dict(outputs[self._split :]), nesting="tuple"))

    def __call__(self, wish: Transform, leaves: Sequence[Any]) -> Any:
        program = self.program
        point = [leaves[k] for k in program.positions]
        dtypes = [getattr(leaves[k], "dtype", None) if isinstance(k, int) else None for k in program.dtypes]
        values = self._computed(self._values, point, dtypes[: self._split])
        if wish.kind != "vjp":
            return wish.shown(program.plain.nested(values), program.derivative.nested(values))

        def pullback(cotangent: Any) -> tuple[Any, ...]:
            """The gradients by all arguments."""
            given = leaves_like(program.output, cotangent, "the cotangent", "the output")
            gradients = self._computed(self._gradients, [*point, *given], dtypes[self._split :])
            return program.derivative.nested(gradients)  # type: ignore[no-any-return]

        return pulled_back(wish, program.plain.nested(values), pullback)

    def _computed(self, function: Compiled, arguments: Sequence[Any], dtypes: Sequence[Any]) -> list[Any]:
        """The outputs, a gradient in the dtype of what it is by."""
        if not function._parts.outputs:
            return []
        values = self.library.run(function, arguments)
        return [
            value if dtype is None or value.dtype == dtype else self.library.astype(value, dtype)
            for value, dtype in zip(values, dtypes, strict=True)
        ]
