"""The service's own file and its credentials."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path

from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.access import Access
from hxp_enterprise_llm.configuration.security.policies import POLICIES
from hxp_enterprise_llm.configuration.security.sealing import CredentialKeys
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

Learn = Callable[[str], None]
"""Told each credential, so that no log and no error shows it: `Redactor.learn`."""
_SHORTEST = 16
_PURPOSE = b"citadel signing key"
_AUDIT_PURPOSE = b"citadel audit key"


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
    try:
        return checked(config)
    except InvalidConfigurationError as error:
        error.message = f"{path}: {error.message}"
        raise


def checked(config: ConfigurationServiceConfig) -> ConfigurationServiceConfig:
    """Return a configuration whose roles fit, and that gives what its level asks for.

    Raises:
        AccessRulesError: Roles and principals contradict each other.
        InvalidConfigurationError: Its level asks for more.
    """
    Access(rules_of(config))
    level, policy = config.security.level, POLICIES[config.security.level]
    sessions, asked = config.security.sessions, policy.sessions
    missing = {
        "`signing`: revisions are signed": policy.signed and config.signing is None,
        "`sealing`: what is stored is encrypted": policy.encrypted and not config.sealing,
        "`listen.host: 127.0.0.1`, behind a proxy that speaks TLS": policy.tls
        and not is_here(config.listen.host),
        f"`security.sessions.lifetime` of {asked.lifetime:g} s at most": asked.lifetime
        < (sessions.lifetime or 0),
        f"`security.sessions.idle` of {asked.idle:g} s at most": asked.idle < (sessions.idle or 0),
        f"`security.retention.days` of {policy.keep_audit.days} at least": policy.keep_audit.days
        > config.security.retention.days,
    }
    wanted = [what for what, is_missing in missing.items() if is_missing]
    if wanted:
        raise InvalidConfigurationError(
            f"security level {level} asks for {'; '.join(wanted)}",
            next_step="Write that, or a lower security.level.",
        )
    return config


def is_here(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unheard(_: str) -> None:
    """Learn nothing: of checks and commands, which log nothing."""


def credential(
    name: str, environ: Mapping[str, str] | None = None, *, learn: Learn = _unheard
) -> Secret:
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
    learn(text)
    return Secret(text)


def signer_of(config: ConfigurationServiceConfig, *, learn: Learn = _unheard) -> Signer | None:
    """Return what signs revisions; all servers with the same credential sign with one key.

    Raises:
        InvalidConfigurationError: The credential is missing.
    """
    if config.signing is None:
        return None
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = credential(config.signing, learn=learn)
    private = hmac.digest(secret.reveal().encode(), _PURPOSE, "sha256")
    public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return Signer(private, Verifier({key_id_of(public): public}))


def sealing_of(
    config: ConfigurationServiceConfig, *, learn: Learn = _unheard
) -> CredentialKeys | None:
    """Return what stored revisions are sealed with; None: they are not.

    Raises:
        InvalidConfigurationError: A credential is missing.
    """
    secrets = [credential(name, learn=learn) for name in config.sealing]
    return CredentialKeys(secrets) if secrets else None


def audit_key_of(config: ConfigurationServiceConfig, *, learn: Learn = _unheard) -> bytes | None:
    """Return the key of the audit log's chain; None: it has one of its own.

    Raises:
        InvalidConfigurationError: The credential is missing.
    """
    if config.audit_key is None:
        return None
    secret = credential(config.audit_key, learn=learn).reveal().encode()
    return hmac.digest(secret, _AUDIT_PURPOSE, "sha256")


def backend_of(config: ConfigurationServiceConfig, *, learn: Learn = _unheard) -> Backend:
    """Return where revisions are kept.

    Raises:
        InvalidConfigurationError: The database's password is missing.
    """
    if isinstance(config.store, DatabaseStore):
        from hxp_enterprise_llm.configuration.service.shared import PostgresBackend, database_of

        password = credential(config.store.credential, learn=learn)
        database = database_of(config.store, password.reveal())
        return PostgresBackend(database, config.environment)
    return FileBackend(Path(config.store.folder) / "revisions")
