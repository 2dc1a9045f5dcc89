"""What a terminal makes of text: colours, and letters that its encoding lacks."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal, TextIO

Style = Literal["title", "code", "note", "fault", "right", "doubt"]
Paint = Callable[[Style, str], str]

_CODES: dict[Style, str] = {"title": "1", "code": "36", "note": "2", "fault": "1;31", "right": "1;32", "doubt": "1;33"}

# What index notation has ASCII forms for.
_ASCII = {"∂²": "d2", "∂": "d", "δ": "delta", "Σ": "sum"}


def opened(stream: TextIO | None) -> TextIO:
    """The stream; of one that the shell has closed, ``>&-``, nothing is read."""
    return open(os.devnull, "w", encoding="utf-8") if stream is None else stream


def plain(style: Style, text: str) -> str:
    """The text as it is."""
    return text


def coloured(style: Style, text: str) -> str:
    """The text in a colour, line by line, as pagers want it."""
    return "\n".join(f"\x1b[{_CODES[style]}m{line}\x1b[0m" if line else line for line in text.split("\n"))


def paint_for(stream: TextIO) -> Paint:
    """Colours on a terminal; NO_COLOR turns them off, FORCE_COLOR on where there is no terminal."""
    if os.environ.get("NO_COLOR"):
        return plain
    if os.environ.get("FORCE_COLOR"):
        return coloured
    return coloured if stream.isatty() and os.environ.get("TERM") != "dumb" else plain


def writable(text: str, encoding: str | None) -> str:
    """The text, in the ASCII forms of the notation where the encoding cannot hold its letters."""
    encoding = encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        for letter, form in _ASCII.items():
            text = text.replace(letter, form)
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text
