"""``tensorjac check``: derivatives and derivations by hand, and what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..check import Report, check_grad, check_hessian, check_jacobian, check_vjp, opaque
from ..check.derivation.proving import Setting
from ..check.markdown import check_document
from ..errors import TensorjacError, TraceError, UnsupportedError
from ..notation import is_index_notation
from .arguments import Answer, Arguments, Command, Option, UsageError, listed, one_word
from .subject import callable_of, function_of, is_callable
from .terminal import Paint, Style

STATUS = {"right": 0, "wrong": 1, "undecided": 3}
STYLES: dict[str, Style] = {"right": "right", "wrong": "fault", "undecided": "doubt", "note": "note"}
VERBS: dict[str, Callable[..., Report]] = {
    "--vjp": check_vjp,
    "--grad": check_grad,
    "--jacobian": check_jacobian,
    "--hessian": check_hessian,
}
_MARKDOWN = (".md", ".markdown")
_CLAIM = re.compile(r"\s*(?:∂\w+/∂)?(?P<name>[^\W\d]\w*(?:\s*,\s*[^\W\d]\w*)?)\s*=(?!=)(?P<text>.*)", re.DOTALL)
_SIZE = re.compile(r"(?P<name>[^\W\d]\w*)=(?P<number>[0-9]{1,6})")


def check(arguments: Arguments, paint: Paint) -> Answer:
    """What ``tensorjac check`` prints, and its exit status."""
    setting = Setting(_sizes(arguments), {}, _domains(arguments), _seed(arguments))
    if any(word.lower().endswith(_MARKDOWN) for word in arguments.words):
        return _documents(arguments, setting, paint)
    word = one_word(arguments, "check")
    verbs = [verb for verb in VERBS if verb in arguments.options]
    if len(verbs) != 1:
        few = "and here is none" if not verbs else f"and here are {listed(verbs)}"
        raise UsageError(
            f'check is about one kind of claim, {few}: write --vjp A="X.T @ G" for gradients, for example.'
        )
    subject = _subject(word, arguments)
    claim = _claims(arguments.options[verbs[0]], verbs[0])
    options = {"sizes": setting.sizes, "seed": setting.seed, "domain": setting.domain}
    report = VERBS[verbs[0]](subject, claim, symmetric=arguments.options.get("--symmetric", ()), **options)
    return Answer(_written(report, arguments, paint), STATUS[report.verdict])


def _written(report: Report, arguments: Arguments, paint: Paint) -> str:
    if "--json" in arguments.options:
        return json.dumps(report.as_dict(), ensure_ascii=False, indent=2)
    return "\n".join(painted(report, paint))


def painted(report: Report, paint: Paint) -> list[str]:
    """The lines of a report in colours."""
    return [paint(STYLES[role], line) if role in STYLES else line for role, line in report.lines()]


# Functions and claims about them ----------------------------------------------------------------------------------


def _subject(word: str, arguments: Arguments) -> Any:
    if "--opaque" not in arguments.options:
        try:
            return function_of(word, arguments.shapes)
        except (TraceError, UnsupportedError) as error:
            if not is_callable(word):
                raise
            raise type(error)(f"{error}\nOr check it as a black box, which is not derived: --opaque.") from None
    if not is_callable(word):
        raise UsageError("--opaque is about a function that is run: name one, such as layers.py:forward.")
    return opaque(callable_of(word, arguments.shapes), **arguments.shapes)


def _claims(values: list[str], verb: str) -> Any:
    """A callable for all inputs, or texts and callables by the inputs that they are about."""
    if len(values) == 1 and is_callable(values[0]) and "=" not in values[0]:
        return callable_of(values[0])
    found: dict[Any, Any] = {}
    for value in values:
        names, text = _about(value)
        if not names:
            pair = "x,x" if verb == "--hessian" else "A"
            advice = f'write {verb} {pair}="…", or {verb} FILE.py:FUNCTION alone'
            raise UsageError(f'{verb} says what the claim is about, and "{value}" does not: {advice}.')
        key = names if len(names) > 1 else names[0]
        if key in found:
            raise UsageError(f"there is one claim about {', '.join(names)}, and here are two: leave one out.")
        found[key] = callable_of(text) if is_callable(text) else text
    return found


def _about(value: str) -> tuple[tuple[str, ...], str]:
    """The inputs that a claim is about, and what it claims: index notation says it on its own left side."""
    left = value.partition("=")[0]
    if is_index_notation(value) and "[" in left:
        found = re.findall(r"[∂d](\w+)", left.rpartition("/")[2]) or re.findall(r"\w+", left)[:1]
        return tuple(found), value
    match = _CLAIM.fullmatch(value)
    if match is None:
        return (), value
    return tuple(name.strip() for name in match["name"].split(",")), match["text"].strip()


def _sizes(arguments: Arguments) -> dict[str, int]:
    sizes = {}
    for value in arguments.options.get("--size", ()):
        match = _SIZE.fullmatch(value)
        if match is None or not int(match["number"]):
            raise UsageError(f'--size is a name and a number, and "{value}" is not: write --size b=7, for example.')
        sizes[match["name"]] = int(match["number"])
    return sizes


def _domains(arguments: Arguments) -> dict[str, str]:
    domains = {}
    for value in arguments.options.get("--domain", ()):
        name, equals, domain = value.partition("=")
        if not equals:
            raise UsageError(f'--domain is a name and a domain, and "{value}" is not: write --domain x=positive.')
        domains[name] = domain
    return domains


def _seed(arguments: Arguments) -> int:
    seed = arguments.options.get("--seed", ["0"])[-1]
    if not seed.isdecimal() or len(seed) > 18:
        raise UsageError(f'--seed is a whole number, and "{seed}" is not: write --seed 1, for example.')
    return int(seed)


# Documents --------------------------------------------------------------------------------------------------------


def _documents(arguments: Arguments, setting: Setting, paint: Paint) -> Answer:
    """The derivations of Markdown files."""
    reports = {word: _checked(word, setting) for word in arguments.words}
    verdicts = {report.verdict for found in reports.values() for _, report in found}
    if not verdicts:
        names = listed(list(reports))
        raise UsageError(f"there is no derivation in {names}: one stands in a fenced block that begins ```derivation.")
    verdict = next(verdict for verdict in ("wrong", "undecided", "right") if verdict in verdicts)
    if "--json" in arguments.options:
        found = [
            {"file": word, "line": passage.line, **report.as_dict()}
            for word, several in reports.items()
            for passage, report in several
        ]
        plain = {"verdict": verdict, "derivations": found}
        return Answer(json.dumps(plain, ensure_ascii=False, indent=2), STATUS[verdict])
    sections = [_section(word, [report for _, report in found], paint) for word, found in reports.items()]
    return Answer("\n".join(sections), STATUS[verdict])


def _checked(word: str, setting: Setting) -> list[Any]:
    path = Path(word)
    if not path.is_file():
        near = sorted(str(one) for one in path.parent.glob("*.md"))[:6] if path.parent.is_dir() else []
        advice = f"there are {listed(near)}." if near else "check the name."
        raise UsageError(f"there is no file {word}: {advice}")
    try:
        document = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{word} is no text in UTF-8: save it as such.") from None
    try:
        return check_document(document, word, setting)
    except TensorjacError as error:
        raise type(error)(str(error) if str(error).startswith(word) else f"{word}: {error}") from None


def _section(word: str, reports: list[Report], paint: Paint) -> str:
    """One line about a document, and a paragraph for each step that does not follow or is not decided."""
    findings = [finding for report in reports for finding in report.findings]
    counted = f"{_count(len(findings), 'step')} in {_count(len(reports), 'derivation')}"
    bad = [finding for finding in findings if finding.verdict != "right"]
    if not bad:
        return paint("right", f"right: {word}: {counted}")
    verdict = "wrong" if any(finding.verdict == "wrong" for finding in bad) else "undecided"
    lines = [paint(STYLES[verdict], f"{verdict}: {word}: of {counted} {_not(verdict, len(bad))}")]
    for finding in bad:
        lines += ["", *painted(Report((finding,)), paint)[2:]]
    return "\n".join(lines)


def _not(verdict: str, number: int) -> str:
    if verdict == "wrong":
        return f"{number} {'does' if number == 1 else 'do'} not follow"
    return f"{number} {'is' if number == 1 else 'are'} not decided"


def _count(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"


CHECK = Command(
    "check",
    "EXPRESSION|FILE.py:FUNCTION|MODULE:FUNCTION|FILE.md NAME=SIZES…",
    "What is wrong with derivatives by hand, or with the derivations in a Markdown file",
    'A claim is a formula for one input, A="X.T @ G", or a function FILE.py:FUNCTION for all; G is the cotangent.\n'
    "In Markdown, fenced blocks marked `derivation` are checked line by line.\n"
    "The exit status is 0 for right, 1 for wrong, 3 for undecided and 2 for a command that means nothing.",
    (
        Option("--vjp", "INPUT=FORMULA|FUNCTION", "gradients ∂L/∂input, with cotangents; may be repeated"),
        Option("--grad", "INPUT=FORMULA|FUNCTION", "gradients of a scalar"),
        Option("--jacobian", "INPUT=FORMULA|FUNCTION", "Jacobians, output axes first"),
        Option("--hessian", "INPUT,INPUT=FORMULA|FUNCTION", "second derivatives of a scalar"),
        Option("--opaque", "", "do not derive the function: compare with complex steps and finite differences"),
        Option("--symmetric", "INPUT", "this input is a symmetric matrix"),
        Option("--domain", "INPUT=DOMAIN", "where this input is drawn from: positive, unit, positive definite, …"),
        Option("--size", "NAME=NUMBER", "check at this size, too"),
        Option("--seed", "NUMBER", "of the random points"),
        Option("--json", "", "the report for machines"),
    ),
    (
        'tensorjac check "X @ A" X=b,m A=m,n --vjp A="X.T @ G"',
        "tensorjac check layers.py:forward --vjp layers.py:backward X=b,m A=m,n",
        "tensorjac check notes/some-derivation.md",
    ),
    check,
)
