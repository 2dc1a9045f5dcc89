"""The checker: verdicts on right and wrong claims, and the causes that it names."""

import numpy as np
import pytest

import tensorjac as tj

SHAPES = {"X": "b m", "A": "m n"}


def matmul(X, A):
    return X @ A


def causes(report):
    return [finding.cause for finding in report.findings]


@pytest.mark.parametrize("make", [tj.trace, tj.opaque])
@pytest.mark.parametrize(
    "claim",
    [
        {"A": "X.T @ G"},
        {"A": "dA = (G.T @ X).T"},
        {"X": "dX[ij] = G[ik] A[jk]", "A": None},
        lambda X, A, G: (G @ A.T, X.T @ G),
        lambda x, a, dout: (dout @ a.T, x.T @ dout),
        lambda p, q, r: (r @ q.T, p.T @ r),
        lambda G, A, X: (G @ A.T, X.T @ G),
        lambda X, A, G: {"X": G @ A.T, "dA": X.T @ G},
        lambda X, A, G: (None, X.T @ G),
        {"A": lambda X, A, G: X.T @ G},
        lambda *args: (args[2] @ args[1].T, args[0].T @ args[2]),
        lambda X, A, G: ((G @ A.T).astype(np.float32), X.astype(np.float32).T @ G.astype(np.float32)),
    ],
)
def test_right_claims(make, claim):
    report = tj.check_vjp(make(matmul, **SHAPES), claim)
    assert report, report
    report.raise_if_wrong()


@pytest.mark.parametrize("make", [tj.trace, tj.opaque])
@pytest.mark.parametrize(
    ("claim", "cause"),
    [
        ({"A": "G.T @ X"}, ["transposed"]),
        ({"A": "-X.T @ G"}, ["sign"]),
        ({"A": "X.T @ G / X.shape[0]"}, ["size-factor"]),
        ({"A": "2 * X.T @ G"}, ["factor-two"]),
        ({"A": "G.T @ X / X.shape[0]"}, ["transposed", "size-factor"]),
        ({"X": "X.T @ G"}, ["copied"]),
        ({"A": "np.zeros_like(A)"}, ["zero"]),
        ({"A": "(X.T @ G).reshape(-1)"}, ["shape"]),
        ({"X": "G.sum(axis=1)"}, ["shape"]),
        (lambda X, A, G: (None, np.outer(X, G)[: A.size]), ["shape"]),
        (lambda X, A, G: (X @ G, None), ["raises"]),
    ],
)
def test_causes(make, claim, cause):
    report = tj.check_vjp(make(matmul, **SHAPES), claim)
    assert report.verdict == "wrong"
    assert causes(report) == cause
    with pytest.raises(tj.DerivationError) as error:
        report.raise_if_wrong()
    assert str(error.value) == str(report)
