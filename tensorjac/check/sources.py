"""The source of a person's functions as trees, and functions made of changed trees; their own stay as they are."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FunctionType, MethodType
from typing import Any

DEPTH = 2
"""How many calls deep a person's own functions are changed."""

Make = Callable[[ast.Module], Callable[..., Any] | None]


def sources(fun: Callable[..., Any]) -> Iterator[tuple[Make, ast.Module, tuple[str, ...], int]]:
    """The functions that a claim consists of, outermost first: how to rebuild it, the tree, its names, its line."""
    inner = getattr(fun, "run_backward", None)
    if inner is not None and not isinstance(fun, FunctionType):
        for make, tree, names, line in sources(inner):
            yield _within(fun, make), tree, names, line
        return
    if isinstance(fun, MethodType):
        for make, tree, names, line in sources(fun.__func__):
            yield _bound(fun, make), tree, names, line
        return
    if not isinstance(fun, FunctionType):
        return
    for function in _own_functions(fun):
        parsed = _parsed(function)
        if parsed is not None:
            tree, line = parsed
            yield _maker(fun, function), tree, _locals_of(function), line


def _within(fun: Any, make: Make) -> Make:
    def wrapped(tree: ast.Module) -> Callable[..., Any] | None:
        made = make(tree)
        return None if made is None else replace(fun, run_backward=made)

    return wrapped


def _bound(fun: MethodType, make: Make) -> Make:
    def bound(tree: ast.Module) -> Callable[..., Any] | None:
        made = make(tree)
        return None if made is None else MethodType(made, fun.__self__)

    return bound


def _own_functions(fun: FunctionType) -> Iterator[FunctionType]:
    """The function, and those of the same file that it calls by name."""
    seen: list[FunctionType] = [fun]
    level = [fun]
    for _ in range(DEPTH):
        found = []
        for one in level:
            for name in one.__code__.co_names:
                other = one.__globals__.get(name)
                if isinstance(other, FunctionType) and other.__code__.co_filename == fun.__code__.co_filename:
                    found += [other] if other not in seen else []
                    seen += found[-1:] if found and found[-1] not in seen else []
        level = found
    yield from seen


def _parsed(fun: FunctionType) -> tuple[ast.Module, int] | None:
    """The source of a function as a module with one definition, and its line less one."""
    try:
        lines, line = inspect.getsourcelines(fun)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return None
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == fun.__name__]
    if len(found) == 1 and not any(isinstance(n, ast.While | ast.Import | ast.With) for n in ast.walk(found[0])):
        found[0].decorator_list = []
        return ast.Module([found[0]], []), line - 1
    lambdas = [n for n in ast.walk(tree) if isinstance(n, ast.Lambda)]
    if fun.__name__ == "<lambda>" and len(lambdas) == 1:
        return ast.Module([ast.Expr(lambdas[0])], []), line - 1
    return None


def _locals_of(fun: FunctionType) -> tuple[str, ...]:
    return tuple(name for name in (*fun.__code__.co_varnames, *fun.__code__.co_freevars) if not name.startswith("_"))


def _maker(outer: FunctionType, inner: FunctionType) -> Make:
    def make(tree: ast.Module) -> Callable[..., Any] | None:
        scope = {"__builtins__": builtins, **inner.__globals__, **_closure(inner)}
        body = tree.body[0]
        try:
            if isinstance(body, ast.Expr):
                made = eval(compile(ast.Expression(body.value), "<changed>", "eval"), scope)
            else:
                exec(compile(tree, "<changed>", "exec"), scope)
                made = scope[inner.__name__]
        except Exception:  # a change may be no program at all
            return None
        made.__defaults__, made.__kwdefaults__ = inner.__defaults__, inner.__kwdefaults__
        if inner is outer:
            return made  # type: ignore[no-any-return]
        around = {**outer.__globals__, inner.__name__: made}
        return FunctionType(outer.__code__, around, outer.__name__, outer.__defaults__, outer.__closure__)

    return make


def _closure(fun: FunctionType) -> dict[str, Any]:
    cells = zip(fun.__code__.co_freevars, fun.__closure__ or (), strict=True)
    found = {}
    for name, cell in cells:
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found
