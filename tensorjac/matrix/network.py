"""One product of factors as a network: matrices are edges between indices, vectors are marks on them.

A summed index joins what meets there: one matrix and a vector to a vector, two matrices to their product, a ring of
them to a trace. Matrices beside each other are a Hadamard product. What is left at the output indices is the form. An
index at which three matrices meet has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ..terms import Index
from ..terms import Number as Value
from ..terms import number as exact
from .building import multiply, power, scaled, transpose, upright
from .entries import Item, column, diagonal, hadamard
from .orders import easiest, entry_order
from .tree import DiagonalOf, Node, Norm, Ones, Product, Scaled, Trace, Transpose


class NoForm(Exception):
    """The expression has no matrix notation."""


@dataclass(eq=False)
class Edge:
    """Matrices beside each other, rows at the first index and columns at the second."""

    ends: tuple[Index, Index]
    items: list[Item]

    def seen_from(self, index: Index) -> Node:
        """Their product, with its rows at ``index``."""
        return hadamard(self.items) if self.ends[0] is index else transpose(hadamard(self.items))

    def other(self, index: Index) -> Index:
        return self.ends[1] if self.ends[0] is index else self.ends[0]


class Network:
    """Scalars, vectors at an index, and matrices between two."""

    def __init__(self, coefficient: Value) -> None:
        self.coefficient = coefficient
        self.scalars: list[Item] = []
        self.marks: dict[Index, list[Item]] = {}
        self.edges: dict[Index, list[Edge]] = {}

    def add(self, node: Node, labels: Sequence[Index], exponent: Value = 1) -> None:
        """Put a factor, whose axes are read at ``labels``, in its place."""
        if isinstance(node, Scaled) and isinstance(exponent, int):
            c = node.coefficient
            raised = c**exponent if isinstance(c, float) else exact(Fraction(c) ** exponent)
            self.coefficient = exact(self.coefficient * raised)
            self.scalars += [Item(scalar, exponent) for scalar in node.above]
            self.scalars += [Item(scalar, -exponent) for scalar in node.below]
            if node.body is None:
                return
            node = node.body
        if not labels:
            self.scalars.append(Item(node, exponent))
        elif len(labels) == 1:
            self.marks.setdefault(labels[0], []).append(Item(node, exponent))
        elif labels[0] is labels[1]:
            self.marks.setdefault(labels[0], []).append(Item(DiagonalOf(node), exponent))
        else:
            edge = Edge((labels[0], labels[1]), [Item(node, exponent)])
            for label in edge.ends:
                self.edges.setdefault(label, []).append(edge)

    def _remove(self, edges: Iterable[Edge]) -> None:
        for edge in edges:
            for label in edge.ends:
                self.edges[label].remove(edge)

    def _vector(self, label: Index) -> Node:
        """The vector at an index, of ones where there is none."""
        items = self.marks.pop(label, [])
        return column(items) if items else Ones(label.dim)

    def _scaling(self, label: Index) -> list[Node]:
        """The vector at an index as diagonal matrices, if there is one."""
        return diagonal(self.marks.pop(label, []))

    def _at(self, label: Index) -> Sequence[Edge]:
        return tuple(self.edges.get(label, ()))

    # Summed indices

    def contract(self, summed: Iterable[Index]) -> None:
        """Sum over the indices, those where the least meets first."""
        left = list(summed)
        while left:
            ring = self._ring(left)
            if ring:
                self._close(ring)
                for label, _ in ring:
                    left.remove(label)
                continue
            label = min(left, key=self._crowd)
            edges = self._at(label)
            if len(edges) > 2:
                if not self._beside(edges):
                    raise NoForm
                continue
            left.remove(label)
            if len(edges) == 1 and edges[0].other(label) in left and self._alone(edges[0]):
                left.remove(edges[0].other(label))
                self._total(edges[0])
            else:
                self._join(label, edges)

    def _crowd(self, label: Index) -> tuple[int, bool]:
        """How much meets at an index; two matrices beside each other come after two in a row."""
        edges = self._at(label)
        beside = len(edges) == 2 and edges[0].other(label) is edges[1].other(label)
        return 2 * len(edges) + beside, label in self.marks

    def _beside(self, edges: Sequence[Edge]) -> bool:
        """Join the first two edges that have the same ends."""
        for k, edge in enumerate(edges):
            for other in edges[:k]:
                if set(edge.ends) == set(other.ends):
                    other.items = [*other.items, *_turned(edge, other.ends[0])]
                    self._remove([edge])
                    return True
        return False

    def _join(self, label: Index, edges: Sequence[Edge]) -> None:
        """Sum over an index at which at most two matrices meet."""
        if not edges:
            self._inner(self.marks.pop(label, []), label)
            return
        far = [edge.other(label) for edge in edges]
        self._remove(edges)
        if len(edges) == 1:
            self.add(multiply(edges[0].seen_from(far[0]), self._vector(label)), far)
        elif far[0] is not far[1]:
            row, column = edges[0].seen_from(far[0]), edges[1].seen_from(label)
            self.add(multiply(row, *self._scaling(label), column), far)
        else:
            self._loop(label, far[0], edges)

    def _loop(self, label: Index, far: Index, edges: Sequence[Edge]) -> None:
        """Two matrices between the same indices, one of them summed: (A ∘ B) 1, or the diagonal of A Bᵀ."""
        first, second = edges
        beside = easiest(
            [
                hadamard(Item(edge.seen_from(far), 1) for edge in edges),
                transpose(hadamard(Item(edge.seen_from(label), 1) for edge in edges)),
            ]
        )
        items = self.marks.pop(label, [])
        scale = diagonal(items)
        ways = ((first, second), (second, first))
        chain = easiest(multiply(a.seen_from(far), *scale, b.seen_from(label)) for a, b in ways)
        if beside.transposes <= chain.transposes:
            self.add(multiply(beside, hadamard(items) if items else Ones(label.dim)), [far])
        else:
            self.add(DiagonalOf(chain), [far])

    def _inner(self, items: Sequence[Item], label: Index) -> None:
        """Σ_k of vectors at k: their sum, the product of two of them, or a squared norm."""
        ordered = sorted(items, key=lambda item: (item.power < 0, entry_order(item.node)))
        last = max((k for k, item in enumerate(ordered) if item.power > 0), default=0)
        squared = _root(ordered)
        if squared is not None:
            self.add(Norm(upright(squared), 2), [])
        elif len(items) == 1 and isinstance(items[0].node, DiagonalOf) and items[0].power == 1:
            self.add(Trace(items[0].node.of), [])
        elif last == 0:
            self.add(multiply(Transpose(Ones(label.dim)), column(ordered) if ordered else Ones(label.dim)), [])
        else:
            right = power(*ordered[last])
            left = column([item for k, item in enumerate(ordered) if k != last])
            same = left == right
            ways = [multiply(transpose(left), right), multiply(transpose(right), left)]
            self.add(Norm(upright(right), 2) if same else easiest(ways), [])

    # Sums of all entries, and traces

    def _alone(self, edge: Edge) -> bool:
        return all(label not in self.marks and self._at(label) == (edge,) for label in edge.ends)

    def _total(self, edge: Edge) -> None:
        """The sum of all entries of matrices beside each other."""
        self._remove([edge])
        row, column = edge.ends
        squared = _root(edge.items)
        if squared is not None:
            self.add(Norm(upright(squared), 2), [])
        else:
            self.add(multiply(Transpose(Ones(row.dim)), hadamard(edge.items), Ones(column.dim)), [])

    def _ring(self, summed: Sequence[Index]) -> list[tuple[Index, Edge]]:
        """Summed indices that matrices connect in a ring, with nothing else attached but vectors: each with the edge
        to the next one."""
        seen: set[Index] = set()
        for start in summed:
            if start in seen:
                continue
            ring: list[tuple[Index, Edge]] = []
            label, edges = start, self._at(start)
            while len(edges) == 2 and label in summed:
                edge = edges[1] if ring and edges[0] is ring[-1][1] else edges[0]
                ring.append((label, edge))
                seen.add(label)
                label = edge.other(label)
                if label is start:
                    if len(ring) > 2 or not any(index in self.marks for index, _ in ring):
                        return ring
                    break
                edges = self._at(label)
        return []

    def _close(self, ring: Sequence[tuple[Index, Edge]]) -> None:
        """tr(A B C), begun where that takes the fewest transposes; tr(Aᵀ A) is a squared norm."""
        self._remove(edge for _, edge in ring)
        if len(ring) == 2:
            start = ring[0][0]
            squared = _root([item for _, edge in ring for item in _turned(edge, start)])
            if squared is not None:
                self.add(Norm(upright(squared), 2), [])
                return
        steps: list[Node] = []
        for label, edge in ring:
            steps += [*self._scaling(label), edge.seen_from(label)]
        back = [transpose(step) for step in reversed(steps)]
        turns = [multiply(*way[k:], *way[:k]) for way in (steps, back) for k in range(len(steps))]
        norms = [norm for norm in map(_norm, turns) if norm is not None]
        best = easiest(norms or turns)
        body = best.body if isinstance(best, Scaled) else best
        if isinstance(best, Scaled):
            self.add(Scaled(best.coefficient, best.above, best.below, None), [])
        if body is not None:
            self.add(body if body.scalar else Trace(body), [])

    # The result

    def form(self, axes: Sequence[Index]) -> Node:
        """What is left, over the output indices."""
        edges = self._at(axes[0]) if len(axes) == 2 else ()
        while self._beside(edges):
            edges = self._at(axes[0])
        body: Node | None = None
        if len(axes) == 1:
            body = self._vector(axes[0])
        elif edges:
            (edge,) = edges
            row, column = axes
            body = multiply(*self._scaling(row), edge.seen_from(row), *self._scaling(column))
        elif axes:
            body = multiply(self._vector(axes[0]), transpose(self._vector(axes[1])))
        above = [power(node, p) for node, p in self.scalars if p > 0]
        below = [power(node, exact(-p)) for node, p in self.scalars if p < 0]
        return scaled(self.coefficient, above, below, body)


def _turned(edge: Edge, index: Index) -> list[Item]:
    """The matrices of an edge, one by one, with their rows at ``index``."""
    return edge.items if edge.ends[0] is index else [Item(transpose(node), p) for node, p in edge.items]


def _root(items: Sequence[Item]) -> Node | None:
    """The matrix of which a product of even powers is the square, entry by entry."""
    if not items or any(not isinstance(p, int) or p % 2 for _, p in items):
        return None
    return hadamard(Item(node, p // 2) for node, p in items if isinstance(p, int))


def _norm(node: Node) -> Node | None:
    """‖A‖² where a product under a trace is Aᵀ A."""
    if isinstance(node, Scaled) and node.body is not None:
        inner = _norm(node.body)
        return None if inner is None else scaled(node.coefficient, node.above, node.below, inner)
    if not isinstance(node, Product) or len(node.factors) % 2:
        return None
    half = len(node.factors) // 2
    right = multiply(*node.factors[half:])
    return Norm(upright(right), 2) if transpose(right) == multiply(*node.factors[:half]) else None
