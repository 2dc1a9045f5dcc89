"""Slots as text: indices, slices, reshapes and positions, as NumPy reads them."""

from __future__ import annotations

from collections.abc import Sequence

from ..arrays import dim_text
from ..dims import Dim, equal, nonnegative
from ..rewrites.registry import assumptions
from ..terms import ONE, ZERO, Index, Slot, slot_labels, slot_parts


def equation(operands: Sequence[Sequence[Index]], result: Sequence[Index]) -> str:
    """What an einsum is told: ``"ij,jk->ik"``."""
    names = {label: chr(ord("i") + k) for k, label in enumerate(dict.fromkeys(x for part in operands for x in part))}
    above, below = (
        ",".join("".join(names[label] for label in part) for part in parts) for parts in (operands, [result])
    )
    return f"{above}->{below}"


def selected(slots: Sequence[Slot], dims: Sequence[Dim]) -> tuple[list[str], list[str]]:
    """The items that read each axis, and those that then reverse axes; slots of several indices are left whole."""
    items: list[str] = []
    turns: list[str] = []
    for slot, dim in zip(slots, dims, strict=True):
        labels = list(slot_labels(slot))
        text, turned = _item(slot, dim) if len(labels) <= 1 else (":", False)
        items.append(text)
        if labels:
            turns.append("::-1" if turned else ":")
    return items, turns


def _item(slot: Slot, dim: Dim) -> tuple[str, bool]:
    """The index or slice that reads an axis of size ``dim`` at a slot of at most one index, and whether to reverse it.

    A slice that runs backward is taken forward and reversed, unless it runs through to the start: a stop of -1 would
    count from the end. The texts hold for empty axes, too.
    """
    offset, parts = slot_parts(slot)
    if not parts:
        return str(offset), False
    ((index, c),) = parts
    if index.dim is ZERO:
        return "0:0", False
    if nonnegative(-c, assumptions.get()):
        last = offset + c * (index.dim - 1)
        if nonnegative(-last - c - 1) and (offset is dim - 1 or nonnegative(offset)):
            return f"{'' if offset is dim - 1 else offset}::{c}", False
        return f"{last}:{offset + 1}" + ("" if c.value == -1 else f":{-c}"), True
    start = "" if offset is ZERO else str(offset)
    beyond = offset + c * index.dim
    stop = "" if nonnegative(beyond - dim) else str(beyond)
    return f"{start}:{stop}" if c is ONE else f"{start}:{stop}:{c}", False


def digits(slot: Slot, dim: Dim) -> tuple[Index, ...] | None:
    """The indices of a mixed-radix number that runs through its whole axis, the most significant first."""
    if isinstance(slot, Index):
        return (slot,) if slot.dim is dim else None
    offset, parts = slot_parts(slot)
    if offset is not ZERO:
        return None
    left = list(parts)
    weight = ONE
    order: list[Index] = []
    while left:
        found = next((part for part in left if part[1] is weight), None)
        if found is None:
            return None
        left.remove(found)
        order.append(found[0])
        weight = weight * found[0].dim
    return tuple(reversed(order)) if equal(weight, dim, assumptions.get()) else None


def positions(slot: Slot, labels: Sequence[Index]) -> str:
    """The values of an affine form over the box of ``labels``."""
    offset, parts = slot_parts(slot)
    pieces = [] if offset is ZERO and parts else [dim_text(offset)]
    for index, c in parts:
        after = len(labels) - 1 - list(labels).index(index)
        view = f"np.arange({index.dim})" + (f"[:{', None' * after}]" if after else "")
        pieces.append(view if c is ONE else f"{dim_text(c)} * {view}")
    return " + ".join(pieces)


def target(slots: Sequence[Slot], dims: Sequence[Dim], labels: Sequence[Index]) -> str:
    """The view of an array, ``{out}``, whose axes are read at ``slots``, with the axes ``labels``."""
    items, turns = selected(slots, dims)
    whole = all(item == ":" for item in items)
    kept: list[Index] = []
    reshaped = False
    for slot, dim in zip(slots, dims, strict=True):
        own = list(slot_labels(slot))
        if len(own) <= 1:
            kept.extend(own)
            continue
        split = digits(slot, dim)
        if split is None or not whole:
            # a reshape of a part would be a copy, and what is written into it lost
            return "{add}" + f"({', '.join(positions(s, labels) for s in slots)})"
        reshaped = True
        kept.extend(split)
    text = "{out}"
    if reshaped:
        text = f"{{out}}.reshape({', '.join(str(index.dim) for index in kept)})"
    elif not whole:
        text = f"{{out}}[{', '.join(items)}]"
    if "::-1" in turns:
        text = f"{text}[{', '.join(turns)}]"
    if len(set(kept)) != len(kept) or kept != list(labels):
        return f'np.einsum("{equation([kept], labels)}", {text})[...]'
    return f"{text}[...]" if text.endswith(")") or text == "{out}" else text
