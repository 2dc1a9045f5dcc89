"""Expressions opened where a δ over their axes stands inside, so that every δ that says where entries stand is seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..rewrites import term_rules
from ..terms import DELTA, Contraction, Factor, Index, Shared, Sum, Tensor, Term, product

# The identities that settle δ without closing the sums around them.
SETTLING = ("δ decided", "δ renames", "digits")
# More terms than these are not told apart: the pattern of what is left closed is then a wider one.
TERMS = 64


def opened(body: Sum, axes: Sequence[Index]) -> list[Term]:
    """The terms of the sum, multiplied out where that brings out a δ over ``axes``; their sums stay open.

    >>> from tensorjac.dims import Dim
    >>> from tensorjac.terms import Input, constant, delta, of_factor, shared
    >>> i, j = (Index.fresh(Dim.of("n")) for _ in range(2))
    >>> x = Input("x", (Dim.of("n"),))
    >>> inner = shared(Sum([product(1, [delta(i, j)]), product(-1, [x(j)])]))
    >>> len(opened(of_factor(inner), (i, j))), len(opened(of_factor(x(i)), (i, j)))
    (2, 1)
    """
    places = frozenset(axes)
    waiting, done = list(reversed(body.terms)), list[Term]()
    while waiting:
        term = waiting.pop()
        settled = _settled(term)
        if settled is not None:
            waiting.extend(reversed(settled.terms))
            continue
        factor = next((f for f in term.factors if _hides(f, places)), None)
        if factor is None or len(waiting) + len(done) >= TERMS:
            done.append(term)
        else:
            waiting.extend(reversed(_without(term, factor)))
    return done


def settled_terms(term: Term) -> list[Term]:
    """The terms that are left of a product when its δ have settled; none where they contradict each other."""
    waiting, done = [term], list[Term]()
    while waiting:
        found = _settled(term := waiting.pop())
        if found is None:
            done.append(term)
        else:
            waiting.extend(found.terms)
    return done


def _settled(term: Term) -> Sum | None:
    """The term with one δ less, where a δ is decided or ties a summed index."""
    if not any(factor.tensor is DELTA for factor in term.factors):
        return None
    for name, rule in term_rules():
        if name in SETTLING:
            found = rule(term)
            if found is not None:
                return found
    return None


def _hides(factor: Factor, places: Collection[Index]) -> bool:
    """Whether a sum or contraction holds, at any depth, a δ over one of the axes at which it is read."""
    waiting = [(factor.tensor, frozenset(k for k, slot in enumerate(factor.slots) if slot in places))]
    if factor.power != 1:
        return False
    while waiting:
        tensor, read = waiting.pop()
        inside = {tensor.axes[k] for k in read}
        for inner in _factors(tensor) if inside else ():
            if inner.tensor is DELTA:
                if inside.intersection(inner.labels):
                    return True
            elif inner.power == 1:
                waiting.append((inner.tensor, frozenset(k for k, slot in enumerate(inner.slots) if slot in inside)))
    return False


def _factors(tensor: Tensor) -> list[Factor]:
    """The factors of the terms that a sum or a contraction consists of."""
    if isinstance(tensor, Contraction):
        return list(tensor.factors)
    return [factor for term in tensor.body.terms for factor in term.factors] if isinstance(tensor, Shared) else []


def _without(term: Term, factor: Factor) -> list[Term]:
    """The terms that come of one factor being opened."""
    rest = [other for other in term.factors if other is not factor]
    if isinstance(factor.tensor, Contraction):
        inner = factor.tensor.term(factor.slots)
        return [product(term.coefficient, [*rest, *inner.factors], (*term.summed, *inner.summed))]
    assert isinstance(factor.tensor, Shared)
    return [
        product(term.coefficient * inner.coefficient, [*rest, *inner.factors], term.summed)
        for inner in factor.tensor.expression(factor.slots).terms
    ]
