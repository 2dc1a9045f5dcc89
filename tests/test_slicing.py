"""Memory limits: which indices can be cut, that slices give the same gradient, and that the limit holds."""

import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorjac as tj
from functions import CASES
from generators import TENSORS, arrays, function, sums_of_einsums
from memory import peak_between_pauses
from oracles import EPS
from tensorjac import rewrites
from tensorjac.compare import STRATEGIES
from tensorjac.compare.cutting import cuts
from tensorjac.compare.problem import Problem, Routine
from tensorjac.compare.slicing import Apart, Sliced, fitted
from test_compare import LAYERS, layer, problem_and_values

LINEAR = tj.trace(lambda X, A: X @ A, X="b m", A="m n")
NET = tj.trace(lambda X, A, B: np.tanh(X @ A) @ B, X="b m", A="m n", B="n k")
SIZES = {"b": 11, "m": 3, "n": 5, "k": 2}


def indices(fun, wrt, **shapes):
    """The sizes of the indices that can be cut, with the axes of the gradient that they cut."""
    traced = tj.trace(fun, **shapes)
    names = {name for shape in shapes.values() for name in shape.split() if name.isidentifier()}
    found = cuts(Problem.of(traced, wrt, dict.fromkeys(names, 7)))
    return {str(cut.index.dim): [sorted(into) for _, into in cut.targets] for cut in found}


@pytest.mark.parametrize(
    ("fun", "shapes", "wrt", "expected"),
    [
        # an axis of the output, cut in the gradient or added up; and what is summed over
        (lambda X, A: X @ A, {"X": "b m", "A": "m n"}, "A", {"b": [[]], "n": [[1]], "m": [[0]]}),
        (lambda X, A: X @ A, {"X": "b m", "A": "m n"}, "X", {"b": [[0]], "n": [[]], "m": [[1]]}),
        # what a nonlinear function is summed over inside cannot be cut, what it is summed over outside can
        (
            lambda X, A, B: np.tanh(X @ A) @ B,
            {"X": "b m", "A": "m n", "B": "n k"},
            "A",
            {"b": [[]], "k": [[]], "n": [[1]]},
        ),
        (lambda X, w: np.mean((X @ w) ** 2), {"X": "b n", "w": "n"}, "w", {"b": [[]]}),
        (lambda X: np.exp(X) / np.exp(X).sum(axis=1, keepdims=True), {"X": "b n"}, "X", {"b": [[0]], "n": [[], [1]]}),
        # the input stands in it whole, and in parts
        (lambda X: X @ X.T, {"X": "b n"}, "X", {"b": [[], [0]], "n": [[1]]}),
        (lambda X: X - X.mean(axis=0), {"X": "b n"}, "X", {"b": [[], [0]], "n": [[1]]}),
        (lambda x: x * (x @ x), {"x": "n"}, "x", {"n": [[], [0]]}),
        # two terms, both summed over an index of the same size
        (lambda x, y: (x * y).sum() + (x * x).sum(), {"x": "n", "y": "n"}, "x", {"n": [[0]]}),
        (lambda x, y: (x * y).sum() + (y @ y) * x[0], {"x": "n", "y": "n"}, "x", {}),
        # a diagonal
        (lambda X: np.diagonal(X) ** 2, {"X": "n n"}, "X", {"n": [[0, 1]]}),
        # windows, shifts, comparisons of positions; matrices of which every entry counts
        (lambda x: np.diff(x), {"x": "n"}, "x", {}),
        (lambda X: np.tril(X), {"X": "n n"}, "X", {}),
        (lambda X: np.linalg.inv(X), {"X": "b n n"}, "X", {"b": [[0]]}),
        # no array says how large a part of b would be
        (lambda c: np.broadcast_to(c, (4, 7)), {"c": "7"}, "c", {"7": [[0]]}),
    ],
)
def test_which_indices_can_be_cut(fun, shapes, wrt, expected):
    assert indices(fun, wrt, **shapes) == expected


def assert_slices_agree(problem, values, names, sizes=(1, 3)):
    """For every index that can be cut: the same gradient in slices, and costs that are those of the source."""
    expected = problem.vjp(*values)
    scale = np.max(np.abs(expected), initial=1.0)
    for cut in cuts(problem):
        for size in sizes:
            for name in names:
                try:
                    sliced = Sliced.of(cut, min(size, cut.size), STRATEGIES[name].make)
                except tj.UnsupportedError:
                    continue
                with np.errstate(all="ignore"):
                    result = sliced.compiled()(*values)
                assert result.shape == np.shape(expected)
                np.testing.assert_allclose(result, expected, rtol=0, atol=2**20 * EPS * scale, err_msg=name)
                counted, written = problem.cost(sliced), problem.cost(Routine(sliced.text, sliced.scope))
                # what was captured may be of a narrower type than the arguments
                assert (counted.flops, counted.bytes, counted.peak) == pytest.approx(
                    (written.flops, written.bytes, written.peak), rel=0.05
                )


@pytest.mark.parametrize(("name", "wrt"), [(name, wrt) for name, shapes in LAYERS.items() for wrt in shapes])
def test_slices_of_layers(name, wrt):
    _, traced, args = layer(name)
    problem, values, _ = problem_and_values(traced, wrt, args)
    assert cuts(problem)
    routines = [name for name in STRATEGIES if name not in ("sparse", "cotengra") and "_" not in name]
    assert_slices_agree(problem, values, [*routines, "dense_writes", "dense_identity"])


@pytest.mark.parametrize("case", CASES[::6], ids=str)
def test_slices_of_functions(case):
    traced = tj.trace(case.fun, **case.shapes)
    args = case.inputs()
    for output in traced.outputs:
        for wrt in traced.inputs:
            problem, values, _ = problem_and_values(traced, wrt, args, output)
            assert_slices_agree(problem, values, ["compiled"], sizes=(2,))


@given(sums_of_einsums(ties=1, powers=(1, 2)), st.sampled_from(sorted(TENSORS)))
def test_slices_of_sums_of_products(parts, wrt):
    """With repeated indices, traces, δ, numbers, and indices that nothing carries."""
    indices = parts[0].indices()
    axes = parts[0].axes(indices)
    owned = [part.indices() | {letter: indices[letter] for letter in part.out} for part in parts]
    body = rewrites.add(*(rewrites.contracted(part.term(own)) for part, own in zip(parts, owned, strict=True)))
    assert_slices_agree(*problem_and_values(function(axes, body), wrt, arrays())[:2], ["reverse"], sizes=(1,))


def test_slices_read_parts_of_captured_arrays():
    weights = np.arange(1.0, 12.0)
    traced = tj.trace(lambda X: weights[:, None] * np.tanh(X) @ X.T, X="11 3")
    problem = Problem.of(traced, "X", {})
    values = [np.random.default_rng(0).standard_normal(shape) for shape in problem.inputs.values()]
    assert_slices_agree(problem, values, ["compiled", "dense_writes"])


MASK, OTHER = np.random.default_rng(0).random((2, 11, 3)) < 0.7
COUNTS = MASK.sum(axis=1)


@pytest.mark.parametrize(
    "fun",
    [
        lambda X: np.exp(X) * MASK + np.exp(X) * OTHER,
        lambda X: np.einsum("ij,ij,ik->ik", MASK, OTHER, np.exp(X)),
        lambda X: np.exp(X) * COUNTS[:, None],
        lambda X: np.tanh(X) @ MASK.T @ OTHER,
        lambda X: np.where(MASK, np.log(X), X**2),
    ],
)
def test_captured_masks_and_counts_are_numbers_in_slices_too(fun):
    """A sum of masks is no mask: parts of these are read in the dtype of the arguments."""
    problem = Problem.of(tj.trace(fun, X="11 3"), "X", {})
    values = [np.random.default_rng(k).uniform(1, 2, shape) for k, shape in enumerate(problem.inputs.values())]
    assert cuts(problem)
    assert_slices_agree(problem, values, ["compiled", "reverse", "forward", "dense_writes"])


def test_names_of_arguments_are_kept_apart_from_those_of_the_loop():
    traced = tj.trace(lambda part, start, of_part: (part @ start) * of_part, part="b m", start="m n", of_part="n")
    problem = Problem.of(traced, "start", SIZES)
    values = [np.random.default_rng(0).standard_normal(shape) for shape in problem.inputs.values()]
    assert_slices_agree(problem, values, ["reverse"])


def test_the_source_of_slices():
    problem = Problem.of(LINEAR, "A", {"b": 10, "m": 3, "n": 5})
    by_rows, by_columns = cuts(problem)[:2]
    assert Sliced.of(by_rows, 4, STRATEGIES["compiled"].make).text.partition("\n\n\ndef contraction")[2] == (
        "(X, A, G):\n"
        "    gradient = np.zeros((3, 5), dtype=np.result_type(X, A, G))\n"
        "    for start in range(0, 8, 4):\n"
        "        part = slice(start, start + 4)\n"
        "        gradient += of_part(A, X[part], G[part])\n"
        "    part = slice(8, 10)\n"
        "    gradient += of_rest(A, X[part], G[part])\n"
        "    return gradient\n"
    )
    assert "        gradient[:, part] = of_part(X, A[:, part], G[:, part])\n" in (
        Sliced.of(by_columns, 2, STRATEGIES["compiled"].make).text
    )


# Limits


@pytest.mark.parametrize("name", ["dense_writes", "dense_identity", "identity_optimal", "reverse", "compiled"])
def test_slices_keep_to_the_room_that_they_are_given(name):
    """And are no smaller than need be: of twice the size they would not fit, or there are only two."""
    problem = Problem.of(NET, "A", {"b": 120, "m": 11, "n": 13, "k": 7})
    whole = problem.cost(STRATEGIES[name].make(problem)).peak
    counts = []
    for share in (0.9, 0.5, 0.2):
        sliced = fitted(problem, STRATEGIES[name].make, whole * share)
        assert problem.cost(sliced).peak <= whole * share
        size = 2 * sliced.each[0]
        if size <= sliced.cut.size:
            assert problem.cost(Sliced.of(sliced.cut, size, STRATEGIES[name].make)).peak > whole * share
        counts.append(sliced.slices)
    assert min(counts) >= 2


def test_where_one_index_is_not_enough_another_is_cut_in_turn():
    problem = Problem.of(LINEAR, "A", {"b": 64, "m": 50, "n": 40})
    # one row by one column still has 50·40 numbers in its Jacobian; so has the gradient
    sliced = fitted(problem, STRATEGIES["dense_identity"].make, 8 * 50 * 40 + 6000)
    assert isinstance(sliced.each[1][0], Sliced)
    assert problem.cost(sliced).peak <= 8 * 50 * 40 + 6000
    assert sliced.slices > 40
    values = [np.random.default_rng(k).standard_normal(shape) for k, shape in enumerate(problem.inputs.values())]
    np.testing.assert_allclose(sliced.compiled()(*values), values[0].T @ values[2], rtol=1e-12)


REGULARISED = tj.trace(
    lambda X, A, B, T: ((np.tanh(X @ A) @ B - T) ** 2).mean() + 0.1 * (A**2).sum() + A[0, 0] * A.sum() / 2,
    **{"X": "b m", "A": "m n", "B": "n k", "T": "b k"},
)


@pytest.mark.parametrize("name", ["compiled", "reverse", "forward", "dense_writes"])
def test_terms_without_an_index_in_common_are_taken_one_after_the_other(name):
    """A loss over a batch and what is added to it that knows no batch: the loss is cut along it, the rest is not."""
    problem = Problem.of(REGULARISED, "A", {"b": 2000, "m": 5, "n": 6, "k": 3})
    make = STRATEGIES[name].make
    whole = make(problem)
    room = problem.cost(whole).peak / 4
    apart = fitted(problem, make, room)
    assert isinstance(apart, Apart)
    assert [routine.slices > 1 for routine in apart.routines] == [False, True, False]
    assert apart.slices == sum(routine.slices for routine in apart.routines)
    counted, written = problem.cost(apart), problem.cost(Routine(apart.text, apart.scope))
    assert counted.peak <= room
    assert (counted.flops, counted.bytes, counted.peak) == (written.flops, written.bytes, written.peak)
    values = [np.random.default_rng(k).standard_normal(shape) for k, shape in enumerate(problem.inputs.values())]
    np.testing.assert_allclose(apart.compiled()(*values), whole.compiled()(*values), rtol=1e-10, atol=1e-12)


def test_there_is_no_slice_small_enough():
    problem = Problem.of(LINEAR, "A", {"b": 64, "m": 50, "n": 40})
    assert fitted(problem, STRATEGIES["dense_writes"].make, 8 * 50 * 40) is None
    assert fitted(problem, STRATEGIES["dense_writes"].make, 8 * 50 * 40 + 100) is None


# Tables and plans


def test_a_strategy_beyond_the_memory_limit_is_cut_into_slices():
    sizes = {"b": 64, "m": 96, "n": 128}
    table = tj.compare(LINEAR, "A", sizes=sizes, memory_limit="3MB", seconds=0, strategies=["dense_writes", "reverse"])
    dense, reverse = table.rows
    # 64·128·96·128 numbers of eight bytes in one piece; 64·s·96·s of s columns of A
    assert (dense["note"], dense["slices"], dense["largest"]) == ("", 19, 8 * 64 * 7 * 96 * 7)
    assert -1 < dense["overhead"] < 0
    # both are of the predicted time of one piece
    assert (1 + dense["paid"]) / (1 + dense["overhead"]) == pytest.approx(dense["median"] / dense["predicted"])
    assert (reverse["note"], reverse["slices"], reverse["overhead"], reverse["paid"]) == ("", None, None, None)
    assert dense["error"] < 1e-13
    heads, row = (line for line in table.text(80).splitlines() if line.startswith(("strategy", "dense_writes")))
    assert "slices" in heads
    assert " 19 " in row


def test_a_strategy_beyond_the_memory_limit_that_cannot_be_cut_says_what_it_needs():
    whole = tj.trace(lambda x: x * x[::-1], x="n")
    names = ["dense_writes", "reverse"]
    table = tj.compare(whole, "x", sizes={"n": 4096}, memory_limit="3MB", seconds=0, strategies=names)
    dense, reverse = table.rows
    assert dense["note"] == "needs 128 MiB of memory, and the limit is 2.86 MiB"
    assert dense["median"] is None
    assert reverse["note"] == ""


def test_what_is_read_in_parts_and_whole_is_cut():
    """The gradient by a part, and what the part adds to that by the whole."""
    gram = tj.trace(lambda X: np.tanh(X @ X.T).sum(axis=1), X="b n")
    problem, values, _ = problem_and_values(gram, "X", {"X": np.random.default_rng(0).standard_normal((300, 5))})
    room = 150e3 - problem.held
    sliced = fitted(problem, STRATEGIES["reverse"].make, room)
    assert sliced.slices > 1
    assert problem.cost(sliced).peak <= room
    # by the rows of the one X or of the other, whichever is found to be the faster
    for call in ("gradient += of_part(X, X[part], G", "gradient[part] += of_part2(X, X[part], G"):
        assert call in sliced.text
    np.testing.assert_allclose(sliced.compiled()(*values), gram.vjp("X")(*values), rtol=1e-10, atol=1e-12)


def test_a_plan_in_passes():
    F = tj.trace(lambda X, A: np.exp(X @ A) / np.exp(X @ A).sum(), X="b m", A="m n")
    plan = tj.plan(F, "A", sizes={"b": 50_000, "m": 4, "n": 16}, memory_limit="12MB")
    assert (plan.strategy, plan.slices > 1) == ("compiled", True)
    assert plan.cost.peak + 8 * 50_000 * (4 + 16) <= 12e6


def test_a_plan_in_slices():
    sizes = {"b": 4000, "m": 30, "n": 20, "k": 10}
    free, bound = (tj.plan(NET, "A", sizes=sizes, memory_limit=limit) for limit in ("1GB", "1.6MB"))
    assert free.slices == 1
    assert bound.slices > 1
    assert bound.cost.peak < free.cost.peak / 4
    values = [np.random.default_rng(k).standard_normal(shape) for k, shape in enumerate(free._inputs.values())]
    np.testing.assert_allclose(bound(*values), free(*values), rtol=1e-10)


def test_a_plan_without_enough_memory_for_its_result():
    sizes = {"b": 64, "m": 64, "n": 64}
    assert tj.plan(LINEAR, "A", sizes=sizes, memory_limit="132kB").slices == 1
    with pytest.raises(tj.UnsupportedError) as caught:
        tj.plan(LINEAR, "A", sizes=sizes, memory_limit="131kB")
    assert str(caught.value) == (
        "the arguments take 96 KiB and the gradient 32 KiB, and the memory limit is 128 KiB: raise memory_limit."
    )


@pytest.mark.parametrize(
    ("shape", "limit", "message"),
    [
        (
            "n k",
            "75kB",
            "every strategy needs more memory than the limit, and a part of it along k needs more, too:\n"
            "  Y[i:n, j] = tril[il] exp(x[lj])\n"
            "in one piece it takes 96 KiB at least, and the memory limit is 73.2 KiB: raise memory_limit.",
        ),
        (
            "n",
            "25kB",
            "every strategy needs more memory than the limit, and it has no index that can be cut:\n"
            "  Y[i:n] = tril[ij] exp(x[j])\n"
            "in one piece it takes 32 KiB at least, and the memory limit is 24.4 KiB: raise memory_limit.",
        ),
    ],
)
def test_a_plan_without_enough_memory_for_its_slices(shape, limit, message):
    F = tj.trace(lambda x: np.cumsum(np.exp(x), 0), x=shape)
    with pytest.raises(tj.UnsupportedError) as caught:
        tj.plan(F, "x", sizes={"n": 1024, "k": 3}, memory_limit=limit)
    assert str(caught.value) == message


def scaled_by_its_norm(x):
    return np.exp(x / np.sqrt(x @ x))


def correlation(X, A, T):
    D, E = X @ A - (X @ A).mean(), T - T.mean()
    return (D * E).sum() / np.sqrt((D * D).sum() * (E * E).sum())


NONLINEAR_IN_SUMS = {
    "norm": (lambda X, A: np.linalg.norm(np.tanh(X @ A)), {"X": "b m", "A": "m n"}),
    "log-sum-exp": (lambda X, A: np.log(np.exp(X @ A).sum()), {"X": "b m", "A": "m n"}),
    "ratio": (lambda X, A: np.tanh(X @ A).sum() / np.exp(X @ A).sum(), {"X": "b m", "A": "m n"}),
    "correlation": (correlation, {"X": "b m", "A": "m n", "T": "b n"}),
    "tanh of sums": (lambda X, A: np.tanh(np.tanh(X @ A).sum(0) / 100).sum(), {"X": "b m", "A": "m n"}),
    "scaled by its norm": (scaled_by_its_norm, {"x": "b"}),
}


@pytest.mark.parametrize(
    ("name", "wrt"), [(name, wrt) for name, (_, shapes) in NONLINEAR_IN_SUMS.items() for wrt in shapes]
)
def test_what_is_not_linear_in_its_sums_is_computed_in_passes(name, wrt):
    """No slice has its part of the gradient before the sums over all slices are known."""
    fun, shapes = NONLINEAR_IN_SUMS[name]
    sizes = {"b": 5000, "m": 3, "n": 7}
    problem = Problem.of(
        tj.trace(fun, **shapes), wrt, {size: sizes[size] for size in " ".join(shapes.values()).split()}
    )
    whole = STRATEGIES["compiled"].make(problem)
    # a third of what is needed beside arguments and gradient
    gradient = problem.bytes(wrt)
    room = gradient + (problem.cost(whole).peak - gradient) // 3
    bound = fitted(problem, STRATEGIES["compiled"].make, room)
    assert bound.slices > 1
    assert problem.cost(bound).peak <= room
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(shape) / 9 for shape in problem.inputs.values()]
    expected, run = whole.compiled()(*values), bound.compiled()
    np.testing.assert_allclose(run(*values), expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())
    tracemalloc.start()
    try:
        run(*values)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= 1.1 * room


# From outside

PLAN = """
F = tj.trace(lambda X, A, B: np.tanh(X @ A) @ B, X="b m", A="m n", B="n k")
shapes = {"b": 100_000, "m": 32, "n": 64, "k": 16}
plan = tj.plan(F, "A", sizes=shapes, memory_limit=sys.argv[1])
rng = np.random.default_rng(0)


def run(plan, b):
    return plan(*(rng.standard_normal(shape) for shape in ((b, 32), (32, 64), (64, 16), (b, 16))))


run(tj.plan(F, "A", sizes={**shapes, "b": 1000}), 1000)  # what is allocated once
pause()
run(plan, 100_000)
pause()
"""

COMPARE = """
F = tj.trace(lambda X, A, B: np.tanh(X @ A) @ B, X="b m", A="m n", B="n k")
sizes = {"b": 100_000, "m": 32, "n": 64, "k": 16}
names = ["reverse", "compiled"]
tj.compare(F, "A", sizes={**sizes, "b": 1000}, seconds=0, strategies=names)
tj.plan(F, "A", sizes=sizes, memory_limit=sys.argv[1])
pause()
table = tj.compare(F, "A", sizes=sizes, seconds=0, strategies=names, memory_limit=sys.argv[1])
assert all(row["median"] for row in table.rows)
pause()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's mark of memory is read from /proc")
@pytest.mark.parametrize("code", [PLAN, COMPARE], ids=["plan", "compare"])
def test_a_process_keeps_to_the_limit(code):
    """38 MB of arguments, and 51 MB for each array of a row by hidden unit: two of these do not fit into 80 MB."""
    assert peak_between_pauses(code, "80MB") <= 80e6
    assert peak_between_pauses(code, "1GB") > 120e6
