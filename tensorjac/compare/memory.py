"""Memory limits."""

from __future__ import annotations

import re

from ..errors import ShapeError
from .machine import available_memory

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def memory_of(limit: int | str | None) -> float:
    """Bytes, of a number or a text.

    >>> memory_of("512MB"), memory_of("1.5 GiB"), memory_of(1000)
    (512000000.0, 1610612736.0, 1000.0)
    """
    if limit is None:
        return available_memory() / 2
    if not isinstance(limit, str):
        return float(limit)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?\s*", limit.replace("k", "K"))
    if found is None:
        raise ShapeError(f"the memory limit is {limit!r}: write a number and a unit, such as 512MB or 2GiB.")
    return float(found[1]) * UNITS[found[2] or ""]
