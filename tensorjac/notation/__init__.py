"""What people type: index notation, ``Y[ij] = X[ik] A[kj]``, and NumPy text, ``Y = X @ A``."""

from .indextext import is_index_notation, parse_index
from .numpytext import parse_numpy

__all__ = ["is_index_notation", "parse_index", "parse_numpy"]
