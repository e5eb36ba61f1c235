"""What a service tells of itself: its log, its series, its errors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from hxp_enterprise_llm.core.health import CheckResult, Verdict
from hxp_enterprise_llm.core.lifecycle import Transition
from hxp_enterprise_llm.core.metrics import MetricsRegistry, ServiceMetrics
from hxp_enterprise_llm.utilities.retry import Retried

if TYPE_CHECKING:
    from hxp_enterprise_llm.utilities.faults import Faults, Handling
    from hxp_enterprise_llm.utilities.logging import Logger
    from hxp_enterprise_llm.utilities.redaction import Redactor


class Telling:
    """Log, series and faults of one service; each is made when it is first used.

    Args:
        service: Its name.
        logger: Its logger; one of its own when not given.
        metrics: Where its series are registered.
        redactor: Takes secrets out of errors.
    """

    def __init__(
        self,
        service: str,
        *,
        logger: Logger | None,
        metrics: MetricsRegistry,
        redactor: Redactor | None,
    ) -> None:
        self._service, self._metrics = service, metrics
        self._logger, self._redactor = logger, redactor

    @cached_property
    def log(self) -> Logger:
        """Return the logger."""
        if self._logger is not None:
            return self._logger
        from hxp_enterprise_llm.utilities.logging import get_logger

        return get_logger(self._service)

    @cached_property
    def series(self) -> ServiceMetrics:
        """Return the series that every service has."""
        return ServiceMetrics(self._metrics, self._service)

    @cached_property
    def faults(self) -> Faults:
        """Return what logs and counts errors."""
        from hxp_enterprise_llm.utilities.faults import Faults

        return Faults(self._service, logger=self.log, count=self._count, redactor=self._redactor)

    def moved(self, transition: Transition) -> None:
        """Show the state that was entered."""
        self.series.entered(transition.new)

    def check_failed(self, error: Exception, check: str, first: bool) -> str:  # noqa: FBT001
        """Return what may be shown of a failed check; log it only when it had passed before."""
        # Health is asked every few seconds.
        tell = self.faults.report if first else self.faults.safe
        return tell(error, f"check {check}").message

    def checked(self, result: CheckResult) -> None:
        """Show the outcome of a health check."""
        healthy = result.verdict is Verdict.HEALTHY
        self.series.checked(result.name, ok=healthy, seconds=result.seconds)

    def retried(self, retried: Retried) -> None:
        """Log and count a try that is followed by another."""
        self.series.retried(retried.name)
        reason = self.faults.safe(retried.error, retried.name).message
        self.log.warning(
            "retry", doing=retried.name, attempt=retried.attempt, wait=retried.wait, reason=reason
        )

    def observer_failed(self, error: Exception) -> None:
        """Report an observer of the lifecycle that failed."""
        self.faults.report(error, "observer of the lifecycle")

    def _count(self, code: str, handling: Handling) -> None:
        self.series.fault(code, handling.value)
