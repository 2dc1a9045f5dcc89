"""Lookups: Σ_p [t = p] E[p, …] reads E at the positions t, and Σ_t [t = p] G[t, …] adds up at them."""

from __future__ import annotations

from collections.abc import Container

from ..arrays import Values, Write
from ..terms import Apply, Index, Position, Sum, Tensor
from .labelled import Labelled, Lookup, aligned, broadcast, sizes


def looked_up(tensor: Tensor) -> tuple[Sum, Index] | None:
    """The positions and the index that they are compared with, where the tensor is [t = p]."""
    if not isinstance(tensor, Apply) or tensor.operation.name != "equal":
        return None
    for entries, place in (tensor.args, tensor.args[::-1]):
        if len(place.terms) != 1 or place.terms[0].coefficient != 1 or len(place.terms[0].factors) != 1:
            continue
        (factor,) = place.terms[0].factors
        if isinstance(factor.tensor, Position) and factor.power == 1 and isinstance(factor.slots[0], Index):
            index = factor.slots[0]
            # only positions that the function itself has been given are known to be whole numbers in range
            if index not in entries.labels and entries.tensors and not any(t.inputs for t in entries.tensors):
                return entries, index
    return None


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


def scattered(values: Values, array: Labelled, kind: Lookup, needed: Container[Index]) -> Labelled | None:
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
    return values.filled(shape, "zeros", [(Write(f"{{add}}{positions.detail}", True), value)]), (kind.place, *rest)


def read_or_added(values: Values, array: Labelled, kind: Lookup, needed: Container[Index]) -> Labelled | None:
    """The product with [t = p], summed over p or over t; None where it is summed over neither."""
    return gathered(values, array, kind, needed) or scattered(values, array, kind, needed)
