"""Cells as text: columns of even width for a terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence

GAP = 2


def fitted(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int, dispensable: Sequence[str]) -> list[str]:
    """Lines of columns, the first flush left, the others flush right; where they are too wide, some are left out.

    >>> print(*fitted(["name", "a", "b"], [["x", "1", "20"]], 9, ["a"]), sep="\\n")
    name   b
    x     20
    """
    kept = list(range(len(heads)))
    widths = [max(len(heads[k]), *(len(row[k]) for row in rows)) for k in kept]
    for head in dispensable:
        if sum(widths[k] + GAP for k in kept) - GAP <= width:
            break
        kept = [k for k in kept if heads[k] != head]
    lines = []
    for cells in (heads, *rows):
        first, *others = (cells[k].rjust(widths[k]) if k else cells[k].ljust(widths[k]) for k in kept)
        lines.append((" " * GAP).join([first, *others]).rstrip())
    return lines


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, all columns but the first flush right.

    >>> print(*markdown(["name", "a"], [["x", "1"]]), sep="\\n")
    | name | a |
    |---|---:|
    | x | 1 |
    """
    rule = "|---|" + "---:|" * (len(heads) - 1)
    return [_line(heads), rule, *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
