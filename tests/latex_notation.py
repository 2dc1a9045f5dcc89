"""Independent readers of the LaTeX that the library writes: a text and arrays in, arrays out.

`matrices` reads matrix notation with NumPy's own operations; `indices` turns index notation into the text that
`index_notation.evaluate` computes. Both know only the commands that the library is meant to use, so that
anything else, or a bracket out of place, is an error. They do no algebra.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
from scipy import special

import index_notation

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+\.\d+|\d+|\S")
NAME = re.compile(r"([A-Za-z]|\\mathrm\{\w+\}|\\[a-z]+)(?:_\{(\d+)\})?")

COMMANDS = re.compile(
    r"\\(frac|sqrt|sum|partial|delta|top|circ|oslash|mathbf|mathrm|operatorname|left|right|exp|log|sin|cos|tan|tanh|sinh|"
    r"cosh|arcsin|arccos|arctan|sigma|max|min|det|prod|cdot|geq|neq|infty|lfloor|rfloor|tilde|text|quad|"
    r"alpha|beta|gamma|epsilon|tau|mu|[,;|\\])"
)
"""All commands that the formulas of the tests may contain, but for the environment `aligned`."""


# Laying out ---------------------------------------------------------------------------------------------------------


@dataclass
class Block:
    """Equations as (left, right), and the definitions behind `where`."""

    equations: list[tuple[str, str]] = field(default_factory=list)
    definitions: list[tuple[str, str]] = field(default_factory=list)


def block(text: str) -> Block:
    r"""What a formula or an aligned block says.

    >>> block(r"Y = e \quad\text{where}\quad e = \exp(x)")
    Block(equations=[('Y', 'e')], definitions=[('e', '\\exp(x)')])
    """
    if text.startswith(r"\begin{aligned}"):
        lines = text.removeprefix("\\begin{aligned}\n").removesuffix("\n\\end{aligned}").split(" \\\\\n")
        assert all(line.count("&=") == 1 for line in lines), text
        lines = [line.replace("&=", "=") for line in lines]
        first = next((k for k, line in enumerate(lines) if line.startswith(r"\text{where}\quad ")), len(lines))
        given, defined = lines[:first], [line.removeprefix(r"\text{where}\quad ") for line in lines[first:]]
        assert all(line.endswith(",") for line in defined[:-1]), text
        defined = [line.removesuffix(",") for line in defined]
    else:
        assert "&" not in text and "\n" not in text, text
        shown, _, rest = text.partition(r" \quad\text{where}\quad ")
        given, defined = [shown], rest.split(r",\; ") if rest else []
    return Block([_sides(line) for line in given], [_sides(line) for line in defined])


def _sides(line: str) -> tuple[str, str]:
    left, equals, right = line.partition(" = ")
    assert equals and right, line
    return left, right


def faults(text: str) -> list[str]:
    """What would keep a formula from being set: brackets, scripts and commands out of place."""
    found = []
    body = re.sub(r"\\(begin|end)\{aligned\}", "", text)
    depth: list[str] = []
    for token in TOKEN.findall(body):
        if token in ("{", "(", "["):
            depth.append(token)
        elif token in ("}", ")", "]"):
            found += [] if depth and depth.pop() + token in ("{}", "()", "[]") else [f"{token} closes nothing"]
        elif token.startswith("\\") and not COMMANDS.fullmatch(token):
            found.append(f"{token} is not expected")
    found += [f"{bracket} stays open" for bracket in depth]
    found += [f"{script} stands twice" for script in "^_" if re.search(_twice(script), body)]
    found += ["a script without braces"] if re.search(r"[\^_](?!\{|F\b|2\()", body) else []
    for left, right in ("()", "||", (r"\|", r"\|")):
        if body.count(rf"\left{left}") != body.count(rf"\right{right}"):
            found.append(r"\left and \right differ")
    return found if text.isascii() else [*found, "no ASCII"]


def _twice(script: str) -> str:
    """A script that follows a script of the same kind, which TeX refuses."""
    inner = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
    return rf"\{script}{inner}\s*\{script}"


# Matrix notation ----------------------------------------------------------------------------------------------------

ELEMENTWISE: dict[str, Callable[..., np.ndarray]] = {
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigma": special.expit,
    "softplus": lambda x: np.logaddexp(0, x),
    "logaddexp": np.logaddexp,
}


ENDS = ("", "+", "-", ")", "}", ",", r"\circ", r"\oslash", r"\rVert", r"\rvert")
"""What follows a product."""


@dataclass(frozen=True)
class Ones:
    """A column or a row of ones, as long as what stands beside it needs."""

    row: bool = False


def _sided(text: str) -> str:
    """Bars that say on which side they stand."""
    text = text.replace(r"\left\|", r"\lVert ").replace(r"\right\|", r"\rVert ")
    return text.replace(r"\left|", r"\lvert ").replace(r"\right|", r"\rvert ")


def column(array: object) -> np.ndarray:
    """An array as a matrix; a vector is a column."""
    values = np.asarray(array, dtype=float)
    return values if values.ndim == 2 else values.reshape(-1, 1)


def known_as(name: str) -> str:
    r"""How a name is expected to be written.

    >>> print(known_as("X"), known_as("C1"), known_as("low"))
    X C_{1} \mathrm{low}
    """
    head, number = re.fullmatch(r"(\D+)(\d*)", name).groups()
    return (head if len(head) == 1 else rf"\mathrm{{{head}}}") + (f"_{{{number}}}" if number else "")


def matrices(text: str, arrays: Mapping[str, object], sizes: Mapping[str, int]) -> list[np.ndarray]:
    """The value of each equation, in order; 1 where it is a matrix of ones as large as the equation needs."""
    parts = block(text)
    known = {known_as(name): column(array) for name, array in arrays.items()}
    known |= {known_as(name): column(float(size)) for name, size in sizes.items() if known_as(name) not in known}
    pending = dict(parts.definitions)
    assert not set(pending) & set(known), "a definition has the name of something else"
    while pending:
        ready = [name for name, right in pending.items() if not _names(right) & set(pending)]
        assert ready, f"definitions in a circle: {pending}"
        for name in ready:
            known[name] = Matrices(pending.pop(name), known).read()
    return [Matrices(right, known).read() for _, right in parts.equations]


def _names(text: str) -> set[str]:
    """What may be names in a text; letters of subscripts are among them."""
    text = re.sub(r"\\(operatorname|mathbf|text)\{\w+\}", " ", text)
    return {match[0] for match in NAME.finditer(re.sub(r"\\(?!mathrm)[A-Za-z]+", " ", text))}


class Matrices:
    """Reads one right side."""

    def __init__(self, text: str, known: Mapping[str, np.ndarray]) -> None:
        self.known = known
        text = re.sub(r"\\left|\\right|\\,", " ", _sided(text))
        text = re.sub(r"\\operatorname\{(\w+)\}", r"\\\1 ", text)
        text = text.replace(r"\mathbf{1}", r"\ones ")
        names = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True)) or "(?!)"
        self.tokens = re.findall(rf"{names}|{TOKEN.pattern}", text)

    def read(self) -> np.ndarray:
        value = self.sum()
        assert not self.tokens, self.tokens
        return value

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, *expected: str) -> bool:
        if self.peek() in expected:
            self.tokens.pop(0)
            return True
        return False

    def need(self, token: str) -> None:
        assert self.take(token), f"{token} expected before {self.tokens}"

    def sum(self) -> np.ndarray:
        terms = [-self.entrywise() if self.take("-") else self.entrywise()]
        while self.peek() in ("+", "-"):
            terms.append(self.entrywise() if self.tokens.pop(0) == "+" else -self.entrywise())
        return reduce(np.add, terms)

    def entrywise(self) -> np.ndarray:
        value = self.product()
        while self.peek() in (r"\circ", r"\oslash"):
            operation = np.multiply if self.tokens.pop(0) == r"\circ" else np.divide
            value = operation(value, self.product())
        return value

    def product(self) -> np.ndarray:
        chain: list[np.ndarray | Ones] = [self.factor()]
        while self.peek() not in (
            "",
            "+",
            "-",
            ")",
            "]",
            "}",
            ",",
            "=",
            ">",
            r"\circ",
            r"\oslash",
            r"\rVert",
            r"\rvert",
        ):
            if not self.take(r"\cdot"):
                chain.append(self.factor())
        scalars = [value for value in chain if isinstance(value, np.ndarray) and value.shape == (1, 1)]
        rest = [value for value in chain if isinstance(value, Ones) or value.shape != (1, 1)]
        sized = [self.sized(rest, k) for k in range(len(rest))]
        return reduce(self.times, [*scalars, *sized])

    @staticmethod
    def sized(chain: list[np.ndarray | Ones], k: int) -> np.ndarray:
        value = chain[k]
        if not isinstance(value, Ones):
            return value
        beside = chain[k + 1] if value.row and k + 1 < len(chain) else chain[k - 1] if not value.row and k else None
        length = 1 if beside is None or isinstance(beside, Ones) else beside.shape[0 if value.row else 1]
        return np.ones((1, length) if value.row else (length, 1))

    @staticmethod
    def times(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return left * right if (1, 1) in (left.shape, right.shape) else left @ right

    def group(self) -> np.ndarray:
        self.need("{")
        value = self.sum()
        self.need("}")
        return value

    def factor(self) -> np.ndarray | Ones:
        value = self.atom()
        while self.take("^"):
            value = self.script(value)
        return value

    def script(self, value: np.ndarray | Ones) -> np.ndarray | Ones:
        self.need("{")
        if self.take(r"\top"):
            value = Ones(True) if isinstance(value, Ones) else value.T
        else:
            assert isinstance(value, np.ndarray)
            entrywise = self.take(r"\circ")
            if entrywise or value.shape == (1, 1):
                value = value ** self.sum()
            elif self.take("+"):
                value = np.linalg.pinv(value)
            else:
                value = self.matrix_power(value)
        self.need("}")
        return value

    def matrix_power(self, value: np.ndarray) -> np.ndarray:
        assert value.shape[0] == value.shape[1], value.shape
        if self.tokens[:2] == ["-", r"\top"]:
            del self.tokens[:2]
            return np.linalg.inv(value).T
        exponent = self.sum_of_numbers()
        if exponent == int(exponent):
            return np.linalg.matrix_power(value, int(exponent))
        assert np.count_nonzero(value - np.diag(np.diagonal(value))) == 0, "the root of a matrix that is not diagonal"
        return np.diag(np.diagonal(value) ** exponent)

    def sum_of_numbers(self) -> float:
        text = ""
        while self.peek() != "}":
            text += self.tokens.pop(0)
        sign, above, below = re.fullmatch(r"(-?)(\d+)(?:/(\d+))?", text).groups()
        return float(f"{sign}{above}") / float(below or 1)

    def brackets(self, opening: str = "(", closing: str = ")") -> list[np.ndarray]:
        self.need(opening)
        found = [self.sum()]
        while self.take(","):
            found.append(self.sum())
        self.need(closing)
        return found

    def atom(self) -> np.ndarray | Ones:
        token = self.tokens.pop(0)
        if token in self.known:
            return self.known[token]
        if token == r"\ones":
            return Ones()
        if re.fullmatch(r"\d+(\.\d+)?", token):
            value = column(float(token))
            if self.take("/"):
                value = value / self.atom()
            return value
        if token == "(":
            self.tokens.insert(0, "(")
            return self.brackets()[0]
        if token == r"\frac":
            return self.group() / self.scalar(self.group())
        if token == r"\sqrt":
            return np.sqrt(self.scalar(self.group()))
        if token == r"\lVert":
            self.tokens.insert(0, token)
            (value,) = self.brackets(r"\lVert", r"\rVert")
            assert (self.take("_") and self.take("F")) == (value.shape[1] > 1), "the norm of a matrix has an index F"
            return column(np.linalg.norm(value))
        return self.function(token[1:])

    @staticmethod
    def scalar(value: np.ndarray) -> np.ndarray:
        assert value.shape == (1, 1), value.shape
        return value

    def function(self, name: str) -> np.ndarray:
        if name == "log" and self.peek() == r"\lvert":
            (value,) = self.brackets(r"\lvert", r"\rvert")
            return np.log(np.abs(value))
        values = self.brackets()
        if name in ELEMENTWISE:
            return ELEMENTWISE[name](*values)
        (value,) = values
        match name:
            case "diag":
                return np.diagflat(value) if value.shape[1] == 1 else column(np.diagonal(value))
            case "tr":
                return column(np.trace(value))
            case "det":
                return column(np.linalg.det(value))
            case "adj":
                return index_notation.adjugate(value)
            case "max":
                return column(value.max())
            case "rowmax":
                return column(value.max(axis=1))
        raise AssertionError(f"{name} is not known")


# Index notation -----------------------------------------------------------------------------------------------------

FUNCTIONS = {r"\exp": "exp", r"\log": "log", r"\sin": "sin", r"\cos": "cos", r"\tanh": "tanh", r"\det": "det"}
SQUASHED = {
    "\\sigma": "(1 / (1 + exp(-({}))))",
    "softplus": "log(1 + exp({}))",
}


def indices(
    text: str,
    arrays: Mapping[str, object],
    sizes: Mapping[str, int],
    shapes: Sequence[tuple[int, ...]],
) -> list[np.ndarray]:
    """The value of each equation, of these shapes; δ and sums are read as they are written."""
    parts = block(text)
    known = dict(arrays)
    pending = dict(parts.definitions)
    heads = {left: re.match(r"\(?([A-Za-z])", left)[1] for left in pending}
    while pending:
        later = {heads[left] for left in pending}
        ready = [left for left, right in pending.items() if not _names(right) & later]
        assert ready, f"definitions in a circle: {pending}"
        for left in ready:
            line = f"{Indices(left, {}).read()} = {Indices(pending.pop(left), sizes).read()}"
            known[heads[left]] = index_notation.evaluate(line, known, sizes)
    found = []
    for (left, right), shape in zip(parts.equations, shapes, strict=True):
        derivative = re.fullmatch(r"\\frac\{\\partial(?:\^\{2\})? (.*?)\}\{(.*)\}", left)
        targets = [left]
        if derivative:
            targets = [derivative[1], *(one.rstrip("\\, ") for one in re.split(r"\\partial ", derivative[2])[1:])]
        lefts, axes = [], iter(shape)
        for target in targets:
            name, _, letters = Indices(target, {}).read().removesuffix("]").partition("[")
            lefts.append(f"{name}[{', '.join(f'{letter}:{next(axes)}' for letter in letters)}]")
        line = f"{'/'.join(lefts)} = {Indices(right, sizes).read()}"
        found.append(index_notation.evaluate(line, known, sizes))
    return found


class Indices:
    """Turns the LaTeX of one side into text."""

    def __init__(self, text: str, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.tokens = TOKEN.findall(_sided(text))

    def read(self, closing: str = "") -> str:
        words = []
        while self.tokens and self.tokens[0] != closing:
            words.append(self.piece(self.tokens.pop(0)))
        if closing:
            assert self.tokens.pop(0) == closing
        return " ".join(filter(None, words)).replace(" [", "[").replace(" ^", "^")

    def group(self) -> str:
        assert self.tokens.pop(0) == "{", self.tokens
        return self.read("}")

    def below(self) -> str | None:
        """The letters of a subscript, None where there is none."""
        if self.tokens[:1] != ["_"]:
            return None
        del self.tokens[0]
        letters = self.word()
        assert re.fullmatch("[a-z]+", letters), letters
        return letters

    def piece(self, token: str) -> str:
        if token in (r"\left", r"\right", r"\,"):
            return ""
        if token == r"\frac":
            return f"({self.group()}) / ({self.group()})"
        if token == r"\sqrt":
            return f"sqrt({self.group()})"
        if token == r"\sum":
            return " ".join(f"Σ_{letter}" for letter in self.below() or "")
        if token == r"\delta":
            return f"δ[{self.below()}]"
        if token == "^":
            inner = self.group()
            return f"^{inner}" if re.fullmatch(r"-? ?\d+", inner) else f"^({inner})"
        if token == r"\operatorname":
            return self.called(self.word())
        if token in FUNCTIONS or token in SQUASHED:
            return self.called(token)
        if token == "(":
            return self.bracketed()
        if re.fullmatch(r"[A-Za-z]", token):
            return self.named(token)
        assert re.fullmatch(r"[-+/]|\d+(\.\d+)?|\\cdot", token), token
        return "" if token == r"\cdot" else token

    def bracketed(self) -> str:
        """Brackets; or a name with a number, or an inverse, with its letters behind it."""
        text = "".join(self.tokens)
        whole = re.match(r"([A-Z])\^\{-1\}\)_", text) or re.match(r"([A-Za-z]_\{\d+\})\)_", text)
        if not whole:
            return f"({self.read(')')})"
        while self.tokens.pop(0) != ")":
            pass
        name = whole[1]
        return f"inv({name})[{self.below()}]" if "-1" in whole[0] else f"{re.sub('[_{}]', '', name)}[{self.below()}]"

    def word(self) -> str:
        assert self.tokens.pop(0) == "{", self.tokens
        found = ""
        while (letter := self.tokens.pop(0)) != "}":
            found += letter
        return found

    def called(self, token: str) -> str:
        """A function; its name is a command or a word."""
        if token == r"\log" and self.tokens[0] == r"\lvert":
            del self.tokens[0]
            return f"log(abs({self.read(chr(92) + 'rvert')}))"
        if self.tokens[0] == r"\left":
            del self.tokens[0]
        assert self.tokens.pop(0) == "(", self.tokens
        inner = self.read(")")
        if token in SQUASHED:
            return SQUASHED[token].format(inner)
        if token == r"\det":
            return f"det({inner.removesuffix('[]')})[]"
        if token in index_notation.WHOLE:
            return f"{token}({inner.removesuffix('[]')})[{self.below()}]"
        return f"{FUNCTIONS[token]}({inner})"

    def named(self, letter: str) -> str:
        below = self.below()
        if below is None:
            return letter if letter in self.sizes else f"{letter}[]"
        return f"{letter}[{below}]"
