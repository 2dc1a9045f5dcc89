"""How many places patterns have: symbolic, and exact where patterns overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from math import factorial, gcd, lcm, prod

from ..dims import Dim, divide, nonnegative, positive
from ..errors import UnsupportedError
from ..rewrites import in_range
from ..rewrites.ranges import bounds_of, solved_for
from ..terms import (
    DELTA,
    ONE,
    ZERO,
    Factor,
    Index,
    Input,
    Slot,
    combine,
    delta,
    slot_labels,
    slot_parts,
    substitute_slot,
    zero_of,
)
from ..terms import product as term_of
from .opening import settled_terms
from .pattern import Pattern, never, readable
from .sparse import distinct

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

    >>> n = Dim.of("n")
    >>> i, j = Index.fresh(n), Index.fresh(n)
    >>> diagonal, everywhere = Pattern((n, n), (i, i)), Pattern((n, n), (i, j))
    >>> print(count([diagonal]), count([diagonal, everywhere]))
    n n**2
    """
    times, left = _stripped(_with_digits(patterns))
    try:
        return times * _count(_maximal(left))
    except UnsupportedError:
        places = distinct(left)
        if places is None:
            raise
        return times * places


def _count(found: Sequence[Pattern]) -> Dim:
    """The number of places of patterns of which none lies in another, by inclusion and exclusion."""
    if len(found) > PATTERNS:
        raise _uncounted()
    total = ZERO
    for size in range(1, len(found) + 1):
        for chosen in combinations(found, size):
            common = _intersection(chosen)
            if common is not None:
                total = total + (1 if size % 2 else -1) * _places(common)
    return total


def _stripped(patterns: Sequence[Pattern]) -> tuple[Dim, list[Pattern]]:
    """The size of the axes that are whole, alone or tied in pairs, in all patterns alike, and these without them."""
    times, left = ONE, list(patterns)
    rank = len(left[0].axes) if left else 0
    gone: set[int] = set()
    for one, other in [*((k, k) for k in range(rank)), *combinations(range(rank), 2)]:
        if not gone.intersection((one, other)) and all(_is_apart(pattern, one, other) for pattern in left):
            times = times * left[0].axes[one]
            gone |= {one, other}
    kept = [k for k in range(rank) if k not in gone]
    return times, [Pattern(tuple(p.axes[k] for k in kept), tuple(p.slots[k] for k in kept), p.guards) for p in left]


def _is_apart(pattern: Pattern, one: int, other: int) -> bool:
    """Whether these two axes, or this one, are a label that no other axis and no guard shows."""
    label = pattern.slots[one]
    if pattern.slots[other] is not label or not isinstance(label, Index):
        return False
    shown = [each for slot in pattern.slots for each in slot_labels(slot)]
    guarded = {each for form, _ in pattern.guards for each in slot_labels(form)}
    whole = label.dim is pattern.axes[one] and label.dim is pattern.axes[other]
    return whole and shown.count(label) == len({one, other}) and label not in guarded


def _with_digits(patterns: Sequence[Pattern]) -> list[Pattern]:
    """The patterns with labels of whole axes split as others split these axes, n·i + j, so that all are alike."""
    found = list(patterns)
    for axis in range(len(found[0].axes) if found else 0):
        split = next((slot for p in found if (slot := p.slots[axis]) and _is_split(slot, p.axes[axis])), None)
        if split is None:
            continue
        for k, pattern in enumerate(found):
            label = pattern.slots[axis]
            if isinstance(label, Index) and label.dim is pattern.axes[axis]:
                digits: dict[Index, Slot] = {digit: Index.fresh(digit.dim) for digit in slot_labels(split)}
                found[k] = pattern.substituted({label: substitute_slot(split, digits)})
    return [pattern.canonical for pattern in found]


def _is_split(slot: Slot, dim: Dim) -> bool:
    """Whether a slot is all digits of an axis."""
    offset, held = slot_parts(slot)
    weight, left = ONE, list(held)
    while left:
        lowest = next((each for each in left if each[1] is weight), None)
        if lowest is None:
            return False
        left.remove(lowest)
        weight = weight * lowest[0].dim
    return offset is ZERO and len(held) > 1 and weight is dim


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
    common: Pattern | None = patterns[0]
    for other in patterns[1:]:
        common = _shared(common, other) if common is not None else None
    return common


def _shared(one: Pattern, other: Pattern) -> Pattern | None:
    """The places of two patterns: where their slots are equal, axis by axis."""
    if _are_apart(one, other):
        return None
    first, second = (pattern.substituted({x: Index.fresh(x.dim) for x in pattern.labels}) for pattern in (one, other))
    ties: list[Factor] = []
    for slot, equal in zip(first.slots, second.slots, strict=True):
        # digits are compared before what they are renames them
        found = settled_terms(term_of(1, [zero_of(combine(((ONE, slot), (Dim.of(-1), equal))))]))
        if not found:
            return None
        ties += found[0].factors
    ties += [delta(form, Index.fresh(dim)) for form, dim in (*first.guards, *second.guards)]
    place = Input("place", one.axes)(*first.slots)
    summed = dict.fromkeys(label for factor in (place, *ties) for label in factor.labels)
    left = settled_terms(term_of(1, [place, *ties], tuple(summed)))
    if not left:
        return None
    slots = next(factor.slots for factor in left[0].factors if factor.tensor is not DELTA)
    guards = _guards([factor.slots[0] for factor in left[0].factors if factor.tensor is DELTA], slots)
    if any(never(form, dim) for form, dim in guards):
        return None
    return Pattern(one.axes, slots, tuple(guard for guard in guards if not in_range(*guard))).canonical


def _guards(forms: Sequence[Slot], slots: Sequence[Slot]) -> list[tuple[Slot, Dim]]:
    """Forms that are 0 as guards: an index that nothing else shows may be any number in its range."""
    guards = []
    for form in forms:
        others = [each for slot in (*slots, *forms) if slot is not form for each in slot_labels(slot)]
        values = {label: solved_for(form, label) for label in slot_labels(form) if label not in others}
        guards.append(next(((value, x.dim) for x, value in values.items() if value is not None), (form, ONE)))
    return guards


def _are_apart(one: Pattern, other: Pattern) -> bool:
    """Whether two patterns lie in different parts of some axis."""
    for slots in zip(one.slots, other.slots, strict=True):
        (low, high), (least, most) = map(bounds_of, slots)
        if any(a is not None and b is not None and nonnegative(a - b - 1) for a, b in ((low, most), (least, high))):
            return True
    return False


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
    if not rank:
        return start - positive(most)
    rising = prod((start + k for k in range(rank)), start=ONE)
    return Dim.of(Fraction(1, factorial(rank))) * rising
