"""The order in which matrix notation is written, and what of two forms is easier to read."""

from __future__ import annotations

from collections.abc import Iterable

from .tree import Extent, Function, Name, Node, Plus, Power, Product, Transpose, walk

Order = tuple[int, tuple[int, ...], int]


def easiest(choices: Iterable[Node]) -> Node:
    """The one with the fewest transposes, rather of names than of more; then one that does not begin with a sum."""
    return min(choices, key=_effort)


def _effort(node: Node) -> tuple[int, int, bool, tuple[int, ...], bool]:
    turned = [part.of for part in walk(node) if isinstance(part, Transpose) and part.of.wide]
    long = sum(not isinstance(part, Name) for part in turned)
    first = node.factors[0] if isinstance(node, Product) else node
    return len(turned), long, _starts_with_sum(node), node.places, not isinstance(first, Transpose)


def _starts_with_sum(node: Node) -> bool:
    while isinstance(node, Product | Transpose):
        node = node.factors[0] if isinstance(node, Product) else node.of
    return isinstance(node, Plus)


def order(node: Node) -> Order:
    """The order of what may be written in any order: by signature, sums last."""
    return isinstance(node, Plus), node.places, node.transposes


def entry_order(node: Node) -> Order:
    """The order of the operands of a Hadamard product: names, then functions, then products, then sums."""
    bare = node
    while isinstance(bare, Transpose | Power):
        bare = bare.of if isinstance(bare, Transpose) else bare.base
    kinds = ((Plus, 3), (Product, 2), (Function, 1))
    return next((rank for kind, rank in kinds if isinstance(bare, kind)), 0), node.places, node.transposes


def scalar_order(node: Node) -> tuple[bool, str, Order]:
    """The order of scalars in front of a matrix: sizes last."""
    sizes = [part.size.key for part in walk(node) if isinstance(part, Extent)]
    return not sizes, " ".join(sizes), order(node)
