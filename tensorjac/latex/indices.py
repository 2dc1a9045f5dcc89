"""Index notation in LaTeX: the nodes that text is written from, with every sum written out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..dims import Dim
from ..notation.printing import Formula, Printer
from ..notation.products import Frame, Place
from ..notation.syntax import (
    Apply,
    Axis,
    Bound,
    Chain,
    Delta,
    Equation,
    Indexed,
    Name,
    Node,
    Number,
    Power,
    SizeOf,
    SumOver,
    Target,
    Unary,
    Whole,
)
from ..primitives import PRIMITIVES
from ..terms import Index, Tensor
from .symbols import ATOM, HADAMARD, PRODUCT, SCRIPTED, SUM, Text, bracketed, call, extent, fraction, juxtaposed
from .symbols import numeral, symbol


class Sides(NamedTuple):
    """An equation in LaTeX."""

    left: str
    right: str


def equations(
    formulas: Sequence[Formula], inputs: Mapping[str, Sequence[Dim]], names: Mapping[Tensor, str]
) -> tuple[list[Sides], list[Sides]]:
    """The formulas as equations, and the definitions that they share."""
    printer = _Equations(formulas, inputs, names)
    shown = [printer.sides(formula) for formula in printer.formulas]
    definitions = []
    while printer.products.wanted:
        definitions.append(printer.sides(printer.definition(printer.products.wanted.pop(0))))
    return shown, definitions


class _Equations(Printer):
    def sides(self, formula: Formula) -> Sides:
        """The equation, with the sizes that a reader could not find out."""
        shown: set[int] = set()
        while True:
            frame = Frame(frozenset(shown), self.products.avoid, formula.opening, formula.shared, formula.avoid)
            equation = self.equation(formula, frame)
            missing = self.missing(equation, frame)
            if missing is None:
                return _Writer(frame.places, self.shapes).sides(equation)
            shown.add(missing)


@dataclass
class _Factors:
    """A product: a number as a fraction, and what stands above and below the line."""

    number: tuple[Node | None, Node | None]
    above: list[Node]
    below: list[Node]


class _Writer:
    def __init__(self, places: Iterable[Place], named: Collection[str]) -> None:
        self.summed: dict[int, list[str]] = {}
        for place in places:
            if place.node is not None and not isinstance(place.node, SumOver | Apply):
                self.summed.setdefault(id(place.node), []).append(place.letter)
        self.named = named

    # Equations

    def sides(self, equation: Equation) -> Sides:
        target = self._target(equation.target)
        if equation.wrt:
            twice = len(equation.wrt) > 1
            below = r"\, ".join(rf"\partial {self._target(one)}" for one in equation.wrt)
            target = fraction(rf"\partial{'^{2}' if twice else ''} {target}", below).text
        return Sides(target, self._write(equation.right).text)

    def _target(self, target: Target) -> str:
        axes = [self._axis(axis) for axis in target.axes]
        return _subscripted(symbol(target.name), _side_by_side(axes))

    def _axis(self, axis: Axis) -> str:
        letters = _side_by_side([symbol(bound.letter) for bound in axis.letters])
        return letters if len(axis.letters) == 1 else f"({letters})"

    # Expressions

    def _write(self, node: Node) -> Text:
        letters = self.summed.get(id(node))
        if letters:
            return self._sum_over(f"_{{{_side_by_side(map(symbol, letters))}}}", node, letters)
        match node:
            case Number(value):
                return numeral(value)
            case Name(name):
                return Text(symbol(name))
            case Indexed(name, slots):
                return self._indexed(name, slots)
            case Delta(left, right):
                return Text(rf"\delta_{{{self._slots((left, right))}}}")
            case SizeOf(letter):
                return Text(rf"\lvert {symbol(letter)} \rvert")
            case Unary(_, operand):
                return Text(f"-{self._write(operand).at(HADAMARD)}", SUM)
            case Chain(operands, operators) if operators[0] in "+-":
                return self._sum(operands, operators)
            case Chain(operands, ("//",)):
                left, right = (self._write(operand).at(SCRIPTED) for operand in operands)
                return Text(rf"\lfloor {left} / {right} \rfloor")
            case Chain():
                return self._quotient(_factors(node), [])
            case Power(base, exponent):
                return Text(f"{self._write(base).at(ATOM)}^{{{self._exponent(exponent)}}}", SCRIPTED)
            case SumOver(bound, body):
                return self._sum_over(self._limits(bound), body, [one.letter for one in bound])
            case Apply():
                return self._apply(node)
            case Whole(Call, slots):
                return self._whole(Call.function, Call.arguments, slots)
        raise TypeError(f"{type(node).__name__} is no node of index notation")

    def _sum(self, operands: Sequence[Node], operators: Sequence[str]) -> Text:
        parts = [self._write(operands[0]).text]
        for operator, operand in zip(operators, operands[1:], strict=True):
            parts.append(f" {operator} {self._write(operand).at(HADAMARD)}")
        return Text("".join(parts), SUM)

    def _exponent(self, node: Node) -> str:
        if isinstance(node, Chain) and node.operators == ("/",):
            return "/".join(self._write(part).at(SCRIPTED) for part in node.operands)
        return self._write(node).text

    # Products and sums over indices

    def _quotient(self, parts: _Factors, summed: Sequence[str]) -> Text:
        """Factors as a fraction where something divides."""
        top, bottom = parts.number
        if parts.below:
            above = [*([top] if top else []), *parts.above]
            below = [*([bottom] if bottom else []), *parts.below]
            return fraction(self._product(above) if above else "1", self._product(below))
        front: list[Text] = []
        if bottom:
            front.append(fraction(self._write(top).text if top else "1", self._write(bottom).text))
        elif top:
            front.append(self._write(top))
        return Text(_joined([*front, *map(self._write, parts.above)]), PRODUCT)

    def _product(self, factors: Sequence[Node]) -> str:
        return _joined([self._write(factor) for factor in factors])

    def _sum_over(self, limits: str, body: Node, letters: Sequence[str]) -> Text:
        """Σ with what it sums; what comes first and has nothing to do with it stands before it."""
        if isinstance(body, Unary):
            inner = self._sum_over(limits, body.operand, letters)
            return Text(f"-{inner.text}", SUM)
        parts = _factors(body)
        first = next((k for k, part in enumerate(parts.above) if _mentions(part, letters)), len(parts.above))
        outside = [part for part in parts.below if not _mentions(part, letters)]
        inside = [part for part in parts.below if _mentions(part, letters)]
        front = self._quotient(_Factors(parts.number, parts.above[:first], outside), ())
        inner = self._quotient(_Factors((None, None), parts.above[first:], inside), ())
        body_text = inner.text or "1"
        sum_text = rf"\sum{limits} {bracketed(body_text) if inner.binding == SUM else body_text}"
        return Text(f"{front.text} {sum_text}" if front.text else sum_text, HADAMARD)

    def _limits(self, bound: Sequence[Bound]) -> str:
        if all(one.size is None for one in bound):
            return f"_{{{_side_by_side(symbol(one.letter) for one in bound)}}}"
        return ""

    # Tensors and functions

    def _indexed(self, name: str, slots: Sequence[Node]) -> Text:
        if name == "tril" and name not in self.named:
            row, column = (self._write(slot).text for slot in slots)
            return Text(rf"[{row} \geq {column}]")
        return Text(_subscripted(symbol(name), self._slots(slots)))

    def _slots(self, slots: Sequence[Node]) -> str:
        texts = [self._write(slot).text for slot in slots]
        return _side_by_side(texts) if all(isinstance(slot, Name) for slot in slots) else ", ".join(texts)

    def _apply(self, node: Apply) -> Text:
        args = [self._write(argument) for argument in node.arguments]
        primitive = PRIMITIVES.get(node.name)
        below = _side_by_side(symbol(one.letter) for one in node.bound)
        text = call(node.name, primitive, args, below)
        return Text(f"{text.at(ATOM)}_{{{self._slots(node.slots)}}}") if node.slots else text

    def _whole(self, function: Node, arguments: Sequence[Node], slots: Sequence[Node]) -> Text:
        assert isinstance(function, Name)
        if function.name == "arange":
            return self._write(slots[0])
        text = call(function.name, PRIMITIVES.get(function.name), [self._write(one) for one in arguments])
        return Text(f"{text.text}_{{{self._slots(slots)}}}", text.binding)


def _factors(node: Node) -> _Factors:
    """A product taken apart."""
    found = _Factors((None, None), [], [])
    if not isinstance(node, Chain) or node.operators[0] not in "*/":
        found.above.append(node)
        return found
    for operator, operand in zip(("*", *node.operators), node.operands, strict=True):
        inner = _factors(operand)
        if operator == "*":
            found.above += inner.above
            found.below += inner.below
        else:
            found.above += inner.below
            found.below += inner.above
    return found


def _mentions(node: Node, letters: Collection[str]) -> bool:
    return any(isinstance(part, Name | SizeOf) and _letter(part) in letters for part in _walk(node))


def _letter(node: Name | SizeOf) -> str:
    return node.name if isinstance(node, Name) else node.letter


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _subscripted(name: str, below: str) -> str:
    if not below:
        return name
    return f"({name})_{{{below}}}" if "_" in name else f"{name}_{{{below}}}"


def _side_by_side(letters: Iterable[str]) -> str:
    """Letters as subscripts; commands end in a space."""
    text = ""
    for letter in letters:
        text += (" " if text.rpartition("\\")[2].isalpha() and "\\" in text and letter[:1].isalpha() else "") + letter
    return text


def _joined(factors: Sequence[Text]) -> str:
    if len(factors) == 1:
        return factors[0].text
    *before, last = factors or [Text("")]
    return juxtaposed([*(factor.at(SCRIPTED) for factor in before), last.at(HADAMARD)])


__all__ = ["Index", "Sides", "equations", "extent"]
