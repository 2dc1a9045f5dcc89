"""The benchmarks: at tiny sizes every contestant of ours computes what the expert's NumPy does. Nothing is timed."""

import numpy as np
import pytest

from benchmarks import cases, growth, peers, prediction, singles, slicing
from benchmarks.run import duration, heading
from benchmarks.timing import Contest, arrays


@pytest.fixture(autouse=True)
def ours_alone(monkeypatch):
    monkeypatch.setattr(peers, "NAMES", ())


@pytest.mark.parametrize("name", cases.WORKLOADS)
def test_every_contest_is_proved(name):
    workload = cases.WORKLOADS[name]
    contests = list(workload.contests(workload.tiny))
    assert contests
    for contest in contests:
        contest.prove()


def contest(**contestants):
    return Contest("W", "3", (np.ones(3),), contestants, 1.0)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda x: (x, x), "W 3: ours returns 2 arrays"),
        (lambda x: x[:, None], "W 3: ours has shape (3, 1)"),
        (lambda x: x + 1e-6, "W 3: ours is off by 1.0e-06 of 1.0e+00"),
    ],
)
def test_a_wrong_contestant_is_not_timed(other, message):
    with pytest.raises(AssertionError) as found:
        contest(hand=np.copy, ours=other).prove()
    assert str(found.value) == message


def test_arrays_of_nested_results():
    found = arrays([("a pattern", np.ones(2)), (np.float64(3), [np.zeros((1, 2))])])
    assert [array.shape for array in found] == [(2,), (), (1, 2)]


def test_measuring_counts_every_round():
    measured = contest(hand=np.copy, ours=np.copy)
    measured.measure(rounds=3, seconds=1)
    assert set(measured.times) == set(measured.ratios) == {"hand", "ours"}
    assert measured.ratios["hand"] == 1


def test_an_exponent_is_fitted():
    assert growth.Growth("cubes", [1, 2, 4, 8], [1.0, 8.0, 64.0, 512.0], "3").exponent == pytest.approx(3)


@pytest.mark.parametrize("layer", growth.LAYERS)
def test_chains_compile_and_run(layer):
    assert min(growth.chained(layer, 3)) > 0


def test_no_pure_order_beats_ours():
    assert singles.chains(20).found == "1.00"


def test_ranks_of_predictions():
    assert prediction.correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert prediction.correlation([1, 2, 3], [30, 20, 10]) == pytest.approx(-1)
    assert prediction.ranks([5, 1, 5]).tolist() == [1.5, 0, 1.5]


def test_the_planner_regrets_what_it_did_not_choose():
    case = next(prediction.chains(1))
    case.predicted, case.measured = {"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 2.0}
    assert (case.chosen, case.best, case.regret) == ("a", "b", 1.5)
    case.predicted, case.measured = {}, {}
    case.measure(0)
    assert case.regret >= 1


@pytest.mark.parametrize("name", slicing.CASES)
def test_what_slices_cost_is_printed(name, monkeypatch):
    monkeypatch.setattr(slicing, "SIZES", {"b": 30, "m": 4, "n": 5, "k": 3})
    assert slicing.row(name, 0.6).count("|") == 6


def test_durations():
    assert [duration(seconds) for seconds in (2.5, 0.0123, 4.5e-6, 1e-8)] == ["2.5 s", "12.3 ms", "4.5 µs", "0.01 µs"]


@pytest.mark.parametrize(("quick", "command"), [(False, "make bench"), (True, "make bench-quick")])
def test_results_say_which_mode_wrote_them(quick, command):
    assert f"Written by `{command}`." in "\n".join(heading(quick))
