"""The rows of a table, of which each strategy has one at each set of sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

# With the keys of COLUMNS; what could not be found out is None.
Row = dict[str, Any]


def points(rows: Sequence[Row]) -> Iterator[tuple[dict[str, int], list[Row]]]:
    """The rows by their sizes, in the order in which they were measured.

    >>> [len(own) for _, own in points([{"sizes": {"b": 1}}, {"sizes": {"b": 2}}, {"sizes": {"b": 1}}])]
    [2, 1]
    """
    seen: list[dict[str, int]] = []
    for row in rows:
        if row["sizes"] not in seen:
            seen.append(row["sizes"])
    for sizes in seen:
        yield sizes, [row for row in rows if row["sizes"] == sizes]
