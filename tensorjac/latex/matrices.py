"""Matrix notation in LaTeX: a tree to text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction

from ..matrix.plain import added
from ..matrix.tree import (
    Diagonal,
    DiagonalOf,
    Extent,
    Function,
    Hadamard,
    Identity,
    Name,
    Node,
    Norm,
    Number,
    OfRows,
    Ones,
    Plus,
    Power,
    Product,
    Repeated,
    Scaled,
    Trace,
    Transpose,
    Zero,
)
from ..terms import Number as Value
from .symbols import (
    ATOM,
    HADAMARD,
    PRODUCT,
    SCRIPTED,
    SUM,
    TALL,
    Sides,
    Text,
    bracketed,
    call,
    exponent,
    extent,
    juxtaposed,
    numeral,
    symbol,
)
from .symbols import fraction as over


def sides(name: str, node: Node, names: Collection[str]) -> Sides:
    """The equation ``name = node``; ``names`` are all those in use."""
    return Sides(symbol(name, names), _Writer(names).text(node).text)


def expression(node: Node, names: Collection[str], factor: bool = False) -> str:
    """The node alone; as a ``factor`` of a Kronecker product in brackets where it needs them."""
    text = _Writer(names).text(node)
    return text.at(PRODUCT) if factor else text.text


class _Writer:
    def __init__(self, names: Collection[str]) -> None:
        self.names = names
        self.identity = r"\mathbf{I}" if "I" in names else "I"

    def text(self, node: Node) -> Text:
        match node:
            case Name(_, name):
                return Text(symbol(name, self.names))
            case Zero():
                return Text("0")
            case Number(value):
                return numeral(value)
            case Extent(size):
                return extent(size)
            case Ones():
                return Text(r"\mathbf{1}")
            case Identity():
                return Text(self.identity)
            case Transpose(of):
                return self._transpose(of)
            case Product(factors):
                return Text(juxtaposed([self.text(factor).at(SCRIPTED) for factor in factors]), PRODUCT)
            case Repeated(base, value) | Power(base, value) if node.scalar or isinstance(node, Repeated):
                return self._raised(base, value)
            case Power(base, value):
                text = exponent(value)
                return Text(rf"{self._base(base)}^{{\circ {f'({text})' if value < 0 else text}}}", SCRIPTED)
            case Hadamard():
                return self._hadamard(node)
            case Scaled():
                return self._scaled(node)
            case Plus(terms):
                return Text(added([self.text(term).text for term in terms]), SUM)
        return self._applied(node)

    def _applied(self, node: Node) -> Text:
        """What stands in brackets behind the name of a function, and norms."""
        match node:
            case Function(primitive, (base, raised)) if primitive.name == "power" and not node.scalar:
                return Text(rf"{self._base(base)}^{{\circ {self.text(raised).at(SCRIPTED)}}}", SCRIPTED)
            case Function(primitive, args) if primitive.name == "prod":
                return self._operator("prod", args[0])
            case Function(primitive, args):
                return call(primitive.name, [self.text(arg) for arg in args], self.names)
            case OfRows(primitive, of):
                return self._operator(f"row{primitive.name}", of)
            case Diagonal(of) | DiagonalOf(of):
                return self._operator("diag", of)
            case Trace(of):
                return self._operator("tr", of)
            case _:
                assert isinstance(node, Norm)
                return self._norm(node.of, node.exponent)

    def _operator(self, name: str, of: Node) -> Text:
        return Text(rf"\operatorname{{{name}}}{bracketed(self.text(of).text)}")

    def _base(self, node: Node) -> str:
        """What carries a superscript."""
        return self.text(node).at(ATOM)

    def _transpose(self, of: Node) -> Text:
        if isinstance(of, Function) and of.primitive.name == "inv":
            return Text(rf"{self._base(of.args[0])}^{{-\top}}", SCRIPTED)
        return Text(rf"{self._base(of)}^{{\top}}", SCRIPTED)

    def _raised(self, base: Node, value: Value) -> Text:
        """A scalar or a square matrix to a power."""
        if base.scalar and value == Fraction(1, 2):
            return Text(rf"\sqrt{{{self.text(base).text}}}")
        if isinstance(base, Function) and base.primitive.name == "inv" and isinstance(value, int):
            return Text(f"{self._base(base.args[0])}^{{-{value}}}", SCRIPTED)
        return Text(f"{self._base(base)}^{{{exponent(value)}}}", SCRIPTED)

    def _hadamard(self, node: Hadamard) -> Text:
        above, below = ([self.text(part).at(SCRIPTED) for part in parts] for parts in (node.above, node.below))
        text = r" \circ ".join(above)
        if below:
            divisor = r" \circ ".join(below)
            text += r" \oslash " + (bracketed(divisor) if len(below) > 1 else divisor)
        return Text(text, HADAMARD)

    def _norm(self, of: Node, value: Value) -> Text:
        if isinstance(of, Name) and not of.wide and value == 2:
            return Text(rf"{self._base(of)}^{{\top}} {self._base(of)}", PRODUCT)
        text = rf"\left\| {self.text(of).text} \right\|" + ("_F" if of.wide else "")
        return Text(text) if value == 1 else Text(f"{text}^{{{exponent(value)}}}", SCRIPTED)

    def _scaled(self, node: Scaled) -> Text:
        c: Value = node.coefficient if node.coefficient > 0 else -node.coefficient
        top, bottom = (c, 1) if isinstance(c, float) else (c.numerator, c.denominator)
        above = [*([numeral(top)] if top != 1 else []), *map(self.text, node.above)]
        below = [*([numeral(bottom)] if bottom != 1 else []), *map(self.text, node.below)]
        body = [] if node.body is None else [self.text(node.body)]
        sizes = all(isinstance(part, Extent) for part in node.below)
        if not sizes and body and not TALL.search(body[0].text) and not isinstance(node.body, Plus):
            above, body = above + body, []
        front = [over(_product(above) if above else "1", _product(below))] if below else above
        pieces = [*front, *body]
        text = _product(pieces)
        if node.coefficient < 0:
            return Text(f"-{pieces[0].at(HADAMARD) if len(pieces) == 1 else text}", SUM)
        return Text(text, HADAMARD if body and body[0].binding == HADAMARD else PRODUCT)


def _product(factors: Sequence[Text]) -> str:
    """Scalars and at most one matrix side by side: a product may stand last without brackets."""
    if len(factors) == 1:
        return factors[0].text
    *before, last = factors
    return juxtaposed([*(factor.at(SCRIPTED) for factor in before), last.at(HADAMARD)])
