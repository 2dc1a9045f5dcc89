"""Run the workloads and write ``RESULTS.md``: ``python -m benchmarks.run [--quick] [NAME …]``.

Every result is proved equal to the expert's before anything is timed.
"""

from __future__ import annotations

import argparse
import os
import platform
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks import growth, singles
from benchmarks.cases import WORKLOADS
from benchmarks.peers import NAMES
from benchmarks.timing import ROUNDS, Contest

RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="NAME", help=f"one of {', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes only, in two minutes")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # the peers', about types and precision
    lines = [*heading(options.quick), *_contests(options.workloads, options.quick)]
    if not options.workloads:
        lines += [*_singles(options.quick), *_growth(options.quick)]
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def heading(quick: bool) -> list[str]:
    """What stands above the tables: which mode wrote them, and the versions and the machine that were measured."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    versions = [f"{name} {version(name)}" for name in ("numpy", *NAMES)]
    command = "make bench-quick" if quick else "make bench"
    return [
        "# Benchmarks",
        "",
        f"Written by `{command}`. Times of the expert's NumPy, and ratios to it: medians of interleaved rounds in",
        f"one process, {os.environ['OPENBLAS_NUM_THREADS']} threads for everyone. Every result was proved equal first.",
        "",
        f"Python {platform.python_version()}, {', '.join(versions)}; {blas['name']} {blas['version']}; {_processor()}.",
        "",
    ]


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.machine()


def _contests(names: list[str], quick: bool) -> list[str]:
    others = ("tj.vjp", *NAMES)
    head = ["workload", "size", "expert", "goal", "ours", *others]
    rows = [_row(head), _row(["---"] * len(head))]
    print(*rows, sep="\n")
    for name, workload in WORKLOADS.items():
        if names and name not in names:
            continue
        for contest in workload.contests(workload.quick if quick else workload.sizes):
            contest.prove()
            contest.measure(ROUNDS, seconds=1 if quick else 60)
            rows.append(_row(_cells(contest, others)))
            print(rows[-1], flush=True)
    return [*rows, ""]


def _cells(contest: Contest, others: tuple[str, ...]) -> list[str]:
    ratios = [f"{contest.ratios[name]:.2f}" if name in contest.ratios else "" for name in ("ours", *others)]
    return [contest.workload, contest.size, duration(contest.times["hand"]), f"{contest.goal:g}", *ratios]


def _singles(quick: bool) -> list[str]:
    rows = [_row(["workload", "measure", "goal", "found"]), _row(["---"] * 4)]
    rows += [_row([single.workload, single.measure, single.goal, single.found]) for single in singles.singles(quick)]
    print(*rows, sep="\n", flush=True)
    return [*rows, ""]


def _growth(quick: bool) -> list[str]:
    lines = ["## How cost grows", "", "The exponent is fitted to the larger half of the sizes.", ""]
    rows = [_row(["what", "sizes", "times", "exponent", "predicted"]), _row(["---"] * 5)]
    for table in growth.growth(quick):
        times = ", ".join(map(duration, table.seconds))
        sizes = ", ".join(map(str, table.sizes))
        rows.append(_row([table.name, sizes, times, f"{table.exponent:.2f}", table.predicted]))
    print(*rows, sep="\n", flush=True)
    return [*lines, *rows]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def duration(seconds: float) -> str:
    """Three digits and a unit.

    >>> duration(0.0123), duration(4.5e-6)
    ('12.3 ms', '4.5 µs')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            return f"{seconds * factor:.3g} {unit}"
    raise AssertionError(unit)


if __name__ == "__main__":
    main()
