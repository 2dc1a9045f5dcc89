"""Expressions as einsum equations: per term the subscripts and the operands, δ among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

from .errors import UnsupportedError
from .terms import DELTA, Factor, Index, Number, Sum, Term, flattened, slot_parts

LETTERS = "ijklmnopqrstuvwxyzabcdefghIJKLMNOPQRSTUVWXYZABCDEFGH"


class Einsum(NamedTuple):
    """One product: an equation that ``np.einsum`` accepts, and what its operands are."""

    equation: str
    operands: tuple[str, ...]


def einsums(axes: Sequence[Index], body: Sum, name: Callable[[Factor], str]) -> tuple[Einsum, ...]:
    """One einsum per term; numbers and sizes are scalar operands, and a repeated output label stands as a δ.

    ``name`` says how an operand is called.
    """
    return tuple(_einsum(axes, flattened(term), name) for term in body.terms)


def _einsum(axes: Sequence[Index], term: Term, name: Callable[[Factor], str]) -> Einsum:
    letters = dict(zip([*axes, *term.summed], LETTERS, strict=False))
    subscripts: list[str] = []
    operands: list[str] = []
    if term.coefficient != 1:
        subscripts.append("")
        operands.append(_number(term.coefficient))
    for factor in sorted(term.factors, key=lambda f: f.tensor is DELTA):
        labels = _labels(factor)
        copies = factor.power if isinstance(factor.power, int) and factor.power > 0 else 1
        shown = factor._replace(power=1) if copies == factor.power else factor
        subscripts += ["".join(letters[label] for label in labels)] * copies
        operands += [name(shown)] * copies
    carried = set("".join(subscripts))
    for axis in axes:
        if letters[axis] not in carried:
            subscripts.append(letters[axis])
            operands.append(f"ones({axis.dim})")
    return Einsum(f"{','.join(subscripts)}->{''.join(letters[axis] for axis in axes)}", tuple(operands))


def _labels(factor: Factor) -> list[Index]:
    if factor.tensor is DELTA:
        offset, parts = slot_parts(factor.slots[0])
        if offset.value == 0 and len(parts) == 2 and parts[0][1].value == 1 and parts[1][1].value == -1:
            return [index for index, _ in parts]
    elif all(isinstance(slot, Index) for slot in factor.slots):
        return [slot for slot in factor.slots if isinstance(slot, Index)]
    raise UnsupportedError(
        "an einsum has one letter per axis, and this expression reads slices, windows or padding: "
        "use source(), which shows how they are read."
    )


def _number(value: Number) -> str:
    return f"{value.numerator}/{value.denominator}" if isinstance(value, Fraction) else repr(value)
