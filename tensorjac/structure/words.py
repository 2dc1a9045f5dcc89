"""What a Jacobian is, in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from ..dims import Dim, nonnegative
from ..rewrites.ranges import bounds_of
from ..terms import ONE, Index, Slot, Term, combine, flattened, slot_labels
from .kronecker import common_ties, components, in_order
from .pattern import Part, Pattern, readable

Kind = Literal[
    "zero",
    "identity",
    "multiple of the identity",
    "diagonal",
    "permutation",
    "permuted diagonal",
    "selection",
    "scaled selection",
    "block-diagonal",
    "Kronecker product",
    "diagonal plus low rank",
    "low rank",
    "lower triangular",
    "upper triangular",
    "banded",
    "sum",
    "dense",
]


@dataclass(frozen=True)
class Verdict:
    """What a Jacobian is: one word to decide by, and the words to be read."""

    kind: Kind
    words: str


@dataclass(frozen=True)
class Words:
    """Letters of the axes, output axes first; ``rank`` is the number of output axes."""

    letters: str
    rank: int

    def verdict(self, parts: Sequence[Part], axes: frozenset[int]) -> Verdict:
        """What the parts are along the axes at these positions."""
        if not parts:
            return Verdict("zero", "zero")
        ties = [tie for tie in common_ties(parts, self.rank) if axes.issuperset(tie)]
        left = axes.difference(place for tie in ties for place in tie)
        if not left:
            return self._diagonal(parts[0], ties)
        if ties:
            return self._blocks(parts, ties, left)
        if len(parts) == 1:
            return self._single(parts[0], axes)
        return self._several(parts, axes)

    def _diagonal(self, part: Part, ties: Sequence[tuple[int, int]]) -> Verdict:
        """Every output axis is tied to an input axis."""
        straight = [column for _, column in ties] == sorted(column for _, column in ties)
        constant = all(not term.factors for term in part.core.terms)
        if constant and part.core.terms[0].coefficient == 1:
            return _plain("identity" if straight else "permutation")
        if straight:
            return _plain("diagonal" if part.labels else "multiple of the identity")
        return _plain("permuted diagonal")

    def _blocks(self, parts: Sequence[Part], ties: Sequence[tuple[int, int]], left: frozenset[int]) -> Verdict:
        """All parts tie some axes: there is a block for each value of these."""
        inner = self.verdict(parts, left)
        over = "".join(self.letters[row] for row, _ in ties)
        tied = {x for part in parts for row, _ in ties for x in slot_labels(part.pattern.slots[row])}
        if not any(tied.intersection(part.labels) for part in parts):
            words = f"Kronecker product with the identity over {over}"
            kind: Kind = "Kronecker product"
        else:
            words, kind = f"block-diagonal over {over}", "block-diagonal"
        return Verdict(kind, words if inner.kind == "dense" else f"{words}, each block {inner.words}")

    def _single(self, part: Part, axes: frozenset[int]) -> Verdict:
        pattern = part.pattern
        rows, columns = self._labels(pattern, axes)
        single = readable(slot for k, slot in enumerate(pattern.slots) if k < self.rank) >= rows >= columns
        if not pattern.guards and single and _tied(pattern, axes):
            constant = all(not term.factors for term in part.core.terms)
            same = rows == columns and self._same_extent(pattern, axes)
            return _plain("permutation" if constant and same else "selection" if constant else "scaled selection")
        if not pattern.plain:
            side = triangle(pattern, *sorted(axes)) if len(axes) == 2 and self._same_extent(pattern, axes) else None
            return _plain(side or ("banded" if rows & columns else "dense"))
        ranked = self._rank_of(part, axes)
        if ranked is not None:
            return Verdict("low rank", f"rank {ranked}")
        found = components(part, self.rank, {pattern.slots[k] for k in range(len(pattern.slots)) if k not in axes})
        if found is not None and len(found[1]) > 1 and in_order(found[1]) is not None:
            pieces = ["".join(self.letters[k] for k in (*piece.rows, *piece.columns)) for piece in found[1]]
            return Verdict("Kronecker product", f"Kronecker product of {' and '.join(pieces)}")
        return _plain("dense")

    def _labels(self, pattern: Pattern, axes: frozenset[int]) -> tuple[set[Index], set[Index]]:
        """The labels of the output axes, and of the input axes."""
        rows, columns = (
            {label for k in axes if (k < self.rank) is first for label in slot_labels(pattern.slots[k])}
            for first in (True, False)
        )
        return rows, columns

    def _same_extent(self, pattern: Pattern, axes: frozenset[int]) -> bool:
        """Whether there are as many output as input entries."""
        rows = prod((pattern.axes[k] for k in axes if k < self.rank), start=ONE)
        return rows is prod((pattern.axes[k] for k in axes if k >= self.rank), start=ONE)

    def _several(self, parts: Sequence[Part], axes: frozenset[int]) -> Verdict:
        rows = [place for place in axes if place < self.rank]
        ranks = [self._rank_of(part, axes) for part in parts]
        diagonal = [part for part in parts if 2 * len(_within(part.pattern.ties(self.rank), axes)) == len(axes)]
        if len(diagonal) == 1 and 2 * len(rows) == len(axes) and ranks.count(None) == 1:
            return Verdict("diagonal plus low rank", f"diagonal plus rank {sum(rank or 0 for rank in ranks)}")
        pieces = list(dict.fromkeys(self.verdict([part], axes).words for part in parts))
        if len(pieces) == 1:
            return Verdict("sum", f"a sum of {len(parts)}, each {pieces[0]}")
        return Verdict("sum", f"a sum: {'; '.join(pieces)}")

    def _rank_of(self, part: Part, axes: frozenset[int]) -> int | None:
        """The rank, where each term of the core is a product of a factor of the rows and one of the columns."""
        pattern = part.pattern
        rows, columns = self._labels(pattern, axes)
        if not pattern.plain or not rows or not columns or rows & columns:
            return None
        terms = [flattened(term) for term in part.core.terms]
        return len(terms) if all(_separates(term, rows, columns) for term in terms) else None


def triangle(pattern: Pattern, row: int, column: int) -> Kind | None:
    """Whether all places of a pattern are on one side of the diagonal of these two axes, it included."""
    gap = combine(((ONE, pattern.slots[row]), (Dim.of(-1), pattern.slots[column])))
    if _nonnegative(gap, pattern):
        return "lower triangular"
    return "upper triangular" if _nonnegative(combine(((Dim.of(-1), gap),)), pattern) else None


def _nonnegative(form: Slot, pattern: Pattern) -> bool:
    low, _ = bounds_of(form)
    return (low is not None and nonnegative(low)) or any(form == guarded for guarded, _ in pattern.guards)


def _within(ties: Sequence[tuple[int, int]], axes: frozenset[int]) -> list[tuple[int, int]]:
    return [tie for tie in ties if axes.issuperset(tie)]


def _separates(term: Term, rows: Collection[Index], columns: Collection[Index]) -> bool:
    """Whether no chain of factors and summed indices leads from a row label to a column label."""
    linking = {*rows, *columns, *term.summed}
    groups: list[set[Index]] = []
    for factor in term.factors:
        members = linking.intersection(factor.labels)
        touching = [group for group in groups if group & members]
        groups = [group for group in groups if not group & members]
        groups.append(members.union(*touching))
    return not any(group.intersection(rows) and group.intersection(columns) for group in groups)


def _tied(pattern: Pattern, axes: frozenset[int]) -> bool:
    """Whether every label of these axes stands in an output and in an input axis, or a slot is more than a label."""
    slots = [pattern.slots[k] for k in axes]
    return not pattern.plain or any(slots.count(slot) > 1 for slot in slots)


def _plain(kind: Kind) -> Verdict:
    return Verdict(kind, kind)
