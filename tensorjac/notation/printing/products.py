"""Sums, products and factors as they are written: their letters chosen, their order arranged, their parts named."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...dims import Dim
from ...terms import (
    DELTA,
    Apply,
    Constant,
    Contraction,
    Factor,
    Index,
    Input,
    Position,
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    Term,
    magnitude,
)
from ...terms import Number as Value
from .. import syntax
from ..syntax import Call, Chain, Indexed, Name, Node, Power, SumOver, Whole
from .arithmetic import quotient, raised, signed_sum
from .arranging import BRACKETS, Arrangement, Item, Key, arranged, factor_key, term_key
from .lookups import lookups, tied
from .naming import Definition, Names, is_matrix_function, triangle
from .places import Frame, Place, Scope
from .slots import axis_node, delta_node, dim_node


@dataclass
class Planned:
    """A term whose letters are chosen, and whose factors are in order above and below the line."""

    coefficient: Value
    above: list[Item]
    below: list[Item]
    sizes: list[Factor]
    looked: Mapping[Index, Factor]
    scope: Scope
    summed: tuple[Place, ...]
    key: Key

    @property
    def positive(self) -> bool:
        return not self.coefficient < 0  # nan is written without a sign


@dataclass(frozen=True)
class Wanted:
    """A definition that is still to be written: its axes have these letters where it was first used."""

    definition: Definition
    axes: tuple[Index, ...]
    body: Sum
    letters: tuple[str, ...]
    avoid: frozenset[str]
    opening: Tensor | None


class Products:
    """Writes the right sides of a text."""

    def __init__(self, names: Names, inputs: Iterable[str], constants: Mapping[Tensor, str], sizes: Collection[str]):
        self.names = names
        self.constants = constants
        self.arrangement = Arrangement(names, inputs, constants)
        self.avoid = frozenset(sizes) if names.affine else frozenset[str]()
        self.wanted: list[Wanted] = []

    # Sums.

    def top(self, terms: Iterable[Term], scope: Scope, frame: Frame) -> Node:
        """A right side: sums need no Σ; a definition shows one where only one factor is summed."""
        planned = _led(sorted((self.plan(term, scope, frame) for term in terms), key=lambda one: one.key))
        nodes = [self.term(one, frame, True) for one in planned]
        node = signed_sum([(one.positive, part) for one, part in zip(planned, nodes, strict=True)])
        for k, (one, part) in enumerate(zip(planned, nodes, strict=True)):
            for place in one.summed:
                if place.node is None:
                    place.node = part if k or one.positive else _first(node)
        return node

    def inner(self, body: Sum, scope: Scope, frame: Frame, even: bool = False) -> Node:
        """A sum within a function or brackets; to an ``even`` power, its first term in order is positive."""
        terms = (self.names.opened(term, frame.opening) for term in body.terms)
        planned = sorted((self.plan(term, scope, frame) for term in terms), key=lambda one: one.key)
        if even and not planned[0].positive:
            planned = [replace(one, coefficient=-one.coefficient) for one in planned]
        return signed_sum([(one.positive, self.term(one, frame, False)) for one in _led(planned)])

    # Products.

    def plan(self, term: Term, scope: Scope, frame: Frame) -> Planned:
        """The factors of a term in order; its summed indices get the letters that come next."""
        looked, factors = lookups(tied(term, scope))
        scope = dict(scope)
        order = {label: k for k, label in enumerate((*scope, *term.summed))}
        sizes = sorted((f for f in factors if isinstance(f.tensor, Size)), key=_size_text)
        items = [self.arrangement.item(f, order, looked) for f in factors if not isinstance(f.tensor, Size)]
        above = arranged([item for item in items if item.factor.power > 0], list(scope), order)
        below = sorted((item for item in items if item.factor.power < 0), key=lambda item: factor_key(item, order))
        coefficient = term.coefficient
        alone = len(factors) == 1 and coefficient == -1
        turned = next((item for item in (*above, *below) if coefficient < 0 and self.turns(item, alone)), None)
        if turned:
            turned.turned, coefficient = True, -coefficient
        summed = []
        hidden = [label for label in term.summed if label not in looked]
        for label in (*(label for item in (*above, *below) for label in item.labels), *hidden):
            if label not in scope:
                scope[label] = frame.introduce(label, scope)
                summed.append(scope[label])
        key = term_key(term, above, below, {label: k for k, label in enumerate(scope)})
        return Planned(coefficient, above, below, sizes, looked, scope, tuple(summed), key)

    def turns(self, item: Item, alone: bool) -> bool:
        """Whether this is a sum whose sign may as well be turned: x (1 - x) stays, but -(1 - x) alone is x - 1."""
        tensor, _, power = item.factor
        if item.rank[0] != BRACKETS or not isinstance(tensor, Shared) or power not in (1, -1):
            return False
        return alone or all(term.factors or term.coefficient < 0 for term in tensor.body.terms)

    def term(self, plan: Planned, frame: Frame, top: bool) -> Node:
        """A term without its sign."""
        up = [self.size(factor) for factor in plan.sizes if factor.power > 0]
        up += [self.factor(item, plan.scope, frame, plan.looked) for item in plan.above]
        down = [self.size(factor) for factor in plan.sizes if factor.power < 0]
        down += [self.factor(item, plan.scope, frame, plan.looked) for item in plan.below]
        items = (*plan.above, *plan.below)
        carriers = [sum(place.index in item.labels for item in items) for place in plan.summed]
        explicit = bool(plan.summed) and (
            not top
            or any(place.number in frame.shown for place in plan.summed)
            or min(carriers) < (2 if frame.shared else 1)
            or _is_sum(up, down)
        )
        if not explicit:
            return quotient(magnitude(plan.coefficient), up, down)
        over = SumOver(tuple(map(frame.bound, plan.summed)), quotient(1, up, down))
        for place in plan.summed:
            place.node = over
        return quotient(magnitude(plan.coefficient), [over], [])

    # Factors.

    def size(self, factor: Factor) -> Node:
        assert isinstance(factor.tensor, Size)
        return raised(dim_node(factor.tensor.dim), magnitude(factor.power))

    def factor(self, item: Item, scope: Scope, frame: Frame, looked: Mapping[Index, Factor]) -> Node:
        """A factor to the size of its power; the sign of it says on which side of the fraction it stands."""
        tensor, slots, power = item.factor
        if item.turned:
            assert isinstance(tensor, Shared)
            terms = tensor.expression(slots).terms
            return self.inner(Sum(Term(-one.coefficient, *one[1:]) for one in terms), scope, frame)
        if isinstance(tensor, Shared) and (tensor not in self.names.named or tensor is frame.opening):
            even = isinstance(power, int) and power % 2 == 0
            return raised(self.inner(tensor.expression(slots), scope, frame, even), magnitude(power))
        return raised(self.base(item.factor, scope, frame, looked), magnitude(power))

    def base(self, factor: Factor, scope: Scope, frame: Frame, looked: Mapping[Index, Factor]) -> Node:
        tensor, slots, _ = factor
        if tensor is DELTA:
            return delta_node(slots[0], {label: place.letter for label, place in scope.items()})
        if tensor in self.names.named and tensor is not frame.opening:
            definition = self.definition(tensor, slots, scope, frame)
            order = definition.order
            shape = [tensor.shape[k] for k in order]
            return Indexed(definition.name, self.slots([slots[k] for k in order], shape, scope, frame, looked))
        if isinstance(tensor, Input | Constant):
            name = tensor.name if isinstance(tensor, Input) else self.constants[tensor]
            return Indexed(name, self.slots(slots, tensor.shape, scope, frame, looked))
        if isinstance(tensor, Position):
            call = Call(Name("arange"), (dim_node(tensor.shape[0]),))
            return Whole(call, self.slots(slots, tensor.shape, scope, frame, looked))
        if isinstance(tensor, Contraction):
            corner = triangle(tensor)
            if corner and "tril" not in self.names.taken and isinstance(slots[corner[0]], Index):
                shape = [tensor.shape[k] for k in corner]
                return Indexed("tril", self.slots([slots[k] for k in corner], shape, scope, frame, looked))
            return self.inner(Sum((tensor.term(slots),)), scope, frame)
        assert isinstance(tensor, Apply), tensor
        return self.applied(tensor, slots, scope, frame, looked)

    def slots(
        self,
        slots: Sequence[Slot],
        shape: Sequence[Dim],
        scope: Scope,
        frame: Frame,
        looked: Mapping[Index, Factor],
    ) -> tuple[Node, ...]:
        letters = {label: place.letter for label, place in scope.items()}
        nodes = []
        for slot, axis in zip(slots, shape, strict=True):
            if isinstance(slot, Index) and slot in looked:
                nodes.append(self.base(looked[slot], scope, frame, {}))
                continue
            node, short = axis_node(slot, axis, letters)
            if short:
                assert isinstance(slot, Index)
                frame.short.add(scope[slot].number)
            nodes.append(node)
        return tuple(nodes)

    def applied(
        self, tensor: Apply, slots: Sequence[Slot], scope: Scope, frame: Frame, looked: Mapping[Index, Factor]
    ) -> Node:
        """``exp(X[ij])``, ``max_k(X[ik])``, ``inv(S)[ij]`` or ``inv_kl(S[lk])[ij]``."""
        name = tensor.operation.name
        if is_matrix_function(tensor):
            inner = self.whole(tensor, slots, scope, frame)
            if inner:
                call = Call(Name(name), (Name(inner),))
                nodes = self.slots(slots, tensor.shape, scope, frame, looked)
                return Whole(call, nodes) if nodes else syntax.Apply(name, (), (Name(inner),))
        args = tensor.arguments(slots)
        if not any(tensor.cores):
            if name == "power" and any(term.factors for term in args[1].terms):
                return Power(self.inner(args[0], scope, frame), self.inner(args[1], scope, frame))
            return syntax.Apply(name, (), tuple(self.inner(arg, scope, frame) for arg in args))
        inside = dict(scope)
        own = []
        mapping: dict[Index, Slot] = {}
        for index in tensor.cores_at(slots)[0]:
            mapping[index] = label = Index.fresh(index.dim)
            inside[label] = frame.introduce(label, inside)
            own.append(inside[label])
        argument = self.inner(args[0].substitute(mapping), inside, frame)
        result = self.slots(slots[tensor.batch :], tensor.shape[tensor.batch :], scope, frame, looked)
        node = syntax.Apply(name, tuple(map(frame.bound, own)), (argument,), result or None)
        for place in own:
            place.node = node
        return node

    # Definitions.

    def definition(self, tensor: Tensor, slots: Sequence[Slot], scope: Scope, frame: Frame) -> Definition:
        """The name of a tensor; its axes are in the order of the letters where it is used first."""
        found = self.names.given.get(tensor)
        if found is not None:
            return found
        bare = [slot for slot in slots if isinstance(slot, Index)]
        order = list(range(tensor.rank))
        letters: tuple[str, ...] = ()
        if len(set(bare)) == len(slots) and all(slot in scope for slot in bare):
            order.sort(key=lambda k: scope[bare[k]].number)
            letters = tuple(scope[bare[k]].letter for k in order)
        found = self.names.define(tensor, tensor, tensor.rank, order)
        body = Sum((Term(1, (tensor(*tensor.axes),)),))
        if isinstance(tensor, Shared):
            body = tensor.body
        axes = tuple(tensor.axes[k] for k in order)
        self.wanted.append(Wanted(found, axes, body, letters, frame.left, tensor))
        return found

    def whole(self, tensor: Apply, slots: Sequence[Slot], scope: Scope, frame: Frame) -> str:
        """The name of a whole tensor that a function is applied to; none for an input transposed."""
        (body,) = tensor.args
        axes = (*(Index.at(k, dim) for k, dim in enumerate(tensor.shape[: tensor.batch])), *tensor.cores[0])
        lone = body.lone
        if lone is not None and isinstance(lone.tensor, Input | Constant):
            if lone.slots != axes or lone.tensor.shape != tuple(axis.dim for axis in axes):
                return ""
            return lone.tensor.name if isinstance(lone.tensor, Input) else self.constants[lone.tensor]
        key = (body, axes)
        found = self.names.given.get(key)
        if found is None:
            found = self.names.define(key, None, len(axes), range(len(axes)))
            self.wanted.append(Wanted(found, axes, body, (), frame.left, None))
        return found.name


def _led(terms: list[Planned]) -> list[Planned]:
    """The terms with a positive one in front, if there is one."""
    lead = next((k for k, one in enumerate(terms) if one.positive), 0)
    return [*terms[lead : lead + 1], *terms[:lead], *terms[lead + 1 :]]


def _first(node: Node) -> Node:
    """The first operand of a sum: the one that may have a sign."""
    return node.operands[0] if isinstance(node, Chain) and node.operators[0] in "+-" else node


def _is_sum(up: Sequence[Node], down: Sequence[Node]) -> bool:
    return len(up) == 1 and not down and isinstance(up[0], Chain) and up[0].operators[0] in "+-"


def _size_text(factor: Factor) -> str:
    return str(factor.tensor.dim) if isinstance(factor.tensor, Size) else ""
