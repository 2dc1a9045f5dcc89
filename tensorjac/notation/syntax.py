"""What a parsed text is made of: the nodes that index notation and NumPy text are read into.

Every node is frozen and knows its place in the text, ``span = (start, end)``, brackets around it included, so
that whatever is found wrong with it later can be underlined; the place plays no part in ``==``. A sum or a
product is one flat `Chain`, however long, and no node lies deeper than `tokens.MAX_DEPTH` below its text:
walking it by recursion is safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import EllipsisType

Span = tuple[int, int]


@dataclass(frozen=True)
class Node:
    """A piece of a parsed text."""

    span: Span = field(default=(0, 0), compare=False, repr=False, kw_only=True)

    @property
    def children(self) -> Iterator[Node]:
        """The nodes directly below, in the order of the text."""
        for value in vars(self).values():
            if isinstance(value, Node):
                yield value
            elif isinstance(value, tuple):
                yield from (item for item in value if isinstance(item, Node))


def walk(node: Node) -> Iterator[Node]:
    """The node and all nodes below it, in the order of the text."""
    yield node
    for child in node.children:
        yield from walk(child)


# In both notations.


@dataclass(frozen=True)
class Number(Node):
    """``2`` is an int and exact, ``2.0`` and ``1e-5`` are floats."""

    value: int | float


@dataclass(frozen=True)
class Name(Node):
    """A name alone. In index notation a size or a scalar input, in a slot an index or a size."""

    name: str


@dataclass(frozen=True)
class Unary(Node):
    """``-x``; in NumPy text also ``+x`` and ``~x``."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Chain(Node):
    """Operators of one rank, applied left to right: ``a / b c`` has operands (a, b, c), operators ("/", "*").

    Index notation has the ranks ``+ -`` and ``* / //``, NumPy text ``|``, ``&``, ``+ -`` and ``* @ / //``.
    """

    operands: tuple[Node, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Power(Node):
    """``x^2`` or ``x**2``; the operand of a minus before it, and ``x^y^z`` is ``x^(y^z)``, as in Python."""

    base: Node
    exponent: Node


# In index notation only.

# Functions that are written with others, and the number of their arguments.
SPELLED = {"sqrt": 1, "square": 1, "reciprocal": 1, "less": 2, "less_equal": 2, "not_equal": 2}


@dataclass(frozen=True)
class Bound(Node):
    """A letter where it is introduced, with its size where that is written: ``i`` or ``i:b``."""

    letter: str
    size: Node | None = None


@dataclass(frozen=True)
class Indexed(Node):
    """``X[ij]``: one node per axis, a `Name` of one letter or an expression as in ``x[2*i+1, t[j]]``."""

    name: str
    slots: tuple[Node, ...]


@dataclass(frozen=True)
class Delta(Node):
    """``δ[ij]`` and ``δ[i = 2*k + 1]``: 1 where both sides are equal, else 0."""

    left: Node
    right: Node


@dataclass(frozen=True)
class SizeOf(Node):
    """``|i|``, the size of an index."""

    letter: str


@dataclass(frozen=True)
class SumOver(Node):
    """``Σ_kl X[kl] Y[l]``: the sum over the bound letters of all that follows in this term."""

    bound: tuple[Bound, ...]
    body: Node


@dataclass(frozen=True)
class Apply(Node):
    """A function of index expressions: ``exp(X[ij])``, ``max_k(X[ik])``, ``inv_kl(S[kl] + X[kl])[ij]``.

    ``bound`` are the letters behind ``_``, the axes on which it works; ``slots`` is None where none follow.
    """

    name: str
    bound: tuple[Bound, ...]
    arguments: tuple[Node, ...]
    slots: tuple[Node, ...] | None = None


@dataclass(frozen=True)
class Whole(Node):
    """A function of whole tensors, then brackets: ``inv(X.T @ X)[ij]``. ``call`` is NumPy text."""

    call: Call
    slots: tuple[Node, ...]


@dataclass(frozen=True)
class Axis(Node):
    """One axis of a left side: one letter, or several for a merged axis ``(ik)``, or none for ``()``."""

    letters: tuple[Bound, ...]


@dataclass(frozen=True)
class Target(Node):
    """A tensor that a left side names: ``Y[ij]``, ``dX[i:b, j:m]``, ``Y[(ik)(jl)]``."""

    name: str
    axes: tuple[Axis, ...]


@dataclass(frozen=True)
class Equation(Node):
    """``target = right``, or ``∂target/∂wrt = right``; two in ``wrt`` for ``∂²L[]/∂A[i]∂B[j]``."""

    target: Target
    wrt: tuple[Target, ...]
    right: Node


@dataclass(frozen=True)
class IndexText(Node):
    """The equations of a text, and the definitions that they share, with names all different."""

    equations: tuple[Equation, ...]
    definitions: tuple[Equation, ...] = ()


# In NumPy text only.


@dataclass(frozen=True)
class Constant(Node):
    """``True``, ``False``, ``None`` and ``...``"""

    value: bool | EllipsisType | None


@dataclass(frozen=True)
class String(Node):
    """``"ij,jk->ik"``"""

    value: str


@dataclass(frozen=True)
class Sequence(Node):
    """``(a, b)`` and ``a, b`` (kind "tuple"), ``[a, b]`` (kind "list")."""

    items: tuple[Node, ...]
    kind: str


@dataclass(frozen=True)
class Attribute(Node):
    """``X.T``, ``np.exp``"""

    value: Node
    name: str


@dataclass(frozen=True)
class Keyword(Node):
    """``axis=1`` in a call."""

    name: str
    value: Node


@dataclass(frozen=True)
class Call(Node):
    """``np.sum(X, axis=1)``"""

    function: Node
    arguments: tuple[Node, ...]
    keywords: tuple[Keyword, ...] = ()


@dataclass(frozen=True)
class Slice(Node):
    """``start:stop:step`` in a subscript."""

    start: Node | None
    stop: Node | None
    step: Node | None


@dataclass(frozen=True)
class Subscript(Node):
    """``X[:, 0]``: ``items`` are what the commas separate."""

    value: Node
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Compare(Node):
    """``left < right``; never chained."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Assignment(Node):
    """``value``, ``Y = value`` or ``a, b = value``: then ``unpacks`` is true, also for ``a, = value``."""

    targets: tuple[Name, ...]
    value: Node
    unpacks: bool = False


@dataclass(frozen=True)
class NumpyText(Node):
    """The statements of a text, in order."""

    statements: tuple[Assignment, ...]
