"""∂L/∂Y · ∂Y/∂A as products of arrays over indices, and the order in which a derivation has nested them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..dims import Dim
from ..terms import (
    DELTA,
    ONE,
    Contraction,
    Factor,
    Index,
    Input,
    Number,
    Shared,
    Size,
    Sum,
    Term,
    number,
    of_factor,
    slot_parts,
)


@dataclass(frozen=True)
class Operand:
    """An array over distinct indices: an input, an identity, or a factor that is evaluated first."""

    factor: Factor
    labels: tuple[Index, ...]

    @classmethod
    def of(cls, factor: Factor) -> Operand:
        return cls(factor, tuple(dict.fromkeys(factor.labels)))

    @property
    def input(self) -> str | None:
        """The name of the input that the operand is; None where something is done to it first."""
        tensor, slots, power = self.factor
        if isinstance(tensor, Input) and power == 1 and slots == self.labels:
            whole = all(label.dim is dim for label, dim in zip(self.labels, tensor.shape, strict=True))
            return tensor.name if whole else None
        return None

    @property
    def identity(self) -> bool:
        """Whether the operand is a δ that ties two indices."""
        if self.factor.tensor is not DELTA:
            return False
        offset, parts = slot_parts(self.factor.slots[0])
        return (
            offset.value == 0
            and len(parts) == 2
            and parts[0][1] is ONE
            and parts[1][1].value == -1
            and parts[0][0].dim is parts[1][0].dim
        )

    @property
    def body(self) -> Sum:
        """The operand as an expression over its labels."""
        return of_factor(self.factor)


@dataclass(frozen=True)
class Scale:
    """A number times sizes to powers."""

    value: Number
    sizes: tuple[tuple[Dim, Number], ...] = ()

    def at(self, sizes: Mapping[str, int]) -> float:
        """The number at these sizes."""
        total = float(self.value)
        for dim, power in self.sizes:
            total *= float(dim.evaluate(sizes)) ** float(power)
        return total


@dataclass(frozen=True)
class Product:
    """Operands multiplied, summed over the labels that ``axes`` lack.

    ``groups`` are the nested sums, innermost first, as positions: operand ``k`` is at ``k``, and what group ``g``
    gives is at ``len(operands) + g``. The last group holds all.
    """

    scale: Scale
    operands: tuple[Operand, ...]
    axes: tuple[Index, ...]
    groups: tuple[tuple[int, ...], ...]

    @property
    def labels(self) -> tuple[Index, ...]:
        """Every index, those of the result first."""
        return tuple(dict.fromkeys([*self.axes, *(label for op in self.operands for label in op.labels)]))


def products(axes: Sequence[Index], body: Sum) -> tuple[Product, ...]:
    """One product per term, its nested sums opened; several terms are to be added.

    >>> import tensorjac as tj
    >>> F = tj.trace(lambda X, A, B: X @ A @ B, X="b m", A="m n", B="n k")
    >>> (found,) = products(*F.vjp("A")._parts.outputs["dA"])
    >>> [operand.input for operand in found.operands], found.groups
    (['X', 'G', 'B'], ((1, 2), (0, 3), (4,)))
    """
    return tuple(_product(tuple(axes), term) for term in body.terms)


def _product(axes: tuple[Index, ...], term: Term) -> Product:
    opened = _Opened(term.coefficient, list(term.summed))
    opened.open(term)
    operands = tuple(Operand.of(factor) for factor in opened.factors)
    carried = {label for operand in operands for label in operand.labels}
    sizes = [*opened.sizes, *((label.dim, 1) for label in opened.summed if label not in carried)]
    return Product(Scale(opened.coefficient, tuple(sizes)), operands, axes, opened.positions())


@dataclass
class _Opened:
    """A term with its nested products opened: what they consist of, and which stood together."""

    coefficient: Number
    summed: list[Index]
    factors: list[Factor] = field(default_factory=list)
    sizes: list[tuple[Dim, Number]] = field(default_factory=list)
    # what each product consists of: factors by their positions, and -k for product k, which comes after its outer one
    members: list[list[int]] = field(default_factory=lambda: [[]])

    def open(self, term: Term) -> None:
        waiting = [(0, factor) for factor in reversed(term.factors)]
        while waiting:
            outer, factor = waiting.pop()
            inner = _inside(factor)
            if inner is not None:
                self.coefficient = number(self.coefficient * inner.coefficient)
                self.summed += inner.summed
                waiting += [(len(self.members), part) for part in reversed(inner.factors)]
                self.members[outer].append(-len(self.members))
                self.members.append([])
            elif isinstance(factor.tensor, Size):
                self.sizes.append((factor.tensor.dim, factor.power))
            else:
                self.members[outer].append(len(self.factors))
                self.factors.append(factor)

    def positions(self) -> tuple[tuple[int, ...], ...]:
        last = len(self.factors) + len(self.members) - 1
        return tuple(tuple(k if k >= 0 else last + k for k in group) for group in reversed(self.members))


def _inside(factor: Factor) -> Term | None:
    """The product that a factor stands for; None where it is a factor of its own."""
    tensor, slots, power = factor
    if power == 1 and isinstance(tensor, Contraction):
        return tensor.term(slots)
    if power == 1 and isinstance(tensor, Shared) and len(tensor.body.terms) == 1:
        (only,) = tensor.expression(slots).terms
        return only
    return None
