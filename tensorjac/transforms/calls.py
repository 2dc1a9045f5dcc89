"""Transforms called on arrays: traced like any function, compiled, and kept for the next call where that is sound.

A trace is kept under two keys. Under the sizes of its arguments, what is kept is ready to run. Under the pattern of
these sizes (which are equal, which are 0 or 1) it is an expression with symbolic sizes, from which calls at new sizes
are made ready. A function that asks for the number of a size is traced at each size anew.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..errors import ShapeError, TraceError
from ..interop.arguments import common_library
from ..interop.libraries import libraries_of, look_for_torch, reading, taken_over, unread
from ..interop.namespaces import Namespace
from ..trace.record import running
from .elsewhere import Elsewhere, stand_ins
from .environment import Environment, Unreadable, alone, array_key
from .programs import Job, Program, is_float
from .pure import declare_pure
from .ready import Pulled, Ready, direction
from .rules import Transform, vjp
from .runs import Argnums, name_of
from .trees import Tree, flatten, leaves_like, paths, unflatten


class Recent:
    """A dict of at most ``limit`` entries, which forgets those that nobody asked for while others came in."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._young: dict[Any, Any] = {}
        self._old: dict[Any, Any] = {}
        self._lock = Lock()

    def get(self, key: Hashable) -> Any:
        """What was put under the key, or None."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: Hashable, value: Any) -> None:
        """Remember a value other than None."""
        with self._lock:
            if len(self._young) >= self._half and key not in self._young:
                self._old, self._young = self._young, {}
            self._young[key] = value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._young, self._old = {}, {}

    def __len__(self) -> int:
        return len({**self._old, **self._young})


# Calls that are ready to run, by the sizes of their arguments; and expressions, by the pattern of sizes.
_ready = Recent(1024)
_expressions = Recent(256)

_REFUSED = "has to be traced at the sizes of each call"


def transformed(wish: Transform) -> Callable[..., Any]:
    """The function that a transform makes of a function."""
    look_for_torch()

    @functools.wraps(wish.fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        return evaluate(wish, args, kwargs)

    return function


def evaluate(wish: Transform, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The transform at these arguments; inside a trace, of traced arrays."""
    return getattr(_unread, _whole(*wish))(*args, **kwargs) if reading() else _evaluated(wish, args, kwargs)


# Transforms as torch.compile calls them, by names that it can keep.
_unread = SimpleNamespace()


def _whole(kind: str, fun: Callable[..., Any], argnums: Argnums, has_aux: bool) -> str:
    """The name of a transform that torch.compile calls without reading how it is done."""
    wish = Transform(kind, fun, argnums, has_aux)
    name = f"transform{len(vars(_unread))}"
    setattr(_unread, name, taken_over(lambda *args, **kwargs: _evaluated(wish, *_plain((args, kwargs)))))
    return name


unread(_whole)


def _plain(tree: Any) -> Any:
    """A tree of dicts, lists and tuples, for which PyTorch has classes of its own."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    kind = next((kind for kind in (list, tuple) if isinstance(tree, kind) and not hasattr(tree, "_fields")), None)
    return tree if kind is None else kind(map(_plain, tree))


def _evaluated(wish: Transform, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    if running() is not None:
        return vjp(wish.fun, args, wish.has_aux) if wish.kind == "vjp" else wish.shown(*wish.apply(args, kwargs, True))
    quick = None if kwargs else _quick_key(wish, args)
    found = None if quick is None else _ready.get(quick)
    if found is not None:
        return found(wish, args)
    leaves: Sequence[Any]
    if kwargs or {*map(type, args)} != _ARRAYS:
        leaves, tree = flatten((tuple(args), kwargs))
        if any(libraries_of(leaves)):
            library = common_library({f"array {k}": leaf for k, leaf in enumerate(leaves, 1)})
            assert library is not None
            return _elsewhere(library, wish, tree, leaves)(wish, leaves)
    else:
        leaves, tree = args, _arrays(len(args))
    key, tells = _key(wish, tree, leaves)
    found = _ready.get(key) if key is not None else None
    if type(found) is _ByValue:
        by_value = found.key(key, leaves)
        found = _ready.get(by_value) if by_value is not None else None
    ready = found or _made(wish, tree, leaves, key, tells)
    if quick is not None and all(map(is_float, args)) and _ready.get(key) is ready:
        _ready.put(quick, ready)
    return ready(wish, leaves)


def _elsewhere(library: Namespace, wish: Transform, tree: Tree, leaves: Sequence[Any]) -> Elsewhere:
    """The call at arrays of another library, traced once for arrays of these shapes and dtypes."""
    stands = stand_ins(leaves)
    key, _ = _key(wish, tree, stands)
    found = _ready.get((library, key)) if key is not None else None
    if found is None:
        job = Job(wish, tree, stands)
        program = job.traced({})
        found = Elsewhere(library, program)
        if _lasting(program, job, key):
            _ready.put((library, key), found)
    return found


# A transformed function reads its Transform, and nothing else that could change.
declare_pure([evaluate])


def push(kind: str, fun: Callable[..., Any], args: Any, tangents: Any, has_aux: bool = False) -> Any:
    """The derivative of the function along tangents; ``kind`` is jvp or hvp."""
    look_for_torch()
    for name, value in (("args", args), ("tangents", tangents)):
        if type(value) not in (tuple, list):
            raise TraceError(
                f"{name} of tj.{kind} has one entry for each argument of {name_of(fun)}, in a tuple, and here it is "
                f"of type {type(value).__name__}.\nwith one argument, write tj.{kind}({name_of(fun)}, (x,), (v,))."
            )
    args = tuple(args)
    leaves, tree = flatten(args)
    moves = leaves_like(tree, tuple(tangents), "tangents", "args", TraceError)
    if running() is None:
        texts = paths(tree, "tangents")
        moves = [_tangent(move, leaf, text) for move, leaf, text in zip(moves, leaves, texts, strict=True)]
    return evaluate(Transform(kind, fun, has_aux=has_aux), (args, unflatten(tree, moves)), {})


def _tangent(value: Any, leaf: Any, text: str) -> Any:
    if not is_float(leaf):
        return value
    dtype = np.dtype(float) if type(leaf) is float else leaf.dtype
    converted = direction(value, np.shape(leaf), dtype, text, "its argument")
    return float(converted) if type(leaf) is float else converted


# Keys ----------------------------------------------------------------------------------------------------------

_ARRAYS = {np.ndarray}


@functools.cache
def _arrays(count: int) -> Tree:
    """How as many arguments are nested, each of them an array."""
    return flatten(((0.0,) * count, {}))[1]


def _quick_key(wish: Transform, args: Sequence[Any]) -> Hashable | None:
    """A key of calls with arrays, of a function that reads nothing else; what is kept under it is of floats only."""
    reads = alone(wish.fun)
    if reads is None:
        return None
    specs = [(arg.dtype, arg.shape) for arg in args if arg.__class__ is np.ndarray]
    return (reads, wish.kind, wish.argnums, wish.has_aux, *specs) if len(specs) == len(args) else None


def _key(wish: Transform, tree: Tree, leaves: Sequence[Any]) -> tuple[Any, bool]:
    """What a trace of this call may be kept under, if it may be; and whether sizes have to be numbers."""
    environment = Environment()
    try:
        specs = tuple(
            [
                (leaf.dtype, leaf.shape)
                if leaf.__class__ is np.ndarray and leaf.dtype.kind == "f"
                else _spec(leaf, environment)
                for leaf in leaves
            ]
        )
        return (environment.transform(wish), environment.rest(), tree, specs), environment.tells
    except Unreadable:
        return None, True


def _spec(leaf: Any, environment: Environment) -> Hashable:
    """All that a trace depends on in a leaf that is no array of floats."""
    if type(leaf) is np.ndarray:
        return array_key(leaf)
    if is_float(leaf):
        return (type(leaf),)
    return "constant", environment.key(leaf)


def _pattern(key: Any, leaves: Sequence[Any]) -> tuple[dict[int, str], Hashable]:
    """A name for each size but 1, in order of appearance, and none where one is 0; and the key with these names."""
    transform, rest, tree, specs = key
    names: dict[int, str] = {}
    named = all(leaf.size for leaf in leaves if type(leaf) is np.ndarray)
    general = []
    for spec, leaf in zip(specs, leaves, strict=True):
        if type(leaf) is np.ndarray and leaf.dtype.kind == "f":
            shape = [names.setdefault(s, f"s{len(names)}") if named and s > 1 else s for s in leaf.shape]
            spec = leaf.dtype, tuple(shape)
        general.append(spec)
    return names, (transform, rest, tree, tuple(general))


@dataclass(frozen=True)
class _ByValue:
    """In place of a call that is ready: the trace also depends on the values of these leaves."""

    positions: tuple[int, ...]

    def key(self, key: Hashable, leaves: Sequence[Any]) -> Hashable | None:
        try:
            return key, tuple(array_key(np.asarray(leaves[k])) for k in self.positions)
        except Unreadable:
            return None


# Tracing -------------------------------------------------------------------------------------------------------


def _made(wish: Transform, tree: Tree, leaves: Sequence[Any], key: Any, tells: bool) -> Ready:
    """A call made ready: from symbolic sizes where possible, else at its sizes, else also at its values."""
    job = Job(wish, tree, leaves)
    make = Pulled if wish.kind == "vjp" else Ready
    reads = key[:2] if key is not None else None
    if not tells and not _hashed(tree):
        ready = _from_pattern(job, key, make)
        if ready is not None:
            _ready.put(key, ready)
            return ready
    try:
        ready = make(job.traced({}), leaves, reads)
    except Exception:  # a person's function may raise anything where it is told no values
        if not job.others:
            raise
    else:
        if _lasting(ready.program, job, key):
            _ready.put(key, ready)
        return ready
    ready = make(job.traced({}, by_value=True), leaves, reads)
    if _lasting(ready.program, job, key):
        marker = _ByValue(job.others)
        by_value = marker.key(key, leaves)
        if by_value is not None:
            _ready.put(key, marker)
            _ready.put(by_value, ready)
    return ready


def _lasting(program: Program, job: Job, key: Any) -> bool:
    """Whether a trace may be kept: nothing that it read has been changed by another thread meanwhile."""
    return key is not None and program.reusable and _key(job.wish, job.tree, job.leaves)[0] == key


def _from_pattern(job: Job, key: Any, make: type[Ready]) -> Ready | None:
    """The call from an expression with symbolic sizes, if there is one that holds at its sizes."""
    sizes, pattern = _pattern(key, job.leaves)
    program = _expressions.get(pattern)
    if program is _REFUSED:
        return None
    try:
        if program is None:
            program = job.traced(sizes)
            if not _lasting(program, job, key):
                return None
            _expressions.put(pattern, program)
        ready = make(program, job.leaves, key[:2], True)
        # of what has no entries NumPy makes what the algebra does not
        return None if ready.some_empty(job.leaves) else ready
    except ShapeError:
        if program is None:
            _expressions.put(pattern, _REFUSED)
    except Exception:  # whatever it is, the function may do without it where sizes are numbers
        _expressions.put(pattern, _REFUSED)
    return None


def _hashed(tree: Tree) -> bool:
    """Whether a dict among the arguments could be asked for a size."""
    if isinstance(tree, str):
        return False
    _, keys, children = tree
    return any(kind is not str for kind, _ in keys) or any(map(_hashed, children))
