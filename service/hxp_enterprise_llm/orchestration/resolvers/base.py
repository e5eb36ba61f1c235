"""Environment → role `base`."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.roles.base import BaseRole

_CODE = "/opt/citadel/hxp-enterprise-llm"


def resolve(context: Context, host: str) -> BaseRole:
    """Return what a host has whatever else it does."""
    services = context.environment.infrastructure_services
    storage = services.storage
    return BaseRole(
        address=context.host(host).address,
        exporter_port=context.environment.port("node_exporter"),
        paths=(
            services.configuration.config_path,
            _CODE,
            storage.model_storage_path,
            storage.data_storage_path,
            storage.cache_storage_path,
            storage.backup_storage_path,
        ),
        shared_kernel=context.host(host).shared_kernel,
    )
