"""Expressions restricted to a part of an index: where tensors are read along it, parts of them are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..dims import Dim
from ..primitives import Primitive
from ..terms import (
    DELTA,
    Apply,
    Constant,
    Contraction,
    Factor,
    Index,
    Input,
    Shared,
    Slot,
    Sum,
    Tensor,
    Term,
    constant,
    of_factor,
    slot_labels,
    slot_parts,
)
from .building import apply, contract, multiply, power, substitute
from .sums import add

# A tensor, and those of its axes that are cut.
Cut = tuple[Tensor, frozenset[int]]
Expression = tuple[tuple[Index, ...], Sum]


def restricted(
    terms: Sequence[tuple[Term, Index]], into: Index, leaf: Callable[[Tensor, frozenset[int]], Input]
) -> Sum | None:
    """The terms with the index ``into``, of a smaller size, in the place of an index of each; None where it cannot be.

    ``leaf`` is asked for what an input or a captured array becomes, cut along some of its axes. The value of an index
    must not matter: what reads it with an offset, compares it or sums over it cannot be cut.

    >>> b, part = Index.fresh(Dim.of("b")), Index.fresh(Dim.of("part"))
    >>> x = Input("x", (b.dim,))
    >>> found = restricted([(Term(1, (x(b),)), b)], part, lambda tensor, axes: Input("x_", (part.dim,)))
    >>> found == of_factor(Input("x_", (part.dim,))(part))
    True
    """
    roots = [cut for term, label in terms for cut in _cuts(term.factors, {label})]
    order = _ordered(roots)
    if order is None:
        return None
    reader = _Reader(into.dim, leaf)
    for cut in order:
        reader.built[cut] = reader.restricted(*cut)
    return add(*(reader.moved(term, {label: into}) for term, label in terms))


def _cuts(factors: Iterable[Factor], labels: set[Index]) -> Iterator[Cut]:
    """The tensors that are read along these indices."""
    for tensor, slots, _ in factors:
        places = frozenset(k for k, slot in enumerate(slots) if not labels.isdisjoint(slot_labels(slot)))
        if places and not (tensor is DELTA and _ties(slots[0], labels)):
            bare = all(isinstance(slots[k], Index) for k in places)
            # what is read with an offset can be cut no more than a δ can
            yield tensor if bare else DELTA, places


def _ties(form: Slot, labels: set[Index]) -> bool:
    """Whether a δ ties two of these indices, and so those of each part to each other."""
    offset, parts = slot_parts(form)
    weights = {weight.value for label, weight in parts if label in labels}
    return offset.value == 0 and len(parts) == 2 and weights == {1, -1}


def _inside(tensor: Tensor) -> Iterator[Factor]:
    """What a tensor consists of, over its own axes."""
    if isinstance(tensor, Contraction):
        yield from tensor.factors
    bodies = [tensor.body] if isinstance(tensor, Shared) else tensor.args if isinstance(tensor, Apply) else ()
    for body in bodies:
        for term in body.terms:
            yield from term.factors


def _may_be(cut: Cut) -> bool:
    tensor, places = cut
    if isinstance(tensor, Apply):
        return max(places) < tensor.batch
    return isinstance(tensor, Input | Constant | Contraction | Shared) and max(places) < tensor.rank


def _ordered(roots: Iterable[Cut]) -> list[Cut] | None:
    """All tensors that are to be cut, each after those that it consists of; None where one cannot be."""
    done: dict[Cut, None] = {}
    stack = [(cut, False) for cut in roots]
    while stack:
        cut, ready = stack.pop()
        if cut in done:
            continue
        if not _may_be(cut):
            return None
        if ready:
            done[cut] = None
            continue
        tensor, places = cut
        stack.append((cut, True))
        stack += [(inner, False) for inner in _cuts(_inside(tensor), {tensor.axes[k] for k in places})]
    return list(done)


class _Reader:
    def __init__(self, part: Dim, leaf: Callable[[Tensor, frozenset[int]], Input]) -> None:
        self.part = part
        self.leaf = leaf
        self.built: dict[Cut, Expression] = {}

    def restricted(self, tensor: Tensor, places: frozenset[int]) -> Expression:
        """The tensor over its axes, new ones where it is cut."""
        axes = tuple(Index.fresh(self.part) if k in places else axis for k, axis in enumerate(tensor.axes))
        mapping = {tensor.axes[k]: axes[k] for k in places}
        if isinstance(tensor, Input | Constant):
            return axes, of_factor(self.leaf(tensor, places)(*axes))
        if isinstance(tensor, Contraction):
            return axes, self.moved(tensor.term(tensor.axes), mapping)
        if isinstance(tensor, Shared):
            return axes, add(*(self.moved(term, mapping) for term in tensor.body.terms))
        assert isinstance(tensor, Apply)
        assert isinstance(tensor.operation, Primitive)
        args = [add(*(self.moved(term, mapping) for term in arg.terms)) for arg in tensor.args]
        cores = tensor.cores if any(tensor.cores) else ()
        core = tensor.shape[tensor.batch :]
        return axes, apply(tensor.operation, args, cores, axes[tensor.batch :], core)

    def moved(self, term: Term, mapping: Mapping[Index, Index]) -> Sum:
        """The term with the new indices."""
        pieces = [constant(term.coefficient)]
        for factor in term.factors:
            cut = next(_cuts([factor], set(mapping)), None)
            if cut is None:
                pieces.append(of_factor(factor.substitute(mapping)))
            else:
                axes, inner = self.built[cut]
                slots = [mapping.get(slot, slot) if isinstance(slot, Index) else slot for slot in factor.slots]
                pieces.append(power(substitute(inner, dict(zip(axes, slots, strict=True))), factor.power))
        return contract(multiply(*pieces), [mapping.get(label, label) for label in term.summed])
