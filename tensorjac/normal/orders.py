"""Sums that run backward: Σ_i x[n-1-i] y[i] is Σ_i x[i] y[n-1-i], and of the two one form is kept.

Counted from the middle of its range, an index that runs backward is only turned in sign. Which way it runs is then
told by the signs with which it stands beside what does not turn: an input, the constant of a δ, an index that is
settled. What nothing tells is tried both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import TypeAlias

from ..dims import Dim
from ..rewrites import elsewhere, power, reread
from ..terms import (
    DELTA,
    ONE,
    Apply,
    Contraction,
    Factor,
    Index,
    Input,
    Shared,
    Slot,
    Sum,
    Tensor,
    Term,
    combine,
    nested,
    product,
    slot_parts,
    topological,
)
from .offsets import plainest
from .signs import reading, upright

AXES = 4  # indices of which either direction is as good: more are left as they are
MINUS = Dim.of(-1)

# How often something is read forward along an axis, less how often backward: by the name of what is read, and by how
# many functions are around it.
Lean: TypeAlias = dict[tuple[str, int], int]


class Forward:
    """Contractions that run forward, found so far."""

    def __init__(self, read: Callable[[Factor], Sum], plain: bool, known: Forward | None) -> None:
        """``read`` finds the normal form of what is read elsewhere; ``known`` has found some directions already."""
        self.read = read
        self.plain = plain
        self.turned: dict[Contraction, Term] = {} if known is None else known.turned
        self.leans: dict[Tensor, Sequence[Lean]] = {} if known is None else known.leans

    def of(self, tensor: Contraction) -> Term:
        """What a contraction is, over its axes, with its summed indices running forward."""
        if tensor not in self.turned:
            term = tensor.term(tensor.axes)
            self.turned[tensor] = nested(self._forward(plainest(term, self.read) if self.plain else term))
        return self.turned[tensor]

    def _forward(self, term: Term) -> Term:
        leans = self._leans(term.factors)
        settled: dict[Index, int] = dict.fromkeys(term.free, 1)
        settled |= {index: side for index in term.summed if (side := _side(leans.get(index, {})))}
        left = [index for index in term.summed if index not in settled and index.dim is not ONE]
        while left and (beside := _opposed(term.factors, settled, left)):
            settled |= beside
            left = [index for index in left if index not in beside]
        backward = [index for index in term.summed if settled.get(index) == -1]
        most = len(left) if len(left) <= AXES else 0
        ways = [chosen for count in range(most + 1) for chosen in combinations(left, count)]
        directions = [self._turned(term, (*backward, *way)) for way in ways]
        return upright(min((one for one in directions if one is not None), key=reading, default=term))

    def _turned(self, term: Term, turning: Sequence[Index]) -> Term | None:
        """The term with some indices running the other way; None where it becomes several.

        What it reads then is built again, or in the plain form brought into normal form.
        """
        if not turning:
            return term
        mapping: dict[Index, Slot] = {index: combine(((MINUS, index),), index.dim - 1) for index in turning}
        moved = [factor.substitute(mapping) for factor in term.factors]
        if not self.plain:
            found = reread(product(term.coefficient, moved, term.summed)).terms
            return found[0] if len(found) == 1 and found[0].coefficient == term.coefficient else None
        factors: list[Factor] = []
        for factor in moved:
            read = power(self.read(factor), factor.power).terms if elsewhere(factor) else (Term(1, (factor,)),)
            if len(read) != 1 or read[0].coefficient != 1:
                return None
            factors.extend(read[0].factors)
        return product(term.coefficient, factors, term.summed)

    def _leans(self, factors: Iterable[Factor]) -> dict[Index, Lean]:
        """To which side each index leans in a product."""
        found: dict[Index, Lean] = {}
        for tensor, slots, _ in factors:
            if tensor is DELTA:
                # it has no sign of its own: of it and its negative, the one whose middle is above 0 counts
                leans: Sequence[Lean] = ({("δ", 0): _sign(_middle(slots[0]))},)
            else:
                leans = self._of(tensor)
            for slot, lean in zip(slots, leans, strict=True):
                for index, weight in slot_parts(slot)[1]:
                    _add(found.setdefault(index, {}), lean, _sign(weight))
        return found

    def _of(self, tensor: Tensor) -> Sequence[Lean]:
        """To which side each axis of a tensor leans."""
        for part in topological((tensor,)) if tensor not in self.leans else ():
            if part not in self.leans:
                self.leans[part] = self._within(part)
        return self.leans[tensor]

    def _within(self, tensor: Tensor) -> Sequence[Lean]:
        if not isinstance(tensor, Apply | Contraction | Shared):
            return [{(tensor.name if isinstance(tensor, Input) else "", 0): 1}] * tensor.rank
        found = self._leans(_held(tensor))
        leans: list[Lean] = [found.get(axis, {}) for axis in tensor.axes]
        if isinstance(tensor, Apply):
            own: Lean = {(tensor.operation.name, 0): 1}
            leans = [{(name, depth + 1): n for (name, depth), n in lean.items()} for lean in leans[: tensor.batch]]
            leans += [own] * (tensor.rank - tensor.batch)
        return leans


def _held(tensor: Apply | Contraction | Shared) -> Iterable[Factor]:
    if isinstance(tensor, Contraction):
        return tensor.factors
    bodies = (tensor.body,) if isinstance(tensor, Shared) else tensor.args
    return [factor for body in bodies for term in body.terms for factor in term.factors]


def _add(total: Lean, lean: Lean, times: int) -> None:
    for key, count in lean.items():
        total[key] = total.get(key, 0) + times * count


def _side(lean: Lean) -> int:
    """1 or -1 as the first that leans at all does; 0 where none does."""
    return next((1 if lean[key] > 0 else -1 for key in sorted(lean) if lean[key] != 0), 0)


def _sign(dim: Dim) -> int:
    return 0 if not dim.terms else 1 if dim.monomials[0][0] > 0 else -1


def _middle(slot: Slot) -> Dim:
    """Twice the value of an affine form in the middle of the ranges of its indices, which no turning changes."""
    constant, parts = slot_parts(slot)
    return sum((weight * (index.dim - 1) for index, weight in parts), 2 * constant)


def _opposed(factors: Sequence[Factor], settled: dict[Index, int], left: Sequence[Index]) -> dict[Index, int]:
    """The directions of indices that only δ with settled ones tell: opposed to these, as in δ[ij]."""
    found: dict[Index, Lean] = {}
    for tensor, slots, _ in factors:
        if tensor is not DELTA:
            continue
        parts = [(index, _sign(weight)) for index, weight in slot_parts(slots[0])[1]]
        pull = sum(settled.get(index, 0) * sign for index, sign in parts)
        look = "".join(sorted(f"{index.dim}:{weight * weight} " for index, weight in slot_parts(slots[0])[1]))
        for index, sign in parts:
            _add(found.setdefault(index, {}), {(look, 0): -pull}, sign)
    return {index: side for index in left if (side := _side(found.get(index, {})))}
