"""Formulas in paper notation, read into nodes, to values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

from ...dims import Dim
from ...errors import NotationError
from ...notation.paper.syntax import (
    Bars,
    Derivative,
    Differential,
    Entry,
    Entrywise,
    Function,
    Identity,
    Inner,
    Kronecker,
    Norm,
    Ones,
    Product,
    Raised,
    Summed,
    Transposed,
)
from ...notation.syntax import Chain, Name, Node, Number, Unary
from ...rewrites import contract, multiply, power
from ...terms import Index, Sum, constant, delta, of_factor, of_size
from . import values
from .shapes import Shapes, exponent
from .sizes import SCALAR
from .values import Matrix, Value, matrix_of, scalar


@dataclass(frozen=True)
class Meanings:
    """What names, differentials and derivatives in a formula stand for."""

    name: Callable[[Name], Value]
    differential: Callable[[Node, Value], Value]
    derivative: Callable[[Node, Value | None, tuple[str, ...]], Value]


class Lowering:
    """One formula on its way from nodes to a value; its shapes are known and fit."""

    def __init__(self, shapes: Shapes, meanings: Meanings, letters: Mapping[str, Index]) -> None:
        self.shapes = shapes
        self.meanings = meanings
        self.letters = dict(letters)

    def of(self, node: Node) -> Matrix:
        match node:
            case Number() | Name() | Ones() | Identity():
                return self._atom(node)
            case Differential() | Derivative() | Entry() | Summed():
                return self._of_calculus(node)
            case Function(name, argument):
                return self._function(name, argument)
            case Norm(of):
                return values.norm(self.of(of))
            case Bars(of):
                inner = self.of(of)
                return values.whole("det", inner) if inner.axes else values.entrywise("abs", inner)
            case Inner(left, right):
                return values.total(values.hadamard([self.of(left), self.of(right)], [False, False]))
        return self._operation(node)

    def _atom(self, node: Number | Name | Ones | Identity) -> Matrix:
        match node:
            case Number(value) if id(node) not in self.shapes.ones:
                return scalar(constant(value) if value else Sum())
            case Name():
                return matrix_of(self.meanings.name(node))
            case Identity():
                dim = self._dim(node, 0)
                rows, cols = Index.fresh(dim), Index.fresh(dim)
                return Matrix(rows, cols, multiply(of_factor(delta(rows, cols))))
        return Matrix(Index.fresh(self._dim(node, 0)), None, constant(1))

    def _operation(self, node: Node) -> Matrix:
        match node:
            case Unary(_, of):
                return self.of(of).negated
            case Transposed(of):
                return self.of(of).transposed
            case Chain(operands, operators):
                parts = zip(map(self.of, operands), ("+", *operators), strict=True)
                return values.added([part.negated if sign == "-" else part for part, sign in parts])
            case Entrywise(operands, operators):
                return values.hadamard([self.of(each) for each in operands], [False, *(o == "⊘" for o in operators)])
            case Product():
                return self._product(node)
            case Kronecker(operands):
                return reduce(values.kronecker, map(self.of, operands))
            case Raised():
                return self._raised(node)
        raise TypeError(f"{type(node).__name__} is no node of paper notation")

    def _of_calculus(self, node: Differential | Derivative | Entry | Summed) -> Matrix:
        match node:
            case Differential(of):
                return matrix_of(self.meanings.differential(of, self.of(of).value))
            case Derivative():
                return matrix_of(self._derivative(node))
            case Entry(of, letters):
                if not self.letters.keys() >= set(letters):
                    rule = f"an entry at {', '.join(letters)} is multiplied or added to whole arrays"
                    self.shapes.fail(NotationError, rule, node, "write the entries of all arrays, or of none")
                whole = self._derivative(of) if isinstance(of, Derivative) else self.of(of).value
                return scalar(whole.over([self.letters[letter] for letter in letters]))
        return self._summed(node.letters, node.body)

    def _dim(self, node: Node, axis: int) -> Dim:
        return self.shapes.dim(self.shapes.of(node)[axis], node)

    def _derivative(self, node: Derivative) -> Value:
        inner = None if isinstance(node.of, Name) else self.of(node.of).value
        return self.meanings.derivative(node.of, inner, node.wrt)

    def _product(self, node: Product) -> Matrix:
        result = self.of(node.operands[0])
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            right = self.of(operand)
            if operator == "/":
                result = values.hadamard([result, right], [False, True])
            elif operator == "·" and result.axes and right.axes and result.cols is None and right.cols is None:
                result = values.matmul(result.transposed, right)
            else:
                result = values.matmul(result, right)
        return result

    def _raised(self, node: Raised) -> Matrix:
        base = self.of(node.base)
        times = exponent(node)
        if len(base.axes) == 2:
            assert times is not None
            if times == 0:
                return self.of(Product((node.base, Raised(node.base, Unary("-", Number(1)))), ("",)))
            result = values.repeated(base, abs(times))
            return values.whole("inv", result) if times < 0 else result
        return base.map(values.raised(base.body, self.of(node.exponent).body))

    def _function(self, name: str, argument: Node) -> Matrix:
        if name == "log" and isinstance(argument, Bars) and self.shapes.of(argument.of) == SCALAR:
            inner = argument.of
            if isinstance(inner, Function) and inner.name == "det":
                return values.whole("logabsdet", self.of(inner.argument))
        part = self.of(argument)
        match name:
            case "tr":
                return values.trace(part)
            case "det" | "inv" | "adj":
                return values.whole(name, part)
            case "logdet":
                return values.whole("logabsdet", part)
            case "sum":
                return values.total(part)
            case "mean":
                total = values.total(part)
                return scalar(multiply(total.body, *(power(of_size(axis.dim), -1) for axis in part.axes)))
            case "rowsum":
                return Matrix(part.rows, None, contract(part.body, [part.cols] if part.cols else []), of_rows=True)
            case "softmax":
                return values.softmax(part)
            case "diag":
                return values.diagonal(part)
            case "vec":
                return values.vec(part)
        if name.endswith("'"):
            return values.slope(name, part)
        return values.entrywise(name, part)

    def _summed(self, letters: tuple[str, ...], body: Node) -> Matrix:
        outer = self.letters
        sizes = self.shapes.letter_sizes[id(body)]
        own = {letter: Index.fresh(dim) for letter, dim in zip(letters, sizes, strict=True)}
        self.letters = {**outer, **own}
        inner = self.of(body)
        self.letters = outer
        return inner.map(contract(inner.body, list(own.values())))
