"""The error family, and the line of carets under a fault.

A message gives up to four facts: the rule that broke; the expression, with carets under the fault; each
number beside its owner; and what to do.
"""

import unicodedata


class TensorjacError(Exception):
    """Whatever tensorjac raises on purpose.

    >>> issubclass(ShapeError, TensorjacError) and issubclass(ShapeError, ValueError)
    True
    """


class NotationError(TensorjacError, ValueError):
    """A text does not follow the notation that it is read as."""


class ShapeError(TensorjacError, ValueError):
    """Sizes contradict each other, or a size is not what an operation needs."""


class TraceError(TensorjacError, TypeError):
    """A traced function does what cannot be recorded symbolically."""


class UnsupportedError(TensorjacError, NotImplementedError):
    """There is no rule for an operation."""


class DerivationError(TensorjacError, AssertionError):
    """A derivation by hand is wrong."""


def caret(text: str, start: int, end: int | None = None) -> str:
    """The line of `text` that holds `start`, and below it carets under `text[start:end]`.

    Without `end`, one character is marked; of a span that goes on beyond its line, the part in the line.

    >>> print(caret("Y = X @@ A", 6, 8))
      Y = X @@ A
            ^^
    >>> print(caret("b m\\nb m!", 7))
      b m!
         ^
    """
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first : len(text) if last < 0 else last]
    line = "".join(" " if unicodedata.category(c) == "Cc" else c for c in line)
    start -= first
    stop = start + 1 if end is None else end - first
    marks = "^" * max(1, _columns(line[start:stop]))
    return f"  {line.rstrip()}\n  {' ' * _columns(line[:start])}{marks}"


def _columns(text: str) -> int:
    """How many columns of a terminal `text` takes: combining marks take none, wide characters two."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
