"""The determinant beside inverses: the adjugate is their product, and has a value where there is no inverse."""

from __future__ import annotations

from collections.abc import Sequence

from ..primitives import PRIMITIVES
from ..terms import Apply, Factor, Sum, apply, number
from .patterns import arguments_of, is_applied
from .registry import name_identity

name_identity(
    "adjugate",
    """det(X) inv(X)[ij] = adj(X)[ij], which is exact where X is singular; where determinants are too few for all
    inverses beside them, all are inverses. Ends because what is kept depends on their numbers alone.""",
)


def with_adjugates(factors: Sequence[Factor], beside: Sequence[Factor] = ()) -> list[Factor] | None:
    """The factors with inverses and adjugates of one matrix all of one kind; None where they are so already.

    Which kind depends on those ``beside``, too: of them all, in whatever order they are met, it is one.
    """
    for factor in factors:
        if is_applied(factor.tensor, "det"):
            found = _exchanged(factor, factors, beside)
            if found is not None:
                return found
    return None


def _exchanged(determinant: Factor, factors: Sequence[Factor], beside: Sequence[Factor]) -> list[Factor] | None:
    of = arguments_of(determinant)
    inverses, adjugates = (_applied(name, of, factors) for name in ("inv", "adj"))
    if determinant.power >= _count(inverses) + _count(_applied("inv", of, beside)):
        name, changed, left = "adj", inverses, determinant.power - _count(inverses)
    else:
        name, changed, left = "inv", adjugates, determinant.power + _count(adjugates)
    if not changed:
        return None
    kept = [f for f in factors if f is not determinant and f not in changed]
    if left != 0:
        kept.append(Factor(determinant.tensor, determinant.slots, number(left)))
    return [*kept, *(_named(name, f) for f in changed)]


def _applied(name: str, of: tuple[Sum, ...], factors: Sequence[Factor]) -> list[Factor]:
    """The whole positive powers of a function of this matrix."""
    return [
        f
        for f in factors
        if is_applied(f.tensor, name) and isinstance(f.power, int) and f.power > 0 and arguments_of(f) == of
    ]


def _count(factors: Sequence[Factor]) -> int:
    return sum(int(f.power) for f in factors)


def _named(name: str, factor: Factor) -> Factor:
    """The same function of the same matrix, by another name."""
    tensor, slots, exponent = factor
    assert isinstance(tensor, Apply)
    shape, own = tensor.shape[tensor.batch :], slots[tensor.batch :]
    made = apply(PRIMITIVES[name], tensor.arguments(slots), tensor.cores_at(slots), own, shape)
    return Factor(made.tensor, made.slots, exponent)
