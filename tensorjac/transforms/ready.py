"""Programs at the shapes and dtypes of one call: arguments in, results out."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Hashable, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np

from ..dims import bind_sizes, emptying
from ..errors import TraceError
from ..trace.record import running, spelled
from .environment import Environment, Unreadable
from .halves import Halves
from .programs import Job, Program
from .rules import Transform
from .runs import applied, name_of, wrong_shape
from .trees import Tree, flatten, leaves_like, paths


class Ready:
    """A program, compiled for one call and others like it.

    ``reads`` is what the function read when it was traced, where that is known; ``symbolic`` says whether sizes are.
    """

    def __init__(
        self, program: Program, leaves: Sequence[Any], reads: Hashable | None = None, symbolic: bool = False
    ) -> None:
        self.program, self.reads, self.symbolic = program, reads, symbolic
        positions = program.positions
        self._chosen = positions if positions != tuple(range(len(leaves))) else None
        strong = [leaves[k] for k in positions if type(leaves[k]) is not float]
        # Python's floats take on the dtype of what they meet
        scalar = np.result_type(*strong).type if strong else np.float64
        self._scalars = [
            (place, scalar if type(leaves[k]) is float else _entry)
            for place, k in enumerate(positions)
            if not np.ndim(leaves[k])
        ]
        self._compile(self.arguments(leaves), [_dtype(each, leaves) for each in program.dtypes])

    def _compile(self, arguments: Sequence[Any], dtypes: Sequence[np.dtype[Any] | None]) -> None:
        self._run = Finished(self.program.function._code_for(arguments), dtypes)

    def arguments(self, leaves: Sequence[Any]) -> list[Any]:
        """What the compiled function takes: arrays with axes, and NumPy's scalars."""
        found = list(leaves) if self._chosen is None else [leaves[k] for k in self._chosen]
        for place, convert in self._scalars:
            found[place] = convert(found[place])
        return found

    def some_empty(self, leaves: Sequence[Any]) -> bool:
        """Whether there may be arrays without entries in between, as ``x[2:]`` where x has two."""
        parts = self.program.function._parts
        # cotangents come last, and have no sizes of their own
        shapes = {name: np.shape(each) for name, each in zip(parts.inputs, self.arguments(leaves), strict=False)}
        sizes = bind_sizes({name: parts.inputs[name] for name in shapes}, shapes)
        return bool(emptying(sizes, parts.requirements))

    def __call__(self, wish: Transform, leaves: Sequence[Any]) -> Any:
        values = self._run(self.arguments(leaves))
        return wish.shown(self.program.plain.nested(values), self.program.derivative.nested(values))


def _dtype(which: int | type | None, leaves: Sequence[Any]) -> np.dtype[Any] | None:
    if isinstance(which, int):
        return np.dtype(float) if type(leaves[which]) is float else leaves[which].dtype
    return None if which is None else np.dtype(which)


def _entry(value: Any) -> Any:
    return value[()]


class Finished:
    """A compiled function with results in their dtypes; none shares memory with another one or with an argument.

    Whether anything is to be done for that is the same at all calls, as shapes and dtypes are: the first one shows it.
    """

    def __init__(self, code: Callable[..., tuple[Any, ...]], dtypes: Sequence[np.dtype[Any] | None]) -> None:
        self.code, self._dtypes = code, dtypes
        self.is_done = False

    def __call__(self, arguments: Sequence[Any]) -> Sequence[Any]:
        values = self.code(*arguments)
        if self.is_done:
            return values
        found: list[Any] = []
        for value, dtype in zip(values, chain(self._dtypes, repeat(None))):  # noqa: B905 - what is only kept is as it is
            if dtype is not None and value.dtype is not dtype:
                value = value.astype(dtype)
            if value.__class__ is np.ndarray:
                if not value.ndim:
                    value = value[()]
                elif _shares(value, arguments) or _shares(value, found):
                    value = value.copy()
            found.append(value)
        self.is_done = all(map(operator.is_, found, values))
        return found


def _shares(array: np.ndarray[Any, Any], others: Sequence[Any]) -> bool:
    """Whether an array, or what it is a view of, is one of the others, or what one of these is a view of."""
    owner = array if array.base is None else array.base
    return any(other is owner or (type(other) is np.ndarray and other.base is owner) for other in others)


# Pulling back --------------------------------------------------------------------------------------------------


class Pulled(Ready):
    """A vjp: the value now, the gradients when the cotangent is there."""

    def _compile(self, arguments: Sequence[Any], dtypes: Sequence[np.dtype[Any] | None]) -> None:
        function = self.program.function
        assert isinstance(function, Halves)
        values, gradients, read = function.codes(arguments)
        self._count, self._cotangents = function.count, function.later
        self._run, self._gradients = Finished(values, dtypes[: self._count]), Finished(gradients, dtypes[self._count :])
        # arrays may be written into before the pullback is called
        self._copied = [k for k in read if np.ndim(arguments[k])]
        # one array is as frequent as it is simple
        bare = self.program.plain.bare is not None
        self._is_bare = bare and any(axes for axes, _ in list(function._parts.outputs.values())[:1])
        # the shapes and dtypes of the outputs, the same at all calls
        self._like: list[tuple[tuple[int, ...], np.dtype[Any]]] = []
        # whether gradients, and arguments, are handed over as they are
        flat = self.program.derivative.flat == slice(0, len(function._parts.outputs) - self._count)
        self._is_direct = self._is_bare and flat and self._chosen is None and not self._scalars
        self._direct: Callable[..., Any] | None = None

    def __call__(self, wish: Transform, leaves: Sequence[Any]) -> Any:
        if self._direct is not None:
            return self._direct(wish, *leaves)
        found = self.arguments(leaves)
        values = self._run(found)
        for k in self._copied:
            found[k] = found[k].copy()
        outputs, known = values[: self._count], [*found, *values[self._count :]]
        self._like = self._like or [(each.shape, each.dtype) for each in outputs[: self._cotangents]]

        def pullback(cotangent: Any) -> tuple[Any, ...]:
            """The gradients by all arguments."""
            return self._pulled(wish, found, known, cotangent)

        return pulled_back(wish, self.program.plain.nested(outputs), pullback)

    def _pulled(self, wish: Transform, point: Sequence[Any], known: list[Any], cotangent: Any) -> tuple[Any, ...]:
        """The gradients from a cotangent; ``known`` are the arguments and what was kept of the values."""
        like = self._like
        if self._is_bare and cotangent.__class__ is np.ndarray and (cotangent.shape, cotangent.dtype) == like[0]:
            given = [cotangent]
        elif running() is not None:
            return self._traced(wish, point, cotangent)
        else:
            given = _cotangents(self.program.output, cotangent, like)
        found = self.program.derivative.nested(self._gradients(known + given))
        if self._is_direct and self._direct is None and self._run.is_done and self._gradients.is_done:
            make = _directly(len(point), tuple(self._copied), len(known) - len(point))
            self._direct = make(self._run.code, self._gradients.code, self._pulled, np.ndarray, *like[0])
        return found  # type: ignore[no-any-return]

    def _traced(self, wish: Transform, point: Sequence[Any], cotangent: Any) -> tuple[Any, ...]:
        """The gradients for a cotangent that is being traced, from an expression with sizes that are numbers."""
        program = self.program
        if not self.symbolic:
            parts = program.function._parts
            outputs = dict(list(parts.outputs.items())[self._count :])
            leaves = leaves_like(program.output, cotangent, "the cotangent", "the output")
            return program.derivative.nested(applied(parts.inputs, outputs, [*point, *leaves]))  # type: ignore[no-any-return]
        if reads_of(wish) != self.reads:
            raise TraceError(
                f"the pullback of a function is traced from the function, and {name_of(wish.fun)} reads values that "
                "have changed since tj.vjp was called.\ncall tj.vjp again."
            )
        program = Job(wish, flatten((tuple(point), {}))[1], point).traced({})
        again: tuple[Any, ...] = Pulled(program, point)(wish, point)
        return again[1](cotangent)  # type: ignore[no-any-return]


def pulled_back(wish: Transform, plain: Any, pullback: Callable[[Any], tuple[Any, ...]]) -> tuple[Any, ...]:
    """The value and the pullback, and what the function returned besides, as the user gets them."""
    return (plain[0], pullback, plain[1]) if wish.has_aux else (plain, pullback)


# Written out for a number of arguments, a call takes half the time of one that goes over lists of them.
_DIRECTLY = """
def make(values, gradients, pulled, array, shape, dtype):
    def call(wish, {args}):
        {values}, = values({args})
        {copies}

        def pullback(cotangent):
            'The gradients by all arguments.'
            if cotangent.__class__ is array and cotangent.shape == shape and cotangent.dtype is dtype:
                return gradients({read})
            return pulled(wish, [{args}], [{known}], cotangent)

        return value, pullback

    return call
"""


@functools.cache
def _directly(count: int, copied: tuple[int, ...], kept: int) -> Callable[..., Callable[..., Any]]:
    """Calls of a value's code, and of its gradients' for a cotangent of this shape and dtype, else of ``pulled``."""
    args, others = [f"a{k}" for k in range(count)], [f"r{k}" for k in range(kept)]
    copies = "; ".join(f"a{k} = a{k}.copy()" for k in copied)
    scope: dict[str, Any] = {}
    texts = {"args": args, "values": ["value", *others], "known": args + others, "read": [*args, *others, "cotangent"]}
    exec(_DIRECTLY.format(copies=copies, **{name: ", ".join(each) for name, each in texts.items()}), scope)
    return scope["make"]  # type: ignore[no-any-return]


def reads_of(wish: Transform) -> Hashable | None:
    """What the function of a transform reads from outside, where that can be known."""
    environment = Environment()
    try:
        return environment.transform(wish), environment.rest()
    except Unreadable:
        return None


def _cotangents(tree: Tree, value: Any, outputs: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]) -> list[Any]:
    """The leaves of a cotangent, each like its output."""
    leaves = leaves_like(tree, value, "the cotangent", "the output")
    texts = paths(tree, "the cotangent")
    return [direction(leaf, *out, text) for leaf, out, text in zip(leaves, outputs, texts, strict=True)]


def direction(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any], text: str, owner: str = "its output") -> Any:
    """A tangent or a cotangent, in the dtype of what it belongs to."""
    if isinstance(value, np.ma.MaskedArray):
        raise TraceError(
            f"{text} holds real numbers, and here it is a masked array.\n"
            f"pass its .filled(0), in the shape of {owner}, {spelled(shape)}."
        )
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TraceError(
            f"{text} holds real numbers, and here it is of dtype {array.dtype}.\n"
            f"pass floats, in the shape of {owner}, {spelled(shape)}."
        )
    if array.shape != shape:
        raise wrong_shape(text, array.shape, owner, shape)
    array = array.astype(dtype if dtype.kind == "f" else float, copy=False)
    return array if shape else array[()]
