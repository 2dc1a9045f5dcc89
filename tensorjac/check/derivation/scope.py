"""The names of a derivation: what is given, what is defined, and what differentials and derivatives of both are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction

from ...calculus import identity, pullback, pushforward
from ...dims import Dim, Requirement
from ...errors import DerivationError
from ...rewrites import add, assuming, contract, multiply, rebuild, substitute
from ...terms import Index, Input, Sum, Tensor, constant, of_factor, topological
from .values import Kind, Value

CHANGE = "d°"  # begins the names of differentials: no given name does


def change_of(name: str) -> str:
    """The name of a differential."""
    return f"{CHANGE}{name}"


class Scope:
    """Every name is a tensor of its own; ``expanded`` puts in what the defined ones stand for.

    A differential ``dX`` is a tensor, too, so is the gradient ``∂L/∂Y`` of a loss that is known by it only.
    """

    def __init__(self, given: Mapping[str, tuple[Dim, ...]], rows: Collection[str], symmetric: Collection[str]) -> None:
        self.dims: dict[str, tuple[Dim, ...]] = dict(given)
        self.kinds: dict[str, Kind] = {name: "row" if name in rows else _upright(dims) for name, dims in given.items()}
        self.given = tuple(given)
        self.meaning: dict[str, Sum] = {}
        self.used: set[str] = set()
        self.varying: frozenset[str] = frozenset(given)
        self.requirements: tuple[Requirement, ...] = ()
        self.loss = ""  # the scalar whose gradient by X is written dX, as in backward passes
        self._roots: dict[str, Input] = {}
        for name in symmetric:
            self._symmetrise(name)

    @property
    def sizes(self) -> frozenset[str]:
        return frozenset(size for dims in self.dims.values() for dim in dims for size in dim.names)

    @property
    def known(self) -> frozenset[str]:
        return self.sizes.union(self.dims)

    # Names

    def tensor(self, name: str) -> Input:
        return Input(name, self.dims[name])

    def read(self, name: str) -> Value:
        """The value that a name stands for, as the name."""
        self.used.add(name)
        tensor = self.tensor(name)
        axes = tuple(map(Index.fresh, tensor.shape))
        return Value(axes, of_factor(tensor(*axes)), self.kinds[name])

    def define(self, name: str, value: Value) -> None:
        """From now on the name stands for the value."""
        self.dims[name] = value.dims
        self.kinds[name] = _upright(value.dims) if value.kind == "plain" else value.kind
        self.meaning[name] = value.over(self.tensor(name).axes)

    def _symmetrise(self, name: str) -> None:
        """A symmetric input is the symmetric part of a matrix without that property."""
        root = self._roots[name] = Input(f"{name}°", self.dims[name])
        row, column = root.axes
        half = add(of_factor(root(row, column)), of_factor(root(column, row)))
        self.meaning[name] = multiply(half, constant(Fraction(1, 2)))

    def expanded(self, body: Sum, stop: Collection[str] = (), varying: Collection[str] = ()) -> Sum:
        """The expression with everything put in that names and differentials stand for, except for ``stop``.

        Inputs that do not vary have the differential 0; of ``varying`` it is known that they do.
        """
        done: dict[str, Sum] = {}
        waiting = [tensor.name for tensor in inputs_of([body])]
        while waiting:
            name = waiting[-1]
            meaning = None if name in done or name in stop else self._meaning(name, varying)
            if meaning is None:
                waiting.pop()
                continue
            parts = inputs_of([meaning])
            missing = [one.name for one in parts if one.name not in done and self._is_defined(one.name, stop, varying)]
            if missing:
                waiting += missing
                continue
            done[name] = self._put(meaning, done)
        return self._put(body, done)

    def _is_defined(self, name: str, stop: Collection[str], varying: Collection[str]) -> bool:
        return name not in stop and self._meaning(name, varying) is not None

    def _put(self, body: Sum, meanings: Mapping[str, Sum]) -> Sum:
        replaced: dict[Tensor, Sum] = {
            tensor: meanings[tensor.name] for tensor in inputs_of([body]) if tensor.name in meanings
        }
        if not replaced:
            return body
        with assuming(self.requirements):
            return rebuild([body], replaced)[0]

    def _meaning(self, name: str, varying: Collection[str]) -> Sum | None:
        """What a name stands for; None for one that stands for itself."""
        if name in self.meaning:
            return self.meaning[name]
        inner = name.removeprefix(CHANGE)
        if inner == name or inner not in self.dims:
            return None
        if inner in self._roots and inner not in self.varying and inner not in varying:
            return Sum()
        if inner in self.meaning:
            found = self.meaning[name] = self._tangent(self.meaning[inner])
            return found
        return None if inner in self.varying or inner in varying else Sum()

    # Differentials

    def changed(self, name: str, value: Value) -> Value:
        """What ``dX`` stands for: the differential, or where gradients are written so, the gradient of the loss."""
        if self.loss and name:
            return self.derivative(self.loss, None, (name,))
        return self.differential(value)

    def differential(self, value: Value) -> Value:
        """The change of a value when everything in it changes."""
        body = value.body
        if any(self.is_differential(tensor.name) for tensor in inputs_of([body])):
            body = self.expanded(body)  # a second differential: those of differentials are 0
        return Value(value.axes, self._tangent(body), value.kind)

    def is_differential(self, name: str) -> bool:
        return name.startswith(CHANGE)

    def _tangent(self, body: Sum) -> Sum:
        tangents = {}
        for tensor in inputs_of([body]):
            if not self.is_differential(tensor.name):
                self.used.add(tensor.name)
                change = Input(change_of(tensor.name), tensor.shape)
                tangents[tensor] = of_factor(change(*change.axes))
        with assuming(self.requirements):
            return pushforward([body], tangents)[0]

    def define_differential(self, name: str, value: Value) -> None:
        """``dL = …``, for an L of which nothing else is known."""
        self.dims[name] = value.dims
        self.kinds[name] = _upright(value.dims) if value.kind == "plain" else value.kind
        self.meaning[change_of(name)] = value.over(self.tensor(name).axes)

    # Derivatives

    def derivative(self, name: str | None, value: Value | None, wrt: tuple[str, ...]) -> Value:
        """A name, or a value, differentiated by names one after the other: output axes first."""
        if value is None:
            assert name is not None
            if name not in self.dims:
                return self._of_loss(name, wrt[0])
            value = self.read(name)
        first = wrt[0]
        only = name is not None and name not in self.meaning and change_of(name) in self.meaning
        found = self._from_differential(name or "", first) if only else self._by(value, first)
        for other in wrt[1:]:
            found = self._by(found, other)
        return found

    def _by(self, value: Value, wrt: str) -> Value:
        self.used.add(wrt)
        root = self._roots.get(wrt)
        target = root or self.tensor(wrt)
        body = self.expanded(value.body, stop=() if root else (wrt,))
        return self._pulled(value, body, target, self.kinds[wrt])

    def _from_differential(self, name: str, wrt: str) -> Value:
        """The coefficient of ``dA`` in ``dL``."""
        self.used.add(wrt)
        root = self._roots.get(wrt)
        change = change_of(root.name if root else wrt)
        value = Value(self.tensor(name).axes, self.meaning[change_of(name)], self.kinds[name])
        body = self.expanded(value.body, stop=(change,), varying=(wrt, root.name if root else wrt))
        target = Input(change, self.dims[wrt])
        found = self._pulled(value, body, target, self.kinds[wrt])
        if any(self.is_differential(tensor.name) or tensor is target for tensor in inputs_of([found.body])):
            raise DerivationError(f"d{name} is not linear in d{wrt}: the derivative cannot be read off.")
        return found

    def _pulled(self, value: Value, body: Sum, target: Input, kind: Kind) -> Value:
        out = tuple(Index.fresh(axis.dim) for axis in value.axes)
        cotangent = identity(value.axes, out) if out else constant(1)
        with assuming(self.requirements):
            found = pullback([(value.axes, body, cotangent)], [target])[target]
        into = tuple(map(Index.fresh, target.shape))
        body = substitute(found, dict(zip(target.axes, into, strict=True)))
        return Value((*out, *into), body, kind if not out else value.kind if not into else "plain")

    # A loss of which only the gradient by one thing is known

    def _of_loss(self, name: str, wrt: str) -> Value:
        self.know_gradient(name, wrt, None)
        return self.read(f"∂{name}/∂{wrt}")

    def cotangent(self) -> tuple[str, str] | None:
        """The result of the definitions, and what is given as the gradient by it, "" for a scalar; None if unclear."""
        defined = [name for name in self.meaning if name in self.dims and "∂" not in name and name not in self._roots]
        used = {one for name in defined for tensor in self.meaning[name].tensors for one in tensor.inputs}
        results = [name for name in defined if name not in used]
        named = [name for name in defined if f"d{name}" in self.given]
        results = named if len(named) == 1 else results
        if len(results) != 1:
            return None
        (result,) = results
        if not self.dims[result]:
            return result, ""
        free = [name for name in self.given if name not in used and self.dims[name] == self.dims[result]]
        free = [name for name in free if name == f"d{result}"] or free
        return (result, free[0]) if len(free) == 1 else None

    def know_gradient(self, name: str, wrt: str, value: Value | None) -> None:
        """``∂L/∂Y = …``, for an L of which nothing else is known; without a value ``∂L/∂Y`` stands for itself."""
        label = f"∂{name}/∂{wrt}"
        self.dims[label] = self.dims[wrt]
        self.kinds[label] = self.kinds[wrt]
        gradient = self.tensor(label)
        if value is not None:
            self.meaning[label] = value.over(gradient.axes)
        self.dims[name], self.kinds[name] = (), "plain"
        change = Input(change_of(wrt), self.dims[wrt])
        axes = gradient.axes
        self.meaning[change_of(name)] = contract(multiply(of_factor(gradient(*axes)), of_factor(change(*axes))), axes)


def _upright(dims: tuple[Dim, ...]) -> Kind:
    return "column" if len(dims) == 1 else "plain"


def inputs_of(bodies: Iterable[Sum]) -> list[Input]:
    """The inputs below expressions."""
    return [t for t in topological(t for body in bodies for t in body.tensors) if isinstance(t, Input)]
