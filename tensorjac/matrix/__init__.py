"""Matrix notation: what an expression is in products, transposes, Hadamard products, diagonals and traces."""

from .forms import Forms, NoForm, matrix_forms

__all__ = ["Forms", "NoForm", "matrix_forms"]
