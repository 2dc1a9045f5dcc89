"""The command line: what it prints, how it exits, and every message that it has for a mistyped line."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tensorjac.cli import main
from tensorjac.cli.arguments import Arguments, read
from tensorjac.cli.derive import DERIVE
from tensorjac.cli.terminal import paint_for, writable

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def bare_terminal(monkeypatch):
    """No colours but those that a test asks for."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with files of functions, good and bad."""
    write = {
        "layers.py": """
            import numpy as np

            SCALE = np.arange(3.0)

            def linear(X, A, c):
                return X @ A + c

            def scaled(x, power=2):
                return SCALE * x**power

            def both(x):
                return x**2, (x**3).sum()

            def positions(x):
                return x * [1, 2][3]

            def through_a_library(x):
                return np.einsum("i,i", x, x, nonsense=True) + float(x)

            class Model:
                @staticmethod
                def forward(x):
                    return x @ x
            """,
        "broken.py": "import numpy as np\n\nx = 1 / 0\n",
        "syntax.py": "def f(x)\n    return x\n",
        "leaves.py": "raise SystemExit(0)\n",
        "needy.py": "import no_such_library_at_all\n",
        "empty.py": "",
        "package/__init__.py": "",
        "package/inner.py": "import layers\n\nsquare = lambda x: x**2\n\ndef cube(x):\n    return x**3\n",
    }
    for name, text in write.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(dedent(text).lstrip())
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    assert sys.path == path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def shell(capsys):
    """Run a command line: the exit status, what was printed, and what was said on stderr."""

    def run(*words):
        status = main(words)
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def printed(shell):
    """What a command line prints that does not fail."""

    def run(*words):
        status, out, err = shell(*words)
        assert (status, err) == (0, "")
        return out

    return run


@pytest.fixture
def refused(shell):
    """What is said about a command line that fails, without the name of the program."""

    def run(*words):
        status, out, err = shell(*words)
        assert (status, out) == (2, "")
        assert err.startswith("tensorjac: ") and err.endswith("\n")
        return err.removeprefix("tensorjac: ")[:-1]

    return run


# Reading a command line


@pytest.mark.parametrize(
    ("line", "words", "shapes", "options"),
    [
        (["X @ A", "X=b,m", "A=m,n"], ("X @ A",), {"X": "b,m", "A": "m,n"}, {}),
        (["X=b,m", "--wrt", "A", "X @ A", "--source", "A=m,n"], ("X @ A",), {"X": "b,m", "A": "m,n"},
         {"--wrt": ["A"], "--source": []}),
        (["--wrt=A", "--wrt", "X", "X @ A"], ("X @ A",), {}, {"--wrt": ["A", "X"]}),
        (["-X", "X=b"], ("-X",), {"X": "b"}, {}),
        (["--", "--X", "X=b"], ("--X",), {"X": "b"}, {}),
        (["Y=X@A", "X=b m", "A=m n"], ("Y=X@A",), {"X": "b m", "A": "m n"}, {}),
        (["Y[ij]=X[ij]", "X=b,m"], ("Y[ij]=X[ij]",), {"X": "b,m"}, {}),
        (["Y = X", "X=b,m!"], ("Y = X",), {"X": "b,m!"}, {}),
        (["s * x", "s=", "x=2*n + 1"], ("s * x",), {"s": "", "x": "2*n + 1"}, {}),
        (["X", "@", "A"], ("X", "@", "A"), {}, {}),
        (["größe + 1", "größe=n"], ("größe + 1",), {"größe": "n"}, {}),
        ([], (), {}, {}),
    ],
)  # fmt: skip
def test_words_shapes_and_options_in_any_order(line, words, shapes, options):
    assert read(DERIVE, line) == Arguments(words, shapes, options)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], 'a command is needed: write tensorjac derive "X @ A" X=b,m A=m,n, or tensorjac --help for more.'),
        (["dervie", "X"], "there is no command dervie: did you mean derive?"),
        (["X @ A", "X=b,m", "A=m,n"],
         "there is no command 'X @ A': did you mean tensorjac derive 'X @ A' X=b,m A=m,n?"),
        (["plot"], "there is no command plot: the commands are derive."),
        (["--wrt", "A", "derive", "X @ A"],
         "the command comes first: write tensorjac derive --wrt A 'X @ A'."),
        (["derive"],
         'derive needs an expression or a function: write tensorjac derive "X @ A" X=b,m A=m,n, for example.'),
        (["derive", "X=b,m"],
         'derive needs an expression or a function: write tensorjac derive "X @ A" X=b,m A=m,n, for example.'),
        (["derive", "X", "@", "A", "X=b,m"],
         'derive takes one expression or function, and here are 3: "X", "@" and "A".\n'
         'Put quotes around an expression, and write a shape without spaces: '
         'tensorjac derive "X @ A" X=b,m A=m,n.'),
        (["derive", "X", "X=b,m", "--jacobain"], "there is no option --jacobain: did you mean --jacobian?"),
        (["derive", "X", "X=b,m", "--zzz"], "there is no option --zzz: tensorjac derive --help lists all."),
        (["derive", "X", "X=b,m", "—source"], "there is no option —source: did you mean --source?"),
        (["derive", "X", "X=b,m", "-wrt", "X"], "there is no option -wrt: did you mean --wrt?"),
        (["derive", "X", "X=b,m", "--wrt"], "--wrt takes a value, and none follows: write --wrt INPUT."),
        (["derive", "X", "X=b,m", "--wrt", "--source"],
         "--wrt takes a value, and none follows: write --wrt INPUT."),
        (["derive", "X", "X=b,m", "--source=1"], "--source takes no value: write --source alone."),
        (["derive", "X", "X=b,m", "X=m,n"],
         "X has one shape, and here are X=b,m and X=m,n: leave one out."),
        (["derive", "X @ A", "X=b,m", "A=m,n", "--wrt", "a"],
         "there is no input a: did you mean --wrt A?"),
        (["derive", "X @ A", "X=b,m", "A=m,n", "--wrt", "X,A"],
         "there is no input X,A: did you mean --wrt X?"),
        (["derive", "X @ A", "X=b,m", "A=m,n", "--wrt", "Q"],
         "there is no input Q: choose from X and A."),
        (["derive", "X @ A", "X=b,m", "A=m,n", "--of", "Z"],
         "there is no output Z: choose from Y."),
        (["derive", "X @ A", "X=b,m", "A=m,n", "--hessian"],
         "--hessian needs a scalar output, and Y has shape (b, n): sum it to a scalar, with np.sum for "
         "example."),
        (["derive", "2 + 3"],
         "there is nothing to differentiate by: name an input and its shape, such as X=b,m."),
        (["derive", "X @ A", "X=b,m"],
         "A has no shape:\n  X @ A\n      ^\nWrite its sizes behind its name, A=m,n for example, or A= for a "
         "scalar."),
        (["derive", "X @ A", "X=b,m", "a=m,n"],
         "A has no shape:\n  X @ A\n      ^\nDid you mean A=m,n instead of a=m,n?"),
        (["derive", "weight * (weight + X) + bias", "X=b,m"],
         "weight and bias have no shape:\n  weight * (weight + X) + bias\n  ^^^^^^\n"
         "Write its sizes behind its name, weight=m,n for example, or weight= for a scalar."),
        (["derive", "Y[ij] = s X[ik] A[kj]", "X=b,m", "A=m,n"],
         "s has no shape:\n  Y[ij] = s X[ik] A[kj]\n          ^\n"
         "Write its sizes behind its name, s=m,n for example, or s= for a scalar."),
        (["derive", "X @@ A", "X=b,m", "A=m,n"],
         'A value is expected here: found "@".\n  X @@ A\n     ^\n'
         "Write a name, a number or an expression in brackets."),
        (["derive", "X @ A", "X=b,m!", "A=m,n"],
         "?"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_line_that_means_nothing(line, message, refused):
    assert refused(*line) == message
