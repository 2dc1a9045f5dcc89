"""Which intermediates of a derivation have lines of their own, and under which names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from ..terms import Apply, Contraction, Input, Shared, Sum, Tensor, of_factor, topological
from .lines import Axes

# What a function of a tensor is called where its first letter would not do.
NAMES = {"exp": "E", "max": "top", "inv": "inverse"}
LETTERS = {"G": "B", "L": "U"}  # G is the cotangent, and L the loss


class Intermediates:
    """The computed tensors that depend on one of the inputs ``wrt``, each after its parts."""

    def __init__(
        self, outputs: Mapping[str, tuple[Axes, Sum]], wrt: Collection[str], constants: Collection[Tensor]
    ) -> None:
        tensors = [
            tensor
            for tensor in topological(t for _, body in outputs.values() for t in body.tensors)
            if not isinstance(tensor, Input) and tensor not in constants and tensor.inputs.intersection(wrt)
        ]
        self.whole = _whole([body for _, body in outputs.values()], tensors)
        self.named = [tensor for tensor in tensors if tensor not in self.whole]

    def opened(self, body: Sum) -> Sum:
        """The output with the tensor that it consists of opened, where that is a product or a sum."""
        if body.lone is None or body.lone.tensor not in self.whole:
            return body
        tensor, slots, _ = body.lone
        if isinstance(tensor, Shared):
            return tensor.expression(slots)
        return Sum((tensor.term(slots),)) if isinstance(tensor, Contraction) else body


def _whole(bodies: Sequence[Sum], tensors: Sequence[Tensor]) -> set[Tensor]:
    """The tensors of which outputs consist and that stand nowhere else: those need no names."""
    alone = {body.lone.tensor for body in bodies if body.lone}
    users = Counter(part for tensor in tensors for part in tensor.parts)
    users.update(tensor for body in bodies for tensor in set(body.tensors))
    return {tensor for tensor in alone if users[tensor] == 1}


def definition(tensor: Tensor) -> Sum:
    """What a tensor is, over its axes."""
    if isinstance(tensor, Contraction):
        return Sum((tensor.term(tensor.axes),))
    if isinstance(tensor, Shared):
        return tensor.body
    return of_factor(tensor(*tensor.axes))


def name_of(tensor: Tensor, taken: set[str]) -> str:
    """A name for an intermediate that is not taken yet, and is from now on."""
    base = "P" if tensor.rank > 1 else "z" if tensor.rank == 1 else "s"
    if isinstance(tensor, Apply):
        letter = tensor.operation.name[0].upper()
        base = NAMES.get(tensor.operation.name, LETTERS.get(letter, letter))
    elif isinstance(tensor, Shared):
        base = "D" if tensor.rank > 1 else "u"
    name, k = base, 1
    while name in taken:
        k += 1
        name = f"{base}{k}"
    taken.add(name)
    return name
