"""One process: the service, and its own configuration, which it follows."""

from __future__ import annotations

from pathlib import Path

from hxp_enterprise_llm.configuration.following import serve
from hxp_enterprise_llm.configuration.service.config import (
    audit_key_of,
    backend_of,
    checked,
    credential,
    manager_of,
    sealing_of,
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
    config = checked((await manager.load()).config)
    service = ConfigurationService(
        config,
        key=credential(config.credential),
        backend=backend_of(config),
        signer=signer_of(config),
        sealing=sealing_of(config),
        audit_key=audit_key_of(config),
    )
    await serve(service, manager, follow=config.hot_reload)
