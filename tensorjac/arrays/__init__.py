"""Array operations as hash-consed values: what a plan is made of, one step above source text.

A :class:`Value` is an operation on other values. Equal operations are one object, so common subexpressions are computed
once. The constructors fold what costs nothing to fold: transposes of transposes, factors of one, views of names.
"""

from .building import Values
from .scalars import Scalar, dim_text
from .values import ADDITIVE, ATOM, COMPARING, FREE, LAST, MULTIPLICATIVE, POWER, UNARY, Value, Walk, Write

__all__ = [
    "ADDITIVE",
    "ATOM",
    "COMPARING",
    "FREE",
    "LAST",
    "MULTIPLICATIVE",
    "POWER",
    "UNARY",
    "Scalar",
    "Value",
    "Values",
    "Walk",
    "Write",
    "dim_text",
]
