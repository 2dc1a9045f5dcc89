"""Derivations as text: what is defined, what each side of an ``=`` stands for, and whether it follows."""
