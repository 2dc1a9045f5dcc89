"""Factors as operands: arrays read at slots, as slices, reshapes, windows and diagonals, and δ as masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..arrays import Value, Values
from ..dims import Dim
from ..terms import DELTA, ONE, ZERO, Affine, Apply, Factor, Index, Shared, Slot, Tensor, slot_labels, slot_parts
from .labelled import Labelled, Lookup, Operand, sizes
from .slots import digits, equation, positions, selected
from .triangles import is_indicator, triangle


@dataclass(frozen=True)
class Operands:
    """The arrays that tensors have become, and what factors read of them: ``functional`` ones without strides."""

    values: Values
    functional: bool = False
    arrays: dict[Tensor, Labelled] = field(default_factory=dict)
    lookups: dict[Tensor, Lookup] = field(default_factory=dict)

    def of(self, factor: Factor) -> Operand:
        if factor.tensor is DELTA:
            return Operand(*_mask(self.values, factor.slots[0]), factor.power, tests=True)
        value, axes = self.arrays[factor.tensor]
        by_axis = dict(zip(factor.tensor.axes, factor.slots, strict=True))
        read = _read(self.values, value, [by_axis[axis] for axis in axes], [axis.dim for axis in axes], self.functional)
        if is_indicator(factor.tensor) and factor.power > 0:
            compared = triangle(factor.tensor)
            return Operand(*read, tests=True, triangle=compared.at(by_axis) if compared else None)
        lookup = self.lookups.get(factor.tensor)
        at = lookup.at(by_axis) if lookup else None
        return Operand(*read, factor.power, bool(factor.sign) or _is_probability(factor.tensor), lookup=at)


def _is_probability(tensor: Tensor) -> bool:
    """Whether a tensor is 1 - σ(u), which is nowhere negative."""
    if not isinstance(tensor, Shared) or len(tensor.body.terms) != 2:
        return False
    one, other = sorted(tensor.body.terms, key=lambda term: len(term.factors))
    if one.factors or one.coefficient != 1 or other.coefficient != -1 or len(other.factors) != 1:
        return False
    (factor,) = other.factors
    return factor.power == 1 and isinstance(factor.tensor, Apply) and factor.tensor.operation.name == "sigmoid"


def _read(values: Values, value: Value, slots: Sequence[Slot], dims: Sequence[Dim], functional: bool) -> Labelled:
    """An array over axes of these sizes, each read at its slot."""
    whole = tuple(slot for slot, dim in zip(slots, dims, strict=True) if isinstance(slot, Index) and slot.dim is dim)
    if len(set(whole)) == len(slots):
        return value, whole
    kept: list[tuple[Slot, Dim]] = []
    for slot, dim in zip(slots, dims, strict=True):
        labels = list(slot_labels(slot))
        if len(labels) == 1:
            kept.append((labels[0], labels[0].dim))
        elif labels:
            kept.append((slot, dim))
    shape = tuple(slot.dim if isinstance(slot, Index) else dim for slot, dim in kept)
    for items in selected(slots, dims):
        value = values.select(value, items, shape)
    if any(isinstance(slot, Affine) for slot, _ in kept):
        windows = None if functional else _windows(values, value, kept)
        return _undiagonal(values, *(windows or _spread(values, value, kept)))
    return _undiagonal(values, value, tuple(slot for slot, _ in kept if isinstance(slot, Index)))


def _windows(values: Values, value: Value, slots: Sequence[tuple[Slot, Dim]]) -> Labelled | None:
    """Axes read at the sum of two indices, x[i + k], as a view of all windows; None where anything else is read."""
    labels: list[Index] = []
    windows: dict[int, Index] = {}
    for axis, (slot, dim) in enumerate(slots):
        if isinstance(slot, Index):
            labels.append(slot)
            continue
        offset, parts = slot_parts(slot)
        if offset is not ZERO or len(parts) != 2 or any(weight is not ONE for _, weight in parts):
            return None
        (place, _), (window, _) = sorted(parts, key=lambda part: part[0].dim.value is not None)
        if place.dim + window.dim - 1 is not dim:
            return None
        labels.append(place)
        windows[axis] = window
    extents = ", ".join(str(window.dim) for window in windows.values())
    axes = ", ".join(map(str, windows))
    if len(windows) > 1:
        extents, axes = f"({extents})", f"({axes})"
    text = f"np.lib.stride_tricks.sliding_window_view({{0}}, {extents}, axis={axes})"
    order = (*labels, *windows.values())
    return values.call(text, (value,), sizes(order), value.mask, "windows"), order


def _spread(values: Values, value: Value, slots: Sequence[tuple[Slot, Dim]]) -> Labelled:
    """Axes read at several indices at once: the digits of a reshape, or windows."""
    split = [(slot,) if isinstance(slot, Index) else digits(slot, dim) for slot, dim in slots]
    numbers = [part for part in split if part is not None]
    if len(numbers) == len(split):
        labels = tuple(label for part in numbers for label in part)
        text = f"{{0.}}.reshape({', '.join(str(label.dim) for label in labels)})"
    else:
        labels = tuple(dict.fromkeys(label for slot, _ in slots for label in slot_labels(slot)))
        text = f"{{0.}}[{', '.join(positions(slot, labels) for slot, _ in slots)}]"
    return values.call(text, (value,), sizes(labels), value.mask, value.hint), labels


def _undiagonal(values: Values, value: Value, labels: tuple[Index, ...]) -> Labelled:
    """The diagonal over axes that stand for one index."""
    kept = tuple(dict.fromkeys(labels))
    if len(kept) == len(labels):
        return value, labels
    text = f'np.einsum("{equation([labels], kept)}", {{0}})'
    return values.call(text, (value,), sizes(kept), value.mask, value.hint), kept


def _mask(values: Values, form: Slot) -> Labelled:
    """A δ as an array of truth values, where nothing else is possible."""
    offset, parts = slot_parts(form)
    if len(parts) == 2 and offset is ZERO:
        (a, p), (b, q) = parts
        if p is ONE and (p + q) is ZERO:
            extents = str(a.dim) if a.dim is b.dim else f"{a.dim}, {b.dim}"
            return values.call(f"np.eye({extents}, dtype=bool)", (), sizes((a, b)), True, hint="eye"), (a, b)
    labels = tuple(index for index, _ in parts)
    text = f"({positions(form, labels)} == 0)" if labels else f"np.equal({offset}, 0)"
    return values.call(text, (), sizes(labels), True, hint="mask"), labels
