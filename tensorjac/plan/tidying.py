"""Products as a person writes them: with as few transposes and brackets as there can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..arrays import Value, Values
from .parting import parted, row_sums
from .solving import computed


def tidied(values: Values, outputs: Sequence[Value], tuned: bool) -> list[Value]:
    """The same outputs, and no more work: (A.T @ B).T as B.T @ A, x @ A.T as A @ x, a * (b * c) as a * b * c."""
    order = computed(outputs)
    sums = row_sums(order) if tuned else {}
    uses = Counter(map(id, outputs))
    for value in order:
        uses.update(map(id, value.args))
    done: dict[int, Value] = {}
    for value in order:
        args = [done[id(arg)] for arg in value.args]
        new = _tidy(values, value, args, uses, sums)
        if new is None and args != list(value.args):
            new = values.make(value.kind, args, value.detail, value.shape, value.mask, value.hint)
        done[id(value)] = new = new or value
        if new is not value:
            uses[id(new)] += uses[id(value)]
            values.pinned.update({id(new)} if id(value) in values.pinned else ())
    return [done[id(value)] for value in outputs]


def _tidy(
    values: Values, value: Value, args: Sequence[Value], uses: Counter[int], sums: Mapping[int, Value]
) -> Value | None:
    """The value over these arguments, written otherwise; None where it stays as it is."""
    if value.kind in ("matmul", "sum"):
        for k, arg in enumerate(args):
            if arg.kind == "scale" and value.rank < arg.rank and uses[id(value.args[k])] == 1:
                # a sum is scaled in place of what it sums
                inner = values.make(
                    value.kind, [*args[:k], arg.args[0], *args[k + 1 :]], value.detail, value.shape, hint=value.hint
                )
                return values.multiply(inner, values.scalar(arg.detail))
    if value.kind == "transpose":
        if args[0].kind == "matmul" and uses[id(value.args[0])] == 1 and value.detail == (1, 0):
            return _turned(values, args[0])
        return values.transpose(args[0], value.detail)
    if value.kind == "matmul":
        a, b = args
        if a.rank == 1 and b.kind == "transpose" and b.detail == (1, 0):
            return values.matmul(b.args[0], a)
        if a.rank == 1 and a.kind == "matmul" and uses[id(value.args[0])] == 1:
            # (A.T @ x) @ y as x @ A @ y
            matrix, vector = a.args
            if matrix.kind == "transpose" and vector.rank == 1:
                return values.matmul(values.matmul(vector, matrix.args[0]), b)
    if value.kind == "multiply" and uses[id(value.args[1])] == 1:
        a, b = args
        return _flat(values, a, b, uses)
    return parted(values, value, args, uses, sums)


def _turned(values: Values, product: Value) -> Value:
    """The transpose of a product of matrices: by transposing its operands where one of them is transposed already."""
    a, b = product.args
    if a.rank == b.rank == 2 and "transpose" in (a.kind, b.kind):
        return values.matmul(values.transpose(b, (1, 0)), values.transpose(a, (1, 0)))
    return values.transpose(product, (1, 0))


def _flat(values: Values, a: Value, b: Value, uses: Counter[int]) -> Value | None:
    """a * (b * c) as a * b * c, where all three have one shape and nothing else needs b * c."""
    if b.kind != "multiply" or uses[id(b)] > 1 or any(each.mask or each.shape != a.shape for each in b.args):
        return None
    c, d = b.args
    return values.multiply(_flat(values, a, c, uses) or values.multiply(a, c), d)
