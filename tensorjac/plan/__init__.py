"""From expressions to array operations: which products to share, in which order to contract, how to call NumPy.

All outputs are seen at once. Contractions that are used once are opened, elementwise pairs that several products need
are shared, common factors are taken out of sums, each product is ordered by cost, and every step of it becomes a
matrix product, an elementwise product, or, where nothing better fits, an ``einsum``. A choice that no rule makes well
for every program is made both ways, and the cheaper program is kept.
"""

from .costs import Costs
from .program import Program, plan
from .solving import computed

__all__ = ["Costs", "Program", "computed", "plan"]
