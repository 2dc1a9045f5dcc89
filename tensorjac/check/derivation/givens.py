"""What is given: shapes and properties of inputs, from keywords and from the header of a derivation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...dims import Dim, parse_shape
from ...errors import NotationError, TensorjacError
from .text import Block

SYMMETRIC = frozenset({"symmetric", "positive definite"})
FIXED = frozenset({"fixed", "constant"})
DOMAINS = ("positive definite", "positive")


@dataclass
class Givens:
    """Shapes by name, and the names of rows, symmetric matrices and inputs that do not vary."""

    dims: dict[str, tuple[Dim, ...]]
    rows: set[str] = field(default_factory=set)
    symmetric: set[str] = field(default_factory=set)
    fixed: set[str] = field(default_factory=set)
    domain: dict[str, str] = field(default_factory=dict)


def givens(block: Block, shapes: Mapping[str, Any], symmetric: Collection[str]) -> Givens:
    """The givens of a block; where a name X is given, a shape of dX says nothing more."""
    found = Givens({name: parse_shape(shape, name) for name, shape in shapes.items()}, symmetric=set(symmetric))
    for given in block.given:
        try:
            dims = parse_shape(given.shape, given.name)
        except TensorjacError as error:
            raise NotationError(f"{block.place(given.line)}: {error}") from None
        if found.dims.setdefault(given.name, dims) != dims:
            block.fail(f"{given.name} is given twice, with two shapes", given.line, "keep one of them")
        own = set(given.adjectives)
        for names, adjectives in ((found.rows, {"row"}), (found.symmetric, SYMMETRIC), (found.fixed, FIXED)):
            names.update({given.name} if own & adjectives else ())
        if given.name in found.symmetric and (len(dims) != 2 or dims[0] is not dims[1]):
            block.fail(f"a symmetric matrix is square, and {given.name} is not", given.line, 'write "S: n n symmetric"')
        for domain in DOMAINS:
            if domain in own:
                found.domain.setdefault(given.name, domain)
    for name in list(found.dims):
        if name[:1] == "d" and name[1:] in found.dims:
            del found.dims[name]
    return found
