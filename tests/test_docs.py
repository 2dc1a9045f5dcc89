"""Nothing printed is unexecuted: every example in README.md, notes/*.md and the docstrings runs here.

In Markdown, ```python blocks run in one namespace per file, as doctests where they contain >>>. In
```console
and ```sh blocks, every `$ tensorjac …` runs, and prints exactly the lines that follow it; a command that
fails is followed by `$ echo $?` and its status. Other commands (`$ make test`) are left alone.
```derivation blocks are checked line by line. A block marked `python needs torch` or
`python needs dask and scipy` runs where these are installed.
"""

import doctest
import importlib
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import tensorjac

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("notes/*.md"))]
FOUND = pkgutil.walk_packages(tensorjac.__path__, "tensorjac.")
MODULES = ["tensorjac", *sorted(module.name for module in FOUND)]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
COMMAND = "import sys; sys.argv[0] = 'tensorjac'; from tensorjac.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Block:
    """A fenced code block; `line` is the number of its first line of code, counted from 1."""

    language: str
    code: str
    line: int
    needs: str = ""


def blocks(text: str) -> Iterator[Block]:
    fence, language, needs, start, code = "", "", "", 0, [""]
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(`{3,})\s*(\w*)(?: needs (\w+(?: and \w+)*))?", line)
        if not fence and mark:
            fence, language, needs, start, code = mark[1], mark[2], mark[3] or "", number + 1, []
        elif fence and line.strip() == fence:
            yield Block(language, textwrap.dedent("".join(code)), start, needs)
            fence = ""
        elif fence:
            code.append(line + "\n")
    assert not fence, f"the code block that begins on line {start} has no end"


def run_doctest(test: doctest.DocTest) -> str:
    """What doctest has to say against the examples; '' if they all hold."""
    said: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append, clear_globs=False)
    return "".join(said)


def run_python(block: Block, namespace: dict[str, Any], name: str) -> tuple[int, str]:
    """The number of examples, and what went wrong."""
    if ">>>" not in block.code:
        # The blank lines make the line numbers of a traceback those of the document.
        exec(compile("\n" * (block.line - 1) + block.code, name, "exec"), namespace)
        return 1, ""
    test = doctest.DocTestParser().get_doctest(block.code, {}, name, name, block.line - 1)
    test.globs = namespace
    return len(test.examples), run_doctest(test)


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """(command, the lines that follow it) for every line that starts with `$ `."""
    code = block.code.replace("\\\n", "")
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command.strip(), output.rstrip()


def run_console(block: Block, folder: Path) -> tuple[int, str]:
    """The number of commands run, and what went wrong."""
    count, faults, status = 0, [], 0
    for command, expected in commands(block):
        if command == "echo $?":
            printed, status = str(status), 0
        elif command.split()[0] == "tensorjac":
            faults += [f"ended with status {status} before: $ {command}"] if status else []
            run = subprocess.run(
                [sys.executable, "-c", COMMAND, *shlex.split(command, comments=True)[1:]],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                cwd=folder,
                env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            )
            count, printed, status = count + 1, run.stdout.rstrip(), run.returncode
        else:
            continue
        if printed != expected:
            faults.append(f"$ {command}\nexpected:\n{expected}\nprinted:\n{printed}")
    faults += [f"the last command ended with status {status}"] if status else []
    return count, "".join(f"block on line {block.line}: {fault}\n" for fault in faults)


def run_derivation(block: Block, name: str) -> str:
    """What does not follow in a derivation; '' if every line does."""
    report = tensorjac.check_steps(block.code)
    return "" if report else f"the derivation on line {block.line} of {name}:\n{report}\n"


def run_document(text: str, name: str, folder: Path) -> str:
    """What is wrong with the examples of a document; '' if nothing is."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    total, said = 0, ""
    found = [block for block in blocks(text) if all(map(find_spec, filter(None, block.needs.split(" and "))))]
    for block in found:
        if not block.language:
            said += f"block on line {block.line}: name its language (python, console, text, …)\n"
        count, wrong = 0, ""
        if block.language == "python":
            count, wrong = run_python(block, namespace, name)
        elif block.language in {"console", "sh"}:
            count, wrong = run_console(block, folder)
        elif block.language == "derivation":
            count, wrong = 1, run_derivation(block, name)
        total, said = total + count, said + wrong
    if found and not total:
        said += f"{name} has code blocks, but none with an example that runs\n"
    return said


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder for examples: it looks like the repository; what they write is thrown away."""
    for path in ROOT.iterdir():
        if not path.name.startswith("."):
            (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_document(path: Path, folder: Path) -> None:
    said = run_document(path.read_text(encoding="utf-8"), path.name, folder)
    assert not said, said


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str, folder: Path) -> None:
    tests = doctest.DocTestFinder().find(importlib.import_module(name))
    said = "".join(run_doctest(test) for test in tests)
    assert not said, said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```python\n>>> 1 + 1\n3\n```\n", "Expected:\n    3\nGot:\n    2\n"),
        ("a\n```python\nx = 1\n```\n```python\n>>> x\n2\n```\n", 'File "doc.md", line 6, in doc.md\n'),
        ("```console\n$ tensorjac no-such-command\nfine\n```\n", "expected:\nfine\nprinted:\n"),
        ("```console\n$ tensorjac no-such-command\n```\n", "the last command ended with status "),
        ("```console\n$ make test\n```\n", "doc.md has code blocks, but none with an example that runs\n"),
        ("```derivation\nx: n\ny = x\n  = 2x\n```\n", "line 3 does not follow from the one before"),
        ("```\n>>> 1\n```\n", "block on line 2: name its language (python, console, text, …)\n"),
    ],
    ids=["value", "line", "output", "status", "nothing runs", "derivation", "no language"],
)
def test_a_wrong_example_is_caught(text: str, expected: str, folder: Path) -> None:
    assert expected in run_document(text, "doc.md", folder)


@pytest.mark.parametrize(
    "text",
    [
        "No code at all, not even ` or ``.\n",
        "```python\nx = 2\n```\n1.\n   ```python\n   >>> for i in [x]:\n   ...     i\n   2\n   ```\n",
        "```python\n>>> list(range(20))\n[0, 1, ..., 18,\n 19]\n```\n",
    ],
    ids=["no code", "one namespace, in a list", "ellipsis and line breaks"],
)
def test_a_right_example_passes(text: str, folder: Path) -> None:
    assert run_document(text, "doc.md", folder) == ""


def test_a_block_without_end_is_caught(folder: Path) -> None:
    with pytest.raises(AssertionError, match="the code block that begins on line 2 has no end"):
        run_document("```python\nx = 1\n", "doc.md", folder)


def test_commands_of_a_block() -> None:
    code = "$ tensorjac derive 'X @ A' \\\n    X=b,m\none\n\n  two\n\n$ echo $?\n0\n"
    assert list(commands(Block("console", code, 1))) == [
        ("tensorjac derive 'X @ A'     X=b,m", "one\n\n  two"),
        ("echo $?", "0"),
    ]
