"""What names stand for in a text: tensors to be read at slots, and the functions that are applied to them.

Expressions are built by constructors that are passed in, because those simplify and stand on a higher floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ...dims import Dim
from ...terms import Factor, Index, Position, Slot, Sum, Tensor, of_factor
from ...terms import Number as Value
from ..syntax import Call


class Function(Protocol):
    """What a primitive tells about itself."""

    @property
    def name(self) -> str: ...

    @property
    def arity(self) -> int: ...

    @property
    def elementwise(self) -> bool: ...

    @property
    def reduces(self) -> bool: ...

    @property
    def core_out(self) -> str: ...

    def core(self, arg: int) -> str: ...


class Named(Protocol):
    """What a name stands for: something with axes that can be read at slots."""

    @property
    def shape(self) -> tuple[Dim, ...]: ...

    def read(self, slots: Sequence[Slot]) -> Sum: ...


Numpy = Callable[[Call], Named]
P = TypeVar("P", bound=Function)

Applied = TypeVar("Applied", bound=Function, contravariant=True)


class Builder(Protocol[Applied]):
    """The constructors of expressions: the module ``rewrites``."""

    def add(self, *sums: Sum) -> Sum: ...

    def multiply(self, *sums: Sum) -> Sum: ...

    def power(self, base: Sum, exponent: Value) -> Sum: ...

    def contract(self, body: Sum, labels: Iterable[Index]) -> Sum: ...

    def apply(
        self,
        primitive: Applied,
        args: Sequence[Sum],
        cores: Sequence[Sequence[Index]] = (),
        result: Sequence[Slot] = (),
        core_shape: Sequence[Dim] = (),
    ) -> Sum: ...

    def read(self, factor: Factor) -> Sum: ...

    def substitute(self, body: Sum, mapping: Mapping[Index, Slot]) -> Sum: ...


@dataclass(frozen=True)
class Read(Generic[P]):
    """An input or a constant."""

    tensor: Tensor
    build: Builder[P]

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.tensor.shape

    def read(self, slots: Sequence[Slot]) -> Sum:
        return self.build.read(self.tensor(*slots))


@dataclass(frozen=True)
class Defined(Generic[P]):
    """An expression over axes of its own."""

    axes: tuple[Index, ...]
    body: Sum
    build: Builder[P]

    @property
    def shape(self) -> tuple[Dim, ...]:
        return tuple(axis.dim for axis in self.axes)

    def read(self, slots: Sequence[Slot]) -> Sum:
        return self.build.substitute(self.body, dict(zip(self.axes, slots, strict=True)))


@dataclass(frozen=True)
class Positions:
    """``arange(n)``"""

    dim: Dim

    @property
    def shape(self) -> tuple[Dim, ...]:
        return (self.dim,)

    def read(self, slots: Sequence[Slot]) -> Sum:
        return of_factor(Position(self.dim)(*slots))


@dataclass(frozen=True)
class Mapped(Generic[P]):
    """A function of a whole tensor, ``inv(S)`` or ``exp(X)``: the axes before its own are batch axes."""

    function: P
    argument: Named

    @property
    def batch(self) -> int:
        """How many axes the function does not touch."""
        rank = len(self.argument.shape)
        return 0 if self.function.reduces else rank - len(self.function.core(0))

    @property
    def core_shape(self) -> tuple[Dim, ...]:
        return core_shape(self.function, self.argument.shape[self.batch :])

    @property
    def shape(self) -> tuple[Dim, ...]:
        return (*self.argument.shape[: self.batch], *self.core_shape)


def core_shape(function: Function, core: Sequence[Dim]) -> tuple[Dim, ...]:
    """The sizes of the result's own axes, from those of the argument."""
    if function.reduces:
        return ()
    sizes = dict(zip(function.core(0), core, strict=True))
    return tuple(sizes[letter] for letter in function.core_out)
