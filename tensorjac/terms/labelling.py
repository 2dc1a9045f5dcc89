"""The canonical order of indices, by colour refinement and individualisation of ties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import factorial
from typing import NamedTuple

from .indices import Index, Slot, slot_labels, slot_parts
from .sums import is_tie, product, tied_classes
from .tensors import DELTA, Factor, factor_key

_LEAVES = 720  # the search among indistinguishable labels stops here; a missed symmetry costs speed, never truth

# Pieces with their labels numbered.
Form = tuple[tuple[str, tuple[object, ...]], ...]

# An affine form with its labels coloured.
Pattern = tuple[str, tuple[int, ...]]

# What each label is called instead.
Renaming = dict[Index, Index]


class Piece(NamedTuple):
    """Factors that are multiplied, and what distinguishes this product from the others beside it."""

    tag: str
    factors: tuple[Factor, ...]


def _pattern(slot: Slot, colour: Mapping[Index, int]) -> Pattern:
    if isinstance(slot, Index):
        return ("", (colour[slot],))
    parts = sorted((str(c), colour[index]) for index, c in slot.parts)
    return ("+".join([str(slot.constant), *(c for c, _ in parts)]), tuple(k for _, k in parts))


def _arranged(
    patterns: Sequence[Pattern], orders: Sequence[tuple[int, ...]]
) -> tuple[tuple[Pattern, ...], Sequence[int]]:
    """The patterns in the least of the orders that a tensor's symmetries allow, and the first place of each there."""
    count = len(patterns)
    if not orders:
        return tuple(patterns), range(count)
    if len(orders) + 1 == factorial(count):
        return tuple(sorted(patterns)), [0] * count
    choices = [(tuple([patterns[k] for k in order]), order) for order in (tuple(range(count)), *orders)]
    least = min(arrangement for arrangement, _ in choices)
    alike = [order for arrangement, order in choices if arrangement == least]
    return least, [min(order.index(k) for order in alike) for k in range(count)]


def _condition(form: Slot, colour: Mapping[Index, int]) -> tuple[object, dict[Index, str]]:
    """A δ's form or its negative, which is the same condition, whichever is less; and the weight of each label there.

    Where both are alike, the weights are without their signs.
    """
    constant, parts = slot_parts(form)
    ways = [
        (str(offset), sorted((str(c if sign > 0 else -c), colour[index]) for index, c in parts))
        for sign, offset in ((1, constant), (-1, -constant))
    ]
    if ways[0] == ways[1]:
        return ways[0], {index: str(c * c) for index, c in parts}
    least = min(ways)
    return least, {index: str(c if least is ways[0] else -c) for index, c in parts}


def _refined(pieces: Sequence[Piece], colour: dict[Index, int]) -> dict[Index, int]:
    """Colour refinement: labels that are used differently get different colours, until nothing changes."""
    alike = [tied_classes(factors, ()) for _, factors in pieces]
    while True:
        seen: dict[Index, list[str]] = {index: [] for index in colour}
        for (tag, factors), classes in zip(pieces, alike, strict=True):
            shade = {**colour, **{i: min(colour[m] for m in members) for i, members in classes.items()}}
            for tensor, slots, power in factors:
                if tensor is DELTA:
                    look: tuple[object, ...] = (tag, tensor.key)
                    tied = next((classes[i] for i in slot_labels(slots[0]) if i in classes), None)
                    if tied is not None and is_tie(Factor(tensor, slots, power), ()):
                        # which of the tied indices stands in which δ is a matter of writing, too
                        use = repr((*look, tuple(sorted(colour[i] for i in tied))))
                        for member in tied:
                            seen[member].append(use)
                        continue
                    form, weights = _condition(slots[0], shade)
                    for index, weight in weights.items():
                        seen[index].append(repr((*look, form, weight)))
                    continue
                patterns = [_pattern(slot, shade) for slot in slots]
                arrangement, places = _arranged(patterns, tensor.symmetries_of_power(power))
                common = repr((tag, tensor.key, str(power), arrangement))[:-1]
                for place, slot in zip(places, slots, strict=True):
                    for index, c in slot_parts(slot)[1]:
                        use = f"{common}, {place}, {str(c)!r})"
                        # which of several tied indices a factor carries is a matter of writing
                        for member in classes.get(index, (index,)):
                            seen[member].append(use)
        signatures = {index: f"{colour[index]:06d}[{', '.join(sorted(uses))}]" for index, uses in seen.items()}
        ranked = {text: k for k, text in enumerate(sorted(set(signatures.values())))}
        if len(ranked) == len(set(colour.values())):
            return colour
        colour = {index: ranked[text] for index, text in signatures.items()}


def _form(pieces: Sequence[Piece], order: Sequence[Index]) -> Form:
    """The pieces with the labels numbered in this order: equal forms are equal expressions."""
    mapping: dict[Index, Slot] = {index: Index.at(k, index.dim) for k, index in enumerate(order)}
    forms = []
    for tag, factors in pieces:
        renamed = product(1, [factor.substitute(mapping) for factor in factors]).factors
        forms.append((tag, tuple((key, tuple(slots), power) for key, slots, power in map(factor_key, renamed))))
    return tuple(sorted(forms))


class Branch(NamedTuple):
    """A choice among labels that refinement cannot tell apart, after those chosen before it."""

    path: tuple[Index, ...]
    chosen: Index
    tried: set[Index]  # what was chosen here before
    colour: dict[Index, int]


def _branches(path: tuple[Index, ...], colour: dict[Index, int]) -> list[Branch]:
    """The ways to tell labels of one colour apart; none where each has its own."""
    classes: dict[int, list[Index]] = {}
    for index, k in colour.items():
        classes.setdefault(k, []).append(index)
    tied = next((classes[k] for k in sorted(classes) if len(classes[k]) > 1), ())
    tried: set[Index] = set()
    # doubling makes room for the chosen label just before the rest of its class
    return [
        Branch(path, one, tried, {i: 2 * k + (k == colour[one] and i is not one) for i, k in colour.items()})
        for one in tied
    ]


def _searched(pieces: Sequence[Piece], colour: dict[Index, int]) -> tuple[tuple[Index, ...], list[Renaming]]:
    """The order of the least form, and renamings that change nothing, of which all others are made.

    What a renaming found makes of a branch that is done need not be looked at (McKay, Practical graph isomorphism,
    1981).
    """
    leaves: dict[Form, tuple[tuple[Index, ...], tuple[Index, ...]]] = {}
    found: list[Renaming] = []
    stack = _branches((), colour)
    while stack and len(leaves) <= _LEAVES:
        path, chosen, tried, colour = stack.pop()
        fixing = [renaming for renaming in found if all(renaming[label] is label for label in path)]
        if any(label in tried for (label,) in images((chosen,), fixing)):
            continue
        tried.add(chosen)
        path, colour = (*path, chosen), _refined(pieces, colour)
        further = _branches(path, colour)
        if further:
            stack += further
            continue
        order = _by_colour(colour)
        before, like = leaves.setdefault(_form(pieces, order), (path, order))
        if like is not order:
            found.append(dict(zip(like, order, strict=True)))
            common = next(k for k, (one, other) in enumerate(zip(before, path, strict=False)) if one is not other)
            while stack and len(stack[-1].path) > common:
                stack.pop()
    return leaves[min(leaves)][1], found


def canonical_order(pieces: Sequence[Piece], roles: Mapping[Index, int]) -> tuple[tuple[Index, ...], list[Renaming]]:
    """The canonical order of the labels (by role first), and renamings of which all are made that keep the form."""
    looks = {index: (roles[index], str(index.dim)) for index in roles}
    ranked = {look: k for k, look in enumerate(sorted(set(looks.values())))}
    colour = {index: ranked[look] for index, look in looks.items()}
    if len(ranked) < len(colour):
        colour = _refined(pieces, colour)
        if len(set(colour.values())) < len(colour):
            return _searched(pieces, colour)
    return _by_colour(colour), []


def _by_colour(colour: Mapping[Index, int]) -> tuple[Index, ...]:
    return tuple(sorted(colour, key=lambda index: colour[index]))


def images(labels: tuple[Index, ...], renamings: Sequence[Renaming]) -> list[tuple[Index, ...]]:
    """The labels, and all that renamings make of them, one after the other."""
    found = {labels: None}
    waiting = [labels]
    while waiting and renamings and len(found) <= _LEAVES:
        one = waiting.pop()
        for renaming in renamings:
            other = tuple([renaming[label] for label in one])
            if other not in found:
                found[other] = None
                waiting.append(other)
    return list(found)


def permutations_between(orders: Sequence[tuple[Index, ...]]) -> tuple[tuple[int, ...], ...]:
    """The permutations by which orders of labels differ from the first."""
    place = {index: k for k, index in enumerate(orders[0])}
    found = {tuple(place[index] for index in order) for order in orders}
    return tuple(sorted(found - {tuple(range(len(place)))}))
