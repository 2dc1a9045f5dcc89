"""NumPy functions to expressions: tracing of Python functions, and the meaning of NumPy text."""

from . import (
    axes,
    creation,
    elementwise,
    indexing,
    joins,
    linalg,
    masks,
    moves,
    products,
    reductions,
    reshapes,
)
from .creation import arange, eye, full, ones, zeros
from .evaluation import evaluate_numpy
from .operands import constant_of as constant
from .registry import numpy_namespace
from .text import numpy_reader, trace_text
from .tracer import Tracer
from .tracing import Traced, trace

__all__ = [
    "Traced",
    "Tracer",
    "arange",
    "axes",
    "constant",
    "creation",
    "elementwise",
    "evaluate_numpy",
    "eye",
    "full",
    "indexing",
    "joins",
    "linalg",
    "masks",
    "moves",
    "numpy_namespace",
    "numpy_reader",
    "ones",
    "products",
    "reductions",
    "reshapes",
    "trace",
    "trace_text",
    "zeros",
]
