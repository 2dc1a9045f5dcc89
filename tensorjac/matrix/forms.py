"""From expressions to matrix notation: each tensor's form from those of its parts, and names for what is used again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .. import rewrites
from ..dims import Dim
from ..primitives import PRIMITIVES, Primitive
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
from .building import plus, power, transpose
from .network import Network, NoForm
from .tree import Extent, Function, Identity, Name, Node, Zero, depth, places, size, transposes, walk

# A form as deep as this gets a name, so that no tree is deep, however long the chain of layers.
DEEPEST = 20

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
    reader = _Reader([body for _, body in outputs.values()], inputs, constants, outputs)
    try:
        forms = {name: reader.expression(body, axes) for name, (axes, body) in outputs.items()}
    except NoForm:
        return None
    return Forms(forms, _used(forms.values(), reader.definitions))


def _used(roots: Iterable[Node], definitions: Mapping[str, Node]) -> dict[str, Node]:
    """The definitions that the roots need, in the order of their first use."""
    found: dict[str, Node] = {}
    waiting = list(roots)
    while waiting:
        for node in walk(waiting.pop(0)):
            if isinstance(node, Name) and node.name in definitions and node.name not in found:
                found[node.name] = definitions[node.name]
                waiting.append(found[node.name])
    return found


class _Reader:
    def __init__(
        self,
        bodies: Sequence[Sum],
        inputs: Mapping[str, Sequence[Dim]],
        constants: Mapping[Tensor, str],
        outputs: Iterable[str],
    ) -> None:
        self.constants = constants
        self.place = {name: k for k, name in enumerate([*inputs, *constants.values()])}
        self.taken = {*inputs, *constants.values(), *outputs}
        self.taken.update(name for shape in inputs.values() for dim in shape for name in dim.names)
        self.forms: dict[Tensor, Node | None] = {}
        self.named: set[Tensor] = set()
        self.definitions: dict[str, Node] = {}
        self.uses: dict[Tensor, int] = {}
        tensors = topological(t for body in bodies for t in body.tensors)
        for term in [t for body in bodies for t in body.terms] + [t for one in tensors for t in _inside(one)]:
            for factor in term.factors:
                self.uses[factor.tensor] = self.uses.get(factor.tensor, 0) + 1
        for tensor in tensors:
            self._read(tensor)

    # Tensors

    def _read(self, tensor: Tensor) -> None:
        try:
            self.forms[tensor] = self._settled(tensor, self._form(tensor))
        except NoForm:
            self.forms[tensor] = None

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
            return self.expression(tensor.body, tensor.axes)
        if isinstance(tensor, Contraction):
            return self._term(tensor.term(tensor.axes), tensor.axes)
        if isinstance(tensor, Apply):
            return self._applied(tensor)
        raise NoForm

    def _applied(self, tensor: Apply) -> Node:
        primitive = tensor.operation
        assert isinstance(primitive, Primitive)
        if primitive.elementwise:
            return Function(primitive, tuple(self._argument(arg, tensor.axes) for arg in tensor.args))
        if tensor.batch or primitive.name == "prod":
            raise NoForm
        (arg,), (core,) = tensor.args, tensor.cores
        inner = self.expression(arg, core)
        if not primitive.core_out and transposes(transpose(inner)) < transposes(inner):
            inner = transpose(inner)
        return Function(primitive, (inner,))

    def _argument(self, arg: Sum, axes: Sequence[Index]) -> Node:
        """An argument beside others: the same number everywhere stays a scalar."""
        return self.expression(arg, axes if arg.labels else ())

    # Names

    def _settled(self, tensor: Tensor, form: Node) -> Node:
        """The form, or a name for it where it is long and used again."""
        uses, length = self.uses.get(tensor, 0), size(form)
        short = 1 + (uses == 2) + (not isinstance(form, Function))
        again = uses > 1 and length > short
        if not again and depth(form) < DEEPEST or isinstance(tensor, Input | Constant):
            return form
        self.named.add(tensor)
        turned = transpose(form)
        swap = form.wide and (transposes(turned), places(turned)) < (transposes(form), places(form))
        name = self._name(tensor)
        self.definitions[name] = turned if swap else form
        node = Name(tensor.rank, name, places(self.definitions[name]))
        return transpose(node) if swap else node

    def _name(self, tensor: Tensor) -> str:
        """A letter that is free: capitals for matrices."""
        letters = _letters(tensor)
        choices = [letter.upper() if tensor.rank == 2 else letter for letter in letters]
        name = next((name for name in choices if name not in self.taken), "")
        number = 1
        while not name or name in self.taken:
            name, number = f"{choices[0]}{number}", number + 1
        self.taken.add(name)
        return name

    # Expressions

    def expression(self, body: Sum, axes: Sequence[Index]) -> Node:
        """A sum over its axes; one that it does not mention is broadcast."""
        if len(axes) > 2:
            raise NoForm
        if not body.terms:
            return Zero(len(axes))
        if len(body.terms) > 1:
            (joint,) = rewrites.whole(body).terms
            if len(joint.factors) > 1 or abs(joint.coefficient) != 1:
                for factor in joint.factors:
                    if factor.tensor not in self.forms:
                        self._read(factor.tensor)
                return self._term(joint, axes)
        return plus(self._term(term, axes) for term in body.terms)

    def _term(self, term: Term, axes: Sequence[Index]) -> Node:
        opened = self._opened(term)
        network = Network(opened.coefficient)
        for factor in opened.factors:
            if factor.tensor is DELTA:
                network.add(*_tie(factor.slots[0]))
            else:
                form = self.forms[factor.tensor]
                if form is None:
                    raise NoForm
                network.add(form, _labels(factor), factor.power)
        network.contract(opened.summed)
        return network.form(axes)

    def _opened(self, term: Term, limit: int = 24) -> Term:
        """The term with contractions inside it opened, but for those that have names."""
        factors: list[Factor] = []
        summed = list(term.summed)
        waiting = list(reversed(term.factors))
        while waiting:
            factor = waiting.pop()
            tensor = factor.tensor
            closed = tensor in self.named or factor.power != 1 or len(factors) + len(waiting) > limit
            if isinstance(tensor, Contraction) and not closed:
                inner = tensor.term(factor.slots)
                waiting.extend(inner.factors)
                summed.extend(inner.summed)
            else:
                factors.append(factor)
        return product(term.coefficient, factors, tuple(summed))


def _inside(tensor: Tensor) -> Iterable[Term]:
    """The terms that a tensor is made of."""
    if isinstance(tensor, Contraction):
        return (Term(1, tensor.factors, tensor.summed),)
    if isinstance(tensor, Shared):
        return tensor.body.terms
    return [term for arg in tensor.args for term in arg.terms] if isinstance(tensor, Apply) else ()


def _labels(factor: Factor) -> list[Index]:
    labels = [slot for slot in factor.slots if isinstance(slot, Index)]
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


def _letters(tensor: Tensor) -> str:
    """Letters that suit a tensor, the best first."""
    own = ""
    if isinstance(tensor, Apply):
        own = {"exp": "e", "sigmoid": "s", "tanh": "t", "inv": "k"}.get(tensor.operation.name, "h")
    elif isinstance(tensor, Shared):
        own = "r"
    return own + "zshuvwqpfcd"


