"""Matrix notation in plain text, as in a paper: ``A Xᵀ``, ``X⁻¹``, ``diag(x)``, ``2 x xᵀ``, ``X ∘ Y``, ``‖x‖²``."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..terms import Number as Value
from .tree import (
    Diagonal,
    DiagonalOf,
    Extent,
    Function,
    Hadamard,
    Identity,
    Name,
    Node,
    Norm,
    Number,
    OfRows,
    Ones,
    Plus,
    Power,
    Product,
    Repeated,
    Scaled,
    Trace,
    Transpose,
    Zero,
)

# How tightly a text binds.
SUM, ENTRIES, FACTORS, SCRIPTED, ATOM = range(5)

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def plain(node: Node, binding: int = SUM) -> str:
    """The text of a node, in brackets where it binds less tightly.

    >>> X, A = Name(2, "X"), Name(2, "A")
    >>> plain(Plus((Product((X, Transpose(A))), X))), plain(Transpose(Plus((X, A))))
    ('X Aᵀ + X', '(X + A)ᵀ')
    """
    text, own = _written(node)
    return f"({text})" if own < binding else text


def added(terms: Sequence[str]) -> str:
    """A sum, minus signs taken as such."""
    text = terms[0]
    for term in terms[1:]:
        text += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
    return text


def _written(node: Node) -> tuple[str, int]:
    match node:
        case Name(_, name):
            return name, ATOM
        case Zero():
            return "0", ATOM
        case Number(value):
            return _numeral(value)
        case Extent(size):
            return str(size), ATOM if size.name or size.value is not None else SUM
        case Ones():
            return "𝟏", ATOM
        case Identity():
            return "I", ATOM
        case Power(base, exponent) if not base.scalar and exponent < 0:
            return f"1 ⊘ {plain(base if exponent == -1 else Power(base, -exponent), FACTORS)}", ENTRIES
        case Power(base, int()) if base.tall and base.wide:
            return " ∘ ".join(_operands(node)), ENTRIES
        case Transpose() | Repeated() | Power():
            return _scripted(node)
        case Product(factors):
            return " ".join(plain(factor, SCRIPTED) for factor in factors), FACTORS
        case Hadamard(above, below):
            top = " ∘ ".join(text for part in above for text in _operands(part))
            return "".join([top, *(f" ⊘ {plain(part, FACTORS)}" for part in below)]), ENTRIES
        case Scaled():
            return _scaled(node)
        case Plus(terms):
            return added([plain(term) for term in terms]), SUM
        case _:
            return _applied(node)


def _operands(node: Node) -> list[str]:
    """What stands between ∘ for a node: a power of all entries of a matrix is written out, for X² is X X."""
    match node:
        case Power(base, int(exponent)) if base.tall and base.wide and exponent > 0:
            return [plain(base, FACTORS)] * exponent
    return [plain(node, FACTORS)]


def _scripted(node: Transpose | Repeated | Power) -> tuple[str, int]:
    """What has a superscript."""
    match node:
        case Transpose(Function(primitive, (base,))) if primitive.name == "inv":
            return f"{plain(base, ATOM)}⁻ᵀ", SCRIPTED
        case Transpose(of):
            return f"{plain(of, ATOM)}ᵀ", SCRIPTED
    return _raised(plain(node.base, ATOM), node.exponent), SCRIPTED


def _applied(node: Node) -> tuple[str, int]:
    """What stands in brackets behind the name of a function, and its like."""
    match node:
        case Function(primitive, (base,)) if primitive.name == "inv":
            return f"{plain(base, ATOM)}⁻¹", SCRIPTED
        case Function(primitive, args):
            return _call("σ" if primitive.name == "sigmoid" else primitive.name, *args)
        case OfRows(primitive, of):
            return _call(primitive.name, of)
        case Diagonal(of) | DiagonalOf(of):
            return _call("diag", of)
        case Trace(of):
            return _call("tr", of)
        case Norm(of, exponent):
            return _raised(f"‖{plain(of)}‖", exponent), ATOM
    raise TypeError(f"{type(node).__name__} is no node of matrix notation")


def _call(name: str, *args: Node) -> tuple[str, int]:
    return f"{name}({', '.join(map(plain, args))})", ATOM


def _numeral(value: Value) -> tuple[str, int]:
    text = repr(value) if isinstance(value, float) else "½" if value == Fraction(1, 2) else str(value)
    return text, SUM if text.startswith("-") else FACTORS if "/" in text else ATOM


def _raised(base: str, exponent: Value) -> str:
    if exponent == 1:
        return base
    if isinstance(exponent, int):
        return f"{base}{str(exponent).translate(_SUPERSCRIPTS)}"
    return f"√{base}" if exponent == Fraction(1, 2) else f"{base}^({exponent})"


def _scaled(node: Scaled) -> tuple[str, int]:
    c = node.coefficient
    sign, c = ("-", -c) if c < 0 else ("", c)
    above = [_numeral(c)[0]] if c != 1 else []
    above += [plain(part, SCRIPTED) for part in node.above]
    above += [] if node.body is None else [plain(node.body, ENTRIES if not above else FACTORS)]
    text = " ".join(above) or "1"
    for part in node.below:
        text += f" / {plain(part, SCRIPTED)}"
    binding = FACTORS if node.below or above else ATOM
    if isinstance(node.body, Hadamard) and len(above) == 1:
        binding = ENTRIES
        text = f"({text})" if node.below else text
    return sign + text, SUM if sign else binding
