"""Paper notation, text to tokens: superscripts, words that run together, and what brackets stand for."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from unicodedata import category, normalize

from ..tokens import ALIASES, Token

TRANSPOSES = "ᵀ⊤ᵗ"
FRACTIONS = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4)}
ONES = ("𝟏", "𝟙")
SIGNS = {"_": "_", "Σ": "Σ", "∑": "Σ", "grad": "∇"}  # what stands between letters, or is one, and is no name
LONGEST = 40  # letters of a word that is taken apart

# Names of functions, and the one under which a function with several names is known.
FUNCTIONS = {
    **{name: name for name in ("exp", "log", "log1p", "expm1", "sin", "cos", "tan", "arcsin", "arccos", "arctan")},
    **{name: name for name in ("sinh", "cosh", "tanh", "sigmoid", "softplus", "abs", "sign", "erf", "sqrt", "relu")},
    **{name: name for name in ("tr", "det", "logdet", "adj", "inv", "vec", "diag", "sum", "mean", "softmax", "rowsum")},
    **{"ln": "log", "Tr": "tr", "trace": "tr", "Diag": "diag", "σ": "sigmoid", "ReLU": "relu", "sgn": "sign"},
    **{"Log": "log", "Exp": "exp", "atan": "arctan", "norm": "norm", "√": "sqrt"},
}

_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SUPER = re.compile(r"[⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹ᵀ⊤ᵗ]+|\.T(?!\w)")
_POWER_T = re.compile(r"\^\s*(?:\{\s*([-−]?)\s*(?:T|⊤|top)\s*\}|([-−]?)\s*(?:T|⊤|top)(?=\W|_|$))")
_TOUCHING_T = re.compile(r"\^(?:T|⊤)")
_OPERATOR = re.compile(r"\|\||\.[*/^]|[-−+/·×*∘⊙⊗⊘()\[\]{}|‖∥⟨⟩,^'′’∂∇√_@=:<>]")
_SUPERSCRIPTS = str.maketrans("⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹⊤ᵀᵗ", "-+0123456789TTT")
_MEANINGS = {
    **ALIASES,
    "||": "‖",
    "∥": "‖",
    "⊙": "∘",
    "*": "∘",
    ".*": "∘",
    "./": "⊘",
    ".^": "^",
    "×": "·",
    "·": "·",
    "′": "'",
    "’": "'",
}


class Scanner:
    """Splits paper notation into tokens, knowing the names in use: ``XdA`` is X dA where both are known."""

    def __init__(self, known: Collection[str]) -> None:
        self.known = frozenset(known)
        self.split = lru_cache(maxsize=1024)(self._split)

    def __call__(self, text: str, slots: bool) -> list[Token]:
        """All tokens up to a fault, and one "end"."""
        tokens: list[Token] = []
        position = 0
        while position < len(text):
            if match := _SPACE.match(text, position):
                position = match.end()
                continue
            found = self._tokens(text, position)
            tokens += found
            if found[-1].kind == "fault":
                break
            position = found[-1].end
        return [*tokens, Token("end", "", len(text), len(text))]

    def _tokens(self, text: str, start: int) -> list[Token]:
        if text[start] in FRACTIONS or text[start] in ONES:
            return [Token("number" if text[start] in FRACTIONS else "name", text[start], start, start + 1)]
        if match := _NUMBER.match(text, start):
            return [Token("number", match[0], start, match.end())]
        if match := _SUPER.match(text, start):
            meaning = "T" if match[0] == ".T" else match[0].translate(_SUPERSCRIPTS)
            return [Token("super", meaning, start, match.end())]
        if "T" not in self.known:
            if match := _POWER_T.match(text, start):
                return [Token("super", "-T" if match[1] or match[2] else "T", start, match.end())]
            if match := _TOUCHING_T.match(text, start):
                return [Token("super", "T", start, match.end())]
        end = _word_end(text, start)
        if end > start:
            return self._word(text[start:end], start, text[end : end + 1])
        if match := _OPERATOR.match(text, start):
            return [Token("operator", _MEANINGS.get(match[0], match[0]), start, match.end())]
        return [Token("fault", text[start], start, start + 1)]

    def _word(self, word: str, start: int, behind: str) -> list[Token]:
        tokens = []
        pieces = self.split(word)
        for piece, following in zip(pieces, (*pieces[1:], behind), strict=True):
            meaning = SIGNS.get(piece, "") if piece not in self.known else ""
            if piece == "sum" and following == "_":
                meaning = "Σ"
            kind = "operator" if meaning else "name"
            tokens.append(Token(kind, meaning or normalize("NFKC", piece), start, start + len(piece)))
            start += len(piece)
        return tokens

    def _split(self, word: str) -> tuple[str, ...]:
        """The pieces of a word: names in use, differentials, functions, and letters behind a subscript."""
        if self._is_piece(word) or word == "d":
            return (word,)
        stem, mark, letters = word.rpartition("_")
        if mark and stem and letters:
            return (*self.split(stem), "_", letters)
        best: list[tuple[str, ...] | None] = [()]
        for end in range(1, len(word) + 1 if len(word) <= LONGEST else 1):
            choices = [
                (*before, word[begin:end])
                for begin in range(end)
                if (before := best[begin]) is not None and self._is_piece(word[begin:end])
            ]
            fewest = min(map(len, choices), default=0)
            short = [choice for choice in choices if len(choice) == fewest]
            best.append(short[0] if len(short) == 1 else None)
        return best[-1] or (word,)

    def _is_piece(self, piece: str) -> bool:
        piece = normalize("NFKC", piece)
        if piece in self.known or piece in FUNCTIONS or piece in SIGNS or piece == "I":
            return True
        return piece[:1] == "d" and (piece[1:] in self.known or (len(piece) > 2 and piece[1:] in FUNCTIONS))


def _word_end(text: str, start: int) -> int:
    """The end of the word that begins here: letters, then letters, digits, marks and subscripts."""
    end = start
    while end < len(text) and (_is_letter(text[end]) or (end > start and _continues(text, end))):
        end += 1
        if text[end - 1] in "Σ∑":
            break
    return end


def _is_letter(letter: str) -> bool:
    return letter == "∑" or (letter.isalpha() and letter not in TRANSPOSES and category(letter) != "Lm")


def _continues(text: str, at: int) -> bool:
    letter = text[at]
    if letter == "_":
        return at + 1 < len(text) and (text[at + 1].isalnum() or text[at + 1] == "_")
    return letter in "0123456789₀₁₂₃₄₅₆₇₈₉" or category(letter) == "Mn" or "ₐ" <= letter <= "ₜ"
