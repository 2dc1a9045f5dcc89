"""Peak memory of a process, measured from outside."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# The parent answers each line: so it can look at the memory in between.
HEAD = """
import sys

import numpy as np

import tensorjac as tj


def pause():
    print("ready", flush=True)
    sys.stdin.readline()
"""


def peak_between_pauses(code: str, *arguments: str) -> int:
    """How many bytes more than at its first ``pause()`` a process has taken at most when it comes to its second.

    The kernel keeps the highest mark of each process, and sets it back to the present on demand.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", HEAD + code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with process:
        try:
            assert process.stdout.readline() == "ready\n"
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")
            before = _status(process.pid, "VmRSS")
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            return _status(process.pid, "VmHWM") - before
        finally:
            process.kill()


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
