"""NumPy text, read with Python's own precedence and never handed to Python."""

from __future__ import annotations

import keyword
from dataclasses import replace
from typing import NoReturn

from .syntax import (
    Assignment,
    Attribute,
    Call,
    Compare,
    Constant,
    Keyword,
    Name,
    Node,
    Number,
    NumpyText,
    Sequence,
    Slice,
    String,
    Subscript,
)
from .tokens import Cursor, Token, chain, powers

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
RANKS = (("*", "@", "/", "//"), ("+", "-"), ("&",), ("|",))  # the first binds tightest, comparisons loosest
SIGNS = ("-", "+", "~")
ARITHMETIC = frozenset(operator for rank in RANKS for operator in rank)
CONSTANTS = {"True": True, "False": False, "None": None}
VALUE = "a value", "write a name, a number or an expression in brackets"


def parse_numpy(text: str) -> NumpyText:
    """Read NumPy text: expressions and assignments, separated by line breaks or ``;``.

    >>> parse_numpy("Y = X @ A").statements[0].value
    Chain(operands=(Name(name='X'), Name(name='A')), operators=('@',))
    >>> parse_numpy("-x**2").statements[0].value
    Unary(operator='-', operand=Power(base=Name(name='x'), exponent=Number(value=2)))
    """
    cursor = Cursor(text, slots=False)
    reader = NumpyReader(cursor)
    statements = []
    while cursor.skip_breaks():
        statements.append(reader.statement())
        cursor.bounded(statements[-1])
    if not statements:
        cursor.fail("a text says something", 'write an expression such as "X @ A"', None, "this one is empty")
    return NumpyText(tuple(statements), span=(0, len(text)))


class NumpyReader:
    """A recursive descent whose only recursion is into brackets."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor

    def statement(self) -> Assignment:
        cursor = self.cursor
        start = cursor.token.start
        value = self.tuple_or_one()
        targets: tuple[Name, ...] = ()
        unpacks = False
        if cursor.at("="):
            targets, unpacks = self._targets(value)
            cursor.advance()
            value = self.tuple_or_one()
        if not cursor.at_break:
            self._trailing()
        return Assignment(targets, value, unpacks, span=cursor.span(start))

    def _targets(self, value: Node) -> tuple[tuple[Name, ...], bool]:
        """The names on a left side, and whether they unpack a tuple."""
        unpacks = isinstance(value, Sequence)
        items = value.items if isinstance(value, Sequence) else (value,)
        names = tuple(item for item in items if isinstance(item, Name))
        if len(names) < len(items) or not names:
            wrong = next((item for item in items if not isinstance(item, Name)), value)
            advice = "give the value a name of its own"
            self.cursor.fail("on the left of = stand names", advice, wrong.span, "this is not a name")
        return names, unpacks

    def _trailing(self) -> NoReturn:
        """Say why what was read cannot go on with the next token."""
        cursor = self.cursor
        if cursor.at("^"):
            cursor.fail("a power is written ** in NumPy text", 'write "**" instead of "^"')
        if cursor.at(":"):
            cursor.fail("a colon stands in a subscript, at most twice", "take it out")
        if cursor.at("="):
            cursor.fail(
                "a statement has one =, and an argument a name before it",
                "take it out, or split the statement",
            )
        if cursor.at(";"):
            cursor.fail("a statement does not end within brackets", "take the semicolon out")
        self._refuse_keyword(cursor.token)
        advice = 'write the operator, such as "*" or "@"'
        if cursor.previous.text == "]" and cursor.token.kind == "name":
            advice += '; index notation begins with a left side, such as "Y[ij] ="'
        cursor.fail(f"between two values stands an operator, not {cursor.shown()}", advice)

    def tuple_or_one(self) -> Node:
        """``a`` or ``a, b``, up to the end of the statement or a closing bracket."""
        cursor = self.cursor
        start = cursor.token.start
        first = self.expression()
        if not cursor.at(","):
            return first
        items = [first]
        while cursor.take(",") and not (cursor.at_break or cursor.at(")", "=")):
            items.append(self.expression())
        return Sequence(tuple(items), "tuple", span=cursor.span(start))

    def expression(self) -> Node:
        """Operands and operators up to whatever is neither, then grouped by rank."""
        cursor = self.cursor
        cursor.enter()
        sides: list[Node] = []
        comparison: Token | None = None
        operands, operators = [self.operand()], list[str]()
        while cursor.at(*COMPARISONS, *ARITHMETIC):
            token = cursor.advance()
            if token.text in COMPARISONS:
                if comparison is not None:
                    advice = 'write "(a < b) & (b < c)"'
                    cursor.fail("comparisons of arrays do not chain", advice, token)
                comparison = token
                sides.append(chain(operands, operators, *RANKS))
                operands, operators = [self.operand()], []
            else:
                operators.append(token.text)
                operands.append(self.operand())
        value = chain(operands, operators, *RANKS)
        if comparison is not None:
            value = Compare(comparison.text, sides[0], value, span=(sides[0].span[0], value.span[1]))
        cursor.leave()
        return value

    def operand(self) -> Node:
        """Signs, a value with its trailers, powers: ``-x.T[0]**-y``."""
        signs = [self._signs()]
        values = [self._trailers(self._atom())]
        while self.cursor.take("**"):
            signs.append(self._signs())
            values.append(self._trailers(self._atom()))
        return powers(signs, values)

    def _signs(self) -> list[Token]:
        signs = []
        while self.cursor.at(*SIGNS):
            signs.append(self.cursor.advance())
        return signs

    def _atom(self) -> Node:
        cursor = self.cursor
        token = cursor.token
        if token.kind == "number":
            return cursor.number()
        if token.kind == "string":
            return String(cursor.advance().text, span=(token.start, token.end))
        if token.kind == "name":
            return self._word(cursor.advance())
        if cursor.take("..."):
            return Constant(..., span=(token.start, token.end))
        if cursor.take("("):
            value = Sequence((), "tuple") if cursor.at(")") else self.tuple_or_one()
            self._close(")")
            return replace(value, span=cursor.span(token.start))
        if cursor.take("["):
            return self._list(token.start)
        last = cursor.previous
        if cursor.at("=") and last.end == token.start and last.text in (*ARITHMETIC, "**"):
            advice = f'write "x = x {last.text} …" as a statement of its own'
            cursor.fail("nothing is changed in place", advice, (last.start, token.end))
        cursor.expected(*VALUE)

    def _word(self, token: Token) -> Node:
        span = (token.start, token.end)
        if token.text in CONSTANTS:
            return Constant(CONSTANTS[token.text], span=span)
        self._refuse_keyword(token)
        return Name(token.text, span=span)

    def _refuse_keyword(self, token: Token) -> None:
        if token.kind == "name" and keyword.iskeyword(token.text):
            said = f'"{token.text}" is a word of Python\'s own'
            advice = "write a NumPy expression, or pass a Python function to tj.trace"
            self.cursor.fail("NumPy text consists of expressions and assignments", advice, token, said)

    def _trailers(self, value: Node) -> Node:
        """``.T``, ``(X, axis=1)`` and ``[:, 0]`` behind a value."""
        cursor = self.cursor
        start = value.span[0]
        while cursor.at(".", "(", "[") and not isinstance(value, Number | String | Constant):
            if cursor.take("."):
                if cursor.token.kind != "name":
                    cursor.expected("the name of an attribute", "write a name behind the dot, as in X.T")
                self._refuse_keyword(cursor.token)
                value = Attribute(value, cursor.advance().text, span=cursor.span(start))
            elif cursor.at("("):
                arguments, keywords = self.arguments()
                value = Call(value, arguments, keywords, span=cursor.span(start))
            else:
                value = Subscript(value, self._subscripts(), span=cursor.span(start))
        return value

    def arguments(self) -> tuple[tuple[Node, ...], tuple[Keyword, ...]]:
        """``(X, axis=1)``, brackets included."""
        cursor = self.cursor
        cursor.advance()
        positional: list[Node] = []
        named: dict[str, Keyword] = {}
        while not cursor.at(")"):
            token = cursor.token
            if token.kind == "name" and cursor.ahead(1).text == "=" and cursor.ahead(1).kind == "operator":
                self._refuse_keyword(token)
                cursor.advance()
                cursor.advance()
                if token.text in named:
                    cursor.fail("an argument is given once", "keep one of them", token, f"{token.text} is given twice")
                named[token.text] = Keyword(token.text, self.expression(), span=cursor.span(token.start))
            elif named:
                advice = "move it to the front, or give it a name"
                cursor.fail("arguments without a name come first", advice, token)
            else:
                positional.append(self.expression())
            if not cursor.take(","):
                break
        self._close(")")
        return tuple(positional), tuple(named.values())

    def _list(self, start: int) -> Node:
        items: list[Node] = []
        while not self.cursor.at("]"):
            items.append(self.expression())
            if not self.cursor.take(","):
                break
        self._close("]")
        return Sequence(tuple(items), "list", span=self.cursor.span(start))

    def _subscripts(self) -> tuple[Node, ...]:
        """``[:, 0]``, brackets included."""
        cursor = self.cursor
        cursor.advance()
        if cursor.at("]"):
            cursor.expected("what to take", 'write "0", ":" or "None", for instance')
        items: list[Node] = []
        while not cursor.at("]"):
            items.append(self._slice())
            if not cursor.take(","):
                break
        self._close("]")
        return tuple(items)

    def _slice(self) -> Node:
        cursor = self.cursor
        start = cursor.token.start
        parts: list[Node | None] = []
        while True:
            parts.append(None if cursor.at(":", ",", "]") else self.expression())
            if len(parts) == 3 or not cursor.take(":"):
                break
        if len(parts) > 1:
            return Slice(parts[0], parts[1], parts[2] if len(parts) == 3 else None, span=cursor.span(start))
        if parts[0] is None:
            cursor.expected(*VALUE)
        return parts[0]

    def _close(self, closing: str) -> None:
        if not self.cursor.take(closing):
            self._trailing()
