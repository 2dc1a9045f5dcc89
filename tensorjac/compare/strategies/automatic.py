"""What JAX and PyTorch make of the function by their own differentiation, where they are installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ... import interop
from ...errors import UnsupportedError
from ..problem import Problem
from ..registry import Foreign, strategy

# A larger Jacobian is not even compiled before it is known whether there is room for it.
LARGE = 2**30

Function = Callable[..., Any]


def _place(problem: Problem) -> int:
    return list(problem.function.inputs).index(problem.wrt)


def _dense(problem: Problem) -> float:
    """Bytes of the dense Jacobian."""
    return float(prod(problem.inputs[problem.cotangent]) * problem.bytes(problem.wrt))


# JAX


def _in_jax(problem: Problem, function: Function, least: float = 0.0, pullbacks: int = 1) -> Foreign:
    """A function of JAX arrays under jit, which needs at least so many bytes."""
    jax = interop.jax()
    run = jax.jit(function)
    if least <= LARGE:
        shapes = [jax.ShapeDtypeStruct(shape, problem.dtype) for shape in problem.inputs.values()]
        with interop.double_precision():
            run = run.lower(*shapes).compile()
        memory = run.memory_analysis()
        if memory is not None:
            least = float(memory.temp_size_in_bytes + memory.output_size_in_bytes)

    def in_double_precision(*values: Any) -> Any:
        with interop.double_precision():
            return run(*values).block_until_ready()

    return Foreign(in_double_precision, least, pullbacks)


@strategy("jax_vjp", "jax.vjp of the function, under jit", "jax")
def jax_vjp(problem: Problem) -> Foreign:
    jax, place = interop.jax(), _place(problem)

    def vjp(*values: Any) -> Any:
        *inputs, cotangent = values
        _, pullback = jax.vjp(lambda x: problem.function(*_with(inputs, place, x)), inputs[place])
        return pullback(cotangent)[0]

    return _in_jax(problem, vjp)


@strategy("jax_jacrev", "jax.jacrev of the function, then contracted, under jit", "jax")
def jax_jacrev(problem: Problem) -> Foreign:
    jax, place = interop.jax(), _place(problem)
    rank = len(problem.inputs[problem.cotangent])
    jacobian = jax.jacrev(lambda *inputs: problem.function(*inputs), argnums=place)
    contracted = lambda *values: jax.numpy.tensordot(values[-1], jacobian(*values[:-1]), axes=rank)  # noqa: E731
    return _in_jax(problem, contracted, _dense(problem), prod(problem.inputs[problem.cotangent]))


def _with(inputs: Sequence[Any], place: int, value: Any) -> list[Any]:
    """The inputs with another value in one place."""
    return [*inputs[:place], value, *inputs[place + 1 :]]


# PyTorch


def _in_torch(problem: Problem, function: Function, needs: float, pullbacks: int = 1) -> Foreign:
    """A function of PyTorch tensors, which share their memory with the arrays."""
    torch = interop.torch()
    return Foreign(lambda *values: function(*map(torch.from_numpy, map(np.asarray, values))).numpy(), needs, pullbacks)


def _recorded(problem: Problem) -> float:
    """Bytes of all arrays that the function makes: a recording keeps no more, nor do their gradients take more."""
    try:
        routine = problem.routine(problem.source(problem.function, "forward"))
        cost = routine.cost([problem.inputs[name] for name in problem.function.inputs], problem.dtype)
    except UnsupportedError:
        return 0.0
    return sum(operation.fresh * operation.times for operation in cost.operations)


@strategy("torch_grad", "torch.autograd.grad of the function", "torch")
def torch_grad(problem: Problem) -> Foreign:
    torch, place = interop.torch(), _place(problem)

    def grad(*values: Any) -> Any:
        *inputs, cotangent = values
        inputs[place].requires_grad_()
        out = problem.function(*inputs)
        if not out.requires_grad:
            return torch.zeros_like(inputs[place])
        return torch.autograd.grad(out, inputs[place], cotangent, materialize_grads=True)[0]

    return _in_torch(problem, grad, 2 * _recorded(problem) + problem.bytes(problem.wrt))


@strategy("torch_vjp", "torch.func.vjp of the function", "torch")
def torch_vjp(problem: Problem) -> Foreign:
    torch, place = interop.torch(), _place(problem)

    def vjp(*values: Any) -> Any:
        *inputs, cotangent = values
        _, pullback = torch.func.vjp(lambda x: problem.function(*_with(inputs, place, x)), inputs[place])
        return pullback(cotangent)[0]

    return _in_torch(problem, vjp, 2 * _recorded(problem) + problem.bytes(problem.wrt))


@strategy("torch_jacrev", "torch.func.jacrev of the function, then contracted", "torch")
def torch_jacrev(problem: Problem) -> Foreign:
    torch, place = interop.torch(), _place(problem)
    jacobian = torch.func.jacrev(lambda *inputs: problem.function(*inputs), argnums=place)
    rank, rows = len(problem.inputs[problem.cotangent]), prod(problem.inputs[problem.cotangent])
    # it pulls all rows of an identity back at once
    needs = _dense(problem) + (rows + 1) * _recorded(problem) + rows**2 * problem.itemsize
    contracted = lambda *values: torch.tensordot(values[-1], jacobian(*values[:-1]), dims=rank)  # noqa: E731
    return _in_torch(problem, contracted, needs, rows)
