"""Tensors, hash-consed, and factors, which read them at slots."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol
from weakref import WeakValueDictionary

from ..dims import Dim
from .indices import (
    ONE,
    ZERO,
    Affine,
    Index,
    Number,
    Slot,
    combine,
    slot_key,
    slot_labels,
    slot_parts,
    substitute_slot,
)

if TYPE_CHECKING:
    from .sums import Sum


class Operation(Protocol):
    """What a primitive must tell this floor about itself."""

    @property
    def name(self) -> str: ...

    @property
    def commutes(self) -> bool:
        """Whether the order of two arguments does not matter."""

    def sign(self, args: tuple[int, ...]) -> int:
        """2 where values are known to be > 0, 1 where ≥ 0, else 0; from the same knowledge of the arguments."""

    def symmetries(self, args: tuple[Sum, ...], batch: int) -> tuple[tuple[int, ...], ...]:
        """The orders of the result's own axes, other than their own, that leave the value unchanged."""


@lru_cache(4096)
def _union(*names: frozenset[str]) -> frozenset[str]:
    """Many tensors depend on the same many inputs: their union is kept."""
    return names[0] if len(names) == 1 else frozenset().union(*names)


class Tensor:
    """A closed tensor: its value needs nothing but the inputs that it names."""

    __slots__ = ("__weakref__", "antisymmetries", "axes", "inputs", "key", "parts", "shape", "sign", "symmetries")
    _interned: ClassVar[WeakValueDictionary[bytes, Tensor]] = WeakValueDictionary()
    _lock: ClassVar = Lock()

    key: bytes
    shape: tuple[Dim, ...]
    axes: tuple[Index, ...]  # the canonical output indices, one per axis
    parts: tuple[Tensor, ...]  # the tensors that it is made of, each once
    inputs: frozenset[str]
    symmetries: tuple[tuple[int, ...], ...]  # axis permutations that change nothing, the identity left out
    antisymmetries: tuple[tuple[int, ...], ...]  # axis permutations that turn the sign
    sign: int  # 2: known to be positive; 1: known to be nonnegative; 0: unknown

    def _setup(
        self,
        key: bytes,
        shape: tuple[Dim, ...],
        parts: tuple[Tensor, ...] = (),
        sign: int = 0,
        symmetries: tuple[tuple[int, ...], ...] = (),
        antisymmetries: tuple[tuple[int, ...], ...] = (),
    ) -> None:
        self.key = key
        self.shape = shape
        self.axes = tuple(Index.at(k, dim) for k, dim in enumerate(shape))
        self.parts = parts
        self.inputs = _union(*dict.fromkeys(part.inputs for part in parts))
        self.sign = sign
        self.symmetries = symmetries
        self.antisymmetries = antisymmetries

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __call__(self, *slots: Slot, power: Number = 1) -> Factor:
        """This tensor read at ``slots``; of the slot orders that its symmetries allow, the canonical one."""
        return Factor(self, self.arranged(slots, power), power)

    def symmetries_of_power(self, power: Number) -> tuple[tuple[int, ...], ...]:
        """The axis permutations that leave this power unchanged: an even one forgets the sign."""
        if self.antisymmetries and isinstance(power, int) and power % 2 == 0:
            return (*self.symmetries, *self.antisymmetries)
        return self.symmetries

    def arranged(self, slots: tuple[Slot, ...], power: Number) -> tuple[Slot, ...]:
        orders = self.symmetries_of_power(power)
        if not orders:
            return slots
        choices = [slots, *(tuple(slots[k] for k in order) for order in orders)]
        return min(choices, key=lambda choice: [slot_key(slot) for slot in choice])


def digest(*pieces: Hashable) -> bytes:
    return blake2b(repr(pieces).encode(), digest_size=16).digest()


class Input(Tensor):
    """A named argument."""

    __slots__ = ("name",)

    name: str

    def __new__(cls, name: str, shape: tuple[Dim, ...]) -> Input:
        key = digest("input", name, tuple(map(str, shape)))
        with Tensor._lock:
            found = Tensor._interned.get(key)
            if found is None:
                found = object.__new__(cls)
                found._setup(key, shape)
                found.name = name
                found.inputs = frozenset((name,))
                Tensor._interned[key] = found
        assert isinstance(found, Input)
        return found


class Constant(Tensor):
    """An array captured from outside; two with the same bytes, dtype and shape are one."""

    __slots__ = ("array",)

    array: object

    def __new__(cls, array: object, content: bytes, shape: tuple[Dim, ...], sign: int = 0) -> Constant:
        key = digest("constant", content, tuple(map(str, shape)))
        with Tensor._lock:
            found = Tensor._interned.get(key)
            if found is None:
                found = object.__new__(cls)
                found._setup(key, shape, sign=sign)
                found.array = array
                Tensor._interned[key] = found
        assert isinstance(found, Constant)
        return found


class Size(Tensor):
    """The scalar whose value is a symbolic size, such as the n in 1/n."""

    __slots__ = ("dim",)

    dim: Dim

    def __new__(cls, dim: Dim) -> Size:
        key = digest("size", str(dim))
        with Tensor._lock:
            found = Tensor._interned.get(key)
            if found is None:
                found = object.__new__(cls)
                found._setup(key, (), sign=2 if dim.name is not None else 0)
                found.dim = dim
                Tensor._interned[key] = found
        assert isinstance(found, Size)
        return found


class Position(Tensor):
    """The vector 0, 1, 2, …: the value of an index as a number."""

    __slots__ = ()

    def __new__(cls, dim: Dim) -> Position:
        key = digest("position", str(dim))
        with Tensor._lock:
            found = Tensor._interned.get(key)
            if found is None:
                found = object.__new__(cls)
                found._setup(key, (dim,), sign=1)
                Tensor._interned[key] = found
        assert isinstance(found, Position)
        return found


class Delta(Tensor):
    """The Kronecker delta: 1 where its one slot, an affine form, is zero, and 0 elsewhere."""

    __slots__ = ()


DELTA = Delta()
DELTA._setup(digest("delta"), (ZERO,), sign=1)


def delta(left: Slot, right: Slot) -> Factor:
    """δ[left = right]."""
    form = combine(((ONE, left), (Dim.of(-1), right)))
    return zero_of(form)


def zero_of(form: Slot) -> Factor:
    """The δ that is 1 where ``form`` is 0, with the sign that makes equal conditions equal factors."""
    constant, parts = slot_parts(form)
    if len(parts) == 1 and parts[0][0].dim is ONE:
        parts = ()
    lead = parts[0][1] if parts else constant
    monomials = lead.monomials
    if monomials and monomials[0][0] < 0:
        form = combine(((Dim.of(-1), form),))
        constant, parts = slot_parts(form)
    return Factor(DELTA, (Affine(constant, parts),), 1)


class Factor(NamedTuple):
    """A tensor read at slots, raised to a power."""

    tensor: Tensor
    slots: tuple[Slot, ...]
    power: Number

    @property
    def labels(self) -> Iterator[Index]:
        for slot in self.slots:
            yield from slot_labels(slot)

    @property
    def sign(self) -> int:
        if self.tensor.sign:
            return self.tensor.sign
        return 1 if isinstance(self.power, int) and self.power % 2 == 0 else 0

    def substitute(self, mapping: Mapping[Index, Slot]) -> Factor:
        tensor = self.tensor
        slots = tuple([substitute_slot(slot, mapping) for slot in self.slots])
        if tensor is DELTA:
            return zero_of(slots[0])
        return Factor(tensor, tensor.arranged(slots, self.power), self.power)


def factor_key(factor: Factor) -> tuple[bytes, list[tuple[str, tuple[int, ...]]], str]:
    return (factor.tensor.key, [slot_key(slot) for slot in factor.slots], str(factor.power))
