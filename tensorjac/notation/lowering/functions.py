"""Functions in index notation: how many arguments each takes, and of how many axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Generic

from ...dims import Dim
from ...errors import ShapeError
from ..syntax import SPELLED, Apply, Name, Node, Whole
from .named import Mapped, Named, Numpy, P, Positions
from .slots import SlotReader, count


@dataclass(eq=False)
class FunctionReader(SlotReader, Generic[P]):
    """Finds what is applied; ``numpy`` reads the inside of ``inv(X.T @ X)[ij]``."""

    names: Mapping[str, Named]
    functions: Mapping[str, P]
    numpy: Numpy | None = None
    wholes: dict[int, Named | Mapped[P]] = field(default_factory=dict, init=False)  # by the id of the node

    def __post_init__(self) -> None:
        self.sizes = {*self.sizes, *(size for one in self.names.values() for dim in one.shape for size in dim.names)}

    def function(self, node: Apply) -> P | None:
        """The function that is applied; None for those that are written with others."""
        if self.is_size(node):
            return None
        function = self.functions.get(node.name)
        if function is None and node.name not in SPELLED:
            found = f"a bracket follows the name of a function, and {node.name} is none"
            near = get_close_matches(node.name, sorted({*self.functions, *SPELLED}), 3)
            advice = "put a space before the bracket to multiply, or use a function such as "
            self.fail(node, found, advice + ", ".join(near or ["exp"]))
        arity = function.arity if function is not None else SPELLED[node.name]
        if len(node.arguments) != arity:
            found = f"{node.name} takes {count(arity, 'argument', 'arguments')}, and here "
            found += f"{'is' if len(node.arguments) == 1 else 'are'} {len(node.arguments)}"
            advice = "write 1 argument" if arity == 1 else f"write {arity} arguments, separated by commas"
            self.fail(node, found, advice)
        return function

    def is_size(self, node: Apply) -> bool:
        """Whether this is ``max(n - 3, 0)``, a size."""
        return node.name == "max" and not node.bound and self.dim(node) is not None

    def whole_call(self, node: Apply) -> Mapped[P]:
        """``det(S)``, without brackets behind it."""
        (argument,) = node.arguments
        function = self.functions[node.name]
        if self.is_tensor(argument):
            named = self.mapped(function, argument, node)
            if not named.shape:
                return named
            letters = "ijkl"[: len(named.shape)]
            found = f"{self.shown(node)} has {count(len(named.shape), 'axis', 'axes')}, and here are no brackets"
            self.fail(node, found, f'write "{self.shown(node)}[{letters}]"')
        letters = "k" if function.reduces else "klmn"[: len(function.core(0))]
        found = f"a function of whole axes names them, and {node.name} does not"
        self.fail(node, found, f'write the letters behind _, as in "{node.name}_{letters}(X[{letters}])"')

    def whole(self, node: Whole) -> Named | Mapped[P]:
        """What stands before the brackets of ``inv(S)[ij]``."""
        if id(node) in self.wholes:
            return self.wholes[id(node)]
        call = node.call
        name = call.function.name if isinstance(call.function, Name) else ""
        named: Named | Mapped[P] | None = None
        if len(call.arguments) == 1 and not call.keywords:
            (argument,) = call.arguments
            function = self.functions.get(name)
            if name == "arange":
                dim = self.dim(argument)
                named = None if dim is None else Positions(dim)
            elif function is not None and function.arity == 1 and self.is_tensor(argument):
                named = self.mapped(function, argument, node)
        if named is None:
            if self.numpy is None:
                found = "a function of whole tensors takes the name of a tensor here, and this is an expression"
                self.fail(call, found, "give the inner expression a name behind where")
            named = self.numpy(call)
        self.wholes[id(node)] = named
        return named

    def is_tensor(self, node: Node) -> bool:
        return isinstance(node, Name) and node.name in self.names

    def mapped(self, function: P, argument: Node, node: Node) -> Mapped[P]:
        """``function`` of a tensor by name, whose own axes must fit."""
        assert isinstance(argument, Name)
        mapped = Mapped(function, self.names[argument.name])
        shape = mapped.argument.shape
        if function.elementwise or function.reduces:
            return mapped
        core = function.core(0)
        name = self.shown(node)
        if len(shape) < len(core):
            found = f"{function.name} works on {len(core)} axes, and the argument in {name} has {len(shape)}"
            self.fail(node, found, "give it an argument with more axes", ShapeError)
        first: dict[str, Dim] = {}
        for role, dim in zip(core, shape[len(shape) - len(core) :], strict=True):
            if first.setdefault(role, dim) is not dim:
                found = f"{function.name} takes a square matrix, and the argument in {name} has sizes "
                found += f"{first[role]} and {dim}"
                self.fail(node, found, "give it a matrix with two equal sizes", ShapeError)
        return mapped
