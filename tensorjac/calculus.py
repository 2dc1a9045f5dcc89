"""The product rule and the chain rule: one pass backward, one pass forward, and nothing else to differentiate with.

A Jacobian is a backward pass whose cotangent is a product of δ, a Hessian the Jacobian of a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from . import rewrites
from .dims import Dim
from .notation.indextext import parse_index
from .notation.lowering import lower
from .notation.syntax import Node
from .primitives import PRIMITIVES, Primitive
from .rewrites import add, contract, multiply
from .terms import (
    DELTA,
    ONE,
    Apply,
    Contraction,
    Factor,
    Index,
    Input,
    Shared,
    Slot,
    Sum,
    Tensor,
    combine,
    constant,
    delta,
    name_bits,
    number,
    of_factor,
    product,
    topological,
    zero_of,
)

Adjoints = dict[Tensor, list[Sum]]


# Derivative rules ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Named:
    """What a name in a rule stands for: a shape, and how to read it at slots."""

    shape: tuple[Dim, ...]
    reader: Callable[[Sequence[Slot]], Sum]

    def read(self, slots: Sequence[Slot]) -> Sum:
        return self.reader(slots)


@dataclass(frozen=True)
class _Rule:
    """A parsed derivative rule: the letters of the result's axes, of the argument's axes, and the right side."""

    out: tuple[str, ...]
    arg: tuple[str, ...]
    right: Node
    text: str


@lru_cache(maxsize=1024)
def _rule(primitive: Primitive, arg: int, axes: int) -> _Rule:
    text = primitive.rules[arg]
    if primitive.elementwise:
        text = f"Y[] = {text}"
    elif primitive.reduces and axes > 1:
        text = _widened(text, axes)
    (equation,) = parse_index(text, tuple(PRIMITIVES)).equations
    out = tuple(bound.letter for axis in equation.target.axes for bound in axis.letters)
    into = tuple(bound.letter for wrt in equation.wrt for axis in wrt.axes for bound in axis.letters)
    return _Rule(out, into, equation.right, text)


def _widened(text: str, axes: int) -> str:
    """The rule of a reduction over one axis, written for several: each letter becomes as many letters."""
    more = {"j": "jabcdefg"[:axes], "k": "kpqrstuv"[:axes]}
    ties = " ".join(f"δ[{j}{k}]" for j, k in zip(more["j"], more["k"], strict=True))
    text = text.replace("δ[jk]", ties.upper())
    text = text.replace("[j]", f"[{more['j']}]").replace("[k]", f"[{more['k']}]").replace("_j", f"_{more['j']}")
    return text.replace(ties.upper(), ties)


def _lower_triangle(slots: Sequence[Slot]) -> Sum:
    """1 where the row is not before the column: the difference of the two is some p ≥ 0."""
    row, column = slots
    assert isinstance(row, Index)
    gap = Index.fresh(row.dim)
    minus = Dim.of(-1)
    return contract(of_factor(zero_of(combine(((ONE, row), (minus, column), (minus, gap))))), [gap])


def local_derivative(
    tensor: Apply, arg: int, batch: Sequence[Slot], out: Sequence[Index], into: Sequence[Index]
) -> Sum:
    """∂tensor/∂argument at batch slots, over the indices ``out`` of its own axes and ``into`` of the argument's."""
    primitive = tensor.operation
    assert isinstance(primitive, Primitive)
    rule = _rule(primitive, arg, len(into))
    args = tensor.arguments(batch)
    names: dict[str, _Named] = {}
    for k, body in enumerate(args):
        core = tensor.cores_at(batch)[k]

        def read(slots: Sequence[Slot], body: Sum = body, core: tuple[Index, ...] = core) -> Sum:
            return rewrites.substitute(body, dict(zip(core, slots, strict=True)))

        name = "X" if len(args) == 1 else f"X{k + 1}"
        names[name] = _Named(tuple(index.dim for index in core), read)
    names["Y"] = _Named(tensor.shape[tensor.batch :], lambda slots: rewrites.read(tensor(*batch, *slots)))
    if "tril" in rule.text:
        names["tril"] = _Named(tensor.shape[tensor.batch :], _lower_triangle)
    letters = dict(zip((*rule.out, *rule.arg), (*out, *into), strict=True))
    return lower(rule.right, letters, names, PRIMITIVES, rewrites, rule.text)


# Backward --------------------------------------------------------------------------------------------------------


def _without(term_factors: tuple[Factor, ...], factor: Factor) -> list[Factor]:
    return [other for other in term_factors if other is not factor]


def _push(body: Sum, labels: Iterable[Index], cotangent: Sum, needed: frozenset[Tensor], adjoints: Adjoints) -> None:
    """The product rule: what a cotangent of ``body`` (over ``labels``) is worth at each factor of its terms."""
    for term in body.terms:
        for factor in term.factors:
            tensor, slots, exponent = factor
            if tensor is DELTA or tensor not in needed:
                continue
            rest = product(number(term.coefficient * exponent), _without(term.factors, factor))
            inner = Factor(tensor, slots, number(exponent - 1))
            ties = [delta(axis, slot) for axis, slot in zip(tensor.axes, slots, strict=True)]
            rest = product(rest.coefficient, [*rest.factors, *([inner] if inner.power != 0 else []), *ties])
            share = contract(multiply(cotangent, Sum((rest,))), [*labels, *term.summed])
            if share.terms:
                adjoints.setdefault(tensor, []).append(share)


def _dependents(roots: Iterable[Tensor], names: frozenset[str]) -> list[Tensor]:
    """The tensors below ``roots`` that depend on one of the named inputs, each after its parts."""
    wanted = name_bits(names)
    return [tensor for tensor in topological(roots) if tensor.needs & wanted]


def pullback(outputs: Sequence[tuple[Sequence[Index], Sum, Sum]], wrt: Sequence[Input]) -> dict[Input, Sum]:
    """The cotangents of the inputs ``wrt``, from outputs given as (axes, expression, cotangent over the axes).

    Each result is an expression over the input's own axes. Cotangents may carry indices of their own besides.
    """
    order = _dependents((t for _, body, _ in outputs for t in body.tensors), frozenset(i.name for i in wrt))
    needed = frozenset(order)
    adjoints: Adjoints = {}
    for axes, body, cotangent in outputs:
        fresh = {axis: Index.fresh(axis.dim) for axis in axes}
        mapping: dict[Index, Slot] = dict(fresh)
        _push(body.substitute(mapping), fresh.values(), cotangent.substitute(mapping), needed, adjoints)
    for tensor in reversed(order):
        if isinstance(tensor, Input):
            continue
        shares = adjoints.pop(tensor, None)
        if shares is None:
            continue
        fresh_axes = [Index.fresh(dim) for dim in tensor.shape]
        cotangent = rewrites.compact(add(*shares)).substitute(dict(zip(tensor.axes, fresh_axes, strict=True)))
        if not cotangent.terms:
            continue
        if isinstance(tensor, Contraction):
            term = tensor.term(fresh_axes)
            _push(Sum((term,)), fresh_axes, cotangent, needed, adjoints)
        elif isinstance(tensor, Shared):
            _push(tensor.expression(fresh_axes), fresh_axes, cotangent, needed, adjoints)
        elif isinstance(tensor, Apply):
            _push_arguments(tensor, fresh_axes, cotangent, needed, adjoints)
    return {tensor: add(*adjoints.get(tensor, [])) for tensor in wrt}


def _push_arguments(
    tensor: Apply, axes: Sequence[Index], cotangent: Sum, needed: frozenset[Tensor], adjoints: Adjoints
) -> None:
    batch, out = axes[: tensor.batch], axes[tensor.batch :]
    for k, body in enumerate(tensor.arguments(batch)):
        if needed.isdisjoint(body.tensors):
            continue
        into = [Index.fresh(index.dim) for index in tensor.cores[k]]
        slope = local_derivative(tensor, k, batch, out, into)
        inner = _along(slope, cotangent, out)
        at_core = body.substitute(dict(zip(tensor.cores[k], into, strict=True)))
        if inner.terms:
            _push(at_core, [*batch, *into], inner, needed, adjoints)


def _along(slope: Sum, change: Sum, labels: Sequence[Index]) -> Sum:
    """A slope contracted with a change; term by term where it is that of a matrix, so that it is never an array."""
    if len(labels) < 2:
        return contract(multiply(slope, change), labels)
    return add(*(contract(multiply(Sum((term,)), change), labels) for term in slope.terms))


# Forward ---------------------------------------------------------------------------------------------------------


def _differential(body: Sum, tangents: Mapping[Tensor, Sum]) -> Sum:
    """The product rule, forward: the change of ``body`` when each tensor in it changes by its tangent."""
    changes: list[Sum] = []
    for term in body.terms:
        mine: list[Sum] = []
        for factor in term.factors:
            tensor, slots, exponent = factor
            tangent = tangents.get(tensor)
            if tangent is None or not tangent.terms:
                continue
            rest = product(number(term.coefficient * exponent), _without(term.factors, factor))
            inner = [Factor(tensor, slots, number(exponent - 1))] if exponent != 1 else []
            moved = rewrites.substitute(tangent, dict(zip(tensor.axes, slots, strict=True)))
            mine.append(multiply(Sum((product(rest.coefficient, [*rest.factors, *inner]),)), moved))
        changes.extend(_summed_up(mine, term.summed))
    return add(*changes)


def _summed_up(changes: Sequence[Sum], labels: Sequence[Index]) -> list[Sum]:
    """Changes of one product, each summed over ``labels``; those that merge are added first."""
    total = add(*changes)
    if not labels or len(total.terms) >= sum(len(change.terms) for change in changes):
        return [contract(change, labels) for change in changes]
    left = set(total.terms)
    apart = [change for change in changes if left.issuperset(change.terms)]
    kept = {term for change in apart for term in change.terms}
    merged = Sum(term for term in total.terms if term not in kept)
    return [contract(change, labels) for change in (merged, *apart)]


def pushforward(outputs: Sequence[Sum], tangents: Mapping[Input, Sum]) -> list[Sum]:
    """The tangents of expressions, from those of inputs (over each input's own axes)."""
    known: dict[Tensor, Sum] = dict(tangents.items())
    names = frozenset(tensor.name for tensor in tangents)
    for tensor in _dependents((t for body in outputs for t in body.tensors), names):
        if tensor not in known:
            known[tensor] = rewrites.compact(_tangent(tensor, known))
    return [_differential(body, known) for body in outputs]


def _tangent(tensor: Tensor, known: Mapping[Tensor, Sum]) -> Sum:
    axes = tensor.axes
    if isinstance(tensor, Contraction):
        return _differential(Sum((tensor.term(axes),)), known)
    if isinstance(tensor, Shared):
        return _differential(tensor.body, known)
    assert isinstance(tensor, Apply)
    fresh = [Index.fresh(dim) for dim in tensor.shape]
    batch, out = fresh[: tensor.batch], fresh[tensor.batch :]
    changes: list[Sum] = []
    for k, body in enumerate(tensor.arguments(batch)):
        into = [Index.fresh(index.dim) for index in tensor.cores[k]]
        change = _differential(body.substitute(dict(zip(tensor.cores[k], into, strict=True))), known)
        if change.terms:
            slope = local_derivative(tensor, k, batch, out, into)
            changes.append(_along(slope, change, into))
    return add(*changes).substitute(dict(zip(fresh, axes, strict=True)))


def identity(rows: Sequence[Slot], columns: Sequence[Slot]) -> Sum:
    """The product of δ that ties each row index to its column index."""
    ties = [delta(row, column) for row, column in zip(rows, columns, strict=True)]
    return Sum((product(1, ties),)) if ties else constant(1)
