"""Generic points: sizes that differ, numbers of both signs without ties, and arrays from named domains.

Many real mistakes vanish at convenient points: square shapes, a scale of 1, one output, positive numbers, no index
twice. What is drawn here is none of these.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..dims import Dim, Requirement
from ..errors import ShapeError

Array = np.ndarray[Any, Any]
Shapes = Mapping[str, tuple[Dim, ...]]

ROUNDS = ((3, 5, 4, 7, 6), (5, 4, 7, 3, 8), (4, 7, 3, 5, 9))
"""Sizes of the first names, one row per draw: all differ, no two draws agree, and none is 1 or 2: over two entries
a normalisation has no gradient, and over one a sum is no sum."""

FURTHER = (11, 13, 17, 19, 23, 29, 31, 37, 41)

EVEN = ((4, 6, 2, 8, 10, 12), (6, 4, 8, 2, 12, 10), (8, 12, 16, 4, 6, 2))
"""For functions that need whole multiples: heads, strides, pooling windows."""

LARGE = ((8, 9, 10, 11, 12, 7), (16, 24, 8, 9, 10, 12), (12, 8, 16, 20, 24, 10))

DOMAINS = (
    "any",
    "positive",
    "unit",
    "between -1 and 1",
    "above 1",
    "symmetric",
    "positive definite",
    "invertible",
    "mask",
    "one-hot",
    "probabilities",
)


def size_names(shapes: Shapes) -> list[str]:
    """The names of sizes, in order of appearance."""
    return list(dict.fromkeys(name for dims in shapes.values() for dim in dims for name in sorted(dim.names)))


def met(shapes: Shapes, requirements: Iterable[Requirement], sizes: Mapping[str, int]) -> bool:
    """Whether every size is a whole number of at least 1 and every requirement holds."""
    try:
        if any(dim.evaluate(sizes) < 1 for dims in shapes.values() for dim in dims):
            return False
        numbers = [(r.dim.evaluate(sizes), r.relation) for r in requirements]
    except ShapeError:
        return False
    return all(number == 0 or (number > 0 and relation == ">=") for number, relation in numbers)


def assignments(
    shapes: Shapes,
    requirements: Sequence[Requirement],
    fixed: Mapping[str, int],
    count: int,
    rng: np.random.Generator,
) -> list[dict[str, int]]:
    """Up to ``count`` assignments of numbers to size names that meet the requirements, as different as possible.

    >>> from tensorjac.dims import parse_shape
    >>> shapes = {"X": parse_shape("b m", "X"), "A": parse_shape("m n", "A")}
    >>> assignments(shapes, (), {"m": 4}, 2, np.random.default_rng(0))
    [{'b': 3, 'm': 4, 'n': 5}, {'b': 5, 'm': 4, 'n': 7}]
    """
    names = [name for name in size_names(shapes) if name not in fixed]
    order = size_names(shapes)
    found: list[dict[str, int]] = []
    for row in itertools.chain(ROUNDS, EVEN, LARGE, _random_rows(len(names), rng)):
        numbers = [number for number in (*row, *FURTHER, *range(43, 43 + len(names))) if number not in fixed.values()]
        drawn = {**fixed, **dict(zip(names, numbers, strict=False))}
        sizes = {name: drawn[name] for name in order}
        if sizes not in found and met(shapes, requirements, sizes):
            found.append(sizes)
        if len(found) == count or (not names and found):
            break
    return found


def _random_rows(length: int, rng: np.random.Generator) -> Iterable[Sequence[int]]:
    for _ in range(400):
        yield [int(number) for number in rng.integers(2, 25, size=max(length, 1))]


def _spread(shape: Sequence[int], rng: np.random.Generator) -> Array:
    """Numbers in (0, 1), shuffled, no two of them close: maxima and orders are clear of ties."""
    count = int(np.prod(shape))
    jitter = rng.uniform(-0.3, 0.3, count)
    return rng.permutation((np.arange(count) + 0.5 + jitter) / max(count, 1)).reshape(tuple(shape))


def draw(shape: Sequence[int], domain: str, rng: np.random.Generator, sizes: Mapping[str, int]) -> Array:
    """An array of a domain; "any" has both signs and stays away from 0, where functions have kinks.

    ``"index n"`` draws whole numbers below the size n, with repetition.
    """
    if domain.startswith("index"):
        return rng.integers(0, _bound(domain, sizes), size=tuple(shape))
    unit = _spread(shape, rng)
    signed = 2 * unit - 1
    match domain:
        case "any":
            return np.asarray(np.where(signed < 0, -1.0, 1.0) * (0.3 + np.abs(signed)))
        case "positive":
            return 0.4 + 1.4 * unit
        case "unit":
            return 0.15 + 0.7 * unit
        case "between -1 and 1":
            return 0.7 * signed
        case "above 1":
            return 1.3 + unit
        case "mask":
            return np.where(rng.permutation(unit.size).reshape(unit.shape) % 3 == 0, 0.0, 1.0)
        case "one-hot":
            return np.asarray(np.eye(shape[-1])[rng.integers(0, shape[-1], size=tuple(shape[:-1]))])
        case "probabilities":
            return np.asarray((0.1 + unit) / np.sum(0.1 + unit, axis=-1, keepdims=True))
        case "symmetric":
            return np.asarray((signed + signed.swapaxes(-1, -2)) / 2)
        case "positive definite":
            root = _orthogonal(shape, rng)
            product = root * np.linspace(0.8, 2.0, shape[-1]) @ root.swapaxes(-1, -2)
            return np.asarray((product + product.swapaxes(-1, -2)) / 2)
        case "invertible":
            return np.asarray(_orthogonal(shape, rng) * np.linspace(0.8, 2.0, shape[-1]) @ _orthogonal(shape, rng))
    raise ShapeError(
        f"an input is drawn from a domain, and {domain!r} is none: choose from "
        f"{', '.join(repr(one) for one in DOMAINS)}, or 'index n' for whole numbers below a size n."
    )


def _bound(domain: str, sizes: Mapping[str, int]) -> int:
    name = domain.removeprefix("index").strip()
    if name.isdigit():
        return int(name)
    if name not in sizes:
        raise ShapeError(
            f"the domain {domain!r} draws whole numbers below a size, and there is no size {name!r}: "
            f"choose from {', '.join(sizes)}, or give a number."
        )
    return sizes[name]


def _orthogonal(shape: Sequence[int], rng: np.random.Generator) -> Array:
    return np.asarray(np.linalg.qr(rng.normal(size=tuple(shape)))[0])


def numbers(dims: Sequence[Dim], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape in numbers."""
    return tuple(dim.evaluate(sizes) for dim in dims)


def inputs(
    shapes: Shapes, sizes: Mapping[str, int], domain: Mapping[str, str], held: Mapping[str, Array], seed: Sequence[int]
) -> dict[str, Array]:
    """One array per input: those that are held as they are, the others drawn."""
    rng = np.random.default_rng(list(seed))
    drawn = {}
    for name, dims in shapes.items():
        array = draw(numbers(dims, sizes), domain.get(name, "any"), rng, sizes)
        drawn[name] = held[name].copy() if name in held else array
    return drawn


def guesses(shapes: Shapes, given: Mapping[str, str]) -> Iterable[dict[str, str]]:
    """Domains to try, from the most general one: what is given stays."""
    square = [name for name, dims in shapes.items() if len(dims) > 1 and dims[-1] is dims[-2]]
    for matrices in ("any", "positive definite") if square else ("any",):
        for rest in ("any", "positive", "unit", "between -1 and 1", "above 1"):
            if matrices == "any" or rest != "between -1 and 1":
                yield {
                    **dict.fromkeys(shapes, rest),
                    **(dict.fromkeys(square, matrices) if matrices != "any" else {}),
                    **given,
                }
