"""What a manager says of itself: what serves, what was refused and why; as metrics and events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import dotted
from hxp_enterprise_llm.configuration.phases import (
    UNDONE,
    Failure,
    ManagerHealth,
    Outcome,
    Phase,
    PhaseError,
    Reload,
    ReloadError,
    StaleError,
)
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.utilities.logging import Logger


@dataclass
class Standing:
    """Follows one manager.

    Args:
        name: Of the manager.
        series: What is counted with.
        log: Where events go.
        clock: Seconds that never jump.
        now: The wall clock.
    """

    name: str
    series: ConfigurationMetrics
    log: Logger
    clock: Callable[[], float]
    now: Callable[[], datetime]
    failure: Failure | None = field(default=None, init=False)
    _unwatched: Failure | None = field(default=None, init=False)
    _undone: Failure | None = field(default=None, init=False)
    _revision: str = field(default="", init=False)
    _number: int = field(default=0, init=False)

    @property
    def health(self) -> ManagerHealth:
        """Return what serves, and whether it is the newest."""
        failure = self.failure or self._unwatched
        ok = failure is None and bool(self._number)
        return ManagerHealth(self.name, ok, self._revision, self._number, failure)

    @property
    def unread(self) -> bool:
        """Return whether the sources could not be read when they were looked at last."""
        return self.failure is not None and self.failure.phase is Phase.READ

    def watched(self, trouble: Exception | None) -> None:
        """Note why changes may not be noticed; None: they are."""
        self._unwatched = None
        if trouble is not None:
            error = StaleError(
                f"{self.name}: changes may not be noticed ({type(trouble).__name__})",
                next_step="It is tried again by itself; SIGHUP looks now. The log names the place.",
            )
            self._unwatched = Failure(
                Phase.READ, error.code, error.message, error.next_step, self.now()
            )
        self.show()

    def serves(self, snapshot: Snapshot[Any] | None) -> None:
        """Note what serves from now on; None for nothing."""
        self._revision = snapshot.revision if snapshot is not None else ""
        self._number = snapshot.number if snapshot is not None else 0

    def refused(self, error: PhaseError, *, serving: bool = True) -> ReloadError:
        """Note why a configuration was not taken; return the error that callers get.

        Args:
            error: What went wrong.
            serving: Whether an older one serves on.
        """
        failed = ReloadError(self.name, error.phase, error.cause, serving=serving)
        before = self.failure
        code = getattr(error.cause, "code", failed.code)
        self.failure = Failure(error.phase, code, failed.message, failed.next_step, self.now())
        if error.phase in UNDONE:
            self._undone = self.failure
        self.series.failed(self.name, error.phase)
        # A poll that finds the same fault each minute is one event.
        if before is None or (before.phase, before.message) != (error.phase, failed.message):
            self.log.warning(
                "configuration.refused",
                phase=error.phase.value,
                code=code,
                error=failed.message,
                next_step=failed.next_step,
            )
        self.show()
        return failed

    def took(self, reload: Reload[Any], began: float) -> None:
        """Note that the newest configuration serves.

        Args:
            reload: What was done.
            began: When it began, by the clock.
        """
        self.failure = self._undone = None
        applied = reload.outcome is Outcome.APPLIED
        seconds = self.clock() - began
        self.series.reloaded(self.name, reload.outcome, seconds if applied else None)
        self.show()
        if applied:
            self.log.info(
                "configuration.applied",
                revision=reload.new.revision,
                number=reload.new.number,
                actor=reload.new.actor,
                reason=reload.new.reason,
                approver=reload.new.approver,
                changed=[dotted(change.path) for change in reload.changes],
                seconds=round(seconds, 4),
            )

    def looked(self, reload: Reload[Any], *, asked: bool) -> None:
        """Answer who asked by hand, also where there was nothing to take."""
        if asked and reload.outcome is Outcome.UNCHANGED:
            self.log.info(
                "configuration.unchanged",
                revision=reload.new.revision,
                number=reload.new.number,
            )

    def held(self) -> None:
        """Note that what was rolled back was left alone: whatever failed since is over."""
        self.failure = self._undone
        self.series.reloaded(self.name, Outcome.HELD)
        self.show()

    def show(self) -> None:
        """Put what serves into the metrics."""
        self.series.serves(self.name, self._revision, self._number, ok=self.health.failure is None)
