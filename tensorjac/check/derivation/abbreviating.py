"""Expressions with the names of a derivation in place of what they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...rewrites import rebuild
from ...terms import DELTA, Factor, Index, Input, Slot, Sum, Tensor, Term, of_factor, product
from .scope import Scope

Pattern = tuple[Input, tuple[Factor, ...]]


def abbreviated(scope: Scope, body: Sum) -> Sum:
    """The expression, with names for what is one tensor, and for products: ``e[i]/z`` as ``p[i]``."""
    names = [name for name in scope.meaning if name in scope.dims and "∂" not in name]
    opened = {name: scope.expanded(scope.meaning[name]) for name in names}
    tensors = dict(_tensors(scope, opened))
    shortened = {name: rebuild([meaning], tensors)[0] for name, meaning in opened.items()}
    patterns = list(_products(scope, shortened))
    (found,) = rebuild([body], tensors)
    return Sum(_named(term, patterns) for term in found.terms)


def _tensors(scope: Scope, meanings: Mapping[str, Sum]) -> Iterator[tuple[Tensor, Sum]]:
    """Tensors that have a name, with that name read at their axes."""
    for name, meaning in meanings.items():
        if meaning.lone is None:
            continue
        tensor, slots, _ = meaning.lone
        named = scope.tensor(name)
        if not isinstance(tensor, Input) and set(slots) == set(named.axes) and len(slots) == len(named.axes):
            order = dict(zip(slots, tensor.axes, strict=True))
            yield tensor, of_factor(named(*(order[axis] for axis in named.axes)))


def _products(scope: Scope, meanings: Mapping[str, Sum]) -> Iterator[Pattern]:
    for name, meaning in meanings.items():
        term = meaning.terms[0] if len(meaning.terms) == 1 else None
        plain = term is not None and term.coefficient == 1 and len(term.factors) > 1 and not term.summed
        if term is not None and plain and all(_is_bare(factor) for factor in term.factors):
            yield scope.tensor(name), term.factors


def _is_bare(factor: Factor) -> bool:
    return factor.tensor is not DELTA and all(isinstance(slot, Index) for slot in factor.slots)


def _named(term: Term, patterns: list[Pattern]) -> Term:
    """The term with every product that has a name read as that."""
    for named, pattern in patterns:
        while (found := _match(term.factors, pattern)) is not None:
            left, at = found
            term = product(term.coefficient, [*left, named(*(at[axis] for axis in named.axes))], term.summed)
    return term


def _match(factors: tuple[Factor, ...], pattern: tuple[Factor, ...]) -> tuple[list[Factor], dict[Slot, Slot]] | None:
    """The factors that are left when a product is taken out, and what its indices are there."""
    left = list(factors)
    at: dict[Slot, Slot] = {}
    for wanted in sorted(pattern, key=lambda factor: -len(factor.slots)):
        for k, factor in enumerate(left):
            bound = dict(zip(wanted.slots, factor.slots, strict=True)) if factor.tensor is wanted.tensor else None
            if bound is None or not 0 < wanted.power / factor.power <= 1:
                continue
            if all(at.get(slot, value) == value for slot, value in bound.items()):
                at |= bound
                rest = factor.power - wanted.power
                left[k : k + 1] = [Factor(factor.tensor, factor.slots, rest)] if rest else []
                break
        else:
            return None
    return left, at
