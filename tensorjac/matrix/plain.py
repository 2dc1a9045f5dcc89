"""Matrix notation in plain text, as one writes it on a line: ``A Xᵀ``, ``X⁻¹``, ``diag(x)``, ``2 x xᵀ``."""

from __future__ import annotations

from collections.abc import Sequence

from ..terms import Number as Value
from .network import NoForm
from .tree import (
    Diagonal,
    DiagonalOf,
    Extent,
    Function,
    Hadamard,
    Identity,
    Name,
    Node,
    Number,
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
SUM, TIMES, ATOM = range(3)


def plain(node: Node, binding: int = SUM) -> str:
    """The text of a node, in brackets where it binds less tightly; NoForm where a line of text says it badly.

    >>> X, A = Name(2, "X"), Name(2, "A")
    >>> plain(Plus((Product((X, Transpose(A))), X))), plain(Transpose(Plus((X, A))))
    ('X Aᵀ + X', '(X + A)ᵀ')
    """
    text, own = _written(node)
    return f"({text})" if own < binding else text


def _written(node: Node) -> tuple[str, int]:
    match node:
        case Name(_, name):
            return name, ATOM
        case Zero():
            return "0", ATOM
        case Number(value):
            return str(value), ATOM if value >= 0 else SUM
        case Extent(size):
            return str(size), ATOM if size.name or size.value is not None else SUM
        case Ones():
            return "1", ATOM
        case Identity():
            return "I", ATOM
        case Transpose(Function(primitive, (base,))) if primitive.name == "inv":
            return f"{plain(base, ATOM)}⁻ᵀ", ATOM
        case Transpose(of):
            return f"{plain(of, ATOM)}ᵀ", ATOM
        case Function(primitive, (base,)) if primitive.name == "inv":
            return f"{plain(base, ATOM)}⁻¹", ATOM
        case Function(primitive, args):
            return f"{primitive.name}({', '.join(map(plain, args))})", ATOM
        case Product(factors):
            return " ".join(plain(factor, ATOM) for factor in factors), TIMES
        case Hadamard(above, ()):
            return " ∘ ".join(plain(part, ATOM) for part in above), SUM
        case Repeated(base, value) | Power(base, value) if node.scalar or isinstance(node, Repeated):
            return f"{plain(base, ATOM)}^{value if value >= 0 else f'({value})'}", TIMES
        case Diagonal(of) | DiagonalOf(of):
            return f"diag({plain(of)})", ATOM
        case Trace(of):
            return f"tr({plain(of)})", ATOM
        case Scaled():
            return _scaled(node)
        case Plus(terms):
            return added([plain(term) for term in terms]), SUM
    raise NoForm


def _scaled(node: Scaled) -> tuple[str, int]:
    c: Value = node.coefficient if node.coefficient > 0 else -node.coefficient
    front = [str(c)] if c != 1 or (not node.above and node.body is None) else []
    text = " ".join([*front, *(plain(part, ATOM) for part in node.above)])
    if node.below:
        text = f"{text or '1'} / {' / '.join(plain(part, ATOM) for part in node.below)}"
    if node.body is not None:
        text = f"{f'({text})' if node.below else text} {plain(node.body, TIMES)}".strip()
    return (f"-{text}", SUM) if node.coefficient < 0 else (text, TIMES)


def added(terms: Sequence[str]) -> str:
    """A sum, minus signs taken as such."""
    text = terms[0]
    for term in terms[1:]:
        text += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
    return text
