"""The table of primitives: a name, a value, and the derivative as a line of mathematics.

Rules are index notation. ``X`` (``X1``, ``X2``, …) are the arguments and ``Y`` the value; elementwise rules leave the
indices out. Everything else, second derivatives included, follows from these lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .dims import Dim
from .interop import special
from .terms import Index, Sum

Array = Any
SignRule = Callable[[tuple[int, ...]], int]


def _unknown(args: tuple[int, ...]) -> int:
    return 0


def _nonnegative(args: tuple[int, ...]) -> int:
    return 1


def _positive(args: tuple[int, ...]) -> int:
    return 2


@dataclass(frozen=True, eq=False)
class Primitive:
    """A function with its value and the derivative by each argument.

    ``signature`` is NumPy's gufunc notation for the axes that belong to the function; the other axes are batch axes.
    ``source`` is how the value is written in NumPy, with ``{0}``, ``{1}``, … for the arguments; ``reduces`` says that
    the signature's one axis may stand for several, ``commutes`` that two arguments may change places. ``steps`` are
    values that the source needs besides, called ``{1}``, ``{2}``, … in it and in each other, each with its name.
    ``domain`` is where tests draw the arguments.
    """

    name: str
    source: str
    value: Callable[..., Array]
    rules: tuple[str, ...]
    signature: str = ""
    range: SignRule = _unknown
    boolean: bool = False
    reduces: bool = False
    keeps_symmetry: bool = False
    commutes: bool = False
    exchanges: tuple[tuple[int, ...], ...] = ()  # orders of the result's own axes that leave it as it is
    steps: tuple[tuple[str, str], ...] = ()
    domain: str = "any"
    latex: str = ""

    @property
    def arity(self) -> int:
        return len(self.rules)

    @property
    def elementwise(self) -> bool:
        return not self.signature

    def sign(self, args: tuple[int, ...]) -> int:
        return self.range(args)

    def symmetries(self, args: tuple[Sum, ...], batch: int) -> tuple[tuple[int, ...], ...]:
        if self.keeps_symmetry and _is_symmetric(args[0], batch):
            return ((1, 0), *self.exchanges)
        return self.exchanges

    def core(self, arg: int) -> str:
        """The letters of the axes that argument number ``arg`` contributes, such as ``nn``."""
        return self._cores[0][arg] if self.signature else ""

    @property
    def core_out(self) -> str:
        return self._cores[1] if self.signature else ""

    @property
    def _cores(self) -> tuple[list[str], str]:
        left, right = self.signature.split("->")
        groups = [group.strip("()").replace(",", "") for group in left.split("),(")]
        return groups, right.strip("()").replace(",", "")


def _is_symmetric(arg: Sum, batch: int) -> bool:
    row, column = (next((i for i in arg.labels if i.number == batch + k), None) for k in (0, 1))
    if row is None or column is None or row.dim is not column.dim:
        return False
    return arg.substitute({row: column, column: row}) == arg


def _softplus(x: Array) -> Array:
    return np.logaddexp(x, np.zeros_like(x, shape=()))


def _sigmoid(x: Array) -> Array:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def _heaviside(x: Array) -> Array:
    return np.heaviside(x, np.asarray(0.5, dtype=np.result_type(x)))


def _xlogy(x: Array, y: Array) -> Array:
    return np.where(x == 0, 0, x * np.log(np.where(x == 0, 1, y)))


def _erf(x: Array) -> Array:
    return special().erf(x)


def _where(condition: Array, x: Array, y: Array) -> Array:
    return np.where(np.asarray(condition) != 0, x, y)


def _adjugate(x: Array) -> Array:
    """V diag(Π_c≠a s_c) Uᵀ, the sign of U and V before it: no division, so that x may be singular."""
    u, s, v = np.linalg.svd(x)
    rest = np.where(np.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]).prod(axis=-1)
    return np.linalg.det(u @ v)[..., None, None] * (v.mT * rest[..., None, :]) @ u.mT


def _minors(x: Array) -> Array:
    u, s, v = np.linalg.svd(x)
    eye = np.eye(s.shape[-1], dtype=bool)
    rest = np.where(eye, 0, np.where(eye[:, None] | eye, 1, s[..., None, None, :]).prod(axis=-1))
    pairs = np.einsum("...ia,...aj,...ab,...kb,...bl->...ijkl", u, v, rest, u, v, optimize=True)
    return np.linalg.det(u @ v)[..., None, None, None, None] * (pairs - pairs.swapaxes(-4, -2))


def _reduced(function: Callable[..., Array]) -> Callable[..., Array]:
    def value(x: Array, axes: int = 1) -> Array:
        return function(x, axis=tuple(range(-axes, 0)))

    return value


_ROWS = (
    # elementwise, one argument
    Primitive("exp", "np.exp({0})", np.exp, ("Y",), range=_positive, latex=r"\exp"),
    Primitive("expm1", "np.expm1({0})", np.expm1, ("exp(X)",)),
    Primitive("log", "np.log({0})", np.log, ("1/X",), domain="positive", latex=r"\log"),
    Primitive("log1p", "np.log1p({0})", np.log1p, ("1/(1 + X)",), domain="positive"),
    Primitive("log2", "np.log2({0})", np.log2, ("1.4426950408889634/X",), domain="positive", latex=r"\log_2"),
    Primitive("log10", "np.log10({0})", np.log10, ("0.4342944819032518/X",), domain="positive", latex=r"\log_{10}"),
    Primitive("cbrt", "np.cbrt({0})", np.cbrt, ("1/(3 Y^2)",), domain="nonzero"),
    Primitive("abs", "np.abs({0})", np.abs, ("sign(X)",), range=_nonnegative, domain="nonzero"),
    Primitive("sign", "np.sign({0})", np.sign, ("0",), domain="nonzero"),
    Primitive("heaviside", "np.heaviside({0}, 0.5)", _heaviside, ("0",), range=_nonnegative, domain="nonzero"),
    Primitive("sin", "np.sin({0})", np.sin, ("cos(X)",), latex=r"\sin"),
    Primitive("cos", "np.cos({0})", np.cos, ("-sin(X)",), latex=r"\cos"),
    Primitive("tan", "np.tan({0})", np.tan, ("1 + Y^2",), domain="unit", latex=r"\tan"),
    Primitive("arcsin", "np.arcsin({0})", np.arcsin, ("(1 - X^2)^(-1/2)",), domain="unit", latex=r"\arcsin"),
    Primitive("arccos", "np.arccos({0})", np.arccos, ("-(1 - X^2)^(-1/2)",), domain="unit", latex=r"\arccos"),
    Primitive("arctan", "np.arctan({0})", np.arctan, ("1/(1 + X^2)",), latex=r"\arctan"),
    Primitive("sinh", "np.sinh({0})", np.sinh, ("cosh(X)",), latex=r"\sinh"),
    Primitive("cosh", "np.cosh({0})", np.cosh, ("sinh(X)",), range=_positive, latex=r"\cosh"),
    Primitive("tanh", "np.tanh({0})", np.tanh, ("1 - Y^2",), latex=r"\tanh"),
    Primitive("arcsinh", "np.arcsinh({0})", np.arcsinh, ("(1 + X^2)^(-1/2)",)),
    Primitive("arccosh", "np.arccosh({0})", np.arccosh, ("(X^2 - 1)^(-1/2)",), range=_nonnegative, domain="above 1"),
    Primitive("arctanh", "np.arctanh({0})", np.arctanh, ("1/(1 - X^2)",), domain="unit"),
    Primitive("sigmoid", "1 / (1 + np.exp(-{0}))", _sigmoid, ("Y (1 - Y)",), range=_positive, latex=r"\sigma"),
    Primitive("softplus", "np.logaddexp({0}, 0)", _softplus, ("sigmoid(X)",), range=_positive),
    Primitive("erf", "erf({0})", _erf, ("1.1283791670955126 exp(-X^2)",)),
    # elementwise, several arguments
    Primitive(
        "logaddexp",
        "np.logaddexp({0}, {1})",
        np.logaddexp,
        ("sigmoid(X1 - X2)", "sigmoid(X2 - X1)"),
        commutes=True,
    ),
    Primitive(
        "arctan2",
        "np.arctan2({0}, {1})",
        np.arctan2,
        ("X2/(X1^2 + X2^2)", "-X1/(X1^2 + X2^2)"),
        domain="nonzero",
    ),
    Primitive(
        "maximum",
        "np.maximum({0}, {1})",
        np.maximum,
        ("heaviside(X1 - X2)", "heaviside(X2 - X1)"),
        range=lambda args: max(args),
        commutes=True,
        latex=r"\max",
    ),
    Primitive(
        "minimum",
        "np.minimum({0}, {1})",
        np.minimum,
        ("heaviside(X2 - X1)", "heaviside(X1 - X2)"),
        range=lambda args: min(args),
        commutes=True,
        latex=r"\min",
    ),
    Primitive(
        "power",
        "{0} ** {1}",
        np.power,
        ("where(equal(X2, 0), 0, X2 power(X1, where(equal(X2, 0), 1, X2) - 1))", "Y log(where(equal(X1, 0), 1, X1))"),
        range=lambda args: args[0],
        domain="positive",
    ),
    Primitive("xlogy", "xlogy({0}, {1})", _xlogy, ("log(X2)", "X1/X2"), domain="positive"),
    Primitive(
        "where",
        "np.where({0}, {1}, {2})",
        _where,
        ("0", "mask(X1)", "1 - mask(X1)"),
        range=lambda args: min(args[1:]),
        domain="nonzero",
    ),
    # masks: 1 where the condition holds and 0 elsewhere
    Primitive("mask", "({0} != 0)", lambda x: x != 0, ("0",), range=_nonnegative, boolean=True, domain="nonzero"),
    Primitive("greater", "({0} > {1})", np.greater, ("0", "0"), range=_nonnegative, boolean=True, domain="nonzero"),
    Primitive(
        "greater_equal",
        "({0} >= {1})",
        np.greater_equal,
        ("0", "0"),
        range=_nonnegative,
        boolean=True,
        domain="nonzero",
    ),
    Primitive(
        "equal",
        "({0} == {1})",
        np.equal,
        ("0", "0"),
        range=_nonnegative,
        boolean=True,
        commutes=True,
        domain="nonzero",
    ),
    # reductions
    Primitive(
        "max",
        "{0}.max({axes})",
        _reduced(np.max),
        ("∂Y[]/∂X[k] = equal(X[k], Y[]) / (Σ_j equal(X[j], Y[]))",),
        "(n)->()",
        range=lambda args: args[0],
        reduces=True,
        latex=r"\max",
    ),
    Primitive(
        "min",
        "{0}.min({axes})",
        _reduced(np.min),
        ("∂Y[]/∂X[k] = equal(X[k], Y[]) / (Σ_j equal(X[j], Y[]))",),
        "(n)->()",
        range=lambda args: args[0],
        reduces=True,
        latex=r"\min",
    ),
    Primitive(
        "prod",
        "{0}.prod({axes})",
        _reduced(np.prod),
        # with a one in place of the factor left out, instead of Y/X[k]: exact at zeros, to every order
        ("∂Y[]/∂X[k] = prod_j(X[j] + δ[jk] (1 - X[j]))",),
        "(n)->()",
        range=lambda args: args[0],
        reduces=True,
        latex=r"\prod",
    ),
    # matrices
    Primitive(
        "inv",
        "np.linalg.inv({0})",
        np.linalg.inv,
        ("∂Y[ij]/∂X[kl] = -Y[ik] Y[lj]",),
        "(n,n)->(n,n)",
        keeps_symmetry=True,
        domain="invertible",
    ),
    Primitive(
        "det",
        "np.linalg.det({0})",
        np.linalg.det,
        ("∂Y[]/∂X[kl] = adj(X)[lk]",),
        "(n,n)->()",
        latex=r"\det",
    ),
    Primitive(
        # det(X) inv(X), but a polynomial of the entries: exact where X is singular
        "adj",
        "np.matmul(np.matrix_transpose({1.}.Vh) * ({2.}[..., None] * {3})[..., None, :], np.matrix_transpose({1.}.U))",
        _adjugate,
        ("∂Y[ij]/∂X[kl] = minors(X)[jikl]",),
        "(n,n)->(n,n)",
        keeps_symmetry=True,
        steps=(
            ("svd", "np.linalg.svd({0})"),
            ("sign", "np.linalg.det({1.}.U @ {1.}.Vh)"),
            ("rest", "np.prod(np.where(np.identity({1.}.S.shape[-1], bool), 1, {1.}.S[..., None, :]), axis=-1)"),
        ),
        latex=r"\operatorname{adj}",
    ),
    Primitive(
        # ∂²det(X)/∂X[ij]∂X[kl]: of X with the unit vector j as row i, the cofactor of k, l
        "minors",
        'np.multiply({2.}[..., None, None, None, None], {5} - np.einsum("...ijkl->...kjil", {5}))',
        _minors,
        ("∂Y[ijkl]/∂X[pq] = minors_ab(X[ab] + δ[ai] (δ[bj] - X[ab]))[klpq] (1 - δ[ik]) (1 - δ[ip])",),
        "(n,n)->(n,n,n,n)",
        exchanges=((2, 3, 0, 1),),
        steps=(
            ("svd", "np.linalg.svd({0})"),
            ("sign", "np.linalg.det({1.}.U @ {1.}.Vh)"),
            ("eye", "np.identity({1.}.S.shape[-1], bool)"),
            (
                "rest",
                "np.where({3}, 0, np.prod(np.where({3.}[:, None] | {3}, 1, {1.}.S[..., None, None, :]), axis=-1))",
            ),
            (
                "pairs",
                'np.einsum("...ia,...aj,...ab,...kb,...bl->...ijkl", '
                "{1.}.U, {1.}.Vh, {4}, {1.}.U, {1.}.Vh, optimize=True)",
            ),
        ),
    ),
    Primitive(
        "logabsdet",
        "np.linalg.slogdet({0})[1]",
        lambda x: np.linalg.slogdet(x)[1],
        ("∂Y[]/∂X[kl] = inv(X)[lk]",),
        "(n,n)->()",
        domain="invertible",
        latex=r"\log|\det|",
    ),
    Primitive(
        "signdet",
        "np.linalg.slogdet({0})[0]",
        lambda x: np.linalg.slogdet(x)[0],
        ("∂Y[]/∂X[kl] = 0",),
        "(n,n)->()",
        domain="invertible",
    ),
    Primitive(
        "pinv",
        "np.linalg.pinv({0})",
        np.linalg.pinv,
        # Golub and Pereyra 1973, for constant rank
        (
            "∂Y[ij]/∂X[kl] = -Y[ik] Y[lj] + Y[ia] Y[la] (δ[kj] - Σ_c X[kc] Y[cj])"
            " + (δ[il] - Σ_a Y[ia] X[al]) Y[ck] Y[cj]",
        ),
        "(m,n)->(n,m)",
        keeps_symmetry=True,
        domain="full rank",
    ),
    Primitive(
        "cholesky",
        "np.linalg.cholesky({0})",
        np.linalg.cholesky,
        # Murray 2016, L Φ(L⁻¹ dX L⁻ᵀ) with Φ the lower triangle, its diagonal halved; symmetrised in kl
        (
            "∂Y[ij]/∂X[kl] = 1/2 Y[ia] (tril[aj] - 1/2 δ[aj]) inv(Y)[ak] inv(Y)[jl]"
            " + 1/2 Y[ia] (tril[aj] - 1/2 δ[aj]) inv(Y)[al] inv(Y)[jk]",
        ),
        "(n,n)->(n,n)",
        domain="positive definite",
    ),
)

PRIMITIVES: dict[str, Primitive] = {row.name: row for row in _ROWS}


def core_shape(primitive: Primitive, cores: tuple[tuple[Index, ...], ...]) -> tuple[Dim, ...]:
    """The sizes of the result's own axes, from those of the arguments."""
    sizes: dict[str, Dim] = {}
    if primitive.reduces:
        return ()
    for k, core in enumerate(cores):
        sizes.update(zip(primitive.core(k), (index.dim for index in core), strict=True))
    return tuple(sizes[letter] for letter in primitive.core_out)
