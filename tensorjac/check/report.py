"""What a check says: findings, one or more per argument, and the report that holds them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import DerivationError

Verdict = Literal["right", "wrong", "undecided"]
Role = Literal["right", "wrong", "undecided", "message", "note"]

WIDTH = 100


@dataclass(frozen=True)
class Finding:
    """One statement about one argument.

    ``cause`` is an identifier from ``CAUSES``, or None where nothing is wrong or nothing fits; ``message`` is one
    paragraph for a person, ``evidence`` the facts that it rests on, one sentence each.

    >>> import tensorjac as tj
    >>> (finding,) = tj.check_vjp(tj.parse("Y = X @ A", X="b m", A="m n"), {"A": "G.T @ X"}).findings
    >>> finding.argument, finding.verdict, finding.cause
    ('A', 'wrong', 'transposed')
    """

    argument: str
    verdict: Verdict
    message: str
    cause: str | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """The findings of a check; true where every one of them is "right".

    ``subject`` says what was checked, ``precision`` how well the truth is known, ``notes`` what else a reader should
    know, such as a point at which a check is vacuous.

    >>> right = Finding("A", "right", "dA is right.")
    >>> wrong = Finding("X", "wrong", "dX has the wrong sign.", "sign", ("dX / truth is -1 in every entry",))
    >>> report = Report((right, wrong), "the VJP of Y[ij] = X[ik] A[kj]")
    >>> bool(report), report.verdict
    (False, 'wrong')
    >>> print(report)
    wrong: the VJP of Y[ij] = X[ik] A[kj]
    <BLANKLINE>
    A  right
       dA is right.
    X  wrong (sign)
       dX has the wrong sign.
       - dX / truth is -1 in every entry
    """

    findings: tuple[Finding, ...]
    subject: str = ""
    precision: str = ""
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings' verdicts."""
        verdicts = {finding.verdict for finding in self.findings}
        return "wrong" if "wrong" in verdicts else "undecided" if "undecided" in verdicts else "right"

    def __bool__(self) -> bool:
        return self.verdict == "right"

    def __str__(self) -> str:
        return "\n".join(line for _, line in self.lines())

    def lines(self) -> Iterator[tuple[Role, str]]:
        """The lines of the report, each with the part that it plays, which may have a colour."""
        yield self.verdict, f"{self.verdict}: {self.subject}" if self.subject else self.verdict
        yield "note", ""
        width = max((len(finding.argument) for finding in self.findings), default=0)
        for finding in self.findings:
            cause = f" ({finding.cause})" if finding.cause else ""
            yield finding.verdict, f"{finding.argument:<{width}}  {finding.verdict}{cause}"
            for line in _paragraph(finding.message, width + 2):
                yield "message", line
            for fact in finding.evidence:
                for line in _paragraph(fact, width + 2, "- "):
                    yield "note", line
        texts = [*([self.precision] if self.precision else []), *(f"note: {note}" for note in self.notes)]
        for k, text in enumerate(texts):
            if k == 0:
                yield "note", ""
            for line in _paragraph(text, 0):
                yield "note", line

    def raise_if_wrong(self) -> None:
        """Raises :class:`DerivationError` with the whole report where a finding is "wrong"; made for tests."""
        if self.verdict == "wrong":
            raise DerivationError(str(self))

    def as_dict(self) -> Mapping[str, object]:
        """The report in plain values, ready for JSON."""
        return {
            "verdict": self.verdict,
            "subject": self.subject,
            "precision": self.precision,
            "notes": list(self.notes),
            "findings": [
                {
                    "argument": finding.argument,
                    "verdict": finding.verdict,
                    "cause": finding.cause,
                    "message": finding.message,
                    "evidence": list(finding.evidence),
                }
                for finding in self.findings
            ],
        }


def _paragraph(text: str, indent: int, mark: str = "") -> list[str]:
    """The lines of a text, broken between words; lines that are broken already, such as carets, stay."""
    lead, rest = " " * indent + mark, " " * (indent + len(mark))
    lines: list[str] = []
    for k, line in enumerate(text.splitlines()):
        start = rest if k else lead
        broken = textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False, drop_whitespace=True)
        kept = [line] if line.startswith("  ") or not broken else broken
        lines += [(start if not n else rest) + piece for n, piece in enumerate(kept)]
    return lines
