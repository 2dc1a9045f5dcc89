"""Arguments in tuples, lists and dicts: to a flat list of leaves and back, in the order in which they stand."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np

from ..errors import ShapeError, TensorjacError

# A leaf is LEAF; a container is its class, its typed keys if it is a dict, and its children.
Tree: TypeAlias = str | tuple[type, tuple[tuple[type, Any], ...], tuple["Tree", ...]]
LEAF = "leaf"
_MAPPINGS = (dict, OrderedDict)
_FREQUENT = frozenset({np.ndarray, float, np.float64, np.float32, int, str})


def flatten(value: Any) -> tuple[list[Any], Tree]:
    """The leaves of nested tuples, lists and dicts, and how they were nested; None has no leaves.

    >>> leaves, tree = flatten({"w": (1, [2, 3]), "b": None})
    >>> leaves, unflatten(tree, [10, 20, 30])
    ([1, 2, 3], {'w': (10, [20, 30]), 'b': None})
    """
    leaves: list[Any] = []
    return leaves, _flatten(value, leaves)


def _flatten(value: Any, leaves: list[Any]) -> Tree:
    kind = type(value)
    if kind in _FREQUENT:
        leaves.append(value)
        return LEAF
    if kind is tuple or kind is list or _is_named(kind):
        return kind, (), tuple([_flatten(each, leaves) for each in value])
    if kind in _MAPPINGS:
        keys = tuple([(type(key), key) for key in value])
        return kind, keys, tuple([_flatten(each, leaves) for each in value.values()])
    if value is None:
        return kind, (), ()
    leaves.append(value)
    return LEAF


def _is_named(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def unflatten(tree: Tree, leaves: Iterable[Any]) -> Any:
    """The nested value with these leaves."""
    return _unflatten(tree, iter(leaves))


def _unflatten(tree: Tree, leaves: Iterator[Any]) -> Any:
    if isinstance(tree, str):
        return next(leaves)
    kind, keys, children = tree
    parts = [_unflatten(child, leaves) for child in children]
    if kind in _MAPPINGS:
        return kind(zip((key for _, key in keys), parts, strict=True))
    if kind is type(None):
        return None
    return kind(*parts) if _is_named(kind) else kind(parts)


def leaves_like(tree: Tree, value: Any, what: str, model: str, error: type[TensorjacError] = ShapeError) -> list[Any]:
    """The leaves of a value that is nested as ``tree`` is; dicts match by key, in whatever order they are."""
    leaves: list[Any] = []
    if not _follow(tree, value, leaves):
        raise error(
            f"{what} is nested as {model} is:\n  {model}: {spelled(tree)}\n  {what}: {spelled(flatten(value)[1])}\n"
            f"give {what} the same tuples, lists and keys, with an array wherever {model} has one."
        )
    return leaves


def _follow(tree: Tree, value: Any, leaves: list[Any]) -> bool:
    if isinstance(tree, str):
        leaves.append(value)
        return type(value) not in (tuple, list, *_MAPPINGS, type(None))
    kind, keys, children = tree
    if type(value) is not kind:
        return False
    if kind is type(None):
        return True
    if isinstance(value, dict):
        wanted = [key for _, key in keys]
        if value.keys() != set(wanted):
            return False
        value = [value[key] for key in wanted]
    return len(value) == len(children) and all(
        _follow(child, each, leaves) for child, each in zip(children, value, strict=True)
    )


def spelled(tree: Tree) -> str:
    """How the nesting looks, an asterisk for a leaf.

    >>> spelled(flatten({"w": (1, [2, 3]), "b": (4,)})[1])
    "{'w': (*, [*, *]), 'b': (*,)}"
    """
    if isinstance(tree, str):
        return "*"
    kind, keys, children = tree
    parts = list(map(spelled, children))
    if kind is type(None):
        return "None"
    if kind in _MAPPINGS:
        return "{" + ", ".join(f"{key!r}: {part}" for (_, key), part in zip(keys, parts, strict=True)) + "}"
    if kind is list:
        return f"[{', '.join(parts)}]"
    name = "" if kind is tuple else kind.__name__
    return f"{name}({', '.join(parts)}{',' if len(parts) == 1 and not name else ''})"


def paths(tree: Tree, base: str) -> list[str]:
    """How a person writes each leaf.

    >>> paths(flatten({"w": (1, [2, 3]), "b": 4})[1], "p")
    ["p['w'][0]", "p['w'][1][0]", "p['w'][1][1]", "p['b']"]
    """
    if isinstance(tree, str):
        return [base]
    kind, keys, children = tree
    if _is_named(kind):
        inner = [f"{base}.{name}" for name in kind._fields]  # type: ignore[attr-defined]
    elif kind in _MAPPINGS:
        inner = [f"{base}[{key!r}]" for _, key in keys]
    else:
        inner = [f"{base}[{k}]" for k in range(len(children))]
    return [path for child, name in zip(children, inner, strict=True) for path in paths(child, name)]


def identifier(path: str) -> str:
    """The path as a Python name.

    >>> identifier("p['w'][0]")
    'p_w_0'
    """
    return re.sub(r"\W+", "_", path).strip("_") or "x"
