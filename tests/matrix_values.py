"""An independent reader of matrix notation: a tree and arrays in, a two-dimensional array out.

It knows no indices. Columns have shape (n, 1), scalars (1, 1), and every operation is NumPy's own; shapes that
do not fit are an error, since a sum or an entrywise product here takes equal shapes only.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np

from tensorjac.matrix import tree

Arrays = Mapping[str, np.ndarray]


def column(array: np.ndarray) -> np.ndarray:
    """An array as a matrix: a vector is a column.

    >>> column(np.zeros(3)).shape, column(np.float64(2)).shape
    ((3, 1), (1, 1))
    """
    return np.asarray(array, dtype=float).reshape(np.shape(array) if np.ndim(array) == 2 else (-1, 1))


def value(node: tree.Node, arrays: Arrays, sizes: Mapping[str, int]) -> np.ndarray:
    """The matrix that a tree stands for; its shape is checked against what the node says of itself."""
    found = _value(node, arrays, sizes)
    assert found.ndim == 2, node
    if not isinstance(node, tree.Zero):
        # a matrix may happen to have one row; what is said to have one has one
        assert node.tall or found.shape[0] == 1, node
        assert node.wide or found.shape[1] == 1, node
    return found


def _same(parts: list[np.ndarray]) -> list[np.ndarray]:
    assert len({part.shape for part in parts}) == 1, [part.shape for part in parts]
    return parts


def _value(node: tree.Node, arrays: Arrays, sizes: Mapping[str, int]) -> np.ndarray:
    def of(part: tree.Node) -> np.ndarray:
        return value(part, arrays, sizes)

    def scalar(part: tree.Node) -> float:
        return of(part).item()

    match node:
        case tree.Name(_, name):
            return column(arrays[name])
        case tree.Number(number):
            return np.full((1, 1), float(number))
        case tree.Extent(size):
            return np.full((1, 1), float(size.evaluate(sizes)))
        case tree.Zero():
            return np.zeros((1, 1))
        case tree.Ones(size):
            return np.ones((size.evaluate(sizes), 1))
        case tree.Identity(size):
            return np.eye(size.evaluate(sizes))
        case tree.Transpose(inner):
            return of(inner).T
        case tree.Product(factors):
            return reduce(np.matmul, map(of, factors))
        case tree.Repeated(tree.Diagonal(inner), exponent):
            return np.diagflat(of(inner) ** float(exponent))
        case tree.Repeated(base, exponent):
            return np.linalg.matrix_power(of(base), exponent)
        case tree.Hadamard(above, below):
            parts = _same([of(part) for part in (*above, *below)])
            return np.prod(parts[: len(above)], axis=0) / np.prod(parts[len(above) :], axis=0)
        case tree.Power(base, exponent):
            return of(base) ** float(exponent)
        case tree.Scaled(number, above, below, body):
            front = float(number) * np.prod([scalar(part) for part in above])
            front = front / np.prod([scalar(part) for part in below])
            return np.full((1, 1), front) if body is None else front * of(body)
        case tree.Plus(terms):
            return np.sum(_same([of(term) for term in terms]), axis=0)
        case tree.Function(primitive, args):
            values = [of(arg) for arg in args]
            if primitive.elementwise:
                _same([array for array in values if array.shape != (1, 1)] or values)
                return primitive.value(*values)
            return column(primitive.value(values[0].reshape(-1) if primitive.reduces else values[0]))
        case tree.OfRows(primitive, inner):
            return column(primitive.value(of(inner)))
        case tree.Diagonal(inner):
            return np.diagflat(of(inner))
        case tree.DiagonalOf(inner):
            return column(np.diagonal(of(inner)))
        case tree.Trace(inner):
            return np.full((1, 1), np.trace(of(inner)))
        case tree.Norm(inner, exponent):
            return np.full((1, 1), np.linalg.norm(of(inner)) ** float(exponent))
    raise TypeError(type(node).__name__)
