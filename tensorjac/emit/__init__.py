"""From array operations to the NumPy source that a person would have written, and to a compiled function."""

from .blocks import blocks_of, in_blocks
from .halves import Halves, halved
from .source import RESERVED, Source, compiled, in_c_order, source, variables

__all__ = [
    "RESERVED",
    "Halves",
    "Source",
    "blocks_of",
    "compiled",
    "halved",
    "in_blocks",
    "in_c_order",
    "source",
    "variables",
]
