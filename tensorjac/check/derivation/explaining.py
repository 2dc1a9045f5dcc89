"""Why a step does not follow: what its sides differ by, and the change that would mend it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import ShapeError, TensorjacError
from ...normal import TooLarge, normal
from ...rewrites import add, assuming, contract
from ...terms import Sum, Term
from ..factors import recognise
from .abbreviating import abbreviated
from .proving import Setting, Trial, compare, form, proved
from .repairs import Repair, repair
from .scope import Scope
from .sides import Form, Reader
from .steps import Step, fitted
from .values import Value, negative
from .writing import written

FEW = 12  # changes that are tried at random points
LONG = 90  # characters of an expression that is shown
CLOSE = 1e-7


@dataclass(frozen=True)
class Explanation:
    """A cause, what to tell a person about it, and facts."""

    cause: str
    message: str
    evidence: tuple[str, ...] = ()


def explain(reader: Reader, step: Step, setting: Setting) -> Explanation:
    """The likely cause of a wrong step."""
    scaled = None if step.comparison is None else _scaled(step)
    if scaled is not None and scaled.cause != "factor":
        return Explanation(scaled.cause, scaled.message, tuple(_entries(step)))
    if step.fault is not None:
        return _faulty(step, _mended(reader, step))
    assert step.before is not None and step.after is not None
    left, right = step.before, step.after
    if step.comparison is None:
        return _misshapen(reader.scope, left, right, _mended(reader, step))
    evidence = tuple(_entries(step))
    terms = _terms(reader.scope, left, right)
    if terms is not None and terms.cause == "missing-term":
        return Explanation(terms.cause, terms.message, evidence)
    mended = _mended(reader, step) or _mended_as_seen(reader, step, setting)
    if mended is not None:
        return Explanation(mended.cause, _follows(mended), evidence)
    if terms is not None:
        return Explanation(terms.cause, terms.message, evidence)
    if scaled is not None:
        return Explanation(scaled.cause, scaled.message, evidence)
    difference = _difference(reader.scope, left, right)
    said = f"left minus right is {difference}" if difference else "the two sides differ"
    return Explanation("step", f"{said}.", evidence)


def _follows(mended: Repair) -> str:
    hints = {
        "transposed": "a transpose is missing, or one is too many",
        "product-order": "the factors stand in the wrong order",
        "term-sign": "a sign is wrong",
        "exponent": "an inverse is missing",
        "elementwise-jacobian": "∘ and the matrix product are taken for each other",
        "wrong-axis": "the sum runs over the wrong axis",
    }
    return f"{hints[mended.cause]}: `{mended.text}` would follow."


def _faulty(step: Step, mended: Repair | None) -> Explanation:
    if mended is None:
        return Explanation("shape" if isinstance(step.fault, ShapeError) else "step", str(step.fault))
    return Explanation(mended.cause, _follows(mended), (str(step.fault).partition("\n")[0].rstrip(":"),))


def _misshapen(scope: Scope, left: Value, right: Value, mended: Repair | None) -> Explanation:
    shapes = [_shape(value) for value in (left, right)]
    said = f"the left side is {shapes[0]}, and the right side is {shapes[1]}"
    for axis in right.axes:
        summed = Value(tuple(one for one in right.axes if one is not axis), contract(right.body, [axis]))
        if len(right.axes) > len(left.axes) and _alike(left, summed) and proved(scope, left, summed):
            return Explanation("not-summed", f"{said}: it is not summed over {axis.dim}.")
    cause = "transposed" if left.dims == right.dims[::-1] else "shape"
    if mended is not None:
        return Explanation(mended.cause, f"{said}: `{mended.text}` would follow.")
    return Explanation(cause, f"{said}.")


def _shape(value: Value) -> str:
    if not value.dims:
        return "a scalar"
    if len(value.dims) == 1:
        return f"{'a row' if value.kind == 'row' else 'a column'} of size {value.dims[0]}"
    return " × ".join(map(str, value.dims))


# A factor, a term, a small change


def _scaled(step: Step) -> Explanation | None:
    """One side is the other, times a number that is recognised."""
    assert step.comparison is not None
    trials = step.comparison.trials
    ratios = [_ratio(trial) for trial in trials]
    known = [ratio for ratio in ratios if ratio is not None]
    if len(known) < len(trials) or not known:
        return None
    factor = recognise(known, trials)
    if factor is None:
        return None
    if factor.text == "-1":
        return Explanation("sign", "the sign is wrong: the right side is minus the left one.")
    return Explanation(factor.cause, f"the right side is {factor.text} times the left one.")


def _ratio(trial: Trial) -> float | None:
    scale = float(np.vdot(trial.left, trial.left))
    if not scale:
        return None
    ratio = float(np.vdot(trial.left, trial.right)) / scale
    largest = float(np.max(np.abs(trial.right), initial=0))
    close = np.max(np.abs(trial.right - ratio * trial.left), initial=0) <= CLOSE * largest
    return ratio if close and largest and ratio else None


def _forms(scope: Scope, left: Value, right: Value) -> Iterator[tuple[Sum, Sum]]:
    """The terms that only one side has, as the sides are written, and with what names stand for."""
    for opened in (False, True):
        bodies = [left.body, right.over(left.axes)]
        with assuming(scope.requirements):
            try:
                first, second = normal([scope.expanded(body) if opened else body for body in bodies])
            except TooLarge:
                continue
        yield _without(first, second), _without(second, first)


def _without(body: Sum, other: Sum) -> Sum:
    """The terms that the other sum does not have as well."""
    held = {_bare(term): term.coefficient for term in other.terms}
    return Sum(term for term in body.terms if held.get(_bare(term)) != term.coefficient)


def _bare(term: Term) -> Term:
    return Term(1, term.factors, term.summed)


def _terms(scope: Scope, left: Value, right: Value) -> Explanation | None:
    """A term that is missing, too many, or scaled."""
    forms = list(_forms(scope, left, right))
    if not forms:
        return None
    missing, extra = min(forms, key=lambda form: len(form[0].terms) + len(form[1].terms))
    lacks, has = (_shown(scope, Value(left.axes, body, left.kind)) for body in (missing, extra))
    if not extra.terms and lacks:
        return Explanation("missing-term", f"a term is missing on the right: {lacks}.")
    if not missing.terms and has:
        return Explanation("extra-term", f"a term on the right is too many: {has}.")
    if len(missing.terms) == 1 == len(extra.terms) and _bare(missing.terms[0]) == _bare(extra.terms[0]):
        ratio = extra.terms[0].coefficient / missing.terms[0].coefficient
        if ratio == -1:
            return Explanation("term-sign", f"the sign of a term is wrong: it is {lacks}, and not {has}.")
        return Explanation("factor", f"a term has the wrong factor: it is {lacks}, and not {has}.")
    if lacks and has:
        return Explanation("step", f"the left side has {lacks} where the right side has {has}.")
    return None


def _difference(scope: Scope, left: Value, right: Value) -> str:
    """Left minus right, where that is short."""
    texts = []
    for missing, extra in _forms(scope, left, right):
        texts.append(_shown(scope, Value(left.axes, add(missing, negative(extra)), left.kind)))
    return min(filter(None, texts), key=len, default="")


def _shown(scope: Scope, value: Value) -> str:
    if not value.body.terms or len(value.body.terms) > 6:
        return ""
    text = written(Value(value.axes, abbreviated(scope, value.body), value.kind))
    return text if len(text) <= LONG else ""


def _mended(reader: Reader, step: Step) -> Repair | None:
    """A small change of the right side after which the step is proved."""
    left = step.before
    wanted = None if left is None else form(reader.scope, left)
    if left is None or wanted is None:
        return None

    def follows(text: str) -> bool:
        try:
            value = fitted(left, reader.value(text, Form(step.letters, left)))
            return _alike(left, value) and form(reader.scope, value) == wanted
        except TensorjacError:
            return False

    return repair(reader, step.right.text, follows)


def _mended_as_seen(reader: Reader, step: Step, setting: Setting) -> Repair | None:
    """A small change after which both sides agree at random points: what cannot be proved can be mended, too."""
    left = step.before
    if left is None:
        return None

    def follows(text: str) -> bool:
        try:
            value = fitted(left, reader.value(text, Form(step.letters, left)))
            return _alike(left, value) and compare(reader.scope, left, value, setting).verdict == "seen"
        except TensorjacError:
            return False

    return repair(reader, step.right.text, follows, FEW)


def _alike(left: Value, right: Value) -> bool:
    return left.dims == right.dims and {left.kind, right.kind} != {"row", "column"}


# Numbers


def _entries(step: Step) -> Iterator[str]:
    """The entry at which the sides differ most."""
    assert step.comparison is not None
    for trial in step.comparison.trials[:1]:
        gap = np.abs(trial.left - trial.right)
        worst = np.unravel_index(int(np.argmax(gap)), gap.shape)
        place = f" at [{', '.join(map(str, worst))}]" if worst else ""
        sizes = ", ".join(f"{name}={size}" for name, size in trial.sizes.items())
        yield (
            f"at random numbers{f' ({sizes})' if sizes else ''} the left side is {trial.left[worst]:.6g}{place}, and "
            f"the right side is {trial.right[worst]:.6g}"
        )
