"""Black boxes: functions that can be run and checked, but not derived."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from ..dims import Dim, parse_shape
from ..errors import TraceError, UnsupportedError

Array = np.ndarray[Any, Any]
Shape = tuple[str | int, ...]


class Opaque:
    """A function of named, shaped arrays whose inside is not looked at."""

    def __init__(self, fun: Callable[..., Any], shapes: Mapping[str, tuple[Dim, ...]]) -> None:
        self._fun = fun
        self._shapes = dict(shapes)
        self._positional = _positional(fun, self._shapes)

    @property
    def inputs(self) -> dict[str, Shape]:
        """The shape of each argument, in order."""
        return {
            name: tuple(dim.value if dim.value is not None else str(dim) for dim in dims)
            for name, dims in self._shapes.items()
        }

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns at these arrays."""
        given = {**dict(zip(self._shapes, args, strict=False)), **kwargs}
        if self._positional:
            return self._fun(*[given[name] for name in self._shapes])
        return self._fun(**given)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {' '.join(map(str, shape)) or 'scalar'}" for name, shape in self.inputs.items())
        return f"<Opaque {_name(self._fun)} of ({shapes})>"

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise UnsupportedError(
            f"{_name(self._fun)} is a black box, which can be checked but not derived: "
            "make it with tj.trace or tj.parse to derive it."
        )

    vjp = jvp = grad = jacobian = hessian = hvp = _refuse


def opaque(fun: Callable[..., Any], /, **shapes: Any) -> Opaque:
    """A black box: ``fun`` is called, and nothing else; its derivatives are known only numerically.

    >>> import numpy as np, tensorjac as tj
    >>> F = tj.opaque(lambda X, A: X @ A, X="b m", A="m n")
    >>> F
    <Opaque lambda of (X: b m, A: m n)>
    >>> bool(tj.check_vjp(F, {"A": "X.T @ G"}))
    True
    """
    return Opaque(fun, {name: parse_shape(shape, name) for name, shape in shapes.items()})


def _name(fun: Callable[..., Any]) -> str:
    return str(getattr(fun, "__name__", type(fun).__name__)).strip("<>")


def _positional(fun: Callable[..., Any], shapes: Mapping[str, object]) -> bool:
    """Whether arguments are passed by position, since the names of the parameters are not known or do not fit."""
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        return True
    named = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY)]
    if any(p.kind is p.VAR_KEYWORD for p in parameters) or set(shapes) <= set(named):
        missing = [
            p.name
            for p in parameters
            if p.name not in shapes and p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        if missing:
            raise TraceError(
                f"each parameter of {_name(fun)} without a default gets a shape, and {', '.join(missing)} "
                f"{'has' if len(missing) == 1 else 'have'} none: write {missing[0]}='b m' or the like."
            )
        return False
    if any(p.kind in (p.VAR_POSITIONAL, p.POSITIONAL_ONLY) for p in parameters):
        return True
    extra = [name for name in shapes if name not in named]
    raise TraceError(
        f"each shape belongs to a parameter of {_name(fun)}, and {', '.join(extra)} "
        f"{'is none' if len(extra) == 1 else 'are none'}: its parameters are {', '.join(named)}."
    )
