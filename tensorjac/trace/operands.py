"""Operands: numbers, sizes and arrays as constants; how axes are numbered, and how they broadcast."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np

from ..dims import Dim
from ..errors import ShapeError, TraceError
from ..primitives import PRIMITIVES
from ..rewrites import apply
from ..terms import ONE, Constant, Index, Input, Number, Sum, constant, of_factor, of_size
from .record import common_size, counted, fail, running
from .sizes import SizeNumber
from .symbolic import described
from .tracer import Kind, Memory, Tracer

# What to do where sizes are the same only if nothing is rounded.
EVEN = "fix the size that is divided, or name it as a multiple, such as 2*h."


def is_number(value: object) -> bool:
    """Whether a value is a plain real number, also as an array without axes."""
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and value.dtype.kind in "biuf"
    return isinstance(value, bool | int | float | np.bool_ | np.integer | np.floating)


def of_number(value: Any) -> Tracer:
    if isinstance(value, np.ndarray):
        value = value[()]
    if isinstance(value, bool | np.bool_):
        return Tracer((), constant(int(value)), "b")
    if isinstance(value, int | np.integer):
        value = int(value)
        if abs(value) > sys.float_info.max:
            fail(
                TraceError,
                f"a number is at most 1.8e308, and this one is about 1e{int(value.bit_length() * math.log10(2))}",
                "calculate with its logarithm.",
            )
        return Tracer((), constant(value), "i")
    return Tracer((), constant(float(value)))


def of_input(name: str, dims: Sequence[Dim]) -> Tracer:
    """The argument of this name."""
    record = running()
    axes = axis_labels(dims)
    memory = Memory(record, source=name)
    tracer = Tracer(axes, of_factor(Input(name, tuple(dims))(*axes)), memory=memory)
    memory.owner = ref(tracer)
    return tracer


def axis_labels(dims: Sequence[Dim]) -> tuple[Index, ...]:
    record = running()
    if record is None:
        return tuple(map(Index.fresh, dims))
    return tuple(record.label(len(dims) - position, dim) for position, dim in enumerate(dims))


def constant_of(array: np.ndarray[Any, Any]) -> Constant:
    """A copy of an array of numbers, as a tensor."""
    if array.dtype.kind not in "biuf":
        fail(
            TraceError,
            f"arrays of numbers can be captured, and this one has dtype {array.dtype}",
            "use real numbers; np.stack joins traced arrays and sizes into one.",
        )
    # Whole numbers and masks take part in real arithmetic: 1 + True is 2, and 2**-1 is 1/2.
    kept = array.copy(order="C")
    kept.flags.writeable = False
    sign = 2 if np.all(kept > 0) else 1 if np.all(kept >= 0) else 0
    dims = tuple(map(Dim.of, array.shape))
    return Constant(kept, repr((kept.dtype.str, kept.shape)).encode() + kept.tobytes(), dims, sign)


def of_array(array: np.ndarray[Any, Any]) -> Tracer:
    tensor = constant_of(array)
    record = running()
    kind: Kind = "b" if array.dtype.kind == "b" else "f" if array.dtype.kind == "f" else "i"
    axes = axis_labels(tensor.shape)
    if not array.size or (record is not None and record.emptied and np.unique(array).size == 1):
        # what has no entries, or came of such, is of no precision of its own
        return Tracer(axes, constant(array.flat[0].item() if array.size else 0), kind)
    if record is not None:
        record.constants.setdefault(tensor)
    return Tracer(axes, of_factor(tensor(*axes)), kind)


def lift(value: Any) -> Tracer:
    """Any operand as a traced array: numbers, sizes and arrays of numbers are constants."""
    if isinstance(value, Tracer):
        return value.current()
    if is_number(value):
        return of_number(value)
    if isinstance(value, SizeNumber):
        return Tracer((), of_size(value.dim), "i")
    if type(value) is np.ndarray:
        return of_array(value)
    if isinstance(value, list | tuple):
        if _holds_traced(value):
            fail(
                TraceError,
                f"a {type(value).__name__} that holds traced arrays stands where an array is expected",
                "join the arrays by np.stack, or by np.concatenate along an axis that they have.",
            )
        return lift(np.asarray(value))
    if isinstance(value, np.ndarray):
        fail(
            TraceError,
            f"a captured array is a plain array, and this one is of type {type(value).__name__}, in which operators "
            "may mean something else",
            "capture np.asarray of it, and of a masked array its .filled(0) and its mask.",
        )
    fail(
        TraceError,
        f"a value of type {type(value).__name__} cannot be part of a traced calculation",
        "use real numbers, arrays of real numbers, sizes and traced arrays.",
    )


def _holds_traced(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_traced, value))
    return isinstance(value, Tracer | SizeNumber)


def literal(tracer: Tracer) -> Number | None:
    """The number that an array without axes is, where it is one."""
    if tracer.axes or len(tracer.body.terms) > 1:
        return None
    if not tracer.body.terms:
        return 0
    (term,) = tracer.body.terms
    return None if term.factors or term.summed else term.coefficient


# Axes -------------------------------------------------------------------------------------------------------


def aligned(*arrays: Tracer) -> tuple[tuple[Index, ...], list[Sum]]:
    """The axes to which the arrays broadcast, and their expressions over these."""
    rank = max(array.ndim for array in arrays)
    axes: list[Index] = []
    for position in range(-rank, 0):
        present = [array for array in arrays if array.ndim >= -position]
        axes.append(_joined(present, [array.axes[position] for array in present], position, axes))
    return tuple(axes), [array.over(axes[rank - array.ndim :]) for array in arrays]


def _joined(arrays: Sequence[Tracer], labels: Sequence[Index], position: int, taken: Sequence[Index]) -> Index:
    """The axis to which these broadcast: one of them where possible, so that there is nothing to rename."""
    wide = [label for label in labels if label.dim is not ONE] or labels
    dim = wide[0].dim
    for array, label in zip(arrays, labels, strict=True):
        if label.dim is ONE or label.dim is dim:
            continue
        first = arrays[list(labels).index(wide[0])]
        sizes = f"size {wide[0].dim} in {described(first)} and size {label.dim} in {described(array)}"
        common = common_size(dim, label.dim, f"axis {position} of {sizes}", EVEN)
        if common is None:
            names = "make the two sizes one name, or give one of the axes size 1: x[:, None], keepdims=True."
            advice = EVEN if "//" in dim.key + label.dim.key else names
            fail(ShapeError, f"these shapes do not broadcast: axis {position} has {sizes}", advice)
        dim = common
    free = [label for label in wide if label.dim is dim and label not in taken]
    return free[0] if free else Index.fresh(dim)


def axis_number(axis: Any, rank: int) -> int:
    """An axis counted from the front."""
    try:
        number = operator.index(axis)
    except TypeError:
        number = None
    if number is None or isinstance(axis, bool):
        fail(
            TraceError,
            f"an axis is a whole number, and this one is of type {type(axis).__name__}",
            "pass a number such as axis=1 or axis=-1.",
        )
    if not -rank <= number < rank:
        fail(
            ShapeError,
            f"axis {number} is out of range for an array with {counted(rank, 'axis', 'axes')}",
            f"pass an axis from {-rank} to {rank - 1}." if rank else "leave the axis out: there is none.",
        )
    return number % rank


def axis_numbers(axis: Any, rank: int) -> tuple[int, ...]:
    """Axes counted from the front; None is all of them."""
    if axis is None:
        return tuple(range(rank))
    numbers = tuple(axis_number(each, rank) for each in (axis if isinstance(axis, tuple | list) else (axis,)))
    if len(set(numbers)) < len(numbers):
        fail(ShapeError, f"an axis is named twice in {axis}", "name each axis once.")
    return numbers


# Elementwise ------------------------------------------------------------------------------------------------


def wider(*kinds: Kind) -> Kind:
    return max(kinds, key="bif".index)


def elementwise(name: str, *operands: Any, kind: Kind = "f") -> Tracer:
    """A primitive on operands that broadcast."""
    axes, bodies = aligned(*map(lift, operands))
    return Tracer(axes, apply(PRIMITIVES[name], bodies), kind)
