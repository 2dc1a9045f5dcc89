"""The verbs: a function, a claim about its derivative, and what is to be said about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ShapeError, TraceError
from ..function import Function
from . import detectors
from .behaviour import probed, upstream
from .cases import Array, Case
from .claims import Claim, Raised, claims
from .conventions import undeclared
from .fixed import at_fixed_sizes
from .layouts import OURS, other_layout
from .naming import diagnose, wrong
from .opaque import Opaque
from .points import size_names
from .proofs import proved
from .questions import Kind, Question
from .repairs import idle_term
from .report import Finding, Report
from .scaling import along_a_term, scaling
from .special import at_point, at_zero, plain_point, vacuous
from .squares import said_about_sizes, square
from .trials import Setting, Trial
from .verdicts import Judgement, judge

Derivable = Function | Opaque

# Causes that say little where sizes are made equal only to run a claim at all.
WEAK = frozenset({None, "option", "rank-one-vector", "wrong-operand", "exponent"})

# Causes that are seen without the derivation, and say little where there is one.
FROM_OUTSIDE = frozenset({None, "option", "rank-one-vector", "penalty", "another-loss"})

__all__ = ["check_grad", "check_hessian", "check_jacobian", "check_vjp", "detectors"]


def check_vjp(
    F: Derivable,
    backward: Any,
    *,
    at: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
    symmetric: Iterable[str] = (),
    domain: Mapping[str, str] | None = None,
) -> Report:
    """Check gradients ∂L/∂input, given the cotangents ``G`` of the outputs.

    ``backward`` is a callable ``(X, A, G) -> (dX, dA)``, or a dict from inputs to texts or callables.

    >>> import tensorjac as tj
    >>> F = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
    >>> bool(tj.check_vjp(F, lambda X, A, G: (G @ A.T, X.T @ G)))
    True
    >>> print(tj.check_vjp(F, {"A": "G.T @ X"}).findings[0].message)
    dA is transposed: you return `G.T @ X`, which is (X.T @ G).T.
    """
    return _check(F, "vjp", backward, at, sizes, seed, symmetric, domain)


def check_grad(
    F: Derivable,
    gradient: Any,
    *,
    at: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
    symmetric: Iterable[str] = (),
    domain: Mapping[str, str] | None = None,
) -> Report:
    """Check gradients of a scalar function: as :func:`check_vjp`, without a cotangent.

    >>> import tensorjac as tj
    >>> F = tj.trace(lambda A, x: x @ A @ x, A="n n", x="n")
    >>> tj.check_grad(F, {"x": "A @ x + A.T @ x"}).findings[0].verdict
    'right'
    """
    return _check(F, "grad", gradient, at, sizes, seed, symmetric, domain)


def check_jacobian(
    F: Derivable,
    jacobian: Any,
    *,
    at: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
    symmetric: Iterable[str] = (),
    domain: Mapping[str, str] | None = None,
) -> Report:
    """Check Jacobians, of shape output + input; where a claim has another layout, the report says which.

    >>> import tensorjac as tj
    >>> F = tj.trace(lambda A, x: A @ x, A="m n", x="n")
    >>> print(tj.check_jacobian(F, {"x": "A.T"}).findings[0].message)
    ∂Y/∂x is right in the denominator layout (input axes first); this package puts output axes first.
    """
    return _check(F, "jacobian", jacobian, at, sizes, seed, symmetric, domain)


def check_hessian(
    F: Derivable,
    hessian: Any,
    *,
    at: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
    symmetric: Iterable[str] = (),
    domain: Mapping[str, str] | None = None,
) -> Report:
    """Check Hessians of a scalar function, by one input or by two.

    >>> import tensorjac as tj
    >>> F = tj.trace(lambda A, x: x @ A @ x, A="n n", x="n")
    >>> bool(tj.check_hessian(F, {("x", "x"): "A + A.T"}))
    True
    """
    return _check(F, "hessian", hessian, at, sizes, seed, symmetric, domain)


def _check(
    F: Derivable,
    kind: Kind,
    claimed: Any,
    at: Mapping[str, Any] | None,
    sizes: Mapping[str, int] | None,
    seed: int,
    symmetric: Iterable[str],
    domain: Mapping[str, str] | None,
) -> Report:
    question = Question(F, kind, symmetric)
    at = {name: np.asarray(value) for name, value in (at or {}).items()}
    domain = dict(domain or {})
    _check_names(question, at, domain, sizes or {})
    held = {name: array for name, array in at.items() if array.dtype.kind in "biu" and name in question.shapes}
    whole = [*held, *(name for name, what in domain.items() if what.startswith("index"))]
    given = claims(question, claimed, whole)
    wanted = [target.wrt for claim in given for target in claim.targets]
    setting = Setting(question, {**(sizes or {}), **_sizes_of(question, held)}, domain, held, seed)
    trials, _ = setting.trials(wanted)
    point = setting.at(at) if at else None
    findings: list[Finding] = []
    notes: list[str] = [*plain_point(point, at)] if point is not None else []
    for claim in given:
        findings += _examined(claim, trials, point, setting, notes)
    return Report(tuple(findings), _subject(question), _precision(question), tuple(dict.fromkeys(notes)))


def _check_names(
    question: Question, at: Mapping[str, Any], domain: Mapping[str, str], sizes: Mapping[str, int]
) -> None:
    known = size_names(question.shapes)
    for name in sizes:
        if name not in known:
            raise ShapeError(f"sizes= gives numbers to sizes, and {name} is none: choose from {', '.join(known)}.")
    for option, names in (("at", at), ("domain", domain)):
        unknown = [name for name in names if name not in question.shapes and name not in question.cotangents]
        if unknown:
            raise TraceError(
                f"{option}= names inputs, and {', '.join(unknown)} is none: choose from {', '.join(question.shapes)}."
            )


def _sizes_of(question: Question, held: Mapping[str, Array]) -> dict[str, int]:
    return {
        dim.name: size
        for name, array in held.items()
        for dim, size in zip(question.shapes[name], array.shape, strict=False)
        if dim.name is not None
    }


def _subject(question: Question) -> str:
    what = {"vjp": "the VJP of", "grad": "the gradient of", "jacobian": "the Jacobian of", "hessian": "the Hessian of"}
    text = str(question.function) if question.exact else repr(question.function)
    return f"{what[question.kind]} {text if len(text) < 80 and len(text.splitlines()) == 1 else 'this function'}"


def _precision(question: Question) -> str:
    if question.exact:
        return "the truth is exact: derived, and evaluated in float64."
    return "the truth is numeric: complex steps where finite differences agree, else these, extrapolated."


# One claim --------------------------------------------------------------------------------------------------------


def _examined(
    claim: Claim, trials: Sequence[Trial], point: Trial | None, setting: Setting, notes: list[str]
) -> list[Finding]:
    """The findings about all targets of one claim; what is worth a note is added to ``notes``."""
    question = setting.question
    values = [claim({name: array.copy() for name, array in trial.args.items()}) for trial in trials]
    raised = next((one for value in values for one in value.values() if isinstance(one, Raised)), None)
    if raised is not None:
        return _raised([Case(question, target, claim, trials) for target in claim.targets], raised, setting)
    findings = list(probed(claim, trials[0]))
    if any(finding.cause == "not-repeatable" for finding in findings):
        return findings
    claimed = [target for target in claim.targets if any(value.get(target.wrt) is not None for value in values)]
    for target in claimed:
        case = Case(question, target, claim, trials)
        found = _about(case, setting)
        if all(finding.verdict == "right" for finding in found):
            found = (at_point(case, point) if point is not None else []) or found
            notes += [note for note in (at_zero(case),) if note]
        notes += vacuous(case, setting.sizes)
        findings += found
    if len(claim.targets) > 1 and claimed and all(finding.verdict == "right" for finding in findings):
        idle = idle_term(Case(question, claimed[0], claim, trials))
        notes += [] if idle is None else [f"{idle} (zero-term)."]
    return findings


def _about(case: Case, setting: Setting) -> list[Finding]:
    """The findings about one target, at generic points."""
    if _fits(case):
        judgements = [_judged(case, trial) for trial in case.trials]
        verdicts = [judgement.verdict for judgement in judgements]
        if "wrong" not in verdicts:
            unclear = "undecided" in verdicts
            return [_undecided(case, judgements[verdicts.index("undecided")]) if unclear else _right(case)]
        convention = undeclared(case, setting.domain)
        if convention is not None:
            return [convention]
    layout = other_layout(case)
    if layout is not None:
        message = f"{case.label} is right in {layout}; {OURS}."
        return [Finding(case.target.argument, "right", message, "layout")]
    ignored = upstream(case)
    found = [ignored] if ignored is not None else diagnose(case)
    if found[0].cause == "shape":
        return _at_equal_sizes(case, None, setting) or found
    inside = _from_inside(case, setting) if found[0].cause in FROM_OUTSIDE else []
    if inside or found[0].cause is not None:
        return inside or found
    facts = (*along_a_term(case), *scaling(case, setting))
    return [replace(found[0], evidence=(*found[0].evidence, *facts)), *found[1:]]


def _from_inside(case: Case, setting: Setting) -> list[Finding]:
    """The cause that shows when a black box is traced after all, if one does."""
    fixed = at_fixed_sizes(case, setting)
    found = [] if fixed is None else diagnose(fixed)
    return found if found and found[0].cause not in FROM_OUTSIDE else []


def _fits(case: Case) -> bool:
    return all(case.claimed(trial).shape == case.true(trial).shape for trial in case.trials)


def _judged(case: Case, trial: Trial) -> Judgement:
    true = case.true_at if case.question.exact else None
    return judge(case.claimed_near, true, trial.args, case.true(trial), trial.error(case.target.wrt))


def _raised(cases: Sequence[Case], raised: Raised, setting: Setting) -> list[Finding]:
    """What is said about a claim that has no value: what is wrong at equal sizes, or what it raised."""
    found = [finding for case in cases for finding in _at_equal_sizes(case, raised, setting)]
    if found:
        return found
    case = cases[0]
    if isinstance(raised.error, ShapeError):
        message = f"{case.label}: the sizes in {case.yours} do not fit each other{case.instead}.\n{raised.error}"
        return [wrong(case, "shape", message)]
    sizes = ", ".join(f"{name}={size}" for name, size in case.trials[0].sizes.items())
    about = ", ".join(case.target.argument for case in cases)
    return [Finding(about, "wrong", f"at {sizes} your function raises {raised}.", "raises")]


def _at_equal_sizes(case: Case, raised: Raised | None, setting: Setting) -> list[Finding]:
    """The cause that shows where all sizes are equal, if one does."""
    equal = square(case, setting)
    found = [] if equal is None else diagnose(equal)
    if not found or found[0].cause in WEAK:
        return []
    return [replace(found[0], evidence=(*found[0].evidence, said_about_sizes(case.claim, raised))), *found[1:]]


def _undecided(case: Case, judgement: Judgement) -> Finding:
    much = f"{case.label} differs from the true value by up to {judgement.difference:.2g}"
    message = f"{much}, and this point does not decide: {judgement.reason}."
    return Finding(case.target.argument, "undecided", message)


def _right(case: Case) -> Finding:
    sure = "for all sizes (proved)" if proved(case) else f"at {len(case.trials)} random points"
    idle = idle_term(case) if len(case.claim.targets) == 1 else None
    if idle is not None:
        message = f"{case.label} is right, {sure}. {idle[0].upper()}{idle[1:]}."
        return Finding(case.target.argument, "right", message, "zero-term")
    return Finding(case.target.argument, "right", f"{case.label} is right, {sure}.")
