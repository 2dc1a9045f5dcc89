"""How well the checker names mistakes: those of tests/mistakes.py in every identity and some layers, and those of
tests/mistakes_in_source.py in the backward passes of tests/spellings.py, with their source and without it.

Run from the root of the repository: python -m benchmarks.checker
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import handwritten
import mistakes_in_source
import spellings
import tensorjac as tj
from examples import layers
from identities import IDENTITIES
from mistakes import Outcome, Problem, checked, problems, right_forms, tried
from tensorjac.testing import derivable, with_cache

LAYERS = {
    "linear": (layers.linear, {"X": "b m", "A": "m n", "c": "n"}),
    "layer norm": (layers.layer_norm, {"X": "b n", "gamma": "n", "beta": "n"}),
    "attention": (layers.attention, {"Q": "s d", "K": "t d", "V": "t e"}),
    "cross entropy": (layers.softmax_cross_entropy, {"Z": "b n", "T": "b n"}),
    "batch norm": (
        lambda x, gamma, beta: handwritten.batchnorm_forward(x, gamma, beta)[0],
        {"x": "b n", "gamma": "n", "beta": "n"},
    ),
    "RMS norm": (lambda x, g: handwritten.rmsnorm_forward(x, g)[0], {"x": "b n", "g": "n"}),
    "GELU": (lambda x: handwritten.gelu_forward(x)[0], {"x": "b n"}),
}


def layer_problems() -> Iterator[Problem]:
    """One for each input of each layer; the right gradient is the derived one, as a callable."""
    for name, (fun, shapes) in LAYERS.items():
        F = tj.trace(fun, **shapes)
        axes = F.outputs["Y"]
        for wrt in shapes:
            right = F.vjp(wrt) if axes else F.grad(wrt)
            yield Problem(f"{name} by {wrt}", fun, shapes, wrt, right, scalar=not axes, square=axes == F.inputs[wrt])


def outcomes(subjects: Iterable[Problem]) -> list[Outcome]:
    """What was said about every planted mistake that changes the value."""
    among = list(subjects)
    return [outcome for problem in among for outcome in tried(problem, among)]


def in_sources(known: bool) -> list[Outcome]:
    """What was said about every mistake in the source of a layer, which the checker can read, or not."""
    return [outcome for layer in spellings.LAYERS for outcome in mistakes_in_source.tried(layer, known)]


def by_subject(found: Iterable[Outcome], layers: Iterable[str]) -> str:
    """Mistakes by subjects, in Markdown: how many were named of how many planted; the identities are one subject."""
    cells: dict[tuple[str, str], list[bool]] = defaultdict(list)
    names = list(layers)
    for outcome in found:
        layer = outcome.problem.rpartition(" by ")[0]
        cells[outcome.mistake, layer if layer in names else "identities"].append(outcome.named)
    columns = [*(["identities"] if any(subject == "identities" for _, subject in cells) else []), *names]
    lines = [f"| mistake | {' | '.join(columns)} |", "|---" + "|---:" * len(columns) + "|"]
    for mistake in dict.fromkeys(mistake for mistake, _ in cells):
        groups = [cells.get((mistake, column), []) for column in columns]
        lines.append(f"| {mistake} | {' | '.join(f'{sum(g)}/{len(g)}' if g else '' for g in groups)} |")
    return "\n".join(lines)


def table(found: list[Outcome]) -> str:
    """One line per mistake, in Markdown: how often it was planted, refused and named, and the causes named."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in found:
        groups[outcome.mistake].append(outcome)
    lines = ["| mistake | planted | refused | named | causes |", "|---|---:|---:|---:|---|"]
    for mistake, group in groups.items():
        causes = Counter(cause for outcome in group for cause in dict.fromkeys(outcome.causes))
        said = ", ".join(f"{cause} {count}" for cause, count in causes.most_common(6))
        refused, named = sum(o.refused for o in group), sum(o.named for o in group)
        lines.append(f"| {mistake} | {len(group)} | {refused} | {named} | {said} |")
    return "\n".join(lines)


def summary(found: list[Outcome]) -> str:
    """The totals, in one line."""
    refused, named = sum(o.refused for o in found), sum(o.named for o in found)
    return f"{len(found)} planted, {refused} refused, {named} named ({100 * named / len(found):.1f} %)"


def false_alarms() -> str:
    """How many right forms there are, and what is said about them."""
    verdicts = Counter(checked(row, claim).verdict for row in IDENTITIES for claim in right_forms(row))
    for layer in spellings.LAYERS:
        for backward, make in itertools.product(layer.backwards, (derivable, tj.opaque)):
            pair = with_cache(layer.forward, backward)
            function = make(pair.forward, **layer.shapes)
            report = tj.check_vjp(function, pair.backward, domain=layer.domain, sizes=layer.sizes)
            verdicts[report.verdict] += 1
    total = sum(verdicts.values())
    return (
        f"{total} right forms: {verdicts['right']} right, {verdicts['undecided']} undecided, {verdicts['wrong']} wrong"
    )


def seconds(found: Iterable[Outcome]) -> str:
    """How long the checks took, in CPU time."""
    times = sorted(outcome.seconds for outcome in found)
    return f"median {times[len(times) // 2]:.2f} s, longest {times[-1]:.1f} s"


if __name__ == "__main__":
    print(false_alarms(), flush=True)
    of_layers = outcomes(layer_problems())
    print(f"layers: {summary(of_layers)}", flush=True)
    of_identities = outcomes(problems())
    print(f"identities: {summary(of_identities)}", flush=True)
    of_sources = {known: in_sources(known) for known in (False, True)}
    for known, group in of_sources.items():
        print(f"sources, {'read' if known else 'not to be read'}: {summary(group)}; {seconds(group)}", flush=True)
    names = [str(layer) for layer in spellings.LAYERS]
    print(f"\n{table(of_identities + of_layers)}\n\n{by_subject(of_identities + of_layers, LAYERS)}")
    for known, group in of_sources.items():
        print(f"\nsources, {'read' if known else 'not to be read'}:\n\n{table(group)}\n\n{by_subject(group, names)}")
