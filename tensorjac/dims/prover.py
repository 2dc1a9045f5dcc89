"""What is certain about sizes: a prover of `dim >= 0` that is sound and incomplete."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from heapq import heappop, heappush
from itertools import count
from typing import Literal, NamedTuple

from ..errors import ShapeError
from .atoms import Atom, FloorDiv, Monomial, Positive, atom_key
from .polynomial import Polynomial, part, product
from .size import Dim, Size

SAMPLES = (
    *((size,) for size in (1, 2, 3, 24)),
    *((1, 24), (24, 1), (2, 3, 5, 7, 11, 13), (13, 11, 7, 5, 3, 2)),
    *((7, 1, 24, 2), (2, 24, 1, 7), (24, 24, 1), (1, 1, 24), (5, 60, 7), (60, 5, 7), (9, 6, 3), (16, 16, 5)),
)
LIMIT = 100  # a proof that would take more steps is not found, which costs speed, never truth


class Requirement(NamedTuple):
    """A fact about sizes that each call checks: `dim >= 0` or `dim == 0`, and the reason for it."""

    dim: Dim
    relation: Literal[">=", "=="]
    reason: str


def equal(a: Size, b: Size, requirements: tuple[Requirement, ...] = ()) -> bool:
    """Whether two sizes are provably the same.

    >>> d = Dim.of("d")
    >>> equal(8 * (d // 8), d), equal(8 * (d // 8), d, (Requirement(8 * (d // 8) - d, "==", "8 heads"),))
    (False, True)
    """
    a, b = Dim.of(a), Dim.of(b)
    return a is b or (nonnegative(a - b, requirements) and nonnegative(b - a, requirements))


def nonnegative(dim: Size, requirements: tuple[Requirement, ...] = ()) -> bool:
    """Whether `dim >= 0` is provable for names of at least 1; False means only that no proof was found.

    >>> n = Dim.of("n")
    >>> nonnegative(n - 1), nonnegative(n - 3), nonnegative(n - 3, (Requirement(n - 5, ">=", "five taps"),))
    (True, False, True)
    >>> nonnegative(n - 2 * (n // 2)), nonnegative(2 * (n // 2) + 1 - n)
    (True, True)
    """
    dim = Dim.of(dim)
    if dim.value is not None:
        return dim.value >= 0
    if dim.name is not None:
        return True
    return _proved(dim, requirements)


def always(dim: Size, requirements: tuple[Requirement, ...] = ()) -> bool:
    """Whether `dim >= 0` is provable, and true where all names are 0, too.

    >>> n = Dim.of("n")
    >>> nonnegative(n - 1), always(n - 1), always(n - n // 2)
    (True, False, True)
    """
    dim = Dim.of(dim)
    if not nonnegative(dim, requirements):
        return False
    try:
        return dim.evaluate(dict.fromkeys(dim.names, 0)) >= 0
    except ShapeError:  # a divisor is 0
        return False


@lru_cache(maxsize=1 << 14)
def _proved(dim: Dim, requirements: tuple[Requirement, ...]) -> bool:
    cases = [atom for m, _ in dim.terms for atom, _ in m if isinstance(atom, Positive)]
    if 0 < len(set(cases)) <= 4:
        return all(nonnegative(*case) for case in _cases(dim, cases[0], requirements))
    for given in requirements:
        question = _without_name(dim, given, requirements)
        if question is not None:
            return nonnegative(*question)
    lowest = _lowest(requirements)
    goal = _shifted(dim, lowest)
    signed = {atom for m in goal for atom, _ in m if not _never_negative(atom, requirements)}
    if not _faults(goal, signed, dim.whole):
        return True
    if _refuted(dim, requirements):
        return False
    surely = _facts(dim, requirements)
    signed = {atom for d in (dim, *surely) for atom in _atoms(d) if not _never_negative(atom, requirements)}
    facts = [_shifted(fact, lowest) for fact in surely]
    return _search(goal, facts, signed, dim.whole)


def _refuted(dim: Dim, requirements: tuple[Requirement, ...]) -> bool:
    """Whether some sizes are an example against `dim >= 0`: it saves looking for a proof in vain."""
    names = sorted(dim.names.union(*(r.dim.names for r in requirements)))
    for sample in SAMPLES:
        env = {name: sample[i % len(sample)] for i, name in enumerate(names)}
        try:
            if dim.evaluate(env) < 0 and all(
                number == 0 or (number > 0 and r.relation == ">=")
                for r in requirements
                for number in (r.dim.evaluate(env),)
            ):
                return True
        except ShapeError:  # a divisor is 0, or a requirement no whole number
            continue
    return False


def _without_name(
    dim: Dim, given: Requirement, requirements: tuple[Requirement, ...]
) -> tuple[Dim, tuple[Requirement, ...]] | None:
    """The same question without the name that an equality determines, where it has the coefficient ±1."""
    for monomial, coefficient in given.dim.terms if given.relation == "==" else ():
        if len(monomial) != 1 or abs(coefficient) != 1:
            continue
        (name, power), rest = monomial[0], given.dim - Dim.polynomial({monomial: coefficient})
        if not isinstance(name, str) or power != 1 or name in rest.names:
            continue
        size = rest * -int(coefficient)
        try:
            others = [r._replace(dim=r.dim.substitute({name: size})) for r in requirements if r is not given]
            # The name is gone, and that it was at least 1 is one more fact.
            return dim.substitute({name: size}), (*others, Requirement(size - 1, ">=", name))
        except ShapeError:  # a divisor would be 0, so the requirements contradict each other
            return None
    return None


def _cases(dim: Dim, atom: Positive, given: tuple[Requirement, ...]) -> Iterator[tuple[Dim, tuple[Requirement, ...]]]:
    """max(e, 0) is e where e >= 0, and 0 where e <= 0."""
    zero = Dim.of(0)
    for side, value in ((atom.inner, atom.inner), (-atom.inner, zero)):
        if nonnegative(-side - 1, given):
            continue
        facts = tuple(Requirement(_replaced(r.dim, atom, value), r.relation, r.reason) for r in given)
        yield _replaced(dim, atom, value), (*facts, Requirement(side, ">=", "this case"))


def _replaced(dim: Dim, atom: Atom, value: Dim) -> Dim:
    total = Dim.of(0)
    for monomial, coefficient in dim.terms:
        power = dict(monomial).get(atom, 0)
        rest = tuple(item for item in monomial if item[0] is not atom)
        total = total + Dim.polynomial({rest: coefficient}) * value**power
    return total


def _lowest(requirements: tuple[Requirement, ...]) -> dict[Atom, int]:
    """The smallest number that each name may be, where it is more than 1."""
    lowest: dict[Atom, int] = {}
    for dim, relation, _ in requirements:
        name = dim.terms[0][0][0][0] if len(dim.terms) == 2 and len(dim.terms[0][0]) == 1 else None
        if isinstance(name, str) and dim.terms[0][0][0][1] == 1 and dim.terms[1][0] == ():
            scale, offset = dim.terms[0][1], dim.terms[1][1]
            if scale > 0 or relation == "==":
                lowest[name] = max(lowest.get(name, 1), -int(offset / Fraction(scale) // 1))
    return lowest


def _shifted(dim: Dim, lowest: Mapping[Atom, int]) -> Polynomial:
    """The polynomial in the distances of names from their smallest numbers."""
    total: Polynomial = {}
    for monomial, coefficient in dim.terms:
        term: Polynomial = {(): coefficient}
        for atom, power in monomial:
            base: Polynomial = {((atom, 1),): 1}
            if isinstance(atom, str):
                base[()] = lowest.get(atom, 1)
            for _ in range(power):
                term = product(term, base.items())
        for key, value in term.items():
            total[key] = total.get(key, 0) + value
    return {m: c for m, c in total.items() if c}


@lru_cache(maxsize=1 << 12)
def _atoms(dim: Dim) -> frozenset[Atom]:
    """All atoms in a size, also those within atoms."""
    found: set[Atom] = set()
    for monomial, _ in dim.terms:
        for atom, _ in monomial:
            found.add(atom)
            if isinstance(atom, FloorDiv):
                found |= _atoms(atom.dividend) | _atoms(atom.divisor)
            elif isinstance(atom, Positive):
                found |= _atoms(atom.inner)
    return frozenset(found)


def _never_negative(atom: Atom, requirements: tuple[Requirement, ...]) -> bool:
    if not isinstance(atom, FloorDiv):
        return True
    # Facts about the atom itself are left out: with them the question would come back to itself.
    others = tuple(r for r in requirements if atom not in _atoms(r.dim))
    return nonnegative(atom.dividend, others) and nonnegative(atom.divisor - 1, others)


def _facts(dim: Dim, requirements: tuple[Requirement, ...]) -> list[Dim]:
    """Sizes that are surely at least 0: the requirements, and the bounds of the atoms."""
    facts = [r.dim for r in requirements] + [-r.dim for r in requirements if r.relation == "=="]
    atoms = _atoms(dim).union(*(_atoms(r.dim) for r in requirements))
    for atom in sorted(atoms, key=atom_key):
        if isinstance(atom, str):
            continue
        if isinstance(atom, Positive):
            facts.append(atom.dim - atom.inner)
        elif nonnegative(atom.divisor - 1, tuple(r for r in requirements if atom not in _atoms(r.dim))):
            rest = atom.dividend - atom.divisor * atom.dim
            facts += [rest, atom.divisor - 1 - rest]
    return facts


def _faults(goal: Polynomial, signed: set[Atom], whole: bool) -> list[Monomial]:
    """The terms that keep a goal from being visibly at least 0; a whole number above -1 is."""
    return [
        m
        for m, c in goal.items()
        if (c < 0 and not (whole and not m and c > -1)) or any(a in signed and p % 2 for a, p in m)
    ]


def _search(goal: Polynomial, facts: list[Polynomial], signed: set[Atom], whole: bool) -> bool:
    """Takes multiples of facts away, best first, until what is left is visibly at least 0."""
    made, seen = count(), {frozenset(goal.items())}
    queue = [(0, next(made), goal)]
    while queue:
        for step in _steps(heappop(queue)[2], facts, signed, whole):
            mark = frozenset(step.items())
            faults = len(_faults(step, signed, whole))
            if not faults:
                return True
            if len(seen) == LIMIT:
                return False
            if mark not in seen:
                seen.add(mark)
                heappush(queue, (faults, next(made), step))
    return False


def _steps(goal: Polynomial, facts: list[Polynomial], signed: set[Atom], whole: bool) -> Iterator[Polynomial]:
    targets = _faults(goal, signed, whole)
    # Both bounds of a quotient may be needed at once, so that it cancels even where it does no harm.
    targets += [m for m in goal if m not in targets and any(isinstance(atom, FloorDiv) for atom, _ in m)]
    for target in targets[:8]:
        number = goal[target]
        for fact in facts:
            for monomial, coefficient in fact.items():
                if (coefficient < 0) != (number < 0):
                    continue
                factor = part(target, monomial)
                if factor is None or any(a in signed and p % 2 for a, p in factor):
                    continue
                step = dict(goal)
                for key, value in product(fact, [(factor, Fraction(-number, coefficient))]).items():
                    step[key] = step.get(key, 0) + value
                yield {m: c for m, c in step.items() if c}
