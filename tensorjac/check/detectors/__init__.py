"""The detectors of causes, entered in ``DETECTORS`` where they are defined; the imports are in order of trial."""

# ruff: noqa: I001
from . import shapes, values
from . import jacobians, activations, paths, recurrences, orders, entries, labellings, substitutions, losses
from . import ratios, steps, ranks

__all__ = [
    "activations",
    "entries",
    "jacobians",
    "labellings",
    "losses",
    "orders",
    "paths",
    "ranks",
    "ratios",
    "recurrences",
    "shapes",
    "steps",
    "substitutions",
    "values",
]
