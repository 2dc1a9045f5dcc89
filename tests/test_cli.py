"""The command line: what it prints, how it exits, and every message that it has for a mistyped line."""

from __future__ import annotations

import io
import os
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

import tensorjac as tj
from tensorjac.cli import main
from tensorjac.cli.arguments import Arguments, read
from tensorjac.cli.derive import DERIVE
from tensorjac.cli.terminal import paint_for, writable

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def untouched(tmp_path, monkeypatch):
    """No colours but those that a test asks for; what a test imports and where from is forgotten."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    modules, path = set(sys.modules), list(sys.path)
    yield
    assert sys.path == path
    for name in set(sys.modules) - modules:
        file = str(getattr(sys.modules[name], "__file__", ""))
        if file.startswith((str(tmp_path), str(ROOT / "examples"))):
            del sys.modules[name]


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
    return tmp_path


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
        ([],
         'a command is needed: write tensorjac derive "X @ A" X=b,m A=m,n, or tensorjac --help for '
         "more."),
        (["dervie", "X"], "there is no command dervie: did you mean derive?"),
        (["X @ A", "X=b,m", "A=m,n"],
         "there is no command 'X @ A': did you mean tensorjac derive 'X @ A' X=b,m A=m,n?"),
        (["plot"], "there is no command plot: the commands are derive, check, bench."),
        (["--wrt", "A", "derive", "X @ A"],
         "the command comes first: write tensorjac derive --wrt A 'X @ A'."),
        (["derive"],
         'derive needs an expression or a function: write tensorjac derive "X @ A" X=b,m A=m,n, for '
         "example."),
        (["derive", "X=b,m"],
         'derive needs an expression or a function: write tensorjac derive "X @ A" X=b,m A=m,n, for '
         "example."),
        (["derive", "X", "@", "A", "X=b,m"],
         'derive takes one expression or function, and here are 3: "X", "@" and "A".\n'
         'put quotes around an expression, and write a shape without spaces: '
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
         "there is no input X,A: write --wrt once for each."),
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
         "A has no shape:\n  X @ A\n      ^\nwrite its sizes behind its name, A=m,n for example, or A= for a "
         "scalar."),
        (["derive", "X @ A", "X=b,m", "a=m,n"],
         "A has no shape:\n  X @ A\n      ^\ndid you mean A=m,n instead of a=m,n?"),
        (["derive", "weight * (weight + X) + bias", "X=b,m"],
         "weight and bias have no shape:\n  weight * (weight + X) + bias\n  ^^^^^^\n"
         "write its sizes behind its name, weight=m,n for example, or weight= for a scalar."),
        (["derive", "Y[ij] = s X[ik] A[kj]", "X=b,m", "A=m,n"],
         "s has no shape:\n  Y[ij] = s X[ik] A[kj]\n          ^\n"
         "write its sizes behind its name, s=m,n for example, or s= for a scalar."),
        (["derive", "∂Y[ij]/∂B[kl] = X[ik] δ[jl]", "X=b,m"],
         "B has no shape:\n  ∂Y[ij]/∂B[kl] = X[ik] δ[jl]\n          ^\n"
         "write its sizes behind its name, B=m,n for example, or B= for a scalar."),
    ],
)  # fmt: skip
def test_what_is_said_of_a_line_that_means_nothing(line, message, refused):
    assert refused(*line) == message


# What it prints


MATMUL = """\
Y[ij] = X[ik] A[kj]
G = ∂L/∂Y, dX = ∂L/∂X, dA = ∂L/∂A

∂Y[ij]/∂X[kl] = δ[ik] A[lj]   shape (b, n, b, m)
dX[ij] = G[ik] A[jk]
dX = G @ A.T

∂Y[ij]/∂A[kl] = X[ik] δ[jl]   shape (b, n, m, n)
dA[ij] = X[ki] G[kj]
dA = X.T @ G
"""


@pytest.mark.parametrize(
    "line",
    [
        ["derive", "X @ A", "X=b,m", "A=m,n"],
        ["derive", "X=b m", "A=m n", "X @ A"],
        ["derive", "Y=X@A", "X=b,m", "A=m,n"],
        ["derive", "Y[ij] = X[ik] A[kj]", "X=b,m", "A=m,n"],
        ["derive", "--", "X=b,m", "X @ A", "A=m,n"],
    ],
)
def test_derive(line, printed):
    assert printed(*line) == MATMUL


def test_a_scalar_has_a_gradient_without_cotangent(printed):
    assert printed("derive", "x @ x", "x=n") == (
        "Y[] = x[i]^2\ndx = ∂Y/∂x\n\n∂Y[]/∂x[i] = 2 x[i]   shape (n,)\ndx[i] = 2 x[i]\ndx = 2 * x\n"
    )


def test_source_of_several_statements_is_shown_whole(printed):
    out = printed("derive", "e = np.exp(x); e / e.sum()", "x=n")
    *statements, last = out.split("\n\n")[1].splitlines()[2:]
    assert statements and last.startswith("dx = ")
    assert "return" not in out
    assert "def " not in out


def test_wrt_picks_inputs_in_the_order_given(printed):
    line = ["derive", "X @ A", "X=b,m", "A=m,n", "--jacobian"]
    dX, dA = MATMUL.splitlines()[3], MATMUL.splitlines()[7]
    assert printed(*line) == f"{dX}\n{dA}\n"
    assert printed(*line, "--wrt", "A") == f"{dA}\n"
    assert printed(*line, "--wrt", "A", "--wrt=X", "--wrt", "A") == f"{dA}\n{dX}\n"


def test_several_outputs(printed, here):
    out = printed("derive", "layers.py:both", "x=n")
    assert out.startswith(
        "Y1[i] = x[i]^2\n"
        "Y2[] = x[i]^3\n"
        "G1 = ∂L/∂Y1, G2 = ∂L/∂Y2, dx = ∂L/∂x\n"
        "\n"
        "∂Y1[i]/∂x[j] = 2 x[i] δ[ij]   shape (n, n)\n"
        "∂Y2[]/∂x[i] = 3 x[i]^2   shape (n,)\n"
        "dx[i] = 2 x[i] G1[i] + 3 "
    )


def test_of_leaves_other_outputs_out(printed, here):
    assert printed("derive", "layers.py:both", "x=n", "--of", "Y2").startswith(
        "Y2[] = x[i]^3\ndx = ∂Y2/∂x\n\n∂Y2[]/∂x[i] = 3 x[i]^2   shape (n,)\ndx[i] = 3 x[i]^2\ndx = "
    )
    one = printed("derive", "layers.py:both", "x=n", "--of", "Y2", "--of", "Y1", "--jacobian")
    assert one == "∂Y2[]/∂x[i] = 3 x[i]^2   shape (n,)\n∂Y1[i]/∂x[j] = 2 x[i] δ[ij]   shape (n, n)\n"


def test_captured_arrays_are_listed(printed, here):
    head = printed("derive", "layers.py:scaled", "x=3").splitlines()[:2]
    assert head[1] == "G = ∂L/∂Y, dx = ∂L/∂x, C1 is an array of shape (3,)"


@pytest.mark.parametrize(
    ("text", "legend"),
    [
        ("L = 2 * X", "G = ∂loss/∂L, dX = ∂loss/∂X"),
        ("G + X", "G_ = ∂L/∂Y, dG = ∂L/∂G, dX = ∂L/∂X"),
    ],
)
def test_the_legend_uses_free_names(text, legend, printed):
    shapes = [f"{name}=n" for name in ("G", "X") if name in text]
    assert printed("derive", text, *shapes).splitlines()[1] == legend


def test_hessians_of_all_pairs(printed):
    assert printed("derive", "x @ A @ x", "x=n", "A=n,n", "--hessian") == (
        "∂²Y[]/∂x[i]∂x[j] = A[ij] + A[ji]   shape (n, n)\n"
        "∂²Y[]/∂x[i]∂A[jk] = δ[ij] x[k] + δ[ik] x[j]   shape (n, n, n)\n"
        "∂²Y[]/∂A[ij]∂A[kl] = 0   shape (n, n, n, n)\n"
    )


def test_source_runs(printed):
    code = printed("derive", "np.tanh(X @ A)", "X=b,m", "A=m,n", "--source")
    assert code.startswith("import numpy as np\n\n\ndef Y(X, A):\n    ")
    scope = {}
    exec(code, scope)
    X, A, G = np.ones((2, 3)) / 5, np.eye(3, 4), np.ones((2, 4))
    assert np.allclose(scope["Y"](X, A), np.tanh(X @ A))
    functions = [value for name, value in scope.items() if name not in ("Y", "np", "__builtins__")]
    dX, _ = functions[0](X, A, G)
    assert np.allclose(dX, (1 - np.tanh(X @ A) ** 2) @ A.T)


def test_source_that_needs_no_numpy_imports_nothing(printed):
    assert printed("derive", "X @ A", "X=b,m", "A=m,n", "--source", "--wrt", "A") == (
        "def Y(X, A):\n    return X @ A\n\n\ndef dA(X, A, G):\n    return X.T @ G\n"
    )


def test_latex(printed):
    out = printed("derive", "X @ A", "X=b,m", "A=m,n", "--wrt", "A", "--latex")
    F = tj.parse("X @ A", X="b m", A="m n")
    assert out.splitlines() == [F.latex(), F.jacobian("A").latex(), F.vjp("A").latex()]


def test_einsum(printed):
    assert printed("derive", "X @ A", "X=b,m", "A=m,n", "--wrt", "A", "--einsum") == (
        'Y = einsum("ik,kj->ij", X, A)\ndA = einsum("ki,kj->ij", X, G)\n'
    )
    assert printed("derive", "2 * x + 1", "x=n", "--einsum").startswith("Y = einsum(")


def test_steps(printed):
    F = tj.parse("X @ A", X="b m", A="m n")
    line = ["derive", "X @ A", "X=b,m", "A=m,n", "--steps"]
    assert printed(*line) == F.vjp().explain() + "\n"
    assert printed(*line, "--wrt", "A") == F.vjp("A").explain() + "\n"


def test_views_are_separated_by_blank_lines(printed):
    line = ["derive", "X @ A", "X=b,m", "A=m,n", "--wrt", "A"]
    both = printed(*line, "--source", "--jacobian")
    assert both == printed(*line, "--jacobian") + "\n" + printed(*line, "--source")


def test_help_and_version(printed):
    general = printed("--help")
    assert printed("-h") == general
    assert general.startswith("usage: tensorjac COMMAND …\n")
    special = printed("derive", "--help")
    assert printed("derive", "X @ A", "-h") == special
    assert all(f"  {option.name}" in special for option in DERIVE.options)
    assert printed("--version") == f"tensorjac {tj.__version__}\n"


@pytest.mark.parametrize("example", DERIVE.examples)
def test_examples_of_the_help_run(example, printed, monkeypatch):
    monkeypatch.chdir(ROOT / "examples")
    assert printed(*shlex.split(example)[1:])


# Functions in files and modules


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("layers.py:Model.forward", "Y[] = x[i]^2"),
        ("./layers.py:Model.forward", "Y[] = x[i]^2"),
        ("layers:Model.forward", "Y[] = x[i]^2"),
        ("package.inner:square", "Y[i] = x[i]^2"),
        ("package/inner.py:cube", "Y[i] = x[i]^3"),
        ("numpy:sin", "Y[i] = sin(x[i])"),
    ],
)
def test_a_function_is_found(word, first, printed, here):
    assert printed("derive", word, "x=n").splitlines()[0] == first


def test_a_file_of_the_name_of_a_module_stands_beside_it(printed, here):
    Path("string.py").write_text("def double(x):\n    return 2 * x\n")
    assert printed("derive", "string.py:double", "x=n").startswith("Y[i] = 2 x[i]\n")
    assert sys.modules["string"].__name__ == "string"
    assert hasattr(sys.modules["string"], "ascii_letters")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("layer.py:both", "there is no file layer.py: in its folder, did you mean layers.py?"),
        ("pakage/inner.py:cube", "there is no file pakage/inner.py: did you mean package/inner.py?"),
        ("package/inner:cube", "there is no file package/inner: in its folder, did you mean inner.py?"),
        ("package/iner.py:cube", "there is no file package/iner.py: in its folder, did you mean inner.py?"),
        ("package/zz.py:cube",
         "there is no file package/zz.py: in its folder, there are __init__.py and inner.py."),
        ("layers.py",
         "layers.py has the functions linear, scaled, both, positions and through_a_library: "
         "write layers.py:linear, for example."),
        ("layers.py:",
         "layers.py has the functions linear, scaled, both, positions and through_a_library: "
         "write layers.py:linear, for example."),
        ("layers.py:liner", "layers.py has no function liner: did you mean linear?"),
        ("layers.py:q",
         "layers.py has no function q: there are both, linear, positions, scaled and through_a_library."),
        ("layers.py:SCALE",
         "SCALE in layers.py is no function: there are linear, scaled, both, positions and "
         "through_a_library."),
        ("empty.py:f", "there are no functions in empty.py: define one."),
        ("pakage.inner:cube", "there is no module pakage: did you mean package?"),
        ("package.iner:cube", "there is no module package.iner: did you mean package.inner?"),
        ("package.inner.cube:x", "there is no module package.inner.cube: check the name."),
        ("broken.py:f", "broken.py:3: ZeroDivisionError: division by zero"),
        ("broken:f", "broken.py:3: ZeroDivisionError: division by zero"),
        ("syntax.py:f", "syntax.py:1: SyntaxError: expected ':'"),
        ("leaves.py:f", "leaves.py:1: SystemExit: 0"),
        ("needy.py:f", "needy.py:1: ModuleNotFoundError: No module named 'no_such_library_at_all'"),
        ("needy:f", "needy.py:1: ModuleNotFoundError: No module named 'no_such_library_at_all'"),
        ("layers.py:positions", "layers.py:15: IndexError: list index out of range"),
        ("layers.py:linear",
         "X, A and c have no shape:\n  linear(X, A, c)\n         ^\ndid you mean X=n instead of x=n?"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_function_that_is_not_there(word, message, refused, here):
    assert refused("derive", word, "x=n") == message


def test_a_parameter_without_a_shape(refused, here):
    assert refused("derive", "layers.py:linear", "X=b,m", "A=m,n", "C=n") == (
        "c has no shape:\n  linear(X, A, c)\n               ^\ndid you mean c=n instead of C=n?"
    )


def test_a_file_that_cannot_be_read_as_python(refused, here):
    Path("folder").mkdir()
    Path("folder/data").write_bytes(b"\0")
    said = "folder/data is no Python file: name one that ends in .py."
    assert refused("derive", "folder/data:f", "x=n") == said


# Errors from below, and the shell around


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("X @@ A", {"X": "b,m", "A": "m,n"}),
        ("X @ A", {"X": "b,m!", "A": "m,n"}),
        ("X @ A", {"X": "b,m", "A": "p,n"}),
        ("Y[ij] = X[ik] A[kj", {"X": "b,m", "A": "m,n"}),
        ("np.linalg.svd(X)", {"X": "b,m"}),
        ("__import__('os').system('touch evaluated')", {"X": "b"}),
    ],
)
def test_what_the_library_says_is_passed_on(text, shapes, refused, here):
    with pytest.raises(tj.TensorjacError) as error:
        tj.parse(text, **shapes)
    assert refused("derive", text, *[f"{name}={shape}" for name, shape in shapes.items()]) == str(error.value)
    assert not Path("evaluated").exists()


def test_a_fault_of_our_own_is_one_line(refused, monkeypatch):
    monkeypatch.setattr("tensorjac.cli.subject.parse", lambda text, **shapes: 1 / 0)
    said = refused("derive", "X", "X=b")
    assert re.fullmatch(
        r"this is a fault of tensorjac itself: test_cli.py:\d+: ZeroDivisionError: division by zero", said
    )


def run(*line, encoding="utf-8"):
    """A process of its own."""
    command = [sys.executable, "-m", "tensorjac", *line]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, env=environment)


def test_exit_statuses_of_a_process():
    right = run("derive", "X @ A", "X=b,m", "A=m,n")
    assert (right.returncode, right.stdout, right.stderr) == (0, MATMUL, "")
    wrong = run("derive", "X @ A", "X=b,m", "A=m,n", "--nope")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "tensorjac: there is no option --nope: tensorjac derive --help lists all.\n"


def test_the_console_script():
    script = Path(sys.executable).with_name("tensorjac")
    if not script.exists():
        pytest.skip("tensorjac is not installed in this environment")
    right = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert (right.returncode, right.stdout) == (0, f"tensorjac {tj.__version__}\n")


def test_a_reader_who_leaves_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "tensorjac", "derive", "X @ A", "X=b,m", "A=m,n"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(("closed", "left"), [(1, "stderr"), (2, "stdout")])
def test_a_closed_stream_gets_nothing(closed, left):
    for line, status in [("derive X X=b", 0), ("derive X", 2)]:
        command = f'exec "{sys.executable}" -m tensorjac {line} {closed}>&-'
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == status
        assert bool(getattr(done, left)) == ((status == 2) == (left == "stderr"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line():
    command = [sys.executable, "-m", "tensorjac", "derive", "X @ A", "X=b,m", "A=m,n"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    assert (done.returncode, done.stderr) == (2, "tensorjac: [Errno 28] No space left on device\n")


def test_an_interrupt_is_quiet(monkeypatch, shell):
    def interrupted(word, shapes):
        raise KeyboardInterrupt

    monkeypatch.setattr("tensorjac.cli.derive.function_of", interrupted)
    assert shell("derive", "X", "X=b") == (130, "", "")


def test_an_encoding_without_our_letters_gets_their_ascii_forms():
    out = run("derive", "X @ A", "X=b,m", "A=m,n", "--jacobian", encoding="ascii").stdout
    first, second = out.splitlines()
    assert first == "dY[ij]/dX[kl] = delta[ik] A[lj]   shape (b, n, b, m)"
    F = tj.parse("X @ A", X="b m", A="m n")
    assert tj.parse(second.partition("   ")[0], **F.inputs) == F.jacobian("A")


@pytest.mark.parametrize(
    ("text", "encoding", "written"),
    [
        ("∂²L[]/∂x[i]∂x[j] = Σ_k δ[ij]", "ascii", "d2L[]/dx[i]dx[j] = sum_k delta[ij]"),
        ("größe ∂", "latin-1", "größe d"),
        ("größe", "ascii", "gr\\xf6\\xdfe"),
        ("∂ δ", "utf-8", "∂ δ"),
        ("∂ δ", None, "∂ δ"),
    ],
)
def test_writable(text, encoding, written):
    assert writable(text, encoding) == written


# Colours


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "colours"),
    [
        (Screen(), {"TERM": "xterm"}, True),
        (Screen(), {"TERM": "dumb"}, False),
        (Screen(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Screen(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_are_for_terminals(stream, environment, colours, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert paint_for(stream)("code", "a\n\nb") == ("\x1b[36ma\x1b[0m\n\n\x1b[36mb\x1b[0m" if colours else "a\n\nb")


def test_colours_change_nothing_else(printed, monkeypatch):
    line = ["derive", "X @ A", "X=b,m", "A=m,n", "--jacobian", "--source"]
    plain = printed(*line), printed(*line[:4])
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = printed(*line), printed(*line[:4])
    assert "\x1b[36mdX = G @ A.T\x1b[0m" in coloured[1]
    assert "\x1b[1mY[ij] = X[ik] A[kj]\x1b[0m" in coloured[1]
    assert tuple(re.sub(r"\x1b\[[\d;]*m", "", text) for text in coloured) == plain


# Nonsense


LINES = [
    ["X @ A", "X=b,m", "A=m,n", "--wrt", "A"],
    ["Y[ij] = X[ik] A[kj]", "X=b,m", "A=m,n", "--jacobian"],
    ["np.exp(x) / np.exp(x).sum()", "x=n", "--source"],
    ["s * np.tanh(X.T @ y) + 1", "s=", "X=b,m", "y=b", "--of", "Y"],
    ["y[i] = x[2*i+1] exp(Σ_k w[k])", "x=2*n", "w=3"],
    ["L[] = log(det(S))", "S=n,n", "--hessian"],
]
PIECES = [*"()[]@=,^-09Xx: \n'", "**", "--", "δ[ij]", "Σ_k", ".T", ".py", "where"]


def mutated(rng):
    """A line with a few characters cut, put in, or exchanged between its words."""
    words = list(rng.choice(LINES))
    for _ in range(rng.randint(1, 3)):
        k = rng.randrange(len(words))
        word = words[k]
        at = rng.randrange(len(word) + 1)
        change = rng.randrange(5)
        if change == 0:
            words[k] = word[:at] + rng.choice(PIECES) + word[at:]
        elif change == 1:
            words[k] = word[:at] + word[at + 1 :]
        elif change == 2:
            words[k] = word[:at] + rng.choice(PIECES) + word[at + 1 :]
        elif change == 3 and len(words) > 1:
            del words[k]
        else:
            words.insert(rng.randrange(len(words) + 1), rng.choice([word, *PIECES, "Q=p", "--latex"]))
    return words


@pytest.mark.parametrize("seed", range(30))
def test_mutated_lines_never_end_in_a_traceback(seed, shell):
    rng = random.Random(seed)
    for _ in range(10):
        status, _, err = shell("derive", *mutated(rng))
        assert status in (0, 2)
        assert (status == 2) == bool(err)
        assert "Traceback" not in err
        assert "fault of tensorjac" not in err
