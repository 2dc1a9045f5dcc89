"""Array operations as text: each value in the terms of its operands, with brackets where Python needs them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ..arrays import ADDITIVE, ATOM, COMPARING, FREE, MULTIPLICATIVE, POWER, UNARY, Scalar, Value
from ..plan import Costs
from ..terms import Number

COMPARISONS = frozenset({"({0} > {1})", "({0} >= {1})", "({0} == {1})", "({0} != 0)"})
# How the same is said with the operands exchanged.
_EXCHANGED = {"({0} > {1})": "({1} < {0})", "({0} >= {1})": "({1} <= {0})", "({0} == {1})": "({1} == {0})"}

# Calls that can write their result into memory that they are given.
_UFUNC = re.compile(r"(np\.(\w+)|erf|xlogy)\(.*\)")
# Operators that write their result into their left operand.
_INTO_LEFT = {"multiply": "*=", "add": "+=", "subtract": "-=", "divide": "/="}
# Up to this many multiplications, a product of matrices costs less through the older and simpler `dot`.
DOT = 64.0**3
# Beside arrays of fewer elements than these, NumPy takes as long to convert a whole number as to multiply by it.
FEW = 256

# How the diagonal of a matrix is read.
DIAGONAL = 'np.einsum("ii->i", {0})'


class Texts:
    """The text of each value so far, and how tightly it binds."""

    def __init__(self, costs: Costs) -> None:
        self.costs = costs
        self.texts: dict[int, tuple[str, int]] = {}

    def into(self, value: Value, place: int, name: str) -> str:
        """The statement that writes an elementwise operation into its operand at ``place``, called ``name``."""
        if value.kind == "scale":
            return self._scaled_into(value.detail.at(self.costs.sizes), name)
        if value.kind == "power":
            return f"{name} *= {name}" if value.detail == 2 else f"{name} **= {_exponent(value.detail)}"
        if value.kind == "call":
            return f"{self._call(value)[0][:-1]}, out={name})"
        operands = [self.texts[id(arg)][0] for arg in value.args]
        if place == 0 or value.kind in ("multiply", "add"):
            return f"{name} {_INTO_LEFT[value.kind]} {operands[1 - place]}"
        return f"np.{value.kind}({', '.join(operands)}, out={name})"

    def stored(self, value: Value, where: str) -> str | None:
        """A sum or product of two smaller arrays as a call that stores it ``where``; None for anything else."""
        if not is_storable(value, self.costs):
            return None
        inner = value.args[0] if value.kind == "scale" else value
        left, right = (self.texts[id(arg)][0] for arg in inner.args)
        if value.kind == "scale":
            # the scalar goes to an operand: the product has no second copy
            left, _ = self._scale(Value("scale", inner.args[:1], value.detail, inner.args[0].shape))
        return f"np.{inner.kind}({left}, {right}, {where})"

    def typed(self, text: str) -> str:
        """A number of Python's as one of the arrays' dtype."""
        return f"dtype.type({text})"

    def root(self, text: str) -> str:
        """The root of a number of Python's, negative ones included, as NumPy has it."""
        return f"np.sqrt({self.typed(text)})"

    def _halves(self, scalar: Scalar, weak: bool) -> tuple[list[str], list[str]]:
        """What stands above and below the fraction bar; ``weak`` where it would all be numbers of Python's."""
        above, below = scalar.halves(self.root)
        return above, [self.typed(" * ".join(below))] if weak and scalar.divides_by_nothing else below

    def _scaled_into(self, scalar: Scalar, name: str) -> str:
        above, below = self._halves(scalar, weak=False)
        sign = "-" if scalar.value < 0 else ""
        if not above and not below:
            return f"np.negative({name}, out={name})"
        # a size that is a difference could be 0, by which NumPy divides and Python does not
        if below and any(dim.name is None for dim, p in scalar.sizes if p < 0):
            return f"{name} /= {sign}{_fraction(below, above)[0]}"
        return f"{name} *= {sign}{_fraction(above or ['1'], below)[0]}"

    def held(self, value: Value, level: int) -> str:
        """The text of an operand, in brackets where it binds less tightly than ``level``."""
        text, binds = self.texts[id(value)]
        return f"({text})" if binds < level else text

    def text(self, value: Value) -> tuple[str, int]:
        return getattr(self, f"_{value.kind}")(value)  # type: ignore[no-any-return]

    def _name(self, value: Value) -> tuple[str, int]:
        return value.detail, ATOM

    def _scalar(self, value: Value) -> tuple[str, int]:
        scalar: Scalar = value.detail.at(self.costs.sizes)
        above, below = self._halves(scalar, weak=True)
        text, level = _fraction(above or ["1"], below)
        return (f"-{text}", UNARY) if scalar.value < 0 else ("0", ATOM) if scalar.value == 0 else (text, level)

    def _scale(self, value: Value) -> tuple[str, int]:
        scalar: Scalar = value.detail.at(self.costs.sizes)
        above, below = self._halves(scalar, value.weak)
        if self.costs.tuned and value.rank and self.costs.elements(value.shape) < FEW:
            above, below = ([f"{text}.0" if text.isdigit() else text for text in side] for side in (above, below))
        (inner,) = value.args
        if above:
            # 2 * (A @ B) scales the result, 2 * A @ B would scale A; 2 * mask would be whole numbers in their own dtype
            plain = inner.kind in ("multiply", "divide") and not _led_by_mask(inner)
            held = self.texts[id(inner)][0] if plain else self.held(inner, UNARY)
            text = f"{' * '.join(above)} * {held}"
            level = MULTIPLICATIVE
        else:
            text, level = self.texts[id(inner)]
            if below and level < MULTIPLICATIVE:
                text, level = f"({text})", ATOM
        if len(below) == 1:
            text, level = f"{text} / {below[0]}", MULTIPLICATIVE
        elif below:
            text, level = f"{text} / ({' * '.join(below)})", MULTIPLICATIVE
        if scalar.value < 0:
            # -A @ B would negate all of A first, and a mask cannot be negated
            led_by_mask = inner.kind in ("multiply", "divide") and _led_by_mask(inner)
            if level < MULTIPLICATIVE or (level < ATOM and not above and (inner.kind == "matmul" or led_by_mask)):
                text = f"({text})"
            return f"-{text}", UNARY if level > MULTIPLICATIVE else MULTIPLICATIVE
        return text, level

    def _transpose(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        text = self.held(inner, ATOM)
        order = value.detail
        if order == (1, 0):
            return f"{text}.T", ATOM
        rank = len(order)
        if order == (*range(rank - 2), rank - 1, rank - 2):
            return f"{text}.mT", ATOM
        return f"{text}.transpose({', '.join(map(str, order))})", ATOM

    def _expand(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        items = list(value.detail)
        if (items[0] and all(not item for item in items[1:])) or sum(items) <= 2:
            text = ", ".join(":" if item else "None" for item in items)
        else:
            text = ", ".join(":" if item else "None" for item in items)
        return f"{self.held(inner, ATOM)}[{text}]", ATOM

    def _select(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        return f"{self.held(inner, ATOM)}[{', '.join(value.detail)}]", ATOM

    def _multiply(self, value: Value) -> tuple[str, int]:
        a, b = value.args
        return f"{self.held(a, MULTIPLICATIVE)} * {self.held(b, UNARY)}", MULTIPLICATIVE

    def _divide(self, value: Value) -> tuple[str, int]:
        a, b = value.args
        under = self.typed(self.texts[id(b)][0]) if value.weak else self.held(b, UNARY)
        return f"{self.held(a, MULTIPLICATIVE)} / {under}", MULTIPLICATIVE

    def _matmul(self, value: Value) -> tuple[str, int]:
        a, b = value.args
        small = self.costs.tuned and self.costs.elements((*value.shape, a.shape[-1])) <= DOT
        if small and max(a.rank, b.rank) <= 2:
            return f"{self.held(a, ATOM)}.dot({self.texts[id(b)][0]})", ATOM
        return f"{self.held(a, _left(a))} @ {self.held(b, UNARY)}", MULTIPLICATIVE

    def _add(self, value: Value) -> tuple[str, int]:
        a, b = value.args
        return f"{self.held(a, ADDITIVE)} + {self.held(b, ADDITIVE)}", ADDITIVE

    def _subtract(self, value: Value) -> tuple[str, int]:
        a, b = value.args
        return f"{self.held(a, ADDITIVE)} - {self.held(b, MULTIPLICATIVE)}", ADDITIVE

    def _power(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        whole = isinstance(value.detail, int) and value.detail >= 0
        base = self.held(inner, ATOM) if whole or not value.weak else self.typed(self.texts[id(inner)][0])
        return f"{base} ** {_exponent(value.detail)}", POWER

    def _floating(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        if inner.rank == 0:  # which may be a comparison of sizes, a truth value of Python's
            return f"dtype.type({self.texts[id(inner)][0]})", ATOM
        return f"{self.held(inner, ATOM)}.astype(dtype)", ATOM

    def _sum(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        axes = value.detail
        text = self.held(inner, ATOM)
        if len(axes) == inner.rank:
            if inner.kind == "call" and inner.detail[0] == DIAGONAL and text.startswith("np.diagonal("):
                return text.replace("np.diagonal", "np.trace", 1), ATOM
            return f"{text}.sum()", ATOM
        return f"{text}.sum(axis={axes[0] if len(axes) == 1 else axes})", ATOM

    def _full(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        shape = ", ".join(str(dim) for dim in value.detail) + ("," if len(value.detail) == 1 else "")
        text, _ = self.texts[id(inner)]
        if not value.detail:
            return f"dtype.type({text})", ATOM
        if inner.kind == "scalar" and inner.detail.value == 0:
            return f"np.zeros(({shape}), dtype=dtype)", ATOM
        if inner.rank == 0:
            return f"np.full(({shape}), {text}, dtype=dtype)", ATOM
        return f"np.broadcast_to({text}, ({shape})).copy()", ATOM

    def _call(self, value: Value) -> tuple[str, int]:
        template, _ = value.detail
        if value.weak:
            template = self.root("{0}") if template == "np.sqrt({0})" else f"float({template})"
        if template == DIAGONAL:
            template = "np.diagonal({0})"
        level = _level(template)
        if template in COMPARISONS:
            # a person names what is compared first, and then the number
            first, second = (value.args[0].kind, value.args[-1].kind)
            template = _EXCHANGED.get(template, template) if first == "scalar" != second else template
            template = template[1:-1]
        text = template
        for k, arg in enumerate(value.args):
            inner, binds = self.texts[id(arg)]
            # between the brackets of a call nothing needs brackets of its own
            needs = ADDITIVE if level == COMPARING else 0 if level != POWER else UNARY
            if level == POWER and k == 0:
                needs = ATOM
            text = text.replace(f"{{{k}.}}", f"({inner})" if binds < ATOM else inner)
            text = text.replace(f"{{{k}}}", f"({inner})" if binds < needs else inner)
        return text, level


def _exponent(exponent: Number) -> str:
    if isinstance(exponent, Fraction):
        exponent = float(exponent)
    return f"({exponent})" if exponent < 0 else f"{exponent}"


def is_elementwise(value: Value) -> bool:
    """Whether an operation can write its result over an operand of its shape."""
    if value.mask or value.weak or not value.rank:
        return False
    if value.kind == "call":
        found = _UFUNC.fullmatch(value.detail[0])
        return found is not None and (found[2] is None or _is_ufunc(found[2]))
    return value.kind in _INTO_LEFT or value.kind in ("scale", "power")


def is_storable(value: Value, costs: Costs) -> bool:
    """Whether a value is a sum or a product of two smaller arrays, scaled or not: it can be stored anywhere."""
    inner = value.args[0] if value.kind == "scale" else value
    allowed = ("multiply", "divide") if value.kind == "scale" else ("multiply", "divide", "add", "subtract")
    size = costs.elements(value.shape)
    return inner.kind in allowed and all(costs.elements(arg.shape) < size for arg in inner.args)


def _is_ufunc(name: str) -> bool:
    function = getattr(np, name, None)
    return isinstance(function, np.ufunc) and function.signature is None


def owns_memory(value: Value) -> bool:
    """Whether an operation makes a new array."""
    return value.kind != "name" and value.kind not in FREE and not is_view(value)


def owner(value: Value) -> Value:
    """What a view looks into, through views of views."""
    while value.kind in ("transpose", "expand", "select") or is_view(value):
        value = value.args[0]
    return value


def is_view(value: Value) -> bool:
    """Whether a call reads its argument without copying it: a reshape, a diagonal, or windows."""
    if value.kind != "call" or len(value.args) != 1:
        return False
    template: str = value.detail[0]
    return template.startswith(("{0.}.reshape", "np.einsum(", "np.lib.stride_tricks."))


def ordered(values: Sequence[Value]) -> set[int]:
    """The new arrays, by identity, that are in C order, whatever the order of the arguments."""
    found: set[int] = set()
    for value in values:
        if not owns_memory(value):
            continue
        flat = all(arg.rank <= 2 for arg in value.args)
        if value.rank < 2 or value.kind == "filled" or (value.kind == "matmul" and flat):
            found.add(id(value))
        elif is_elementwise(value):
            # the result has the order of the operands of its shape, be it written into one of them or not
            whole = [id(arg) for arg in value.args if arg.shape == value.shape and owns_memory(arg)]
            if whole and found.issuperset(whole):
                found.add(id(value))
    return found


def _led_by_mask(value: Value) -> bool:
    """Whether the text of a product begins with a mask."""
    while value.kind in ("multiply", "divide"):
        value = value.args[0]
    return value.mask


def _left(value: Value) -> int:
    """How tightly the left operand of @ has to bind: A @ B @ C needs no brackets, and A * B @ C would puzzle."""
    return MULTIPLICATIVE if value.kind == "matmul" else UNARY


def _level(template: str) -> int:
    if template in COMPARISONS:
        return COMPARING
    if template.startswith("1 /"):
        return MULTIPLICATIVE
    if "**" in template:
        return POWER
    return ATOM


def _fraction(above: Sequence[str], below: Sequence[str]) -> tuple[str, int]:
    text = " * ".join(above)
    level = ATOM if len(above) == 1 else MULTIPLICATIVE
    if not below:
        return text, level
    under = below[0] if len(below) == 1 else f"({' * '.join(below)})"
    return f"{text} / {under}", MULTIPLICATIVE
