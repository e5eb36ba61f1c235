"""The one root of errors. Each says what happened, where, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any, ClassVar


class ExitCode(IntEnum):
    """Exit codes of every `citadel` command: a contract that scripts may rely on."""

    OK = 0
    ERROR = 1
    CHANGES = 2
    REFUSED = 3
    UNREACHABLE = 4


class FaultDomain(StrEnum):
    """Where the cure of an error lies."""

    INPUT = "input"
    CONFIGURATION = "configuration"
    SECRET = "secret"  # noqa: S105 # a word, no value
    POLICY = "policy"
    DEPENDENCY = "dependency"
    NETWORK = "network"
    HOST = "host"
    INTERNAL = "internal"


class CitadelError(Exception):
    """An expected failure, shown to a person without a traceback.

    Args:
        message: What went wrong and where, in one sentence; never a secret.
        next_step: What the operator should do now.

    Attributes:
        code: Names the kind of error for programs: unique to the class, `part.what-happened`.
        domain: Where the cure lies.
        exit_code: What a command ends with.

    Example:
        >>> CitadelError("port 8000 is taken", next_step="Give another.").as_data()["next_step"]
        'Give another.'
    """

    exit_code: ClassVar[ExitCode] = ExitCode.ERROR
    code: ClassVar[str] = "citadel.error"
    domain: ClassVar[FaultDomain] = FaultDomain.INTERNAL

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message, next_step)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message}\n  {self.next_step}" if self.next_step else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own calls the class with `args`, which no subclass promises to take.
        return _revive, (type(self), self.args, dict(self.__dict__))

    def as_data(self) -> dict[str, str]:
        """Return code, domain, message and next step, for logs and answers."""
        return {
            "code": self.code,
            "domain": self.domain.value,
            "message": self.message,
            "next_step": self.next_step,
        }


def _revive(
    kind: type[CitadelError], arguments: tuple[Any, ...], state: Mapping[str, Any]
) -> CitadelError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class RefusedError(CitadelError):
    """Validation or policy refused the request; nothing was touched."""

    exit_code = ExitCode.REFUSED
    code = "citadel.refused"
    domain = FaultDomain.POLICY


class UnreachableError(CitadelError):
    """A host, a stack or a service did not answer."""

    exit_code = ExitCode.UNREACHABLE
    code = "citadel.unreachable"
    domain = FaultDomain.NETWORK


class InvalidInputError(RefusedError):
    """Input from outside has another form than the one that is asked for."""

    code = "input.invalid"
    domain = FaultDomain.INPUT


class InvalidConfigurationError(RefusedError):
    """A service cannot work with the configuration that it was given."""

    code = "configuration.invalid"
    domain = FaultDomain.CONFIGURATION


class DependencyError(UnreachableError):
    """What a service depends on is away, or answers wrongly."""

    code = "dependency.unavailable"
    domain = FaultDomain.DEPENDENCY


class BreakerOpenError(DependencyError):
    """The circuit breaker refused a call: the dependency failed too often.

    Attributes:
        retry_after: Seconds until the breaker lets a call through again.
    """

    code = "dependency.breaker-open"

    def __init__(self, name: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(
            f"calls to {name} are held back after repeated failures, for {retry_after:.1f} s more",
            next_step=f"Look at the health of {name}; it is tried again by itself.",
        )


class LifecycleError(CitadelError):
    """A service was told to do what its state does not allow."""

    code = "service.wrong-state"


class StartTimeoutError(CitadelError):
    """A service did not get ready in time; what it had started is undone."""

    code = "service.start-timeout"
    domain = FaultDomain.DEPENDENCY


class RegistryError(CitadelError):
    """Services are declared in a way that cannot be started: a cycle, or an unknown name."""

    code = "service.registry"
    domain = FaultDomain.CONFIGURATION
    exit_code = ExitCode.REFUSED


class UnexpectedError(CitadelError):
    """A fault of ours, or of a library, seen from outside: the log holds the details.

    Attributes:
        incident: The id that the log names it by.
    """

    code = "citadel.unexpected"

    def __init__(self, incident: str, what: str = "the request") -> None:
        self.incident = incident
        super().__init__(
            f"{what} failed unexpectedly (incident {incident})",
            next_step=f"Look for incident {incident} in the service's log.",
        )
