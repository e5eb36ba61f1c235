"""How a command ends badly: lines for people, or one JSON document for programs."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise, takewhile
from typing import Any

import typer
from typer.exceptions import TyperException

from hxp_enterprise_llm.cli.console import print_json
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, FaultDomain

INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGTERM: what shells use for a process that SIGINT ended."""


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ROOM = "Make room there, or send it elsewhere; then run the same command again."
_STEPS = {
    errno.ENOENT: "Name what is there.",
    errno.EACCES: "Give this account access to it, or name another.",
    errno.EPERM: "Give this account access to it, or name another.",
    errno.EROFS: "Name a place that can be written.",
    errno.EEXIST: "Move it away, or name another.",
    errno.EISDIR: "Name a file: this is a folder.",
    errno.ENOTDIR: "Name a folder: this, or a part of its path, is none.",
    errno.ENAMETOOLONG: "Give it a shorter name.",
    errno.ELOOP: "Remove the link that leads to itself.",
    **dict.fromkeys(_FULL, _ROOM),
}


@dataclass(frozen=True)
class Failure:
    """What is told of an error.

    Attributes:
        code: Names the kind of error for programs, such as `citadel.unreachable`.
        message: What went wrong.
        where: File and line, or the phase, or the command.
        next_step: What to do now.
        exit_code: The code that the process ends with.
        findings: All findings in an environment file; empty for other errors.
    """

    code: str
    message: str
    where: str
    next_step: str
    exit_code: int
    findings: tuple[dict[str, Any], ...] = ()


def fail(error: BaseException, arguments: Sequence[str]) -> int:
    """Print an error in the form that the command line asked for; return the exit code.

    JSON goes to standard output, where a program awaits its one document; text to standard error.

    Args:
        error: What ended the command.
        arguments: The words after `citadel`.
    """
    failure = describe(error, arguments)
    if wants_json(arguments):
        print_json({"error": asdict(failure)})
    elif isinstance(error, CitadelError):
        typer.echo(str(error), err=True)
    else:
        typer.echo(f"{failure.message}\n  {failure.next_step}", err=True)
    return failure.exit_code


class FileError(CitadelError):
    """The system refused a file, a folder or an output: where, why, and what to do."""

    code = "cli.file"
    domain = FaultDomain.INPUT

    def __init__(self, place: str, why: str, *, next_step: str) -> None:
        super().__init__(f"{place}: {why}", next_step=next_step)


def file_error(error: OSError) -> FileError | None:
    """Return what an error of the system says of a file; None where it is of none.

    Args:
        error: What ended the command; it names a path, or standard output could not be written.
    """
    step = _STEPS.get(error.errno or 0, "See to it, then run the same command again.")
    why = (error.strerror or type(error).__name__).lower()
    if error.filename is not None:
        names = dict.fromkeys((error.filename, error.filename2 or error.filename))
        return FileError(
            " → ".join(visible(os.fsdecode(name)) for name in names), why, next_step=step
        )
    # Only an output that was opened before has no path.
    return FileError("the output", why, next_step=step) if error.errno in _FULL else None


def visible(text: str) -> str:
    """Return a path on one line, without what a terminal would obey."""
    return text if text.isprintable() else ascii(text)


def wants_json(arguments: Sequence[str]) -> bool:
    """Tell whether `--output json` was asked for; holds also where the words make no command."""
    words = list(takewhile(lambda word: word != "--", arguments))
    return "--output=json" in words or ("--output", "json") in pairwise(words)


def describe(error: BaseException, arguments: Sequence[str]) -> Failure:
    """Return what is told of an error.

    Args:
        error: What ended the command.
        arguments: The words after `citadel`.
    """
    command = shlex.join(("citadel", *_shown(error, arguments)))
    where = ", ".join(getattr(error, "__notes__", ())) or command
    if isinstance(error, CitadelError):
        return _expected(error, where)
    if isinstance(error, TyperException):
        step = "See: citadel --help"
        text = _without(error.format_message(), arguments)
        return Failure("cli.usage", text, command, step, ExitCode.ERROR)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        step = f"To go on, run the same command again: {command}"
        return Failure("cli.interrupted", "interrupted", where, step, INTERRUPTED)
    text = f"{type(error).__name__}: {error}"
    step = "This is a fault in Citadel: report it with the traceback on standard error."
    return Failure("citadel.unexpected", text, where, step, ExitCode.ERROR)


def _expected(error: CitadelError, where: str) -> Failure:
    from hxp_enterprise_llm.configuration.diagnostics import InvalidEnvironmentError, counted

    if not isinstance(error, InvalidEnvironmentError):
        return Failure(error.code, error.message, where, error.next_step, error.exit_code)
    errors = [item for item in error.diagnostics if item.severity == "error"]
    return Failure(
        error.code,
        f"{counted(len(errors), 'error')}; nothing was changed",
        str(errors[0].place) if errors else where,
        "Correct each of the findings, then run the same command again.",
        error.exit_code,
        tuple(item.as_data() for item in error.diagnostics),
    )


def _shown(error: BaseException, arguments: Sequence[str]) -> Sequence[str]:
    """Return the words that may be repeated: behind `secrets set` may stand a value."""
    wrong = isinstance(error, TyperException)
    values = list(arguments[:1]) == ["secrets"] and (wrong or "set" in arguments[1:2])
    return arguments[:2] if values else arguments


def _without(text: str, arguments: Sequence[str]) -> str:
    """Return the text of a usage error without the words that may be a value."""
    if list(arguments[:1]) != ["secrets"]:
        return text
    if "unexpected extra argument" in text:
        return "there are more words than this command takes; none of them may be a value"
    for word in arguments[2:]:
        value = word.partition("=")[2] if word.startswith("-") else word
        text = text.replace(repr(value), "…")
    return text
