"""A wrong claim as detectors see it: the claimed and the true values, and both as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..function import Function
from .claims import Claim, Raised
from .questions import Question, Target
from .trials import Trial
from .verdicts import precision

Array = np.ndarray[Any, Any]

TOLERANCE = 1e-9
"""Two values that agree to this part of the largest entry are the same for naming a cause, in float64."""


class Case:
    """What is known about one wrong claim."""

    def __init__(self, question: Question, target: Target, claim: Claim, trials: Sequence[Trial]) -> None:
        self.question, self.target, self.claim = question, target, claim
        self.trials = tuple(trials)
        self._values: dict[int, Array | Raised] = {}
        self.memory: dict[Any, Any] = {}  # what detectors computed, by keys of their own

    @property
    def label(self) -> str:
        return self.target.label

    @cached_property
    def derivative(self) -> Function | None:
        """The true derivative as an expression; of a black box what tracing gives, where that agrees."""
        wrt = self.target.wrt
        if self.question.exact:
            return self.question.derivative(wrt)
        try:
            guess = self.question.guess(wrt)
            agrees = guess is not None and all(self._agrees(guess, trial) for trial in self.trials)
        except Exception:  # the inside of a black box may not be what it seems
            return None
        return guess if agrees else None

    def _agrees(self, guess: Function, trial: Trial) -> bool:
        value = np.asarray(guess(**{name: trial.args[name] for name in guess.inputs}))
        return np.allclose(value, self.true(trial), rtol=1e-5, atol=1e-5 * float(np.max(np.abs(self.true(trial)))))

    @property
    def function(self) -> Function | None:
        """The function as an expression, where its derivative is one."""
        return None if self.derivative is None else self.question.traced

    @property
    def yours(self) -> str:
        """The claim in a person's own words, where it was a text."""
        text = self.claim.text
        return f"`{text}`" if text and "\n" not in text and len(text) < 70 else "what you return"

    # Values

    def claimed_at(self, args: Mapping[str, Array]) -> Any:
        """What the claim gives at a point: an array, None, or what it raised."""
        copies = {name: np.array(array) for name, array in args.items()}
        return self.claim(copies).get(self.target.wrt)

    def claimed_near(self, args: Mapping[str, Array]) -> Any:
        """What the claim gives near a point: infinite where it raises, as at a singular matrix."""
        found = self.claimed_at(args)
        return np.full(self.true(self.trials[0]).shape, np.inf) if isinstance(found, Raised) else found

    def claimed(self, trial: Trial) -> Array:
        """The claimed value at a trial; NaN of the true shape where the claim raised."""
        known = self._values.get(id(trial))
        if known is None:
            known = self.claimed_at(trial.args)
            self._values[id(trial)] = known
        return np.full(self.true(trial).shape, np.nan) if isinstance(known, Raised) else known

    def true(self, trial: Trial) -> Array:
        return trial.truth(self.target.wrt)

    def true_at(self, args: Mapping[str, Array]) -> Array:
        """The true value elsewhere; NaN where the function has none, as the inverse of a singular matrix."""
        try:
            return self.question.truth(self.target.wrt, args)[0]
        except np.linalg.LinAlgError:
            return np.full(self.true(self.trials[0]).shape, np.nan)

    # Comparing

    @cached_property
    def tolerance(self) -> float:
        """How far apart, in parts of the largest entry, two values that are the same may be."""
        trial = self.trials[0]
        eps = precision(self.claimed(trial))
        largest = float(np.max(np.abs(self.true(trial)), initial=0.0)) or 1.0
        error = float(np.max(trial.error(self.target.wrt), initial=0.0)) / largest
        return max(TOLERANCE, 2**12 * eps if eps > 1e-10 else 0.0, 64 * error)

    def same(self, value: Array, other: Array) -> bool:
        """Whether two arrays are equal, to the precision of this case."""
        if value.shape != other.shape or not (np.all(np.isfinite(value)) and np.all(np.isfinite(other))):
            return False
        scale = max(float(np.max(np.abs(value), initial=0.0)), float(np.max(np.abs(other), initial=0.0)))
        return bool(np.all(np.abs(value - other) <= self.tolerance * scale))

    def ratio(self, value: Array, other: Array) -> float | None:
        """The c with value = c · other; None where there is none, or where both are zero."""
        if value.shape != other.shape or not (np.all(np.isfinite(value)) and np.all(np.isfinite(other))):
            return None
        square = float(np.vdot(other, other))
        if square == 0.0:
            return None
        c = float(np.vdot(other, value)) / square
        return c if abs(c) > self.tolerance and self.same(value, c * other) else None

    # Names

    @cached_property
    def fixed(self) -> frozenset[int]:
        """Sizes above 1 that are numbers in the shapes of the function."""
        values = (dim.value for dims in self.question.shapes.values() for dim in dims)
        return frozenset(value for value in values if value is not None and value > 1)

    def axes(self, trial: Trial) -> list[str]:
        """The sizes of the true value's axes as a person named them."""
        dims = self.question.dims(self.target.wrt)
        if dims is not None:
            return [str(dim) for dim in dims]
        return [axis_name(size, trial) for size in self.true(trial).shape]

    @cached_property
    def formula(self) -> str:
        """The true gradient in one line: NumPy where that is short, else index notation, else nothing."""
        if self.derivative is None:
            return ""
        lines = self.derivative.source().strip().splitlines()
        if len(lines) == 2 and len(lines[1]) < 90:
            text = lines[1].strip().removeprefix("return ").removesuffix(".copy()")
            whole = text.startswith("np.ascontiguousarray(") and text.endswith(")")
            return text[len("np.ascontiguousarray(") : -1] if whole else text
        text = str(self.derivative)
        return text if len(text) < 90 else ""

    @property
    def instead(self) -> str:
        """What to write instead, as the end of a sentence."""
        return f"; {self.label} is `{self.formula}`" if self.formula else ""


def axis_name(size: int, trial: Trial) -> str:
    """The name of the only size with this number, else the number."""
    names = [name for name, number in trial.sizes.items() if number == size]
    return names[0] if len(names) == 1 else str(size)


def shape_text(shape: Sequence[int], trial: Trial) -> str:
    """A shape in names: (b, n) for (3, 5)."""
    names = [axis_name(size, trial) for size in shape]
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"
