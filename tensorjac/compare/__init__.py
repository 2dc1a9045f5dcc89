"""What each way costs to contract a Jacobian with a cotangent: counted, predicted, measured, drawn."""

from .columns import COLUMNS, Column
from .planning import Plan, plan
from .registry import STRATEGIES, Strategy, strategy
from .sweeping import compare
from .table import Table

__all__ = ["COLUMNS", "STRATEGIES", "Column", "Plan", "Strategy", "Table", "compare", "plan", "strategy"]
