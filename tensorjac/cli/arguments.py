"""Command lines: the options of a command, what they are given, and what to say where they are mistyped."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

from ..errors import TensorjacError
from .terminal import Paint

_SHAPE = re.compile(r"(?P<name>[^\W\d]\w*)=(?P<sizes>.*)", re.DOTALL)
_SIZES = re.compile(r"[\w\s,+*/()-]*")


class UsageError(TensorjacError):
    """A command line that means nothing, with what to type instead."""


@dataclass(frozen=True)
class Option:
    """``--wrt INPUT``, or a flag where ``value`` is empty."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Arguments:
    """A command line, read: words that are neither shapes nor options, shapes by name, values by option."""

    words: tuple[str, ...]
    shapes: dict[str, str]
    options: dict[str, list[str]]


@dataclass(frozen=True)
class Answer:
    """What a command prints, and its exit status."""

    text: str
    status: int = 0


@dataclass(frozen=True)
class Command:
    """One command: how it is called, and the function that gives what it prints."""

    name: str
    operands: str
    meaning: str
    details: str
    options: tuple[Option, ...]
    examples: tuple[str, ...]
    run: Callable[[Arguments, Paint], str | Answer]

    def help(self) -> str:
        """What ``--help`` prints."""
        left = [f"{option.name} {option.value}".rstrip() for option in self.options] + ["--help"]
        right = [option.meaning for option in self.options] + ["print this"]
        width = max(map(len, left))
        lines = [f"  {a:<{width}}  {b}" for a, b in zip(left, right, strict=True)]
        examples = [f"  {example}" for example in self.examples]
        head = [
            f"usage: tensorjac {self.name} {self.operands} [options]",
            "",
            f"{self.meaning}.",
            self.details,
        ]
        return "\n".join([*head, "", "options:", *lines, "", "examples:", *examples])


def read(command: Command, given: Sequence[str]) -> Arguments:
    """Sort a command line into words, shapes and options, which may stand in any order.

    A word that begins with one dash is an expression, ``-X``; behind ``--`` nothing is an option.
    """
    known = {option.name: option for option in command.options}
    plain: list[str] = []
    options: dict[str, list[str]] = {}
    rest = list(given)
    while rest:
        word = rest.pop(0)
        if word == "--":
            plain += rest
            break
        if f"-{word}" in known or word.startswith(("--", "–", "—")):
            name, equals, value = word.partition("=")
            option = known.get(name) or _unknown(command, name)
            values = options.setdefault(name, [])
            if not option.value:
                if equals:
                    raise UsageError(f"{name} takes no value: write {name} alone.")
            elif equals or (rest and not rest[0].startswith("--")):
                values.append(value if equals else rest.pop(0))
            else:
                raise UsageError(f"{name} takes a value, and none follows: write {name} {option.value}.")
        else:
            plain.append(word)
    return Arguments(*_sorted(plain), options)


def _unknown(command: Command, name: str) -> NoReturn:
    near = get_close_matches(name.strip("-–—"), [option.name[2:] for option in command.options], 1)
    advice = f"did you mean --{near[0]}?" if near else f"tensorjac {command.name} --help lists all."
    raise UsageError(f"there is no option {name}: {advice}")


def _sorted(plain: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Words, and shapes by name. ``Y=X@A`` is an expression where there is no other; ``X=b,m`` never is."""
    words = [word for word in plain if not _SHAPE.fullmatch(word)]
    if not words:
        words = [word for word in plain if not _SIZES.fullmatch(word.partition("=")[2])][:1]
    shapes: dict[str, str] = {}
    for word in plain:
        found = _SHAPE.fullmatch(word)
        if found is None or word in words:
            continue
        name, sizes = found["name"], found["sizes"]
        if name in shapes:
            raise UsageError(
                f"{name} has one shape, and here are {name}={shapes[name]} and {name}={sizes}: leave one out."
            )
        shapes[name] = sizes
    return tuple(words), shapes


def one_word(arguments: Arguments, command: str) -> str:
    """The expression or function that a command is about."""
    example = f'tensorjac {command} "X @ A" X=b,m A=m,n'
    words = arguments.words
    if not words:
        raise UsageError(f"{command} needs an expression or a function: write {example}, for example.")
    if len(words) > 1:
        quoted = listed([f'"{word}"' for word in words])
        raise UsageError(
            f"{command} takes one expression or function, and here are {len(words)}: {quoted}.\n"
            f"put quotes around an expression, and write a shape without spaces: {example}."
        )
    return words[0]


def command_of(commands: Sequence[Command], given: Sequence[str]) -> Command:
    """The command that a command line begins with."""
    names = [command.name for command in commands]
    for command in commands:
        if given and given[0] == command.name:
            return command
    if not given:
        example = commands[0].examples[0]
        raise UsageError(f"a command is needed: write {example}, or tensorjac --help for more.")
    if given[0].startswith("-") and names[0] in given:
        moved = [word for word in given if word != names[0]]
        raise UsageError(f"the command comes first: write tensorjac {shlex.join([names[0], *moved])}.")
    near = get_close_matches(given[0], names, 1)
    if near:
        raise UsageError(f"there is no command {given[0]}: did you mean {near[0]}?")
    if len(given) > 1:
        line = shlex.join([names[0], *given])
        raise UsageError(f"there is no command {shlex.quote(given[0])}: did you mean tensorjac {line}?")
    raise UsageError(f"there is no command {shlex.quote(given[0])}: the commands are {', '.join(names)}.")


def listed(words: Sequence[str]) -> str:
    """a, b and c"""
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] if words else ""
