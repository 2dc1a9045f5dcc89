"""The most memory that a program takes at once."""

from __future__ import annotations

from ..arrays import FREE
from ..plan import Program, computed
from .texts import is_elementwise, is_storable, is_view, owner, owns_memory


def peak(program: Program) -> float:
    """The largest number of elements of all arrays that are alive at one moment, arguments apart.

    An array lives from where it is computed to where it, or a view of it, is read last. What is written into a result
    block by block, or as it is computed, takes no memory of its own.
    """
    costs, order = program.costs, computed(program.outputs)
    last = {id(owner(value)): len(order) for value in program.outputs}
    for n, value in reversed(list(enumerate(order))):
        if value.kind not in FREE and not is_view(value):
            # blocks are computed while they are written
            until = last.get(id(value), n) if value.kind == "blocks" else n
            for arg in value.args:
                last.setdefault(id(owner(arg)), until)
    stored = {id(arg) for value in order if value.kind == "filled" for arg in value.args if is_storable(arg, costs)}
    most, held = 0.0, dict[int, float]()
    for n, value in enumerate(order):
        if owns_memory(value) and value.kind not in ("blocks", "pass") and id(value) not in stored:
            ends = [arg for arg in value.args if id(arg) in held and last[id(arg)] == n and arg.shape == value.shape]
            if is_elementwise(value) and ends:
                del held[id(ends[0])]
            held[id(value)] = costs.elements(value.shape)
            most = max(most, sum(held.values()))
        for key in [key for key in held if last[key] <= n]:
            del held[key]
    return most
