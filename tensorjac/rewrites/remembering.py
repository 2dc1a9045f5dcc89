"""What a rule makes of one tensor read in one way: found once while the tensor lives, however deep its parts nest."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import wraps
from typing import TypeVar, cast

from ..terms import Factor, Index, Sum, slot_labels
from .registry import assumptions, current_steps, switched_off, trying

# What a rule needs to know of parts nested deeper than this is found before it goes on.
DEEP = 16

_depth: ContextVar[int] = ContextVar("depth", default=0)

Found = TypeVar("Found", bound=Sum | None)


class _Deeper(Exception):
    """What has to be found first: it lies too deep to be found from here."""

    def __init__(self, find: Callable[[int], None]) -> None:
        context = copy_context()
        self.find: Callable[[int], None] = lambda depth: context.run(find, depth)


def remembered(rule: Callable[..., Found]) -> Callable[..., Found]:
    """A rule about a factor to the first power, and indices over which it is summed, that is asked once for each tensor
    and way of reading it.

    The layers of a network are made of each other: otherwise every layer would ask down to the first one, and where
    each is made of two reads of the one before, twice as often as that.
    """

    @wraps(rule)
    def once(factor: Factor, *summed: Index) -> Found:
        if current_steps.get() is not None:
            return rule(factor, *summed)
        used = dict.fromkeys([*(label for slot in factor.slots for label in slot_labels(slot)), *summed])
        names = {label: Index.at(k, label.dim) for k, label in enumerate(used)}
        moved, over = factor.substitute(dict(names)), tuple(names[label] for label in summed)
        known = factor.tensor.known
        key = (rule, moved.slots, over, assumptions.get(), switched_off.get(), trying.get())

        def find(depth: int) -> None:
            token = _depth.set(depth + 1)
            try:
                known[key] = rule(moved, *over)
            finally:
                _depth.reset(token)

        if key not in known:
            _find(find)
        found = known[key]
        back = None if found is None else found.substitute({name: label for label, name in names.items()})
        return cast("Found", back)

    return once


def _find(find: Callable[[int], None]) -> None:
    """Find something, and before it what lies too deep below it."""
    depth = _depth.get()
    if depth == DEEP:
        raise _Deeper(find)
    if depth:
        find(depth)
        return
    waiting, done = [find], []
    while waiting:
        try:
            waiting[-1](0)
        except _Deeper as deeper:
            waiting.append(deeper.find)
        else:
            # kept until the end, and with it its tensor: that may have been made on the way, and nothing else holds it
            done.append(waiting.pop())
