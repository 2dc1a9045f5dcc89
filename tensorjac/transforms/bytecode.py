"""What code reads and writes by name, from its instructions."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from itertools import pairwise
from types import CodeType


class Reads:
    """What code reads: in a key, it stands for the code, which it keeps alive."""

    __slots__ = ("alone", "attributes", "closed", "code", "globals", "tells")

    def __init__(self, code: CodeType) -> None:
        self.code = code
        codes = list(_nested(code))
        names = [use for each in codes for use in _names(each)]
        self.globals = tuple(dict.fromkeys(name for name, use in names if use == "global"))
        self.attributes = tuple(dict.fromkeys(name for name, use in names if use == "attribute"))
        # whether nothing is written outside, and nothing read by ways that the names do not show
        self.closed = (
            all(use in ("global", "attribute") for _, use in names)
            and not any(name.startswith("__") or name.endswith("_frame") for name in self.attributes)
            and not any(_writes_outside(each, frozenset(code.co_freevars)) for each in codes)
        )
        self.alone = self.closed and not self.globals
        # whether a symbolic size could pass for something else than its number, without being asked for it
        self.tells = any(map(_tells, codes)) or any(name in _FORMATS for name in self.attributes)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


_USES = {"LOAD_GLOBAL": "global", "LOAD_ATTR": "attribute", "LOAD_METHOD": "attribute"}


def _names(code: CodeType) -> Iterator[tuple[str, str]]:
    """Each name in the code and how it is used: as a global, an attribute, or (``""``) by any other way."""
    for step in dis.get_instructions(code):
        if step.opcode in dis.hasname:
            yield str(step.argval), _USES.get(step.opname, "")


def _writes_outside(code: CodeType, closed_over: frozenset[str]) -> bool:
    return any(
        step.opname == "LOAD_BUILD_CLASS"
        or (step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in closed_over)
        for step in dis.get_instructions(code)
    )


_FORMATS = frozenset({"format", "format_map"})
_TELLING_STEPS = (
    *("FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE", "CHECK_EXC_MATCH", "MATCH_CLASS"),
    *("BUILD_SET", "SET_ADD", "SET_UPDATE", "BUILD_MAP", "MAP_ADD", "DICT_UPDATE", "MATCH_MAPPING", "MATCH_KEYS"),
)


def _tells(code: CodeType) -> bool:
    """Whether the code formats, hashes or matches something, or goes on after an error."""
    steps = list(dis.get_instructions(code))
    names = {step.opname for step in steps}
    keys = [
        before.argval
        for before, step in pairwise(steps)
        if step.opname == "BUILD_CONST_KEY_MAP" and isinstance(before.argval, tuple)
    ]
    return (
        not names.isdisjoint(_TELLING_STEPS)
        or ("PUSH_EXC_INFO" in names and "WITH_EXCEPT_START" not in names)
        or any(not isinstance(key, str) for own in keys for key in own)
        or any(isinstance(c, frozenset) or (isinstance(c, str) and "%" in c) for c in code.co_consts)
    )


_codes: dict[int, Reads] = {}


def reads_of(code: CodeType) -> Reads:
    found = _codes.get(id(code))  # the entry keeps the code, so that no other one gets its id
    if found is None:
        if len(_codes) >= 4096:
            _codes.clear()
        found = _codes[id(code)] = Reads(code)
    return found
