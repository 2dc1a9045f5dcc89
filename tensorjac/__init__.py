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
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

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
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "ones",
    "parse",
    "trace",
    "value_and_grad",
    "vjp",
    "zeros",
]

__version__ = "0.1.0"
