"""The methods and operators of traced arrays: functions by another name, and what works in place."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..errors import ShapeError, TraceError
from .record import fail, spelled, user_frame
from .registry import call
from .tracer import Tracer

# Methods that are functions of the same name.
_REDUCING = ("sum", "mean", "max", "min", "prod", "var", "std", "trace")
_MOVING = ("diagonal", "swapaxes", "squeeze", "ravel", "repeat", "take")
_METHODS = (*_REDUCING, *_MOVING, "cumsum", "clip", "dot")
# The operator methods of Python, and the function that each stands for.
_BINARY = (
    *(("add", "add"), ("sub", "subtract"), ("mul", "multiply"), ("truediv", "divide"), ("pow", "power")),
    *(("matmul", "matmul"), ("and", "bitwise_and"), ("or", "bitwise_or"), ("xor", "bitwise_xor")),
    *(
        ("floordiv", "floor_divide"),
        ("mod", "remainder"),
        ("lshift", "left_shift"),
        ("rshift", "right_shift"),
    ),
)
_COMPARISONS = (
    *(("eq", "equal"), ("ne", "not_equal"), ("lt", "less"), ("le", "less_equal")),
    *(("gt", "greater"), ("ge", "greater_equal")),
)


def _method(name: str) -> Callable[..., Any]:
    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        return call(name, self, *args, **kwargs)

    return method


def _swapped(name: str) -> Callable[..., Any]:
    def method(self: Tracer, other: Any) -> Any:
        return call(name, other, self)

    return method


def _in_place(name: str) -> Callable[..., Any]:
    def method(self: Tracer, other: Any) -> Any:
        return changed_in_place(self, call(name, self, other))

    return method


for _name in _METHODS:
    setattr(Tracer, _name, _method(_name))
for _name, _function in _BINARY:
    setattr(Tracer, f"__{_name}__", _method(_function))
    setattr(Tracer, f"__r{_name}__", _swapped(_function))
    setattr(Tracer, f"__i{_name}__", _in_place(_function))
for _name, _function in _COMPARISONS:
    setattr(Tracer, f"__{_name}__", _method(_function))

# What may stand behind a dot in a text.
ATTRIBUTES = frozenset(
    (
        "shape",
        "ndim",
        "size",
        "T",
        "mT",
        "real",
        "conj",
        "astype",
        "transpose",
        "reshape",
        "copy",
        "flatten",
        *_METHODS,
    )
)


# In place ----------------------------------------------------------------------------------------------------------


def changed_in_place(target: Tracer, result: Tracer) -> Tracer:
    """What ``target op= other`` leaves in ``target``, where that changes nothing that is seen elsewhere."""
    memory = target._memory
    owner = memory.owner() if memory.owner else None
    if not target.axes and owner is target:
        return result  # scalars are no arrays: the name is bound anew
    _demand_own_memory(target, owner)
    _demand_fit(target, result)
    memory.version += 1
    memory.changed = _line()
    target._seen = memory.version
    target.body = result.over(target.axes)
    return target


def _demand_own_memory(target: Tracer, owner: Tracer | None) -> None:
    """Refuse to write where that would be seen elsewhere."""
    if target._memory.source is not None:
        fail(
            TraceError,
            f"an operation in place would write into the argument {target._memory.source}",
            "write y = y + x instead of y += x, or begin with a .copy().",
        )
    if not target._writable:
        fail(
            TraceError,
            "an operation in place would write into a read-only view",
            "write y = y + x instead of y += x, or begin with a .copy().",
        )
    if owner is not None and owner is not target:
        fail(
            TraceError,
            "an operation in place would write through a view into another array",
            "write y = y + x instead of y += x, or begin with a .copy().",
        )


def _demand_fit(target: Tracer, result: Tracer) -> None:
    """Refuse to change the shape or the dtype of what is written into."""
    if result.dims != target.dims:
        fail(
            ShapeError,
            f"in place, the result has the shape of the left side, {spelled(target.shape)}, and here it has "
            f"shape {spelled(result.shape)}",
            "write y = y + x instead of y += x.",
        )
    if "bif".index(result.kind) > "bif".index(target.kind):
        fail(
            TraceError,
            f"in place, the result has the dtype of the left side, and NumPy does not cast {result.dtype} to "
            f"{target.dtype}",
            "write y = y + x instead of y += x.",
        )


def _line() -> str:
    frame = user_frame()
    if frame is None:
        return ""
    return f" on line {frame.f_lineno} of {os.path.basename(frame.f_code.co_filename)}"
