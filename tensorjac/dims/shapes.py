"""The shape text `"b m"`."""

import re
from collections.abc import Iterator, Sequence
from operator import index
from typing import SupportsIndex, TypeAlias

from ..errors import NotationError, caret
from .division import positive
from .size import Dim, reserved

Entry: TypeAlias = str | SupportsIndex | Dim

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
        if not text.isdecimal() or len(text) > 1:
            raise self.fail(self.begin, self.at)
        return base ** int(text)

    def atom(self) -> Dim:
        text = self.take()
        start = self.begin
        if text.isdecimal():
            if len(text) > 18 or re.match(r"\w", self.text[self.at : self.stop]):
                raise self.fail(start, self.stop)
            return Dim.of(int(text))
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
        if reserved(text):
            raise NotationError(
                f"no size is named {text}, which Python reads in its own way; "
                f"one in the shape of {self.owner} is:\n{caret(self.text, start, self.at)}\n"
                f"use a name such as {text}_."
            )
        if not text.isidentifier():
            raise self.fail(start, self.at)
        return Dim.of(text)


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
