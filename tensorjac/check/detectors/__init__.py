"""The detectors of causes, entered in ``DETECTORS`` where they are defined; the imports are in order of trial."""

# ruff: noqa: I001
from . import shapes, values
from . import jacobians, activations, paths, entries, labellings, substitutions, losses, ratios, ranks

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
