"""Matrix notation: what an expression is in products, transposes, Hadamard products, diagonals and traces."""

from .forms import Forms, matrix_forms

__all__ = ["Forms", "matrix_forms"]
