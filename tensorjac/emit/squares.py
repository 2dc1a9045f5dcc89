"""Products X.T @ (X * w) computed in blocks of their columns: half of the entries, which are the others turned."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Value
from ..dims import Dim
from ..terms import ONE

_ROOT = "np.sqrt({0})"


@dataclass(frozen=True)
class Square:
    """How many columns are computed at once: those of an array, weighted, times that array from there on."""

    columns: Dim

    def lines(self, step: str, place: str, array: str, weight: str, dim: str) -> list[str]:
        """The entries from the diagonal on, and what they are turned; ``place`` is the array that is written into."""
        here, behind = f"{step}:{step} + {self.columns}", f"{step} + {self.columns}:"
        # without a name, a block is freed before there is the next one
        block = f"({array}[:, {here}] * {weight}[:, None]).T"
        return [
            f"for {step} in range(0, {dim}, {self.columns}):",
            f"    np.matmul({block}, {array}[:, {step}:], out={place}[{here}, {step}:])",
            f"    {place}[{behind}, {here}] = {place}[{here}, {behind}].T",
        ]


def weighted(value: Value) -> tuple[Value, Value] | None:
    """The array X and the weights w where the value is X.T @ (X * w), however the weights are shared out; else None."""
    scaled = value.kind == "scale"
    product = value.args[0] if scaled else value
    if product.kind != "matmul" or product.args[0].kind != "transpose" or product.rank != 2:
        return None
    turned, other = product.args
    (array, one), (same, two) = _weight(turned.args[0]), _weight(other)
    if array is not same or array.rank != 2 or any(w is not None and w.mask for w in (one, two)):
        return None
    weight = _multiplied(one, two)
    if weight is None:
        return None
    return array, Value("scale", (weight,), value.detail, weight.shape) if scaled else weight


def _weight(value: Value) -> tuple[Value, Value | None]:
    """The array whose rows are multiplied by a vector, and the vector; None where they are not."""
    if value.kind == "multiply":
        for array, other in (value.args, value.args[::-1]):
            if other.kind == "expand" and other.detail == (True, False) and array.shape == value.shape:
                return (array, other.args[0]) if other.args[0].shape[0] is not ONE else (value, None)
    return value, None


def _multiplied(one: Value | None, other: Value | None) -> Value | None:
    """The product of the weights of both sides: what a root that stands on both was taken of."""
    if one is None or other is None:
        return one or other
    if one is not other:
        return Value("multiply", (one, other), None, one.shape)
    root = one.kind == "call" and one.detail[0] == _ROOT
    return one.args[0] if root else Value("power", (one,), 2, one.shape)
