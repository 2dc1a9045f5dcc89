"""The transforms of plain functions, with the names, arguments and nesting of JAX's."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import TraceError
from ..trace import arange, eye, full, ones, zeros
from . import calls
from .calls import transformed
from .pure import declare_pure
from .rules import Transform
from .runs import Argnums, check_callable


def grad(fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that calculates the gradient of ``fun``, which returns a scalar.

    An int in ``argnums`` gives the gradient by this argument, a tuple a tuple of gradients. An argument may be a tuple,
    list or dict of arrays: its gradient is nested alike. With ``has_aux``, ``fun`` returns a pair (scalar, aux), and
    the result is the pair (gradient, aux).

    >>> import numpy as np, tensorjac as tj
    >>> tj.grad(lambda x: x @ x)(np.array([1.0, 2.0, 3.0]))
    array([2., 4., 6.])
    >>> dx, dy = tj.grad(lambda x, y: x * y**2, argnums=(0, 1))(5.0, 3.0)
    >>> print(dx, dy)
    9.0 30.0
    """
    return transformed(_wish("grad", fun, argnums, has_aux))


def value_and_grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that calculates the pair of ``fun``'s value and its gradient, sharing what both need.

    Arguments are those of `grad`; with ``has_aux`` the result is ((value, aux), gradient).

    >>> import numpy as np, tensorjac as tj
    >>> value, slope = tj.value_and_grad(lambda p: (p["w"] * p["b"]).sum())({"w": np.ones(2), "b": 3.0})
    >>> print(value, slope["w"], slope["b"])
    6.0 [3. 3.] 2.0
    """
    return transformed(_wish("value_and_grad", fun, argnums, has_aux))


def jacobian(fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that calculates the Jacobian of ``fun`` as an array: the output's axes first, the input's last.

    Several outputs and arguments nest as [output][argument]. Arguments are those of `grad`.

    >>> import numpy as np, tensorjac as tj
    >>> tj.jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    >>> both = tj.jacobian(lambda x, y: {"sum": x + y, "product": x * y}, argnums=(0, 1))(2.0, 3.0)
    >>> {name: tuple(map(float, row)) for name, row in both.items()}
    {'sum': (1.0, 1.0), 'product': (3.0, 2.0)}
    """
    return transformed(_wish("jacobian", fun, argnums, has_aux))


def hessian(fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that calculates the Hessian of ``fun``, which is the Jacobian of its Jacobian.

    With a tuple in ``argnums`` the second derivatives nest as [argument][argument]. With ``has_aux``, the result is the
    pair (Hessian, aux).

    >>> import numpy as np, tensorjac as tj
    >>> tj.hessian(lambda x: x[0] * x[1] ** 2)(np.array([5.0, 3.0]))
    array([[ 0.,  6.],
           [ 6., 10.]])
    """
    return jacobian(jacobian(fun, argnums, has_aux), argnums, has_aux)


def vjp(fun: Callable[..., Any], *args: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of ``fun`` at these arguments, and the pullback: a function from a cotangent of the output to the
    gradients of all arguments.

    The cotangent is nested as the output is; the pullback returns a tuple with one entry per argument. With
    ``has_aux``, ``fun`` returns a pair (output, aux), and the result is (value, pullback, aux).

    >>> import numpy as np, tensorjac as tj
    >>> value, pullback = tj.vjp(lambda X, A: X @ A, np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    >>> dX, dA = pullback(np.array([[10.0]]))
    >>> print(value, dX, dA.T)
    [[11.]] [[30. 40.]] [[10. 20.]]
    """
    return calls.evaluate(Transform("vjp", fun, has_aux=bool(has_aux)), args, {})  # type: ignore[no-any-return]


def jvp(
    fun: Callable[..., Any], args: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """The value of ``fun`` at these arguments, and its change per unit of a step along ``tangents``.

    Both ``args`` and ``tangents`` are tuples with one entry per argument. With ``has_aux``, ``fun`` returns a pair
    (output, aux), and the result is (value, change, aux).

    >>> import tensorjac as tj
    >>> value, change = tj.jvp(lambda x, y: x * y, (2.0, 3.0), (1.0, 10.0))
    >>> print(value, change)
    6.0 23.0
    """
    return calls.push("jvp", fun, args, tangents, bool(has_aux))  # type: ignore[no-any-return]


def hvp(fun: Callable[..., Any], args: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of ``fun``, which returns a scalar, times ``tangents``, without the Hessian.

    This is ``jvp(grad(fun), args, tangents)[1]``. For several arguments the gradient is by all of them, and the
    result is a tuple.

    >>> import numpy as np, tensorjac as tj
    >>> tj.hvp(lambda x: x[0] * x[1] ** 2, (np.array([5.0, 3.0]),), (np.array([1.0, 0.0]),))
    array([0., 6.])
    """
    check_callable(fun)
    count = len(args) if isinstance(args, tuple | list) else 1
    slope = grad(fun, 0 if count == 1 else tuple(range(count)))
    return calls.push("hvp", slope, args, tangents)


def _wish(kind: str, fun: Callable[..., Any], argnums: Any, has_aux: bool) -> Transform:
    check_callable(fun)
    return Transform(kind, fun, _numbers(argnums), bool(has_aux))


def _numbers(argnums: Any) -> Argnums:
    try:
        if isinstance(argnums, tuple | list) and argnums:
            return tuple(map(operator.index, argnums))
        return operator.index(argnums)
    except TypeError:
        raise TraceError(
            f"argnums is the position of an argument, counted from 0, or a tuple of such, and this is {argnums!r}.\n"
            "pass argnums=0 or argnums=(0, 1), for example."
        ) from None


# All of these depend on their arguments only, so that functions that use them can be kept as a trace.
declare_pure([grad, value_and_grad, jacobian, hessian, vjp, jvp, hvp, arange, eye, full, ones, zeros])
