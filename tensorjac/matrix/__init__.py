"""Matrix notation: what an expression is in products, transposes, Hadamard products, diagonals and traces."""

from .forms import matrix_forms
from .inlining import Forms

__all__ = ["Forms", "matrix_forms"]
