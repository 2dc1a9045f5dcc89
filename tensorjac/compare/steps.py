"""Products joined pair by pair, as NumPy source: every pair a matrix product or an elementwise one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from ..einsum import LETTERS
from ..emit.texts import DOT
from ..errors import UnsupportedError
from ..plan.contracting import Roles
from ..terms import Index
from .contraction import Product
from .orders import Order

Labels = tuple[Index, ...]


@dataclass(frozen=True)
class Array:
    """A variable with its axes, in the order in which they lie in memory."""

    name: str
    labels: Labels
    temporary: bool = False


@dataclass
class Steps:
    """Lines of source at known sizes; a variable is deleted where it is used for the last time."""

    sizes: Mapping[str, int]
    taken: set[str]
    lines: list[str] = field(default_factory=list)

    def extent(self, labels: Sequence[Index]) -> int:
        return prod(label.dim.evaluate(self.sizes) for label in labels)

    def fresh(self, labels: Sequence[Index], text: str, *used: Array) -> Array:
        """The text as a new variable over these labels, ``used`` being needed no longer."""
        number = 1
        while f"t{number}" in self.taken:
            number += 1
        name = f"t{number}"
        self.taken.add(name)
        self.lines.append(f"{name} = {text}")
        gone = [array.name for array in used if array.temporary]
        if gone:
            self.lines.append(f"del {', '.join(gone)}")
        return Array(name, tuple(labels), True)

    def product(self, product: Product, operands: Sequence[Array], order: Order) -> Array:
        """The product of the operands joined in this order, over its axes, in memory of its own."""
        arrays = dict(enumerate(operands))
        scale = product.scale.at(self.sizes)
        small = min(arrays, key=lambda k: self.extent(arrays[k].labels), default=None)
        if scale != 1 and small is not None and self.extent(arrays[small].labels) < self.extent(product.axes):
            arrays[small] = self.fresh(arrays[small].labels, f"{scale!r} * {arrays[small].name}", arrays[small])
            scale = 1.0
        for number, (a, b) in enumerate(order, start=len(operands)):
            first, second = arrays.pop(a), arrays.pop(b)
            needed = {*product.axes, *(label for array in arrays.values() for label in array.labels)}
            first, second = (
                self.summed(x, [i for i in x.labels if i not in needed and i not in y.labels])
                for x, y in ((first, second), (second, first))
            )
            arrays[number] = self.joined(first, second, Roles.of(first.labels, second.labels, needed), product.axes)
        only = arrays.popitem()[1] if arrays else Array("1.0", ())
        only = self.summed(only, [label for label in only.labels if label not in product.axes])
        return self._finished(only, product.axes, scale)

    def einsum(self, product: Product, operands: Sequence[Array]) -> Array:
        """The product in one call of ``np.einsum``."""
        labels = product.labels
        if len(labels) > len(LETTERS):
            raise UnsupportedError(
                f"np.einsum knows {len(LETTERS)} letters, and the product has {len(labels)} indices: join it in pairs."
            )
        letters = dict(zip(labels, LETTERS, strict=False))
        carried = {label for array in operands for label in array.labels}
        kept = tuple(label for label in product.axes if label in carried)
        above, below = (
            ",".join("".join(letters[label] for label in part) for part in parts)
            for parts in ([array.labels for array in operands], [kept])
        )
        scale = product.scale.at(self.sizes)
        if not operands:
            return self._finished(Array("1.0", ()), product.axes, scale)
        call = f'np.einsum("{above}->{below}", {", ".join(array.name for array in operands)}, order="C")'
        result = self.fresh(kept, call, *operands)
        # of one operand NumPy may return a view
        return self._finished(replace(result, temporary=len(operands) > 1), product.axes, scale)

    def _finished(self, array: Array, axes: Labels, scale: float) -> Array:
        """The array times a number over all the axes, in their order, and in memory of its own."""
        text = self.placed(array, axes)
        if scale != 1:
            text = f"{scale!r} * {text}"
        if set(array.labels) != set(axes):
            shape = ", ".join(f"{self.extent([label])}" for label in axes)
            return self.fresh(axes, f"np.broadcast_to({text}, ({shape},)).copy()", array)
        if text == array.name and array.temporary:
            return array
        if not array.temporary and scale == 1:
            return self.fresh(axes, f"{text}.copy()", array)
        if array.labels != axes:
            text = f"np.ascontiguousarray({text})"
        return self.fresh(axes, text, array)

    def summed(self, array: Array, over: Sequence[Index]) -> Array:
        """The array summed over labels that nothing else has."""
        if not over:
            return array
        axes = tuple(array.labels.index(label) for label in over)
        kept = [label for label in array.labels if label not in over]
        return self.fresh(kept, f"{array.name}.sum(axis={axes})", array)

    # Two arrays

    def joined(self, a: Array, b: Array, roles: Roles, want: Labels) -> Array:
        if not roles.contracted:
            return self._elementwise(a, b, want)
        if roles.left and roles.right and _before(roles.right[0], roles.left[0], want):
            a, b, roles = b, a, roles.turned
        if not roles.batch and not roles.left and not roles.right:
            return self.fresh((), f"np.vdot({a.name}, {self.turned(b, a.labels)})", a, b)
        left = self.matrix(a, roles.batch, roles.left, roles.contracted)
        right = self.matrix(b, roles.batch, roles.contracted, roles.right)
        # of two small matrices, which the method multiplies in half of the operator's overhead
        by_method = not roles.batch and self.extent([*roles.result, *roles.contracted]) <= DOT
        text = f"{left}.dot({right})" if by_method else f"{left} @ {right}"
        if roles.batch and not (roles.left and roles.right):
            text = self._vectors(a, b, roles)
        inner = [roles.left, roles.right]
        if any(len(part) > 1 for part in (roles.batch, *inner)):
            shape = ", ".join(str(self.extent([label])) for label in roles.result)
            text = f"{text if by_method else f'({text})'}.reshape({shape})"
        return self.fresh(roles.result, text, a, b)

    def _vectors(self, a: Array, b: Array, roles: Roles) -> str:
        """A product in which one side, or both, is one vector for each element of the batch."""
        if not roles.left and not roles.right:
            first, second = (self.matrix(x, roles.batch, roles.contracted, ()) for x in (a, b))
            return f"np.vecdot({first}, {second})"
        if roles.left:
            return f"({self.matrix(a, roles.batch, roles.left, roles.contracted)} @ " + (
                f"{self.matrix(b, roles.batch, roles.contracted, ())}[..., None])[..., 0]"
            )
        return f"({self.matrix(a, roles.batch, roles.contracted, ())}[..., None, :] @ " + (
            f"{self.matrix(b, roles.batch, roles.contracted, roles.right)})[..., 0, :]"
        )

    def matrix(self, array: Array, *parts: Labels) -> str:
        """The array with its axes in this order, those of one part merged into one."""
        order = tuple(label for part in parts for label in part)
        text = self.turned(array, order)
        batched = len(parts) == 3 and bool(parts[0])
        if batched and array.labels[-1] in parts[0]:
            # BLAS needs a matrix whose rows or columns lie in one piece
            text = f"np.ascontiguousarray({text})"
        if any(len(part) > 1 for part in parts):
            shape = ", ".join(str(self.extent(part)) for part in parts if part)
            text = f"{text}.reshape({shape})"
        return text

    def turned(self, array: Array, order: Labels) -> str:
        """The array with those axes that it has in this order."""
        places = [array.labels.index(label) for label in order if label in array.labels]
        if places == sorted(places):
            return array.name
        return f"{array.name}.T" if places == [1, 0] else f"{array.name}.transpose({', '.join(map(str, places))})"

    def _elementwise(self, a: Array, b: Array, want: Labels) -> Array:
        union = dict.fromkeys([*a.labels, *b.labels])
        order = tuple(sorted(union, key=lambda label: want.index(label) if label in want else -1))
        if len(b.labels) == len(order) or len(a.labels) == len(order):
            # no copy of the larger one is turned round for nothing
            order = max((a.labels, b.labels), key=len)
        return self.fresh(order, f"{self.placed(a, order)} * {self.placed(b, order)}", a, b)

    def placed(self, array: Array, order: Labels) -> str:
        """The array with its axes in this order, and axes of size 1 between them where it lacks one."""
        text = self.turned(array, order)
        items = [":" if label in array.labels else "None" for label in order]
        rest = items[items.index(":") :] if ":" in items else []
        return f"{text}[{', '.join(rest)}]" if "None" in rest else text


def _before(label: Index, other: Index, order: Labels) -> bool:
    return label in order and other in order and order.index(label) < order.index(other)
