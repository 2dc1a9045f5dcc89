"""Problems cut along an index: the parts of a problem are problems, and their gradients make up the whole one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from .. import rewrites
from ..calls import Parts, free_name
from ..composition import resized
from ..dims import Dim
from ..function import Function
from ..terms import Constant, Contraction, Factor, Index, Input, Sum, Tensor, Term, product, topological
from .problem import Problem

Axes = frozenset[int]
Labels = tuple[Index, ...]
Pairs = Sequence[tuple[Term, Index]]
# The size of an index, and how the gradient is cut by it.
Kind = tuple[Dim, tuple[Axes, ...]]


@dataclass(frozen=True)
class Part:
    """A function with one index cut, and what each of its inputs is: an input or a captured array, cut along axes."""

    function: Function
    size: str  # what the size of the part is called
    reads: Mapping[str, tuple[str, Axes]]

    @classmethod
    def of(cls, parts: Parts, axes: Labels, pairs: Pairs, sizes: Mapping[str, int]) -> Part | None:
        """A part of the sum of some terms, each cut along its index; None where that cannot be.

        ``sizes`` has numbers for those names of which the part reads nothing any more.
        """
        size = free_name("part", {name for dims in parts.inputs.values() for dim in dims for name in dim.names})
        into = Index.fresh(Dim.of(free_name(size, parts.inputs)))
        leaves: dict[tuple[str, Axes], Input] = {}

        def leaf(tensor: Tensor, places: Axes) -> Input:
            assert isinstance(tensor, Input | Constant)
            name = tensor.name if isinstance(tensor, Input) else parts.names[tensor]
            shape = tuple(into.dim if k in places else dim for k, dim in enumerate(tensor.shape))
            taken = {*parts.inputs, *parts.constants, *(known.name for known in leaves.values())}
            return leaves.setdefault((name, places), Input(free_name(f"{name}_", taken), shape))

        with rewrites.assuming(parts.requirements):
            body = rewrites.restricted(pairs, into, leaf)
        if body is None:
            return None  # an index that is not read bare everywhere
        used = {tensor for tensor in topological(body.tensors) if isinstance(tensor, Input)}
        inputs = {name: dims for name, dims in parts.inputs.items() if Input(name, dims) in used}
        reads: dict[str, tuple[str, Axes]] = {name: (name, frozenset()) for name in inputs}
        for read, tensor in leaves.items():
            if tensor in used:
                inputs[tensor.name], reads[tensor.name] = tensor.shape, read
        if all(into.dim not in dims for dims in inputs.values()):
            return None  # nothing that is read says how large the part is
        cut = {label for _, label in pairs}
        axes = tuple(into if axis in cut else axis for axis in axes)
        outputs = dict.fromkeys(parts.outputs, (axes, body))
        found = _with_numbers(replace(parts, inputs=inputs, outputs=outputs, nesting="single", origin=None), sizes)
        return cls(Function(found), str(into.dim), reads)


def _with_numbers(parts: Parts, sizes: Mapping[str, int]) -> Parts:
    """The parts with numbers in the place of those names of sizes that no input has."""
    named = {name for dims in parts.inputs.values() for dim in dims for name in dim.names}
    gone = {name: Dim.of(number) for name, number in sizes.items() if name not in named}
    return resized(parts, gone) if gone else parts


@dataclass(frozen=True, eq=False)
class Cut:
    """A problem of which one index is cut.

    ``targets`` are the inputs of a part that the gradient is by, with the axes of the gradient that are cut for each: a
    part then gives a part of it. Where there are none, what the parts give is added up; so it is where an input is read
    both in parts and whole. ``along`` are the axes of the cotangent that are cut.
    """

    problem: Problem
    index: Index
    part: Part
    targets: tuple[tuple[str, Axes], ...]
    along: Axes

    @property
    def adds(self) -> bool:
        """Whether an entry of the gradient is a sum over parts, or of what one part gives."""
        return len(self.targets) > 1 or not self.targets[0][1]

    @property
    def fills(self) -> bool:
        """Whether the parts write every entry of the gradient once; where two axes are cut, they write a diagonal."""
        return not self.adds and len(self.targets[0][1]) == 1

    @property
    def size(self) -> int:
        return self.index.dim.evaluate(self.problem.sizes)

    def at(self, size: int) -> list[Problem]:
        """The problems of a part of this size, one for each target."""
        return [problem.at(**{self.part.size: size}) for problem in self._ones]

    @cached_property
    def _ones(self) -> list[Problem]:
        sizes = {**self.problem.sizes, self.part.size: 1}
        return [Problem.of(self.part.function, wrt, sizes, dtype=self.problem.dtype) for wrt, _ in self.targets]

    @property
    def reads(self) -> list[tuple[str, Axes]]:
        """What the arguments of a part's problem are: of which array, and along which axes they are cut."""
        return [*self.part.reads.values(), (self.problem.cotangent, self.along)]

    @property
    def converted(self) -> list[bool]:
        """For each argument whether it is an array that was captured in another dtype: a mask, or whole numbers."""
        constants, dtype = self.problem.function.constants, np.dtype(self.problem.dtype)
        return [source in constants and constants[source].dtype != dtype for source, _ in self.reads]

    def arguments(self, name: str, like: str) -> list[str]:
        """These arguments in source, ``name`` being the slice, and ``like`` an array of the dtype of all."""
        variables = self.problem.variables
        texts = [_read(variables.get(source, source), axes, name) for source, axes in self.reads]
        pairs = zip(texts, self.converted, strict=True)
        return [f"{text}.astype({like}.dtype)" if converted else text for text, converted in pairs]

    def written(self, array: str, name: str) -> list[str]:
        """Where in the gradient the gradients of a part stand."""
        return [_read(array, into, name) for _, into in self.targets]


def _read(array: str, axes: Axes, name: str) -> str:
    items = [name if k in axes else ":" for k in range(max(axes, default=-1) + 1)]
    return f"{array}[{', '.join(items)}]" if items else array


@lru_cache(64)
def cuts(problem: Problem) -> list[Cut]:
    """All ways to cut one index of a problem, an axis of the output or what every term is summed over."""
    axes, terms = _read_by(problem)
    found = [_cut(problem, axes, [(term, axis) for term in terms], frozenset((k,))) for k, axis in enumerate(axes)]
    found += [_cut(problem, axes, pairs, frozenset()) for pairs in _summed(problem, axes, list(map(_opened, terms)))]
    return [cut for cut in found if cut is not None and cut.size > 1]


@lru_cache(64)
def groups(problem: Problem) -> list[Problem]:
    """Problems of some terms each, whose gradients add up to that of all; what can be cut together stays together."""
    axes, terms = _read_by(problem)
    left = {term: _choices(problem, axes, _opened(term)).keys() for term in terms}
    found = []
    while left:
        kinds = [kind for own in left.values() for kind in own]
        common = max(kinds, key=kinds.count, default=None)
        together = [term for term, own in left.items() if common in own] or [next(iter(left))]
        found.append(_of_terms(problem, axes, together))
        left = {term: own for term, own in left.items() if term not in together}
    return found


def _of_terms(problem: Problem, axes: Labels, terms: Sequence[Term]) -> Problem:
    parts = problem.function._parts
    outputs = dict.fromkeys(parts.outputs, (axes, Sum(terms)))
    function = Function(replace(parts, outputs=outputs, origin=None))
    return Problem.of(function, problem.wrt, problem.sizes, dtype=problem.dtype)


def _read_by(problem: Problem) -> tuple[Labels, list[Term]]:
    """The axes of the output, and its terms that depend on the input."""
    ((axes, body),) = problem.function._parts.outputs.values()
    return axes, [term for term in body.terms if any(problem.wrt in factor.tensor.inputs for factor in term.factors)]


def _opened(term: Term) -> Term:
    """The term with what it sums over last; the sums inside stay nested, as the order of joining follows them."""
    factors: list[Factor] = []
    summed = list(term.summed)
    for factor in term.factors:
        if isinstance(factor.tensor, Contraction) and factor.power == 1:
            inner = factor.tensor.term(factor.slots)
            factors += inner.factors
            summed += inner.summed
        else:
            factors.append(factor)
    return product(term.coefficient, factors, tuple(summed))


def _summed(problem: Problem, axes: Labels, terms: Sequence[Term]) -> Iterator[Pairs]:
    """An index that each term sums over, all of one size, and by which the gradient is cut alike."""
    choices = [_choices(problem, axes, term) for term in terms]
    for kind in choices[0] if choices else ():
        if all(kind in labels for labels in choices):
            yield [(term, labels[kind]) for term, labels in zip(terms, choices, strict=True)]


def _choices(problem: Problem, axes: Labels, term: Term) -> dict[Kind, Index]:
    """The indices that a term sums over and that can be cut, one of each kind."""
    found: dict[Kind, Index] = {}
    for label in term.summed:
        alone = _cut(problem, axes, [(term, label)], frozenset())
        if alone is not None:
            found.setdefault((label.dim, tuple(into for _, into in alone.targets)), label)
    return found


def _cut(problem: Problem, axes: Labels, pairs: Pairs, along: Axes) -> Cut | None:
    """The cut; None where the index cannot be cut."""
    part = Part.of(problem.function._parts, axes, pairs, problem.sizes)
    if part is None:
        return None
    targets = [(name, into) for name, (source, into) in part.reads.items() if source == problem.wrt]
    return Cut(problem, pairs[0][1], part, tuple(targets), along) if targets else None
