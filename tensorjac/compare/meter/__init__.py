"""NumPy source run on arrays that have a shape and no memory: what it would compute, move and hold is counted.

A :class:`Counted` array behaves as an array does, except that its elements are never there. Views share a buffer with
what they are views of; a buffer lives as long as some array refers to it, as in NumPy. So the sizes of the largest
array and of all arrays alive at one moment come out as they would, for problems that fit into no memory.
"""

from . import elementwise, functions, products  # isort: skip  (they fill the tables of arrays.py)
from .cost import Cost, Shape, Within, metered
from .ledger import Operation

__all__ = ["Cost", "Operation", "Shape", "Within", "elementwise", "functions", "metered", "products"]
