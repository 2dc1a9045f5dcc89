"""Source for given sizes: memory that is reused, and cheaper ways to calculate the same."""

import math

import numpy as np
import pytest
from scipy import special

import tensorjac as tj
from functions import CASES, named
from oracles import assert_close
from tensorjac import emit
from tensorjac.emit import statements

every_case = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.fixture
def eager(monkeypatch):
    """Every array counts as large."""
    monkeypatch.setattr(statements, "IN_PLACE", 0)


def arguments(F, case):
    """Arguments of one dtype: that of the captured arrays where there are any, which is what reuse asks for."""
    dtype = next((array.dtype for array in F.constants.values() if array.dtype.kind == "f"), np.dtype(float))
    given = {name: np.asarray(value, dtype) for name, value in case.inputs().items()}
    sizes = {}
    for name, value in given.items():
        sizes.update(zip(F._parts.inputs[name], value.shape, strict=True))
    named_sizes = {dim.name: size for dim, size in sizes.items() if dim.name is not None}
    rng = np.random.default_rng(1)
    for name, dims in F._parts.inputs.items():
        if name not in given:
            given[name] = np.asarray(rng.normal(size=[dim.evaluate(named_sizes) for dim in dims]), dtype)
    return given


def plain(F, args):
    """The results of the source that is printed where no sizes are given."""
    scope = {"np": np, "math": math, "erf": special.erf, "xlogy": special.xlogy, **F.constants}
    generated = F._source({}, False)
    result = emit.compiled(generated, scope)(*args.values())
    return result if len(F.outputs) > 1 else [result]


@every_case
def test_reused_memory_changes_nothing(case, eager):
    """What runs at these sizes gives what the plain source gives, and leaves its arguments alone."""
    F = tj.trace(case.fun, **case.shapes)
    for each in (F, F.vjp()):
        args = arguments(each, case)
        before = {name: value.copy() for name, value in args.items()}
        found = named(each(**args))
        for name, value in args.items():
            np.testing.assert_array_equal(value, before[name])
        dtype = next(iter(args.values())).dtype if args else np.dtype(float)
        for one, other in zip(found.values(), plain(each, args), strict=True):
            assert_close(one, other, roundings=4096, dtype=dtype)
