"""Functions of products of square matrices, and of inverses, by functions of what these are made of."""

from __future__ import annotations

from collections.abc import Sequence

from ..primitives import Primitive
from ..rewrites import add, apply, contract, multiply, power, whole
from ..rewrites.patterns import arguments_of, is_applied
from ..terms import Apply, Contraction, Factor, Index, Slot, Sum, constant, of_factor

# A matrix in a chain: its factor, and the indices of its rows and columns.
Link = tuple[Factor, Index, Index]


def by_parts(primitive: Primitive, argument: Sum, core: Sequence[Index], result: Sequence[Slot]) -> Sum | None:
    """det(AB) = det(A) det(B), inv(AB) = inv(B) inv(A) and det(inv(A)) = 1/det(A); None where nothing is of the kind.

    >>> import tensorjac as tj
    >>> F = tj.parse("d = np.linalg.det(A @ B)", A="n n", B="n n")
    >>> F == tj.parse("d = np.linalg.det(B) * np.linalg.det(A)", A="n n", B="n n")
    True
    """
    if primitive.name not in _OF_CHAIN:
        return None
    factors = _factors(argument)
    if len(factors) != 1 or factors[0].power != 1:
        return None
    (factor,) = factors
    if is_applied(factor.tensor, "inv"):
        return _of_inverse(primitive, factor, core, result)
    chain = _chain(factor, *core)
    return None if chain is None else _OF_CHAIN[primitive.name](primitive, chain, result)


def _factors(argument: Sum) -> Sequence[Factor]:
    lead = whole(argument)
    return lead.terms[0].factors if lead.terms and lead.terms[0].coefficient == 1 else ()


def _chain(factor: Factor, row: Index, column: Index) -> list[Link] | None:
    """The square matrices, all of one size, of which a contraction is the product from ``row`` to ``column``."""
    tensor, slots, _ = factor
    if not isinstance(tensor, Contraction) or row.dim is not column.dim:
        return None
    term = tensor.term(slots)
    left, links, near = list(term.factors), [], row
    while left:
        found = [each for each in left if near in each.slots]
        if len(found) != 1 or found[0].power != 1:
            return None
        others = [slot for slot in found[0].slots if slot is not near and (slot is column or slot in term.summed)]
        far = others[0] if len(others) == 1 else None
        if not isinstance(far, Index) or far.dim is not row.dim:
            return None
        links.append((found[0], near, far))
        left.remove(found[0])
        near = far
    return links if near is column else None


def _determinant(primitive: Primitive, chain: Sequence[Link], result: Sequence[Slot]) -> Sum:
    parts = [apply(primitive, (of_factor(factor),), ((near, far),)) for factor, near, far in chain]
    return add(*parts) if primitive.name == "logabsdet" else multiply(*parts)


def _reversed(primitive: Primitive, chain: Sequence[Link], result: Sequence[Slot]) -> Sum:
    """inv(ABC) = inv(C) inv(B) inv(A), and so for the adjugate."""
    dim = chain[0][1].dim
    between = [Index.fresh(dim) for _ in chain[1:]]
    ends: list[Slot] = [result[0], *between, result[1]]
    parts = [
        apply(primitive, (of_factor(factor),), ((near, far),), (left, right), (dim, dim))
        for (factor, near, far), left, right in zip(reversed(chain), ends, ends[1:], strict=False)
    ]
    return contract(multiply(*parts), between)


def _of_inverse(primitive: Primitive, factor: Factor, core: Sequence[Index], result: Sequence[Slot]) -> Sum | None:
    """A determinant of an inverse."""
    if primitive.name in ("inv", "adj") or factor.slots[-2:] not in (tuple(core), tuple(core)[::-1]):
        return None
    inner = apply(primitive, arguments_of(factor), _cores(factor))
    return multiply(constant(-1), inner) if primitive.name == "logabsdet" else power(inner, -1)


def _cores(factor: Factor) -> tuple[tuple[Index, ...], ...]:
    assert isinstance(factor.tensor, Apply)
    return factor.tensor.cores_at(factor.slots)


_OF_CHAIN = {
    "det": _determinant,
    "logabsdet": _determinant,
    "signdet": _determinant,
    "inv": _reversed,
    "adj": _reversed,
}
