"""Expressions to index notation: ``Y[ij] = E[ij] / z[i] where E[ij] = exp(X[ij]), z[i] = Σ_k E[ik]``.

An expression becomes nodes, and those text. What is used in several places gets a name behind ``where``.
Sizes are then worked out in the way of one who reads the text; those that this does not find are written out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ...dims import Dim
from ...terms import (
    DELTA,
    ONE,
    ZERO,
    Apply,
    Index,
    Input,
    Slot,
    Sum,
    Tensor,
    Term,
    combine,
    delta,
    of_factor,
    product,
    slot_parts,
    topological,
)
from ..lowering.extents import SizeReader
from ..lowering.named import Function, Named
from ..syntax import Axis, Equation, Target
from .naming import Names
from .places import Frame, Scope
from .products import Products, Wanted
from .writing import write_equation

LONG = 110  # a text that is longer breaks its line before each definition

Expression = tuple[Sequence[Index], Sum]
Group = tuple[str, tuple[Index, ...]]


def text(
    outputs: Mapping[str, Expression],
    inputs: Mapping[str, Sequence[Dim]],
    names: Mapping[Tensor, str] | None = None,
) -> str:
    """The equations of outputs, in order; ``names`` are those of the constants.

    >>> from tensorjac.terms import Input
    >>> m, n = Dim.of("m"), Dim.of("n")
    >>> i, j, A, x = Index.fresh(m), Index.fresh(n), Input("A", (m, n)), Input("x", (n,))
    >>> print(text({"y": ((i,), Sum([product(1, [A(i, j), x(j)], (j,))]))}, {"A": (m, n), "x": (n,)}))
    y[i] = A[ij] x[j]
    """
    formulas = [Formula(((name, tuple(axes)),), body) for name, (axes, body) in outputs.items()]
    return Printer(formulas, inputs, names or {}).text()


def derivative(
    target: tuple[str, Sequence[Index]],
    wrt: Sequence[tuple[str, Sequence[Index]]],
    body: Sum,
    inputs: Mapping[str, Sequence[Dim]],
    names: Mapping[Tensor, str] | None = None,
) -> str:
    """The equation of a Jacobian, or of a Hessian where ``wrt`` has two entries."""
    formula = Formula(tuple((name, tuple(axes)) for name, axes in (target, *wrt)), body)
    return Printer([formula], inputs, names or {}).text()


@dataclass(frozen=True)
class Formula:
    """What one equation says: the names on its left side with their axes, and the expression.

    A definition has the letters of its first use, and leaves those of the left side there to their indices.
    """

    groups: tuple[Group, ...]
    body: Sum
    letters: tuple[str, ...] = ()
    avoid: frozenset[str] = frozenset()
    opening: Tensor | None = None
    shared: bool = False

    @property
    def axes(self) -> tuple[Index, ...]:
        return tuple(axis for _, axes in self.groups for axis in axes)


@dataclass(frozen=True)
class Written:
    """A named tensor as one knows it who reads the text."""

    name: str
    shape: tuple[Dim, ...]

    def read(self, slots: Sequence[Slot]) -> Sum:
        return of_factor(Input(self.name, self.shape)(*slots))


class Printer:
    """All equations of a text, and the definitions that they share."""

    def __init__(
        self,
        formulas: Sequence[Formula],
        inputs: Mapping[str, Sequence[Dim]],
        constants: Mapping[Tensor, str],
    ) -> None:
        self.formulas = [_owned(formula) for formula in formulas]
        tensors = topological(t for one in formulas for t in one.body.tensors)
        self.shapes: dict[str, Named] = {name: Written(name, tuple(shape)) for name, shape in inputs.items()}
        self.shapes.update((name, Written(name, tensor.shape)) for tensor, name in constants.items())
        self.functions: dict[str, Function] = {}
        for tensor in tensors:
            if isinstance(tensor, Apply):
                operation = tensor.operation
                self.functions[operation.name] = operation  # type: ignore[assignment]
        dims = [dim for named in self.shapes.values() for dim in named.shape]
        dims += [axis.dim for one in self.formulas for axis in one.axes]
        self.sizes = {name for dim in dims for name in dim.names}
        taken = {*self.shapes, *self.sizes, *(name for one in formulas for name, _ in one.groups)}
        self.names = Names([one.body for one in self.formulas], taken)
        self.products = Products(self.names, inputs, constants, self.sizes)

    def text(self) -> str:
        lines = [self.line(formula) for formula in self.formulas]
        definitions = []
        while self.products.wanted:
            definitions.append(self.line(self.definition(self.products.wanted.pop(0))))
        if not definitions:
            return "\n".join(lines)
        whole = f"{lines[-1]} where {', '.join(definitions)}"
        if len(whole) > LONG:
            whole = f"{lines[-1]}\n  where " + ",\n        ".join(definitions)
        return "\n".join([*lines[:-1], whole])

    def definition(self, wanted: Wanted) -> Formula:
        self.shapes[wanted.definition.name] = _written(wanted)
        groups = ((wanted.definition.name, wanted.axes),)
        return _owned(Formula(groups, wanted.body, wanted.letters, wanted.avoid, wanted.opening, True))

    # One equation.

    def line(self, formula: Formula) -> str:
        return write_equation(self.settled(formula)[0])

    def settled(self, formula: Formula) -> tuple[Equation, Frame]:
        """The equation, with the sizes that a reader could not find out, and the places of its letters."""
        shown: set[int] = set()
        while True:
            frame = Frame(frozenset(shown), self.products.avoid, formula.opening, formula.shared, formula.avoid)
            equation = self.equation(formula, frame)
            missing = self.missing(equation, frame)
            if missing is None:
                return equation, frame
            shown.add(missing)

    def equation(self, formula: Formula, frame: Frame) -> Equation:
        terms = [self.names.opened(term, formula.opening) for term in formula.body.terms]
        groups, terms = (_single if formula.shared else _merged)(formula, terms)
        scope: Scope = {}
        labels = [label for _, axes in groups for axis in axes for label in axis]
        for k, label in enumerate(labels):
            known = k < len(formula.letters)
            scope[label] = frame.place(label, formula.letters[k]) if known else frame.introduce(label, scope)
        frame.avoid |= frame.left.difference(place.letter for place in scope.values())
        if not formula.shared:
            frame.left = frozenset(place.letter for place in scope.values())
        targets = [
            Target(name, tuple(Axis(tuple(frame.bound(scope[label]) for label in axis)) for axis in axes))
            for name, axes in groups
        ]
        return Equation(targets[0], tuple(targets[1:]), self.products.top(terms, scope, frame))

    def missing(self, equation: Equation, frame: Frame) -> int | None:
        """The first letter whose size must be written out, if there is one."""
        hidden = [place for place in frame.places if place.number not in frame.shown]
        for place in hidden:
            if place.number in frame.short:
                return place.number
        for wanted in self.products.wanted:
            self.shapes[wanted.definition.name] = _written(wanted)
        reader = SizeReader("", self.sizes, self.shapes, self.functions)
        scope, terms = reader.sides(equation)
        reader.spread()
        for place in hidden:
            if place.node is None:
                letter = scope[place.letter]
            elif place.letter in reader.bound.get(id(place.node), ()):
                letter = reader.bound[id(place.node)][place.letter]
            else:
                letter = next(term.scope[place.letter] for term in terms if term.node is place.node)
            if letter.dim is not place.index.dim:
                return place.number
        return None


def _written(wanted: Wanted) -> Written:
    return Written(wanted.definition.name, tuple(axis.dim for axis in wanted.axes))


def _owned(formula: Formula) -> Formula:
    """The formula over fresh indices, numbered in the order of its axes."""
    fresh = {axis: Index.fresh(axis.dim) for axis in formula.axes}
    groups = tuple((name, tuple(fresh[axis] for axis in axes)) for name, axes in formula.groups)
    terms = []
    for term in formula.body.terms:
        hidden = {label: Index.fresh(label.dim) for label in term.summed}
        mapping: dict[Index, Slot] = {**fresh, **hidden}
        factors = [factor.substitute(mapping) for factor in term.factors]
        terms.append(product(term.coefficient, factors, tuple(hidden.values())))
    return Formula(groups, Sum(terms), formula.letters, formula.avoid, formula.opening, formula.shared)


# Merged axes

Axes = tuple[tuple[str, tuple[tuple[Index, ...], ...]], ...]


def _single(formula: Formula, terms: list[Term]) -> tuple[Axes, list[Term]]:
    """One letter per axis."""
    return tuple((name, tuple((axis,) for axis in axes)) for name, axes in formula.groups), terms


def _merged(formula: Formula, terms: list[Term]) -> tuple[Axes, list[Term]]:
    """An axis that all terms carry in one δ only, as digits, is written as those: ``Y[(ik)j]``.

    The axes of what a derivative is taken by stay whole.
    """
    groups: list[tuple[str, tuple[tuple[Index, ...], ...]]] = []
    whole = {axis for _, axes in formula.groups[1:] for axis in axes}
    for k, (name, axes) in enumerate(formula.groups):
        found: list[tuple[Index, ...]] = []
        for axis in axes:
            shown = whole.union(label for part in found for label in part)
            digits = [() if k else _digits(axis, term, shown) for term in terms]
            if not terms or any(not one or [i.dim for i in one] != [i.dim for i in digits[0]] for one in digits):
                found.append((axis,))
                continue
            own = tuple(Index.fresh(index.dim) for index in digits[0])
            terms = [_split(axis, term, one, own) for term, one in zip(terms, digits, strict=True)]
            found.append(own)
        groups.append((name, tuple(found)))
    return tuple(groups), terms


def _digits(axis: Index, term: Term, shown: Collection[Index]) -> tuple[Index, ...]:
    """The indices i, k of δ[axis = |k| i + k], where nothing else depends on the axis.

    They are summed, or letters of other axes, to which those of this one are then tied.
    """
    users = [factor for factor in term.factors if axis in factor.labels]
    if len(users) != 1 or users[0].tensor is not DELTA:
        return ()
    form = users[0].slots[0]
    weight = dict(slot_parts(form)[1])[axis]
    if weight.value not in (1, -1):
        return ()
    constant, parts = slot_parts(combine(((-weight, form), (ONE, axis))))
    if (
        constant is not ZERO
        or len(parts) < 2
        or any(index not in term.summed and index not in shown for index, _ in parts)
    ):
        return ()
    left = {c: index for index, c in parts}
    found: list[Index] = []
    radix = ONE
    while radix in left:
        found.insert(0, left.pop(radix))
        radix = radix * found[0].dim
    return tuple(found) if not left and radix is axis.dim and len(found) == len(parts) else ()


def _split(axis: Index, term: Term, digits: tuple[Index, ...], own: tuple[Index, ...]) -> Term:
    mapping: dict[Index, Slot] = {old: new for old, new in zip(digits, own, strict=True) if old in term.summed}
    ties = [delta(old, new) for old, new in zip(digits, own, strict=True) if old not in term.summed]
    factors = [factor.substitute(mapping) for factor in term.factors if axis not in factor.labels]
    return product(term.coefficient, [*factors, *ties], tuple(i for i in term.summed if i not in mapping))
