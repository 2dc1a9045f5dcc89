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
from .trace import arange, eye, full, ones, zeros

__all__ = [
    "DerivationError",
    "Function",
    "Jacobian",
    "NotationError",
    "ShapeError",
    "TensorjacError",
    "TraceError",
    "UnsupportedError",
    "arange",
    "eye",
    "full",
    "ones",
    "parse",
    "trace",
    "zeros",
]

__version__ = "0.1.0"
