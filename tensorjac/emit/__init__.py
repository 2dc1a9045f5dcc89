"""From array operations to the NumPy source that a person would have written, and to a compiled function."""

from .halves import Halves, halved
from .source import RESERVED, Source, compiled, source, variables

__all__ = ["RESERVED", "Halves", "Source", "compiled", "halved", "source", "variables"]
