"""The softplus written for both signs, as one writes it where exp must not overflow."""

from __future__ import annotations

from collections.abc import Iterator

from ..primitives import PRIMITIVES
from ..terms import Factor, Sum, Term, apply, number, product
from .patterns import arguments_of, is_applied, only_function
from .registry import name_identity

name_identity(
    "softplus of both signs",
    """max(u, 0) + softplus(-abs(u)) = softplus(u). Removes a term.""",
)


def with_softplus(total: Sum) -> Sum:
    """The sum with the terms that make up a softplus, times the same, as one."""
    for term in total.terms:
        for factor, larger, whole in _candidates(term):
            rest = [other for other in term.factors if other is not factor]
            beside = product(term.coefficient, [*rest, larger], term.summed)
            if beside in total.terms:
                kept = [other for other in total.terms if other not in (term, beside)]
                return with_softplus(Sum([*kept, product(term.coefficient, [*rest, whole], term.summed)]))
    return total


def _candidates(term: Term) -> Iterator[tuple[Factor, Factor, Factor]]:
    """Each softplus(-abs(u)) in a term, with max(u, 0) and softplus(u), for both signs of u."""
    for factor in term.factors:
        if factor.power != 1 or not is_applied(factor.tensor, "softplus"):
            continue
        found = only_function(arguments_of(factor)[0])
        if found is None or found[0] != -1 or found[1].operation.name != "abs":
            continue
        (u,) = arguments_of(found[2])
        for signed in (u, Sum(Term(number(-each.coefficient), each.factors, each.summed) for each in u.terms)):
            larger = apply(PRIMITIVES["maximum"], (signed, Sum(())), ((), ()))
            yield factor, larger, apply(PRIMITIVES["softplus"], (signed,), ((),))
