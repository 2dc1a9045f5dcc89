"""How much memory dense arrays may take."""

from __future__ import annotations

import os
from pathlib import Path

GIB = 2**30


def free_memory() -> int | None:
    """The bytes that new arrays can take without swapping; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def gibibytes(count: int) -> str:
    """A number of bytes in GiB, to two digits at least.

    >>> gibibytes(2**31), gibibytes(2**22), gibibytes(2**43)
    ('2.0 GiB', '0.0039 GiB', '8192 GiB')
    """
    amount = count / GIB
    return f"{amount:.0f} GiB" if amount >= 100 else f"{amount:.1f} GiB" if amount >= 1 else f"{amount:.2g} GiB"
