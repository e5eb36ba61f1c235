"""The configuration service's own limits and times on the one listener."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hxp_enterprise_llm.configuration.service.protocol import protocol_for
from hxp_enterprise_llm.schemas.configuration_service import ConfigurationServiceConfig
from hxp_enterprise_llm.utilities import listener
from hxp_enterprise_llm.utilities.listener import bind

__all__ = ["Listener", "bind"]

_BACKLOG = 512


class Listener(listener.Listener):
    """A listener of the configuration service.

    Args:
        app: The application.
        config: Limits and times.
    """

    def __init__(self, app: Callable[..., Any], config: ConfigurationServiceConfig) -> None:
        times = config.timeouts
        super().__init__(
            app,
            http=protocol_for(config.limits, times),
            backlog=_BACKLOG,
            keep_alive=times.keep_alive,
            drain=times.drain,
        )
