"""The expressions of a program, all at once: those of the outputs, and those inside the tensors below them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..terms import DELTA, Apply, Contraction, Factor, Index, Shared, Slot, Sum, Tensor, Term, product, topological


@dataclass(frozen=True)
class Bodies:
    """The expressions of the outputs, and those that each tensor consists of."""

    roots: list[Sum]
    inner: dict[Tensor, list[Sum]]

    @classmethod
    def below(cls, roots: Sequence[Sum]) -> Bodies:
        """The roots with the expressions inside every tensor below them."""
        inner: dict[Tensor, list[Sum]] = {}
        for tensor in topological(t for root in roots for t in root.tensors):
            if isinstance(tensor, Contraction):
                inner[tensor] = [Sum((tensor.term(tensor.axes),))]
            elif isinstance(tensor, Shared):
                inner[tensor] = [tensor.body]
            elif isinstance(tensor, Apply):
                inner[tensor] = list(tensor.args)
        return cls(list(roots), inner)

    def __iter__(self) -> Iterator[Sum]:
        yield from self.roots
        for group in self.inner.values():
            yield from group

    def mapped(self, change: Callable[[Sum], Sum]) -> Bodies:
        """Every expression changed, the tensors being called what they were."""
        return Bodies(
            [change(root) for root in self.roots],
            {tensor: [change(body) for body in group] for tensor, group in self.inner.items()},
        )

    def pruned(self) -> Bodies:
        """The same without the tensors that the roots do not need."""
        needed: set[Tensor] = set(self.needed())
        return Bodies(self.roots, {tensor: group for tensor, group in self.inner.items() if tensor in needed})

    def opened(self, factor: Factor) -> Term:
        """The product that a contraction is, read at the slots of the factor, with summed indices of its own."""
        tensor, slots, _ = factor
        ((inside,),) = (body.terms for body in self.inner[tensor])
        summed = tuple(Index.fresh(index.dim) for index in inside.summed)
        moved: dict[Index, Slot] = dict(zip((*tensor.axes, *inside.summed), (*slots, *summed), strict=True))
        return product(inside.coefficient, [f.substitute(moved) for f in inside.factors], summed)

    def uses(self) -> dict[Tensor, int]:
        """In how many places each tensor stands."""
        uses: dict[Tensor, int] = {}
        for body in self:
            for tensor in body.tensors:
                uses[tensor] = uses.get(tensor, 0) + 1
        return uses

    def needed(self, late: int = 0) -> list[Tensor]:
        """The tensors that the roots need, each after what it consists of; of the parts of one, those that depend on
        the inputs ``late``, given by their bits, come last."""
        done: dict[Tensor, None] = {}
        stack: list[tuple[Tensor, bool]] = []

        def push(bodies: Iterable[Sum]) -> None:
            found = [t for body in bodies for t in body.tensors if t not in done]
            found.sort(key=lambda tensor: bool(tensor.needs & late))
            stack.extend((tensor, False) for tensor in reversed(found))

        push(self.roots)
        while stack:
            tensor, ready = stack.pop()
            if tensor in done or tensor is DELTA:
                continue
            if ready:
                done[tensor] = None
                continue
            stack.append((tensor, True))
            push(self.inner.get(tensor, ()))
        return list(done)
