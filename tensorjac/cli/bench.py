"""``tensorjac bench``: what each strategy costs, as a table, a picture or a file."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from time import perf_counter

from ..compare import compare
from ..compare.plots import writable
from ..compare.saved import beside, load
from .arguments import Answer, Arguments, Command, Option, UsageError, listed, one_word
from .derive import chosen
from .subject import function_of
from .terminal import Paint, opened

BAR = 30
INTERRUPTED = 130


def bench(arguments: Arguments, paint: Paint) -> Answer:
    """What ``tensorjac bench`` prints."""
    function = function_of(one_word(arguments, "bench"), arguments.shapes)
    wrt = chosen(arguments, "--wrt", list(function.inputs), "input")
    of = chosen(arguments, "--of", list(function.outputs), "output")
    for option, picked in (("--wrt", wrt), ("--of", of)):
        if len(picked) != 1:
            raise UsageError(f"bench is about one of {listed(picked)}: say which, {option} {picked[0]} for example.")
    old = load(_last(arguments, "--compare")) if "--compare" in arguments.options else None
    _check_files(arguments)
    sizes = _sizes(arguments)
    named = [name for dims in function._parts.inputs.values() for dim in dims for name in sorted(dim.names)]
    missing = [name for name in dict.fromkeys(named) if name not in sizes]
    if missing:
        example = " ".join(f"--size {name}=64" for name in missing)
        raise UsageError(f"{listed(missing)} {'has' if len(missing) == 1 else 'have'} no number: add {example}.")
    table = compare(
        function,
        wrt[0],
        sizes=sizes,
        of=of[0],
        strategies=arguments.options.get("--strategy"),
        memory_limit=_last(arguments, "--memory-limit") or None,
        progress=_Bar(),
    )
    if "--json" in arguments.options:
        table.to_json(_last(arguments, "--json"))
    if "--plot" in arguments.options:
        table.plot(_last(arguments, "--plot"))
    width = shutil.get_terminal_size((100, 24)).columns
    text = table.to_markdown().rstrip() if "--markdown" in arguments.options else table.text(width)
    text = text if old is None else f"{text}\n\n{beside(old, table, width)}"
    return Answer(text, INTERRUPTED if table.interrupted else 0)


def _check_files(arguments: Arguments) -> None:
    """What cannot be written is refused before anything is measured."""
    if "--plot" in arguments.options:
        writable(_last(arguments, "--plot"))
    for option in ("--plot", "--json"):
        path = Path(_last(arguments, option))
        if not path.parent.is_dir():
            raise UsageError(f"{option} {path} is in a folder that does not exist: make {path.parent} first.")


def _last(arguments: Arguments, option: str) -> str:
    return arguments.options.get(option, [""])[-1]


def _sizes(arguments: Arguments) -> dict[str, int | list[int]]:
    """``b=64,128`` as a name and a list."""
    sizes: dict[str, int | list[int]] = {}
    for text in arguments.options.get("--size", []):
        name, equals, numbers = text.partition("=")
        words = numbers.split(",")
        if not equals or not all(word.strip().isdigit() for word in words):
            raise UsageError(f"--size {text} names no size: write --size b=64, or --size b=64,128 for a sweep.")
        found = [int(word) for word in words]
        sizes[name.strip()] = found[0] if len(found) == 1 else found
    return sizes


class _Bar:
    """A line on a terminal that says how far a run is, and how long it will still take."""

    def __init__(self) -> None:
        self._screen = opened(sys.stderr)
        self._shown = self._screen.isatty() and os.environ.get("TERM") != "dumb"
        self._start = perf_counter()

    def __call__(self, share: float, what: str) -> None:
        if not self._shown:
            return
        gone = perf_counter() - self._start
        left = f", {gone / share - gone:.0f} s left" if share > 0 else ""
        done = "█" * round(share * BAR)
        ending = "\r\x1b[2K" if share >= 1 else ""
        self._screen.write(f"\r\x1b[2K{done:░<{BAR}} {what}{left}{ending}")
        self._screen.flush()


BENCH = Command(
    "bench",
    "EXPRESSION|FILE.py:FUNCTION|MODULE:FUNCTION NAME=SIZES…",
    "What every strategy costs that contracts a Jacobian with a cotangent: counted, predicted, timed",
    "All named sizes need numbers: --size b=64. Lists of numbers, all equally long, make a sweep.\n"
    "Ctrl-C ends a run, and what was measured by then is shown.",
    (
        Option("--wrt", "INPUT", "differentiate by this input"),
        Option("--of", "OUTPUT", "differentiate this output"),
        Option("--size", "NAME=N[,N…]", "the numbers of a size; once for each name"),
        Option("--strategy", "NAME", "measure this strategy only; may be repeated"),
        Option("--memory-limit", "LIMIT", "cut what needs more memory into slices, 512MB for example"),
        Option("--plot", "FILE", "draw time, memory and speed: PNG, SVG or PDF"),
        Option("--json", "FILE", "write the table as JSON"),
        Option("--markdown", "", "print the table in Markdown"),
        Option("--compare", "FILE", "set the times beside those of a JSON file"),
    ),
    (
        'tensorjac bench "X @ A" X=b,m A=m,n --wrt A --size b=64 --size m=256 --size n=256',
        "tensorjac bench layers.py:linear X=b,n A=n,n c=n --wrt A --size b=64 --size n=32,64,128 --plot cost.svg",
    ),
    bench,
)
