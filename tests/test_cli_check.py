"""``tensorjac check``: its verdicts, exit statuses and messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tensorjac.cli import main

NOTE = """\
# A note

```derivation
X: b m, A: m n, G: b n
Y = X A
dY = dX A + X dA
∂L/∂Y = G
∂L/∂A = Xᵀ G
```

1. In a list:

   ~~~derivation
   x: n
   f = xᵀ x
   ∂f/∂x = 2 x
   ~~~
"""

LAYER = """\
import numpy as np

def forward(X, A):
    return np.tanh(X @ A)

def backward(X, A, G):
    D = G * (1 - np.tanh(X @ A) ** 2)
    return D @ A.T, X.T @ D

def negative(X, A, G):
    dX, dA = backward(X, A, G)
    return dX, -dA

def through_a_list(X, A):
    return np.array(X.tolist()) @ np.array(A.tolist())

def for_A(X, A, G):
    return backward(X, A, G)[1]

def behind(X, A, G):
    return G @ A.T, X.T @ G
"""

Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs a command in a folder with a note and a layer: its status, and what it printed and complained."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.md").write_text(NOTE, encoding="utf-8")
    (tmp_path / "layer.py").write_text(LAYER, encoding="utf-8")

    def run(*line: str) -> tuple[int, str, str]:
        status = main(["check", *line])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


MATMUL = ("X @ A", "X=b,m", "A=m,n")
LAYERS = ("X=b,m", "A=m,n")


@pytest.mark.parametrize(
    ("line", "status", "found"),
    [
        ((*MATMUL, "--vjp", "A=X.T @ G"), 0, "A  right"),
        ((*MATMUL, "--vjp", "A=Xᵀ G"), 0, "A  right"),
        ((*MATMUL, "--vjp", "∂L/∂A = Xᵀ G", "--vjp", "dX=G @ A.T"), 0, "X  right"),
        ((*MATMUL, "--vjp", "dA[ij] = X[ki] G[kj]"), 0, "A  right"),
        ((*MATMUL, "--vjp", "A=G.T @ X"), 1, "A  wrong (transposed)"),
        ((*MATMUL, "--vjp", "A=Gᵀ X"), 1, "A  wrong (transposed)"),
        ((*MATMUL, "--jacobian", "∂Y[ij]/∂A[kl] = X[ik] δ[jl]"), 0, "A  right"),
        (("x @ x", "x=n", "--grad", "x=2*x"), 0, "x  right"),
        (("x @ x", "x=n", "--grad", "x=x", "--size", "n=4", "--seed", "7"), 1, "x  wrong (factor-two)"),
        (("x @ A @ x", "x=n", "A=n,n", "--hessian", "x,x=A + A.T"), 0, "x, x  right"),
        (("x @ A @ x", "x=n", "A=n,n", "--hessian", "x,x=2*A", "--symmetric", "A"), 0, "x, x  right"),
        (("np.log(x).sum()", "x=n", "--grad", "x=1/x", "--domain", "x=positive"), 0, "x  right"),
        (("layer.py:forward", *LAYERS, "--vjp", "layer.py:backward"), 0, "A  right"),
        (("layer.py:forward", *LAYERS, "--vjp", "layer.py:negative"), 1, "A  wrong (sign)"),
        (("layer.py:through_a_list", *LAYERS, "--opaque", "--vjp", "layer.py:behind"), 0, "A  right"),
        (("layer.py:forward", *LAYERS, "--vjp", "A=layer.py:for_A"), 0, "A  right"),
        (("note.md",), 0, "right: note.md: 6 steps in 2 derivations"),
    ],
)
def test_verdicts(shell: Shell, line: tuple[str, ...], status: int, found: str) -> None:
    ended, out, err = shell(*line)
    assert (ended, err) == (status, "")
    assert found in out.splitlines()


def changed(old: str, new: str) -> None:
    path = Path("note.md")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_note_with_a_wrong_step(shell: Shell) -> None:
    changed("∂L/∂A = Xᵀ G", "∂L/∂A = Gᵀ X")
    changed("2 x", "x")
    status, out, _ = shell("note.md")
    assert status == 1
    out = re.sub(r"side is -?[0-9.]+", "side is 1", out)
    assert out.splitlines() == [
        "wrong: note.md: of 6 steps in 2 derivations 2 do not follow",
        "",
        "note.md:8  wrong (transposed)",
        "             ∂L/∂A = Gᵀ X",
        "                     ^^^^",
        "           the left side is m × n, and the right side is n × m: `Xᵀ G` would follow.",
        "",
        "note.md:16  wrong (factor-two)",
        "              ∂f/∂x = x",
        "                      ^",
        "            the right side is 1/2 times the left one.",
        "            - at random numbers (n=3) the left side is 1 at [1], and the right side is 1",
    ]


def test_an_undecided_step(shell: Shell) -> None:
    changed("∂f/∂x = 2 x", "g = √(−f) = 2 √(−f)")
    status, out, err = shell("note.md")
    assert (status, err) == (3, "")
    assert out.splitlines() == [
        "undecided: note.md: of 7 steps in 2 derivations 1 is not decided",
        "",
        "note.md:16  undecided",
        "            √(−f) = 2 √(−f)   is not decided: no point was found at which both sides are finite.",
    ]


def test_reports_for_machines(shell: Shell) -> None:
    _, out, _ = shell(*MATMUL, "--vjp", "A=G.T @ X", "--json")
    found = json.loads(out)
    assert (found["verdict"], found["findings"][0]["cause"]) == ("wrong", "transposed")
    status, out, _ = shell("note.md", "--json")
    found = json.loads(out)
    assert (status, found["verdict"]) == (0, "right")
    assert [(one["file"], one["line"]) for one in found["derivations"]] == [("note.md", 4), ("note.md", 14)]


def test_colours(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, out, _ = shell("note.md")
    assert out == "\x1b[1;32mright: note.md: 6 steps in 2 derivations\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    _, out, _ = shell("note.md")
    assert out == "right: note.md: 6 steps in 2 derivations\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            MATMUL,
            'check is about one kind of claim, and here is none: write --vjp A="X.T @ G" for gradients, for example.',
        ),
        (
            (*MATMUL, "--vjp", "A=X", "--grad", "A=X"),
            "check is about one kind of claim, and here are --vjp and --grad: "
            'write --vjp A="X.T @ G" for gradients, for example.',
        ),
        (
            (*MATMUL, "--vjp", "X.T @ G"),
            '--vjp says what the claim is about, and "X.T @ G" does not: write --vjp A="…", or --vjp FILE.py:FUNCTION '
            "alone.",
        ),
        (
            (*MATMUL, "--vjp", "A=X", "--vjp", "A=G"),
            "there is one claim about A, and here are two: leave one out.",
        ),
        (
            (*MATMUL, "--vjp", "A=X.T @@ G"),
            'a value is expected here, not "@":\n  dA = X.T @@ G\n            ^\n'
            "write a name, a number or an expression in brackets.",
        ),
        (
            (*MATMUL, "--vjp", "A=Xᵀ ∘∘ G"),
            'a factor is expected here, not "∘":\n  Xᵀ ∘∘ G\n      ^\n'
            'write a name, a number, or an expression in brackets, as in "tr(Gᵀ X dA)".',
        ),
        (
            (*MATMUL, "--vjp", "A=X", "--size", "b"),
            '--size is a name and a number, and "b" is not: write --size b=7, for example.',
        ),
        (
            (*MATMUL, "--vjp", "A=X", "--seed", "x"),
            '--seed is a whole number, and "x" is not: write --seed 1, for example.',
        ),
        (
            (*MATMUL, "--vjp", "A=X", "--domain", "positive"),
            '--domain is a name and a domain, and "positive" is not: write --domain x=positive.',
        ),
        (
            (*MATMUL, "--opaque", "--vjp", "A=X"),
            "--opaque is about a function that is run: name one, such as layers.py:forward.",
        ),
        (
            ("layer.py:through_a_list", *LAYERS, "--vjp", "layer.py:behind"),
            ".tolist() asks for the value of X of shape (b, m), which is not known while tracing "
            "(line 15 of layer.py):\n"
            "  return np.array(X.tolist()) @ np.array(A.tolist())\n"
            "                  ^^^^^^^^^^\n"
            "calculate with the array as a whole.\n"
            "Or check it as a black box, which is not derived: --opaque.",
        ),
        (("no.md",), "there is no file no.md: there are note.md."),
        (("no/such.md",), "there is no file no/such.md: check the name."),
        (
            ("empty.md",),
            "there is no derivation in empty.md: one stands in a fenced block that begins ```derivation.",
        ),
        (("latin.md",), "latin.md is no text in UTF-8: save it as such."),
        (("open.md",), "open.md: line 2: this fenced block has no end: write ``` below it."),
        (
            ("typo.md",),
            "typo.md:3: a factor is expected here, not the end of the text:\n  2 +\n     ^\n"
            'write a name, a number, or an expression in brackets, as in "tr(Gᵀ X dA)".',
        ),
        (
            ("prose.md",),
            "prose.md:3: a line of a derivation has an =, or gives shapes:\n"
            "  the sum of squares\n  ^^^^^^^^^^^^^^^^^^\n"
            'write "X: b m" for a shape, "= …" to go on with a chain, and "#" before a remark.',
        ),
    ],
)
def test_usage_errors(shell: Shell, line: tuple[str, ...], message: str) -> None:
    Path("empty.md").write_text("nothing\n")
    Path("latin.md").write_bytes("größe\n".encode("latin-1"))
    Path("open.md").write_text("\n```derivation\nx: n\n")
    Path("typo.md").write_text("```derivation\nx: n\nf = 2 +\n```\n")
    Path("prose.md").write_text("```derivation\nx: n\nthe sum of squares\n```\n")
    if line == ("no.md",):
        for name in ("empty.md", "latin.md", "open.md", "typo.md", "prose.md"):
            Path(name).unlink()
    status, out, err = shell(*line)
    assert (status, out, err) == (2, "", f"tensorjac: {message}\n")
