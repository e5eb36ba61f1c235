"""`gateway.yaml`, and the manager that keeps it while a worker runs."""

from __future__ import annotations

from pathlib import Path

from hxp_enterprise_llm.configuration.manager import ConfigurationManager, ManagerSettings
from hxp_enterprise_llm.configuration.pipeline import assemble, compiled
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
from hxp_enterprise_llm.configuration.sources.files import FileSource
from hxp_enterprise_llm.configuration.watcher import WatchSettings
from hxp_enterprise_llm.schemas.gateway import GatewayConfig
from hxp_enterprise_llm.utilities.logging import Logger

# Workers read the file when they are told to: the role swaps it and reloads them one by one.
_ON_SIGNAL = ManagerSettings(watch=WatchSettings(files=False))


def manager_of(
    path: Path, *, metrics: ConfigurationMetrics | None = None, logger: Logger | None = None
) -> ConfigurationManager[GatewayConfig]:
    """Return what keeps a worker's configuration, and reads it again on SIGHUP.

    Args:
        path: `gateway.yaml`.
        metrics: What it counts with.
        logger: The worker's own.
    """
    return ConfigurationManager(
        GatewayConfig,
        [FileSource(path)],
        name="gateway.yaml",
        settings=_ON_SIGNAL,
        metrics=metrics,
        logger=logger,
    )


def load(path: Path) -> GatewayConfig:
    """Read and validate a gateway's configuration file.

    Raises:
        InvalidDocumentError: The file is missing or not valid; every fault is named with its line.
    """
    draft = assemble([FileSource(path).read_now()], GatewayConfig, path)
    return compiled(draft, GatewayConfig).config
