"""The detectors of causes, each entered in ``DETECTORS`` where it is defined; the order here is the order of trial."""

from . import shapes, values

__all__ = ["shapes", "values"]
