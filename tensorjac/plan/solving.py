"""Inverses that are only multiplied, written as solutions of linear systems."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from ..arrays import Value, Values

# More systems with one matrix than this cost more than its inverse.
SYSTEMS = 2


def solved(values: Values, outputs: Sequence[Value]) -> list[Value]:
    """The same outputs with systems solved where that costs less than inverses."""
    order = computed(outputs)
    chosen = _replaceable(order, outputs)
    if not chosen:
        return list(outputs)
    done: dict[int, Value] = {}
    for value in order:
        args = [done[id(arg)] for arg in value.args]
        if value.kind == "transpose":
            done[id(value)] = values.transpose(args[0], value.detail)
            continue
        new = _system(values, value, args, chosen, done)
        if new is None and args != list(value.args):
            new = values.make(value.kind, args, value.detail, value.shape, value.mask, value.hint)
        done[id(value)] = new or value
    return [done[id(value)] for value in outputs]


def computed(outputs: Sequence[Value], given: Container[int] = ()) -> list[Value]:
    """The values below the outputs, each after its operands, and nothing below those that are ``given``."""
    done: dict[int, Value] = {}
    stack = [(value, False) for value in reversed(outputs)]
    while stack:
        value, ready = stack.pop()
        if id(value) in done:
            continue
        if ready:
            done[id(value)] = value
            continue
        stack.append((value, True))
        if id(value) not in given:
            stack.extend((arg, False) for arg in reversed(value.args))
    return list(done.values())


def _replaceable(order: Sequence[Value], outputs: Sequence[Value]) -> set[int]:
    """The inverses that stand in a few products only, by identity."""
    users: dict[int, list[Value]] = {
        id(value): [] for value in order if value.kind == "call" and value.detail[0] == "np.linalg.inv({0})"
    }
    used = [(value, arg) for value in order if value.kind != "transpose" for arg in value.args]
    for user, value in [*used, *((value, value) for value in outputs)]:
        inverse = id(_untransposed(value))
        if inverse in users:
            users[inverse].append(user)
    return {
        inverse
        for inverse, found in users.items()
        if 1 <= len(found) <= SYSTEMS and all(_solvable(user, inverse) for user in found)
    }


def _turned(rank: int) -> tuple[int, ...]:
    """The order of axes in which matrices are transposed."""
    return (*range(rank - 2), rank - 1, rank - 2)


def _untransposed(value: Value) -> Value:
    if value.kind == "transpose" and value.detail == _turned(value.rank):
        return value.args[0]
    return value


def _solvable(user: Value, inverse: int) -> bool:
    """Whether a product can be a system: one operand the inverse, the other of the same rank or a single vector."""
    if user.kind != "matmul":
        return False
    sides = [id(_untransposed(arg)) == inverse for arg in user.args]
    if sum(sides) != 1:
        return False
    matrix, other = user.args if sides[0] else user.args[::-1]
    return other.rank == matrix.rank or (matrix.rank == 2 and other.rank == 1)


def _system(
    values: Values, value: Value, args: Sequence[Value], chosen: set[int], done: Mapping[int, Value]
) -> Value | None:
    """A product with a chosen inverse as a system, ``args`` being its operands by now; None for any other value."""
    if value.kind != "matmul":
        return None
    for place, side in enumerate(value.args):
        inverse = _untransposed(side)
        if id(inverse) in chosen:
            matrix = done[id(inverse.args[0])]
            return _solution(values, matrix, inverse is not side, args[1 - place], place == 0)
    return None


def _solution(values: Values, matrix: Value, transposed: bool, other: Value, left: bool) -> Value:
    """inv(matrix) @ other, or other @ inv(matrix) where the inverse stands right, the inverse maybe transposed."""
    turned = _turned(matrix.rank)
    if transposed == left:
        matrix = values.transpose(matrix, turned)
    if not left and other.rank > 1:
        other = values.transpose(other, turned)
    result = values.call("np.linalg.solve({0}, {1})", (matrix, other), other.shape, hint="solution")
    return values.transpose(result, turned) if not left and other.rank > 1 else result
