"""Peak memory of Jacobians: inputs, output and a tenth, as the kernel counts it."""

import os
import tracemalloc

import numpy as np
import pytest

import peaks
import tensorjac as tj


@pytest.fixture(scope="module")
def measured():
    if not os.access(peaks.CLEAR, os.W_OK):
        pytest.skip("only Linux forgets how much memory a process has taken")
    return peaks.measured()


@pytest.mark.parametrize("name", peaks.CASES)
def test_dense_takes_what_it_returns_and_a_tenth(name, measured):
    inputs, size, grown = measured[name]
    assert max(inputs, size) > 10e6
    assert grown <= size + (inputs + size) / 10


def test_core_of_what_would_not_fit():
    """Of a dense form of 2 GiB, and of what nobody could store, the core is as large as it is."""
    J = tj.trace(lambda X, A: X @ A, X="b m", A="m n").jacobian("A")
    X, A = np.ones((512, 512)), np.ones((512, 512))
    tracemalloc.start()
    try:
        ((_, core),) = J.core(X, A)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert core.shape == (512, 512)
    assert peak < 2 * core.nbytes


def test_the_jvp_of_cholesky_keeps_to_matrices():
    """Contractions within contractions are opened, too: none has three axes."""
    K = tj.trace(lambda A: np.linalg.cholesky(A), A="n n").jvp()
    A = np.diag(np.linspace(1, 2, 120))
    K(A, A)
    tracemalloc.start()
    try:
        K(A, A)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 15 * A.nbytes
