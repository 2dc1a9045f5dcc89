"""Symbolic sizes, and the shape text `"b m"`.

A size is a polynomial with rational coefficients over names, floor divisions and `max(e, 0)`. Equal
polynomials are one object, so that `is` decides equality. Names are taken to be at least 1.

>>> b, n = Dim.of("b"), Dim.of("n")
>>> print((b + 1) * n - n, (2 * n + 5) // 2, positive(n - 3))
b*n n + 2 max(n - 3, 0)
>>> nonnegative(2 * n - 2), nonnegative(n - b)
(True, False)
"""

from .atoms import Atom, FloorDiv, Monomial, Number, Positive
from .binding import Actual, Shapes, bind_sizes, checked_sizes, emptying, not_met
from .division import divide, divide_with_rest, positive
from .polynomial import Polynomial
from .prover import Requirement, always, equal, nonnegative
from .shapes import Entry, parse_shape
from .size import Dim, Size

__all__ = [
    "Actual",
    "Atom",
    "Dim",
    "Entry",
    "FloorDiv",
    "Monomial",
    "Number",
    "Polynomial",
    "Positive",
    "Requirement",
    "Shapes",
    "Size",
    "always",
    "bind_sizes",
    "checked_sizes",
    "divide",
    "divide_with_rest",
    "emptying",
    "equal",
    "nonnegative",
    "not_met",
    "parse_shape",
    "positive",
]
