"""Causes that show in the shape of a gradient."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

import numpy as np

from ..cases import Array, Case, axis_name, shape_text
from ..causes import Hypothesis, detector
from ..trials import Trial


@detector("transposed", stage="shape")
def transposed(case: Case) -> Iterator[Hypothesis]:
    """U = T with its axes in another order."""
    rank = case.true(case.trials[0]).ndim
    for order in itertools.permutations(range(rank)):
        if order == tuple(range(rank)):
            continue
        yield Hypothesis("transposed", transposed_message(case, order), partial(turned, case, order))


def turned(case: Case, order: tuple[int, ...], trial: Trial) -> Array:
    """The true value with its axes in another order."""
    return case.true(trial).transpose(order)


def transposed_message(case: Case, order: tuple[int, ...]) -> str:
    """What to do about a gradient whose axes stand in this order."""
    back = tuple(int(k) for k in np.argsort(order))
    turn = ".T" if order == tuple(reversed(range(len(order)))) else f".transpose({', '.join(map(str, back))})"
    if case.formula and len(order) == 2 and " = " not in case.formula:
        return f"{case.label} is transposed: you return {_own(case)}, which is ({case.formula}).T."
    return f"{case.label} is transposed: take {_own(case)} with {turn}{case.instead}."


def _own(case: Case) -> str:
    return case.yours if case.yours.startswith("`") else "it"


@detector("not-summed", stage="shape")
def not_summed(case: Case) -> Iterator[Hypothesis]:
    """U has more axes, or longer ones, than T: summed over them it is T."""
    trial = case.trials[0]
    value, true = case.claimed(trial), case.true(trial)
    for count in range(1, value.ndim + 1):
        for axes in itertools.combinations(range(value.ndim), count):
            for keep in (False, True):
                summed = value.sum(axis=axes, keepdims=keep)
                if summed.shape == true.shape and case.ratio(summed, true) is not None:
                    yield _unsummed(case, axes, keep)


def _unsummed(case: Case, axes: tuple[int, ...], keep: bool) -> Hypothesis:
    trial = case.trials[0]
    shape = case.claimed(trial).shape
    names = " and ".join(axis_name(shape[axis], trial) for axis in axes)
    which = f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"
    call = f"sum(axis={axes[0] if len(axes) == 1 else axes}{', keepdims=True' if keep else ''})"

    def value(t: Trial) -> Array | None:
        own = case.claimed(t)
        if own.ndim != len(shape):
            return None
        summed = own.sum(axis=axes, keepdims=keep)
        ratio = case.ratio(summed, case.true(t))
        return None if ratio is None else own / ratio

    message = f"{case.label} was not summed over {names}: its sum over {which} is right; write .{call}{case.instead}."
    return Hypothesis("not-summed", message, value, (f"it has shape {shape_text(shape, trial)}",))


@detector("over-summed", stage="shape")
def over_summed(case: Case) -> Iterator[Hypothesis]:
    """U is T summed over one or more of its axes."""
    rank = case.true(case.trials[0]).ndim
    for count in range(1, rank + 1):
        for axes in itertools.combinations(range(rank), count):
            for keep in (False, True):
                names = " and ".join(case.axes(case.trials[0])[axis] for axis in axes)
                yield Hypothesis(
                    "over-summed",
                    f"{case.label} is summed over {names}, an axis of the input: leave the sum out{case.instead}.",
                    partial(_summed, case, axes, keep),
                )


def _summed(case: Case, axes: tuple[int, ...], keep: bool, trial: Trial) -> Array:
    return np.asarray(case.true(trial).sum(axis=axes, keepdims=keep))


@detector("padding", stage="shape")
def padding(case: Case) -> Iterator[Hypothesis]:
    """U holds T with a border, or T holds U with one."""
    trial = case.trials[0]
    value, true = case.claimed(trial), case.true(trial)
    if value.ndim != true.ndim or 0 in value.shape:
        return
    outer, inner = (value, true) if value.size > true.size else (true, value)
    if any(big < small for big, small in zip(outer.shape, inner.shape, strict=True)):
        return
    for offset in itertools.product(*(range(b - s + 1) for b, s in zip(outer.shape, inner.shape, strict=True))):
        window = tuple(slice(o, o + s) for o, s in zip(offset, inner.shape, strict=True))
        if case.same(outer[window], inner):
            own = "still has" if outer is value else "lacks"
            yield Hypothesis(
                "padding",
                f"{case.label} {own} a border: the right gradient is its part from {offset} on"
                if outer is value
                else f"{case.label} lacks a border: it is the part of the right gradient from {offset} on",
                lambda t: case.claimed(t) if _contains(case, t) else None,
                exact=True,
            )


def _contains(case: Case, trial: Trial) -> bool:
    value, true = case.claimed(trial), case.true(trial)
    outer, inner = (value, true) if value.size > true.size else (true, value)
    if any(big < small for big, small in zip(outer.shape, inner.shape, strict=True)):
        return False
    offsets = itertools.product(*(range(b - s + 1) for b, s in zip(outer.shape, inner.shape, strict=True)))
    windows = (tuple(slice(o, o + s) for o, s in zip(offset, inner.shape, strict=True)) for offset in offsets)
    return any(case.same(outer[window], inner) for window in windows)


@detector("shape", stage="shape")
def reshaped(case: Case) -> Iterator[Hypothesis]:
    """U holds the right numbers in the right order, in another shape."""
    trial = case.trials[0]
    shape = case.claimed(trial).shape
    yield Hypothesis(
        "shape",
        f"{case.label} holds the right numbers in another shape, {shape_text(shape, trial)}: "
        f"reshape it to {shape_text(case.true(trial).shape, trial)}.",
        lambda t: case.true(t).reshape(case.claimed(t).shape) if case.true(t).size == case.claimed(t).size else None,
    )


@detector("copied", stage="shape")
def copied(case: Case) -> Iterator[Hypothesis]:
    """U is the gradient of another input."""
    yield from copies(case)


def copies(case: Case) -> Iterator[Hypothesis]:
    """The gradients of the other inputs."""
    if case.question.kind not in ("vjp", "grad"):
        return
    for name in case.question.shapes:
        if (name,) != case.target.wrt and case.trials[0].args[name].dtype.kind == "f":
            yield Hypothesis(
                "copied",
                f"{case.label} is the gradient of another input: what you return is d{name}{case.instead}.",
                partial(_of_other, name),
            )


def _of_other(name: str, trial: Trial) -> Array:
    return trial.truth((name,))
