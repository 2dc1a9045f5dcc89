"""The reader of raises: what it counts as a raise site, and what as read."""

import ast
from pathlib import Path

import pytest

from raises import ROOT, Reader, raise_sites
from tensorjac.errors import NotationError
from tensorjac.notation import parse_index

MODULE = """
def fail(rule) -> NoReturn:
    raise kind(f"{rule}.")

def _stop() -> NoReturn:
    fail("a rule")

def item() -> NoReturn:
    fail("an attribute of arrays")

def told(n):
    return ShapeError(f"size {n} is odd")

class _Signal(Exception):
    pass

def use(n):
    if n == 0:
        raise _Signal(n)
    if n == 1:
        raise told(n)
    if n == 2:
        raise KeyError(f"{n} is unknown, {n + 1} is not")
    if n == 3:
        raise Private
    if n == 4:
        _stop()
    n.item()
    try:
        fail(
            "b"
        )
    except ShapeError as error:
        raise error from None
"""
OTHER = "_stop()\nfail('c')"


def test_raise_sites():
    own, others = raise_sites({"m.py": ast.parse(MODULE), "other.py": ast.parse(OTHER)})
    lines = {(path, MODULE.splitlines()[line - 1].strip() if path == "m.py" else line) for path, line, _ in own}
    assert lines == {
        ("m.py", 'raise kind(f"{rule}.")'),
        ("m.py", 'fail("a rule")'),
        ("m.py", 'fail("an attribute of arrays")'),
        ("m.py", 'return ShapeError(f"size {n} is odd")'),
        ("m.py", "raise told(n)"),
        ("m.py", "_stop()"),
        ("m.py", "fail("),
        ("other.py", 2),
    }
    ((path, line, _),) = others
    assert (path, MODULE.splitlines()[line - 1].split()[0]) == ("m.py", "raise")
    assert list(others.values()) == [r".+\ is\ unknown,\ .+\ is\ not"]


@pytest.mark.parametrize(
    ("message", "stands"),
    [
        ("size m is 3 here", True),
        ("size m is 3", False),
        ("size m is 4 here", False),
        ("first:\n  X\n  ^\nlast.", True),
        ("irst:\n  X\n  ^\nlast.", False),
        ("first:\n  X\nlast.", False),
        ("nowhere", False),
    ],
)
def test_what_is_read(message, stands):
    """A message is read if it stands whole in the tests; its first line may follow the name of the error."""
    reader = Reader()
    reader.tests = "size m is 3 here\0ShapeError: first:\n  X\n  ^\nlast."
    site = next(iter(reader.own))
    reader.said[site].add(message)
    assert (site in reader.read()) is stands


def test_an_error_is_noted_where_it_came_from():
    reader = Reader()
    with reader.watching(), pytest.raises(NotationError) as caught:
        parse_index("Y[i] = (2 & 3)")
    places = {(Path(path).relative_to(ROOT).as_posix(), line) for path, line, _ in reader.said}
    lines = {path: (ROOT / path).read_text(encoding="utf-8").splitlines() for path, _ in places}
    assert {(Path(path).stem, lines[path][line - 1].partition("(")[0].strip()) for path, line in places} == {
        ("rightside", "self.trailing"),
        ("rightside", "cursor.expected"),
        ("tokens", "self.fail"),
        ("tokens", "raise NotationError"),
    }
    assert all(said == {str(caught.value)} for said in reader.said.values())
    assert reader.said.keys() <= reader.read()


def test_what_is_left_is_told_by_its_place():
    reader = Reader()
    site = min(reader.own)
    assert reader.unread((reader.own | reader.others.keys()) - {site}) == [
        f"{Path(site[0]).relative_to(ROOT)}:{site[1]}"
    ]
