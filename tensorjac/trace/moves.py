"""Functions that move entries along axes: flips, shifts, pads, repeats, triangles, windows, convolutions."""

from __future__ import annotations

from typing import Any

from ..dims import Dim, positive
from ..errors import ShapeError, TraceError, UnsupportedError
from ..rewrites import contract, multiply, substitute
from ..terms import ONE, ZERO, Index, Slot, Sum, combine, delta, of_factor, zero_of
from .axes import broadcast_to, swapaxes, transpose
from .elementwise import minus, plus, same
from .joins import along_axis, concatenate, placed, stack
from .operands import axis_number, axis_numbers, is_number, lift, wider
from .record import at_least, counted, fail, known, require
from .registry import implements
from .reshapes import ravel
from .sizes import dim_of, is_whole, size_number
from .symbolic import described
from .tracer import Tracer

# Shifting ---------------------------------------------------------------------------------------------------


@implements("flip")
def flip(m: Any, axis: Any = None) -> Tracer:
    array = lift(m)
    numbers = axis_numbers(axis, array.ndim)
    return array[tuple(slice(None, None, -1 if k in numbers else None) for k in range(array.ndim))]  # type: ignore[no-any-return]


@implements("flipud")
def flipud(m: Any) -> Tracer:
    return flip(m, 0)


@implements("fliplr")
def fliplr(m: Any) -> Tracer:
    return flip(m, 1)


@implements("rot90")
def rot90(m: Any, k: Any = 1, axes: Any = (0, 1)) -> Tracer:
    array = lift(m)
    first, second = axis_numbers(axes, array.ndim)
    turns = int(k) % 4
    if turns == 2:
        return flip(array, (first, second))
    if turns == 1:
        return swapaxes(flip(array, second), first, second)
    return flip(swapaxes(array, first, second), second) if turns else array


@implements("roll")
def roll(a: Any, shift: Any, axis: Any = None) -> Tracer:
    array = lift(a)
    if axis is None:
        return roll(ravel(array), shift, 0).reshape(array.shape)  # type: ignore[no-any-return]
    numbers = axis if isinstance(axis, tuple | list) else (axis,)
    shifts = shift if isinstance(shift, tuple | list) else (shift,) * len(numbers)
    numbers = tuple(numbers) * (len(shifts) if len(numbers) == 1 else 1)
    for along, by in zip(numbers, shifts, strict=True):
        array = _rolled(array, axis_number(along, array.ndim), by)
    return array


def _rolled(array: Tracer, along: int, by: Any) -> Tracer:
    dim, shift = array.axes[along].dim, dim_of(by, "a shift")
    if dim.value is not None and shift.value is not None:
        shift = Dim.of(shift.value % dim.value if dim.value else 0)
    if shift is ZERO:
        return same(array)
    forward = at_least(shift)
    by_less = "roll by less than the size, or fix the size: then what goes round more than once is known."
    require(dim - shift if forward else dim + shift, ">=", f"np.roll by {shift} along an axis of size {dim}", by_less)
    # cut so that the parts change places: the last `shift` entries come first, or the first `-shift` last
    cut = size_number(dim - shift if forward else -shift)
    return concatenate([along_axis(array, along, slice(cut, None)), along_axis(array, along, slice(None, cut))], along)


@implements("diff")
def difference(a: Any, n: Any = 1, axis: Any = -1) -> Tracer:
    array = lift(a)
    along = axis_number(axis, array.ndim)
    for _ in range(int(n)):
        array = minus(along_axis(array, along, slice(1, None)), along_axis(array, along, slice(None, -1)))
    return array


@implements("pad")
def pad(array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0) -> Tracer:
    own = lift(array)
    if mode != "constant" or not is_number(constant_values):
        fail(
            UnsupportedError,
            "np.pad has a rule for mode='constant' with one value" + (f", not {mode!r}" if mode != "constant" else ""),
            "pad with one value, or join slices by np.concatenate.",
        )
    filler = constant_values
    body = minus(own, filler).body if filler else own.body
    axes = list(own.axes)
    for k, (before, behind) in enumerate(_widths(pad_width, own.ndim)):
        if before is ZERO and behind is ZERO:
            continue
        label = Index.fresh(axes[k].dim + before + behind)
        body = placed(body, axes[k], label, before)
        axes[k] = label
    padded = Tracer(axes, body, own.kind)
    return plus(padded, filler) if filler else padded


def _widths(pad_width: Any, rank: int) -> list[tuple[Dim, Dim]]:
    if is_whole(pad_width):
        pad_width = ((pad_width, pad_width),)
    elif all(map(is_whole, pad_width)):
        pad_width = (tuple(pad_width) * (2 if len(pad_width) == 1 else 1),)
    pairs = [tuple(pair) * (2 if len(tuple(pair)) == 1 else 1) for pair in pad_width]
    if len(pairs) == 1:
        pairs = pairs * rank
    if len(pairs) != rank or any(len(pair) != 2 for pair in pairs):
        fail(
            ShapeError,
            f"np.pad takes a number, a pair, or a pair for each of the {rank} axes, not {pad_width}",
            "write ((before, after), …), one pair for each axis.",
        )
    return [(dim_of(before, "a width"), dim_of(behind, "a width")) for before, behind in pairs]


@implements("repeat")
def repeat(a: Any, repeats: Any, axis: Any = None) -> Tracer:
    array = ravel(a) if axis is None or lift(a).ndim == 0 else lift(a)
    along = axis_number(0 if axis is None else axis, array.ndim)
    if not is_whole(repeats):
        fail(
            UnsupportedError,
            "np.repeat has a rule for one number of repeats",
            "pass one number for all entries.",
        )
    return _copies(array, along, dim_of(repeats), behind=True)


def _copies(array: Tracer, along: int, count: Dim, behind: bool) -> Tracer:
    """Each entry ``count`` times, or the whole axis ``count`` times."""
    copies = Index.fresh(count)
    place = along + 1 if behind else along
    copied = Tracer((*array.axes[:place], copies, *array.axes[place:]), array.body, array.kind)
    shape = list(array.shape)
    shape[along] = size_number(array.axes[along].dim * count)
    return copied.reshape(tuple(shape)).copy()  # type: ignore[no-any-return]


@implements("tile")
def tile(A: Any, reps: Any) -> Tracer:
    array = lift(A)
    counts = tuple(reps) if isinstance(reps, tuple | list) else (reps,)
    array = array[(*[None] * (len(counts) - array.ndim), ...)]
    for along, count in enumerate((1,) * (array.ndim - len(counts)) + counts):
        if dim_of(count) is not ONE:
            array = _copies(array, along, dim_of(count), behind=False)
    return array.copy()  # type: ignore[no-any-return]


# Triangles --------------------------------------------------------------------------------------------------


def triangle(rows: Index, columns: Index, shift: Dim) -> Sum:
    """1 where ``columns <= rows + shift``, else 0: then the difference is one of 0, 1, …"""
    distance = Index.fresh(positive(rows.dim + shift, known()))
    if distance.dim is ZERO:
        return Sum()
    form = combine(((ONE, rows), (-ONE, columns), (-ONE, distance)), shift)
    return contract(of_factor(zero_of(form)), [distance])


@implements("tril")
def tril(m: Any, k: Any = 0) -> Tracer:
    array = _matrix(m, "np.tril")
    rows, columns = array.axes[-2:]
    return Tracer(array.axes, multiply(array.body, triangle(rows, columns, dim_of(k, "the offset"))), array.kind)


@implements("triu")
def triu(m: Any, k: Any = 0) -> Tracer:
    array = _matrix(m, "np.triu")
    rows, columns = array.axes[-2:]
    return Tracer(array.axes, multiply(array.body, triangle(columns, rows, -dim_of(k, "the offset"))), array.kind)


def _matrix(value: Any, name: str) -> Tracer:
    array = lift(value)
    if array.ndim == 0:
        fail(ShapeError, f"{name} takes a matrix, and {described(array)} has no axes", "pass a matrix.")
    # as NumPy does, a vector is repeated as the rows of a square matrix
    return array if array.ndim > 1 else broadcast_to(array, array.shape * 2)


# Windows ----------------------------------------------------------------------------------------------------


@implements("lib.stride_tricks.sliding_window_view", "sliding_window_view")
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, *, writeable: bool = False) -> Tracer:
    array = lift(x)
    widths = tuple(window_shape) if isinstance(window_shape, tuple | list) else (window_shape,)
    numbers = axis_numbers(axis, array.ndim)
    if len(widths) != len(numbers):
        fail(
            ShapeError,
            f"windows have a width for each of {counted(len(numbers), 'axis', 'axes')}, not {len(widths)}",
            "pass axis= for windows along some of the axes.",
        )
    axes, windows = list(array.axes), []
    slots: dict[Index, Slot] = {}
    for along, width in zip(numbers, map(dim_of, widths), strict=True):
        old = axes[along]
        require(
            old.dim - width,
            ">=",
            f"windows of width {width} along an axis of size {old.dim}",
            "use a narrower window.",
        )
        axes[along] = Index.fresh(old.dim - width + 1)
        windows.append(Index.fresh(width))
        slots[old] = combine(((ONE, axes[along]), (ONE, windows[-1])))
    return array.alias([*axes, *windows], substitute(array.body, slots), writable=False)


@implements("convolve")
def convolve(a: Any, v: Any, mode: Any = "full") -> Tracer:
    signal, taps = lift(a), lift(v)
    if signal.ndim != 1 or taps.ndim != 1 or mode not in ("full", "same", "valid"):
        fail(
            TraceError,
            f"np.convolve takes two vectors and mode 'full', 'same' or 'valid', not {described(signal)}, "
            f"{described(taps)} and {mode!r}",
            "pass two vectors.",
        )
    if _longer(taps, signal):
        signal, taps = taps, signal
    place, tap = Index.fresh(signal.dims[0]), Index.fresh(taps.dims[0])
    length = place.dim + tap.dim - 1
    label = Index.fresh(length)
    tie = of_factor(delta(label, combine(((ONE, place), (ONE, tap)))))
    body = contract(multiply(signal.over([place]), taps.over([tap]), tie), [place, tap])
    whole = Tracer((label,), body, wider(signal.kind, taps.kind))
    if mode != "full":
        require(
            place.dim - tap.dim,
            ">=",
            f"np.convolve of {described(signal)} with the longer {described(taps)}",
            "pass the longer vector first.",
        )
    for vector in (signal, taps):
        require(vector.dims[0] - 1, ">=", f"np.convolve of {described(vector)}", "pass vectors that have entries.")
    if mode == "full":
        return whole
    if mode == "same":
        start = size_number((tap.dim - 1) // 2)
        return whole[start : start + size_number(place.dim)]  # type: ignore[no-any-return]
    return whole[size_number(tap.dim - 1) : size_number(place.dim)]  # type: ignore[no-any-return]


@implements("correlate")
def correlate(a: Any, v: Any, mode: Any = "valid") -> Tracer:
    signal, taps = lift(a), lift(v)
    if signal.ndim == taps.ndim == 1 and _longer(taps, signal):
        return flip(convolve(v, flip(a), mode))
    return convolve(a, flip(v), mode)


def _longer(one: Tracer, other: Tracer) -> bool:
    """Whether a vector is the longer one for certain."""
    return at_least(one.dims[0] - other.dims[0]) and not at_least(other.dims[0] - one.dims[0])


@implements("cross", "linalg.cross")
def cross(a: Any, b: Any, /, *, axis: Any = -1) -> Tracer:
    left, right = (
        transpose(lift(x), [*(k for k in range(lift(x).ndim) if k != axis_number(axis, lift(x).ndim)), axis])
        for x in (a, b)
    )
    for array in (left, right):
        if array.dims[-1].value != 3:
            fail(
                ShapeError,
                f"a cross product is one of vectors with 3 entries, not of {described(array)}",
                "use 3.",
            )
    parts = [minus(left[..., k - 2] * right[..., k - 1], left[..., k - 1] * right[..., k - 2]) for k in range(3)]
    return stack(parts, axis)
