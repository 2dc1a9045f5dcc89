"""What is known of a Jacobian's structure: where δ put its entries, and what stands there.

A Jacobian is opened into parts: a :class:`Pattern`, the affine slots at which each axis is read, times a core over
the labels of these slots. Everything else is derived from the parts: words, counts, sparse arrays, dense blocks,
Kronecker factors, determinants, pictures.
"""

from .counting import Ratio, count
from .opening import opened
from .pattern import Part, Pattern, parts
from .summary import Entries, Letters, Structure

__all__ = ["Entries", "Letters", "Part", "Pattern", "Ratio", "Structure", "count", "opened", "parts"]
