"""Derivations line by line: right ones, and the same with mistakes planted."""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import tensorjac as tj
from derivations import DERIVATIONS
from tensorjac.check.derivation.text import read_block

# Names, and gradients with which a loss is given.
DEFINES = re.compile(r"\w+(\[\w*\])?|∂L/∂[Yyhp]")


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
STILL_RIGHT = re.compile(r"Iᵀ|Sᵀ|Cᵀ w|det\(Xᵀ\)|T N")


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
        report = tj.check_steps(mistake.text)
        wrong = [finding for finding in report.findings if finding.verdict == "wrong"]
        shown = f"{mistake.kind} on line {mistake.line}:\n{mistake.text}\n{report}"
        assert wrong, shown
        assert wrong[0].argument == f"line {mistake.line}", shown
        assert wrong[0].cause in CAUSES_OF[mistake.kind], shown


CAUSES_OF = {
    "transpose dropped": ("transposed", "shape", "product-order", "step"),
    "transpose added": ("transposed", "shape", "product-order", "step"),
    "sign": ("sign", "term-sign"),
    "sign of a term": ("term-sign", "step"),
    "dropped term": ("missing-term", "step"),
    "factor": ("factor-two", "step"),
    "order": ("product-order", "transposed", "shape", "step"),
}
