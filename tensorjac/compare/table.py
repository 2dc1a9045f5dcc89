"""The result of a comparison: rows, and how they are printed, written and read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from . import plots
from .columns import COLUMNS
from .layout import fitted, markdown
from .rows import Row, points

# Raised when rows of an older form can no longer be read.
FORM = 3

# In which order columns go where a terminal is too narrow; those not named stay.
DISPENSABLE = (
    *("min", "planning", "intensity", "first", "largest", "fallbacks", "products", "bytes", "error", "iqr"),
    *("predicted", "overhead", "paid", "slices", "peak", "flops"),
)


def _wrapped(lines: Sequence[str], width: int) -> list[str]:
    """Lines broken where they are longer than this, their rest indented."""
    return [part for line in lines for part in wrap(line, width, subsequent_indent="  ", break_on_hyphens=False)]


@dataclass
class Table:
    """What ``compare`` found: one row for each strategy at each set of sizes, and why others do not apply.

    ``rows`` are mappings with the keys of ``COLUMNS``; what could not be found out is None.
    """

    title: str
    wrt: str
    rows: list[Row] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False

    def __str__(self) -> str:
        return self.text(shutil.get_terminal_size((100, 24)).columns)

    def text(self, width: int) -> str:
        """The table as wide as a terminal, and below it what is the same in every row."""
        lines = [self.title]
        for sizes, rows in points(self.rows):
            lines += ["", *_wrapped(self._head(sizes, rows), width)]
            lines += fitted(*self._cells(rows), width, self._dispensable(rows))
            lines += _wrapped(self._notes(rows), width)
        lines += ["", *_wrapped(self._foot(), width)]
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """The table in Markdown, for a report."""
        parts = [f"`{self.title}`" if "\n" not in self.title else f"```text\n{self.title}\n```"]
        for sizes, rows in points(self.rows):
            parts += ["  \n".join(self._head(sizes, rows)), "\n".join(markdown(*self._cells(rows)))]
            notes = [f"- {line}" for line in self._notes(rows)]
            parts += ["\n".join(notes)] if notes else []
        parts.append("\n".join(f"- {line}" for line in self._foot()))
        return "\n\n".join(parts) + "\n"

    def _head(self, sizes: Mapping[str, int], rows: Sequence[Mapping[str, Any]]) -> list[str]:
        numbers = " ".join(f"{name}={number}" for name, number in sizes.items())
        lines = [", ".join(part for part in (f"d{self.wrt} = {rows[0]['equation']}", numbers) if part)]
        ordered = next((row for row in rows if row["strategy"] == "mixed" and row["order"]), None)
        return [*lines, f"mixed: {ordered['order']}"] if ordered else lines

    def _cells(self, rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
        """Heads and cells of the columns that hold anything."""
        names = [
            column.name
            for column in COLUMNS.values()
            if column.title and any(row[column.name] is not None for row in rows)
        ]
        cells = [["" if row[name] is None else COLUMNS[name].shown(row[name]) for name in names] for row in rows]
        return [COLUMNS[name].title for name in names], cells

    def _notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Why rows were not measured, and what errors are measured against."""
        against = dict.fromkeys(row["reference"] for row in rows if row["median"] is not None)
        return [
            *(f"{row['strategy']}: {row['note']}" for row in rows if row["note"]),
            *(f"error: {said}" for said in against),
        ]

    def _dispensable(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        return [COLUMNS[name].title for name in DISPENSABLE]

    def _foot(self) -> list[str]:
        lines = [f"{name}: does not apply: {reason}" for name, reason in self.skipped.items()]
        if self.rows:
            row = self.rows[0]
            threads = f"{row['threads']} thread" + ("s" if row["threads"] != 1 else "")
            lines.append(f"{threads}, {row['blas']}, {row['versions']}, {row['cpu']}")
        return [*lines, *(["interrupted: rows that were not finished are missing"] if self.interrupted else [])]

    # Files

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw time and memory against size, and speed against intensity: PNG, SVG or PDF by the name."""
        plots.plot(self.rows, f"d{self.wrt} for {self.title.splitlines()[0]}", path)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The table as JSON text, written to ``path`` where one is given."""
        kept = {"form": FORM, "title": self.title, "wrt": self.wrt, "interrupted": self.interrupted}
        text = json.dumps({**kept, "rows": self.rows, "skipped": self.skipped}, indent=1, ensure_ascii=False) + "\n"
        if path is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return text
