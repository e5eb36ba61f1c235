"""How patient a service is: the times, tries and breaker that every service is given."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.base import CitadelModel, Seconds
from hxp_enterprise_llm.utilities.breaker import BreakerPolicy
from hxp_enterprise_llm.utilities.retry import RetryPolicy


class ServicePolicy(CitadelModel):
    """Times, tries and breaker of one service."""

    start_timeout: Seconds = Field(default=60.0, gt=0, description="It is ready by then, or fails.")
    drain_timeout: Seconds = Field(default=30.0, description="Work in progress may take so long.")
    stop_timeout: Seconds = Field(default=10.0, gt=0, description="Then closing is cut short.")
    retry: RetryPolicy = Field(default=RetryPolicy(), description="How calls are tried again.")
    breaker: BreakerPolicy = Field(
        default=BreakerPolicy(), description="When calls to a dependency are held back."
    )
