"""What a running trace has noted, and errors that point at the line of the traced code."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Literal, NoReturn

from ..dims import Dim, Requirement, always, nonnegative
from ..errors import ShapeError, TensorjacError, TraceError, caret
from ..rewrites import assuming
from ..terms import Constant, Index


class Record:
    """What one run of a traced function has noted."""

    def __init__(self, text: str | None = None, symbolic: bool = False) -> None:
        self.requirements: tuple[Requirement, ...] = ()
        self.constants: dict[Constant, str | None] = {}  # captured arrays, and their names if they have some
        self.text = text
        # whether arrays without entries stay expressions: within rules, in texts, and where NumPy's own do not do
        self.symbolic = symbolic or text is not None
        self.emptied = False  # whether there were some that did not
        self.leaving = ""  # "returned by f", once the function has come to its end
        self.span = (0, 0)
        self.demanded: tuple[TensorjacError, tuple[str, int]] | None = None
        self.proofs = ExitStack()
        self._labels: dict[tuple[int, Dim], Index] = {}

    def label(self, position: int, dim: Dim) -> Index:
        """The index of an axis, counted from the last: arrays that broadcast share it, with no renaming."""
        found = self._labels.get((position, dim))
        if found is None:
            found = self._labels[position, dim] = Index.fresh(dim)
        return found


_running: ContextVar[Record | None] = ContextVar("running", default=None)


@contextmanager
def recording(text: str | None = None, symbolic: bool = False) -> Iterator[Record]:
    """Note what happens in this block in a record of its own; errors point into ``text``, if there is one."""
    record = Record(text, symbolic)
    token = _running.set(record)
    try:
        with record.proofs:
            yield record
    finally:
        _running.reset(token)


def running() -> Record | None:
    """The record of the trace that is running."""
    return _running.get()


@contextmanager
def reading(span: tuple[int, int]) -> Iterator[None]:
    """Errors in this block point at this span of the text that is being interpreted."""
    record = _running.get()
    if record is None:
        yield
        return
    before, record.span = record.span, span
    yield
    # after an error the span stays: the error is told where it happened
    record.span = before


# Facts about sizes ------------------------------------------------------------------------------------------


def known() -> tuple[Requirement, ...]:
    """The requirements noted so far."""
    record = _running.get()
    return record.requirements if record else ()


def at_least(dim: Dim, least: int = 0) -> bool:
    """Whether ``dim >= least`` follows from the requirements so far."""
    return nonnegative(dim - least, known())


def require(dim: Dim, relation: Literal[">=", "=="], reason: str, advice: str) -> None:
    """Note that ``dim >= 0`` or ``dim == 0`` must hold; fail if it never can, skip it if it always does.

    Proofs take sizes to be at least 1: what may be wrong where one is 0 is left to be checked by each call.
    """
    if always(dim, known()) and (relation == ">=" or at_least(-dim)):
        return
    never = at_least(-dim, 1) or (relation == "==" and at_least(dim, 1))
    record = _running.get()
    if never or record is None:
        fail(ShapeError, f"the sizes do not fit {reason}", advice)
    if relation == ">=" and any(_follows(dim, one) for one in record.requirements):
        return
    requirement = Requirement(dim, relation, reason)
    record.requirements = (*record.requirements, requirement)
    record.proofs.enter_context(assuming([requirement]))


def common_size(one: Dim, other: Dim, reason: str, advice: str) -> Dim | None:
    """The simpler of two sizes that are the same, or rounded down to numbers of which one may be larger by 1.

    n // 2 and (n + 1) // 2 are the same where n is even: that is noted as a requirement. None for other sizes.
    """
    difference = one - other
    if one is not other:
        if "//" not in one.key + other.key or not at_least(difference, -1) or not at_least(-difference, -1):
            return None
        require(difference, "==", reason, advice)
    return min(one, other, key=lambda dim: len(dim.key))


def _follows(dim: Dim, known: Requirement) -> bool:
    """Whether ``dim >= 0`` is what is known, or less."""
    more = (dim - known.dim).value
    return more is not None and more >= 0


# Errors -----------------------------------------------------------------------------------------------------


def fail(kind: type[TensorjacError], rule: str, advice: str) -> NoReturn:
    """Raise: the rule that broke, the place in the traced code with carets under it, what to do."""
    where, pointed = _place()
    raise kind(f"{rule}{where}{':' if pointed else '.'}\n{pointed}{advice}")


def demanded(rule: str, advice: str) -> NoReturn:
    """Raise a `TraceError` from a conversion that NumPy may answer with a TypeError of its own."""
    try:
        fail(TraceError, rule, advice)
    except TraceError as error:
        record = _running.get()
        frame = user_frame()
        if record is not None and frame is not None:
            record.demanded = (error, (frame.f_code.co_filename, frame.f_lineno))
        raise


def user_frame() -> FrameType | None:
    """The innermost frame that is neither ours nor one of NumPy or SciPy."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_inner(frame.f_globals.get("__name__") or ""):
        frame = frame.f_back
    return frame


def _is_inner(module: str) -> bool:
    package, _, rest = module.partition(".")
    # the layers of the catalogue are functions as users write them
    return package in ("numpy", "scipy") or (package == "tensorjac" and not rest.startswith("layers"))


def _place() -> tuple[str, str]:
    """Where we are: " (line 3 of layers.py)", and the line with carets, if it can be had."""
    record = _running.get()
    if record is not None and record.text is not None:
        return "", caret(record.text, *record.span) + "\n"
    if record is not None and record.leaving:
        return f" ({record.leaving})", ""
    frame = user_frame()
    if frame is None:
        return "", ""
    filename = frame.f_code.co_filename
    line, start, end = _columns(frame)
    source = linecache.getline(filename, line, frame.f_globals).rstrip("\n")
    where = f" (line {line} of {os.path.basename(filename)})"
    if not source.strip():
        return where, ""
    indent = len(source) - len(source.lstrip())
    start, end = (indent, len(source)) if end is None else (max(start, indent), end)
    return where, caret(source[indent:], start - indent, end - indent) + "\n"


def _columns(frame: FrameType) -> tuple[int, int, int | None]:
    """Line, first column and the column behind the expression that runs in this frame."""
    code = frame.f_code
    positions = list(code.co_positions())
    line, end_line, start, end = positions[frame.f_lasti // 2]
    if line is None or start is None or end is None:
        return frame.f_lineno, 0, None
    encoded = linecache.getline(code.co_filename, line, frame.f_globals).rstrip("\n").encode()
    if end_line != line:
        end = len(encoded)
    # columns count bytes of UTF-8
    return line, len(encoded[:start].decode(errors="ignore")), len(encoded[:end].decode(errors="ignore"))


def spelled(shape: tuple[object, ...]) -> str:
    """A shape as a person writes it: (b, 3), (n,), ()."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def counted(number: int, one: str, several: str) -> str:
    """1 axis, 2 axes."""
    return f"{number} {one if number == 1 else several}"
