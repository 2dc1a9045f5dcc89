"""A claim made right by one small change of its text, or of the source of a person's function.

A copy of the source is changed and run; the function itself is left as it is. This finds the line at fault, and says
what to write there.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import numpy as np

from ..errors import TensorjacError
from ..notation import is_index_notation
from .cases import Array, Case
from .claims import Claim, edited_callable, edited_text
from .edits import Edit, edits, terms_left_out

SECONDS = 2.0
"""How long changes are tried, in seconds of CPU time; each takes as long as the claim itself."""

BRIEF = 0.3
"""The same for claims that are right."""

DEPTH = 2
"""How many calls deep a person's own functions are changed."""


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
        return f"{self.where}`{_short(self.edit.after)}` in the place of `{_short(self.edit.before)}` makes it right"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 70 else f"{line[:67]}…"


def repair(case: Case, seconds: float = SECONDS) -> Repair | None:
    """The first change that makes the claim right at every trial, if it is found in time."""
    until = time.process_time() + seconds
    for claim, edit, where in _changed(case):
        if time.process_time() > until:
            return None
        if claim is not None and _right(case, claim):
            return Repair(edit, where)
    return None


def idle_term(case: Case) -> str | None:
    """A term of a right claim that is identically zero: leaving it out changes nothing. What is said about it.

    That the term is computed and used at all is seen from NaN in its place, which must show.
    """
    until = time.process_time() + BRIEF
    idle: tuple[Edit, str] | None = None
    for claim, edit, where in _changed(case, terms_left_out):
        if time.process_time() > until:
            return None
        if edit.cause == "extra-term":
            same = claim is not None and _left_out(edit) is not None and _unchanged(case, claim)
            idle = (edit, where) if same else None
        elif idle is not None and (case.claim.source is None or (claim is not None and _shows(case, claim))):
            term = _short(_left_out(idle[0]) or "")
            sure = "for all sizes" if case.claim.source is None else "at every point that was tried"
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


def _right(case: Case, claim: Claim) -> bool:
    other = Case(case.question, case.target, claim, case.trials)
    for trial in case.trials:
        try:
            value = other.claimed_at(trial.args)
        except TensorjacError:
            return False
        if (
            not isinstance(value, np.ndarray)
            or value.dtype.kind not in "fiub"
            or not case.same(value, case.true(trial))
        ):
            return False
    return True


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
    for make, tree, names, offset in _sources(claim.source):
        for edit in made(tree, names):
            fun = make(edit.tree)
            if fun is not None:
                where = f"line {edit.line + offset}: " if edit.line + offset > 0 else ""
                yield edited_callable(case.claim, case.question, fun), edit, where


def _names_in(case: Case) -> tuple[str, ...]:
    return (*case.question.shapes, *case.question.cotangents)


# Sources ----------------------------------------------------------------------------------------------------------

Make = Callable[[ast.Module], Callable[..., Any] | None]


def _sources(fun: Callable[..., Any]) -> Iterator[tuple[Make, ast.Module, tuple[str, ...], int]]:
    """The functions that a claim consists of, outermost first: how to rebuild it, the tree, its names, its line."""
    inner = getattr(fun, "run_backward", None)
    if inner is not None and not isinstance(fun, FunctionType):
        for make, tree, names, line in _sources(inner):
            yield _within(fun, make), tree, names, line
        return
    if not isinstance(fun, FunctionType):
        return
    for function in _own_functions(fun):
        parsed = _parsed(function)
        if parsed is not None:
            tree, line = parsed
            yield _maker(fun, function), tree, _locals_of(function), line


def _within(fun: Any, make: Make) -> Make:
    def wrapped(tree: ast.Module) -> Callable[..., Any] | None:
        made = make(tree)
        return None if made is None else replace(fun, run_backward=made)

    return wrapped


def _own_functions(fun: FunctionType) -> Iterator[FunctionType]:
    """The function, and those of the same file that it calls by name."""
    seen: list[FunctionType] = [fun]
    level = [fun]
    for _ in range(DEPTH):
        found = []
        for one in level:
            for name in one.__code__.co_names:
                other = one.__globals__.get(name)
                if isinstance(other, FunctionType) and other.__code__.co_filename == fun.__code__.co_filename:
                    found += [other] if other not in seen else []
                    seen += found[-1:] if found and found[-1] not in seen else []
        level = found
    yield from seen


def _parsed(fun: FunctionType) -> tuple[ast.Module, int] | None:
    """The source of a function as a module with one definition, and its line less one."""
    try:
        lines, line = inspect.getsourcelines(fun)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return None
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == fun.__name__]
    if len(found) == 1 and not any(isinstance(n, ast.While | ast.Import | ast.With) for n in ast.walk(found[0])):
        found[0].decorator_list = []
        return ast.Module([found[0]], []), line - 1
    lambdas = [n for n in ast.walk(tree) if isinstance(n, ast.Lambda)]
    if fun.__name__ == "<lambda>" and len(lambdas) == 1:
        return ast.Module([ast.Expr(lambdas[0])], []), line - 1
    return None


def _locals_of(fun: FunctionType) -> tuple[str, ...]:
    return tuple(name for name in (*fun.__code__.co_varnames, *fun.__code__.co_freevars) if not name.startswith("_"))


def _maker(outer: FunctionType, inner: FunctionType) -> Make:
    def make(tree: ast.Module) -> Callable[..., Any] | None:
        scope = {"__builtins__": builtins, **inner.__globals__, **_closure(inner)}
        body = tree.body[0]
        try:
            if isinstance(body, ast.Expr):
                expression = ast.fix_missing_locations(ast.Expression(body.value))
                made = eval(compile(expression, "<changed>", "eval"), scope)
            else:
                exec(compile(ast.fix_missing_locations(tree), "<changed>", "exec"), scope)
                made = scope[inner.__name__]
        except Exception:  # a change may be no program at all
            return None
        made.__defaults__, made.__kwdefaults__ = inner.__defaults__, inner.__kwdefaults__
        if inner is outer:
            return made  # type: ignore[no-any-return]
        around = {**outer.__globals__, inner.__name__: made}
        return FunctionType(outer.__code__, around, outer.__name__, outer.__defaults__, outer.__closure__)

    return make


def _closure(fun: FunctionType) -> dict[str, Any]:
    cells = zip(fun.__code__.co_freevars, fun.__closure__ or (), strict=True)
    found = {}
    for name, cell in cells:
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found
