"""Whether two values are equal: proved for all sizes, or seen at generic points."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ...calls import Parts
from ...dims import Dim
from ...errors import TensorjacError, UnsupportedError
from ...function import Function
from ...normal import TooLarge, equal, normal
from ...rewrites import assuming, rebuild
from ...terms import Index, Input, Sum, of_factor, topological
from .. import points
from .scope import Scope
from .values import Value

Array = np.ndarray[Any, Any]
Verdict = Literal["proved", "seen", "refuted", "undecided"]

AGREE = 1e-9  # relative to the largest entry: what rounding explains at well-conditioned points
DIFFER = 1e-5  # what it does not
DRAWS = 3
POINTS = 10  # where all sizes are known: few numbers are drawn at each
SIZES = 8  # assignments of sizes among which points are sought
NUDGE, STABLE = 1e-11, 1e-7
TERMS = 12  # terms of one side that are evaluated for themselves


@dataclass(frozen=True)
class Setting:
    """Where to evaluate: sizes that are fixed, arrays that are held, domains of inputs, and a seed."""

    sizes: Mapping[str, int]
    held: Mapping[str, Array]
    domain: Mapping[str, str]
    seed: int


@dataclass(frozen=True)
class Trial:
    """Both sides at one point."""

    sizes: Mapping[str, int]
    args: Mapping[str, Array]
    left: Array
    right: Array
    scale: float  # the largest entry of the sides and of their terms, which may cancel

    @property
    def spans(self) -> Mapping[str, int]:
        """The numbers that a factor may be made of."""
        return self.sizes

    @property
    def gap(self) -> float:
        """The largest difference, relative to the scale."""
        return float(np.max(np.abs(self.left - self.right), initial=0) / self.scale) if self.scale else 0.0


@dataclass(frozen=True)
class Comparison:
    """The verdict on two values, and the points at which they were seen."""

    verdict: Verdict
    trials: tuple[Trial, ...] = ()


def compare(scope: Scope, left: Value, right: Value, setting: Setting) -> Comparison:
    """Compare two values of one shape."""
    try:
        if proved(scope, left, right):
            return Comparison("proved")
        found = _trials(scope, left, right, setting)
        trials = list(itertools.islice(found, DRAWS if scope.sizes.difference(setting.sizes) else POINTS))
    except UnsupportedError:  # a division by what is 0 everywhere
        return Comparison("undecided")
    gaps = [trial.gap for trial in trials]
    if not trials:
        return Comparison("undecided")
    if all(gap <= AGREE for gap in gaps):
        return Comparison("seen", tuple(trials))
    return Comparison("refuted" if max(gaps) >= DIFFER else "undecided", tuple(trials))


def proved(scope: Scope, left: Value, right: Value) -> bool:
    """Whether two values have one form: as they are written, or with what their names stand for."""
    with assuming(scope.requirements):
        if equal([(left.axes, left.body)], [(right.axes, right.body)]):
            return True
        opened = [(side.axes, scope.expanded(side.body)) for side in (left, right)]
        return equal(opened[:1], opened[1:])


def form(scope: Scope, value: Value) -> Sum | None:
    """One form for values that are equal: opened and multiplied out; None where that is too long."""
    axes = [Index.at(k, axis.dim) for k, axis in enumerate(value.axes)]
    with assuming(scope.requirements):
        try:
            return normal([scope.expanded(value.over(axes))])[0]
        except TooLarge:
            return None


def _trials(scope: Scope, left: Value, right: Value, setting: Setting) -> Iterator[Trial]:
    """Both sides at generic points at which they are finite, and do not hang on the last digits of the arguments."""
    bodies, names, renamed = _renamed([scope.expanded(left.body), scope.expanded(right.body)])
    shapes = {**{name: scope.dims[name] for name in scope.given if name.isidentifier()}, **names}
    outputs = {"left": (left.axes, bodies[0]), "right": (right.axes, bodies[1])}
    for side, body in zip((left, right), bodies, strict=True):
        terms = body.terms if 1 < len(body.terms) <= TERMS else ()
        outputs.update({f"term{len(outputs) + k}": (side.axes, Sum((term,))) for k, term in enumerate(terms)})
    function = Function(Parts(shapes, outputs, "tuple", requirements=scope.requirements))
    rng = np.random.default_rng(setting.seed)
    held = {name: array for name, array in setting.held.items() if name in shapes}
    fixed = {**setting.sizes, **_sizes_of(shapes, held)}
    domain = {renamed.get(f"{name}°", name): one for name, one in setting.domain.items()}
    domain = {name: one for name, one in domain.items() if name in shapes}
    assignments = points.assignments(shapes, scope.requirements, fixed, SIZES, rng)
    for k, sizes in enumerate(assignments * (1 if len(assignments) > 1 else POINTS)):
        for guess in points.guesses(shapes, domain):
            arrays = points.inputs(shapes, sizes, guess, held, [setting.seed, k])
            found = _evaluated(function, arrays)
            if found is not None and _is_stable(function, arrays, found, rng):
                yield Trial(sizes, arrays, found[0], found[1], _largest(found))
                break


def _evaluated(function: Function, arrays: Mapping[str, Array]) -> list[Array] | None:
    try:
        with np.errstate(all="ignore"):
            found = [np.asarray(value, dtype=float) for value in function(**arrays)]
    except (ValueError, ArithmeticError, TensorjacError):  # among them LinAlgError, and math.sqrt(-1)
        return None
    return found if all(np.all(np.isfinite(value)) for value in found) else None


def _is_stable(
    function: Function, arrays: Mapping[str, Array], found: Sequence[Array], rng: np.random.Generator
) -> bool:
    """Whether arguments that differ in the eleventh digit give nearly the same: a singular inverse does not."""
    moved = {
        name: array * (1 + NUDGE * rng.standard_normal(array.shape)) if array.dtype.kind == "f" else array
        for name, array in arrays.items()
    }
    again = _evaluated(function, moved)
    if again is None:
        return False
    return _largest([one - other for one, other in zip(found, again, strict=True)]) <= STABLE * _largest(found)


def _largest(arrays: Sequence[Array]) -> float:
    return max(float(np.max(np.abs(array), initial=0)) for array in arrays)


def _sizes_of(shapes: Mapping[str, Sequence[Dim]], held: Mapping[str, Array]) -> dict[str, int]:
    return {
        dim.name: size
        for name, array in held.items()
        for dim, size in zip(shapes[name], array.shape, strict=False)
        if dim.name is not None
    }


def _renamed(bodies: Sequence[Sum]) -> tuple[list[Sum], dict[str, tuple[Dim, ...]], dict[str, str]]:
    """The expressions with inputs that have names of Python's, the shapes of these, and what was called otherwise."""
    inputs = [t for t in topological(t for body in bodies for t in body.tensors) if isinstance(t, Input)]
    taken = {tensor.name for tensor in inputs}
    replaced: dict[Any, Sum] = {}
    shapes: dict[str, tuple[Dim, ...]] = {}
    renamed: dict[str, str] = {}
    for tensor in inputs:
        name = tensor.name
        if not name.isidentifier():
            name = "".join(letter if letter.isidentifier() else "_" for letter in f"v{name}")
            while name in taken:
                name += "_"
            taken.add(name)
            renamed[tensor.name] = name
            replaced[tensor] = of_factor(Input(name, tensor.shape)(*tensor.axes))
        shapes[name] = tensor.shape
    return (rebuild(list(bodies), replaced) if replaced else list(bodies)), shapes, renamed
