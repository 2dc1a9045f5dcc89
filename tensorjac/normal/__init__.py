"""One form for equal expressions: everything multiplied out and flattened, for ``==`` and for proofs.

The form is not for computing: products of sums are opened even where that costs digits or time. Two expressions are
first compared with their sums left whole, which is quick, finds most that are equal, and does not grow.
"""

from .comparing import equal, normal
from .expanding import LIMIT, TooLarge

__all__ = ["LIMIT", "TooLarge", "equal", "normal"]
