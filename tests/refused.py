"""Tables of what is refused and what is said to it: refusals.txt and faults.txt."""

from collections.abc import Iterator
from pathlib import Path


def refused(table: str) -> Iterator[tuple[str, str, str]]:
    """The rows of a table: what stands before >>>, the text with its further lines after ..., and the message."""
    text = (Path(__file__).parent / table).read_text(encoding="utf-8")
    for row in text.rstrip("\n").split("\n\n")[1:]:
        kind, _, rest = row.partition(">>> ")
        first, *lines = rest.split("\n")
        count = next(k for k, line in enumerate(lines) if not line.startswith("... "))
        body = [first, *(line.removeprefix("... ") for line in lines[:count])]
        yield kind, "\n".join(body), "\n".join(lines[count:])
