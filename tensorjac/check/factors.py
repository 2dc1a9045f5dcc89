"""A number that a gradient is off by, recognised as a product of named sizes and scalar inputs."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np


class Point(Protocol):
    """Where a ratio was measured."""

    @property
    def sizes(self) -> Mapping[str, int]: ...

    @property
    def spans(self) -> Mapping[str, int]:
        """The numbers that a factor may be made of: sizes by name, and those of axes that are more than a name."""

    @property
    def args(self) -> Mapping[str, np.ndarray[Any, Any]]: ...


NUMBERS = tuple(Fraction(k) for k in (1, 2, 3, 4)) + tuple(Fraction(1, k) for k in (2, 3, 4))
POWERS = tuple(Fraction(k, 2) for k in (2, -2, 1, -1, 4, -4))
CLOSE = 1e-7


@dataclass(frozen=True)
class Factor:
    """A recognised factor: its text, that of its inverse, and the cause that it points to."""

    text: str
    inverse: str
    cause: str
    number: float = 1.0


@dataclass(frozen=True)
class _Base:
    """Something that may be a factor: a size, n-1 for n, or a scalar input; its value at each trial."""

    name: str
    values: tuple[float, ...]
    cause: str


def recognise(
    ratios: Sequence[float], trials: Sequence[Point], tolerance: float = CLOSE, fixed: Collection[int] = ()
) -> Factor | None:
    """The simplest product that has these values at these trials; ``fixed`` are sizes that are numbers."""
    measured = np.array(ratios)
    close = max(CLOSE, 4 * tolerance)
    with np.errstate(invalid="ignore"):  # roots of negative scalars
        for text, inverse, cause, values in _candidates(trials, fixed):
            if np.all(np.abs(measured - values) <= close * np.abs(values)):
                return Factor(text, inverse, cause, float(values[0]))
            if np.all(np.abs(measured + values) <= close * np.abs(values)):
                return Factor(f"-{text}", f"-{inverse}", "sign" if text == "1" else cause, -float(values[0]))
    if np.all(np.abs(measured - measured[0]) <= close * np.abs(measured[0])):
        return Factor(f"{measured[0]:.6g}", f"{1 / measured[0]:.6g}", "factor", float(measured[0]))
    return None


def _candidates(trials: Sequence[Point], fixed: Collection[int]) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Numbers first, then one size or scalar, then two of them, each with its values at the trials."""
    ones = np.ones(len(trials))
    for number in NUMBERS:
        if number in fixed or 1 / number in fixed:
            continue
        cause = "factor-two" if number in (2, Fraction(1, 2)) else "factor"
        yield str(number), str(1 / number), cause, ones * float(number)
    for size in sorted(fixed):
        cause = "factor-two" if size == 2 else "size-factor"
        yield f"{size} (a fixed size)", f"1/{size}", cause, ones * size
        yield f"1/{size} ({size} is a fixed size)", f"{size}", cause, ones / size
    bases = _bases(trials)
    for base, power in itertools.product(bases, POWERS):
        for number in NUMBERS:
            pairs = [(base.name, power)]
            values = float(number) * np.array(base.values) ** float(power)
            yield _text(number, pairs), _text(1 / number, _turned(pairs)), _cause([base], power), values
    for first, second in itertools.combinations(bases, 2):
        for p, q in itertools.product(POWERS, POWERS):
            pairs = [(first.name, p), (second.name, q)]
            values = np.array(first.values) ** float(p) * np.array(second.values) ** float(q)
            yield _text(Fraction(1), pairs), _text(Fraction(1), _turned(pairs)), _cause([first, second], p, q), values


def _bases(trials: Sequence[Point]) -> list[_Base]:
    found: list[_Base] = []
    for name in trials[0].spans:
        values = tuple(float(trial.spans[name]) for trial in trials)
        if any(value != 1 for value in values):
            found.append(_Base(name if name in trials[0].sizes else f"({name})", values, "size-factor"))
    for name in trials[0].sizes:
        less = tuple(float(trial.sizes[name] - 1) for trial in trials)
        if all(less):
            whole = tuple(value / (value + 1) for value in less)
            found.append(_Base(f"(({name}-1)/{name})", whole, "wrong-count"))
    for name, array in trials[0].args.items():
        if array.ndim == 0 and array.dtype.kind == "f":
            scalars = tuple(float(trial.args[name]) for trial in trials)
            if all(scalars):
                found.append(_Base(name, scalars, "inner-scale"))
    return found


def _cause(bases: Sequence[_Base], *powers: Fraction) -> str:
    causes = {base.cause for base in bases}
    if causes == {"size-factor"}:
        return "inner-scale" if any(power.denominator == 2 for power in powers) else "size-factor"
    return "wrong-count" if "wrong-count" in causes else "inner-scale"


def _turned(pairs: Sequence[tuple[str, Fraction]]) -> list[tuple[str, Fraction]]:
    return [(name, -power) for name, power in pairs]


def _text(number: Fraction, pairs: Sequence[tuple[str, Fraction]]) -> str:
    """1/b, 2 √d or b/(n m).

    >>> _text(Fraction(1), [("b", Fraction(-1))]), _text(Fraction(2), [("d", Fraction(1, 2))])
    ('1/b', '2 √d')
    """
    above = [str(number.numerator)] if number.numerator != 1 else []
    below = [str(number.denominator)] if number.denominator != 1 else []
    for name, power in pairs:
        (above if power > 0 else below).append(_power(name, abs(power)))
    under = "" if not below else f"/{below[0]}" if len(below) == 1 else f"/({' '.join(below)})"
    return (" ".join(above) or "1") + under


def _power(name: str, power: Fraction) -> str:
    return {Fraction(1): name, Fraction(1, 2): f"√{name}", Fraction(2): f"{name}²"}.get(power, f"{name}^{power}")
