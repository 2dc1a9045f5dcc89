"""Identities of functions that have axes of their own: of matrices, and of rows that are reduced to one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..terms import ONE, Index, Slot, Sum, sum_key
from .patterns import only_function
from .registry import name_identity

TRANSPOSABLE = frozenset({"inv", "pinv", "det", "adj", "minors", "logabsdet", "signdet"})

INVERSES = frozenset({"inv", "pinv"})


name_identity(
    "transpose",
    """inv(Xᵀ)[ij] = inv(X)[ji] and det(Xᵀ) = det(X): of a matrix and its transpose one form is kept. Ends because the
    form that is kept is the smaller one.""",
)


def upright(
    arguments: list[Sum], cores: Sequence[Sequence[Index]], result: Sequence[Slot]
) -> tuple[list[Sum], Sequence[Slot]]:
    """The argument or its transpose, whichever comes first in a fixed order, and the result's slots to match."""
    (arg,), ((row, column),) = arguments, cores
    if row.dim is not column.dim:
        return arguments, result
    swapped = arg.substitute({row: column, column: row})
    first, second = Index.at(0, row.dim), Index.at(1, row.dim)
    forms = [sum_key(body.substitute({row: first, column: second})) for body in (arg, swapped)]
    if forms[1] < forms[0]:
        return [swapped], tuple(result)[::-1]
    return arguments, result


name_identity("inverse of an inverse", "inv(inv(X)) = X and pinv(pinv(X)) = X. Removes two functions.")


def inverted(
    name: str, argument: Sum, core: Sequence[Index], result: Sequence[Slot]
) -> tuple[Sum, Mapping[Index, Slot]] | None:
    """X and where it is read, if the argument is the inverse of X or of its transpose."""
    found = only_function(argument)
    if found is None or found[0] != 1 or found[1].operation.name != name:
        return None
    _, tensor, factor = found
    (inner,), (own,) = tensor.arguments(factor.slots), tensor.cores_at(factor.slots)
    ends = factor.slots[tensor.batch :]
    for slots, read in ((tuple(core), result), (tuple(core)[::-1], result[::-1])):
        if ends == slots:
            return inner, dict(zip(own, read, strict=True))
    return None


name_identity("one entry", "max_k(x[k]) = x[0] where k has size 1, and so for min and prod. Removes a function.")


def several(core: Sequence[Index]) -> tuple[Index, ...]:
    """The axes of a reduction over which there is more than one entry."""
    return tuple(index for index in core if index.dim is not ONE)
