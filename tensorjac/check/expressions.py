"""Parts of exact expressions as functions of their own: intermediates, terms, and the whole with other constants."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from .. import rewrites
from ..calls import Parts
from ..dims import Dim
from ..function import Function
from ..primitives import Primitive
from ..terms import (
    Apply,
    Constant,
    Contraction,
    Index,
    Input,
    Position,
    Shared,
    Size,
    Sum,
    Tensor,
    Term,
    flattened,
    of_factor,
    product,
    topological,
)

Array = np.ndarray[Any, Any]
Expression = tuple[Sequence[Index], Sum]

MOST_INTERMEDIATES = 120
MOST_TERMS = 8

STABILISER = 1e-4
"""A constant that is smaller stands there to keep a logarithm, a root or a quotient finite."""


def with_outputs(
    function: Function, outputs: Mapping[str, Expression], more: Mapping[str, tuple[Dim, ...]] | None = None
) -> Function:
    """A function of the same inputs, and perhaps more of them, with other outputs."""
    parts = function._parts
    placed = {name: (tuple(axes), body) for name, (axes, body) in outputs.items()}
    inputs = {**parts.inputs, **(more or {})}
    nesting = "single" if len(outputs) == 1 else "tuple"
    return Function(Parts(inputs, placed, nesting, parts.constants, parts.names, parts.requirements))  # type: ignore[arg-type]


def value_of(function: Function, tensor: Tensor, name: str = "h") -> Function:
    """One tensor of an expression as a function of the inputs."""
    return with_outputs(function, {name: (tensor.axes, of_factor(tensor(*tensor.axes)))})


def intermediates(function: Function, wrt: Collection[str]) -> list[Tensor]:
    """The intermediates of a function that depend on one of these inputs, each after its parts."""
    roots = (tensor for _, body in function._parts.outputs.values() for tensor in body.tensors)
    plain = (Input, Constant, Size, Position)
    found = [t for t in topological(roots) if not isinstance(t, plain) and t.inputs.intersection(wrt)]
    return found if len(found) <= MOST_INTERMEDIATES else []


# Terms ------------------------------------------------------------------------------------------------------------


def additive(derivative: Function, cotangents: Collection[str]) -> list[Function]:
    """The terms of a derivative, each as a function: sums that hold a cotangent are multiplied out, or all sums."""
    ((name, (axes, body)),) = derivative._parts.outputs.items()
    done = multiplied_out(body, cotangents)
    if len(done) == 1:
        done = multiplied_out(body, ())
    with rewrites.assuming(derivative._parts.requirements):
        bodies = [rewrites.contract(Sum((Term(t.coefficient, t.factors),)), t.summed) for t in done]
    return [with_outputs(derivative, {name: (axes, one)}) for one in bodies]


def multiplied_out(body: Sum, cotangents: Collection[str]) -> list[Term]:
    """The terms with their contractions opened and the shared sums that hold a cotangent multiplied out."""
    waiting = [flattened(term) for term in body.terms]
    done: list[Term] = []
    while waiting:
        term = waiting.pop(0)
        opened = _opened(term, cotangents) if len(waiting) + len(done) < MOST_TERMS else None
        if opened is None:
            done.append(term)
        else:
            waiting = opened + waiting
    return done


def _opened(term: Term, cotangents: Collection[str]) -> list[Term] | None:
    """The terms that multiplying out one shared sum gives; None where there is none to open."""
    for factor in term.factors:
        tensor = factor.tensor
        wanted = isinstance(tensor, Shared) and factor.power == 1
        if wanted and (not cotangents or tensor.inputs.intersection(cotangents)):
            assert isinstance(tensor, Shared)
            rest = [other for other in term.factors if other is not factor]
            inner = tensor.expression(factor.slots).terms
            return [
                flattened(product(term.coefficient * one.coefficient, [*rest, *one.factors], term.summed))
                for one in inner
            ]
    return None


# Constants --------------------------------------------------------------------------------------------------------


class _Rounding:
    """Constants that are next to a whole number become that number: log(y + 1e-7) becomes log(y)."""

    def __init__(self) -> None:
        self.known: dict[Tensor, Sum] = {}
        self.found: list[float] = []

    def function(self, function: Function) -> dict[str, Expression]:
        """The outputs of a function, built anew from their parts."""
        parts = function._parts
        roots = [tensor for _, body in parts.outputs.values() for tensor in body.tensors]
        with rewrites.assuming(parts.requirements):
            for tensor in topological(roots):
                self._add(tensor)
            return {own: (axes, self._built(body)) for own, (axes, body) in parts.outputs.items()}

    def _add(self, tensor: Tensor) -> None:
        axes = tensor.axes
        if isinstance(tensor, Contraction):
            self.known[tensor] = self._built(Sum((tensor.term(axes),)))
        elif isinstance(tensor, Shared):
            self.known[tensor] = self._built(tensor.body)
        elif isinstance(tensor, Apply):
            assert isinstance(tensor.operation, Primitive)
            args = [self._built(arg) for arg in tensor.args]
            cores = tensor.cores if any(tensor.cores) else ()
            batch = tensor.batch
            self.known[tensor] = rewrites.apply(tensor.operation, args, cores, axes[batch:], tensor.shape[batch:])

    def _built(self, body: Sum) -> Sum:
        (built,) = rewrites.rebuild([self._rounded(body)], self.known)
        return built

    def _rounded(self, body: Sum) -> Sum:
        terms = []
        for term in body.terms:
            near = round(term.coefficient)
            small = abs(float(term.coefficient) - near)
            if not term.factors and not term.summed and 0 < small <= STABILISER:
                self.found.append(float(f"{small:.3g}"))
                terms += [Term(near, ())] if near else []
            else:
                terms.append(term)
        return Sum(terms)


def without_stabilisers(function: Function) -> tuple[Function, list[float]]:
    """The function without the small constants that keep it finite, and these constants."""
    rounding = _Rounding()
    outputs = rounding.function(function)
    return with_outputs(function, outputs), sorted(set(rounding.found))
