"""Exact Jacobians of matrix and tensor expressions: derived, simplified, printed and run."""

from .check import (
    CAUSES,
    Finding,
    Report,
    check_grad,
    check_hessian,
    check_jacobian,
    check_steps,
    check_vjp,
    opaque,
)
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
    "CAUSES",
    "DerivationError",
    "Finding",
    "Function",
    "Jacobian",
    "NotationError",
    "Report",
    "ShapeError",
    "TensorjacError",
    "TraceError",
    "UnsupportedError",
    "arange",
    "check_grad",
    "check_hessian",
    "check_jacobian",
    "check_steps",
    "check_vjp",
    "eye",
    "full",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "ones",
    "opaque",
    "parse",
    "trace",
    "value_and_grad",
    "vjp",
    "zeros",
]

__version__ = "0.1.0"
