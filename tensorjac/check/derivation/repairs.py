"""Small changes of a formula: which of them would make a step right."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...errors import TensorjacError
from ...notation.paper import parse_paper
from ...notation.paper.scan import FUNCTIONS, Scanner
from ...notation.paper.syntax import Product, Transposed
from ...notation.syntax import Chain, Indexed, Name, Node, Unary, walk
from .sides import Reader

MOST = 100  # changes that are tried
SECONDS = 3  # for which changes are tried: only the advice depends on them, never the verdict

Follows = Callable[[str], bool]


@dataclass(frozen=True)
class Edit:
    """A replacement in a text, and the cause that it points to if it mends the text."""

    start: int
    end: int
    text: str
    cause: str


@dataclass(frozen=True)
class Repair:
    """The mended text, and the cause."""

    text: str
    cause: str


def repair(reader: Reader, text: str, follows: Follows, most: int = MOST) -> Repair | None:
    """The first of one change, or two transposes, after which the text follows."""
    edits = list(_edits(reader, text))
    pairs = [edit for edit in edits if edit.cause == "transposed"][:12]
    choices = itertools.chain(((edit,) for edit in edits), itertools.combinations(pairs, 2))
    end = time.process_time() + SECONDS
    for chosen in itertools.islice(choices, most):
        if time.process_time() > end:
            return None
        mended = _applied(text, chosen)
        if mended is not None and follows(mended):
            causes = {edit.cause for edit in chosen}
            return Repair(mended, causes.pop() if len(causes) == len(chosen) else "product-order")
    return None


def _applied(text: str, edits: tuple[Edit, ...]) -> str | None:
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    if any(one.end > other.start for one, other in itertools.pairwise(ordered)):
        return None
    for edit in reversed(ordered):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return " ".join(text.split())


def _edits(reader: Reader, text: str) -> Iterator[Edit]:
    notation = reader.notation(text)
    if notation == "index":
        yield from _of_index(reader.index_node(text), text)
    elif notation == "numpy" or "@" in text:
        yield from _of_numpy(reader, text)
    else:
        yield from _of_paper(reader, text)


# Paper notation


def _of_paper(reader: Reader, text: str) -> Iterator[Edit]:
    known = reader.scope.known
    try:
        node = parse_paper(text, known)
    except TensorjacError:
        return
    yield from _signs(node, text)
    yield from _superscripts(reader, text)
    yield from _swaps(node, text, " ")
    yield Edit(0, len(text), _turned(node, text), "transposed")
    for match in re.finditer("[∘⊙]", text):
        yield Edit(match.start(), match.end(), "", "elementwise-jacobian")
    for product in (part for part in walk(node) if isinstance(part, Product)):
        for left, right in itertools.pairwise(product.operands):
            gap = text[left.span[1] : right.span[0]]
            if not gap.strip():
                yield Edit(left.span[1], right.span[0], " ∘ ", "elementwise-jacobian")


def _turned(node: Node, text: str) -> str:
    """The transpose of the whole, taken inside a product of names."""
    factors = node.operands if isinstance(node, Product) and not any(node.operators) else ()
    turned = []
    for factor in reversed(factors):
        if isinstance(factor, Transposed):
            turned.append(text[slice(*factor.of.span)])
        else:
            own = text[slice(*factor.span)]
            turned.append(f"{own}ᵀ" if isinstance(factor, Name) or own.startswith("(") else f"({own})ᵀ")
    return " ".join(turned) or f"({text})ᵀ"


def _superscripts(reader: Reader, text: str) -> Iterator[Edit]:
    """Transposes and inverses taken out, and put in."""
    tokens = Scanner(reader.scope.known)(text, False)
    inverses: list[Edit] = []
    for token, following in itertools.pairwise(tokens):
        if token.kind == "super" or token.text == "'":
            kept = {"-T": ("⁻¹", "ᵀ")}.get(token.text, ("",))
            yield from (Edit(token.start, token.end, one, "transposed") for one in kept)
            continue
        ends = token.text in (")", "]") or (token.kind == "name" and token.text not in FUNCTIONS)
        if not ends or following.text in ("_",) or (token.text in reader.scope.sizes):
            continue
        if following.kind != "super" and following.text not in ("'", "^"):
            yield Edit(token.end, token.end, "ᵀ", "transposed")
            inverses.append(Edit(token.end, token.end, "⁻¹", "exponent"))
        elif following.text == "-1":
            inverses.append(Edit(following.start, following.end, "⁻ᵀ", "transposed"))
    yield from inverses


def _swaps(node: Node, text: str, joint: str) -> Iterator[Edit]:
    """Two factors of a product in the other order; the first one at the end, the last one in front."""
    for product in walk(node):
        if not isinstance(product, Product) and not (isinstance(product, Chain) and "@" in product.operators):
            continue
        spans = [operand.span for operand in product.operands]
        for (a, b), (c, d) in itertools.pairwise(spans):
            yield Edit(
                a,
                d,
                text[c:d] + text[b:c] + text[a:b] if text[b:c].strip() else f"{text[c:d]} {text[a:b]}",
                "product-order",
            )
        if 2 < len(spans) <= 4:
            for order in itertools.permutations(spans):
                parts = joint.join(text[a:b] for a, b in order)
                yield Edit(spans[0][0], spans[-1][1], parts, "product-order")


def _signs(node: Node, text: str) -> Iterator[Edit]:
    for part in walk(node):
        if isinstance(part, Chain) and part.operators[0] in "+-":
            for (left, right), operator in zip(itertools.pairwise(part.operands), part.operators, strict=True):
                gap = text[left.span[1] : right.span[0]]
                other = gap.translate(str.maketrans("+-−", "−++"))
                yield Edit(left.span[1], right.span[0], other if operator in "+-" else gap, "term-sign")
        elif isinstance(part, Unary):
            yield Edit(part.span[0], part.operand.span[0], "", "term-sign")


# NumPy


def _of_numpy(reader: Reader, text: str) -> Iterator[Edit]:
    factors = text.split(" @ ")
    if all(re.fullmatch(r"\w+(\.T)?", factor) for factor in factors):
        turned = [factor.removesuffix(".T") if factor.endswith(".T") else f"{factor}.T" for factor in reversed(factors)]
        yield Edit(0, len(text), " @ ".join(turned), "transposed")
    else:
        yield Edit(0, len(text), f"({text}).T", "transposed")
    for match in re.finditer(r"\.T\b", text):
        yield Edit(match.start(), match.end(), "", "transposed")
    for match in re.finditer(r"[^\W\d]\w*(?![\w.(])|\)(?!\.T)", text):
        if match[0] == ")" or match[0] in reader.scope.dims or match[0][1:] in reader.scope.dims:
            yield Edit(match.end(), match.end(), ".T", "transposed")
    for match in re.finditer(r"([\w.]+) @ ([\w.]+)", text):
        yield Edit(match.start(), match.end(), f"{match[2]} @ {match[1]}", "product-order")
    for match in re.finditer(r" ([-+]) ", text):
        yield Edit(match.start(1), match.end(1), "-" if match[1] == "+" else "+", "term-sign")
    for match in re.finditer(r"axis=([01])", text):
        yield Edit(match.start(1), match.end(1), "10"[int(match[1])], "wrong-axis")
    for match in re.finditer(r" ([*@]) ", text):
        yield Edit(match.start(1), match.end(1), "@" if match[1] == "*" else "*", "elementwise-jacobian")


# Index notation


def _of_index(node: Node, text: str) -> Iterator[Edit]:
    for part in walk(node):
        if not isinstance(part, Indexed) or len(part.slots) < 2 or not all(isinstance(s, Name) for s in part.slots):
            continue
        for one, other in itertools.combinations(part.slots, 2):
            (a, b), (c, d) = one.span, other.span
            yield Edit(a, d, text[c:d] + text[b:c] + text[a:b], "transposed")
    yield from _signs(node, text)
