"""Names, numbers, sizes and functions in LaTeX, and which brackets they need."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import NamedTuple

from ..dims import Dim, FloorDiv
from ..primitives import PRIMITIVES
from ..terms import Number, number

# How tightly a text binds. A SCRIPTED one stands in any product, but takes no further superscript.
SUM, HADAMARD, PRODUCT, SCRIPTED, ATOM = range(5)

GREEK = re.compile(
    "alpha|beta|[Gg]amma|[Dd]elta|epsilon|zeta|eta|[Tt]heta|iota|kappa|[Ll]ambda|mu|nu|[Xx]i|[Pp]i|rho|[Ss]igma|tau|"
    "[Uu]psilon|[Pp]hi|chi|[Pp]si|[Oo]mega"
)
RELATIONS = {"greater": ">", "greater_equal": r"\geq", "equal": "="}
TALL = re.compile(r"\\(frac|sqrt|sum|left\()")


class Sides(NamedTuple):
    """An equation."""

    left: str
    right: str


class Text(NamedTuple):
    """A piece of LaTeX."""

    text: str
    binding: int = ATOM

    def at(self, binding: int) -> str:
        """The text, in brackets where it binds less tightly."""
        return bracketed(self.text) if self.binding < binding else self.text


def bracketed(text: str) -> str:
    return rf"\left({text}\right)" if TALL.search(text) else f"({text})"


# Names -----------------------------------------------------------------------------------------------------------


def symbol(name: str, known: Collection[str] = ()) -> str:
    r"""A name as a mathematical symbol; ``known`` are names of which it may be the differential.

    >>> print(symbol("X"), symbol("W1"), symbol("sigma"), symbol("G_"), symbol("weights"))
    X W_{1} \sigma \tilde{G} \mathrm{weights}
    >>> print(symbol("dW1"), symbol("dlow", ["low"]), symbol("down", ["low"]))
    dW_{1} d\mathrm{low} \mathrm{down}
    """
    bare = name.rstrip("_") or name
    text = _word(bare, known)
    for _ in name[len(bare) :]:
        text = rf"\tilde{{{text}}}"
    return text


def _word(name: str, known: Collection[str]) -> str:
    of = name.removeprefix("d")
    if len(of) == len(name) - 1 and (of in known or re.fullmatch(r"[^\W\d_]_?\d*", of) or GREEK.fullmatch(of)):
        return f"d{_word(of, known)}"
    found = re.fullmatch(r"(.*?)_?(\d*)", name, re.DOTALL)
    assert found is not None
    head, number = found.groups()
    if not head:
        return rf"\mathrm{{{name}}}"
    return f"{_letters(head)}_{{{number}}}" if number else _letters(head)


def _letters(word: str) -> str:
    if len(word) == 1:
        return _letter(word)
    if GREEK.fullmatch(word):
        return f"\\{word}"
    inside = "".join(r"\_" if letter == "_" else letter for letter in word)
    return rf"\mathrm{{{inside}}}" if word.isascii() else "".join(r"\_" if x == "_" else _letter(x) for x in word)


def _letter(letter: str) -> str:
    """A letter; Greek ones by their names, so that every font has them."""
    if letter.isascii():
        return letter
    words = unicodedata.name(letter, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        word = words[words.index("LETTER") + 1].lower().replace("lamda", "lambda")
        word = word.capitalize() if "CAPITAL" in words else word
        if GREEK.fullmatch(word):
            return f"\\{word}"
    return letter


def juxtaposed(factors: Sequence[str]) -> str:
    """Factors side by side, with a thin space where they could be read as one word, and before a δ."""
    text = ""
    for k, factor in enumerate(factors):
        before = factors[k - 1] if k else ""
        if before[-1:].isdigit() and factor[:1].isdigit():
            text += r" \cdot "
        elif k and (_WORD.match(before) or _WORD.match(factor) or factor.startswith(r"\delta_")):
            text += r"\,"
        elif k:
            text += " "
        text += factor
    return text


# A differential such as dX, or a name of several letters.
_WORD = re.compile(r"d\\?[^\W\d_]|\\mathrm")

# Numbers and sizes -----------------------------------------------------------------------------------------------


def numeral(value: Number) -> Text:
    r"""A number; the sign of a negative one binds like a sum.

    >>> numeral(Fraction(1, 2)), numeral(1e-05), numeral(-3)
    (Text(text='\\frac{1}{2}', binding=3), Text(text='10^{-5}', binding=3), Text(text='-3', binding=0))
    """
    if value < 0:
        return Text(f"-{numeral(-value).text}", SUM)
    if isinstance(value, Fraction):
        return fraction(str(value.numerator), str(value.denominator))
    digits, _, exponent = repr(value).partition("e")
    if not exponent:
        return Text({"inf": r"\infty", "nan": r"\mathrm{nan}"}.get(digits, digits))
    ten = f"10^{{{int(exponent)}}}"
    return Text(ten, SCRIPTED) if digits in ("1", "1.0") else Text(rf"{digits} \cdot {ten}", PRODUCT)


def exponent(value: Number) -> str:
    """A number as a superscript."""
    return f"{value.numerator}/{value.denominator}" if isinstance(value, Fraction) else numeral(value).text


def fraction(above: str, below: str) -> Text:
    return Text(rf"\frac{{{above}}}{{{below}}}", SCRIPTED)


def extent(size: Dim) -> Text:
    r"""A size as a number.

    >>> n = Dim.of("n")
    >>> extent(n * n - 1), extent((n + 1) // 2).text
    (Text(text='n^{2} - 1', binding=0), '\\lfloor (n + 1) / 2 \\rfloor')
    """
    pieces: list[str] = []
    for coefficient, atoms in size.monomials:
        factors = [] if abs(coefficient) == 1 and atoms else [numeral(number(abs(coefficient))).text]
        for atom, power in atoms:
            if isinstance(atom, str):
                base = symbol(atom)
            elif isinstance(atom, FloorDiv):
                inner = (extent(part).at(SCRIPTED) for part in (atom.dividend, atom.divisor))
                base = rf"\lfloor {' / '.join(inner)} \rfloor"
            else:
                base = rf"\max({extent(atom.inner).text}, 0)"
            factors.append(base if power == 1 else f"{base}^{{{power}}}")
        sign = (" - " if coefficient < 0 else " + ") if pieces else "-" if coefficient < 0 else ""
        pieces.append(sign + juxtaposed(factors))
    text = "".join(pieces) or "0"
    if len(pieces) > 1 or text.startswith("-"):
        return Text(text, SUM)
    lone = size.name is not None or (size.value is not None)
    return Text(text, ATOM if lone else PRODUCT)


# Functions -------------------------------------------------------------------------------------------------------


def call(name: str, args: Sequence[Text], names: Collection[str], below: str = "") -> Text:
    """A primitive of one entry, or of a whole matrix; ``names`` are those in use, ``below`` stands under its own."""
    texts = [arg.text for arg in args]
    if name == "inv":
        return Text(f"{args[0].at(ATOM)}^{{-1}}", SCRIPTED)
    if name == "pinv":
        return Text(f"{args[0].at(ATOM)}^{{+}}", SCRIPTED)
    if name == "abs":
        return Text(rf"\left| {texts[0]} \right|")
    if name == "logabsdet":
        return Text(rf"\log\left|\det({texts[0]})\right|")
    if name == "signdet":
        return Text(rf"\operatorname{{sign}}(\det{bracketed(texts[0])})")
    if name == "sqrt":
        return Text(rf"\sqrt{{{texts[0]}}}")
    if name == "cbrt":
        return Text(rf"\sqrt[3]{{{texts[0]}}}")
    if name == "mask":
        return Text(rf"[{texts[0]} \neq 0]")
    if name in RELATIONS:
        return Text(f"[{texts[0]} {RELATIONS[name]} {texts[1]}]")
    if name == "power":
        return Text(f"{args[0].at(ATOM)}^{{{texts[1]}}}", SCRIPTED)
    head = PRIMITIVES[name].latex if name in PRIMITIVES else ""
    if not head or any(symbol(other) == head for other in names):
        head = rf"\operatorname{{{name.replace('_', '')}}}"
    return Text(head + (f"_{{{below}}}" if below else "") + bracketed(", ".join(texts)))
