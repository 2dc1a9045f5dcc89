"""Terms with δ without writing: each place of the result reads what would be written there, or is 0.

This is for arrays that cannot be written into. Σ_i δ[p = 2 i + 1] V[i] is V[(p − 1) // 2] where p − 1 is even and in
range, and 0 elsewhere. Indices that no axis of the result determines are summed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..arrays import Scalar, Value, Values, dim_text
from ..dims import Dim
from ..rewrites.ranges import in_range, solved_for
from ..terms import ONE, ZERO, Index, Slot, combine, slot_labels, slot_parts, substitute_slot
from .costs import Costs
from .labelled import Labelled, aligned, broadcast, sizes
from .slots import digits, positions
from .writing import Placed

MINUS = Dim.of(-1)


@dataclass(frozen=True)
class _Read:
    """An index of a term as the axes of the result determine it: ``slot`` // ``step``, where that is whole."""

    slot: Slot
    step: Dim = ONE

    @property
    def labels(self) -> tuple[Index, ...]:
        return tuple(slot_labels(self.slot))

    def surely(self, index: Index) -> bool:
        """Whether this is a value of the index everywhere."""
        return self.step is ONE and in_range(self.slot, index.dim)

    def at(self, index: Index, over: Sequence[Index]) -> str:
        """The values of the index, some value where there is none."""
        text = positions(self.slot, over)
        if self.surely(index):
            return text
        text = text if self.step is ONE else f"({text}) // {dim_text(self.step)}"
        return f"np.clip({text}, 0, {index.dim - 1})"

    def holds(self, index: Index) -> str:
        """Where the index has a value."""
        text = positions(self.slot, self.labels)
        inside = f"(0 <= {text}) & ({text} < {self.step * index.dim})"
        return f"({inside})" if self.step is ONE else f"({inside} & (({text}) % {dim_text(self.step)} == 0))"


def spread(values: Values, costs: Costs, place: Placed, inner: Labelled) -> Value:
    """What stands at one place, as an array over all axes of the result."""
    axes, slots = _unmerged(place)
    reads, ties = _solved(axes, slots, costs)
    value, labels = _read(values, inner, reads)
    for test, over in _tests(values, reads, ties):
        order = tuple(dict.fromkeys([*labels, *over]))
        args = aligned(values, test, over, order), broadcast(values, aligned(values, value, labels, order), (), ())
        value, labels = values.call("np.where({0}, {1}, 0)", args, sizes(order), hint="masked"), order
    free = [label for label in place.labels if label not in reads]
    hidden = [k for k, label in enumerate(labels) if label in free]
    value = values.total(value, hidden) if hidden else value
    for label in free:
        if label not in labels:
            value = values.multiply(value, values.scalar(Scalar(1, ((label.dim, 1),))))
    labels = tuple(label for label in labels if label not in free)
    value = broadcast(values, values.floating(aligned(values, value, labels, axes)), labels, axes)
    if len(axes) == len(place.axes):
        return value
    shape = ", ".join(map(str, place.dims))
    return values.call(f"{{0.}}.reshape({shape})", (value,), sizes(place.axes), hint=value.hint)


def _unmerged(place: Placed) -> tuple[list[Index], list[Slot]]:
    """Axes that hold several digits as one axis for each, and the slots at all of them."""
    axes: list[Index] = []
    slots: list[Slot] = []
    for axis, slot, dim in zip(place.axes, place.slots, place.dims, strict=True):
        split = None if isinstance(slot, Index) else digits(slot, dim)
        if split is None:
            axes.append(Index.fresh(axis.dim))
            slots.append(slot)
        else:
            axes += [Index.fresh(label.dim) for label in split]
            slots += split
    return axes, slots


def _solved(axes: Sequence[Index], slots: Sequence[Slot], costs: Costs) -> tuple[dict[Index, _Read], list[Slot]]:
    """What the axes determine of the indices in the slots, and the forms that must be 0 besides."""
    ties = [combine(((ONE, slot), (MINUS, axis))) for axis, slot in zip(axes, slots, strict=True)]
    reads: dict[Index, _Read] = {}
    left: list[Slot] = []
    # whole axes first: they are read as they are
    ties.sort(key=lambda tie: (len(list(slot_labels(tie))), slot_parts(tie)[0] is not ZERO))
    while ties:
        tie = ties.pop(0)
        found = _determined(tie, [*ties, *left], axes, reads, costs)
        if found is None:
            left.append(tie)
            continue
        index, read = found
        reads[index] = read
        if read.step is ONE:
            here = {index: read.slot}
            reads = {label: _Read(substitute_slot(known.slot, here), known.step) for label, known in reads.items()}
            ties = [substitute_slot(other, here) for other in ties]
            left = [substitute_slot(other, here) for other in left]
    return reads, left


def _determined(
    tie: Slot, others: Sequence[Slot], axes: Sequence[Index], reads: dict[Index, _Read], costs: Costs
) -> tuple[Index, _Read] | None:
    """The longest index that a tie determines, and what it is."""
    known = {*axes, *reads}
    parts = [(index, c) for index, c in slot_parts(tie)[1] if index not in known]
    for index, c in sorted(parts, key=lambda part: (part[1].value in (1, -1), costs.extent(part[0])), reverse=True):
        slot = solved_for(tie, index)
        if slot is not None:
            return index, _Read(slot)
        alone = not any(index in slot_labels(other) for other in others)
        if alone and not any(index in read.labels for read in reads.values()):
            rest = combine(((MINUS, tie), (c, index)))
            negative = c.value is not None and c.value < 0
            return index, _Read(combine(((MINUS, rest),)), -c) if negative else _Read(rest, c)
    return None


def _read(values: Values, inner: Labelled, reads: dict[Index, _Read]) -> Labelled:
    """The value with its indices as the axes of the result determine them."""
    value, labels = inner
    value = values.floating(value)
    found = {label: reads.get(label, _Read(label)) for label in labels}
    over = tuple(dict.fromkeys(index for read in found.values() for index in read.labels))
    if len(over) == len(labels) and all(len(read.labels) == 1 for read in found.values()):
        for axis, (label, read) in enumerate(found.items()):
            (index,) = read.labels
            if not (read.slot is index and index.dim is label.dim and read.step is ONE):
                text = f"xp.take({{0}}, {read.at(label, (index,))}, {axis})"
                shape = (*value.shape[:axis], index.dim, *value.shape[axis + 1 :])
                value = values.call(text, (value,), shape, hint=value.hint)
        return value, over
    text = f"xp.at({{0}}, {', '.join(read.at(label, over) for label, read in found.items())})"
    return values.call(text, (value,), sizes(over), hint=value.hint), over


def _tests(values: Values, reads: dict[Index, _Read], ties: Sequence[Slot]) -> Iterator[Labelled]:
    """Where all indices have values and all forms are 0, as arrays of truth values."""
    for tie in ties:
        over = tuple(slot_labels(tie))
        offset, parts = slot_parts(tie)
        eye = offset is ZERO and len(parts) == 2 and parts[0][1] in (ONE, MINUS) and parts[0][1] is -parts[1][1]
        text = f"np.eye({over[0].dim}, {over[1].dim}, dtype=bool)" if eye else f"({positions(tie, over)} == 0)"
        yield values.call(text, (), sizes(over), True, hint="mask"), over
    for index, read in reads.items():
        if not read.surely(index):
            yield values.call(read.holds(index), (), sizes(read.labels), True, hint="mask"), read.labels
