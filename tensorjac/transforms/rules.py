"""The transforms on traced arrays: run the function once on inputs of its own, then contract backward or forward.

This is all of it: on arrays, a transform is traced like any other function (``calls``). So transforms nest: the
inner one runs on what the outer one traces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import TraceError
from ..terms import Sum, constant
from ..trace.operands import lift
from ..trace.tracer import Tracer
from .runs import Argnums, Run, name_of, returned, run, same_shape
from .trees import flatten, leaves_like, paths, unflatten
from .trees import spelled as nesting


class Transform(NamedTuple):
    """Which derivative of which function, by which of its arguments."""

    kind: str
    fun: Callable[..., Any]
    argnums: Argnums = 0
    has_aux: bool = False

    def apply(self, args: Sequence[Any], kwargs: Mapping[str, Any], fresh: bool) -> tuple[Any, Any]:
        """What comes out beside the derivative (a value, ``aux``), and the derivative, as traced arrays.

        ``fresh``: the arguments may be known to the function by other ways, too, so that the derivative is by
        inputs of its own.
        """
        return _RULES[self.kind](self, args, kwargs, fresh)

    def shown(self, plain: Any, derivative: Any) -> Any:
        """Both as the user gets them."""
        if self.kind == "jvp" and self.has_aux:
            value, aux = plain
            return value, derivative, aux
        if self.kind in ("value_and_grad", "jvp"):
            return plain, derivative
        return (derivative, plain) if self.has_aux else derivative

    def differentiated(self, args: Sequence[Any]) -> tuple[int, ...]:
        """The positions of the arguments to differentiate by, counted from the front."""
        if self.kind in ("vjp", "jvp", "hvp"):
            return tuple(range(len(args)))
        given = self.argnums if isinstance(self.argnums, tuple) else (self.argnums,)
        for number in given:
            if not -len(args) <= number < len(args):
                raise TraceError(
                    f"argnums names arguments that are passed by position: argnums={self.argnums}, and "
                    f"{name_of(self.fun)} was called with {len(args)} of them.\n"
                    f"pass argument {number} by position, or name another."
                )
        return tuple(number % len(args) for number in given)


def _real_output(out: Tracer, fun: Any) -> None:
    if out.kind != "f":
        raise TraceError(
            f"derivatives are of real numbers, and {name_of(fun)} returned "
            f"{'whole numbers' if out.kind == 'i' else 'truth values'}.\n"
            "return what they are calculated from; counts and masks can be returned beside it, with has_aux=True."
        )


def _grad(wish: Transform, args: Sequence[Any], kwargs: Mapping[str, Any], fresh: bool) -> tuple[Any, Any]:
    positions = wish.differentiated(args)
    found = run(wish.fun, args, kwargs, positions, wish.has_aux, fresh)
    if not isinstance(found.tree, str) or found.outputs[0].axes:
        shown = nesting(found.tree) if not isinstance(found.tree, str) else returned(found.outputs[0])
        raise TraceError(
            f"a gradient is that of one scalar, and {name_of(wish.fun)} returned {shown}.\n"
            "sum it to a scalar, or use tj.jacobian, or tj.vjp with a cotangent."
        )
    (out,) = found.outputs
    _real_output(out, wish.fun)
    slopes = found.nested(wish.argnums, positions, found.pulled([constant(1)]))
    if wish.kind == "grad":
        return found.auxiliary(), slopes
    value = found.values()
    return (value, found.auxiliary()) if wish.has_aux else value, slopes


def _jacobian(wish: Transform, args: Sequence[Any], kwargs: Mapping[str, Any], fresh: bool) -> tuple[Any, Any]:
    positions = wish.differentiated(args)
    found = run(wish.fun, args, kwargs, positions, wish.has_aux, fresh)
    for out in found.outputs:
        _real_output(out, wish.fun)
    rows = [found.nested(wish.argnums, positions, row) for row in found.jacobians()]
    return found.auxiliary(), unflatten(found.tree, rows)


def _jvp(wish: Transform, args: Sequence[Any], kwargs: Mapping[str, Any], fresh: bool) -> tuple[Any, Any]:
    primals, tangents = args
    found = run(wish.fun, primals, {}, range(len(primals)), wish.has_aux, fresh)
    moves = [lift(tangent) for tangent in matching(found, primals, tangents, wish.fun)]
    plain = found.values() if wish.kind == "jvp" else None
    return (plain, found.auxiliary()) if wish.has_aux else plain, unflatten(found.tree, found.pushed(moves))


def matching(found: Run, primals: Sequence[Any], tangents: Sequence[Any], fun: Any) -> list[Any]:
    """The tangents in the order of the targets, of the same shapes."""
    tree = flatten(tuple(primals))[1]
    leaves = leaves_like(tree, tuple(tangents), "tangents", "args", TraceError)
    for target, tangent, path in zip(found.targets, leaves, paths(tree, "tangents"), strict=True):
        same_shape(path, lift(tangent).shape, "its argument", tuple(axis.dim for axis in target.axes))
    return leaves


def pull(
    fun: Callable[..., Any], args: Sequence[Any], has_aux: bool, fresh: bool
) -> tuple[Run, Callable[[Iterable[Tracer]], tuple[Any, ...]]]:
    """Run the function; and the gradients of all arguments, nested as these, from cotangents of the outputs."""
    positions = tuple(range(len(args)))
    found = run(fun, args, {}, positions, has_aux, fresh)

    def pullback(cotangents: Iterable[Tracer]) -> tuple[Any, ...]:
        seeds: list[Sum | None] = [
            cotangent.body.substitute(dict(zip(cotangent.axes, out.axes, strict=True)))
            for cotangent, out in zip(cotangents, found.outputs, strict=True)
        ]
        return found.nested(positions, positions, found.pulled(seeds))  # type: ignore[no-any-return]

    return found, pullback


def vjp(fun: Callable[..., Any], args: Sequence[Any], has_aux: bool) -> tuple[Any, ...]:
    """The value and the pullback, and what the function returned besides, inside a trace."""
    found, gradients = pull(fun, args, has_aux, True)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        leaves = leaves_like(found.tree, cotangent, "the cotangent", "the output")
        cotangents = [lift(leaf) for leaf in leaves]
        for each, out, path in zip(cotangents, found.outputs, paths(found.tree, "the cotangent"), strict=True):
            same_shape(path, each.shape, "its output", out.shape)
        return gradients(cotangents)

    return (found.values(), pullback, found.auxiliary()) if has_aux else (found.values(), pullback)


_RULES: dict[str, Callable[[Transform, Sequence[Any], Mapping[str, Any], bool], tuple[Any, Any]]] = {
    "grad": _grad,
    "value_and_grad": _grad,
    "jacobian": _jacobian,
    "jvp": _jvp,
    "hvp": _jvp,
}
