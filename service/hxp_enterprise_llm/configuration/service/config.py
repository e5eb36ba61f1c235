"""The service's own file and its credentials."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.access import Access
from hxp_enterprise_llm.configuration.security.signing import Signer, Verifier, key_id_of
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
from hxp_enterprise_llm.configuration.service.backend import Backend, FileBackend
from hxp_enterprise_llm.configuration.service.door import rules_of
from hxp_enterprise_llm.configuration.sources.files import FileSource
from hxp_enterprise_llm.core.exceptions import InvalidConfigurationError
from hxp_enterprise_llm.schemas.configuration_service import (
    ConfigurationServiceConfig,
    DatabaseStore,
)

_SHORTEST = 16
_PURPOSE = b"citadel signing key"


def manager_of(
    path: Path, *, metrics: ConfigurationMetrics | None = None
) -> ConfigurationManager[ConfigurationServiceConfig]:
    """Return what keeps the service's own configuration."""
    return ConfigurationManager(
        ConfigurationServiceConfig, [FileSource(path)], name="configuration.yaml", metrics=metrics
    )


async def load(path: Path) -> ConfigurationServiceConfig:
    """Read and check a configuration file, its roles and principals too.

    Raises:
        CitadelError: It is not valid; every fault is named.
    """
    config = (await manager_of(path).load()).config
    Access(rules_of(config))
    return config


def credential(name: str, environ: Mapping[str, str] | None = None) -> Secret:
    """Return a credential as systemd hands it over.

    Raises:
        InvalidConfigurationError: It is missing, or too short to be a key.
    """
    variables = os.environ if environ is None else environ
    folder = variables.get("CREDENTIALS_DIRECTORY", "")
    path = Path(folder) / name
    try:
        text = path.read_text(encoding="utf-8").strip() if folder else ""
    except (OSError, UnicodeDecodeError):
        text = ""
    if len(text) < _SHORTEST:
        raise InvalidConfigurationError(
            f"credential {name} is missing, or shorter than {_SHORTEST} characters",
            next_step=f"Put it into the file {name} of the folder $CREDENTIALS_DIRECTORY.",
        )
    return Secret(text)


def signer_of(config: ConfigurationServiceConfig) -> Signer | None:
    """Return what signs revisions; all servers with the same credential sign with one key.

    Raises:
        InvalidConfigurationError: The credential is missing.
    """
    if config.signing is None:
        return None
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = credential(config.signing)
    private = hmac.digest(secret.reveal().encode(), _PURPOSE, "sha256")
    public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return Signer(private, Verifier({key_id_of(public): public}))


def backend_of(config: ConfigurationServiceConfig) -> Backend:
    """Return where revisions are kept.

    Raises:
        InvalidConfigurationError: The database's password is missing.
    """
    if isinstance(config.store, DatabaseStore):
        from hxp_enterprise_llm.configuration.service.shared import Database, PostgresBackend

        password = credential(config.store.credential)
        return PostgresBackend(Database(config.store, password.reveal()), config.environment)
    return FileBackend(Path(config.store.folder) / "revisions")
