"""Claims as people write them: callables of several styles, NumPy text, index notation, functions, or None."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..dims import Dim
from ..errors import NotationError, ShapeError, TensorjacError, TraceError
from ..function import Function
from ..notation import is_index_notation
from ..reading import parse
from .calling import Calling, split
from .derivation.sides import on_paper, paper_function
from .questions import Arguments, Question, Target

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Raised:
    """What a claim raised in place of a value."""

    error: Exception

    def __str__(self) -> str:
        said = str(self.error).strip().splitlines()
        return f"{type(self.error).__name__}: {said[0] if said else ''}".rstrip(": ")


def as_array(value: Any) -> Any:
    """An array of what a person returned, also of a tensor that remembers its gradients."""
    if isinstance(value, Raised):
        return value
    detach = getattr(value, "detach", None)
    return np.asarray(detach() if detach is not None else value)


@dataclass(frozen=True)
class Claim:
    """Values for some targets, as one text or one call gives them.

    ``function`` is the expression of a text; ``source`` the callable, and ``split`` what parts its result.
    """

    targets: tuple[Target, ...]
    run: Callable[[Mapping[str, Array]], Mapping[Arguments, Any]]
    text: str | None = None
    function: Function | None = None
    source: Callable[..., Any] | None = None
    split: Callable[[Any], Mapping[Arguments, Any]] = dict
    calling: Calling | None = None

    @property
    def callable(self) -> bool:
        """Whether a person's own code runs."""
        return self.source is not None

    def __call__(self, args: Mapping[str, Array]) -> Mapping[Arguments, Any]:
        """The claimed values at a point; what it raises stands in their place."""
        try:
            with np.errstate(all="ignore"):
                return {wrt: None if value is None else as_array(value) for wrt, value in self.run(args).items()}
        except TraceError:
            raise
        except Exception as error:  # a person's own code may raise anything
            return {target.wrt: Raised(error) for target in self.targets}


def claims(question: Question, given: Any, held: Sequence[str]) -> list[Claim]:
    """The claims in what a person passed; ``held`` are inputs of whole numbers, which have no derivative."""
    wanted = [(name,) for name in question.shapes if name not in held]
    if isinstance(given, Function):
        return [_of_function(question, given, wanted)]
    if isinstance(given, str):
        return [_of_text(question, _named_in(given, question, wanted), given)]
    if callable(given):
        targets = [question.target(wrt) for wrt in _all_of(question, wanted)]
        return [_of_callable(question, given, targets, held)]
    if not isinstance(given, Mapping):
        raise TraceError(
            f"a claim is a callable, a text, or a dict from inputs to these, and {type(given).__name__} is none: "
            'write {"A": "X.T @ G"} for example.'
        )
    found = []
    for key, value in given.items():
        target = question.target(_key(question, key))
        if value is not None:
            found.append(_of_value(question, target, value, held))
    return found


def _all_of(question: Question, wanted: Sequence[Arguments]) -> list[Arguments]:
    return [(*wrt, *wrt) for wrt in wanted] if question.kind == "hessian" else list(wanted)


def _key(question: Question, key: Any) -> Arguments:
    """ "A", "dA" or ("A", "B"), whichever the kind of derivative asks for."""
    names = key if isinstance(key, tuple) else (key,)
    names = tuple(
        name[1:] if isinstance(name, str) and name not in question.shapes and name[:1] == "d" else name
        for name in names
    )
    if question.kind == "hessian" and len(names) == 1:
        names = names * 2
    if len(names) != (2 if question.kind == "hessian" else 1):
        raise TraceError(f"a {question.kind} is by one input, and the claim is about {', '.join(map(str, names))}.")
    return names


def _of_value(question: Question, target: Target, value: Any, held: Sequence[str]) -> Claim:
    if isinstance(value, str):
        return _of_text(question, target, value)
    if isinstance(value, Function):
        return _of_function(question, value, [target.wrt])
    if callable(value):
        return _of_callable(question, value, [target], held)
    raise TraceError(
        f"the claim about {target.argument} is a text, a callable or None, and {type(value).__name__} is none: "
        "write it as text, such as 'X.T @ G', or as a function of the inputs."
    )


# Texts ------------------------------------------------------------------------------------------------------------


def _named_in(text: str, question: Question, wanted: Sequence[Arguments]) -> Target:
    """The target that the left side of a text names, or the only one that there is."""
    left = text.partition("=")[0].partition("[")[0].strip()
    for wrt in wanted:
        if left == f"d{wrt[0]}":
            return question.target(wrt)
    if len(wanted) != 1:
        labels = " or ".join(f"d{wrt[0]}" for wrt in wanted)
        raise NotationError(f"a text says which input it is about, and {text!r} does not: write {labels} = … .")
    return question.target(_all_of(question, wanted)[0])


def _inputs_of(question: Question) -> dict[str, Any]:
    """The inputs and cotangents that a text may use, by shape, and the constants of the function."""
    function = question.function
    shapes: dict[str, Any] = {name: tuple(dims) for name, dims in question.shapes.items()}
    if isinstance(function, Function):
        if question.kind == "vjp":
            shapes = {name: tuple(dims) for name, dims in function.vjp()._parts.inputs.items()}
        return {**shapes, **function.constants}
    return shapes


def _of_text(question: Question, target: Target, text: str) -> Claim:
    """A text as an expression; where its shapes do not fit each other, the claim has a fault in place of a value."""
    if not question.exact and question.kind == "vjp":
        return Claim((target,), _Late(question, target, _whole(question, target, text)), text)
    return _of_shapes(question, target, text, _inputs_of(question))


def _whole(question: Question, target: Target, text: str) -> str:
    """The text with its left side."""
    label = target.label if question.kind in ("vjp", "grad") else "Y"
    return text if is_index_notation(text) or text.strip().startswith(f"{label} =") else f"{label} = {text}"


def _of_shapes(question: Question, target: Target, text: str, shapes: Mapping[str, Any]) -> Claim:
    whole = _whole(question, target, text)
    try:
        function = _read(whole, text, shapes)
    except ShapeError as error:
        fault = error
        return Claim((target,), lambda args: {target.wrt: Raised(fault)}, text)
    return Claim((target,), _Evaluated(target, function), text, function)


def merged(claim: Claim, question: Question, target: Target, sizes: Mapping[str, Dim]) -> Claim | None:
    """The same claim where some size names mean the same size; None where it has no value there either."""
    if claim.text is None or claim.source is not None:
        return claim
    if not question.exact:
        return claim
    shapes = {
        name: tuple(dim.substitute(sizes) for dim in shape) if isinstance(shape, tuple) else shape
        for name, shape in _inputs_of(question).items()
    }
    found = _of_shapes(question, target, claim.text, shapes)
    return None if found.function is None else found


def _read(whole: str, text: str, shapes: Mapping[str, Any]) -> Function:
    """NumPy text and index notation, or else paper notation, ``Xᵀ G``."""
    try:
        return parse(whole, **shapes)
    except NotationError as error:
        if is_index_notation(whole) or any(isinstance(shape, np.ndarray) for shape in shapes.values()):
            raise
        try:
            return paper_function(text, shapes)
        except NotationError as other:
            raise (other if on_paper(text) else error) from None


@dataclass(frozen=True)
class _Evaluated:
    target: Target
    function: Function

    def __call__(self, args: Mapping[str, Array]) -> Mapping[Arguments, Any]:
        taken = {name: args[name] for name in self.function.inputs}
        return {self.target.wrt: self.function(**taken)}


@dataclass(frozen=True)
class _Late:
    """A text about a black box: the shape of the cotangent is known when the black box has run."""

    question: Question
    target: Target
    text: str

    def __call__(self, args: Mapping[str, Array]) -> Mapping[Arguments, Any]:
        shapes = {name: np.shape(value) for name, value in args.items()}
        function = parse(self.text, **shapes)
        return {self.target.wrt: function(**{name: args[name] for name in shapes})}


def _of_function(question: Question, function: Function, wanted: Sequence[Arguments]) -> Claim:
    """A function whose outputs are called dA, or whose only output is the only one that is asked for."""
    targets = {f"d{wrt[0]}": question.target(wrt) for wrt in wanted}
    named = {name: targets[name] for name in function.outputs if name in targets}
    if not named and len(function.outputs) == 1 and len(wanted) == 1:
        named = {next(iter(function.outputs)): question.target(wanted[0])}
    if len(named) != len(function.outputs):
        raise TraceError(
            f"the outputs of a claimed function are named {', '.join(targets)}, and these are "
            f"{', '.join(function.outputs)}: name them so, or claim one input at a time."
        )

    def run(args: Mapping[str, Array]) -> Mapping[Arguments, Any]:
        result = function(**{name: args[name] for name in function.inputs})
        values = result.values() if isinstance(result, dict) else result if len(named) > 1 else (result,)
        return {target.wrt: value for target, value in zip(named.values(), values, strict=True)}

    single = function if len(named) == 1 else None
    return Claim(tuple(named.values()), run, str(function), single)


# Callables --------------------------------------------------------------------------------------------------------


def _of_callable(question: Question, fun: Callable[..., Any], targets: Sequence[Target], held: Sequence[str]) -> Claim:
    call = Calling.of(question, fun)
    every = tuple(question.target(wrt) for wrt in _all_of(question, [(name,) for name in question.shapes]))

    def parted(result: Any) -> Mapping[Arguments, Any]:
        return split(result, targets, every, call.name)

    return Claim(tuple(targets), lambda args: parted(call(args)), source=fun, split=parted, calling=call)


def edited_text(question: Question, target: Target, text: str) -> Claim | None:
    """A claim by another text; None where that has no value."""
    try:
        found = _of_text(question, target, text)
    except TensorjacError:
        return None
    return found if found.function is not None or isinstance(found.run, _Late) else None


def edited_callable(claim: Claim, question: Question, fun: Callable[..., Any]) -> Claim:
    """The same claim by another function, which is called in the same way."""
    call = replace(claim.calling, fun=fun) if claim.calling is not None else Calling.of(question, fun)
    return replace(claim, run=lambda args: claim.split(call(args)), source=fun)
