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
from typing import Any

from .. import interop
from ..errors import UnsupportedError
from .calibration import model
from .machine import machine
from .rows import Row, points

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


def plot(rows: Sequence[Row], title: str, path: str | os.PathLike[str]) -> None:
    """Time and memory against size of a sweep, flops per second against intensity; PNG, SVG or PDF by the name.

    UnsupportedError where no row was measured, Matplotlib is not installed, or the name ends in another format.
    """
    _check_format(path)
    if not any(row["median"] for row in rows):
        raise UnsupportedError("no row of the table was measured, and so there is nothing to draw.")
    figure = interop.figure((13.5, 4.6))
    swept = varied(rows)
    left, middle, right = figure.subplots(1, 3)
    _cost(left, rows, swept, "median", "time of a call (s)", 1.0)
    _cost(middle, rows, swept, "peak", "peak memory (MiB)", 2.0**20)
    _roofline(right, rows)
    alike = "; ".join(" = ".join(names) for names in programs(rows) if len(names) > 1)
    if swept is None:
        # names and markers stand beside the first picture
        middle.set_yticklabels([])
        figure.supxlabel(alike, fontsize="x-small")
    else:
        handles, labels = left.get_legend_handles_labels()
        text = {"frameon": False, "fontsize": "small", "title": alike, "title_fontsize": "x-small"}
        figure.legend(handles, labels, loc="outside lower center", ncols=6, **text)
    figure.suptitle(title, fontsize="medium")
    figure.savefig(path, dpi=200)


def varied(rows: Sequence[Row]) -> str | None:
    """The size that a sweep varies: the first that takes several values."""
    sizes = [row["sizes"] for row in rows]
    return next((name for name in (sizes[0] if sizes else ()) if len({s[name] for s in sizes}) > 1), None)


def lines(rows: Sequence[Row], swept: str | None, column: str) -> dict[str, Line]:
    """For each program its points (size, value), by size; the fastest measurement of several strategies counts."""
    names = named(rows)
    found: dict[str, dict[float, float]] = {}
    for place, (sizes, own) in enumerate(points(rows)):
        for row in own:
            if row[column] and row["median"]:
                at = float(sizes[swept]) if swept else float(place)
                line = found.setdefault(names[row["strategy"]], {})
                line[at] = min(float(row[column]), line.get(at, float("inf")))
    return {name: sorted(line.items()) for name, line in found.items()}


def programs(rows: Sequence[Row]) -> list[list[str]]:
    """The strategies, those together that come to one and the same order at all sizes, and so to one program."""
    orders: dict[str, list[Any]] = {}
    for row in rows:
        told = row["order"], row["flops"], row["bytes"], row["peak"]
        orders.setdefault(row["strategy"], []).append(told if row["order"] else row["strategy"])
    alike: dict[str, list[str]] = {}
    for name, found in orders.items():
        alike.setdefault(repr(found), []).append(name)
    return list(alike.values())


def named(rows: Sequence[Row]) -> dict[str, str]:
    """What each strategy is called in a picture: by the first that is the same program."""
    return {name: names[0] for names in programs(rows) for name in names}


def crossovers(found: Mapping[str, Line]) -> list[tuple[float, float]]:
    """Where the fastest strategy changes, straight lines being drawn between points on logarithmic axes."""
    crossings = []
    for first, second in combinations(found.values(), 2):
        a, b = dict(first), dict(second)
        apart = {x: log(a[x] / b[x]) for x in sorted(a.keys() & b.keys())}
        distinct = [x for x, difference in apart.items() if abs(difference) > log(DISTINCT)]
        for ends in pairwise(distinct):
            if apart[ends[0]] * apart[ends[1]] < 0:
                between = [x for x in apart if ends[0] <= x <= ends[1]]
                changes = [pair for pair in pairwise(between) if apart[pair[0]] * apart[pair[1]] <= 0]
                low, high = changes[len(changes) // 2]
                share = apart[low] / (apart[low] - apart[high]) if apart[low] else 0.0
                at = exp(log(low) + share * log(high / low))
                value = min(_between(first, at), _between(second, at))
                if value <= min(_between(points, at) for points in found.values()) * 1.001:
                    crossings.append((at, value))
    return sorted(crossings)


def _between(points: Sequence[tuple[float, float]], at: float) -> float:
    for (low, first), (high, second) in pairwise(points):
        if low <= at <= high:
            return exp(log(first) + log(at / low) / log(high / low) * log(second / first))
    return float("inf")


def _style(rows: Sequence[Row], name: str) -> dict[str, Any]:
    k = list(dict.fromkeys(named(rows).values())).index(name)
    style = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}
    return {**style, "linestyle": LINES[k % len(LINES)], "markersize": 5, "linewidth": 1.3}


def _cost(axes: Any, rows: Sequence[Row], swept: str | None, column: str, label: str, unit: float) -> None:
    found = lines(rows, swept, column)
    if swept is None:
        names = list(lines(rows, None, "median"))
        for name, ((_, value),) in found.items():
            style = {**_style(rows, name), "linestyle": "none"}
            axes.plot([value / unit], [names.index(name)], label=name, **style)
        axes.set(xscale="log", xlabel=label, yticks=range(len(names)), yticklabels=names)
        axes.tick_params(axis="y", labelsize="small")
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(axis="x", alpha=0.3)
        return
    for name, line in found.items():
        axes.plot([x for x, _ in line], [y / unit for _, y in line], label=name, **_style(rows, name))
    if column == "median":
        for x, y in crossovers(found):
            axes.plot([x], [y], marker="o", markersize=13, markerfacecolor="none", color="black", linestyle="none")
            below = {"xytext": (0, -20), "textcoords": "offset points", "ha": "center", "fontsize": "small"}
            axes.annotate(f"{swept} ≈ {x:.0f}", (x, y), **below)
    sizes = sorted({x for line in found.values() for x, _ in line})
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


def _roofline(axes: Any, rows: Sequence[Row]) -> None:
    """Speed against intensity, below what memory and matrix products allow for on this machine."""
    names = named(rows)
    counted = [row for row in rows if row["median"] and row["flops"]]
    for name in dict.fromkeys(names.values()):
        own = [row for row in counted if names[row["strategy"]] == name]
        speeds = [row["flops"] / row["median"] / 1e9 for row in own]
        axes.plot([row["intensity"] for row in own], speeds, **{**_style(rows, name), "linestyle": "none"})
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
