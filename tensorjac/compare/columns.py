"""The columns of a table: the keys of its rows, what they mean, and how they are printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """A key of every row. ``title`` is its head in print; one without is kept for the line below, or for JSON."""

    name: str
    meaning: str
    title: str = ""
    shown: Callable[[Any], str] = str


def number(value: float) -> str:
    """Three digits, and a prefix for thousands.

    >>> number(0), number(68), number(33685504.0), number(2.5e15)
    ('0', '68', '33.7 M', '2500 T')
    """
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size * 0.9995:
            return f"{_digits(value / size)} {prefix}"
    return _digits(value)


def size(value: float) -> str:
    """Bytes in powers of 1024.

    >>> size(80), size(2**20), size(34.4e9)
    ('80 B', '1 MiB', '32 GiB')
    """
    for prefix, unit in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= unit * 0.9995:
            return f"{_digits(value / unit)} {prefix}"
    return f"{_digits(value)} B"


def time(value: float) -> str:
    """Seconds, with a prefix for small ones, and larger units for long times.

    >>> time(4.2e-6), time(0.0123), time(75), time(4.2 * 3600)
    ('4.2 µs', '12.3 ms', '75 s', '4.2 h')
    """
    for name, unit in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if value >= 2 * unit:
            return f"{_digits(value / unit)} {name}"
    for prefix, unit in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= unit * 0.9995:
            return f"{_digits(value / unit)} {prefix}"
    return f"{_digits(value / 1e-9)} ns"


def ratio(value: float) -> str:
    return f"{value:.2f}" if value < 100 else _digits(value)


def _digits(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("strategy", "the name under which STRATEGIES holds the strategy", "strategy"),
        Column("sizes", "the number that each named size has"),
        Column("equation", "the contraction after δ elimination, one einsum for each term"),
        Column("flops", "operations, a multiplication and an addition each counting one", "flops", number),
        Column("bytes", "bytes read and written by all operations", "bytes", size),
        Column("largest", "bytes of the largest array that is made", "largest", size),
        Column("peak", "bytes of all arrays alive at one moment, at most; arguments not counted", "peak", size),
        Column("intensity", "flops for each byte read or written", "flops/B", lambda value: f"{value:.2g}"),
        Column("products", "matrix products and inner products, which BLAS computes", "products"),
        Column("fallbacks", "steps left to NumPy's einsum, because nothing better fits", "einsums"),
        Column("planning", "seconds from the derived expression to a function that can be called", "planning", time),
        Column("first", "seconds of the first call", "first", time),
        Column("predicted", "seconds of a call, as the calibrated model predicts them", "predicted", time),
        Column("median", "seconds of a call in the steady state: the median", "median", time),
        Column("min", "seconds of a call in the steady state: the shortest", "min", time),
        Column("iqr", "seconds between the quartiles of the calls in the steady state", "±", time),
        Column("ratio", "median ÷ the least median in the table", "ratio", ratio),
        Column(
            "error",
            "largest error ÷ largest entry, against the reference",
            "error",
            "{:.0e}".format,
        ),
        Column("reference", "what the error is measured against, or why it is not"),
        Column("slices", "into how many slices the work is cut, so that the memory limit holds", "slices"),
        Column(
            "overhead",
            "predicted time of the slices ÷ predicted time of one piece, which the limit forbids to measure, minus 1",
            "overhead",
            "{:+.0%}".format,
        ),
        Column("paid", "median of the slices ÷ predicted time of one piece, minus 1", "measured", "{:+.0%}".format),
        Column("order", "what is contracted with what, in words"),
        Column("note", "why a row was not measured: what it would need; empty for a measured row"),
        Column("threads", "threads that BLAS may use"),
        Column("blas", "the BLAS that NumPy uses"),
        Column("versions", "versions of Python, NumPy and the optional libraries"),
        Column("cpu", "the processor"),
    )
}
