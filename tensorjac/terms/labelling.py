"""The canonical order of indices, by colour refinement and individualisation of ties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from .indices import Index, Slot, slot_labels, slot_parts
from .sums import is_tie, product, tied_classes
from .tensors import DELTA, Factor, factor_key

_LEAVES = 720  # the search among indistinguishable labels stops here; a missed symmetry costs speed, never truth


class Piece(NamedTuple):
    """Factors that are multiplied, and what distinguishes this product from the others beside it."""

    tag: str
    factors: tuple[Factor, ...]


def _pattern(slot: Slot, colour: Mapping[Index, int]) -> tuple[str, tuple[int, ...]]:
    if isinstance(slot, Index):
        return ("", (colour[slot],))
    parts = sorted((str(c), colour[index]) for index, c in slot.parts)
    return ("+".join([str(slot.constant), *(c for c, _ in parts)]), tuple(k for _, k in parts))


def _refined(pieces: Sequence[Piece], colour: dict[Index, int]) -> dict[Index, int]:
    """Colour refinement: labels that are used differently get different colours, until nothing changes."""
    alike = [tied_classes(factors, ()) for _, factors in pieces]
    while True:
        seen: dict[Index, list[str]] = {index: [] for index in colour}
        for (tag, factors), classes in zip(pieces, alike, strict=True):
            shade = {**colour, **{i: min(colour[m] for m in members) for i, members in classes.items()}}
            for tensor, slots, power in factors:
                patterns = [_pattern(slot, shade) for slot in slots]
                if tensor is DELTA:
                    look: tuple[object, ...] = (tag, tensor.key)
                    tied = next((classes[i] for i in slot_labels(slots[0]) if i in classes), None)
                    if tied is not None and is_tie(Factor(tensor, slots, power), ()):
                        # which of the tied indices stands in which δ is a matter of writing, too
                        use = repr((*look, tuple(sorted(colour[i] for i in tied))))
                        for member in tied:
                            seen[member].append(use)
                        continue
                    # a δ and its negative are the same condition, so which side a label is on says nothing
                    both = sorted({k for _, ks in patterns for k in ks})
                    for slot in slots:
                        for index, c in slot_parts(slot)[1]:
                            seen[index].append(repr((*look, str(c * c), tuple(both))))
                    continue
                mixed = bool(tensor.symmetries_of_power(power))
                arrangement = tuple(sorted(patterns) if mixed else patterns)
                common = repr((tag, tensor.key, str(power), arrangement))[:-1]
                for position, slot in enumerate(slots):
                    for index, c in slot_parts(slot)[1]:
                        use = f"{common}, {-1 if mixed else position}, {str(c)!r})"
                        # which of several tied indices a factor carries is a matter of writing
                        for member in classes.get(index, (index,)):
                            seen[member].append(use)
        signatures = {index: f"{colour[index]:06d}[{', '.join(sorted(uses))}]" for index, uses in seen.items()}
        ranked = {text: k for k, text in enumerate(sorted(set(signatures.values())))}
        if len(ranked) == len(set(colour.values())):
            return colour
        colour = {index: ranked[text] for index, text in signatures.items()}


def _form(pieces: Sequence[Piece], order: Sequence[Index]) -> tuple[tuple[str, tuple[object, ...]], ...]:
    """The pieces with the labels numbered in this order: equal forms are equal expressions."""
    mapping: dict[Index, Slot] = {index: Index.at(k, index.dim) for k, index in enumerate(order)}
    return tuple(
        sorted(
            (tag, tuple(factor_key(f) for f in product(1, [f.substitute(mapping) for f in factors]).factors))
            for tag, factors in pieces
        )
    )


def _orders(pieces: Sequence[Piece], colour: dict[Index, int]) -> Iterator[tuple[Index, ...]]:
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


def canonical_order(
    pieces: Sequence[Piece], roles: Mapping[Index, int]
) -> tuple[tuple[Index, ...], list[tuple[Index, ...]]]:
    """The canonical order of the labels (by role first), and all orders that give the same form."""
    looks = {index: (roles[index], str(index.dim)) for index in roles}
    ranked = {look: k for k, look in enumerate(sorted(set(looks.values())))}
    colour = {index: ranked[look] for index, look in looks.items()}
    if len(ranked) == len(colour):
        order = tuple(sorted(colour, key=lambda index: colour[index]))
        return order, [order]
    found = list(islice(_orders(pieces, colour), _LEAVES + 1))
    if len(found) == 1:
        return found[0], found
    forms = [_form(pieces, order) for order in found]
    best = min(forms)
    orders = [order for order, form in zip(found, forms, strict=True) if form == best]
    return orders[0], orders


def permutations_between(orders: Sequence[tuple[Index, ...]], rank: int) -> tuple[tuple[int, ...], ...]:
    """The axis permutations by which equally good orders of the output labels differ."""
    place = {index: k for k, index in enumerate(orders[0][:rank])}
    found = {tuple(place[index] for index in order[:rank]) for order in orders}
    return tuple(sorted(found - {tuple(range(rank))}))
