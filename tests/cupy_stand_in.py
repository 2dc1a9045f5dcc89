"""CuPy played by NumPy, as strict as CuPy is: its names and parameters, and no conversion that nobody asked for.

``cupy_names.txt`` is what CuPy has of NumPy's functions. What a GPU does differently is not played: rounding, time, and
that positions out of range are no errors.
"""

from __future__ import annotations

import inspect
import operator
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from scipy import special

NAMES = Path(__file__).with_name("cupy_names.txt").read_text(encoding="utf-8").splitlines()[1:]
UFUNC = "(*arrays, out=None, dtype=None, casting='same_kind')"
# What takes an array of NumPy's: only those functions that are there for it.
TRANSFERS = {"array", "asarray", "asanyarray", "ascontiguousarray"}
METHODS = (
    *(
        "all",
        "any",
        "argmax",
        "argmin",
        "astype",
        "clip",
        "copy",
        "cumsum",
        "diagonal",
        "dot",
        "flatten",
        "max",
        "mean",
    ),
    *("min", "prod", "ravel", "repeat", "reshape", "squeeze", "std", "sum", "swapaxes", "take", "trace", "transpose"),
)


class Device:
    """The one device."""

    id = 0

    def __init__(self, device=None):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


DEVICE = Device()


class ndarray(NDArrayOperatorsMixin):
    """An array of a device, which NumPy cannot read."""

    __module__ = "cupy"

    def __init__(self, held):
        self._held = np.asarray(held)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if method != "__call__" or any(isinstance(value, np.ndarray) for value in inputs):
            return NotImplemented
        return getattr(cupy, ufunc.__name__)(*inputs, **options)

    def __array_function__(self, function, kinds, args, options):
        found = getattr(cupy, function.__name__, None)
        if found is None or not all(issubclass(kind, ndarray) for kind in kinds):
            return NotImplemented
        return found(*args, **options)

    def __getitem__(self, items):
        return wrapped(self._held[unwrapped(items)])

    def __setitem__(self, items, value):
        self._held[unwrapped(items)] = unwrapped(value)

    def __bool__(self):
        raise AssertionError("an array is read back from its device")

    __float__ = __int__ = __index__ = __iter__ = __bool__

    def __len__(self):
        return len(self._held)

    def get(self):
        return self._held.copy()

    device = property(lambda self: DEVICE)
    T = property(lambda self: wrapped(self._held.T))
    mT = property(lambda self: wrapped(self._held.mT))


for _name in ("dtype", "itemsize", "nbytes", "ndim", "shape", "size", "strides"):
    setattr(ndarray, _name, property(operator.attrgetter(f"_held.{_name}")))


def unwrapped(value, host=False):
    """An argument as NumPy takes it; TypeError for an array of the ``host``, unless it is to be transferred."""
    if isinstance(value, ndarray):
        return value._held
    if isinstance(value, np.ndarray) and not host:
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, tuple | list):
        return type(value)(unwrapped(each, host) for each in value)
    return value


def wrapped(value):
    """A result: arrays without axes stay arrays."""
    if isinstance(value, np.ndarray | np.generic):
        return ndarray(value)
    if hasattr(value, "_fields"):
        return type(value)(*map(wrapped, value))
    return type(value)(map(wrapped, value)) if isinstance(value, tuple | list) else value


def as_cupys(function, signature, transfers=False):
    """A function of NumPy's with the parameters of CuPy's."""

    def called(*args, **options):
        signature.bind(*args, **options)
        options = {name: unwrapped(value) for name, value in options.items() if name != "blocking"}
        return wrapped(function(*(unwrapped(value, transfers) for value in args), **options))

    return called


for _name in METHODS:
    setattr(ndarray, _name, as_cupys(getattr(np.ndarray, _name), inspect.signature(lambda self, *args, **options: 0)))


def _read(line):
    """The name and the parameters of a line."""
    name, bracket, rest = line.partition("(")
    names = {"float": float, "int": int}
    return name, inspect.signature(eval(f"lambda {(bracket + rest or UFUNC)[1:-1]}: 0", names))


def _scatter_add(target, items, values):
    np.add.at(target._held, unwrapped(items), unwrapped(values))


def modules():
    """The modules by their names, as they stand in ``sys.modules``."""
    return {"cupy": cupy, "cupy.linalg": cupy.linalg, "cupy.fft": cupy.fft, "cupy.cuda": cupy.cuda} | {
        "cupy.cuda.device": cupy.cuda,
        "cupyx": cupyx,
        "cupyx.scipy": cupyx.scipy,
        "cupyx.scipy.special": cupyx.scipy.special,
    }


cupy, cupyx = ModuleType("cupy"), ModuleType("cupyx")
cupy.linalg, cupy.fft, cupy.cuda = ModuleType("cupy.linalg"), ModuleType("cupy.fft"), ModuleType("cupy.cuda")
cupy.ndarray, cupy.cuda.Device = ndarray, Device
for _name in dir(np):
    _found = getattr(np, _name)
    if isinstance(_found, float) or (isinstance(_found, type) and issubclass(_found, np.number | np.bool_)):
        setattr(cupy, _name, _found)
cupy.dtype, cupy.finfo, cupy.iinfo = np.dtype, np.finfo, np.iinfo
for _line in NAMES:
    _name, _signature = _read(_line)
    _place, _numpys = (cupy.linalg, np.linalg) if _name.startswith("linalg.") else (cupy, np)
    _name = _name.removeprefix("linalg.")
    if hasattr(_numpys, _name):  # an older NumPy lacks some
        setattr(_place, _name, as_cupys(getattr(_numpys, _name), _signature, _name in TRANSFERS))
for _name in ("fft", "ifft", "fftn", "ifftn", "rfft", "irfft", "rfftn", "irfftn", "hfft", "ihfft"):
    setattr(cupy.fft, _name, getattr(np.fft, _name))
for _name in ("fftfreq", "rfftfreq", "fftshift", "ifftshift"):
    setattr(cupy.fft, _name, getattr(np.fft, _name))
cupyx.scatter_add = _scatter_add
cupyx.scipy = ModuleType("cupyx.scipy")
cupyx.scipy.special = ModuleType("cupyx.scipy.special")
for _name in ("erf", "expit", "xlogy"):
    setattr(cupyx.scipy.special, _name, as_cupys(getattr(special, _name), _read("f")[1]))
