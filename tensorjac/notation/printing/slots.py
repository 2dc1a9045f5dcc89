"""Sizes, slots and δ as nodes of index notation."""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm

from ...dims import Dim, FloorDiv, nonnegative
from ...terms import ONE, Index, Slot, combine, slot_parts
from ..lowering.slots import comparable
from ..syntax import Apply, Chain, Delta, Name, Node, Number, Power
from .arithmetic import signed_sum, times


def dim_node(dim: Dim) -> Node:
    """A size as it is written.

    >>> from .writing import write
    >>> n = Dim.of("n")
    >>> write(dim_node(2 * n * n - 3)), write(dim_node((n + 1) // 2))
    ('2 n^2 - 3', '(n + 1)//2')
    """
    scale = lcm(*(c.denominator for c, _ in dim.monomials)) if dim.monomials else 1
    if scale > 1:
        return Chain((dim_node(dim * scale), Number(scale)), ("//",))
    return signed_sum(_monomials(dim))


def _monomials(dim: Dim) -> list[tuple[bool, Node]]:
    """The terms of a size, each with whether it is positive."""
    found: list[tuple[bool, Node]] = []
    for coefficient, atoms in dim.monomials:
        factors: list[Node] = []
        if abs(coefficient) != 1 or not atoms:
            factors.append(Number(int(abs(coefficient))))
        for atom, power in atoms:
            node: Node
            if isinstance(atom, str):
                node = Name(atom)
            elif isinstance(atom, FloorDiv):
                node = Chain((dim_node(atom.dividend), dim_node(atom.divisor)), ("//",))
            else:
                node = Apply("max", (), (dim_node(atom.inner), Number(0)))
            factors.append(node if power == 1 else Power(node, Number(power)))
        found.append((coefficient > 0, times(factors)))
    return found


def slot_node(slot: Slot, letters: Mapping[Index, str]) -> Node:
    """An affine form: ``2*i + k - 1``, or ``n - 1 - i`` where no letter is added."""
    if isinstance(slot, Index):
        return Name(letters[slot])
    constant, parts = slot_parts(slot)
    order = {index: k for k, index in enumerate(letters)}
    ranked = sorted(parts, key=lambda part: (part[1].value in (1, -1), order[part[0]]))
    added: list[tuple[bool, Node]] = []
    taken: list[tuple[bool, Node]] = []
    for index, c in ranked:
        positive = c.monomials[0][0] > 0
        size = c if positive else -c
        letter = Name(letters[index])
        node = letter if size is ONE else times((dim_node(size), letter))
        (added if positive else taken).append((positive, node))
    rest = _monomials(constant)
    terms = [*added, *taken, *rest] if added else [*rest, *taken]
    node = signed_sum(terms)
    # a name alone would be read as a letter
    return Chain((node, Number(0)), ("+",)) if isinstance(node, Name) else node


def axis_node(slot: Slot, axis: Dim, letters: Mapping[Index, str]) -> tuple[Node, bool]:
    """A slot at an axis, and whether its letter runs over a part of the axis and must show its size.

    A letter alone may run over a part only where that is certain; ``x[i + 0]`` leaves it to the numbers.
    """
    node = slot_node(slot, letters)
    if not isinstance(slot, Index) or slot.dim is axis:
        return node, False
    if nonnegative(axis - slot.dim) or (slot.dim.value is not None and axis.value is None):
        return node, True
    return Chain((node, Number(0)), ("+",)), False


def delta_node(form: Slot, letters: Mapping[Index, str]) -> Node:
    """``δ[ij]``, or ``δ[i = 2*k + 1]``, solved for a letter where that is possible."""
    _, parts = slot_parts(form)
    order = {index: k for k, index in enumerate(letters)}
    single = sorted((index for index, c in parts if c.value in (1, -1)), key=order.__getitem__)
    if not single:
        left, right = _sides(form)
        return Delta(slot_node(left, letters), slot_node(right, letters))
    first = min(single, key=lambda index: _subtractions(_solved(form, index)))
    rest = _solved(form, first)
    node = slot_node(rest, letters)
    if isinstance(rest, Index) and not comparable(rest.dim, first.dim):
        node = Chain((node, Number(0)), ("+",))
    return Delta(Name(letters[first]), node)


def _solved(form: Slot, index: Index) -> Slot:
    """What an index with the weight 1 or -1 is where the form is 0."""
    weight = dict(slot_parts(form)[1])[index]
    return combine(((-weight, form), (ONE, index)))


def _subtractions(slot: Slot) -> tuple[int, bool]:
    """How many letters are subtracted in a slot, and whether a number is."""
    constant, parts = slot_parts(slot)
    return sum(c.monomials[0][0] < 0 for _, c in parts), bool(constant.terms) and constant.monomials[0][0] < 0


def _sides(form: Slot) -> tuple[Slot, Slot]:
    """The letters that are added, and what their sum is where the form is 0."""
    constant, parts = slot_parts(form)
    added = [(c, index) for index, c in parts if c.monomials[0][0] > 0]
    taken = [(-c, index) for index, c in parts if c.monomials[0][0] < 0]
    return combine(added), combine(taken, -constant)
