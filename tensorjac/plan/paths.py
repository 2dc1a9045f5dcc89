"""In which order to multiply: pairs of operands, the cheapest bracketing or a greedy one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import opt_einsum

from ..terms import Index
from .costs import MOVED, Costs

# Above this many factors, subsets are too many and the path optimiser's greedy order is used.
EXHAUSTIVE = 6
# Many small matrix products cost more than one large one of as many multiplications.
BATCHED = 1.25

Labels = frozenset[Index]


def path(parts: Sequence[Labels], out: Labels, costs: Costs) -> list[tuple[int, int]]:
    """Pairs of positions, the result of each going to the end of the list."""
    if len(parts) <= 1:
        return []
    if len(parts) == 2:
        return [(0, 1)]
    if len(parts) > EXHAUSTIVE:
        return _greedy(parts, out, costs)
    carried = _carried(parts, out)
    return _pairs(len(parts), _splits(len(parts), carried, costs))


def _greedy(parts: Sequence[Labels], out: Labels, costs: Costs) -> list[tuple[int, int]]:
    names = {x: opt_einsum.get_symbol(k) for k, x in enumerate(dict.fromkeys(x for part in parts for x in part))}
    sized = {names[label]: int(costs.extent(label)) for label in names}
    found = opt_einsum.paths.greedy(
        [frozenset(names[x] for x in part) for part in parts], frozenset(names[x] for x in out), sized
    )
    return [(pair[0], pair[1]) if len(pair) == 2 else (pair[0], pair[0]) for pair in found]


# Dynamic programming over subsets of the parts, each a bit mask.


def _carried(parts: Sequence[Labels], out: Labels) -> dict[int, Labels]:
    """The indices that the product of each subset still has: those that the outside needs."""
    places = range(len(parts))
    carried: dict[int, Labels] = {}
    for mask in range(1, 1 << len(parts)):
        inside: Labels = frozenset().union(*(parts[k] for k in places if mask >> k & 1))
        outside = out.union(*(parts[k] for k in places if not mask >> k & 1))
        carried[mask] = inside & outside if mask & (mask - 1) else parts[mask.bit_length() - 1]
    return carried


def _splits(count: int, carried: Mapping[int, Labels], costs: Costs) -> dict[int, int]:
    """One of the two subsets of which each subset is the product, where that is cheapest."""
    cost = {1 << k: 0.0 for k in range(count)}
    splits: dict[int, int] = {}
    for mask in range(1, 1 << count):
        if mask in cost:
            continue
        part = (mask - 1) & mask
        while part:
            other = mask ^ part
            if part > other:
                union = carried[part] | carried[other]
                flops = costs.volume(union)
                if union - carried[mask]:
                    flops *= 2 * (BATCHED if carried[part] & carried[other] & carried[mask] else 1)
                total = cost[part] + cost[other] + flops + MOVED * costs.volume(carried[mask])
                if mask not in cost or total < cost[mask]:
                    cost[mask], splits[mask] = total, part
            part = (part - 1) & mask
    return splits


def _pairs(count: int, splits: Mapping[int, int]) -> list[tuple[int, int]]:
    """The bracketing as pairs of positions."""
    waiting, products = [(1 << count) - 1], []
    while waiting:
        mask = waiting.pop()
        if mask in splits:
            products.append(mask)
            waiting += [splits[mask], mask ^ splits[mask]]
    order = [1 << k for k in range(count)]
    pairs: list[tuple[int, int]] = []
    for mask in reversed(products):
        part = splits[mask]
        a, b = sorted((order.index(part), order.index(mask ^ part)))
        pairs.append((a, b))
        order = [other for k, other in enumerate(order) if k not in (a, b)] + [mask]
    return pairs
