"""Reshapes: an axis is split by an affine slot, axes are merged by a δ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..dims import Dim, FloorDiv, divide
from ..errors import ShapeError, TraceError
from ..rewrites import contract, multiply, substitute
from ..terms import ONE, ZERO, Index, Slot, Sum, combine, constant_slot, delta, of_factor
from .operands import lift
from .record import fail, require, spelled
from .registry import implements
from .sizes import dim_of, is_whole, product_of
from .symbolic import described
from .tracer import Tracer


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
    return array.alias(axes, body)


@implements("ravel")
def ravel(a: Any, order: str = "C") -> Tracer:
    return reshape(a, -1, "C" if order == "K" else order)


def _filled(array: Tracer, sizes: Sequence[Any]) -> tuple[Dim, ...]:
    """The new sizes, with the one that is written as -1; the product must be the old one."""
    total = product_of(array.dims)
    advice = "the new sizes multiply to the same number as the old ones; one of them may be -1."
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
        for dim in array.dims:
            # axes that the reshape leaves alone are no part of what must hold: (c - 2*(c//2))*h is 0 where c is even
            difference = (divide(difference, dim) or difference) if dim is not ZERO else difference
        require(difference, "==", f"the reshape from {spelled(array.shape)} to {wanted}", advice)
    return tuple(dims)


def _regrouped(array: Tracer, dims: Sequence[Dim]) -> tuple[Sum, list[Index]]:
    """The expression over axes of these sizes: an axis is split by an affine slot, axes are merged by a δ."""
    if any(dim is ZERO for dim in dims):
        return Sum(), list(map(Index.fresh, dims))
    old = [label for label in array.axes if label.dim is not ONE]
    new = [dim for dim in dims if dim is not ONE]
    exact = _exact([label.dim for label in old], new)
    digits = _digits(old, new, exact)
    slots: dict[Index, Slot] = {label: constant_slot(0) for label in array.axes if label.dim is ONE}
    if digits is None:
        body, axes = _flattened(array.body, slots, old, list(map(Index.fresh, new)))
    else:
        before, after = digits
        slots.update({label: place_value(own) for label, own in zip(old, before, strict=True) if own != [label]})
        body, axes = merged(substitute(array.body, slots), after, new)
    wide = iter(axes)
    return body, [Index.fresh(ONE) if dim is ONE else next(wide) for dim in dims]


def place_value(digits: Sequence[Index]) -> Slot:
    """The number whose digits, most significant first, these are: ``n*i + j`` for i and j of size n."""
    strides = [product_of(digit.dim for digit in digits[k + 1 :]) for k in range(len(digits))]
    return combine(zip(strides, digits, strict=True))


def _exact(old: Sequence[Dim], new: Sequence[Dim]) -> dict[Dim, Dim]:
    """Sizes d that are 2 (d//2), as the shapes have equally many entries: each by the product that it is."""
    difference = product_of(old) - product_of(new)
    found: dict[Dim, Dim] = {}
    for dim in (*old, *new):
        for _, atoms in dim.monomials:
            for atom, _ in atoms:
                if isinstance(atom, FloorDiv):
                    whole = atom.divisor * atom.dim
                    quotient = divide(difference, atom.dividend - whole)
                    # a difference that is 0 whatever d is says nothing of d
                    if quotient is not None and len(quotient.monomials) == 1:
                        found[atom.dividend] = whole
    return found


def _digits(
    old: Sequence[Index], new: Sequence[Dim], exact: Mapping[Dim, Dim]
) -> tuple[list[list[Index]], list[list[Index]]] | None:
    """Indices that are digits of the axes of both shapes, if sizes divide so that there are such."""
    left = [exact.get(label.dim, label.dim) for label in old]
    right = [exact.get(dim, dim) for dim in new]
    before: list[list[Index]] = [[] for _ in left]
    after: list[list[Index]] = [[] for _ in right]
    o, n = len(left) - 1, len(right) - 1
    while o >= 0 and n >= 0:
        step = _common(left[o], right[n])
        if step is None:
            return None
        digit = old[o] if step is old[o].dim and step is left[o] else Index.fresh(step)
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


def merged(body: Sum, groups: Sequence[Sequence[Index]], dims: Sequence[Dim] | None = None) -> tuple[Sum, list[Index]]:
    """Each group of indices made one, by a δ between the new index and the place value of the old ones."""
    ties: list[Sum] = []
    summed: list[Index] = []
    axes: list[Index] = []
    for k, group in enumerate(groups):
        if len(group) == 1:
            axes.append(group[0])
            continue
        axes.append(Index.fresh(product_of(digit.dim for digit in group) if dims is None else dims[k]))
        # where the body does not depend on the group, the δ would only say 1
        if body.labels.intersection(group):
            ties.append(of_factor(delta(axes[-1], place_value(group))))
            summed.extend(group)
    return contract(multiply(body, *ties), summed), axes


def _flattened(body: Sum, slots: dict[Index, Slot], old: Sequence[Index], axes: list[Index]) -> tuple[Sum, list[Index]]:
    """The expression read at the same row-major position, where the two shapes have no digits in common."""
    if len(old) == 1:
        return substitute(body, {**slots, old[0]: place_value(axes)}), axes
    tie = of_factor(delta(place_value(axes), place_value(old)))
    return contract(multiply(substitute(body, slots), tie), old), axes
