"""The smallest parts of paper notation: atoms with their superscripts and subscripts, tokens to nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import replace

from ..syntax import Chain, Name, Node, Number, Unary
from ..tokens import Cursor, Token
from .scan import FRACTIONS, ONES
from .syntax import Bars, Entry, Function, Identity, Inner, Norm, Ones, Product, Raised, Transposed

MINUS_ONE = Unary("-", Number(1))
ADVICE = 'write a name, a number, or an expression in brackets, as in "tr(Gᵀ X dA)"'


class AtomReader(ABC):
    """What stands between operators; sums within brackets are read by the class above."""

    def __init__(self, cursor: Cursor, known: Collection[str]) -> None:
        self.cursor = cursor
        self.known = known
        self._closing: list[str] = []  # of ‖ and |, which open and close alike

    @abstractmethod
    def sum(self) -> Node:
        """Terms joined by + and -."""

    def _superscripts(self, value: Node) -> Node:
        cursor = self.cursor
        start = value.span[0]
        while True:
            if cursor.token.kind == "super":
                for exponent in _exponents(cursor.advance(), cursor):
                    value = _raised(value, exponent, cursor.span(start))
            elif cursor.take("'"):
                value = Transposed(value, span=cursor.span(start))
            elif cursor.take("^"):
                exponent = self._exponent()
                if isinstance(value, Name) and value.name == "e" and "e" not in self.known:
                    value = Function("exp", exponent, span=cursor.span(start))
                else:
                    value = _raised(value, exponent, cursor.span(start))
            elif cursor.at("_") and not isinstance(value, Ones | Identity | Number):
                cursor.advance()
                value = self._subscripted(value, start)
            else:
                return value

    def _subscripted(self, value: Node, start: int) -> Node:
        """``‖X‖_F``, ``‖x‖₂``, or an entry."""
        cursor = self.cursor
        if isinstance(value, Norm):
            token = cursor.advance()
            if token.text not in ("F", "2"):
                cursor.fail("a norm is that of Frobenius or Euclid", 'write "‖X‖_F" or "‖X‖"', token)
            return replace(value, span=cursor.span(start))
        return Entry(value, self._letters(), span=cursor.span(start))

    def _exponent(self) -> Node:
        """What stands behind ^."""
        cursor = self.cursor
        start = cursor.token.start
        if cursor.take("{"):
            value = self.sum()
            if not cursor.take("}"):
                self.trailing()
            return replace(value, span=cursor.span(start))
        minus = cursor.take("-")
        value = self._atom()
        return Unary("-", value, span=cursor.span(start)) if minus else value

    # Atoms

    def _atom(self) -> Node:
        cursor = self.cursor
        token = cursor.token
        if token.kind == "number":
            return self._number()
        if cursor.at("(", "["):
            return self._bracket()
        for mark, kind in (("‖", Norm), ("|", Bars)):
            if cursor.at(mark) and mark not in self._closing:
                return self._between(mark, kind)
        if cursor.take("⟨"):
            left = self.sum()
            if not cursor.take(","):
                cursor.expected('","', 'an inner product is written "⟨A, B⟩"')
            right = self.sum()
            if not cursor.take("⟩"):
                cursor.expected('"⟩"', 'an inner product is written "⟨A, B⟩"')
            return Inner(left, right, span=cursor.span(token.start))
        if token.kind != "name":
            cursor.expected("a factor", ADVICE)
        cursor.advance()
        if token.text in ONES or token.text == "1":
            return Ones(self._size(), span=cursor.span(token.start))
        if token.text == "I" and "I" not in self.known:
            return Identity(self._size(), span=cursor.span(token.start))
        if token.text in ("δ", "delta") and token.text not in self.known and cursor.take("_"):
            letters = self._letters()
            return Entry(Identity(), letters, span=cursor.span(token.start))
        return Name(token.text, span=(token.start, token.end))

    def _number(self) -> Node:
        cursor = self.cursor
        token = cursor.token
        if token.text in FRACTIONS:
            cursor.advance()
            above, below = FRACTIONS[token.text]
            span = (token.start, token.end)
            return Product((Number(above, span=span), Number(below, span=span)), ("/",), span=span)
        number = cursor.number()
        if number.value == 1 and cursor.at("_"):
            return Ones(self._size(), span=cursor.span(token.start))
        return number

    def _size(self) -> str:
        """``_n`` behind 𝟏 or I."""
        cursor = self.cursor
        if not cursor.take("_"):
            return ""
        braces = cursor.take("{")
        token = cursor.advance()
        if token.kind != "name" or (braces and not cursor.take("}")):
            cursor.fail("behind _ stands a size", 'write "I_n"', token)
        return token.text

    def _bracket(self) -> Node:
        cursor = self.cursor
        token = cursor.advance()
        kept, self._closing = self._closing, []
        value = self._compared(self.sum())
        if not cursor.take(")", "]"):
            self.trailing()
        self._closing = kept
        return replace(value, span=cursor.span(token.start))

    def _compared(self, value: Node) -> Node:
        """``X > 0``: 1 where it holds and 0 elsewhere, which is the slope of relu(X)."""
        cursor = self.cursor
        if not cursor.at("<", ">"):
            return value
        sign = cursor.advance().text
        other = self.sum()
        larger, smaller = (value, other) if sign == ">" else (other, value)
        span = cursor.span(value.span[0])
        if smaller == Number(0):
            return Function("relu'", larger, span=span)
        return Function("relu'", Chain((larger, smaller), ("-",), span=span), span=span)

    def _between(self, mark: str, kind: type[Norm] | type[Bars]) -> Node:
        cursor = self.cursor
        token = cursor.advance()
        self._closing.append(mark)
        value = self.sum()
        self._closing.pop()
        if not cursor.take(mark):
            cursor.expected(f'"{mark}"', f'close what "{mark}" opens')
        return kind(value, span=cursor.span(token.start))

    def trailing(self) -> None:
        """Say why what was read cannot go on with the next token."""
        cursor = self.cursor
        if cursor.at(","):
            cursor.fail("paper notation has no commas but in ⟨A, B⟩", "take this one out")
        cursor.expected("an operator", 'join factors by nothing, "·", "/", "∘" or "⊗", and terms by "+" or "-"')

    def _letters(self) -> tuple[str, ...]:
        """``ij``, ``{ij}``, ``{i=1}`` or ``{i,j}``; the "_" is behind us."""
        cursor = self.cursor
        if not cursor.take("{"):
            token = cursor.advance()
            if token.kind != "name":
                cursor.fail("behind _ stand letters", 'write "x_i" or "X_ij"', token)
            return tuple(token.text)
        letters: list[str] = []
        while not cursor.take("}"):
            token = cursor.advance()
            if token.kind == "name":
                letters += token.text
            elif token.text == "=" and cursor.token.kind == "number":
                cursor.advance()
            elif token.text != ",":
                cursor.fail("behind _ stand letters", 'write "X_{ij}" or "Σ_{i=1}^n"', token)
        return tuple(letters)


def _exponents(token: Token, cursor: Cursor) -> list[Node]:
    """``⁻¹ᵀ`` as -1 and T."""
    text, found = token.text, list[Node]()
    span = (token.start, token.end)
    while text:
        minus, digits = text[0] == "-", text.lstrip("+-")
        text = digits.lstrip("0123456789")
        digits = digits[: len(digits) - len(text)]
        if digits:
            number: Node = Number(int(digits[:9]), span=span)
            found.append(Unary("-", number, span=span) if minus else number)
        elif text[:1] == "T":
            found += [MINUS_ONE, Name("T")] if minus else [Name("T")]
            text = text[1:]
        else:
            cursor.fail("a superscript is ᵀ, ⁻¹, ⁻ᵀ or a power", 'write "Xᵀ", "X⁻¹" or "x²"', token)
    return found


def _raised(value: Node, exponent: Node, span: tuple[int, int]) -> Node:
    if exponent == Name("T"):
        return Transposed(value, span=span)
    return Raised(value, exponent, span=span)
