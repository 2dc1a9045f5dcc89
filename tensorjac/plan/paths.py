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

# Up to this many, runs of neighbours are compared as well.
CHAIN = 40

Labels = frozenset[Index]
Pair = tuple[int, int]


def path(parts: Sequence[Labels], out: Labels, costs: Costs) -> list[Pair]:
    """Pairs of positions, the result of each going to the end of the list."""
    if len(parts) <= 1:
        return []
    if len(parts) == 2:
        return [(0, 1)]
    if len(parts) <= EXHAUSTIVE:
        carried = _carried(parts, out)
        return _pairs(len(parts), _splits(len(parts), carried, costs))
    candidates = [_greedy(parts, out, costs)]
    if len(parts) <= CHAIN:
        candidates.append(bracketed(parts, out, costs))
    return min(candidates, key=lambda pairs: cost_of(pairs, parts, out, costs))


def cost_of(pairs: Sequence[Pair], parts: Sequence[Labels], out: Labels, costs: Costs) -> float:
    """What the products cost in this order, in multiplications."""
    left, total = list(parts), 0.0
    for a, b in pairs:
        rest = [labels for k, labels in enumerate(left) if k not in (a, b)]
        kept = (left[a] | left[b]) & out.union(*rest)
        total += _cost(left[a], left[b], kept, costs)
        left = [*rest, kept]
    return total


def _cost(a: Labels, b: Labels, kept: Labels, costs: Costs) -> float:
    union = a | b
    flops = costs.volume(union)
    if union - kept:
        flops *= 2 * (BATCHED if a & b & kept else 1)
    return flops + MOVED * costs.volume(kept)


def _greedy(parts: Sequence[Labels], out: Labels, costs: Costs) -> list[Pair]:
    found = optimised("greedy", parts, out, costs)
    return [(pair[0], pair[1]) if len(pair) == 2 else (pair[0], pair[0]) for pair in found]


def optimised(method: str, parts: Sequence[Labels], out: Labels, costs: Costs) -> list[tuple[int, ...]]:
    """The path that opt_einsum finds by a method of its own, in its own form."""
    names = {x: opt_einsum.get_symbol(k) for k, x in enumerate(dict.fromkeys(x for part in parts for x in part))}
    sized = {names[label]: int(costs.extent(label)) for label in names}
    search = opt_einsum.paths.get_path_fn(method)
    named = [frozenset(names[x] for x in part) for part in parts]
    return list(search(named, frozenset(names[x] for x in out if x in names), sized))


# Dynamic programming over the runs of a line. Of a chain it finds the best order of all, forward and reverse included.


def bracketed(parts: Sequence[Labels], out: Labels, costs: Costs) -> list[Pair]:
    """The cheapest way to multiply neighbours, the parts standing in a line in which neighbours share an index."""
    line = _line(parts, out)
    count = len(line)
    inside = {(k, k): parts[place] for k, place in enumerate(line)}
    before = [out]
    for place in line:
        before.append(before[-1] | parts[place])
    after = [frozenset[Index]()]
    for place in reversed(line):
        after.append(after[-1] | parts[place])
    cost = {(k, k): 0.0 for k in range(count)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for first in range(count - length):
            last = first + length
            outside = before[first] | after[count - 1 - last]
            kept = (inside[first, last - 1] | inside[last, last]) & outside
            inside[first, last] = kept
            cost[first, last], split[first, last] = min(
                (
                    cost[first, k] + cost[k + 1, last] + _cost(inside[first, k], inside[k + 1, last], kept, costs),
                    k,
                )
                for k in range(first, last)
            )
    return _pairs_of_runs(line, split)


def _line(parts: Sequence[Labels], out: Labels) -> list[int]:
    """The places of the parts in a line: from one that the result shares, always on to one that shares most."""
    left = list(range(len(parts)))
    line: list[int] = []
    front = out
    while left:
        best = max(left, key=lambda k: (len(parts[k] & front), -k))
        left.remove(best)
        line.append(best)
        front = parts[best] - out or parts[best]
    return line


def _pairs_of_runs(line: Sequence[int], split: Mapping[tuple[int, int], int]) -> list[Pair]:
    order: list[object] = list(range(len(line)))
    pairs: list[Pair] = []
    stack: list[tuple[int, int, bool]] = [(0, len(line) - 1, False)]
    while stack:
        first, last, ready = stack.pop()
        if first == last:
            continue
        k = split[first, last]
        if not ready:
            stack += [(first, last, True), (k + 1, last, False), (first, k, False)]
            continue
        sides = [order.index(line[a] if a == b else (a, b)) for a, b in ((first, k), (k + 1, last))]
        a, b = sorted(sides)
        pairs.append((a, b))
        order = [item for place, item in enumerate(order) if place not in (a, b)] + [(first, last)]
    return pairs


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
    """One of the two subsets of which each subset is the product, where that is cheapest: of two that cost the same,
    that which multiplies by a number last."""
    cost = {1 << k: 0.0 for k in range(count)}
    splits: dict[int, int] = {}
    late: set[int] = set()
    for mask in range(1, 1 << count):
        if mask in cost:
            continue
        part = (mask - 1) & mask
        while part:
            other = mask ^ part
            if part > other:
                total = cost[part] + cost[other] + _cost(carried[part], carried[other], carried[mask], costs)
                number = not (carried[part] and carried[other])
                if mask not in cost or total < cost[mask] or (total == cost[mask] and number and mask not in late):
                    cost[mask], splits[mask] = total, part
                    late.add(mask) if number else late.discard(mask)
            part = (part - 1) & mask
    return splits


def _pairs(count: int, splits: Mapping[int, int]) -> list[Pair]:
    """The bracketing as pairs of positions."""
    waiting, products = [(1 << count) - 1], []
    while waiting:
        mask = waiting.pop()
        if mask in splits:
            products.append(mask)
            waiting += [splits[mask], mask ^ splits[mask]]
    order = [1 << k for k in range(count)]
    pairs: list[Pair] = []
    for mask in reversed(products):
        part = splits[mask]
        a, b = sorted((order.index(part), order.index(mask ^ part)))
        pairs.append((a, b))
        order = [other for k, other in enumerate(order) if k not in (a, b)] + [mask]
    return pairs
