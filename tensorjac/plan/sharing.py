"""Expressions made ready for a program: contractions opened where they stand once, products joined, pairs shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ..rewrites import add, whole
from ..terms import (
    DELTA,
    Apply,
    Contraction,
    Factor,
    Index,
    Shared,
    Slot,
    Sum,
    Term,
    of_factor,
    product,
    scaled,
    shared,
)
from .bodies import Bodies
from .bracketing import read_off, rebracketed
from .choices import Choices
from .costs import Costs
from .cycles import shared_between_gradients
from .gathering import gathered
from .lifting import lifted
from .multiplying import distributed, multiplied_out
from .orienting import oriented
from .pairs import paired
from .reordering import reordered
from .triangles import with_indicators

# Programs of more tensors than this are planned once: of them, no other is made to be compared with.
LIMIT = 200


def prepared(roots: Sequence[Sum], costs: Costs, choices: Choices) -> Bodies:
    """The expressions of a program with these outputs."""
    bodies = _with_extremes_once(Bodies.below(lifted(roots)))
    if len(bodies.inner) > LIMIT:
        choices = Choices()
    below = read_off(rebracketed(bodies, choices), choices)
    ordered = multiplied_out(reordered(shared_between_gradients(below, costs), costs), choices)
    bodies = with_indicators(_opened(ordered)).mapped(_joined_products)
    _include_new(bodies)
    shared_pairs = distributed(paired(gathered(bodies, costs, (Contraction,)), costs, choices), choices)
    return oriented(gathered(shared_pairs, costs, (Contraction, Shared)))


def _include_new(bodies: Bodies) -> None:
    """Enter what the sums that joined products have made consist of."""
    while True:
        missing = [t for t in bodies.needed() if t not in bodies.inner and isinstance(t, Contraction | Shared | Apply)]
        if not missing:
            return
        below = Bodies.below([of_factor(tensor(*tensor.axes)) for tensor in missing])
        bodies.inner.update((tensor, below.inner[tensor]) for tensor in missing)


def _with_extremes_once(bodies: Bodies) -> Bodies:
    """What is compared with its own maximum is one array for both: rounded in two ways, it might never be equal."""
    for tensor in list(bodies.inner):
        if not isinstance(tensor, Apply) or tensor.operation.name != "equal":
            continue
        for place, other in ((0, 1), (1, 0)):
            extreme = [t for t in tensor.args[other].tensors if isinstance(t, Apply) and any(t.cores)]
            if len(extreme) != 1 or tensor.args[place].lone:
                continue
            (of,) = extreme[0].args
            once = shared(tensor.args[place])
            if shared(of).tensor is once.tensor:
                bodies.inner[tensor][place] = of_factor(once)
                bodies.inner[extreme[0]] = [of_factor(shared(of))]
    _include_new(bodies)
    return bodies


def _opened(bodies: Bodies) -> Bodies:
    """Contractions that stand once are opened in products without sums, so that scalings can move into them; those
    with more axes than any of their factors are opened under a sum, where another order is far cheaper."""
    uses = bodies.uses()

    def chosen(term: Term) -> Factor | None:
        found = _wide(term) if term.summed else [f for f in term.factors if _is_sum(f) and uses[f.tensor] == 1]
        return found[0] if len(found) == 1 else None

    opened = _with_opened(bodies, chosen)
    # under the sums that have come to light now, only what nothing else needs
    uses = opened.uses()
    here = Counter(wide[0].tensor for body in opened for term in body.terms if len(wide := _wide(term)) == 1)

    def left(term: Term) -> Factor | None:
        wide = _wide(term)
        return wide[0] if len(wide) == 1 and here[wide[0].tensor] == uses[wide[0].tensor] else None

    return _with_opened(opened, left)


def _is_sum(factor: Factor) -> bool:
    return isinstance(factor.tensor, Contraction) and factor.power == 1


def _wide(term: Term) -> list[Factor]:
    """The contractions under a sum that have more axes than any of their factors."""
    return [
        factor
        for factor in (term.factors if term.summed else ())
        if isinstance(factor.tensor, Contraction)
        and factor.power == 1
        and all(factor.tensor.rank > len(f.slots) for f in factor.tensor.factors)
    ]


def _with_opened(bodies: Bodies, chosen: Callable[[Term], Factor | None]) -> Bodies:
    """The expressions with the contraction opened that is chosen in each product."""

    def opened(term: Term) -> Term:
        factor = chosen(term)
        if factor is None:
            return term
        inside = bodies.opened(factor)
        factors = [*(other for other in term.factors if other is not factor), *inside.factors]
        coefficient = scaled(term.coefficient, inside.coefficient)
        if coefficient is None:
            return term
        return product(coefficient, factors, (*term.summed, *inside.summed))

    return bodies.mapped(lambda body: Sum([opened(term) for term in body.terms])).pruned()


def _joined_products(body: Sum) -> Sum:
    """A B + C B as (A + C) B: one product less for a sum that costs no more."""
    waiting = list(body.terms)
    terms: list[Term] = []
    while waiting:
        term = waiting.pop(0)
        for k, other in enumerate(waiting):
            joined = _joined(term, other)
            if joined is not None:
                del waiting[k]
                waiting.insert(0, joined)
                break
        else:
            terms.append(term)
    return Sum(terms) if len(terms) < len(body.terms) else body


def _joined(a: Term, b: Term) -> Term | None:
    """Two products of two factors that share one of them, as one product; None where they do not."""
    if not a.summed or len(a.factors) != 2 or len(b.factors) != 2 or len(a.summed) != len(b.summed):
        return None
    for first in a.factors:
        for second in b.factors:
            if first.tensor is not second.tensor or first.power != second.power or first.tensor is DELTA:
                continue
            # read over a part of an axis, the shared factor would be another matrix: sizes agree, too
            mapping: dict[Index, Slot] = {
                other: mine
                for mine, other in zip(first.slots, second.slots, strict=True)
                if isinstance(mine, Index) and isinstance(other, Index) and other in b.summed and mine.dim is other.dim
            }
            if set(mapping.values()) != set(a.summed) or len(mapping) != len(b.summed):
                continue
            moved = product(b.coefficient, [f.substitute(mapping) for f in b.factors])
            rest = [Term(term.coefficient, tuple(f for f in term.factors if f != first)) for term in (a, moved)]
            if all(len(term.factors) == 1 for term in rest) and rest[0].labels == rest[1].labels:
                (total,) = whole(add(*(Sum((term,)) for term in rest))).terms
                return product(total.coefficient, [first, *total.factors], a.summed)
    return None
