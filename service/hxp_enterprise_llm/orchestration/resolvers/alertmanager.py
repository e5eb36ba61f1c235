"""Environment → role `alertmanager`."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.roles.alertmanager import AlertmanagerRole


def resolve(context: Context, host: str) -> AlertmanagerRole:
    """Return the data of the Alertmanager of a host."""
    services = context.environment.infrastructure_services
    return AlertmanagerRole(
        address=context.host(host).address,
        port=context.environment.port("alertmanager"),
        data=f"{services.storage.data_storage_path}/alertmanager",
        webhook_url=services.monitoring.alert_webhook_url,
        webhook_token=services.monitoring.alert_webhook_token,
    )
