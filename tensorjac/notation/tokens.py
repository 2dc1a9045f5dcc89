"""Text to tokens, and the cursor over them that both parsers share."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn
from unicodedata import normalize

from ..errors import NotationError, caret
from .syntax import Chain, Node, Number, Power, Unary

MAX_LEVELS = 100  # brackets, and sums within sums: bounds the recursion of the parsers
MAX_DEPTH = 200  # nodes below nodes: bounds the recursion of those who walk what was parsed
MAX_DIGITS = 1000  # int() takes time quadratic in the number of digits, and refuses above 4300

CLOSING = {"(": ")", "[": "]", "{": "}"}
ALIASES = {"−": "-", "·": "*", "×": "*"}

_SKIP = re.compile(r"(?:[^\S\n]|#[^\n]*)+")
_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[0-9]+")
_WORD = re.compile(r"∑?[^\W\d]\w*|∑")
_STRING = re.compile(r"\"[^\"\\\n]*\"|'[^'\\\n]*'")
_OPERATOR = re.compile(r"\.\.\.|\*\*|//|==|!=|<=|>=|[-+*/^()\[\]{}|=,:;.@<>&~∂²\n−·×]")


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is "name", "number", "string", "operator", "end", or "fault" for what begins none of these.

    ``text`` is what the token means: ``-`` for ``−``, ``Σ`` for ``∑``, and names as Python normalises them.
    """

    kind: str
    text: str
    start: int
    end: int


def scan(text: str, slots: bool) -> list[Token]:
    """All tokens up to a fault, and one "end". If ``slots``, numbers in [] are integers: ``x[2e+1]``."""
    tokens: list[Token] = []
    open_slots = position = 0
    while position < len(text):
        if match := _SKIP.match(text, position):
            position = match.end()
            continue
        token = _token(text, position, slots and open_slots > 0)
        tokens.append(token)
        if token.kind == "fault":
            break
        position = token.end
        if token.kind == "operator":
            open_slots = max(0, open_slots + (token.text == "[") - (token.text == "]"))
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens


def _token(text: str, position: int, integers: bool) -> Token:
    if match := (_INTEGER if integers else _NUMBER).match(text, position):
        return Token("number", match[0], position, match.end())
    if match := _WORD.match(text, position):
        word = match[0].replace("∑", "Σ")
        odd = next((place for place, letter in enumerate(word) if not f"a{letter}".isidentifier()), len(word))
        if word[:odd].isidentifier():
            return Token("name", normalize("NFKC", word[:odd]), position, position + odd)
    if match := _STRING.match(text, position):
        return Token("string", match[0][1:-1], position, match.end())
    if match := _OPERATOR.match(text, position):
        return Token("operator", ALIASES.get(match[0], match[0]), position, match.end())
    return Token("fault", text[position], position, position + 1)


class Cursor:
    """A place in the tokens of a text, brackets matched and line breaks within them gone.

    Before and after what is in ``joins_lines``, a line break means nothing, either.
    """

    def __init__(
        self,
        text: str,
        slots: bool,
        joins_lines: Collection[str] = (),
        scanner: Callable[[str, bool], list[Token]] = scan,
    ) -> None:
        self.source = text
        self.tokens: list[Token] = []
        self.place = 0
        self._levels = 0
        opened: list[Token] = []
        for token in scanner(text, slots):
            if token.kind == "fault":
                self._refuse(token)
            if token.kind == "operator" and token.text in CLOSING:
                opened.append(token)
            elif token.kind == "operator" and token.text in CLOSING.values():
                self._close(opened, token)
            elif token.text == "\n" and opened:
                continue
            last = self.tokens[-1].text if self.tokens else "\n"
            if token.text == "\n" and (last == "\n" or last in joins_lines):
                continue
            if last == "\n" and self.tokens and token.text in joins_lines:
                self.tokens.pop()
            self.tokens.append(token)
        if opened:
            advice = f'add "{CLOSING[opened[-1].text]}"'
            self.fail("every bracket is closed", advice, opened[-1], f'this "{opened[-1].text}" is not')

    def _close(self, opened: list[Token], token: Token) -> None:
        if not opened:
            self.fail("every bracket is opened before it is closed", f'take "{token.text}" out', token)
        want = CLOSING[opened[-1].text]
        if token.text != want:
            self.fail(
                "brackets close in the order in which they were opened",
                f'write "{want}" instead of "{token.text}", or take one of the two out',
                (opened[-1].start, token.end),
                f'"{opened[-1].text}" is closed by "{token.text}"',
            )
        opened.pop()

    def _refuse(self, token: Token) -> NoReturn:
        if token.text in "\"'":
            rule, advice = "a string ends on its line, with the quote it began with", f"add {token.text}"
            self.fail(f"{rule}, and has no backslash", advice, token)
        shown = f'"{token.text}"' if token.text.isprintable() else f"U+{ord(token.text):04X}"
        rule, said = "a text consists of names, numbers and operators", f"{shown} is none of these"
        self.fail(rule, "take it out", token, said)

    # Reading on.

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    @property
    def previous(self) -> Token:
        return self.tokens[self.place - 1]

    def ahead(self, count: int) -> Token:
        """The token ``count`` after this one; the end of the text if there are fewer."""
        return self.tokens[min(self.place + count, len(self.tokens) - 1)]

    def at(self, *texts: str) -> bool:
        """Whether one of these operators comes next."""
        return self.token.kind == "operator" and self.token.text in texts

    def advance(self) -> Token:
        """The next token, which is behind us then; the end of the text stays ahead."""
        token = self.token
        if token.kind != "end":
            self.place += 1
        return token

    def take(self, *texts: str) -> bool:
        """Go past one of these operators, if it comes next."""
        found = self.at(*texts)
        if found:
            self.advance()
        return found

    @property
    def at_break(self) -> bool:
        """Whether a statement ends here."""
        return self.token.kind == "end" or self.at("\n", ";")

    def skip_breaks(self) -> bool:
        """Go past the separators of statements; whether there is anything behind them."""
        while self.take("\n", ";"):
            pass
        return self.token.kind != "end"

    @cached_property
    def closing(self) -> dict[int, int]:
        """For the place of each opening bracket, the place of the bracket that closes it."""
        pairs, opened = {}, []
        for place, token in enumerate(self.tokens):
            if token.kind == "operator" and token.text in CLOSING:
                opened.append(place)
            elif token.kind == "operator" and token.text in CLOSING.values():
                pairs[opened.pop()] = place
        return pairs

    # Building.

    def span(self, start: int) -> tuple[int, int]:
        """From ``start`` to the end of what was read last."""
        return start, max(start, self.previous.end)

    def number(self) -> Number:
        """The number that comes next."""
        token = self.advance()
        if len(token.text) > MAX_DIGITS:
            said = f"this one has {len(token.text)}"
            self.fail(f"a number has at most {MAX_DIGITS} digits", "write a shorter one", token, said)
        if token.text.isdecimal():
            return Number(int(token.text), span=(token.start, token.end))
        value = float(token.text)
        if value == float("inf"):
            self.fail("a float is at most 1.8e308", "write a smaller one", token, "this one is larger")
        return Number(value, span=(token.start, token.end))

    def enter(self) -> None:
        """One more level of brackets or sums; `leave` follows unless parsing fails."""
        self._levels += 1
        if self._levels > MAX_LEVELS:
            advice = "name an inner part and use the name"
            self.fail(
                f"brackets and sums are nested at most {MAX_LEVELS} deep",
                advice,
                self.token,
                "here they go deeper",
            )

    def leave(self) -> None:
        self._levels -= 1

    def bounded(self, statement: Node) -> None:
        """Refuse a statement of which some node lies deeper than `MAX_DEPTH`."""
        waiting = [(statement, 0)]
        while waiting:
            node, depth = waiting.pop()
            if depth > MAX_DEPTH:
                advice = "name an inner part and use the name"
                self.fail(
                    f"operations are nested at most {MAX_DEPTH} deep",
                    advice,
                    node.span,
                    "here they go deeper",
                )
            waiting.extend((child, depth + 1) for child in node.children)

    # Failing.

    def fail(self, rule: str, advice: str, where: Token | tuple[int, int] | None = None, found: str = "") -> NoReturn:
        """Raise: the rule and what was found, carets under ``where`` (or the next token), what to do."""
        place = where or self.token
        start, end = (place.start, place.end) if isinstance(place, Token) else place
        headline = f"{rule}, and {found}" if found else rule
        raise NotationError(f"{headline}:\n{caret(self.source, start, end)}\n{advice}.")

    def expected(self, what: str, advice: str) -> NoReturn:
        """Raise: what should have come next, and what did come."""
        self.fail(f"{what} is expected here, not {self.shown()}", advice)

    def shown(self) -> str:
        """The next token, for a message."""
        named = {"\n": "the end of the line", "": "the end of the text"}
        if self.token.kind == "string":
            return "a string"
        return named.get(self.token.text) or f'"{self.source[self.token.start : self.token.end]}"'


def chain(operands: Sequence[Node], operators: Sequence[str], *ranks: Collection[str]) -> Node:
    """Operands joined by operators, as nested chains: the operators of the first rank bind tightest."""
    for rank in ranks:
        runs, used, left = [[operands[0]]], list[list[str]]([[]]), list[str]()
        for operator, operand in zip(operators, operands[1:], strict=True):
            if operator in rank:
                runs[-1].append(operand)
                used[-1].append(operator)
            else:
                runs.append([operand])
                used.append([])
                left.append(operator)
        operands, operators = [_flat(run, joined) for run, joined in zip(runs, used, strict=True)], left
    return operands[0]


def _flat(operands: list[Node], operators: list[str]) -> Node:
    if not operators:
        return operands[0]
    return Chain(tuple(operands), tuple(operators), span=(operands[0].span[0], operands[-1].span[1]))


def signed(signs: Sequence[Token], value: Node) -> Node:
    """The value with signs before it, the last of them applied first."""
    for sign in reversed(signs):
        value = Unary(sign.text, value, span=(sign.start, value.span[1]))
    return value


def powers(signs: list[list[Token]], values: list[Node]) -> Node:
    """``-a^-b^c`` from its signs and values: right to left, and a power goes before a sign."""
    value = signed(signs[-1], values[-1])
    for before, base in zip(reversed(signs[:-1]), reversed(values[:-1]), strict=True):
        value = signed(before, Power(base, value, span=(base.span[0], value.span[1])))
    return value
