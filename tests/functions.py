"""Functions in ordinary NumPy style, with the shapes and domains at which they are traced, evaluated and
differentiated.

`@case(X="b m", …)` registers a function in `CASES`; `test_functions.py` puts every case through every test.
Captured arrays are float32 with values that it holds exactly, so that float32 goes in and comes out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

import tensorjac as tj
from oracles import distinct_sizes, random_inputs


@dataclass(frozen=True, eq=False)
class Case:
    """A function, its shapes, and where it is tested; `prepare` may change the drawn inputs in place."""

    name: str
    fun: Callable
    shapes: Mapping[str, str]
    domain: Mapping[str, str] | str
    sizes: Mapping[str, int]
    prepare: Callable | None

    def __str__(self):
        return self.name

    def inputs(self, seed=0):
        sizes = distinct_sizes(self.shapes, self.sizes)
        args = random_inputs(self.shapes, sizes, np.random.default_rng(seed), self.domain)
        if self.prepare:
            self.prepare(args)
        return args

    def results(self, args):
        """The outputs of plain NumPy by name, as a traced function would name them."""
        return named(self.fun(**args))

    def output(self, name):
        """One output as a function."""
        return lambda **args: self.results(args)[name]


def named(result):
    """Outputs by name.

    >>> list(named((1, 2))), list(named(1)), list(named({"loss": 1}))
    (['Y1', 'Y2'], ['Y'], ['loss'])
    """
    if isinstance(result, dict):
        return result
    if isinstance(result, tuple):
        return {f"Y{number}": value for number, value in enumerate(result, 1)}
    return {"Y": result}


CASES: list[Case] = []


def case(*, domain="any", sizes=None, prepare=None, name=None, **shapes):
    """Register a function under its own name, or under `name`."""

    def register(fun):
        CASES.append(Case(name or fun.__name__, fun, shapes, domain, sizes or {}, prepare))
        return fun

    return register


# Captured constants -------------------------------------------------------------------------------

WEIGHTS = np.array([0.5, -1.25, 2.0], dtype=np.float32)
TABLE = np.array([[1.0, -0.5, 0.25], [0.75, 2.0, -1.5]], dtype=np.float32)
EYE3 = np.eye(3, dtype=np.float32)
EYE2 = np.eye(2, dtype=np.float32)
MASK = np.array([[True, False, True], [False, True, True]])
CAUSAL = np.tril(np.ones((4, 4), dtype=bool))
TOKENS = np.array([1, 0, 1, 3])
LABELS = np.array([2, 0, 3])
LABELS_OR_NONE = np.array([2, -1, 5, 0])
HALVES = np.array([0.0, 0.5, 2.0, 1.0], dtype=np.float32)

# Products -----------------------------------------------------------------------------------------


@case(X="b m", A="m n")
def matmul_matrix_matrix(X, A):
    return X @ A


@case(A="m n", x="n")
def matmul_matrix_vector(A, x):
    return A @ x


@case(x="m", A="m n")
def matmul_vector_matrix(x, A):
    return np.matmul(x, A)


@case(x="n", y="n")
def matmul_vector_vector(x, y):
    return x @ y


@case(X="b m k", A="b k n")
def matmul_batched(X, A):
    return X @ A


@case(X="b m k", A="k n")
def matmul_batch_with_matrix(X, A):
    return X @ A


@case(A="m k", X="b k n")
def matmul_matrix_with_batch(A, X):
    return A @ X


@case(X="b m k", v="k")
def matmul_batch_with_vector(X, v):
    return X @ v


@case(v="m", X="b m n")
def matmul_vector_with_batch(v, X):
    return v @ X


@case(X="b 1 m k", A="c k n", sizes={"n": 4, "k": 2, "m": 1})
def matmul_broadcast_batches(X, A):
    return X @ A


@case(A="m n", B="n p", C="p q")
def matmul_chain(A, B, C):
    return np.linalg.multi_dot([A, B, C])


@case(X="i j", Y="j k")
def einsum_product(X, Y):
    return np.einsum("ij,jk->ik", X, Y)


@case(X="i j", Y="j k")
def einsum_implicit_output(X, Y):
    return np.einsum("kj,ji", X, Y)


@case(X="n n")
def einsum_repeated_label_kept(X):
    return np.einsum("ii->i", X)


@case(X="n n", y="n")
def einsum_repeated_label_summed(X, y):
    return np.einsum("ii,i->", X, y)


@case(X="n n m")
def einsum_repeated_label_in_batch(X):
    return np.einsum("iij->ji", X)


@case(X="b c m k", Y="b c k n", sizes={"c": 1, "n": 4})
def einsum_ellipsis(X, Y):
    return np.einsum("...ij,...jk->...ik", X, Y)


@case(X="b m n", y="b")
def einsum_ellipsis_behind(X, y):
    return np.einsum("b...,b->...", X, y)


@case(X="b m", A="m n", Y="b n")
def einsum_three_operands(X, A, Y):
    return np.einsum("bm,mn,bn->b", X, A, Y)


@case(X="m n")
def einsum_same_array_twice(X):
    return np.einsum("ij,ik->jk", X, X)


@case(X="m n", Y="n p")
def einsum_with_lists(X, Y):
    return np.einsum(X, [0, 1], Y, [1, 2], [2, 0])


@case(A="m n", B="p q", sizes={"q": 4})
def kron_matrices(A, B):
    return np.kron(A, B)


@case(x="m", y="n")
def kron_vectors(x, y):
    return np.kron(x, y)


@case(x="m", y="n")
def outer_product(x, y):
    return np.outer(x, y)


@case(X="m k", Y="n k")
def inner_matrices(X, Y):
    return np.inner(X, Y)


@case(x="n", y="n")
def inner_vectors(x, y):
    return np.inner(x, y) * x


@case(x="n", y="n")
def dot_vectors(x, y):
    return np.dot(x, y)


@case(X="m k", Y="k n")
def dot_matrices(X, Y):
    return X.dot(Y)


@case(X="b m k", Y="c k n", sizes={"n": 1, "m": 4})
def dot_of_higher_rank(X, Y):
    return np.dot(X, Y)


@case(a="", X="m n")
def dot_with_scalar(a, X):
    return np.dot(a, X)


@case(X="m n", Y="m n")
def vdot_flattens(X, Y):
    return np.vdot(X, Y)


@case(X="b n", Y="b n")
def vecdot_rows(X, Y):
    return np.vecdot(X, Y)


@case(X="b n", y="b")
def vecdot_axis(X, y):
    return np.vecdot(X, y[:, None], axis=0)


@case(X="m k l", Y="k l n", sizes={"l": 4})
def tensordot_two(X, Y):
    return np.tensordot(X, Y)


@case(X="m k", Y="k n")
def tensordot_one(X, Y):
    return np.tensordot(X, Y, axes=1)


@case(x="m", Y="k n")
def tensordot_none(x, Y):
    return np.tensordot(x, Y, axes=0)


@case(X="m k l", Y="l n k", sizes={"l": 4})
def tensordot_lists(X, Y):
    return np.tensordot(X, Y, axes=([1, 2], [2, 0]))


@case(x="b 3", y="b 3")
def cross_as_components(x, y):
    return np.stack([x[:, i - 2] * y[:, i - 1] - x[:, i - 1] * y[:, i - 2] for i in range(3)], axis=1)


# Diagonals and transposes -------------------------------------------------------------------------


@case(X="n n")
def trace(X):
    return np.trace(X @ X)


@case(X="n n b")
def trace_of_batch(X):
    return np.trace(X, axis1=0, axis2=1)


@case(X="n n")
def trace_method(X):
    return X.trace() * X


@case(X="n n")
def diagonal(X):
    return np.diagonal(X)


@case(X="b n n")
def diagonal_of_batch(X):
    return np.diagonal(X, axis1=1, axis2=2)


@case(x="n")
def diag_of_vector(x):
    return np.diag(x**2)


@case(X="n n")
def diag_of_matrix(X):
    return np.diag(X @ X)


@case(X="m n")
def transpose(X):
    return X.T * 2.0


@case(X="b m n")
def transpose_axes(X):
    return np.transpose(X, (2, 0, 1))


@case(X="b m n")
def transpose_method(X):
    return X.transpose(0, 2, 1) @ X


@case(X="b m n")
def transpose_last_two(X):
    return X.mT


@case(X="b m n")
def swapped_axes(X):
    return np.swapaxes(X, 0, -1)


@case(X="b m n")
def moved_axis(X):
    return np.moveaxis(X, 0, -1)


# Broadcasting -------------------------------------------------------------------------------------


@case(X="b n", c="n")
def row_added(X, c):
    return X + c


@case(X="b n", c="b")
def column_multiplied(X, c):
    return X * c[:, None]


@case(X="b n", c="b 1")
def column_of_width_one(X, c):
    return X / (2.0 + c)


@case(X="b n", c="1 n")
def row_of_height_one(X, c):
    return X * c - c


@case(a="", X="b n")
def scalar_input(a, X):
    return a * X + a**2


@case(x="m", y="n")
def differences_by_broadcasting(x, y):
    return (x[:, None] - y[None, :]) ** 2


@case(X="b m n", Y="m n", z="n")
def three_ranks(X, Y, z):
    return X * Y - z


@case(x="n")
def broadcast_to(x):
    return np.broadcast_to(x, (4, x.shape[0])) * WEIGHTS[0]


@case(X="b m", Y="b n")
def expanded_and_squeezed(X, Y):
    return np.squeeze(np.expand_dims(X, 2) * np.expand_dims(Y, 1) * np.expand_dims(X.sum(1), (1, 2)))


@case(X="b 3")
def captured_row(X):
    return X * WEIGHTS + TABLE[0]


# Reductions ---------------------------------------------------------------------------------------


@case(X="b m n")
def sum_over_axes(X):
    return np.sum(X**2, axis=(0, -1))


@case(X="b m")
def sum_keepdims(X):
    return X / np.sum(np.exp(X), axis=0, keepdims=True)


@case(X="b m")
def sum_builtin(X):
    return sum(X[:, :1] * X[:, k : k + 1] for k in range(2))


@case(X="b m n")
def mean_over_axes(X):
    return X.mean(axis=(0, 2)) ** 2


@case(X="b m")
def mean_of_all(X):
    return np.mean(X**3)


@case(X="b m")
def mean_by_shape(X):
    return X.sum(axis=0) / X.shape[0]


@case(X="b m")
def mean_by_size(X):
    return np.sum(X**2) / X.size


@case(X="b n", sizes={"n": 5})
def variance(X):
    return np.var(X, axis=-1)


@case(X="b m n", sizes={"b": 2})
def variance_unbiased(X):
    return X.var(axis=(0, -1), ddof=1, keepdims=True)


@case(X="b n", sizes={"n": 5})
def standard_deviation(X):
    return X / np.std(X, axis=1, keepdims=True)


@case(X="b m n", sizes={"b": 2})
def standard_deviation_unbiased(X):
    return np.std(X, axis=(0, 1), ddof=1)


def zeros_in_rows(args):
    """No zero in the first row, one in the second, two in the third."""
    args["X"][1, 1] = 0.0
    args["X"][2, [0, 3]] = 0.0


@case(X="b n", sizes={"b": 3, "n": 4})
def product(X):
    return np.prod(X, axis=1)


@case(X="b n", sizes={"b": 3, "n": 4}, prepare=zeros_in_rows)
def product_with_zeros(X):
    return np.prod(X, axis=1)


@case(X="b n", sizes={"b": 3, "n": 4}, prepare=zeros_in_rows)
def product_with_zeros_keepdims(X):
    return X + X.prod(axis=-1, keepdims=True)


@case(X="m n")
def product_of_all(X):
    return np.prod(X)


@case(X="b n")
def maximum_of_all(X):
    return np.max(X) * X


@case(X="b n", sizes={"n": 5})
def maximum_along_axis(X):
    return np.max(X**2, axis=1)


@case(X="b n", sizes={"n": 5})
def maximum_subtracted(X):
    return X - X.max(axis=-1, keepdims=True)


@case(X="b m n")
def minimum_over_axes(X):
    return X.min(axis=(0, 2))


@case(X="b n", sizes={"n": 5})
def range_of_values(X):
    return np.amax(X, axis=0) - np.amin(X, axis=0)


@case(x="n")
def norm_of_vector(x):
    return np.linalg.norm(x)


@case(X="m n")
def norm_frobenius(X):
    return np.linalg.norm(X, "fro")


@case(X="b n")
def norm_of_rows(X):
    return np.linalg.norm(X, axis=1)


@case(X="b n")
def norm_keepdims(X):
    return X / np.linalg.norm(X, axis=-1, keepdims=True)


@case(x="n", sizes={"n": 5})
def norm_one(x):
    return np.linalg.norm(x, ord=1) * x


@case(x="n", sizes={"n": 5})
def norm_largest(x):
    return np.linalg.norm(x, np.inf)


@case(x="n", sizes={"n": 5})
def norm_cubed(x):
    return np.linalg.norm(x, 3)


@case(X="b n")
def cumulative_sum(X):
    return np.cumsum(X**2, axis=1)


# Linear algebra -----------------------------------------------------------------------------------


@case(X="n n", domain="invertible")
def inverse(X):
    return np.linalg.inv(X)


@case(X="b n n", domain="invertible", sizes={"b": 2, "n": 3})
def inverse_of_batch(X):
    return np.linalg.inv(X)


@case(A="n n", B="n m", domain={"A": "invertible"})
def solve_matrix(A, B):
    return np.linalg.solve(A, B)


@case(A="n n", b="n", domain={"A": "invertible"})
def solve_vector(A, b):
    return np.linalg.solve(A, b)


@case(A="b n n", B="b n m", domain={"A": "invertible"}, sizes={"b": 2, "n": 3, "m": 1})
def solve_batched(A, B):
    return np.linalg.solve(A, B)


@case(X="n n", domain="invertible")
def determinant(X):
    return np.linalg.det(X)


@case(X="b n n", domain="invertible", sizes={"b": 2, "n": 3})
def determinant_of_batch(X):
    return np.linalg.det(X)


@case(X="n n", domain="invertible")
def log_determinant(X):
    sign, logabsdet = np.linalg.slogdet(X)
    return sign * logabsdet


@case(X="b n n", domain="invertible", sizes={"b": 2, "n": 3})
def log_determinant_by_attribute(X):
    return np.linalg.slogdet(X).logabsdet


@case(X="m n", sizes={"m": 5, "n": 2})
def pseudo_inverse_tall(X):
    return np.linalg.pinv(X)


@case(X="m n", sizes={"m": 2, "n": 5})
def pseudo_inverse_wide(X):
    return np.linalg.pinv(X)


@case(X="3 m", sizes={"m": 5})
def cholesky_of_gram(X):
    return np.linalg.cholesky(X @ X.T + EYE3)


@case(X="n n")
def matrix_power(X):
    return np.linalg.matrix_power(X, 3)


@case(X="n n", domain="invertible")
def matrix_power_negative(X):
    return np.linalg.matrix_power(X, -2)


# Masks and kinks ----------------------------------------------------------------------------------


@case(X="b n", Y="b n")
def where_of_comparison(X, Y):
    return np.where(X > Y, X * Y, X - Y)


@case(X="b n")
def where_with_scalar(X):
    return np.where(X > 0, X, 0.1 * X)


@case(X="2 3")
def where_with_captured_mask(X):
    return np.where(MASK, X**2, 0.0)


@case(X="b n")
def mask_multiplied(X):
    return (X > 0) * X + (X <= -0.7) * X**2


@case(X="b n")
def masks_combined(X):
    return np.where((X > -0.8) & (X < 0.8) & ~(X == 0), X**3, X)


@case(X="b n")
def clip_between_scalars(X):
    return np.clip(X, -0.75, 0.6) * X


@case(X="b n", low="n")
def clip_by_array(X, low):
    return np.clip(X, low - 1.0, None)


@case(X="b n", Y="b n")
def larger_of_two(X, Y):
    return np.maximum(X, Y) ** 2


@case(X="b n", y="n")
def smaller_of_two(X, y):
    return np.minimum(X, y) * X


@case(X="b n")
def relu(X):
    return np.maximum(X, 0)


@case(X="b n")
def absolute_difference(X):
    return np.abs(X - X.mean(axis=0)) ** 1.5 * np.sign(X)


# Elementary functions -----------------------------------------------------------------------------

UNARY = {
    "any": [
        *(np.exp, np.exp2, np.expm1, np.square, np.reciprocal, np.negative, np.positive),
        *(np.absolute, np.fabs, np.sign),
        *(np.sin, np.cos, np.tan, np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.deg2rad, np.rad2deg),
        *(np.radians, np.degrees, special.expit, special.log_expit, special.erf, special.erfc),
    ],
    "positive": [np.log, np.log2, np.log10, np.log1p, np.sqrt, np.cbrt],
    "between -1 and 1": [np.arcsin, np.arccos, np.arctanh],
    "above 1": [np.arccosh],
    "unit": [special.logit],
}


def unary(function):
    def apply(X):
        return function(X)

    return apply


for where, ufuncs in UNARY.items():
    for ufunc in ufuncs:
        case(X="b n", domain=where, name=f"elementary {ufunc.__name__}")(unary(ufunc))

BINARY = [
    *((ufunc, "any") for ufunc in (np.add, np.subtract, np.multiply, np.divide, np.arctan2, np.hypot)),
    *((ufunc, "any") for ufunc in (np.maximum, np.minimum, np.fmax, np.fmin, np.logaddexp, np.logaddexp2)),
    *((ufunc, "positive") for ufunc in (np.power, special.xlogy, special.xlog1py)),
]


def binary(function):
    def apply(X, y):
        return function(X, y)

    return apply


for ufunc, where in BINARY:
    case(X="b n", y="n", domain=where, name=f"elementary {ufunc.__name__}")(binary(ufunc))


@case(X="b n")
def powers(X):
    return X**3 - 2 * X**-1 + 2**X - (X**2) ** 0.5


@case(X="b n", Y="b n", domain="positive")
def power_of_two_arrays(X, Y):
    return X**Y


@case(X="b n")
def python_scalars(X):
    return 3 * X / 4 - 1 / (X + 5) + math.pi * X - (-X) + abs(X) ** 2


@case(X="b n", domain="positive")
def stable_pair(X):
    return np.log1p(np.expm1(X)) * np.log(X) + special.xlogy(X, X)


# Indexing, joining, reshaping ---------------------------------------------------------------------


@case(X="b n")
def first_row(X):
    return X[0] ** 2


@case(X="b n")
def last_column(X):
    return X[:, -1] * X[:, 0]


@case(X="b m n")
def ellipsis_then_integer(X):
    return X[..., 0] + X[0, ..., 1:].sum()


@case(X="b n")
def new_axes(X):
    return X[:, None, :] * X[None]


@case(X="b n", sizes={"n": 5})
def strided_slice(X):
    return X[:, ::2] ** 2


@case(X="b n", sizes={"n": 5})
def strided_slice_with_offset(X):
    return X[:, 1::2] * X[:, :-1:2]


@case(X="b n", sizes={"n": 5})
def reversed_slice(X):
    return X[::-1, ::-1] * X


@case(X="b n", sizes={"n": 5})
def negative_stride(X):
    return X[:, -2:0:-2]


@case(X="b n", sizes={"n": 5})
def finite_difference_of_neighbours(X):
    return (X[:, 1:] - X[:, :-1]) ** 2


@case(X="b n", sizes={"n": 5})
def slice_of_slice(X):
    return X[1:, 1:-1][:, ::-1]


@case(E="v d", sizes={"v": 4, "d": 2})
def lookup_with_repeats(E):
    return E[TOKENS] ** 2


@case(E="v d", sizes={"v": 4, "d": 2})
def take_with_repeats(E):
    return np.take(E, TOKENS, axis=0)


@case(X="3 m", sizes={"m": 4})
def picked_entries(X):
    return X[np.arange(3), LABELS]


@case(X="b n", Y="b n")
def stacked(X, Y):
    return np.stack([X, Y, X * Y], axis=1)


@case(X="b m", Y="b n")
def concatenated_last(X, Y):
    return np.concatenate([X**2, Y, X], axis=-1)


@case(X="m n", Y="k n")
def concatenated_first(X, Y):
    return np.concatenate((X, Y))


@case(X="m n", y="n")
def stacked_vertically(X, y):
    return np.vstack([X, y * y])


@case(X="b m", Y="b n")
def stacked_horizontally(X, Y):
    return np.hstack([X, Y]) * 2


@case(X="b m n")
def flipped(X):
    return np.flip(X, axis=(0, 2)) * X


@case(X="b n")
def rolled(X):
    return X * np.roll(X, 1, axis=1)


@case(X="b n")
def padded(X):
    return np.pad(X**2, ((0, 1), (2, 0)))


@case(X="b n")
def repeated(X):
    return np.repeat(X, 2, axis=0)


@case(X="b n", sizes={"b": 3, "n": 5})
def lower_triangle(X):
    return np.tril(X @ X.T)


@case(X="b m n")
def reshape_merging(X):
    return X.reshape(X.shape[0], -1) ** 2


@case(X="b m n")
def reshape_merging_first(X):
    return np.reshape(X, (X.shape[0] * X.shape[1], X.shape[2]))


@case(X="b n", sizes={"n": 4})
def reshape_splitting(X):
    return X.reshape(X.shape[0], 2, X.shape[1] // 2).sum(axis=1)


@case(X="b n")
def reshape_adding_and_dropping(X):
    return X.reshape(X.shape[0], 1, X.shape[1]).reshape(X.shape) * X


@case(X="b n", w="k")
def ravelled(X, w):
    return np.outer(X.ravel(), w) + X.flatten()[:, None]


# Statements ---------------------------------------------------------------------------------------


@case(X="b n", c="n")
def in_place(X, c):
    Y = X * 2
    Y += c
    Y *= Y
    Y -= Y.mean(axis=0)
    Y /= 3
    Y **= 2
    return Y


@case(X="b m", A="m m")
def in_place_loop(X, A):
    H = X
    for _ in range(2):
        H = H @ A
        H += X
    return H


@case(X="b n")
def several_outputs(X):
    S = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    return S, -np.sum(np.log(S)), X


@case(X="b m", A="m n")
def named_outputs(X, A):
    Y = np.tanh(X @ A)
    return {"hidden": Y, "loss": np.sum(Y**2) / 2}


def square_plus(value, other):
    return value**2 + scaled(other)


def scaled(value, factor=0.5):
    return factor * value


@case(X="b n", Y="b n")
def nested_functions(X, Y):
    return square_plus(X, square_plus(Y, X * Y))


@case(x="", y="")
def two_scalars(x, y):
    return np.stack([x**2 * y, x * y**2])


@case(v="2")
def one_vector_of_two(v):
    x, y = v[0], v[1]
    return np.stack([x**2 * y, x * y**2])


@case(p="3", domain="positive")
def spherical_coordinates(p):
    r, theta, phi = p[0], p[1], p[2]
    ring = r * np.sin(theta)
    return np.stack([ring * np.cos(phi), ring * np.sin(phi), r * np.cos(theta)])


@case(X="b m", Y="b n", A="m n")
def rayleigh_quotient(X, Y, A):
    return np.einsum("bm,mn,bn->", X, A, Y) / (np.linalg.norm(X) * np.linalg.norm(Y))


# Layers -------------------------------------------------------------------------------------------


@case(X="b m", W="m n", c="n")
def linear(X, W, c):
    return X @ W + c


@case(X="b n")
def softmax(X):
    E = np.exp(X)
    return E / E.sum(axis=-1, keepdims=True)


@case(X="b n")
def softmax_shifted(X):
    E = np.exp(X - X.max(axis=-1, keepdims=True))
    return E / E.sum(axis=-1, keepdims=True)


@case(X="b n")
def log_softmax(X):
    Z = X - np.max(X, axis=1, keepdims=True)
    return Z - np.log(np.sum(np.exp(Z), axis=1, keepdims=True))


@case(X="b n", T="b n", domain={"T": "positive"})
def cross_entropy(X, T):
    return -np.mean(np.sum(T * log_softmax(X), axis=1))


@case(X="3 4")
def cross_entropy_of_labels(X):
    return -np.mean(log_softmax(X)[np.arange(3), LABELS])


@case(X="b n", gamma="n", beta="n", sizes={"b": 2, "n": 5})
def layer_norm(X, gamma, beta):
    mean = X.mean(axis=-1, keepdims=True)
    variance = X.var(axis=-1, keepdims=True)
    return gamma * (X - mean) / np.sqrt(variance + 1e-5) + beta


@case(X="b n", gamma="n")
def rms_norm(X, gamma):
    return X / np.sqrt(np.mean(X**2, axis=-1, keepdims=True) + 1e-6) * gamma


@case(X="b n", gamma="n", beta="n", sizes={"b": 5, "n": 2})
def batch_norm(X, gamma, beta):
    centred = X - X.mean(axis=0)
    return centred / np.sqrt((centred**2).mean(axis=0) + 1e-5) * gamma + beta


@case(Q="s d", K="t d", V="t e")
def attention(Q, K, V):
    scores = Q @ K.T / np.sqrt(Q.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ V


@case(X="4 d", sizes={"d": 2})
def attention_causal(X):
    scores = np.where(CAUSAL, X @ X.T / np.sqrt(X.shape[-1]), -1e9)
    return softmax_shifted(scores) @ X


@case(X="b s d", W="d d", U="d d", V="d d", sizes={"b": 2, "s": 3, "d": 4})
def attention_multi_head(X, W, U, V):
    def heads(Z):
        return Z.reshape(Z.shape[0], Z.shape[1], 2, Z.shape[2] // 2).transpose(0, 2, 1, 3)

    Q, K, Z = heads(X @ W), heads(X @ U), heads(X @ V)
    weights = softmax(Q @ K.swapaxes(-1, -2) / np.sqrt(Q.shape[-1]))
    return (weights @ Z).transpose(0, 2, 1, 3).reshape(X.shape)


@case(X="b n")
def gelu(X):
    return 0.5 * X * (1 + special.erf(X / math.sqrt(2)))


@case(X="b n")
def gelu_by_tanh(X):
    return 0.5 * X * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X**3)))


@case(X="b m", W="m h", c="h", U="h n", sizes={"n": 4})
def tanh_mlp(X, W, c, U):
    return np.tanh(X @ W + c) @ U


@case(X="b m", gate="m h", up="m h", down="h m", sizes={"b": 2, "m": 3, "h": 5})
def gated_mlp(X, gate, up, down):
    Z = X @ gate
    return X + (Z * special.expit(Z) * (X @ up)) @ down


@case(x="b m", h="b k", W="m k", U="k k", R="k k", sizes={"m": 2, "b": 3, "k": 4})
def gru_cell(x, h, W, U, R):
    update = special.expit(x @ W + h @ U)
    candidate = np.tanh(x @ W + (1 - update) * (h @ R))
    return update * h + (1 - update) * candidate


@case(x="b m", y="b n", U="m r", V="n r", sizes={"r": 4})
def low_rank_bilinear(x, y, U, V):
    return np.sum((x @ U) * (y @ V), axis=-1)


@case(X="b d", Y="b d", tau="", domain={"tau": "positive"})
def contrastive(X, Y, tau):
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    Y = Y / np.linalg.norm(Y, axis=1, keepdims=True)
    logits = X @ Y.T / tau
    return np.mean(np.log(np.sum(np.exp(logits), axis=1)) - np.diagonal(logits))


@case(X="b d", mu="d", S="d d", domain={"S": "positive definite"}, sizes={"b": 3, "d": 2})
def gaussian_log_likelihood(X, mu, S):
    residual = X - mu
    distance = np.sum(residual * np.linalg.solve(S, residual.T).T)
    constant = X.shape[1] * math.log(2 * math.pi)
    return -0.5 * (distance + X.shape[0] * (np.linalg.slogdet(S)[1] + constant))


@case(x="d", y="d", S="d d", domain={"S": "positive definite"})
def mahalanobis(x, y, S):
    return np.sqrt((x - y) @ np.linalg.inv(S) @ (x - y))


@case(X="b n", y="b", penalty="", domain={"penalty": "positive"}, sizes={"b": 5})
def ridge_regression(X, y, penalty):
    return np.linalg.solve(X.T @ X + penalty * tj.eye(X.shape[1]), X.T @ y)


@case(X="b c n", W="k c 3", sizes={"b": 1, "c": 2, "k": 4, "n": 5})
def conv1d(X, W):
    width = X.shape[-1] - 2
    return sum(np.einsum("kc,bcn->bkn", W[:, :, t], X[:, :, t : t + width]) for t in range(3))


@case(X="3 b m", H="b k", W="m k", U="k k", c="k", sizes={"b": 2, "m": 3, "k": 4})
def recurrent(X, H, W, U, c):
    for t in range(3):
        H = np.tanh(X[t] @ W + H @ U + c)
    return H


@case(X="b m", Y="a b", Z="a m", sizes={"b": 4, "m": 3, "a": 2})
def products_by_a_matrix_and_a_part_of_it(X, Y, Z):
    return Y @ X + Y[:, :-1] @ X[:-1] + Z


@case(X="b m", Z="b m", sizes={"b": 4, "m": 3})
def inner_products_by_a_matrix_and_a_part_of_it(X, Z):
    return np.sum(X * Z) + np.sum(X[1:] * Z[:-1])


@case(T="m n", U="m r", V="n r")
def factorisation_loss(T, U, V):
    return np.mean((T - U @ V.T) ** 2) + 0.1 * (np.sum(U**2) + np.sum(V**2))


@case(X="b m", W="m h", U="h n", T="b n", sizes={"n": 4}, domain={"T": "positive"})
def classifier(X, W, U, T):
    return cross_entropy(relu(X @ W) @ U, T)


# More of what people write --------------------------------------------------------------------------


def equal_rows(args):
    args["X"][..., 0, :] = args["X"][..., 1, :]


@case(X="4 4", prepare=equal_rows)
def determinant_of_singular(X):
    return np.linalg.det(X)


@case(X="3 3", prepare=lambda args: args["X"].fill(0))
def determinant_of_zeros(X):
    return np.linalg.det(X)


@case(X="m 3", prepare=lambda args: args["X"][0].fill(0))
def product_with_a_row_of_zeros(X):
    return X.prod(axis=(0, 1)) + X.prod(axis=1).sum()


@case(X="m n")
def norms_of_all_orders(X):
    return np.linalg.norm(X, ord=1, axis=1), np.linalg.norm(X, np.inf), np.linalg.norm(X, 1), np.linalg.norm(X, -np.inf)


@case(X="m n")
def cumulative_sum_of_all(X):
    return np.cumsum(np.exp(X))


@case(X="m n")
def triangles(X):
    return np.tril(X) @ np.triu(X.T, 1)


@case(x="n", w="3", sizes={"n": 9})
def windows(x, w):
    return np.lib.stride_tricks.sliding_window_view(x, 3) @ w


@case(x="n")
def differences(x):
    return np.diff(x) ** 2, np.diff(x, n=2)


@case(E="v d", sizes={"v": 4})
def bags_of_rows(E):
    return E[np.array([[0, 2, 1], [2, 2, 0]])].sum(axis=1) ** 2


@case(E="b v", sizes={"v": 4})
def looked_up_columns(E):
    return np.exp(E[:, np.array([0, 2, 2, -1])])


@case(X="m n k")
def reduced_by_ufuncs(X):
    return np.add.reduce(X, axis=1), np.multiply.reduce(X, axis=0), np.maximum.reduce(X, axis=2)


@case(X="b h 4 s", W="s s")
def heads_merged_and_split(X, W):
    b, h, d, s = X.shape
    return (X.reshape(b, h * d, s) @ W).reshape(b, h, d, s).transpose(0, 2, 1, 3)


@case(x="b d", sizes={"d": 6})
def split_by_symbolic_size(x):
    b, d = x.shape
    halves = x.reshape(b, 2, d // 2)
    return np.tanh(halves).sum(axis=1) @ x[:, : d // 2].T


@case(x="n", a="")
def scalar_among_vectors(x, a):
    return a * x**2 + np.exp(a) * x.sum() - a**3


@case(X="1 n", y="n 1")
def sizes_of_one(X, y):
    return X * y + X.sum(axis=0) + y.squeeze(1)


@case(X="m n", Y="m n")
def cosine_similarity(X, Y):
    return (X * Y).sum(axis=1) / (np.linalg.norm(X, axis=1) * np.linalg.norm(Y, axis=1))


@case(X="b n")
def entropy(X):
    Z = X - X.max(axis=-1, keepdims=True)
    P = np.exp(Z) / np.exp(Z).sum(axis=-1, keepdims=True)
    return -(P * np.log(P)).sum(axis=-1)


@case(X="b n", T="b n")
def divergence_of_logits(X, T):
    P, Q = softmax(X), softmax(T)
    return np.mean(np.sum(P * (np.log(P) - np.log(Q)), axis=1))


@case(X="b n", Y="b n")
def joined_and_multiplied(X, Y):
    return np.concatenate([X, Y**2, X * Y], axis=-1).reshape(X.shape[0], 3, X.shape[1]).prod(axis=1)


@case(x="n", y="n")
def huber(x, y):
    r = np.abs(x - y)
    return np.where(r < 0.7, 0.5 * r**2, 0.7 * (r - 0.35)).mean()


@case(mu="b n", s="b n", y="b n")
def gaussian_with_log_variance(mu, s, y):
    return 0.5 * np.mean(s + (y - mu) ** 2 / np.exp(s))


@case(x="b m", W="m 8", U="2 8", h="b 2", c="b 2")
def lstm_cell(x, W, U, h, c):
    i, f, g, o = np.split(x @ W + h @ U, 4, axis=1)
    cell = special.expit(f) * c + special.expit(i) * np.tanh(g)
    return special.expit(o) * np.tanh(cell), cell


@case(X="n c h w", sizes={"c": 4, "n": 2, "h": 3, "w": 5})
def group_norm(X):
    n, c, h, w = X.shape
    Y = X.reshape(n, 2, c // 2, h, w)
    Y = (Y - Y.mean(axis=(2, 3, 4), keepdims=True)) / np.sqrt(Y.var(axis=(2, 3, 4), keepdims=True) + 0.5)
    return Y.reshape(n, c, h, w)


@case(X="b 2")
def whitened(X):
    D = X - X.mean(axis=0)
    C = D.T @ D / X.shape[0] + 0.5 * EYE2
    return np.linalg.solve(np.linalg.cholesky(C), D.T)


@case(x="n", M="n n", domain={"M": "invertible"})
def log_density_by_cholesky(x, M):
    L = np.linalg.cholesky(M @ M.T)
    z = np.linalg.solve(L, x)
    return 0.5 * z @ z + np.log(np.diagonal(L)).sum()


@case(X="b n", Z="b n")
def products_of_rows_reversed_both_ways(X, Z):
    return np.concatenate([X[1:], Z[:1]])[::-1, ::-1].prod(axis=1)


@case(X="b n")
def rotated_and_read_from_below(X):
    return np.concatenate([X[:, 1:], X[:, :1]], axis=1)[::-1].reshape(-1)


@case(X="v n", sizes={"v": 3, "n": 2})
def one_hot_of_labels_out_of_range(X):
    return (LABELS_OR_NONE[:, None] == tj.arange(X.shape[0])) @ X


@case(X="n m")
def one_hot_of_what_is_no_position(X):
    return (HALVES[:, None] == tj.arange(X.shape[0])) @ X


@case(X="b n", sizes={"b": 1})
def itself_turned_and_flat(X):
    T = np.tanh(X)
    return T.T, T, T.reshape(-1), T.T


@case(X="b n")
def rounded_and_compared_with_its_maximum(X):
    Y = np.stack([np.tanh(X), X, X[::-1]], axis=-1).mean(axis=-1)
    D = Y.max(axis=0) - Y
    return np.outer(D.sum(axis=1), D.sum(axis=0)).sum()


@case(X="n n")
def triangle_of_a_number(X):
    return np.tril(tj.ones(X.shape) * np.exp(X.shape[0] / 4)) + X


@case(X="b n", sizes={"b": 2})
def leaky_by_a_slope(X):
    return np.where(X > 0, 1.0, 0.1) * X


@case(X="b n", g="n", c="n", sizes={"b": 2, "n": 3})
def normalised_and_leaky(X, g, c):
    D = X - np.mean(X, -1, keepdims=True)
    Y = D * (np.sum(D * D, -1, keepdims=True) / X.shape[-1] + 1e-3) ** -0.5
    Y *= g
    Y += c
    return np.where(Y > 0.05, Y, 0.2 * Y)


@case(x="n", d="", sizes={"n": 4})
def three_pieces(x, d):
    return np.where(x < -0.9, -x, np.where(x < 0.6, x**2 * d, np.log(np.abs(x)) * d)) + np.abs(x) * np.sign(x)


@case(
    x="n",
    P="n n",
    H="m n",
    R="m m",
    z="m",
    sizes={"n": 3, "m": 2},
    domain={"P": "positive definite", "R": "positive definite"},
)
def kalman_update(x, P, H, R, z):
    S = H @ P @ H.T + R
    K = np.linalg.solve(S.T, H @ P.T).T
    return x + K @ (z - H @ x), (tj.eye(P.shape[0]) - K @ H) @ P


@case(X="b c n", W="k c 3", sizes={"b": 2, "c": 1, "k": 3, "n": 5})
def convolution_by_windows(X, W):
    return np.einsum("bcnk,ock->bon", np.lib.stride_tricks.sliding_window_view(X, 3, axis=2), W)


@case(z="b", t="b", domain={"t": "unit"})
def binary_cross_entropy_of_probabilities(z, t):
    p = 1 / (1 + np.exp(-z))
    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))
