"""Causes that show when the claimed values are compared with the true ones, entry by entry."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..trials import Trial
from .shapes import copies, transposed_message, turned


@detector("transposed", stage="value")
def transposed(case: Case) -> Iterator[Hypothesis]:
    """U = Tᵀ where a square shape hides it."""
    rank = case.true(case.trials[0]).ndim
    for order in itertools.permutations(range(rank)):
        if order != tuple(range(rank)):
            yield Hypothesis("transposed", transposed_message(case, order), partial(turned, case, order))


@detector("copied", stage="value")
def copied(case: Case) -> Iterator[Hypothesis]:
    """U equals the gradient of another input of the same shape."""
    yield from copies(case)


@detector("dtype", stage="value")
def whole_numbers(case: Case) -> Iterator[Hypothesis]:
    """U holds truth values or whole numbers where the true gradient has fractions."""
    kind = case.claimed(case.trials[0]).dtype.kind
    if kind in "biu" and case.claim.callable and not _whole(case):
        what = "truth values" if kind == "b" else "whole numbers"
        yield Hypothesis(
            "dtype",
            f"{case.label} holds {what}: `&`, `|` and comparisons bind otherwise than they look; "
            f"write brackets, as in (X > 0) * G{case.instead}.",
            lambda t: case.claimed(t),
            (f"its dtype is {case.claimed(case.trials[0]).dtype}",),
            exact=True,
        )


def _whole(case: Case) -> bool:
    """Whether the true gradient holds whole numbers itself."""
    true = case.true(case.trials[0])
    return bool(np.all(true == np.round(true)))


@detector("symmetric-convention", stage="value")
def symmetric_convention(case: Case) -> Iterator[Hypothesis]:
    """U is sym(T), T + Tᵀ, T + Tᵀ - diag(T), or one triangle of T."""
    true = case.true(case.trials[0])
    if true.ndim < 2 or true.shape[-1] != true.shape[-2] or case.question.kind not in ("vjp", "grad"):
        return
    forms: dict[str, Callable[[Array], Array]] = {
        "(T + T.T) / 2, the symmetric part": lambda t: (t + t.mT) / 2,
        "T + T.T": lambda t: t + t.mT,
        "T + T.T - diag(T), which counts each pair of equal entries once": lambda t: t + t.mT - _diagonal(t),
        "the lower triangle": np.tril,
        "the upper triangle": np.triu,
        "its strict lower triangle": lambda t: np.tril(t, -1),
        "its strict upper triangle": lambda t: np.triu(t, 1),
        "twice the symmetric part without its diagonal": lambda t: (t + t.mT) - 2 * _diagonal(t),
    }
    declared = case.target.wrt[0] in case.question.symmetric
    cure = (
        "the gradient by a symmetric input is the symmetric part, (T + T.T) / 2"
        if declared
        else f'the gradient treats all entries as free; declare symmetric=("{case.target.wrt[0]}",) if they are not'
    )
    for name, form in forms.items():
        yield Hypothesis(
            "symmetric-convention",
            f"{case.label} follows another convention for symmetric matrices: it is {name} of the gradient T; {cure}.",
            partial(_formed, case, form),
            exact=True,
        )
    if declared:
        yield Hypothesis(
            "symmetric-convention",
            f"{case.label} is not symmetric, and {case.target.wrt[0]} is declared so: {cure}.",
            lambda t: case.claimed(t) if case.same((case.claimed(t) + case.claimed(t).mT) / 2, case.true(t)) else None,
            exact=True,
        )


def _formed(case: Case, form: Callable[[Array], Array], trial: Trial) -> Array:
    return form(case.true(trial))


def _diagonal(array: Array) -> Array:
    return array * np.eye(array.shape[-1])


@detector("time-shift", stage="value")
def time_shift(case: Case) -> Iterator[Hypothesis]:
    """U is T shifted along axes, wrapped round, or reversed."""
    rank = case.true(case.trials[0]).ndim
    if rank > 4:
        return
    for offset in sorted(itertools.product((0, 1, -1), repeat=rank), key=lambda o: sum(map(abs, o))):
        if not any(offset):
            continue
        axes = tuple(axis for axis, step in enumerate(offset) if step)
        message = f"{case.label} is shifted {_along(case, axes)}: entry i is the true entry i{-offset[axes[0]]:+d}"
        yield Hypothesis(
            "time-shift",
            f"{message}, and what is shifted out comes in at the other end.",
            partial(_rolled, case, offset),
        )
        yield Hypothesis("time-shift", f"{message}.", partial(_shifted, case, offset), exact=True)
    for count in range(1, rank + 1):
        for axes in itertools.combinations(range(rank), count):
            yield Hypothesis(
                "time-shift", f"{case.label} is reversed {_along(case, axes)}.", partial(_flipped, case, axes)
            )


def _along(case: Case, axes: tuple[int, ...]) -> str:
    names = case.axes(case.trials[0])
    return "along " + " and ".join(f"axis {axis} ({names[axis]})" for axis in axes)


def _rolled(case: Case, offset: tuple[int, ...], trial: Trial) -> Array:
    return np.roll(case.true(trial), offset, tuple(range(len(offset))))


def _flipped(case: Case, axes: tuple[int, ...], trial: Trial) -> Array:
    return np.flip(case.true(trial), axes)


def _shifted(case: Case, offset: tuple[int, ...], trial: Trial) -> Array | None:
    """The claim where it is the shifted truth but for the entries that come in; None elsewhere."""
    value, true = case.claimed(trial), case.true(trial)
    if any(step and size < 3 for step, size in zip(offset, true.shape, strict=True)):
        return None
    here = tuple(slice(max(step, 0), step or None if step < 0 else None) for step in offset)
    there = tuple(slice(max(-step, 0), -step or None if step > 0 else None) for step in offset)
    overlap = case.true(trial)[there]
    return value if np.any(overlap) and case.same(value[here], overlap) else None


@detector("clipped", stage="value")
def clipped(case: Case) -> Iterator[Hypothesis]:
    """U is T scaled to a norm that is a round number."""
    norms = [float(np.linalg.norm(case.claimed(trial))) for trial in case.trials]
    norm = norms[0]
    if norm > 0 and all(abs(other - norm) <= 1e-6 * norm for other in norms) and float(f"{norm:.2g}") == round(norm, 7):
        yield Hypothesis(
            "clipped",
            f"{case.label} is clipped: it points the right way, and its norm is {norm:.2g} at every point. "
            "Clip outside of the gradient.",
            lambda t: case.true(t) * norm / np.linalg.norm(case.true(t)),
            exact=True,
        )
