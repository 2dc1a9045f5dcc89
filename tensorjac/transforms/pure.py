"""What Python, NumPy, SciPy and tensorjac have that depends on its arguments only."""

from __future__ import annotations

import builtins
import functools
import itertools
import math
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..trace import numpy_namespace

MODULES = (
    "numpy",
    "numpy.linalg",
    "numpy.linalg.linalg",  # an old name of numpy.linalg, which NumPy 2.0 still holds as an attribute
    "numpy.fft",
    "numpy.lib",
    "numpy.lib.stride_tricks",
    "math",
    "scipy",
    "scipy.special",
    "tensorjac",
)

_BUILTINS = """
abs all any bool divmod enumerate filter float int iter len list map max min next pow range reversed round slice sorted
sum tuple zip"""
# These can tell a symbolic size from a number, or hash it.
_TELLING_BUILTINS = "ascii callable dict format frozenset hash isinstance issubclass repr set str type"

_NUMPY = """
all allclose any apply_along_axis argmax argmin argpartition argsort argwhere array array_equal array_split asarray
ascontiguousarray bartlett bincount blackman bool bool_ broadcast_shapes choose compress copyto corrcoef cov cumprod
delete diag_indices diagflat diff digitize dsplit dtype ediff1d einsum_path errstate extract finfo flatnonzero float16
float32 float64 floor floating fmod frexp full gcd geomspace gradient hamming hanning histogram hsplit i0 iinfo
indices insert int8 int16 int32 int64 integer interp intersect1d intp isclose isfinite isin isinf isnan ix_ kaiser lcm
ldexp lexsort linspace logspace longdouble median meshgrid modf nan_to_num nancumsum nanmax nanmean nanmin nanprod
nanstd nansum nanvar nextafter nonzero number outer partition percentile piecewise place poly polyfit polyval
promote_types put put_along_axis putmask quantile ravel_multi_index resize result_type rint roots round searchsorted
setdiff1d signbit sinc size sort spacing take_along_axis trapezoid tri tril_indices trim_zeros triu_indices trunc uint8
uint16 uint32 uint64 unique unravel_index unwrap vander
linalg.eig linalg.eigh linalg.eigvals linalg.eigvalsh linalg.lstsq linalg.matrix_rank linalg.qr linalg.svd
linalg.svdvals linalg.LinAlgError linalg.cond linalg.tensorinv linalg.tensorsolve
fft.fft fft.fft2 fft.fftfreq fft.fftn fft.fftshift fft.ifft fft.ifft2 fft.ifftn fft.ifftshift fft.irfft fft.rfft"""


def _pure() -> Iterator[Any]:
    for name in f"{_BUILTINS} {_TELLING_BUILTINS}".split():
        yield getattr(builtins, name)
    yield from (each for each in vars(builtins).values() if isinstance(each, type) and issubclass(each, BaseException))
    for module in (math, operator, itertools):
        # an attrgetter reads whatever its text says
        others = {name for name in vars(module) if name.startswith("_")} | {"attrgetter", "methodcaller"}
        yield from (each for name, each in vars(module).items() if callable(each) and name not in others)
    yield functools.reduce
    for name in (*_NUMPY.split(), *numpy_namespace):
        value: Any = np
        for part in name.split("."):
            value = getattr(value, part, None)
        if callable(value):
            yield value


PURE: dict[int, Any] = {id(value): value for value in _pure()}
TELLING = frozenset(id(getattr(builtins, name)) for name in _TELLING_BUILTINS.split())


def declare_pure(functions: Iterable[Callable[..., Any]]) -> None:
    """These, too, depend on nothing but their arguments."""
    PURE.update((id(function), function) for function in functions)


def is_special(value: Any) -> bool:
    """Whether this is one of SciPy's special functions."""
    if not isinstance(value, np.ufunc):
        return False
    return getattr(sys.modules.get("scipy.special"), value.__name__, None) is value
