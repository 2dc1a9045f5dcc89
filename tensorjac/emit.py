"""From array operations to the NumPy source that a person would have written, and to a compiled function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .arrays import ADDITIVE, ATOM, FREE, MULTIPLICATIVE, POWER, UNARY, Scalar, Value, dim_text
from .dims import Dim
from .plan import Program, computed

# Longer right-hand sides than this are split into named intermediates.
WIDTH = 72
# Names that a person would give, by what the operation is.
HINTS = {
    "exp": "E",
    "log": "logs",
    "prod": "P",
    "total": "z",
    "diff": "D",
    "M": "M",
    "tanh": "T",
    "sigmoid": "S",
    "maximum": "H",
    "inv": "inverse",
    "eye": "eye",
    "root": "root",
    "dot": "s",
    "max": "top",
    "softmax": "S",
    "ratio": "R",
}
SIGMOID = "1 / (1 + np.exp({0}))"
COMPARISONS = frozenset({"({0} > {1})", "({0} >= {1})", "({0} == {1})", "({0} != 0)"})
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Source:
    """Generated source: the text of the function, its name and what must be in scope."""

    text: str
    name: str


class _Writer:
    """Turns values into statements: what is used more than once gets a name, the rest is written in place."""

    def __init__(self, inputs: Mapping[str, tuple[Dim, ...]], taken: set[str]) -> None:
        self.inputs = inputs
        self.taken = taken
        self.lines: list[str] = []
        self.texts: dict[int, tuple[str, int]] = {}
        self.uses: dict[int, int] = {}
        self.returned: set[int] = set()

    def count(self, outputs: Sequence[Value]) -> list[Value]:
        """How often each value is used, views passing their uses on; and the values in order of computation."""
        order = computed(outputs)
        for value in outputs:
            self.uses[id(value)] = self.uses.get(id(value), 0) + 1
        self.returned = {id(value) for value in outputs}
        for value in reversed(order):
            share = self.uses[id(value)] if value.kind in FREE else 1
            for arg in value.args:
                self.uses[id(arg)] = self.uses.get(id(arg), 0) + share
        return order

    def fresh(self, hint: str) -> str:
        base = HINTS.get(hint, hint or "t")
        name, k = base, 1
        while name in self.taken:
            k += 1
            name = f"{base}{k}"
        self.taken.add(name)
        return name

    def statement(self, value: Value, name: str | None = None) -> None:
        """Assign the value to a name."""
        text, _ = self.texts[id(value)]
        name = name or self.fresh(value.hint)
        self.lines.append(f"{name} = {text}")
        self.texts[id(value)] = (name, ATOM)

    def write(self, value: Value) -> None:
        """Note the text of one value, naming it where it is used again or has become long."""
        if value.kind == "filled":
            self._filled(value)
            return
        self.texts[id(value)] = self.text(value)
        if value.kind in FREE:
            return
        text, _ = self.texts[id(value)]
        if value.kind == "call" and value.detail[0] == SIGMOID and not value.weak:
            # exp overflows to inf where the result is 0, as it should be: no warning
            self.lines.append('with np.errstate(over="ignore"):')
            self.statement(value)
            self.lines[-1] = f"    {self.lines[-1]}"
        elif (self.uses[id(value)] > 1 and not value.weak) or (len(text) > WIDTH and id(value) not in self.returned):
            self.statement(value)

    def _filled(self, value: Value) -> None:
        dims, _, writes = value.detail
        name = self.fresh(value.hint or "out")
        shape = ", ".join(str(dim) for dim in dims) + ("," if len(dims) == 1 else "")
        self.lines.append(f"{name} = np.zeros(({shape}), dtype=dtype)")
        for write, inner in zip(writes, value.args, strict=True):
            text, _ = self.texts[id(inner)]
            if write.target.startswith("{add}"):
                self.lines.append(f"np.add.at({name}, {write.target[5:]}, {text})")
                continue
            target = write.target.replace("{out}", name)
            self.lines.append(f"{target} {'+=' if write.adds else '='} {text}")
        self.texts[id(value)] = (name, ATOM)

    # Texts

    def held(self, value: Value, level: int) -> str:
        """The text of an operand, in brackets where it binds less tightly than ``level``."""
        text, binds = self.texts[id(value)]
        return f"({text})" if binds < level else text

    def text(self, value: Value) -> tuple[str, int]:
        return getattr(self, f"_{value.kind}")(value)  # type: ignore[no-any-return]

    def _name(self, value: Value) -> tuple[str, int]:
        return value.detail, ATOM

    def _scalar(self, value: Value) -> tuple[str, int]:
        scalar: Scalar = value.detail
        above, below = scalar.halves()
        text, level = _fraction(above or ["1"], below)
        return (f"-{text}", UNARY) if scalar.value < 0 else ("0", ATOM) if scalar.value == 0 else (text, level)

    def _scale(self, value: Value) -> tuple[str, int]:
        scalar: Scalar = value.detail
        above, below = scalar.halves()
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
            if level < MULTIPLICATIVE or (not above and (inner.kind == "matmul" or led_by_mask)):
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
        return f"{self.held(a, MULTIPLICATIVE)} / {self.held(b, UNARY)}", MULTIPLICATIVE

    def _matmul(self, value: Value) -> tuple[str, int]:
        a, b = value.args
        return f"{self.held(a, UNARY)} @ {self.held(b, UNARY)}", MULTIPLICATIVE

    def _add(self, value: Value) -> tuple[str, int]:
        a, b = value.args
        return f"{self.held(a, ADDITIVE)} + {self.held(b, ADDITIVE)}", ADDITIVE

    def _subtract(self, value: Value) -> tuple[str, int]:
        a, b = value.args
        return f"{self.held(a, ADDITIVE)} - {self.held(b, MULTIPLICATIVE)}", ADDITIVE

    def _power(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        exponent = value.detail
        if isinstance(exponent, Fraction):
            exponent = float(exponent)
        text = f"({exponent})" if exponent < 0 else f"{exponent}"
        return f"{self.held(inner, ATOM)} ** {text}", POWER

    def _floating(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        return f"{self.held(inner, ATOM)}.astype(dtype)", ATOM

    def _sum(self, value: Value) -> tuple[str, int]:
        (inner,) = value.args
        axes = value.detail
        text = self.held(inner, ATOM)
        if len(axes) == inner.rank:
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
            template = "math.sqrt({0})" if template == "np.sqrt({0})" else f"float({template})"
        level = _level(template)
        text = template
        for k, arg in enumerate(value.args):
            inner, binds = self.texts[id(arg)]
            # between the brackets of a call nothing needs brackets of its own
            needs = ADDITIVE if template in COMPARISONS else 0 if level != POWER else UNARY
            if level == POWER and k == 0:
                needs = ATOM
            text = text.replace(f"{{{k}.}}", f"({inner})" if binds < ATOM else inner)
            text = text.replace(f"{{{k}}}", f"({inner})" if binds < needs else inner)
        return text, level


def _led_by_mask(value: Value) -> bool:
    """Whether the text of a product begins with a mask."""
    while value.kind in ("multiply", "divide"):
        value = value.args[0]
    return value.mask


def _level(template: str) -> int:
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


RESERVED = frozenset({"np", "math", "dtype", "float", "erf", "xlogy"})


def variables(inputs: Mapping[str, tuple[Dim, ...]]) -> dict[str, str]:
    """The names of parameters: those of the inputs, with ``_`` where a size or a module is called so."""
    taken = RESERVED | {size for shape in inputs.values() for dim in shape for size in dim.names}
    names: dict[str, str] = {}
    for name in inputs:
        variable = name
        while variable in taken or (variable != name and variable in inputs):
            variable += "_"
        names[name] = variable
    return names


def source(
    program: Program,
    name: str,
    inputs: Mapping[str, tuple[Dim, ...]],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    bare: bool = True,
) -> Source:
    """The function's source: sizes read from arguments, named intermediates, and the results returned in order.

    A single result is returned as it is where ``bare``, else as a tuple of one.
    """
    constants = constants or {}
    names = {size for shape in inputs.values() for dim in shape for size in dim.names}
    taken = {*inputs, *constants, *names, *outputs, *RESERVED, name}
    writer = _Writer(inputs, taken)
    order = writer.count(program.outputs)
    for value in order:
        writer.write(value)
    results = [_owned(writer, value) for value in program.outputs]
    for k, text in enumerate(results):
        if text in results[:k] and program.outputs[k].rank:
            # two results never share memory
            results[k] = f"{text}.copy()"
    head = _head(writer.lines + results, inputs, constants)
    parameters = ", ".join([*inputs, *(f"{c}={c}" for c in constants)])
    returned = _returned(results, outputs) if bare else [f"return ({results[0]},)"]
    body = "\n".join(f"    {line}" for line in [*head, *writer.lines, *returned])
    return Source(f"def {name}({parameters}):\n{body}\n", name)


def _returned(results: Sequence[str], outputs: Sequence[str]) -> list[str]:
    if len(results) == 1:
        return [f"return {results[0]}"]
    lines = [f"{name} = {text}" for name, text in zip(outputs, results, strict=True) if text != name]
    return [*lines, f"return {', '.join(outputs)}"]


def _owned(writer: _Writer, value: Value) -> str:
    """The text of a result: C-contiguous, and never a view of an argument."""
    text, _ = writer.texts[id(value)]
    base, reshaped = value, False
    while base.kind in ("transpose", "expand", "select") or _is_view(base):
        reshaped = reshaped or base.kind == "call"
        base = base.args[0]
    if not value.rank or base is value:
        return f"{text}.copy()" if value.rank and base.kind == "name" else text
    if base.kind == "name":
        return f"{text}.copy()"
    return text if reshaped else f"np.ascontiguousarray({text})"


def _is_view(value: Value) -> bool:
    """Whether a call reads its argument without copying it: a reshape, or a diagonal."""
    if value.kind != "call" or len(value.args) != 1:
        return False
    template: str = value.detail[0]
    return template.startswith(("{0.}.reshape", "np.einsum("))


def _head(lines: Sequence[str], inputs: Mapping[str, tuple[Dim, ...]], constants: Mapping[str, Any]) -> list[str]:
    """The dtype and the sizes that the lines mention."""
    words = {word for line in lines for word in _WORD.findall(line)}
    head = []
    sizes: dict[str, str] = {}
    for name, shape in inputs.items():
        for axis, dim in enumerate(shape):
            if dim.name is not None and dim.name in words and dim.name not in sizes:
                sizes[dim.name] = f"{name}.shape[{axis}]"
    for name, shape in inputs.items():
        mine = [dim.name or "" for dim in shape]
        whole = len(mine) > 1 and len(set(mine)) == len(mine)
        if whole and all(sizes.get(size, "").startswith(f"{name}.shape") for size in mine):
            head.append(f"{', '.join(mine)} = {name}.shape")
            for size in mine:
                sizes.pop(size)
    head += [f"{size} = {text}" for size, text in sizes.items()]
    known = {dim.name for shape in inputs.values() for dim in shape}
    for name, shape in inputs.items():
        for axis, dim in enumerate(shape):
            for size in sorted((dim.names & words) - known):
                solved = _solved_for(size, dim, f"{name}.shape[{axis}]", known)
                if solved is not None:
                    known.add(size)
                    head.append(f"{size} = {solved}")
    if "dtype" in words:
        # whole numbers and masks among the constants say nothing about precision
        arrays = [*inputs, *(name for name, array in constants.items() if array.dtype.kind == "f")]
        head.append(f"dtype = np.result_type({', '.join(arrays) if arrays else 'float'})")
    return head


def _solved_for(size: str, dim: Dim, actual: str, known: set[str | None]) -> str | None:
    """The size as text, where ``dim`` is a multiple of it plus sizes that are known."""
    rest, step = (dim.substitute({size: Dim.of(k)}) for k in (0, 1))
    factor = step - rest
    if dim is not factor * Dim.of(size) + rest or not (factor.names | rest.names) <= known:
        return None
    text = actual if rest.value == 0 else f"({actual} - {dim_text(rest)})"
    return text if factor.value == 1 else f"{text} // {dim_text(factor)}"


def compiled(generated: Source, scope: Mapping[str, Any]) -> Callable[..., Any]:
    """The function that the source defines."""
    names: dict[str, Any] = dict(scope)
    exec(compile(generated.text, f"<tensorjac {generated.name}>", "exec"), names)
    return names[generated.name]  # type: ignore[no-any-return]
