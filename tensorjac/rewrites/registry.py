"""The registry of named identities: which there are, which are switched on, and what they have done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

from ..dims import Requirement
from ..primitives import Primitive
from ..terms import Sum, Term

Rule = Callable[[Term], Sum | None]


FunctionRule = Callable[[Primitive, tuple[Sum, ...]], Sum | None]


@dataclass(frozen=True)
class Rewrite:
    """A named identity: what it says, and why applying it ends."""

    name: str
    identity: str


class Step(NamedTuple):
    """One application of a rewrite, for ``explain``."""

    name: str
    before: Term
    after: Sum


REWRITES: dict[str, Rewrite] = {}


switched_off: ContextVar[frozenset[str]] = ContextVar("disabled", default=frozenset())


assumptions: ContextVar[tuple[Requirement, ...]] = ContextVar("assumed", default=())


current_steps: ContextVar[list[Step] | None] = ContextVar("steps", default=None)


# Whether terms merge is tried out. Within such a trial nothing else is: each would try all factors, and so on.
trying: ContextVar[bool] = ContextVar("trying", default=False)


TERM_RULES: list[tuple[str, Rule]] = []


PRODUCT_RULES: list[tuple[str, Rule]] = []


FUNCTION_RULES: dict[str, list[tuple[str, FunctionRule]]] = {}


def name_identity(name: str, identity: str | None) -> None:
    REWRITES[name] = Rewrite(name, " ".join((identity or "").split()))


def term_rewrite(name: str) -> Callable[[Rule], Rule]:
    """Register an identity about a product under a sum: a term to the sum that it equals, or None."""

    def register(rule: Rule) -> Rule:
        name_identity(name, rule.__doc__)
        TERM_RULES.append((name, rule))
        return rule

    return register


def product_rewrite(name: str) -> Callable[[Rule], Rule]:
    """Register what a named identity says about a product that sums nothing."""

    def register(rule: Rule) -> Rule:
        PRODUCT_RULES.append((name, rule))
        return rule

    return register


def function_rewrite(name: str, *primitives: str) -> Callable[[FunctionRule], FunctionRule]:
    """Register an identity about a primitive applied to arguments."""

    def register(rule: FunctionRule) -> FunctionRule:
        name_identity(name, rule.__doc__)
        for primitive in primitives:
            FUNCTION_RULES.setdefault(primitive, []).append((name, rule))
        return rule

    return register


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Build expressions with these rewrites switched off."""
    unknown = set(names) - REWRITES.keys()
    if unknown:
        raise KeyError(f"no rewrite is called {sorted(unknown)}; there are {sorted(REWRITES)}")
    token = switched_off.set(switched_off.get() | set(names))
    try:
        yield
    finally:
        switched_off.reset(token)


@contextmanager
def assuming(requirements: Iterable[Requirement]) -> Iterator[None]:
    """Let proofs about ranges use these facts about sizes."""
    token = assumptions.set((*assumptions.get(), *requirements))
    try:
        yield
    finally:
        assumptions.reset(token)


@contextmanager
def recording() -> Iterator[list[Step]]:
    """Collect every application of a term rewrite, in order."""
    steps: list[Step] = []
    token = current_steps.set(steps)
    try:
        yield steps
    finally:
        current_steps.reset(token)


def term_rules() -> Iterator[tuple[str, Rule]]:
    """The rewrites of products under a sum that are switched on, in the order in which they are tried."""
    yield from ((name, rule) for name, rule in TERM_RULES if is_on(name))


def is_on(name: str) -> bool:
    return name not in switched_off.get()
