"""Identities of products under a sum."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from ..dims import Dim, nonnegative
from ..primitives import PRIMITIVES
from ..terms import (
    ONE,
    Apply,
    Constant,
    Contraction,
    Factor,
    Index,
    Position,
    Shared,
    Sum,
    Term,
    combine,
    flattened,
    of_size,
    product,
    slot_labels,
    zero_of,
)
from .building import apply, contracted, finished, multiply
from .patterns import arguments_of, connected, is_applied, repeats_mask, weight
from .registry import assumptions, term_rewrite, trying
from .remembering import remembered


@term_rewrite("inverse")
def _cancel_inverse(term: Term) -> Sum | None:
    """Σ_k inv(S)[ik] S[kj] = δ[ij], and Σ_k adj(S)[ik] S[kj] = det(S) δ[ij]. Removes a factor and an index."""
    held = [f.tensor for f in term.factors] + [
        inner.tensor for f in term.factors if isinstance(f.tensor, Contraction) for inner in f.tensor.factors
    ]
    if not any(isinstance(t, Apply) and t.operation.name in _WITH_INVERSE for t in held):
        return None
    for opened in (term, flattened(term)):
        found = _inverse_pair(opened)
        if found is not None:
            return found
    return None


_WITH_INVERSE = ("inv", "adj")


def _inverse_pair(term: Term) -> Sum | None:
    hidden = set(term.summed)
    for factor in term.factors:
        tensor, slots, exponent = factor
        if not (isinstance(tensor, Apply) and tensor.operation.name in _WITH_INVERSE and exponent == 1):
            continue
        (argument,) = tensor.arguments(slots)
        inner = argument.lone
        if inner is None:
            continue
        ((row, column),) = tensor.cores_at(slots)
        for summed, other, (near, far) in (
            (slots[-1], slots[-2], (row, column)),
            (slots[-2], slots[-1], (column, row)),
        ):
            if not isinstance(summed, Index) or summed not in hidden or summed in slot_labels(other):
                continue
            users = [f for f in term.factors if f is not factor and summed in f.labels]
            if len(users) != 1 or users[0].tensor is not inner.tensor or users[0].power != 1:
                continue
            for end in dict.fromkeys(users[0].labels):
                if end is not summed and inner.substitute({near: summed, far: end}) == users[0]:
                    rest = [f for f in term.factors if f is not factor and f is not users[0]]
                    tie = zero_of(combine(((ONE, other), (Dim.of(-1), end))))
                    if tensor.operation.name == "adj":
                        (size,) = apply(PRIMITIVES["det"], (argument,), ((row, column),)).terms
                        rest.extend(size.factors)
                    summed_left = tuple(i for i in term.summed if i is not summed)
                    return Sum((product(term.coefficient, [*rest, tie], summed_left),))
    return None


@term_rewrite("masks are idempotent")
def _mask_once(term: Term) -> Sum | None:
    """A mask times itself is the mask: 0·0 = 0 and 1·1 = 1. Removes a factor."""
    if not any(map(repeats_mask, term.factors)):
        return None
    once = [Factor(f.tensor, f.slots, 1) if repeats_mask(f) else f for f in term.factors]
    return Sum((product(term.coefficient, once, term.summed),))


@term_rewrite("separate sums")
def _separate(term: Term) -> Sum | None:
    """Σ_jk a b[j] c[k] = a (Σ_j b[j]) (Σ_k c[k]): what a sum does not touch leaves it. Splits the term."""
    free, groups = connected(term)
    if (not free and len(groups) == 1 and term.coefficient == 1) or not term.labels.issuperset(term.summed):
        return None
    parts = [contracted(product(1, factors, tuple(summed))) for factors, summed in groups]
    return multiply(Sum((product(term.coefficient, free),)), *parts)


@term_rewrite("every position once")
def _count_positions(term: Term) -> Sum | None:
    """Σ_p [t = p] = 1 for a whole number t that is in range. Removes a factor and an index."""
    for factor in term.factors:
        if not is_applied(factor.tensor, "equal"):
            continue
        for entries, place in permutations(arguments_of(factor)):
            index = _counted(place)
            if index is None or index not in term.summed or index in entries.labels or not _in_range(entries, index):
                continue
            if sum(index in other.labels for other in term.factors) == 1:
                rest = [f for f in term.factors if f is not factor]
                return Sum((product(term.coefficient, rest, tuple(i for i in term.summed if i is not index)),))
    return None


def _counted(body: Sum) -> Index | None:
    """The index whose positions 0, 1, … the expression is."""
    place = body.lone
    if place is None or not isinstance(place.tensor, Position):
        return None
    return place.slots[0] if isinstance(place.slots[0], Index) else None


def _in_range(entries: Sum, index: Index) -> bool:
    """Whether the expression is a captured array of positions along the axis of ``index``."""
    captured = entries.lone
    if captured is None or not isinstance(captured.tensor, Constant):
        return False
    array: Any = captured.tensor.array
    if array.dtype.kind not in "iu" or not array.size or array.min() < 0:
        return False
    return nonnegative(index.dim - 1 - int(array.max()), assumptions.get())


@term_rewrite("sums of sums")
def _flatten_lone(term: Term) -> Sum | None:
    """Σ_i (Σ_j a[ij]) = Σ_ij a[ij]. Removes a level."""
    if len(term.factors) != 1:
        return None
    tensor, slots, exponent = term.factors[0]
    if not isinstance(tensor, Contraction) or exponent != 1:
        return None
    inner = tensor.term(slots)
    return Sum((product(term.coefficient, inner.factors, (*term.summed, *inner.summed)),))


@term_rewrite("distribute")
def _distribute(term: Term) -> Sum | None:
    """Σ_j a[j] (b[j] + c) = Σ_j a[j] b[j] + c Σ_j a[j], only where terms then vanish or merge."""
    if trying.get():
        return None
    if len(term.factors) == 1:
        ((tensor, slots, exponent),) = term.factors
        found = None
        if isinstance(tensor, Shared) and exponent == 1:
            found = _distribute_alone(Factor(tensor, slots, 1), *term.summed)
        if found is None:
            return None
        return Sum(product(term.coefficient * each.coefficient, each.factors) for each in found.terms)
    hidden = set(term.summed)
    for factor in term.factors:
        tensor, slots, exponent = factor
        if not isinstance(tensor, Shared) or exponent != 1:
            continue
        touched = {label for label in factor.labels if label in hidden}
        body = tensor.expression(slots)
        rest = [f for f in term.factors if f is not factor]
        opened = [
            product(term.coefficient * inner.coefficient, [*rest, *inner.factors], term.summed) for inner in body.terms
        ]
        lacking = [piece for inner, piece in zip(body.terms, opened, strict=True) if touched - inner.labels]
        if not any(_merges(piece) for piece in lacking):
            continue
        total = finished(Sum(opened))
        if len(total.terms) <= len(opened):
            return total
    return None


@remembered
def _distribute_alone(factor: Factor, *summed: Index) -> Sum | None:
    """Σ_j (a[j] + b[j] + c) = Σ_j a[j] + Σ_j b[j] + n c, only where terms then vanish or merge."""
    assert isinstance(factor.tensor, Shared)
    terms = factor.tensor.expression(factor.slots).terms
    total = finished(Sum(product(each.coefficient, each.factors, summed) for each in terms))
    return total if len(total.terms) < len(terms) else None


def _merges(term: Term) -> bool:
    """Whether factors cancel once the term's unconnected sums are separated."""
    free, groups = connected(term)
    used = term.labels
    unused = [index for index in term.summed if index not in used]
    parts = [Sum((product(term.coefficient, free),)), *(of_size(index.dim) for index in unused)]
    token = trying.set(True)
    try:
        parts += [contracted(product(1, factors, tuple(summed))) for factors, summed in groups]
    finally:
        trying.reset(token)
    if any(len(part.terms) != 1 for part in parts):
        return False
    joined = multiply(*parts)
    return not joined.terms or weight(joined.terms[0]) < sum(weight(part.terms[0]) for part in parts)
