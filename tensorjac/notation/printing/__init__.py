"""Expressions to index notation: definitions named, letters chosen, factors put in order, sizes shown where needed."""

from .equations import Formula, Printer, derivative, text

__all__ = ["Formula", "Printer", "derivative", "text"]
