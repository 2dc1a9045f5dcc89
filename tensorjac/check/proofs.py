"""Claims decided as expressions: equal for all sizes and all values."""

from __future__ import annotations

from ..function import Function
from .cases import Case


def proved(case: Case) -> bool:
    """Whether the claim and the true derivative are the same expression, once simplified."""
    claimed, true = case.claim.function, case.derivative
    if claimed is None or true is None or case.question.symmetric.intersection(case.target.wrt):
        return False
    return Function.__eq__(claimed, true) is True
