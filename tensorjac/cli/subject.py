"""What a command line is about: a text, or a function in a file or module, as a ``Function``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import TensorjacError, caret
from ..function import Function
from ..notation import is_index_notation, parse_index, parse_numpy
from ..notation.syntax import (
    Apply,
    Assignment,
    Attribute,
    Bound,
    Call,
    Delta,
    Equation,
    Indexed,
    Name,
    Node,
    Whole,
)
from ..primitives import PRIMITIVES
from ..reading import parse, trace
from .arguments import UsageError, listed

_FILE = re.compile(r"(?P<path>.+\.py|[\w./\\~ -]*[/\\][\w. -]+(?=:))(?::(?P<name>.*))?")
_MODULE = re.compile(r"(?P<path>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<name>[\w.]*)")
_WORD = re.compile(r"[^\W\d]\w*")

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
_KNOWN = frozenset({"np", "numpy", "scipy", "special", "tril"})


def function_of(word: str, shapes: Mapping[str, str]) -> Function:
    """The ``Function`` that a word of the command line spells out, or names as ``layers.py:linear``."""
    if not is_callable(word):
        _demand_shapes(word, _names_in(word), shapes)
        return parse(word, **shapes)
    fun = callable_of(word, shapes)
    with _importing_from(_folder(word)), _reported():
        return trace(fun, **shapes)


def is_callable(word: str) -> bool:
    """Whether a word names a function in a file or module, ``layers.py:linear``, and is no expression."""
    return bool(_FILE.fullmatch(word) or _MODULE.fullmatch(word))


def callable_of(word: str, shapes: Mapping[str, str] | None = None) -> Callable[..., Any]:
    """The function that a word names; with ``shapes``, those of its parameters, which must be complete."""
    found = _FILE.fullmatch(word)
    load = _from_file if found else _from_module
    found = found or _MODULE.fullmatch(word)
    assert found is not None
    with _importing_from(_folder(word)):
        fun = _member(load(found["path"]), found["path"], found["name"] or "")
    if shapes is not None:
        _demand_parameters(fun, shapes)
    return fun


def _folder(word: str) -> str:
    """Where Python looks for what a function imports."""
    found = _FILE.fullmatch(word)
    return os.path.dirname(os.path.abspath(found["path"])) if found else os.getcwd()


# Texts


def _names_in(text: str) -> list[tuple[str, int]]:
    """The names in a text that it does not define, each with its place, in order."""
    parsed = parse_index(text, tuple(PRIMITIVES)) if is_index_notation(text) else parse_numpy(text)
    defined = set(_KNOWN)
    used: list[Name | Indexed] = []
    waiting: list[Node] = [parsed]
    while waiting:
        match waiting.pop():
            case Equation(target, wrt, right):
                defined.update(() if wrt else (target.name,))
                used += [Indexed(one.name, (), span=one.span) for one in wrt]
                waiting.append(right)
            case Assignment(targets, value):
                defined.update(target.name for target in targets)
                waiting.append(value)
            case Name() | Indexed() as node:
                used.append(node)  # what stands in slots are letters
            case Apply(_, _, arguments):
                waiting += arguments
            case Whole(call):
                waiting.append(call)
            case Call(function, arguments, keywords):
                waiting += [*arguments, *keywords]
                waiting += [function] if isinstance(function, Attribute) else []
            case Bound() | Delta():
                pass
            case node:
                waiting += node.children
    places = [(node.name, max(node.span[0], text.find(node.name, node.span[0]))) for node in used]
    return sorted((one for one in places if one[0] not in defined), key=lambda one: one[1])


def _demand_shapes(text: str, used: Sequence[tuple[str, int]], shapes: Mapping[str, str]) -> None:
    """Every name is an input with a shape, or a size."""
    sizes = {size for shape in shapes.values() for size in _WORD.findall(shape)}
    missing = {name: place for name, place in reversed(used) if name not in shapes and name not in sizes}
    if not missing:
        return
    names = sorted(missing, key=missing.__getitem__)
    spare = [name for name in shapes if name not in dict(used)]
    near = [(name, other) for name in names for other in spare if name.lower() == other.lower()]
    advice = f"write its sizes behind its name, {names[0]}=m,n for example, or {names[0]}= for a scalar."
    if near:
        (name, other), shape = near[0], shapes[near[0][1]]
        advice = f"did you mean {name}={shape} instead of {other}={shape}?"
    place = missing[names[0]]
    raise UsageError(
        f"{listed(names)} {'has' if len(names) == 1 else 'have'} no shape:\n"
        f"{caret(text, place, place + len(names[0]))}\n{advice}"
    )


# Functions


@contextmanager
def _importing_from(folder: str) -> Iterator[None]:
    """Python's search path as if a script of this folder were run; the current folder comes second."""
    before = list(sys.path)
    sys.path[:0] = [folder, os.getcwd()]
    try:
        yield
    finally:
        sys.path[:] = before


def _from_file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        folder = Path(path).parent
        if folder.is_dir():
            near = _nearest(Path(path).name, [file.name for file in folder.glob("*.py")])
            raise UsageError(f"there is no file {path}: in its folder, {near}")
        found = [str(file) for pattern in ("*.py", "*/*.py") for file in Path().glob(pattern)]
        raise UsageError(f"there is no file {path}: {_nearest(path, found)}")
    name = Path(path).stem
    while name in sys.modules:
        name += "_"
    spec = importlib.util.spec_from_file_location(name, os.path.abspath(path))
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file: name one that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with _reported():
        spec.loader.exec_module(module)
    return module


def _from_module(path: str) -> ModuleType:
    with _reported():
        try:
            return importlib.import_module(path)
        except ModuleNotFoundError as error:
            lost = error.name or ""
            if lost != path and not path.startswith(f"{lost}."):
                raise
    parent, _, _ = lost.rpartition(".")
    folder = getattr(sys.modules[parent], "__path__", ()) if parent else None
    modules = [f"{parent}.{one.name}" if parent else one.name for one in pkgutil.iter_modules(folder)]
    raise UsageError(f"there is no module {lost}: {_nearest(lost, modules)}")


def _member(module: ModuleType, path: str, name: str) -> Callable[..., Any]:
    """The function of this name in a module."""
    own = [
        key
        for key, value in vars(module).items()
        if inspect.isroutine(value) and not key.startswith("_") and value.__module__ == module.__name__
    ]
    if not own:
        raise UsageError(f"there are no functions in {path}: define one.")
    if not name:
        raise UsageError(f"{path} has the functions {listed(own)}: write {path}:{own[0]}, for example.")
    value: Any = module
    for part in name.split("."):
        if not hasattr(value, part):
            raise UsageError(f"{path} has no function {name}: {_nearest(name, own)}")
        value = getattr(value, part)
    if not callable(value):
        raise UsageError(f"{name} in {path} is no function: there are {listed(own)}.")
    return value  # type: ignore[no-any-return]


def _nearest(name: str, names: Collection[str]) -> str:
    near = get_close_matches(name, names, 1)
    if near:
        return f"did you mean {near[0]}?"
    few = sorted(names)[:8]
    return f"there are {listed(few)}{' and more' if len(names) > 8 else ''}." if few else "check the name."


def _demand_parameters(fun: Callable[..., Any], shapes: Mapping[str, str]) -> None:
    """Every parameter without a default has a shape."""
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):
        return
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    text = f"{getattr(fun, '__name__', type(fun).__name__)}("
    used = []
    for one in named:
        if one.default is one.empty:
            used.append((one.name, len(text)))
        text += one.name + ("" if one is named[-1] else ", ")
    _demand_shapes(f"{text})", used, shapes)


@contextmanager
def _reported() -> Iterator[None]:
    """What goes wrong in a person's own code, in one line that says where."""
    try:
        yield
    except (TensorjacError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a person's own code may raise anything, and may call sys.exit
        said = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
        raise UsageError(f"{_place(error)}{type(error).__name__}: {said}") from None


def _place(error: BaseException) -> str:
    """The line of a person's own code at which something was raised, as ``layers.py:12: ``."""
    if isinstance(error, SyntaxError) and error.filename:
        path, line = error.filename, error.lineno or 1
    else:
        frames = [
            (frame.f_code.co_filename, number)
            for frame, number in traceback.walk_tb(error.__traceback__)
            if not frame.f_code.co_filename.startswith((_OURS, "<"))
        ]
        own = [place for place in frames if not place[0].startswith(_LIBRARIES)]
        if not frames:
            return ""
        path, line = (own or frames)[-1]
    near = os.path.relpath(path)
    return f"{path if near.startswith('..') else near}:{line}: "
