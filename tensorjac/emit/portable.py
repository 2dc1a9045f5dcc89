"""The same operations in the names of the array API standard, none of which writes into an array.

``xp`` is the library of the arrays, ``np`` is NumPy's: positions and masks do not depend on the arrays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..arrays import ATOM, MULTIPLICATIVE, UNARY, Scalar, Value
from ..plan import Program
from .statements import Statements

# NumPy's names of what the standard calls otherwise.
STANDARD = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "arctan2": "atan2",
    "cumsum": "cumulative_sum",
}
# What makes an array of no other, and so has to be told where.
MADE = re.compile(r"np\.(arange|ones)\((.*)\)")
IDENTITY = re.compile(r"xp\.(identity\([^()]*\))")
METHOD = re.compile(r"\{0\.\}\.(reshape|max|min|prod)\((.*)\)")
INDEXED = re.compile(r"\{0\.\}\[(.*)\]")
FUNCTION = re.compile(r"\bnp\.(\w+)")
BEYOND = re.compile(r"(?<!\.)\b(erf|xlogy)\(")
MASK = "({0} != 0)"
WHOLE = frozenset({"scale", "transpose", "expand", "select", "multiply", "add", "subtract", "sum"})
# Where whole numbers and floats do not meet in every library.
ALIKE = ("np.tensordot(", "np.einsum(", "np.vecdot(", "np.vdot(", "np.linalg.solve(", "({0} =", "({0} >")


class Portable(Statements):
    """The lines of a function's body in the names of the standard. ``whole`` are the constants of whole numbers."""

    def __init__(self, program: Program, taken: set[str], whole: frozenset[str]) -> None:
        self.whole = whole
        # the values that hold whole numbers
        self.integers: set[int] = set()
        super().__init__(program, taken)

    def copied(self, text: str) -> str:
        return f"xp.copy({text})"

    def ordered(self, text: str) -> str:
        return text

    def typed(self, text: str) -> str:
        return f"xp.asarray({text}, dtype=dtype, device=device)"

    def root(self, text: str) -> str:
        return f"xp.sqrt({self.typed(text)})"

    def _write(self, value: Value) -> None:
        if self._is_whole(value):
            self.integers.add(id(value))
        super()._write(value)

    def _is_whole(self, value: Value) -> bool:
        """Whether an array holds captured whole numbers or positions, or what adding and multiplying makes of them."""
        if value.kind == "name":
            return value.detail in self.whole
        if value.kind == "call" and not value.args:
            return value.detail[0].startswith("np.arange(") and "dtype" not in value.detail[0]
        if value.kind == "scale":
            factor: Scalar = value.detail
            if not isinstance(factor.value, int) or any(p < 0 for _, p in factor.sizes):
                return False
        return value.kind in WHOLE and self.integers.issuperset(map(id, value.args))

    def _float(self, value: Value, level: int = 0) -> str:
        """The text of an operand of a product, of masks and whole numbers as floats."""
        if value.mask or id(value) in self.integers:
            return f"xp.astype({self.texts[id(value)][0]}, dtype)"
        return self.held(value, level)

    # Views

    def _transpose(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        if value.detail == (1, 0):
            return f"{self.held(inner, ATOM)}.T", ATOM
        return f"xp.permute_dims({self.texts[id(inner)][0]}, {value.detail})", ATOM

    def _select(self, value: Value) -> tuple[str, int]:
        """Basic indexing; backward, which not every library does, as a reading of positions."""
        (inner,) = value.args
        text = self.held(inner, ATOM)
        forward = [":" if _is_backward(item) else item for item in value.detail]
        if any(item != ":" for item in forward):
            forward += ["..."] if len(forward) < inner.rank else []
            text = f"{text}[{', '.join(forward)}]"
        axis = 0
        for item, dim in zip(value.detail, inner.shape, strict=False):
            if _is_backward(item):
                text = f"xp.take({text}, np.arange({dim})[{item}], {axis})"
            axis += ":" in item
        return text, ATOM

    # Arithmetic

    def _multiply(self, value: Value) -> tuple[str, int]:
        a, b = value.args
        if a.mask and b.mask:
            return f"({self.held(a, ATOM)} & {self.held(b, ATOM)})", ATOM
        if id(value) in self.integers:
            return super()._multiply(value)
        return f"{self._float(a, MULTIPLICATIVE)} * {self._float(b, UNARY)}", MULTIPLICATIVE

    def _matmul(self, value: Value) -> tuple[str, int]:
        a, b = value.args
        return f"{self._float(a, UNARY)} @ {self._float(b, UNARY)}", MULTIPLICATIVE

    def _floating(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        if inner.rank == 0:  # which may be a comparison of sizes, a truth value of Python's
            return self.typed(self.texts[id(inner)][0]), ATOM
        return f"xp.astype({self.texts[id(inner)][0]}, dtype)", ATOM

    def _sum(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        text = self.texts[id(inner)][0]
        return f"xp.sum({text})" if len(value.detail) == inner.rank else f"xp.sum({text}, axis={value.detail})", ATOM

    def _full(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        shape = _shape(value.detail)
        text, _ = self.texts[id(inner)]
        if inner.weak:
            return f"xp.full({shape}, {text}, dtype=dtype, device=device)", ATOM
        return f"xp.broadcast_to({text}, {shape})", ATOM

    # Calls

    def _call(self, value: Value) -> tuple[str, int]:
        if value.weak:
            return super()._call(value)
        template, names = value.detail
        args = value.args
        if template == MASK and args[0].mask:
            return self.texts[id(args[0])]
        if template.startswith("np.where({0}") and not args[0].mask:
            # a condition is a mask in the standard
            masked = args[0].kind == "floating"
            args = (args[0].args[0], *args[1:]) if masked else args
            template = template if masked else template.replace("{0}", MASK)
        if template.startswith("np.vdot("):
            template = f"np.tensordot({{0}}, {{1}}, axes={args[0].rank})"
        unlike = template.startswith(ALIKE) and len({id(arg) in self.integers for arg in args}) > 1
        text = _standard(template, value)
        held = {id(arg): self.texts[id(arg)] for arg in args}
        if unlike:
            self.texts.update({id(arg): (self._float(arg), ATOM) for arg in args})
        if args is not value.args or text != template:
            value = Value(value.kind, args, (text, names), value.shape, value.mask, value.hint)
        written = super()._call(value)
        self.texts.update(held)
        return written


def _is_backward(item: str) -> bool:
    return re.search(r":-", item) is not None and item.count(":") == 2


def _shape(dims: Sequence[Any]) -> str:
    return f"({', '.join(map(str, dims))}{',' if len(dims) == 1 else ''})"


def _standard(template: str, value: Value) -> str:
    """A template in the names of the standard."""
    if "xp." in template:
        return template
    if not value.args:
        made = MADE.fullmatch(template)
        if made and not value.mask:
            return f"xp.{made[1]}({made[2]}, device=device)"
        return f"xp.asarray({template}, device=device)"
    method = METHOD.fullmatch(template)
    if method:
        inside = f"({method[2]},)" if method[1] == "reshape" else method[2]
        return f"xp.{method[1]}({{0}}{', ' if inside else ''}{inside})"
    indexed = INDEXED.fullmatch(template)
    if indexed:
        return f"xp.at({{0}}, {indexed[1]})" if len(value.args) == 1 else _looked_up(indexed[1])
    template = re.sub(r"axes=\((\d+), (\d+)\)", r"axes=((\1,), (\2,))", template)
    template = re.sub(r"^np\.(tril|triu)\(\{0\}, (.*)\)$", r"np.\1({0}, k=\2)", template)
    template = BEYOND.sub(r"xp.\1(", template)
    named = FUNCTION.sub(lambda found: f"xp.{STANDARD.get(found[1], found[1])}", template)
    return IDENTITY.sub(r"xp.asarray(np.\1, device=device)", named)


def _looked_up(items: str) -> str:
    """An array read at positions that are an array, too: along one axis, or beside axes that these are tied to."""
    if "np." in items:
        return f"xp.at({{0}}, {items})"
    return f"xp.at({{0}}, {items.replace(':', 'np.s_[:]')})"


def converted(lines: Sequence[str], arrays: Mapping[str, Any]) -> list[str]:
    """Captured arrays that the lines mention as arrays of the library, of floats those of the arguments' dtype."""
    head = []
    for name, array in arrays.items():
        if any(re.search(rf"\b{name}\b", line) for line in lines):
            made = "positions" if array.dtype.kind in "iu" else "captured"
            dtype = "dtype=dtype, " if array.dtype.kind == "f" else ""
            head.append(f"{name} = xp.{made}({name}, {dtype}device=device)")
    return head
