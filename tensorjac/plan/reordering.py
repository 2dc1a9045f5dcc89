"""Nested products in the order that costs least: forward, reverse, or any between them.

A derivation nests the products of a chain in its own order. Those that are used nowhere else need not stand in it; what
is computed anyway, for a value or another gradient, is a factor like any other.
"""

from __future__ import annotations

from collections import Counter

from ..terms import Apply, Contraction, Factor, Index, Sum, Tensor, Term, product, scaled
from .bodies import Bodies
from .costs import Costs
from .paths import CHAIN, cost_of, path

# Another order must cost this much less than the one that is there, which reads as it was derived.
WORTH = 0.9


def reordered(bodies: Bodies, costs: Costs) -> Bodies:
    """⟨X, ⟨⟨G, C⟩, B⟩⟩ becomes ⟨X, G, C, B⟩ where its best order is another one; only where sizes are given."""
    if not costs.sizes:
        return bodies
    uses, inner = Counter(bodies.uses()), dict(bodies.inner)
    seen: set[Tensor] = set()
    # users first: so a chain is looked at as a whole
    for tensor in reversed(bodies.inner):
        if not isinstance(tensor, Contraction) or tensor in seen or not is_product(_term(bodies, tensor)):
            continue
        flat, opened = _flattened(bodies, tensor, uses)
        seen.update(opened)
        if len(opened) > 1 and _cost(flat, costs) < WORTH * sum(_cost(_term(bodies, each), costs) for each in opened):
            inner[tensor] = [Sum((flat,))]
            for each in opened[1:]:
                del inner[each]
    return Bodies(bodies.roots, inner)


def _term(bodies: Bodies, tensor: Tensor) -> Term:
    ((term,),) = (body.terms for body in bodies.inner[tensor])
    return term


def _flattened(bodies: Bodies, tensor: Contraction, uses: Counter[Tensor]) -> tuple[Term, list[Tensor]]:
    """The product of matrices and vectors that a contraction is, and which contractions are opened in it."""
    term, opened = _term(bodies, tensor), list[Tensor]([tensor])
    while len(term.factors) < CHAIN:
        nested = next((factor for factor in term.factors if _opens(bodies, factor, uses)), None)
        if nested is None:
            break
        inside = bodies.opened(nested)
        coefficient = scaled(term.coefficient, inside.coefficient)
        if coefficient is None:
            break
        rest = [factor for factor in term.factors if factor is not nested]
        term = product(coefficient, [*rest, *inside.factors], (*term.summed, *inside.summed))
        opened.append(nested.tensor)
    return term, opened


def _opens(bodies: Bodies, factor: Factor, uses: Counter[Tensor]) -> bool:
    """Whether a factor is a product of whole arrays that stands nowhere else."""
    if not isinstance(factor.tensor, Contraction) or factor.power != 1 or uses[factor.tensor] != 1:
        return False
    return is_product(_term(bodies, factor.tensor))


def is_product(term: Term) -> bool:
    """Whether a term is a product of whole arrays."""
    return all(map(_is_whole, term.factors))


def _is_whole(factor: Factor) -> bool:
    """Whether a factor is an array as it is; what is looked up costs less than a product, and stays where it is."""
    tensor = factor.tensor
    if isinstance(tensor, Apply) and tensor.operation.name == "equal":
        return False
    axes = zip(factor.slots, tensor.shape, strict=True)
    return factor.power == 1 and all(isinstance(slot, Index) and slot.dim is dim for slot, dim in axes)


def cost_in(bodies: Bodies, of: Tensor | Sum, costs: Costs) -> float:
    """What the single product costs that a contraction, or an output, consists of."""
    (term,) = of.terms if isinstance(of, Sum) else (_term(bodies, of),)
    return _cost(term, costs)


def _cost(term: Term, costs: Costs) -> float:
    """What the product costs in its best order."""
    parts, out = [frozenset(factor.labels) for factor in term.factors], frozenset(term.free)
    return cost_of(path(parts, out, costs), parts, out, costs)
