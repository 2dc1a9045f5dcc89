"""The detectors of causes, each entered in ``DETECTORS`` where it is defined; the imports here are in order of trial."""

# ruff: noqa: I001
from . import shapes, values
from . import jacobians, paths, entries, activations, labellings, substitutions, losses, ratios, ranks

__all__ = [
    "activations",
    "entries",
    "jacobians",
    "labellings",
    "losses",
    "paths",
    "ranks",
    "ratios",
    "shapes",
    "substitutions",
    "values",
]
