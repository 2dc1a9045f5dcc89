"""How many places patterns have: symbolic, and exact where patterns overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from math import factorial, gcd, lcm, prod

from ..dims import Dim, divide, nonnegative, positive
from ..errors import UnsupportedError
from ..terms import ONE, ZERO, Index, Slot, slot_labels, slot_parts
from ..terms import product as term_of
from .opening import settled_terms
from .pattern import Pattern, placed, readable

# Inclusion and exclusion looks at every subset of the patterns.
PATTERNS = 10
# A window of so many places is counted place by place where its stride is not 1.
WINDOW = 64


@dataclass(frozen=True)
class Ratio:
    """A share of a whole, both symbolic counts, reduced where one divides the other.

    >>> n = Dim.of("n")
    >>> print(Ratio.of(n, n * n), Ratio.of(n * n, n * n), Ratio.of(n - 1, n * n))
    1/n 1 (n - 1)/n**2
    >>> Ratio.of(n, n * n).evaluate({"n": 4})
    Fraction(1, 4)
    """

    above: Dim
    below: Dim

    @classmethod
    def of(cls, above: Dim, below: Dim) -> Ratio:
        scale = lcm(*(c.denominator for c, _ in (*above.monomials, *below.monomials)))
        above, below = above * scale, below * scale
        whole = gcd(*(int(c) for c, _ in (*above.monomials, *below.monomials))) or 1
        factors = [below, above, Dim.of(whole), *(Dim.of(name) for name in sorted(below.names))]
        for factor in factors:
            while factor.terms and factor is not ONE:
                left, right = divide(above, factor), divide(below, factor)
                if left is None or right is None:
                    break
                above, below = left, right
        return cls(above, below)

    def evaluate(self, sizes: dict[str, int]) -> Fraction:
        """The share at these sizes; 0 of nothing."""
        below = self.below.evaluate(sizes)
        return Fraction(self.above.evaluate(sizes), below) if below else Fraction(0)

    def __str__(self) -> str:
        if self.below is ONE:
            return str(self.above)
        above, below = (f"({text})" if " " in text else text for text in map(str, (self.above, self.below)))
        return f"{above}/{f'({below})' if '*' in below.replace('**', '') and below[0] != '(' else below}"


def count(patterns: Sequence[Pattern]) -> Dim:
    """The number of places at which one of the patterns at least has an entry.

    UnsupportedError where no formula is known.

    >>> from tensorjac.terms import delta
    >>> i, j = (Index.fresh(Dim.of("n")) for _ in range(2))
    >>> diagonal, _ = placed(term_of(1, [delta(i, j)]), (i, j))
    >>> everywhere, _ = placed(term_of(1, []), (i, j))
    >>> print(count([diagonal]), count([diagonal, everywhere]))
    n n**2
    """
    found = _maximal(patterns)
    if len(found) > PATTERNS:
        raise _uncounted()
    total = ZERO
    for size in range(1, len(found) + 1):
        for chosen in combinations(found, size):
            common = _intersection(chosen)
            if common is not None:
                total = total + (1 if size % 2 else -1) * _places(common)
    return total


def _uncounted() -> UnsupportedError:
    return UnsupportedError(
        "the structural nonzeros of this Jacobian overlap or end in a way for which no formula is known: "
        "count them at given sizes, J.sparse(...).nnz."
    )


def _maximal(patterns: Sequence[Pattern]) -> list[Pattern]:
    """The patterns that lie in no other one."""
    distinct = list(dict.fromkeys(patterns))
    kept: list[Pattern] = []
    for k, pattern in enumerate(distinct):
        others = [*kept, *distinct[k + 1 :]]
        if not any(_intersection((pattern, other)) == pattern for other in others):
            kept.append(pattern)
    return kept


def _intersection(patterns: Sequence[Pattern]) -> Pattern | None:
    """The places that all patterns share; None where there are none."""
    if len(patterns) == 1:
        return patterns[0]
    axes = tuple(Index.fresh(dim) for dim in patterns[0].axes)
    terms = [pattern.term(axes) for pattern in patterns]
    factors = [factor for term in terms for factor in term.factors]
    summed = tuple(label for term in terms for label in term.summed)
    left = settled_terms(term_of(1, factors, summed))
    if not left:
        return None
    place = placed(left[0], axes)
    return place[0] if place is not None else None


def _places(pattern: Pattern) -> Dim:
    """The number of places of one pattern."""
    if not readable(pattern.slots).issuperset(pattern.labels):
        raise _uncounted()
    total = ONE
    bounded = [set(slot_labels(form)) for form, _ in pattern.guards]
    if sum(map(len, bounded)) != len(set().union(*bounded)):
        raise _uncounted()
    for form, dim in pattern.guards:
        total = total * _within(form, dim)
    for label in pattern.labels:
        if not any(label in labels for labels in bounded):
            total = total * label.dim
    return total


def _within(form: Slot, dim: Dim) -> Dim:
    """For how many values of its labels an affine form lies in 0 … dim − 1."""
    offset, held = _rising(form)
    return _at_most(dim - 1 - offset, held) - _at_most(-1 - offset, held)


def _rising(form: Slot) -> tuple[Dim, list[tuple[Dim, Dim]]]:
    """Offset, sizes and coefficients of a form, labels that count down turned round."""
    offset, held = slot_parts(form)
    rising = []
    for label, c in held:
        if nonnegative(-c):
            offset, c = offset + c * (label.dim - 1), -c
        elif not nonnegative(c):
            raise _uncounted()
        rising.append((label.dim, c))
    return offset, rising


def _at_most(most: Dim, held: list[tuple[Dim, Dim]]) -> Dim:
    """How many numbers within these sizes have a sum, weighted by their coefficients, of at most ``most``."""
    if all(c is ONE for _, c in held):
        return _box(most, [size for size, _ in held])
    if len(held) == 1:
        ((size, c),) = held
        reached = most // c + 1
        return positive(reached) - positive(reached - size)
    for k, (size, c) in enumerate(held):
        if size.value is not None and size.value <= WINDOW:
            rest = held[:k] + held[k + 1 :]
            return sum((_at_most(most - c * step, rest) for step in range(size.value)), start=ZERO)
    raise _uncounted()


def _box(most: Dim, sizes: Sequence[Dim]) -> Dim:
    """How many numbers within these sizes have a sum of at most ``most``.

    Of m numbers from 0 with a sum of at most s there are C(s + m, m); those that leave the box are taken out by
    inclusion and exclusion.
    """
    total = ZERO
    for out in product((False, True), repeat=len(sizes)):
        beyond = sum((size for size, left in zip(sizes, out, strict=True) if left), start=ZERO)
        total = total + (-1 if sum(out) % 2 else 1) * _simplex(most - beyond, len(sizes))
    return total


def _simplex(most: Dim, rank: int) -> Dim:
    """C(s + m, m), or 0 where s is negative."""
    start = positive(most + 1)
    rising = prod((start + k for k in range(rank)), start=ONE)
    return Dim.of(Fraction(1, factorial(rank))) * rising
