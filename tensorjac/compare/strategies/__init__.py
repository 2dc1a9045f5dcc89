"""One file per family of strategies; importing it fills the registry, in the order of the table."""

from . import dense, explicit, orders, mixed, whole, libraries  # isort: skip  (the order of the imports is the order of the rows)

__all__ = ["dense", "explicit", "libraries", "mixed", "orders", "whole"]
