"""LaTeX of functions and derivatives: matrix notation where there is one, else index notation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..dims import Dim
from ..matrix import matrix_forms
from ..notation.printing import Formula
from ..terms import Index, Sum, Tensor
from . import indices, matrices
from .symbols import Sides

Expression = tuple[Sequence[Index], Sum]

# So many characters, commands counted as one, still make one line.
LONG = 90


def latex(outputs: Mapping[str, Expression], inputs: Mapping[str, Sequence[Dim]], names: Mapping[Tensor, str]) -> str:
    r"""The equations of outputs; ``names`` are those of the constants.

    >>> from tensorjac.terms import Input, product
    >>> b, m, n = map(Dim.of, "bmn")
    >>> i, j, k = map(Index.fresh, (b, n, m))
    >>> Y = Sum([product(1, [Input("X", (b, m))(i, k), Input("A", (m, n))(k, j)], (k,))])
    >>> print(latex({"Y": ((i, j), Y)}, {"X": (b, m), "A": (m, n)}, {}))
    Y = X A
    """
    forms = matrix_forms(outputs, inputs, names)
    if forms is None:
        formulas = [Formula(((name, tuple(axes)),), body) for name, (axes, body) in outputs.items()]
        return _laid_out(*indices.equations(formulas, inputs, names))
    taken = {*inputs, *names.values(), *outputs, *forms.definitions}
    shown = [matrices.sides(name, node, taken) for name, node in forms.outputs.items()]
    return _laid_out(shown, [matrices.sides(name, node, taken) for name, node in forms.definitions.items()])


def latex_derivative(
    of: tuple[str, Sequence[Index]],
    wrt: Sequence[tuple[str, Sequence[Index]]],
    body: Sum,
    inputs: Mapping[str, Sequence[Dim]],
    names: Mapping[Tensor, str],
) -> str:
    r"""The equation of a Jacobian, or of a Hessian where ``wrt`` has two entries.

    >>> from tensorjac.terms import Input, delta, product
    >>> m, n = map(Dim.of, "mn")
    >>> i, j, k = map(Index.fresh, (m, m, n))
    >>> J = Sum([product(1, [delta(i, j), Input("x", (n,))(k)])])
    >>> print(latex_derivative(("Y", (i,)), [("A", (j, k))], J, {"A": (m, n), "x": (n,)}, {}))
    \frac{\partial Y_{i}}{\partial A_{jk}} = \delta_{ij} x_{k}
    """
    formula = Formula(tuple((name, tuple(axes)) for name, axes in (of, *wrt)), body)
    return _laid_out(*indices.equations([formula], inputs, names))


def _laid_out(equations: Sequence[Sides], definitions: Sequence[Sides]) -> str:
    """One line, or an aligned block of several."""
    if len(equations) == 1:
        line = " = ".join(equations[0])
        if definitions:
            line += r" \quad\text{where}\quad " + r",\; ".join(" = ".join(one) for one in definitions)
        if not definitions or _width(line) <= LONG:
            return line
    lines = [f"{left} &= {right}" for left, right in equations]
    for k, (left, right) in enumerate(definitions):
        word = r"\text{where}\quad " if k == 0 else ""
        lines.append(f"{word}{left} &= {right}{',' if k < len(definitions) - 1 else ''}")
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def _width(line: str) -> int:
    """About how many characters there are to see."""
    return len(re.sub(r"[{}\s_^]", "", re.sub(r"\\[a-zA-Z]+|\\.", "x", line)))
