"""Paper notation, as on a blackboard: ``dL = tr(Gᵀ X dA)``. Tokens to nodes; nothing is ever evaluated.

The grammar, loosest first; what binds alike is applied from left to right::

    sum      = [sign] term (("+" | "-") term)*
    term     = product (("∘" | "⊙" | "*" | "⊘" | "⊗") product)* [":" term]      ⊗ stands only among ⊗
    product  = factor (["·" | "/"] factor)*                            side by side: the matrix product
    factor   = "d" factor | "∂" product "/" "∂" name | "∇_" name factor
             | "Σ_" letters product | function argument | atom superscript*
    argument = "(" sum ")"             where the bracket touches the name
             | product                 for tr and sum, which take all that follows in the product
             | factor                  otherwise: log det X
    atom     = number | name | "(" sum [(">" | "<") sum] ")" | "‖" sum "‖" | "|" sum "|" | "⟨" sum "," sum "⟩"

Superscripts are ``ᵀ`` (or ``^T``, ``'``, ``.T``), ``⁻¹`` (``^-1``, ``^{-1}``), ``⁻ᵀ`` and powers. Vectors are columns.
``d`` takes a factor with its superscripts: dX⁻¹ is d(X⁻¹). A number beside a matrix scales it, but a 1 is the column
of ones where it follows a matrix or stands before a row: ``1ᵀ x``, ``X 1``, ``1 bᵀ``; ``𝟏`` always is. ``I`` is the
identity. Names in use may touch, ``XdA``; a name behind ``_`` that is not in use itself is an index: ``x_i``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ..syntax import Name, Node, Unary
from ..tokens import Cursor, Token, chain
from .atoms import AtomReader
from .scan import FUNCTIONS, Scanner
from .syntax import (
    Derivative,
    Differential,
    Entry,
    Entrywise,
    Function,
    Inner,
    Kronecker,
    Norm,
    Product,
    Summed,
    Transposed,
)

SUM = ("+", "-")
ENTRYWISE = ("∘", "⊘", "⊗")
GREEDY = ("tr", "sum")


def parse_paper(text: str, known: Collection[str]) -> Node:
    """Read an expression in paper notation, in which the names in use are ``known``.

    >>> parse_paper("Xᵀ G", {"X", "G"})
    Product(operands=(Transposed(of=Name(name='X')), Name(name='G')), operators=('',))
    >>> parse_paper("XᵀG", {"X", "G"}) == parse_paper("X^T G", {"X", "G"}) == parse_paper("X' G", {"X", "G"})
    True
    """
    cursor = Cursor(text, slots=False, scanner=Scanner(known))
    reader = PaperReader(cursor, known)
    node = reader.sum()
    if cursor.token.kind != "end":
        reader.trailing()
    cursor.bounded(node)
    return node


class PaperReader(AtomReader):
    """A recursive descent: see the grammar above."""

    def sum(self) -> Node:
        cursor = self.cursor
        cursor.enter()
        operands, operators = [self._signed()], list[str]()
        while cursor.at(*SUM):
            operators.append(cursor.advance().text)
            operands.append(self._signed())
        cursor.leave()
        return chain(operands, operators, SUM)

    def _signed(self) -> Node:
        signs = []
        while self.cursor.at(*SUM):
            signs.append(self.cursor.advance())
        value = self._term()
        for sign in reversed(signs):
            if sign.text == "-":
                value = Unary("-", value, span=(sign.start, value.span[1]))
        return value

    def _term(self) -> Node:
        cursor = self.cursor
        operands, operators = [self._product()], list[str]()
        while cursor.at(*ENTRYWISE):
            operators.append(cursor.advance().text)
            if "⊗" in operators and len(set(operators)) > 1:
                rule = "⊗ and ∘ bind alike, and stand beside each other only in brackets"
                cursor.fail(rule, "put the part that is meant in brackets", cursor.previous)
            operands.append(self._product())
        if cursor.take(":"):
            left = self._entrywise(operands, operators)
            return Inner(left, self._term(), span=cursor.span(left.span[0]))
        return self._entrywise(operands, operators)

    def _entrywise(self, operands: list[Node], operators: list[str]) -> Node:
        if not operators:
            return operands[0]
        span = self.cursor.span(operands[0].span[0])
        if operators[0] == "⊗":
            return Kronecker(tuple(operands), span=span)
        return Entrywise(tuple(operands), tuple(operators), span=span)

    def _product(self, divides: bool = True) -> Node:
        """Factors side by side; without ``divides`` up to the first "/"."""
        cursor = self.cursor
        operands, operators = [self._factor()], list[str]()
        while (divides and cursor.at("/")) or cursor.at("·", "@") or self._at_factor():
            operator = cursor.advance().text if cursor.at("/", "·", "@") else ""
            if operator == "/" and isinstance(operands[-1], Differential) and self._at_differential():
                operands[-1] = self._quotient(operands[-1])
                continue
            operators.append("" if operator == "@" else operator)
            operands.append(self._factor())
        if not operators:
            return operands[0]
        return Product(tuple(operands), tuple(operators), span=cursor.span(operands[0].span[0]))

    def _at_factor(self) -> bool:
        """Whether a factor begins here that may stand beside another."""
        cursor = self.cursor
        if cursor.token.kind in ("name", "number"):
            return True
        if cursor.at("‖", "|"):
            return cursor.token.text not in self._closing
        return cursor.at("(", "[", "∂", "∇", "Σ", "√", "⟨")

    # Factors

    def _factor(self) -> Node:
        cursor = self.cursor
        token = cursor.token
        cursor.enter()
        if self._at_differential() and (token.text not in self.known or self._at_d_of_bracket()):
            value = self._differential()
        elif cursor.take("∂"):
            value = self._partial(token)
        elif cursor.take("∇"):
            value = self._gradient(token)
        elif cursor.take("Σ"):
            value = self._summed(token)
        elif (token.text in FUNCTIONS and token.text not in self.known) and token.kind in ("name", "operator"):
            value = self._superscripts(self._function())
        else:
            value = self._superscripts(self._atom())
        cursor.leave()
        return value

    def _at_differential(self) -> bool:
        """Whether a d comes next: alone, or as the first letter of a word that is no name itself."""
        token = self.cursor.token
        own = token.text in FUNCTIONS or (token.text == "delta" and "elta" not in self.known)
        return token.kind == "name" and token.text[:1] == "d" and not own

    def _at_d_of_bracket(self) -> bool:
        """Whether ``d(`` or ``d²f/dx²`` comes next: a differential, although d may be a size."""
        cursor = self.cursor
        token, bracket = cursor.token, cursor.ahead(1)
        if token.text != "d":
            return False
        power = 1 if bracket.kind == "super" else 2
        behind = [cursor.ahead(power + k) for k in (1, 2, 3)]
        second = "2" in (bracket.text, cursor.ahead(2).text if bracket.text == "^" else "")
        slope = second and behind[1].text == "/" and behind[2].text[:1] == "d" and len(behind[2].text) > 1
        return slope or (bracket.text == "(" and bracket.start == token.end)

    def _differential(self) -> Node:
        cursor = self.cursor
        token = cursor.advance()
        rest = token.text[1:]
        if not rest:
            if self._squared():
                return self._slope(token, 2)
            if cursor.take("/"):
                return self._operator(token)
            return Differential(self._factor(), span=cursor.span(token.start))
        inner = Token("name", rest, token.start + 1, token.end)
        if rest in FUNCTIONS and rest not in self.known:
            cursor.place -= 1
            cursor.tokens[cursor.place] = inner
            value = self._function()
        else:
            value = Name(rest, span=(inner.start, inner.end))
        return _changed(self._superscripts(value), cursor.span(token.start))

    def _quotient(self, above: Differential) -> Node:
        """``dL/dA``: the part behind the "/", which is behind us."""
        return self._derivative(above.of, *self._below(), above.span[0])

    def _derivative(self, of: Node, names: tuple[str, ...], below: tuple[str, ...], start: int) -> Node:
        """A derivative, or ``∂p_i/∂z_j``: the entry of one."""
        span = self.cursor.span(start)
        if isinstance(of, Entry) and isinstance(of.of, Name):
            return Entry(Derivative(of.of, names, span=span), (*of.letters, *below), span=span)
        found = Derivative(of, names, span=span)
        return Entry(found, below, span=span) if below else found

    def _below(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """``∂A``, ``dA``, ``∂w∂wᵀ`` or ``∂z_j``: what a derivative is taken by, and the letters behind it."""
        cursor = self.cursor
        names: list[str] = []
        letters: tuple[str, ...] = ()
        while cursor.at("∂") or (self._at_differential() and cursor.token.text not in self.known):
            token = cursor.token
            sign = cursor.take("∂")
            token = cursor.advance()
            name = token.text if sign else token.text[1:]
            if token.kind != "name" or not name:
                cursor.fail("a derivative is taken by a name", 'write "∂L/∂A"', token)
            names.append(name)
            if cursor.take("_"):
                letters += self._letters()
            if self._squared():
                names.append(name)
            elif cursor.token.kind == "super" or cursor.at("'"):
                cursor.advance()
        if not 1 <= len(names) <= 2:
            cursor.fail("a derivative is taken by one name, or by two", 'write "∂L/∂A" or "∂²L/∂w∂wᵀ"')
        return tuple(names), letters

    def _operator(self, token: Token) -> Node:
        """``∂/∂X`` or ``d/dX`` before what it applies to; the "/" is behind us."""
        names, letters = self._below()
        return self._derivative(self._product(), names, letters, token.start)

    def _partial(self, token: Token) -> Node:
        return self._slope(token, 1 + self._squared())

    def _squared(self) -> bool:
        """Whether a 2 comes next, as a superscript or behind ^; it is then behind us."""
        cursor = self.cursor
        if cursor.token.kind == "super" and cursor.token.text == "2":
            cursor.advance()
            return True
        if cursor.at("^") and cursor.ahead(1).text == "2":
            cursor.advance()
            cursor.advance()
            return True
        return False

    def _slope(self, token: Token, order: int) -> Node:
        """``∂L/∂A`` or ``d²f/dx²``, of which the first sign is behind us."""
        cursor = self.cursor
        if cursor.take("/"):
            return self._operator(token)
        above = self._product(divides=False)
        if not cursor.take("/"):
            cursor.expected('"/"', 'a derivative is written "∂L/∂A"')
        names, letters = self._below()
        if len(names) != order:
            advice = 'write "∂L/∂A" or "∂²L/∂w∂wᵀ"'
            cursor.fail("a derivative has as many ∂ above the line as below it", advice, cursor.span(token.start))
        return self._derivative(above, names, letters, token.start)

    def _gradient(self, token: Token) -> Node:
        """``∇_A L``, ``∇²_w L`` or ``∇_w² L``."""
        cursor = self.cursor
        powers = [cursor.advance().text] if cursor.token.kind == "super" else []
        if cursor.token.kind == "name" and [cursor.ahead(k).text for k in (1, 3)] == ["(", ")"]:
            of, _, by = cursor.advance(), cursor.advance(), cursor.advance()
            cursor.advance()
            names = (by.text,) * (2 if "2" in powers else 1)
            return Derivative(Name(of.text, span=(of.start, of.end)), names, span=cursor.span(token.start))
        if not cursor.take("_"):
            cursor.expected('"_"', 'name what the gradient is taken by: "∇_w L"')
        braces = cursor.take("{")
        name = cursor.advance()
        if name.kind != "name" or (braces and not cursor.take("}")):
            cursor.fail("a gradient is taken by a name", 'write "∇_w L"', name)
        if cursor.token.kind == "super":
            powers.append(cursor.advance().text)
        names = (name.text,) * (2 if "2" in powers else 1)
        return Derivative(self._factor(), names, span=cursor.span(token.start))

    def _summed(self, token: Token) -> Node:
        """``Σ_i``, ``Σ_{i=1}^n``, and the product that is summed."""
        cursor = self.cursor
        if not cursor.take("_"):
            if cursor.at("("):
                return self._superscripts(Function("sum", self._atom(), span=cursor.span(token.start)))
            cursor.expected('"_"', 'a sum names its letters, "Σ_i x_i y_i"; the sum of all entries is "sum(X)"')
        letters = self._letters()
        if cursor.take("^"):
            self._exponent()
        return Summed(letters, self._product(), span=cursor.span(token.start))

    def _function(self) -> Node:
        cursor = self.cursor
        token = cursor.advance()
        name = FUNCTIONS[token.text]
        while cursor.token.text == "'" and cursor.ahead(1).text == "(":
            cursor.advance()
            name += "'"
        if cursor.at("(") and cursor.token.start == cursor.previous.end:
            argument = self._bracket()
        else:
            argument = self._product() if name in GREEDY else self._factor()
        value = Norm(argument) if name == "norm" else Function(name, argument)
        return replace(value, span=cursor.span(token.start))


def _changed(value: Node, span: tuple[int, int]) -> Node:
    """The differential; that of a transpose is the transpose of one."""
    if isinstance(value, Transposed):
        return Transposed(_changed(value.of, span), span=span)
    return Differential(value, span=span)
