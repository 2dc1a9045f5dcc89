"""The lines of a derivation: equations in index notation, with ∂E/∂X for derivatives that are not worked out yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .. import rewrites
from ..dims import Dim
from ..notation import printing
from ..terms import DELTA, Factor, Index, Input, Sum, Tensor, Term, of_factor, product

Axes = tuple[Index, ...]


@dataclass
class Line:
    """One line of a derivation: what stands left of the equals sign (or nothing), the right side, and why."""

    left: str
    right: str
    reason: str


class Mark(NamedTuple):
    """A derivative that is not worked out yet: of which tensor, by which input, the axes of both."""

    of: str
    by: str
    rank: int
    shape: tuple[Dim, ...]


@dataclass
class Lines:
    """The lines of one derivation, and what they share: the inputs, and the names of tensors."""

    inputs: Mapping[str, tuple[Dim, ...]]
    names: dict[Tensor, str]
    constants: Mapping[Tensor, str]
    lines: list[Line | str] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)

    def marker(self, mark: Mark) -> Input:
        """A stand-in for ∂of/∂by, which is printed as that."""
        name = next((known for known, other in self.marks.items() if other == mark), None)
        if name is None:
            name = free_name(f"D{len(self.marks)}__", {*self.inputs, *self.names.values()})
            self.marks[name] = mark
        return Input(name, mark.shape)

    def right(self, groups: Sequence[tuple[str, Axes]], body: Sum, hidden: Tensor | None = None) -> tuple[str, str]:
        """Both sides of the equation as text."""
        named = {tensor: name for tensor, name in self.names.items() if tensor is not hidden}
        inputs = {**self.inputs, **{name: tensor.shape for tensor, name in named.items()}}
        inputs.update((name, mark.shape) for name, mark in self.marks.items())
        body = _with_names(body, named)
        text = (
            printing.derivative(groups[0], groups[1:], body, inputs, self.constants)
            if len(groups) > 1
            else printing.text({groups[0][0]: (groups[0][1], body)}, inputs, self.constants)
        )
        left, _, right = " ".join(text.split()).partition(" = ")
        return left, self._derivatives(right)

    def _derivatives(self, text: str) -> str:
        """The text with ∂of/∂by in place of its stand-ins."""
        names = "|".join(map(re.escape, self.marks))
        match = re.search(rf"(?<!\w)({names})\[", text) if names else None
        if match is None:
            return text
        end = _closing(text, match.end())
        of, by, rank, shape = self.marks[match[1]]
        slots = _slots(text[match.end() : end], len(shape))
        above, below = (_bracketed(part) for part in (slots[:rank], slots[rank:]))
        return f"{text[: match.start()]}∂{of}{above}/∂{by}{below}{self._derivatives(text[end + 1 :])}"

    def title(self, text: str) -> None:
        """Begin a paragraph."""
        self.lines += ["", text]

    def add(self, groups: Sequence[tuple[str, Axes]], body: Sum, reason: str, hidden: Tensor | None = None) -> None:
        """Write a line, unless it says the same as the one before."""
        left, right = self.right(groups, body, hidden)
        before = self.lines[-1] if self.lines else ""
        if isinstance(before, Line) and before.right == right and reason != "definition":
            return
        self.lines.append(Line("" if _left(self.lines) == left else left, right, reason))

    def text(self) -> str:
        """All lines, their equals signs and reasons aligned within each paragraph."""
        result: list[str] = []
        paragraph: list[Line] = []
        for line in [*self.lines, ""]:
            if isinstance(line, Line):
                paragraph.append(line)
                continue
            result.extend(_aligned(paragraph))
            paragraph = []
            result.append(line)
        return "\n".join(result).rstrip()


def _closing(text: str, start: int) -> int:
    """The place of the bracket that closes the one before ``start``."""
    depth, place = 1, start
    while depth:
        depth += (text[place] in "[(") - (text[place] in "])")
        place += 1
    return place - 1


def _slots(text: str, number: int) -> list[str]:
    """What stands in brackets, one text for each of so many axes."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [slot.strip() for slot in found] if len(found) == number else list(text)


def _bracketed(slots: Sequence[str]) -> str:
    return f"[{('' if all(len(slot) == 1 for slot in slots) else ', ').join(slots)}]"


def _with_names(body: Sum, names: Mapping[Tensor, str]) -> Sum:
    """The sum with named tensors as inputs of that name, so that they are printed by it."""
    replaced = {tensor: of_factor(Input(name, tensor.shape)(*tensor.axes)) for tensor, name in names.items()}
    terms: list[Term] = []
    for term in body.terms:
        factors: list[Factor] = []
        for factor in term.factors:
            inner = None
            if factor.tensor is not DELTA:
                (rebuilt,) = rewrites.rebuild([of_factor(factor.tensor(*factor.tensor.axes))], replaced)
                inner = rewrites.whole(rebuilt).lone
            if inner is None:
                factors.append(factor)
            else:
                moved = inner.substitute(dict(zip(factor.tensor.axes, factor.slots, strict=True)))
                factors.append(Factor(moved.tensor, moved.slots, factor.power))
        terms.append(product(term.coefficient, factors, term.summed))
    return Sum(terms)


def _left(lines: Sequence[Line | str]) -> str:
    """The left side of the equation that is being continued; none where a paragraph begins."""
    for line in reversed(lines):
        if isinstance(line, str):
            return ""
        if line.left:
            return line.left
    return ""


def _aligned(lines: Sequence[Line]) -> Iterator[str]:
    left = max((len(line.left) for line in lines), default=0)
    right = max((len(line.right) for line in lines if len(line.right) <= 60), default=0)
    for line in lines:
        yield f"  {line.left:<{left}} = {line.right:<{right}}   {line.reason}".rstrip()


def free_name(name: str, taken: set[str]) -> str:
    """The name, with _ behind it as long as it is taken; from now on it is."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name
