"""The structure of a Jacobian as it is shown: in words, and term by term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from ..dims import Dim
from ..notation import printing
from ..rewrites import contracted
from ..terms import Index, Slot, Sum, Tensor
from .merging import Convention, Form
from .pattern import Part
from .words import Kind, Words

LETTERS = ascii_lowercase[8:] + ascii_lowercase[:8]


@dataclass(frozen=True)
class Entries:
    """One term: which output axis δ tie to which input axis, the pattern of all its δ, and what carries the rest."""

    ties: tuple[tuple[str, str], ...]
    pattern: str
    core: str
    axes: str  # those of the core, in the letters of the Jacobian

    def __str__(self) -> str:
        return f"{self.pattern}: {self.core}"


@dataclass(frozen=True)
class Structure:
    """What a Jacobian is: ``kind`` to decide by, ``words`` to be read, and its terms, those of one pattern added.

    >>> import tensorjac as tj
    >>> S = tj.trace(lambda A, x: A @ x, A="m n", x="n").jacobian("A").structure
    >>> print(S)
    Kronecker product I ⊗ xᵀ
    >>> S.kind, S.terms
    ('Kronecker product', (Entries(ties=(('i', 'j'),), pattern='δ[ij]', core='x[k]', axes='k'),))
    """

    kind: Kind
    words: str
    terms: tuple[Entries, ...]

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Letters:
    """How the parts of a Jacobian are printed: its axes, its number of output axes, and the names of what it holds."""

    axes: Sequence[Index]
    rank: int
    inputs: Mapping[str, Sequence[Dim]]
    names: Mapping[Tensor, str]

    @property
    def all(self) -> str:
        return LETTERS[: len(self.axes)]

    def structure(self, parts: Sequence[Part], body: Sum) -> Structure:
        """The parts of an expression in words and letters."""
        verdict = Words(self.all, self.rank).verdict(parts, frozenset(range(len(self.axes))))
        words = verdict.words
        if verdict.kind == "Kronecker product":
            form = Form.of(self.axes, body, parts, self.rank, Convention("C", "numerator"), (self.inputs, self.names))
            words = f"Kronecker product {form.plain}" if form.plain else words
        entries = tuple(self._entries(part) for part in parts)
        if verdict.words == "sparse":
            words = f"sparse, zero but where {entries[0].pattern}"
        return Structure(verdict.kind, words, entries)

    def _entries(self, part: Part) -> Entries:
        ties = tuple((self.all[row], self.all[column]) for row, column in part.pattern.ties(self.rank))
        shown = list(self.axes)
        mapping: dict[Index, Slot] = {}
        for axis, slot in zip(self.axes, part.pattern.slots, strict=True):
            if isinstance(slot, Index) and slot.dim is axis.dim:
                mapping.setdefault(slot, axis)
        for label in part.labels:
            if label not in mapping:
                shown.append(Index.fresh(label.dim))
                mapping[label] = shown[-1]
        letters = dict(zip(shown, LETTERS, strict=False))
        axes = "".join(letters[mapping[label]] for label in part.labels)  # type: ignore[index]
        pattern = self._text(contracted(part.pattern.term(self.axes)), self.axes)
        return Entries(ties, pattern, self._text(part.core.substitute(mapping), shown), axes)

    def _text(self, body: Sum, axes: Sequence[Index]) -> str:
        """The right side of an equation whose left side has these axes."""
        return printing.text({"Y": (axes, body)}, self.inputs, self.names).partition("] = ")[2]
