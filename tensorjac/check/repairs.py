"""A claim made right by one small change of its text, or of the source of a person's function.

A copy of the source is changed and run; the function itself is left as it is. This finds the line at fault, and says
what to write there.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import TensorjacError
from ..notation import is_index_notation
from .cases import Array, Case
from .claims import Claim, edited_callable, edited_text
from .edits import Edit, edits, terms_left_out
from .questions import Arguments
from .sources import sources

SECONDS = 5.0
"""How long changes of one claim are tried, in seconds of CPU time; each takes as long as the claim itself."""

BRIEF = 0.3
"""The same for claims that are right."""

Making = Callable[[ast.Module, Sequence[str]], Iterator[Edit]]


@dataclass(frozen=True)
class Repair:
    """A change that makes a claim right."""

    edit: Edit
    where: str

    @property
    def cause(self) -> str:
        return self.edit.cause

    @property
    def said(self) -> str:
        """The change, in the person's own words."""
        before, after = _short(self.edit.before), _short(self.edit.after)
        if after == "pass":
            return f"{self.where}leaving out `{before}` makes it right"
        return f"{self.where}`{after}` in the place of `{before}` makes it right"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 70 else f"{line[:67]}…"


def repair(case: Case, seconds: float = SECONDS) -> Repair | None:
    """The first change that makes the claim right at every trial, if it is found in time.

    One function gives many gradients: what is tried for one of them is looked at for all.
    """
    return _search(case).continued(case.target.wrt, seconds)


def told(case: Case, mended: Repair, cause: str) -> None:
    """Remember what was said of a change that mends one gradient: another that it mends needs no other words."""
    _search(case).told = mended, cause


def mended_before(case: Case) -> tuple[Repair, str] | None:
    """The change that was said to mend another gradient of the same claim, if it mends this one, and the cause."""
    search = _search(case)
    same = search.told is not None and search.found.get(case.target.wrt) is search.told[0]
    return search.told if same else None


def _search(case: Case) -> _Search:
    key = ("repairs", id(case.claim))
    if key not in case.question.memory:
        case.question.memory[key] = _Search(case, _changed(case))
    return case.question.memory[key]  # type: ignore[no-any-return]


@dataclass
class _Search:
    """Changes of one claim, tried one after the other, and the first that mends each of its gradients."""

    case: Case
    changes: Iterator[tuple[Claim | None, Edit, str]]
    found: dict[Arguments, Repair] = field(default_factory=dict)
    told: tuple[Repair, str] | None = None
    spent: float = 0.0

    def continued(self, wrt: Arguments, seconds: float) -> Repair | None:
        """The first change that mends one gradient, searched for until so many seconds are spent in all."""
        while wrt not in self.found and self.spent < seconds:
            start = time.process_time()
            changed = next(self.changes, None)
            if changed is None:
                return None
            claim, edit, where = changed
            mended = [] if claim is None else self._mended(claim)
            self.found = {**dict.fromkeys(mended, Repair(edit, where)), **self.found}
            self.spent += time.process_time() - start
        return self.found.get(wrt)

    def _mended(self, claim: Claim) -> list[Arguments]:
        """Which gradients a claim gives rightly at every trial."""
        left = [target.wrt for target in claim.targets]
        for trial in self.case.trials:
            try:
                values = claim(_copied(trial.args))
            except TensorjacError:  # a change may return something else
                return []
            left = [wrt for wrt in left if self._is_right(values.get(wrt), trial.truth(wrt))]
            if not left:
                break
        return left

    def _is_right(self, value: Any, true: Array) -> bool:
        return isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and self.case.same(value, true)


def idle_term(case: Case) -> str | None:
    """A term of a right claim that is identically zero: leaving it out changes nothing. What is said about it.

    That the term is computed and used at all is seen from NaN in its place, which must show; and that it is zero, and
    not only of no effect, as the maximum that a softmax subtracts, from a quotient that is infinite elsewhere.
    """
    until = time.process_time() + BRIEF
    idle: tuple[Edit, str] | None = None
    written = case.claim.source is None
    for claim, edit, where in _changed(case, terms_left_out):
        if time.process_time() > until:
            return None
        if edit.cause == "extra-term":
            same = claim is not None and _left_out(edit) is not None and _unchanged(case, claim)
            idle = (edit, where) if same else None
        elif edit.cause == "unknown":
            idle = idle if written or (claim is not None and _shows(case, claim)) else None
        elif idle is not None and claim is not None and _unchanged(case, claim):
            term = _short(_left_out(idle[0]) or "")
            sure = "for all sizes" if written else "at every point that was tried"
            return f"{idle[1]}the term `{term}` is identically zero, {sure}: it may be left out"
    return None


def _unchanged(case: Case, claim: Claim) -> bool:
    """Whether two claims give the same values for all their targets at all trials."""
    for trial in case.trials:
        before, after = case.claim(_copied(trial.args)), claim(_copied(trial.args))
        for wrt, value in before.items():
            other = after.get(wrt)
            if value is None and other is None:
                continue
            if not isinstance(value, np.ndarray) or not isinstance(other, np.ndarray) or not case.same(value, other):
                return False
    return True


def _shows(case: Case, claim: Claim) -> bool:
    """Whether some value of a claim is not a number."""
    values = claim(_copied(case.trials[0].args)).values()
    return any(isinstance(value, np.ndarray) and not np.all(np.isfinite(value)) for value in values)


def _copied(args: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in args.items()}


def _left_out(edit: Edit) -> str | None:
    """What an edit left out of a sum; None for a number or a name, which may be too small to be seen."""
    whole = ast.parse(edit.before, mode="eval").body
    if not isinstance(whole, ast.BinOp):
        return None
    gone = whole.right if ast.unparse(whole.left) == edit.after else whole.left
    return None if isinstance(gone, ast.Constant | ast.Name) else ast.unparse(gone)


def _changed(case: Case, made: Making = edits) -> Iterator[tuple[Claim | None, Edit, str]]:
    """Claims with one change each."""
    claim = case.claim
    if claim.source is None:
        if claim.text is None or is_index_notation(claim.text):
            return
        try:
            tree = ast.parse(claim.text.strip())
        except SyntaxError:
            return
        for edit in made(tree, _names_in(case)):
            yield edited_text(case.question, case.target, ast.unparse(edit.tree)), edit, ""
        return
    for make, tree, names, offset in sources(claim.source):
        for edit in made(tree, names):
            fun = make(edit.tree)
            if fun is not None:
                where = f"line {edit.line + offset}: " if edit.line + offset > 0 else ""
                yield edited_callable(case.claim, case.question, fun), edit, where


def _names_in(case: Case) -> tuple[str, ...]:
    return (*case.question.shapes, *case.question.cotangents)
