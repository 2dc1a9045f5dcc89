"""Terms and sums: products with their powers added, like terms merged, tied indices written alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from ..dims import Dim
from .indices import ONE, ZERO, Index, Number, Slot, number
from .tensors import DELTA, Factor, Size, Tensor, delta, factor_key


class Term(NamedTuple):
    """coefficient × product of factors, summed over the indices in ``summed``."""

    coefficient: Number
    factors: tuple[Factor, ...]
    summed: tuple[Index, ...] = ()

    @property
    def labels(self) -> set[Index]:
        return {label for factor in self.factors for label in factor.labels}

    @property
    def free(self) -> set[Index]:
        return self.labels.difference(self.summed)

    def substitute(self, mapping: Mapping[Index, Slot]) -> Term:
        """The term with free indices replaced; summed ones must not occur in ``mapping``."""
        return product(self.coefficient, [f.substitute(mapping) for f in self.factors], self.summed)


def product(coefficient: Number, factors: Iterable[Factor], summed: tuple[Index, ...] = ()) -> Term:
    """The term of these factors: powers of one factor at the same slots are added, and factors sorted.

    >>> from tensorjac.terms import Index, Input, product
    >>> from tensorjac.dims import Dim
    >>> x, i = Input("x", (Dim.of("n"),)), Index.fresh(Dim.of("n"))
    >>> product(2, [x(i), x(i, power=2), x(i, power=-1)]).factors == (x(i, power=2),)
    True
    """
    found: dict[tuple[Tensor, tuple[Slot, ...]], Factor] = {}
    turning = False
    for factor in factors:
        tensor, slots, power = factor
        known = found.get((tensor, slots))
        if known is None:
            found[tensor, slots] = factor
            turning = turning or bool(tensor.antisymmetries)
        elif tensor is not DELTA:
            found[tensor, slots] = Factor(tensor, slots, number(known.power + power))
    merged = [factor for factor in found.values() if factor.power != 0]
    if turning:
        arranged = [tensor(*slots, power=p) for tensor, slots, p in merged]
        if arranged != merged:
            return product(coefficient, arranged, summed)
    if len(merged) > 1:
        tensors = {factor.tensor for factor in merged}
        if DELTA in tensors:
            tied = _tied(merged, summed)
            if tied is not None:
                return product(coefficient, tied, summed)
        # what the whole key begins with
        merged.sort(key=_TENSOR_KEY if len(tensors) == len(merged) else factor_key)
    return Term(number(coefficient), tuple(merged), summed)


_TENSOR_KEY = attrgetter("tensor.key")


def _pair(form: Slot) -> tuple[Index, Index] | None:
    """The indices i, j of δ[ij], lower number first; None for a general δ."""
    if isinstance(form, Index) or len(form.parts) != 2 or form.constant is not ZERO:
        return None
    (a, p), (b, q) = form.parts
    return (a, b) if (p + q) is ZERO and p is ONE and a.dim is b.dim else None


def _tie(factor: Factor, summed: Sequence[Index]) -> tuple[Index, Index] | None:
    """The two free indices that a δ ties, lower number first."""
    pair = _pair(factor.slots[0]) if factor.tensor is DELTA else None
    return pair if pair is not None and pair[0] not in summed and pair[1] not in summed else None


def is_tie(factor: Factor, summed: Sequence[Index]) -> bool:
    """Whether a factor is a δ that ties two free indices."""
    return _tie(factor, summed) is not None


def tied_classes(factors: Iterable[Factor], summed: Sequence[Index]) -> dict[Index, list[Index]]:
    """The free indices that δ tie to each other, by each of them, in the order of their numbers."""
    classes: dict[Index, list[Index]] = {}
    for factor in factors:
        pair = _tie(factor, summed)
        if pair is not None:
            joined = {*pair, *classes.get(pair[0], ()), *classes.get(pair[1], ())}
            members = sorted(joined, key=lambda index: index.number)
            classes.update(dict.fromkeys(members, members))
    return classes


def _tied(factors: Sequence[Factor], summed: Sequence[Index]) -> list[Factor] | None:
    """The factors with tied indices written as the first of their class, each tied to that; None if they are so."""
    classes = tied_classes(factors, summed)
    if not classes:
        return None
    mapping: dict[Index, Slot] = {index: members[0] for index, members in classes.items() if index is not members[0]}
    held, pairs = [], set()
    for factor in factors:
        pair = _tie(factor, summed)
        if pair is None:
            held.append(factor)
        else:
            pairs.add(pair)
    wanted = {(first, index) for index, first in mapping.items()}
    if pairs == wanted and not any(label in mapping for factor in held for label in factor.labels):
        return None
    ties = [delta(first, index) for index, first in mapping.items()]
    return [*(factor.substitute(mapping) for factor in held), *ties]


def number_key(value: Number) -> str:
    return f"{type(value).__name__[0]}{value!r}"


class Sum:
    """A sum of terms over the same free indices, like terms merged; no terms at all is zero."""

    __slots__ = ("_hash", "terms")

    terms: tuple[Term, ...]

    def __init__(self, terms: Iterable[Term] = ()) -> None:
        self._hash: int | None = None
        terms = tuple(terms)
        if len(terms) == 1:
            self.terms = terms if terms[0].coefficient != 0 else ()
            return
        merged: dict[tuple[tuple[Factor, ...], tuple[Index, ...]], Number] = {}
        for term in terms:
            like = (term.factors, term.summed)
            known = merged.get(like)
            merged[like] = term.coefficient if known is None else number(known + term.coefficient)
        kept = [Term(c, factors, summed) for (factors, summed), c in merged.items() if c != 0]
        if len(kept) > 1:
            kept.sort(key=lambda term: [factor_key(factor) for factor in term.factors])
        self.terms = tuple(kept)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self.terms)
        return self._hash

    def __eq__(self, other: object) -> bool:
        # 1/2 and 0.5 are equal numbers but print differently: they must not be merged by a cache.
        return self is other or (
            isinstance(other, Sum)
            and self.terms == other.terms
            and all(type(a.coefficient) is type(b.coefficient) for a, b in zip(self.terms, other.terms, strict=True))
        )

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __repr__(self) -> str:
        return f"Sum{self.terms!r}"

    @property
    def labels(self) -> set[Index]:
        return {label for term in self.terms for label in term.free}

    @property
    def tensors(self) -> Iterator[Tensor]:
        for term in self.terms:
            for factor in term.factors:
                yield factor.tensor

    @property
    def lone(self) -> Factor | None:
        """The factor that this is, neither scaled nor summed nor raised to a power; None where it is more, or 0."""
        if len(self.terms) != 1 or len(self.terms[0].factors) != 1:
            return None
        coefficient, (factor,), summed = self.terms[0]
        return factor if coefficient == 1 and factor.power == 1 and not summed else None

    @property
    def sign(self) -> int:
        signs = [
            min((factor.sign for factor in term.factors), default=2) if term.coefficient > 0 else 0
            for term in self.terms
        ]
        return 1 if not signs else (2 if 2 in signs else 1) if min(signs) else 0

    def substitute(self, mapping: Mapping[Index, Slot]) -> Sum:
        return Sum(term.substitute(mapping) for term in self.terms) if mapping else self


def constant(value: Number) -> Sum:
    return Sum((Term(number(value), ()),))


def of_factor(factor: Factor) -> Sum:
    return Sum((product(1, (factor,)),))


def of_size(dim: Dim) -> Sum:
    """A symbolic size as a scalar expression: products of named sizes, so that ``n / n`` cancels."""
    terms = []
    for coefficient, atoms in dim.monomials:
        factors = [Size(Dim.of(atom) if isinstance(atom, str) else atom.dim)(power=power) for atom, power in atoms]
        terms.append(product(coefficient, factors))
    return Sum(terms)
