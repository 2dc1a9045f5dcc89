"""Transforms called on arrays: traced like any function, compiled, and kept for the next call where that is sound.

A trace is kept under two keys. Under the sizes of its arguments, what is kept is ready to run. Under the pattern of
these sizes (which are equal, which are 0 or 1) it is an expression with symbolic sizes, from which calls at new sizes
are made ready. A function that asks for the number of a size is traced at each size anew.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

import numpy as np

from ..dims import Dim, bind_sizes
from ..errors import TraceError
from ..function import Function, Parts
from ..terms import Constant, Tensor, topological
from ..trace import Traced, Tracer
from ..trace import trace as run_traced
from ..trace.operands import of_input
from ..trace.record import running, spelled
from ..trace.sizes import SizeNumber
from .environment import Environment, Recent, Unreadable, array_key, declare_pure
from .rules import Transform, argument_names, name_of, not_real, pull, vjp, wrong_shape
from .trees import Tree, flatten, identifier, leaves_like, paths, unflatten

# Calls that are ready to run, by the sizes of their arguments; and expressions, by the pattern of sizes.
_ready = Recent(1024)
_expressions = Recent(256)

_REFUSED = "has to be traced at the sizes of each call"


# Keys ----------------------------------------------------------------------------------------------------------


def _is_float(leaf: Any) -> bool:
    """Whether a leaf can be an argument of the compiled function; others are what they are while tracing."""
    kind = type(leaf)
    return kind is float or (kind is np.ndarray and leaf.dtype.kind == "f") or isinstance(leaf, np.floating)


def _spec(leaf: Any, environment: Environment) -> Hashable:
    """All that a trace depends on in a leaf that is no array of floats."""
    kind = type(leaf)
    if kind is np.ndarray:
        return array_key(leaf)
    if kind is float or isinstance(leaf, np.floating):
        return kind
    return "constant", environment.key(leaf)


def _key(wish: Transform, tree: Tree, leaves: Sequence[Any]) -> tuple[Hashable, bool]:
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


def _pattern(leaves: Sequence[Any]) -> tuple[dict[int, str], Hashable]:
    """A name for each size but 0 and 1, in order of appearance, and the shapes written with these."""
    names: dict[int, str] = {}
    shapes = []
    for leaf in leaves:
        shape = leaf.shape if type(leaf) is np.ndarray and leaf.dtype.kind == "f" else ()
        shapes.append(tuple([size if size < 2 else names.setdefault(size, f"s{len(names)}") for size in shape]))
    return names, tuple(shapes)


@dataclass(frozen=True)
class _ByValue:
    """In place of a call that is ready: the trace also depends on the values of these leaves."""

    positions: tuple[int, ...]

    def key(self, key: Hashable, leaves: Sequence[Any]) -> Hashable:
        try:
            return key, tuple(array_key(np.asarray(leaves[k])) for k in self.positions)
        except Unreadable:
            return None


# Tracing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kept:
    """Something that was returned as it was."""

    content: Any

    def value(self) -> Any:
        return self.content.copy() if isinstance(self.content, np.ndarray) else self.content


class Side:
    """A part of what is returned: how it is nested, and its leaves: the number of an output, or what was returned."""

    def __init__(self, tree: Tree, leaves: Sequence[int | _Kept]) -> None:
        self.tree = tree
        self.leaves = tuple(leaves)
        first = leaves[0] if leaves else 0
        plain = isinstance(first, int) and self.leaves == tuple(range(first, first + len(leaves)))
        self.bare = first if plain and isinstance(tree, str) else None
        flat = plain and not isinstance(tree, str) and tree[0] is tuple and all(isinstance(t, str) for t in tree[2])
        self.flat = slice(first, first + len(leaves)) if flat and isinstance(first, int) else None

    def nested(self, values: Sequence[Any]) -> Any:
        """The part, from the outputs."""
        if self.bare is not None:
            return values[self.bare]
        if self.flat is not None:
            return tuple(values[self.flat])
        return unflatten(self.tree, [values[k] if isinstance(k, int) else k.value() for k in self.leaves])


@dataclass(frozen=True)
class Program:
    """A traced call: its function of the leaves at ``positions``, and what becomes of the results.

    Each output has the dtype of the leaf at its place in ``dtypes``, or the dtype that is there, or whatever comes out. Of
    a vjp there are two functions; the second takes the cotangents, too.
    """

    function: Function
    pullback: Function | None
    positions: tuple[int, ...]
    plain: Side
    derivative: Side
    dtypes: tuple[int | type | None, ...]
    reusable: bool


class Job:
    """One call to be traced: the arguments as leaves, and which of them are differentiated."""

    def __init__(self, wish: Transform, tree: Tree, leaves: Sequence[Any]) -> None:
        self.wish, self.tree, self.leaves = wish, tree, leaves
        args, kwargs = unflatten(tree, range(len(leaves)))
        self.names = self._names(args, kwargs)
        self.wrt: list[int] = []
        if wish.kind in ("jvp", "hvp"):
            self._select(args)
            self.wrt = flatten(args[0])[0]
        else:
            self._select([args[position] for position in dict.fromkeys(wish.differentiated(args))])
        floats = [k for k, leaf in enumerate(leaves) if _is_float(leaf)]
        self.others = tuple(k for k in floats if k not in self.wrt)

    def _select(self, arguments: Any) -> None:
        self.wrt = flatten(arguments)[0]
        for k in self.wrt:
            leaf = self.leaves[k]
            if not _is_float(leaf):
                dtype = getattr(leaf, "dtype", None)
                plain = dtype is not None and type(leaf) in (np.ndarray, getattr(dtype, "type", None))
                what = f"of dtype {dtype}" if plain else f"of type {type(leaf).__name__}"
                raise not_real(self.texts[k], what)

    def _names(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[str]:
        """A name for each leaf: its parameter's and the way to it inside the argument."""
        if self.wish.kind in ("jvp", "hvp"):
            own = argument_names(self.wish.fun, len(args[0]))
            bases = [*own, *(f"tangents[{k}]" for k in range(len(args[1])))]
            args = [*args[0], *args[1]]
        else:
            bases = argument_names(self.wish.fun, len(args))
        found = [*zip(bases, args, strict=True), *kwargs.items()]
        self.texts = [path for base, value in found for path in paths(flatten(value)[1], base)]
        names: list[str] = []
        for text in self.texts:
            name = identifier(text)
            while name in names or iskeyword(name) or name in _TAKEN or hasattr(builtins, name):
                name += "_"
            names.append(name)
        return names

    def traced(self, sizes: Mapping[int, str], by_value: bool = False) -> Program:
        """The call as a program, with names for some sizes; ``by_value``: of what is differentiated alone."""
        wanted = tuple(k for k in range(len(self.leaves)) if k in self.wrt or (k in self.others and not by_value))
        taken = {*self.names}
        dims = {size: Dim.of(_free(name, taken)) for size, name in sizes.items()}
        shapes = {
            self.names[k]: tuple(dims.get(size) or Dim.of(size) for size in np.shape(self.leaves[k])) for k in wanted
        }
        taken.update(dim.key for dim in dims.values())
        body = _Body(self, wanted, taken)
        found = run_traced(body, shapes)
        return body.program(found)


_TAKEN = ("np", "math", "dtype", "erf", "xlogy")


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


class _Body:
    """The function that is traced: the transform, of the leaves that are arguments, with outputs in a flat dict."""

    def __init__(self, job: Job, wanted: tuple[int, ...], taken: set[str]) -> None:
        self.job, self.wanted, self.taken = job, wanted, taken
        self.cotangents: dict[str, tuple[Dim, ...]] = {}
        self.outputs: dict[str, Tracer] = {}
        self.reusable = True
        # where errors say that they happened
        self.__name__ = name_of(job.wish.fun)
        self.__code__ = getattr(job.wish.fun, "__code__", None)

    def __call__(self, **arrays: Tracer) -> dict[str, Any]:
        job = self.job
        leaves = [_constant(leaf) for leaf in job.leaves]
        for k in self.wanted:
            leaves[k] = arrays[job.names[k]]
        args, kwargs = unflatten(job.tree, leaves)
        plain, derivative = self._vjp(args) if job.wish.kind == "vjp" else job.wish.apply(args, kwargs, False)
        self.plain = self._side(plain)
        first = len(self.outputs)
        self.derivative = self._side(derivative)
        kinds: list[type | None] = [
            np.bool_ if each.kind == "b" else np.int64 if each.kind == "i" else None for each in self.outputs.values()
        ]
        self.dtypes: list[int | type | None] = list(kinds)
        if job.wish.kind not in ("jvp", "hvp") and job.wrt:
            # a gradient has the dtype of its argument
            self.dtypes[first:] = [job.wrt[k % len(job.wrt)] for k in range(len(self.outputs) - first)]
        return self.outputs or {"nothing": 0.0}

    def _vjp(self, args: Sequence[Any]) -> tuple[Any, Any]:
        found, gradients = pull(self.job.wish.fun, args, False)
        cotangents = []
        for out in found.outputs:
            name = _free(f"G{len(cotangents) + 1}", self.taken)
            self.taken.add(name)
            self.cotangents[name] = out.dims
            cotangents.append(of_input(name, out.dims))
        return found.values(), gradients(cotangents)

    def _side(self, value: Any) -> Side:
        leaves, tree = flatten(value)
        return Side(tree, tuple(map(self._leaf, leaves)))

    def _leaf(self, leaf: Any) -> int | _Kept:
        if isinstance(leaf, SizeNumber):
            raise TraceError("a size that is returned is a number")  # heard by none: then sizes are numbers
        if not isinstance(leaf, Tracer):
            self.reusable = self.reusable and _is_immutable(leaf)
            return _Kept(leaf)
        number = len(self.outputs)
        self.outputs[_free(f"out{number}", self.taken)] = leaf.current()
        return number

    def program(self, traced: Traced) -> Program:
        names = list(self.outputs)
        split, pullback = len(names), None
        if self.job.wish.kind == "vjp":
            split = len(self.plain.leaves)
            pullback = _function(traced, names[split:], self.cotangents)
            self.derivative = Side(self.derivative.tree, range(len(names) - split))
        function = _function(traced, names[:split], {})
        return Program(function, pullback, self.wanted, self.plain, self.derivative, tuple(self.dtypes), self.reusable)


def _constant(leaf: Any) -> Any:
    """A leaf that is no argument: what the function would write into is not the caller's."""
    if not isinstance(leaf, np.ndarray):
        return leaf
    copy = leaf.copy()
    copy.flags.writeable = False
    return copy


def _is_immutable(leaf: Any) -> bool:
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind in "biufc"
    try:
        Environment().key(leaf)
    except Unreadable:
        return False
    return True


def _function(traced: Traced, outputs: Sequence[str], more: Mapping[str, tuple[Dim, ...]]) -> Function:
    bodies = {name: traced.outputs[name] for name in outputs}
    by_array = {id(array): name for name, array in traced.constants.items()}
    tensors = topological(tensor for _, body in bodies.values() for tensor in body.tensors)
    names: dict[Tensor, str] = {
        tensor: by_array[id(tensor.array)] for tensor in tensors if isinstance(tensor, Constant)
    }
    constants = {name: traced.constants[name] for name in names.values()}
    inputs = {**traced.inputs, **more}
    return Function(Parts(inputs, bodies, "tuple", constants, names, traced.requirements))


# Running -------------------------------------------------------------------------------------------------------


class Ready:
    """A program at the shapes and dtypes of one call."""

    def __init__(self, program: Program, leaves: Sequence[Any]) -> None:
        self.program = program
        self.positions = program.positions
        self.some = self.positions != tuple(range(len(leaves)))
        floats = [leaf for leaf in (leaves[k] for k in self.positions) if type(leaf) is not float]
        # Python's floats take on the dtype of what they meet
        scalar = np.result_type(*floats).type if floats else np.float64
        self.scalars = [
            (place, scalar if type(leaves[k]) is float else _entry)
            for place, k in enumerate(self.positions)
            if not np.ndim(leaves[k])
        ]
        self.dtypes = [_dtype(each, leaves, scalar) for each in program.dtypes]
        shapes = [np.shape(leaves[k]) for k in self.positions]
        self.code = _code(program.function, shapes)

    def arguments(self, leaves: Sequence[Any]) -> list[Any]:
        """What the compiled function takes: arrays with axes, and NumPy's scalars."""
        found = [leaves[k] for k in self.positions] if self.some else list(leaves)
        for place, convert in self.scalars:
            found[place] = convert(found[place])
        return found

    def __call__(self, wish: Transform, leaves: Sequence[Any]) -> Any:
        found = self.arguments(leaves)
        values = finished(self.code(*found), self.dtypes, found)
        return wish.shown(self.program.plain.nested(values), self.program.derivative.nested(values))


def _dtype(which: int | type | None, leaves: Sequence[Any], scalar: type) -> np.dtype[Any] | None:
    if isinstance(which, int):
        return np.dtype(float) if type(leaves[which]) is float else leaves[which].dtype  # type: ignore[no-any-return]
    return None if which is None else np.dtype(which)


def _entry(value: Any) -> Any:
    return value[()]


def _code(function: Function, shapes: Sequence[tuple[int, ...]]) -> Callable[..., tuple[Any, ...]]:
    parts = function._parts
    if not parts.outputs:
        return lambda *_: ()
    actual = dict(zip(parts.inputs, shapes, strict=True))
    return function._code(bind_sizes(parts.inputs, actual, parts.requirements))


def finished(values: Sequence[Any], dtypes: Sequence[np.dtype[Any] | None], arguments: Sequence[Any]) -> list[Any]:
    """The results in their dtypes, none of which shares memory with another one or with an argument."""
    found: list[Any] = []
    for value, dtype in zip(values, dtypes):  # noqa: B905 - strict= costs time; both are as long as the outputs
        if dtype is not None and value.dtype is not dtype:
            value = value.astype(dtype)
        if value.__class__ is np.ndarray:
            if not value.ndim:
                value = value[()]
            elif (value.base is not None and _shares(value, arguments)) or (found and _shares(value, found)):
                value = value.copy()
        found.append(value)
    return found


def _shares(array: np.ndarray[Any, Any], others: Sequence[Any]) -> bool:
    """Whether an array, or what it is a view of, is one of the others, or what one of these is a view of."""
    owner = array if array.base is None else array.base
    for other in others:
        if other is owner or (other.__class__ is np.ndarray and other.base is owner):
            return True
    return False


# Calls ---------------------------------------------------------------------------------------------------------


def transformed(wish: Transform) -> Callable[..., Any]:
    """The function that a transform makes of a function."""

    @functools.wraps(wish.fun, updated=())
    def function(*args: Any, **kwargs: Any) -> Any:
        return evaluate(wish, args, kwargs)

    return function


def evaluate(wish: Transform, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The transform of these arguments; inside a trace, of traced arrays."""
    if running() is not None:
        return wish.shown(*wish.apply(args, kwargs, True))
    if not kwargs and {*map(type, args)} == _ARRAYS:
        leaves, tree = args, _arrays(len(args))
    else:
        leaves, tree = flatten((tuple(args), kwargs))
    return _prepared(wish, tree, leaves)(wish, leaves)


_ARRAYS = {np.ndarray}


@functools.cache
def _arrays(count: int) -> Tree:
    """How as many arguments are nested, each of them an array."""
    return flatten(((0.0,) * count, {}))[1]


def _prepared(wish: Transform, tree: Tree, leaves: Sequence[Any]) -> Any:
    key, tells = _key(wish, tree, leaves)
    if key is None:
        return _made(wish, tree, leaves, None, True)
    found = _ready.get(key)
    if type(found) is _ByValue:
        by_value = found.key(key, leaves)
        found = by_value and _ready.get(by_value)
    return found or _made(wish, tree, leaves, key, tells)


def _made(wish: Transform, tree: Tree, leaves: Sequence[Any], key: Any, tells: bool) -> Ready:
    """A call made ready: from symbolic sizes where possible, else at its sizes, else also at its values."""
    job = Job(wish, tree, leaves)
    make = Pulled if wish.kind == "vjp" else Ready
    if not tells and not _hashed(tree):
        ready = _from_pattern(job, key, make)
        if ready is not None:
            _ready.put(key, ready)
            return ready
    try:
        ready = make(job.traced({}), leaves)
    except Exception:
        if not job.others:
            raise
    else:
        if _lasting(ready, job, key):
            _ready.put(key, ready)
        return ready
    ready = make(job.traced({}, by_value=True), leaves)
    if _lasting(ready, job, key):
        marker = _ByValue(job.others)
        by_value = marker.key(key, leaves)
        if by_value is not None:
            _ready.put(key, marker)
            _ready.put(by_value, ready)
    return ready


def _lasting(ready: Ready, job: Job, key: Any) -> bool:
    """Whether a trace may be kept: nothing that it read has been changed by another thread meanwhile."""
    return key is not None and ready.program.reusable and _key(job.wish, job.tree, job.leaves)[0] == key


def _from_pattern(job: Job, key: Any, make: Callable[[Program, Sequence[Any]], Ready]) -> Ready | None:
    """The call from an expression with symbolic sizes, if there is one that holds at its sizes."""
    sizes, shapes = _pattern(job.leaves)
    reads, attributes, tree, specs = key
    dtypes = tuple(
        spec[0] if type(leaf) is np.ndarray and leaf.dtype.kind == "f" else spec
        for spec, leaf in zip(specs, job.leaves, strict=True)
    )
    pattern = reads, attributes, tree, dtypes, shapes
    program = _expressions.get(pattern)
    if program is _REFUSED:
        return None
    try:
        if program is None:
            program = job.traced(sizes)
            ready = make(program, job.leaves)
            if not _lasting(ready, job, key):
                return None
            _expressions.put(pattern, program)
            return ready
    except Exception:  # whatever it is, the function may do without it at fixed sizes
        _expressions.put(pattern, _REFUSED)
        return None
    try:
        return make(program, job.leaves)
    except Exception:  # these sizes are not what the expression relies on
        return None


def _hashed(tree: Tree) -> bool:
    """Whether a dict among the arguments could be asked for a size."""
    if isinstance(tree, str):
        return False
    _, keys, children = tree
    return any(kind is not str for kind, _ in keys) or any(map(_hashed, children))


# A transformed function reads its Transform, and nothing else that could change.
declare_pure([evaluate])


# Pushing forward, pulling back --------------------------------------------------------------------------------------------------


def push(kind: str, fun: Callable[..., Any], args: Any, tangents: Any) -> Any:
    """The derivative of the function along tangents; ``kind`` is jvp or hvp."""
    for name, value in (("args", args), ("tangents", tangents)):
        if type(value) not in (tuple, list):
            raise TraceError(
                f"{name} of tj.{kind} is a tuple with one entry per argument of {name_of(fun)}, and here it is of type "
                f"{type(value).__name__}.\nwrite tj.{kind}({name_of(fun)}, (x,), (v,)), with the comma, for one argument."
            )
    args = tuple(args)
    leaves, tree = flatten(args)
    moves = leaves_like(tree, tuple(tangents), "tangents", "args")
    if running() is None:
        texts = paths(tree, "tangents")
        moves = [_tangent(move, leaf, text) for move, leaf, text in zip(moves, leaves, texts, strict=True)]
    return evaluate(Transform(kind, fun), (args, unflatten(tree, moves)), {})


def _tangent(value: Any, leaf: Any, text: str) -> Any:
    if not _is_float(leaf):
        return value
    dtype = np.dtype(float) if type(leaf) is float else leaf.dtype
    converted = _direction(value, np.shape(leaf), dtype, text, "its argument")
    return float(converted) if type(leaf) is float else converted


class Pulled(Ready):
    """A vjp at the shapes and dtypes of one call: the value now, the gradients when the cotangent is there."""

    def __init__(self, program: Program, leaves: Sequence[Any]) -> None:
        super().__init__(program, leaves)
        assert program.pullback is not None
        parts = program.pullback._parts
        read = {name for _, body in parts.outputs.values() for tensor in body.tensors for name in tensor.inputs}
        # arrays may be written into before the pullback is called
        self.copied = [k for k, name in enumerate(parts.inputs) if name in read and k < len(self.positions)]
        self.gradient_dtypes = self.dtypes[len(program.plain.leaves) :]
        self.gradients: Callable[..., tuple[Any, ...]] | None = None

    def __call__(self, wish: Transform, leaves: Sequence[Any]) -> Any:
        program = self.program
        found = self.arguments(leaves)
        values = finished(self.code(*found), self.dtypes, found)
        for k in self.copied:
            if found[k].__class__ is np.ndarray:
                found[k] = found[k].copy()
        outputs = [(each.shape, each.dtype) for each in values]
        shape, dtype = outputs[0] if program.plain.bare is not None else (None, None)

        def pullback(cotangent: Any) -> tuple[Any, ...]:
            """The gradients of all arguments."""
            if running() is not None:
                return vjp(wish.fun, unflatten(program.derivative.tree, found))[1](cotangent)
            if cotangent.__class__ is np.ndarray and cotangent.dtype is dtype and cotangent.shape == shape:
                given = [cotangent]
            else:
                given = _cotangents(program.plain.tree, cotangent, outputs)
            gradients = self.gradients
            if gradients is None:
                assert program.pullback is not None
                gradients = self.gradients = _code(program.pullback, [np.shape(each) for each in found + given])
            every = found + given
            return program.derivative.nested(finished(gradients(*every), self.gradient_dtypes, every))  # type: ignore[no-any-return]

        return program.plain.nested(values), pullback


def _cotangents(tree: Tree, value: Any, outputs: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]) -> list[Any]:
    """The leaves of a cotangent, each like its output."""
    leaves = leaves_like(tree, value, "the cotangent", "the output")
    texts = paths(tree, "the cotangent")
    return [_direction(leaf, *out, text) for leaf, out, text in zip(leaves, outputs, texts, strict=True)]


def _direction(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any], text: str, owner: str = "its output") -> Any:
    """A tangent or a cotangent, in the dtype of what it belongs to."""
    if value.__class__ is np.ndarray and value.dtype is dtype and value.shape == shape and shape:
        return value
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
