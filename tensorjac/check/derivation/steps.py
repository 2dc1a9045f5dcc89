"""A derivation read from top to bottom: names defined, and every other ``=`` compared."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unicodedata import normalize

from ...dims import Dim
from ...errors import DerivationError, ShapeError, TensorjacError
from ...notation.paper.scan import FUNCTIONS, Scanner
from .givens import givens
from .proving import Comparison, Setting, compare
from .scope import Scope, change_of
from .sides import Form, Reader
from .text import Block, Side
from .values import Value

_TARGET = re.compile(r"(?P<name>[^\W\d]\w*)\s*(?:\[(?P<letters>[^\W\d_]*(?:\s*,\s*[^\W\d_])*)\]|\((?P<of>[\w\s,]+)\))?")
_WORD = re.compile(r"(?<![/∂])[^\W\dᵀ⊤ᵗ][^\Wᵀ⊤ᵗ]*(?!\s*/\s*d)")
_DIFFERENTIAL = re.compile(r"d[^\W\d]\w*")
_SLOPE = re.compile(r"[∂∇]|d\S*\s*/\s*d")
LOSS = "loss°"
_GRADIENT = re.compile(
    r"(?:∂(\w+)(?:\[\])?\s*/\s*∂(\w+)|d(\w+)\s*/\s*d(\w+)|∇_(?P<by>\w+)\s+(\w+))(?:\[(?P<letters>[^\W\d_]*)\])?"
)


@dataclass(frozen=True)
class Step:
    """One ``=``: its sides with their values, and how these compare.

    ``defined`` is the name that it gives a meaning to, ``fault`` what is wrong with the shapes within a side. A step
    that is refuted may be a ``condition``, as of a minimum, or follow from one.
    """

    left: Side
    right: Side
    before: Value | None = None
    after: Value | None = None
    letters: tuple[str, ...] | None = None
    defined: str = ""
    comparison: Comparison | None = None
    fault: TensorjacError | None = None
    condition: str = ""  # "itself", or where one stands from which the step may follow


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
        given = givens(block, shapes, symmetric)
        self.setting = replace(setting, domain={**given.domain, **setting.domain})
        self.scope = Scope(given.dims, given.rows, given.symmetric)
        self.reader = Reader(self.scope)
        self.words = self._words()
        self.scope.varying = frozenset(name for name in given.dims if f"d{name}" in self.words) - given.fixed
        self.notes: list[str] = []
        self.lost: set[str] = set()
        self.condition = ""  # where something was first set to 0

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
        if scope.loss:
            return set()  # dX stands for gradients
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
                end, fault = self._opened(first, others[0])
                if fault is not None:
                    yield Step(first, others[0], fault=fault)
            elif end is None:
                rule = "a line that begins with = goes on with a chain, and there is none"
                self.block.fail(rule, first.line, "write the left side")
            for right in others if not statement.continues else statement.sides:
                step = self._step(end, right)
                yield step
                end = End(right, step.after, end.letters)

    def _opened(self, side: Side, right: Side) -> tuple[End, TensorjacError | None]:
        """The first side of a chain, which may be a name that gets a meaning."""
        name, letters = self._target(side, right)
        if name and self._definable(name):
            return End(side, None, letters, name), None
        gradient = _GRADIENT.fullmatch(side.text)
        if gradient is not None:
            names = [name for name in gradient.groups()[:6] if name]
            of, wrt = reversed(names) if gradient["by"] else names
            stem, _, subscript = wrt.rpartition("_")
            if wrt not in self.scope.dims and stem in self.scope.dims:
                wrt, letters = stem, tuple(subscript)
            elif gradient["letters"] is not None:
                letters = tuple(gradient["letters"])
            if wrt in self.scope.dims and not self._is_known(of) and not self._is_known(of.rpartition("_")[0]):
                return End(side, None, letters, "", (of, wrt)), None
        try:
            value, letters = self.reader.opening(side.text, letters)
        except (ShapeError, DerivationError) as error:
            return End(side, None, letters), error
        except TensorjacError as error:
            if self._rests_on_nothing(side.text):
                return End(side, None, letters), None
            raise self._placed(error, side) from None
        return End(side, value, letters, side.text if _DIFFERENTIAL.fullmatch(side.text) else ""), None

    def _target(self, side: Side, right: Side) -> tuple[str, tuple[str, ...] | None]:
        """A left side that is a name, ``Y``, ``Y[ij]``, ``f(X)`` or ``p_i``, and the letters of its axes."""
        found = _TARGET.fullmatch(side.text)
        if found is None or found["name"] in FUNCTIONS or not self._are_names(found["of"] or ""):
            return "", None
        name, letters = normalize("NFKC", found["name"]), found["letters"]
        stem, mark, subscript = name.rpartition("_")
        written = set("".join(re.findall(r"_{?([^\W\d_]+)", right.text)))
        if mark and letters is None and name not in self.scope.dims and written.issuperset(subscript):
            return stem, tuple(subscript)
        return name, None if letters is None else tuple(re.sub(r"[\s,]", "", letters))

    def _are_names(self, text: str) -> bool:
        return all(name.strip() in self.scope.dims for name in text.split(",") if text)

    def _step(self, end: End, right: Side) -> Step:
        if end.loss:
            return self._gradient_given(end, end.loss, right)
        if end.value is None and end.target:
            return self._defining(end, right)
        found, fault = self._read(right, Form(end.letters, end.value))
        if found is None or end.value is None:
            return Step(end.side, right, end.value, found, end.letters, fault=fault)
        if end.target and self._means_gradients(end.target[1:], found):
            return self._compared(end, self.reader.value(end.side.text, Form(end.letters)), right, found)
        return self._compared(end, end.value, right, found)

    def _compared(self, end: End, value: Value, right: Side, found: Value) -> Step:
        found = fitted(value, found)
        value = fitted(found, value)
        alike = value.dims == found.dims and {value.kind, found.kind} != {"row", "column"}
        comparison = compare(self.scope, value, found, self.setting) if alike else None
        step = Step(end.side, right, value, found, end.letters, "", comparison)
        if comparison is not None and comparison.verdict == "refuted" and not self._speaks_of_change(step):
            if "0" in (step.left.text, step.right.text):
                self.condition = self.condition or self.block.place(right.line)
                return replace(step, condition="itself")
            return replace(step, condition=self.condition)
        return step

    def _speaks_of_change(self, step: Step) -> bool:
        """Whether a side is a derivative or holds differentials: what is said of these holds everywhere."""
        slope = _SLOPE.match(step.left.text) is not None and step.right.text != "0"
        values = [value for value in (step.before, step.after) if value is not None]
        return slope or any(map(self._holds_differentials, values))

    def _read(self, side: Side, form: Form) -> tuple[Value | None, TensorjacError | None]:
        """The value of a side, or the fault in its shapes."""
        try:
            return self.reader.value(side.text, form), None
        except (ShapeError, DerivationError) as error:
            return None, error
        except TensorjacError as error:
            if self._rests_on_nothing(side.text):
                return None, None
            raise self._placed(error, side) from None

    def _rests_on_nothing(self, text: str) -> bool:
        """Whether a side uses a name that was to be defined by a side that is no formula."""
        return any(word in self.lost for word in re.findall(r"[^\W\d]\w*", text))

    def _placed(self, error: TensorjacError, side: Side) -> TensorjacError:
        return type(error)(f"{self.block.place(side.line)}: {error}")

    # Names that get a meaning

    def _definable(self, name: str) -> bool:
        scope = self.scope
        if scope.loss and name[0] == "d" and name[1:] in scope.dims:
            return False
        if name in scope.dims:
            return name in scope.given and name not in scope.used and name not in scope.meaning
        inner = name[1:]
        return not (
            name[0] == "d" and inner in scope.dims and (inner in scope.meaning or change_of(inner) in scope.meaning)
        )

    def _defining(self, end: End, right: Side) -> Step:
        scope, name = self.scope, end.target
        inner = name[1:] if name[0] == "d" and name not in scope.dims else ""
        like = self._blank(scope.dims.get(name, scope.dims.get(inner)))
        value, fault = self._read(right, Form(end.letters, like))
        if value is None:
            self.lost.add(name)
            return Step(end.side, right, like, None, end.letters, name, fault=fault)
        if name in scope.dims:
            if name in scope.used or scope.dims[name] != value.dims:
                return self._compared(end, scope.read(name), right, value)
        elif inner and self._holds_differentials(value):
            if inner in scope.dims and inner in scope.used:
                return self._compared(end, scope.differential(scope.read(inner)), right, value)
            scope.define_differential(inner, value)
            return Step(end.side, right, value, value, end.letters, name)
        elif inner in scope.dims and value.body.terms:
            if self._means_gradients(inner, value):
                return self._compared(end, scope.changed(inner, scope.read(inner)), right, value)
            rule = f"on the right of {name} stand differentials, and here none does"
            advice = f"write ∂L/∂{inner} for a gradient, after ∂L/∂Y = G, which says what G is"
            self.block.fail(rule, right.line, advice, right.column, right.column + len(right.text))
        scope.define(name, value)
        return Step(end.side, right, value, value, end.letters, name)

    def _means_gradients(self, name: str, value: Value) -> bool:
        """Whether dX, of this name X, is a gradient here: where no differentials stand on the right, as in dA = Xᵀ G.

        G is then what is given in the shape of the one result, and takes no part in it.
        """
        scope = self.scope
        if scope.loss:
            return True
        if self._holds_differentials(value) or not value.body.terms:
            return False
        found = scope.cotangent()
        if found is None or found[0] == name:
            return False
        result, cotangent = found
        if cotangent:
            scope.know_gradient(LOSS, result, scope.read(cotangent))
        scope.loss = LOSS if cotangent else result
        self.notes.append(
            f"dX stands for ∂L/∂X, and {cotangent} for ∂L/∂{result}." if cotangent else f"dX stands for ∂{result}/∂X."
        )
        return True

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
        return name in scope.meaning or change_of(name) in scope.meaning or name in scope.used

    def _gradient_given(self, end: End, loss: tuple[str, str], right: Side) -> Step:
        """``∂L/∂Y = …`` for a loss that is not known: it is, from now on, by this."""
        scope = self.scope
        own = scope.read(loss[1])
        if right.text == f"d{loss[1]}":  # ∂L/∂S = dS says what is meant by dS
            scope.know_gradient(*loss, None)
            scope.loss = loss[0]
            gradient = scope.changed(loss[1], own)
            return Step(end.side, right, gradient, gradient, end.letters, right.text)
        value, fault = self._read(right, Form(end.letters, own))
        if value is None:
            return Step(end.side, right, own, None, end.letters, fault=fault)
        if self._is_known(loss[0]):  # by what stands on the right, as in ∂L/∂Y = ∂L/∂Z ∘ σ'(Y)
            return self._compared(end, scope.derivative(loss[0], None, loss[1:]), right, value)
        if self._rests_on_cotangent(*loss, value):
            return self._compared(end, scope.derivative(loss[0], None, loss[1:]), right, value)
        value = fitted(own, value)
        if value.dims != own.dims:
            return Step(end.side, right, own, value, end.letters)
        scope.know_gradient(*loss, value)
        return Step(end.side, right, value, value, end.letters, end.side.text)

    def _rests_on_cotangent(self, loss: str, wrt: str, value: Value) -> bool:
        """Whether ∂L/∂A is written with a G that can only be ∂L/∂Y, for the one result Y: then it is a claim."""
        scope = self.scope
        result, cotangent = scope.cotangent() or ("", "")
        if not cotangent or result == wrt or cotangent not in {n for t in value.body.tensors for n in t.inputs}:
            if result != wrt:
                self.notes.append(f"∂{loss}/∂{wrt} is taken as given: nothing else is known about {loss}.")
            return False
        scope.know_gradient(loss, result, scope.read(cotangent))
        self.notes.append(f"{cotangent} is taken for ∂{loss}/∂{result}.")
        return True


def fitted(like: Value, value: Value) -> Value:
    """A 0 without axes is a 0 of any shape."""
    if not value.body.terms and not value.axes:
        return Value(like.axes, value.body, like.kind)
    return value
