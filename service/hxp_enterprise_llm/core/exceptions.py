"""The one root of errors. Each says what happened, where, and what to do next."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every `citadel` command: a contract that scripts may rely on."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    REFUSED = 3
    UNREACHABLE = 4


class CitadelError(Exception):
    """An expected failure, shown to a person without a traceback.

    Args:
        message: What went wrong and where, in one sentence.
        next_step: What the operator should do now.
    """

    exit_code = ExitCode.ERROR

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message, next_step)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message}\n  {self.next_step}" if self.next_step else self.message


class RefusedError(CitadelError):
    """Validation or policy refused the request; nothing was touched."""

    exit_code = ExitCode.REFUSED


class UnreachableError(CitadelError):
    """A host, a stack or a service did not answer."""

    exit_code = ExitCode.UNREACHABLE
