"""Functions that rearrange axes: transposes, new and dropped axes, broadcasting, reshapes, diagonals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dims import Dim, divide
from ..errors import ShapeError, TraceError
from ..rewrites import contract, multiply, substitute
from ..terms import ONE, ZERO, Index, Slot, Sum, combine, constant_slot, delta, of_factor
from .record import at_least, fail, require, spelled
from .registry import implements
from .sizes import dim_of, is_whole, product_of, size_number
from .tracer import Tracer, aligned, axis_number, axis_numbers, described, lift, renamed

# Order ------------------------------------------------------------------------------------------------------------


@implements("transpose", "permute_dims")
def transpose(a: Any, axes: Any = None) -> Tracer:
    array = lift(a)
    if axes is None:
        return array.T
    order = axis_numbers(axes, array.ndim)
    if len(order) != array.ndim:
        fail(
            ShapeError,
            f"a transpose names every axis once: {described(array)} has {array.ndim}, and {axes} names {len(order)}",
            "name all axes, as in X.transpose(1, 0).",
        )
    return array.view([array.axes[k] for k in order], array.body)


@implements("matrix_transpose", "linalg.matrix_transpose")
def matrix_transpose(x: Any, /) -> Tracer:
    array = lift(x)
    if array.ndim < 2:
        fail(
            ShapeError,
            f"a matrix has two axes, and {described(array)} has {array.ndim}",
            "make it a matrix first, as in x[:, None].",
        )
    return swapaxes(array, -1, -2)


@implements("swapaxes")
def swapaxes(a: Any, axis1: Any, axis2: Any) -> Tracer:
    array = lift(a)
    first, second = axis_number(axis1, array.ndim), axis_number(axis2, array.ndim)
    axes = list(array.axes)
    axes[first], axes[second] = axes[second], axes[first]
    return array.view(axes, array.body)


@implements("moveaxis")
def moveaxis(a: Any, source: Any, destination: Any) -> Tracer:
    array = lift(a)
    sources, targets = axis_numbers(source, array.ndim), axis_numbers(destination, array.ndim)
    if len(sources) != len(targets):
        fail(
            ShapeError, "np.moveaxis takes as many destinations as sources", "pass two tuples of one length."
        )
    order = [k for k in range(array.ndim) if k not in sources]
    for target, moved in sorted(zip(targets, sources, strict=True)):
        order.insert(target, moved)
    return transpose(array, order)


@implements("rollaxis")
def rollaxis(a: Any, axis: Any, start: Any = 0) -> Tracer:
    array = lift(a)
    moved = axis_number(axis, array.ndim)
    place = array.ndim if start == array.ndim else axis_number(start, array.ndim)
    return moveaxis(array, moved, place - (place > moved))


# Axes of size 1, broadcasting -------------------------------------------------------------------------------------


@implements("expand_dims")
def expand_dims(a: Any, axis: Any) -> Tracer:
    array = lift(a)
    added = axis if isinstance(axis, tuple | list) else (axis,)
    places = axis_numbers(tuple(added), array.ndim + len(added))
    rest = iter(array.axes)
    axes = [Index.fresh(ONE) if k in places else next(rest) for k in range(array.ndim + len(places))]
    return array.view(axes, array.body)


@implements("squeeze")
def squeeze(a: Any, axis: Any = None) -> Tracer:
    array = lift(a)
    ones = [k for k, label in enumerate(array.axes) if label.dim is ONE]
    dropped = ones if axis is None else axis_numbers(axis, array.ndim)
    for k in dropped:
        if k not in ones:
            fail(
                ShapeError,
                f"an axis that is squeezed has size 1, and axis {k} of {described(array)} has size {array.axes[k].dim}",
                "name an axis of size 1, or take one entry, as in x[0].",
            )
    mapping: dict[Index, Slot] = {array.axes[k]: constant_slot(0) for k in dropped}
    axes = [label for k, label in enumerate(array.axes) if k not in dropped]
    return array.view(axes, substitute(array.body, mapping))


@implements("broadcast_to")
def broadcast_to(array: Any, shape: Any) -> Tracer:
    own = lift(array)
    dims = shape_of(shape)
    if len(dims) < own.ndim:
        fail(
            ShapeError,
            f"{described(own)} has more axes than the shape {spelled(dims)}",
            "name the size of every axis.",
        )
    front = len(dims) - own.ndim
    for position, (label, dim) in enumerate(zip(own.axes, dims[front:], strict=True)):
        if label.dim is not dim and label.dim is not ONE:
            fail(
                ShapeError,
                f"{described(own)} does not broadcast to {spelled(dims)}: its axis {position} has size {label.dim}, "
                f"not {dim}",
                "only axes of size 1 broadcast.",
            )
    axes = [
        label if label is not None and label.dim is dim else Index.fresh(dim)
        for label, dim in zip((*[None] * front, *own.axes), dims, strict=True)
    ]
    return own.view(axes, renamed(own, axes[front:]), writable=False)


@implements("broadcast_arrays")
def broadcast_arrays(*args: Any) -> tuple[Tracer, ...]:
    arrays = [lift(each) for each in args]
    axes, bodies = aligned(*arrays)
    return tuple(array.view(axes, body, writable=False) for array, body in zip(arrays, bodies, strict=True))


def _at_least(array: Tracer, rank: int) -> Tracer:
    """With new axes as NumPy adds them: in front, and for three axes one behind a vector or matrix, too."""
    missing = rank - array.ndim
    if missing <= 0:
        return array
    behind = 1 if rank == 3 and array.ndim in (1, 2) else 0
    return array[(*[None] * (missing - behind), ..., *[None] * behind)]  # type: ignore[no-any-return]


def _each_at_least(arrays: tuple[Any, ...], rank: int) -> Tracer | tuple[Tracer, ...]:
    made = tuple(_at_least(lift(each), rank) for each in arrays)
    return made[0] if len(made) == 1 else made


@implements("atleast_1d")
def atleast_1d(*arys: Any) -> Tracer | tuple[Tracer, ...]:
    return _each_at_least(arys, 1)


@implements("atleast_2d")
def atleast_2d(*arys: Any) -> Tracer | tuple[Tracer, ...]:
    return _each_at_least(arys, 2)


@implements("atleast_3d")
def atleast_3d(*arys: Any) -> Tracer | tuple[Tracer, ...]:
    return _each_at_least(arys, 3)


# Reshapes ---------------------------------------------------------------------------------------------------------


def shape_of(shape: Any) -> tuple[Dim, ...]:
    """The sizes that a shape argument names."""
    return tuple(map(dim_of, shape)) if isinstance(shape, tuple | list) else (dim_of(shape),)


@implements("reshape")
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: Any = None) -> Tracer:
    array = lift(a)
    sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if order == "F":
        return reshape(array.T, sizes[::-1]).T
    if order not in ("C", "A"):
        fail(TraceError, f"the order of a reshape is 'C' or 'F', not {order!r}", "leave order= out.")
    dims = _filled(array, sizes)
    body, axes = _regrouped(array, dims)
    return array.view(axes, body)


@implements("ravel")
def ravel(a: Any, order: str = "C") -> Tracer:
    return reshape(a, -1, "C" if order == "K" else order)


def _filled(array: Tracer, sizes: Sequence[Any]) -> tuple[Dim, ...]:
    """The new sizes, with the one that is written as -1; the product must be the old one."""
    total = product_of(array.dims)
    advice = "the sizes of the new shape multiply to the same number as those of the old one; one of them may be -1."
    wanted = spelled(tuple(sizes))
    unknown = [k for k, size in enumerate(sizes) if is_whole(size) and dim_of(size).value == -1]
    dims = [dim_of(size) for size in sizes]
    if len(unknown) > 1:
        fail(ShapeError, f"of the new sizes {wanted}, two are -1", advice)
    if unknown:
        others = product_of(dim for k, dim in enumerate(dims) if k != unknown[0])
        if others.value == 0:
            fail(ShapeError, f"-1 in {wanted} could be any size, as another one is 0", advice)
        quotient = divide(total, others)
        dims[unknown[0]] = total // others if quotient is None else quotient
    difference = total - product_of(dims)
    if difference.value is None or difference.value != 0:
        # sizes that are rounded down may fit, others would have to be equal by chance
        rounded = any("//" in dim.key for dim in (*dims, *array.dims))
        if difference.value is not None or not rounded:
            fail(
                ShapeError,
                f"{described(array)} has {total} entries, and the new shape {wanted} has {product_of(dims)}",
                advice,
            )
        require(difference, "==", f"the reshape from {spelled(array.shape)} to {wanted}", advice)
    return tuple(dims)


def _regrouped(array: Tracer, dims: Sequence[Dim]) -> tuple[Sum, list[Index]]:
    """The expression over axes of these sizes: an axis is split by an affine slot, axes are merged by a δ."""
    if any(dim is ZERO for dim in dims):
        return Sum(), list(map(Index.fresh, dims))
    old = [label for label in array.axes if label.dim is not ONE]
    new = [dim for dim in dims if dim is not ONE]
    digits = _digits(old, new)
    slots: dict[Index, Slot] = {label: constant_slot(0) for label in array.axes if label.dim is ONE}
    if digits is None:
        body, axes = _flattened(array.body, slots, old, list(map(Index.fresh, new)))
    else:
        before, after = digits
        slots.update(
            {label: place_value(own) for label, own in zip(old, before, strict=True) if own != [label]}
        )
        body, axes = merged(substitute(array.body, slots), after)
    wide = iter(axes)
    return body, [Index.fresh(ONE) if dim is ONE else next(wide) for dim in dims]


def place_value(digits: Sequence[Index]) -> Slot:
    """The number whose digits, most significant first, these are: ``n*i + j`` for i and j of size n."""
    strides = [product_of(digit.dim for digit in digits[k + 1 :]) for k in range(len(digits))]
    return combine(zip(strides, digits, strict=True))


def _digits(old: Sequence[Index], new: Sequence[Dim]) -> tuple[list[list[Index]], list[list[Index]]] | None:
    """Indices that are digits of the axes of both shapes, if sizes divide so that there are such."""
    left, right = [label.dim for label in old], list(new)
    before: list[list[Index]] = [[] for _ in left]
    after: list[list[Index]] = [[] for _ in right]
    o, n = len(left) - 1, len(right) - 1
    while o >= 0 and n >= 0:
        step = _common(left[o], right[n])
        if step is None:
            return None
        digit = old[o] if step is old[o].dim else Index.fresh(step)
        before[o].insert(0, digit)
        after[n].insert(0, digit)
        left[o], right[n] = left[o] // step, right[n] // step
        o, n = o - (left[o] is ONE), n - (right[n] is ONE)
    return (before, after) if o < 0 and n < 0 else None


def _common(left: Dim, right: Dim) -> Dim | None:
    """The one of two sizes that divides the other."""
    if left is right or divide(right, left) is not None:
        return left
    return right if divide(left, right) is not None else None


def merged(body: Sum, groups: Sequence[Sequence[Index]]) -> tuple[Sum, list[Index]]:
    """Each group of indices made one, by a δ between the new index and the place value of the old ones."""
    ties: list[Sum] = []
    summed: list[Index] = []
    axes: list[Index] = []
    for group in groups:
        if len(group) == 1:
            axes.append(group[0])
            continue
        axes.append(Index.fresh(product_of(digit.dim for digit in group)))
        # where the body does not depend on the group, the δ would only say 1
        if body.labels.intersection(group):
            ties.append(of_factor(delta(axes[-1], place_value(group))))
            summed.extend(group)
    return contract(multiply(body, *ties), summed), axes


def _flattened(
    body: Sum, slots: dict[Index, Slot], old: Sequence[Index], axes: list[Index]
) -> tuple[Sum, list[Index]]:
    """The expression read at the same place in row-major order, where the two shapes have no digits in common."""
    if len(old) == 1:
        return substitute(body, {**slots, old[0]: place_value(axes)}), axes
    tie = of_factor(delta(place_value(axes), place_value(old)))
    return contract(multiply(substitute(body, slots), tie), old), axes


# Diagonals --------------------------------------------------------------------------------------------------------


@implements("diagonal")
def diagonal(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Tracer:
    array = lift(a)
    if array.ndim < 2:
        fail(
            ShapeError,
            f"a diagonal needs two axes, and {described(array)} has {array.ndim}",
            "pass a matrix.",
        )
    first, second = axis_numbers((axis1, axis2), array.ndim)
    shift = dim_of(offset, "the offset of a diagonal")
    down, right = (-shift, ZERO) if at_least(-shift) else (ZERO, shift)
    rows, columns = array.axes[first], array.axes[second]
    label = Index.fresh(
        smaller(rows.dim - down, columns.dim - right, f"diagonal {offset} of {described(array)}")
    )
    slots: dict[Index, Slot] = {
        rows: combine([(ONE, label)], down),
        columns: combine([(ONE, label)], right),
    }
    rest = [axis for k, axis in enumerate(array.axes) if k not in (first, second)]
    return array.view([*rest, label], substitute(array.body, slots), writable=False)


def smaller(first: Dim, second: Dim, what: str) -> Dim:
    """The smaller of two sizes, but at least 0, where it is known which one that is."""
    for one, other in ((first, second), (second, first)):
        if at_least(other - one):
            if at_least(-one):
                return ZERO
            require(one, ">=", what, "let it begin within the matrix.")
            return one
    fail(
        ShapeError,
        f"{what} is as long as the smaller of {first} and {second}, and which one that is depends on the sizes",
        "give both axes one name, or fixed sizes.",
    )


@implements("linalg.diagonal")
def matrix_diagonal(x: Any, /, *, offset: Any = 0) -> Tracer:
    return diagonal(x, offset, -2, -1)


@implements("trace")
def trace_of(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Tracer:
    entries = diagonal(a, offset, axis1, axis2)
    return Tracer(entries.axes[:-1], contract(entries.body, entries.axes[-1:]), entries.kind)


@implements("linalg.trace")
def matrix_trace(x: Any, /, *, offset: Any = 0) -> Tracer:
    return trace_of(x, offset, -2, -1)


@implements("diag")
def diag(v: Any, k: Any = 0) -> Tracer:
    array = lift(v)
    if array.ndim == 2:
        return diagonal(array, k)
    if array.ndim != 1:
        fail(
            ShapeError,
            f"np.diag takes a vector or a matrix, and {described(array)} has {array.ndim} axes",
            "use np.diagonal for more axes.",
        )
    shift = dim_of(k, "the offset of a diagonal")
    down, right = (-shift, ZERO) if at_least(-shift) else (ZERO, shift)
    entry = array.axes[0]
    size = entry.dim + down + right
    row, column = Index.fresh(size), Index.fresh(size)
    ties = [delta(row, combine([(ONE, entry)], down)), delta(column, combine([(ONE, entry)], right))]
    body = contract(multiply(array.body, *map(of_factor, ties)), [entry])
    return Tracer((row, column), body, array.kind)


@implements("shape")
def shape(a: Any) -> tuple[Any, ...]:
    return lift(a).shape


@implements("ndim")
def ndim(a: Any) -> int:
    return lift(a).ndim


@implements("size")
def size(a: Any, axis: Any = None) -> Any:
    array = lift(a)
    return size_number(product_of(array.dims[k] for k in axis_numbers(axis, array.ndim)))
