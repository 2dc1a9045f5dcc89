"""Index notation in LaTeX: the nodes that text is written from, with every sum written out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..dims import Dim
from ..notation.printing import Formula, Printer
from ..notation.printing.places import Place
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
    walk,
)
from ..terms import Index, Tensor, number
from ..terms import Number as Value
from .symbols import (
    ATOM,
    HADAMARD,
    PRODUCT,
    SCRIPTED,
    SUM,
    TALL,
    Sides,
    Text,
    call,
    extent,
    fraction,
    juxtaposed,
    numeral,
    symbol,
)


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
        equation, frame = self.settled(formula)
        return _Writer(frame.places, self.shapes).sides(equation)


@dataclass
class _Factors:
    """A product: a number, and what stands above and below the line."""

    number: Value
    above: list[Node]
    below: list[Node]


class _Writer:
    def __init__(self, places: Iterable[Place], named: Collection[str]) -> None:
        self.indices: dict[int, list[tuple[str, Index]]] = {}
        for place in places:
            if place.node is not None:
                self.indices.setdefault(id(place.node), []).append((place.letter, place.index))
        self.named = named

    # Equations

    def sides(self, equation: Equation) -> Sides:
        target = self._target(equation.target)
        if equation.wrt:
            twice = len(equation.wrt) > 1
            below = r"\,".join(rf"\partial {self._target(one)}" for one in equation.wrt)
            target = fraction(rf"\partial{'^{2}' if twice else ''} {target}", below).text
        return Sides(target, self._write(equation.right).text)

    def _target(self, target: Target) -> str:
        axes = [self._axis(axis) for axis in target.axes]
        return _subscripted(symbol(target.name, self.named), _side_by_side(axes))

    def _axis(self, axis: Axis) -> str:
        letters = _side_by_side([symbol(bound.letter) for bound in axis.letters])
        return letters if len(axis.letters) == 1 else f"({letters})"

    # Expressions

    def _write(self, node: Node) -> Text:
        implied = () if isinstance(node, SumOver | Apply) else self.indices.pop(id(node), ())
        if implied:
            letters = [letter for letter, _ in implied]
            return self._sum_over(rf"\sum_{{{_side_by_side(map(symbol, letters))}}}", node, letters)
        match node:
            case Number(value):
                return numeral(value)
            case Name(name):
                return Text(symbol(name, self.named))
            case Indexed(name, slots):
                return self._indexed(name, slots)
            case Delta(left, right):
                return Text(rf"\delta_{{{self._slots((left, right))}}}")
            case SizeOf(letter):
                return Text(rf"\left| {symbol(letter)} \right|")
            case Unary(_, operand):
                return Text(f"-{self._write(operand).at(HADAMARD)}", SUM)
            case Chain((slot, Number(0)), ("+",)):
                return self._write(slot)
            case Chain(operands, operators) if operators[0] in "+-":
                return self._sum(operands, operators)
            case Chain(operands, ("//",)):
                above, below = (self._write(operand).at(SCRIPTED) for operand in operands)
                return Text(rf"\lfloor {above} / {below} \rfloor")
            case Chain():
                return self._quotient(_factors(node))
            case Power(base, exponent):
                return Text(f"{self._write(base).at(ATOM)}^{{{self._exponent(exponent)}}}", SCRIPTED)
            case SumOver(bound, body):
                return self._sum_over(self._limits(node, bound), body, [one.letter for one in bound])
            case Apply():
                return self._apply(node)
            case _:
                assert isinstance(node, Whole)
                return self._whole(node.call.function, node.call.arguments, node.slots)

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

    def _quotient(self, parts: _Factors) -> Text:
        """Factors, as a fraction where something divides."""
        c = parts.number
        above, below = ([self._write(node) for node in nodes] for nodes in (parts.above, parts.below))
        if below:
            if not isinstance(c, float) and c.denominator != 1:
                below.insert(0, numeral(c.denominator))
                c = c.numerator
            behind = [text for text in above if TALL.search(text.text)]
            front = [text for text in above if text not in behind]
            front = [numeral(c), *front] if c != 1 or not front else front
            bar = fraction(_joined(front), _joined(below))
            return Text(_joined([bar, *behind]), PRODUCT) if behind else bar
        above = [numeral(c), *above] if c != 1 or not above else above
        return above[0] if len(above) == 1 else Text(_joined(above), PRODUCT)

    def _sum_over(self, sign: str, body: Node, letters: Sequence[str]) -> Text:
        """Σ before what it sums; what comes first and has nothing to do with it stands before it."""
        if isinstance(body, Unary):
            return Text(f"-{self._sum_over(sign, body.operand, letters).text}", SUM)
        parts = _factors(body)
        first = next((k for k, part in enumerate(parts.above) if _mentions(part, letters)), len(parts.above))
        inside = [part for part in parts.below if _mentions(part, letters)]
        outside = [part for part in parts.below if part not in inside]
        inner = self._quotient(_Factors(1, parts.above[first:], inside))
        text = f"{sign} {inner.at(HADAMARD)}"
        if first or outside or parts.number != 1:
            front = self._quotient(_Factors(parts.number, parts.above[:first], outside))
            text = f"{front.at(PRODUCT)} {text}"
        return Text(text, HADAMARD)

    def _limits(self, node: SumOver, bound: Sequence[Bound]) -> str:
        """One Σ for all indices, or one for each where their sizes are shown."""
        if all(one.size is None for one in bound):
            return rf"\sum_{{{_side_by_side(symbol(one.letter) for one in bound)}}}"
        sizes = {letter: index.dim for letter, index in self.indices[id(node)]}
        return " ".join(rf"\sum_{{{symbol(one.letter)}=0}}^{{{extent(sizes[one.letter] - 1).text}}}" for one in bound)

    # Tensors and functions

    def _indexed(self, name: str, slots: Sequence[Node]) -> Text:
        if name == "tril" and name not in self.named:
            row, column = (self._write(slot).text for slot in slots)
            return Text(rf"[{row} \geq {column}]")
        return Text(_subscripted(symbol(name, self.named), self._slots(slots)))

    def _slots(self, slots: Sequence[Node]) -> str:
        texts = [self._write(slot).text for slot in slots]
        return _side_by_side(texts) if all(isinstance(slot, Name) for slot in slots) else ", ".join(texts)

    def _apply(self, node: Apply) -> Text:
        args = [self._write(argument) for argument in node.arguments]
        below = _side_by_side(symbol(one.letter) for one in node.bound)
        text = call(node.name, args, self.named, below)
        return Text(f"{text.at(ATOM)}_{{{self._slots(node.slots)}}}") if node.slots else text

    def _whole(self, function: Node, arguments: Sequence[Node], slots: Sequence[Node]) -> Text:
        assert isinstance(function, Name)
        if function.name == "arange":
            return self._write(slots[0])
        text = call(function.name, [self._write(one) for one in arguments], self.named)
        return Text(f"{text.at(ATOM)}_{{{self._slots(slots)}}}")


def _factors(node: Node) -> _Factors:
    """A product taken apart."""
    if isinstance(node, Number):
        return _Factors(node.value, [], [])
    if not isinstance(node, Chain) or node.operators[0] not in ("*", "/"):
        return _Factors(1, [node], [])
    found = _Factors(1, [], [])
    for operator, operand in zip(("*", *node.operators), node.operands, strict=True):
        inner = _factors(operand)
        if operator == "*":
            found.number = number(found.number * inner.number)
            found.above += inner.above
            found.below += inner.below
        else:
            found.number = _divided(found.number, inner.number)
            found.above += inner.below
            found.below += inner.above
    return found


def _divided(value: Value, by: Value) -> Value:
    return number(value / by if isinstance(value, float) or isinstance(by, float) else Fraction(value) / by)


def _mentions(node: Node, letters: Collection[str]) -> bool:
    return any(isinstance(part, Name | SizeOf) and _letter(part) in letters for part in walk(node))


def _letter(node: Name | SizeOf) -> str:
    return node.name if isinstance(node, Name) else node.letter


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
