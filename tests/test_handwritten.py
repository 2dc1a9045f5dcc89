"""Backward passes as people write them: right ones are right, and slips in them are refused and named."""

import pytest

import tensorjac as tj
from handwritten import LAYERS, SLIPS, wrong_backward
from tensorjac.testing import with_cache


def report(layer, backward):
    pair = with_cache(layer.forward, backward)
    F = (tj.opaque if layer.opaque else tj.trace)(pair.forward, **layer.shapes)
    return tj.check_vjp(F, pair.backward, domain=layer.domain, sizes=layer.sizes)


@pytest.mark.parametrize("layer", LAYERS.values(), ids=str)
def test_right(layer):
    assert report(layer, layer.backward)


@pytest.mark.parametrize("layer", [layer for layer in LAYERS.values() if layer.name not in ("conv", "rnn")], ids=str)
def test_right_as_a_black_box(layer):
    pair = with_cache(layer.forward, layer.backward)
    box = tj.opaque(pair.forward, **layer.shapes)
    assert tj.check_vjp(box, pair.backward, domain=layer.domain, sizes=layer.sizes)


@pytest.mark.parametrize(
    ("name", "old", "new", "causes"), SLIPS, ids=[f"{s[0]}: {s[2] or 'without ' + s[1]}" for s in SLIPS]
)
def test_slips(name, old, new, causes):
    said = report(LAYERS[name], wrong_backward(LAYERS[name], old, new))
    assert said.verdict == "wrong"
    assert causes & {finding.cause for finding in said.findings}, said
