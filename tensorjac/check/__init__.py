"""Checking derivatives that were derived by hand, and naming what is wrong with them."""

from .causes import CAUSES
from .checks import check_grad, check_hessian, check_jacobian, check_vjp
from .opaque import Opaque, opaque
from .report import Finding, Report
from .steps import check_steps

__all__ = [
    "CAUSES",
    "Finding",
    "Opaque",
    "Report",
    "check_grad",
    "check_hessian",
    "check_jacobian",
    "check_steps",
    "check_vjp",
    "opaque",
]
