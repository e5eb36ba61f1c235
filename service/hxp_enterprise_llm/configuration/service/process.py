"""One process: the service, and its own configuration, which it follows."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from hxp_enterprise_llm.configuration.service.config import (
    backend_of,
    credential,
    manager_of,
    signer_of,
)
from hxp_enterprise_llm.configuration.service.server import ConfigurationService


async def run(path: Path) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        path: The service's own file; a change of it is taken while it runs.

    Raises:
        CitadelError: The file is not valid, a credential is missing, or the port is taken.
    """
    manager = manager_of(path)
    config = (await manager.load()).config
    service = ConfigurationService(
        config,
        key=credential(config.credential),
        backend=backend_of(config),
        signer=signer_of(config),
    )
    async with AsyncExitStack() as stack:
        if config.hot_reload:
            manager.attach(service)
            watching = asyncio.create_task(manager.watcher().run(), name="own configuration")
            stack.callback(watching.cancel)
        await service.run_until_signal()
