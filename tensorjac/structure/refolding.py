"""Groups of factors that hold the same products: what is multiplied in one is not multiplied in another again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from ..terms import Contraction, Factor, Index, contraction, topological


def shared_products(groups: Sequence[Sequence[Factor]], kept: set[Index]) -> list[list[Factor]]:
    """The groups, in each of them those factors as one contraction that are one in another group anyway.

    What two groups share is found from the inside out: so one chain of products serves both, whichever way the chains
    were derived.

    >>> from tensorjac.dims import Dim
    >>> from tensorjac.terms import Input
    >>> i, j, k, l = (Index.fresh(Dim.of("n")) for _ in range(4))
    >>> A, B, C = (Input(name, (Dim.of("n"), Dim.of("n"))) for name in "ABC")
    >>> AB = contraction([A(i, j), B(j, k)], [j])
    >>> shared_products([[AB, C(k, i)], [A(l, j), B(j, k)]], {i, k, l})[1] == [AB.substitute({i: l})]
    True
    """
    found: list[list[Factor]] = []
    for place, group in enumerate(groups):
        others = [factor.tensor for k, other in enumerate(groups) if k != place for factor in other]
        left = list(group)
        for tensor in topological(others):
            if isinstance(tensor, Contraction):
                left = _with(tensor, left, kept)
        found.append(left)
    return found


def _with(tensor: Contraction, factors: list[Factor], kept: set[Index]) -> list[Factor]:
    """The factors, with the contraction in place of those that it consists of."""
    alike = [[f for f in factors if f.tensor is part.tensor and f.power == part.power] for part in tensor.factors]
    for chosen in product(*alike):
        rest = [factor for factor in factors if factor not in chosen]
        outside = kept.union(*(factor.labels for factor in rest))
        hidden = dict.fromkeys(label for factor in chosen for label in factor.labels if label not in outside)
        if len(rest) + len(chosen) == len(factors) and len(hidden) == len(tensor.summed):
            whole = contraction(chosen, list(hidden))
            if whole.tensor is tensor:
                return [*rest, whole]
    return factors
