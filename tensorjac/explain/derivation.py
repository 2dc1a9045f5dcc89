"""The derivation, step by step, in the order in which a teacher would write it.

For every input: the derivative of each intermediate by the product rule or the chain rule, what is known put in, the δ
eliminated one by one, and what is left simplified; then the contraction with the cotangent in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .. import calculus, rewrites
from ..dims import Dim
from ..primitives import Primitive
from ..terms import DELTA, Apply, Factor, Index, Input, Sum, Tensor, Term, number, product
from .intermediates import Intermediates, definition, name_of
from .lines import Axes, Lines, Mark, free_name

# Rewrites that are shown one application at a time; the others are named together at the last line.
SHOWN = ("δ decided", "δ renames", "unused index")

Group = tuple[str, Axes]


def explain(
    inputs: Mapping[str, tuple[Dim, ...]],
    outputs: Mapping[str, tuple[Axes, Sum]],
    wrt: Sequence[str],
    constants: Mapping[Tensor, str],
    gradients: bool = True,
) -> str:
    """The derivation of the Jacobians of ``outputs`` by ``wrt`` and, from them, of the gradients."""
    parts = Intermediates(outputs, wrt, constants)
    taken = {*inputs, *outputs, *constants.values(), "L"}  # L is the loss
    several = len(outputs) > 1
    cotangents = {name: free_name(f"G{k}" if several else "G", taken) for k, name in enumerate(outputs, start=1)}
    slopes = {by: free_name(f"d{by}", taken) for by in wrt}
    taken.update(size for dims in inputs.values() for dim in dims for size in dim.names)
    names = dict(constants)
    names.update((tensor, name_of(tensor, taken)) for tensor in parts.named)
    lines = Lines(inputs, names, constants)
    for tensor in parts.named:
        lines.add([(names[tensor], tensor.axes)], definition(tensor), "definition", tensor)
    for name, (axes, body) in outputs.items():
        lines.add([(name, axes)], parts.opened(body), "definition")
    for by in wrt:
        derivation = _Derivation(lines, parts, Input(by, inputs[by]))
        for tensor in parts.named:
            if by in tensor.inputs:
                derivation.intermediate(tensor)
        for name, (axes, body) in outputs.items():
            if any(by in tensor.inputs for tensor in body.tensors):
                jacobian = derivation.output(name, axes, body)
                # the derivative of a scalar is its gradient already
                if gradients and axes:
                    derivation.gradient(name, axes, jacobian, slopes[by], cotangents[name])
    return lines.text()


class _Derivation:
    """The derivatives by one input: first those of the intermediates, then those of the outputs."""

    def __init__(self, lines: Lines, parts: Intermediates, target: Input) -> None:
        self.lines = lines
        self.parts = parts
        self.target = target
        self.into = tuple(Index.fresh(dim) for dim in target.shape)
        self.known: dict[Tensor, Sum] = {}

    def intermediate(self, tensor: Tensor) -> None:
        """A paragraph on ∂E/∂X, which later ones put in."""
        name = self.lines.names[tensor]
        raw, rule = self._of_tensor(tensor)
        self.known[tensor] = self._paragraph(name, tensor.axes, raw, rule)

    def output(self, name: str, axes: Axes, body: Sum) -> Sum:
        """A paragraph on ∂Y/∂X, and what that is."""
        lone = body.lone
        if lone is not None and isinstance(lone.tensor, Apply) and lone.tensor in self.parts.whole:
            raw, rule = self._of_tensor(lone.tensor)
            raw = raw.substitute(dict(zip(lone.tensor.axes, lone.slots, strict=True)))
        else:
            raw, rule = self._of_sum(self.parts.opened(body)), "product rule"
        return self._paragraph(name, axes, raw, rule)

    def gradient(self, name: str, axes: Axes, jacobian: Sum, slope: str, cotangent: str) -> None:
        """A paragraph on the contraction of the Jacobian with the cotangent over the output's axes."""
        lines, by = self.lines, self.target.name
        weight = Input(cotangent, tuple(axis.dim for axis in axes))
        letters = "ijklmnopqrstuvwxyz"[: len(axes)]
        loss = f"a loss L with {cotangent}[{letters}] = ∂L/∂{name}[{letters}]"
        title = f"{slope} = ∂L/∂{by}, for {loss}"
        lines.title(f"{title}: contract ∂{name}/∂{by} with {cotangent} over the axes of {name}")
        raw = Sum(product(t.coefficient, [*t.factors, weight(*axes)], tuple(axes)) for t in jacobian.terms)
        lines.inputs = {**lines.inputs, cotangent: weight.shape}
        lines.add([(slope, self.into)], raw, "chain rule")
        self._simplify([(slope, self.into)], raw)

    def _paragraph(self, name: str, axes: Axes, raw: Sum, rule: str) -> Sum:
        """Show the rule, put in what the derivatives in it are, and simplify."""
        groups = [(name, axes), (self.target.name, self.into)]
        self.lines.title(f"∂{name}/∂{self.target.name}")
        self.lines.add(groups, raw, rule)
        body, reason = self._put_in(raw)
        self.lines.add(groups, body, reason)
        return self._simplify(groups, body)

    # The rules.

    def _of_tensor(self, tensor: Tensor) -> tuple[Sum, str]:
        """The derivative of a tensor in terms of those of its parts, which stay symbols, and the rule."""
        if not isinstance(tensor, Apply):
            return self._of_sum(definition(tensor)), "product rule"
        batch, out = tensor.axes[: tensor.batch], tensor.axes[tensor.batch :]
        terms: list[Term] = []
        assert isinstance(tensor.operation, Primitive)
        for k, arg in enumerate(tensor.arguments(batch)):
            core = [Index.fresh(index.dim) for index in tensor.cores[k]]
            inner = self._of_sum(arg.substitute(dict(zip(tensor.cores[k], core, strict=True))))
            if not inner.terms:
                continue
            for slope in rewrites.whole(calculus.local_derivative(tensor, k, batch, out, core)).terms:
                for term in inner.terms:
                    summed = (*slope.summed, *term.summed, *core)
                    coefficient = number(slope.coefficient * term.coefficient)
                    terms.append(product(coefficient, [*slope.factors, *term.factors], summed))
        return Sum(terms), "chain rule"

    def _of_sum(self, body: Sum) -> Sum:
        """The product rule on a sum, the derivatives of its factors left as symbols."""
        target = self.target
        terms: list[Term] = []
        for term in body.terms:
            for factor in term.factors:
                tensor, slots, exponent = factor
                if tensor is DELTA or target.name not in tensor.inputs:
                    continue
                name = target.name if tensor is target else self.lines.names.get(tensor, "")
                mark = self.lines.marker(Mark(name, target.name, tensor.rank, (*tensor.shape, *target.shape)))
                rest = [f for f in term.factors if f is not factor]
                inner = [Factor(tensor, slots, number(exponent - 1))] if exponent != 1 else []
                coefficient = number(term.coefficient * exponent)
                terms.append(product(coefficient, [*rest, *inner, mark(*slots, *self.into)], term.summed))
        return Sum(terms)

    def _put_in(self, raw: Sum) -> tuple[Sum, str]:
        """The derivatives that stand for themselves replaced by what they are, and how one says that."""
        target, marks = self.target, self.lines.marks
        named = {name: tensor for tensor, name in self.lines.names.items()}
        reason = f"∂{target.name}/∂{target.name} is {'a product of δ' if target.rank else '1'}"
        terms: list[Term] = []
        for term in raw.terms:
            marked = next(f for f in term.factors if isinstance(f.tensor, Input) and f.tensor.name in marks)
            assert isinstance(marked.tensor, Input)
            of, _, rank, _ = marks[marked.tensor.name]
            slots = marked.slots[:rank]
            if of == target.name:
                change = calculus.identity(slots, self.into)
            else:
                reason = "put in"
                change = self.known[named[of]].substitute(dict(zip(named[of].axes, slots, strict=True)))
            rest = [f for f in term.factors if f is not marked]
            for inner in change.terms:
                coefficient = number(term.coefficient * inner.coefficient)
                terms.append(product(coefficient, [*rest, *inner.factors], term.summed))
        return Sum(terms), reason

    def _simplify(self, groups: Sequence[Group], raw: Sum) -> Sum:
        """Eliminate the δ line by line, then show what the other rewrites leave."""
        current = raw
        while (step := _one_step(current)) is not None:
            reason, current = step
            self.lines.add(groups, current, reason)
        with rewrites.recording() as steps:
            final = rewrites.finished(current)
        used = [name for name in dict.fromkeys(step.name for step in steps) if name not in SHOWN]
        self.lines.add(groups, final, ", ".join(used) or "like terms")
        return final


def _one_step(body: Sum) -> tuple[str, Sum] | None:
    """The first rewrite of those shown that applies to a term, and the sum after it."""
    rules = [(name, rule) for name, rule in rewrites.term_rules() if name in SHOWN]
    for term in body.terms:
        for name, rule in rules if term.summed else ():
            result = rule(term)
            if result is not None:
                others = [other for other in body.terms if other is not term]
                return name, Sum([*others, *result.terms])
    return None
