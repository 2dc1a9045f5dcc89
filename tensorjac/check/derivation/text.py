"""The text of a derivation: shapes of what is given, and statements, each a chain of sides joined by ``=``.

::

    X: b m, A: m n                  given; also  X ∈ ℝ^{b×m},  S: n n symmetric,  x: n positive,  s: scalar
    Y = X A                         a name that is new on a left side is defined
    dL = tr(Gᵀ dY)                  # a remark
       = tr(Gᵀ X dA)                -- another; a line that begins with = goes on with the chain
    so ∂L/∂A = Xᵀ G
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn
from unicodedata import category, normalize

from ...errors import NotationError, caret
from .tex import without_tex

Place = Callable[[int], str]

LONGEST = 20_000  # characters of a derivation

_NAME = r"[^\W\d]\w*"
_GIVEN = re.compile(rf"\s*{_NAME}(?:\s*,\s*{_NAME})*\s*(?::(?!=)|∈)")
_ENTRY = re.compile(rf"(?P<names>(?:(?<=;)|^)\s*{_NAME}(?:\s*,\s*{_NAME})*|{_NAME})\s*(?::|∈)")
_SPACE_OF = re.compile(r"^\s*[ℝR]\s*\^?\s*|[{}()]")
_REMARK = re.compile(r"#.*|(?:^|\s)--\s.*|(?:^|\s)[—]\s.*")
_LEADS = re.compile(
    r"\s*(?:(?:so|thus|hence|then|therefore|let|set|setting|with|where|and|since|now|also|that is|i\.e\.)\b[,:]?"
    r"|[⇒⟹∴⟺⇔→])\s*",
    re.I,
)
_ARROWS = re.compile(r"[⇒⟹⟺⇔∴]|=>")
_AND = re.compile(r"\s(?:and|so|hence|thus)\s")
_LOW_DIGITS, _LOW_LETTERS = "₀₁₂₃₄₅₆₇₈₉", "ₐₑₒₓₕₖₗₘₙₚₛₜᵢⱼᵣᵤᵥ"
_OPENERS, _CLOSERS = "([{⟨", ")]}⟩"
_GOES_ON = ("+", "-", "−", "·", "∘", "*", "/", "@", "⊗")
ADJECTIVES = ("symmetric", "positive definite", "positive", "scalar", "row", "column", "fixed", "constant", "square")
SHORT = {
    **dict.fromkeys(("sym", "symm"), "symmetric"),
    **dict.fromkeys(("pd", "spd", "posdef", "positive-definite"), "positive definite"),
}


@dataclass(frozen=True)
class Side:
    """What stands between two ``=``: its text, the number of its line and the column at which it begins."""

    text: str
    line: int
    column: int


@dataclass(frozen=True)
class Statement:
    """Sides that are equal one after the other; ``continues`` if the first one is that at the end of the last."""

    sides: tuple[Side, ...]
    continues: bool


@dataclass(frozen=True)
class Given:
    """What a header says about one name."""

    name: str
    shape: str
    adjectives: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Block:
    """A derivation, taken apart."""

    lines: tuple[str, ...]
    given: tuple[Given, ...]
    statements: tuple[Statement, ...]
    place: Place

    def fail(self, rule: str, line: int, advice: str, start: int = 0, end: int | None = None) -> NoReturn:
        text = self.lines[line - 1]
        end = len(text.rstrip()) if end is None else end
        raise NotationError(f"{self.place(line)}: {rule}:\n{caret(text, start, max(end, start + 1))}\n{advice}.")


def line_number(line: int) -> str:
    """Where a line is, in a text that stands alone."""
    return f"line {line}"


def read_block(text: str, place: Place = line_number) -> Block:
    """The givens and statements of a derivation; ``place`` says where a line is.

    >>> block = read_block("X: b m, A: m n\\nY = X A\\n  = X A I  # one more")
    >>> [(given.name, given.shape) for given in block.given]
    [('X', 'b m'), ('A', 'm n')]
    >>> [[side.text for side in statement.sides] for statement in block.statements]
    [['Y', 'X A'], ['X A I']]
    """
    if len(text) > LONGEST:
        raise NotationError(f"a derivation has at most {LONGEST} characters, and this one has {len(text)}: split it.")
    lines = tuple(plain(line) for line in text.split("\n"))
    given: list[Given] = []
    statements: list[Statement] = []
    block = Block(lines, (), (), place)
    for number, column, line in _logical(lines):
        bare = _LEADS.sub("", line, count=1)
        if _GIVEN.match(bare) and "=" not in bare:
            given += _givens(bare, number)
        else:
            statements += _statements(line, number, column, block)
    return Block(lines, tuple(given), tuple(statements), place)


def plain(line: str) -> str:
    """A line without LaTeX, with letters of other fonts as usual ones, and small subscripts written out."""
    line = without_tex(line)
    line = re.sub(f"(?<=[‖∥|])[{_LOW_DIGITS}]", "", line)
    line = re.sub(f"[{_LOW_DIGITS}]", lambda match: normalize("NFKC", match[0]), line)
    line = re.sub(f"[{_LOW_LETTERS}]+", lambda match: f"_{normalize('NFKC', match[0])}", line)
    return "".join(normalize("NFKC", c) if c.isalpha() and category(c) != "Lm" else c for c in line)


def _logical(lines: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """Lines without remarks, joined where a bracket is open or an operator stands at the break."""
    kept: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        bare = _REMARK.sub("", line).rstrip().rstrip(".,;").rstrip()
        if not bare.strip():
            continue
        if kept and _goes_on(kept[-1][1], bare):
            kept[-1] = (kept[-1][0], f"{kept[-1][1]} {bare.strip()}")
        else:
            kept.append((number, bare))
    yield from ((number, 0, line) for number, line in kept)


def _goes_on(before: str, line: str) -> bool:
    open_brackets = sum(c in _OPENERS for c in before) - sum(c in _CLOSERS for c in before)
    ends = before.endswith((*_GOES_ON, "=")) or line.lstrip().startswith(_GOES_ON[:5])
    return open_brackets > 0 or ends


def _givens(line: str, number: int) -> Iterator[Given]:
    """``X: b m, A: m n`` and ``x, y ∈ ℝ^n``."""
    found = list(_ENTRY.finditer(line))
    for entry, following in zip(found, [*found[1:], None], strict=True):
        shape = line[entry.end() : following.start() if following else len(line)]
        adjectives = []
        for adjective in ADJECTIVES:
            if re.search(rf"\b{adjective}\b", shape):
                shape = re.sub(rf"\b{adjective}\b", " ", shape)
                adjectives.append(adjective)
        shape = shape.strip(" ,;()")
        shape, short = _short_adjective(shape)
        adjectives += short
        if line[: entry.end()].endswith("∈"):
            shape = _SPACE_OF.sub(" ", normalize("NFKC", shape.replace("ˣ", "×").replace("×", " ")))
        for name in re.findall(_NAME, entry["names"]):
            yield Given(name, re.sub(r"[×,]", " ", shape).strip(), tuple(adjectives), number)


def _short_adjective(shape: str) -> tuple[str, list[str]]:
    """``n n sym`` and ``n n posdef``: a word behind two sizes."""
    match = re.fullmatch(r"(\w+[\s,×]+\w+)[\s,]+([\w-]+)", shape)
    meant = SHORT.get(match[2], "") if match else ""
    return (match[1], [meant]) if match and meant else (shape, [])


def _statements(line: str, number: int, column: int, block: Block) -> Iterator[Statement]:
    start = 0
    for end in [*_breaks(line), len(line)]:
        piece, begin = line[start:end], start
        start = end + 1 if end < len(line) and line[end] in ",;" else end
        while match := _LEADS.match(piece):
            if not match[0]:
                break
            piece, begin = piece[match.end() :], begin + match.end()
        piece = _ARROWS.sub(lambda match: " " * len(match[0]), piece)
        if piece.strip():
            yield _statement(piece, number, column + begin, block)


def _breaks(line: str) -> list[int]:
    """Where statements end within a line: at arrows, and at commas and semicolons with an ``=`` on both sides."""
    depth, found = 0, []
    for at, letter in enumerate(line):
        depth += (letter in _OPENERS) - (letter in _CLOSERS)
        apart = (letter in ",;" or _AND.match(line, at)) and "=" in line[:at] and "=" in line[at:]
        if depth <= 0 and (apart or letter in "⇒⟹⟺⇔∴" or line.startswith("=>", at)) and line[:at].strip():
            found.append(at)
    return found


def _statement(piece: str, number: int, column: int, block: Block) -> Statement:
    cuts = _equals(piece) or [(at.start(), at.end()) for at in re.finditer("==", piece)]
    if not cuts:
        rule = "a line of a derivation has an =, or gives shapes"
        advice = 'write "X: b m" for a shape, "= …" to go on with a chain, and "#" before a remark'
        block.fail(rule, number, advice, column + len(piece) - len(piece.lstrip()))
    bounds = [(0, 0), *cuts, (len(piece), len(piece))]
    sides = []
    for (_, begin), (end, _) in itertools.pairwise(bounds):
        text = piece[begin:end]
        lead = len(text) - len(text.lstrip())
        sides.append(Side(text.strip().rstrip("&").strip(), number, column + begin + lead))
    continues = not sides[0].text
    if continues:
        sides = sides[1:]
    for side in sides:
        if not side.text:
            block.fail("on both sides of an = stands something", number, "write it, or take the = out", side.column)
    return Statement(tuple(sides), continues)


def _equals(piece: str) -> list[tuple[int, int]]:
    """The places of ``=`` and ``:=`` outside of brackets."""
    depth, found = 0, []
    for at, letter in enumerate(piece):
        depth += (letter in _OPENERS) - (letter in _CLOSERS)
        if letter != "=" or depth > 0 or piece[at + 1 : at + 2] in ("=", ">"):
            continue
        before = piece[at - 1 : at]
        if before and before in "=<>!":
            continue
        found.append((at - 1 if before == ":" else at, at + 1))
    return found
