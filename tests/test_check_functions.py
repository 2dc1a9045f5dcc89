"""No false alarms: the library's own gradients of ordinary NumPy functions are right, also against black boxes."""

import pytest

import tensorjac as tj
from functions import CASES

EVERY = list(CASES.values()) if isinstance(CASES, dict) else list(CASES)


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        chosen = EVERY if metafunc.config.getoption("--long") else EVERY[::5]
        metafunc.parametrize("case", chosen, ids=str)


@pytest.mark.parametrize("make", [tj.trace, tj.opaque])
def test_derived_gradients_are_right(make, case):
    gradients = tj.trace(case.fun, **case.shapes).vjp()

    def claim(*args):
        result = gradients(*args)
        return result if isinstance(result, tuple) else (result,)

    domain = dict.fromkeys(case.shapes, case.domain) if isinstance(case.domain, str) else dict(case.domain)
    domain = {name: what for name, what in domain.items() if what != "any"}
    report = tj.check_vjp(make(case.fun, **case.shapes), claim, domain=domain, sizes=case.sizes)
    assert report, report
