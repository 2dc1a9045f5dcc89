"""The one door to optional libraries: each is imported when it is first needed, and named when it is absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from typing import Any

from ..errors import UnsupportedError

# Functions that NumPy lacks, as generated source names them.
SPECIAL = ("erf", "xlogy")


def special() -> Any:
    """``scipy.special``; UnsupportedError where SciPy is not installed."""
    try:
        import scipy.special
    except ImportError:
        raise UnsupportedError(
            "this function needs SciPy's special functions, and SciPy is not installed: pip install 'tensorjac[scipy]'."
        ) from None
    return scipy.special


def sparse() -> Any:
    """``scipy.sparse``; UnsupportedError where SciPy is not installed."""
    try:
        import scipy.sparse
    except ImportError:
        raise UnsupportedError(
            "sparse arrays are SciPy's, and SciPy is not installed: pip install 'tensorjac[scipy]'."
        ) from None
    return scipy.sparse


def linear_operator(shape: tuple[int, int], **products: Any) -> Any:
    """A ``scipy.sparse.linalg.LinearOperator``; UnsupportedError where SciPy is not installed."""
    try:
        import scipy.sparse.linalg
    except ImportError:
        raise UnsupportedError(
            "a linear operator is SciPy's, and SciPy is not installed: pip install 'tensorjac[scipy]'."
        ) from None
    return scipy.sparse.linalg.LinearOperator(shape, **products)


def figure(inches: tuple[float, float]) -> Any:
    """A Matplotlib figure of this width and height, which no window shows; UnsupportedError without Matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UnsupportedError(
            "pictures are drawn by Matplotlib, and Matplotlib is not installed: pip install 'tensorjac[plot]'."
        ) from None
    return Figure(inches, layout="constrained")


def special_names(source: str) -> Mapping[str, Any]:
    """The special functions that a generated source calls, by name."""
    used = [name for name in SPECIAL if re.search(rf"(?<![\w.]){name}\(", source)]
    return {name: getattr(special(), name) for name in used}


def property_tests() -> tuple[Any, Any]:
    """``hypothesis`` and its strategies; UnsupportedError where it is not installed."""
    try:
        import hypothesis
        import hypothesis.strategies
    except ImportError:
        raise UnsupportedError(
            "property tests need Hypothesis, and it is not installed: pip install 'tensorjac[testing]'."
        ) from None
    return hypothesis, hypothesis.strategies


def jax() -> Any:
    """``jax``; UnsupportedError where it is not installed."""
    try:
        import jax
    except ImportError:
        raise UnsupportedError("JAX is not installed: pip install 'tensorjac[jax]'.") from None
    return jax


def torch() -> Any:
    """``torch``; UnsupportedError where it is not installed."""
    try:
        import torch
    except ImportError:
        raise UnsupportedError("PyTorch is not installed: pip install 'tensorjac[torch]'.") from None
    return torch


def double_precision() -> Any:
    """A scope in which JAX computes in double precision."""
    library = jax()
    return library.enable_x64(True) if hasattr(library, "enable_x64") else library.experimental.enable_x64()


def cotengra() -> Any:
    """``cotengra``; UnsupportedError where it is not installed."""
    try:
        import cotengra
    except ImportError:
        raise UnsupportedError("cotengra is not installed: pip install cotengra.") from None
    return cotengra


def versions() -> dict[str, str]:
    """The versions of those optional libraries that are installed, without importing them."""
    found = {}
    for name in ("scipy", "jax", "torch", "cotengra"):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
