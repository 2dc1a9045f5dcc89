"""A call of a transform as a program: what is traced, and what becomes of the results."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

import numpy as np

from ..calls import Compiled, Expression, Parts
from ..dims import Dim
from ..terms import Constant, Tensor, topological
from ..trace import Traced, Tracer
from ..trace import trace as run_traced
from ..trace.operands import of_input
from ..trace.sizes import SizeNumber
from .environment import Environment, Unreadable
from .halves import Halves
from .rules import Transform, pull
from .runs import argument_names, check_callable, name_of, not_real
from .trees import Tree, flatten, identifier, paths, unflatten


class SizeReturned(Exception):
    """A size is returned, which is a number where sizes are numbers: then they have to be."""


def is_float(leaf: Any) -> bool:
    """Whether a leaf can be an argument of the compiled function; others are what they are while tracing."""
    kind = type(leaf)
    return kind is float or (kind is np.ndarray and leaf.dtype.kind == "f") or isinstance(leaf, np.floating)


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
        self.bare = first if isinstance(first, int) and plain and isinstance(tree, str) else None
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

    Each output has the dtype of the leaf at its place in ``dtypes``, or the dtype that is there, or whatever comes out.
    The function of a vjp is one in two parts, of which the second also takes the cotangents.
    """

    function: Compiled
    positions: tuple[int, ...]
    plain: Side
    derivative: Side
    dtypes: tuple[int | type | None, ...]
    reusable: bool
    output: Tree  # how the output is nested, as its cotangent is


class Job:
    """One call to be traced: the arguments as leaves, and which of them are differentiated."""

    def __init__(self, wish: Transform, tree: Tree, leaves: Sequence[Any]) -> None:
        check_callable(wish.fun)
        self.wish, self.tree, self.leaves = wish, tree, leaves
        args, kwargs = unflatten(tree, range(len(leaves)))
        self.names = self._names(args, kwargs)
        self.wrt: list[int] = []
        if wish.kind in ("jvp", "hvp"):
            self._select(args)
            self.wrt = flatten(args[0])[0]
        else:
            self._select([args[position] for position in dict.fromkeys(wish.differentiated(args))])
        floats = [k for k, leaf in enumerate(leaves) if is_float(leaf)]
        self.others = tuple(k for k in floats if k not in self.wrt)

    def _select(self, arguments: Any) -> None:
        self.wrt = flatten(arguments)[0]
        for k in self.wrt:
            leaf = self.leaves[k]
            if not is_float(leaf):
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
        self.output: Tree = ""
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
        wish = self.job.wish
        found, gradients = pull(wish.fun, args, wish.has_aux, False)
        self.output = found.tree
        cotangents: list[Tracer] = []
        for out in found.outputs:
            name = _free(f"G{len(cotangents) + 1}", self.taken)
            self.taken.add(name)
            self.cotangents[name] = out.dims
            cotangents.append(of_input(name, out.dims))
        plain = found.values()
        return (plain, found.auxiliary()) if wish.has_aux else plain, gradients(cotangents)

    def _side(self, value: Any) -> Side:
        leaves, tree = flatten(value)
        return Side(tree, tuple(map(self._leaf, leaves)))

    def _leaf(self, leaf: Any) -> int | _Kept:
        if isinstance(leaf, SizeNumber):
            raise SizeReturned
        if not isinstance(leaf, Tracer):
            self.reusable = self.reusable and _is_immutable(leaf)
            return _Kept(leaf)
        number = len(self.outputs)
        self.outputs[_free(f"out{number}", self.taken)] = leaf.current()
        return number

    def program(self, traced: Traced) -> Program:
        """The traced outputs as a function."""
        outputs = {name: traced.outputs[name] for name in self.outputs}
        parts = _parts(traced, outputs, self.cotangents)
        function = Compiled(parts)
        if self.job.wish.kind == "vjp":
            count = sum(isinstance(leaf, int) for leaf in self.plain.leaves)
            function = Halves(parts, count, len(self.cotangents))
            self.derivative = Side(self.derivative.tree, range(len(outputs) - count))
        return Program(
            function, self.wanted, self.plain, self.derivative, tuple(self.dtypes), self.reusable, self.output
        )


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


def _parts(traced: Traced, outputs: Mapping[str, Expression], more: Mapping[str, tuple[Dim, ...]]) -> Parts:
    names = {id(array): name for name, array in traced.constants.items()}
    constants: dict[Tensor, str] = {
        tensor: names[id(tensor.array)]
        for tensor in topological(tensor for _, body in outputs.values() for tensor in body.tensors)
        if isinstance(tensor, Constant)
    }
    arrays = {name: traced.constants[name] for name in constants.values()}
    return Parts({**traced.inputs, **more}, outputs, "tuple", arrays, constants, traced.requirements)
