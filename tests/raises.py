"""Every raise is read: where the package raises, and which of those messages stand whole in the tests.

A raise site is where an error of the family is built, or where a function is called that never returns. While the
suite runs, each error is noted at all the sites that it came through. A site is read if a message that came from it
stands whole in the tests: in a string of a test module, or in a table or a document whose lines are compared with
what is said. Python's own errors and NumPy's cannot be noted; for those a message of their form has to stand there.
"""

import ast
import builtins
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from tensorjac.cli.arguments import UsageError
from tensorjac.errors import TensorjacError

ROOT = Path(__file__).parent.parent
FAMILY = {kind.__name__ for kind in (TensorjacError, UsageError, *TensorjacError.__subclasses__())}

Place = tuple[str, int]
Site = tuple[str, int, int]  # a file, and the first and the last line of an expression


def called(node: ast.AST | None) -> str:
    """The name of what is called: "fail" of ``self.fail(…)``."""
    function = node.func if isinstance(node, ast.Call) else None
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def form(message: ast.expr) -> str:
    """A regular expression for what an expression says."""
    if isinstance(message, ast.JoinedStr):
        return "".join(map(form, message.values))
    return re.escape(str(message.value)) if isinstance(message, ast.Constant) else ".+"


def raise_sites(trees: Mapping[str, ast.Module]) -> tuple[set[Site], dict[Site, str]]:
    """The raise sites of modules; and those of Python's and NumPy's own errors, with the forms of their messages."""
    nodes = [(path, node) for path, tree in trees.items() for node in ast.walk(tree)]
    functions = [(path, node) for path, node in nodes if isinstance(node, ast.FunctionDef)]
    # an error of a private kind is caught before anybody could read it
    signals = {node.name for _, node in nodes if isinstance(node, ast.ClassDef) and node.name.startswith("_")}
    never = {(path, one.name) for path, one in functions if getattr(one.returns, "id", "") == "NoReturn"}
    # what a traced array has like any other array is called of others, too
    public = FAMILY | {name for _, name in never if name[0] != "_" and not hasattr(np.ndarray, name)}
    private = {(path, name) for path, name in never if name[0] == "_"}
    own, others = set[Site](), dict[Site, str]()
    for path, node in nodes:
        raised = node.exc if isinstance(node, ast.Raise) and called(node.exc) not in signals else None
        if isinstance(raised, ast.Call) and any(hasattr(module, called(raised)) for module in (builtins, np.linalg)):
            others[path, raised.lineno, raised.end_lineno or raised.lineno] = form(raised.args[0])
        elif isinstance(raised, ast.Call) or called(node) in public or (path, called(node)) in private:
            call = raised or node
            assert isinstance(call, ast.Call)
            own.add((path, call.lineno, call.end_lineno or call.lineno))
    return own, others


@cache
def sites_of_the_package() -> tuple[set[Site], dict[Site, str]]:
    """The raise sites of the package."""
    return raise_sites(
        {str(path): ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.glob("tensorjac/**/*.py")}
    )


def texts(path: Path) -> Iterable[str]:
    """What stands in a file: of a test module, its strings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return [text]
    nodes = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant | ast.JoinedStr))
    return filter(None, map(constant, nodes))


def constant(node: ast.Constant | ast.JoinedStr) -> str:
    """A string; values in it that are not constant are dots."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if any(isinstance(inner, ast.Name) for inner in ast.walk(node)):
        return "".join(constant(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return str(eval(compile(ast.Expression(node), "", "eval"), {"__builtins__": {}}))


class Reader:
    """The messages that a run of the suite has met, by raise site."""

    def __init__(self) -> None:
        self.own, self.others = sites_of_the_package()
        self.at = defaultdict[Place, set[Site]](set)
        for site in self.own:
            for line in range(site[1], site[2] + 1):
                self.at[site[0], line].add(site)
        self.said = defaultdict[Site, set[str]](set)

    @cached_property
    def tests(self) -> str:
        """All that the tests contain."""
        files = [*ROOT.glob("tests/*.py"), *ROOT.glob("tests/*.txt"), *ROOT.glob("notes/*.md"), ROOT / "README.md"]
        return "\0".join(text for path in files for text in texts(path))

    def note(self, message: str) -> None:
        """An error was built: note it where it came from."""
        frame = sys._getframe()
        while frame is not None:
            for site in self.at.get((frame.f_code.co_filename, frame.f_lineno), ()):
                self.said[site].add(message)
            frame = frame.f_back  # type: ignore[assignment]

    def read(self) -> set[Site]:
        """The sites of which a message stands whole in the tests."""
        lines = set(self.tests.replace("\0", "\n").split("\n"))
        found = {site for site, said in self.said.items() if any(self._stands(message, lines) for message in said)}
        return found | {site for site, form in self.others.items() if re.search(form, self.tests)}

    def _stands(self, message: str, lines: set[str]) -> bool:
        if message not in self.tests or not lines.issuperset(message.split("\n")[1:]):
            return False
        text, start = self.tests, -1
        while (start := text.find(message, start + 1)) >= 0:
            # the first line may follow the name of the error
            before, behind = text[max(start - 2, 0) : start], text[start + len(message) : start + len(message) + 1]
            if (before[-1:] in ("", "\n", "\0") or before == ": ") and behind in ("", "\n", "\0"):
                return True
        return False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note every error of the family that is built in this block."""
        before, note = TensorjacError.__init__, self.note

        def __init__(self: TensorjacError, *args: object) -> None:
            note(str(args[0]) if args else "")
            before(self, *args)

        TensorjacError.__init__ = __init__  # type: ignore[method-assign]
        try:
            yield
        finally:
            TensorjacError.__init__ = before  # type: ignore[method-assign]

    def unread(self, read: Iterable[Site]) -> list[str]:
        """The sites that are left, as places that an editor opens."""
        left = (self.own | self.others.keys()).difference(read)
        return [f"{Path(path).relative_to(ROOT)}:{line}" for path, line, _ in sorted(left)]
