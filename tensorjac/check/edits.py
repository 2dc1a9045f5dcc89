"""Small changes of a text or of a function's source, of the kinds by which hand-written gradients go wrong."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from typing import NamedTuple

AXES = (0, 1, 2, 3)
REDUCTIONS = frozenset({"sum", "mean", "max", "min", "var", "std", "prod"})


class Edit(NamedTuple):
    """One change: the cause that it would point to, the code before and after, the line, and the changed tree."""

    cause: str
    before: str
    after: str
    line: int
    tree: ast.Module


Change = tuple[str, ast.AST]


def edits(tree: ast.Module, names: Sequence[str]) -> Iterator[Edit]:
    """The tree with one change, likely ones first; ``names`` may be put in the place of others.

    >>> tree = ast.parse("x @ w")
    >>> [edit.after for edit in edits(tree, ())][:3]
    ['w @ x', 'x.T @ w', 'x @ w.T']
    """
    nodes = list(ast.walk(tree))
    for changes in (_likely, _factors, _numbers):
        for place, node in enumerate(nodes):
            for cause, new in changes(node):
                yield _edit(tree, place, node, new, cause)
    for place, node in enumerate(nodes):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
            for name in names:
                if name != node.id:
                    yield _edit(tree, place, node, ast.Name(name, ast.Load()), "wrong-operand")
    for place, node in enumerate(nodes):
        for cause, new in _insertions(node, names):
            yield _edit(tree, place, node, new, cause)


def terms_left_out(tree: ast.Module, names: Sequence[str]) -> Iterator[Edit]:
    """The tree with one term of a sum or a difference left out, and then with NaN in its place.

    >>> [edit.after for edit in terms_left_out(ast.parse("a * (b + c)"), ()) if edit.cause == "extra-term"]
    ['b', 'c']
    """
    unknown = ast.Constant(float("nan"))
    for place, node in enumerate(ast.walk(tree)):
        match node:
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
                yield _edit(tree, place, node, left, "extra-term")
                yield _edit(tree, place, node, ast.BinOp(left, op, unknown), "probe")
                yield _edit(tree, place, node, right, "extra-term")
                yield _edit(tree, place, node, ast.BinOp(unknown, op, right), "probe")


def _edit(tree: ast.Module, place: int, node: ast.AST, new: ast.AST, cause: str) -> Edit:
    changed = copy.deepcopy(tree)
    target = list(ast.walk(changed))[place]
    parent, field, index = _holder(changed, target)
    if index is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[index] = new
    return Edit(cause, ast.unparse(node), ast.unparse(new), getattr(node, "lineno", 1), changed)


def _holder(tree: ast.AST, target: ast.AST) -> tuple[ast.AST, str, int | None]:
    """Where a node stands: its parent, the field, and its place in a list."""
    places = (
        (parent, field, index if isinstance(value, list) else None)
        for parent in ast.walk(tree)
        for field, value in ast.iter_fields(parent)
        for index, one in enumerate(value if isinstance(value, list) else [value])
        if one is target
    )
    return next(places)


def _likely(node: ast.AST) -> Iterator[Change]:
    """Transposes, orders, axes, signs, sums for means, comparisons, and assignments that should add."""
    match node:
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield "product-order", ast.BinOp(right, ast.MatMult(), left)
            yield "product-order", ast.BinOp(_turned(left), ast.MatMult(), right)
            yield "product-order", ast.BinOp(left, ast.MatMult(), _turned(right))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield "term-sign", ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield "term-sign", ast.BinOp(left, ast.Add(), right)
            yield "term-sign", ast.BinOp(right, ast.Sub(), left)
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
            yield "term-sign", operand
        case ast.AugAssign(target=target, op=op, value=value):
            yield "shared-weight", ast.Assign([_stored(target)], value, lineno=node.lineno)
            if isinstance(op, ast.Add | ast.Sub):
                other = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
                yield "term-sign", ast.AugAssign(target, other, value)
        case ast.Assign(targets=[ast.Subscript() | ast.Name() as target], value=value):
            yield "shared-weight", ast.AugAssign(target, ast.Add(), value)
        case ast.Compare(left=left, ops=[ast.Gt() | ast.GtE() | ast.Lt() | ast.LtE() as op], comparators=[right]):
            turned = ast.Lt() if isinstance(op, ast.Gt | ast.GtE) else ast.Gt()
            yield "mask", ast.Compare(left, [turned], [right])
    yield from _calls(node)


def _calls(node: ast.AST) -> Iterator[Change]:
    """Other axes, sums for means, and transposes in `dot`."""
    match node:
        case ast.keyword(arg="axis", value=ast.Constant(value=int(axis))):
            for other in AXES:
                if other != axis:
                    yield "wrong-axis", ast.keyword("axis", ast.Constant(other))
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=args, keywords=keywords):
            if name in ("sum", "mean"):
                turned = ast.Attribute(value, "mean" if name == "sum" else "sum", ast.Load())
                yield "size-factor", ast.Call(turned, args, keywords)
            if name in ("dot", "matmul"):
                for k, arg in enumerate(args):
                    yield "product-order", ast.Call(node.func, [*args[:k], _turned(arg), *args[k + 1 :]], keywords)
            if name == "dot" and len(args) == 1 and not isinstance(value, ast.Name):
                yield "product-order", ast.Call(ast.Attribute(_turned(value), name, ast.Load()), args, keywords)
            if name in REDUCTIONS and args and isinstance(args[-1], ast.Constant) and isinstance(args[-1].value, int):
                for axis in AXES:
                    if axis != args[-1].value:
                        yield "wrong-axis", ast.Call(node.func, [*args[:-1], ast.Constant(axis)], keywords)


def _turned(node: ast.expr) -> ast.expr:
    """The expression transposed, or no longer so."""
    return node.value if isinstance(node, ast.Attribute) and node.attr == "T" else ast.Attribute(node, "T", ast.Load())


def _stored(target: ast.expr) -> ast.expr:
    stored = copy.copy(target)
    stored.ctx = ast.Store()  # type: ignore[attr-defined]
    return stored


def _factors(node: ast.AST) -> Iterator[Change]:
    """Factors and terms left out, and multiplication for division."""
    match node:
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            other = ast.Div() if isinstance(op, ast.Mult) else ast.Mult()
            yield "exponent", ast.BinOp(left, other, right)
            yield "exponent", left
            if isinstance(op, ast.Mult):
                yield "exponent", right
                yield "exponent", ast.BinOp(node, ast.Mult(), right)
            else:
                yield "exponent", ast.BinOp(node, ast.Div(), right)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            yield "extra-term", left
            yield "extra-term", right
        case ast.BinOp(left=left, op=ast.Pow()):
            yield "exponent", left
        case ast.Call(func=ast.Attribute(attr="sqrt"), args=[arg]):
            yield "exponent", arg


def _numbers(node: ast.AST) -> Iterator[Change]:
    """Other numbers, also in slices and exponents."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        value = node.value
        for other in (2 * value, value / 2, value + 1, value - 1, -value, 1):
            number = int(other) if float(other).is_integer() and isinstance(value, int) else other
            if number != value:
                yield "wrong-number", ast.Constant(number)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name | ast.BinOp):
        for op in (ast.Sub(), ast.Add()):
            moved = ast.BinOp(node.slice, op, ast.Constant(1))
            yield "time-shift", ast.Subscript(node.value, moved, node.ctx)


def _insertions(node: ast.AST, names: Sequence[str]) -> Iterator[Change]:
    """A factor or a divisor more in what is assigned or returned."""
    if isinstance(node, ast.Assign | ast.Return) and node.value is not None:
        whole = isinstance(node.value, ast.Tuple)
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for k, value in enumerate(values):
            for name in names:
                for op in (ast.Mult(), ast.Div()):
                    more = ast.BinOp(value, op, ast.Name(name, ast.Load()))
                    new = copy.copy(node)
                    new.value = ast.Tuple([*values[:k], more, *values[k + 1 :]], ast.Load()) if whole else more
                    yield "exponent", new
