"""What results are compared with: the gradient in extended precision, or a part of it, and the first result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..function import Function
from .columns import number
from .cutting import Axes, Part
from .measuring import deviation
from .problem import Problem

Array = np.ndarray[Any, Any]

# Twice the bytes of a double, or as many where a platform has no wider numbers.
WIDE = np.dtype(np.longdouble)
# The reference is computed without BLAS; more operations than this would take longer than all the rest.
REFERENCE_FLOPS = 1e9


@dataclass(frozen=True)
class Reference:
    """How to compute the gradient in extended precision, or along ``axis`` its first entries.

    ``reads`` says what the arguments of ``function`` are: parts of which arguments, along which axes.
    """

    problem: Problem
    function: Function
    reads: Mapping[str, tuple[str, Axes]]
    axis: int = 0
    part: tuple[str, int] | None = None  # how many entries, and what the function calls their number

    @property
    def place(self) -> tuple[slice, ...]:
        """Where in the gradient its entries stand."""
        return (*[slice(None)] * self.axis, slice(self.part[1])) if self.part else ()

    @property
    def entries(self) -> int:
        shape = self.problem.inputs[self.problem.wrt]
        return prod(shape) if self.part is None else prod(shape) // shape[self.axis] * self.part[1]

    @property
    def kept(self) -> float:
        """Bytes of what is kept to compare with: where these are not all entries, the first result, too."""
        return self.entries * WIDE.itemsize + (self.problem.bytes(self.problem.wrt) if self.part else 0.0)

    @property
    def said(self) -> str:
        whole = prod(self.problem.inputs[self.problem.wrt])
        return "against extended precision" + (f", {self.entries} of {whole} entries" if self.part else "")

    def costs(self) -> tuple[float, float]:
        """Operations, and bytes besides the arguments of the problem."""
        sizes = {**self.problem.sizes, **dict([self.part] if self.part else [])}
        shapes = [tuple(dim.evaluate(sizes) for dim in dims) for dims in self.function._parts.inputs.values()]
        own = {name for dims in self.function._parts.inputs.values() for dim in dims for name in dim.names}
        source = self.function.source({name: size for name, size in sizes.items() if name in own})
        text = f"def reference({source.partition('(')[2]}"
        cost = self.problem.routine(text).cost(shapes, WIDE)
        return cost.flops, sum(map(prod, shapes)) * WIDE.itemsize + cost.peak + self.kept

    def compute(self, values: Mapping[str, Array]) -> Array:
        """The entries at these arguments; TypeError where NumPy knows a function of them in double precision only."""
        known = {**self.problem.function.constants, **values}
        cut = slice(self.part[1]) if self.part else slice(None)
        arguments = {
            name: known[source][tuple(cut if k in axes else slice(None) for k in range(known[source].ndim))]
            for name, (source, axes) in self.reads.items()
        }
        with np.errstate(all="ignore"):
            return np.asarray(self.function(**{name: array.astype(WIDE) for name, array in arguments.items()}))


def _references(problem: Problem) -> Iterator[Reference]:
    """All entries, then as many along an axis as there is time for, then one."""
    whole = Reference(problem, problem.vjp, {name: (name, frozenset()) for name in problem.inputs})
    yield whole
    share = REFERENCE_FLOPS / max(whole.costs()[0], 1)
    ((axes, body),) = problem.vjp._parts.outputs.values()
    for k, axis in enumerate(axes):
        part = Part.of(problem.vjp._parts, axes, [(term, axis) for term in body.terms], problem.sizes)
        if part is not None:
            length = axis.dim.evaluate(problem.sizes)
            for size in dict.fromkeys((min(max(int(length * share), 1), length), 1)):
                yield Reference(problem, part.function, part.reads, k, (part.size, size))


@dataclass
class Proof:
    """What all results are compared with. ``said`` is what errors are measured against, or why they are not."""

    problem: Problem
    reference: Reference | None
    said: str
    exact: Array | None = None
    first: Array | None = None

    @classmethod
    def of(cls, problem: Problem, room: float) -> Proof:
        """The most entries that time, and ``room`` bytes besides the arguments, suffice for."""
        if np.finfo(WIDE).eps >= np.finfo(np.float64).eps:
            return cls(problem, None, "not measured: this platform has no precision beyond double")
        least = float("inf")
        try:
            for reference in _references(problem):
                flops, taken = reference.costs()
                if flops <= REFERENCE_FLOPS and taken <= room:
                    return cls(problem, reference, reference.said)
                least = min(least, flops)
        except UnsupportedError as error:
            return cls(problem, None, f"not measured: {error}")
        return cls(
            problem,
            None,
            f"not measured: a part of the gradient takes {number(least)} operations in extended precision",
        )

    @property
    def kept(self) -> float:
        """Bytes of what is kept while strategies run."""
        return self.reference.kept if self.reference else self.problem.bytes(self.problem.wrt)

    def prepare(self, values: Mapping[str, Array]) -> None:
        if self.reference is not None:
            try:
                self.exact = self.reference.compute(values)
            except TypeError:
                self.reference, self.said = None, "not measured: NumPy knows a function in it for double precision only"

    def errors(self, result: Array) -> tuple[float | None, float]:
        """The error against extended precision, and the deviation from what all results are to be equal to."""
        error = None
        if self.reference is not None and self.exact is not None:
            fits = result.shape == self.problem.inputs[self.problem.wrt]
            error = deviation(result[self.reference.place] if fits else result, self.exact)
            if self.reference.part is None:
                return error, error
        if self.first is None:
            self.first = result
        return error, max(deviation(result, self.first), error or 0.0)
