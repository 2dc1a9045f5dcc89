"""What a function reads from outside, as a key: a trace is used again only where the key is the same.

A function is read through its code: the globals and closures that it names, its defaults, the attributes of modules
that it asks for, and the same of every function that it reaches. All of these must be immutable scalars, functions of
the same kind, or what NumPy, SciPy and `math` have that is known to depend on nothing else. Whatever is not known to be
so is `Unreadable`: then each call traces again.
"""

from __future__ import annotations

import builtins
import dis
import functools
import itertools
import math
import operator
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from threading import Lock
from types import CodeType, EllipsisType, FunctionType, ModuleType, NoneType
from typing import Any

import numpy as np

from ..trace import numpy_namespace
from .rules import Transform

# What the arrays of whole numbers among the arguments, which are traced as constants, may take in a key.
BYTES = 4096


class Unreadable(Exception):
    """The function reads something that may change unnoticed."""


# Code ----------------------------------------------------------------------------------------------------------


class Reads:
    """What code reads: in a key, it stands for the code, which it keeps alive."""

    __slots__ = ("attributes", "closed", "code", "globals", "special", "tells")

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.special = "scipy" in code.co_filename
        codes = list(_nested(code))
        names = [use for each in codes for use in _names(each)]
        self.globals = tuple(dict.fromkeys(name for name, use in names if use == "global"))
        self.attributes = tuple(dict.fromkeys(name for name, use in names if use == "attribute"))
        # whether nothing is written outside, and nothing read by ways that the names do not show
        self.closed = (
            all(use in ("global", "attribute") for _, use in names)
            and not any(name.startswith("__") or name.endswith("_frame") for name in self.attributes)
            and not any(_writes_outside(each, frozenset(code.co_freevars)) for each in codes)
        )
        # whether a symbolic size could pass for something else than its number, without being asked for it
        self.tells = any(map(_tells, codes)) or any(name in _FORMATS for name in self.attributes)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


_USES = {"LOAD_GLOBAL": "global", "LOAD_ATTR": "attribute", "LOAD_METHOD": "attribute"}


def _names(code: CodeType) -> Iterator[tuple[str, str]]:
    """Each name in the code and how it is used: as a global, an attribute, or (``""``) by any other way."""
    for step in dis.get_instructions(code):
        if step.opcode in dis.hasname:
            yield str(step.argval), _USES.get(step.opname, "")


def _writes_outside(code: CodeType, closed_over: frozenset[str]) -> bool:
    return any(
        step.opname == "LOAD_BUILD_CLASS"
        or (step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in closed_over)
        for step in dis.get_instructions(code)
    )


_FORMATS = frozenset({"format", "format_map"})
_TELLING_STEPS = (
    *("FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE", "CHECK_EXC_MATCH", "MATCH_CLASS"),
    *("BUILD_SET", "SET_ADD", "SET_UPDATE", "BUILD_MAP", "MAP_ADD", "DICT_UPDATE", "MATCH_MAPPING", "MATCH_KEYS"),
)


def _tells(code: CodeType) -> bool:
    """Whether the code formats, hashes or matches something, or goes on after an error."""
    steps = list(dis.get_instructions(code))
    names = {step.opname for step in steps}
    keys = [
        before.argval
        for before, step in itertools.pairwise(steps)
        if step.opname == "BUILD_CONST_KEY_MAP" and isinstance(before.argval, tuple)
    ]
    return (
        not names.isdisjoint(_TELLING_STEPS)
        or ("PUSH_EXC_INFO" in names and "WITH_EXCEPT_START" not in names)
        or any(not isinstance(key, str) for own in keys for key in own)
        or any(isinstance(c, frozenset) or (isinstance(c, str) and "%" in c) for c in code.co_consts)
    )


class Recent:
    """A dict of at most ``limit`` entries, which forgets the ones that were asked for longest ago."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: dict[Any, Any] = {}
        self._lock = Lock()

    def get(self, key: Hashable) -> Any:
        """What was put under the key, or None."""
        with self._lock:
            found = self._entries.pop(key, None)
            if found is not None:
                self._entries[key] = found
            return found

    def put(self, key: Hashable, value: Any) -> None:
        """Remember a value other than None."""
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = value
            if len(self._entries) > self._limit:
                del self._entries[next(iter(self._entries))]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


_codes: dict[int, Reads] = {}


def _reads(code: CodeType) -> Reads:
    found = _codes.get(id(code))  # the entry keeps the code, so that no other one gets its id
    if found is None:
        if len(_codes) >= 4096:
            _codes.clear()
        found = _codes[id(code)] = Reads(code)
    return found


# Values --------------------------------------------------------------------------------------------------------


class Environment:
    """Collects the key of what functions and values read.

    ``tells``: sizes have to be numbers, as something may tell a symbolic one from a number.
    """

    __slots__ = ("_attributes", "_functions", "_modules", "tells")

    def __init__(self) -> None:
        self.tells = False
        self._functions: dict[FunctionType, int] = {}
        self._modules: dict[ModuleType, None] = {}
        self._attributes: dict[str, None] = {}

    def key(self, value: Any) -> Hashable:
        """What stands for a value; whoever asks for the last one asks for the `rest`, too."""
        if id(value) in _PURE:
            self.tells = self.tells or id(value) in _TELLING
            return value  # type: ignore[no-any-return]
        reader = _READERS.get(type(value))
        if reader is not None:
            return reader(self, value)
        if isinstance(value, np.number | np.bool_) and type(value).__module__ == "numpy":
            return type(value), value.tobytes()
        if isinstance(value, np.dtype) and value.kind in "biufc":
            return np.dtype, value.str
        if _is_special(value):
            return value  # type: ignore[no-any-return]
        raise Unreadable

    def function(self, fun: FunctionType) -> Hashable:
        """The code of a function with all that it reads by name."""
        if fun in self._functions:
            return "function", self._functions[fun]
        self._functions[fun] = len(self._functions)
        reads = _reads(fun.__code__)
        if reads.special and _is_special(fun):
            return fun
        # __wrapped__ could only be read as an attribute with underscores, which no closed code does
        if not reads.closed or (fun.__dict__ and fun.__dict__.keys() != {"__wrapped__"}):
            raise Unreadable
        if reads.tells:
            self.tells = True
        parts: list[Hashable] = [reads]
        if fun.__defaults__:
            parts += map(self.key, fun.__defaults__)
        if fun.__kwdefaults__:
            parts += [(name, self.key(value)) for name, value in fun.__kwdefaults__.items()]
        if fun.__closure__:
            parts += [self.key(_content(cell)) for cell in fun.__closure__]
        if reads.globals:
            own, outer = fun.__globals__, fun.__builtins__
            for name in reads.globals:
                value = own.get(name, _ABSENT)
                parts.append(self.key(outer.get(name, _ABSENT) if value is _ABSENT else value))
        if reads.attributes:
            self._attributes.update(dict.fromkeys(reads.attributes))
        return tuple(parts)

    def transform(self, wish: Transform) -> Hashable:
        """A transform of a function reads what the function reads."""
        kind, fun, argnums, has_aux = wish
        own = self.function(fun) if fun.__class__ is FunctionType and id(fun) not in _PURE else self.key(fun)
        return Transform, kind, own, argnums, has_aux

    def module(self, module: ModuleType) -> Hashable:
        """A module stands for itself: what is read of it is in the `rest`."""
        name = module.__name__
        if name.partition(".")[0] in ("numpy", "scipy") and name not in _MODULES:
            raise Unreadable
        if name not in _MODULES and "__getattr__" in vars(module):
            raise Unreadable
        self._modules[module] = None
        return module

    def rest(self) -> Hashable:
        """The attributes, by the names that occur, of all modules that were met."""
        parts: tuple[Hashable, ...] = ()
        if not self._modules:
            return parts
        met = None
        while met != (met := (len(self._modules), len(self._attributes))):
            parts = tuple([self._attribute(m, name) for m in tuple(self._modules) for name in tuple(self._attributes)])
        return parts

    def _attribute(self, module: ModuleType, name: str) -> Hashable:
        value = vars(module).get(name, _ABSENT)
        if value is _ABSENT:
            if name not in _later(module):
                return None
            value = getattr(module, name)
        # None is the key of no value, so that it can say that there is none
        return self.key(value)


_ABSENT = object()


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        raise Unreadable from None


@functools.lru_cache(maxsize=64)
def _later(module: ModuleType) -> frozenset[str]:
    """The submodules that a library loads when they are first asked for."""
    return frozenset(dir(module)) - vars(module).keys() if "__getattr__" in vars(module) else frozenset()


def _is_special(value: Any) -> bool:
    """Whether this is one of SciPy's special functions that depend on their arguments only."""
    name = getattr(value, "__name__", "")
    known = getattr(sys.modules.get("scipy.special"), name, None)
    return known is value and (isinstance(value, np.ufunc) or f"special.{name}" in numpy_namespace)


def _scalar(_: Environment, value: Any) -> Hashable:
    return type(value), value


def _text(environment: Environment, value: str) -> Hashable:
    environment.tells = environment.tells or "%" in value
    return str, value


def _float(_: Environment, value: float) -> Hashable:
    return float, value.hex()  # 0.0 == -0.0


def _complex(_: Environment, value: complex) -> Hashable:
    return complex, value.real.hex(), value.imag.hex()


def _tuple(environment: Environment, value: tuple[Any, ...]) -> Hashable:
    return tuple, tuple(map(environment.key, value))


def _slice(environment: Environment, value: Any) -> Hashable:
    return type(value), *map(environment.key, (value.start, value.stop, value.step))


def _partial(environment: Environment, value: functools.partial[Any]) -> Hashable:
    if value.__dict__:
        raise Unreadable
    keywords = [(name, environment.key(each)) for name, each in value.keywords.items()]
    return functools.partial, environment.key(value.func), *map(environment.key, value.args), *keywords


def array_key(array: np.ndarray[Any, Any]) -> Hashable:
    """A small array of numbers, by its bytes."""
    if array.dtype.kind not in "biuf" or array.nbytes > BYTES:
        raise Unreadable
    return array.dtype.str, array.shape, array.tobytes()


_READERS: Mapping[type, Callable[[Environment, Any], Hashable]] = {
    **dict.fromkeys((int, bool, NoneType, EllipsisType, bytes), _scalar),
    **{str: _text, float: _float, complex: _complex, tuple: _tuple, slice: _slice, range: _slice},
    **{FunctionType: Environment.function, ModuleType: Environment.module},
    **{functools.partial: _partial, Transform: Environment.transform},
}


# What depends on its arguments only ----------------------------------------------------------------------------

_MODULES = (
    "numpy",
    "numpy.linalg",
    "numpy.fft",
    "numpy.lib",
    "numpy.lib.stride_tricks",
    "math",
    "scipy",
    "scipy.special",
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
ldexp lexsort linspace logspace longdouble median meshgrid modf nan_to_num nancumsum nanmax nanmean nanmin nanprod nanstd
nansum nanvar ndarray nextafter nonzero number outer partition percentile piecewise place poly polyfit polyval
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


_PURE: dict[int, Any] = {id(value): value for value in _pure()}
_TELLING = frozenset(id(getattr(builtins, name)) for name in _TELLING_BUILTINS.split())


def declare_pure(functions: Iterable[Callable[..., Any]]) -> None:
    """These, too, depend on nothing but their arguments."""
    _PURE.update((id(function), function) for function in functions)
