"""Matrix notation built so that there is little to read: scalars stand in front, transposes go where they are few.

>>> from .tree import Name, Product, Transpose
>>> A, B = Name(2, "A"), Name(2, "B")
>>> transpose(multiply(transpose(A), B)) == Product((Transpose(B), A))
True
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..terms import Number as Value
from ..terms import number as exact
from .orders import order, scalar_order
from .tree import (
    Diagonal,
    Function,
    Hadamard,
    Identity,
    Node,
    Norm,
    Number,
    Plus,
    Power,
    Product,
    Repeated,
    Scaled,
    Transpose,
    Zero,
    size,
)

# Products --------------------------------------------------------------------------------------------------------


def transpose(node: Node) -> Node:
    """The transpose, taken inside where that takes no more of them."""
    if node.scalar or isinstance(node, Identity | Diagonal):
        return node
    if isinstance(node, Transpose):
        return node.of
    if isinstance(node, Product):
        return multiply(*map(transpose, reversed(node.factors)))
    if isinstance(node, Scaled) and node.body is not None:
        return scaled(node.coefficient, node.above, node.below, transpose(node.body))
    if isinstance(node, Repeated) and isinstance(node.base, Diagonal):
        return node
    inside = _transposed_inside(node) if node.tall and node.wide else None
    return inside if inside is not None and inside.transposes <= node.transposes else Transpose(node)


def _transposed_inside(node: Node) -> Node | None:
    match node:
        case Hadamard(above, below):
            return Hadamard(tuple(map(transpose, above)), tuple(map(transpose, below)))
        case Plus(terms):
            return plus(map(transpose, terms))
        case Power(base, exponent):
            return power(transpose(base), exponent)
        case Function(primitive, args) if primitive.elementwise or primitive.core_out == "nn":
            return Function(primitive, tuple(map(transpose, args)))
    return None


def multiply(*factors: Node) -> Node:
    """The matrix product: scalars to the front, products opened, identities left out, repeats counted."""
    coefficient: Value = 1
    above: list[Node] = []
    below: list[Node] = []
    chain: list[Node] = []
    for factor in factors:
        if isinstance(factor, Scaled) and factor.body is not None:
            coefficient = exact(coefficient * factor.coefficient)
            above += factor.above
            below += factor.below
            factor = factor.body
        chain += factor.factors if isinstance(factor, Product) else [factor]
    counted: list[tuple[Node, Value]] = []
    for factor in chain:
        base, count = _repeats(factor)
        if counted and counted[-1][0] == base and base.tall and base.wide:
            counted[-1] = base, exact(counted[-1][1] + count)
        elif not isinstance(factor, Identity):
            counted.append((base, count))
    kept = tuple(_repeated(base, count) for base, count in counted)
    body = Product(kept) if len(kept) > 1 else kept[0] if kept else chain[0]
    return scaled(coefficient, above, below, body)


def _repeats(node: Node) -> tuple[Node, Value]:
    """The matrix of which a factor is a natural power, and the exponent."""
    if isinstance(node, Transpose) and isinstance(node.of, Repeated):
        base, count = _repeats(node.of)
        return transpose(base), count
    if isinstance(node, Repeated) and isinstance(node.exponent, int) and node.exponent > 0:
        return node.base, node.exponent
    return node, 1


def _repeated(base: Node, count: Value) -> Node:
    if count == 1:
        return base
    return Transpose(Repeated(base.of, count)) if isinstance(base, Transpose) else Repeated(base, count)


def scaled(coefficient: Value, above: Iterable[Node], below: Iterable[Node], body: Node | None = None) -> Node:
    """A number and scalars times a matrix, in as few nodes as that takes."""
    over, under = [*above], [*below]
    if body is not None and (body.scalar or isinstance(body, Scaled)):
        over, body = [*over, body], None
    if any(isinstance(node, Scaled | Number) for node in over):
        opened: list[Node] = []
        for node in over:
            if isinstance(node, Scaled):
                coefficient = exact(coefficient * node.coefficient)
                opened += node.above
                under += node.below
                body = node.body if node.body is not None else body
            elif isinstance(node, Number):
                coefficient = exact(coefficient * node.value)
            else:
                opened.append(node)
        over = opened
    over.sort(key=scalar_order)
    under.sort(key=scalar_order)
    parts = [*over, *([] if body is None else [body])] if coefficient < 0 else []
    for k, part in enumerate(parts):
        turned = negated(part)
        if turned is not None:
            coefficient = exact(-coefficient)
            over, body = ([*over[:k], turned, *over[k + 1 :]], body) if k < len(over) else (over, turned)
            break
    if coefficient == 1 and not under and len(over) + (body is not None) == 1:
        return over[0] if body is None else body
    if not over and not under and body is None:
        return Number(coefficient)
    return Scaled(coefficient, tuple(over), tuple(under), body)


def negated(node: Node) -> Node | None:
    """The same with the other sign, where only a difference needs to be turned for it."""
    if isinstance(node, Plus):
        minus = any(_coefficient(term) < 0 for term in node.terms)
        return plus(scaled(-1, (), (), term) for term in node.terms) if minus else None
    if isinstance(node, Transpose):
        inner = negated(node.of)
        return None if inner is None else transpose(inner)
    if isinstance(node, Product | Hadamard):
        parts = [*(node.factors if isinstance(node, Product) else node.above)]
        for k, part in enumerate(parts):
            inner = negated(part)
            if inner is not None:
                parts[k] = inner
                return multiply(*parts) if isinstance(node, Product) else Hadamard(tuple(parts), node.below)
    return None


# Sums ------------------------------------------------------------------------------------------------------------


def plus(terms: Iterable[Node]) -> Node:
    """The sum, positive terms first; factors with which all its terms begin or end are taken out.

    >>> from .tree import Name
    >>> A, x = Name(2, "A"), Name(1, "x")
    >>> plus([multiply(A, x), multiply(transpose(A), x)]) == multiply(plus([A, transpose(A)]), x)
    True
    """
    parts: list[Node] = []
    for term in terms:
        minus = isinstance(term, Scaled) and term.coefficient == -1 and not term.above and not term.below
        if minus and isinstance(term, Scaled) and isinstance(term.body, Plus):
            parts += [scaled(-1, (), (), part) for part in term.body.terms]
        else:
            parts += term.terms if isinstance(term, Plus) else [term]
    parts = _merged(parts)
    if len(parts) == 1:
        return parts[0]
    if all(part.wide and not part.tall for part in parts):
        return Transpose(plus(map(transpose, parts)))
    parts.sort(key=lambda part: (_coefficient(part) < 0, order(part), _coefficient(part)))
    left, middles, right = _without_common(parts)
    if left or right:
        return multiply(*left, plus(middles), *right)
    return Plus(tuple(parts))


def _merged(terms: Sequence[Node]) -> list[Node]:
    """The terms, equal ones counted."""
    counts: dict[tuple[tuple[Node, ...], tuple[Node, ...], Node | None], Value] = {}
    for term in terms:
        like = (term.above, term.below, term.body) if isinstance(term, Scaled) else ((), (), term)
        like = ((), (), None) if isinstance(term, Number) else like
        counts[like] = exact(counts.get(like, 0) + _coefficient(term))
    found = [scaled(count, *like) for like, count in counts.items() if count != 0]
    return found or [Zero(terms[0].tall + terms[0].wide)]


def leads_with_minus(node: Node) -> bool:
    """Whether there is a minus in front, or where it is not expected: mean - X for X - mean, or Y - 1."""
    if not isinstance(node, Plus):
        return isinstance(node, Scaled) and node.coefficient < 0
    first = min(node.terms, key=lambda term: (len(term.places), size(term)))
    alike = not first.places or all(set(term.places) == set(first.places) for term in node.terms)
    return alike and _coefficient(first) < 0


def _coefficient(node: Node) -> Value:
    return node.coefficient if isinstance(node, Scaled) else node.value if isinstance(node, Number) else 1


def _chain(node: Node) -> tuple[Node, ...]:
    body = node.body if isinstance(node, Scaled) else node
    return () if body is None or body.scalar else body.factors if isinstance(body, Product) else (body,)


def _without_common(terms: Sequence[Node]) -> tuple[list[Node], list[Node], list[Node]]:
    """The factors at the left and at the right of all terms, and what they leave of each."""
    chains = [_chain(term) for term in terms]
    left: list[Node] = []
    right: list[Node] = []
    while all(len(chain) > 1 and chain[0] == chains[0][0] for chain in chains):
        left.append(chains[0][0])
        chains = [chain[1:] for chain in chains]
    while all(len(chain) > 1 and chain[-1] == chains[0][-1] for chain in chains):
        right.insert(0, chains[0][-1])
        chains = [chain[:-1] for chain in chains]
    if not left and not right:
        return left, [*terms], right
    middles = []
    for term, chain in zip(terms, chains, strict=True):
        middle = multiply(*chain)
        if isinstance(term, Scaled):
            middle = scaled(term.coefficient, term.above, term.below, middle)
        middles.append(middle)
    return left, middles, right


# Powers ----------------------------------------------------------------------------------------------------------


def power(node: Node, exponent: Value) -> Node:
    """A power, entry by entry."""
    if exponent == 1:
        return node
    if isinstance(node, Norm):
        return Norm(node.of, exact(node.exponent * exponent))
    if isinstance(node, Power) and isinstance(exponent, int):
        return power(node.base, exact(node.exponent * exponent))
    if isinstance(node, Transpose):
        return Transpose(power(node.of, exponent))
    return Power(upright(node) if exponent % 2 == 0 else node, exponent)


def upright(node: Node) -> Node:
    """A matrix of which the sign does not matter, without a minus in front."""
    return scaled(-1, (), (), node) if leads_with_minus(node) else node
