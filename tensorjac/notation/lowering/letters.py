"""Whose letters these are: each is found in the sum, the function or the left side that introduces it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ...dims import Dim
from ...errors import ShapeError
from ..syntax import Apply, Delta, Equation, Indexed, Name, Node, SizeOf, SumOver, Target, Whole
from .functions import FunctionReader
from .named import P
from .slots import Letter, Scope, below, count, looked_up, slot_names, slots_of, top_terms

Axis = Dim | Letter | None


class Use(NamedTuple):
    """A slot at an axis; its size is known, or that of a letter, or unknown (None)."""

    slot: Node
    scope: Scope
    axis: Axis
    owner: Node


class Tie(NamedTuple):
    """Two letters of one size: the axes of a square matrix (strict), or the slots of a δ."""

    left: Letter
    right: Letter
    owner: Node
    strict: bool


@dataclass
class Term:
    """A term of the whole right side, and the letters that are summed over it without a Σ."""

    sign: int
    node: Node
    scope: Scope
    implicit: tuple[Letter, ...]


@dataclass(eq=False)
class LetterReader(FunctionReader[P]):
    """Notes all letters of one equation, and the axes at which they stand."""

    letters: list[Letter] = field(default_factory=list, init=False)
    uses: list[Use] = field(default_factory=list, init=False)
    ties: list[Tie] = field(default_factory=list, init=False)
    bound: dict[int, dict[str, Letter]] = field(default_factory=dict, init=False)  # by the id of what introduces

    def sides(self, equation: Equation) -> tuple[dict[str, Letter], list[Term]]:
        """The letters of the left side, and the terms of the right one."""
        scope: dict[str, Letter] = {}
        for target in (equation.target, *equation.wrt):
            for axis in target.axes:
                for bound in axis.letters:
                    scope[bound.letter] = self.letter(bound.letter, bound.size, bound)
            if target is not equation.target:
                self.scan_target(target, scope)
        return scope, self.terms(equation.right, scope)

    def scan_target(self, target: Target, scope: Scope) -> None:
        """The letters of an input that is differentiated by have its sizes."""
        named = self.names.get(target.name)
        if named is None:
            found = f"a derivative is taken by an input, and {target.name} is none"
            self.fail(target, found, f"use one of {self.known_names()}")
        if any(len(axis.letters) != 1 for axis in target.axes):
            found = "a tensor in a derivative has one letter per axis, and here several are in brackets"
            self.fail(target, found, "take the inner brackets out")
        slots = [Name(axis.letters[0].letter, span=axis.span) for axis in target.axes]
        self.use(target, slots, named.shape, scope)

    def known_names(self) -> str:
        return ", ".join(sorted(self.names)) or "no names: there are none"

    def terms(self, node: Node, scope: Scope) -> list[Term]:
        """The terms of a right side, each with the letters that it sums over."""
        found = []
        for sign, part in top_terms(node):
            free = dict.fromkeys(self.free_letters(part))
            implicit = {name: self.letter(name) for name in free if name not in scope}
            term = Term(sign, part, {**scope, **implicit}, tuple(implicit.values()))
            self.scan(part, term.scope)
            found.append(term)
        return found

    def letter(self, name: str, size: Node | None = None, owner: Node | None = None) -> Letter:
        dim = None if size is None else self.size(size)
        letter = Letter(name, dim, self.shown(owner) if owner else "", annotated=dim is not None, binder=owner)
        self.letters.append(letter)
        return letter

    def free_letters(self, node: Node) -> Iterator[str]:
        """The letters of slots that no sum and no function in ``node`` introduces."""
        affine_names: list[str] = []
        waiting: list[tuple[Node, frozenset[str]]] = [(node, frozenset())]
        while waiting:
            node, hidden = waiting.pop()
            for slot in reversed(slots_of(node)):
                if isinstance(slot, Name):
                    continue
                for name in slot_names(slot):
                    if name not in hidden:
                        affine_names.append(name)
                waiting.extend((inner, hidden) for inner in looked_up(slot))
            for slot in slots_of(node):
                if isinstance(slot, Name) and slot.name not in hidden:
                    yield slot.name
            if isinstance(node, SizeOf) and node.letter not in hidden:
                affine_names.append(node.letter)
            waiting.extend(reversed(list(below(node, hidden))))
        yield from (name for name in affine_names if len(name) == 1 and name not in self.sizes)

    def scan(self, node: Node, scope: Scope) -> None:
        """Note every slot, and the axis at which it stands."""
        inner = scope
        if isinstance(node, SumOver | Apply) and node.bound:
            own = {bound.letter: self.letter(bound.letter, bound.size, bound) for bound in node.bound}
            self.bound[id(node)] = own
            inner = {**scope, **own}
        if isinstance(node, Indexed):
            self.use(node, node.slots, self.axes(node), scope)
        elif isinstance(node, Delta):
            self.scan_delta(node, scope)
        elif isinstance(node, Whole):
            named = self.whole(node)
            self.use(node, node.slots, named.shape, scope)
        elif isinstance(node, Apply):
            self.scan_function(node, scope)
        elif isinstance(node, SizeOf):
            self.uses.append(Use(Name(node.letter, span=node.span), scope, None, node))
        for child, _ in below(node, frozenset()):
            self.scan(child, inner)

    def use(self, node: Node, slots: Sequence[Node], axes: Sequence[Axis], scope: Scope) -> None:
        """Note slots at axes of these sizes."""
        if len(slots) != len(axes):
            name = self.owner(node)
            found = f"there is one slot per axis; {name} has {count(len(axes), 'axis', 'axes')}, and here "
            found += f"{'stands' if len(slots) == 1 else 'stand'} {count(len(slots), 'slot', 'slots')}"
            example = f"{name}[{'ijklmnopqrstuvwxyz'[: len(axes)]}]"
            self.fail(node, found, f"write {count(len(axes), 'slot', 'slots')}, as in {example}", ShapeError)
        for slot, axis in zip(slots, axes, strict=True):
            self.uses.append(Use(slot, scope, axis, node))
            for inner in looked_up(slot):
                self.scan(inner, scope)

    def owner(self, node: Node) -> str:
        """What stands before the brackets."""
        if isinstance(node, Apply):
            return f"{node.name}_{''.join(bound.letter for bound in node.bound)}(…)" if node.bound else self.shown(node)
        return node.name if isinstance(node, Indexed | Target) else self.shown(node).rpartition("[")[0]

    def axes(self, node: Indexed) -> Sequence[Dim | None]:
        named = self.names.get(node.name)
        if named is not None:
            return named.shape
        if node.name == "tril":
            return (None, None)
        found = f"brackets follow the name of a tensor, and {node.name} is none"
        self.fail(node, found, f"use one of {self.known_names()}, or define {node.name} behind where")

    def scan_delta(self, node: Delta, scope: Scope) -> None:
        for slot in (node.left, node.right):
            self.uses.append(Use(slot, scope, None, node))
            for inner in looked_up(slot):
                self.fail(inner, "δ compares letters, and here stands a tensor", 'write "equal(…, …)"')
        left, right = (slot.name if isinstance(slot, Name) else "" for slot in (node.left, node.right))
        if left in scope and right in scope:
            self.ties.append(Tie(scope[left], scope[right], node, False))

    def scan_function(self, node: Apply, scope: Scope) -> None:
        function = self.function(node)
        if function is None or function.elementwise:
            if node.bound or node.slots is not None:
                wrong = "here are letters behind _" if node.bound else "here are brackets behind it"
                advice = f'write "{node.name}(…)", with the letters inside'
                self.fail(node, f"an elementwise function has no axes of its own, and {wrong}", advice)
            return
        if not node.bound:
            self.wholes[id(node)] = named = self.whole_call(node)
            self.use(node, node.slots or (), named.shape, scope)
            return
        own = tuple(self.bound[id(node)].values())
        core = function.core(0)
        if not function.reduces and len(own) != len(core):
            found = f"{node.name} works on {count(len(core), 'axis', 'axes')}, and behind _ "
            found += f"{'stands' if len(own) == 1 else 'stand'} {count(len(own), 'letter', 'letters')}"
            self.fail(node, found, f'write "{node.name}_{"klmn"[: len(core)]}(…)"')
        if function.reduces:
            self.use(node, node.slots or (), (), scope)
            return
        first: dict[str, Letter] = {}
        for role, letter in zip(core, own, strict=True):
            if first.setdefault(role, letter) is not letter:
                self.ties.append(Tie(first[role], letter, node, True))
        self.use(node, node.slots or (), [first[role] for role in function.core_out], scope)
