"""What the routes work with, made by the service when it starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from hxp_enterprise_llm.configuration.security.signing import Verifier
from hxp_enterprise_llm.configuration.service.approvals import Approvals
from hxp_enterprise_llm.configuration.service.documents import Documents
from hxp_enterprise_llm.configuration.service.door import Door
from hxp_enterprise_llm.configuration.service.fleet import Fleet
from hxp_enterprise_llm.configuration.service.metrics import RequestMetrics
from hxp_enterprise_llm.configuration.service.stream import Hub
from hxp_enterprise_llm.core.health import Health
from hxp_enterprise_llm.schemas.configuration_service import ConfigurationServiceConfig
from hxp_enterprise_llm.utilities.faults import Faults
from hxp_enterprise_llm.utilities.logging import Logger


@dataclass(frozen=True)
class Parts:
    """The parts of a running service.

    Attributes:
        name: Of the service.
        config: Its configuration when it started.
        sealed: Whether stored revisions are sealed.
        door: Who comes in.
        documents: What is served.
        fleet: Who runs which revision.
        hub: Who watches.
        approvals: Gives and checks approvals.
        verifier: Public keys of revisions; None when they are not signed.
        health: Asks all checks.
        requests: Counts requests.
        expose: Returns all series.
        faults: Logs and counts errors.
        log: The access log.
        now: The wall clock.
    """

    name: str
    config: ConfigurationServiceConfig
    sealed: bool
    door: Door
    documents: Documents
    fleet: Fleet
    hub: Hub
    approvals: Approvals
    verifier: Verifier | None
    health: Callable[[], Awaitable[Health]]
    requests: RequestMetrics
    expose: Callable[[], bytes]
    faults: Faults
    log: Logger
    now: Callable[[], datetime]
