"""Paper notation, as on a blackboard: ``dL = tr(Gᵀ X dA)``. Text to nodes."""

from .reading import parse_paper

__all__ = ["parse_paper"]
