"""Tables that were written before, read again and set beside a new one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ..errors import NotationError
from .columns import COLUMNS, ratio, time
from .layout import fitted
from .table import FORM, Table


def load(path: str | os.PathLike[str]) -> Table:
    """The table that ``to_json`` wrote; NotationError where the file holds none, or there is no such file."""
    advice = f"write one with tensorjac bench … --json {path}."
    try:
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise NotationError(f"a table is read from a file, and {path} is none to read ({reason}): {advice}") from None
    except ValueError as error:
        raise NotationError(f"{path} is no JSON: {error}.") from None
    rows = kept.get("rows") if isinstance(kept, dict) else None
    if rows is None or kept.get("form") != FORM or any(set(row) != set(COLUMNS) for row in rows):
        raise NotationError(f"{path} holds no table of this form: {advice}")
    return Table(kept["title"], kept["wrt"], rows, kept["skipped"], kept["interrupted"])


def beside(old: Table, new: Table, width: int) -> str:
    """The medians of two tables, row by row, where strategy and sizes are the same."""
    before = {_key(row): row for row in old.rows}
    cells = []
    for row in new.rows:
        earlier = before.get(_key(row))
        if earlier is None or earlier["median"] is None or row["median"] is None:
            continue
        sizes = " ".join(f"{name}={number}" for name, number in row["sizes"].items())
        times = [time(earlier["median"]), time(row["median"])]
        cells.append([row["strategy"], sizes, *times, ratio(row["median"] / earlier["median"])])
    if not cells:
        return "no row of the two tables has the same strategy and the same sizes."
    return "\n".join(fitted(["strategy", "sizes", "before", "now", "now ÷ before"], cells, width, ["sizes"]))


def _key(row: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, int], ...]]:
    return row["strategy"], tuple(sorted(row["sizes"].items()))
