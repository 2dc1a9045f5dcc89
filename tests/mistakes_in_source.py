"""Mistakes planted in the source of backward passes that are right: one node of the syntax tree is changed at a time.

As in `mistakes`, each kind comes with the causes that name it rightly; more than one where they are the same statement
about that layer: 1 - tanh² without its second term is a derivative that is missing.
"""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import linecache
import textwrap
import time
from collections.abc import Callable, Iterator

import numpy as np

import spellings
import tensorjac as tj
from mistakes import ORDER, TERM, Outcome
from tensorjac.testing import derivable, with_cache

LOST = TERM | {"recurrent-path", "activation", "function-for-derivative", "exponent", "zero", "upstream"}
TWICE = {"doubled-term", "shared-weight", "factor-two", "wrong-number"}
TURNED = {"term-sign", "sign"}
COUNT = {"size-factor", "wrong-count"}
FACTOR = {
    "exponent",
    "activation",
    "function-for-derivative",
    "scale-parameter",
    "inner-scale",
    "mask",
    "upstream",
    "copied",
    "factor",
    "factor-two",
    "wrong-number",
    "normalisation-path",
}

CAUSES = {
    "a term dropped": LOST,
    "a term doubled": TWICE,
    "the sign of a term": TURNED,
    "operands swapped": ORDER,
    "a transpose dropped": ORDER,
    "a sum for a mean": COUNT,
    "the other axis": {"wrong-axis", "shape"},
    "a sum dropped": {"not-summed", "elementwise-jacobian"},
    "a factor dropped": FACTOR,
    "= for +=": TERM | {"recurrent-path", "repeated-index"},
    "+= dropped": TERM | {"zero", "recurrent-path"},
}

Change = tuple[str, ast.AST]


def changes(node: ast.AST) -> Iterator[Change]:
    """What may go wrong at one node: the kind of mistake, and the node in its place."""
    yield from _of_terms(node)
    match node:
        case ast.Attribute(value=value, attr="T"):
            yield "a transpose dropped", value
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield "operands swapped", ast.BinOp(right, ast.MatMult(), left)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield "a factor dropped", left
            yield "a factor dropped", right
        case ast.BinOp(left=left, op=ast.Div(), right=ast.Name(id="n") | ast.Call(func=ast.Name(id="len"))):
            yield "a sum for a mean", left
        case ast.BinOp(left=left, op=ast.Div()):
            yield "a factor dropped", left
        case ast.keyword(arg="axis", value=ast.Constant(value=0 | 1 as axis)):
            yield "the other axis", ast.keyword("axis", ast.Constant(1 - axis))
        case ast.Call(func=ast.Attribute(value=value, attr="sum" | "mean" as name), args=args, keywords=keywords):
            other = ast.Attribute(value, "mean" if name == "sum" else "sum", ast.Load())
            yield "a sum for a mean", ast.Call(other, args, keywords)
            yield "a sum dropped", args[0] if isinstance(value, ast.Name) and value.id == "np" else value


def _of_terms(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            minus = isinstance(op, ast.Sub)
            yield "a term dropped", left
            yield "a term dropped", ast.UnaryOp(ast.USub(), right) if minus else right
            yield "the sign of a term", ast.BinOp(left, ast.Add() if minus else ast.Sub(), right)
            yield "a term doubled", ast.BinOp(left, op, ast.BinOp(ast.Constant(2), ast.Mult(), right))
            yield "a term doubled", ast.BinOp(ast.BinOp(ast.Constant(2), ast.Mult(), left), op, right)
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
            yield "the sign of a term", operand
        case ast.AugAssign(target=target, op=ast.Add() | ast.Sub() as op, value=value):
            stored = copy.copy(target)
            yield "= for +=", ast.Assign([stored], value, lineno=node.lineno)
            yield "+= dropped", ast.Pass()
            turned = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
            yield "the sign of a term", ast.AugAssign(target, turned, value)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that compute something: indices of arrays are left as they are."""
    waiting = [tree]
    while waiting:
        node = waiting.pop(0)
        yield node
        waiting += [node.value] if isinstance(node, ast.Subscript) else list(ast.iter_child_nodes(node))


class _Put(ast.NodeTransformer):
    """One node put in the place of another one."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return copy.deepcopy(self.new) if node is self.old else self.generic_visit(node)


def sources(backward: Callable) -> Iterator[tuple[str, str]]:
    """The kind of mistake, and the source with one."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(backward)))
    for place, node in enumerate(_nodes(tree)):
        for kind, new in changes(node):
            changed = copy.deepcopy(tree)
            old = next(itertools.islice(_nodes(changed), place, None))
            yield kind, ast.unparse(ast.fix_missing_locations(_Put(old, new).visit(changed)))


def made(backward: Callable, source: str, known: bool) -> Callable:
    """The function of a source, which Python knows, or not."""
    file = f"<{backward.__name__} {hash(source)}>"
    scope = dict(vars(spellings))
    if known:
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    exec(compile(source, file, "exec"), scope)
    return scope[backward.__name__]


def tried(layer: spellings.Layer, known: bool) -> Iterator[Outcome]:
    """Every mistake in the first spelling of a layer that changes a value or cannot run, checked.

    It is named where a cause is given, and no other one than those that are right.
    """
    backward = layer.backwards[0]
    F = derivable(with_cache(layer.forward, backward).forward, **layer.shapes)
    for kind, source in sources(backward):
        pair = with_cache(layer.forward, made(backward, source, known))
        start = time.process_time()
        report = tj.check_vjp(F, pair.backward, domain=layer.domain, sizes=layer.sizes)
        seconds = time.process_time() - start
        if report.verdict == "right" and _same(layer, backward, pair.backward.run_backward):
            continue
        causes = {str(f.cause) for f in report.findings if f.verdict == "wrong" and f.cause is not None}
        named = bool(causes) and causes <= CAUSES[kind] | {"in-place"}
        refused, said = report.verdict == "wrong", tuple(sorted(causes) or ["None"])
        yield Outcome(f"{layer} by source", kind, refused, named, said, seconds)


def _same(layer: spellings.Layer, backward: Callable, other: Callable) -> bool:
    """Whether two backward passes give the same values, asked without the library."""
    rng = np.random.default_rng(0)
    numbers = {"n": 5, "b": 4, "d": 3, "m": 6, "s": 7, "t": 2, "e": 8, "v": 9, "c": 2, "f": 3, "h": 2, "w": 3}
    args = [_drawn(layer, name, shape, numbers, rng) for name, shape in layer.shapes.items()]
    *outputs, cache = layer.forward(*args)
    cotangents = [rng.normal(size=np.shape(output)) for output in outputs]
    pairs = [backward(*map(np.array, cotangents), cache), other(*map(np.array, cotangents), cache)]
    left, right = (value if isinstance(value, tuple) else (value,) for value in pairs)
    return all(one is two or np.allclose(one, two, rtol=1e-9, atol=1e-12) for one, two in zip(left, right, strict=True))


def _drawn(layer, name, shape, numbers, rng):
    size = [eval(text, {}, numbers) for text in shape.split()]
    domain = layer.domain.get(name, "")
    if domain.startswith("index"):
        return rng.integers(0, numbers[domain.split()[1]], size)
    return rng.integers(0, 2, size).astype(float) if domain == "mask" else rng.normal(size=size)
