"""`Dim`, a symbolic size: one object for equal polynomials, and its arithmetic."""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from keyword import iskeyword
from operator import index
from threading import Lock
from typing import SupportsIndex, TypeAlias, Union

from ..errors import NotationError, ShapeError, caret
from .atoms import FloorDiv, Monomial, Number, Positive, Terms, atom_names, owners, wrap
from .polynomial import Polynomial, canonical, is_whole, product
from .text import point_name, written

Size: TypeAlias = Union["Dim", SupportsIndex, Fraction]

_LOCK = Lock()
_DIMS: dict[Terms, "Dim"] = {}
_NAMES: dict[str, "Dim"] = {}
_LITERALS: dict[int, "Dim"] = {}

# How a//b and max(e, 0) are made. Proofs about sizes simplify both, so division.py, which has the prover, enters them.
MAKERS: dict[type[FloorDiv] | type[Positive], Callable[..., "Dim"]] = {}


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Dim:
    """A symbolic size; made by `Dim.of` and arithmetic, never by calling the class.

    `value` is the number of a literal whole size, `name` the name of a bare one, `names` all names in it,
    `whole` whether it is a whole number wherever they are, and `key` its text, by which sizes may be sorted:
    it does not depend on what was made before.

    >>> n = Dim.of("n")
    >>> n * n - n * 2 + 1 is (n - 1) ** 2
    True
    >>> Dim.of(3).value, n.value, n.name, (n + 1).name
    (3, None, 'n', None)
    >>> print(n * (n + 1) // 2, (n + 1) // 2, 3 - n)
    (n**2 + n)//2 (n + 1)//2 3 - n
    """

    terms: Terms
    value: int | None
    name: str | None
    names: frozenset[str]
    whole: bool
    key: str

    @staticmethod
    def of(size: "str | SupportsIndex | Fraction | Dim") -> "Dim":
        """The size that a number, a name or a size stands for.

        >>> Dim.of("n") is Dim.of("n"), Dim.of(2) + 3 is Dim.of(5)
        (True, True)
        """
        if isinstance(size, str):
            return _NAMES.get(size) or _name(size)
        if isinstance(size, Dim):
            return size
        if isinstance(size, Fraction):
            return Dim.polynomial({(): size})
        number = index(size)
        return _LITERALS.get(number) or _literal(number)

    @staticmethod
    def polynomial(coefficients: Polynomial) -> "Dim":
        """The size that is a sum of monomials with these coefficients.

        >>> print(Dim.polynomial({(): 3, (("n", 2),): 1}))
        n**2 + 3
        """
        return interned(canonical(coefficients))

    @property
    def monomials(self) -> tuple[tuple[Fraction, Monomial], ...]:
        """Coefficient and powers of atoms of each term, the highest degree first.

        >>> (2 * Dim.of("n") ** 2 + 1).monomials
        ((Fraction(2, 1), (('n', 2),)), (Fraction(1, 1), ()))
        """
        return tuple((Fraction(c), m) for m, c in self.terms)

    def substitute(self, sizes: "Mapping[str, Dim]") -> "Dim":
        """The size with other sizes in the place of names.

        >>> n = Dim.of("n")
        >>> print((n // 2 + 1).substitute({"n": 4 * n}), (n + 1).substitute({"n": n * n}))
        2*n + 1 n**2 + 1
        """
        if self.name is not None:
            return sizes.get(self.name, self)
        if self.names.isdisjoint(sizes):
            return self
        total = _literal(0)
        for monomial, coefficient in self.terms:
            term = Dim.polynomial({(): coefficient})
            for atom, power in monomial:
                if isinstance(atom, str):
                    size = sizes.get(atom) or Dim.of(atom)
                elif isinstance(atom, Positive):
                    size = MAKERS[Positive](atom.inner.substitute(sizes))
                else:
                    size = atom.dividend.substitute(sizes) // atom.divisor.substitute(sizes)
                term = term * size**power
            total = total + term
        return total

    def evaluate(self, env: Mapping[str, int]) -> int:
        """The number at the sizes `env`, exactly.

        >>> (Dim.of("n") // 2 + Dim.of("b")).evaluate({"n": 7, "b": 10})
        13
        """
        if self.value is not None:
            return self.value
        total: Number = 0
        try:
            for monomial, coefficient in self.terms:
                for atom, power in monomial:
                    number = env[atom] if isinstance(atom, str) else atom.evaluate(env)
                    coefficient = coefficient * number**power
                total = total + coefficient
        except KeyError as missing:
            raise ShapeError(
                f"a size needs a number for each of its names, and {missing.args[0]} has none:\n"
                f"{point_name(self.key, missing.args[0])}\n"
                f"{owners(env, self.names)}give {missing.args[0]} a number."
            ) from None
        if isinstance(total, Fraction):
            if total.denominator != 1:
                raise ShapeError(
                    f"a size is a whole number, and this one is {total}:\n"
                    f"{caret(self.key, 0, len(self.key))}\n"
                    f"{owners(env, self.names)}give sizes at which it is whole."
                )
            return total.numerator
        return total

    def __add__(self, other: "Size") -> "Dim":
        size = other if type(other) is Dim else _operand(other)
        return NotImplemented if size is None else _add(self, size)

    def __radd__(self, other: "Size") -> "Dim":
        size = other if type(other) is Dim else _operand(other)
        return NotImplemented if size is None else _add(size, self)

    def __sub__(self, other: "Size") -> "Dim":
        size = other if type(other) is Dim else _operand(other)
        return NotImplemented if size is None else _add(self, -size)

    def __rsub__(self, other: "Size") -> "Dim":
        size = other if type(other) is Dim else _operand(other)
        return NotImplemented if size is None else _add(size, -self)

    def __mul__(self, other: "Size") -> "Dim":
        size = other if type(other) is Dim else _operand(other)
        return NotImplemented if size is None else _multiply(self, size)

    def __rmul__(self, other: "Size") -> "Dim":
        size = other if type(other) is Dim else _operand(other)
        return NotImplemented if size is None else _multiply(size, self)

    def __floordiv__(self, other: "Size") -> "Dim":
        size = other if type(other) is Dim else _operand(other)
        return NotImplemented if size is None else MAKERS[FloorDiv](self, size)

    def __rfloordiv__(self, other: "Size") -> "Dim":
        size = other if type(other) is Dim else _operand(other)
        return NotImplemented if size is None else MAKERS[FloorDiv](size, self)

    def __neg__(self) -> "Dim":
        return _multiply(self, Dim.of(-1))

    def __pow__(self, power: int) -> "Dim":
        if power < 0:
            text = f"{wrap(self.terms, self.key)}**{power}"
            raise ShapeError(
                f"the power of a size is a whole number of at least 0, and this one is {power}:\n"
                f"{caret(text, len(text) - len(str(power)), len(text))}\nuse //, or a power of at least 0."
            )
        result = _literal(1)
        for _ in range(power):
            result = _multiply(result, self)
        return result

    def __str__(self) -> str:
        return self.key

    __repr__ = __str__

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return interned, (self.terms,)


def _operand(other: object) -> Dim | None:
    if type(other) is int:
        return _LITERALS.get(other) or _literal(other)
    return Dim.of(other) if isinstance(other, (Dim, Fraction, SupportsIndex)) else None


def _literal(number: int) -> Dim:
    return _LITERALS.setdefault(number, Dim.polynomial({(): number}))


def _name(text: str) -> Dim:
    # Python reads identifiers in this form, and generated code must find the name that it was given.
    name = unicodedata.normalize("NFKC", text)
    if reserved(name):
        raise NotationError(
            f"no size is named {name}, which Python reads in its own way:\n{caret(text, 0, len(text))}\n"
            f"use a name such as {name}_."
        )
    if not name.isidentifier():
        raise NotationError(
            f"the name of a size is a Python identifier, and {text!r} is none:\n"
            f"{caret(text, 0, len(text))}\nuse a name such as n."
        )
    return _NAMES.setdefault(text, Dim.polynomial({((name, 1),): 1}))


def reserved(name: str) -> bool:
    # A size called max would take away the function that the text of a size calls.
    return iskeyword(name) or name == "max"


def interned(terms: Terms) -> Dim:
    found = _DIMS.get(terms)
    if found is None:
        value = 0 if not terms else terms[0][1] if terms[0][0] == () else None
        bare = terms[0][0][0][0] if value is None and len(terms) == 1 and terms[0][1] == 1 else None
        whole = is_whole(terms)
        made = Dim(
            terms,
            value if isinstance(value, int) else None,
            bare if isinstance(bare, str) and terms[0][0][0][1] == 1 and len(terms[0][0]) == 1 else None,
            frozenset().union(*(atom_names(atom) for m, _ in terms for atom, _ in m)),
            whole,
            written(terms, whole),
        )
        with _LOCK:
            found = _DIMS.setdefault(terms, made)
    return found


@lru_cache(maxsize=1 << 14)
def _add(a: Dim, b: Dim) -> Dim:
    if a.value is not None and b.value is not None:
        return Dim.of(a.value + b.value)
    total = dict(a.terms)
    for monomial, coefficient in b.terms:
        total[monomial] = total.get(monomial, 0) + coefficient
    return Dim.polynomial(total)


@lru_cache(maxsize=1 << 14)
def _multiply(a: Dim, b: Dim) -> Dim:
    if a.value is not None and b.value is not None:
        return Dim.of(a.value * b.value)
    return Dim.polynomial(product(dict(a.terms), b.terms))
