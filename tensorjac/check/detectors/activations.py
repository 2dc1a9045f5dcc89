"""Elementwise functions whose derivative is missing, taken elsewhere, or confused with the function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from ...function import Function
from ...terms import Apply, Contraction, Tensor
from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..expressions import intermediates
from ..intermediates import backward, described, detached, exact, tape
from ..tape import Mistake, Tape
from ..trials import Trial

Place = tuple[Apply, int]
Slope = Callable[[Tape, Apply, int], Array]


@detector(
    "activation",
    "post-activation",
    "function-for-derivative",
    "mask",
    "missing-term",
    "term-sign",
    "doubled-term",
    "exponent",
    "inner-scale",
    stage="structure",
)
def activations(case: Case) -> Iterator[Hypothesis]:
    """U is T with f' at one elementwise function, or at all of one name, replaced: by 1, f'(f(z)), f(z), z, f'²…"""
    function = exact(case)
    if function is None:
        return
    known = case.question.memory.setdefault("activations", {})
    for places in _places(function, case.target.wrt):
        if places not in known:
            known[places] = list(_others(case, function, places))
        for cause, what, mistake in known[places]:
            yield Hypothesis(cause, partial(_said, case, function, places, what), backward(case, function, mistake))
        if len(places) == 1:
            yield Hypothesis(
                "inner-scale",
                partial(_said, case, function, places, "the derivative of what stands inside is missing"),
                partial(_unchained, case, function, places[0]),
            )


def _places(function: Function, wrt: Sequence[str]) -> Iterator[tuple[Place, ...]]:
    """Elementwise functions of one argument that depends on the input: one at a time, then all of one name."""
    alike: dict[str, list[Place]] = defaultdict(list)
    for tensor in intermediates(function, wrt):
        if not isinstance(tensor, Apply) or any(tensor.cores) or tensor.operation.name in LINEAR:
            continue
        depends = [k for k, arg in enumerate(tensor.args) if any(t.inputs for t in arg.tensors)]
        if len(depends) == 1:
            alike[tensor.operation.name].append((tensor, depends[0]))
            yield ((tensor, depends[0]),)
    for places in alike.values():
        if len(places) > 1:
            yield tuple(places)


SHIFTS = frozenset({"max", "min"})
LINEAR = SHIFTS | {"where", "sign", "floor", "ceil"}


def _said(case: Case, function: Function, places: Sequence[Place], what: str) -> str:
    where = described(function, places[0][0]) if len(places) == 1 else f"every {places[0][0].operation.name}"
    return f"{case.label}: at {where} {what}{case.instead}."


def _others(case: Case, function: Function, places: Sequence[Place]) -> Iterator[tuple[str, str, Mistake]]:
    """What stands for f'(z) in the person's gradient: a cause, what is said about it, and the mistake."""
    name = places[0][0].operation.name
    for cause, what, slope in [*_slopes(name), *_terms(case, function, places[0]), *_normalised(case, function, name)]:
        # a shift by the maximum cancels only as long as all is right
        shifts = [
            t for t in intermediates(function, function.inputs) if isinstance(t, Apply) and t.operation.name in SHIFTS
        ]
        held: dict[Tensor, float] = dict.fromkeys(shifts if name == "exp" else [], 0.0)
        yield cause, what, Mistake(held, slopes=dict.fromkeys(places, slope))


def _slopes(name: str) -> Iterator[tuple[str, str, Slope]]:
    yield "activation", f"the derivative of {name} is missing", lambda tape, f, k: np.ones(tape.values[f].shape)
    if name != "exp":
        yield "post-activation", f"the derivative of {name} is taken at its output, not at its input", _at_output
        yield "function-for-derivative", f"{name} stands where its derivative should stand", _value
    yield (
        "function-for-derivative",
        f"the argument of {name} stands where its derivative should",
        lambda tape, f, k: tape.arguments[f][k],
    )
    yield "activation", f"the derivative of {name} stands twice", lambda tape, f, k: tape.slope(f, k) ** 2
    yield (
        "activation",
        f"the gradient is divided by the derivative of {name}",
        lambda tape, f, k: 1 / tape.slope(f, k),
    )
    yield "mask", f"the derivative of {name} is taken where it is 0, and is 0 where it is not", _complement
    yield "function-for-derivative", f"1 - {name} stands where its derivative should", lambda t, f, k: 1 - t.values[f]


def _complement(tape: Tape, tensor: Apply, argument: int) -> Array:
    """1 for 0 and 0 for 1, where the derivative is nothing else."""
    slope = tape.slope(tensor, argument)
    return np.where((slope == 0) | (slope == 1), 1 - slope, np.nan)


def _value(tape: Tape, tensor: Apply, argument: int) -> Array:
    return tape.values[tensor]


def _at_output(tape: Tape, tensor: Apply, argument: int) -> Array:
    """f'(f(z))."""
    at = [tape.values[tensor] if k == argument else value for k, value in enumerate(tape.arguments[tensor])]
    return tape.slope(tensor, argument, at)


POWERS = ("1", "f", "f²")


def _terms(case: Case, function: Function, place: Place) -> Iterator[tuple[str, str, Slope]]:
    """Derivatives such as 1 - f² or f - f² with one of their two terms left out, turned or doubled."""
    made = tape(case, function, case.trials[0])
    assert made is not None
    tensor, argument = place
    name, value = tensor.operation.name, made.values[tensor].ravel()
    basis = np.stack([value**k for k in range(len(POWERS))], axis=1)
    weights, _, rank, _ = np.linalg.lstsq(basis, made.slope(tensor, argument).ravel(), rcond=None)
    whole = np.asarray(np.round(weights))
    exact = rank == len(POWERS) and np.allclose(weights, whole, rtol=0, atol=1e-7)
    if not exact or np.count_nonzero(whole) != 2:
        return
    for k, power in enumerate(POWERS):
        if whole[k]:
            for cause, factor, what in CHANGES:
                changed = np.where(np.arange(len(POWERS)) == k, factor * whole, whole)
                said = f"in the derivative of {name}, f = {name}, the term {power} {what}"
                yield cause, said, partial(_polynomial, tuple(changed))


def _normalised(case: Case, function: Function, name: str) -> Iterator[tuple[str, str, Slope]]:
    """The gradient by the logits of a softmax, e / Σ e, without the factor e / Σ e."""
    if name == "exp":
        yield "exponent", "the factor exp / Σ exp, the softmax, is missing", _normaliser


def _normaliser(tape: Tape, tensor: Apply, argument: int) -> Array:
    """Σ e at every entry of e, where e is summed."""
    for one in tape.tensors:
        if isinstance(one, Contraction) and [factor.tensor for factor in one.factors] == [tensor]:
            (product,) = tape.products[one, 0]
            value = np.empty(tape.values[tensor].size)
            value[product.readings[0].places] = product.over_box(tape.values[one])
            return value.reshape(tape.values[tensor].shape)
    return np.full(tape.values[tensor].shape, np.nan)


CHANGES = (
    ("missing-term", 0.0, "is missing"),
    ("term-sign", -1.0, "has the wrong sign"),
    ("doubled-term", 2.0, "is counted twice"),
)


def _polynomial(weights: Sequence[float], tape: Tape, tensor: Apply, argument: int) -> Array:
    value = tape.values[tensor]
    return np.asarray(sum(weight * value**k for k, weight in enumerate(weights)))


def _unchained(case: Case, function: Function, place: Place, trial: Trial) -> Array | None:
    """f'(z) in the place of f'(z) z', where both have one shape."""
    made = tape(case, function, trial)
    assert made is not None
    tensor, argument = place
    rest = detached(case, function, [tensor])(trial)
    adjoint = made.right.get(tensor)
    if adjoint is None:
        return None
    value = adjoint * made.slope(tensor, argument)
    # the axes of an intermediate come in an order of their own
    value = value if value.shape == rest.shape else value.T
    return np.asarray(rest + value) if value.shape == rest.shape else None
