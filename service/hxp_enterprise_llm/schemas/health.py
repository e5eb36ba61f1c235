"""What a service says of its health: made of `core.health.Health`, which has no wire form."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.core.health import CheckResult, Health, Verdict
from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.schemas.base import CitadelModel, Seconds
from hxp_enterprise_llm.schemas.common import Record


class HealthCheckResult(CitadelModel):
    """What one check came to."""

    name: str = Field(min_length=1, description="Name of the check.")
    status: Verdict = Field(description="healthy, or what its failure makes of the service.")
    duration: Seconds = Field(ge=0, description="Seconds that it took.")
    detail: str = Field(default="", description="What it says, or why it failed; no secret.")

    @classmethod
    def of(cls, result: CheckResult) -> HealthCheckResult:
        """Return the record of a check's result."""
        return cls(
            name=result.name, status=result.verdict, duration=result.seconds, detail=result.detail
        )


class HealthStatus(Record):
    """How a service is: the worst of its state and its checks."""

    status: Verdict = Field(description="healthy, degraded (it serves all the same), unhealthy.")
    service: str = Field(min_length=1, description="Name of the service.")
    state: State = Field(description="Where its lifecycle stands.")
    checks: tuple[HealthCheckResult, ...] = Field(default=(), description="What each check says.")

    @classmethod
    def of(cls, health: Health) -> HealthStatus:
        """Return the record of what a service says of itself."""
        return cls(
            status=health.verdict,
            service=health.service,
            state=health.state,
            checks=tuple(HealthCheckResult.of(result) for result in health.checks),
        )

    @property
    def http_status(self) -> int:
        """Return 200 while it serves and 503 else, as load balancers read it."""
        return 503 if self.status is Verdict.UNHEALTHY else 200
