"""Proportions and names: how long files and functions are, and the words that are left alone."""

import ast
import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "tensorjac"
PATHS = sorted(PACKAGE.rglob("*.py"))

# About 300 lines for a file and 40 for a function, with room for a last sentence.
FILE, FUNCTION = 340, 45
LONGER = {
    "primitives.py": "a table, a row for each primitive",
    "function.py": "functions, Jacobians and their matrices make each other",
}

# Said of other libraries too often to say anything. A node is what parsers call a part of a text.
WORDS = re.compile(r"(?:^|_)(?:graph|engine|manager|context|helper|util)s?(?=_|$)")


def named(path):
    return str(path.relative_to(PACKAGE))


@cache
def parts(path):
    """The syntax tree of a file, from its root."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def definitions(path):
    """All functions and classes of a file."""
    return [part for part in parts(path) if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]


def length(function):
    """The lines of a function but for those of its docstring."""
    first = function.body[0]
    told = ast.get_docstring(function) is not None
    return function.end_lineno - function.lineno + 1 - (first.end_lineno - first.lineno + 1 if told else 0)


def snake(name):
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def test_files_and_functions_are_read_in_one_sitting():
    """What is longer has its reason in the table, and what stands in the table is longer."""
    found = {named(path) for path in PATHS if len(path.read_text(encoding="utf-8").splitlines()) > FILE}
    for path in PATHS:
        functions = (one for one in definitions(path) if not isinstance(one, ast.ClassDef))
        found.update(f"{named(path)}: {one.name}" for one in functions if length(one) > FUNCTION)
    assert found == set(LONGER)


def test_names_are_terms_of_the_field():
    names = {name for path in PATHS for name in (path.stem, *(one.name for one in definitions(path)))}
    assert {name for name in names if WORDS.search(snake(name))} == set()


def test_whatever_is_caught_has_its_reason_beside_it():
    """A handler of all exceptions says why, behind the colon."""
    silent = []
    for path in PATHS:
        lines = path.read_text(encoding="utf-8").splitlines()
        for part in parts(path):
            broad = isinstance(part, ast.ExceptHandler) and (
                part.type is None or ast.unparse(part.type) in ("Exception", "BaseException")
            )
            if broad and "  # " not in lines[part.lineno - 1]:
                silent.append(f"{named(path)}:{part.lineno}")
    assert silent == []


def test_every_file_says_what_it_is():
    """The docstring begins with a sentence."""
    told = {path: ast.get_docstring(parts(path)[0]) or "" for path in PATHS}
    assert [named(path) for path, text in told.items() if not text.split("\n\n")[0].endswith((".", ":", "?"))] == []
