"""Canonical, hash-consed tensor expressions: indices, affine slots, factors, terms and sums.

A :class:`Tensor` is a closed array-valued thing (an input, a primitive applied to expressions, a contraction, a
shared sum). A :class:`Factor` reads a tensor at *slots*, affine forms of indices. A :class:`Term` is a coefficient
times factors, possibly summed over some of its indices, and a :class:`Sum` adds terms. Equal tensors are the same
object, whatever the names of their indices were, so "the same sum" is found by ``is``.

This floor makes expressions canonical but simplifies nothing: δ stays a factor like any other.
"""

from .closed import (
    Apply,
    Contraction,
    Shared,
    apply,
    canonical,
    contraction,
    flattened,
    nested,
    shared,
    signature,
    sum_key,
    topological,
)
from .indices import (
    ONE,
    ZERO,
    Affine,
    Index,
    Number,
    Slot,
    affine,
    combine,
    constant_slot,
    magnitude,
    number,
    scaled,
    slot_labels,
    slot_parts,
    substitute_slot,
)
from .sums import Sum, Term, constant, is_tie, of_factor, of_size, product, tied_classes
from .tensors import DELTA, Constant, Delta, Factor, Input, Operation, Position, Size, Tensor, delta, name_bits, zero_of

__all__ = [
    "DELTA",
    "ONE",
    "ZERO",
    "Affine",
    "Apply",
    "Constant",
    "Contraction",
    "Delta",
    "Factor",
    "Index",
    "Input",
    "Number",
    "Operation",
    "Position",
    "Shared",
    "Size",
    "Slot",
    "Sum",
    "Tensor",
    "Term",
    "affine",
    "apply",
    "canonical",
    "combine",
    "constant",
    "constant_slot",
    "contraction",
    "delta",
    "flattened",
    "is_tie",
    "magnitude",
    "name_bits",
    "nested",
    "number",
    "of_factor",
    "of_size",
    "product",
    "scaled",
    "shared",
    "signature",
    "slot_labels",
    "slot_parts",
    "substitute_slot",
    "sum_key",
    "tied_classes",
    "topological",
    "zero_of",
]
