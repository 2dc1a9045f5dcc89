"""Mistakes planted automatically in right gradients: in their values, in their calls, and in their texts.

What is planted does not know the checker. A problem is a function with a right gradient as a callable, and perhaps as
NumPy text; a mistake is a way to spoil one of the two, with the causes that name it rightly. More than one cause is
accepted where they are the same statement about that function: a term that is dropped is a use that is missing.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

import tensorjac as tj
from identities import IDENTITIES
from oracles import distinct_sizes, random_inputs


@dataclass(frozen=True, eq=False)
class Problem:
    """A function, one of its inputs, and the right gradient by it."""

    name: str
    fun: Callable
    shapes: Mapping[str, str]
    wrt: str
    right: Callable  # of the inputs by name, and of G where the output is no scalar
    text: str = ""
    domain: Mapping[str, str] = field(default_factory=dict)
    scalar: bool = False
    square: bool = False  # whether output and input have the same shape

    def __str__(self):
        return self.name


@dataclass(frozen=True, eq=False)
class Planted:
    """A wrong gradient, and the causes that name it rightly."""

    mistake: str
    causes: frozenset[str]
    claim: Callable | str


def problems() -> Iterator[Problem]:
    """One for each identity whose gradient has a closed form."""
    for row in IDENTITIES:
        if row.closed is None:
            continue
        domain = {row.wrt: row.domain} if isinstance(row.domain, str) else dict(row.domain)
        text = next((t for t in row.gradient if "] = " not in t), "")
        domain = {name: what for name, what in domain.items() if what != "any"}
        F = tj.trace(row.fun, **row.shapes)
        shapes = {name: row.shapes[name] for name in F.inputs}
        scalar = not F.outputs["Y"]
        square = not scalar and _is_square(row)
        yield Problem(str(row), row.fun, shapes, row.wrt, row.closed, text, domain, scalar, square)


def _is_square(row) -> bool:
    sizes = distinct_sizes(row.shapes, row.sizes)
    args = random_inputs(row.shapes, sizes, np.random.default_rng(0), row.domain)
    return np.shape(row.fun(**args)) == args[row.wrt].shape


# Mistakes in values -----------------------------------------------------------------------------------------------


def scaled(number):
    return lambda value, args: number * value


def by_size(power):
    """Divided or multiplied by the size of the first axis of the first input that has one."""

    def change(value, args):
        first = next(array for array in args.values() if array.ndim)
        return value * float(first.shape[0]) ** power

    return change


def square(change):
    """A change that needs a square matrix."""
    return lambda value, args: change(value) if value.ndim >= 2 and value.shape[-1] == value.shape[-2] else None


def along_last(change):
    return lambda value, args: change(value) if value.ndim and value.shape[-1] > 2 else None


VALUES = {
    "sign": ({"sign"}, scaled(-1.0)),
    "twice": ({"factor-two"}, scaled(2.0)),
    "half": ({"factor-two"}, scaled(0.5)),
    "averaged": ({"size-factor"}, by_size(-1)),
    "average forgotten": ({"size-factor"}, by_size(1)),
    "transposed": (
        {"transposed", "jacobian-transposed", "product-order"},
        lambda value, args: value.T if value.ndim > 1 else None,
    ),
    "transposed and averaged": (
        {"transposed", "jacobian-transposed", "product-order", "size-factor"},
        lambda value, args: value.T / len(next(a for a in args.values() if a.ndim)) if value.ndim > 1 else None,
    ),
    "summed over an axis": ({"over-summed"}, lambda value, args: value.sum(axis=-1) if value.ndim else None),
    "averaged over an axis": ({"over-summed"}, lambda value, args: value.mean(axis=0) if value.ndim else None),
    "flattened": ({"shape"}, lambda value, args: value.ravel() if value.ndim > 1 else None),
    "symmetric part": ({"symmetric-convention"}, square(lambda value: (value + value.mT) / 2)),
    "lower triangle": ({"symmetric-convention"}, square(np.tril)),
    "T + T' - diag T": (
        {"symmetric-convention"},
        square(lambda value: value + value.mT - value * np.eye(value.shape[-1])),
    ),
    "one step late": ({"time-shift"}, along_last(lambda value: np.roll(value, 1, axis=-1))),
    "reversed": ({"time-shift"}, along_last(lambda value: value[..., ::-1])),
    "clipped": ({"clipped", "inner-scale"}, lambda value, args: value / max(np.linalg.norm(value), 1e-300)),
    "zero": ({"zero"}, lambda value, args: 0 * value),
    "border lost": ({"padding"}, along_last(lambda value: value[..., 1:-1])),
    "first entry lost": (
        {"padding", "mask"},
        along_last(lambda value: np.where(np.arange(value.shape[-1]) == 0, 0, value)),
    ),
    "every other entry": (
        {"pooling", "mask"},
        along_last(lambda value: np.where(np.arange(value.shape[-1]) % 2, 0, value)),
    ),
    "with a penalty": ({"penalty"}, None),
    "another input's": ({"copied"}, None),
}


def in_values(problem: Problem, rights: Mapping[str, Callable]) -> Iterator[Planted]:
    """The right gradient with its value changed; ``rights`` are those by the other inputs."""
    for name, (causes, change) in VALUES.items():
        if change is not None:
            yield Planted(name, frozenset(causes), _changed(problem, change))
    yield Planted(
        "with a penalty",
        frozenset({"penalty"}),
        _changed(problem, lambda value, args: value + 0.01 * args[problem.wrt]),
    )
    for other, right in rights.items():
        if other != problem.wrt:
            yield Planted("another input's", frozenset({"copied"}), lambda right=right, **args: right(**args))


def _changed(problem: Problem, change: Callable) -> Callable:
    def claim(**args):
        value = change(np.asarray(problem.right(**args)), args)
        return np.full((), np.nan) if value is None else value

    return claim


# Mistakes in calls ------------------------------------------------------------------------------------------------


def in_calls(problem: Problem) -> Iterator[Planted]:
    """The right gradient called otherwise: with ones for the cotangent, changing an argument, not repeating."""
    right = problem.right

    def changing(**args):
        value = np.array(right(**args))
        next(array for array in args.values() if array.ndim)[...] += 1
        return value

    def drifting(**args):
        drifting.calls += 1
        return right(**args) * (1 + drifting.calls)

    drifting.calls = 0
    yield Planted("changes an argument", frozenset({"in-place"}), changing)
    yield Planted("does not repeat", frozenset({"not-repeatable"}), drifting)
    if not problem.scalar:
        upstream = frozenset({"upstream"})
        yield Planted("ignores G", upstream, lambda G, **args: right(**args, G=np.ones_like(G)))
        yield Planted("adds G", upstream, lambda G, **args: right(**args, G=G + 1))
        yield Planted("squares G", upstream, lambda G, **args: right(**args, G=G * G))


def in_jacobian(problem: Problem) -> Iterator[Planted]:
    """Only the diagonal of the Jacobian, or its transpose, where output and input have one shape."""
    if problem.scalar or not problem.square:
        return
    right = problem.right

    def rows(G, args):
        hot = np.zeros_like(G)
        for at in np.ndindex(G.shape):
            hot[...] = 0
            hot[at] = 1
            yield at, np.array(right(**args, G=hot))

    def diagonal(G, **args):
        out = np.zeros(args[problem.wrt].shape)
        for at, row in rows(G, args):
            out[at] = G[at] * row[at]
        return out if out.shape == G.shape else np.full((), np.nan)

    def transpose(G, **args):
        out = np.zeros(args[problem.wrt].shape)
        for at, row in rows(G, args):
            out[at] = np.sum(row * G) if row.shape == G.shape else np.nan
        return out

    yield Planted("diagonal of the Jacobian", frozenset({"elementwise-jacobian", "activation"}), diagonal)
    yield Planted("Jacobian transposed", frozenset({"jacobian-transposed", "transposed", "product-order"}), transpose)


# Mistakes in texts ------------------------------------------------------------------------------------------------

TERM = {"missing-term", "shared-weight", "normalisation-path", "softmax-projection", "second-order-path"}
ORDER = {"product-order", "jacobian-transposed", "transposed", "shared-weight"}


class _Changes(ast.NodeTransformer):
    """One change at the n-th node that it applies to."""

    def __init__(self, kind: str, at: int) -> None:
        self.kind, self.at, self.seen, self.done = kind, at, 0, False

    def visit(self, node: ast.AST) -> ast.AST:
        new = _change(self.kind, node)
        if new is not None:
            self.seen += 1
            if self.seen - 1 == self.at:
                self.done = True
                return new
        return self.generic_visit(node)


def _change(kind: str, node: ast.AST) -> ast.AST | None:
    match kind, node:
        case "drop .T", ast.Attribute(value=value, attr="T"):
            return value
        case "swap @", ast.BinOp(left=left, op=ast.MatMult(), right=right):
            return ast.BinOp(right, ast.MatMult(), left)
        case "axis", ast.keyword(arg="axis", value=ast.Constant(value=value)):
            return ast.keyword("axis", ast.Constant(1 - value))
        case "drop sum", ast.Call(func=ast.Attribute(attr="sum"), args=[argument, *_]):
            return argument
    return None


def _top(node: ast.expr) -> ast.expr:
    """The expression whose terms are those of the gradient: scalings around it are passed."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Mult | ast.MatMult):
        sides = [side for side in (node.left, node.right) if isinstance(side, ast.BinOp)]
        inner = next((s for s in sides if isinstance(s.op, ast.Add | ast.Sub) and "G" in ast.unparse(s)), None)
        if inner is None:
            inner = next((s for s in sides if isinstance(s.op, ast.Div | ast.Mult | ast.MatMult)), None)
        if inner is None:
            break
        node = inner
    return node


def _term_changes(text: str) -> Iterator[tuple[str, set[str], str]]:
    """Each term of the outermost sum left out, doubled, or with its sign turned."""
    tree = ast.parse(text, mode="eval")
    top = _top(tree.body)
    if not isinstance(top, ast.BinOp) or not isinstance(top.op, ast.Add | ast.Sub):
        return
    if "G" not in text and "G" not in ast.unparse(top) and top is not tree.body:
        return  # a sum of the forward function
    left, right = ast.unparse(top.left), ast.unparse(top.right)
    sign = "+" if isinstance(top.op, ast.Add) else "-"
    turned = "-" if sign == "+" else "+"
    minus = "" if sign == "+" else "-"
    whole = ast.unparse(tree)
    own = ast.unparse(top)
    if whole.count(own) != 1:
        return
    for kind, causes, new in (
        ("last term dropped", TERM, left),
        ("first term dropped", TERM, f"{minus}({right})"),
        ("sign of a term", {"term-sign", "shared-weight"}, f"{left} {turned} {right}"),
        ("last term doubled", {"doubled-term", "shared-weight"}, f"{left} {sign} 2 * ({right})"),
        ("first term doubled", {"doubled-term", "shared-weight"}, f"2 * ({left}) {sign} {right}"),
    ):
        yield kind, causes, whole.replace(own, new)


def in_text(problem: Problem) -> Iterator[Planted]:
    """The text with one transpose, operand order, axis or sum changed, or with one term changed."""
    if not problem.text:
        return
    for kind, causes, text in _term_changes(problem.text):
        yield Planted(kind, frozenset(causes), text)
    for kind, causes in {
        "drop .T": ORDER,
        "swap @": ORDER | {"shape"},
        "axis": {"wrong-axis", "shape", "size-factor"},
    }.items():
        if kind == "axis" and "G" not in problem.text:
            continue
        for at in itertools.count():
            change = _Changes(kind, at)
            tree = change.visit(ast.parse(problem.text, mode="eval"))
            if not change.done:
                break
            yield Planted(kind, frozenset(causes), ast.unparse(tree))


def planted(problem: Problem, rights: Mapping[str, Callable]) -> Iterator[Planted]:
    """Every mistake that applies to the problem."""
    yield from in_values(problem, rights)
    yield from in_calls(problem)
    yield from in_jacobian(problem)
    yield from in_text(problem)


# Trying them ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What the checker said about one planted mistake."""

    problem: str
    mistake: str
    refused: bool
    named: bool
    causes: tuple[str, ...]
    seconds: float = 0.0  # of CPU time


def siblings(problem: Problem, among: Iterable[Problem]) -> dict[str, Callable]:
    """The right gradients of the same function by its other inputs."""
    own = problem.name.rpartition(" by ")[0]
    return {
        other.wrt: other.right
        for other in among
        if other.name.rpartition(" by ")[0] == own and list(other.shapes) == list(problem.shapes)
    }


def tried(problem: Problem, among: Iterable[Problem] | None = None) -> Iterator[Outcome]:
    """Every mistake that changes the value, checked; other inputs' gradients come from ``among``, or the identities."""
    F = tj.trace(problem.fun, **problem.shapes)
    check = tj.check_grad if problem.scalar else tj.check_vjp
    args = _point(problem)
    right = np.asarray(problem.right(**args))
    for one in planted(problem, siblings(problem, problems() if among is None else among)):
        if _changes_nothing(one, args, right):
            continue
        claim = one.claim if isinstance(one.claim, str) else _positional(problem, one.claim)
        report = check(F, {problem.wrt: claim}, domain=problem.domain)
        causes = tuple(str(finding.cause) for finding in report.findings)
        named = not one.causes.isdisjoint(causes)
        yield Outcome(problem.name, one.mistake, report.verdict == "wrong", named, causes)


def _point(problem: Problem) -> dict[str, np.ndarray]:
    # large enough for a shift, or a lost border, to change something along every axis
    sizes = {name: size + 2 for name, size in distinct_sizes(problem.shapes).items()}
    args = random_inputs(problem.shapes, sizes, np.random.default_rng(0), dict(problem.domain) or None)
    if not problem.scalar:
        args["G"] = np.random.default_rng(1).normal(size=np.shape(problem.fun(**args)))
    return args


def _positional(problem: Problem, claim: Callable) -> Callable:
    names = [*problem.shapes, *([] if problem.scalar else ["G"])]
    return lambda *given: claim(**dict(zip(names, given, strict=True)))


def _changes_nothing(one: Planted, args: Mapping[str, np.ndarray], right: np.ndarray) -> bool:
    """Whether a planted mistake does not apply, or gives the right values all the same."""
    if {"in-place", "not-repeatable"} & one.causes:
        return False
    copies = {name: array.copy() for name, array in args.items()}
    try:
        if isinstance(one.claim, str):
            value = np.asarray(eval(one.claim, {"np": np}, copies))
        else:
            value = np.asarray(one.claim(**copies))
    except ValueError:  # sizes that do not fit each other
        return False
    if value.shape == () and np.isnan(value):
        return True
    if value.shape != right.shape:
        return not np.any(np.abs(value) > 1e-9)
    return bool(np.allclose(value, right, rtol=1e-7, atol=1e-9))


# Right forms ------------------------------------------------------------------------------------------------------


def right_forms(row) -> Iterator[Callable | str]:
    """The right gradient of an identity: every text of the table, the closed form, and that in float32."""
    yield from row.gradient
    if row.closed is not None:
        F = tj.trace(row.fun, **row.shapes)
        names = [*F.inputs, *(["G"] if F.outputs["Y"] else [])]

        def claim(*args):
            return row.closed(**dict(zip(names, args, strict=True)))

        yield claim
        yield lambda *args: np.asarray(claim(*(np.asarray(a, dtype=np.float32) for a in args)), dtype=np.float32)


def checked(row, claim):
    """The report about a claim about the row's gradient."""
    F = tj.trace(row.fun, **row.shapes)
    domain = {row.wrt: row.domain} if isinstance(row.domain, str) else dict(row.domain)
    check = tj.check_vjp if F.outputs["Y"] else tj.check_grad
    return check(F, {row.wrt: claim}, domain={name: what for name, what in domain.items() if what != "any"})
