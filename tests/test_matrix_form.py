"""Jacobians as matrices: the four conventions as numbers, and the Kronecker forms that are printed."""

import re
from itertools import product

import numpy as np
import pytest

import tensorjac as tj
from identities import IDENTITIES
from oracles import assert_close
from test_jacobian import flat, jacobian, point

CONVENTIONS = list(product("CF", ("numerator", "denominator")))


@pytest.mark.parametrize("row", IDENTITIES, ids=str)
def test_every_convention(row):
    J, args = jacobian(row), point(row)
    dense = J.dense(**args)
    row_major, rank = flat(J, dense), J._rank
    column_major = dense.transpose(*reversed(range(rank)), *reversed(range(rank, dense.ndim))).reshape(row_major.shape)
    for order, layout in CONVENTIONS:
        M = J.matrix(order, layout)
        expected = row_major if order == "C" else column_major
        assert_close(M(**args), expected if layout == "numerator" else expected.T)
        assert tj.parse(str(M), **M.inputs, **M.constants) == M


class Matrix:
    """A matrix in a text: juxtaposition is ``**``, which binds tighter than ⊗, which is ``@``."""

    def __init__(self, array):
        self.array = array

    def __pow__(self, other):
        return Matrix(self.array @ other.array if isinstance(other, Matrix) else self.array * other)

    def __rpow__(self, number):
        return Matrix(number * self.array)

    def __matmul__(self, other):
        return Matrix(np.kron(self.array, other.array))

    def __add__(self, other):
        return Matrix(self.array + other.array)

    def __sub__(self, other):
        return Matrix(self.array - other.array)

    def __neg__(self):
        return Matrix(-self.array)

    @property
    def T(self):
        return Matrix(self.array.T)

    @property
    def squared(self):
        return Matrix(self.array @ self.array)

    @property
    def inv(self):
        return Matrix(np.linalg.inv(self.array))


def values(text, names, sizes):
    """All values of a Kronecker form, identities and columns of ones being of any size that fits."""
    code = text.replace("⁻ᵀ", ".inv.T").replace("⁻¹", ".inv").replace("ᵀ", ".T").replace("²", ".squared")
    code = re.sub(r"(?<=[\w)])\s+(?=[\w(])", " ** ", code.replace(" ⊗ ", " @ ").replace("𝟏", "E"))
    found = re.findall(r"\b[IE]\b", code)
    places = iter(range(len(found)))
    code = re.sub(r"\b[IE]\b", lambda match: f"{match[0]}{next(places)}", code)
    for chosen in product(sizes, repeat=len(found)):
        made = [np.eye(size) if name == "I" else np.ones((size, 1)) for name, size in zip(found, chosen, strict=True)]
        scope = {f"{name}{k}": Matrix(array) for k, (name, array) in enumerate(zip(found, made, strict=True))}
        try:
            yield eval(code, {**names, **scope}).array
        except ValueError:
            continue


def commutation(rows, columns):
    """K with K vec(A) = vec(Aᵀ) for the row-major vec of A with these rows and columns."""
    return (
        np.eye(rows * columns).reshape(rows, columns, rows, columns).transpose(1, 0, 2, 3).reshape(rows * columns, -1)
    )


SPELLED = [
    row for row in IDENTITIES if not re.search(r"None|diag|[\^/½³∘⊘‖]|^0$", str(jacobian(row).matrix().kronecker))
]


@pytest.mark.parametrize("row", SPELLED, ids=str)
def test_kronecker_form_has_the_value_of_the_matrix(row):
    J, args = jacobian(row), point(row)
    names = {name: Matrix(array if array.ndim != 1 else array[:, None]) for name, array in args.items()}
    into = args[row.wrt].shape
    for order, layout in CONVENTIONS:
        if len(into) == 2:
            names["K"] = Matrix(commutation(*(into if order == "C" else into[::-1])))
        M = J.matrix(order, layout)
        expected = M(**args)
        sizes = {size for array in args.values() for size in array.shape}
        found = [value for value in values(M.kronecker, names, sizes) if value.shape == expected.shape]
        assert any(np.allclose(value, expected, rtol=1e-12, atol=1e-12) for value in found), M.kronecker


FORMS = {
    "XA by A": ("X ⊗ I", "I ⊗ X", r"X \otimes I"),
    "XA by X": ("I ⊗ Aᵀ", "Aᵀ ⊗ I", r"I \otimes A^{\top}"),
    "AXB by X": ("A ⊗ Bᵀ", "Bᵀ ⊗ A", r"A \otimes B^{\top}"),
    "Xᵀ by X": ("K", "K", "K"),
    "XᵀX by X": ("(I ⊗ Xᵀ) K + Xᵀ ⊗ I", "(Xᵀ ⊗ I) K + I ⊗ Xᵀ", r"(I \otimes X^{\top}) K + X^{\top} \otimes I"),
    "Ax by A": ("I ⊗ xᵀ", "xᵀ ⊗ I", r"I \otimes x^{\top}"),
    "sin(X) by X": (
        "diag(vec(cos(X)))",
        "diag(vec(cos(X)))",
        r"\operatorname{diag}(\operatorname{vec}(\cos(X)))",
    ),
    "row softmax by X": (None, None, None),
}


@pytest.mark.parametrize("name", FORMS)
def test_kronecker_form(name):
    (row,) = [row for row in IDENTITIES if str(row) == name]
    row_major, column_major, latex = FORMS[name]
    J = jacobian(row)
    assert J.matrix().kronecker == row_major
    assert J.matrix("F").kronecker == column_major
    if latex:
        assert J.matrix().latex() == f"J = {latex}"


def test_the_text_says_which_convention_it_is():
    J = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A")
    assert str(J.matrix("F", "denominator")) == (
        "J[(i:n, j), (kl)] = δ[ik] X[lj]  # I ⊗ Xᵀ: column-major vec, denominator layout (input × output)"
    )
    assert str(J.matrix().convention) == "row-major vec, numerator layout (output × input)"
    taken = tj.trace(lambda J, A: J @ A, J="b m", A="m n").jacobian("A").matrix()
    assert list(taken.outputs) == ["J_"]


def test_the_matrix_that_swaps_has_a_name_of_its_own():
    assert tj.trace(lambda K: K.T, K="m n").jacobian("K").matrix().kronecker == "K_"
