"""What is compared: ∂L/∂Y · ∂Y/∂A of a function at known sizes, and the NumPy source of a way to compute it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np

from .. import emit, interop
from ..calls import Compiled
from ..errors import ShapeError
from ..function import Function, Jacobian
from .contraction import Operand, Product, products
from .meter import Cost, Shape, metered

T = TypeVar("T")


class derived(Generic[T]):
    """A property that is computed once for a function, whatever the sizes."""

    def __init__(self, compute: Callable[[Problem], T]) -> None:
        self.compute = compute

    def __get__(self, problem: Problem, owner: type[Problem]) -> T:
        known = problem.known
        name = self.compute.__name__
        if name not in known:
            known[name] = self.compute(problem)
        return known[name]  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Problem:
    """A function with one output, the input ``wrt``, a number for every named size, and the dtype of all arrays."""

    function: Function
    wrt: str
    sizes: Mapping[str, int]
    dtype: Any = np.float64
    known: dict[str, Any] = field(default_factory=dict, repr=False)  # what was derived, by name

    @classmethod
    def of(
        cls,
        function: Function,
        wrt: str,
        sizes: Mapping[str, int],
        of: str | None = None,
        dtype: Any = np.float64,
    ) -> Problem:
        """The function cut down to the output ``of``; ShapeError where a size has no number."""
        name, expression = function._single(of, "compare")
        (wrt,) = function._wrt((wrt,))
        parts = replace(function._parts, outputs={name: expression}, nesting="single")
        named = [size for dims in parts.inputs.values() for dim in dims for size in sorted(dim.names)]
        missing = [size for size in dict.fromkeys(named) if size not in sizes]
        if missing:
            example = ", ".join(f'"{size}": 64' for size in missing)
            raise ShapeError(f"the size {missing[0]} has no number: pass sizes={{{example}}}.")
        return cls(Function(parts), wrt, {size: sizes[size] for size in dict.fromkeys(named)}, dtype)

    @derived
    def jacobian(self) -> Jacobian:
        return self.function.jacobian(self.wrt)

    @derived
    def forward(self) -> Jacobian:
        return self.function._forward_jacobian(self.wrt)

    @derived
    def vjp(self) -> Function:
        return self.function.vjp(self.wrt)

    @derived
    def cotangent(self) -> str:
        return next(name for name in self.vjp.inputs if name not in self.function.inputs)

    @cached_property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """The shape of every argument in numbers, the cotangent's last."""
        parts = self.vjp._parts
        return {name: tuple(dim.evaluate(self.sizes) for dim in dims) for name, dims in parts.inputs.items()}

    @property
    def itemsize(self) -> int:
        return int(np.dtype(self.dtype).itemsize)

    @cached_property
    def held(self) -> float:
        """Bytes of the arguments."""
        return sum(map(self.bytes, self.inputs))

    def bytes(self, name: str) -> float:
        """Bytes of one argument; the gradient by an input has as many as the input."""
        return float(math.prod(self.inputs[name]) * self.itemsize)

    def cost(self, routine: Routine) -> Cost:
        """What a routine costs at the shapes and the dtype of the arguments."""
        return routine.cost(list(self.inputs.values()), self.dtype)

    @derived
    def variables(self) -> dict[str, str]:
        """What the arguments are called in source."""
        return emit.variables(self.vjp._parts.inputs)

    @derived
    def eliminated(self) -> tuple[Product, ...]:
        """The contraction without δ, as backward differentiation nests it."""
        return self._products(self.vjp)

    @derived
    def eliminated_forward(self) -> tuple[Product, ...]:
        """The contraction without δ, as forward differentiation nests it."""
        return self._products(self.forward.pullback(self.cotangent))

    @derived
    def explicit(self) -> tuple[Product, ...]:
        """The terms of the Jacobian, every δ an operand."""
        return self._products(self.jacobian)

    def at(self, **sizes: int) -> Problem:
        """The same problem with other numbers for some sizes."""
        return replace(self, sizes={**self.sizes, **sizes})

    @staticmethod
    def _products(function: Function) -> tuple[Product, ...]:
        ((axes, body),) = function._parts.outputs.values()
        return products(axes, body)

    def routine(self, text: str) -> Routine:
        """Source whose last function is the routine, with the function's constants in scope."""
        return Routine(text, {"math": math, **self.function.constants, **interop.special_names(text)})

    def source(self, function: Compiled, name: str) -> str:
        """The source of a function at these sizes, under a name."""
        _, _, rest = function.source(self.sizes).partition("(")
        return f"def {name}({rest}"

    def evaluated(self, operands: Sequence[Operand], names: Sequence[str]) -> Function:
        """The function that computes those operands that are no inputs."""
        parts = self.vjp._parts
        outputs = {name: (op.labels, op.body) for name, op in zip(names, operands, strict=True)}
        return Function(replace(parts, outputs=outputs, nesting="tuple" if len(outputs) > 1 else "single", origin=None))


@dataclass(frozen=True)
class Routine:
    """NumPy source that can be run, and read, and run on arrays that only count what is done to them."""

    text: str
    scope: Mapping[str, Any] = field(default_factory=dict)
    order: str = ""  # in words

    @property
    def slices(self) -> int:
        """Into how many parts the work is cut."""
        return 1

    @property
    def name(self) -> str:
        """The function that the source is about: its last one."""
        names: list[str] = re.findall(r"^def (\w+)\(", self.text, re.MULTILINE)
        return names[-1]

    def compiled(self, numpy: Any = np) -> Callable[..., Any]:
        """The function that the source defines, ``numpy`` being what it calls ``np``."""
        names: dict[str, Any] = {**self.scope, "np": numpy}
        exec(compile(self.text, f"<tensorjac {self.name}>", "exec"), names)
        return names[self.name]  # type: ignore[no-any-return]

    def within(self, room: float) -> Routine | None:
        """The same in parts, in about so many bytes besides arguments and gradient; None where there is no such way."""
        return None

    def cost(self, shapes: Sequence[Shape], dtype: Any = np.float64) -> Cost:
        """What it would cost at arguments of these shapes."""
        return metered(self.text, self.name, self.scope, shapes, dtype)
