"""Rows and columns of formulas in paper notation: what fits together, and how large 𝟏 and I are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from ...dims import Dim
from ...errors import NotationError, ShapeError
from ...notation.paper.syntax import (
    Bars,
    Derivative,
    Differential,
    Entry,
    Entrywise,
    Function,
    Identity,
    Inner,
    Kronecker,
    Norm,
    Ones,
    Product,
    Raised,
    Summed,
    Transposed,
)
from ...notation.syntax import Chain, Name, Node, Number, Unary
from .sizes import SCALAR, Shape, Size, Sizes, Unknown

SCALARS = ("det", "logdet", "tr", "sum", "mean")
SQUARE = ("det", "logdet", "tr", "inv", "adj")
LARGEST_POWER = 12  # of a matrix: it is multiplied out


@dataclass(frozen=True)
class Names:
    """What the shape of a formula depends on: shapes by name, of derivatives by names, sizes, and index letters."""

    shape: Callable[[Name], Shape]
    derivative: Callable[[Shape, Derivative], Sequence[Size]]
    sizes: Collection[str]
    letters: Mapping[str, Size]
    opens: bool = False  # whether letters that nothing introduces are those of the axes


class Shapes(Sizes):
    """The shapes of all parts of one formula."""

    def __init__(self, text: str, names: Names) -> None:
        super().__init__(text)
        self.names = names
        self.letters = dict(names.letters)
        self.opened: dict[str, Size] = dict(names.letters)
        self.ones: set[int] = set()  # ids of numbers 1 that are columns of ones
        self.letter_sizes: dict[int, list[Dim]] = {}  # of sums, by the id of what is summed
        self._shapes: dict[int, Shape] = {}
        self._kept: list[Node] = []  # as long as their ids are in use

    def of(self, node: Node) -> Shape:
        """The shape of a part, worked out the first time."""
        found = self._shapes.get(id(node))
        if found is None:
            self._kept.append(node)
            found = self._shapes[id(node)] = self._work_out(node)
        rows, cols = found
        return self.settled(rows), self.settled(cols)

    def fit(self, node: Node, shape: Shape) -> None:
        """Let a formula take unknown sizes from a shape that it must have, as far as it can."""
        for own, wanted in zip(self.of(node), shape, strict=True):
            if own is not None and wanted is not None:
                self.same(own, wanted)

    # Kinds of nodes

    def _work_out(self, node: Node) -> Shape:
        match node:
            case Number() | Name() | Ones() | Identity():
                return self._atom(node)
            case Differential(of):
                return self.of(of)
            case Derivative():
                return self._derivative(node)
            case Entry():
                return self._entry(node)
            case Summed(letters, body):
                return self._summed(letters, body)
            case Function(name, argument):
                return self._function(name, argument)
            case Norm(of):
                self.of(of)
                return SCALAR
            case Bars(of):
                if self.of(of) != SCALAR:
                    self._square(of, "|·|")
                return SCALAR
            case Inner(left, right):
                self._alike((left, right), "multiplied in an inner product")
                return SCALAR
        return self._operation(node)

    def _atom(self, node: Number | Name | Ones | Identity) -> Shape:
        match node:
            case Number():
                return (Unknown(), None) if id(node) in self.ones else SCALAR
            case Name():
                return self.names.shape(node)
            case Ones(size):
                return (self._named(size, node), None)
        found = self._named(node.size, node)
        return (found, found)

    def _operation(self, node: Node) -> Shape:
        match node:
            case Unary(_, of):
                return self.of(of)
            case Transposed(of):
                if isinstance(of, Number) and of.value == 1:
                    self.ones.add(id(of))
                rows, cols = shape = self.of(of)
                if isinstance(of, Name) and shape == SCALAR and self.text[node.span[1] - 1] in "'′’":
                    advice = f'name what the derivative is taken by, "∂{of.name}/∂x"; a transposed scalar is itself'
                    self.fail(NotationError, "' is a transpose, and no derivative of a defined name", node, advice)
                return (cols, rows)
            case Chain(operands, _):
                return self._alike(operands, "added")
            case Entrywise(operands, _):
                return self._alike(operands, "multiplied entry by entry")
            case Product():
                return self._product(node)
            case Kronecker(operands):
                return self._kronecker(operands)
            case Raised():
                return self._raised(node)
        raise TypeError(f"{type(node).__name__} is no node of paper notation")

    def _named(self, size: str, node: Node) -> Size:
        if not size:
            return Unknown()
        if size not in self.names.sizes:
            known = ", ".join(sorted(self.names.sizes)) or "none"
            self.fail(NotationError, f"{size} is no size, and the sizes are {known}", node, "write one of these")
        return Dim.of(size)

    def _alike(self, operands: Sequence[Node], done: str) -> Shape:
        """The common shape of what is added or multiplied entry by entry; scalars and vectors broadcast."""
        shapes = [self.of(operand) for operand in operands]
        lead = max(range(len(shapes)), key=lambda k: sum(size is not None for size in shapes[k]))
        for operand, shape in zip(operands, shapes, strict=True):
            of_rows = isinstance(operand, Function) and operand.name == "rowsum" and shapes[lead][0] is not None
            if not (of_rows and self.is_same(shape[0], shapes[lead][0])) and not self.broadcasts(shape, shapes[lead]):
                left, right = operands[lead], operand
                rule = f"what is {done} has one shape, and {self._has(left)}, and {self._has(right)}"
                self.fail(ShapeError, rule, right, "check for a missing transpose, or another order of the factors")
        return self.of(operands[lead])

    def _has(self, node: Node) -> str:
        """``X w has n rows``, in words."""
        return f"{self.shown(node)} is {self.described(self.of(node))}"

    def _product(self, node: Product) -> Shape:
        shape = SCALAR
        done: list[Node] = []
        for k, operand in enumerate(node.operands):
            operator = node.operators[k - 1] if k else ""
            if operator == "" and isinstance(operand, Number) and operand.value == 1 and self._is_ones(node, k, shape):
                self.ones.add(id(operand))
            right = self.of(operand)
            if operator == "/":
                shape = self._divided(shape, right, operand)
            else:
                shape = self._times(shape, right, operator, node, k)
            done.append(operand)
        return shape

    def _is_ones(self, node: Product, k: int, before: Shape) -> bool:
        """Whether the 1 at this place is a column of ones: behind a matrix, or before a row."""
        if before[1] is not None:
            return True
        if k + 1 == len(node.operands) or node.operators[k] != "" or before != SCALAR:
            return False
        rows, cols = self.of(node.operands[k + 1])
        return rows is None and cols is not None

    def _divided(self, left: Shape, right: Shape, operand: Node) -> Shape:
        if right == SCALAR:
            return left
        if not self.broadcasts(right, left) or left == SCALAR:
            rule = f"a quotient has a scalar below the line, and {self._has(operand)}"
            self.fail(ShapeError, rule, operand, 'write an inverse, "X⁻¹", or "⊘" for a division entry by entry')
        return left

    def _times(self, left: Shape, right: Shape, operator: str, node: Product, k: int) -> Shape:
        if left == SCALAR or right == SCALAR:
            return right if left == SCALAR else left
        operand = node.operands[k]
        if operator == "·" and left[1] is None and right[1] is None:
            if left[0] is not None and right[0] is not None and self.same(left[0], right[0]):
                return SCALAR  # the dot product of two columns
        elif left[1] is not None and right[0] is not None:
            if self.same(left[1], right[0]):
                return (left[0], right[1])
            cols, rows = self.settled(left[1]), self.settled(right[0])
            so_far = Name("", span=(node.operands[0].span[0], node.operands[k - 1].span[1]))
            rule = (
                f"in a product there are as many columns on the left as rows on the right, and {self.shown(so_far)} "
                f"has {cols} columns, and {self.shown(operand)} has {rows} rows"
            )
            self.fail(ShapeError, rule, Name("", span=(so_far.span[0], operand.span[1])), "transpose or swap factors")
        elif left[1] is None and right[0] is None:
            return (left[0], right[1])
        so_far = Name("", span=(node.operands[0].span[0], node.operands[k - 1].span[1]))
        rule = f"these have no product: {self.shown(so_far)} is {self.described(left)}, and {self._has(operand)}"
        self.fail(ShapeError, rule, Name("", span=(so_far.span[0], operand.span[1])), 'write "xᵀ y", "x yᵀ" or "x ∘ y"')

    def _kronecker(self, operands: Sequence[Node]) -> Shape:
        rows: Size | None = None
        cols: Size | None = None
        for operand in operands:
            for size in self.of(operand):
                if isinstance(size, Unknown):
                    rule = "beside ⊗ the size of 𝟏 and I is written out, and here it is not"
                    self.fail(NotationError, rule, operand, 'write "I_n"')
            own = self.of(operand)
            rows, cols = (_product(one, other) for one, other in zip((rows, cols), own, strict=True))
        return (rows, cols)

    def _square(self, node: Node, what: str) -> Size:
        rows, cols = self.of(node)
        if rows is None or cols is None or not self.same(rows, cols):
            rule = f"{what} takes a square matrix, and {self._has(node)}"
            self.fail(ShapeError, rule, node, "check the factors and their transposes")
        return rows

    def _raised(self, node: Raised) -> Shape:
        shape = self.of(node.base)
        if self.of(node.exponent) != SCALAR:
            self.fail(ShapeError, "an exponent is a scalar", node.exponent, 'write "x^2"')
        if shape == SCALAR:
            return shape
        power = exponent(node)
        if None in shape:
            if power is None or power < 0:
                rule = f"a vector has neither inverse nor power, and {self._has(node.base)}"
                self.fail(ShapeError, rule, node, 'write "1 ⊘ x" or "exp(…)"')
            return shape  # entry by entry
        self._square(node.base, "an inverse or a power")
        if power is None or abs(power) > LARGEST_POWER:
            rule = f"a power of a matrix is a whole number up to {LARGEST_POWER}"
            self.fail(NotationError, rule, node, 'write "X⁻¹" or "X^3"')
        return shape

    def _function(self, name: str, argument: Node) -> Shape:
        shape = self.of(argument)
        if name in SQUARE and not (name == "tr" and shape == SCALAR):
            self._square(argument, name)
        if name in SCALARS:
            return SCALAR
        rows, cols = shape
        if name in ("softmax", "diag") and shape == SCALAR:
            self.fail(
                ShapeError, f"{name} takes a vector or a matrix, and this is a scalar", argument, "give it a vector"
            )
        if name == "diag":
            if None in shape:
                return (rows or cols, rows or cols)
            self._square(argument, name)
            return (rows, None)
        if name == "vec":
            return (_product(rows, cols), None)
        if name == "rowsum":
            return (rows, None)
        return shape

    def _derived(self, node: Derivative) -> Sequence[Size]:
        """The sizes of all axes of a derivative, those of what it is taken by last."""
        return self.names.derivative(self.of(node.of) if not isinstance(node.of, Name) else SCALAR, node)

    def _derivative(self, node: Derivative) -> Shape:
        sizes = self._derived(node)
        if len(sizes) > 2:
            rule = f"paper notation has scalars, vectors and matrices, and this derivative has {len(sizes)} axes"
            self.fail(NotationError, rule, node, 'write the indices, "∂Y[ij]/∂A[kl]" or "∂Y_ij/∂A_kl"')
        if len(sizes) == 2:
            return (sizes[0], sizes[1])
        return (sizes[0], None) if sizes else SCALAR

    def _entry(self, node: Entry) -> Shape:
        if isinstance(node.of, Derivative):
            sizes = list(self._derived(node.of))
        else:
            sizes = [size for size in self.of(node.of) if size is not None]
        if len(sizes) != len(node.letters):
            rule = f"an entry has one letter for each axis, and {self.shown(node.of)} has {len(sizes)}"
            self.fail(NotationError, rule, node, 'write "x_i" or "X_ij"')
        for letter, size in zip(node.letters, sizes, strict=True):
            if letter not in self.letters and self.names.opens:
                self.letters[letter] = self.opened[letter] = Unknown()
            if letter not in self.letters:
                rule = f"a letter is introduced by a sum, and {letter} is not"
                self.fail(NotationError, rule, node, f'write "Σ_{letter}" before it, or index notation, "X[ij]"')
            if not self.same(self.letters[letter], size):
                first, second = self.settled(self.letters[letter]), self.settled(size)
                rule = f"a letter has one size, and {letter} has the sizes {first} and {second}"
                self.fail(ShapeError, rule, node, "use two letters")
        return SCALAR

    def _summed(self, letters: Sequence[str], body: Node) -> Shape:
        outer = self.letters
        self.letters = {**outer, **{letter: Unknown() for letter in letters}}
        shape = self.of(body)
        inner, self.letters = self.letters, outer
        self.letter_sizes[id(body)] = [self.dim(inner[letter], body) for letter in letters]
        return shape


def _product(one: Size | None, other: Size | None) -> Size | None:
    if isinstance(one, Dim) and isinstance(other, Dim):
        return one * other
    return other if one is None else one


def exponent(node: Raised) -> int | None:
    """The whole number to which something is raised; None for anything else."""
    match node.exponent:
        case Number(value) if isinstance(value, int):
            return value
        case Unary("-", Number(value)) if isinstance(value, int):
            return -value
    return None
