"""Numbers times sizes to powers, as Python has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import copysign, inf, isfinite, nan

from ..dims import Dim, nonnegative
from ..terms import Number, magnitude, number

# Whole numbers of more bits are no floats.
LARGEST = 1023


@dataclass(frozen=True)
class Scalar:
    """A number times sizes to powers, written with Python's own numbers so that it takes on no dtype."""

    value: Number = 1
    sizes: tuple[tuple[Dim, Number], ...] = ()

    def times(self, other: Scalar) -> Scalar:
        powers: dict[Dim, Number] = dict(self.sizes)
        for dim, p in other.sizes:
            powers[dim] = number(powers.get(dim, 0) + p)
        kept = tuple(sorted(((d, p) for d, p in powers.items() if p != 0), key=lambda item: str(item[0])))
        return Scalar(number(self.value * other.value), kept)

    @property
    def is_one(self) -> bool:
        return self.value == 1 and not self.sizes

    @property
    def negated(self) -> Scalar:
        return Scalar(number(-self.value), self.sizes)

    def at(self, sizes: Mapping[str, int]) -> Scalar:
        """The number as NumPy has it where a size below the fraction bar is 0, by which Python does not divide.

        Source is for sizes that are alike, those of 0 and of 1 for themselves.
        """
        small = {name: Dim.of(size) for name, size in sizes.items() if size < 2}
        zeros = [p for dim, p in self.sizes if dim.substitute(small).value == 0]
        if not any(p < 0 for p in zeros):
            return self
        return Scalar(nan if any(p > 0 for p in zeros) or self.value == 0 else copysign(inf, self.value))

    @property
    def divides_by_nothing(self) -> bool:
        """Whether the number below the fraction bar could be 0, by which NumPy divides and Python does not."""
        return any(p < 0 and not _at_least(dim, 1) for dim, p in self.sizes)

    def halves(self, root: Callable[[str], str] = "math.sqrt({})".format) -> tuple[list[str], list[str]]:
        """The texts of the factors above and below the fraction bar, the sign left to the caller.

        ``root`` writes the root of what may be negative, of which Python has none.
        """
        above, below = [], []
        value = magnitude(self.value)
        if not isinstance(value, float) and max(value.numerator, value.denominator).bit_length() > LARGEST:
            value = as_float(value)
        if isinstance(value, Fraction):
            if value.numerator != 1:
                above.append(str(value.numerator))
            below.append(str(value.denominator))
        elif value != 1:
            above.append(f"math.{value!r}" if isinstance(value, float) and not isfinite(value) else repr(value))
        for dim, p in self.sizes:
            text = dim_text(dim)
            side = above if p > 0 else below
            size = magnitude(p)
            if size == 1:
                side.append(text)
            elif size == Fraction(1, 2):
                bare = text.strip("()")
                side.append(f"math.sqrt({bare})" if _at_least(dim, 0) else root(bare))
            else:
                side.append(f"{text}**{size if isinstance(size, int) else repr(float(size))}")
        return above, below


def as_float(value: Number) -> float:
    """The number as NumPy has it: infinity where no float is as large."""
    try:
        return float(value)
    except OverflowError:
        return inf


def dim_text(dim: Dim) -> str:
    text = str(dim)
    return text if dim.name is not None or dim.value is not None else f"({text})"


def _at_least(dim: Dim, least: int) -> bool:
    """Whether a size is surely so large; a name by itself is, because source is for sizes of 0 by themselves."""
    return dim.name is not None or nonnegative(dim - least)
