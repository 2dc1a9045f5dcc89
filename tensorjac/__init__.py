"""Exact Jacobians of matrix and tensor expressions: derived, simplified, printed and run."""

from .errors import (
    DerivationError,
    NotationError,
    ShapeError,
    TensorjacError,
    TraceError,
    UnsupportedError,
)
from .function import Function, Jacobian
from .reading import parse, trace

__all__ = [
    "DerivationError",
    "Function",
    "Jacobian",
    "NotationError",
    "ShapeError",
    "TensorjacError",
    "TraceError",
    "UnsupportedError",
    "parse",
    "trace",
]

__version__ = "0.1.0"
