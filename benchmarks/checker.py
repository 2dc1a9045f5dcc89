"""How well the checker names mistakes: every mistake of tests/mistakes.py, planted in every identity of the tests.

Run from the root of the repository: python -m benchmarks.checker
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from identities import IDENTITIES
from mistakes import Outcome, checked, problems, right_forms, tried


def outcomes() -> list[Outcome]:
    """What was said about every planted mistake that changes the value."""
    return [outcome for problem in problems() for outcome in tried(problem)]


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
    total = sum(verdicts.values())
    return (
        f"{total} right forms: {verdicts['right']} right, {verdicts['undecided']} undecided, {verdicts['wrong']} wrong"
    )


if __name__ == "__main__":
    everything = outcomes()
    print(table(everything))
    print()
    print(summary(everything))
    print(false_alarms())
