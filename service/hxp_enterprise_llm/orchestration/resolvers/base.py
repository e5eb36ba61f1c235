"""Data of role `base`."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.roles.base import BaseRole, NodeExporter

_PROGRAM = "/opt/citadel/hxp-enterprise-llm"


def resolve(context: Context, host: str) -> BaseRole:
    """Return what every host has: H-06's paths, time, journal, kernel settings, its exporter."""
    services, made = context.environment.infrastructure_services, context.host(host)
    storage = services.storage
    paths = (
        storage.model_storage_path,
        storage.data_storage_path,
        storage.cache_storage_path,
        storage.backup_storage_path,
        services.configuration.config_path,
        _PROGRAM,
    )
    exporter = NodeExporter(address=made.address, port=context.environment.port("node_exporter"))
    packages = BaseRole.model_fields["packages"].default
    if not made.shared_kernel:
        packages = (*packages, "systemd-timesyncd")
    return BaseRole(
        packages=packages,
        paths=tuple(dict.fromkeys(paths)),
        shared_kernel=made.shared_kernel,
        node_exporter=exporter,
    )
