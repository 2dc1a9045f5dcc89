"""Products with sums: matmul and its kin, einsum, tensordot, kron."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from ..dims import Dim
from ..errors import NotationError, ShapeError, UnsupportedError
from ..rewrites import contract, multiply, substitute
from ..terms import ONE, Index, Slot, constant_slot
from .elementwise import times
from .operands import EVEN, axis_number, axis_numbers, lift, wider
from .record import common_size, counted, fail
from .registry import implements
from .reshapes import merged, ravel
from .sizes import is_whole
from .symbolic import described
from .tracer import Tracer

Letters = Sequence[Hashable]
ADVICE = "the axes that are multiplied and summed have one size: compare the shapes, a transpose may be missing."


def contraction(
    operands: Sequence[tuple[Tracer, Letters]], output: Letters, broadcast: frozenset[Hashable] = frozenset()
) -> Tracer:
    """The product of the operands, each axis known by a letter, summed over letters that the output lacks.

    Axes of size 1 broadcast where their letter is in ``broadcast``.
    """
    dims = _letter_sizes(operands, broadcast)
    targets = {letter: Index.fresh(dim) for letter, dim in dims.items()}
    # an output axis keeps the index of an operand: then there is less to rename
    for letter in output:
        free = [
            axis
            for array, letters in operands
            for axis, own in zip(array.axes, letters, strict=True)
            if own == letter and axis.dim is dims[letter] and axis not in targets.values()
        ]
        if free:
            targets[letter] = free[0]
    bodies = []
    for array, letters in operands:
        mapping: dict[Index, Slot] = {}
        for axis, letter in zip(array.axes, letters, strict=True):
            target = targets[letter]
            if axis is not target:
                mapping[axis] = constant_slot(0) if axis.dim is ONE and target.dim is not ONE else target
        bodies.append(substitute(array.body, mapping))
    summed = [label for letter, label in targets.items() if letter not in output]
    kinds = [array.kind for array, _ in operands]
    if len(operands) > 1 and all(kind == "b" for kind in kinds):
        fail(
            UnsupportedError,
            "there is no rule for a product with sums of masks: NumPy takes it as 'or' of 'and'",
            "multiply one of the masks by 1.0.",
        )
    return Tracer([targets[letter] for letter in output], contract(multiply(*bodies), summed), wider(*kinds))


def _letter_sizes(operands: Sequence[tuple[Tracer, Letters]], broadcast: frozenset[Hashable]) -> Mapping[Hashable, Dim]:
    dims: dict[Hashable, Dim] = {}
    owners: dict[Hashable, tuple[Tracer, int]] = {}
    for array, letters in operands:
        for position, (axis, letter) in enumerate(zip(array.axes, letters, strict=True)):
            known = dims.setdefault(letter, axis.dim)
            owners.setdefault(letter, (array, position))
            if known is axis.dim or (axis.dim is ONE and letter in broadcast):
                continue
            if known is ONE and letter in broadcast:
                dims[letter], owners[letter] = axis.dim, (array, position)
                continue
            owner, place = owners[letter]
            sizes = (
                f"axis {place} of {described(owner)} has size {known}, and axis {position} of {described(array)} "
                f"has size {axis.dim}"
            )
            common = common_size(known, axis.dim, f"a product where {sizes}", EVEN)
            if common is None:
                fail(ShapeError, f"these shapes do not fit: {sizes}", ADVICE)
            dims[letter] = common
    return dims


def _with_axes(array: Tracer, name: str, least: int = 1) -> Tracer:
    if array.ndim < least:
        fail(
            ShapeError,
            f"{name} takes arrays with at least {counted(least, 'axis', 'axes')}, and {described(array)} has "
            f"{array.ndim}",
            "multiply by a scalar with *." if array.ndim == 0 else "add an axis, as in x[:, None].",
        )
    return array


def _batched(left: Tracer, left_core: Letters, right: Tracer, right_core: Letters, output: Letters) -> Tracer:
    """A product on the last axes; those in front broadcast against each other."""
    batches = [
        [f"batch {k}" for k in range(array.ndim - len(core), 0, -1)]
        for array, core in ((left, left_core), (right, right_core))
    ]
    batch = max(batches, key=len)
    return contraction(
        [(left, [*batches[0], *left_core]), (right, [*batches[1], *right_core])],
        [*batch, *output],
        frozenset(batch),
    )


@implements("matmul", "linalg.matmul")
def matmul(x1: Any, x2: Any, /) -> Tracer:
    left, right = _with_axes(lift(x1), "@"), _with_axes(lift(x2), "@")
    rows, columns = ["i"] * (left.ndim > 1), ["j"] * (right.ndim > 1)
    return _batched(left, [*rows, "k"], right, ["k", *columns], [*rows, *columns])


@implements("vecdot", "linalg.vecdot")
def vecdot(x1: Any, x2: Any, /, *, axis: Any = -1) -> Tracer:
    left, right = _with_axes(lift(x1), "np.vecdot"), _with_axes(lift(x2), "np.vecdot")
    arrays = [
        array.transpose([*(k for k in range(array.ndim) if k != axis_number(axis, array.ndim)), axis])
        for array in (left, right)
    ]
    return _batched(arrays[0], ["k"], arrays[1], ["k"], [])


@implements("matvec")
def matvec(x1: Any, x2: Any, /) -> Tracer:
    left, right = _with_axes(lift(x1), "np.matvec", 2), _with_axes(lift(x2), "np.matvec")
    return _batched(left, ["i", "k"], right, ["k"], ["i"])


@implements("vecmat")
def vecmat(x1: Any, x2: Any, /) -> Tracer:
    left, right = _with_axes(lift(x1), "np.vecmat"), _with_axes(lift(x2), "np.vecmat", 2)
    return _batched(left, ["k"], right, ["k", "j"], ["j"])


@implements("dot")
def dot(a: Any, b: Any) -> Tracer:
    left, right = lift(a), lift(b)
    if left.ndim == 0 or right.ndim == 0:
        return times(left, right)
    return _tensordot(left, (left.ndim - 1,), right, (max(right.ndim - 2, 0),))


@implements("inner")
def inner(a: Any, b: Any, /) -> Tracer:
    left, right = lift(a), lift(b)
    if left.ndim == 0 or right.ndim == 0:
        return times(left, right)
    return _tensordot(left, (left.ndim - 1,), right, (right.ndim - 1,))


@implements("vdot")
def vdot(a: Any, b: Any, /) -> Tracer:
    left, right = lift(a), lift(b)
    if left.dims != right.dims:
        left, right = ravel(left), ravel(right)
    letters = range(left.ndim)
    return contraction([(left, letters), (right, letters)], [])


@implements("outer", "linalg.outer")
def outer(a: Any, b: Any) -> Tracer:
    return (
        contraction([(ravel(a), "i"), (ravel(b), "j")], "ij")
        if _not_masks(a, b)
        else times(ravel(a)[:, None], ravel(b))
    )


def _not_masks(*values: Any) -> bool:
    return any(lift(value).kind != "b" for value in values)


@implements("tensordot", "linalg.tensordot")
def tensordot(a: Any, b: Any, axes: Any = 2) -> Tracer:
    left, right = lift(a), lift(b)
    if is_whole(axes):
        count = int(axes)
        if not 0 <= count <= min(left.ndim, right.ndim):
            fail(
                ShapeError,
                f"np.tensordot sums over {count} axes, and {described(left)} and {described(right)} have "
                f"{left.ndim} and {right.ndim}",
                "pass axes= with a smaller number, or two lists.",
            )
        return _tensordot(left, range(left.ndim - count, left.ndim), right, range(count))
    first, second = axes
    numbers = axis_numbers(first, left.ndim), axis_numbers(second, right.ndim)
    if len(numbers[0]) != len(numbers[1]):
        fail(
            ShapeError,
            f"np.tensordot sums over pairs of axes, and {axes} names {len(numbers[0])} and {len(numbers[1])}",
            "pass two lists of one length.",
        )
    return _tensordot(left, numbers[0], right, numbers[1])


def _tensordot(left: Tracer, left_axes: Sequence[int], right: Tracer, right_axes: Sequence[int]) -> Tracer:
    shared = dict(zip(right_axes, left_axes, strict=True))
    left_letters = [("left", k) for k in range(left.ndim)]
    right_letters = [("left", shared[k]) if k in shared else ("right", k) for k in range(right.ndim)]
    output = [letter for letter in left_letters if letter[1] not in left_axes]
    output += [letter for letter in right_letters if letter[0] == "right"]
    return contraction([(left, left_letters), (right, right_letters)], output)


@implements("kron")
def kron(a: Any, b: Any) -> Tracer:
    left, right = lift(a), lift(b)
    rank = max(left.ndim, right.ndim)
    left = left[(*[None] * (rank - left.ndim), ...)]
    right = right[(*[None] * (rank - right.ndim), ...)]
    pairs = [(kind, k) for k in range(rank) for kind in ("left", "right")]
    letters = [[pair for pair in pairs if pair[0] == kind] for kind in ("left", "right")]
    product = contraction([(left, letters[0]), (right, letters[1])], pairs)
    groups = [product.axes[2 * k : 2 * k + 2] for k in range(rank)]
    wide = [[axis for axis in group if axis.dim is not ONE] or [group[0]] for group in groups]
    slots: dict[Index, Slot] = {
        axis: constant_slot(0) for group, kept in zip(groups, wide, strict=True) for axis in group if axis not in kept
    }
    body, axes = merged(substitute(product.body, slots), wide)
    return Tracer(axes, body, product.kind)


# einsum -----------------------------------------------------------------------------------------------------


@implements("einsum")
def einsum(*operands: Any) -> Tracer:
    if operands and isinstance(operands[0], str):
        arrays = [lift(each) for each in operands[1:]]
        inputs, output = _read(operands[0], len(arrays))
    else:
        pairs = list(zip(operands[::2], operands[1::2], strict=False))
        arrays = [lift(array) for array, _ in pairs]
        inputs = [list(letters) for _, letters in pairs]
        output = list(operands[-1]) if len(operands) % 2 else None
    letters = [_spread(own, array) for own, array in zip(inputs, arrays, strict=True)]
    batch = max((_batch(own) for own in letters), key=len, default=[])
    if output is None:
        used = [letter for own in letters for letter in own]
        once = {letter for letter in used if used.count(letter) == 1 and letter not in batch}
        named = [*batch, *sorted(once, key=lambda letter: (isinstance(letter, str), letter))]
    else:
        named = [each for letter in output for each in (batch if letter is Ellipsis else [letter])]
    missing = [letter for letter in named if not any(letter in own for own in letters)]
    if missing or len(set(named)) < len(named):
        wrong = missing[0] if missing else next(letter for letter in named if named.count(letter) > 1)
        fail(
            NotationError,
            f"each letter of an einsum output stands once there and in some input, and {wrong} does not",
            "write an output such as ij->ji; a diagonal is read, as in ii->i, and not written.",
        )
    everywhere = frozenset(letter for own in letters for letter in own)
    if len(arrays) == 1 and everywhere == set(named):
        read = contraction([(arrays[0], letters[0])], named)
        return arrays[0].alias(read.axes, read.body)
    return contraction(list(zip(arrays, letters, strict=True)), named, everywhere)


def _read(subscripts: str, count: int) -> tuple[list[list[Hashable]], list[Hashable] | None]:
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    inputs = [_letters(part, subscripts) for part in left.split(",")]
    if len(inputs) != count:
        fail(
            NotationError,
            f"{subscripts!r} names {counted(len(inputs), 'operand', 'operands')}, not {count}",
            "separate the letters of the operands by commas.",
        )
    return inputs, _letters(right, subscripts) if arrow else None


def _letters(text: str, subscripts: str) -> list[Hashable]:
    before, dots, behind = text.partition("...")
    for letter in before + behind:
        if not (letter.isascii() and letter.isalpha()):
            fail(
                NotationError,
                f"einsum letters are a to z and A to Z, and {subscripts!r} has {letter!r}",
                "write subscripts such as 'ij,jk->ik'.",
            )
    return [*before, *([Ellipsis] if dots else []), *behind]


def _spread(letters: Sequence[Hashable], array: Tracer) -> list[Hashable]:
    """One letter per axis, those of the ellipsis numbered from the last."""
    named = [letter for letter in letters if letter is not Ellipsis]
    missing = array.ndim - len(named)
    if missing < 0 or (missing and len(named) == len(letters)):
        fail(
            ShapeError,
            f"einsum names {counted(len(named), 'axis', 'axes')} of {described(array)}, not {array.ndim}",
            "name each axis, or write ... for the others.",
        )
    batch = [(..., k) for k in range(missing, 0, -1)]
    return [each for letter in letters for each in (batch if letter is Ellipsis else [letter])]


def _batch(letters: Sequence[Hashable]) -> list[Hashable]:
    return [letter for letter in letters if isinstance(letter, tuple)]
