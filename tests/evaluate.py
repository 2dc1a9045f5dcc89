"""An independent reader of expressions: a `Sum` and arrays in, array out.

It knows no algebra and no plan. Every index becomes a range, every slot a sum of ranges, every factor is
read at its slots over the whole box of indices, δ is a comparison with zero, and sums are sums. Slow, and
short enough to be trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod

import numpy as np

from tensorjac.terms import (
    DELTA,
    Apply,
    Constant,
    Contraction,
    Index,
    Input,
    Position,
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    slot_parts,
    topological,
)


def evaluate(
    body: Sum, axes: Sequence[Index], arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int]
) -> np.ndarray:
    """The array that `body` stands for, one axis per index in `axes`, those that it lacks included.

    >>> from tensorjac.dims import Dim
    >>> from tensorjac.terms import Input, Sum, delta, product
    >>> X, i, j = Input("X", (Dim.of("n"),)), Index.fresh(Dim.of("n")), Index.fresh(Dim.of(2))
    >>> evaluate(Sum([product(3, [X(i), delta(i, j)])]), (i, j), {"X": np.array([5.0, 7.0])}, {"n": 2})
    array([[15.,  0.],
           [ 0., 21.]])
    """
    assert len(set(axes)) == len(axes), "an output index is repeated"
    values: dict[Tensor, np.ndarray] = {}
    for tensor in topological(body.tensors):
        values[tensor] = _value(tensor, values, arrays, sizes)
        expected = tuple(dim.evaluate(sizes) for dim in tensor.shape)
        assert values[tensor].shape == expected, f"{tensor} has shape {values[tensor].shape}, says {expected}"
    return _open(body, axes, values, sizes)


def _value(
    tensor: Tensor,
    values: Mapping[Tensor, np.ndarray],
    arrays: Mapping[str, np.ndarray],
    sizes: Mapping[str, int],
) -> np.ndarray:
    """The whole of a closed tensor, given those that it is made of."""
    if isinstance(tensor, Input):
        return np.asarray(arrays[tensor.name])
    if isinstance(tensor, Constant):
        return np.asarray(tensor.array)
    if isinstance(tensor, Size):
        return np.asarray(float(tensor.dim.evaluate(sizes)))
    if isinstance(tensor, Position):
        return np.arange(float(tensor.shape[0].evaluate(sizes)))
    if isinstance(tensor, Shared):
        return _open(tensor.body, tensor.axes, values, sizes)
    if isinstance(tensor, Contraction):
        return _open(Sum([tensor.term(tensor.axes)]), tensor.axes, values, sizes)
    assert isinstance(tensor, Apply), tensor
    return _applied(tensor, values, sizes)


def _applied(tensor: Apply, values: Mapping[Tensor, np.ndarray], sizes: Mapping[str, int]) -> np.ndarray:
    """The primitive's own NumPy function, on arguments with the batch axes first.

    Several core axes that the signature counts as one are made one.
    """
    batch = tensor.axes[: tensor.batch]
    wanted = core_ranks(getattr(tensor.operation, "signature", ""))
    arguments = []
    for position, (arg, core) in enumerate(zip(tensor.args, tensor.cores, strict=True)):
        array = _open(arg, (*batch, *core), values, sizes)
        if wanted and len(core) != wanted[position]:
            assert wanted[position] == 1, f"{tensor.operation.name} on {len(core)} core axes"
            # -1 would not be known where some size is 0
            array = array.reshape(*array.shape[: len(batch)], prod(array.shape[len(batch) :]))
        arguments.append(array)
    function: Callable[..., np.ndarray] = tensor.operation.value  # type: ignore[attr-defined]
    return np.asarray(function(*arguments))


def core_ranks(signature: str) -> list[int]:
    """How many core axes each argument has.

    >>> core_ranks("(m,n),(n)->(m)"), core_ranks("")
    ([2, 1], [])
    """
    arguments = signature.partition("->")[0].strip()[1:-1]
    return [len([name for name in group.split(",") if name]) for group in arguments.split("),(")] if signature else []


def _open(
    body: Sum, axes: Sequence[Index], values: Mapping[Tensor, np.ndarray], sizes: Mapping[str, int]
) -> np.ndarray:
    """The sum of the terms over the box of `axes`."""
    shape = tuple(index.dim.evaluate(sizes) for index in axes)
    total = np.zeros(shape)
    for term in body.terms:
        box = Box((*axes, *term.summed), sizes)
        product: np.ndarray = np.asarray(float(term.coefficient))
        holds: np.ndarray = np.asarray(True)
        for factor in term.factors:
            if factor.tensor is DELTA:
                holds = holds & (box.positions(factor.slots[0]) == 0)
                continue
            places = [box.positions(slot) for slot in factor.slots]
            for place, size in zip(places, values[factor.tensor].shape, strict=True):
                assert np.all((place >= 0) & (place < size)), f"slot out of range in {factor}"
            read = values[factor.tensor][tuple(places)]
            exponent = factor.power if isinstance(factor.power, int) else float(factor.power)
            product = product * (read if exponent == 1 else np.power(read, float(exponent)))
        # 0 where a δ fails, whatever stands beside it, also ∞
        masked = np.where(holds, product, 0.0)
        full = np.broadcast_to(masked, box.shape)
        total = total + full.sum(axis=tuple(range(len(axes), len(box.shape))))
    return total


class Box:
    """All values of some indices at once: each is a range along an axis of its own."""

    def __init__(self, labels: Sequence[Index], sizes: Mapping[str, int]) -> None:
        assert len(set(labels)) == len(labels), "an index is both free and summed"
        self.shape = tuple(label.dim.evaluate(sizes) for label in labels)
        self.sizes = sizes
        self.ranges: dict[Index, np.ndarray] = {}
        for axis, (label, size) in enumerate(zip(labels, self.shape, strict=True)):
            self.ranges[label] = np.arange(size).reshape([size if k == axis else 1 for k in range(len(labels))])

    def positions(self, slot: Slot) -> np.ndarray:
        """The value of an affine form at every point of the box."""
        constant, parts = slot_parts(slot)
        total: np.ndarray = np.full((1,) * len(self.shape), constant.evaluate(self.sizes))
        for label, coefficient in parts:
            total = total + coefficient.evaluate(self.sizes) * self.ranges[label]
        return total


def evaluate_outputs(
    outputs: Mapping[str, tuple[Sequence[Index], Sum]],
    arrays: Mapping[str, np.ndarray],
    sizes: Mapping[str, int],
) -> dict[str, np.ndarray]:
    """Each named output, as `evaluate` reads it."""
    return {name: evaluate(body, axes, arrays, sizes) for name, (axes, body) in outputs.items()}


def labels_of(bodies: Iterable[Sum]) -> set[Index]:
    """All free indices of some sums."""
    return set().union(*(body.labels for body in bodies))
