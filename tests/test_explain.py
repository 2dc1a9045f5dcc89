"""Derivations: every function of `functions.py` has one, and each paragraph of it ends in what it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tensorjac as tj
from functions import CASES, Case
from oracles import assert_close

MARKER = re.compile(r"\bD\d+__")


@dataclass
class Equation:
    """One equation of a paragraph, as it stands at its end."""

    left: str
    right: str
    rule: str

    @property
    def name(self) -> str:
        return self.left.partition("[")[0]


def equations(paragraph: str) -> list[Equation]:
    """The equations of a paragraph: of each chain of equals signs the last right side."""
    found: list[Equation] = []
    for line in paragraph.splitlines():
        if line.startswith("  "):
            left, _, rest = line.strip().partition("= ")
            right, _, rule = rest.rpartition("   ")
            if left:
                found.append(Equation(left.strip(), right.strip(), rule))
            else:
                found[-1] = Equation(found[-1].left, right.strip(), rule)
    return found


def own(equation: Equation, number: int) -> tuple[str, str]:
    """The right side and its definitions behind where, the names of which nobody else has."""
    right, _, local = equation.right.partition(" where ")
    for name in re.findall(r"(?:^|, )([^\W\d]\w*)\[[^=()]*\] = ", local):
        renamed = re.compile(rf"(?<!\w){name}(?=[\[)])")
        right, local = (renamed.sub(f"{name}_{number}_", text) for text in (right, local))
    return right, local


def readable(equation: Equation, definitions: list[Equation]) -> str:
    """The equation with all that it needs behind where."""
    right, local = own(equation, 0)
    behind = [local] if local else []
    for number, definition in enumerate(definitions, start=1):
        right_too, local_too = own(definition, number)
        behind += [f"{definition.left} = {right_too}", *([local_too] if local_too else [])]
    return f"{equation.left} = {right}" + (f" where {', '.join(behind)}" if behind else "")


def traced(case: Case) -> tj.Function:
    return tj.trace(case.fun, **case.shapes)


def assert_derivation(F: tj.Function, args: Mapping[str, Any]) -> int:
    """Read the last line of every paragraph, and compare its values with derivatives; how many there are."""
    text = F.explain()
    assert not MARKER.search(text), text
    first, *paragraphs = text.split("\n\n")
    definitions = [one for one in equations(first) if one.name not in F.outputs]
    known = {**F.inputs, **F._parts.constants}
    rng = np.random.default_rng(3)
    for paragraph in paragraphs:
        (equation,) = equations(paragraph)[-1:]
        assert "∂" not in equation.right
        title = paragraph.splitlines()[0]
        if derivative := re.fullmatch(r"∂(\w+)/∂(\w+)", title):
            of, by = derivative.groups()
            J = tj.parse(readable(equation, definitions), **known)
            assert isinstance(J, tj.Jacobian)
            if of in F.outputs:
                expected = F.jacobian(by, of=of)
            else:
                own_definition = next(one for one in definitions if one.name == of)
                others = [one for one in definitions if one is not own_definition]
                expected = tj.parse(readable(own_definition, others), **known).jacobian(by)
            assert_close(J.dense(**args), expected.dense(**args))
            continue
        gradient = re.match(r"(\w+) = ∂L/∂(\w+), for a loss L with (\w+)\[\w*\] = ∂L/∂(\w+)\[", title)
        assert gradient, title
        slope, by, cotangent, of = gradient.groups()
        assert equation.name == slope
        assert title.endswith(f": contract ∂{of}/∂{by} with {cotangent} over the axes of {of}")
        given = {**args, cotangent: rng.normal(size=np.shape(F.jacobian(by, of=of).dense(**args))[: len(F.outputs[of])])}
        G = tj.parse(readable(equation, definitions), **known, **{cotangent: F.outputs[of]})
        assert_close(G(**given), F.jacobian(by, of=of).pullback(cotangent)(**given))
    return len(paragraphs)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_function(case: Case) -> None:
    F = traced(case)
    assert assert_derivation(F, case.inputs()) or not F.inputs
    assert F.vjp().explain() == F.explain()
    for name in F.inputs:
        for output in F.outputs:
            text = F.jacobian(name, of=output).explain()
            assert not MARKER.search(text)
            assert "∂L" not in text
