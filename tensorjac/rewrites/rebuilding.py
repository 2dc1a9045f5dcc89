"""Expressions built again from the ground, with some tensors replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..primitives import Primitive
from ..terms import (
    DELTA,
    Apply,
    Contraction,
    Factor,
    Index,
    Shared,
    Slot,
    Sum,
    Tensor,
    Term,
    constant,
    of_factor,
    topological,
)
from .building import apply, contract, multiply, power, read, substitute
from .sums import add, compact


def rebuild(roots: Sequence[Sum], replaced: Mapping[Tensor, Sum] | None = None) -> list[Sum]:
    """The sums built again from the ground by the constructors above, with some tensors replaced.

    ``replaced`` maps a tensor to an expression over the tensor's axes.
    """
    built: dict[Tensor, Sum] = dict(replaced or {})
    for tensor in topological(t for root in roots for t in root.tensors):
        if tensor not in built:
            built[tensor] = _rebuilt(tensor, built)
    return [rebuilt_sum(root, built) for root in roots]


def rebuilt_sum(body: Sum, built: Mapping[Tensor, Sum]) -> Sum:
    return add(*(_rebuilt_term(term, built) for term in body.terms))


def _rebuilt_term(term: Term, built: Mapping[Tensor, Sum]) -> Sum:
    pieces: list[Sum] = [constant(term.coefficient)]
    for factor in term.factors:
        if factor.tensor is DELTA:
            pieces.append(of_factor(factor))
        else:
            inner = built[factor.tensor]
            mapping = dict(zip(factor.tensor.axes, factor.slots, strict=True))
            pieces.append(power(_instance(inner, factor, mapping), factor.power))
    joined = multiply(*pieces)
    return contract(joined, term.summed)


def _instance(inner: Sum, factor: Factor, mapping: Mapping[Index, Slot]) -> Sum:
    if len(inner.terms) == 1 and inner.terms[0] == Term(1, (factor.tensor(*factor.tensor.axes),)):
        return read(Factor(factor.tensor, factor.slots, 1))
    return substitute(inner, mapping)


def _rebuilt(tensor: Tensor, built: Mapping[Tensor, Sum]) -> Sum:
    axes = tensor.axes
    if isinstance(tensor, Contraction):
        return rebuilt_sum(Sum((tensor.term(axes),)), built)
    if isinstance(tensor, Shared):
        return compact(rebuilt_sum(tensor.body, built))
    if isinstance(tensor, Apply):
        assert isinstance(tensor.operation, Primitive)
        args = [rebuilt_sum(arg, built) for arg in tensor.args]
        cores = tensor.cores if any(tensor.cores) else ()
        return apply(tensor.operation, args, cores, axes[tensor.batch :], tensor.shape[tensor.batch :])
    return of_factor(tensor(*axes))
