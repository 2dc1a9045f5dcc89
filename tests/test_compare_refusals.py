"""What compare and bench say where they cannot go on: whole messages, and the command line as far as it goes."""

import json
import sys

import numpy as np
import pytest

import tensorjac as tj
from tensorjac.cli import main
from tensorjac.compare.problem import Problem, Routine
from tensorjac.compare.registry import STRATEGIES
from tensorjac.compare.saved import load
from tensorjac.compare.strategies import mixed

LINEAR = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
SIZES = {"b": 2, "m": 3, "n": 5}
CHAIN = {f"A{k}": "n n" for k in range(11)}
# an elementwise function whose Jacobian has two indices for each of these axes
AXES = {f"n{k}": 1 for k in range(27)}


def refusal(family, action):
    """The whole message of an error of this family."""
    with pytest.raises(family) as caught:
        action()
    return str(caught.value)


def make(strategy, function, wrt, **sizes):
    return STRATEGIES[strategy].make(Problem.of(function, wrt, sizes))


NOT_MADE = [
    (
        "optimal",
        tj.parse(" @ ".join(CHAIN), **CHAIN),
        "A3",
        {"n": 4},
        "optimal searches all orders, which takes too long for 11 operands: it is used up to 9.",
    ),
    (
        "dense_identity",
        tj.trace(lambda x, y: x * y, x=" ".join(AXES), y=" ".join(AXES)),
        "x",
        AXES,
        "np.einsum knows 52 letters, and the product has 54 indices: join it in pairs.",
    ),
    (
        "dense_identity",
        tj.trace(np.sign, x="n"),
        "x",
        {"n": 2},
        "the derivative vanishes, and no identity is left to build it from: see dense_writes.",
    ),
    (
        "brackets",
        tj.trace(lambda X, A: np.tanh(X @ A), X="b m", A="m n"),
        "A",
        SIZES,
        "dynamic programming over brackets needs a chain of matrices, and this is none.",
    ),
]


@pytest.mark.parametrize(("strategy", "function", "wrt", "sizes", "message"), NOT_MADE)
def test_a_strategy_that_does_not_apply_says_why(strategy, function, wrt, sizes, message):
    assert refusal(tj.UnsupportedError, lambda: make(strategy, function, wrt, **sizes)) == message
    small = max(sizes.values()) < 10
    if small and len(sizes) < 10:
        table = tj.compare(function, wrt, sizes=sizes, strategies=[strategy], seconds=0)
        assert (table.rows, table.skipped) == ([], {strategy: message})


def test_no_order_is_the_best_of_none(monkeypatch):
    monkeypatch.setattr(mixed, "ORDERS", ("optimal",))
    message = refusal(tj.UnsupportedError, lambda: make("mixed", tj.parse(" @ ".join(CHAIN), **CHAIN), "A3", n=4))
    assert message == "no order of this contraction can be counted, and so none is known to be the best."


@pytest.mark.parametrize(
    ("strategy", "library", "needed"),
    [
        # 1000·1000 rows of 1000 entries, 48 bytes each; the dense Jacobian; and what it is pulled back from, besides
        ("sparse", "scipy", "44.7 GiB"),
        ("jax_jacrev", "jax", "7.28 TiB"),
        ("torch_jacrev", "torch", "21.8 TiB"),
    ],
)
def test_what_other_libraries_would_need(strategy, library, needed):
    pytest.importorskip(library)
    sizes = {"b": 1000, "m": 1000, "n": 1000}
    (row,) = tj.compare(LINEAR, "A", sizes=sizes, strategies=[strategy], memory_limit="1GB").rows
    assert row["note"] == f"needs {needed} of memory, and the limit is 954 MiB"


@pytest.mark.parametrize("strategy", ["torch_grad", "torch_vjp", "torch_jacrev"])
def test_torch_differentiates_what_does_not_depend_on_the_input(strategy):
    pytest.importorskip("torch")
    table = tj.compare(tj.trace(np.sign, x="n"), "x", sizes={"n": 3}, strategies=["compiled", strategy], seconds=0)
    assert [row["note"] for row in table.rows] == ["", ""]


@pytest.mark.parametrize(
    ("library", "strategy", "message"),
    [
        ("jax", "jax_vjp", "JAX is not installed: pip install 'tensorjac[jax]'."),
        ("torch", "torch_grad", "PyTorch is not installed: pip install 'tensorjac[torch]'."),
        ("cotengra", "cotengra", "cotengra is not installed: pip install cotengra."),
    ],
)
def test_a_library_that_is_not_installed(library, strategy, message, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    assert refusal(tj.UnsupportedError, lambda: make(strategy, LINEAR, "A", **SIZES)) == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("np.sort(x)", "np.sort is not counted: the columns that need counts stay empty."),
        ("x.cumsum()", "cumsum of an array is not counted: the columns that need counts stay empty."),
        pytest.param(
            *("np.vecmat(x, x)", "np.vecmat is not counted: the columns that need counts stay empty."),
            marks=pytest.mark.skipif(not hasattr(np, "vecmat"), reason="this NumPy has no np.vecmat"),
        ),
        ("np.add.accumulate(x)", "np.add.accumulate is not counted: the columns that need counts stay empty."),
        ("np.add.reduceat(x, [0])", "np.add.reduceat is not counted: the columns that need counts stay empty."),
    ],
)
def test_what_is_not_counted(body, message):
    routine = Routine(f"def f(x):\n    return {body}\n")
    assert refusal(tj.UnsupportedError, lambda: routine.cost([(3, 3)])) == message


def test_there_is_no_such_strategy():
    message = refusal(tj.UnsupportedError, lambda: tj.compare(LINEAR, "A", sizes=SIZES, strategies=["fast"]))
    assert message == (
        "there is no strategy fast: choose from dense_identity, dense_writes, identity_greedy, identity_dp, "
        "identity_optimal, forward, reverse, greedy, dp, optimal, brackets, mixed, compiled, einsum, sparse, cotengra, "
        "jax_vjp, jax_jacrev, torch_grad, torch_vjp and torch_jacrev."
    )


def test_a_derivative_that_is_nowhere_finite():
    nowhere = tj.trace(lambda x: np.sqrt(x - 100), x="n")
    message = refusal(tj.UnsupportedError, lambda: tj.compare(nowhere, "x", sizes={"n": 3}, strategies=["reverse"]))
    assert message == (
        "the derivative is not finite at random inputs, be they of both signs, positive or positive definite: "
        "pass arrays at which it is, at={...}."
    )


def test_nothing_to_draw(tmp_path):
    table = tj.compare(LINEAR, "A", sizes=SIZES, strategies=["reverse"], memory_limit="8B")
    message = refusal(tj.UnsupportedError, lambda: table.plot(tmp_path / "cost.png"))
    assert message == "no row of the table was measured, and so there is nothing to draw."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "other.json is no JSON: Expecting value: line 1 column 1 (char 0)."),
        ("{}", "other.json holds no table of this form: write one with tensorjac bench … --json other.json."),
    ],
)
def test_a_file_that_holds_no_table(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.json").write_text(text)
    assert refusal(tj.NotationError, lambda: load("other.json")) == message


@pytest.mark.parametrize(
    ("name", "reason"), [("missing.json", "no such file or directory"), ("folder", "is a directory")]
)
def test_a_table_that_cannot_be_read(name, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    assert refusal(tj.NotationError, lambda: load(name)) == (
        f"a table is read from a file, and {name} is none to read ({reason}): "
        f"write one with tensorjac bench … --json {name}."
    )


def test_a_picture_of_another_format(tmp_path):
    table = tj.compare(LINEAR, "A", sizes=SIZES, strategies=["reverse"], seconds=0)
    message = refusal(tj.UnsupportedError, lambda: table.plot("cost.xyz"))
    assert message == (
        "pictures are written as PNG, SVG or PDF, by the end of their names, and cost.xyz is called otherwise: "
        "write cost.svg."
    )


# The command

PRODUCT = ["bench", "X @ A", "X=b,m", "A=m,n"]
TINY = [*PRODUCT, "--wrt", "A", "--size", "b=2", "--size", "m=3", "--size", "n=5", "--strategy", "reverse"]


def test_bench_prints_a_table_and_writes_it(tmp_path, capsys):
    saved = tmp_path / "table.json"
    assert main([*TINY, "--json", str(saved)]) == 0
    printed, said = capsys.readouterr()
    (row,) = json.loads(saved.read_text())["rows"]
    assert (row["strategy"], row["sizes"], row["flops"]) == ("reverse", SIZES, 2 * 2 * 3 * 5)
    assert "reverse" in printed
    assert said == ""
    assert main([*TINY, "--markdown", "--compare", str(saved)]) == 0
    printed, said = capsys.readouterr()
    assert printed.count("| reverse | 60 |") == 1
    assert "now ÷ before" in printed.splitlines()[-2]
    assert said == ""


def test_bench_keeps_to_a_memory_limit(tmp_path, capsys):
    saved = tmp_path / "table.json"
    sizes = ["--size", "b=64", "--size", "m=24", "--size", "n=32"]
    words = ["--wrt", "A", *sizes, "--strategy", "dense_writes", "--memory-limit", "1MB", "--json", str(saved)]
    assert main([*PRODUCT, *words]) == 0
    (row,) = json.loads(saved.read_text())["rows"]
    assert row["slices"] > 1
    assert row["peak"] < 1e6
    assert capsys.readouterr().err == ""


def test_bench_draws(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert main([*TINY, "--plot", str(tmp_path / "cost.svg")]) == 0
    assert (tmp_path / "cost.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "b=2"], "bench is about one of X and A: say which, --wrt X for example."),
        (["--wrt", "A", "--size", "b"],
         "--size b names no size: write --size b=64, or --size b=64,128 for a sweep."),
        (["--wrt", "A", "--size", "b=2", "--size", "m=x"],
         "--size m=x names no size: write --size b=64, or --size b=64,128 for a sweep."),
        (["--wrt", "A", "--size", "b=2"], "m and n have no number: add --size m=64 --size n=64."),
        (["--wrt", "A", "--plot", "o.xyz"],
         "pictures are written as PNG, SVG or PDF, by the end of their names, and o.xyz is called otherwise: "
         "write o.svg."),
        (["--wrt", "A", "--plot", "nowhere/o.svg"],
         "--plot nowhere/o.svg is in a folder that does not exist: make nowhere first."),
        (["--wrt", "A", "--json", "nowhere/o.json"],
         "--json nowhere/o.json is in a folder that does not exist: make nowhere first."),
        (["--wrt", "A", "--compare", "missing.json"],
         "a table is read from a file, and missing.json is none to read (no such file or directory): "
         "write one with tensorjac bench … --json missing.json."),
    ],
)  # fmt: skip
def test_bench_refuses(words, message, capsys):
    assert main([*PRODUCT, *words]) == 2
    assert capsys.readouterr() == ("", f"tensorjac: {message}\n")
