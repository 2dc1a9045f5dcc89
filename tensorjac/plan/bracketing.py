"""Products bracketed again where a part of them is computed anyway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from itertools import combinations, permutations

from ..terms import Contraction, Factor, Index, Number, Sum, Tensor, Term, contraction, of_factor, product, signature
from .bodies import Bodies
from .choices import Choice, Choices
from .paths import EXHAUSTIVE


def rebracketed(bodies: Bodies, choices: Choices) -> Bodies:
    """⟨G, ⟨E, V⟩⟩ becomes ⟨E, ⟨G, V⟩⟩ where ⟨G, V⟩ is computed anyway and ⟨E, V⟩ stands nowhere else."""
    computed = _Computed(bodies, choices)
    # users first, and each until it stays: so a chain opens link by link
    waiting = [tensor for tensor in bodies.inner if isinstance(tensor, Contraction)]
    while waiting:
        if not computed.rebracket(waiting[-1]):
            waiting.pop()
    return computed.bodies


def read_off(bodies: Bodies, choices: Choices) -> Bodies:
    """Σ_k X[ik] Y[ik] is P[ii] where P[ij] = Σ_k X[ik] Y[jk] is computed anyway."""
    alike: dict[Number, list[Contraction]] = {}
    for tensor in bodies.inner:
        if isinstance(tensor, Contraction):
            alike.setdefault(tensor.signature, []).append(tensor)
    found = {
        one: read
        for group in alike.values()
        for one, other in permutations(group, 2)
        if one.rank == other.rank - 1 and (read := _diagonal(one, other)) is not None
    }
    if not found or not choices.takes(Choice.READ_OFF):
        return bodies
    return Bodies(bodies.roots, bodies.inner | {one: [of_factor(read)] for one, read in found.items()}).pruned()


def _diagonal(one: Contraction, other: Contraction) -> Factor | None:
    """The factor that reads one contraction, over its own axes, off a diagonal of another; None where it is on none."""
    for row, column in combinations(other.axes, 2):
        if row.dim is column.dim:
            tied = contraction([factor.substitute({column: row}) for factor in other.factors], other.summed)
            if tied.tensor is one:
                read = dict(zip(tied.labels, one.axes, strict=True))
                return other(*(read[row if axis is column else axis] for axis in other.axes))
    return None


class _Computed:
    """The expressions of a program, how often each tensor is used, and which signatures its contractions have."""

    def __init__(self, bodies: Bodies, choices: Choices) -> None:
        self.choices = choices
        self.bodies = Bodies(bodies.roots, dict(bodies.inner))
        self.uses = Counter(bodies.uses())
        self.signatures = Counter(t.signature for t in bodies.inner if isinstance(t, Contraction))

    def rebracket(self, tensor: Contraction) -> bool:
        """Bracket the product of a contraction again, if that makes use of another one."""
        if not self.uses[tensor]:
            return False
        ((term,),) = (body.terms for body in self.bodies.inner[tensor])
        lone = [f for f in term.factors if f.power == 1 and self.uses[f.tensor] == 1 and f.tensor in self.bodies.inner]
        lone = [factor for factor in lone if isinstance(factor.tensor, Contraction)]
        better = (self._found_in(term, lone, tensor) if lone else None) or self._found_in_needed(term, tensor)
        if better is None:
            return False
        # the new one counts first, so that what both use is not taken for unused
        self.bodies.inner[tensor] = [Sum((better,))]
        self.uses.update(f.tensor for f in better.factors)
        for factor in term.factors:
            self._release(factor.tensor)
        return True

    def _found_in_needed(self, term: Term, tensor: Tensor) -> Term | None:
        """The term with one contraction opened that something else needs, too, where it has fewer factors then."""
        for factor in term.factors:
            if isinstance(factor.tensor, Contraction) and factor.power == 1 and self.uses[factor.tensor] > 1:
                better = self._found_in(term, [factor], tensor)
                if better is not None and len(better.factors) < len(term.factors):
                    return better if self.choices.takes(Choice.OPENED) else None
        return None

    def _release(self, tensor: Tensor) -> None:
        """One use less, and what nobody uses any more goes."""
        waiting = [tensor]
        while waiting:
            tensor = waiting.pop()
            self.uses[tensor] -= 1
            if not self.uses[tensor]:
                waiting += [t for body in self.bodies.inner.pop(tensor, ()) for t in body.tensors]
                if isinstance(tensor, Contraction):
                    self.signatures[tensor.signature] -= 1

    def _found_in(self, term: Term, lone: Sequence[Factor], apart: Tensor) -> Term | None:
        """The term with ``lone`` contractions opened and another one found in it; None where none is."""
        factors = [f for f in term.factors if f not in lone]
        summed = list(term.summed)
        for factor in lone:
            inside = self.bodies.opened(factor)
            factors.extend(inside.factors)
            summed.extend(inside.summed)
        if len(factors) > EXHAUSTIVE:
            return None
        opened = {apart, *(factor.tensor for factor in lone)}
        for size in range(len(factors) - 1, 1, -1):
            for chosen in combinations(factors, size):
                if self.signatures[signature(Term(1, chosen))]:
                    found = self._bracketed(term, factors, chosen, summed, opened)
                    if found is not None:
                        return found
        return None

    def _bracketed(
        self,
        term: Term,
        factors: Sequence[Factor],
        chosen: Sequence[Factor],
        summed: Sequence[Index],
        apart: Container[Tensor],
    ) -> Term | None:
        """The term with the chosen factors as one contraction, if that is computed anyway."""
        rest = [f for f in factors if f not in chosen]
        outside = term.free.union(*(f.labels for f in rest))
        hidden = [i for i in summed if i not in outside and any(i in f.labels for f in chosen)]
        if not hidden:
            return None
        part = contraction(chosen, hidden)
        if part.tensor in apart or part.tensor not in self.bodies.inner:
            return None
        return product(term.coefficient, [*rest, part], tuple(i for i in summed if i not in hidden))
