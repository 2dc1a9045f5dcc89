"""Functions that rearrange axes: transposes, new and dropped axes, broadcasting, diagonals."""

from __future__ import annotations

from typing import Any

from ..dims import Dim
from ..errors import ShapeError
from ..rewrites import contract, multiply, substitute
from ..terms import ONE, ZERO, Index, Slot, combine, constant_slot, delta, of_factor
from .operands import aligned, axis_number, axis_numbers, lift
from .record import at_least, fail, require, spelled
from .registry import implements
from .sizes import dim_of, product_of, size_number
from .symbolic import described
from .tracer import Tracer

# Order ------------------------------------------------------------------------------------------------------


@implements("transpose", "permute_dims")
def transpose(a: Any, axes: Any = None) -> Tracer:
    array = lift(a)
    if axes is None:
        return array.T
    order = axis_numbers(axes, array.ndim)
    if len(order) != array.ndim:
        fail(
            ShapeError,
            f"a transpose names all axes: {described(array)} has {array.ndim}, and {axes} names {len(order)}",
            "name all axes, as in X.transpose(1, 0).",
        )
    return array.alias([array.axes[k] for k in order], array.body)


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
    return array.alias(axes, array.body)


@implements("moveaxis")
def moveaxis(a: Any, source: Any, destination: Any) -> Tracer:
    array = lift(a)
    sources, targets = axis_numbers(source, array.ndim), axis_numbers(destination, array.ndim)
    if len(sources) != len(targets):
        fail(ShapeError, "np.moveaxis takes as many destinations as sources", "pass two tuples of one length.")
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


def shape_of(shape: Any) -> tuple[Dim, ...]:
    """The sizes that a shape argument names."""
    return tuple(map(dim_of, shape)) if isinstance(shape, tuple | list) else (dim_of(shape),)


# Axes of size 1, broadcasting -------------------------------------------------------------------------------


@implements("expand_dims")
def expand_dims(a: Any, axis: Any) -> Tracer:
    array = lift(a)
    added = axis if isinstance(axis, tuple | list) else (axis,)
    places = axis_numbers(tuple(added), array.ndim + len(added))
    rest = iter(array.axes)
    axes = [Index.fresh(ONE) if k in places else next(rest) for k in range(array.ndim + len(places))]
    return array.alias(axes, array.body)


@implements("squeeze")
def squeeze(a: Any, axis: Any = None) -> Tracer:
    array = lift(a)
    ones = [k for k, label in enumerate(array.axes) if label.dim is ONE]
    dropped = ones if axis is None else axis_numbers(axis, array.ndim)
    for k in dropped:
        if k not in ones:
            fail(
                ShapeError,
                f"only axes of size 1 are squeezed: axis {k} of {described(array)} has size {array.dims[k]}",
                "name an axis of size 1, or take one entry, as in x[0].",
            )
    for label in array.axes if axis is None else ():
        if label.dim.value is None:
            advice = "name the axes to be squeezed: an axis of size 1 would be one of them, too."
            require(label.dim - 2, ">=", f"np.squeeze along an axis of size {label.dim}", advice)
    mapping: dict[Index, Slot] = {array.axes[k]: constant_slot(0) for k in dropped}
    axes = [label for k, label in enumerate(array.axes) if k not in dropped]
    return array.alias(axes, substitute(array.body, mapping))


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
                f"{described(own)} does not broadcast to {spelled(dims)}: its axis {position} has size "
                f"{label.dim}, not {dim}",
                "only axes of size 1 broadcast.",
            )
    axes = [
        label if label is not None and label.dim is dim else Index.fresh(dim)
        for label, dim in zip((*[None] * front, *own.axes), dims, strict=True)
    ]
    return own.alias(axes, own.over(axes[front:]), writable=False)


@implements("broadcast_arrays")
def broadcast_arrays(*args: Any) -> tuple[Tracer, ...]:
    arrays = [lift(each) for each in args]
    axes, bodies = aligned(*arrays)
    return tuple(array.alias(axes, body, writable=False) for array, body in zip(arrays, bodies, strict=True))


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


# Diagonals --------------------------------------------------------------------------------------------------


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
    label = Index.fresh(smaller(rows.dim - down, columns.dim - right, f"diagonal {offset} of {described(array)}"))
    slots: dict[Index, Slot] = {
        rows: combine([(ONE, label)], down),
        columns: combine([(ONE, label)], right),
    }
    rest = [axis for k, axis in enumerate(array.axes) if k not in (first, second)]
    return array.alias([*rest, label], substitute(array.body, slots), writable=False)


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
        f"{what} is as long as the smaller of {first} and {second}, and which that is depends on the sizes",
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
