"""Functions made again, from the beginning, with numbers in the place of sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from .calls import Compiled
from .dims import Dim

P = ParamSpec("P")
Whole = TypeVar("Whole", bound=Compiled)
Made = TypeVar("Made", bound=Compiled)


def remade(derive: Callable[Concatenate[Whole, P], Made]) -> Callable[Concatenate[Whole, P], Made]:
    """A method that makes a function from another, and makes it again where the other is made again."""

    @wraps(derive)
    def made(whole: Whole, /, *args: P.args, **kwargs: P.kwargs) -> Made:
        found = derive(whole, *args, **kwargs)
        again = whole._again
        if again is not None:
            found._again = lambda sizes: made(again(sizes), *args, **kwargs)
        return found

    return made


def combined(
    outer: Compiled,
    inner: Sequence[Compiled],
    called: Mapping[str, Dim],
    combine: Callable[..., Any],
) -> Callable[[Mapping[str, Dim]], Any] | None:
    """How a function that several were put together to is made again; its outermost one calls sizes otherwise."""
    again = outer._again
    agains = [each._again for each in inner if each._again is not None]
    if again is None or len(agains) < len(inner):
        return None
    names = {name for dims in outer._parts.inputs.values() for dim in dims for name in dim.names}

    def made(sizes: Mapping[str, Dim]) -> Any:
        own = {name: called.get(name, Dim.of(name)).substitute(sizes) for name in names}
        return combine(again(own), *(each(sizes) for each in agains))

    return made
