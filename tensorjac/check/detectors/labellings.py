"""Products whose operands are right and whose indices are not: another order, a transpose, a sum over another axis."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ...function import Function
from ...terms import DELTA, Index, Input, Size, Term
from ..cases import Array, Case
from ..causes import Hypothesis, detector
from ..expressions import multiplied_out, value_of
from ..trials import Trial

MOST = 6000
"""How many labellings of one term are tried."""


@dataclass(frozen=True)
class Operand:
    """One factor of a term: its name, its values, its power, and the letters at which it is read."""

    name: str
    function: Function | None
    power: float
    letters: str

    def text(self) -> str:
        power = "" if self.power == 1 else f"^{self.power:g}"
        return f"{self.name}[{self.letters}]{power}" if self.letters else f"{self.name}{power}"


@dataclass(frozen=True)
class Product:
    """A term as an einsum: a coefficient, operands, and the letters of the output."""

    coefficient: float
    operands: tuple[Operand, ...]
    sizes: tuple[tuple[str, tuple[int, ...]], ...]  # letter → its size at each trial
    out: str

    def text(self) -> str:
        return " ".join(
            operand.text() for operand in self.operands if operand.function is not None or not operand.letters
        )


def products(case: Case) -> list[Product]:
    """The terms of the true gradient as einsums; none where a term is more than that."""
    if "products" not in case.memory:
        case.memory["products"] = _products(case)
    found: list[Product] = case.memory["products"]
    return found


def _products(case: Case) -> list[Product]:
    derivative = case.derivative
    if derivative is None:
        return []
    ((axes, body),) = derivative._parts.outputs.values()
    found = []
    for term in multiplied_out(body, case.question.cotangents):
        product = _product(case, derivative, tuple(axes), term)
        if product is None:
            return []
        found.append(product)
    return found


def _product(case: Case, derivative: Function, axes: Sequence[Index], term: Term) -> Product | None:
    letters: dict[Index, str] = dict(zip((*axes, *term.summed), string.ascii_letters[8:], strict=False))
    operands: list[Operand] = []
    for factor in term.factors:
        if factor.tensor is DELTA or not all(isinstance(slot, Index) and slot in letters for slot in factor.slots):
            return None
        name = factor.tensor.name if isinstance(factor.tensor, Input) else chr(ord("P") + len(operands) % 8)
        name = str(factor.tensor.dim) if isinstance(factor.tensor, Size) else name
        read = "".join(letters[slot] for slot in factor.slots if isinstance(slot, Index))
        operands.append(Operand(name, value_of(derivative, factor.tensor), float(factor.power), read))
    carried = set("".join(operand.letters for operand in operands))
    out = "".join(letters[axis] for axis in axes)
    numbers = {index: tuple(index.dim.evaluate(trial.sizes) for trial in case.trials) for index in letters}
    sizes = tuple((letter, numbers[index]) for index, letter in letters.items())
    operands += [Operand("1", None, 1.0, letter) for letter in out if letter not in carried]
    return Product(float(term.coefficient), tuple(operands), sizes, out)


def value(case: Case, product: Product, trial: Trial) -> Array:
    """The array that a product stands for."""
    arrays = [_array(case, operand, product, trial) for operand in product.operands]
    if not arrays:
        return np.full(case.true(trial).shape, product.coefficient)
    equation = ",".join(operand.letters for operand in product.operands) + "->" + product.out
    return np.asarray(product.coefficient * np.einsum(equation, *arrays))


def _array(case: Case, operand: Operand, product: Product, trial: Trial) -> Array:
    if operand.function is None:
        axis = product.out.index(operand.letters)
        return np.ones(case.true(trial).shape[axis])
    key = ("operand", id(operand.function), id(trial))
    if key not in case.memory:
        taken = {name: trial.args[name] for name in operand.function.inputs}
        case.memory[key] = np.asarray(operand.function(**taken), dtype=float)
    return np.asarray(case.memory[key] ** operand.power)


def labellings(product: Product) -> Iterator[Product]:
    """The same operands with other letters of the same sizes; every output letter is carried by one of them."""
    size = dict(product.sizes)
    alike = {letter: [other for other in size if size[other] == size[letter]] for letter in size}
    ones = {operand.letters for operand in product.operands if operand.function is None}
    slots = [letter for operand in product.operands for letter in operand.letters if operand.function is not None]
    if np.prod([float(len(alike[letter])) for letter in slots]) > MOST:
        yield from _permuted(product, size)
        return
    for chosen in itertools.product(*(alike[letter] for letter in slots)):
        if set(product.out) <= ones.union(chosen) and list(chosen) != slots:
            yield _relabelled(product, chosen)


def _permuted(product: Product, size: dict[str, tuple[int, ...]]) -> Iterator[Product]:
    """One operand at a time with its letters in another order."""
    for k, operand in enumerate(product.operands):
        for order in itertools.permutations(operand.letters):
            if list(order) != list(operand.letters) and [size[a] for a in order] == [size[a] for a in operand.letters]:
                changed = replace(operand, letters="".join(order))
                yield replace(product, operands=(*product.operands[:k], changed, *product.operands[k + 1 :]))


def _relabelled(product: Product, chosen: Sequence[str]) -> Product:
    letters = iter(chosen)
    return replace(
        product,
        operands=tuple(
            replace(operand, letters="".join(itertools.islice(letters, len(operand.letters))))
            if operand.function is not None
            else operand
            for operand in product.operands
        ),
    )


@detector("product-order", "wrong-axis", "elementwise-jacobian", stage="structure")
def relabelled(case: Case) -> Iterator[Hypothesis]:
    """U is an einsum of the operands of T with other letters, in one term or in two."""
    terms = products(case)
    trial = case.trials[0]
    if not terms or len(terms) > 6:
        return
    values = [value(case, term, trial) for term in terms]
    total = np.sum(values, axis=0)
    choices = [
        [(other, value(case, other, trial)) for other in labellings(term)] if len(term.operands) > 1 or term.out else []
        for term in terms
    ]
    rest = case.claimed(trial) - total
    for k, term in enumerate(terms):
        for other, array in choices[k]:
            single = len(terms) == 1
            if single or case.same(rest + values[k], array):
                yield _hypothesis(case, terms, {k: other}, [(term, other)])
    for first, second in itertools.combinations(range(len(terms)), 2):
        yield from _two(case, terms, (first, second), rest + values[first] + values[second], choices)


def _two(
    case: Case,
    terms: Sequence[Product],
    at: tuple[int, int],
    wanted: Array,
    choices: Sequence[Sequence[tuple[Product, Array]]],
) -> Iterator[Hypothesis]:
    """Two terms that are both labelled otherwise: found by their projections on one random array."""
    first, second = at
    probe = np.random.default_rng(0).normal(size=wanted.shape)
    sums = {round(float(np.vdot(probe, array)), 6): other for other, array in choices[second]}
    for other, array in choices[first]:
        match = sums.get(round(float(np.vdot(probe, wanted - array)), 6))
        if match is not None:
            changed = {first: other, second: match}
            yield _hypothesis(case, terms, changed, [(terms[first], other), (terms[second], match)])


def _hypothesis(
    case: Case, terms: Sequence[Product], changed: dict[int, Product], pairs: Sequence[tuple[Product, Product]]
) -> Hypothesis:
    bodies = [changed.get(k, term) for k, term in enumerate(terms)]
    yours = " + ".join(other.text() for _, other in pairs)
    right = " + ".join(term.text() for term, _ in pairs)
    cause = _cause(pairs)
    what = {
        "product-order": "takes the same factors in another order, or one of them transposed",
        "wrong-axis": "sums over another axis",
        "elementwise-jacobian": "does not sum: only the diagonal is taken",
    }[cause]
    message = f"{case.label} {what}: you have `{yours}` where it needs `{right}`{case.instead}."
    return Hypothesis(cause, message, partial(_total, case, bodies))


def _total(case: Case, bodies: Sequence[Product], trial: Trial) -> Array:
    return np.asarray(np.sum([value(case, body, trial) for body in bodies], axis=0))


def _cause(pairs: Sequence[tuple[Product, Product]]) -> str:
    """By how the letters changed: within products of matrices, to another sum, or to no sum at all."""
    for term, other in pairs:
        if len(_letters(other) - set(other.out)) < len(_letters(term) - set(term.out)):
            return "elementwise-jacobian"
    return "product-order" if all(_chain(one) for pair in pairs for one in pair) else "wrong-axis"


def _letters(product: Product) -> set[str]:
    return {letter for operand in product.operands for letter in operand.letters}


def _chain(product: Product) -> bool:
    """Whether it is a product of matrices and vectors: every letter stands twice, the output counted.

    What is multiplied entry by entry counts as one matrix.
    """
    operands = [operand.letters for operand in product.operands]
    places = product.out + "".join(operands)
    largest = {letters for letters in operands if not any(set(letters) < set(other) for other in operands)}
    linked = product.out + "".join({"".join(sorted(letters)) for letters in largest})
    sets = {frozenset(letters) for letters in operands}
    joined = all(sum(letter in one for one in sets) > 1 for letter in set(places) - set(product.out))
    return joined and all(places.count(letter) >= 2 and linked.count(letter) <= 2 for letter in places)


@detector("exponent", stage="structure")
def other_power(case: Case) -> Iterator[Hypothesis]:
    """One factor of one term stands to another power, or is left out."""
    terms = products(case)
    if not terms or len(terms) > 6:
        return
    for k, term in enumerate(terms):
        for n, operand in enumerate(term.operands):
            if operand.function is None or not operand.letters:
                continue
            p = operand.power
            for power in dict.fromkeys((0.0, 2 * p, p / 2, -p, p + 1, p - 1, p + 0.5, p - 0.5)):
                changed = replace(operand, power=power)
                other = replace(term, operands=(*term.operands[:n], changed, *term.operands[n + 1 :]))
                yield _powered(case, terms, k, other, operand, power)


def _powered(
    case: Case, terms: Sequence[Product], k: int, other: Product, operand: Operand, power: float
) -> Hypothesis:
    name = described_operand(operand)
    what = f"lacks the factor {name}" if power == 0 else f"has {name} to the power {power:g}, not {operand.power:g}"
    bodies = [*terms[:k], other, *terms[k + 1 :]]
    return Hypothesis("exponent", f"{case.label} {what}{case.instead}.", partial(_without_ones, case, bodies))


def described_operand(operand: Operand) -> str:
    """An operand in index notation."""
    text = str(operand.function).partition(" = ")[2] if operand.function is not None else ""
    return f"`{text}`" if text and "\n" not in text and len(text) < 80 else f"`{operand.text()}`"


def _without_ones(case: Case, bodies: Sequence[Product], trial: Trial) -> Array:
    """The sum of products, where a factor to the power 0 does not count its own summed letters."""
    total: Array = np.zeros(case.true(trial).shape)
    for body in bodies:
        kept = tuple(operand for operand in body.operands if operand.power != 0)
        carried = set("".join(operand.letters for operand in kept))
        ones = tuple(Operand("1", None, 1.0, letter) for letter in body.out if letter not in carried)
        total = total + value(case, replace(body, operands=(*kept, *ones)), trial)
    return total
