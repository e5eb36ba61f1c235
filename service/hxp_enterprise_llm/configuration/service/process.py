"""One process: the service, and its own configuration, which it follows."""

from __future__ import annotations

from pathlib import Path

from hxp_enterprise_llm.configuration.following import serve
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
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
from hxp_enterprise_llm.schemas.configuration_service import ConfigurationServiceConfig
from hxp_enterprise_llm.utilities.redaction import Redactor


async def run(path: Path, redactor: Redactor) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        path: The service's own file; a change of it is taken while it runs.
        redactor: Of the process's logs; learns each credential.

    Raises:
        CitadelError: The file is not valid, a credential is missing, or the port is taken.
    """
    series = ConfigurationMetrics()
    manager = manager_of(path, metrics=series)
    config = checked((await manager.load()).config)
    await serve(service_of(config, redactor, series), manager, follow=config.hot_reload)


def service_of(
    config: ConfigurationServiceConfig, redactor: Redactor, series: ConfigurationMetrics
) -> ConfigurationService:
    """Return the service that a configuration describes; it does not run yet.

    Args:
        config: The configuration.
        redactor: Learns each credential.
        series: What its own file is counted with, and all that it counts.

    Raises:
        InvalidConfigurationError: A credential is missing.
    """
    learn = redactor.learn
    return ConfigurationService(
        config,
        key=credential(config.credential, learn=learn),
        backend=backend_of(config, learn=learn),
        signer=signer_of(config, learn=learn),
        sealing=sealing_of(config, learn=learn),
        audit_key=audit_key_of(config, learn=learn),
        managers=series,
        metrics=series.metrics,
        redactor=redactor,
    )
