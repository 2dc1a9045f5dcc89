"""Lookups: Σ_p [t = p] E[p, …] reads E at the positions t, and Σ_t [t = p] G[t, …] adds up at them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from ..arrays import Values, Write
from ..dims import Dim, nonnegative
from ..rewrites.registry import assumptions
from ..terms import ONE, ZERO, Apply, Index, Position, Shared, Size, Sum, Tensor, Term, of_factor
from .labelled import Labelled, Lookup, aligned, broadcast, sizes

Array = np.ndarray[Any, Any]


def looked_up(tensor: Tensor) -> tuple[Sum, Index] | None:
    """The positions and the index that they are compared with, where the tensor is [t = p]."""
    if not isinstance(tensor, Apply) or tensor.operation.name != "equal":
        return None
    for entries, place in (tensor.args, tensor.args[::-1]):
        factor = place.lone
        if factor is not None and isinstance(factor.tensor, Position) and isinstance(factor.slots[0], Index):
            index = factor.slots[0]
            if index not in entries.labels and _are_positions(entries, index.dim):
                return entries, index
    return None


def _are_positions(entries: Sum, size: Dim) -> bool:
    """Whether captured whole numbers, and sizes times such, provably count along an axis of this size."""
    factors = [factor for term in entries.terms for factor in term.factors]
    if len(factors) == 1 and isinstance(factors[0].tensor, Shared) and entries == of_factor(factors[0]):
        entries = factors[0].tensor.expression(factors[0].slots)
    order = sorted(entries.labels, key=lambda label: label.number)
    found = [_captured(term, order) for term in entries.terms]
    parts = [part for part in found if part is not None]
    if len(parts) < len(found) or not any(array.size for _, array in parts):
        return False
    plain = sum((array for dim, array in parts if dim is ONE), np.zeros((), dtype=int))
    sized = [(dim, array) for dim, array in parts if dim is not ONE]
    offsets, *weights = (array.ravel() for array in np.broadcast_arrays(plain, *(array for _, array in sized)))
    rows = np.stack([np.zeros_like(offsets), *weights], axis=1)
    for row in np.unique(rows, axis=0):
        here = offsets[(rows == row).all(axis=1)]
        base = sum((dim * int(w) for (dim, _), w in zip(sized, row[1:], strict=True)), ZERO)
        facts = assumptions.get()
        if not (nonnegative(base + int(here.min()), facts) and nonnegative(size - 1 - base - int(here.max()), facts)):
            return False
    return True


def _captured(term: Term, order: Sequence[Index]) -> tuple[Dim, Array] | None:
    """A term as a size times an array of whole numbers over ``order``; None where it is something else."""
    if term.summed or not isinstance(term.coefficient, int):
        return None
    dim, product = ONE, np.full((1,) * len(order), term.coefficient)
    for tensor, slots, power in term.factors:
        if isinstance(tensor, Size) and isinstance(power, int) and power > 0:
            dim = dim * tensor.dim**power
            continue
        bare = [slot for slot in slots if isinstance(slot, Index)]
        array: Any = getattr(tensor, "array", None)
        if array is None or array.dtype.kind not in "biu" or power != 1 or len({*bare}) < len(slots):
            return None
        if any(slot.dim is not own for slot, own in zip(bare, tensor.shape, strict=True)):
            return None
        product = product * np.expand_dims(
            np.transpose(array, [bare.index(label) for label in order if label in bare]),
            [k for k, label in enumerate(order) if label not in bare],
        )
    return dim, product


def gathered(values: Values, array: Labelled, kind: Lookup, needed: Container[Index]) -> Labelled | None:
    """The array read at the positions, along the axis that they count."""
    value, labels = array
    if kind.place not in labels or kind.place in needed:
        return None
    positions, own = kind.positions
    tied = [label for label in own if label in labels]
    value = values.floating(value)
    if not tied:
        axis = labels.index(kind.place)
        text = f"{{0.}}[{':, ' * axis}{{1}}]"
        result = (*labels[:axis], *own, *labels[axis + 1 :])
        return values.call(text, (value, positions), sizes(result), hint=value.hint), result
    # indices in front, so that what is read at positions comes out in front
    rest = [label for label in labels if label is not kind.place and label not in tied]
    value = aligned(values, value, labels, [*tied, kind.place, *rest])
    counts = [
        f"np.arange({label.dim})" + (f"[:{', None' * after}]" if (after := len(own) - 1 - own.index(label)) else "")
        for label in tied
    ]
    text = f"{{0.}}[{', '.join(counts)}, {{1}}]"
    return values.call(text, (value, positions), sizes([*own, *rest]), hint=value.hint), (*own, *rest)


def scattered(
    values: Values, array: Labelled, kind: Lookup, needed: Container[Index], functional: bool = False
) -> Labelled | None:
    """The array added up at the positions, along a new axis that they count."""
    value, labels = array
    positions, own = kind.positions
    if positions.kind != "name" or kind.place in labels:
        return None
    if any(label in needed for label in own) or not set(own).intersection(labels):
        return None
    rest = [label for label in labels if label not in own]
    order = [*own, *rest]
    value = values.floating(aligned(values, value, labels, order))
    # add.at does not broadcast reliably
    value = broadcast(values, value, labels, order)
    shape = sizes([kind.place, *rest])
    if functional:
        text = f"xp.add_at(({', '.join(map(str, shape))},), {{0}}, {{1}})"
        return values.call(text, (positions, value), shape, hint="out"), (kind.place, *rest)
    return values.filled(shape, "zeros", [(Write(f"{{add}}{positions.detail}", True), value)]), (kind.place, *rest)


def read_or_added(
    values: Values, array: Labelled, kind: Lookup, needed: Container[Index], functional: bool = False
) -> Labelled | None:
    """The product with [t = p], summed over p or over t; None where it is summed over neither."""
    return gathered(values, array, kind, needed) or scattered(values, array, kind, needed, functional)
