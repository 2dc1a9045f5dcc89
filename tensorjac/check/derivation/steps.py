"""A derivation read from top to bottom: names defined, and every other ``=`` compared."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...dims import Dim, parse_shape
from ...errors import DerivationError, NotationError, ShapeError, TensorjacError
from ...notation.paperscan import Scanner
from .proving import Comparison, Setting, compare
from .scope import Scope
from .sides import Form, Reader, free_letters
from .text import Block, Side
from .values import Value

_TARGET = re.compile(r"(?P<name>[^\W\d]\w*)\s*(?:\[(?P<letters>[^\W\d_]*(?:\s*,\s*[^\W\d_])*)\])?")
_WORD = re.compile(r"(?<![/∂])[^\W\dᵀ⊤ᵗ][^\Wᵀ⊤ᵗ]*")
_GRADIENT = re.compile(r"∂(\w+)\s*/\s*∂(\w+)|d(\w+)\s*/\s*d(\w+)|∇_(?P<by>\w+)\s+(\w+)")


@dataclass(frozen=True)
class Step:
    """One ``=``: its sides with their values, and how these compare.

    ``defined`` is the name that it gives a meaning to, ``fault`` what is wrong with the shapes within a side.
    """

    left: Side
    right: Side
    before: Value | None = None
    after: Value | None = None
    letters: tuple[str, ...] | None = None
    defined: str = ""
    comparison: Comparison | None = None
    fault: TensorjacError | None = None


@dataclass(frozen=True)
class End:
    """Where a chain has come to: the last side, its value and the letters of its axes.

    Without a value, ``target`` is a name that the next side gives a meaning to, and ``loss`` are L and Y of ∂L/∂Y.
    """

    side: Side
    value: Value | None
    letters: tuple[str, ...] | None
    target: str = ""
    loss: tuple[str, str] | None = None


class Derivation:
    """The statements of a block, read one after the other."""

    def __init__(self, block: Block, shapes: Mapping[str, Any], setting: Setting, symmetric: Collection[str]) -> None:
        self.block = block
        self.setting = setting
        dims = {name: parse_shape(shape, name) for name, shape in shapes.items()}
        rows: list[str] = []
        fixed: list[str] = []
        symmetries = list(symmetric)
        for given in block.given:
            own = self._dims(given.name, given.shape, given.line)
            if dims.setdefault(given.name, own) != own:
                block.fail(f"{given.name} is given twice, with two shapes", given.line, "keep one of them")
            rows += [given.name] if "row" in given.adjectives else []
            symmetries += [given.name] if {"symmetric", "positive definite"} & set(given.adjectives) else []
            fixed += [given.name] if {"fixed", "constant"} & set(given.adjectives) else []
        dims = {name: own for name, own in dims.items() if not (name[:1] == "d" and name[1:] in dims)}
        self.scope = Scope(dims, rows, symmetries)
        self.reader = Reader(self.scope)
        self.words = self._words()
        self.scope.varying = frozenset(name for name in dims if f"d{name}" in self.words).difference(fixed)

    def _dims(self, name: str, shape: str, line: int) -> tuple[Dim, ...]:
        try:
            return parse_shape(shape, name)
        except TensorjacError as error:
            raise NotationError(f"{self.block.place(line)}: {error}") from None

    def _words(self) -> set[str]:
        """The names and differentials that occur: inputs of which there is no differential are held fixed."""
        scanner = Scanner(self.scope.known.union(self._targets()))
        pieces: set[str] = set()
        for statement in self.block.statements:
            for side in statement.sides:
                for word in _WORD.findall(side.text):
                    pieces.update(scanner.split(word))
        return pieces

    def held(self) -> set[str]:
        """Inputs that do not vary, although something does that is defined by them."""
        scope = self.scope
        moved = [name for name in scope.meaning if name in scope.dims and f"d{name}" in self.words]
        below = {
            one for name in moved for tensor in scope.expanded(scope.meaning[name]).tensors for one in tensor.inputs
        }
        return {name for name in below if name in scope.given and name not in scope.varying}

    def _targets(self) -> Iterator[str]:
        for statement in self.block.statements:
            match = _TARGET.fullmatch(statement.sides[0].text)
            if match and not statement.continues:
                yield match["name"]

    # Steps

    def steps(self) -> Iterator[Step]:
        """Every ``=``, in order."""
        end: End | None = None
        for statement in self.block.statements:
            first, *others = statement.sides
            if not statement.continues:
                end, fault = self._opened(first)
                if fault is not None:
                    yield Step(first, others[0], fault=fault)
            elif end is None:
                rule = "a line that begins with = goes on with a chain, and there is none"
                self.block.fail(rule, first.line, "write the left side")
            for right in others if not statement.continues else statement.sides:
                step = self._step(end, right)
                yield step
                end = End(right, step.after, end.letters)

    def _opened(self, side: Side) -> tuple[End, TensorjacError | None]:
        """The first side of a chain, which may be a name that gets a meaning."""
        found = _TARGET.fullmatch(side.text)
        letters = None
        if found is not None and found["letters"] is not None:
            letters = tuple(re.sub(r"[\s,]", "", found["letters"]))
        if found is not None and self._definable(found["name"]):
            return End(side, None, letters, found["name"]), None
        gradient = _GRADIENT.fullmatch(side.text)
        if gradient is not None:
            names = [name for name in gradient.groups() if name]
            of, wrt = reversed(names) if gradient["by"] else names
            if wrt in self.scope.dims and not self._is_known(of):
                return End(side, None, None, "", (of, wrt)), None
        value, fault = self._read(side, Form(letters))
        if letters is None and self.reader.notation(side.text) == "index":
            letters = free_letters(self.reader.index_node(side.text))
        return End(side, value, letters), fault

    def _step(self, end: End, right: Side) -> Step:
        if end.target:
            return self._defining(end, right)
        if end.loss:
            return self._gradient_given(end, end.loss, right)
        found, fault = self._read(right, Form(end.letters, end.value))
        if found is None or end.value is None:
            return Step(end.side, right, end.value, found, end.letters, fault=fault)
        return self._compared(end, end.value, right, found)

    def _compared(self, end: End, value: Value, right: Side, found: Value) -> Step:
        found = fitted(value, found)
        alike = value.dims == found.dims and {value.kind, found.kind} != {"row", "column"}
        comparison = compare(self.scope, value, found, self.setting) if alike else None
        return Step(end.side, right, value, found, end.letters, "", comparison)

    def _read(self, side: Side, form: Form) -> tuple[Value | None, TensorjacError | None]:
        """The value of a side, or the fault in its shapes."""
        try:
            return self.reader.value(side.text, form), None
        except (ShapeError, DerivationError) as error:
            return None, error
        except TensorjacError as error:
            raise type(error)(f"{self.block.place(side.line)}: {error}") from None

    # Names that get a meaning

    def _definable(self, name: str) -> bool:
        scope = self.scope
        if name in scope.dims:
            return name in scope.given and name not in scope.used and name not in scope.meaning
        inner = name[1:]
        return not (name[0] == "d" and inner in scope.dims and (inner in scope.meaning or f"d{inner}" in scope.meaning))

    def _defining(self, end: End, right: Side) -> Step:
        scope, name = self.scope, end.target
        inner = name[1:] if name[0] == "d" and name not in scope.dims else ""
        like = self._blank(scope.dims.get(name, scope.dims.get(inner)))
        value, fault = self._read(right, Form(end.letters, like))
        if value is None:
            return Step(end.side, right, like, None, end.letters, name, fault=fault)
        if name in scope.dims:
            if name in scope.used or scope.dims[name] != value.dims:
                return self._compared(end, scope.read(name), right, value)
        elif inner and self._holds_differentials(value):
            if inner in scope.dims and inner in scope.used:
                return self._compared(end, scope.differential(scope.read(inner)), right, value)
            scope.define_differential(inner, value)
            return Step(end.side, right, value, value, end.letters, name)
        scope.define(name, value)
        return Step(end.side, right, value, value, end.letters, name)

    def _holds_differentials(self, value: Value) -> bool:
        return any(self.scope.is_differential(name) for tensor in value.body.tensors for name in tensor.inputs)

    def _blank(self, dims: Sequence[Dim] | None) -> Value | None:
        if dims is None:
            return None
        scope = Scope({"°": tuple(dims)}, (), ())
        return scope.read("°")

    def _is_known(self, name: str) -> bool:
        scope = self.scope
        if name not in scope.dims:
            return False
        return name in scope.meaning or f"d{name}" in scope.meaning or name in scope.used

    def _gradient_given(self, end: End, loss: tuple[str, str], right: Side) -> Step:
        """``∂L/∂Y = …`` for a loss that is not known: it is, from now on, by this."""
        scope = self.scope
        own = scope.read(loss[1])
        value, fault = self._read(right, Form(None, own))
        if value is None:
            return Step(end.side, right, own, None, fault=fault)
        if self._is_known(loss[0]):  # by what stands on the right, as in ∂L/∂Y = ∂L/∂Z ∘ σ'(Y)
            return self._compared(end, scope.derivative(loss[0], None, loss[1:]), right, value)
        value = fitted(own, value)
        if value.dims != own.dims:
            return Step(end.side, right, own, value)
        scope.know_gradient(*loss, value)
        return Step(end.side, right, value, value, None, end.side.text)


def fitted(like: Value, value: Value) -> Value:
    """A 0 without axes is a 0 of any shape."""
    if not value.body.terms and not value.axes:
        return Value(like.axes, value.body, like.kind)
    return value
