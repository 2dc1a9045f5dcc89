"""From expressions to matrix notation: each tensor's form from those of its parts, and names for what is used again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .. import rewrites
from ..dims import Dim
from ..notation.naming import CAPITALS, FUNCTIONS, SMALLS
from ..primitives import Primitive
from ..terms import (
    DELTA,
    ZERO,
    Affine,
    Apply,
    Constant,
    Contraction,
    Factor,
    Index,
    Input,
    Number,
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    Term,
    contraction,
    number,
    product,
    topological,
)
from .building import leads_with_minus, plus, rebuilt, scaled, transpose
from .network import Network, NoForm
from .pairs import repeated_pairs, with_pairs
from .tree import (
    Extent,
    Function,
    Identity,
    Name,
    Node,
    OfRows,
    Zero,
    depth,
    places,
    size,
    transposes,
    walk,
)

# A form as deep as this gets a name, so that no tree is deep, however long the chain of layers.
DEEPEST = 20
# No product is opened beyond this many factors.
LONGEST = 24

Expression = tuple[Sequence[Index], Sum]


@dataclass(frozen=True)
class Forms:
    """The outputs in matrix notation, and what they use by name, in the order in which it is first used."""

    outputs: dict[str, Node]
    definitions: dict[str, Node]


def matrix_forms(
    outputs: Mapping[str, Expression], inputs: Mapping[str, Sequence[Dim]], constants: Mapping[Tensor, str]
) -> Forms | None:
    """The outputs in matrix notation; None where one of them has none.

    >>> from tensorjac.dims import Dim
    >>> from tensorjac.terms import Index, Input, Sum, product
    >>> b, m, n = map(Dim.of, "bmn")
    >>> X, G, k = Input("X", (b, m)), Input("G", (b, n)), Index.fresh(b)
    >>> i, j = Index.fresh(m), Index.fresh(n)
    >>> dA = Sum([product(1, [X(k, i), G(k, j)], (k,))])
    >>> matrix_forms({"dA": ((i, j), dA)}, {"X": (b, m), "G": (b, n)}, {}).outputs["dA"]
    Product(factors=(Transpose(of=Name(rank=2, name='X')), Name(rank=2, name='G')))
    """
    if any(len(axes) > 2 for axes, _ in outputs.values()):
        return None
    try:
        reader = _Reader(outputs, inputs, constants)
        pairs = repeated_pairs(reader.products)
        if pairs:
            reader = _Reader(outputs, inputs, constants, pairs)
    except NoForm:
        return None
    return _inlined(reader.forms, reader.definitions)


class _Reader:
    """Reads all outputs: ``forms`` are theirs, ``definitions`` what has a name, ``products`` what they consist of."""

    def __init__(
        self,
        outputs: Mapping[str, Expression],
        inputs: Mapping[str, Sequence[Dim]],
        constants: Mapping[Tensor, str],
        pairs: Collection[Tensor] = (),
    ) -> None:
        self.constants = constants
        self.pairs = frozenset(pairs)
        self.place = {name: k for k, name in enumerate([*inputs, *constants.values()])}
        self.taken = {*inputs, *constants.values(), *outputs}
        dims = [dim for shape in inputs.values() for dim in shape]
        self.taken.update(name for dim in dims for name in dim.names)
        self.known: dict[Tensor, Node | None] = {}
        self.named: set[Tensor] = set()
        self.definitions: dict[str, Node] = {}
        self.joint: dict[Sum, Sequence[Term]] = {}
        bodies = [body for _, body in outputs.values()]
        tensors = topological(t for body in bodies for t in body.tensors)
        terms = [term for body in bodies for term in body.terms]
        terms += [term for tensor in tensors for body in _inside(tensor) for term in body.terms]
        self.uses = Counter(factor.tensor for term in terms for factor in term.factors)
        # what stands alone in a function or under a root keeps its sign
        self.signed = {f.tensor for term in terms for f in term.factors if not isinstance(f.power, int)}
        lone = [arg for tensor in tensors if isinstance(tensor, Apply) for arg in tensor.args if len(arg.terms) == 1]
        self.signed.update(arg.terms[0].factors[0].tensor for arg in lone if len(arg.terms[0].factors) == 1)
        for tensor in tensors:
            self._read(tensor)
        self.forms = {name: self.expression(body, axes) for name, (axes, body) in outputs.items()}
        self.products = self._products(bodies)

    def _products(self, bodies: Iterable[Sum]) -> list[Term]:
        """The products of factors that the outputs consist of, each once."""
        waiting = list(bodies)
        done: set[Tensor] = set()
        found: list[Term] = []
        while waiting:
            opened = [self._opened(term) for term in self._terms(waiting.pop())]
            found += opened
            for tensor in (factor.tensor for term in opened for factor in term.factors):
                if tensor not in done:
                    done.add(tensor)
                    waiting += _inside(tensor)
        return found

    # Tensors

    def _read(self, tensor: Tensor) -> None:
        if tensor in self.known:
            return
        try:
            self.known[tensor] = self._settled(tensor, self._form(tensor))
        except NoForm:
            self.known[tensor] = None

    def _form(self, tensor: Tensor) -> Node:
        """The tensor over its own axes."""
        if tensor.rank > 2:
            raise NoForm
        if isinstance(tensor, Input | Constant):
            name = tensor.name if isinstance(tensor, Input) else self.constants[tensor]
            return Name(tensor.rank, name, (self.place[name],))
        if isinstance(tensor, Size):
            return Extent(tensor.dim)
        if isinstance(tensor, Shared):
            return self.expression(tensor.body, tensor.axes, tensor)
        if isinstance(tensor, Contraction):
            return self._term(tensor.term(tensor.axes), tensor.axes)
        if isinstance(tensor, Apply):
            return self._applied(tensor)
        raise NoForm

    def _applied(self, tensor: Apply) -> Node:
        primitive = tensor.operation
        assert isinstance(primitive, Primitive)
        if primitive.elementwise:
            args = [self.expression(arg, tensor.axes if arg.labels else ()) for arg in tensor.args]
            return Function(primitive, tuple(args))
        (arg,), (core,) = tensor.args, tensor.cores
        inner = self.expression(arg, (*tensor.axes[: tensor.batch], *core))
        if tensor.batch:
            if not primitive.reduces:
                raise NoForm
            return OfRows(primitive, inner)
        turned = transpose(inner)
        swap = not primitive.core_out and transposes(turned) < transposes(inner)
        return Function(primitive, (turned if swap else inner,))

    # Names

    def _settled(self, tensor: Tensor, form: Node) -> Node:
        """The form, or a name for it where it is long and used again."""
        short = 1 + (self.uses[tensor] == 2) + (not isinstance(form, Function))
        again = self.uses[tensor] > 1 and size(form) > short
        if isinstance(tensor, Shared) and self._product(tensor) is not None:
            again = tensor in self.pairs
        if (not again and depth(form) < DEEPEST) or isinstance(tensor, Input | Constant):
            return form
        self.named.add(tensor)
        minus = tensor not in self.signed and leads_with_minus(form)
        form = scaled(-1, (), (), form) if minus else form
        turned = transpose(form)
        swap = form.wide and (transposes(turned), places(turned)) < (transposes(form), places(form))
        name = self._name(tensor)
        self.definitions[name] = turned if swap else form
        node: Node = Name(tensor.rank, name, places(self.definitions[name])[:1])
        return scaled(-1 if minus else 1, (), (), transpose(node) if swap else node)

    def _name(self, tensor: Tensor) -> str:
        """A letter that is free: capitals for matrices."""
        wished = FUNCTIONS.get(tensor.operation.name, "") if isinstance(tensor, Apply) else ""
        choices = wished + CAPITALS if tensor.rank == 2 else wished.lower() + SMALLS
        name = next((name for name in choices if name not in self.taken), "")
        number = 1
        while not name or name in self.taken:
            name, number = f"{choices[0]}{number}", number + 1
        self.taken.add(name)
        return name

    # Expressions

    def expression(self, body: Sum, axes: Sequence[Index], within: Tensor | None = None) -> Node:
        """A sum over its axes; one that it does not mention is broadcast."""
        if len(axes) > 2:
            raise NoForm
        if not body.terms:
            return Zero(len(axes))
        return plus(self._term(term, axes, within) for term in self._terms(body))

    def _terms(self, body: Sum) -> Sequence[Term]:
        """The terms, or the product of what they have in common and the rest."""
        if len(body.terms) < 2:
            return body.terms
        found = self.joint.get(body)
        if found is None:
            lifted = Sum(map(self._lifted, body.terms))
            roots = _common_roots(lifted)
            inverse = [root._replace(power=-root.power) for root in roots]
            rest = Sum(product(c, [*factors, *inverse]) for c, factors, _ in lifted.terms)
            (joint,) = rewrites.whole(rest).terms
            joint = product(joint.coefficient, [*joint.factors, *roots])
            found = (joint,) if len(joint.factors) > 1 or abs(joint.coefficient) != 1 else body.terms
            self.joint[body] = found
        return found

    def _lifted(self, term: Term) -> Term:
        """The term with what its sum does not touch beside it."""
        opened = self._opened(term)
        hidden = set(opened.summed)
        free = [factor for factor in opened.factors if hidden.isdisjoint(factor.labels)]
        rest = [factor for factor in opened.factors if factor not in free]
        used = {label for factor in rest for label in factor.labels}
        free += [Size(label.dim)() for label in opened.summed if label not in used]
        summed = [label for label in opened.summed if label in used]
        return product(opened.coefficient, [*free, contraction(rest, summed)] if rest else free)

    def _term(self, term: Term, axes: Sequence[Index], within: Tensor | None = None) -> Node:
        opened = self._opened(term, within)
        for factor in opened.factors:
            if isinstance(factor.tensor, Shared) and factor.power == 1 and factor.tensor.rank > 2:
                rest = [other for other in opened.factors if other is not factor]
                inner = factor.tensor.expression(factor.slots).terms
                parts = [product(opened.coefficient * t.coefficient, [*rest, *t.factors], opened.summed) for t in inner]
                return plus(self._term(part, axes, within) for part in parts)
        network = Network(opened.coefficient)
        for factor in opened.factors:
            if factor.tensor is DELTA:
                network.add(*_tie(factor.slots[0]))
                continue
            self._read(factor.tensor)
            form = self.known[factor.tensor]
            if form is None:
                raise NoForm
            network.add(form, _labels(factor), factor.power)
        network.contract(opened.summed)
        return network.form(axes)

    def _product(self, tensor: Tensor, slots: Sequence[Slot] | None = None) -> Term | None:
        """The product that a tensor is, read at these slots."""
        slots = tensor.axes if slots is None else slots
        if isinstance(tensor, Contraction):
            return tensor.term(slots)
        if isinstance(tensor, Shared):
            terms = self._terms(tensor.body)
            return terms[0].substitute(dict(zip(tensor.axes, slots, strict=True))) if len(terms) == 1 else None
        return None

    def _opened(self, term: Term, within: Tensor | None = None) -> Term:
        """The term with the contractions in it opened, but for those that have names; pairs that have one as one."""
        factors: list[Factor] = []
        summed = list(term.summed)
        waiting = list(reversed(term.factors))
        coefficient = term.coefficient
        while waiting:
            factor = waiting.pop()
            tensor = factor.tensor
            closed = tensor in self.named or factor.power != 1 or len(factors) + len(waiting) > LONGEST
            inner = None if closed else self._product(tensor, factor.slots)
            if inner is None:
                factors.append(factor)
            else:
                coefficient = number(coefficient * inner.coefficient)
                waiting.extend(inner.factors)
                summed.extend(inner.summed)
        opened = product(coefficient, factors, tuple(summed))
        return with_pairs(opened, self.pairs - {within}) if self.pairs else opened


def _inside(tensor: Tensor) -> Sequence[Sum]:
    """The expressions that a tensor is made of."""
    if isinstance(tensor, Contraction):
        return (Sum((Term(1, tensor.factors, tensor.summed),)),)
    if isinstance(tensor, Shared):
        return (tensor.body,)
    return tensor.args if isinstance(tensor, Apply) else ()


def _common_roots(body: Sum) -> list[Factor]:
    """√n where all terms have odd powers of it: √n a - b/√n is √n (a - b/n)."""
    powers: dict[Tensor, list[Number]] = {}
    for term in body.terms:
        for factor in term.factors:
            if isinstance(factor.tensor, Size) and not isinstance(factor.power, int):
                powers.setdefault(factor.tensor, []).append(factor.power)
    return [tensor(power=max(found)) for tensor, found in powers.items() if len(found) == len(body.terms)]


def _labels(factor: Factor) -> list[Index]:
    """The indices at which a factor is read, each along a whole axis."""
    axes = zip(factor.slots, factor.tensor.shape, strict=True)
    labels = [slot for slot, dim in axes if isinstance(slot, Index) and slot.dim is dim]
    if len(labels) < len(factor.slots):
        raise NoForm
    return labels


def _tie(form: Slot) -> tuple[Node, list[Index]]:
    """δ[ij] as an identity between i and j."""
    if isinstance(form, Affine) and form.constant is ZERO and len(form.parts) == 2:
        (a, p), (b, q) = form.parts
        if a.dim is b.dim and p + q is ZERO and p.value in (1, -1):
            return Identity(a.dim), [a, b]
    raise NoForm


def _inlined(outputs: dict[str, Node], definitions: Mapping[str, Node]) -> Forms:
    """What is used, in the order of its first use; a definition that is used once stands in its place."""
    while True:
        used = _used(outputs.values(), definitions)
        uses = Counter(
            node.name
            for root in [*outputs.values(), *used.values()]
            for node in walk(root)
            if isinstance(node, Name) and node.name in used
        )
        once = next((name for name, count in uses.items() if count == 1 and depth(used[name]) < DEEPEST // 2), None)
        if once is None:
            return Forms(outputs, used)
        names = {once: used[once]}
        outputs = {name: rebuilt(node, names) for name, node in outputs.items()}
        definitions = {name: rebuilt(node, names) for name, node in used.items() if name != once}


def _used(roots: Iterable[Node], definitions: Mapping[str, Node]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    waiting = list(roots)
    while waiting:
        for node in walk(waiting.pop(0)):
            if isinstance(node, Name) and node.name in definitions and node.name not in found:
                found[node.name] = definitions[node.name]
                waiting.append(found[node.name])
    return found
