"""Values as text: in paper notation where they have such a form, else in index notation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...dims import Dim
from ...matrix import matrix_forms
from ...matrix.plain import plain
from ...notation import printing
from ...terms import Sum
from .scope import CHANGE, inputs_of
from .values import Value


def written(value: Value) -> str:
    """A value as a person would write it."""
    found = sorted(inputs_of([value.body]), key=lambda one: (one.name.startswith(CHANGE), one.name))
    inputs = {one.name: one.shape for one in found}
    outputs = {"°": (value.axes, value.body)}
    forms = matrix_forms(outputs, inputs, {})
    if forms is not None:
        shared = [f"{name} = {plain(node)}" for name, node in forms.definitions.items()]
        text = " where ".join([plain(forms.outputs["°"]), *([", ".join(shared)] if shared else [])])
        return text.replace("°", "")
    return _indexed(outputs, inputs)


def _indexed(outputs: Mapping[str, tuple[Sequence[object], Sum]], inputs: Mapping[str, Sequence[Dim]]) -> str:
    text = printing.text(outputs, inputs)  # type: ignore[arg-type]
    left, _, right = text.partition(" = ")
    letters = left.removeprefix("°").strip("[]")
    return f"{right} at [{letters}]" if letters else right
