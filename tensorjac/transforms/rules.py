"""The transforms on traced arrays: run the function once on inputs of its own, then contract backward or forward.

This is all of it: on arrays, a transform is traced like any other function (``calls``). So transforms nest: the
inner one runs on what the outer one traces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import count
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from .. import calculus, rewrites
from ..errors import ShapeError, TraceError
from ..terms import Index, Input, Sum, Tensor, constant
from ..trace.operands import axis_labels, is_number, lift, of_input
from ..trace.record import Record, running, spelled
from ..trace.sizes import SizeNumber
from ..trace.tracer import Tracer
from .trees import Tree, flatten, leaves_like, paths, unflatten
from .trees import spelled as nesting

Argnums = int | tuple[int, ...]


class Transform(NamedTuple):
    """Which derivative of which function, by which of its arguments."""

    kind: str
    fun: Callable[..., Any]
    argnums: Argnums = 0
    has_aux: bool = False

    def apply(self, args: Sequence[Any], kwargs: Mapping[str, Any], fresh: bool) -> tuple[Any, Any]:
        """What comes out beside the derivative (a value, ``aux``), and the derivative, as traced arrays.

        ``fresh``: the arguments may be known to the function by other ways, too, so that the derivative is by
        inputs of its own.
        """
        return _RULES[self.kind](self, args, kwargs, fresh)

    def shown(self, plain: Any, derivative: Any) -> Any:
        """Both as the user gets them."""
        if self.kind in ("value_and_grad", "jvp"):
            return plain, derivative
        return (derivative, plain) if self.has_aux else derivative

    def differentiated(self, args: Sequence[Any]) -> tuple[int, ...]:
        """The positions of the arguments to differentiate by, counted from the front."""
        if self.kind in ("vjp", "jvp", "hvp"):
            return tuple(range(len(args)))
        given = self.argnums if isinstance(self.argnums, tuple) else (self.argnums,)
        for number in given:
            if not -len(args) <= number < len(args):
                raise TraceError(
                    f"argnums names arguments that are passed by position: argnums={self.argnums}, and {name_of(self.fun)} "
                    f"was called with {len(args)} of them.\npass argument {number} by position, or name another."
                )
        return tuple(number % len(args) for number in given)


def name_of(fun: Any) -> str:
    """What a function is called in messages."""
    return str(getattr(fun, "__name__", type(fun).__name__))


def argument_names(fun: Any, number: int) -> list[str]:
    """The names of the first parameters, as the function has them."""
    try:
        parameters = signature(fun).parameters.values()
    except (TypeError, ValueError):
        parameters = {}.values()
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{k}]" for k in range(number - len(names))]
        elif parameter.kind is not parameter.KEYWORD_ONLY and parameter.kind is not parameter.VAR_KEYWORD:
            names.append(parameter.name)
    return [*names, *(f"x{k}" for k in range(len(names), number))][:number]


def not_real(path: str, what: str) -> TraceError:
    return TraceError(
        f"derivatives are with respect to real numbers, and {path} is {what}.\n"
        f"pass floats ({path}.astype(float), 3.0 instead of 3), or leave the argument out of argnums."
    )


# Running the function ------------------------------------------------------------------------------------------


@dataclass
class Run:
    """One run of the function: its results over inputs of the run, and what these inputs stand for."""

    outputs: list[Tracer]
    tree: Tree
    aux: Any
    arguments: dict[int, tuple[Tree, list[Input]]]  # by position
    stands_for: dict[Tensor, Sum]

    @property
    def targets(self) -> list[Input]:
        return [target for _, targets in self.arguments.values() for target in targets]

    def outside(self, axes: Sequence[Sequence[Index]], bodies: Sequence[Sum], kinds: str = "") -> list[Tracer]:
        """Expressions over these axes as arrays outside the run."""
        if self.stands_for:
            bodies = rewrites.rebuild(bodies, self.stands_for)
        found = []
        for own, body, kind in zip(axes, bodies, kinds or "f" * len(bodies), strict=True):
            labels = axis_labels([axis.dim for axis in own])
            mapping = dict(zip(own, labels, strict=True))
            found.append(Tracer(labels, body.substitute(mapping), kind))  # type: ignore[arg-type]
        return found

    def values(self) -> Any:
        """The results, nested as the function returned them."""
        return unflatten(self.tree, self._moved(self.outputs))

    def auxiliary(self) -> Any:
        """What the function returned besides."""
        leaves, tree = flatten(self.aux)
        traced = [leaf for leaf in leaves if isinstance(leaf, Tracer)]
        moved = iter(self._moved(traced))
        return unflatten(tree, [next(moved) if isinstance(leaf, Tracer) else leaf for leaf in leaves])

    def _moved(self, arrays: Sequence[Tracer]) -> list[Tracer]:
        arrays = [array.current() for array in arrays]
        kinds = "".join(array.kind for array in arrays)
        return self.outside([array.axes for array in arrays], [array.body for array in arrays], kinds)

    def pulled(self, cotangents: Sequence[Sum | None]) -> list[Tracer]:
        """The gradients by all targets, for cotangents over the axes of the outputs."""
        found = self._pulled(cotangents)
        targets = self.targets
        return self.outside([target.axes for target in targets], [found[target] for target in targets])

    def _pulled(self, cotangents: Sequence[Sum | None]) -> dict[Input, Sum]:
        seeds = [
            (out.axes, out.body, seed) for out, seed in zip(self.outputs, cotangents, strict=True) if seed is not None
        ]
        return calculus.pullback(seeds, self.targets)

    def jacobians(self) -> list[list[Tracer]]:
        """Per output, its derivative by each target: the output's axes, then the target's."""
        targets = self.targets
        rows = []
        for k, out in enumerate(self.outputs):
            front = [Index.fresh(axis.dim) for axis in out.axes]
            seeds: list[Sum | None] = [None] * len(self.outputs)
            seeds[k] = calculus.identity(out.axes, front)
            found = self._pulled(seeds)
            rows.append(
                self.outside([(*front, *target.axes) for target in targets], [found[target] for target in targets])
            )
        return rows

    def pushed(self, tangents: Sequence[Tracer]) -> list[Tracer]:
        """The change of each output, for the tangents of the targets."""
        moves: dict[Input, Sum] = {}
        for target, tangent in zip(self.targets, tangents, strict=True):
            moves[target] = tangent.body.substitute(dict(zip(tangent.axes, target.axes, strict=True)))
        axes, bodies = [], []
        for out in self.outputs:
            fresh = [Index.fresh(axis.dim) for axis in out.axes]
            axes.append(fresh)
            bodies.append(out.body.substitute(dict(zip(out.axes, fresh, strict=True))))
        return self.outside(axes, calculus.pushforward(bodies, moves))

    def nested(self, numbers: Argnums, positions: Sequence[int], leaves: Sequence[Any]) -> Any:
        """Leaves for all targets, nested as the arguments: bare for one number, a tuple for a tuple."""
        by_argument = {}
        rest = iter(leaves)
        for position, (tree, targets) in self.arguments.items():
            by_argument[position] = unflatten(tree, [next(rest) for _ in targets])
        return by_argument[positions[0]] if isinstance(numbers, int) else tuple(by_argument[p] for p in positions)


def run(
    fun: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    positions: Sequence[int],
    has_aux: bool,
    fresh: bool,
) -> Run:
    """Run the function on traced arrays in place of the arguments at these positions."""
    args = list(args)
    names = argument_names(fun, len(args))
    arguments: dict[int, tuple[Tree, list[Input]]] = {}
    stands_for: dict[Tensor, Sum] = {}
    for position in dict.fromkeys(positions):
        leaves, tree = flatten(args[position])
        pairs = [
            _own_input(leaf, path, fresh, stands_for)
            for leaf, path in zip(leaves, paths(tree, names[position]), strict=True)
        ]
        arguments[position] = tree, [target for target, _ in pairs]
        args[position] = unflatten(tree, [tracer for _, tracer in pairs])
    result = fun(*args, **kwargs)
    aux = None
    if has_aux:
        if not (isinstance(result, tuple) and len(result) == 2):
            raise TraceError(
                f"with has_aux=True a function returns a pair, the output and what else there is, and "
                f"{name_of(fun)} returned {_returned(result)}.\nreturn output, aux, or leave has_aux out."
            )
        result, aux = result
    leaves, tree = flatten(result)
    outputs = [_output(leaf, fun) for leaf in leaves]
    return Run(outputs, tree, aux, arguments, stands_for)


def _own_input(leaf: Any, path: str, fresh: bool, stands_for: dict[Tensor, Sum]) -> tuple[Input, Tracer]:
    lifted = lift(leaf)
    if lifted.kind != "f":
        raise not_real(path, "a whole number" if lifted.kind == "i" else "a truth value")
    if not fresh:
        ((factor,),) = (term.factors for term in lifted.body.terms)
        assert isinstance(factor.tensor, Input)
        return factor.tensor, lifted
    name = _unused_name(path)
    target = Input(name, lifted.dims)
    stands_for[target] = lifted.body.substitute(dict(zip(lifted.axes, target.axes, strict=True)))
    return target, of_input(name, lifted.dims)


_counters: WeakKeyDictionary[Record, Iterator[int]] = WeakKeyDictionary()


def _unused_name(path: str) -> str:
    """A name that no other input of this trace has: the number counts the inputs made inside it."""
    record = running()
    assert record is not None
    return f"{path}′{next(_counters.setdefault(record, count(1)))}"


def _output(leaf: Any, fun: Any) -> Tracer:
    if not isinstance(leaf, Tracer | SizeNumber | np.ndarray) and not is_number(leaf):
        raise TraceError(
            f"a function to differentiate returns arrays, alone or in tuples, lists and dicts, and "
            f"{name_of(fun)} returned a value of type {type(leaf).__name__}.\n"
            "return it beside the output, with has_aux=True, or not at all."
        )
    return lift(leaf)


def _returned(value: Any) -> str:
    """What a function returned, for a message: an array of shape (2, 3)."""
    leaves, tree = flatten(value)
    if not isinstance(tree, str):
        return nesting(tree)
    shape = getattr(leaves[0], "shape", ())
    return f"an array of shape {spelled(shape)}" if shape else "a single value"


# The rules -----------------------------------------------------------------------------------------------------


def _real_output(out: Tracer, fun: Any) -> None:
    if out.kind != "f":
        raise TraceError(
            f"derivatives are of real numbers, and {name_of(fun)} returned "
            f"{'whole numbers' if out.kind == 'i' else 'truth values'}.\n"
            "return what they are calculated from; counts and masks can be returned beside it, with has_aux=True."
        )


def _grad(wish: Transform, args: Sequence[Any], kwargs: Mapping[str, Any], fresh: bool) -> tuple[Any, Any]:
    positions = wish.differentiated(args)
    found = run(wish.fun, args, kwargs, positions, wish.has_aux, fresh)
    if not isinstance(found.tree, str) or found.outputs[0].axes:
        shown = nesting(found.tree) if not isinstance(found.tree, str) else _returned(found.outputs[0])
        raise TraceError(
            f"a gradient is that of one scalar, and {name_of(wish.fun)} returned {shown}.\n"
            "sum it to a scalar, or use tj.jacobian, or tj.vjp with a cotangent."
        )
    (out,) = found.outputs
    _real_output(out, wish.fun)
    slopes = found.nested(wish.argnums, positions, found.pulled([constant(1)]))
    if wish.kind == "grad":
        return found.auxiliary(), slopes
    value = found.values()
    return (value, found.auxiliary()) if wish.has_aux else value, slopes


def _jacobian(wish: Transform, args: Sequence[Any], kwargs: Mapping[str, Any], fresh: bool) -> tuple[Any, Any]:
    positions = wish.differentiated(args)
    found = run(wish.fun, args, kwargs, positions, wish.has_aux, fresh)
    for out in found.outputs:
        _real_output(out, wish.fun)
    rows = [found.nested(wish.argnums, positions, row) for row in found.jacobians()]
    return found.auxiliary(), unflatten(found.tree, rows)


def _jvp(wish: Transform, args: Sequence[Any], kwargs: Mapping[str, Any], fresh: bool) -> tuple[Any, Any]:
    primals, tangents = args
    found = run(wish.fun, primals, {}, range(len(primals)), False, fresh)
    moves = [lift(tangent) for tangent in matching(found, primals, tangents, wish.fun)]
    plain = found.values() if wish.kind == "jvp" else None
    return plain, unflatten(found.tree, found.pushed(moves))


def matching(found: Run, primals: Sequence[Any], tangents: Sequence[Any], fun: Any) -> list[Any]:
    """The tangents in the order of the targets, of the same shapes."""
    tree = flatten(tuple(primals))[1]
    leaves = leaves_like(tree, tuple(tangents), "tangents", "args")
    for target, tangent, path in zip(found.targets, leaves, paths(tree, "tangents"), strict=True):
        same_shape(path, lift(tangent).shape, "its argument", tuple(axis.dim for axis in target.axes))
    return leaves


def same_shape(path: str, shape: Sequence[Any], owner: str, wanted: Sequence[Any]) -> None:
    """Fail unless a tangent or cotangent has the shape of what it belongs to."""
    if list(map(str, shape)) != list(map(str, wanted)):
        raise wrong_shape(path, shape, owner, wanted)


def wrong_shape(path: str, shape: Sequence[Any], owner: str, wanted: Sequence[Any]) -> ShapeError:
    return ShapeError(
        f"{path} has the shape of {owner}, and here it has shape {spelled(tuple(shape))} and {owner} has shape "
        f"{spelled(tuple(wanted))}.\ngive it that shape, with np.broadcast_to if it is meant to be repeated."
    )


def pull(
    fun: Callable[..., Any], args: Sequence[Any], fresh: bool
) -> tuple[Run, Callable[[Iterable[Tracer]], tuple[Any, ...]]]:
    """Run the function; and the gradients of all arguments, nested as these, from cotangents of the outputs."""
    positions = tuple(range(len(args)))
    found = run(fun, args, {}, positions, False, fresh)

    def pullback(cotangents: Iterable[Tracer]) -> tuple[Any, ...]:
        seeds: list[Sum | None] = [
            cotangent.body.substitute(dict(zip(cotangent.axes, out.axes, strict=True)))
            for cotangent, out in zip(cotangents, found.outputs, strict=True)
        ]
        return found.nested(positions, positions, found.pulled(seeds))  # type: ignore[no-any-return]

    return found, pullback


def vjp(fun: Callable[..., Any], args: Sequence[Any]) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value and the pullback, inside a trace."""
    found, gradients = pull(fun, args, True)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        leaves = leaves_like(found.tree, cotangent, "the cotangent", "the output")
        cotangents = [lift(leaf) for leaf in leaves]
        for each, out, path in zip(cotangents, found.outputs, paths(found.tree, "the cotangent"), strict=True):
            same_shape(path, each.shape, "its output", out.shape)
        return gradients(cotangents)

    return found.values(), pullback


_RULES: dict[str, Callable[[Transform, Sequence[Any], Mapping[str, Any], bool], tuple[Any, Any]]] = {
    "grad": _grad,
    "value_and_grad": _grad,
    "jacobian": _jacobian,
    "jvp": _jvp,
    "hvp": _jvp,
}
