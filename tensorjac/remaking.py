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
        if whole._again is not None:
            found._again = lambda sizes: made(whole._made_again(sizes), *args, **kwargs)
        return found

    return made


def combined(
    outer: Compiled,
    inner: Sequence[Compiled],
    called: Mapping[str, Dim],
    combine: Callable[..., Any],
) -> Callable[[Mapping[str, Dim]], Any] | None:
    """How a function that several were put together to is made again; its outermost one calls sizes otherwise."""
    if any(each._again is None for each in (outer, *inner)):
        return None
    names = {name for dims in outer._parts.inputs.values() for dim in dims for name in dim.names}

    def made(sizes: Mapping[str, Dim]) -> Any:
        own = {name: called.get(name, Dim.of(name)).substitute(sizes) for name in names}
        return combine(outer._made_again(own), *(each._made_again(sizes) for each in inner))

    return made
