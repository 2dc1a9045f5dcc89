"""Whether two expressions are equal: their difference, in normal form, has no terms."""

from __future__ import annotations

from collections.abc import Sequence

from ..rewrites import add, multiply, substitute, without
from ..terms import ONE, Factor, Index, Shared, Slot, Sum, Tensor, constant, constant_slot, product
from .expanding import Normal, TooLarge
from .functions import alike
from .sweeping import LAST, Swept
from .values import differ, finite_point

CLEARINGS = 3  # denominators within denominators that are multiplied away


def equal(first: Sequence[tuple[Sequence[Index], Sum]], second: Sequence[tuple[Sequence[Index], Sum]]) -> bool:
    """Whether expressions, given with their axes in order, are equal up to names of indices and order."""
    if [[axis.dim for axis in axes] for axes, _ in first] != [[axis.dim for axis in axes] for axes, _ in second]:
        return False
    pairs = [(_placed(*one), _placed(*other)) for one, other in zip(first, second, strict=True)]
    pairs = [(one, other) for one, other in pairs if not alike(one, other)]
    gaps = [add(one, multiply(constant(-1), other)) for one, other in pairs]
    for plain in (False, True):
        try:
            with without("distribute"):
                whole = Normal(opening=False, plain=plain)
                gaps = [gap for gap in gaps if whole.of(gap).terms]
                point = finite_point([body for pair in pairs for body in pair]) if gaps else None
                if point is not None:
                    if any(differ(point, *pair) for pair in pairs):
                        return False
                    swept = Swept(point, whole)
                    gaps = [gap for gap in gaps if not swept.proves(swept.of(gap), LAST)]
            gaps = [gap for gap in gaps if not _vanishes(gap, plain)]
        except TooLarge:
            continue
    return not gaps


def _vanishes(gap: Sum, plain: bool) -> bool:
    """Whether an expression is 0: its normal form is, or becomes so when its denominators are multiplied away."""
    for _ in range(CLEARINGS):
        gap = Normal(opening=True, plain=plain).of(gap)
        below = _denominators(gap)
        if not gap.terms or not below:
            break
        gap = _times(gap, below)
    return not gap.terms


def _denominators(body: Sum) -> list[Factor]:
    """The sums by which terms are divided, each to the highest power at which it occurs."""
    powers: dict[tuple[Tensor, tuple[Slot, ...]], int] = {}
    for term in body.terms:
        for tensor, slots, exponent in term.factors:
            if isinstance(tensor, Shared) and isinstance(exponent, int) and exponent < 0:
                powers[tensor, slots] = max(powers.get((tensor, slots), 0), -exponent)
    return [Factor(tensor, slots, exponent) for (tensor, slots), exponent in powers.items()]


def _times(body: Sum, factors: Sequence[Factor]) -> Sum:
    """Every term times these factors, so that they cancel before anything is multiplied out."""
    return Sum(product(term.coefficient, [*term.factors, *factors], term.summed) for term in body.terms)


def _placed(axes: Sequence[Index], body: Sum) -> Sum:
    """The expression over canonical axes; an axis of size 1 is read at 0, as one writes it where it was sliced."""
    return substitute(
        body, {axis: constant_slot(0) if axis.dim is ONE else Index.at(k, axis.dim) for k, axis in enumerate(axes)}
    )


def normal(bodies: Sequence[Sum]) -> list[Sum]:
    """The sums multiplied out, contractions flattened, arguments of primitives likewise."""
    form = Normal(opening=True, plain=False)
    return [form.of(body) for body in bodies]
