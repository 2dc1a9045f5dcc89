"""What a check asks: which derivative of which function, by which inputs, and its true value at a point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ..dims import Dim, Requirement
from ..errors import ShapeError, TraceError
from ..function import Function, Jacobian
from ..reading import trace
from . import numeric
from .opaque import Opaque

Array = np.ndarray[Any, Any]
Kind = Literal["vjp", "grad", "jacobian", "hessian"]
Arguments = tuple[str, ...]

MOST_JACOBIANS = 32


@dataclass(frozen=True)
class Target:
    """One derivative that is asked for: by one input, or for a Hessian by two."""

    wrt: Arguments
    label: str

    @property
    def argument(self) -> str:
        """The name that findings give it."""
        return ", ".join(self.wrt)


class Question:
    """A derivative of a function, exact where the function was traced, else numeric."""

    def __init__(self, function: Function | Opaque, kind: Kind, symmetric: Iterable[str] = ()) -> None:
        if not isinstance(function, Function | Opaque):
            raise TraceError(
                f"a check needs a function that was traced, and {type(function).__name__} is none: "
                "make it with tj.trace, tj.parse or tj.opaque."
            )
        self.function = function
        self.kind: Kind = kind
        self.memory: dict[Any, Any] = {}  # what detectors derived for all targets, by keys of their own
        self.symmetric = frozenset(symmetric)
        for name in self.symmetric:
            self._check_square(name)

    def _check_square(self, name: str) -> None:
        dims = self.shapes.get(name, ())
        if len(dims) < 2 or dims[-1] is not dims[-2]:
            raise ShapeError(
                f"a symmetric input is a square matrix, and {name} is none: "
                f"symmetric= names inputs among {', '.join(self.shapes)} whose last two sizes are the same."
            )

    @property
    def exact(self) -> bool:
        return isinstance(self.function, Function)

    @cached_property
    def shapes(self) -> dict[str, tuple[Dim, ...]]:
        """The sizes of each input of the function, in order."""
        if isinstance(self.function, Function):
            return dict(self.function._parts.inputs)
        return dict(self.function._shapes)

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        return self.function._parts.requirements if isinstance(self.function, Function) else ()

    @cached_property
    def cotangents(self) -> tuple[str, ...]:
        """The names of the cotangents that the derivative takes, as the library names them."""
        if self.kind != "vjp":
            return ()
        if isinstance(self.function, Function):
            taken = self.function.vjp(*self.shapes).inputs
            return tuple(name for name in taken if name not in self.shapes)
        return tuple(self._free(name) for name in self._opaque_cotangents)

    def _free(self, name: str) -> str:
        while name in self.shapes:
            name += "_"
        return name

    _opaque_cotangents: tuple[str, ...] = ("G",)

    def note_outputs(self, count: int) -> None:
        """How many outputs a black box has, which is known when it has run once."""
        self._opaque_cotangents = ("G",) if count == 1 else tuple(f"G{k}" for k in range(1, count + 1))
        self.__dict__.pop("cotangents", None)

    def label(self, wrt: Arguments) -> str:
        """dA, ∂Y/∂A or ∂²Y/∂A∂B."""
        if self.kind in ("vjp", "grad"):
            return f"d{wrt[0]}"
        below = "".join(f"∂{name}" for name in wrt)
        out = next(iter(self.function.outputs)) if isinstance(self.function, Function) else "Y"
        return f"∂{'²' if len(wrt) == 2 else ''}{out}/{below}"

    def target(self, wrt: Arguments) -> Target:
        for name in wrt:
            if name not in self.shapes:
                raise TraceError(
                    f"a claim is about an input of the function, and {name} is none: "
                    f"choose from {', '.join(self.shapes)}."
                )
        return Target(wrt, self.label(wrt))

    # Truth

    def outputs(self, args: Mapping[str, Array]) -> list[Array]:
        """The outputs of the function at a point."""
        result = self.function(**{name: args[name] for name in self.shapes})
        values = result.values() if isinstance(result, dict) else result if isinstance(result, tuple) else (result,)
        return [np.asarray(value) for value in values]

    def derivative(self, wrt: Arguments) -> Function | None:
        """The derivative as an expression, before any symmetry is used; None for a black box."""
        return self._of(self.function, wrt) if isinstance(self.function, Function) else None

    def guess(self, wrt: Arguments) -> Function | None:
        """The derivative of what a black box looks like from inside: a help for naming causes, never the truth."""
        return None if self.traced is None else self._of(self.traced, wrt)

    @cached_property
    def traced(self) -> Function | None:
        """The function, traced where it can be."""
        if isinstance(self.function, Function):
            return self.function
        try:
            return trace(self.function._fun, **self.shapes)
        except Exception:  # whatever a black box does with traced arrays
            return None

    def _of(self, function: Function, wrt: Arguments) -> Function:
        known = self._derivatives.get(wrt)
        if known is None:
            known = self._derivatives[wrt] = self.derive(function, wrt)
        return known

    @cached_property
    def _derivatives(self) -> dict[Arguments, Function]:
        return {}

    def derive(self, function: Function, wrt: Arguments) -> Function:
        """The same kind of derivative of another function of these inputs."""
        match self.kind:
            case "vjp":
                return function.vjp(*wrt)
            case "grad":
                return function.grad(*wrt)
            case "jacobian":
                return function.jacobian(wrt[0])
            case "hessian":
                return function.hessian(*wrt)

    def truth(self, wrt: Arguments, args: Mapping[str, Array]) -> tuple[Array, Array | float]:
        """The true value at a point, and a bound on its error."""
        derivative = self.derivative(wrt)
        with np.errstate(all="ignore"):
            if derivative is not None:
                taken = {name: args[name] for name in derivative.inputs}
                return self._symmetrised(wrt, np.asarray(derivative(**taken))), 0.0
            value, error = self._numeric(wrt, args)
        return self._symmetrised(wrt, value), self._symmetrised(wrt, error)

    def _numeric(self, wrt: Arguments, args: Mapping[str, Array]) -> tuple[Array, Array]:
        inner = {name: args[name] for name in self.shapes}
        if self.kind == "hessian":
            return numeric.jacobian(lambda moved: numeric.jacobian(self._only, moved, wrt[0])[0], inner, wrt[1])
        if self.kind != "vjp":
            return numeric.jacobian(self._only, inner, wrt[0])
        value: Array = np.zeros(np.shape(args[wrt[0]]))
        error: Array = np.zeros(np.shape(args[wrt[0]]))
        for k, name in enumerate(self.cotangents):
            slope, bound = self._jacobian(wrt[0], inner, k)
            cotangent = np.asarray(args[name])
            value = value + np.tensordot(cotangent, slope, cotangent.ndim)
            error = error + np.tensordot(np.abs(cotangent), bound, cotangent.ndim)
        return value, error

    def numeric_jacobian(self, wrt: Arguments, args: Mapping[str, Array]) -> Array:
        """The Jacobian of a black box, of shape output + input."""
        return self._jacobian(wrt[0], {name: args[name] for name in self.shapes}, 0)[0]

    def _jacobian(self, name: str, args: Mapping[str, Array], output: int) -> tuple[Array, Array]:
        """The Jacobian of one output; the last few are kept, since cotangents change and points do not."""
        key = (name, output, *(array.tobytes() for array in args.values()))
        known: dict[Any, tuple[Array, Array]] = self.memory.setdefault("jacobians", {})
        if key not in known:
            if len(known) >= MOST_JACOBIANS:
                known.clear()
            known[key] = numeric.jacobian(lambda moved: self.outputs(moved)[output], args, name)
        return known[key]

    def _only(self, args: Mapping[str, Array]) -> Array:
        return self.outputs(args)[0]

    def _symmetrised(self, wrt: Sequence[str], value: Array) -> Array:
        """The symmetric part along the axes of every input that is declared symmetric."""
        end = value.ndim
        for name in reversed(wrt):
            if name in self.symmetric:
                value = (value + np.swapaxes(value, end - 1, end - 2)) / 2
            end -= len(self.shapes[name])
        return value

    def dims(self, wrt: Arguments) -> tuple[Dim, ...] | None:
        """The sizes of the derivative's axes; None where a black box does not tell."""
        derivative = self.derivative(wrt)
        if derivative is not None:
            return tuple(axis.dim for axis in next(iter(derivative._parts.outputs.values()))[0])
        if self.kind in ("vjp", "grad"):
            return self.shapes[wrt[0]]
        return None

    def layout(self, wrt: Arguments) -> int:
        """How many of the derivative's last axes belong to the input."""
        derivative = self.derivative(wrt)
        if isinstance(derivative, Jacobian) or self.kind in ("jacobian", "hessian"):
            return len(self.shapes[wrt[-1]])
        return 0
