"""Indicators: δ with a summed index of its own, which say no more than that something lies in a range.

Σ_g δ[i = j + g] is 1 where 0 ≤ i − j < |g|. As an array that is a comparison, beside a matrix a triangle of it, and
under a sum over one of its two indices a running sum.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from ..arrays import Value, Values
from ..dims import Dim, nonnegative
from ..rewrites.ranges import bounds_of, in_range, solved_for
from ..rewrites.registry import assumptions
from ..terms import (
    DELTA,
    ZERO,
    Contraction,
    Factor,
    Index,
    Slot,
    Sum,
    Tensor,
    Term,
    affine,
    combine,
    contraction,
    product,
    slot_labels,
    slot_parts,
)
from .bodies import Bodies
from .labelled import Labelled, Triangle, sizes
from .slots import positions


def with_indicators(bodies: Bodies) -> Bodies:
    """The expressions with every δ that only compares closed to a tensor of its own."""
    inner = {
        tensor: group if is_indicator(tensor) else [_compared_in(body) for body in group]
        for tensor, group in bodies.inner.items()
    }
    return Bodies([_compared_in(root) for root in bodies.roots], inner)


def _compared_in(body: Sum) -> Sum:
    if not any(factor.tensor is DELTA for term in body.terms for factor in term.factors):
        return body
    return Sum(map(_closed, body.terms))


def _closed(term: Term) -> Term:
    factors: list[Factor] = []
    closed: set[Index] = set()
    for factor in term.factors:
        gap = _gap(factor, term)
        if gap is not None:
            closed.add(gap)
            factor = contraction((factor,), [gap])
        factors.append(factor)
    if not closed:
        return term
    return product(term.coefficient, factors, tuple(label for label in term.summed if label not in closed))


def _gap(factor: Factor, term: Term) -> Index | None:
    """The summed index that only this δ has, where the δ does not say what any other index must be."""
    if factor.tensor is not DELTA:
        return None
    form = factor.slots[0]
    others = [f for f in term.factors if f is not factor]
    gap = next(
        (g for g in term.summed if g in factor.labels and not any(g in other.labels for other in others)),
        None,
    )
    return gap if gap is not None and _compares(form, gap) else None


def _compares(form: Slot, gap: Index) -> bool:
    if dict(slot_parts(form)[1])[gap].value not in (1, -1):
        return False
    rest = [label for label in slot_labels(form) if label is not gap]
    values = [(solved_for(form, label), label) for label in rest]
    return len(rest) > 1 and not any(value is not None and in_range(value, label.dim) for value, label in values)


def is_indicator(tensor: Tensor) -> bool:
    """Whether the tensor is a δ summed over an index of its own."""
    if not isinstance(tensor, Contraction) or len(tensor.factors) != 1 or len(tensor.summed) != 1:
        return False
    (factor,) = tensor.factors
    return factor.tensor is DELTA and _compares(factor.slots[0], tensor.summed[0])


def _excess(tensor: Contraction) -> Slot:
    """The form that lies between 0 and the size of the summed index, where the indicator is 1."""
    (factor,), (gap,) = tensor.factors, tensor.summed
    value = solved_for(factor.slots[0], gap)
    assert value is not None
    return value


def triangle(tensor: Tensor) -> Triangle | None:
    """What the indicator compares, where that is one index with another."""
    if not isinstance(tensor, Contraction) or not is_indicator(tensor):
        return None
    excess = _excess(tensor)
    offset, parts = slot_parts(excess)
    _, high = bounds_of(excess)
    signs = {c.value: index for index, c in parts}
    if len(parts) != 2 or set(signs) != {1, -1} or high is None:
        return None
    if not nonnegative(tensor.summed[0].dim - 1 - high, assumptions.get()):
        return None
    return Triangle(signs[-1], signs[1], offset)


def indicator(values: Values, tensor: Contraction) -> Labelled:
    """The indicator as an array of truth values: the comparisons that are not always met."""
    excess, (gap,) = _excess(tensor), tensor.summed
    labels = tensor.axes
    low, high = bounds_of(excess)
    facts = assumptions.get()
    tests: list[Value] = []
    if low is None or not nonnegative(low, facts):
        tests.append(_compared(values, excess, labels))
    if high is None or not nonnegative(gap.dim - 1 - high, facts):
        below = combine(((Dim.of(-1), excess),), gap.dim - 1)
        tests.append(_compared(values, below, labels))
    first, *others = tests
    for other in others:
        first = values.call("({0} & {1})", (first, other), sizes(labels), True, hint="mask")
    return first, labels


def _compared(values: Values, form: Slot, labels: Sequence[Index]) -> Value:
    """Where the form is not negative, as one sum of positions compared with another."""
    offset, parts = slot_parts(form)
    facts = assumptions.get()
    negative = {index: -c for index, c in parts if nonnegative(-c, facts)}
    positive = {index: c for index, c in parts if index not in negative}
    above, below = (offset, ZERO) if nonnegative(offset, facts) else (ZERO, -offset)
    left, right = affine(above, positive), affine(below, negative)
    text = f"({positions(left, labels)} >= {positions(right, labels)})"
    return values.call(text, (), sizes(labels), True, hint="mask")


def compared(values: Values, array: Labelled, kind: Triangle, needed: Container[Index]) -> Labelled | None:
    """An array where one of its indices is at most another: a triangle of a matrix, or running sums."""
    value, labels = array
    low, high = kind.low in labels, kind.high in labels
    if low and high:
        result = _cut(values, value, kind, labels[-2:]), labels
        return result if set(labels[-2:]) == {kind.low, kind.high} and all(x in needed for x in labels) else None
    if low is high or (kind.low if low else kind.high) in needed:
        return None
    return _accumulated(values, array, kind, backward=high)


def _cut(values: Values, value: Value, kind: Triangle, last: Sequence[Index]) -> Value:
    """A matrix with zeros right of a diagonal, where its rows are ``kind.high``, else left of one."""
    name, offset = ("tril", kind.shift) if last[0] is kind.high else ("triu", -kind.shift)
    text = f"np.{name}({{0}})" if offset is ZERO else f"np.{name}({{0}}, {offset})"
    return values.call(text, (values.floating(value),), value.shape, hint="masked")


def _accumulated(values: Values, array: Labelled, kind: Triangle, backward: bool) -> Labelled | None:
    """The sum of the entries up to each, or of those from each on."""
    if kind.shift is not ZERO or kind.low.dim is not kind.high.dim:
        return None
    value, labels = array
    along, result = (kind.high, kind.low) if backward else (kind.low, kind.high)
    axis = labels.index(along)
    turned = [":"] * axis + ["::-1"]
    if backward:
        value = values.select(value, turned, value.shape)
    place = f", axis={axis}" if len(labels) > 1 else ""
    value = values.call(f"np.cumsum({{0}}{place})", (values.floating(value),), value.shape, hint="sums")
    if backward:
        value = values.select(value, turned, value.shape)
    return value, tuple(result if label is along else label for label in labels)
