"""Derivations in Markdown: fenced blocks marked ``derivation``."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import NotationError
from .derivation.proving import Setting
from .report import Report
from .steps import examined

_FENCE = re.compile(r"\s*(?P<fence>`{3,}|~{3,})\s*(?P<language>\w*)")


@dataclass(frozen=True)
class Passage:
    """A derivation in a document: its text, and the number of its first line, counted from 1."""

    text: str
    line: int


def passages(document: str) -> Iterator[Passage]:
    """The derivations of a document, in order.

    >>> list(passages("# Note\\n```derivation\\nx: n\\nf = xᵀ x\\n```\\n"))
    [Passage(text='x: n\\nf = xᵀ x\\n', line=3)]
    """
    fence, start, kept, wanted = "", 0, list[str](), False
    for number, line in enumerate(document.splitlines(), 1):
        mark = _FENCE.match(line)
        if not fence and mark:
            fence, wanted, start, kept = mark["fence"], mark["language"] == "derivation", number + 1, []
        elif fence and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            if wanted:
                yield Passage(textwrap.dedent("".join(kept)), start)
            fence = ""
        elif fence:
            kept.append(f"{line}\n")
    if fence and wanted:
        raise NotationError(f"line {start - 1}: this fenced block has no end: write {fence} below it.")


def check_document(document: str, name: str, setting: Setting) -> list[tuple[Passage, Report]]:
    """The reports about all derivations of a document; lines are called ``name:12``."""
    found = []
    for passage in passages(document):
        first = passage.line

        def place(line: int, first: int = first) -> str:
            return f"{name}:{first + line - 1}"

        found.append((passage, examined(passage.text, setting, {}, (), place)))
    return found
