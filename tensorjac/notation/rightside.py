"""The right sides of index notation, ``Σ_k X[ik] exp(A[kj])``: tokens to nodes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NoReturn

from .numpytext import COMPARISONS, NumpyReader
from .syntax import SPELLED, Apply, Bound, Call, Delta, Indexed, Name, Node, SizeOf, SumOver, Whole
from .tokens import Cursor, Token, chain, powers

PRODUCT = ("*", "/", "//")
SUM = ("+", "-")
POWER = ("^", "**")
DELTA = ("δ", "delta")


class RightSide:
    """A recursive descent whose only recursion is into brackets and sums.

    With ``derivatives``, ``∂Y[ij]/∂A[kl]`` is a factor, read as one tensor of that name: ``∂Y/∂A``. Among ``tensors``
    may be ``delta`` and ``where``, which then mean those.
    """

    def __init__(
        self, cursor: Cursor, functions: Collection[str], derivatives: bool = False, tensors: Collection[str] = ()
    ) -> None:
        self.cursor = cursor
        self.derivatives = derivatives
        self.deltas = frozenset(DELTA).difference(tensors)
        self.opens_where = frozenset(("(", "[") if "where" in tensors else ("(",))
        self.functions = frozenset((*functions, *SPELLED))

    def expression(self) -> Node:
        """Terms joined by + and -."""
        cursor = self.cursor
        cursor.enter()
        operands, operators = [self._term()], list[str]()
        while cursor.at(*SUM):
            operators.append(cursor.advance().text)
            operands.append(self._term())
        cursor.leave()
        return chain(operands, operators, SUM)

    def _term(self) -> Node:
        """Factors joined by *, / or nothing, left to right."""
        cursor = self.cursor
        operands, operators = [self._factor()], list[str]()
        while cursor.at(*PRODUCT) or self._at_factor():
            operators.append(cursor.advance().text if cursor.at(*PRODUCT) else "*")
            operands.append(self._factor())
        return chain(operands, operators, PRODUCT)

    def _factor(self) -> Node:
        """Signs, then a sum over the rest of the term, or an atom and its powers."""
        cursor = self.cursor
        signs, values = [self._signs()], list[Node]()
        if self._at_sum():
            values.append(self._sum_over())
            return powers(signs, values)
        values.append(self._atom())
        while cursor.take(*POWER):
            signs.append(self._signs())
            values.append(self._atom())
        return powers(signs, values)

    def _signs(self) -> list[Token]:
        signs = []
        while self.cursor.at(*SUM):
            signs.append(self.cursor.advance())
        return [sign for sign in signs if sign.text == "-"]

    def at_where(self) -> bool:
        """Whether definitions follow; where(…) is a function."""
        token = self.cursor.token
        return token.kind == "name" and token.text == "where" and self.cursor.ahead(1).text not in self.opens_where

    def _at_factor(self) -> bool:
        """Whether a factor begins here that may stand beside another: no sign."""
        cursor = self.cursor
        if self.derivatives and cursor.at("∂"):
            return True
        return (cursor.token.kind in ("name", "number") and not self.at_where()) or cursor.at("(", "|")

    def _at_sum(self) -> bool:
        """Whether Σ_k begins here; sum_k[i] is a tensor of that name."""
        token = self.cursor.token
        if token.kind != "name":
            return False
        follower = self.cursor.ahead(1)
        return token.text.startswith("Σ_") or (token.text.startswith("sum_") and follower.text != "[")

    def _sum_over(self) -> Node:
        cursor = self.cursor
        cursor.enter()
        token = cursor.advance()
        bound = self._binder(token, token.text.index("_") + 1)
        if cursor.at("["):
            rule = "a space separates the letters of a sum from what is summed"
            cursor.fail(rule, 'write "Σ_k X[ik]"', token)
        body = self._term()
        cursor.leave()
        return SumOver(bound, body, span=cursor.span(token.start))

    def _atom(self) -> Node:
        cursor = self.cursor
        token = cursor.token
        if token.kind == "number":
            return cursor.number()
        if cursor.take("("):
            value = self.expression()
            self._close(")")
            return replace(value, span=cursor.span(token.start))
        if cursor.take("|"):
            return self._size_of(token)
        if self.derivatives and cursor.take("∂"):
            return self._derivative(token)
        if token.kind != "name" or self.at_where():
            advice = 'write a number, a factor such as "X[ij]", or an expression in brackets'
            cursor.expected("a factor", advice)
        if self._at_sum():
            cursor.fail("a sum in an exponent stands in brackets", 'write "^(Σ_k …)"', token)
        cursor.advance()
        if token.text in self.deltas:
            return self._delta(token)
        if cursor.at("["):
            return Indexed(token.text, self._slots(), span=cursor.span(token.start))
        if token.text == "Σ":
            cursor.fail("a sum names its letters", 'write "Σ_k" or "Σ_{k, l}"', token)
        if self._at_function(token):
            return self._apply(token)
        return Name(token.text, span=(token.start, token.end))

    def _derivative(self, token: Token) -> Node:
        """``∂Y[ij]/∂A[kl]``; the first ∂ is behind us."""
        cursor = self.cursor
        names: list[str] = []
        slots: list[Node] = []
        while True:
            if cursor.token.kind != "name":
                cursor.expected("a name", 'a derivative is written "∂Y[ij]/∂A[kl]"')
            names.append(cursor.advance().text)
            slots += self._slots() if cursor.at("[") else ()
            if len(names) == 2:
                return Indexed(f"∂{names[0]}/∂{names[1]}", tuple(slots), span=cursor.span(token.start))
            if not (cursor.take("/") and cursor.take("∂")):
                cursor.expected('"/∂"', 'a derivative is written "∂Y[ij]/∂A[kl]"')

    def _size_of(self, opening: Token) -> Node:
        cursor = self.cursor
        token = cursor.advance()
        if token.kind != "name" or len(token.text) != 1 or not token.text.isalpha() or not cursor.take("|"):
            where = (opening.start, max(opening.end, token.end))
            advice = 'write "|i|" for the size of i, or "abs(…)"'
            cursor.fail("between two | stands one letter", advice, where)
        return SizeOf(token.text, span=cursor.span(opening.start))

    # Letters and slots.

    def bounds(self, closing: str, letters: set[str]) -> tuple[Bound, ...]:
        """New letters up to a closing bracket, that included: ``ik)``, ``i:b, k)``."""
        cursor = self.cursor
        found: list[Bound] = []
        while not cursor.at(closing) or cursor.previous.text == ",":
            found += self.bound(letters)
            cursor.take(",")
        cursor.advance()
        return tuple(found)

    def bound(self, letters: set[str]) -> list[Bound]:
        """``ij`` or ``i:b``; each letter is new, and in ``letters`` afterwards."""
        cursor = self.cursor
        if cursor.token.kind != "name":
            cursor.expected("a letter", 'write letters, with sizes where they are needed: "ij" or "i:b, j:m"')
        token = cursor.advance()
        found = self._introduce(token, letters)
        if cursor.at(":"):
            if len(found) != 1:
                advice = f'write "{token.text[:-1]}, {token.text[-1]}:"'
                said = f'"{token.text}" is {len(found)} letters'
                cursor.fail("a size belongs to one letter", advice, token, said)
            cursor.advance()
            found = [Bound(found[0].letter, self.expression(), span=cursor.span(token.start))]
        return found

    def _binder(self, token: Token, skipped: int) -> tuple[Bound, ...]:
        """The letters behind ``_``: ``Σ_kl`` or ``Σ_{k, l:n}``."""
        cursor = self.cursor
        bound = tuple(self._introduce(token, set(), skipped))
        if not bound and cursor.take("{"):
            bound = self.bounds("}", set())
        if not bound:
            cursor.fail("letters stand behind _", 'write "Σ_k" or "Σ_{k, l}"', token, "here are none")
        return bound

    def _introduce(self, token: Token, letters: set[str], skipped: int = 0) -> list[Bound]:
        found = [Bound(name.name, span=name.span) for name in self._letters(token, skipped)]
        for bound in found:
            if bound.letter in letters:
                advice = "use another letter, and δ on the right where two are to be equal"
                said = f"{bound.letter} is there already"
                self.cursor.fail("a letter is introduced once", advice, bound.span, said)
            letters.add(bound.letter)
        return found

    def _letters(self, token: Token, skipped: int = 0) -> list[Name]:
        """The characters of a name behind the first ``skipped``, each of which must be a letter."""
        found: list[Name] = []
        for place, letter in enumerate(token.text[skipped:], token.start + skipped):
            where = (min(place, token.end - 1), min(place + 1, token.end))
            if not letter.isalpha():
                advice = "use letters only, and commas between slots that are computed"
                self.cursor.fail("one letter is one index", advice, where, f'"{letter}" is not a letter')
            found.append(Name(letter, span=where))
        return found

    def _slots(self) -> tuple[Node, ...]:
        """``[ij]`` or ``[2*i+1, k]``, brackets included."""
        cursor = self.cursor
        cursor.advance()
        slots = [] if cursor.at("]") else self._slot()
        while cursor.take(","):
            slots += self._slot()
        self._close("]")
        return tuple(slots)

    def _slot(self) -> list[Node]:
        """What stands between two commas: letters only, each a slot, or one slot that is computed."""
        cursor = self.cursor
        count = 0
        while cursor.ahead(count).kind == "name":
            count += 1
        if not count or cursor.ahead(count).text not in (",", "]"):
            return [self.expression()]
        return [letter for _ in range(count) for letter in self._letters(cursor.advance())]

    def _delta(self, token: Token) -> Node:
        """``δ[ij]`` or ``δ[i = 2*k + 1]``."""
        cursor = self.cursor
        rule, advice = "δ has two slots, or an equation", 'write "δ[ij]" or "δ[i = 2*k + 1]"'
        if not cursor.take("["):
            cursor.fail(rule, advice, token)
        slots = [] if cursor.at("]") else self._slot()
        if len(slots) == 1 and cursor.take("="):
            slots.append(self.expression())
        while cursor.take(","):
            slots += self._slot()
        self._close("]")
        if len(slots) != 2:
            said = f"this one has {len(slots)} slot{'s' * (len(slots) != 1)}"
            cursor.fail(rule, advice, cursor.span(token.start), said)
        return Delta(slots[0], slots[1], span=cursor.span(token.start))

    # Functions.

    def _at_function(self, token: Token) -> bool:
        """Whether a name just read is a function's: a bracket touches it, or follows a known name."""
        cursor = self.cursor
        touches = cursor.token.start == token.end or token.text in self.functions
        return cursor.at("{") or (cursor.at("(") and touches)

    def _apply(self, token: Token) -> Node:
        """``exp(X[ij])``, ``max_k(X[ik])``, ``inv(X.T @ X)[ij]`` or ``inv_kl(S[kl])[ij]``."""
        cursor = self.cursor
        braces = cursor.at("{")
        name, bound = self._function(token)
        close = cursor.closing[cursor.place]
        if cursor.tokens[close + 1].text != "[":
            return Apply(name, bound, self._arguments(), span=cursor.span(token.start))
        inner = next((place for place in range(cursor.place, close) if cursor.tokens[place].text == "["), None)
        if inner is None and not braces:
            function = Name(token.text, span=(token.start, token.end))
            positional, named = NumpyReader(cursor).arguments()
            call = Call(function, positional, named, span=cursor.span(token.start))
            return Whole(call, self._slots(), span=cursor.span(token.start))
        if inner is not None and not bound:
            advice = f'write "{name}(S)[…]", or name its axes: "{name}_kl(S[kl])[…]"'
            cursor.fail("a function of whole tensors takes names without brackets", advice, cursor.tokens[inner])
        arguments = self._arguments()
        return Apply(name, bound, arguments, self._slots(), span=cursor.span(token.start))

    def _function(self, token: Token) -> tuple[str, tuple[Bound, ...]]:
        """A function's name and the letters behind its ``_``; the bracket of its arguments comes next."""
        cursor = self.cursor
        name = token.text
        stem, _, letters = name.rpartition("_")
        if cursor.at("{"):
            if not stem or letters:
                cursor.fail("braces stand behind _", 'write "Σ_{k, l}" or "max_{k, l}(…)"')
            bound = self._binder(token, len(name))
            if not cursor.at("("):
                cursor.expected('"("', 'write what the function is applied to, as in "max_{k, l}(X[ikl])"')
            return stem, bound
        if stem and letters.isalpha() and len(set(letters)) == len(letters) and name not in self.functions:
            return stem, self._binder(token, len(stem) + 1)
        return name, ()

    def _arguments(self) -> tuple[Node, ...]:
        cursor = self.cursor
        cursor.advance()
        found = [self.expression()]
        while cursor.take(","):
            found.append(self.expression())
        self._close(")")
        return tuple(found)

    # What goes wrong.

    def _close(self, closing: str) -> None:
        if not self.cursor.take(closing):
            self.trailing(f'"{closing}"')

    def trailing(self, expected: str) -> NoReturn:
        """Say why what was read cannot go on with the next token."""
        cursor = self.cursor
        if cursor.at("="):
            cursor.fail("an equation has one =", 'write two equations, with ";" between them')
        if cursor.at(*COMPARISONS):
            advice = 'write "greater(X[ij], 0)", "less(…)" or "equal(…)"'
            cursor.fail("a comparison is written as a function", advice)
        if cursor.at("@", "."):
            advice = 'write the letters, as in "Y[ij] = X[ik] A[kj]"; "Y = X @ A" is NumPy text'
            cursor.fail("index notation has no operators of NumPy's", advice)
        if cursor.at(","):
            cursor.fail("commas separate slots, arguments and definitions", "take this one out")
        if cursor.at(";"):
            cursor.fail("an equation does not end within brackets", "take the semicolon out")
        if cursor.at("["):
            cursor.fail("brackets follow a name", "give the expression a name behind where")
        cursor.expected(expected, "join factors by nothing, * or /, and terms by + or -")
