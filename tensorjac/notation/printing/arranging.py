"""The order in which factors and terms are written: by kind, by the signature, by their letters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...terms import DELTA, Apply, Constant, Factor, Index, Input, Position, Tensor, Term, slot_labels
from .naming import Names, is_matrix_function, triangle

Key = tuple[object, ...]

# Ranks of factors: those with a place in the signature, then δ, then sums in brackets.
PLACED, TIES, BRACKETS = range(3)


@dataclass
class Item:
    """A factor on its way to a place in a product."""

    factor: Factor
    labels: tuple[Index, ...]
    rank: Key
    turned: bool = False  # a sum in brackets, written with the other sign


class Arrangement:
    """Ranks factors by their kind and by where in the signature their inputs stand."""

    def __init__(self, names: Names, inputs: Iterable[str], constants: Mapping[Tensor, str]) -> None:
        self.names = names
        self.constants = constants
        self.position = {name: k for k, name in enumerate((*inputs, *constants.values()))}

    def item(self, factor: Factor, order: Mapping[Index, int], looked: Mapping[Index, Factor]) -> Item:
        """The factor with its labels in the order in which they are written."""
        tensor, slots, _ = factor
        labels: list[Index] = []
        in_order = tensor in self.names.given or isinstance(tensor, Input | Constant | Position)
        if in_order and tensor in self.names.given:
            slots = tuple(slots[k] for k in self.names.given[tensor].order)
        for slot in slots:
            for label in slot_labels(slot):
                labels += looked[label].labels if label in looked else (label,)
        if not in_order and not (isinstance(tensor, Apply) and is_matrix_function(tensor)):
            labels.sort(key=order.__getitem__)
        return Item(factor, tuple(dict.fromkeys(labels)), self.rank(factor))

    def rank(self, factor: Factor) -> Key:
        """The place of a factor by its kind and by the signature."""
        tensor = factor.tensor
        if tensor is DELTA:
            return (TIES, 0, 0, "", b"")
        last = len(self.position)
        if tensor in self.constants:
            return (PLACED, self.position[self.constants[tensor]], 0, "", tensor.key)
        first = min((self.position.get(name, last) for name in tensor.inputs), default=last)
        if isinstance(tensor, Input):
            return (PLACED, first, 0, tensor.name, tensor.key)
        if tensor in self.names.named or isinstance(tensor, Apply | Position) or triangle(tensor):
            return (PLACED, first, 1, tensor.operation.name if isinstance(tensor, Apply) else "", tensor.key)
        return (BRACKETS, first, 1, "", tensor.key)


def term_key(term: Term, above: Sequence[Item], below: Sequence[Item], order: Mapping[Index, int]) -> Key:
    """Whole numbers first, other numbers last; terms with δ, then by the factors as they are written."""
    if not above and not below and not term.factors:
        return (0 if isinstance(term.coefficient, int) and term.coefficient > 0 else 2,)
    ties = sum(item.rank[0] == TIES for item in above)
    keys = [factor_key(item, order) for item in above]
    keys = [(-1, *key[1:]) if key[0] == TIES else key for key in keys]
    return (1, -ties, not above, keys, len(term.summed), [factor_key(item, order) for item in below])


def factor_key(item: Item, order: Mapping[Index, int]) -> Key:
    """Orders factors by rank, then by their letters; a higher power first."""
    *rank, tensor = item.rank
    return (*rank, [order[label] for label in item.labels], -item.factor.power, tensor)


def arranged(items: Sequence[Item], output: Sequence[Index], order: Mapping[Index, int]) -> list[Item]:
    """Factors in the order in which they are written.

    The carrier of the first output letter, then a factor that shares a letter with the one before, else the
    carrier of the next output letter.
    """
    rest = sorted(items, key=lambda item: factor_key(item, order))
    found = [item for item in rest if not item.labels]
    rest = [item for item in rest if item.labels]
    placed: set[Index] = set()
    before: set[Index] = set()
    while rest:
        candidates = [item for item in rest if before.intersection(item.labels)]
        for label in output:
            if candidates:
                break
            if label not in placed:
                candidates = [item for item in rest if label in item.labels]
        chosen = (candidates or rest)[0]
        rest.remove(chosen)
        found.append(chosen)
        before = set(chosen.labels)
        placed |= before
    return found
