"""Differences turned round where that saves minus signs: E - T in place of -(T - E), wherever it is used."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..terms import Contraction, Shared, Sum, Tensor, Term, number
from .bodies import Bodies

# A program of more tensors than this is left as it is: every difference is looked for in all of it.
LIMIT = 200


def oriented(bodies: Bodies) -> Bodies:
    """The same expressions, each difference having the sign with which fewer of them are negated."""
    tensors = bodies.needed()
    for tensor in tensors if len(tensors) <= LIMIT else ():
        if isinstance(tensor, Shared) and _is_difference(bodies, tensor):
            flipped = _with_followers(bodies, tensor)
            if all(isinstance(power, int) for power in _powers(bodies, flipped)):
                turned = _turned(bodies, flipped)
                if _signs(turned) < _signs(bodies):
                    bodies = turned
    return bodies


def _is_difference(bodies: Bodies, tensor: Shared) -> bool:
    """Whether a sum has terms of both signs; 1 - p stays as people write it."""
    terms = [term for body in bodies.inner[tensor] for term in body.terms]
    return not tensor.sign and all(t.factors for t in terms) and len({t.coefficient < 0 for t in terms}) == 2


def _with_followers(bodies: Bodies, tensor: Tensor) -> set[Tensor]:
    """A tensor, and those that are its product with others: they are turned round with it."""
    flipped = {tensor}
    for other in bodies.needed():
        if isinstance(other, Contraction | Shared) and not other.sign:
            parities = {_parity(term, flipped) for body in bodies.inner[other] for term in body.terms}
            if parities == {1}:
                flipped.add(other)
    return flipped


def _powers(bodies: Bodies, flipped: Collection[Tensor]) -> Iterator[object]:
    return (f.power for body in bodies for term in body.terms for f in term.factors if f.tensor in flipped)


def _parity(term: Term, flipped: Collection[Tensor]) -> object:
    """1 for a term that changes its sign with these tensors, 0 for one that does not."""
    return sum(factor.power for factor in term.factors if factor.tensor in flipped) % 2


def _turned(bodies: Bodies, flipped: Collection[Tensor]) -> Bodies:
    """The expressions in terms of the negatives of these tensors."""
    turned = bodies.mapped(lambda body: Sum(_negative(t) if _parity(t, flipped) else t for t in body.terms))
    for tensor in flipped:
        turned.inner[tensor] = [Sum(map(_negative, body.terms)) for body in turned.inner[tensor]]
    return turned


def _negative(term: Term) -> Term:
    return Term(number(-term.coefficient), term.factors, term.summed)


def _signs(bodies: Bodies) -> int:
    """How many minus signs are written that are no subtractions."""
    return sum(bool(body.terms) and all(term.coefficient < 0 for term in body.terms) for body in bodies)
