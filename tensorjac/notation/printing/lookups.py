"""Letters of a term that are not written: those that a δ ties, and those read from an array."""

from __future__ import annotations

from ...terms import DELTA, Apply, Constant, Factor, Index, Input, Position, Slot, Term, product, slot_labels
from .naming import is_pair
from .places import Scope


def tied(term: Term, scope: Scope) -> Term:
    """Letters that a δ ties are written as the first of them in the other factors."""
    mapping: dict[Index, Slot] = {}
    for tensor, slots, _ in term.factors:
        if tensor is DELTA and is_pair(slots[0]):
            first, second = sorted(slot_labels(slots[0]), key=lambda label: _number(label, scope))
            root = mapping.get(first, first)
            if first.dim is second.dim and second in scope and second not in mapping:
                mapping = {label: root if end is second else end for label, end in mapping.items()}
                mapping[second] = root
    if not mapping:
        return term
    factors = [f if f.tensor is DELTA and is_pair(f.slots[0]) else f.substitute(mapping) for f in term.factors]
    return product(term.coefficient, factors, term.summed)


def _number(label: Index, scope: Scope) -> int:
    return scope[label].number if label in scope else -1


def lookups(term: Term) -> tuple[dict[Index, Factor], list[Factor]]:
    """Summed indices read from an array, as in E[t[i], k], each with its array; and the other factors."""
    looked: dict[Index, Factor] = {}
    kept: list[Factor] = []
    for factor in term.factors:
        found = _looked_up(factor, term)
        if found and found[0] not in looked:
            looked[found[0]] = found[1]
        else:
            kept.append(factor)
    return looked, kept


def _looked_up(factor: Factor, term: Term) -> tuple[Index, Factor] | None:
    tensor, slots, power = factor
    if not isinstance(tensor, Apply) or tensor.operation.name != "equal" or power != 1:
        return None
    sides = [argument.lone for argument in tensor.arguments(slots)]
    where = next((side for side in sides if side and isinstance(side.tensor, Position)), None)
    array = next((side for side in sides if side and isinstance(side.tensor, Input | Constant)), None)
    if where is None or array is None:
        return None
    (label,) = where.slots
    if not isinstance(label, Index) or label not in term.summed or label in array.labels:
        return None
    users = [other for other in term.factors if other is not factor and label in other.labels]
    if len(users) != 1 or users[0].tensor is DELTA or not isinstance(users[0].tensor, Input | Constant):
        return None
    (user,) = users
    if user.power != 1:
        return None  # a power of what is read, not of what is looked up
    at = [axis for slot, axis in zip(user.slots, user.tensor.shape, strict=True) if slot is label]
    if len(at) != 1 or at[0] is not label.dim or sum(found is label for found in user.labels) != 1:
        return None
    return label, array
