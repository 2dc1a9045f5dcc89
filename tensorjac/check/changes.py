"""The kinds of small changes: each gives, for one node of a tree, what may stand in its place, and what that points to.

A change that makes a claim right is what a person did, turned round: where leaving out ``/ N`` mends it, there was one
division by a size too many.
"""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

AXES = (0, 1, 2, 3, -1)
REDUCTIONS = frozenset({"sum", "mean", "max", "min", "var", "std", "prod"})
ELEMENTWISE = ("tanh", "exp", "log", "sqrt")

Change = tuple[str, ast.AST]


class Known(NamedTuple):
    """What the code knows: names in use, those of sizes among them, and functions of one argument that it calls."""

    names: tuple[str, ...]
    sizes: frozenset[str]
    functions: tuple[ast.expr, ...]

    @staticmethod
    def of(tree: ast.Module, names: Sequence[str]) -> Known:
        """What stands in a tree."""
        nodes = list(ast.walk(tree))
        sizes = {
            name.id
            for node in nodes
            if isinstance(node, ast.Assign) and _is_size(node.value)
            for target in node.targets
            for name in ast.walk(target)
            if isinstance(name, ast.Name)
        }
        called = [
            node.func for node in nodes if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords
        ]
        plain = [func for func in called if isinstance(func, ast.Name) or _attribute_of_numpy(func) in ELEMENTWISE]
        usual = [ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load()) for name in ELEMENTWISE[:2]]
        distinct = {ast.unparse(func): func for func in (*plain, *usual) if ast.unparse(func) not in ("range", "len")}
        return Known(tuple(names), frozenset(sizes), tuple(distinct.values()))

    def cause(self, node: ast.expr, otherwise: str) -> str:
        """What a factor points to: sizes are counts, all else is a factor of another exponent."""
        size = (isinstance(node, ast.Name) and node.id in self.sizes) or _is_size(node)
        return "size-factor" if size else otherwise


def _is_size(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(attr="shape" | "size") | ast.Call(func=ast.Name(id="len")):
            return True
        case ast.Subscript(value=value):
            return _is_size(value)
    return False


def _attribute_of_numpy(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else ""


# Kinds, likely ones first -----------------------------------------------------------------------------------------


def likely(node: ast.AST, known: Known) -> Iterator[Change]:
    """Transposes, orders, signs, comparisons, and assignments that should add."""
    match node:
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield "product-order", ast.BinOp(right, ast.MatMult(), left)
            yield "product-order", ast.BinOp(_turned(left), ast.MatMult(), right)
            yield "product-order", ast.BinOp(left, ast.MatMult(), _turned(right))
            yield "product-order", ast.BinOp(_swapped(left), ast.MatMult(), right)
            yield "product-order", ast.BinOp(left, ast.MatMult(), _swapped(right))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield "term-sign", ast.BinOp(left, ast.Sub(), right)
            yield "term-sign", ast.BinOp(right, ast.Sub(), left)
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
                yield "extra-term", ast.Pass()
        case ast.Assign(targets=[ast.Subscript() | ast.Name() as target] as targets, value=value):
            yield "term-sign", ast.Assign(targets, ast.UnaryOp(ast.USub(), value), lineno=node.lineno)
            yield "shared-weight", ast.AugAssign(target, ast.Add(), value)
        case ast.Compare(left=left, ops=[ast.Gt() | ast.GtE() | ast.Lt() | ast.LtE() as op], comparators=[right]):
            turned = ast.Lt() if isinstance(op, ast.Gt | ast.GtE) else ast.Gt()
            yield "mask", ast.Compare(left, [turned], [right])


def calls(node: ast.AST, known: Known) -> Iterator[Change]:
    """Other axes, sums for means, transposes in ``dot``, functions left out, and arguments in another order."""
    match node:
        case ast.keyword(arg="axis", value=value) if (axis := _whole(value)) is not None:
            for other in AXES:
                if other != axis:
                    yield "wrong-axis", ast.keyword("axis", ast.Constant(other))
        case ast.keyword(arg="axis", value=ast.Tuple(elts=axes)):
            for k, other in itertools.product(range(len(axes)), AXES):
                yield "wrong-axis", ast.keyword("axis", _with(axes, k, ast.Constant(other)))
        case ast.Call(func=ast.Name(), args=[arg], keywords=[]) if not isinstance(arg, ast.Starred):
            yield "activation", arg
        case ast.Call(func=ast.Attribute() as func, args=args, keywords=keywords):
            yield from _method(func, args, keywords)
        case ast.For(iter=ast.Call(func=ast.Name(id="range")) as times):
            yield "recurrent-path", _with_iteration(node, ast.Call(ast.Name("reversed", ast.Load()), [times], []))
        case ast.For(iter=ast.Call(func=ast.Name(id="reversed"), args=[times])):
            yield "recurrent-path", _with_iteration(node, times)


def _method(func: ast.Attribute, args: list[ast.expr], keywords: list[ast.keyword]) -> Iterator[Change]:
    name = func.attr
    if name in ("sum", "mean"):
        turned = ast.Attribute(func.value, "mean" if name == "sum" else "sum", ast.Load())
        yield "size-factor", ast.Call(turned, args, keywords)
    if name in ("dot", "matmul"):
        for k, arg in enumerate(args):
            yield "product-order", ast.Call(func, [*args[:k], _turned(arg), *args[k + 1 :]], keywords)
        if len(args) == 2:
            yield "product-order", ast.Call(func, [args[1], args[0]], keywords)
    if name == "dot" and len(args) == 1:
        yield "product-order", ast.Call(ast.Attribute(_turned(func.value), name, ast.Load()), args, keywords)
        yield "product-order", ast.Call(ast.Attribute(args[0], name, ast.Load()), [func.value], keywords)
    if name in REDUCTIONS and args and (axis := _whole(args[-1])) is not None:
        for other in AXES:
            if other != axis:
                yield "wrong-axis", ast.Call(func, [*args[:-1], ast.Constant(other)], keywords)
    if name in REDUCTIONS and not keywords and len(args) <= 1:
        for other in AXES:
            along = [ast.keyword("axis", ast.Constant(other)), ast.keyword("keepdims", ast.Constant(True))]
            yield "wrong-axis", ast.Call(func, args, along)
    if name == "where" and len(args) == 3:
        yield "mask", ast.Call(func, [args[0], args[2], args[1]], keywords)
    if name == "reshape" and len(args) == 2 and not keywords:
        yield "transposed", _turned(ast.Call(func, [args[1], args[0]], []))
    if name in ELEMENTWISE and len(args) == 1 and not keywords:
        yield "exponent" if name == "sqrt" else "activation", args[0]


def factors(node: ast.AST, known: Known) -> Iterator[Change]:
    """Factors and terms left out, and multiplication for division."""
    match node:
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            other = ast.Div() if isinstance(op, ast.Mult) else ast.Mult()
            yield known.cause(right, "exponent"), ast.BinOp(left, other, right)
            yield known.cause(right, "exponent"), left
            if isinstance(op, ast.Mult):
                yield known.cause(left, "exponent"), right
                yield known.cause(right, "exponent"), ast.BinOp(node, ast.Mult(), right)
            else:
                yield known.cause(right, "exponent"), ast.BinOp(node, ast.Div(), right)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            yield "extra-term", left
            yield "extra-term", right
        case ast.BinOp(left=left, op=ast.Pow()):
            yield "exponent", left


def numbers(node: ast.AST, known: Known) -> Iterator[Change]:
    """Other numbers, also in slices and exponents, and slices that run backward."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            for other in (2 * value, value / 2, value + 1, value - 1, -value, 1):
                number = int(other) if float(other).is_integer() and isinstance(value, int) else other
                if number != value:
                    yield "wrong-number", ast.Constant(number)
        case ast.Slice(lower=lower, upper=upper, step=ast.UnaryOp(op=ast.USub())):
            yield "time-shift", ast.Slice(lower, upper, None)
        case ast.Subscript(value=array, slice=ast.Tuple(elts=places)) if sum(map(_runs_backward, places)) > 1:
            yield "time-shift", array
        case ast.Subscript(value=array, slice=ast.Tuple(elts=places), ctx=ctx):
            for k, place in enumerate(places):
                for moved in _moved(place):
                    yield "time-shift", ast.Subscript(array, _with(places, k, moved), ctx)
        case ast.Subscript(value=array, slice=place, ctx=ctx):
            for moved in _moved(place):
                yield "time-shift", ast.Subscript(array, moved, ctx)


def _runs_backward(place: ast.expr) -> bool:
    return isinstance(place, ast.Slice) and isinstance(place.step, ast.UnaryOp)


def _moved(place: ast.expr) -> Iterator[ast.expr]:
    if isinstance(place, ast.Name | ast.BinOp):
        for op in (ast.Sub(), ast.Add()):
            yield ast.BinOp(place, op, ast.Constant(1))


def operands(node: ast.AST, known: Known) -> Iterator[Change]:
    """Other names, and two entries of a tuple or a list in each other's place."""
    match node:
        case ast.Name(id=own, ctx=ast.Load()) if own in known.names:
            for name in known.names:
                if name != own:
                    yield "wrong-operand", ast.Name(name, ast.Load())
        case ast.Tuple(elts=parts, ctx=ast.Load()) | ast.List(elts=parts, ctx=ast.Load()) if len(parts) <= 6:
            for k, part in enumerate(parts):
                for other in range(k + 1, len(parts)):
                    swapped = [*parts]
                    swapped[k], swapped[other] = parts[other], part
                    yield "wrong-operand", type(node)(swapped, ast.Load())


def activations(node: ast.AST, known: Known) -> Iterator[Change]:
    """A function, or a square, of a name, and what it holds in the other order, along the last axis or two."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in known.names:
        backward = ast.Slice(None, None, ast.UnaryOp(ast.USub(), ast.Constant(1)))
        for places in ([backward], [backward, backward]):
            turned = ast.Tuple([ast.Constant(...), *places], ast.Load())
            yield "time-shift", ast.Subscript(node, turned, ast.Load())
        yield "exponent", ast.BinOp(node, ast.Pow(), ast.Constant(2))
        for function in known.functions:
            if not isinstance(function, ast.Name) or function.id != node.id:
                yield "wrong-operand", ast.Call(function, [node], [])


def insertions(node: ast.AST, known: Known) -> Iterator[Change]:
    """A factor or a divisor more in what is assigned or returned."""
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Return) and node.value is not None:
        whole = isinstance(node.value, ast.Tuple)
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for k, value in enumerate(values):
            for cause, more in _scaled(value, known):
                new = copy.copy(node)
                new.value = _with(values, k, more) if whole else more
                yield cause, new


def inner_insertions(node: ast.AST, known: Known) -> Iterator[Change]:
    """The same anywhere inside an expression."""
    loaded = isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
    named = not isinstance(node, ast.Name) or node.id in known.names
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call | ast.BinOp) and loaded and named:
        yield from _scaled(node, known)


def _scaled(value: ast.expr, known: Known) -> Iterator[tuple[str, ast.expr]]:
    for name in known.names:
        for op in (ast.Mult(), ast.Div()):
            other = ast.Name(name, ast.Load())
            yield known.cause(other, "exponent"), ast.BinOp(value, op, other)


KINDS: tuple[Callable[[ast.AST, Known], Iterator[Change]], ...] = (
    likely,
    calls,
    factors,
    numbers,
    operands,
    activations,
    insertions,
    inner_insertions,
)


# Parts of trees ---------------------------------------------------------------------------------------------------


def _whole(node: ast.expr) -> int | None:
    """The whole number that stands here, as in ``axis=-1``."""
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return -number
    return None


def _with(values: Sequence[ast.expr], place: int, value: ast.expr) -> ast.Tuple:
    return ast.Tuple([*values[:place], value, *values[place + 1 :]], ast.Load())


def _with_iteration(loop: ast.For, times: ast.expr) -> ast.For:
    changed = copy.copy(loop)
    changed.iter = times
    return changed


def _turned(node: ast.expr) -> ast.expr:
    """The expression transposed, or no longer so."""
    return node.value if isinstance(node, ast.Attribute) and node.attr == "T" else ast.Attribute(node, "T", ast.Load())


def _swapped(node: ast.expr) -> ast.expr:
    """The expression with its last two axes swapped, or no longer so."""
    match node:
        case ast.Attribute(value=value, attr="mT") | ast.Call(func=ast.Attribute(value=value, attr="swapaxes")):
            return value
    return ast.Attribute(node, "mT", ast.Load())


def _stored(target: ast.expr) -> ast.expr:
    stored = copy.copy(target)
    stored.ctx = ast.Store()  # type: ignore[attr-defined]
    return stored
