"""LaTeX of functions and derivatives."""
