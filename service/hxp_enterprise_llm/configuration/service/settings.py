"""What the section `security` of the service's file comes to."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from hxp_enterprise_llm.configuration.security.errors import RetentionError
from hxp_enterprise_llm.configuration.security.retention import FolderExports, RetentionPolicy
from hxp_enterprise_llm.configuration.security.service import SecurityConfig
from hxp_enterprise_llm.configuration.service.door import rules_of
from hxp_enterprise_llm.schemas.configuration_service import ConfigurationServiceConfig
from hxp_enterprise_llm.schemas.security import AuditRetention

_EXPORTS = "exports"


class CheckedExports(FolderExports):
    """Exports in a folder that is looked at before something is to go there."""

    async def check(self) -> str:
        """Pass while the folder is there and can be written: a probe for `core.health`.

        Raises:
            RetentionError: It is away.
        """
        if not (self.folder.is_dir() and os.access(self.folder, os.W_OK)):
            raise RetentionError(
                f"the folder {self.folder} of audit exports is away, or cannot be written",
                next_step="Mount it, or mend its permissions; nothing is deleted before that.",
            )
        return str(self.folder)


def security_config(config: ConfigurationServiceConfig) -> SecurityConfig:
    """Return how the security service is to work."""
    settings = config.security
    return SecurityConfig(
        security_level=settings.level,
        access=rules_of(config),
        attempts=settings.attempts,
        sessions=settings.sessions,
        anomalies=settings.anomalies,
        check_every=settings.retention.every,
    )


def retention_policy(settings: AuditRetention) -> RetentionPolicy:
    """Return how long audit records are kept."""
    keep = timedelta(days=settings.days).total_seconds()
    return RetentionPolicy(keep=keep, segment=settings.segment)


def exports_of(settings: AuditRetention, state: Path) -> CheckedExports:
    """Return where old records go; a folder that is given must exist, our own is made."""
    if settings.folder is not None:
        return CheckedExports(Path(settings.folder))
    own = state / _EXPORTS
    own.mkdir(mode=0o700, exist_ok=True)
    return CheckedExports(own)
