"""Every identity of the table, derived: as numbers and as expressions, against closed forms."""

from functools import cache

import numpy as np
import pytest

import tensorjac as tj
from identities import IDENTITIES, WRONG
from oracles import (
    assert_close,
    differ,
    distinct_sizes,
    finite_difference_hessian,
    finite_difference_jacobian,
    random_inputs,
)


@cache
def traced(row):
    return tj.trace(row.fun, **row.shapes)


@cache
def derived(row):
    """The gradient where the output is a scalar, else the VJP."""
    F = traced(row)
    return F.vjp(row.wrt) if F.outputs["Y"] else F.grad(row.wrt)


def point(row, seed=0):
    """Inputs of the row, and of its derivative: with a cotangent where that takes one."""
    sizes = distinct_sizes(row.shapes, row.sizes)
    args = random_inputs(row.shapes, sizes, np.random.default_rng(seed), row.domain)
    cotangent = np.random.default_rng(seed + 1).normal(size=np.shape(row.fun(**args)))
    return args, {**args, "G": cotangent} if cotangent.ndim else args


def claim(row, text):
    """A text of the table as a function with the inputs of the derivative."""
    return tj.parse(text if "] = " in text else f"d{row.wrt} = {text}", **derived(row).inputs)


def texts(field):
    """One parameter for each text in a field of the table."""
    rows = [(row, text) for row in IDENTITIES for text in getattr(row, field)]
    return pytest.mark.parametrize(("row", "text"), rows, ids=[f"{row} = {text[:40]}" for row, text in rows])


def rows(where):
    return pytest.mark.parametrize("row", [row for row in IDENTITIES if where(row)], ids=str)


def contracted(cotangent, jacobian):
    return np.tensordot(cotangent, jacobian, np.ndim(cotangent))


@rows(lambda row: True)
def test_value(row):
    args, _ = point(row)
    assert_close(traced(row)(**args), row.fun(**args))


@rows(lambda row: True)
def test_gradient(row):
    args, with_cotangent = point(row)
    result = derived(row)(**with_cotangent)
    assert_close(result, row.closed(**with_cotangent))
    jacobian, error = finite_difference_jacobian(row.fun, args, row.wrt)
    cotangent = with_cotangent.get("G", np.float64(1))
    assert_close(result, contracted(cotangent, jacobian), contracted(np.abs(cotangent), error))


@rows(lambda row: not np.ndim(row.fun(**point(row)[0])))
def test_scalar_cotangent(row):
    """The VJP of a scalar function is its gradient, scaled."""
    args, _ = point(row)
    assert_close(traced(row).vjp(row.wrt)(**args, G=np.float64(-2.5)), -2.5 * row.closed(**args))


@texts("gradient")
def test_gradient_is_the_closed_form(row, text):
    assert claim(row, text) == derived(row)


@texts("gradient")
def test_closed_form_evaluates(row, text):
    _, with_cotangent = point(row)
    assert_close(claim(row, text)(**with_cotangent), row.closed(**with_cotangent))


@rows(lambda row: True)
def test_jacobian(row):
    args, _ = point(row)
    jacobian, error = finite_difference_jacobian(row.fun, args, row.wrt)
    J = traced(row).jacobian(row.wrt)
    assert J.shape == traced(row).outputs["Y"] + traced(row).inputs[row.wrt]
    assert_close(J.dense(**args), jacobian, error)
    assert_close(J(**args), jacobian, error)


@rows(lambda row: row.jacobian)
def test_jacobian_is_the_closed_form(row):
    """The left side shows the sizes of the output, since not every right side does."""
    J = traced(row).jacobian(row.wrt)
    out = ", ".join(f"{letter}:{size}" for letter, size in zip("ij", traced(row).outputs["Y"], strict=False))
    count = len(traced(row).outputs["Y"])
    letters = "ijkl"[count : len(J.shape)]
    assert tj.parse(f"∂Y[{out}]/∂{row.wrt}[{letters}] = {row.jacobian}", **traced(row).inputs) == J


@rows(lambda row: not np.ndim(row.fun(**point(row)[0])))
def test_hessian(row):
    args, _ = point(row)
    hessian, error = finite_difference_hessian(row.closed, args, row.wrt)
    H = traced(row).hessian(row.wrt)
    assert_close(H.dense(**args), hessian, error)
    if row.hessian_values:
        assert_close(H.dense(**args), row.hessian_values(**args))


@rows(lambda row: not np.ndim(row.fun(**point(row)[0])))
def test_hessian_times_vector(row):
    args, _ = point(row)
    hessian, error = finite_difference_hessian(row.closed, args, row.wrt)
    tangent = np.random.default_rng(3).normal(size=args[row.wrt].shape)
    expected = np.tensordot(hessian, tangent, tangent.ndim)
    error = np.tensordot(error, np.abs(tangent), tangent.ndim)
    assert_close(traced(row).hvp(row.wrt)(**args, **{f"d{row.wrt}": tangent}), expected, error)


@rows(lambda row: row.hessian)
def test_hessian_is_the_closed_form(row):
    H = traced(row).hessian(row.wrt)
    left = str(H).partition(" = ")[0]
    assert tj.parse(f"{left} = {row.hessian}", **H.inputs) == H


@rows(lambda row: row.row_major)
def test_jacobian_as_a_matrix(row):
    args, _ = point(row)
    J = traced(row).jacobian(row.wrt)
    assert_close(J.matrix()(**args), row.row_major(**args))
    assert_close(J.matrix(layout="denominator")(**args), row.row_major(**args).T)
    if row.column_major:
        assert_close(J.matrix("F")(**args), row.column_major(**args))
        assert_close(J.matrix("F", "denominator")(**args), row.column_major(**args).T)


@rows(lambda row: True)
def test_round_trip(row):
    for F in (traced(row), derived(row), traced(row).jacobian(row.wrt)):
        assert tj.parse(str(F), **F.inputs, **F.constants) == F


@pytest.mark.parametrize("row", WRONG, ids=str)
def test_wrong_claim_is_another_expression(row):
    if row.fits:
        assert claim(row, row.claim) != derived(row)
    if not row.symmetric:
        assert claim(row, row.right) == derived(row)


@pytest.mark.parametrize("row", [row for row in WRONG if row.fits], ids=str)
def test_wrong_claim_has_other_values(row):
    _, with_cotangent = point(row)
    assert differ(claim(row, row.claim)(**with_cotangent), derived(row)(**with_cotangent))
