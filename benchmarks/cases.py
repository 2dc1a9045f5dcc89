"""The workloads by name: each a list of contests, from the smallest size to the largest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import tensorjac as tj
from benchmarks import expert, functions
from benchmarks.peers import peers
from benchmarks.timing import Contest

Array = np.ndarray[Any, Any]


def normal(*shape: int, dtype: Any = float, seed: int = 0) -> Array:
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(dtype)


def one_hot(b: int, n: int, dtype: Any = float) -> Array:
    return np.eye(n, dtype=dtype)[np.random.default_rng(b).integers(n, size=b)]


def value_and_vjp(make: Callable[[Any], Any], **shapes: str) -> tj.Function:
    """The function and its VJP as one, so that both share what they have in common."""

    def both(G: Any, **inputs: Any) -> Any:
        value, pullback = tj.vjp(make(np), *inputs.values())
        return (value, *pullback(G))

    names = ", ".join(shapes)
    scope = {"both": both}
    given = ", ".join(f"{name}={name}" for name in shapes)
    exec(f"def f({names}, G): return both(G, {given})", scope)
    out = tj.trace(make(np), **shapes).outputs["Y"]
    return tj.trace(scope["f"], **shapes, G=tuple(out))


# Products ------------------------------------------------------------------------------------------------------


def product_vjp(sizes: Sequence[tuple[int, int, int]], workload: str, goal: float) -> Iterator[Contest]:
    F = tj.trace(functions.product(np), X="b m", A="m n").vjp()
    for b, m, n in sizes:
        args = normal(b, m), normal(m, n), normal(b, n, seed=1)
        others = peers(functions.product, "vjp", 2, False)
        run = {"hand": expert.product_vjp, "ours": F, **others}
        yield Contest(workload, f"{b}×{m}×{n}", args, run, goal)


def product_through_vjp(sizes: Sequence[tuple[int, int, int]]) -> Iterator[Contest]:
    fun = functions.product(np)

    def ours(X: Array, A: Array, G: Array) -> Any:
        value, pullback = tj.vjp(fun, X, A)
        return (value, *pullback(G))

    for b, m, n in sizes:
        args = normal(b, m), normal(m, n), normal(b, n, seed=1)
        run = {"hand": expert.product_value_and_vjp, "ours": ours, **peers(functions.product, "vjp", 2, True)}
        yield Contest("V1 tj.vjp", f"{b}×{m}×{n}", args, run, 3)


def product_jacobian(sizes: Sequence[tuple[int, int, int]]) -> Iterator[Contest]:
    J = tj.trace(functions.product(np), X="b m", A="m n").jacobian("A")
    for b, m, n in sizes:
        run = {"hand": expert.product_jacobian, "ours": J.dense, **peers(functions.product, "jacobian_of_second")}
        yield Contest("D1", f"{b}×{m}×{n}", (normal(b, m), normal(m, n)), run, 1.15)


# Hessians ------------------------------------------------------------------------------------------------------


def logistic(sizes: Sequence[int]) -> Iterator[Contest]:
    H = tj.trace(functions.logistic(np), w="n", X="b n", y="b").hessian("w")
    for n in sizes:
        args = normal(n), normal(2 * n, n) / np.sqrt(n), np.sign(normal(2 * n))
        run = {"hand": expert.logistic_hessian, "ours": H, **peers(functions.logistic, "hessian")}
        yield Contest("H1", str(n), args, run, 1.3 if n < 100 else 1.05)


def factorisation(sizes: Sequence[int]) -> Iterator[Contest]:
    H = tj.trace(functions.factorisation(np), U="n k", V="m k", T="n m").hessian("U")
    for n in sizes:
        args = normal(n, 5), normal(n, 5, seed=1), normal(n, n)
        some = peers(functions.factorisation, "hessian", names=("jax", "torch", "autograd") if n <= 100 else ())
        yield Contest("H2 dense", str(n), args, {"hand": expert.factorisation_hessian, "ours": H.dense, **some}, 1.2)
        yield Contest("H2 core", str(n), args, {"hand": expert.factorisation_core, "ours": H.core}, 1.2)


def relu_net(sizes: Sequence[int], layers: int = 10, b: int = 16) -> Iterator[Contest]:
    names = [f"W{k}" for k in range(2, layers + 1)]
    scope = {"f": functions.relu_net(np)}
    exec(f"def net(W1, X, T, {', '.join(names)}): return f(W1, X, T, {', '.join(names)})", scope)
    H = tj.trace(scope["net"], W1="n n", X="b n", T="b n", **dict.fromkeys(names, "n n")).hessian("W1")
    for n in sizes:
        weights = [normal(n, n, seed=k) * np.sqrt(2 / n) for k in range(layers)]
        args = weights[0], normal(b, n), one_hot(b, n), *weights[1:]
        some = peers(functions.relu_net, "hessian", names=("jax", "torch", "autograd") if n <= 10 else ("jax",))
        yield Contest("H3 dense", str(n), args, {"hand": expert.relu_net_hessian, "ours": H.dense, **some}, 1.3)
        run = {"hand": expert.relu_net_factors, "ours": lambda *args: H.factors(*args)[0][1:]}
        yield Contest("H3 factored", str(n), args, run, 1.3, compared=multiplied)


def multiplied(factors: tuple[str, Sequence[Array]]) -> Array:
    """The array that an einsum equation and its operands stand for."""
    equation, arrays = factors
    return np.einsum(equation, *arrays, optimize=True)  # type: ignore[no-any-return]


def two_layers(sizes: Sequence[int]) -> Iterator[Contest]:
    J = tj.trace(functions.two_layers(np), X="b m", W1="m h", W2="h n").jacobian("X")
    for b in sizes:
        args = normal(b, 32), normal(32, 64) / 6, normal(64, 16) / 8
        some = peers(functions.two_layers, "jacobian", names=("jax", "torch"))
        yield Contest("B1 dense", str(b), args, {"hand": expert.two_layers_jacobian, "ours": J.dense, **some}, 1.1)
        some = peers(functions.two_layers, "per_sample_jacobian")
        yield Contest("B1 structured", str(b), args, {"hand": expert.two_layers_core, "ours": J.core, **some}, 1.1)


# Layers --------------------------------------------------------------------------------------------------------


LAYERS: dict[str, tuple[Callable[[Any], Any], Callable[..., Any], dict[str, str], Callable[[int, int], list[Any]]]] = {
    "linear": (
        functions.linear,
        expert.linear,
        {"X": "b m", "W": "m n", "c": "n"},
        lambda b, n: [(b, n), (n, n), (n,), (b, n)],
    ),
    "softmax": (functions.softmax, expert.softmax, {"X": "b n"}, lambda b, n: [(b, n), (b, n)]),
    "layer norm": (
        functions.layer_norm,
        expert.layer_norm,
        {"X": "b n", "gamma": "n", "beta": "n"},
        lambda b, n: [(b, n), (n,), (n,), (b, n)],
    ),
    "attention": (
        functions.attention,
        expert.attention,
        {"Q": "s d", "K": "t d", "V": "t e"},
        lambda b, n: [(b, b)] * 4,
    ),
    "GELU MLP": (
        functions.gelu_mlp,
        expert.gelu_mlp,
        {"X": "b m", "W": "m h", "U": "h n"},
        lambda b, n: [(b, n), (n, 4 * n), (4 * n, n), (b, n)],
    ),
}


def layers(sizes: Sequence[tuple[int, int]]) -> Iterator[Contest]:
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 2e-4)):
        for name, (make, hand, shapes, of) in LAYERS.items():
            F = value_and_vjp(make, **shapes)
            for b, n in sizes:
                args = [
                    normal(*shape, dtype=dtype, seed=k) / np.float32(shape[0]) ** 0.5
                    for k, shape in enumerate(of(b, n))
                ]
                run = {"hand": hand, "ours": F, "tj.vjp": pulled(make), **peers(make, "vjp", len(shapes), True)}
                yield Contest(f"L1 {name}", np.dtype(dtype).name, args, run, 1.1, tolerance)
        F = tj.trace(both_of_cross_entropy, X="b n", T="b n")
        for b, n in sizes:
            args = [normal(b, n, dtype=dtype), one_hot(b, n, dtype)]
            run = {
                "hand": expert.cross_entropy,
                "ours": F,
                "tj.vjp": tj.value_and_grad(functions.cross_entropy(np)),
                **peers(functions.cross_entropy, "value_and_grad"),
            }
            yield Contest("L1 softmax cross-entropy", np.dtype(dtype).name, args, run, 1.1, tolerance)


def pulled(make: Callable[[Any], Any]) -> Callable[..., Any]:
    fun = make(np)

    def run(*args: Any) -> Any:
        value, pullback = tj.vjp(fun, *args[:-1])
        return (value, *pullback(args[-1]))

    return run


def both_of_cross_entropy(X: Any, T: Any) -> Any:
    return tj.value_and_grad(functions.cross_entropy(np))(X, T)


# All -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Workload:
    """A workload's contests, and at which sizes: the listed ones, those of the quick mode, and those of the tests."""

    contests: Callable[[Sequence[Any]], Iterator[Contest]]
    sizes: Sequence[Any]
    quick: Sequence[Any]
    tiny: Sequence[Any]


WORKLOADS = {
    "V1": Workload(partial(product_vjp, workload="V1", goal=1.2), [(4, 3, 2)], [(4, 3, 2)], [(4, 3, 2)]),
    "V1 tj.vjp": Workload(product_through_vjp, [(4, 3, 2)], [(4, 3, 2)], [(4, 3, 2)]),
    "V2": Workload(partial(product_vjp, workload="V2", goal=1.1), [(64, 64, 64)], [(64, 64, 64)], [(5, 7, 3)]),
    "V3": Workload(
        partial(product_vjp, workload="V3", goal=1.03),
        [(512, 512, 512), (2048, 1024, 1024)],
        [(512, 512, 512)],
        [(11, 7, 5)],
    ),
    "D1": Workload(product_jacobian, [(8, 8, 8), (32, 32, 32), (64, 48, 48)], [(8, 8, 8), (32, 32, 32)], [(5, 3, 2)]),
    "H1": Workload(logistic, [10, 100, 500, 1000], [10, 100], [3]),
    "H2": Workload(factorisation, [10, 50, 100, 200, 500], [10, 100], [7]),
    "H3": Workload(relu_net, [10, 20, 50], [10, 20], [3]),
    "B1": Workload(two_layers, [128], [128], [3]),
    "L1": Workload(layers, [(64, 256)], [(64, 256)], [(6, 5)]),
}
