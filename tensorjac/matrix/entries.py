"""Products and powers entry by entry: Hadamard products, and what they are beside diagonal matrices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..terms import Number as Value
from ..terms import number as exact
from .building import multiply, power
from .orders import entry_order
from .tree import Diagonal, Hadamard, Node, Power, Product, Repeated


class Item(NamedTuple):
    """A node raised to a power entry by entry, on its way into a product."""

    node: Node
    power: Value


def hadamard(items: Iterable[Item]) -> Node:
    """The product, entry by entry, of at least one matrix, all of one shape."""
    pieces = [piece for item in items for piece in _pieces(*item)]
    above = sorted((power(node, p) for node, p in pieces if p > 0), key=entry_order)
    below = sorted((power(node, exact(-p)) for node, p in pieces if p < 0), key=entry_order)
    if not above:
        return power(below[0] if len(below) == 1 else Hadamard(tuple(below)), -1)
    return above[0] if len(above) == 1 and not below else Hadamard(tuple(above), tuple(below))


def _pieces(node: Node, exponent: Value) -> list[Item]:
    """The factors of an elementwise product, each raised to a power of its own."""
    if isinstance(node, Hadamard) and isinstance(exponent, int):
        above = [item for part in node.above for item in _pieces(part, exponent)]
        return above + [item for part in node.below for item in _pieces(part, -exponent)]
    if isinstance(node, Power) and isinstance(exponent, int):
        return [Item(node.base, exact(node.exponent * exponent))]
    return [Item(node, exponent)]


def diagonal(items: Sequence[Item]) -> list[Node]:
    """The diagonal matrix of a product of columns, as factors: what is multiplied, and the inverse of what divides."""
    above = [item for item in items if item.power > 0]
    below = [item for item in items if item.power < 0]
    found: list[Node] = [Diagonal(hadamard(above))] if above else []
    if len(below) == 1:
        found.append(Repeated(Diagonal(below[0].node), below[0].power))
    elif below:
        found.append(Repeated(Diagonal(hadamard(Item(node, exact(-p)) for node, p in below)), -1))
    return found


def column(items: Sequence[Item]) -> Node:
    """The product of columns; a matrix product that is divided is multiplied by the inverse of a diagonal matrix."""
    above = [item for item in items if item.power > 0]
    below = [item for item in items if item.power < 0]
    if below and len(above) == 1 and isinstance(above[0].node, Product) and above[0].power == 1:
        return multiply(*diagonal(below), above[0].node)
    return hadamard(items)
