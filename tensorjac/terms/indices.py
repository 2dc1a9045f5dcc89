"""Indices with symbolic sizes, and the affine slots at which tensors are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import count
from math import isfinite, log2
from typing import ClassVar

from ..dims import Dim

Number = int | Fraction | float


ZERO = Dim.of(0)


ONE = Dim.of(1)


MINUS = Dim.of(-1)


# Floats hold 2 to about this power, and to its negative.
EXPONENT = 1000

# Fresh indices are numbered above every canonical one, so that sorting by number never mixes the two.
FRESH_FROM = 1_000_000


def number(value: Number) -> Number:
    """The same number in its one form: whole numbers are ``int``, other floats stay floats."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else value
    return int(value) if value.is_integer() and abs(value) < 2**53 else float(value)


def scaled(coefficient: Number, by: Number, power: int = 1) -> Number | None:
    """``coefficient * by**power``; None where floats hold both numbers, but not the result.

    >>> scaled(3, 2, -1), scaled(1e200, 2, 3), scaled(1e200, 1e200), scaled(1, Fraction(1, 3), 1000)
    (Fraction(3, 2), 8e+200, None, None)
    """
    if by == 1:
        return coefficient
    if _in_floats(by) and abs(power * log2(magnitude(by))) > EXPONENT:
        return None
    result = number(coefficient * (by**power if isinstance(by, float) or power > 0 else Fraction(by) ** power))
    return result if _in_floats(result) or not (_in_floats(coefficient) and _in_floats(by)) else None


def _in_floats(value: Number) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return value != 0 and abs(value.numerator.bit_length() - value.denominator.bit_length()) < EXPONENT


def magnitude(value: Number) -> Number:
    """The absolute value."""
    return -value if value < 0 else value


class Index:
    """A label with a symbolic size."""

    __slots__ = ("dim", "key", "number")
    _canonical: ClassVar[dict[tuple[int, Dim], Index]] = {}
    _fresh: ClassVar = count(FRESH_FROM)

    dim: Dim
    number: int
    key: tuple[str, tuple[int, ...]]  # orders slots by what they are and, within that, by the numbers of their indices

    def __init__(self, dim: Dim, number: int) -> None:
        self.dim = dim
        self.number = number
        self.key = ("", (number,))

    @classmethod
    def at(cls, position: int, dim: Dim) -> Index:
        """The canonical index number ``position``; the same object every time."""
        found = cls._canonical.get((position, dim))
        if found is None:
            found = cls._canonical.setdefault((position, dim), cls(dim, position))
        return found

    @classmethod
    def fresh(cls, dim: Dim) -> Index:
        return cls(dim, next(cls._fresh))

    def __repr__(self) -> str:
        return f"i{self.number}"


class Affine:
    """``constant + Σ coefficient · index``, used where a slot (or the zero of a δ) is more than a bare index."""

    __slots__ = ("_hash", "constant", "parts")

    def __init__(self, constant: Dim, parts: tuple[tuple[Index, Dim], ...]) -> None:
        self.constant = constant
        self.parts = parts
        self._hash = hash((constant, parts))

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        """Its place among slots."""
        text = "+".join([str(self.constant), *(str(c) for _, c in self.parts)])
        return text, tuple([index.number for index, _ in self.parts])

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Affine)
            and self._hash == other._hash
            and self.constant == other.constant
            and self.parts == other.parts
        )

    def __repr__(self) -> str:
        return " + ".join([f"{c}*{i!r}" for i, c in self.parts] + [str(self.constant)])


Slot = Index | Affine


def affine(constant: Dim, parts: Mapping[Index, Dim]) -> Slot:
    """The slot ``constant + Σ coefficient · index``; a bare index comes back as itself.

    An index of size 1 is 0 and adds nothing; it stays where it is alone or in a tie i - j, by which it is renamed.
    """
    kept = [(index, c) for index, c in parts.items() if c is not ZERO]
    if any(index.dim is ONE for index, _ in kept) and not (constant is ZERO and _may_rename(kept)):
        kept = [(index, c) for index, c in kept if index.dim is not ONE]
    if len(kept) == 1 and kept[0][1] is ONE and constant is ZERO:
        return kept[0][0]
    kept.sort(key=lambda part: part[0].number)
    return Affine(constant, tuple(kept))


def _may_rename(parts: Sequence[tuple[Index, Dim]]) -> bool:
    """Whether these are ±i or i - j, of indices of one size."""
    weights = sorted(c.value for _, c in parts if c.value in (1, -1))
    alike = len(weights) == len(parts) and len({index.dim for index, _ in parts}) == 1
    return alike and (len(parts) == 1 or weights == [-1, 1])


def constant_slot(value: int | Dim) -> Affine:
    return Affine(Dim.of(value), ())


def slot_parts(slot: Slot) -> tuple[Dim, tuple[tuple[Index, Dim], ...]]:
    return (ZERO, ((slot, ONE),)) if isinstance(slot, Index) else (slot.constant, slot.parts)


def slot_labels(slot: Slot) -> Sequence[Index]:
    return (slot,) if isinstance(slot, Index) else [index for index, _ in slot.parts]


def combine(weighted: Iterable[tuple[Dim, Slot]], constant: Dim = ZERO) -> Slot:
    """The affine form ``constant + Σ weight · slot``."""
    parts: dict[Index, Dim] = {}
    for weight, slot in weighted:
        offset, pieces = slot_parts(slot)
        constant = constant + weight * offset
        for index, c in pieces:
            parts[index] = parts[index] + weight * c if index in parts else weight * c
    return affine(constant, parts)


def substitute_slot(slot: Slot, mapping: Mapping[Index, Slot]) -> Slot:
    if isinstance(slot, Index):
        return mapping.get(slot, slot)
    if not any(index in mapping for index, _ in slot.parts):
        return slot
    return combine(((c, mapping.get(index, index)) for index, c in slot.parts), slot.constant)
