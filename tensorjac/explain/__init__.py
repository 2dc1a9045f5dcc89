"""The derivation of a Jacobian and its gradients, step by step, in the order in which a teacher would write it."""

from .derivation import explain

__all__ = ["explain"]
