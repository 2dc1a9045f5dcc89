"""The points at which a claim is tried: sizes at which the function runs, arrays at which it is finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import ShapeError, TraceError
from ..function import Function
from . import points
from .questions import Arguments, Question
from .verdicts import moved

Array = np.ndarray[Any, Any]

DRAWS = 3

ROUGH = 1e-6
"""A derivative is asked for elsewhere where the error of a numeric one may be more than this part, and where an exact
one changes by more than this over a few roundings, as an inverse does beside a singular matrix."""


@dataclass
class Trial:
    """One point: numbers for sizes, arrays for inputs and cotangents, and the true values, computed once."""

    sizes: dict[str, int]
    args: dict[str, Array]
    question: Question
    truths: dict[Arguments, tuple[Array, Array | float]] = field(default_factory=dict)

    @cached_property
    def spans(self) -> dict[str, int]:
        """The sizes by name, and those of axes that are more than a name, such as n - 2."""
        parts = self.question.function._parts if isinstance(self.question.function, Function) else None
        outputs = [] if parts is None else [tuple(i.dim for i in axes) for axes, _ in parts.outputs.values()]
        dims = [dim for shape in (*self.question.shapes.values(), *outputs) for dim in shape if dim.names]
        return {**self.sizes, **{str(dim): dim.evaluate(self.sizes) for dim in dims}}

    def truth(self, wrt: Arguments) -> Array:
        return self._known(wrt)[0]

    def error(self, wrt: Arguments) -> Array | float:
        """A bound on the error of the true value."""
        return self._known(wrt)[1]

    def is_rough(self, wanted: Sequence[Arguments]) -> bool:
        """Whether the truth is too rough to decide by, as it is beside a kink or a singular matrix."""
        for wrt in wanted:
            error = self._change(wrt) if self.question.exact else self.error(wrt)
            if not np.max(error, initial=0.0) <= ROUGH * np.max(np.abs(self.truth(wrt)), initial=1e-300):
                return True
        return False

    def _change(self, wrt: Arguments) -> Array | float:
        """By how much the truth changes over a few roundings."""
        near = moved(self.args, np.random.default_rng(0), float(np.finfo(float).eps))
        try:
            with np.errstate(all="ignore"):
                change: Array = np.abs(self.question.truth(wrt, near)[0] - self.truth(wrt))
                return change
        except np.linalg.LinAlgError:
            return np.inf

    def _known(self, wrt: Arguments) -> tuple[Array, Array | float]:
        if wrt not in self.truths:
            self.truths[wrt] = self.question.truth(wrt, self.args)
        return self.truths[wrt]


@dataclass(frozen=True)
class Setting:
    """What a person fixed about the points, and what was found to work."""

    question: Question
    sizes: Mapping[str, int]
    domain: Mapping[str, str]
    held: Mapping[str, Array]
    seed: int

    def trials(self, wanted: Sequence[Arguments]) -> tuple[list[Trial], Mapping[str, str]]:
        """Generic points at which the function runs and is finite, and the domains that they are drawn from."""
        question = self.question
        rng = np.random.default_rng(self.seed)
        candidates = points.assignments(question.shapes, question.requirements, self.sizes, 12, rng)
        if not candidates:
            raise ShapeError(
                "a check draws sizes that satisfy what the function requires, and found none: "
                f"give numbers for {', '.join(points.size_names(question.shapes))} with sizes=."
            )
        candidates += [candidates[-1]] * max(0, DRAWS - len(candidates))
        found: list[Trial] = []
        rough: list[Trial] = []
        domain: Mapping[str, str] | None = None
        second: Mapping[str, str] | None = None
        failure = ""
        for k, sizes in enumerate(candidates):
            for guess in [domain] if domain else points.guesses(question.shapes, self.domain):
                trial, failure = self._tried(sizes, guess, k, wanted, failure)
                if trial is None:
                    continue
                if trial.is_rough(wanted):
                    rough.append(trial)
                    second = second or guess
                else:
                    found.append(trial)
                    domain = guess
                break
            if len(found) == DRAWS:
                break
        found, domain = (found + rough)[:DRAWS], domain or second
        if domain is None:
            raise ShapeError(
                f"a check runs the function at its own points, and found none at which it is finite ({failure}): "
                'give sizes= and domain=, for example sizes={"n": 4}, domain={"x": "positive"}.'
            )
        return found, domain

    def trial_of(self, sizes: Mapping[str, int], k: int) -> Trial | None:
        """The trial of these sizes, at the first domain where the function is finite; None where there is none."""
        for guess in points.guesses(self.question.shapes, self.domain):
            trial, _ = self._tried(sizes, guess, k, (), "")
            if trial is not None:
                return trial
        return None

    def _tried(
        self, sizes: Mapping[str, int], domain: Mapping[str, str], k: int, wanted: Sequence[Arguments], failure: str
    ) -> tuple[Trial | None, str]:
        question = self.question
        domain = {**domain, **{name: "symmetric" for name in question.symmetric if domain.get(name, "any") == "any"}}
        try:
            with np.errstate(all="ignore"):
                args = points.inputs(question.shapes, sizes, domain, self.held, (self.seed, k, 0))
                outputs = question.outputs(args)
        except ShapeError:
            raise
        except Exception as error:  # a black box may raise anything at sizes that it is not made for
            return None, f"{type(error).__name__}: {error}"
        if not question.exact:
            question.note_outputs(len(outputs))
            if not all(map(np.array_equal, outputs, question.outputs(args))):
                raise TraceError(
                    "a black box gives the same values for the same arguments, and this one does not: "
                    "draw random numbers outside, and pass them in as an input."
                )
        args.update(self.cotangents(outputs, k))
        trial = Trial(dict(sizes), args, question)
        try:
            values = outputs + ([trial.truth(wrt) for wrt in wanted] if question.exact else [])
        except np.linalg.LinAlgError as error:
            return None, f"{type(error).__name__}: {error}"
        if all(np.all(np.isfinite(value)) for value in values):
            return trial, failure
        return None, "it is not finite at " + ", ".join(f"{name}: {what}" for name, what in domain.items())

    def cotangents(self, outputs: Sequence[Array], k: int) -> dict[str, Array]:
        """Random cotangents for outputs of these shapes."""
        rng = np.random.default_rng([self.seed, k, 1])
        return {
            name: points.draw(np.shape(output), "any", rng, {})
            for name, output in zip(self.question.cotangents, outputs, strict=False)
        }

    def at(self, given: Mapping[str, Any]) -> Trial:
        """The point that a person gave; what is missing is drawn at its sizes."""
        question = self.question
        arrays = {name: np.asarray(value) for name, value in given.items()}
        sizes = bound({n: question.shapes[n] for n in arrays if n in question.shapes}, arrays)
        rng = np.random.default_rng(self.seed)
        (chosen,) = points.assignments(question.shapes, question.requirements, {**self.sizes, **sizes}, 1, rng)
        held = {n: a if a.dtype.kind in "biu" else a.astype(float) for n, a in arrays.items() if n in question.shapes}
        args = points.inputs(question.shapes, chosen, self.domain, {**self.held, **held}, (self.seed, 99, 0))
        outputs = question.outputs(args)
        if not question.exact:
            question.note_outputs(len(outputs))
        args.update(self.cotangents(outputs, 99))
        args.update({name: array.astype(float) for name, array in arrays.items() if name not in question.shapes})
        return Trial(chosen, args, question)


def bound(shapes: points.Shapes, arrays: Mapping[str, Array]) -> dict[str, int]:
    """The numbers that arrays give to bare size names.

    >>> from tensorjac.dims import parse_shape
    >>> bound({"X": parse_shape("b m", "X")}, {"X": np.zeros((2, 3))})
    {'b': 2, 'm': 3}
    """
    return {
        dim.name: size
        for name, dims in shapes.items()
        for dim, size in zip(dims, np.shape(arrays[name]), strict=False)
        if dim.name is not None
    }
