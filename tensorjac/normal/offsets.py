"""What a δ lets one write in several ways: beside δ[m = l + 1], x[m + 1] and x[l + 2] are one.

Of an input, the plainest slot is kept; of what is computed, one of the tensors that are read, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations

from ..dims import Dim
from ..rewrites import in_range, power
from ..terms import (
    DELTA,
    ONE,
    Apply,
    Contraction,
    Factor,
    Shared,
    Slot,
    Sum,
    Term,
    combine,
    product,
    slot_parts,
    zero_of,
)

MINUS = Dim.of(-1)
WAYS = 16  # to write a slot, or to read a tensor: many more are not looked for

# How many indices a slot has, their weights, and its offset.
Key = tuple[int, list[str], int, str]


def plainest(term: Term, read: Callable[[Factor], Sum]) -> Term:
    """The term, read in one of the ways that its δ allow; ``read`` finds the normal form of a computed tensor."""
    conditions = [slots[0] for tensor, slots, _ in term.factors if tensor is DELTA]
    if not conditions:
        return term
    forms = _reduced(conditions)
    factors = [_plain(factor, forms, read) for factor in term.factors if factor.tensor is not DELTA]
    return product(term.coefficient, [*factors, *map(zero_of, forms)], term.summed)


def _reduced(forms: Sequence[Slot]) -> list[Slot]:
    """Conditions that hold where these do, each plainer than with another one added or subtracted."""
    found = list(forms)
    for _ in range(WAYS):
        before = list(found)
        for k, m in permutations(range(len(found)), 2):
            for sign in (ONE, MINUS):
                other = zero_of(combine(((ONE, found[k]), (sign, found[m])))).slots[0]
                if _weight(other) < _weight(found[k]):
                    found[k] = other
        if found == before:
            break
    return found


def _plain(factor: Factor, forms: Sequence[Slot], read: Callable[[Factor], Sum]) -> Factor:
    tensor, slots, exponent = factor
    if isinstance(tensor, Apply | Contraction | Shared):
        ways = [factor]
        for one in ways:
            ways += [other for other in _read_otherwise(one, forms, read) if other not in ways]
            if len(ways) > WAYS:
                break
        return min(ways, key=_place)
    found = tuple([_least(slot, dim, forms) for slot, dim in zip(slots, tensor.shape, strict=True)])
    return factor if found == slots else tensor(*found, power=exponent)


def _place(factor: Factor) -> tuple[bool, int, bytes]:
    return isinstance(factor.tensor, Apply | Contraction | Shared), len(set(factor.labels)), factor.tensor.key


def _read_otherwise(factor: Factor, forms: Sequence[Slot], read: Callable[[Factor], Sum]) -> Iterator[Factor]:
    """A computed factor with one of its indices replaced by what a δ says that it is, where it is one factor then."""
    labels = set(factor.labels)
    for index in sorted(labels, key=lambda label: label.number):
        for value in _ways(index, forms):
            moved = factor.substitute({index: value})
            if moved == factor or len(set(moved.labels)) > len(labels) or not _in_range(moved):
                continue
            terms = power(read(moved), factor.power).terms
            if len(terms) == 1 and terms[0].coefficient == 1 and len(terms[0].factors) == 1:
                yield terms[0].factors[0]


def _in_range(factor: Factor) -> bool:
    """Whether all is in range that is read for a factor: of exp(x[i+k]) read at i = j - k, that is x[j]."""
    tensor, slots, _ = factor
    if tensor is DELTA or all(in_range(slot, dim) for slot, dim in zip(slots, tensor.shape, strict=True)):
        return True
    if isinstance(tensor, Contraction):
        return all(map(_in_range, tensor.term(slots).factors))
    if isinstance(tensor, Shared):
        return all(_in_range(f) for term in tensor.expression(slots).terms for f in term.factors)
    if isinstance(tensor, Apply) and not any(tensor.cores):
        return all(_in_range(f) for arg in tensor.arguments(slots) for term in arg.terms for f in term.factors)
    return False


def _least(slot: Slot, dim: Dim, forms: Sequence[Slot]) -> Slot:
    """The slot with the fewest indices and the least offset."""
    return min((one for one in _ways(slot, forms) if one is slot or in_range(one, dim)), key=_key)


def _ways(slot: Slot, forms: Sequence[Slot]) -> list[Slot]:
    """The ways to write a slot, also those that are out of range."""
    found = [slot]
    for one in found:
        found += [other for other in dict.fromkeys(_others(one, forms)) if other not in found]
        if len(found) > WAYS:
            break
    return found


def _others(slot: Slot, forms: Sequence[Slot]) -> Iterator[Slot]:
    """The slot with one of its indices replaced by what a δ says that it is."""
    weights = dict(slot_parts(slot)[1])
    for form in forms:
        for index, weight in slot_parts(form)[1]:
            if index in weights and weight.value in (1, -1):
                yield combine(((ONE, slot), (-weights[index] * weight, form)))


def _weight(form: Slot) -> Key:
    """How plain a condition is: it and its negative are the same."""
    return min(_key(form), _key(combine(((MINUS, form),))))


def _key(slot: Slot) -> Key:
    """How plain a slot is, whatever its indices are called."""
    constant, parts = slot_parts(slot)
    return len(parts), sorted(str(weight) for _, weight in parts), len(str(constant)), str(constant)
