"""How a person's function is called, and what it returns: by name or by position, a tuple, a dict or one array."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import TraceError
from .questions import Arguments, Question, Target

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Calling:
    """How a person's function takes its arguments: by name where names fit, else by position.

    Inputs are recognised by their names, in either case; what is left over are the cotangents, in order.
    """

    fun: Callable[..., Any]
    question: Question
    by_name: tuple[tuple[str, str], ...] | None = None
    rest: tuple[str, ...] = ()

    @staticmethod
    def of(question: Question, fun: Callable[..., Any]) -> Calling:
        """The way that the parameters of a function suggest."""
        plain = Calling(fun, question)
        try:
            parameters = list(inspect.signature(fun).parameters.values())
        except (TypeError, ValueError):
            return plain
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            return plain
        return plain._matched([p for p in parameters if p.kind is not p.VAR_KEYWORD])

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.question.shapes)

    @property
    def cotangents(self) -> tuple[str, ...]:
        return self.question.cotangents

    @property
    def name(self) -> str:
        return str(getattr(self.fun, "__name__", type(self.fun).__name__)).strip("<>")

    def _matched(self, parameters: Sequence[inspect.Parameter]) -> Calling:
        lower = {name.lower(): name for name in self.inputs if sum(n.lower() == name.lower() for n in self.inputs) == 1}
        own = {p.name: p.name if p.name in self.inputs else lower.get(p.name.lower(), "") for p in parameters}
        by_name = {p: name for p, name in own.items() if name and p not in self.cotangents}
        required = [p.name for p in parameters if p.default is p.empty]
        rest = tuple(p for p in required if p not in by_name)
        wanted = len(self.cotangents)
        if any(p.kind is p.POSITIONAL_ONLY for p in parameters):
            return self
        if not by_name:
            return replace(self, by_name=(), rest=rest) if len(required) == wanted and wanted else self
        # how many outputs a black box has is known only when it has run
        fits = len(rest) in (0, wanted) or not self.question.exact
        if len(set(by_name.values())) == len(by_name) and fits:
            return replace(self, by_name=tuple(by_name.items()), rest=rest)
        if len(required) == len(self.inputs) + wanted:
            return self
        raise TraceError(
            f"{self.name} takes ({', '.join(p.name for p in parameters)}), and the check passes "
            f"({', '.join((*self.inputs, *self.cotangents))}): name parameters so, or take all in this order."
        )

    def __call__(self, args: Mapping[str, Array]) -> Any:
        cotangents = [args[name] for name in self.cotangents]
        if self.by_name is None:
            return self.fun(*[args[name] for name in self.inputs], *cotangents)
        given = {parameter: args[own] for parameter, own in self.by_name}
        return self.fun(**given, **dict(zip(self.rest, cotangents, strict=False)))


def split(result: Any, targets: Sequence[Target], every: Sequence[Target], name: str) -> Mapping[Arguments, Any]:
    """What a function returned, by target: a tuple in order of the inputs, a dict by name, or one array."""
    if isinstance(result, Mapping):
        return _split_by_name(result, every, name)
    if isinstance(result, tuple) or (isinstance(result, list) and len(targets) > 1):
        for order in (targets, every):
            if len(result) == len(order):
                return {target.wrt: value for target, value in zip(order, result, strict=True)}
        raise TraceError(
            f"a backward function returns one gradient per input, and {name} returns {len(result)} for "
            f"({', '.join(t.argument for t in every)}): return None for an input that you claim nothing about."
        )
    if len(targets) > 1:
        raise TraceError(
            f"a backward function returns one gradient per input, and {name} returns one "
            f"{type(result).__name__} for ({', '.join(t.argument for t in every)}): return a tuple, or a dict by name."
        )
    return {targets[0].wrt: result}


def _split_by_name(result: Mapping[Any, Any], every: Sequence[Target], name: str) -> Mapping[Arguments, Any]:
    found: dict[Arguments, Any] = {}
    for key, value in result.items():
        for target in every:
            spellings = {target.argument, target.label, target.wrt, f"d{target.argument}", f"grad_{target.argument}"}
            if key in spellings or (isinstance(key, str) and key.lower() in {str(s).lower() for s in spellings}):
                found[target.wrt] = value
                break
        else:
            labels = ", ".join(target.argument for target in every)
            raise TraceError(
                f"a dict of gradients has the names of inputs as keys, and {name} returns {key!r}: use {labels}."
            )
    return found
