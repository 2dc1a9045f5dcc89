"""The numbers of sizes, read from the shapes of arrays, and what is said where they do not agree."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from ..errors import ShapeError, caret
from .atoms import atom_names, owners
from .prover import Requirement
from .size import Dim

Shapes: TypeAlias = Mapping[str, tuple[Dim, ...]]
Actual: TypeAlias = Mapping[str, tuple[int, ...]]


def bind_sizes(shapes: Shapes, actual: Actual, requirements: Iterable[Requirement] = ()) -> dict[str, int]:
    """The number of each size, read from the shapes of the arguments.

    >>> from tensorjac.dims import parse_shape
    >>> shapes = {"X": parse_shape("b m", "X"), "A": parse_shape("m n", "A")}
    >>> bind_sizes(shapes, {"X": (2, 3), "A": (3, 5)})
    {'b': 2, 'm': 3, 'n': 5}
    """
    sizes, broken = checked_sizes(shapes, actual, requirements)
    if broken is not None:
        raise not_met(broken, sizes, shapes)
    return sizes


def checked_sizes(
    shapes: Shapes, actual: Actual, requirements: Iterable[Requirement]
) -> tuple[dict[str, int], Requirement | None]:
    """The number of each size, and the first requirement that they break."""
    sizes, plain = _named_sizes(shapes, actual)
    broken = _unmet(requirements, sizes)
    if not plain and broken is None:
        # what has no entries is said to have n - 1 of them where n is 0: so this comes second
        _bind_others(shapes, actual, sizes)
        broken = _unmet(requirements, sizes)
    return sizes, broken


def emptying(sizes: Mapping[str, int], facts: Iterable[Requirement]) -> set[str]:
    """The sizes for which there may be arrays without entries: arguments, or parts such as ``x[1:]`` where n is 1."""
    if 0 in sizes.values():
        return set(sizes)
    least = [fact.dim for fact in facts if fact.relation == ">=" and fact.dim.names <= sizes.keys()]
    return {name for dim in least if not dim.evaluate(sizes) for name in dim.names}


def _named_sizes(shapes: Shapes, actual: Actual) -> tuple[dict[str, int], bool]:
    """The sizes that are names, and whether they are all that there is to be read or checked."""
    sizes: dict[str, int] = {}
    plain = True
    for owner, shape in shapes.items():
        numbers = actual[owner]
        if len(numbers) != len(shape):
            plain = False
            continue
        for dim, number in zip(shape, numbers):  # noqa: B905 - strict= costs a fifth of a call's time
            name = dim.name
            if name is None:
                plain = plain and dim.value == number
            elif name not in sizes:
                sizes[name] = number
            elif sizes[name] != number:
                raise _contradiction(name, shapes, actual)
    return sizes, plain


def _unmet(requirements: Iterable[Requirement], sizes: Mapping[str, int]) -> Requirement | None:
    """The first requirement that these sizes break, of those whose names are known."""
    for requirement in requirements:
        if not requirement.dim.names <= sizes.keys():
            continue
        number = requirement.dim.evaluate(sizes)
        if number != 0 and (number < 0 or requirement.relation == "=="):
            return requirement
    return None


def _bind_others(shapes: Shapes, actual: Actual, sizes: dict[str, int]) -> None:
    """Checks ranks, numbers, and sizes such as b*n; where one name is unknown and linear, solves for it first."""
    for owner, shape in shapes.items():
        numbers = actual[owner]
        if len(numbers) != len(shape):
            raise _wrong_rank(owner, shape, numbers)
        if any(dim.value is not None and dim.value != number for dim, number in zip(shape, numbers, strict=True)):
            raise _wrong_number(owner, shape, numbers, _mismatch(shape, numbers), {})
    left = [
        (owner, axis, dim)
        for owner, shape in shapes.items()
        for axis, dim in enumerate(shape)
        if dim.name is None and dim.value is None
    ]
    solved = True
    while left and solved:
        solved = False
        for owner, axis, dim in tuple(left):
            unknown = [name for name in dim.names if name not in sizes]
            if len(unknown) == 1:
                number = _solution(dim, unknown[0], actual[owner][axis], sizes)
                if number is not None and number < 0:
                    raise _no_solution(unknown[0], owner, shapes[owner], actual[owner], axis, sizes)
                if number is not None:
                    sizes[unknown[0]] = number
            if dim.names <= sizes.keys():
                solved = True
                left.remove((owner, axis, dim))
                if dim.evaluate(sizes) != actual[owner][axis]:
                    raise _wrong_number(owner, shapes[owner], actual[owner], axis, sizes)
    for owner, axis, dim in left:
        name = min(name for name in dim.names if name not in sizes)
        raise ShapeError(
            f"each size is read from some axis, and {name} cannot be: it stands only in {dim} "
            f"(axis {axis} of {owner}).\n{_point(owner, shapes[owner], axis)}\n"
            f"{owner}.shape is {actual[owner]}; give {name} an axis of its own."
        )


def _solution(dim: Dim, name: str, number: int, sizes: Mapping[str, int]) -> int | None:
    """The size that makes a linear `dim` equal to `number`: -1 where none does, None if it is not linear."""
    holders = [(atom, power) for m, _ in dim.terms for atom, power in m if name in atom_names(atom)]
    if any(atom != name or power != 1 for atom, power in holders):
        return None
    offset = dim.evaluate({**sizes, name: 0})
    slope = dim.evaluate({**sizes, name: 1}) - offset
    if not slope:
        return None
    found, rest = divmod(number - offset, slope)
    return -1 if rest else max(found, -1)


def _shape_text(shape: tuple[Dim, ...]) -> str:
    return " ".join(dim.key.replace(" ", "") for dim in shape)


def _point(owner: str, shape: tuple[Dim, ...], axis: int) -> str:
    start = len(owner) + 2 + sum(len(dim.key.replace(" ", "")) + 1 for dim in shape[:axis])
    return caret(f"{owner}: {_shape_text(shape)}", start, start + len(shape[axis].key.replace(" ", "")))


def _axes(count: int) -> str:
    return f"{count} {'axis' if count == 1 else 'axes'}"


def _wrong_rank(owner: str, shape: tuple[Dim, ...], numbers: tuple[int, ...]) -> ShapeError:
    text = _shape_text(shape)
    line = f"{owner}: {text}"
    return ShapeError(
        f"{owner} has {_axes(len(numbers))}, its shape {text!r} has {len(shape)}:\n"
        f"{caret(line, len(owner) + 2, max(len(line), len(owner) + 3))}\n"
        f"{owner}.shape is {numbers}; give an array with {_axes(len(shape))}."
    )


def _first_axes(name: str, shapes: Shapes) -> Iterator[tuple[str, int]]:
    for owner, shape in shapes.items():
        for axis, dim in enumerate(shape):
            if dim.name == name:
                yield owner, axis


def _contradiction(name: str, shapes: Shapes, actual: Actual) -> ShapeError:
    (first, axis), *others = _first_axes(name, shapes)
    number = actual[first][axis]
    other, second = next((o, a) for o, a in others if actual[o][a] != number)
    return ShapeError(
        f"size {name} is {number} in {first} (axis {axis} of {_shape_text(shapes[first])!r}) and "
        f"{actual[other][second]} in {other} (axis {second} of {_shape_text(shapes[other])!r}):\n"
        f"{_point(first, shapes[first], axis)}\n{_point(other, shapes[other], second)}\n"
        f"{first}.shape is {actual[first]}{'' if other == first else f', {other}.shape is {actual[other]}'}; "
        f"give arrays whose sizes agree, or name the two sizes differently."
    )


def _no_solution(
    name: str,
    owner: str,
    shape: tuple[Dim, ...],
    numbers: tuple[int, ...],
    axis: int,
    sizes: Mapping[str, int],
) -> ShapeError:
    return ShapeError(
        f"axis {axis} of {owner} has size {numbers[axis]}, and no size {name} makes {shape[axis]} that:\n"
        f"{_point(owner, shape, axis)}\n{owners(sizes, shape[axis].names)}{owner}.shape is {numbers}; "
        f"give an array whose size is {shape[axis]}."
    )


def _mismatch(shape: tuple[Dim, ...], numbers: tuple[int, ...]) -> int:
    return next(a for a, dim in enumerate(shape) if dim.value is not None and dim.value != numbers[a])


def _wrong_number(
    owner: str, shape: tuple[Dim, ...], numbers: tuple[int, ...], axis: int, sizes: Mapping[str, int]
) -> ShapeError:
    dim = shape[axis]
    says = f"{dim}" if dim.value is not None else f"{dim}, which is {dim.evaluate(sizes)}"
    cure = "or a name there lets the size vary" if dim.value is not None else "or other sizes for its names"
    return ShapeError(
        f"axis {axis} of {owner} has size {numbers[axis]}, "
        f"and its shape {_shape_text(shape)!r} says {says}:\n"
        f"{_point(owner, shape, axis)}\n{owners(sizes, dim.names)}{owner}.shape is {numbers}; "
        f"give an array of that size, {cure}."
    )


def not_met(requirement: Requirement, sizes: Mapping[str, int], shapes: Shapes, tried: bool = False) -> ShapeError:
    """What is said of sizes that break a requirement; ``tried`` is whether the function was made for them, in vain."""
    dim, relation, reason = requirement
    text, fixed = f"{dim} {relation} 0", " and ".join(f"{name} at {sizes[name]}" for name in sorted(dim.names))
    owners = []
    for name in sorted(dim.names):
        places = [f" in {o} (axis {a} of {_shape_text(shapes[o])!r})" for o, a in _first_axes(name, shapes)]
        owners.append(f"{name} is {sizes[name]}{(*places, '')[0]}")
    return ShapeError(
        f"the sizes must satisfy {text} ({reason}), and {dim} is {dim.evaluate(sizes)}:\n"
        f"{caret(text, 0, len(dim.key))}\n{', '.join(owners)}; give arrays whose sizes satisfy it"
        + ("." if tried else f", or fix {fixed} in the shapes, if NumPy takes such arrays.")
    )
