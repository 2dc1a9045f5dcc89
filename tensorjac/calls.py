"""What a function is made of, and how it is called: arguments checked, code compiled once for sizes alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np

from . import emit, interop, rewrites
from .dims import Dim, Requirement, checked_sizes, emptying, not_met
from .errors import ShapeError, TraceError
from .interop.arguments import arrays_of, common_library, numpy_arrays
from .interop.namespaces import Namespace
from .plan import Program, plan
from .primitives import Primitive
from .recalling import looking_up, recalling
from .terms import Apply, Constant, Index, Sum, Tensor, topological

Shape = tuple[str | int, ...]
Nesting = Literal["single", "tuple", "dict"]
Expression = tuple[tuple[Index, ...], Sum]

# Compiled plans kept per function: for sizes alike to within a factor of two the order of contraction is the same.
PLANS = 64


@dataclass(frozen=True)
class Parts:
    """What a function is made of: shapes of inputs, expressions of outputs, captured arrays, facts about sizes."""

    inputs: Mapping[str, tuple[Dim, ...]]
    outputs: Mapping[str, Expression]
    nesting: Nesting = "single"
    constants: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    names: Mapping[Tensor, str] = field(default_factory=dict)
    requirements: tuple[Requirement, ...] = ()
    origin: Origin | None = None


@dataclass(frozen=True)
class Origin:
    """What a derivative was derived from: the function, the inputs, and whether it is contracted with cotangents.

    ``of`` is the output that was differentiated where it was a single one.
    """

    function: Compiled
    wrt: tuple[str, ...]
    contracted: bool
    of: str = ""


class Compiled:
    """Parts that run: the source is written and compiled when arrays of new sizes come, and kept for the next call."""

    # where it is known how the function was made
    _again: Callable[[Mapping[str, Dim]], Any] | None = None

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._compiled: dict[tuple[int, ...], Any] = {}
        # what has been checked before need not be checked again: by class, dtype and shape of every argument
        self._ready: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._known: Callable[..., Any] = self._checked
        self._names = tuple(parts.inputs)
        # made anew for sizes that break the requirements
        self._others: dict[tuple[tuple[str, Dim], ...], Self] = {}
        # for arrays of other libraries
        self._ported: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs at these arrays: one array, a tuple in order, or a dict where the function returned one."""
        return self._at_arrays(args, kwargs)

    def _at_arrays(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        try:
            if not kwargs:
                return self._known(*args)
            if len(args) + len(kwargs) == len(self._names):
                return self._known(*args, *[kwargs[name] for name in self._names[len(args) :]])
        except (AttributeError, KeyError, TypeError):
            # no arrays, or not those that there are arguments for: that is said below
            pass
        return self._checked(*args, **kwargs)

    def _checked(self, *args: Any, **kwargs: Any) -> Any:
        given = self._given(args, kwargs)
        library = common_library(given)
        if library is not None:
            return self._shown(library.run(self, list(given.values())))
        arrays = numpy_arrays(given)
        code = self._code_for(arrays)
        if all(type(array) is np.ndarray for array in arrays) and self._parts.nesting != "dict":
            self._remember(code, arrays)
        return self._shown(code(*arrays))

    def _shown(self, result: Any) -> Any:
        if self._parts.nesting == "dict":
            values = result if isinstance(result, tuple) else (result,)
            return dict(zip(self._parts.outputs, values, strict=True))
        return result

    def _remember(self, code: Callable[..., Any], arrays: Sequence[Any]) -> None:
        """Arrays like these need no check from now on: they are tried first, then what came before them."""
        if len(self._ready) >= PLANS:
            self._ready.clear()
        self._ready[tuple([each for array in arrays for each in (type(array), array.dtype, array.shape)])] = code
        count = len(arrays)
        others = looking_up(count)(self._ready, self._checked)
        dtypes, shapes = [array.dtype for array in arrays], [array.shape for array in arrays]
        self._known = recalling(count)(code, others, np.ndarray, *dtypes, *shapes)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The arguments in order, as arrays of floats."""
        return numpy_arrays(self._given(args, kwargs))

    def _given(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name, in order."""
        return given_by_name(self._signature(), self._parts.inputs, args, kwargs)

    def _signature(self) -> str:
        return f"the function of ({', '.join(self._parts.inputs)})"

    def _code_for(self, arguments: Sequence[Any]) -> Any:
        """The function for arrays like these; ShapeError where their shapes are not what it relies on."""
        runs, sizes = self._fitting(arguments)
        return runs._code(sizes, runs._alike(arguments))

    def _fitting(self, arguments: Sequence[Any]) -> tuple[Self, dict[str, int]]:
        """What computes at arrays like these, and their sizes.

        That is the function itself, or where sizes break what it relies on, the same function made at these sizes:
        ``x[1:]`` has n - 1 entries, and none where n is 0. It is made again also where arrays have no entries, of which
        NumPy makes what the algebra does not: a softmax over no classes sums to 0.
        """
        inputs, facts = self._parts.inputs, self._parts.requirements
        shapes = {name: tuple(each.shape) for name, each in zip(inputs, arguments, strict=True)}
        sizes, broken = checked_sizes(inputs, shapes, facts)
        if broken is not None and self._again is None:
            raise not_met(broken, sizes, inputs)
        fixed = emptying(sizes, facts) or (broken.dim.names if broken else ())
        if not fixed or self._again is None:
            return self, sizes
        try:
            other = self._made_again({name: Dim.of(sizes[name]) for name in sorted(fixed)})
        except Exception as error:  # whatever a person's function raises where NumPy does not take such arrays
            if broken is None:
                # nothing that this one relies on is broken: it computes what the formula says of sums over nothing
                return self, sizes
            raise not_met(broken, sizes, inputs, tried=True) from error
        return other._fitting(arguments)

    def _made_again(self, sizes: Mapping[str, Dim]) -> Self:
        """The same function, made with these sizes in the place of names."""
        assert self._again is not None
        key = tuple(sizes.items())
        found: Self | None = self._others.get(key)
        if found is None:
            found = self._again(sizes)
            if len(self._others) >= PLANS:
                self._others.clear()
            self._others[key] = found
        return found

    def _alike(self, arguments: Sequence[Any]) -> bool:
        """Whether all arrays, captured ones included, are of one dtype."""
        return len({*self._precisions, *(array.dtype for array in arguments)}) == 1

    @cached_property
    def _precisions(self) -> set[np.dtype[Any]]:
        """The dtypes of the captured arrays that results take on: masks, and what is only compared, leave none."""
        tensors = topological(tensor for _, body in self._parts.outputs.values() for tensor in body.tensors)
        used = {tensor for _, body in self._parts.outputs.values() for tensor in body.tensors}
        for tensor in tensors:
            if not (isinstance(tensor, Apply) and isinstance(tensor.operation, Primitive) and tensor.operation.boolean):
                used.update(tensor.parts)
        arrays: list[Any] = [tensor.array for tensor in used if isinstance(tensor, Constant)]
        return {array.dtype for array in arrays if array.dtype.kind != "b"}

    def _code(self, sizes: Mapping[str, int], tuned: bool) -> Any:
        key = (tuned, *(size.bit_length() for size in sizes.values()))
        found = self._compiled.get(key)
        if found is None:
            found = self._made(sizes, tuned)
            if len(self._compiled) >= PLANS:
                self._compiled.clear()
            self._compiled[key] = found
        return found

    def ported(self, library: Namespace, values: Sequence[Any]) -> Any:
        """The results for arrays of another library, computed there: one array, or a tuple in order."""
        arrays = arrays_of(library, dict(zip(self._names, values, strict=True)))
        runs, sizes = self._fitting(arrays)
        if runs is not self:
            return runs.ported(library, values)
        key = (library, *(size.bit_length() for size in sizes.values()))
        found = self._ported.get(key)
        if found is None:
            if len(self._ported) >= PLANS:
                self._ported.clear()
            generated = self._source(sizes, False, functional=True)
            found = self._ported[key] = self._defined(generated, **{generated.library: library})
        return found(*arrays)

    def _made(self, sizes: Mapping[str, int], tuned: bool) -> Any:
        """What runs at sizes like these."""
        return self._run(self._source(sizes, tuned))

    def _run(self, generated: emit.Source) -> Callable[..., Any]:
        """The function that a source defines, its results in C order."""
        code = self._defined(generated)
        return code if generated.ordered else emit.in_c_order(code)

    def _defined(self, generated: emit.Source, **scope: Any) -> Callable[..., Any]:
        scope = {"np": np, "math": math, **scope, **self._parts.constants, **interop.special_names(generated.text)}
        return emit.compiled(generated, scope)

    def _source(self, sizes: Mapping[str, int], tuned: bool, functional: bool = False) -> emit.Source:
        parts = self._parts
        name = next(iter(parts.outputs)) if len(parts.outputs) == 1 else "vjp" if parts.origin else "f"
        if name in parts.inputs:
            name = "f"
        single = parts.nesting == "single" or len(parts.outputs) > 1
        program = self._program(sizes, tuned, functional)
        return emit.source(program, name, self._variables[functional], list(parts.outputs), parts.constants, single)

    @cached_property
    def _variables(self) -> list[dict[str, tuple[Dim, ...]]]:
        """The inputs as parameters of the source, for NumPy and for other libraries."""
        names = [emit.variables(self._parts.inputs, portable) for portable in (False, True)]
        return [{called[own]: dims for own, dims in self._parts.inputs.items()} for called in names]

    def _program(self, sizes: Mapping[str, int], tuned: bool, functional: bool = False) -> Program:
        parts = self._parts
        with rewrites.assuming(parts.requirements):
            order = [dim for dims in parts.inputs.values() for dim in dims]
            variables = emit.variables(parts.inputs, functional)
            return plan(self._planned(), parts.names, sizes, order, variables, tuned, functional)

    def _planned(self) -> list[Expression]:
        """The expressions that are computed."""
        return list(self._parts.outputs.values())

    def source(self, sizes: Mapping[str, int] | None = None) -> str:
        """The NumPy source that runs at these sizes, on arrays of one dtype; without sizes, a plain form for any.

        >>> import numpy as np, tensorjac as tj
        >>> F = tj.trace(lambda X: np.exp(X - 1), X="b n")
        >>> print(F.source())
        def Y(X):
            return np.exp(X - 1)
        <BLANKLINE>
        >>> print(F.source({"b": 100, "n": 100}))
        def Y(X):
            E = X - 1
            np.exp(E, out=E)
            return E
        <BLANKLINE>
        """
        return self._source(self._numbers(sizes or {}), sizes is not None).text

    def _numbers(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Numbers for some sizes, as given; what is none is an error."""
        known = list(
            dict.fromkeys(n for dims in self._parts.inputs.values() for dim in dims for n in sorted(dim.names))
        )
        example = ", ".join(f'"{name}": 64' for name in known)
        if not isinstance(sizes, Mapping):
            raise TraceError(
                f"sizes are given as a dict of names and numbers, and {sizes!r} is of type {type(sizes).__name__}: "
                f"pass {{{example}}}."
            )
        for name, number in sizes.items():
            if name not in known:
                raise ShapeError(f"{self._signature()} has no size {name}: choose from {listed(known)}.")
            if not isinstance(number, int | np.integer) or number < 0:
                raise ShapeError(
                    f"a size is a whole number of at least 0, and {name} is {number!r}: pass {{{example}}}."
                )
        return {name: int(number) for name, number in sizes.items()}


def given_by_name(
    what: str, inputs: Mapping[str, Sequence[Dim | int]], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a call by name, in order; TraceError where they are not the inputs of ``what``."""
    names = list(inputs)
    if len(args) > len(names):
        raise TraceError(f"{what} takes {len(names)} arguments, and {len(args)} were given: pass {listed(names)}.")
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in inputs:
            raise TraceError(f"{what} has no argument {name}: pass {listed(names)}.")
        if name in given:
            raise TraceError(f"{what} got {name} twice, by position and by keyword: pass it once.")
        given[name] = value
    missing = [name for name in names if name not in given]
    if missing:
        raise TraceError(
            f"{what} is missing {listed(missing)}: pass "
            + ", ".join(f"{name} of shape {shape_text(inputs[name])}" for name in missing)
            + "."
        )
    return {name: given[name] for name in names}


def shape_text(dims: Sequence[Dim | int]) -> str:
    """A shape as Python writes a tuple."""
    return f"({', '.join(map(str, dims))}{',' if len(dims) == 1 else ''})"


def free_name(name: str, taken: Container[str]) -> str:
    """The name, with ``_`` appended as long as it is taken."""
    while name in taken:
        name += "_"
    return name


def owned_axes(axes: Sequence[Index], body: Sum) -> Expression:
    """The expression over fresh axes of its own."""
    fresh = tuple(Index.fresh(axis.dim) for axis in axes)
    return fresh, body.substitute(dict(zip(axes, fresh, strict=True)))


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1] if names else "nothing"
