"""From expressions to matrix notation: each tensor's form from those of its parts, and names for what is used again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from ..dims import Dim
from ..notation.printing.naming import FUNCTIONS, free_letter
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
    Shared,
    Size,
    Slot,
    Sum,
    Tensor,
    Term,
    product,
    topological,
)
from .building import leads_with_minus, plus, scaled, transpose
from .inlining import DEEPEST, Forms, inlined
from .network import Network, NoForm
from .opening import Opening, inside
from .pairs import repeated_pairs
from .tree import Extent, Function, Identity, Name, Node, OfRows, Zero, size

Expression = tuple[Sequence[Index], Sum]


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
    return inlined(reader.forms, reader.definitions)


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
        self.place = {name: k for k, name in enumerate([*inputs, *constants.values()])}
        self.taken = {*inputs, *constants.values(), *outputs}
        dims = [dim for shape in inputs.values() for dim in shape]
        self.taken.update(name for dim in dims for name in dim.names)
        self.known: dict[Tensor, Node | None] = {}
        self.named: set[Tensor] = set()
        self.definitions: dict[str, Node] = {}
        self.opening = Opening(self.named, pairs)
        bodies = [body for _, body in outputs.values()]
        tensors = topological(t for body in bodies for t in body.tensors)
        terms = [term for body in bodies for term in body.terms]
        terms += [term for tensor in tensors for body in inside(tensor) for term in body.terms]
        self.uses = Counter(factor.tensor for term in terms for factor in term.factors)
        # what stands alone in a function or under a root keeps its sign
        self.signed = {f.tensor for term in terms for f in term.factors if not isinstance(f.power, int)}
        lone = [arg for tensor in tensors if isinstance(tensor, Apply) for arg in tensor.args if len(arg.terms) == 1]
        self.signed.update(arg.terms[0].factors[0].tensor for arg in lone if len(arg.terms[0].factors) == 1)
        for tensor in tensors:
            self._read(tensor)
        self.forms = {name: self.expression(body, axes) for name, (axes, body) in outputs.items()}
        self.products = self.opening.products(bodies)

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
        swap = not primitive.core_out and turned.transposes < inner.transposes
        return Function(primitive, (turned if swap else inner,))

    # Names

    def _settled(self, tensor: Tensor, form: Node) -> Node:
        """The form, or a name for it where it is long and used again."""
        short = 1 + (self.uses[tensor] == 2) + (not isinstance(form, Function))
        again = self.uses[tensor] > 1 and size(form) > short
        if isinstance(tensor, Shared) and self.opening.product_of(tensor) is not None:
            again = tensor in self.opening.pairs
        if (not again and form.depth < DEEPEST) or isinstance(tensor, Input | Constant):
            return form
        self.named.add(tensor)
        minus = tensor not in self.signed and leads_with_minus(form)
        form = scaled(-1, (), (), form) if minus else form
        turned = transpose(form)
        swap = form.wide and (turned.transposes, turned.places) < (form.transposes, form.places)
        wished = FUNCTIONS.get(tensor.operation.name, "") if isinstance(tensor, Apply) else ""
        name = free_letter(wished, tensor.rank, self.taken)
        self.taken.add(name)
        self.definitions[name] = turned if swap else form
        node: Node = Name(tensor.rank, name, self.definitions[name].places[:1])
        return scaled(-1 if minus else 1, (), (), transpose(node) if swap else node)

    # Expressions

    def expression(self, body: Sum, axes: Sequence[Index], within: Tensor | None = None) -> Node:
        """A sum over its axes; one that it does not mention is broadcast."""
        if len(axes) > 2:
            raise NoForm
        if not body.terms:
            return Zero(len(axes))
        return plus(self._term(term, axes, within) for term in self.opening.terms(body))

    def _term(self, term: Term, axes: Sequence[Index], within: Tensor | None = None) -> Node:
        opened = self.opening.opened(term, within)
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
