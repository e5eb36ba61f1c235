"""The phases of a reload, what comes of it, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.diagnostics import dotted
from hxp_enterprise_llm.configuration.diff import Change
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, FaultDomain, RefusedError

ModelT = TypeVar("ModelT", bound=BaseModel)


class Phase(StrEnum):
    """Steps of a reload, in their order. All before `swap` leave the old configuration alone."""

    READ = "read"
    PARSE = "parse"
    MIGRATE = "migrate"
    VALIDATE = "validate"
    APPROVE = "approve"
    RESOLVE = "resolve"
    BUILD = "build"
    PROBE = "probe"
    RECORD = "record"
    SWAP = "swap"
    VERIFY = "verify"


UNDONE = frozenset({Phase.SWAP, Phase.VERIFY})
"""What fails here was in force, and is rolled back; before, nothing was changed."""


class Outcome(StrEnum):
    """What came of a reload that did not fail."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    HELD = "held"
    """It was rolled back before; only somebody who asks for it gets it again."""


@dataclass(frozen=True)
class Reload(Generic[ModelT]):
    """What a reload did.

    Attributes:
        outcome: What came of it.
        old: What served before; None for the first.
        new: What serves now.
        changes: What differs, with the effect of each change.
    """

    outcome: Outcome
    old: Snapshot[ModelT] | None
    new: Snapshot[ModelT]
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Why the newest configuration does not serve.

    Attributes:
        phase: Where it failed.
        code: Code of the error.
        message: What and where; holds no value of the configuration.
        next_step: What to do.
        at: When, by the wall clock, in UTC.
    """

    phase: Phase
    code: str
    message: str
    next_step: str
    at: datetime


@dataclass(frozen=True)
class ManagerHealth:
    """How a manager is.

    Attributes:
        name: Of the manager.
        ok: The newest configuration serves.
        revision: What serves; empty before the first load.
        number: The number of that snapshot.
        failure: Why a newer one does not.
    """

    name: str
    ok: bool
    revision: str
    number: int
    failure: Failure | None = None


class PhaseError(Exception):
    """Carries an error and the phase that it came in; nobody outside the manager sees it."""

    def __init__(self, phase: Phase, cause: Exception) -> None:
        super().__init__(phase)
        self.phase, self.cause = phase, cause


class ReloadError(CitadelError):
    """A configuration was not taken; the old one serves on.

    Attributes:
        phase: Where it failed.
        cause: What went wrong.
    """

    code = "configuration.reload-failed"
    domain = FaultDomain.CONFIGURATION
    exit_code = ExitCode.REFUSED

    def __init__(self, name: str, phase: Phase, cause: Exception, *, serving: bool = True) -> None:
        self.phase, self.cause = phase, cause
        # An unknown error's text may hold a value of the configuration.
        message, next_step = type(cause).__name__, "Look at the place that the log names."
        if isinstance(cause, CitadelError):
            message, next_step = cause.message, cause.next_step
        old = "The old configuration serves on." if serving else "There is no older one to serve."
        super().__init__(
            f"{name} was not taken, phase {phase}: {message}",
            # The step last: it may end in a command.
            next_step=f"{old} {next_step}".rstrip(),
        )


class ApprovalError(RefusedError):
    """A dangerous change lacks its reason, or somebody else's approval."""

    code = "configuration.approval-needed"

    def __init__(self, found: tuple[Change, ...], missing: str) -> None:
        keys = ", ".join(dotted(change.path) for change in found)
        super().__init__(
            f"{keys}: a dangerous change needs {missing}",
            next_step="Reload with a reason and with an approver who is not the actor.",
        )


class NotLoadedError(CitadelError, AttributeError):
    """The snapshot was read before the first load."""

    code = "configuration.not-loaded"


class ProbeError(CitadelError):
    """A probe said no."""

    code = "configuration.probe-failed"
    domain = FaultDomain.CONFIGURATION


class UnsteadyError(CitadelError):
    """The files changed each time they were read."""

    code = "configuration.unsteady"
    domain = FaultDomain.CONFIGURATION


class StaleError(CitadelError):
    """An older configuration serves than the newest."""

    code = "configuration.stale"
    domain = FaultDomain.CONFIGURATION
