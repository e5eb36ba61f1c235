"""A process: one service, and its own configuration, which it follows."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TypeVar

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.phases import StaleError
from hxp_enterprise_llm.configuration.watcher import unheard
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
            manager.attach(service)
            watching = asyncio.create_task(manager.watcher().run(), name="own configuration")
            check = partial(_followed, watching, manager)
            service.checks.add(Check("configuration", check, critical=False))
            stack.callback(watching.cancel)
        else:
            stack.enter_context(unheard())
        await service.run_until_signal()


async def _followed(watching: asyncio.Task[None], manager: ConfigurationManager[ModelT]) -> str:
    """Pass while changes are taken, and the newest configuration serves."""
    if watching.done():
        raise StaleError(
            f"changes of {manager.name} are not noticed any more",
            next_step="Restart the service; the log says what happened.",
        )
    return await manager.check()
