"""Pictures of a table: time and memory against size, or flops against time in a roofline.

Each strategy has a colour of Okabe and Ito's, a marker and a line style of its own, so that the picture reads in black
and white, too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from math import ceil, exp, floor, log, log10
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import interop
from ..errors import UnsupportedError
from .calibration import model
from .machine import machine

if TYPE_CHECKING:
    from .table import Table

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^v<>PX*hdp"  # as many as share no factor with the colours, so that each goes with each
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
    alike = "; ".join(" = ".join(names) for names in programs(table) if len(names) > 1)
    if swept is None:
        # names and markers stand beside the first picture
        middle.set_yticklabels([])
        figure.supxlabel(alike, fontsize="x-small")
    else:
        handles, labels = left.get_legend_handles_labels()
        text = {"frameon": False, "fontsize": "small", "title": alike, "title_fontsize": "x-small"}
        figure.legend(handles, labels, loc="outside lower center", ncols=6, **text)
    figure.suptitle(f"d{table.wrt} for {table.title.splitlines()[0]}", fontsize="medium")
    figure.savefig(path, dpi=200)


def varied(table: Table) -> str | None:
    """The size that a sweep varies: the first that takes several values."""
    sizes = [row["sizes"] for row in table.rows]
    return next((name for name in (sizes[0] if sizes else ()) if len({s[name] for s in sizes}) > 1), None)


def lines(table: Table, swept: str | None, column: str) -> dict[str, Line]:
    """For each program its points (size, value), by size; the fastest measurement of several strategies counts."""
    names = named(table)
    found: dict[str, dict[float, float]] = {}
    for place, (sizes, rows) in enumerate(table.points()):
        for row in rows:
            if row[column] and row["median"]:
                at = float(sizes[swept]) if swept else float(place)
                points = found.setdefault(names[row["strategy"]], {})
                points[at] = min(float(row[column]), points.get(at, float("inf")))
    return {name: sorted(points.items()) for name, points in found.items()}


def programs(table: Table) -> list[list[str]]:
    """The strategies, those together that come to one and the same order at all sizes, and so to one program."""
    orders: dict[str, list[Any]] = {}
    for row in table.rows:
        told = row["order"], row["flops"], row["bytes"], row["peak"]
        orders.setdefault(row["strategy"], []).append(told if row["order"] else row["strategy"])
    alike: dict[str, list[str]] = {}
    for name, found in orders.items():
        alike.setdefault(repr(found), []).append(name)
    return list(alike.values())


def named(table: Table) -> dict[str, str]:
    """What each strategy is called in a picture: by the first that is the same program."""
    return {name: names[0] for names in programs(table) for name in names}


def crossovers(found: Mapping[str, Line]) -> list[tuple[float, float]]:
    """Where the fastest strategy changes, straight lines being drawn between points on logarithmic axes."""
    crossings = []
    for first, second in combinations(found.values(), 2):
        a, b = dict(first), dict(second)
        apart = {x: log(a[x] / b[x]) for x in sorted(a.keys() & b.keys())}
        distinct = [x for x, difference in apart.items() if abs(difference) > log(DISTINCT)]
        for low, high in pairwise(distinct):
            before, after = apart[low], apart[high]
            if before * after < 0:
                at = exp(log(low) + before / (before - after) * log(high / low))
                value = min(_between(first, at), _between(second, at))
                if value <= min(_between(points, at) for points in found.values()) * 1.001:
                    crossings.append((at, value))
    return sorted(crossings)


def _between(points: Sequence[tuple[float, float]], at: float) -> float:
    for (low, first), (high, second) in pairwise(points):
        if low <= at <= high:
            return exp(log(first) + log(at / low) / log(high / low) * log(second / first))
    return float("inf")


def _style(table: Table, name: str) -> dict[str, Any]:
    k = list(dict.fromkeys(named(table).values())).index(name)
    style = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}
    return {**style, "linestyle": LINES[k % len(LINES)], "markersize": 5, "linewidth": 1.3}


def _cost(axes: Any, table: Table, swept: str | None, column: str, label: str, unit: float) -> None:
    found = lines(table, swept, column)
    if swept is None:
        names = list(lines(table, None, "median"))
        for name, ((_, value),) in found.items():
            style = {**_style(table, name), "linestyle": "none"}
            axes.plot([value / unit], [names.index(name)], label=name, **style)
        axes.set(xscale="log", xlabel=label, yticks=range(len(names)), yticklabels=names)
        axes.tick_params(axis="y", labelsize="small")
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(axis="x", alpha=0.3)
        return
    for name, points in found.items():
        axes.plot([x for x, _ in points], [y / unit for _, y in points], label=name, **_style(table, name))
    if column == "median":
        for x, y in crossovers(found):
            axes.plot([x], [y], marker="o", markersize=13, markerfacecolor="none", color="black", linestyle="none")
            below = {"xytext": (0, -20), "textcoords": "offset points", "ha": "center", "fontsize": "small"}
            axes.annotate(f"{swept} ≈ {x:.0f}", (x, y), **below)
    sizes = sorted({x for points in found.values() for x, _ in points})
    axes.set(xscale="log", yscale="log", xlabel=f"size {swept}", ylabel=label, xticks=sizes)
    axes.set_xticklabels([f"{x:.0f}" for x in sizes])
    _label_heights(axes)
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def _label_heights(axes: Any) -> None:
    """Numbers between powers of ten, of which a narrow range may hold one or none."""
    low, high = axes.get_ylim()
    if high < 100 * low:
        ticks = _ticks(low, high)
        axes.set_yticks(ticks, [f"{y:g}" for y in ticks])


def _roofline(axes: Any, table: Table) -> None:
    """Speed against intensity, below what memory and matrix products allow for on this machine."""
    names = named(table)
    counted = [row for row in table.rows if row["median"] and row["flops"]]
    for name in dict.fromkeys(names.values()):
        rows = [row for row in counted if names[row["strategy"]] == name]
        speeds = [row["flops"] / row["median"] / 1e9 for row in rows]
        axes.plot([row["intensity"] for row in rows], speeds, **{**_style(table, name), "linestyle": "none"})
    axes.set(xscale="log", yscale="log", xlabel="flops per byte", ylabel="Gflop/s")
    if counted and all(counted[0][key] == value for key, value in machine().items()):
        at = sorted({row["intensity"] for row in counted})
        ends = [at[0] / 2, model().ridge, at[-1] * 2] if at[0] / 2 < model().ridge < at[-1] * 2 else [at[0], at[-1]]
        axes.plot(ends, [model().roof(x) / 1e9 for x in ends], color="0.5", linewidth=1, zorder=0)
    ticks = _ticks(*axes.get_xlim())
    axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
    _label_heights(axes)
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten in a range, or the powers alone where it is wide.

    >>> _ticks(0.15, 7), _ticks(0.5, 5000)
    ([0.2, 0.5, 1.0, 2.0, 5.0], [1.0, 10.0, 100.0, 1000.0])
    """
    steps = (1, 2, 5) if high < 100 * low else (1,)
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    return [tick for power in powers for step in steps if low <= (tick := float(f"{step}e{power}")) <= high]
