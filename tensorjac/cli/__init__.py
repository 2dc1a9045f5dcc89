"""The command ``tensorjac``: what a person types in a shell, and what comes back."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata

from ..errors import TensorjacError
from .arguments import Answer, Command, command_of, read
from .bench import BENCH
from .check import CHECK
from .derive import DERIVE
from .terminal import Paint, opened, paint_for, writable

COMMANDS: tuple[Command, ...] = (DERIVE, CHECK, BENCH)

USAGE = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, without the name of the program; the exit status.

    >>> main(["derive", "X @ A", "X=b,m", "A=m,n", "--wrt", "A", "--jacobian"])
    ∂Y[ij]/∂A[kl] = X[ik] δ[jl]   shape (b, n, m, n)
    0
    """
    given = list(sys.argv[1:] if argv is None else argv)
    screen = opened(sys.stdout)
    try:
        answer = _answer(given, paint_for(screen))
        print(writable(answer.text, screen.encoding), file=screen, flush=True)
        return answer.status
    except BrokenPipeError:
        _give_up_stdout()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except TensorjacError as error:
        message = str(error)
    except OSError as error:
        _give_up_stdout()
        message = str(error)
    except Exception as error:  # no traceback reaches a person who typed a wrong expression
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
        said = " ".join(str(error).split())
        message = f"this is a fault of tensorjac itself: {place}: {type(error).__name__}: {said}"
    screen = opened(sys.stderr)
    print(paint_for(screen)("fault", "tensorjac:"), message, file=screen)
    return USAGE


def _give_up_stdout() -> None:
    """What is still in the buffer would be written at exit, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _answer(given: Sequence[str], paint: Paint) -> Answer:
    if given and given[0] in ("--help", "-h"):
        return Answer(_help())
    if given and given[0] == "--version":
        return Answer(f"tensorjac {_version()}")
    command = command_of(COMMANDS, given)
    if "--help" in given or "-h" in given:
        return Answer(command.help())
    found = command.run(read(command, given[1:]), paint)
    return Answer(found) if isinstance(found, str) else found


def _help() -> str:
    width = max(len(command.name) for command in COMMANDS)
    commands = [f"  {command.name:<{width}}  {command.meaning}" for command in COMMANDS]
    examples = [f"  {command.examples[0]}" for command in COMMANDS]
    lines = ["usage: tensorjac COMMAND …", "", "commands:", *commands, "", "examples:", *examples, ""]
    return "\n".join([*lines, "tensorjac COMMAND --help says more; tensorjac --version prints the version."])


def _version() -> str:
    try:
        return metadata.version("tensorjac")
    except metadata.PackageNotFoundError:
        return "(not installed)"
