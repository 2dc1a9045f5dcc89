"""Cores as products of smaller arrays: what is worth computing when the core itself is never needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from ..plan.costs import Costs
from ..rewrites import contracted, multiply
from ..terms import Factor, Index, Shared, Sum, Term, constant, flattened, product, slot_labels
from .pattern import Part
from .refolding import shared_products

# A product of more factors than these is left as it is nested.
OPENED = 200
# Cuts are looked for among so many summed labels at most.
LABELS = 48
# Sizes are not known yet: all names count alike.
NOMINAL = Costs({})


class Group(NamedTuple):
    """Factors multiplied entry by entry: their indices, and what they are together."""

    labels: tuple[Index, ...]
    body: Sum


class Product(NamedTuple):
    """A core: groups to be multiplied and summed over what is not an index of the core."""

    labels: tuple[Index, ...]
    groups: tuple[Group, ...]

    @property
    def equation(self) -> str:
        """The einsum that multiplies the groups.

        >>> from tensorjac.dims import Dim
        >>> i, j, k = (Index.fresh(Dim.of(name)) for name in "bmn")
        >>> Product((i, j), (Group((i, k), Sum()), Group((j, k), Sum()))).equation
        'ij,kj->ik'
        """
        shown = dict.fromkeys(label for group in self.groups for label in group.labels)
        letters = {label: chr(ord("i") + k) for k, label in enumerate(shown)}
        operands = ("".join(letters[label] for label in group.labels) for group in self.groups)
        return f"{','.join(operands)}->{''.join(letters[label] for label in self.labels)}"


def factored(part: Part, rank: int) -> Product:
    """A core as a product of groups, a sum of several terms as a single one; ``rank`` is the number of output axes."""
    if len(part.core.terms) > 1:
        return Product(part.labels, (Group(part.labels, part.core),))
    rows, columns = (
        {label for slot in side for label in slot_labels(slot)}
        for side in (part.pattern.slots[:rank], part.pattern.slots[rank:])
    )
    return _grouped(_flat(part.core.terms[0]), part.labels, (rows - columns, columns - rows))


def _flat(term: Term) -> Term:
    """The term with contractions opened, and products that are kept as one."""
    while True:
        term = flattened(term, OPENED)
        held = next((f for f in term.factors if _is_product(f)), None)
        if held is None:
            return term
        assert isinstance(held.tensor, Shared)
        (inner,) = held.tensor.expression(held.slots).terms
        rest = [factor for factor in term.factors if factor is not held]
        term = product(term.coefficient * inner.coefficient, [*rest, *inner.factors], term.summed)


def _is_product(factor: Factor) -> bool:
    return isinstance(factor.tensor, Shared) and factor.power == 1 and len(factor.tensor.body.terms) == 1


def _grouped(term: Term, labels: Sequence[Index], sides: tuple[set[Index], set[Index]]) -> Product:
    """Groups that are connected by what is summed, and cut where that leaves less to be stored."""
    apart = set(labels) - sides[0] - sides[1]
    groups: list[list[Factor]] = []
    kept: set[Index] = {*labels}
    for group in _connected(term.factors, apart):
        cut = _cut(group, sides, kept)
        kept |= cut
        groups += _connected(group, apart | cut)
    found = [_group(factors, kept, term.summed) for factors in shared_products(groups, kept)]
    folded = _folded([Group((), constant(term.coefficient)), *found])
    # what most groups carry numbers blocks: matrices lie together where it stands first
    carried = Counter(label for group in folded for label in group.labels)
    blocks = [label for label in term.summed if carried[label] > 2]
    place = {label: k for k, label in enumerate(dict.fromkeys((*blocks, *labels, *term.summed)))}
    ordered = [group._replace(labels=tuple(sorted(group.labels, key=place.__getitem__))) for group in folded]
    return Product(tuple(labels), tuple(sorted(ordered, key=lambda group: [place[x] for x in group.labels])))


def _folded(groups: Sequence[Group]) -> list[Group]:
    """The groups, each that another one carries all labels of multiplied into the smallest such."""
    kept: list[Group] = []
    for group in sorted(groups, key=lambda group: -len(group.labels)):
        carriers = [other for other in kept if set(other.labels) >= set(group.labels)]
        if not carriers:
            kept.append(group)
            continue
        least = min(carriers, key=lambda other: len(other.labels))
        kept[kept.index(least)] = least._replace(body=multiply(least.body, group.body))
    return kept


def _group(factors: Sequence[Factor], kept: set[Index], summed: Sequence[Index]) -> Group:
    carried = dict.fromkeys(label for factor in factors for label in factor.labels)
    hidden = tuple(label for label in summed if label in carried and label not in kept)
    body = contracted(product(1, factors, hidden))
    return Group(tuple(label for label in carried if label in kept), body)


def _connected(factors: Sequence[Factor], apart: set[Index]) -> list[list[Factor]]:
    """The factors in groups that share labels besides those in ``apart``."""
    groups: list[tuple[set[Index], list[Factor]]] = []
    for factor in factors:
        labels = set(factor.labels) - apart
        joined = [group for group in groups if group[0] & labels]
        groups = [group for group in groups if not group[0] & labels]
        groups.append((labels.union(*(known for known, _ in joined)), [*(f for _, fs in joined for f in fs), factor]))
    return [members for _, members in groups]


def _cut(factors: Sequence[Factor], sides: tuple[set[Index], set[Index]], kept: set[Index]) -> set[Index]:
    """One or two summed labels that, left open, part output from input and leave the smallest arrays; often none.

    Of several cuts that leave as much, the one after which the fewest factors are left to be multiplied.
    """
    inner = list(dict.fromkeys(label for factor in factors for label in factor.labels if label not in kept))
    whole = {label for factor in factors for label in factor.labels if label in kept}
    best: tuple[float, int, set[Index]] = (NOMINAL.volume(whole), 0, set())
    choices = [{label} for label in inner] + [set(pair) for pair in combinations(inner, 2)]
    for cut in choices if len(inner) <= LABELS else ():
        groups = _connected(factors, cut)
        carried = [{label for factor in group for label in factor.labels} for group in groups]
        if not any(labels & sides[0] and labels & sides[1] for labels in carried):
            arrays = {frozenset(labels & (kept | cut)) for labels in carried}
            stored = sum(NOMINAL.volume(array) for array in arrays if not any(array < other for other in arrays))
            if stored <= best[0]:
                work = sum(map(len, shared_products(groups, kept | cut)))
                best = min(best, (stored, work, cut), key=lambda choice: choice[:2])
    return best[2]
