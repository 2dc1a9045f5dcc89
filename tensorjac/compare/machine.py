"""What measurements depend on: threads, BLAS, versions and CPU; and where what is learnt about them is kept."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import interop

# What limits the threads of BLAS, the most specific first.
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")


@cache
def machine() -> dict[str, Any]:
    """The columns that are the same in every row."""
    return {"threads": threads(), "blas": _blas(), "versions": _versions(), "cpu": _cpu()}


def threads() -> int:
    """How many threads BLAS may use."""
    for name in THREADS:
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return _cores()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _blas() -> str:
    config: Any = np.show_config(mode="dicts")
    found = config["Build Dependencies"]["blas"]
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()


def _versions() -> str:
    own = [f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    return ", ".join([*own, *(f"{name} {version}" for name, version in interop.versions().items())])


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return f"{value.strip()}, {_cores()} cores"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()}, {_cores()} cores"


def available_memory() -> int:
    """Bytes that can be taken without swapping."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (OSError, ValueError, AttributeError):
        return 4 * 2**30


def cache_folder() -> Path:
    """Where this platform keeps what can be computed again."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "tensorjac"
