"""Index notation, ``Y[ij] = X[ik] A[kj]``: equations and their left sides, tokens to nodes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .rightside import POWER, PRODUCT, SUM, RightSide
from .syntax import Axis, Equation, IndexText, Target
from .tokens import Cursor, scan

JOINS_LINES = frozenset({*PRODUCT, *SUM, *POWER, "=", ",", "where"})


def is_index_notation(text: str) -> bool:
    """Whether the left side has brackets or is a derivative; anything else is NumPy text.

    >>> [is_index_notation(text) for text in ("Y[ij] = X[ik] A[kj]", "∂Y/∂A = X", "Y = X[0]")]
    [True, True, False]
    """
    found = False
    depth = 0
    begun = False
    for token in scan(text, slots=True):
        word = token.text if token.kind == "operator" else ""
        if word in ("\n", ";") and not depth:
            if begun:
                return False
            continue
        if word == "=" and not depth:
            return found
        found = found or word == "∂" or (begun and not depth and word in ("[", "/"))
        depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
        begun = True
    return False


def parse_index(text: str, functions: Collection[str] = (), tensors: Collection[str] = ()) -> IndexText:
    """Read index notation: equations separated by line breaks or ``;``, each with its ``where``.

    A function's bracket touches its name, ``exp(X[ij])``; letters behind ``_`` are those on which it works,
    ``max_k(X[ik])``. Neither holds for names in ``functions``: ``n (X[ij] + 1)`` is a product. Where one of ``tensors``
    is called ``delta`` or ``where``, that name means the tensor, and δ alone is Kronecker's.

    >>> parse_index("Y[ij] = X[ik] exp(A[kj])").equations[0].right.operands[0]
    Indexed(name='X', slots=(Name(name='i'), Name(name='k')))
    >>> parse_index("z[i] = Σ_k E[ik]").equations[0].right.bound
    (Bound(letter='k', size=None),)
    """
    cursor = Cursor(text, slots=True, joins_lines=JOINS_LINES)
    reader = IndexReader(cursor, functions, tensors)
    while cursor.skip_breaks():
        reader.statement()
    if not reader.equations:
        advice = 'write an equation such as "Y[ij] = X[ik] A[kj]"'
        cursor.fail("a text says something", advice, None, "this one is empty")
    return IndexText(tuple(reader.equations), tuple(reader.definitions.values()), span=(0, len(text)))


class IndexReader:
    """Equations, and the definitions that they share."""

    def __init__(self, cursor: Cursor, functions: Collection[str], tensors: Collection[str]) -> None:
        self.cursor = cursor
        self.right = RightSide(cursor, functions, tensors=tensors)
        self.equations: list[Equation] = []
        self.definitions: dict[str, Equation] = {}

    def statement(self) -> None:
        """One equation, and the definitions behind its ``where``."""
        cursor = self.cursor
        self.equations.append(self._equation())
        if self.right.at_where():
            cursor.advance()
            self._definition()
            while cursor.take(","):
                self._definition()
        if not cursor.at_break:
            self.right.trailing("the end of the equation")

    def _definition(self) -> None:
        definition = self._equation()
        target = definition.target
        if definition.wrt:
            said = "this is a derivative"
            self.cursor.fail("behind where stand tensors", "define one such as E[ij]", target.span, said)
        if target.name in self.definitions:
            said = f"{target.name} is defined twice"
            self.cursor.fail("behind where every name is defined once", "use two names", target.span, said)
        self.definitions[target.name] = definition

    def _equation(self) -> Equation:
        cursor = self.cursor
        start = cursor.token.start
        target, wrt = self._left()
        if not cursor.take("="):
            advice = 'an equation is a left side, "=" and a right side: "Y[ij] = X[ik] A[kj]"'
            cursor.expected('"="', advice)
        right = self.right.expression()
        equation = Equation(target, wrt, right, span=cursor.span(start))
        cursor.bounded(equation)
        return equation

    def _left(self) -> tuple[Target, tuple[Target, ...]]:
        """``Y[ij]``, ``∂Y[ij]/∂A[kl]`` or ``∂²L[]/∂A[ij]∂B[kl]``, or the same with d and d2."""
        cursor = self.cursor
        start = cursor.token.start
        letters: set[str] = set()
        sign = cursor.take("∂")
        squared = sign and cursor.take("²")
        target = self._target(letters)
        if not cursor.take("/"):
            if sign:
                cursor.expected('"/"', 'a derivative is written "∂Y[ij]/∂A[kl]"')
            return target, ()
        wrt: list[Target] = []
        while cursor.take("∂") if sign else cursor.token.kind == "name":
            wrt.append(self._target(letters))
        if not sign:
            squared = target.name.startswith("d2")
            target = self._without_d(target, "d2" if squared else "d")
            wrt = [self._without_d(one, "d") for one in wrt]
        if len(wrt) != 1 + squared:
            advice = 'write "∂Y[ij]/∂A[kl]" or "∂²L[]/∂A[ij]∂B[kl]"'
            said = f"this one is {1 + squared} above the line and {len(wrt)} below it"
            cursor.fail("a derivative has one order", advice, cursor.span(start), said)
        return target, tuple(wrt)

    def _without_d(self, target: Target, prefix: str) -> Target:
        if not target.name.startswith(prefix) or target.name == prefix:
            advice = 'write "dY[ij]/dA[kl]" or "∂Y[ij]/∂A[kl]", and quotients on the right'
            said = f'"{target.name}" has no d before it'
            self.cursor.fail('a left side with "/" is a derivative', advice, target.span, said)
        return replace(target, name=target.name.removeprefix(prefix))

    def _target(self, letters: set[str]) -> Target:
        cursor = self.cursor
        token = cursor.token
        if token.kind != "name":
            cursor.expected("a left side", 'an equation begins with what it defines: "Y[ij] ="')
        if token.text in self.right.deltas or self.right.at_where():
            cursor.fail('"δ", "delta" and "where" name no tensor', "use another name", token)
        cursor.advance()
        if not cursor.take("["):
            advice = f'name its axes, as in "{token.text}[ij]", or write "{token.text}[]" for a scalar'
            cursor.expected('"["', advice)
        axes: list[Axis] = []
        while not cursor.at("]") or cursor.previous.text == ",":
            start = cursor.token.start
            if cursor.take("("):
                axes.append(Axis(self.right.bounds(")", letters), span=cursor.span(start)))
            else:
                axes.extend(Axis((bound,), span=bound.span) for bound in self.right.bound(letters))
            cursor.take(",")
        cursor.advance()
        return Target(token.text, tuple(axes), span=cursor.span(token.start))
