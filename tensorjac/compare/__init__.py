"""What each way costs to contract a Jacobian with a cotangent: counted, predicted, measured, drawn."""

from .columns import COLUMNS, Column
from .registry import STRATEGIES, Strategy, strategy
from .sweeping import compare
from .table import Table

__all__ = ["COLUMNS", "STRATEGIES", "Column", "Strategy", "Table", "compare", "strategy"]
