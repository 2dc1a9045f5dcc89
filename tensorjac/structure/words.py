"""What a Jacobian is, in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from ..dims import Dim, nonnegative
from ..errors import UnsupportedError
from ..plan.lookups import looked_up
from ..rewrites.ranges import bounds_of
from ..terms import ONE, ZERO, Index, Slot, Sum, Term, combine, flattened, slot_labels
from .bands import bands, block_size, shifted, toeplitz
from .counting import count
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
    "sparse",
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
        if inner.words == "dense" and kind == "block-diagonal" and len({k < self.rank for k in left}) == 1:
            return Verdict(kind, f"{words}, each block a {'column' if min(left) < self.rank else 'row'}")
        return Verdict(kind, words if inner.words == "dense" else f"{words}, each block {_one(inner.words)}")

    def _single(self, part: Part, axes: frozenset[int]) -> Verdict:
        pattern = part.pattern
        rows, columns = self._labels(pattern, axes)
        single = readable(slot for k, slot in enumerate(pattern.slots) if k < self.rank) >= rows >= columns
        if not pattern.guards and single and _tied(pattern, axes):
            return self._selection(part, axes)
        if not pattern.plain or len({pattern.slots[k] for k in axes}) < len(axes):
            return self._places(part, axes)
        ranked = self._rank_of(part, axes)
        if ranked is not None:
            return Verdict("low rank", f"rank {ranked}")
        if len(rows) == 1 and _is_lookup(part.core, rows, columns):
            return _plain("selection")
        found = components(part, self.rank, {pattern.slots[k] for k in range(len(pattern.slots)) if k not in axes})
        if found is not None and len(found[1]) > 1 and in_order(found[1]) is not None:
            pieces = ["".join(self.letters[k] for k in (*piece.rows, *piece.columns)) for piece in found[1]]
            return Verdict("Kronecker product", f"Kronecker product of {' and '.join(pieces)}")
        name = shifted(part, *sorted(axes)) if len(rows) == len(columns) == 1 and len(axes) == 2 else None
        return Verdict("dense", f"dense, {name}" if name else "dense")

    def _selection(self, part: Part, axes: frozenset[int]) -> Verdict:
        """Every row has one entry at most."""
        pattern = part.pattern
        if any(term.factors for term in part.core.terms):
            return _plain("scaled selection")
        labels = set().union(*self._labels(pattern, axes))
        places = prod((label.dim for label in labels), start=ONE)
        whole = places is prod((pattern.axes[k] for k in axes if k < self.rank), start=ONE)
        same = whole and len(set(self._labels(pattern, axes)[0])) == len(labels) and self._same_extent(pattern, axes)
        one = part.core.terms[0].coefficient == 1
        if same:
            return Verdict("permutation", "permutation" if one else "multiple of a permutation")
        return Verdict("selection", "selection" if one else "multiple of a selection")

    def _places(self, part: Part, axes: frozenset[int]) -> Verdict:
        """Entries stand in a part of the places only."""
        pattern = part.pattern
        side = triangle(pattern, *sorted(axes)) if len(axes) == 2 and self._same_extent(pattern, axes) else None
        if side:
            ones = all(not term.factors and term.coefficient == 1 for term in part.core.terms)
            return Verdict(side, f"{side}, of ones" if ones else side)
        bare = Pattern(pattern.axes, pattern.slots)
        if 2 * len(_within(bare.ties(self.rank), axes)) == len(axes):
            return Verdict("diagonal", "diagonal, a part of it zero")
        blocks = block_size(pattern, *sorted(axes)) if len(axes) == 2 else None
        if blocks is not None:
            return Verdict("block-diagonal", f"block-diagonal, blocks of {blocks[0]} × {blocks[1]}")
        labels = set[Index]().union(*self._labels(pattern, axes))
        entries = prod((label.dim for label in labels), start=ONE)
        if not pattern.guards and entries is prod((pattern.axes[k] for k in axes), start=ONE):
            return _plain("dense")
        return self._banded([part], axes) or _plain("sparse")

    def _banded(self, parts: Sequence[Part], axes: frozenset[int]) -> Verdict | None:
        found = bands(parts, self.rank, axes)
        if found is None:
            return None
        kind = "banded Toeplitz" if toeplitz(parts, found) else "banded"
        return Verdict("banded", f"{kind} ({', '.join(band.text(self.letters) for band in found)})")

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
        banded = self._banded(parts, axes)
        if banded is not None:
            return banded
        if self._permutes(parts, axes):
            return _plain("permutation")
        pieces = list(dict.fromkeys(self.verdict([part], axes).words for part in parts))
        if len(pieces) == 1:
            return Verdict("sum", f"a sum of {len(parts)}, each {_one(pieces[0])}")
        return Verdict("sum", f"a sum: {'; '.join(pieces)}")

    def _permutes(self, parts: Sequence[Part], axes: frozenset[int]) -> bool:
        """Whether selections add up to a permutation: together they read all that there is, and write it once."""
        if any(self._single(part, axes).words != "selection" or part.pattern.guards for part in parts):
            return False
        places = sum((prod((label.dim for label in part.pattern.labels), start=ONE) for part in parts), ZERO)
        for side in (True, False):
            own = [k for k in sorted(axes) if (k < self.rank) is side]
            dims = tuple(parts[0].pattern.axes[k] for k in own)
            patterns = [Pattern(dims, tuple(part.pattern.slots[k] for k in own)) for part in parts]
            if places is not prod(dims, start=ONE) or places is not _covered(patterns):
                return False
        return True

    def _rank_of(self, part: Part, axes: frozenset[int]) -> int | None:
        """The rank, where each term of the core is a product of a factor of the rows and one of the columns."""
        pattern = part.pattern
        rows, columns = self._labels(pattern, axes)
        if not pattern.plain or not rows or not columns or rows & columns:
            return None
        terms = [flattened(term) for term in part.core.terms]
        return len(terms) if all(_separates(term, rows, columns) for term in terms) else None


def _is_lookup(core: Sum, rows: Collection[Index], columns: Collection[Index]) -> bool:
    """Whether rows have a 1 each at positions that are captured."""
    factor = core.lone
    found = looked_up(factor.tensor) if factor is not None else None
    if factor is None or found is None:
        return False
    at = dict(zip(factor.tensor.axes, factor.slots, strict=True))
    return at[found[1]] in columns and all(at.get(label) in rows for label in found[0].labels)


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


def _covered(patterns: Sequence[Pattern]) -> Dim | None:
    """How many places some patterns have together, where that is known."""
    try:
        return count(patterns)
    except UnsupportedError:
        return None


def _one(words: str) -> str:
    """The words behind "each": one of what they name."""
    noun = words.endswith(("selection", "permutation")) and not words.startswith("a ")
    return f"a {words}" if noun else words


def _plain(kind: Kind) -> Verdict:
    return Verdict(kind, kind)
