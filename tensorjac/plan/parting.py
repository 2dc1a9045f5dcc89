"""Sums of products with a log-softmax in two parts, where the program has one half of them anyway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..arrays import Value, Values

_PRODUCT, _LOG, _EXP = "np.vdot({0}, {1})", "np.log({0})", "np.exp({0})"


def row_sums(order: Sequence[Value]) -> dict[int, Value]:
    """The sums along the last axis, by the identity of what is summed."""
    return {id(array): value for value in order if (array := _summed(value)) is not None}


def parted(
    values: Values, value: Value, args: Sequence[Value], uses: Counter[int], sums: Mapping[int, Value]
) -> Value | None:
    """Σ T (log z − D) as Σ t log z − Σ T D where the program has the sums t of the rows of T: no difference is made.

    z are the sums of the rows of exp(D), and the largest entry of each row of D is 0: so log z ≥ 0 ≥ D, and no part is
    larger than the whole. Elsewhere the parts could cancel.
    """
    if not _is(value, _PRODUCT):
        return None
    for place in (0, 1):
        weights, difference = value.args[place], value.args[1 - place]
        side = _logarithms(difference) if uses[id(difference)] == 1 and id(weights) in sums else None
        if side is not None:
            parts = [_dot(values, args[place], part) for part in args[1 - place].args]
            before = sums[id(weights)]
            rows = values.make(before.kind, (args[place], *before.args[1:]), before.detail, before.shape, hint="t")
            parts[side] = _dot(values, rows, args[1 - place].args[side].args[0])
            return values.make("subtract", parts, None, (), hint="total")
    return None


def _dot(values: Values, a: Value, b: Value) -> Value:
    return values.matmul(a, b) if a.rank == 1 else values.call(_PRODUCT, (a, b), (), hint="total")


def _logarithms(difference: Value) -> int | None:
    """Which side of log z − D or D − log z is log z, with z = Σ exp(D), D being less the largest entry of each row."""
    if difference.kind != "subtract":
        return None
    for side in (0, 1):
        log, shifted = difference.args[side], difference.args[1 - side]
        if log.kind == "expand" and _is(log.args[0], _LOG) and shifted.kind == "subtract":
            array, largest = shifted.args
            most = largest.args[0] if largest.kind == "expand" else largest
            is_shifted = _is(most, f"{{0.}}.max(axis={array.rank - 1})") and most.args[0] is array
            exponential = _summed(log.args[0].args[0])
            if is_shifted and exponential and _is(exponential, _EXP) and exponential.args[0] is shifted:
                return side
    return None


def _is(value: Value, template: str) -> bool:
    return value.kind == "call" and bool(value.detail[0] == template)


def _summed(value: Value) -> Value | None:
    """What the value is the sum of along the last axis; None for anything else."""
    if value.kind == "sum":
        return value.args[0] if value.detail == (value.args[0].rank - 1,) else None
    if value.kind == "matmul":
        array, ones = value.args
        return array if array.rank > 1 and ones.kind == "call" and ones.detail[0].startswith("np.ones(") else None
    return None
