"""A claim probed as a function: does it repeat, does it change its arguments, is it linear in the cotangent?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .cases import Case
from .claims import Claim, Raised, as_array
from .naming import wrong
from .questions import Arguments
from .report import Finding
from .trials import Trial

Array = np.ndarray[Any, Any]
Values = Mapping[Arguments, Any]


def probed(claim: Claim, trial: Trial) -> Iterator[Finding]:
    """Findings about a callable itself: arguments changed in place, and calls that do not repeat."""
    if not claim.callable:
        return
    args = {name: array.copy() for name, array in trial.args.items()}
    first = _copied(claim(args))
    for name, array in args.items():
        if not np.array_equal(array, trial.args[name], equal_nan=True):
            yield Finding(
                name,
                "wrong",
                f"your function changes {name} in place: a second call, and whatever else uses {name}, gets another "
                f"array; work on a copy, {name} = {name}.copy().",
                "in-place",
                (f"{name} differs after the call",),
            )
    second = _copied(claim({name: array.copy() for name, array in trial.args.items()}))
    about = ", ".join(target.argument for target in claim.targets)
    if not _equal(first, second) and _forward_drifts(claim, trial):
        yield Finding(
            about,
            "undecided",
            "the forward function gives another result at each call: draw random numbers outside, and pass them in "
            "as an input.",
            "not-repeatable",
        )
    elif not _equal(first, second):
        yield Finding(
            about,
            "wrong",
            "two calls with the same arguments give different gradients: draw random numbers in the forward function, "
            "and pass them on.",
            "not-repeatable",
        )
    elif (again := getattr(claim.source, "again", None)) is not None:
        third = _copied(claim.split(again(*(array.copy() for array in trial.args.values()))))
        if not _equal(first, third):
            yield Finding(
                about,
                "wrong",
                "your backward function changes the cache: a second call with the same cache gives another answer; "
                "work on copies of what the cache holds.",
                "in-place",
            )


def _forward_drifts(claim: Claim, trial: Trial) -> bool:
    """Whether the forward function that fills a cache draws random numbers."""
    forward = getattr(claim.source, "run_forward", None)
    if forward is None:
        return False
    args = [trial.args[name] for name in trial.question.shapes]
    first, second = (tuple(forward(*(np.array(one) for one in args)))[:-1] for _ in range(2))
    return not all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def _copied(values: Values) -> dict[Arguments, Any]:
    return {
        wrt: value if value is None or isinstance(value, Raised) else np.array(as_array(value))
        for wrt, value in values.items()
    }


def _equal(first: Values, second: Values) -> bool:
    for wrt, value in first.items():
        other = second.get(wrt)
        if isinstance(value, np.ndarray) and isinstance(other, np.ndarray):
            if value.shape != other.shape or not np.allclose(value, other, rtol=1e-12, atol=0, equal_nan=True):
                return False
        elif type(value) is not type(other):
            return False
    return True


def upstream(case: Case) -> Finding | None:
    """Whether the claim ignores the cotangent, or depends on it other than linearly."""
    trial, names = case.trials[0], case.question.cotangents
    if not names or not np.any(case.claimed(trial)) or case.ratio(case.claimed(trial), case.true(trial)) is not None:
        return None
    value = case.claimed(trial).astype(float)
    doubled = case.claimed_at({**trial.args, **{name: 2 * trial.args[name] for name in names}})
    other = case.claimed_at({**trial.args, **{name: trial.args[name][...] * 0 for name in names}})
    if not isinstance(doubled, np.ndarray) or not isinstance(other, np.ndarray) or doubled.shape != value.shape:
        return None
    listed = " and ".join(names)
    if case.same(doubled.astype(float), value) and case.same(other.astype(float), value):
        return wrong(case, "upstream", f"{case.label} ignores {_ignored(case, names)}{case.instead}.")
    if case.claimed(trial).dtype.kind in "biu":
        return None
    if (case.same(doubled.astype(float), 2 * value) and _additive(case, value)) or not np.all(np.isfinite(doubled)):
        return None
    if other.shape == value.shape and np.any(other) and case.same(doubled - other, 2 * (value - other)):
        along = next((name for name in case.question.shapes if _is_along(case, other, name)), None)
        if along is not None:
            message = f"{case.label} has a term along {along}, a penalty perhaps, that the function does not have"
            return wrong(
                case, "penalty", f"{message}{case.instead}.", (f"at {listed} = 0 it is a multiple of {along}",)
            )
        return wrong(
            case,
            "upstream",
            f"{case.label} has a part that does not depend on {listed}: {listed} is added, where it should be a factor"
            f"{case.instead}.",
            (f"at {listed} = 0 it is not 0",),
        )
    return wrong(
        case,
        "upstream",
        f"{case.label} is not linear in {listed}, as every gradient is: twice the cotangent does not give twice the "
        f"gradient{case.instead}.",
    )


def _additive(case: Case, value: Array) -> bool:
    """Whether the gradients for two cotangents add up."""
    trial, names = case.trials[0], case.question.cotangents
    rng = np.random.default_rng(0)
    more = {name: np.asarray(rng.normal(size=trial.args[name].shape)) for name in names}
    one = case.claimed_at({**trial.args, **more})
    both = case.claimed_at({**trial.args, **{name: trial.args[name] + more[name] for name in names}})
    if not isinstance(one, np.ndarray) or not isinstance(both, np.ndarray):
        return True
    return case.same(both.astype(float), value + one)


def _is_along(case: Case, value: Array, name: str) -> bool:
    return case.ratio(value.astype(float), case.trials[0].args[name].astype(float)) is not None


def _ignored(case: Case, names: tuple[str, ...]) -> str:
    """What is said about a claim that does not use its cotangent: whether it is right for ones."""
    trial = case.trials[0]
    ones = {name: np.ones_like(trial.args[name]) for name in names}
    value = case.true_at({**trial.args, **ones})
    listed = " and ".join(names)
    right = case.same(case.claimed(trial), value)
    return f"the cotangent: it is right only where {listed} is 1 everywhere" if right else f"the cotangent {listed}"
