"""One file per family of strategies; importing it fills the registry, in the order of the table."""

from . import dense, explicit, orders, mixed, whole, libraries, automatic  # isort: skip  (the order of the imports is the order of the rows)

__all__ = ["automatic", "dense", "explicit", "libraries", "mixed", "orders", "whole"]
