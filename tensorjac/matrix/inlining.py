"""Definitions put in where they are used once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .building import multiply, plus, scaled, transpose
from .entries import Item, hadamard
from .tree import Hadamard, Name, Node, Plus, Product, Scaled, Transpose, walk

# A form as deep as this gets a name, so that no tree is deep, however long the chain of layers.
DEEPEST = 20


@dataclass(frozen=True)
class Forms:
    """The outputs in matrix notation, and what they use by name, in the order in which it is first used."""

    outputs: dict[str, Node]
    definitions: dict[str, Node]


def inlined(outputs: dict[str, Node], definitions: Mapping[str, Node]) -> Forms:
    """What is used, in the order of its first use; a definition that is used once stands in its place."""
    while True:
        used = _used(outputs.values(), definitions)
        uses = Counter(
            node.name
            for root in [*outputs.values(), *used.values()]
            for node in walk(root)
            if isinstance(node, Name) and node.name in used
        )
        once = next((name for name, count in uses.items() if count == 1 and used[name].depth < DEEPEST // 2), None)
        if once is None:
            return Forms(outputs, used)
        names = {once: used[once]}
        outputs = {name: _rebuilt(node, names) for name, node in outputs.items()}
        definitions = {name: _rebuilt(node, names) for name, node in used.items() if name != once}


def _used(roots: Iterable[Node], definitions: Mapping[str, Node]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    waiting = list(roots)
    while waiting:
        for node in walk(waiting.pop(0)):
            if isinstance(node, Name) and node.name in definitions and node.name not in found:
                found[node.name] = definitions[node.name]
                waiting.append(found[node.name])
    return found


def _rebuilt(node: Node, names: Mapping[str, Node]) -> Node:
    """The tree with nodes in the place of some names."""
    match node:
        case Name(_, name):
            return names.get(name, node)
        case Transpose(of):
            return transpose(_rebuilt(of, names))
        case Product(factors):
            return multiply(*(_rebuilt(part, names) for part in factors))
        case Plus(terms):
            return plus(_rebuilt(part, names) for part in terms)
        case Scaled(coefficient, above, below, body):
            over, under = ([_rebuilt(part, names) for part in parts] for parts in (above, below))
            return scaled(coefficient, over, under, None if body is None else _rebuilt(body, names))
        case Hadamard(above, below):
            items = [Item(_rebuilt(part, names), 1) for part in above]
            return hadamard([*items, *(Item(_rebuilt(part, names), -1) for part in below)])
    changed: dict[str, Any] = {}
    for each in fields(node):
        value = getattr(node, each.name)
        if isinstance(value, Node):
            changed[each.name] = _rebuilt(value, names)
        elif isinstance(value, tuple):
            changed[each.name] = tuple(_rebuilt(part, names) if isinstance(part, Node) else part for part in value)
    return replace(node, **changed) if changed else node
