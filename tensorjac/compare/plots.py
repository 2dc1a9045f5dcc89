"""Pictures of a table: time and memory against size, or flops against time in a roofline.

Each strategy has a colour of Okabe and Ito's, a marker and a line style of its own, so that the picture reads in black
and white, too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from math import exp, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import interop
from ..errors import UnsupportedError

if TYPE_CHECKING:
    from .table import Table

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^v<>PX*hdp8"
LINES = ("-", "--", "-.", ":")

# What a picture may be written as, by the end of its name.
FORMATS = (".png", ".svg", ".pdf")

# Two strategies cross where each is clearly the faster on its side: by more than timings scatter.
DISTINCT = 1.15

Line = list[tuple[float, float]]


def writable(path: str | os.PathLike[str]) -> None:
    """UnsupportedError where no picture can be written there: Matplotlib is absent, or the name ends in no format."""
    interop.figure((1, 1))
    _check_format(path)


def _check_format(path: str | os.PathLike[str]) -> None:
    if Path(path).suffix.lower() not in FORMATS:
        raise UnsupportedError(
            f"pictures are written as PNG, SVG or PDF, by the end of their names, and {path} is called otherwise: "
            f"write {Path(path).with_suffix('.svg')}."
        )


def plot(table: Table, path: str | os.PathLike[str]) -> None:
    """Time and memory against size of a sweep, flops per second against intensity; PNG, SVG or PDF by the name.

    UnsupportedError where no row was measured, Matplotlib is not installed, or the name ends in another format.
    """
    _check_format(path)
    if not any(row["median"] for row in table.rows):
        raise UnsupportedError("no row of the table was measured, and so there is nothing to draw.")
    figure = interop.figure((13.5, 4.6))
    swept = varied(table)
    left, middle, right = figure.subplots(1, 3)
    _cost(left, table, swept, "median", "time of a call (s)", 1.0)
    _cost(middle, table, swept, "peak", "peak memory (MiB)", 2.0**20)
    _roofline(right, table)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False, fontsize="small")
    figure.suptitle(f"d{table.wrt} for {table.title.splitlines()[0]}", fontsize="medium")
    figure.savefig(path, dpi=200)


def varied(table: Table) -> str | None:
    """The size that a sweep varies: the first that takes several values."""
    sizes = [row["sizes"] for row in table.rows]
    return next((name for name in (sizes[0] if sizes else ()) if len({s[name] for s in sizes}) > 1), None)


def lines(table: Table, swept: str | None, column: str) -> dict[str, Line]:
    """For each strategy its points (size, value), by size."""
    found: dict[str, Line] = {}
    for place, (sizes, rows) in enumerate(table.points()):
        for row in rows:
            if row[column] and row["median"]:
                at = float(sizes[swept]) if swept else float(place)
                found.setdefault(row["strategy"], []).append((at, float(row[column])))
    return {name: sorted(points) for name, points in found.items()}


def crossovers(found: Mapping[str, Line]) -> list[tuple[float, float]]:
    """Where the fastest strategy changes, straight lines being drawn between points on logarithmic axes."""
    crossings = []
    for first, second in combinations(found.values(), 2):
        a, b = dict(first), dict(second)
        shared = sorted(a.keys() & b.keys())
        for low, high in pairwise(shared):
            before, after = log(a[low] / b[low]), log(a[high] / b[high])
            if before * after < 0 and min(abs(before), abs(after)) > log(DISTINCT):
                share = before / (before - after)
                at = exp(log(low) + share * log(high / low))
                value = exp(log(a[low]) + share * log(a[high] / a[low]))
                if value <= min(_between(points, at) for points in found.values()) * 1.001:
                    crossings.append((at, value))
    return sorted(crossings)


def _between(points: Sequence[tuple[float, float]], at: float) -> float:
    for (low, first), (high, second) in pairwise(points):
        if low <= at <= high:
            return exp(log(first) + log(at / low) / log(high / low) * log(second / first))
    return float("inf")


def _style(table: Table, name: str) -> dict[str, Any]:
    names = list(dict.fromkeys(row["strategy"] for row in table.rows))
    k = names.index(name)
    style = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}
    return {**style, "linestyle": LINES[k % len(LINES)], "markersize": 5, "linewidth": 1.3}


def _cost(axes: Any, table: Table, swept: str | None, column: str, label: str, unit: float) -> None:
    found = lines(table, swept, column)
    if swept is None:
        names = list(found)
        for k, name in enumerate(names):
            style = {**_style(table, name), "linestyle": "none"}
            axes.plot([found[name][0][1] / unit], [k], label=name, **style)
        axes.set(xscale="log", xlabel=label, yticks=range(len(names)), yticklabels=names)
        axes.invert_yaxis()
        axes.grid(axis="x", alpha=0.3)
        return
    for name, points in found.items():
        axes.plot([x for x, _ in points], [y / unit for _, y in points], label=name, **_style(table, name))
    if column == "median":
        for x, y in crossovers(found):
            axes.plot([x], [y], marker="o", markersize=13, markerfacecolor="none", color="black", linestyle="none")
    sizes = sorted({x for points in found.values() for x, _ in points})
    axes.set(xscale="log", yscale="log", xlabel=f"size {swept}", ylabel=label, xticks=sizes)
    axes.set_xticklabels([f"{x:.0f}" for x in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def _roofline(axes: Any, table: Table) -> None:
    for name in dict.fromkeys(row["strategy"] for row in table.rows):
        rows = [row for row in table.rows if row["strategy"] == name and row["median"] and row["flops"]]
        speeds = [row["flops"] / row["median"] / 1e9 for row in rows]
        axes.plot([row["intensity"] for row in rows], speeds, **{**_style(table, name), "linestyle": "none"})
    axes.set(xscale="log", yscale="log", xlabel="flops per byte", ylabel="Gflop/s")
    axes.tick_params(which="minor", labelbottom=False, labelleft=False)
    axes.grid(alpha=0.3)
