"""Identities of δ under a sum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..dims import Dim, divide, divide_with_rest, nonnegative
from ..terms import (
    DELTA,
    ONE,
    ZERO,
    Factor,
    Index,
    Slot,
    Sum,
    Term,
    affine,
    combine,
    constant_slot,
    of_size,
    product,
    slot_labels,
    slot_parts,
    zero_of,
)
from .building import contracted, multiply, reread
from .ranges import bounds_of, in_range, solved_for, truth_of
from .registry import assumptions, term_rewrite


@term_rewrite("δ decided")
def _drop_decided(term: Term) -> Sum | None:
    """δ[ii] = 1, and a δ that cannot be met makes the term 0. Removes a factor or the term."""
    for factor in term.factors:
        if factor.tensor is DELTA:
            decided = truth_of(factor.slots[0])
            if decided is not None:
                rest = [f for f in term.factors if f is not factor]
                return Sum((product(term.coefficient, rest, term.summed),)) if decided else Sum()
    return None


@term_rewrite("δ renames")
def _rename(term: Term) -> Sum | None:
    """δ[ij] with j summed renames j to i. Removes a factor and an index."""
    hidden = set(term.summed)
    choices: list[tuple[int, Index, Slot, Factor]] = []
    for factor in term.factors:
        if factor.tensor is not DELTA:
            continue
        form = factor.slots[0]
        for index in slot_labels(form):
            if index in hidden:
                value = solved_for(form, index)
                if value is not None and in_range(value, index.dim):
                    weight = 0 if isinstance(value, Index) else 1
                    choices.append((weight, index, value, factor))
                    if weight == 0:
                        break
        if choices and choices[-1][0] == 0:
            break
    if not choices:
        return None
    _, index, value, used = min(choices, key=lambda choice: choice[0])
    mapping: dict[Index, Slot] = {index: value}
    factors = [f.substitute(mapping) for f in term.factors if f is not used]
    summed = tuple(i for i in term.summed if i is not index)
    return reread(product(term.coefficient, factors, summed))


@term_rewrite("digits")
def _digits(term: Term) -> Sum | None:
    """n·u + v = 0 with |v| < n holds only for u = 0 and v = 0: a matched reshape falls into two δ, also one
    that is read backward."""
    for factor in term.factors:
        if factor.tensor is not DELTA:
            continue
        split = _split_digits(factor.slots[0])
        if split is not None:
            rest = [f for f in term.factors if f is not factor]
            return Sum((product(term.coefficient, [*rest, *map(zero_of, split)], term.summed),))
    return None


def _split_digits(form: Slot) -> tuple[Slot, Slot] | None:
    offset, parts = slot_parts(form)
    if len(parts) < 2:
        return None
    facts = assumptions.get()
    for _, radix in parts:
        if radix.value in (1, -1):
            continue
        unit = radix if nonnegative(radix, facts) else -radix
        high: dict[Index, Dim] = {}
        low: dict[Index, Dim] = {}
        for index, c in parts:
            quotient = divide(c, unit)
            if quotient is not None and _whole_number(quotient):
                high[index] = quotient
            else:
                low[index] = c
        if not high or not low:
            continue
        quotient, _ = divide_with_rest(offset, unit)
        for carry in (quotient, quotient + 1, quotient - 1, ZERO):
            small = affine(offset - carry * unit, low)
            least, most = bounds_of(small)
            if least is None or most is None or not _whole_number(carry):
                continue
            if nonnegative(unit - 1 - most, facts) and nonnegative(unit - 1 + least, facts):
                return affine(carry, high), small
    return None


@term_rewrite("digits of a number")
def _read_together(term: Term) -> Sum | None:
    """Σ_ij δ[k = n·i + j] a[n·i + j] = a[k], where n·i + j counts as far as k. Removes a factor and indices."""
    for factor in term.factors:
        if factor.tensor is not DELTA:
            continue
        for sign, digits, count in _digits_of(factor.slots[0], term.summed):
            form = factor.slots[0]
            number = solved_for(form, digits[0])
            assert number is not None
            whole = combine(((ONE, number), *((sign * c, i) for i, c in slot_parts(form)[1] if i in digits[1:])))
            rest = [f.substitute({digits[0]: number}) for f in term.factors if f is not factor]
            if in_range(whole, count) and not any(label in digits for f in rest for label in f.labels):
                return reread(product(term.coefficient, rest, tuple(i for i in term.summed if i not in digits)))
    return None


def _digits_of(form: Slot, summed: Sequence[Index]) -> Iterator[tuple[Dim, list[Index], Dim]]:
    """The sign, the summed indices and the number of values of ±(j + n·i + …) in a form, each counting on the next."""
    _, parts = slot_parts(form)
    for index, sign in parts:
        if index not in summed or sign.value not in (1, -1):
            continue
        digits, count = [index], index.dim
        while True:
            found = next((i for i, c in parts if c is sign * count and i in summed and i not in digits), None)
            if found is None:
                break
            digits.append(found)
            count = count * found.dim
        if len(digits) > 1:
            yield sign, digits, count


def _whole_number(dim: Dim) -> bool:
    return all(c.denominator == 1 for c, _ in dim.monomials)


@term_rewrite("single index")
def _single(term: Term) -> Sum | None:
    """Σ_j a[j] = a[0] where j has size 1, unless it joins two whole axes in a product. Removes an index."""
    single = [index for index in term.summed if index.dim is ONE and not _joins(index, term.factors)]
    if not single:
        return None
    zeros: dict[Index, Slot] = dict.fromkeys(single, constant_slot(0))
    left = tuple(index for index in term.summed if index not in zeros)
    return reread(product(term.coefficient, [f.substitute(zeros) for f in term.factors], left))


def _joins(index: Index, factors: Sequence[Factor]) -> bool:
    """Whether several factors carry the index at axes of its size."""
    whole = [
        any(slot is index and dim is index.dim for slot, dim in zip(slots, tensor.shape, strict=True))
        for tensor, slots, _ in factors
    ]
    return sum(whole) > 1


@term_rewrite("unused index")
def _count_unused(term: Term) -> Sum | None:
    """Σ_j 1 = n: a summed index that no factor carries is a factor n. Removes an index."""
    used = term.labels
    unused = [index for index in term.summed if index not in used]
    if not unused:
        return None
    rest = product(term.coefficient, term.factors, tuple(i for i in term.summed if i in used))
    return multiply(contracted(rest), *(of_size(index.dim) for index in unused))
