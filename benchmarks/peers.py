"""The same derivatives by other libraries, where these are installed: JAX compiled, PyTorch and autograd as is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

Run = Callable[..., Any]
Make = Callable[[Any], Run]  # from a library that has NumPy's names to the function

NAMES = tuple(name for name in ("jax", "torch", "autograd") if find_spec(name))


class _Jax:
    """Compiled; arguments on the device beforehand, as everybody's."""

    def __init__(self, make: Make) -> None:
        self.jax = import_module("jax")
        self.jax.config.update("jax_enable_x64", True)
        self.fun = make(import_module("jax.numpy"))

    def vjp(self, count: int, with_value: bool) -> Run:
        def run(*args: Any) -> Any:
            value, pullback = self.jax.vjp(self.fun, *args[:count])
            found = pullback(args[count])
            return (value, *found) if with_value else found

        return self._compiled(run)

    def value_and_grad(self) -> Run:
        return self._compiled(self.jax.value_and_grad(self.fun))

    def jacobian(self) -> Run:
        return self._compiled(self.jax.jacrev(self.fun))

    def jacobian_of_second(self) -> Run:
        return self._compiled(self.jax.jacrev(self.fun, argnums=1))

    def hessian(self) -> Run:
        return self._compiled(self.jax.hessian(self.fun))

    def per_sample_jacobian(self) -> Run:
        def one(x: Any, *rest: Any) -> Any:
            return self.fun(x[None], *rest)[0]

        return self._compiled(self.jax.vmap(self.jax.jacrev(one), in_axes=(0, None, None)))

    def _compiled(self, run: Run) -> Run:
        fast, held = self.jax.jit(run), _Held(self.jax.numpy.asarray)
        return lambda *args: self.jax.block_until_ready(fast(*held(args)))


class _Torch:
    def __init__(self, make: Make) -> None:
        self.torch = import_module("torch")
        self.torch.set_num_threads(2)
        self.fun = make(self.torch)

    def vjp(self, count: int, with_value: bool) -> Run:
        held = _Held(self.torch.from_numpy)

        def run(*args: Any) -> Any:
            *points, G = held(args[: count + 1])
            points = [point.detach().requires_grad_() for point in points]
            value = self.fun(*points)
            found = self.torch.autograd.grad(value, points, G)
            return (value, *found) if with_value else found

        return run

    def value_and_grad(self) -> Run:
        held = _Held(self.torch.from_numpy)

        def run(*args: Any) -> Any:
            first, *rest = held(args)
            first = first.detach().requires_grad_()
            value = self.fun(first, *rest)
            return value, self.torch.autograd.grad(value, first)[0]

        return run

    def jacobian(self) -> Run:
        return self._of(self.torch.func.jacrev(self.fun))

    def jacobian_of_second(self) -> Run:
        return self._of(self.torch.func.jacrev(self.fun, argnums=1))

    def hessian(self) -> Run:
        return self._of(self.torch.func.hessian(self.fun))

    def per_sample_jacobian(self) -> Run:
        def one(x: Any, *rest: Any) -> Any:
            return self.fun(x[None], *rest)[0]

        return self._of(self.torch.func.vmap(self.torch.func.jacrev(one), in_dims=(0, None, None)))

    def _of(self, run: Run) -> Run:
        held = _Held(self.torch.from_numpy)
        return lambda *args: run(*held(args))


class _Autograd:
    def __init__(self, make: Make) -> None:
        self.autograd = import_module("autograd")
        self.make_vjp = import_module("autograd.core").make_vjp
        self.fun = make(import_module("autograd.numpy"))

    def vjp(self, count: int, with_value: bool) -> Run:
        def run(*args: Any) -> Any:
            pull, value = self.make_vjp(lambda points: self.fun(*points), args[:count])
            return (value, *pull(args[count])) if with_value else pull(args[count])

        return run

    def value_and_grad(self) -> Run:
        return self.autograd.value_and_grad(self.fun)  # type: ignore[no-any-return]

    def jacobian(self) -> Run:
        return self.autograd.jacobian(self.fun)  # type: ignore[no-any-return]

    def jacobian_of_second(self) -> Run:
        return self.autograd.jacobian(self.fun, 1)  # type: ignore[no-any-return]

    def hessian(self) -> Run:
        return self.autograd.hessian(self.fun)  # type: ignore[no-any-return]

    def per_sample_jacobian(self) -> Run:
        def one(x: Any, *rest: Any) -> Any:
            return self.fun(x[None], *rest)[0]

        each = self.autograd.jacobian(one)
        return lambda X, *rest: np.stack([each(x, *rest) for x in X])


class _Held:
    """Arguments converted once: moving them is not what is measured."""

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        self.convert = convert
        self.key: tuple[int, ...] = ()
        self.args: list[Any] = []
        self.kept: Sequence[Any] = ()

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        key = tuple(map(id, args))
        if key != self.key:
            self.key, self.kept = key, tuple(args)
            self.args = [self.convert(arg) for arg in args]
        return self.args


_LIBRARIES = {"jax": _Jax, "torch": _Torch, "autograd": _Autograd}


def peers(make: Make, way: str, *options: Any, names: Sequence[str] = NAMES) -> dict[str, Run]:
    """What each installed library makes of the function: ``way`` is the name of a method above."""
    return {name: getattr(_LIBRARIES[name](make), way)(*options) for name in names if name in NAMES}
