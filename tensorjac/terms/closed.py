"""Tensors made of expressions: contractions, shared sums, primitives applied. Closed, they have no names of indices."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from fractions import Fraction

from ..dims import Dim
from .indices import FRESH_FROM, Index, Number, Slot, slot_labels
from .labelling import Piece, Renaming, canonical_order, images, permutations_between
from .sums import Sum, Term, number_key, product
from .tensors import DELTA, Factor, Operation, Tensor, digest, factor_key


class Contraction(Tensor):
    """A product of factors summed over indices: the axes are indices 0, 1, …, the summed ones follow."""

    __slots__ = ("factors", "signature", "summed")

    factors: tuple[Factor, ...]
    summed: tuple[Index, ...]
    signature: Number  # stands for the tensors that it holds and their powers, nested ones opened

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
        """The arguments at these batch slots, their core indices called as ``cores_at`` says."""
        mapping = dict(zip(self.axes[: self.batch], slots, strict=False))
        own = self.cores_at(slots)
        return tuple(
            arg.substitute({**mapping, **dict(zip(core, called, strict=True))})
            for arg, core, called in zip(self.args, self.cores, own, strict=True)
        )

    def cores_at(self, slots: Sequence[Slot]) -> tuple[tuple[Index, ...], ...]:
        """The core indices of each argument, by other names where a batch slot holds an index that is called so.

        max_k x[i, k] read at i = k is max_l x[k, l].
        """
        held = {label for slot in slots[: self.batch] for label in slot_labels(slot)}
        if not any(held.intersection(core) for core in self.cores):
            return self.cores
        taken = max(label.number for label in (*held, *self.axes) if label.number < FRESH_FROM // 4)
        return tuple(tuple(Index.at(taken + 1 + k, index.dim) for k, index in enumerate(core)) for core in self.cores)


def _distinct(tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
    return tuple(dict.fromkeys(tensor for tensor in tensors if tensor is not DELTA))


def _signature(factors: Sequence[Factor]) -> Number:
    total: Number = 0
    for tensor, _, power in factors:
        if isinstance(tensor, Contraction) and power == 1:
            total += tensor.signature
        else:
            total += int.from_bytes(tensor.key) * (Fraction(power) if isinstance(power, float) else power)
    return total


def signature(term: Term) -> Number:
    """Equal for terms that hold the same tensors to the same powers, nested contractions opened.

    The sum of powers times keys, which are as good as random: so that of a nested contraction is only added.
    """
    return _signature(term.factors)


def contraction(factors: Sequence[Factor], summed: Sequence[Index]) -> Factor:
    """The sum of the product over ``summed`` as one closed tensor, read at the indices that remain free."""
    # ties written alike first: which of several ways of writing them was given must not matter
    piece = Piece("", product(1, factors).factors)
    hidden = set(summed)
    roles = {label: 0 for factor in factors for label in factor.labels if label not in hidden}
    rank = len(roles)
    roles.update(dict.fromkeys(summed, 1))
    order, renamings = canonical_order([piece], roles)
    mapping: dict[Index, Slot] = {index: Index.at(k, index.dim) for k, index in enumerate(order)}
    body = product(1, [factor.substitute(mapping) for factor in factors]).factors
    shape = tuple(index.dim for index in order[:rank])
    sums = tuple(Index.at(k, index.dim) for k, index in enumerate(order) if k >= rank)
    key = digest("contraction", tuple(map(factor_key, body)), tuple(str(i.dim) for i in order), rank)
    with Tensor._lock:
        found = Tensor._interned.get(key)
        if found is None:
            found = Contraction()
            found._setup(
                key,
                shape,
                _distinct(factor.tensor for factor in body),
                min((factor.sign for factor in body), default=2),
                permutations_between(images(order[:rank], renamings)),
            )
            found.factors = body
            found.summed = sums
            found.signature = _signature(body)
            Tensor._interned[key] = found
    return found(*order[:rank])


def shared(body: Sum) -> Factor:
    """The sum as one closed tensor, read at its free indices."""
    order, renamings = _ordered(body)
    inner = _renumbered(body, order)
    shape = tuple(index.dim for index in order)
    key = digest("shared", sum_key(inner), tuple(map(str, shape)))
    with Tensor._lock:
        found = Tensor._interned.get(key)
        if found is None:
            found = Shared()
            symmetries = permutations_between(images(order, renamings))
            turning = _turning(body, order, inner)
            found._setup(key, shape, _distinct(inner.tensors), inner.sign, symmetries, turning)
            found.body = inner
            Tensor._interned[key] = found
    return found(*order)


def _ordered(body: Sum) -> tuple[tuple[Index, ...], list[Renaming]]:
    """The canonical order of the free indices of a sum, and the renamings that leave it as it is."""
    pieces = [Piece(number_key(term.coefficient), term.factors) for term in body.terms]
    return canonical_order(pieces, dict.fromkeys(body.labels, 0))


def _renumbered(body: Sum, order: Sequence[Index]) -> Sum:
    return body.substitute({index: Index.at(k, index.dim) for k, index in enumerate(order)})


def _turning(body: Sum, order: tuple[Index, ...], inner: Sum) -> tuple[tuple[int, ...], ...]:
    """The permutations of a sum's axes that turn its sign, as swapping i and j does in x[i] - x[j]."""
    if 2 * sum(term.coefficient < 0 for term in body.terms) != len(body.terms):
        return ()
    negative = Sum(Term(-term.coefficient, term.factors) for term in body.terms)
    other, renamings = _ordered(negative)
    if _renumbered(negative, other) != inner:
        return ()
    return permutations_between([order, *images(other, renamings)])


def sum_key(body: Sum) -> tuple[Hashable, ...]:
    """What a sum over canonical indices is, in plain hashable values that do not depend on creation order."""
    return tuple(
        (number_key(term.coefficient), *((k, tuple(s), p) for k, s, p in map(factor_key, term.factors)))
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
    orders = _batch_orders(operation, args, cores)
    order, batch = orders[0], len(orders[0])
    mapping: dict[Index, Slot] = {index: Index.at(k, index.dim) for k, index in enumerate(order)}
    inner, inner_cores = [], []
    for arg, core in zip(args, cores, strict=True):
        own = tuple(Index.at(batch + k, index.dim) for k, index in enumerate(core))
        inner.append(arg.substitute({**mapping, **dict(zip(core, own, strict=True))}))
        inner_cores.append(own)
    if operation.commutes:
        inner.sort(key=_place)
    shape = (*(index.dim for index in order), *core_shape)
    key = digest(
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
            symmetries = {(*order, *range(batch, len(shape))) for order in permutations_between(orders)}
            for exchange in operation.symmetries(tuple(inner), batch):
                symmetries.add((*range(batch), *(batch + k for k in exchange)))
            parts = _distinct(tensor for arg in inner for tensor in arg.tensors)
            sign = operation.sign(tuple(arg.sign for arg in inner))
            found._setup(key, shape, parts, sign, tuple(sorted(symmetries)))
            found.operation = operation
            found.args = tuple(inner)
            found.batch = batch
            found.cores = tuple(inner_cores)
            Tensor._interned[key] = found
    return found(*order, *result)


def _batch_orders(
    operation: Operation, args: Sequence[Sum], cores: Sequence[Sequence[Index]]
) -> list[tuple[Index, ...]]:
    """The canonical order of the indices that no argument binds, and behind it all orders as good."""
    roles: dict[Index, int] = {}
    for k, (arg, core) in enumerate(zip(args, cores, strict=True)):
        for label in arg.labels.difference(core):
            roles[label] = 0
        for position, index in enumerate(core):
            roles[index] = 1 + 16 * k + position
    batch = sum(role == 0 for role in roles.values())
    # arguments that may change places are told apart by what they are only, if each is one product
    alike = operation.commutes and all(len(arg.terms) <= 1 for arg in args)
    pieces = [
        Piece(f"{'' if alike else k}{number_key(term.coefficient)}", term.factors)
        for k, arg in enumerate(args)
        for term in arg.terms
    ]
    order, renamings = canonical_order(pieces, roles)
    return images(order[:batch], renamings)


def _place(arg: Sum) -> tuple[Hashable, ...]:
    """Where an argument stands among those with which it may change places: x before y, f(x) and 0."""
    names = sorted({name for tensor in arg.tensors for name in tensor.inputs})
    return not names, tuple(names), any(tensor.parts for tensor in arg.tensors), sum_key(arg)


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
    order, _ = canonical_order([Piece("", term.factors)], roles)
    # numbers between the canonical and the fresh ones: they can clash with neither
    mapping: dict[Index, Slot] = {
        index: Index.at(FRESH_FROM // 2 + k, index.dim) for k, index in enumerate(order[len(free) :])
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
