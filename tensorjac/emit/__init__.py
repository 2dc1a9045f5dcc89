"""From array operations to the NumPy source that a person would have written, and to a compiled function."""

from .source import RESERVED, Source, compiled, source, variables

__all__ = ["RESERVED", "Source", "compiled", "source", "variables"]
