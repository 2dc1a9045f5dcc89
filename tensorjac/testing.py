"""For other people's tests: an adapter for ``(dout, cache)`` code, and property tests of a forward and a backward.

Hypothesis is an extra, and is asked for only where strategies are made.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from . import interop
from .check import Opaque, check_grad, check_vjp, opaque
from .check.points import inputs, size_names
from .dims import parse_shape
from .errors import TensorjacError
from .function import Function
from .reading import trace

Array = np.ndarray[Any, Any]


# Forward and backward with a cache --------------------------------------------------------------------------------


@dataclass(frozen=True)
class CachedBackward:
    """``backward(dout, cache)`` as a function of the inputs and the cotangents: the forward pass runs first."""

    run_forward: Callable[..., Any]
    run_backward: Callable[..., Any]
    count: int

    def __call__(self, *args: Any) -> Any:
        """The gradients."""
        cache = self.run_forward(*args[: self.count])[-1]
        return self.run_backward(*args[self.count :], cache)

    def again(self, *args: Any) -> Any:
        """The gradients of a second call with the same cache."""
        cache = self.run_forward(*args[: self.count])[-1]
        self.run_backward(*[np.array(one) for one in args[self.count :]], cache)
        return self.run_backward(*args[self.count :], cache)


@dataclass(frozen=True)
class Pair:
    """A forward function without its cache, and the backward function that belongs to it."""

    forward: Callable[..., Any]
    backward: CachedBackward


def with_cache(forward: Callable[..., Any], backward: Callable[..., Any], **options: Any) -> Pair:
    """``forward(*inputs) -> (out, …, cache)`` and ``backward(dout, …, cache)``, ready to be traced and checked.

    ``options`` are passed on to ``forward`` by keyword, and are no inputs.

    >>> import tensorjac as tj
    >>> def affine_forward(x, w):
    ...     return x @ w, (x, w)
    >>> def affine_backward(dout, cache):
    ...     x, w = cache
    ...     return dout @ w.T, x.T @ dout
    >>> pair = with_cache(affine_forward, affine_backward)
    >>> bool(tj.check_vjp(tj.trace(pair.forward, x="n d", w="d m"), pair.backward))
    True
    """
    signature = inspect.signature(forward)
    parameters = [p for p in signature.parameters.values() if p.name not in options]
    count = sum(p.default is p.empty and p.kind is not p.VAR_KEYWORD for p in parameters)

    def run(*args: Any, **kwargs: Any) -> Any:
        return forward(*args, **kwargs, **options)

    @wraps(forward)
    def without_cache(*args: Any, **kwargs: Any) -> Any:
        outputs = tuple(run(*args, **kwargs))[:-1]
        return outputs[0] if len(outputs) == 1 else outputs

    without_cache.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return Pair(without_cache, CachedBackward(run, backward, count))


# Property tests ---------------------------------------------------------------------------------------------------


def sizes(*names: str, smallest: int = 1, largest: int = 6) -> Any:
    """A Hypothesis strategy for numbers of the named sizes, as dicts."""
    _, st = interop.property_tests()
    return st.fixed_dictionaries({name: st.integers(smallest, largest) for name in names})


def points(domain: Mapping[str, str] | None = None, largest: int = 6, **shapes: Any) -> Any:
    """A Hypothesis strategy for generic arrays of these shapes, as dicts from names to arrays.

    Sizes are drawn, and shrink; arrays have both signs and no ties, or are of the domain that is given.
    """
    _, st = interop.property_tests()
    dims = {name: parse_shape(shape, name) for name, shape in shapes.items()}

    def drawn(numbers: Mapping[str, int], seed: int) -> dict[str, Array]:
        return inputs(dims, numbers, domain or {}, {}, (seed,))

    return st.builds(drawn, sizes(*size_names(dims), largest=largest), st.integers(0, 2**32 - 1))


def gradient_test(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    domain: Mapping[str, str] | None = None,
    smallest: int = 1,
    largest: int = 5,
    **shapes: Any,
) -> Callable[[], None]:
    """A property test that ``backward`` is the gradient of ``forward``, at drawn sizes and points.

    >>> import tensorjac as tj
    >>> test_linear = tj.testing.gradient_test(lambda X, A: X @ A, lambda X, A, G: (G @ A.T, X.T @ G), X="b m", A="m n")
    >>> test_linear()
    """
    hypothesis, st = interop.property_tests()
    function = derivable(forward, **shapes)
    names = size_names({name: parse_shape(shape, name) for name, shape in shapes.items()})

    def test(numbers: dict[str, int], seed: int) -> None:
        check = check_grad if _is_scalar(function) else check_vjp
        check(function, backward, sizes=numbers, seed=seed, domain=domain).raise_if_wrong()

    drawn = hypothesis.given(sizes(*names, smallest=smallest, largest=largest), st.integers(0, 2**32 - 1))
    # a report names its cause at any sizes: smaller ones would not say more
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate]
    return hypothesis.settings(deadline=None, max_examples=20, phases=phases)(drawn(test))  # type: ignore[no-any-return]


def derivable(forward: Callable[..., Any], **shapes: Any) -> Function | Opaque:
    """The forward function traced, or as a black box where it cannot be traced."""
    try:
        return trace(forward, **shapes)
    except (TensorjacError, TypeError, ValueError, AttributeError):
        return opaque(forward, **shapes)


def _is_scalar(function: Function | Opaque) -> bool:
    return isinstance(function, Function) and not any(function.outputs.values())
