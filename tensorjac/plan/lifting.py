"""Factors moved out of the sums that they do not take part in, so that what is summed has fewer axes."""

from __future__ import annotations

from collections.abc import Sequence

from ..terms import (
    DELTA,
    Apply,
    Contraction,
    Factor,
    Index,
    Shared,
    Slot,
    Sum,
    Tensor,
    Term,
    apply,
    contraction,
    number,
    product,
    scaled,
    shared,
    topological,
)


def lifted(roots: Sequence[Sum]) -> list[Sum]:
    """Σ_k x[mi] A[mk] B[kj] becomes x[mi] Σ_k A[mk] B[kj], in every tensor below the roots.

    Such a factor belongs to no sum until m is summed: until then every product would carry the axis i along. Ends
    because factors move up only.
    """
    stands_for: dict[Tensor, Term] = {}
    for tensor in topological(t for root in roots for t in root.tensors):
        found = _lifted(tensor, stands_for)
        if found is not None:
            stands_for[tensor] = found
    return [_replaced_in(root, stands_for) for root in roots] if stands_for else list(roots)


def _lifted(tensor: Tensor, stands_for: dict[Tensor, Term]) -> Term | None:
    """What stands for a tensor, over its axes; None where that is the tensor itself."""
    changed = not stands_for.keys().isdisjoint(tensor.parts)
    if isinstance(tensor, Apply):
        if not changed:
            return None
        args = [_replaced_in(arg, stands_for) for arg in tensor.args]
        core = tensor.axes[tensor.batch :]
        return product(1, [apply(tensor.operation, args, tensor.cores, core, tensor.shape[tensor.batch :])])
    if isinstance(tensor, Contraction):
        term = tensor.term(tensor.axes)
    elif isinstance(tensor, Shared):
        if len(tensor.body.terms) > 1:
            return product(1, [shared(_replaced_in(tensor.body, stands_for))]) if changed else None
        (term,) = tensor.body.terms
    else:
        return None
    term = _replaced(term, stands_for) if changed else term
    outside = _outside(term)
    if not outside and not changed:
        return None
    inside = [factor for factor in term.factors if factor not in outside]
    return product(term.coefficient, [*outside, *_closed(inside, term.summed)])


def _closed(factors: Sequence[Factor], summed: Sequence[Index]) -> Sequence[Factor]:
    if summed:
        return [contraction(factors, summed)]
    return factors if len(factors) < 2 else [shared(Sum((product(1, factors),)))]


def _outside(term: Term) -> list[Factor]:
    """The factors that no sum reaches and that alone carry some axis, while others remain."""
    hidden = set(term.summed)
    carriers: dict[Index, int] = {}
    for factor in term.factors:
        for label in set(factor.labels):
            carriers[label] = carriers.get(label, 0) + 1
    found = [
        factor
        for factor in term.factors
        if factor.tensor is not DELTA
        and hidden.isdisjoint(factor.labels)
        and any(carriers[label] == 1 for label in factor.labels)
    ]
    return found if len(found) < len(term.factors) else []


def _replaced_in(body: Sum, stands_for: dict[Tensor, Term]) -> Sum:
    if stands_for.keys().isdisjoint(body.tensors):
        return body
    return Sum(_replaced(term, stands_for) for term in body.terms)


def _replaced(term: Term, stands_for: dict[Tensor, Term]) -> Term:
    """The term with what stands for its tensors; what is raised to a power that does not distribute stays."""
    coefficient, factors = term.coefficient, []
    for factor in term.factors:
        tensor, slots, power = factor
        inner = stands_for.get(tensor)
        together = (
            scaled(coefficient, inner.coefficient, power) if inner is not None and isinstance(power, int) else None
        )
        if inner is None or together is None:
            factors.append(factor)
            continue
        mapping: dict[Index, Slot] = dict(zip(tensor.axes, slots, strict=True))
        coefficient = together
        factors += [Factor(f.tensor, f.substitute(mapping).slots, number(f.power * power)) for f in inner.factors]
    return product(coefficient, factors, term.summed)
