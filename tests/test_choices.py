"""Choices of the planner: each pays somewhere and costs nowhere, and none changes a value."""

import numpy as np
import pytest

import tensorjac as tj
from functions import CASES, named
from oracles import assert_close
from tensorjac.plan import choices, program, sharing
from tensorjac.plan.choices import Choice, Choices, cheapest, work
from test_source import operations

BY_NAME = {case.name: case for case in CASES}

# A function whose derivative costs less with the choice than without.
PAYS = {
    Choice.MULTIPLIED_OUT: ("layer_norm", lambda F: F.vjp()),
    Choice.OPENED: ("contrastive", lambda F: F.grad("X")),
    Choice.READ_OFF: ("contrastive", lambda F: F.vjp()),
    Choice.TAKEN_OUT: ("powers", lambda F: F.vjp()),
    Choice.NUMBERS: ("classifier", lambda F: F.vjp()),
    Choice.DISTRIBUTED: ("gated_mlp", lambda F: F.vjp()),
}


def derived(choice):
    name, derive = PAYS[choice]
    case = BY_NAME[name]
    return derive(tj.trace(case.fun, **case.shapes))


def cost(F):
    """How many operations there are, as written for any sizes, and what they take."""
    planned = F._program({}, tuned=False)
    return work(planned.outputs, planned.costs)


def always(*made):
    """Instead of the cheapest program, the one with these choices made."""
    return lambda make, cost: make(Choices(frozenset(made)))


@pytest.mark.parametrize("choice", Choice)
def test_each_choice_pays_somewhere(choice, monkeypatch):
    least = cost(derived(choice))
    monkeypatch.setattr(choices, "Choice", [each for each in Choice if each is not choice])
    assert cost(derived(choice)) > least


@pytest.mark.parametrize("choice", Choice)
@pytest.mark.parametrize("case", CASES[::5] + [BY_NAME[name] for name, _ in PAYS.values()], ids=str)
def test_no_choice_changes_a_value(case, choice, monkeypatch):
    """Made by force, be it dearer: values and gradients are what they are without."""
    args = case.inputs()
    results = []
    for made in ((), (choice,)):
        monkeypatch.setattr(program, "cheapest", always(*made))
        F = tj.trace(case.fun, **case.shapes)
        V = F.vjp()
        outputs = named(F(**args))
        given = dict(zip([name for name in V.inputs if name not in F.inputs], outputs.values(), strict=True))
        with np.errstate(all="ignore"):
            results.append([*outputs.values(), *named(V(**args, **given)).values()])
    for plain, chosen in zip(*results, strict=True):
        assert_close(chosen, plain)


@pytest.mark.parametrize("name", ["layer_norm", "contrastive", "classifier", "gelu_by_tanh", "gru_cell"])
def test_the_program_kept_is_no_dearer_than_without_choices(name, monkeypatch):
    """As written for any sizes, counted as the sources of layers are."""
    case = BY_NAME[name]
    count = operations(tj.trace(case.fun, **case.shapes).vjp().source())
    monkeypatch.setattr(program, "cheapest", always())
    assert count <= operations(tj.trace(case.fun, **case.shapes).vjp().source())


def test_only_what_came_up_and_paid_is_chosen():
    """One choice after the other, on top of those that paid."""
    tried = []

    def make(choices):
        tried.append(choices.made)
        choices.takes(Choice.OPENED)
        if choices.takes(Choice.MULTIPLIED_OUT):
            choices.takes(Choice.NUMBERS)
        return choices.made

    price = {Choice.MULTIPLIED_OUT: -1.0, Choice.OPENED: 0.0, Choice.NUMBERS: -2.0}
    best = cheapest(make, lambda made: (sum(map(price.get, made)),))
    first, last = {Choice.MULTIPLIED_OUT}, {Choice.MULTIPLIED_OUT, Choice.NUMBERS}
    assert tried == [set(), first, {*first, Choice.OPENED}, last]
    assert best == last


def test_large_programs_are_planned_once(monkeypatch):
    case = BY_NAME["layer_norm"]
    monkeypatch.setattr(program, "cheapest", always())
    plain = tj.trace(case.fun, **case.shapes).vjp().source()
    monkeypatch.undo()
    monkeypatch.setattr(sharing, "LIMIT", 3)
    assert tj.trace(case.fun, **case.shapes).vjp().source() == plain


def test_differences_of_arguments_stay_exact(monkeypatch):
    """a (x - y) + b y is not a x + (b - a) y, which has no digit left where x and y are large and nearly equal."""
    monkeypatch.setattr(program, "cheapest", always(*Choice))
    F = tj.trace(lambda x, y, a, b: a * (x - y) + b * y, x="n", y="n", a="", b="")
    x, y = np.array([2.0**60 + 1024]), np.array([2.0**60])
    assert F(x, y, np.float64(0.5), np.float64(2.0**-60)) == 513
