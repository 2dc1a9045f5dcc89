"""The constructors that build finished products, powers, contractions and applied functions.

They call each other: every one applies the identities that concern what it builds, and leaves a finished expression."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    contraction,
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
from .determinants import with_adjugates
from .patterns import arguments_of, connected, is_applied, is_mask, logistic_argument
from .ranges import reads_once, truth_of
from .registry import FUNCTION_RULES, Step, current_steps, is_on, name_identity, switched_off
from .sums import add, whole


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
    """A term that sums nothing, its δ and its masks put in order."""
    factors: list[Factor] = []
    for factor in term.factors:
        replaced = _replaced(factor)
        if replaced is None:
            return Sum()
        factors.extend(replaced)
    if tuple(factors) != term.factors:
        term = product(term.coefficient, factors)
    if len(term.factors) > 1 and is_on("sigmoid"):
        term = _with_sigmoid(term)
    if len(term.factors) > 1 and is_on("adjugate"):
        exchanged = _with_adjugates(term)
        if exchanged is not None:
            return exchanged
    # indices that a δ ties are written alike, and so may read a diagonal now
    tied = len(term.factors) > 1 and any(factor.tensor is DELTA for factor in term.factors)
    if tied and is_on("read what is needed") and any(_pushable(factor) for factor in term.factors):
        return reread(term)
    if len(term.factors) > 1 and is_on("distribute"):
        opened = _opened_beside(term)
        if opened is not None:
            return opened
    return Sum((term,))


def _opened_beside(term: Term) -> Sum | None:
    """The term with a contraction of a sum multiplied out, where a sum that separates then cancels a divisor.

    (Σ_k e[k] (u[k] - c)) / z with z = Σ_k e[k] is Σ_k e[k] u[k] / z - c.
    """
    divisors = {f.tensor for f in term.factors if f.power < 0 and isinstance(f.tensor, Contraction)}
    if not divisors:
        return None
    for factor in term.factors:
        tensor, slots, exponent = factor
        if exponent != 1 or not isinstance(tensor, Contraction):
            continue
        for held in tensor.factors:
            if not isinstance(held.tensor, Shared) or held.power != 1 or len(tensor.factors) < 2:
                continue
            if any(part in divisors for part in _separated(tensor, held)):
                opened = _multiplied_out(tensor, slots, held)
                rest = Sum((product(term.coefficient, [f for f in term.factors if f is not factor]),))
                return add(*(multiply(rest, Sum((part,))) for part in opened.terms))
    return None


def _separated(tensor: Contraction, held: Factor) -> Iterator[Tensor]:
    """The contractions that stand alone in some term when a sum in this contraction is multiplied out."""
    assert isinstance(held.tensor, Shared)
    others = [f for f in tensor.factors if f is not held]
    touched = set(held.labels).intersection(tensor.summed)
    for inner in held.tensor.expression(held.slots).terms:
        if touched <= inner.labels:
            continue
        _, groups = connected(Term(1, (*others, *inner.factors), tensor.summed))
        for factors, summed in groups:
            if all(f in others for f in factors):
                yield contraction(factors, summed).tensor


def _multiplied_out(tensor: Contraction, slots: Sequence[Slot], held: Factor) -> Sum:
    """A contraction with one sum among its factors multiplied out."""
    assert isinstance(held.tensor, Shared)
    body = held.tensor.expression(held.slots)
    others = [f for f in tensor.factors if f is not held]
    moved: dict[Index, Slot] = dict(zip(tensor.axes, slots, strict=True))
    moved.update((index, Index.fresh(index.dim)) for index in tensor.summed)
    summed = tuple(moved[index] for index in tensor.summed)
    return finished(
        Sum(
            product(
                inner.coefficient,
                [f.substitute(moved) for f in (*others, *inner.factors)],
                tuple(index for index in summed if isinstance(index, Index)),
            )
            for inner in body.terms
        )
    )


def _replaced(factor: Factor) -> Sequence[Factor] | None:
    """What stands for a factor by itself: a decided δ goes, a mask keeps no power; None where it makes the term 0."""
    tensor, slots, exponent = factor
    if tensor is DELTA:
        decided = truth_of(slots[0])
        return (factor,) if decided is None else () if decided else None
    if isinstance(tensor, Shared):
        if exponent < 0 and is_on("sigmoid") and logistic_argument(tensor.body) is not None:
            return _sigmoids(tensor.expression(slots), -exponent)
    elif exponent != 1 and exponent > 0 and is_mask(tensor) and is_on("masks are idempotent"):
        return (Factor(tensor, slots, 1),)
    return (factor,)


def _sigmoids(body: Sum, exponent: Number) -> Sequence[Factor]:
    """(1 + exp(u))^-p as σ(-u)^p."""
    u = logistic_argument(body)
    assert u is not None
    (term,) = apply(PRIMITIVES["sigmoid"], (multiply(constant(-1), u),)).terms
    return [Factor(f.tensor, f.slots, number(f.power * exponent)) for f in term.factors]


name_identity("masks are idempotent", "A mask times itself is the mask: 0·0 = 0 and 1·1 = 1. Removes a factor.")


def _with_sigmoid(term: Term) -> Term:
    """The term with exp(u) σ(-u) written as σ(u), which does not overflow."""
    for k, slope in enumerate(term.factors):
        if not is_applied(slope.tensor, "sigmoid") or slope.power < 1 or not isinstance(slope.power, int):
            continue
        for m, growth in enumerate(term.factors):
            if not is_applied(growth.tensor, "exp") or not isinstance(growth.power, int):
                continue
            sign = 1 if growth.power > 0 else -1
            (u,) = arguments_of(growth)
            if arguments_of(slope)[0] != multiply(constant(-sign), u):
                continue
            count = min(slope.power, abs(growth.power))
            rest = [f for n, f in enumerate(term.factors) if n not in (k, m)]
            (merged,) = apply(PRIMITIVES["sigmoid"], (multiply(constant(sign), u),)).terms
            left = [
                Factor(slope.tensor, slope.slots, slope.power - count),
                Factor(growth.tensor, growth.slots, growth.power - sign * count),
                *(Factor(f.tensor, f.slots, number(f.power * count)) for f in merged.factors),
            ]
            return _with_sigmoid(product(term.coefficient, [*rest, *(f for f in left if f.power != 0)]))
    return term


def _with_adjugates(term: Term) -> Sum | None:
    """The term with its inverses and adjugates exchanged as its determinants allow, inside contractions, too."""
    if not any(is_applied(factor.tensor, "det") for factor in term.factors):
        return None
    exchanged = with_adjugates(term.factors)
    if exchanged is not None:
        return settled(product(term.coefficient, exchanged))
    for factor in term.factors:
        tensor, slots, exponent = factor
        if exponent != 1 or not isinstance(tensor, Contraction):
            continue
        if not any(is_applied(held.tensor, name) for held in tensor.factors for name in ("inv", "adj")):
            continue
        inner = tensor.term(slots)
        rest = [f for f in term.factors if f is not factor]
        exchanged = with_adjugates([*rest, *inner.factors])
        if exchanged is not None:
            return contracted(product(term.coefficient, exchanged, inner.summed))
    return None


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
    coefficient, outside, inside = _powered(term, exponent)
    if inside is not None:
        held = inside if len(inside.factors) == 1 and inside.coefficient == 1 else None
        simple = held is not None and held.factors[0].power == 1
        body = held.factors[0] if held is not None and simple else shared(Sum((inside,)))
        outside.append(Factor(body.tensor, body.slots, exponent))
    return settled(product(coefficient, outside))


def _powered(term: Term, exponent: Number) -> tuple[Number, list[Factor], Term | None]:
    """The part of ``term ** exponent`` that can be written factor by factor, and the rest, still to be raised."""
    if isinstance(exponent, int):
        coefficient = scaled(1, term.coefficient, exponent)
        if coefficient is None and term.factors:
            return 1, [], term
        if coefficient is None:
            with np.errstate(all="ignore"):
                return float(np.float64(term.coefficient) ** exponent), [], None
        return coefficient, [_raised(factor, exponent) for factor in term.factors], None
    root = _root(term.coefficient, exponent)
    outside, inside = [], []
    for factor in term.factors:
        # the root of a negative number has no value to stand alone
        if factor.tensor is DELTA or (factor.tensor.sign and term.coefficient > 0):
            outside.append(_raised(factor, exponent))
        else:
            inside.append(factor)
    if root is None:
        root, left = 1, term.coefficient
    else:
        left = 1
    if not inside and left == 1:
        return root, outside, None
    return root, outside, product(left, inside)


def _raised(factor: Factor, exponent: Number) -> Factor:
    if factor.tensor is DELTA:
        return factor
    return Factor(factor.tensor, factor.slots, number(factor.power * exponent))


name_identity("sigmoid", "1/(1 + exp(u)) = σ(-u), whose derivative σ(u) σ(-u) does not overflow. Removes a sum.")


def _root(value: Number, exponent: Number) -> Number | None:
    """``value ** exponent`` where it is exact (or a float to begin with), else None."""
    if value == 1:
        return 1
    if value < 0:
        return None
    if isinstance(value, float) or isinstance(exponent, float):
        return number(float(value) ** float(exponent)) if isinstance(value, float) else None
    fraction, power_ = Fraction(value), Fraction(exponent)
    roots = [round(part ** (1 / power_.denominator)) for part in (fraction.numerator, fraction.denominator)]
    if Fraction(*[root**power_.denominator for root in roots]) != fraction:
        return None
    return number(Fraction(*roots) ** power_.numerator)


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
    if not _pushable(factor):
        return None
    tensor, slots, exponent = factor
    batch = slots[: tensor.batch] if isinstance(tensor, Apply) else slots
    if isinstance(tensor, Contraction):
        inner = finished(reread(tensor.term(slots)))
    elif isinstance(tensor, Shared):
        inner = substitute(tensor.body, dict(zip(tensor.axes, slots, strict=True)))
    else:
        assert isinstance(tensor, Apply)
        cores = tensor.cores_at(batch)
        args = [
            substitute(arg, {**dict(zip(tensor.axes, batch, strict=False)), **dict(zip(core, own, strict=True))})
            for arg, core, own in zip(tensor.args, tensor.cores, cores, strict=True)
        ]
        assert isinstance(tensor.operation, Primitive)
        inner = apply(
            tensor.operation,
            args,
            cores if any(cores) else (),
            slots[tensor.batch :],
            tensor.shape[tensor.batch :],
        )
    return power(inner, exponent)


def _pushable(factor: Factor) -> bool:
    """Whether a computed tensor is read at slots that are more, or less, than its axes by other names."""
    tensor, slots, _ = factor
    if not isinstance(tensor, Contraction | Shared | Apply):
        return False
    batch = slots[: tensor.batch] if isinstance(tensor, Apply) else slots
    renamed = all(isinstance(slot, Index) and slot.dim is dim for slot, dim in zip(batch, tensor.shape, strict=False))
    if renamed and len(set(batch)) == len(batch):
        return False
    # overlapping windows would compute the same entries many times
    return all(reads_once(slot, axis.dim) for slot, axis in zip(batch, tensor.axes, strict=False))


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
