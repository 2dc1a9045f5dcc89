"""One BLAS thread and one seed for the whole run, Hypothesis in a quick and a long profile, and every raise read."""

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
        # the same commit passes or fails everywhere; what nobody has thought of is looked for by the long profile
        config.option.hypothesis_seed = random.SystemRandom().randrange(2**32) if config.getoption("--long") else 0
    if hasattr(config, "workerinput") or is_whole(config):
        config.pluginmanager.register(RaisesAreRead(config))


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.getoption("--hypothesis-seed")
    return f"seed: {seed} (repeat with --hypothesis-seed={seed})"


def is_whole(config: pytest.Config) -> bool:
    """Whether the whole suite runs, not a part of it."""
    options = ("keyword", "markexpr", "deselect", "lf", "collectonly", "maxfail")
    picked = any(config.getoption(name, False) for name in options)
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not picked


class RaisesAreRead:
    """Notes the errors of a run of the whole suite; each place that raises has a test with its whole message."""

    def __init__(self, config: pytest.Config) -> None:
        from raises import Reader  # imports NumPy, for which the variables above have to be set

        self.reader = Reader()
        watching = self.reader.watching()
        watching.__enter__()
        config.add_cleanup(lambda: watching.__exit__(None, None, None))
        self.read: set[tuple[str, int, int]] = set()
        self.unread: list[str] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """A process of several has ended."""
        self.read.update(map(tuple, getattr(node, "workeroutput", {}).get("read", ())))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.read |= self.reader.read()
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["read"] = sorted(self.read)
        elif session.exitstatus == pytest.ExitCode.OK:
            self.unread = self.reader.unread(self.read)
            if self.unread:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.unread:
            terminalreporter.section("raised without a test that has the whole message", red=True)
            terminalreporter.write_line("\n".join(self.unread))
