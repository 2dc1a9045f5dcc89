"""A text or the source of a function with one small change, of the kinds by which hand-written gradients go wrong."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from . import changes
from .changes import Change


class Edit(NamedTuple):
    """One change: the cause that it would point to, the code before and after, and the line.

    ``tree`` is the changed tree until the next edit is asked for: there is one tree, which is changed and mended.
    """

    cause: str
    before: str
    after: str
    line: int
    tree: ast.Module


class _Place(NamedTuple):
    """Where a node stands: its parent, the field, and its place in a list."""

    node: ast.AST
    parent: ast.AST
    field: str
    position: int | None

    def put(self, node: ast.AST) -> None:
        if self.position is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.position] = node


def edits(tree: ast.Module, names: Sequence[str]) -> Iterator[Edit]:
    """The tree with one change, likely ones first; ``names`` may be put in the place of others.

    >>> tree = ast.parse("x @ w")
    >>> [edit.after for edit in edits(tree, ())][:3]
    ['w @ x', 'x.T @ w', 'x @ w.T']
    """
    places = list(_places(tree))
    known = changes.Known.of(tree, names)
    for kind in changes.KINDS:
        for place in places:
            for change in kind(place.node, known):
                yield from _made(tree, place, change)


def terms_left_out(tree: ast.Module, names: Sequence[str]) -> Iterator[Edit]:
    """The tree with one term of a sum or a difference left out, with NaN in its place, and with a quotient that is the
    term where that is 0, and infinite elsewhere.

    >>> [edit.after for edit in terms_left_out(ast.parse("a * (b + c)"), ()) if edit.cause == "extra-term"]
    ['b', 'c']
    """
    unknown = ast.Constant(float("nan"))
    for place in list(_places(tree)):
        match place.node:
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
                yield from _made(tree, place, ("extra-term", left))
                yield from _made(tree, place, ("unknown", ast.BinOp(left, op, unknown)))
                yield from _made(tree, place, ("zero", ast.BinOp(left, op, _if_zero(right))))
                yield from _made(tree, place, ("extra-term", right))
                yield from _made(tree, place, ("unknown", ast.BinOp(unknown, op, right)))
                yield from _made(tree, place, ("zero", ast.BinOp(_if_zero(left), op, right)))


def _if_zero(term: ast.expr) -> ast.expr:
    small = ast.Compare(ast.BinOp(term, ast.Mult(), term), [ast.Lt()], [ast.Constant(1e-27)])
    return ast.BinOp(term, ast.Div(), small)


def _places(tree: ast.AST) -> Iterator[_Place]:
    """Every node below a tree, outer ones first, and where it stands."""
    waiting = [tree]
    for parent in waiting:
        for field, value in ast.iter_fields(parent):
            for index, one in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(one, ast.AST):
                    yield _Place(one, parent, field, index if isinstance(value, list) else None)
                    waiting.append(one)


def _made(tree: ast.Module, place: _Place, change: Change) -> Iterator[Edit]:
    """The tree while a node is another one."""
    cause, new = change
    line = getattr(place.node, "lineno", 1)
    for node in ast.walk(new):
        if "lineno" in node._attributes and not hasattr(node, "lineno"):
            node.lineno = node.end_lineno = line  # type: ignore[attr-defined]
            node.col_offset = node.end_col_offset = 0  # type: ignore[attr-defined]
    place.put(new)
    try:
        yield Edit(cause, ast.unparse(place.node), ast.unparse(new), line, tree)
    finally:
        place.put(place.node)
