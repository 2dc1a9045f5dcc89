"""Values as text: in paper notation where they have such a form, else in index notation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from ...dims import Dim
from ...matrix import matrix_forms
from ...matrix.tree import (
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
from ...notation import printing
from ...terms import Number as Numeral
from ...terms import Sum
from .scope import CHANGE, inputs_of
from .values import Value

SUM, ENTRIES, FACTORS, SCRIPTED, ATOM = range(5)  # how tightly a text binds
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def written(value: Value) -> str:
    """A value as a person would write it."""
    found = sorted(inputs_of([value.body]), key=lambda one: (one.name.startswith(CHANGE), one.name))
    inputs = {one.name: one.shape for one in found}
    outputs = {"°": (value.axes, value.body)}
    forms = matrix_forms(outputs, inputs, {})
    if forms is not None:
        shared = [f"{name} = {_text(node)[0]}" for name, node in forms.definitions.items()]
        text = " where ".join([_text(forms.outputs["°"])[0], *([", ".join(shared)] if shared else [])])
        return text.replace("°", "")
    return _indexed(outputs, inputs)


def _indexed(outputs: Mapping[str, tuple[Sequence[object], Sum]], inputs: Mapping[str, Sequence[Dim]]) -> str:
    text = printing.text(outputs, inputs)  # type: ignore[arg-type]
    left, _, right = text.partition(" = ")
    letters = left.removeprefix("°").strip("[]")
    return f"{right} at [{letters}]" if letters else right


def _at(node: Node, binding: int) -> str:
    text, own = _text(node)
    return f"({text})" if own < binding else text


def _text(node: Node) -> tuple[str, int]:
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
        case Transpose(Function(primitive, args)) if primitive.name == "inv":
            return f"{_at(args[0], ATOM)}⁻ᵀ", SCRIPTED
        case Transpose(of):
            return f"{_at(of, ATOM)}ᵀ", SCRIPTED
        case Product(factors):
            return " ".join(_at(factor, SCRIPTED) for factor in factors), FACTORS
        case Repeated(base, exponent) | Power(base, exponent):
            return _raised(_at(base, ATOM), exponent), SCRIPTED
        case Hadamard(above, below):
            top = " ∘ ".join(_at(part, FACTORS) for part in above)
            return "".join([top, *(f" ⊘ {_at(part, FACTORS)}" for part in below)]), ENTRIES
        case Scaled():
            return _scaled(node)
        case Plus(terms):
            texts = [_text(term)[0] for term in terms]
            rest = (f" − {text[1:]}" if text.startswith("-") else f" + {text}" for text in texts[1:])
            return "".join([texts[0], *rest]), SUM
        case Function(primitive, args) if primitive.name == "inv":
            return f"{_at(args[0], ATOM)}⁻¹", SCRIPTED
        case Function(primitive, args) | OfRows(primitive, args):
            shown = args if isinstance(args, tuple) else (args,)
            name = "σ" if primitive.name == "sigmoid" else primitive.name
            return f"{name}({', '.join(_text(arg)[0] for arg in shown)})", ATOM
        case Diagonal(of) | DiagonalOf(of):
            return f"diag({_text(of)[0]})", ATOM
        case Trace(of):
            return f"tr({_text(of)[0]})", ATOM
        case Norm(of, exponent):
            return _raised(f"‖{_text(of)[0]}‖", exponent), ATOM
    raise TypeError(f"{type(node).__name__} is no node of matrix notation")


def _numeral(value: Numeral) -> tuple[str, int]:
    text = "½" if value == Fraction(1, 2) else repr(value) if isinstance(value, float) else str(value)
    return text, SUM if text.startswith("-") else FACTORS if "/" in text else ATOM


def _raised(base: str, exponent: Numeral) -> str:
    if exponent == 1:
        return base
    if isinstance(exponent, int):
        return f"{base}{str(exponent).translate(_SUPERSCRIPTS)}"
    return f"√{base}" if exponent == Fraction(1, 2) else f"{base}^({exponent})"


def _scaled(node: Scaled) -> tuple[str, int]:
    c = node.coefficient
    sign, c = ("-", -c) if c < 0 else ("", c)
    above = [_numeral(c)[0]] if c != 1 else []
    above += [_at(part, SCRIPTED) for part in node.above]
    above += [] if node.body is None else [_at(node.body, ENTRIES if not above else FACTORS)]
    text = " ".join(above) or "1"
    for part in node.below:
        text += f" / {_at(part, SCRIPTED)}"
    binding = FACTORS if node.below or above else ATOM
    if isinstance(node.body, Hadamard) and len(above) == 1:
        binding = ENTRIES
        text = f"({text})" if node.below else text
    return sign + text, SUM if sign else binding
