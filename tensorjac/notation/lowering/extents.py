"""How large each index is: the sizes of letters follow from the axes at which they stand, and must agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from ...dims import Dim, Requirement, always, nonnegative
from ...errors import ShapeError
from ..syntax import Name, Node
from .letters import LetterReader
from .named import P
from .slots import Letter, Scope, comparable, ends, largest, looked_up, slot_names


@dataclass(eq=False)
class SizeReader(LetterReader[P]):
    """Works out the size of every letter; what only a call can decide becomes a requirement."""

    requirements: list[Requirement] = field(default_factory=list, init=False)

    def settle(self) -> None:
        """Find the size of every letter, and check that all axes agree with it."""
        self.spread()
        for letter in self.letters:
            if letter.dim is None:
                self.unknown(letter)
        self.check()

    def spread(self) -> None:
        """Find the sizes that follow from others."""
        while self.from_axes() or self.from_ranges() or self.from_deltas():
            pass

    def from_axes(self) -> bool:
        """Sizes from letters that stand alone at an axis."""
        found = False
        for slot, scope, axis, owner in self.uses:
            if isinstance(slot, Name) and slot.name in scope:
                letter = scope[slot.name]
                dim = axis.dim if isinstance(axis, Letter) else axis
                if letter.dim is None and dim is not None:
                    letter.dim, letter.owner, found = dim, self.shown(owner), True
                elif isinstance(axis, Letter) and axis.dim is None and letter.dim is not None:
                    axis.dim, axis.owner, found = letter.dim, self.shown(owner), True
        for left, right, owner, strict in self.ties:
            for known, other in ((left, right), (right, left)):
                if strict and other.dim is None and known.dim is not None:
                    other.dim, other.owner, found = known.dim, self.shown(owner), True
        return found

    def from_ranges(self) -> bool:
        """Sizes from slots such as ``2*i + 1``: the largest in range. One letter at a time."""
        candidates: dict[Letter, list[tuple[Dim, Node]]] = {}
        for slot, scope, axis, owner in self.uses:
            dim = axis.dim if isinstance(axis, Letter) else axis
            if dim is None or isinstance(slot, Name) or looked_up(slot):
                continue
            form = self.linear(slot, scope)
            if form is None:
                continue
            unknown = [letter for letter in form[1] if letter.dim is None]
            if len(unknown) == 1:
                most = largest(form, unknown[0], dim)
                if most is not None:
                    candidates.setdefault(unknown[0], []).append((most, owner))
        for letter, found in candidates.items():
            for dim, owner in found:
                if all(nonnegative(other - dim) for other, _ in found):
                    letter.dim, letter.owner = dim, self.shown(owner)
                    return True
        return False

    def from_deltas(self) -> bool:
        for left, right, owner, _ in self.ties:
            for known, other in ((left, right), (right, left)):
                if other.dim is None and known.dim is not None:
                    other.dim, other.owner = known.dim, self.shown(owner)
                    return True
        return False

    def unknown(self, letter: Letter) -> NoReturn:
        found = f"every index has a size, and nothing shows that of index {letter.name}"
        example = min(self.sizes, default="n")
        if letter.binder is not None:
            self.fail(letter.binder, found, f'write it out, as in "{letter.name}:{example}"')
        uses = [use for use in self.uses if use.scope.get(letter.name) is letter]
        owners = [use.owner for use in uses if letter.name in slot_names(use.slot)]
        where = owners[0].span if owners else (0, len(self.text))
        self.fail(where, found, f'sum over it with its size, as in "Σ_{{{letter.name}:{example}}}"')

    def check(self) -> None:
        for letter in self.letters:
            assert letter.dim is not None
            if not always(letter.dim):
                self.require(letter.dim, f"index {letter.name} has size {letter.dim}")
        for slot, scope, axis, owner in self.uses:
            dim = axis.dim if isinstance(axis, Letter) else axis
            if looked_up(slot):
                continue
            if dim is None:
                self.linear(slot, scope)
                continue
            if isinstance(slot, Name) and slot.name in scope:
                letter = scope[slot.name]
                assert letter.dim is not None
                if letter.dim is dim:
                    continue
                if not (letter.annotated and self.fits(letter.dim, dim)):
                    self.contradiction(letter, dim, owner)
                continue
            self.check_range(slot, scope, dim, owner)
        for left, right, owner, strict in self.ties:
            assert left.dim is not None and right.dim is not None
            if strict and left.dim is not right.dim:
                found = f"{getattr(owner, 'name', '')} takes a square matrix, and index {left.name} has size "
                found += f"{left.dim} and index {right.name} size {right.dim}"
                self.fail(owner, found, "give it a matrix with two equal sizes", ShapeError)
            if not comparable(left.dim, right.dim):
                found = f"δ compares two indices of one size, and index {left.name} has size {left.dim}"
                found += f"{_within(left.owner)} and index {right.name} has size {right.dim}{_within(right.owner)}"
                advice = f'make the sizes equal, or write "δ[{left.name} = {right.name} + 0]"'
                self.fail(owner, found, advice, ShapeError)

    def fits(self, size: Dim, axis: Dim) -> bool:
        """Whether an index of this size may stand at an axis; where only numbers can tell, they are asked."""
        if nonnegative(axis - size):
            return True
        if nonnegative(size - axis - 1) or (size.name is not None and axis.name is not None):
            return False
        if size.value is None and axis.value is not None:
            return False
        self.require(axis - size, f"an index of size {size} stands at an axis of size {axis}")
        return True

    def require(self, dim: Dim, reason: str) -> None:
        if all(known.dim is not dim for known in self.requirements):
            self.requirements.append(Requirement(dim, ">=", reason))

    def contradiction(self, letter: Letter, dim: Dim, owner: Node) -> NoReturn:
        found = f"an index has one size, and index {letter.name} has size {letter.dim}{_within(letter.owner)}"
        found += f" and size {dim} in {self.shown(owner)}"
        self.fail(owner, found, "use another letter in one of them, or change a shape", ShapeError)

    def check_range(self, slot: Node, scope: Scope, dim: Dim, owner: Node) -> None:
        form = self.linear(slot, scope)
        assert form is not None
        span = ends(form)
        if span is None:
            return
        low, high = span
        for spare in (low, dim - 1 - high):
            if always(spare):
                continue
            if nonnegative(-1 - spare):
                said = f"here stands {low}" if low is high else f"{self.shown(slot)} runs from {low} to {high}"
                found = f"a slot stays within its axis, and {said}"
                found += f", and the axis of {self.shown(owner)} has size {dim}"
                self.fail(slot, found, "change the slot, or the size of an index in it", ShapeError)
            self.require(spare, f"{self.shown(slot)} stands at an axis of size {dim}")


def _within(owner: str) -> str:
    return f" in {owner}" if owner else ""
