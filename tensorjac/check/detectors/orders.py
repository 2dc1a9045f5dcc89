"""Products of matrices that the backward pass multiplies in another order, or with a transpose too few or too many."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from functools import partial

import numpy as np

from ...function import Function
from ...terms import Contraction
from ..boxes import Product
from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..slips import Slip, by_weight, hypotheses, slip, twins, where
from ..tape import Step, Tape

Order = tuple[bool, bool, bool]
ORDERS: tuple[Order, ...] = tuple((a, b, c) for a, b, c in itertools.product((False, True), repeat=3))


@detector("product-order", stage="structure")
def orders(case: Case) -> Iterator[Hypothesis]:
    """U is what comes out where one product of matrices, or every one with a weight, is taken otherwise."""
    yield from hypotheses(case, _slips)


def _slips(function: Function, tape: Tape) -> Iterator[Slip]:
    for steps in [*by_weight(tape), *twins(tape), *_of_one_side(tape), *((step,) for step in tape.steps)]:
        yield from _reordered(function, tape, steps)


def _of_one_side(tape: Tape) -> list[tuple[Step, ...]]:
    """The steps of one product to all readings that stand on one side of it: e and z of (e / z) V."""
    groups: dict[Hashable, list[Step]] = defaultdict(list)
    for step in tape.steps:
        sides = _sides(tape.product(step), step.factor) if isinstance(step.owner, Contraction) else None
        if sides is not None:
            groups[step.owner, sides[0]].append(step)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _reordered(function: Function, tape: Tape, steps: Sequence[Step]) -> Iterator[Slip]:
    step = steps[0]
    if not isinstance(step.owner, Contraction) or step.owner not in tape.right:
        return
    adjoint = tape.right[step.owner]
    right = tape.share(tape.product(step), step.factor, adjoint)

    def said() -> str:
        return f"multiplies in another order, or by a transpose, {where(function, step)}"

    for order in ORDERS:
        value = _multiplied(order, tape, step, adjoint)
        if np.all(np.isfinite(value)) and not np.allclose(value, right):
            yield slip("product-order", said, steps, partial(_multiplied, order))


def _multiplied(order: Order, tape: Tape, step: Step, adjoint: Array) -> Array:
    """The adjoint times the other matrix, in this order and with these transposes; NaN where sizes do not fit.

    C[ab] = Σ_s A[as] B[sb], where A and B are products, entry by entry, of one reading or more.
    """
    swapped, first, second = order
    product, n = tape.product(step), step.factor
    unfit = np.full(tape.values[step.part].shape, np.nan)
    sides = _sides(product, n)
    if sides is None:
        return unfit
    free, beside, across = sides
    matrix = _entries(tape, product, across, 1 - free, free)
    left, right = (adjoint.T if first else adjoint), (matrix.T if second else matrix)
    left, right = (right, left) if swapped else (left, right)
    shape = (product.shape[free], product.shape[2])
    if left.shape[1] != right.shape[0] or (left.shape[0], right.shape[1]) != shape:
        return unfit
    reading = product.readings[n]
    around = _entries(tape, product, beside, free, 1 - free) * np.take(
        np.broadcast_to(tape.derivative(reading), product.shape), 0, 1 - free
    )
    places = np.take(reading.places, 0, 1 - free)
    return tape.summed_at(places, product.coefficient * left @ right * around, unfit.shape)


def _sides(product: Product, n: int) -> tuple[int, list[int], list[int]] | None:
    """The free axis on the side of a reading, the other readings on that side, and those on the other one."""
    own = product.along(n)
    if product.rank != 2 or len(product.shape) != 3 or product.holds is not None or len(own - {2}) != 1:
        return None
    (free,) = own - {2}
    beside = [k for k in range(len(product.readings)) if k != n and 1 - free not in product.along(k)]
    across = [k for k in range(len(product.readings)) if 1 - free in product.along(k)]
    return (free, beside, across) if across and all(free not in product.along(k) for k in across) else None


def _entries(tape: Tape, product: Product, readings: Sequence[int], kept: int, axis: int) -> Array:
    """The product of some readings, which do not vary along one free axis: over the other one and the summed one."""
    shape = (product.shape[kept], product.shape[2])
    arrays = [np.take(tape.powered(product.readings[k]), 0, axis) for k in readings]
    return np.asarray(np.broadcast_to(np.prod(arrays, axis=0) if arrays else 1.0, shape))
