"""``check_steps``: a derivation, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import NotationError
from .derivation.explaining import explain
from .derivation.proving import Comparison, Setting
from .derivation.steps import Derivation, Step
from .derivation.text import Place, line_number, read_block
from .report import Finding, Report


def check_steps(
    text: str,
    /,
    *,
    at: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
    symmetric: Iterable[str] = (),
    domain: Mapping[str, str] | None = None,
    **shapes: Any,
) -> Report:
    """Check that each line of a derivation follows from the one before: one finding per ``=``.

    Lines may be in paper notation, NumPy text or index notation; shapes are given as keywords or in lines of their
    own, ``X: b m``. A name that is new on a left side is defined; ``∂L/∂A`` is a derivative, and ``dY`` the
    differential of Y, in which everything varies whose differential is written anywhere in the text.

    >>> import tensorjac as tj
    >>> right = '''
    ... Y = X A
    ... dY = dX A + X dA
    ... dL = tr(Gᵀ dY)
    ... ∂L/∂A = Xᵀ G
    ... '''
    >>> bool(tj.check_steps(right, X="b m", A="m n", G="b n"))
    True
    >>> wrong = tj.check_steps("L = xᵀ A x; dL = 2 dxᵀ A x", x="n", A="n n")
    >>> wrong.findings[1].cause, wrong.findings[1].argument
    ('step', 'line 1')
    """
    held = {name: np.asarray(value) for name, value in (at or {}).items()}
    setting = Setting(dict(sizes or {}), held, dict(domain or {}), seed)
    return examined(text, setting, shapes, tuple(symmetric))


def examined(
    text: str,
    setting: Setting,
    shapes: Mapping[str, Any],
    symmetric: tuple[str, ...] = (),
    place: Place = line_number,
) -> Report:
    """The report about a derivation; ``place`` says where its lines are."""
    derivation = Derivation(read_block(text, place), shapes, setting, symmetric)
    findings = tuple(finding_of(derivation, step) for step in derivation.steps())
    if not findings:
        raise NotationError(f"{place(1)}: a derivation has at least one =, and here is none: write one.")
    return Report(findings, _subject(findings), "", tuple(_notes(derivation)))


def finding_of(derivation: Derivation, step: Step) -> Finding:
    """What is to be said about one step."""
    place = derivation.block.place(step.right.line)
    said = f"{step.left.text} = {step.right.text}"
    if step.fault is None and step.defined and step.after is not None:
        return Finding(place, "right", f"{said}   defines {step.defined}.")
    if step.fault is None and step.comparison is None and (step.before is None or step.after is None):
        return Finding(place, "undecided", f"{said}   is not compared: it rests on a side that is no formula.")
    comparison = step.comparison
    if step.fault is None and comparison is not None and comparison.verdict in ("proved", "seen"):
        return Finding(place, "right", f"{said}   {_basis(comparison)}")
    if comparison is not None and comparison.verdict == "undecided":
        return Finding(place, "undecided", f"{said}   {_basis(comparison)}")
    if step.condition:
        follows = f"it may follow from the condition on {step.condition}, which is not used"
        own = step.condition == "itself"
        basis = "does not hold everywhere: it is taken as a condition." if own else f"is not decided: {follows}."
        return Finding(place, "undecided", f"{said}   {basis}")
    found = explain(derivation.reader, step, derivation.setting)
    if step.fault is not None and found.cause in ("shape", "step"):
        return Finding(place, "wrong", found.message, found.cause)
    line = derivation.block.lines[step.right.line - 1]
    start = step.right.column
    marked = f"  {line.strip()}\n  {' ' * (start - (len(line) - len(line.lstrip())))}{'^' * len(step.right.text)}"
    return Finding(place, "wrong", f"{marked}\n{found.message}", found.cause, found.evidence)


def _basis(comparison: Comparison) -> str:
    """How it is known."""
    if comparison.verdict == "proved":
        return "proved for all sizes."
    if not comparison.trials:
        return "is not decided: no point was found at which both sides are finite."
    gap = max(trial.gap for trial in comparison.trials)
    if comparison.verdict == "seen":
        return f"seen at {len(comparison.trials)} random points, to within {gap:.0e}; not proved."
    return f"is not decided: at random points the sides differ by {gap:.0e}, which may be rounding."


def _subject(findings: tuple[Finding, ...]) -> str:
    wrong = next((finding for finding in findings if finding.verdict == "wrong"), None)
    if wrong is not None and wrong.cause == "shape":
        return f"the shapes on {wrong.argument} do not fit"
    if wrong is not None:
        return f"{wrong.argument} does not follow from the one before"
    return f"a derivation in {len(findings)} step{'s' * (len(findings) > 1)}"


def _notes(derivation: Derivation) -> Iterable[str]:
    """What was taken for granted: gradients, and inputs that were held fixed where what depends on them changed."""
    yield from derivation.notes
    held = sorted(derivation.held())
    if held:
        one = len(held) == 1
        said = f"{', '.join(held)} {'is' if one else 'are'} held fixed"
        yield f"{said}: no differential of {'it' if one else 'them'} is written."
