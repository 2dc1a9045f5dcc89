"""One run of a function on traced arrays, and the contractions of what came out: backward, forward, with δ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from .. import calculus, rewrites
from ..dims import Dim
from ..errors import ShapeError, TraceError
from ..terms import Constant, Index, Input, Sum, Tensor, topological
from ..trace.operands import axis_labels, is_number, lift, of_input
from ..trace.record import Record, running, spelled
from ..trace.registry import known_if_empty
from ..trace.sizes import SizeNumber
from ..trace.symbolic import FRESH
from ..trace.tracer import Tracer
from .trees import Tree, flatten, paths, unflatten
from .trees import spelled as nesting

Argnums = int | tuple[int, ...]


def name_of(fun: Any) -> str:
    """What a function is called in messages."""
    return str(getattr(fun, "__name__", type(fun).__name__))


def check_callable(fun: object) -> None:
    """Fail unless this is a function."""
    if not callable(fun):
        raise TraceError(
            f"what is differentiated is a function, and this is of type {type(fun).__name__}.\n"
            "pass the function itself, and the arguments afterwards: tj.grad(f)(x)."
        )


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
        f"pass floats, such as np.asarray({path}, float) or 3.0 instead of 3, or leave the argument out of argnums."
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
        return _arrays(axes, bodies, kinds or "f" * len(bodies), self.stands_for)

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


def _arrays(
    axes: Sequence[Sequence[Index]], bodies: Sequence[Sum], kinds: str, replaced: Mapping[Tensor, Sum]
) -> list[Tracer]:
    """Expressions over these axes as arrays, with some tensors replaced."""
    if replaced:
        bodies = rewrites.rebuild(bodies, replaced)
    found = []
    for own, body, kind in zip(axes, bodies, kinds, strict=True):
        labels = axis_labels([axis.dim for axis in own])
        mapping = dict(zip(own, labels, strict=True))
        found.append(Tracer(labels, body.substitute(mapping), kind))  # type: ignore[arg-type]
    return found


def applied(
    inputs: Mapping[str, tuple[Dim, ...]],
    outputs: Mapping[str, tuple[tuple[Index, ...], Sum]],
    values: Sequence[Any],
) -> list[Tracer]:
    """What outputs that were traced before are at these values of the inputs, inside another trace."""
    replaced: dict[Tensor, Sum] = {}
    for (name, dims), value in zip(inputs.items(), values, strict=True):
        lifted, target = lift(value), Input(name, dims)
        same_shape(name, lifted.shape, "the output", dims)
        replaced[target] = lifted.body.substitute(dict(zip(lifted.axes, target.axes, strict=True)))
    axes, bodies = zip(*outputs.values(), strict=True)
    record = running()
    assert record is not None
    for tensor in topological(tensor for body in bodies for tensor in body.tensors):
        if isinstance(tensor, Constant):
            record.constants.setdefault(tensor)
    return _arrays(axes, bodies, "f" * len(bodies), replaced)


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
        if not (isinstance(result, tuple | list) and len(result) == 2):
            raise TraceError(
                f"with has_aux=True a function returns a pair, the output and what else there is, and "
                f"{name_of(fun)} returned {returned(result)}.\nreturn output, aux, or leave has_aux out."
            )
        result, aux = result
    leaves, tree = flatten(result)
    outputs = [_output(leaf, fun) for leaf in leaves]
    return Run(outputs, tree, aux, arguments, stands_for)


def _own_input(leaf: Any, path: str, fresh: bool, stands_for: dict[Tensor, Sum]) -> tuple[Input, Any]:
    lifted = lift(leaf)
    if lifted.kind != "f":
        raise not_real(path, "a whole number" if lifted.kind == "i" else "a truth value")
    if not fresh and lifted.body.terms:
        ((factor,),) = (term.factors for term in lifted.body.terms)
        assert isinstance(factor.tensor, Input)
        return factor.tensor, lifted
    name = _unused_name(path)
    target = Input(name, lifted.dims)
    stands_for[target] = lifted.body.substitute(dict(zip(lifted.axes, target.axes, strict=True)))
    return target, known_if_empty(of_input(name, lifted.dims))


_counters: WeakKeyDictionary[Record, Iterator[int]] = WeakKeyDictionary()


def _unused_name(path: str) -> str:
    """A name that no other input of this trace has: the number counts the inputs made inside it."""
    record = running()
    assert record is not None
    return f"{path}{FRESH}{next(_counters.setdefault(record, count(1)))}"


def _output(leaf: Any, fun: Any) -> Tracer:
    if not isinstance(leaf, Tracer | SizeNumber | np.ndarray) and not is_number(leaf):
        raise TraceError(
            f"a function to differentiate returns arrays, alone or in tuples, lists and dicts, and "
            f"{name_of(fun)} returned a value of type {type(leaf).__name__}.\n"
            "return it beside the output, with has_aux=True, or not at all."
        )
    return lift(leaf)


def returned(value: Any) -> str:
    """What a function returned, for a message: an array of shape (2, 3)."""
    leaves, tree = flatten(value)
    if not isinstance(tree, str):
        return nesting(tree)
    shape = getattr(leaves[0], "shape", ())
    return f"an array of shape {spelled(shape)}" if shape else "a single value"


def same_shape(path: str, shape: Sequence[Any], owner: str, wanted: Sequence[Any]) -> None:
    """Fail unless a tangent or cotangent has the shape of what it belongs to."""
    if list(map(str, shape)) != list(map(str, wanted)):
        raise wrong_shape(path, shape, owner, wanted)


def wrong_shape(path: str, shape: Sequence[Any], owner: str, wanted: Sequence[Any]) -> ShapeError:
    return ShapeError(
        f"{path} has the shape of {owner}, and here it has shape {spelled(tuple(shape))} and {owner} has shape "
        f"{spelled(tuple(wanted))}.\ngive it that shape, with np.broadcast_to if it is meant to be repeated."
    )
