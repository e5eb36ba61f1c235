"""A process: one service, and its own configuration, which it follows."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TypeVar

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.core.health import Check
from hxp_enterprise_llm.core.service import BaseService

ModelT = TypeVar("ModelT", bound=BaseModel)


async def serve(
    service: BaseService[ModelT], manager: ConfigurationManager[ModelT], *, follow: bool = True
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        service: The service, made with what the manager has loaded.
        manager: Its configuration.
        follow: Whether changes are taken while it runs; one that is refused makes a health check
            fail, and the old configuration serves on.

    Raises:
        CitadelError: The service could not start.
    """
    async with AsyncExitStack() as stack:
        if follow:
            service.checks.add(Check("configuration", manager.check, critical=False))
            manager.attach(service)
            watching = asyncio.create_task(manager.watcher().run(), name="own configuration")
            stack.callback(watching.cancel)
        await service.run_until_signal()
