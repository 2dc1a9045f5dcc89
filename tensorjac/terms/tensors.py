"""Tensors, hash-consed, and factors, which read them at slots."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import compress
from threading import Lock
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol
from weakref import WeakValueDictionary

from ..dims import Dim
from .indices import (
    MINUS,
    ONE,
    ZERO,
    Affine,
    Index,
    Number,
    Slot,
    combine,
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


# All names of inputs, and the place of each. A set of them is a number with a bit for each place: a deep expression
# has thousands of such sets, each of up to thousands of names.
_NAMES: list[str] = []
_PLACES: dict[str, int] = {}


def name_bits(names: Iterable[str]) -> int:
    """The number that stands for a set of names of inputs; names that no input has leave no bit."""
    return sum({1 << _PLACES[name] for name in names if name in _PLACES})


class Tensor:
    """A closed tensor: its value needs nothing but the inputs that it names."""

    __slots__ = (
        "__weakref__",
        "antisymmetries",
        "axes",
        "height",
        "key",
        "known",
        "needs",
        "parts",
        "shape",
        "sign",
        "symmetries",
    )
    _interned: ClassVar[WeakValueDictionary[bytes, Tensor]] = WeakValueDictionary()
    _lock: ClassVar = Lock()

    key: bytes
    shape: tuple[Dim, ...]
    axes: tuple[Index, ...]  # the canonical output indices, one per axis
    parts: tuple[Tensor, ...]  # the tensors that it is made of, each once
    height: int  # how many levels of parts are below it
    needs: int  # the inputs that it depends on, by `name_bits`
    symmetries: tuple[tuple[int, ...], ...]  # axis permutations that change nothing, the identity left out
    antisymmetries: tuple[tuple[int, ...], ...]  # axis permutations that turn the sign
    sign: int  # 2: known to be positive; 1: known to be nonnegative; 0: unknown
    known: dict[Hashable, Sum | None]  # what rewrites have found of it

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
        self.axes = tuple([Index.at(k, dim) for k, dim in enumerate(shape)])
        self.parts = parts
        self.needs = 0
        self.height = 0
        for part in parts:
            self.needs |= part.needs
            self.height = max(self.height, part.height + 1)
        self.sign = sign
        self.symmetries = symmetries
        self.antisymmetries = antisymmetries
        self.known = {}

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def inputs(self) -> frozenset[str]:
        """The names of the inputs that it depends on."""
        return frozenset(compress(_NAMES, map(int, bin(self.needs)[:1:-1])))

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
        return min(choices, key=lambda choice: [slot.key for slot in choice])


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
                if name not in _PLACES:
                    _PLACES[name] = len(_NAMES)
                    _NAMES.append(name)
                found.needs = 1 << _PLACES[name]
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
    if isinstance(left, Index) and isinstance(right, Index) and left.dim is right.dim and left is not right:
        first, second = (left, right) if left.number < right.number else (right, left)
        return Factor(DELTA, (Affine(ZERO, ((first, ONE), (second, MINUS))),), 1)
    return zero_of(combine(((ONE, left), (MINUS, right))))


def zero_of(form: Slot) -> Factor:
    """The δ that is 1 where ``form`` is 0, with the sign that makes equal conditions equal factors."""
    constant, parts = slot_parts(form)
    if len(parts) == 1 and parts[0][0].dim is ONE:
        parts = ()
    lead = parts[0][1] if parts else constant
    if lead.terms and lead.terms[0][1] < 0:
        form = combine(((MINUS, form),))
        constant, parts = slot_parts(form)
    return Factor(DELTA, (Affine(constant, parts),), 1)


class Factor(NamedTuple):
    """A tensor read at slots, raised to a power."""

    tensor: Tensor
    slots: tuple[Slot, ...]
    power: Number

    @property
    def labels(self) -> Sequence[Index]:
        slots = self.slots
        bare = [slot for slot in slots if isinstance(slot, Index)]
        return bare if len(bare) == len(slots) else [label for slot in slots for label in slot_labels(slot)]

    @property
    def sign(self) -> int:
        if self.tensor.sign:
            return self.tensor.sign
        return 1 if isinstance(self.power, int) and self.power % 2 == 0 else 0

    def substitute(self, mapping: Mapping[Index, Slot]) -> Factor:
        tensor, old, power = self
        slots = tuple([substitute_slot(slot, mapping) for slot in old])
        if tensor is DELTA:
            return self if slots[0] is old[0] else zero_of(slots[0])
        if tensor.symmetries or tensor.antisymmetries:
            slots = tensor.arranged(slots, power)
        return self if slots == old else Factor(tensor, slots, power)


def factor_key(factor: Factor) -> tuple[bytes, list[tuple[str, tuple[int, ...]]], str]:
    return (factor.tensor.key, [slot.key for slot in factor.slots], str(factor.power))
