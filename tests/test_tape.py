"""The backward pass in numbers: right without a mistake, and with one what that mistake is meant to be."""

import numpy as np
import pytest

import tensorjac as tj
from functions import CASES
from spellings import LAYERS
from tensorjac.check.opaque import Opaque
from tensorjac.check.questions import Question
from tensorjac.check.tape import Mistake, Tape, nothing
from tensorjac.check.trials import Setting
from tensorjac.testing import derivable, with_cache

EVERY = list(CASES.values()) if isinstance(CASES, dict) else list(CASES)


def tapes(F, shapes, domain=None, sizes=None):
    """The tapes at the points of a check, each with the true gradients."""
    question = Question(F, "vjp")
    setting = Setting(question, sizes or {}, domain or {}, {}, 0)
    real = [name for name in shapes if not (domain or {}).get(name, "").startswith("index")]
    wanted = [(name,) for name in real]
    for trial in setting.trials(wanted)[0]:
        tape = Tape.of(F, trial.sizes, trial.args, [trial.args[name] for name in question.cotangents])
        assert tape is not None
        yield tape, {name: trial.truth((name,)) for name in real}


def assert_right(F, shapes, domain=None, sizes=None):
    for tape, truths in tapes(F, shapes, domain, sizes):
        found = tape.gradients()
        for name, truth in truths.items():
            scale = max(np.max(np.abs(truth), initial=0), 1)
            np.testing.assert_allclose(found[name], truth, rtol=1e-8, atol=1e-9 * scale)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_layers(layer):
    F = derivable(with_cache(layer.forward, layer.backwards[0]).forward, **layer.shapes)
    if not isinstance(F, Opaque):
        assert_right(F, layer.shapes, layer.domain, layer.sizes)


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", EVERY if metafunc.config.getoption("--long") else EVERY[::4], ids=str)


def test_functions(case):
    domain = dict.fromkeys(case.shapes, case.domain) if isinstance(case.domain, str) else dict(case.domain)
    domain = {name: what for name, what in domain.items() if what != "any"}
    assert_right(tj.trace(case.fun, **case.shapes), case.shapes, domain, case.sizes)


def test_a_lost_step_and_a_scaled_adjoint():
    F = tj.trace(lambda x, w: np.tanh(x * w) * x, x="n", w="n")
    for tape, truths in tapes(F, {"x": "n", "w": "n"}):
        x, w, G = tape.args["x"], tape.args["w"], tape.cotangents[0]
        (tanh,) = (t for t in tape.tensors if getattr(getattr(t, "operation", None), "name", "") == "tanh")
        held = tape.gradients(Mistake(scaled={tanh: 0.0}))
        np.testing.assert_allclose(held["x"], G * np.tanh(x * w))
        np.testing.assert_allclose(held["w"], 0)
        direct = next(step for step in tape.steps if step.owner == "Y" and step.part is not tanh)
        lost = tape.gradients(Mistake(steps={direct: nothing}))
        np.testing.assert_allclose(lost["x"], truths["x"] - G * np.tanh(x * w))
        plain = tape.gradients(Mistake(slopes={(tanh, 0): lambda tape, f, k: np.ones(tape.values[f].shape)}))
        np.testing.assert_allclose(plain["w"], G * x * x)


def test_too_large_to_be_taken_apart():
    F = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
    args = {"X": np.ones((50, 40)), "A": np.ones((40, 30))}
    assert Tape.of(F, {"b": 50, "m": 40, "n": 30}, args, [np.ones((50, 30))]) is None
