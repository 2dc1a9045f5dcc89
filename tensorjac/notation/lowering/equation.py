"""Index notation, read into nodes, to expressions.

An equation is lowered in three steps. Every letter is found in the sum, function or left side that introduces it
(letters); the sizes of all letters follow from the axes at which they stand (extents); then the expressions are built.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite, isinf

from ...dims import Dim, Requirement
from ...terms import (
    ONE,
    Index,
    Position,
    Slot,
    Sum,
    affine,
    combine,
    constant,
    constant_slot,
    delta,
    of_factor,
    of_size,
    zero_of,
)
from ...terms import Number as Value
from ..syntax import (
    Apply,
    Chain,
    Delta,
    Equation,
    Indexed,
    Name,
    Node,
    Number,
    Power,
    SizeOf,
    SumOver,
    Target,
    Unary,
    Whole,
)
from .extents import SizeReader
from .letters import Term
from .named import Builder, Mapped, Named, Numpy, P, core_shape
from .slots import Letter, Scope, count, looked_up

LARGEST = 1000  # exponent of a number


@dataclass(frozen=True)
class Lowered:
    """One equation: ``axes`` are the target's, ``wrt`` the inputs differentiated by, with their axes."""

    name: str
    axes: tuple[Index, ...]
    body: Sum
    wrt: tuple[tuple[str, tuple[Index, ...]], ...] = ()
    requirements: tuple[Requirement, ...] = ()


def lower(
    node: Node,
    letters: Mapping[str, Index],
    names: Mapping[str, Named],
    functions: Mapping[str, P],
    build: Builder[P],
    text: str,
    sizes: Collection[str] = (),
    numpy: Numpy | None = None,
) -> Sum:
    """The expression that ``node`` stands for, over the indices of ``letters``.

    Other letters are summed over each term. ``sizes`` are the names of sizes beside those in the shapes of
    ``names``; ``numpy`` reads the inside of ``inv(X.T @ X)[ij]``; ``text`` is what the node was read from.
    """
    reading = Lowering(text, sizes, names, functions, numpy, build=build)
    scope = {name: Letter(name, index.dim, index=index, annotated=True) for name, index in letters.items()}
    terms = reading.terms(node, scope)
    reading.settle()
    return reading.total(terms)


@dataclass(eq=False)
class Lowering(SizeReader[P]):
    """One equation on its way from nodes to an expression."""

    build: Builder[P] = field(kw_only=True)

    def total(self, terms: Sequence[Term]) -> Sum:
        build = self.build
        values = []
        for term in terms:
            value = build.contract(self.value(term.node, term.scope), [one.label for one in term.implicit])
            values.append(value if term.sign > 0 else build.multiply(constant(-1), value))
        return build.add(*values)

    def value(self, node: Node, scope: Scope) -> Sum:
        build = self.build
        match node:
            case Number(number):
                return constant(number) if number else Sum()
            case Name(name):
                return self.scalar(node, name)
            case SizeOf(letter):
                return of_size(scope[letter].label.dim)
            case Unary(_, operand):
                return build.multiply(constant(-1), self.value(operand, scope))
            case Chain(_, operators) if operators[0] in "+-":
                signs = ["+", *operators]
                values = [self.value(operand, scope) for operand in node.operands]
                return build.add(
                    *(
                        value if sign == "+" else build.multiply(constant(-1), value)
                        for sign, value in zip(signs, values, strict=True)
                    )
                )
            case Chain():
                return self.product(node, scope)
            case Power():
                return self.raised(node, scope)
            case Indexed():
                return self.indexed(node, scope)
            case Delta(left, right):
                return build.multiply(of_factor(delta(self.slot(left, scope), self.slot(right, scope))))
            case SumOver(_, body):
                own = self.bound[id(node)]
                labels = [letter.label for letter in own.values()]
                return build.contract(self.value(body, {**scope, **own}), labels)
            case Apply():
                return self.applied(node, scope)
            case _:
                assert isinstance(node, Whole)
                return self.read(self.whole(node), node.slots, scope)

    def scalar(self, node: Node, name: str) -> Sum:
        named = self.names.get(name)
        if named is not None:
            if named.shape:
                letters = "ijklmnopqrstuvwxyz"[: len(named.shape)]
                found = f"a tensor is written with its slots, and {name} has "
                found += count(len(named.shape), "axis", "axes")
                self.fail(node, found, f'write "{name}[{letters}]", or another choice of letters')
            return named.read(())
        if name in self.sizes:
            return of_size(Dim.of(name))
        if name in ("inf", "nan"):
            return constant(float(name))
        scalars = {other for other, named in self.names.items() if not named.shape}
        known = ", ".join(sorted(scalars.union(self.sizes))) or "none"
        found = f'a name without brackets is a size or a scalar, and "{name}" is neither'
        self.fail(node, found, f"the known ones are {known}")

    def product(self, node: Chain, scope: Scope) -> Sum:
        build = self.build
        start = 0
        values: list[Sum] = []
        if "//" in node.operators:
            last = len(node.operators) - 1 - node.operators[::-1].index("//")
            start = last + 2
            size = self.dim(Chain(node.operands[:start], node.operators[: last + 1]), scope)
            if size is None:
                found = '"//" divides sizes, and on one side of it stands something else'
                self.fail(node, found, 'write "/"')
            values.append(of_size(size))
        for operator, operand in list(zip(("*", *node.operators), node.operands, strict=True))[start:]:
            value = self.value(operand, scope)
            values.append(value if operator == "*" else self.power(value, -1, operand))
        return build.multiply(*values)

    def raised(self, node: Power, scope: Scope) -> Sum:
        base, exponent = self.value(node.base, scope), self.value(node.exponent, scope)
        if not exponent.terms:
            return constant(1)
        if len(exponent.terms) == 1 and not exponent.terms[0].factors:
            return self.power(base, exponent.terms[0].coefficient, node)
        return self.build.apply(self.needed("power", node), (base, exponent))

    def power(self, base: Sum, exponent: Value, node: Node) -> Sum:
        if not base.terms and exponent < 0:
            self.fail(node, "nothing is divided by 0, and this is 0 everywhere", "take the division out")
        if not -LARGEST <= exponent <= LARGEST and any(term.coefficient not in (1, -1) for term in base.terms):
            found = f"a number is raised to a power of at most {LARGEST}, and this one is {exponent}"
            self.fail(node, found, "write a smaller exponent")
        raised = self.build.power(base, exponent)
        if all(isfinite(term.coefficient) for term in base.terms) and any(isinf(t.coefficient) for t in raised.terms):
            self.fail(node, "a float is at most 1.8e308, and this one is larger", "write a smaller exponent")
        return raised

    def needed(self, name: str, node: Node) -> P:
        function = self.functions.get(name)
        if function is None:
            found = f"{self.shown(node)} is written with the function {name}, which is not known"
            self.fail(node, found, "write it without")
        return function

    def slot(self, node: Node, scope: Scope) -> Slot:
        form = self.linear(node, scope)
        assert form is not None
        return affine(form[0], {letter.label: c for letter, c in form[1].items()})

    def read(self, named: Named | Mapped[P], slots: Sequence[Node], scope: Scope) -> Sum:
        """``named`` at its slots; what is looked up, as in ``E[t[i], k]``, is compared with all positions."""
        build = self.build
        found: list[Slot] = []
        looked: list[Index] = []
        factors: list[Sum] = []
        for slot, dim in zip(slots, named.shape, strict=True):
            if not looked_up(slot):
                found.append(self.slot(slot, scope))
                continue
            label = Index.fresh(dim)
            place = of_factor(Position(dim)(label))
            factors.append(build.apply(self.needed("equal", slot), (self.value(slot, scope), place)))
            looked.append(label)
            found.append(label)
        value = self.mapping(named, found) if isinstance(named, Mapped) else named.read(tuple(found))
        return build.contract(build.multiply(*factors, value), looked) if looked else value

    def mapping(self, mapped: Mapped[P], slots: Sequence[Slot]) -> Sum:
        """A function of a whole tensor, read at slots."""
        function, argument = mapped.function, mapped.argument
        if function.elementwise:
            return self.build.apply(function, (argument.read(slots),))
        batch = tuple(slots[: mapped.batch])
        core = tuple(Index.fresh(dim) for dim in argument.shape[mapped.batch :])
        result = tuple(slots[mapped.batch :])
        return self.build.apply(function, (argument.read((*batch, *core)),), (core,), result, mapped.core_shape)

    def indexed(self, node: Indexed, scope: Scope) -> Sum:
        named = self.names.get(node.name)
        if named is not None:
            return self.read(named, node.slots, scope)
        row, column = (self.slot(slot, scope) for slot in node.slots)
        if not isinstance(row, Index):
            self.fail(node.slots[0], "the first slot of tril is a letter, and this is none", 'write "tril[ij]"')
        # 1 where row - column is one of 0, 1, …
        gap = Index.fresh(row.dim)
        minus = Dim.of(-1)
        tie = zero_of(combine(((ONE, row), (minus, column), (minus, gap))))
        return self.build.contract(of_factor(tie), (gap,))

    def applied(self, node: Apply, scope: Scope) -> Sum:
        build = self.build
        function = self.function(node)
        if function is None:
            return self.spelled(node, scope)
        if function.elementwise:
            return build.apply(function, [self.value(argument, scope) for argument in node.arguments])
        if not node.bound:
            return self.read(self.wholes[id(node)], node.slots or (), scope)
        own = self.bound[id(node)]
        core = tuple(letter.label for letter in own.values())
        argument = self.value(node.arguments[0], {**scope, **own})
        result = [self.slot(slot, scope) for slot in node.slots or ()]
        shape = core_shape(function, [index.dim for index in core])
        return build.apply(function, (argument,), (core,), result, shape)

    def spelled(self, node: Apply, scope: Scope) -> Sum:
        """Functions that are written with others."""
        build = self.build
        size = self.dim(node, scope)
        if size is not None:
            return of_size(size)
        values = [self.value(argument, scope) for argument in node.arguments]
        match node.name:
            case "sqrt":
                return build.power(values[0], Fraction(1, 2))
            case "square":
                return build.power(values[0], 2)
            case "reciprocal":
                return build.power(values[0], -1)
            case "less":
                return build.apply(self.needed("greater", node), values[::-1])
            case "less_equal":
                return build.apply(self.needed("greater_equal", node), values[::-1])
        same = build.apply(self.needed("equal", node), values)
        return build.add(constant(1), build.multiply(constant(-1), same))

    # Whole equations.

    def equation(self, equation: Equation) -> Lowered:
        """Both sides of an equation."""
        scope, terms = self.sides(equation)
        self.settle()
        body = self.total(terms)
        axes = []
        for target in (equation.target, *equation.wrt):
            own, body = self.merged(target, scope, body)
            axes.append(own)
        wrt = tuple((target.name, own) for target, own in zip(equation.wrt, axes[1:], strict=True))
        return Lowered(equation.target.name, axes[0], body, wrt, tuple(self.requirements))

    def merged(self, target: Target, scope: Scope, body: Sum) -> tuple[tuple[Index, ...], Sum]:
        """The axes of a left side; the letters of a merged one are digits of one index."""
        build = self.build
        axes = []
        for axis in target.axes:
            letters = [scope[bound.letter].label for bound in axis.letters]
            if len(letters) == 1:
                axes.append(letters[0])
                continue
            place: Slot = constant_slot(0)
            size = ONE
            for label in letters:
                place = combine(((label.dim, place), (ONE, label)))
                size = size * label.dim
            index = Index.fresh(size)
            body = build.contract(build.multiply(body, of_factor(delta(index, place))), letters)
            axes.append(index)
        return tuple(axes), body
