"""What sizes are polynomials over: names, floor divisions and `max(e, 0)`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias, Union

from ..errors import ShapeError, caret

if TYPE_CHECKING:
    from .size import Dim

Atom: TypeAlias = Union[str, "FloorDiv", "Positive"]
Monomial: TypeAlias = tuple[tuple[Atom, int], ...]
Number: TypeAlias = int | Fraction
Terms: TypeAlias = tuple[tuple[Monomial, Number], ...]

_LOCK = Lock()
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
        return self.dividend.polynomial({((self, 1),): 1})

    def evaluate(self, env: Mapping[str, int]) -> int:
        """The number at the sizes `env`."""
        divisor = self.divisor.evaluate(env)
        if divisor == 0:
            raise ShapeError(
                f"a size cannot be divided by 0, and {self.divisor} is 0:\n"
                f"{caret(self.key, len(self.key) - len(wrap(self.divisor.terms, self.divisor.key)), len(self.key))}\n"
                f"{owners(env, self.divisor.names)}give sizes at which it is not 0."
            )
        return self.dividend.evaluate(env) // divisor

    def __repr__(self) -> str:
        return self.key

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return floor_atom, (self.dividend, self.divisor)


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Positive:
    """The atom `max(inner, 0)`; made by `positive`, one object per value."""

    inner: "Dim"
    key: str

    @property
    def dim(self) -> "Dim":
        """The atom as a size."""
        return self.inner.polynomial({((self, 1),): 1})

    def evaluate(self, env: Mapping[str, int]) -> int:
        """The number at the sizes `env`."""
        return max(self.inner.evaluate(env), 0)

    def __repr__(self) -> str:
        return self.key

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return positive_atom, (self.inner,)


def floor_atom(dividend: "Dim", divisor: "Dim") -> FloorDiv:
    found = _ATOMS.get((dividend, divisor))
    if found is None:
        key = f"{wrap(dividend.terms, dividend.key)}//{wrap(divisor.terms, divisor.key)}"
        with _LOCK:
            found = _ATOMS.setdefault((dividend, divisor), FloorDiv(dividend, divisor, key))
    assert isinstance(found, FloorDiv)
    return found


def positive_atom(dim: "Dim") -> Positive:
    found = _ATOMS.get(dim)
    if found is None:
        with _LOCK:
            found = _ATOMS.setdefault(dim, Positive(dim, f"max({dim}, 0)"))
    assert isinstance(found, Positive)
    return found


def atom_key(atom: Atom) -> str:
    return atom if isinstance(atom, str) else atom.key


def atom_names(atom: Atom) -> frozenset[str]:
    if isinstance(atom, str):
        return frozenset((atom,))
    return atom.inner.names if isinstance(atom, Positive) else atom.dividend.names | atom.divisor.names


def wrap(terms: Terms, key: str) -> str:
    """The text `key` of a size as an operand."""
    lone = terms[0][0] if len(terms) == 1 and terms[0][1] == 1 else ()
    bare = len(lone) == 1 and lone[0][1] == 1 and not isinstance(lone[0][0], FloorDiv)
    return key if bare or key.isdigit() else f"({key})"


def owners(env: Mapping[str, int], names: Iterable[str]) -> str:
    known = " and ".join(f"{name} is {env[name]}" for name in sorted(names) if name in env)
    return f"{known}; " if known else ""
