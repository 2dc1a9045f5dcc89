"""Index notation, read into nodes, to expressions.

A text is lowered in three steps: every letter is found in the sum, function or left side that introduces it;
the sizes of all letters follow from the axes at which they stand; then the expressions are built, by
constructors that are passed in, because those simplify and stand on a higher floor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Generic, NamedTuple, NoReturn, Protocol, TypeVar

from ..dims import Dim, Requirement, divide, nonnegative, positive
from ..errors import NotationError, ShapeError, caret
from ..terms import (
    ONE,
    ZERO,
    Factor,
    Index,
    Position,
    Slot,
    Sum,
    Tensor,
    affine,
    combine,
    constant,
    constant_slot,
    delta,
    of_factor,
    of_size,
)
from ..terms import Number as Value
from .syntax import (
    Apply,
    Call,
    Chain,
    Delta,
    Equation,
    Indexed,
    IndexText,
    Name,
    Node,
    Number,
    Power,
    SizeOf,
    Span,
    SumOver,
    Target,
    Unary,
    Whole,
)


class Function(Protocol):
    """What a primitive tells about itself."""

    @property
    def name(self) -> str: ...

    @property
    def arity(self) -> int: ...

    @property
    def elementwise(self) -> bool: ...

    @property
    def reduces(self) -> bool: ...

    @property
    def core_out(self) -> str: ...

    def core(self, arg: int) -> str: ...


P = TypeVar("P", bound=Function)
Applied = TypeVar("Applied", bound=Function, contravariant=True)


class Builder(Protocol[Applied]):
    """The constructors of expressions: the module ``rewrites``."""

    def add(self, *sums: Sum) -> Sum: ...

    def multiply(self, *sums: Sum) -> Sum: ...

    def power(self, base: Sum, exponent: Value) -> Sum: ...

    def contract(self, body: Sum, labels: Iterable[Index]) -> Sum: ...

    def apply(
        self,
        primitive: Applied,
        args: Sequence[Sum],
        cores: Sequence[Sequence[Index]] = (),
        result: Sequence[Slot] = (),
        core_shape: Sequence[Dim] = (),
    ) -> Sum: ...

    def read(self, factor: Factor) -> Sum: ...

    def substitute(self, body: Sum, mapping: Mapping[Index, Slot]) -> Sum: ...


class Named(Protocol):
    """What a name stands for: something with axes that can be read at slots."""

    @property
    def shape(self) -> tuple[Dim, ...]: ...

    def read(self, slots: Sequence[Slot]) -> Sum: ...


Numpy = Callable[[Call], Named]


@dataclass(frozen=True)
class Lowered:
    """One equation: ``axes`` are the target's, ``wrt`` the inputs differentiated by, with their axes."""

    name: str
    axes: tuple[Index, ...]
    body: Sum
    wrt: tuple[tuple[str, tuple[Index, ...]], ...] = ()
    requirements: tuple[Requirement, ...] = ()


def lower(
    node: Node,
    letters: Mapping[str, Index],
    names: Mapping[str, Named],
    functions: Mapping[str, P],
    build: Builder[P],
    text: str,
    sizes: Collection[str] = (),
    numpy: Numpy | None = None,
) -> Sum:
    """The expression that ``node`` stands for, over the indices of ``letters``.

    Other letters are summed over each term. ``sizes`` are the names of sizes beside those in the shapes of
    ``names``; ``numpy`` reads the inside of ``inv(X.T @ X)[ij]``; ``text`` is what the node was read from.
    """
    reading = Reading(names, functions, build, text, sizes, numpy)
    scope = {name: Letter(name, index.dim, index=index, annotated=True) for name, index in letters.items()}
    terms = reading.terms(node, scope)
    reading.settle()
    return reading.total(terms)


def lower_text(
    parsed: IndexText,
    text: str,
    tensors: Mapping[str, Tensor],
    functions: Mapping[str, P],
    build: Builder[P],
    numpy: Numpy | None = None,
) -> tuple[Lowered, ...]:
    """The equations of a text, in order, the definitions behind ``where`` put in.

    ``tensors`` are the inputs and constants by name. Equations may use the targets of others, in any order.
    """
    inputs = {name: Read(tensor, build) for name, tensor in tensors.items()}
    sizes = {size for tensor in tensors.values() for dim in tensor.shape for size in dim.names}
    names: dict[str, Named] = dict(inputs)
    done: dict[int, Lowered] = {}
    for equation in _ordered(parsed, inputs, text):
        reading = Reading(names, functions, build, text, sizes, numpy)
        lowered = reading.equation(equation)
        done[id(equation)] = lowered
        if not equation.wrt and equation.target.name not in inputs:
            names[equation.target.name] = Defined(lowered.axes, lowered.body, build)
    requirements = tuple(dict.fromkeys(r for lowered in done.values() for r in lowered.requirements))
    return tuple(replace(done[id(equation)], requirements=requirements) for equation in parsed.equations)


def _ordered(parsed: IndexText, inputs: Collection[str], text: str) -> list[Equation]:
    """The equations and definitions, each after those whose targets it uses."""
    targets: dict[str, Equation] = {}
    for definition in parsed.definitions:
        name = definition.target.name
        if name in inputs:
            _fail(
                NotationError,
                text,
                definition.target.span,
                f"Behind where stand new names: {name} is an input",
                "use another name",
            )
        targets[name] = definition
    for equation in parsed.equations:
        name = equation.target.name
        if equation.wrt or name in inputs:
            continue
        if name in targets:
            found = f"A name is defined once: {name} is defined twice"
            _fail(NotationError, text, equation.target.span, found, "use two names")
        targets[name] = equation
    order: list[Equation] = []
    state: dict[int, bool] = {}  # False while the equations that this one uses are being put in order
    for root in (*parsed.definitions, *parsed.equations):
        stack = [root]
        while stack:
            equation = stack[-1]
            if id(equation) in state:
                stack.pop()
                if not state[id(equation)]:
                    state[id(equation)] = True
                    order.append(equation)
                continue
            state[id(equation)] = False
            for name, span in _used(equation.right):
                user = targets.get(name)
                if user is None or name in inputs or state.get(id(user)):
                    continue
                if id(user) in state:
                    found = f"No equation defines a name by itself: {name} is needed to find {name}"
                    _fail(NotationError, text, span, found, "take it out, or use another name")
                stack.append(user)
    return order


def _used(node: Node) -> Iterator[tuple[str, Span]]:
    """The names in a node that may be those of tensors."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Indexed | Name):
            yield node.name, node.span
        if isinstance(node, Call):
            waiting.extend((*node.arguments, *node.keywords))
        elif isinstance(node, Indexed | Whole):
            # letters are no names, but a slot may hold a tensor, as in E[t[i], k]
            waiting.extend(slot for slot in node.slots if not isinstance(slot, Name))
            if isinstance(node, Whole):
                waiting.append(node.call)
        else:
            waiting.extend(node.children)


def _fail(
    kind: type[NotationError] | type[ShapeError], text: str, span: Span, found: str, advice: str
) -> NoReturn:
    raise kind(f"{found}.\n{caret(text, *span)}\n{advice[0].upper()}{advice[1:]}.")


# What names stand for


@dataclass(frozen=True)
class Read(Generic[P]):
    """An input or a constant."""

    tensor: Tensor
    build: Builder[P]

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.tensor.shape

    def read(self, slots: Sequence[Slot]) -> Sum:
        return self.build.read(self.tensor(*slots))


@dataclass(frozen=True)
class Defined(Generic[P]):
    """An expression over axes of its own."""

    axes: tuple[Index, ...]
    body: Sum
    build: Builder[P]

    @property
    def shape(self) -> tuple[Dim, ...]:
        return tuple(axis.dim for axis in self.axes)

    def read(self, slots: Sequence[Slot]) -> Sum:
        return self.build.substitute(self.body, dict(zip(self.axes, slots, strict=True)))


@dataclass(frozen=True)
class Positions:
    """``arange(n)``"""

    dim: Dim

    @property
    def shape(self) -> tuple[Dim, ...]:
        return (self.dim,)

    def read(self, slots: Sequence[Slot]) -> Sum:
        return of_factor(Position(self.dim)(*slots))


@dataclass(frozen=True)
class Mapped(Generic[P]):
    """A function of whole tensors, ``inv(S)`` or ``exp(X)``: the axes before its own are batch axes."""

    function: P
    argument: Named
    build: Builder[P]

    @property
    def inner(self) -> int:
        """How many axes belong to the function."""
        if self.function.reduces:
            return len(self.argument.shape)
        return len(self.function.core(0))

    @property
    def core_shape(self) -> tuple[Dim, ...]:
        core = self.argument.shape[len(self.argument.shape) - self.inner :]
        return () if self.function.reduces else _core_shape(self.function, core)

    @property
    def shape(self) -> tuple[Dim, ...]:
        return (*self.argument.shape[: len(self.argument.shape) - self.inner], *self.core_shape)

    def read(self, slots: Sequence[Slot]) -> Sum:
        batch = len(self.argument.shape) - self.inner
        if not self.inner:
            return self.build.apply(self.function, (self.argument.read(slots),))
        core = tuple(Index.fresh(dim) for dim in self.argument.shape[batch:])
        argument = self.argument.read((*slots[:batch], *core))
        return self.build.apply(self.function, (argument,), (core,), tuple(slots[batch:]), self.core_shape)


def _core_shape(function: Function, core: Sequence[Dim]) -> tuple[Dim, ...]:
    sizes = dict(zip(function.core(0), core, strict=True))
    return tuple(sizes[letter] for letter in function.core_out)


# Letters and their sizes


@dataclass(eq=False)
class Letter:
    """A letter where it is introduced; ``owner`` is the text that shows its size."""

    name: str
    dim: Dim | None = None
    owner: str = ""
    annotated: bool = False
    index: Index | None = None
    span: Span = (0, 0)

    @property
    def label(self) -> Index:
        if self.index is None:
            assert self.dim is not None
            self.index = Index.fresh(self.dim)
        return self.index


Scope = Mapping[str, Letter]
Axis = Dim | Letter | None
Linear = tuple[Dim, dict[Letter, Dim]]


class Use(NamedTuple):
    """A slot at an axis; its size is known, or that of a letter, or unknown (None)."""

    slot: Node
    scope: Scope
    axis: Axis
    owner: Node


class Tie(NamedTuple):
    """Two letters of one size: the axes of a square matrix (strict), or the slots of a δ."""

    left: Letter
    right: Letter
    owner: Node
    strict: bool


@dataclass
class Term:
    """A term of the whole right side, and the letters that are summed over it without a Σ."""

    sign: int
    node: Node
    scope: Scope
    implicit: tuple[Letter, ...]


# Functions that are written with others.
HALF = Fraction(1, 2)
ROOTS: Mapping[str, int] = {"square": 2, "reciprocal": -1}
TURNED = {"less": "greater", "less_equal": "greater_equal"}
SPELLED = frozenset(("sqrt", "not_equal", *ROOTS, *TURNED))


@dataclass
class Reading(Generic[P]):
    """One equation on its way from nodes to an expression."""

    names: Mapping[str, Named]
    functions: Mapping[str, P]
    build: Builder[P] | None
    text: str
    sizes: Collection[str] = ()
    numpy: Numpy | None = None
    uses: list[Use] = field(default_factory=list)
    ties: list[Tie] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    bound: dict[int, dict[str, Letter]] = field(default_factory=dict)  # by the id of the node that introduces
    wholes: dict[int, Named] = field(default_factory=dict)
    requirements: list[Requirement] = field(default_factory=list)

    def __post_init__(self) -> None:
        shaped = {size for named in self.names.values() for dim in named.shape for size in dim.names}
        self.sizes = shaped.union(self.sizes)

    def fail(
        self,
        node: Node | Span,
        found: str,
        advice: str,
        kind: type[NotationError] | type[ShapeError] = NotationError,
    ) -> NoReturn:
        _fail(kind, self.text, node.span if isinstance(node, Node) else node, found, advice)

    def shown(self, node: Node) -> str:
        start, end = node.span
        return " ".join(self.text[start:end].split())

    # Step one: whose letters these are.

    def terms(self, node: Node, scope: Scope) -> list[Term]:
        """The terms of a right side, each with the letters that it sums over."""
        found = []
        for sign, part in _top(node):
            free = dict.fromkeys(self.free_letters(part))
            implicit = {name: self.letter(name) for name in free if name not in scope}
            term = Term(sign, part, {**scope, **implicit}, tuple(implicit.values()))
            self.scan(part, term.scope)
            found.append(term)
        return found

    def letter(self, name: str, size: Node | None = None, owner: Node | None = None) -> Letter:
        dim = None if size is None else self.size(size)
        letter = Letter(name, dim, self.shown(owner) if owner else "", annotated=dim is not None)
        if owner:
            letter.span = owner.span
        self.letters.append(letter)
        return letter

    def free_letters(self, node: Node) -> Iterator[str]:
        """The letters of slots that no sum and no function in ``node`` introduces."""
        affine_names: list[str] = []
        waiting: list[tuple[Node, frozenset[str]]] = [(node, frozenset())]
        while waiting:
            node, hidden = waiting.pop()
            for slot in reversed(_slots(node)):
                if isinstance(slot, Name):
                    continue
                for name in _slot_names(slot):
                    if name not in hidden:
                        affine_names.append(name)
                waiting.extend((inner, hidden) for inner in _indexed_in(slot))
            for slot in _slots(node):
                if isinstance(slot, Name) and slot.name not in hidden:
                    yield slot.name
            if isinstance(node, SizeOf) and node.letter not in hidden:
                affine_names.append(node.letter)
            waiting.extend(reversed(list(_below(node, hidden))))
        yield from (name for name in affine_names if len(name) == 1 and name not in self.sizes)

    def scan(self, node: Node, scope: Scope) -> None:
        """Note every slot, and the axis at which it stands."""
        inner = scope
        if isinstance(node, SumOver | Apply) and node.bound:
            own = {bound.letter: self.letter(bound.letter, bound.size, bound) for bound in node.bound}
            self.bound[id(node)] = own
            inner = {**scope, **own}
        if isinstance(node, Indexed):
            self.use(node, node.slots, self.axes(node), scope)
        elif isinstance(node, Delta):
            self.scan_delta(node, scope)
        elif isinstance(node, Whole):
            named = self.whole(node)
            self.use(node, node.slots, named.shape, scope)
        elif isinstance(node, Apply):
            self.scan_function(node, scope)
        for child, _ in _below(node, frozenset()):
            self.scan(child, inner)

    def use(self, node: Node, slots: Sequence[Node], axes: Sequence[Axis], scope: Scope) -> None:
        """Note slots at axes of these sizes."""
        if len(slots) != len(axes):
            name = getattr(node, "name", "") or self.shown(node).rpartition("[")[0]
            found = f"One slot per axis: {name} has {_count(len(axes), 'axis', 'axes')}, and here "
            found += f"{'stands' if len(slots) == 1 else 'stand'} {_count(len(slots), 'slot', 'slots')}"
            example = f"{name}[{', '.join('ijklmnopqrstuvwxyz'[: len(axes)])}]".replace(", ", "")
            self.fail(node, found, f"write {_count(len(axes), 'slot', 'slots')}, as in {example}", ShapeError)
        for slot, axis in zip(slots, axes, strict=True):
            self.uses.append(Use(slot, scope, axis, node))
            for inner in _indexed_in(slot):
                self.scan(inner, scope)

    def axes(self, node: Indexed) -> Sequence[Dim | None]:
        named = self.names.get(node.name)
        if named is not None:
            return named.shape
        if node.name == "tril":
            return (None, None)
        known = ", ".join(sorted(self.names)) or "none"
        self.fail(
            node,
            f"Brackets follow the name of a tensor: {node.name} is none",
            f"use one of the names {known}, or define {node.name} behind where",
        )

    def scan_delta(self, node: Delta, scope: Scope) -> None:
        for slot in (node.left, node.right):
            self.uses.append(Use(slot, scope, None, node))
            for inner in _indexed_in(slot):
                self.fail(inner, "δ compares letters: here stands a tensor", 'write "equal(…, …)"')
        left, right = (slot.name if isinstance(slot, Name) else "" for slot in (node.left, node.right))
        if left in scope and right in scope:
            self.ties.append(Tie(scope[left], scope[right], node, False))

    def scan_function(self, node: Apply, scope: Scope) -> None:
        function = self.function(node)
        if function is None or function.elementwise:
            if node.bound or node.slots is not None:
                wrong = "no axes of its own" if node.bound else "an expression and no brackets behind it"
                advice = f'write "{node.name}(…)", with the letters inside'
                self.fail(node, f"An elementwise function has {wrong}", advice)
            return
        if not node.bound:
            self.wholes[id(node)] = named = self.whole_call(node)
            self.use(node, node.slots or (), named.shape, scope)
            return
        own = tuple(self.bound[id(node)].values())
        core = function.core(0)
        if not function.reduces and len(own) != len(core):
            found = f"{node.name} works on {_count(len(core), 'axis', 'axes')}: behind _ "
            found += f"{'stands' if len(own) == 1 else 'stand'} {_count(len(own), 'letter', 'letters')}"
            self.fail(node, found, f'write "{node.name}_{"klmn"[: len(core)]}(…)"')
        if function.reduces:
            self.use(node, node.slots or (), (), scope)
            return
        first: dict[str, Letter] = {}
        for role, letter in zip(core, own, strict=True):
            if first.setdefault(role, letter) is not letter:
                self.ties.append(Tie(first[role], letter, node, True))
        self.use(node, node.slots or (), [first[role] for role in function.core_out], scope)

    def function(self, node: Apply) -> P | None:
        """The function that is applied; None for those that are written with others."""
        function = self.functions.get(node.name)
        if function is None and node.name in SPELLED:
            arity = 2 if node.name in TURNED or node.name == "not_equal" else 1
        elif function is None:
            if node.name == "max" and self.dim(node) is not None:
                return None
            known = ", ".join(sorted({*self.functions, *SPELLED}))
            found = f"A bracket follows the name of a function: {node.name} is none"
            self.fail(node, found, f"put a space before the bracket to multiply, or use one of {known}")
        else:
            arity = function.arity
            if node.name == "max" and not node.bound and self.dim(node) is not None:
                return None
        if len(node.arguments) != arity:
            found = f"{node.name} takes {_count(arity, 'argument', 'arguments')}: here "
            found += f"{'is' if len(node.arguments) == 1 else 'are'} {len(node.arguments)}"
            self.fail(node, found, f"write {_count(arity, 'argument', 'arguments')}, separated by commas")
        return function

    def whole_call(self, node: Apply) -> Named:
        """``det(S)``, without brackets behind it."""
        (argument,) = node.arguments
        function = self.functions[node.name]
        if self.is_tensor(argument):
            named = self.mapped(function, argument, node)
            if not named.shape:
                return named
            letters = "ijkl"[: len(named.shape)]
            found = f"{self.shown(node)} has {_count(len(named.shape), 'axis', 'axes')}: here are no brackets"
            self.fail(node, found, f'write "{self.shown(node)}[{letters}]"')
        letters = "k" if function.reduces else "klmn"[: len(function.core(0))]
        found = f"A function of whole axes names them: {node.name} does not"
        self.fail(node, found, f'write the letters behind _, as in "{node.name}_{letters}(X[{letters}])"')

    def whole(self, node: Whole) -> Named:
        """What stands before the brackets of ``inv(S)[ij]``."""
        if id(node) in self.wholes:
            return self.wholes[id(node)]
        call = node.call
        name = call.function.name if isinstance(call.function, Name) else ""
        named: Named | None = None
        if len(call.arguments) == 1 and not call.keywords:
            (argument,) = call.arguments
            function = self.functions.get(name)
            if name == "arange":
                dim = self.dim(argument)
                named = None if dim is None else Positions(dim)
            elif function is not None and function.arity == 1 and self.is_tensor(argument):
                named = self.mapped(function, argument, node)
        if named is None:
            if self.numpy is None:
                found = "A function of whole tensors takes the name of a tensor here"
                self.fail(call, found, "give the inner expression a name behind where")
            named = self.numpy(call)
        self.wholes[id(node)] = named
        return named

    def is_tensor(self, node: Node) -> bool:
        return isinstance(node, Name) and node.name in self.names

    def mapped(self, function: P, argument: Node, node: Node) -> Mapped[P]:
        """``function`` of a tensor by name, whose own axes must fit."""
        assert isinstance(argument, Name)
        mapped = Mapped(function, self.names[argument.name], self.build)
        shape = mapped.argument.shape
        if function.elementwise or function.reduces:
            return mapped
        core = function.core(0)
        name = self.shown(node)
        if len(shape) < len(core):
            found = f"{function.name} works on {len(core)} axes: the argument in {name} has {len(shape)}"
            self.fail(node, found, "give it an argument with more axes", ShapeError)
        first: dict[str, Dim] = {}
        for role, dim in zip(core, shape[len(shape) - len(core) :], strict=True):
            if first.setdefault(role, dim) is not dim:
                found = f"{function.name} takes a square matrix: the argument in {name} has sizes "
                found += f"{first[role]} and {dim}"
                self.fail(node, found, "give it a matrix with two equal sizes", ShapeError)
        return mapped

    # Step two: sizes.

    def size(self, node: Node) -> Dim:
        """A size that is written out, as in ``i:n``."""
        dim = self.dim(node)
        if dim is None:
            known = ", ".join(sorted(self.sizes)) or "no names"
            found = "A size consists of whole numbers and the names of sizes"
            self.fail(node, found, f"use {known}")
        return dim

    def dim(self, node: Node, scope: Scope | None = None) -> Dim | None:
        """The size that a node stands for, if it stands for one, and one that is known by now."""
        if isinstance(node, Number):
            return Dim.of(node.value) if isinstance(node.value, int) else None
        if isinstance(node, Name):
            return Dim.of(node.name) if node.name in self.sizes else None
        if isinstance(node, SizeOf):
            return scope[node.letter].dim if scope and node.letter in scope else None
        if isinstance(node, Apply) and node.name == "max" and not node.bound and len(node.arguments) == 2:
            inner = self.dim(node.arguments[0], scope)
            return positive(inner) if inner is not None and node.arguments[1] == Number(0) else None
        if isinstance(node, Call) and node.function == Name("max") and len(node.arguments) == 2:
            inner = self.dim(node.arguments[0], scope)
            return positive(inner) if inner is not None and node.arguments[1] == Number(0) else None
        if isinstance(node, Unary) and node.operator == "-":
            inner = self.dim(node.operand, scope)
            return None if inner is None else -inner
        if isinstance(node, Power):
            base, exponent = self.dim(node.base, scope), node.exponent
            whole = isinstance(exponent, Number) and isinstance(exponent.value, int)
            return base**exponent.value if base is not None and whole else None  # type: ignore[attr-defined]
        if isinstance(node, Chain):
            return self.dim_of_chain(node, scope)
        return None

    def dim_of_chain(self, node: Chain, scope: Scope | None) -> Dim | None:
        total = self.dim(node.operands[0], scope)
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            value = self.dim(operand, scope)
            if total is None or value is None:
                return None
            if operator == "+":
                total = total + value
            elif operator == "-":
                total = total - value
            elif operator == "*":
                total = total * value
            elif operator == "//":
                total = total // value if value is not ZERO else None
            else:
                total = divide(total, value) if value is not ZERO else None
        return total

    def linear(self, node: Node, scope: Scope) -> Linear | None:
        """A slot as an affine form of letters; None where a size in it is unknown by now."""
        if isinstance(node, Name):
            if node.name in scope:
                return ZERO, {scope[node.name]: ONE}
            if node.name in self.sizes:
                return Dim.of(node.name), {}
            found = f'A slot consists of letters and sizes: "{node.name}" is neither'
            known = ", ".join(sorted(self.sizes)) or "none"
            self.fail(node, found, f"use one letter per index; the sizes are {known}")
        if isinstance(node, SizeOf):
            if node.letter not in scope:
                found = f"|{node.letter}| is the size of an index: there is no index {node.letter}"
                self.fail(node, found, "use a letter of this term")
            dim = scope[node.letter].dim
            return None if dim is None else (dim, {})
        dim = self.dim(node, {}) if not isinstance(node, Chain) else None
        if dim is not None:
            return dim, {}
        if isinstance(node, Unary):
            inner = self.linear(node.operand, scope)
            return None if inner is None else _scaled(inner, Dim.of(-1))
        if isinstance(node, Chain):
            return self.linear_chain(node, scope)
        self.fail(
            node,
            "A slot is a whole number times letters, and a whole number: this is none",
            'write a slot such as "2*i + 1"',
        )

    def linear_chain(self, node: Chain, scope: Scope) -> Linear | None:
        total = self.linear(node.operands[0], scope)
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            value = self.linear(operand, scope)
            if total is None or value is None:
                return None
            if operator in "+-":
                total = _plus(total, value if operator == "+" else _scaled(value, Dim.of(-1)))
            elif operator == "*" and not value[1]:
                total = _scaled(total, value[0])
            elif operator == "*" and not total[1]:
                total = _scaled(value, total[0])
            elif operator == "//" and not total[1] and not value[1] and value[0] is not ZERO:
                total = total[0] // value[0], {}
            else:
                found = "A slot is a whole number times letters, and a whole number"
                self.fail(node, found, 'write a slot such as "2*i + 1"')
        return total

    def settle(self) -> None:
        """Find the size of every letter, and check that all axes agree with it."""
        while self.from_axes() or self.from_ranges() or self.from_deltas():
            pass
        for letter in self.letters:
            if letter.dim is None:
                self.unknown(letter)
        self.check()

    def from_axes(self) -> bool:
        """Sizes from letters that stand alone at an axis."""
        found = False
        for slot, scope, axis, owner in self.uses:
            if isinstance(slot, Name) and slot.name in scope:
                letter = scope[slot.name]
                dim = axis.dim if isinstance(axis, Letter) else axis
                if letter.dim is None and dim is not None:
                    letter.dim, letter.owner, letter.span, found = dim, self.shown(owner), owner.span, True
                elif isinstance(axis, Letter) and axis.dim is None and letter.dim is not None:
                    axis.dim, axis.owner, axis.span, found = letter.dim, self.shown(owner), owner.span, True
        for left, right, owner, strict in self.ties:
            for known, other in ((left, right), (right, left)):
                if strict and other.dim is None and known.dim is not None:
                    other.dim, other.owner, other.span, found = known.dim, self.shown(owner), owner.span, True
        return found

    def from_ranges(self) -> bool:
        """Sizes from slots such as ``2*i + 1``: the largest in range. One letter at a time."""
        candidates: dict[Letter, list[tuple[Dim, Node]]] = {}
        for slot, scope, axis, owner in self.uses:
            dim = axis.dim if isinstance(axis, Letter) else axis
            if dim is None or isinstance(slot, Name) or _indexed_in(slot):
                continue
            form = self.linear(slot, scope)
            if form is None:
                continue
            unknown = [letter for letter in form[1] if letter.dim is None]
            if len(unknown) == 1:
                largest = _largest(form, unknown[0], dim)
                if largest is not None:
                    candidates.setdefault(unknown[0], []).append((largest, owner))
        for letter, found in candidates.items():
            for dim, owner in found:
                if all(nonnegative(other - dim) for other, _ in found):
                    letter.dim, letter.owner, letter.span = dim, self.shown(owner), owner.span
                    return True
        return False

    def from_deltas(self) -> bool:
        for left, right, owner, _ in self.ties:
            for known, other in ((left, right), (right, left)):
                if other.dim is None and known.dim is not None:
                    other.dim, other.owner, other.span = known.dim, self.shown(owner), owner.span
                    return True
        return False

    def unknown(self, letter: Letter) -> NoReturn:
        spans = [
            use.owner.span
            for use in self.uses
            if use.scope.get(letter.name) is letter and letter.name in _names_in(use.slot)
        ]
        span = spans[0] if spans and not letter.span[1] else letter.span
        if not span[1] and not spans:
            span = (0, 1)
        found = f"Every index has a size: nothing shows that of index {letter.name}"
        implicit = not letter.span[1]
        where = f'"Σ_{{{letter.name}:n}}"' if implicit else f'"{letter.name}:n"'
        self.fail(span, found, f"write it out, as in {where}")

    def check(self) -> None:
        for slot, scope, axis, owner in self.uses:
            dim = axis.dim if isinstance(axis, Letter) else axis
            if dim is None or _indexed_in(slot):
                if dim is None:
                    self.linear(slot, scope)
                continue
            if isinstance(slot, Name) and slot.name in scope:
                letter = scope[slot.name]
                assert letter.dim is not None
                if letter.dim is dim:
                    continue
                if not (letter.annotated and self.fits(letter.dim, dim)):
                    self.contradiction(letter, dim, owner)
                continue
            self.check_range(slot, scope, dim, owner)
        for left, right, owner, strict in self.ties:
            assert left.dim is not None and right.dim is not None
            difference = left.dim - right.dim
            if strict and difference is not ZERO:
                found = f"{getattr(owner, 'name', '')} takes a square matrix: index {left.name} has size "
                found += f"{left.dim} and index {right.name} size {right.dim}"
                self.fail(owner, found, "give it a matrix with two equal sizes", ShapeError)
            if not (nonnegative(difference) or nonnegative(-difference)):
                found = f"δ compares two indices of one size: index {left.name} has size {left.dim}"
                found += f"{_in(left.owner)} and index {right.name} has size {right.dim}{_in(right.owner)}"
                advice = f'make the sizes equal, or write "δ[{left.name} = {right.name} + 0]"'
                self.fail(owner, found, advice, ShapeError)

    def fits(self, size: Dim, axis: Dim) -> bool:
        """Whether an index of this size may stand at an axis; where only numbers can tell, they are asked."""
        if nonnegative(axis - size):
            return True
        if nonnegative(size - axis - 1) or (size.name is not None and axis.name is not None):
            return False
        if size.value is None and axis.value is not None:
            return False
        self.require(axis - size, f"an index of size {size} stands at an axis of size {axis}")
        return True

    def require(self, dim: Dim, reason: str) -> None:
        self.requirements.append(Requirement(dim, ">=", reason))

    def contradiction(self, letter: Letter, dim: Dim, owner: Node) -> NoReturn:
        found = f"An index has one size: index {letter.name} has size {letter.dim}{_in(letter.owner)}"
        found += f" and size {dim} in {self.shown(owner)}"
        self.fail(owner, found, "use another letter in one of them, or change a shape", ShapeError)

    def check_range(self, slot: Node, scope: Scope, dim: Dim, owner: Node) -> None:
        form = self.linear(slot, scope)
        assert form is not None
        ends = _ends(form)
        if ends is None:
            return
        low, high = ends
        for spare in (low, dim - 1 - high):
            if nonnegative(spare):
                continue
            if nonnegative(-1 - spare):
                found = f"A slot stays within its axis: {self.shown(slot)} runs from {low} to {high}"
                found += f", and the axis of {self.shown(owner)} has size {dim}"
                self.fail(slot, found, "change the slot, or the size of an index in it", ShapeError)
            self.require(spare, f"{self.shown(slot)} stands at an axis of size {dim}")

    # Step three: the expression.

    def total(self, terms: Sequence[Term]) -> Sum:
        build = self.building
        values = []
        for term in terms:
            value = build.contract(self.value(term.node, term.scope), [one.label for one in term.implicit])
            values.append(value if term.sign > 0 else build.multiply(constant(-1), value))
        return build.add(*values)

    @property
    def building(self) -> Builder[P]:
        assert self.build is not None
        return self.build

    def value(self, node: Node, scope: Scope) -> Sum:
        build = self.building
        match node:
            case Number(number):
                return constant(number) if number else Sum()
            case Name(name):
                return self.scalar(node, name)
            case SizeOf(letter):
                form = self.linear(node, scope)
                assert form is not None and letter
                return of_size(form[0])
            case Unary(_, operand):
                return build.multiply(constant(-1), self.value(operand, scope))
            case Chain(_, operators) if operators[0] in "+-":
                signs = ["+", *operators]
                values = [self.value(operand, scope) for operand in node.operands]
                return build.add(
                    *(
                        value if sign == "+" else build.multiply(constant(-1), value)
                        for sign, value in zip(signs, values, strict=True)
                    )
                )
            case Chain():
                return self.product(node, scope)
            case Power():
                return self.raised(node, scope)
            case Indexed():
                return self.indexed(node, scope)
            case Delta(left, right):
                return build.multiply(of_factor(delta(self.slot(left, scope), self.slot(right, scope))))
            case SumOver(_, body):
                own = self.bound[id(node)]
                labels = [letter.label for letter in own.values()]
                return build.contract(self.value(body, {**scope, **own}), labels)
            case Apply():
                return self.applied(node, scope)
            case Whole():
                return self.read(self.whole(node), node.slots, scope)
        self.fail(node, "This does not belong into index notation", "write a factor such as X[ij]")

    def scalar(self, node: Node, name: str) -> Sum:
        named = self.names.get(name)
        if named is not None:
            if named.shape:
                letters = "ijklmnopqrstuvwxyz"[: len(named.shape)]
                found = f"A tensor is written with its slots: {name} has "
                found += _count(len(named.shape), "axis", "axes")
                self.fail(node, found, f'write "{name}[{letters}]", or another choice of letters')
            return named.read(())
        if name in self.sizes:
            return of_size(Dim.of(name))
        scalars = {other for other, named in self.names.items() if not named.shape}
        known = ", ".join(sorted(scalars.union(self.sizes))) or "none"
        found = f'A name without brackets is a size or a scalar: "{name}" is neither'
        self.fail(node, found, f"the known ones are {known}")

    def product(self, node: Chain, scope: Scope) -> Sum:
        build = self.building
        start = 0
        values: list[Sum] = []
        if "//" in node.operators:
            last = len(node.operators) - 1 - node.operators[::-1].index("//")
            start = last + 2
            size = self.dim(Chain(node.operands[:start], node.operators[: last + 1]), scope)
            if size is None:
                found = '"//" divides sizes: on one side of it stands something else'
                self.fail(node, found, 'write "/"')
            values.append(of_size(size))
        for operator, operand in list(zip(("*", *node.operators), node.operands, strict=True))[start:]:
            value = self.value(operand, scope)
            values.append(value if operator == "*" else build.power(value, -1))
        return build.multiply(*values)

    def raised(self, node: Power, scope: Scope) -> Sum:
        base, exponent = self.value(node.base, scope), self.value(node.exponent, scope)
        if not exponent.terms:
            return constant(1)
        if len(exponent.terms) == 1 and not exponent.terms[0].factors:
            return self.building.power(base, exponent.terms[0].coefficient)
        return self.building.apply(self.needed("power", node), (base, exponent))

    def needed(self, name: str, node: Node) -> P:
        function = self.functions.get(name)
        if function is None:
            self.fail(node, f"This is written with the function {name}: it is not known", "leave it out")
        return function

    def slot(self, node: Node, scope: Scope) -> Slot:
        form = self.linear(node, scope)
        assert form is not None
        return affine(form[0], {letter.label: c for letter, c in form[1].items()})

    def read(self, named: Named, slots: Sequence[Node], scope: Scope) -> Sum:
        """``named`` at its slots; what is looked up, as in ``E[t[i], k]``, is compared with all positions."""
        build = self.building
        found: list[Slot] = []
        looked: list[Index] = []
        factors: list[Sum] = []
        for slot, dim in zip(slots, named.shape, strict=True):
            if not _indexed_in(slot):
                found.append(self.slot(slot, scope))
                continue
            label = Index.fresh(dim)
            place = of_factor(Position(dim)(label))
            factors.append(build.apply(self.needed("equal", slot), (self.value(slot, scope), place)))
            looked.append(label)
            found.append(label)
        value = named.read(tuple(found))
        return build.contract(build.multiply(*factors, value), looked) if looked else value

    def indexed(self, node: Indexed, scope: Scope) -> Sum:
        named = self.names.get(node.name)
        if named is not None:
            return self.read(named, node.slots, scope)
        places = []
        for slot in node.slots:
            label = self.slot(slot, scope)
            if not isinstance(label, Index):
                self.fail(slot, "tril has two letters as slots", 'write "tril[ij]"')
            places.append(of_factor(Position(label.dim)(label)))
        return self.building.apply(self.needed("greater_equal", node), places)

    def applied(self, node: Apply, scope: Scope) -> Sum:
        build = self.building
        function = self.function(node)
        if function is None:
            return self.spelled(node, scope)
        if function.elementwise:
            return build.apply(function, [self.value(argument, scope) for argument in node.arguments])
        if not node.bound:
            return self.read(self.wholes[id(node)], node.slots or (), scope)
        own = self.bound[id(node)]
        core = tuple(letter.label for letter in own.values())
        argument = self.value(node.arguments[0], {**scope, **own})
        result = [self.slot(slot, scope) for slot in node.slots or ()]
        shape = () if function.reduces else _core_shape(function, [index.dim for index in core])
        return build.apply(function, (argument,), (core,), result, shape)

    def spelled(self, node: Apply, scope: Scope) -> Sum:
        """Functions that are written with others."""
        build = self.building
        if node.name == "max":
            size = self.dim(node, scope)
            assert size is not None
            return of_size(size)
        values = [self.value(argument, scope) for argument in node.arguments]
        if node.name == "sqrt":
            return build.power(values[0], HALF)
        if node.name in ROOTS:
            return build.power(values[0], ROOTS[node.name])
        if node.name in TURNED:
            return build.apply(self.needed(TURNED[node.name], node), values[::-1])
        same = build.apply(self.needed("equal", node), values)
        return build.add(constant(1), build.multiply(constant(-1), same))

    # Whole equations.

    def equation(self, equation: Equation) -> Lowered:
        """Both sides of an equation."""
        scope: dict[str, Letter] = {}
        targets = (equation.target, *equation.wrt)
        for target in targets:
            self.scan_target(target, scope, target is not equation.target)
        terms = self.terms(equation.right, scope)
        self.settle()
        body = self.total(terms)
        axes = []
        for target in targets:
            own, body = self.merged(target, scope, body)
            axes.append(own)
        wrt = tuple((target.name, own) for target, own in zip(equation.wrt, axes[1:], strict=True))
        return Lowered(equation.target.name, axes[0], body, wrt, tuple(self.requirements))

    def scan_target(self, target: Target, scope: dict[str, Letter], given: bool) -> None:
        """Introduce the letters of a left side; those of an input that is ``given`` have its sizes."""
        for axis in target.axes:
            for bound in axis.letters:
                scope[bound.letter] = letter = self.letter(bound.letter, bound.size, target)
                letter.span = bound.span
                if letter.dim is None:
                    letter.owner = ""
        if not given:
            return
        named = self.names.get(target.name)
        if named is None:
            known = ", ".join(sorted(self.names)) or "none"
            found = f"A derivative is taken by an input: {target.name} is none"
            self.fail(target, found, f"use one of the names {known}")
        if any(len(axis.letters) != 1 for axis in target.axes):
            found = "An input that is differentiated by has one letter per axis"
            self.fail(target, found, "take the inner brackets out")
        slots = [Name(axis.letters[0].letter, span=axis.span) for axis in target.axes]
        self.use(target, slots, named.shape, scope)

    def merged(self, target: Target, scope: Scope, body: Sum) -> tuple[tuple[Index, ...], Sum]:
        """The axes of a left side; the letters of a merged one are digits of one index."""
        build = self.building
        axes = []
        for axis in target.axes:
            letters = [scope[bound.letter].label for bound in axis.letters]
            if len(letters) == 1:
                axes.append(letters[0])
                continue
            place: Slot = constant_slot(0)
            size = ONE
            for label in letters:
                place = combine(((label.dim, place), (ONE, label)))
                size = size * label.dim
            index = Index.fresh(size)
            body = build.contract(build.multiply(body, of_factor(delta(index, place))), letters)
            axes.append(index)
        return tuple(axes), body


def _top(node: Node) -> Iterator[tuple[int, Node]]:
    """The terms of a right side with their signs; a sum in brackets is one term."""
    if isinstance(node, Chain) and node.operators[0] in "+-" and not is_bracketed(node):
        signs = (1, *(1 if operator == "+" else -1 for operator in node.operators))
        yield from zip(signs, node.operands, strict=True)
    else:
        yield 1, node


def is_bracketed(node: Chain) -> bool:
    """Whether brackets stand around a sum or product: they belong to its place in the text."""
    return node.span != (node.operands[0].span[0], node.operands[-1].span[1])


def _below(node: Node, hidden: frozenset[str]) -> Iterator[tuple[Node, frozenset[str]]]:
    """The expressions in a node, slots left out, each with the letters that are hidden from outside."""
    match node:
        case SumOver(bound, body):
            yield body, hidden.union(one.letter for one in bound)
        case Apply(_, bound, arguments):
            inner = hidden.union(one.letter for one in bound)
            for argument in arguments:
                yield argument, inner
        case Unary(_, operand):
            yield operand, hidden
        case Chain(operands):
            for operand in operands:
                yield operand, hidden
        case Power(base, exponent):
            yield base, hidden
            yield exponent, hidden


def _slots(node: Node) -> tuple[Node, ...]:
    match node:
        case Indexed(_, slots) | Whole(_, slots):
            return slots
        case Delta(left, right):
            return (left, right)
        case Apply(slots=slots):
            return slots or ()
    return ()


def _indexed_in(node: Node) -> list[Node]:
    """The tensors that a slot looks up."""
    if isinstance(node, Indexed | Whole):
        return [node]
    return [found for child in node.children for found in _indexed_in(child)]


def _slot_names(node: Node) -> Iterator[str]:
    """The names in a slot, those in tensors that it looks up left out."""
    if isinstance(node, Name):
        yield node.name
    elif isinstance(node, SizeOf):
        yield node.letter
    elif not isinstance(node, Indexed | Whole):
        for child in node.children:
            yield from _slot_names(child)


def _names_in(node: Node) -> set[str]:
    return set(_slot_names(node))


def _scaled(form: Linear, by: Dim) -> Linear:
    return form[0] * by, {letter: c * by for letter, c in form[1].items()}


def _plus(a: Linear, b: Linear) -> Linear:
    parts = dict(a[1])
    for letter, c in b[1].items():
        parts[letter] = parts.get(letter, ZERO) + c
    return a[0] + b[0], {letter: c for letter, c in parts.items() if c is not ZERO}


def _ends(form: Linear) -> tuple[Dim, Dim] | None:
    """The least and the greatest value of an affine form, where the signs in it are certain."""
    low = high = form[0]
    for letter, c in form[1].items():
        assert letter.dim is not None
        extent = c * (letter.dim - 1)
        if nonnegative(c):
            high = high + extent
        elif nonnegative(-c):
            low = low + extent
        else:
            return None
    return low, high


def _largest(form: Linear, letter: Letter, axis: Dim) -> Dim | None:
    """The largest size of ``letter`` for which the slot stays within the axis."""
    c = form[1][letter]
    ends = _ends((form[0], {other: k for other, k in form[1].items() if other is not letter}))
    if ends is None:
        return None
    if nonnegative(c - 1):
        return (axis - 1 - ends[1]) // c + 1
    if nonnegative(-c - 1):
        return ends[0] // -c + 1
    return None


def _count(number: int, one: str, many: str) -> str:
    return f"{number or 'no'} {one if number == 1 else many}"


def _in(owner: str) -> str:
    return f" in {owner}" if owner else ""
