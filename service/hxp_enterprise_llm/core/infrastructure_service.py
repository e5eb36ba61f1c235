"""The base of services that run Citadel itself: gateway, configuration, monitoring, storage."""

from __future__ import annotations

from abc import ABC

from hxp_enterprise_llm.core.service import BaseService, ConfigT


class BaseInfrastructureService(BaseService[ConfigT], ABC):
    """A service of Citadel's own: start-up, shutdown, health, configuration, logs and metrics."""
