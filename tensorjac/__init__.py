"""Exact Jacobians of matrix and tensor expressions: derived, simplified, printed and run."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .check import (
        CAUSES,
        Finding,
        Report,
        check_grad,
        check_hessian,
        check_jacobian,
        check_steps,
        check_vjp,
    )
    from .check.opaque import opaque
    from .compare import STRATEGIES, compare, plan
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
    from .uncertainty import propagate

__all__ = [
    "CAUSES",
    "STRATEGIES",
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
    "compare",
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
    "plan",
    "propagate",
    "trace",
    "value_and_grad",
    "vjp",
    "zeros",
]

__version__ = "0.1.0"

# Where each name is defined, which is imported when the name is first asked for: a script waits for what it uses only.
_HOMES = {
    "check": [name for name in __all__ if name.startswith("check_")] + ["CAUSES", "Finding", "Report", "opaque"],
    "compare": ["STRATEGIES", "compare", "plan"],
    "errors": [name for name in __all__ if name.endswith("Error")],
    "function": ["Function", "Jacobian"],
    "reading": ["parse", "trace"],
    "trace": ["arange", "eye", "full", "ones", "zeros"],
    "transforms": ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"],
    "uncertainty": ["propagate"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


class _Package(ModuleType):
    """A package of which some public names are also names of its parts, such as ``trace``: the public ones prevail."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _HOME or not isinstance(value, ModuleType):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
