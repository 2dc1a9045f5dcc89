"""Expressions built again with other sizes in the place of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..dims import Dim
from ..primitives import Primitive
from ..terms import (
    DELTA,
    Apply,
    Constant,
    Contraction,
    Index,
    Input,
    Position,
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    combine,
    constant,
    of_factor,
    of_size,
    slot_parts,
    topological,
    zero_of,
)
from .building import apply, contract, multiply, power, substitute
from .sums import add

Expression = tuple[tuple[Index, ...], Sum]


def resized(expressions: Sequence[Expression], sizes: Mapping[str, Dim]) -> list[Expression]:
    """The expressions with ``sizes`` in the place of the names of sizes, over axes of their own.

    >>> i = Index.fresh(Dim.of("n"))
    >>> ((axis,), body), = resized([((i,), of_factor(Input("x", (Dim.of("n"),))(i)))], {"n": Dim.of("m")})
    >>> axis.dim, next(body.tensors).shape
    (m, (m,))
    """
    reader = _Reader(sizes)
    for tensor in topological(t for _, body in expressions for t in body.tensors):
        reader.built[tensor] = reader.rebuilt(tensor)
    found = []
    for axes, body in expressions:
        mapping = reader.fresh(axes)
        found.append((tuple(mapping.values()), reader.moved(body, mapping)))
    return found


class _Reader:
    def __init__(self, sizes: Mapping[str, Dim]) -> None:
        self.sizes = sizes
        self.built: dict[Tensor, Expression] = {}

    def fresh(self, axes: Sequence[Index]) -> dict[Index, Index]:
        """An index of the new size for each."""
        return {axis: Index.fresh(axis.dim.substitute(self.sizes)) for axis in axes}

    def moved(self, body: Sum, mapping: Mapping[Index, Index]) -> Sum:
        """The expression over the new indices."""
        terms = []
        for term in body.terms:
            inside = {**mapping, **self.fresh(term.summed)}
            pieces = [constant(term.coefficient)]
            for factor in term.factors:
                slots = [self._slot(slot, inside) for slot in factor.slots]
                if factor.tensor is DELTA:
                    pieces.append(of_factor(zero_of(slots[0])))
                    continue
                axes, inner = self.built[factor.tensor]
                pieces.append(power(substitute(inner, dict(zip(axes, slots, strict=True))), factor.power))
            terms.append(contract(multiply(*pieces), [inside[label] for label in term.summed]))
        return add(*terms)

    def _slot(self, slot: Slot, mapping: Mapping[Index, Index]) -> Slot:
        offset, held = slot_parts(slot)
        moved = ((c.substitute(self.sizes), mapping[label]) for label, c in held)
        return combine(moved, offset.substitute(self.sizes))

    def rebuilt(self, tensor: Tensor) -> Expression:
        """The tensor over new axes."""
        mapping = self.fresh(tensor.axes)
        axes = tuple(mapping.values())
        shape = tuple(axis.dim for axis in axes)
        if isinstance(tensor, Input):
            return axes, of_factor(Input(tensor.name, shape)(*axes))
        if isinstance(tensor, Size):
            return axes, of_size(tensor.dim.substitute(self.sizes))
        if isinstance(tensor, Position):
            return axes, of_factor(Position(shape[0])(*axes))
        if isinstance(tensor, Contraction):
            return axes, self.moved(Sum((tensor.term(tensor.axes),)), mapping)
        if isinstance(tensor, Shared):
            return axes, self.moved(tensor.body, mapping)
        if isinstance(tensor, Constant):
            return axes, of_factor(tensor(*axes))
        assert isinstance(tensor, Apply)
        assert isinstance(tensor.operation, Primitive)
        inside = [self.fresh(core) for core in tensor.cores]
        args = [self.moved(arg, {**mapping, **own}) for arg, own in zip(tensor.args, inside, strict=True)]
        cores = [tuple(own.values()) for own in inside] if any(tensor.cores) else ()
        return axes, apply(tensor.operation, args, cores, axes[tensor.batch :], shape[tensor.batch :])
