"""Patterns of δ at random: as dense arrays, as counts, and as cores, against entries set one by one."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import tensorjac as tj
from evaluate import evaluate
from functions import CASES, named
from generators import PROGRAM, program, programs
from oracles import assert_close
from tensorjac.dims import Dim
from tensorjac.structure import count, parts
from tensorjac.structure.sparse import coordinates
from tensorjac.terms import Index, Sum, affine, contraction, of_factor, product, zero_of
from test_jacobian import flat
from test_programs import moderate, point

SIZES = {"n": 4, "m": 3}


@st.composite
def terms(draw):
    """Axes, two for output and two for input, and terms of δ between them and at most one summed index."""
    axes = tuple(Index.fresh(Dim.of(draw(st.sampled_from("nm")))) for _ in range(4))
    found = []
    for _ in range(draw(st.integers(1, 3))):
        extra = Index.fresh(Dim.of(draw(st.sampled_from(["n", "m"]))))
        labels = [*axes, extra]
        ties = []
        for _ in range(draw(st.integers(0, 2))):
            chosen = draw(st.lists(st.sampled_from(labels), min_size=2, max_size=3, unique=True))
            signs = [draw(st.sampled_from([-1, 1, 1, 2])) for _ in chosen]
            shift = draw(st.integers(-2, 2))
            ties.append(zero_of(affine(Dim.of(shift), {x: Dim.of(c) for x, c in zip(chosen, signs, strict=True)})))
        found.append((ties, extra))
    return axes, found


def brute(axes, ties, extra):
    """How many values of the summed index meet all conditions, at every place."""
    labels = (*axes, extra)
    shape = [label.dim.evaluate(SIZES) for label in labels]
    holds = np.ones(shape, dtype=bool)
    grid = np.indices(shape)
    for tie in ties:
        (slot,) = tie.slots
        value = slot.constant.evaluate(SIZES) + sum(c.evaluate(SIZES) * grid[labels.index(x)] for x, c in slot.parts)
        holds &= value == 0
    return holds.sum(axis=-1)


@given(terms())
@settings(max_examples=150)
def test_random_patterns(drawn):
    """The parts hold what the terms hold; where a count is given it is right."""
    axes, found = drawn
    bodies = []
    for ties, extra in found:
        used = any(extra in tie.labels for tie in ties)
        if not ties:
            bodies.append(Sum([product(1, [])]))
        else:
            bodies.append(of_factor(contraction(ties, [extra])) if used else Sum([product(1, ties)]))
    weights = [1, 10, 100]
    body = Sum(term._replace(coefficient=w) for w, b in zip(weights, bodies, strict=False) for term in b.terms)
    expected = np.zeros([axis.dim.evaluate(SIZES) for axis in axes])
    for weight, (ties, extra) in zip(weights, found, strict=False):
        times = 1 if any(extra in tie.labels for tie in ties) else 1 / extra.dim.evaluate(SIZES)
        expected += weight * times * brute(axes, ties, extra)
    shown = parts(body, axes)
    actual = np.zeros(expected.size)
    for part in shown:
        rows, columns, kept = coordinates(part.pattern, 2, SIZES)
        box = [label.dim.evaluate(SIZES) for label in part.pattern.labels]
        place = np.broadcast_to(rows * int(np.prod(expected.shape[2:])) + columns, box)
        value = evaluate(part.core, part.pattern.labels, {}, SIZES)
        kept = np.broadcast_to(True if kept is None else kept, box)
        np.add.at(actual, place[kept], value[kept])
    assert np.allclose(actual.reshape(expected.shape), expected)
    try:
        total = count([part.pattern for part in shown])
    except tj.UnsupportedError:
        return
    assert total.evaluate(SIZES) == np.count_nonzero(expected)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_form_of_every_function(case):
    args = case.inputs()
    F = tj.trace(case.fun, **case.shapes)
    for name in named(case.fun(**args)):
        for wrt in args:
            J = F.jacobian(wrt, of=name)
            J, arrays, sizes = J._at((), args)
            dense = J.dense(**args)
            sparse = J.sparse(**args)
            # sums of other orders: a few roundings of the largest entry
            error = 1e-12 * np.max(np.abs(dense), initial=0)
            assert_close(sparse.toarray(), flat(J, dense), error)
            tangent = np.random.default_rng(0).normal(size=args[wrt].size)
            assert_close(J.operator(*arrays).matvec(tangent), flat(J, dense) @ tangent, error * tangent.size)
            try:
                assert J.nnz.evaluate(sizes) == sparse.nnz
            except tj.UnsupportedError:
                assert not sparse.nnz < np.count_nonzero(dense)


# a condition on sizes alone: δ[0 = 1 - b]
@example((("rotated", 1, 0), ("rotated", 2, 2), ("negated", 3, 0), ("centred", 4, 1), "all"), 0)
@given(programs(), st.integers(0, 2**32))
@settings(max_examples=25)
def test_forms_of_random_programs(steps, seed):
    args = point(seed)
    moderate(steps, args)
    F = tj.trace(program(steps), **PROGRAM)
    for wrt in args:
        J = F.jacobian(wrt)
        with np.errstate(all="ignore"):
            dense = J.dense(**args)
        assume(np.all(np.isfinite(dense)) and np.max(np.abs(dense), initial=0) < 1e6)
        tolerance = 1e-9 * max(1, np.max(np.abs(dense), initial=0))
        assert_close(J.sparse(**args).toarray(), flat(J, dense), tolerance)
        operator = J.operator(**args)
        assert_close(operator.matmat(np.eye(operator.shape[1])), flat(J, dense), tolerance)
        assert_close(operator.rmatmat(np.eye(operator.shape[0])), flat(J, dense).T, tolerance)
        assert_close(F._forward_jacobian(wrt).dense(**args), dense, tolerance)
        assert_close(J.svdvals(**args), np.linalg.svd(flat(J, dense), compute_uv=False), tolerance)
