"""Derivations: every function of `functions.py` has one, and each paragraph of it ends in what it is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tensorjac as tj
from functions import CASES, Case, named
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


def assert_derivation(F: tj.Function, args: Mapping[str, Any], marked: bool = False) -> int:
    """Read the last line of every paragraph, and compare its values with derivatives; how many there are."""
    text = F.explain()
    assert marked or not MARKER.search(text), text
    first, *paragraphs = text.split("\n\n")
    definitions = [one for one in equations(first) if one.name not in F.outputs]
    known = {**F.inputs, **F._parts.constants}
    results = dict(zip(F.outputs, named(F(**args)).values(), strict=True))
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
        given = {**args, cotangent: rng.normal(size=np.shape(results[of]))}
        G = tj.parse(readable(equation, definitions), **known, **{cotangent: F.outputs[of]})
        assert_close(G(**given), F.jacobian(by, of=of).pullback(cotangent)(**given))
    return len(paragraphs)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_function(case: Case) -> None:
    F = traced(case)
    assert assert_derivation(F, case.inputs()) or not F.inputs


@pytest.mark.parametrize("case", CASES[::5], ids=str)
def test_derivatives_are_explained_as_the_function_is(case: Case) -> None:
    F = traced(case)
    assert F.vjp().explain() == F.explain()
    for name in F.inputs:
        for output in F.outputs:
            text = F.jacobian(name, of=output).explain()
            assert not MARKER.search(text)
            assert "∂L" not in text


@pytest.mark.parametrize(
    ("fun", "shapes"),
    [
        (lambda X: np.sqrt(np.sum(X**2, axis=1) + 0.01) ** 2, {"X": "n k"}),
        (lambda X: np.where(X > 0, X, X**2)[None], {"X": "k m"}),
        (lambda X: np.where(X > 0, X, X**2).reshape(-1), {"X": "k m"}),
        (lambda v: v[[1, 0, 1]] ** 2, {"v": "3"}),
        (lambda E: E[np.array([0, 2, 0])] ** 2, {"E": "n k"}),
        (lambda x: (np.exp(x), np.exp(x) ** 2 + x), {"x": "n"}),
        (lambda G, dG, D0__: G * dG**2 * D0__, {"G": "n", "dG": "n", "D0__": "n"}),
    ],
)
def test_outputs_and_names(fun: Callable[..., Any], shapes: dict[str, str]) -> None:
    rng = np.random.default_rng(0)
    sizes = {"n": 3, "k": 4, "m": 2}
    args = {name: rng.uniform(1, 2, [sizes.get(d, 3) for d in shape.split()]) for name, shape in shapes.items()}
    F = tj.trace(fun, **shapes)
    assert assert_derivation(F, args, marked="D0__" in shapes)


def test_names_of_cotangents_are_free() -> None:
    F = tj.trace(lambda X, A: X @ A, X="n k", A="k m").jacobian("A").pullback("G")
    text = F.explain()
    assert "with G_[ij] = ∂L/∂dA[ij]: contract ∂dA/∂X with G_ over the axes of dA" in text
    assert "  dX[ij] = G[ik] G_[lk] δ[jl]   chain rule\n" in text


def test_names_of_intermediates_are_free() -> None:
    """G is the cotangent, dX the gradient and L the loss."""
    text = tj.trace(lambda X: np.where(X > 0, np.log(X), X**2) * X, X="k m").explain()
    assert not re.search(r"^  (G|L|dX)\[.*definition$", text, re.MULTILINE)


def test_slots_are_taken_apart_between_axes() -> None:
    text = tj.trace(lambda E: E[np.array([0, 2, 0])], E="n k").explain()
    assert "  ∂Y[ij]/∂E[kl] = ∂E[C1[i], j]/∂E[kl]" in text


def test_what_is_put_in() -> None:
    H = tj.trace(lambda x, A: x @ A @ x, x="n", A="n n").hessian("x").explain()
    assert H.count("∂x/∂x is a product of δ") == 2
    assert H.count("put in") == 1
    scaled = tj.trace(lambda s, x: s * x, s="", x="n")
    assert re.search(r"= x\[i\] +∂s/∂s is 1$", scaled.jacobian("s").explain())
