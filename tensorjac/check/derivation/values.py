"""Values of formulas, and the operations of matrix algebra on them: scalars, columns, rows and matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from ...calculus import pushforward
from ...dims import Dim
from ...notation.lowering import LARGEST
from ...primitives import PRIMITIVES, core_shape
from ...rewrites import add, apply, contract, multiply, power, rebuild, substitute
from ...terms import ONE, Index, Input, Number, Slot, Sum, combine, constant, constant_slot, delta, of_factor

Kind = Literal["plain", "column", "row"]


@dataclass(frozen=True)
class Value:
    """An expression over its axes; one with a single axis may be known to stand upright or to lie."""

    axes: tuple[Index, ...]
    body: Sum
    kind: Kind = "plain"

    @property
    def dims(self) -> tuple[Dim, ...]:
        return tuple(axis.dim for axis in self.axes)

    def over(self, axes: Sequence[Slot]) -> Sum:
        """The expression at other indices."""
        return substitute(self.body, dict(zip(self.axes, axes, strict=True)))


@dataclass(frozen=True)
class Matrix:
    """A value of paper notation: a column has no ``cols``, a row no ``rows``, a scalar neither."""

    rows: Index | None
    cols: Index | None
    body: Sum
    of_rows: bool = False  # of a column: one number for each row, whatever the sizes are

    @property
    def axes(self) -> tuple[Index, ...]:
        return tuple(axis for axis in (self.rows, self.cols) if axis is not None)

    @property
    def value(self) -> Value:
        kind: Kind = "plain" if len(self.axes) != 1 else "column" if self.cols is None else "row"
        return Value(self.axes, self.body, kind)

    def at(self, rows: Slot | None, cols: Slot | None) -> Sum:
        """The expression at other indices, for the axes that it has."""
        slots = [(self.rows, rows), (self.cols, cols)]
        return substitute(self.body, {axis: slot for axis, slot in slots if axis is not None and slot is not None})

    @property
    def transposed(self) -> Matrix:
        return Matrix(self.cols, self.rows, self.body)

    @property
    def negated(self) -> Matrix:
        return self.map(negative(self.body))

    def map(self, body: Sum) -> Matrix:
        return Matrix(self.rows, self.cols, body, self.of_rows)


def matrix_of(value: Value) -> Matrix:
    """A value with at most two axes; one axis stands upright, unless it is known to lie."""
    if len(value.axes) == 2:
        return Matrix(*value.axes, value.body)
    axis = value.axes[0] if value.axes else None
    return Matrix(None, axis, value.body) if value.kind == "row" else Matrix(axis, None, value.body)


def scalar(body: Sum) -> Matrix:
    return Matrix(None, None, body)


def negative(body: Sum) -> Sum:
    return multiply(constant(-1), body)


def matmul(left: Matrix, right: Matrix) -> Matrix:
    """The matrix product; one side may be a scalar."""
    if not left.axes:
        return right.map(multiply(left.body, right.body))
    if not right.axes:
        return left.map(multiply(left.body, right.body))
    if left.cols is None or right.rows is None:
        right = fresh(right)
        return Matrix(left.rows, right.cols, multiply(left.body, right.body))
    label = Index.fresh(left.cols.dim)
    rows = Index.fresh(left.rows.dim) if left.rows else None
    cols = Index.fresh(right.cols.dim) if right.cols else None
    return Matrix(rows, cols, contract(multiply(left.at(rows, label), right.at(label, cols)), [label]))


def fresh(matrix: Matrix) -> Matrix:
    """The same value over indices of its own."""
    rows = Index.fresh(matrix.rows.dim) if matrix.rows else None
    cols = Index.fresh(matrix.cols.dim) if matrix.cols else None
    return Matrix(rows, cols, matrix.at(rows, cols))


def total(matrix: Matrix) -> Matrix:
    """The sum of all entries."""
    return scalar(contract(matrix.body, matrix.axes))


def trace(matrix: Matrix) -> Matrix:
    if matrix.rows is None or matrix.cols is None:
        return matrix  # of a scalar
    label = Index.fresh(matrix.rows.dim)
    return scalar(contract(matrix.at(label, label), [label]))


def whole(name: str, matrix: Matrix) -> Matrix:
    """A primitive of a square matrix: its inverse, its determinant."""
    assert matrix.rows is not None and matrix.cols is not None
    cores = ((matrix.rows, matrix.cols),)
    shape = core_shape(PRIMITIVES[name], cores)
    result = [Index.fresh(dim) for dim in shape]
    body = apply(PRIMITIVES[name], (matrix.body,), cores, result, shape)
    return Matrix(result[0], result[1], body) if result else scalar(body)


def entrywise(name: str, matrix: Matrix) -> Matrix:
    """An elementwise function."""
    if name == "sqrt":
        return matrix.map(power(matrix.body, Fraction(1, 2)))
    if name == "relu":
        return matrix.map(apply(PRIMITIVES["maximum"], (matrix.body, constant(0))))
    return matrix.map(apply(PRIMITIVES[name], (matrix.body,)))


def slope(name: str, matrix: Matrix) -> Matrix:
    """The derivative of an elementwise function, ``tanh'``, at each entry."""
    point = Input("point", tuple(axis.dim for axis in matrix.axes))
    body = entrywise(name.rstrip("'"), Matrix(None, None, of_factor(point(*point.axes)))).body
    for _ in range(name.count("'")):
        (body,) = pushforward([body], {point: constant(1)})
    (body,) = rebuild([body], {point: substitute(matrix.body, dict(zip(matrix.axes, point.axes, strict=True)))})
    return matrix.map(substitute(body, dict(zip(point.axes, matrix.axes, strict=True))))


def norm(matrix: Matrix) -> Matrix:
    return scalar(power(contract(multiply(matrix.body, matrix.body), matrix.axes), Fraction(1, 2)))


def softmax(matrix: Matrix) -> Matrix:
    """Of a vector, or of each row of a matrix."""
    exponentials = apply(PRIMITIVES["exp"], (matrix.body,))
    last = matrix.axes[-1]
    return matrix.map(multiply(exponentials, power(contract(exponentials, [last]), -1)))


def diagonal(matrix: Matrix) -> Matrix:
    """The diagonal matrix of a vector, the diagonal of a matrix."""
    if len(matrix.axes) == 2:
        assert matrix.rows is not None
        label = Index.fresh(matrix.rows.dim)
        return Matrix(label, None, matrix.at(label, label))
    (axis,) = matrix.axes
    other = Index.fresh(axis.dim)
    return Matrix(axis, other, multiply(of_factor(delta(axis, other)), matrix.body))


def joined(first: Index, second: Index, body: Sum) -> tuple[Index, Sum]:
    """Two axes as one, the second running fastest."""
    place = combine(((second.dim, first), (ONE, second), (ONE, constant_slot(0))))
    index = Index.fresh(first.dim * second.dim)
    return index, contract(multiply(body, of_factor(delta(index, place))), [first, second])


def vec(matrix: Matrix) -> Matrix:
    """The columns below each other."""
    if matrix.rows is None or matrix.cols is None:
        return Matrix(matrix.rows or matrix.cols, None, matrix.body)
    index, body = joined(matrix.cols, matrix.rows, matrix.body)
    return Matrix(index, None, body)


def kronecker(left: Matrix, right: Matrix) -> Matrix:
    right = fresh(right)
    body = multiply(left.body, right.body)
    rows, cols = left.rows or right.rows, left.cols or right.cols
    if left.rows and right.rows:
        rows, body = joined(left.rows, right.rows, body)
    if left.cols and right.cols:
        cols, body = joined(left.cols, right.cols, body)
    return Matrix(rows, cols, body)


def repeated(matrix: Matrix, times: int) -> Matrix:
    """A matrix to a natural power."""
    result = matrix
    for _ in range(times - 1):
        result = matmul(result, matrix)
    return result


def aligned(matrices: Sequence[Matrix]) -> tuple[Index | None, Index | None, list[Sum]]:
    """The expressions of matrices that broadcast, over common axes.

    A vector stands along the axis of a matrix that has its size; where both have, shapes have been refused before.
    """
    widest = max(matrices, key=lambda matrix: len(matrix.axes))
    rows, cols = widest.rows, widest.cols
    bodies = []
    for matrix in matrices:
        if len(matrix.axes) == 1 and rows is not None and cols is not None:
            (axis,) = matrix.axes
            along = cols if axis.dim is cols.dim and not matrix.of_rows else rows
            bodies.append(substitute(matrix.body, {axis: along}))
        else:
            bodies.append(matrix.at(rows, cols))
    return rows, cols, bodies


def added(matrices: Sequence[Matrix]) -> Matrix:
    rows, cols, bodies = aligned(matrices)
    return Matrix(rows, cols, add(*bodies))


def hadamard(matrices: Sequence[Matrix], divided: Sequence[bool]) -> Matrix:
    """The product entry by entry, with a reciprocal for what is divided by."""
    rows, cols, bodies = aligned(matrices)
    return Matrix(rows, cols, multiply(*(power(b, -1) if d else b for b, d in zip(bodies, divided, strict=True))))


def literal(body: Sum) -> Number | None:
    """The number that an expression is, where it is one."""
    if not body.terms:
        return 0
    term = body.terms[0]
    return None if len(body.terms) > 1 or term.factors or term.summed else term.coefficient


def raised(base: Sum, exponent: Sum) -> Sum:
    """A scalar, or each entry, to a power."""
    number = literal(exponent)
    if number == 0:
        return constant(1)
    if number is not None and -LARGEST <= number <= LARGEST:
        return power(base, number)
    return apply(PRIMITIVES["power"], (base, exponent))
