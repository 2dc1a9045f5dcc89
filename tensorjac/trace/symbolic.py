"""An array of which only axes and an expression are known, and what cannot be had from it."""

from __future__ import annotations

from typing import Any, NoReturn

from ..dims import Dim
from ..errors import TraceError
from ..terms import Constant, Index, Input, Sum, topological
from .record import demanded, fail, spelled
from .registry import call
from .sizes import WAYS_OUT, SizeNumber, product_of, size_number


class Symbolic:
    """Axes and an expression over them; whatever asks for the entries is told what to write instead."""

    __slots__ = ("axes", "body")

    axes: tuple[Index, ...]
    body: Sum

    @property
    def dims(self) -> tuple[Dim, ...]:
        return tuple(axis.dim for axis in self.axes)

    @property
    def shape(self) -> tuple[int | SizeNumber, ...]:
        return tuple(size_number(axis.dim) for axis in self.axes)

    @property
    def ndim(self) -> int:
        return len(self.axes)

    @property
    def size(self) -> int | SizeNumber:
        return size_number(product_of(self.dims))

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        demanded(
            f"the entries of {described(self)} are not known while tracing, and NumPy asks for them",
            "leave out np.asarray and np.array: traced arrays go into NumPy functions as they are; np.stack "
            "joins several into one.",
        )

    def __bool__(self) -> bool:
        self._known("bool()")
        demanded(
            f"control flow cannot depend on {described(self)}: its entries are not known while tracing",
            "write np.where(condition, x, y), np.maximum or np.minimum instead of if, while, min, max, "
            "and & | ~ instead of and, or, not.",
        )

    def __float__(self) -> float:
        self._scalar(
            "float()",
            "leave float() out, and call functions of NumPy instead of math: a traced scalar can be calculated with as "
            "it is.",
        )

    def __int__(self) -> int:
        self._scalar("int()", "leave int() out, or calculate with sizes such as X.shape[0], which stay whole.")

    def __index__(self) -> int:
        self._scalar(
            "a use as a whole number",
            "index with numbers, sizes, slices, or arrays of numbers from outside the function.",
        )

    def __complex__(self) -> complex:
        self._scalar("complex()", "leave complex() out: functions are traced over the real numbers.")

    def item(self, *args: Any) -> NoReturn:
        self._scalar(".item()", "leave .item() out: a traced scalar can be calculated with as it is.")

    def tolist(self) -> NoReturn:
        self._scalar(".tolist()", "calculate with the array as a whole.")

    def _known(self, asked: str) -> None:
        """Fail with what concerns sizes, if this is calculated from them alone."""
        parts = topological(self.body.tensors)
        if not self.axes and not any(isinstance(part, Input | Constant) for part in parts):
            demanded(
                f"a number calculated from symbolic sizes is not known while tracing: {asked} asks for it",
                WAYS_OUT,
            )

    def _scalar(self, asked: str, advice: str) -> NoReturn:
        self._known(asked)
        demanded(f"{asked} asks for the value of {described(self)}, which is not known while tracing", advice)

    def __setitem__(self, key: Any, value: Any) -> None:
        fail(
            TraceError,
            f"entries of {described(self)} are assigned, and while tracing arrays do not change",
            "build the array from parts with np.where(mask, new, old), np.concatenate, np.stack or np.pad; "
            "a gradient of it can be checked as it is, with tj.opaque.",
        )

    def __contains__(self, value: object) -> bool:
        demanded(
            f"whether a value is in {described(self)} is not known while tracing",
            "compare with ==, which gives a mask.",
        )

    def __len__(self) -> int:
        size = self._rows("len()")
        if isinstance(size, int):
            return size
        demanded(
            f"len() has to give a number, and the size {size} of {described(self)} is symbolic",
            "use X.shape[0] instead of len(X), or trace with a fixed size.",
        )

    def __iter__(self) -> Any:
        size = self._rows("a loop")
        if isinstance(size, int):
            return (call("getitem", self, k) for k in range(size))
        demanded(
            f"a loop over {described(self)} takes {size} steps, a number that is not known while tracing",
            "calculate with the array as a whole, or trace with a fixed size.",
        )

    def _rows(self, asked: str) -> int | SizeNumber:
        if not self.axes:
            fail(
                TraceError,
                f"{asked} needs an axis, and {described(self)} has none",
                "use the scalar as it is.",
            )
        return size_number(self.axes[0].dim)


# Derivatives inside a trace have inputs of their own, called after an argument, with this mark and a number.
FRESH = "′"


def described(array: Symbolic) -> str:
    """How a message names an array: "X of shape (b, m)"."""
    name = "an array" if array.axes else "a scalar"
    terms = array.body.terms
    if len(terms) == 1 and len(terms[0].factors) == 1:
        (factor,) = terms[0].factors
        tensor = factor.tensor
        plain = terms[0].coefficient == 1 and factor == tensor(*array.axes)
        if isinstance(tensor, Input) and tensor.shape == array.dims and plain:
            name, _, _ = tensor.name.partition(FRESH)
    return f"{name} of shape {spelled(array.shape)}" if array.axes else name
