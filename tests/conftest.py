"""One BLAS thread per process, one seed for the whole run, and Hypothesis in a quick and a long profile."""

import os
import random

import pytest
from hypothesis import HealthCheck, settings

# BLAS reads these when NumPy is first imported, which neither pytest nor Hypothesis has done. The suite runs
# one process per core: more threads would only take time from each other.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

_common = settings(
    derandomize=False,  # also where CI=true, for which Hypothesis has a profile of its own
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", _common, max_examples=30)
settings.register_profile("long", _common, max_examples=1000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="draw 1000 examples per property instead of 30")


@pytest.hookimpl(tryfirst=True)  # before Hypothesis reads the seed
def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("long" if config.getoption("--long") else "quick")
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = random.SystemRandom().randrange(2**32)


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.getoption("--hypothesis-seed")
    return f"seed: {seed} (repeat with --hypothesis-seed={seed})"
