"""Which parts of expressions are written once, with a name, behind ``where``; and which names they get."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count

from ...dims import Dim
from ...terms import (
    DELTA,
    ZERO,
    Affine,
    Apply,
    Constant,
    Contraction,
    Factor,
    Index,
    Input,
    Number,
    Position,
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    Term,
    canonical,
    contraction,
    product,
    slot_parts,
    topological,
)

DEPTH = 3  # brackets within brackets that are still easy to read
FACTORS = 12  # factors in one product, likewise
SMALL = 3  # a sum in brackets of that many inputs is written again rather than named

# What a function of a tensor is called; of a vector or a scalar, in lowercase.
FUNCTIONS = {"exp": "E", "sigmoid": "S", "tanh": "T", "log": "U", "softplus": "P", "max": "M", "min": "M"}
CAPITALS = "PQRSTUVWZHKMNBCDFA"
SMALLS = "uvwrstpqzfghcab"


@dataclass(frozen=True)
class Definition:
    """A name, and which axes of the tensor that it stands for its own axes are."""

    name: str
    order: tuple[int, ...]


@dataclass(frozen=True)
class Use:
    """One occurrence of a tensor: its power, whether it is in brackets, and at a slot of several labels."""

    power: Number
    inside: bool
    windowed: bool


class Names:
    """The tensors that get a name, and the names given so far."""

    def __init__(self, bodies: Sequence[Sum], taken: Collection[str]) -> None:
        self.taken = set(taken)
        self.given: dict[object, Definition] = {}
        self.named: set[Tensor] = set()
        self.affine = False
        self.uses: dict[Tensor, list[Use]] = {}
        order = topological(t for body in bodies for t in body.tensors)
        for body in bodies:
            self._note(body.terms, False)
        for tensor in order:
            if isinstance(tensor, Contraction):
                self._note_factors(tensor.factors, False)
            elif isinstance(tensor, Shared):
                self._note(tensor.body.terms, True)
            elif isinstance(tensor, Apply):
                for arg in tensor.args:
                    self._note(arg.terms, True)
        self._decide(order)

    def _note(self, terms: Iterable[Term], inside: bool) -> None:
        for term in terms:
            self._note_factors(term.factors, inside)

    def _note_factors(self, factors: Iterable[Factor], inside: bool) -> None:
        for tensor, slots, power in factors:
            shown = [slot for slot in slots if isinstance(slot, Affine) and not is_pair(slot)]
            self.affine = self.affine or any(slot.parts or slot.constant.value is None for slot in shown)
            windowed = any(isinstance(slot, Affine) and len(slot.parts) > 1 for slot in slots)
            self.uses.setdefault(tensor, []).append(Use(power, inside, windowed))

    def _decide(self, order: Sequence[Tensor]) -> None:
        depth: dict[Tensor, int] = {}
        width: dict[Tensor, int] = {}
        for tensor in order:
            parts = [part for part in tensor.parts if part not in self.named]
            depth[tensor] = max((depth[part] for part in parts), default=0) + isinstance(tensor, Apply | Shared)
            width[tensor] = 1
            if isinstance(tensor, Contraction):
                width[tensor] = sum(
                    1 if f.tensor is DELTA or f.tensor in self.named or f.power != 1 else width[f.tensor]
                    for f in tensor.factors
                )
            if self._wanted(tensor, depth[tensor], width[tensor]):
                self.named.add(tensor)
                depth[tensor] = 0
                width[tensor] = 1

    def _wanted(self, tensor: Tensor, depth: int, width: int) -> bool:
        uses = self.uses.get(tensor, [])
        if isinstance(tensor, Apply):
            if is_matrix_function(tensor):
                # inv(S)[ij] is short enough; what may get a name is S
                return False
            return len(uses) > 1 or depth > DEPTH or any(use.windowed for use in uses)
        if isinstance(tensor, Shared):
            if any(use.windowed for use in uses) or depth > DEPTH:
                return True
            return len(uses) > 1 and not _is_small(tensor)
        if isinstance(tensor, Contraction):
            if triangle(tensor) is not None:
                return False
            if width > FACTORS or depth > DEPTH or any(use.windowed for use in uses):
                return True
            if len(uses) > 1:
                open_product = all(use.power == 1 and not use.inside for use in uses)
                return not (open_product and len(tensor.factors) <= 2 and all(map(_is_leaf, tensor.parts)))
            return any(use.power not in (1, Fraction(1, 2)) for use in uses)
        return False

    def define(self, key: object, tensor: Tensor | None, rank: int, order: Sequence[int]) -> Definition:
        """Give a name to what ``key`` stands for, its axes in the given order."""
        definition = Definition(self._free(tensor, rank), tuple(order))
        self.taken.add(definition.name)
        self.given[key] = definition
        return definition

    def _free(self, tensor: Tensor | None, rank: int) -> str:
        wished = ""
        if isinstance(tensor, Apply):
            wished = FUNCTIONS.get(tensor.operation.name, "")
        elif tensor is None:
            wished = "M"
        elif isinstance(tensor, Contraction) and any(use.power < 0 for use in self.uses.get(tensor, [])):
            wished = "Z"
        return free_letter(wished, rank, self.taken)

    def opened(self, term: Term, opening: Tensor | None) -> Term:
        """The term with contractions that have no name multiplied in; its summed indices in a fixed order."""
        factors: list[Factor] = []
        summed = list(term.summed)
        waiting = list(reversed(term.factors))
        while waiting:
            factor = waiting.pop()
            tensor = factor.tensor
            if (
                isinstance(tensor, Contraction)
                and factor.power == 1
                and (tensor not in self.named or tensor is opening)
                and triangle(tensor) is None
            ):
                inner = tensor.term(factor.slots)
                waiting.extend(inner.factors)
                summed.extend(inner.summed)
            else:
                factors.append(factor)
        found = canonical(product(term.coefficient, factors, tuple(summed)))
        # the labels of `canonical` are the same every time, and terms stand within terms
        fresh = {label: Index.fresh(label.dim) for label in found.summed}
        mapping: dict[Index, Slot] = dict(fresh)
        moved = [factor.substitute(mapping) for factor in found.factors]
        return _triangular(product(found.coefficient, moved, tuple(fresh[label] for label in found.summed)))


def free_letter(wished: str, rank: int, taken: Collection[str]) -> str:
    """A name that is not taken: the letter wished for, or another; capitals are for what has two axes or more."""
    choices = wished + CAPITALS if rank > 1 else wished.lower() + SMALLS
    numbered = (f"{choices[0]}{k}" for k in count(1))
    return next(name for name in chain(choices, numbered) if name not in taken)


def _triangular(term: Term) -> Term:
    """The term with every δ that makes a lower triangle of ones closed to that."""
    factors: list[Factor] = []
    closed: set[Index] = set()
    for factor in term.factors:
        users = {label: sum(label in other.labels for other in term.factors) for label in factor.labels}
        gaps = [label for label in term.summed if users.get(label) == 1]
        if factor.tensor is DELTA and len(users) == 3 and len(gaps) == 1:
            whole = contraction((factor,), gaps)
            if triangle(whole.tensor) is not None:
                factor = whole
                closed.update(gaps)
        factors.append(factor)
    return product(term.coefficient, factors, tuple(label for label in term.summed if label not in closed))


def is_matrix_function(tensor: Apply) -> bool:
    """Whether the function works on the axes of one matrix: ``inv``, ``det``."""
    return any(tensor.cores) and not getattr(tensor.operation, "reduces", False)


def _is_leaf(tensor: Tensor) -> bool:
    return isinstance(tensor, Input | Constant | Size | Position) or tensor is DELTA


def _is_small(tensor: Shared) -> bool:
    factors = [factor for term in tensor.body.terms for factor in term.factors]
    return len(factors) <= SMALL and all(_is_leaf(factor.tensor) for factor in factors)


def is_pair(slot: Slot) -> bool:
    """Whether this is the form i - j of a δ[ij]."""
    constant, parts = slot_parts(slot)
    return constant is ZERO and len(parts) == 2 and (parts[0][1] + parts[1][1]) is ZERO and parts[0][1].value == 1


def triangle(tensor: Tensor) -> tuple[int, int] | None:
    """The axes of rows and columns of a lower triangle of ones: Σ_p δ[i = j + p], with |p| = |i|."""
    if not isinstance(tensor, Contraction) or len(tensor.factors) != 1 or tensor.factors[0].tensor is not DELTA:
        return None
    constant, parts = slot_parts(tensor.factors[0].slots[0])
    if constant is not ZERO or len(parts) != 3 or len(tensor.summed) != 1:
        return None
    weight: dict[Index, Dim] = dict(parts)
    gap = weight.pop(tensor.summed[0], ZERO)
    if gap.value not in (1, -1):
        return None
    row = next((axis for axis, c in weight.items() if (c + gap) is ZERO), None)
    column = next((axis for axis, c in weight.items() if (c - gap) is ZERO), None)
    if row is None or column is None or row.dim is not tensor.summed[0].dim:
        return None
    return tensor.axes.index(row), tensor.axes.index(column)
