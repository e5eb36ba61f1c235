"""Environment → role `configuration`: a server over the environment's PostgreSQL, or over files."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.artifacts.digests import venv_ref
from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.configuration_service import (
    ConfigurationServiceConfig,
    DatabaseStore,
    FileStore,
    RevisionBackup,
)
from hxp_enterprise_llm.schemas.gateway import Listen
from hxp_enterprise_llm.schemas.roles.configuration import ConfigurationRole
from hxp_enterprise_llm.schemas.security import SecuritySettings


def resolve(context: Context, host: str) -> ConfigurationRole:
    """Return the data of the configuration service of a host.

    Raises:
        InvalidConfigurationError: Its security level asks for what the environment does not give.
    """
    # Looked at late: what it needs is much, and only environments with the role need it.
    from hxp_enterprise_llm.configuration.service.config import checked

    environment = context.environment
    services, venv = environment.infrastructure_services, venv_ref("configuration")
    settings, storage = services.configuration, services.storage
    data, port = f"{storage.data_storage_path}/configuration", environment.port("configuration")
    shared = bool(environment.hosts_with("postgres"))
    backup = RevisionBackup(folder=f"{storage.backup_storage_path}/configuration")
    return ConfigurationRole(
        artifacts=(venv,),
        venv=venv.path,
        key=settings.key,
        signing=settings.signing_key,
        audit=settings.audit_key,
        sealing=settings.sealing_keys,
        database=environment.integration_services.database.password if shared else None,
        config=checked(
            ConfigurationServiceConfig(
                environment=context.name,
                listen=Listen(host=context.host(host).address, port=port),
                store=_database(context) if shared else FileStore(folder=data),
                state=data,
                signing="signing",
                audit_key="audit",
                sealing=tuple(
                    f"sealing-{number + 1}" for number in range(len(settings.sealing_keys))
                ),
                security=_security(
                    settings.security, f"{storage.backup_storage_path}/configuration"
                ),
                roles=settings.roles,
                principals=settings.principals,
                keys=settings.keys,
                hot_reload=settings.hot_reload,
                backup=backup if settings.backup_enabled else None,
            )
        ),
    )


def _security(settings: SecuritySettings, backups: str) -> SecuritySettings:
    """Return the section with a folder of exports: a file of the service's own is no export."""
    folder = settings.retention.folder or f"{backups}/audit"
    retention = settings.retention.model_copy(update={"folder": folder})
    return settings.model_copy(update={"retention": retention})


def _database(context: Context) -> DatabaseStore:
    database = context.environment.integration_services.database
    return DatabaseStore(
        kind="postgres",
        host=context.host(context.environment.hosts_with("postgres")[0]).address,
        port=context.environment.port("postgres"),
        database=database.database,
        user=database.user,
    )
