"""What stands in a slot: sizes, and affine forms of letters such as ``2*i + 1``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from ...dims import Dim, divide, nonnegative, positive
from ...errors import NotationError, ShapeError, caret
from ...terms import ONE, ZERO, Index
from ..syntax import (
    Apply,
    Call,
    Chain,
    Delta,
    Indexed,
    Name,
    Node,
    Number,
    Power,
    SizeOf,
    Span,
    SumOver,
    Unary,
    Whole,
)

LARGEST = 100  # exponent in a size


@dataclass(eq=False)
class Letter:
    """A letter where it is introduced; ``owner`` is the text that shows its size."""

    name: str
    dim: Dim | None = None
    owner: str = ""
    annotated: bool = False
    index: Index | None = None
    binder: Node | None = None  # where a Σ, a function or the left side introduces it

    @property
    def label(self) -> Index:
        if self.index is None:
            assert self.dim is not None
            self.index = Index.fresh(self.dim)
        return self.index


Scope = Mapping[str, Letter]
Linear = tuple[Dim, dict[Letter, Dim]]


@dataclass(eq=False)
class SlotReader:
    """Reads the slots of one text; ``sizes`` are the names of sizes."""

    text: str
    sizes: Collection[str]

    def fail(
        self,
        where: Node | Span,
        found: str,
        advice: str,
        kind: type[NotationError] | type[ShapeError] = NotationError,
    ) -> NoReturn:
        fail(kind, self.text, where.span if isinstance(where, Node) else where, found, advice)

    def shown(self, node: Node) -> str:
        """The text of a node, on one line."""
        start, end = node.span
        return " ".join(self.text[start:end].split())

    def size(self, node: Node) -> Dim:
        """A size that is written out, as in ``i:n``."""
        dim = self.dim(node)
        if dim is None:
            found = "a size consists of whole numbers and the names of sizes, and this does not"
            self.fail(node, found, f"the known sizes are {self.known_sizes}")
        if nonnegative(-1 - dim):
            self.fail(node, f"a size is at least 0, and this one is {dim}", "write a size of at least 0")
        return dim

    @property
    def known_sizes(self) -> str:
        return ", ".join(sorted(self.sizes)) or "numbers only"

    def dim(self, node: Node, scope: Scope | None = None) -> Dim | None:
        """The size that a node stands for, if it stands for one, and one that is known by now."""
        if isinstance(node, Number):
            return Dim.of(node.value) if isinstance(node.value, int) else None
        if isinstance(node, Name):
            return Dim.of(node.name) if node.name in self.sizes else None
        if isinstance(node, SizeOf):
            return scope[node.letter].dim if scope and node.letter in scope else None
        if isinstance(node, Apply) and node.name == "max" and not node.bound and len(node.arguments) == 2:
            inner = self.dim(node.arguments[0], scope)
            return positive(inner) if inner is not None and node.arguments[1] == Number(0) else None
        if isinstance(node, Call) and node.function == Name("max") and len(node.arguments) == 2:
            inner = self.dim(node.arguments[0], scope)
            return positive(inner) if inner is not None and node.arguments[1] == Number(0) else None
        if isinstance(node, Unary) and node.operator == "-":
            inner = self.dim(node.operand, scope)
            return None if inner is None else -inner
        if isinstance(node, Power):
            base, exponent = self.dim(node.base, scope), node.exponent
            if base is None or not isinstance(exponent, Number) or exponent.value not in range(LARGEST):
                return None
            return base ** int(exponent.value)
        if isinstance(node, Chain):
            return self.dim_of_chain(node, scope)
        return None

    def dim_of_chain(self, node: Chain, scope: Scope | None) -> Dim | None:
        total = self.dim(node.operands[0], scope)
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            value = self.dim(operand, scope)
            if total is None or value is None:
                return None
            if operator == "+":
                total = total + value
            elif operator == "-":
                total = total - value
            elif operator == "*":
                total = total * value
            elif operator == "//":
                total = total // value if value is not ZERO else None
            else:
                total = divide(total, value) if value is not ZERO else None
        return total

    def linear(self, node: Node, scope: Scope) -> Linear | None:
        """A slot as an affine form of letters; None where a size in it is unknown by now."""
        if isinstance(node, Name):
            if node.name in scope:
                return ZERO, {scope[node.name]: ONE}
            if node.name in self.sizes:
                return Dim.of(node.name), {}
            found = f'a slot consists of letters and sizes, and "{node.name}" is neither'
            self.fail(node, found, f"use one letter per index; the known sizes are {self.known_sizes}")
        if isinstance(node, SizeOf):
            dim = scope[node.letter].dim
            return None if dim is None else (dim, {})
        dim = self.dim(node, {}) if not isinstance(node, Chain) else None
        if dim is not None:
            return dim, {}
        if isinstance(node, Unary):
            inner = self.linear(node.operand, scope)
            return None if inner is None else scaled(inner, Dim.of(-1))
        if isinstance(node, Chain):
            return self.linear_chain(node, scope)
        self.not_linear(node)

    def not_linear(self, node: Node) -> NoReturn:
        found = "a slot is a sum of letters, times whole numbers, and a whole number, and this is none"
        self.fail(node, found, 'write a slot such as "2*i + 1"')

    def linear_chain(self, node: Chain, scope: Scope) -> Linear | None:
        total = self.linear(node.operands[0], scope)
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            value = self.linear(operand, scope)
            if total is None or value is None:
                return None
            if operator in "+-":
                total = plus(total, value if operator == "+" else scaled(value, Dim.of(-1)))
            elif operator == "*" and not value[1]:
                total = scaled(total, value[0])
            elif operator == "*" and not total[1]:
                total = scaled(value, total[0])
            elif operator == "//" and not total[1] and not value[1] and value[0] is not ZERO:
                total = total[0] // value[0], {}
            else:
                self.not_linear(node)
        return total


def fail(kind: type[NotationError] | type[ShapeError], text: str, span: Span, found: str, advice: str) -> NoReturn:
    """Raise: the rule and what was found, carets under ``span``, what to do."""
    raise kind(f"{found}:\n{caret(text, *span)}\n{advice}.")


def top_terms(node: Node) -> Iterator[tuple[int, Node]]:
    """The terms of a right side with their signs; a sum in brackets is one term."""
    if isinstance(node, Chain) and node.operators[0] in "+-" and not is_bracketed(node):
        signs = (1, *(1 if operator == "+" else -1 for operator in node.operators))
        yield from zip(signs, node.operands, strict=True)
    else:
        yield 1, node


def is_bracketed(node: Chain) -> bool:
    """Whether brackets stand around a sum or product: they belong to its place in the text."""
    return node.span != (node.operands[0].span[0], node.operands[-1].span[1])


def below(node: Node, hidden: frozenset[str]) -> Iterator[tuple[Node, frozenset[str]]]:
    """The expressions in a node, slots left out, each with the letters that are hidden from outside."""
    match node:
        case SumOver(bound, body):
            yield body, hidden.union(one.letter for one in bound)
        case Apply(_, bound, arguments):
            inner = hidden.union(one.letter for one in bound)
            for argument in arguments:
                yield argument, inner
        case Unary(_, operand):
            yield operand, hidden
        case Chain(operands):
            for operand in operands:
                yield operand, hidden
        case Power(base, exponent):
            yield base, hidden
            yield exponent, hidden


def slots_of(node: Node) -> tuple[Node, ...]:
    match node:
        case Indexed(_, slots) | Whole(_, slots):
            return slots
        case Delta(left, right):
            return (left, right)
        case Apply(slots=slots):
            return slots or ()
    return ()


def looked_up(node: Node) -> list[Node]:
    """The tensors that a slot looks up."""
    if isinstance(node, Indexed | Whole):
        return [node]
    return [found for child in node.children for found in looked_up(child)]


def slot_names(node: Node) -> Iterator[str]:
    """The names in a slot, those in tensors that it looks up left out."""
    if isinstance(node, Name):
        yield node.name
    elif isinstance(node, SizeOf):
        yield node.letter
    elif not isinstance(node, Indexed | Whole):
        for child in node.children:
            yield from slot_names(child)


def comparable(a: Dim, b: Dim) -> bool:
    """Whether two letters of these sizes may be tied by δ[ij]: sizes of two names would be a mistake."""
    return a.value is not None or b.value is not None or nonnegative(a - b) or nonnegative(b - a)


def scaled(form: Linear, by: Dim) -> Linear:
    return form[0] * by, {letter: c * by for letter, c in form[1].items()}


def plus(a: Linear, b: Linear) -> Linear:
    parts = dict(a[1])
    for letter, c in b[1].items():
        parts[letter] = parts.get(letter, ZERO) + c
    return a[0] + b[0], {letter: c for letter, c in parts.items() if c is not ZERO}


def ends(form: Linear) -> tuple[Dim, Dim] | None:
    """The least and the greatest value of an affine form, where the signs in it are certain."""
    low = high = form[0]
    for letter, c in form[1].items():
        assert letter.dim is not None
        extent = c * (letter.dim - 1)
        if nonnegative(c):
            high = high + extent
        elif nonnegative(-c):
            low = low + extent
        else:
            return None
    return low, high


def largest(form: Linear, letter: Letter, axis: Dim) -> Dim | None:
    """The largest size of ``letter`` for which the slot stays within the axis."""
    c = form[1][letter]
    others = ends((form[0], {other: k for other, k in form[1].items() if other is not letter}))
    if others is None:
        return None
    if nonnegative(c - 1):
        return (axis - 1 - others[1]) // c + 1
    if nonnegative(-c - 1):
        return others[0] // -c + 1
    return None


def count(number: int, one: str, many: str) -> str:
    return f"{number or 'no'} {one if number == 1 else many}"
