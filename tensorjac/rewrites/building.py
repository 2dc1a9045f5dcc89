"""The constructors that build finished products, powers, contractions and applied functions.

They call each other: every one applies the identities that concern what it builds, and leaves a finished expression.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import isfinite

import numpy as np

from ..dims import Dim
from ..errors import UnsupportedError
from ..primitives import PRIMITIVES, Primitive
from ..terms import (
    DELTA,
    Apply,
    Contraction,
    Factor,
    Index,
    Number,
    Shared,
    Slot,
    Sum,
    Tensor,
    Term,
    constant,
    constant_slot,
    nested,
    number,
    of_factor,
    product,
    scaled,
    shared,
)
from ..terms import apply as raw_apply
from . import registry
from .cores import INVERSES, TRANSPOSABLE, inverted, several, upright
from .patterns import logistic_argument, repeats_mask
from .powers import powered
from .ranges import reads_once, truth_of
from .registry import FUNCTION_RULES, Step, current_steps, is_on, name_identity, switched_off
from .remembering import remembered
from .sums import add, compact, opened, whole


def multiply(*sums: Sum) -> Sum:
    """The product of sums; a sum of several terms enters it as one shared factor."""
    coefficient: Number = 1
    factors: list[Factor] = []
    for body in sums:
        if not body.terms:
            return Sum()
        (term,) = whole(body).terms
        together = scaled(coefficient, term.coefficient)
        if together is not None:
            coefficient = together
            factors.extend(term.factors)
        elif term.factors:
            factors.append(shared(Sum((term,))))
        elif factors:
            coefficient, factors = term.coefficient, [shared(Sum((product(coefficient, factors),)))]
        else:
            coefficient = float(coefficient) * float(term.coefficient)
    return settled(product(coefficient, factors))


def settled(term: Term) -> Sum:
    """The finished form of a term that sums nothing: its δ and its masks in order, the rewrites of products applied."""
    factors: list[Factor] = []
    for factor in term.factors:
        replaced = _replaced(factor)
        if replaced is None:
            return Sum()
        factors.extend(replaced)
    if tuple(factors) != term.factors:
        term = product(term.coefficient, factors)
    if len(term.factors) > 1:
        disabled = switched_off.get()
        for name, rule in registry.PRODUCT_RULES:
            result = None if name in disabled else rule(term)
            if result is not None:
                return result
    return opened(Sum((term,)))


def _replaced(factor: Factor) -> Sequence[Factor] | None:
    """What stands for a factor by itself: a decided δ goes, a mask keeps no power; None where it makes the term 0."""
    tensor, slots, exponent = factor
    if tensor is DELTA:
        decided = truth_of(slots[0])
        return (factor,) if decided is None else () if decided else None
    if isinstance(tensor, Shared):
        if exponent < 0 and is_on("sigmoid") and logistic_argument(tensor.body) is not None:
            return _sigmoids(tensor.expression(slots), -exponent)
    elif repeats_mask(factor) and is_on("masks are idempotent"):
        return (Factor(tensor, slots, 1),)
    return (factor,)


def _sigmoids(body: Sum, exponent: Number) -> Sequence[Factor]:
    """(1 + exp(u))^-p as σ(-u)^p."""
    u = logistic_argument(body)
    assert u is not None
    (term,) = apply(PRIMITIVES["sigmoid"], (multiply(constant(-1), u),)).terms
    return [Factor(f.tensor, f.slots, number(f.power * exponent)) for f in term.factors]


def power(base: Sum, exponent: Number) -> Sum:
    """``base`` to a constant power; what is not known to be nonnegative keeps a fractional power to itself."""
    exponent = number(exponent)
    if isinstance(exponent, float) and isfinite(exponent) and exponent * 64 == int(exponent * 64):
        exponent = number(Fraction(exponent))
    if exponent == 0:
        return constant(1)
    if exponent == 1:
        return base
    if not base.terms:
        if exponent > 0:
            return base
        raise UnsupportedError(
            "an expression that is 0 everywhere is raised to a negative power:\n"
            f"  0^{exponent}\nthere is no value to divide by; take the division out of the function."
        )
    if exponent < 0 and is_on("sigmoid"):
        u = logistic_argument(base)
        if u is not None:
            return power(apply(PRIMITIVES["sigmoid"], (multiply(constant(-1), u),)), -exponent)
    (term,) = whole(base).terms
    coefficient, outside, inside = powered(term, exponent)
    if inside is not None:
        raised = Sum((inside,))
        held = raised.lone or shared(raised)
        outside.append(Factor(held.tensor, held.slots, exponent))
    return settled(product(coefficient, outside))


def contract(body: Sum, labels: Iterable[Index]) -> Sum:
    """``body`` summed over ``labels``; a label that a term does not mention contributes its size."""
    summed = tuple(labels)
    if not summed:
        return body
    # a sum of several terms is opened only where terms vanish: x.sum() - y.sum() loses digits of (x - y).sum()
    return add(*(contracted(Term(term.coefficient, term.factors, summed)) for term in whole(body).terms))


def contracted(term: Term) -> Sum:
    """The finished form of a term: every rewrite applied that applies, and what is still summed closed."""
    if not term.summed:
        return settled(term)
    disabled = switched_off.get()
    steps = current_steps.get()
    for name, rule in registry.TERM_RULES:
        if name in disabled:
            continue
        if steps is None:
            result = rule(term)
        else:
            place = len(steps)
            result = rule(term)
            if result is not None:
                steps.insert(place, Step(name, term, result))
        if result is not None:
            return finished(result)
    return settled(nested(term))


def finished(body: Sum) -> Sum:
    """The same sum with what is still summed in its terms contracted."""
    return add(*(contracted(term) for term in body.terms))


def apply(
    primitive: Primitive,
    args: Sequence[Sum],
    cores: Sequence[Sequence[Index]] = (),
    result: Sequence[Slot] = (),
    core_shape: Sequence[Dim] = (),
) -> Sum:
    """``primitive`` applied to expressions; ``cores`` are the bound axes of each, ``result`` the slots of its own."""
    if not cores:
        folded = _folded(primitive, args) if is_on("constants") else None
        if folded is not None:
            return folded
        disabled = switched_off.get()
        for name, rule in FUNCTION_RULES.get(primitive.name, ()):
            if name not in disabled:
                simpler = rule(primitive, tuple(args))
                if simpler is not None:
                    return simpler
    arguments = [whole(arg) for arg in args]
    bound = cores or [()] * len(arguments)
    if primitive.reduces and is_on("one entry"):
        entries = several(bound[0])
        if entries != tuple(bound[0]):
            (arg,) = arguments
            arg = substitute(arg, {index: constant_slot(0) for index in bound[0] if index not in entries})
            return apply(primitive, (arg,), (entries,)) if entries else arg
    if primitive.name in INVERSES and is_on("inverse of an inverse"):
        inner = inverted(primitive.name, arguments[0], bound[0], result)
        if inner is not None:
            return substitute(*inner)
    if primitive.name in TRANSPOSABLE and is_on("transpose"):
        arguments, result = upright(arguments, bound, result)
    return read(raw_apply(primitive, arguments, bound, result, core_shape))


name_identity("constants", "A function of numbers is a number. Removes a function.")


def _folded(primitive: Primitive, args: Sequence[Sum]) -> Sum | None:
    """The value where all arguments are numbers and it is finite."""
    numbers: list[float] = []
    for arg in args:
        if len(arg.terms) > 1 or (arg.terms and arg.terms[0].factors):
            return None
        numbers.append(float(arg.terms[0].coefficient) if arg.terms else 0.0)
    with np.errstate(all="ignore"):
        value = float(primitive.value(*map(np.float64, numbers)))
    return constant(value) if isfinite(value) else None


def read(factor: Factor) -> Sum:
    """A factor as an expression; slots that pick part of a computed tensor are passed on to what it reads."""
    pushed = _pushed(factor) if is_on("read what is needed") else None
    return of_factor(factor) if pushed is None else pushed


name_identity(
    "read what is needed",
    """(Σ_k A[ik] B[kj]) read at i = j is Σ_k A[ik] B[ki]: a computed tensor of which only a diagonal or a slice is
    read computes only that. Ends because the slots move one level down.""",
)


def _pushed(factor: Factor) -> Sum | None:
    return pushed(factor) if pushable(factor) else None


def pushed(factor: Factor) -> Sum:
    """A computed tensor at these slots as what it is there: they are passed on to what it reads."""
    tensor, slots, exponent = factor
    return power(_passed_on(Factor(tensor, slots, 1)), exponent)


@remembered
def _passed_on(factor: Factor) -> Sum:
    """The same of a tensor to the first power."""
    tensor, slots, _ = factor
    batch = _batch(factor)
    if isinstance(tensor, Contraction):
        return finished(reread(tensor.term(slots)))
    if isinstance(tensor, Shared):
        return compact(substitute(tensor.body, dict(zip(tensor.axes, slots, strict=True))))
    assert isinstance(tensor, Apply)
    cores = tensor.cores_at(batch)
    args = [
        substitute(arg, {**dict(zip(tensor.axes, batch, strict=False)), **dict(zip(core, own, strict=True))})
        for arg, core, own in zip(tensor.args, tensor.cores, cores, strict=True)
    ]
    assert isinstance(tensor.operation, Primitive)
    bound = cores if any(cores) else ()
    return apply(tensor.operation, args, bound, slots[tensor.batch :], tensor.shape[tensor.batch :])


def _compares_extremes(tensor: Tensor) -> bool:
    """Whether entries are compared with the largest: calculated anew, and rounded otherwise, none might be equal."""
    if not isinstance(tensor, Apply) or tensor.operation.name != "equal":
        return False
    return any(isinstance(other, Apply) and any(other.cores) for arg in tensor.args for other in arg.tensors)


def pushable(factor: Factor) -> bool:
    """Whether what is read of a computed tensor elsewhere can as well be computed there."""
    tensor = factor.tensor
    if not elsewhere(factor) or _compares_extremes(tensor):
        return False
    # overlapping windows would compute the same entries many times
    return all(reads_once(slot, axis.dim) for slot, axis in zip(_batch(factor), tensor.axes, strict=False))


def elsewhere(factor: Factor) -> bool:
    """Whether a computed tensor is read at slots that are more, or less, than its axes by other names."""
    tensor = factor.tensor
    if not isinstance(tensor, Contraction | Shared | Apply):
        return False
    batch = _batch(factor)
    renamed = all(isinstance(slot, Index) and slot.dim is dim for slot, dim in zip(batch, tensor.shape, strict=False))
    return not renamed or len(set(batch)) < len(batch)


def _batch(factor: Factor) -> tuple[Slot, ...]:
    """The slots that a computed tensor shares with what it reads."""
    return factor.slots[: factor.tensor.batch] if isinstance(factor.tensor, Apply) else factor.slots


def substitute(body: Sum, mapping: Mapping[Index, Slot]) -> Sum:
    """``body`` with free labels replaced by slots, and simplified where that makes something simpler."""
    if not mapping:
        return body
    terms = []
    for term in body.terms:
        moved = term.substitute(mapping)
        terms.append(reread(moved))
    return add(*terms)


def reread(term: Term) -> Sum:
    """A term whose slots have changed: parts that are read in a new way are pushed down."""
    if not is_on("read what is needed"):
        return settled(term) if not term.summed else Sum((term,))
    pieces: list[Sum] = []
    kept: list[Factor] = []
    for factor in term.factors:
        pushed = _pushed(factor)
        if pushed is None:
            kept.append(factor)
        else:
            pieces.append(pushed)
    if not pieces:
        return settled(term) if not term.summed else Sum((term,))
    coefficient = term.coefficient
    for piece in pieces:
        if not piece.terms:
            return Sum()
        (inner,) = whole(piece).terms
        coefficient = number(coefficient * inner.coefficient)
        kept.extend(inner.factors)
    rebuilt = product(coefficient, kept, term.summed)
    return settled(rebuilt) if not term.summed else Sum((rebuilt,))
