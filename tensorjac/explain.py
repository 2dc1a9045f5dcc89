"""The derivation, step by step, in the order in which a teacher would write it.

For every input: the derivative of each intermediate by the product rule or the chain rule, what is known put in, the δ
eliminated one by one, and what is left simplified; then the contraction with the cotangent in the same way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from . import calculus, rewrites
from .dims import Dim
from .notation import printing
from .primitives import Primitive
from .terms import (
    DELTA,
    Apply,
    Contraction,
    Factor,
    Index,
    Input,
    Number,
    Shared,
    Slot,
    Sum,
    Tensor,
    Term,
    number,
    of_factor,
    product,
    topological,
)

Axes = tuple[Index, ...]

# Rewrites that are shown one application at a time; the others are named together at the last line.
SHOWN = ("δ decided", "δ renames", "unused index")


@dataclass
class Line:
    """One line of a derivation: what stands left of the equals sign (or nothing), the right side, and why."""

    left: str
    right: str
    reason: str


@dataclass
class _Writer:
    """What the lines of one derivation share: the inputs, the names of tensors, and the lines so far."""

    inputs: Mapping[str, tuple[Dim, ...]]
    names: dict[Tensor, str]
    constants: Mapping[Tensor, str]
    lines: list[Line | str] = field(default_factory=list)
    marks: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    marked: dict[str, tuple[Dim, ...]] = field(default_factory=dict)

    def marker(self, of: str, rank: int, by: str, shape: tuple[Dim, ...]) -> Input:
        """A stand-in for ∂of/∂by, which is printed as that."""
        for known, what in self.marks.items():
            if what == (of, by, rank):
                return Input(known, shape)
        name = _free_name(f"D{len(self.marks)}__", {*self.inputs, *self.names.values()})
        self.marks[name] = (of, by, rank)
        self.marked[name] = shape
        return Input(name, shape)

    def right(self, groups: Sequence[tuple[str, Axes]], body: Sum, hidden: Tensor | None = None) -> tuple[str, str]:
        """Both sides of the equation as text."""
        named = {tensor: name for tensor, name in self.names.items() if tensor is not hidden}
        inputs = {**self.inputs, **{name: tensor.shape for tensor, name in named.items()}, **self.marked}
        body = _with_names(body, named)
        text = (
            printing.derivative(groups[0], groups[1:], body, inputs, self.constants)
            if len(groups) > 1
            else printing.text({groups[0][0]: (groups[0][1], body)}, inputs, self.constants)
        )
        left, _, right = " ".join(text.split()).partition(" = ")
        return left, self._derivatives(right)

    def _derivatives(self, text: str) -> str:
        """The text with ∂of/∂by in place of its stand-ins."""
        names = "|".join(map(re.escape, self.marks))
        match = re.search(rf"(?<!\w)({names})\[", text) if names else None
        if match is None:
            return text
        end = _closing(text, match.end())
        of, by, rank = self.marks[match[1]]
        slots = _slots(text[match.end() : end], len(self.marked[match[1]]))
        above, below = (_bracketed(part) for part in (slots[:rank], slots[rank:]))
        return f"{text[: match.start()]}∂{of}{above}/∂{by}{below}{self._derivatives(text[end + 1 :])}"

    def add(self, groups: Sequence[tuple[str, Axes]], body: Sum, reason: str, hidden: Tensor | None = None) -> None:
        """Write a line, unless it says the same as the one before."""
        left, right = self.right(groups, body, hidden)
        last = next((line for line in reversed(self.lines) if isinstance(line, Line)), None)
        if last is not None and self.lines[-1] is last and last.right == right and reason not in ("definition",):
            return
        started = last is not None and self.lines[-1] is last and _opened(self.lines) == left
        self.lines.append(Line("" if started else left, right, reason))

    def simplify(self, groups: Sequence[tuple[str, Axes]], raw: Sum) -> Sum:
        """Eliminate the δ line by line, then show what the other rewrites leave."""
        current = raw
        while True:
            step = _one_step(current)
            if step is None:
                break
            reason, current = step
            self.add(groups, current, reason)
        with rewrites.recording() as steps:
            final = rewrites.finished(current)
        used = [name for name in dict.fromkeys(step.name for step in steps) if name not in SHOWN]
        self.add(groups, final, ", ".join(used) or "like terms")
        return final

    def text(self) -> str:
        """All lines, their equals signs and reasons aligned within each paragraph."""
        result: list[str] = []
        paragraph: list[Line] = []
        for line in [*self.lines, ""]:
            if isinstance(line, Line):
                paragraph.append(line)
                continue
            result.extend(_aligned(paragraph))
            paragraph = []
            result.append(line)
        return "\n".join(result).rstrip()


def _closing(text: str, start: int) -> int:
    """The place of the bracket that closes the one before ``start``."""
    depth, place = 1, start
    while depth:
        depth += (text[place] in "[(") - (text[place] in "])")
        place += 1
    return place - 1


def _slots(text: str, number: int) -> list[str]:
    """What stands in brackets, one text for each of so many axes."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [slot.strip() for slot in found] if len(found) == number else list(text)


def _bracketed(slots: Sequence[str]) -> str:
    return f"[{('' if all(len(slot) == 1 for slot in slots) else ', ').join(slots)}]"


def _with_names(body: Sum, names: Mapping[Tensor, str]) -> Sum:
    """The sum with named tensors as inputs of that name, so that they are printed by it."""
    replaced = {tensor: of_factor(Input(name, tensor.shape)(*tensor.axes)) for tensor, name in names.items()}
    terms: list[Term] = []
    for term in body.terms:
        factors: list[Factor] = []
        for factor in term.factors:
            inner = None
            if factor.tensor is not DELTA:
                (rebuilt,) = rewrites.rebuild([of_factor(factor.tensor(*factor.tensor.axes))], replaced)
                inner = rewrites.whole(rebuilt).lone
            if inner is None:
                factors.append(factor)
            else:
                moved = inner.substitute(dict(zip(factor.tensor.axes, factor.slots, strict=True)))
                factors.append(Factor(moved.tensor, moved.slots, factor.power))
        terms.append(product(term.coefficient, factors, term.summed))
    return Sum(terms)


def _opened(lines: Sequence[Line | str]) -> str:
    """The left side of the equation that is being continued."""
    for line in reversed(lines):
        if isinstance(line, str):
            return ""
        if line.left:
            return line.left
    return ""


def _aligned(lines: Sequence[Line]) -> Iterator[str]:
    left = max((len(line.left) for line in lines), default=0)
    right = max((len(line.right) for line in lines if len(line.right) <= 60), default=0)
    for line in lines:
        yield f"  {line.left:<{left}} = {line.right:<{right}}   {line.reason}".rstrip()


def _one_step(body: Sum) -> tuple[str, Sum] | None:
    """The first rewrite of those shown that applies to a term, and the sum after it."""
    for term in body.terms:
        if not term.summed:
            continue
        for name, rule in rewrites.term_rules():
            if name not in SHOWN:
                continue
            result = rule(term)
            if result is not None:
                others = [other for other in body.terms if other is not term]
                return name, Sum([*others, *result.terms])
    return None


def explain(
    inputs: Mapping[str, tuple[Dim, ...]],
    outputs: Mapping[str, tuple[Axes, Sum]],
    wrt: Sequence[str],
    constants: Mapping[Tensor, str],
    gradients: bool = True,
) -> str:
    """The derivation of the Jacobians of ``outputs`` by ``wrt`` and, from them, of the gradients."""
    names = dict(constants)
    needed = [
        tensor
        for tensor in topological(t for _, body in outputs.values() for t in body.tensors)
        if not isinstance(tensor, Input) and tensor not in names and tensor.inputs & set(wrt)
    ]
    whole = _whole(outputs, needed)
    taken = {*inputs, *outputs, *constants.values(), "L"}  # L is the loss
    cotangents: dict[str, str] = {}
    for k, name in enumerate(outputs, start=1):
        cotangents[name] = _free_name(f"G{k}" if len(outputs) > 1 else "G", taken)
        taken.add(cotangents[name])
    slopes: dict[str, str] = {}
    for by in wrt:
        slopes[by] = _free_name(f"d{by}", taken)
        taken.add(slopes[by])
    taken.update(size for dims in inputs.values() for dim in dims for size in dim.names)
    for tensor in needed:
        if tensor not in whole:
            names[tensor] = _name(tensor, taken)
            taken.add(names[tensor])
    writer = _Writer(inputs, names, constants)
    for tensor in needed:
        if tensor not in whole:
            writer.add([(names[tensor], tensor.axes)], _body(tensor), "definition", tensor)
    for name, (axes, body) in outputs.items():
        writer.add([(name, axes)], _shown(body, whole), "definition")
    for by in wrt:
        known: dict[Tensor, Sum] = {}
        target = Input(by, inputs[by])
        into = tuple(Index.fresh(dim) for dim in target.shape)
        for tensor in needed:
            if tensor not in whole and by in tensor.inputs:
                writer.lines += ["", f"∂{names[tensor]}/∂{by}"]
                raw = _product_rule(writer, tensor, _body(tensor), target, into)
                rule = "chain rule" if isinstance(tensor, Apply) else "product rule"
                groups = [(names[tensor], tensor.axes), (by, into)]
                known[tensor] = _put_in(writer, groups, raw, known, target, into, rule)
        for name, (axes, body) in outputs.items():
            if not any(by in tensor.inputs for tensor in body.tensors):
                continue
            shown = _shown(body, whole)
            writer.lines += ["", f"∂{name}/∂{by}"]
            factor = body.terms[0].factors[0] if _is_tensor(body) else None
            if factor is not None and isinstance(factor.tensor, Apply) and factor.tensor in whole:
                own = factor.tensor
                raw = _product_rule(writer, own, _body(own), target, into)
                raw = raw.substitute(dict(zip(own.axes, factor.slots, strict=True)))
                rule = "chain rule"
            else:
                raw = _differentiated(writer, shown, target, into)
                rule = "product rule"
            jacobian = _put_in(writer, [(name, axes), (by, into)], raw, known, target, into, rule)
            # the derivative of a scalar is its gradient already
            if gradients and axes:
                _gradient(writer, name, axes, jacobian, target, into, slopes[by], cotangents[name])
    return writer.text()


def _is_tensor(body: Sum) -> bool:
    """Whether an output is one tensor and nothing else."""
    if len(body.terms) != 1 or body.terms[0].coefficient != 1 or len(body.terms[0].factors) != 1:
        return False
    factor = body.terms[0].factors[0]
    return factor.power == 1 and not isinstance(factor.tensor, Input) and factor.tensor is not DELTA


def _whole(outputs: Mapping[str, tuple[Axes, Sum]], needed: Sequence[Tensor]) -> set[Tensor]:
    """The tensors of which outputs consist and that stand nowhere else: those need no names."""
    users = Counter(part for tensor in needed for part in tensor.parts)
    users.update(tensor for _, body in outputs.values() for tensor in set(body.tensors))
    alone = {body.terms[0].factors[0].tensor for _, body in outputs.values() if _is_tensor(body)}
    return {tensor for tensor in alone if users[tensor] == 1}


def _shown(body: Sum, whole: set[Tensor]) -> Sum:
    """The output with the tensor that it consists of opened, where that is a product or a sum."""
    if not _is_tensor(body):
        return body
    tensor, slots, _ = body.terms[0].factors[0]
    if tensor not in whole:
        return body
    if isinstance(tensor, Shared):
        return tensor.expression(slots)
    return Sum((tensor.term(slots),)) if isinstance(tensor, Contraction) else body


def _body(tensor: Tensor) -> Sum:
    if isinstance(tensor, Contraction):
        return Sum((tensor.term(tensor.axes),))
    if isinstance(tensor, Shared):
        return tensor.body
    return of_factor(tensor(*tensor.axes))


def _name(tensor: Tensor, taken: set[str]) -> str:
    scalars = {"exp": "E", "max": "top", "inv": "inverse"}
    base = "P" if tensor.rank > 1 else "z" if tensor.rank == 1 else "s"
    if isinstance(tensor, Apply):
        letter = tensor.operation.name[0].upper()
        base = scalars.get(tensor.operation.name, {"G": "B", "L": "U"}.get(letter, letter))
    elif isinstance(tensor, Shared):
        base = "D" if tensor.rank > 1 else "u"
    name, k = base, 1
    while name in taken:
        k += 1
        name = f"{base}{k}"
    return name


def _free_name(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _product_rule(writer: _Writer, tensor: Tensor, body: Sum, target: Input, into: Axes) -> Sum:
    """The derivative of a tensor in terms of those of its parts, which stay symbols."""
    if not isinstance(tensor, Apply):
        return _differentiated(writer, body, target, into)
    batch = tensor.axes[: tensor.batch]
    out = tensor.axes[tensor.batch :]
    terms: list[Term] = []
    assert isinstance(tensor.operation, Primitive)
    for k, arg in enumerate(tensor.arguments(batch)):
        core = [Index.fresh(index.dim) for index in tensor.cores[k]]
        inner = _differentiated(writer, arg.substitute(dict(zip(tensor.cores[k], core, strict=True))), target, into)
        if not inner.terms:
            continue
        (slope,) = rewrites.whole(calculus.local_derivative(tensor, k, batch, out, core)).terms or (None,)
        if slope is None:
            continue
        for term in inner.terms:
            factors = [*slope.factors, *term.factors]
            terms.append(
                product(number(slope.coefficient * term.coefficient), factors, (*slope.summed, *term.summed, *core))
            )
    return Sum(terms)


def _differentiated(writer: _Writer, body: Sum, target: Input, into: Axes) -> Sum:
    """The product rule on a sum, the derivatives of its factors left as symbols."""
    terms: list[Term] = []
    for term in body.terms:
        for factor in term.factors:
            tensor, slots, exponent = factor
            if tensor is DELTA or target.name not in tensor.inputs:
                continue
            name = target.name if tensor is target else writer.names.get(tensor, "")
            mark = writer.marker(name, tensor.rank, target.name, (*tensor.shape, *target.shape))
            rest = [f for f in term.factors if f is not factor]
            inner = [Factor(tensor, slots, number(exponent - 1))] if exponent != 1 else []
            coefficient: Number = number(term.coefficient * exponent)
            terms.append(product(coefficient, [*rest, *inner, mark(*slots, *into)], term.summed))
    return Sum(terms)


def _put_in(
    writer: _Writer,
    groups: Sequence[tuple[str, Axes]],
    raw: Sum,
    known: Mapping[Tensor, Sum],
    target: Input,
    into: Axes,
    rule: str,
) -> Sum:
    """Show the rule, put in what the derivatives in it are, and simplify."""
    writer.add(groups, raw, rule)
    named = {name: tensor for tensor, name in writer.names.items()}
    only_own = True
    terms: list[Term] = []
    for term in raw.terms:
        for k, factor in enumerate(term.factors):
            if not isinstance(factor.tensor, Input) or factor.tensor.name not in writer.marks:
                continue
            of, _, rank = writer.marks[factor.tensor.name]
            slots: tuple[Slot, ...] = factor.slots[:rank]
            if of == target.name:
                change = calculus.identity(slots, into)
            else:
                only_own = False
                tensor = named[of]
                change = known[tensor].substitute(dict(zip(tensor.axes, slots, strict=True)))
            rest = [f for n, f in enumerate(term.factors) if n != k]
            for inner in change.terms:
                coefficient = number(term.coefficient * inner.coefficient)
                terms.append(product(coefficient, [*rest, *inner.factors], term.summed))
            break
    body = Sum(terms)
    own = f"∂{target.name}/∂{target.name} is {'a product of δ' if target.rank else '1'}"
    writer.add(groups, body, own if only_own else "put in")
    return writer.simplify(groups, body)


def _gradient(
    writer: _Writer,
    name: str,
    axes: Axes,
    jacobian: Sum,
    target: Input,
    into: Axes,
    slope: str,
    cotangent: str,
) -> None:
    """The contraction of the Jacobian with the cotangent over the output's axes."""
    weight = Input(cotangent, tuple(axis.dim for axis in axes))
    letters = "ijklmnopqrstuvwxyz"[: len(axes)]
    loss = f"a loss L with {cotangent}[{letters}] = ∂L/∂{name}[{letters}]"
    title = f"{slope} = ∂L/∂{target.name}, for {loss}"
    writer.lines += ["", f"{title}: contract ∂{name}/∂{target.name} with {cotangent} over the axes of {name}"]
    groups = [(slope, into)]
    terms = [product(t.coefficient, [*t.factors, weight(*axes)], tuple(axes)) for t in jacobian.terms]
    raw = Sum(terms)
    writer.inputs = {**writer.inputs, cotangent: weight.shape}
    writer.add(groups, raw, "chain rule")
    writer.simplify(groups, raw)
