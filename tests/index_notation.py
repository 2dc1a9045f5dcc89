"""An independent reader of index notation: text and arrays in, array out.

It knows no algebra. Every factor becomes an array whose axes carry the letters, products broadcast, δ is a
comparison of two ranges, and sums are sums. Slow, and short enough to be trusted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

SIGNS = ("+", "-", "\N{MINUS SIGN}")
TOKEN = re.compile(r"\s*(\d+\.\d*|\d+|Σ_\w|sum_\w|[^\W\d]\w*|\[[^\]]*\]|[()+*/^]|[-\N{MINUS SIGN}])")
ELEMENTWISE = {name: getattr(np, name) for name in ("exp", "log", "sin", "cos", "tanh", "sqrt", "abs")}


def adjugate(matrix):
    """Cofactors, transposed: determinants without one row and one column."""
    cofactors = np.zeros(matrix.shape)
    for i, j in np.ndindex(matrix.shape):
        cofactors[i, j] = (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(matrix, i, 0), j, 1))
    return cofactors.T


def minors(matrix):
    """Determinants without rows i, k and columns j, l, with the sign of their places."""
    n = len(matrix)
    found = np.zeros((n, n, n, n))
    for i, j, k, l in np.ndindex(n, n, n, n):
        if i != k and j != l:
            sign = (-1) ** (i + j + k + l) * (1 if (i < k) == (j < l) else -1)
            found[i, j, k, l] = sign * np.linalg.det(np.delete(np.delete(matrix, (i, k), 0), (j, l), 1))
    return found


WHOLE = {
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "adj": adjugate,
    "minors": minors,
    "norm": np.linalg.norm,
}


@dataclass
class Labelled:
    """An array whose axes carry letters."""

    array: np.ndarray
    letters: str = ""

    def aligned(self, letters):
        """The array with one axis per letter, of size 1 where it has none."""
        order = [self.letters.index(letter) for letter in letters if letter in self.letters]
        shape = iter(np.transpose(self.array, order).shape)
        full = [next(shape) if letter in self.letters else 1 for letter in letters]
        return np.transpose(self.array, order).reshape(full)

    def combine(self, other, operation):
        letters = self.letters + "".join(letter for letter in other.letters if letter not in self.letters)
        return Labelled(operation(self.aligned(letters), other.aligned(letters)), letters)


def split_slots(text):
    """The letters between brackets, and the sizes that are written beside them.

    >>> split_slots("ij"), split_slots("i:b, j")
    (('ij', {}), ('ij', {'i': 'b'}))
    """
    if not re.search("[,:]", text):
        return text.strip(), {}
    pairs = [slot.strip().split(":") for slot in text.split(",")]
    return "".join(pair[0] for pair in pairs), {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


@dataclass
class Reader:
    """Reads one right side. The first reading collects the size of each letter; the second one computes."""

    text: str
    arrays: dict
    sizes: dict
    extent: dict
    tied: list = field(default_factory=list)
    tokens: list = field(default_factory=list)

    def read(self, keep):
        for _ in range(2):
            self.tokens = TOKEN.findall(self.text)
            assert re.sub(r"\s", "", self.text) == "".join(self.tokens).replace(" ", ""), self.text
            result = self.sum(keep)
            assert not self.tokens, self.tokens
            for _ in self.tied:
                for one, other in self.tied:
                    known = self.extent.get(one, self.extent.get(other))
                    if known is not None:
                        self.extent[one] = self.extent[other] = known
        return result

    def peek(self):
        return self.tokens[0] if self.tokens else ""

    def sum(self, keep=None):
        """Terms joined by + and -; at the top level, letters outside `keep` are summed in each term."""
        total = None
        while True:
            sign = 1
            while self.peek() in SIGNS:
                sign *= -1 if self.tokens.pop(0) != "+" else 1
            term = self.product().combine(Labelled(np.float64(sign)), np.multiply)
            if keep is not None:
                for letter in [letter for letter in term.letters if letter not in keep]:
                    term = self.summed(term, letter)
            total = term if total is None else total.combine(term, np.add)
            if self.peek() not in SIGNS:
                return total

    def summed(self, term, letter):
        if letter not in term.letters:
            return Labelled(term.array * self.extent.get(letter, 1), term.letters)
        return Labelled(term.array.sum(term.letters.index(letter)), term.letters.replace(letter, ""))

    def product(self):
        value = self.power()
        while self.peek() and self.peek() not in (*SIGNS, ")"):
            operation = np.multiply
            if self.peek() in "*/":
                operation = np.divide if self.tokens.pop(0) == "/" else np.multiply
            value = value.combine(self.power(), operation)
        return value

    def power(self):
        value = self.atom()
        if self.peek() == "^":
            self.tokens.pop(0)
            sign = -1 if self.peek() in SIGNS and self.tokens.pop(0) else 1
            exponent = self.atom()
            value = value.combine(exponent, lambda base, power: base ** (sign * power))
        return value

    def atom(self):
        token = self.tokens.pop(0)
        if token == "(":
            value = self.sum()
            assert self.tokens.pop(0) == ")"
            return value
        if token.startswith(("Σ_", "sum_")):
            return self.summed(self.product(), token[-1])
        if token[0].isdigit():
            return Labelled(np.float64(token))
        if token in ("δ", "delta"):
            return self.delta(split_slots(self.tokens.pop(0)[1:-1])[0])
        if token in ELEMENTWISE:
            assert self.peek() == "(", token
            value = self.atom()
            return Labelled(ELEMENTWISE[token](value.array), value.letters)
        if token in WHOLE:
            assert self.tokens.pop(0) == "("
            value = WHOLE[token](self.arrays[self.tokens.pop(0)])
            assert self.tokens.pop(0) == ")"
            return self.indexed(value)
        if token in self.arrays:
            return self.indexed(self.arrays[token])
        return Labelled(np.float64(self.sizes[token]))

    def indexed(self, array):
        letters = split_slots(self.tokens.pop(0)[1:-1])[0]
        array = np.asarray(array)
        assert len(letters) == array.ndim, f"{letters} for shape {array.shape}"
        for letter, size in zip(letters, array.shape, strict=True):
            assert self.extent.setdefault(letter, size) == size, f"index {letter} has two sizes"
        distinct = "".join(dict.fromkeys(letters))
        return Labelled(np.einsum(f"{letters}->{distinct}", array), distinct)

    def delta(self, letters):
        one, other = letters
        self.tied.append((one, other))
        return Labelled(np.eye(self.extent.get(one, 1), self.extent.get(other, 1)), letters)


def evaluate(text, arrays, sizes):
    """The array that a line of index notation stands for, given the inputs and the numbers of the sizes.

    >>> evaluate("∂Y[ij]/∂A[kl] = X[ik] δ[jl]", {"X": np.ones((3, 2)), "A": np.ones((2, 5))}, {}).shape
    (3, 5, 2, 5)
    """
    text, _, definitions = text.partition(" where ")
    arrays = dict(arrays)
    for definition in filter(None, re.split(r", (?=\w+\[[^\]]*\] = )", definitions)):
        name = definition.partition("[")[0]
        arrays[name] = evaluate(definition, arrays, sizes)
    left, _, right = text.partition(" = ")
    letters, extent = "", {}
    for name, slots in re.findall(r"(∂?[^\W\d]\w*)\[([^\]]*)\]", left):
        own, written = split_slots(slots)
        letters += own
        extent |= {letter: int(size) if size.isdigit() else sizes[size] for letter, size in written.items()}
        if name.startswith("∂") and name[1:] in arrays:
            extent |= dict(zip(own, np.shape(arrays[name[1:]]), strict=True))
    value = Reader(right, arrays, sizes, extent).read(letters)
    return np.broadcast_to(value.aligned(letters), [extent[letter] for letter in letters])
