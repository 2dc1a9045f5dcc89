"""Derivations line by line: right ones, and the same with mistakes planted."""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorjac as tj
from derivations import DERIVATIONS
from refused import refused
from tensorjac.check.derivation.text import read_block

# Names, and gradients with which a loss is given.
DEFINES = re.compile(r"\w+(\[\w*\]|\(\w\))?|∂L/∂[Yyhp]")


@dataclass(frozen=True)
class Planted:
    """A derivation with one side changed: the kind of mistake, the line that it is on, as it is now, and the text."""

    kind: str
    line: int
    changed: str
    text: str


def planted(text: str) -> Iterator[Planted]:
    """The derivation with one mistake each, on the right sides that end a statement."""
    lines = text.split("\n")
    block = read_block(text)
    for statement in block.statements:
        side = statement.sides[-1]
        if not statement.continues and len(statement.sides) == 2 and DEFINES.fullmatch(statement.sides[0].text):
            continue  # what is written is what is meant
        for kind, changed in mistakes(side.text):
            line = lines[side.line - 1]
            new = line[: side.column] + changed + line[side.column + len(side.text) :]
            yield Planted(kind, side.line, new, "\n".join([*lines[: side.line - 1], new, *lines[side.line :]]))


def mistakes(side: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer("(?<!⁻)ᵀ", side):
        yield "transpose dropped", side[: match.start()] + side[match.end() :]
    for match in re.finditer(r"(?<![\w∂./])[A-Z](?![\w(ᵀ⁻²³_\[.])", side):
        yield "transpose added", f"{side[: match.end()]}ᵀ{side[match.end() :]}"
    if not side.startswith(("−", "-", "0")):
        yield "sign", f"−({side})"
    for match in re.finditer(r" [+−-] ", side):
        sign = " − " if "+" in match[0] else " + "
        yield "sign of a term", side[: match.start()] + sign + side[match.end() :]
        before, after = side[: match.start()], side[match.end() :]
        if before.count("(") == before.count(")"):
            yield "dropped term", before
            yield "dropped term", after
    if not side.startswith("0"):
        yield "factor", f"2 ({side})" if "@" not in side else f"2 * ({side})"
    for match in re.finditer(r"(?<![\w∂ᵀ])([A-Z]ᵀ?) (d?[A-Z]ᵀ?)(?![\w(⁻²])", side):
        yield "order", f"{side[: match.start()]}{match[2]} {match[1]}{side[match.end() :]}"


@pytest.mark.parametrize("name", DERIVATIONS)
def test_a_right_derivation_is_right(name: str) -> None:
    report = tj.check_steps(textwrap.dedent(DERIVATIONS[name]))
    assert report, str(report)


# What these say is still right: traces and determinants of transposes, symmetric matrices, I.
STILL_RIGHT = re.compile(r"Iᵀ|Sᵀ|Rᵀ|Pᵀ|Cᵀ w|det\(Xᵀ\)|T N|A \+ A\)|Aᵀ \+ Aᵀ|Aᵀ X\)|Tᵀ")


def sample(text: str) -> list[Planted]:
    """A few of the mistakes, of as many kinds as there are."""
    found = [
        mistake for mistake in planted(text) if not STILL_RIGHT.search(mistake.text.splitlines()[mistake.line - 1])
    ]
    kinds = dict.fromkeys(mistake.kind for mistake in found)
    return [random.choice([one for one in found if one.kind == kind]) for kind in kinds]


@pytest.mark.parametrize("name", DERIVATIONS)
def test_a_planted_mistake_is_found_on_its_line(name: str) -> None:
    for mistake in sample(textwrap.dedent(DERIVATIONS[name])):
        try:
            report = tj.check_steps(mistake.text)
        except tj.NotationError:
            continue  # no longer a formula
        wrong = [finding for finding in report.findings if finding.verdict == "wrong"]
        shown = f"{mistake.kind} on line {mistake.line}:\n{mistake.text}\n{report}"
        assert wrong, shown
        assert wrong[0].argument == f"line {mistake.line}", shown
        assert wrong[0].cause in CAUSES_OF[mistake.kind], shown


CAUSES_OF = {
    "transpose dropped": ("transposed", "shape", "product-order", "step"),
    "transpose added": ("transposed", "shape", "product-order", "step"),
    "sign": ("sign", "term-sign", "step"),
    "sign of a term": ("term-sign", "missing-term", "step"),
    "dropped term": ("missing-term", "shape", "step"),
    "factor": ("factor-two", "step"),
    "order": ("product-order", "transposed", "shape", "step"),
}


# What is refused, and what a text may never do

HEADER = "X: b m, A: m n, G: b n, S: n n, x: n, y: n, s: scalar, T3: b m n"


@pytest.mark.parametrize(("text", "said"), [row[1:] for row in refused("slips.txt")])
def test_what_is_said_of_a_slip(text: str, said: str) -> None:
    try:
        report = tj.check_steps(f"{HEADER}\n{text}")
    except tj.TensorjacError as error:
        assert f"{type(error).__name__}: {error}" == said
    else:
        finding = next(finding for finding in report.findings if finding.verdict != "right")
        assert f"{finding.verdict}: {finding.message}" == said


SIGNS = "XAGYwxydL()[]ᵀ⁻¹²∘⊗·+-−=/Σ_ij^{}'|‖∂δ∇√½12n .,;:#@*⟨⟩\n"
WORDS = ("tr(", "det ", "log ", "∂L/∂", "dX", " = ", "𝟏", "inv(")


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = textwrap.dedent(draw(st.sampled_from(list(DERIVATIONS.values())))).strip()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 3))
        text = text[:at] + draw(st.sampled_from(["", *SIGNS, *WORDS])) + text[at + cut :]
    return text


@given(mutated())
def test_any_text_is_refused_or_reported(text: str) -> None:
    try:
        report = tj.check_steps(text)
    except tj.TensorjacError as error:
        assert str(error)
    else:
        assert report.verdict in ("right", "wrong", "undecided")
        assert str(report)


def test_a_long_chain_is_checked_in_time() -> None:
    lines = [
        "X: n n",
        "Y0 = X",
        *(f"Y{k} = tanh(Y{k - 1} X)" for k in range(1, 40)),
        "f = sum(Y39)",
        "df = ⟨𝟏𝟏ᵀ, dY39⟩",
    ]
    assert tj.check_steps("\n".join([*lines, "dX = dX"]))


def test_options() -> None:
    text = "f = xᵀ S x; ∂f/∂x = 2 S x"
    assert not tj.check_steps(text, S="n n", x="n")
    assert tj.check_steps(text, S="n n", x="n", symmetric=("S",))
    assert tj.check_steps("g = √(−s) = √(−s)·1·1 + 0", s="", at={"s": -4.0}, sizes={}, seed=3)
    assert tj.check_steps("g = √(s²) = s", s="", domain={"s": "positive"})
    assert tj.check_steps("g = √(s²) = s", s="").verdict == "wrong"
    assert tj.check_steps("s: positive; g = √(s²) = s".replace(";", "\n"))


def test_what_is_taken_for_granted_is_said() -> None:
    text = "Y = X A; dX = G Aᵀ; dA = Xᵀ G"
    assert tj.check_steps(text, X="b m", A="m n", G="b n").notes == ("dX stands for ∂L/∂X, and G for ∂L/∂Y.",)
    assert tj.check_steps("L = xᵀ x; dx = 2 x", x="n").notes == ("dX stands for ∂L/∂X.",)
    held = tj.check_steps("Y = X A; dY = X dA", X="b m", A="m n")
    assert held and held.notes == ("X is held fixed: no differential of it is written.",)
    assert not tj.check_steps("Y = X A; dY = X dA; dX = dX", X="b m", A="m n")


STATIONARY = """
X: n d, w: d, y: n
L = ‖X w − y‖²
∂L/∂w = 2 Xᵀ(X w − y) = 0
XᵀX w = Xᵀy
w = (XᵀX)⁻¹ Xᵀy
"""


def test_a_condition_is_no_mistake() -> None:
    """Where a gradient is set to 0, that is no claim that it vanishes; what follows from it is left open."""
    report = tj.check_steps(STATIONARY)
    assert [finding.verdict for finding in report.findings] == ["right", "right", *["undecided"] * 3]
    assert [finding.message for finding in report.findings[2:]] == [
        "2 Xᵀ(X w − y) = 0   does not hold everywhere: it is taken as a condition.",
        "XᵀX w = Xᵀy   is not decided: it may follow from the condition on line 4, which is not used.",
        "w = (XᵀX)⁻¹ Xᵀy   is not decided: it may follow from the condition on line 4, which is not used.",
    ]
    assert tj.check_steps("X: n d, w: d, y: n\n0 = 2 Xᵀ(X w − y)").verdict == "undecided"


@pytest.mark.parametrize("line", ["∂²L/∂w² = XᵀX", "dL = 2 (X w − y)ᵀ dw", "X dw = 0"])
def test_a_condition_does_not_excuse_a_wrong_derivative(line: str) -> None:
    assert tj.check_steps(f"{STATIONARY}{line}").verdict == "wrong"


EXPLAINED = {
    "linear": (lambda X, A: X @ A, {"X": "b m", "A": "m n"}),
    "quadratic form": (lambda x, A: x @ A @ x, {"x": "n", "A": "n n"}),
    "tanh": (lambda X, A: np.tanh(X @ A), {"X": "b m", "A": "m n"}),
    "Gram matrix": (lambda X: X.T @ X, {"X": "b m"}),
    "inverse": (lambda X: np.linalg.inv(X), {"X": "n n"}),
    "softmax": (lambda X: np.exp(X) / np.exp(X).sum(1, keepdims=True), {"X": "b n"}),
    "mean squared error": (lambda X, w, y: ((X @ w - y) ** 2).mean(), {"X": "n d", "w": "d", "y": "n"}),
    "layer norm": (lambda x: (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).mean()), {"x": "n"}),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_what_is_explained_follows_line_by_line(name: str) -> None:
    fun, shapes = EXPLAINED[name]
    function = tj.trace(fun, **shapes)
    lines = [re.sub(r"\s{3,}[^=]*$", "", line) for line in function.explain().splitlines() if line.startswith("  ")]
    (shape,) = function.outputs.values()
    report = tj.check_steps("\n".join(lines), **shapes, **({"G": shape} if shape else {}))
    assert report, str(report)


@pytest.mark.parametrize(
    ("lines", "verdict", "note"),
    [
        ("∂L/∂A = Xᵀ G; ∂L/∂X = G Aᵀ", "right", "G is taken for ∂L/∂Y."),
        ("∂L/∂A = 2 Xᵀ G", "wrong", "G is taken for ∂L/∂Y."),
        ("∂L/∂A[kl] = Σ_i X[ik] G[il] = (Xᵀ G)_kl", "right", "G is taken for ∂L/∂Y."),
        ("∂L/∂A = Xᵀ ∂L/∂Y", "right", None),
        ("∂L/∂Y_ij = G_ij; ∂L/∂A_kl = Σ_ij G_ij ∂Y_ij/∂A_kl = Σ_ij G_ij X_ik δ_jl", "right", None),
        ("∂L/∂A = 3 Xᵀ X A", "right", "∂L/∂A is taken as given: nothing else is known about L."),
        ("dA = Xᵀ G", "right", "dX stands for ∂L/∂X, and G for ∂L/∂Y."),
        ("∂L/∂Y = dY; ∂L/∂A = Xᵀ dY; dX = dY Aᵀ", "right", None),
        ("dA = G Xᵀ", "wrong", None),
    ],
)
def test_a_loss_that_is_not_defined(lines: str, verdict: str, note: str | None) -> None:
    report = tj.check_steps(f"Y = X A; {lines}", X="b m", A="m n", G="b n")
    assert (report.verdict, report.notes) == (verdict, () if note is None else (note,)), str(report)
