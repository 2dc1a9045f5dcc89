"""Strategies: that all give one and the same result, and what tables say about them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tracemalloc
from functools import cache
from pathlib import Path
from time import sleep

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorjac as tj
from functions import CASES
from generators import TENSORS, arrays, function, sums_of_einsums
from oracles import EPS, distinct_sizes, finite_difference_jacobian, random_inputs
from tensorjac import interop, rewrites
from tensorjac.compare import COLUMNS, calibration, plots, proving
from tensorjac.compare.calibration import model, product_rate
from tensorjac.compare.foreseeing import foreseen, predicted
from tensorjac.compare.measuring import Contestant
from tensorjac.compare.meter.arrays import Counted, is_view
from tensorjac.compare.meter.ledger import Ledger
from tensorjac.compare.model import Model
from tensorjac.compare.plots import crossovers, lines, programs
from tensorjac.compare.problem import Problem, Routine
from tensorjac.compare.proving import Proof
from tensorjac.compare.registry import STRATEGIES, Foreign, Strategy
from tensorjac.compare.saved import beside, load

ROOT = Path(__file__).parent.parent


def layers():
    spec = importlib.util.spec_from_file_location("layers", ROOT / "examples" / "layers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LAYERS = {
    "linear": {"X": "b m", "A": "m n", "c": "n"},
    "softmax_cross_entropy": {"Z": "b n", "T": "b n"},
    "layer_norm": {"X": "b n", "gamma": "n", "beta": "n"},
    "attention": {"Q": "s d", "K": "t d", "V": "t e"},
}

CHAIN = tj.trace(lambda X, A, B, C: np.tanh(X @ A) @ B @ C, X="b m", A="m n", B="n k", C="k p")
LINEAR = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
# what other libraries do by their own differentiation
OTHERS = ("jax_vjp", "jax_jacrev", "torch_grad", "torch_vjp", "torch_jacrev")


def problem_and_values(function, wrt, args, of=None):
    """A problem at the sizes of some arrays, and the arrays with a cotangent."""
    shapes = {name: np.shape(args[name]) for name in function.inputs}
    sizes = {
        size: number
        for name, shape in function.inputs.items()
        for size, number in zip(shape, shapes[name], strict=True)
        if isinstance(size, str) and size.isidentifier()
    }
    problem = Problem.of(function, wrt, sizes, of)
    cotangent = np.random.default_rng(1).standard_normal(problem.inputs[problem.cotangent])
    values = {**{name: np.asarray(args[name], float) for name in function.inputs}, problem.cotangent: cotangent}
    return problem, [values[name] for name in problem.inputs], cotangent


def results(problem, values, compiling=False):
    """What each strategy that applies gives; those that compile for a second or more only where asked for."""
    for name, strategy in STRATEGIES.items():
        if name.startswith(("jax", "torch")) and not compiling:
            continue
        try:
            way = strategy.make(problem)
        except tj.UnsupportedError:
            continue
        with np.errstate(all="ignore"):
            yield name, np.asarray((way.compiled() if isinstance(way, Routine) else way)(*values))


@cache
def layer(name):
    fun = getattr(layers(), name)
    args = random_inputs(LAYERS[name], distinct_sizes(LAYERS[name]), np.random.default_rng(0), "any")
    return fun, tj.trace(fun, **LAYERS[name]), args


@pytest.mark.parametrize(("name", "wrt"), [(name, wrt) for name, shapes in LAYERS.items() for wrt in shapes])
def test_strategies_agree_with_finite_differences_on_layers(name, wrt):
    fun, traced, args = layer(name)
    problem, values, cotangent = problem_and_values(traced, wrt, args)
    jacobian, error = finite_difference_jacobian(fun, args, wrt)
    expected = np.tensordot(cotangent, jacobian, axes=cotangent.ndim)
    tolerance = np.sum(np.abs(cotangent)) * np.max(error) + 1e-9
    found = dict(results(problem, values, compiling=True))
    assert {"compiled", "forward", "reverse", "greedy", "dense_writes", "einsum"} <= set(found)
    for strategy, result in found.items():
        np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance, err_msg=strategy)


# every eighth function, as what they have in common is tested often enough; all strategies search orders for each
# output by each input, and with five inputs the products are so long that the searches take a minute
@pytest.mark.parametrize("case", [case for case in CASES[::8] if len(case.shapes) < 5], ids=str)
def test_strategies_agree_on_functions(case):
    traced = tj.trace(case.fun, **case.shapes)
    args = case.inputs()
    for output in traced.outputs:
        for wrt in traced.inputs:
            assert_agree(*problem_and_values(traced, wrt, args, output)[:2])


def assert_agree(problem, values):
    """All strategies give the same to within some roundings of the largest entry."""
    found = dict(results(problem, values))
    expected = found["compiled"]
    scale = np.max(np.abs(expected), initial=1.0)
    for name, result in found.items():
        assert result.shape == expected.shape, name
        assert result.flags.c_contiguous, name
        np.testing.assert_allclose(result, expected, rtol=0, atol=2**20 * EPS * scale, err_msg=name)


@given(sums_of_einsums(ties=1, powers=(1, 2)), st.sampled_from(sorted(TENSORS)))
def test_strategies_agree_on_sums_of_products(parts, wrt):
    """With repeated indices, traces, δ, numbers, and indices that nothing carries."""
    indices = parts[0].indices()
    axes = parts[0].axes(indices)
    owned = [part.indices() | {letter: indices[letter] for letter in part.out} for part in parts]
    body = rewrites.add(*(rewrites.contracted(part.term(own)) for part, own in zip(parts, owned, strict=True)))
    assert_agree(*problem_and_values(function(axes, body), wrt, arrays())[:2])


# Counting


@pytest.mark.parametrize("case", CASES[::4], ids=str)
def test_everything_that_generated_source_calls_is_counted(case):
    traced = tj.trace(case.fun, **case.shapes)
    args = case.inputs()
    for output in traced.outputs:
        for wrt in traced.inputs:
            problem, _, _ = problem_and_values(traced, wrt, args, output)
            for name in ("compiled", "dense_writes"):
                assert STRATEGIES[name].make(problem).cost(list(problem.inputs.values())).peak >= 0


B, M, N = 64, 48, 80


@pytest.mark.parametrize(
    ("name", "flops", "moved", "peak", "products", "fallbacks"),
    [
        # X.T @ G: b·m·n multiplications and as many additions; X, G and the result pass once
        ("reverse", 2 * B * M * N, B * M + B * N + M * N, M * N, 1, 0),
        ("einsum", 2 * B * M * N, B * M + B * N + M * N, M * N, 0, 1),
        # zeros, X written along the diagonal, and the product, whose result is new besides
        (
            "dense_writes",
            2 * B * N * M * N,
            2 * B * N * M * N + 2 * B * N * M + B * N + M * N,
            (B * N + 1) * M * N,
            1,
            0,
        ),
    ],
)
def test_counts_are_those_of_a_count_by_hand(name, flops, moved, peak, products, fallbacks):
    problem = Problem.of(LINEAR, "A", {"b": B, "m": M, "n": N})
    cost = STRATEGIES[name].make(problem).cost(list(problem.inputs.values()))
    counted = (cost.flops, cost.bytes / 8, cost.peak / 8, cost.count("product", "dot", "inner"), cost.count("einsum"))
    assert counted[0] == flops
    assert counted[2:] == (peak, products, fallbacks)
    assert counted[1] == pytest.approx(moved, rel=0.01)


def test_each_entry_of_a_result_counts_that_has_more_axes_than_the_operands():
    text = "def f(X):\n    out = np.zeros((5, 3, 4), dtype=X.dtype)\n    np.multiply(X, 2, out=out)\n    return out\n"
    _, product = Routine(text, {"np": np}).cost([(3, 4)]).operations
    assert (product.flops, product.read, product.written, product.fresh) == (60, 8 * 12, 8 * 60, 0)


@pytest.mark.parametrize(
    ("text", "each"), [("np.einsum('ij,j->ij', X, X[0])", 120), ("np.einsum('ij,j->i', X, X[0])", 30)]
)
def test_each_entry_of_an_einsum_is_a_loop(text, each):
    einsum = Routine(f"def f(X):\n    return {text}\n", {"np": np}).cost([(30, 4)]).operations[-1]
    assert (einsum.kind, einsum.loops) == ("einsum", each)


def test_finding_out_how_to_turn_the_operands_of_a_tensordot_takes_time():
    kinds = [
        each.kind
        for each in Routine("def f(X):\n    return np.tensordot(X, X)\n", {"np": np}).cost([(3, 4)]).operations
    ]
    assert kinds.count("tensordot") == kinds.count("dot") == 1
    assert model().calls["tensordot"] >= 0


@st.composite
def strided(draw, rank):
    """An array with its axes in any order in memory, some of them reversed, some broadcast."""
    shape = [draw(st.sampled_from((1, k + 2))) for k in range(rank)]
    order = draw(st.permutations(range(rank)))
    array = np.zeros([shape[k] for k in order]).transpose(np.argsort(order))
    return array[tuple(draw(st.sampled_from((np.s_[:], np.s_[::-1]))) for _ in shape)]


@given(st.integers(1, 4).flatmap(lambda rank: st.lists(strided(rank), min_size=1, max_size=3)))
def test_new_arrays_lie_as_those_of_numpy(operands):
    """Axes in the order in which the operands have them, which decides where a reshape copies."""
    apply = (np.negative, np.add, np.where)[len(operands) - 1]
    result, ledger = apply(*operands), Ledger()
    counted = apply(*(Counted(ledger, array, None, True) for array in operands))
    assert counted.shape == result.shape
    assert all(a == b or n == 1 for a, b, n in zip(counted.strides, result.strides, result.shape, strict=True))


@pytest.mark.parametrize("name", ["dense_writes", "identity_greedy", "forward", "reverse", "compiled", "einsum"])
def test_peak_memory_is_what_tracemalloc_sees(name):
    fun = tj.trace(lambda X, A, c: np.tanh(X @ A + c) * np.exp(-X @ A), X="b m", A="m n", c="n")
    sizes = {"b": 1500, "m": 20, "n": 90} if name != "dense_writes" else {"b": 60, "m": 20, "n": 30}
    assert_peak(name, Problem.of(fun, "A", sizes))


@pytest.mark.parametrize(
    ("name", "fun", "shapes", "wrt", "sizes"),
    [
        # what the operands are turned round for, and what they lie in order for
        ("identity_greedy", lambda X, W, Y: np.einsum("bi,oij,bj->bo", X, W, Y), {"X": "b i", "W": "o i j", "Y": "b j"},
         "W", {"b": 128, "i": 40, "j": 50, "o": 20}),
        ("forward", lambda X, W: np.tanh(X @ W @ X.T) @ X, {"X": "s d", "W": "d d"}, "W", {"s": 80, "d": 40}),
        ("compiled", lambda E: np.tanh(E[np.array([0, 2, 2, 5, 1])]).sum(axis=0), {"E": "7 d"}, "E", {"d": 20000}),
    ],
)  # fmt: skip
def test_peak_memory_of_what_is_turned_and_looked_up(name, fun, shapes, wrt, sizes):
    assert_peak(name, Problem.of(tj.trace(fun, **shapes), wrt, sizes))


def assert_peak(name, problem):
    values = [np.ones(shape) for shape in problem.inputs.values()]
    routine = STRATEGIES[name].make(problem)
    run = routine.compiled()
    tracemalloc.start()
    try:
        run(*values)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        result = run(*values)
        seen = tracemalloc.get_traced_memory()[1] - before
        del result
    finally:
        tracemalloc.stop()
    assert routine.cost(list(problem.inputs.values())).peak == pytest.approx(seen, rel=0.1)


# Tables


@pytest.fixture(scope="module")
def table():
    return tj.compare(CHAIN, "A", sizes={"b": 7, "m": 5, "n": 3, "k": 4, "p": 2}, seconds=0.001)


def test_there_is_a_row_for_every_strategy_that_applies(table):
    assert sorted([*(row["strategy"] for row in table.rows), *table.skipped]) == sorted(STRATEGIES)
    assert set(table.skipped) <= {"brackets", "cotengra", *OTHERS}


def test_every_row_has_every_column(table):
    for row in table.rows:
        assert list(row) == list(COLUMNS)


def test_every_row_is_measured_and_accurate(table):
    for row in table.rows:
        assert row["note"] == ""
        assert 0 < row["min"] <= row["median"]
        assert row["ratio"] >= 1
        assert row["error"] is None or row["error"] < 2**10 * EPS
    assert min(row["ratio"] for row in table.rows) == 1


def test_orders_are_said_in_words(table):
    said = {row["strategy"]: row["order"] for row in table.rows}
    then = ", then the result and ".join
    where = ", where F1 is 1 - tanh(Σ_k X[ik] A[kj])^2"
    assert said["reverse"] == then(["contract C and G first", "B", "F1", "X"]) + where
    assert said["forward"] == then(["contract B and C first", "G", "F1", "X"]) + where


def test_terms_in_one_order_are_told_of_once():
    gram = tj.trace(lambda X: X @ X.T, X="b n")
    (row,) = tj.compare(gram, "X", sizes={"b": 3, "n": 2}, strategies=["reverse"], seconds=0).rows
    assert row["equation"].count("+") == 1
    assert row["order"] == "contract X and G first"


def test_a_strategy_beyond_the_time_limit_says_how_long_it_would_take():
    table = tj.compare(CHAIN, "A", sizes=dict(b=64, m=48, n=40, k=56, p=72), strategies=["einsum"], time_limit=0.01)
    (row,) = table.rows
    assert row["note"].startswith("would take about ")
    assert row["note"].endswith("s, and the limit is 10 ms")


@pytest.mark.parametrize(("strategy", "library"), [("torch_jacrev", "torch"), ("jax_jacrev", "jax")])
def test_a_row_of_a_jacobian_takes_as_long_as_a_pullback(strategy, library):
    """A Jacobian of another library's with little memory and many operations is not even begun."""
    pytest.importorskip(library)
    deep = tj.trace(lambda X, A, B: (np.tanh(X @ A) @ B).sum(axis=1), X="b 300", A="300 300", B="300 300")
    table = tj.compare(deep, "A", sizes={"b": 200}, strategies=["compiled", strategy], time_limit=0.1, seconds=0)
    compiled, whole = table.rows
    assert compiled["note"] == ""
    assert whole["note"].startswith("would take about ")
    assert whole["median"] is None


def test_what_another_library_computes_is_tried_at_a_smaller_size():
    """Where its prediction alone does not tell that it keeps to the time limit."""
    calls = []

    def make(problem):
        def run(*values):
            calls.append(problem.sizes["b"])
            sleep(problem.sizes["b"] * 1e-4)

        return Foreign(run, 0.0, pullbacks=1000)

    strategy = Strategy("slow", "", make)
    problem = Problem.of(LINEAR, "A", {"b": 640, "m": 8, "n": 8})
    expected, smaller = (predicted(p, make(p)) for p in (problem, problem.at(b=64)))
    assert foreseen(strategy, problem, make(problem), 1e4 * expected) == expected
    assert calls == []
    found = foreseen(strategy, problem, make(problem), 10 * expected)
    assert calls == [64, 64]
    assert found >= max(expected, expected / smaller * 64e-4)


def test_the_first_call_is_no_sample_where_a_library_compiles_in_it(monkeypatch):
    calls = []

    def run(*values):
        calls.append(0.2 if not calls else 0.0)
        sleep(calls[-1])
        return values[0].T @ values[2]

    monkeypatch.setitem(STRATEGIES, "late", Strategy("late", "", lambda problem: Foreign(run, 0.0)))
    names = ["reverse", "late"]
    _, row = tj.compare(LINEAR, "A", sizes={"b": 3, "m": 4, "n": 5}, strategies=names, seconds=0.01).rows
    assert row["median"] < 0.1 < row["first"]


def test_errors_of_many_operations_are_measured_on_a_part(monkeypatch):
    monkeypatch.setattr(proving, "REFERENCE_FLOPS", 1e6)
    whole, part = (
        tj.compare(LINEAR, "A", sizes={"b": b, "m": 100, "n": 110}, strategies=["reverse"], seconds=0).rows[0]
        for b in (40, 70)
    )
    # 2·b·100·110 operations, and 10⁶ of them are computed: 64 of 100 rows
    assert whole["reference"] == "against extended precision"
    assert part["reference"] == "against extended precision, 7040 of 11000 entries"
    assert 0 < part["error"] < 1e-12


@pytest.mark.parametrize(
    ("fun", "shapes", "sizes", "said"),
    [
        (lambda X: np.linalg.inv(X), {"X": "n n"}, {"n": 3},
         "not measured: NumPy knows a function in it for double precision only"),
        (lambda x, y: (x @ y) ** 2, {"x": "n", "y": "n"}, {"n": 10**9},
         "not measured: a part of the gradient takes 2 G operations in extended precision"),
    ],
)  # fmt: skip
def test_why_errors_are_not_measured(fun, shapes, sizes, said):
    problem = Problem.of(tj.trace(fun, **shapes), next(iter(shapes)), sizes)
    proof = Proof.of(problem, float("inf"))
    if max(sizes.values()) < 10:
        proof.prepare({name: np.eye(3) for name in problem.inputs})
    assert (proof.exact, proof.said) == (None, said)


def test_where_there_is_no_extended_precision(monkeypatch):
    monkeypatch.setattr(proving, "WIDE", np.dtype(np.float64))
    (row,) = tj.compare(LINEAR, "A", sizes={"b": 2, "m": 3, "n": 5}, strategies=["reverse"], seconds=0).rows
    assert (row["error"], row["reference"]) == (None, "not measured: this platform has no precision beyond double")


def test_a_strategy_that_differs_is_not_timed(monkeypatch):
    honest = STRATEGIES["reverse"]
    wrong = type(honest)("wrong", "", lambda problem: lambda *values: 2 * np.asarray(problem.vjp(*values)))
    monkeypatch.setitem(STRATEGIES, "wrong", wrong)
    table = tj.compare(LINEAR, "A", sizes={"b": 2, "m": 3, "n": 5}, strategies=["reverse", "wrong"], seconds=0)
    good, bad = table.rows
    assert (good["note"], bad["note"]) == ("", "differs from the others by 1.0e+00 of the largest entry: not timed")
    assert bad["median"] is None


# Orders


LONG = tj.trace(lambda X, A, B, C, D, E: X @ A @ B @ C @ D @ E, X="b m", **dict.fromkeys("ABCDE", "m m"))


def test_mixed_order_takes_a_third_of_the_reverse_mode():
    problem = Problem.of(LONG, "A", {"b": 1024, "m": 64})
    flops = {
        name: STRATEGIES[name].make(problem).cost(list(problem.inputs.values())).flops
        for name in ("forward", "reverse", "mixed", "brackets")
    }
    # XᵀG is a product of 1024·64², and each of the four others one of 64³; reverse mode has five of the first kind
    assert flops["mixed"] == flops["brackets"] == 2 * (1024 * 64**2 + 4 * 64**3)
    assert flops["reverse"] == 2 * 5 * 1024 * 64**2
    assert 3 * flops["mixed"] < flops["reverse"]


@given(st.lists(st.integers(1, 60), min_size=4, max_size=7), st.sampled_from(["X1", "X2"]))
def test_mixed_order_is_never_worse_than_forward_or_reverse(sizes, wrt):
    shapes = {f"X{k}": f"s{k} s{k + 1}" for k in range(len(sizes) - 1)}
    chain = tj.parse(" @ ".join(shapes), **shapes)
    problem = Problem.of(chain, wrt, {f"s{k}": size for k, size in enumerate(sizes)})
    shapes = list(problem.inputs.values())
    seconds = {n: model().seconds(STRATEGIES[n].make(problem).cost(shapes)) for n in ("forward", "reverse", "mixed")}
    assert seconds["mixed"] <= min(seconds["forward"], seconds["reverse"])


def test_plan_chooses_what_is_predicted_to_be_fastest_and_runs_it():
    sizes = {"b": 40, "m": 5}
    chosen = tj.plan(LONG, "A", sizes=sizes)
    problem = Problem.of(LONG, "A", sizes)
    values = [np.random.default_rng(k).standard_normal(shape) for k, shape in enumerate(problem.inputs.values())]
    np.testing.assert_allclose(chosen(*values), problem.vjp(*values), rtol=1e-12)
    for strategy in STRATEGIES.values():
        try:
            way = strategy.make(problem)
        except tj.UnsupportedError:
            continue
        if isinstance(way, Routine):
            assert chosen.predicted <= model().seconds(way.cost(list(problem.inputs.values())))


def test_plan_imports_no_library_whose_operations_it_cannot_count():
    script = (
        "import sys, tensorjac as tj\n"
        "F = tj.parse('Y = X @ A', X='b m', A='m n')\n"
        "tj.plan(F, 'A', sizes={'b': 2, 'm': 3, 'n': 4})\n"
        "print(*{'jax', 'torch', 'scipy.sparse'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "\n"
    foreign = {name for name, strategy in STRATEGIES.items() if strategy.library}
    assert foreign == {"sparse", "jax_vjp", "jax_jacrev", "torch_grad", "torch_vjp", "torch_jacrev"}


def test_plan_is_for_its_sizes():
    chosen = tj.plan(LINEAR, "A", sizes={"b": 2, "m": 3, "n": 5})
    with pytest.raises(tj.TraceError) as missing:
        chosen(np.ones((2, 3)))
    assert str(missing.value) == "the plan is missing A and G: pass A of shape (3, 5), G of shape (2, 5)."
    with pytest.raises(tj.TraceError) as unknown:
        chosen(np.ones((2, 3)), np.ones((3, 5)), np.ones((2, 5)), dY=1)
    assert str(unknown.value) == "the plan has no argument dY: pass X, A and G."
    with pytest.raises(tj.ShapeError) as other:
        chosen(np.ones((7, 3)), np.ones((3, 5)), np.ones((7, 5)))
    assert str(other.value) == (
        "the plan was made for X of shape (2, 3), and it has shape (7, 3): make a plan for these sizes."
    )
    whole = chosen([[1, 2, 3], [4, 5, 6]], np.ones((3, 5)), G=np.ones((2, 5)))
    np.testing.assert_array_equal(whole, np.outer([5.0, 7.0, 9.0], np.ones(5)))


# Sweeps, files, pictures


@pytest.fixture(scope="module")
def sweep():
    names = ["dense_writes", "reverse", "compiled"]
    return tj.compare(LINEAR, "A", sizes={"b": [4, 8, 16], "m": 5, "n": 3}, strategies=names, seconds=0.001)


def test_a_sweep_has_a_row_for_each_strategy_at_each_size(sweep):
    assert [(row["sizes"]["b"], row["strategy"]) for row in sweep.rows] == [
        (b, name) for b in (4, 8, 16) for name in ("dense_writes", "reverse", "compiled")
    ]


def test_json_is_read_as_it_was_written(sweep, tmp_path):
    text = sweep.to_json(tmp_path / "table.json")
    kept = json.loads(text)
    assert list(kept) == ["form", "title", "wrt", "interrupted", "rows", "skipped"]
    assert all(list(row) == list(COLUMNS) for row in kept["rows"])
    assert load(tmp_path / "table.json") == sweep
    lines = beside(sweep, sweep, 100).splitlines()
    assert lines[0].split() == ["strategy", "sizes", "before", "now", "now", "÷", "before"]
    assert len(lines) == 10
    assert all(line.endswith("1.00") for line in lines[1:])


@pytest.mark.parametrize("text", ["{}", '{"rows": [{}], "form": 1}', "[]"])
def test_json_of_another_form(text, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(tj.NotationError) as caught:
        load(path)
    advice = f"write one with tensorjac bench … --json {path}."
    assert str(caught.value) == f"{path} holds no table of this form: {advice}"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_table_keeps_to_the_width(sweep, width):
    for line in sweep.text(width).splitlines():
        assert len(line) <= width


def test_markdown_has_a_table_for_each_point(sweep):
    text = sweep.to_markdown()
    assert text.count("| strategy |") == 3
    assert text.count("| reverse |") == 3


def test_a_picture_has_three_axes_and_a_line_for_each_strategy(sweep, tmp_path, monkeypatch):
    figures = []
    make = interop.figure
    monkeypatch.setattr(interop, "figure", lambda inches: figures.append(make(inches)) or figures[-1])
    pytest.importorskip("matplotlib")
    sweep.plot(tmp_path / "cost.svg")
    sweep.plot(tmp_path / "cost.png")
    cost, memory, roofline = figures[0].axes
    labels = [axes.get_xlabel() for axes in (cost, memory, roofline)]
    assert labels == ["size b", "size b", "flops per byte"]
    assert [axes.get_ylabel() for axes in (cost, memory, roofline)] == [
        "time of a call (s)",
        "peak memory (MiB)",
        "Gflop/s",
    ]
    assert [line.get_label() for line in memory.get_lines()] == ["dense_writes", "reverse", "compiled"]
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in memory.get_lines()}
    assert len(looks) == 3
    assert cost.get_xscale() == cost.get_yscale() == "log"
    assert (tmp_path / "cost.svg").read_text().startswith("<?xml")


def test_a_narrow_range_has_numbers_beside_it():
    """Between powers of ten, where there are not two of these."""
    pytest.importorskip("matplotlib")
    for low, high, labels in ((0.03, 0.2, ["0.05", "0.1", "0.2"]), (12, 80, ["20", "50"])):
        axes = interop.figure((2, 2)).subplots()
        axes.set(yscale="log", ylim=(low, high))
        plots._label_heights(axes)
        assert [tick.get_text() for tick in axes.get_yticklabels()] == labels
    axes.set_ylim(1, 1e4)
    plots._label_heights(axes)
    assert axes.get_ylim() == (1, 1e4)


def test_strategies_that_are_one_program_are_one_line(table):
    alike = {name: names for names in programs(table.rows) for name in names}
    assert alike["dense_writes"] == ["dense_writes"]
    orders = {row["strategy"]: row["order"] for row in table.rows}
    for name, names in alike.items():
        assert {orders[other] for other in names} == {orders[name]}
    assert len(alike["greedy"]) > 1
    assert set(lines(table.rows, None, "median")) == {names[0] for names in alike.values()}


def test_no_operation_is_faster_than_the_roof():
    rates = Model({}, {}, ((1e3, 1e-11), (1e7, 2e-10)), (), (), {}, 2e-11, lambda product: 1e-10)
    assert rates.ridge == pytest.approx(0.5)
    assert [rates.roof(x) for x in (0.25, 0.5, 100)] == pytest.approx([2.5e10, 5e10, 5e10])


def test_products_are_timed_by_their_shape():
    """Also where no memory holds the matrices; and each once, so that what is compared is measured alike."""
    product = "dot", (1, 10**9 + 1, 10**6, 7), "NT", 8
    assert 0 < model().product(product) == model().product(product) < 1e-8
    assert product_rate({"dot": 1.0}, product) == 0  # all of the time is the call's


@given(st.lists(st.integers(1, 10**9), min_size=3, max_size=3))
def test_products_are_timed_in_little_memory(sides):
    """And in little time: no matrix has many numbers, and what is left over at the edge of blocks stays."""
    short = calibration._shortened(sides)
    for n, whole in zip(short, sides, strict=True):
        assert n == whole or (n < whole and (n - whole) % calibration.BLOCK == 0)
        assert n >= min(whole, calibration.LONG)
    rows, columns, summed = short
    assert max(rows * columns, columns * summed, rows * summed) <= 2 * calibration.LARGE
    assert rows * columns * summed <= (calibration.LONG + calibration.BLOCK) ** 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X + X", [False]),
        ("X + X.T", [True]),
        ("X.T + X.T", [False]),
        ("X + X[0]", [False]),
        ("X + X[:, :1]", [False]),
        ("X.T.copy()", [True]),
        ("X.copy()", [False]),
    ],
)
def test_what_goes_across_memory_is_known(text, expected):
    """Arrays that lie differently: what is next in one is far away in the other."""
    operations = Routine(f"def f(X):\n    return {text}\n").cost([(300, 300)]).operations
    assert [operation.across for operation in operations if operation.kind != "view"] == expected
    calls = dict.fromkeys(("elementwise", "copy", "view"), 0.0)
    curves = ((1, 1.0),), ((1, 7.0),), ((1, 0.0),)
    rates = Model(calls, {"elementwise": 0.0}, *curves, {}, 1.0, lambda product: 0.0)
    moved = sum(operation.read + operation.written for operation in operations)
    assert sum(map(rates.operation, operations)) == moved * (7 if any(expected) else 1)


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("X + X", 1),
        ("X.T + X.T", 1),
        ("X - X[:, :1]", 30),
        ("X - X[0]", 30),
        ("X[:, :2] + X[:, :2]", 30),
        ("X[:, None, :] - X", 900),
        ("np.tanh(X[::2])", 15),
        ("X.sum()", 1),
        ("X.sum(axis=1)", 30),
        ("X.sum(axis=0)", 30),
        ("X.T.max(axis=0)", 30),
        ("np.vecdot(X, X)", 30),
    ],
)
def test_how_many_loops_go_through_memory(text, loops):
    """One for what lies in one piece in all arrays, one for each row where it does not; each takes some time."""
    operations = Routine(f"def f(X):\n    return {text}\n", {"np": np}).cost([(30, 4)]).operations
    (only,) = (operation for operation in operations if operation.kind != "view")
    assert only.loops == loops
    calls, none = dict.fromkeys(("elementwise", "slow", "sum", "inner"), 0.0), ((1, 0.0),)
    rates = Model(calls, {"elementwise": 2.0, "sum": 3.0}, none, none, none, {}, 1.0, lambda product: 0.0)
    assert rates.operation(only) == (loops - 1) * (3 if only.kind == "sum" else 2)


def test_crossovers_lie_where_the_fastest_strategy_changes():
    found = {"a": [(1, 1.0), (100, 100.0)], "b": [(1, 10.0), (100, 10.0)], "c": [(1, 50.0), (100, 200.0)]}
    ((at, value),) = crossovers(found)
    assert (at, value) == pytest.approx((10, 10))


def test_crossovers_are_marked_where_the_lines_cross():
    """Also where two strategies are about as fast at sizes in between; what scatters there is one crossing."""
    found = {"a": [(1, 1.0), (10, 10.0), (100, 100.0)], "b": [(1, 10.0), (10, 9.8), (100, 10.0)]}
    ((at, value),) = crossovers(found)
    assert 9 < at < 10
    assert 9.8 < value < 10
    found["b"] = [(1, 10.0), (10, 10.0), (100, 10.0)]
    assert crossovers(found) == [pytest.approx((10, 10))]
    scattered = [(1, 10.0), (5, 4.9), (10, 10.2), (20, 19.5), (100, 10.0)]
    found = {"a": [(x, float(x)) for x, _ in scattered], "b": scattered}
    ((at, _),) = crossovers(found)
    assert 5 < at < 10


def test_short_calls_are_timed_with_warm_caches():
    """The call before each sample is not timed; a first call that was slow does not make the samples short."""
    calls = []
    contestant = Contestant(lambda: calls.append(None), once=5e-4)
    contestant.sample()
    assert len(calls) == 1 + 1
    contestant.sample()
    assert len(calls) == 2 + 1 + int(1e-4 / contestant.samples[0])
    long = Contestant(lambda: calls.append(None), once=1.0)
    calls.clear()
    long.sample()
    assert len(calls) == 1


def test_an_interrupted_run_keeps_its_finished_rows():
    def stop(share, what):
        if share > 0.5:
            raise KeyboardInterrupt

    sizes = {"b": [4, 8], "m": 3, "n": 2}
    table = tj.compare(LINEAR, "A", sizes=sizes, strategies=["reverse"], seconds=0, progress=stop)
    assert table.interrupted
    assert [row["sizes"]["b"] for row in table.rows] in ([4], [])
    assert str(table).endswith("interrupted: rows that were not finished are missing")


@pytest.mark.parametrize(
    ("options", "family", "message"),
    [
        ({"sizes": {"b": 2}}, tj.ShapeError, 'the size m has no number: pass sizes={"m": 64, "n": 64}.'),
        ({"sizes": {"b": 0, "m": 1, "n": 1}}, tj.ShapeError,
         "the size b is 0: pass a whole number of at least 1, or a list of them."),
        ({"sizes": {"b": [1, 2], "m": [1, 2, 3], "n": 1}}, tj.ShapeError,
         "the lists of a sweep go along together, and b has 2 sizes and m has 3 sizes: make them equally long."),
        ({"memory_limit": "much"}, tj.ShapeError,
         "the memory limit is 'much': write a number and a unit, such as 512MB or 2GiB."),
        ({"at": {"Z": 1}}, tj.ShapeError, "at= names Z, which is no input: choose from X, A, G."),
    ],
)  # fmt: skip
def test_what_is_refused(options, family, message):
    with pytest.raises(family) as caught:
        tj.compare(LINEAR, "A", **{"sizes": {"b": 2, "m": 3, "n": 5}, "strategies": ["reverse"], **options})
    assert str(caught.value) == message


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="this NumPy cannot be told not to copy")
@given(st.data())
def test_a_reshape_that_needs_no_copy(data):
    """Where NumPy makes a view of a transposed, sliced, reversed or broadcast array, the counted one is a view, too."""
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    array = np.zeros(shape).transpose(data.draw(st.permutations(range(len(shape)))))
    array = array[tuple(slice(None, None, data.draw(st.sampled_from([1, 1, 2, -1]))) for _ in shape)]
    array = np.broadcast_to(array, (data.draw(st.integers(1, 2)), *array.shape))
    wanted, left = [], array.size
    for _ in range(data.draw(st.integers(0, 3))):
        wanted.append(data.draw(st.sampled_from([size for size in range(1, left + 1) if left % size == 0])))
        left //= wanted[-1]
    wanted.append(left)
    try:
        np.reshape(array, wanted, copy=False)
    except ValueError:
        assert not is_view(array, wanted)
    else:
        assert is_view(array, wanted)
