"""Causes that show in which entries are wrong: repeated rows, masked entries, blocks of a pooling."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..trials import Trial


def _wrong(case: Case, trial: Trial) -> Array:
    true = case.true(trial)
    largest = max(float(np.max(np.abs(true), initial=0.0)), float(np.max(np.abs(case.claimed(trial)), initial=0.0)))
    return np.asarray(np.abs(case.claimed(trial) - true) > case.tolerance * largest)


@detector("repeated-index", stage="structure")
def repeated_index(case: Case) -> Iterator[Hypothesis]:
    """U - T is nonzero only in rows that an index array names more than once."""
    for name, arrays in _index_arrays(case).items():
        for axis in range(case.true(case.trials[0]).ndim):
            hits = [_only_repeated(case, t, array, axis) for t, array in zip(case.trials, arrays, strict=True)]
            if all(hit is not False for hit in hits) and any(hits):
                yield Hypothesis(
                    "repeated-index",
                    f"{case.label} is wrong only where {name} names a row more than once: the gradients of such a row "
                    f"add up; write np.add.at(out, {name}, G) instead of out[{name}] = G or out[{name}] += G.",
                    case.claimed,
                    (f"all other rows along axis {axis} are right",),
                    True,
                )


def _index_arrays(case: Case) -> dict[str, list[Array]]:
    """Arrays of whole numbers among the inputs and the constants, one per trial."""
    found = {
        name: [trial.args[name] for trial in case.trials]
        for name, array in case.trials[0].args.items()
        if array.dtype.kind in "iu" and array.size
    }
    constants = getattr(case.question.function, "constants", {})
    for name, array in constants.items():
        if array.size and array.dtype.kind in "iu" and np.all(array >= 0):
            found[name] = [array] * len(case.trials)
    return found


def _only_repeated(case: Case, trial: Trial, index: Array, axis: int) -> bool | None:
    """Whether the repeated rows are wrong, and no others; None where no row is repeated or wrong."""
    wrong = _wrong(case, trial)
    rows = np.flatnonzero(wrong.any(axis=tuple(k for k in range(wrong.ndim) if k != axis)))
    numbers, counts = np.unique(index, return_counts=True)
    repeated = set(numbers[counts > 1].tolist())
    if not len(rows) and not repeated:
        return None
    return set(rows.tolist()) == repeated and bool(np.max(index) < wrong.shape[axis])


@detector("mask", stage="structure")
def mask(case: Case) -> Iterator[Hypothesis]:
    """U has entries exactly where T is 0, and is right elsewhere."""
    if all(_extra(case, trial) for trial in case.trials):
        trial = case.trials[0]
        wrong = _wrong(case, trial)
        at = tuple(int(k) for k in np.argwhere(wrong)[0])
        yield Hypothesis(
            "mask",
            f"{case.label} has entries where the true gradient is 0, and is right elsewhere: "
            f"a mask is not applied{case.instead}.",
            case.claimed,
            (f"entry {at} is {case.claimed(trial)[at]:.4g} instead of 0",),
            True,
        )


def _extra(case: Case, trial: Trial) -> bool:
    true, wrong = case.true(trial), _wrong(case, trial)
    return bool(np.any(wrong)) and not np.any(true[wrong]) and bool(np.any(true[~wrong]))


@detector("pooling", "padding", "mask", stage="structure")
def dropped(case: Case) -> Iterator[Hypothesis]:
    """U is 0 on some entries, and T, up to a factor, on the others."""
    if not all(_dropped(case, trial) for trial in case.trials):
        return
    trial = case.trials[0]
    kept = ~_lost(case, trial)
    border = _is_border(~kept)
    cause = "padding" if border else "pooling" if _regular(~kept) else "mask"
    what = {
        "padding": "is 0 in the first or last entries along an axis: the border of a padding or a slice is lost",
        "pooling": "is 0 on all but one entry of each block: every entry that was read gets a gradient",
        "mask": "is 0 in entries where the true gradient is not: a mask is applied that the function does not have",
    }[cause]
    yield Hypothesis(
        cause,
        f"{case.label} {what}{case.instead}.",
        lambda t: np.where(_lost(case, t), 0.0, case.true(t)),
        (f"{int((~kept).sum())} of {kept.size} entries are 0, the others right",),
    )


def _lost(case: Case, trial: Trial) -> Array:
    return np.asarray((case.claimed(trial) == 0) & (case.true(trial) != 0))


def _dropped(case: Case, trial: Trial) -> bool:
    lost = _lost(case, trial)
    kept = np.where(lost, 0.0, case.true(trial))
    return bool(np.any(lost)) and bool(np.any(kept)) and case.ratio(case.claimed(trial).astype(float), kept) is not None


def _slabs(lost: Array) -> Iterator[tuple[int, Array]]:
    """Axes along which whole slabs are lost, and which."""
    for axis in range(lost.ndim):
        along = np.moveaxis(lost, axis, 0).reshape(lost.shape[axis], -1)
        if np.array_equal(along.any(axis=1), along.all(axis=1)) and not along.all():
            yield axis, np.asarray(along.all(axis=1))


def _is_border(lost: Array) -> bool:
    for _, gone in _slabs(lost):
        kept = np.flatnonzero(~gone)
        if gone.any() and np.all(np.diff(kept) == 1):
            return True
    return False


def _regular(lost: Array) -> bool:
    """Whether what is kept is a lattice: every k-th entry along each axis."""
    kept = np.argwhere(~lost)
    for axis in range(lost.ndim):
        steps = np.diff(np.unique(kept[:, axis]))
        if len(steps) and not np.all(steps == steps[0]):
            return False
    return len(kept) == np.prod([len(np.unique(kept[:, axis])) for axis in range(lost.ndim)])
