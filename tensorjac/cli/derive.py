"""``tensorjac derive``: the derivatives of an expression or a function, as formulas and as NumPy source."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import combinations_with_replacement

from ..calls import Shape
from ..function import Function
from .arguments import Arguments, Command, Option, UsageError, listed, one_word
from .subject import function_of
from .terminal import Paint

# What generated source takes from elsewhere, and how it is imported.
_IMPORTS = {
    r"\bmath\.": "import math",
    r"\bnp\.": "import numpy as np",
    r"\berf\(": "from scipy.special import erf",
    r"\bxlogy\(": "from scipy.special import xlogy",
}


@dataclass(frozen=True)
class Derivation:
    """A function, and the inputs by which it is differentiated."""

    function: Function
    wrt: tuple[str, ...]
    paint: Paint

    @property
    def outputs(self) -> dict[str, Shape]:
        return self.function.outputs

    @property
    def scalar(self) -> bool:
        """Whether there is a gradient without a cotangent."""
        return list(self.outputs.values()) == [()]

    def gradient(self, *wrt: str) -> Function:
        """The gradient of a scalar, or else the product of a cotangent with the Jacobian."""
        return self.function.grad(*wrt) if self.scalar else self.function.vjp(*wrt)

    def annotated(self, formula: str, shape: Shape) -> str:
        """A formula, and behind it the shape of what it defines."""
        gap = "\n" if "\n" in formula else "   "
        return formula + gap + self.paint("note", f"shape {spelled(shape)}")

    # What the flags select: sections, which are separated by blank lines

    def overview(self) -> list[str]:
        """The function, then per input the Jacobian, and the gradient in index notation and as NumPy."""
        head = [self.paint("title", str(self.function)), self.paint("note", self._legend())]
        sections = ["\n".join(head)]
        for name in self.wrt:
            gradient = self.gradient(name)
            sections.append(
                "\n".join([*self._jacobians(name), str(gradient), self.paint("code", assignments(gradient))])
            )
        return sections

    def _legend(self) -> str:
        """What G and dX stand for, and which arrays were captured."""
        gradient = self.gradient(*self.wrt)
        taken = {*gradient.inputs, *gradient.outputs, *self.outputs}
        loss = next(iter(self.outputs)) if self.scalar else "loss" if "L" in taken else "L"
        cotangents = [name for name in gradient.inputs if name not in self.function.inputs]
        meanings = [f"{g} = ∂{loss}/∂{y}" for g, y in zip(cotangents, self.outputs, strict=False)]
        meanings += [f"{d} = ∂{loss}/∂{x}" for d, x in zip(gradient.outputs, self.wrt, strict=True)]
        captured = [
            f"{name} is an array of shape {spelled(array.shape)}" for name, array in self.function.constants.items()
        ]
        return ", ".join([*meanings, *captured])

    def _jacobians(self, name: str) -> list[str]:
        found = [self.function.jacobian(name, of=output) for output in self.outputs]
        return [self.annotated(str(jacobian), jacobian.shape) for jacobian in found]

    def jacobian(self) -> list[str]:
        return ["\n".join(line for name in self.wrt for line in self._jacobians(name))]

    def hessian(self) -> list[str]:
        """All second derivatives, the mixed ones once."""
        for output, shape in self.outputs.items():
            if shape:
                pick = ", or choose a scalar one with --of" if () in self.outputs.values() else ""
                raise UsageError(
                    f"--hessian needs a scalar output, and {output} has shape {spelled(shape)}: "
                    f"sum it to a scalar, with np.sum for example{pick}."
                )
        lines = []
        for output in self.outputs:
            for first, second in combinations_with_replacement(self.wrt, 2):
                found = self.function.hessian(first, second, of=output)
                lines.append(self.annotated(str(found), found.shape))
        return ["\n".join(lines)]

    def source(self) -> list[str]:
        """The function and its gradient as Python functions, with what they import."""
        functions = [self.function.source().rstrip(), self.gradient(*self.wrt).source().rstrip()]
        code = "\n\n\n".join(functions)
        imports = [line for pattern, line in _IMPORTS.items() if re.search(pattern, code)]
        head = "\n".join(imports).replace("import math\n", "import math\n\n") + "\n\n\n" if imports else ""
        return [self.paint("code", head + code)]

    def latex(self) -> list[str]:
        lines = [self.function.latex()]
        for name in self.wrt:
            lines += [self.function.jacobian(name, of=output).latex() for output in self.outputs]
            lines.append(self.gradient(name).latex())
        return ["\n".join(lines)]

    def einsum(self) -> list[str]:
        lines = einsums(self.function)
        for name in self.wrt:
            lines += einsums(self.gradient(name))
        return [self.paint("code", "\n".join(lines))]

    def steps(self) -> list[str]:
        return [self.gradient(*self.wrt).explain()]


def assignments(function: Function) -> str:
    """The source of a function with one output as statements: ``dA = X.T @ G``."""
    (output,) = function.outputs
    body = textwrap.dedent(function.source().rstrip().partition("\n")[2])
    return re.sub(r"^return ", f"{output} = ", body, flags=re.MULTILINE)


def einsums(function: Function) -> list[str]:
    """One line per output: ``dA = einsum("ki,kj->ij", X, G)``, terms added up."""
    lines = []
    for output, terms in function.einsum().items():
        calls = [f'einsum("{term.equation}", {", ".join(term.operands)})' for term in terms]
        lines.append(f"{output} = {' + '.join(calls) or '0'}")
    return lines


def spelled(shape: Shape) -> str:
    """(b, n), (n,), ()"""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def only(function: Function, names: Sequence[str]) -> Function:
    """The function with these of its outputs."""
    parts = function._parts
    outputs = {name: parts.outputs[name] for name in names}
    return Function(replace(parts, outputs=outputs, nesting="single" if len(outputs) == 1 else "tuple"))


def chosen(arguments: Arguments, option: str, names: Sequence[str], what: str) -> tuple[str, ...]:
    """The names that an option picks out; all, where it is not given."""
    picked = tuple(dict.fromkeys(arguments.options.get(option, names)))
    for name in picked:
        if name not in names:
            near = [one for one in names if one.lower() == name.lower()] or get_close_matches(name, names, 1)
            advice = f"did you mean {option} {near[0]}?" if near else f"choose from {listed(names)}."
            if "," in name:
                advice = f"write {option} once for each."
            raise UsageError(f"there is no {what} {name}: {advice}")
    return picked


def derive(arguments: Arguments, paint: Paint) -> str:
    """What ``tensorjac derive`` prints."""
    function = function_of(one_word(arguments, "derive"), arguments.shapes)
    if not function.inputs:
        raise UsageError("there is nothing to differentiate by: name an input and its shape, such as X=b,m.")
    outputs = chosen(arguments, "--of", list(function.outputs), "output")
    if outputs != tuple(function.outputs):
        function = only(function, outputs)
    derivation = Derivation(function, chosen(arguments, "--wrt", list(function.inputs), "input"), paint)
    views = [view for flag, view in VIEWS.items() if flag in arguments.options] or [Derivation.overview]
    return "\n\n".join(section for view in views for section in view(derivation))


VIEWS: dict[str, Callable[[Derivation], list[str]]] = {
    "--jacobian": Derivation.jacobian,
    "--hessian": Derivation.hessian,
    "--source": Derivation.source,
    "--latex": Derivation.latex,
    "--einsum": Derivation.einsum,
    "--steps": Derivation.steps,
}

DERIVE = Command(
    "derive",
    "EXPRESSION|FILE.py:FUNCTION|MODULE:FUNCTION NAME=SIZES…",
    "Jacobians and gradients of an expression or a function, in index notation and as NumPy",
    "SIZES are those of an input's axes, names or numbers: X=b,m. A scalar has none: s=.\n"
    "Without options: per input the Jacobian with its shape, and the gradient as a formula and as NumPy.",
    (
        Option("--wrt", "INPUT", "differentiate by this input only; may be repeated"),
        Option("--of", "OUTPUT", "differentiate this output only"),
        Option("--jacobian", "", "the Jacobians"),
        Option("--hessian", "", "second derivatives of a scalar"),
        Option("--source", "", "the function and its gradients as NumPy source"),
        Option("--latex", "", "all formulas in LaTeX"),
        Option("--einsum", "", "the function and its gradients as einsum equations"),
        Option("--steps", "", "each gradient step by step, with the identity used"),
    ),
    (
        'tensorjac derive "X @ A" X=b,m A=m,n',
        'tensorjac derive "y[i] = s A[ij] x[j]" s= A=m,n x=n --wrt x --latex',
        "tensorjac derive layers.py:attention Q=s,d K=t,d V=t,e --source",
    ),
    derive,
)
