"""The determinant beside inverses: the adjugate is their product, and has a value where there is no inverse."""

from __future__ import annotations

from collections.abc import Sequence

from ..primitives import PRIMITIVES
from ..terms import Apply, Factor, apply, number
from .patterns import arguments_of, is_applied
from .registry import name_identity

name_identity(
    "adjugate",
    """det(X) inv(X)[ij] = adj(X)[ij], which is exact where X is singular; where determinants are too few for all
    inverses beside them, all are inverses. Ends because what is kept depends on their numbers alone.""",
)


def with_adjugates(factors: Sequence[Factor]) -> list[Factor] | None:
    """The factors with inverses and adjugates of one matrix all of one kind; None where they are so already."""
    for factor in factors:
        if is_applied(factor.tensor, "det"):
            found = _exchanged(factor, factors)
            if found is not None:
                return found
    return None


def _exchanged(determinant: Factor, factors: Sequence[Factor]) -> list[Factor] | None:
    of = arguments_of(determinant)
    inverses, adjugates = (
        [
            f
            for f in factors
            if is_applied(f.tensor, name) and isinstance(f.power, int) and f.power > 0 and arguments_of(f) == of
        ]
        for name in ("inv", "adj")
    )
    count = sum(int(f.power) for f in (*inverses, *adjugates))
    whole = determinant.power + sum(int(f.power) for f in adjugates)
    name, changed, left = ("adj", inverses, whole - count) if whole >= count else ("inv", adjugates, whole)
    if not changed:
        return None
    kept = [f for f in factors if f is not determinant and f not in changed]
    if left != 0:
        kept.append(Factor(determinant.tensor, determinant.slots, number(left)))
    return [*kept, *(_named(name, f) for f in changed)]


def _named(name: str, factor: Factor) -> Factor:
    """The same function of the same matrix, by another name."""
    tensor, slots, exponent = factor
    assert isinstance(tensor, Apply)
    shape, own = tensor.shape[tensor.batch :], slots[tensor.batch :]
    made = apply(PRIMITIVES[name], tensor.arguments(slots), tensor.cores_at(slots), own, shape)
    return Factor(made.tensor, made.slots, exponent)
