"""What a routine costs: the totals of its operations."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .arrays import Counted
from .functions import CountedNumpy
from .ledger import Ledger, Operation


@dataclass(frozen=True)
class Cost:
    """Floating-point operations, multiplications and additions each counted, and bytes."""

    operations: tuple[Operation, ...]
    largest: float
    peak: float

    @property
    def flops(self) -> float:
        return sum(operation.flops * operation.times for operation in self.operations)

    @property
    def bytes(self) -> float:
        """Bytes read and written, each operation for itself."""
        return sum((operation.read + operation.written) * operation.times for operation in self.operations)

    @property
    def intensity(self) -> float:
        """Operations for each byte moved."""
        return self.flops / self.bytes if self.bytes else 0.0

    def count(self, *kinds: str) -> int:
        """How many operations are of these kinds."""
        return sum(operation.times for operation in self.operations if operation.kind in kinds)


class Within(NamedTuple):
    """The shape of an argument that is a part of an array, and lies there as that array does."""

    shape: tuple[int, ...]
    whole: tuple[int, ...]


Shape = Sequence[int] | Within


def _given(ledger: Ledger, shape: Shape, dtype: Any) -> Counted:
    if not isinstance(shape, Within):
        return Counted.given(ledger, shape, dtype)
    return Counted.given(ledger, shape.whole, dtype)[tuple(map(slice, shape.shape))]


class _Marked(ast.NodeTransformer):
    """Marks operands that have no name, in whose memory NumPy may compute, and loops over blocks."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.BinOp:
        self.generic_visit(node)
        node.left, node.right = self._marked(node.left), self._marked(node.right)
        return node

    def visit_For(self, node: ast.For) -> ast.For:
        self.generic_visit(node)
        match node.iter:
            case ast.Call(ast.Name("range"), [_, _, _]):
                node.iter = ast.Call(ast.Name("_blocks", ast.Load()), [node.iter], [])
        return node

    @staticmethod
    def _marked(node: ast.expr) -> ast.expr:
        if not isinstance(node, ast.BinOp | ast.Call | ast.UnaryOp):
            return node
        return ast.Call(ast.Name("_temporary", ast.Load()), [node], [])


def _temporary(value: Any) -> Any:
    if isinstance(value, Counted):
        value.temporary = True
    return value


def metered(text: str, name: str, scope: Mapping[str, Any], shapes: Sequence[Shape], dtype: Any = np.float64) -> Cost:
    """What the function ``name`` of a source costs at arguments of these shapes.

    >>> cost = metered("def f(X, A):\\n    return X @ A\\n", "f", {}, [(2, 3), (3, 5)])
    >>> cost.flops, cost.bytes, cost.peak
    (60, 248, 80)
    """
    ledger = Ledger()
    code = ast.fix_missing_locations(_Marked().visit(ast.parse(text)))
    captured = {
        key: Counted.given(ledger, np.shape(value), value.dtype) if isinstance(value, np.ndarray) else value
        for key, value in scope.items()
    }
    marks = {"_temporary": _temporary, "_blocks": ledger.blocks}
    names: dict[str, Any] = {**captured, "np": CountedNumpy(ledger), **marks}
    exec(compile(code, f"<counted {name}>", "exec"), names)
    function: Callable[..., Any] = names[name]
    result = function(*(_given(ledger, shape, dtype) for shape in shapes))
    del result
    return Cost(tuple(ledger.operations), ledger.largest, ledger.peak)
