"""Ufuncs, element by element, and their reductions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from .arrays import UFUNCS, Counted, across, layout, positions, stretches
from .ledger import Kind, Ledger

# NumPy computes a result in the memory of an operand that nobody else can see, from this size on.
ELIDED = 256 * 1024
IN_PLACE = {np.add: True, np.multiply: True, np.subtract: False, np.true_divide: False}  # whether operands may swap
# Functions that take the time of several multiplications.
QUICK = frozenset(
    {"add", "subtract", "multiply", "divide", "negative", "positive", "absolute", "maximum", "minimum", "square"}
    | {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "sign", "conjugate", "reciprocal"}
    | {"logical_and", "logical_or", "logical_not", "bitwise_and", "bitwise_or", "invert", "heaviside", "isfinite"}
)


def elementwise(ledger: Ledger, ufunc: np.ufunc, *inputs: Any, out: Any = None, order: str = "K") -> Any:
    """One operation for each element of the result, which may have more axes than the operands."""
    (target,) = out or (None,)
    shape = np.broadcast_shapes(*(np.shape(x) for x in (*inputs, *(out or ()))))
    fresh = 0.0
    if target is None:
        target = _reused(ufunc, inputs, shape)
    if target is None:
        target = Counted.new(
            ledger, shape, result_dtype(ufunc, inputs), layout(inputs, shape) if order == "K" else None
        )
        fresh = target.bytes
    read = sum(x.bytes for x in inputs if isinstance(x, Counted))
    kind: Kind = "elementwise" if ufunc.__name__ in QUICK else "slow"
    if ufunc is np.power and not isinstance(inputs[1], Counted) and inputs[1] in (-1, 0, 1, 2):
        kind = "elementwise"
    arrays = [*inputs, target]
    lies = {"across": across(arrays, shape), "loops": stretches(arrays, shape)}
    target.note(kind, target.size, read, target.bytes, fresh, **lies)
    return target


def result_dtype(ufunc: np.ufunc, inputs: Sequence[Any]) -> np.dtype[Any]:
    kinds = [type(x) if type(x) in (int, float, complex) else np.result_type(x) for x in inputs]
    found: np.dtype[Any] = ufunc.resolve_dtypes((*kinds, *(None,) * ufunc.nout))[-1]
    return found


def _reused(ufunc: np.ufunc, inputs: Sequence[Any], shape: tuple[int, ...]) -> Counted | None:
    """The operand in whose memory the result is computed."""
    if ufunc not in IN_PLACE:
        return None
    a, b = inputs
    for one, other in ((a, b), (b, a)) if IN_PLACE[ufunc] else ((a, b),):
        if (
            isinstance(one, Counted)
            and one.temporary
            and one.owns
            and one.bytes >= ELIDED
            and one.shape == shape
            and np.shape(other) in ((), shape)
            and result_dtype(ufunc, inputs) == one.dtype
        ):
            return Counted(one.ledger, one.shadow, one.buffer, True)
    return None


def reduce(ledger: Ledger, ufunc: np.ufunc, array: Counted, axis: Any = 0, keepdims: bool = False, **_: Any) -> Counted:
    return array.reduced(axis, keepdims)


def at(ledger: Ledger, ufunc: np.ufunc, array: Counted, items: Any, value: Any) -> None:
    """Values added at places one by one."""
    size = prod(positions(array, items))
    array.note("slow", size, 2 * size * array.dtype.itemsize, size * array.dtype.itemsize)


UFUNCS.update(elementwise=elementwise, reduce=reduce, at=at)
