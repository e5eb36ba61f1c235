"""One process: a worker, and its own configuration, which it follows."""

from __future__ import annotations

import gc
import logging as standard
from pathlib import Path

from hxp_enterprise_llm.configuration.following import serve
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
from hxp_enterprise_llm.core.metrics import MetricsRegistry
from hxp_enterprise_llm.gateway import keys
from hxp_enterprise_llm.gateway.config import manager_of
from hxp_enterprise_llm.gateway.server import GatewayService
from hxp_enterprise_llm.utilities.logging import Level, Logging, get_logger


async def run(path: Path, worker: int, logging: Logging) -> None:
    """Serve until SIGTERM or SIGINT, then drain; read the file again on SIGHUP.

    Args:
        path: `gateway.yaml`.
        worker: Number of this worker, from 1.
        logging: The log set-up of the process.

    Raises:
        CitadelError: The file is not valid, the key is missing, or a port is taken.
    """
    registry, logger = MetricsRegistry(), get_logger("gateway", worker=worker)
    manager = manager_of(path, metrics=ConfigurationMetrics(registry), logger=logger)
    config = (await manager.load()).config

    def at_level(level: str) -> None:
        logging.set_default(Level(level))

    at_level(config.log_level)
    service = GatewayService(
        config,
        key=keys.read(config.credential, learn=logging.redactor.learn),
        worker=worker,
        on_level=at_level,
        logger=logger,
        metrics=registry,
        redactor=logging.redactor,
    )
    # What strangers send wrong is counted, not logged: they would fill the disk.
    standard.getLogger("uvicorn.error").setLevel(standard.CRITICAL)
    # What was imported stays to the end: collections need not look at it each time.
    gc.collect()
    gc.freeze()
    await serve(service, manager)
