"""Terms whose δ add up indices, as in a convolution: written along one diagonal after the other, cut where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..arrays import Value, Values, Walk, Write, dim_text
from ..dims import Dim
from ..rewrites.ranges import solved_for
from ..terms import DELTA, ONE, ZERO, Index, product, slot_labels, slot_parts
from .costs import Costs
from .labelled import Labelled
from .slots import equation, selected
from .writing import Placed


@dataclass(frozen=True)
class Window:
    """A placed term without δ: at each step of ``loops`` every axis is read at one index more than a number at most.

    ``cut`` maps an index to the axis whose slot is in range for a part of its values only.
    """

    place: Placed
    loops: tuple[Index, ...]
    cut: Mapping[Index, int]

    def written(self, values: Values, inner: Labelled) -> tuple[Write, Value]:
        """The assignments, which add at each step, and the value that they read."""
        names = {label: f"{{k{n}}}" for n, label in enumerate(self.loops)}
        starts = {label: self._start(axis, names) for label, axis in self.cut.items()}
        ranges = {label: f"{{first{n}}}:{{last{n}}}" for n, label in enumerate(self.cut)}
        items, turns, kept = self._items(names, ranges)
        view = tuple(dict.fromkeys(kept))
        text = f"{{out}}[{', '.join(items)}]"
        if "::-1" in turns:
            text = f"{text}[{', '.join(turns)}]"
        if len(view) < len(kept):
            text = f'np.einsum("{equation([kept], view)}", {text})[...]'
        value, own = inner
        order = [label for label in (*self.loops, *view) if label in own]
        value = values.transpose(values.floating(value), [own.index(label) for label in order])
        read = [names[label] for label in self.loops if label in own]
        read += _without_front([ranges.get(label, ":") if label in own else "None" for label in view])
        walk = Walk(
            tuple((names[label], str(label.dim)) for label in self.loops),
            tuple((starts[label], dim_text(label.dim), dim_text(self.place.dims[k])) for label, k in self.cut.items()),
            f"[{', '.join(read)}]" if read else "",
        )
        return Write(text, True, walk), value

    def _start(self, axis: int, names: Mapping[Index, str]) -> str:
        """Where an axis is read at this step, besides the index that is left."""
        offset, parts = slot_parts(self.place.slots[axis])
        text = "" if offset is ZERO else str(offset)
        for label, c in parts:
            if label in names:
                sign, size = ("-", -c) if c.value is not None and c.value < 0 else ("+", c)
                step = names[label] if size is ONE else f"{dim_text(size)} * {names[label]}"
                text = f"{text} {sign} {step}" if text else step if sign == "+" else f"-{step}"
        return text

    def _items(
        self, names: Mapping[Index, str], ranges: Mapping[Index, str]
    ) -> tuple[list[str], list[str], list[Index]]:
        """What reads each axis at one step, what then reverses those that are left, and the indices of these."""
        items, turned = selected(self.place.slots, self.place.dims)
        kept: list[Index] = []
        turns: list[str] = []
        for axis, slot in enumerate(self.place.slots):
            turn = turned.pop(0) if any(True for _ in slot_labels(slot)) else ""
            held = [(label, c) for label, c in slot_parts(slot)[1] if label not in names]
            looped = len(held) < len(slot_parts(slot)[1])
            start = self._start(axis, names)
            kept += [label for label, _ in held]
            turns += [turn] * len(held)
            if not held:
                items[axis] = start if looped else items[axis]
            elif self.cut.get(held[0][0]) == axis:
                first, last = ranges[held[0][0]].split(":")
                start = first.replace("first", "start")
                items[axis] = f"{start} + {first}:{start} + {last}"
            elif held[0][0] in ranges:
                items[axis] = ranges[held[0][0]]
            elif looped:
                ((label, c),) = held
                run = dim_text(label.dim) if c is ONE else f"{dim_text(c)} * {dim_text(label.dim)}"
                items[axis] = f"{start}:{start} + {run}" + ("" if c is ONE else f":{c}")
        return items, turns, kept


def window(place: Placed, costs: Costs) -> Window | None:
    """A term in which slots add up indices, or δ say where one is in range; None where that is not all they say."""
    cut_axes: list[int] = []
    while any(factor.tensor is DELTA for factor in place.rest.factors):
        found = [each for k in range(len(place.axes)) if (each := _cut_at(place, k)) is not None]
        if not found:
            return None
        place, axis = min(found, key=lambda each: costs.volume(each[0].labels))
        cut_axes.append(axis)
    loops: dict[Index, None] = {}
    for axis, slot in enumerate(place.slots):
        # the longest stays that a slice can run along
        runs = {label: _runs(c, axis in cut_axes) for label, c in slot_parts(slot)[1] if label not in loops}
        left = sorted(runs, key=lambda label: (runs[label], costs.extent(label), label in place.slots))
        loops.update(dict.fromkeys(left[:-1]))
    cut: dict[Index, int] = {}
    for axis, slot in enumerate(place.slots):
        held = [(label, c) for label, c in slot_parts(slot)[1] if label not in loops]
        if axis in cut_axes:
            if len(held) != 1 or not _runs(held[0][1], True) or held[0][0] in cut:
                return None
            cut[held[0][0]] = axis
        elif len(held) < len(slot_parts(slot)[1]) and held and not _runs(held[0][1], False):
            return None
    others = [slot for axis, slot in enumerate(place.slots) if axis not in cut_axes]
    if any(label in slot_labels(slot) and slot is not label for slot in others for label in cut):
        return None
    return Window(place, tuple(loops), cut) if loops else None


def _runs(c: Dim, cut: bool) -> bool:
    """Whether a slice can run along an index with this coefficient, and end where the axis does."""
    return c is ONE if cut else c.value is not None and c.value > 0


def _cut_at(place: Placed, axis: int) -> tuple[Placed, int] | None:
    """The term with one δ less, which says where this axis is read: where that is in range."""
    label = place.slots[axis]
    if not isinstance(label, Index):
        return None
    tie = next(factor for factor in place.rest.factors if factor.tensor is DELTA)
    value = solved_for(tie.slots[0], label)
    others = [factor for factor in place.rest.factors if factor is not tie]
    shown = any(label in slot_labels(slot) for k, slot in enumerate(place.slots) if k != axis)
    if value is None or shown or any(label in factor.labels for factor in others) or label.dim is not place.dims[axis]:
        return None
    slots = tuple(value if k == axis else slot for k, slot in enumerate(place.slots))
    written = set(slot_labels(value))
    summed = tuple(index for index in place.rest.summed if index not in written)
    return Placed(place.axes, slots, product(place.rest.coefficient, others, summed)), axis


def _without_front(items: Sequence[str]) -> list[str]:
    """Items without the new axes in front, which broadcasting adds, and without the whole ones at the end."""
    kept = list(items)
    while kept and kept[0] == "None":
        kept.pop(0)
    while kept and kept[-1] == ":":
        kept.pop()
    return kept
