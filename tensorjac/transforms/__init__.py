"""Derivatives of plain functions, as in JAX: `grad`, `vjp`, `jvp`, `jacobian`, `hessian` and what belongs to them.

`rules` has the transforms on traced arrays, `environment` what a trace depends on besides its arguments, `calls`
the calls on arrays, and `api` the functions as users know them.
"""

from .api import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]
