"""Like terms of a sum merged, and products in it opened where terms then vanish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..terms import Shared, Sum, Term, canonical, flattened, number, product, signature
from .registry import name_identity

# Sums inside sums with more terms than this stay whole unless something in them merges: a residual network would
# otherwise be written out once per layer.
SPLICED = 6


def held_sum(term: Term) -> Shared | None:
    """The sum that a term consists of, but for a number."""
    if len(term.factors) != 1:
        return None
    tensor, _, exponent = term.factors[0]
    if not isinstance(tensor, Shared) or exponent != 1:
        return None
    return None if len(tensor.body.terms) == 1 and len(tensor.body.terms[0].factors) > SPLICED else tensor


def opened_sum(term: Term) -> Iterator[Term]:
    tensor, slots, _ = term.factors[0]
    assert isinstance(tensor, Shared)
    for inner in tensor.expression(slots).terms:
        yield Term(number(term.coefficient * inner.coefficient), inner.factors)


name_identity(
    "like terms",
    """Σ_j a[j] (Σ_k b[jk] c[k]) and Σ_k (Σ_j a[j] b[jk]) c[k] are the same term: coefficients add. Removes a term.""",
)


def merge(total: Sum) -> Sum:
    alike: dict[object, list[Term]] = {}
    for term in total.terms:
        alike.setdefault(signature(term), []).append(term)
    if len(alike) == len(total.terms):
        return total
    kept: list[Term] = []
    for group in alike.values():
        if len(group) == 1:
            kept.extend(group)
            continue
        forms: dict[object, Term] = {}
        for term in group:
            flat = canonical(flattened(term))
            like = (flat.factors, flat.summed)
            known = forms.get(like)
            forms[like] = term if known is None else _heavier(known, term)
        kept.extend(forms.values())
    return Sum(kept)


name_identity(
    "terms cancel",
    """a (b - c) + a c = a b: a sum in a product is opened where one of its terms cancels a term that stands beside the
    product, and a short sum is multiplied out, as in s (1 - t) - (1 - s) t = s - t, where half of its terms vanish.
    Removes a term, or factors.""",
)


def cancel(total: Sum) -> Sum:
    """The sum with a product in it multiplied out, as long as that makes terms vanish."""
    signatures = [signature(term) for term in total.terms]
    for k, term in enumerate(total.terms):
        for factor in term.factors:
            tensor, slots, exponent = factor
            if not isinstance(tensor, Shared) or exponent != 1 or len(tensor.body.terms) > SPLICED:
                continue
            rest = [other for other in term.factors if other is not factor]
            opened = [
                product(term.coefficient * inner.coefficient, [*rest, *inner.factors])
                for inner in _written_out(tensor.expression(slots).terms)
            ]
            if not any(signature(piece) in signatures for piece in opened):
                continue
            others = [*total.terms[:k], *total.terms[k + 1 :]]
            merged = merge(Sum([*others, *opened]))
            # two terms at a time cancel; like terms that only add up are written better as they are
            if len(merged.terms) < len(others) + len(opened) - 1:
                return cancel(merged) if len(merged.terms) > 1 else merged
    return _all_opened(total)


def _all_opened(total: Sum) -> Sum:
    """s (1 - t) - (1 - s) t as s - t: a short sum multiplied out altogether, where half of its terms vanish."""
    if len(total.terms) > _FEW or sum(map(_opens, total.terms)) < 2 or sum(map(_pieces, total.terms)) > _MANY:
        return total
    opened = [piece for term in total.terms for piece in _multiplied_out(term)]
    merged = merge(Sum(opened))
    return merged if 2 * len(merged.terms) <= len(opened) else total


_FEW = 3
# Products of more terms than this stay as they are: there are twice as many with every sum that is a factor.
_MANY = 64


def _opens(term: Term) -> bool:
    """Whether a product has sums of two terms among its factors, and no other sums that could be opened."""
    held = [f.tensor for f in term.factors if isinstance(f.tensor, Shared) and f.power == 1]
    return bool(held) and all(isinstance(tensor, Shared) and len(tensor.body.terms) == 2 for tensor in held)


def _pieces(term: Term) -> int:
    """Into how many terms a product is multiplied out."""
    sums = sum(isinstance(f.tensor, Shared) and f.power == 1 and len(f.tensor.body.terms) == 2 for f in term.factors)
    return 1 << sums


def _multiplied_out(term: Term) -> list[Term]:
    products = [Term(term.coefficient, ())]
    for factor in term.factors:
        tensor, slots, exponent = factor
        parts: Sequence[Term] = (Term(1, (factor,)),)
        if isinstance(tensor, Shared) and exponent == 1 and len(tensor.body.terms) == 2:
            parts = tensor.expression(slots).terms
        products = [
            product(number(have.coefficient * part.coefficient), [*have.factors, *part.factors])
            for have in products
            for part in parts
        ]
    return products


def _written_out(terms: Iterable[Term]) -> Iterator[Term]:
    """The terms of a sum, those of a short sum among them one by one."""
    for term in terms:
        held = held_sum(term)
        yield from (term,) if held is None or len(held.body.terms) > SPLICED else opened_sum(term)


def _heavier(kept: Term, like: Term) -> Term:
    """``kept`` with the coefficient of a like term added; of the two nestings the smaller one stays."""
    total = number(kept.coefficient + like.coefficient)
    simplest = min(kept, like, key=lambda term: (len(term.factors), [f.tensor.key for f in term.factors]))
    return Term(total, simplest.factors)
