"""No false alarms: every spelling of a backward pass is right, of a traced function and of a black box."""

import numpy as np
import pytest

import tensorjac as tj
from spellings import LAYERS
from tensorjac.testing import derivable, with_cache

SPELLINGS = [(layer, backward) for layer in LAYERS for backward in layer.backwards]


def check(layer, backward, make):
    pair = with_cache(layer.forward, backward)
    return tj.check_vjp(make(pair.forward, **layer.shapes), pair.backward, domain=layer.domain, sizes=layer.sizes)


@pytest.mark.parametrize("make", [derivable, tj.opaque])
@pytest.mark.parametrize(("layer", "backward"), SPELLINGS, ids=[backward.__name__ for _, backward in SPELLINGS])
def test_right(layer, backward, make):
    report = check(layer, backward, make)
    assert report, report


@pytest.mark.parametrize(("layer", "backward"), SPELLINGS, ids=[backward.__name__ for _, backward in SPELLINGS])
def test_float32_is_never_wrong(layer, backward):
    def lower(arrays):
        return [np.asarray(one, np.float32) if np.asarray(one).dtype.kind == "f" else one for one in arrays]

    def rounded(*cotangents_and_cache):
        *cotangents, args = cotangents_and_cache
        cache = layer.forward(*lower(args))[-1]
        found = backward(*lower(cotangents), cache)
        return found if found is None or isinstance(found, np.ndarray | tuple) else np.asarray(found)

    def forward(*args):
        return (*tuple(layer.forward(*args))[:-1], args)

    names = list(layer.shapes)
    pair = with_cache(layer.forward, backward)
    claim = lambda *given: rounded(*given[len(names) :], given[: len(names)])  # noqa: E731
    report = tj.check_vjp(derivable(pair.forward, **layer.shapes), claim, domain=layer.domain, sizes=layer.sizes)
    assert report.verdict != "wrong", report
