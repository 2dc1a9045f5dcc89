"""Index notation, read into nodes, to expressions: whose letters they are, how large they are, what they say."""

from .equation import LARGEST, Lowered, Lowering, lower
from .named import Defined, Read
from .text import lower_text

__all__ = ["LARGEST", "Defined", "Lowered", "Lowering", "Read", "lower", "lower_text"]
