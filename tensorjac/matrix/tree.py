"""What matrix notation is made of: a small tree, from which LaTeX or other text is written.

Vectors are columns. A node that is not ``tall`` has one row, one that is not ``wide`` has one column, and a scalar is
neither. Trees are not deep: what would make one so has a name and a definition of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property

from ..dims import Dim
from ..primitives import Primitive
from ..terms import Number as Value


@dataclass(frozen=True)
class Node:
    """A matrix, a column, a row or a scalar; unless it says otherwise, of the shape of its parts."""

    @property
    def tall(self) -> bool:
        return any(part.tall for part in self.parts)

    @property
    def wide(self) -> bool:
        return any(part.wide for part in self.parts)

    @property
    def scalar(self) -> bool:
        return not self.tall and not self.wide

    @cached_property
    def parts(self) -> tuple[Node, ...]:
        """The nodes directly below, in the order of writing."""
        values = [getattr(self, each.name) for each in fields(self)]
        below = (each for value in values for each in (value if isinstance(value, tuple) else (value,)))
        return tuple(each for each in below if isinstance(each, Node))

    @cached_property
    def transposes(self) -> int:
        """How many transposes of matrices there are to read; rows cannot be written without one and count nothing."""
        return sum(part.transposes for part in self.parts)

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Where in the signature the names stand, in the order of writing."""
        return tuple(place for part in self.parts for place in part.places)

    @cached_property
    def depth(self) -> int:
        """The longest way down."""
        return 1 + max((part.depth for part in self.parts), default=0)


@dataclass(frozen=True)
class _Scalar(Node):
    @property
    def tall(self) -> bool:
        return False

    @property
    def wide(self) -> bool:
        return False


@dataclass(frozen=True)
class _Column(Node):
    @property
    def tall(self) -> bool:
        return True

    @property
    def wide(self) -> bool:
        return False


@dataclass(frozen=True)
class _Matrix(Node):
    @property
    def tall(self) -> bool:
        return True

    @property
    def wide(self) -> bool:
        return True


@dataclass(frozen=True)
class _OfRank(Node):
    rank: int

    @property
    def tall(self) -> bool:
        return self.rank > 0

    @property
    def wide(self) -> bool:
        return self.rank > 1


@dataclass(frozen=True)
class Name(_OfRank):
    """An input, a constant or a definition; ``place`` orders them."""

    name: str
    place: tuple[int, ...] = field(default=(), compare=False, repr=False)

    @cached_property
    def places(self) -> tuple[int, ...]:
        return self.place


@dataclass(frozen=True)
class Zero(_OfRank):
    """0 everywhere."""


@dataclass(frozen=True)
class Number(_Scalar):
    value: Value


@dataclass(frozen=True)
class Extent(_Scalar):
    """A size as a number."""

    size: Dim


@dataclass(frozen=True)
class Ones(_Column):
    size: Dim


@dataclass(frozen=True)
class Identity(_Matrix):
    size: Dim


@dataclass(frozen=True)
class Transpose(Node):
    of: Node

    @property
    def tall(self) -> bool:
        return self.of.wide

    @property
    def wide(self) -> bool:
        return self.of.tall

    @cached_property
    def transposes(self) -> int:
        return self.of.transposes + self.of.wide


@dataclass(frozen=True)
class Product(Node):
    """The matrix product of at least two factors, none of them a scalar."""

    factors: tuple[Node, ...]

    @property
    def tall(self) -> bool:
        return self.factors[0].tall

    @property
    def wide(self) -> bool:
        return self.factors[-1].wide


@dataclass(frozen=True)
class Repeated(_Matrix):
    """A square matrix to a power, as a matrix: a natural number, or anything where the matrix is diagonal."""

    base: Node
    exponent: Value


@dataclass(frozen=True)
class Hadamard(Node):
    """The product of some matrices, divided by others, entry by entry; ``above`` is never empty."""

    above: tuple[Node, ...]
    below: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Power(Node):
    """A power, entry by entry."""

    base: Node
    exponent: Value


@dataclass(frozen=True)
class Scaled(Node):
    """A number times scalars, divided by scalars, times one matrix (None: a scalar)."""

    coefficient: Value
    above: tuple[Node, ...]
    below: tuple[Node, ...]
    body: Node | None


@dataclass(frozen=True)
class Plus(Node):
    """The sum of at least two terms."""

    terms: tuple[Node, ...]


@dataclass(frozen=True)
class Function(Node):
    """A primitive of every entry, for which scalars among the arguments stand everywhere, or of a whole matrix."""

    primitive: Primitive
    args: tuple[Node, ...]

    @property
    def tall(self) -> bool:
        return any(arg.tall for arg in self.args) if self.primitive.elementwise else bool(self.primitive.core_out)

    @property
    def wide(self) -> bool:
        return any(arg.wide for arg in self.args) if self.primitive.elementwise else bool(self.primitive.core_out)


@dataclass(frozen=True)
class OfRows(_Column):
    """A primitive that reduces, such as the maximum, of each row."""

    primitive: Primitive
    of: Node


@dataclass(frozen=True)
class Diagonal(_Matrix):
    """The diagonal matrix of a column."""

    of: Node


@dataclass(frozen=True)
class DiagonalOf(_Column):
    """The diagonal of a matrix."""

    of: Node


@dataclass(frozen=True)
class Trace(_Scalar):
    of: Node


@dataclass(frozen=True)
class Norm(_Scalar):
    """The square root of the sum of the squares of all entries, to a power."""

    of: Node
    exponent: Value


# Measures --------------------------------------------------------------------------------------------------------


def walk(node: Node) -> Iterator[Node]:
    """The node and all nodes below it, in the order of writing."""
    yield node
    for part in node.parts:
        yield from walk(part)


def size(node: Node) -> int:
    """How much there is to read: names and functions, but no inverses."""
    return sum(
        isinstance(part, Name | Ones | OfRows) or (isinstance(part, Function) and part.primitive.name != "inv")
        for part in walk(node)
    )
