"""Parts of expressions that are equal: found by their values, proved from the smallest to the largest, and made one.

What is left to compare of the whole is then little. Equivalence checkers of circuits work so (Kuehlmann and Krohm,
Equivalence checking using cuts and heaps, 1997).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np

from ..rewrites import add, multiply, without
from ..terms import (
    DELTA,
    Apply,
    Contraction,
    Factor,
    Number,
    Shared,
    Slot,
    Sum,
    Tensor,
    Term,
    constant,
    number,
    product,
    topological,
)
from .expanding import LIMIT, Normal, TooLarge, loosened, opens
from .functions import added, alike, by_others
from .values import AGREE, Array, Point

STEPS = 40  # in which sums are opened, or divisors multiplied away, until a difference has no terms
MOST = 4000  # factors that are brought into order for one proof that parts are equal, which takes a second
LAST = 12000  # and for that of the whole
VAIN = 20000  # and for all proofs that parts are equal which come to nothing
TRIES = 3  # proofs by which a part is sought among those of its value
RANK = 5  # a tensor of more axes is not compared with others, in all orders of these


class Swept(Normal):
    """Normal forms with their sums left whole, in which parts that are proved equal are one part."""

    def __init__(self, point: Point, whole: Normal) -> None:
        """``whole`` has normal forms at hand in which parts are not yet one."""
        super().__init__(False, whole.plain, whole.forward)
        self.point = point
        self.proving = False
        self.spare: float = VAIN
        self.seen: dict[tuple[int, ...], list[tuple[Array, Tensor]]] = {}
        self.depths: dict[Tensor, int] = {}

    def _tensor(self, tensor: Tensor) -> Sum:
        found = super()._tensor(tensor)
        if self.proving or not isinstance(tensor, Apply | Contraction | Shared):
            return found
        value = self.point.of(tensor)
        if value is None or not np.any(value) or value.ndim > RANK:
            return found
        alike = self.seen.setdefault(tuple(sorted(value.shape)), [])
        for like in self._alike(tensor, value, alike):
            if self._same(found, like) or self._same_function(found, like):
                return like
        alike.append((value, tensor))
        return found

    def _alike(self, tensor: Tensor, value: Array, alike: list[tuple[Array, Tensor]]) -> Iterator[Sum]:
        """What the tensors of this value are, over the axes that theirs are here."""
        close = AGREE * float(np.max(np.abs(value)))
        tries = 0
        for array, other in alike:
            if tries == TRIES:
                break
            if abs(np.max(np.abs(array)) - np.max(np.abs(value))) > close:
                continue
            for order in permutations(range(value.ndim)):
                axes = tuple(tensor.axes[k] for k in order)
                same = all(axis.dim is dim for axis, dim in zip(axes, other.shape, strict=True))
                if same and np.max(np.abs(value.transpose(order) - array)) <= close:
                    tries += 1
                    yield self.known[other].substitute(dict(zip(other.axes, axes, strict=True)))
                    break

    def _same(self, one: Sum, other: Sum) -> bool:
        return alike(one, other) or self.proves(add(one, multiply(constant(-1), other)), min(MOST, self.spare))

    def _same_function(self, one: Sum, other: Sum) -> bool:
        """Whether these are a function of the same: floats within it that rounding alone tells apart count as one."""
        first, second = one.lone, other.lone
        if first is None or second is None:
            return False
        f, g = first.tensor, second.tensor
        if not isinstance(f, Apply) or not isinstance(g, Apply) or f.operation is not g.operation:
            return False
        if f.shape[f.batch :] != g.shape[g.batch :] or first.slots[f.batch :] != second.slots[g.batch :]:
            return False
        if f.cores_at(first.slots) != g.cores_at(second.slots):
            return False
        return all(map(self._same, f.arguments(first.slots), g.arguments(second.slots)))

    def proves(self, gap: Sum, most: float) -> bool:
        """Whether a difference is 0: its sums are opened, the outermost first, until all terms have cancelled."""
        outer, self.proving = self.proving, True
        whole, self.left = self.left, most
        try:
            gap = self._opened(self.of(gap))
            with without("sigmoid"):
                while gap.terms:
                    loose = [loosened(term) for term in gap.terms]
                    others = [one for term in loose for one in by_others(term)]
                    if others == loose:
                        break
                    gap = self._opened(self.of(added(others)))
        except TooLarge:
            return False
        else:
            return not gap.terms
        finally:
            self.spare -= most - self.left if gap.terms else 0
            self.left, self.proving = whole, outer

    def _opened(self, gap: Sum) -> Sum:
        for _ in range(STEPS):
            closer = self._closer(gap) if gap.terms else None
            if closer is None:
                break
            gap = closer
        return gap

    def _closer(self, gap: Sum) -> Sum | None:
        """The difference without its divisors, or with the outermost sums that are needed opened; None without any."""
        cleared = self._cleared(gap)
        if cleared is not None:
            return self.of(cleared)
        loose = [loosened(term) for term in gap.terms]
        held = {factor.tensor for term in loose for factor in term.factors if opens(factor)}
        needed = self._needed(loose, held)
        deepest = max(map(self._depth, needed), default=0)
        outermost = {tensor for tensor in needed if self._depth(tensor) == deepest}
        terms: list[Term] = []
        for term, opened in zip(gap.terms, loose, strict=True):
            touched = any(opens(factor) and factor.tensor in outermost for factor in opened.factors)
            terms.extend(_multiplied_out(opened, outermost) if touched else (term,))
        return self.of(added(terms)) if held else None

    def _cleared(self, gap: Sum) -> Sum | None:
        """The difference times what its terms are divided by, and without what they share, unless that is 0 itself;
        None where there is nothing."""
        powers: dict[tuple[Tensor, tuple[Slot, ...]], list[Number]] = {}
        for term in gap.terms:
            for tensor, slots, exponent in term.factors:
                if tensor is not DELTA:
                    powers.setdefault((tensor, slots), []).append(exponent)
        least: dict[tuple[Tensor, tuple[Slot, ...]], Number] = {}
        for (tensor, slots), found in powers.items():
            shared = len(found) == len(gap.terms) and not self.point.is_zero(tensor)
            least[tensor, slots] = min(found) if shared else min(0, *found)
        inverse = [Factor(tensor, slots, number(-p)) for (tensor, slots), p in least.items() if p]
        if not inverse:
            return None
        return Sum(product(term.coefficient, [*term.factors, *inverse], term.summed) for term in gap.terms)

    def _needed(self, terms: Sequence[Term], held: set[Tensor]) -> set[Tensor]:
        """Of the sums in terms that cancel at the point, those without whose values they would not; all, if none."""
        others: dict[Tensor, Array] = {}
        for tensor in sorted(held, key=lambda one: (-self._depth(one), one.key)):
            value = self.point.of(tensor)
            if value is not None and np.any(value):
                # odd, so that what turns its sign when axes change places does so still
                changed = {**others, tensor: np.sin(7 * value / np.max(np.abs(value)))}
                if self.point.where(changed).cancel(terms):
                    others = changed
        return held.difference(others) or held

    def _depth(self, tensor: Tensor) -> int:
        """How many sums stand within each other."""
        for part in topological((tensor,)) if tensor not in self.depths else ():
            inner = max((self.depths[one] for one in part.parts), default=0)
            self.depths[part] = inner + isinstance(part, Shared)
        return self.depths[tensor]


def _multiplied_out(term: Term, outermost: set[Tensor]) -> list[Term]:
    """The terms of a product with some of its sums opened."""
    products = [product(term.coefficient, (), term.summed)]
    for factor in term.factors:
        tensor, slots, exponent = factor
        choices = [product(1, (factor,))]
        if opens(factor) and tensor in outermost:
            assert isinstance(tensor, Shared) and isinstance(exponent, int)
            choices = [Term(1, ())]
            for _ in range(exponent):
                inner = [loosened(one) for one in tensor.expression(slots).terms]
                choices = [_times(have, one) for have in choices for one in inner]
        products = [_times(have, one) for have in products for one in choices]
        if len(products) > LIMIT:
            raise TooLarge
    return products


def _times(first: Term, second: Term) -> Term:
    coefficient = number(first.coefficient * second.coefficient)
    return product(coefficient, [*first.factors, *second.factors], (*first.summed, *second.summed))
