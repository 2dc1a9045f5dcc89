"""Products bracketed again where a part of them is computed anyway."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from ..terms import Contraction, Factor, Sum, Tensor, Term, contraction, product, signature
from .bodies import Bodies
from .paths import EXHAUSTIVE


def rebracketed(bodies: Bodies) -> Bodies:
    """⟨G, ⟨E, V⟩⟩ becomes ⟨E, ⟨G, V⟩⟩ where ⟨G, V⟩ is computed anyway and ⟨E, V⟩ stands nowhere else."""
    inner = dict(bodies.inner)
    changed = Bodies(bodies.roots, inner)
    uses = changed.uses()
    for tensor, group in bodies.inner.items():
        if not isinstance(tensor, Contraction) or tensor not in uses:
            continue
        (term,) = group[0].terms
        lone = [f for f in term.factors if isinstance(f.tensor, Contraction) and f.power == 1 and uses[f.tensor] == 1]
        if not lone:
            continue
        apart: set[Tensor] = {tensor, *(factor.tensor for factor in lone)}
        others: set[Tensor] = {t for t in inner if isinstance(t, Contraction) and uses.get(t) and t not in apart}
        better = _found_in(term, lone, others)
        if better is not None:
            inner[tensor] = [Sum((better,))]
            uses = changed.uses()
    needed = set(changed.needed())
    return Bodies(changed.roots, {tensor: group for tensor, group in inner.items() if tensor in needed})


def _found_in(term: Term, lone: Sequence[Factor], others: set[Tensor]) -> Term | None:
    """The term with ``lone`` contractions opened and one of ``others`` found in it; None where none is."""
    factors = [f for f in term.factors if f not in lone]
    summed = list(term.summed)
    for factor in lone:
        assert isinstance(factor.tensor, Contraction)
        inside = factor.tensor.term(factor.slots)
        factors.extend(inside.factors)
        summed.extend(inside.summed)
    if len(factors) > EXHAUSTIVE:
        return None
    signatures = {other.signature for other in others if isinstance(other, Contraction)}
    for size in range(len(factors) - 1, 1, -1):
        for chosen in combinations(factors, size):
            if signature(Term(1, chosen)) not in signatures:
                continue
            rest = [f for f in factors if f not in chosen]
            outside = term.free.union(*(f.labels for f in rest))
            hidden = [i for i in summed if i not in outside and any(i in f.labels for f in chosen)]
            if not hidden:
                continue
            part = contraction(chosen, hidden)
            if part.tensor in others:
                return product(term.coefficient, [*rest, part], tuple(i for i in summed if i not in hidden))
    return None
