"""Canonical, hash-consed tensor expressions: indices, affine slots, factors, terms and sums.

A :class:`Tensor` is a closed array-valued thing (an input, a primitive applied to expressions, a contraction, a
shared sum). A :class:`Factor` reads a tensor at *slots*, affine forms of indices. A :class:`Term` is a coefficient
times factors, possibly summed over some of its indices, and a :class:`Sum` adds terms. Equal tensors are the same
object, whatever the names of their indices were, so "the same sum" is found by ``is``.

This floor makes expressions canonical but simplifies nothing: δ stays a factor like any other.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from hashlib import blake2b
from itertools import count
from threading import Lock
from typing import ClassVar, NamedTuple, Protocol
from weakref import WeakValueDictionary

from .dims import Dim

Number = int | Fraction | float

ZERO = Dim.of(0)
ONE = Dim.of(1)

# Fresh indices are numbered above every canonical one, so that sorting by number never mixes the two.
_FRESH_FROM = 1_000_000


def number(value: Number) -> Number:
    """The same number in its one form: whole numbers are ``int``, other floats stay floats."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else value
    return int(value) if value.is_integer() and abs(value) < 2**53 else float(value)


def magnitude(value: Number) -> Number:
    """The absolute value."""
    return -value if value < 0 else value


class Index:
    """A label with a symbolic size."""

    __slots__ = ("dim", "number")
    _canonical: ClassVar[dict[tuple[int, Dim], Index]] = {}
    _fresh: ClassVar = count(_FRESH_FROM)

    dim: Dim
    number: int

    def __init__(self, dim: Dim, number: int) -> None:
        self.dim = dim
        self.number = number

    @classmethod
    def at(cls, position: int, dim: Dim) -> Index:
        """The canonical index number ``position``; the same object every time."""
        found = cls._canonical.get((position, dim))
        if found is None:
            found = cls._canonical.setdefault((position, dim), cls(dim, position))
        return found

    @classmethod
    def fresh(cls, dim: Dim) -> Index:
        return cls(dim, next(cls._fresh))

    def __repr__(self) -> str:
        return f"i{self.number}"


class Affine:
    """``constant + Σ coefficient · index``, used where a slot (or the zero of a δ) is more than a bare index."""

    __slots__ = ("_hash", "constant", "parts")

    def __init__(self, constant: Dim, parts: tuple[tuple[Index, Dim], ...]) -> None:
        self.constant = constant
        self.parts = parts
        self._hash = hash((constant, parts))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Affine)
            and self._hash == other._hash
            and self.constant == other.constant
            and self.parts == other.parts
        )

    def __repr__(self) -> str:
        return " + ".join([f"{c}*{i!r}" for i, c in self.parts] + [str(self.constant)])


Slot = Index | Affine


def affine(constant: Dim, parts: Mapping[Index, Dim]) -> Slot:
    """The slot ``constant + Σ coefficient · index``; a bare index comes back as itself."""
    kept = [(index, c) for index, c in parts.items() if c is not ZERO]
    if len(kept) == 1 and kept[0][1] is ONE and constant is ZERO:
        return kept[0][0]
    kept.sort(key=lambda part: part[0].number)
    return Affine(constant, tuple(kept))


def constant_slot(value: int | Dim) -> Affine:
    return Affine(Dim.of(value), ())


def slot_parts(slot: Slot) -> tuple[Dim, tuple[tuple[Index, Dim], ...]]:
    return (ZERO, ((slot, ONE),)) if isinstance(slot, Index) else (slot.constant, slot.parts)


def slot_labels(slot: Slot) -> Iterator[Index]:
    if isinstance(slot, Index):
        yield slot
    else:
        for index, _ in slot.parts:
            yield index


def combine(weighted: Iterable[tuple[Dim, Slot]], constant: Dim = ZERO) -> Slot:
    """The affine form ``constant + Σ weight · slot``."""
    parts: dict[Index, Dim] = {}
    for weight, slot in weighted:
        offset, pieces = slot_parts(slot)
        constant = constant + weight * offset
        for index, c in pieces:
            parts[index] = parts[index] + weight * c if index in parts else weight * c
    return affine(constant, parts)


def substitute_slot(slot: Slot, mapping: Mapping[Index, Slot]) -> Slot:
    if isinstance(slot, Index):
        return mapping.get(slot, slot)
    if not any(index in mapping for index, _ in slot.parts):
        return slot
    return combine(((c, mapping.get(index, index)) for index, c in slot.parts), slot.constant)


def _slot_key(slot: Slot) -> tuple[str, tuple[int, ...]]:
    """Orders slots by what they are and, within that, by the numbers of their indices."""
    if isinstance(slot, Index):
        return ("", (slot.number,))
    return (
        "+".join([str(slot.constant), *(str(c) for _, c in slot.parts)]),
        tuple(index.number for index, _ in slot.parts),
    )


class Operation(Protocol):
    """What a primitive must tell this floor about itself."""

    @property
    def name(self) -> str: ...

    def sign(self, args: tuple[int, ...]) -> int:
        """2 where values are known to be > 0, 1 where ≥ 0, else 0; from the same knowledge of the arguments."""

    def symmetric(self, args: tuple[Sum, ...], batch: int) -> bool:
        """Whether swapping the last two axes leaves the value unchanged."""


class Tensor:
    """A closed tensor: its value needs nothing but the inputs that it names."""

    __slots__ = ("__weakref__", "axes", "inputs", "key", "parts", "shape", "sign", "symmetries")
    _interned: ClassVar[WeakValueDictionary[bytes, Tensor]] = WeakValueDictionary()
    _lock: ClassVar = Lock()

    key: bytes
    shape: tuple[Dim, ...]
    axes: tuple[Index, ...]  # the canonical output indices, one per axis
    parts: tuple[Tensor, ...]  # the tensors that it is made of, each once
    inputs: frozenset[str]
    symmetries: tuple[tuple[int, ...], ...]  # axis permutations that change nothing, the identity left out
    sign: int  # 2: known to be positive; 1: known to be nonnegative; 0: unknown

    def _setup(
        self,
        key: bytes,
        shape: tuple[Dim, ...],
        parts: tuple[Tensor, ...] = (),
        sign: int = 0,
        symmetries: tuple[tuple[int, ...], ...] = (),
    ) -> None:
        self.key = key
        self.shape = shape
        self.axes = tuple(Index.at(k, dim) for k, dim in enumerate(shape))
        self.parts = parts
        self.inputs = frozenset().union(*(part.inputs for part in parts)) if parts else frozenset()
        self.sign = sign
        self.symmetries = symmetries

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __call__(self, *slots: Slot, power: Number = 1) -> Factor:
        """This tensor read at ``slots``; of the slot orders that its symmetries allow, the canonical one."""
        return Factor(self, self.arranged(slots), power)

    def arranged(self, slots: tuple[Slot, ...]) -> tuple[Slot, ...]:
        if not self.symmetries:
            return slots
        choices = [slots, *(tuple(slots[k] for k in order) for order in self.symmetries)]
        return min(choices, key=lambda choice: [_slot_key(slot) for slot in choice])


def _digest(*pieces: Hashable) -> bytes:
    return blake2b(repr(pieces).encode(), digest_size=16).digest()


class Input(Tensor):
    """A named argument."""

    __slots__ = ("name",)

    name: str

    def __new__(cls, name: str, shape: tuple[Dim, ...]) -> Input:
        key = _digest("input", name, tuple(map(str, shape)))
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
        key = _digest("constant", content, tuple(map(str, shape)))
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
        key = _digest("size", str(dim))
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
        key = _digest("position", str(dim))
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
DELTA._setup(_digest("delta"), (ZERO,), sign=1)


def delta(left: Slot, right: Slot) -> Factor:
    """δ[left = right]."""
    form = combine(((ONE, left), (Dim.of(-1), right)))
    return zero_of(form)


def zero_of(form: Slot) -> Factor:
    """The δ that is 1 where ``form`` is 0, with the sign that makes equal conditions equal factors."""
    constant, parts = slot_parts(form)
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
        return Factor(tensor, tensor.arranged(slots), self.power)


def _factor_key(factor: Factor) -> tuple[bytes, list[tuple[str, tuple[int, ...]]], str]:
    return (factor.tensor.key, [_slot_key(slot) for slot in factor.slots], str(factor.power))


class Term(NamedTuple):
    """coefficient × product of factors, summed over the indices in ``summed``."""

    coefficient: Number
    factors: tuple[Factor, ...]
    summed: tuple[Index, ...] = ()

    @property
    def labels(self) -> set[Index]:
        return {label for factor in self.factors for slot in factor.slots for label in slot_labels(slot)}

    @property
    def free(self) -> set[Index]:
        return self.labels.difference(self.summed)

    def substitute(self, mapping: Mapping[Index, Slot]) -> Term:
        """The term with free indices replaced; summed ones must not occur in ``mapping``."""
        return product(self.coefficient, [f.substitute(mapping) for f in self.factors], self.summed)


def product(coefficient: Number, factors: Iterable[Factor], summed: tuple[Index, ...] = ()) -> Term:
    """The term of these factors: powers of one factor at the same slots are added, and factors sorted.

    >>> from tensorjac.terms import Index, Input, product
    >>> from tensorjac.dims import Dim
    >>> x, i = Input("x", (Dim.of("n"),)), Index.fresh(Dim.of("n"))
    >>> product(2, [x(i), x(i, power=2), x(i, power=-1)]).factors == (x(i, power=2),)
    True
    """
    powers: dict[tuple[Tensor, tuple[Slot, ...]], Number] = {}
    for tensor, slots, power in factors:
        known = powers.get((tensor, slots))
        if known is None:
            powers[tensor, slots] = power
        elif tensor is not DELTA:
            powers[tensor, slots] = number(known + power)
    merged = [Factor(tensor, slots, p) for (tensor, slots), p in powers.items() if p != 0]
    if len(merged) > 1:
        if any(factor.tensor is DELTA for factor in merged):
            tied = _tied(merged, summed)
            if tied is not None:
                return product(coefficient, tied, summed)
        merged.sort(key=_factor_key)
    return Term(number(coefficient), tuple(merged), summed)


def _pair(form: Slot) -> tuple[Index, Index] | None:
    """The indices i, j of δ[ij], lower number first; None for a general δ."""
    if isinstance(form, Index) or len(form.parts) != 2 or form.constant is not ZERO:
        return None
    (a, p), (b, q) = form.parts
    return (a, b) if (p + q) is ZERO and p is ONE and a.dim is b.dim else None


def _is_tie(factor: Factor, summed: Sequence[Index]) -> bool:
    """Whether a factor is a δ that ties two free indices."""
    pair = _pair(factor.slots[0]) if factor.tensor is DELTA else None
    return pair is not None and pair[0] not in summed and pair[1] not in summed


def _classes(factors: Iterable[Factor], summed: Sequence[Index]) -> dict[Index, list[Index]]:
    """The free indices that δ tie to each other, by each of them, in the order of their numbers."""
    classes: dict[Index, list[Index]] = {}
    for factor in factors:
        if _is_tie(factor, summed):
            pair = list(factor.labels)
            joined = {*pair, *classes.get(pair[0], ()), *classes.get(pair[1], ())}
            members = sorted(joined, key=lambda index: index.number)
            classes.update(dict.fromkeys(members, members))
    return classes


def _tied(factors: Sequence[Factor], summed: Sequence[Index]) -> list[Factor] | None:
    """The factors with tied indices written as the first of their class, each tied to that; None if they are so."""
    mapping: dict[Index, Slot] = {
        index: members[0] for index, members in _classes(factors, summed).items() if index is not members[0]
    }
    held = [factor for factor in factors if not _is_tie(factor, summed)]
    ties = [delta(first, index) for index, first in mapping.items()]
    if set(ties) == set(factors) - set(held) and not any(mapping.keys() & set(f.labels) for f in held):
        return None
    return [*(factor.substitute(mapping) for factor in held), *ties]


def _number_key(value: Number) -> str:
    return f"{type(value).__name__[0]}{value!r}"


class Sum:
    """A sum of terms over the same free indices, like terms merged; no terms at all is zero."""

    __slots__ = ("_hash", "terms")

    terms: tuple[Term, ...]

    def __init__(self, terms: Iterable[Term] = ()) -> None:
        merged: dict[tuple[tuple[Factor, ...], tuple[Index, ...]], Number] = {}
        for term in terms:
            like = (term.factors, term.summed)
            known = merged.get(like)
            merged[like] = term.coefficient if known is None else number(known + term.coefficient)
        kept = [Term(c, factors, summed) for (factors, summed), c in merged.items() if c != 0]
        if len(kept) > 1:
            kept.sort(key=lambda term: [_factor_key(factor) for factor in term.factors])
        self.terms = tuple(kept)
        self._hash = hash(self.terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        # 1/2 and 0.5 are equal numbers but print differently: they must not be merged by a cache.
        return self is other or (
            isinstance(other, Sum)
            and self.terms == other.terms
            and all(type(a.coefficient) is type(b.coefficient) for a, b in zip(self.terms, other.terms, strict=True))
        )

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __repr__(self) -> str:
        return f"Sum{self.terms!r}"

    @property
    def labels(self) -> set[Index]:
        return {label for term in self.terms for label in term.free}

    @property
    def tensors(self) -> Iterator[Tensor]:
        for term in self.terms:
            for factor in term.factors:
                yield factor.tensor

    @property
    def sign(self) -> int:
        signs = [
            min((factor.sign for factor in term.factors), default=2) if term.coefficient > 0 else 0
            for term in self.terms
        ]
        return 1 if not signs else (2 if 2 in signs else 1) if min(signs) else 0

    def substitute(self, mapping: Mapping[Index, Slot]) -> Sum:
        return Sum(term.substitute(mapping) for term in self.terms) if mapping else self


def constant(value: Number) -> Sum:
    return Sum((Term(number(value), ()),))


def of_factor(factor: Factor) -> Sum:
    return Sum((product(1, (factor,)),))


def of_size(dim: Dim) -> Sum:
    """A symbolic size as a scalar expression: products of named sizes, so that ``n / n`` cancels."""
    terms = []
    for coefficient, atoms in dim.monomials:
        factors = [Size(Dim.of(atom) if isinstance(atom, str) else atom.dim)(power=power) for atom, power in atoms]
        terms.append(product(coefficient, factors))
    return Sum(terms)


# Canonical labelling ---------------------------------------------------------------------------------------------

_LEAVES = 720  # the search among indistinguishable labels stops here; a missed symmetry costs speed, never truth


class _Piece(NamedTuple):
    """Factors that are multiplied, and what distinguishes this product from the others beside it."""

    tag: str
    factors: tuple[Factor, ...]


def _pattern(slot: Slot, colour: Mapping[Index, int]) -> tuple[str, tuple[int, ...]]:
    if isinstance(slot, Index):
        return ("", (colour[slot],))
    parts = sorted((str(c), colour[index]) for index, c in slot.parts)
    return ("+".join([str(slot.constant), *(c for c, _ in parts)]), tuple(k for _, k in parts))


def _refined(pieces: Sequence[_Piece], colour: dict[Index, int]) -> dict[Index, int]:
    """Colour refinement: labels that are used differently get different colours, until nothing changes."""
    alike = [_classes(factors, ()) for _, factors in pieces]
    while True:
        seen: dict[Index, list[tuple[object, ...]]] = {index: [] for index in colour}
        for (tag, factors), classes in zip(pieces, alike, strict=True):
            for tensor, slots, power in factors:
                patterns = [_pattern(slot, colour) for slot in slots]
                if tensor is DELTA:
                    look: tuple[object, ...] = (tag, tensor.key)
                    # a δ and its negative are the same condition, so which side a label is on says nothing
                    both = sorted({k for _, ks in patterns for k in ks})
                    for slot in slots:
                        for index, c in slot_parts(slot)[1]:
                            seen[index].append((*look, str(c * c), tuple(both)))
                    continue
                mixed = bool(tensor.symmetries)
                arrangement = tuple(sorted(patterns) if mixed else patterns)
                look = (tag, tensor.key, str(power), arrangement)
                for position, slot in enumerate(slots):
                    for index, c in slot_parts(slot)[1]:
                        # which of several tied indices a factor carries is a matter of writing
                        for member in classes.get(index, (index,)):
                            seen[member].append((*look, -1 if mixed else position, str(c)))
        signatures = {index: (colour[index], sorted(uses, key=repr)) for index, uses in seen.items()}
        ranked = {text: k for k, text in enumerate(sorted({_rank_text(s) for s in signatures.values()}))}
        fresh = {index: ranked[_rank_text(s)] for index, s in signatures.items()}
        if len(ranked) == len(set(colour.values())):
            return colour
        colour = fresh


def _rank_text(signature: tuple[int, list[tuple[object, ...]]]) -> str:
    return f"{signature[0]:06d}{signature[1]!r}"


def _form(pieces: Sequence[_Piece], order: Sequence[Index]) -> tuple[tuple[str, tuple[object, ...]], ...]:
    """The pieces with the labels numbered in this order: equal forms are equal expressions."""
    mapping: dict[Index, Slot] = {index: Index.at(k, index.dim) for k, index in enumerate(order)}
    return tuple(
        sorted(
            (tag, tuple(_factor_key(f) for f in product(1, [f.substitute(mapping) for f in factors]).factors))
            for tag, factors in pieces
        )
    )


def _orders(pieces: Sequence[_Piece], colour: dict[Index, int]) -> Iterator[tuple[Index, ...]]:
    """Every order of the labels that refinement cannot tell from the canonical one."""
    stack = [colour]
    while stack:
        colour = _refined(pieces, stack.pop())
        classes: dict[int, list[Index]] = {}
        for index, k in colour.items():
            classes.setdefault(k, []).append(index)
        tied = next((classes[k] for k in sorted(classes) if len(classes[k]) > 1), None)
        if tied is None:
            yield tuple(sorted(colour, key=lambda index: colour[index]))
            continue
        for chosen in tied:
            # doubling makes room for the chosen label just before the rest of its class
            stack.append({i: 2 * k + (k == colour[chosen] and i is not chosen) for i, k in colour.items()})


def _labelling(
    pieces: Sequence[_Piece], roles: Mapping[Index, int]
) -> tuple[tuple[Index, ...], list[tuple[Index, ...]]]:
    """The canonical order of the labels (by role first), and all orders that give the same form."""
    looks = {index: (roles[index], str(index.dim)) for index in roles}
    ranked = {look: k for k, look in enumerate(sorted(set(looks.values())))}
    colour = {index: ranked[look] for index, look in looks.items()}
    if len(ranked) == len(colour):
        order = tuple(sorted(colour, key=lambda index: colour[index]))
        return order, [order]
    best: tuple[object, ...] | None = None
    orders: list[tuple[Index, ...]] = []
    for k, order in enumerate(_orders(pieces, colour)):
        form = _form(pieces, order)
        if best is None or form < best:
            best, orders = form, [order]
        elif form == best:
            orders.append(order)
        if k >= _LEAVES:
            break
    return orders[0], orders


def _permutations(orders: Sequence[tuple[Index, ...]], rank: int) -> tuple[tuple[int, ...], ...]:
    """The axis permutations by which equally good orders of the output labels differ."""
    place = {index: k for k, index in enumerate(orders[0][:rank])}
    found = {tuple(place[index] for index in order[:rank]) for order in orders}
    return tuple(sorted(found - {tuple(range(rank))}))


# Closed tensors made of others -----------------------------------------------------------------------------------


class Contraction(Tensor):
    """A product of factors summed over indices: the axes are indices 0, 1, …, the summed ones follow."""

    __slots__ = ("factors", "signature", "summed")

    factors: tuple[Factor, ...]
    summed: tuple[Index, ...]
    signature: tuple[tuple[bytes, Number], ...]  # which tensors it holds to which power, nested ones opened

    def term(self, slots: Sequence[Slot]) -> Term:
        """The product under the sum, read at ``slots``, with summed indices of its own."""
        mapping: dict[Index, Slot] = dict(zip(self.axes, slots, strict=True))
        summed = tuple(Index.fresh(index.dim) for index in self.summed)
        mapping.update(zip(self.summed, summed, strict=True))
        return product(1, [factor.substitute(mapping) for factor in self.factors], summed)


class Shared(Tensor):
    """A sum of at least two terms that stays whole where it is multiplied, raised to a power or an argument."""

    __slots__ = ("body",)

    body: Sum

    def expression(self, slots: Sequence[Slot]) -> Sum:
        return self.body.substitute(dict(zip(self.axes, slots, strict=True)))


class Apply(Tensor):
    """A primitive applied to expressions: axes shared by the arguments (batch) first, then its own (core)."""

    __slots__ = ("args", "batch", "cores", "operation")

    operation: Operation
    args: tuple[Sum, ...]  # over the batch indices 0 … batch−1 and then the argument's own core indices
    batch: int
    cores: tuple[tuple[Index, ...], ...]  # the core indices of each argument

    def arguments(self, slots: Sequence[Slot]) -> tuple[Sum, ...]:
        """The arguments at these batch slots, their core indices left as they are."""
        mapping = dict(zip(self.axes[: self.batch], slots, strict=False))
        return tuple(arg.substitute(mapping) for arg in self.args)


def _distinct(tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
    return tuple(dict.fromkeys(tensor for tensor in tensors if tensor is not DELTA))


def _signature(factors: Sequence[Factor]) -> tuple[tuple[bytes, Number], ...]:
    powers: dict[bytes, Number] = {}
    for tensor, _, power in factors:
        inner = tensor.signature if isinstance(tensor, Contraction) and power == 1 else ((tensor.key, power),)
        for key, p in inner:
            powers[key] = powers.get(key, 0) + p
    return tuple(sorted((key, p) for key, p in powers.items()))


def signature(term: Term) -> tuple[tuple[bytes, Number], ...]:
    """Which tensors a term holds to which power, nested contractions opened; equal for equal terms."""
    return _signature(term.factors)


def contraction(factors: Sequence[Factor], summed: Sequence[Index]) -> Factor:
    """The sum of the product over ``summed`` as one closed tensor, read at the indices that remain free."""
    piece = _Piece("", tuple(factors))
    hidden = set(summed)
    roles = {label: 0 for factor in factors for label in factor.labels if label not in hidden}
    rank = len(roles)
    roles.update(dict.fromkeys(summed, 1))
    order, orders = _labelling([piece], roles)
    mapping: dict[Index, Slot] = {index: Index.at(k, index.dim) for k, index in enumerate(order)}
    body = product(1, [factor.substitute(mapping) for factor in factors]).factors
    shape = tuple(index.dim for index in order[:rank])
    sums = tuple(Index.at(k, index.dim) for k, index in enumerate(order) if k >= rank)
    key = _digest("contraction", tuple(map(_factor_key, body)), tuple(str(i.dim) for i in order), rank)
    with Tensor._lock:
        found = Tensor._interned.get(key)
        if found is None:
            found = Contraction()
            found._setup(
                key,
                shape,
                _distinct(factor.tensor for factor in body),
                min((factor.sign for factor in body), default=2),
                _permutations(orders, rank),
            )
            found.factors = body
            found.summed = sums
            found.signature = _signature(body)
            Tensor._interned[key] = found
    return found(*order[:rank])


def shared(body: Sum) -> Factor:
    """The sum as one closed tensor, read at its free indices."""
    pieces = [_Piece(_number_key(term.coefficient), term.factors) for term in body.terms]
    roles = dict.fromkeys(body.labels, 0)
    order, orders = _labelling(pieces, roles)
    mapping: dict[Index, Slot] = {index: Index.at(k, index.dim) for k, index in enumerate(order)}
    inner = body.substitute(mapping)
    shape = tuple(index.dim for index in order)
    key = _digest("shared", sum_key(inner), tuple(map(str, shape)))
    with Tensor._lock:
        found = Tensor._interned.get(key)
        if found is None:
            found = Shared()
            found._setup(key, shape, _distinct(inner.tensors), inner.sign, _permutations(orders, len(order)))
            found.body = inner
            Tensor._interned[key] = found
    return found(*order)


def sum_key(body: Sum) -> tuple[Hashable, ...]:
    """What a sum over canonical indices is, in plain hashable values that do not depend on creation order."""
    return tuple(
        (_number_key(term.coefficient), *((k, tuple(s), p) for k, s, p in map(_factor_key, term.factors)))
        for term in body.terms
    )


def apply(
    operation: Operation,
    args: Sequence[Sum],
    cores: Sequence[Sequence[Index]],
    result: Sequence[Slot] = (),
    core_shape: Sequence[Dim] = (),
) -> Factor:
    """``operation`` applied to the arguments, whose core indices are bound; the other indices are batch axes.

    ``result`` holds the slots at which the core axes of the result, of sizes ``core_shape``, are read.
    """
    bound = [tuple(core) for core in cores]
    roles: dict[Index, int] = {}
    for k, (arg, core) in enumerate(zip(args, bound, strict=True)):
        for label in arg.labels.difference(core):
            roles[label] = 0
        for position, index in enumerate(core):
            roles[index] = 1 + 16 * k + position
    batch = sum(role == 0 for role in roles.values())
    pieces = [
        _Piece(f"{k}{_number_key(term.coefficient)}", term.factors) for k, arg in enumerate(args) for term in arg.terms
    ]
    order, orders = _labelling(pieces, roles)
    mapping: dict[Index, Slot] = {index: Index.at(k, index.dim) for k, index in enumerate(order[:batch])}
    inner, inner_cores = [], []
    for arg, core in zip(args, bound, strict=True):
        own = tuple(Index.at(batch + k, index.dim) for k, index in enumerate(core))
        inner.append(arg.substitute({**mapping, **dict(zip(core, own, strict=True))}))
        inner_cores.append(own)
    shape = tuple(index.dim for index in order[:batch]) + tuple(core_shape)
    key = _digest(
        "apply",
        operation.name,
        tuple(sum_key(arg) for arg in inner),
        tuple(tuple(str(i.dim) for i in core) for core in inner_cores),
        tuple(map(str, shape)),
    )
    with Tensor._lock:
        found = Tensor._interned.get(key)
        if found is None:
            found = Apply()
            symmetries = {(*order, *range(batch, len(shape))) for order in _permutations(orders, batch)}
            if len(core_shape) == 2 and operation.symmetric(tuple(inner), batch):
                symmetries.add((*range(batch), batch + 1, batch))
            parts = _distinct(tensor for arg in inner for tensor in arg.tensors)
            sign = operation.sign(tuple(arg.sign for arg in inner))
            found._setup(key, shape, parts, sign, tuple(sorted(symmetries)))
            found.operation = operation
            found.args = tuple(inner)
            found.batch = batch
            found.cores = tuple(inner_cores)
            Tensor._interned[key] = found
    return found(*order[:batch], *result)


def nested(term: Term) -> Term:
    """The same term with its sum closed into one contraction factor, so that nothing is summed any more."""
    if not term.summed:
        return term
    return product(term.coefficient, [contraction(term.factors, term.summed)])


def flattened(term: Term, limit: int = 24) -> Term:
    """The same term with nested contractions opened, as long as it keeps to ``limit`` factors."""
    factors, summed, total = [], list(term.summed), len(term.factors)
    waiting = list(reversed(term.factors))
    while waiting:
        factor = waiting.pop()
        tensor = factor.tensor
        if isinstance(tensor, Contraction) and factor.power == 1 and total + len(tensor.factors) <= limit:
            inner = tensor.term(factor.slots)
            waiting.extend(inner.factors)
            summed.extend(inner.summed)
            total += len(inner.factors) - 1
        else:
            factors.append(factor)
    return product(term.coefficient, factors, tuple(summed))


def canonical(term: Term) -> Term:
    """The same term with its summed indices numbered canonically: equal terms become equal objects."""
    if not term.summed:
        return term
    free = sorted(term.free, key=lambda index: index.number)
    roles = {index: k for k, index in enumerate(free)}
    roles.update(dict.fromkeys(term.summed, len(free)))
    order, _ = _labelling([_Piece("", term.factors)], roles)
    # numbers between the canonical and the fresh ones: they can clash with neither
    mapping: dict[Index, Slot] = {
        index: Index.at(_FRESH_FROM // 2 + k, index.dim) for k, index in enumerate(order[len(free) :])
    }
    factors = [factor.substitute(mapping) for factor in term.factors]
    return product(term.coefficient, factors, tuple(i for i in mapping.values() if isinstance(i, Index)))


def topological(roots: Iterable[Tensor]) -> list[Tensor]:
    """The tensors that ``roots`` are made of, each after its parts; without recursion, in a fixed order."""
    done: dict[Tensor, None] = {}
    for root in roots:
        stack: list[tuple[Tensor, bool]] = [(root, False)]
        while stack:
            tensor, ready = stack.pop()
            if tensor in done or tensor is DELTA:
                continue
            if ready:
                done[tensor] = None
                continue
            stack.append((tensor, True))
            stack.extend((part, False) for part in reversed(tensor.parts) if part not in done)
    return list(done)
