"""Claims whose sizes do not fit each other, looked at where all sizes are equal: there every product can be formed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..dims import Dim
from ..errors import TensorjacError
from .cases import Case
from .claims import Claim, Raised, merged
from .points import size_names
from .trials import Setting, Trial

SIZES = (4, 5, 3)


def square(case: Case, setting: Setting) -> Case | None:
    """The same case at equal sizes; None where the function or the claim does not run there either."""
    question = case.question
    names = size_names(question.shapes)
    if len(names) < 2:
        return None
    claim = merged(case.claim, question, case.target, dict.fromkeys(names, Dim.of("n")))
    if claim is None:
        return None
    trials = _trials(setting, names)
    if len(trials) < len(SIZES):
        return None
    found = Case(question, case.target, claim, trials)
    for trial in trials:
        value = found.claimed_at(trial.args)
        if value is None or isinstance(value, Raised) or value.shape != found.true(trial).shape:
            return None
        if not np.all(np.isfinite(value)):
            return None
    same = all(found.same(found.claimed(trial), found.true(trial)) for trial in trials)
    return None if same else found


def _trials(setting: Setting, names: Sequence[str]) -> list[Trial]:
    trials = []
    for k, size in enumerate(SIZES):
        try:
            trial = setting.trial_of(dict.fromkeys(names, size), 50 + k)
        except (TensorjacError, ValueError, ArithmeticError, LookupError):
            return []
        if trial is not None:
            trials.append(trial)
    return trials


def said_about_sizes(claim: Claim, raised: Raised | None) -> str:
    """Why the claim has no value at other sizes, in a few words."""
    what = f"`{claim.text}`" if claim.text else "your function"
    return f"{what} can be computed only where sizes are equal" + (f" ({raised})" if raised is not None else "")
