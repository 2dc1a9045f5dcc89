r"""LaTeX in a line of a derivation, as the signs that it stands for: ``\frac{1}{2} X^\top`` is ``(1/2) Xᵀ``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from ...notation.paper.scan import FUNCTIONS

SIGNS = {
    **{"partial": "∂", "nabla": "∇", "sum": "Σ", "odot": "∘", "circ": "∘", "oslash": "⊘", "otimes": "⊗", "cdot": "·"},
    **{"times": "×", "in": "∈", "langle": "⟨", "rangle": "⟩", "Vert": "‖", "lVert": "‖", "rVert": "‖", "|": "‖"},
    **{"vert": "|", "lvert": "|", "rvert": "|", "ell": "ℓ", "top": "⊤", "intercal": "⊤", "Rightarrow": "⇒"},
    **{"implies": "⇒", "therefore": "∴", "{": "(", "}": ")", "lbrace": "(", "rbrace": ")"},
    **dict.fromkeys(
        (",", ";", ":", "!", " ", "quad", "qquad", "left", "right", "big", "Big", "bigl", "bigr", "\\"), " "
    ),
    **dict.fromkeys(("displaystyle", "limits", "nonumber", "bigg", "Bigl", "Bigr"), " "),
}
ACCENTS = {"hat": "\u0302", "widehat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
PLAIN = frozenset({"mathbf", "boldsymbol", "bm", "mathrm", "mathsf", "operatorname", "text", "mathcal", "mathit"})

_COMMAND = re.compile(r"\\(?P<name>[A-Za-z]+\*?|[^A-Za-z])\s*")
_BRACED_TRANSPOSE = re.compile(r"\^\s*\{\s*(?P<minus>[-−]?)\s*⊤\s*\}|\^\s*⊤")


def without_tex(line: str) -> str:
    r"""The line without dollars, alignment marks and commands; what no sign is known for stays as it is.

    >>> without_tex(r"$L = \frac{1}{2} \|\mathbf{X} w - y\|^2$ \\")
    'L = (1/2) ‖X w - y‖^2'
    >>> without_tex(r"\nabla_w L &= X^{\top} (X w - y) + \lambda w")
    '∇_w L = Xᵀ (X w - y) + λ w'
    """
    if line.count("$") % 2 == 0:
        line = line.replace("$", " ")
    if "\\" not in line:
        return line
    line = re.sub(r"\\(begin|end)\{[^{}]*\}|\\\[|\\\]|\\\(|\\\)", " ", line).replace("&=", "=").replace("&", " ")
    line = _replaced(line)
    line = _BRACED_TRANSPOSE.sub(lambda match: "⁻ᵀ" if match["minus"] else "ᵀ", line)
    return re.sub(r"[ \t]+", " ", line).strip()


def _replaced(line: str) -> str:
    """The line with every command that is known replaced."""
    done, at = "", 0
    while match := _COMMAND.search(line, at):
        name, end = match["name"], match.end()
        arguments: list[str] = []
        while len(arguments) < _ARITY.get(name, 0) and end < len(line):
            begin, close = _argument(line, end)
            arguments.append(_replaced(line[begin:close]))
            end = close + (begin > end)
        done += line[at : match.start()] + _meaning(match, name, arguments)
        at = end
    return done + line[at:]


def _meaning(match: re.Match[str], name: str, arguments: list[str]) -> str:
    """What stands for a command."""
    space = " " if match[0][-1:].isspace() else ""
    if len(arguments) == _ARITY.get(name, 0) > 0:
        return _WITH_ARGUMENTS[name](*arguments)
    if name in SIGNS:
        return SIGNS[name] + space
    if name in FUNCTIONS:
        return f"{name} " if space else name
    greek = _greek(name)
    return greek + space if greek else match[0]


def _greek(name: str) -> str:
    """λ for ``lambda``, Λ for ``Lambda``."""
    kind = "CAPITAL" if name[:1].isupper() else "SMALL"
    letter = name.removeprefix("var").upper().replace("LAMBDA", "LAMDA")
    try:
        return unicodedata.lookup(f"GREEK {kind} LETTER {letter}")
    except KeyError:
        return ""


def _argument(line: str, start: int) -> tuple[int, int]:
    """Where an argument begins and ends: what stands in braces, one command, or one letter."""
    if line[start] != "{":
        command = _COMMAND.match(line, start)
        return start, command.end() if command else start + 1
    depth = 0
    for at in range(start, len(line)):
        depth += (line[at] == "{") - (line[at] == "}")
        if depth == 0:
            return start + 1, at
    return start + 1, len(line)


def _fraction(above: str, below: str) -> str:
    parts = [part if re.fullmatch(r"\d+|[^\W\d]", part.strip()) else f"({part})" for part in (above, below)]
    derivative = above.strip()[:1] in ("∂", "d") and below.strip()[:1] in ("∂", "d")
    return f"{above.strip()}/{below.strip()} " if derivative else f"({parts[0]}/{parts[1]})"


def _accented(mark: str) -> Callable[[str], str]:
    return lambda letter: unicodedata.normalize("NFC", letter.strip() + mark)


_WITH_ARGUMENTS: dict[str, Callable[..., str]] = {
    **dict.fromkeys(("frac", "dfrac", "tfrac"), _fraction),
    "sqrt": lambda inner: f"√({inner})",
    "mathbb": lambda letter: "ℝ" if letter.strip() == "R" else letter,
    **dict.fromkeys(PLAIN, str),
    **{name: _accented(mark) for name, mark in ACCENTS.items()},
}
_ARITY = {name: 2 if name.endswith("frac") else 1 for name in _WITH_ARGUMENTS}
