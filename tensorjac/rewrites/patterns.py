"""What an expression is made of, as far as identities ask: its function, its mask, its connected parts."""

from __future__ import annotations

from ..primitives import Primitive
from ..terms import Apply, Factor, Index, Number, Sum, Tensor, Term, magnitude, number


def is_applied(tensor: Tensor, name: str) -> bool:
    return isinstance(tensor, Apply) and tensor.operation.name == name


def arguments_of(factor: Factor) -> tuple[Sum, ...]:
    assert isinstance(factor.tensor, Apply)
    return factor.tensor.arguments(factor.slots)


def is_mask(tensor: Tensor) -> bool:
    return isinstance(tensor, Apply) and isinstance(tensor.operation, Primitive) and tensor.operation.boolean


def is_complement(body: Sum) -> bool:
    """Whether this is 1 less a mask, or a multiple of that."""
    if len(body.terms) != 2:
        return False
    one, other = sorted(body.terms, key=lambda term: len(term.factors))
    masks = [factor for factor in other.factors if factor.power == 1 and is_mask(factor.tensor)]
    opposite = not one.factors and one.coefficient == -other.coefficient
    return opposite and len(masks) == len(other.factors) == 1


def repeats_mask(factor: Factor) -> bool:
    """Whether this is a mask times itself."""
    return factor.power != 1 and factor.power > 0 and is_mask(factor.tensor)


def only_function(body: Sum) -> tuple[Number, Apply, Factor] | None:
    """The coefficient and the applied primitive, where the expression is just that."""
    if len(body.terms) != 1 or len(body.terms[0].factors) != 1:
        return None
    factor = body.terms[0].factors[0]
    if not isinstance(factor.tensor, Apply) or factor.power != 1:
        return None
    return body.terms[0].coefficient, factor.tensor, factor


def logistic_argument(body: Sum) -> Sum | None:
    """u, where the expression is 1 + exp(u)."""
    if len(body.terms) != 2:
        return None
    one = next((t for t in body.terms if not t.factors), None)
    other = next((t for t in body.terms if t.factors), None)
    if one is None or other is None or one.coefficient != 1 or other.coefficient != 1:
        return None
    found = only_function(Sum((other,)))
    if found is None or found[1].operation.name != "exp":
        return None
    return found[1].arguments(found[2].slots)[0]


def connected(term: Term) -> tuple[list[Factor], list[tuple[list[Factor], list[Index]]]]:
    """The factors that carry no summed index, and the groups of factors that summed indices connect."""
    hidden = set(term.summed)
    free: list[Factor] = []
    groups: list[tuple[list[Factor], set[Index]]] = []
    for factor in term.factors:
        mine = {label for label in factor.labels if label in hidden}
        if not mine:
            free.append(factor)
            continue
        joined, members = [factor], set(mine)
        apart = []
        for group in groups:
            if group[1] & members:
                joined = group[0] + joined
                members |= group[1]
            else:
                apart.append(group)
        groups = [*apart, (joined, members)]
    return free, [(factors, [i for i in term.summed if i in members]) for factors, members in groups]


def weight(term: Term) -> Number:
    """How many factors a term has, powers counted: it falls only where factors cancel."""
    return number(sum((magnitude(factor.power) for factor in term.factors), 0))
