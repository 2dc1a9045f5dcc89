"""Symbolic sizes, and the shape text `"b m"`.

A size is a polynomial with rational coefficients over names, floor divisions and `max(e, 0)`. Equal
polynomials are one object, so that `is` decides equality. Names are taken to be at least 1.

>>> b, n = Dim.of("b"), Dim.of("n")
>>> print((b + 1) * n - n, (2 * n + 5) // 2, positive(n - 3))
b*n n + 2 max(n - 3, 0)
>>> nonnegative(2 * n - 2), nonnegative(n - b)
(True, False)
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from heapq import heappop, heappush
from itertools import count, product
from keyword import iskeyword
from math import gcd, lcm
from operator import index
from threading import Lock
from typing import Literal, NamedTuple, SupportsIndex, TypeAlias, Union

from .errors import NotationError, ShapeError, caret

Atom: TypeAlias = Union[str, "FloorDiv", "Positive"]
Monomial: TypeAlias = tuple[tuple[Atom, int], ...]
Number: TypeAlias = int | Fraction
Polynomial: TypeAlias = dict[Monomial, Number]
Size: TypeAlias = Union["Dim", SupportsIndex, Fraction]

_LOCK = Lock()
_DIMS: dict[tuple[tuple[Monomial, Number], ...], "Dim"] = {}
_NAMES: dict[str, "Dim"] = {}
_LITERALS: dict[int, "Dim"] = {}
_ATOMS: dict[object, "FloorDiv | Positive"] = {}


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class FloorDiv:
    """The atom `dividend // divisor`; made by `//` between sizes, one object per value."""

    dividend: "Dim"
    divisor: "Dim"
    key: str

    @property
    def dim(self) -> "Dim":
        """The atom as a size."""
        return _dim({((self, 1),): 1})

    def evaluate(self, env: Mapping[str, int]) -> int:
        """The number at the sizes `env`."""
        divisor = self.divisor.evaluate(env)
        if divisor == 0:
            raise ShapeError(
                f"a size cannot be divided by 0, and {self.divisor} is 0:\n"
                f"{caret(self.key, len(self.key) - len(_wrap(self.divisor)), len(self.key))}\n"
                f"{_owners(env, self.divisor.names)}give sizes at which it is not 0."
            )
        return self.dividend.evaluate(env) // divisor

    def __repr__(self) -> str:
        return self.key

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return _floor_atom, (self.dividend, self.divisor)


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Positive:
    """The atom `max(inner, 0)`; made by `positive`, one object per value."""

    inner: "Dim"
    key: str

    @property
    def dim(self) -> "Dim":
        """The atom as a size."""
        return _dim({((self, 1),): 1})

    def evaluate(self, env: Mapping[str, int]) -> int:
        """The number at the sizes `env`."""
        return max(self.inner.evaluate(env), 0)

    def __repr__(self) -> str:
        return self.key

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return _positive_atom, (self.inner,)


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

    terms: tuple[tuple[Monomial, Number], ...]
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
            return _dim({(): size})
        number = index(size)
        return _LITERALS.get(number) or _literal(number)

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
            term = _dim({(): coefficient})
            for atom, power in monomial:
                if isinstance(atom, str):
                    size = sizes.get(atom) or Dim.of(atom)
                elif isinstance(atom, Positive):
                    size = positive(atom.inner.substitute(sizes))
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
                f"{_point_name(self.key, missing.args[0])}\n"
                f"{_owners(env, self.names)}give {missing.args[0]} a number."
            ) from None
        if isinstance(total, Fraction):
            if total.denominator != 1:
                raise ShapeError(
                    f"a size is a whole number, and this one is {total}:\n"
                    f"{caret(self.key, 0, len(self.key))}\n"
                    f"{_owners(env, self.names)}give sizes at which it is whole."
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
        return NotImplemented if size is None else _floor_divide(self, size)

    def __rfloordiv__(self, other: "Size") -> "Dim":
        size = other if type(other) is Dim else _operand(other)
        return NotImplemented if size is None else _floor_divide(size, self)

    def __neg__(self) -> "Dim":
        return _multiply(self, Dim.of(-1))

    def __pow__(self, power: int) -> "Dim":
        if power < 0:
            text = f"{_wrap(self)}**{power}"
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
        return _interned, (self.terms,)


# Making -----------------------------------------------------------------------------------------------------


def _operand(other: object) -> Dim | None:
    if type(other) is int:
        return _LITERALS.get(other) or _literal(other)
    return Dim.of(other) if isinstance(other, (Dim, Fraction, SupportsIndex)) else None


def _literal(number: int) -> Dim:
    return _LITERALS.setdefault(number, _dim({(): number}))


def _name(text: str) -> Dim:
    # Python reads identifiers in this form, and generated code must find the name that it was given.
    name = unicodedata.normalize("NFKC", text)
    if _reserved(name):
        raise NotationError(
            f"no size is named {name}, which Python reads in its own way:\n{caret(text, 0, len(text))}\n"
            f"use a name such as {name}_."
        )
    if not name.isidentifier():
        raise NotationError(
            f"the name of a size is a Python identifier, and {text!r} is none:\n"
            f"{caret(text, 0, len(text))}\nuse a name such as n."
        )
    return _NAMES.setdefault(text, _dim({((name, 1),): 1}))


def _reserved(name: str) -> bool:
    # A size called max would take away the function that the text of a size calls.
    return iskeyword(name) or name == "max"


def _dim(polynomial: Polynomial) -> Dim:
    terms = [(m, c.numerator if c.denominator == 1 else c) for m, c in polynomial.items() if c]
    if len(terms) > 1:
        terms.sort(key=lambda term: _rank(term[0]))
    return _interned(tuple(terms))


def _interned(terms: tuple[tuple[Monomial, Number], ...]) -> Dim:
    found = _DIMS.get(terms)
    if found is None:
        value = 0 if not terms else terms[0][1] if terms[0][0] == () else None
        bare = terms[0][0][0][0] if value is None and len(terms) == 1 and terms[0][1] == 1 else None
        made = Dim(
            terms,
            value if isinstance(value, int) else None,
            bare if isinstance(bare, str) and terms[0][0][0][1] == 1 and len(terms[0][0]) == 1 else None,
            frozenset().union(*(_atom_names(atom) for m, _ in terms for atom, _ in m)),
            _is_whole(terms),
            "",
        )
        object.__setattr__(made, "key", _text(made))
        with _LOCK:
            found = _DIMS.setdefault(terms, made)
    return found


def _floor_atom(dividend: Dim, divisor: Dim) -> FloorDiv:
    found = _ATOMS.get((dividend, divisor))
    if found is None:
        with _LOCK:
            made = FloorDiv(dividend, divisor, f"{_wrap(dividend)}//{_wrap(divisor)}")
            found = _ATOMS.setdefault((dividend, divisor), made)
    assert isinstance(found, FloorDiv)
    return found


def _positive_atom(dim: Dim) -> Positive:
    found = _ATOMS.get(dim)
    if found is None:
        with _LOCK:
            found = _ATOMS.setdefault(dim, Positive(dim, f"max({dim}, 0)"))
    assert isinstance(found, Positive)
    return found


def _atom_key(atom: Atom) -> str:
    return atom if isinstance(atom, str) else atom.key


def _atom_names(atom: Atom) -> frozenset[str]:
    if isinstance(atom, str):
        return frozenset((atom,))
    return atom.inner.names if isinstance(atom, Positive) else atom.dividend.names | atom.divisor.names


def _rank(monomial: Monomial) -> tuple[int, tuple[tuple[str, int], ...]]:
    """Sorts by degree, then lexicographically: an order that products respect, as exact division needs."""
    return -sum(p for _, p in monomial), tuple((_atom_key(a), -p) for a, p in monomial)


def _is_whole(terms: tuple[tuple[Monomial, Number], ...]) -> bool:
    """Whether the polynomial is a whole number wherever its atoms are.

    A polynomial of degree d in a variable is so if it is at 0, 1, …, d (Pólya 1915).
    """
    if all(isinstance(c, int) for _, c in terms):
        return True
    degrees: dict[Atom, int] = {}
    for monomial, _ in terms:
        for atom, power in monomial:
            degrees[atom] = max(power, degrees.get(atom, 0))
    points = 1
    for degree in degrees.values():
        points *= degree + 1
    if points > 256:
        return False
    for point in product(*(range(d + 1) for d in degrees.values())):
        at = dict(zip(degrees, point, strict=True))
        total: Number = 0
        for monomial, coefficient in terms:
            for atom, power in monomial:
                coefficient = coefficient * at[atom] ** power
            total = total + coefficient
        if total.denominator != 1:
            return False
    return True


# Text -------------------------------------------------------------------------------------------------------


def _text(dim: Dim) -> str:
    common = lcm(*(c.denominator for _, c in dim.terms))
    if common != 1:
        return f"{_wrap(_multiply(dim, _literal(common)))}{'//' if dim.whole else '/'}{common}"
    terms, quotients = _absorbed(dim.terms)
    if terms and terms[0][1] < 0:
        # 3 - n reads better than -n + 3.
        terms = tuple(sorted(terms, key=lambda term: term[1] < 0))
    text = ""
    for monomial, coefficient in terms:
        text += (" - " if coefficient < 0 else " + ") if text else "-" if coefficient < 0 else ""
        bare = len(monomial) == 1 and abs(coefficient) == 1 and text != "-"
        factors = [] if abs(coefficient) == 1 and monomial else [str(abs(coefficient))]
        for atom, power in monomial:
            loose = isinstance(atom, FloorDiv) and not (bare and power == 1)
            factor = quotients.get(monomial, _atom_key(atom))
            factor = f"({factor})" if loose else factor
            factors.append(factor if power == 1 else f"{factor}**{power}")
        text += "*".join(factors)
    return text or "0"


def _absorbed(
    terms: tuple[tuple[Monomial, Number], ...],
) -> tuple[tuple[tuple[Monomial, Number], ...], dict[Monomial, str]]:
    """Terms to print, and the texts of quotients that took others in: (k + n)//2 - k prints as (n - k)//2."""
    left, texts = dict(terms), {}
    for monomial, scale in terms:
        atom = monomial[0][0] if len(monomial) == 1 and monomial[0][1] == 1 else None
        if monomial not in left or not isinstance(atom, FloorDiv) or atom.divisor.value is None:
            continue
        dividend = dict(atom.dividend.terms)
        for own in tuple(dividend):
            times = Fraction(left.get(own, 0)) / scale
            leads = any(c > 0 for m, c in dividend.items() if m and m != own)
            if leads and times == -1 if own else times < 0 and times.denominator == 1:
                dividend[own] += atom.divisor.value * times
                del left[own]
        texts[monomial] = f"{_wrap(_dim(dividend))}//{atom.divisor}"
    return tuple(left.items()), texts


def _wrap(dim: Dim) -> str:
    """The text of a size as an operand."""
    lone = dim.terms[0][0] if len(dim.terms) == 1 and dim.terms[0][1] == 1 else ()
    bare = len(lone) == 1 and lone[0][1] == 1 and not isinstance(lone[0][0], FloorDiv)
    return dim.key if bare or dim.key.isdigit() else f"({dim.key})"


def _owners(env: Mapping[str, int], names: Iterable[str]) -> str:
    known = " and ".join(f"{name} is {env[name]}" for name in sorted(names) if name in env)
    return f"{known}; " if known else ""


def _point_name(text: str, name: str) -> str:
    found = re.search(rf"\b{re.escape(name)}\b", text)
    return caret(text, *found.span()) if found else caret(text, 0, len(text))


# Arithmetic -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 14)
def _add(a: Dim, b: Dim) -> Dim:
    if a.value is not None and b.value is not None:
        return Dim.of(a.value + b.value)
    total = dict(a.terms)
    for monomial, coefficient in b.terms:
        total[monomial] = total.get(monomial, 0) + coefficient
    return _dim(total)


@lru_cache(maxsize=1 << 14)
def _multiply(a: Dim, b: Dim) -> Dim:
    if a.value is not None and b.value is not None:
        return Dim.of(a.value * b.value)
    return _dim(_product(dict(a.terms), b.terms))


def _product(a: Polynomial, b: Iterable[tuple[Monomial, Number]]) -> Polynomial:
    total: Polynomial = {}
    for right, d in b:
        for left, c in a.items():
            monomial = _join(left, right)
            total[monomial] = total.get(monomial, 0) + c * d
    return total


def _join(a: Monomial, b: Monomial) -> Monomial:
    if not a or not b:
        return a or b
    powers = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: _atom_key(item[0])))


def _part(a: Monomial, b: Monomial) -> Monomial | None:
    """The monomial a / b, where there is one."""
    powers = dict(a)
    for atom, power in b:
        left = powers.get(atom, 0) - power
        if left < 0:
            return None
        if left:
            powers[atom] = left
        else:
            del powers[atom]
    return tuple(powers.items())


def divide(dim: Size, by: Size) -> Dim | None:
    """The exact quotient, where it is a polynomial that is whole at all sizes; else None.

    >>> b, n = Dim.of("b"), Dim.of("n")
    >>> print(divide(2 * b * n + 4 * b, 2 * b), divide(n * n - 1, n + 1), divide(n, 2), divide(n * n + n, 2))
    n + 2 n - 1 None (n**2 + n)//2
    """
    return _divide(Dim.of(dim), Dim.of(by))


@lru_cache(maxsize=1 << 14)
def _divide(dim: Dim, by: Dim) -> Dim | None:
    if not by.terms:
        return None
    if dim is by or not dim.terms:
        return _literal(1 if dim.terms else 0)
    (lead, scale), quotient, rest = by.terms[0], _literal(0), dim
    while rest.terms:
        monomial = _part(rest.terms[0][0], lead)
        if monomial is None:
            return None
        step = _dim({monomial: Fraction(rest.terms[0][1]) / scale})
        quotient, rest = quotient + step, rest - step * by
    return quotient if quotient.whole else None


@lru_cache(maxsize=1 << 14)
def _floor_divide(dim: Dim, by: Dim) -> Dim:
    if not by.terms:
        text = f"{_wrap(dim)}//0"
        raise ShapeError(
            f"a size cannot be divided by 0:\n{caret(text, len(text) - 1)}\ndivide by a size of at least 1."
        )
    exact = _divide(dim, by)
    if exact is not None:
        return exact
    common = lcm(*(c.denominator for _, c in dim.terms + by.terms)) * (-1 if by.terms[0][1] < 0 else 1)
    dim, by = dim * common, by * common
    quotient, rest = _split(dim, by)
    rest, by = _reduced(rest, by)
    if nonnegative(rest) and nonnegative(by - 1 - rest):
        return quotient
    if nonnegative(rest + by) and nonnegative(-1 - rest):
        return quotient - 1
    lone = rest.terms[0][0] if rest.terms else ()
    if by.value is not None and len(lone) == 1 and rest.terms[0][1] == lone[0][1] == 1:
        # ⌊(⌊e/a⌋ + c)/b⌋ = ⌊(e + a·c)/(a·b)⌋ for whole a, b > 0.
        inner, offset = lone[0][0], rest - _dim({lone: 1})
        if isinstance(inner, FloorDiv) and (inner.divisor.value or 0) > 0 and offset.value is not None:
            return quotient + _floor_divide(inner.dividend + inner.divisor * offset, inner.divisor * by)
    return quotient + _floor_atom(rest, by).dim


def _split(dim: Dim, by: Dim) -> tuple[Dim, Dim]:
    """Quotient and rest of division by the leading term: (2*n + 5)//2 is n + 2 + 1//2."""
    (lead, scale), quotient, rest, left = by.terms[0], _literal(0), _literal(0), dim
    while left.terms:
        head, coefficient = left.terms[0]
        monomial = _part(head, lead)
        step = _dim({monomial: coefficient // scale}) if monomial is not None else _literal(0)
        quotient, left = quotient + step, left - step * by
        if left.terms and left.terms[0][0] == head:
            kept = _dim(dict(left.terms[:1]))
            rest, left = rest + kept, left - kept
    return quotient, rest


def _reduced(rest: Dim, by: Dim) -> tuple[Dim, Dim]:
    """The same floor quotient without common factors: 2*n // 4 is n // 2, and so is (2*n + 1) // 4."""
    constant = dict(rest.terms).get((), 0) if nonnegative(by - 1) else 0  # rounding down needs a sign
    assert isinstance(constant, int)
    moving = rest - constant
    shared = gcd(*(c.numerator for _, c in moving.terms + by.terms))
    if shared > 1:
        rest = moving * Fraction(1, shared) + constant // shared
        by = by * Fraction(1, shared)
    factor = _common_names(rest.terms + by.terms)
    if factor:
        rest = _dim({_require(_part(m, factor)): c for m, c in rest.terms})
        by = _dim({_require(_part(m, factor)): c for m, c in by.terms})
    return rest, by


def _require(monomial: Monomial | None) -> Monomial:
    assert monomial is not None
    return monomial


def _common_names(terms: Sequence[tuple[Monomial, Number]]) -> Monomial:
    """The product of names that divides every term; names alone are surely positive."""
    powers = {atom: power for atom, power in terms[0][0] if isinstance(atom, str)} if terms else {}
    for monomial, _ in terms[1:]:
        other = dict(monomial)
        powers = {atom: min(power, other[atom]) for atom, power in powers.items() if atom in other}
    return tuple(powers.items())


def positive(dim: Size, requirements: "tuple[Requirement, ...]" = ()) -> Dim:
    """max(dim, 0), and simply `dim` or 0 where the sign is certain.

    >>> n = Dim.of("n")
    >>> print(positive(n - 1), positive(-n), positive(2 * n - 6), positive(3 - n))
    n - 1 0 2*max(n - 3, 0) max(n - 3, 0) - n + 3
    """
    dim = Dim.of(dim)
    if nonnegative(dim, requirements):
        return dim
    if dim.terms[0][1] < 0:
        # One sign for each, so that max(n - 3, 0) - max(3 - n, 0) is n - 3.
        return positive(-dim, requirements) + dim
    factor: Monomial = ()
    content, inner = 1, dim
    if all(isinstance(c, int) for _, c in dim.terms):
        factor, content = _common_names(dim.terms), gcd(*(c.numerator for _, c in dim.terms))
        inner = _dim({_require(_part(m, factor)): c // content for m, c in dim.terms})
    if nonnegative(inner, requirements):
        return dim
    if nonnegative(-inner, requirements):
        return _literal(0)
    return _dim({factor: content}) * _positive_atom(inner).dim


# The prover -------------------------------------------------------------------------------------------------


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
        (name, power), rest = monomial[0], given.dim - _dim({monomial: coefficient})
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
    zero = _literal(0)
    for side, value in ((atom.inner, atom.inner), (-atom.inner, zero)):
        if nonnegative(-side - 1, given):
            continue
        facts = tuple(Requirement(_replaced(r.dim, atom, value), r.relation, r.reason) for r in given)
        yield _replaced(dim, atom, value), (*facts, Requirement(side, ">=", "this case"))


def _replaced(dim: Dim, atom: Atom, value: Dim) -> Dim:
    total = _literal(0)
    for monomial, coefficient in dim.terms:
        power = dict(monomial).get(atom, 0)
        rest = tuple(item for item in monomial if item[0] is not atom)
        total = total + _dim({rest: coefficient}) * value**power
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
                term = _product(term, base.items())
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
    for atom in sorted(atoms, key=_atom_key):
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


SAMPLES = (
    *((size,) for size in (1, 2, 3, 24)),
    *((1, 24), (24, 1), (2, 3, 5, 7, 11, 13), (13, 11, 7, 5, 3, 2)),
    *((7, 1, 24, 2), (2, 24, 1, 7), (24, 24, 1), (1, 1, 24), (5, 60, 7), (60, 5, 7), (9, 6, 3), (16, 16, 5)),
)
LIMIT = 100  # a proof that would take more steps is not found, which costs speed, never truth


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
                factor = _part(target, monomial)
                if factor is None or any(a in signed and p % 2 for a, p in factor):
                    continue
                step = dict(goal)
                for key, value in _product(fact, [(factor, Fraction(-number, coefficient))]).items():
                    step[key] = step.get(key, 0) + value
                yield {m: c for m, c in step.items() if c}


# Shapes -----------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*(?:([0-9]+)|([^\W\d]\w*)|(//|\*\*|[-+*(),]))")


class _Reader:
    """Reads the text of one size: sums, products, `//`, powers, `max(…, …)`."""

    def __init__(self, text: str, owner: str, offset: int, stop: int) -> None:
        self.text, self.owner, self.start, self.stop = text, owner, offset, stop
        self.at, self.begin, self.depth = offset, offset, 0

    def fail(self, start: int, end: int) -> NotationError:
        """What is said about the text from `start` to `end`, or about all of it where it ends too early."""
        if start >= self.stop:
            start, end = self.start, self.stop
        return NotationError(
            f"a size is a name, a whole number, or a sum or product of these; "
            f"{self.text[self.start : self.stop]!r} in the shape of {self.owner} is not:\n"
            f"{caret(self.text, start, end)}\nwrite a shape as names and numbers, such as 'b m' or '3 m'."
        )

    def peek(self) -> str:
        found = _TOKEN.match(self.text, self.at, self.stop)
        return found[0].strip() if found else ""

    def take(self, expected: str = "") -> str:
        found = _TOKEN.match(self.text, self.at, self.stop)
        if not found or (expected and found[0].strip() != expected):
            start = found.start(found.lastindex or 0) if found else self.at
            raise self.fail(start, found.end() if found else max(self.stop, start + 1))
        self.at = found.end()
        self.begin = found.start(found.lastindex or 0)
        return found[0].strip()

    def whole(self) -> Dim:
        dim = self.sum()
        if self.at != self.stop:
            raise self.fail(self.at, self.stop)
        return dim

    def sum(self) -> Dim:
        total = self.product()
        while self.peek() in ("+", "-"):
            total = total + self.product() if self.take() == "+" else total - self.product()
        return total

    def product(self) -> Dim:
        total = self.sign()
        while self.peek() in ("*", "//"):
            if self.take() == "*":
                total = total * self.sign()
                continue
            start, by = self.at, self.sign()
            if not by.terms:
                raise self.fail(start, self.at)
            total = total // by
        return total

    def sign(self) -> Dim:
        negative = False
        while self.peek() == "-":
            self.take()
            negative = not negative
        return -self.power() if negative else self.power()

    def power(self) -> Dim:
        base = self.atom()
        if self.peek() != "**":
            return base
        self.take()
        text = self.take()
        if not text.isdigit() or len(text) > 1:
            raise self.fail(self.begin, self.at)
        return base ** int(text)

    def atom(self) -> Dim:
        text = self.take()
        start = self.begin
        if text.isdigit():
            if len(text) > 18 or re.match(r"\w", self.text[self.at : self.stop]):
                raise self.fail(start, self.stop)
            return _literal(int(text))
        if text == "(" and self.depth >= 30:
            raise self.fail(start, self.at)
        if text == "(" or (text == "max" and self.peek() == "("):
            self.depth += 1
            if text == "max":
                self.take("(")
            dim = self.sum()
            if text == "max":
                self.take(",")
                other = self.sum()
                dim = other + positive(dim - other)
            self.take(")")
            self.depth -= 1
            return dim
        if _reserved(text):
            raise NotationError(
                f"no size is named {text}, which Python reads in its own way; "
                f"one in the shape of {self.owner} is:\n{caret(self.text, start, self.at)}\n"
                f"use a name such as {text}_."
            )
        if not text.isidentifier():
            raise self.fail(start, self.at)
        return Dim.of(text)


Entry: TypeAlias = str | SupportsIndex | Dim


def parse_shape(shape: Entry | Sequence[Entry], owner: str) -> tuple[Dim, ...]:
    """The sizes of the shape of `owner`: a text, a number, or a tuple of texts and numbers.

    >>> parse_shape("b m", "X"), parse_shape("3, m", "X"), parse_shape("", "X"), parse_shape((2, "2*n"), "X")
    ((b, m), (3, m), (), (2, 2*n))
    """
    if isinstance(shape, str):
        return tuple(_read(shape, owner, start, stop) for start, stop in _entries(shape, owner))
    if isinstance(shape, (tuple, list)):
        return tuple(_entry(entry, owner, axis, shape) for axis, entry in enumerate(shape))
    return (_entry(shape, owner, 0, (shape,)),)


def _entries(text: str, owner: str) -> Iterator[tuple[int, int]]:
    """Where the sizes stand in a text: between spaces and commas that are in no parentheses."""
    depth, start, comma = 0, -1, True
    for at, character in enumerate(text + " "):
        apart = depth == 0 and (character.isspace() or character == ",")
        if apart and start >= 0:
            yield start, at
            start, comma = -1, False
        elif not apart and start < 0:
            start = at
        if apart and character == ",":
            if comma:
                raise NotationError(
                    f"before a comma stands a size, and here in the shape of {owner} none does:\n"
                    f"{caret(text, at)}\ntake the comma away, or write the size before it."
                )
            comma = True
        depth = max(0, depth + (character == "(") - (character == ")"))
    if start >= 0:
        yield start, len(text)


def _read(text: str, owner: str, start: int, stop: int) -> Dim:
    dim = _Reader(text, owner, start, stop).whole()
    if dim.value is not None and dim.value < 0:
        raise NotationError(
            f"a size is at least 0, and {text[start:stop]} in the shape of {owner} is not:\n"
            f"{caret(text, start, stop)}\n"
            f"write a size of at least 0, or a name for a size that is known only later."
        )
    return dim


def _entry(entry: object, owner: str, axis: int, shape: Sequence[object]) -> Dim:
    if isinstance(entry, Dim):
        return entry
    if isinstance(entry, str) and not entry.isspace() and entry:
        return _read(entry, owner, len(entry) - len(entry.lstrip()), len(entry.rstrip()))
    text = repr(tuple(shape))
    start = len(repr(tuple(shape[:axis]))) - (2 if axis == 1 else 1) + (2 if axis else 0) if axis else 1
    where = caret(text, start, start + len(repr(entry)))
    if isinstance(entry, bool) or not isinstance(entry, SupportsIndex):
        raise NotationError(
            f"a size is a name or a whole number, and entry {axis} of the shape of {owner} is {entry!r}:\n"
            f"{where}\nwrite a shape as names and numbers, such as 'b m' or (3, 'm')."
        )
    if index(entry) < 0:
        raise NotationError(
            f"a size is at least 0, and entry {axis} of the shape of {owner} is {index(entry)}:\n{where}\n"
            f"write a size of at least 0, or a name for a size that is known only later."
        )
    return Dim.of(entry)


# Binding ----------------------------------------------------------------------------------------------------

Shapes: TypeAlias = Mapping[str, tuple[Dim, ...]]
Actual: TypeAlias = Mapping[str, tuple[int, ...]]


def bind_sizes(shapes: Shapes, actual: Actual, requirements: Iterable[Requirement] = ()) -> dict[str, int]:
    """The number of each size, read from the shapes of the arguments.

    >>> shapes = {"X": parse_shape("b m", "X"), "A": parse_shape("m n", "A")}
    >>> bind_sizes(shapes, {"X": (2, 3), "A": (3, 5)})
    {'b': 2, 'm': 3, 'n': 5}
    """
    sizes: dict[str, int] = {}
    composed = False
    for owner, shape in shapes.items():
        numbers = actual[owner]
        if len(numbers) != len(shape):
            raise _wrong_rank(owner, shape, numbers)
        for dim, number in zip(shape, numbers):  # noqa: B905 - strict= costs a fifth of a call's time
            name = dim.name
            if name is None:
                composed = composed or dim.value is None
                if dim.value is not None and dim.value != number:
                    raise _wrong_number(owner, shape, numbers, _mismatch(shape, numbers), {})
            elif name not in sizes:
                sizes[name] = number
            elif sizes[name] != number:
                raise _contradiction(name, shapes, actual)
    if composed:
        _bind_composed(shapes, actual, sizes)
    for requirement in requirements:
        number = requirement.dim.evaluate(sizes)
        if number != 0 and (number < 0 or requirement.relation == "=="):
            raise _not_met(requirement, sizes, shapes)
    return sizes


def _bind_composed(shapes: Shapes, actual: Actual, sizes: dict[str, int]) -> None:
    """Checks sizes such as b*n; where one name is unknown and linear, solves for it first."""
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
    holders = [(atom, power) for m, _ in dim.terms for atom, power in m if name in _atom_names(atom)]
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
        f"{owner}.shape is {numbers}. Give an array with {_axes(len(shape))}."
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
        f"{first}.shape is {actual[first]}{'' if other == first else f', {other}.shape is {actual[other]}'}. "
        f"Give arrays whose sizes agree, or name the two sizes differently."
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
        f"{_point(owner, shape, axis)}\n{_owners(sizes, shape[axis].names)}{owner}.shape is {numbers}. "
        f"Give an array whose size is {shape[axis]}."
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
        f"{_point(owner, shape, axis)}\n{_owners(sizes, dim.names)}{owner}.shape is {numbers}. "
        f"Give an array of that size, {cure}."
    )


def _not_met(requirement: Requirement, sizes: Mapping[str, int], shapes: Shapes) -> ShapeError:
    dim, relation, reason = requirement
    text = f"{dim} {relation} 0"
    owners = []
    for name in sorted(dim.names):
        places = [f" in {o} (axis {a} of {_shape_text(shapes[o])!r})" for o, a in _first_axes(name, shapes)]
        owners.append(f"{name} is {sizes[name]}{(*places, '')[0]}")
    return ShapeError(
        f"the sizes must satisfy {text} ({reason}), and {dim} is {dim.evaluate(sizes)}:\n"
        f"{caret(text, 0, len(dim.key))}\n{', '.join(owners)}. Give arrays whose sizes satisfy it."
    )
