"""One side of an ``=``: which notation it is written in, and its value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ... import rewrites
from ...calls import Parts
from ...dims import Dim, parse_shape
from ...errors import NotationError, ShapeError, TensorjacError, caret
from ...function import Function
from ...notation import parse_numpy
from ...notation.indextext import JOINS_LINES
from ...notation.lowering import Defined, Lowering, lower
from ...notation.paper import parse_paper
from ...notation.paper.syntax import Derivative, Differential
from ...notation.rightside import RightSide
from ...notation.syntax import Apply, Axis, Bound, Chain, Equation, Indexed, Name, Node, SumOver, Target, walk
from ...notation.tokens import Cursor
from ...primitives import PRIMITIVES, Primitive
from ...terms import Index, Input, of_size
from ...trace import evaluate_numpy, numpy_reader
from ...trace.operands import lift
from ...trace.record import recording
from ...trace.sizes import size_number
from ...trace.text import with_sizes
from ...trace.tracer import Tracer
from . import paper
from .scope import Scope
from .shapes import Names, Shapes
from .sizes import SCALAR, Shape, Size, Unknown
from .values import Value, matrix_of

_WORD = re.compile(r"[^\W\d]\w*")
_INDEXED = re.compile(r"[\w)]\[(?=[^\W\d]|\]|[0-9]+\s*\*)[^:\[\]]*(?:\[[^:\[\]]*\][^:\[\]]*)*\]")
_NUMPY = re.compile(r"\*\*|\bnp\.|\.\w+\(|\w\[|[<>]=|==|\baxis\s*=|//")
_COMPARED = re.compile("[<>]")
_SLOPE = re.compile(r"\bd(\w+\[[\w,\s]*\]\s*)/\s*d(?=\w+\[)")


@dataclass(frozen=True)
class Form:
    """What the chain around a side fixes: the letters of its axes, and the sizes of these."""

    letters: tuple[str, ...] | None = None
    value: Value | None = None
    opens: bool = False  # whether letters that nothing introduces are those of the axes


class Reader:
    """Reads sides in the names of a scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def notation(self, text: str) -> str:
        """ "index", "numpy" or "paper"."""
        if _INDEXED.search(text) or "δ[" in text or "delta[" in text:
            return "index"
        compared = _COMPARED.search(text) and not on_paper(text) and "'" not in text
        return "numpy" if compared or _NUMPY.search(text) else "paper"

    def value(self, text: str, form: Form) -> Value:
        """The value of a side."""
        notation = self.notation(text)
        if notation == "index":
            return self.index(text, form)
        if notation == "numpy":
            return self.numpy(text)
        try:
            return self.numpy(text) if "@" in text else self.paper(text, form)
        except (NotationError, ShapeError) as error:
            if on_paper(text) or (isinstance(error, ShapeError) and "@" in text):
                raise
            try:  # x - mean broadcasts in NumPy, tr(G.T @ dY) is paper notation
                return self.paper(text, form) if "@" in text else self.numpy(text)
            except TensorjacError:
                raise error from None

    def _named(self, text: str) -> Iterator[tuple[str, Value]]:
        """The names and differentials that occur in a text."""
        for word in dict.fromkeys(_WORD.findall(text)):
            if word in self.scope.dims:
                yield word, self.scope.read(word)
            elif word[0] == "d" and word[1:] in self.scope.dims:
                yield word, self.scope.changed(word[1:], self.scope.read(word[1:]))

    # NumPy

    def numpy(self, text: str) -> Value:
        with recording(text) as record:
            named = {name: Tracer(value.axes, value.body) for name, value in self._named(text)}
            env = {**{size: size_number(Dim.of(size)) for size in self.scope.sizes}, **with_sizes(named)}
            (statement,) = parse_numpy(text).statements
            traced = lift(evaluate_numpy(statement.value, env))
            self.scope.requirements = tuple(dict.fromkeys((*self.scope.requirements, *record.requirements)))
            return Value(traced.axes, traced.body)

    # Index notation

    def index_node(self, text: str) -> Node:
        """A side in index notation as nodes."""
        text = _SLOPE.sub(r"∂\1/∂", text)
        cursor = Cursor(text, slots=True, joins_lines=JOINS_LINES)
        reader = RightSide(cursor, tuple(PRIMITIVES), derivatives=True)
        node = reader.expression()
        if cursor.token.kind != "end":
            reader.trailing("the end of the line")
        cursor.bounded(node)
        return node

    def index(self, text: str, form: Form) -> Value:
        node = self.index_node(text)
        names = {name: Defined(v.axes, v.body, rewrites) for name, v in self._named(text)}
        for derivative in _derivatives(node):
            of, wrt = derivative.name[1:].split("/∂")
            value = self.derivative(of, None, (wrt,), text, derivative)
            names[derivative.name] = Defined(value.axes, value.body, rewrites)
        letters = form.letters if form.letters is not None else free_letters(node)
        reader = numpy_reader(text, {name: Input(name, dims) for name, dims in self.scope.dims.items()})
        if form.value is not None and len(form.value.axes) == len(letters):
            axes = tuple(Index.fresh(axis.dim) for axis in form.value.axes)
            bound = dict(zip(letters, axes, strict=True))
            sizes = self.scope.sizes
            return Value(axes, lower(node, bound, names, PRIMITIVES, rewrites, text, sizes, reader))
        lowering: Lowering[Primitive] = Lowering(text, self.scope.sizes, names, PRIMITIVES, reader, build=rewrites)
        target = Target("", tuple(Axis((Bound(letter, span=node.span),), span=node.span) for letter in letters))
        lowered = lowering.equation(Equation(target, (), node, span=node.span))
        self.scope.requirements = tuple(dict.fromkeys((*self.scope.requirements, *lowered.requirements)))
        return Value(lowered.axes, lowered.body)

    # Paper notation

    def paper(self, text: str, form: Form) -> Value:
        return self._paper(text, form)[0]

    def opening(self, text: str, letters: tuple[str, ...] | None) -> tuple[Value, tuple[str, ...] | None]:
        """The value of the first side of a chain, and the letters of its axes, where it has such."""
        if self.notation(text) == "paper":
            return self._paper(text, Form(letters, opens=True))
        if letters is None and self.notation(text) == "index":
            letters = free_letters(self.index_node(text))
        return self.value(text, Form(letters)), letters

    def _paper(self, text: str, form: Form) -> tuple[Value, tuple[str, ...] | None]:
        node = parse_paper(text, self.scope.known)
        alone = self._alone(node, text)
        if alone is not None and len(alone.axes) > 2:
            return alone, None
        fits = form.value is not None and len(form.letters or ()) == len(form.value.axes)
        dims = form.value.dims if form.value is not None and fits else [Unknown() for _ in form.letters or ()]
        sizes: dict[str, Size] = dict(zip(form.letters or (), dims, strict=True))

        def shape(name: Name) -> Shape:
            return self._shape(self.paper_name(name, text), name, text)

        def derived(of: Shape, derivative: Derivative) -> list[Size]:
            return self._derived(of, derivative, text)

        shapes = Shapes(text, Names(shape, derived, self.scope.sizes, sizes, form.opens))
        own = shapes.of(node)
        if form.value is not None and len(form.value.axes) == sum(size is not None for size in own):
            shapes.fit(node, self._like(form.value, own))
        letters = {}
        if own == SCALAR:
            letters = {letter: Index.fresh(shapes.dim(size, node)) for letter, size in shapes.opened.items()}
        meanings = paper.Meanings(
            lambda name: self.paper_name(name, text),
            lambda of, value: self.scope.changed(of.name if isinstance(of, Name) else "", value),
            lambda of, value, wrt: self.derivative(of.name if isinstance(of, Name) else "", value, wrt, text, of),
        )
        value = paper.Lowering(shapes, meanings, letters).of(node).value
        if letters and not value.axes:
            return Value(tuple(letters.values()), value.body), tuple(letters)
        return value, None

    def _alone(self, node: Node, text: str) -> Value | None:
        """The value of a name, a differential or a derivative that is all of a side: it may have any number of axes."""
        match node:
            case Name(name) if name in self.scope.dims:
                return self.paper_name(node, text)
            case Differential(Name(name)) if name in self.scope.dims:
                return self.scope.changed(name, self.scope.read(name))
            case Derivative(Name(name), wrt):
                return self.derivative(name, None, wrt, text, node)
        return None

    def _like(self, value: Value, own: Shape) -> Shape:
        dims = list(value.dims)
        return (dims.pop(0) if own[0] is not None else None, dims.pop(0) if own[1] is not None else None)

    def paper_name(self, node: Name, text: str) -> Value:
        """What a name in paper notation stands for: a size is a scalar."""
        scope = self.scope
        if node.name in scope.dims:
            return scope.read(node.name)
        if node.name in scope.sizes:
            return Value((), of_size(Dim.of(node.name)))
        known = ", ".join(name for name in scope.dims if "∂" not in name)
        fail(NotationError, text, node, f"{node.name} is not known", f"give its shape, or define it; known are {known}")

    def _shape(self, value: Value, node: Node, text: str) -> Shape:
        if len(value.axes) > 2:
            sizes = ", ".join(map(str, value.dims))
            rule = f"paper notation has scalars, vectors and matrices, and this has {len(value.axes)} axes, ({sizes})"
            fail(NotationError, text, node, rule, 'write index notation: "X[ijk]"')
        matrix = matrix_of(value)
        return (matrix.rows.dim if matrix.rows else None, matrix.cols.dim if matrix.cols else None)

    def _derived(self, of: Shape, node: Derivative, text: str) -> list[Size]:
        """The sizes of the axes of a derivative."""
        name = node.of.name if isinstance(node.of, Name) else ""
        self._demand(node.wrt, text, node)
        out: list[Size] = [size for size in of if size is not None]
        if name in self.scope.dims:
            out = list(self.scope.dims[name])
        return [*out, *(dim for one in node.wrt for dim in self.scope.dims[one])]

    def _demand(self, names: tuple[str, ...], text: str, node: Node) -> None:
        for name in names:
            if name not in self.scope.dims:
                known = ", ".join(one for one in self.scope.dims if "∂" not in one)
                advice = f"give its shape, or define it; known are {known}"
                fail(NotationError, text, node, f"a derivative is taken by something known, and {name} is not", advice)

    def derivative(self, of: str, value: Value | None, wrt: tuple[str, ...], text: str, node: Node) -> Value:
        self._demand(wrt, text, node)
        return self.scope.derivative(of or None, value, wrt)


def on_paper(text: str) -> bool:
    """Whether a text has signs that only paper notation has."""
    return any(sign in text for sign in "ᵀ⊤⁻∘⊙⊗‖⟨𝟏")


def paper_function(text: str, shapes: Mapping[str, Any]) -> Function:
    """The function that a formula in paper notation stands for.

    >>> print(paper_function("Xᵀ G", {"X": "b m", "G": "b n"}))
    Y[ij] = X[ki] G[kj]
    """
    dims = {name: parse_shape(shape, name) for name, shape in shapes.items()}
    value = Reader(Scope(dims, (), ())).paper(text, Form())
    return Function(Parts(dims, {"Y": (value.axes, value.body)}))


def fail(kind: type[TensorjacError], text: str, node: Node, rule: str, advice: str) -> NoReturn:
    raise kind(f"{rule}:\n{caret(text, *node.span)}\n{advice}.")


def free_letters(node: Node) -> tuple[str, ...]:
    """The letters that stand once in the first term, in order of the alphabet, as einsum has it."""
    while isinstance(node, Chain) and node.operators[0] in "+-":
        node = node.operands[0]
    if isinstance(node, Indexed) and all(isinstance(slot, Name) for slot in node.slots):
        return tuple(slot.name for slot in node.slots if isinstance(slot, Name))
    counts = Counter(_letters(node))
    bound = {one.letter for part in walk(node) if isinstance(part, SumOver | Apply) for one in part.bound}
    return tuple(sorted(letter for letter, count in counts.items() if count == 1 and letter not in bound))


def _letters(node: Node) -> Iterator[str]:
    if isinstance(node, Indexed):
        for slot in node.slots:
            yield from (part.name for part in walk(slot) if isinstance(part, Name))
        return
    for child in node.children:
        yield from _letters(child)


def _derivatives(node: Node) -> list[Indexed]:
    return [part for part in walk(node) if isinstance(part, Indexed) and part.name.startswith("∂")]
