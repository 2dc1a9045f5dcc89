"""Two arrays multiplied and summed over what they share: as a matrix product, a dot product or an einsum."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from ..arrays import Values
from ..terms import Index
from .costs import Costs
from .labelled import Labelled, aligned, sizes
from .slots import equation


@dataclass(frozen=True)
class Roles:
    """What the indices of two arrays are to their product: shared and kept, shared and summed, or of one side."""

    batch: tuple[Index, ...]
    contracted: tuple[Index, ...]
    left: tuple[Index, ...]
    right: tuple[Index, ...]

    @classmethod
    def of(cls, a: tuple[Index, ...], b: tuple[Index, ...], needed: Container[Index]) -> Roles:
        both = [label for label in a if label in b]
        return cls(
            tuple(label for label in both if label in needed),
            tuple(label for label in both if label not in needed),
            tuple(label for label in a if label not in b),
            tuple(label for label in b if label not in a),
        )

    @property
    def turned(self) -> Roles:
        """The same for the arrays in the other order."""
        return Roles(self.batch, self.contracted, self.right, self.left)

    @property
    def result(self) -> tuple[Index, ...]:
        return (*self.batch, *self.left, *self.right)


# A product of stacked matrices is one call for each: cheaper than one large product in another layout where the calls
# are few, or each of them does this many multiplications.
CALLS, EACH = 16, 32.0**3


def contraction(values: Values, costs: Costs, a: Labelled, b: Labelled, roles: Roles) -> Labelled:
    """The product of two arrays, its axes in the order that costs least."""
    for way in (_matmul, _dot):
        found = way(values, a, b, roles)
        if found is not None:
            return found
    found = _stacked(values, costs, a, b, roles) or _stacked(values, costs, b, a, roles.turned)
    return found or _tensordot(values, a, b, roles) or _einsum(values, a, b, roles)


def _matmul(values: Values, a: Labelled, b: Labelled, roles: Roles) -> Labelled | None:
    if len(roles.contracted) != 1 or len(roles.left) > 1 or len(roles.right) > 1:
        return None
    if roles.batch and not (roles.left and roles.right):
        return None
    first = aligned(values, *a, [*roles.batch, *roles.left, *roles.contracted])
    second = aligned(values, *b, [*roles.batch, *roles.contracted, *roles.right])
    return values.matmul(first, second), roles.result


def _stacked(values: Values, costs: Costs, a: Labelled, b: Labelled, roles: Roles) -> Labelled | None:
    """Many matrices times one, where the axis that is summed is already in its place."""
    if roles.batch or len(roles.contracted) != 1 or len(roles.left) < 2 or len(roles.right) > 1:
        return None
    (k,), la = roles.contracted, a[1]
    calls = costs.volume(roles.left[:-1])
    if calls > CALLS and costs.volume([roles.left[-1], k, *roles.right]) < EACH:
        return None
    if la[-1] is k:
        return values.matmul(a[0], aligned(values, *b, [k, *roles.right])), roles.result
    if la[-2] is k:
        labels = (*roles.left[:-1], *roles.right, roles.left[-1])
        return values.matmul(aligned(values, *b, [*roles.right, k]), a[0]), labels
    return None


def _dot(values: Values, a: Labelled, b: Labelled, roles: Roles) -> Labelled | None:
    """Sums over everything, or over the last axis, of arrays with the same axes."""
    (first, la), (second, lb) = a, b
    if roles.left or roles.right:
        return None
    if not roles.batch and len(roles.contracted) > 1:
        second = aligned(values, second, lb, la)
        return values.call("np.vdot({0}, {1})", (first, second), (), hint="total"), ()
    if roles.contracted == la[-1:] == lb[-1:] and roles.batch == la[:-1]:
        second = aligned(values, second, lb, la)
        args = (values.floating(first), values.floating(second))
        return values.call("np.vecdot({0}, {1})", args, sizes(roles.batch), hint="dot"), roles.batch
    return None


def _tensordot(values: Values, a: Labelled, b: Labelled, roles: Roles) -> Labelled | None:
    if roles.batch:
        return None
    (first, la), (second, lb) = a, b
    places = tuple([labels.index(x) for x in roles.contracted] for labels in (la, lb))
    axes = places if len(roles.contracted) > 1 else tuple(place for (place,) in places)
    args = (values.floating(first), values.floating(second))
    return values.call(f"np.tensordot({{0}}, {{1}}, axes={axes})", args, sizes(roles.result), hint="M"), roles.result


def _einsum(values: Values, a: Labelled, b: Labelled, roles: Roles) -> Labelled:
    (first, la), (second, lb) = a, b
    text = f'np.einsum("{equation([la, lb], roles.result)}", {{0}}, {{1}})'
    args = (values.floating(first), values.floating(second))
    return values.call(text, args, sizes(roles.result), hint="M"), roles.result
