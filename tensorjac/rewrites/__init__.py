"""The named identities, and the constructors that apply them while expressions are built.

Expressions are built bottom-up, and every constructor leaves a finished expression: there is no loop over finished
ones. A sum that is multiplied or raised to a power stays whole; it is opened only where terms merge or vanish.
"""

from . import delta, contractions, products, functions  # isort: skip  (the order of the imports is the order of the rules)
from .building import (
    apply,
    contract,
    contracted,
    elsewhere,
    finished,
    multiply,
    power,
    pushed,
    read,
    reread,
    settled,
    substitute,
)
from .ranges import in_range
from .rebuilding import rebuild
from .registry import REWRITES, Rewrite, Step, assuming, assumptions, recording, term_rules, without
from .resizing import resized
from .restricting import restricted
from .sums import add, compact, whole

__all__ = [
    "REWRITES",
    "Rewrite",
    "Step",
    "add",
    "apply",
    "assuming",
    "assumptions",
    "compact",
    "contract",
    "contracted",
    "contractions",
    "delta",
    "elsewhere",
    "finished",
    "functions",
    "in_range",
    "multiply",
    "power",
    "products",
    "pushed",
    "read",
    "rebuild",
    "recording",
    "reread",
    "resized",
    "restricted",
    "settled",
    "substitute",
    "term_rules",
    "whole",
    "without",
]
